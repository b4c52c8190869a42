//! The dissector of WebSocket: messages with and without answers, compression, and what of them is left when bytes are missing.

mod support;

use capture::dissect::websocket::{INFLATERS_MAX, PROTOCOL};
use capture::dissect::{Connection, Emit, Options, SessionBy, Upgrade};
use capture::import::ImportOptions;
use proptest::prelude::*;
use support::frames::{ACK, CLIENT, Host, PLAIN, SERVER, frame, pcap};
use support::talk::{Say, check_parts, check_rows, flags, outcome, play_on};
use support::{corpus, import_all};
use trace::{Exchange, Flag, Header, Kind, Name, Names, TraceNs};
use wire::Side::{self, Client, Server};
use wire::websocket::{
    ControlKind, Deflater, INFLATED_BYTES_MAX, MessageKind, Opening, push_control, push_fragment, push_message,
};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn key(side: Side) -> Option<[u8; 4]> {
    (side == Client).then_some(KEY)
}

fn framed(side: Side, message: &[u8], compressed: bool) -> Say {
    let mut out = Vec::new();
    push_message(MessageKind::Text, compressed, key(side), message, &mut out);
    Say::Bytes(side, out)
}

fn text(side: Side, message: &str) -> Say {
    framed(side, message.as_bytes(), false)
}

fn control(side: Side, kind: ControlKind, payload: &[u8]) -> Say {
    let mut out = Vec::new();
    push_control(kind, key(side), payload, &mut out);
    Say::Bytes(side, out)
}

/// A connection behind the handshake of RFC 6455 §1.3, which agreed on `extensions`; without one for `None`.
fn about(extensions: Option<&str>) -> Connection {
    let address = "127.0.0.1:80".parse().expect("an address");
    let mut about = Connection::new(5, address, address, extensions.is_some(), &mut Names::default());
    let header = |name: &str, value: &str| Header { name: name.into(), value: value.to_owned().into() };
    if let Some(extensions) = extensions {
        let mut exchange = about.row(Kind::Request, TraceNs(0));
        (exchange.protocol, exchange.target, exchange.collection) = (Name::from("http"), "/chat?x=1".into(), Name::from("chat"));
        exchange.headers =
            Some(vec![header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), header("Sec-WebSocket-Version", "13")]);
        exchange.status = Some(Name::from("101"));
        let accept = header("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let answer_headers = vec![accept, header("Sec-WebSocket-Extensions", extensions)];
        about.upgrade = Some(Box::new(Upgrade { exchange, answer_headers }));
    }
    about
}

fn play(extensions: Option<&str>, script: &[Say]) -> Emit {
    play_on(&PROTOCOL, &about(extensions), script, usize::MAX)
}

/// `kind operation request>response status ok latency/µs` of each row, with what is flagged.
fn brief(out: &Emit) -> Vec<String> {
    let one = |row: &Exchange| {
        let body = |body: &Option<bytes::Bytes>| String::from_utf8_lossy(body.as_deref().unwrap_or_default()).into_owned();
        let text = format!(
            "{} {} {}>{} {} {}",
            row.kind.as_str(),
            row.operation,
            body(&row.request),
            body(&row.response),
            outcome(row),
            flags(row, "+")
        );
        text.trim_end().to_owned()
    };
    out.exchanges.iter().skip_while(|row| row.kind == Kind::Open).map(one).collect()
}

#[test]
fn each_question_has_the_answer_behind_it() {
    let script = [text(Client, "hello"), text(Server, "hello"), text(Client, "again"), text(Server, "yes")];
    let out = play(Some(""), &script);
    assert_eq!(brief(&out), ["message message hello>hello - ok 1", "message message again>yes - ok 1"]);
    let open = &out.exchanges[0];
    assert_eq!(
        (open.kind, open.protocol.as_str(), open.version.as_str(), &*open.target),
        (Kind::Open, "websocket", "13", "/chat?x=1")
    );
    assert!(open.flags.has(Flag::Setup) && out.issues.is_empty(), "{:?}", out.issues);
    let row = &out.exchanges[1];
    let names = (row.protocol.as_str(), row.version.as_str(), row.method.as_str(), row.collection.as_str(), &*row.target);
    assert_eq!(names, ("websocket", "13", "text", "chat", "/chat?x=1"));
    assert_eq!((row.request_bytes, row.response_bytes, row.session, row.seq), (2 + 4 + 5, 2 + 5, 5, 1));
    assert!(row.answer_hash.is_some() && row.answer_hash != out.exchanges[2].answer_hash);
}

/// Messages have no headers of their own: they are of the user who asked for the change.
#[test]
fn messages_are_of_the_user_who_opened() {
    let mut out = Emit::new(SessionBy::Header("Sec-WebSocket-Key".to_owned()));
    let mut dissector = (PROTOCOL.open)(&about(Some("")), &Options::default());
    for (side, message) in [(Client, "hello"), (Server, "hello"), (Server, "news")] {
        dissector.bytes(side, TraceNs(0), text(side, message).bytes(), &mut out);
    }
    dissector.end(Server, TraceNs(1), &mut out);
    dissector.finish(TraceNs(1), &mut out);
    assert_eq!(out.exchanges.iter().map(|row| (row.session, row.seq)).collect::<Vec<_>>(), [(0, 0), (0, 1), (0, 2), (0, 3)]);
    assert_eq!(out.issues.count("session-key-missing"), 0);
}

#[test]
fn who_does_not_wait_and_who_listens_asks_nothing() {
    let pipelined = [text(Client, "1"), text(Client, "2"), text(Server, "so"), text(Client, "3")];
    let lines = ["message message 1> - - -", "message message 2> - - -", "push push >so - ok 0", "message message 3> - - -"];
    assert_eq!(brief(&play(Some(""), &pipelined)), lines);
    let mut listens: Vec<Say> = (0..5).map(|n| text(Server, &format!("news {n}"))).collect();
    listens.extend([text(Client, "well"), text(Server, "news 5")]);
    let lines = brief(&play(Some(""), &listens));
    assert_eq!(lines[4..], ["push push >news 4 - ok 0", "message message well> - - -", "push push >news 5 - ok 0"]);
}

#[test]
fn ids_tie_answers_to_questions() {
    let script = [
        text(Client, r#"{"id":1,"method":"get"}"#),
        text(Client, r#"{"id":2,"method":"put"}"#),
        text(Server, r#"{"type":"news"}"#),
        text(Server, r#"{"id":2,"error":{}}"#),
        text(Server, r#"{"id":1,"result":[]}"#),
        text(Server, r#"{"id":1,"result":["more"]}"#),
    ];
    let out = play(Some(""), &script);
    let lines = [
        r#"message message get {"id":1,"method":"get"}>{"id":1,"result":[]} - ok 4"#,
        r#"message message put {"id":2,"method":"put"}>{"id":2,"error":{}} - bad 2"#,
        r#"push push news >{"type":"news"} - ok 0"#,
        r#"push push >{"id":1,"result":["more"]} - ok 0"#,
    ];
    assert_eq!(brief(&out), lines);
    let effects: Vec<_> = out.exchanges[1..3].iter().map(|row| row.effect.as_str()).collect();
    assert_eq!(effects, ["read", "write"]);
}

#[test]
fn fragments_with_pings_between_them_are_one_message() {
    let mut sent = Vec::new();
    push_fragment(Some(Opening { kind: MessageKind::Binary, compressed: false }), false, Some(KEY), b"one ", &mut sent);
    push_control(ControlKind::Ping, Some(KEY), b"?", &mut sent);
    push_fragment(None, true, Some(KEY), b"message", &mut sent);
    let script = [
        Say::Bytes(Client, sent.clone()),
        control(Server, ControlKind::Pong, b"?"),
        text(Server, "answer"),
        control(Client, ControlKind::Close, b"\x03\xe8"),
        control(Server, ControlKind::Close, b"\x03\xe8"),
    ];
    let out = play(Some(""), &script);
    assert_eq!(brief(&out), ["message message one message>answer - ok 2", "close close > ws:1000 ok 1"]);
    // The ping and the close frame of the client, the pong and the close frame of the server.
    assert_eq!((out.exchanges[2].request_bytes, out.exchanges[2].response_bytes), (7 + 8, 3 + 4));
    assert_eq!(out.exchanges[1].request_bytes, sent.len() as u64 - 7);
}

/// The head of a frame comes in two segments: the message began with the first.
#[test]
fn a_message_begins_with_its_first_byte() {
    let Say::Bytes(_, sent) = text(Client, "hello") else { panic!("bytes") };
    let out =
        play(Some(""), &[text(Server, "?"), Say::Bytes(Client, sent[..1].to_vec()), Say::Bytes(Client, sent[1..].to_vec())]);
    assert_eq!((out.exchanges[2].kind, out.exchanges[2].at), (Kind::Message, TraceNs(1000)));
}

#[test]
fn connections_end_with_a_code() {
    let end = |script: &[Say]| brief(&play(Some(""), script)).pop().expect("a row");
    let close = |side, code: u16| control(side, ControlKind::Close, &code.to_be_bytes());
    assert_eq!(end(&[close(Server, 1011)]), "close close > ws:1011 bad 0");
    assert_eq!(end(&[close(Server, 1001), close(Client, 1001)]), "close close > ws:1001 ok 0");
    assert_eq!(
        end(&[control(Client, ControlKind::Close, b""), control(Server, ControlKind::Close, b"")]),
        "close close > ws:1005 ok 1"
    );
    assert_eq!(end(&[close(Client, 1000), Say::End(Client)]), "close close > - - -");
    assert_eq!(end(&[text(Server, "x"), Say::End(Server), Say::End(Client)]), "close close > ws:1006 bad -");
    assert_eq!(end(&[text(Client, "x")]), "message message x> - - -", "the capture ends, not the connection");
}

/// Messages of both sides, compressed, referring to those before where `takeover` says so.
fn deflated(takeover: bool) -> Vec<Say> {
    let mut deflaters = [Deflater::new(takeover), Deflater::new(takeover)];
    let mut say = |side: Side| {
        let mut packed = Vec::new();
        deflaters[side as usize].message(b"a text that repeats, a text that repeats", &mut packed);
        framed(side, &packed, true)
    };
    [Client, Server, Client, Server, Client, Server].into_iter().map(&mut say).collect()
}

#[test]
fn compression_is_taken_off_and_what_refers_to_a_hole_is_not_guessed() {
    let said = "a text that repeats, a text that repeats";
    let whole = format!("message message {said}>{said} - ok 1");
    let (with, without) = (
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=15",
    );
    for (takeover, extensions) in [(true, with), (false, without)] {
        let mut script = deflated(takeover);
        assert_eq!(brief(&play(Some(extensions), &script)), [whole.as_str(); 3]);
        // The second message of the client was not captured.
        script[2] = script[2].lost();
        let out = play(Some(extensions), &script);
        let third = if takeover { format!("message message >{said} - ok 1 gap+unreplayable") } else { whole.clone() };
        assert_eq!(brief(&out), [whole.clone(), format!("push push >{said} - ok 0"), third]);
        assert_eq!((out.loss.lost, out.issues.count("websocket-compression-unknown")), (1, u64::from(takeover)));
    }
    let out = play(None, &deflated(true));
    assert_eq!(brief(&out)[0], "message message > - ok - gap+mid_connection+unreplayable");
    assert_eq!(out.issues.count("websocket-compression-unknown"), 6);
    assert_eq!(play(Some(""), &deflated(true)).issues.count("websocket-compression-not-agreed"), 6);
}

#[test]
fn a_bomb_is_put_out() {
    let (mut bomb, mut deflater) = (Vec::new(), Deflater::new(true));
    deflater.message(&vec![0; INFLATED_BYTES_MAX as usize + 1], &mut bomb);
    let out = play(Some("permessage-deflate"), &[framed(Client, &bomb, true), text(Server, "no"), text(Client, "on")]);
    let lines = brief(&out);
    assert!(lines[0].starts_with("message message >no - ok 1 truncated+unreplayable") && lines[1] == "message message on> - - -");
    assert_eq!(out.issues.count("websocket-malformed-compression"), 1);
}

#[test]
fn what_compression_needs_is_bounded_over_all_connections() {
    let (mut out, options, hello) = (Emit::default(), Options::default(), [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
    let sent = framed(Client, &hello, true);
    let mut all: Vec<_> = (0..INFLATERS_MAX + 1).map(|_| (PROTOCOL.open)(&about(Some("permessage-deflate")), &options)).collect();
    all.iter_mut().for_each(|dissector| dissector.bytes(Client, TraceNs(0), sent.bytes(), &mut out));
    all.iter_mut().for_each(|dissector| dissector.finish(TraceNs(0), &mut out));
    assert_eq!(out.issues.count("websocket-inflaters-limit"), 1);
    let mut next = (PROTOCOL.open)(&about(Some("permessage-deflate")), &options);
    next.bytes(Client, TraceNs(0), sent.bytes(), &mut out);
    next.finish(TraceNs(0), &mut out);
    assert_eq!(out.issues.count("websocket-inflaters-limit"), 1, "what is over gives its memory back");
    let read = out.exchanges.iter().filter(|row| row.request.as_deref() == Some(&b"Hello"[..])).count();
    assert_eq!(read, INFLATERS_MAX + 1);
}

#[test]
fn holes_are_bridged_inside_messages_and_searched_over_elsewhere() {
    let script = [
        text(Client, "0123456789"),
        text(Server, "a"),
        text(Client, "lost"),
        text(Server, "b"),
        text(Client, "on"),
        text(Server, "c"),
    ];
    let first = script[0].bytes();
    let mut cut = vec![Say::Bytes(Client, first[..9].to_vec()), Say::Gap(Client, 4), Say::Bytes(Client, first[13..].to_vec())];
    cut.extend_from_slice(&script[1..]);
    let lines = brief(&play(Some(""), &cut));
    assert_eq!(lines[0], "message message 012789>a - ok 3 gap+unreplayable");

    let mut cut = script.to_vec();
    cut[2] = Say::Gap(Client, 10);
    let out = play(Some(""), &cut);
    let lines = ["message message 0123456789>a - ok 1", "push push >b - ok 0", "message message on>c - ok 1"];
    assert_eq!((brief(&out), out.loss.lost, out.loss.places[0].rows_before), (lines.map(str::to_owned).to_vec(), 1, 2));
    // Where the rest of a message is missing with the next one, the first is not whole, and one is lost.
    cut.splice(..3, [Say::Bytes(Client, first[..9].to_vec()), Say::Gap(Client, 17)]);
    let out = play(Some(""), &cut);
    let lines = brief(&out);
    assert_eq!((lines[0].as_str(), out.loss.lost, out.loss.incomplete), ("message message 012>b - ok 2 gap+unreplayable", 1, 1));
}

#[test]
fn who_comes_late_gets_whole_messages() {
    let out = play(None, &[text(Client, "hello"), text(Server, "world"), control(Server, ControlKind::Close, b"\x03\xe9")]);
    let lines = ["message message hello>world - ok 1 mid_connection", "close close > ws:1001 ok 0 mid_connection"];
    assert_eq!(brief(&out), lines);
    let tail = [&b"the tail of a message"[..], b"\x81\x05world"].concat();
    let out = play(None, &[Say::Bytes(Server, tail)]);
    assert_eq!((brief(&out), out.undecoded_bytes), (vec!["push push >world - ok 0 mid_connection".to_owned()], 21));
}

/// Without its handshake a connection is known by its frames, on whatever port.
#[test]
fn a_connection_that_is_going_on_is_recognised() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("a.pcap");
    let (ask, answer) = (text(Client, "hello there"), text(Server, "hello yourself"));
    let from_server = Host { port: 7777, ..SERVER };
    let frames =
        [frame(CLIENT, from_server, 100, 500, ACK, ask.bytes()), frame(from_server, CLIENT, 500, 117, ACK, answer.bytes())];
    let packets: Vec<(u64, &Vec<u8>)> = frames.iter().zip(1..).map(|(frame, at)| (at * 1_000_000, frame)).collect();
    std::fs::write(&path, pcap(PLAIN, &packets)).expect("a temporary file");
    let (meta, rows) = import_all(&[path], &ImportOptions::default());
    assert_eq!(meta.loss.expect("an account").connections.get("websocket"), Some(&1));
    let seen: Vec<_> =
        rows.iter().map(|row| (row.kind, row.request.as_deref(), row.latency_ns, row.flags.has(Flag::MidConnection))).collect();
    assert_eq!(seen, [(Kind::Message, Some(&b"hello there"[..]), Some(1_000_000), true)]);
}

/// A declared length of 2⁶³ − 1 bytes: what comes is kept up to the limit of bodies, and nothing more.
#[test]
fn messages_without_end_are_bounded() {
    let script = [Say::Bytes(Client, b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0".to_vec())]
        .into_iter()
        .chain((0..20).map(|_| Say::Bytes(Client, vec![7; 1 << 20])))
        .collect::<Vec<_>>();
    let out = play(Some(""), &script);
    let row = &out.exchanges[1];
    assert_eq!(row.request.as_ref().map(bytes::Bytes::len), Some(trace::limits::BODY_BYTES_MAX));
    assert_eq!(row.request_bytes, (20 << 20) + 14);
    assert!(row.flags.has(Flag::Truncated) && row.flags.has(Flag::Open));
    let waiting: Vec<Say> = (0..300).map(|n| text(Client, &format!("{{\"id\":{n}}}"))).collect();
    let out = play(Some(""), &waiting);
    assert_eq!((out.exchanges.len(), out.issues.count("websocket-waiting-limit")), (301, 44));
}

/// What the clients saw, and what tshark finds: the opening and close of each connection, its messages, and the bytes of their frames.
#[test]
fn our_capture_is_as_the_clients_saw_it() {
    let (meta, rows) = import_all(
        &[std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../captures/websocket/websockets-pair/capture.pcap")],
        &ImportOptions::default(),
    );
    let expect = std::fs::read_to_string(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../captures/websocket/websockets-pair/expect.json"),
    );
    let expect: Vec<serde_json::Value> = serde_json::from_str(&expect.expect("it is committed")).expect("it is JSON");
    // Which of the client's messages have answers follows from what the script does: echoes and calls are answered, news are not.
    let answered = [5, 3, 6, 6, 3, 4, 0, 0];
    for (session, (said, answered)) in expect.iter().zip(answered).enumerate() {
        let own = |kind| rows.iter().filter(move |row| row.session == session as u64 && row.kind == kind);
        let with_answer = own(Kind::Message).filter(|row| row.latency_ns.is_some()).count() as u64;
        let received = with_answer + own(Kind::Push).count() as u64;
        let counted = (own(Kind::Message).count() as u64, received, with_answer);
        assert_eq!(
            (Some(counted.0), Some(counted.1), counted.2),
            (said["sent"].as_u64(), said["received"].as_u64(), answered),
            "{said}"
        );
        assert_eq!((own(Kind::Open).count(), own(Kind::Close).count()), (1, 1), "{said}");
        assert!(own(Kind::Close).all(|row| row.status.as_deref() == Some("ws:1000") && row.ok == Some(true)), "{said}");
    }
    assert_eq!((meta.issues.len(), meta.loss.expect("an account").connections.get("websocket").copied()), (0, Some(8)));
    let echoed = rows.iter().filter(|row| row.session == 4 && row.kind == Kind::Message);
    let body = format!("a text that repeats {}", "itself ".repeat(50));
    assert!(echoed.clone().count() == 3 && echoed.into_iter().all(|row| row.request.as_deref() == Some(body.as_bytes())));
    let operations: Vec<_> = rows
        .iter()
        .filter(|row| row.session == 5 && row.kind == Kind::Message)
        .map(|row| (row.operation.as_str(), row.ok))
        .collect();
    let lines = [
        ("message orders.get", Some(true)),
        ("message orders.create", Some(true)),
        ("message nothing", Some(false)),
        ("message orders.get", Some(true)),
    ];
    assert_eq!(operations, lines);
    let collections: std::collections::BTreeSet<&str> = rows.iter().map(|row| row.collection.as_str()).collect();
    assert_eq!(collections.into_iter().collect::<Vec<_>>(), ["/", "chat", "echo"], "`rpc` alone says how, not what");
    let text = format!("{rows:?}");
    assert!(!text.contains("not-a-secret") && text.contains("redacted-"));
}

/// What the client of two WebSockets in streams of one HTTP/2 connection sent and received (see the capture's README).
#[test]
fn streams_of_http2_are_as_their_client_saw_them() {
    let case = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../captures/websocket/hypercorn-http2");
    let expect = std::fs::read_to_string(case.join("expect.json")).expect("it is committed");
    let expect: serde_json::Value = serde_json::from_str(&expect).expect("it is JSON");
    let dissect = capture::dissect::Options { keep_responses: true, ..Default::default() };
    let options = ImportOptions { dissect, ..ImportOptions::default() };
    let (meta, rows) = import_all(&[case.join("capture.pcap")], &options);
    let text = |row: &Exchange, body: &Option<bytes::Bytes>| {
        serde_json::json!([row.stream, String::from_utf8_lossy(body.as_deref().unwrap_or_default())])
    };
    let of = |kinds: &[Kind]| rows.iter().filter(|row| kinds.contains(&row.kind)).collect::<Vec<_>>();
    let sent: Vec<_> = of(&[Kind::Message]).into_iter().map(|row| text(row, &row.request)).collect();
    let received: Vec<_> = of(&[Kind::Message, Kind::Push]).into_iter().map(|row| text(row, &row.response)).collect();
    assert_eq!((serde_json::json!(sent), serde_json::json!(received)), (expect["sent"].clone(), expect["received"].clone()));
    let opened: Vec<_> = of(&[Kind::Open]).into_iter().map(|row| (&*row.target, &*row.yields[0].value)).collect();
    assert_eq!(opened, [("/chat", expect["agreed"][0].as_str().unwrap()), ("/echo", expect["agreed"][1].as_str().unwrap())]);
    let others: Vec<_> = of(&[Kind::Request, Kind::Close]).into_iter().map(|row| (row.stream, row.status.as_deref())).collect();
    assert_eq!(others, [(5, Some("204")), (1, Some("ws:1000")), (3, Some("ws:1000"))]);
    assert_eq!((meta.issues.len(), meta.loss.expect("an account").exchanges.lost), (0, 0));
}

/// From tshark: what each frame holds, and when it was captured.
#[test]
fn the_corpus_has_its_messages() {
    let Some(corpus) = corpus("the_corpus_has_its_messages") else { return };
    let rows = |file: &str| import_all(&[corpus.join("pcap").join(file)], &ImportOptions::default()).1;
    let toggles: Vec<String> =
        rows("ws-deflate.pcap").iter().filter(|row| row.kind == Kind::Push).map(|row| row.response_bytes.to_string()).collect();
    assert_eq!(toggles, ["40", "25", "20", "20", "22", "21", "22", "22", "17", "22"]);
    let echo = rows("ws-echo.pcap");
    let hello = echo.iter().find(|row| row.request.as_deref() == Some(&b"Hello, WebSocket!"[..])).expect("it was said");
    assert_eq!((hello.latency_ns, hello.request_bytes, hello.response_bytes), (Some(30_265_000), 6 + 17, 2 + 17));
    let broker = rows("ws-broker.pcap");
    let answered: Vec<bool> = broker.iter().filter(|row| row.kind == Kind::Message).map(|row| row.latency_ns.is_some()).collect();
    assert_eq!(answered, [true, true, true, false], "an acknowledgement, and an event for each event");
}

fn event() -> impl Strategy<Value = Say> {
    let side = prop::sample::select(vec![Client, Server]);
    let words = prop::sample::select(vec!["hello", "{\"id\":1,\"method\":\"get\"}", "{\"id\":1}", ""]);
    let kinds = prop::sample::select(vec![ControlKind::Close, ControlKind::Ping, ControlKind::Pong]);
    prop_oneof![
        4 => (side.clone(), words).prop_map(|(side, words)| text(side, words)),
        1 => (side.clone(), kinds).prop_map(|(side, kind)| control(side, kind, b"\x03\xe8")),
        1 => (side.clone(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(side, first, end, compressed)| {
            let mut out = Vec::new();
            let opening = Opening { kind: MessageKind::Binary, compressed };
            push_fragment(first.then_some(opening), end, key(side), &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], &mut out);
            Say::Bytes(side, out)
        }),
        1 => (side.clone(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(side, bytes)| Say::Bytes(side, bytes)),
        1 => (side.clone(), 1_u64..40).prop_map(|(side, missing)| Say::Gap(side, missing)),
        1 => side.prop_map(Say::End),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Messages, fragments, noise and holes at random: no panic, and each row comes once.
    #[test]
    fn nothing_does_harm(script in prop::collection::vec(event(), 0..40), how in 0..3_usize) {
        let out = play([None, Some(""), Some("permessage-deflate")][how], &script);
        check_rows(&out);
    }

    /// However the same bytes are cut, the same rows come of them.
    #[test]
    fn any_cut_gives_the_same_rows(script in prop::collection::vec(event(), 0..30), part_bytes in 1_usize..20) {
        // Without noise and holes: behind those, where a frame may start is told by where segments end.
        let fits = |say: &Say| !matches!(say, Say::Gap(..)) && play(Some("permessage-deflate"), std::slice::from_ref(say)).undecoded_bytes == 0;
        let script: Vec<Say> = script.into_iter().filter(fits).collect();
        prop_assume!(play(Some("permessage-deflate"), &script).undecoded_bytes == 0);
        check_parts(&PROTOCOL, &about(Some("permessage-deflate")), &script, part_bytes);
    }
}
