//! The worker in virtual time, against a driver that answers, fails, stalls and hangs up as a seed says.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Sender, channel, sync_channel};

use proptest::prelude::*;
use stats::Rng;
use trace::TraceNs;

use super::*;
use crate::content::Content;
use crate::spool::{ChainOf, SpoolWriter};
use crate::target::Target;

const MS: i64 = 1_000_000;

/// One recorded request.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// To the one before, ms.
    gap_ms: i64,
    session: u64,
    stream: u64,
    target: u32,
    /// How long its answer took when it was recorded, ms.
    latency_ms: Option<i64>,
}

/// How the requests are paced.
#[derive(Debug, Clone, PartialEq)]
enum Paced {
    Open,
    Connections,
    /// By real answers inside a (session, stream), up to an end in ms.
    Session(Option<i64>),
    /// By so many users from each instant in ms.
    Users(Vec<(i64, u32)>),
}

impl Paced {
    fn is_by_answers(&self) -> bool {
        matches!(self, Self::Session(_) | Self::Users(_))
    }
}

/// What a scenario is made of.
#[derive(Debug, Clone)]
struct Scenario {
    seed: u64,
    /// In the order in which they were recorded.
    requests: Vec<Asked>,
    connections_max: usize,
    open_beforehand: usize,
    in_flight_max: usize,
    queued_bytes_max: usize,
    timeout_ms: i64,
    /// Chance of anything going wrong, in percent.
    faults: u64,
    paced: Paced,
    stop_ms: Option<i64>,
}

fn asked() -> impl Strategy<Value = Asked> {
    let latency = prop::option::of(0_i64..60);
    (0_i64..20, 0_u64..6, 0_u64..2, 0_u32..2, latency).prop_map(|(gap_ms, session, stream, target, latency_ms)| Asked {
        gap_ms,
        session,
        stream,
        target,
        latency_ms,
    })
}

/// Users that come, and those that come and go.
fn users() -> impl Strategy<Value = Vec<(i64, u32)>> {
    prop::collection::vec((1_i64..300, 0_u32..6), 1..6).prop_map(|steps| {
        let mut at = -1;
        let step = |(gap, users)| {
            at += gap;
            (at, users)
        };
        steps.into_iter().map(step).collect()
    })
}

fn paced() -> impl Strategy<Value = Paced> {
    prop_oneof![
        2 => Just(Paced::Open),
        1 => Just(Paced::Connections),
        3 => prop::option::of(0_i64..900).prop_map(Paced::Session),
        2 => (1_u32..5).prop_map(|users| Paced::Users(vec![(0, users)])),
        2 => users().prop_map(Paced::Users),
    ]
}

fn scenarios() -> impl Strategy<Value = Scenario> {
    let requests = prop::collection::vec(asked(), 1..60);
    let limits = (1_usize..8, 0_usize..4, 1_usize..30, prop_oneof![Just(25_usize), Just(1 << 20)], 20_i64..200);
    let rest = (prop_oneof![Just(0_u64), 1_u64..40], paced(), prop_oneof![3 => Just(None), 1 => prop::option::of(0_i64..600)]);
    (any::<u64>(), requests, limits, rest).prop_map(|(seed, requests, limits, (faults, paced, stop_ms))| {
        let (connections_max, open_beforehand, in_flight_max, queued_bytes_max, timeout_ms) = limits;
        Scenario {
            seed,
            requests,
            connections_max,
            open_beforehand: open_beforehand.min(connections_max),
            in_flight_max,
            queued_bytes_max,
            timeout_ms,
            faults,
            paced,
            stop_ms,
        }
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
    fn later(&mut self, slot: Slot, more_ms: i64, what: Happened) {
        let at = self.now.load(Ordering::Relaxed) + more_ms * MS + self.rng.below(60 * MS as u64).cast_signed();
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
            true => self.later(slot, 0, Happened::Failed { class: ErrorClass::Refused, received: Received::default() }),
            false => {
                // Some are slow to accept.
                let late_ms = if self.goes_wrong() { 150 } else { 0 };
                self.later(slot, late_ms, Happened::Opened { connect_ns: Some(1) });
            }
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
                self.later(slot, 0, Happened::Failed { class, received });
            }
            false => {
                let reusable = !self.goes_wrong();
                let late_ms = if self.goes_wrong() { 100 } else { 0 };
                self.later(slot, late_ms, Happened::Answered { status: 200, received, reusable });
            }
        }
        Ok(())
    }

    fn keep_answer(&mut self, _: Slot, _: Keep) {}

    fn take_answer(&mut self, _: Slot) -> Option<Box<AnswerBody>> {
        None
    }

    fn close(&mut self, slot: Slot) {
        self.to(slot, &[Socket::Opening, Socket::Idle, Socket::Busy], Socket::None);
        self.sockets[slot as usize].1 += 1;
    }

    fn wait(&mut self, until: RunNs, events: &mut Vec<Event>) -> std::io::Result<()> {
        let now = self.now.load(Ordering::Relaxed);
        let next = self.to_come.first_key_value().map_or(i64::MAX, |((at, _), _)| *at);
        let at = next.min(until.ns()).max(now);
        assert!(at < 600_000 * MS, "the worker never comes to an end");
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
                        self.later(slot, 0, Happened::Gone);
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

/// What a scenario came to.
struct Played {
    /// When each request was recorded, ns.
    at: Vec<i64>,
    outcomes: HashMap<u64, Outcome>,
    /// Requests that were sent, by the reports' own count.
    sent: u64,
    sends: Vec<Send>,
    seen: Seen,
    ended_ns: i64,
}

impl Played {
    /// Requests of each chain: of a stream, or of a session where users send them.
    fn chains(&self, scenario: &Scenario) -> Vec<Vec<u64>> {
        let mut chains: BTreeMap<(u64, u64), Vec<u64>> = BTreeMap::new();
        for (id, asked) in scenario.requests.iter().enumerate() {
            let stream = if matches!(scenario.paced, Paced::Users(_)) { 0 } else { asked.stream };
            chains.entry((asked.session, stream)).or_default().push(id as u64);
        }
        chains.into_values().collect()
    }

    /// Requests that are due at `at` or before, and then neither over nor sent.
    fn waiting_at(&self, at: RunNs, but: u64) -> impl Iterator<Item = &Outcome> {
        let waits =
            move |outcome: &&Outcome| outcome.id != but && ready(outcome) <= at && outcome.sent.unwrap_or(outcome.done) >= at;
        self.outcomes.values().filter(waits)
    }
}

fn ready(outcome: &Outcome) -> RunNs {
    outcome.due + outcome.blocked_ns
}

/// Lets one worker do the whole scenario.
fn play(scenario: &Scenario) -> Played {
    play_with(scenario, 0, 1)
}

/// Lets one of several workers do its part of the scenario, in a world of its own.
fn play_with(scenario: &Scenario, worker: u32, workers: u32) -> Played {
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
    let (recorder, reports) = sync_channel(10_000);
    let (at, spool) = hand_on(scenario, worker, workers, &outbox);
    drop(outbox);
    let end = if let Paced::Session(Some(ms)) = scenario.paced { RunNs(ms * MS) } else { RunNs(i64::MAX) };
    let terms = Terms {
        worker,
        workers,
        connections_max: scenario.connections_max,
        in_flight_max: scenario.in_flight_max,
        queued_bytes_max: scenario.queued_bytes_max,
        timeout_ns: scenario.timeout_ms * MS,
        drive: match &scenario.paced {
            Paced::Open | Paced::Session(_) => Drive::Schedule,
            Paced::Connections => Drive::Connections,
            Paced::Users(steps) => Drive::Users(users_of(steps).of_worker(worker, workers)),
        },
        end,
        open_beforehand: scenario.open_beforehand,
        targets: vec![0, 1],
    };
    let mut worker =
        Worker::new(terms, clock, Box::new(driver), targets, Lines { inbox, spool, recorder, stop, answers: Arc::default() });
    worker.work().unwrap();
    assert_nothing_is_left(&worker);
    drop(worker);
    let (mut outcomes, mut sent, mut sends) = (HashMap::new(), 0, Vec::new());
    for report in reports {
        sent += report.sent;
        sends.extend(report.sends);
        for outcome in report.outcomes {
            assert!(outcomes.insert(outcome.id, outcome).is_none(), "two outcomes of one request");
        }
    }
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    Played { at, outcomes, sent, sends, seen, ended_ns: now.load(Ordering::Relaxed) }
}

fn users_of(steps: &[(i64, u32)]) -> Users {
    Users::from_steps(steps.iter().map(|(ms, users)| (RunNs(ms * MS), *users)).collect())
}

/// Everything that a worker can gather is gone when its work is over.
fn assert_nothing_is_left(worker: &Worker) {
    assert_eq!((worker.flights.len(), worker.queued_bytes), (0, 0));
    assert!(worker.queues.iter().all(|queue| queue.first().is_none()));
    assert!(worker.conns.iter().all(|conn| conn.behind.is_empty() && conn.flight.is_none()));
    let early = worker.stop_at.is_some() || worker.crowd.as_ref().is_some_and(Crowd::is_dismissed);
    assert!(early || worker.turns.len() == 0);
    assert!(worker.stop_at.is_some() || worker.pool.busy() == worker.opening.len(), "a connection is busy for nobody");
}

/// Hands on what `worker` is to send, in blocks of seven. The bytes of a request are its number. Returns when each was recorded.
fn hand_on(scenario: &Scenario, worker: u32, workers: u32, outbox: &Sender<Block>) -> (Vec<i64>, Option<Arc<Spool>>) {
    let mut at_ns = 0;
    let mut all = Vec::new();
    for (id, asked) in scenario.requests.iter().enumerate() {
        at_ns += asked.gap_ms * MS;
        all.push((at_ns, planned(id as u64, asked, at_ns), id.to_string()));
    }
    let at = all.iter().map(|(at, ..)| *at).collect();
    all.retain(|(_, planned, _)| planned.session % u64::from(workers) == u64::from(worker));
    let (rows, spool) = if scenario.paced.is_by_answers() { first_ones(scenario, all) } else { (all, None) };
    for rows in rows.chunks(7) {
        let mut block = Block::default();
        for (_, planned, bytes) in rows {
            block.push(|all| {
                all.extend_from_slice(bytes.as_bytes());
                planned.clone()
            });
        }
        outbox.send(block).unwrap();
    }
    (at, spool)
}

fn planned(id: u64, asked: &Asked, at_ns: i64) -> Planned {
    let Asked { session, stream, target, .. } = *asked;
    let sendable = id % 17 != 16;
    Planned {
        id,
        copy: 0,
        label: 0,
        target,
        session,
        stream,
        due: RunNs(at_ns),
        items: 1,
        sendable,
        txn: None,
        next: None,
        keep: Keep::Nothing,
        expected: None,
    }
}

type Rows = Vec<(i64, Planned, String)>;

/// Gathers sessions on disk and returns the first request of each chain, as the reader does.
fn first_ones(scenario: &Scenario, rows: Rows) -> (Rows, Option<Arc<Spool>>) {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::create(folder.path(), Content::of_nothing()).unwrap();
    let (chain, end_ms) = match scenario.paced {
        Paced::Session(end_ms) => (ChainOf::Stream, end_ms.unwrap_or(i64::MAX / MS)),
        _ => (ChainOf::Session, i64::MAX / MS),
    };
    let mut writer = SpoolWriter::new(spool.clone(), chain, 1.0);
    for (at_ns, planned, bytes) in rows {
        let latency_ms = scenario.requests[planned.id as usize].latency_ms;
        writer.push(TraceNs(at_ns), latency_ms.map(|ms| ms * MS), &planned, bytes.as_bytes()).unwrap();
    }
    let mut first = writer.finish().unwrap().first;
    let (mut firsts, mut buffer) = (Vec::new(), Vec::new());
    while let Some(place) = first {
        let record = spool.read(place, 0, &mut buffer).unwrap();
        first = record.next_chain;
        let at_ns = record.at.ns();
        let due = RunNs(if chain == ChainOf::Stream { at_ns } else { 0 });
        if due.ns() < end_ms * MS {
            firsts.push((at_ns, Planned { due, ..record.planned }, String::from_utf8(record.request.to_vec()).unwrap()));
        }
    }
    (firsts, Some(spool))
}

fn is_sorted_by_session(requests: &[Asked], sends: &[(u64, Slot, i64)]) -> bool {
    let mut last: HashMap<(u64, u32), u64> = HashMap::new();
    sends.iter().all(|(id, _, _)| {
        let Asked { session, target, .. } = requests[*id as usize];
        last.insert((session, target), *id).is_none_or(|before| before < *id)
    })
}

/// What holds of every outcome, whatever the pacing.
fn check_outcome(outcome: &Outcome, scenario: &Scenario, played: &Played) {
    let aborted = outcome.error == Some(ErrorClass::Aborted);
    assert_eq!(outcome.error == Some(ErrorClass::Unreplayable), outcome.id % 17 == 16 && !aborted, "{outcome:?}");
    assert!(outcome.done - ready(outcome) <= scenario.timeout_ms * MS || aborted, "{outcome:?}");
    if let Some(sent) = outcome.sent {
        assert!(sent >= ready(outcome) && sent <= outcome.done, "{outcome:?}");
        // In virtual time the generator is never late: who is not on time was blocked or queued.
        assert_eq!(sent - outcome.due - outcome.blocked_ns - outcome.queued_ns, 0, "{outcome:?}");
    }
    let at = outcome.done;
    match outcome.error {
        Some(ErrorClass::ShedInFlight) => {
            let in_flight =
                played.outcomes.values().filter(|other| other.id != outcome.id && ready(other) <= at && other.done >= at);
            assert!(in_flight.count() >= scenario.in_flight_max, "shed without need: {outcome:?}");
        }
        Some(ErrorClass::ShedQueuedBytes) => {
            let queued: u64 = played.waiting_at(at, outcome.id).map(|other| other.request_bytes).sum();
            assert!(queued + outcome.request_bytes > scenario.queued_bytes_max as u64, "shed without need: {outcome:?}");
        }
        Some(ErrorClass::ShedConnections) => assert!(played.seen.open_max == scenario.connections_max, "{outcome:?}"),
        _ => {}
    }
}

/// In flight at any instant: no more than the limit.
fn check_in_flight(scenario: &Scenario, played: &Played) {
    for outcome in played.outcomes.values().filter(|outcome| outcome.done > ready(outcome)) {
        let at = ready(outcome);
        let count = played.outcomes.values().filter(|other| ready(other) <= at && other.done > at).count();
        if scenario.paced != Paced::Connections {
            assert!(count <= scenario.in_flight_max, "{count} in flight at {at:?}");
        }
        if let Paced::Users(steps) = &scenario.paced {
            let users = steps.iter().rfind(|(ms, _)| ms * MS <= at.ns()).map_or(0, |(_, users)| *users);
            assert!(count <= users as usize, "{count} in flight with {users} users at {at:?}");
        }
    }
}

/// Inside a chain that is paced by answers: order, one at a time, and each due when its pacing says.
fn check_chain(chain: &[u64], scenario: &Scenario, played: &Played) {
    let there: Vec<Option<&Outcome>> = chain.iter().map(|id| played.outcomes.get(id)).collect();
    for (index, pair) in there.windows(2).enumerate() {
        let (Some(before), Some(after)) = (pair[0], pair[1]) else {
            assert!(pair[1].is_none(), "a request went before its predecessor");
            continue;
        };
        if after.error == Some(ErrorClass::Aborted) && after.sent.is_none() {
            continue;
        }
        assert!(ready(after) >= before.done, "two of one chain under way: {before:?} {after:?}");
        let asked = scenario.requests[chain[index] as usize];
        let gap_ns = played.at[chain[index + 1] as usize] - played.at[chain[index] as usize];
        let think_ns = gap_ns - asked.latency_ms.unwrap_or(0) * MS;
        match &scenario.paced {
            Paced::Session(_) if think_ns < 0 => {
                assert_eq!(after.due, ready(before) + gap_ns);
                assert_eq!(after.blocked_ns, (before.done - after.due).max(0));
            }
            // A session that somebody left is gone on with when somebody else is free.
            Paced::Users(steps) if !steps.is_sorted_by_key(|(_, users)| *users) => assert_eq!(after.blocked_ns, 0),
            _ => assert_eq!((after.due, after.blocked_ns), (before.done + think_ns.max(0), 0)),
        }
    }
}

/// Whether every request must have an outcome.
fn is_whole(scenario: &Scenario) -> bool {
    let stays = |steps: &[(i64, u32)]| steps.last().is_some_and(|(_, users)| *users > 0);
    scenario.stop_ms.is_none()
        && match &scenario.paced {
            Paced::Open | Paced::Connections => true,
            Paced::Session(end) => end.is_none(),
            Paced::Users(steps) => stays(steps),
        }
}

fn check(scenario: &Scenario) {
    let played = play(scenario);
    let Played { at, outcomes, sent: told, sends, seen, ended_ns } = &played;
    assert!(seen.open_max <= scenario.connections_max);
    if is_whole(scenario) {
        assert_eq!(outcomes.len(), at.len());
    }
    if let Some(stop_ns) = scenario.stop_ms.map(|ms| ms * MS) {
        // Stopping is seen when the worker next looks, a tick later at most.
        let fell_due = at.iter().filter(|due| **due < stop_ns.min(*ended_ns)).count();
        assert!(scenario.paced != Paced::Open || outcomes.len() >= fell_due);
        assert!(
            *ended_ns <= stop_ns + TICK_NS + STOP_GRACE_NS
                || scenario.paced.is_by_answers()
                || *ended_ns <= 2 * TICK_NS + STOP_GRACE_NS
        );
    }
    let sent: HashSet<u64> = seen.sends.iter().map(|(id, _, _)| *id).collect();
    assert_eq!(sent.len(), seen.sends.len(), "nothing is sent twice");
    assert_eq!(*told, sent.len() as u64);
    // As fast as possible there are no due instants to hold sends against.
    assert_eq!(sends.len(), if scenario.paced == Paced::Connections { 0 } else { sent.len() });
    assert!(sends.iter().all(|send| send.own == send.due));
    for outcome in outcomes.values() {
        assert_eq!(outcome.sent.is_some(), sent.contains(&outcome.id));
        check_outcome(outcome, scenario, &played);
    }
    check_in_flight(scenario, &played);
    if scenario.paced.is_by_answers() {
        played.chains(scenario).iter().for_each(|chain| check_chain(chain, scenario, &played));
    }
    if scenario.paced == Paced::Open {
        assert!(outcomes.values().all(|outcome| outcome.due.ns() == at[outcome.id as usize]));
        assert!(is_sorted_by_session(&scenario.requests, &seen.sends));
    }
}

/// What several workers make of a scenario, each in a world of its own: (id, due where the schedule alone says it).
fn set_of_outcomes(scenario: &Scenario, workers: u32) -> Vec<(u64, Option<i64>)> {
    let mut all = Vec::new();
    for worker in 0..workers {
        let played = play_with(scenario, worker, workers);
        let firsts: HashSet<u64> = played.chains(scenario).iter().map(|chain| chain[0]).collect();
        let scheduled =
            |id: &u64| scenario.paced == Paced::Open || (scenario.paced == Paced::Session(None) && firsts.contains(id));
        all.extend(played.outcomes.values().map(|outcome| (outcome.id, scheduled(&outcome.id).then_some(outcome.due.ns()))));
    }
    all.sort_unstable();
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn every_invariant_holds_whatever_goes_wrong(scenario in scenarios()) {
        check(&scenario);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn one_two_and_four_workers_have_the_same_set_of_outcomes(mut scenario in scenarios()) {
        scenario.stop_ms = None;
        scenario.paced = match scenario.paced {
            Paced::Session(_) => Paced::Session(None),
            Paced::Users(_) => Paced::Users(vec![(0, 4)]),
            other => other,
        };
        let one = set_of_outcomes(&scenario, 1);
        prop_assert_eq!(one.len(), scenario.requests.len());
        prop_assert_eq!(&set_of_outcomes(&scenario, 2), &one);
        prop_assert_eq!(&set_of_outcomes(&scenario, 4), &one);
    }

    #[test]
    fn with_room_for_all_nothing_waits_but_for_connections_to_open(mut scenario in scenarios()) {
        let paced = if scenario.paced == Paced::Connections { Paced::Open } else { scenario.paced };
        scenario = Scenario { connections_max: 200, in_flight_max: 200, queued_bytes_max: 1 << 20, faults: 0, paced, stop_ms: None, timeout_ms: 1000, ..scenario };
        let Played { outcomes, .. } = play(&scenario);
        for outcome in outcomes.values().filter(|outcome| outcome.error.is_none()) {
            prop_assert!(!outcome.limited);
            prop_assert!(outcome.ok());
        }
        prop_assert!(outcomes.values().all(|outcome| outcome.error.is_none() || outcome.error == Some(ErrorClass::Unreplayable)));
    }
}

fn scenario(requests: Vec<(i64, u64, u32)>) -> Scenario {
    let asked = |(gap_ms, session, target)| Asked { gap_ms, session, stream: 0, target, latency_ms: None };
    Scenario {
        seed: 1,
        requests: requests.into_iter().map(asked).collect(),
        connections_max: 4,
        open_beforehand: 0,
        in_flight_max: 100,
        queued_bytes_max: 1 << 20,
        timeout_ms: 500,
        faults: 0,
        paced: Paced::Open,
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
    let result = play(&Scenario { paced: Paced::Connections, in_flight_max: 1, ..scenario(vec![(0, 0, 0); 50]) });
    assert_eq!(result.seen.open_max, 4);
    assert!(result.outcomes.values().all(|outcome| outcome.sent.is_none_or(|sent| sent == outcome.due)));
    assert!(result.outcomes.values().all(|outcome| outcome.error != Some(ErrorClass::ShedInFlight)));
}

#[test]
fn connections_opened_beforehand_are_what_new_sessions_take() {
    let requests: Vec<_> = (0..4).map(|session| (if session == 0 { 200 } else { 0 }, session, 0)).collect();
    let result = play(&Scenario { open_beforehand: 8, connections_max: 8, ..scenario(requests) });
    assert_eq!(result.seen.open_max, 8);
    // Half of the eight lead to the other target.
    assert!(result.outcomes.values().all(|outcome| outcome.connect_ns.is_none() && outcome.queued_ns == 0));
}

#[test]
fn as_many_users_as_there_are_work_at_once_and_all_the_time() {
    // Twelve sessions of five requests, with no time to think.
    let requests = (0..60).map(|request| (0, request % 12, 0)).collect();
    let paced = Paced::Users(vec![(0, 2), (300, 3)]);
    let result = play(&Scenario { paced, ..scenario(requests) });
    let under_way = |at: i64| result.outcomes.values().filter(|outcome| outcome.due.ns() <= at && outcome.done.ns() > at).count();
    let last = result.outcomes.values().map(|outcome| outcome.due.ns()).max().unwrap();
    assert!(result.seen.sends.len() > 50 && last > 400 * MS);
    // Until the last sessions have begun nobody is idle.
    let begun = 48 / 3 * 20 * MS;
    assert!((0..300).all(|ms| under_way(ms * MS) == 2));
    assert!((301..begun / MS).all(|ms| under_way(ms * MS) == 3));
}

#[test]
fn users_that_leave_are_replaced_in_their_sessions_by_those_who_come() {
    let requests = (0..40).map(|request| (0, request % 4, 0)).collect();
    let result = play(&Scenario { paced: Paced::Users(vec![(0, 4), (100, 0), (500, 2)]), ..scenario(requests) });
    assert_eq!(result.outcomes.len(), 40);
    assert!(result.outcomes.values().all(|outcome| !(100 * MS..500 * MS).contains(&outcome.due.ns())));
}

#[test]
fn a_stall_inside_a_session_is_one_long_answer_and_not_many() {
    // The first answer never comes: it times out after 500 ms, and the rest of the session is that much later.
    let requests = (0..10).map(|_| (100, 0, 0)).collect();
    let faults = Scenario { faults: 0, paced: Paced::Session(None), timeout_ms: 500, ..scenario(requests) };
    let result = play(&faults);
    let gap_ns = |id: u64| result.outcomes[&id].due - result.outcomes[&(id - 1)].done;
    assert!((1..10).all(|id| gap_ns(id) == 100 * MS));
}
