//! Protocols whose messages can be told apart without a look at the other side: cuts both sides' bytes into messages, keeps of each as much
//! as is wanted, and bridges what was not captured. What the messages mean is a [`Talk`]'s affair.

use bytes::{Bytes, BytesMut};
use trace::{Exchange, Flag, TraceNs};
use wire::{Framed, Framing, Hole, Side, Step};

use super::{Connection, Dissector, Emit, Options, read_on};

/// Bytes of a message that are kept to be understood, where fewer are to be recorded.
const READ_BYTES_MIN: usize = 64 << 10;

/// One message of one side.
pub(super) struct Message<'a> {
    /// When its first byte was captured.
    pub at: TraceNs,
    /// When its last one was.
    pub done_at: TraceNs,
    /// Its beginning, as far as it was kept.
    pub bytes: &'a [u8],
    /// Its size on the wire, also of what was not captured of it.
    pub wire_bytes: u64,
    /// What is wrong with it: [`Flag::Gap`], [`Flag::Truncated`], or [`Flag::Open`] where the capture ends in it.
    pub flag: Option<Flag>,
}

impl Message<'_> {
    /// Notes on a row that this is its request: its size, what is wrong with it, and of `kept`, the request as it may be stored, as much as
    /// options allow.
    pub fn note_request(&self, kept: Bytes, options: &Options, row: &mut Exchange) {
        let is_part = self.flag != Some(Flag::Gap) && (self.bytes.len() as u64) < self.wire_bytes;
        let cut = kept.len() > options.body_bytes_max || is_part;
        let kept = kept.slice(..kept.len().min(options.body_bytes_max));
        let flags = [self.flag, cut.then_some(Flag::Truncated), (cut || self.flag.is_some()).then_some(Flag::Unreplayable)];
        flags.into_iter().flatten().for_each(|flag| row.flags.set(flag));
        (row.request, row.request_bytes) = ((!kept.is_empty()).then_some(kept), self.wire_bytes);
    }

    /// Notes on a row that this is its answer, or a further part of it.
    pub fn note_answer(&self, options: &Options, row: &mut Exchange) {
        row.response_bytes += self.wire_bytes;
        row.first_byte_ns.get_or_insert((self.at - row.at).max(0));
        row.latency_ns = self.flag.is_none().then_some((self.done_at - row.at).max(0));
        self.flag.into_iter().for_each(|flag| row.flags.set(flag));
        if options.keep_responses {
            let mut all = BytesMut::from(row.response.take().unwrap_or_default());
            let kept = self.bytes.len().min(options.body_bytes_max.saturating_sub(all.len()));
            all.extend_from_slice(&self.bytes[..kept]);
            row.response = Some(all.freeze());
        }
    }

    /// Whether all of it is in [`Message::bytes`].
    pub fn is_whole(&self) -> bool {
        self.flag.is_none() && self.bytes.len() as u64 == self.wire_bytes
    }
}

/// What the messages of one connection mean.
pub(super) trait Talk {
    /// How messages are told apart.
    type Framing: Framing;
    /// The protocol, for the names of issues.
    const NAME: &'static str;

    /// How the messages of one side are told apart.
    fn framing(side: Side) -> Self::Framing;

    /// The next message of one side.
    fn message(&mut self, side: Side, message: &Message<'_>, out: &mut Emit);

    /// Messages of one side may be missing here, the beginnings of so many surely; what is known of one that was under way came before.
    fn lost(&mut self, side: Side, at: TraceNs, at_least: u64, out: &mut Emit);

    /// Whether what comes now is of no use any more.
    fn is_over(&self) -> bool {
        false
    }

    /// Nothing comes from this side any more.
    fn end(&mut self, _side: Side, _at: TraceNs, _out: &mut Emit) {}

    /// Nothing more will come.
    fn finish(&mut self, at: TraceNs, out: &mut Emit);

    /// The connection.
    fn about(&self) -> &Connection;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Messages are read.
    Framed,
    /// The start of a message is looked for.
    Searching,
}

/// One side of a connection.
struct Lane<F> {
    framing: F,
    mode: Mode,
    /// Bytes in which a start was looked for, and may begin.
    held: Vec<u8>,
    /// Of the message under way, if it did not begin with the bytes that are looked at now.
    kept: Vec<u8>,
    started: TraceNs,
    wire_bytes: u64,
    gap: bool,
}

impl<F: Framing> Lane<F> {
    fn new(framing: F, from_start: bool) -> Self {
        let mode = if from_start { Mode::Framed } else { Mode::Searching };
        Self { framing, mode, held: Vec::new(), kept: Vec::new(), started: TraceNs(0), wire_bytes: 0, gap: false }
    }

    fn is_under_way(&self) -> bool {
        self.wire_bytes > 0
    }

    fn count(&mut self, at: TraceNs, bytes: u64) {
        if self.wire_bytes == 0 {
            self.started = at;
        }
        self.wire_bytes += bytes;
    }

    /// Keeps the next bytes of the message under way; of one with a hole, what is before that.
    fn keep(&mut self, bytes: &[u8], bytes_max: usize) {
        let kept = if self.gap { 0 } else { bytes.len().min(bytes_max.saturating_sub(self.kept.len())) };
        self.kept.extend_from_slice(&bytes[..kept]);
    }

    /// The message under way, whose last bytes are `last`.
    fn message<'a>(&'a mut self, last: &'a [u8], bytes_max: usize, at: TraceNs, flag: Option<Flag>) -> Message<'a> {
        let flag = flag.or(self.gap.then_some(Flag::Gap));
        let whole = last.len() as u64 == self.wire_bytes && last.len() <= bytes_max;
        if !whole {
            self.keep(last, bytes_max);
        }
        let bytes = if whole { last } else { &self.kept };
        Message { at: self.started, done_at: at, bytes, wire_bytes: self.wire_bytes, flag }
    }

    fn clear(&mut self) {
        self.kept.clear();
        self.kept.shrink_to(READ_BYTES_MIN);
        (self.wire_bytes, self.gap) = (0, false);
    }
}

/// The dissector of a protocol whose messages mean what `T` says.
pub(super) struct Messages<T: Talk> {
    lanes: [Lane<T::Framing>; 2],
    talk: T,
    bytes_max: usize,
}

impl<T: Talk> Messages<T> {
    pub fn new(talk: T, options: &Options) -> Self {
        let lane = |side| Lane::new(T::framing(side), talk.about().from_start);
        let lanes = [lane(Side::Client), lane(Side::Server)];
        Self { lanes, talk, bytes_max: options.body_bytes_max.max(READ_BYTES_MIN) }
    }

    fn issue(&self, side: Side, what: &str, out: &mut Emit) {
        let about = self.talk.about();
        let word = if side == Side::Client { "request" } else { "response" };
        out.issues.add(&format!("{}-{word}-{what}", T::NAME), || format!("connection {}, request {}", about.session, about.rows));
    }

    /// Reads the front of `bytes` as far as it can be understood; the number of bytes that are done with.
    fn read(&mut self, side: Side, at: TraceNs, bytes: &[u8], out: &mut Emit) -> usize {
        let mut used = 0;
        while used < bytes.len() {
            let rest = &bytes[used..];
            if self.talk.is_over() {
                out.undecoded_bytes += rest.len() as u64;
                return bytes.len();
            }
            if self.lanes[side as usize].mode == Mode::Framed {
                used += self.step(side, at, rest, out);
                continue;
            }
            let lane = &mut self.lanes[side as usize];
            let (skipped, found) = out.pass_over(lane.framing.find_start(rest));
            used += skipped;
            if !found {
                return used;
            }
            lane.framing.restart();
            lane.mode = Mode::Framed;
        }
        used
    }

    /// Reads up to the end of a message; the number of bytes used, at least one.
    fn step(&mut self, side: Side, at: TraceNs, bytes: &[u8], out: &mut Emit) -> usize {
        let lane = &mut self.lanes[side as usize];
        let Step { used, event } = lane.framing.read(bytes);
        lane.count(at, used as u64);
        match event {
            None => lane.keep(&bytes[..used], self.bytes_max),
            Some(Framed::End) => {
                self.talk.message(side, &lane.message(&bytes[..used], self.bytes_max, at, None), out);
                lane.clear();
            }
            Some(Framed::Malformed(_)) => {
                lane.keep(&bytes[..used], self.bytes_max);
                self.issue(side, "malformed", out);
                self.break_off(side, at, Flag::Truncated, out);
                if side == Side::Server {
                    self.talk.lost(side, at, 0, out);
                }
                self.lanes[side as usize].mode = Mode::Searching;
                // One byte is passed over, so that the search for the next message gets on.
                let passed = usize::from(used < bytes.len());
                out.undecoded_bytes += passed as u64;
                return used + passed;
            }
        }
        used
    }

    /// Gives the message under way as it is.
    fn break_off(&mut self, side: Side, at: TraceNs, flag: Flag, out: &mut Emit) {
        let lane = &mut self.lanes[side as usize];
        if lane.is_under_way() {
            self.talk.message(side, &lane.message(&[], self.bytes_max, at, Some(flag)), out);
            lane.clear();
        }
    }

    /// Throws away what was held back, and gives the message under way as it is.
    fn stop(&mut self, side: Side, at: TraceNs, flag: Flag, out: &mut Emit) {
        out.undecoded_bytes += std::mem::take(&mut self.lanes[side as usize].held).len() as u64;
        self.break_off(side, at, flag, out);
    }
}

impl<T: Talk> Dissector for Messages<T> {
    fn bytes(&mut self, side: Side, at: TraceNs, bytes: &[u8], out: &mut Emit) {
        let mut held = std::mem::take(&mut self.lanes[side as usize].held);
        read_on(&mut held, bytes, |bytes| self.read(side, at, bytes, out));
        self.lanes[side as usize].held = held;
    }

    fn gap(&mut self, side: Side, at: TraceNs, missing_bytes: u64, out: &mut Emit) {
        let lane = &mut self.lanes[side as usize];
        if lane.mode == Mode::Searching {
            return self.stop(side, at, Flag::Gap, out);
        }
        match lane.framing.skip(missing_bytes) {
            hole @ (Hole::Inside | Hole::ToEnd) => {
                lane.count(at, missing_bytes);
                lane.gap = true;
                if hole == Hole::ToEnd {
                    self.break_off(side, at, Flag::Gap, out);
                }
            }
            hole @ (Hole::Past | Hole::Lost) => {
                let at_least = u64::from(hole == Hole::Past || !lane.is_under_way());
                self.issue(side, "bytes-lost", out);
                self.break_off(side, at, Flag::Gap, out);
                self.talk.lost(side, at, at_least, out);
                self.lanes[side as usize].mode = Mode::Searching;
            }
        }
    }

    fn end(&mut self, side: Side, at: TraceNs, out: &mut Emit) {
        if self.lanes[side as usize].is_under_way() {
            self.issue(side, "cut", out);
        }
        self.stop(side, at, Flag::Truncated, out);
        self.talk.end(side, at, out);
    }

    fn finish(&mut self, at: TraceNs, out: &mut Emit) {
        for side in [Side::Client, Side::Server] {
            self.stop(side, at, Flag::Open, out);
        }
        self.talk.finish(at, out);
    }
}
