//! Day and night: a wave around a mean.

use super::ProfileKind;
use super::parse::{time, value};
use super::piece::{Course, Stretch};

pub(super) const PROFILE: ProfileKind = ProfileKind {
    name: "sine",
    about: "a wave around a mean, upwards first",
    keys: &[value("mean"), value("amplitude"), time("period"), time("for")],
    points: false,
    build: |given| {
        let (mean, amplitude) = (given.value("mean"), given.value("amplitude"));
        if amplitude > mean {
            return Err(format!("an amplitude of {amplitude} around {mean} falls below 0"));
        }
        let course = Course::Wave { mean, amplitude, period_ns: given.time_or_none("period") as f64 };
        Ok(vec![Stretch { phase: "sine".to_owned(), course, length_ns: given.time("for") }])
    },
};
