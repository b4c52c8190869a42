//! Renewal models by maximum likelihood, ranked by Akaike's criterion. Gaps of 0 have no likelihood and are left out.

use serde::{Deserialize, Serialize};

use super::Residual;
use crate::arrivals::weibull_cv;

/// Gaps that the two phases are looked for in; of more, so many quantiles.
const H2_SAMPLE_MAX: usize = 1 << 14;
/// Rounds of the search for two phases.
const H2_ROUNDS_MAX: usize = 2000;

/// A renewal model with its fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// As [`crate::arrivals::open`] reads it.
    pub arrivals: String,
    /// 2·parameters − 2·ln likelihood (Akaike 1974, IEEE TAC 19(6)): less is better.
    pub aic: f64,
}

/// Poisson, gamma, Weibull and two-phase hyperexponential, the best first. Empty where no gap is above 0.
#[must_use]
pub fn candidates(gaps: &[f64]) -> Vec<Candidate> {
    let gaps: Vec<f64> = gaps.iter().copied().filter(|gap| *gap > 0.0).collect();
    if gaps.is_empty() {
        return Vec::new();
    }
    let (n, mean, log_mean) = (gaps.len() as f64, mean(&gaps, |gap| gap), mean(&gaps, libm::log));
    let (gamma, weibull) = (gamma_shape(&gaps), weibull_shape(&gaps));
    let weibull_scale = scale(&gaps, weibull);
    let gamma_log = gamma * libm::log(gamma / mean) - libm::lgamma(gamma) + (gamma - 1.0) * log_mean - gamma;
    let weibull_log = libm::log(weibull) - weibull * libm::log(weibull_scale) + (weibull - 1.0) * log_mean - 1.0;
    let row = |arrivals: String, parameters: f64, log_per_gap: f64| Candidate {
        arrivals,
        aic: 2.0 * parameters - 2.0 * n * log_per_gap,
    };
    let cv = |cv: f64| cv.clamp(0.1, 20.0);
    let mut all = vec![
        row("poisson".to_owned(), 1.0, -libm::log(mean) - 1.0),
        row(format!("gamma:cv={:.6}", cv(1.0 / gamma.sqrt())), 2.0, gamma_log),
        row(format!("weibull:cv={:.6}", cv(weibull_cv(weibull))), 2.0, weibull_log),
    ];
    all.extend(h2(&gaps).map(|phases| row(phases.arrivals(), 3.0, phases.log_likelihood(&gaps) / n)));
    all.sort_by(|a, b| a.aic.total_cmp(&b.aic));
    all
}

pub(super) fn residual(gaps: &[f64]) -> Residual {
    let best = candidates(gaps).into_iter().next();
    Residual::Arrivals(best.map_or_else(|| "poisson".to_owned(), |best| best.arrivals))
}

/// A mixture of two exponentials.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TwoPhases {
    /// Share of the long gaps.
    pub share: f64,
    /// Mean of the long gaps.
    pub long: f64,
    /// Mean of the short gaps.
    pub short: f64,
}

impl TwoPhases {
    /// Densities of the long and the short gaps at `x`, each times its share.
    fn densities(&self, x: f64) -> (f64, f64) {
        let of = |share: f64, mean: f64| share / mean * libm::exp(-x / mean);
        (of(self.share, self.long), of(1.0 - self.share, self.short))
    }

    /// ln likelihood of gaps.
    #[must_use]
    pub fn log_likelihood(&self, gaps: &[f64]) -> f64 {
        let log = |x: &f64| {
            let (long, short) = self.densities(*x);
            libm::log((long + short).max(f64::MIN_POSITIVE))
        };
        gaps.iter().map(log).sum()
    }

    /// As [`crate::arrivals::open`] reads it: of mean 1, rounded so that the long gaps never take all the time.
    fn arrivals(&self) -> String {
        let mean = self.share * self.long + (1.0 - self.share) * self.short;
        let share = ((self.share * 1e6).round() / 1e6).clamp(1e-6, 0.999_999);
        let long = ((self.long / mean).min(1.0 / share) * 1e6).floor() / 1e6;
        format!("h2:p={share:.6},m={:.6}", long.clamp(1.0, 1e6))
    }
}

/// The two phases that make the gaps likeliest, by expectation and maximization (Dempster, Laird & Rubin 1977, J. R. Stat. Soc. B
/// 39(1), §4.3). `None` where there is but one phase: the gaps vary no more than exponential ones. Values must be above 0.
#[must_use]
pub fn h2(gaps: &[f64]) -> Option<TwoPhases> {
    let sample = quantiles(gaps);
    let all = mean(&sample, |x| x);
    let scv = mean(&sample, |x| (x / all - 1.0).powi(2));
    if scv <= 1.0 {
        return None;
    }
    // The start has the mean and CV of the gaps, and phases that take half of the time each.
    let share = 0.5 * (1.0 - ((scv - 1.0) / (scv + 1.0)).sqrt());
    let mut now = TwoPhases { share, long: all / (2.0 * share), short: all / (2.0 * (1.0 - share)) };
    for _ in 0..H2_ROUNDS_MAX {
        let (mut weight, mut weighted) = (0.0, 0.0);
        for x in &sample {
            let (long, short) = now.densities(*x);
            let is_long = if long + short > 0.0 { long / (long + short) } else { 1.0 };
            (weight, weighted) = (weight + is_long, weighted + is_long * x);
        }
        let n = sample.len() as f64;
        let next = TwoPhases { share: weight / n, long: weighted / weight, short: (all * n - weighted) / (n - weight) };
        if !(next.share > 0.0 && next.share < 1.0 && next.short > 0.0 && next.long > next.short) {
            return None;
        }
        let moved = (next.share / now.share - 1.0).abs().max((next.long / now.long - 1.0).abs());
        now = next;
        if moved < 1e-8 {
            break;
        }
    }
    Some(now)
}

/// The values themselves, or as many quantiles as are looked at.
fn quantiles(values: &[f64]) -> Vec<f64> {
    if values.len() <= H2_SAMPLE_MAX {
        return values.to_vec();
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let group = |i: usize| i * sorted.len() / H2_SAMPLE_MAX..(i + 1) * sorted.len() / H2_SAMPLE_MAX;
    (0..H2_SAMPLE_MAX).map(|i| mean(&sorted[group(i)], |x| x)).collect()
}

fn mean(values: &[f64], of: impl Fn(f64) -> f64) -> f64 {
    values.iter().map(|value| of(*value)).sum::<f64>() / values.len() as f64
}

/// The shape a of a gamma distribution by maximum likelihood: ln a − ψ(a) = ln x̄ − mean ln x, whose left side falls with a. Values
/// must be above 0.
#[must_use]
pub fn gamma_shape(values: &[f64]) -> f64 {
    let target = libm::log(mean(values, |x| x)) - mean(values, libm::log);
    rising_root(1e-3, 1e3, |a| target - (libm::log(a) - digamma(a)))
}

/// The shape k of a Weibull distribution by maximum likelihood: Σxᵏ ln x/Σxᵏ − 1/k = mean ln x, whose left side rises with k. Values
/// must be above 0.
#[must_use]
pub fn weibull_shape(values: &[f64]) -> f64 {
    let logs: Vec<f64> = values.iter().map(|x| libm::log(*x)).collect();
    let (most, log_mean) = (logs.iter().copied().fold(f64::NEG_INFINITY, f64::max), mean(&logs, |log| log));
    rising_root(0.05, 50.0, |k| {
        let (mut weights, mut weighted) = (0.0, 0.0);
        for log in &logs {
            let weight = libm::exp(k * (log - most));
            (weights, weighted) = (weights + weight, weighted + weight * log);
        }
        weighted / weights - 1.0 / k - log_mean
    })
}

/// λ = (mean xᵏ)^(1/k).
fn scale(values: &[f64], shape: f64) -> f64 {
    libm::pow(mean(values, |x| libm::pow(x, shape)), 1.0 / shape)
}

/// Where a rising function turns positive, by bisection; an end of the range where it does not.
fn rising_root(mut low: f64, mut high: f64, f: impl Fn(f64) -> f64) -> f64 {
    while high - low > 1e-10 * high {
        let middle = 0.5 * (low + high);
        if f(middle) < 0.0 { low = middle } else { high = middle }
    }
    high
}

/// ψ(x) for x > 0: recurrence up to 10, then the asymptotic series (Abramowitz & Stegun 1964, 6.3.5 and 6.3.18).
fn digamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < 10.0 {
        sum -= 1.0 / x;
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    sum + libm::log(x) - 0.5 / x - square * (1.0 / 12.0 - square * (1.0 / 120.0 - square * (1.0 / 252.0 - square / 240.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Rng, arrivals};

    /// ψ(1) = −γ, ψ(½) = −γ − 2 ln 2, ψ(10) = −γ + Σ 1/k.
    #[test]
    fn digamma_has_its_known_values() {
        let euler = 0.577_215_664_901_532_9;
        let harmonic: f64 = (1..10).map(|k| 1.0 / f64::from(k)).sum();
        for (x, value) in [(1.0, -euler), (0.5, -euler - 2.0 * std::f64::consts::LN_2), (10.0, harmonic - euler)] {
            assert!((digamma(x) - value).abs() < 1e-12, "{x}: {}", digamma(x));
        }
    }

    /// The model that made the gaps wins, with the CV that it was given. (Exponential gaps are a case of all three.)
    #[test]
    fn the_model_that_made_the_gaps_wins() {
        for (made, cv) in [("gamma:cv=2", 2.0), ("weibull:cv=2", 2.0), ("gamma:cv=0.5", 0.5), ("poisson", 1.0)] {
            let mut process = arrivals::open(made, Rng::stream(2, "gaps")).expect("sound");
            let gaps: Vec<f64> = (0..20_000).map(|_| process.next_gap()).collect();
            let best = &candidates(&gaps)[0].arrivals;
            let (name, found) = best.split_once(":cv=").unwrap_or((best, "1"));
            let found: f64 = found.parse().expect("a number");
            assert!((made.starts_with(name) || made == "poisson") && (found / cv - 1.0).abs() < 0.05, "{made}: {best}");
        }
        assert!(candidates(&[0.0, 0.0]).is_empty());
    }

    fn gaps_of(made: &str, n: usize, seed: u64) -> Vec<f64> {
        let mut process = arrivals::open(made, Rng::stream(seed, "gaps")).expect("sound");
        (0..n).map(|_| process.next_gap()).collect()
    }

    /// Two phases are found again, within five times the error 1/√(n·p) of the mean of that many long gaps, and win against gamma and
    /// Weibull gaps; their text opens.
    #[test]
    fn two_phases_are_found_again() {
        for (p, m) in [(0.1_f64, 5.0), (0.02, 20.0), (0.4, 2.2)] {
            let gaps = gaps_of(&format!("h2:p={p},m={m}"), 60_000, 3);
            let found = h2(&gaps).expect("they vary enough");
            let error = 5.0 / (60_000.0 * p).sqrt();
            assert!((found.share / p - 1.0).abs() < error && (found.long / m - 1.0).abs() < error, "{p} {m}: {found:?}");
            let best = &candidates(&gaps)[0].arrivals;
            assert!(best.starts_with("h2:") && arrivals::open(best, Rng::stream(1, "x")).is_ok(), "{best}");
        }
    }

    /// At the maximum of the likelihood no step to the side makes the gaps likelier.
    #[test]
    fn the_phases_are_a_maximum() {
        let gaps = gaps_of("gamma:cv=1.5", 5000, 4);
        let found = h2(&gaps).expect("they vary enough");
        let best = found.log_likelihood(&gaps);
        for step in [0.97, 1.03] {
            for next in [
                TwoPhases { share: found.share * step, ..found },
                TwoPhases { long: found.long * step, ..found },
                TwoPhases { short: found.short * step, ..found },
            ] {
                assert!(next.log_likelihood(&gaps) < best, "{next:?}");
            }
        }
    }

    #[test]
    fn even_gaps_have_no_phases() {
        assert_eq!(h2(&gaps_of("gamma:cv=0.5", 1000, 1)), None);
        assert_eq!(h2(&[1.0; 10]), None);
    }
}
