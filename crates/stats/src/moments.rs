//! Running means, variances and covariances: of integers without rounding before the last step, of pairs without cancellation.

/// Sums of integers x ≥ 0 and of their squares. Exact: no overflow while Σx < 2⁶³, since Σx² ≤ (Σx)².
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Moments {
    pub count: u64,
    pub max: u64,
    sum: u64,
    sum_of_squares: u128,
}

impl Moments {
    pub fn add(&mut self, x: u64) {
        self.count += 1;
        self.max = self.max.max(x);
        self.sum = self.sum.saturating_add(x);
        self.sum_of_squares = self.sum_of_squares.saturating_add(u128::from(x) * u128::from(x));
    }

    /// Takes in `count` zeros at once.
    pub fn add_zeros(&mut self, count: u64) {
        self.count += count;
    }

    /// The mean, rounded down.
    pub fn whole_mean(&self) -> u64 {
        self.sum.checked_div(self.count).unwrap_or(0)
    }

    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    /// Population variance. Taken around the whole part of the mean, so that nothing cancels where it is small.
    pub fn variance(&self) -> Option<f64> {
        let n = i128::from(self.count);
        (n > 0).then(|| {
            let (sum, whole) = (i128::from(self.sum), i128::from(self.whole_mean()));
            let squares = self.sum_of_squares.cast_signed() - 2 * whole * sum + n * whole * whole;
            let rest = (sum - n * whole) as f64 / n as f64;
            squares as f64 / n as f64 - rest * rest
        })
    }
}

/// Running means and co-moments of pairs (x, y), by Welford's update (Chan, Golub & LeVeque 1983).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pairs {
    count: u64,
    mean_x: f64,
    mean_y: f64,
    xx: f64,
    yy: f64,
    xy: f64,
}

impl Pairs {
    pub fn add(&mut self, x: f64, y: f64) {
        self.count += 1;
        let (from_x, from_y) = (x - self.mean_x, y - self.mean_y);
        let part = 1.0 / self.count as f64;
        self.mean_x += from_x * part;
        self.mean_y += from_y * part;
        self.xx += from_x * (x - self.mean_x);
        self.yy += from_y * (y - self.mean_y);
        self.xy += from_x * (y - self.mean_y);
    }

    /// Pearson's correlation; `None` where x or y does not vary.
    pub fn correlation(&self) -> Option<f64> {
        let spread = (self.xx * self.yy).sqrt();
        (spread > 0.0).then(|| self.xy / spread)
    }

    /// Least-squares slope of y on x; `None` where x does not vary.
    pub fn slope(&self) -> Option<f64> {
        (self.xx > 0.0).then(|| self.xy / self.xx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pairs_on_a_line_have_its_slope() {
        let mut pairs = Pairs::default();
        (0..100).for_each(|i| pairs.add(1e6 + f64::from(i), 3.0 - 2.0 * f64::from(i)));
        assert!((pairs.slope().expect("x varies") + 2.0).abs() < 1e-9);
        assert!((pairs.correlation().expect("both vary") + 1.0).abs() < 1e-9);
        assert_eq!((Pairs::default().slope(), Pairs::default().correlation()), (None, None));
    }

    fn moments(values: &[u64]) -> Moments {
        values.iter().fold(Moments::default(), |mut sums, x| {
            sums.add(*x);
            sums
        })
    }

    #[test]
    fn nothing_has_no_mean() {
        assert_eq!((Moments::default().mean(), Moments::default().variance()), (None, None));
    }

    /// The variance of 0, 1, …, n−1 is (n²−1)/12; adding 2⁵⁰ to each changes nothing, where floats would have lost it all.
    #[test]
    fn large_values_cost_no_precision() {
        let values: Vec<u64> = (0..1000).map(|x| x + (1 << 50)).collect();
        assert_eq!(moments(&values).variance(), Some((1000.0 * 1000.0 - 1.0) / 12.0));
    }

    #[test]
    fn zeros_count_as_values() {
        let mut sums = moments(&[4, 4]);
        sums.add_zeros(2);
        assert_eq!((sums.mean(), sums.variance(), sums.max), (Some(2.0), Some(4.0), 4));
    }

    proptest! {
        #[test]
        fn variance_is_the_mean_square_deviation(values in proptest::collection::vec(0_u64..1000, 1..50)) {
            let sums = moments(&values);
            let mean = values.iter().sum::<u64>() as f64 / values.len() as f64;
            let naive = values.iter().map(|x| (*x as f64 - mean).powi(2)).sum::<f64>() / values.len() as f64;
            prop_assert!((sums.variance().expect("not empty") - naive).abs() < 1e-6);
        }
    }
}
