//! HTTP/1.0 and HTTP/1.1: pairs what [`wire::http1`] reads from both sides into exchanges, and bridges what was not captured.

pub(super) mod answer;
pub(super) mod request;

use std::collections::VecDeque;

use trace::{Flag, TraceNs};
use wire::Side;
use wire::http1::{
    ClientEvent, Conversation, Ending, Event, Hole, Malformed, OUTSTANDING_MAX, Oddities, ResponseHead, ServerEvent, Step,
    find_start,
};

use super::{Connection, Dissector, Emit, Handover, Options, Probe, Protocol, Upgrade, header, read_on};
use answer::Answer;
use request::Pending;

/// HTTP/1.x.
pub const PROTOCOL: Protocol = Protocol {
    name: "http",
    ports: &[80, 3000, 3128, 5000, 6333, 8000, 8008, 8080, 8081, 8888, 9200, 19530],
    upgrades: &[],
    probe,
    open: |about, options| Box::new(Http1::new(about, options)),
};

/// Bytes of one side that wait for what follows them or for the other side's answer.
const HELD_BYTES_MAX: usize = 1 << 20;
/// Bytes of request bodies of one connection that wait for answers; past it the oldest request is given back without one.
const PENDING_BYTES_MAX: usize = 64 << 20;
/// Bytes of a request line that are looked at to tell whether it is one.
const PROBE_LINE_BYTES_MAX: usize = 8 << 10;

/// The server's first bytes are sure; a client's first line is sure when it ends in a version; any other printable line is left to what
/// the server says to it: for `GET /path` alone that may be HTML, as in HTTP/0.9.
fn probe(client: &[u8], server: &[u8]) -> Probe {
    if client.starts_with(b"GET /") && server.starts_with(b"<") {
        return Probe::Yes;
    }
    match (probe_server(server), probe_client(client)) {
        (Probe::Yes, _) | (_, Probe::Yes) => Probe::Yes,
        (Probe::No, _) | (_, Probe::No) => Probe::No,
        (Probe::More, Probe::More) => Probe::More,
    }
}

fn probe_server(bytes: &[u8]) -> Probe {
    match bytes.strip_prefix(b"HTTP/1.") {
        Some([b'0'..=b'9', b' ', ..]) => Probe::Yes,
        Some([] | [b'0'..=b'9']) => Probe::More,
        None if b"HTTP/1.".starts_with(bytes) => Probe::More,
        _ => Probe::No,
    }
}

fn probe_client(bytes: &[u8]) -> Probe {
    let line = bytes.trim_ascii_start();
    let line = &line[..line.len().min(PROBE_LINE_BYTES_MAX)];
    let end = memchr::memchr(b'\n', line);
    let line = line[..end.unwrap_or(line.len())].trim_ascii_end();
    if line.iter().any(|byte| *byte < 0x20 || *byte == 0x7f) {
        return Probe::No;
    }
    match line.rsplit(|byte| *byte == b' ').next() {
        Some([b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0'..=b'9']) if end.is_some() => Probe::Yes,
        Some([b'H', b'T', b'T', b'P', b'/', b'2'..=b'9', ..]) => Probe::No,
        _ => Probe::More,
    }
}

/// Where one side stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Messages are read.
    Framed,
    /// The start of a message is looked for.
    Searching,
    /// Nothing more can be read.
    Dead,
}

/// What is known of one side.
struct Stream {
    mode: Mode,
    /// Bytes that were shown and not used.
    held: Vec<u8>,
    /// When the first byte of the message under way was captured.
    started: Option<TraceNs>,
    /// Bytes of the message under way, on the wire.
    message_bytes: u64,
    in_message: bool,
    ended: bool,
}

impl Stream {
    fn new(from_start: bool) -> Self {
        let mode = if from_start { Mode::Framed } else { Mode::Searching };
        Self { mode, held: Vec::new(), started: None, message_bytes: 0, in_message: false, ended: false }
    }

    /// The message is over; its size on the wire.
    fn finish_message(&mut self) -> u64 {
        self.in_message = false;
        self.started = None;
        std::mem::take(&mut self.message_bytes)
    }
}

/// Where a message should begin and none does, one byte is passed over, so that the search for the next one gets on.
fn passed_over<Head>(event: &Option<Event<'_, Head>>, in_message: bool, out: &mut Emit) -> usize {
    let passed = usize::from(!in_message && matches!(event, Some(Event::Malformed(_))));
    out.undecoded_bytes += passed as u64;
    passed
}

struct Http1 {
    about: Connection,
    options: Options,
    talk: Conversation,
    client: Stream,
    server: Stream,
    /// Requests without a complete answer, in order: one for each that `talk` waits for. Only the last may still be under way; if that
    /// one is answered already it is the only one, and `talk` no longer waits for it.
    pending: VecDeque<Pending>,
    pending_bytes: usize,
    /// The answer under way.
    answer: Option<Answer>,
    /// What a 101 or a successful CONNECT made of the connection, and what was shown of it already; until it is handed over.
    next: Option<Next>,
    /// Whether requests were ever sent before the answer to the one before them had come.
    pipelined: bool,
    /// Answers were missed: which request the next one belongs to has to be found out.
    lost: Option<Lost>,
}

/// What comes after HTTP on a connection.
#[derive(Default)]
struct Next {
    /// As HTTP's Upgrade header names it, in small letters; empty for what a CONNECT leads to.
    to: String,
    rest: [Vec<u8>; 2],
}

/// Answers that were missed.
#[derive(Debug, Clone, Copy, Default)]
struct Lost {
    /// So many, or more.
    at_least: usize,
    /// Because they were not captured, rather than not to be read.
    hole: bool,
}

impl Dissector for Http1 {
    fn bytes(&mut self, side: Side, at: TraceNs, bytes: &[u8], out: &mut Emit) {
        self.take(side, at, bytes, out);
        // An answer may free what the other side sent early.
        if side == Side::Server && !self.client.held.is_empty() {
            self.take(Side::Client, at, &[], out);
        }
        if let Some(Next { to, rest }) = self.next.take() {
            let upgrade = self.about.upgrade.take();
            out.hand_over(Handover { about: Connection { upgrade, ..self.about.clone() }, to, rest });
        }
    }

    fn gap(&mut self, side: Side, at: TraceNs, missing_bytes: u64, out: &mut Emit) {
        self.drop_held(side, out);
        match side {
            Side::Client => self.client_gap(at, missing_bytes, out),
            Side::Server => self.server_gap(missing_bytes, out),
        }
    }

    fn end(&mut self, side: Side, at: TraceNs, out: &mut Emit) {
        if std::mem::replace(&mut self.stream(side).ended, true) {
            return;
        }
        self.drop_held(side, out);
        let ending = self.talk.closed(side);
        match (side, ending) {
            (Side::Client, Ending::CutShort) => self.end_request(Some(Flag::Truncated), out),
            (Side::Server, Ending::Finished) => self.end_answer(Some(at), None, out),
            (Side::Server, Ending::CutShort) => self.end_answer(None, Some(Flag::Truncated), out),
            (_, Ending::Between | Ending::Finished) => {}
        }
    }

    fn finish(&mut self, _at: TraceNs, out: &mut Emit) {
        for side in [Side::Client, Side::Server] {
            self.drop_held(side, out);
        }
        if self.client.in_message {
            self.end_request(Some(Flag::Open), out);
        }
        if self.server.in_message {
            self.end_answer(None, Some(Flag::Open), out);
        }
        let hole = self.lost.is_some_and(|lost| lost.hole);
        while !self.pending.is_empty() {
            self.give_up_oldest(hole, out);
        }
        // A request that ended only with its side of the connection.
        if let Some(upgrade) = self.about.upgrade.take() {
            out.push(&self.about, upgrade.exchange);
        }
    }
}

impl Http1 {
    fn new(about: &Connection, options: &Options) -> Self {
        Self {
            about: about.clone(),
            options: options.clone(),
            talk: Conversation::new(),
            client: Stream::new(about.from_start),
            server: Stream::new(about.from_start),
            pending: VecDeque::new(),
            pending_bytes: 0,
            answer: None,
            next: None,
            pipelined: false,
            lost: None,
        }
    }

    fn stream(&mut self, side: Side) -> &mut Stream {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    fn issue(&self, kind: &str, out: &mut Emit) {
        self.about.issue(kind, out);
    }

    fn odd(&self, oddities: Oddities, out: &mut Emit) {
        for oddity in oddities.iter() {
            self.issue(oddity.name(), out);
        }
    }

    /// Reads what one side held back together with `bytes`, and holds back what is not used.
    fn take(&mut self, side: Side, at: TraceNs, bytes: &[u8], out: &mut Emit) {
        let mut held = std::mem::take(&mut self.stream(side).held);
        read_on(&mut held, bytes, |bytes| self.read(side, at, bytes, out));
        let stream = self.stream(side);
        if held.is_empty() && !stream.in_message {
            stream.finish_message();
        }
        stream.held = held;
        if self.stream(side).held.len() > HELD_BYTES_MAX {
            self.issue("http-held-bytes-limit", out);
            self.drop_held(side, out);
            self.stream(side).mode = Mode::Dead;
        }
    }

    /// Reads the front of `bytes` as far as it can be understood; the number of bytes that are done with.
    fn read(&mut self, side: Side, at: TraceNs, bytes: &[u8], out: &mut Emit) -> usize {
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            let (step_used, goes_on) = match self.stream(side).mode {
                Mode::Dead => {
                    out.undecoded_bytes += rest.len() as u64;
                    return bytes.len();
                }
                Mode::Searching => self.search(side, at, rest, out),
                Mode::Framed => self.step(side, at, rest, out),
            };
            used += step_used;
            if !goes_on {
                return used;
            }
        }
    }

    fn search(&mut self, side: Side, at: TraceNs, bytes: &[u8], out: &mut Emit) -> (usize, bool) {
        let (skipped, found) = out.pass_over(find_start(side, bytes));
        if found {
            self.talk.restart(side);
            self.stream(side).mode = Mode::Framed;
        }
        // Before the head is read, since its framing depends on the request that it answers.
        if found
            && side == Side::Server
            && let Some(lost) = self.lost.take()
        {
            self.give_up_lost(lost, at, out);
        }
        (skipped, found)
    }

    /// One step of framing; the number of bytes used, and whether there may be another step.
    fn step(&mut self, side: Side, at: TraceNs, bytes: &[u8], out: &mut Emit) -> (usize, bool) {
        if !bytes.is_empty() {
            self.stream(side).started.get_or_insert(at);
        }
        match side {
            Side::Client => {
                self.keep_limits(out);
                let Step { used, event } = self.talk.client(bytes);
                self.client.message_bytes += used as u64;
                let passed = passed_over(&event, self.client.in_message, out);
                let goes_on = event.is_some();
                event.into_iter().for_each(|event| self.on_client(event, out));
                (used + passed, goes_on)
            }
            Side::Server => {
                let Step { used, event } = self.talk.server(bytes);
                self.server.message_bytes += used as u64;
                let passed = passed_over(&event, self.server.in_message, out);
                let goes_on = event.is_some();
                event.into_iter().for_each(|event| self.on_server(event, at, out));
                (used + passed, goes_on)
            }
        }
    }

    fn keep_limits(&mut self, out: &mut Emit) {
        while self.pending.len() > 1 && (self.talk.outstanding() >= OUTSTANDING_MAX || self.pending_bytes > PENDING_BYTES_MAX) {
            self.issue("http-outstanding-limit", out);
            self.give_up_oldest(false, out);
        }
    }

    fn on_client(&mut self, event: ClientEvent<'_>, out: &mut Emit) {
        match event {
            Event::Head(head) => {
                self.client.in_message = true;
                self.odd(head.odd, out);
                let is_seen = |request: &Pending| request.rows_before_unseen().is_none();
                self.pipelined |= self.pending.iter().any(is_seen) && self.lost.is_none();
                if !self.pipelined {
                    self.give_up_unseen(out);
                }
                let at = self.client.started.unwrap_or_default();
                self.pending.push_back(Pending::begin(&mut self.about, at, &head, out));
            }
            Event::Body(part) => {
                if let Some(request) = self.pending.back_mut() {
                    self.pending_bytes += request.body(part, self.options.body_bytes_max);
                }
            }
            Event::End => self.end_request(None, out),
            Event::Tunnel(part) => self.tunnel(Side::Client, part, out),
            Event::Malformed(fault) => self.malformed_request(fault, out),
        }
    }

    fn on_server(&mut self, event: ServerEvent<'_>, at: TraceNs, out: &mut Emit) {
        match event {
            Event::Head(head) => self.begin_answer(&head, out),
            Event::Body(part) => {
                if let Some(answer) = &mut self.answer {
                    answer.body(part);
                }
            }
            Event::End => self.end_answer(Some(at), None, out),
            Event::Tunnel(part) => self.tunnel(Side::Server, part, out),
            Event::Malformed(fault) => self.malformed_answer(fault, out),
        }
    }

    /// Bytes of the next protocol; nobody's where the request that led to it has not ended.
    fn tunnel(&mut self, side: Side, part: &[u8], out: &mut Emit) {
        self.stream(side).finish_message();
        match &mut self.next {
            Some(next) => next.rest[side as usize].extend_from_slice(part),
            None => out.undecoded_bytes += part.len() as u64,
        }
    }

    /// The request under way is over; `flag` says what is wrong with it, if anything.
    fn end_request(&mut self, flag: Option<Flag>, out: &mut Emit) {
        let wire_bytes = self.client.finish_message();
        let Some(request) = self.pending.back_mut() else { return };
        request.end(wire_bytes, flag, &self.options.rules, out);
        if request.is_answered() {
            self.emit_oldest(out);
        }
    }

    /// A request's framing cannot be trusted any more, and a server that follows RFC 9112 §6.3 closes the connection: what a client
    /// sends behind it is not read, whatever it looks like. Garbage between messages is passed over.
    fn malformed_request(&mut self, fault: Malformed, out: &mut Emit) {
        let (session, seq) = (self.about.session, self.about.rows);
        out.issues.add("http-malformed-request", || format!("connection {session}, request {seq}: {}", fault.what));
        if self.client.in_message {
            self.end_request(Some(Flag::Truncated), out);
            self.client.mode = Mode::Dead;
        } else {
            self.client.finish_message();
            self.client.mode = Mode::Searching;
        }
    }

    fn malformed_answer(&mut self, fault: Malformed, out: &mut Emit) {
        let (session, seq) = (self.about.session, self.about.rows);
        out.issues.add("http-malformed-response", || format!("connection {session}, request {seq}: {}", fault.what));
        if self.server.in_message {
            self.end_answer(None, Some(Flag::Truncated), out);
        } else {
            self.server.finish_message();
            self.lost.get_or_insert_default();
        }
        self.server.mode = Mode::Searching;
    }

    fn begin_answer(&mut self, head: &ResponseHead<'_>, out: &mut Emit) {
        self.server.in_message = true;
        self.odd(head.odd, out);
        let at = self.server.started.unwrap_or_default();
        let read = self.pending.front().is_some_and(|request| request.reads_answer(&self.options.rules));
        let answer = Answer::begin(head, at, read || self.options.keep_responses, std::mem::take(&mut out.room));
        self.answer = Some(if self.talk.is_tunnel() { answer.changing_protocol(head, &mut out.names) } else { answer });
    }

    /// Requests whose answers were missed are given back, so that the oldest one left is that of the answer that begins `at`. A client
    /// that waits for each answer has sent nothing else since the one before, whatever the times of packets captured out of order say; one
    /// that pipelines has at least so many fewer to come.
    fn give_up_lost(&mut self, lost: Lost, at: TraceNs, out: &mut Emit) {
        let sent = || self.pending.iter().take_while(|request| request.at() <= at).count();
        let count = if self.pipelined { lost.at_least.min(sent()) } else { self.pending.len().saturating_sub(1) };
        for _ in 0..count {
            self.issue("http-response-lost", out);
            self.give_up_oldest(lost.hole, out);
        }
    }

    /// The answer under way is over: at `done_at` if its last byte was seen, with `flag` if something is wrong with it.
    fn end_answer(&mut self, done_at: Option<TraceNs>, flag: Option<Flag>, out: &mut Emit) {
        let wire_bytes = self.server.finish_message();
        let Some(answer) = self.answer.take() else { return };
        let Some(request) = self.pending.front_mut().filter(|request| !request.is_answered()) else {
            self.issue("http-response-without-request", out);
            out.undecoded_bytes += wire_bytes;
            return;
        };
        if answer.is_informational() {
            return request.interim(wire_bytes);
        }
        let unseen = request.rows_before_unseen().is_some();
        if let Some(flag) = flag {
            request.flag(flag);
            // The conversation has not seen the answer end.
            self.talk.forget_oldest();
        }
        request.answered(answer, wire_bytes, done_at, &self.options, out);
        if request.is_ended() {
            self.emit_oldest(out);
        }
        if unseen {
            self.issue("http-response-without-request", out);
            out.undecoded_bytes += wire_bytes;
        }
    }

    fn client_gap(&mut self, at: TraceNs, missing_bytes: u64, out: &mut Emit) {
        match self.talk.skip(Side::Client, missing_bytes) {
            Hole::Inside if self.client.in_message => {
                self.client.message_bytes += missing_bytes;
                if let Some(request) = self.pending.back_mut() {
                    request.flag(Flag::Gap);
                    request.flag(Flag::Unreplayable);
                }
            }
            Hole::Inside => {}
            Hole::ToEnd => {
                self.client.message_bytes += missing_bytes;
                self.end_request(Some(Flag::Gap), out);
            }
            hole @ (Hole::Past | Hole::Lost) => {
                self.issue("http-request-bytes-lost", out);
                let head_is_lost = hole == Hole::Past || !self.client.in_message;
                if self.client.in_message {
                    self.end_request(Some(Flag::Gap), out);
                }
                if head_is_lost {
                    self.expect_unseen(at);
                }
                self.client.finish_message();
                self.client.mode = Mode::Searching;
            }
        }
    }

    /// A head lies in a hole: the answer to its request will come, and is not that of the next one. Another hole before that is one in
    /// the same request.
    fn expect_unseen(&mut self, at: TraceNs) {
        let same = self.pending.back().is_some_and(|request| request.rows_before_unseen().is_some());
        if !(same && self.client.mode == Mode::Searching) && self.talk.note_request(b"") {
            self.pending.push_back(Pending::unseen(&self.about, at));
        }
    }

    /// A client that waits for each answer has sent something else: what was expected for requests in holes does not come any more.
    fn give_up_unseen(&mut self, out: &mut Emit) {
        while self.pending.front().is_some_and(|request| request.rows_before_unseen().is_some()) {
            self.give_up_oldest(false, out);
        }
    }

    fn server_gap(&mut self, missing_bytes: u64, out: &mut Emit) {
        let in_message = self.server.in_message;
        if let Some(answer) = self.answer.as_mut().filter(|_| in_message) {
            answer.gap();
        }
        match self.talk.skip(Side::Server, missing_bytes) {
            Hole::Inside if in_message => self.server.message_bytes += missing_bytes,
            Hole::Inside => {}
            Hole::ToEnd => {
                self.server.message_bytes += missing_bytes;
                self.end_answer(None, None, out);
            }
            hole @ (Hole::Past | Hole::Lost) => {
                self.issue("http-response-bytes-lost", out);
                if in_message {
                    self.end_answer(None, Some(Flag::Gap), out);
                }
                self.server.finish_message();
                self.server.mode = Mode::Searching;
                let at_least = usize::from(hole == Hole::Past || !in_message);
                let before = self.lost.map_or(0, |lost| lost.at_least);
                self.lost = Some(Lost { at_least: before + at_least, hole: true });
            }
        }
    }

    /// Gives the oldest request back without an answer, which may be missing from the capture.
    fn give_up_oldest(&mut self, hole: bool, out: &mut Emit) {
        self.talk.forget_oldest();
        if let Some(request) = self.pending.front_mut().filter(|_| hole) {
            request.flag(Flag::Gap);
        }
        self.emit_oldest(out);
    }

    fn emit_oldest(&mut self, out: &mut Emit) {
        let Some(request) = self.pending.pop_front() else { return };
        self.pending_bytes -= request.body_bytes();
        if let Some(rows_before) = request.rows_before_unseen() {
            return out.lose(&self.about, rows_before, request.at());
        }
        match request.finish() {
            (exchange, None) => out.push(&self.about, exchange),
            (exchange, Some(answer_headers)) => {
                let upgrade = header(&answer_headers, "upgrade").unwrap_or_default();
                let to = String::from_utf8_lossy(upgrade).to_ascii_lowercase();
                self.next = Some(Next { to, rest: Default::default() });
                self.about.upgrade = Some(Box::new(Upgrade { exchange, answer_headers }));
            }
        }
    }

    /// Throws away what one side held back: what follows it will not come.
    fn drop_held(&mut self, side: Side, out: &mut Emit) {
        let held = std::mem::take(&mut self.stream(side).held);
        out.undecoded_bytes += held.len() as u64;
        if !held.is_empty() && self.stream(side).mode == Mode::Framed {
            self.issue("http-message-cut", out);
        }
    }
}

#[cfg(test)]
mod tests;
