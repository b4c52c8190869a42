//! Two independent samples by ranks.

use crate::Interval;
use crate::probability::{normal_quantile, normal_two_sided};
use crate::sample::{median_of_sorted, midranks, over_ties, sorted};

/// Up to this many values a side the distribution is counted out; from there on it is taken as normal.
const EXACT_MAX: usize = 20;

/// U of Mann & Whitney (1947, Ann. Math. Stat. 18(1)), how many pairs have x above y (half for equal ones), and its two-sided p: exact given
/// the ties for at most 20 values a side (Streitberg & Röhmel 1986, Stat. Softw. Newsl. 12), else normal with the variance for ties and
/// the continuity correction. `None` where a sample is empty.
#[must_use]
pub fn mann_whitney(x: &[f64], y: &[f64]) -> Option<(f64, f64)> {
    if x.is_empty() || y.is_empty() {
        return None;
    }
    let joint = [x, y].concat();
    let ranks = midranks(&joint);
    let (n, m) = (x.len() as f64, y.len() as f64);
    let rank_sum: f64 = ranks[..x.len()].iter().sum();
    let u = rank_sum - 0.5 * n * (n + 1.0);
    let p = if x.len().max(y.len()) <= EXACT_MAX { exact(&ranks, x.len(), rank_sum) } else { asymptotic(u, n, m, &joint) };
    Some((u, p))
}

fn asymptotic(u: f64, n: f64, m: f64, joint: &[f64]) -> f64 {
    let total = n + m;
    let ties = over_ties(&sorted(joint), |t| t * (t * t - 1.0)) / (total * (total - 1.0));
    let deviation = (n * m / 12.0 * (total + 1.0 - ties)).sqrt();
    let apart = (u - 0.5 * n * m).abs() - 0.5;
    if deviation <= 0.0 { 1.0 } else { normal_two_sided(apart.max(0.0) / deviation) }
}

/// Twice the smaller tail among all ways to choose `n` of the midranks.
fn exact(ranks: &[f64], n: usize, rank_sum: f64) -> f64 {
    // Midranks are halves of whole numbers.
    let halves: Vec<usize> = ranks.iter().map(|rank| (2.0 * rank).round() as usize).collect();
    let ways = subset_sums(&halves, n);
    let at = (2.0 * rank_sum).round() as usize;
    let all: f64 = ways.iter().sum();
    let (below, above): (f64, f64) = (ways[..=at].iter().sum(), ways[at..].iter().sum());
    (2.0 * below.min(above) / all).min(1.0)
}

/// `[s]`: in how many ways n of the items add up to s. Exact below 2⁵³, which 20 of 40 do not reach.
fn subset_sums(items: &[usize], n: usize) -> Vec<f64> {
    let total: usize = items.iter().sum();
    let mut ways = vec![vec![0.0; total + 1]; n + 1];
    ways[0][0] = 1.0;
    for (seen, item) in items.iter().enumerate() {
        for count in (1..=n.min(seen + 1)).rev() {
            let (fewer, more) = ways.split_at_mut(count);
            let (from, to) = (&fewer[count - 1], &mut more[0]);
            (*item..=total).for_each(|sum| to[sum] += from[sum - item]);
        }
    }
    ways.swap_remove(n)
}

/// Cliff's δ: how much more often a value of x is above one of y than below it, −1 to 1 (Cliff 1993, Psych. Bull. 114(3)). 0.147, 0.33 and
/// 0.474 are where small, medium and large begin. `None` where a sample is empty.
#[must_use]
pub fn cliffs_delta(x: &[f64], y: &[f64]) -> Option<f64> {
    let sign = |a: f64, b: f64| f64::from(i8::from(a > b) - i8::from(a < b));
    let sum: f64 = x.iter().map(|a| y.iter().map(|b| sign(*a, *b)).sum::<f64>()).sum();
    (!x.is_empty() && !y.is_empty()).then(|| sum / (x.len() * y.len()) as f64)
}

/// The probability that a value of x is above one of y, half for equal ones: A₁₂ = (δ + 1)/2 (Vargha & Delaney 2000).
#[must_use]
pub fn superiority(x: &[f64], y: &[f64]) -> Option<f64> {
    cliffs_delta(x, y).map(|delta| 0.5 * (delta + 1.0))
}

/// By how much x lies above y: the median of all differences (Hodges & Lehmann 1963, Ann. Math. Stat. 34(2)) with the interval of the order
/// statistics of the differences that the distribution of U without ties gives (Bauer 1972, JASA 67(339)). `None` where the samples
/// are too small for an interval of that confidence, or larger than 2000 together.
#[must_use]
pub fn shift_interval(x: &[f64], y: &[f64], confidence: f64) -> Option<Interval> {
    const VALUES_MAX: usize = 2000;
    if x.is_empty() || y.is_empty() || x.len() + y.len() > VALUES_MAX {
        return None;
    }
    let mut differences: Vec<f64> = x.iter().flat_map(|a| y.iter().map(move |b| a - b)).collect();
    differences.sort_unstable_by(f64::total_cmp);
    let tail = 0.5 * (1.0 - confidence);
    let (n, m) = (x.len(), y.len());
    let left_out = if n.max(m) <= EXACT_MAX {
        let ranks: Vec<usize> = (1..=n + m).collect();
        let ways = subset_sums(&ranks, n);
        within_tail(&ways[n * (n + 1) / 2..], tail)?
    } else {
        let (n, m) = (n as f64, m as f64);
        let place = 0.5 * n * m + normal_quantile(tail) * (n * m * (n + m + 1.0) / 12.0).sqrt() - 0.5;
        (place >= 0.0).then_some(place as usize)?
    };
    let last = differences.len() - 1;
    Some(Interval { value: median_of_sorted(&differences), low: differences[left_out], high: differences[last - left_out] })
}

/// How many values are left out at either end: one less than the number of outcomes 0, 1, … of a statistic, with so many `ways` each, that
/// together have at most the probability `tail`. `None` where even 0 is more likely than that.
pub(super) fn within_tail(ways: &[f64], tail: f64) -> Option<usize> {
    let bound = tail * ways.iter().sum::<f64>() * (1.0 + 1e-12);
    let mut sum = 0.0;
    let within = ways.iter().take_while(|count| {
        sum += **count;
        sum <= bound
    });
    within.count().checked_sub(1)
}
