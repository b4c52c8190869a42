//! A sparse histogram of durations, exact to 0.4 %: small enough for a file that keeps one of each collection and operation of several runs,
//! and mergeable by adding counts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stats::order;

/// Buckets of each power of two: a bucket is at most 1/128 of its values wide, and its middle off by half of that (the layout of Gil Tene's
/// HdrHistogram, with fewer digits).
const SUB_BUCKETS: i64 = 128;
const SUB_BITS: u32 = SUB_BUCKETS.trailing_zeros();

/// How often durations (ns, 0 and above) fell into buckets whose width grows with them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: BTreeMap<u32, u64>,
}

/// The bucket of a value: values below 256 are exact, each power of two above has 128 buckets.
fn bucket(value_ns: i64) -> u32 {
    let value = value_ns.max(0);
    let shift = (i64::BITS - value.leading_zeros()).saturating_sub(SUB_BITS + 1);
    ((i64::from(shift) << SUB_BITS) + (value >> shift)) as u32
}

/// The smallest and the largest value of a bucket.
fn ends_ns(bucket: u32) -> (i64, i64) {
    let bucket = i64::from(bucket);
    let shift = (bucket / SUB_BUCKETS - 1).max(0);
    let within = bucket - shift * SUB_BUCKETS;
    (within << shift, ((within + 1) << shift) - 1)
}

/// What stands for the values of a bucket.
fn middle_ns(bucket: u32) -> i64 {
    let (low, high) = ends_ns(bucket);
    i64::midpoint(low, high)
}

impl Histogram {
    /// Counts sorted values.
    #[must_use]
    pub fn of_sorted(sorted: &[i64]) -> Self {
        let runs = sorted.chunk_by(|a, b| bucket(*a) == bucket(*b));
        Self { counts: runs.map(|run| (bucket(run[0]), run.len() as u64)).collect() }
    }

    /// Adds the counts of another.
    pub fn add(&mut self, other: &Self) {
        other.counts.iter().for_each(|(bucket, count)| *self.counts.entry(*bucket).or_default() += count);
    }

    /// Values counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The value of the nearest rank ⌈pn⌉, exact to 0.4 %; `None` for an empty one.
    #[must_use]
    pub fn quantile_ns(&self, p: f64) -> Option<i64> {
        let rank = order::rank(usize::try_from(self.count()).ok()?, p) as u64;
        let mut seen = 0;
        let at = |(bucket, count): (&u32, &u64)| {
            seen += count;
            (seen >= rank).then(|| middle_ns(*bucket))
        };
        self.counts.iter().find_map(at)
    }

    /// Ends of the range that has values, ns.
    #[must_use]
    pub fn range_ns(&self) -> Option<(i64, i64)> {
        let (first, last) = (self.counts.keys().next()?, self.counts.keys().next_back()?);
        Some((ends_ns(*first).0, ends_ns(*last).1))
    }

    /// How many values are at most `value_ns`, to the width of its bucket.
    #[must_use]
    pub fn at_most(&self, value_ns: i64) -> u64 {
        self.counts.range(..=bucket(value_ns)).map(|(_, count)| count).sum()
    }
}

/// As written: the first bucket and the steps from each to the next, and their counts.
#[derive(Serialize, Deserialize)]
struct Written {
    steps: Vec<u32>,
    counts: Vec<u64>,
}

impl Serialize for Histogram {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut last = 0;
        let step = |bucket: &u32| *bucket - std::mem::replace(&mut last, *bucket);
        Written { steps: self.counts.keys().map(step).collect(), counts: self.counts.values().copied().collect() }
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Histogram {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { steps, counts } = Written::deserialize(deserializer)?;
        let mut at = 0_u32;
        let bucket = |step: u32| {
            at = at.saturating_add(step);
            at
        };
        Ok(Self { counts: steps.into_iter().map(bucket).zip(counts).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_are_without_holes_and_narrow() {
        for value in (0..5000).chain([1 << 20, (1 << 20) + 8191, 3_600_000_000_000, i64::MAX / 2]) {
            let (at, (low, high)) = (bucket(value), ends_ns(bucket(value)));
            assert!(
                low <= value && value <= high && (high - low) as f64 <= low as f64 / 128.0,
                "{value} in {at}: {low} to {high}"
            );
            assert_eq!(bucket(high + 1), at + 1, "after {high}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn quantiles_are_those_of_the_values_to_less_than_half_a_percent(mut values in prop::collection::vec(0_i64..10_000_000_000, 1..400), split in 0_usize..400) {
            let (one, other) = values.split_at(split.min(values.len()));
            let histogram = |part: &[i64]| {
                let mut part = part.to_vec();
                part.sort_unstable();
                Histogram::of_sorted(&part)
            };
            let mut merged = histogram(one);
            merged.add(&histogram(other));
            values.sort_unstable();
            prop_assert_eq!(merged.count(), values.len() as u64);
            for p in [0.01, 0.5, 0.9, 0.99, 1.0] {
                let (exact, found) = (order::quantile(&values, p).unwrap(), merged.quantile_ns(p).unwrap());
                prop_assert!((found - exact).abs() as f64 <= exact as f64 * 0.004, "p {}: {} instead of {}", p, found, exact);
            }
            let back: Histogram = serde_json::from_str(&serde_json::to_string(&merged).unwrap()).unwrap();
            prop_assert_eq!(back, merged);
        }
    }
}
