//! Thresholds as a user gives them: on a replay, on its report, from a file, mistyped.

use rehearsal_tests::{Server, json, python, python_says, run, synthesized, text};

fn queue(words: &[&str]) -> Server {
    Server::testbed(&[&["queue", "--service", "const:100us"], words].concat())
}

#[test]
fn a_replay_is_held_against_what_it_was_asked_and_keeps_it() {
    let (dir, trace) = synthesized(600, 200);
    let (server, out, junit) = (queue(&["--error-rate", "0.1"]), dir.path().join("run"), dir.path().join("junit.xml"));
    let words = [
        "replay",
        text(&trace),
        "--target",
        &server.url(),
        "--no-check",
        "-o",
        text(&out),
        "--speed",
        "max",
        "--junit",
        text(&junit),
    ];
    let asked = ["--threshold", "error_rate<1%", "--threshold", "count>=600"];
    let said = run(&[&words[..], &asked].concat()).expect_code(1);
    let lines: Vec<&str> = said.out.lines().collect();
    assert!(lines[0].starts_with("Thresholds: 1 of 2 hold"), "the table comes first: {}", said.out);
    assert!(lines[2].trim_start().starts_with("fail") && lines[3].trim_start().starts_with("pass"), "{}", said.out);
    assert_eq!(json(&out.join("run.json"))["asked"]["thresholds"], serde_json::json!(["error_rate<1%", "count>=600"]));
    assert!(std::fs::read_to_string(&junit).expect("a file").contains("tests=\"3\" failures=\"1\""));

    // The report judges by them again, unless it is told otherwise.
    let said = run(&["report", text(&out)]).expect_code(1);
    assert!(said.out.contains("FAIL: 1 of 2 thresholds is missed. `error_rate<1%` is missed"), "{}", said.out);
    let file = dir.path().join("thresholds.yaml");
    std::fs::write(&file, "overall:\n  max_error_rate: { good: 1%, acceptable: 30% }\n").expect("room on the disk");
    let said = run(&["report", text(&out), "--thresholds", text(&file)]).expect_done();
    assert!(said.out.lines().nth(2).is_some_and(|line| line.contains("pass (acceptable)")), "{}", said.out);
}

/// Each metric by its definition, in SQL over the outcomes; times of an answer are of whole answers, good or bad.
const BY_DUCKDB: &str = r#"
import duckdb, json, sys
run, found = sys.argv[1], json.load(open(sys.argv[2]))["thresholds"]
whole = "sent_ns is not null and done_ns is not null and (error is null or error = 'answer')"
times = {"": ("done_ns - due_ns", whole), "service_": ("done_ns - sent_ns", whole),
         "first_byte_": ("first_byte_ns - sent_ns", "first_byte_ns is not null and sent_ns is not null"),
         "connect_": ("connect_ns", "connect_ns is not null"),
         "lateness_": ("sent_ns - due_ns - blocked_ns - queued_ns", "sent_ns is not null")}
span = "((max(done_ns) - min(due_ns)) / 1e9)"
figures = {"error_rate": "avg((not ok)::int)", "throughput": f"count(*) filter ({whole}) / {span}", "goodput": f"count(*) filter (ok) / {span}",
           "achieved": "(count(sent_ns) - 1) / ((max(sent_ns) - min(sent_ns)) / 1e9)", "count": "count(*)"}
def sql(metric):
    if metric in figures: return figures[metric]
    prefix = next(p for p in sorted(times, key=len, reverse=True) if metric.startswith(p))
    value, of = times[prefix]
    what = metric[len(prefix):]
    agg = {"mean": f"avg({value})", "max": f"max({value})"}.get(what) or f"quantile_disc({value}, {float(what[1:]) / 100})"
    return f"{agg} filter ({of})"
for one in found:
    text = one["threshold"]
    metric, scope = text.split("{")[0] if "{" in text else text.replace(">", "<").split("<")[0], ""
    if "{" in text: key, scope = text[text.index("{") + 1:text.rindex("}")].split("=", 1)
    where = f"where {key} = '{scope}'" if scope else ""
    wanted, = duckdb.sql(f"select {sql(metric)} from '{run}/outcomes-*.parquet' {where}").fetchone()
    got = one["value"]
    assert got is not None, text
    assert abs(got - float(wanted)) <= 1e-9 * max(abs(got), 1e-9), (text, got, wanted)
print(len(found))
"#;

#[test]
fn what_thresholds_measure_is_what_duckdb_finds_in_the_same_rows() {
    let Some(python) = python() else { return };
    let (dir, trace) = synthesized(3000, 600);
    let (server, out) = (queue(&["--error-rate", "0.05"]), dir.path().join("run"));
    let words = ["replay", text(&trace), "--target", &server.url(), "--no-check", "-o", text(&out), "--speed", "2"];
    let _ = run(&words).expect_done();
    let metrics = [
        "p50<1h",
        "p90<1h",
        "p95<1h",
        "p97.5<1h",
        "p99<1h",
        "mean<1h",
        "max<1h",
        "service_p95<1h",
        "service_mean<1h",
        "first_byte_p90<1h",
        "lateness_p50<1h",
        "connect_max<1h",
        "error_rate<50%",
        "throughput>1/s",
        "goodput>1/s",
        "achieved>1/s",
        "count>1",
        "p95{effect=read}<1h",
        "service_p50{effect=read}<1h",
        "error_rate{effect=read}<50%",
    ];
    let collections = ["error_rate{collection=phi3}<90%", "p50{collection=phi3}<1h", "goodput{collection=phi3}>0.001/s"];
    let asked: Vec<&str> = metrics.iter().chain(&collections).flat_map(|one| ["--threshold", one]).collect();
    let _ = run(&[&["report", text(&out)], &asked[..]].concat()).expect_done();
    if json(&out.join("findings.json"))["verdict"] == "invalid" {
        // A machine too busy to keep the schedule: then nothing is judged.
        return;
    }
    let said = python_says(&python, BY_DUCKDB, &[text(&out), text(&out.join("findings.json"))]);
    assert_eq!(said.trim().parse(), Ok(metrics.len() + collections.len()));
}

#[test]
fn what_is_mistyped_is_told_before_anything_is_sent() {
    let (dir, trace) = synthesized(10, 200);
    let out = dir.path().join("run");
    let words = ["replay", text(&trace), "--target", "http://127.0.0.1:9", "--no-check", "-o", text(&out)];
    let refused = |more: &[&str], parts: &[&str]| {
        run(&[&words[..], more].concat()).expect_sentence(2, parts);
        assert!(!out.exists());
    };
    refused(&["--threshold", "cpu<80%"], &["`cpu<80%` cannot be measured without --probe"]);
    refused(&["--threshold", "p95<2ms", "--threshold", "p(95)<3ms"], &["`p95<2ms` and `p95<3ms` are about the same"]);
    let file = dir.path().join("thresholds.yaml");
    std::fs::write(&file, "overall:\n  max_eror_rate: 1%\n").expect("room on the disk");
    refused(&["--thresholds", text(&file)], &["thresholds.yaml, line 2, column 3", "did you mean `max_error_rate`?"]);
    let said = run(&[&words[..], &["--threshold", "http_req_failed<1%"]].concat()).expect_code(2);
    assert!(said.err.contains("did you mean `error_rate`?"), "{}", said.err);
}
