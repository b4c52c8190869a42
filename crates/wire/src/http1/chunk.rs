//! The chunked transfer coding (RFC 9112 §7.1).

use memchr::memchr;

use super::{CHUNK_LINE_BYTES_MAX, HEAD_BYTES_MAX};

/// Where in a chunked body we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunk {
    /// At the line with the size.
    Size,
    /// So many bytes of data are left in this chunk.
    Data(u64),
    /// At the line end behind the data.
    DataEnd,
    /// Behind the last chunk; so many bytes of trailers were passed over, the last ones perhaps of a line that is still open.
    Trailers { passed: usize, in_line: bool },
}

/// What was found at the front of the bytes.
pub(super) enum Found<'a> {
    /// Data, then the state that follows it.
    Data(&'a [u8], Chunk),
    /// So many bytes of framing, then the state that follows them.
    Framing(usize, Chunk),
    /// So many bytes of framing, and the body is over.
    Last(usize),
    /// More bytes are needed.
    More,
    /// No chunk, and why.
    Malformed(&'static str),
}

pub(super) fn proceed(state: Chunk, bytes: &[u8]) -> Found<'_> {
    match state {
        Chunk::Size => size_line(bytes),
        Chunk::Data(left) => data(left, bytes),
        Chunk::DataEnd => data_end(bytes),
        Chunk::Trailers { passed, in_line } => trailer(passed, in_line, bytes),
    }
}

fn size_line(bytes: &[u8]) -> Found<'_> {
    let window = &bytes[..bytes.len().min(CHUNK_LINE_BYTES_MAX)];
    let Some(end) = memchr(b'\n', window) else {
        return if bytes.len() < CHUNK_LINE_BYTES_MAX {
            Found::More
        } else {
            Found::Malformed("a chunk size line beyond the limit of 16 KiB")
        };
    };
    let line = &bytes[..end];
    let size = line.split(|byte| *byte == b';').next().unwrap_or(line).trim_ascii();
    match hexadecimal(size) {
        Ok(0) => Found::Framing(end + 1, Chunk::Trailers { passed: 0, in_line: false }),
        Ok(size) => Found::Framing(end + 1, Chunk::Data(size)),
        Err(what) => Found::Malformed(what),
    }
}

fn hexadecimal(text: &[u8]) -> Result<u64, &'static str> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_hexdigit) {
        return Err("a chunk size that is not hexadecimal");
    }
    let text = std::str::from_utf8(text).map_err(|_| "a chunk size that is not hexadecimal")?;
    u64::from_str_radix(text, 16).map_err(|_| "a chunk size of 2^64 or more")
}

fn data(left: u64, bytes: &[u8]) -> Found<'_> {
    let here = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
    if here == 0 {
        return Found::More;
    }
    let left = left - here as u64;
    Found::Data(&bytes[..here], if left == 0 { Chunk::DataEnd } else { Chunk::Data(left) })
}

fn data_end(bytes: &[u8]) -> Found<'_> {
    match bytes {
        [b'\n', ..] => Found::Framing(1, Chunk::Size),
        [b'\r', b'\n', ..] => Found::Framing(2, Chunk::Size),
        [] | [b'\r'] => Found::More,
        _ => Found::Malformed("chunk data that is not followed by a line end"),
    }
}

fn trailer(passed: usize, in_line: bool, bytes: &[u8]) -> Found<'_> {
    let within = &bytes[..bytes.len().min(HEAD_BYTES_MAX - passed)];
    let found = |length, in_line| Found::Framing(length, Chunk::Trailers { passed: passed + length, in_line });
    match memchr(b'\n', within) {
        Some(end) if !in_line && matches!(&within[..end], [] | [b'\r']) => Found::Last(end + 1),
        Some(end) => found(end + 1, false),
        None if bytes.is_empty() || !in_line && bytes == b"\r" => Found::More,
        None if within.is_empty() => Found::Malformed("trailers beyond the limit of 256 KiB"),
        None => found(within.len(), true),
    }
}
