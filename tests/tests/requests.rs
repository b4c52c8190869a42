//! The requests that a report shows one by one, picked anew by DuckDB from the outcomes and the trace.

use rehearsal_tests::{Server, http, json, python, python_says, run, text};
use serde_json::{Value, json};

const PICK: &str = r#"
import json, sys, duckdb
trace, run = sys.argv[1:]
duckdb.sql(f"create view o as select * from '{run}/outcomes-*.parquet'")
duckdb.sql(f"create view t as select * from '{trace}'")
answered = "sent_ns is not null and done_ns is not null and (error is null or error = 'answer')"
slowest = duckdb.sql(f"select id, done_ns - due_ns, o.collection, method, t.target, request from o join t using (id) where {answered} order by 2 desc, 1 limit 20").fetchall()
failed = duckdb.sql("select id, coalesce(error, 'status ' || status) from (select *, row_number() over (partition by error, status order by due_ns, id) place from o where not ok) f where place <= 20 order by place, due_ns limit 20").fetchall()
text = lambda m, t, body: f"{m} {t} {body[:160].decode()}" + ("…" if len(body) > 160 else "")
print(json.dumps({"slowest": [[i, ns, c, text(m, t, b)] for i, ns, c, m, t, b in slowest], "failed": sorted([i, kind] for i, kind in failed)}))
"#;

#[test]
fn the_slowest_and_the_failed_are_those_of_the_files() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (trace, out) = (dir.path().join("t.parquet"), dir.path().join("run"));
    let _ = run(&["synth", "-o", text(&trace), "--requests", "600", "--rate", "300", "--dim", "8"]).expect_code(0);
    let server = Server::testbed(&["vectors"]);
    let _ = run(&["setup", text(&trace), "--target", &server.url(), "--points", "20"]).expect_code(0);
    let busiest = busiest_of(&trace);
    assert_eq!(http(server.addr, "DELETE", &format!("/collections/{busiest}"), "").0, 200);
    let _ = run(&["replay", text(&trace), "--target", &server.url(), "-o", text(&out), "--no-check"]).expect_done();
    let _ = run(&["report", text(&out)]).expect_done();
    let found = json(&out.join("findings.json"))["requests"].clone();

    let picked: Value = serde_json::from_str(&python_says(&python, PICK, &[text(&trace), text(&out)])).unwrap();
    let list = |name: &str, members: &[&str]| -> Vec<Value> {
        let rows = found[name].as_array().unwrap();
        rows.iter().map(|row| Value::Array(members.iter().map(|member| row[*member].clone()).collect())).collect()
    };
    assert_eq!(json!(list("slowest", &["id", "response_ns", "collection", "content"])), picked["slowest"]);
    let mut failed = list("failed", &["id", "failure"]);
    failed.sort_by_key(|row| row[0].as_u64());
    assert_eq!(json!(failed), picked["failed"]);
    assert_eq!(found["no_content"], Value::Null);

    // Another trace under the name of the one that was replayed, and none at all: nothing is shown, and why.
    let other = dir.path().join("other.parquet");
    let _ = run(&["synth", "-o", text(&other), "--requests", "600", "--rate", "300", "--dim", "8", "--seed", "9"]).expect_code(0);
    std::fs::rename(&other, &trace).unwrap();
    assert_eq!(without_content(&out), "no longer the trace");
    std::fs::remove_file(&trace).unwrap();
    assert_eq!(without_content(&out), "No such file");
}

/// Reports once more, and says which of the two reasons is given for showing no content.
fn without_content(out: &std::path::Path) -> &'static str {
    let _ = run(&["report", text(out)]).expect_done();
    let found = json(&out.join("findings.json"))["requests"].clone();
    assert_eq!(found["slowest"][0]["content"], Value::Null);
    let reason = found["no_content"].as_str().unwrap();
    ["no longer the trace", "No such file"].into_iter().find(|known| reason.contains(known)).unwrap_or_else(|| panic!("{reason}"))
}

/// The collection with the most requests.
fn busiest_of(trace: &std::path::Path) -> String {
    let said = run(&["inspect", text(trace), "--json"]).expect_code(0).out;
    let said: Value = serde_json::from_str(&said).unwrap();
    said["collections"][0]["name"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned()
}
