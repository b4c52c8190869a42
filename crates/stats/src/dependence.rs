//! How much less values tell that depend on their neighbours, such as latencies behind one queue.
//!
//! The share f of n values above a threshold has the variance D·f(1−f)/n, where the design effect D is the integrated autocorrelation time of
//! the indicator 1{x > threshold}: 1 for independent values, 300 for the p99 of a queue at 90 % load. D is itself an estimate; how far it can be
//! trusted is the other half of the answer.

use crate::probability::normal_quantile;
use crate::sample::mean;

/// Batches in which values above a threshold are counted, at least, where there are as many values.
const BATCHES: usize = 500;
/// Batches for the kurtosis: long enough to hold bursts whole.
const COARSE_BATCHES: usize = 20;
/// Fewer values are taken as independent: they cannot tell.
const VALUES_MIN: usize = 30;

/// The dependence of the values above one threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Dependence {
    /// D, at least 1.
    pub effect: f64,
    /// Stretches that know little of one another: batches over the width 2M − 1 of the window that D was summed over.
    pub stretches: f64,
    /// Excess kurtosis of the counts in coarse batches, at least 0: large where D rests on few bursts.
    pub kurtosis: f64,
}

impl Dependence {
    /// From the number of values above the threshold in each batch of `size`.
    fn new(above: &[f64], size: usize) -> Self {
        let (variance, window) = long_run_variance(above);
        let stretches = above.len() as f64 / (2 * window - 1) as f64;
        let share = mean(above) / size as f64;
        let independent = size as f64 * share * (1.0 - share);
        let effect = if independent > 0.0 { (variance / independent).max(1.0) } else { 1.0 };
        Self { effect, stretches, kurtosis: kurtosis(above) }
    }

    /// (t/z)² for the degrees of freedom of D: a relative variance of 2/stretches, as of a variance of so many normal values, and of
    /// kurtosis/batches more where bursts are few and large (Box 1953, Biometrika 40(3/4): Var s² = σ⁴(2/ν + κ/N)).
    pub fn widening(&self, confidence: f64) -> f64 {
        let degrees = 2.0 / (2.0 / self.stretches + self.kurtosis / COARSE_BATCHES as f64);
        let z = normal_quantile(0.5 + 0.5 * confidence);
        (student_of_normal(z, degrees.max(2.0)) / z).powi(2)
    }
}

/// The quantile of Student's t at the level at which that of the normal distribution is `z` (Abramowitz & Stegun 1964, 26.7.5): within 0.2 % of
/// it from 5 degrees of freedom on, 3 % at 2, and a hundred times as quick as inverting the distribution.
fn student_of_normal(z: f64, degrees: f64) -> f64 {
    let (square, cube) = (z * z, z * z * z);
    let first = (cube + z) / 4.0;
    let second = (5.0 * square * cube + 16.0 * cube + 3.0 * z) / 96.0;
    let third = (3.0 * square * square * cube + 19.0 * square * cube + 17.0 * cube - 15.0 * z) / 384.0;
    z + (first + (second + third / degrees) / degrees) / degrees
}

/// By threshold, of values in consecutive parts in the order in which they were observed.
pub(crate) fn dependences(observed: &[&[i64]], thresholds: &[i64]) -> Vec<Dependence> {
    let n: usize = observed.iter().map(|part| part.len()).sum();
    let size = (n / BATCHES).max(1);
    let mut counts = above_by_batch(observed, thresholds, size);
    counts.iter_mut().for_each(|above| above.truncate(n / size));
    counts.iter().map(|above| Dependence::new(above, size)).collect()
}

/// n over the number of independent values that tell as much about the share above `threshold`, with the doubt about that factor in it; 1
/// below 30 values, and where all are on one side.
#[must_use]
pub fn design_effect(observed: &[i64], threshold: i64, confidence: f64) -> f64 {
    let hits = observed.iter().filter(|value| **value > threshold).count();
    if observed.len() < VALUES_MIN || hits == 0 || hits == observed.len() {
        return 1.0;
    }
    dependences(&[observed], &[threshold]).iter().map(|found| found.effect * found.widening(confidence)).sum()
}

/// γ₀ + 2Σγₖ of the autocovariances γ up to the lag M − 1, and M ≥ 2. Neighbouring pairs γ₂ⱼ + γ₂ⱼ₊₁ are added as long as they are positive, each
/// at most as large as the one before (the initial monotone sequence of Geyer 1992, Statistical Science 7(4), §3.3).
fn long_run_variance(values: &[f64]) -> (f64, usize) {
    let middle = mean(values);
    let off: Vec<f64> = values.iter().map(|value| value - middle).collect();
    let autocovariance = |lag: usize| off.iter().zip(off.iter().skip(lag)).map(|(a, b)| a * b).sum::<f64>() / values.len() as f64;
    let own = autocovariance(0);
    let (mut sum, mut least, mut lag) = (0.0, f64::INFINITY, 0);
    while lag + 1 < values.len() / 2 {
        let pair = if lag == 0 { own + autocovariance(1) } else { autocovariance(lag) + autocovariance(lag + 1) };
        if pair <= 0.0 {
            break;
        }
        least = least.min(pair);
        sum += least;
        lag += 2;
    }
    (2.0 * sum - own, lag.max(2))
}

/// m₄/m₂² − 3 of sums over coarse batches, at least 0.
fn kurtosis(fine: &[f64]) -> f64 {
    let size = fine.len() / COARSE_BATCHES;
    if size == 0 {
        return 0.0;
    }
    let sums: Vec<f64> = fine.chunks_exact(size).take(COARSE_BATCHES).map(|batch| batch.iter().sum()).collect();
    let middle = mean(&sums);
    let moment = |power: i32| mean(&sums.iter().map(|sum| (sum - middle).powi(power)).collect::<Vec<f64>>());
    let variance = moment(2);
    if variance > 0.0 { (moment(4) / (variance * variance) - 3.0).max(0.0) } else { 0.0 }
}

/// How many values of each batch of `size` are above each threshold, by threshold and batch; the last batch may be smaller.
fn above_by_batch(observed: &[&[i64]], thresholds: &[i64], size: usize) -> Vec<Vec<f64>> {
    let mut above: Vec<Vec<f64>> = vec![Vec::new(); thresholds.len()];
    let mut missing = 0;
    for mut part in observed.iter().copied() {
        while !part.is_empty() {
            if missing == 0 {
                above.iter_mut().for_each(|batches| batches.push(0.0));
                missing = size;
            }
            let (head, rest) = part.split_at(missing.min(part.len()));
            for (batches, threshold) in above.iter_mut().zip(thresholds) {
                let hits = head.iter().filter(|value| **value > *threshold).count();
                batches.last_mut().into_iter().for_each(|batch| *batch += hits as f64);
            }
            (part, missing) = (rest, missing - head.len());
        }
    }
    above
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    /// First-order autoregression x' = φx + √(1 − φ²)·ε, in millionths.
    fn autoregression(n: usize, phi: f64, seed: u64) -> Vec<i64> {
        let mut rng = Rng::stream(seed, "dependence");
        let mut x = rng.normal();
        let mut next = || {
            x = phi * x + (1.0 - phi * phi).sqrt() * rng.normal();
            (x * 1e6) as i64
        };
        (0..n).map(|_| next()).collect()
    }

    /// The sign of a normal autoregression has the correlation (2/π)·asin φᵏ at lag k (Sheppard 1899), so D = 1 + (4/π)·Σ asin φᵏ.
    #[test]
    fn signs_of_an_autoregression_have_the_effect_of_its_closed_form() {
        for phi in [0.0, 0.5, 0.9_f64] {
            let truth = 1.0 + 4.0 / std::f64::consts::PI * (1..2000).map(|k| phi.powi(k).asin()).sum::<f64>();
            let found: Vec<f64> =
                (0..20).map(|seed| dependences(&[&autoregression(50_000, phi, seed)], &[0])[0].effect).collect();
            assert!((mean(&found) / truth - 1.0).abs() < 0.1, "φ {phi}: {} instead of {truth}", mean(&found));
        }
    }

    /// The variance of a moving average of two by hand: γ₀ = 2, γ₁ = 1, so γ₀ + 2γ₁ = 4.
    #[test]
    fn the_sum_stops_where_nothing_is_left() {
        let mut rng = Rng::stream(1, "moving average");
        let noise: Vec<f64> = (0..20_001).map(|_| rng.normal()).collect();
        let (variance, window) = long_run_variance(&noise.windows(2).map(|pair| pair[0] + pair[1]).collect::<Vec<_>>());
        assert!((variance - 4.0).abs() < 0.4 && window <= 8, "{variance}, {window}");
        assert!(long_run_variance(&[1.0, -1.0].repeat(50)).0 < 0.1, "what swings cancels out");
    }

    /// Parts of any length are the same values in one piece.
    #[test]
    fn parts_make_no_difference() {
        let values = autoregression(5000, 0.8, 3);
        let parts: Vec<&[i64]> = vec![&values[..7], &values[7..7], &values[7..4001], &values[4001..]];
        assert_eq!(dependences(&parts, &[0, 1_000_000]), dependences(&[&values], &[0, 1_000_000]));
    }

    /// Two bursts among a hundred quiet stretches leave nothing certain; evenly spread values leave Student's t for many stretches.
    #[test]
    fn few_bursts_widen_more_than_many() {
        let burst: Vec<i64> = (0..10_000).map(|i| i64::from(i % 5000 < 100)).collect();
        let mut rng = Rng::stream(2, "even");
        let even: Vec<i64> = (0..10_000).map(|_| i64::from(rng.chance(0.02))).collect();
        let [burst, even] = [burst, even].map(|values| dependences(&[&values], &[0])[0]);
        assert!(burst.widening(0.95) > 1.4 && even.widening(0.95) < 1.15, "{burst:?} {even:?}");
        assert!(burst.effect > 20.0 && even.effect < 1.5, "{burst:?} {even:?}");
    }

    /// Table 26.10 of Abramowitz & Stegun.
    #[test]
    fn students_t_follows_from_the_normal_distribution() {
        for (degrees, t, within) in
            [(2.0, 4.302_652_730, 0.04), (5.0, 2.570_581_836, 2e-3), (10.0, 2.228_138_852, 1e-4), (120.0, 1.979_930_405, 1e-7)]
        {
            let found = student_of_normal(1.959_963_985, degrees);
            assert!((found / t - 1.0).abs() < within, "{degrees}: {found}");
        }
    }

    #[test]
    fn nothing_is_said_of_few_or_equal_values() {
        assert_eq!(
            [design_effect(&[1; 100], 0, 0.95), design_effect(&[0; 100], 0, 0.95), design_effect(&[0, 1], 0, 0.95)],
            [1.0; 3]
        );
    }
}
