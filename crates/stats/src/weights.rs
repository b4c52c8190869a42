//! Choosing among a few things in proportion to their weights.

use crate::Rng;

/// Weights, ready to be drawn from.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights(Vec<f64>);

impl Weights {
    /// From weights in any unit (percent, counts). `None` unless all are finite, none is negative and one is positive.
    #[must_use]
    pub fn new(weights: impl IntoIterator<Item = f64>) -> Option<Self> {
        let (mut sum, mut cumulative) = (0.0, Vec::new());
        for weight in weights {
            if !(weight >= 0.0 && weight.is_finite()) {
                return None;
            }
            sum += weight;
            cumulative.push(sum);
        }
        (sum > 0.0 && sum.is_finite()).then_some(Self(cumulative))
    }

    /// The index of one of them, with probability weight / sum of weights.
    pub fn pick(&self, rng: &mut Rng) -> usize {
        let sum = self.0.last().copied().unwrap_or(0.0);
        let place = rng.uniform() * sum;
        // Rounding may put `place` on `sum` itself: the last of positive weight is meant.
        let last = self.0.partition_point(|upto| *upto < sum);
        self.0.partition_point(|upto| *upto <= place).min(last)
    }

    /// The probability of the index `i`.
    ///
    /// # Panics
    /// If there is no such index.
    #[must_use]
    pub fn share(&self, i: usize) -> f64 {
        let before = if i == 0 { 0.0 } else { self.0[i - 1] };
        (self.0[i] - before) / self.0.last().copied().unwrap_or(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;
    use proptest::prelude::*;

    #[test]
    fn weights_that_mean_nothing_are_refused() {
        for bad in [vec![], vec![0.0, 0.0], vec![1.0, -1.0], vec![f64::NAN], vec![f64::INFINITY]] {
            assert_eq!(Weights::new(bad.iter().copied()), None, "{bad:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// Each share lies within 5 standard deviations of its binomial; weight 0 is never drawn.
        #[test]
        fn shares_follow_the_weights(weights in proptest::collection::vec(0_u8..10, 1..8), seed: u64) {
            prop_assume!(weights.iter().any(|w| *w > 0));
            let table = Weights::new(weights.iter().map(|w| f64::from(*w))).expect("one is positive");
            let (n, mut rng, mut seen) = (4000_u32, Rng::stream(seed, "weights"), vec![0_u32; weights.len()]);
            (0..n).for_each(|_| seen[table.pick(&mut rng)] += 1);
            for (i, count) in seen.iter().enumerate() {
                let p = table.share(i);
                let deviation = (f64::from(n) * p * (1.0 - p)).sqrt();
                prop_assert!((f64::from(*count) - f64::from(n) * p).abs() <= 5.0 * deviation, "{i}: {count} of {n}, p {p}");
            }
        }
    }
}
