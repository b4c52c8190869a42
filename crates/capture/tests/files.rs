//! Capture files of every kind, as this project writes them: formats, clocks, byte orders, compression, damage.

#[path = "support/frames.rs"]
mod frames;

use std::io::{Cursor, Read, Write};

use capture::Error;
use capture::pcap::{CaptureReader, LINK_UNKNOWN, Packet};
use frames::{PLAIN, Style, block, enhanced_packet, interface, pcap, section};
use proptest::prelude::*;
use trace::{Issues, Source};

/// A packet that outlives its reader: time, link type, bytes, original length.
type Owned = (i64, i32, Vec<u8>, usize);

fn owned(packet: &Packet<'_>) -> Owned {
    (packet.at_unix_ns, packet.link, packet.bytes.to_vec(), packet.original_bytes)
}

fn read(input: impl Read + Send + 'static) -> Result<(Vec<Owned>, Source, Issues), Error> {
    let mut reader = CaptureReader::new("test", Box::new(input))?;
    let mut packets = Vec::new();
    while reader.advance()? {
        packets.push(owned(&reader.packet()));
        assert_eq!(reader.packet().number, packets.len() as u64);
    }
    let (source, issues) = reader.finish()?;
    Ok((packets, source, issues))
}

fn read_bytes(bytes: &[u8]) -> (Vec<Owned>, Source, Issues) {
    read(Cursor::new(bytes.to_vec())).expect("it is a capture")
}

const PACKETS: [(u64, &[u8]); 3] =
    [(1_500_000_000_000_001_000, b"one"), (1_500_000_000_000_002_000, b"second"), (1_500_000_000_999_999_000, b"")];

fn expected(link: i32) -> Vec<Owned> {
    PACKETS.iter().map(|(at, bytes)| (*at as i64, link, bytes.to_vec(), bytes.len())).collect()
}

#[test]
fn pcap_in_every_byte_order_and_precision() {
    for big_endian in [false, true] {
        for nanoseconds in [false, true] {
            for modified in [false, true] {
                let file = pcap(Style { big_endian, nanoseconds, modified, link: 113 }, &PACKETS);
                let (packets, source, issues) = read_bytes(&file);
                assert_eq!(packets, expected(113), "{big_endian} {nanoseconds} {modified}");
                assert_eq!(source.bytes, file.len() as u64);
                assert!(issues.is_empty());
            }
        }
    }
}

#[test]
fn the_length_of_a_frame_check_sequence_in_the_link_type_is_ignored() {
    let (packets, ..) = read_bytes(&pcap(Style { link: 0x5400_0001, ..PLAIN }, &PACKETS));
    assert_eq!(packets, expected(1));
}

#[test]
fn gzip_and_zstd_are_taken_off_and_the_hash_is_of_the_file() {
    let plain = pcap(PLAIN, &PACKETS);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).expect("in memory");
    let files = [plain.clone(), gzip.finish().expect("in memory"), zstd::encode_all(&plain[..], 1).expect("in memory")];
    for file in files {
        let (packets, source, issues) = read_bytes(&file);
        assert_eq!(packets, expected(1));
        assert_eq!(source.bytes, file.len() as u64);
        assert_eq!(source.hash, format!("{:032x}", xxhash_rust::xxh3::xxh3_128(&file)));
        assert!(issues.is_empty());
    }
}

#[test]
fn gzip_members_one_after_another_are_one_file() {
    let plain = pcap(PLAIN, &PACKETS);
    let mut file = Vec::new();
    for part in [&plain[..50], &plain[50..]] {
        let mut gzip = flate2::write::GzEncoder::new(&mut file, flate2::Compression::fast());
        gzip.write_all(part).expect("in memory");
        gzip.finish().expect("in memory");
    }
    assert_eq!(read_bytes(&file).0, expected(1));
}

#[test]
fn what_was_decompressed_before_damage_is_kept() {
    let many: Vec<(u64, Vec<u8>)> =
        (0..20_000).map(|n: u64| (n, n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes().to_vec())).collect();
    let plain = pcap(PLAIN, &many);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).expect("in memory");
    for file in [gzip.finish().expect("in memory"), zstd::encode_all(&plain[..], 1).expect("in memory")] {
        let cut = &file[..file.len() * 2 / 3];
        let (packets, source, issues) = read_bytes(cut);
        assert!(!packets.is_empty() && packets.len() < many.len());
        assert_eq!(issues.count("capture-compression-damaged"), 1);
        assert_eq!(source.bytes, cut.len() as u64);
    }
}

#[test]
fn snap_length_leaves_the_original_length() {
    let mut file = pcap(PLAIN, &[(0, b"head")]);
    file[24 + 12..24 + 16].copy_from_slice(&1500_u32.to_le_bytes());
    assert_eq!(read_bytes(&file).0, [(0, 1, b"head".to_vec(), 1500)]);
}

#[test]
fn old_versions_have_the_lengths_the_other_way_round() {
    let mut file = pcap(PLAIN, &[(0, b"head")]);
    for (minor, first, second) in [(4_u16, 4_u32, 1500_u32), (3, 4, 1500), (3, 1500, 4), (2, 1500, 4)] {
        file[6..8].copy_from_slice(&minor.to_le_bytes());
        file[24 + 8..24 + 12].copy_from_slice(&first.to_le_bytes());
        file[24 + 12..24 + 16].copy_from_slice(&second.to_le_bytes());
        assert_eq!(read_bytes(&file).0, [(0, 1, b"head".to_vec(), 1500)], "version 2.{minor}");
    }
}

#[test]
fn pcapng_with_several_sections_interfaces_and_clocks() {
    for big_endian in [false, true] {
        let style = Style { big_endian, ..PLAIN };
        let other = Style { big_endian: !big_endian, ..PLAIN };
        let seconds = if big_endian { 10_i64.to_be_bytes() } else { 10_i64.to_le_bytes() };
        let file = [
            section(style),
            interface(style, 1, 0, &[]),
            interface(style, 113, 0, &[(9, &[9])]),
            interface(style, 101, 0, &[(9, &[0x80 | 20])]),
            interface(style, 1, 0, &[(14, &seconds)]),
            interface(style, 1, 0, &[(9, &[12])]),
            enhanced_packet(style, 0, 1_000_001, b"us", 2),
            block(style, 0x0bad, b"unknown block"),
            enhanced_packet(style, 1, 1_000_000_001, b"ns", 2),
            enhanced_packet(style, 2, 3 << 19, b"binary", 6),
            enhanced_packet(style, 3, 0, b"offset", 6),
            enhanced_packet(style, 4, 7_000, b"ps", 2),
            section(other),
            interface(other, 276, 0, &[]),
            enhanced_packet(other, 0, 5, b"next section", 4000),
            enhanced_packet(other, 1, 5, b"lost", 4),
        ]
        .concat();
        let (packets, _, issues) = read_bytes(&file);
        let packet = |at, link, bytes: &[u8]| (at, link, bytes.to_vec(), bytes.len());
        let expected = [
            packet(1_000_001_000, 1, b"us"),
            packet(1_000_000_001, 113, b"ns"),
            packet(1_500_000_000, 101, b"binary"),
            packet(10_000_000_000, 1, b"offset"),
            packet(7, 1, b"ps"),
            (5_000, 276, b"next section".to_vec(), 4000),
            packet(5_000, LINK_UNKNOWN, b"lost"),
        ];
        assert_eq!(packets, expected);
        assert_eq!(issues.count("capture-interface-unknown"), 1);
    }
}

#[test]
fn simple_and_obsolete_packet_blocks() {
    let style = PLAIN;
    let simple = |original: u32, bytes: &[u8]| block(style, 3, &[&original.to_le_bytes()[..], bytes].concat());
    let mut obsolete = vec![0, 0, 0, 0];
    for word in [0_u32, 9, 5, 6] {
        obsolete.extend(word.to_le_bytes());
    }
    obsolete.extend(b"short");
    let file =
        [section(style), interface(style, 1, 4, &[]), block(style, 2, &obsolete), simple(3, b"abc"), simple(9, b"abcd")].concat();
    let (packets, _, issues) = read_bytes(&file);
    assert_eq!(packets, [(9000, 1, b"short".to_vec(), 6), (9000, 1, b"abc".to_vec(), 3), (9000, 1, b"abcd".to_vec(), 9)]);
    assert_eq!(issues.count("capture-packet-without-time"), 2);
}

#[test]
fn a_clock_out_of_all_bounds_is_kept_within_them() {
    let style = PLAIN;
    let past = (-1_i64).to_le_bytes();
    let file = [
        section(style),
        interface(style, 1, 0, &[(9, &[0])]),
        interface(style, 1, 0, &[(14, &past)]),
        interface(style, 1, 0, &[(9, &[127])]),
        interface(style, 1, 0, &[(9, &[255])]),
        enhanced_packet(style, 0, u64::MAX, b"", 0),
        enhanced_packet(style, 1, 0, b"", 0),
        enhanced_packet(style, 2, u64::MAX, b"", 0),
        enhanced_packet(style, 3, u64::MAX, b"", 0),
    ]
    .concat();
    let times: Vec<i64> = read_bytes(&file).0.iter().map(|packet| packet.0).collect();
    assert_eq!(times, [i64::MAX / 2, 0, 0, 0]);
}

/// Every prefix: whole packets are kept, and a cut inside one is an issue.
#[test]
fn every_prefix_keeps_the_whole_packets_before_it() {
    let bytes: &[u8] = b"12345";
    let pcap_file = pcap(PLAIN, &PACKETS);
    let ng_file = [
        section(PLAIN),
        interface(PLAIN, 1, 0, &[]),
        enhanced_packet(PLAIN, 0, 1, bytes, 5),
        enhanced_packet(PLAIN, 0, 2, bytes, 5),
    ]
    .concat();
    let pcap_ends = [24 + 16 + 3, 24 + 32 + 9, 24 + 48 + 9];
    let head = section(PLAIN).len() + interface(PLAIN, 1, 0, &[]).len();
    let ng_ends = [head + 40, head + 80];
    for (file, ends, clean) in [(pcap_file, &pcap_ends[..], vec![24]), (ng_file, &ng_ends[..], vec![section(PLAIN).len(), head])]
    {
        for cut in 24..=file.len() {
            let (packets, _, issues) = read_bytes(&file[..cut]);
            assert_eq!(packets.len(), ends.iter().filter(|end| **end <= cut).count(), "cut at {cut}");
            let at_a_boundary = ends.contains(&cut) || clean.contains(&cut);
            assert_eq!(issues.count("capture-cut-short"), u64::from(!at_a_boundary), "cut at {cut}");
        }
        for cut in 0..24 {
            let refused = matches!(read(Cursor::new(file[..cut].to_vec())), Err(Error::NotCapture { .. }));
            assert!(refused || file[..4] == [0x0a, 0x0d, 0x0d, 0x0a], "cut at {cut}");
        }
    }
}

#[test]
fn damaged_lengths_end_the_file_and_say_where() {
    let mut file = pcap(PLAIN, &PACKETS);
    file[24 + 16 + 3 + 8..24 + 16 + 3 + 12].copy_from_slice(&0x00ff_0000_u32.to_le_bytes());
    let (packets, _, issues) = read_bytes(&file);
    assert_eq!(packets.len(), 1);
    let issue = &issues.list()[0];
    assert_eq!(issue.kind, "capture-record-damaged");
    assert!(issue.first.contains("after packet 1, at byte 43"), "{}", issue.first);

    let mut file = [section(PLAIN), interface(PLAIN, 1, 0, &[]), block(PLAIN, 6, b"")].concat();
    let last = file.len() - 8;
    file[last..last + 4].copy_from_slice(&3_u32.to_le_bytes());
    assert_eq!(read_bytes(&file).2.count("capture-block-damaged"), 1);
}

#[test]
fn an_unreadable_block_is_skipped() {
    let damaged = block(PLAIN, 6, &[0xff; 20]);
    let file = [section(PLAIN), interface(PLAIN, 1, 0, &[]), damaged, enhanced_packet(PLAIN, 0, 1, b"good", 4)].concat();
    let (packets, _, issues) = read_bytes(&file);
    assert_eq!((packets.len(), issues.count("capture-block-unreadable")), (1, 1));
}

#[test]
fn what_is_no_capture_is_refused_in_one_sentence() {
    for (bytes, says) in [
        (&b""[..], "found an empty file"),
        (b"GET / HTTP/1.1\r\nHost: example.test\r\n\r\n", "it begins with the bytes 47 45 54 20"),
        (b"\x1f\x8b\x08\x00garbage that is not deflate at all", "damaged compression"),
        (b"\x28\xb5\x2f\xfdgarbage that is not zstd, long enough", "damaged compression"),
    ] {
        let error = read(Cursor::new(bytes.to_vec())).expect_err("it is no capture").to_string();
        assert!(error.contains(says) && error.starts_with("test is not a capture file"), "{error}");
        assert_eq!(error.lines().count(), 1);
    }
    let missing = CaptureReader::open(std::path::Path::new("no-such-file.pcap")).err().expect("there is none").to_string();
    assert!(missing.starts_with("cannot open no-such-file.pcap: "), "{missing}");
}

/// Gives one byte at a time, as a slow pipe would.
struct Drip(Cursor<Vec<u8>>);

impl Read for Drip {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let length = out.len().min(1);
        self.0.read(&mut out[..length])
    }
}

#[test]
fn a_source_that_comes_byte_by_byte_gives_the_same() {
    let file = pcap(PLAIN, &PACKETS);
    let (packets, source, _) = read(Drip(Cursor::new(file.clone()))).expect("it is a capture");
    assert_eq!(packets, expected(1));
    assert_eq!(source, read_bytes(&file).1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Damage anywhere: no panic, and never more packets than bytes could hold.
    #[test]
    fn damage_does_no_harm(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        ng in any::<bool>(),
        big_endian in any::<bool>(),
    ) {
        let style = Style { big_endian, ..PLAIN };
        let mut file = if ng {
            let packets = (0..8).map(|n| enhanced_packet(style, 0, n, b"some bytes", 10));
            let isb = block(style, 5, &[0; 20]);
            [section(style), interface(style, 1, 0, &[(9, &[6]), (2, b"eth0")]), isb].into_iter().chain(packets).collect::<Vec<_>>().concat()
        } else {
            pcap(style, &PACKETS)
        };
        for (index, value) in damage {
            let at = index.index(file.len());
            file[at] = value;
        }
        if let Ok((packets, ..)) = read(Cursor::new(file.clone())) {
            prop_assert!(packets.len() <= file.len() / 12);
        }
    }

    /// Anything at all behind a good header.
    #[test]
    fn garbage_does_no_harm(garbage in prop::collection::vec(any::<u8>(), 0..400), ng in any::<bool>()) {
        let head = if ng { section(PLAIN) } else { pcap::<&[u8]>(PLAIN, &[]) };
        let _ = read(Cursor::new([head, garbage].concat()));
    }
}
