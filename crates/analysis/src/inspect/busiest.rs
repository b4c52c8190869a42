//! The busiest windows of a trace: worth replaying on their own.

use serde::Serialize;

/// Lengths of windows that are looked for.
const LENGTHS_NS: [i64; 4] = [10_000_000_000, 60_000_000_000, 600_000_000_000, 3_600_000_000_000];
/// Counts are kept in steps of this, doubled as often as the trace needs.
const STEP_NS: i64 = 1_000_000_000;
/// Steps whose counts are kept: 12 days of seconds.
const STEPS_MAX: usize = 1 << 20;

/// The part of a trace with the most requests among all of its length, in whole steps of a second (more in very long traces).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BusyWindow {
    /// Its start, ns since trace start.
    pub start_ns: i64,
    /// Its length, ns.
    pub length_ns: i64,
    /// Requests in it.
    pub requests: u64,
    /// Requests per second in it.
    pub rate_per_s: f64,
}

impl BusyWindow {
    /// The options of `rehearsal cut` that take it out.
    #[must_use]
    pub fn cut_options(&self) -> String {
        let (from_s, to_s) = (self.start_ns / STEP_NS, (self.start_ns + self.length_ns) / STEP_NS);
        format!("--from {from_s}s --to {to_s}s")
    }
}

/// Requests in each step.
pub struct Arrivals {
    step_ns: i64,
    counts: Vec<u64>,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self { step_ns: STEP_NS, counts: Vec::new() }
    }
}

impl Arrivals {
    /// One more request, ns since trace start.
    pub fn add(&mut self, at_ns: i64) {
        while at_ns / self.step_ns >= STEPS_MAX as i64 {
            self.counts = self.counts.chunks(2).map(|pair| pair.iter().sum()).collect();
            self.step_ns *= 2;
        }
        let step = usize::try_from(at_ns / self.step_ns).unwrap_or(0);
        if step >= self.counts.len() {
            self.counts.resize(step + 1, 0);
        }
        self.counts[step] += 1;
    }

    /// The busiest window of each length, as far as the trace is at least twice as long; of equal ones the first.
    pub fn busiest(&self) -> Vec<BusyWindow> {
        LENGTHS_NS.iter().filter_map(|length_ns| self.busiest_of(*length_ns)).collect()
    }

    /// The busiest window of one length, in ns; `None` where the trace is not twice as long.
    pub fn busiest_of(&self, length_ns: i64) -> Option<BusyWindow> {
        let steps =
            usize::try_from(length_ns / self.step_ns).ok().filter(|steps| *steps > 0 && 2 * steps <= self.counts.len())?;
        let mut requests: u64 = self.counts[..steps].iter().sum();
        let mut best = (requests, 0);
        for start in 1..=self.counts.len() - steps {
            requests = requests + self.counts[start + steps - 1] - self.counts[start - 1];
            if requests > best.0 {
                best = (requests, start);
            }
        }
        let (requests, start) = best;
        let length_ns = steps as i64 * self.step_ns;
        let rate_per_s = requests as f64 / (length_ns as f64 / 1e9);
        Some(BusyWindow { start_ns: start as i64 * self.step_ns, length_ns, requests, rate_per_s })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: i64 = 1_000_000_000;

    fn busiest(arrivals_ns: impl IntoIterator<Item = i64>) -> Vec<BusyWindow> {
        let mut steps = Arrivals::default();
        arrivals_ns.into_iter().for_each(|at_ns| steps.add(at_ns));
        steps.busiest()
    }

    /// One a second for 200 s, and five more a second from 42 to 52.
    #[test]
    fn a_burst_is_found() {
        let found = busiest((0..200).map(|s| s * S).chain((0..50).map(|i| 42 * S + i * S / 5)));
        let first = BusyWindow { start_ns: 42 * S, length_ns: 10 * S, requests: 60, rate_per_s: 6.0 };
        assert_eq!((found.len(), &found[0], found[1].requests), (2, &first, 110));
        assert_eq!(found[0].cut_options(), "--from 42s --to 52s");
    }

    #[test]
    fn a_short_trace_has_no_busiest_part() {
        assert_eq!(busiest([]), []);
        assert_eq!(busiest((0..19).map(|s| s * S)), []);
        assert_eq!(busiest((0..20).map(|s| s * S)).len(), 1);
    }

    #[test]
    fn a_trace_of_years_takes_longer_steps() {
        let year_ns = 365 * 86_400 * S;
        let found = busiest((0..1000).map(|i| i * (year_ns / 1000)).chain([year_ns / 2 + S, year_ns / 2 + 2 * S]));
        let hour = found.last().expect("an hour is short beside a year");
        assert!(hour.requests >= 3 && (hour.start_ns..hour.start_ns + hour.length_ns).contains(&(year_ns / 2 + S)), "{hour:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn no_window_of_whole_seconds_has_more(arrivals in prop::collection::vec(0_i64..90 * S, 1..300)) {
            let count = |from_s: i64, to_s: i64| arrivals.iter().filter(|at| (from_s * S..to_s * S).contains(*at)).count() as u64;
            for window in busiest(arrivals.iter().copied()) {
                let (from_s, length_s) = (window.start_ns / S, window.length_ns / S);
                prop_assert_eq!(window.requests, count(from_s, from_s + length_s));
                prop_assert!((0..90).all(|start| count(start, start + length_s) <= window.requests));
            }
        }
    }
}
