//! Which part of a trace is replayed, how often, and when a run ends by itself; typed as a user would.

use std::path::Path;

use rehearsal_tests::{Server, json, python, python_says, run, synthesized, text};
use serde_json::Value;

/// The run.json of a replay of `trace` with these words more, which did its work.
fn replayed(trace: &Path, target: &str, out: &Path, words: &[&str]) -> Value {
    let all = [&["replay", text(trace), "--target", target, "--no-check", "-o", text(out)], words].concat();
    let _ = run(&all).expect_done();
    json(&out.join("run.json"))
}

const CHOSEN: &str = "
import sys, duckdb
trace, run = sys.argv[1:3]
duckdb.sql(f\"create view o as select * from '{run}/outcomes-*.parquet'\")
duckdb.sql(f\"create view t as select * from '{trace}' where at_ns >= 500000000 and at_ns < 1500000000 and (collection = 'imp' or collection like 'deep%')\")
print(*duckdb.sql('select (select count(*) from t), (select count(*) from o), count(*), count(*) filter (due_ns = at_ns - (select min(at_ns) from t)) from o join t using (id)').fetchone())
";

#[test]
fn a_window_and_filters_choose_what_another_reader_chooses() {
    let Some(python) = python() else { return };
    let (dir, trace) = synthesized(800, 400);
    let (server, out) = (Server::testbed(&["queue", "--service", "const:100us"]), dir.path().join("run"));
    let words = ["--from", "0.5", "--to", "1.5s", "--collection", "imp", "--collection", "deep*"];
    let info = replayed(&trace, &server.url(), &out, &words);
    let said = python_says(&python, CHOSEN, &[text(&trace), text(&out)]);
    let counts: Vec<u64> = said.split_whitespace().map(|count| count.parse().expect("a count")).collect();
    assert!(counts[0] > 20 && counts.iter().all(|count| *count == counts[0]), "{said}");
    assert_eq!(info["requests"], counts[0]);
    assert_eq!(info["asked"]["content"]["filters"]["collections"], serde_json::json!(["imp", "deep*"]));
}

const LOOPED: &str = "
import sys, duckdb
trace, run = sys.argv[1:3]
duckdb.sql(f\"create view o as select o.*, at_ns, t.session as recorded from '{run}/outcomes-*.parquet' o join '{trace}' t using (id)\")
span, count = duckdb.sql(f\"select max(at_ns), count(*) from '{trace}'\").fetchone()
period = span + span // (count - 1)
rows = duckdb.sql(f'select count(*), count(distinct (id, copy)), count(*) filter (due_ns = at_ns + copy * {period}), count(distinct session), count(distinct (recorded, copy)) from o').fetchone()
print(count, *rows)
";

#[test]
fn a_looped_trace_comes_again_after_its_period_with_new_copies_and_sessions() {
    let Some(python) = python() else { return };
    let (dir, trace) = synthesized(300, 600);
    let (server, out) = (Server::testbed(&["queue", "--service", "const:100us"]), dir.path().join("run"));
    let info = replayed(&trace, &server.url(), &out, &["--loop", "3"]);
    assert_eq!((info["status"].as_str(), info["requests"].as_u64()), (Some("complete"), Some(900)));
    let said = python_says(&python, LOOPED, &[text(&trace), text(&out)]);
    let counts: Vec<u64> = said.split_whitespace().map(|count| count.parse().expect("a count")).collect();
    assert_eq!(counts[..4], [300, 900, 900, 900], "{said}");
    assert_eq!(counts[4], counts[5], "every pass has sessions of its own");
}

#[test]
fn an_endless_loop_ends_with_the_duration_and_a_short_trace_says_that_it_ends() {
    let (dir, trace) = synthesized(200, 1000);
    let server = Server::testbed(&["queue", "--service", "const:100us"]);
    let out = dir.path().join("endless");
    let info = replayed(&trace, &server.url(), &out, &["--loop", "forever", "--duration", "1s", "--rate", "500"]);
    // A rate over whole passes and the start of another one: as many as are due within the second, but for the recorded burstiness.
    let requests = info["requests"].as_u64().expect("a count");
    assert!((400..=600).contains(&requests), "{requests}");
    let words = ["replay", text(&trace), "--target", &server.url(), "--no-check", "--duration", "10s", "--dry-run"];
    let said = run(&words).expect_code(0).out;
    assert!(said.contains("the trace ends after 0.2") && said.contains("--loop forever"), "{said}");
}

#[test]
fn what_leaves_nothing_is_refused_in_one_sentence() {
    let (_dir, trace) = synthesized(100, 1000);
    let cases: [(&[&str], &[&str]); 6] = [
        (&["--collection", "deepsek"], &["--collection", "did you mean `deepseek`?"]),
        (&["--from", "9s"], &["--from", "after the last request"]),
        (&["--from", "50ms", "--to", "10ms"], &["--to", "is not after --from"]),
        (&["--loop", "0"], &["--loop", "forever"]),
        (&["--sessions", "0"], &["--sessions", "1 to"]),
        (&["--abort-when", "eror_rate>20%/10s"], &["did you mean `error_rate`?"]),
    ];
    for (words, expected) in cases {
        let all = [&["replay", text(&trace), "--target", "http://127.0.0.1:9", "--dry-run"], words].concat();
        run(&all).expect_sentence(2, expected);
    }
}

#[test]
fn a_failing_target_ends_the_run_and_the_report_says_why_first() {
    let (dir, trace) = synthesized(20_000, 200);
    let server = Server::testbed(&["queue", "--error-rate", "0.5", "--service", "const:100us"]);
    let out = dir.path().join("run");
    let words = ["replay", text(&trace), "--target", &server.url(), "--no-check", "-o", text(&out)];
    let finished = run(&[&words[..], &["--abort-when", "error_rate>20%/1s", "--abort-when", "p99>1h/1s"]].concat());
    let said = finished.expect_code(1).out;
    assert!(said.contains("aborted at") && said.contains("error_rate>20%/1s"), "{said}");
    let info = json(&out.join("run.json"));
    let aborted = &info["figures"]["aborted"];
    assert_eq!(info["status"], "aborted");
    assert_eq!(aborted["condition"], "error_rate>20%/1s");
    // Of 200 requests half are bad: within four sigma.
    let measured = aborted["measured"].as_f64().expect("a share");
    assert!((measured - 0.5).abs() < 4.0 * (0.25_f64 / 150.0).sqrt(), "{measured}");
    assert!(aborted["at_ns"].as_i64() >= Some(1_000_000_000), "{aborted}");
    let outcomes = info["figures"]["counts"]["outcomes"].as_u64().expect("a count");
    assert!(outcomes < 10_000, "{outcomes} of 20000");
    assert!(std::fs::read_to_string(out.join("run.log")).expect("a log").contains("aborted at"));
    let report = run(&["report", text(&out)]).expect_code(1).out;
    assert!(report.lines().next().is_some_and(|line| line.contains("aborted") && line.contains("error_rate>20%/1s")), "{report}");
}
