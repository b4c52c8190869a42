//! The dissector of MongoDB: answers by number, transactions, secrets, and what of them is left when bytes are missing.

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use capture::dissect::mongodb::{PENDING_MAX, PROTOCOL};
use capture::dissect::{Emit, Probe};
use capture::import::ImportOptions;
use proptest::prelude::*;
use support::talk::{Say, about, brief, check_parts, check_rows, play};
use trace::{Effect, Exchange, Flag};
use wire::Side::{self, Client, Server};
use wire::mongodb::{MORE_TO_COME, push_msg};

enum Is<'a> {
    Text(&'a str),
    Int(i32),
    Long(i64),
    Bytes(&'a [u8]),
    List(Vec<u8>),
    Document(Vec<u8>),
}

/// A document as BSON (bsonspec.org).
fn document(elements: &[(&str, Is<'_>)]) -> Vec<u8> {
    let mut out = vec![0; 4];
    for (name, value) in elements {
        let (kind, bytes) = match value {
            Is::Text(text) => (2, [&(text.len() as i32 + 1).to_le_bytes()[..], text.as_bytes(), b"\0"].concat()),
            Is::Document(inner) => (3, inner.clone()),
            Is::List(inner) => (4, inner.clone()),
            Is::Bytes(bytes) => (5, [&(bytes.len() as i32).to_le_bytes()[..], b"\x04", bytes].concat()),
            Is::Int(number) => (16, number.to_le_bytes().to_vec()),
            Is::Long(number) => (18, number.to_le_bytes().to_vec()),
        };
        out.extend([&[kind], name.as_bytes(), b"\0", &bytes].concat());
    }
    out.push(0);
    let length = out.len() as i32;
    out[..4].copy_from_slice(&length.to_le_bytes());
    out
}

fn say(side: Side, number: i32, answers: i32, flags: u32, elements: &[(&str, Is<'_>)]) -> Say {
    let mut out = Vec::new();
    push_msg(number, answers, flags, &document(elements), &mut out);
    Say::Bytes(side, out)
}

fn ask(number: i32, elements: &[(&str, Is<'_>)]) -> Say {
    say(Client, number, 0, 0, elements)
}

fn find(number: i32) -> Say {
    ask(number, &[("find", Is::Text("orders")), ("$db", Is::Text("shop"))])
}

fn fine(answers: i32) -> Say {
    say(Server, 100 + answers, answers, 0, &[("ok", Is::Int(1))])
}

fn play_all(script: &[Say]) -> Emit {
    play(&PROTOCOL, true, script)
}

#[test]
fn answers_are_matched_by_number() {
    let cursor = || Is::Document(document(&[("id", Is::Long(42))]));
    let script = [
        find(1),
        ask(
            2,
            &[
                ("insert", Is::Text("orders")),
                ("documents", Is::List(document(&[("0", Is::Int(1)), ("1", Is::Int(1))]))),
                ("$db", Is::Text("shop")),
            ],
        ),
        say(
            Server,
            9,
            2,
            0,
            &[
                ("n", Is::Int(0)),
                ("writeErrors", Is::List(document(&[("0", Is::Document(document(&[("code", Is::Int(11000))])))]))),
                ("ok", Is::Int(1)),
            ],
        ),
        say(Server, 10, 1, 0, &[("cursor", cursor()), ("ok", Is::Int(1))]),
        ask(3, &[("getMore", Is::Long(42)), ("collection", Is::Text("orders")), ("$db", Is::Text("shop"))]),
        say(Server, 11, 3, 0, &[("ok", Is::Int(0)), ("code", Is::Int(43)), ("codeName", Is::Text("CursorNotFound"))]),
        say(Client, 4, 0, MORE_TO_COME, &[("delete", Is::Text("orders")), ("$db", Is::Text("shop"))]),
        ask(5, &[("ping", Is::Int(1)), ("$db", Is::Text("admin"))]),
    ];
    let out = play_all(&script);
    assert_eq!(
        brief(&out),
        [
            "request find shop.orders OK ok 3",
            "request insert shop.orders DuplicateKey bad 1",
            "request getMore shop.orders CursorNotFound bad 1",
            "message delete shop.orders - - -",
            "request ping admin - - -",
        ]
    );
    let first = &out.exchanges[0];
    assert_eq!((first.protocol.as_str(), first.collection.as_str(), &*first.yields[0].value), ("mongodb", "shop.orders", "42"));
    assert_eq!(out.exchanges[1].items, 2);
    let effects: Vec<_> = out.exchanges.iter().map(|row| row.effect).collect();
    assert_eq!(effects, [Effect::Read, Effect::Write, Effect::Read, Effect::Write, Effect::Control]);
    assert!(out.issues.is_empty() && out.undecoded_bytes == 0, "{:?}", out.issues);
}

/// `$out` and `$merge` write (MongoDB Manual, "Aggregation Stages"), and so does a mapReduce whose result does not go to the client alone.
#[test]
fn results_that_go_to_a_collection_are_written() {
    let stages = |stages: &[&str]| {
        let stage = |name: &&str| Is::Document(document(&[(*name, Is::Text("x"))]));
        let places: Vec<String> = (0..stages.len()).map(|place| place.to_string()).collect();
        let list: Vec<(&str, Is<'_>)> = places.iter().map(String::as_str).zip(stages.iter().map(stage)).collect();
        ("pipeline", Is::List(document(&list)))
    };
    let ask = |number, name, more| ask(number, &[(name, Is::Text("orders")), more, ("$db", Is::Text("shop"))]);
    let batch = document(&[("0", Is::Int(1)), ("1", Is::Int(2)), ("2", Is::Int(3))]);
    let script = [
        ask(1, "aggregate", stages(&["$match", "$group"])),
        say(
            Server,
            9,
            1,
            0,
            &[("cursor", Is::Document(document(&[("firstBatch", Is::List(batch)), ("id", Is::Long(0))]))), ("ok", Is::Int(1))],
        ),
        ask(2, "aggregate", stages(&["$match", "$out"])),
        ask(3, "aggregate", stages(&["$merge"])),
        ask(4, "aggregate", ("explain", Is::Int(0))),
        ask(5, "mapReduce", ("out", Is::Text("totals"))),
        ask(6, "mapReduce", ("out", Is::Document(document(&[("inline", Is::Int(1))])))),
        ask(7, "mapReduce", ("out", Is::Document(document(&[("replace", Is::Text("totals"))])))),
    ];
    let out = play_all(&script);
    let effects: Vec<_> = out.exchanges.iter().map(|row| row.effect).collect();
    let (read, write) = (Effect::Read, Effect::Write);
    assert_eq!(effects, [read, write, write, write, write, read, write]);
    assert_eq!(out.exchanges[0].items, 3);
}

/// A number for a session alone makes a write that may be repeated, no transaction.
#[test]
fn transactions_have_their_session_and_number() {
    let write = |number, autocommit: Option<i32>| {
        let mut elements = vec![
            ("insert", Is::Text("a")),
            ("lsid", Is::Document(document(&[("id", Is::Bytes(&[0xab; 16]))]))),
            ("txnNumber", Is::Long(3)),
        ];
        elements.extend(autocommit.map(|value| ("autocommit", Is::Int(value))));
        ask(number, &elements)
    };
    let out = play_all(&[write(1, None), write(2, Some(0))]);
    let ids: Vec<_> = out.exchanges.iter().map(|row| row.txn.as_ref().map(|txn| txn.id.to_string())).collect();
    assert_eq!(ids, [None, Some(format!("{}-3", "ab".repeat(16)))]);
}

#[test]
fn answers_that_go_on_are_pushed() {
    let more = |number, answers, flags| say(Server, number, answers, flags, &[("ok", Is::Int(1))]);
    let script = [
        ask(1, &[("hello", Is::Int(1))]),
        more(10, 1, MORE_TO_COME),
        more(11, 10, MORE_TO_COME),
        more(12, 11, 0),
        find(2),
        fine(2),
    ];
    assert_eq!(
        brief(&play_all(&script)),
        ["open hello OK ok 1 setup", "push hello OK ok 0", "push hello OK ok 0", "request find shop.orders OK ok 1"]
    );
}

#[test]
fn who_a_client_is_is_never_kept() {
    let payload = || Is::Bytes(b"n,,n=ann,r=not-a-secret");
    let inner = || Is::Document(document(&[("saslStart", Is::Int(1)), ("payload", payload())]));
    let script = [
        ask(1, &[("hello", Is::Int(1)), ("speculativeAuthenticate", inner())]),
        ask(2, &[("saslStart", Is::Int(1)), ("mechanism", Is::Text("SCRAM-SHA-256")), ("payload", payload())]),
        say(Server, 10, 2, 0, &[("payload", payload()), ("ok", Is::Int(1))]),
        ask(3, &[("createUser", Is::Text("ann")), ("pwd", Is::Text("not-a-secret"))]),
        // Packed in a way that is not known: nobody can tell what is in it.
        Say::Bytes(
            Client,
            [&b"\x26\0\0\0\x04\0\0\0\0\0\0\0\xdc\x07\0\0\xdd\x07\0\0\x0d\0\0\0\x09"[..], b"not-a-secret!"].concat(),
        ),
    ];
    let out = play_all(&script);
    assert!(out.exchanges.len() == 4 && out.exchanges.iter().all(|row| row.flags.has(Flag::Redacted)), "{:?}", brief(&out));
    assert!(!format!("{:?}", out.exchanges).contains("not-a"));
    let whole = script[1].bytes();
    for cut in 1..whole.len() {
        let out = play_all(&[Say::Bytes(Client, whole[..cut].to_vec())]);
        assert!(!format!("{:?}", out.exchanges).contains("not-a"), "cut at {cut}");
    }
}

#[test]
fn holes_lose_what_lies_in_them() {
    let mut script: Vec<Say> = (0..5).flat_map(|number| [find(number + 1), fine(number + 1)]).collect();
    for place in [2, 7] {
        script[place] = script[place].lost();
    }
    let out = play_all(&script);
    assert_eq!((out.exchanges.len(), out.loss.lost, out.loss.incomplete), (4, 1, 1));
    let answered: Vec<_> = out.exchanges.iter().map(|row| row.status.is_some()).collect();
    assert_eq!(answered, [true, true, false, true]);
}

#[test]
fn endless_requests_and_lengths_are_bounded() {
    let out = play_all(&(0..PENDING_MAX as i32 + 10).map(find).collect::<Vec<_>>());
    assert_eq!((out.exchanges.len(), out.issues.count("mongodb-outstanding-limit")), (PENDING_MAX + 10, 10));
    let out = play_all(&[Say::Bytes(Client, b"\xff\xff\xff\xff\0\0\0\0\0\0\0\0\xdd\x07\0\0".to_vec())]);
    assert_eq!((out.exchanges.len(), out.issues.count("mongodb-request-malformed")), (0, 1));
}

#[test]
fn first_bytes_decide() {
    let request = find(1);
    let request = request.bytes();
    assert_eq!((PROTOCOL.probe)(request, b""), Probe::Yes);
    assert_eq!((PROTOCOL.probe)(b"", request), Probe::Yes);
    assert_eq!((PROTOCOL.probe)(&request[..15], b""), Probe::More);
    for other in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"*1\r\n$4\r\nPING\r\n\r\n\r\n", b"\0\0\0\x08\x04\xd2\x16\x2f\0\0\0\0\0\0\0\0"]
    {
        assert_eq!((PROTOCOL.probe)(other, b""), Probe::No, "{other:?}");
    }
}

/// What the responder was asked, and what failed for the client (see the capture's README).
#[test]
fn commands_are_as_both_sides_counted_them() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../captures/mongodb/pymongo-responder");
    let expect = std::fs::read_to_string(case.join("expect.json")).expect("it is committed");
    let expect: serde_json::Value = serde_json::from_str(&expect).expect("it is JSON");
    let (meta, rows) = support::import_all(&[case.join("capture.pcap")], &ImportOptions::default());
    let tally = |rows: &mut dyn Iterator<Item = &Exchange>| {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        rows.for_each(|row| *counts.entry(row.operation.as_str()).or_default() += 1);
        serde_json::to_value(counts).expect("it is a map")
    };
    let asked = || rows.iter().filter(|row| row.kind != trace::Kind::Push);
    assert_eq!(tally(&mut asked()), expect["asked"]);
    assert_eq!(tally(&mut rows.iter().filter(|row| row.ok == Some(false))), expect["failed"]);
    let unanswered: Vec<_> = asked().filter(|row| row.status.is_none()).map(|row| (row.kind, row.target.to_string())).collect();
    let insert = (trace::Kind::Message, "insert shop.orders".to_owned());
    assert_eq!(unanswered, [insert.clone(), insert], "nobody acknowledges them");
    assert_eq!(rows.iter().filter(|row| row.kind == trace::Kind::Push).count(), 2, "all the rest of a cursor, at once");
    let of_transaction: Vec<_> = rows.iter().filter(|row| row.txn.is_some()).map(|row| row.operation.as_str()).collect();
    assert_eq!(of_transaction, ["insert", "update", "commitTransaction"].repeat(2));
    assert_eq!(
        rows.iter().filter(|row| row.operation == "insert").map(|row| row.items).collect::<Vec<_>>(),
        [5, 1, 1, 1, 5, 1, 1, 1]
    );
    let loss = meta.loss.expect("an import has an account");
    assert_eq!((loss.bytes_missing, meta.issues.len(), loss.undecoded.len()), (0, 0, 0), "{:?}", meta.issues);
    assert!(!format!("{rows:?}").contains("payload"), "how a client logs in is nowhere");
}

fn event() -> impl Strategy<Value = Say> {
    let side = prop::sample::select(vec![Client, Server]);
    prop_oneof![
        4 => (0_i32..4).prop_map(find),
        4 => (0_i32..4).prop_map(fine),
        1 => (side.clone(), 0_i32..4, 0_i32..4, any::<u32>()).prop_map(|(side, number, answers, flags)| say(side, number, answers, flags, &[("ok", Is::Int(1))])),
        1 => (side.clone(), prop::collection::vec(any::<u8>(), 0..30)).prop_map(|(side, bytes)| Say::Bytes(side, bytes)),
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
        let script: Vec<Say> = numbers.iter().flat_map(|number| [find(*number), fine(*number ^ 1)]).collect();
        check_parts(&PROTOCOL, &about(true), &script, part_bytes);
    }
}
