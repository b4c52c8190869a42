//! Requests that come after another one of their session, each with the instant at which it may go.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use trace::RunNs;

use crate::spool::Place;

/// A request that waits for its turn. It lies on disk meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// Where it lies.
    pub place: Place,
    /// Which time through the content it is.
    pub pass: u64,
    /// When its user is ready for it.
    pub due: RunNs,
    /// How long it is then kept by the earlier answer, ns.
    pub blocked_ns: i64,
}

impl Turn {
    /// When it may go.
    #[must_use]
    pub fn ready(&self) -> RunNs {
        self.due + self.blocked_ns
    }
}

/// All of a worker, the earliest first; equal ones in the order in which they came.
#[derive(Debug, Default)]
pub struct Turns {
    heap: BinaryHeap<Reverse<Entry>>,
    pushed: u64,
}

#[derive(Debug, PartialEq, Eq)]
struct Entry(RunNs, u64, Turn);

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

impl Turns {
    /// One more.
    pub fn push(&mut self, turn: Turn) {
        self.heap.push(Reverse(Entry(turn.ready(), self.pushed, turn)));
        self.pushed += 1;
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// When the earliest may go.
    #[must_use]
    pub fn ready(&self) -> Option<RunNs> {
        self.heap.peek().map(|Reverse(entry)| entry.0)
    }

    /// Takes the earliest.
    pub fn pop(&mut self) -> Option<Turn> {
        self.heap.pop().map(|Reverse(entry)| entry.2)
    }
}
