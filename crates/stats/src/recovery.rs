//! How long a target needs after a spike, a fault or a restart.

use crate::sample::{median, median_deviation};

/// Windows in a row that have to be sound.
pub const WINDOWS_IN_A_ROW: usize = 5;
/// A p99 may be this multiple of the baseline's.
const LATENCY_FACTOR: f64 = 1.1;
/// Or lie this many median deviations above the baseline's median.
const DEVIATIONS: f64 = 3.0;
const IN_FLIGHT_FACTOR: f64 = 1.2;
/// Baseline windows that a verdict needs.
pub const BASELINE_MIN: usize = 5;

/// One window, of 1 s as a rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// The p99 of the response times; `None` where nothing was answered, which is never sound while requests are in flight.
    pub p99: Option<f64>,
    /// Requests in flight at the end of the window.
    pub in_flight: f64,
}

/// The number of windows after the disturbance's end before the first of five in a row that are sound; 0: it never showed. `None` where
/// that does not happen within the windows given.
#[must_use]
pub fn recovery(baseline: &Baseline, after: &[Window]) -> Option<usize> {
    let sound: Vec<bool> = after.iter().map(|window| baseline.holds(window)).collect();
    sound.windows(WINDOWS_IN_A_ROW).position(|row| row.iter().all(|sound| *sound))
}

/// What is sound: a p99 of at most 1.1 × the median of those before, or within 3 median absolute deviations of it, and at most 1.2 × the
/// median in flight (one more, where that is small).
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Baseline {
    /// The most a window's p99 may be.
    pub p99_max: f64,
    /// The most that may be in flight.
    pub in_flight_max: f64,
}

/// Measures what is sound on windows before the disturbance. `None` for fewer than [`BASELINE_MIN`] with answers.
#[must_use]
pub fn baseline(before: &[Window]) -> Option<Baseline> {
    let p99s: Vec<f64> = before.iter().filter_map(|window| window.p99).collect();
    if p99s.len() < BASELINE_MIN {
        return None;
    }
    let middle = median(&p99s);
    let in_flight = median(&before.iter().map(|window| window.in_flight).collect::<Vec<_>>());
    Some(Baseline {
        p99_max: (LATENCY_FACTOR * middle).max(middle + DEVIATIONS * median_deviation(&p99s)),
        in_flight_max: (IN_FLIGHT_FACTOR * in_flight).max(in_flight + 1.0),
    })
}

impl Baseline {
    fn holds(&self, window: &Window) -> bool {
        let answered = window.p99.map_or(window.in_flight <= 0.0, |p99| p99 <= self.p99_max);
        answered && window.in_flight <= self.in_flight_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: f64 = 5.0;

    /// The p99 of a fluid queue that serves `served` a second and holds a backlog, beside a service time of 10 ms.
    fn window(backlog: f64, served: f64) -> Window {
        Window { p99: Some(0.01 + backlog / served), in_flight: BASE + backlog }
    }

    /// Fluid: 10 s at 1500/s against a capacity of 1000/s leave 5000 requests; at 500/s they drain in 10 s.
    #[test]
    fn a_fluid_spike_drains_in_ten_seconds() {
        let (spike, base, served, spike_s) = (1500.0, 500.0, 1000.0, 10.0);
        let backlog = spike_s * (spike - served);
        let after: Vec<Window> = (0..30).map(|s| window((backlog - f64::from(s) * (served - base)).max(0.0), served)).collect();
        let sound = baseline(&[window(0.0, served); 10]).expect("enough windows");
        assert_eq!((backlog, recovery(&sound, &after)), (5000.0, Some(10)));
        assert_eq!(recovery(&sound, &after[..14]), None);
    }

    #[test]
    fn one_sound_window_is_no_recovery() {
        let sound = baseline(&[window(0.0, 1000.0); 10]).expect("enough windows");
        let after: Vec<Window> = (0..40).map(|s| window(if s < 20 && s % 5 != 0 { 900.0 } else { 0.0 }, 1000.0)).collect();
        assert_eq!(recovery(&sound, &after), Some(20));
        let silent = [Window { p99: None, in_flight: 3.0 }; 10];
        assert_eq!(recovery(&sound, &silent), None);
        assert_eq!(recovery(&sound, &[Window { p99: None, in_flight: 0.0 }; 10]), Some(0));
        assert_eq!(baseline(&[window(0.0, 1.0); 4]), None);
    }
}
