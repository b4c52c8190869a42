//! In what a figure is measured, and how a limit of it is written on the command line and in files.

use serde::{Deserialize, Serialize};

use crate::{parse_duration, whole_ns};

/// In what a figure is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Between 0 and 1.
    Share,
    /// Nanoseconds.
    Ns,
    /// Per second.
    PerS,
    /// So many.
    Requests,
    /// Bytes.
    Bytes,
    /// Processor cores in use.
    Cores,
}

/// Units of time that a limit is written in, and the ns in each; the largest first.
const TIMES: &[(&str, f64)] = &[("s", 1e9), ("ms", 1e6), ("us", 1e3), ("ns", 1.0)];

/// Units of size and the bytes in each (IEC 80000-13, SI); the larger of two that fit is written.
const SIZES: &[(&str, f64)] = &[
    ("TiB", 1_099_511_627_776.0),
    ("TB", 1e12),
    ("GiB", 1_073_741_824.0),
    ("GB", 1e9),
    ("MiB", 1_048_576.0),
    ("MB", 1e6),
    ("KiB", 1024.0),
    ("kB", 1e3),
    ("B", 1.0),
];

impl Unit {
    /// The value of a limit: `20%` or `0.2`, `250ms`, `100` or `100/s`, `500`, `1.5GiB`, `2.5`.
    ///
    /// # Errors
    /// A sentence that says what was wanted and shows what was found.
    pub fn parse(self, text: &str) -> Result<f64, String> {
        let (found, wanted) = match self {
            Self::Share => (share(text).filter(|share| *share <= 1.0), "a share such as 20% or 0.2"),
            Self::Ns if number(text).is_some() => (None, "a time with its unit such as 250ms"),
            Self::Ns => (parse_duration(text).ok().map(|time| whole_ns(time) as f64), "a time such as 250ms"),
            Self::PerS => (number(text.strip_suffix("/s").unwrap_or(text)), "a rate such as 100 or 100/s"),
            Self::Requests => (number(text), "a number such as 500"),
            Self::Bytes => (size(text), "a size such as 512MiB or 2GB"),
            Self::Cores => (number(text), "a number of processor cores such as 1.5"),
        };
        found.ok_or_else(|| format!("wanted {wanted}, found `{text}`"))
    }

    /// A limit as [`Unit::parse`] reads it again, in the largest unit that loses nothing.
    #[must_use]
    pub fn write(self, value: f64) -> String {
        let exactly = |text: String| (self.parse(&text) == Ok(value)).then_some(text);
        let in_units = |units: &[(&str, f64)], least: f64| {
            let fitting = units.iter().filter(|(_, size)| value / size >= least);
            fitting.map(|(unit, size)| format!("{}{unit}", value / size)).filter(|text| text.len() <= SHORT).find_map(exactly)
        };
        let written = match self {
            Self::Share => exactly(format!("{}%", value * 100.0)).or_else(|| exactly(format!("{}%", digits_12(value * 100.0)))),
            Self::Ns => in_units(TIMES, 1.0).or_else(|| exactly(format!("{value}ns"))),
            Self::Bytes => in_units(SIZES, 1.0).or_else(|| exactly(format!("{value}B"))),
            Self::PerS => exactly(format!("{value}/s")),
            Self::Requests | Self::Cores => None,
        };
        written.unwrap_or_else(|| value.to_string())
    }
}

/// Letters of a time or size up to which it is written in a unit that needs decimals.
const SHORT: usize = 9;

/// Rounded to twelve significant digits: what a factor of a hundred added is gone, so that 99.9% is 0.999.
fn digits_12(value: f64) -> f64 {
    format!("{value:.11e}").parse().unwrap_or(value)
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|number| *number >= 0.0 && number.is_finite())
}

fn share(text: &str) -> Option<f64> {
    match text.strip_suffix('%') {
        Some(hundredths) => number(hundredths).map(|hundredths| digits_12(hundredths / 100.0)),
        None => number(text),
    }
}

/// Units are told apart by their letters alone, so `512 mib` is as good; without one, bytes.
fn size(text: &str) -> Option<f64> {
    let (digits, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let unit = if unit.is_empty() { "B" } else { unit.trim() };
    let (_, bytes) = SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    number(digits).map(|number| (number * bytes).round())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn limits_are_read_in_their_units() {
        for (unit, text, value) in [
            (Unit::Share, "20%", 0.2),
            (Unit::Share, "0.1 %", 0.001),
            (Unit::Share, "99.9%", 0.999),
            (Unit::Share, "0.2", 0.2),
            (Unit::Ns, "1.5ms", 1.5e6),
            (Unit::Ns, "2m", 120e9),
            (Unit::PerS, "500/s", 500.0),
            (Unit::PerS, "500", 500.0),
            (Unit::Bytes, "1.5GiB", 1_610_612_736.0),
            (Unit::Bytes, "2 gb", 2e9),
            (Unit::Bytes, "64", 64.0),
            (Unit::Cores, "1.5", 1.5),
        ] {
            assert_eq!(unit.parse(text), Ok(value), "{text}");
        }
        for (unit, text, word) in [
            (Unit::Share, "120%", "a share such as"),
            (Unit::Ns, "250", "a time with its unit"),
            (Unit::Ns, "250 parsecs", "a time such as"),
            (Unit::PerS, "-1", "a rate such as"),
            (Unit::Bytes, "3 stones", "a size such as"),
            (Unit::Cores, "80%", "processor cores"),
        ] {
            let said = unit.parse(text).expect_err(text);
            assert!(said.contains(word) && said.contains(text), "{said}");
        }
    }

    #[test]
    fn limits_are_written_as_people_write_them() {
        for (unit, text) in [
            (Unit::Share, "0.1%"),
            (Unit::Share, "99.9%"),
            (Unit::Ns, "250ms"),
            (Unit::Ns, "1.5ms"),
            (Unit::Ns, "20us"),
            (Unit::Ns, "1234567ns"),
            (Unit::Ns, "90s"),
            (Unit::PerS, "500/s"),
            (Unit::Bytes, "512MiB"),
            (Unit::Bytes, "2GB"),
            (Unit::Bytes, "1.5GiB"),
            (Unit::Requests, "10"),
        ] {
            assert_eq!(unit.write(unit.parse(text).unwrap()), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(whole in 0_u64..1 << 50, percent in 0_u32..100_000, exact in 0.0..1.0_f64) {
            for unit in [Unit::Ns, Unit::Bytes, Unit::PerS, Unit::Requests, Unit::Cores] {
                prop_assert_eq!(unit.parse(&unit.write(whole as f64)), Ok(whole as f64));
            }
            let share = f64::from(percent) / 1e5;
            prop_assert_eq!(Unit::Share.parse(&Unit::Share.write(share)), Ok(share));
            prop_assert!(Unit::Share.write(share).ends_with('%'));
            prop_assert_eq!(Unit::Share.parse(&Unit::Share.write(exact)), Ok(exact));
        }
    }
}
