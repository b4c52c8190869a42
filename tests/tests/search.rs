//! The search for the largest rate, against queues whose capacity is known.

use std::process::Stdio;

use rehearsal_tests::{Finished, Server, json, rehearsal, run, synthesized, text, wait_for};
use serde_json::Value;

/// Trials as short as can still say something.
const SHORT: [&str; 8] = ["--short-trial", "1s", "--trial", "2s", "--width", "10%", "--cool-down", "10ms"];

fn queue(words: &[&str]) -> Server {
    Server::testbed(&[&["queue"], words].concat())
}

fn search(trace: &str, url: &str, out: &str, words: &[&str]) -> Finished {
    run(&[&["search", trace, "--target", url, "--no-check", "-o", out][..], &SHORT, words].concat())
}

fn of_trials<'a>(info: &'a Value, member: &str) -> Vec<&'a Value> {
    info["trials"].as_array().expect("trials").iter().map(|trial| &trial[member]).collect()
}

/// A queue that serves 250/s. Whatever else the machine does, no trial far above that is good, every trial is a run of its own, and what
/// is said is what is written.
#[test]
fn the_capacity_of_a_queue_is_enclosed() {
    let (dir, trace) = synthesized(2000, 400);
    let (server, out) = (queue(&["--service", "const:4ms"]), dir.path().join("found"));
    let said = search(text(&trace), &server.url(), text(&out), &["--threshold", "p99<200ms", "--start", "60", "--confirm", "2s"]);
    let said = said.expect_done();
    let info = json(&out.join("search.json"));
    assert_eq!(info["status"], "complete");
    assert_eq!(info["thresholds"], serde_json::json!(["p99<200ms", "error_rate<0.1%"]));
    for (trial, rate) in info["trials"].as_array().expect("trials").iter().zip(of_trials(&info, "per_s")) {
        let made = json(&out.join(trial["folder"].as_str().expect("a folder")).join("run.json"));
        assert_eq!((&made["status"], &made["asked"]["thresholds"]), (&Value::from("complete"), &info["thresholds"]));
        let asked_s = made["asked"]["duration_ns"].as_f64().expect("a length") / 1e9;
        assert!((asked_s - trial["length_s"].as_f64().expect("a length")).abs() < 1e-6);
        let (rate, offered) = (rate.as_f64().expect("a rate"), trial["figures"]["offered_per_s"].as_f64().expect("a rate"));
        assert!((offered / rate - 1.0).abs() < 0.5, "offered {offered} of {rate}");
        assert!(rate < 1.5 * 250.0 || trial["verdict"] != "good", "{trial}");
    }
    let seeds: Vec<Value> = of_trials(&info, "folder")
        .iter()
        .map(|folder| json(&out.join(folder.as_str().unwrap()).join("run.json"))["seed"].clone())
        .collect();
    assert_eq!(seeds, (1..=seeds.len()).map(Value::from).collect::<Vec<_>>());
    let capacity = info["capacity_per_s"].as_f64();
    assert_eq!(capacity.is_some(), info["found"]["ending"] == "found", "{info}");
    assert_eq!(said.code == Some(0), capacity.is_some(), "{}", said.out);
    match capacity {
        Some(per_s) => {
            assert!(per_s > 60.0 && per_s < 350.0 && said.out.contains("Largest rate within p99<200ms"), "{}", said.out)
        }
        None => assert!(said.out.contains("INVALID: generator-limited") || said.out.contains("No answer"), "{}", said.out),
    }
    let report = run(&["report", text(&out)]).expect_done();
    let sentence =
        said.out.lines().find(|line| line.contains("rate within") || line.contains("INVALID: gen")).unwrap_or("No answer");
    assert!(report.out.contains(sentence.trim_start_matches("INVALID: ")), "{}\n{}", said.out, report.out);
    let page = std::fs::read_to_string(out.join("report.html")).expect("a page");
    assert!(page.contains("trial-001") && out.join("findings.json").exists());
}

/// One worker cannot send two hundred thousand requests a second on time: that says nothing about the target, whatever it answered.
#[test]
fn a_starved_generator_is_invalid() {
    let (dir, trace) = synthesized(2000, 400);
    let (server, out) = (queue(&["--service", "const:10us", "--workers", "64"]), dir.path().join("starved"));
    let impossible = ["--start", "200000", "--min-rate", "200000", "--workers", "1", "--threshold", "p99<10s", "--trial", "1s"];
    let words =
        ["search", text(&trace), "--target", &server.url(), "--no-check", "-o", text(&out), "--json", "--cool-down", "10ms"];
    let said = run(&[&words[..], &impossible].concat()).expect_code(1);
    let info: Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(info, json(&out.join("search.json")));
    assert_eq!((&info["found"]["ending"], &info["capacity_per_s"]), (&Value::from("generator_limited"), &Value::Null));
    assert!(of_trials(&info, "verdict").iter().all(|verdict| *verdict == "spoilt"), "{info}");
    assert!(run(&["report", text(&out)]).expect_code(1).out.starts_with("INVALID: "));
}

/// Every answer is an error: not even the least rate is borne, and a probe finds nothing to begin with.
#[test]
fn a_target_that_only_fails_bears_nothing() {
    let (dir, trace) = synthesized(2000, 400);
    let (server, out) = (queue(&["--service", "const:1ms", "--error-rate", "1"]), dir.path().join("failing"));
    let words = ["--threshold", "p99<1s", "--confirm", "2s"];
    let said = search(text(&trace), &server.url(), text(&out), &[&words[..], &["--start", "100", "--min-rate", "100"]].concat());
    let said = said.expect_code(1).out;
    assert!(said.contains("Not even 100 /s is borne") || said.contains("INVALID: generator-limited"), "{said}");
    let probed = dir.path().join("probed");
    let said = search(text(&trace), &server.url(), text(&probed), &words).expect_code(2).err;
    assert!(said.contains("no good answer to a probe"), "{said}");
}

#[test]
fn what_makes_no_search_is_said_before_anything_is_sent() {
    let (dir, trace) = synthesized(20, 400);
    let (server, out) = (queue(&[]), dir.path().join("none"));
    let url = server.url();
    let p99 = ["--threshold", "p99<1s"];
    for (words, said) in [
        (&[][..], &["--threshold 'p99<50ms'"][..]),
        (&["--start", "-1"], &["--start", "above 0"]),
        (&["--min-rate", "10", "--max-rate", "5"], &["--min-rate 10 is above --max-rate 5"]),
        (&["--width", "0%"], &["--width"]),
        (&["--exceed", "100%"], &["--exceed"]),
        (&["--short-trial", "10s"], &["--short-trial 10 s is longer than --trial 2 s"]),
        (&["--confirm", "1s"], &["--confirm 1 s is shorter"]),
        (&["--pacing", "closed"], &["--pacing closed"]),
    ] {
        let threshold = if words.is_empty() { &[][..] } else { &p99 };
        let short = ["--trial", "2s"];
        let all = [&["search", text(&trace), "--target", &url, "--no-check", "-o", text(&out)][..], &short, threshold, words];
        run(&all.concat()).expect_sentence(2, said);
    }
    assert!(!out.exists());
    let reset = ["--start", "50", "--before-trial", "echo not today; exit 3"];
    let said = search(text(&trace), &server.url(), text(&out), &[&p99[..], &reset].concat()).expect_code(2).err;
    assert!(said.contains("exit status: 3: not today"), "{said}");
    assert_eq!(json(&out.join("search.json"))["status"], "failed");
}

#[test]
fn ctrl_c_ends_a_search_in_order() {
    let (dir, trace) = synthesized(2000, 400);
    let (server, out) = (queue(&["--service", "const:1ms"]), dir.path().join("stopped"));
    let words = [
        "search",
        text(&trace),
        "--target",
        &server.url(),
        "--no-check",
        "--start",
        "50",
        "--threshold",
        "p99<1s",
        "-o",
        text(&out),
    ];
    let child = rehearsal(&words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    wait_for(|| out.join("trial-001/run.json").exists());
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).expect("it is there");
    let ended = child.wait_with_output().expect("it ends");
    assert_eq!(ended.status.code(), Some(1), "an early end is no answer");
    assert!(String::from_utf8_lossy(&ended.stdout).contains("ended early: no trial says anything"));
    let info = json(&out.join("search.json"));
    assert_eq!((&info["status"], &info["trials"]), (&Value::from("stopped"), &serde_json::json!([])));
}
