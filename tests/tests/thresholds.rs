//! Thresholds as a user gives them: on a replay, on its report, from a file, mistyped.

use rehearsal_tests::{Server, json, run, synthesized, text};

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
