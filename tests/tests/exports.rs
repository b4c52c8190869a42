//! A run in other shapes: CSV whose figures DuckDB finds anew in the outcomes, and an archive that any tar opens.

use rehearsal_tests::{Server, finish, python, python_says, run, synthesized, text};

const CSV: &str = r#"
import sys, duckdb
run = sys.argv[1]
duckdb.sql(f"create view o as select * from '{run}/outcomes-*.parquet'")
def table(name): return duckdb.sql(f"select * from read_csv('{run}/{name}', header = true, all_varchar = true)").fetchall()
answered = "sent_ns is not null and done_ns is not null and (error is null or error = 'answer')"
rows = table("stats.csv")
for collection, operation, requests, failed, rate, mean, low, p50, *rest in rows:
    where = "true" if (collection, operation) == (None, "all") else f"collection = '{collection}' and operation = '{operation}'"
    got = duckdb.sql(f"select count(*), count(*) filter (not ok) from o where {where}").fetchone()
    assert got == (int(requests), int(failed)), (collection, got)
    got = duckdb.sql(f"select count(*), avg(done_ns - due_ns), min(done_ns - due_ns), quantile_disc(done_ns - due_ns, 0.5) from o where {where} and {answered}").fetchone()
    for found, wanted in zip(got[1:], (mean, low, p50)):
        assert wanted is None or abs(found / 1e6 - float(wanted)) < 1e-6, (collection, found, wanted)
assert len(rows) == 1 + duckdb.sql("select count(*) from (select distinct collection, operation from o)").fetchone()[0]
history = table("stats_history.csv")
sums = [sum(int(row[place]) for row in history) for place in range(2, 7)]
assert sums == list(duckdb.sql("select count(*), count(sent_ns), count(*) filter (ok), count(*) filter (not ok), count(*) filter (starts_with(error, 'shed')) from o").fetchone()), sums
span, flight = duckdb.sql("select (max(greatest(due_ns, sent_ns, done_ns)) - min(due_ns)) / 1e9, sum(done_ns - sent_ns) / 1e9 from o").fetchone()
mean = sum((float(row[1]) - float(row[0])) * float(row[7]) for row in history)
assert abs(mean - flight) < 0.01 * flight + 0.01, (mean, flight)
assert sum(int(row[1]) for row in table("failures.csv")) == sums[3]
print(len(rows), len(history))
"#;

#[test]
fn csv_has_the_figures_of_the_outcomes() {
    let Some(python) = python() else { return };
    let (dir, trace) = synthesized(600, 300);
    let out = dir.path().join("run");
    let server = Server::testbed(&["vectors"]);
    let _ = run(&["replay", text(&trace), "--target", &server.url(), "-o", text(&out), "--no-check"]).expect_done();
    let _ = run(&["report", text(&out), "--csv"]).expect_done();
    let said = python_says(&python, CSV, &[text(&out)]);
    assert!(!said.trim().is_empty());

    // The folder around it, with a second run that has no report.
    let second = dir.path().join("second");
    std::fs::create_dir(&second).unwrap();
    std::fs::copy(out.join("run.json"), second.join("run.json")).unwrap();
    let said = run(&["report", text(dir.path())]).expect_code(0).out;
    assert!(said.starts_with("2 folders listed in "), "{said}");
    let page = std::fs::read_to_string(dir.path().join("index.html")).unwrap();
    assert_eq!(page.matches("<a href=\"run/report.html\">run</a>").count(), 1, "a link to the report there is");
    assert!(page.contains("complete, no report yet") && !page.contains("second/report.html"));
    assert!(std::fs::read_to_string(dir.path().join("index.md")).unwrap().contains("second"));

    let archive = dir.path().join("run.tar.zst");
    let said = run(&["pack", text(&out), "-o", text(&archive)]).expect_code(0).out;
    assert!(said.contains("files"), "{said}");
    let listed = finish(std::process::Command::new("tar").args(["--zstd", "-tf", text(&archive)]));
    for name in ["run/run.json", "run/stats.csv", "run/report.html", "run/charts/percentiles.svg"] {
        assert!(listed.out.lines().any(|line| line == name), "{name} is not in {}{}", listed.out, listed.err);
    }
    run(&["pack", text(&dir.path().join("nothing"))]).expect_sentence(2, &["nothing"]);
}
