//! The distribution functions that tests and intervals need: normal, Student's t, beta.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// P(Z ≤ z) of the standard normal distribution, to some 15 digits, in both tails too.
#[must_use]
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z * FRAC_1_SQRT_2)
}

/// P(|Z| ≥ |z|).
#[must_use]
pub fn normal_two_sided(z: f64) -> f64 {
    libm::erfc(z.abs() * FRAC_1_SQRT_2)
}

/// The z with P(Z ≤ z) = p, to some 14 digits; ±∞ at 0 and 1, NaN outside.
///
/// Starts within 4.5·10⁻⁴ (Abramowitz & Stegun 1964, 26.2.23) and takes Newton steps with Halley's correction.
#[must_use]
pub fn normal_quantile(p: f64) -> f64 {
    if !(p > 0.0 && p < 1.0) {
        return if p == 0.0 {
            f64::NEG_INFINITY
        } else if p == 1.0 {
            f64::INFINITY
        } else {
            f64::NAN
        };
    }
    if p > 0.5 {
        return -normal_quantile(1.0 - p);
    }
    let t = (-2.0 * libm::log(p)).sqrt();
    let top = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let start = top / (1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308))) - t;
    (0..3).fold(start, |z, _| {
        let density = libm::exp(-0.5 * z * z) / (2.0 * PI).sqrt();
        let step = (normal_cdf(z) - p) / density;
        z - step / (1.0 + 0.5 * z * step)
    })
}

/// P(|T| ≥ |t|) of Student's t with `df` > 0 degrees of freedom, which need not be whole: I_{df/(df+t²)}(df/2, ½)
/// (Abramowitz & Stegun 1964, 26.7.1).
#[must_use]
pub fn student_two_sided(t: f64, df: f64) -> f64 {
    if t.is_infinite() { 0.0 } else { beta_cdf(df / (df + t * t), 0.5 * df, 0.5) }
}

/// The t ≥ 0 with P(|T| ≤ t) = `confidence`, by bisection to 12 digits. NaN unless `df` > 0 and 0 ≤ confidence < 1.
#[must_use]
pub fn student_two_sided_quantile(confidence: f64, df: f64) -> f64 {
    if !(df > 0.0 && (0.0..1.0).contains(&confidence)) {
        return f64::NAN;
    }
    let outside = 1.0 - confidence;
    let mut high = 1.0;
    while student_two_sided(high, df) > outside && high < 1e300 {
        high *= 2.0;
    }
    bisect(0.0, high, |t| student_two_sided(t, df) > outside)
}

/// The regularized incomplete beta function I_x(a, b), which is the distribution function of Beta(a, b), to some 12 digits, for
/// a, b > 0: its continued fraction (Abramowitz & Stegun 1964, 26.5.8), on the side where that converges fast.
#[must_use]
pub fn beta_cdf(x: f64, a: f64, b: f64) -> f64 {
    if x.is_nan() || a.is_nan() || b.is_nan() || a <= 0.0 || b <= 0.0 {
        return f64::NAN;
    }
    if x <= 0.0 || x >= 1.0 {
        return f64::from(u8::from(x >= 1.0));
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_cdf(1.0 - x, b, a);
    }
    let log_front = libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * libm::log(x) + b * libm::log1p(-x);
    libm::exp(log_front) / (a * beta_fraction(x, a, b))
}

/// The denominator 1 + d₁/(1 + d₂/(1 + …)) of that fraction, evaluated forwards (Lentz 1976, Applied Optics 15(3)).
fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    const TERMS_MAX: u32 = 10_000;
    const TINY: f64 = 1e-300;
    let keep = |v: f64| if v.abs() < TINY { TINY } else { v };
    let (mut value, mut above, mut below) = (1.0, 1.0, 0.0);
    for term in 1..=TERMS_MAX {
        let m = f64::from(term / 2);
        let d = if term % 2 == 0 {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        } else {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        };
        below = 1.0 / keep(1.0 + d * below);
        above = keep(1.0 + d / above);
        value *= above * below;
        if (above * below - 1.0).abs() < 1e-15 {
            break;
        }
    }
    value
}

/// Where `below` turns from true to false between `low` and `high`.
pub(crate) fn bisect(mut low: f64, mut high: f64, below: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            break;
        }
        if below(middle) { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn near(found: f64, expected: f64, relative: f64) {
        assert!((found - expected).abs() <= relative * expected.abs(), "{found} instead of {expected}");
    }

    /// Abramowitz & Stegun 1964, tables 26.1 and 26.5, and the tail of the first asymptotic terms.
    #[test]
    fn the_normal_distribution_is_that_of_the_tables() {
        near(normal_cdf(1.0), 0.841_344_746_068_543, 1e-14);
        near(normal_cdf(-3.0), 0.001_349_898_031_630_095, 1e-13);
        near(normal_cdf(-10.0), 7.619_853_024_160_526e-24, 1e-12);
        near(normal_quantile(0.975), 1.959_963_984_540_054, 1e-13);
        near(normal_quantile(0.9), 1.281_551_565_544_6, 1e-13);
        near(normal_quantile(0.0005), -3.290_526_731_491_926, 1e-13);
        assert!(normal_quantile(0.5).abs() < 1e-15 && normal_quantile(1.0) == f64::INFINITY && normal_quantile(2.0).is_nan());
    }

    /// Abramowitz & Stegun 1964, table 26.10; one and two degrees of freedom have closed forms.
    #[test]
    fn students_t_is_that_of_the_tables() {
        for (df, t) in
            [(1.0, 12.706_204_736), (2.0, 4.302_652_730), (4.0, 2.776_445_105), (10.0, 2.228_138_852), (120.0, 1.979_930_405)]
        {
            near(student_two_sided_quantile(0.95, df), t, 1e-9);
            near(student_two_sided(t, df), 0.05, 1e-8);
        }
        near(student_two_sided(3.0, 1.0), 1.0 - 2.0 / PI * 3.0_f64.atan(), 1e-12);
        near(student_two_sided(3.0, 2.0), 1.0 - 3.0 / 11.0_f64.sqrt(), 1e-12);
        assert!(student_two_sided(0.0, 3.0) == 1.0 && student_two_sided(f64::INFINITY, 3.0) == 0.0);
    }

    /// I_x(a, n − a + 1) = P(Binomial(n, x) ≥ a).
    #[test]
    fn the_beta_distribution_is_the_tail_of_a_binomial() {
        let choose = [1.0, 5.0, 10.0, 10.0, 5.0, 1.0];
        let tail = |x: f64, a: usize| (a..=5).map(|k| choose[k] * x.powi(k as i32) * (1.0 - x).powi(5 - k as i32)).sum::<f64>();
        for x in [0.01, 0.3, 0.5, 0.77, 0.999] {
            (1..=5).for_each(|a| near(beta_cdf(x, a as f64, 6.0 - a as f64), tail(x, a), 1e-11));
        }
        assert_eq!((beta_cdf(0.0, 2.0, 3.0), beta_cdf(1.0, 2.0, 3.0)), (0.0, 1.0));
        near(beta_cdf(0.5, 50_000.0, 50_000.0), 0.5, 1e-8);
    }

    proptest! {
        #[test]
        fn quantiles_invert(p in 1e-12..1.0_f64, df in 0.5..200.0_f64) {
            prop_assert!((normal_cdf(normal_quantile(p)) - p).abs() <= 1e-12 * p);
            let t = student_two_sided_quantile(p * 0.999, df);
            prop_assert!((1.0 - student_two_sided(t, df) - p * 0.999).abs() < 1e-10);
        }

        #[test]
        fn beta_is_a_distribution_and_symmetric(x in 0.0..1.0_f64, a in 0.05..300.0_f64, b in 0.05..300.0_f64) {
            let value = beta_cdf(x, a, b);
            prop_assert!((0.0..=1.0 + 1e-12).contains(&value));
            prop_assert!((value + beta_cdf(1.0 - x, b, a) - 1.0).abs() < 1e-9);
            prop_assert!(beta_cdf(x * 0.9, a, b) <= value + 1e-12);
        }
    }
}
