//! What crafted traffic asks for, and does not get: whatever lengths it declares and however long it goes on, what is held stays below named
//! limits, and reaching one is counted.

use capture::dissect::{Connection, Emit, Options, PROTOCOLS, Upgrade};
use trace::limits::BODY_BYTES_MAX;
use trace::{Exchange, Flag, Header, Kind, Names, TraceNs};
use wire::Side::{self, Client, Server};
use wire::grpc;
use wire::hpack::{Encoder, Field};
use wire::http2::{FRAME_BYTES_DEFAULT, PREFACE, push_data, push_headers, push_settings};

/// More than is kept of any body, and than any side may hold.
const FLOOD_BYTES: usize = 20 << 20;
const PART_BYTES: usize = 16 << 10;

/// Peak memory of this process, in KiB, where Linux tells it.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok())
}

fn play(protocol: &str, upgraded: bool, parts: impl Iterator<Item = (Side, Vec<u8>)>) -> Emit {
    let protocol = PROTOCOLS.iter().find(|known| known.name == protocol).expect("it is known");
    let address = "127.0.0.1:80".parse().expect("an address");
    let mut about = Connection::new(0, address, address, true, &mut Names::default());
    if upgraded {
        let exchange = about.row(Kind::Request, TraceNs(0));
        let deflate = Header { name: "sec-websocket-extensions".into(), value: b"permessage-deflate"[..].into() };
        about.upgrade = Some(Box::new(Upgrade { exchange, answer_headers: vec![deflate] }));
    }
    let (mut dissector, mut out) = ((protocol.open)(&about, &Options::default()), Emit::default());
    for (at, (side, part)) in parts.enumerate() {
        dissector.bytes(side, TraceNs(at as i64), &part, &mut out);
    }
    dissector.finish(TraceNs(i64::MAX / 2), &mut out);
    out
}

/// `first`, and `part` again and again until there are [`FLOOD_BYTES`] of it.
fn flood(side: Side, first: &[u8], part: Vec<u8>) -> impl Iterator<Item = (Side, Vec<u8>)> {
    let parts = FLOOD_BYTES.div_ceil(part.len());
    std::iter::once((side, first.to_vec())).chain(std::iter::repeat_n((side, part), parts))
}

fn headers(stream: u32, fields: &[(&str, &str)], out: &mut Vec<u8>) {
    let mut block = Vec::new();
    Encoder::default().encode(fields.iter().map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes())), &mut block);
    push_headers(stream, &block, false, FRAME_BYTES_DEFAULT, out);
}

/// The one request is kept up to the limit of bodies, and flagged; its size is what was sent of it.
#[track_caller]
fn check_kept(out: &Emit, kind: Kind) {
    let row: &Exchange = out.exchanges.iter().find(|row| row.kind == kind).expect("a row");
    assert_eq!(row.request.as_ref().map(bytes::Bytes::len), Some(BODY_BYTES_MAX));
    assert!(row.flags.has(Flag::Truncated) && row.request_bytes > FLOOD_BYTES as u64);
    assert!(peak_kib().is_none_or(|kib| kib < 192 << 10), "{:?} KiB", peak_kib());
}

#[test]
fn a_content_length_of_4_gib() {
    let first = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 4294967295\r\n\r\n";
    check_kept(&play("http", false, flood(Client, first, vec![7; PART_BYTES])), Kind::Request);
}

#[test]
fn a_chunk_of_4_gib() {
    let first = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n";
    check_kept(&play("http", false, flood(Client, first, vec![7; PART_BYTES])), Kind::Request);
}

#[test]
fn a_grpc_message_of_4_gib() {
    let mut first = PREFACE.to_vec();
    push_settings(&[], &mut first);
    headers(1, &[(":method", "POST"), (":path", "/a.B/C"), ("content-type", "application/grpc")], &mut first);
    push_data(1, &grpc::prefix(u32::MAX, false), false, FRAME_BYTES_DEFAULT, &mut first);
    let mut part = Vec::new();
    push_data(1, &[7; PART_BYTES], false, FRAME_BYTES_DEFAULT, &mut part);
    check_kept(&play("http2", false, flood(Client, &first, part)), Kind::Request);
}

#[test]
fn a_websocket_message_of_4_gib() {
    let first = b"\x82\xff\0\0\0\0\xff\xff\xff\xff\0\0\0\0";
    check_kept(&play("websocket", true, flood(Client, first, vec![7; PART_BYTES])), Kind::Message);
}

/// Less than half of the flood was ever held beyond what was `before`. Each test runs in a process of its own.
#[track_caller]
fn check_growth(before: Option<u64>) {
    let grown = peak_kib().zip(before).map(|(after, before)| after - before);
    assert!(grown.is_none_or(|kib| kib < (FLOOD_BYTES as u64 / 2) >> 10), "{grown:?} KiB more");
}

/// A header that never ends is held up to a limit; what comes after is passed over.
#[test]
fn headers_without_end() {
    let before = peak_kib();
    let out = play("http", false, flood(Client, b"GET / HTTP/1.1\r\nX-A: ", vec![b'a'; PART_BYTES]));
    assert_eq!((out.exchanges.len(), out.issues.is_empty()), (0, false), "{:?}", out.issues);
    let out = play("http", false, flood(Server, b"HTTP/1.1 200 OK\r\nX-A: ", vec![b'a'; PART_BYTES]));
    assert!(out.exchanges.is_empty() && !out.issues.is_empty());
    check_growth(before);
}

/// Continuations without end: the frames are counted as part of one header block beyond its limit.
#[test]
fn header_blocks_without_end() {
    let mut first = PREFACE.to_vec();
    push_settings(&[], &mut first);
    // HEADERS without END_HEADERS, then CONTINUATION frames without it (RFC 9113 §6.10).
    first.extend(b"\0\0\x01\x01\x00\0\0\0\x01\x82");
    let mut part = b"\0\x40\0\x09\x00\0\0\0\x01".to_vec();
    part.extend([0x40; PART_BYTES]);
    let before = peak_kib();
    let out = play("http2", false, flood(Client, &first, part));
    assert!(out.exchanges.len() <= 1);
    check_growth(before);
}

/// A table of 4 KiB, named again and again: 16 KiB of header block stand for 64 MiB of fields, of which a list's worth is kept.
#[test]
fn header_bombs() {
    let value = "v".repeat(4000);
    let mut block = Vec::new();
    Encoder::default().encode([Field::new(b"x-bomb", value.as_bytes())], &mut block);
    block.extend([0x80 | 62; 12 << 10]);
    let mut first = PREFACE.to_vec();
    push_settings(&[], &mut first);
    let mut bytes = Vec::new();
    for stream in 0..50 {
        push_headers(2 * stream + 1, &block, true, FRAME_BYTES_DEFAULT, &mut bytes);
    }
    let out = play("http2", false, [(Client, first), (Client, bytes)].into_iter());
    assert_eq!(out.issues.count("http2-header-list-limit"), 50);
    assert!(peak_kib().is_none_or(|kib| kib < 192 << 10), "{:?} KiB", peak_kib());
}

/// Answers that unpack to more than is read: 64 KiB that would be 64 MiB, of gzip.
#[test]
fn packed_bombs() {
    use std::io::Write;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&vec![0; 64 << 20]).expect("memory");
    let packed = packed.finish().expect("memory");
    let ask = b"POST /collections/a/points/search HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}".to_vec();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", packed.len());
    let answer = [head.as_bytes(), &packed].concat();
    let before = peak_kib();
    let out = play("http", false, (0..20).flat_map(|_| [(Client, ask.clone()), (Server, answer.clone())]));
    assert_eq!(out.exchanges.len(), 20);
    assert!(out.exchanges.iter().all(|row| row.answer_ids.is_none() && row.answer_hash.is_some() && row.ok == Some(true)));
    let grown = peak_kib().zip(before).map(|(after, before)| after - before);
    assert!(grown.is_none_or(|kib| kib < 64 << 10), "{grown:?} KiB more");
}
