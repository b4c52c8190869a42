//! How often each value occurs, in fixed memory: exact counts in buckets whose width grows with the value.

use hdrhistogram::Histogram;

use crate::distance::Run;

/// Counts of integers from 0 up. Untouched buckets cost no memory: a `fine` one takes at most 430 KiB, a `coarse` one 58 KiB.
#[derive(Debug, Clone)]
pub struct Counts(Histogram<u64>);

impl Counts {
    /// Buckets of 0.1 % of the value at most; values below 2048 are exact.
    #[must_use]
    pub fn fine() -> Self {
        Self::with_digits(3)
    }

    /// Buckets of 0.8 % of the value at most; values below 256 are exact.
    #[must_use]
    pub fn coarse() -> Self {
        Self::with_digits(2)
    }

    fn with_digits(digits: u8) -> Self {
        Self(
            Histogram::new_with_max(i64::MAX.unsigned_abs(), digits).expect("bounds and digits are within what the crate allows"),
        )
    }

    /// Counts `value`; what is above `i64::MAX` counts as that.
    pub fn add(&mut self, value: u64) {
        self.0.saturating_record(value);
    }

    /// Values counted.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The largest value, as its bucket's upper end; 0 for none.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.0.max()
    }

    /// The nearest-rank quantile as the upper end of its bucket, so at most one bucket's width too high; 0 for no values.
    #[must_use]
    pub fn quantile(&self, p: f64) -> u64 {
        self.0.value_at_quantile(p)
    }

    /// The content as a sample, each bucket at its middle.
    #[must_use]
    pub fn runs(&self) -> Vec<Run> {
        let middle = |value| self.0.median_equivalent(value).cast_signed();
        self.0.iter_recorded().map(|bucket| (middle(bucket.value_iterated_to()), bucket.count_at_value())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order;
    use proptest::prelude::*;

    #[test]
    fn nothing_is_nothing() {
        let counts = Counts::fine();
        assert_eq!((counts.len(), counts.max(), counts.quantile(0.5), counts.runs()), (0, 0, 0, Vec::new()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn quantiles_are_within_a_bucket(values in proptest::collection::vec(0_u64..10_000_000_000, 1..300), p in 0.0..=1.0) {
            let mut sorted: Vec<i64> = values.iter().map(|value| value.cast_signed()).collect();
            sorted.sort_unstable();
            let exact = order::quantile(&sorted, p).expect("not empty") as f64;
            for (mut counts, width) in [(Counts::fine(), 1.0 / 1024.0), (Counts::coarse(), 1.0 / 128.0)] {
                values.iter().for_each(|value| counts.add(*value));
                let found = counts.quantile(p) as f64;
                prop_assert!(exact <= found && found <= exact * (1.0 + width), "{found} for {exact}");
                prop_assert_eq!(counts.runs().iter().map(|run| run.1).sum::<u64>(), values.len() as u64);
            }
        }
    }
}
