//! Pairs: runs of both versions that stood next to each other in time.

use super::rank::within_tail;
use crate::sample::median_of_sorted;
use crate::{Interval, Rng};

/// Up to this many pairs all sign patterns are tried.
const EXACT_MAX: usize = 16;
/// Patterns drawn for more.
const DRAWS: u32 = 9999;
/// The most pairs.
const PAIRS_MAX: usize = 1000;

/// Two-sided p that differences within pairs lie around 0: the share of sign patterns whose mean is at least as far from 0 (Fisher 1935,
/// *The Design of Experiments*, §21). All patterns for up to 16 pairs, so that 5 pairs cannot go below 0.0625 and 8 reach 0.0078; more pairs
/// by 9999 random ones and the one observed (Phipson & Smyth 2010). `None` without differences.
#[must_use]
pub fn sign_flip(differences: &[f64], seed: u64) -> Option<f64> {
    let n = differences.len();
    if n == 0 {
        return None;
    }
    let scale: f64 = differences.iter().map(|d| d.abs()).sum();
    let reached = differences.iter().sum::<f64>().abs() - 1e-12 * scale;
    if n <= EXACT_MAX {
        let sum = |pattern: u32| -> f64 {
            differences.iter().enumerate().map(|(i, d)| if pattern >> i & 1 == 1 { -d } else { *d }).sum()
        };
        let as_far = (0..1_u32 << n).filter(|pattern| sum(*pattern).abs() >= reached).count();
        return Some(as_far as f64 / f64::from(1_u32 << n));
    }
    let mut rng = Rng::stream(seed, "sign flip");
    let mut drawn = || differences.iter().map(|d| if rng.chance(0.5) { -d } else { *d }).sum::<f64>();
    let as_far = (0..DRAWS).filter(|_| drawn().abs() >= reached).count();
    Some((as_far + 1) as f64 / f64::from(DRAWS + 1))
}

/// By how much differences lie above 0: the median of the means of all pairs of them, each with itself too, and the interval by the
/// signed-rank distribution (Walsh 1949; Hodges & Lehmann 1963; Hollander & Wolfe 1999, §3.3). `None` for too few differences (at 95 %: below
/// 6) or more than 1000.
#[must_use]
pub fn paired_shift_interval(differences: &[f64], confidence: f64) -> Option<Interval> {
    let n = differences.len();
    if n == 0 || n > PAIRS_MAX {
        return None;
    }
    let mut means: Vec<f64> =
        (0..n).flat_map(|i| (i..n).map(move |j| (i, j))).map(|(i, j)| 0.5 * (differences[i] + differences[j])).collect();
    means.sort_unstable_by(f64::total_cmp);
    let left_out = within_tail(&signed_rank_ways(n), 0.5 * (1.0 - confidence))?;
    let last = means.len() - 1;
    Some(Interval { value: median_of_sorted(&means), low: means[left_out], high: means[last - left_out] })
}

/// `[s]`: the probability, up to a factor, that the ranks 1 to n with a plus add up to s. Halved at each rank, so that nothing overflows.
fn signed_rank_ways(n: usize) -> Vec<f64> {
    let mut ways = vec![0.0; n * (n + 1) / 2 + 1];
    ways[0] = 1.0;
    for rank in 1..=n {
        for sum in (0..ways.len()).rev() {
            let with = if sum >= rank { ways[sum - rank] } else { 0.0 };
            ways[sum] = 0.5 * (ways[sum] + with);
        }
    }
    ways
}
