//! Compressed packets ("Compression"): three bytes of length, a number, three bytes of the length without compression (0: it is not
//! compressed), and the content, in which packets begin and end anywhere.

use std::io::Read;

use flate2::read::ZlibDecoder;

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
