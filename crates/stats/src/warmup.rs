//! Where the warm-up of a series ends.

use crate::sample::{mean, squares};

/// Values to a batch: the 5 of MSER-5.
pub const BATCH: usize = 5;
/// Batches a series needs.
const BATCHES_MIN: usize = 4;

/// What a series says about its beginning. Of several series of one run (latency, throughput) the greatest holds for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarmUp {
    /// So many values at the beginning are warm-up; the rest is steady.
    Values(usize),
    /// The series has not settled: what would be cut off is half of it or more.
    NotSteady,
}

/// MSER-5: in batches of 5, cuts off the d that least leaves (Σ over the rest of (Z − Z̄)²)/(k − d)², the squared standard error of the
/// rest's mean (White 1997, *Simulation* 69(6); White, Cobb & Spratt 2000, WSC). A best cut at or past the half means that there is
/// no steady part to speak of. `None` below 20 values. A rest of less than five values belongs to no batch.
#[must_use]
pub fn mser5(values: &[f64]) -> Option<WarmUp> {
    let batches: Vec<f64> = values.chunks_exact(BATCH).map(mean).collect();
    let k = batches.len();
    if k < BATCHES_MIN {
        return None;
    }
    let error = |cut: &usize| squares(&batches[*cut..]) / ((k - cut) as f64).powi(2);
    // The last batches are looked at as well: a best cut there says that the series has not settled. A single batch has no spread.
    let best = (0..=k - BATCHES_MIN.min(k / 2)).min_by(|a, b| error(a).total_cmp(&error(b)))?;
    Some(if 2 * best >= k { WarmUp::NotSteady } else { WarmUp::Values(best * BATCH) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;
    use proptest::prelude::*;

    fn cut(values: &[f64]) -> WarmUp {
        mser5(values).expect("enough values")
    }

    /// By hand: the twenty high values go, and nothing else; a flat sawtooth and a constant lose nothing.
    #[test]
    fn a_high_beginning_is_cut_off() {
        let values: Vec<f64> = (0..100).map(|i| if i < 20 { 10.0 } else { 1.0 }).collect();
        assert_eq!(cut(&values), WarmUp::Values(20));
        let saw: Vec<f64> = (0..100).map(|i| f64::from(i % 5)).collect();
        assert_eq!(cut(&saw), WarmUp::Values(0));
        assert_eq!(cut(&[7.0; 100]), WarmUp::Values(0));
        assert_eq!(mser5(&[1.0; 19]), None);
    }

    /// Batch means 1, −1, 1, −1, 1, −1, 0, 0 by hand: 6/8², 4.86/7², 4/6², 2.8/5², 2/4² for a cut of 0 to 4 batches. The least variance of the
    /// rest would have cut four.
    #[test]
    fn a_short_rest_counts_as_less_certain() {
        let means = [1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 0.0, 0.0];
        let values: Vec<f64> = means.iter().flat_map(|mean| [*mean; 5]).collect();
        assert_eq!(cut(&values), WarmUp::Values(0));
        assert!(WarmUp::NotSteady > WarmUp::Values(1000) && WarmUp::Values(5) > WarmUp::Values(0));
    }

    /// The cases of kim-convergence's tests: a ramp of ten points before flat noise goes; a series that only ramps has no steady part.
    #[test]
    fn ramps_are_warm_up_or_all_there_is() {
        let mut rng = Rng::stream(3, "warm-up");
        let values: Vec<f64> = (0..100).map(|i| f64::from(i.min(10)) * 10.0 + rng.normal()).collect();
        assert!(matches!(cut(&values), WarmUp::Values(10..=20)), "{:?}", cut(&values));
        let ramp: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(cut(&ramp), WarmUp::NotSteady);
    }

    proptest! {
        #[test]
        fn a_power_of_two_as_unit_does_not_matter(values in proptest::collection::vec(0_u32..1000, 20..120), power in 1_i32..9) {
            let plain: Vec<f64> = values.iter().map(|v| f64::from(*v)).collect();
            let scaled: Vec<f64> = plain.iter().map(|v| v * 2.0_f64.powi(power)).collect();
            prop_assert_eq!(cut(&plain), cut(&scaled));
        }
    }
}
