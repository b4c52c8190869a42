//! The worker in virtual time, against a driver that answers, fails, stalls and hangs up as a seed says.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{channel, sync_channel};

use proptest::prelude::*;
use stats::Rng;

use super::*;
use crate::target::Target;

const MS: i64 = 1_000_000;

/// What a scenario is made of.
#[derive(Debug, Clone)]
struct Scenario {
    seed: u64,
    /// (gap to the one before in ms, session, target), in due order.
    requests: Vec<(i64, u64, u32)>,
    connections_max: usize,
    in_flight_max: usize,
    queued_bytes_max: usize,
    timeout_ms: i64,
    /// Chance of anything going wrong, in percent.
    faults: u64,
    closed: bool,
    stop_ms: Option<i64>,
}

fn scenarios() -> impl Strategy<Value = Scenario> {
    let requests = prop::collection::vec((0_i64..20, 0_u64..6, 0_u32..2), 1..80);
    let limits = (1_usize..8, 1_usize..30, prop_oneof![Just(25_usize), Just(1 << 20)], 20_i64..200);
    let rest = (prop_oneof![Just(0_u64), 1_u64..40], any::<bool>(), prop::option::of(0_i64..600));
    (any::<u64>(), requests, limits, rest).prop_map(|(seed, requests, limits, (faults, closed, stop_ms))| {
        let (connections_max, in_flight_max, queued_bytes_max, timeout_ms) = limits;
        Scenario { seed, requests, connections_max, in_flight_max, queued_bytes_max, timeout_ms, faults, closed, stop_ms }
    })
}

/// What the mock saw.
#[derive(Debug, Default)]
struct Seen {
    /// (id, slot, at) of each send.
    sends: Vec<(u64, Slot, i64)>,
    open_max: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Socket {
    None,
    Opening,
    Idle,
    Busy,
}

struct Mock {
    now: Arc<AtomicI64>,
    rng: Rng,
    faults: u64,
    stop: Option<(i64, Stop)>,
    sockets: Vec<(Socket, u32)>,
    /// Events to come, by instant, then slot; with the use of the slot that they belong to.
    to_come: BTreeMap<(i64, Slot), (u32, Happened)>,
    seen: Arc<Mutex<Seen>>,
}

impl Mock {
    fn later(&mut self, slot: Slot, what: Happened) {
        let at = self.now.load(Ordering::Relaxed) + self.rng.below(60 * MS as u64).cast_signed();
        self.to_come.insert((at, slot), (self.sockets[slot as usize].1, what));
    }

    fn goes_wrong(&mut self) -> bool {
        self.rng.below(100) < self.faults
    }

    fn class(&mut self) -> ErrorClass {
        [ErrorClass::Closed, ErrorClass::Reset, ErrorClass::Protocol, ErrorClass::Io][self.rng.below(4) as usize]
    }

    fn to(&mut self, slot: Slot, from: &[Socket], to: Socket) {
        let socket = &mut self.sockets[slot as usize].0;
        assert!(from.contains(socket), "{socket:?} → {to:?} on {slot}");
        *socket = to;
    }
}

impl Driver for Mock {
    fn open(&mut self, slot: Slot, _: &Target) -> Result<(), ErrorClass> {
        self.to(slot, &[Socket::None], Socket::Opening);
        let open = self.sockets.iter().filter(|(socket, _)| *socket != Socket::None).count();
        let mut seen = self.seen.lock().unwrap();
        seen.open_max = seen.open_max.max(open);
        drop(seen);
        match self.goes_wrong() {
            true if self.rng.below(3) == 0 => return Err(ErrorClass::ShedDescriptors),
            true if self.rng.below(2) == 0 => {}
            true => self.later(slot, Happened::Failed { class: ErrorClass::Refused, received: Received::default() }),
            false => self.later(slot, Happened::Opened { connect_ns: Some(1) }),
        }
        Ok(())
    }

    fn send(&mut self, slot: Slot, request: &[u8]) -> Result<(), ErrorClass> {
        self.to(slot, &[Socket::Idle], Socket::Busy);
        let id = std::str::from_utf8(request).unwrap().parse().unwrap();
        self.seen.lock().unwrap().sends.push((id, slot, self.now.load(Ordering::Relaxed)));
        let received = Received::default();
        match self.goes_wrong() {
            true if self.rng.below(3) == 0 => return Err(self.class()),
            true if self.rng.below(2) == 0 => {}
            true => {
                let class = self.class();
                self.later(slot, Happened::Failed { class, received });
            }
            false => {
                let reusable = !self.goes_wrong();
                self.later(slot, Happened::Answered { status: 200, received, reusable });
            }
        }
        Ok(())
    }

    fn close(&mut self, slot: Slot) {
        self.to(slot, &[Socket::Opening, Socket::Idle, Socket::Busy], Socket::None);
        self.sockets[slot as usize].1 += 1;
    }

    fn wait(&mut self, until: RunNs, events: &mut Vec<Event>) -> std::io::Result<()> {
        let now = self.now.load(Ordering::Relaxed);
        let next = self.to_come.first_key_value().map_or(i64::MAX, |((at, _), _)| *at);
        let at = next.min(until.ns()).max(now);
        self.now.store(at, Ordering::Relaxed);
        if let Some((_, stop)) = self.stop.take_if(|(stop_at, _)| *stop_at <= at) {
            stop.ask();
        }
        while let Some(entry) = self.to_come.first_entry().filter(|entry| entry.key().0 <= at) {
            let ((_, slot), (turn, what)) = entry.remove_entry();
            if self.sockets[slot as usize].1 != turn {
                continue;
            }
            match what {
                Happened::Opened { .. } => self.to(slot, &[Socket::Opening], Socket::Idle),
                Happened::Answered { reusable: true, .. } => {
                    self.to(slot, &[Socket::Busy], Socket::Idle);
                    if self.goes_wrong() {
                        self.later(slot, Happened::Gone);
                    }
                }
                Happened::Gone if self.sockets[slot as usize].0 != Socket::Idle => continue,
                _ => {}
            }
            events.push(Event { slot, at: RunNs(at), what });
        }
        Ok(())
    }
}

struct Result_ {
    due: Vec<i64>,
    outcomes: HashMap<u64, Outcome>,
    sends: Vec<Send>,
    seen: Seen,
    ended_ns: i64,
}

/// Lets one worker do the whole scenario.
fn play(scenario: &Scenario) -> Result_ {
    let (clock, now) = Clock::at_rest();
    let map = [("1".to_owned(), "http://127.0.0.1:2".to_owned())];
    let targets = Arc::new(Targets::new(Some("http://127.0.0.1:1"), &map).unwrap());
    let seen = Arc::new(Mutex::new(Seen::default()));
    let stop = Stop::default();
    let driver = Mock {
        now: now.clone(),
        rng: Rng::stream(scenario.seed, "mock"),
        faults: scenario.faults,
        stop: scenario.stop_ms.map(|ms| (ms * MS, stop.clone())),
        sockets: vec![(Socket::None, 0); scenario.connections_max],
        to_come: BTreeMap::new(),
        seen: seen.clone(),
    };
    let (outbox, inbox) = channel();
    let (recorder, reports) = sync_channel(100_000);
    let mut due = Vec::new();
    for (instants, block) in blocks(&scenario.requests) {
        due.extend(instants);
        outbox.send(block).unwrap();
    }
    drop(outbox);
    let terms = Terms {
        worker: 0,
        workers: 1,
        connections_max: scenario.connections_max,
        in_flight_max: scenario.in_flight_max,
        queued_bytes_max: scenario.queued_bytes_max,
        timeout_ns: scenario.timeout_ms * MS,
        closed: scenario.closed,
    };
    Worker::new(terms, clock, Box::new(driver), targets, Lines { inbox, recorder, stop }).run().unwrap();
    let (mut outcomes, mut sends) = (HashMap::new(), Vec::new());
    for report in reports {
        sends.extend(report.sends);
        for outcome in report.outcomes {
            assert!(outcomes.insert(outcome.id, outcome).is_none(), "two outcomes of one request");
        }
    }
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    Result_ { due, outcomes, sends, seen, ended_ns: now.load(Ordering::Relaxed) }
}

/// Blocks of seven, each with the due instants in it. The bytes of a request are its number.
fn blocks(requests: &[(i64, u64, u32)]) -> Vec<(Vec<i64>, Block)> {
    let mut due = 0;
    let mut id = 0;
    let mut next = |(gap_ms, session, target): &(i64, u64, u32), block: &mut Block| {
        due += gap_ms * MS;
        let planned = Planned {
            id,
            copy: 0,
            label: 0,
            target: *target,
            session: *session,
            stream: 0,
            due: RunNs(due),
            items: 1,
            sendable: id % 17 != 16,
            txn: None,
        };
        block.push(|bytes| {
            bytes.extend_from_slice(id.to_string().as_bytes());
            planned
        });
        id += 1;
        due
    };
    let block = |rows: &[(i64, u64, u32)]| {
        let mut block = Block::default();
        (rows.iter().map(|row| next(row, &mut block)).collect(), block)
    };
    requests.chunks(7).map(block).collect()
}

fn is_sorted_by_session(requests: &[(i64, u64, u32)], sends: &[(u64, Slot, i64)]) -> bool {
    let mut last: HashMap<(u64, u32), u64> = HashMap::new();
    sends.iter().all(|(id, _, _)| {
        let (_, session, target) = requests[*id as usize];
        last.insert((session, target), *id).is_none_or(|before| before < *id)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_request_has_one_outcome_and_every_limit_holds(scenario in scenarios()) {
        let Result_ { due, outcomes, sends, seen, ended_ns } = play(&scenario);
        prop_assert!(seen.open_max <= scenario.connections_max);
        let stop_ns = scenario.stop_ms.map_or(i64::MAX, |ms| ms * MS);
        if scenario.stop_ms.is_none() {
            prop_assert_eq!(outcomes.len(), due.len());
        } else {
            // Stopping is seen when the worker next looks, a tick later at most.
            let fell_due = due.iter().filter(|due| **due < stop_ns.min(ended_ns)).count();
            prop_assert!(scenario.closed || outcomes.len() >= fell_due);
            prop_assert!(ended_ns <= stop_ns.saturating_add(TICK_NS + STOP_GRACE_NS) || ended_ns <= 2 * TICK_NS + STOP_GRACE_NS);
        }
        let sent: HashSet<u64> = seen.sends.iter().map(|(id, _, _)| *id).collect();
        prop_assert_eq!(sent.len(), seen.sends.len(), "nothing is sent twice");
        prop_assert_eq!(sends.len(), seen.sends.len());
        for outcome in outcomes.values() {
            prop_assert_eq!(outcome.sent.is_some(), sent.contains(&outcome.id));
            prop_assert_eq!(outcome.error == Some(ErrorClass::Unreplayable), outcome.id % 17 == 16 && outcome.error != Some(ErrorClass::Aborted));
            prop_assert!(outcome.done - outcome.due <= scenario.timeout_ms * MS || outcome.error == Some(ErrorClass::Aborted));
            prop_assert!(outcome.sent.is_none_or(|sent| sent >= outcome.due && sent <= outcome.done));
        }
        // In virtual time the generator is never late: what is not on time was queued.
        prop_assert!(sends.iter().all(|send| send.own == send.due));
        if !scenario.closed {
            prop_assert!(outcomes.values().all(|outcome| outcome.due.ns() == due[outcome.id as usize]));
            prop_assert!(is_sorted_by_session(&scenario.requests, &seen.sends));
        }
    }

    #[test]
    fn with_room_for_all_nothing_waits_but_for_connections_to_open(mut scenario in scenarios()) {
        scenario = Scenario { connections_max: 200, in_flight_max: 200, queued_bytes_max: 1 << 20, faults: 0, closed: false, stop_ms: None, timeout_ms: 1000, ..scenario };
        let Result_ { outcomes, .. } = play(&scenario);
        for outcome in outcomes.values().filter(|outcome| outcome.error.is_none()) {
            prop_assert!(!outcome.limited);
            prop_assert!(outcome.ok());
        }
        prop_assert!(outcomes.values().all(|outcome| outcome.error.is_none() || outcome.error == Some(ErrorClass::Unreplayable)));
    }
}

fn scenario(requests: Vec<(i64, u64, u32)>) -> Scenario {
    Scenario {
        seed: 1,
        requests,
        connections_max: 4,
        in_flight_max: 100,
        queued_bytes_max: 1 << 20,
        timeout_ms: 500,
        faults: 0,
        closed: false,
        stop_ms: None,
    }
}

#[test]
fn past_the_in_flight_limit_requests_are_shed() {
    let result = play(&Scenario { in_flight_max: 3, ..scenario(vec![(0, 0, 0); 10]) });
    let shed = result.outcomes.values().filter(|outcome| outcome.error == Some(ErrorClass::ShedInFlight)).count();
    assert_eq!(shed, 7);
}

#[test]
fn past_the_limit_of_queued_bytes_requests_are_shed() {
    let result =
        play(&Scenario { connections_max: 1, queued_bytes_max: 4, ..scenario((0..10).map(|session| (0, session, 0)).collect()) });
    // Requests are one byte each here: the one that the connection is opened for, and three behind it.
    let shed = result.outcomes.values().filter(|outcome| outcome.error == Some(ErrorClass::ShedQueuedBytes)).count();
    assert_eq!(shed, 6);
}

#[test]
fn one_connection_serves_all_in_order_and_they_say_what_they_waited_for() {
    let result = play(&Scenario { connections_max: 1, ..scenario(vec![(1, 0, 0), (0, 1, 0), (0, 2, 0)]) });
    assert_eq!(result.seen.sends.iter().map(|(id, ..)| *id).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!([0, 1, 2].map(|id| result.outcomes[&id].limited), [false, true, true]);
    assert!(result.outcomes[&2].queued_ns > result.outcomes[&1].queued_ns);
}

#[test]
fn who_gets_no_connection_in_time_is_shed_by_that_limit() {
    let requests = (0..30).map(|session| (1, session, 0)).collect();
    let result = play(&Scenario { connections_max: 1, timeout_ms: 100, ..scenario(requests) });
    let shed: Vec<_> = result.outcomes.values().filter(|outcome| outcome.error == Some(ErrorClass::ShedConnections)).collect();
    assert!(shed.len() > 10);
    assert!(shed.iter().all(|outcome| outcome.limited && outcome.sent.is_none() && outcome.queued_ns == 100 * MS));
}

#[test]
fn a_closed_loop_is_due_when_it_is_sent_and_keeps_every_connection_busy() {
    let result = play(&Scenario { closed: true, in_flight_max: 1, ..scenario(vec![(0, 0, 0); 50]) });
    assert_eq!(result.seen.open_max, 4);
    assert!(result.outcomes.values().all(|outcome| outcome.sent.is_none_or(|sent| sent == outcome.due)));
    assert!(result.outcomes.values().all(|outcome| outcome.error != Some(ErrorClass::ShedInFlight)));
}
