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
