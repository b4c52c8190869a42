//! Every link layer and tunnel leads to the TCP segment inside; what does not is dropped with its reason.

#[path = "support/frames.rs"]
mod frames;

use std::net::SocketAddr;

use capture::net::Decoder;
use capture::pcap::Packet;
use frames::{ACK, CLIENT, SERVER, ethernet, frame, ipv4, tcp};
use proptest::prelude::*;

const PAYLOAD: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

fn segment() -> Vec<u8> {
    tcp(CLIENT, SERVER, 1000, 2000, ACK, PAYLOAD)
}

fn v4() -> Vec<u8> {
    ipv4(CLIENT.address, SERVER.address, 6, 1, 0, &segment())
}

/// IPv6 with the addresses 2001:db8::1 and ::2; `next` and `rest` are what follows the header.
fn v6_with(next: u8, rest: &[u8]) -> Vec<u8> {
    let mut out = vec![0x60, 0, 0, 0];
    out.extend((rest.len() as u16).to_be_bytes());
    out.extend([next, 64]);
    for last in [1, 2] {
        out.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    out.extend(rest);
    out
}

fn v6() -> Vec<u8> {
    v6_with(6, &segment())
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x30, 0x39];
    out.extend(port.to_be_bytes());
    out.extend((8 + payload.len() as u16).to_be_bytes());
    out.extend([0, 0]);
    out.extend(payload);
    ethernet(0x0800, &ipv4([10, 0, 0, 1], [10, 0, 0, 2], 17, 7, 0, &out))
}

fn outer(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &ipv4([10, 0, 0, 1], [10, 0, 0, 2], protocol, 7, 0, payload))
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// What a decoder finds: the ends and the payload of segments, and why packets were dropped.
type Found = (Vec<(SocketAddr, SocketAddr, Vec<u8>, usize)>, Vec<(String, u64)>);

fn decode_with_length(packets: &[(i32, Vec<u8>, usize)]) -> Found {
    let (mut decoder, mut found) = (Decoder::default(), Vec::new());
    for (number, (link, bytes, original_bytes)) in (1..).zip(packets) {
        let packet = Packet { number, at_unix_ns: 0, link: *link, bytes, original_bytes: *original_bytes };
        decoder.packet(&packet, |segment| {
            assert_eq!((segment.seq, segment.ack), (1000, Some(2000)));
            found.push((segment.from.into(), segment.to.into(), segment.payload.to_vec(), segment.missing_bytes));
        });
    }
    let decoded = decoder.finish();
    let dropped: Vec<(String, u64)> = decoded.dropped().into_iter().collect();
    assert_eq!(decoded.packets + dropped.iter().map(|(_, count)| count).sum::<u64>(), packets.len() as u64);
    (found, dropped)
}

fn decode(packets: &[(i32, Vec<u8>)]) -> Found {
    let whole: Vec<(i32, Vec<u8>, usize)> = packets.iter().map(|(link, bytes)| (*link, bytes.clone(), bytes.len())).collect();
    decode_with_length(&whole)
}

#[track_caller]
fn check(name: &str, link: i32, bytes: Vec<u8>) {
    let is_v6 = bytes.windows(4).any(|window| window == [0x20, 1, 0x0d, 0xb8]);
    let ends: [SocketAddr; 2] = if is_v6 {
        ["[2001:db8::1]:40000", "[2001:db8::2]:80"].map(|end| end.parse().expect("an address"))
    } else {
        ["192.0.2.1:40000", "192.0.2.2:80"].map(|end| end.parse().expect("an address"))
    };
    let (found, dropped) = decode(&[(link, bytes.clone())]);
    assert_eq!(found, [(ends[0], ends[1], PAYLOAD.to_vec(), 0)], "{name}: dropped {dropped:?}");
    cut_and_damage(link, &bytes);
}

/// Cut anywhere, by a snap length or on the wire, and with any byte damaged: the packet is found or dropped, and counted once.
fn cut_and_damage(link: i32, bytes: &[u8]) {
    let harmless = |bytes: &[u8], original_bytes: usize| {
        let mut decoder = Decoder::default();
        let packet = Packet { number: 1, at_unix_ns: 0, link, bytes, original_bytes };
        decoder.packet(&packet, |segment| assert!(segment.payload.len() <= bytes.len()));
        let decoded = decoder.finish();
        assert_eq!(decoded.packets + decoded.dropped().values().sum::<u64>(), 1);
    };
    for end in 0..bytes.len() {
        harmless(&bytes[..end], bytes.len());
        harmless(&bytes[..end], end);
        let mut damaged = bytes.to_vec();
        for value in [0, 0xff, bytes[end] ^ 1, bytes[end] ^ 0x40] {
            damaged[end] = value;
            harmless(&damaged, bytes.len());
        }
    }
}

/// Puts an Ethernet frame into one more tunnel or tag.
type Wrap = fn(&[u8]) -> Vec<u8>;

const WRAPS: &[Wrap] = &[
    |frame| join(&[&frame[..12], &[0x81, 0, 0, 7], &frame[12..]]),
    |frame| ethernet(0x8847, &join(&[&[0, 1, 1, 64], frame])),
    |frame| outer(47, &join(&[&[0, 0, 0x65, 0x58], frame])),
    |frame| outer(47, &join(&[&[0x10, 0, 0x88, 0xbe], &[0; 12], frame])),
    |frame| outer(97, &join(&[&[0x30, 0], frame])),
    |frame| udp(4754, &join(&[&[0, 0, 0x65, 0x58], frame])),
    |frame| udp(4789, &join(&[&[8, 0, 0, 0, 0, 0, 1, 0], frame])),
    |frame| udp(6081, &join(&[&[0, 0, 0x65, 0x58, 0, 0, 1, 0], frame])),
];

#[test]
fn link_layers() {
    let ether_type = |number: u16| number.to_be_bytes();
    check("Ethernet", 1, ethernet(0x0800, &v4()));
    check("Ethernet, IPv6", 1, ethernet(0x86dd, &v6()));
    check("Ethernet with padding and trailer", 1, join(&[&ethernet(0x0800, &v4()), &[0xaa; 30]]));
    check("802.1Q", 1, ethernet(0x8100, &join(&[&[0, 7], &ether_type(0x0800), &v4()])));
    check("QinQ", 1, ethernet(0x88a8, &join(&[&[0, 1, 0x81, 0], &[0, 2], &ether_type(0x86dd), &v6()])));
    check("Ethernet, LLC and SNAP", 1, ethernet(100, &join(&[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &v4()])));
    check("raw", 101, v4());
    check("raw, as OpenBSD numbers it", 12, v6());
    check("raw, as BSD/OS numbers it", 14, v6());
    check("raw IPv4", 228, v4());
    check("raw IPv6", 229, v6());
    check("loopback, little-endian", 0, join(&[&[2, 0, 0, 0], &v4()]));
    check("loopback, big-endian", 0, join(&[&[0, 0, 0, 30], &v6()]));
    check("OpenBSD loopback", 108, join(&[&[0, 0, 0, 24], &v6()]));
    check("Linux SLL", 113, join(&[&[0; 14], &ether_type(0x0800), &v4()]));
    check("Linux SLL with VLAN", 113, join(&[&[0; 14], &ether_type(0x8100), &[0, 9], &ether_type(0x0800), &v4()]));
    check("Linux SLL2", 276, join(&[&ether_type(0x86dd), &[0; 18], &v6()]));
    check("PPP", 9, join(&[&[0xff, 3, 0, 0x21], &v4()]));
    check("PPP with compressed fields", 9, join(&[&[0x57], &v6()]));
    check("PPPoE", 1, ethernet(0x8864, &join(&[&[0x11, 0, 0, 1, 0, 0, 0, 0x21], &v4()])));
    check("Cisco HDLC", 104, join(&[&[0x0f, 0], &ether_type(0x0800), &v4()]));
    check("PFLOG", 117, join(&[&[61], &[0; 63], &v4()]));
    check(
        "NFLOG",
        239,
        join(&[&[2, 0, 0, 0], &[5, 0, 10, 0, 1, 0, 0, 0], &(4 + v4().len() as u16).to_le_bytes(), &[9, 0], &v4()]),
    );
    let data_frame = |kind: u8, flags: u8, more: usize| {
        join(&[&[kind, flags], &[0; 22], &vec![0; more], &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &v4()])
    };
    check("802.11", 105, data_frame(0x08, 1, 0));
    check("802.11 between access points, with QoS", 105, data_frame(0x88, 3, 8));
    check("radiotap", 127, join(&[&[0, 0, 12, 0], &[0; 8], &data_frame(0x08, 2, 0)]));
}

#[test]
fn tunnels() {
    check("MPLS", 1, ethernet(0x8847, &join(&[&[0, 1, 0, 64], &[0, 2, 1, 64], &v4()])));
    check("MPLS with a control word", 1, ethernet(0x8847, &join(&[&[0, 1, 1, 64], &[0; 4], &ethernet(0x0800, &v4())])));
    check("MPLS over Ethernet", 1, ethernet(0x8847, &join(&[&[0, 1, 1, 64], &ethernet(0x86dd, &v6())])));
    check("4in4", 1, outer(4, &v4()));
    check("6in4", 1, outer(41, &v6()));
    check("4in6", 101, {
        let mut bytes = v6_with(4, &v4());
        bytes[8..40].fill(0xfe);
        bytes
    });
    check("GRE", 1, outer(47, &join(&[&[0, 0, 8, 0], &v4()])));
    check("GRE with checksum, key and sequence", 1, outer(47, &join(&[&[0xb0, 0, 8, 0], &[0; 12], &v4()])));
    check("GRE version 1 with PPP", 1, outer(47, &join(&[&[0x30, 0x81, 0x88, 0x0b], &[0; 12], &[0xff, 3, 0, 0x21], &v4()])));
    check("GRE with Ethernet", 1, outer(47, &join(&[&[0, 0, 0x65, 0x58], &ethernet(0x0800, &v4())])));
    check("ERSPAN type I", 1, outer(47, &join(&[&[0, 0, 0x88, 0xbe], &ethernet(0x0800, &v4())])));
    check("ERSPAN type II", 1, outer(47, &join(&[&[0x10, 0, 0x88, 0xbe], &[0; 12], &ethernet(0x0800, &v4())])));
    check("ERSPAN type III", 1, outer(47, &join(&[&[0x10, 0, 0x22, 0xeb], &[0; 16], &ethernet(0x0800, &v4())])));
    check("EtherIP", 1, outer(97, &join(&[&[0x30, 0], &ethernet(0x0800, &v4())])));
    check("GRE over UDP", 1, udp(4754, &join(&[&[0, 0, 8, 0], &v4()])));
    check("VXLAN", 1, udp(4789, &join(&[&[8, 0, 0, 0, 0, 0, 1, 0], &ethernet(0x0800, &v4())])));
    check("Geneve", 1, udp(6081, &join(&[&[1, 0, 0x65, 0x58, 0, 0, 1, 0], &[0; 4], &ethernet(0x0800, &v4())])));
    check("MPLS over UDP", 1, udp(6635, &join(&[&[0, 1, 1, 64], &v4()])));
    check("GTP-U", 1, udp(2152, &join(&[&[0x30, 255, 0, 0, 0, 0, 0, 1], &v4()])));
    check(
        "GTP-U with an extension",
        1,
        udp(2152, &join(&[&[0x34, 255, 0, 0, 0, 0, 0, 1], &[0, 0, 0, 0x85], &[1, 0, 0, 0], &v6()])),
    );
}

#[test]
fn ipv6_extension_headers() {
    let options = [6, 0, 1, 4, 0, 0, 0, 0];
    check("hop by hop", 101, v6_with(0, &join(&[&options, &segment()])));
    check("routing, then destination", 101, v6_with(43, &join(&[&[60, 0, 0, 0, 0, 0, 0, 0], &options, &segment()])));
    check("authentication", 101, v6_with(51, &join(&[&[6, 4], &[0; 22], &segment()])));
    check("atomic fragment", 101, v6_with(44, &join(&[&[6, 0, 0, 0, 0, 0, 0, 9], &segment()])));
}

#[test]
fn fragments_are_put_together_in_any_order() {
    let whole = segment();
    let (head, tail) = whole.split_at(24);
    let first = ethernet(0x0800, &ipv4(CLIENT.address, SERVER.address, 6, 5, 0x2000, head));
    let last = ethernet(0x0800, &ipv4(CLIENT.address, SERVER.address, 6, 5, 3, tail));
    let other = ethernet(0x0800, &ipv4(CLIENT.address, SERVER.address, 6, 6, 3, tail));
    let (found, dropped) = decode(&[(1, last), (1, other), (1, first)]);
    assert_eq!((found.len(), &found[0].2[..]), (1, PAYLOAD));
    assert_eq!(dropped, [("IP fragment without the rest of its packet".to_owned(), 1)]);

    let v6_first = v6_with(44, &join(&[&[6, 0, 0, 1, 0, 0, 0, 9], head]));
    let v6_last = v6_with(44, &join(&[&[6, 0, 0, 24, 0, 0, 0, 9], tail]));
    let (found, _) = decode(&[(101, v6_first), (101, v6_last)]);
    assert_eq!((found.len(), &found[0].2[..]), (1, PAYLOAD));
}

#[test]
fn what_the_snap_length_cut_off_is_counted() {
    let bytes = frame(CLIENT, SERVER, 1000, 2000, ACK, PAYLOAD);
    for captured in 14 + 20 + 14..bytes.len() {
        let (found, _) = decode_with_length(&[(1, bytes[..captured].to_vec(), bytes.len())]);
        let kept = captured.saturating_sub(14 + 20 + 20);
        assert_eq!((found[0].2.len(), found[0].3), (kept, PAYLOAD.len() - kept), "captured {captured}");
    }
    let (found, dropped) = decode_with_length(&[(1, bytes[..14 + 20 + 13].to_vec(), bytes.len())]);
    assert_eq!((found.len(), dropped), (0, vec![("TCP header cut short".to_owned(), 1)]));
}

#[test]
fn an_ip_length_of_zero_means_to_the_end() {
    let mut bytes = ethernet(0x0800, &v4());
    bytes[16..18].fill(0);
    check("segmentation offload", 1, bytes);
    let mut bytes = v6();
    bytes[4..6].fill(0);
    check("jumbogram", 101, bytes);
}

#[test]
fn what_is_not_read_is_named() {
    for (link, bytes, reason) in [
        (147, v4(), "link type 147"),
        (-1, v4(), "unknown interface"),
        (1, ethernet(0x0806, &[0; 28]), "ARP"),
        (1, ethernet(0x88cc, &[0; 28]), "EtherType 35020"),
        (1, udp(53, &[0; 20]), "UDP"),
        (1, outer(1, &[0; 20]), "ICMP"),
        (1, outer(89, &[0; 20]), "IP protocol 89"),
        (1, vec![0; 5], "Ethernet header cut short"),
        (101, vec![0x70; 40], "IP version 7"),
        (101, vec![0x42; 40], "IPv4 header malformed"),
        (0, vec![9, 0, 0, 0, 0], "address family 9"),
        (105, vec![0x08, 0x41, 0, 0], "802.11 encrypted"),
    ] {
        assert_eq!(decode(&[(link, bytes)]).1, [(reason.to_owned(), 1)]);
    }
}

#[test]
fn nesting_is_bounded() {
    let mut bytes = v4();
    for _ in 0..60 {
        bytes = ipv4([10, 0, 0, 1], [10, 0, 0, 2], 4, 1, 0, &bytes);
    }
    assert_eq!(decode(&[(101, bytes)]).1, [("too many layers".to_owned(), 1)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Garbage of any link type, and good packets with damage: no panic.
    #[test]
    fn garbage_does_no_harm(
        link in prop::sample::select(vec![0, 1, 9, 12, 14, 50, 51, 101, 104, 105, 108, 113, 117, 127, 192, 228, 229, 239, 276]),
        garbage in prop::collection::vec(any::<u8>(), 0..120),
        good in 0_usize..4,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        original in 0_usize..2000,
    ) {
        let mut decoder = Decoder::default();
        let mut damaged = [ethernet(0x0800, &v4()), ethernet(0x86dd, &v6_with(44, &segment())), udp(2152, &v4()), outer(47, &v4())][good].clone();
        for (index, value) in damage {
            let at = index.index(damaged.len());
            damaged[at] = value;
        }
        for (link, bytes) in [(link, &garbage), (1, &damaged)] {
            let packet = Packet { number: 1, at_unix_ns: 0, link, bytes, original_bytes: original.max(bytes.len()) };
            decoder.packet(&packet, |segment| assert!(segment.payload.len() <= bytes.len()));
        }
        let decoded = decoder.finish();
        prop_assert_eq!(decoded.packets + decoded.dropped().values().sum::<u64>(), 2, "each is decoded or counted as dropped");
    }

    /// Whatever tunnels lie in one another, the segment inside is found; cut short, the packet is dropped or lacks payload.
    #[test]
    fn tunnels_in_tunnels(wraps in prop::collection::vec(prop::sample::select(WRAPS), 0..5), cut in any::<prop::sample::Index>()) {
        let bytes = wraps.iter().fold(ethernet(0x0800, &v4()), |frame, wrap| wrap(&frame));
        let (found, dropped) = decode(&[(1, bytes.clone())]);
        prop_assert_eq!(found.first().map(|(.., payload, _)| &payload[..]), Some(PAYLOAD), "{:?}", dropped);
        let end = cut.index(bytes.len());
        let (found, dropped) = decode_with_length(&[(1, bytes[..end].to_vec(), bytes.len())]);
        prop_assert!(dropped.len() == 1 || found[0].2.len() + found[0].3 == PAYLOAD.len());
    }
}
