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
    /// Behind the last chunk; so many bytes of trailers were passed over.
    Trailers(usize),
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
        Chunk::Trailers(passed) => trailer(passed, bytes),
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
        Ok(0) => Found::Framing(end + 1, Chunk::Trailers(0)),
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

fn trailer(passed: usize, bytes: &[u8]) -> Found<'_> {
    let Some(length) = memchr(b'\n', bytes) else {
        let long = passed + bytes.len() > HEAD_BYTES_MAX;
        return if long { Found::Malformed("trailers beyond the limit of 256 KiB") } else { Found::More };
    };
    if length == 0 || (length == 1 && bytes[0] == b'\r') {
        return Found::Last(length + 1);
    }
    let passed = passed + length + 1;
    if passed > HEAD_BYTES_MAX {
        Found::Malformed("trailers beyond the limit of 256 KiB")
    } else {
        Found::Framing(length + 1, Chunk::Trailers(passed))
    }
}
