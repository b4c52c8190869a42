//! Where a frame may start after bytes were missed.

use super::encode::PREFACE;
use super::frame::{FrameHead, HEAD_BYTES};
use crate::Start;

/// Longer frames are not looked for: they would have to be held until the one behind them tells.
const FRAME_BYTES_MAX: usize = 64 << 10;

/// Looks for the next plausible frame, or the preface, in bytes whose framing was lost. A frame is plausible if a known kind, its flags,
/// length and stream agree, and if another such frame follows, or it ends where the bytes end.
#[must_use]
pub fn find_start(bytes: &[u8]) -> Start {
    for at in 0..bytes.len() {
        match chain(&bytes[at..]) {
            Chain::Yes => return Start::At(at),
            Chain::More => return Start::NotBefore(at),
            Chain::No => {}
        }
    }
    Start::NotBefore(bytes.len())
}

enum Chain {
    Yes,
    No,
    More,
}

fn chain(bytes: &[u8]) -> Chain {
    let known = bytes.len().min(PREFACE.len());
    if bytes[..known] == PREFACE[..known] {
        return if known == PREFACE.len() { Chain::Yes } else { Chain::More };
    }
    // Cheaply, since it is asked of every byte of what may be a long body.
    if bytes[0] > 0 || bytes.get(3).is_some_and(|kind| *kind > 9) {
        return Chain::No;
    }
    let mut at = 0;
    for _ in 0..2 {
        let rest = &bytes[at.min(bytes.len())..];
        match FrameHead::parse(rest) {
            None if at > 0 && at == bytes.len() => return Chain::Yes,
            None => return Chain::More,
            Some(head) if !head.is_plausible(rest, FRAME_BYTES_MAX) => return Chain::No,
            Some(head) => at += HEAD_BYTES + head.length,
        }
    }
    Chain::Yes
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: &[u8] = b"\0\0\x04\x08\0\0\0\0\x01\0\0\xff\xff";
    const HEADERS: &[u8] = b"\0\0\x01\x01\x05\0\0\0\x01\x82";

    #[test]
    fn a_frame_needs_another_behind_it_or_the_end() {
        assert_eq!(find_start(&[b"tail of data", WINDOW, HEADERS].concat()), Start::At(12));
        assert_eq!(find_start(&[b"tail of data", HEADERS].concat()), Start::At(12));
        assert_eq!(find_start(&[b"tail", &HEADERS[..9]].concat()), Start::NotBefore(4), "its end is to come");
        assert_eq!(find_start(&[HEADERS, b"\0"].concat()), Start::NotBefore(0), "the next head is to come");
        let no_frame = [HEADERS, b"no frame at all"].concat();
        assert_eq!(find_start(&no_frame), Start::NotBefore(1), "the second byte may begin a PUSH_PROMISE of 257 bytes");
        assert_eq!(find_start(&[b"x", &PREFACE[..]].concat()), Start::At(1));
    }

    #[test]
    fn zeros_are_no_frames() {
        assert_eq!(find_start(&[0; 500]), Start::NotBefore(492));
    }
}
