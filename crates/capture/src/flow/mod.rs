//! TCP connections: which segment belongs to which, from the first packet to the end, in bounded memory.

mod assembler;
mod connection;
mod guess;

use std::collections::HashMap;

use foldhash::fast::RandomState;
use trace::{Loss, TraceNs};

pub use assembler::{Assembler, Sink, Way};
use connection::{Connection, Feed, Shared};

use crate::dissect::{self, Emit, PROTOCOLS, Protocol, SessionBy};
use crate::net::{Endpoint, Segment};

/// Connections remembered at once; past it the eighth that was idle for longest is ended.
const CONNECTIONS_MAX: usize = 262_144;
/// Bytes that wait for holes to be filled, or for more that tells the protocol, in all connections together; past it nothing waits.
const HELD_BYTES_MAX: usize = 256 << 20;
/// After this time without a packet, segments with quite other sequence numbers are another connection.
const IDLE_NS: i64 = 300_000_000_000;
/// Segments of one connection lie no farther apart than this, unless something is wrong.
const NEAR_BYTES_MAX: u64 = 16 << 20;

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

/// Both endpoints, the lower first.
type Key = (Endpoint, Endpoint);

/// One connection with the state of its reassembly.
struct Flow {
    key: Key,
    connection: Connection,
    assembler: Assembler,
    /// Initial sequence numbers, forth and back.
    initial: [Option<u32>; 2],
    last_at: TraceNs,
}

/// All connections of an import.
pub struct Flows {
    index: HashMap<Key, usize, RandomState>,
    flows: Vec<Option<Flow>>,
    free: Vec<usize>,
    shared: Shared,
    sessions: u64,
    held_bytes: usize,
}

impl Flows {
    /// No connections yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let emit = Emit::new(config.session_by.clone());
        let shared = Shared { config, emit, loss: Loss::default() };
        let (index, flows, free) = (HashMap::default(), Vec::new(), Vec::new());
        Self { index, flows, free, shared, sessions: 0, held_bytes: 0 }
    }

    /// What the dissectors have given back so far; the caller takes the exchanges out.
    pub fn emit(&mut self) -> &mut Emit {
        &mut self.shared.emit
    }

    /// Takes one segment.
    pub fn segment(&mut self, at: TraceNs, segment: &Segment<'_>) {
        let key = (segment.from.min(segment.to), segment.from.max(segment.to));
        let slot = match self.index.get(&key).copied() {
            Some(slot) if !self.begins_another(slot, at, segment) => slot,
            Some(slot) => {
                self.remove(slot);
                self.insert(key, at, segment)
            }
            None => self.insert(key, at, segment),
        };
        if let Some(flow) = &mut self.flows[slot] {
            let held_before = flow.held_bytes();
            flow.take(at, segment, &mut self.shared);
            self.held_bytes = self.held_bytes + flow.held_bytes() - held_before;
            if self.held_bytes > HELD_BYTES_MAX {
                self.give_up(slot, at);
            }
        }
    }

    fn begins_another(&self, slot: usize, at: TraceNs, segment: &Segment<'_>) -> bool {
        self.flows[slot].as_ref().is_none_or(|flow| flow.is_over_before(at, segment))
    }

    /// Ends all connections, in the order in which they began, and gives the account.
    pub fn finish(mut self) -> (Emit, Loss) {
        let mut slots: Vec<usize> = self.index.values().copied().collect();
        slots.sort_by_key(|slot| self.flows[*slot].as_ref().map(|flow| flow.connection.session));
        for slot in slots {
            self.remove(slot);
        }
        (self.shared.emit, self.shared.loss)
    }

    fn insert(&mut self, key: Key, at: TraceNs, segment: &Segment<'_>) -> usize {
        if self.index.len() >= CONNECTIONS_MAX {
            self.evict();
        }
        let connection = Connection::new([segment.from, segment.to], self.sessions);
        self.sessions += 1;
        let flow = Flow { key, connection, assembler: Assembler::default(), initial: [None; 2], last_at: at };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.flows.push(None);
            self.flows.len() - 1
        });
        self.flows[slot] = Some(flow);
        self.index.insert(key, slot);
        slot
    }

    /// Ends the connections that were idle for longest.
    fn evict(&mut self) {
        let age = |slot: &usize| self.flows[*slot].as_ref().map(|flow| (flow.last_at, flow.connection.session));
        let mut slots: Vec<usize> = self.index.values().copied().collect();
        let (oldest, ..) = slots.select_nth_unstable_by_key(CONNECTIONS_MAX / 8, age);
        let mut slots = oldest.to_vec();
        slots.sort_by_key(age);
        let is_open = |slot: &&usize| self.flows[**slot].as_ref().is_some_and(|flow| !flow.connection.is_closed());
        let open = slots.iter().filter(is_open).count() as u64;
        if open > 0 {
            let place = || format!("more than {CONNECTIONS_MAX} connections at once");
            self.shared.emit.issues.add_many("connections-evicted", open, place);
        }
        for slot in slots {
            self.remove(slot);
        }
    }

    fn remove(&mut self, slot: usize) {
        if let Some(mut flow) = self.flows[slot].take() {
            self.held_bytes -= flow.held_bytes();
            flow.close(flow.last_at, &mut self.shared);
            flow.connection.account(&mut self.shared);
            self.index.remove(&flow.key);
            self.free.push(slot);
        }
    }

    /// Lets one connection hold nothing back any more: waiting for holes to be filled, or for bytes that tell the protocol.
    fn give_up(&mut self, slot: usize, at: TraceNs) {
        if let Some(flow) = &mut self.flows[slot]
            && flow.held_bytes() > 0
        {
            self.held_bytes -= flow.held_bytes();
            flow.assembler.flush(at, &mut Feed { connection: &mut flow.connection, shared: &mut self.shared });
            flow.connection.decide(true, &mut self.shared);
            self.shared.emit.issues.add("tcp-held-bytes-limit", || format!("more than {HELD_BYTES_MAX} bytes"));
        }
    }
}

impl Flow {
    fn held_bytes(&self) -> usize {
        self.assembler.held_bytes() + self.connection.held_bytes()
    }

    fn way(&self, segment: &Segment<'_>) -> Way {
        if segment.from == self.connection.ends[0] { Way::Forth } else { Way::Back }
    }

    /// Whether a segment belongs to a later connection between the same two ports.
    fn is_over_before(&self, at: TraceNs, segment: &Segment<'_>) -> bool {
        let way = self.way(segment);
        if segment.syn && !segment.rst {
            let next = segment.seq.wrapping_add(1);
            return match self.initial[way as usize] {
                Some(initial) => initial != segment.seq,
                // One a little behind what was seen is late in the capture; a later connection's lies ahead (RFC 6528, section 3).
                None => self.assembler.lead(way, next).is_some_and(|lead| lead > 0 || lead < -(NEAR_BYTES_MAX as i64)),
            };
        }
        let over = self.connection.is_closed() || at - self.last_at > IDLE_NS;
        over && !segment.payload.is_empty() && self.is_far(way, segment)
    }

    fn is_far(&self, way: Way, segment: &Segment<'_>) -> bool {
        self.assembler.lead(way, segment.seq).is_some_and(|lead| lead.unsigned_abs() > NEAR_BYTES_MAX)
    }

    fn take(&mut self, at: TraceNs, segment: &Segment<'_>, shared: &mut Shared) {
        let way = self.way(segment);
        self.connection.packets += 1;
        self.last_at = self.last_at.max(at);
        if self.connection.is_closed() {
            return self.take_late(way, segment, shared);
        }
        if segment.rst {
            if !self.is_far(way, segment) {
                self.reset(at, shared);
            }
            return;
        }
        if segment.syn {
            self.initial[way as usize] = Some(segment.seq);
            if let Some(ack) = segment.ack {
                // The SYN that this one answers may come later in the capture, or never.
                self.initial[way.other() as usize].get_or_insert(ack.wrapping_sub(1));
            }
            self.connection.from_start = true;
            // Who answers a SYN is the server; in a simultaneous open the first SYN counts.
            let client = if segment.ack.is_some() { way.other() } else { way };
            self.connection.client.get_or_insert(client);
        }
        self.assembler.push(way, at, segment, &mut Feed { connection: &mut self.connection, shared });
        if self.assembler.has_ended() {
            self.close(at, shared);
        }
    }

    /// After the end only repetitions of what was seen are expected.
    fn take_late(&mut self, way: Way, segment: &Segment<'_>, shared: &mut Shared) {
        let repeats = self.assembler.repeats(way, segment);
        if !segment.payload.is_empty() && !repeats {
            let session = self.connection.session;
            shared.emit.issues.add("tcp-data-after-end", || format!("connection {session}"));
        } else {
            shared.loss.bytes_repeated += segment.payload.len() as u64;
        }
    }

    fn reset(&mut self, at: TraceNs, shared: &mut Shared) {
        let mut feed = Feed { connection: &mut self.connection, shared };
        self.assembler.finish(at, &mut feed);
        for way in Way::BOTH {
            feed.end(way, at);
        }
        self.close(at, shared);
    }

    fn close(&mut self, at: TraceNs, shared: &mut Shared) {
        if self.connection.is_closed() {
            return;
        }
        self.assembler.finish(at, &mut Feed { connection: &mut self.connection, shared });
        self.connection.finish(at, shared);
        shared.loss.bytes_repeated += self.assembler.repeated_bytes;
        if self.assembler.stray_bytes > 0 {
            let session = self.connection.session;
            shared.emit.issues.add("tcp-bytes-outside-window", || format!("connection {session}"));
        }
    }
}
