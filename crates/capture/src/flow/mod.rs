//! TCP connections: which segment belongs to which, from the first packet to the end, in bounded memory.
//!
//! [`Reassembly`] puts segments in order and tells a [`Listener`] of it; [`Connections`] listens, finds the protocols and has dissectors make
//! exchanges. [`Flows`] is both on one thread; between two, [`Batch`]es carry what was told.

mod assembler;
mod batch;
mod connection;
mod connections;
mod guess;
mod reassembly;

use trace::{Loss, TraceNs};

pub use assembler::{Assembler, Sink, Way};
pub use batch::Batch;
pub use connections::Connections;
pub use reassembly::{Account, Reassembly};

use crate::dissect::{self, Emit, PROTOCOLS, Protocol, SessionBy};
use crate::net::{Endpoint, Segment};

/// What a user asked for that concerns connections.
#[derive(Clone)]
pub struct Config {
    /// The protocols that are looked for.
    pub protocols: &'static [Protocol],
    /// Server ports whose protocol the user has named, whatever the content says.
    pub decode: Vec<(u16, &'static Protocol)>,
    /// What makes requests those of one user.
    pub session_by: SessionBy,
    /// For the dissectors.
    pub dissect: dissect::Options,
}

impl Default for Config {
    fn default() -> Self {
        let (decode, session_by, dissect) = (Vec::new(), SessionBy::default(), dissect::Options::default());
        Self { protocols: PROTOCOLS, decode, session_by, dissect }
    }
}

impl Config {
    /// Whether a port is one that servers of some protocol listen on.
    fn knows(&self, port: u16) -> bool {
        let by_user = self.decode.iter().any(|(known, _)| *known == port);
        by_user || self.protocols.iter().any(|protocol| protocol.ports.contains(&port))
    }
}

/// What is known of one connection, in order.
#[derive(Debug, Clone, Copy)]
pub enum Heard<'a> {
    /// It begins. `ends` are who sends forth and who sends back; `session` is its place among all connections, by first packet.
    Begin {
        /// Who sends forth, and who sends back.
        ends: [Endpoint; 2],
        /// Its place among all connections, by first packet.
        session: u64,
    },
    /// Its opening was captured.
    Opening {
        /// Which way the client sends.
        client: Way,
    },
    /// The next bytes of one way.
    Bytes(Way, TraceNs, &'a [u8]),
    /// So many bytes of one way were not captured.
    Gap(Way, TraceNs, u64),
    /// Nothing more comes on this way.
    End(Way, TraceNs),
    /// What waits for more to come waits no longer.
    Decide,
    /// It is over, but for packets that repeat what was seen.
    Finish(TraceNs),
    /// Nothing more will be told of it.
    Forget,
}

/// Takes what was put in order, of all connections.
pub trait Listener {
    /// The next of the connection in this place: places are small numbers, and a new connection gets one that was forgotten. `packets` came
    /// since the last was heard of it, this one's included.
    fn hear(&mut self, place: u32, packets: u64, heard: Heard<'_>);
}

/// All connections of an import, on one thread.
pub struct Flows {
    reassembly: Reassembly,
    connections: Connections,
}

impl Flows {
    /// No connections yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { reassembly: Reassembly::default(), connections: Connections::new(config) }
    }

    /// What the dissectors have given back so far; the caller takes the exchanges out.
    pub fn emit(&mut self) -> &mut Emit {
        self.connections.emit()
    }

    /// Takes one segment.
    pub fn segment(&mut self, at: TraceNs, segment: &Segment<'_>) {
        self.reassembly.segment(at, segment, &mut self.connections);
    }

    /// Ends all connections, in the order in which they began, and gives the account.
    pub fn finish(mut self) -> (Emit, Loss) {
        let account = self.reassembly.finish(&mut self.connections);
        self.connections.finish(account)
    }
}
