//! Quantiles and their confidence intervals from order statistics: exact, free of any assumption on the distribution.
//!
//! The interval of the p-quantile between the l-th and u-th smallest of n values covers it with probability
//! P(l ≤ B ≤ u − 1), B ~ Binomial(n, p) (David & Nagaraja 2003, *Order Statistics*, §7.1). It assumes independent values; latencies of one
//! run depend on one another, for which [`estimate_dependent`] widens it.

use serde::{Deserialize, Serialize};

use crate::dependence::{Dependence, dependences};

/// A quantile and the two order statistics that enclose it with the confidence asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// The quantile of the sample, nearest rank.
    pub value: i64,
    /// Lower end of the interval.
    pub low: i64,
    /// Upper end of the interval.
    pub high: i64,
}

/// The nearest rank ⌈p·n⌉ of the p-quantile, 1 to n; 0 only for n = 0. A product that is whole but for rounding counts as whole.
#[must_use]
pub fn rank(n: usize, p: f64) -> usize {
    let place = p * n as f64;
    ((place - place * 1e-12).ceil() as usize).clamp(1, n.max(1)).min(n)
}

/// The p-quantile of sorted values: the smallest that at least the share p of them does not exceed. `None` for no values.
#[must_use]
pub fn quantile(sorted: &[i64], p: f64) -> Option<i64> {
    sorted.get(rank(sorted.len(), p).checked_sub(1)?).copied()
}

/// The p-quantile of sorted values with its two-sided interval, or `None` where there are too few values for one: below
/// [`samples_min_two_sided`].
#[must_use]
pub fn estimate(sorted: &[i64], p: f64, confidence: f64) -> Option<Estimate> {
    let (low, high) = interval_ranks(sorted.len(), p, confidence)?;
    Some(Estimate { value: quantile(sorted, p)?, low: sorted[low - 1], high: sorted[high - 1] })
}

/// A quantile, and its interval where the values say enough.
pub type Dependent = (i64, Option<(i64, i64)>);

/// The same for values that depend on their neighbours in the order `observed`: the interval is that of the smaller sample which would tell
/// as much if its values were independent. `None` below [`samples_min_two_sided`]; the ends are missing where the values depend on one another
/// so much that they say too little.
#[must_use]
pub fn estimate_dependent(observed: &[i64], sorted: &[i64], p: f64, confidence: f64) -> Option<Dependent> {
    let at = |ranks: &[usize]| ranks.iter().map(|rank| sorted[rank - 1]).collect();
    estimates_dependent(&[observed], at, &[p], confidence).pop()?
}

/// The same for several levels at once, of values in consecutive parts; `at` is asked twice, for the values at ranks from 1 to n.
#[must_use]
pub fn estimates_dependent(
    observed: &[&[i64]],
    at: impl Fn(&[usize]) -> Vec<i64>,
    levels: &[f64],
    confidence: f64,
) -> Vec<Option<Dependent>> {
    let n: usize = observed.iter().map(|part| part.len()).sum();
    let mut told: Vec<f64> = levels.iter().copied().filter(|p| n >= samples_min_two_sided(*p, confidence)).collect();
    if told.is_empty() {
        return vec![None; levels.len()];
    }
    let asked = told.len();
    told.extend(REFERENCES.iter().filter(|p| !levels.contains(p)));
    let values = at(&told.iter().map(|p| rank(n, *p)).collect::<Vec<_>>());
    let known: Vec<(f64, Dependence)> = told.iter().copied().zip(dependences(observed, &values)).collect();
    let ends = known[..asked].iter().map(|(p, own)| {
        let effective = effective(n, *p, own, &known, confidence)?;
        let place = |rank: usize| (rank * n).div_ceil(effective).clamp(1, n);
        interval_ranks(effective, *p, confidence).map(|(low, high)| [place(low), place(high)])
    });
    let ends: Vec<Option<[usize; 2]>> = ends.collect();
    let mut bounds = at(&ends.iter().flatten().flatten().copied().collect::<Vec<_>>()).into_iter();
    let ends = ends.into_iter().map(|ends| ends.and_then(|_| bounds.next().zip(bounds.next())));
    let mut found = values.into_iter().zip(ends);
    levels.iter().map(|p| if told[..asked].contains(p) { found.next() } else { None }).collect()
}

/// Levels whose dependence is known better than that of the tail, being passed more often.
const REFERENCES: [f64; 2] = [0.5, 0.9];

/// How many independent values tell as much about the p-quantile as `n` that depend on one another: n/D, with what makes D uncertain in it
/// (Student's t for the normal quantile, [`Dependence::widening`]).
///
/// The bursts above a high quantile are e ≈ n·min(p, 1−p)/D in number, and where e is small just the samples that lack a burst have a quantile
/// that is too low *and* a D that is too small. So the dependence of the middle stands in the more, the fewer the bursts are: D becomes the
/// geometric mean of its own estimate and of the largest among it and those at less extreme levels, weighted e to [`BURSTS_KNOWN`], and is
/// taken 1 + [`BURSTS_FEW`]/e times as large. `None` where the sample is shorter than [`STRETCHES_MIN`] of the stretches after which a queue has forgotten.
///
/// The three constants were chosen on simulated queues, and held against other seeds and queues by `tests/coverage.rs`.
fn effective(n: usize, p: f64, own: &Dependence, known: &[(f64, Dependence)], confidence: f64) -> Option<usize> {
    let rare = |p: f64| p.min(1.0 - p);
    let less_extreme = |r: &&(f64, Dependence)| REFERENCES.contains(&r.0) && rare(r.0) > rare(p);
    let others = known.iter().filter(less_extreme).map(|(_, other)| other);
    let largest = others.clone().fold(own.effect, |most, other| most.max(other.effect));
    let stretches = others.fold(own.stretches, |least, other| least.min(other.stretches));
    let bursts = n as f64 * rare(p) / largest;
    let trust = bursts / (bursts + BURSTS_KNOWN);
    let effect = libm::pow(own.effect, trust) * libm::pow(largest, 1.0 - trust);
    let widening = Dependence { stretches, ..*own }.widening(confidence) * (1.0 + BURSTS_FEW / bursts);
    (stretches >= STRETCHES_MIN).then(|| (n as f64 / (effect * widening)) as usize)
}

/// With so many bursts the dependence of a tail is half its own estimate, half the middle's.
const BURSTS_KNOWN: f64 = 10.0;
/// With so many bursts D is taken twice as large.
const BURSTS_FEW: f64 = 2.0;
/// Stretches below which nothing can be said of the dependence.
const STRETCHES_MIN: f64 = 10.0;

/// The ranks (from 1) of the two-sided interval: the largest l with P(B ≤ l − 1) ≤ α/2 and the smallest u with P(B ≥ u) ≤ α/2,
/// α = 1 − confidence. `None` where one of them does not exist among n values, or p or confidence lies outside (0, 1).
#[must_use]
pub fn interval_ranks(n: usize, p: f64, confidence: f64) -> Option<(usize, usize)> {
    let tail = (1.0 - confidence) / 2.0;
    let sound = |x: f64| x > 0.0 && x < 1.0;
    let binomial = Binomial::new(n, p).filter(|_| sound(p) && sound(confidence))?;
    let low = binomial.lower_tail_within(tail)? + 1;
    let high = n - binomial.mirrored().lower_tail_within(tail)?;
    Some((low, high))
}

/// The probability that the interval between the ranks l and u encloses the p-quantile: P(l ≤ B ≤ u − 1).
#[must_use]
pub fn coverage(n: usize, p: f64, low: usize, high: usize) -> f64 {
    Binomial::new(n, p).map_or(0.0, |binomial| binomial.between(low, high))
}

/// The fewest values for which a one-sided upper bound of the p-quantile exists: pⁿ ≤ 1 − confidence.
#[must_use]
pub fn samples_min_one_sided(p: f64, confidence: f64) -> usize {
    (libm::log(1.0 - confidence) / libm::log(p)).ceil() as usize
}

/// The fewest values for which both ends exist: pⁿ and (1 − p)ⁿ ≤ (1 − confidence)/2.
#[must_use]
pub fn samples_min_two_sided(p: f64, confidence: f64) -> usize {
    (libm::log((1.0 - confidence) / 2.0) / libm::log(p.max(1.0 - p))).ceil() as usize
}

/// Probabilities of the binomial distribution around its mode; what lies further out is below 10⁻³⁰ of it.
struct Binomial {
    n: usize,
    /// The value that `weights[0]` belongs to.
    first: usize,
    weights: Vec<f64>,
}

impl Binomial {
    /// Walks outwards from the mode by the ratio of neighbours, P(k+1)/P(k) = (n−k)/(k+1)·p/(1−p), and scales the sum to 1: exact to
    /// rounding, O(√n) terms.
    fn new(n: usize, p: f64) -> Option<Self> {
        const NEGLIGIBLE: f64 = 1e-30;
        if n == 0 || !(p > 0.0 && p < 1.0) {
            return None;
        }
        let odds = p / (1.0 - p);
        let mode = (((n + 1) as f64 * p) as usize).min(n);
        let step_up = |k: usize| (n - k) as f64 / (k + 1) as f64 * odds;
        let (mut first, mut weight, mut weights) = (mode, 1.0, vec![1.0]);
        while first > 0 && weight > NEGLIGIBLE {
            first -= 1;
            weight /= step_up(first);
            weights.push(weight);
        }
        weights.reverse();
        let (mut last, mut weight) = (mode, 1.0);
        while last < n && weight > NEGLIGIBLE {
            weight *= step_up(last);
            last += 1;
            weights.push(weight);
        }
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        Some(Self { n, first, weights })
    }

    /// The distribution of n − B.
    fn mirrored(&self) -> Self {
        let first = self.n + 1 - self.first - self.weights.len();
        Self { n: self.n, first, weights: self.weights.iter().rev().copied().collect() }
    }

    /// The largest k with P(B ≤ k) ≤ `bound`.
    fn lower_tail_within(&self, bound: f64) -> Option<usize> {
        let mut sum = 0.0;
        let within = self.weights.iter().take_while(|weight| {
            sum += **weight;
            sum <= bound
        });
        (self.first + within.count()).checked_sub(1)
    }

    /// P(low ≤ B < high).
    fn between(&self, low: usize, high: usize) -> f64 {
        let inside = |k: &usize| (low..high).contains(k);
        self.weights.iter().enumerate().filter(|(i, _)| inside(&(self.first + i))).map(|(_, weight)| weight).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Ranks and coverage as SciPy's binomial distribution gives them.
    #[test]
    fn intervals_are_those_of_the_oracle() {
        for (p, n, low, high, covered) in [
            (0.5, 6, 1, 6, 0.96875),
            (0.5, 10, 2, 9, 0.9785),
            (0.5, 20, 6, 15, 0.9586),
            (0.5, 30, 10, 21, 0.9572),
            (0.5, 50, 18, 33, 0.9672),
            (0.5, 100, 40, 61, 0.9648),
            (0.95, 100, 90, 100, 0.9826),
            (0.99, 1000, 983, 997, 0.9761),
            (0.99, 10_000, 9880, 9920, 0.9558),
            (0.999, 10_000, 9983, 9997, 0.9755),
            (0.999, 100_000, 99_880, 99_920, 0.9548),
        ] {
            assert_eq!(interval_ranks(n, p, 0.95), Some((low, high)), "p {p}, n {n}");
            let found = coverage(n, p, low, high);
            assert!((found - covered).abs() < 5.1e-5, "p {p}, n {n}: {found}");
        }
    }

    #[test]
    fn minimum_sizes_are_those_of_the_oracle() {
        let ps = [0.9, 0.95, 0.99, 0.999, 0.9999];
        assert_eq!(ps.map(|p| samples_min_one_sided(p, 0.95)), [29, 59, 299, 2995, 29_956]);
        let two_sided = [36, 72, 368, 3688, 36_887];
        assert_eq!(ps.map(|p| samples_min_two_sided(p, 0.95)), two_sided);
        for (p, n) in ps.into_iter().zip(two_sided) {
            assert!(interval_ranks(n, p, 0.95).is_some() && interval_ranks(n - 1, p, 0.95).is_none(), "p {p}");
        }
    }

    /// The median's interval of six values is their whole range (benchmath's example).
    #[test]
    fn six_values_enclose_their_median() {
        assert_eq!(estimate(&[-10, 2, 3, 4, 5, 6], 0.5, 0.95), Some(Estimate { value: 3, low: -10, high: 6 }));
        assert_eq!(estimate(&[1, 2, 3, 4, 5], 0.5, 0.95), None);
    }

    #[test]
    fn ranks_are_nearest_ranks() {
        assert_eq!([rank(100, 0.07), rank(100, 0.99), rank(1000, 0.999), rank(10, 0.91), rank(1, 0.5)], [7, 99, 999, 10, 1]);
        assert_eq!([rank(10, 0.0), rank(10, 1.0), rank(0, 0.5)], [1, 10, 0]);
        assert_eq!((quantile(&[], 0.5), quantile(&[1, 2, 3, 4], 0.5)), (None, Some(2)));
    }

    #[test]
    fn nonsense_has_no_interval() {
        for (n, p, confidence) in [(0, 0.5, 0.95), (100, 0.0, 0.95), (100, 1.0, 0.95), (100, f64::NAN, 0.95), (100, 0.5, 1.0)] {
            assert_eq!(interval_ranks(n, p, confidence), None);
        }
    }

    /// MLPerf Inference's rules: the least queries whose early stopping allows 0, 1 or 2 beyond the limit at 99 % confidence (mlperf.conf has
    /// 662), which is the bound above which so many values may lie; and the queries at which a percentile is known to a twentieth of its tail
    /// with 99 %, (1 − p)/20 (23 886, …, rounded up there to multiples of 8192).
    #[test]
    fn queries_are_as_many_as_mlperf_asks() {
        for (p, least) in [(0.9, [44, 64, 81]), (0.99, [459, 662, 838]), (0.999, [4603, 6636, 8403])] {
            for (beyond, n) in least.into_iter().enumerate() {
                let high = |n| interval_ranks(n, p, 0.98).map(|(_, high)| n - high);
                assert!(high(n) == Some(beyond) && high(n - 1) < Some(beyond), "p {p}, {beyond} beyond: {n}");
            }
        }
        for (p, n) in [(0.9, 23_886), (0.95, 50_425), (0.97, 85_811), (0.99, 262_742)] {
            let (low, high) = interval_ranks(n, p, 0.99).expect("enough");
            let margin = (high - low) as f64 / 2.0 / n as f64;
            assert!((margin / ((1.0 - p) / 20.0) - 1.0).abs() < 0.01, "p {p}: {margin}");
        }
    }

    /// What is too short to tell how its values depend on one another has a quantile without an interval; what a reference level is measured
    /// for stays inside.
    #[test]
    fn short_samples_have_no_interval() {
        let values: Vec<i64> = (0..29).map(|i| i * 7 % 29).collect();
        let mut sorted = values.clone();
        sorted.sort_unstable();
        assert_eq!(estimate_dependent(&values, &sorted, 0.5, 0.95), Some((14, None)));
        assert_eq!(estimate_dependent(&values, &sorted, 0.9, 0.95), None, "p90 needs 36");
        let at = |ranks: &[usize]| ranks.iter().map(|rank| sorted[rank - 1]).collect();
        assert_eq!(estimates_dependent(&[&values], at, &[0.99, 0.5, 0.9], 0.95), [None, Some((14, None)), None]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// The interval exists from the minimum size on, covers at least what was asked, and no narrower one by either end does so
        /// within its tail.
        #[test]
        fn intervals_cover_and_are_tight(n in 1_usize..3000, p in 0.01..0.99) {
            let found = interval_ranks(n, p, 0.95);
            prop_assert_eq!(found.is_some(), n >= samples_min_two_sided(p, 0.95));
            if let Some((low, high)) = found {
                let tail = |low, high| 1.0 - coverage(n, p, low, high);
                prop_assert!(tail(0, low) <= 1.0 && coverage(n, p, 0, low) <= 0.025 + 1e-12);
                prop_assert!(coverage(n, p, 0, low + 1) > 0.025 - 1e-12);
                prop_assert!(coverage(n, p, high, n + 1) <= 0.025 + 1e-12);
                prop_assert!(coverage(n, p, high - 1, n + 1) > 0.025 - 1e-12);
                prop_assert!(coverage(n, p, low, high) >= 0.95 - 1e-12);
            }
        }

        #[test]
        fn a_quantile_splits_the_sample(mut values in proptest::collection::vec(-50_i64..50, 1..80), p in 0.0..=1.0) {
            values.sort_unstable();
            let q = quantile(&values, p).expect("not empty");
            let at_most = |x| values.iter().filter(|v| **v <= x).count() as f64 / values.len() as f64;
            prop_assert!(at_most(q) >= p - 1e-9);
            prop_assert!(q == values[0] || at_most(q - 1) < p + 1e-9);
        }
    }
}
