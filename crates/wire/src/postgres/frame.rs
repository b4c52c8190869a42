//! Where a message begins and ends ("Message Formats"): a type byte, a length of four bytes that counts itself, and the content. What a
//! client says first has no type byte; a request to encrypt is answered by one byte.

use crate::{Side, Start};

/// StartupMessage; like the next three it has no type byte, and its content begins with a code.
pub const STARTUP: u8 = 0;
/// SSLRequest.
pub const SSL_REQUEST: u8 = 1;
/// GSSENCRequest.
pub const GSS_REQUEST: u8 = 2;
/// CancelRequest.
pub const CANCEL: u8 = 3;

/// Bytes of the content of one message: what a server allocates at most.
pub const MESSAGE_BYTES_MAX: u32 = 0x3fff_ffff;
/// Bytes of a message without a type, as a server takes it.
const STARTUP_BYTES_MAX: u32 = 10_000;
/// Longer messages are not believed where the beginning of one is looked for.
const SEARCH_BYTES_MAX: u32 = 1 << 20;
/// A type byte and a length.
const HEAD_BYTES: usize = 5;

/// How the next message begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// With a type byte.
    Typed,
    /// With its length, and a code that says what it is.
    Startup,
    /// It is one byte: whether encryption begins.
    OneByte,
}

/// What stands before a message's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub tag: u8,
    /// Bytes of it.
    pub head_bytes: usize,
    /// Bytes of the content.
    pub length: u32,
    /// Bytes of the content that are still to come.
    pub left: u32,
}

impl Head {
    fn new(tag: u8, head_bytes: usize, length: u32) -> Self {
        Self { tag, head_bytes, length, left: length }
    }
}

/// The head at the front of `bytes`; `None` where more are needed.
pub(super) fn read_head(side: Side, mode: Mode, bytes: &[u8]) -> Result<Option<Head>, &'static str> {
    match (mode, bytes) {
        (Mode::OneByte, []) => Ok(None),
        (Mode::OneByte, [tag @ (b'S' | b'N' | b'G'), ..]) => Ok(Some(Head::new(*tag, 1, 0))),
        (Mode::Startup, _) => startup_head(bytes),
        (Mode::Typed | Mode::OneByte, _) => match typed_head(side, bytes) {
            Some((tag, length)) => Ok(Some(Head::new(tag, HEAD_BYTES, length))),
            None if bytes.len() < HEAD_BYTES && bytes.first().is_none_or(|tag| lengths(side, *tag).is_some()) => Ok(None),
            None => Err("no message of a known type and length"),
        },
    }
}

fn startup_head(bytes: &[u8]) -> Result<Option<Head>, &'static str> {
    let Some([a, b, c, d, code @ ..]) = bytes.first_chunk::<8>() else { return Ok(None) };
    let length = u32::from_be_bytes([*a, *b, *c, *d]);
    let tag = match (u32::from_be_bytes(*code), length) {
        (80_877_103, 8) => SSL_REQUEST,
        (80_877_104, 8) => GSS_REQUEST,
        (80_877_102, 12..=268) => CANCEL,
        (0x0003_0000..=0x0003_ffff, 8..=STARTUP_BYTES_MAX) => STARTUP,
        _ => return Err("no request of a known version begins the session"),
    };
    Ok(Some(Head::new(tag, 4, length - 4)))
}

/// Type and content length, where they are known and fit each other.
fn typed_head(side: Side, bytes: &[u8]) -> Option<(u8, u32)> {
    let [tag, length @ ..] = bytes.first_chunk::<HEAD_BYTES>()?;
    let length = u32::from_be_bytes(*length).checked_sub(4)?;
    let (least, most) = lengths(side, *tag)?;
    (least..=most).contains(&length).then_some((*tag, length))
}

/// How long the content of a message of this type is; `None` where there is no such type.
fn lengths(side: Side, tag: u8) -> Option<(u32, u32)> {
    const ANY: u32 = MESSAGE_BYTES_MAX;
    Some(match (side, tag) {
        (Side::Client, b'S' | b'H' | b'c' | b'X') => (0, 0),
        (Side::Client, b'Q' | b'f') => (1, ANY),
        (Side::Client, b'P') => (4, ANY),
        (Side::Client, b'B') => (8, ANY),
        (Side::Client, b'E') => (5, ANY),
        (Side::Client, b'D' | b'C') => (2, ANY),
        (Side::Client, b'F') => (10, ANY),
        (Side::Client, b'd' | b'p') => (0, ANY),
        (Side::Server, b'Z') => (1, 1),
        (Side::Server, b'1' | b'2' | b'3' | b'n' | b'I' | b's' | b'c') => (0, 0),
        (Side::Server, b'R' | b'V') => (4, ANY),
        (Side::Server, b'K') => (8, 260),
        (Side::Server, b'v') => (8, ANY),
        (Side::Server, b'S' | b'A') => (2, ANY),
        (Side::Server, b'T' | b'D' | b't' | b'C') => (2, ANY),
        (Side::Server, b'E' | b'N') => (1, ANY),
        (Side::Server, b'G' | b'H' | b'W') => (3, ANY),
        (Side::Server, b'd') => (0, ANY),
        _ => return None,
    })
}

/// Appends what stands before a message's content. The code of a message without a type is content.
pub fn push_head(tag: u8, length: u32, out: &mut Vec<u8>) {
    if tag > CANCEL {
        out.push(tag);
    }
    out.extend_from_slice(&length.saturating_add(4).to_be_bytes());
}

/// What is known of a place where a message may begin.
enum Looks {
    Sure,
    No,
    More,
}

/// Finds where a message begins in what one side sent, after a hole or in the middle of a connection. Whether it is one does not depend
/// on where the bytes end: a query or ReadyForQuery is sure when it is whole, any other message when another one follows it.
#[must_use]
pub fn find_start(side: Side, bytes: &[u8]) -> Start {
    for at in 0..bytes.len() {
        match looks(side, &bytes[at..]) {
            Looks::Sure => return Start::At(at),
            Looks::More => return Start::NotBefore(at),
            Looks::No => {}
        }
    }
    Start::NotBefore(bytes.len())
}

fn looks(side: Side, bytes: &[u8]) -> Looks {
    let may_be = bytes.first().is_some_and(|tag| lengths(side, *tag).is_some());
    let Some((tag, length)) = typed_head(side, bytes).filter(|(_, length)| *length <= SEARCH_BYTES_MAX) else {
        return if may_be && bytes.len() < HEAD_BYTES { Looks::More } else { Looks::No };
    };
    let Some((content, rest)) = bytes[HEAD_BYTES..].split_at_checked(length as usize) else { return Looks::More };
    match is_sure(side, tag, content) {
        Some(true) => Looks::Sure,
        Some(false) => Looks::No,
        None if typed_head(side, rest).is_some() => Looks::Sure,
        None if rest.len() < HEAD_BYTES && rest.first().is_none_or(|tag| lengths(side, *tag).is_some()) => Looks::More,
        None => Looks::No,
    }
}

/// Whether a whole message can be told by itself.
fn is_sure(side: Side, tag: u8, content: &[u8]) -> Option<bool> {
    match (side, tag) {
        (Side::Server, b'Z') => Some(matches!(content, [b'I' | b'T' | b'E'])),
        (Side::Client, b'Q') => Some(memchr::memchr(0, content) == Some(content.len() - 1)),
        (Side::Client, b'S') => Some(true),
        _ => None,
    }
}

/// Whether `bytes` are whole messages, one after the other, with one among them that is sure by itself.
#[must_use]
pub fn is_chain(side: Side, mut bytes: &[u8]) -> bool {
    let mut sure = false;
    while let Some((tag, length)) = typed_head(side, bytes) {
        let Some((content, rest)) = bytes[HEAD_BYTES..].split_at_checked(length as usize) else { return false };
        match is_sure(side, tag, content) {
            Some(false) => return false,
            certain => sure |= certain == Some(true),
        }
        bytes = rest;
    }
    sure && bytes.is_empty()
}
