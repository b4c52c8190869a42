//! Whether a target falls behind the load: requests in flight grow without end.

use serde::{Deserialize, Serialize};

use crate::Interval;
use crate::sample::mean;
use crate::trend::theil_sen;

/// Growth of the requests in flight, as a share of the offered requests, from which a target is overloaded.
pub const GROWTH_MIN: f64 = 0.005;
/// The interval's lower end must be above this.
pub const GROWTH_LOW_MIN: f64 = 0.001;
/// Share of the samples that are left out at the beginning, while the line fills.
const SKIPPED: f64 = 0.1;
/// Samples that a verdict needs.
pub const SAMPLES_MIN: usize = 10;
/// More samples than this are averaged in stretches.
const SAMPLES_MAX: usize = 1000;
const CONFIDENCE: f64 = 0.95;

/// How fast the backlog grows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Overload {
    /// Requests by which the number in flight grows for every request offered: (slope per second)/(offered per second), by Theil–Sen.
    /// A target that serves µ of λ offered requests a second has 1 − µ/λ.
    pub growth: Interval,
    /// The verdict: `growth` above [`GROWTH_MIN`], its lower end above [`GROWTH_LOW_MIN`].
    pub overloaded: bool,
}

/// Judges the requests in flight, sampled every `step_s` seconds under a load of `offered_per_s`. `None` below [`SAMPLES_MIN`] samples,
/// or where no load was offered.
///
/// With samples each second at 1000 requests a second, 30 s tell loads of 102 % from 95 % in all but a few of a hundred cases, 120 s from
/// 98 %; burstier arrivals need longer (simulated in the tests).
#[must_use]
pub fn overload(in_flight: &[f64], step_s: f64, offered_per_s: f64) -> Option<Overload> {
    let kept = &in_flight[(in_flight.len() as f64 * SKIPPED) as usize..];
    if kept.len() < SAMPLES_MIN || !(offered_per_s > 0.0 && step_s > 0.0) {
        return None;
    }
    let stretch = kept.len().div_ceil(SAMPLES_MAX);
    let samples: Vec<f64> = kept.chunks_exact(stretch).map(mean).collect();
    let at_s: Vec<f64> = (0..samples.len()).map(|i| (i * stretch) as f64 * step_s).collect();
    let line = theil_sen(&at_s, &samples, CONFIDENCE)?;
    let growth = Interval { value: line.slope, low: line.low, high: line.high }.map(|slope| slope / offered_per_s);
    Some(Overload { growth, overloaded: growth.value > GROWTH_MIN && growth.low > GROWTH_LOW_MIN })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;
    use crate::arrivals;

    const SERVED_PER_S: f64 = 1000.0;

    /// Requests in flight each second in a first-come queue with one server, exponential service and the load ρ, after a warm-up in
    /// which it is stable.
    fn in_flight(model: &str, load: f64, seconds: usize, seed: u64) -> Vec<f64> {
        let mut arrivals = arrivals::open(model, Rng::stream(seed, "arrivals")).expect("a model");
        let mut service = Rng::stream(seed, "service");
        let (mut at_s, mut free_s, mut done) = (0.0, 0.0_f64, std::collections::VecDeque::new());
        let mut samples = Vec::with_capacity(seconds);
        while samples.len() < seconds {
            at_s += arrivals.next_gap() / (load * SERVED_PER_S);
            let due = (samples.len() + 1) as f64;
            if at_s > due {
                done.retain(|end_s| *end_s > due);
                samples.push(done.len() as f64);
            }
            free_s = free_s.max(at_s) + service.exponential() / SERVED_PER_S;
            done.push_back(free_s);
        }
        samples
    }

    fn rate_of(model: &str, load: f64, seconds: usize, seeds: u64) -> f64 {
        let alarm = |seed: &u64| {
            let samples = in_flight(model, load, seconds, *seed);
            overload(&samples, 1.0, load * SERVED_PER_S).expect("enough samples").overloaded
        };
        (0..seeds).filter(alarm).count() as f64 / seeds as f64
    }

    #[test]
    fn loads_below_and_above_capacity_are_told_apart_in_thirty_seconds() {
        for (model, load, least, most) in [
            ("poisson", 0.9, 0.0, 0.03),
            ("poisson", 0.95, 0.0, 0.05),
            ("poisson", 1.05, 1.0, 1.0),
            ("gamma:cv=2", 0.9, 0.0, 0.05),
            ("gamma:cv=2", 1.05, 0.97, 1.0),
        ] {
            let rate = rate_of(model, load, 30, 40);
            assert!((least..=most).contains(&rate), "{model} at {load}: {rate}");
        }
        let rate = rate_of("poisson", 1.02, 30, 60);
        assert!(rate >= 0.93, "at 1.02: {rate}");
    }

    /// The whole table of rates, 100 seeds each; it prints itself.
    #[test]
    #[ignore = "half a minute; prints the table"]
    fn rates_in_full() {
        for (model, seconds) in [("poisson", 30), ("gamma:cv=2", 30), ("gamma:cv=0.5", 30), ("poisson", 120)] {
            for load in [0.9, 0.95, 0.98, 1.0, 1.02, 1.05] {
                #[allow(clippy::print_stdout)]
                {
                    println!("{model:12} {seconds:3} s  load {load:.2}  {:.2}", rate_of(model, load, seconds, 100));
                }
            }
        }
    }

    /// A backlog that grows by λ − µ each second.
    #[test]
    fn a_fluid_backlog_grows_by_what_is_not_served() {
        let samples: Vec<f64> = (0..30).map(|second| 250.0 * f64::from(second)).collect();
        let found = overload(&samples, 1.0, 1250.0).expect("enough samples");
        assert!(found.overloaded && (found.growth.value - 0.2).abs() < 1e-12);
        let day: Vec<f64> = (0..86_400).map(|second| 250.0 * f64::from(second)).collect();
        assert!((overload(&day, 1.0, 1250.0).expect("enough samples").growth.value - 0.2).abs() < 1e-12);
        assert!(!overload(&[5.0; 30], 1.0, 1000.0).expect("enough samples").overloaded);
        assert_eq!((overload(&[5.0; 9], 1.0, 1000.0), overload(&[5.0; 30], 1.0, 0.0)), (None, None));
    }
}
