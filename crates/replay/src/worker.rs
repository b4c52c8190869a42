//! One worker: takes requests when they are due, finds connections for them, keeps the limits, and has one outcome for each.
//!
//! Open loop: a request is sent when it is due, whatever became of earlier ones. HTTP keeps no order between answers, so nothing is
//! ever blocked by its own session's earlier answer; sends of one (session, stream) keep the order of their due instants.
//!
//! The worker owns no socket (that is the [`Driver`]'s) and reads time only through the clock it is given, so the tests run it in
//! virtual time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};

use trace::{ErrorClass, RunNs};

use crate::abort::ENDED;
use crate::clock::Clock;
use crate::driver::{Driver, Event, Happened, Received};
use crate::flights::{Flight, FlightNumber, Flights, Stage};
use crate::limits::OUTCOMES_BLOCK_MAX;
use crate::list::{Links, List};
use crate::outcome::{Outcome, Report, Send};
use crate::pool::{Found, Pool, Slot};
use crate::request::{Block, Planned};
use crate::stop::Stop;
use crate::target::Targets;

/// Sends between two looks at the sockets, so that a burst delays no answer's time stamp for long.
const SENDS_MAX: usize = 32;
/// How long a worker sleeps at most: it then looks whether it is to stop, and hands over what it has.
const TICK_NS: i64 = 100_000_000;
/// How long it sleeps where the reader is behind.
const STARVED_NS: i64 = 1_000_000;
/// How long answers are waited for after a request to stop.
pub const STOP_GRACE_NS: i64 = 2_000_000_000;

/// What one worker may take, and how it is paced.
#[derive(Debug, Clone, Copy)]
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
    /// As fast as possible: a request is due when a connection is free for it.
    pub closed: bool,
}

/// What connects a worker with the rest.
pub struct Lines {
    /// Blocks in due order; ends when the reader is done.
    pub inbox: Receiver<Block>,
    /// To the recorder.
    pub recorder: SyncSender<Report>,
    /// Whether to stop.
    pub stop: Stop,
}

/// A connection as the worker sees it.
#[derive(Debug, Default)]
struct Conn {
    /// Counted over all workers, from 1.
    number: u64,
    /// The request it carries, or is opened for.
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
}

impl Ending {
    fn error(class: ErrorClass, at: RunNs) -> Self {
        Self { at, status: 0, error: Some(class), received: Received::default() }
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
    /// What the system says when waiting for sockets fails. A recorder that is gone ends the worker without an error of its own.
    pub fn run(mut self) -> std::io::Result<()> {
        let mut events = Vec::new();
        loop {
            let now = self.clock.now();
            let more = self.proceed(now);
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
        let nothing_to_come = self.stop_at.is_some() || (self.reader_done && self.current.is_none());
        nothing_to_come && self.flights.len() == 0
    }

    /// Does what time brings. True where more could have been taken up.
    fn proceed(&mut self, now: RunNs) -> bool {
        self.expire(now);
        self.serve_queues();
        match self.stop_at {
            None if !self.lines.stop.asked() => return self.take_due(now),
            None => self.stop_taking(now),
            Some(since) if now - since >= STOP_GRACE_NS => self.abort_all(now),
            Some(_) => {}
        }
        false
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
        match self.next_due() {
            Some(due) if !self.terms.closed => at.min(due),
            None if !self.reader_done => at.min(next_multiple(STARVED_NS)),
            _ => at,
        }
    }

    /// When the next request is due; `None` where the reader has brought none.
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

    /// Takes up what is due, or in a closed loop what there is a connection for. True where it stopped only to look at the sockets.
    fn take_due(&mut self, now: RunNs) -> bool {
        let mut now = now;
        for _ in 0..SENDS_MAX {
            match self.next_due() {
                Some(_) if self.terms.closed => {}
                Some(due) if due <= now => {}
                _ => return false,
            }
            if !self.take_one(now) {
                return false;
            }
            now = self.clock.now();
        }
        true
    }

    /// Takes up the next request. False where a closed loop has no connection for it.
    fn take_one(&mut self, now: RunNs) -> bool {
        let Some((block, index)) = self.current.take() else { return false };
        let taken = block.get(index).is_none_or(|(planned, bytes)| self.take(planned, bytes, now));
        self.current = Some((block, index + usize::from(taken)));
        taken
    }

    fn take(&mut self, planned: &Planned, bytes: &[u8], now: RunNs) -> bool {
        let refusal = self.refusal(planned);
        let session = (!self.terms.closed).then_some(planned.session);
        // Behind others that wait, so that none is overtaken by its session's later request.
        let waits = refusal.is_some() || self.queues[planned.target as usize].first().is_some();
        let found = if waits { Found::None } else { self.pool.find(session, planned.target) };
        if self.terms.closed && refusal.is_none() && found == Found::None {
            return false;
        }
        let flight = self.flight(planned.clone(), bytes.len(), now);
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
        (self.flights.len() >= self.terms.in_flight_max && !self.terms.closed).then_some(ErrorClass::ShedInFlight)
    }

    fn flight(&self, mut planned: Planned, request_bytes: usize, taken: RunNs) -> Flight {
        if self.terms.closed {
            planned.due = taken;
        }
        let stage = Stage::Queued;
        Flight { planned, waiting: None, request_bytes, stage, taken, queued_ns: 0, limited: false, sent: None, connect_ns: None }
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
        self.report.connections += 1;
        let conn = &mut self.conns[slot as usize];
        conn.flight = Some(number);
        conn.number = (self.report.connections - 1) * u64::from(self.terms.workers) + u64::from(self.terms.worker) + 1;
        let target = &self.targets.list()[flight.planned.target as usize];
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
        if self.terms.closed {
            (flight.planned.due, flight.queued_ns) = (sent, 0);
        }
        self.report.sends.push(Send { due: flight.planned.due, own: sent + -flight.queued_ns });
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
            Happened::Answered { status, received, reusable } if reusable => {
                self.conns[slot as usize].flight = None;
                self.pool.release(slot);
                self.finish(carries, Ending { at, status, error: None, received });
            }
            Happened::Answered { status, received, .. } => {
                self.drop_connection(slot, Ending { at, status, error: None, received });
            }
            Happened::Failed { class, received } => {
                self.drop_connection(slot, Ending { at, status: 0, error: Some(class), received });
            }
            // Nothing was going on when the driver looked; a request sent since then meets a closed door.
            Happened::Gone => self.drop_connection(slot, Ending::error(ErrorClass::Closed, at)),
        }
    }

    fn opened(&mut self, slot: Slot, at: RunNs, connect_ns: Option<i64>) {
        self.pool.opened(slot);
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
            let shed = flight.sent.is_none() && (flight.limited || flight.stage == Stage::Queued);
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
    fn stop_taking(&mut self, now: RunNs) {
        self.stop_at = Some(now);
        while !self.terms.closed && self.next_due().is_some_and(|due| due <= now) {
            let Some((block, index)) = &mut self.current else { break };
            let Some((planned, bytes)) = block.get(*index) else { break };
            let (planned, request_bytes) = (planned.clone(), bytes.len());
            *index += 1;
            let flight = self.flight(planned, request_bytes, now);
            self.record(flight, Ending::error(ErrorClass::Aborted, now));
        }
        self.current = None;
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
            queued_ns: waited_ns,
            limited: flight.limited,
            sent: flight.sent,
            first_byte: ending.received.first_byte,
            done: ending.at,
            connect_ns: flight.connect_ns,
            status: ending.status,
            error: ending.error,
            items: planned.items,
            request_bytes: flight.request_bytes as u64,
            response_bytes: ending.received.bytes,
            txn: planned.txn,
        });
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
        let next = Report { connections: self.report.connections, ..Report::new(self.terms.worker) };
        self.lines.recorder.send(std::mem::replace(&mut self.report, next)).is_ok()
    }
}

#[cfg(test)]
mod tests;
