//! The recording itself, run through at one speed.

use super::ProfileKind;
use super::parse::{time, value};
use super::piece::Stretch;

pub(super) const PROFILE: ProfileKind = ProfileKind {
    name: "recorded",
    about: "the recorded rate, so many times as fast",
    keys: &[value("at").or_not(), time("for").or_not()],
    points: false,
    build: |given| Ok(vec![Stretch::level("recorded", given.value_or("at", 1.0), given.time("for"))]),
};
