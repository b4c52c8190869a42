//! When each request is due: content × arrivals × rate.
//!
//! By default every request is mapped, t → Λ⁻¹(Λ_rec(t)), so the whole time line runs at the asked rate whatever its sessions look
//! like (a trace of a few long-lived connections has no session starts to speed up). With a think speed only session starts are
//! mapped, and the gaps inside a session stay as recorded, divided by that speed. Both are the identity at ×1, exact in ns.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use trace::{RunNs, TraceNs};

use crate::arrivals::Drawn;
use crate::limits::SESSIONS_MAX;
use crate::options::ReplayOptions;
use crate::profile::{Curve, Profile, Unit};
use crate::recent::Recent;
use crate::{Error, Result};

/// How fast a trace is replayed.
#[derive(Debug, Clone, PartialEq)]
pub enum Pace {
    /// As this says over time.
    Profile(Profile),
    /// As fast as possible: a closed loop over the connections. A request is due when a connection is free for it, in trace order,
    /// so response and service time are one and there is no timing to be kept.
    Max,
}

impl Pace {
    /// The recorded rate times this.
    ///
    /// # Errors
    /// [`Error::Option`] where that is no number above 0.
    pub fn speed(times: f64) -> Result<Self> {
        let refused = |_| Error::option("--speed", format!("wanted a number above 0, found {times}"));
        Profile::recorded(times).map(Self::Profile).map_err(refused)
    }

    /// So many requests per second on average, with the recorded burstiness around it.
    ///
    /// # Errors
    /// [`Error::Option`] where that is no number above 0.
    pub fn rate(per_s: f64) -> Result<Self> {
        let refused = |_| Error::option("--rate", format!("wanted a number above 0, found {per_s}"));
        Profile::constant(per_s).map(Self::Profile).map_err(refused)
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::Profile(Profile::recorded(1.0).expect("1 is above 0"))
    }
}

impl serde::Serialize for Pace {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Profile(profile) => profile.serialize(serializer),
            Self::Max => serializer.serialize_str("max"),
        }
    }
}

/// The due instant of what no profile comes to: after the end of every run, and early enough to add to.
pub const NEVER: RunNs = RunNs(i64::MAX / 2);

/// Maps recorded instants to due instants.
pub struct Schedule {
    profile: Profile,
    curve: Curve,
    /// Arrivals that each request stands for: below 1 where only session starts arrive.
    share: f64,
    /// Where arrivals are not those of the trace.
    drawn: Option<Drawn>,
    /// The last one drawn was due then.
    last: RunNs,
    think_speed: Option<f64>,
    starts: Recent<u64, Start>,
    offsets: Offsets,
}

/// What a schedule needs to know of the trace.
#[derive(Debug, Clone, Copy)]
pub struct Traffic<'a> {
    /// Λ_rec of what is mapped: all requests, or session starts where a think speed is given.
    pub curve: &'a Curve,
    /// Requests of one pass over the trace.
    pub requests: u64,
    /// The longest session, first to last request, ns.
    pub session_span_ns: i64,
}

impl Schedule {
    /// The schedule that `options` ask for over `traffic`. As fast as possible keeps the recorded instants, which then only give the order.
    ///
    /// # Errors
    /// [`Error::Option`] for a model of arrivals that cannot be.
    pub fn new(options: &ReplayOptions, traffic: Traffic<'_>) -> Result<Self> {
        let (profile, drawn) = match &options.pace {
            Pace::Profile(profile) if profile.unit() != Unit::Users => (profile.clone(), options.arrivals.open(options.seed)?),
            _ => (Profile::recorded(1.0).expect("1 is above 0"), None),
        };
        Ok(Self {
            profile,
            curve: traffic.curve.clone(),
            share: traffic.curve.total() as f64 / traffic.requests.max(1) as f64,
            drawn,
            last: RunNs(0),
            think_speed: options.think_speed(),
            starts: Recent::new(SESSIONS_MAX),
            offsets: Offsets::new(traffic.session_span_ns),
        })
    }

    /// When the request recorded at `at` in `session` is due; [`NEVER`] where the profile ends before. To be asked in trace order, once
    /// for each request.
    pub fn due(&mut self, at: TraceNs, session: u64) -> RunNs {
        let Some(think_speed) = self.think_speed else { return self.arrive(at) };
        if let Some(start) = self.starts.get(session) {
            return start.due + scaled_ns(at - start.at, think_speed);
        }
        let start = Start { at, due: self.arrive(at) };
        self.starts.insert(session, start);
        self.offsets.push(at, start.due.ns() - scaled_ns(at.ns(), think_speed));
        start.due
    }

    /// No request recorded at `at` or later is due before this.
    #[must_use]
    pub fn frontier(&mut self, at: TraceNs) -> RunNs {
        let mapped = if self.drawn.is_some() { self.last } else { self.recorded(at) };
        let Some(think_speed) = self.think_speed else { return mapped };
        let follower = self.offsets.least(at).map(|offset_ns| RunNs(offset_ns + scaled_ns(at.ns(), think_speed) - ROUNDING_NS));
        follower.map_or(mapped, |follower| follower.min(mapped))
    }

    /// When the next arrival is due: that recorded at `at`, or the next one that is drawn.
    fn arrive(&mut self, at: TraceNs) -> RunNs {
        let Some(drawn) = &mut self.drawn else { return self.recorded(at) };
        let (at, place) = drawn.next(&self.curve);
        self.last = self.map(at, place);
        self.last
    }

    fn recorded(&self, at: TraceNs) -> RunNs {
        let place = if self.profile.unit() == Unit::Times { 0.0 } else { self.curve.cumulative(at) };
        self.map(at, place)
    }

    /// Λ⁻¹ of an arrival at `at` on the recording's time line, or at `place` among arrivals of rate 1.
    fn map(&self, at: TraceNs, place: f64) -> RunNs {
        let amount = if self.profile.unit() == Unit::Times { at.ns() as f64 } else { place / self.share * 1e9 };
        self.profile.inverse(amount).map_or(NEVER, |due| due.min(NEVER))
    }

    /// Whether requests may be due in another order than recorded.
    #[must_use]
    pub fn reorders(&self) -> bool {
        self.think_speed.is_some()
    }

    /// Sessions whose start was let go of ([`SESSIONS_MAX`]); one that went on was mapped as a new one.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.starts.forgotten()
    }
}

/// Two roundings of half a nanosecond each, and one between them.
const ROUNDING_NS: i64 = 2;

fn scaled_ns(ns: i64, speed: f64) -> i64 {
    (ns as f64 / speed).round() as i64
}

#[derive(Debug, Clone, Copy)]
struct Start {
    at: TraceNs,
    due: RunNs,
}

/// The least of due − recorded/think speed over the sessions that may still be going: a monotone queue over their starts.
struct Offsets {
    session_span_ns: i64,
    queue: VecDeque<(TraceNs, i64)>,
}

impl Offsets {
    fn new(session_span_ns: i64) -> Self {
        Self { session_span_ns, queue: VecDeque::new() }
    }

    fn push(&mut self, start: TraceNs, offset_ns: i64) {
        while self.queue.back().is_some_and(|(_, larger)| *larger >= offset_ns) {
            self.queue.pop_back();
        }
        self.queue.push_back((start, offset_ns));
    }

    fn least(&mut self, at: TraceNs) -> Option<i64> {
        while self.queue.front().is_some_and(|(start, _)| at - *start > self.session_span_ns) {
            self.queue.pop_front();
        }
        self.queue.front().map(|(_, offset_ns)| *offset_ns)
    }
}

/// Puts requests into due order, as far as a limit in bytes allows.
pub struct Reorder<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    bytes: usize,
    bytes_max: usize,
    pushed: u64,
    given: RunNs,
    overrun: u64,
}

struct Entry<T> {
    key: (RunNs, u64),
    bytes: usize,
    item: T,
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

impl<T> Reorder<T> {
    /// Holds at most `bytes_max`, or one item.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { heap: BinaryHeap::new(), bytes: 0, bytes_max, pushed: 0, given: RunNs(i64::MIN), overrun: 0 }
    }

    /// Takes an item that weighs `bytes`. Equal instants keep their order.
    pub fn push(&mut self, due: RunNs, bytes: usize, item: T) {
        self.overrun += u64::from(due < self.given);
        self.heap.push(Reverse(Entry { key: (due, self.pushed), bytes, item }));
        self.pushed += 1;
        self.bytes += bytes;
    }

    /// The next item that nothing still to come is due before, or the earliest one when the limit is passed.
    pub fn pop(&mut self, frontier: RunNs) -> Option<(RunNs, T)> {
        let Reverse(first) = self.heap.peek()?;
        if first.key.0 > frontier && self.bytes <= self.bytes_max {
            return None;
        }
        let Reverse(entry) = self.heap.pop()?;
        self.bytes -= entry.bytes;
        self.given = self.given.max(entry.key.0);
        Some((entry.key.0, entry.item))
    }

    /// Items that came after a later one had been given away, since the limit was reached: they are sent late.
    #[must_use]
    pub fn overrun(&self) -> u64 {
        self.overrun
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::profile::CurveCounts;
    use proptest::prelude::*;

    /// (at, session) in trace order.
    fn traces() -> impl Strategy<Value = Vec<(TraceNs, u64)>> {
        let row = (0_i64..3_000_000_000, 0_u64..12);
        prop::collection::vec(row, 1..300).prop_map(|mut rows| {
            rows[0].0 = 0;
            rows.sort_unstable();
            let first = rows[0].0;
            rows.into_iter().map(|(at, session)| (TraceNs(at - first), session)).collect()
        })
    }

    fn schedule(rows: &[(TraceNs, u64)], pace: Pace, think_speed: Option<f64>) -> Schedule {
        of(rows, ReplayOptions { pace, think_speed, ..ReplayOptions::default() })
    }

    fn of(rows: &[(TraceNs, u64)], options: ReplayOptions) -> Schedule {
        let think_speed = options.think_speed;
        let mut counts = CurveCounts::default();
        let mut first = HashMap::new();
        let mut session_span_ns = 0;
        for (at, session) in rows {
            let start = *first.entry(*session).or_insert_with(|| {
                if think_speed.is_some() {
                    counts.add(*at);
                }
                *at
            });
            session_span_ns = session_span_ns.max(*at - start);
            if think_speed.is_none() {
                counts.add(*at);
            }
        }
        let curve = counts.curve();
        Schedule::new(&options, Traffic { curve: &curve, requests: rows.len() as u64, session_span_ns }).expect("sound")
    }

    fn dues(rows: &[(TraceNs, u64)], pace: Pace, think_speed: Option<f64>) -> Vec<i64> {
        let mut schedule = schedule(rows, pace, think_speed);
        rows.iter().map(|(at, session)| schedule.due(*at, *session).ns()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn once_as_fast_is_the_identity(rows in traces()) {
            let recorded: Vec<i64> = rows.iter().map(|(at, _)| at.ns()).collect();
            prop_assert_eq!(dues(&rows, Pace::default(), None), recorded.clone());
            prop_assert_eq!(dues(&rows, Pace::default(), Some(1.0)), recorded);
        }

        #[test]
        fn think_times_stay_while_starts_move(rows in traces(), speed in 0.1_f64..10.0) {
            let dues = dues(&rows, Pace::speed(speed).unwrap(), Some(1.0));
            let mut firsts = HashMap::new();
            for ((at, session), due) in rows.iter().zip(&dues) {
                let (first_at, first_due) = *firsts.entry(*session).or_insert((*at, *due));
                prop_assert_eq!(due - first_due, *at - first_at);
                if *at == first_at {
                    prop_assert!((*due as f64 - at.ns() as f64 / speed).abs() <= 0.5);
                }
            }
        }

        #[test]
        fn a_rate_is_kept_over_the_whole(rows in traces(), per_s in 1.0_f64..1e5) {
            let dues = dues(&rows, Pace::rate(per_s).unwrap(), None);
            let last = rows.last().expect("at least one").0;
            if last.ns() > 0 {
                let span_ns = rows.len() as f64 / per_s * 1e9;
                prop_assert!((*dues.last().expect("at least one") as f64 - span_ns).abs() <= 1.0);
            }
            prop_assert!(dues.is_sorted());
        }

        #[test]
        fn reordering_gives_due_order_and_loses_nothing(rows in traces(), speed in 0.1_f64..10.0, think in 0.5_f64..2.0) {
            let mut schedule = schedule(&rows, Pace::speed(speed).unwrap(), Some(think));
            let mut reorder = Reorder::new(usize::MAX);
            let mut given = Vec::new();
            for (at, session) in &rows {
                let due = schedule.due(*at, *session);
                reorder.push(due, 1, ());
                let frontier = schedule.frontier(*at);
                given.extend(std::iter::from_fn(|| reorder.pop(frontier)).map(|(due, ())| due.ns()));
            }
            given.extend(std::iter::from_fn(|| reorder.pop(RunNs(i64::MAX))).map(|(due, ())| due.ns()));
            prop_assert_eq!(reorder.overrun(), 0);
            let mut wanted = dues(&rows, Pace::speed(speed).unwrap(), Some(think));
            wanted.sort_unstable();
            prop_assert_eq!(given, wanted);
        }
    }

    /// 20 000 requests at 10/s, and arrivals of a model at a constant 1000/s.
    fn drawn(model: &str, seed: u64) -> Vec<i64> {
        let rows: Vec<(TraceNs, u64)> = (0..20_000).map(|i| (TraceNs(i * 100_000_000), i as u64 / 4)).collect();
        let arrivals = crate::Arrivals::Named(model.to_owned());
        let mut schedule =
            of(&rows, ReplayOptions { pace: Pace::rate(1000.0).unwrap(), arrivals, seed, ..ReplayOptions::default() });
        rows.iter().map(|(at, session)| schedule.due(*at, *session).ns()).collect()
    }

    /// Of a renewal process with CV c, the count until t has mean t and variance c²t for large t (Cox 1962, *Renewal Theory*, §4.2).
    #[test]
    fn arrivals_of_a_model_have_its_rate_and_its_burstiness() {
        for (model, cv) in [("poisson", 1.0_f64), ("gamma:cv=2", 2.0), ("weibull:cv=0.5", 0.5), ("uniform", 0.0)] {
            let dues = drawn(model, 11);
            assert!(dues.is_sorted(), "{model}");
            let count = dues.iter().filter(|due| **due <= 15_000_000_000).count() as f64;
            assert!((count - 15_000.0).abs() <= 4.0 * cv * 15_000_f64.sqrt() + 1.0, "{model}: {count}");
            let gaps: Vec<f64> = dues.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
            let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
            let found = (gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64).sqrt() / mean;
            assert!((found - cv).abs() <= 0.06 * cv + 1e-6, "{model}: {found}");
            assert!(drawn(model, 11) == dues && (model == "uniform" || drawn(model, 12) != dues), "{model}");
        }
    }

    /// In × of recorded, a model arrives at the recorded rate: 20 000 requests at 10/s, twice as fast, take 1000 s.
    #[test]
    fn arrivals_of_a_model_follow_the_recorded_rate() {
        let rows: Vec<(TraceNs, u64)> = (0..20_000).map(|i| (TraceNs(i * 100_000_000), i as u64)).collect();
        let arrivals = crate::Arrivals::Named("poisson".to_owned());
        let options = ReplayOptions { pace: Pace::speed(2.0).unwrap(), arrivals, seed: 3, ..ReplayOptions::default() };
        let mut schedule = of(&rows, options);
        let dues: Vec<i64> = rows.iter().map(|(at, session)| schedule.due(*at, *session).ns()).collect();
        assert!(dues.is_sorted());
        let half = dues.iter().filter(|due| **due <= 500_000_000_000).count() as f64;
        assert!((half - 10_000.0).abs() <= 4.0 * 100.0, "{half}");
    }

    /// The recording at ×1 for 2 s, then ×4: what was recorded at 6 s is due at 3 s; nothing is due after the profile's end.
    #[test]
    fn a_profile_in_times_runs_through_the_recording() {
        let rows: Vec<(TraceNs, u64)> = [0, 1, 2, 6, 10, 14].map(|s| (TraceNs(s * 1_000_000_000), s as u64)).to_vec();
        let profile = "recorded:x,for=2s+recorded:x,at=4,for=3s".parse().unwrap();
        let found = dues(&rows, Pace::Profile(profile), None);
        assert_eq!(found[..5], [0, 1, 2, 3, 4].map(|s| s * 1_000_000_000));
        assert_eq!(found[5], NEVER.ns());
    }

    #[test]
    fn sessions_speed_up_while_they_are_short_looked_ahead() {
        // Three sessions a second apart, each with a second request half a second later, four times as fast.
        let rows: Vec<(TraceNs, u64)> = (0..3)
            .flat_map(|i| [(i * 1_000_000_000, i as u64), (i * 1_000_000_000 + 500_000_000, i as u64)])
            .map(|(at, s)| (TraceNs(at), s))
            .collect();
        let ms: Vec<i64> = dues(&rows, Pace::speed(4.0).unwrap(), Some(1.0)).iter().map(|ns| ns / 1_000_000).collect();
        assert_eq!(ms, [0, 500, 250, 750, 500, 1000]);
    }

    #[test]
    fn past_its_limit_reordering_goes_on_and_says_so() {
        let mut reorder = Reorder::new(1);
        reorder.push(RunNs(10), 1, 'a');
        reorder.push(RunNs(20), 1, 'b');
        assert_eq!(reorder.pop(RunNs(0)), Some((RunNs(10), 'a')));
        assert_eq!(reorder.pop(RunNs(0)), None);
        reorder.push(RunNs(5), 1, 'c');
        assert_eq!(reorder.overrun(), 1);
        assert_eq!(reorder.pop(RunNs(0)), Some((RunNs(5), 'c')));
    }

    #[test]
    fn forgotten_sessions_begin_anew() {
        let mut starts = Recent::new(SESSIONS_MAX);
        let start = |at| Start { at: TraceNs(at), due: RunNs(at) };
        for session in 1..=SESSIONS_MAX as u64 + 1 {
            assert!(starts.get(session).is_none());
            starts.insert(session, start(session as i64));
        }
        assert!(starts.get(1).is_none());
        assert_eq!(starts.get(SESSIONS_MAX as u64).map(|start| start.at), Some(TraceNs(SESSIONS_MAX as i64)));
        assert!(starts.forgotten() > 0);
    }
}
