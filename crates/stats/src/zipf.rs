//! Popularity by rank: probability of rank k proportional to k^−s.

use crate::Rng;

/// Zipf's law over the ranks 1..=n with exponent s ≥ 0 (0 is uniform), drawn by rejection-inversion: Hörmann & Derflinger 1996,
/// "Rejection-inversion to generate variates from monotone discrete distributions", ACM TOMACS 6(3). Constant time whatever n is.
#[derive(Debug, Clone)]
pub struct Zipf {
    n: f64,
    s: f64,
    /// H(3/2) − 1: the upper end of the area that is drawn from.
    area_first: f64,
    /// H(n + 1/2): its lower end.
    area_last: f64,
    /// Ranks within this distance of the drawn point need no further test.
    sure: f64,
}

impl Zipf {
    /// `None` unless `n` ≥ 1 and `s` is finite and not negative.
    #[must_use]
    pub fn new(n: u64, s: f64) -> Option<Self> {
        if n == 0 || !(s >= 0.0 && s.is_finite()) {
            return None;
        }
        let n = n as f64;
        let sure = 2.0 - area_inverse(area(2.5, s) - density(2.0, s), s);
        Some(Self { n, s, area_first: area(1.5, s) - 1.0, area_last: area(n + 0.5, s), sure })
    }

    /// A rank from 1 (the most popular) to n.
    pub fn sample(&self, rng: &mut Rng) -> u64 {
        loop {
            let u = self.area_last + rng.uniform() * (self.area_first - self.area_last);
            let x = area_inverse(u, self.s);
            let k = (x + 0.5).floor().clamp(1.0, self.n);
            if k - x <= self.sure || u >= area(k + 0.5, self.s) - density(k, self.s) {
                return k as u64;
            }
        }
    }
}

/// h(x) = x^−s.
fn density(x: f64, s: f64) -> f64 {
    libm::exp(-s * libm::log(x))
}

/// H(x) = ∫₁ˣ h = (x^(1−s) − 1)/(1 − s), or ln x where s = 1.
fn area(x: f64, s: f64) -> f64 {
    let log_x = libm::log(x);
    expm1_ratio((1.0 - s) * log_x) * log_x
}

/// H⁻¹. Rounding may bring the argument of the logarithm below its domain: it is held at its end.
fn area_inverse(y: f64, s: f64) -> f64 {
    libm::exp(log1p_ratio((y * (1.0 - s)).max(-1.0)) * y)
}

/// (eˣ − 1)/x, steady around 0.
fn expm1_ratio(x: f64) -> f64 {
    if x.abs() > 1e-8 { libm::expm1(x) / x } else { 1.0 + x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0)) }
}

/// ln(1 + x)/x, steady around 0.
fn log1p_ratio(x: f64) -> f64 {
    if x.abs() > 1e-8 { libm::log1p(x) / x } else { 1.0 - x * (0.5 - x * (1.0 / 3.0 - 0.25 * x)) }
}

/// A fitted exponent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ZipfFit {
    /// The exponent s.
    pub s: f64,
    /// Its standard error, from the Fisher information n·Var(ln K).
    pub standard_error: f64,
}

/// Exponents are looked for up to this; more is one rank taking all.
const EXPONENT_MAX: f64 = 20.0;

/// The exponent that makes the counts of ranks 1, 2, … likeliest: maximizes −sΣln k − n ln H(N, s), that is, makes E ln K equal to
/// the observed mean of ln k. (Regression of log count on log rank is biased and is not used.) `None` where fewer than two
/// ranks were counted, or where the likelihood has no maximum in (0, 20): counts that do not fall with rank, or one rank alone.
///
/// The ranks must be the true ones. Ranking by the counts themselves biases s upwards where counts are small.
#[must_use]
pub fn fit(counts: &[u64]) -> Option<ZipfFit> {
    let n: u64 = counts.iter().sum();
    if n == 0 || counts.len() < 2 {
        return None;
    }
    let logs: Vec<f64> = (1..=counts.len()).map(|k| libm::log(k as f64)).collect();
    let observed = counts.iter().zip(&logs).map(|(count, log)| *count as f64 * log).sum::<f64>() / n as f64;
    let (mut low, mut high) = (0.0, EXPONENT_MAX);
    if !(log_moments(&logs, low).0 > observed && log_moments(&logs, high).0 < observed) {
        return None;
    }
    // E ln K falls with s: bisection to the last bit but a few.
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if log_moments(&logs, middle).0 > observed { low = middle } else { high = middle }
    }
    let s = f64::midpoint(low, high);
    Some(ZipfFit { s, standard_error: 1.0 / (n as f64 * log_moments(&logs, s).1).sqrt() })
}

/// Mean and variance of ln K under exponent s, given the logarithms of the ranks.
fn log_moments(logs: &[f64], s: f64) -> (f64, f64) {
    let (mut weight, mut first, mut second) = (0.0, 0.0, 0.0);
    for log in logs {
        let p = libm::exp(-s * log);
        weight += p;
        first += p * log;
        second += p * log * log;
    }
    let mean = first / weight;
    (mean, second / weight - mean * mean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;
    use proptest::prelude::*;

    fn draw(n: usize, s: f64, draws: u32, seed: u64) -> Vec<u64> {
        let (zipf, mut rng) = (Zipf::new(n as u64, s).expect("sound"), Rng::stream(seed, "zipf"));
        let mut counts = vec![0; n];
        (0..draws).for_each(|_| counts[zipf.sample(&mut rng) as usize - 1] += 1);
        counts
    }

    /// χ² of the counts against k^−s/H(n, s), tail ranks of expectation < 5 joined; (χ² − degrees of freedom)/√(2·degrees).
    fn chi_squared_score(counts: &[u64], s: f64) -> f64 {
        let total: u64 = counts.iter().sum();
        let harmonic: f64 = (1..=counts.len()).map(|k| (k as f64).powf(-s)).sum();
        let (mut chi, mut cells, mut seen, mut expected) = (0.0, 0.0, 0.0, 0.0);
        for (i, count) in counts.iter().enumerate() {
            seen += *count as f64;
            expected += total as f64 * ((i + 1) as f64).powf(-s) / harmonic;
            if expected >= 5.0 {
                chi += (seen - expected) * (seen - expected) / expected;
                (seen, expected, cells) = (0.0, 0.0, cells + 1.0);
            }
        }
        let degrees: f64 = cells - 1.0;
        if degrees < 1.0 { 0.0 } else { (chi - degrees) / (2.0 * degrees).sqrt() }
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(Zipf::new(0, 1.0).is_none() && Zipf::new(5, -0.1).is_none() && Zipf::new(5, f64::NAN).is_none());
        assert!(fit(&[]).is_none() && fit(&[5]).is_none() && fit(&[0, 0]).is_none());
        assert!(fit(&[5, 0]).is_none(), "one rank alone has no finite exponent");
        assert!(fit(&[1, 5]).is_none(), "counts that rise with rank have no exponent");
    }

    #[test]
    fn one_rank_is_always_drawn() {
        assert_eq!(draw(1, 1.1, 100, 1), [100]);
    }

    /// Two ranks with counts c₁, c₂: the likelihood's maximum is s = log₂(c₁/c₂), in closed form.
    #[test]
    fn two_ranks_have_a_fit_in_closed_form() {
        let found = fit(&[300, 100]).expect("falls");
        assert!((found.s - 3_f64.log2()).abs() < 1e-9, "{found:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn ranks_follow_the_law(n in 2_usize..400, s in 0.0..3.0, seed: u64) {
            let score = chi_squared_score(&draw(n, s, 8000, seed), s);
            prop_assert!(score < 6.0, "score {score}");
        }

        #[test]
        fn the_fit_finds_the_exponent(n in 20_usize..400, s in 0.3..2.5, seed: u64) {
            let found = fit(&draw(n, s, 8000, seed)).expect("falls");
            prop_assert!((found.s - s).abs() < 5.0 * found.standard_error, "{found:?} for {s}");
        }
    }
}
