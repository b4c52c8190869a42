//! Conditions that end a run early: `error_rate>20%/10s` and the like. Pure: fed with what is over and when, it says when to stop.
//!
//! A window slides over run time in tenths of its length. It counts only when it lies wholly within the run, every worker has told all
//! of it, and it holds enough requests for its metric to mean something.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use hdrhistogram::Histogram;
use serde::{Serialize, Serializer};
use trace::rules::nearest;
use trace::{RunNs, Unit, parse_duration, whole_ns};

use crate::slices::VALUE_NS_MAX;

/// Steps in which a window slides over its own length.
const STEPS: i64 = 10;
/// The shortest window.
const WINDOW_NS_MIN: i64 = 1_000_000_000;
/// Windows that one worker may be ahead of another with what it has told; what is further ahead is not counted.
const AHEAD_MAX: i64 = 4;
/// Requests below which a share or a quantile says nothing.
const REQUESTS_MIN: u64 = 20;

/// What can be watched.
#[derive(Debug)]
struct Metric {
    name: &'static str,
    unit: Unit,
    /// The time that is gathered for it.
    time: fn(&Over) -> Option<i64>,
    /// Its value over a window; `None` where that holds too little.
    measure: fn(&Window) -> Option<f64>,
}

const NO_TIME: fn(&Over) -> Option<i64> = |_| None;
const RESPONSE: fn(&Over) -> Option<i64> = |over| over.response_ns;

/// Every metric there is.
const METRICS: &[Metric] = &[
    Metric { name: "error_rate", unit: Unit::Share, time: NO_TIME, measure: |window| window.share(window.sum.failed) },
    Metric { name: "shed_rate", unit: Unit::Share, time: NO_TIME, measure: |window| window.share(window.sum.shed) },
    Metric { name: "p50", unit: Unit::Ns, time: RESPONSE, measure: |window| window.quantile(0.5) },
    Metric { name: "p90", unit: Unit::Ns, time: RESPONSE, measure: |window| window.quantile(0.9) },
    Metric { name: "p95", unit: Unit::Ns, time: RESPONSE, measure: |window| window.quantile(0.95) },
    Metric { name: "p99", unit: Unit::Ns, time: RESPONSE, measure: |window| window.quantile(0.99) },
    Metric { name: "p99.9", unit: Unit::Ns, time: RESPONSE, measure: |window| window.quantile(0.999) },
    Metric { name: "max", unit: Unit::Ns, time: RESPONSE, measure: Window::max },
    Metric { name: "throughput", unit: Unit::PerS, time: NO_TIME, measure: Window::throughput },
    Metric { name: "in_flight", unit: Unit::Requests, time: NO_TIME, measure: Window::in_flight },
    Metric { name: "lateness_p99", unit: Unit::Ns, time: |over| over.lateness_ns, measure: |window| window.quantile(0.99) },
];

/// A condition: a metric, above or below a limit over a window.
#[derive(Debug, Clone)]
pub struct Condition {
    text: String,
    metric: &'static Metric,
    above: bool,
    /// In the metric's unit.
    limit: f64,
    window_ns: i64,
}

impl FromStr for Condition {
    type Err = String;

    /// `METRIC>VALUE/WINDOW` or `METRIC<VALUE/WINDOW`.
    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || format!("`{text}` is no condition; write METRIC>VALUE/WINDOW, for example 'error_rate>20%/10s'");
        let sign = text.find(['>', '<']).ok_or_else(shape)?;
        let (value, window) = text[sign + 1..].rsplit_once('/').ok_or_else(shape)?;
        let metric = metric(text[..sign].trim())?;
        let window_ns = whole_ns(parse_duration(window.trim())?);
        if window_ns < WINDOW_NS_MIN {
            return Err(format!("a window of {window} is shorter than 1 s"));
        }
        let above = text.as_bytes()[sign] == b'>';
        let limit = metric.unit.parse(value.trim()).map_err(|reason| format!("{} in `{text}`: {reason}", metric.name))?;
        Ok(Self { text: text.to_owned(), metric, above, limit, window_ns })
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

fn metric(name: &str) -> Result<&'static Metric, String> {
    let names: Vec<&str> = METRICS.iter().map(|metric| metric.name).collect();
    METRICS.iter().find(|metric| metric.name == name).ok_or_else(|| {
        let meant = nearest(name, &names).map_or(String::new(), |name| format!(" (did you mean `{name}`?)"));
        format!("there is no metric `{name}`{meant}; there are {}", names.join(", "))
    })
}

fn show(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Share => format!("{:.2} %", value * 100.0),
        Unit::Ns => format!("{:.3} ms", value / 1e6),
        Unit::PerS => format!("{value:.1}/s"),
        Unit::Requests | Unit::Bytes | Unit::Cores => format!("{value:.1}"),
    }
}

/// A condition that came true, which ends the run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Aborted {
    /// As it was asked for.
    pub condition: String,
    /// The end of the window in which it was true, ns since run start.
    pub at_ns: i64,
    /// What was measured over it, in `unit`.
    pub measured: f64,
    /// In what.
    pub unit: Unit,
}

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at_s = RunNs(self.at_ns).seconds();
        write!(f, "aborted at {at_s:.1} s by {}: it was {}", self.condition, show(self.unit, self.measured))
    }
}

/// A request that is over.
#[derive(Debug, Clone, Copy)]
pub struct Over {
    /// When.
    pub at: RunNs,
    /// Whether its answer was good.
    pub ok: bool,
    /// Whether it was shed.
    pub shed: bool,
    /// From its due instant to the end of its answer, ns; `None` without an answer.
    pub response_ns: Option<i64>,
    /// The generator's own lateness, ns; `None` where it was not sent.
    pub lateness_ns: Option<i64>,
}

/// What is counted.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    over: u64,
    failed: u64,
    shed: u64,
    answered: u64,
    /// Of all workers, and how often that was told.
    in_flight: u64,
    in_flight_told: u64,
}

impl Sums {
    fn add(&mut self, more: &Self) {
        self.over += more.over;
        self.failed += more.failed;
        self.shed += more.shed;
        self.answered += more.answered;
        self.in_flight += more.in_flight;
        self.in_flight_told += more.in_flight_told;
    }
}

/// A part of a window, or the whole of it.
struct Window {
    sum: Sums,
    /// To one part in a thousand.
    times_ns: Histogram<u32>,
    length_ns: i64,
}

impl Window {
    fn new(length_ns: i64) -> Self {
        let times_ns =
            Histogram::new_with_bounds(1, VALUE_NS_MAX, 3).expect("bounds and digits are within what the crate allows");
        Self { sum: Sums::default(), times_ns, length_ns }
    }

    fn share(&self, count: u64) -> Option<f64> {
        (self.sum.over >= REQUESTS_MIN).then(|| count as f64 / self.sum.over as f64)
    }

    /// `None` where not one request would lie above it.
    fn quantile(&self, q: f64) -> Option<f64> {
        let enough = self.times_ns.len() as f64 * (1.0 - q) >= 1.0 - 1e-9;
        (enough && self.times_ns.len() >= REQUESTS_MIN).then(|| self.times_ns.value_at_quantile(q) as f64)
    }

    fn max(&self) -> Option<f64> {
        (!self.times_ns.is_empty()).then(|| self.times_ns.max() as f64)
    }

    /// `None` where nothing was asked of the target.
    fn throughput(&self) -> Option<f64> {
        let asked = self.sum.over > 0 || self.sum.in_flight > 0;
        asked.then(|| self.sum.answered as f64 / (self.length_ns as f64 / 1e9))
    }

    fn in_flight(&self) -> Option<f64> {
        (self.sum.in_flight_told > 0).then(|| self.sum.in_flight as f64 / self.sum.in_flight_told as f64)
    }
}

/// One condition under watch.
struct Watched {
    condition: Condition,
    step_ns: i64,
    /// The steps that may still count, the first of which has number `first`.
    steps: VecDeque<Window>,
    first: i64,
}

impl Watched {
    fn new(condition: Condition) -> Self {
        Self { step_ns: condition.window_ns / STEPS, condition, steps: VecDeque::new(), first: 0 }
    }

    /// The step of an instant; `None` where that is past.
    fn step(&mut self, at: RunNs) -> Option<&mut Window> {
        let index = usize::try_from(at.ns().max(0) / self.step_ns - self.first).ok()?;
        while self.steps.len() <= index.min((STEPS * AHEAD_MAX) as usize) {
            self.steps.push_back(Window::new(self.step_ns));
        }
        self.steps.get_mut(index)
    }

    fn over(&mut self, over: &Over) {
        let time_ns = (self.condition.metric.time)(over);
        let Some(step) = self.step(over.at) else { return };
        step.sum.over += 1;
        step.sum.failed += u64::from(!over.ok);
        step.sum.shed += u64::from(over.shed);
        step.sum.answered += u64::from(over.response_ns.is_some());
        if let Some(time_ns) = time_ns {
            step.times_ns.saturating_record(time_ns.max(0).unsigned_abs());
        }
    }

    /// Judges every window that ends at or before `until`, the first one first.
    fn judge(&mut self, until: RunNs) -> Option<Aborted> {
        while (self.first + STEPS) * self.step_ns <= until.ns() {
            let end = RunNs((self.first + STEPS) * self.step_ns);
            self.step(end + -1);
            let measured = (self.condition.metric.measure)(&self.whole());
            self.steps.pop_front();
            self.first += 1;
            let Condition { text, metric, above, limit, .. } = &self.condition;
            if let Some(measured) = measured.filter(|measured| if *above { measured > limit } else { measured < limit }) {
                return Some(Aborted { condition: text.clone(), at_ns: end.ns(), measured, unit: metric.unit });
            }
        }
        None
    }

    fn whole(&self) -> Window {
        let mut whole = Window::new(self.step_ns * STEPS);
        for step in self.steps.iter().take(STEPS as usize) {
            whole.sum.add(&step.sum);
            whole.times_ns.add(&step.times_ns).expect("all steps have the same bounds");
        }
        whole
    }
}

/// Watches conditions over a run.
pub struct Watch {
    watched: Vec<Watched>,
    /// Up to when each worker has told everything, and what it has in flight.
    workers: Vec<(RunNs, u64)>,
}

impl Watch {
    /// Nothing seen yet of a run by so many workers.
    #[must_use]
    pub fn new(conditions: &[Condition], workers: usize) -> Self {
        let watched = conditions.iter().cloned().map(Watched::new).collect();
        Self { watched, workers: vec![(RunNs(0), 0); workers] }
    }

    /// A request is over.
    pub fn over(&mut self, over: &Over) {
        self.watched.iter_mut().for_each(|watched| watched.over(over));
    }

    /// A worker has told everything up to `until`, when it had so many requests in flight. Says which condition came true, if one did.
    pub fn told(&mut self, worker: usize, until: RunNs, in_flight: u64) -> Option<Aborted> {
        self.workers[worker] = (until, in_flight);
        let in_flight = self.workers.iter().map(|(_, in_flight)| in_flight).sum::<u64>();
        let complete = self.workers.iter().map(|(until, _)| *until).min()?;
        self.watched.iter_mut().find_map(|watched| {
            if until != ENDED
                && let Some(step) = watched.step(until)
            {
                step.sum.in_flight += in_flight;
                step.sum.in_flight_told += 1;
            }
            watched.judge(if complete == ENDED { RunNs(0) } else { complete })
        })
    }
}

/// Until when a worker has told everything that will tell nothing more.
pub const ENDED: RunNs = RunNs(i64::MAX);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: i64 = 1_000_000_000;

    fn condition(text: &str) -> Condition {
        text.parse().unwrap_or_else(|reason: String| panic!("{reason}"))
    }

    /// Requests that are over at `at_ms`, good or not, each after so many ms.
    fn feed(watch: &mut Watch, requests: impl IntoIterator<Item = (i64, bool, i64)>) {
        for (at_ms, ok, response_ms) in requests {
            let response_ns = Some(response_ms * 1_000_000);
            watch.over(&Over { at: RunNs(at_ms * 1_000_000), ok, shed: !ok, response_ns, lateness_ns: Some(0) });
        }
    }

    fn told(watch: &mut Watch, until_s: f64) -> Option<Aborted> {
        watch.told(0, RunNs((until_s * 1e9) as i64), 1)
    }

    fn one(text: &str) -> Watch {
        Watch::new(&[condition(text)], 1)
    }

    #[test]
    fn conditions_are_read() {
        let cases = [
            ("error_rate>20%/10s", 0.2, 10 * S, true),
            ("shed_rate > 0.05 / 1m", 0.05, 60 * S, true),
            ("p99.9>250ms/5s", 250e6, 5 * S, true),
            ("throughput<100/s/10s", 100.0, 10 * S, false),
            ("throughput<100/10s", 100.0, 10 * S, false),
            ("in_flight>500/1", 500.0, S, true),
            ("lateness_p99>1.5ms/2s", 1.5e6, 2 * S, true),
        ];
        for (text, limit, window_ns, above) in cases {
            let found = condition(text);
            assert_eq!((found.limit, found.window_ns, found.above), (limit, window_ns, above), "{text}");
        }
    }

    #[test]
    fn what_is_no_condition_is_told_in_one_sentence() {
        for (text, word) in [
            ("eror_rate>20%/10s", "did you mean `error_rate`?"),
            ("latency>20ms/10s", "there is no metric `latency`; there are error_rate, shed_rate, p50"),
            ("error_rate=20%/10s", "METRIC>VALUE/WINDOW"),
            ("error_rate>20%", "METRIC>VALUE/WINDOW"),
            ("error_rate>120%/10s", "wanted a share"),
            ("p99>250/10s", "a time with its unit such as 250ms, found `250`"),
            ("p99>250parsecs/10s", "wanted a time"),
            ("p99>250ms/10parsecs", "no unit of time"),
            ("max>1s/100ms", "shorter than 1 s"),
            ("throughput<-1/10s", "wanted a rate"),
        ] {
            let said = text.parse::<Condition>().expect_err(text);
            assert!(said.contains(word), "{text}: {said}");
        }
    }

    #[test]
    fn a_share_above_its_limit_over_a_full_window_fires() {
        // 10 a second, every third bad from 5 s on: the first window of 10 s above 20 % ends where 21 of 100 are bad. Bad ones are over at
        // 5.0, 5.3 … s; the 21st at 11.0 s, so the first tenth that has it ends at 12 s, and [2, 12) holds 5.0 … 11.9: 24 bad ones.
        let mut watch = one("error_rate>20%/10s");
        feed(&mut watch, (0..200).map(|i| (i * 100, i < 50 || (i - 50) % 3 != 0, 1)));
        assert_eq!(told(&mut watch, 11.999), None);
        let fired = told(&mut watch, 12.0).expect("24 %");
        assert_eq!((fired.at_ns, fired.measured), (12 * S, 0.24));
        assert_eq!(fired.to_string(), "aborted at 12.0 s by error_rate>20%/10s: it was 24.00 %");
    }

    #[test]
    fn a_window_counts_only_when_it_is_full() {
        let mut watch = one("error_rate>20%/10s");
        feed(&mut watch, (0..90).map(|i| (i * 100, false, 1)));
        assert_eq!(told(&mut watch, 9.999), None, "all failed, but 10 s are not over");
        assert_eq!(told(&mut watch, 10.0).map(|fired| fired.measured), Some(1.0));
    }

    #[test]
    fn too_few_requests_say_nothing() {
        for (count, fires) in [(19, false), (20, true)] {
            let mut watch = one("error_rate>20%/1s");
            feed(&mut watch, (0..count).map(|i| (i, false, 1)));
            assert_eq!(told(&mut watch, 1.0).is_some(), fires, "{count} requests");
        }
        // A hundredth of 99 requests is none.
        for (count, fires) in [(99, false), (100, true)] {
            let mut watch = one("p99>5ms/1s");
            feed(&mut watch, (0..count).map(|i| (i, true, 9)));
            assert_eq!(told(&mut watch, 1.0).is_some(), fires, "{count} requests");
        }
    }

    #[test]
    fn quantiles_are_those_of_the_ordered_times() {
        // 1 … 100 ms: p50 is the 50th, p90 the 90th, p99 the 99th, to a part in a thousand.
        for (name, wanted_ms) in [("p50", 50.0), ("p90", 90.0), ("p95", 95.0), ("p99", 99.0), ("max", 100.0)] {
            let mut watch = one(&format!("{name}>0.5ms/1s"));
            feed(&mut watch, (0..100).map(|i| (i * 10, true, i + 1)));
            let measured_ms = told(&mut watch, 1.0).expect(name).measured / 1e6;
            assert!((measured_ms / wanted_ms - 1.0).abs() <= 1e-3, "{name}: {measured_ms} ms");
        }
    }

    #[test]
    fn a_window_slides_past_what_is_over() {
        // Bad for one second, then good: 20 bad of 40 in [0, 2), none bad in [1, 3) and later.
        let mut watch = one("error_rate>50%/2s");
        feed(&mut watch, (0..100).map(|i| (i * 50, i >= 20, 1)));
        assert_eq!(told(&mut watch, 5.0), None, "50 % is not above 50 %");
    }

    #[test]
    fn throughput_below_its_limit_fires_and_idleness_does_not() {
        let mut watch = one("throughput<5/2s");
        feed(&mut watch, (0..20).map(|i| (i * 100, true, 1)));
        assert_eq!(told(&mut watch, 2.0), None);
        // Windows end every 0.2 s: [1 s, 3 s) holds 10 answers, 5 a second; [1.2 s, 3.2 s) holds 8.
        let fired = told(&mut watch, 3.2).expect("4/s");
        assert_eq!((fired.at_ns, fired.measured), (3_200_000_000, 4.0));
        let mut idle = one("throughput<5/2s");
        assert_eq!(idle.told(0, RunNs(9 * S), 0), None, "nothing was asked of the target");
        assert!(idle.told(0, RunNs(10 * S), 3).is_none() && idle.told(0, RunNs(14 * S), 3).is_some(), "three answers are due");
    }

    #[test]
    fn requests_in_flight_are_averaged_over_the_workers() {
        let mut watch = Watch::new(&[condition("in_flight>25/1s")], 2);
        for tenth in 0..10 {
            let at = RunNs(tenth * S / 10);
            assert!(watch.told(0, at, 10).is_none() && watch.told(1, at, 20).is_none());
        }
        assert_eq!(watch.told(0, RunNs(S), 10), None, "the other worker has told 0.9 s only");
        let measured = watch.told(1, RunNs(S), 20).expect("30 in flight").measured;
        assert!((29.0..=30.0).contains(&measured), "{measured}");
    }

    #[test]
    fn a_worker_that_has_ended_holds_nothing_up() {
        let mut watch = Watch::new(&[condition("error_rate>20%/1s")], 2);
        feed(&mut watch, (0..50).map(|i| (i * 20, false, 1)));
        assert_eq!(watch.told(1, RunNs(2 * S), 0), None);
        assert!(watch.told(0, ENDED, 0).is_some());
    }

    proptest! {
        #[test]
        fn no_other_window_than_the_first_bad_one_fires(bad in prop::collection::vec(any::<bool>(), 30..300), percent in 1_u32..100) {
            let mut watch = one(&format!("error_rate>{percent}%/1s"));
            let fired = (0..).zip(&bad).find_map(|(i, bad)| {
                feed(&mut watch, [(i * 20, !bad, 1)]);
                watch.told(0, RunNs((i + 1) * 20_000_000), 0)
            });
            let until_tenths = bad.len() * 20 / 100;
            // The definition: 50 requests a second, 5 a tenth; windows end at tenths.
            let first = (10..=until_tenths).find(|end| {
                let window = &bad[end * 5 - 50..end * 5];
                window.iter().filter(|bad| **bad).count() as f64 / 50.0 > f64::from(percent) / 100.0
            });
            prop_assert_eq!(fired.map(|fired| fired.at_ns), first.map(|end| end as i64 * S / 10));
        }
    }
}
