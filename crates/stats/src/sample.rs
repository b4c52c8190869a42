//! Small helpers on samples of floats. What is passed holds no NaN.

/// An estimate with the interval that holds the truth with the confidence asked for.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Interval {
    /// The estimate.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// The same with `f`, which must rise, applied to all three.
    #[must_use]
    pub fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self { value: f(self.value), low: f(self.low), high: f(self.high) }
    }
}

pub(crate) fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// The median of sorted values, the mean of the middle two for an even number; NaN for none.
pub(crate) fn median_of_sorted(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => f64::NAN,
        n => f64::midpoint(sorted[(n - 1) / 2], sorted[n / 2]),
    }
}

/// The median of values in any order, the mean of the middle two for an even number; NaN for none.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    median_of_sorted(&sorted(values))
}

/// The median of the distances from the median.
pub(crate) fn median_deviation(values: &[f64]) -> f64 {
    let middle = median(values);
    median(&values.iter().map(|value| (value - middle).abs()).collect::<Vec<_>>())
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Σ(x − x̄)².
pub(crate) fn squares(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|value| (value - mean).powi(2)).sum()
}

/// Σ(t³ − t) over groups of t equal values among sorted ones, and the same of any other polynomial in t.
pub(crate) fn over_ties(sorted: &[f64], of: impl Fn(f64) -> f64) -> f64 {
    sorted.chunk_by(|a, b| a == b).map(|same| of(same.len() as f64)).sum()
}

/// Midranks from 1: equal values share the mean of their ranks.
pub(crate) fn midranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for same in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = before as f64 + 0.5 * (same.len() + 1) as f64;
        same.iter().for_each(|i| ranks[*i] = rank);
        before += same.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_samples_by_hand() {
        assert_eq!((median(&[3.0, 1.0, 2.0]), median(&[4.0, 1.0, 2.0, 3.0])), (2.0, 2.5));
        assert!(median(&[]).is_nan());
        assert_eq!(median_deviation(&[1.0, 2.0, 3.0, 4.0, 100.0]), 1.0);
        assert_eq!(midranks(&[5.0, 1.0, 5.0, 7.0]), [2.5, 1.0, 2.5, 4.0]);
        assert_eq!(over_ties(&[1.0, 1.0, 2.0, 3.0, 3.0, 3.0], |t| t * t * t - t), 30.0);
        assert_eq!(squares(&[1.0, 2.0, 3.0]), 2.0);
    }
}
