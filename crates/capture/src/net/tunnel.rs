//! Layers that carry packets inside packets.

use super::link::{begins_ethernet, ether_type, ethernet};
use super::{Layer, Reason, Step, Walk, be16, be32, ip};

/// UDP ports whose datagrams hold packets: GTP-U (3GPP TS 29.281), GRE (RFC 8086), VXLAN (RFC 7348, and Linux's first choice), Geneve
/// (RFC 8926), MPLS (RFC 7510).
const UDP_PORTS: &[(u16, Layer)] = &[(2152, gtp_u), (4754, gre), (4789, vxlan), (8472, vxlan), (6081, geneve), (6635, mpls)];

pub(super) fn udp<'a>(_: &mut Walk, bytes: &'a [u8]) -> Step<'a> {
    if bytes.len() < 8 {
        return Step::Drop(Reason::Cut("UDP"));
    }
    let to = be16(bytes, 2);
    match UDP_PORTS.iter().find(|(port, _)| *port == to) {
        Some((_, layer)) => Step::Into(*layer, &bytes[8..]),
        None => Step::Drop(Reason::Kind("UDP")),
    }
}

/// MPLS labels (RFC 3032); behind the last one is IP, or Ethernet with or without a control word (RFC 4448, section 4.6). A control
/// word begins with four zero bits, as some Ethernet addresses do (RFC 4928): then the EtherType tells.
pub(super) fn mpls<'a>(walk: &mut Walk, mut bytes: &'a [u8]) -> Step<'a> {
    loop {
        let [_, _, label, _, rest @ ..] = bytes else { return Step::Drop(Reason::Cut("MPLS")) };
        bytes = rest;
        if label & 1 != 0 {
            break;
        }
    }
    match bytes.first().map(|first| first >> 4) {
        Some(4 | 6) => ip::either(walk, bytes),
        Some(0) if !begins_ethernet(bytes) => skip(ethernet, bytes, 4, "MPLS"),
        _ => Step::Into(ethernet, bytes),
    }
}

/// GRE (RFC 2784, RFC 2890; version 1: RFC 2637) and ERSPAN in it (draft-foschiano-erspan).
pub(super) fn gre<'a>(_: &mut Walk, bytes: &'a [u8]) -> Step<'a> {
    if bytes.len() < 4 {
        return Step::Drop(Reason::Cut("GRE"));
    }
    let (flags, kind) = (be16(bytes, 0), be16(bytes, 2));
    let optional = |bit: u16| if flags & bit != 0 { 4 } else { 0 };
    let (sequence, acknowledgement) = (optional(0x1000), if flags & 7 == 1 { optional(0x0080) } else { 0 });
    let header_bytes = 4 + optional(0x8000) + optional(0x2000) + sequence + acknowledgement;
    let Some(rest) = bytes.get(header_bytes..) else { return Step::Drop(Reason::Cut("GRE")) };
    match kind {
        // Type I has no header of its own, and no sequence number by which it is known.
        0x88be => skip(ethernet, rest, if sequence == 0 { 0 } else { 8 }, "ERSPAN"),
        0x22eb => skip(ethernet, rest, if rest.get(11).is_some_and(|last| last & 1 != 0) { 20 } else { 12 }, "ERSPAN"),
        kind => ether_type(kind, rest),
    }
}

/// The layer behind a header of known length.
fn skip<'a>(layer: Layer, bytes: &'a [u8], header_bytes: usize, name: &'static str) -> Step<'a> {
    bytes.get(header_bytes..).map_or(Step::Drop(Reason::Cut(name)), |rest| Step::Into(layer, rest))
}

fn vxlan<'a>(_: &mut Walk, bytes: &'a [u8]) -> Step<'a> {
    skip(ethernet, bytes, 8, "VXLAN")
}

/// EtherIP (RFC 3378).
pub(super) fn ether_ip<'a>(_: &mut Walk, bytes: &'a [u8]) -> Step<'a> {
    skip(ethernet, bytes, 2, "EtherIP")
}

fn geneve<'a>(_: &mut Walk, bytes: &'a [u8]) -> Step<'a> {
    let options_bytes = bytes.first().map_or(0, |first| usize::from(first & 0x3f) * 4);
    match bytes.get(8 + options_bytes..) {
        Some(rest) => ether_type(be16(bytes, 2), rest),
        None => Step::Drop(Reason::Cut("Geneve")),
    }
}

/// GTP-U version 1 (3GPP TS 29.281, section 5); only message type 255 carries a user's packet.
fn gtp_u<'a>(walk: &mut Walk, bytes: &'a [u8]) -> Step<'a> {
    const USER_PACKET: u8 = 255;
    if bytes.len() < 8 {
        return Step::Drop(Reason::Cut("GTP-U"));
    }
    if bytes[0] >> 5 != 1 || bytes[1] != USER_PACKET {
        return Step::Drop(Reason::Kind("GTP-U control message"));
    }
    let mut at = if bytes[0] & 7 != 0 { 12 } else { 8 };
    let mut next = if bytes[0] & 4 != 0 { bytes.get(11).copied().unwrap_or(0) } else { 0 };
    while next != 0 {
        let length = bytes.get(at).map_or(0, |units| usize::from(*units) * 4);
        let last = bytes.get(at..at + length).and_then(<[u8]>::last);
        let Some(last) = last else { return Step::Drop(Reason::Cut("GTP-U")) };
        next = *last;
        at += length;
    }
    bytes.get(at..).map_or(Step::Drop(Reason::Cut("GTP-U")), |rest| ip::either(walk, rest))
}

/// PPPoE session stage (RFC 2516).
pub(super) fn pppoe<'a>(_: &mut Walk, bytes: &'a [u8]) -> Step<'a> {
    skip(ppp, bytes, 6, "PPPoE")
}

/// PPP (RFC 1661), with or without HDLC's address and control, protocol in one byte or two.
pub(super) fn ppp<'a>(walk: &mut Walk, bytes: &'a [u8]) -> Step<'a> {
    let bytes = bytes.strip_prefix(&[0xff, 0x03]).unwrap_or(bytes);
    match bytes {
        [0x00, 0x21, rest @ ..] | [0x21, rest @ ..] => ip::v4(walk, rest),
        [0x00, 0x57, rest @ ..] | [0x57, rest @ ..] => ip::v6(walk, rest),
        [0x02, 0x81, rest @ ..] => Step::Into(mpls, rest),
        [_, _, _, _, ..] => Step::Drop(Reason::Other("PPP protocol", be32(bytes, 0) >> 16)),
        _ => Step::Drop(Reason::Cut("PPP")),
    }
}
