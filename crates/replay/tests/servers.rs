//! Whole replays against small servers that behave, misbehave, or are not there.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, UInt64Type};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use replay::answer::{Comparison, Level};
use replay::{Pace, Progress, ReplayOptions, RunSummary, Stop, preflight, replay};
use tempfile::TempDir;
use trace::rules::Rules;
use trace::{Effect, Exchange, Flag, Flags, Header, RunStatus, TraceMeta, TraceNs, TraceWriter, part_files, read_run_info};

/// A request as its server saw it.
#[derive(Debug, Clone, PartialEq)]
struct Asked {
    line: String,
    headers: BTreeMap<String, String>,
    body_bytes: usize,
}

/// Listens on a free port and lets `serve` have each connection; says what was asked.
fn server(serve: impl Fn(&Asked, &mut TcpStream) -> bool + Send + Clone + 'static) -> (String, Receiver<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (say, asked) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (serve, say) = (serve.clone(), say.clone());
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while let Some(request) = read_request(&mut reader) {
                    let _ = say.send(request.clone());
                    if !serve(&request, &mut stream) {
                        break;
                    }
                }
            });
        }
    });
    (url, asked)
}

fn read_request(reader: &mut impl BufRead) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let body_bytes = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    std::io::copy(&mut reader.by_ref().take(body_bytes as u64), &mut std::io::sink()).ok()?;
    Some(Asked { line: line.trim_end().to_owned(), headers, body_bytes })
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/// A server that says `words` to whoever connects, and then holds the connection.
fn speaks_first(words: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.write_all(words).unwrap();
            held.push(stream);
        }
    });
    url
}

fn answer_and_close(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    answer(stream, bytes);
    false
}

fn answer(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    stream.write_all(bytes).is_ok()
}

/// A GET every `gap_ms`, spread over three sessions.
fn gets(count: i64, gap_ms: i64) -> Vec<Exchange> {
    let get = |i: i64| Exchange {
        at: TraceNs(i * gap_ms * 1_000_000),
        session: (i % 3).unsigned_abs(),
        protocol: "http".into(),
        method: "GET".into(),
        target: format!("/item/{i}").into(),
        collection: "item".into(),
        operation: "GET /item/{}".into(),
        headers: Some(vec![header("Host", "recorded.example"), header("X-Mark", "kept")]),
        items: 1,
        ..Exchange::default()
    };
    (0..count).map(get).collect()
}

fn header(name: &str, value: &str) -> Header {
    Header { name: name.into(), value: Bytes::copy_from_slice(value.as_bytes()) }
}

/// A folder with a trace in it, and options that replay it to `target` at once.
fn options(dir: &TempDir, exchanges: &[Exchange], target: &str) -> ReplayOptions {
    let trace = dir.path().join("trace.parquet");
    let mut writer = TraceWriter::create(&trace).unwrap();
    exchanges.iter().for_each(|exchange| writer.push(exchange).unwrap());
    writer.finish(TraceMeta::default()).unwrap();
    ReplayOptions {
        trace,
        target: Some(target.to_owned()),
        out: dir.path().join("run"),
        timeout: Duration::from_secs(20),
        connections_max: 64,
        workers: Some(2),
        ..ReplayOptions::default()
    }
}

fn run(options: &ReplayOptions) -> RunSummary {
    let plan = preflight(options).unwrap();
    replay(options, &plan, &Progress::default(), &Stop::default()).unwrap()
}

fn outcomes(run: &Path) -> Vec<RecordBatch> {
    let read =
        |path: &Path| ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(path).unwrap()).unwrap().build().unwrap();
    part_files(run, trace::schema::OUTCOMES).unwrap().iter().flat_map(|part| read(&part.path)).map(Result::unwrap).collect()
}

fn numbers(run: &Path, column: &str) -> Vec<Option<i64>> {
    let column_of = |batch: &RecordBatch| -> Vec<Option<i64>> {
        let column = batch.column_by_name(column).unwrap();
        match column.as_primitive_opt::<Int64Type>() {
            Some(values) => values.iter().collect(),
            None => column.as_primitive::<UInt64Type>().iter().map(|value| value.map(u64::cast_signed)).collect(),
        }
    };
    outcomes(run).iter().flat_map(column_of).collect()
}

fn texts(run: &Path, column: &str) -> Vec<Option<String>> {
    let column_of = |batch: &RecordBatch| -> Vec<Option<String>> {
        let column = batch.column_by_name(column).unwrap().as_string::<i32>().clone();
        (0..column.len()).map(|row| column.is_valid(row).then(|| column.value(row).to_owned())).collect()
    };
    outcomes(run).iter().flat_map(column_of).collect()
}

#[test]
fn what_is_recorded_arrives_once_each_and_on_its_recorded_instant() {
    let dir = TempDir::new().unwrap();
    let (url, asked) = server(|_, stream| answer(stream, OK));
    let exchanges = gets(200, 2);
    let options = ReplayOptions { headers: vec!["X-Key: s3cr3t-value".to_owned()], ..options(&dir, &exchanges, &url) };
    let summary = run(&options);

    assert_eq!((summary.counts.outcomes, summary.counts.sent, summary.counts.ok), (200, 200, 200));
    assert!(summary.counts.connections >= 3, "each session has its own");
    let mut lines: Vec<String> = asked
        .try_iter()
        .inspect(|asked| {
            assert_eq!(asked.headers["host"], url.trim_start_matches("http://"));
            assert_eq!((&*asked.headers["x-mark"], &*asked.headers["x-key"]), ("kept", "s3cr3t-value"));
        })
        .map(|asked| asked.line)
        .collect();
    let mut wanted: Vec<String> = (0..200).map(|i| format!("GET /item/{i} HTTP/1.1")).collect();
    lines.sort();
    wanted.sort();
    assert_eq!(lines, wanted);

    let mut due: Vec<(Option<i64>, Option<i64>)> =
        numbers(&options.out, "id").into_iter().zip(numbers(&options.out, "due_ns")).collect();
    due.sort();
    assert_eq!(due, exchanges.iter().zip(0..).map(|(exchange, id)| (Some(id), Some(exchange.at.ns()))).collect::<Vec<_>>());
    let sent = numbers(&options.out, "sent_ns");
    assert!(sent.iter().zip(numbers(&options.out, "due_ns")).all(|(sent, due)| *sent >= due));
    assert_eq!(numbers(&options.out, "response_bytes"), vec![Some(40); 200]);

    let info = read_run_info(&options.out).unwrap();
    assert_eq!((info.status, info.requests), (RunStatus::Complete, 200));
    for entry in std::fs::read_dir(&options.out).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(12).any(|window| window == b"s3cr3t-value"));
    }
}

#[test]
fn every_way_of_framing_an_answer_is_understood() {
    let dir = TempDir::new().unwrap();
    let big = [b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n".to_vec(), vec![b'x'; 3_000_000]].concat();
    let big_bytes = big.len() as i64;
    let (url, _) = server(move |asked, stream| match asked.line.split(' ').nth(1).unwrap() {
        "/item/0" => answer(stream, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
        "/item/1" => answer(stream, b"HTTP/1.1 204 No Content\r\n\r\n"),
        "/item/2" => answer_and_close(stream, b"HTTP/1.0 200 OK\r\n\r\nuntil the end"),
        "/item/3" => answer(stream, b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n") && answer(stream, OK),
        "/item/4" => answer(stream, b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        "/item/5" => answer(stream, &big),
        "/item/6" => answer(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"),
        _ => answer(stream, OK),
    });
    let mut exchanges = gets(9, 1);
    exchanges[6].method = "HEAD".into();
    let options = options(&dir, &exchanges, &url);
    let summary = run(&options);
    assert_eq!((summary.counts.ok, summary.counts.bad_status, summary.counts.outcomes), (8, 1, 9));
    let status: BTreeMap<Option<i64>, Option<String>> =
        numbers(&options.out, "id").into_iter().zip(texts(&options.out, "status")).collect();
    let wanted = ["200", "204", "200", "200", "503", "200", "200", "200", "200"];
    assert_eq!(status.into_values().map(Option::unwrap).collect::<Vec<_>>(), wanted);
    assert_eq!(numbers(&options.out, "response_bytes").into_iter().max().unwrap(), Some(big_bytes));
}

#[test]
fn a_large_request_is_sent_whole_to_a_slow_reader() {
    let dir = TempDir::new().unwrap();
    let (url, asked) = server(|_, stream| answer(stream, OK));
    let mut exchanges = gets(2, 1);
    for exchange in &mut exchanges {
        exchange.method = "POST".into();
        exchange.request = Some(vec![b'y'; 6 << 20].into());
    }
    let summary = run(&options(&dir, &exchanges, &url));
    assert_eq!(summary.counts.ok, 2);
    assert!(asked.try_iter().all(|asked| asked.body_bytes == 6 << 20));
}

/// The classes that all requests of a small trace end with.
fn classes(url: &str, timeout: Duration) -> Vec<&'static str> {
    let dir = TempDir::new().unwrap();
    let summary = run(&ReplayOptions { timeout, ..options(&dir, &gets(12, 1), url) });
    assert_eq!(summary.counts.outcomes, 12);
    assert_eq!(summary.counts.errors.values().sum::<u64>(), 12);
    summary.counts.errors.keys().copied().collect()
}

#[test]
fn each_kind_of_failure_has_its_name() {
    let patience = Duration::from_secs(20);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(classes(&format!("http://{closed}"), patience), ["refused"]);
    assert_eq!(classes(&format!("https://{closed}"), patience), ["refused"]);
    let (url, _) = server(|_, stream| answer(stream, b"SSH-2.0-OpenSSH_9.6\r\n"));
    assert_eq!(classes(&url, patience), ["protocol"]);
    assert_eq!(classes(&speaks_first(b"SSH-2.0-OpenSSH_9.6\r\n").replace("http:", "https:"), patience), ["tls"]);
    let (url, _) = server(|_, _| false);
    assert_eq!(classes(&url, patience), ["closed"]);
    let (url, _) = server(|_, stream| answer_and_close(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"));
    assert_eq!(classes(&url, patience), ["closed"]);
    let (url, _) = server(|_, stream| {
        // Holds the connection without a word until the client gives up.
        let _ = stream.read(&mut [0]);
        false
    });
    assert_eq!(classes(&url, Duration::from_millis(300)), ["timeout"]);
}

#[test]
fn as_fast_as_possible_uses_every_connection_and_leaves_nothing_out() {
    let dir = TempDir::new().unwrap();
    let (url, _) = server(|_, stream| answer(stream, OK));
    let options = ReplayOptions { pace: Pace::Max, connections_max: 8, ..options(&dir, &gets(5000, 1000), &url) };
    let summary = run(&options);
    assert_eq!((summary.counts.ok, summary.counts.connections), (5000, 8));
    assert!(summary.fidelity.is_none());
    let mut ids = numbers(&options.out, "id");
    ids.sort();
    assert_eq!(ids, (0..5000).map(Some).collect::<Vec<_>>());
}

#[test]
fn a_run_that_is_stopped_finishes_its_files() {
    let dir = TempDir::new().unwrap();
    let stop = Stop::default();
    let asked_to = stop.clone();
    let (url, _) = server(move |asked, stream| {
        if asked.line.contains("/item/20 ") {
            asked_to.ask();
        }
        answer(stream, OK)
    });
    let options = options(&dir, &gets(100_000, 10), &url);
    let summary = replay(&options, &preflight(&options).unwrap(), &Progress::default(), &stop).unwrap();
    assert_eq!(read_run_info(&options.out).unwrap().status, RunStatus::Stopped);
    assert!(summary.counts.outcomes > 20 && summary.counts.outcomes < 1000);
    assert_eq!(numbers(&options.out, "id").len() as u64, summary.counts.outcomes);
}

#[test]
fn a_duration_ends_the_schedule() {
    let dir = TempDir::new().unwrap();
    let (url, _) = server(|_, stream| answer(stream, OK));
    let summary = run(&ReplayOptions { duration: Some(Duration::from_millis(100)), ..options(&dir, &gets(1000, 1), &url) });
    assert_eq!((summary.counts.outcomes, summary.reader.beyond_end), (100, 900));
}

#[test]
fn collections_go_where_they_are_sent() {
    let dir = TempDir::new().unwrap();
    let (one, asked_one) = server(|_, stream| answer(stream, OK));
    let (two, asked_two) = server(|_, stream| answer(stream, OK));
    let mut exchanges = gets(10, 1);
    exchanges.iter_mut().step_by(2).for_each(|exchange| exchange.collection = "even".into());
    run(&ReplayOptions { map: vec![("even".to_owned(), format!("{two}/below"))], ..options(&dir, &exchanges, &one) });
    assert_eq!(asked_one.try_iter().count(), 5);
    let lines: Vec<String> = asked_two.try_iter().map(|asked| asked.line).collect();
    assert!(lines.len() == 5 && lines.iter().all(|line| line.starts_with("GET /below/item/")), "{lines:?}");
}

/// What keeps the replay of `exchanges` from starting.
fn refusal(exchanges: &[Exchange], change: impl Fn(&mut ReplayOptions)) -> String {
    let dir = TempDir::new().unwrap();
    let mut options = options(&dir, exchanges, "http://127.0.0.1:9");
    change(&mut options);
    let plan = preflight(&options).unwrap();
    let error = replay(&options, &plan, &Progress::default(), &Stop::default()).unwrap_err().to_string();
    assert!(!options.out.join("run.json").exists());
    error
}

#[test]
fn what_must_not_or_cannot_be_sent_is_refused_before_the_start() {
    let mut writes = gets(4, 1);
    writes[2].effect = Effect::Write;
    writes[3].effect = Effect::Admin;
    let error = refusal(&writes, |_| {});
    assert!(error.contains("2 of 4") && error.contains("--allow-writes"), "{error}");
    assert!(refusal(&[], |_| {}).contains("no requests"));
    assert!(refusal(&gets(1000, 1), |options| options.rate_max_per_s = Some(10.0)).contains("--max-rate"));
    assert!(refusal(&gets(1, 1), |options| std::fs::create_dir_all(options.out.join("x")).unwrap()).contains("not empty"));
    let mut cut = gets(3, 1);
    cut.iter_mut().for_each(|exchange| exchange.flags = Flags::default().with(Flag::Unreplayable));
    assert!(refusal(&cut, |_| {}).contains("none of the 3"));
}

#[test]
fn rows_that_cannot_be_sent_have_outcomes_of_their_own() {
    let dir = TempDir::new().unwrap();
    let (url, asked) = server(|_, stream| answer(stream, OK));
    let mut exchanges = gets(10, 1);
    exchanges[3].flags.set(Flag::Unreplayable);
    exchanges[4].protocol = "redis".into();
    exchanges[5].method = "CONNECT".into();
    let options = options(&dir, &exchanges, &url);
    assert_eq!(preflight(&options).unwrap().unreplayable.values().sum::<u64>(), 3);
    let summary = run(&options);
    assert_eq!((summary.counts.outcomes, summary.counts.ok, summary.counts.errors["unreplayable"]), (10, 7, 3));
    assert_eq!(asked.try_iter().count(), 7);
    assert_eq!(summary.fidelity.unwrap().missed_by_generator, 0);
}

#[test]
fn a_target_is_waited_for_until_it_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let dir = TempDir::new().unwrap();
    let never =
        ReplayOptions { wait_ready: Some(Duration::from_millis(1)), ..options(&dir, &gets(1, 1), &format!("http://{address}")) };
    drop(listener);
    let error = preflight(&never).unwrap().check_targets(&never, &Stop::default()).unwrap_err().to_string();
    assert!(error.contains("not ready"), "{error}");
    let (url, _) = server(|_, stream| answer(stream, OK));
    let dir = TempDir::new().unwrap();
    let ready = ReplayOptions { wait_ready: Some(Duration::from_secs(20)), ..options(&dir, &gets(1, 1), &url) };
    preflight(&ready).unwrap().check_targets(&ready, &Stop::default()).unwrap();
    assert_eq!(run(&ready).counts.ok, 1);
}

#[test]
fn answers_that_say_they_failed_are_failures_with_a_time() {
    let dir = TempDir::new().unwrap();
    let (url, _) = server(|asked, stream| {
        let failure = if asked.headers["x-mark"] == "1" { r#"{"errors":[{"message":"no"}]}"# } else { r#"{"data":{}}"# };
        answer(stream, format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{failure}", failure.len()).as_bytes())
    });
    let ask = |i: usize, exchange: Exchange| Exchange {
        method: "POST".into(),
        target: "/graphql".into(),
        operation: "POST /graphql".into(),
        collection: "graphql".into(),
        headers: Some(vec![header("X-Mark", if i.is_multiple_of(4) { "1" } else { "0" })]),
        ..exchange
    };
    let exchanges: Vec<Exchange> = gets(40, 1).into_iter().enumerate().map(|(i, exchange)| ask(i, exchange)).collect();
    let options = options(&dir, &exchanges, &url);
    let summary = run(&options);
    let counts = &summary.counts;
    assert_eq!((counts.sent, counts.ok, counts.bad_status, counts.errors["answer"]), (40, 30, 0, 10));
    assert_eq!(summary.counts.compared.matches.len(), 0, "nothing was to be compared");
    let errors = texts(&options.out, "error");
    assert_eq!(errors.iter().filter(|error| error.as_deref() == Some("answer")).count(), 10);
    assert!(texts(&options.out, "status").iter().all(|status| status.as_deref() == Some("200")));
    assert!(texts(&options.out, "match").iter().all(Option::is_none));
}

#[test]
fn answers_are_compared_however_they_are_framed() {
    let dir = TempDir::new().unwrap();
    let (url, _) = server(|asked, stream| {
        let id: u64 = asked.headers["x-mark"].parse().unwrap();
        let body = format!(r#"{{"time":{id}.5,"result":[{{"id":{}}},{{"id":2}}]}}"#, if id.is_multiple_of(5) { 9 } else { 1 });
        let (front, rest) = body.split_at(7);
        let chunks = format!("{:x}\r\n{front}\r\n{:x}\r\n{rest}\r\n0\r\n\r\n", front.len(), rest.len());
        match id % 3 {
            0 => answer(stream, format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes()),
            1 => answer(stream, format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}").as_bytes()),
            _ => answer_and_close(stream, format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{body}").as_bytes()),
        }
    });
    let (rules, target) = (Rules::builtin(), "/collections/a/points/search");
    let recorded = rules.answer(rules.rule_of("POST", target), 200, br#"{"result":[{"id":1},{"id":2}],"time":0}"#);
    let search = |(i, exchange): (usize, Exchange)| Exchange {
        method: "POST".into(),
        target: target.into(),
        operation: "POST /collections/{}/points/search".into(),
        headers: Some(vec![header("X-Mark", &i.to_string())]),
        status: Some("200".into()),
        ok: Some(true),
        answer_hash: Some(recorded.hash),
        answer_ids: recorded.ids.clone(),
        ..exchange
    };
    let exchanges: Vec<Exchange> = gets(60, 1).into_iter().enumerate().map(search).collect();
    let comparison = Comparison { level: Level::Body, ignored: Vec::new(), tolerance: None, recall_at: None };
    let options = ReplayOptions { check_collections: false, comparison: Some(comparison), ..options(&dir, &exchanges, &url) };
    let compared = run(&options).counts.compared;
    assert_eq!(compared.matches, BTreeMap::from([("differs-body", 12), ("same", 48)]));
    assert_eq!((compared.recalls, compared.recall_min), (60, Some(0.5)));
    assert!((compared.recall_mean - 0.9).abs() < 1e-9, "{}", compared.recall_mean);
    let differences = trace::read_differences(&options.out).unwrap();
    assert_eq!(differences.len(), 12);
    assert!(differences.iter().all(|row| row.id % 5 == 0 && row.difference.at == "ids/0" && row.difference.replayed == "9"));
}
