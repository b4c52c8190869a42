//! PostgreSQL: makes a row of each request that [`wire::postgres`] tells apart.
//!
//! A row is a simple query, an Execute with the messages that lead to it, a preparation without one (flagged `setup`), a start of a session
//! with all that it took to say who one is (flagged `setup`, with what the server said in `yields`), a request to cancel, or, of kind `push`,
//! a message that the server sent unasked. `request` holds the client's messages as they were sent, but for secrets. Which transaction a
//! row is of is known with the next ReadyForQuery, and until then rows wait.

mod row;

use std::sync::Arc;

use trace::rules::sql::Dialect;
use trace::{Effect, Exchange, Flag, Kind, Name, TraceNs};
use wire::Side;
use wire::postgres::{
    CANCEL, Conversation, Event, GSS_REQUEST, OUTSTANDING_MAX, Piece, SSL_REQUEST, STARTUP, bind, cut_text, error_field,
    find_start, is_chain, named, parse,
};
use wire::{Hole, Step};

use super::lanes::{Lane, Lanes};
use super::sql::{Queue, Statements, Text, Transactions, give_back};
use super::{Connection, Dissector, Emit, Handover, Options, Probe, Protocol, Upgrade, note_answer};
use row::{Asked, Pending};

/// PostgreSQL's protocol, version 3.
pub const PROTOCOL: Protocol = Protocol {
    name: "postgres",
    ports: &[5432, 5433, 6432, 26257],
    upgrades: &[],
    probe,
    open: |about, options| Box::new(Postgres::new(about, options)),
};

/// Bytes of one side that wait for what follows them.
const HELD_BYTES_MAX: usize = 2 << 20;
/// Bytes of a short message that are looked into.
const CONTENT_BYTES_MAX: usize = 64 << 10;

/// A client's first message is sure; of a connection that was going already, so are whole messages with a query or its end among them.
fn probe(client: &[u8], server: &[u8]) -> Probe {
    let begins = match client {
        [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f | 0x30, ..] | [0, 0, 0 | 1, _, 4, 0xd2, 0x16, 0x2e, ..] => true,
        [0, 0, 0..=0x27, _, 0, 3, 0, minor, rest @ ..] => {
            *minor <= 9 && rest.first().is_none_or(|byte| (*byte as char).is_ascii_graphic())
        }
        _ => false,
    };
    let goes_on = || match (client, server) {
        ([], []) => false,
        (client, []) => is_chain(Side::Client, client),
        ([], server) => is_chain(Side::Server, server),
        (client, server) => is_chain(Side::Client, client) && is_chain(Side::Server, server),
    };
    let too_short = client.len() < 8 && server.is_empty() && client.first().is_none_or(|first| *first == 0);
    match () {
        () if begins || goes_on() => Probe::Yes,
        () if too_short => Probe::More,
        () => Probe::No,
    }
}

/// What is known of one side.
#[derive(Default)]
struct Half {
    lane: Lane,
    /// The message under way, and the front of its content.
    message: Option<u8>,
    request: Option<u64>,
    content: Vec<u8>,
}

struct Postgres {
    about: Connection,
    options: Options,
    talk: Conversation,
    halves: [Half; 2],
    queue: Queue<Asked>,
    statements: Statements<Box<[u8]>>,
    portals: Statements<Box<[u8]>>,
    transactions: Transactions,
    /// What rows address that name no table.
    database: Name,
    /// A message that the server sent unasked.
    push: Option<Exchange>,
    /// Requests were sent before the answer to those before them had come.
    pipelined: bool,
    /// Bytes of the connection were not captured: of the client, of any side.
    client_lossy: bool,
    lossy: bool,
    /// What the connection goes on as, and what was shown of it already.
    next: Option<Box<Handover>>,
}

impl Dissector for Postgres {
    fn bytes(&mut self, side: Side, at: TraceNs, bytes: &[u8], out: &mut Emit) {
        self.show(side, at, bytes, out);
        if let Some(mut next) = self.next.take() {
            next.rest[0].extend(std::mem::take(&mut self.halves[0].lane.held));
            out.hand_over(*next);
        }
    }

    fn gap(&mut self, side: Side, at: TraceNs, missing_bytes: u64, out: &mut Emit) {
        self.drop_held(side, out);
        self.lossy = true;
        self.client_lossy |= side == Side::Client;
        let hole = self.talk.skip(side, missing_bytes);
        self.on_message(side, |request| request.missed(side, hole, missing_bytes));
        if let Some(row) = self.push.as_mut().filter(|_| side == Side::Server) {
            row.flags.set(Flag::Gap);
            row.response_bytes += if matches!(hole, Hole::Inside | Hole::ToEnd) { missing_bytes } else { 0 };
        }
        match hole {
            Hole::ToEnd => self.message_over(side, at, out),
            Hole::Inside => {}
            Hole::Past | Hole::Lost => {
                self.issue("postgres-messages-lost", out);
                if side == Side::Server {
                    self.end_push(None, out);
                }
                self.lose(side, at);
            }
        }
        self.release(out);
    }

    fn end(&mut self, side: Side, _at: TraceNs, out: &mut Emit) {
        if self.close(side, out) && side == Side::Client {
            self.on_message(Side::Client, |request| request.cut(Flag::Truncated));
        }
    }

    fn finish(&mut self, _at: TraceNs, out: &mut Emit) {
        for side in [Side::Client, Side::Server] {
            self.drop_held(side, out);
        }
        self.on_message(Side::Client, |request| request.cut(Flag::Open));
        self.end_push(None, out);
        for request in self.queue.close(self.talk.oldest_open(), self.lossy) {
            self.give_back(request, out);
        }
    }
}

impl Lanes for Postgres {
    const HELD_BYTES_MAX: usize = HELD_BYTES_MAX;
    const ISSUES: [&'static str; 2] = ["postgres-held-bytes-limit", "postgres-message-cut"];

    fn lane(&mut self, side: Side) -> &mut Lane {
        &mut self.halves[side as usize].lane
    }

    fn issue(&self, kind: &str, out: &mut Emit) {
        self.about.issue(kind, out);
    }

    fn search(&mut self, side: Side, bytes: &[u8], out: &mut Emit) -> (usize, bool) {
        let (skipped, found) = out.pass_over(find_start(side, bytes));
        if found {
            self.talk.restart(side);
        }
        (skipped, found)
    }

    fn step(&mut self, side: Side, at: TraceNs, bytes: &[u8], out: &mut Emit) -> (usize, bool) {
        if let Some(next) = &mut self.next {
            next.rest[side as usize].extend_from_slice(bytes);
            return (bytes.len(), false);
        }
        let waited = side == Side::Client && self.talk.waits();
        let Step { used, event } = self.talk.read(side, bytes);
        match event {
            None => (used, false),
            Some(Event::Piece(piece)) => {
                self.piece(side, at, &piece, waited, out);
                (used, true)
            }
            Some(Event::Malformed(fault)) => {
                let session = self.about.session;
                out.issues.add("postgres-malformed-message", || format!("connection {session}: {}", fault.what));
                // One byte is passed over, so that the search for the next message gets on.
                out.undecoded_bytes += 1;
                (self.lane(side).searching, self.lossy) = (true, true);
                (used + 1, true)
            }
        }
    }
}

impl Postgres {
    fn new(about: &Connection, options: &Options) -> Self {
        let half = || Half { lane: Lane::new(about.from_start), ..Half::default() };
        Self {
            about: about.clone(),
            options: options.clone(),
            talk: if about.from_start { Conversation::new() } else { Conversation::joined_late() },
            halves: [half(), half()],
            queue: Queue::default(),
            statements: Statements::default(),
            portals: Statements::default(),
            transactions: Transactions::default(),
            database: Name::from(PROTOCOL.name),
            push: None,
            pipelined: false,
            client_lossy: false,
            lossy: !about.from_start,
            next: None,
        }
    }

    /// Does something with the request whose message is under way on one side.
    fn on_message(&mut self, side: Side, act: impl FnOnce(&mut Pending)) {
        let half = &self.halves[side as usize];
        self.queue.with(half.message.and(half.request), act);
    }

    fn piece(&mut self, side: Side, at: TraceNs, piece: &Piece<'_>, waited: bool, out: &mut Emit) {
        if piece.begins {
            self.begin(piece, waited, out);
        }
        let half = &mut self.halves[side as usize];
        let started = half.lane.started.unwrap_or(at);
        if piece.starts() {
            (half.message, half.request) = (Some(piece.tag), piece.request);
            half.content.clear();
        }
        let room = content_bytes_max(side, piece.tag, self.options.body_bytes_max).saturating_sub(half.content.len());
        half.content.extend_from_slice(&piece.part[..piece.part.len().min(room)]);
        match side {
            Side::Client => self.client_piece(piece, out),
            Side::Server => self.server_piece(piece, started, at, out),
        }
        if piece.end {
            self.message_over(side, at, out);
            self.keep_limits(out);
        }
    }

    fn begin(&mut self, piece: &Piece<'_>, waited: bool, out: &mut Emit) {
        if waited && self.lossy && !self.pipelined {
            // A client that waits for each answer has gone on: those before it will not come any more.
            self.give_up(self.queue.next_number() - 1, out);
        } else {
            self.pipelined |= waited;
        }
        let at = self.halves[0].lane.started.unwrap_or_default();
        // Nothing answers a request to cancel.
        let kind = if piece.tag == CANCEL { Kind::Message } else { Kind::Request };
        let row = self.row(kind, at, out);
        let session = Some(piece.tag).filter(|tag| *tag <= CANCEL);
        self.queue.push(Pending::new(row, Asked { session, ..Asked::default() }));
    }

    /// Gives up the oldest requests where too many wait, or one alone for too many answers.
    fn keep_limits(&mut self, out: &mut Emit) {
        while self.queue.is_full() || self.talk.outstanding() > OUTSTANDING_MAX {
            self.issue("postgres-outstanding-limit", out);
            self.give_up(self.queue.first(), out);
        }
    }

    fn row(&mut self, kind: Kind, at: TraceNs, out: &mut Emit) -> Exchange {
        let mut row = self.about.row(kind, at);
        row.protocol = out.names.get(PROTOCOL.name);
        row.version = out.names.get("3");
        row
    }

    fn client_piece(&mut self, piece: &Piece<'_>, out: &mut Emit) {
        let bytes_max = self.options.body_bytes_max;
        let known = self.queue.with(piece.request, |request| request.asked(piece, bytes_max));
        // A good-bye is of no request.
        if known.is_none() && piece.tag != b'X' {
            out.undecoded_bytes += piece.wire_bytes();
        }
    }

    fn server_piece(&mut self, piece: &Piece<'_>, started: TraceNs, at: TraceNs, out: &mut Emit) {
        let options = &self.options;
        if self.queue.with(piece.request, |request| request.said(piece, started, at, options)).is_some() {
            return;
        }
        if matches!(piece.tag, b'A' | b'N' | b'S' | b'E') {
            return self.push_piece(piece, started, out);
        }
        if piece.starts() {
            self.unasked(piece.tag, started, out);
        }
        out.undecoded_bytes += piece.wire_bytes();
    }

    /// An answer to what was not captured; with its end, there is one request more that was lost.
    fn unasked(&mut self, tag: u8, at: TraceNs, out: &mut Emit) {
        if tag == b'Z' {
            self.issue("postgres-answer-without-request", out);
            if self.client_lossy {
                out.lose(&self.about, self.about.rows, at);
            }
        }
    }

    /// One side's message is over.
    fn message_over(&mut self, side: Side, at: TraceNs, out: &mut Emit) {
        let half = &mut self.halves[side as usize];
        half.lane.started = None;
        let Some(tag) = half.message.take() else { return };
        let (content, request) = (std::mem::take(&mut half.content), half.request);
        match side {
            Side::Client => self.client_message(tag, &content, request, out),
            Side::Server => self.server_message(tag, &content, request, at, out),
        }
        self.halves[side as usize].content = content;
        self.release(out);
    }

    /// What a message of the client means for its row.
    fn client_message(&mut self, tag: u8, content: &[u8], number: Option<u64>, out: &mut Emit) {
        match tag {
            STARTUP | SSL_REQUEST | GSS_REQUEST | CANCEL => {
                let database = self.queue.with(number, |request| request.opens_session(tag, content, out));
                self.database = database.flatten().unwrap_or_else(|| self.database.clone());
            }
            b'Q' => {
                let sql = cut_text(content).map_or(content, |(sql, _)| sql);
                let text = self.named(sql, out);
                self.tell(number, &text, true);
            }
            b'P' => {
                let Some(parse) = parse(content) else { return };
                let text = self.named(parse.sql, out);
                self.tell(number, &text, false);
                if !self.statements.insert(parse.statement.into(), text) {
                    self.issue("postgres-statements-limit", out);
                }
            }
            b'B' => {
                let Some(bind) = bind(content) else { return };
                match self.statements.get(bind.statement).cloned() {
                    Some(text) => {
                        self.portals.insert(bind.portal.into(), text);
                    }
                    None => self.portals.remove(bind.portal),
                }
            }
            b'E' => {
                let portal = cut_text(content).map_or(content, |(portal, _)| portal);
                match self.portals.get(portal).cloned() {
                    Some(text) => self.tell(number, &text, true),
                    None => self.issue("postgres-unknown-statement", out),
                }
            }
            b'D' | b'C' => self.about_statement(tag, content, number),
            _ => {}
        }
    }

    /// What a text runs. Statements that SQL prepares and those that the protocol does have their names in common.
    fn named(&mut self, text: &[u8], out: &mut Emit) -> Arc<Text> {
        let (text, kept) = Text::named(text, Dialect::Postgres, &mut out.names, &mut self.statements);
        if !kept {
            self.issue("postgres-statements-limit", out);
        }
        text
    }

    /// Describe and Close.
    fn about_statement(&mut self, tag: u8, content: &[u8], number: Option<u64>) {
        let Some((kind, name)) = named(content) else { return };
        let known = if kind == b'S' { &mut self.statements } else { &mut self.portals };
        let text = known.get(name).cloned();
        if tag == b'C' {
            known.remove(name);
        } else if let Some(text) = text {
            self.tell(number, &text, false);
        }
    }

    fn tell(&mut self, number: Option<u64>, text: &Arc<Text>, runs: bool) {
        self.queue.with(number, |request| request.about(text, runs));
    }

    /// What a message of the server means for its row, and for others.
    fn server_message(&mut self, tag: u8, content: &[u8], number: Option<u64>, at: TraceNs, out: &mut Emit) {
        let heard = |request: &mut Pending| {
            request.heard(tag, content, &mut out.names);
            request.own.session
        };
        let Some(session) = self.queue.with(number, heard) else { return self.end_push(Some((tag, content, at)), out) };
        if let (Some(number), b'Z') = (number, tag) {
            self.settle(number, content);
        }
        let to = match (session, tag) {
            (Some(SSL_REQUEST), b'S') => "tls",
            (Some(GSS_REQUEST), b'G') => "",
            _ => return,
        };
        if let Some(request) = self.queue.pop() {
            let exchange = request.into_row(&self.database, &mut out.names);
            let upgrade = Some(Box::new(Upgrade { exchange, answer_headers: Vec::new() }));
            let about = Connection { upgrade, ..self.about.clone() };
            self.next = Some(Box::new(Handover { about, to: to.to_owned(), rest: Default::default() }));
        }
    }

    /// ReadyForQuery says which transaction the requests up to a number were of.
    fn settle(&mut self, number: u64, status: &[u8]) {
        let newly = self.queue.up_to(number).filter(|request| !request.settled && request.executes());
        let (rows, commits) = newly.fold((0, false), |(rows, commits), request| (rows + 1, commits || request.own.commits));
        let open = matches!(status, [b'T' | b'E', ..]);
        let txn = self.transactions.settle(self.about.session, rows, open, commits);
        for request in self.queue.up_to(number).filter(|request| !request.settled) {
            request.settled = true;
            request.row.txn = txn.clone().filter(|_| request.executes());
        }
    }

    /// Gives back what is over, in order.
    fn release(&mut self, out: &mut Emit) {
        let sending = self.halves[0].message.and(self.halves[0].request);
        let open_from = self.talk.oldest_open().min(sending.unwrap_or(u64::MAX));
        while let Some(request) = self.queue.pop_over(open_from, |request| request.settled || request.own.session.is_some()) {
            self.give_back(request, out);
        }
    }

    fn give_back(&mut self, mut request: Pending, out: &mut Emit) {
        if !request.settled && request.executes() {
            request.row.txn = self.transactions.current(self.about.session);
        }
        give_back(request, &self.about, out, |request, out| request.into_row(&self.database, &mut out.names));
    }

    /// Awaits no further answer to the requests up to a number.
    fn give_up(&mut self, number: u64, out: &mut Emit) {
        let given_up = self.queue.give_up(self.talk.oldest_open(), number, self.lossy);
        self.talk.forget(number);
        for request in given_up {
            self.give_back(request, out);
        }
    }

    /// Where the next message of one side begins is not known.
    fn lose(&mut self, side: Side, at: TraceNs) {
        let half = &mut self.halves[side as usize];
        (half.lane.searching, half.lane.started, half.message) = (true, None, None);
        if self.queue.lose(side, &self.about, at, Asked::default) {
            self.talk.expect_unseen();
        }
    }

    /// A part of a message that nobody asked for.
    fn push_piece(&mut self, piece: &Piece<'_>, started: TraceNs, out: &mut Emit) {
        if piece.starts() {
            self.push = Some(Exchange { effect: Effect::Control, ..self.row(Kind::Push, started, out) });
        }
        if let Some(row) = &mut self.push {
            row.response_bytes += piece.wire_bytes();
        }
    }

    /// Gives such a message back, with what it says if it is whole.
    fn end_push(&mut self, message: Option<(u8, &[u8], TraceNs)>, out: &mut Emit) {
        let Some(mut row) = self.push.take() else { return };
        let text = |bytes: &[u8]| trace::escape_text(bytes).0;
        let Some((tag, content, at)) = message else {
            if !row.flags.has(Flag::Gap) {
                row.flags.set(Flag::Open);
            }
            return out.push(&self.about, row);
        };
        // What stands behind a hole is not where it would be.
        let content = if row.flags.has(Flag::Gap) { &[] } else { content };
        row.collection = self.database.clone();
        row.ok = Some(tag != b'E');
        let method = match tag {
            b'A' => {
                if let Some((channel, _)) = content.get(4..).and_then(cut_text) {
                    row.collection = out.names.get(&text(channel));
                }
                "NotificationResponse"
            }
            b'S' => {
                row.target = cut_text(content).map_or_else(Box::default, |(name, _)| text(name));
                "ParameterStatus"
            }
            _ => {
                row.status = error_field(content, b'C').map(|code| out.names.get(&text(code)));
                if tag == b'E' { "ErrorResponse" } else { "NoticeResponse" }
            }
        };
        (row.method, row.operation) = (out.names.get(method), out.names.get(method));
        note_answer(&mut row, at, Some(at));
        if self.options.keep_responses && tag == b'A' {
            row.response = Some(bytes::Bytes::copy_from_slice(content));
        }
        out.push(&self.about, row);
    }
}

/// Bytes of a message that are looked into.
fn content_bytes_max(side: Side, tag: u8, body_bytes_max: usize) -> usize {
    match (side, tag) {
        (Side::Client, b'Q' | b'P') => body_bytes_max,
        (Side::Client, b'd' | b'p') | (Side::Server, b'D' | b'd' | b'T') => 0,
        _ => CONTENT_BYTES_MAX,
    }
}
