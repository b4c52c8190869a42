//! gRPC on HTTP/2 (its documentation, "gRPC over HTTP2"): the messages in the bodies of calls.
//!
//! A body is a row of messages, each with five bytes before it: whether it is compressed, and its length. Parts of a body come as they
//! arrive; [`Messages`] finds the messages in them without holding any bytes.
//!
//! ```
//! use wire::grpc::{Messages, push_message};
//! let mut body = Vec::new();
//! push_message(b"hello", false, &mut body);
//! let mut messages = Messages::default();
//! let mut ended = 0;
//! messages.read(&body[..7], |piece| ended += usize::from(piece.end));
//! messages.read(&body[7..], |piece| ended += usize::from(piece.end));
//! assert_eq!((ended, messages.is_between()), (1, true));
//! ```

/// Bytes before each message.
pub const PREFIX_BYTES: usize = 5;

/// What stands before a message of this length; `compressed` says that it is, with what `grpc-encoding` names.
#[must_use]
pub fn prefix(length: u32, compressed: bool) -> [u8; PREFIX_BYTES] {
    let [a, b, c, d] = length.to_be_bytes();
    [u8::from(compressed), a, b, c, d]
}

/// Appends a message with its prefix.
pub fn push_message(message: &[u8], compressed: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(&prefix(u32::try_from(message.len()).unwrap_or(u32::MAX), compressed));
    out.extend_from_slice(message);
}

/// A part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// It is the first of its message.
    pub start: bool,
    /// Bytes of the message, perhaps none.
    pub part: &'a [u8],
    /// It is the last of its message.
    pub end: bool,
    /// The message is compressed.
    pub compressed: bool,
    /// Bytes of the whole message.
    pub length: u32,
}

/// Where one direction of a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Messages {
    prefix: [u8; PREFIX_BYTES],
    prefix_bytes: usize,
    left: u32,
    /// Bytes in which no prefix was found, or that were missed: nothing more can be read.
    lost: bool,
}

impl Messages {
    /// Reads a part of a body and gives the pieces of messages in it, in order; none any more where a prefix is none.
    pub fn read<'a>(&mut self, mut part: &'a [u8], mut give: impl FnMut(Piece<'a>)) {
        while !self.lost && !part.is_empty() {
            let start = self.prefix_bytes < PREFIX_BYTES;
            if start {
                let here = part.len().min(PREFIX_BYTES - self.prefix_bytes);
                self.prefix[self.prefix_bytes..][..here].copy_from_slice(&part[..here]);
                self.prefix_bytes += here;
                part = &part[here..];
                if self.prefix_bytes < PREFIX_BYTES {
                    return;
                }
                let [flag, length @ ..] = self.prefix;
                (self.left, self.lost) = (u32::from_be_bytes(length), flag > 1);
                if self.lost {
                    return;
                }
            }
            let length = self.prefix.last_chunk().map_or(0, |length| u32::from_be_bytes(*length));
            let here = part.len().min(self.left as usize);
            self.left -= here as u32;
            let end = self.left == 0;
            give(Piece { start, part: &part[..here], end, compressed: self.prefix[0] == 1, length });
            part = &part[here..];
            if end {
                self.prefix_bytes = 0;
            }
        }
    }

    /// Says that `missing` bytes of the body were not seen; false where messages cannot be told apart behind them.
    pub fn skip(&mut self, missing: u64) -> bool {
        let inside = self.prefix_bytes == PREFIX_BYTES && missing < u64::from(self.left);
        if inside {
            self.left -= missing as u32;
        }
        self.lost |= !inside;
        inside
    }

    /// Says that it is not known what was missed. Where no message was under way, the next bytes most likely begin one.
    pub fn lose(&mut self) {
        self.lost |= self.prefix_bytes > 0;
    }

    /// Whether no message is under way.
    #[must_use]
    pub fn is_between(&self) -> bool {
        self.prefix_bytes == 0 && !self.lost
    }

    /// Whether messages could not be told apart any more.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost
    }
}

/// Whether a `content-type` says that this is a call: `application/grpc`, `application/grpc+proto` and the like, but not gRPC-Web, whose
/// trailers are in the body.
#[must_use]
pub fn is_call(content_type: &[u8]) -> bool {
    content_type.strip_prefix(b"application/grpc").is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> (Vec<(Vec<u8>, bool)>, Messages) {
        let (mut messages, mut found, mut body) = (Messages::default(), Vec::new(), Vec::new());
        for piece in pieces {
            messages.read(piece, |piece| {
                if piece.start {
                    body.clear();
                }
                body.extend_from_slice(piece.part);
                if piece.end {
                    found.push((body.clone(), piece.compressed));
                }
            });
        }
        (found, messages)
    }

    #[test]
    fn messages_are_found_however_they_are_cut() {
        let mut body = Vec::new();
        push_message(b"one", false, &mut body);
        push_message(b"", false, &mut body);
        push_message(b"two", true, &mut body);
        let wanted = vec![(b"one".to_vec(), false), (Vec::new(), false), (b"two".to_vec(), true)];
        for cut in 0..=body.len() {
            let (found, state) = read(&[&body[..cut], &body[cut..]]);
            assert_eq!((found, state.is_between()), (wanted.clone(), true), "cut at {cut}");
        }
        assert_eq!(read(&body.chunks(1).collect::<Vec<_>>()).0, wanted);
    }

    #[test]
    fn a_length_of_4_gib_holds_nothing() {
        let (found, state) = read(&[&[0, 0xff, 0xff, 0xff, 0xff], &[7; 100]]);
        assert!(found.is_empty() && !state.is_between() && !state.is_lost());
        assert!(read(&[b"<html>"]).1.is_lost());
    }

    #[test]
    fn a_hole_inside_a_message_is_bridged() {
        let mut messages = Messages::default();
        let mut ends = 0;
        messages.read(&[0, 0, 0, 0, 10, 1, 2], |piece| ends += usize::from(piece.end));
        assert!(messages.skip(7));
        messages.read(&[3, 0, 0, 0, 0, 0], |piece| ends += usize::from(piece.end));
        assert_eq!(ends, 2);
        assert!(!messages.skip(1) && messages.is_lost());
    }

    #[test]
    fn calls_are_told_by_their_content_type() {
        assert!(is_call(b"application/grpc") && is_call(b"application/grpc+proto"));
        assert!(!is_call(b"application/grpc-web") && !is_call(b"text/html"));
    }
}
