//! Independent gamma gaps of a given CV. Law: shape a = 1/CV², scale 1/a, so that the mean is 1 (Johnson, Kotz & Balakrishnan 1994,
//! *Continuous Univariate Distributions* 1, ch. 17). Drawn by Marsaglia & Tsang 2000, ACM TOMS 26(3).

use super::{Arrivals, Model, Parameter};
use crate::Rng;

pub(super) const MODEL: Model = Model {
    name: "gamma",
    about: "independent gamma gaps",
    parameters: &[Parameter { name: "cv", about: "coefficient of variation of the gaps", default: 2.0, low: 0.1, high: 20.0 }],
    open: |values, rng| Ok(Box::new(Gamma { shape: values[0].powi(-2), rng })),
};

struct Gamma {
    shape: f64,
    rng: Rng,
}

impl Arrivals for Gamma {
    fn next_gap(&mut self) -> f64 {
        // Below shape 1 the method needs one more uniform: G(a) = G(a + 1)·U^(1/a).
        let boost = if self.shape < 1.0 { libm::pow(1.0 - self.rng.uniform(), 1.0 / self.shape) } else { 1.0 };
        let shape = if self.shape < 1.0 { self.shape + 1.0 } else { self.shape };
        draw(shape, &mut self.rng) * boost / self.shape
    }
}

/// A gamma variate of scale 1; `shape` ≥ 1.
fn draw(shape: f64, rng: &mut Rng) -> f64 {
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = rng.normal();
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && libm::log(1.0 - rng.uniform()) < 0.5 * x * x + d - d * v + d * libm::log(v) {
            return d * v;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{gap_cv, over_seeds, process};

    #[test]
    fn gaps_have_the_cv_asked_for() {
        for cv in [0.5, 1.0, 3.0] {
            let (mean, error) = over_seeds(10, |seed| gap_cv(&mut *process(&format!("gamma:cv={cv}"), seed), 20_000));
            assert!((mean - cv).abs() < 5.0 * error && error < 0.02 * cv, "{cv}: {mean} ± {error}");
        }
    }

    /// Gamma of shape 4 (CV ½) is the sum of four exponentials: P(gap > 1) = e⁻⁴(1 + 4 + 8 + 32/3).
    #[test]
    fn shape_four_is_erlang() {
        let expected = (-4.0_f64).exp() * (13.0 + 32.0 / 3.0);
        let (mean, error) = over_seeds(10, |seed| {
            let mut process = process("gamma:cv=0.5", seed);
            (0..5000).filter(|_| process.next_gap() > 1.0).count() as f64 / 5000.0
        });
        assert!((mean - expected).abs() < 5.0 * error && error < 0.01, "{mean} ± {error}, expected {expected}");
    }
}
