//! Smooth quantiles, and by how much those of one version lie above those of another.

use super::{Design, paired_shift_interval, shift_interval};
use crate::probability::beta_cdf;
use crate::sample::median_of_sorted;
use crate::{Interval, order};

/// From so many values around the quantile on (n·p(1−p)), a weight is the density at the middle of its cell, to within 10⁻³ of itself.
const CELLS_NARROW: f64 = 100.0;

/// Weights further than this many standard deviations of their Beta distribution from its mean are nothing.
const REACH: f64 = 12.0;

/// The p-quantile of sorted values as a mean of all of them, weighted by I_{i/n} − I_{(i−1)/n} of Beta((n+1)p, (n+1)(1−p)) (Harrell & Davis
/// 1982, Biometrika 69(3)): smoother than one order statistic. `None` for no values or p outside (0, 1).
#[must_use]
pub fn harrell_davis(sorted: &[i64], p: f64) -> Option<f64> {
    if sorted.is_empty() || !(p > 0.0 && p < 1.0) {
        return None;
    }
    let n = sorted.len() as f64;
    let (a, b) = ((n + 1.0) * p, (n + 1.0) * (1.0 - p));
    let reach = REACH * (p * (1.0 - p) / (n + 2.0)).sqrt() + 2.0 / n;
    let first = (((p - reach) * n).floor().max(0.0)) as usize;
    let last = (((p + reach) * n).ceil() as usize).min(sorted.len());
    let weights: Vec<f64> = if n * p * (1.0 - p) < CELLS_NARROW {
        let edges: Vec<f64> = (first..=last).map(|i| beta_cdf(i as f64 / n, a, b)).collect();
        edges.windows(2).map(|edge| edge[1] - edge[0]).collect()
    } else {
        let mode = (a - 1.0) / (a + b - 2.0);
        let log_density = |x: f64| (a - 1.0) * libm::log(x / mode) + (b - 1.0) * libm::log((1.0 - x) / (1.0 - mode));
        (first..last).map(|i| libm::exp(log_density((i as f64 + 0.5) / n))).collect()
    };
    let weighted: f64 = sorted[first..last].iter().zip(&weights).map(|(value, weight)| *value as f64 * weight).sum();
    Some(weighted / weights.iter().sum::<f64>())
}

/// The median of sorted values, its interval from order statistics, and the confidence that this really has, at least the one asked for.
/// `None` for too few values: below 6 at 95 %, below 8 at 99 %.
#[must_use]
pub fn median_interval(sorted: &[f64], confidence: f64) -> Option<(Interval, f64)> {
    let (low, high) = order::interval_ranks(sorted.len(), 0.5, confidence)?;
    let interval = Interval { value: median_of_sorted(sorted), low: sorted[low - 1], high: sorted[high - 1] };
    Some((interval, order::coverage(sorted.len(), 0.5, low, high)))
}

/// How far the runs of `after` lie above those of `before`: Hodges & Lehmann's shift with its interval, over pairs in order for
/// [`Design::Paired`]. `None` for too few runs.
#[must_use]
pub fn shift_between(before: &[f64], after: &[f64], design: Design, confidence: f64) -> Option<Interval> {
    match design {
        Design::Independent => shift_interval(after, before, confidence),
        Design::Paired => {
            let differences: Vec<f64> = before.iter().zip(after).map(|(before, after)| after - before).collect();
            paired_shift_interval(&differences, confidence)
        }
    }
}
