//! The slowest operations, by their 99th percentile.

use super::{Axis, Bar, Bars, Ink, Picture};
use crate::latency::Group;
use crate::{Analysis, units};

/// Operations that are shown.
const SHOWN_MAX: usize = 12;

pub(super) fn build(analysis: &Analysis) -> Result<Picture, String> {
    let known = |group: &Group| Some((group.times.response.value_ns(0.99)?, group.names()));
    let mut slowest: Vec<(i64, String, &Group)> =
        analysis.latency.groups.iter().filter_map(|group| known(group).map(|(ns, name)| (ns, name, group))).collect();
    if slowest.is_empty() {
        return Err(
            "The slowest operations are told by their 99th percentile, which no collection and operation has answers enough for."
                .to_owned(),
        );
    }
    slowest.sort_by(|a, b| (b.0, &a.1).cmp(&(a.0, &b.1)));
    let (first_ns, first) = (slowest[0].0, slowest[0].1.clone());
    let of = slowest.len();
    slowest.truncate(SHOWN_MAX);
    let bar = |(ns, name, group): &(i64, String, &Group)| Bar {
        name: name.clone(),
        ink: Ink::Blue,
        value: *ns as f64,
        ends: group.times.response.at(0.99).and_then(|q| Some((q.low_ns? as f64, q.high_ns? as f64))),
        limit: None,
    };
    let bars: Vec<Bar> = slowest.iter().map(bar).collect();
    let most = bars.iter().map(|bar| bar.ends.map_or(bar.value, |ends| ends.1.max(bar.value))).fold(0.0, f64::max);
    Ok(Bars {
        title: "Slowest operations".to_owned(),
        summary: format!(
            "{} of {} by 99th percentile of the response time, with its 95 % interval; the slowest, {first}, has {}.",
            units::counted(bars.len() as u64, "operation"),
            units::count(of as u64),
            units::duration(first_ns as f64)
        ),
        x: Axis::from_zero("99th percentile", most, units::round_duration, units::duration),
        names: "Collection, operation",
        limits: "",
        bars,
    }
    .into())
}
