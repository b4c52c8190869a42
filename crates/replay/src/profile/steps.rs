//! Levels one after the other, up or down.

use super::ProfileKind;
use super::parse::{time, value};
use super::piece::Stretch;
use crate::limits::PIECES_MAX;

/// Each may have a rise before it.
const STEPS_MAX: f64 = (PIECES_MAX / 2) as f64;

pub(super) const PROFILE: ProfileKind = ProfileKind {
    name: "steps",
    about: "levels one after the other, the last one whole; rise: evenly between them",
    keys: &[value("from"), value("to"), value("by"), time("hold"), time("rise").or_not()],
    points: false,
    build: |given| {
        let (from, to, by) = (given.value("from"), given.value("to"), given.value("by"));
        // 0.3 by 0.1 is three steps, whatever the binary digits say.
        let steps = if from == to { 0.0 } else { ((to - from).abs() / by - 1e-9).ceil() };
        if steps > STEPS_MAX {
            return Err(format!("from {from} to {to} by {by} is more steps than the {STEPS_MAX} there may be"));
        }
        let steps = steps as usize;
        let level = |step: usize| if step == steps { to } else { from + (to - from).signum() * by * step as f64 };
        let stretches = |step: usize| {
            let name = format!("step-{}", step + 1);
            let rise_ns = if step == 0 { 0 } else { given.time_or_none("rise") };
            let rise = Stretch::line(name.clone(), level(step.saturating_sub(1)), level(step), Some(rise_ns));
            [rise, Stretch::level(name, level(step), given.time("hold"))]
        };
        Ok((0..=steps).flat_map(stretches).collect())
    },
};
