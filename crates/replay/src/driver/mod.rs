//! The seam to a target: connections to open, requests to send, events that come back. A failure is a value.
//!
//! A driver owns its sockets and nothing else: which request goes over which connection, limits, timeouts and outcomes are the
//! worker's. There are two for HTTP/1.1. Cleartext has its own engine, which writes prepared bytes and frames answers in place, since
//! that is where the generator's own cost shows; everything behind TLS goes through reqwest, which costs several times as much and hides
//! which connection was used (`cargo bench -p rehearsal-replay --bench engines` has the figures).

mod http1;
pub(crate) mod https;

use trace::{AnswerBody, ErrorClass, Keep, RunNs};

use crate::Result;
use crate::clock::Clock;
use crate::pool::Slot;
use crate::sources::Sources;
use crate::target::{Scheme, Target};

/// One worker's connections to the targets. Each carries one request at a time.
pub trait Driver {
    /// Begins to open a connection in `slot`, which has none. [`Happened::Opened`] or [`Happened::Failed`] follows.
    ///
    /// # Errors
    /// The class of the failure, when it is known at once.
    fn open(&mut self, slot: Slot, target: &Target) -> std::result::Result<(), ErrorClass>;

    /// Sends a prepared request over an open connection on which nothing is going on. [`Happened::Answered`] or
    /// [`Happened::Failed`] follows.
    ///
    /// # Errors
    /// The class of the failure, when it is known at once.
    fn send(&mut self, slot: Slot, request: &[u8]) -> std::result::Result<(), ErrorClass>;

    /// Says how much of the answer to the next request over `slot` is to be gathered; nothing, where it is not called.
    fn keep_answer(&mut self, slot: Slot, keep: Keep);

    /// The body of the answer that [`Happened::Answered`] told of, if it was to be gathered.
    fn take_answer(&mut self, slot: Slot) -> Option<Box<AnswerBody>>;

    /// Closes the connection in `slot`; nothing more is heard of it.
    fn close(&mut self, slot: Slot);

    /// Waits until something happened or `until` is [`crate::clock::SPIN_NS`] away, whichever comes first. Events of a connection come
    /// in order, and at most one for each call.
    ///
    /// # Errors
    /// What the system says when waiting itself fails.
    fn wait(&mut self, until: RunNs, events: &mut Vec<Event>) -> std::io::Result<()>;
}

/// Something happened on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Where.
    pub slot: Slot,
    /// When it was seen.
    pub at: RunNs,
    /// What.
    pub what: Happened,
}

/// What happened on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// It is open. How long that took, ns, where the driver can know.
    Opened {
        /// From the call to the handshake's end.
        connect_ns: Option<i64>,
    },
    /// The answer is complete.
    Answered {
        /// HTTP status.
        status: u16,
        /// What was received.
        received: Received,
        /// Whether the connection can carry another request; if not, it is to be closed.
        reusable: bool,
    },
    /// There will be no whole answer, and the connection is to be closed.
    Failed {
        /// Why.
        class: ErrorClass,
        /// What was received before.
        received: Received,
    },
    /// The target closed it while nothing was going on; it is to be closed here too.
    Gone,
}

/// The answer's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Received {
    /// When the first came.
    pub first_byte: Option<RunNs>,
    /// How many, head and body.
    pub bytes: u64,
    /// How long connecting took, ns, where the driver connects by itself once it has a request for it.
    pub connect_ns: Option<i64>,
}

/// What a driver is opened with.
pub struct Setup<'a> {
    /// The run's clock.
    pub clock: &'a Clock,
    /// Slots, from 0.
    pub slots: usize,
    /// Every target of the run.
    pub targets: &'a [Target],
    /// Where connections go out.
    pub sources: Sources,
}

/// One kind of driver.
pub struct DriverKind {
    /// For messages.
    pub name: &'static str,
    /// The name of the protocol in traces.
    pub protocol: &'static str,
    /// The targets it speaks to.
    pub scheme: Scheme,
    /// Makes one for the calling thread.
    pub open: fn(&Setup<'_>) -> Result<Box<dyn Driver>>,
}

/// Every driver there is.
pub const DRIVERS: &[DriverKind] = &[http1::KIND, https::KIND];

/// Any driver for a protocol.
#[must_use]
pub fn of_protocol(protocol: &str) -> Option<&'static DriverKind> {
    DRIVERS.iter().find(|kind| kind.protocol == protocol)
}

/// The number in [`DRIVERS`] of the one that speaks to `target`.
#[must_use]
pub fn of_target(target: &Target) -> usize {
    DRIVERS.iter().position(|kind| kind.scheme == target.scheme).unwrap_or(0)
}
