//! Messages that begin with their length, four bytes long.

use crate::{Framed, Framing, Hole, Malformed, Start, Step, more, step};

/// Messages that are followed from one to the next to tell whether the first one is one.
const CHAIN_MAX: usize = 8;
/// Bytes of a message that is waited for to be followed; longer ones are not looked for.
const FOLLOWED_BYTES_MAX: usize = 64 << 10;

/// How the length is written, and what it may be.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Most significant byte first.
    pub big_endian: bool,
    /// Bytes of the length that it counts itself.
    pub counts_itself: u32,
    /// Bytes of a message without its length, at least.
    pub min_bytes: u32,
    /// At most.
    pub max_bytes: u32,
    /// Bytes behind the length that tell whether a message begins.
    pub head_bytes: usize,
    /// Whether it does, where so many bytes are shown of a message with so many.
    pub may_begin: fn(&[u8], u32) -> bool,
    /// Such a message is one only where another one, or the end of the bytes, follows it.
    pub chained: bool,
}

impl Layout {
    /// Bytes behind the length that a message has.
    fn body_bytes(&self, length: [u8; 4]) -> Option<u32> {
        let length = if self.big_endian { u32::from_be_bytes(length) } else { u32::from_le_bytes(length) };
        let body = length.checked_sub(self.counts_itself)?;
        (self.min_bytes..=self.max_bytes).contains(&body).then_some(body)
    }

    /// The length of the message at the front of `bytes`; an error where there is none, nothing where more bytes have to tell.
    fn begins(&self, bytes: &[u8]) -> Result<Option<usize>, ()> {
        let Some(length) = bytes.first_chunk() else { return Ok(None) };
        let body = self.body_bytes(*length).filter(|body| *body as usize >= self.head_bytes).ok_or(())?;
        match bytes.get(4..4 + self.head_bytes) {
            Some(head) if (self.may_begin)(head, body) => Ok(Some(4 + body as usize)),
            Some(_) => Err(()),
            None => Ok(None),
        }
    }

    fn find_start(&self, bytes: &[u8]) -> Start {
        for at in 0..bytes.len() {
            match self.begins(&bytes[at..]).and_then(|length| self.follow(&bytes[at..], length)) {
                Ok(true) => return Start::At(at),
                Ok(false) => return Start::NotBefore(at),
                Err(()) => {}
            }
        }
        Start::NotBefore(bytes.len())
    }

    /// Whether what follows the first message is one too, or the end of the bytes; false where more bytes have to tell.
    fn follow(&self, bytes: &[u8], first: Option<usize>) -> Result<bool, ()> {
        let Some(mut at) = first else { return Ok(false) };
        if !self.chained {
            return Ok(true);
        }
        let mut length = at;
        for _ in 0..CHAIN_MAX {
            if length > FOLLOWED_BYTES_MAX {
                return Err(());
            }
            if at >= bytes.len() {
                return Ok(at == bytes.len());
            }
            let Some(next) = self.begins(&bytes[at..])? else { return Ok(false) };
            (at, length) = (at + next, next);
        }
        Ok(true)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// So many bytes of the length were seen.
    Length([u8; 4], usize),
    /// So many bytes of the message are to come.
    Body(u32),
    /// Malformed or lost: waits for a restart.
    Broken,
}

/// Finds where such messages end.
#[derive(Debug, Clone)]
pub struct LengthFraming {
    layout: Layout,
    state: State,
}

const BEGIN: State = State::Length([0; 4], 0);

impl LengthFraming {
    /// At the beginning of a message.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        Self { layout, state: BEGIN }
    }
}

impl Framing for LengthFraming {
    fn read(&mut self, bytes: &[u8]) -> Step<Framed> {
        let mut used = 0;
        while let State::Length(mut length, seen) = self.state {
            let Some(byte) = bytes.get(used) else { return more(used) };
            length[seen] = *byte;
            if seen < 3 {
                self.state = State::Length(length, seen + 1);
            } else if let Some(body) = self.layout.body_bytes(length) {
                self.state = State::Body(body);
            } else {
                self.state = State::Broken;
                return step(used, Framed::Malformed(Malformed { what: "a length beyond the limits", offset: used }));
            }
            used += 1;
        }
        let State::Body(left) = self.state else { return more(bytes.len()) };
        let here = (left as usize).min(bytes.len() - used);
        self.state = State::Body(left - here as u32);
        if here < left as usize {
            return more(used + here);
        }
        self.state = BEGIN;
        step(used + here, Framed::End)
    }

    fn skip(&mut self, missing: u64) -> Hole {
        let State::Body(left) = self.state else {
            self.state = State::Broken;
            return Hole::Lost;
        };
        let (state, hole) = match u64::from(left).checked_sub(missing) {
            Some(0) => (BEGIN, Hole::ToEnd),
            Some(left) => (State::Body(left as u32), Hole::Inside),
            None => (State::Broken, Hole::Past),
        };
        self.state = state;
        hole
    }

    fn restart(&mut self) {
        self.state = BEGIN;
    }

    fn find_start(&self, bytes: &[u8]) -> Start {
        self.layout.find_start(bytes)
    }
}
