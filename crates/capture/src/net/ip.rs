//! IPv4 (RFC 791), IPv6 (RFC 8200), and what they carry.

use super::fragment::{Fragment, INCOMPLETE, Id};
use super::tcp::tcp;
use super::tunnel::{gre, udp};
use super::{Layer, Reason, Step, Walk, be16, be32, link, tunnel};

/// IP protocol numbers and the layer behind each.
const PROTOCOLS: &[(u8, Layer)] =
    &[(4, v4), (6, tcp), (17, udp), (41, v6), (47, gre), (97, tunnel::ether_ip), (137, tunnel::mpls), (143, link::ethernet)];

/// Names of common protocols that are not read.
const OTHERS: &[(u8, &str)] = &[(1, "ICMP"), (2, "IGMP"), (50, "ESP"), (58, "ICMPv6"), (59, "no next header"), (132, "SCTP")];

/// The prefix of IPv4-mapped addresses (RFC 4291, section 2.5.5.2).
const V4_MAPPED: u128 = 0xffff_0000_0000;

/// The layer of a protocol number; one that is not read drops the packet and names it.
pub(super) fn inside(protocol: u8) -> Layer {
    PROTOCOLS.iter().find(|(number, _)| *number == protocol).map_or(unread, |(_, layer)| *layer)
}

fn unread<'a>(_: &mut Walk, _: &'a [u8]) -> Step<'a> {
    Step::Drop(Reason::Kind("IP fragments of an unread protocol"))
}

/// The layer of a protocol number over `rest`.
fn carries(protocol: u8, rest: &[u8]) -> Step<'_> {
    if let Some((_, layer)) = PROTOCOLS.iter().find(|(number, _)| *number == protocol) {
        return Step::Into(*layer, rest);
    }
    let name = OTHERS.iter().find(|(number, _)| *number == protocol);
    Step::Drop(name.map_or(Reason::Other("IP protocol", u32::from(protocol)), |(_, name)| Reason::Kind(name)))
}

/// IPv4 or IPv6, by the version the packet itself states.
pub(super) fn either<'a>(walk: &mut Walk, bytes: &'a [u8]) -> Step<'a> {
    match bytes.first().map(|first| first >> 4) {
        Some(4) => v4(walk, bytes),
        Some(6) => v6(walk, bytes),
        Some(version) => Step::Drop(Reason::Other("IP version", u32::from(version))),
        None => Step::Drop(Reason::Cut("IP")),
    }
}

pub(super) fn v4<'a>(walk: &mut Walk, bytes: &'a [u8]) -> Step<'a> {
    if bytes.len() < 20 {
        return Step::Drop(Reason::Cut("IPv4"));
    }
    let header_bytes = usize::from(bytes[0] & 0x0f) * 4;
    let total_bytes = usize::from(be16(bytes, 2));
    if bytes[0] >> 4 != 4 || header_bytes < 20 || (total_bytes != 0 && total_bytes < header_bytes) {
        return Step::Drop(Reason::Malformed("IPv4"));
    }
    let Some(packet) = clip(walk, bytes, total_bytes).get(header_bytes..) else { return Step::Drop(Reason::Cut("IPv4")) };
    walk.from = V4_MAPPED | u128::from(be32(bytes, 12));
    walk.to = V4_MAPPED | u128::from(be32(bytes, 16));
    let (more, offset) = (be16(bytes, 6) & 0x2000 != 0, usize::from(be16(bytes, 6) & 0x1fff) * 8);
    if more || offset > 0 {
        return piece(walk, u32::from(be16(bytes, 4)), bytes[9], offset, more, packet);
    }
    carries(bytes[9], packet)
}

/// Cuts what follows the packet (padding, trailers), and notes what it lacks. A length of 0 means "to the end": segmentation offload
/// leaves it empty, and jumbograms have it in an option.
fn clip<'a>(walk: &mut Walk, bytes: &'a [u8], total_bytes: usize) -> &'a [u8] {
    if total_bytes == 0 {
        return bytes;
    }
    walk.cut_bytes = total_bytes.saturating_sub(bytes.len());
    &bytes[..total_bytes.min(bytes.len())]
}

fn piece<'a>(walk: &Walk, number: u32, protocol: u8, offset: usize, more: bool, bytes: &'a [u8]) -> Step<'a> {
    if walk.cut_bytes > 0 {
        return Step::Drop(INCOMPLETE);
    }
    Step::Piece(Fragment { id: Id { from: walk.from, to: walk.to, number, protocol }, offset, more, bytes })
}

pub(super) fn v6<'a>(walk: &mut Walk, bytes: &'a [u8]) -> Step<'a> {
    if bytes.len() < 40 {
        return Step::Drop(Reason::Cut("IPv6"));
    }
    if bytes[0] >> 4 != 6 {
        return Step::Drop(Reason::Malformed("IPv6"));
    }
    let payload_bytes = usize::from(be16(bytes, 4));
    let packet = clip(walk, bytes, if payload_bytes == 0 { 0 } else { 40 + payload_bytes });
    walk.from = u128::from_be_bytes(bytes[8..24].try_into().expect("sixteen bytes"));
    walk.to = u128::from_be_bytes(bytes[24..40].try_into().expect("sixteen bytes"));
    extensions(walk, bytes[6], &packet[40..])
}

/// Skips extension headers (RFC 8200, section 4), of which there are at most as many as there are bytes.
fn extensions<'a>(walk: &Walk, mut next: u8, mut rest: &'a [u8]) -> Step<'a> {
    const FRAGMENT: u8 = 44;
    const AUTHENTICATION: u8 = 51;
    while matches!(next, 0 | 43 | FRAGMENT | AUTHENTICATION | 60 | 135 | 139 | 140) {
        if rest.len() < 8 {
            return Step::Drop(Reason::Cut("IPv6 extension"));
        }
        let (kind, length) = (next, usize::from(rest[1]));
        next = rest[0];
        let header_bytes = match kind {
            FRAGMENT => 8,
            AUTHENTICATION => (length + 2) * 4,
            _ => (length + 1) * 8,
        };
        let field = be16(rest, 2);
        let number = be32(rest, 4);
        let Some(inner) = rest.get(header_bytes..) else { return Step::Drop(Reason::Cut("IPv6 extension")) };
        rest = inner;
        if kind == FRAGMENT && field & 0xfff9 != 0 {
            return piece(walk, number, next, usize::from(field >> 3) * 8, field & 1 != 0, rest);
        }
    }
    carries(next, rest)
}
