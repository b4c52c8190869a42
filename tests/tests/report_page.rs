//! The report as a browser sees it, with no error in the console, no request to anywhere and marks in every chart; and its figures, each
//! recomputed by another reader.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use rehearsal_tests::{
    Finished, Server, finish, guarded, http, json, missing, python, python_says, recorded, root, run, synthesized, text,
};
use serde_json::Value;

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
const BLOCKS: [&str; 28] = [
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
    members(&json(&run.join("findings.json")), &mut found);
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
