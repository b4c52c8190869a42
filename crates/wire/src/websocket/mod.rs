//! WebSocket (RFC 6455) with compressed messages (RFC 7692), both sides of a connection.
//!
//! One [`Conversation`] per connection, from the first byte behind the handshake. The caller holds the bytes and shows their front; each
//! [`Step`] says how many are used up and what they were. Messages come in parts as they arrive, still masked ([`Part`] unmasks) and
//! compressed ([`Inflater`] takes that off); control frames come whole, also between the fragments of a message.
//!
//! ```
//! use wire::Side;
//! use wire::websocket::{Conversation, Event, MessageKind, push_message};
//! let mut sent = Vec::new();
//! push_message(MessageKind::Text, false, Some([1, 2, 3, 4]), b"hello", &mut sent);
//! let (mut conversation, mut message) = (Conversation::new(), Vec::new());
//! let step = conversation.read(Side::Client, &sent);
//! let Some(Event::Data { part, end: true, .. }) = step.event else { panic!("a whole message") };
//! part.push_to(&mut message);
//! assert_eq!((&message[..], step.used), (&b"hello"[..], sent.len()));
//! ```

mod deflate;
mod find;
mod frame;
mod handshake;

pub use deflate::{Deflater, Extension, INFLATED_BYTES_MAX, Inflater};
pub use find::{find_start, is_frames};
pub use frame::CONTROL_BYTES_MAX;
use frame::{BINARY, CLOSE, CONTINUATION, FrameHead, PING, PONG, TEXT, push_head};
pub use handshake::{accept, key};

pub use crate::{Malformed, Start, Step};
use crate::{Side, more, step};

/// What a message holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// UTF-8.
    Text,
    /// Anything.
    Binary,
}

/// What a control frame says (RFC 6455 §5.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlKind {
    /// Nothing follows from this side.
    Close,
    /// Asks for a pong.
    Ping,
    /// Answers a ping, or says that this side lives.
    Pong,
}

/// Bytes of a frame, masked as they were sent (RFC 6455 §5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    bytes: &'a [u8],
    /// The key, from the place in it on that belongs to the first byte; zeros where nothing is masked.
    key: [u8; 4],
}

impl Part<'_> {
    /// Bytes of it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Appends it without its mask.
    pub fn push_to(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(self.bytes);
        mask(self.key, &mut out[start..]);
    }
}

/// Puts a mask on, or takes it off.
fn mask(key: [u8; 4], bytes: &mut [u8]) {
    if key != [0; 4] {
        bytes.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    }
}

/// The beginning of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// What it holds.
    pub kind: MessageKind,
    /// Its bytes are compressed, if that was agreed.
    pub compressed: bool,
}

/// What the front of the bytes was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A part of a message.
    Data {
        /// It is the first of its message.
        opening: Option<Opening>,
        /// Empty where a frame has no bytes.
        part: Part<'a>,
        /// It is the last of its message.
        end: bool,
    },
    /// A control frame.
    Control {
        /// What it says.
        kind: ControlKind,
        /// What comes with it, at most [`CONTROL_BYTES_MAX`] bytes.
        payload: Part<'a>,
    },
    /// Not WebSocket. This side then stands still until [`Conversation::restart`].
    Malformed(Malformed),
}

/// The code of a close frame, and why in words (RFC 6455 §5.5.1); `None` where it says nothing.
#[must_use]
pub fn close_reason(payload: Part<'_>) -> Option<(u16, Vec<u8>)> {
    let mut plain = Vec::new();
    payload.push_to(&mut plain);
    let reason = plain.split_off(plain.len().min(2));
    Some((u16::from_be_bytes(*plain.first_chunk()?), reason))
}

/// What a hole in one side's bytes means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hole {
    /// It lies inside one frame of a message: framing goes on behind it.
    Inside {
        /// The message ends with it; there will be no event that says so.
        end: bool,
    },
    /// It goes beyond the end of the frame of a message that was under way, into what cannot be known.
    Past,
    /// Where it ends cannot be known.
    Lost,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Before a frame.
    Frame,
    /// Inside a frame of a message.
    Data { left: u64, key: [u8; 4], fin: bool },
    /// Malformed or lost: waits for a restart.
    Broken,
}

/// What one side sends.
#[derive(Debug)]
struct Direction {
    state: State,
    /// A message is under way.
    in_message: bool,
    /// One may be under way whose beginning was not seen.
    joined_late: bool,
}

impl Direction {
    fn read<'a>(&mut self, bytes: &'a [u8]) -> Step<Event<'a>> {
        match self.state {
            State::Frame => self.frame(bytes),
            State::Data { left, key, fin } => self.data(None, left, key, fin, 0, bytes),
            State::Broken => more(0),
        }
    }

    fn frame<'a>(&mut self, bytes: &'a [u8]) -> Step<Event<'a>> {
        let Some(head) = FrameHead::parse(bytes) else { return more(0) };
        if let Some(what) = head.fault() {
            return self.malformed(what);
        }
        if head.is_control() {
            return Self::control(&head, bytes);
        }
        if head.length > 0 && bytes.len() == head.bytes {
            return more(0);
        }
        let kind = match head.opcode {
            TEXT => Some(MessageKind::Text),
            BINARY => Some(MessageKind::Binary),
            _ => None,
        };
        match kind {
            Some(_) if self.in_message && !self.joined_late => return self.malformed("a message inside another"),
            None if !self.in_message && !self.joined_late => return self.malformed("a message without a beginning"),
            _ => {}
        }
        self.in_message = true;
        self.joined_late &= kind.is_none();
        let opening = kind.map(|kind| Opening { kind, compressed: head.compressed });
        self.data(opening, head.length, head.key.unwrap_or_default(), head.fin, head.bytes, bytes)
    }

    fn control<'a>(head: &FrameHead, bytes: &'a [u8]) -> Step<Event<'a>> {
        let end = head.bytes + head.length as usize;
        let Some(payload) = bytes.get(head.bytes..end) else { return more(0) };
        let kind = match head.opcode {
            CLOSE => ControlKind::Close,
            PING => ControlKind::Ping,
            _ => ControlKind::Pong,
        };
        step(end, Event::Control { kind, payload: Part { bytes: payload, key: head.key.unwrap_or_default() } })
    }

    /// The bytes of a frame from `start` on.
    fn data<'a>(
        &mut self,
        opening: Option<Opening>,
        left: u64,
        key: [u8; 4],
        fin: bool,
        start: usize,
        bytes: &'a [u8],
    ) -> Step<Event<'a>> {
        if left > 0 && bytes.len() == start {
            return more(0);
        }
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len() - start);
        let part = Part { bytes: &bytes[start..start + length], key };
        let end = self.pass(left, key, fin, length as u64);
        step(start + length, Event::Data { opening, part, end })
    }

    /// Goes on behind so many of the bytes that are left of a frame; whether its message ends with them.
    fn pass(&mut self, left: u64, mut key: [u8; 4], fin: bool, length: u64) -> bool {
        key.rotate_left((length % 4) as usize);
        let done = left == length;
        self.state = if done { State::Frame } else { State::Data { left: left - length, key, fin } };
        self.in_message &= !(done && fin);
        done && fin
    }

    fn malformed<'a>(&mut self, what: &'static str) -> Step<Event<'a>> {
        self.state = State::Broken;
        step(0, Event::Malformed(Malformed { what, offset: 0 }))
    }

    fn skip(&mut self, missing: u64) -> Hole {
        match self.state {
            State::Data { left, key, fin } if missing <= left => Hole::Inside { end: self.pass(left, key, fin, missing) },
            state => {
                self.state = State::Broken;
                if matches!(state, State::Data { .. }) { Hole::Past } else { Hole::Lost }
            }
        }
    }

    fn restart(&mut self) {
        *self = Self { state: State::Frame, in_message: false, joined_late: true };
    }
}

/// Both sides of one connection.
#[derive(Debug)]
pub struct Conversation {
    client: Direction,
    server: Direction,
}

impl Default for Conversation {
    fn default() -> Self {
        Self::new()
    }
}

impl Conversation {
    /// A connection on which nothing was said since the handshake.
    #[must_use]
    pub fn new() -> Self {
        let new = || Direction { state: State::Frame, in_message: false, joined_late: false };
        Self { client: new(), server: new() }
    }

    /// Looks at the front of the bytes of one side. Unused bytes are to be shown again with more behind them; they are never more than the
    /// head of a frame, or a control frame.
    pub fn read<'a>(&mut self, side: Side, bytes: &'a [u8]) -> Step<Event<'a>> {
        self.direction(side).read(bytes)
    }

    /// Says that the next `missing` bytes of this side were not seen. Show all bytes before them first, and throw away what was not
    /// used. After [`Hole::Past`] and [`Hole::Lost`] this side stands still until [`Conversation::restart`].
    pub fn skip(&mut self, side: Side, missing: u64) -> Hole {
        self.direction(side).skip(missing)
    }

    /// The next bytes shown of this side begin a frame (see [`find_start`]), perhaps one of a message whose beginning was not seen.
    pub fn restart(&mut self, side: Side) {
        self.direction(side).restart();
    }

    fn direction(&mut self, side: Side) -> &mut Direction {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}

/// Appends a message as one frame. `compressed` says that a [`Deflater`] made its bytes; a client has to give a `key` that nobody can
/// guess, a server none.
pub fn push_message(kind: MessageKind, compressed: bool, key: Option<[u8; 4]>, message: &[u8], out: &mut Vec<u8>) {
    push_fragment(Some(Opening { kind, compressed }), true, key, message, out);
}

/// Appends a fragment of a message: with its opening the first one, with `end` the last one.
pub fn push_fragment(opening: Option<Opening>, end: bool, key: Option<[u8; 4]>, fragment: &[u8], out: &mut Vec<u8>) {
    let opcode = opening.map_or(CONTINUATION, |opening| match opening.kind {
        MessageKind::Text => TEXT,
        MessageKind::Binary => BINARY,
    });
    push_frame(opcode, end, opening.is_some_and(|opening| opening.compressed), key, fragment, out);
}

/// Appends a control frame; what goes with it is cut at [`CONTROL_BYTES_MAX`] bytes.
pub fn push_control(kind: ControlKind, key: Option<[u8; 4]>, payload: &[u8], out: &mut Vec<u8>) {
    let opcode = match kind {
        ControlKind::Close => CLOSE,
        ControlKind::Ping => PING,
        ControlKind::Pong => PONG,
    };
    push_frame(opcode, true, false, key, &payload[..payload.len().min(CONTROL_BYTES_MAX)], out);
}

fn push_frame(opcode: u8, fin: bool, compressed: bool, key: Option<[u8; 4]>, payload: &[u8], out: &mut Vec<u8>) {
    push_head(opcode, fin, compressed, key, payload.len(), out);
    let start = out.len();
    out.extend_from_slice(payload);
    mask(key.unwrap_or_default(), &mut out[start..]);
}
