//! Words of the command line that need more than a type: durations, shares, `name=value` pairs.

use stats::daily::{Daily, Wave};
pub use trace::parse_duration as duration;

/// `NAME=VALUE`.
///
/// # Errors
/// A sentence when there is no `=`, or no name before it.
pub fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
        _ => Err(format!("`{text}` is not NAME=VALUE")),
    }
}

/// A share: `0.1` or `10%`.
///
/// # Errors
/// A sentence when it is not between 0 and 1.
pub fn share(text: &str) -> Result<f64, String> {
    let (number, whole) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    let share = number.trim().parse::<f64>().map_or(f64::NAN, |number| number / whole);
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(format!("`{text}` is no share; write 0.1 or 10%")) }
}

/// A rate that rises and falls over a day of so many seconds: `50%`, or waves `52%@14h,10%@3h`, the k-th of which passes k times a day and
/// peaks first at its time after the start; without a time, in the middle of the day.
///
/// # Errors
/// A sentence when a wave is none of these.
pub fn daily(text: &str, day_s: f64) -> Result<Daily, String> {
    let wave = |text: &str| {
        let (rise, peak) = text.split_once('@').unzip();
        let peak_s = peak.map_or(Ok(day_s / 2.0), |peak| duration(peak).map(|peak| peak.as_secs_f64()))?;
        let rise = rise.unwrap_or(text);
        let (number, whole) = rise.strip_suffix('%').map_or((rise, 1.0), |number| (number, 100.0));
        let share = number.trim().parse::<f64>().map_err(|_| format!("`{text}` is no wave; write 50% or 52%@14h"))? / whole;
        Ok(Wave { share, peak_s })
    };
    let daily = Daily { day_s, waves: text.split(',').map(wave).collect::<Result<_, String>>()? };
    daily.check().map(|()| daily)
}

/// A factor: `4`, `2.5`, `1/3` or `25%`.
///
/// # Errors
/// A sentence when it is none of these, or below 0.
pub fn factor(text: &str) -> Result<f64, String> {
    let number = |text: &str| text.trim().parse::<f64>().unwrap_or(f64::NAN);
    let factor = match (text.split_once('/'), text.strip_suffix('%')) {
        (Some((above, below)), _) => number(above) / number(below),
        (None, Some(hundredths)) => number(hundredths) / 100.0,
        (None, None) => number(text),
    };
    if factor >= 0.0 && factor.is_finite() { Ok(factor) } else { Err(format!("`{text}` is no factor; write 4, 2.5, 1/3 or 25%")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_need_a_name() {
        assert_eq!(assignment("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(assignment("=b").is_err());
        assert!(assignment("b").is_err());
    }

    #[test]
    fn shares_are_numbers_or_percentages() {
        assert_eq!(share("0.25"), Ok(0.25));
        assert_eq!(share("25%"), Ok(0.25));
        assert!(share("25").is_err());
        assert!(share("-1%").is_err());
        assert!(share("much").is_err());
    }

    #[test]
    fn factors_are_numbers_fractions_or_percentages() {
        assert_eq!([factor("4"), factor("1/4"), factor("25%"), factor("0")], [Ok(4.0), Ok(0.25), Ok(0.25), Ok(0.0)]);
        for nonsense in ["-1", "1/0", "x", "", "nan", "inf", "1/2/3"] {
            assert!(factor(nonsense).is_err(), "{nonsense}");
        }
    }
}
