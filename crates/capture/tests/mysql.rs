//! The dissector of MySQL: rows of commands, and what of them is left when bytes are missing.

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use capture::dissect::mysql::PROTOCOL;
use capture::dissect::{Emit, Options};
use capture::import::ImportOptions;
use proptest::prelude::*;
use support::talk::{Say, about, brief_sql, check_parts, check_rows};
use support::{corpus, import_all};
use trace::{Exchange, Flag};
use wire::Side::{self, Client, Server};
use wire::mysql::push_message;

/// The script of a connection.
#[derive(Default)]
struct Talk(Vec<Say>);

const HELLO: &[u8] =
    b"\x0a8.0.36\0\x07\0\0\0saltsalt\0\xff\xff\x21\x02\0\xff\xdf\x15\0\0\0\0\0\0\0\0\0\0saltsaltsalt\0caching_sha2_password\0";
const OK: &[u8] = b"\0\0\0\x02\0\0\0";
const IN_TRANSACTION: &[u8] = b"\0\x01\x05\x03\0\0\0";
const EOF: &[u8] = b"\xfe\0\0\x02\0";
const DEFINITION: &[u8] = b"\x03def\x01a";
/// Answers a query with two rows.
const ROWS: &[&[u8]] = &[b"\x01", DEFINITION, EOF, b"\x011", b"\x012", EOF];

/// CONNECT_WITH_DB, SECURE_CONNECTION and PLUGIN_AUTH of `me` with `proof` to `shop`.
fn login(more: u32, proof: &str) -> Vec<u8> {
    let capabilities: u32 = 1 | 1 << 3 | 1 << 15 | 1 << 19 | more;
    let proof = [&[proof.len() as u8], proof.as_bytes()].concat();
    [&capabilities.to_le_bytes()[..], &[0; 28], b"me\0", &proof, b"shop\0mysql_native_password\0"].concat()
}

impl Talk {
    /// Behind a login that went well.
    fn new() -> Self {
        let mut talk = Self::default();
        talk.says(0, &[HELLO]).packets(Client, 1, &[&login(0, "not-a-secret")]).says(2, &[OK]);
        talk
    }

    fn packets(&mut self, side: Side, number: u8, list: &[&[u8]]) -> &mut Self {
        let mut out = Vec::new();
        list.iter().zip(number..).for_each(|(content, number)| push_message(number, content, &mut out));
        self.0.push(Say::Bytes(side, out));
        self
    }

    fn asks(&mut self, command: u8, rest: &[u8]) -> &mut Self {
        self.packets(Client, 0, &[&[&[command], rest].concat()])
    }

    fn query(&mut self, sql: &str) -> &mut Self {
        self.asks(3, sql.as_bytes())
    }

    fn says(&mut self, number: u8, list: &[&[u8]]) -> &mut Self {
        self.packets(Server, number, list)
    }

    fn gap(&mut self, side: Side, missing_bytes: u64) -> &mut Self {
        self.0.push(Say::Gap(side, missing_bytes));
        self
    }

    /// The rows but that of the login.
    fn rows(&self) -> Vec<String> {
        brief(&play(true, &self.0)).split_off(1)
    }
}

fn play(from_start: bool, script: &[Say]) -> Emit {
    support::talk::play(&PROTOCOL, from_start, script)
}

fn brief(out: &Emit) -> Vec<String> {
    brief_sql(out, true)
}

/// What the server logged of each command (see the README of the case).
#[test]
fn own_clients_and_server_agree() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../captures/mysql/mariadb-sysbench");
    let expect = std::fs::read_to_string(case.join("expect.json")).expect("it is committed");
    let expect: Vec<Vec<(String, String)>> = serde_json::from_str(&expect).expect("it is JSON");
    let options = ImportOptions { dissect: Options { keep_responses: true, ..Options::default() }, ..ImportOptions::default() };
    let (meta, rows) = import_all(&[case.join("capture.pcap")], &options);
    let loss = meta.loss.expect("an import has an account");
    assert_eq!(loss.connections, [("mysql".to_owned(), 5)].into());
    assert!(meta.issues.is_empty() && loss.exchanges.incomplete == 0, "{:?}", meta.issues);

    for (session, said) in expect.iter().enumerate() {
        // The log has values where prepared statements have places for them, and a refused login twice.
        let said: Vec<String> =
            said.iter().filter(|(what, text)| what != "Quit" && !text.starts_with("Access denied")).map(line_of_log).collect();
        let own = rows.iter().filter(|row| row.session == session as u64);
        let got: Vec<String> = own.map(line_of_row).collect();
        assert_eq!(got, said, "connection {session}");
    }
    failures_and_rows(&rows);
    secrets_are_nowhere(&rows);
}

fn line_of_log((what, text): &(String, String)) -> String {
    match &**what {
        "Connect" => "LOGIN shop".to_owned(),
        "Init DB" => format!("INIT_DB {text}"),
        "Execute" => format!("Execute {}", text.split(' ').next().unwrap_or_default()),
        what => format!("{what} {}", text.split("'not-a-secret").next().unwrap_or_default()),
    }
}

fn line_of_row(row: &Exchange) -> String {
    let command = row.request.as_deref().map_or(0, |request| request[4]);
    let text = row.target.split("'redacted-").next().unwrap_or_default();
    match command {
        3 => format!("Query {text}"),
        0x16 => format!("Prepare {text}"),
        0x17 => format!("Execute {}", row.method),
        0x19 => "Close stmt ".to_owned(),
        _ => format!("{} {text}", row.method),
    }
}

/// The client's own messages: two statements fail in each of the first two connections, a login in the third; the same in both, compressed
/// or not.
fn failures_and_rows(rows: &[Exchange]) {
    let of = |session: u64| {
        let told = |row: &Exchange| (row.target.to_string(), row.status.clone().unwrap_or_default().to_string(), row.items);
        rows.iter().filter(|row| row.session == session).map(told).collect::<Vec<_>>()
    };
    let failed = |session: u64| {
        of(session).into_iter().filter(|(_, status, _)| status != "ok").map(|(_, status, _)| status).collect::<Vec<_>>()
    };
    assert_eq!(
        (failed(0), failed(1), failed(2)),
        (vec!["42S02".to_owned(), "42000".to_owned()], vec!["42S02".to_owned(), "42000".to_owned()], vec!["28000".to_owned()])
    );
    let items =
        |session: u64, text: &str| of(session).into_iter().find(|(target, ..)| target.starts_with(text)).map(|(.., items)| items);
    // Two rows inserted; two found of them; two result sets with two names and one count; two rows of a file.
    for (text, count) in [("INSERT", 2), ("SELECT * FROM items", 2), ("CALL", 3), ("LOAD", 2), ("UPDATE", 1)] {
        assert_eq!(items(0, text), Some(count), "{text}");
    }
    let file = rows.iter().find(|row| row.target.starts_with("LOAD")).expect("it was sent");
    let sent = file.request.as_deref().expect("it is kept");
    assert!(sent.windows(10).any(|window| window == b"\n11\televen"), "the file's content is of the request");
    let txns: Vec<&str> = rows
        .iter()
        .filter(|row| row.session == 4 && &*row.method != "CLOSE")
        .filter_map(|row| Some(row.txn.as_ref()?.id.as_str()))
        .collect();
    assert_eq!(txns.len(), 40);
    assert!(txns[..20].iter().all(|id| *id == "4-1") && txns[20..].iter().all(|id| *id == "4-2"), "{txns:?}");
    let compressed: u64 =
        rows.iter().filter(|row| row.session == 1 && row.target.starts_with("SELECT count")).map(|row| row.response_bytes).sum();
    assert!(compressed > 0);
}

fn secrets_are_nowhere(rows: &[Exchange]) {
    for row in rows {
        let bodies = [&row.request, &row.response].into_iter().flatten().flat_map(|body| body.to_vec());
        let headers = row.headers.iter().flatten().flat_map(|header| header.value.to_vec());
        let text = format!("{} {} {:?}", row.target, row.operation, row.yields).into_bytes();
        let whole: Vec<u8> = bodies.chain(headers).chain(text).collect();
        // What a SELECT returns is kept as it is, if answers are kept.
        if !row.target.starts_with("SELECT") {
            assert!(!whole.windows(13).any(|window| window == b"not-a-secret-" || window == b"wrong-secret"), "{row:?}");
        }
        assert!(&*row.method != "LOGIN" || row.request.is_none() && row.response.is_none() && row.flags.has(Flag::Setup));
    }
    let start = rows.iter().find(|row| &*row.method == "LOGIN").expect("a login");
    assert!(start.yields.iter().any(|found| found.name == "server_version" && found.value.contains("MariaDB")));
    assert!(start.headers.iter().flatten().any(|header| &*header.name == "user" && &header.value[..] == b"me"));
}

/// What tshark lists of each capture: commands by their number; of answers, those that it sees.
#[test]
fn captures_from_elsewhere_have_tsharks_commands() {
    let Some(corpus) = corpus("captures_from_elsewhere_have_tsharks_commands") else { return };
    let methods = |file: &str| {
        let rows = import_all(&[corpus.join("pcap").join(file)], &ImportOptions::default()).1;
        let mut counts = BTreeMap::<u8, u64>::new();
        let command = |row: &Exchange| row.request.as_deref().map_or(0, |request| request[4]);
        rows.iter().filter(|row| &*row.method != "LOGIN").for_each(|row| *counts.entry(command(row)).or_default() += 1);
        (counts, rows)
    };
    let counts = |pairs: &[(u8, u64)]| pairs.iter().copied().collect::<BTreeMap<u8, u64>>();
    let (found, rows) = methods("my-wireshark.pcap");
    assert_eq!(found, counts(&[(2, 1), (3, 14), (4, 1)]));
    assert!(rows.iter().all(|row| row.ok == Some(true)));
    let (found, rows) = methods("my-157queries-13001.pcap");
    assert_eq!(found, counts(&[(3, 157)]));
    let first = |word: &str| rows.iter().filter(|row| &*row.method == word).count();
    // packetbeat's own counts, in the manifest.
    assert_eq!((first("SHOW"), first("ALTER"), first("SET"), first("CREATE")), (10, 4, 3, 2));
    let (found, rows) = methods("my-prepared-midstream.pcap");
    assert_eq!(found, counts(&[(3, 2), (0x16, 7), (0x17, 2), (0x19, 2)]));
    let executed: Vec<&str> = rows
        .iter()
        .filter(|row| row.request.as_deref().is_some_and(|request| request[4] == 0x17))
        .map(|row| &*row.target)
        .collect();
    assert_eq!(
        executed,
        ["SELECT * FROM `controller` WHERE name = ?", "SELECT * FROM `domain` WHERE enabled = ? AND controller_ip = ?"]
    );
    let (found, rows) = methods("my-gap.pcap");
    assert_eq!(found, counts(&[(3, 1)]));
    assert!(rows[0].flags.has(Flag::Gap) && rows[0].status.as_deref() == Some("ok"), "{:?}", rows[0].flags);
    let (found, rows) = methods("snaplen-mysql.pcap");
    assert_eq!(found, counts(&[(3, 2)]));
    assert_eq!(rows.iter().filter(|row| row.status.is_some()).count(), 2);
}

#[test]
fn answers_of_every_kind_are_rows() {
    let mut talk = Talk::new();
    talk.query("SELECT a FROM t").says(1, ROWS);
    talk.query("INSERT INTO t VALUES (1)").says(1, &[b"\0\x03\x07\x02\0\0\0"]);
    talk.query("SELECT x").says(1, &[b"\xff\x1e\x04#42S22Unknown column"]);
    talk.asks(2, b"other").says(1, &[OK]).asks(0x0e, b"").says(1, &[OK]).query("SELECT 1").says(1, ROWS).asks(1, b"");
    let out = play(true, &talk.0);
    assert_eq!(
        brief(&out),
        [
            "LOGIN [shop] ok ok 1 0 setup",
            "SELECT [SELECT a FROM t] ok ok 1 2",
            "INSERT [INSERT INTO t VALUES (1)] ok ok 1 3",
            "SELECT [SELECT x] 42S22 bad 1 0",
            "INIT_DB [other] ok ok 1 0 setup",
            "PING [] ok ok 1 0",
            "SELECT [SELECT 1] ok ok 1 2",
        ]
    );
    let collections: Vec<&str> = out.exchanges.iter().map(|row| &*row.collection).collect();
    assert_eq!(collections, ["shop", "t", "t", "shop", "other", "other", "other"]);
    let yields =
        |row: usize| out.exchanges[row].yields.iter().map(|found| format!("{} {}", found.name, found.value)).collect::<Vec<_>>();
    assert_eq!((yields(2), yields(3)), (vec!["insert_id 7".to_owned()], vec!["error 1054".to_owned()]));
    assert_eq!((out.undecoded_bytes, out.loss.incomplete), (0, 0));
}

#[test]
fn what_is_prepared_is_known_by_its_number() {
    let mut talk = Talk::new();
    let execute = |number: u8| [&[number, 0, 0, 0, 0, 1, 0, 0, 0][..], b"\0\x01\x08\0\x05\0\0\0\0\0\0\0"].concat();
    talk.asks(0x16, b"SELECT a FROM t WHERE i = ?")
        .says(1, &[b"\0\x09\0\0\0\x01\0\x01\0\0\0\0", DEFINITION, EOF, DEFINITION, EOF]);
    talk.asks(0x17, &execute(9))
        .says(1, ROWS)
        .asks(0x19, &[9, 0, 0, 0])
        .asks(0x17, &execute(9))
        .says(1, &[b"\xff\xdb\x04#HY000Unknown"]);
    let out = play(true, &talk.0);
    let sql = "SELECT a FROM t WHERE i = ?";
    assert_eq!(
        brief(&out)[1..],
        [
            format!("PREPARE [{sql}] ok ok 1 0 setup"),
            format!("SELECT [{sql}] ok ok 1 2"),
            format!("CLOSE [{sql}] - - - 0"),
            "EXECUTE [9] HY000 bad 1 0".to_owned(),
        ]
    );
    assert_eq!(&*out.exchanges[2].operation, "select a from t where i = ?");
}

#[test]
fn what_sql_prepares_is_known_by_its_name() {
    let mut talk = Talk::new();
    talk.query("PREPARE s FROM 'DELETE FROM t WHERE a = ''x'' AND b = ?'").says(1, &[OK]);
    talk.query("SET @b = 1").says(1, &[OK]).query("EXECUTE S USING @b").says(1, &[b"\0\x02\0\x02\0\0\0"]);
    talk.query("DROP PREPARE s").says(1, &[OK]).query("EXECUTE s USING @b").says(1, &[b"\xff\xdb\x04#HY000Unknown"]);
    let out = play(true, &talk.0);
    let of =
        |row: &Exchange| format!("{} {} {} [{}] {}", row.effect.as_str(), row.method, row.collection, row.operation, row.items);
    assert_eq!(
        out.exchanges[1..].iter().map(of).collect::<Vec<_>>(),
        [
            "control PREPARE t [prepare delete from t where a = ? and b = ?] 0",
            "control SET shop [set @b = ?] 0",
            "write DELETE t [delete from t where a = ? and b = ?] 2",
            "control DROP shop [drop prepare s] 0",
            "write EXECUTE shop [execute s using @b] 0",
        ]
    );
}

#[test]
fn transactions_are_told_by_the_status() {
    let mut talk = Talk::new();
    talk.query("SET a = 1")
        .says(1, &[OK])
        .query("BEGIN")
        .says(1, &[IN_TRANSACTION])
        .query("UPDATE t SET a = 1")
        .says(1, &[IN_TRANSACTION]);
    talk.query("COMMIT").says(1, &[OK]).query("SELECT 1").says(1, ROWS);
    let txns = |out: &Emit| out.exchanges.iter().map(|row| row.txn.as_ref().map(|txn| txn.id.to_string())).collect::<Vec<_>>();
    let one = Some("5-1".to_owned());
    assert_eq!(txns(&play(true, &talk.0)), [None, None, one.clone(), one.clone(), one, None]);
}

#[test]
fn encryption_is_handed_over_and_a_refusal_is_a_push() {
    let mut talk = Talk::default();
    talk.says(0, &[HELLO]).packets(Client, 1, &[&login(1 << 11, "")[..32]]);
    assert_eq!(brief(&play(true, &talk.0)), ["SSL_REQUEST [] - - - 0 setup"]);
    let mut talk = Talk::default();
    talk.says(0, &[b"\xff\x10\x04Too many connections"]);
    assert_eq!(brief(&play(true, &talk.0)), ["ERR [] HY000 bad 0 0"]);
}

#[test]
fn lost_requests_are_counted_and_lost_answers_flagged() {
    let mut talk = Talk::new();
    talk.query("SELECT 1")
        .gap(Server, 40)
        .query("SELECT 2")
        .says(1, ROWS)
        .gap(Client, 13)
        .says(1, ROWS)
        .query("SELECT 3")
        .says(1, ROWS);
    let out = play(true, &talk.0);
    assert_eq!(brief(&out)[1..], ["SELECT [SELECT 1] - - - 0 gap", "SELECT [SELECT 2] ok ok 1 2", "SELECT [SELECT 3] ok ok 1 2"]);
    assert_eq!((out.loss.lost, out.loss.incomplete), (1, 1));
    // A hole among rows: what follows it is found, and the answer ends where it ends.
    let mut talk = Talk::new();
    talk.query("SELECT a FROM t")
        .says(1, &ROWS[..4])
        .gap(Server, 100)
        .says(20, &[b"\x017", b"\x018", EOF])
        .query("SELECT 2")
        .says(1, ROWS);
    assert_eq!(talk.rows(), ["SELECT [SELECT a FROM t] ok ok 3 3 gap", "SELECT [SELECT 2] ok ok 1 2"]);
}

/// Some packets as one compressed packet (MySQL's source documentation, "Compression").
fn packed(number: u8, list: &[&[u8]]) -> Vec<u8> {
    let mut plain = Vec::new();
    list.iter().zip(number..).for_each(|(content, number)| push_message(number, content, &mut plain));
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, &plain).expect("it is memory");
    let zlib = encoder.finish().expect("it is memory");
    let shorter = zlib.len() < plain.len();
    let (content, plain_bytes) = if shorter { (zlib, plain.len()) } else { (plain, 0) };
    [&(content.len() as u32).to_le_bytes()[..3], &[number], &(plain_bytes as u32).to_le_bytes()[..3], &content].concat()
}

#[test]
fn compressed_packets_are_found_again_behind_holes() {
    let query = |text: &str| Say::Bytes(Client, packed(0, &[&[&[3], text.as_bytes()].concat()]));
    let long = format!("SELECT {}", ["a"; 60].join(", "));
    let wide = [&[200_u8][..], &[b'x'; 200]].concat();
    let rows = [&ROWS[..3], &[&wide], &[EOF]].concat();
    let answer = || Say::Bytes(Server, packed(1, &rows));
    let lost = |say: Say| match say {
        Say::Bytes(side, bytes) => Say::Gap(side, bytes.len() as u64),
        other => other,
    };
    let mut talk = Talk::default();
    talk.says(0, &[HELLO]).packets(Client, 1, &[&login(1 << 5, "not-a-secret")]).says(2, &[OK]);
    talk.0.extend([query("SELECT 1"), answer(), lost(query(&long)), answer(), query(&long), answer()]);
    talk.0.extend([query("SELECT 3"), lost(answer()), query("SELECT 4"), answer()]);
    // Of an answer in two compressed packets, the first.
    talk.0.extend([
        query("SELECT 5"),
        lost(Say::Bytes(Server, packed(1, &ROWS[..3]))),
        Say::Bytes(Server, packed(4, &ROWS[3..])),
    ]);
    talk.0.extend([query("SELECT 6"), answer()]);
    let out = play(true, &talk.0);
    let long = format!("SELECT [{long}] ok ok 1 1");
    assert_eq!(
        brief(&out)[1..],
        [
            "SELECT [SELECT 1] ok ok 1 1",
            &long,
            "SELECT [SELECT 3] - - - 0 gap",
            "SELECT [SELECT 4] ok ok 1 1",
            "SELECT [SELECT 5] ok ok 2 2 gap",
            "SELECT [SELECT 6] ok ok 1 1",
        ]
    );
    assert_eq!((out.loss.lost, out.loss.incomplete), (1, 2));
}

#[test]
fn a_connection_that_was_going_is_joined_at_the_next_command() {
    let mut talk = Talk::default();
    talk.says(7, &[b"half an answer", EOF]).query("SELECT a FROM t").says(1, ROWS);
    let out = play(false, &talk.0);
    assert_eq!(brief(&out), ["SELECT [SELECT a FROM t] ok ok 1 2 mid_connection"]);
    assert_eq!(out.loss.lost, 0);
}

fn event() -> impl Strategy<Value = Say> {
    let client = (
        prop::sample::select(&b"\x01\x02\x03\x03\x04\x0e\x11\x16\x17\x18\x19\x1c"[..]),
        prop::collection::vec(prop::sample::select(&b"select 1\0\x01"[..]), 0..12),
    );
    let server = prop::sample::select(
        &[
            OK,
            IN_TRANSACTION,
            EOF,
            DEFINITION,
            HELLO,
            b"\x01",
            b"\xfbfile",
            b"\xff\x1e\x04#42S22",
            b"\0\x09\0\0\0\x01\0\x01\0\0\0\0",
            b"",
        ][..],
    );
    let packet = |side: Side, number: u8, content: &[u8]| {
        let mut out = Vec::new();
        push_message(number, content, &mut out);
        Say::Bytes(side, out)
    };
    prop_oneof![
        8 => client.prop_map(move |(command, rest)| packet(Client, 0, &[vec![command], rest].concat())),
        8 => (server, 0_u8..4).prop_map(move |(content, number)| packet(Server, number, content)),
        1 => Just(packet(Client, 1, &login(1 << 5, "proof"))),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| Say::Bytes(Client, bytes)),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| Say::Bytes(Server, bytes)),
        1 => (any::<bool>(), 1_u64..50).prop_map(|(client, missing)| Say::Gap(if client { Client } else { Server }, missing)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Packets, noise and holes at random: no panic, each row comes once, and the same rows come however the bytes are cut.
    #[test]
    fn nothing_does_harm(script in prop::collection::vec(event(), 0..60), from_start in any::<bool>(), part_bytes in 1_usize..20) {
        check_rows(&play(from_start, &script));
        check_parts(&PROTOCOL, &about(from_start), &script, part_bytes);
    }
}
