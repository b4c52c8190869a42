//! Connections: where one ends and the next begins, who is the client, what is spoken, and that all of it is bounded.

#[path = "support/frames.rs"]
mod frames;

use capture::dissect::{PROTOCOLS, Protocol};
use capture::flow::{Config, Flows};
use capture::import::parse_decode;
use capture::net::Decoder;
use capture::pcap::Packet;
use frames::{ACK, CLIENT, FIN, Host, RST, SERVER, SYN, connection, frame};
use proptest::prelude::*;
use trace::{Exchange, Flag, Issues, Loss, TraceNs};

const REQUEST: &[u8] = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

struct Outcome {
    exchanges: Vec<Exchange>,
    issues: Issues,
    loss: Loss,
}

impl Outcome {
    /// Target, status and session of each exchange.
    fn lines(&self) -> Vec<String> {
        let status = |exchange: &Exchange| exchange.status.as_deref().unwrap_or("-").to_owned();
        self.exchanges.iter().map(|exchange| format!("{} {} #{}", exchange.target, status(exchange), exchange.session)).collect()
    }
}

fn run_at(config: Config, frames: &[(i64, Vec<u8>)]) -> Outcome {
    let (mut decoder, mut flows) = (Decoder::default(), Flows::new(config));
    for (number, (at_unix_ns, bytes)) in (1..).zip(frames) {
        let packet = Packet { number, at_unix_ns: *at_unix_ns, link: 1, bytes, original_bytes: bytes.len() };
        decoder.packet(&packet, |segment| flows.segment(TraceNs(packet.at_unix_ns), segment));
    }
    let (emit, loss) = flows.finish();
    Outcome { exchanges: emit.exchanges, issues: emit.issues, loss }
}

/// One frame a millisecond.
fn run(frames: &[Vec<u8>]) -> Outcome {
    let timed: Vec<(i64, Vec<u8>)> = (0..).zip(frames).map(|(index, frame)| (index * 1_000_000, frame.clone())).collect();
    run_at(Config::default(), &timed)
}

#[test]
fn times_sizes_and_names_come_from_the_packets() {
    let outcome = run(&connection(CLIENT, SERVER, &[(true, REQUEST), (false, RESPONSE)]));
    let exchange = &outcome.exchanges[0];
    assert_eq!(exchange.at, TraceNs(3_000_000));
    assert_eq!((exchange.first_byte_ns, exchange.latency_ns), (Some(1_000_000), Some(1_000_000)));
    assert_eq!((exchange.request_bytes, exchange.response_bytes), (REQUEST.len() as u64, RESPONSE.len() as u64));
    assert_eq!((&*exchange.endpoint, &*exchange.protocol), ("192.0.2.2:80", "http"));
    assert_eq!(outcome.loss.bytes_reassembled, (REQUEST.len() + RESPONSE.len()) as u64);
    assert!(outcome.issues.is_empty());
}

#[test]
fn sessions_are_numbered_by_first_packets() {
    let other = Host { port: 40_001, ..CLIENT };
    let (one, two) =
        (connection(other, SERVER, &[(true, REQUEST), (false, RESPONSE)]), connection(CLIENT, SERVER, &[(true, REQUEST)]));
    let frames: Vec<Vec<u8>> = one[..1].iter().chain(&two).chain(&one[1..]).cloned().collect();
    assert_eq!(run(&frames).lines(), ["/a - #1", "/a 200 #0"]);
}

#[test]
fn a_new_syn_on_the_same_ports_is_a_new_connection() {
    let first = connection(CLIENT, SERVER, &[(true, REQUEST), (false, RESPONSE)]);
    let again = [
        frame(CLIENT, SERVER, 77_000, 0, SYN, b""),
        frame(SERVER, CLIENT, 88_000, 77_001, SYN | ACK, b""),
        frame(CLIENT, SERVER, 77_001, 88_001, ACK, b"GET /b HTTP/1.1\r\n\r\n"),
    ];
    // With and without the end of the first one captured.
    for kept in [first.len(), first.len() - 3] {
        let frames = [&first[..kept], &again].concat();
        assert_eq!(run(&frames).lines(), ["/a 200 #0", "/b - #1"]);
    }
}

#[test]
fn a_repeated_or_late_syn_is_no_new_connection() {
    let frames = connection(CLIENT, SERVER, &[(true, REQUEST), (false, RESPONSE)]);
    let mut repeated = frames.clone();
    repeated.insert(1, frames[0].clone());
    repeated.push(frames[0].clone());
    let mut late = frames[1..].to_vec();
    late.push(frames[0].clone());
    let mut swapped = frames.clone();
    swapped.swap(0, 1);
    for frames in [repeated, late, swapped] {
        let outcome = run(&frames);
        assert_eq!(outcome.lines(), ["/a 200 #0"]);
        assert_eq!(outcome.loss.connections.values().sum::<u64>(), 1);
    }
}

/// Every packet twice, as loopback captured on all interfaces has them.
#[test]
fn duplicates_add_nothing() {
    let frames = connection(CLIENT, SERVER, &[(true, REQUEST), (false, RESPONSE), (true, REQUEST), (false, RESPONSE)]);
    let twice: Vec<Vec<u8>> = frames.iter().flat_map(|frame| [frame.clone(), frame.clone()]).collect();
    let after: Vec<Vec<u8>> = [frames.clone(), frames.clone()].concat();
    for duplicated in [twice, after] {
        let outcome = run(&duplicated);
        assert_eq!(outcome.lines(), ["/a 200 #0", "/a 200 #0"]);
        assert_eq!(outcome.loss.bytes_repeated, outcome.loss.bytes_reassembled);
        assert_eq!(outcome.loss.connections.values().sum::<u64>(), 1);
        assert!(outcome.issues.is_empty());
    }
}

#[test]
fn without_a_syn_content_tells_who_is_the_client() {
    let odd_client = Host { port: 90, ..CLIENT };
    let odd_server = Host { port: 50_000, ..SERVER };
    let frames = connection(odd_client, odd_server, &[(true, REQUEST), (false, RESPONSE), (true, REQUEST), (false, RESPONSE)]);
    let outcome = run(&frames[3..]);
    assert_eq!(outcome.lines(), ["/a 200 #0", "/a 200 #0"]);
    assert_eq!(&*outcome.exchanges[0].endpoint, "192.0.2.2:50000");
    // The first packet may just as well be an answer.
    let outcome = run(&frames[4..]);
    assert_eq!((outcome.lines(), outcome.exchanges[0].flags.has(Flag::Gap)), (vec!["/a 200 #0".to_owned()], false));
}

#[test]
fn a_connection_that_is_going_on_is_read_from_its_next_message() {
    let long = [b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n", &[b'x'; 4000][..]].concat();
    let server = Host { port: 7777, ..SERVER };
    let frames = connection(CLIENT, server, &[(true, REQUEST), (false, &long), (true, REQUEST), (false, RESPONSE)]);
    let outcome = run(&frames[5..]);
    assert_eq!(outcome.lines(), ["/a 200 #0"]);
    assert_eq!(outcome.loss.connections["http"], 1);
}

#[test]
fn a_reset_ends_both_sides_and_what_comes_after_is_counted() {
    let frames = connection(CLIENT, SERVER, &[(true, REQUEST), (false, RESPONSE), (true, REQUEST)]);
    let (client_seq, server_seq) = (1001 + 2 * REQUEST.len() as u32, 9001 + RESPONSE.len() as u32);
    let reset = frame(SERVER, CLIENT, server_seq, client_seq, RST | ACK, b"");
    let late = frame(CLIENT, SERVER, client_seq, server_seq, ACK, b"late");
    let outcome = run(&[&frames[..6], &[reset, late]].concat());
    assert_eq!(outcome.lines(), ["/a 200 #0", "/a - #0"]);
    assert_eq!(outcome.issues.count("tcp-data-after-end"), 1);
}

#[test]
fn a_forged_reset_far_away_is_ignored() {
    let frames = connection(CLIENT, SERVER, &[(true, REQUEST), (false, RESPONSE)]);
    let forged = frame(CLIENT, SERVER, 0x7000_0000, 0, RST, b"");
    let outcome = run(&[&frames[..4], &[forged], &frames[4..]].concat());
    assert_eq!(outcome.lines(), ["/a 200 #0"]);
}

#[test]
fn after_a_long_silence_other_numbers_are_another_connection() {
    let going = connection(CLIENT, SERVER, &[(true, REQUEST), (false, RESPONSE)]);
    let later = [
        frame(CLIENT, SERVER, 0x6000_0000, 0x5000_0000, ACK, REQUEST),
        frame(SERVER, CLIENT, 0x5000_0000, 0x6000_0000 + REQUEST.len() as u32, ACK, RESPONSE),
    ];
    let hour_ns = 3_600_000_000_000;
    let timed: Vec<(i64, Vec<u8>)> =
        going[..5].iter().map(|frame| (0, frame.clone())).chain(later.map(|frame| (hour_ns, frame))).collect();
    assert_eq!(run_at(Config::default(), &timed).lines(), ["/a 200 #0", "/a 200 #1"]);
}

#[test]
fn times_that_run_backwards_give_no_negative_latency() {
    let frames = connection(CLIENT, SERVER, &[(true, REQUEST), (false, RESPONSE)]);
    let timed: Vec<(i64, Vec<u8>)> =
        (0..).zip(&frames).map(|(index, frame)| (1_000_000_000 - index * 1000, frame.clone())).collect();
    let outcome = run_at(Config::default(), &timed);
    assert_eq!((outcome.exchanges[0].first_byte_ns, outcome.exchanges[0].latency_ns), (Some(0), Some(0)));
}

#[test]
fn socks_and_proxy_headers_stand_before_the_protocol() {
    let socks = [
        (true, &b"\x05\x01\x00"[..]),
        (false, b"\x05\x00"),
        (true, b"\x05\x01\x00\x01\x0a\x00\x00\x01\x00\x50"),
        (false, b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"),
    ];
    let server = Host { port: 1080, ..SERVER };
    let messages = [&socks[..], &[(true, REQUEST), (false, RESPONSE)]].concat();
    assert_eq!(run(&connection(CLIENT, server, &messages)).lines(), ["/a 200 #0"]);

    let proxied = [b"PROXY TCP4 198.51.100.1 192.0.2.2 5555 80\r\n", REQUEST].concat();
    assert_eq!(run(&connection(CLIENT, server, &[(true, &proxied), (false, RESPONSE)])).lines(), ["/a 200 #0"]);
}

#[test]
fn what_no_dissector_takes_is_listed() {
    let tls = connection(
        CLIENT,
        Host { port: 443, ..SERVER },
        &[(true, b"\x16\x03\x01\x00\x05hello"), (false, b"\x16\x03\x03\x00\x05hello")],
    );
    let strange = connection(CLIENT, Host { port: 4711, ..SERVER }, &[(true, &[0; 2000])]);
    let silent = connection(CLIENT, SERVER, &[]);
    let outcome = run(&[tls, strange, silent].concat());
    let listed: Vec<(&str, u64, u64, u64)> =
        outcome.loss.undecoded.iter().map(|(key, found)| (key.as_str(), found.connections, found.packets, found.bytes)).collect();
    assert_eq!(listed, [("443 tls", 1, 8, 20), ("4711 unknown", 1, 8, 2000)]);
    assert_eq!(
        outcome.loss.connections.iter().map(|(name, count)| (name.as_str(), *count)).collect::<Vec<_>>(),
        [("empty", 1), ("undecoded", 2)]
    );
}

#[test]
fn the_user_may_say_what_is_spoken() {
    let server = Host { port: 4711, ..SERVER };
    let frames = connection(CLIENT, server, &[(true, b"\x00\x01garbage first"), (false, RESPONSE)]);
    let timed: Vec<(i64, Vec<u8>)> = frames.into_iter().map(|frame| (0, frame)).collect();
    let http: &'static Protocol = &PROTOCOLS[0];
    assert!(run_at(Config::default(), &timed).loss.connections.contains_key("http"), "the answer tells");
    let forced = Config { decode: vec![(4711, http)], ..Config::default() };
    let silent: Vec<(i64, Vec<u8>)> = timed[..4].to_vec();
    assert!(!run_at(Config::default(), &silent).loss.connections.contains_key("http"));
    assert!(run_at(forced, &silent).loss.connections.contains_key("http"));
}

#[test]
fn a_wrong_wish_is_refused_in_one_sentence() {
    let (port, protocol) = parse_decode("8000=http").expect("it is known");
    assert_eq!((port, protocol.name), (8000, "http"));
    for (text, says) in
        [("8000", "wanted PORT=PROTOCOL"), ("x=http", "`x` is not a port number"), ("80=htpp", "known protocols are http")]
    {
        let error = parse_decode(text).err().expect("it is wrong").to_string();
        assert!(error.contains(says) && error.contains(text) && error.lines().count() == 1, "{error}");
    }
}

#[test]
fn connections_are_bounded_and_the_longest_idle_go_first() {
    let ports = 1..=64_u16;
    let flood = |low: u16| ports.clone().map(move |port| Host { address: [10, 0, (low >> 8) as u8, low as u8], port });
    let hosts: Vec<Host> = (0..4200).flat_map(flood).collect();
    assert!(hosts.len() > 262_144);
    let frames = connection(CLIENT, SERVER, &[(true, REQUEST), (false, RESPONSE)]);
    let mut timed: Vec<(i64, Vec<u8>)> = frames[..4].iter().map(|frame| (0, frame.clone())).collect();
    timed.extend((1..).zip(&hosts).map(|(at, host)| (at, frame(*host, SERVER, 1, 0, SYN, b""))));
    let outcome = run_at(Config::default(), &timed);
    assert!(outcome.issues.count("connections-evicted") >= 262_144 / 8);
    assert_eq!(outcome.loss.connections.values().sum::<u64>(), hosts.len() as u64 + 1);
    assert_eq!(outcome.lines(), ["/a - #0"], "it was given back when its connection was given up");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Segments at random between two hosts: no panic, and every packet belongs to some connection.
    #[test]
    fn random_segments_do_no_harm(
        packets in prop::collection::vec((any::<bool>(), 0_u32..300, 0_u32..300, 0_u8..32, 0_usize..4, any::<bool>(), any::<u32>()), 0..80),
    ) {
        let payloads: [&[u8]; 4] = [b"", REQUEST, RESPONSE, b"\x00garbage"];
        let frames: Vec<(i64, Vec<u8>)> = packets
            .into_iter()
            .map(|(up, seq, ack, flags, payload, far, at)| {
                let (from, to) = if up { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
                let seq = if far { seq.wrapping_mul(0x0100_0000) } else { seq };
                (i64::from(at) * 100_000, frame(from, to, seq, ack, flags & !(FIN * u8::from(far)), payloads[payload]))
            })
            .collect();
        let outcome = run_at(Config::default(), &frames);
        let packets: u64 = outcome.loss.connections.values().sum();
        prop_assert!(packets <= frames.len() as u64);
    }
}
