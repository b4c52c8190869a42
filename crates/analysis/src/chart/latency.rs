//! Median and 99th percentile of the response time as the run went on.

use super::{Axis, Ink, Line, Overlay, Picture, Plot, Stroke, phase_marks};
use crate::{Analysis, units};

pub(super) fn build(analysis: &Analysis) -> Result<Picture, String> {
    let over_time = &analysis.latency.over_time;
    let bins = &over_time.bins;
    let filled = over_time.p50_ns.iter().flatten().count();
    if filled < 3 {
        return Err(format!("Latency over time needs answers in at least 3 stretches of time; the run has them in {filled}."));
    }
    let values = || over_time.p50_ns.iter().chain(&over_time.p99_ns).flatten().map(|ns| (*ns).max(1) as f64);
    let (least, most) = (values().fold(f64::MAX, f64::min), values().fold(1.0, f64::max));
    let line = |name, ink, ns: &[Option<i64>]| {
        let ys = ns.iter().map(|ns| ns.map(|ns| ns.max(1) as f64)).collect();
        Line::new(name, ink, Stroke::Thin, ys)
    };
    Ok(Plot {
        title: "Response time over time".to_owned(),
        summary: format!(
            "In steps of {}, the median moves between {}.",
            units::round_duration(bins.width_ns as f64),
            range(&over_time.p50_ns)
        ),
        x: Axis::time("Time of due instant", bins.count as f64 * bins.width_s(), units::time),
        y: Axis::log("Response time", least, most, units::round_duration, units::duration),
        xs: (0..bins.count).map(|bin| bins.middle_s(bin)).collect(),
        lines: vec![line("99th percentile", Ink::Vermillion, &over_time.p99_ns), line("Median", Ink::Blue, &over_time.p50_ns)],
        over: Overlay { marks: phase_marks(analysis), ..Overlay::default() },
    }
    .into())
}

fn range(values: &[Option<i64>]) -> String {
    let found = values.iter().flatten();
    let (least, most) = (found.clone().min().copied().unwrap_or_default(), found.max().copied().unwrap_or_default());
    format!("{} and {}", units::duration(least as f64), units::duration(most as f64))
}
