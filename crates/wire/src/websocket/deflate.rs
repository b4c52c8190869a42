//! Compressed messages (RFC 7692): what was agreed about them, and taking it off and putting it on.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::Malformed;

/// Bytes that may come of one message when its compression is taken off; past it the message, and what refers back to it, is not read.
pub const INFLATED_BYTES_MAX: u64 = 64 << 20;
/// What ends every message, and is not sent (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// Bytes that are taken out at once.
const PART_BYTES: usize = 16 << 10;

/// What the `Sec-WebSocket-Extensions` of an answer agreed to (RFC 6455 §9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// Nothing.
    None,
    /// permessage-deflate.
    Deflate {
        /// Whether messages of client and server may refer to the ones before them (RFC 7692 §7.1.1).
        context_takeover: [bool; 2],
    },
    /// Something that is not known here, and may change what messages hold.
    Other,
}

impl Extension {
    /// Reads the value of the header; several headers are one with commas between them.
    #[must_use]
    pub fn agreed(value: &[u8]) -> Self {
        let mut agreed = Self::None;
        for extension in value.split(|byte| *byte == b',') {
            let mut parameters = extension.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let name = parameters.next().unwrap_or_default();
            if name.eq_ignore_ascii_case(b"permessage-deflate") && agreed == Self::None {
                let parameters: Vec<&[u8]> = parameters.collect();
                let takes_over = |without: &str| !parameters.iter().any(|name| name.eq_ignore_ascii_case(without.as_bytes()));
                let context_takeover = ["client_no_context_takeover", "server_no_context_takeover"].map(takes_over);
                agreed = Self::Deflate { context_takeover };
            } else if !name.is_empty() {
                return Self::Other;
            }
        }
        agreed
    }
}

/// Takes the compression off the messages of one side, in bounded memory whatever they claim.
pub struct Inflater {
    state: Decompress,
    context_takeover: bool,
    /// Bytes that came of the message under way.
    bytes: u64,
    /// Nothing of the message under way can be read any more, nor of what refers back to it.
    lost: bool,
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Inflater {{ context_takeover: {}, lost: {} }}", self.context_takeover, self.lost)
    }
}

impl Inflater {
    /// At the first message of a side.
    #[must_use]
    pub fn new(context_takeover: bool) -> Self {
        Self { state: Decompress::new(false), context_takeover, bytes: 0, lost: false }
    }

    /// Where nothing of what messages refer to is known, because they began before: only one that refers to none can be read.
    #[must_use]
    pub fn joined_late(context_takeover: bool) -> Self {
        Self { lost: context_takeover, ..Self::new(context_takeover) }
    }

    /// Gives what comes of the next part of a message.
    ///
    /// # Errors
    /// If it is not compressed data, or too much comes of it, or it refers to what is not known. Then the rest of the message cannot be
    /// read, nor can what refers back to it.
    pub fn read(&mut self, mut part: &[u8], mut give: impl FnMut(&[u8])) -> Result<(), Malformed> {
        if self.lost {
            return Err(self.lose("a message that refers to what is not known"));
        }
        let mut out = [0; PART_BYTES];
        loop {
            let before = (self.state.total_in(), self.state.total_out());
            let Ok(status) = self.state.decompress(part, &mut out, FlushDecompress::Sync) else {
                return Err(self.lose("a message that is not compressed data"));
            };
            let (taken, given) = (self.state.total_in() - before.0, self.state.total_out() - before.1);
            part = &part[taken as usize..];
            self.bytes += given;
            if self.bytes > INFLATED_BYTES_MAX {
                return Err(self.lose("a message of which comes more than 64 MiB"));
            }
            give(&out[..given as usize]);
            // A last block is no end of the connection's stream (RFC 7692 §7.2.3.4).
            let ended = status == Status::StreamEnd;
            if ended {
                self.state.reset(false);
            }
            let stuck = taken + given == 0 && !ended;
            if stuck || part.is_empty() && (ended || given < PART_BYTES as u64) {
                return Ok(());
            }
        }
    }

    /// Gives what is left at the end of a message.
    ///
    /// # Errors
    /// As [`Inflater::read`].
    pub fn end(&mut self, give: impl FnMut(&[u8])) -> Result<(), Malformed> {
        let read = self.read(&TAIL, give);
        self.bytes = 0;
        if !self.context_takeover {
            self.state.reset(false);
            self.lost = false;
        }
        read
    }

    /// Bytes of a message were missed.
    pub fn miss(&mut self) {
        self.lost = true;
    }

    fn lose(&mut self, what: &'static str) -> Malformed {
        self.lost = true;
        Malformed { what, offset: 0 }
    }
}

/// Compresses the messages of one side. It looks back 32 KiB: where the other side has asked for less (`client_max_window_bits` below 15
/// in its answer), messages are to be sent without compression, which is always allowed.
pub struct Deflater {
    state: Compress,
    context_takeover: bool,
}

impl std::fmt::Debug for Deflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Deflater {{ context_takeover: {} }}", self.context_takeover)
    }
}

impl Deflater {
    /// Before the first message of a side.
    #[must_use]
    pub fn new(context_takeover: bool) -> Self {
        Self { state: Compress::new(Compression::default(), false), context_takeover }
    }

    /// Appends a message, compressed, as it is to be sent.
    pub fn message(&mut self, message: &[u8], out: &mut Vec<u8>) {
        let (start, mut rest) = (out.len(), message);
        loop {
            out.reserve(rest.len() / 2 + 64);
            let before = self.state.total_in();
            // It cannot fail: it is never told to finish.
            let _ = self.state.compress_vec(rest, out, FlushCompress::Sync);
            rest = &rest[(self.state.total_in() - before) as usize..];
            if rest.is_empty() && out.len() < out.capacity() {
                break;
            }
        }
        if out[start..].ends_with(&TAIL) {
            out.truncate(out.len() - TAIL.len());
        }
        if out.len() == start {
            // An empty message is one empty block (RFC 7692 §7.2.3.6).
            out.push(0);
        }
        if !self.context_takeover {
            self.state.reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inflate(inflater: &mut Inflater, message: &[u8], part_bytes: usize) -> Result<Vec<u8>, &'static str> {
        let mut plain = Vec::new();
        for part in message.chunks(part_bytes) {
            inflater.read(part, |part| plain.extend_from_slice(part)).map_err(|fault| fault.what)?;
        }
        inflater.end(|part| plain.extend_from_slice(part)).map_err(|fault| fault.what)?;
        Ok(plain)
    }

    /// RFC 7692 §7.2.3.1 to §7.2.3.5: the same text in one block, again by reference to the first, stored, as a last block, in two blocks.
    #[test]
    fn published_examples() {
        let hello = Ok(b"Hello".to_vec());
        for part_bytes in [1, 100] {
            let mut inflater = Inflater::new(true);
            assert_eq!(inflate(&mut inflater, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], part_bytes), hello);
            assert_eq!(inflate(&mut inflater, &[0xf2, 0x00, 0x11, 0x00, 0x00], part_bytes), hello);
            let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
            assert_eq!(inflate(&mut inflater, &stored, part_bytes), hello);
            assert_eq!(inflate(&mut inflater, &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00], part_bytes), hello);
            let two = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
            assert_eq!(inflate(&mut Inflater::new(true), &two, part_bytes), hello);
        }
    }

    #[test]
    fn what_is_compressed_comes_back_with_and_without_context() {
        let long: Vec<u8> = (0..200_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        for takeover in [true, false] {
            let (mut deflater, mut inflater) = (Deflater::new(takeover), Inflater::new(takeover));
            let mut sizes = Vec::new();
            for message in [&b"Hello"[..], b"Hello", b"", &long, &long[..3], b"Hello"] {
                let mut sent = Vec::new();
                deflater.message(message, &mut sent);
                assert_eq!(inflate(&mut inflater, &sent, 1000).as_deref(), Ok(message));
                sizes.push(sent.len());
            }
            assert_eq!(sizes[1] < sizes[0], takeover, "the second one refers to the first");
            assert_eq!(sizes[2], 1);
        }
    }

    #[test]
    fn a_bomb_is_put_out_and_what_refers_to_it_is_not_read() {
        let mut bomb = Vec::new();
        Deflater::new(true).message(&vec![0; INFLATED_BYTES_MAX as usize + 1], &mut bomb);
        assert!(bomb.len() < 100_000);
        for (takeover, after) in [(true, Err("a message that refers to what is not known")), (false, Ok(b"Hello".to_vec()))] {
            let mut inflater = Inflater::new(takeover);
            assert_eq!(inflate(&mut inflater, &bomb, usize::MAX), Err("a message of which comes more than 64 MiB"));
            let _ = inflater.end(|_| ());
            assert_eq!(inflate(&mut inflater, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], 100), after);
        }
        assert_eq!(inflate(&mut Inflater::new(false), &[0xff; 30], 100), Err("a message that is not compressed data"));
    }

    #[test]
    fn what_was_agreed_is_read() {
        let deflate = |client, server| Extension::Deflate { context_takeover: [client, server] };
        let cases: [(&[u8], Extension); 7] = [
            (b"", Extension::None),
            (b"permessage-deflate", deflate(true, true)),
            (b"permessage-deflate; client_max_window_bits=15", deflate(true, true)),
            (b"permessage-deflate; server_no_context_takeover", deflate(true, false)),
            (b"Permessage-Deflate ;Client_No_Context_Takeover; server_no_context_takeover", deflate(false, false)),
            (b"x-kaazing-ping-pong", Extension::Other),
            (b"permessage-deflate, mux", Extension::Other),
        ];
        for (value, agreed) in cases {
            assert_eq!(Extension::agreed(value), agreed, "{}", value.escape_ascii());
        }
    }
}
