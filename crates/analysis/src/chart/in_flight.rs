//! Requests under way as the run went on: what grows without end when a target falls behind.

use super::{Axis, Ink, Line, Overlay, Picture, Plot, Stroke, phase_marks};
use crate::{Analysis, units};

/// Requests below which a course over time is nonsense.
const SENT_MIN: u64 = 20;

pub(super) fn build(analysis: &Analysis) -> Result<Picture, String> {
    let rates = &analysis.rates;
    let bins = &rates.bins;
    if analysis.totals.sent < SENT_MIN {
        return Err(format!(
            "Requests in flight over time need {SENT_MIN} that were sent; the run has {}.",
            analysis.totals.sent
        ));
    }
    let covered = |(bin, mean): (usize, &f64)| (bins.covered_s(bin) > 0.0).then_some(*mean);
    let ys: Vec<Option<f64>> = rates.in_flight.iter().enumerate().map(covered).collect();
    let most = ys.iter().flatten().copied().fold(0.0, f64::max);
    let mean = ys.iter().flatten().sum::<f64>() / ys.iter().flatten().count().max(1) as f64;
    Ok(Plot {
        title: "Requests in flight over time".to_owned(),
        summary: format!(
            "Sent and not yet answered: {} on average, at most {} over a stretch.",
            units::number(mean),
            units::number(most)
        ),
        x: Axis::time("Time since start", bins.count as f64 * bins.width_s(), units::time),
        y: Axis::from_zero("Requests in flight", most, units::short, units::number),
        xs: (0..bins.count).map(|bin| bins.middle_s(bin)).collect(),
        lines: vec![Line::new("In flight", Ink::Blue, Stroke::Filled, ys)],
        over: Overlay { marks: phase_marks(analysis), ..Overlay::default() },
    }
    .into())
}
