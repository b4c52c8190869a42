//! Poisson arrivals whose rate jumps between two levels: busy and quiet spells. Law: the Markov-modulated Poisson process of two states
//! (Fischer & Meier-Hellstern 1993, Perform. Eval. 18(2)) with rate 1, given by what can be seen of it: the long-run index of
//! dispersion, the rate r = r₁ + r₂ at which it forgets, and the share q of time in the busy state.

use super::{Arrivals, Model, Parameter};
use crate::Rng;

pub(super) const MODEL: Model = Model {
    name: "mmpp2",
    about: "busy and quiet spells",
    parameters: &[
        Parameter { name: "idc", about: "index of dispersion in the long run", default: 10.0, low: 1.0, high: 1e6 },
        Parameter { name: "r", about: "how fast spells are forgotten, per mean gap", default: 0.05, low: 1e-9, high: 1e3 },
        Parameter { name: "q", about: "share of the time that is busy", default: 0.1, low: 0.001, high: 0.999 },
    ],
    open: |values, rng| {
        let law = Mmpp2::from_dispersion(1.0, values[0], values[1], values[2])
            .ok_or("the quiet state would need a rate below 0: lower idc, r or q")?;
        Ok(Box::new(Process::new(law, rng)))
    },
};

/// A Markov-modulated Poisson process of two states. Rates are per unit of time, whatever that is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mmpp2 {
    /// Arrival rate in the busy state.
    pub busy: f64,
    /// Arrival rate in the quiet state.
    pub quiet: f64,
    /// Rate of leaving the busy state.
    pub leave_busy: f64,
    /// Rate of leaving the quiet state.
    pub leave_quiet: f64,
}

impl Mmpp2 {
    /// The process of mean `rate`, long-run dispersion `idc`, forgetting rate `r` and busy share `q`. The variance of the rate is
    /// V = rate·(idc − 1)·r/2. `None` where the quiet state would need a rate below 0.
    #[must_use]
    pub fn from_dispersion(rate: f64, idc: f64, r: f64, q: f64) -> Option<Self> {
        let variance = rate * (idc - 1.0) * r / 2.0;
        let (above, below) = ((variance * (1.0 - q) / q).sqrt(), (variance * q / (1.0 - q)).sqrt());
        let law = Self { busy: rate + above, quiet: rate - below, leave_busy: r * (1.0 - q), leave_quiet: r * q };
        (law.quiet >= 0.0).then_some(law)
    }

    /// Share of the time that is busy.
    #[must_use]
    pub fn busy_share(&self) -> f64 {
        self.leave_quiet / (self.leave_busy + self.leave_quiet)
    }

    /// Mean arrivals per unit of time.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.quiet + (self.busy - self.quiet) * self.busy_share()
    }

    /// Index of dispersion in the long run: 1 + 2(l₁ − l₂)²r₁r₂/(r²(l₁r₂ + l₂r₁)).
    #[must_use]
    pub fn idc_limit(&self) -> f64 {
        let (r, q) = (self.leave_busy + self.leave_quiet, self.busy_share());
        1.0 + 2.0 * (self.busy - self.quiet).powi(2) * q * (1.0 - q) / (r * self.rate())
    }

    /// Index of dispersion at windows of width `t`: 1 + (I(∞) − 1)·g(rt), g(x) = 1 − (1 − e⁻ˣ)/x (same paper, §3).
    #[must_use]
    pub fn idc(&self, t: f64) -> f64 {
        1.0 + (self.idc_limit() - 1.0) * rise((self.leave_busy + self.leave_quiet) * t)
    }

    /// Squared coefficient of variation of the gaps, from their moments mₖ = k!·π(−D₀)⁻ᵏ1, π the state that an arrival finds.
    #[must_use]
    pub fn gap_scv(&self) -> f64 {
        let (a, b) = (self.busy + self.leave_busy, self.quiet + self.leave_quiet);
        let determinant = a * b - self.leave_busy * self.leave_quiet;
        let solve = |x: f64, y: f64| ((b * x + self.leave_busy * y) / determinant, (self.leave_quiet * x + a * y) / determinant);
        let busy = self.busy_share() * self.busy / self.rate();
        let weigh = |(x, y): (f64, f64)| busy * x + (1.0 - busy) * y;
        let first = solve(1.0, 1.0);
        2.0 * weigh(solve(first.0, first.1)) / weigh(first).powi(2) - 1.0
    }

    /// The process that has this rate, these dispersions at two windows `(width, index)`, the first the narrower, and this squared CV
    /// of the gaps. `None` where no such process exists: dispersion must rise, by less than the width does, from above 1.
    ///
    /// The two dispersions give r and I(∞), and the gaps then q: dispersion alone says nothing on how the two states share the time.
    #[must_use]
    pub fn fit(rate: f64, narrow: (f64, f64), wide: (f64, f64), gap_scv: f64) -> Option<Self> {
        let ratio = (narrow.1 - 1.0) / (wide.1 - 1.0);
        let linear = narrow.0 / wide.0;
        let possible = narrow.1 > 1.0 && wide.1 > narrow.1 && ratio > linear;
        // g(r·t₁)/g(r·t₂) rises from t₁/t₂ to 1 with r.
        let r = possible.then(|| bisect(1e-9 / wide.0, 1e6 / narrow.0, |r| rise(r * narrow.0) / rise(r * wide.0) < ratio))?;
        let idc = 1.0 + (wide.1 - 1.0) / rise(r * wide.0);
        // The quiet rate is 0 at the largest q; the squared CV of the gaps rises with q.
        let variance = rate * (idc - 1.0) * r / 2.0;
        let most = rate * rate / (variance + rate * rate);
        let law = |q| Self::from_dispersion(rate, idc, r, q);
        law(bisect(1e-9, most * (1.0 - 1e-12), |q| law(q).is_some_and(|law| law.gap_scv() < gap_scv)))
    }
}

/// g(x) = 1 − (1 − e⁻ˣ)/x, which rises from 0 to 1.
fn rise(x: f64) -> f64 {
    if x < 1e-6 { x / 2.0 } else { 1.0 + libm::expm1(-x) / x }
}

/// Where `below` turns from true to false between two positive numbers, by halving their logarithms' distance.
fn bisect(mut low: f64, mut high: f64, below: impl Fn(f64) -> bool) -> f64 {
    while high / low > 1.0 + 1e-13 {
        let middle = (low * high).sqrt();
        if middle <= low || middle >= high {
            break;
        }
        if below(middle) { low = middle } else { high = middle }
    }
    low
}

struct Process {
    law: Mmpp2,
    is_busy: bool,
    rng: Rng,
}

impl Process {
    /// Starts in the state that an arrival finds.
    fn new(law: Mmpp2, mut rng: Rng) -> Self {
        Self { law, is_busy: rng.chance(law.busy_share() * law.busy / law.rate()), rng }
    }
}

impl Arrivals for Process {
    fn next_gap(&mut self) -> f64 {
        let mut gap = 0.0;
        loop {
            let (arrive, leave) = match self.is_busy {
                true => (self.law.busy, self.law.leave_busy),
                false => (self.law.quiet, self.law.leave_quiet),
            };
            gap += self.rng.exponential() / (arrive + leave);
            if self.rng.chance(arrive / (arrive + leave)) {
                return gap;
            }
            self.is_busy = !self.is_busy;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{counts, dispersion, over_seeds, process};
    use super::*;
    use proptest::prelude::*;

    fn near(found: f64, expected: f64, relative: f64) {
        assert!((found / expected - 1.0).abs() < relative, "{found} instead of {expected}");
    }

    /// The process (100, 10, 1, 1); figures computed from its generator matrices by another program.
    #[test]
    fn closed_forms_are_those_of_the_matrices() {
        let law = Mmpp2 { busy: 100.0, quiet: 10.0, leave_busy: 1.0, leave_quiet: 1.0 };
        near(law.rate(), 55.0, 1e-12);
        near(law.idc_limit(), 37.818_182, 1e-7);
        for (width, idc) in [(0.1, 4.448_161), (1.0, 21.900_49), (10.0, 35.977_273)] {
            near(law.idc(width), idc, 1e-6);
        }
        near(law.gap_scv(), 4.648_649, 1e-6);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// What is seen of a process gives the process again.
        #[test]
        fn a_process_is_recovered_from_its_dispersion(
            rate in 1.0..1000.0, idc in 1.5..200.0, spell in 1.0..200.0, q in 0.05..0.9,
        ) {
            let law = Mmpp2::from_dispersion(rate, idc, rate / spell, q);
            prop_assume!(law.is_some_and(|law| law.quiet > 0.01 * rate));
            let (law, time) = (law.expect("assumed"), spell / rate);
            let found = Mmpp2::fit(rate, (0.5 * time, law.idc(0.5 * time)), (5.0 * time, law.idc(5.0 * time)), law.gap_scv());
            let found = found.expect("there is one");
            for (found, expected) in [
                (found.busy, law.busy), (found.quiet, law.quiet), (found.leave_busy, law.leave_busy), (found.leave_quiet, law.leave_quiet),
            ] {
                prop_assert!((found / expected - 1.0).abs() < 1e-3, "{found} instead of {expected}");
            }
        }
    }

    #[test]
    fn what_no_process_has_is_refused() {
        assert_eq!(Mmpp2::fit(1.0, (1.0, 0.9), (10.0, 2.0), 1.5), None);
        assert_eq!(Mmpp2::fit(1.0, (1.0, 3.0), (10.0, 2.0), 1.5), None);
        assert_eq!(Mmpp2::fit(1.0, (1.0, 1.1), (10.0, 4.0), 1.5), None);
    }

    #[test]
    fn simulated_dispersion_is_the_closed_form() {
        let law = Mmpp2::from_dispersion(1.0, 10.0, 0.05, 0.1).expect("sound");
        for width in [5.0, 100.0] {
            let (mean, error) =
                over_seeds(12, |seed| dispersion(&counts(&mut *process("mmpp2:idc=10,r=0.05,q=0.1", seed), width, 600)));
            let expected = law.idc(width);
            assert!(
                (mean - expected).abs() < 5.0 * error + 0.01 * expected && error < 0.1 * expected,
                "{mean} ± {error}, {expected}"
            );
        }
    }
}
