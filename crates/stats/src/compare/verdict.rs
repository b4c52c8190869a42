//! The verdict on a family of figures: worse, how much, how sure, and what these runs could have shown at all.

use serde::{Deserialize, Serialize};

use super::{benjamini_hochberg, cliffs_delta, mann_whitney, paired_shift_interval, shift_interval, sign_flip};
use crate::Interval;
use crate::probability::student_two_sided_quantile;
use crate::sample::squares;

/// Share of false alarms, over the family.
const ALPHA: f64 = 0.05;
const CONFIDENCE: f64 = 1.0 - ALPHA;
/// Share of the cases in which the smallest detectable effect is to be found.
const POWER: f64 = 0.9;
/// The least |δ| of Cliff that counts: a medium effect (Romano et al. 2006).
const DELTA_MIN: f64 = 0.33;
/// So many thresholds make a regression critical.
const CRITICAL_FACTOR: f64 = 4.0;
/// Fewer runs a side, or pairs, have no interval at 95 % (pairs) or next to no power.
pub const RUNS_MIN: usize = 6;
/// No more are ever recommended.
const RUNS_MAX: usize = 10_000;

/// How runs of the two versions belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Design {
    /// Not at all: tested by Mann & Whitney.
    Independent,
    /// The i-th runs stood next to each other: tested by flipping the signs of differences.
    Paired,
}

/// Which way is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Worse {
    /// Latency, errors, memory.
    Higher,
    /// Throughput, availability.
    Lower,
}

/// One figure, once for each run of either side. Figures that are compared as ratios come as logarithms, their threshold as ln(1 + share);
/// shares of errors, which may be 0, come as they are, with a threshold in the same unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison<'a> {
    /// The version that is known.
    pub before: &'a [f64],
    /// The version in question.
    pub after: &'a [f64],
    /// Whether runs pair up.
    pub design: Design,
    /// Which way is worse.
    pub worse: Worse,
    /// The smallest change that matters.
    pub threshold: f64,
    /// The new version misses an objective that the old one met.
    pub objective_broken: bool,
}

/// The verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Not worse, or by less than the threshold with all of the interval.
    None,
    /// Nothing could be told from chance, and a change of the threshold cannot be excluded either.
    Inconclusive,
    /// Worse, but perhaps by less than the threshold.
    Minor,
    /// Worse by more than the threshold, with all of the interval.
    Major,
    /// By more than four thresholds, or an objective is newly broken.
    Critical,
}

/// What the runs say about one figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// after − before, in the unit of the comparison; `None` for too few runs.
    pub shift: Option<Interval>,
    /// Two-sided p of this figure alone; 1 where there is nothing to test.
    pub p: f64,
    /// Adjusted for the family.
    pub p_adjusted: f64,
    /// Cliff's δ of after against before; of pairs: how many more differences are above 0 than below, as a share.
    pub delta: f64,
    /// The smallest shift that runs with this spread show in nine of ten cases; `None` for less than two a side.
    pub detectable: Option<f64>,
    /// Whether it is better for certain.
    pub improved: bool,
    /// The verdict.
    pub outcome: Outcome,
    /// For an inconclusive one: runs a side (pairs) after which a change of the threshold would be found in nine of ten cases. `None` above
    /// 10 000, or where the spread is not known.
    pub runs_needed: Option<usize>,
}

impl Effect {
    /// The shift of logarithms as the ratio after/before.
    #[must_use]
    pub fn ratio(&self) -> Option<Interval> {
        self.shift.map(|shift| shift.map(libm::exp))
    }
}

/// Judges a family of figures, at most six as a rule: the p-values are adjusted over all that are given (Benjamini & Hochberg).
///
/// Significant is an adjusted p below 0.05 with |δ| ≥ 0.33. In the order of the comparisons. A pair more on one side than on the other is
/// left out, as are values that are not finite (with their pair).
///
/// On simulated M/M/1 queues of 30 to 90 % load, eight runs a side of 2000 requests and four figures, identical versions were called worse
/// in 5 to 8 of 400 comparisons of pairs and in 13 to 15 of 400 of independent runs; a p99 that was worse by its threshold and twice
/// [`Effect::detectable`] was called major in 199 of 200 at least (`tests/calibration.rs`).
#[must_use]
pub fn judge(family: &[Comparison<'_>], seed: u64) -> Vec<Effect> {
    let samples: Vec<Samples> = family.iter().map(Samples::new).collect();
    let p: Vec<f64> = samples.iter().map(|samples| samples.p(seed)).collect();
    let adjusted = benjamini_hochberg(&p);
    let all = family.iter().zip(&samples).zip(p.iter().zip(&adjusted));
    all.map(|((comparison, samples), (p, adjusted))| samples.effect(comparison, *p, *adjusted)).collect()
}

/// The finite values of a comparison.
enum Samples {
    Independent { before: Vec<f64>, after: Vec<f64> },
    Paired { differences: Vec<f64> },
}

impl Samples {
    fn new(comparison: &Comparison<'_>) -> Self {
        let finite = |values: &[f64]| values.iter().copied().filter(|v| v.is_finite()).collect::<Vec<f64>>();
        match comparison.design {
            Design::Independent => Self::Independent { before: finite(comparison.before), after: finite(comparison.after) },
            Design::Paired => {
                let pairs = comparison.before.iter().zip(comparison.after);
                Self::Paired { differences: finite(&pairs.map(|(before, after)| after - before).collect::<Vec<_>>()) }
            }
        }
    }

    fn runs(&self) -> usize {
        match self {
            Self::Independent { before, after } => before.len().min(after.len()),
            Self::Paired { differences } => differences.len(),
        }
    }

    fn p(&self, seed: u64) -> f64 {
        let p = match self {
            Self::Independent { before, after } => mann_whitney(after, before).map(|(_, p)| p),
            Self::Paired { differences } => sign_flip(differences, seed),
        };
        p.unwrap_or(1.0)
    }

    fn shift(&self) -> Option<Interval> {
        match self {
            Self::Independent { before, after } => shift_interval(after, before, CONFIDENCE),
            Self::Paired { differences } => paired_shift_interval(differences, CONFIDENCE),
        }
    }

    fn delta(&self) -> f64 {
        let delta = match self {
            Self::Independent { before, after } => cliffs_delta(after, before),
            Self::Paired { differences } => cliffs_delta(differences, &[0.0]),
        };
        delta.unwrap_or(0.0)
    }

    /// The variance of one run's part in the shift, so that with n runs a side it is this/n; and the degrees of freedom for n.
    fn spread(&self) -> Option<f64> {
        let variance = |values: &[f64]| (values.len() >= 2).then(|| squares(values) / (values.len() - 1) as f64);
        match self {
            Self::Independent { before, after } => Some(variance(before)? + variance(after)?),
            Self::Paired { differences } => variance(differences),
        }
    }

    /// (t for the level + t for the power)·√(spread/n).
    fn detectable(&self, runs: usize) -> Option<f64> {
        let sides = if matches!(self, Self::Paired { .. }) { 1.0 } else { 2.0 };
        let degrees = sides * (runs as f64 - 1.0);
        let t = |confidence| student_two_sided_quantile(confidence, degrees);
        Some((t(CONFIDENCE) + t(2.0 * POWER - 1.0)) * (self.spread()? / runs as f64).sqrt())
    }

    /// The least number of runs that show the threshold, by doubling and halving.
    fn runs_needed(&self, threshold: f64) -> Option<usize> {
        let enough = |runs: usize| self.detectable(runs).is_some_and(|least| least <= threshold);
        let least = self.runs().max(RUNS_MIN) + 1;
        if !enough(RUNS_MAX) {
            return None;
        }
        let (mut low, mut high) = (least - 1, RUNS_MAX);
        while high - low > 1 {
            let middle = usize::midpoint(low, high);
            if enough(middle) { high = middle } else { low = middle }
        }
        Some(high)
    }

    fn effect(&self, comparison: &Comparison<'_>, p: f64, p_adjusted: f64) -> Effect {
        let (shift, delta) = (self.shift().filter(|_| self.runs() >= RUNS_MIN), self.delta());
        let significant = p_adjusted < ALPHA && delta.abs() >= DELTA_MIN;
        let worse = shift.map(|shift| match comparison.worse {
            Worse::Higher => shift,
            Worse::Lower => Interval { value: -shift.value, low: -shift.high, high: -shift.low },
        });
        let outcome = outcome(comparison, worse, significant);
        let improved = significant && worse.is_some_and(|worse| worse.value < 0.0);
        let runs_needed = (outcome == Outcome::Inconclusive).then(|| self.runs_needed(comparison.threshold)).flatten();
        let detectable = (self.runs() >= 2).then(|| self.detectable(self.runs())).flatten();
        Effect { shift, p, p_adjusted, delta, detectable, improved, outcome, runs_needed }
    }
}

/// The verdict on a shift that is turned so that up is worse.
fn outcome(comparison: &Comparison<'_>, worse: Option<Interval>, significant: bool) -> Outcome {
    let threshold = comparison.threshold;
    match worse {
        None => Outcome::Inconclusive,
        Some(worse) if significant && worse.value > 0.0 => match () {
            () if comparison.objective_broken || worse.low > CRITICAL_FACTOR * threshold => Outcome::Critical,
            () if worse.low > threshold => Outcome::Major,
            () => Outcome::Minor,
        },
        Some(worse) if worse.high < threshold || significant => Outcome::None,
        Some(_) => Outcome::Inconclusive,
    }
}
