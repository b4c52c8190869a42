//! What was asked of the target and what it got, as the run went on.

use super::{Axis, Ink, Line, Overlay, Picture, Plot, Stroke, phase_marks};
use crate::{Analysis, units};

/// Requests below which rates over time are nonsense.
const REQUESTS_MIN: u64 = 20;

pub(super) fn build(analysis: &Analysis) -> Result<Picture, String> {
    let rates = &analysis.rates;
    let bins = &rates.bins;
    let (due, sent) = (rates.bins.per_s(&rates.due), rates.bins.per_s(&rates.sent));
    let (ok, failed) = (rates.bins.per_s(&rates.ok), rates.bins.per_s(&rates.failed));
    if analysis.totals.requests < REQUESTS_MIN {
        return Err(format!("Throughput over time needs {REQUESTS_MIN} requests; the run has {}.", analysis.totals.requests));
    }
    let asked = asked(analysis);
    let most = [&due, &sent, &ok, &failed].into_iter().chain(&asked).flatten().flatten().copied().fold(0.0, f64::max);
    let line = |name, ink, stroke, ys| Line::new(name, ink, stroke, ys);
    let mut lines = vec![
        line("Offered (due)", Ink::Grey, Stroke::Broad, due),
        line("Achieved (sent)", Ink::Blue, Stroke::Thin, sent),
        line("Good answers", Ink::Green, Stroke::Thin, ok),
        line("Failed", Ink::Vermillion, Stroke::Filled, failed),
    ];
    if analysis.rates.shed.iter().any(|shed| *shed > 0) {
        lines.push(line("Shed at a limit", Ink::Text, Stroke::Dashed, rates.bins.per_s(&rates.shed)));
    }
    lines.extend(asked.map(|asked| line("Asked", Ink::Text, Stroke::Thin, asked)));
    Ok(Plot {
        title: "Throughput over time".to_owned(),
        summary: summary(analysis),
        x: Axis::time("Time since start", bins.count as f64 * bins.width_s(), units::time),
        y: Axis::from_zero("Requests per second", most, units::short, units::per_s),
        xs: (0..bins.count).map(|bin| bins.middle_s(bin)).collect(),
        lines,
        over: Overlay { marks: phase_marks(analysis), ..Overlay::default() },
    }
    .into())
}

/// The rate asked for in each bin, up to the last request that was due; `None` where it was the same all the time.
fn asked(analysis: &Analysis) -> Option<Vec<Option<f64>>> {
    let (asked, bins) = (analysis.phases.asked.as_ref()?, &analysis.rates.bins);
    let edge = |bin: usize| (bins.start_ns + bin as i64 * bins.width_ns).min(analysis.whole.last_due_ns);
    let rate = |bin: usize| asked.per_s(edge(bin), edge(bin + 1)).filter(|_| bins.covered_s(bin) >= bins.width_s() / 2.0);
    Some((0..bins.count).map(rate).collect())
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
