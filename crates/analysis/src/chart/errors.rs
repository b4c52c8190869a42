//! What failed as the run went on, by kind.

use super::{Axis, Ink, Line, Overlay, Picture, Plot, Stroke, phase_marks};
use crate::errors::OverTime;
use crate::{Analysis, units};

/// Failures below which a course over time is a scatter of dots; the table has them.
const FAILED_MIN: u64 = 20;

/// How the most frequent kinds are drawn; all others are one more line.
const STROKES: [(Ink, Stroke); 4] =
    [(Ink::Vermillion, Stroke::Filled), (Ink::Blue, Stroke::Thin), (Ink::Green, Stroke::Thin), (Ink::Text, Stroke::Dashed)];

pub(super) fn build(analysis: &Analysis) -> Result<Picture, String> {
    let failed = analysis.totals.failed();
    if failed < FAILED_MIN {
        return Err(format!("Errors over time need {FAILED_MIN} of them; the run has {}.", units::count(failed)));
    }
    let OverTime { bins, counts, .. } = &analysis.errors_over_time.wider(failed);
    let named = analysis.failures.iter().map(|failure| failure.kind.as_str()).zip(counts).zip(STROKES);
    let mut lines: Vec<Line> =
        named.map(|((kind, counts), (ink, stroke))| Line::new(kind, ink, stroke, bins.per_s(counts))).collect();
    if let Some(others) = counts.get(STROKES.len()..).filter(|others| !others.is_empty()) {
        let sum: Vec<u64> = (0..bins.count).map(|bin| others.iter().map(|counts| counts[bin]).sum()).collect();
        let name = units::counted(others.len() as u64, "other kind");
        lines.push(Line::new(name, Ink::Grey, Stroke::Broad, bins.per_s(&sum)));
    }
    let most = lines.iter().flat_map(|line| &line.ys).flatten().copied().fold(0.0, f64::max);
    let ends = |of: fn(&crate::errors::Failure) -> i64| analysis.failures.iter().map(of);
    let since_start = |at_ns: Option<i64>| units::duration((at_ns.unwrap_or_default() - bins.start_ns).max(0) as f64);
    let (first, last) = (since_start(ends(|f| f.first_ns).min()), since_start(ends(|f| f.last_ns).max()));
    Ok(Plot {
        title: "Errors over time".to_owned(),
        summary: format!(
            "{} of {} requests failed, the first due {first} after the start, the last {last}.",
            units::count(failed),
            units::count(analysis.totals.requests)
        ),
        x: Axis::time("Time of due instant", bins.count as f64 * bins.width_s(), units::time),
        y: Axis::from_zero("Failed requests per second", most, units::short, units::per_s),
        xs: (0..bins.count).map(|bin| bins.middle_s(bin)).collect(),
        lines,
        over: Overlay { marks: phase_marks(analysis), ..Overlay::default() },
    }
    .into())
}
