//! Independent exponential gaps: what many independent users make together. Law: P(gap > x) = e⁻ˣ.

use super::{Arrivals, Model};
use crate::Rng;

pub(super) const MODEL: Model =
    Model { name: "poisson", about: "independent exponential gaps", parameters: &[], open: |_, rng| Ok(Box::new(Poisson(rng))) };

struct Poisson(Rng);

impl Arrivals for Poisson {
    fn next_gap(&mut self) -> f64 {
        self.0.exponential()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::Traffic;

    /// A Poisson process has CV 1, memory 0 and index of dispersion 1 at every window: over k windows the index is χ²/(k − 1) with
    /// k − 1 degrees of freedom (Fisher 1925, *Statistical Methods for Research Workers*, §16), so within 1 ± 1.96√(2/(k − 1)) in 95 %;
    /// doubled here.
    #[test]
    fn it_is_poisson() {
        let mut process = (MODEL.open)(&[], Rng::stream(11, "arrivals")).expect("sound");
        let (mut traffic, mut at) = (Traffic::new(), 0.0);
        for _ in 0..100_000 {
            at += process.next_gap();
            traffic.push((at * 1e7) as i64);
        }
        let figures = traffic.figures();
        assert!((figures.iat_cv.expect("gaps") - 1.0).abs() < 0.015);
        assert!(figures.memory.expect("gaps").abs() < 0.015);
        for window in &figures.windows[..2] {
            let idc = window.idc.expect("enough bins");
            let bound = 2.0 * 1.96 * (2.0 / (window.bins as f64 - 1.0)).sqrt();
            assert!((idc - 1.0).abs() < bound, "{window:?}");
        }
    }
}
