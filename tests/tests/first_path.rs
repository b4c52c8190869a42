//! The main path, typed as a user would: capture → trace → replay → report, and what must hold at each stage.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use rehearsal_tests::{Server, corpus, json, python, python_says, rehearsal, root, run, text, wait_for};
use serde_json::Value;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// A synthesized trace of the nine collections: `requests` at `rate` a second, dimension 16.
fn synthesize(dir: &Path, requests: u32, rate: u32) -> PathBuf {
    let trace = dir.join("nine.parquet");
    let (requests, rate) = (requests.to_string(), rate.to_string());
    let words = ["synth", "-o", text(&trace), "--requests", &requests, "--rate", &rate, "--dim", "16", "--seed", "7"];
    let _ = run(&words).expect_code(0);
    trace
}

/// A vector-search server filled for `trace`.
fn filled_server(trace: &Path) -> Server {
    let server = Server::testbed(&["vectors"]);
    let words = ["setup", text(trace), "--target", &server.url(), "--points", "50"];
    let _ = run(&words).expect_code(0);
    server
}

#[test]
fn a_capture_becomes_a_trace_a_run_and_a_report() {
    let Some(corpus) = corpus() else { return };
    let dir = folder();
    let (trace, out) = (dir.path().join("t.parquet"), dir.path().join("run"));
    let capture = corpus.join("pcap/h1-1000req-one-drop.pcap.gz");

    let said = run(&["import", text(&capture), "-o", text(&trace)]).expect_code(0);
    assert!(said.out.contains("1 000") || said.out.contains("1000") || said.out.contains("1,000"), "{}", said.out);

    let summary: Value = serde_json::from_str(&run(&["inspect", text(&trace), "--json"]).expect_code(0).out).unwrap();
    assert_eq!(summary["exchanges"], 1000, "{summary}");
    assert_eq!(summary["answers"]["unanswered"], 1, "999 complete responses, one lost: {summary}");

    let server = Server::testbed(&["vectors"]);
    let words = ["replay", text(&trace), "--target", &server.url(), "--speed", "200", "-o", text(&out)];
    let _ = run(&words).expect_done();
    let _ = run(&["report", text(&out)]).expect_done();
    for file in ["report.html", "report.md", "findings.json", "run.json", "run.log"] {
        assert!(out.join(file).metadata().is_ok_and(|file| file.len() > 0), "{file} is missing or empty");
    }
    assert_eq!(json(&out.join("run.json"))["status"], "complete");
}

#[test]
fn import_and_synth_give_the_same_bytes_twice() {
    let dir = folder();
    let bytes = |name: &str, words: &[&str]| {
        let path = dir.path().join(name);
        let _ = run(&[words, &["-o", text(&path)]].concat()).expect_code(0);
        std::fs::read(path).expect("the trace is there")
    };
    let synth = ["synth", "--requests", "2000", "--seed", "3"];
    assert!(bytes("a.parquet", &synth) == bytes("b.parquet", &synth), "synth differs from itself");
    let other = ["synth", "--requests", "2000", "--seed", "4"];
    assert!(bytes("a.parquet", &synth) != bytes("c.parquet", &other), "the seed makes no difference");

    let capture = root().join("captures/http1");
    let capture = first_capture(&capture);
    let import = ["import", text(&capture)];
    assert!(bytes("d.parquet", &import) == bytes("e.parquet", &import), "import differs from itself");
}

fn first_capture(folder: &Path) -> PathBuf {
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases.into_iter().map(|case| case.join("capture.pcap")).find(|file| file.exists()).expect("a capture of our own")
}

const DUE_EQUALS_AT: &str = "
import sys, duckdb
trace, run = sys.argv[1:3]
rows = duckdb.sql(f\"select count(*), count(*) filter (due_ns = at_ns), count(distinct id) from '{run}/outcomes-*.parquet' join '{trace}' using (id)\").fetchone()
print(*rows)
";

#[test]
fn at_speed_one_due_instants_are_those_of_the_trace() {
    let Some(python) = python() else { return };
    let dir = folder();
    let trace = synthesize(dir.path(), 500, 400);
    let server = filled_server(&trace);
    let out = dir.path().join("run");
    let words = ["replay", text(&trace), "--target", &server.url(), "--speed", "1", "--allow-writes", "-o", text(&out)];
    let _ = run(&words).expect_done();
    assert_eq!(python_says(&python, DUE_EQUALS_AT, &[text(&trace), text(&out)]).trim(), "500 500 500");
}

const P99_BY_OTHERS: &str = "
import sys, math, duckdb, polars
run = sys.argv[1]
files = f'{run}/outcomes-*.parquet'
times = [row[0] for row in duckdb.sql(f\"select done_ns - due_ns from '{files}' where error is null and done_ns is not null order by 1\").fetchall()]
frame = polars.read_parquet(files).filter(polars.col('error').is_null() & polars.col('done_ns').is_not_null())
other = (frame['done_ns'] - frame['due_ns']).sort().to_list()
assert times == other, 'two readers disagree'
print(len(times), times[math.ceil(0.99 * len(times)) - 1])
trace = polars.read_parquet(sys.argv[2])
assert trace['collection'].dtype == polars.String, trace['collection'].dtype
print(trace.height, trace['collection'].n_unique())
";

#[test]
fn other_readers_find_the_same_p99() {
    let Some(python) = python() else { return };
    let dir = folder();
    let trace = synthesize(dir.path(), 2000, 1000);
    let server = filled_server(&trace);
    let out = dir.path().join("run");
    let words = ["replay", text(&trace), "--target", &server.url(), "--allow-writes", "-o", text(&out)];
    let _ = run(&words).expect_done();
    let _ = run(&["report", text(&out)]).expect_done();

    let said = python_says(&python, P99_BY_OTHERS, &[text(&out), text(&trace)]);
    let mut lines = said.lines();
    let findings = json(&out.join("findings.json"));
    let response = &findings["latency"]["overall"]["response"];
    let ours = format!("{} {}", response["count"], response["p99"]["value_ns"]);
    assert_eq!(lines.next(), Some(ours.as_str()));
    assert_eq!(lines.next(), Some("2000 9"));
    let counted = json(&out.join("run.json"))["figures"]["response_p99_ns"].as_f64().unwrap();
    let exact = response["p99"]["value_ns"].as_f64().unwrap();
    assert!((counted / exact - 1.0).abs() <= 1e-3, "the replay's own p99 is {counted}, the rows say {exact}");
}

const IDS: &str = "
import sys, duckdb
print(*duckdb.sql(f\"select count(*), count(distinct id), max(due_ns) from '{sys.argv[1]}/outcomes-*.parquet'\").fetchone())
";

#[test]
fn a_killed_replay_leaves_a_run_that_report_reads() {
    let Some(python) = python() else { return };
    let dir = folder();
    let trace = synthesize(dir.path(), 60_000, 1000);
    let server = filled_server(&trace);
    let out = dir.path().join("run");
    let words = ["replay", text(&trace), "--target", &server.url(), "--allow-writes", "-o", text(&out)];
    let mut child = rehearsal(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for(|| std::fs::read_dir(&out).is_ok_and(|files| files.flatten().filter(|file| is_part(&file.path())).count() >= 2));
    child.kill().unwrap();
    child.wait().unwrap();

    let said = python_says(&python, IDS, &[text(&out)]);
    let figures: Vec<i64> = said.split_whitespace().map(|figure| figure.parse().unwrap()).collect();
    assert_eq!(figures[0], figures[1], "an exchange has two outcomes");
    assert!(figures[0] >= 1000, "only {} outcomes survived two closed parts", figures[0]);
    let _ = run(&["report", text(&out)]).expect_done();
    assert!(out.join("report.html").exists());
}

fn is_part(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "parquet")
        && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("outcomes-"))
}

#[test]
fn ctrl_c_finishes_the_files_and_gives_every_request_one_outcome() {
    let Some(python) = python() else { return };
    let dir = folder();
    let trace = synthesize(dir.path(), 20_000, 1000);
    let server = filled_server(&trace);
    let out = dir.path().join("run");
    let words = ["replay", text(&trace), "--target", &server.url(), "--allow-writes", "-o", text(&out)];
    let mut child = rehearsal(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for(|| std::fs::read_dir(&out).is_ok_and(|files| files.flatten().any(|file| is_part(&file.path()))));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let status = child.wait().unwrap();
    assert!(status.code().is_some(), "Ctrl-C must end the run in order, not kill it: {status:?}");

    assert_eq!(json(&out.join("run.json"))["status"], "stopped");
    let said = python_says(&python, IDS, &[text(&out)]);
    let figures: Vec<u64> = said.split_whitespace().map(|figure| figure.parse().unwrap()).collect();
    assert_eq!(figures[0], figures[1], "an exchange has two outcomes");
    let info = json(&out.join("run.json"));
    assert_eq!(info["figures"]["counts"]["outcomes"], figures[0], "run.json counts what the files hold");
    assert!(figures[0] < 20_000, "the run was not stopped early");
    let leftovers: Vec<_> = std::fs::read_dir(&out)
        .unwrap()
        .flatten()
        .filter(|file| file.path().extension().is_some_and(|e| e == "partial"))
        .collect();
    assert!(leftovers.is_empty(), "{leftovers:?}");
}

#[test]
fn secrets_from_the_environment_reach_the_target_and_no_file() {
    let dir = folder();
    let trace = synthesize(dir.path(), 50, 500);
    let server = filled_server(&trace);
    let out = dir.path().join("run");
    let words = [
        "replay",
        text(&trace),
        "--target",
        &server.url(),
        "--allow-writes",
        "-o",
        text(&out),
        "--header",
        "Authorization: Bearer $TOKEN",
    ];
    let finished = rehearsal_tests::finish(rehearsal(&words).env("TOKEN", "tr0ub4dor-secret"));
    let _ = finished.expect_done();
    let _ = run(&["report", text(&out)]).expect_done();
    let mut files = vec![out.clone()];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(16).any(|window| window == b"tr0ub4dor-secret"), "{} holds the secret", path.display());
        }
    }
}
