//! Frames (RFC 6455 §5.2): their head of two to fourteen bytes.

use crate::Side;

/// Bytes that a control frame may carry (RFC 6455 §5.5).
pub const CONTROL_BYTES_MAX: usize = 125;

pub(super) const CONTINUATION: u8 = 0;
pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;

const FIN: u8 = 0x80;
const COMPRESSED: u8 = 0x40;
const RESERVED: u8 = 0x30;
const MASKED: u8 = 0x80;

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHead {
    /// The last frame of its message.
    pub fin: bool,
    /// The bit that says so of the message that begins here, where compression was agreed (RFC 7692 §6).
    pub compressed: bool,
    reserved: bool,
    pub opcode: u8,
    pub key: Option<[u8; 4]>,
    /// Bytes behind the head.
    pub length: u64,
    /// Bytes of the head.
    pub bytes: usize,
}

impl FrameHead {
    /// `None` where there are too few bytes.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let [first, second, rest @ ..] = bytes else { return None };
        let (length, length_bytes) = match second & !MASKED {
            126 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 2),
            127 => (u64::from_be_bytes(*rest.first_chunk()?), 8),
            length => (u64::from(length), 0),
        };
        let masked = second & MASKED != 0;
        let key = if masked { Some(*rest.get(length_bytes..)?.first_chunk()?) } else { None };
        let bytes = 2 + length_bytes + if masked { 4 } else { 0 };
        let [fin, compressed, reserved] = [FIN, COMPRESSED, RESERVED].map(|bits| first & bits != 0);
        Some(Self { fin, compressed, reserved, opcode: first & 0x0f, key, length, bytes })
    }

    /// Whether bytes in which framing was lost may begin a frame of `side`, as far as two bytes of them tell: clients mask, servers do not
    /// (RFC 6455 §5.1).
    pub fn may_begin(bytes: &[u8], side: Side) -> bool {
        let known = |first: &u8| first & RESERVED == 0 && matches!(first & 0x0f, CONTINUATION..=BINARY | CLOSE..=PONG);
        let masked = |second: &u8| (second & MASKED != 0) == (side == Side::Client);
        bytes.first().is_none_or(known) && bytes.get(1).is_none_or(masked)
    }

    pub fn is_control(&self) -> bool {
        self.opcode >= CLOSE
    }

    /// What is wrong with a frame of this head, wherever it stands (RFC 6455 §5.2, §5.5).
    pub fn fault(&self) -> Option<&'static str> {
        let length_bytes = self.bytes - 2 - if self.key.is_some() { 4 } else { 0 };
        match self.opcode {
            3..CLOSE | 11.. => Some("an opcode that means nothing"),
            _ if self.reserved => Some("a reserved bit"),
            CLOSE.. if !self.fin => Some("a control frame in fragments"),
            CLOSE.. if self.length > CONTROL_BYTES_MAX as u64 => Some("a control frame of more than 125 bytes"),
            CLOSE.. if self.compressed => Some("a compressed control frame"),
            CLOSE if self.length == 1 => Some("a close code of one byte"),
            CONTINUATION if self.compressed => Some("compression that begins inside a message"),
            _ if self.length >> 63 != 0 => Some("a length beyond 63 bits"),
            _ if length_bytes == 2 && self.length < 126 || length_bytes == 8 && self.length <= 0xffff => {
                Some("a length in more bytes than it needs")
            }
            _ => None,
        }
    }

    /// Whether bytes in which framing was lost look like this head: nobody sends empty fragments.
    pub fn is_plausible(&self, length_max: u64) -> bool {
        self.fault().is_none() && self.length <= length_max && (self.fin || self.length > 0)
    }
}

/// Appends the head of a frame.
pub(super) fn push_head(opcode: u8, fin: bool, compressed: bool, key: Option<[u8; 4]>, length: usize, out: &mut Vec<u8>) {
    out.push(opcode | if fin { FIN } else { 0 } | if compressed { COMPRESSED } else { 0 });
    let masked = if key.is_some() { MASKED } else { 0 };
    match length {
        0..126 => out.push(masked | length as u8),
        126..=0xffff => {
            out.push(masked | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(masked | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(key.as_ref().map_or(&[], |key| &key[..]));
}
