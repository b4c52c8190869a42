//! Gaps between requests: as the trace has them, and as they were sent.

use super::{Axis, Ink, Line, Overlay, Picture, Plot, Stroke};
use crate::{Analysis, units};

pub(super) fn build(analysis: &Analysis) -> Result<Picture, String> {
    let timing = &analysis.timing;
    let gaps = timing.gaps.as_ref().ok_or("Inter-arrival times need at least 20 requests that were sent at different times.")?;
    let (least, most) = (gaps.gap_ns.first().copied().unwrap_or(1.0), gaps.gap_ns.last().copied().unwrap_or(10.0));
    let line = |name, ink, stroke, shares: &[f64]| Line::new(name, ink, stroke, shares.iter().copied().map(Some).collect());
    Ok(Plot {
        title: "Inter-arrival times, trace against replay".to_owned(),
        summary: summary(analysis),
        x: Axis::log("Gap to the request before", least, most, units::round_duration, units::duration),
        y: Axis::from_zero("Share of gaps at or below", 1.0, units::share_label, units::share),
        xs: gaps.gap_ns.clone(),
        lines: vec![
            line("Trace (due)", Ink::Grey, Stroke::Broad, &gaps.due),
            line("Replay (sent)", Ink::Blue, Stroke::Thin, &gaps.sent),
        ],
        over: Overlay::default(),
    }
    .into())
}

fn summary(analysis: &Analysis) -> String {
    let fidelity = &analysis.timing.fidelity;
    let mean = fidelity.iat_mean_ns.map_or_else(|| "unknown".to_owned(), units::duration);
    let verdict = fidelity.verdict.map_or("unknown", stats::fidelity::Verdict::as_str);
    format!("The mean gap of the trace is {mean}; the replay's timing was {verdict}.")
}
