//! Requests of SQL servers on their way to becoming rows.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use trace::{Exchange, Flag, Name, TraceNs};
use wire::{Hole, Side};
use xxhash_rust::xxh3::Xxh3;

use super::Text;
use crate::dissect::{Connection, Emit, Options, note_answer};

/// Bytes of messages of one connection that wait for answers; past it the oldest request is given back as it is.
const PENDING_BYTES_MAX: usize = 64 << 20;
/// Requests that wait for answers, or to know their transaction; past it the oldest is given back as it is.
const PENDING_MAX: usize = 1 << 15;

/// A request whose answer is not complete, or whose transaction is not known yet; `own` is what its protocol knows of it beside.
pub(in crate::dissect) struct Pending<X> {
    pub row: Exchange,
    pub own: X,
    /// What it runs or prepares.
    pub text: Option<Arc<Text>>,
    /// The client's messages, as far as they are kept.
    pub body: Vec<u8>,
    pub answer: Answer,
    /// It is known which transaction it was of.
    pub settled: bool,
    /// Its answer was given up.
    pub given_up: bool,
    /// For a request that was not captured: the rows before it.
    unseen: Option<u32>,
}

/// What the server has said.
#[derive(Default)]
pub(in crate::dissect) struct Answer {
    first_at: Option<TraceNs>,
    last_at: Option<TraceNs>,
    kept: Vec<u8>,
    digest: Option<Box<Xxh3>>,
    rows: Option<u64>,
    status: Option<(Name, bool)>,
}

impl Answer {
    pub fn is_there(&self) -> bool {
        self.first_at.is_some()
    }

    pub fn has_status(&self) -> bool {
        self.status.is_some()
    }

    /// Takes in bytes that are the same whenever the answer is.
    pub fn digest(&mut self, bytes: &[u8]) {
        self.digest.get_or_insert_default().update(bytes);
    }

    /// So many rows more were read or written.
    pub fn count(&mut self, rows: u64) {
        self.rows = Some(self.rows.unwrap_or(0).saturating_add(rows));
    }

    /// What became of it; a failure stays.
    pub fn note_status(&mut self, status: Name, ok: bool) {
        if self.status.as_ref().is_none_or(|(_, before)| *before) {
            self.status = Some((status, ok));
        }
    }
}

impl<X> Pending<X> {
    pub fn new(row: Exchange, own: X) -> Self {
        let (body, answer) = (Vec::new(), Answer::default());
        Self { row, own, text: None, body, answer, settled: false, given_up: false, unseen: None }
    }

    /// Bytes in memory that grow with what was sent.
    pub fn held_bytes(&self) -> usize {
        self.body.len() + self.answer.kept.len()
    }

    /// Keeps a part of the client's messages as far as `bytes_max` allows.
    pub fn keep(&mut self, part: &[u8], bytes_max: usize) {
        let room = bytes_max.saturating_sub(self.body.len());
        self.body.extend_from_slice(&part[..part.len().min(room)]);
        if room < part.len() {
            self.cut(Flag::Truncated);
        }
    }

    /// The client's side is not whole, and cannot be sent again.
    pub fn cut(&mut self, flag: Flag) {
        self.row.flags.set(flag);
        self.row.flags.set(Flag::Unreplayable);
    }

    /// Bytes from a message of one side on were missed: of itself as many, unless the hole goes past its end.
    pub fn missed(&mut self, side: Side, hole: Hole, missing_bytes: u64) {
        let missing_bytes = if matches!(hole, Hole::Past | Hole::Lost) { 0 } else { missing_bytes };
        match side {
            Side::Client => {
                self.row.request_bytes += missing_bytes;
                self.cut(Flag::Gap);
            }
            Side::Server => {
                self.row.response_bytes += missing_bytes;
                self.row.flags.set(Flag::Gap);
            }
        }
    }

    /// So many bytes of the answer came, of a message whose first was captured `started`.
    pub fn answered(&mut self, wire_bytes: u64, started: TraceNs, at: TraceNs) {
        self.answer.first_at.get_or_insert(started);
        self.answer.last_at = Some(at);
        self.row.response_bytes += wire_bytes;
    }

    /// Keeps a part of the server's messages, if the user wants them; `head` appends what stands before it.
    pub fn keep_answer(&mut self, options: &Options, head: impl FnOnce(&mut Vec<u8>), part: &[u8]) {
        if options.keep_responses && self.answer.kept.len() < options.body_bytes_max {
            head(&mut self.answer.kept);
            let room = options.body_bytes_max.saturating_sub(self.answer.kept.len());
            self.answer.kept.extend_from_slice(&part[..part.len().min(room)]);
        }
    }

    /// The finished row; `database` is what it addresses where it names nothing else.
    pub fn finish(self, database: &Name) -> Exchange {
        let Self { mut row, body, answer, given_up, .. } = self;
        if row.collection.is_empty() {
            row.collection = database.clone();
        }
        row.request = (!body.is_empty()).then(|| Bytes::from(body));
        if let Some(first_at) = answer.first_at {
            note_answer(&mut row, first_at, answer.last_at.filter(|_| !given_up));
        }
        row.items = u32::try_from(answer.rows.unwrap_or(0)).unwrap_or(u32::MAX);
        (row.status, row.ok) = answer.status.unzip();
        let whole = !given_up && !row.flags.has(Flag::Gap);
        row.answer_hash = answer.digest.filter(|_| whole).map(|digest| digest.digest());
        row.response = (!answer.kept.is_empty()).then(|| Bytes::from(answer.kept));
        row
    }
}

/// Requests in the order in which they were sent, numbered from 0.
pub(in crate::dissect) struct Queue<X> {
    pending: VecDeque<Pending<X>>,
    /// The number of the first of them.
    first: u64,
    held_bytes: usize,
    /// The requests below this number are flagged already as what bytes of answers were missed of.
    lossy_to: u64,
}

impl<X> Default for Queue<X> {
    fn default() -> Self {
        Self { pending: VecDeque::new(), first: 0, held_bytes: 0, lossy_to: 0 }
    }
}

impl<X> Queue<X> {
    pub fn push(&mut self, request: Pending<X>) {
        self.held_bytes += request.held_bytes();
        self.pending.push_back(request);
    }

    /// Messages of one side were not captured, as was found `at`: of the server some bytes of answers, whichever; of the client a request, which
    /// is put in its place unless there is one already. Whether it was.
    pub fn lose(&mut self, side: Side, about: &Connection, at: TraceNs, own: impl FnOnce() -> X) -> bool {
        if side == Side::Server {
            self.lose_answers();
        }
        let is_new = side == Side::Client && self.pending.back().is_none_or(|last| last.unseen.is_none());
        if is_new {
            let row = Exchange { at, ..Exchange::default() };
            self.push(Pending { unseen: Some(about.rows), ..Pending::new(row, own()) });
        }
        is_new
    }

    /// The number that the next request has.
    pub fn next_number(&self) -> u64 {
        self.first + self.pending.len() as u64
    }

    /// The number of the oldest request.
    pub fn first(&self) -> u64 {
        self.first
    }

    pub fn is_full(&self) -> bool {
        self.pending.len() > PENDING_MAX || self.held_bytes > PENDING_BYTES_MAX
    }

    /// Lets a request take something in; `None` where there is no such request.
    pub fn with<T>(&mut self, number: Option<u64>, act: impl FnOnce(&mut Pending<X>) -> T) -> Option<T> {
        let place = usize::try_from(number?.checked_sub(self.first)?).ok()?;
        let request = self.pending.get_mut(place)?;
        let before = request.held_bytes();
        let result = act(request);
        self.held_bytes = self.held_bytes + request.held_bytes() - before;
        Some(result)
    }

    /// The requests up to a number.
    pub fn up_to(&mut self, number: u64) -> impl Iterator<Item = &mut Pending<X>> {
        let count = usize::try_from((number + 1).saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.pending.iter_mut().take(count)
    }

    /// Takes the oldest request out.
    pub fn pop(&mut self) -> Option<Pending<X>> {
        let request = self.pending.pop_front()?;
        self.held_bytes -= request.held_bytes();
        self.first += 1;
        Some(request)
    }

    /// Takes the oldest request out if it is below `open_from`, and `ready`; or if it was given up.
    pub fn pop_over(&mut self, open_from: u64, ready: impl FnOnce(&Pending<X>) -> bool) -> Option<Pending<X>> {
        let front = self.pending.front().filter(|_| self.first < open_from)?;
        if front.given_up || front.unseen.is_some() || ready(front) { self.pop() } else { None }
    }

    /// Takes out the requests up to a number; answers to those from `open_from` on are not awaited any more. `lossy` says that these may not
    /// have been captured.
    pub fn give_up(&mut self, open_from: u64, number: u64, lossy: bool) -> Vec<Pending<X>> {
        let first = self.first;
        for (request, own) in self.up_to(number).zip(first..) {
            if own >= open_from {
                request.given_up = true;
                if lossy {
                    request.row.flags.set(Flag::Gap);
                }
            }
        }
        std::iter::from_fn(|| (self.first <= number).then(|| self.pop()).flatten()).collect()
    }

    /// Takes all requests out, since nothing more will come: what has no whole answer is flagged, `open` if it has begun.
    pub fn close(&mut self, open_from: u64, lossy: bool) -> Vec<Pending<X>> {
        let open = usize::try_from(open_from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        for request in self.pending.iter_mut().skip(open) {
            request.given_up = true;
            if request.answer.is_there() {
                request.row.flags.set(Flag::Open);
            } else if lossy {
                request.row.flags.set(Flag::Gap);
            }
        }
        std::iter::from_fn(|| self.pop()).collect()
    }

    /// Some bytes of answers were missed, whichever.
    pub fn lose_answers(&mut self) {
        let flagged = usize::try_from(self.lossy_to.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.pending.iter_mut().skip(flagged).for_each(|request| request.row.flags.set(Flag::Gap));
        self.lossy_to = self.next_number();
    }
}

/// Counts a request as lost if it was not captured, and gives it to `finish` otherwise.
pub(in crate::dissect) fn give_back<X>(
    request: Pending<X>,
    about: &Connection,
    out: &mut Emit,
    finish: impl FnOnce(Pending<X>, &mut Emit) -> Exchange,
) {
    match request.unseen {
        Some(rows_before) => out.lose(about, rows_before, request.row.at),
        None => {
            let row = finish(request, out);
            out.push(about, row);
        }
    }
}
