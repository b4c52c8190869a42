//! The two byte streams of one TCP connection, put in order in bounded memory (RFC 9293, section 3.4 for the arithmetic).
//!
//! - A byte that comes twice counts as it came first.
//! - Bytes of one side are handed on only after all bytes of the other side that their sender had acknowledged, so that an answer never
//!   comes before its question, whatever order the capture has them in.
//! - A hole is waited for; when waiting is over, the sink is told how many bytes are missing.

use std::collections::BTreeMap;

use trace::TraceNs;

use crate::net::Segment;

/// Bytes of one connection that wait for a hole to be filled: the largest common TCP window.
const HELD_BYTES_MAX: usize = 4 << 20;
/// Segments of one connection that wait for a hole to be filled.
const HELD_SEGMENTS_MAX: usize = 8192;
/// How long a hole is waited for whose bytes the receiver has acknowledged: it had them, so they can only be late in the capture.
const ACKED_HOLE_NS: i64 = 1_000_000_000;
/// How long a hole is waited for that may still be filled by a retransmission.
const HOLE_NS: i64 = 60_000_000_000;
/// The largest TCP window (RFC 7323, section 2.3): no genuine segment lies farther from the expected one.
const WINDOW_BYTES_MAX: u64 = 1 << 30;
/// After so many segments outside the window in a row, the stream is taken to go on there.
const STRAYS_MAX: u8 = 16;

/// A direction of a connection, before it is known who is the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the endpoint that sent the first packet.
    Forth,
    /// To it.
    Back,
}

impl Way {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Forth, Self::Back];

    /// The other direction.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Forth => Self::Back,
            Self::Back => Self::Forth,
        }
    }
}

/// Takes what an [`Assembler`] has put in order. Times never decrease on one way.
pub trait Sink {
    /// The next bytes.
    fn bytes(&mut self, way: Way, at: TraceNs, bytes: &[u8]);
    /// So many bytes were not captured.
    fn gap(&mut self, way: Way, at: TraceNs, missing_bytes: u64);
    /// Nothing more comes on this way.
    fn end(&mut self, way: Way, at: TraceNs);
}

/// Puts the segments of one connection in order.
#[derive(Debug, Default)]
pub struct Assembler {
    forth: Half,
    back: Half,
    /// Payload bytes that came more than once.
    pub repeated_bytes: u64,
    /// Payload bytes that came after the end of their direction, or from outside the window.
    pub stray_bytes: u64,
}

/// One direction. Positions are sequence numbers extended to 64 bits.
#[derive(Debug, Default)]
struct Half {
    /// The next byte to hand on; `None` until anything is known.
    next: Option<u64>,
    /// The farthest position that the other side has acknowledged.
    acked: u64,
    /// What came ahead of its turn, by position, without overlaps.
    held: BTreeMap<u64, Held>,
    held_bytes: usize,
    fin: Option<Front>,
    ended: bool,
    /// Whether any packet of this direction was captured.
    seen: bool,
    /// Whether a hole was given up before.
    gave_up: bool,
    strays: u8,
    last_at: TraceNs,
}

#[derive(Debug)]
struct Held {
    bytes: Box<[u8]>,
    /// Bytes after them that were cut off by the capture's snap length.
    missing_bytes: u64,
    at: TraceNs,
    ack: u64,
}

/// What is to be handed on next on one way.
#[derive(Debug, Clone, Copy)]
struct Front {
    start: u64,
    at: TraceNs,
    /// The position of the other way that its sender had acknowledged.
    ack: u64,
}

/// A piece of a stream that has just come.
#[derive(Debug, Clone, Copy)]
struct Piece<'a> {
    start: u64,
    bytes: &'a [u8],
    missing_bytes: u64,
    at: TraceNs,
    ack: u64,
}

impl Piece<'_> {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64 + self.missing_bytes
    }

    /// The part of it between two positions inside it.
    fn part(&self, start: u64, end: u64) -> Self {
        let known_end = self.start + self.bytes.len() as u64;
        let index = |position: u64| (position.min(known_end) - self.start) as usize;
        Self {
            start,
            bytes: &self.bytes[index(start)..index(end)],
            missing_bytes: end.max(known_end) - start.max(known_end),
            ..*self
        }
    }
}

/// Why nothing can be handed on.
struct Block {
    way: Way,
    until: u64,
    since: TraceNs,
}

/// The position of a sequence number, seen from a position near it.
fn position(near: u64, seq: u32) -> u64 {
    let distance = seq.wrapping_sub(near as u32) as i32;
    near.wrapping_add_signed(i64::from(distance))
}

impl Half {
    /// The position of `seq`, which becomes the next one if nothing was known.
    fn place(&mut self, seq: u32) -> u64 {
        // One turn of the sequence numbers ahead of 0, so that what lies before the first one seen has a position too.
        let next = *self.next.get_or_insert(u64::from(seq) + (1 << 32));
        position(next, seq)
    }

    fn next(&self) -> u64 {
        self.next.unwrap_or(0)
    }

    fn front(&self) -> Option<Front> {
        let held = self.held.first_key_value();
        held.map(|(start, held)| Front { start: *start, at: held.at, ack: held.ack }).or(self.fin.filter(|_| !self.ended))
    }

    /// Notes where the stream ends; what is held from beyond that was never part of it.
    fn close(&mut self, fin: Front) {
        let beyond = self.held.split_off(&fin.start);
        self.held_bytes -= beyond.values().map(|held| held.bytes.len()).sum::<usize>();
        self.fin = Some(fin);
    }

    fn is_idle(&self) -> bool {
        self.held.is_empty() && (self.fin.is_none() || self.ended)
    }

    /// Time on this way never runs backwards.
    fn clock(&mut self, at: TraceNs) -> TraceNs {
        self.last_at = self.last_at.max(at);
        self.last_at
    }

    /// Keeps the parts of a piece that are not there yet; returns the bytes that are.
    fn hold(&mut self, piece: &Piece<'_>) -> u64 {
        let mut repeated = piece.end() - piece.start;
        let before = self.held.range(..=piece.start).next_back();
        let mut start = before.map_or(piece.start, |(start, held)| piece.start.max(start + held.length()));
        while start < piece.end() {
            let next = self.held.range(start..).next().map(|(start, held)| (*start, start + held.length()));
            let (stop, resume) = next.unwrap_or((u64::MAX, u64::MAX));
            let part = piece.part(start, stop.min(piece.end()));
            if part.end() > start {
                repeated -= part.end() - start;
                self.held_bytes += part.bytes.len();
                self.held.insert(start, Held::new(&part));
            }
            start = resume;
        }
        repeated
    }
}

impl Held {
    fn new(piece: &Piece<'_>) -> Self {
        Self { bytes: piece.bytes.into(), missing_bytes: piece.missing_bytes, at: piece.at, ack: piece.ack }
    }

    fn length(&self) -> u64 {
        self.bytes.len() as u64 + self.missing_bytes
    }
}

impl Assembler {
    fn half(&self, way: Way) -> &Half {
        match way {
            Way::Forth => &self.forth,
            Way::Back => &self.back,
        }
    }

    fn half_mut(&mut self, way: Way) -> &mut Half {
        match way {
            Way::Forth => &mut self.forth,
            Way::Back => &mut self.back,
        }
    }

    /// How far `seq` lies ahead of the next expected one on this way, or below 0 behind it; `None` when nothing is known of it.
    #[must_use]
    pub fn lead(&self, way: Way, seq: u32) -> Option<i64> {
        self.half(way).next.map(|next| position(next, seq).wrapping_sub(next) as i64)
    }

    /// Whether both directions have ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.forth.ended && self.back.ended
    }

    /// Bytes that wait for a hole to be filled.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.forth.held_bytes + self.back.held_bytes
    }

    /// Takes one segment that came on `way`, and hands on what is in order now.
    pub fn push(&mut self, way: Way, at: TraceNs, segment: &Segment<'_>, sink: &mut impl Sink) {
        let ack = segment.ack.map_or(0, |ack| self.acknowledge(way.other(), ack));
        let half = self.half_mut(way);
        half.seen = true;
        let start = half.place(segment.seq.wrapping_add(u32::from(segment.syn)));
        let piece = Piece { start, bytes: segment.payload, missing_bytes: segment.missing_bytes as u64, at, ack };
        if segment.fin && half.fin.is_none() && piece.end() >= half.next() {
            half.close(Front { start: piece.end(), at, ack });
        }
        if piece.end() > start {
            self.take(way, piece, sink);
        }
        if !(self.forth.is_idle() && self.back.is_idle()) {
            self.release(at, false, sink);
        }
    }

    /// Notes that bytes of `way` were received up to `ack`; returns its position, 0 for one that no window holds.
    fn acknowledge(&mut self, way: Way, ack: u32) -> u64 {
        let half = self.half_mut(way);
        let position = half.place(ack);
        if position.abs_diff(half.next()) > WINDOW_BYTES_MAX {
            return 0;
        }
        half.acked = half.acked.max(position);
        position
    }

    fn take(&mut self, way: Way, mut piece: Piece<'_>, sink: &mut impl Sink) {
        if self.is_stray(way, &piece) {
            if self.half(way).strays < STRAYS_MAX {
                self.stray_bytes += piece.bytes.len() as u64;
                return;
            }
            piece.start = self.follow_strays(way, &piece, sink);
        }
        let in_turn = self.forth.is_idle() && self.back.is_idle() && piece.ack <= self.half(way.other()).next();
        let next = self.half(way).next();
        if piece.start < next {
            self.repeated_bytes += piece.end().min(next) - piece.start;
            if piece.end() <= next {
                return;
            }
            piece = piece.part(next, piece.end());
        }
        if in_turn && piece.start == next {
            give(self.half_mut(way), way, &piece, sink);
        } else {
            self.repeated_bytes += self.half_mut(way).hold(&piece);
        }
    }

    /// Whether a piece cannot belong to what is expected on its way.
    fn is_stray(&mut self, way: Way, piece: &Piece<'_>) -> bool {
        let half = self.half_mut(way);
        let after_end = half.fin.is_some_and(|fin| piece.end() > fin.start);
        let outside = piece.start.abs_diff(half.next()) > WINDOW_BYTES_MAX;
        half.strays = if outside { half.strays + 1 } else { 0 };
        after_end || outside
    }

    /// When one stray follows another, more was lost than a window holds: the stream goes on at the latest one. Gives its position.
    fn follow_strays(&mut self, way: Way, piece: &Piece<'_>, sink: &mut impl Sink) -> u64 {
        self.release(piece.at, true, sink);
        let half = self.half_mut(way);
        let lost = u64::from((piece.start as u32).wrapping_sub(half.next() as u32));
        let start = half.next() + lost;
        half.strays = 0;
        half.next = Some(start);
        let at = half.clock(piece.at);
        sink.gap(way, at, lost);
        start
    }

    /// Hands on all that is held, with holes as gaps.
    pub fn flush(&mut self, at: TraceNs, sink: &mut impl Sink) {
        self.release(at, true, sink);
    }

    /// Whether all of a segment's payload was handed on before.
    #[must_use]
    pub fn repeats(&self, way: Way, segment: &Segment<'_>) -> bool {
        let last = segment.seq.wrapping_add(segment.payload.len() as u32);
        self.half(way).next.is_some_and(|next| position(next, last) <= next)
    }

    /// Hands on all that is held, holes as gaps, and what was acknowledged and never seen; then ends both directions.
    pub fn finish(&mut self, at: TraceNs, sink: &mut impl Sink) {
        self.release(at, true, sink);
        for way in Way::BOTH {
            let half = self.half_mut(way);
            let missing_bytes = half.acked.saturating_sub(half.next());
            // A single byte is the FIN, which takes a sequence number too.
            if half.next.is_some() && !half.ended && missing_bytes > 1 {
                half.next = Some(half.acked);
                let at = half.clock(at);
                sink.gap(way, at, missing_bytes);
            }
        }
    }

    fn release(&mut self, now: TraceNs, force: bool, sink: &mut impl Sink) {
        loop {
            while let Some(way) = self.ready() {
                self.give_front(way, sink);
            }
            match self.block() {
                Some(block) if force || self.is_full() || self.is_over(&block, now) => self.skip(&block, sink),
                _ => return,
            }
        }
    }

    fn is_full(&self) -> bool {
        self.held_bytes() > HELD_BYTES_MAX || self.forth.held.len() + self.back.held.len() > HELD_SEGMENTS_MAX
    }

    /// Whether a hole has been waited for long enough.
    fn is_over(&self, block: &Block, now: TraceNs) -> bool {
        let half = self.half(block.way);
        let one_sided = half.gave_up && !half.seen;
        let patience_ns = if half.acked > half.next() { ACKED_HOLE_NS } else { HOLE_NS };
        one_sided || block.until <= half.next() || now - block.since > patience_ns
    }

    /// The way on which something can be handed on; the older if both can.
    fn ready(&self) -> Option<Way> {
        let older = |way: &Way| self.half(*way).front().map(|front| front.at);
        Way::BOTH.into_iter().filter(|way| self.is_ready(*way)).min_by_key(older)
    }

    fn is_ready(&self, way: Way) -> bool {
        let half = self.half(way);
        half.front().is_some_and(|front| front.start <= half.next() && front.ack <= self.half(way.other()).next())
    }

    /// What the oldest of the fronts waits for, when none is ready.
    fn block(&self) -> Option<Block> {
        Way::BOTH.into_iter().filter_map(|way| self.block_of(way)).min_by_key(|block| block.since)
    }

    fn block_of(&self, way: Way) -> Option<Block> {
        let front = self.half(way).front()?;
        if front.start > self.half(way).next() {
            return Some(Block { way, until: front.start, since: front.at });
        }
        let other = self.half(way.other()).front().map_or(u64::MAX, |other| other.start);
        Some(Block { way: way.other(), until: front.ack.min(other), since: front.at })
    }

    fn skip(&mut self, block: &Block, sink: &mut impl Sink) {
        let half = self.half_mut(block.way);
        if block.until <= half.next() {
            // Each way claims to come after the other: no genuine connection does that. The older goes first.
            return self.give_front(block.way.other(), sink);
        }
        let missing_bytes = block.until - half.next();
        half.next = Some(block.until);
        half.gave_up = true;
        let at = half.clock(block.since);
        sink.gap(block.way, at, missing_bytes);
    }

    fn give_front(&mut self, way: Way, sink: &mut impl Sink) {
        let half = self.half_mut(way);
        if let Some((start, held)) = half.held.pop_first() {
            half.held_bytes -= held.bytes.len();
            let Held { bytes, missing_bytes, at, ack } = held;
            give(half, way, &Piece { start, bytes: &bytes, missing_bytes, at, ack }, sink);
        } else if let Some(fin) = half.fin {
            half.ended = true;
            half.next = Some(fin.start + 1);
            let at = half.clock(fin.at);
            sink.end(way, at);
        }
    }
}

fn give(half: &mut Half, way: Way, piece: &Piece<'_>, sink: &mut impl Sink) {
    half.next = Some(piece.end());
    let at = half.clock(piece.at);
    if !piece.bytes.is_empty() {
        sink.bytes(way, at, piece.bytes);
    }
    if piece.missing_bytes > 0 {
        sink.gap(way, at, piece.missing_bytes);
    }
}

#[cfg(test)]
mod tests;
