//! The dissector of Kafka: answers by number, topics, secrets, and what of them is left when bytes are missing.

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use capture::dissect::kafka::{PENDING_MAX, PROTOCOL};
use capture::dissect::{Emit, Probe};
use capture::import::ImportOptions;
use proptest::prelude::*;
use support::talk::{Say, about, brief, check_parts, check_rows, play};
use trace::{Effect, Exchange, Flag};
use wire::Side::{Client, Server};
use wire::kafka::{push_answer, push_request};

const METADATA: (i16, i16) = (3, 1);

fn ask((kind, version): (i16, i16), number: i32, body: &[u8]) -> Say {
    let mut out = Vec::new();
    push_request(kind, version, number, Some("me"), body, &mut out);
    Say::Bytes(Client, out)
}

fn answer((kind, version): (i16, i16), number: i32, body: &[u8]) -> Say {
    let mut out = Vec::new();
    push_answer(kind, version, number, body, &mut out);
    Say::Bytes(Server, out)
}

fn metadata(number: i32) -> Say {
    ask(METADATA, number, b"\0\0\0\x01\0\x04news")
}

fn told(number: i32) -> Say {
    answer(METADATA, number, &[0; 16])
}

fn play_all(script: &[Say]) -> Emit {
    play(&PROTOCOL, true, script)
}

#[test]
fn answers_are_matched_by_number() {
    let produce = |acks: &[u8], number| {
        ask((0, 3), number, &[&b"\xff\xff"[..], acks, b"\0\0\x27\x10\0\0\0\x01\0\x04news\0\0\0\0"].concat())
    };
    let script = [
        ask((18, 0), 1, b""),
        metadata(2),
        answer(METADATA, 2, b"\0\0\0\0\0\0\0\x01\0\0\0\x01\0\x05\0\x04news\0\0\0\0\0"),
        answer((18, 0), 1, b"\0\0\0\0\0\0"),
        produce(b"\0\0", 3),
        produce(b"\0\x01", 4),
        answer((0, 3), 4, &[0; 8]),
        ask((12, 0), 5, b"\0\x05group\0\0\0\x01\0\x01m"),
    ];
    let out = play_all(&script);
    assert_eq!(
        brief(&out),
        [
            "request ApiVersions NONE ok 3 setup",
            "request Metadata news LEADER_NOT_AVAILABLE bad 1",
            "message Produce news - - -",
            "request Produce news NONE ok 1",
            "request Heartbeat group - - -",
        ]
    );
    let row = &out.exchanges[1];
    assert_eq!(
        (row.protocol.as_str(), row.version.as_str(), row.collection.as_str(), row.operation.as_str()),
        ("kafka", "1", "news", "Metadata")
    );
    let effects: Vec<_> = out.exchanges.iter().map(|row| row.effect).collect();
    assert_eq!(effects, [Effect::Control, Effect::Read, Effect::Write, Effect::Write, Effect::Control]);
    assert!(out.issues.is_empty() && out.undecoded_bytes == 0, "{:?}", out.issues);
}

/// Metadata of version 12 names the topic that a Fetch of version 13 asks for by id; the next Fetch goes on with it.
#[test]
fn topics_by_id_have_names() {
    let named = [
        &b"\0\0\0\0\x02\0\0\0\x01\x02h\0\0\x23\x84\0\0\x03id\0\0\0\x01\x02\0\0\x05news"[..],
        &7_u128.to_be_bytes(),
        b"\0\x01\x80\0\0\0\0\0",
    ]
    .concat();
    let fetch = |topics: &[u8], number| ask((1, 13), number, &[&[0; 25][..], topics, b"\x01\x01\0"].concat());
    let topics = [&b"\x02"[..], &7_u128.to_be_bytes(), b"\x01\0"].concat();
    let script = [ask((3, 12), 1, b"\0\x01\0\0"), answer((3, 12), 1, &named), fetch(&topics, 2), fetch(b"\x01", 3)];
    let out = play_all(&script);
    assert_eq!(out.exchanges[1..].iter().map(|row| row.collection.as_str()).collect::<Vec<_>>(), ["news", "news"]);
}

/// Requests of several topics, with all of their partitions (Kafka's message definitions).
#[test]
fn several_topics_are_named_together() {
    let text = |name: &str| [&(name.len() as u16).to_be_bytes()[..], name.as_bytes()].concat();
    let list = |items: &[Vec<u8>]| [&(items.len() as u32).to_be_bytes()[..], &items.concat()].concat();
    let topics = |names: &[&str], partition: &[u8]| {
        let each = |name: &&str| [text(name), list(&[partition.to_vec(), partition.to_vec()])].concat();
        list(&names.iter().map(each).collect::<Vec<_>>())
    };
    let produce = |names: &[&str], number| {
        ask((0, 3), number, &[&b"\xff\xff\0\x01\0\0\x27\x10"[..], &topics(names, &[0, 0, 0, 1, 0, 0, 0, 0])].concat())
    };
    let fetch = |epoch: i32, names: &[&str], number| {
        let front = [&[0xff; 4][..], &[0; 17], &epoch.to_be_bytes()].concat();
        ask((1, 11), number, &[&front[..], &topics(names, &[7; 28]), &[0; 6]].concat())
    };
    let commit = [text("g"), vec![0; 4], text("m"), topics(&["b", "a"], &[&[1; 12][..], &[0xff; 6]].concat())].concat();
    let script = [
        produce(&["b", "a"], 1),
        produce(&["a"], 2),
        produce(&["e", "d", "c", "b", "a"], 3),
        fetch(0, &["b", "a"], 4),
        fetch(1, &["a"], 5),
        fetch(2, &[], 6),
        fetch(0, &["a"], 7),
        ask((8, 6), 8, &commit),
        ask((2, 1), 9, &[vec![0xff; 4], topics(&["y", "x"], &[3; 12])].concat()),
        ask((20, 0), 10, &[list(&[text("q"), text("p")]), vec![0; 4]].concat()),
    ];
    let out = play_all(&script);
    let found: Vec<&str> = out.exchanges.iter().map(|row| row.collection.as_str()).collect();
    assert_eq!(found, ["a,b", "a", "a,b,c,+2", "a,b", "a,b", "a,b", "a", "a,b", "x,y", "p,q"]);
}

#[test]
fn who_a_client_is_is_never_kept() {
    // With heads since version 1 of the handshake, without before.
    let script = [
        ask((17, 1), 1, b"\0\x05PLAIN"),
        answer((17, 1), 1, b"\0\0\0\0\0\0"),
        ask((36, 0), 2, b"\0\0\0\x11\0ann\0not-a-secret"),
        answer((36, 0), 2, b"\0\0\0\0\0\0\0\0"),
    ];
    let out = play_all(&script);
    assert_eq!(
        brief(&out),
        ["request SaslHandshake NONE ok 1 setup", "request SaslAuthenticate NONE ok 1 setup+redacted+unreplayable"]
    );
    assert!(!format!("{:?}", out.exchanges).contains("not-a"));
    let old = [
        ask((17, 0), 1, b"\0\x05PLAIN"),
        answer((17, 0), 1, b"\0\0\0\0\0\0"),
        Say::Bytes(Client, b"\0\0\0\x11\0ann\0not-a-secret".to_vec()),
        Say::Bytes(Server, b"\0\0\0\0".to_vec()),
        metadata(2),
        told(2),
    ];
    let out = play_all(&old);
    assert_eq!(
        brief(&out),
        [
            "request SaslHandshake NONE ok 1 setup",
            "request SaslAuthenticate - ok 1 setup+redacted+unreplayable",
            "request Metadata news NONE ok 1",
        ]
    );
    assert!(!format!("{:?}", out.exchanges).contains("not-a"));
}

#[test]
fn holes_lose_what_lies_in_them() {
    let mut script = Vec::new();
    for number in 0..5 {
        script.extend([metadata(number), told(number)]);
    }
    [2, 7].into_iter().for_each(|place| script[place] = script[place].lost());
    let out = play_all(&script);
    assert_eq!((out.exchanges.len(), out.loss.lost, out.loss.incomplete), (4, 1, 1));
    let answered: Vec<_> = out.exchanges.iter().map(|row| row.status.is_some()).collect();
    assert_eq!(answered, [true, true, false, true]);
    assert!(out.exchanges[2].flags.has(Flag::Gap));
    assert_eq!(out.issues.count("kafka-response-without-request"), 1);

    let whole = metadata(1);
    let front = &whole.bytes()[..whole.bytes().len() - 2];
    let script = [Say::Bytes(Client, front.to_vec()), Say::Gap(Client, 2), told(1), metadata(2), told(2)];
    assert_eq!(
        brief(&play_all(&script)),
        ["request Metadata  NONE ok 2 gap+unreplayable".replace("  ", " "), "request Metadata news NONE ok 1".to_owned()]
    );
}

#[test]
fn endless_requests_and_lengths_are_bounded() {
    let script: Vec<Say> = (0..PENDING_MAX as i32 + 10).map(metadata).collect();
    let out = play_all(&script);
    assert_eq!((out.exchanges.len(), out.issues.count("kafka-outstanding-limit")), (PENDING_MAX + 10, 10));
    let out = play_all(&[Say::Bytes(Client, b"\xff\xff\xff\xff\0\x03\0\x01".to_vec())]);
    assert_eq!((out.exchanges.len(), out.issues.count("kafka-request-malformed")), (0, 1));
}

/// Metadata, version 12, with one topic more than are kept in mind: a name and an id each.
#[test]
fn topics_are_bounded_and_counted() {
    let topics: u32 = (1 << 16) + 1;
    let mut told = b"\0\0\0\0\x01\0\0\0\0\0".to_vec();
    // The count and one, seven bits a byte.
    told.extend([(topics + 1) as u8 | 0x80, ((topics + 1) >> 7) as u8 | 0x80, ((topics + 1) >> 14) as u8]);
    for topic in 0..topics {
        told.extend([&b"\0\0\x05news"[..], &(u128::from(topic) + 1).to_be_bytes(), b"\0\x01\0\0\0\0\0"].concat());
    }
    told.push(0);
    let out = play_all(&[ask((3, 12), 1, b"\0\x01\0\0"), answer((3, 12), 1, &told)]);
    assert_eq!(out.issues.count("kafka-topics-limit"), 1, "{:?}", out.issues);
}

#[test]
fn first_bytes_decide() {
    let request = metadata(1);
    let request = request.bytes();
    assert_eq!((PROTOCOL.probe)(request, b""), Probe::Yes);
    assert_eq!((PROTOCOL.probe)(&request[..9], b""), Probe::More);
    assert_eq!((PROTOCOL.probe)(b"", b"\0\0\0\x04"), Probe::More);
    for other in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"*1\r\n$4\r\nPING\r\n",
        b"\0\0\0\x08\x04\xd2\x16\x2f\0\0\0\0\0\0",
        b"\0\0\0\x29\0\x03\0\0user\0postgres\0",
    ] {
        assert_eq!((PROTOCOL.probe)(other, b""), Probe::No, "{other:?}");
    }
}

/// What the clients themselves say they have sent and received (see the capture's README).
#[test]
fn requests_are_as_their_clients_counted_them() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../captures/kafka/kcat-mock");
    let expect = std::fs::read_to_string(case.join("expect.json")).expect("it is committed");
    let expect: serde_json::Value = serde_json::from_str(&expect).expect("it is JSON");
    let (meta, mut rows) = support::import_all(&[case.join("capture.pcap")], &ImportOptions::default());
    rows.retain(|row| row.headers.iter().flatten().all(|header| header.value != b"cluster"[..]));
    let tally = |rows: &mut dyn Iterator<Item = &Exchange>| {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        rows.for_each(|row| *counts.entry(row.operation.as_str()).or_default() += 1);
        serde_json::to_value(counts).expect("it is a map")
    };
    assert_eq!(tally(&mut rows.iter()), expect["sent"]);
    assert_eq!(tally(&mut rows.iter().filter(|row| row.status.is_some())), expect["received"]);
    // The mock knows no version 3 of ApiVersions, with which kcat begins: so tshark finds it, once on each of seven connections.
    let failed: Vec<_> = rows.iter().filter(|row| row.ok == Some(false)).collect();
    assert!(failed.len() == 7 && failed.iter().all(|row| row.status.as_deref() == Some("UNSUPPORTED_VERSION")), "{failed:?}");
    let produced: u64 = rows.iter().filter(|row| row.operation == "Produce").map(|row| u64::from(row.items)).sum();
    assert_eq!(Some(produced), expect["produced"].as_u64());
    let consumed: u64 = rows.iter().filter(|row| row.operation == "Fetch").map(|row| u64::from(row.items)).sum();
    assert!(consumed >= expect["consumed"].as_u64().expect("a count"), "{consumed}");
    let of_topics = rows.iter().filter(|row| matches!(row.operation.as_str(), "Produce" | "Fetch"));
    assert!(
        of_topics.clone().count() > 10 && of_topics.into_iter().all(|row| matches!(row.collection.as_str(), "orders" | "clicks"))
    );
    let unasked = |row: &&Exchange| row.kind == trace::Kind::Message;
    assert!(rows.iter().filter(unasked).count() > 0 && rows.iter().filter(unasked).all(|row| row.status.is_none()));
    // The mock answers where no acknowledgement is wanted, which a broker does not: nobody waits for that.
    let count = |side: &str| expect[side]["Produce"].as_u64().expect("a count");
    let unasked = meta.issues.iter().find(|issue| issue.kind == "kafka-response-without-request").map(|issue| issue.count);
    assert_eq!(unasked, Some(count("sent") - count("received")));
    let loss = meta.loss.expect("an import has an account");
    assert_eq!((loss.bytes_missing, meta.issues.len(), loss.undecoded.len()), (0, 2, 0), "{:?}", meta.issues);
}

fn event() -> impl Strategy<Value = Say> {
    let side = prop::sample::select(vec![Client, Server]);
    let kinds = prop::sample::select(vec![(3_i16, 1_i16), (0, 3), (0, 9), (1, 13), (17, 0), (18, 3), (99, 0)]);
    let body = prop::collection::vec(prop_oneof![any::<u8>(), 0_u8..4], 0..30);
    prop_oneof![
        4 => (kinds.clone(), 0_i32..4, body.clone()).prop_map(|(kind, number, body)| ask(kind, number, &body)),
        4 => (kinds, 0_i32..4, body.clone()).prop_map(|(kind, number, body)| answer(kind, number, &body)),
        1 => (side.clone(), body).prop_map(|(side, bytes)| Say::Bytes(side, bytes)),
        1 => (side.clone(), 1_u64..30).prop_map(|(side, missing)| Say::Gap(side, missing)),
        1 => side.prop_map(Say::End),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Messages, noise and holes at random: no panic, and each row comes once.
    #[test]
    fn nothing_does_harm(script in prop::collection::vec(event(), 0..40), from_start in any::<bool>()) {
        check_rows(&play(&PROTOCOL, from_start, &script));
    }

    /// However the same messages are cut, the same rows come of them.
    #[test]
    fn any_cut_gives_the_same_rows(numbers in prop::collection::vec(0_i32..4, 0..20), part_bytes in 1_usize..20) {
        let script: Vec<Say> = numbers.iter().flat_map(|number| [metadata(*number), told(number ^ 1)]).collect();
        check_parts(&PROTOCOL, &about(true), &script, part_bytes);
    }
}
