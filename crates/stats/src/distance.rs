//! How far two samples are apart.
//!
//! A sample is a list of *runs*, (value, how often), by ascending value: what a sorted slice gives as well as a histogram.

/// A value and how often it occurs.
pub type Run = (i64, u64);

/// The runs of a sorted sample.
#[must_use]
pub fn runs(sorted: &[i64]) -> Vec<Run> {
    sorted.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u64)).collect()
}

/// Wasserstein-1 distance ∫|F − G|, in the unit of the values. `None` where a sample is empty.
#[must_use]
pub fn w1(a: &[Run], b: &[Run]) -> Option<f64> {
    let mut area = 0.0;
    walk(a, b, |difference, width| area += difference.abs() * width as f64)?;
    Some(area)
}

/// Kolmogorov–Smirnov distance sup|F − G|. `None` where a sample is empty.
#[must_use]
pub fn ks(a: &[Run], b: &[Run]) -> Option<f64> {
    let mut largest = 0.0_f64;
    walk(a, b, |difference, _| largest = largest.max(difference.abs()))?;
    Some(largest)
}

/// Calls `step(F − G, width)` for every stretch between neighbouring values of the joint sample.
fn walk(a: &[Run], b: &[Run], mut step: impl FnMut(f64, u64)) -> Option<()> {
    let total = |runs: &[Run]| Some(runs.iter().map(|run| run.1).sum::<u64>()).filter(|n| *n > 0);
    let (total_a, total_b) = (total(a)? as f64, total(b)? as f64);
    let (mut left_a, mut left_b, mut below_a, mut below_b) = (a.iter().peekable(), b.iter().peekable(), 0, 0);
    let mut last = None;
    while let Some(value) = smaller(left_a.peek(), left_b.peek()) {
        if let Some(last) = last {
            step(below_a as f64 / total_a - below_b as f64 / total_b, value.abs_diff(last));
        }
        below_a += left_a.next_if(|run| run.0 == value).map_or(0, |run| run.1);
        below_b += left_b.next_if(|run| run.0 == value).map_or(0, |run| run.1);
        last = Some(value);
    }
    Some(())
}

fn smaller(a: Option<&&Run>, b: Option<&&Run>) -> Option<i64> {
    a.into_iter().chain(b).map(|run| run.0).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_empty_sample_has_no_distance() {
        assert_eq!((w1(&[], &runs(&[1])), ks(&runs(&[1]), &[])), (None, None));
    }

    #[test]
    fn small_cases_by_hand() {
        let (a, b) = (runs(&[0, 0, 10, 10]), runs(&[0, 10, 10, 10]));
        assert_eq!((w1(&a, &b), ks(&a, &b)), (Some(2.5), Some(0.25)));
        let (a, b) = (runs(&[1, 2, 3]), runs(&[4, 5, 6]));
        assert!((w1(&a, &b).expect("not empty") - 3.0).abs() < 1e-12 && ks(&a, &b) == Some(1.0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// For samples of one size W1 is the mean distance of the i-th smallest (Vallender 1974); a shift moves it by itself.
        #[test]
        fn w1_pairs_the_sorted_values(pairs in proptest::collection::vec((-500_i64..500, -500_i64..500), 1..60), shift in 0_i64..100) {
            let (mut a, mut b): (Vec<i64>, Vec<i64>) = pairs.into_iter().unzip();
            a.sort_unstable();
            b.sort_unstable();
            let expected = a.iter().zip(&b).map(|(a, b)| (a - b).abs() as f64).sum::<f64>() / a.len() as f64;
            prop_assert!((w1(&runs(&a), &runs(&b)).expect("not empty") - expected).abs() < 1e-9);
            let shifted: Vec<i64> = a.iter().map(|x| x + shift).collect();
            prop_assert!((w1(&runs(&a), &runs(&shifted)).expect("not empty") - shift as f64).abs() < 1e-9);
        }

        #[test]
        fn ks_is_the_largest_difference_of_the_shares_below(
            mut a in proptest::collection::vec(-20_i64..20, 1..40), mut b in proptest::collection::vec(-20_i64..20, 1..40),
        ) {
            a.sort_unstable();
            b.sort_unstable();
            let below = |v: &[i64], x: i64| v.iter().filter(|y| **y <= x).count() as f64 / v.len() as f64;
            let expected = (-20..20).map(|x| (below(&a, x) - below(&b, x)).abs()).fold(0.0, f64::max);
            prop_assert!((ks(&runs(&a), &runs(&b)).expect("not empty") - expected).abs() < 1e-12);
        }
    }
}
