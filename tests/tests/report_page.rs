//! The report as a browser sees it, with no error in the console, no request to anywhere and marks in every chart; and its figures, each
//! recomputed by another reader.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use rehearsal_tests::{
    Finished, Server, finish, guarded, http, json as read_json, missing, python, python_says, recorded, root, run, synthesized,
    text,
};
use serde_json::{Value, json};
use stats::Rng;
use trace::{ClockPair, ErrorClass, OutcomeRow, OutcomeWriter, ResourceRow, ResourceWriter, RunInfo, RunNs, RunStatus};

/// The report of a short run over the nine collections.
fn report(dir: &Path) -> PathBuf {
    let (trace, out) = (dir.join("t.parquet"), dir.join("run"));
    let _ = run(&["synth", "-o", text(&trace), "--requests", "800", "--rate", "400", "--dim", "8"]).expect_code(0);
    let server = Server::testbed(&["vectors"]);
    let _ = run(&["setup", text(&trace), "--target", &server.url(), "--points", "30"]).expect_code(0);
    let _ = run(&["replay", text(&trace), "--target", &server.url(), "-o", text(&out)]).expect_done();
    let _ = run(&["report", text(&out)]).expect_done();
    out.join("report.html")
}

/// Headless Chromium on `page`: its document as text, its console on standard error.
fn browse(dir: &Path, page: &Path) -> Finished {
    let mut command = guarded(Path::new("chromium"));
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
    command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
    command.args(["--enable-logging=stderr", "--dump-dom"]);
    command.arg(format!("--user-data-dir={}", dir.join("profile").display()));
    finish(command.arg(format!("file://{}", page.display())))
}

/// What a browser would fetch for this document.
fn fetched(document: &str) -> Vec<&str> {
    let after = |mark| document.split(mark).skip(1).filter_map(|rest: &str| rest.split(['"', ')', '\'']).next());
    ["src=\"", "srcset=\"", "<link href=\"", "url(", "@import \""]
        .into_iter()
        .flat_map(after)
        .filter(|url| !url.starts_with("data:"))
        .collect()
}

#[test]
fn the_page_is_whole_and_silent() {
    let chromium = Command::new("chromium").arg("--version").output().is_ok_and(|output| output.status.success());
    if missing("chromium", chromium) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let page = report(dir.path());
    let finished = browse(dir.path(), &page);
    assert_eq!(finished.code, Some(0), "{}", finished.err);

    // The page forbids itself every fetch, so that an attempt would be an error in the console.
    assert!(finished.out.contains("default-src 'none'"), "the page has no content security policy");
    assert_eq!(fetched(&finished.out), Vec::<&str>::new(), "the page would fetch something");
    let console: Vec<&str> = finished.err.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(console.is_empty(), "the console speaks: {console:?}");

    for chart in ["percentiles", "rate-by-collection", "latency-by-collection", "inter-arrivals"] {
        assert!(finished.out.contains(&format!("<figure id=\"chart-{chart}\"")), "no chart {chart}");
    }
    assert!(finished.out.contains("<section id=\"issues\""), "no list of issues");
    // The script has given every chart with figures behind it what it shows them in.
    assert_eq!(
        finished.out.matches("<div class=\"tip\"").count(),
        finished.out.matches("<figure ").count(),
        "a chart has no tooltip"
    );

    let charts: Vec<&str> = finished.out.split("<svg").skip(1).filter_map(|rest| rest.split("</svg>").next()).collect();
    assert!(charts.len() >= 4, "only {} charts", charts.len());
    for chart in charts {
        let marks = ["<polyline", "<path", "<rect", "<circle", "<polygon", "<line"]
            .iter()
            .map(|mark| chart.matches(mark).count())
            .sum::<usize>();
        assert!(marks >= 5, "a chart with {marks} marks: {}", &chart[..chart.len().min(300)]);
    }
}

/// DuckDB over a run's files against the page and `findings.json`.
const RECOMPUTE: &str = include_str!("figures/recompute.py");

/// Blocks that a run has however busy the machine is.
const BLOCKS: [&str; 31] = [
    "figures",
    "latency: percentiles",
    "latency: Response time runs",
    "latency: Response time by phase",
    "latency: latency-over-time",
    "latency: heat",
    "latency: Connect time",
    "throughput: facts",
    "throughput: throughput-over-time",
    "throughput: in-flight-over-time",
    "collections: Response time",
    "collections: Service time",
    "collections: rate-by-collection",
    "collections: latency-by-collection",
    "phase-1: facts",
    "phase-1: Response and service time",
    "phase-1: Response time by",
    "collections: Response time by phase, target",
    "resources: What was seen",
    "resources: watched-over-time",
    "card: facts",
    "card: command",
    "errors: First and last",
    "requests: The slowest",
    "requests: The first failures",
    "agreement: Same ids",
    "agreement: Recall is",
    "timing: inter-arrivals",
    "timing: Lateness is",
    "timing: What the timing",
    "findings.json",
];

/// A run with all there can be in a report: a warm-up and phases of growing load, nine collections, failures, requests that are shed, probes,
/// and answers that differ from the recorded ones.
fn run_with_everything(dir: &Path) -> Option<PathBuf> {
    let (folder, reads) = synthesized(700, 350);
    let recording = Server::testbed(&["vectors"]);
    let setup = |server: &Server, points| {
        let _ = run(&["setup", text(&reads), "--target", &server.url(), "--points", points]).expect_code(0);
    };
    setup(&recording, "60");
    let trace = recorded(folder.path(), &reads, &recording, &[], &["--operation", "POST*"])?;
    let server = Server::testbed(&["vectors"]);
    setup(&server, "40");
    assert_eq!(http(server.addr, "PUT", "/testbed/dials", r#"{"error_rate": 0.03, "delay_ms": 8}"#).0, 200);
    let (out, url, probe) = (dir.join("everything"), server.url(), format!("pid:{}", server.pid()));
    let load =
        ["--loop", "forever", "--arrivals", "poisson", "--warmup", "500ms", "--max-in-flight", "8", "--threshold", "p99<1s"];
    let words =
        ["--profile", "steps:rate,from=150,to=450,by=150,hold=1500ms", "--probe", &probe, "--probe-every", "200ms", "--compare"];
    let replay = ["replay", text(&trace), "--target", &url, "--no-check", "-o", text(&out)];
    let _ = run(&[&replay[..], &load, &words].concat()).expect_done();
    let _ = run(&["report", text(&out)]).expect_done();
    Some(out)
}

/// What is asked of [`run_of_ten_minutes`]: one threshold of each kind that takes no recorded answers.
const ASKED: [&str; 15] = [
    "p99<2s",
    "mean<1s",
    "max<5s",
    "service_p90{phase=soak}<30ms|60ms",
    "lateness_p95<1ms",
    "p90{collection=b}<1s",
    "error_rate<5%",
    "throughput>5/s",
    "goodput>5/s",
    "achieved>1/s",
    "count>10",
    "availability>90%",
    "recovery_time<60s",
    "cpu<2",
    "memory<120MB",
];

/// A made-up run, written as a replay would have: one server, a burst above its capacity, and a soak of ten minutes in which it leaks, becomes
/// slower and is gone for three seconds.
fn run_of_ten_minutes(dir: &Path) -> PathBuf {
    let out = dir.join("ten-minutes");
    std::fs::create_dir(&out).expect("room on the disk");
    let levels = [("calm", 20.0, 30), ("burst", 80.0, 10), ("after", 20.0, 40), ("soak", 20.0, 640)];
    let mut rng = Rng::stream(5, "ten minutes");
    let (mut outcomes, mut from_s, mut free_s, mut id) = (OutcomeWriter::new(&out), 0.0, 0.0_f64, 0);
    let (mut phases, mut at_ns, mut requests) = (Vec::new(), vec![0], vec![0.0]);
    for (phase, per_s, length_s) in levels {
        let to_s = from_s + f64::from(length_s);
        let mut due_s = from_s + rng.exponential() / per_s;
        while due_s < to_s {
            let sent_s = due_s + 20e-6 * rng.exponential();
            let gone = (400.0..403.0).contains(&due_s);
            let slower = 1.0 + (due_s - 80.0).max(0.0) / 640.0;
            free_s = if gone { free_s } else { free_s.max(sent_s) + 0.015 * slower * rng.exponential() };
            outcomes
                .push(&made_up(id, phase, due_s, sent_s, if gone { sent_s + 1e-4 } else { free_s }, gone))
                .expect("room on the disk");
            (due_s, id) = (due_s + rng.exponential() / per_s, id + 1);
        }
        phases.push(json!({ "name": phase, "from_ns": ns(from_s) }));
        at_ns.push(ns(to_s));
        requests.push(requests[requests.len() - 1] + per_s * f64::from(length_s));
        from_s = to_s;
    }
    outcomes.finish().expect("room on the disk");
    made_up_readings(&out, &mut rng);
    let asked = json!({ "phases": phases, "asked_rate": { "at_ns": at_ns, "requests": requests }, "thresholds": ASKED });
    let words = ["rehearsal", "replay", "t.parquet", "--threshold", "p99<2s", "--note", "made up"];
    let info = RunInfo {
        tool: "rehearsal 0.1.0".to_owned(),
        label: "ten minutes".to_owned(),
        note: "made up".to_owned(),
        status: RunStatus::Complete,
        command: words.map(str::to_owned).to_vec(),
        trace: "t.parquet".to_owned(),
        trace_hash: "00".to_owned(),
        requests: id,
        targets: BTreeMap::from([("*".to_owned(), "http://127.0.0.1:1".to_owned())]),
        seed: 5,
        host: BTreeMap::from([("cores".to_owned(), "2".to_owned())]),
        clocks: vec![ClockPair { run_ns: 0, unix_ns: 1_763_682_425_000_000_000 }],
        asked,
        ..RunInfo::default()
    };
    trace::write_run_info(&out, &info).expect("room on the disk");
    let _ = run(&["report", text(&out)]).expect_done();
    out
}

fn ns(seconds: f64) -> i64 {
    (seconds * 1e9) as i64
}

fn made_up(id: u64, phase: &'static str, due_s: f64, sent_s: f64, done_s: f64, gone: bool) -> OutcomeRow<'static> {
    OutcomeRow {
        id,
        phase,
        session: id,
        conn: id % 16 + 1,
        protocol: "http",
        collection: if id.is_multiple_of(3) { "b" } else { "a" },
        operation: "GET /work",
        target: "http://127.0.0.1:1",
        due: RunNs(ns(due_s)),
        sent: Some(RunNs(ns(sent_s))),
        done: Some(RunNs(ns(done_s))),
        status: (!gone).then_some("200"),
        ok: !gone,
        error: gone.then_some(ErrorClass::Refused),
        items: 1,
        request_bytes: 100,
        response_bytes: if gone { 0 } else { 300 },
        ..OutcomeRow::default()
    }
}

/// What probes would have read every two seconds.
fn made_up_readings(out: &Path, rng: &mut Rng) {
    let mut writer = ResourceWriter::new(out);
    for second in (0..720).step_by(2).map(f64::from) {
        let page = "prometheus:http://127.0.0.1:1/metrics";
        let rows = [
            ("pid:7", "cpu_s", Some("s"), 0.3 * second),
            ("pid:7", "cpu_cores", Some("cores"), 0.3 + 0.01 * rng.normal()),
            ("pid:7", "rss_bytes", Some("bytes"), 1e8 + 5e4 * second + 2e5 * rng.normal()),
            ("pid:7", "memory_limit_bytes", Some("bytes"), 1e9),
            ("pid:7", "descriptors", None, 40.0 + (second / 100.0).floor()),
            ("host", "memory_bytes", Some("bytes"), 8e9),
            ("host", "network_sent_bytes{interface=\"eth0\"}", Some("bytes"), 2e4 * second),
            ("host", "network_sent_bytes_per_s{interface=\"eth0\"}", Some("bytes/s"), 2e4 + 1e3 * rng.normal()),
            ("host", "network_sent_bytes_per_s{interface=\"lo\"}", Some("bytes/s"), 3e3 + 1e2 * rng.normal()),
            (page, "queue_depth{kind=\"a\"}", None, 3.0 + rng.normal()),
            (page, "queue_depth{kind=\"b\"}", None, 5.0 + rng.normal()),
            (page, "queue_depth{kind=\"c\"}", None, 1.0 + rng.normal()),
            (page, "queue_depth{kind=\"d\"}", None, 9.0 + rng.normal()),
            (page, "waits_seconds_bucket{le=\"1\"}", None, second),
            (page, "build_info{version=\"1\"}", None, 1.0),
        ];
        for (source, series, unit, value) in rows {
            let row = ResourceRow { at: RunNs(ns(second)), wall_ns: 1, source, series, unit, value };
            writer.push(&row).expect("room on the disk");
        }
    }
    writer.finish().expect("room on the disk");
}

/// Blocks of a run over several loads that lasts.
const BLOCKS_OF_TEN_MINUTES: [&str; 11] = [
    "card: facts",
    "card: command",
    "thresholds: Thresholds",
    "breaking: The load at which each limit was reached",
    "breaking: The same by collection",
    "breaking: The most good answers",
    "capacity: facts",
    "endurance: Growth over",
    "endurance: endurance",
    "resources: watched-over-time",
    "findings.json",
];

/// A run of units of work whose requests wait for one another, longer than the ten seconds from which on throughput has a variance.
fn run_of_transactions(dir: &Path) -> PathBuf {
    let (template, trace, out) = (dir.join("template.json"), dir.join("units.parquet"), dir.join("units"));
    let steps = r#"{ "sessions": [ { "name": "buy", "steps": [ { "method": "GET", "path": "/items/{session}" }, { "method": "GET", "path": "/pay" } ] } ] }"#;
    std::fs::write(&template, steps).expect("a folder to write to");
    let _ =
        run(&["synth", "-o", text(&trace), "--template", text(&template), "--rate", "60", "--duration", "11s"]).expect_code(0);
    let queue = Server::testbed(&["queue", "--service", "exp:2ms"]);
    let words = ["replay", text(&trace), "--target", &queue.url(), "--no-check", "--pacing", "session", "-o", text(&out)];
    let _ = run(&words).expect_done();
    let _ = run(&["report", text(&out)]).expect_done();
    out
}

#[test]
fn every_figure_is_that_of_the_files() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let units = run_of_transactions(dir.path());
    let said = python_says(&python, RECOMPUTE, &[text(&units), "transactions: From the due instant", "throughput: facts"]);
    assert!(said.contains("findings.json"), "{said}");
    every_member_is_documented(&units);

    let lasted = run_of_ten_minutes(dir.path());
    let _ = python_says(&python, RECOMPUTE, &[&[text(&lasted)], &BLOCKS_OF_TEN_MINUTES[..]].concat());
    let told: Vec<Value> = read_json(&lasted.join("findings.json"))["findings"].as_array().expect("a list").clone();
    for id in ["breaking-point", "saturation", "recovery", "outage", "leak", "degradation"] {
        assert!(told.iter().any(|finding| finding["id"] == id && !finding["figures"].is_null()), "{id} is not told");
    }
    every_member_is_documented(&lasted);

    let Some(everything) = run_with_everything(dir.path()) else { return };
    let _ = python_says(&python, RECOMPUTE, &[&[text(&everything)], &BLOCKS[..]].concat());
    every_member_is_documented(&everything);
}

/// Every name in `findings.json` that is not data stands in `FINDINGS.md`.
fn every_member_is_documented(run: &Path) {
    let documented = std::fs::read_to_string(root().join("crates/analysis/FINDINGS.md")).expect("the schema");
    let quoted = documented.split('`').skip(1).step_by(2);
    let words: BTreeSet<&str> =
        quoted.flat_map(|text| text.split(|c: char| !(c.is_alphanumeric() || "_-.".contains(c)))).collect();
    let parts: BTreeSet<&str> = words.iter().flat_map(|word| word.split('.')).chain(words.iter().copied()).collect();
    let mut found = BTreeSet::new();
    members(&read_json(&run.join("findings.json")), &mut found);
    let missing: Vec<&String> = found.iter().filter(|name| !parts.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "FINDINGS.md does not say what these are: {missing:?}");
    assert!(found.len() > 100, "{found:?}");
}

/// Members whose own members are named after what was measured.
const DATA: [&str; 4] = ["targets", "collections", "shares", "costs_s"];

/// The names of all members, at any depth, and of findings; those of [`DATA`] and of what was watched are data.
fn members(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            let watched = ["leak", "degradation"].iter().any(|id| object.get("id").is_some_and(|found| found == id));
            found.extend(object.get("evidence").and(object.get("id")).and_then(Value::as_str).map(str::to_owned));
            for (name, value) in object {
                found.insert(name.clone());
                match value {
                    Value::Object(data) if DATA.contains(&name.as_str()) || watched && name == "figures" => {
                        data.values().for_each(|value| members(value, found));
                    }
                    value => members(value, found),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| members(value, found)),
        _ => {}
    }
}
