//! Compressed packets ("Compression"): three bytes of length, a number, three bytes of the length without compression (0: it is not
//! compressed), and the content, in which packets begin and end anywhere.

use std::io::Read;

use flate2::read::ZlibDecoder;

use super::packet::{HEAD_BYTES as PACKET_HEAD_BYTES, SEARCH_BYTES_MAX};
use crate::Start;

/// Bytes before the content of a compressed packet.
const HEAD_BYTES: usize = 7;
/// Bytes of a compressed packet at most: what its length can say.
pub const COMPRESSED_BYTES_MAX: usize = HEAD_BYTES + 0xff_ffff;

/// How packets are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// zlib.
    Zlib,
    /// Zstandard.
    Zstd,
}

/// A compressed packet at the front: its bytes on the wire, and its content without compression, or what is wrong with it; `None` where
/// more bytes are needed. More content than a length can say does not come of it.
#[must_use]
pub fn unpack(compression: Compression, bytes: &[u8]) -> Option<(usize, Result<Vec<u8>, &'static str>)> {
    let head = bytes.first_chunk::<HEAD_BYTES>()?;
    let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], 0]) as usize;
    let packed = bytes.get(HEAD_BYTES..HEAD_BYTES + number(0))?;
    let content = match number(4) {
        0 => Ok(packed.to_vec()),
        plain_bytes => inflate(compression, packed, plain_bytes),
    };
    Some((HEAD_BYTES + packed.len(), content))
}

/// Finds where a compressed packet begins, behind a hole. One is sure when it is whole: its content is as long as it says, or filled to its
/// end by packets that are not compressed.
#[must_use]
pub fn find_packed(compression: Compression, bytes: &[u8]) -> Start {
    for at in 0..bytes.len() {
        match begins(compression, &bytes[at..]) {
            Some(true) => return Start::At(at),
            None => return Start::NotBefore(at),
            Some(false) => {}
        }
    }
    Start::NotBefore(bytes.len())
}

/// Whether a compressed packet begins here; `None` where more bytes are needed.
fn begins(compression: Compression, bytes: &[u8]) -> Option<bool> {
    let head = bytes.first_chunk::<HEAD_BYTES>()?;
    let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], 0]) as usize;
    let (packed_bytes, plain_bytes) = (number(0), number(4));
    // What compression does not make shorter is sent without.
    if !(1..=SEARCH_BYTES_MAX).contains(&packed_bytes) || plain_bytes != 0 && plain_bytes <= packed_bytes {
        return Some(false);
    }
    let begins_well = match (compression, &bytes[HEAD_BYTES..]) {
        _ if plain_bytes == 0 => true,
        // RFC 1950, section 2.2.
        (Compression::Zlib, [method, flags, ..]) => {
            method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31)
        }
        // RFC 8878, section 3.1.1.
        (Compression::Zstd, magic) if magic.len() >= 4 => magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]),
        _ => return None,
    };
    if !begins_well {
        return Some(false);
    }
    let packed = bytes.get(HEAD_BYTES..HEAD_BYTES + packed_bytes)?;
    Some(if plain_bytes == 0 { is_filled(packed) } else { inflate(compression, packed, plain_bytes).is_ok() })
}

/// Whether packets follow each other up to the end.
fn is_filled(mut content: &[u8]) -> bool {
    while let Some(head) = content.first_chunk::<PACKET_HEAD_BYTES>() {
        let length = u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize;
        match content.get(PACKET_HEAD_BYTES + length..) {
            Some([]) => return true,
            Some(rest) => content = rest,
            None => return false,
        }
    }
    false
}

fn inflate(compression: Compression, packed: &[u8], plain_bytes: usize) -> Result<Vec<u8>, &'static str> {
    let mut plain = Vec::new();
    let limit = plain_bytes as u64 + 1;
    let read = match compression {
        Compression::Zlib => ZlibDecoder::new(packed).take(limit).read_to_end(&mut plain),
        Compression::Zstd => {
            zstd::stream::read::Decoder::new(packed).and_then(|decoder| decoder.take(limit).read_to_end(&mut plain))
        }
    };
    match read {
        Ok(bytes) if bytes == plain_bytes => Ok(plain),
        Ok(_) => Err("a compressed packet of another length than it says"),
        Err(_) => Err("a compressed packet that cannot be read"),
    }
}
