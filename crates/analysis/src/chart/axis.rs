//! Axes: where a value stands, which values get a tick, and how they are written.

use crate::units;

/// How values become distances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Equal differences are equally far apart.
    Linear,
    /// Equal ratios are equally far apart; all values are positive.
    Log,
}

/// A value in words.
type Write = fn(f64) -> String;

/// How values are written.
#[derive(Debug, Clone)]
pub enum Text {
    /// As figures, with a unit where they have one.
    By(fn(f64) -> String),
    /// As names: that of the whole number nearest.
    Names(Vec<String>),
}

impl Text {
    /// The value in words.
    #[must_use]
    pub fn of(&self, value: f64) -> String {
        match self {
            Self::By(write) => write(value),
            Self::Names(names) => names.get(value.round() as usize).cloned().unwrap_or_default(),
        }
    }
}

/// One axis of a plot.
#[derive(Debug, Clone)]
pub struct Axis {
    /// What it measures, with the unit unless the labels have it.
    pub title: &'static str,
    /// How values become distances.
    pub scale: Scale,
    /// The value at its beginning.
    pub from: f64,
    /// The value at its end, larger.
    pub to: f64,
    /// Values with a grid line, rising.
    pub ticks: Vec<f64>,
    /// How a tick is written.
    pub label: Text,
    /// How an exact value is written, in the table.
    pub value: Text,
}

/// Ticks an axis should have at most.
const TICKS_MAX: usize = 8;

/// Steps between ticks of a time axis, in seconds, beyond those of counting in ones, twos and fives.
const TIME_STEPS_S: &[f64] =
    &[15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 21_600.0, 43_200.0, 86_400.0];

impl Axis {
    /// From zero to a round value above `most`.
    #[must_use]
    pub fn from_zero(title: &'static str, most: f64, label: fn(f64) -> String, value: fn(f64) -> String) -> Self {
        Self::around_zero(title, (0.0, most), label, value)
    }

    /// Between round values that enclose zero and both of these.
    fn around_zero(title: &'static str, (least, most): (f64, f64), label: fn(f64) -> String, value: fn(f64) -> String) -> Self {
        let (least, most) = (least.min(0.0), most.max(0.0));
        let (least, most) = if least < most { (least, most) } else { (0.0, 1.0) };
        let step = round_up((most - least) / 5.0);
        let round = |value: f64| (value.abs() / step - 1e-9).ceil().copysign(value);
        let (first, last) = (round(least), round(most));
        Self {
            title,
            scale: Scale::Linear,
            from: first * step,
            to: last * step,
            ticks: (first as i64..=last as i64).map(|tick| tick as f64 * step).collect(),
            label: Text::By(label),
            value: Text::By(value),
        }
    }

    /// What a probe read, in the unit that it says, around zero.
    #[must_use]
    pub fn reading(unit: &str, least: f64, most: f64) -> Self {
        let (label, value): (Write, Write) = match unit {
            "bytes" => (units::round_bytes, |value| units::reading(value, "bytes")),
            "bytes/s" => (units::round_bytes, |value| units::reading(value, "bytes/s")),
            "s" => (|value| units::round_duration(value * 1e9), |value| units::reading(value, "s")),
            "share" => (units::share_label, |value| units::reading(value, "share")),
            "/s" => (units::brief, |value| units::reading(value, "/s")),
            "cores" => (units::brief, |value| units::reading(value, "cores")),
            _ => (units::brief, units::number),
        };
        Self::around_zero("Reading", (least, most), label, value)
    }

    /// Seconds since the start of the run.
    #[must_use]
    pub fn time(title: &'static str, to_s: f64, label: fn(f64) -> String) -> Self {
        let wanted = to_s / (TICKS_MAX - 1) as f64;
        let step = if wanted <= 10.0 {
            round_up(wanted)
        } else {
            let round = TIME_STEPS_S.iter().copied().find(|step| *step >= wanted);
            round.unwrap_or_else(|| (wanted / 86_400.0).ceil() * 86_400.0)
        };
        Self {
            title,
            scale: Scale::Linear,
            from: 0.0,
            to: to_s,
            ticks: multiples(step, to_s),
            label: Text::By(label),
            value: Text::By(label),
        }
    }

    /// A log axis that encloses `least` and `most` (both positive) between round values.
    #[must_use]
    pub fn log(title: &'static str, least: f64, most: f64, label: fn(f64) -> String, value: fn(f64) -> String) -> Self {
        let (from, to) = (round_down(least), round_up(most * (1.0 + 1e-6)));
        Self { title, scale: Scale::Log, from, to, ticks: log_ticks(from, to), label: Text::By(label), value: Text::By(value) }
    }

    /// The share of the axis' length at which a value stands: 0 at its beginning, 1 at its end.
    #[must_use]
    pub fn place(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => (value - self.from) / (self.to - self.from),
            Scale::Log => (value.max(self.from) / self.from).log10() / (self.to / self.from).log10(),
        }
        .clamp(0.0, 1.0)
    }
}

/// 0, step, 2·step … up to `to`.
fn multiples(step: f64, to: f64) -> Vec<f64> {
    (0..=(to / step + 1e-9) as usize).map(|tick| tick as f64 * step).collect()
}

/// The smallest 1, 2 or 5 times a power of ten that is at least `value`.
fn round_up(value: f64) -> f64 {
    let decade = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|step| step * decade)
        .into_iter()
        .find(|step| *step >= value * (1.0 - 1e-9))
        .unwrap_or(10.0 * decade)
}

/// The largest 1, 2 or 5 times a power of ten that is at most `value`.
fn round_down(value: f64) -> f64 {
    let decade = 10f64.powf(value.log10().floor());
    [5.0, 2.0, 1.0].map(|step| step * decade).into_iter().find(|step| *step <= value * (1.0 + 1e-9)).unwrap_or(decade)
}

/// Ones, twos and fives where there is room, else powers of ten, else every other (third …) power of ten.
fn log_ticks(from: f64, to: f64) -> Vec<f64> {
    let inside = |tick: &f64| *tick >= from * (1.0 - 1e-9) && *tick <= to * (1.0 + 1e-9);
    let decades = from.log10().floor() as i32..=to.log10().ceil() as i32;
    let fine = decades.clone().flat_map(|decade| [1.0, 2.0, 5.0].map(|step| step * 10f64.powi(decade)));
    let fine: Vec<f64> = fine.filter(inside).collect();
    if fine.len() <= TICKS_MAX {
        return fine;
    }
    let coarse: Vec<f64> = decades.map(|decade| 10f64.powi(decade)).filter(inside).collect();
    let every = coarse.len().div_ceil(TICKS_MAX);
    coarse.into_iter().step_by(every).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(value: f64) -> String {
        format!("{value}")
    }

    #[test]
    fn an_axis_from_zero_ends_at_a_round_value() {
        let axis = Axis::from_zero("y", 4321.0, plain, plain);
        assert_eq!((axis.to, axis.ticks), (5000.0, vec![0.0, 1000.0, 2000.0, 3000.0, 4000.0, 5000.0]));
        assert_eq!(Axis::from_zero("y", 0.0, plain, plain).to, 1.0);
        let both = Axis::reading("", -120.0, 250.0);
        assert_eq!((both.from, both.to, both.ticks), (-200.0, 300.0, vec![-200.0, -100.0, 0.0, 100.0, 200.0, 300.0]));
        assert_eq!(Axis::reading("bytes/s", 0.0, 3e6).label.of(1.5e6), "1.5 MB");
    }

    #[test]
    fn time_is_ticked_in_seconds_and_minutes() {
        assert_eq!(Axis::time("t", 60.0, plain).ticks, [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]);
        assert_eq!(Axis::time("t", 3600.0, plain).ticks, [0.0, 600.0, 1200.0, 1800.0, 2400.0, 3000.0, 3600.0]);
        assert_eq!(Axis::time("t", 0.4, plain).ticks.len(), 5);
    }

    #[test]
    fn log_axes_enclose_their_values() {
        let axis = Axis::log("y", 130.0, 870.0, plain, plain);
        assert_eq!((axis.from, axis.to, axis.ticks), (100.0, 1000.0, vec![100.0, 200.0, 500.0, 1000.0]));
        let axis = Axis::log("y", 1.0, 3e12, plain, plain);
        assert_eq!(axis.ticks, [1.0, 100.0, 1e4, 1e6, 1e8, 1e10, 1e12]);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(128))]
        #[test]
        fn ticks_are_few_rising_and_inside(least in 1e-3_f64..1e9, factor in 1.0_f64..1e9) {
            for axis in [
                Axis::log("x", least, least * factor, plain, plain),
                Axis::from_zero("x", least, plain, plain),
                Axis::time("x", least, plain),
            ] {
                proptest::prop_assert!((1..=TICKS_MAX + 1).contains(&axis.ticks.len()), "{axis:?}");
                proptest::prop_assert!(axis.ticks.is_sorted() && axis.from < axis.to, "{axis:?}");
                proptest::prop_assert!(axis.ticks.iter().all(|t| *t >= axis.from * 0.999 && *t <= axis.to * 1.001), "{axis:?}");
                proptest::prop_assert!(axis.place(axis.from).abs() < 1e-9 && (axis.place(axis.to) - 1.0).abs() < 1e-9);
            }
        }
    }
}
