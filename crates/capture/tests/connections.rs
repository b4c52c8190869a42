//! Connections: where one ends and the next begins, who is the client, what is spoken, and that all of it is bounded.

mod support;

use std::net::{Ipv4Addr, SocketAddr};

use capture::dissect::{Connection, Dissector, Emit, Handover, Options, PROTOCOLS, Probe, Protocol, Upgrade, http1};
use capture::flow::{Config, Flows};
use capture::import::parse_decode;
use capture::net::{Decoder, Segment};
use capture::pcap::Packet;
use proptest::prelude::*;
use support::frames::{ACK, CLIENT, FIN, Host, RST, SERVER, SYN, connection, frame};
use support::peak_kib;
use trace::{Exchange, Flag, Issues, Kind, Loss, TraceNs};
use wire::Side;

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

    /// What is listed as not decoded: name, connections, packets, bytes of clients and servers.
    fn undecoded(&self) -> Vec<(&str, u64, u64, u64, u64)> {
        let listed = self.loss.undecoded.iter();
        listed.map(|(key, it)| (key.as_str(), it.connections, it.packets, it.client_bytes, it.server_bytes)).collect()
    }

    fn connections(&self) -> Vec<(&str, u64)> {
        self.loss.connections.iter().map(|(name, count)| (name.as_str(), *count)).collect()
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
    // Both openings after all data: nothing but their numbers says that they belong to it.
    let both_late = [&frames[2..7], &frames[..2], &frames[7..]].concat();
    let answer_late = [&frames[..1], &frames[2..7], &frames[1..2], &frames[7..]].concat();
    for frames in [repeated, late, swapped, both_late, answer_late] {
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
    let listed = outcome.undecoded();
    assert_eq!(listed, [("443 tls", 1, 8, 10, 10), ("4711 unknown", 1, 8, 2000, 0)]);
    assert_eq!(outcome.connections(), [("empty", 1), ("undecoded", 2)]);
}

/// A protocol whose server greets first: `hi`, then lines that are rows, answered or not. `SWITCH x` hands the rest over to x.
struct Greeter {
    about: Connection,
}

impl Dissector for Greeter {
    fn bytes(&mut self, side: Side, at: TraceNs, bytes: &[u8], out: &mut Emit) {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let row = self.about.row(Kind::Request, at);
        let switch = text.strip_prefix("SWITCH ").and_then(|to| to.split_once(' '));
        match switch.filter(|_| side == Side::Client) {
            Some((to, rest)) => {
                let exchange = Exchange { target: "SWITCH".into(), ..row };
                let upgrade = Some(Box::new(Upgrade { exchange, answer_headers: Vec::new() }));
                let rest = [rest.as_bytes().to_vec(), Vec::new()];
                out.hand_over(Handover { about: Connection { upgrade, ..self.about.clone() }, to: to.to_owned(), rest });
            }
            None => {
                let upgrade = self.about.upgrade.take().map_or(String::new(), |upgrade| format!("{}>", upgrade.exchange.target));
                out.push(&self.about, Exchange { target: format!("{upgrade}{side:?}:{text}").into(), ..row });
            }
        }
    }
    fn gap(&mut self, _: Side, _: TraceNs, _: u64, _: &mut Emit) {}
    fn end(&mut self, _: Side, _: TraceNs, _: &mut Emit) {}
    fn finish(&mut self, _: TraceNs, _: &mut Emit) {}
}

/// The server says `hi` or `HI` first, whoever else may say more about less.
fn probe_greeting(greeting: &[u8], client: &[u8], server: &[u8]) -> Probe {
    match (client, server) {
        ([], server) if server.starts_with(greeting) => Probe::Yes,
        ([], server) if greeting.starts_with(server) => Probe::More,
        _ => Probe::No,
    }
}

fn open_greeter(about: &Connection, _: &Options) -> Box<dyn Dissector> {
    Box::new(Greeter { about: about.clone() })
}

const GREETER: Protocol = Protocol {
    name: "greeter",
    ports: &[4711],
    upgrades: &["greet"],
    probe: |client, server| probe_greeting(b"hi", client, server),
    open: open_greeter,
};
const SHOUTER: Protocol = Protocol {
    name: "shouter",
    ports: &[],
    upgrades: &[],
    probe: |client, server| probe_greeting(b"HI", client, server),
    ..GREETER
};
static SEVERAL: &[Protocol] = &[GREETER, http1::PROTOCOL, SHOUTER];

fn run_several(server: Host, messages: &[(bool, &[u8])], decode: Vec<(u16, &'static Protocol)>) -> Outcome {
    let timed = connection(CLIENT, server, messages).into_iter().map(|frame| (0, frame)).collect::<Vec<_>>();
    run_at(Config { protocols: SEVERAL, decode, ..Config::default() }, &timed)
}

/// Content before port, and what the user says before both; the first byte of a greeting leaves several protocols possible.
#[test]
fn of_several_protocols_content_chooses_then_the_port() {
    let known = Host { port: 4711, ..SERVER };
    let spoken = |server, messages: &[(bool, &[u8])], decode| {
        let outcome = run_several(server, messages, decode);
        outcome.loss.connections.keys().next().cloned().unwrap_or_default()
    };
    assert_eq!(spoken(SERVER, &[(false, b"hi")], vec![]), "greeter");
    assert_eq!(spoken(SERVER, &[(false, b"H"), (false, b"I")], vec![]), "shouter");
    assert_eq!(spoken(SERVER, &[(false, b"H"), (false, b"TTP/1.1 200 OK\r\n\r\n")], vec![]), "http");
    assert_eq!(spoken(known, &[(true, REQUEST), (false, RESPONSE)], vec![]), "http", "content goes before the port");
    assert_eq!(spoken(known, &[(false, b"h")], vec![]), "greeter", "only the port can tell");
    assert_eq!(spoken(SERVER, &[(false, b"hi")], vec![(SERVER.port, &SEVERAL[2])]), "shouter", "the user has said so");
}

/// What follows an upgrade goes to the dissector of its name or token, with the request that asked for it.
#[test]
fn a_connection_may_change_its_protocol() {
    let upgrade = b"GET /up HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: greet\r\n\r\n";
    let agreed = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: Greet\r\n\r\nhi";
    let outcome = run_several(SERVER, &[(true, upgrade), (false, agreed), (true, b"more")], vec![]);
    assert_eq!(outcome.lines(), ["/up>Server:hi - #0", "Client:more - #0"]);
    assert_eq!(outcome.exchanges.iter().map(|row| row.seq).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((outcome.connections(), outcome.undecoded()), (vec![("greeter", 1)], vec![]));
    assert_eq!(outcome.loss.bytes_reassembled, (upgrade.len() + agreed.len() + 4) as u64);
}

/// Behind a CONNECT and other tokens the next bytes tell; what no dissector takes is listed beside what was decoded before.
#[test]
fn what_follows_a_tunnel_is_found_by_content() {
    let connect = &b"CONNECT a:1 HTTP/1.1\r\n\r\n"[..];
    let agreed = &b"HTTP/1.1 200 OK\r\n\r\n"[..];
    let inside = run_several(SERVER, &[(true, connect), (false, agreed), (true, REQUEST), (false, RESPONSE)], vec![]);
    assert_eq!(
        (inside.lines(), inside.connections()),
        (vec!["a:1 200 #0".to_owned(), "/a 200 #0".to_owned()], vec![("http", 1)])
    );
    // Said to be HTTP by port, it is so only up to the tunnel.
    for decode in [vec![], vec![(SERVER.port, &SEVERAL[1])]] {
        let tls = run_several(
            SERVER,
            &[(true, connect), (false, agreed), (true, b"\x16\x03\x01\x00\x05hello"), (false, b"\x16\x03\x03\x00\x01h")],
            decode,
        );
        assert_eq!((tls.lines(), tls.connections()), (vec!["a:1 200 #0".to_owned()], vec![("http", 1)]));
        assert!(tls.exchanges[0].flags.has(Flag::Unreplayable));
        assert_eq!(tls.undecoded(), [("80 tls", 1, 5, 10, 6)]);
    }
    let silent = run_several(SERVER, &[(true, connect), (false, agreed)], vec![]);
    assert_eq!((silent.connections(), silent.undecoded()), (vec![("http", 1)], vec![]));
}

#[test]
fn changes_of_protocol_are_bounded() {
    let changes = "SWITCH shouter ".repeat(100);
    let outcome = run_several(SERVER, &[(false, b"hi"), (true, changes.as_bytes())], vec![]);
    assert_eq!(outcome.undecoded(), [("80 unknown", 1, 2 + 3, 15 * 91, 0)], "two packets of data, three that end it");
    assert!(outcome.exchanges.len() < 12, "{:?}", outcome.lines());
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
    assert_eq!(parse_decode("9001=grpc").map(|(port, protocol)| (port, protocol.name)).ok(), Some((9001, "http2")));
    let (port, protocol) = parse_decode("8000=http").expect("it is known");
    assert_eq!((port, protocol.name), (8000, "http"));
    for (text, says) in
        [("8000", "wanted PORT=PROTOCOL"), ("x=http", "`x` is not a port number"), ("80=htpp", "known protocols are http")]
    {
        let error = parse_decode(text).err().expect("it is wrong").to_string();
        assert!(error.contains(says) && error.contains(text) && error.lines().count() == 1, "{error}");
    }
}

/// A million connections that are never more than opened: at most 262 144 are remembered, and the others are counted.
#[test]
fn connections_are_bounded_and_the_longest_idle_go_first() {
    const FLOOD: u32 = 1_000_000;
    const REMEMBERED: u64 = 262_144;
    const MEMORY_KIB_MAX: u64 = 384 << 10;
    let (mut decoder, mut flows) = (Decoder::default(), Flows::new(Config::default()));
    let first = connection(CLIENT, SERVER, &[(true, REQUEST), (false, RESPONSE)]);
    for bytes in &first[..4] {
        let packet = Packet { number: 1, at_unix_ns: 0, link: 1, bytes, original_bytes: bytes.len() };
        decoder.packet(&packet, |segment| flows.segment(TraceNs(0), segment));
    }
    let to = SocketAddr::from((SERVER.address, SERVER.port)).into();
    for number in 0..FLOOD {
        let from = SocketAddr::from((Ipv4Addr::from_bits(0x0a00_0000 + number / 64), 1 + (number % 64) as u16)).into();
        let syn = Segment { from, to, seq: 1, ack: None, syn: true, fin: false, rst: false, payload: &[], missing_bytes: 0 };
        flows.segment(TraceNs(i64::from(number) + 1), &syn);
    }
    let (emit, loss) = flows.finish();
    let outcome = Outcome { exchanges: emit.exchanges, issues: emit.issues, loss };
    assert!(outcome.issues.count("connections-evicted") >= u64::from(FLOOD) + 1 - REMEMBERED);
    assert_eq!(outcome.connections(), [("empty", u64::from(FLOOD)), ("http", 1)]);
    assert_eq!(outcome.lines(), ["/a - #0"], "it was given back when its connection was given up");
    // Each test runs in a process of its own; where it does not, the others are small.
    assert!(peak_kib().is_none_or(|kib| kib < MEMORY_KIB_MAX), "{:?} KiB", peak_kib());
}

/// Connections that all wait for their first bytes hold no more than 192 MiB together; the ones that have to stop waiting are counted.
#[test]
fn bytes_that_wait_for_holes_are_bounded_over_all_connections() {
    const CONNECTIONS: u16 = 60;
    const SEGMENT_BYTES: usize = 60_000;
    const SEGMENTS: u32 = 60;
    const MEMORY_KIB_MAX: u64 = 320 << 10;
    let mut flows = Flows::new(Config::default());
    let payload = vec![b'x'; SEGMENT_BYTES];
    let to = SocketAddr::from((SERVER.address, SERVER.port)).into();
    for port in 0..CONNECTIONS {
        let from = SocketAddr::from((CLIENT.address, 1000 + port)).into();
        for number in 0..=SEGMENTS {
            // One byte is missing behind the opening.
            let seq = if number == 0 { 1 } else { 3 + (number - 1) * SEGMENT_BYTES as u32 };
            let payload: &[u8] = if number == 0 { &[] } else { &payload };
            let (syn, ack) = (number == 0, None);
            flows.segment(TraceNs(0), &Segment { from, to, seq, ack, syn, fin: false, rst: false, payload, missing_bytes: 0 });
        }
    }
    let (emit, _) = flows.finish();
    let all = u64::from(CONNECTIONS) * u64::from(SEGMENTS) * SEGMENT_BYTES as u64;
    let excess = (all - (192 << 20)).div_ceil(u64::from(SEGMENTS) * SEGMENT_BYTES as u64);
    assert!(emit.issues.count("tcp-held-bytes-limit") >= excess, "{:?}", emit.issues);
    assert!(peak_kib().is_none_or(|kib| kib < MEMORY_KIB_MAX), "{:?}", peak_kib());
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
