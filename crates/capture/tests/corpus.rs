//! Captures from elsewhere against what independent analysers say of them: the manifest of the corpus, and where it is wrong or speaks
//! of something else, a row of `DEVIATIONS` with the reason.

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use capture::import::{ImportOptions, import};
use capture::pcap::CaptureReader;
use support::streams::Stream;
use support::{corpus, import_all, tape};
use trace::{Exchange, Kind, Undecoded};

/// What a capture is expected to give. `None`: the manifest says nothing of it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Figures {
    packets: Option<u64>,
    connections: Option<u64>,
    requests: Option<u64>,
    /// Also those whose request was not captured.
    responses: Option<u64>,
    methods: Option<BTreeMap<String, u64>>,
    statuses: Option<BTreeMap<String, u64>>,
    first: Option<String>,
    last: Option<String>,
}

/// Where we hold another figure to be right than the manifest's, and why.
struct Deviation {
    file: &'static str,
    why: &'static str,
    change: fn(&mut Figures),
}

fn counts(pairs: &[(&str, u64)]) -> Option<BTreeMap<String, u64>> {
    Some(pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect())
}

const DEVIATIONS: &[Deviation] = &[
    Deviation {
        file: "h1-methods.pcap",
        why: "the statement: 49 transactions; tshark leaves out request lines without blanks or version, the last one among them",
        change: |figures| {
            figures.requests = Some(49);
            (figures.methods, figures.last) = (None, None);
        },
    },
    Deviation {
        file: "h1-100-continue.pcap",
        why: "an interim response is part of the exchange that its final response ends",
        change: |figures| (figures.responses, figures.statuses) = (Some(1), counts(&[("200", 1)])),
    },
    Deviation {
        file: "h1-bro-org.pcap",
        why: "the lost segments lie inside a body of known length, so that its response is known too, and flagged",
        change: |figures| (figures.responses, figures.statuses) = (Some(31), counts(&[("200", 31)])),
    },
    Deviation {
        file: "h1-range15-ooo.pcap",
        why: "the statement: 15 responses, segments are only out of order",
        change: |figures| (figures.responses, figures.statuses) = (Some(15), counts(&[("206", 15)])),
    },
    Deviation {
        file: "h1-desync.pcap",
        why: "two of the 7 responses answer no request: they are counted, and are no exchanges",
        change: |figures| figures.statuses = counts(&[("200", 5)]),
    },
    Deviation {
        file: "h1-asymmetric-2if.pcapng",
        why: "each connection has one direction only, so that no response has a request: they are counted, and are no exchanges",
        change: |figures| figures.statuses = counts(&[]),
    },
    Deviation {
        file: "h1-gap-jszip.pcap",
        why: "the statement: 1 transaction with a note; the response's head was captured, the hole is in its body",
        change: |figures| (figures.responses, figures.statuses) = (Some(1), counts(&[("200", 1)])),
    },
    Deviation {
        file: "tcp-retrans-chunked.pcap",
        why: "the statement: 4 responses, tshark counts retransmitted heads",
        change: |figures| (figures.responses, figures.statuses) = (Some(4), counts(&[("200", 4)])),
    },
    Deviation {
        file: "noise-http2.pcap",
        why: "M-SEARCH is SSDP, over UDP",
        change: |figures| {
            (figures.requests, figures.methods) = (Some(2), counts(&[("GET", 2)]));
            figures.first = Some("GET /".to_owned());
        },
    },
    Deviation {
        file: "h2-nghttp2-upgrade.pcap",
        why: "the statement: the request of stream 1 travels in the HTTP/1.1 upgrade",
        change: |figures| figures.requests = Some(2),
    },
    Deviation {
        file: "h2-deflate-upgrade.pcap",
        why: "the statement: the only request is the upgrade, and its 200 comes on stream 1",
        change: |figures| figures.statuses = counts(&[("200", 1)]),
    },
    Deviation {
        file: "grpc-server-stream.pcap",
        why: "the status of a call is in its trailers",
        change: |figures| figures.statuses = counts(&[("grpc:0", 1)]),
    },
    Deviation {
        file: "redis-bulk1000.pcap",
        why: "the statement: 1001 commands, an empty line, and 1001 replies",
        change: |figures| {
            (figures.requests, figures.responses) = (Some(1001), Some(1001));
            (figures.methods, figures.statuses) = (counts(&[("SET", 1000), ("ECHO", 1)]), counts(&[("OK", 1001)]));
        },
    },
    Deviation {
        file: "redis-pipeline-inline.pcap",
        why: "the statement: 3 inline commands, 3 replies",
        change: |figures| {
            (figures.requests, figures.responses) = (Some(3), Some(3));
            figures.methods = counts(&[("PING", 3)]);
        },
    },
    Deviation {
        file: "redis-session-6380.pcap",
        why: "the statement: 11 commands, 11 replies, 1 of them an error; one reply is null",
        change: |figures| {
            (figures.requests, figures.responses) = (Some(11), Some(11));
            figures.statuses = counts(&[("ERR", 1), ("OK", 9), ("nil", 1)]);
        },
    },
    Deviation {
        file: "redis-pubsub2.pcap",
        why: "the statement: 7 commands, 10 messages of the server: 7 answer a command, 3 are rows of their own",
        change: |figures| {
            (figures.requests, figures.responses) = (Some(10), Some(7));
            let methods = [("GET", 1), ("PSUBSCRIBE", 1), ("PUBLISH", 2), ("RESET", 1), ("SET", 1), ("SUBSCRIBE", 1)];
            figures.methods = counts(&[&methods[..], &[("message", 1), ("pmessage", 2)]].concat());
        },
    },
    Deviation {
        file: "mongo-opquery.pcap",
        why: "24 messages of either opcode; what they are is tshark's list of their first elements",
        change: |figures| {
            (figures.requests, figures.responses, figures.statuses) = (Some(24), Some(24), counts(&[("OK", 24)]));
            let methods = [("delete", 1), ("find", 3), ("findandmodify", 1), ("insert", 2), ("isMaster", 11)];
            figures.methods = counts(&[&methods[..], &[("listCollections", 5), ("update", 1)]].concat());
        },
    },
    Deviation {
        file: "mongo-opmsg.pcap",
        why: "15 requests and 15 responses, as deepflow lists them; one response has code 76, NoReplicationEnabled",
        change: |figures| {
            (figures.requests, figures.responses) = (Some(15), Some(15));
            figures.statuses = counts(&[("NoReplicationEnabled", 1), ("OK", 14)]);
        },
    },
    Deviation {
        file: "kafka-9conns-2if.pcapng",
        why: "a Produce of version 9 is answered too (number 6 on the last connection), which tshark does not match",
        change: |figures| {
            (figures.requests, figures.responses) = (Some(14), Some(11));
            figures.methods = counts(&[("ApiVersions", 5), ("InitProducerId", 1), ("Metadata", 5), ("Produce", 3)]);
        },
    },
    Deviation {
        file: "my-wireshark.pcap",
        why: "the login is a row too",
        change: |figures| (figures.requests, figures.responses) = (Some(17), Some(17)),
    },
    Deviation {
        file: "my-157queries-13001.pcap",
        why: "the statement's 157, and the login is a row too",
        change: |figures| (figures.requests, figures.responses) = (Some(158), Some(158)),
    },
    Deviation {
        file: "my-prepared-midstream.pcap",
        why: "tshark's frames: nothing answers the two statements that are closed, and three answers come after the capture's end",
        change: |figures| figures.responses = Some(8),
    },
    Deviation {
        file: "corrupt-2.pcap",
        why: "the second record claims 1.4 GB: libpcap reads one packet too, tshark makes a second one up",
        change: |figures| figures.packets = Some(1),
    },
];

/// The text behind `key=` in a manifest line, up to a blank or, where it is quoted or in braces, to the end of that.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let found = text.match_indices(key).find(|(at, _)| *at == 0 || text[..*at].ends_with(' '))?;
    let rest = &text[found.0 + key.len()..];
    let (skip, close) = match rest.as_bytes().first()? {
        b'\'' => (1, '\''),
        b'{' => (1, '}'),
        _ => (0, ' '),
    };
    let rest = &rest[skip..];
    Some(rest[..rest.find(close).unwrap_or(rest.len())].trim_end_matches(';'))
}

fn number(text: &str, key: &str) -> Option<u64> {
    value(text, key)?.parse().ok()
}

/// `'GET': 3, 'PUT': 1`.
fn numbers(text: &str, key: &str) -> Option<BTreeMap<String, u64>> {
    let pair = |pair: &str| {
        let (name, count) = pair.split_once(": ").expect("name: count");
        (name.trim_matches('\'').to_owned(), count.parse().expect("a count"))
    };
    Some(value(text, key)?.split(", ").filter(|text| !text.is_empty()).map(pair).collect())
}

/// Messages of PostgreSQL that begin a row, each with an answer in the captures of the corpus.
fn rows_of_postgres(messages: &BTreeMap<String, u64>) -> u64 {
    let begins = ["SSL request", "Startup message", "Simple query", "Execute"];
    begins.iter().filter_map(|name| messages.get(*name)).sum()
}

/// Commands of MySQL; a client that quits is no row.
fn rows_of_mysql(commands: &BTreeMap<String, u64>) -> u64 {
    commands.iter().filter(|(command, _)| *command != "1").map(|(_, count)| count).sum()
}

fn figures_of_manifest(file: &str, expected: &str) -> Figures {
    let is_http = expected.contains("http.request=");
    // What tshark says of HTTP/2 stands behind all else.
    let http2 = expected.split_once("http2 ").map_or("", |(_, http2)| http2);
    let http = |text: Option<&str>| text.filter(|_| is_http).map(str::to_owned);
    let mysql =
        numbers(expected, "commands=").filter(|_| expected.contains("mysql.query")).map(|commands| rows_of_mysql(&commands));
    let postgres = numbers(expected, "types=").map(|messages| rows_of_postgres(&messages));
    let mut figures = Figures {
        packets: number(expected, "packets="),
        connections: number(expected, "tcp_streams="),
        requests: number(expected, "http.request=").or(number(http2, ":method=")).or(postgres).or(mysql).or(Some(0)),
        responses: number(expected, "http.response=")
            .or(numbers(http2, ":status=").map(|codes| codes.values().sum()))
            .or(postgres)
            .or(mysql)
            .or(Some(0)),
        methods: numbers(expected, "methods=").filter(|_| is_http),
        statuses: numbers(expected, "codes=").filter(|_| is_http).or(numbers(http2, ":status=")),
        first: http(value(expected, "first=")),
        last: http(value(expected, "last=")),
    };
    if let Some(deviation) = DEVIATIONS.iter().find(|deviation| deviation.file == file) {
        (deviation.change)(&mut figures);
    }
    figures
}

/// The captures of the corpus with what the manifest expects of each.
fn captures(corpus: &Path) -> Vec<(PathBuf, String)> {
    let manifest = std::fs::read_to_string(corpus.join("MANIFEST.tsv")).expect("the corpus has a manifest");
    let capture = |line: &str| {
        let columns: Vec<&str> = line.split('\t').collect();
        columns[0].starts_with("pcap/").then(|| (corpus.join(columns[0]), columns[8].to_owned()))
    };
    let captures: Vec<(PathBuf, String)> = manifest.lines().filter_map(capture).collect();
    assert!(captures.len() > 60, "the manifest lists the captures");
    captures
}

fn file_name(path: &Path) -> String {
    path.file_name().expect("a file").to_string_lossy().into_owned()
}

fn tally(names: impl Iterator<Item = String>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    names.for_each(|name| *counts.entry(name).or_default() += 1);
    counts
}

/// Messages and close frames by opcode: each message of the corpus is one frame.
fn check_websocket(file: &str, expected: &str, rows: &[Exchange]) {
    let Some(opcodes) = numbers(expected, "websocket.opcode=") else { return };
    let count = |opcode: &str| opcodes.get(opcode).copied().unwrap_or(0);
    let rows_of = |kind: Kind| rows.iter().filter(move |row| row.protocol == "websocket" && row.kind == kind);
    let answers = rows_of(Kind::Message).filter(|row| row.latency_ns.is_some()).count();
    let messages = rows_of(Kind::Message).count() + rows_of(Kind::Push).count() + answers;
    assert_eq!(messages as u64, count("1") + count("2"), "{file}");
    let closes: u64 = rows_of(Kind::Close).map(|row| u64::from(row.request_bytes > 0) + u64::from(row.response_bytes > 0)).sum();
    assert_eq!(closes, count("8"), "{file}");
}

#[test]
fn every_capture_gives_the_figures_that_are_right() {
    let Some(corpus) = corpus("every_capture_gives_the_figures_that_are_right") else { return };
    for (path, expected) in captures(&corpus) {
        let file = file_name(&path);
        let (meta, mut exchanges) = import_all(&[path], &ImportOptions::default());
        let loss = meta.loss.expect("an import has an account");
        check_websocket(&file, &expected, &exchanges);
        // The figures of HTTP do not count what is said behind a handshake.
        exchanges.retain(|row| row.protocol != "websocket" || row.kind == Kind::Open);
        let want = figures_of_manifest(&file, &expected);
        let line = |exchange: Option<&Exchange>| exchange.map(|exchange| format!("{} {}", exchange.method, exchange.target));
        // tshark's lines are cut at 80 characters.
        let like = |line: Option<String>, want: &Option<String>| {
            want.clone().filter(|want| line.is_some_and(|line| line.starts_with(want)))
        };
        let unasked =
            meta.issues.iter().find(|issue| issue.kind == "http-response-without-request").map_or(0, |issue| issue.count);
        let answered = exchanges.iter().filter_map(|exchange| exchange.status.as_ref());
        let got = Figures {
            packets: Some(loss.packets_read),
            connections: Some(loss.connections.values().sum()),
            requests: Some(exchanges.len() as u64),
            responses: Some(answered.clone().count() as u64 + unasked),
            methods: want.methods.is_some().then(|| tally(exchanges.iter().map(|exchange| exchange.method.to_string()))),
            statuses: want.statuses.is_some().then(|| tally(answered.map(ToString::to_string))),
            first: like(line(exchanges.first()), &want.first),
            last: like(line(exchanges.last()), &want.last),
        };
        let why = DEVIATIONS.iter().find(|deviation| deviation.file == file).map_or("", |deviation| deviation.why);
        assert_eq!(got, want, "{file} ({why}): {:#?}", meta.issues);
        assert_eq!(loss.packets_read, loss.packets_decoded + loss.packets_dropped.values().sum::<u64>(), "{file}");
        if let Some(messages) = number(&expected, "messages=") {
            // A call with one message each way counts the client's; more from the server are counted beside it.
            let counted =
                |row: &Exchange| row.yields.iter().find(|found| found.name == "messages").map(|found| found.value.parse());
            let received = exchanges.iter().filter_map(counted).map(|count: Result<u64, _>| count.expect("a count"));
            let sent: u64 = exchanges.iter().map(|row| u64::from(row.items)).sum();
            assert_eq!(sent + received.sum::<u64>(), messages, "{file}");
        }
        let paths = expected.split_once("paths=[").map_or("", |(_, rest)| rest.split(']').next().unwrap_or_default());
        for path in paths.split(", ").map(|path| path.trim_matches('\'')).filter(|path| !path.is_empty()) {
            assert!(exchanges.iter().any(|exchange| &*exchange.target == path), "{file}: {path}");
        }
        let undecoded: u64 = loss.undecoded.values().map(|undecoded| undecoded.connections).sum();
        assert!(undecoded >= loss.connections.get("undecoded").copied().unwrap_or(0), "{file}");
    }
}

/// What of a capture no dissector takes yet: its connections by port and protocol, with packets, and payload up and down. Each protocol that
/// gets a dissector takes its lines away. Packets and connections of captures of one protocol are those of the manifest; protocols are those
/// that the manifest names; what is decoded wholly has no line.
#[rustfmt::skip]
const UNDECODED: &[(&str, &str, [u64; 4])] = &[
    ("h1-docker-upgrade.pcap", "2375 unknown", [1, 150, 41, 468]),
    ("h1-proxy-connect.pcap", "80 tls", [1, 51, 3423, 55425]),
    ("cql-create-table.pcap", "9042 cassandra", [1, 10, 806, 2185]),
    ("amqp-emit-receive.pcap", "5672 amqp", [2, 38, 825, 1276]),
    ("mqtt5-qos2.pcap", "1883 mqtt", [1, 15, 84, 16]),
    ("mqtt-http-mixed.pcap", "1883 mqtt", [2, 39, 152, 65]),
    ("mqtt-http-mixed.pcap", "42514 tls", [1, 20, 2416, 1191]),
    ("mqtt-http-mixed.pcap", "42949 unknown", [1, 12, 0, 3]),
    ("mqtt-http-mixed.pcap", "46629 unknown", [1, 24, 0, 9]),
    ("nats.pcap", "4222 nats", [2, 27, 276, 636]),
    ("memcached-text.pcap", "11211 memcached", [1, 18, 2091, 2084]),
    ("thrift-integration.pcap", "9090 thrift", [17, 253, 1122, 1020]),
    ("vlan-mpls-mixed.pcap", "23 telnet", [1, 11, 26, 0]),
    ("be-mixed.pcap", "1045 unknown", [1, 1, 0, 3]),
    ("be-mixed.pcap", "120 unknown", [1, 1, 0, 33]),
    ("be-mixed.pcap", "2069 unknown", [1, 1, 0, 33]),
    ("be-mixed.pcap", "21 ftp", [10, 10, 37, 228]),
    ("be-mixed.pcap", "21 smtp or ftp", [1, 25, 19, 246]),
    ("be-mixed.pcap", "43690 unknown", [1, 1, 39, 0]),
    ("be-mixed.pcap", "58999 unknown", [1, 1, 0, 0]),
    ("mixed-day.pcap", "443 tls", [1, 9, 27, 0]),
];

#[test]
fn what_is_not_decoded_is_listed_and_nothing_else() {
    let Some(corpus) = corpus("what_is_not_decoded_is_listed_and_nothing_else") else { return };
    let line = |file: &str, name: &str, figures: [u64; 4]| format!("({file:?}, {name:?}, {figures:?}),");
    let figures = |it: &Undecoded| [it.connections, it.packets, it.client_bytes, it.server_bytes];
    let mut got = Vec::new();
    for (path, _) in captures(&corpus) {
        let file = file_name(&path);
        let loss = import_all(&[path], &ImportOptions::default()).0.loss.expect("an import has an account");
        got.extend(loss.undecoded.iter().map(|(name, it)| line(&file, name, figures(it))));
    }
    let expected: Vec<String> = UNDECODED.iter().map(|(file, name, figures)| line(file, name, *figures)).collect();
    assert_eq!(got, expected, "{}", got.join("\n"));
}

#[test]
fn damaged_files_are_kept_up_to_the_damage() {
    let Some(corpus) = corpus("damaged_files_are_kept_up_to_the_damage") else { return };
    for (file, issue) in [("cut-short.pcap", "capture-cut-short"), ("corrupt-2.pcap", "capture-record-damaged")] {
        let (meta, _) = import_all(&[corpus.join("pcap").join(file)], &ImportOptions::default());
        assert!(meta.issues.iter().any(|found| found.kind == issue), "{file}: {:?}", meta.issues);
    }
}

/// The bytes that each side of each connection sent, up to the first hole.
fn payloads(corpus: &Path, file: &str) -> Vec<(String, String)> {
    let events = tape::dissect(std::fs::read(corpus.join("pcap").join(file)).expect("it is there"), tape::ANYTHING);
    let mut sessions: BTreeMap<u64, [(Vec<u8>, bool); 2]> = BTreeMap::new();
    for event in events {
        let own = &mut sessions.entry(event.session).or_default()[usize::from(event.method == "server")];
        own.1 |= event.operation == "gap";
        if !own.1 {
            own.0.extend_from_slice(event.request.as_deref().unwrap_or_default());
        }
    }
    let text = |(bytes, _): (Vec<u8>, bool)| String::from_utf8_lossy(&bytes).into_owned();
    sessions.into_values().map(|[client, server]| (text(client), text(server))).collect()
}

#[test]
fn overlapping_segments_give_the_first_copy() {
    let Some(corpus) = corpus("overlapping_segments_give_the_first_copy") else { return };
    assert_eq!(payloads(&corpus, "tcp-overlap.pcap"), [("GOOD".to_owned(), String::new())]);
}

/// The manifest's statement, from Arkime's own test.
#[test]
fn reassembly_cases_have_the_right_payload() {
    let Some(corpus) = corpus("reassembly_cases_have_the_right_payload") else { return };
    let lengths: Vec<(usize, usize)> =
        payloads(&corpus, "tcp-reassembly-cases.pcap").iter().map(|(client, server)| (client.len(), server.len())).collect();
    let expected = [(40, 32), (45, 32), (49, 32), (44, 32), (37, 8), (49, 32), (47, 32), (39, 23), (39, 0), (39, 23), (31, 0)];
    assert_eq!(lengths, expected);
}

fn content(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The connections of all captures.
fn streams(corpus: &Path) -> Vec<(String, Stream)> {
    let of =
        |(path, _): (PathBuf, String)| support::streams::streams(&path).into_iter().map(move |stream| (file_name(&path), stream));
    captures(corpus).into_iter().flat_map(of).collect()
}

/// `fuzz/README.md` says what they are for.
#[test]
#[ignore = "writes files for the fuzz targets to begin with"]
fn seeds_for_fuzz_targets() {
    const BYTES_MAX: usize = 8 << 10;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let subfolders = |folder: PathBuf| std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("readable").path());
    let own =
        subfolders(root.join("captures")).filter(|path| path.is_dir()).flat_map(subfolders).map(|case| case.join("capture.pcap"));
    let elsewhere = corpus("captures from elsewhere").map(|corpus| captures(&corpus)).unwrap_or_default();
    for (file, path) in own.filter(|path| path.exists()).chain(elsewhere.into_iter().map(|(path, _)| path)).enumerate() {
        let front: Vec<u8> = content(&path).into_iter().take(2 * BYTES_MAX).collect();
        let streams = support::streams::streams(&path);
        let seeds = streams.iter().flat_map(|stream| stream.seeds(BYTES_MAX)).chain([("capture", front)]);
        for (number, (target, seed)) in seeds.enumerate() {
            let folder = root.join("fuzz/corpus").join(target);
            std::fs::create_dir_all(&folder).expect("a folder");
            std::fs::write(folder.join(format!("seed-{file}-{number}")), seed).expect("a file");
        }
    }
}

/// Byte by byte; and each segment cut in two at each of its bytes, in connections of which that is no more than 1 MiB to read. Of longer
/// ones so many cuts (`REHEARSAL_CUT_BYTES` allows more): one byte before, at and behind the ends of messages, and others chosen by chance.
#[test]
fn every_two_way_cut_gives_the_same_exchanges() {
    let Some(corpus) = corpus("every_two_way_cut_gives_the_same_exchanges") else { return };
    streams(&corpus).iter().for_each(|(file, stream)| stream.check_cuts(file));
}

/// All prefixes of connections of which that is no more than 1 MiB to read, and as many of longer ones, chosen as the cuts above. What is said
/// within every prefix, before its end, is what is said byte by byte above.
#[test]
fn every_prefix_keeps_what_was_complete() {
    let Some(corpus) = corpus("every_prefix_keeps_what_was_complete") else { return };
    streams(&corpus).iter().for_each(|(file, stream)| stream.check_prefixes(file));
}

/// Where the records of a file begin and end, by their own lengths.
fn boundaries(file: &[u8]) -> Vec<usize> {
    let mut reader = CaptureReader::new("test", Box::new(std::io::Cursor::new(file.to_vec()))).expect("it is a capture");
    let mut ends = Vec::new();
    while reader.advance().expect("it is in memory") {
        // A record ends where its bytes end; padding follows in pcapng.
        let packet = reader.packet().bytes;
        let from = ends.last().copied().unwrap_or(0);
        let at = file[from..].windows(packet.len().max(1)).position(|window| window == packet);
        ends.push(at.map_or(from, |at| from + at + packet.len()));
    }
    ends
}

/// Cuts at 200 places of equal distance, and at the ends of the first 200 packets, one byte before and one after them. The whole of that
/// for files up to some 10 KB; of larger ones so many of these places, evenly, that 6 MiB are dissected for a file: it bounds the test.
#[test]
fn every_prefix_of_every_file_does_no_harm() {
    let Some(corpus) = corpus("every_prefix_of_every_file_does_no_harm") else { return };
    for (path, _) in captures(&corpus) {
        let file = content(&path);
        let mut cuts: Vec<usize> = (0..200).map(|step| file.len() * step / 200).collect();
        if !file.starts_with(&[0x1f, 0x8b]) {
            cuts.extend(boundaries(&file).into_iter().take(200).flat_map(|end| [end - 1, end, end + 1]));
        }
        cuts.sort_unstable();
        cuts.dedup();
        let step = cuts.len().div_ceil((6 << 20) / file.len().max(1)).max(1);
        let whole = tape::dissect(file.clone(), capture::dissect::PROTOCOLS).len();
        for cut in cuts.into_iter().step_by(step) {
            let cut_off = tape::dissect(file[..cut.min(file.len())].to_vec(), capture::dissect::PROTOCOLS);
            assert!(cut_off.len() <= whole, "{} cut at {cut}", path.display());
        }
    }
}

#[test]
fn importing_twice_gives_the_same_bytes_for_every_capture() {
    let Some(corpus) = corpus("importing_twice_gives_the_same_bytes_for_every_capture") else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (path, _) in captures(&corpus) {
        let [one, two] = ["one", "two"].map(|name| {
            let output = folder.path().join(name);
            import(std::slice::from_ref(&path), &output, &ImportOptions::default(), &mut |_| ()).expect("it is readable");
            content(&output)
        });
        assert!(one == two, "{}", path.display());
    }
}
