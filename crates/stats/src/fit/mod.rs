//! A recorded arrival process as a model: a rate curve from counts, and what is left when time is measured by that curve.
//!
//! The gaps of a recording, taken alone, lose its bursts: they live in the order of the gaps. So the count of every stretch of W seconds
//! is kept as it is, and only the places inside a stretch are drawn: from the gaps in *operational time* τ = Λ̂(t), which no longer know
//! of the rate (Cox & Lewis 1966, *The Statistical Analysis of Series of Events*, §3.3).

//! Kinds of requests may have a model each, over the same period; what they give is laid over each other ([`Superposed`]).

mod acceptance;
mod generate;
mod parametric;
mod periods;

use serde::{Deserialize, Serialize};

pub use acceptance::{Acceptance, LOG_IDC_MAX, NW1_MAX};
pub use generate::{Instants, Superposed};
pub use parametric::{Candidate, TwoPhases, candidates, gamma_shape, h2, weibull_shape};
pub use periods::Longer;

use crate::Rng;
use crate::daily::Daily;

/// Widths of a stretch that are tried, ns; the narrowest with [`PER_STRETCH_MIN`] arrivals is taken. Bursts shorter than a stretch are
/// lost, so that traffic of high rate gets narrow ones.
pub const WIDTHS_NS: [i64; 6] = [100_000_000, 1_000_000_000, 10_000_000_000, 30_000_000_000, 60_000_000_000, 300_000_000_000];
/// Mean arrivals that a stretch with any must have.
pub const PER_STRETCH_MIN: f64 = 20.0;
/// Fewer arrivals than this are no sample.
pub const ARRIVALS_MIN: usize = 100;
/// The most stretches of a curve: two months in tens of seconds.
pub const STRETCHES_MAX: i64 = 1 << 19;
/// Steps of the quantile table.
const QUANTILES: usize = 512;
/// Rank correlation of neighbouring residuals from which it is kept.
const CORRELATION_MIN: f64 = 0.1;
/// The length of a day, s.
const DAY_S: f64 = 86_400.0;

/// A fitted arrival process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Arrivals it was fitted on.
    pub arrivals: u64,
    /// Its period: from the first arrival to one mean gap after the last, ns.
    pub span_ns: i64,
    /// Width of a stretch, ns; the last one ends with the period.
    pub width_ns: i64,
    /// Arrivals of each stretch.
    pub counts: Vec<u64>,
    /// How arrivals lie within a stretch.
    pub residual: Residual,
    /// The course of the day, where the recording lasts one.
    pub daily: Option<Daily>,
}

/// Gaps in operational time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Residual {
    /// The recorded ones.
    Table {
        /// Quantiles at 0, 1/512, …, 1.
        quantiles: Vec<f64>,
        /// Correlation of neighbours on the normal scale (a Gaussian copula); 0 for independent ones.
        correlation: f64,
    },
    /// A renewal model, as [`crate::arrivals::open`] reads it.
    Arrivals(String),
}

/// Arrivals as models are fitted to them.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Since the first one, ns, in the order they came in; spread over the step that they were recorded in.
    since_ns: Vec<i64>,
    span_ns: i64,
    quantum_ns: Option<i64>,
}

impl Recording {
    /// Takes arrivals, ns from any origin, sorted.
    ///
    /// # Errors
    /// One sentence where there are fewer than [`ARRIVALS_MIN`] arrivals, or where they last too short or too long for a rate.
    pub fn new(at_ns: &[i64]) -> Result<Self, String> {
        let (Some(first), Some(last)) = (at_ns.first(), at_ns.last()) else { return Err(too_few(0)) };
        if at_ns.len() < ARRIVALS_MIN {
            return Err(too_few(at_ns.len()));
        }
        let span_ns = last.saturating_sub(*first);
        if span_ns < at_ns.len() as i64 || stretches(span_ns, WIDTHS_NS[WIDTHS_NS.len() - 1]) >= STRETCHES_MAX {
            return Err(format!("{} arrivals within {span_ns} ns have no rate that could be fitted", at_ns.len()));
        }
        let (mut since_ns, quantum_ns) = dequantised(at_ns);
        let (first, last) = since_ns.iter().fold((i64::MAX, i64::MIN), |(low, high), at| (low.min(*at), high.max(*at)));
        since_ns.iter_mut().for_each(|at_ns| *at_ns -= first);
        let span_ns = last - first;
        Ok(Self { span_ns: span_ns + (span_ns / (since_ns.len() as i64 - 1)).max(1), since_ns, quantum_ns })
    }

    /// The step that instants were recorded in, ns, where many fell on one; they were spread over it.
    #[must_use]
    pub fn quantum_ns(&self) -> Option<i64> {
        self.quantum_ns
    }

    /// The arrivals that `of` holds for by their number, as many as there are: since the first of all, ns, sorted.
    #[must_use]
    pub fn arrivals(&self, of: impl Fn(usize) -> bool) -> Vec<i64> {
        let mut kept: Vec<i64> = self.since_ns.iter().enumerate().filter(|(i, _)| of(*i)).map(|(_, at_ns)| *at_ns).collect();
        kept.sort_unstable();
        kept
    }

    /// The model of some of the [`Recording::arrivals`], at least one. `parametric`: the residual is the model with the least AIC, not
    /// the recorded table.
    #[must_use]
    pub fn model(&self, since_ns: &[i64], parametric: bool) -> Model {
        let (width_ns, counts) = curve(since_ns, self.span_ns);
        let mut model = Model {
            arrivals: since_ns.len() as u64,
            span_ns: self.span_ns,
            width_ns,
            counts,
            residual: Residual::Arrivals("poisson".to_owned()),
            daily: Daily::fit(since_ns, self.span_ns, DAY_S),
        };
        if since_ns.len() >= ARRIVALS_MIN {
            let gaps = model.operational_gaps(since_ns);
            model.residual = if parametric { parametric::residual(&gaps) } else { table(&gaps) };
        }
        model
    }
}

impl Model {
    /// Fits all arrivals of a recording, ns from any origin, sorted: see [`Recording`].
    ///
    /// # Errors
    /// As [`Recording::new`].
    pub fn fit(at_ns: &[i64], parametric: bool) -> Result<Self, String> {
        let recording = Recording::new(at_ns)?;
        Ok(recording.model(&recording.arrivals(|_| true), parametric))
    }

    /// One sentence on what makes a model that was read from a file unusable.
    ///
    /// # Errors
    /// That sentence.
    pub fn check(&self) -> Result<(), String> {
        let stretches = (self.span_ns > 0 && self.width_ns > 0).then(|| stretches(self.span_ns, self.width_ns));
        if stretches != Some(self.counts.len() as i64) {
            return Err(format!("the model has {} counts, not one for each stretch of its span", self.counts.len()));
        }
        if self.arrivals == 0 || self.counts.iter().try_fold(0_u64, |sum, n| sum.checked_add(*n)) != Some(self.arrivals) {
            return Err("the model's counts do not add up to its arrivals".to_owned());
        }
        self.daily.as_ref().map_or(Ok(()), Daily::check)?;
        match &self.residual {
            Residual::Arrivals(name) => crate::arrivals::open(name, Rng::stream(0, "")).map(drop).map_err(|e| e.to_string()),
            Residual::Table { quantiles, correlation } => {
                let sound = quantiles.len() >= 2 && quantiles.is_sorted() && quantiles.iter().all(|q| *q >= 0.0 && q.is_finite());
                let related = correlation.abs() < 1.0;
                if sound && related { Ok(()) } else { Err("the model's quantiles must rise from 0 or above".to_owned()) }
            }
        }
    }

    /// Mean arrivals per second.
    #[must_use]
    pub fn rate_per_s(&self) -> f64 {
        self.arrivals as f64 * 1e9 / self.span_ns as f64
    }

    /// Width of stretch `i`, ns.
    fn stretch_ns(&self, i: usize) -> i64 {
        self.width_ns.min(self.span_ns - i as i64 * self.width_ns)
    }

    /// The renewal models of what is left of some arrivals, sorted since the start of the recording, when time is measured by the
    /// curve; the likeliest first.
    #[must_use]
    pub fn candidates(&self, since_ns: &[i64]) -> Vec<Candidate> {
        candidates(&self.operational_gaps(since_ns))
    }

    /// Gaps of the arrivals on the clock Λ̂, which runs through a stretch as many units as it has arrivals.
    fn operational_gaps(&self, since_ns: &[i64]) -> Vec<f64> {
        let upto = self.counts.iter().scan(0, |sum, n| Some(std::mem::replace(sum, *sum + n)));
        let starts: Vec<u64> = upto.collect();
        let time = |at_ns: i64| {
            let i = (at_ns / self.width_ns) as usize;
            let share = (at_ns % self.width_ns) as f64 / self.stretch_ns(i) as f64;
            starts[i] as f64 + self.counts[i] as f64 * share
        };
        let times: Vec<f64> = since_ns.iter().map(|at_ns| time(*at_ns)).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }
}

fn too_few(arrivals: usize) -> String {
    format!("{arrivals} arrivals are too few for a model: {ARRIVALS_MIN} are the least")
}

fn stretches(span_ns: i64, width_ns: i64) -> i64 {
    span_ns / width_ns + i64::from(span_ns % width_ns > 0)
}

/// Each arrival somewhere in the step it was recorded in, where some fell on one instant, and that step: the greatest that divides
/// all gaps.
fn dequantised(at_ns: &[i64]) -> (Vec<i64>, Option<i64>) {
    let gaps = at_ns.windows(2).map(|pair| pair[1] - pair[0]);
    let step_ns = gaps.clone().fold(0, greatest_divisor);
    if step_ns <= 1 || gaps.clone().all(|gap| gap > 0) {
        return (at_ns.to_vec(), None);
    }
    let mut rng = Rng::stream(0, "dequantise");
    (at_ns.iter().map(|at_ns| at_ns + rng.below(step_ns.unsigned_abs()) as i64).collect(), Some(step_ns))
}

fn greatest_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { greatest_divisor(b, a % b) }
}

/// The narrowest width that gives enough arrivals to a stretch, and the counts; the widest one where none does.
fn curve(since_ns: &[i64], span_ns: i64) -> (i64, Vec<u64>) {
    let mut found = (0, Vec::new());
    for width_ns in WIDTHS_NS.into_iter().filter(|width_ns| stretches(span_ns, *width_ns) <= STRETCHES_MAX) {
        let mut counts = vec![0; stretches(span_ns, width_ns) as usize];
        since_ns.iter().for_each(|at_ns| counts[(at_ns / width_ns) as usize] += 1);
        let busy = counts.iter().filter(|n| **n > 0).count() as f64;
        found = (width_ns, counts);
        if since_ns.len() as f64 >= PER_STRETCH_MIN * busy {
            break;
        }
    }
    found
}

/// The quantiles of the residuals, scaled to mean 1, and the correlation of neighbours where there is any to speak of.
fn table(gaps: &[f64]) -> Residual {
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let mut sorted: Vec<f64> = gaps.iter().map(|gap| gap / mean).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let quantile = |i: usize| {
        let place = i as f64 / QUANTILES as f64 * (sorted.len() - 1) as f64;
        let (below, rest) = (place as usize, place.fract());
        nine_decimals(sorted[below] + rest * (sorted[(below + 1).min(sorted.len() - 1)] - sorted[below]))
    };
    let ranks = rank_correlation(gaps);
    // The normal correlation behind a rank correlation ρ is 2·sin(πρ/6) (Kruskal 1958, JASA 53(284)).
    let correlation = if ranks.abs() > CORRELATION_MIN { 2.0 * libm::sin(std::f64::consts::PI * ranks / 6.0) } else { 0.0 };
    Residual::Table {
        quantiles: (0..=QUANTILES).map(quantile).collect(),
        correlation: nine_decimals(correlation.clamp(-0.99, 0.99)),
    }
}

/// A number that comes back the same from a file of decimals.
fn nine_decimals(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}

/// Spearman's correlation of neighbours; 0 where nothing varies. Ties keep the order in which they came.
fn rank_correlation(gaps: &[f64]) -> f64 {
    let mut order: Vec<usize> = (0..gaps.len()).collect();
    order.sort_by(|a, b| gaps[*a].total_cmp(&gaps[*b]));
    let mut ranks = vec![0.0; gaps.len()];
    order.iter().enumerate().for_each(|(rank, i)| ranks[*i] = rank as f64);
    let mut pairs = crate::moments::Pairs::default();
    ranks.windows(2).for_each(|pair| pairs.add(pair[0], pair[1]));
    pairs.correlation().unwrap_or(0.0)
}

#[cfg(test)]
mod tests;
