use proptest::prelude::*;
use trace::{Exchange, Name, Names};

use super::*;
use wire::Side::{Client, Server};

/// What happens on a connection, one event a microsecond.
#[derive(Debug, Clone)]
enum Say {
    Bytes(Side, Vec<u8>),
    Gap(Side, u64),
    End(Side),
}

fn say(side: Side, text: &str) -> Say {
    Say::Bytes(side, text.as_bytes().to_vec())
}

fn about(from_start: bool) -> Connection {
    let address = "127.0.0.1:80".parse().expect("an address");
    Connection { endpoint: Name::from("a:80"), ..Connection::new(5, address, address, from_start, &mut Names::default()) }
}

fn play_from(from_start: bool, script: &[Say]) -> Emit {
    let mut out = Emit::default();
    play_into(&mut out, from_start, &Options { keep_responses: true, ..Options::default() }, script);
    out.exchanges.sort_by_key(Exchange::order);
    out
}

fn play_into(out: &mut Emit, from_start: bool, options: &Options, script: &[Say]) {
    let mut dissector = (PROTOCOL.open)(&about(from_start), options);
    let mut at = TraceNs(0);
    for event in script {
        match event {
            Say::Bytes(side, bytes) => dissector.bytes(*side, at, bytes, out),
            Say::Gap(side, missing) => dissector.gap(*side, at, *missing, out),
            Say::End(side) => dissector.end(*side, at, out),
        }
        at = at + 1000;
        if let Some(Handover { about, .. }) = out.take_handover() {
            out.push(&about, about.upgrade.clone().expect("a request asked for it").exchange);
            break;
        }
    }
    dissector.finish(at, out);
}

fn play(script: &[Say]) -> Emit {
    play_from(true, script)
}

fn get(path: &str) -> Say {
    say(Client, &format!("GET {path} HTTP/1.1\r\n\r\n"))
}

fn answer(body: &str) -> Say {
    say(Server, &format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

/// `target status body` of each exchange, with what is flagged.
fn brief(out: &Emit) -> Vec<String> {
    let one = |exchange: &Exchange| {
        let status = exchange.status.as_deref().unwrap_or("-");
        let body = exchange.response.as_ref().map_or("-".into(), |body| String::from_utf8_lossy(body).into_owned());
        let flags: Vec<_> = exchange.flags.iter().map(Flag::as_str).collect();
        format!("{} {status} {body} {}", exchange.target, flags.join("+")).trim_end().to_owned()
    };
    out.exchanges.iter().map(one).collect()
}

fn flags(exchange: &Exchange) -> Vec<Flag> {
    exchange.flags.iter().collect()
}

#[test]
fn an_exchange_has_everything() {
    let body = r#"{"vector":[1]}"#;
    let head = "POST /collections/phi3/points/search?x=1 HTTP/1.1\r\nHost: a\r\nX-B:  c \r\nContent-Length: 14\r\n\r\n";
    let reply = r#"{"result":[{"id":4}],"status":"ok","time":0.1}"#;
    let out = play(&[
        say(Client, head),
        say(Client, body),
        say(Server, &format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", reply.len())),
        say(Server, reply),
    ]);
    let [exchange] = &out.exchanges[..] else { panic!("{:?}", out.exchanges) };
    assert_eq!((exchange.at, exchange.session, exchange.seq, exchange.stream), (TraceNs(0), 5, 0, 0));
    assert_eq!((&*exchange.protocol, &*exchange.version, &*exchange.endpoint), ("http", "1.1", "a:80"));
    assert_eq!((&*exchange.method, &*exchange.target), ("POST", "/collections/phi3/points/search?x=1"));
    assert_eq!((&*exchange.collection, &*exchange.operation), ("phi3", "POST /collections/{}/points/search"));
    assert_eq!((exchange.effect, exchange.items), (trace::Effect::Read, 1));
    let headers: Vec<_> = exchange.headers.iter().flatten().map(|header| (&*header.name, &header.value[..])).collect();
    assert_eq!(headers, [("Host", &b"a"[..]), ("X-B", b"c"), ("Content-Length", b"14")]);
    assert_eq!(exchange.request.as_deref(), Some(body.as_bytes()));
    assert_eq!((exchange.request_bytes, exchange.response_bytes), ((head.len() + 14) as u64, (17 + 20 + 2 + reply.len()) as u64));
    assert_eq!((exchange.first_byte_ns, exchange.latency_ns), (Some(2000), Some(3000)));
    assert_eq!((exchange.status.as_deref(), exchange.ok), (Some("200"), Some(true)));
    assert_eq!(exchange.answer_ids, Some(vec!["4".to_owned()]));
    assert!(exchange.answer_hash.is_some() && flags(exchange).is_empty() && out.issues.is_empty());
    assert_eq!(out.undecoded_bytes, 0);
}

#[test]
fn pipelined_answers_go_to_their_requests_in_order() {
    let out = play(&[
        say(Client, &format!("{}{}", "GET /1 HTTP/1.1\r\n\r\n", "HEAD /2 HTTP/1.1\r\n\r\n")),
        get("/3"),
        answer("one"),
        say(Server, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
        answer("three"),
    ]);
    assert_eq!(brief(&out), ["/1 200 one", "/2 200", "/3 200 three"]);
    assert_eq!(out.exchanges.iter().map(|exchange| exchange.seq).collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn interim_answers_are_part_of_the_final_one() {
    let out = play(&[
        say(Client, "POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"),
        say(Server, "HTTP/1.1 100 Continue\r\n\r\n"),
        say(Client, "hi"),
        answer("ok"),
    ]);
    assert_eq!(brief(&out), ["/a 200 ok"]);
    assert_eq!(out.exchanges[0].response_bytes, 25 + 40);
    assert_eq!(out.exchanges[0].first_byte_ns, Some(3000));
}

#[test]
fn an_answer_may_come_before_the_request_is_whole() {
    let out = play(&[
        say(Client, "POST /a HTTP/1.1\r\nContent-Length: 4\r\n\r\nab"),
        say(Server, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"),
        say(Client, "cd"),
        get("/b"),
        answer("b"),
    ]);
    assert_eq!(brief(&out), ["/a 413", "/b 200 b"]);
    assert_eq!((out.exchanges[0].request.as_deref(), out.exchanges[0].ok), (Some(&b"abcd"[..]), Some(false)));
}

/// What a dissector says of its connection's change when it was told this.
fn handover(script: &[(Side, &str)]) -> Handover {
    let (mut dissector, mut out) = ((PROTOCOL.open)(&about(true), &Options::default()), Emit::default());
    for (side, text) in script {
        assert_eq!(out.take_handover(), None);
        dissector.bytes(*side, TraceNs(7), text.as_bytes(), &mut out);
    }
    let handover = out.take_handover().expect("the protocol has changed");
    dissector.finish(TraceNs(8), &mut out);
    assert!(out.exchanges.is_empty() && out.undecoded_bytes == 0, "the exchange went along");
    handover
}

#[test]
fn an_upgrade_hands_its_exchange_and_the_rest_to_the_next_protocol() {
    let Handover { about, to, rest } = handover(&[
        (Client, "GET /chat HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
        (Server, "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nX-A: b\r\n\r\nabc"),
    ]);
    assert_eq!((to.as_str(), rest, about.rows), ("websocket", [vec![], b"abc".to_vec()], 1));
    let upgrade = about.upgrade.expect("a request asked for it");
    assert_eq!((&*upgrade.exchange.target, upgrade.exchange.status.as_deref()), ("/chat", Some("101")));
    let headers: Vec<_> = upgrade.answer_headers.iter().map(|header| (&*header.name, &header.value[..])).collect();
    assert_eq!(headers, [("upgrade", &b"WebSocket"[..]), ("X-A", b"b")]);
}

#[test]
fn a_connect_waits_for_its_answer() {
    let connect = "CONNECT a:443 HTTP/1.1\r\n\r\n\x16\x03\x01";
    let Handover { to, rest, .. } = handover(&[(Client, connect), (Server, "HTTP/1.0 200 OK\r\n\r\n\x17")]);
    assert_eq!((to.as_str(), rest), ("", [b"\x16\x03\x01".to_vec(), b"\x17".to_vec()]));
    let refused = play(&[
        say(Client, "CONNECT a:443 HTTP/1.1\r\n\r\n"),
        get("/b"),
        say(Server, "HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n"),
        answer("b"),
    ]);
    assert_eq!(brief(&refused), ["a:443 405  unreplayable", "/b 200 b"]);
}

#[test]
fn answers_that_nobody_asked_for_are_issues() {
    let out = play(&[get("/1"), answer("1"), answer("x"), get("/2"), answer("2")]);
    assert_eq!(brief(&out), ["/1 200 1", "/2 200 2"]);
    assert_eq!(out.issues.count("http-response-without-request"), 1);
}

#[test]
fn a_hole_inside_a_body_costs_nothing_else() {
    let start = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc";
    let out = play(&[get("/1"), say(Server, start), Say::Gap(Server, 5), say(Server, "ij"), get("/2"), answer("2")]);
    assert_eq!(brief(&out), ["/1 200 abcij gap", "/2 200 2"]);
    let first = &out.exchanges[0];
    assert_eq!((first.response_bytes, first.latency_ns, first.answer_hash), (49, Some(3000), None));
    let to_end = play(&[get("/1"), say(Server, start), Say::Gap(Server, 7), get("/2"), answer("2")]);
    assert_eq!(brief(&to_end), ["/1 200 abc gap", "/2 200 2"]);
    assert_eq!(to_end.exchanges[0].latency_ns, None);
}

#[test]
fn a_lost_answer_leaves_its_request_alone() {
    let at_once = [get("/1"), answer("1"), get("/2"), Say::Gap(Server, 40), get("/3"), answer("3"), get("/4"), answer("4")];
    let wanted = ["/1 200 1", "/2 - - gap", "/3 200 3", "/4 200 4"];
    assert_eq!(brief(&play(&at_once)), wanted);
    let late = [get("/1"), answer("1"), get("/2"), get("/3"), Say::Gap(Server, 40), answer("3"), get("/4"), answer("4")];
    let out = play(&late);
    assert_eq!(brief(&out), wanted);
    assert_eq!(out.issues.count("http-response-lost"), 1);
}

#[test]
fn several_lost_answers_leave_all_their_requests_alone() {
    let out = play(&[get("/1"), Say::Gap(Server, 90), get("/2"), get("/3"), answer("3"), get("/4"), answer("4")]);
    assert_eq!(brief(&out), ["/1 - - gap", "/2 - - gap", "/3 200 3", "/4 200 4"]);
}

#[test]
fn a_hole_over_the_end_of_an_answer_takes_the_next_one_along_only_when_it_must() {
    let start = say(Server, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    // One after the other: the next answer cannot have begun, whatever the hole's size says.
    let waiting = play(&[get("/1"), start.clone(), Say::Gap(Server, 20), get("/2"), answer("2")]);
    assert_eq!(brief(&waiting), ["/1 200 abc gap", "/2 200 2"]);
    let pipelined = play(&[get("/1"), get("/2"), get("/3"), start, Say::Gap(Server, 20), say(Server, "rest"), answer("3")]);
    assert_eq!(brief(&pipelined), ["/1 200 abc gap", "/2 - - gap", "/3 200 3"]);
}

#[test]
fn the_framing_of_an_answer_behind_a_hole_is_that_of_its_own_request() {
    let head = say(Client, "HEAD /1 HTTP/1.1\r\n\r\n");
    let out = play(&[head, Say::Gap(Server, 40), get("/2"), answer("two"), get("/3"), answer("3")]);
    assert_eq!(brief(&out), ["/1 - - gap", "/2 200 two", "/3 200 3"]);
}

#[test]
fn lost_requests_leave_their_answers_without() {
    let out = play(&[get("/1"), answer("1"), Say::Gap(Client, 30), answer("lost"), get("/3"), answer("3")]);
    assert_eq!(brief(&out), ["/1 200 1", "/3 200 3"]);
    assert_eq!(out.issues.count("http-response-without-request"), 1);
    let inside = play(&[
        say(Client, "POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\nab"),
        Say::Gap(Client, 5),
        say(Client, "hi"),
        answer(""),
    ]);
    assert_eq!(brief(&inside), ["/a 200  gap+unreplayable"]);
}

#[test]
fn a_connection_may_begin_anywhere() {
    let out = play_from(false, &[say(Client, "of a body\r\nGET /1 HTTP/1.1\r\n\r\n"), say(Server, "tail"), answer("1")]);
    assert_eq!(brief(&out), ["/1 200 1 mid_connection"]);
    assert_eq!(out.undecoded_bytes, 11 + 4);
    let answer_first = play_from(false, &[answer("0"), get("/1"), answer("1")]);
    assert_eq!(brief(&answer_first), ["/1 200 1 mid_connection"]);
}

#[test]
fn one_side_alone_is_read_too() {
    let asks = play(&[get("/1"), get("/2"), Say::End(Client)]);
    assert_eq!(brief(&asks), ["/1 - -", "/2 - -"]);
    let answers = play(&[answer("1"), answer("2")]);
    assert_eq!((answers.exchanges.len(), answers.issues.count("http-response-without-request")), (0, 2));
}

#[test]
fn ends_decide_what_is_whole() {
    let until_close = say(Server, "HTTP/1.0 200 OK\r\n\r\nabc");
    assert_eq!(brief(&play(&[get("/"), until_close.clone(), Say::End(Server)])), ["/ 200 abc"]);
    assert_eq!(brief(&play(&[get("/"), until_close])), ["/ 200 abc open"]);
    let half = say(Server, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
    assert_eq!(brief(&play(&[get("/"), half, Say::End(Server)])), ["/ 200 abc truncated"]);
    let half = say(Client, "PUT / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc");
    assert_eq!(brief(&play(&[half.clone(), Say::End(Client)])), ["/ - - truncated+unreplayable"]);
    assert_eq!(brief(&play(&[half])), ["/ - - open+unreplayable"]);
}

#[test]
fn what_follows_a_broken_request_body_is_not_trusted() {
    let bytes = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n";
    let out = play(&[say(Client, bytes)]);
    assert_eq!(brief(&out), ["/ - - truncated+unreplayable"]);
    assert_eq!(out.issues.count("http-malformed-request"), 1);
    assert_eq!(out.undecoded_bytes, (bytes.len() - 47) as u64);
}

#[test]
fn broken_heads_are_passed_over() {
    let bad = "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n";
    let out = play(&[get("/1"), say(Server, bad), get("/2"), answer("2")]);
    assert_eq!(brief(&out), ["/1 - -", "/2 200 2"]);
    let out = play(&[say(Client, "\x01\x02 noise GET /1 HTTP/1.1\r\n\r\n"), answer("1")]);
    assert_eq!((brief(&out), out.undecoded_bytes), (vec!["/1 200 1".to_owned()], 9));
}

#[test]
fn request_lines_that_cannot_be_sent_again_say_so() {
    let out = play(&[say(Client, "GET /old\r\n\r\n"), say(Server, "<html>"), Say::End(Server)]);
    assert_eq!((brief(&out), &*out.exchanges[0].version), (vec!["/old - - unreplayable".to_owned()], ""));
}

#[test]
fn text_that_is_not_utf8_is_escaped() {
    let out = play(&[Say::Bytes(Client, b"GET /\xff HTTP/1.1\r\nX: \xfe\r\n b\r\n\r\n".to_vec()), answer("")]);
    let exchange = &out.exchanges[0];
    assert_eq!((&*exchange.target, flags(exchange)), ("/\\xff", vec![Flag::Unreplayable, Flag::Escaped]));
    assert_eq!(&exchange.headers.as_ref().expect("headers")[0].value[..], b"\xfe b");
}

#[test]
fn content_codings_are_taken_off_for_rules_and_for_keeping() {
    use std::io::Write;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(br#"{"code":7}"#).expect("memory");
    let packed = packer.finish().expect("memory");
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", packed.len());
    let ask = say(Client, "POST /v2/vectordb/entities/query HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}");
    let out = play(&[ask, Say::Bytes(Server, [head.as_bytes(), &packed].concat())]);
    assert_eq!((out.exchanges[0].ok, out.exchanges[0].response.as_deref()), (Some(false), Some(&br#"{"code":7}"#[..])));
}

#[test]
fn long_answers_have_a_digest_too() {
    let hash = |piece: usize| {
        let body = vec![b'x'; 200_000];
        let mut script = vec![get("/"), say(Server, "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n")];
        script.extend(body.chunks(piece).map(|part| Say::Bytes(Server, part.to_vec())));
        let mut out = Emit::default();
        play_into(&mut out, true, &Options::default(), &script);
        (out.exchanges[0].answer_hash, xxhash_rust::xxh3::xxh3_64(&body))
    };
    for piece in [200_000, 1460] {
        let (found, wanted) = hash(piece);
        assert_eq!(found, Some(wanted));
    }
}

#[test]
fn first_bytes_tell() {
    for (client, server, wanted) in [
        (&b"GET / HTTP/1.1\r\n"[..], &b""[..], Probe::Yes),
        (b"\r\nGET / HTTP/1.0\n", b"", Probe::Yes),
        (b"", b"HTTP/1.1 200", Probe::Yes),
        (b"OPTIONSHTTP/1.1\n", b"HTTP/1.0 400", Probe::Yes),
        (b"GET /long", b"", Probe::More),
        (b"GET /\r\n\r\n", b"<html>", Probe::Yes),
        (b"GET key\r\n", b"$3\r\n", Probe::No),
        (b"PING\r\n", b"", Probe::More),
        (b"PING\r\n", b"+PONG\r\n", Probe::No),
        (b"", b"HTT", Probe::More),
        (b"", b"220 smtp", Probe::No),
        (b"\x16\x03\x01", b"", Probe::No),
        (b"PRI * HTTP/2.0\r\n", b"", Probe::No),
    ] {
        assert_eq!(probe(client, server), wanted, "{:?}", String::from_utf8_lossy(client));
    }
}

/// A conversation one request after the other, as one event a message; answers have bodies in all framings but until-close.
fn dialogue() -> impl Strategy<Value = Vec<Say>> {
    let turn = (0_usize..3, "[a-z]{0,12}", "[a-z]{1,9}").prop_map(|(framing, body, path)| {
        let ask = if framing == 2 {
            format!("POST /{path} HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        } else {
            format!("GET /{path} HTTP/1.1\r\n\r\n")
        };
        let reply = if framing == 1 && !body.is_empty() {
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
        } else {
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        };
        [say(Client, &ask), say(Server, &reply)]
    });
    prop::collection::vec(turn, 1..6).prop_map(|turns| turns.into_iter().flatten().collect())
}

/// The same script with every message cut at these places.
fn cut(script: &[Say], cuts: &[prop::sample::Index]) -> Vec<Say> {
    let pieces = |event: &Say| match event {
        Say::Bytes(side, bytes) => {
            let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([0, bytes.len()]).collect();
            at.sort_unstable();
            at.windows(2).map(|pair| Say::Bytes(*side, bytes[pair[0]..pair[1]].to_vec())).collect()
        }
        other => vec![other.clone()],
    };
    script.iter().flat_map(pieces).collect()
}

fn without_times(out: Emit) -> Vec<Exchange> {
    let timeless = |exchange| Exchange { at: TraceNs(0), first_byte_ns: None, latency_ns: None, ..exchange };
    out.exchanges.into_iter().map(timeless).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn cuts_do_not_matter(script in dialogue(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5)) {
        let whole = without_times(play(&script));
        prop_assert_eq!(whole.len() * 2, script.len());
        prop_assert!(whole.iter().all(|exchange| exchange.ok == Some(true) && exchange.flags == trace::Flags::default()));
        prop_assert_eq!(without_times(play(&cut(&script, &cuts))), whole);
    }

    /// One answer is lost: every other request has its own answer.
    #[test]
    fn one_lost_answer_costs_one_answer(script in dialogue(), lost in any::<prop::sample::Index>(), late in any::<bool>()) {
        let whole = without_times(play(&script));
        let lost = lost.index(whole.len());
        let mut broken = script;
        let Say::Bytes(_, bytes) = broken.remove(lost * 2 + 1) else { unreachable!("answers are bytes") };
        let gap = lost * 2 + 1 + usize::from(late && lost + 1 < whole.len());
        broken.insert(gap, Say::Gap(Server, bytes.len() as u64));
        let found = without_times(play(&broken));
        prop_assert_eq!(found.len(), whole.len());
        for (index, (found, whole)) in found.iter().zip(&whole).enumerate() {
            if index == lost {
                prop_assert_eq!((&found.status, flags(found)), (&None, vec![Flag::Gap]));
            } else {
                prop_assert_eq!(found, whole);
            }
        }
    }

    /// Random and broken bytes with holes: nothing panics, all requests that were begun come out, once.
    #[test]
    fn anything_may_come(
        script in dialogue(),
        noise in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..6, any::<prop::sample::Index>(), any::<u8>()), 0..6),
        from_start in any::<bool>(),
    ) {
        let mut script = script;
        for (place, kind, at, byte) in noise {
            let place = place.index(script.len());
            let side = if byte % 2 == 0 { Client } else { Server };
            match (kind, &mut script[place]) {
                (0, _) => script.insert(place, Say::Gap(side, u64::from(byte) + 1)),
                (1, _) => script.insert(place, Say::End(side)),
                (2, Say::Bytes(_, bytes)) if !bytes.is_empty() => { let at = at.index(bytes.len()); bytes[at] = byte; }
                (3, Say::Bytes(_, bytes)) => bytes.truncate(at.index(bytes.len() + 1)),
                (4, _) => script.insert(place, Say::Bytes(side, vec![byte; 9])),
                _ => script.swap(place, 0),
            }
        }
        let out = play_from(from_start, &script);
        let places: Vec<_> = out.exchanges.iter().map(|exchange| exchange.seq).collect();
        let mut sorted = places.clone();
        sorted.sort_unstable();
        prop_assert_eq!(sorted, (0..places.len() as u32).collect::<Vec<_>>());
    }
}
