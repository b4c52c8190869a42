//! TCP headers (RFC 9293, section 3.1).

use super::{Endpoint, Reason, Segment, Step, Walk, be16, be32};

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

pub(super) fn tcp<'a>(walk: &mut Walk, bytes: &'a [u8]) -> Step<'a> {
    // Options may be cut off; all that is needed stands in the first 14 bytes.
    if bytes.len() < 14 {
        return Step::Drop(Reason::Cut("TCP"));
    }
    let header_bytes = usize::from(bytes[12] >> 4) * 4;
    if header_bytes < 20 || header_bytes > bytes.len() + walk.cut_bytes {
        return Step::Drop(Reason::Malformed("TCP"));
    }
    let missing_bytes = walk.cut_bytes - header_bytes.saturating_sub(bytes.len());
    let flags = bytes[13];
    Step::Tcp(Segment {
        from: Endpoint { address: walk.from, port: be16(bytes, 0) },
        to: Endpoint { address: walk.to, port: be16(bytes, 2) },
        seq: be32(bytes, 4),
        ack: (flags & ACK != 0).then(|| be32(bytes, 8)),
        syn: flags & SYN != 0,
        fin: flags & FIN != 0,
        rst: flags & RST != 0,
        payload: bytes.get(header_bytes..).unwrap_or_default(),
        missing_bytes,
    })
}
