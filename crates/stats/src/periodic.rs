//! Whether a series rises at equal distances in time.

use crate::trend::autocorrelation;

/// The least autocorrelation at the period; and how far it has to lie below that somewhere before, so that a slow drift is none.
const CORRELATION_MIN: f64 = 0.45;
const DIP_MIN: f64 = 0.35;
/// Periods that have to fit into the series.
const PERIODS_MIN: usize = 4;
/// The shortest period: the value between two peaks has to be seen.
const LAG_MIN: usize = 3;

/// A distance at which a series repeats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Period {
    /// In values.
    pub lag: usize,
    /// The autocorrelation there.
    pub correlation: f64,
}

/// The shortest lag at which the autocorrelation (Box & Jenkins 1976, *Time Series Analysis*, §2.1.5) has a peak that is high, beyond
/// 3/√n, and rises out of a dip. `None` where there is none, or fewer than four periods were seen.
#[must_use]
pub fn period(values: &[f64]) -> Option<Period> {
    let lag_max = values.len() / PERIODS_MIN;
    let correlations: Vec<f64> = (0..=lag_max + 1).map(|lag| autocorrelation(values, lag)).collect();
    let least = CORRELATION_MIN.max(3.0 / (values.len() as f64).sqrt());
    let is_peak = |lag: &usize| {
        let r = correlations[*lag];
        let dip = correlations[1..*lag].iter().copied().fold(f64::INFINITY, f64::min);
        r >= least && r > correlations[lag - 1] && r >= correlations[lag + 1] && dip <= r - DIP_MIN
    };
    let lag = (LAG_MIN..=lag_max).find(is_peak)?;
    Some(Period { lag, correlation: correlations[lag] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    #[test]
    fn peaks_at_equal_distances_are_found() {
        let mut rng = Rng::stream(3, "peaks");
        let mut peaks =
            |every: usize| (0..120).map(|i| 5.0 + rng.normal() + if i % every == 0 { 20.0 } else { 0.0 }).collect::<Vec<_>>();
        for every in [5, 10, 20] {
            assert_eq!(period(&peaks(every)).map(|period| period.lag), Some(every));
        }
        assert_eq!(period(&peaks(50)), None, "two periods are too few");
        assert_eq!(period(&[1.0; 100]), None);
        assert_eq!(period(&[]), None);
    }

    /// Of 200 series each: noise, a drift, and values that follow their neighbours (φ = 0.8) are called periodic in at most 2 %.
    #[test]
    fn noise_and_drift_are_not_periodic() {
        for (phi, drift) in [(0.0, 0.0), (0.0, 0.05), (0.8, 0.0)] {
            let found = (0..200).filter(|seed| {
                let mut rng = Rng::stream(*seed, "noise");
                let mut x = 0.0;
                let mut next = |i: usize| {
                    x = phi * x + rng.normal();
                    x + drift * i as f64
                };
                period(&(0..120).map(&mut next).collect::<Vec<_>>()).is_some()
            });
            let found = found.count();
            assert!(found <= 4, "phi {phi}, drift {drift}: {found} of 200");
        }
    }
}
