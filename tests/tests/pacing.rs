//! Open, session and closed pacing, typed as a user would, against a queue whose laws are known.

use std::path::{Path, PathBuf};

use rehearsal_tests::{Finished, Server, json, python, python_says, run, text};
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// A trace of `requests` in sessions, 200 a second.
fn trace(dir: &Path, requests: u32) -> PathBuf {
    let trace = dir.join("t.parquet");
    let requests = requests.to_string();
    let _ = run(&["synth", "-o", text(&trace), "--requests", &requests, "--rate", "200", "--dim", "4"]).expect_code(0);
    trace
}

fn replay(trace: &Path, server: &Server, out: &Path, words: &[&str]) -> Finished {
    let url = server.url();
    run(&[&["replay", text(trace), "--target", &url, "--no-check", "-o", text(out)], words].concat())
}

const INTERACTIVE: &str = "
import sys, duckdb
run, users = sys.argv[1], int(sys.argv[2])
rows = duckdb.sql(f\"select session, due_ns, blocked_ns, done_ns from '{run}/outcomes-*.parquet' order by session, due_ns\").fetchall()
end = max(row[3] for row in rows)
response = sum(done - due for _, due, _, done in rows) / len(rows)
think = sum(max(0, b[1] - a[3]) for a, b in zip(rows, rows[1:]) if a[0] == b[0]) / len(rows)
law = users * end / len(rows) - think
assert abs(response / law - 1) <= 0.1, (response, law, think, len(rows))
steps = sorted([(due, 1) for _, due, _, _ in rows] + [(done, -1) for _, _, _, done in rows], key=lambda step: (step[0], step[1]))
in_flight = most = 0
for _, step in steps:
    in_flight += step
    most = max(most, in_flight)
assert most <= users, most
assert all(a[3] <= b[1] for a, b in zip(rows, rows[1:]) if a[0] == b[0]), 'a user did two things at once'
print(len(rows))
";

/// R = N/X − Z (Denning and Buzen 1978, Computing Surveys 10(3), interactive response time formula), and never more than N at once. The
/// content is taken again as long as users stay.
#[test]
fn users_of_a_closed_loop_follow_the_law_of_interactive_response_time() {
    let Some(python) = python() else { return };
    let dir = folder();
    let (trace, out) = (trace(dir.path(), 300), dir.path().join("run"));
    let server = Server::testbed(&["queue", "--workers", "1", "--service", "exp:4ms"]);
    let words = ["--users", "12", "--think-speed", "20", "--duration", "5s"];
    let said = replay(&trace, &server, &out, &words).expect_done();
    assert!(said.out.contains("closed loop"), "{}", said.out);
    let requests: u64 = python_says(&python, INTERACTIVE, &[text(&out), "12"]).trim().parse().unwrap();
    assert!(requests > 300, "{requests} requests are not more than the content");
    let info = json(&out.join("run.json"));
    assert_eq!((info["status"].as_str(), info["figures"]["counts"]["outcomes"].as_u64()), (Some("complete"), Some(requests)));
    let checks = info["fidelity"]["checks"].as_array().unwrap();
    assert!(checks.iter().all(|check| ["missing_share", "lateness_p99_ns", "lateness_p999_ns"].contains(&check["criterion"].as_str().unwrap())));
    let _ = run(&["report", text(&out)]).expect_done();
    assert!(std::fs::read_to_string(out.join("report.md")).unwrap().contains("closed loop"));
}

const THINKS: &str = "
import sys, duckdb
run, trace, speed = sys.argv[1], sys.argv[2], float(sys.argv[3])
rows = duckdb.sql(f\"select o.session, o.stream, at_ns, due_ns, blocked_ns, queued_ns, sent_ns, done_ns from '{run}/outcomes-*.parquet' o join '{trace}' t using (id) order by 1, 2, 3\").fetchall()
starts = pairs = 0
for a, b in zip([None] + rows, rows):
    if a is None or a[:2] != b[:2]:
        starts += 1
        continue
    pairs += 1
    assert abs(b[3] - (a[7] + (b[2] - a[2]) / speed)) <= 1, (a, b)
    assert b[4] == 0 and b[6] >= a[7]
assert all(row[6] - row[3] - row[4] - row[5] >= 0 for row in rows)
print(len(rows), starts, pairs)
";

/// The traces of `synth` hold no answers, so every gap is a think time.
#[test]
fn sessions_think_as_recorded_after_their_real_answers() {
    let Some(python) = python() else { return };
    let dir = folder();
    let trace = trace(dir.path(), 300);
    let server = Server::testbed(&["queue", "--workers", "4", "--service", "exp:10ms"]);
    for (workers, speed) in [("1", "1"), ("2", "4")] {
        let out = dir.path().join(workers);
        let _ =
            replay(&trace, &server, &out, &["--pacing", "session", "--think-speed", speed, "--workers", workers]).expect_done();
        let said = python_says(&python, THINKS, &[text(&out), text(&trace), speed]);
        assert!(said.starts_with("300 "), "{said}");
    }
}

const SET: &str = "
import sys, duckdb
print(*duckdb.sql(f\"select distinct id, copy, {sys.argv[2]} from '{sys.argv[1]}/outcomes-*.parquet' order by all\").fetchall())
";

#[test]
fn any_number_of_workers_has_the_same_outcomes() {
    let Some(python) = python() else { return };
    let dir = folder();
    let trace = trace(dir.path(), 400);
    let server = Server::testbed(&["queue", "--workers", "8", "--service", "exp:1ms"]);
    let pacings: [(&str, &[&str], &str); 3] = [
        ("open", &["--speed", "2"], "due_ns"),
        ("session", &["--pacing", "session", "--speed", "2", "--think-speed", "10"], "0"),
        ("closed", &["--users", "6", "--think-speed", "max", "--loop", "2"], "0"),
    ];
    for (name, words, due) in pacings {
        let mut sets = Vec::new();
        for workers in ["1", "2", "4"] {
            let out = dir.path().join(format!("{name}-{workers}"));
            let _ = replay(&trace, &server, &out, &[words, &["--workers", workers]].concat()).expect_done();
            sets.push(python_says(&python, SET, &[text(&out), due]));
        }
        assert_eq!(sets[0].matches('(').count(), if name == "closed" { 800 } else { 400 }, "{name}");
        assert!(!sets[0].contains(", 2, 0)"), "{name}: two passes have the copies 0 and 1");
        assert!(sets.iter().all(|set| *set == sets[0]), "{name}: the outcomes depend on the number of workers");
    }
}

#[test]
fn a_run_that_its_own_limits_spoil_says_so_and_names_the_flag() {
    let dir = folder();
    let trace = trace(dir.path(), 200);
    let server = Server::testbed(&["queue", "--workers", "1", "--service", "const:50ms"]);
    let out = dir.path().join("run");
    let said = replay(&trace, &server, &out, &["--max-connections", "2", "--max-queued-bytes", "2000"]).expect_code(1);
    assert!(said.out.contains("INVALID: generator-limited"), "{}", said.out);
    assert!(
        said.out.contains("limit-bound: --max-connections") || said.out.contains("limit-bound: --max-queued-bytes"),
        "{}",
        said.out
    );
}

#[test]
fn contradictions_are_one_sentence() {
    let dir = folder();
    let trace = trace(dir.path(), 50);
    let server = Server::testbed(&["queue"]);
    let out = dir.path().join("run");
    let cases: [(&[&str], &[&str]); 9] = [
        (&["--pacing", "closed"], &["--users"]),
        (&["--pacing", "open", "--users", "3"], &["closed loop"]),
        (&["--users", "3", "--rate", "5"], &["--rate"]),
        (&["--users", "3", "--arrivals", "poisson"], &["--arrivals"]),
        (&["--users", "0"], &["--users"]),
        (&["--users", "30", "--max-connections", "10"], &["--max-connections", "30 users"]),
        (&["--pacing", "session", "--speed", "max"], &["--speed", "--think-speed max"]),
        (&["--think-speed", "max"], &["--think-speed"]),
        (&["--open-connections", "5", "--max-connections", "4"], &["--open-connections"]),
    ];
    for (words, said) in cases {
        replay(&trace, &server, &out, words).expect_sentence(2, said);
    }
}

#[test]
fn connections_are_open_before_the_first_request_is_due() {
    let Some(python) = python() else { return };
    let dir = folder();
    let trace = trace(dir.path(), 200);
    let server = Server::testbed(&["queue", "--workers", "8"]);
    let out = dir.path().join("run");
    let _ = replay(&trace, &server, &out, &["--open-connections", "300"]).expect_done();
    let info = json(&out.join("run.json"));
    assert_eq!(info["figures"]["counts"]["open_at_start"], 300);
    assert_eq!(info["figures"]["counts"]["connections"], 300);
    let connecting = format!(
        "import duckdb; print(duckdb.sql(\"select count(connect_ns) from '{}/outcomes-*.parquet'\").fetchone()[0])",
        text(&out)
    );
    assert_eq!(python_says(&python, &connecting, &[]).trim(), "0");
}
