//! What was asked of the target and what it got, as the run went on.

use super::{Axis, Ink, Line, Plot, Stroke};
use crate::{Analysis, units};

/// Requests below which rates over time are nonsense.
const REQUESTS_MIN: u64 = 20;

pub(super) fn build(analysis: &Analysis) -> Result<Plot, String> {
    let rates = &analysis.rates;
    let bins = &rates.bins;
    let (due, sent) = (rates.per_s(&rates.due), rates.per_s(&rates.sent));
    let (ok, failed) = (rates.per_s(&rates.ok), rates.per_s(&rates.failed));
    if analysis.totals.requests < REQUESTS_MIN {
        return Err(format!("Throughput over time needs {REQUESTS_MIN} requests; the run has {}.", analysis.totals.requests));
    }
    let most = [&due, &sent, &ok, &failed].into_iter().flatten().flatten().copied().fold(0.0, f64::max);
    let line = |name, ink, stroke, ys| Line { name, ink, stroke, ys };
    Ok(Plot {
        title: "Throughput over time",
        summary: summary(analysis),
        x: Axis::time("Time since start", bins.count as f64 * bins.width_s(), units::time),
        y: Axis::from_zero("Requests per second", most, units::short, units::per_s),
        xs: (0..bins.count).map(|bin| bins.middle_s(bin)).collect(),
        lines: vec![
            line("Offered (due)", Ink::Grey, Stroke::Broad, due),
            line("Achieved (sent)", Ink::Blue, Stroke::Thin, sent),
            line("Good answers", Ink::Green, Stroke::Thin, ok),
            line("Failed", Ink::Vermillion, Stroke::Filled, failed),
        ],
    })
}

fn summary(analysis: &Analysis) -> String {
    let totals = &analysis.totals;
    let rate = |rate: Option<f64>| rate.map_or_else(|| "no measurable rate".to_owned(), units::per_s);
    format!(
        "{} offered and {} achieved on average; {} of the requests failed.",
        rate(totals.offered_per_s()),
        rate(totals.achieved_per_s()),
        units::share(totals.share(totals.failed()))
    )
}
