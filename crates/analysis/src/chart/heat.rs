//! Response time over time with every answer in it: the darker, the more.

use super::{Axis, Cells, Picture};
use crate::{Analysis, units};

/// Answers below which a map is a scatter of dots.
const ANSWERS_MIN: u64 = 100;

pub(super) fn build(analysis: &Analysis) -> Result<Picture, String> {
    let heat = &analysis.heat;
    if analysis.totals.answered < ANSWERS_MIN || heat.bins.count < 3 {
        return Err(format!(
            "A heat map needs {ANSWERS_MIN} answers in 3 stretches of time; the run has {} in {}.",
            units::count(analysis.totals.answered),
            heat.bins.count
        ));
    }
    let (least, most) = (heat.edges_ns[0], heat.edges_ns[heat.edges_ns.len() - 1]);
    let to_s = heat.bins.count as f64 * heat.bins.width_s();
    let edge = |bin: usize| (bin as f64 * heat.bins.width_s()).min(to_s);
    Ok(Cells {
        title: "Response times over time".to_owned(),
        summary: summary(heat),
        x: Axis::time("Time of due instant", to_s, units::time),
        y: Axis::log("Response time", least, most, units::round_duration, units::duration),
        x_edges: (0..=heat.bins.count).map(edge).collect(),
        y_edges: heat.edges_ns.clone(),
        counts: heat.counts.clone(),
    }
    .into())
}

fn summary(heat: &crate::heat::Heat) -> String {
    let sums: Vec<u64> = heat.counts.iter().map(|row| row.iter().sum()).collect();
    let fullest = (0..sums.len()).max_by_key(|class| sums[*class]).unwrap_or(0);
    let share = sums[fullest] as f64 / sums.iter().sum::<u64>().max(1) as f64;
    format!(
        "The darker, the more answers: {} of them took between {} and {}; the slowest came to {}.",
        units::share(share),
        units::duration(heat.edges_ns[fullest]),
        units::duration(heat.edges_ns[fullest + 1]),
        units::duration(heat.edges_ns[heat.edges_ns.len() - 1])
    )
}
