//! A target of known capacity under a load that passes it, as a user finds its breaking point.

use rehearsal_tests::{Server, json, python, python_says, run, synthesized, text};
use serde_json::Value;

/// Recomputes what a step's figures are from the outcomes with DuckDB: requests due, good answers, connections open at once, failures.
const RECOMPUTE: &str = r#"
import duckdb, json, sys
run, findings = sys.argv[1], json.load(open(sys.argv[2]))
steps = next(f for f in findings["findings"] if f["id"] == "breaking-point")["figures"]["steps"]
for step in steps:
    begin, end = step["from_ns"], step["to_ns"]
    seconds = (end - begin) / 1e9
    connections, = duckdb.execute(f"""
        with used as (select conn, min(sent_ns) as first, max(coalesce(done_ns, {2 ** 62})) as last
                      from '{run}/outcomes-*.parquet' where sent_ns is not null and phase <> 'warmup' group by conn),
             instants as (select {begin}::bigint as at union select first from used where first >= {begin} and first < {end})
        select max((select count(*) from used where first <= at and last > at)) from instants""").fetchone()
    due, failed, p99, good, in_flight = duckdb.execute(f"""
        select count(*) filter (due_ns >= {begin} and due_ns < {end}),
               count(*) filter (due_ns >= {begin} and due_ns < {end} and not ok),
               quantile_disc(done_ns - due_ns, 0.99) filter (due_ns >= {begin} and due_ns < {end} and error is null),
               count(*) filter (done_ns >= {begin} and done_ns < {end} and ok),
               sum(greatest(0, least(done_ns, {end}) - greatest(sent_ns, {begin})))
        from '{run}/outcomes-*.parquet' where phase <> 'warmup'""").fetchone()
    close = lambda a, b: abs(a - b) <= 1e-6 * max(1, abs(b))
    assert step["requests"] == due and step["failed"] == failed and step["connections"] == connections, step
    assert close(step["offered_per_s"], due / seconds) and close(step["goodput_per_s"], good / seconds), step
    assert close(step["in_flight_mean"], float(in_flight) / 1e9 / seconds), (step, in_flight)
    told = step["response"]["p99"]["value_ns"]
    assert told is None or told == p99, (told, p99)
print(len(steps))
"#;

/// Every limit there is; all but one are far above what the queue takes. Disks are those of this machine, which has one.
const LIMITS: [&str; 10] = [
    "connections=3000",
    "cpu=99.9%",
    "cpu=100",
    "memory=100%",
    "memory=100GB",
    "memory=1kB",
    "descriptors=100000",
    "disk=99.9%",
    "disk=100GB/s",
    "network=100GB/s",
];

fn finding<'a>(findings: &'a Value, id: &str) -> Option<&'a Value> {
    findings["findings"].as_array()?.iter().find(|finding| finding["id"] == id)
}

/// A queue that serves 100 a second, asked for 40 to 160.
#[test]
fn the_breaking_point_of_a_queue_encloses_its_capacity() {
    let (dir, trace) = synthesized(4000, 300);
    let queue = Server::testbed(&["queue", "--service", "exp:10ms"]);
    let (url, out) = (queue.url(), dir.path().join("run"));
    let words = ["replay", text(&trace), "--target", &url, "--allow-writes", "--arrivals", "poisson", "-o", text(&out)];
    let profile = ["--profile", "steps:rate,from=40,to=160,by=40,hold=8s", "--max-connections", "4000"];
    let probe = format!("pid:{}", queue.pid());
    let _ = run(&[&words[..], &profile[..], &["--probe", &probe]].concat()).expect_done();
    let asked: Vec<&str> = LIMITS.iter().flat_map(|limit| ["--limit", limit]).collect();
    let _ = run(&[&["report", text(&out)], &asked[..]].concat()).expect_done();
    let findings = json(&out.join("findings.json"));
    let point = finding(&findings, "breaking-point").expect("the load varies");
    if point["verdict"] == "insufficient" {
        // A machine too busy to keep the schedule: then nothing is told of the target.
        assert!(point["title"].as_str().expect("a sentence").contains("the generator"), "{point}");
        assert!(finding(&findings, "saturation").is_none() && finding(&findings, "beyond").is_none());
        return;
    }
    let limits = point["figures"]["limits"].as_array().expect("limits");
    let kept_up = limits.iter().find(|limit| limit["limit"] == "keeps up with the load").expect("told");
    let (low, high) = (kept_up["low"].as_f64().expect("a rate"), kept_up["high"].as_f64().expect("reached"));
    assert!(low <= 110.0 && (90.0..175.0).contains(&high), "{kept_up}");
    let most = finding(&findings, "saturation").expect("told")["figures"]["per_s"].as_f64().expect("a rate");
    // 800 exponential service times: 3.5 % each way, times four.
    assert!((86.0..115.0).contains(&most), "{most}");
    for asked in LIMITS {
        let found = limits.iter().find(|limit| limit["limit"] == asked).unwrap_or_else(|| panic!("{asked}: {limits:?}"));
        assert!(found["high"].is_null() != asked.starts_with("memory=1kB") && found["judged"].as_u64() > Some(0), "{found}");
    }
    let page = std::fs::read_to_string(out.join("report.html")).expect("a page");
    assert!(page.contains("Breaking points") && page.contains("id=\"chart-latency-by-load\""));
    if let Some(python) = python() {
        let steps = python_says(&python, RECOMPUTE, &[text(&out), text(&out.join("findings.json"))]);
        assert_eq!(steps.trim(), "4");
    }
}

#[test]
fn limits_that_cannot_be_held_are_refused_in_a_sentence() {
    let (dir, trace) = synthesized(200, 200);
    let queue = Server::testbed(&["queue", "--service", "const:1ms"]);
    let (url, out) = (queue.url(), dir.path().join("run"));
    let _ = run(&["replay", text(&trace), "--target", &url, "--allow-writes", "-o", text(&out)]).expect_done();
    let report = |limit: &str| run(&["report", text(&out), "--limit", limit]);
    report("conections=5").expect_sentence(2, &["did you mean `connections`?"]);
    report("cpu=much").expect_sentence(2, &["processor cores"]);
    report("connections=5").expect_sentence(2, &["--limit", "did not vary"]);
}
