//! Whether a series rises or falls: slopes and tests that bear outliers and dependence, and the verdict on growth in a long run.

mod growth;

pub use growth::{BINS, Growth, GrowthKind, GrowthLimits, Sawtooth, Step, growth};

use crate::probability::{normal_quantile, normal_two_sided};
use crate::sample::{median, median_of_sorted, midranks, over_ties, sorted};

/// The most points of a series: every pair of them is looked at. Longer series are binned first.
pub const POINTS_MAX: usize = 4096;

/// A line through the medians, in units of y per unit of x.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Slope {
    /// Median of the slopes of all pairs (Theil 1950; Sen 1968, JASA 63(324)).
    pub slope: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// median(y) − slope·median(x).
    pub intercept: f64,
}

/// The Theil–Sen line with Sen's interval (1968, eq. 2.6), which assumes independent points. `None` for less than 3 or more than
/// [`POINTS_MAX`] points, lengths that differ, values that are not finite, or no two different x.
#[must_use]
pub fn theil_sen(x: &[f64], y: &[f64], confidence: f64) -> Option<Slope> {
    let n = x.len();
    let sound = (3..=POINTS_MAX).contains(&n) && y.len() == n && x.iter().chain(y).all(|v| v.is_finite());
    if !(sound && confidence > 0.0 && confidence < 1.0) {
        return None;
    }
    let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j))).filter(|(i, j)| x[*i] != x[*j]);
    let mut slopes: Vec<f64> = pairs.map(|(i, j)| (y[j] - y[i]) / (x[j] - x[i])).collect();
    if slopes.is_empty() {
        return None;
    }
    slopes.sort_unstable_by(f64::total_cmp);
    let count = slopes.len() as f64;
    let half = normal_quantile(0.5 + 0.5 * confidence) * kendall_variance(n, &[x, y]).sqrt();
    let last = slopes.len() - 1;
    let rank = |place: f64| (place.max(0.0).round_ties_even() as usize).min(last);
    let (low, high) = (rank(0.5 * (count - half) - 1.0), rank(0.5 * (count + half)));
    let slope = median_of_sorted(&slopes);
    Some(Slope { slope, low: slopes[low], high: slopes[high], intercept: median(y) - slope * median(x) })
}

/// The variance of Kendall's S, (n(n−1)(2n+5) − Σ t(t−1)(2t+5))/18 with t over the ties of every series (Kendall 1975, eq. 4.3).
fn kendall_variance(n: usize, series: &[&[f64]]) -> f64 {
    let part = |t: f64| t * (t - 1.0) * (2.0 * t + 5.0);
    let ties: f64 = series.iter().map(|values| over_ties(&sorted(values), part)).sum();
    ((part(n as f64) - ties) / 18.0).max(0.0)
}

/// The Mann–Kendall test for a trend that only rises or only falls (Mann 1945; Kendall 1975).
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct MannKendall {
    /// Pairs that rise less pairs that fall.
    pub s: f64,
    /// Its variance without a trend.
    pub variance: f64,
    /// (S ∓ 1)/√variance.
    pub z: f64,
    /// Two-sided.
    pub p: f64,
    /// S over the number of pairs.
    pub tau: f64,
}

impl MannKendall {
    fn new(n: usize, s: f64, variance: f64) -> Self {
        let z = if s == 0.0 || variance <= 0.0 { 0.0 } else { (s - s.signum()) / variance.sqrt() };
        let pairs = 0.5 * (n * (n - 1)) as f64;
        Self { s, variance, z, p: normal_two_sided(z), tau: s / pairs }
    }
}

/// The test for independent points. `None` for less than 3 or more than [`POINTS_MAX`] points.
#[must_use]
pub fn mann_kendall(y: &[f64]) -> Option<MannKendall> {
    let n = y.len();
    if !(3..=POINTS_MAX).contains(&n) {
        return None;
    }
    let sign = |(i, j): (usize, usize)| if y[j] > y[i] { 1.0 } else { -f64::from(u8::from(y[j] < y[i])) };
    let s = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j))).map(sign).sum();
    Some(MannKendall::new(n, s, kendall_variance(n, &[y])))
}

/// The test for dependent points: the variance is multiplied by 1 + 2/(n(n−1)(n−2))·Σ(n−i)(n−i−1)(n−i−2)ρᵢ over the lags at which the
/// autocorrelation ρᵢ of the ranks of the detrended series is significant at 5 % (Hamed & Rao 1998, J. Hydrology 204, eq. 11–13).
/// `None` as for [`mann_kendall`].
#[must_use]
pub fn hamed_rao(y: &[f64]) -> Option<MannKendall> {
    const SIGNIFICANT_Z: f64 = 1.959_963_984_540_054;
    let plain = mann_kendall(y)?;
    let n = y.len() as f64;
    // Times from 1 on, as in the paper: where many points lie on one line, rounding decides which residuals are ties.
    let x: Vec<f64> = (1..=y.len()).map(|i| i as f64).collect();
    let slope = theil_sen(&x, y, 0.95)?.slope;
    let detrended: Vec<f64> = x.iter().zip(y).map(|(x, y)| y - slope * x).collect();
    let ranks = midranks(&detrended);
    let weight = |lag: f64| (n - lag) * (n - lag - 1.0) * (n - lag - 2.0);
    let correlations = (1..y.len()).map(|lag| (lag as f64, autocorrelation(&ranks, lag)));
    let sum: f64 = correlations.filter(|(_, r)| r.abs() > SIGNIFICANT_Z / n.sqrt()).map(|(lag, r)| weight(lag) * r).sum();
    let factor = 1.0 + 2.0 / (n * (n - 1.0) * (n - 2.0)) * sum;
    Some(MannKendall::new(y.len(), plain.s, plain.variance * factor))
}

/// Σ(xᵢ − x̄)(xᵢ₊ₗ − x̄)/Σ(xᵢ − x̄)²; 0 where nothing varies.
pub(crate) fn autocorrelation(values: &[f64], lag: usize) -> f64 {
    let mean = crate::sample::mean(values);
    let products = values.iter().zip(values.iter().skip(lag)).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
    let squares = crate::sample::squares(values);
    if squares > 0.0 { products / squares } else { 0.0 }
}

#[cfg(test)]
pub(crate) mod tests;
