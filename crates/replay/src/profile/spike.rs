//! A load, much more of it for a while, and the first load again.

use super::ProfileKind;
use super::parse::{time, value};
use super::piece::Stretch;

pub(super) const PROFILE: ProfileKind = ProfileKind {
    name: "spike",
    about: "base, peak from `at` for a while, base again until `total` (as long as before); rise and fall: evenly",
    keys: &[
        value("base"),
        value("peak"),
        time("at"),
        time("for"),
        time("rise").or_not(),
        time("fall").or_not(),
        time("total").or_not(),
    ],
    points: false,
    build: |given| {
        let (base, peak) = (given.value("base"), given.value("peak"));
        let [at_ns, for_ns, rise_ns] = ["at", "for", "rise"].map(|name| given.time_or_none(name));
        let fall_ns = given.time("fall").unwrap_or(rise_ns);
        let over_ns = at_ns.saturating_add(for_ns).saturating_add(rise_ns).saturating_add(fall_ns);
        let total_ns = given.time("total").unwrap_or(over_ns.saturating_add(at_ns));
        if total_ns < over_ns {
            let (total_s, over_s) = (total_ns as f64 / 1e9, over_ns as f64 / 1e9);
            return Err(format!("a total of {total_s} s ends before the spike is over, at {over_s} s"));
        }
        Ok(vec![
            Stretch::level("base", base, Some(at_ns)),
            Stretch::line("rise", base, peak, Some(rise_ns)),
            Stretch::level("spike", peak, Some(for_ns)),
            Stretch::line("fall", peak, base, Some(fall_ns)),
            Stretch::level("recovery", base, Some(total_ns - over_ns)),
        ])
    },
};
