//! The whole import: sources, merging, options, progress, determinism, failures.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use capture::Error;
use capture::dissect::SessionBy;
use capture::import::{ImportOptions, Progress, STOPPED, import};
use capture::redact::Policy;
use support::frames::{CLIENT, Host, PLAIN, SERVER, connection, pcap};
use support::{exchanges, import_all};
use trace::{Effect, Flag, Kind};

const REQUEST: &[u8] = b"GET /a HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer not-a-secret\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const START_NS: u64 = 1_600_000_000_000_000_000;

/// A capture of several connections, one after another, a frame a millisecond.
fn packets(connections: u16) -> Vec<(u64, Vec<u8>)> {
    let one = |number| connection(Host { port: 40_000 + number, ..CLIENT }, SERVER, &[(true, REQUEST), (false, RESPONSE)]);
    (0..connections).flat_map(one).zip(0..).map(|(frame, index)| (START_NS + index * 1_000_000, frame)).collect()
}

fn write(folder: &Path, name: &str, packets: &[(u64, Vec<u8>)]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, pcap(PLAIN, packets)).expect("a temporary file");
    path
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// What nginx said in its access log of each request in the capture (see the capture's README).
#[test]
fn our_capture_is_as_the_server_saw_it() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../captures/http1/curl-nginx");
    let expect = fs::read_to_string(case.join("expect.json")).expect("it is committed");
    let expect: Vec<serde_json::Value> = serde_json::from_str(&expect).expect("it is JSON");
    let (meta, exchanges) = import_all(&[case.join("capture.pcap")], &ImportOptions::default());
    let got = |exchange: &trace::Exchange| {
        serde_json::json!({
            "method": exchange.method.as_str(),
            "target": &*exchange.target,
            "status": exchange.status.as_deref(),
            "request_bytes": exchange.request_bytes,
            "response_bytes": exchange.response_bytes,
            // nginx numbers connections and the requests in them from 1.
            "connection": exchange.session + 1,
            "place": exchange.seq + 1,
        })
    };
    assert_eq!(exchanges.iter().map(got).collect::<Vec<_>>(), expect);
    let loss = meta.loss.expect("an import has an account");
    assert_eq!((loss.bytes_missing, loss.packets_dropped.len(), meta.issues.len()), (0, 0, 0));
    assert_eq!(loss.packets_read, loss.packets_decoded);
    assert!(exchanges.iter().all(|exchange| exchange.latency_ns > Some(0)));

    let masked: Vec<&str> =
        exchanges.iter().filter(|exchange| exchange.flags.has(Flag::Redacted)).map(|exchange| &*exchange.target).collect();
    assert_eq!(masked, ["/gzip/large.txt", "/post"]);
    let form = exchanges.iter().find(|exchange| &*exchange.target == "/post").and_then(|exchange| exchange.request.as_deref());
    let form = String::from_utf8(form.expect("it has a body").to_vec()).expect("it is text");
    assert!(form.starts_with("name=value&password=redacted-"), "{form}");
}

/// A case of our own: what is expected, and what the import gives.
fn case(name: &str) -> (serde_json::Value, trace::TraceMeta, Vec<trace::Exchange>) {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../captures").join(name);
    let expect = fs::read_to_string(case.join("expect.json")).expect("it is committed");
    let (meta, exchanges) = import_all(&[case.join("capture.pcap")], &ImportOptions::default());
    (serde_json::from_str(&expect).expect("it is JSON"), meta, exchanges)
}

/// What nginx said of each HTTP/2 request, and the sizes that tshark finds on the wire (see the capture's README).
#[test]
fn http2_is_as_server_and_tshark_saw_it() {
    let (expect, meta, exchanges) = case("http2/clients-nginx");
    let mut sizes: Vec<_> =
        exchanges.iter().map(|row| (row.session, row.stream, row.request_bytes, row.response_bytes)).collect();
    sizes.sort_unstable();
    let number = |row: &serde_json::Value, key: &str| row[key].as_u64().expect("a number");
    let wanted = expect["sizes"].as_array().expect("a list").iter();
    let wanted: Vec<_> = wanted
        .map(|row| {
            (number(row, "connection"), number(row, "stream"), number(row, "request_bytes"), number(row, "response_bytes"))
        })
        .collect();
    assert_eq!(sizes, wanted);
    for row in expect["requests"].as_array().expect("a list") {
        let alike = exchanges.iter().filter(|exchange| {
            let said = (row["method"].as_str(), row["target"].as_str(), row["status"].as_str());
            exchange.session == number(row, "connection")
                && (Some(exchange.method.as_str()), Some(&*exchange.target), exchange.status.as_deref()) == said
        });
        assert_eq!(alike.count() as u64, number(row, "count"), "{row}");
    }
    let loss = meta.loss.expect("an import has an account");
    assert_eq!((loss.bytes_missing, meta.issues.len(), loss.connections.get("http2").copied()), (0, 0, Some(10)));
    assert!(
        exchanges.iter().all(|row| (row.protocol.as_str(), row.version.as_str()) == ("http", "2") && row.latency_ns > Some(0))
    );

    let masked = exchanges.iter().find(|row| row.flags.has(Flag::Redacted)).expect("it has credentials");
    let headers =
        masked.headers.iter().flatten().map(|header| format!("{}: {}", header.name, String::from_utf8_lossy(&header.value)));
    let headers = headers.collect::<Vec<_>>().join("\n");
    assert!(headers.contains("authorization: Bearer redacted-") && headers.contains("session=redacted-"), "{headers}");
    assert!(!headers.contains("not-a-secret"), "{headers}");
}

/// All captures of ours as one, ten times: not a byte of the trace differs.
#[test]
fn ten_imports_are_byte_identical() {
    let mut sources = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../captures")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("it is committed").flatten().map(|entry| entry.path()) {
            match entry.file_name().is_some_and(|name| name == "capture.pcap") {
                true => sources.push(entry),
                false if entry.is_dir() => folders.push(entry),
                false => {}
            }
        }
    }
    sources.sort();
    let folder = folder();
    let import = |number: usize| {
        let output = folder.path().join(number.to_string());
        let meta = import(&sources, &output, &ImportOptions::default(), &mut |_| ()).expect("they are captures");
        (fs::read(output).expect("it was written"), meta.loss.map(|loss| loss.connections.len()))
    };
    let first = import(0);
    assert!(first.1 >= Some(3), "several protocols");
    assert!((1..10).all(|number| import(number) == first));
}

/// What the client saw of each call (see the capture's README).
#[test]
fn calls_are_as_their_client_saw_them() {
    let (expect, meta, exchanges) = case("grpc/grpcio-pair");
    let streams: std::collections::BTreeSet<u64> = exchanges.iter().map(|row| row.stream).collect();
    let call = |stream: &u64| {
        let rows: Vec<_> = exchanges.iter().filter(|row| row.stream == *stream).collect();
        let last = rows.iter().find(|row| row.kind == Kind::Close).unwrap_or(&rows[0]);
        let status = last.status.as_deref().and_then(|status| status.strip_prefix("grpc:")?.parse::<u64>().ok());
        let counted = |row: &&trace::Exchange| {
            let found = row.yields.iter().find(|found| found.name == "messages");
            found.and_then(|found| found.value.parse::<u64>().ok())
        };
        let received = rows.iter().find_map(counted).unwrap_or(u64::from(status == Some(0)));
        serde_json::json!({
            "method": rows[0].target.rsplit('/').next(),
            "sent": rows.iter().map(|row| u64::from(row.items)).sum::<u64>(),
            "received": received,
            "status": status,
        })
    };
    assert_eq!(streams.iter().map(call).collect::<Vec<_>>(), *expect.as_array().expect("a list"));
    assert_eq!((meta.issues.len(), meta.loss.expect("an import has an account").bytes_missing), (0, 0));
    let messages = exchanges.iter().flat_map(|row| &row.yields).filter(|found| found.name == "grpc-message");
    let messages: Vec<&str> = messages.map(|found| &*found.value).collect();
    assert_eq!(messages, ["no such thing: 100 %", "Method not found!"]);
    let kinds = |stream: u64| exchanges.iter().filter(|row| row.stream == stream).map(|row| row.kind).collect::<Vec<_>>();
    let (upload, chat) = (streams.iter().nth(8).expect("a call"), streams.iter().nth(9).expect("a call"));
    assert_eq!(kinds(*upload).iter().filter(|kind| **kind == Kind::Message).count(), 3);
    assert_eq!(kinds(*chat), [Kind::Open, Kind::Message, Kind::Message, Kind::Message, Kind::Close]);
    assert!(exchanges.iter().filter(|row| row.kind == Kind::Message && row.stream == *chat).all(|row| row.latency_ns > Some(0)));
    let metadata = exchanges[0].headers.iter().flatten().find(|header| &*header.name == "authorization").expect("it was sent");
    assert!(metadata.value.starts_with(b"Bearer redacted-"));
}

/// What a client of Milvus asked for: collections are those of the messages, and what failed there has failed here.
#[test]
fn vectors_over_grpc_are_as_their_client_saw_them() {
    let (expect, meta, exchanges) = case("grpc/pymilvus-lite");
    let method = |row: &trace::Exchange| row.target.rsplit('/').next().unwrap_or_default().to_owned();
    let wanted: Vec<_> =
        expect.as_array().expect("a list").iter().map(|said| (said["method"].as_str(), said["collection"].as_str())).collect();
    let asked: Vec<_> = exchanges.iter().map(|row| (method(row), row.collection.to_string())).collect();
    let asked: Vec<_> = asked.iter().map(|(method, collection)| (Some(method.as_str()), Some(collection.as_str()))).collect();
    let of_client: Vec<_> =
        asked.iter().filter(|(method, _)| wanted.iter().any(|(wanted, _)| wanted == method)).copied().collect();
    assert_eq!(of_client, wanted);
    for (name, effect, items) in [("Insert", Effect::Write, 20), ("Upsert", Effect::Write, 1), ("Search", Effect::Read, 1)] {
        assert!(
            exchanges.iter().filter(|row| method(row) == name).all(|row| (row.effect, row.items) == (effect, items)),
            "{name}"
        );
    }
    let failed: Vec<_> =
        exchanges.iter().filter(|row| row.ok == Some(false)).map(|row| (method(row), row.collection.to_string())).collect();
    let service = "milvus.proto.milvus.MilvusService";
    let lines = [("AllocTimestamp", service), ("AllocTimestamp", service), ("Search", "nowhere")];
    assert_eq!(
        failed,
        lines.map(|(method, collection)| (method.to_owned(), collection.to_owned())),
        "this server allots no times"
    );
    assert_eq!((meta.issues.len(), exchanges.len()), (0, 27));
}

/// What a client of Chroma asked for: its server knows collections by their ids.
#[test]
fn vectors_over_http_are_as_their_client_saw_them() {
    let (expect, meta, exchanges) = case("http1/chromadb");
    let said = expect.as_array().expect("a list").iter().filter(|said| said["what"] != "create");
    let got = exchanges.iter().filter_map(|row| {
        let (what, ids) = (row.operation.rsplit_once("/collections/{}/")?.1, row.answer_ids.as_ref().map_or(0, Vec::len) as u64);
        let records = match what {
            "query" | "get" => ids,
            // The answer alone says how many there are.
            "count" => 20,
            _ => row.items.into(),
        };
        Some(serde_json::json!({ "what": what, "collection": row.collection.as_str(), "records": records }))
    });
    assert_eq!(got.collect::<Vec<_>>(), said.cloned().collect::<Vec<_>>());
    let made: Vec<&str> = exchanges.iter().filter(|row| row.effect == Effect::Admin).map(|row| row.collection.as_str()).collect();
    assert_eq!((made, meta.issues.len(), exchanges.len()), (vec!["books", "films"], 0, 19));
    let text = format!("{exchanges:?}");
    assert!(!text.contains("not-a-secret") && text.contains("redacted-"));
}

#[test]
fn time_begins_with_the_first_request() {
    let folder = folder();
    let (meta, exchanges) = import_all(&[write(folder.path(), "a.pcap", &packets(2))], &ImportOptions::default());
    assert_eq!(meta.wall_start_unix_ns, Some(START_NS as i64 + 3_000_000));
    assert_eq!(exchanges.iter().map(|exchange| exchange.at.ns()).collect::<Vec<_>>(), [0, 8_000_000]);
    assert_eq!((meta.exchanges, meta.sessions, meta.span_ns), (2, 2, 8_000_000));
    assert_eq!((meta.sources[0].name.as_str(), meta.sources.len()), ("a.pcap", 1));
}

#[test]
fn several_files_are_merged_by_time_in_whatever_order_they_are_named() {
    let folder = folder();
    let all = packets(6);
    let whole = write(folder.path(), "whole.pcap", &all);
    let rotated: Vec<PathBuf> =
        all.chunks(9).zip(0..).map(|(part, number)| write(folder.path(), &format!("part-{number}.pcap"), part)).collect();
    let (up, down): (Vec<_>, Vec<_>) = all.iter().cloned().partition(|(_, frame)| frame[36..38] == [0, 80]);
    let directions = vec![write(folder.path(), "down.pcap", &down), write(folder.path(), "up.pcap", &up)];
    let expected = import_all(std::slice::from_ref(&whole), &ImportOptions::default()).1;
    assert_eq!(expected.len(), 6);
    let backwards: Vec<PathBuf> = rotated.iter().rev().cloned().collect();
    for sources in [rotated, backwards, directions] {
        let options = ImportOptions { redaction: Policy::Off, ..ImportOptions::default() };
        let plain = import_all(std::slice::from_ref(&whole), &options).1;
        let (meta, merged) = import_all(&sources, &options);
        assert_eq!(merged, plain);
        assert_eq!(meta.loss.expect("an import has an account").packets_read, all.len() as u64);
        let names: Vec<String> =
            sources.iter().map(|path| path.file_name().expect("a file").to_string_lossy().into_owned()).collect();
        assert_eq!(meta.sources.iter().map(|source| source.name.clone()).collect::<Vec<_>>(), names);
    }
}

/// Somebody stops the import as soon as something was read: what was read so far is a whole trace, which says so.
#[test]
fn what_was_read_until_a_stop_is_a_trace() {
    let folder = folder();
    let response = [&b"HTTP/1.1 200 OK\r\nContent-Length: 32768\r\n\r\n"[..], &[b'x'; 32768]].concat();
    let one = |number: u16| {
        connection(Host { port: 40_000 + number, ..CLIENT }, SERVER, &[(true, REQUEST), (false, response.as_slice())])
    };
    let all: Vec<(u64, Vec<u8>)> =
        (0..200).flat_map(one).zip(0..).map(|(frame, index)| (START_NS + index * 1_000_000, frame)).collect();
    let source = write(folder.path(), "a.pcap", &all);
    let (options, output) = (ImportOptions::default(), folder.path().join("t.parquet"));
    let file_bytes = fs::metadata(&source).expect("it was written").len();
    let stop = |_| options.stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let meta = import(&[source], &output, &options, &mut { stop }).expect("it is a capture");
    let read = meta.loss.expect("a capture has an account").packets_read;
    let kinds: Vec<&str> = meta.issues.iter().map(|issue| issue.kind.as_str()).collect();
    assert!(0 < read && read < all.len() as u64 && kinds.contains(&STOPPED), "{read} of {} packets, {kinds:?}", all.len());
    assert!(meta.sources[0].bytes < file_bytes, "{:?}", meta.sources);
    // The first packets are those of the first connections; of the last of them, a part may be read.
    let whole = read / (all.len() as u64 / 200);
    let rows = exchanges(&output);
    assert!((whole..=whole + 1).contains(&(rows.len() as u64)), "{} rows of {whole} connections", rows.len());
}

#[test]
fn importing_twice_gives_the_same_bytes() {
    let folder = folder();
    let source = write(folder.path(), "a.pcap", &packets(600));
    let [one, two] = ["one", "two"].map(|name| {
        let output = folder.path().join(name);
        import(std::slice::from_ref(&source), &output, &ImportOptions::default(), &mut |_| ()).expect("it is a capture");
        fs::read(output).expect("it was written")
    });
    assert!(one == two);
}

/// Where a file lies is nobody's business, and no part of the trace.
#[test]
fn the_trace_does_not_depend_on_the_folder() {
    let content = |folder: &Path| {
        let source = write(folder, "a.pcap", &packets(3));
        let file = fs::read(&source).expect("it was written");
        fs::write(&source, &file[..file.len() - 5]).expect("a temporary file");
        let output = folder.join("t.parquet");
        let meta = import(&[source], &output, &ImportOptions::default(), &mut |_| ()).expect("it is a capture");
        assert_eq!(meta.issues[0].kind, "capture-cut-short");
        fs::read(output).expect("it was written")
    };
    assert!(content(folder().path()) == content(folder().path()));
}

#[test]
fn secrets_never_reach_the_file_unless_asked_for() {
    let folder = folder();
    let source = write(folder.path(), "a.pcap", &packets(1));
    let output = folder.path().join("t.parquet");
    let secret = |options: &ImportOptions| {
        import(std::slice::from_ref(&source), &output, options, &mut |_| ()).expect("it is a capture");
        let headers = exchanges(&output)[0].headers.clone().expect("HTTP has headers");
        String::from_utf8_lossy(&headers.iter().find(|header| &*header.name == "Authorization").expect("it was sent").value)
            .into_owned()
    };
    let masked = secret(&ImportOptions::default());
    assert!(masked.starts_with("Bearer redacted-"), "{masked}");
    assert_eq!(secret(&ImportOptions::default()), masked);
    assert_ne!(secret(&ImportOptions { redaction_key: Some(1), ..ImportOptions::default() }), masked);
    assert_eq!(secret(&ImportOptions { redaction: Policy::Off, ..ImportOptions::default() }), "Bearer not-a-secret");
}

#[test]
fn responses_are_kept_on_request() {
    let folder = folder();
    let source = write(folder.path(), "a.pcap", &packets(1));
    let mut options = ImportOptions::default();
    assert_eq!(import_all(std::slice::from_ref(&source), &options).1[0].response, None);
    options.dissect.keep_responses = true;
    assert_eq!(import_all(&[source], &options).1[0].response.as_deref(), Some(&b"ok"[..]));
}

/// Three connections of two addresses, whose requests carry two users' cookies crosswise, or none.
fn users() -> Vec<(u64, Vec<u8>)> {
    let request = |cookie: &str| format!("GET /a HTTP/1.1\r\nCookie: theme=dark; {cookie}\r\nX-User: {cookie}\r\n\r\n");
    let (ann, bob, none) = (request("sid=ann"), request("sid=bob"), "GET /a HTTP/1.1\r\n\r\n".to_owned());
    let one = |address: u8, port: u16, requests: [&str; 2]| {
        let host = Host { address: [10, 0, 0, address], port };
        let said = requests.map(|request| [(true, request.as_bytes()), (false, RESPONSE)]).concat();
        connection(host, SERVER, &said)
    };
    let frames = [one(1, 1, [&ann, &bob]), one(1, 2, [&bob, &ann]), one(2, 1, [&none, &ann])].concat();
    frames.into_iter().zip(0..).map(|(frame, index)| (START_NS + index * 1_000_000, frame)).collect()
}

#[test]
fn sessions_are_told_by_connection_address_header_or_cookie() {
    let folder = folder();
    let source = write(folder.path(), "a.pcap", &users());
    // Session and place in it; the connection is the stream.
    for (by, expected, missing) in [
        ("connection", [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)], 0),
        ("address", [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1)], 0),
        ("cookie:sid", [(0, 0), (1, 0), (1, 1), (0, 1), (2, 0), (0, 2)], 1),
        ("header:x-user", [(0, 0), (1, 0), (1, 1), (0, 1), (2, 0), (0, 2)], 1),
    ] {
        let options = ImportOptions { session_by: SessionBy::parse(by).expect("it is known"), ..ImportOptions::default() };
        let (meta, exchanges) = import_all(std::slice::from_ref(&source), &options);
        assert_eq!(exchanges.iter().map(|row| (row.session, row.seq)).collect::<Vec<_>>(), expected, "{by}");
        let streams: Vec<u64> = exchanges.iter().map(|row| row.stream >> 32).collect();
        assert_eq!(streams, if by == "connection" { [0; 6] } else { [0, 0, 1, 1, 2, 2] }, "{by}");
        let without = meta.issues.iter().find(|issue| issue.kind == "session-key-missing").map_or(0, |issue| issue.count);
        assert_eq!(without, missing, "{by}");
    }
    for nonsense in ["cookie", "cookie:", "user", "address:x", ""] {
        let error = SessionBy::parse(nonsense).expect_err("it says nothing").to_string();
        assert!(error.contains("cookie:NAME") && error.lines().count() == 1, "{error}");
    }
}

#[test]
fn a_capture_without_requests_is_an_empty_trace() {
    let folder = folder();
    let (meta, exchanges) = import_all(&[write(folder.path(), "none.pcap", &[])], &ImportOptions::default());
    assert_eq!((exchanges.len(), meta.exchanges, meta.wall_start_unix_ns), (0, 0, None));
}

#[test]
fn progress_grows_and_ends_with_all_of_it() {
    let folder = folder();
    let packets = packets(6000);
    let source = write(folder.path(), "a.pcap", &packets);
    let size = fs::metadata(&source).expect("it was written").len();
    let mut steps: Vec<Progress> = Vec::new();
    import(&[source], &folder.path().join("t"), &ImportOptions::default(), &mut |step| steps.push(step))
        .expect("it is a capture");
    assert!(steps.len() > 2);
    assert!(steps.is_sorted_by_key(|step| (step.read_bytes, step.packets, step.exchanges)));
    assert_eq!(steps.last(), Some(&Progress { read_bytes: size, packets: packets.len() as u64, exchanges: 6000 }));
}

/// The names of the files in a folder.
fn left_over(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("it is readable").file_name().to_string_lossy().into_owned();
    fs::read_dir(folder).expect("it is there").map(name).collect()
}

#[test]
fn what_cannot_be_done_is_said_in_one_sentence_and_leaves_nothing() {
    let (folder, outputs) = (self::folder(), self::folder());
    let good = write(folder.path(), "good.pcap", &packets(1));
    let bad = folder.path().join("bad.pcap");
    fs::write(&bad, b"This is no capture, whatever its name says.").expect("a temporary file");
    let output = outputs.path().join("t.parquet");
    let fail = |sources: &[PathBuf], output: &Path| {
        let error = import(sources, output, &ImportOptions::default(), &mut |_| ()).expect_err("it cannot be done");
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
        error
    };
    assert!(matches!(fail(&[good.clone(), bad.clone()], &output), Error::NotCapture { .. }));
    assert!(matches!(fail(&[folder.path().join("missing.pcap")], &output), Error::Io { .. }));
    assert!(matches!(fail(&[folder.path().to_owned()], &output), Error::Io { .. }));
    assert_eq!(left_over(outputs.path()), [""; 0]);
    assert!(matches!(fail(&[good], &outputs.path().join("no/such/folder/t.parquet")), Error::Trace(_)));
    assert_eq!(left_over(outputs.path()), [""; 0]);
}

#[test]
fn an_existing_trace_stays_when_the_import_fails() {
    let folder = folder();
    let output = folder.path().join("t.parquet");
    fs::write(&output, b"the one before").expect("a temporary file");
    assert!(import(&[folder.path().join("missing.pcap")], &output, &ImportOptions::default(), &mut |_| ()).is_err());
    assert_eq!(fs::read(&output).expect("it is still there"), b"the one before");
}
