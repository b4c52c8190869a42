//! Requests that a worker has taken up and that are not over, in the order in which they were taken up.

use trace::RunNs;

use crate::list::{Links, List};
use crate::pool::Slot;
use crate::request::Planned;

/// Number of a flight while it lasts.
pub type FlightNumber = u32;

/// A request that was taken up and is not over.
#[derive(Debug)]
pub struct Flight {
    /// What is known of it.
    pub planned: Planned,
    /// Its bytes, while it waits to be sent: a copy, so that the block it came in can go.
    pub waiting: Option<Box<[u8]>>,
    /// How many those are.
    pub request_bytes: usize,
    /// What it waits for.
    pub stage: Stage,
    /// When it was taken up.
    pub taken: RunNs,
    /// How long it waited for its session's earlier answer before it was taken up, ns.
    pub blocked_ns: i64,
    /// How long it waited for a connection, ns.
    pub queued_ns: i64,
    /// Whether that was for a limit, and not only for its connection to open.
    pub limited: bool,
    /// The instant before the first write.
    pub sent: Option<RunNs>,
    /// How long connecting took, ns, where it had to.
    pub connect_ns: Option<i64>,
}

/// What a flight waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// For any connection to become free.
    Queued,
    /// For its session's connection, which is being opened for an earlier request.
    Behind(Slot),
    /// For its own connection to open.
    Opening(Slot),
    /// For the answer.
    Sent(Slot),
}

/// All flights of a worker.
#[derive(Debug, Default)]
pub struct Flights {
    all: Vec<Option<Flight>>,
    unused: Vec<FlightNumber>,
    links: Links,
    by_age: List,
}

impl Flights {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len() - self.unused.len()
    }

    /// Adds the youngest.
    pub fn add(&mut self, flight: Flight) -> FlightNumber {
        let number = self.unused.pop().unwrap_or_else(|| {
            self.all.push(None);
            (self.all.len() - 1) as FlightNumber
        });
        self.all[number as usize] = Some(flight);
        self.links.push(&mut self.by_age, number);
        number
    }

    /// Takes one out; `None` if it is over already.
    pub fn remove(&mut self, number: FlightNumber) -> Option<Flight> {
        let flight = self.all.get_mut(number as usize)?.take()?;
        self.links.remove(&mut self.by_age, number);
        self.unused.push(number);
        Some(flight)
    }

    /// One of them.
    pub fn get_mut(&mut self, number: FlightNumber) -> Option<&mut Flight> {
        self.all.get_mut(number as usize)?.as_mut()
    }

    /// The one that was taken up first.
    #[must_use]
    pub fn oldest(&self) -> Option<(FlightNumber, &Flight)> {
        let number = self.by_age.first()?;
        Some((number, self.all[number as usize].as_ref()?))
    }
}
