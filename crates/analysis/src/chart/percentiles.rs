//! The percentile curve: how slow the slowest are, each factor of ten in rarity being equally wide.

use super::{Axis, Ink, Line, Overlay, Picture, Plot, Scale, Stroke, Text};
use crate::distribution::nines_to_p;
use crate::{Analysis, units};

/// Answers below which a curve is nonsense.
const ANSWERS_MIN: usize = 20;

/// Levels with a tick: the median, then one for each nine.
const TICKS_P: &[f64] = &[0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999_999, 0.999_999_9, 0.999_999_99];

pub(super) fn build(analysis: &Analysis) -> Result<Picture, String> {
    let curve = &analysis.latency.curve;
    if analysis.totals.answered < ANSWERS_MIN as u64 {
        return Err(format!(
            "A percentile curve needs {ANSWERS_MIN} answers; the run has {}.",
            units::count(analysis.totals.answered)
        ));
    }
    let all = || curve.response_ns.iter().chain(&curve.service_ns).map(|ns| (*ns).max(1) as f64);
    let (least, most) = (all().fold(f64::MAX, f64::min), all().fold(1.0, f64::max));
    let line =
        |name, ink, stroke, ns: &[i64]| Line::new(name, ink, stroke, ns.iter().map(|ns| Some((*ns).max(1) as f64)).collect());
    Ok(Plot {
        title: "Latency by percentile".to_owned(),
        summary: summary(analysis),
        x: axis(curve.nines.last().copied().unwrap_or_default()),
        y: Axis::log("Latency", least, most, units::round_duration, units::duration),
        xs: curve.nines.clone(),
        lines: vec![
            line("Response time (from due)", Ink::Blue, Stroke::Broad, &curve.response_ns),
            line("Service time (from sent)", Ink::Vermillion, Stroke::Thin, &curve.service_ns),
        ],
        over: Overlay::default(),
    }
    .into())
}

fn axis(to: f64) -> Axis {
    let ticks = TICKS_P.iter().map(|p| -(1.0 - p).log10()).filter(|nines| *nines <= to + 1e-9).collect();
    Axis {
        title: "Percentile",
        scale: Scale::Linear,
        from: 0.0,
        to,
        ticks,
        label: Text::By(percentile),
        value: Text::By(percentile),
    }
}

/// A place on the axis as a percentage with as many digits as it has nines: `50 %`, `99.9 %`.
fn percentile(nines: f64) -> String {
    let decimals = ((nines - 1.0).ceil().max(0.0) as usize).min(9);
    let text = format!("{:.*}", decimals, nines_to_p(nines) * 100.0);
    let short = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{short} %")
}

fn summary(analysis: &Analysis) -> String {
    let times = &analysis.latency.overall;
    let figure = |p| times.response.value_ns(p).map_or_else(|| "unknown".to_owned(), |ns| units::duration(ns as f64));
    let most = times.response.max_ns.unwrap_or_default() as f64;
    format!(
        "Response time is {} at the median, {} at the 99th percentile and {} at most.",
        figure(0.5),
        figure(0.99),
        units::duration(most)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_percentages_with_their_nines() {
        let labels: Vec<String> = axis(5.0).ticks.into_iter().map(percentile).collect();
        assert_eq!(labels, ["0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %"]);
    }
}
