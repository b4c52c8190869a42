//! What crafted traffic asks for, and does not get: whatever lengths it declares and however long it goes on, what is held stays below named
//! limits, and reaching one is counted.

mod support;

use capture::dissect::{Connection, Emit, Options, PROTOCOLS, Upgrade};
use support::peak_kib;
use trace::limits::BODY_BYTES_MAX;
use trace::{Exchange, Flag, Header, Kind, Names, TraceNs};
use wire::Side::{self, Client, Server};
use wire::hpack::{Encoder, Field};
use wire::http2::{FRAME_BYTES_DEFAULT, PREFACE, push_data, push_headers, push_settings};
use wire::{grpc, mysql, postgres};

/// More than is kept of any body, and than any side may hold.
const FLOOD_BYTES: usize = 20 << 20;
const PART_BYTES: usize = 16 << 10;

/// How a connection begins, where that is not with a request: with a login, or nothing but a request that changed the protocol.
fn login(protocol: &str) -> Vec<(Side, Vec<u8>)> {
    let mut out = Vec::new();
    match protocol {
        "postgres" => {
            postgres::push_startup([("user", "me")], &mut out);
            vec![(Client, out), (Server, b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I".to_vec())]
        }
        "mysql" => {
            let hello =
                [&b"\x0a8\0\x07\0\0\0saltsalt\0\xff\xff\x21\x02\0\xff\xdf\x15"[..], &[0; 10], b"saltsaltsalt\0native\0"].concat();
            let capabilities = mysql::capability::SECURE_CONNECTION as u32 | mysql::capability::PLUGIN_AUTH as u32 | 1;
            let answer = [&capabilities.to_le_bytes()[..], &[0; 28], b"me\0\x05proofnative\0"].concat();
            let packet = |number, content: &[u8]| [&[content.len() as u8, 0, 0, number], content].concat();
            vec![(Server, packet(0, &hello)), (Client, packet(1, &answer)), (Server, packet(2, b"\0\0\0\x02\0\0\0"))]
        }
        _ => vec![],
    }
}

/// WebSocket begins behind its handshake, SQL behind its login.
fn play(protocol: &str, parts: impl Iterator<Item = (Side, Vec<u8>)>) -> Emit {
    let protocol = PROTOCOLS.iter().find(|known| known.name == protocol).expect("it is known");
    let address = "127.0.0.1:80".parse().expect("an address");
    let mut about = Connection::new(0, address, address, true, &mut Names::default());
    if protocol.name == "websocket" {
        let exchange = about.row(Kind::Request, TraceNs(0));
        let deflate = Header { name: "sec-websocket-extensions".into(), value: b"permessage-deflate"[..].into() };
        about.upgrade = Some(Box::new(Upgrade { exchange, answer_headers: vec![deflate] }));
    }
    let (mut dissector, mut out) = ((protocol.open)(&about, &Options::default()), Emit::default());
    for (at, (side, part)) in login(protocol.name).into_iter().chain(parts).enumerate() {
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
    let of_kind = out.exchanges.iter().filter(|row| row.kind == kind);
    let row: &Exchange = of_kind.max_by_key(|row| row.request_bytes).expect("a row");
    assert_eq!(row.request.as_ref().map(bytes::Bytes::len), Some(BODY_BYTES_MAX));
    assert!(row.flags.has(Flag::Truncated) && row.request_bytes > FLOOD_BYTES as u64);
    assert!(peak_kib().is_none_or(|kib| kib < 192 << 10), "{:?} KiB", peak_kib());
}

#[test]
fn a_content_length_of_4_gib() {
    let first = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 4294967295\r\n\r\n";
    check_kept(&play("http", flood(Client, first, vec![7; PART_BYTES])), Kind::Request);
}

#[test]
fn a_chunk_of_4_gib() {
    let first = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n";
    check_kept(&play("http", flood(Client, first, vec![7; PART_BYTES])), Kind::Request);
}

#[test]
fn a_grpc_message_of_4_gib() {
    let mut first = PREFACE.to_vec();
    push_settings(&[], &mut first);
    headers(1, &[(":method", "POST"), (":path", "/a.B/C"), ("content-type", "application/grpc")], &mut first);
    push_data(1, &grpc::prefix(u32::MAX, false), false, FRAME_BYTES_DEFAULT, &mut first);
    let mut part = Vec::new();
    push_data(1, &[7; PART_BYTES], false, FRAME_BYTES_DEFAULT, &mut part);
    check_kept(&play("http2", flood(Client, &first, part)), Kind::Request);
}

#[test]
fn a_websocket_message_of_4_gib() {
    let first = b"\x82\xff\0\0\0\0\xff\xff\xff\xff\0\0\0\0";
    check_kept(&play("websocket", flood(Client, first, vec![7; PART_BYTES])), Kind::Message);
}

/// The longest message that a length can declare: 1 GiB of PostgreSQL, 512 MiB of Redis, 100 MiB of Kafka, 48 MB of MongoDB.
#[test]
fn the_longest_messages_that_may_be() {
    // A document, which begins with the name of a collection; the rest is one value.
    let head = b"\0\x6c\xdc\x02\0\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0\0";
    let insert = [&head[..], b"\xc0\x29\xcd\x02\x02insert\0\x02\0\0\0a\0\x05x\0\x80\xe6\xbd\x02\0"].concat();
    for (protocol, first) in [
        ("postgres", &b"Q\x3f\xff\xff\xff"[..]),
        ("redis", b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$536870912\r\n"),
        ("kafka", b"\x06\x40\0\0\0\x03\0\x01\0\0\0\x07\xff\xff"),
        ("mongodb", &insert),
    ] {
        check_kept(&play(protocol, flood(Client, first, vec![0; PART_BYTES])), Kind::Request);
    }
}

/// Packets of MySQL are no longer than 16 MiB, but a message may be as many of them as it likes.
#[test]
fn a_mysql_message_without_end() {
    let packet = |number| [&b"\xff\xff\xff"[..], &[number], &[b'\x03'][..], &vec![b' '; 0xff_fffe]].concat();
    let parts = [packet(0), packet(1)].into_iter().map(|part| (Client, part));
    check_kept(&play("mysql", parts), Kind::Request);
}

/// Lengths that a protocol does not allow are counted, not believed: what follows is looked through for a message.
#[test]
fn lengths_of_4_gib_that_may_not_be() {
    const BYTES: usize = 4 << 20;
    let before = peak_kib();
    let preface = [&PREFACE[..], b"\xff\xff\xff\0\0\0\0\0\x01"].concat();
    for (protocol, side, first, issue) in [
        ("http2", Client, &preface[..], "http2-malformed-frame"),
        ("redis", Client, b"*2\r\n$3\r\nGET\r\n$4294967295\r\n", "redis-request-malformed"),
        ("redis", Client, b"*4294967295\r\n", "redis-request-malformed"),
        ("redis", Server, b"*4294967295\r\n", "redis-response-malformed"),
        ("kafka", Client, b"\xff\xff\xff\xff\0\x03\0\x01", "kafka-request-malformed"),
        ("kafka", Server, b"\xff\xff\xff\xff\0\x03\0\x01", "kafka-response-malformed"),
        ("mongodb", Client, b"\xff\xff\xff\xff\0\0\0\0\0\0\0\0\xdd\x07\0\0", "mongodb-request-malformed"),
        ("mongodb", Server, b"\xff\xff\xff\xff\0\0\0\0\0\0\0\0\xdd\x07\0\0", "mongodb-response-malformed"),
        ("postgres", Client, b"Q\xff\xff\xff\xff", "postgres-malformed-message"),
        ("postgres", Server, b"D\xff\xff\xff\xff", "postgres-malformed-message"),
    ] {
        let out = play(protocol, flood(side, first, vec![7; PART_BYTES]).take(1 + BYTES / PART_BYTES));
        assert_eq!(out.issues.count(issue), 1, "{protocol}, {side:?}: {:?}", out.issues);
        assert!(out.undecoded_bytes > BYTES as u64 / 2, "{protocol}, {side:?}: {}", out.undecoded_bytes);
    }
    let grown = peak_kib().zip(before).map(|(after, before)| after - before);
    assert!(grown.is_none_or(|kib| kib < BYTES as u64 >> 10), "{grown:?} KiB more");
}

/// Requests that nobody answers: as many wait as the limit says, and each that is given up for another is counted.
#[test]
fn requests_without_answers_are_bounded_and_counted() {
    let ping = b"\x01\0\0\0\x0e";
    for (protocol, request, limit, issue) in [
        ("http", &b"GET / HTTP/1.1\r\n\r\n"[..], 4095, "http-outstanding-limit"),
        ("postgres", b"Q\0\0\0\x0dselect 1\0", 1 << 15, "postgres-outstanding-limit"),
        ("mysql", ping, 4096, "mysql-outstanding-limit"),
    ] {
        let out = play(protocol, std::iter::repeat_n((Client, request.to_vec()), limit + 10));
        let requests = out.exchanges.iter().filter(|row| !row.flags.has(Flag::Setup)).count();
        assert_eq!((requests, out.issues.count(issue)), (limit + 10, 10), "{protocol}");
    }
}

/// One request may wait for as many answers as it likes: Describe is answered, and begins no request.
#[test]
fn answers_that_one_request_waits_for_are_bounded() {
    const OUTSTANDING_MAX: usize = 1 << 16;
    let describes = std::iter::repeat_n((Client, b"D\0\0\0\x06S\0".to_vec()), OUTSTANDING_MAX);
    let first = [(Client, b"Q\0\0\0\x0dselect 1\0".to_vec()), (Client, b"P\0\0\0\x0as\0a\0\0\0".to_vec())];
    let out = play("postgres", first.into_iter().chain(describes));
    assert_eq!(out.issues.count("postgres-outstanding-limit"), 2, "the query before it, and this one: {:?}", out.issues);
}

/// What a client says behind a CONNECT waits for the answer.
#[test]
fn bytes_that_wait_are_bounded_and_counted() {
    let parts = flood(Client, b"CONNECT a:1 HTTP/1.1\r\n\r\n", vec![7; PART_BYTES]).take((2 << 20) / PART_BYTES);
    let out = play("http", parts);
    assert_eq!(out.issues.count("http-held-bytes-limit"), 1, "{:?}", out.issues);
    assert!(out.undecoded_bytes > 1 << 20);
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
    let out = play("http", flood(Client, b"GET / HTTP/1.1\r\nX-A: ", vec![b'a'; PART_BYTES]));
    assert_eq!((out.exchanges.len(), out.issues.is_empty()), (0, false), "{:?}", out.issues);
    let out = play("http", flood(Server, b"HTTP/1.1 200 OK\r\nX-A: ", vec![b'a'; PART_BYTES]));
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
    let out = play("http2", flood(Client, &first, part));
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
    let out = play("http2", [(Client, first), (Client, bytes)].into_iter());
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
    let out = play("http", (0..20).flat_map(|_| [(Client, ask.clone()), (Server, answer.clone())]));
    assert_eq!(out.exchanges.len(), 20);
    assert!(out.exchanges.iter().all(|row| row.answer_ids.is_none() && row.answer_hash.is_some() && row.ok == Some(true)));
    let grown = peak_kib().zip(before).map(|(after, before)| after - before);
    assert!(grown.is_none_or(|kib| kib < 64 << 10), "{grown:?} KiB more");
}
