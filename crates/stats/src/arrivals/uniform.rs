//! Equal gaps: a metronome.

use super::{Arrivals, Model};

pub(super) const MODEL: Model =
    Model { name: "uniform", about: "equal gaps", parameters: &[], open: |_, _| Ok(Box::new(Uniform)) };

struct Uniform;

impl Arrivals for Uniform {
    fn next_gap(&mut self) -> f64 {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    #[test]
    fn every_gap_is_one() {
        let mut process = (MODEL.open)(&[], Rng::stream(1, "arrivals")).expect("sound");
        assert!((0..10).all(|_| process.next_gap() == 1.0));
    }
}
