//! The dissector of PostgreSQL: rows of requests, and what of them is left when bytes are missing.

mod support;

use std::path::{Path, PathBuf};

use capture::dissect::postgres::PROTOCOL;
use capture::dissect::{Emit, Options};
use capture::import::ImportOptions;
use proptest::prelude::*;
use support::talk::{Say, about, brief_sql, check_parts, check_rows, play_on};
use support::{corpus, import_all};
use trace::{Exchange, Flag, Kind};
use wire::Side::{self, Client, Server};
use wire::postgres::{push_execute, push_message, push_query, push_startup};

/// The script of a connection.
#[derive(Default)]
struct Talk(Vec<Say>);

impl Talk {
    /// Behind a start that everything was said to.
    fn new() -> Self {
        let mut talk = Self::default();
        let mut start = Vec::new();
        push_startup([("user", "me"), ("database", "shop")], &mut start);
        talk.0.push(Say::Bytes(Client, start));
        talk.says("R0000 K00000000 ZI");
        talk
    }

    fn bytes(&mut self, side: Side, bytes: Vec<u8>) -> &mut Self {
        self.0.push(Say::Bytes(side, bytes));
        self
    }

    fn query(&mut self, sql: &str) -> &mut Self {
        let mut out = Vec::new();
        push_query(sql, &mut out);
        self.bytes(Client, out)
    }

    /// Messages between blanks: a type byte and content, in which `|` is a 0.
    fn messages(&mut self, side: Side, text: &str) -> &mut Self {
        let mut out = Vec::new();
        for message in text.split(' ') {
            push_message(message.as_bytes()[0], message[1..].replace('|', "\0").replace('_', " ").as_bytes(), &mut out);
        }
        self.bytes(side, out)
    }

    fn asks(&mut self, text: &str) -> &mut Self {
        self.messages(Client, text)
    }

    fn says(&mut self, text: &str) -> &mut Self {
        self.messages(Server, text)
    }

    fn gap(&mut self, side: Side, missing_bytes: u64) -> &mut Self {
        self.0.push(Say::Gap(side, missing_bytes));
        self
    }

    /// The rows but that of the start.
    fn rows(&self) -> Vec<String> {
        brief(&play(true, &self.0)).split_off(1)
    }
}

fn play(from_start: bool, script: &[Say]) -> Emit {
    support::talk::play(&PROTOCOL, from_start, script)
}

fn brief(out: &Emit) -> Vec<String> {
    brief_sql(out, false)
}

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../captures/postgres").join(name)
}

/// What the server logged of each statement (see the README of the case), and of what it did not run.
#[test]
fn own_clients_and_server_agree() {
    let case = case("psql-pgbench");
    let expect = std::fs::read_to_string(case.join("expect.json")).expect("it is committed");
    let expect: Vec<Vec<serde_json::Value>> = serde_json::from_str(&expect).expect("it is JSON");
    let options = ImportOptions { dissect: Options { keep_responses: true, ..Options::default() }, ..ImportOptions::default() };
    let (meta, rows) = import_all(&[case.join("capture.pcap")], &options);
    let loss = meta.loss.expect("an import has an account");
    assert_eq!(loss.connections, [("postgres".to_owned(), 15)].into());
    assert!(meta.issues.is_empty() && loss.exchanges.incomplete == 0, "{:?}", meta.issues);

    // What was masked in a text stands between quotes.
    let text = |row: &Exchange| match row.target.split_once("'redacted-") {
        Some((front, rest)) => format!("{front}{}", &rest[32..]),
        None => row.target.to_string(),
    };
    let plain = |text: &str| text.replace("'not-a-secret-clear'", "'").replace("'not-a-secret-value'", "'");
    for session in 0..15 {
        let ran = |row: &&Exchange| {
            let is_refused_start = &*row.method == "StartupMessage" && row.ok == Some(false);
            let is_statement = !["SSLRequest", "StartupMessage", "CancelRequest", "PREPARE"].contains(&&*row.method);
            row.session == session
                && row.kind == Kind::Request
                && (is_statement || is_refused_start)
                && row.status.as_deref() != Some("skipped")
        };
        let said = |row: &Exchange| if &*row.method == "StartupMessage" { String::new() } else { text(row) };
        let got: Vec<(String, String)> =
            rows.iter().filter(ran).map(|row| (said(row), row.status.as_deref().unwrap_or("-").to_owned())).collect();
        if got.is_empty() {
            continue;
        }
        let status =
            |said: &serde_json::Value| if said["state"] == "00000" { said["tag"].clone() } else { said["state"].clone() };
        let as_text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        let want = expect
            .iter()
            .map(|said| said.iter().map(|said| (plain(&as_text(&said["sql"])), as_text(&status(said)))).collect::<Vec<_>>());
        assert!(want.into_iter().any(|want| want == got), "session {session}: {got:#?}");
    }
    assert_eq!(rows.iter().filter(|row| row.status.as_deref() == Some("skipped")).count(), 1);
    assert_eq!(rows.iter().filter(|row| &*row.method == "SSLRequest" && row.status.as_deref() == Some("refused")).count(), 1);
    assert_eq!(rows.iter().filter(|row| &*row.method == "NotificationResponse" && &*row.collection == "news").count(), 1);
    secrets_are_nowhere(&rows);
    transactions_hold_together(&rows);
}

fn secrets_are_nowhere(rows: &[Exchange]) {
    let whole = |row: &Exchange| {
        let headers = row.headers.iter().flatten().flat_map(|header| header.value.to_vec());
        let bodies = [&row.request, &row.response].into_iter().flatten().flat_map(|body| body.to_vec());
        let yields = row.yields.iter().flat_map(|found| found.value.bytes());
        let names = format!("{} {} {} {}", row.target, row.operation, row.collection, row.method).into_bytes();
        headers.chain(bodies).chain(yields).chain(names).collect::<Vec<u8>>()
    };
    for row in rows {
        let whole = whole(row);
        for secret in ["not-a-secret-", "wrong-secret", "SCRAM-SHA-256$", "c=biws"] {
            assert!(!whole.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}: {row:?}");
        }
    }
    // The start of the session that sent its password in clear says how it was asked for it.
    let first = rows.iter().find(|row| &*row.method == "StartupMessage").expect("a start");
    assert!(first.yields.iter().any(|found| found.name == "auth" && &*found.value == "password"));
    assert!(first.yields.iter().any(|found| found.name == "server_version" && found.value.starts_with("15.")));
    assert!(first.flags.has(Flag::Setup) && first.request_bytes > first.request.as_ref().map_or(0, |body| body.len() as u64));
    let masked = rows.iter().find(|row| row.target.starts_with("ALTER ROLE")).expect("it was sent");
    let request = masked.request.as_deref().expect("it is kept");
    assert_eq!(wire::postgres::messages(request).expect("lengths are right").len(), 1);
    assert!(masked.flags.has(Flag::Redacted));
}

/// pgbench runs one transaction of four statements and a query behind it, three times in each mode.
fn transactions_hold_together(rows: &[Exchange]) {
    for session in [8, 10, 12] {
        let ids: Vec<Option<&str>> = rows
            .iter()
            .filter(|row| row.session == session && ["BEGIN", "UPDATE", "SELECT", "END"].contains(&&*row.method))
            .map(|row| row.txn.as_ref().map(|txn| txn.id.as_str()))
            .collect();
        let id = |number: u64| format!("{session}-{number}");
        let names = [id(1), id(2), id(3)];
        let want: Vec<Option<&str>> = names.iter().flat_map(|id| [Some(&**id); 4].into_iter().chain([None])).collect();
        assert_eq!(ids, want, "session {session}");
    }
}

/// Command tags and SQLSTATEs as tshark lists them, counted.
#[test]
fn captures_from_elsewhere_have_tsharks_statuses() {
    let Some(corpus) = corpus("captures_from_elsewhere_have_tsharks_statuses") else { return };
    let statuses = |file: &str| {
        let rows = import_all(&[corpus.join("pcap").join(file)], &ImportOptions::default()).1;
        let mut counts = std::collections::BTreeMap::<String, u32>::new();
        rows.iter()
            .filter(|row| !row.flags.has(Flag::Setup))
            .for_each(|row| *counts.entry(row.status.as_deref().unwrap_or("-").to_owned()).or_default() += 1);
        counts.into_iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(
        statuses("pg-errors-rollback.pcap"),
        "22012 2, 25P02 3, BEGIN 3, COMMIT 2, DELETE 4, INSERT 6, ROLLBACK 1, SELECT 1"
    );
    assert_eq!(statuses("pg-copy-in.pcap"), "COPY 1");
    assert_eq!(statuses("pg-extended.pcap"), "SELECT 1");
    let rows = import_all(&[corpus.join("pcap/pg-copy-in.pcap")], &ImportOptions::default()).1;
    let copy = rows.last().expect("a row");
    assert_eq!((&*copy.collection, copy.items, &*copy.target), ("tmp", 5, "COPY tmp FROM STDIN"));
}

#[test]
fn several_requests_before_one_sync_are_rows_of_one_transaction() {
    let mut talk = Talk::new();
    talk.asks("P|SELECT_1||| B|||||||| E||||| P|SELECT_2||| B|||||||| E||||| S");
    talk.says("1 2 D||").says("CSELECT_1| 1 2").says("CSELECT_7| ZI");
    assert_eq!(talk.rows(), ["SELECT [SELECT 1] SELECT ok 2 5-1", "SELECT [SELECT 2] SELECT ok 3 5-1"]);
}

#[test]
fn an_error_skips_what_was_sent_up_to_sync() {
    let mut talk = Talk::new();
    let one = "P|SELECT_1||| B|||||||| E|||||";
    talk.asks(&format!("{one} {one} {one} S {one} S"));
    talk.says("1 2 CSELECT_1| 1 ESERROR|C22012|| ZI 1 2 CSELECT_1| ZI");
    let row = "SELECT [SELECT 1]";
    assert_eq!(
        talk.rows(),
        [
            format!("{row} SELECT ok 1 5-1"),
            format!("{row} 22012 bad 1 5-1"),
            format!("{row} skipped bad 1 5-1"),
            format!("{row} SELECT ok 1")
        ]
    );
    // What is sent behind the error's answer is skipped too, until Sync.
    let mut talk = Talk::new();
    talk.asks(&format!("{one} H"))
        .says("1 ESERROR|C22012||")
        .asks(&format!("{one} S"))
        .says("ZI")
        .query("SELECT 3")
        .says("CSELECT_1| ZI");
    assert_eq!(
        talk.rows(),
        [format!("{row} 22012 bad 1 5-1"), format!("{row} skipped bad 1 5-1"), "SELECT [SELECT 3] SELECT ok 1".to_owned()]
    );
}

#[test]
fn what_is_prepared_is_known_by_its_name() {
    let mut talk = Talk::new();
    talk.asks("Pa|SELECT_*_FROM_t_WHERE_i=$1||| DSa| H").says("1 t|| T||");
    let mut execute = Vec::new();
    push_execute("a", &[Some(b"7")], &mut execute);
    talk.bytes(Client, execute.clone()).says("2 D|| D|| CSELECT_2| ZI");
    talk.asks("CSa| S").says("3 ZI").bytes(Client, execute).says("ESERROR|C26000|| ZI");
    let out = play(true, &talk.0);
    let sql = "SELECT * FROM t WHERE i=$1";
    assert_eq!(
        brief(&out)[1..],
        [
            format!("PREPARE [{sql}] ok ok 1 setup"),
            format!("SELECT [{sql}] SELECT ok 1"),
            "CLOSE [] ok ok 1".to_owned(),
            "EXECUTE [] 26000 bad 1".to_owned(),
        ]
    );
    let execute = &out.exchanges[2];
    assert_eq!((&*execute.collection, &*execute.operation, execute.items), ("t", "select * from t where i = ?", 2));
    assert_eq!((&*out.exchanges[1].operation, &*out.exchanges[3].collection), ("prepare select * from t where i = ?", "shop"));
}

/// PREPARE and Parse, EXECUTE and Bind have their names in common (PostgreSQL's manual, PREPARE).
#[test]
fn rows_are_counted_where_the_server_does_not_and_a_commit_may_roll_back() {
    let mut talk = Talk::new();
    talk.query("SHOW all").says("T|| D|| D|| D|| CSHOW| ZI").query("SELECT 1").says("T|| D|| CSELECT_1| ZI");
    talk.query("BEGIN").says("CBEGIN| ZT").query("SELECT x").says("ESERROR|C42703|| ZE").query("COMMIT").says("CROLLBACK| ZI");
    talk.query("BEGIN").says("CBEGIN| ZT").query("ROLLBACK").says("CROLLBACK| ZI");
    let out = play(true, &talk.0);
    assert_eq!(out.exchanges[1..3].iter().map(|row| row.items).collect::<Vec<_>>(), [3, 1]);
    assert_eq!(talk.rows()[4], "COMMIT [COMMIT] ROLLBACK bad 1 5-1");
    assert_eq!(talk.rows()[6], "ROLLBACK [ROLLBACK] ROLLBACK ok 1 5-2");
}

#[test]
fn what_sql_prepares_is_known_by_its_name() {
    let mut talk = Talk::new();
    talk.query("PREPARE p (int) AS INSERT INTO t VALUES ($1)").says("CPREPARE| ZI");
    talk.query("EXECUTE p(1)").says("CINSERT_0_1| ZI").query("EXECUTE P (2)").says("CINSERT_0_1| ZI");
    talk.asks("P|EXECUTE_p(3)||| B|||||||| E||||| S").says("1 2 CINSERT_0_1| ZI");
    talk.asks("Pq|SELECT_*_FROM_u||| S").says("1 ZI").query("EXECUTE q").says("D|| CSELECT_1| ZI");
    talk.query("EXPLAIN ANALYZE EXECUTE p(4)").says("CEXPLAIN| ZI");
    talk.query("DEALLOCATE p").says("CDEALLOCATE| ZI").query("EXECUTE p(1)").says("ESERROR|C26000|| ZI");
    talk.query("DEALLOCATE ALL").says("CDEALLOCATE_ALL| ZI").query("EXECUTE q").says("ESERROR|C26000|| ZI");
    let out = play(true, &talk.0);
    let of =
        |row: &Exchange| format!("{} {} {} [{}] {}", row.effect.as_str(), row.method, row.collection, row.operation, row.items);
    let insert = "write INSERT t [insert into t values (?)] 1";
    assert_eq!(
        out.exchanges[1..].iter().map(of).collect::<Vec<_>>(),
        [
            "control PREPARE t [prepare insert into t values (?)] 0",
            insert,
            insert,
            insert,
            "control PREPARE u [prepare select * from u] 0",
            "read SELECT u [select * from u] 1",
            "write EXPLAIN shop [explain analyze execute p(?)] 0",
            "control DEALLOCATE shop [deallocate p] 0",
            "write EXECUTE shop [execute p(?)] 0",
            "control DEALLOCATE shop [deallocate all] 0",
            "write EXECUTE shop [execute q] 0",
        ]
    );
    assert_eq!(&*out.exchanges[2].target, "INSERT INTO t VALUES ($1)");
    assert!(out.exchanges[1].flags.has(Flag::Setup) && !out.exchanges[2].flags.has(Flag::Setup));
}

#[test]
fn data_of_a_copy_belong_to_it() {
    let mut talk = Talk::new();
    talk.query("COPY t FROM STDIN").says("G|||").asks("d1 d2 c").says("CCOPY_2| ZI");
    // In the extended protocol, the Sync that is sent before the data is ignored.
    talk.asks("P|COPY_t_FROM_STDIN||| B|||||||| E||||| S").says("1 2 G|||").asks("d1 c S").says("CCOPY_1| ZI");
    // Data that are sent before the server has asked for them.
    talk.query("COPY t FROM STDIN").asks("d1 d2 d3 c").says("G||| CCOPY_3| ZI").query("SELECT 1").says("CSELECT_1| ZI");
    let out = play(true, &talk.0);
    let row = "COPY [COPY t FROM STDIN] COPY ok 3";
    assert_eq!(brief(&out)[1..], [row, row, "COPY [COPY t FROM STDIN] COPY ok 2", "SELECT [SELECT 1] SELECT ok 1"]);
    assert_eq!(out.exchanges[1..4].iter().map(|row| row.items).collect::<Vec<_>>(), [2, 1, 3]);
}

#[test]
fn encryption_is_handed_over_and_cancel_keeps_no_secret() {
    let ssl = |code: u32, length: u32| [length.to_be_bytes(), code.to_be_bytes()].concat();
    let script =
        [Say::Bytes(Client, ssl(80_877_103, 8)), Say::Bytes(Server, b"S".to_vec()), Say::Bytes(Client, b"\x16\x03\x01".to_vec())];
    assert_eq!(brief(&play(true, &script)), ["SSLRequest [] accepted ok 1 setup"]);
    let script = [Say::Bytes(Client, ssl(80_877_104, 8)), Say::Bytes(Server, b"N".to_vec())];
    assert_eq!(brief(&play(true, &script)), ["GSSENCRequest [] refused ok 1 setup"]);
    let cancel = [ssl(80_877_102, 16), 77_u32.to_be_bytes().to_vec(), b"KEY!".to_vec()].concat();
    let out = play_on(&PROTOCOL, &about(true), &[Say::Bytes(Client, cancel)], 3);
    assert_eq!(brief(&out), ["CancelRequest [77] - - - unreplayable"]);
    assert_eq!((out.exchanges[0].request.as_ref(), out.exchanges[0].request_bytes), (None, 16));
}

#[test]
fn what_the_server_says_unasked_is_a_push() {
    let mut talk = Talk::new();
    talk.says("A0000news|hello|").says("NSNOTICE|C01000||").says("ESFATAL|C57P01||");
    assert_eq!(talk.rows(), ["NotificationResponse [] - ok 0", "NoticeResponse [] 01000 ok 0", "ErrorResponse [] 57P01 bad 0"]);
}

#[test]
fn lost_requests_are_counted_and_their_answers_given_to_nobody() {
    let mut talk = Talk::new();
    talk.query("SELECT 1").says("CSELECT_1| ZI");
    talk.gap(Client, 14).says("CSELECT_1| ZI").gap(Client, 30).says("CSELECT_1| ZI").query("SELECT 2").says("CSELECT_1| ZI");
    let out = play(true, &talk.0);
    assert_eq!(brief(&out)[1..], ["SELECT [SELECT 1] SELECT ok 1", "SELECT [SELECT 2] SELECT ok 1"]);
    assert_eq!((out.loss.lost, out.loss.incomplete), (2, 0));
}

#[test]
fn a_lost_answer_leaves_its_request_and_no_other_without_one() {
    let mut talk = Talk::new();
    talk.query("SELECT 1")
        .gap(Server, 23)
        .query("SELECT 2")
        .says("CSELECT_1| ZI")
        .query("SELECT 3")
        .says("D12345")
        .gap(Server, 20);
    talk.says("CSELECT_1| ZT");
    let out = play(true, &talk.0);
    assert_eq!(
        brief(&out)[1..],
        ["SELECT [SELECT 1] - - - gap", "SELECT [SELECT 2] SELECT ok 1", "SELECT [SELECT 3] SELECT ok 3 5-1 gap"]
    );
    assert_eq!((out.loss.lost, out.loss.incomplete), (0, 2));
    // Inside a message, only that is not whole.
    let mut talk = Talk::new();
    let mut cut = Vec::new();
    push_query("SELECT 'a long text'", &mut cut);
    talk.bytes(Client, cut[..12].to_vec()).gap(Client, 5).bytes(Client, cut[17..].to_vec()).says("CSELECT_1| ZI");
    let rows = talk.rows();
    assert_eq!(rows.len(), 1);
    assert!(rows[0].ends_with("SELECT ok 3 gap unreplayable"), "{rows:?}");
}

/// Of what nobody asked for, all is a row too: whole, with a hole in it, and cut off by one.
#[test]
fn pushes_with_holes_are_rows() {
    let mut talk = Talk::new();
    let cut = |talk: &mut Talk, missing_bytes| {
        talk.bytes(Server, b"A\0\0\0\x14\0\0\0\x01chan".to_vec()).gap(Server, missing_bytes);
    };
    cut(&mut talk, 4);
    talk.bytes(Server, b"\0abc".to_vec());
    cut(&mut talk, 100);
    talk.says("A0000other|x| A0000more|x|");
    let out = play(true, &talk.0);
    assert_eq!(
        brief(&out)[1..],
        [
            "NotificationResponse [] - ok 2 gap",
            " [] - - - gap",
            "NotificationResponse [] - ok 0",
            "NotificationResponse [] - ok 0"
        ]
    );
    let sizes: Vec<(&str, u64)> = out.exchanges[1..].iter().map(|row| (row.collection.as_str(), row.response_bytes)).collect();
    assert_eq!(sizes, [("shop", 21), ("", 13), ("other", 17), ("more", 16)]);
    check_rows(&out);
}

#[test]
fn a_connection_that_was_going_is_joined_at_the_next_message() {
    let mut talk = Talk::default();
    talk.bytes(Server, b"half a row".to_vec()).says("CSELECT_1| ZT").query("SELECT 1").says("CSELECT_1| ZT");
    let out = play(false, &talk.0);
    assert_eq!(brief(&out), ["SELECT [SELECT 1] SELECT ok 1 5-1 mid_connection"]);
    assert_eq!(&*out.exchanges[0].collection, "postgres");
    assert_eq!(out.loss.lost, 0);
}

#[test]
fn a_length_of_a_gibibyte_holds_nothing() {
    let mut talk = Talk::new();
    let mut huge = b"Q".to_vec();
    huge.extend(0x3fff_ffff_u32.to_be_bytes());
    talk.bytes(Client, huge);
    for _ in 0..20 {
        talk.bytes(Client, vec![b'x'; 1 << 20]);
    }
    let out = play(true, &talk.0);
    let row = &out.exchanges[1];
    assert_eq!(row.request_bytes, (20 << 20) + 5);
    assert_eq!(row.request.as_ref().map(|body| body.len()), Some(trace::limits::BODY_BYTES_MAX));
    assert!(row.flags.has(Flag::Truncated) && row.flags.has(Flag::Open));
}

fn event() -> impl Strategy<Value = Say> {
    let message = |side: Side, tags: &'static [u8]| {
        (prop::sample::select(tags), prop::collection::vec(prop::sample::select(&b"\0\0\0SPaE 1"[..]), 0..12)).prop_map(
            move |(tag, content)| {
                let mut out = Vec::new();
                let fixed =
                    [b"SHcX".contains(&tag) && side == Client, b"123nIsc".contains(&tag) && side == Server].contains(&true);
                let content = if fixed {
                    Vec::new()
                } else if tag == b'Z' && side == Server {
                    b"T".to_vec()
                } else {
                    [content, vec![0; 10]].concat()
                };
                push_message(tag, &content, &mut out);
                Say::Bytes(side, out)
            },
        )
    };
    prop_oneof![
        8 => message(Client, b"QPBEDCSHFdcfpX"),
        8 => message(Server, b"RKSZ123tTDnCIsENAGHWdcV"),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| Say::Bytes(Client, bytes)),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| Say::Bytes(Server, bytes)),
        1 => (any::<bool>(), 1_u64..50).prop_map(|(client, missing)| Say::Gap(if client { Client } else { Server }, missing)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Messages, noise and holes at random: no panic, each row comes once, and the same rows come however the bytes are cut.
    #[test]
    fn nothing_does_harm(script in prop::collection::vec(event(), 0..60), from_start in any::<bool>(), part_bytes in 1_usize..20) {
        check_rows(&play(from_start, &script));
        check_parts(&PROTOCOL, &about(from_start), &script, part_bytes);
    }
}
