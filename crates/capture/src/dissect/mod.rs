//! The seam between connections and protocols: a [`Dissector`] is fed what both sides of one connection said, and emits exchanges.
//!
//! A new protocol is one file, one `mod` line and one row in [`PROTOCOLS`]. Every row begins as [`Connection::row`] and ends in
//! [`Emit::push`]; a dissector that learns that its connection goes on as something else says so with [`Emit::hand_over`].

use std::net::SocketAddr;
use std::sync::Arc;

use trace::rules::{KnownTargets, Rules};
use trace::{Exchange, ExchangeLoss, Flag, Header, Issues, Kind, LostPlace, Name, Names, TraceNs};
use wire::{Side, Start};

pub mod http1;
pub mod http2;
pub mod kafka;
mod lanes;
mod messages;
pub mod mongodb;
pub mod mysql;
pub mod postgres;
pub(crate) mod prelude;
pub mod redis;
mod session;
mod sql;
pub mod websocket;

pub use session::SessionBy;
use session::Sessions;

/// The protocols that can be decoded, in the order in which they are asked.
pub const PROTOCOLS: &[Protocol] = &[
    http1::PROTOCOL,
    http2::PROTOCOL,
    websocket::PROTOCOL,
    redis::PROTOCOL,
    kafka::PROTOCOL,
    mongodb::PROTOCOL,
    postgres::PROTOCOL,
    mysql::PROTOCOL,
];

/// Turns the two byte streams of one connection into exchanges.
///
/// It cannot fail: what is odd becomes an issue, what is missing becomes a [`Dissector::gap`]. Times never decrease on one side.
/// A call with bytes of one side comes only after all bytes of the other side that its sender had acknowledged by then.
pub trait Dissector {
    /// The next bytes of one side; `at` is when they were captured.
    fn bytes(&mut self, side: Side, at: TraceNs, bytes: &[u8], out: &mut Emit);

    /// `missing_bytes` of one side were not captured.
    fn gap(&mut self, side: Side, at: TraceNs, missing_bytes: u64, out: &mut Emit);

    /// One side sends nothing any more (FIN, or RST, which ends both).
    fn end(&mut self, side: Side, at: TraceNs, out: &mut Emit);

    /// Nothing more will come: the connection is over, idle for too long, or the capture ends. Called once, last.
    fn finish(&mut self, at: TraceNs, out: &mut Emit);
}

/// What dissectors give back; one for the whole import.
#[derive(Default)]
pub struct Emit {
    /// Exchanges in the order in which they were finished.
    pub exchanges: Vec<Exchange>,
    /// What was odd.
    pub issues: Issues,
    /// Shares the allocations of names that repeat.
    pub names: Names,
    /// Bytes of decoded connections that no exchange holds: garbage skipped while looking for a message.
    pub undecoded_bytes: u64,
    /// Requests that were not recorded as they were sent.
    pub loss: ExchangeLoss,
    /// Sides of connections that hold what compressed messages refer to.
    inflaters: usize,
    handover: Option<Handover>,
    sessions: Sessions,
    topics: kafka::Topics,
    targets: KnownTargets,
    /// Empty, of the answer read last: most answers are short, and come one after the other.
    room: Vec<u8>,
}

impl Emit {
    /// As the default, with another idea of a session than a connection.
    #[must_use]
    pub fn new(session_by: SessionBy) -> Self {
        Self { sessions: Sessions::new(session_by), ..Self::default() }
    }

    /// Gives a finished exchange back. Here it gets its session.
    pub fn push(&mut self, about: &Connection, exchange: Exchange) {
        self.push_part(about, exchange, None);
    }

    /// Gives a row of a long-lived stream back that began with a request with these headers: it is the same user's.
    pub fn push_part(&mut self, about: &Connection, mut exchange: Exchange, headers: Option<&[Header]>) {
        let incomplete = [Flag::Gap, Flag::Truncated, Flag::Open].into_iter().any(|flag| exchange.flags.has(flag));
        self.loss.incomplete += u64::from(incomplete);
        self.sessions.assign(about, &mut exchange, headers, &mut self.issues);
        self.exchanges.push(exchange);
    }

    /// A request was sent, after so many rows of its connection, and cannot be one: its head was not captured.
    pub fn lose(&mut self, about: &Connection, rows_before: u32, at: TraceNs) {
        self.loss.lose(LostPlace { connection: about.session, rows_before, at_unix_ns: at.ns() });
    }

    /// Counts what lies before the next message of one side, which was looked for: how many bytes, and whether it was found behind them.
    fn pass_over(&mut self, start: Start) -> (usize, bool) {
        let (skipped, found) = match start {
            Start::At(at) => (at, true),
            Start::NotBefore(at) => (at, false),
        };
        self.undecoded_bytes += skipped as u64;
        (skipped, found)
    }

    /// The connection goes on as something else, from where the dissector stands. It is not asked again but to finish, and so has given
    /// back all exchanges but the one that asked for the change.
    pub fn hand_over(&mut self, handover: Handover) {
        self.handover = Some(handover);
    }

    /// What a dissector has just said about its connection, if it has; to be asked after every call.
    pub fn take_handover(&mut self) -> Option<Handover> {
        self.handover.take()
    }
}

/// A connection on its way from one dissector to the next.
#[derive(Debug, Clone, PartialEq)]
pub struct Handover {
    /// The connection, as the next dissector shall see it.
    pub about: Connection,
    /// What it goes on as: the name of a protocol, or one of its [`Protocol::upgrades`] in small letters. Where no dissector bears it, and
    /// where it is empty (behind a CONNECT, for example), the next bytes tell.
    pub to: String,
    /// What was shown of client and server, and belongs to what comes next.
    pub rest: [Vec<u8>; 2],
}

/// The request that made a connection change its protocol, and what its answer said.
#[derive(Debug, Clone, PartialEq)]
pub struct Upgrade {
    /// Finished but for what the next protocol adds.
    pub exchange: Exchange,
    /// The headers of the answer that agreed.
    pub answer_headers: Vec<Header>,
}

/// The value of the first header of this name, whatever its case.
fn header<'a>(headers: &'a [Header], name: &str) -> Option<&'a [u8]> {
    headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| &header.value[..])
}

/// Has `read` read what is held back followed by `bytes`, and holds back what it says it did not use. Nothing is copied where all was used.
fn read_on(held: &mut Vec<u8>, bytes: &[u8], read: impl FnOnce(&[u8]) -> usize) {
    if held.is_empty() {
        let used = read(bytes);
        held.extend_from_slice(&bytes[used..]);
    } else {
        held.extend_from_slice(bytes);
        let used = read(held);
        held.drain(..used);
    }
}

/// What a dissector is told about its connection when it is opened.
#[derive(Debug, Clone, PartialEq)]
pub struct Connection {
    /// Number of the connection in order of first packets, from 0: the session of its exchanges, unless the user wants others.
    pub session: u64,
    /// Who asked.
    pub client: SocketAddr,
    /// Who answered.
    pub server: SocketAddr,
    /// The server as `host:port`.
    pub endpoint: Name,
    /// Whether the beginning of what is spoken was captured; if not, the first bytes may lie anywhere in a message.
    pub from_start: bool,
    /// The stream of its rows, for a protocol that has the connection for itself within another's stream.
    pub stream: u64,
    /// Rows made so far.
    pub rows: u32,
    /// The request by which another protocol ended in this one. Whoever finds it takes and pushes it, as it is or with its answer in the
    /// new protocol.
    pub upgrade: Option<Box<Upgrade>>,
}

impl Connection {
    /// A connection of which nothing was read yet; `names` shares the name of the server.
    #[must_use]
    pub fn new(session: u64, client: SocketAddr, server: SocketAddr, from_start: bool, names: &mut Names) -> Self {
        let endpoint = names.get(&server.to_string());
        Self { session, client, server, endpoint, from_start, stream: 0, rows: 0, upgrade: None }
    }

    /// Counts something odd, at the request that comes next.
    fn issue(&self, kind: &str, out: &mut Emit) {
        out.issues.add(kind, || format!("connection {}, request {}", self.session, self.rows));
    }

    /// The next row, with what all rows of a connection share: its session and place in it, its server, and whether recording began later
    /// than the connection. `at` is its first byte.
    pub fn row(&mut self, kind: Kind, at: TraceNs) -> Exchange {
        let mut row = Exchange {
            at,
            kind,
            session: self.session,
            seq: self.rows,
            stream: self.stream,
            endpoint: self.endpoint.clone(),
            ..Exchange::default()
        };
        if !self.from_start {
            row.flags.set(Flag::MidConnection);
        }
        self.rows += 1;
        row
    }
}

/// Notes on a row when its answer came: the first byte, and the last one if that was seen.
pub fn note_answer(row: &mut Exchange, first_at: TraceNs, done_at: Option<TraceNs>) {
    row.first_byte_ns = Some((first_at - row.at).max(0));
    row.latency_ns = done_at.map(|done_at| (done_at - row.at).max(0));
}

/// What a user asked for that concerns dissectors.
#[derive(Debug, Clone)]
pub struct Options {
    /// Keep the bodies of responses too.
    pub keep_responses: bool,
    /// Bytes of one body that are kept; true sizes are recorded whatever it is.
    pub body_bytes_max: usize,
    /// How collection, operation, effect, items and success of an exchange are found.
    pub rules: Arc<Rules>,
}

impl Default for Options {
    fn default() -> Self {
        Self { keep_responses: false, body_bytes_max: trace::limits::BODY_BYTES_MAX, rules: Rules::builtin() }
    }
}

/// What the first bytes of a connection say about one protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// They are this protocol.
    Yes,
    /// They are not.
    No,
    /// They may be; more are needed to say.
    More,
}

/// One row of [`PROTOCOLS`].
pub struct Protocol {
    /// As users write it (`--decode 8000=http`) and as rows name it.
    pub name: &'static str,
    /// Server ports that decide when content cannot, for example when a connection's beginning was not captured.
    pub ports: &'static [u16],
    /// Tokens of HTTP's Upgrade header that lead to it, in small letters (RFC 9110, section 7.8).
    pub upgrades: &'static [&'static str],
    /// Judges the first bytes of both sides; either may be empty.
    pub probe: fn(client: &[u8], server: &[u8]) -> Probe,
    /// A dissector for one connection.
    pub open: fn(&Connection, &Options) -> Box<dyn Dissector>,
}
