//! How fast a trace is replayed: speeds, profiles, arrivals of a model, phases and warm-up; typed as a user would.

use std::path::Path;

use rehearsal_tests::{Server, json, python, python_says, run, synthesized, text};
use serde_json::Value;

fn server() -> Server {
    Server::testbed(&["queue", "--service", "const:100us"])
}

/// The run.json of a replay of `trace` with these words more, which did its work.
fn replayed(trace: &Path, target: &str, out: &Path, words: &[&str]) -> Value {
    let all = [&["replay", text(trace), "--target", target, "--no-check", "-o", text(out)], words].concat();
    let _ = run(&all).expect_done();
    json(&out.join("run.json"))
}

const AT_OVER_SPEED: &str = "
import sys, math, duckdb
trace, run, speed = sys.argv[1], sys.argv[2], float(sys.argv[3])
rows = duckdb.sql(f\"select at_ns, due_ns from '{run}/outcomes-*.parquet' join '{trace}' using (id)\").fetchall()
print(len(rows), sum(due == math.floor(at / speed + 0.5) for at, due in rows))
";

#[test]
fn at_any_speed_due_instants_are_those_of_the_trace_divided_by_it() {
    let Some(python) = python() else { return };
    let (dir, trace) = synthesized(300, 400);
    let server = server();
    for speed in ["0.37", "0.5", "1", "1.5", "10"] {
        for (name, words) in [("speed", ["--speed", speed]), ("profile", ["--profile", &format!("recorded:x,at={speed}")])] {
            let out = dir.path().join(format!("{name}-{speed}"));
            replayed(&trace, &server.url(), &out, &words);
            let said = python_says(&python, AT_OVER_SPEED, &[text(&trace), text(&out), speed]);
            assert_eq!(said.trim(), "300 300", "{name} {speed}");
        }
    }
}

/// Uniform arrivals fall on u = 1, 2, …, so that each is due where the profile's integral reaches a whole number.
const STEPS: &str = "
import sys, duckdb
run = sys.argv[1]
rows = duckdb.sql(f\"select due_ns, phase from '{run}/outcomes-*.parquet' order by due_ns\").fetchall()
def due(u):
    for start, rate, until in ((0, 100, 100), (1, 200, 300), (2, 300, 600)):
        if u < until:
            return start + (u - (until - rate)) / rate, f'step-{start + 1}'
wanted = [due(u) for u in range(1, 600)]
off = max(abs(found / 1e9 - at) for (found, _), (at, _) in zip(rows, wanted))
print(len(rows), all(phase == name for (_, phase), (_, name) in zip(rows, wanted)), off < 1.1e-9)
print(*duckdb.sql(f\"select phase, count(*) from '{run}/outcomes-*.parquet' group by 1 order by 1\").fetchall())
print(*duckdb.sql(f\"select phase, sum(count) from '{run}/latency-*.parquet' where measure = 'lateness' group by 1 order by 1\").fetchall())
";

#[test]
fn steps_have_the_requests_of_their_formula_and_a_phase_each() {
    let Some(python) = python() else { return };
    let (dir, trace) = synthesized(1000, 400);
    let (server, out) = (server(), dir.path().join("run"));
    let words = ["--profile", "steps:rate,from=100,to=300,by=100,hold=1s", "--arrivals", "uniform"];
    let info = replayed(&trace, &server.url(), &out, &words);
    let said = python_says(&python, STEPS, &[text(&out)]);
    let counts = "('step-1', 99) ('step-2', 200) ('step-3', 300)";
    assert_eq!(said.lines().collect::<Vec<_>>(), ["599 True True", counts, counts]);
    assert_eq!((&info["requests"], &info["figures"]["reader"]["beyond_end"]), (&Value::from(599), &Value::from(401)));
    assert_eq!(info["asked"]["phases"][2], serde_json::json!({ "name": "step-3", "from_ns": 2_000_000_000_i64 }));

    let _ = run(&["report", text(&out)]).expect_done();
    let findings = json(&out.join("findings.json"));
    let phases = findings["phases"].as_array().expect("three phases");
    let of = |key: &str| phases.iter().map(|phase| phase[key].as_f64().expect(key)).collect::<Vec<_>>();
    assert_eq!(of("requests"), [99.0, 200.0, 300.0]);
    assert!(of("asked_per_s").iter().zip([100.0, 200.0, 300.0]).all(|(found, wanted)| (found / wanted - 1.0).abs() < 1e-6));
    assert!(of("offered_per_s").iter().zip([100.0, 200.0, 300.0]).all(|(found, wanted)| (found / wanted - 1.0).abs() < 0.02));
    let page = std::fs::read_to_string(out.join("report.html")).expect("a page");
    assert!(page.contains("step-2") && page.contains("Asked") && page.contains("Response time by phase"));
}

const WITHOUT_WARMUP: &str = "
import sys, math, json, polars
run = sys.argv[1]
rows = polars.read_parquet(f'{run}/outcomes-*.parquet').filter(polars.col('phase') != 'warmup')
answered = rows.filter(polars.col('error').is_null())
times = (answered['done_ns'] - answered['due_ns']).sort()
late = (rows['sent_ns'] - rows['due_ns'] - rows['blocked_ns'] - rows['queued_ns']).sort()
due = rows['due_ns'].sort()
groups = rows.group_by('collection', 'operation').len()
print(json.dumps([rows.height, int(rows['ok'].sum()), times[math.ceil(0.5 * len(times)) - 1], times[math.ceil(0.95 * len(times)) - 1],
    (rows.height - 1) / ((due[-1] - due[0]) / 1e9), late[math.ceil(0.95 * len(late)) - 1], due[0], int(groups['len'].max()), int(rows['response_bytes'].sum())]))
";

#[test]
fn the_warmup_is_part_of_no_figure() {
    let Some(python) = python() else { return };
    let (dir, trace) = synthesized(1200, 400);
    let (server, out) = (server(), dir.path().join("run"));
    let info = replayed(&trace, &server.url(), &out, &["--warmup", "1s"]);
    let _ = run(&["report", text(&out)]).expect_done();
    let (findings, said) = (json(&out.join("findings.json")), python_says(&python, WITHOUT_WARMUP, &[text(&out)]));
    let wanted: Vec<f64> = serde_json::from_str(&said).expect("numbers");
    let at =
        |document: &Value, place: &str| document.pointer(place).and_then(Value::as_f64).unwrap_or_else(|| panic!("no {place}"));
    let response = "/latency/overall/response";
    let found = [
        at(&findings, "/totals/requests"),
        at(&findings, "/totals/ok"),
        at(&findings, &format!("{response}/p50/value_ns")),
        at(&findings, &format!("{response}/p95/value_ns")),
        at(&findings, "/throughput/offered_per_s"),
        at(&findings, "/timing/lateness/p95/value_ns"),
        at(&findings, "/totals/first_due_ns"),
        at(&findings, "/latency/groups/0/requests"),
        at(&findings, "/totals/response_bytes"),
    ];
    for (found, wanted) in found.iter().zip(&wanted) {
        assert!((found / wanted - 1.0).abs() < 1e-12, "{found:?} {wanted:?}");
    }
    let warm = 1200.0 - wanted[0];
    assert!(warm > 300.0 && wanted[6] >= 1e9, "{wanted:?}");
    assert_eq!(at(&findings, "/warmup/requests"), warm);
    assert!(findings.get("phases").is_none(), "one phase needs no table");
    // What the replay itself said, which goes through other code.
    assert_eq!(at(&info, "/figures/warmup_requests"), warm);
    assert_eq!(at(&info, "/figures/counts/outcomes"), wanted[0]);
    assert_eq!(at(&info, "/fidelity/scheduled"), wanted[0]);
    assert!((at(&info, "/figures/response_p50_ns") / wanted[2] - 1.0).abs() <= 1e-3);
    assert!((at(&info, "/figures/offered_per_s") / wanted[4] - 1.0).abs() < 1e-9);
    assert_eq!(at(&info, "/requests"), 1200.0);
}

const DUES: &str = "
import sys, duckdb
print(*[due for (due,) in duckdb.sql(f\"select due_ns from '{sys.argv[1]}/outcomes-*.parquet' order by id\").fetchall()])
";

#[test]
fn a_model_and_a_seed_make_one_schedule() {
    let Some(python) = python() else { return };
    let (dir, trace) = synthesized(600, 400);
    let server = server();
    let dues = |name: &str, words: &[&str]| -> Vec<i64> {
        let out = dir.path().join(name);
        replayed(&trace, &server.url(), &out, &[&["--rate", "400"], words].concat());
        python_says(&python, DUES, &[text(&out)]).split_whitespace().map(|due| due.parse().expect("a number")).collect()
    };
    let once = dues("once", &["--arrivals", "gamma:cv=3", "--seed", "5"]);
    let again = dues("again", &["--arrivals", "gamma:cv=3", "--seed", "5", "--workers", "1"]);
    let other = dues("other", &["--arrivals", "gamma:cv=3", "--seed", "6"]);
    let recorded = dues("recorded", &["--seed", "5"]);
    assert!(once == again && once != other && once != recorded && once.is_sorted());

    let model = dir.path().join("model.json");
    let _ = run(&["fit", text(&trace), "-o", text(&model)]);
    let fitted = dues("fitted", &["--arrivals", text(&model)]);
    let span_s = *fitted.last().expect("some") as f64 / 1e9;
    assert!(fitted.is_sorted() && (span_s / 1.5 - 1.0).abs() < 0.1, "600 requests at 400/s take 1.5 s, not {span_s}");
}

#[test]
fn a_profile_can_be_a_file_and_is_told_before_it_starts() {
    let (dir, trace) = synthesized(1000, 400);
    let file = dir.path().join("day.txt");
    std::fs::write(&file, "# a morning\nramp:rate,to=100,over=4s\nconstant:rate,at=100,for=3s # noon\n").expect("written");
    let asked = format!("@{}", text(&file));
    let words = ["replay", text(&trace), "--target", "http://127.0.0.1:9", "--dry-run", "--profile", &asked];
    let said = run(&words).expect_code(0).out;
    // 200 on the ramp, 300 after it.
    assert!(said.contains("requests     500 of 1000") && said.contains("7.000 s at 71.4/s on average"), "{said}");
    let long = ["replay", text(&trace), "--target", "http://127.0.0.1:9", "--dry-run", "--profile", "soak:rate,at=100,for=1h"];
    assert!(run(&long).expect_code(0).out.contains("before the 3600 s asked for; --loop forever goes on until then"));
}

#[test]
fn mistakes_are_named() {
    let (dir, trace) = synthesized(50, 400);
    let refused = |words: &[&str], says: &[&str]| {
        let all = [&["replay", text(&trace), "--target", "http://127.0.0.1:9", "--dry-run"], words].concat();
        run(&all).expect_sentence(2, says);
    };
    refused(&["--profile", "stepps:rate,from=1"], &["--profile", "unknown profile `stepps`, did you mean `steps`?"]);
    refused(&["--profile", "ramp:rate,to=5,ovr=1s"], &["unknown key `ovr`, did you mean `over`?"]);
    refused(&["--profile", "ramp:rate,to=5"], &["over is missing"]);
    refused(&["--profile", "ramp:rate,to=5,over=1s", "--rate", "5"], &["cannot be used with"]);
    refused(&["--profile", "@no.txt"], &["cannot read no.txt"]);
    refused(&["--arrivals", "hawks"], &["--arrivals", "did you mean `hawkes`?"]);
    refused(&["--arrivals", "no.json"], &["cannot read no.json"]);
    refused(&["--warmup", "1h"], &["--warmup 3600 s covers the whole run"]);
    refused(&["--warmup", "0s"], &["--warmup"]);
    refused(&["--max-rate", "50", "--profile", "constant:rate,at=100,for=5s"], &["--max-rate allows 50"]);
    std::fs::write(dir.path().join("bad.txt"), "ramp:rate,to=5,over=1s\nramp:rate,to=x,over=1s\n").expect("written");
    let bad = format!("@{}", text(&dir.path().join("bad.txt")));
    refused(&["--profile", &bad], &["bad.txt: ramp:rate,to=x,over=1s: to: wanted a number, found `x`"]);
}
