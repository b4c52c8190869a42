//! A straight line, and what it comes to held for a while.

use super::ProfileKind;
use super::parse::{time, value};
use super::piece::Stretch;

pub(super) const PROFILE: ProfileKind = ProfileKind {
    name: "ramp",
    about: "evenly from one value (0) to another, then held",
    keys: &[value("to"), time("over"), value("from").or_not(), time("hold").or_not()],
    points: false,
    build: |given| {
        let (from, to) = (given.value("from"), given.value("to"));
        let ramp = Stretch::line("ramp", from, to, given.time("over"));
        Ok(vec![ramp, Stretch::level("hold", to, Some(given.time_or_none("hold")))])
    },
};
