//! What workers tell the recorder: fixed-size records, handed over in blocks.

use std::sync::Arc;

use trace::{ErrorClass, RunNs};

use crate::answer::{Expected, HeldAnswer};
use crate::limits::OUTCOMES_BLOCK_MAX;
use crate::text::Text;

/// What happened to one request. Times are ns since run start, durations ns.
#[derive(Debug)]
pub struct Outcome {
    /// Place in the trace.
    pub id: u64,
    /// Which copy.
    pub copy: u32,
    /// Number in [`crate::request::Labels`].
    pub label: u32,
    /// The recorded user.
    pub session: u64,
    /// The order inside it.
    pub stream: u64,
    /// Number of its connection, from 1; 0 where it was not sent.
    pub conn: u64,
    /// When it was to be sent.
    pub due: RunNs,
    /// How long it waited for its session's earlier answer.
    pub blocked_ns: i64,
    /// How long it waited for a connection or a limit.
    pub queued_ns: i64,
    /// Whether that was for a limit, and not only for its connection to open.
    pub limited: bool,
    /// The instant before the first write.
    pub sent: Option<RunNs>,
    /// First byte of the answer.
    pub first_byte: Option<RunNs>,
    /// When it was over.
    pub done: RunNs,
    /// How long connecting took, where it had to.
    pub connect_ns: Option<i64>,
    /// HTTP status, 0 where there was none.
    pub status: u16,
    /// Why there is no answer.
    pub error: Option<ErrorClass>,
    /// Records, vectors or rows in the request.
    pub items: u32,
    /// On the wire.
    pub request_bytes: u64,
    /// On the wire.
    pub response_bytes: u64,
    /// The id of its unit of work, whose name is the label's.
    pub txn: Option<Text>,
    /// The recorded answer, where answers are compared.
    pub expected: Option<Arc<Expected>>,
    /// The body of the answer, where it has to be looked at.
    pub answer: Option<Box<HeldAnswer>>,
}

impl Outcome {
    /// Whether a whole answer came, good or bad.
    #[must_use]
    pub fn answered(&self) -> bool {
        self.error.is_none_or(ErrorClass::is_answered)
    }

    /// Whether the answer was good: an HTTP status below 400, and no failure inside.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.error.is_none() && self.status < 400
    }
}

/// One send: when it was due, and when the generator would have sent it on its own (sent − blocked − queued).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Send {
    /// When it was to be sent.
    pub due: RunNs,
    /// When it was, apart from waiting that is reported on its own.
    pub own: RunNs,
}

/// From a worker.
#[derive(Debug)]
pub struct Report {
    /// Who says so.
    pub worker: u32,
    /// Requests that are over.
    pub outcomes: Vec<Outcome>,
    /// Requests that were sent, whether over or not.
    pub sent: u64,
    /// When each of them was due and sent; none as fast as possible, where there is no timing to be judged.
    pub sends: Vec<Send>,
    /// Up to when it has told everything; [`crate::abort::ENDED`] where it tells nothing more.
    pub until: RunNs,
    /// Requests that are due and not over.
    pub in_flight: usize,
    /// Connections opened so far.
    pub connections: u64,
    /// Of those opened beforehand, the ones that were open at run start.
    pub open_at_start: u64,
}

impl Report {
    /// Nothing to say yet, with room for a block.
    #[must_use]
    pub fn new(worker: u32) -> Self {
        let (outcomes, sends) = (Vec::with_capacity(OUTCOMES_BLOCK_MAX), Vec::with_capacity(OUTCOMES_BLOCK_MAX));
        Self { worker, outcomes, sent: 0, sends, until: RunNs(0), in_flight: 0, connections: 0, open_at_start: 0 }
    }
}
