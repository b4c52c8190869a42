//! One load for a long time, with an even start.

use super::ProfileKind;
use super::parse::{time, value};
use super::piece::Stretch;

pub(super) const PROFILE: ProfileKind = ProfileKind {
    name: "soak",
    about: "one load for long, after an even start",
    keys: &[value("at"), time("for"), time("ramp").or_not()],
    points: false,
    build: |given| {
        let at = given.value("at");
        let ramp = Stretch::line("ramp", 0.0, at, Some(given.time_or_none("ramp")));
        Ok(vec![ramp, Stretch::level("soak", at, given.time("for"))])
    },
};
