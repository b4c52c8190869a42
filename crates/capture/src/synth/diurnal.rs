//! A rate that rises and falls over the day.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// λ(t) = 1 − amplitude·cos(2πt/day), of mean 1: a trace begins when it is quietest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Diurnal {
    /// How far the rate rises above its mean and falls below it, as a share: 0 to 1.
    pub amplitude: f64,
    /// Length of a day, s.
    pub day_s: f64,
}

impl Diurnal {
    /// Λ(t) = t − amplitude·day/2π·sin(2πt/day).
    fn cumulative(&self, t_s: f64) -> f64 {
        t_s - self.swing_s() * libm::sin(2.0 * PI * t_s / self.day_s)
    }

    /// How far Λ(t) strays from t, s.
    fn swing_s(&self) -> f64 {
        self.amplitude * self.day_s / (2.0 * PI)
    }

    /// Λ⁻¹(u): when the curve has run up `u_s` seconds' worth of the mean rate, s. By bisection, to the last bit.
    pub fn time_s(&self, u_s: f64) -> f64 {
        let (mut low, mut high) = ((u_s - self.swing_s()).max(0.0), u_s + self.swing_s());
        loop {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high {
                return middle;
            }
            if self.cumulative(middle) < u_s { low = middle } else { high = middle }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_curve_and_its_inverse_agree(amplitude in 0.0..1.0, day_s in 1.0..1e5, days in 0.0..10.0) {
            let diurnal = Diurnal { amplitude, day_s };
            let (u_s, t_s): (f64, f64) = (days * day_s, diurnal.time_s(days * day_s));
            prop_assert!((diurnal.cumulative(t_s) - u_s).abs() < 1e-9 * day_s);
        }
    }

    /// From the quietest quarter of a day, centred on its start, to the busiest: day/4 ∓ amplitude·day/(2π)·√2.
    #[test]
    fn the_day_is_quiet_at_its_ends() {
        let diurnal = Diurnal { amplitude: 0.5, day_s: 100.0 };
        let quarter = |from: f64| diurnal.cumulative(from + 25.0) - diurnal.cumulative(from);
        let swing = 0.5 * 100.0 / (2.0 * PI) * 2.0_f64.sqrt();
        assert!((quarter(87.5) - (25.0 - swing)).abs() < 1e-9 && (quarter(37.5) - (25.0 + swing)).abs() < 1e-9);
    }
}
