//! Frames (RFC 9113 §4.1, §6): their nine bytes of head, and what stands before and behind what they carry.

use crate::Malformed;

/// Bytes of a frame's head.
pub(super) const HEAD_BYTES: usize = 9;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

/// Flag of DATA and HEADERS.
pub(super) const END_STREAM: u8 = 0x1;
/// Flag of SETTINGS and PING.
pub(super) const ACK: u8 = 0x1;
/// Flag of HEADERS, PUSH_PROMISE and CONTINUATION.
pub(super) const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const WITH_PRIORITY: u8 = 0x20;

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHead {
    /// Bytes behind the head.
    pub length: usize,
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
}

impl FrameHead {
    /// `None` where there are too few bytes.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, kind, flags, stream @ ..] = bytes.first_chunk::<HEAD_BYTES>()?;
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        Some(Self { length, kind: *kind, flags: *flags, stream: u32::from_be_bytes(*stream) & 0x7fff_ffff })
    }

    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// What is wrong with a frame of this head, whatever it carries (RFC 9113 §6).
    pub fn fault(&self) -> Option<&'static str> {
        let on_stream = self.stream != 0;
        match self.kind {
            DATA | HEADERS | PUSH_PROMISE | CONTINUATION if !on_stream => Some("a message's frame without a stream"),
            SETTINGS | PING | GOAWAY if on_stream => Some("a connection's frame on a stream"),
            PRIORITY | RST_STREAM if !on_stream => Some("a stream's frame without a stream"),
            PRIORITY if self.length != 5 => Some("a PRIORITY frame that is not 5 bytes long"),
            RST_STREAM if self.length != 4 => Some("a RST_STREAM frame that is not 4 bytes long"),
            WINDOW_UPDATE if self.length != 4 => Some("a WINDOW_UPDATE frame that is not 4 bytes long"),
            PING if self.length != 8 => Some("a PING frame that is not 8 bytes long"),
            SETTINGS if !self.length.is_multiple_of(6) || self.has(ACK) && self.length > 0 => {
                Some("a SETTINGS frame of a length that is none")
            }
            GOAWAY if self.length < 8 => Some("a GOAWAY frame of fewer than 8 bytes"),
            _ => None,
        }
    }

    /// Bytes between the head of a DATA frame and its data, and the padding behind; `None` where there are too few bytes to tell.
    pub fn padding(&self, payload: &[u8]) -> Option<(usize, usize)> {
        if self.has(PADDED) { payload.first().map(|pad| (1, usize::from(*pad))) } else { Some((0, 0)) }
    }

    /// The fragment of a header block in a whole `payload`, and the stream that it promises.
    pub fn fragment<'a>(&self, payload: &'a [u8]) -> Result<(&'a [u8], Option<u32>), Malformed> {
        let fault = Malformed { what: "a header frame that is shorter than its padding or priority", offset: 0 };
        if self.kind == CONTINUATION {
            return Ok((payload, None));
        }
        let (skip, pad) = self.padding(payload).ok_or(fault)?;
        let end = payload.len().checked_sub(pad).ok_or(fault)?;
        let inner = payload.get(skip..end).ok_or(fault)?;
        match self.kind {
            PUSH_PROMISE => {
                let (promised, fragment) = inner.split_first_chunk::<4>().ok_or(fault)?;
                Ok((fragment, Some(u32::from_be_bytes(*promised) & 0x7fff_ffff)))
            }
            _ if self.has(WITH_PRIORITY) => Ok((inner.get(5..).ok_or(fault)?, None)),
            _ => Ok((inner, None)),
        }
    }

    /// Whether bytes in which framing was lost look like this head: of a known kind, with no flag or bit set that means nothing.
    pub fn is_plausible(&self, bytes: &[u8], length_max: usize) -> bool {
        let flags = match self.kind {
            DATA => END_STREAM | PADDED,
            HEADERS => END_STREAM | END_HEADERS | PADDED | WITH_PRIORITY,
            SETTINGS | PING => ACK,
            PUSH_PROMISE => END_HEADERS | PADDED,
            CONTINUATION => END_HEADERS,
            PRIORITY | RST_STREAM | GOAWAY | WINDOW_UPDATE => 0,
            _ => return false,
        };
        // Streams are numbered from 1 up: one connection hardly ever gets beyond 16 million.
        let plain_stream = bytes[5] == 0;
        self.length <= length_max && self.flags & !flags == 0 && plain_stream && self.fault().is_none()
    }
}
