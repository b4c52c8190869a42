//! Quantiles of small samples, and by how much each quantile of one version lies above that of another.

use super::{Design, paired_shift_interval, shift_interval};
use crate::probability::beta_cdf;
use crate::sample::median_of_sorted;
use crate::{Interval, order};

/// Weights further than this many standard deviations of their Beta distribution from its mean are nothing.
const REACH: f64 = 12.0;

/// The p-quantile of sorted values as a mean of all of them, weighted by I_{i/n} − I_{(i−1)/n} of Beta((n+1)p, (n+1)(1−p)) (Harrell & Davis
/// 1982, Biometrika 69(3)): smoother than one order statistic. `None` for no values or p outside (0, 1).
#[must_use]
pub fn harrell_davis(sorted: &[f64], p: f64) -> Option<f64> {
    if sorted.is_empty() || !(p > 0.0 && p < 1.0) {
        return None;
    }
    let n = sorted.len() as f64;
    let (a, b) = ((n + 1.0) * p, (n + 1.0) * (1.0 - p));
    let reach = REACH * (p * (1.0 - p) / (n + 2.0)).sqrt() + 2.0 / n;
    let first = (((p - reach) * n).floor().max(0.0)) as usize;
    let last = (((p + reach) * n).ceil() as usize).min(sorted.len());
    let edges: Vec<f64> = (first..=last).map(|i| beta_cdf(i as f64 / n, a, b)).collect();
    let weighted: f64 = sorted[first..last].iter().zip(edges.windows(2)).map(|(value, edge)| value * (edge[1] - edge[0])).sum();
    Some(weighted / (edges[edges.len() - 1] - edges[0]))
}

/// The median of sorted values, its interval from order statistics, and the confidence that this really has, at least the one asked for.
/// `None` for too few values: below 6 at 95 %, below 8 at 99 %.
#[must_use]
pub fn median_interval(sorted: &[f64], confidence: f64) -> Option<(Interval, f64)> {
    let (low, high) = order::interval_ranks(sorted.len(), 0.5, confidence)?;
    let interval = Interval { value: median_of_sorted(sorted), low: sorted[low - 1], high: sorted[high - 1] };
    Some((interval, order::coverage(sorted.len(), 0.5, low, high)))
}

/// One quantile of two versions.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct QuantileShift {
    /// The level p.
    pub level: f64,
    /// How far the second version's quantile lies above the first's, over the runs; `None` where there are too few runs for an interval.
    pub shift: Option<Interval>,
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

/// The shift function (Doksum 1974, Ann. Stat. 2(2); Wilcox 1995) over runs: at each level the Harrell–Davis quantile of each run, then
/// Hodges & Lehmann's shift of them with its interval. `before` and `after` hold the sorted values of one run each, and pair up in
/// order for [`Design::Paired`]. Empty runs are left out; `None` where paired sides differ in length or a paired run is empty.
#[must_use]
pub fn quantile_shifts(
    before: &[&[f64]],
    after: &[&[f64]],
    design: Design,
    levels: &[f64],
    confidence: f64,
) -> Option<Vec<QuantileShift>> {
    let paired = design == Design::Paired;
    if paired && (before.len() != after.len() || before.iter().chain(after).any(|run| run.is_empty())) {
        return None;
    }
    let at = |runs: &[&[f64]], level: f64| runs.iter().filter_map(|run| harrell_davis(run, level)).collect::<Vec<f64>>();
    let shift = |level: f64| shift_between(&at(before, level), &at(after, level), design, confidence);
    Some(levels.iter().map(|level| QuantileShift { level: *level, shift: shift(*level) }).collect())
}
