//! One run a side: its stretches of time stand in for runs.

use crate::order;

/// Stretches a run is cut into.
pub const BATCHES: usize = 20;

/// Which of the [`BATCHES`] stretches of equal time from `first_ns` to `last_ns` an instant falls into; what lies outside goes to the first
/// or last.
#[must_use]
pub fn batch_of(at_ns: i64, first_ns: i64, last_ns: i64) -> usize {
    let since = at_ns.saturating_sub(first_ns).max(0).unsigned_abs();
    let span = last_ns.saturating_sub(first_ns).max(0).unsigned_abs() + 1;
    // Past 29 years the product takes more than 64 bits, whose division is several times as quick.
    let place = match since.checked_mul(BATCHES as u64) {
        Some(product) => product / span,
        None => (u128::from(since) * BATCHES as u128 / u128::from(span)) as u64,
    };
    (place as usize).min(BATCHES - 1)
}

/// The p-quantile of the sorted values of one stretch; `None` where it has fewer than the quantile needs for an upper bound of 95 % (p99: 299).
#[must_use]
pub fn batch_quantile(sorted: &[i64], p: f64) -> Option<i64> {
    order::quantile(sorted, p).filter(|_| sorted.len() >= order::samples_min_one_sided(p, 0.95))
}

/// The logarithms of the p-quantile in `BATCHES` stretches of equal time, of values (instant in ns, value above 0) in any order: batch means
/// (Law & Kelton, *Simulation Modeling and Analysis*, §9.5.3). Stretches must be long against the time in which a queue forgets:
/// at 90 % load and 1000 requests a second, seconds. `None` where [`batch_quantile`] is, or is not above 0.
#[must_use]
pub fn batch_log_quantiles(values: &[(i64, i64)], p: f64) -> Option<Vec<f64>> {
    let first = values.iter().map(|(at_ns, _)| *at_ns).min()?;
    let last = values.iter().map(|(at_ns, _)| *at_ns).max()?;
    let mut batches = vec![Vec::new(); BATCHES];
    values.iter().for_each(|(at_ns, value)| batches[batch_of(*at_ns, first, last)].push(*value));
    let log = |mut batch: Vec<i64>| {
        batch.sort_unstable();
        batch_quantile(&batch, p).filter(|value| *value > 0).map(|value| libm::log(value as f64))
    };
    batches.into_iter().map(log).collect()
}
