//! When each request is due: content × arrivals × rate.
//!
//! By default every request is mapped, t → Λ⁻¹(Λ_rec(t)), so the whole time line runs at the asked rate whatever its sessions look
//! like (a trace of a few long-lived connections has no session starts to speed up). With a think speed only session starts are
//! mapped, and the gaps inside a session stay as recorded, divided by that speed. Both are the identity at ×1, exact in ns.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use trace::{RunNs, TraceNs};

use crate::limits::SESSIONS_MAX;
use crate::profile::{Curve, PROFILES, Profile};

/// How fast a trace is replayed.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// The recorded rate times this.
    Speed(f64),
    /// So many requests per second on average, with the recorded burstiness around it.
    Rate(f64),
    /// As fast as possible: a closed loop over the connections. A request is due when a connection is free for it, in trace order,
    /// so response and service time are one and there is no timing to be kept.
    Max,
}

/// Maps recorded instants to due instants.
pub struct Schedule {
    map: Map,
    think_speed: Option<f64>,
    starts: Starts,
    offsets: Offsets,
}

enum Map {
    /// Λ is Λ_rec run through so many times as fast: Λ⁻¹(Λ_rec(t)) = t / factor, exactly.
    Times(f64),
    /// Any other profile.
    Profile { curve: Curve, profile: Box<dyn Profile> },
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
    /// The schedule of `pace` over `traffic`. [`Pace::Max`] keeps the recorded instants, which then only give the order.
    #[must_use]
    pub fn new(pace: Pace, think_speed: Option<f64>, traffic: Traffic<'_>) -> Self {
        let map = match pace {
            Pace::Speed(factor) => Map::Times(factor),
            Pace::Max => Map::Times(1.0),
            Pace::Rate(per_s) => {
                // A session start brings so many requests with it.
                let share = traffic.curve.total() as f64 / traffic.requests.max(1) as f64;
                Map::Profile { curve: traffic.curve.clone(), profile: (constant().open)(per_s * share, traffic.curve) }
            }
        };
        Self { map, think_speed, starts: Starts::default(), offsets: Offsets::new(traffic.session_span_ns) }
    }

    /// When the request recorded at `at` in `session` is due. To be asked in trace order, once for each request.
    pub fn due(&mut self, at: TraceNs, session: u64) -> RunNs {
        let Some(think_speed) = self.think_speed else { return self.map.due(at) };
        let map = &self.map;
        let (start, new) = self.starts.of(session, || Start { at, due: map.due(at) });
        if new {
            self.offsets.push(at, start.due.ns() - scaled_ns(at.ns(), think_speed));
        }
        start.due + scaled_ns(at - start.at, think_speed)
    }

    /// No request recorded at `at` or later is due before this.
    #[must_use]
    pub fn frontier(&mut self, at: TraceNs) -> RunNs {
        let mapped = self.map.due(at);
        let Some(think_speed) = self.think_speed else { return mapped };
        let follower = self.offsets.least(at).map(|offset_ns| RunNs(offset_ns + scaled_ns(at.ns(), think_speed) - ROUNDING_NS));
        follower.map_or(mapped, |follower| follower.min(mapped))
    }

    /// Whether requests may be due in another order than recorded.
    #[must_use]
    pub fn reorders(&self) -> bool {
        self.think_speed.is_some()
    }

    /// Sessions whose start was let go of ([`SESSIONS_MAX`]); one that went on was mapped as a new one.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.starts.forgotten
    }
}

/// Two roundings of half a nanosecond each, and one between them.
const ROUNDING_NS: i64 = 2;

fn scaled_ns(ns: i64, speed: f64) -> i64 {
    (ns as f64 / speed).round() as i64
}

fn constant() -> &'static crate::profile::ProfileKind {
    PROFILES.iter().find(|kind| kind.name == "constant").expect("it is in the table")
}

impl Map {
    fn due(&self, at: TraceNs) -> RunNs {
        match self {
            Self::Times(factor) => RunNs(scaled_ns(at.ns(), *factor)),
            Self::Profile { curve, profile } => profile.inverse(curve.cumulative(at)),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Start {
    at: TraceNs,
    due: RunNs,
}

/// Session starts in two generations: when the young one is full the old one is forgotten, so a session that goes on is kept.
#[derive(Default)]
struct Starts {
    young: HashMap<u64, Start>,
    old: HashMap<u64, Start>,
    forgotten: u64,
}

impl Starts {
    /// The start of `session`, and whether it is a new one.
    fn of(&mut self, session: u64, make: impl FnOnce() -> Start) -> (Start, bool) {
        if let Some(start) = self.young.get(&session) {
            return (*start, false);
        }
        let known = self.old.remove(&session);
        let start = known.unwrap_or_else(make);
        if self.young.len() >= SESSIONS_MAX / 2 {
            self.forgotten += self.old.len() as u64;
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(session, start);
        (start, known.is_none())
    }
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
        Schedule::new(pace, think_speed, Traffic { curve: &curve, requests: rows.len() as u64, session_span_ns })
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
            prop_assert_eq!(dues(&rows, Pace::Speed(1.0), None), recorded.clone());
            prop_assert_eq!(dues(&rows, Pace::Speed(1.0), Some(1.0)), recorded);
        }

        #[test]
        fn think_times_stay_while_starts_move(rows in traces(), speed in 0.1_f64..10.0) {
            let dues = dues(&rows, Pace::Speed(speed), Some(1.0));
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
            let dues = dues(&rows, Pace::Rate(per_s), None);
            let last = rows.last().expect("at least one").0;
            if last.ns() > 0 {
                let span_ns = rows.len() as f64 / per_s * 1e9;
                prop_assert!((*dues.last().expect("at least one") as f64 - span_ns).abs() <= 1.0);
            }
            prop_assert!(dues.is_sorted());
        }

        #[test]
        fn reordering_gives_due_order_and_loses_nothing(rows in traces(), speed in 0.1_f64..10.0, think in 0.5_f64..2.0) {
            let mut schedule = schedule(&rows, Pace::Speed(speed), Some(think));
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
            let mut wanted = dues(&rows, Pace::Speed(speed), Some(think));
            wanted.sort_unstable();
            prop_assert_eq!(given, wanted);
        }
    }

    #[test]
    fn sessions_speed_up_while_they_are_short_looked_ahead() {
        // Three sessions a second apart, each with a second request half a second later, four times as fast.
        let rows: Vec<(TraceNs, u64)> = (0..3)
            .flat_map(|i| [(i * 1_000_000_000, i as u64), (i * 1_000_000_000 + 500_000_000, i as u64)])
            .map(|(at, s)| (TraceNs(at), s))
            .collect();
        let ms: Vec<i64> = dues(&rows, Pace::Speed(4.0), Some(1.0)).iter().map(|ns| ns / 1_000_000).collect();
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
        let mut starts = Starts::default();
        let start = |at| Start { at: TraceNs(at), due: RunNs(at) };
        assert!(starts.of(1, || start(1)).1);
        for session in 2..=SESSIONS_MAX as u64 + 1 {
            starts.of(session, || start(0));
        }
        assert!(starts.of(1, || start(7)).1);
        assert!(!starts.of(SESSIONS_MAX as u64, || start(7)).1);
    }
}
