//! How bursty the requests were, as the trace has them and as they were sent.

use super::{Axis, Ink, Line, Overlay, Picture, Plot, Stroke};
use crate::{Analysis, units};

/// Fewer windows are told by their table alone.
pub(crate) const WINDOWS_MIN: usize = 2;

pub(super) fn build(analysis: &Analysis) -> Result<Picture, String> {
    let windows = &analysis.timing.fidelity.dispersion;
    let seen = windows.iter().filter(|window| window.scheduled > 0.0 && window.sent > 0.0);
    let (xs, (due, sent)): (Vec<f64>, (Vec<f64>, Vec<f64>)) =
        seen.map(|window| (window.window_ns as f64, (window.scheduled, window.sent))).unzip();
    if xs.len() < WINDOWS_MIN {
        return Err(format!("Dispersion by window needs {WINDOWS_MIN} widths of window; the run bears {}.", xs.len()));
    }
    let (first, last) = (xs[0], xs[xs.len() - 1]);
    let all = || due.iter().chain(&sent).copied().chain([1.0]);
    let (least, most) = (all().fold(f64::MAX, f64::min), all().fold(1.0, f64::max));
    let summary = format!(
        "Variance over mean of the requests in a window: 1 for independent arrivals, more for bursts. In windows of {}, the trace has {} and the replay {}.",
        units::round_duration(last),
        units::number(due[due.len() - 1]),
        units::number(sent[sent.len() - 1])
    );
    let line = |name, ink, stroke, values: Vec<f64>| Line::new(name, ink, stroke, values.into_iter().map(Some).collect());
    Ok(Plot {
        title: "Index of dispersion, trace against replay".to_owned(),
        summary,
        x: Axis::log("Width of the window", first, last, units::round_duration, units::round_duration),
        y: Axis::log("Index of dispersion", least, most, units::short, units::number),
        xs,
        lines: vec![line("Trace (due)", Ink::Grey, Stroke::Broad, due), line("Replay (sent)", Ink::Blue, Stroke::Thin, sent)],
        over: Overlay::default(),
    }
    .into())
}
