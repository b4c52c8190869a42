//! One run a side: its stretches of time stand in for runs.

use crate::order;

/// Stretches a run is cut into.
pub const BATCHES: usize = 20;

/// The logarithms of the p-quantile in `BATCHES` stretches of equal time, of values (instant in ns, value above 0) in any order: batch means
/// (Law & Kelton, *Simulation Modeling and Analysis*, §9.5.3). Stretches must be long against the time in which a queue forgets:
/// at 90 % load and 1000 requests a second, seconds. `None` where a stretch has fewer values than the quantile needs for an upper bound
/// of 95 % (p99: 299), or holds a quantile that is not above 0.
#[must_use]
pub fn batch_log_quantiles(values: &[(i64, i64)], p: f64) -> Option<Vec<f64>> {
    let first = values.iter().map(|(at_ns, _)| *at_ns).min()?;
    let last = values.iter().map(|(at_ns, _)| *at_ns).max()?;
    let span = i128::from(last) - i128::from(first) + 1;
    let mut batches = vec![Vec::new(); BATCHES];
    for (at_ns, value) in values {
        let since = i128::from(*at_ns) - i128::from(first);
        batches[(since * BATCHES as i128 / span) as usize].push(*value);
    }
    let least = order::samples_min_one_sided(p, 0.95);
    let log = |mut batch: Vec<i64>| {
        batch.sort_unstable();
        let value = order::quantile(&batch, p).filter(|value| batch.len() >= least && *value > 0)?;
        Some(libm::log(value as f64))
    };
    batches.into_iter().map(log).collect()
}
