//! Which segment belongs to which connection, and the order of each connection's bytes.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use trace::{Issues, Loss, TraceNs};

use super::{Assembler, Heard, Listener, Sink, Way};
use crate::net::{Endpoint, Segment};

/// Connections remembered at once; past it the eighth that was idle for longest is ended.
const CONNECTIONS_MAX: usize = 262_144;
/// Bytes that wait for holes to be filled, in all connections together; past it nothing waits.
const HELD_BYTES_MAX: usize = 192 << 20;
/// After this time without a packet, segments with quite other sequence numbers are another connection.
const IDLE_NS: i64 = 300_000_000_000;
/// Segments of one connection lie no farther apart than this, unless something is wrong.
const NEAR_BYTES_MAX: u64 = 16 << 20;

/// Both endpoints, the lower first.
type Key = (Endpoint, Endpoint);

/// One connection.
struct Flow {
    key: Key,
    /// Who sent the first segment.
    first: Endpoint,
    /// Place among all connections, by first packet.
    session: u64,
    assembler: Assembler,
    /// Initial sequence numbers, forth and back.
    initial: [Option<u32>; 2],
    last_at: TraceNs,
    /// Nothing but repetitions are expected.
    closed: bool,
    /// Packets since the listener was told something.
    packets: u64,
}

/// What reassembly counts.
#[derive(Default)]
pub struct Account {
    /// Bytes in order, missing and repeated.
    pub loss: Loss,
    /// What was odd.
    pub issues: Issues,
}

/// The segments of all connections, put in order.
#[derive(Default)]
pub struct Reassembly {
    index: HashMap<Key, usize, RandomState>,
    flows: Vec<Option<Flow>>,
    free: Vec<usize>,
    account: Account,
    sessions: u64,
    held_bytes: usize,
}

impl Reassembly {
    /// Takes one segment, and tells `listener` what is in order now.
    pub fn segment(&mut self, at: TraceNs, segment: &Segment<'_>, listener: &mut impl Listener) {
        let key = (segment.from.min(segment.to), segment.from.max(segment.to));
        let slot = match self.index.get(&key).copied() {
            Some(slot) if !self.begins_another(slot, at, segment) => slot,
            Some(slot) => {
                self.remove(slot, listener);
                self.insert(key, at, segment, listener)
            }
            None => self.insert(key, at, segment, listener),
        };
        if let Some(flow) = &mut self.flows[slot] {
            let held_before = flow.assembler.held_bytes();
            flow.take(at, segment, &mut Telling { place: slot as u32, account: &mut self.account, listener });
            self.held_bytes = self.held_bytes + flow.assembler.held_bytes() - held_before;
            if self.held_bytes > HELD_BYTES_MAX {
                self.give_up(slot, at, listener);
            }
        }
    }

    fn begins_another(&self, slot: usize, at: TraceNs, segment: &Segment<'_>) -> bool {
        self.flows[slot].as_ref().is_none_or(|flow| flow.is_over_before(at, segment))
    }

    /// Ends all connections, in the order in which they began, and gives the account.
    pub fn finish(mut self, listener: &mut impl Listener) -> Account {
        let mut slots: Vec<usize> = self.index.values().copied().collect();
        slots.sort_by_key(|slot| self.flows[*slot].as_ref().map(|flow| flow.session));
        for slot in slots {
            self.remove(slot, listener);
        }
        self.account
    }

    fn insert(&mut self, key: Key, at: TraceNs, segment: &Segment<'_>, listener: &mut impl Listener) -> usize {
        if self.index.len() >= CONNECTIONS_MAX {
            self.evict(listener);
        }
        let session = self.sessions;
        self.sessions += 1;
        let (first, assembler) = (segment.from, Assembler::default());
        let flow = Flow { key, first, session, assembler, initial: [None; 2], last_at: at, closed: false, packets: 0 };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.flows.push(None);
            self.flows.len() - 1
        });
        self.flows[slot] = Some(flow);
        self.index.insert(key, slot);
        listener.hear(slot as u32, 0, Heard::Begin { ends: [segment.from, segment.to], session });
        slot
    }

    /// Ends the connections that were idle for longest.
    fn evict(&mut self, listener: &mut impl Listener) {
        let age = |slot: &usize| self.flows[*slot].as_ref().map(|flow| (flow.last_at, flow.session));
        let mut slots: Vec<usize> = self.index.values().copied().collect();
        let (oldest, ..) = slots.select_nth_unstable_by_key(CONNECTIONS_MAX / 8, age);
        let mut slots = oldest.to_vec();
        slots.sort_by_key(age);
        let is_open = |slot: &&usize| self.flows[**slot].as_ref().is_some_and(|flow| !flow.closed);
        let open = slots.iter().filter(is_open).count() as u64;
        if open > 0 {
            let place = || format!("more than {CONNECTIONS_MAX} connections at once");
            self.account.issues.add_many("connections-evicted", open, place);
        }
        for slot in slots {
            self.remove(slot, listener);
        }
    }

    fn remove(&mut self, slot: usize, listener: &mut impl Listener) {
        if let Some(mut flow) = self.flows[slot].take() {
            self.held_bytes -= flow.assembler.held_bytes();
            let mut telling = Telling { place: slot as u32, account: &mut self.account, listener };
            flow.close(flow.last_at, &mut telling);
            flow.tell(Heard::Forget, &mut telling);
            self.index.remove(&flow.key);
            self.free.push(slot);
        }
    }

    /// Lets one connection wait for holes to be filled no more.
    fn give_up(&mut self, slot: usize, at: TraceNs, listener: &mut impl Listener) {
        if let Some(flow) = &mut self.flows[slot]
            && flow.assembler.held_bytes() > 0
        {
            self.held_bytes -= flow.assembler.held_bytes();
            let mut telling = Telling { place: slot as u32, account: &mut self.account, listener };
            flow.assembler.flush(at, &mut telling.of(flow.session, &mut flow.packets));
            flow.tell(Heard::Decide, &mut telling);
            self.account.issues.add("tcp-held-bytes-limit", || format!("more than {HELD_BYTES_MAX} bytes"));
        }
    }
}

/// What a connection needs to say something.
struct Telling<'a, L> {
    place: u32,
    account: &'a mut Account,
    listener: &'a mut L,
}

impl<L: Listener> Telling<'_, L> {
    fn of<'b>(&'b mut self, session: u64, packets: &'b mut u64) -> Feed<'b, L> {
        Feed { place: self.place, session, packets, account: self.account, listener: self.listener }
    }
}

/// Connects the assembler of a connection with the listener.
struct Feed<'a, L> {
    place: u32,
    session: u64,
    packets: &'a mut u64,
    account: &'a mut Account,
    listener: &'a mut L,
}

impl<L: Listener> Feed<'_, L> {
    fn tell(&mut self, heard: Heard<'_>) {
        self.listener.hear(self.place, std::mem::take(self.packets), heard);
    }
}

impl<L: Listener> Sink for Feed<'_, L> {
    fn bytes(&mut self, way: Way, at: TraceNs, bytes: &[u8]) {
        self.account.loss.bytes_reassembled += bytes.len() as u64;
        self.tell(Heard::Bytes(way, at, bytes));
    }

    fn gap(&mut self, way: Way, at: TraceNs, missing_bytes: u64) {
        self.account.loss.bytes_missing += missing_bytes;
        let session = self.session;
        self.account.issues.add("tcp-bytes-missing", || format!("connection {session}: {missing_bytes} bytes"));
        self.tell(Heard::Gap(way, at, missing_bytes));
    }

    fn end(&mut self, way: Way, at: TraceNs) {
        self.tell(Heard::End(way, at));
    }
}

impl Flow {
    fn tell(&mut self, heard: Heard<'_>, telling: &mut Telling<'_, impl Listener>) {
        telling.of(self.session, &mut self.packets).tell(heard);
    }

    fn way(&self, segment: &Segment<'_>) -> Way {
        if segment.from == self.first { Way::Forth } else { Way::Back }
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
        let over = self.closed || at - self.last_at > IDLE_NS;
        over && !segment.payload.is_empty() && self.is_far(way, segment)
    }

    fn is_far(&self, way: Way, segment: &Segment<'_>) -> bool {
        self.assembler.lead(way, segment.seq).is_some_and(|lead| lead.unsigned_abs() > NEAR_BYTES_MAX)
    }

    fn take(&mut self, at: TraceNs, segment: &Segment<'_>, telling: &mut Telling<'_, impl Listener>) {
        let way = self.way(segment);
        self.packets += 1;
        self.last_at = self.last_at.max(at);
        if self.closed {
            return self.take_late(way, segment, telling.account);
        }
        if segment.rst {
            if !self.is_far(way, segment) {
                self.reset(at, telling);
            }
            return;
        }
        if segment.syn {
            self.initial[way as usize] = Some(segment.seq);
            if let Some(ack) = segment.ack {
                // The SYN that this one answers may come later in the capture, or never.
                self.initial[way.other() as usize].get_or_insert(ack.wrapping_sub(1));
            }
            // Who answers a SYN is the server.
            let client = if segment.ack.is_some() { way.other() } else { way };
            self.tell(Heard::Opening { client }, telling);
        }
        self.assembler.push(way, at, segment, &mut telling.of(self.session, &mut self.packets));
        if self.assembler.has_ended() {
            self.close(at, telling);
        }
    }

    /// After the end only repetitions of what was seen are expected.
    fn take_late(&mut self, way: Way, segment: &Segment<'_>, account: &mut Account) {
        let repeats = self.assembler.repeats(way, segment);
        if !segment.payload.is_empty() && !repeats {
            let session = self.session;
            account.issues.add("tcp-data-after-end", || format!("connection {session}"));
        } else {
            account.loss.bytes_repeated += segment.payload.len() as u64;
        }
    }

    fn reset(&mut self, at: TraceNs, telling: &mut Telling<'_, impl Listener>) {
        let mut feed = telling.of(self.session, &mut self.packets);
        self.assembler.finish(at, &mut feed);
        for way in Way::BOTH {
            feed.end(way, at);
        }
        self.close(at, telling);
    }

    fn close(&mut self, at: TraceNs, telling: &mut Telling<'_, impl Listener>) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.assembler.finish(at, &mut telling.of(self.session, &mut self.packets));
        self.tell(Heard::Finish(at), telling);
        telling.account.loss.bytes_repeated += self.assembler.repeated_bytes;
        if self.assembler.stray_bytes > 0 {
            let session = self.session;
            telling.account.issues.add("tcp-bytes-outside-window", || format!("connection {session}"));
        }
    }
}
