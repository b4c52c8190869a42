//! How near a model comes to what it was fitted on.

use serde::{Deserialize, Serialize};

use super::{Longer, Model, Recording, Superposed};
use crate::distance;
use crate::traffic::{Traffic, TrafficFigures, WINDOWS_NS};

/// Accepted: W1 of the gaps, as a share of their mean.
pub const NW1_MAX: f64 = 0.05;
/// Accepted: |ln| of the ratio of dispersions, at each window.
pub const LOG_IDC_MAX: f64 = 0.15;

/// How near generated arrivals come to recorded ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Acceptance {
    /// The recorded arrivals, spread over their quantum.
    pub recorded: TrafficFigures,
    /// The generated ones.
    pub generated: TrafficFigures,
    /// Wasserstein-1 distance of the gaps over the recorded mean gap.
    pub nw1: f64,
    /// ln of generated over recorded dispersion at each window; `None` where there are too few windows.
    pub log_idc: [Option<f64>; WINDOWS_NS.len()],
}

impl Acceptance {
    /// Judges models, one or several laid over each other, by arrivals drawn from them with `seed` over the period of the recording.
    ///
    /// # Errors
    /// One sentence where a model cannot be drawn from.
    pub fn of(models: &[&Model], recording: &Recording, seed: u64) -> Result<Self, String> {
        let recorded = recording.arrivals(|_| true);
        let drawn = Superposed::new(models, 1.0, Longer::Repeat, seed)?.map(|(at_ns, _)| at_ns);
        let drawn: Vec<i64> = drawn.take_while(|at_ns| *at_ns < recording.span_ns).collect();
        let nw1 = distance::w1(&gap_runs(&recorded), &gap_runs(&drawn)).ok_or("the model gave no arrivals")?;
        let (recorded, generated) = (figures(&recorded), figures(&drawn));
        let mean_ns = recorded.iat_mean_ns.unwrap_or(1.0);
        let log_idc = std::array::from_fn(|i| {
            let ratio = generated.windows[i].idc? / recorded.windows[i].idc?;
            Some(libm::log(ratio)).filter(|log| log.is_finite())
        });
        Ok(Self { nw1: nw1 / mean_ns, log_idc, recorded, generated })
    }

    /// Whether all is within [`NW1_MAX`] and [`LOG_IDC_MAX`].
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.nw1 <= NW1_MAX && self.log_idc.iter().flatten().all(|log| log.abs() <= LOG_IDC_MAX)
    }
}

fn figures(at_ns: &[i64]) -> TrafficFigures {
    let mut traffic = Traffic::new();
    for at_ns in at_ns {
        traffic.push(*at_ns);
    }
    traffic.figures()
}

fn gap_runs(at_ns: &[i64]) -> Vec<distance::Run> {
    let mut gaps: Vec<i64> = at_ns.windows(2).map(|pair| pair[1] - pair[0]).collect();
    gaps.sort_unstable();
    distance::runs(&gaps)
}
