//! The dissector of Redis: pairs, subscriptions, transactions, secrets, and what of them is left when bytes are missing.

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use capture::dissect::redis::{PENDING_MAX, PROTOCOL};
use capture::dissect::{Emit, Probe};
use capture::import::{ImportOptions, import};
use capture::redact::Policy;
use proptest::prelude::*;
use support::talk::{Say, about, brief, check_parts, check_rows, play};
use trace::{Exchange, Kind};
use wire::Side::{Client, Server};
use wire::redis::push_command;

#[derive(Default)]
struct Talk(Vec<Say>);

impl Talk {
    fn ask(&mut self, line: &str) -> &mut Self {
        let words: Vec<&str> = line.split(' ').collect();
        let mut out = Vec::new();
        push_command(&words, &mut out);
        self.0.push(Say::Bytes(Client, out));
        self
    }

    fn answer(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.push(Say::Bytes(Server, bytes.to_vec()));
        self
    }

    fn lose(&mut self, event: usize) -> &mut Self {
        self.0[event] = self.0[event].lost();
        self
    }

    fn play(&self) -> Emit {
        play(&PROTOCOL, true, &self.0)
    }
}

#[track_caller]
fn check(talk: &Talk, expected: &[&str]) {
    assert_eq!(brief(&talk.play()), expected);
}

#[test]
fn answers_come_in_the_order_of_commands() {
    let mut talk = Talk::default();
    talk.ask("SET user:1 ann").ask("GET user:1").ask("GET user:2").ask("LPUSH user:1 x").ask("SCAN 0");
    talk.answer(b"+OK\r\n$3\r\nann\r\n$-1\r\n-WRONGTYPE no list\r\n").answer(b"*2\r\n$2\r\n17\r\n*0\r\n");
    let out = talk.play();
    assert_eq!(
        brief(&out),
        [
            "request SET user:1 OK ok 5",
            "request GET user:1 OK ok 4",
            "request GET user:2 nil ok 3",
            "request LPUSH user:1 WRONGTYPE bad 2",
            "request SCAN OK ok 2",
        ]
    );
    let row = &out.exchanges[1];
    let names = (row.protocol.as_str(), row.version.as_str(), row.collection.as_str(), row.operation.as_str(), row.items);
    assert_eq!(names, ("redis", "2", "user", "GET", 1));
    assert_eq!((row.request_bytes, row.response_bytes, row.response.as_deref()), (25, 9, Some(&b"$3\r\nann\r\n"[..])));
    assert_eq!(row.request.as_deref(), Some(&b"*2\r\n$3\r\nGET\r\n$6\r\nuser:1\r\n"[..]));
    assert_eq!((&*out.exchanges[4].yields[0].name, &*out.exchanges[4].yields[0].value), ("cursor", "17"));
    assert!(out.issues.is_empty() && out.undecoded_bytes == 0, "{:?}", out.issues);
}

#[test]
fn commands_that_are_not_answered_wait_for_nothing() {
    let mut talk = Talk::default();
    talk.ask("CLIENT REPLY SKIP").ask("SET a 1").ask("GET a").answer(b"$1\r\n1\r\n");
    talk.ask("CLIENT REPLY OFF").ask("INCR a").ask("CLIENT REPLY ON").answer(b"+OK\r\n").ask("GET a").answer(b"$1\r\n2\r\n");
    let expected = [
        "message CLIENT REPLY - - - setup",
        "message SET a - - -",
        "request GET a OK ok 1",
        "message CLIENT REPLY - - - setup",
        "message INCR a - - -",
        "request CLIENT REPLY OK ok 1 setup",
        "request GET a OK ok 1",
    ];
    check(&talk, &expected);
}

/// As Redis 7.0.15 answers: confirmations come all the same, RESET ends OFF, and what is refused stays so without a word.
#[test]
fn who_wants_no_answers_is_told_of_subscriptions() {
    let mut talk = Talk::default();
    talk.ask("CLIENT REPLY OFF").ask("SUBSCRIBE a b");
    talk.answer(b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n");
    talk.ask("PING").ask("RESET").answer(b"+RESET\r\n").ask("PING").answer(b"+PONG\r\n");
    talk.ask("CLIENT REPLY SKIP").ask("CLIENT REPLY NO").ask("GET k").answer(b"$-1\r\n");
    talk.ask("CLIENT REPLY OFF").ask("SUBSCRIBE").ask("MONITOR").ask("CLIENT REPLY ON");
    talk.answer(b"+OK\r\n+1795303072.032029 [0 127.0.0.1:35374] \"CLIENT\" \"REPLY\" \"ON\"\r\n");
    let expected = [
        "message CLIENT REPLY - - - setup",
        "open SUBSCRIBE a OK ok 1 setup",
        "message PING - - -",
        "close RESET OK ok 1",
        "request PING OK ok 1",
        "message CLIENT REPLY - - - setup",
        "message CLIENT REPLY - - - setup",
        "request GET k nil ok 1",
        "message CLIENT REPLY - - - setup",
        "message SUBSCRIBE - - - setup",
        "message MONITOR - - -",
        "message CLIENT REPLY OK ok 1 setup",
        "push monitor - ok 0",
    ];
    check(&talk, &expected);
}

/// As Redis 7.0.15 answers: EXEC announces one answer for each command, and confirmations of further channels come behind it.
#[test]
fn subscriptions_in_a_transaction_begin_with_exec() {
    let mut talk = Talk::default();
    talk.ask("MULTI").answer(b"+OK\r\n").ask("SUBSCRIBE a b").answer(b"+QUEUED\r\n").ask("EXEC").ask("PING");
    talk.answer(b"*1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n");
    talk.answer(b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    talk.ask("UNSUBSCRIBE").answer(b"*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:1\r\n");
    talk.answer(b"*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n").ask("GET k").answer(b"$-1\r\n");
    let expected = [
        "request MULTI OK ok 1",
        "request SUBSCRIBE a QUEUED ok 1 setup",
        "open EXEC OK ok 2",
        "request PING OK ok 2",
        "push message a - ok 0",
        "close UNSUBSCRIBE OK ok 2",
        "request GET k nil ok 1",
    ];
    check(&talk, &expected);

    let mut talk = Talk::default();
    talk.ask("HELLO 3").answer(b"%1\r\n$5\r\nproto\r\n:3\r\n");
    talk.ask("MULTI").answer(b"+OK\r\n").ask("SUBSCRIBE a b").answer(b"+QUEUED\r\n").ask("GET k").answer(b"+QUEUED\r\n");
    talk.ask("EXEC").answer(b"*2\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    talk.answer(b">3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n_\r\n").ask("PING").answer(b"+PONG\r\n");
    talk.ask("LRANGE l 0 2").answer(b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n");
    let expected = [
        "request HELLO OK ok 1 setup",
        "request MULTI OK ok 1",
        "request SUBSCRIBE a QUEUED ok 1 setup",
        "request GET k QUEUED ok 1",
        "open EXEC OK ok 2",
        "request PING OK ok 1",
        "request LRANGE l OK ok 1",
    ];
    check(&talk, &expected);

    let mut talk = Talk::default();
    talk.ask("MULTI").answer(b"+OK\r\n").ask("SUBSCRIBE a b").answer(b"+QUEUED\r\n").ask("NOSUCH").answer(b"-ERR unknown\r\n");
    talk.ask("EXEC").answer(b"-EXECABORT Transaction discarded\r\n").ask("GET k").answer(b"$-1\r\n");
    let rows = brief(&talk.play());
    assert_eq!(rows[3..], ["request EXEC EXECABORT bad 1", "request GET k nil ok 1"]);
}

/// As Redis 7.0.15 says it, by the two ways of client-side caching.
#[test]
fn keys_that_are_no_longer_valid_answer_nothing() {
    let mut talk = Talk::default();
    talk.ask("GET k").ask("HELLO 3").ask("CLIENT TRACKING ON").ask("GET k").ask("SET k 2").ask("FLUSHALL").ask("PING");
    talk.answer(b"$-1\r\n%1\r\n$5\r\nproto\r\n:3\r\n+OK\r\n_\r\n+OK\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n");
    talk.answer(b"+OK\r\n>2\r\n$10\r\ninvalidate\r\n_\r\n+PONG\r\n").ask("HELLO 2").ask("GET k");
    talk.answer(b"*2\r\n$5\r\nproto\r\n:2\r\n$-1\r\n");
    let out = talk.play();
    let versions: Vec<(&str, &str)> = out.exchanges.iter().map(|row| (&*row.operation, &*row.version)).collect();
    assert_eq!(
        versions,
        [
            ("GET", "2"),
            ("HELLO", "2"),
            ("CLIENT TRACKING", "3"),
            ("GET", "3"),
            ("SET", "3"),
            ("FLUSHALL", "3"),
            ("PING", "3"),
            ("invalidate", "3"),
            ("invalidate", "3"),
            ("HELLO", "3"),
            ("GET", "2"),
        ]
    );
    let expected = [
        "request GET k nil ok 4",
        "request SET k OK ok 3",
        "request FLUSHALL OK ok 3",
        "request PING OK ok 2",
        "push invalidate k - ok 0",
    ];
    assert_eq!(brief(&out)[3..8], expected);

    let published = b"*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$1\r\nk\r\n";
    let mut talk = Talk::default();
    talk.ask("SUBSCRIBE __redis__:invalidate").answer(b"*3\r\n$9\r\nsubscribe\r\n$20\r\n__redis__:invalidate\r\n:1\r\n");
    talk.answer(published).ask("PING").answer(b"*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n$-1\r\n");
    talk.answer(b"*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    let expected = [
        "open SUBSCRIBE __redis__:invalidate OK ok 1 setup",
        "push message __redis__:invalidate - ok 0",
        "message PING OK ok 2",
        "push message __redis__:invalidate - ok 0",
    ];
    check(&talk, &expected);
    // Who comes late has not seen the subscription.
    let mut talk = Talk::default();
    talk.answer(published).ask("PING").answer(published).answer(b"*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    let rows = brief(&play(&PROTOCOL, false, &talk.0));
    let pushed = "push message __redis__:invalidate - ok 0 mid_connection";
    assert_eq!(rows, [pushed, "message PING OK ok 2 mid_connection", pushed]);
}

#[test]
fn transactions_are_good_where_all_was_executed() {
    let mut talk = Talk::default();
    for (answer, _) in [(&b"*1\r\n:1\r\n"[..], ()), (b"*1\r\n-ERR no\r\n", ()), (b"*-1\r\n", ())] {
        talk.ask("MULTI").answer(b"+OK\r\n").ask("INCR a").answer(b"+QUEUED\r\n").ask("EXEC").answer(answer);
    }
    talk.ask("GET a").answer(b"_\r\n");
    let out = talk.play();
    let of = |row: &Exchange| {
        let txn = row.txn.as_ref().map_or("-".to_owned(), |txn| format!("{} {}", txn.name, txn.id));
        format!("{} {txn} {} {}", row.operation, row.status.as_deref().unwrap_or("-"), row.ok.expect("it was answered"))
    };
    assert_eq!(
        out.exchanges.iter().map(of).collect::<Vec<_>>(),
        [
            "MULTI multi 5-0 OK true",
            "INCR multi 5-0 QUEUED true",
            "EXEC multi 5-0 OK true",
            "MULTI multi 5-1 OK true",
            "INCR multi 5-1 QUEUED true",
            "EXEC multi 5-1 OK false",
            "MULTI multi 5-2 OK true",
            "INCR multi 5-2 QUEUED true",
            "EXEC multi 5-2 nil false",
            "GET - nil true",
        ]
    );
}

#[test]
fn subscriptions_of_version_2_are_long_lived() {
    let mut talk = Talk::default();
    talk.ask("SUBSCRIBE news:1 news:2").answer(b"*3\r\n$9\r\nsubscribe\r\n$6\r\nnews:1\r\n:1\r\n");
    talk.answer(b"*3\r\n$9\r\nsubscribe\r\n$6\r\nnews:2\r\n:2\r\n")
        .answer(b"*3\r\n$7\r\nmessage\r\n$6\r\nnews:1\r\n$2\r\nhi\r\n");
    talk.ask("PSUBSCRIBE n*").answer(b"*3\r\n$10\r\npsubscribe\r\n$2\r\nn*\r\n:3\r\n");
    talk.answer(b"*4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$6\r\nnews:2\r\n$2\r\nho\r\n");
    talk.ask("UNSUBSCRIBE").answer(b"*3\r\n$11\r\nunsubscribe\r\n$6\r\nnews:1\r\n:2\r\n");
    talk.answer(b"*3\r\n$11\r\nunsubscribe\r\n$6\r\nnews:2\r\n:1\r\n").ask("PUNSUBSCRIBE n*");
    talk.answer(b"*3\r\n$12\r\npunsubscribe\r\n$2\r\nn*\r\n:0\r\n")
        .ask("LRANGE a 0 2")
        .answer(b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n");
    let out = talk.play();
    assert_eq!(
        brief(&out),
        [
            "open SUBSCRIBE news:1 OK ok 2 setup",
            "push message news:1 - ok 0",
            "message PSUBSCRIBE n* OK ok 1 setup",
            "push pmessage news:2 - ok 0",
            "message UNSUBSCRIBE OK ok 2",
            "close PUNSUBSCRIBE n* OK ok 1",
            "request LRANGE a OK ok 1",
        ]
    );
    assert_eq!(out.exchanges[1].collection, "news");
    assert_eq!((out.exchanges[1].request_bytes, out.exchanges[1].response_bytes), (0, 37));
}

#[test]
fn version_3_pushes_beside_answers() {
    let mut talk = Talk::default();
    talk.ask("HELLO 3 AUTH ann not-a-secret").answer(b"%1\r\n$5\r\nproto\r\n:3\r\n");
    talk.ask("SUBSCRIBE a").answer(b">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n").ask("GET k");
    talk.answer(b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n|1\r\n+ttl\r\n:9\r\n$1\r\nv\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$3\r\nk:1\r\n");
    talk.0.push(Say::End(Client));
    let out = talk.play();
    assert_eq!(
        brief(&out),
        [
            "request HELLO OK ok 1 setup+redacted",
            "open SUBSCRIBE a OK ok 1 setup",
            "request GET k OK ok 1",
            "push message a - ok 0",
            "push invalidate k:1 - ok 0",
            "close  - - -",
        ]
    );
    let versions: Vec<_> = out.exchanges.iter().map(|row| row.version.as_str()).collect();
    assert_eq!(versions, ["2", "3", "3", "3", "3", "3"]);
    assert_eq!(
        out.exchanges[0].request.as_deref(),
        Some(&b"*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$3\r\nann\r\n$8\r\nredacted\r\n"[..])
    );
}

/// Also where the command is cut, whatever was kept of it.
#[test]
fn passwords_are_never_kept() {
    for line in
        ["AUTH not-a-secret", "AUTH ann not-a-secret", "CONFIG SET requirepass not-a-secret", "ACL SETUSER ann >not-a-secret"]
    {
        let mut whole = Vec::new();
        push_command(&line.split(' ').collect::<Vec<_>>(), &mut whole);
        for cut in 1..=whole.len() {
            let out = play(&PROTOCOL, true, &[Say::Bytes(Client, whole[..cut].to_vec())]);
            let kept = format!("{:?}", out.exchanges);
            assert!(!kept.contains("not-a") && out.exchanges.len() <= 1, "{kept}");
        }
    }
    let mut talk = Talk::default();
    talk.0.push(Say::Bytes(Client, b"auth 'not-a-secret'\r\n".to_vec()));
    assert!(!format!("{:?}", talk.play().exchanges).contains("not-a"));
}

#[test]
fn a_client_that_waits_loses_only_what_was_lost() {
    let mut talk = Talk::default();
    talk.ask("GET a")
        .answer(b"$1\r\n1\r\n")
        .ask("GET b")
        .answer(b"$1\r\n2\r\n")
        .ask("GET c")
        .answer(b"$1\r\n3\r\n")
        .ask("GET d")
        .answer(b"+OK\r\n");
    talk.lose(2).lose(5);
    let out = talk.play();
    assert_eq!(brief(&out), ["request GET a OK ok 1", "request GET c - - - gap", "request GET d OK ok 1"]);
    assert_eq!((out.loss.lost, out.loss.incomplete), (1, 1));
    assert_eq!(out.undecoded_bytes, 7, "the answer to the request that was lost");
}

/// Requests and lost ones together are what was sent, however many a hole held.
#[test]
fn a_pipeline_tells_by_its_answers_how_much_was_lost() {
    let mut talk = Talk::default();
    for batch in 0..3 {
        for n in 0..6 {
            talk.ask(&format!("GET {batch}:{n}"));
        }
        talk.answer(&b"+OK\r\n".repeat(6));
    }
    talk.lose(8).lose(9);
    let out = talk.play();
    assert_eq!((out.exchanges.len(), out.loss.lost, out.loss.incomplete), (16, 2, 3));
    let answered = out.exchanges.iter().filter(|row| row.status.is_some()).map(|row| row.target.to_string()).collect::<Vec<_>>();
    let expected: Vec<String> = [(0, 0..6), (1, 0..1), (2, 0..6)]
        .into_iter()
        .flat_map(|(batch, range)| range.map(move |n| format!("GET {batch}:{n}")))
        .collect();
    assert_eq!(answered, expected);

    // Of the server: the batch is given up, the next one is whole again.
    let mut talk = Talk::default();
    for batch in 0..3 {
        for n in 0..6 {
            talk.ask(&format!("GET {batch}:{n}"));
        }
        for n in 0..6 {
            talk.answer(format!(":{n}\r\n").as_bytes());
        }
    }
    talk.lose(20);
    let out = talk.play();
    let known: Vec<_> = out.exchanges.iter().map(|row| u8::from(row.status.is_some())).collect();
    assert_eq!(known, [1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
    assert_eq!((out.loss.lost, out.loss.incomplete), (0, 4));
}

#[test]
fn holes_in_values_are_bridged() {
    let mut talk = Talk::default();
    talk.0.push(Say::Bytes(Client, b"*3\r\n$3\r\nSET\r\n$3\r\nk:1\r\n$100\r\nabc".to_vec()));
    talk.0.extend([Say::Gap(Client, 90), Say::Bytes(Client, b"zzzzzzz\r\n".to_vec())]);
    talk.answer(b"+OK\r\n").ask("GET k:1").answer(b"$100\r\nabc");
    talk.0.extend([Say::Gap(Server, 97), Say::Bytes(Server, b"\r\n".to_vec())]);
    let out = talk.play();
    assert_eq!(brief(&out), ["request SET k:1 OK ok 3 gap+unreplayable", "request GET k:1 OK ok - gap"]);
    assert_eq!((out.exchanges[0].request_bytes, out.exchanges[1].response_bytes, out.loss.lost), (130, 108, 0));
}

#[test]
fn who_comes_late_begins_with_the_next_command() {
    let script = [
        Say::Bytes(Server, b"lo\r\n".to_vec()),
        Say::Bytes(Client, b"ue\r\n*1\r\n$4\r\nPING\r\n".to_vec()),
        Say::Bytes(Server, b"+PONG\r\n".to_vec()),
    ];
    let out = play(&PROTOCOL, false, &script);
    assert_eq!(brief(&out), ["request PING OK ok 1 mid_connection"]);
    assert_eq!(out.undecoded_bytes, 8);
}

#[test]
fn endless_pipelines_and_lengths_are_bounded() {
    let mut talk = Talk::default();
    talk.0.push(Say::Bytes(Client, b"PING\r\n".repeat(PENDING_MAX + 10)));
    talk.answer(&b"+PONG\r\n".repeat(PENDING_MAX + 10));
    let out = talk.play();
    assert_eq!(out.exchanges.len(), PENDING_MAX + 10);
    assert_eq!((out.issues.count("redis-outstanding-limit"), out.issues.count("redis-response-too-late")), (10, 10));

    let out = play(&PROTOCOL, true, &[Say::Bytes(Client, b"*2\r\n$3\r\nGET\r\n$4294967296\r\n".to_vec())]);
    assert_eq!(
        (brief(&out), out.issues.count("redis-request-malformed")),
        (vec!["request GET - - - truncated+unreplayable".to_owned()], 1)
    );
}

#[test]
fn replication_is_named_and_not_read() {
    let mut talk = Talk::default();
    talk.ask("PSYNC ? -1").answer(b"+FULLRESYNC x 0\r\n$5\r\nREDIS").ask("REPLCONF ACK 0");
    let out = talk.play();
    assert_eq!(brief(&out), ["request PSYNC - - -"]);
    assert_eq!((out.issues.count("redis-replication-not-decoded"), out.undecoded_bytes), (1, 26 + 34));
}

#[test]
fn first_bytes_decide() {
    for (client, server, expected) in [
        (&b"*1\r\n$4\r\nPING\r\n"[..], &b""[..], Probe::Yes),
        (b"*1\r\n$", b"", Probe::More),
        (b"*1\r\n+x\r\n", b"", Probe::No),
        (b"PING\r\n", b"", Probe::More),
        (b"PING\r\n", b"+PONG\r\n", Probe::Yes),
        (b"get a\r\n", b"VALUE a 0 1\r\n", Probe::No),
        (b"EHLO x\r\n", b"", Probe::No),
        (b"GET / HTTP/1.1\r\n", b"HTTP/1.1 200 OK\r\n", Probe::No),
        (b"", b"+OK POP3 ready\r\n", Probe::More),
        (b"", b"220 smtp\r\n", Probe::No),
        (b"", b"*2\r\n:1\r\n:2\r\n", Probe::Yes),
    ] {
        assert_eq!((PROTOCOL.probe)(client, server), expected, "{client:?} {server:?}");
    }
}

/// What the server counted of each command, and the clients of what they had not asked for (see the capture's README).
#[test]
fn commands_are_as_the_server_counted_them() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../captures/redis/clients-redis");
    let expect = std::fs::read_to_string(case.join("expect.json")).expect("it is committed");
    let expect: serde_json::Value = serde_json::from_str(&expect).expect("it is JSON");
    let capture = case.join("capture.pcap");
    let (meta, rows) = support::import_all(std::slice::from_ref(&capture), &ImportOptions::default());
    // Neither the last question nor what is unknown to this server is counted, nor what was queued and then not executed.
    let gives_up =
        |row: &&Exchange| row.operation == "DISCARD" || row.operation == "EXEC" && row.status.as_deref() == Some("nil");
    let given_up: Vec<_> = rows.iter().filter(gives_up).map(|row| row.txn.clone()).collect();
    let counted = |row: &&Exchange| {
        let uncounted = matches!(row.operation.as_str(), "INFO" | "NOSUCHCOMMAND" | "COMMAND" | "COMMAND DOCS" | "close");
        let spoilt = row.status.as_deref() == Some("QUEUED") && given_up.contains(&row.txn);
        row.kind != Kind::Push && !uncounted && !spoilt
    };
    let tally = |rows: &mut dyn Iterator<Item = &Exchange>| {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        // The server does not tell DEBUG's parts apart.
        rows.for_each(|row| *counts.entry(row.operation.replace("DEBUG PROTOCOL", "DEBUG")).or_default() += 1);
        serde_json::to_value(counts).expect("it is a map")
    };
    assert_eq!(tally(&mut rows.iter().filter(counted)), expect["calls"]);
    // A command that fails in a transaction was queued, and the EXEC says so.
    let failed = |row: &&Exchange| row.ok == Some(false) && row.operation != "EXEC";
    let mut expected_failed = expect["failed"].clone();
    assert_eq!(expected_failed.as_object_mut().and_then(|failed| failed.remove("SADD")), Some(1.into()));
    assert_eq!(tally(&mut rows.iter().filter(counted).filter(failed)), expected_failed);
    assert_eq!(rows.iter().filter(|row| row.kind == Kind::Push).count() as u64, expect["received"].as_u64().expect("a count"));
    let loss = meta.loss.expect("an import has an account");
    assert_eq!(
        (loss.bytes_missing, meta.issues.len(), loss.connections.get("redis").copied()),
        (0, 0, Some(13)),
        "{:?}",
        meta.issues
    );
    assert!(loss.undecoded.is_empty());

    let unanswered = rows.iter().filter(|row| row.kind != Kind::Push && row.kind != Kind::Close && row.status.is_none());
    let unanswered: Vec<&str> = unanswered.map(|row| row.operation.as_str()).collect();
    assert_eq!(unanswered, ["CLIENT REPLY", "SET", "CLIENT REPLY", "INCR", "INCR", "INCR", "INCR", "INCR"]);
    assert_eq!(rows.iter().filter(|row| row.kind == Kind::Close).count(), 3);

    // The password is nowhere, whatever is kept and masked.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = folder.path().join("trace.parquet");
    let mut options = ImportOptions { redaction: Policy::Off, ..ImportOptions::default() };
    options.dissect.keep_responses = true;
    import(&[capture], &output, &options, &mut |_| ()).expect("it is a capture");
    let stored = format!("{:?}", support::exchanges(&output));
    assert!(stored.contains("redacted") && !stored.contains("not-a-secret"));
}

fn message() -> impl Strategy<Value = Say> {
    let client = prop::sample::select(vec![
        &b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n"[..],
        b"*1\r\n$5\r\nMULTI\r\n",
        b"*1\r\n$4\r\nEXEC\r\n",
        b"*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n",
        b"*1\r\n$11\r\nUNSUBSCRIBE\r\n",
        b"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n",
        b"*1\r\n$5\r\nRESET\r\n",
        b"*1\r\n$7\r\nMONITOR\r\n",
        b"PING\r\n",
        b"\r\n",
    ]);
    let server = prop::sample::select(vec![
        &b"+OK\r\n"[..],
        b"$3\r\nabc\r\n",
        b"*-1\r\n",
        b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n",
        b"*3\r\n$11\r\nunsubscribe\r\n$1\r\nc\r\n:0\r\n",
        b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nx\r\n",
        b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nx\r\n",
        b"+1339518083.107412 [0 127.0.0.1:60866] \"keys\"\r\n",
        b"-ERR no\r\n",
    ]);
    prop_oneof![
        client.prop_map(|bytes| Say::Bytes(Client, bytes.to_vec())),
        server.prop_map(|bytes| Say::Bytes(Server, bytes.to_vec())),
    ]
}

fn event() -> impl Strategy<Value = Say> {
    let side = prop::sample::select(vec![Client, Server]);
    prop_oneof![
        8 => message(),
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

    /// However the same messages are cut, the same rows come of them. Without noise and holes: behind those, where a message may start is
    /// told by where segments end.
    #[test]
    fn any_cut_gives_the_same_rows(script in prop::collection::vec(message(), 0..40), part_bytes in 1_usize..20) {
        check_parts(&PROTOCOL, &about(true), &script, part_bytes);
    }
}
