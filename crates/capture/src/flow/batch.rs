//! What was heard, on its way from one thread to another.

use trace::TraceNs;

use super::{Heard, Listener, Way};
use crate::net::Endpoint;

/// Bytes after which a batch is full: so few that they are still in a cache when they are looked at.
const BATCH_BYTES: usize = 256 << 10;
/// The same for all else that was heard.
const BATCH_EVENTS: usize = 8 << 10;

/// What was heard of connections, to be told to another listener later.
#[derive(Default)]
pub struct Batch {
    events: Vec<(u32, u64, Event)>,
    bytes: Vec<u8>,
    begun: Vec<([Endpoint; 2], u64)>,
}

/// As [`Heard`]; bytes and beginnings lie beside it.
#[derive(Clone, Copy)]
enum Event {
    /// Which of the beginnings.
    Begin(usize),
    Opening(Way),
    Bytes(Way, TraceNs, usize),
    Gap(Way, TraceNs, u64),
    End(Way, TraceNs),
    Decide,
    Finish(TraceNs),
    Forget,
}

impl Batch {
    /// Whether it is time to tell it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= BATCH_BYTES || self.events.len() >= BATCH_EVENTS
    }

    /// Tells `listener` all, and forgets it.
    pub fn tell(&mut self, listener: &mut impl Listener) {
        let mut bytes = &self.bytes[..];
        for (place, packets, event) in self.events.drain(..) {
            let heard = match event {
                Event::Begin(number) => {
                    let (ends, session) = self.begun[number];
                    Heard::Begin { ends, session }
                }
                Event::Opening(client) => Heard::Opening { client },
                Event::Bytes(way, at, count) => {
                    let (now, later) = bytes.split_at(count);
                    bytes = later;
                    Heard::Bytes(way, at, now)
                }
                Event::Gap(way, at, missing_bytes) => Heard::Gap(way, at, missing_bytes),
                Event::End(way, at) => Heard::End(way, at),
                Event::Decide => Heard::Decide,
                Event::Finish(at) => Heard::Finish(at),
                Event::Forget => Heard::Forget,
            };
            listener.hear(place, packets, heard);
        }
        self.bytes.clear();
        self.begun.clear();
    }
}

impl Listener for Batch {
    fn hear(&mut self, place: u32, packets: u64, heard: Heard<'_>) {
        let event = match heard {
            Heard::Begin { ends, session } => {
                self.begun.push((ends, session));
                Event::Begin(self.begun.len() - 1)
            }
            Heard::Opening { client } => Event::Opening(client),
            Heard::Bytes(way, at, bytes) => {
                self.bytes.extend_from_slice(bytes);
                Event::Bytes(way, at, bytes.len())
            }
            Heard::Gap(way, at, missing_bytes) => Event::Gap(way, at, missing_bytes),
            Heard::End(way, at) => Event::End(way, at),
            Heard::Decide => Event::Decide,
            Heard::Finish(at) => Event::Finish(at),
            Heard::Forget => Event::Forget,
        };
        self.events.push((place, packets, event));
    }
}
