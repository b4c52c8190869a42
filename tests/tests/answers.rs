//! Answers compared with the recording: a capture of the testbed, replayed against the same data, other data, and a failing target.

use std::path::{Path, PathBuf};

use rehearsal_tests::{Server, http, json, python, python_says, recorded, run, text};
use serde_json::Value;
use tempfile::TempDir;

const REQUESTS: usize = 200;
const DIM: &str = "8";

/// A vector-search server with two collections whose points the seed decides.
fn server(seed: &str) -> Server {
    let server = Server::testbed(&["vectors"]);
    let collections = ["--collection", "phi3=8", "--collection", "mixtral=8"];
    let url = server.url();
    let words = [&["setup", "--target", &url, "--points", "200", "--seed", seed], &collections[..]].concat();
    let _ = run(&words).expect_code(0);
    server
}

/// Searches of the two collections, without answers.
fn searches(dir: &Path) -> PathBuf {
    let trace = dir.join("searches.parquet");
    let count = REQUESTS.to_string();
    let mut words = vec!["synth", "-o", text(&trace), "--requests", &count, "--rate", "400", "--dim", DIM, "--seed", "5"];
    words.extend(["--collection", "phi3=1:similarity", "--collection", "mixtral=2:general"]);
    let _ = run(&words).expect_code(0);
    trace
}

/// The two collections out of a recording.
const TWO: [&str; 4] = ["--collection", "phi3", "--collection", "mixtral"];

/// Replays `trace` with a comparison; the folder and what was printed.
fn compared(dir: &Path, name: &str, trace: &Path, server: &Server, words: &[&str]) -> (PathBuf, Value) {
    let out = dir.join(name);
    let url = server.url();
    let all = [&["replay", text(trace), "--target", &url, "-o", text(&out), "--json"], words].concat();
    let said: Value = serde_json::from_str(&run(&all).expect_done().out).expect("JSON");
    let _ = run(&["report", text(&out)]).expect_done();
    (out, said["counts"]["compared"].clone())
}

fn count(compared: &Value, name: &str) -> u64 {
    compared["matches"][name].as_u64().unwrap_or(0)
}

/// Asks the server itself and counts by hand: recall and rank correlation of every answered search, from the bodies alone.
const BY_HAND: &str = "
import json, sys, urllib.request, duckdb
trace, run, url = sys.argv[1:4]
rows = duckdb.sql(f\"select id, t.method, t.target, t.request, t.answer_ids, o.recall, o.rank_correlation, o.match from '{trace}' t join '{run}/outcomes-*.parquet' o using (id) order by id\").fetchall()
checked = 0
for id, method, target, body, recorded, recall, rho, match in rows:
    if recorded is None:
        assert recall is None, id
        continue
    asked = urllib.request.Request(url + target, data=body, method=method, headers={'content-type': 'application/json'})
    said = json.load(urllib.request.urlopen(asked))['result']
    found = [str(hit['id']) for hit in (said['points'] if isinstance(said, dict) else said)]
    if not recorded:
        assert recall is None, id
        continue
    assert abs(len(set(recorded) & set(found)) / len(recorded) - recall) < 1e-6, (id, recorded, found, recall)
    common = [one for one in recorded if one in found]
    order = [one for one in found if one in common]
    n = len(common)
    if n > 1:
        d = sum((rank - order.index(one)) ** 2 for rank, one in enumerate(common))
        assert abs(1 - 6 * d / (n * (n * n - 1)) - rho) < 1e-6, (id, rho)
    checked += 1
print(checked, len(rows))
";

#[test]
fn answers_agree_with_the_recording_as_far_as_the_data_does() {
    let dir = TempDir::new().expect("a temporary folder");
    let same = server("1");
    let reads = searches(dir.path());
    let Some(trace) = recorded(dir.path(), &reads, &same, &[], &TWO) else { return };
    let rows = json_of(&run(&["inspect", text(&trace), "--json"]).expect_code(0).out)["exchanges"].as_u64().expect("a count");
    assert!(rows as usize > REQUESTS / 2, "{rows} searches");

    let (out, agreement) = compared(dir.path(), "same", &trace, &same, &["--compare"]);
    assert_eq!(count(&agreement, "same"), rows, "{agreement}");
    assert_eq!((&agreement["recall_mean"], &agreement["recall_min"]), (&1.0.into(), &1.0.into()));
    assert_eq!(finding(&out, "agreement")["verdict"], "pass");

    let other = server("2");
    let (out, agreement) = compared(dir.path(), "other", &trace, &other, &["--compare"]);
    assert!(count(&agreement, "differs-body") > rows / 2, "{agreement}");
    assert!(agreement["recall_mean"].as_f64().is_some_and(|recall| recall < 0.9), "{agreement}");
    let found = finding(&out, "agreement");
    assert_eq!((&found["verdict"], &found["figures"]["compared"]), (&"warn".into(), &rows.into()));
    let examples = json(&out.join("findings.json"))["agreement"]["examples"].as_array().expect("a list").clone();
    assert!(examples.iter().any(|example| example["at"].as_str().is_some_and(|at| at.starts_with("ids/"))), "{examples:?}");
    if let Some(python) = python() {
        let said = python_says(&python, BY_HAND, &[text(&trace), text(&out), &other.url()]);
        let counts: Vec<u64> = said.split_whitespace().map(|count| count.parse().expect("a count")).collect();
        assert_eq!(counts[1], rows, "{said}");
        assert!(counts[0] > rows / 2, "{said}");
    }

    let (status, _) = http(same.addr, "PUT", "/testbed/dials", r#"{"error_rate": 1.0, "error_status": 503}"#);
    assert_eq!(status, 200);
    let words = ["--compare", "status", "--no-check"];
    let (_, agreement) = compared(dir.path(), "failing", &trace, &same, &words);
    assert_eq!(count(&agreement, "differs-status"), rows, "{agreement}");
}

#[test]
fn kept_bodies_tell_where_and_how_far_answers_differ() {
    let dir = TempDir::new().expect("a temporary folder");
    let same = server("1");
    let reads = searches(dir.path());
    let Some(trace) = recorded(dir.path(), &reads, &same, &["--keep-responses"], &TWO) else { return };
    let other = server("2");
    let (out, agreement) = compared(dir.path(), "body", &trace, &other, &["--compare"]);
    let differing = count(&agreement, "differs-body") + count(&agreement, "differs-shape");
    assert!(differing > 0, "{agreement}");
    let lines = std::fs::read_to_string(out.join("differences.jsonl")).expect("examples");
    assert!(lines.lines().all(|line| json_of(line)["at"].as_str().is_some_and(|at| at.starts_with("/result"))), "{lines}");

    let ignoring = ["--compare", "--ignore", "/result"];
    let (_, agreement) = compared(dir.path(), "ignoring", &trace, &other, &ignoring);
    assert_eq!(agreement["matches"].as_object().expect("an object").len(), 1, "{agreement}");
    assert!(count(&agreement, "same") > 0);
}

#[test]
fn nonsense_is_refused_in_a_sentence() {
    let dir = TempDir::new().expect("a temporary folder");
    let trace = searches(dir.path());
    let replay = ["replay", text(&trace), "--target", "http://127.0.0.1:1", "--dry-run"];
    let refused = |words: &[&str], says: &[&str]| run(&[&replay[..], words].concat()).expect_sentence(2, says);
    refused(&["--compare", "bodi"], &["--compare", "did you mean `body`"]);
    refused(&["--compare", "body", "--ignore", "result"], &["--ignore", "slash"]);
    refused(&["--compare", "body", "--tolerance", "-1"], &["--tolerance"]);
    refused(&["--tolerance", "0.1"], &["--compare"]);
    let said = run(&[&replay[..], &["--compare"]].concat()).expect_code(0).out;
    assert!(said.contains("no recorded answers"), "{said}");
}

fn finding(out: &Path, id: &str) -> Value {
    let findings = json(&out.join("findings.json"));
    let list = findings["findings"].as_array().expect("a list");
    list.iter().find(|finding| finding["id"] == id).expect("the finding").clone()
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}
