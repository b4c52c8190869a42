//! The mean of values that depend on their neighbours, by batches.

use crate::probability::student_two_sided_quantile;
use crate::sample::{Interval, mean, squares};

/// Batches; fewer would make the interval wide, more would make neighbours among them alike.
pub const BATCHES: usize = 20;

/// Values a batch has to hold.
const BATCH_VALUES_MIN: usize = 10;

/// The mean with Student's interval over the means of [`BATCHES`] stretches in order of observation (Law & Kelton, *Simulation Modeling
/// and Analysis*, §9.5). `None` for no values; fewer than 200 have no interval.
#[must_use]
pub fn batch_means(observed: &[f64], confidence: f64) -> Option<(f64, Option<Interval>)> {
    let size = observed.len() / BATCHES;
    let value = (!observed.is_empty()).then(|| mean(observed))?;
    if size < BATCH_VALUES_MIN {
        return Some((value, None));
    }
    let means: Vec<f64> = observed.chunks_exact(size).take(BATCHES).map(mean).collect();
    Some((value, Some(around(value, &means, confidence))))
}

/// `value` with Student's interval of the mean of `batches`, which are at least two.
#[must_use]
pub fn around(value: f64, batches: &[f64], confidence: f64) -> Interval {
    let n = batches.len() as f64;
    let half = student_two_sided_quantile(confidence, n - 1.0) * (squares(batches) / (n - 1.0) / n).sqrt();
    Interval { value, low: value - half, high: value + half }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twenty batches whose means are 1 … 20: s² = 35, t₁₉ = 2.093024 (Abramowitz & Stegun 1964, table 26.10).
    #[test]
    fn the_interval_is_students() {
        let values: Vec<f64> = (0..200).map(|i| f64::from(i / 10 + 1)).collect();
        let (value, interval) = batch_means(&values, 0.95).unwrap();
        let half = 2.093_024 * (35.0_f64 / 20.0).sqrt();
        let interval = interval.unwrap();
        assert!((value - 10.5).abs() < 1e-12 && (interval.high - 10.5 - half).abs() < 1e-6, "{interval:?}");
        assert_eq!(batch_means(&values[..199], 0.95).map(|(_, interval)| interval), Some(None));
        assert_eq!(batch_means(&[], 0.95), None);
    }

    /// Autoregressive values, φ = 0.8: of 200 intervals of 95 % at least 90 % hold the mean; those for independent values some 50 %.
    #[test]
    fn dependent_values_keep_their_coverage() {
        let holds = |seed| {
            let mut rng = crate::Rng::stream(seed, "batch means");
            let mut x = 0.0;
            let mut next = || {
                x = 0.8 * x + 0.6 * rng.normal();
                x
            };
            let values: Vec<f64> = (0..4000).map(|_| next()).collect();
            let interval = batch_means(&values, 0.95).and_then(|(_, interval)| interval).unwrap();
            interval.low <= 0.0 && 0.0 <= interval.high
        };
        let held = (0..200).filter(|seed| holds(*seed)).count();
        assert!((180..=198).contains(&held), "{held}");
    }
}
