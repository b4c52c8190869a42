//! The dissector of HTTP/2 and gRPC: streams, calls, and what of them is left when bytes are missing.

mod support;

use capture::dissect::http2::{PROTOCOL, STREAMS_MAX};
use capture::dissect::{Emit, Upgrade};
use proptest::prelude::*;
use support::talk::{Say, about, check_parts, check_rows, flags, outcome, play_on};
use trace::{Exchange, Kind, Name, TraceNs};
use wire::Side::{self, Client, Server};
use wire::grpc::push_message;
use wire::hpack::{Encoder, Field};
use wire::http2::{FRAME_BYTES_DEFAULT, PREFACE, push_data, push_headers, push_reset, push_settings};
use wire::websocket::{MessageKind, push_message as push_ws};

/// Both sides of a connection with their tables.
#[derive(Default)]
struct Talk {
    encoders: [Encoder; 2],
    script: Vec<Say>,
}

impl Talk {
    fn new() -> Self {
        let mut talk = Self::default();
        let mut first = PREFACE.to_vec();
        push_settings(&[], &mut first);
        talk.say(Client, first);
        talk
    }

    fn say(&mut self, side: Side, bytes: Vec<u8>) -> &mut Self {
        self.script.push(Say::Bytes(side, bytes));
        self
    }

    fn headers(&mut self, side: Side, stream: u32, lines: &str, end: bool) -> &mut Self {
        let line = |line: &'static str| line[1..].split_once(": ").map(|(name, value)| (&line[..=name.len()], value));
        let lines: Vec<(&str, &str)> = lines.to_owned().leak().split('|').map(|text| line(text).expect("name: value")).collect();
        let fields = lines.iter().map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes()));
        let (mut block, mut out) = (Vec::new(), Vec::new());
        self.encoders[side as usize].encode(fields, &mut block);
        push_headers(stream, &block, end, FRAME_BYTES_DEFAULT, &mut out);
        self.say(side, out)
    }

    fn data(&mut self, side: Side, stream: u32, body: &[u8], end: bool) -> &mut Self {
        let mut out = Vec::new();
        push_data(stream, body, end, FRAME_BYTES_DEFAULT, &mut out);
        self.say(side, out)
    }

    fn reset(&mut self, side: Side, stream: u32, code: u32) -> &mut Self {
        let mut out = Vec::new();
        push_reset(stream, code, &mut out);
        self.say(side, out)
    }

    fn message(&mut self, side: Side, stream: u32, message: &str, end: bool) -> &mut Self {
        let mut body = Vec::new();
        push_message(message.as_bytes(), false, &mut body);
        self.data(side, stream, &body, end)
    }

    fn get(&mut self, stream: u32, path: &str) -> &mut Self {
        self.headers(Client, stream, &format!(":method: GET|:scheme: http|:path: {path}|:authority: a:80"), true)
    }

    fn call(&mut self, stream: u32, method: &str) -> &mut Self {
        let lines =
            format!(":method: POST|:scheme: http|:path: /shop.Orders/{method}|content-type: application/grpc|te: trailers");
        self.headers(Client, stream, &lines, false)
    }

    fn play(&self) -> Emit {
        play(true, &self.script)
    }
}

fn play(from_start: bool, script: &[Say]) -> Emit {
    support::talk::play(&PROTOCOL, from_start, script)
}

/// `kind target stream status ok latency/µs` of each exchange, with what is flagged.
fn brief(out: &Emit) -> Vec<String> {
    let one = |row: &Exchange| {
        format!("{} {} {} {} {}", row.kind.as_str(), row.target, row.stream, outcome(row), flags(row, "+")).trim_end().to_owned()
    };
    out.exchanges.iter().map(one).collect()
}

#[test]
fn streams_that_run_beside_each_other_are_exchanges() {
    let mut talk = Talk::new();
    talk.get(1, "/a").get(3, "/b?x=1");
    talk.headers(Server, 3, ":status: 404", true);
    talk.headers(Server, 1, ":status: 103|link: x", false).headers(Server, 1, ":status: 200|content-type: text/plain", false);
    talk.data(Server, 1, b"hel", false).data(Server, 1, b"lo", false).headers(Server, 1, "x-checked: yes", true);
    let out = talk.play();
    assert_eq!(brief(&out), ["request /a 1 200 ok 7", "request /b?x=1 3 404 bad 1"]);
    let first = &out.exchanges[0];
    let names = (first.protocol.as_str(), first.version.as_str(), first.method.as_str(), first.operation.as_str());
    assert_eq!(names, ("http", "2", "GET", "GET /a"));
    assert_eq!(first.response.as_deref(), Some(&b"hello"[..]));
    assert_eq!(first.first_byte_ns, Some(4000), "the interim answer is not the first byte");
    let header = &first.headers.as_deref().expect("it has headers")[0];
    assert_eq!((&*header.name, &header.value[..]), ("host", &b"a:80"[..]));
    // Each frame of the answer with its nine bytes of head.
    let sent: usize = talk.script.iter().map(|say| if let Say::Bytes(Server, bytes) = say { bytes.len() } else { 0 }).sum();
    assert_eq!(out.exchanges.iter().map(|exchange| exchange.response_bytes).sum::<u64>(), sent as u64);
    assert!(out.issues.is_empty() && out.undecoded_bytes == 0, "{:?}", out.issues);
}

#[test]
fn bodies_cookies_and_trailers_of_requests() {
    let mut talk = Talk::new();
    talk.headers(Client, 1, ":method: PUT|:path: /f|cookie: a=b|x-y: z|cookie: c=d", false);
    talk.data(Client, 1, b"bo", false).data(Client, 1, b"dy", false).headers(Client, 1, "x-sum: 1", true);
    talk.headers(Server, 1, ":status: 201", true);
    let out = talk.play();
    assert_eq!(brief(&out), ["request /f 1 201 ok 4"]);
    let headers = out.exchanges[0].headers.as_deref().expect("it has headers");
    let headers: Vec<_> =
        headers.iter().map(|header| (&*header.name, String::from_utf8_lossy(&header.value).into_owned())).collect();
    assert_eq!(headers, [("cookie", "a=b; c=d".to_owned()), ("x-y", "z".to_owned())]);
    assert_eq!(out.exchanges[0].request.as_deref(), Some(&b"body"[..]));
}

#[test]
fn a_reset_says_who_gave_up() {
    let mut talk = Talk::new();
    talk.get(1, "/refused").reset(Server, 1, 7);
    talk.get(3, "/cancelled").reset(Client, 3, 8);
    talk.get(5, "/cut").headers(Server, 5, ":status: 200", false).reset(Server, 5, 2);
    talk.headers(Client, 7, ":method: POST|:path: /early", false).headers(Server, 7, ":status: 413", true).reset(Server, 7, 0);
    assert_eq!(
        brief(&talk.play()),
        [
            "request /refused 1 reset:refused_stream bad 1 truncated",
            "request /cancelled 3 - - - truncated",
            "request /cut 5 200 bad - truncated",
            "request /early 7 413 bad 1 truncated+unreplayable",
        ]
    );
}

#[test]
fn what_never_ends_is_given_back() {
    let mut talk = Talk::new();
    talk.get(1, "/waits").headers(Client, 3, ":method: POST|:path: /half", false);
    talk.get(5, "/long").headers(Server, 5, ":status: 200", false);
    let lines = ["request /waits 1 - - -", "request /half 3 - - - open+unreplayable", "request /long 5 200 ok - open"];
    assert_eq!(brief(&talk.play()), lines);
}

#[test]
fn the_request_that_asked_for_the_change_is_stream_1() {
    let mut about = about(true);
    let mut exchange = about.row(Kind::Request, TraceNs(0));
    exchange.target = "/up".into();
    (exchange.status, exchange.request_bytes, exchange.response_bytes) = (Some(Name::from("101")), 90, 71);
    about.upgrade = Some(Box::new(Upgrade { exchange, answer_headers: Vec::new() }));
    let mut talk = Talk::new();
    talk.headers(Server, 1, ":status: 200", false).data(Server, 1, b"hi", true);
    let out = play_on(&PROTOCOL, &about, &talk.script, usize::MAX);
    assert_eq!(brief(&out), ["request /up 1 200 ok 2"]);
    assert_eq!((out.exchanges[0].request_bytes, out.exchanges[0].response_bytes), (90, 71 + 10 + 11));
    let unanswered = play_on(&PROTOCOL, &about, &talk.script[..1], usize::MAX);
    assert_eq!(brief(&unanswered), ["request /up 1 101 - -"]);
}

#[test]
fn who_comes_late_gets_what_is_known() {
    let mut talk = Talk::new();
    talk.get(1, "/a").headers(Server, 1, ":status: 200|x-id: 7", true);
    talk.get(3, "/a").headers(Server, 3, ":status: 200|x-id: 7", true).get(5, "/new").headers(Server, 5, ":status: 500", true);
    let out = play(false, &talk.script[3..]);
    assert_eq!(
        brief(&out),
        ["request  3 200 ok 1 gap+mid_connection+unreplayable", "request /new 5 500 bad 1 gap+mid_connection"]
    );
    assert_eq!((out.issues.count("hpack-unknown-entry"), out.undecoded_bytes), (4, 0));
    let answer_only = play(false, &talk.script[2..3]);
    assert_eq!(answer_only.issues.count("http-response-without-request"), 1);
}

#[test]
fn holes_are_bridged_inside_data_and_searched_over_elsewhere() {
    let mut talk = Talk::new();
    talk.headers(Client, 1, ":method: POST|:path: /f", false).data(Client, 1, &[7; 200], true);
    talk.headers(Server, 1, ":status: 200", false).data(Server, 1, &[8; 100], true);
    let whole = talk.play();
    let Say::Bytes(_, sent) = talk.script[2].clone() else { panic!("bytes") };
    talk.script
        .splice(2..3, [Say::Bytes(Client, sent[..50].to_vec()), Say::Gap(Client, 100), Say::Bytes(Client, sent[150..].to_vec())]);
    let out = talk.play();
    assert_eq!(brief(&out), ["request /f 1 200 ok 5 gap+unreplayable"]);
    assert_eq!(out.exchanges[0].request_bytes, whole.exchanges[0].request_bytes);

    let mut talk = Talk::new();
    talk.get(1, "/a").get(3, "/lost").get(5, "/b");
    talk.script[2] = Say::Gap(Client, 30);
    talk.headers(Server, 1, ":status: 200", true).headers(Server, 3, ":status: 200", true).headers(
        Server,
        5,
        ":status: 200",
        true,
    );
    let out = talk.play();
    assert_eq!(out.exchanges.iter().map(|exchange| exchange.stream).collect::<Vec<_>>(), [1, 5]);
    assert_eq!(&*out.exchanges[1].target, "/b");
    assert_eq!((out.issues.count("http2-frames-lost"), out.issues.count("http-response-without-request")), (1, 1));
}

/// A head that looks like one, of a frame that is none: the search behind it gets on.
#[test]
fn a_frame_shorter_than_its_padding_is_passed_over() {
    let mut talk = Talk::new();
    talk.say(Client, b"\0\0\x02\0\x08\0\0\0\x01\xff\xff".to_vec()).get(3, "/b");
    let out = talk.play();
    assert_eq!(brief(&out), ["request /b 3 - - -"]);
    assert_eq!((out.issues.count("http2-malformed-frame"), out.undecoded_bytes), (1, 11));
}

/// A CONNECT for another protocol (RFC 8441, section 5.1), beside other streams of the connection.
#[test]
fn a_websocket_in_a_stream_has_rows_by_message() {
    let frame = |side: Side, text: &str| {
        let mut out = Vec::new();
        push_ws(MessageKind::Text, false, (side == Client).then_some([1, 2, 3, 4]), text.as_bytes(), &mut out);
        out
    };
    let connect = |talk: &mut Talk, stream: u32| {
        let lines = ":method: CONNECT|:protocol: websocket|:scheme: http|:path: /chat|:authority: a:80|sec-websocket-version: 13";
        talk.headers(Client, stream, lines, false);
    };
    let mut talk = Talk::new();
    connect(&mut talk, 1);
    talk.headers(Server, 1, ":status: 200|sec-websocket-protocol: chat.v1", false).get(3, "/a");
    talk.data(Client, 1, &frame(Client, "one"), false).headers(Server, 3, ":status: 204", true);
    let answer = frame(Server, "two");
    talk.data(Server, 1, &answer[..2], false).data(Server, 1, &answer[2..], false).data(Server, 1, &frame(Server, "news"), false);
    // Close frames with the code 1000.
    talk.data(Client, 1, &[0x88, 0x82, 0, 0, 0, 0, 3, 0xe8], true).data(Server, 1, &[0x88, 2, 3, 0xe8], true);
    connect(&mut talk, 5);
    talk.headers(Server, 5, ":status: 403", true).data(Client, 5, b"", true);
    connect(&mut talk, 7);
    talk.headers(Server, 7, ":status: 200", false).data(Client, 7, &frame(Client, "late"), false).reset(Server, 7, 8);
    let out = talk.play();
    assert_eq!(
        brief(&out),
        [
            "open /chat 1 200 ok 1 setup+unreplayable",
            "request /a 3 204 ok 2",
            "message /chat 1 - ok 3",
            "push /chat 1 - ok 0",
            "close /chat 1 ws:1000 ok 1",
            "request /chat 5 403 bad 1 unreplayable",
            "open /chat 7 200 ok 1 setup+unreplayable",
            "message /chat 7 - - -",
            "close /chat 7 ws:1006 bad - ",
        ]
        .map(str::trim_end)
    );
    let yields: Vec<_> = out.exchanges[0].yields.iter().map(|found| (found.name.as_str(), &*found.value)).collect();
    assert_eq!(yields, [("sec-websocket-protocol", "chat.v1")]);
    assert_eq!((out.exchanges[2].protocol.as_str(), out.exchanges[2].version.as_str()), ("websocket", "13"));
    check_rows(&out);
    assert!(out.undecoded_bytes == 0 && out.issues.is_empty(), "{:?}", out.issues);
}

#[test]
fn promised_answers_are_rows_of_the_server() {
    let mut talk = Talk::new();
    talk.get(1, "/page");
    let mut block = 2_u32.to_be_bytes().to_vec();
    talk.encoders[1].encode([Field::new(b":method", b"GET"), Field::new(b":path", b"/style.css")], &mut block);
    let mut promise = (block.len() as u32).to_be_bytes()[1..].to_vec();
    promise.extend([5, 4, 0, 0, 0, 1]);
    promise.extend(block);
    talk.say(Server, promise).headers(Server, 2, ":status: 200", false).data(Server, 2, b"css", true);
    talk.headers(Server, 1, ":status: 200", true);
    assert_eq!(brief(&talk.play()), ["request /page 1 200 ok 4", "push /style.css 2 200 ok 2"]);
}

#[test]
fn a_unary_call_is_an_exchange_with_the_status_of_its_trailers() {
    let mut talk = Talk::new();
    talk.call(1, "GetOrder").message(Client, 1, "ask", true);
    talk.headers(Server, 1, ":status: 200|content-type: application/grpc", false).message(Server, 1, "answer", false);
    talk.headers(Server, 1, "grpc-status: 0|grpc-message: 100 %25 fine%C3%BC%", true);
    talk.call(3, "Buy").message(Client, 3, "ask", true).headers(Server, 3, ":status: 200|grpc-status: 5", true);
    talk.call(5, "Silent").message(Client, 5, "ask", true).headers(Server, 5, ":status: 200", true);
    let out = talk.play();
    assert_eq!(
        brief(&out),
        [
            "request /shop.Orders/GetOrder 1 grpc:0 ok 4",
            "request /shop.Orders/Buy 3 grpc:5 bad 2",
            "request /shop.Orders/Silent 5 200 bad 2",
        ]
    );
    let row = &out.exchanges[0];
    assert_eq!(
        (row.protocol.as_str(), row.collection.as_str(), row.operation.as_str()),
        ("grpc", "shop.Orders", "shop.Orders/GetOrder")
    );
    assert_eq!((row.items, row.effect, row.request.as_deref()), (1, trace::Effect::Read, Some(&b"\0\0\0\0\x03ask"[..])));
    let yields: Vec<_> = row.yields.iter().map(|found| (found.name.as_str(), &*found.value)).collect();
    assert_eq!((out.issues.count("grpc-status-missing"), yields), (1, vec![("grpc-message", "100 % fineü%")]));
}

/// Events are a microsecond apart: the second and the last call are given up when their time is over.
#[test]
fn a_client_whose_time_is_over_has_its_status() {
    let mut talk = Talk::new();
    let call = |talk: &mut Talk, stream: u32, timeout: &str| {
        let lines = ":method: POST|:scheme: http|:path: /shop.Orders/Buy|content-type: application/grpc|grpc-timeout: ";
        talk.headers(Client, stream, &format!("{lines}{timeout}"), false).message(Client, stream, "ask", false);
    };
    call(&mut talk, 1, "1S");
    talk.data(Client, 1, b"", true).reset(Client, 1, 8);
    call(&mut talk, 3, "3u");
    talk.data(Client, 3, b"", true).reset(Client, 3, 8);
    call(&mut talk, 5, "900n");
    talk.message(Client, 5, "more", false).reset(Client, 5, 8);
    let path = "/shop.Orders/Buy";
    assert_eq!(
        brief(&talk.play()),
        [
            format!("request {path} 1 - - - truncated"),
            format!("request {path} 3 grpc:4 bad 3 truncated"),
            format!("open {path} 5 - - -"),
            format!("message {path} 5 - - -"),
            format!("close {path} 5 grpc:4 bad 0 truncated"),
        ]
    );
}

#[test]
fn a_server_stream_is_one_exchange_whose_answers_are_counted() {
    let mut talk = Talk::new();
    talk.call(1, "List").message(Client, 1, "ask", true).headers(Server, 1, ":status: 200", false);
    for _ in 0..6 {
        talk.message(Server, 1, "answer", false);
    }
    talk.headers(Server, 1, "grpc-status: 0", true);
    let out = talk.play();
    assert_eq!(brief(&out), ["request /shop.Orders/List 1 grpc:0 ok 9"]);
    let yields: Vec<_> = out.exchanges[0].yields.iter().map(|found| (found.name.as_str(), &*found.value)).collect();
    assert_eq!(yields, [("messages", "6")]);
}

/// Two messages of the client make a call long-lived: the first is in `open`, and everything on the wire is in some row, once.
#[test]
fn long_lived_calls_are_rows_by_message() {
    let mut talk = Talk::new();
    talk.call(1, "Chat").headers(Server, 1, ":status: 200", false);
    for n in ["1", "2", "3"] {
        talk.message(Client, 1, n, false).message(Server, 1, n, false);
    }
    talk.message(Server, 1, "news", false).data(Client, 1, b"", true).headers(Server, 1, "grpc-status: 0", true);
    let out = talk.play();
    let path = "/shop.Orders/Chat 1";
    assert_eq!(
        brief(&out),
        [
            format!("open {path} 200 ok 3"),
            format!("message {path} - ok 1"),
            format!("message {path} - ok 1"),
            format!("push {path} - ok 0"),
            format!("close {path} grpc:0 ok 1"),
        ]
    );
    assert_eq!(out.exchanges.iter().map(|row| row.seq).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!(out.exchanges[1].request.as_deref(), Some(&b"\0\0\0\0\x012"[..]));
    assert_eq!(out.exchanges[3].response.as_deref(), Some(&b"\0\0\0\0\x04news"[..]));
    let first = PREFACE.len() + 9;
    let sent = |side| {
        talk.script
            .iter()
            .map(|say| if let Say::Bytes(of, bytes) = say { if *of == side { bytes.len() } else { 0 } } else { 0 })
            .sum::<usize>()
    };
    let rows = |bytes: fn(&Exchange) -> u64| out.exchanges.iter().map(bytes).sum::<u64>() as usize;
    assert_eq!((rows(|row| row.request_bytes), rows(|row| row.response_bytes)), (sent(Client) - first, sent(Server)));

    let mut talk = Talk::new();
    talk.call(1, "Upload").message(Client, 1, "1", false).message(Client, 1, "2", false).message(Client, 1, "3", true);
    talk.headers(Server, 1, ":status: 200", false).message(Server, 1, "done", false).headers(Server, 1, "grpc-status: 0", true);
    let path = "/shop.Orders/Upload 1";
    assert_eq!(
        brief(&talk.play()),
        [
            format!("open {path} 200 ok 4"),
            format!("message {path} - - -"),
            format!("message {path} - - -"),
            format!("close {path} grpc:0 ok 3"),
            format!("push {path} - ok 0"),
        ]
    );
}

#[test]
fn endless_streams_and_bodies_are_bounded() {
    let mut talk = Talk::new();
    for stream in 0..STREAMS_MAX as u32 + 10 {
        talk.get(2 * stream + 1, "/a");
    }
    let out = talk.play();
    assert_eq!((out.exchanges.len(), out.issues.count("http-outstanding-limit")), (STREAMS_MAX + 10, 10));

    let mut talk = Talk::new();
    for stream in 0..8 {
        talk.headers(Client, 2 * stream + 1, ":method: POST|:path: /a", false);
        talk.data(Client, 2 * stream + 1, &vec![0; 12 << 20], false);
    }
    let out = talk.play();
    assert_eq!(out.exchanges.len(), 8);
    assert!(out.issues.count("http-outstanding-limit") >= 2);
}

fn event() -> impl Strategy<Value = Say> {
    let side = prop::sample::select(vec![Client, Server]);
    let lines = prop::sample::select(vec![
        ":method: POST|:path: /a.B/C|content-type: application/grpc",
        ":method: GET|:path: /x",
        ":status: 200|x-a: b",
        ":status: 100",
        "grpc-status: 0",
    ]);
    let stream = prop::sample::select(vec![1_u32, 3, 5]);
    prop_oneof![
        (side.clone(), stream.clone(), lines, any::<bool>()).prop_map(|(side, stream, lines, end)| {
            let mut talk = Talk::default();
            talk.headers(side, stream, lines, end).script.remove(0)
        }),
        (side.clone(), stream.clone(), prop::sample::select(vec!["", "m", "message"]), any::<bool>())
            .prop_map(|(side, stream, text, end)| Talk::default().message(side, stream, text, end).script.remove(0)),
        (side.clone(), stream, 0_u32..9)
            .prop_map(|(side, stream, code)| Talk::default().reset(side, stream, code).script.remove(0)),
        (side.clone(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(side, bytes)| Say::Bytes(side, bytes)),
        (side, 1_u64..40).prop_map(|(side, missing)| Say::Gap(side, missing)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Frames, noise and holes at random: no panic, and each row comes once.
    #[test]
    fn nothing_does_harm(script in prop::collection::vec(event(), 0..40), from_start in any::<bool>()) {
        let out = play(from_start, &script);
        check_rows(&out);
    }

    /// However the same bytes are cut, the same rows come of them.
    #[test]
    fn any_cut_gives_the_same_rows(script in prop::collection::vec(event(), 0..30), part_bytes in 1_usize..40) {
        // Without noise and holes: behind those, where a frame may start is told by where segments end.
        let whole: Vec<Say> = script.into_iter().filter(|say| matches!(say, Say::Bytes(_, bytes) if bytes.len() >= 9 && bytes[0] == 0 && bytes[5] == 0)).collect();
        check_parts(&PROTOCOL, &about(true), &whole, part_bytes);
    }
}
