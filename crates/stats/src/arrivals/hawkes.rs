//! Requests that bring about requests: each arrival raises the intensity by n·β, which then decays at β. Law: λ(t) = (1 − n) +
//! Σ nβ·e^(−β(t − tᵢ)), rate 1, index of dispersion 1/(1 − n)² in the long run (Hawkes 1971, Biometrika 58(1)). Drawn exactly, by
//! the first of two competing clocks (Dassios & Zhao 2013, Electron. Commun. Probab. 18(62)).

use super::{Arrivals, Model, Parameter};
use crate::Rng;

pub(super) const MODEL: Model = Model {
    name: "hawkes",
    about: "each arrival brings about others",
    parameters: &[
        Parameter { name: "n", about: "arrivals that one brings about, on average", default: 0.5, low: 0.0, high: 0.99 },
        Parameter { name: "beta", about: "how fast that fades, per mean gap", default: 1.0, low: 1e-6, high: 1e6 },
    ],
    open: |values, rng| Ok(Box::new(Hawkes { n: values[0], beta: values[1], excess: values[0], rng })),
};

struct Hawkes {
    n: f64,
    beta: f64,
    /// Intensity above the base; it starts at its mean, n.
    excess: f64,
    rng: Rng,
}

impl Arrivals for Hawkes {
    fn next_gap(&mut self) -> f64 {
        let from_base = self.rng.exponential() / (1.0 - self.n);
        // The decaying part gives ∫₀^∞ = excess/β in all: with probability e^(−excess/β) it brings nothing at all.
        let left = 1.0 - self.rng.exponential() * self.beta / self.excess;
        let from_excess = if left > 0.0 { -libm::log(left) / self.beta } else { f64::INFINITY };
        let gap = from_base.min(from_excess);
        self.excess = self.excess * libm::exp(-self.beta * gap) + self.n * self.beta;
        gap
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{counts, dispersion, over_seeds, process};

    /// I(∞) = 1/(1 − n)²; windows of 400/β are long enough to see all but β⁻¹/400 of it, the bound of the bias below.
    #[test]
    fn dispersion_is_that_of_the_branching_ratio() {
        for n in [0.3, 0.6] {
            let expected = 1.0 / (1.0_f64 - n).powi(2);
            let (mean, error) =
                over_seeds(12, |seed| dispersion(&counts(&mut *process(&format!("hawkes:n={n},beta=2"), seed), 200.0, 200)));
            assert!((mean - expected).abs() < 5.0 * error + 0.02 * expected && error < 0.1 * expected, "{n}: {mean} ± {error}");
        }
    }

    /// Without offspring it is Poisson.
    #[test]
    fn without_offspring_it_is_poisson() {
        let (mean, error) = over_seeds(12, |seed| dispersion(&counts(&mut *process("hawkes:n=0", seed), 5.0, 1000)));
        assert!((mean - 1.0).abs() < 5.0 * error && error < 0.05, "{mean} ± {error}");
    }
}
