//! One worker: takes requests when they are due, finds connections for them, keeps the limits, and has one outcome for each.
//!
//! How it is driven ([`Drive`]) says when a session's first request is taken up: when the schedule has it due, when a user is free, or
//! when a connection is. What comes after it in its session is taken up like any other in open pacing, where nothing is ever blocked by
//! an earlier answer. Where sessions are paced by real answers it has its turn when the one before it is over, whatever became of that.
//!
//! The worker owns no socket (that is the [`Driver`]'s) and reads time only through the clock it is given, so the tests run it in
//! virtual time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};

use trace::{AnswerBody, ErrorClass, Keep, RunNs};

use crate::abort::ENDED;
use crate::answer::AnswerBudget;
use crate::clock::Clock;
use crate::driver::{Driver, Event, Happened, Received};
use crate::flights::{Flight, FlightNumber, Flights, Stage};
use crate::limits::{OPENING_MAX, OUTCOMES_BLOCK_MAX, SESSIONS_MAX};
use crate::list::{Links, List};
use crate::outcome::{Outcome, Report, Send};
use crate::pool::{Found, Pool, Slot};
use crate::request::{Block, Planned};
use crate::spool::{Next, Spool};
use crate::stop::Stop;
use crate::target::Targets;
use crate::users::Users;

use crowd::Crowd;
use turns::{Turn, Turns};

mod crowd;
mod turns;

/// Sends between two looks at the sockets, so that a burst delays no answer's time stamp for long.
const SENDS_MAX: usize = 32;
/// How long a worker sleeps at most: it then looks whether it is to stop, and hands over what it has.
const TICK_NS: i64 = 100_000_000;
/// How long it sleeps where the reader is behind.
const STARVED_NS: i64 = 1_000_000;
/// How long answers are waited for after a request to stop.
pub const STOP_GRACE_NS: i64 = 2_000_000_000;

/// What makes a worker take up the first request of a session, or any in open pacing.
#[derive(Debug, Clone)]
pub enum Drive {
    /// It is due.
    Schedule,
    /// A user of this worker is free.
    Users(Users),
    /// A connection is free: as fast as possible.
    Connections,
}

/// What one worker may take, and how it is paced.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Its number, from 0.
    pub worker: u32,
    /// How many there are.
    pub workers: u32,
    /// Connections open at once.
    pub connections_max: usize,
    /// Requests due and not over.
    pub in_flight_max: usize,
    /// Bytes of requests that wait for a connection.
    pub queued_bytes_max: usize,
    /// From being taken up to the whole answer, ns.
    pub timeout_ns: i64,
    /// What it goes by.
    pub drive: Drive,
    /// Nothing due then or later is sent.
    pub end: RunNs,
    /// Connections it opens before run start, to these targets in turn.
    pub open_beforehand: usize,
    /// Numbers of the targets in [`Targets::list`] that it serves.
    pub targets: Vec<u32>,
}

/// What connects a worker with the rest.
pub struct Lines {
    /// Blocks in due order; ends when the reader is done.
    pub inbox: Receiver<Block>,
    /// What comes after other requests of a session; `None` in open pacing.
    pub spool: Option<Arc<Spool>>,
    /// To the recorder.
    pub recorder: SyncSender<Report>,
    /// Whether to stop.
    pub stop: Stop,
    /// Of the bodies that the recorder has to look at.
    pub answers: Arc<AnswerBudget>,
}

/// A connection as the worker sees it.
#[derive(Debug, Default)]
struct Conn {
    /// Counted over all workers, from 1.
    number: u64,
    /// The request it carries, or is opened for; none while it is opened beforehand.
    flight: Option<FlightNumber>,
    /// Later requests of the session it is opened for.
    behind: VecDeque<FlightNumber>,
}

/// How a flight ends.
struct Ending {
    at: RunNs,
    status: u16,
    error: Option<ErrorClass>,
    received: Received,
    answer: Option<Box<AnswerBody>>,
}

impl Ending {
    fn error(class: ErrorClass, at: RunNs) -> Self {
        Self { at, status: 0, error: Some(class), received: Received::default(), answer: None }
    }
}

/// One worker.
pub struct Worker {
    terms: Terms,
    clock: Clock,
    driver: Box<dyn Driver>,
    targets: Arc<Targets>,
    lines: Lines,
    pool: Pool,
    conns: Vec<Conn>,
    flights: Flights,
    links: Links,
    /// Flights that wait for any connection, by target.
    queues: Vec<List>,
    queued_bytes: usize,
    current: Option<(Block, usize)>,
    turns: Turns,
    crowd: Option<Crowd>,
    /// Connections still to be opened beforehand.
    to_open: usize,
    /// Connections being opened beforehand, and since when.
    opening: VecDeque<(Slot, RunNs)>,
    scratch: Vec<u8>,
    reader_done: bool,
    stop_at: Option<RunNs>,
    report: Report,
    reported: RunNs,
}

impl Worker {
    /// A worker that has done nothing yet.
    #[must_use]
    pub fn new(terms: Terms, clock: Clock, driver: Box<dyn Driver>, targets: Arc<Targets>, lines: Lines) -> Self {
        Self {
            pool: Pool::new(terms.connections_max, targets.list().len()),
            conns: std::iter::repeat_with(Conn::default).take(terms.connections_max).collect(),
            flights: Flights::default(),
            links: Links::default(),
            queues: vec![List::default(); targets.list().len()],
            queued_bytes: 0,
            current: None,
            turns: Turns::default(),
            crowd: if let Drive::Users(users) = &terms.drive { Some(Crowd::new(users)) } else { None },
            to_open: terms.open_beforehand,
            opening: VecDeque::new(),
            scratch: Vec::new(),
            reader_done: false,
            stop_at: None,
            report: Report::new(terms.worker),
            reported: RunNs(0),
            terms,
            clock,
            driver,
            targets,
            lines,
        }
    }

    /// Works until every request has its outcome.
    ///
    /// # Errors
    /// What the system says when waiting for sockets or reading sessions fails. A recorder that is gone ends the worker without an error of its own.
    pub fn run(mut self) -> std::io::Result<()> {
        self.work()
    }

    fn work(&mut self) -> std::io::Result<()> {
        let mut events = Vec::new();
        loop {
            let now = self.clock.now();
            let more = self.proceed(now)?;
            if self.is_over() || !self.hand_over(now, false) {
                break;
            }
            let until = if more { now } else { self.wake_at(now) };
            self.driver.wait(until, &mut events)?;
            events.drain(..).for_each(|event| self.on(event));
        }
        self.hand_over(self.clock.now(), true);
        Ok(())
    }

    /// Whether nothing is left to do.
    fn is_over(&self) -> bool {
        let all_taken = || self.reader_done && self.current.is_none() && self.turns.len() == 0;
        let none_left = || self.crowd.as_ref().is_none_or(|crowd| !crowd.has_left());
        let dismissed = || self.crowd.as_ref().is_some_and(Crowd::is_dismissed);
        self.flights.len() == 0 && (self.stop_at.is_some() || dismissed() || (all_taken() && none_left()))
    }

    /// Does what time brings. True where more could have been taken up.
    fn proceed(&mut self, now: RunNs) -> std::io::Result<bool> {
        if self.to_open > 0 || !self.opening.is_empty() {
            self.open_beforehand(now);
        }
        self.expire(now);
        self.serve_queues();
        match self.stop_at {
            None if !self.lines.stop.asked() => return self.take_due(now),
            None => self.stop_taking(now)?,
            Some(since) if now - since >= STOP_GRACE_NS => self.abort_all(now),
            Some(_) => {}
        }
        Ok(false)
    }

    fn wake_at(&mut self, now: RunNs) -> RunNs {
        let next_multiple = |step_ns: i64| RunNs((now.ns().div_euclid(step_ns) + 1) * step_ns);
        let mut at = next_multiple(TICK_NS);
        if let Some((_, oldest)) = self.flights.oldest() {
            at = at.min(oldest.taken + self.terms.timeout_ns);
        }
        if self.stop_at.is_some() {
            return at;
        }
        at = at.min(self.turns.ready().unwrap_or(at));
        at = at.min(self.crowd.as_ref().and_then(Crowd::next_step).unwrap_or(at));
        match self.head_due() {
            Some(due) => at.min(due),
            None if self.waits_for_reader() => at.min(next_multiple(STARVED_NS)),
            None => at,
        }
    }

    /// Whether there would be something to do if the reader were further.
    fn waits_for_reader(&self) -> bool {
        let wanted = self.crowd.as_ref().is_none_or(|crowd| crowd.free_since().is_some());
        wanted && !self.reader_done && self.current.is_none()
    }

    /// When the next request that comes after none is due; `None` where there is none, or nobody for it.
    fn head_due(&mut self) -> Option<RunNs> {
        match &self.terms.drive {
            // Past its limit of sessions the worker takes up no more of them, which shows as its lateness.
            Drive::Schedule => self.next_due().filter(|_| self.turns.len() < SESSIONS_MAX),
            Drive::Users(_) => {
                let crowd = self.crowd.as_ref()?;
                let (since, left) = (crowd.free_since()?, crowd.has_left());
                (left || self.next_due().is_some()).then_some(since)
            }
            // Whoever releases a connection looks for the next request anyway.
            Drive::Connections => None,
        }
    }

    /// When the reader's next request is due; `None` where it has brought none.
    fn next_due(&mut self) -> Option<RunNs> {
        loop {
            if let Some((block, index)) = &self.current {
                if let Some((planned, _)) = block.get(*index) {
                    return Some(planned.due);
                }
                self.current = None;
            }
            match self.lines.inbox.try_recv() {
                Ok(block) => self.current = Some((block, 0)),
                Err(TryRecvError::Empty) => return None,
                Err(TryRecvError::Disconnected) => {
                    self.reader_done = true;
                    return None;
                }
            }
        }
    }

    /// Takes up what is due, or in a closed loop what there is a user or a connection for. True where it stopped only to look at the
    /// sockets.
    fn take_due(&mut self, now: RunNs) -> std::io::Result<bool> {
        let mut now = now;
        for _ in 0..SENDS_MAX {
            if let Some(crowd) = &mut self.crowd {
                crowd.advance(now);
            }
            if !self.take_next(now)? {
                return Ok(false);
            }
            if !matches!(self.terms.drive, Drive::Connections) {
                now = self.clock.now();
            }
        }
        Ok(true)
    }

    /// Takes up the next request. False where none is due, or a closed loop has no connection for it.
    fn take_next(&mut self, now: RunNs) -> std::io::Result<bool> {
        if matches!(self.terms.drive, Drive::Connections) {
            return Ok(now >= RunNs(0) && self.next_due().is_some() && self.take_head(now, now));
        }
        let head = self.head_due();
        if self.turns.ready().is_some_and(|ready| ready <= now && head.is_none_or(|due| ready <= due)) {
            return self.take_turn(now).map(|()| true);
        }
        let Some(due) = head.filter(|due| *due <= now) else { return Ok(false) };
        match self.crowd.as_mut().map(Crowd::take_left) {
            Some(Some(turn)) => self.take_from_disk(turn, now)?,
            Some(None) => {
                self.crowd.iter_mut().for_each(Crowd::engage);
                self.take_head(due, now);
            }
            None => return Ok(self.take_head(due, now)),
        }
        Ok(true)
    }

    /// Takes up the reader's next request, due at `due`. False where a closed loop has no connection for it.
    fn take_head(&mut self, due: RunNs, now: RunNs) -> bool {
        let Some((block, index)) = self.current.take() else { return false };
        let taken = block.get(index).is_none_or(|(planned, bytes)| self.take(planned, bytes, (due, 0), now));
        self.current = Some((block, index + usize::from(taken)));
        taken
    }

    /// Takes up the request whose turn it is, unless its user leaves instead.
    fn take_turn(&mut self, now: RunNs) -> std::io::Result<()> {
        let Some(turn) = self.turns.pop() else { return Ok(()) };
        let leaves = self.crowd.as_mut().is_some_and(|crowd| crowd.leaves(Some(turn)));
        if leaves { Ok(()) } else { self.take_from_disk(turn, now) }
    }

    fn take_from_disk(&mut self, turn: Turn, now: RunNs) -> std::io::Result<()> {
        let Some(spool) = self.lines.spool.clone() else { return Ok(()) };
        let mut scratch = std::mem::take(&mut self.scratch);
        let record = spool.read(turn.place, turn.pass, &mut scratch)?;
        self.take(&record.planned, record.request, (turn.due, turn.blocked_ns), now);
        self.scratch = scratch;
        Ok(())
    }

    /// Takes up a request that is due at the first of `times`, and was blocked for the ns of the second. False where a closed loop has
    /// no connection for it.
    fn take(&mut self, planned: &Planned, bytes: &[u8], times: (RunNs, i64), now: RunNs) -> bool {
        let as_fast = matches!(self.terms.drive, Drive::Connections);
        let refusal = self.refusal(planned);
        let session = (!as_fast).then_some(planned.session);
        // Behind others that wait, so that none is overtaken by its session's later request.
        let waits = refusal.is_some() || self.queues[planned.target as usize].first().is_some();
        let found = if waits { Found::None } else { self.pool.find(session, planned.target) };
        if as_fast && refusal.is_none() && found == Found::None {
            return false;
        }
        let flight = flight(planned.clone(), bytes.len(), times, now);
        match (refusal, found) {
            (Some(class), _) => self.record(flight, Ending::error(class, now)),
            (None, Found::Free(slot)) => {
                let number = self.flights.add(flight);
                self.send(number, slot, bytes);
            }
            (None, found) => self.wait_for(found, flight, bytes),
        }
        true
    }

    /// Why a request is not even tried.
    fn refusal(&self, planned: &Planned) -> Option<ErrorClass> {
        if !planned.sendable {
            return Some(ErrorClass::Unreplayable);
        }
        let limited = !matches!(self.terms.drive, Drive::Connections);
        (limited && self.flights.len() >= self.terms.in_flight_max).then_some(ErrorClass::ShedInFlight)
    }

    /// Lets a new flight wait for its connection.
    fn wait_for(&mut self, found: Found, mut flight: Flight, bytes: &[u8]) {
        let full = self.queued_bytes > 0 && self.queued_bytes + bytes.len() > self.terms.queued_bytes_max;
        if full && matches!(found, Found::None | Found::Behind(_)) {
            let taken = flight.taken;
            return self.record(flight, Ending::error(ErrorClass::ShedQueuedBytes, taken));
        }
        self.queued_bytes += bytes.len();
        flight.waiting = Some(bytes.into());
        let number = self.flights.add(flight);
        self.place(number, found);
    }

    /// Puts a waiting flight where its connection will come from.
    fn place(&mut self, number: FlightNumber, found: Found) {
        let Some(flight) = self.flights.get_mut(number) else { return };
        match found {
            Found::Free(slot) => self.send_waiting(number, slot, self.clock.now()),
            Found::Open(slot) => self.open(number, slot),
            Found::Replace(slot) => {
                self.driver.close(slot);
                self.open(number, slot);
            }
            Found::Behind(slot) => {
                flight.stage = Stage::Behind(slot);
                self.conns[slot as usize].behind.push_back(number);
            }
            Found::None => {
                flight.limited = true;
                self.links.push(&mut self.queues[flight.planned.target as usize], number);
            }
        }
    }

    fn open(&mut self, number: FlightNumber, slot: Slot) {
        let Some(flight) = self.flights.get_mut(number) else { return };
        flight.stage = Stage::Opening(slot);
        let target = flight.planned.target;
        self.connect(Some(number), slot, target);
    }

    /// Opens connections before they are needed, some at a time, and gives up those that nobody accepts.
    fn open_beforehand(&mut self, now: RunNs) {
        while let Some((slot, _)) = self.opening.front().copied().filter(|(_, since)| now - *since >= self.terms.timeout_ns) {
            self.drop_connection(slot, Ending::error(ErrorClass::Timeout, now));
        }
        while self.to_open > 0 && self.opening.len() < OPENING_MAX {
            let target = self.terms.targets[self.to_open % self.terms.targets.len()];
            self.to_open -= 1;
            let Some(slot) = self.pool.open_beforehand(target) else { return };
            self.opening.push_back((slot, now));
            self.connect(None, slot, target);
        }
    }

    /// A connection is open or gone. Whether it was being opened beforehand.
    fn ends_opening(&mut self, slot: Slot) -> bool {
        let place = self.opening.iter().position(|(other, _)| *other == slot);
        place.and_then(|place| self.opening.remove(place)).is_some()
    }

    fn connect(&mut self, flight: Option<FlightNumber>, slot: Slot, target: u32) {
        self.report.connections += 1;
        let conn = &mut self.conns[slot as usize];
        conn.flight = flight;
        conn.number = (self.report.connections - 1) * u64::from(self.terms.workers) + u64::from(self.terms.worker) + 1;
        let target = &self.targets.list()[target as usize];
        if let Err(class) = self.driver.open(slot, target) {
            let at = self.clock.now();
            self.drop_connection(slot, Ending::error(class, at));
        }
    }

    /// Sends a flight that has waited, over a connection that became free at `ready`.
    fn send_waiting(&mut self, number: FlightNumber, slot: Slot, ready: RunNs) {
        let Some(flight) = self.flights.get_mut(number) else { return };
        flight.queued_ns = ready - flight.taken;
        if let Some(bytes) = flight.waiting.take() {
            self.queued_bytes -= bytes.len();
            self.send(number, slot, &bytes);
        }
    }

    fn send(&mut self, number: FlightNumber, slot: Slot, bytes: &[u8]) {
        let Some(flight) = self.flights.get_mut(number) else { return };
        self.conns[slot as usize].flight = Some(number);
        flight.stage = Stage::Sent(slot);
        let sent = self.clock.now();
        flight.sent = Some(sent);
        self.report.sent += 1;
        if matches!(self.terms.drive, Drive::Connections) {
            (flight.planned.due, flight.queued_ns) = (sent, 0);
        } else {
            self.report.sends.push(Send { due: flight.planned.due, own: sent + -(flight.blocked_ns + flight.queued_ns) });
        }
        if flight.planned.keep != Keep::Nothing {
            self.driver.keep_answer(slot, flight.planned.keep);
        }
        if let Err(class) = self.driver.send(slot, bytes) {
            self.drop_connection(slot, Ending::error(class, sent));
        }
    }

    /// Gives flights that wait for any connection those that are free.
    fn serve_queues(&mut self) {
        for target in 0..self.queues.len() {
            while let Some(number) = self.queues[target].first() {
                let Some(flight) = self.flights.get_mut(number) else { break };
                let found = self.pool.find(Some(flight.planned.session), target as u32);
                if found == Found::None {
                    flight.limited = true;
                    break;
                }
                self.links.remove(&mut self.queues[target], number);
                self.place(number, found);
            }
        }
    }

    fn on(&mut self, event: Event) {
        let Event { slot, at, what } = event;
        let carries = self.conns[slot as usize].flight;
        match what {
            Happened::Opened { connect_ns } => self.opened(slot, at, connect_ns),
            Happened::Answered { status, received, reusable } => {
                let ending = Ending { at, status, error: None, received, answer: self.driver.take_answer(slot) };
                if reusable {
                    self.conns[slot as usize].flight = None;
                    self.pool.release(slot);
                    self.finish(carries, ending);
                } else {
                    self.drop_connection(slot, ending);
                }
            }
            Happened::Failed { class, received } => {
                self.drop_connection(slot, Ending { received, ..Ending::error(class, at) });
            }
            // Nothing was going on when the driver looked; a request sent since then meets a closed door.
            Happened::Gone => self.drop_connection(slot, Ending::error(ErrorClass::Closed, at)),
        }
    }

    fn opened(&mut self, slot: Slot, at: RunNs, connect_ns: Option<i64>) {
        self.pool.opened(slot);
        if self.ends_opening(slot) {
            self.report.open_at_start += u64::from(at <= RunNs(0));
            self.pool.release(slot);
            return;
        }
        let conn = &mut self.conns[slot as usize];
        let behind = std::mem::take(&mut conn.behind);
        if let Some(number) = conn.flight {
            if let Some(flight) = self.flights.get_mut(number) {
                flight.connect_ns = connect_ns;
            }
            self.send_waiting(number, slot, at);
        }
        self.find_anew(behind);
    }

    /// Ends what the connection carries, closes it, and finds other connections for those that waited for it to open.
    fn drop_connection(&mut self, slot: Slot, ending: Ending) {
        let conn = &mut self.conns[slot as usize];
        let (flight, behind) = (conn.flight.take(), std::mem::take(&mut conn.behind));
        self.ends_opening(slot);
        self.driver.close(slot);
        self.pool.close(slot);
        self.finish(flight, ending);
        self.find_anew(behind);
    }

    /// Puts flights that waited for a connection to open before all others that wait for any: they are the older ones of their session.
    fn find_anew(&mut self, behind: VecDeque<FlightNumber>) {
        for number in behind.into_iter().rev() {
            let Some(flight) = self.flights.get_mut(number) else { continue };
            flight.stage = Stage::Queued;
            self.links.push_front(&mut self.queues[flight.planned.target as usize], number);
        }
    }

    /// Ends flights that have lasted too long.
    fn expire(&mut self, now: RunNs) {
        while let Some((number, flight)) = self.flights.oldest()
            && flight.taken + self.terms.timeout_ns <= now
        {
            let shed = flight.sent.is_none() && flight.limited;
            let class = if shed { ErrorClass::ShedConnections } else { ErrorClass::Timeout };
            self.give_up(number, Ending::error(class, now));
        }
    }

    fn give_up(&mut self, number: FlightNumber, ending: Ending) {
        let Some(flight) = self.flights.get_mut(number) else { return };
        match flight.stage {
            Stage::Queued => {
                self.links.remove(&mut self.queues[flight.planned.target as usize], number);
                self.finish(Some(number), ending);
            }
            Stage::Behind(slot) => {
                self.conns[slot as usize].behind.retain(|other| *other != number);
                self.finish(Some(number), ending);
            }
            Stage::Opening(slot) | Stage::Sent(slot) => self.drop_connection(slot, ending),
        }
    }

    /// Gives up what is due; what is not due yet stays undone and has no outcome.
    fn stop_taking(&mut self, now: RunNs) -> std::io::Result<()> {
        self.stop_at = Some(now);
        while let Some(turn) = self.turns.pop() {
            let Some(spool) = self.lines.spool.as_ref().filter(|_| turn.due <= now) else { continue };
            let record = spool.read(turn.place, turn.pass, &mut self.scratch)?;
            let flight = flight(record.planned, record.request.len(), (turn.due, (now - turn.due).min(turn.blocked_ns)), now);
            self.record(flight, Ending::error(ErrorClass::Aborted, now));
        }
        while matches!(self.terms.drive, Drive::Schedule) && self.next_due().is_some_and(|due| due <= now) {
            let Some((block, index)) = &mut self.current else { break };
            let Some((planned, bytes)) = block.get(*index) else { break };
            let flight = flight(planned.clone(), bytes.len(), (planned.due, 0), now);
            *index += 1;
            self.record(flight, Ending::error(ErrorClass::Aborted, now));
        }
        self.current = None;
        Ok(())
    }

    fn abort_all(&mut self, now: RunNs) {
        while let Some((number, _)) = self.flights.oldest() {
            self.give_up(number, Ending::error(ErrorClass::Aborted, now));
        }
    }

    fn finish(&mut self, number: Option<FlightNumber>, ending: Ending) {
        if let Some(flight) = number.and_then(|number| self.flights.remove(number)) {
            self.queued_bytes -= flight.waiting.as_ref().map_or(0, |bytes| bytes.len());
            self.record(flight, ending);
        }
    }

    /// The one outcome of a flight.
    fn record(&mut self, flight: Flight, ending: Ending) {
        let conn = match flight.stage {
            Stage::Sent(slot) => self.conns[slot as usize].number,
            _ => 0,
        };
        let Flight { planned, .. } = flight;
        self.go_on(planned.next, planned.due + flight.blocked_ns, ending.at);
        // Who was never sent has waited until its end.
        let waited_ns = if flight.sent.is_some() { flight.queued_ns } else { ending.at - flight.taken };
        self.report.outcomes.push(Outcome {
            id: planned.id,
            copy: planned.copy,
            label: planned.label,
            session: planned.session,
            stream: planned.stream,
            conn,
            due: planned.due,
            blocked_ns: flight.blocked_ns,
            queued_ns: waited_ns,
            limited: flight.limited,
            sent: flight.sent,
            first_byte: ending.received.first_byte,
            done: ending.at,
            connect_ns: flight.connect_ns.or(ending.received.connect_ns),
            status: ending.status,
            error: ending.error,
            items: planned.items,
            request_bytes: flight.request_bytes as u64,
            response_bytes: ending.received.bytes,
            txn: planned.txn,
            expected: planned.expected,
            answer: ending.answer.and_then(|answer| self.lines.answers.hold(*answer)),
        });
    }

    /// A request that was ready at `ready` is over: gives the next of its session its turn, or lets its user go on.
    fn go_on(&mut self, next: Option<Next>, ready: RunNs, over: RunNs) {
        if self.stop_at.is_some() {
            return;
        }
        let turn = next.map(|next| {
            let (due, blocked_ns) = next.due(ready, over);
            Turn { place: next.place, pass: next.pass, due, blocked_ns }
        });
        if self.crowd.as_mut().is_some_and(|crowd| crowd.leaves(turn)) {
            return;
        }
        match (&mut self.crowd, turn) {
            (_, Some(turn)) if turn.due >= self.terms.end => {}
            (_, Some(turn)) => self.turns.push(turn),
            (Some(crowd), None) => crowd.free(over),
            (None, None) => {}
        }
    }

    /// Hands over what has gathered, if it is much or a while ago. False where the recorder is gone, and with it the run.
    fn hand_over(&mut self, now: RunNs, all: bool) -> bool {
        let much = self.report.outcomes.len().max(self.report.sends.len()) >= OUTCOMES_BLOCK_MAX;
        if !much && !all && now - self.reported < TICK_NS {
            return true;
        }
        self.reported = now;
        self.report.until = if all { ENDED } else { now };
        self.report.in_flight = self.flights.len();
        let (connections, open_at_start) = (self.report.connections, self.report.open_at_start);
        let next = Report { connections, open_at_start, ..Report::new(self.terms.worker) };
        self.lines.recorder.send(std::mem::replace(&mut self.report, next)).is_ok()
    }
}

/// A request that was taken up at `taken`, with when it was due and for how long it was then blocked.
fn flight(planned: Planned, request_bytes: usize, (due, blocked_ns): (RunNs, i64), taken: RunNs) -> Flight {
    let planned = Planned { due, ..planned };
    let (waiting, stage, sent, connect_ns) = (None, Stage::Queued, None, None);
    Flight { planned, waiting, request_bytes, stage, taken, blocked_ns, queued_ns: 0, limited: false, sent, connect_ns }
}

#[cfg(test)]
mod tests;
