//! Independent Weibull gaps of a given CV. Law: P(gap > x) = exp(−(x·Γ(1 + 1/k))ᵏ), mean 1 (Johnson, Kotz & Balakrishnan 1994,
//! *Continuous Univariate Distributions* 1, ch. 21). Drawn by inversion.

use super::{Arrivals, Model, Parameter};
use crate::Rng;

pub(super) const MODEL: Model = Model {
    name: "weibull",
    about: "independent Weibull gaps",
    parameters: &[Parameter { name: "cv", about: "coefficient of variation of the gaps", default: 2.0, low: 0.1, high: 20.0 }],
    open: |values, rng| {
        let shape = weibull_shape(values[0]);
        Ok(Box::new(Weibull { power: 1.0 / shape, scale: 1.0 / libm::tgamma(1.0 + 1.0 / shape), rng }))
    },
};

struct Weibull {
    power: f64,
    scale: f64,
    rng: Rng,
}

impl Arrivals for Weibull {
    fn next_gap(&mut self) -> f64 {
        self.scale * libm::pow(self.rng.exponential(), self.power)
    }
}

/// The coefficient of variation of a Weibull distribution: CV² = Γ(1 + 2/k)/Γ(1 + 1/k)² − 1.
#[must_use]
pub fn weibull_cv(shape: f64) -> f64 {
    libm::expm1(libm::lgamma(1.0 + 2.0 / shape) - 2.0 * libm::lgamma(1.0 + 1.0 / shape)).sqrt()
}

/// The shape k at which the CV is `cv`, by bisection between 0.05 and 50 (CV 10⁵ and 0.026).
#[must_use]
pub fn weibull_shape(cv: f64) -> f64 {
    let (mut low, mut high) = (0.05_f64, 50.0_f64);
    while high - low > 1e-12 * high {
        let middle = 0.5 * (low + high);
        if weibull_cv(middle) > cv { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::super::tests::{gap_cv, over_seeds, process};
    use super::*;

    /// Shape 1 is exponential, CV 1; shape 2 is Rayleigh, CV² = 4/π − 1; shape ½ has CV² = Γ(5)/Γ(3)² − 1 = 5.
    #[test]
    fn the_cv_of_known_shapes() {
        for (shape, square) in [(1.0, 1.0), (2.0, 4.0 / std::f64::consts::PI - 1.0), (0.5, 5.0_f64)] {
            assert!((weibull_cv(shape) - square.sqrt()).abs() < 1e-9, "shape {shape}: {}", weibull_cv(shape));
            assert!((weibull_shape(square.sqrt()) - shape).abs() < 1e-9, "shape {shape}");
        }
    }

    #[test]
    fn gaps_have_the_cv_asked_for() {
        for cv in [0.5, 1.5] {
            let (mean, error) = over_seeds(10, |seed| gap_cv(&mut *process(&format!("weibull:cv={cv}"), seed), 20_000));
            assert!((mean - cv).abs() < 5.0 * error && error < 0.02 * cv, "{cv}: {mean} ± {error}");
        }
    }
}
