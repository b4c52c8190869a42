//! A sample of durations as a report shows it: extremes, mean, quantiles with confidence intervals.

use serde::ser::{Serialize, SerializeMap, Serializer};
use stats::Ranked;
use stats::order::{self, Dependent};

use crate::spread::Spread;

/// The quantiles of every table: level and name.
pub const LEVELS: [(f64, &str); 5] = [(0.5, "p50"), (0.9, "p90"), (0.95, "p95"), (0.99, "p99"), (0.999, "p99.9")];

/// Confidence of every interval.
pub const CONFIDENCE: f64 = 0.95;

/// Points of a percentile curve for each factor of ten in 1/(1 − p).
const POINTS_PER_DECADE: usize = 20;

/// One quantile: the nearest rank ⌈pn⌉ of the exact sample. All durations in ns.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Quantile {
    /// The level p, between 0 and 1.
    #[serde(skip)]
    pub p: f64,
    /// The value; `None` where the sample is too small for an interval at all ([`order::samples_min_two_sided`]).
    pub value_ns: Option<i64>,
    /// Lower end of the interval; `None` also where the values depend on one another so much that the sample says too little.
    pub low_ns: Option<i64>,
    /// Upper end, likewise.
    pub high_ns: Option<i64>,
}

/// A sample of durations in ns. For an empty one every figure is `None`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Distribution {
    /// Values.
    pub count: u64,
    /// Arithmetic mean.
    pub mean_ns: Option<f64>,
    /// Smallest.
    pub min_ns: Option<i64>,
    /// Largest.
    pub max_ns: Option<i64>,
    /// One entry for each of [`LEVELS`].
    pub quantiles: Vec<Quantile>,
    /// How they are spread, for a terminal.
    pub spread: Spread,
}

impl Distribution {
    /// Measures a sample, given once in the order it was observed and once sorted.
    #[must_use]
    pub fn new(observed: &[i64], sorted: &[i64]) -> Self {
        let sum: i128 = sorted.iter().map(|value| i128::from(*value)).sum();
        let mean_ns = (!sorted.is_empty()).then(|| sum as f64 / sorted.len() as f64);
        Self::from_ranks(&[observed], mean_ns, |ranks| ranks.iter().map(|rank| sorted[rank - 1]).collect())
    }

    /// Measures a sample that is not sorted, given in consecutive parts in the order it was observed: as exact, and quicker than sorting.
    #[must_use]
    pub fn of(observed: &[&[i64]]) -> Self {
        Self::of_ranked(observed, &Ranked::new(observed))
    }

    /// The same, where its ranks can be asked for already.
    pub(crate) fn of_ranked(observed: &[&[i64]], ranked: &Ranked<'_>) -> Self {
        Self::from_ranks(observed, ranked.mean(), |ranks| ranked.at(ranks))
    }

    /// `at` gives the values at ranks from 1 on.
    fn from_ranks(observed: &[&[i64]], mean_ns: Option<f64>, at: impl Fn(&[usize]) -> Vec<i64>) -> Self {
        let count = observed.iter().map(|part| part.len()).sum();
        let extremes = if count > 0 { at(&[1, count]) } else { Vec::new() };
        let levels = LEVELS.map(|(p, _)| p);
        let estimates = order::estimates_dependent(observed, at, &levels, CONFIDENCE);
        Self {
            count: count as u64,
            mean_ns,
            min_ns: extremes.first().copied(),
            max_ns: extremes.last().copied(),
            quantiles: levels.into_iter().zip(estimates).map(|(p, estimate)| quantile(p, estimate)).collect(),
            spread: Spread::of(observed),
        }
    }

    /// The quantile of one of [`LEVELS`], if the sample is large enough for it.
    #[must_use]
    pub fn at(&self, p: f64) -> Option<&Quantile> {
        self.quantiles.iter().find(|quantile| quantile.p == p && quantile.value_ns.is_some())
    }

    /// The value of that quantile.
    #[must_use]
    pub fn value_ns(&self, p: f64) -> Option<i64> {
        self.at(p)?.value_ns
    }
}

/// An object with a member for each quantile, named after its level: `p50`, `p99.9`.
impl Serialize for Distribution {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4 + self.quantiles.len()))?;
        map.serialize_entry("count", &self.count)?;
        map.serialize_entry("mean_ns", &self.mean_ns)?;
        map.serialize_entry("min_ns", &self.min_ns)?;
        map.serialize_entry("max_ns", &self.max_ns)?;
        for ((_, name), quantile) in LEVELS.iter().zip(&self.quantiles) {
            map.serialize_entry(name, quantile)?;
        }
        map.end()
    }
}

/// The quantile with its order-statistic interval, widened for the dependence of neighbouring requests.
fn quantile(p: f64, estimate: Option<Dependent>) -> Quantile {
    let (value_ns, ends) = estimate.unzip();
    let ends = ends.flatten();
    Quantile { p, value_ns, low_ns: ends.map(|ends| ends.0), high_ns: ends.map(|ends| ends.1) }
}

/// The levels of a percentile curve over `n` values as "nines", −log₁₀(1 − p): evenly spaced, from 0 up to the last value but one.
#[must_use]
pub fn curve_nines(n: usize) -> Vec<f64> {
    let last = (n.max(1) as f64).log10();
    let points = (last * POINTS_PER_DECADE as f64) as usize;
    (0..=points).map(|point| point as f64 / POINTS_PER_DECADE as f64).chain([last]).collect()
}

/// The share of values at or below a place on a percentile curve.
#[must_use]
pub fn nines_to_p(nines: f64) -> f64 {
    1.0 - 10f64.powf(-nines)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A permutation of 1..=n by a step that shares no factor with n: every quantile is known, neighbours are unrelated.
    fn permutation(n: i64) -> Vec<i64> {
        (0..n).map(|i| (i * 7_368_787) % n + 1).collect()
    }

    fn measure(values: &[i64]) -> Distribution {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        Distribution::new(values, &sorted)
    }

    #[test]
    fn a_permutation_has_the_quantiles_of_its_formula() {
        let found = measure(&permutation(100_000));
        assert_eq!((found.count, found.min_ns, found.max_ns), (100_000, Some(1), Some(100_000)));
        assert_eq!(found.mean_ns, Some(50_000.5));
        let values: Vec<_> = found.quantiles.iter().map(|q| q.value_ns).collect();
        assert_eq!(values, [50_000, 90_000, 95_000, 99_000, 99_900].map(Some));
        // Order statistics of independent values: by SciPy's binomial distribution p99.9 of n = 1e5 lies between ranks 99880 and 99920. That
        // these are independent is itself told by 100 values above it, for which the interval is up to a tenth wider.
        let p999 = found.at(0.999).expect("enough values");
        let (low, high) = p999.low_ns.zip(p999.high_ns).expect("an interval");
        assert!(low <= 99_880 && high >= 99_920 && high - low <= 44, "{low} to {high}");
    }

    #[test]
    fn a_small_sample_is_insufficient_for_its_tail() {
        let found = measure(&permutation(367));
        assert_eq!(found.value_ns(0.95), Some(349));
        assert_eq!(found.value_ns(0.99), None, "p99 needs 368 values");
        assert_eq!(measure(&permutation(368)).value_ns(0.99), Some(365));
        let none = measure(&[]);
        assert_eq!((none.mean_ns, none.max_ns, none.value_ns(0.5)), (None, None, None));
    }

    /// One stall: the slow tenth comes in one piece. The interval of p90 has to admit that a tenth might as well not have been.
    #[test]
    fn dependent_values_widen_the_interval() {
        let mixed = measure(&permutation(10_000));
        let sorted: Vec<i64> = (1..=10_000).collect();
        let in_one_piece = Distribution::new(&sorted, &sorted);
        let width = |d: &Distribution| d.at(0.5).and_then(|q| Some(q.high_ns? - q.low_ns?));
        assert_eq!(in_one_piece.value_ns(0.5), mixed.value_ns(0.5));
        assert!(width(&in_one_piece).is_none_or(|wide| wide > 10 * width(&mixed).expect("independent")));
    }

    /// Latencies that depend on one another like those of a busy queue (first-order autoregression, φ = 0.9, of unit variance): of 200
    /// samples, the intervals of 95 % hold the true quantile in at least 90 %; those for independent values would in about 60 %.
    #[test]
    fn intervals_hold_the_true_quantile_of_dependent_values() {
        const UNIT: f64 = 1e6;
        let sample = |seed| {
            let mut rng = stats::Rng::stream(seed, "dependent values");
            let mut x = rng.normal();
            let next = |_| {
                x = 0.9 * x + (1.0f64 - 0.81).sqrt() * rng.normal();
                (x * UNIT) as i64
            };
            (0..6000).map(next).collect::<Vec<i64>>()
        };
        let samples: Vec<Distribution> = (0..200).map(|seed| measure(&sample(seed))).collect();
        for (p, truth) in [(0.5, 0.0), (0.9, 1.281_551_6 * UNIT), (0.95, 1.644_853_6 * UNIT)] {
            let holds = |d: &&Distribution| {
                let ends = d.at(p).and_then(|q| q.low_ns.zip(q.high_ns));
                ends.is_some_and(|(low, high)| low as f64 <= truth && truth <= high as f64)
            };
            let held = samples.iter().filter(holds).count();
            assert!((180..=200).contains(&held), "p {p}: {held} of 200");
        }
    }

    #[test]
    fn a_curve_ends_at_the_largest_values() {
        let nines = curve_nines(1000);
        assert_eq!((nines[0], nines.len()), (0.0, 62));
        assert!((nines_to_p(nines[61]) - 0.999).abs() < 1e-12);
        assert_eq!(curve_nines(1), [0.0, 0.0]);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn quantiles_agree_with_counting(values in proptest::collection::vec(-1000_i64..1000, 400..1500)) {
            let found = measure(&values);
            for p in [0.5, 0.9, 0.95, 0.99] {
                let value = found.value_ns(p).expect("enough values");
                let share = |at: i64| values.iter().filter(|v| **v <= at).count() as f64 / values.len() as f64;
                proptest::prop_assert!(share(value) >= p - 1e-12 && share(value - 1) < p + 1e-12);
                let quantile = found.at(p).expect("enough values");
                if let (Some(low), Some(high)) = (quantile.low_ns, quantile.high_ns) {
                    proptest::prop_assert!(low <= value && value <= high);
                }
            }
        }
    }
}
