//! Link layers: what a packet begins with (<https://www.tcpdump.org/linktypes.html>).

use super::tunnel::{mpls, ppp, pppoe};
use super::{Layer, Reason, Step, Walk, be16, be32, ip};

/// LINKTYPE numbers and the layer each begins with.
const LINK_TYPES: &[(i32, Layer)] = &[
    (0, null),
    (1, ethernet),
    (9, ppp),
    (12, ip::either),
    (14, ip::either),
    (50, ppp),
    (51, pppoe),
    (101, ip::either),
    (104, cisco_hdlc),
    (105, ieee80211),
    (108, null),
    (113, linux_sll),
    (117, pflog),
    (127, radiotap),
    (192, radiotap), // Per-Packet Information has its length at the same place
    (228, ip::either),
    (229, ip::either),
    (239, nflog),
    (276, linux_sll2),
];

/// EtherType numbers, wherever they stand, and the layer that follows.
const ETHER_TYPES: &[(u16, Layer)] = &[
    (0x0800, ip::v4),
    (0x86dd, ip::v6),
    (0x8100, vlan),
    (0x88a8, vlan),
    (0x9100, vlan),
    (0x9200, vlan),
    (0x8847, mpls),
    (0x8848, mpls),
    (0x8864, pppoe),
    (0x880b, ppp),
    (0x6558, ethernet),
];

/// EtherTypes below this are lengths (IEEE 802.3, clause 3.2.6).
const ETHER_TYPE_MIN: u16 = 0x0600;

/// The layer that packets of this LINKTYPE begin with.
pub(super) fn layer(link: i32) -> Option<Layer> {
    LINK_TYPES.iter().find(|(number, _)| *number == link).map(|(_, layer)| *layer)
}

/// The layer behind an EtherType, over `rest`.
pub(super) fn ether_type(number: u16, rest: &[u8]) -> Step<'_> {
    if number < ETHER_TYPE_MIN {
        return Step::Into(llc_snap, rest);
    }
    match ETHER_TYPES.iter().find(|(known, _)| *known == number) {
        Some((_, layer)) => Step::Into(*layer, rest),
        None if number == 0x0806 => Step::Drop(Reason::Kind("ARP")),
        None => Step::Drop(Reason::Other("EtherType", u32::from(number))),
    }
}

/// Whether these bytes have a known EtherType where Ethernet has it.
pub(super) fn begins_ethernet(bytes: &[u8]) -> bool {
    bytes.len() >= 14 && ETHER_TYPES.iter().any(|(number, _)| *number == be16(bytes, 12))
}

pub(super) fn ethernet<'a>(_: &mut Walk, bytes: &'a [u8]) -> Step<'a> {
    match bytes {
        [_, _, _, _, _, _, _, _, _, _, _, _, high, low, rest @ ..] => ether_type(u16::from_be_bytes([*high, *low]), rest),
        _ => Step::Drop(Reason::Cut("Ethernet")),
    }
}

/// IEEE 802.1Q and 802.1ad tags; connections are not told apart by them, since a mirror port often shows one direction tagged.
fn vlan<'a>(_: &mut Walk, bytes: &'a [u8]) -> Step<'a> {
    match bytes {
        [_, _, high, low, rest @ ..] => ether_type(u16::from_be_bytes([*high, *low]), rest),
        _ => Step::Drop(Reason::Cut("VLAN")),
    }
}

/// IEEE 802.2 LLC, of which only SNAP carries IP.
fn llc_snap<'a>(_: &mut Walk, bytes: &'a [u8]) -> Step<'a> {
    match bytes {
        [0xaa, 0xaa, 3, _, _, _, high, low, rest @ ..] => match u16::from_be_bytes([*high, *low]) {
            number if number < ETHER_TYPE_MIN => Step::Drop(Reason::Kind("SNAP without EtherType")),
            number => ether_type(number, rest),
        },
        [_, _, _, ..] => Step::Drop(Reason::Kind("LLC")),
        _ => Step::Drop(Reason::Cut("LLC")),
    }
}

fn linux_sll<'a>(_: &mut Walk, bytes: &'a [u8]) -> Step<'a> {
    if bytes.len() < 16 {
        return Step::Drop(Reason::Cut("Linux SLL"));
    }
    ether_type(be16(bytes, 14), &bytes[16..])
}

fn linux_sll2<'a>(_: &mut Walk, bytes: &'a [u8]) -> Step<'a> {
    if bytes.len() < 20 {
        return Step::Drop(Reason::Cut("Linux SLL2"));
    }
    ether_type(be16(bytes, 0), &bytes[20..])
}

/// NULL in the byte order of the capturing host, LOOP in network order: the family is below 65 536 in the right one. The version of
/// IP is then read from the packet, since systems disagree on the number of IPv6 (10, 24, 28, 30).
fn null<'a>(walk: &mut Walk, bytes: &'a [u8]) -> Step<'a> {
    if bytes.len() < 4 {
        return Step::Drop(Reason::Cut("loopback"));
    }
    let family = be32(bytes, 0);
    match if family > 0xffff { family.swap_bytes() } else { family } {
        2 | 10 | 24 | 28 | 30 => ip::either(walk, &bytes[4..]),
        other => Step::Drop(Reason::Other("address family", other)),
    }
}

fn cisco_hdlc<'a>(_: &mut Walk, bytes: &'a [u8]) -> Step<'a> {
    if bytes.len() < 4 {
        return Step::Drop(Reason::Cut("Cisco HDLC"));
    }
    ether_type(be16(bytes, 2), &bytes[4..])
}

/// OpenBSD's packet filter log: its own length first, padded to four bytes.
fn pflog<'a>(walk: &mut Walk, bytes: &'a [u8]) -> Step<'a> {
    let header_bytes = bytes.first().map_or(0, |length| usize::from(*length).next_multiple_of(4));
    match bytes.get(header_bytes..) {
        Some(rest) if header_bytes > 0 => ip::either(walk, rest),
        _ => Step::Drop(Reason::Cut("PFLOG")),
    }
}

/// Netfilter's log: records of (length, type, value) in the capturing host's byte order, nearly always little-endian; type 9 is the
/// packet.
fn nflog<'a>(walk: &mut Walk, bytes: &'a [u8]) -> Step<'a> {
    const PAYLOAD: u16 = 9;
    let mut rest = bytes.get(4..).unwrap_or_default();
    while let [l0, l1, t0, t1, ..] = rest {
        let length = usize::from(u16::from_le_bytes([*l0, *l1]));
        if u16::from_le_bytes([*t0, *t1]) == PAYLOAD {
            let payload = rest.get(4..length).unwrap_or(&rest[4..]);
            return ip::either(walk, payload);
        }
        if length < 4 {
            return Step::Drop(Reason::Malformed("NFLOG"));
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Step::Drop(Reason::Kind("NFLOG without packet"))
}

/// Radiotap and Per-Packet Information: skipped by the length they begin with; little-endian.
fn radiotap<'a>(_: &mut Walk, bytes: &'a [u8]) -> Step<'a> {
    let rest = match bytes {
        [_, _, low, high, ..] => bytes.get(usize::from(u16::from_le_bytes([*low, *high])).max(4)..),
        _ => None,
    };
    rest.map_or(Step::Drop(Reason::Cut("radiotap")), |rest| Step::Into(ieee80211, rest))
}

/// IEEE 802.11 data frames in clear (clause 9.3.2.1).
fn ieee80211<'a>(_: &mut Walk, bytes: &'a [u8]) -> Step<'a> {
    let [kind, flags, ..] = *bytes else { return Step::Drop(Reason::Cut("802.11")) };
    let (is_data, has_content, is_qos) = (kind & 0x0c == 0x08, kind & 0x40 == 0, kind & 0x80 != 0);
    if !is_data || !has_content {
        return Step::Drop(Reason::Kind("802.11 without data"));
    }
    if flags & 0x40 != 0 {
        return Step::Drop(Reason::Kind("802.11 encrypted"));
    }
    let fourth_address = if flags & 3 == 3 { 6 } else { 0 };
    let qos = if is_qos { 2 } else { 0 };
    let ht_control = if is_qos && flags & 0x80 != 0 { 4 } else { 0 };
    match bytes.get(24 + fourth_address + qos + ht_control..) {
        Some(rest) => Step::Into(llc_snap, rest),
        None => Step::Drop(Reason::Cut("802.11")),
    }
}
