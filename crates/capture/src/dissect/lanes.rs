//! Protocols whose messages can be told apart only with a look at both sides: shows each side's bytes to what reads them, holds back what was
//! not used, and has the next message looked for where framing was lost.

use trace::TraceNs;
use wire::Side;

use super::{Emit, read_on};

/// Where one side stands.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// The start of a message is looked for.
    pub searching: bool,
    /// Nothing more can be read.
    pub dead: bool,
    ended: bool,
    /// Bytes that were shown and not used.
    pub held: Vec<u8>,
    /// When the first byte of the message under way was captured.
    pub started: Option<TraceNs>,
}

impl Lane {
    /// At the beginning of a message, or anywhere.
    pub fn new(from_start: bool) -> Self {
        Self { searching: !from_start, ..Self::default() }
    }
}

/// What reads both sides of a connection.
pub(super) trait Lanes {
    /// Bytes of one side that wait for what follows them.
    const HELD_BYTES_MAX: usize;
    /// The issues that say that there are more, and that some were held back when nothing followed.
    const ISSUES: [&'static str; 2];

    /// Where this side stands.
    fn lane(&mut self, side: Side) -> &mut Lane;

    /// Adds to what the lane holds back what was taken out of other bytes and is held back, too.
    fn gather(&mut self, _side: Side) {}

    /// Counts something odd.
    fn issue(&self, kind: &str, out: &mut Emit);

    /// Looks for the start of a message: how many bytes are passed over for it, and whether it was found behind them.
    fn search(&mut self, side: Side, bytes: &[u8], out: &mut Emit) -> (usize, bool);

    /// One step of framing: the bytes that are done with, and whether there may be another step.
    fn step(&mut self, side: Side, at: TraceNs, bytes: &[u8], out: &mut Emit) -> (usize, bool);

    /// Takes the next bytes of one side.
    fn show(&mut self, side: Side, at: TraceNs, bytes: &[u8], out: &mut Emit) {
        let mut held = std::mem::take(&mut self.lane(side).held);
        read_on(&mut held, bytes, |bytes| self.read(side, at, bytes, out));
        let is_full = held.len() > Self::HELD_BYTES_MAX;
        self.lane(side).held = held;
        if is_full {
            self.issue(Self::ISSUES[0], out);
            self.drop_held(side, out);
            self.lane(side).dead = true;
        }
    }

    /// Reads the front of `bytes`, as they were sent; the number of bytes that are done with.
    fn read(&mut self, side: Side, at: TraceNs, bytes: &[u8], out: &mut Emit) -> usize {
        self.read_plain(side, at, bytes, out)
    }

    /// Reads the front of `bytes`, which are nothing but messages, as far as they can be understood.
    fn read_plain(&mut self, side: Side, at: TraceNs, bytes: &[u8], out: &mut Emit) -> usize {
        let mut used = 0;
        loop {
            let (here, goes_on) = self.advance(side, at, &bytes[used..], out);
            used += here;
            if !goes_on {
                return used;
            }
        }
    }

    /// One step, of whatever kind.
    fn advance(&mut self, side: Side, at: TraceNs, bytes: &[u8], out: &mut Emit) -> (usize, bool) {
        let lane = self.lane(side);
        if lane.dead {
            out.undecoded_bytes += bytes.len() as u64;
            return (bytes.len(), false);
        }
        if lane.searching {
            let (skipped, found) = self.search(side, bytes, out);
            if found {
                let lane = self.lane(side);
                (lane.searching, lane.started) = (false, None);
            }
            return (skipped, found);
        }
        if !bytes.is_empty() {
            lane.started.get_or_insert(at);
        }
        self.step(side, at, bytes, out)
    }

    /// Throws away what one side held back: what follows it will not come.
    fn drop_held(&mut self, side: Side, out: &mut Emit) {
        self.gather(side);
        let lane = self.lane(side);
        let held = std::mem::take(&mut lane.held);
        out.undecoded_bytes += held.len() as u64;
        if !held.is_empty() && !lane.searching {
            lane.started = None;
            self.issue(Self::ISSUES[1], out);
        }
    }

    /// One side sends nothing any more; whether that is new.
    fn close(&mut self, side: Side, out: &mut Emit) -> bool {
        let is_new = !std::mem::replace(&mut self.lane(side).ended, true);
        if is_new {
            self.drop_held(side, out);
        }
        is_new
    }
}
