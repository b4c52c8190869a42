//! What proves that a server meant to change to WebSocket (RFC 6455 §4.2.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// What a server joins to the key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key`.
#[must_use]
pub fn accept(key: &[u8]) -> String {
    STANDARD.encode(Sha1::new().chain_update(key.trim_ascii()).chain_update(GUID).finalize())
}

/// Sixteen random bytes as a `Sec-WebSocket-Key` (RFC 6455 §4.1).
#[must_use]
pub fn key(random: [u8; 16]) -> String {
    STANDARD.encode(random)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6455 §1.3 and §4.1.
    #[test]
    fn published_examples() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(key(std::array::from_fn(|place| place as u8 + 1)), "AQIDBAUGBwgJCgsMDQ4PEA==");
    }
}
