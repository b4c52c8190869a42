//! Where a frame may start after bytes were missed, and whether bytes are frames at all.

use super::Part;
use super::frame::{FrameHead, TEXT};
use crate::{Side, Start};

/// Longer frames are not looked for: they would have to be held until the one behind them tells.
const FRAME_BYTES_MAX: u64 = 64 << 10;
/// Bytes of a text that are looked at, since it may be looked at again with each byte that comes.
const TEXT_BYTES_MAX: usize = 256;
/// So many frames behind each other are no chance.
const FRAMES_SURE: usize = 3;

/// Looks for the next plausible frame of `side` in bytes whose framing was lost: one that ends where the bytes end, or is followed by
/// two more, and whose text is text.
#[must_use]
pub fn find_start(side: Side, bytes: &[u8]) -> Start {
    for at in 0..bytes.len() {
        match chain(side, &bytes[at..]) {
            Chain::Sure { .. } => return Start::At(at),
            Chain::More => return Start::NotBefore(at),
            Chain::No => {}
        }
    }
    Start::NotBefore(bytes.len())
}

/// Whether bytes, from the middle of a connection, are frames of `side` beyond doubt: they begin and end with one, and there is readable
/// text, or several frames with the masks of a client.
#[must_use]
pub fn is_frames(side: Side, bytes: &[u8]) -> bool {
    match chain(side, bytes) {
        Chain::Sure { frames, texts } => texts > 0 || (side == Side::Client && frames > 1),
        _ => false,
    }
}

enum Chain {
    /// So many frames, and so many of them readable text.
    Sure {
        frames: usize,
        texts: usize,
    },
    No,
    More,
}

fn chain(side: Side, bytes: &[u8]) -> Chain {
    let (mut at, mut texts) = (0, 0);
    for frames in 0..FRAMES_SURE {
        let rest = &bytes[at..];
        if frames > 0 && rest.is_empty() {
            return Chain::Sure { frames, texts };
        }
        if !FrameHead::may_begin(rest, side) {
            return Chain::No;
        }
        let Some(head) = FrameHead::parse(rest) else { return Chain::More };
        if !head.is_plausible(FRAME_BYTES_MAX) {
            return Chain::No;
        }
        let end = head.bytes + head.length as usize;
        let Some(payload) = rest.get(head.bytes..end) else { return Chain::More };
        if head.opcode == TEXT && !head.compressed {
            match readable(payload, &head) {
                None => return Chain::No,
                Some(long) => texts += usize::from(long),
            }
        }
        at += end;
    }
    Chain::Sure { frames: FRAMES_SURE, texts }
}

/// Whether the front of a text is more than a byte or two; `None` where it is no text.
fn readable(payload: &[u8], head: &FrameHead) -> Option<bool> {
    let front = &payload[..payload.len().min(TEXT_BYTES_MAX)];
    let mut plain = Vec::with_capacity(front.len());
    Part { bytes: front, key: head.key.unwrap_or_default() }.push_to(&mut plain);
    let whole = head.fin && front.len() == payload.len();
    let text = match std::str::from_utf8(&plain) {
        Ok(text) => text,
        // A fragment may end inside a character.
        Err(error) if !whole && error.error_len().is_none() => std::str::from_utf8(&plain[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    Some(text.len() >= 2 && !text.contains(|c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &[u8] = b"\x81\x05Hello";
    /// RFC 6455 §5.7: a masked text message.
    const MASKED: &[u8] = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";

    #[test]
    fn a_frame_needs_others_behind_it_or_the_end() {
        assert_eq!(find_start(Side::Server, &[b"tail", HELLO].concat()), Start::At(4));
        assert_eq!(find_start(Side::Server, &[b"tail", HELLO, HELLO, HELLO, b"and on"].concat()), Start::At(4));
        assert_eq!(find_start(Side::Server, &[b"tail", &HELLO[..4]].concat()), Start::NotBefore(4));
        assert_eq!(find_start(Side::Server, b"nothing of the kind"), Start::NotBefore(19));
        assert_eq!(find_start(Side::Client, &[b"tail", MASKED].concat()), Start::At(4));
        assert_eq!(find_start(Side::Client, HELLO), Start::NotBefore(7), "clients mask");
    }

    #[test]
    fn frames_are_told_from_what_is_none() {
        assert!(is_frames(Side::Server, HELLO) && is_frames(Side::Client, MASKED));
        assert!(is_frames(Side::Client, b"\x82\x81\0\0\0\0a\x82\x81\0\0\0\0b") && !is_frames(Side::Client, b"\x82\x81\0\0\0\0a"));
        assert!(!is_frames(Side::Server, b"\x82\x01a\x82\x01b"), "two bytes each are no proof");
        let others: [&[u8]; 6] =
            [b"", b"\0", b"*1\r\n$4\r\nPING\r\n", b"\x16\x03\x01\x02\0", b"\x01\0\0\0\0\0\0\0", b"\x82\x07\0\x01\0\x02/a\0"];
        for other in others {
            assert!(!is_frames(Side::Client, other) && !is_frames(Side::Server, other), "{}", other.escape_ascii());
        }
    }
}
