//! The account of lost requests, against captures whose losses are known to the byte.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use capture::import::{ImportOptions, import};
use stats::Rng;
use support::frames::{ACK, FIN, Host, PLAIN, SERVER, SYN, frame, pcap};
use support::{exchanges, tape};
use trace::{Exchange, Flag};
use wire::hpack::{Encoder, Field};
use wire::http2::{FRAME_BYTES_DEFAULT, PREFACE, push_data, push_headers, push_settings};

const CONNECTIONS: usize = 100;
/// Requests on each connection.
const PLACES: usize = 100;
/// On each fifth connection, so many requests are sent before the first answer comes.
const PIPELINED: usize = 4;
/// Payload of a full packet.
const SEGMENT_BYTES: usize = 1448;
const START_NS: u64 = 1_600_000_000_000_000_000;
const SEED: u64 = 6;

/// A request and its answer, byte for byte.
type Pair = (Vec<u8>, Vec<u8>);

/// What curl and nginx said in our own capture, as far as it left the connection open.
fn recorded() -> Vec<Pair> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../captures/http1/curl-nginx/capture.pcap");
    let mut streams: BTreeMap<u64, [Vec<u8>; 2]> = BTreeMap::new();
    for event in tape::dissect(fs::read(&path).expect("it is committed"), tape::ANYTHING) {
        let side = usize::from(event.method == "server");
        streams.entry(event.session).or_default()[side].extend_from_slice(event.request.as_deref().unwrap_or_default());
    }
    let mut rows = support::import_all(&[path], &ImportOptions::default()).1;
    rows.sort_by_key(|row| (row.session, row.seq));
    let mut pair = |row: &Exchange| {
        let [client, server] = streams.get_mut(&row.session).expect("it was imported");
        (client.drain(..row.request_bytes as usize).collect(), server.drain(..row.response_bytes as usize).collect())
    };
    let pairs: Vec<Pair> = rows.iter().map(&mut pair).collect();
    let closes = |bytes: &[u8]| bytes.windows(17).any(|window| window.eq_ignore_ascii_case(b"connection: close"));
    pairs.into_iter().filter(|(request, answer)| !closes(request) && !closes(answer)).collect()
}

/// Requests of HTTP/2, each in one packet, and answered in one. No block refers to another: what is behind a hole can be read.
fn recorded_http2() -> Vec<Pair> {
    let frames = |stream: u32, fields: &[(&str, &str)], body: &[u8]| {
        let (mut block, mut out) = (Vec::new(), Vec::new());
        let fields = fields.iter().map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes()));
        Encoder::default().encode(fields, &mut block);
        push_headers(stream, &block, body.is_empty(), FRAME_BYTES_DEFAULT, &mut out);
        if !body.is_empty() {
            push_data(stream, body, true, FRAME_BYTES_DEFAULT, &mut out);
        }
        out
    };
    let pair = |number: usize| {
        let (stream, method) = (2 * (number % PLACES) as u32 + 1, if number.is_multiple_of(3) { "POST" } else { "GET" });
        let text = number.to_string();
        let fields = [(":method", method), (":scheme", "http"), (":path", "/thing"), ("x-number", text.as_str())];
        let body = if method == "POST" { b"a body".as_slice() } else { b"" };
        (frames(stream, &fields, body), frames(stream, &[(":status", "200")], b"an answer"))
    };
    (0..CONNECTIONS * PLACES).map(pair).collect()
}

/// A packet, and of which request it holds the head, or else something.
struct Shot {
    frame: Vec<u8>,
    of: Option<(usize, bool)>,
}

/// One side of a connection under construction.
struct Side {
    host: Host,
    next: u32,
}

/// Cuts bytes into packets; `head_bytes` of them are a request's head.
fn send(shots: &mut Vec<Shot>, from: &mut Side, to: &Side, bytes: &[u8], number: usize, head_bytes: usize) {
    for (index, part) in bytes.chunks(SEGMENT_BYTES).enumerate() {
        let frame = frame(from.host, to.host, from.next, to.next, ACK, part);
        shots.push(Shot { frame, of: Some((number, index * SEGMENT_BYTES < head_bytes)) });
        from.next += part.len() as u32;
    }
}

/// The packets of one connection. Each request bears its number.
fn connection(number: usize, pairs: &[Pair], http2: bool) -> Vec<Shot> {
    let mut client = Side { host: Host { address: [10, 0, 0, 1], port: 20_000 + number as u16 }, next: 1001 };
    let mut server = Side { host: SERVER, next: 9001 };
    let mut shots = Vec::new();
    let control = |shots: &mut Vec<Shot>, from: &Side, to: &Side, seq: u32, flags: u8| {
        let ack = if flags == SYN { 0 } else { to.next };
        shots.push(Shot { frame: frame(from.host, to.host, seq, ack, flags, b""), of: None });
    };
    control(&mut shots, &client, &server, client.next - 1, SYN);
    control(&mut shots, &server, &client, server.next - 1, SYN | ACK);
    control(&mut shots, &client, &server, client.next, ACK);
    if http2 {
        let mut first = PREFACE.to_vec();
        push_settings(&[], &mut first);
        // Nothing is lost of these: without them it is a connection whose beginning was not captured.
        shots.push(Shot { frame: frame(client.host, server.host, client.next, server.next, ACK, &first), of: None });
        client.next += first.len() as u32;
    }
    let depth = if number.is_multiple_of(5) { PIPELINED } else { 1 };
    let first = number * PLACES;
    for group in (first..first + PLACES).collect::<Vec<_>>().chunks(depth) {
        for request in group {
            let (bytes, _) = &pairs[request % pairs.len()];
            if http2 {
                send(&mut shots, &mut client, &server, bytes, *request, bytes.len());
                continue;
            }
            let line = bytes.windows(2).position(|end| end == b"\r\n").expect("a request line") + 2;
            let tag = format!("X-Number: {request}\r\n");
            let bytes = [&bytes[..line], tag.as_bytes(), &bytes[line..]].concat();
            let head_bytes = bytes.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
            send(&mut shots, &mut client, &server, &bytes, *request, head_bytes);
        }
        for request in group {
            send(&mut shots, &mut server, &client, &pairs[request % pairs.len()].1, *request, 0);
        }
    }
    control(&mut shots, &client, &server, client.next, FIN | ACK);
    client.next += 1;
    control(&mut shots, &server, &client, server.next, FIN | ACK);
    server.next += 1;
    control(&mut shots, &client, &server, client.next, ACK);
    shots
}

/// A capture, and which requests are in it wholly, in part, and without their heads.
struct Known {
    file: Vec<u8>,
    whole: BTreeSet<usize>,
    incomplete: BTreeSet<usize>,
    lost: BTreeSet<usize>,
}

/// All connections interleaved, a packet every 20 µs; one in 50 comes up to five packets of its connection late, one in 20 comes twice,
/// and one in 1000 was never captured.
fn capture(pairs: &[Pair], http2: bool) -> Known {
    let mut rng = Rng::stream(SEED, "packets");
    let mut one_in = move |count: u64| rng.below(count) == 0;
    let mut connections: Vec<_> = (0..CONNECTIONS).map(|number| connection(number, pairs, http2).into_iter()).collect();
    let (mut packets, mut hit, mut place) = (Vec::new(), BTreeMap::new(), 0);
    loop {
        let round: Vec<Shot> = connections.iter_mut().filter_map(Iterator::next).collect();
        if round.is_empty() {
            break;
        }
        for shot in round {
            place += 1;
            if one_in(1000) {
                let Some((number, head)) = shot.of else { continue };
                *hit.entry(number).or_insert(false) |= head;
                continue;
            }
            if one_in(20) {
                packets.push((place + 1 + 10 * usize::from(one_in(2)), shot.frame.clone()));
            }
            packets.push((place + if one_in(50) { 5 * CONNECTIONS } else { 0 }, shot.frame));
        }
    }
    packets.sort_by_key(|(place, _)| *place);
    let timed: Vec<(u64, Vec<u8>)> = (0..).zip(packets).map(|(index, (_, frame))| (START_NS + index * 20_000, frame)).collect();
    let of = |head| hit.iter().filter(|(_, lost)| **lost == head).map(|(number, _)| *number).collect::<BTreeSet<_>>();
    let whole = (0..CONNECTIONS * PLACES).filter(|number| !hit.contains_key(number)).collect();
    Known { file: pcap(PLAIN, &timed), whole, incomplete: of(false), lost: of(true) }
}

fn number(row: &Exchange) -> usize {
    let header =
        row.headers.iter().flatten().find(|header| header.name.eq_ignore_ascii_case("X-Number")).expect("every request has it");
    std::str::from_utf8(&header.value).expect("it is text").parse().expect("it is a number")
}

fn is_incomplete(row: &Exchange) -> bool {
    [Flag::Gap, Flag::Truncated, Flag::Open].into_iter().any(|flag| row.flags.has(flag))
}

#[test]
fn every_request_is_whole_incomplete_or_lost_and_the_account_says_which() {
    let pairs = recorded();
    assert!(pairs.len() >= 15, "gets, heads, puts, a delete, answers with and without bodies");
    check(&capture(&pairs, false));
}

#[test]
fn every_stream_is_whole_incomplete_or_lost_and_the_account_says_which() {
    check(&capture(&recorded_http2(), true));
}

fn check(known: &Known) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let source = folder.path().join("a.pcap");
    fs::write(&source, &known.file).expect("a temporary file");
    let outputs: Vec<PathBuf> = (0..3).map(|run| folder.path().join(format!("{run}.parquet"))).collect();
    let import = |output: &PathBuf| {
        import(std::slice::from_ref(&source), output, &ImportOptions::default(), &mut |_| ()).expect("it is a capture")
    };
    let metas: Vec<_> = outputs.iter().map(import).collect();
    let files: Vec<Vec<u8>> = outputs.iter().map(|output| fs::read(output).expect("it was written")).collect();
    assert!(files[0] == files[1] && files[0] == files[2], "the same bytes each time");

    let rows = exchanges(&outputs[0]);
    let numbers =
        |incomplete: bool| rows.iter().filter(|row| is_incomplete(row) == incomplete).map(number).collect::<BTreeSet<_>>();
    assert_eq!(numbers(true), known.incomplete);
    assert_eq!(numbers(false), known.whole);
    let unanswered = rows.iter().filter(|row| !is_incomplete(row) && (row.latency_ns.is_none() || row.status.is_none()));
    assert_eq!(unanswered.map(number).collect::<Vec<_>>(), [0; 0], "what is whole has its answer");
    let loss = metas[0].loss.as_ref().expect("an import has an account");
    assert_eq!((loss.exchanges.incomplete, loss.exchanges.lost), (known.incomplete.len() as u64, known.lost.len() as u64));
    assert_eq!(rows.len() as u64 + loss.exchanges.lost, (CONNECTIONS * PLACES) as u64);
    assert!(known.lost.len() > 5 && known.incomplete.len() > 5, "the capture has losses of both kinds");

    // Which: the connection, and how many of its rows come before.
    let session: BTreeMap<usize, u64> = rows.iter().map(|row| (number(row) / PLACES, row.session)).collect();
    let place = |lost: &usize| {
        let earlier = known.lost.range(lost / PLACES * PLACES..*lost).count();
        (session[&(lost / PLACES)], (lost % PLACES - earlier) as u32)
    };
    let listed: BTreeSet<(u64, u32)> = loss.exchanges.places.iter().map(|place| (place.connection, place.rows_before)).collect();
    assert_eq!(listed, known.lost.iter().map(place).collect());
}
