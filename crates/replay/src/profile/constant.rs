//! The same value all the time.

use super::ProfileKind;
use super::parse::{time, value};
use super::piece::Stretch;

pub(super) const PROFILE: ProfileKind = ProfileKind {
    name: "constant",
    about: "the same all the time",
    keys: &[value("at"), time("for").or_not()],
    points: false,
    build: |given| Ok(vec![Stretch::level("constant", given.value("at"), given.time("for"))]),
};
