//! HTTP/2 (RFC 9113), both sides of a connection.
//!
//! One [`Conversation`] per connection. The caller holds the bytes and shows their front; each [`Step`] says how many are used up and what
//! they were. Bytes are used up only together with an event, which names its stream, so that sizes on the wire can be summed up by stream.
//! Header blocks come decoded and whole, data in parts as it arrives. What the messages on a stream are, and which is the answer to which,
//! is the caller's affair.
//!
//! ```
//! use wire::Side;
//! use wire::hpack::{Encoder, Field};
//! use wire::http2::{Conversation, Event, FRAME_BYTES_DEFAULT, push_data, push_headers};
//! let mut block = Vec::new();
//! Encoder::default().encode([Field::new(b":status", b"200")], &mut block);
//! let mut sent = Vec::new();
//! push_headers(1, &block, false, FRAME_BYTES_DEFAULT, &mut sent);
//! push_data(1, b"hi", true, FRAME_BYTES_DEFAULT, &mut sent);
//!
//! let (mut conversation, mut bytes, mut body) = (Conversation::new(), &sent[..], Vec::new());
//! loop {
//!     let step = conversation.read(Side::Server, bytes);
//!     bytes = &bytes[step.used..];
//!     match step.event {
//!         Some(Event::Headers(headers)) => assert_eq!(headers.fields.get(b":status"), Some(&b"200"[..])),
//!         Some(Event::Data { part, end, .. }) => {
//!             body.extend_from_slice(part);
//!             if end {
//!                 break;
//!             }
//!         }
//!         other => panic!("{other:?}"),
//!     }
//! }
//! assert_eq!(body, b"hi");
//! ```

mod encode;
mod find;
mod frame;

pub use encode::{
    PREFACE, push_data, push_goaway, push_headers, push_ping, push_reset, push_settings, push_settings_ack, push_window_update,
};
pub use find::find_start;
use frame::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, FrameHead, GOAWAY, HEAD_BYTES, HEADERS, PING, PUSH_PROMISE, RST_STREAM,
    SETTINGS, WINDOW_UPDATE,
};

use crate::hpack::{Decoder, Fields};
pub use crate::{Malformed, Start, Step};
use crate::{Side, more, step};

/// Bytes that a frame may carry as long as nothing else was agreed (RFC 9113 §6.5.2).
pub const FRAME_BYTES_DEFAULT: usize = 16_384;
/// Bytes that a frame may carry at all.
const FRAME_BYTES_MAX: usize = (1 << 24) - 1;
/// Bytes of a header block, in however many frames, and of any frame that has to be whole to be understood.
pub const HEADER_BLOCK_BYTES_MAX: usize = 256 << 10;

/// Identifiers of settings (RFC 9113 §6.5.2).
pub mod setting {
    /// Bytes of the table that the peer's encoder may use.
    pub const HEADER_TABLE_SIZE: u16 = 1;
    /// Whether the peer may promise streams.
    pub const ENABLE_PUSH: u16 = 2;
    /// Streams that the peer may have open at once.
    pub const MAX_CONCURRENT_STREAMS: u16 = 3;
    /// Bytes of data that the peer may send on a new stream before it is let send more.
    pub const INITIAL_WINDOW_SIZE: u16 = 4;
    /// Bytes that a frame of the peer may carry.
    pub const MAX_FRAME_SIZE: u16 = 5;
    /// Bytes of a list of fields that is not refused.
    pub const MAX_HEADER_LIST_SIZE: u16 = 6;
}

/// Names of the error codes 0 to 13 (RFC 9113 §7), as they are written in lower case.
const ERROR_NAMES: [&str; 14] = [
    "no_error",
    "protocol_error",
    "internal_error",
    "flow_control_error",
    "settings_timeout",
    "stream_closed",
    "frame_size_error",
    "refused_stream",
    "cancel",
    "compression_error",
    "connect_error",
    "enhance_your_calm",
    "inadequate_security",
    "http_1_1_required",
];

/// The name of an error code.
#[must_use]
pub fn error_name(code: u32) -> &'static str {
    usize::try_from(code).ok().and_then(|code| ERROR_NAMES.get(code).copied()).unwrap_or("unknown_error")
}

/// A decoded header block: the head of a message, or its trailers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headers {
    /// The stream whose frame this is.
    pub stream: u32,
    /// The stream that a PUSH_PROMISE promises: these are the headers of a request that the client has not sent.
    pub promised: Option<u32>,
    /// Pseudo-header fields and header fields, as they were sent.
    pub fields: Fields,
    /// Nothing follows on the stream from this side.
    pub end: bool,
    /// Why fields are missing, where the block could not be decoded to its end.
    pub fault: Option<&'static str>,
}

/// What the front of the bytes was.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// The client's first bytes.
    Preface,
    /// A header block is complete.
    Headers(Headers),
    /// A part of a header block, the rest of which is to come.
    Fragment {
        /// Its stream.
        stream: u32,
    },
    /// A part of a body, padding taken off.
    Data {
        /// Its stream.
        stream: u32,
        /// Empty where there was nothing but framing.
        part: &'a [u8],
        /// It is the first part of its frame.
        begins: bool,
        /// Nothing follows on the stream from this side.
        end: bool,
    },
    /// The stream is ended at once, by this side for both.
    Reset {
        /// The stream.
        stream: u32,
        /// Why (RFC 9113 §7); see [`error_name`].
        code: u32,
    },
    /// What this side asks of the other.
    Settings(Settings<'a>),
    /// What the other side asked holds now.
    SettingsAck,
    /// No new streams are taken.
    GoAway {
        /// The last one that was looked at.
        last_stream: u32,
        /// Why (RFC 9113 §7).
        code: u32,
    },
    /// A ping, or the answer to one.
    Ping {
        /// Whether it is the answer.
        ack: bool,
        /// What comes back.
        data: [u8; 8],
    },
    /// The other side may send more.
    Window {
        /// The stream, or 0 for all together.
        stream: u32,
        /// Bytes more.
        increment: u32,
    },
    /// A frame that says nothing of messages, or a part of it.
    Other {
        /// Its stream, or 0.
        stream: u32,
        /// Its type.
        kind: u8,
    },
    /// Not HTTP/2. This side then stands still until [`Conversation::restart`].
    Malformed(Malformed),
}

/// Settings of one frame, in its order.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a>(&'a [u8]);

impl Settings<'_> {
    /// Identifiers (see [`setting`]) and values.
    pub fn iter(&self) -> impl Iterator<Item = (u16, u32)> {
        self.0.as_chunks::<6>().0.iter().map(|[a, b, value @ ..]| (u16::from_be_bytes([*a, *b]), u32::from_be_bytes(*value)))
    }
}

/// What a hole in one side's bytes means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hole {
    /// It lies inside one frame: framing goes on behind it.
    Inside {
        /// The stream of that frame, or 0.
        stream: u32,
        /// Nothing follows on the stream from this side; there will be no event that says so.
        end: bool,
    },
    /// Where it ends cannot be known, nor what the tables of header fields hold behind it.
    Lost,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Before a frame.
    Frame,
    Data(Rest),
    /// Inside a frame that says nothing of messages.
    Other {
        stream: u32,
        kind: u8,
        left: usize,
    },
    /// Malformed or lost: waits for a restart.
    Broken,
}

/// What is left of a DATA frame.
#[derive(Debug, Clone, Copy)]
struct Rest {
    stream: u32,
    data_bytes: usize,
    padding_bytes: usize,
    end: bool,
}

/// A header block under way.
#[derive(Debug)]
struct Block {
    stream: u32,
    promised: Option<u32>,
    end: bool,
    bytes: Vec<u8>,
    overlong: bool,
}

/// What one side sends.
#[derive(Debug)]
struct Direction {
    state: State,
    decoder: Decoder,
    block: Option<Block>,
    /// Bytes that a frame may carry, by what the other side asked.
    frame_bytes_max: usize,
}

impl Direction {
    fn new() -> Self {
        Self { state: State::Frame, decoder: Decoder::default(), block: None, frame_bytes_max: FRAME_BYTES_DEFAULT }
    }

    fn read<'a>(&mut self, bytes: &'a [u8]) -> Step<Event<'a>> {
        match self.state {
            State::Frame => self.frame(bytes),
            State::Data(rest) => self.data(rest, 0, bytes),
            State::Other { stream, kind, left } => self.other(stream, kind, left, 0, bytes),
            State::Broken => more(0),
        }
    }

    fn frame<'a>(&mut self, bytes: &'a [u8]) -> Step<Event<'a>> {
        if bytes.starts_with(&PREFACE[..3]) {
            return self.preface(bytes);
        }
        let Some(head) = FrameHead::parse(bytes) else { return more(0) };
        if head.length > self.frame_bytes_max {
            return self.malformed("a frame that is longer than was agreed");
        }
        if let Some(what) = head.fault() {
            return self.malformed(what);
        }
        if self.block.as_ref().is_some_and(|block| head.kind != CONTINUATION || block.stream != head.stream) {
            return self.malformed("a header block that is broken into");
        }
        match head.kind {
            DATA => self.begin_data(&head, bytes),
            HEADERS | PUSH_PROMISE | CONTINUATION | SETTINGS | PING | RST_STREAM | WINDOW_UPDATE => self.whole(&head, bytes),
            GOAWAY => self.goaway(&head, bytes),
            _ => self.other(head.stream, head.kind, head.length, HEAD_BYTES, bytes),
        }
    }

    fn preface<'a>(&mut self, bytes: &'a [u8]) -> Step<Event<'a>> {
        let known = bytes.len().min(PREFACE.len());
        if bytes[..known] != PREFACE[..known] {
            return self.malformed("not the preface");
        }
        if known < PREFACE.len() { more(0) } else { step(known, Event::Preface) }
    }

    fn begin_data<'a>(&mut self, head: &FrameHead, bytes: &'a [u8]) -> Step<Event<'a>> {
        let Some((skip, padding_bytes)) = head.padding(&bytes[HEAD_BYTES..]) else { return more(0) };
        let Some(data_bytes) = head.length.checked_sub(skip + padding_bytes) else {
            return self.malformed("a DATA frame that is shorter than its padding");
        };
        if data_bytes > 0 && bytes.len() == HEAD_BYTES + skip {
            return more(0);
        }
        let rest = Rest { stream: head.stream, data_bytes, padding_bytes, end: head.has(END_STREAM) };
        self.data(rest, HEAD_BYTES + skip, bytes)
    }

    /// Data, and the padding behind it, from `start` on.
    fn data<'a>(&mut self, mut rest: Rest, start: usize, bytes: &'a [u8]) -> Step<Event<'a>> {
        if bytes.is_empty() {
            return more(0);
        }
        let data_end = start + rest.data_bytes.min(bytes.len() - start);
        rest.data_bytes -= data_end - start;
        let padding = rest.padding_bytes.min(bytes.len() - data_end);
        rest.padding_bytes -= padding;
        let done = rest.data_bytes + rest.padding_bytes == 0;
        self.state = if done { State::Frame } else { State::Data(rest) };
        let (part, end) = (&bytes[start..data_end], done && rest.end);
        step(data_end + padding, Event::Data { stream: rest.stream, part, begins: start > 0, end })
    }

    fn other<'a>(&mut self, stream: u32, kind: u8, left: usize, start: usize, bytes: &'a [u8]) -> Step<Event<'a>> {
        if bytes.is_empty() {
            return more(0);
        }
        let end = start + left.min(bytes.len() - start);
        let left = left - (end - start);
        self.state = if left == 0 { State::Frame } else { State::Other { stream, kind, left } };
        step(end, Event::Other { stream, kind })
    }

    /// What a GOAWAY says; the text behind it is passed over.
    fn goaway<'a>(&mut self, head: &FrameHead, bytes: &'a [u8]) -> Step<Event<'a>> {
        let Some([last_stream, code]) = bytes.get(HEAD_BYTES..HEAD_BYTES + 8).map(|says| [&says[..4], &says[4..]].map(number))
        else {
            return more(0);
        };
        if head.length > 8 {
            self.state = State::Other { stream: 0, kind: GOAWAY, left: head.length - 8 };
        }
        step(HEAD_BYTES + 8, Event::GoAway { last_stream: last_stream & 0x7fff_ffff, code })
    }

    /// A frame that is understood only as a whole.
    fn whole<'a>(&mut self, head: &FrameHead, bytes: &'a [u8]) -> Step<Event<'a>> {
        if head.length > HEADER_BLOCK_BYTES_MAX {
            return self.malformed("a frame beyond the limit of 256 KiB");
        }
        let Some(payload) = bytes.get(HEAD_BYTES..HEAD_BYTES + head.length) else { return more(0) };
        let stream = head.stream;
        let event = match head.kind {
            SETTINGS if head.has(ACK) => Event::SettingsAck,
            SETTINGS => Event::Settings(Settings(payload)),
            PING => Event::Ping { ack: head.has(ACK), data: payload.try_into().unwrap_or_default() },
            RST_STREAM => Event::Reset { stream, code: number(payload) },
            WINDOW_UPDATE => Event::Window { stream, increment: number(payload) & 0x7fff_ffff },
            _ => match self.fragment(head, payload) {
                Ok(event) => event,
                Err(fault) => return self.malformed(fault.what),
            },
        };
        step(HEAD_BYTES + head.length, event)
    }

    fn fragment<'a>(&mut self, head: &FrameHead, payload: &[u8]) -> Result<Event<'a>, Malformed> {
        let (fragment, promised) = head.fragment(payload)?;
        let stream = head.stream;
        if head.kind == CONTINUATION && self.block.is_none() {
            // The front of the block was missed, and with it what that put into the table.
            self.decoder.forget();
            return Ok(Event::Other { stream, kind: CONTINUATION });
        }
        let end = head.has(END_STREAM) && head.kind == HEADERS;
        if head.has(END_HEADERS) && self.block.is_none() {
            return Ok(Event::Headers(self.decode(stream, promised, end, fragment)));
        }
        let new = || Block { stream, promised, end, bytes: Vec::new(), overlong: false };
        let block = self.block.get_or_insert_with(new);
        block.overlong |= block.bytes.len() + fragment.len() > HEADER_BLOCK_BYTES_MAX;
        if !block.overlong {
            block.bytes.extend_from_slice(fragment);
        }
        match self.block.take_if(|_| head.has(END_HEADERS)) {
            None => Ok(Event::Fragment { stream }),
            Some(block) => {
                let mut headers = self.decode(block.stream, block.promised, block.end, &block.bytes);
                if block.overlong {
                    self.decoder.forget();
                    headers.fields.cut = true;
                    headers.fault = Some("a header block beyond the limit of 256 KiB");
                }
                Ok(Event::Headers(headers))
            }
        }
    }

    fn decode(&mut self, stream: u32, promised: Option<u32>, end: bool, block: &[u8]) -> Headers {
        let mut fields = Fields::default();
        let fault = self.decoder.decode(block, &mut fields).err().map(|fault| fault.what);
        fields.cut |= fault.is_some();
        Headers { stream, promised, fields, end, fault }
    }

    fn malformed<'a>(&mut self, what: &'static str) -> Step<Event<'a>> {
        self.lose();
        step(0, Event::Malformed(Malformed { what, offset: 0 }))
    }

    /// Framing is lost, and with it what the table holds.
    fn lose(&mut self) {
        self.state = State::Broken;
        self.block = None;
        self.decoder.forget();
    }

    fn skip(&mut self, missing: u64) -> Hole {
        let missing = usize::try_from(missing).unwrap_or(usize::MAX);
        match &mut self.state {
            State::Data(rest) if missing <= rest.data_bytes + rest.padding_bytes => {
                let of_data = missing.min(rest.data_bytes);
                rest.data_bytes -= of_data;
                rest.padding_bytes -= missing - of_data;
                let done = rest.data_bytes + rest.padding_bytes == 0;
                let hole = Hole::Inside { stream: rest.stream, end: done && rest.end };
                if done {
                    self.state = State::Frame;
                }
                hole
            }
            State::Other { stream, left, .. } if missing <= *left => {
                *left -= missing;
                let hole = Hole::Inside { stream: *stream, end: false };
                if *left == 0 {
                    self.state = State::Frame;
                }
                hole
            }
            _ => {
                self.lose();
                Hole::Lost
            }
        }
    }
}

fn number(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
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
    /// A connection on which nothing was said yet.
    #[must_use]
    pub fn new() -> Self {
        Self { client: Direction::new(), server: Direction::new() }
    }

    /// A connection that was going already: what was agreed, and what the tables of header fields hold, is not known.
    #[must_use]
    pub fn joined_late() -> Self {
        let mut new = Self::new();
        for direction in [&mut new.client, &mut new.server] {
            direction.decoder.forget();
            direction.frame_bytes_max = FRAME_BYTES_MAX;
        }
        new
    }

    /// Looks at the front of the bytes of one side. Unused bytes are to be shown again with more behind them.
    pub fn read<'a>(&mut self, side: Side, bytes: &'a [u8]) -> Step<Event<'a>> {
        let step = self.direction(side).read(bytes);
        if let Some(Event::Settings(settings)) = &step.event {
            let asked = settings.iter().filter(|(id, _)| *id == setting::MAX_FRAME_SIZE).last();
            if let Some((_, bytes)) = asked {
                let bytes = usize::try_from(bytes).unwrap_or(FRAME_BYTES_MAX);
                self.direction(side.other()).frame_bytes_max = bytes.clamp(FRAME_BYTES_DEFAULT, FRAME_BYTES_MAX);
            }
        }
        step
    }

    /// Bytes that a frame of this side may carry, by what the other side asked.
    #[must_use]
    pub fn frame_bytes_max(&self, side: Side) -> usize {
        match side {
            Side::Client => self.client.frame_bytes_max,
            Side::Server => self.server.frame_bytes_max,
        }
    }

    /// Says that the next `missing` bytes of this side were not seen. Show all bytes before them first, and throw away what was not
    /// used. After [`Hole::Lost`] this side stands still until [`Conversation::restart`].
    pub fn skip(&mut self, side: Side, missing: u64) -> Hole {
        self.direction(side).skip(missing)
    }

    /// The next bytes shown of this side begin a frame (see [`find_start`]).
    pub fn restart(&mut self, side: Side) {
        self.direction(side).state = State::Frame;
    }

    fn direction(&mut self, side: Side) -> &mut Direction {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}
