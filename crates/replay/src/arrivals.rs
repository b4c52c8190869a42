//! Where arrivals come from: the trace, a named model, or a model fitted on a trace.
//!
//! Each gives two things for one arrival: its instant on the time line of the recording, for profiles in × of recorded, and its place
//! uᵢ among arrivals of rate 1, for profiles in requests per second.

use serde::{Serialize, Serializer};
use stats::Rng;
use stats::fit::{Instants, Longer, Model};
use trace::TraceNs;

use crate::profile::Curve;
use crate::{Error, Result};

/// Where arrivals come from.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Arrivals {
    /// The trace: freed of its rate, each arrival keeps its place among the others.
    #[default]
    Recorded,
    /// A model of unit rate, as [`stats::arrivals::open`] reads it. In × of recorded, its rate is the recorded one.
    Named(String),
    /// A fitted model. It has a rate of its own over time, which it keeps: as unit-rate arrivals that is a burstiness like any other.
    Fitted(Box<Model>),
}

impl Arrivals {
    /// Starts drawing; `None` where they are those of the trace.
    ///
    /// # Errors
    /// [`Error::Option`] for a model that cannot be.
    pub(crate) fn open(&self, seed: u64) -> Result<Option<Drawn>> {
        let refused = |reason: String| Error::option("--arrivals", reason);
        Ok(match self {
            Self::Recorded => None,
            Self::Named(name) => {
                let gaps =
                    stats::arrivals::open(name, Rng::stream(seed, "arrivals")).map_err(|refusal| refused(said(&refusal)))?;
                Some(Drawn::Gaps { gaps, sum: 0.0 })
            }
            Self::Fitted(model) => {
                let instants = model.instants(1.0, Longer::Repeat, seed).map_err(refused)?;
                Some(Drawn::Instants { instants: Box::new(instants), rate_per_s: model.rate_per_s() })
            }
        })
    }
}

/// A refusal with the nearest name.
fn said(refusal: &stats::arrivals::Refusal) -> String {
    match refusal {
        stats::arrivals::Refusal::Unknown { kind, what, known } => match trace::rules::nearest(what, known) {
            Some(near) => format!("unknown {kind} `{what}`, did you mean `{near}`?"),
            None => refusal.to_string(),
        },
        stats::arrivals::Refusal::Value(_) => refusal.to_string(),
    }
}

impl Serialize for Arrivals {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Recorded => serializer.serialize_str("trace"),
            Self::Named(name) => serializer.serialize_str(name),
            Self::Fitted(model) => model.serialize(serializer),
        }
    }
}

/// Arrivals of a model, in order.
pub(crate) enum Drawn {
    /// Partial sums of unit gaps.
    Gaps {
        /// What is drawn.
        gaps: Box<dyn stats::arrivals::Arrivals>,
        /// Their sum.
        sum: f64,
    },
    /// Instants with a rate of their own.
    Instants {
        /// What is drawn, ns.
        instants: Box<Instants>,
        /// Their mean rate.
        rate_per_s: f64,
    },
}

impl Drawn {
    /// The next arrival: when it would have been recorded, and its place among arrivals of rate 1. Beyond the recorded ones, the
    /// recording goes on at its mean rate.
    pub fn next(&mut self, curve: &Curve) -> (TraceNs, f64) {
        match self {
            Self::Gaps { gaps, sum } => {
                *sum += gaps.next_gap();
                let total = curve.total().max(1) as f64;
                let beyond = if curve.repeats.is_none() { (*sum - total).max(0.0) } else { 0.0 };
                let at = curve.inverse(*sum - beyond);
                (at + (beyond / total * curve.span_ns as f64).round() as i64, *sum)
            }
            Self::Instants { instants, rate_per_s } => {
                let at_ns = instants.next().unwrap_or(i64::MAX / 4);
                (TraceNs(at_ns), at_ns as f64 / 1e9 * *rate_per_s)
            }
        }
    }
}
