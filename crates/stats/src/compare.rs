//! Whether one set of runs is worse than another.
//!
//! The unit of every test is a run, or a stretch of time of one run, never a request: requests in a queue delay one another, and a test
//! over them calls two runs of the same system different in 40 to 90 cases of a hundred. What is compared are logarithms of one figure
//! a run (a quantile, a rate), so that differences are ratios.

mod batch;
mod rank;
mod shift;
mod signs;
mod verdict;

pub use batch::{BATCHES, batch_log_quantiles, batch_of, batch_quantile};
pub use rank::{cliffs_delta, mann_whitney, shift_interval, superiority};
pub use shift::{harrell_davis, median_interval, shift_between};
pub use signs::{paired_shift_interval, sign_flip};
pub use verdict::{Comparison, Design, Effect, Outcome, RUNS_MIN, Worse, judge};

/// p-values adjusted for the number of tests so that among those called significant at q at most the share q is so by chance: min over
/// larger p of p·m/rank (Benjamini & Hochberg 1995, JRSS B 57(1)), in the order given.
#[must_use]
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*b].total_cmp(&p[*a]));
    let (mut least, mut adjusted) = (1.0_f64, vec![1.0; p.len()]);
    for (from_top, i) in order.into_iter().enumerate() {
        let rank = (p.len() - from_top) as f64;
        least = least.min(p[i] * (p.len() as f64 / rank));
        adjusted[i] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests;
