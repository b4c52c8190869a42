//! Recall of searches against the rate at which they were asked: whether answers get worse under load.

use super::{Axis, Ink, Line, Overlay, Picture, Plot, Stroke};
use crate::agreement::{RecallAt, STRETCH_MIN};
use crate::{Analysis, units};

/// Stretches of time below which there is nothing to see.
const STRETCHES_MIN: usize = 3;

pub(super) fn build(analysis: &Analysis) -> Result<Picture, String> {
    let by_rate = &analysis.agreement.by_rate;
    let (Some(slowest), Some(fastest), true) = (by_rate.first(), by_rate.last(), by_rate.len() >= STRETCHES_MIN) else {
        return Err(format!(
            "Recall against rate needs {STRETCHES_MIN} stretches of time with {STRETCH_MIN} compared searches each; the run has {}.",
            by_rate.len()
        ));
    };
    let most = by_rate.iter().map(|at| at.per_s).fold(0.0, f64::max);
    Ok(Plot {
        title: "Recall against rate".to_owned(),
        summary: format!(
            "Recall was {:.3} on average at {} and {:.3} at {}.",
            slowest.recall_mean,
            units::per_s(slowest.per_s),
            fastest.recall_mean,
            units::per_s(fastest.per_s)
        ),
        x: Axis::from_zero("Requests sent per second", most, units::short, units::per_s),
        y: Axis::from_zero("Mean recall of recorded ids", 1.0, units::short, |recall| format!("{recall:.3}")),
        xs: by_rate.iter().map(|at| at.per_s).collect(),
        lines: vec![Line::new("A stretch of time", Ink::Blue, Stroke::Points, recalls(by_rate))],
        over: Overlay::default(),
    }
    .into())
}

fn recalls(by_rate: &[RecallAt]) -> Vec<Option<f64>> {
    by_rate.iter().map(|at| Some(at.recall_mean)).collect()
}
