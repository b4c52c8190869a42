//! Gaps that are mostly short and sometimes long. Law: the two-phase hyperexponential distribution H₂ of mean 1, a mixture of two
//! exponentials (Cox 1962, *Renewal Theory*, §2.4): with probability p of mean m, else of mean (1 − pm)/(1 − p).

use super::{Arrivals, Model, Parameter};
use crate::Rng;

pub(super) const MODEL: Model = Model {
    name: "h2",
    about: "mostly short gaps, and a share p of mean m",
    parameters: &[
        Parameter { name: "p", about: "share of the long gaps", default: 0.1, low: 1e-6, high: 0.999_999 },
        Parameter { name: "m", about: "their mean, in mean gaps", default: 5.0, low: 1.0, high: 1e6 },
    ],
    open: |values, rng| {
        let (share, long) = (values[0], values[1]);
        let short = (1.0 - share * long) / (1.0 - share);
        if short < 0.0 {
            return Err("the long gaps alone would take more than the time there is: lower p or m".to_owned());
        }
        Ok(Box::new(H2 { share, long, short, rng }))
    },
};

struct H2 {
    share: f64,
    long: f64,
    short: f64,
    rng: Rng,
}

impl Arrivals for H2 {
    fn next_gap(&mut self) -> f64 {
        let mean = if self.rng.chance(self.share) { self.long } else { self.short };
        mean * self.rng.exponential()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{gap_cv, over_seeds, process};

    /// E x² = 2(pm² + (1 − p)s²), so that CV² = 2(0.1·25 + 0.9·(5/9)²) − 1 = 41/9 at the defaults.
    #[test]
    fn gaps_have_the_cv_of_the_mixture() {
        let expected = (41.0_f64 / 9.0).sqrt();
        let (mean, error) = over_seeds(12, |seed| gap_cv(&mut *process("h2", seed), 20_000));
        assert!((mean - expected).abs() < 5.0 * error && error < 0.02, "{mean} ± {error}, expected {expected}");
    }

    /// P(gap > 4) = p·e^(−4/m) + (1 − p)·e^(−4/s).
    #[test]
    fn the_tail_is_that_of_the_mixture() {
        let expected = 0.1 * (-4.0_f64 / 5.0).exp() + 0.9 * (-4.0 / (5.0_f64 / 9.0)).exp();
        let (mean, error) = over_seeds(12, |seed| {
            let mut process = process("h2:p=0.1,m=5", seed);
            (0..5000).filter(|_| process.next_gap() > 4.0).count() as f64 / 5000.0
        });
        assert!((mean - expected).abs() < 5.0 * error && error < 0.01, "{mean} ± {error}, expected {expected}");
    }

    #[test]
    fn long_gaps_leave_room_for_short_ones() {
        let refusal = super::super::open("h2:p=0.5,m=3", crate::Rng::stream(1, "x")).err().expect("too long").to_string();
        assert!(refusal.contains("lower p or m"), "{refusal}");
    }
}
