//! The seam between connections and protocols: a [`Dissector`] is fed what both sides of one connection said, and emits exchanges.
//!
//! A new protocol is one file, one `mod` line and one row in [`PROTOCOLS`].

use std::net::SocketAddr;
use std::sync::Arc;

use trace::rules::Rules;
use trace::{Exchange, Issues, Name, Names, TraceNs};
use wire::Side;

pub mod http1;
pub(crate) mod prelude;

/// The protocols that can be decoded, in the order in which they are asked.
pub const PROTOCOLS: &[Protocol] = &[http1::PROTOCOL];

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
    /// Bytes of decoded connections that no exchange holds: tunnels after an upgrade, garbage skipped while looking for a message.
    pub undecoded_bytes: u64,
}

/// What a dissector is told about its connection when it is opened.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Number of the connection in order of first packets, from 0: the session of its exchanges.
    pub session: u64,
    /// Who asked.
    pub client: SocketAddr,
    /// Who answered.
    pub server: SocketAddr,
    /// The server as `host:port`.
    pub endpoint: Name,
    /// Whether its beginning was captured; if not, the first bytes may lie anywhere in a message.
    pub from_start: bool,
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
    /// Judges the first bytes of both sides; either may be empty.
    pub probe: fn(client: &[u8], server: &[u8]) -> Probe,
    /// A dissector for one connection.
    pub open: fn(&Connection, &Options) -> Box<dyn Dissector>,
}
