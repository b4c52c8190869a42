//! Several runs of one replay: in which order, against whom, and what is left when they are broken off.

use std::path::Path;
use std::process::Stdio;

use rehearsal_tests::{Server, json, rehearsal, run, synthesized, text, wait_for};
use serde_json::{Value, json};

fn queue(words: &[&str]) -> Server {
    Server::testbed(&[&["queue", "--service", "const:100us"], words].concat())
}

/// A member of every run in `pairs.json`, in the order in which they are made.
fn of_runs<'a>(pairs: &'a Value, member: &str) -> Vec<&'a Value> {
    pairs["runs"].as_array().expect("runs").iter().map(|run| &run[member]).collect()
}

#[test]
fn two_targets_take_turns_and_pairs_are_listed() {
    let (dir, trace) = synthesized(60, 600);
    let (a, b, out) = (queue(&[]), queue(&[]), dir.path().join("ab"));
    let against = format!("A={},B={}", a.url(), b.url());
    let words = ["replay", text(&trace), "--no-check", "--against", &against, "--repeat", "3", "--interleave", "--seed", "5"];
    let said = run(&[&words[..], &["-o", text(&out)]].concat()).expect_done();
    assert!(said.err.contains("run 6 of 6"), "{}", said.err);

    let pairs = json(&out.join("pairs.json"));
    let folders = ["A-01", "B-01", "B-02", "A-02", "A-03", "B-03"];
    assert_eq!(of_runs(&pairs, "folder"), folders);
    assert_eq!(of_runs(&pairs, "status"), ["complete"; 6]);
    assert_eq!(pairs["pairs"], json!([["A-01", "B-01"], ["A-02", "B-02"], ["A-03", "B-03"]]));
    assert_eq!(pairs["targets"], json!({ "A": a.url(), "B": b.url() }));
    let runs: Vec<Value> = folders.iter().map(|folder| json(&out.join(folder).join("run.json"))).collect();
    let started: Vec<i64> = runs.iter().filter_map(|run| run["clocks"][0]["unix_ns"].as_i64()).collect();
    assert!(started.len() == 6 && started.is_sorted(), "{started:?}");
    for (info, listed) in runs.iter().zip(pairs["runs"].as_array().expect("runs")) {
        assert_eq!((&info["label"], &info["seed"]), (&listed["label"], &listed["seed"]));
        assert_eq!(info["targets"]["*"], pairs["targets"][listed["label"].as_str().expect("a label")]);
        assert_eq!(info["trace_hash"], pairs["trace_hash"]);
        assert_eq!(listed["seed"].as_u64(), listed["pair"].as_u64().map(|pair| pair + 4));
    }
    run(&[&words[..], &["-o", text(&out)]].concat()).expect_sentence(2, &["is not empty"]);
}

#[test]
fn one_target_is_repeated() {
    let (dir, trace) = synthesized(30, 600);
    let (server, out) = (queue(&[]), dir.path().join("runs"));
    let words = ["replay", text(&trace), "--no-check", "--target", &server.url(), "--repeat", "2", "--json", "-o", text(&out)];
    let said: Value = serde_json::from_str(&run(&words).expect_done().out).expect("JSON");
    assert_eq!(said, json(&out.join("pairs.json")));
    assert_eq!(said["pairs"], json!([["run-01"], ["run-02"]]));
    assert_eq!(json(&out.join("run-02/run.json"))["figures"]["counts"]["outcomes"], 30);
}

/// Every run of a series is a suite of its own, and a folder of them is judged as its runs are.
#[test]
fn a_series_is_judged_run_by_run() {
    let (dir, trace) = synthesized(400, 400);
    let (good, bad, out) = (queue(&[]), queue(&["--error-rate", "0.5"]), dir.path().join("ab"));
    let (against, junit) = (format!("good={},bad={}", good.url(), bad.url()), dir.path().join("junit.xml"));
    let words =
        ["replay", text(&trace), "--no-check", "--against", &against, "--repeat", "2", "--speed", "max", "-o", text(&out)];
    let asked = ["--threshold", "error_rate<1%", "--threshold", "count>=400", "--junit", text(&junit)];
    let said = run(&[&words[..], &asked].concat()).expect_code(1).out;
    assert_eq!(said.matches("Thresholds: 2 of 2 hold").count(), 2, "{said}");
    assert_eq!(said.matches("Thresholds: 1 of 2 hold").count(), 2, "{said}");
    let suites = |path: &Path| -> Vec<String> {
        let xml = std::fs::read_to_string(path).expect("a file");
        assert!(xml.contains("<testsuites name=\"rehearsal\" tests=\"12\" failures=\"2\" errors=\"0\" skipped=\"0\""), "{xml}");
        let suites = xml.lines().filter_map(|line| line.trim().strip_prefix("<testsuite name=\""));
        suites.map(|line| line.replace('"', "")).collect()
    };
    let replayed = suites(&junit);
    assert_eq!(replayed.iter().filter(|suite| suite.starts_with("good tests=3 failures=0")).count(), 2, "{replayed:?}");
    assert_eq!(replayed.iter().filter(|suite| suite.starts_with("bad tests=3 failures=1")).count(), 2, "{replayed:?}");
    // Without a threshold given again, each run is held against those that it was made with.
    let again = dir.path().join("again.xml");
    let said = run(&["report", text(&out), "--junit", text(&again)]).expect_code(1).out;
    assert!(said.contains("Thresholds: 6 of 8 hold") && said.contains("FAIL: 2 of 4 runs failed or invalid: bad-0"), "{said}");
    assert_eq!(suites(&again).iter().filter(|suite| suite.starts_with("bad-0") && suite.contains("failures=1")).count(), 2);
    // From the folder above it is one line with the worst verdict of its runs.
    let said = run(&["report", text(dir.path()), "--threshold", "error_rate<90%", "--json"]).expect_done().out;
    let found: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((&found["entries"][0]["kind"], &found["entries"][0]["verdict"]), (&json!("Series"), &json!("PASS")));
    run(&["report", text(&out), "--demand", "500/s"]).expect_sentence(2, &["these are of 2 targets"]);
}

#[test]
fn a_run_that_is_aborted_is_the_last() {
    let (dir, trace) = synthesized(20_000, 400);
    let (good, bad, out) = (queue(&[]), queue(&["--error-rate", "1"]), dir.path().join("ab"));
    let against = format!("bad={},good={}", bad.url(), good.url());
    let words = ["replay", text(&trace), "--no-check", "--against", &against, "--repeat", "2", "-o", text(&out)];
    let said = run(&[&words[..], &["--abort-when", "error_rate>50%/1s"]].concat()).expect_code(1).out;
    assert!(said.contains("1 runs in") || said.contains("1 run in"), "{said}");
    let pairs = json(&out.join("pairs.json"));
    assert_eq!(of_runs(&pairs, "status"), [&json!("aborted"), &Value::Null, &Value::Null, &Value::Null]);
    assert!(!out.join("bad-02").exists() && !out.join("good-01").exists());
}

#[test]
fn ctrl_c_ends_the_series_in_order() {
    let (dir, trace) = synthesized(60_000, 1000);
    let (server, out) = (queue(&[]), dir.path().join("runs"));
    let words = ["replay", text(&trace), "--no-check", "--target", &server.url(), "--repeat", "3", "-o", text(&out)];
    let mut child = rehearsal(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let first = out.join("run-01");
    wait_for(|| std::fs::read_dir(&first).is_ok_and(|files| files.flatten().any(|file| is_part(&file.path()))));
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).expect("it is there");
    assert!(child.wait().expect("it ends").code().is_some(), "Ctrl-C must end the series in order");
    let pairs = json(&out.join("pairs.json"));
    assert_eq!(of_runs(&pairs, "status"), [&json!("stopped"), &Value::Null, &Value::Null]);
    assert_eq!(json(&first.join("run.json"))["status"], "stopped");
    assert!(!out.join("run-02").exists());
}

fn is_part(path: &Path) -> bool {
    path.file_name().is_some_and(|name| {
        let name = name.to_string_lossy();
        name.starts_with("outcomes-") && name.ends_with(".parquet")
    })
}
