//! Runs of two versions held against each other, as a user does it: verdicts, exit codes, pages, baselines, and what cannot be compared.
//!
//! The golden is updated with `REHEARSAL_BLESS=1`; look at the difference before committing it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rehearsal_tests::{Finished, Server, finish, json, python, python_says, rehearsal, root, run, synthesized, text};
use serde_json::{Value, json};
use stats::Rng;
use tempfile::TempDir;
use trace::{ClockPair, ErrorClass, OutcomeRow, OutcomeWriter, RunInfo, RunNs, RunStatus, Series, SeriesRun};

const COLLECTIONS: [&str; 3] = ["mixtral", "phi3", "hermes"];

/// What a made-up run is like.
#[derive(Clone)]
struct Made {
    label: &'static str,
    seed: u64,
    requests: u64,
    /// Service time of the second collection, × that of the others.
    slower: f64,
    /// Share of requests that time out.
    timeouts: f64,
    status: RunStatus,
    trace_hash: &'static str,
    asked: Value,
    invalid: bool,
}

impl Default for Made {
    fn default() -> Self {
        let asked = json!({ "profile": { "speed": 1.0 }, "pacing": "open" });
        Self {
            label: "old",
            seed: 1,
            requests: 2000,
            slower: 1.0,
            timeouts: 0.0,
            status: RunStatus::Complete,
            trace_hash: "00112233445566778899aabbccddeeff",
            asked,
            invalid: false,
        }
    }
}

/// Writes a run against a queue with one server: Poisson arrivals of 400/s, exponential service of 1 ms.
fn write_run(dir: &Path, made: &Made) {
    std::fs::create_dir_all(dir).expect("room on the disk");
    let mut rng = Rng::stream(made.seed, "compare");
    let mut writer = OutcomeWriter::new(dir);
    let (mut due_s, mut free_s) = (0.0, 0.0_f64);
    for id in 0..made.requests {
        due_s += rng.exponential() / 400.0;
        let collection = (id % 3) as usize;
        let service_s = rng.exponential() / 1000.0 * if collection == 1 { made.slower } else { 1.0 };
        free_s = free_s.max(due_s) + service_s;
        let error = rng.chance(made.timeouts).then_some(ErrorClass::Timeout);
        writer.push(&outcome(id, COLLECTIONS[collection], (due_s * 1e9) as i64, (free_s * 1e9) as i64, error)).expect("room");
    }
    writer.finish().expect("room on the disk");
    trace::write_run_info(dir, &info(made)).expect("room on the disk");
}

fn outcome(id: u64, collection: &'static str, due_ns: i64, done_ns: i64, error: Option<ErrorClass>) -> OutcomeRow<'static> {
    OutcomeRow {
        id,
        session: id,
        conn: 1,
        protocol: "http",
        collection,
        operation: "POST /collections/{}/points/search",
        target: "http://127.0.0.1:6333",
        due: RunNs(due_ns),
        sent: Some(RunNs(due_ns)),
        first_byte: error.is_none().then_some(RunNs(done_ns)),
        done: Some(RunNs(done_ns)),
        status: error.is_none().then_some("200"),
        ok: error.is_none(),
        error,
        items: 1,
        request_bytes: 100,
        response_bytes: 100,
        ..OutcomeRow::default()
    }
}

fn info(made: &Made) -> RunInfo {
    RunInfo {
        tool: "rehearsal 0.1.0".to_owned(),
        label: made.label.to_owned(),
        status: made.status,
        trace: "t.parquet".to_owned(),
        trace_hash: made.trace_hash.to_owned(),
        requests: made.requests,
        targets: BTreeMap::from([("*".to_owned(), format!("http://{}:6333", made.label))]),
        seed: made.seed,
        clocks: vec![ClockPair { run_ns: 0, unix_ns: 951_782_400_000_000_000 + made.seed as i64 * 60_000_000_000 }],
        asked: made.asked.clone(),
        figures: json!({ "invalid": made.invalid }),
        fidelity: json!({ "generator_limited": made.invalid }),
        ..RunInfo::default()
    }
}

/// A series of so many pairs in `dir/ab`, the new version as `made` says.
fn write_series(dir: &Path, pairs: u32, made: &Made) -> PathBuf {
    let folder = dir.join("ab");
    let mut series = Series {
        version: trace::schema::VERSION,
        trace: "t.parquet".to_owned(),
        trace_hash: made.trace_hash.to_owned(),
        interleaved: true,
        targets: ["new", "old"].map(|label| (label.to_owned(), format!("http://{label}:6333"))).into(),
        pairs: Vec::new(),
        runs: Vec::new(),
    };
    for pair in 1..=pairs {
        let names = ["old", "new"].map(|label| format!("{label}-{pair:02}"));
        for (label, name) in ["old", "new"].into_iter().zip(&names) {
            let one = if label == "old" { Made::default() } else { made.clone() };
            let seed = u64::from(pair) * 2 + u64::from(label == "new");
            write_run(&folder.join(name), &Made { label, seed, ..one });
            let (folder, label) = (name.clone(), label.to_owned());
            series.runs.push(SeriesRun { folder, label, pair, seed, status: Some(RunStatus::Complete), invalid: false });
        }
        series.pairs.push(names.to_vec());
    }
    series.write(&folder).expect("room on the disk");
    folder
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Runs `rehearsal` inside `dir`.
fn within(dir: &Path, words: &[&str]) -> Finished {
    finish(rehearsal(words).current_dir(dir))
}

fn figure<'a>(found: &'a Value, name: &str) -> &'a Value {
    let all = found["figures"].as_array().expect("a list").iter();
    all.into_iter().find(|row| row["figure"] == name).unwrap_or_else(|| panic!("no figure {name}"))
}

fn check_golden(found: &str, name: &str) {
    let golden = root().join("tests/golden").join(name);
    if std::env::var_os("REHEARSAL_BLESS").is_some() {
        std::fs::create_dir_all(golden.parent().expect("a folder")).expect("a writable checkout");
        std::fs::write(&golden, found).expect("a writable checkout");
    }
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    assert!(found == expected, "{name} differs from {}; REHEARSAL_BLESS=1 takes it over", golden.display());
}

#[test]
fn a_slower_version_fails_and_the_page_says_which_operation_it_is() {
    let dir = folder();
    write_series(dir.path(), 8, &Made { slower: 2.0, timeouts: 0.01, ..Made::default() });
    let said = within(dir.path(), &["compare", "ab", "-o", "out"]).expect_code(1).out;
    assert!(said.starts_with("MAJOR: ") || said.starts_with("CRITICAL: "), "{said}");
    assert!(said.contains("p50 of new is") && said.contains("8 runs in pairs"), "{said}");
    let found = json(&dir.path().join("out/compare.json"));
    assert_eq!((&found["basis"], &found["design"]), (&json!("runs"), &json!("paired")));
    assert_eq!(found["explanation"]["parts"][0]["collection"], "phi3", "the one that was made slower");
    let kinds: Vec<_> =
        found["failures"].as_array().expect("a list").iter().map(|row| (&row["kind"], &row["turn"], &row["sure"])).collect();
    assert_eq!(kinds, [(&json!("timeout"), &json!("new"), &json!(true)); 3]);
    assert_eq!(figure(&found, "error_rate")["verdict"], "major", "1 % against a relevant 0.5 points");
    let html = std::fs::read_to_string(dir.path().join("out/compare.html")).expect("the page");
    assert!(html.contains("id=\"chart-quantile-differences\"") && html.contains("id=\"chart-distributions\""));
    check_golden(&std::fs::read_to_string(dir.path().join("out/compare.md")).expect("the text"), "compare.md");
}

#[test]
fn the_same_version_does_not_fail() {
    let dir = folder();
    write_series(dir.path(), 8, &Made::default());
    let found = within(dir.path(), &["compare", "ab", "--json", "--fail-on", "minor"]).expect_code(0).out;
    let found: Value = serde_json::from_str(&found).expect("JSON");
    assert!(["none", "inconclusive"].contains(&found["verdict"].as_str().expect("a word")), "{found}");
    let rate = figure(&found, "error_rate");
    assert_eq!((&rate["before"], &rate["after"], &rate["verdict"]), (&json!(0.0), &json!(0.0), &json!("none")));
}

/// The medians over runs are those of the runs' own quantiles, by the nearest rank of rows read anew through `report`.
#[test]
fn figures_are_those_of_the_runs_own_reports() {
    let dir = folder();
    let runs: Vec<String> = (0..3).map(|number| format!("r{number}")).collect();
    for (seed, name) in (1..).zip(&runs) {
        write_run(&dir.path().join(name), &Made { seed, ..Made::default() });
        let _ = within(dir.path(), &["report", name]).expect_done();
    }
    let words =
        ["compare", "--before", "r0", "r1", "r2", "--after", "r2", "r0", "r1", "--json", "--figure", "p95{collection=phi3}"];
    let found: Value = serde_json::from_str(&within(dir.path(), &words).expect_code(0).out).expect("JSON");
    let reports: Vec<Value> = runs.iter().map(|name| json(&dir.path().join(name).join("findings.json"))).collect();
    let median = |of: &dyn Fn(&Value) -> i64| {
        let mut values: Vec<i64> = reports.iter().map(of).collect();
        values.sort_unstable();
        values[1] as f64
    };
    for level in ["p50", "p99"] {
        let expected =
            median(&|report| report["latency"]["overall"]["response"][level]["value_ns"].as_i64().expect("enough answers"));
        assert_eq!(figure(&found, level)["before"], expected, "{level}");
        assert_eq!(figure(&found, level)["after"], expected, "{level}");
    }
    let of_phi3 = |report: &Value| {
        let groups = report["latency"]["groups"].as_array().expect("a list");
        let group = groups.iter().find(|group| group["collection"] == "phi3").expect("the collection");
        group["response"]["p95"]["value_ns"].as_i64().expect("enough answers")
    };
    assert_eq!(figure(&found, "p95{collection=phi3}")["before"], median(&of_phi3));
}

#[test]
fn a_baseline_stands_for_its_runs() {
    let dir = folder();
    write_series(dir.path(), 8, &Made { slower: 2.0, ..Made::default() });
    let old: Vec<String> = (1..=8).map(|pair| format!("ab/old-{pair:02}")).collect();
    let old: Vec<&str> = old.iter().map(String::as_str).collect();
    let said = within(dir.path(), &[&["baseline", "save", "--name", "main"], &old[..]].concat()).expect_code(0).out;
    assert!(said.contains("number 1") && said.contains("it counts"), "{said}");
    let kept = within(dir.path(), &["compare", "main", "ab/new-01", "--json"]).expect_code(1).out;
    let runs =
        within(dir.path(), &[&["compare", "--json", "--after", "ab/new-01", "--before"], &old[..]].concat()).expect_code(1).out;
    let (kept, runs): (Value, Value) = (serde_json::from_str(&kept).expect("JSON"), serde_json::from_str(&runs).expect("JSON"));
    assert_eq!(kept["figures"], runs["figures"]);
    assert_eq!(kept["explanation"], runs["explanation"]);
    let _ = within(dir.path(), &["baseline", "save", "ab/new-01", "--name", "main"]).expect_code(0);
    let list: Value =
        serde_json::from_str(&within(dir.path(), &["baseline", "list", "--json"]).expect_code(0).out).expect("JSON");
    assert_eq!(
        (&list[0]["current"], &list[1]["current"], &list[1]["head"]["label"]),
        (&json!(true), &json!(false), &json!("new"))
    );
    assert!(list[0]["bytes"].as_u64().expect("a size") < 1_000_000);
    let _ = within(dir.path(), &["baseline", "promote", "main"]).expect_code(0);
    let now = within(dir.path(), &["compare", "main", "ab/new-01"]).expect_code(0).out;
    assert!(now.contains("p50") && now.contains("not worse"), "{now}");
    within(dir.path(), &["baseline", "promote", "mains"]).expect_sentence(2, &["did you mean `main`?"]);
    let file = dir.path().join("baselines/main.json");
    let whole = std::fs::read_to_string(&file).expect("text");
    std::fs::write(&file, whole.replacen("\"requests\":2000", "\"requests\":2001", 1)).expect("room");
    within(dir.path(), &["compare", "main", "ab/new-01"]).expect_sentence(2, &["its hash does not match"]);
}

#[test]
fn what_cannot_be_compared_is_told() {
    let dir = folder();
    let made = |name: &str, made: Made| write_run(&dir.path().join(name), &made);
    made("good", Made::default());
    made("running", Made { status: RunStatus::Running, ..Made::default() });
    made("aborted", Made { status: RunStatus::Aborted, ..Made::default() });
    made("invalid", Made { invalid: true, ..Made::default() });
    made("faster", Made { asked: json!({ "profile": { "speed": 2.0 }, "pacing": "open" }), ..Made::default() });
    made("other", Made { trace_hash: "ffeeddccbbaa99887766554433221100", ..Made::default() });
    made("few", Made { requests: 3, ..Made::default() });
    std::fs::create_dir(dir.path().join("empty")).expect("room");
    for (words, told) in [
        (&["good", "running"][..], &["running", "still being written"][..]),
        (&["good", "aborted"], &["aborted by a condition"]),
        (&["invalid", "good"], &["invalid", "INVALID"]),
        (&["good", "faster"], &["profile: {\"speed\":1.0} and {\"speed\":2.0}"]),
        (&["good", "faster", "--anyway"], &["not asked the same load"]),
        (&["good", "other"], &["different traces", "--anyway"]),
        (&["good", "empty"], &["run.json"]),
        (&["good", "nowhere"], &["nowhere"]),
        (&["good"], &["is no series of two targets"]),
        (&["good", "good", "--figure", "p999x"], &["is no figure"]),
        (&["good", "good", "--figure", "p95{collection=mixtrel}"], &["did you mean `mixtral`?"]),
        (&["good", "good", "--figure", "p95", "--figure", "p90", "--figure", "mean"], &["2 figures can be named"]),
        (&["good", "good", "--relevant", "p97=3%"], &["name it with --figure"]),
    ] {
        within(dir.path(), &[&["compare"], words].concat()).expect_sentence(2, told);
    }
    let anyway = within(dir.path(), &["compare", "good", "other", "--anyway"]).expect_code(0).out;
    assert!(anyway.contains("note: good and other replayed different traces"), "{anyway}");
    let few = within(dir.path(), &["compare", "good", "few"]).expect_code(0).out;
    assert!(few.contains("INCONCLUSIVE") && few.contains("insufficient"), "{few}");
}

#[test]
fn a_spoilt_run_is_left_out_with_its_pair() {
    let dir = folder();
    let series = write_series(dir.path(), 9, &Made::default());
    write_run(&series.join("new-03"), &Made { label: "new", invalid: true, ..Made::default() });
    let found = within(dir.path(), &["compare", "ab", "--json"]).expect_code(0).out;
    let found: Value = serde_json::from_str(&found).expect("JSON");
    let folders =
        |side: &str| found[side]["runs"].as_array().expect("a list").iter().map(|run| run["folder"].clone()).collect::<Vec<_>>();
    assert_eq!((folders("before").len(), folders("after").len()), (8, 8));
    assert!(
        !folders("before").contains(&json!("ab/old-03")) && found["notes"][0].as_str().expect("a note").contains("ab/new-03")
    );
}

#[test]
fn a_threshold_that_is_newly_broken_is_critical() {
    let dir = folder();
    write_series(dir.path(), 8, &Made { slower: 1.5, ..Made::default() });
    let of = |threshold: &str| {
        within(dir.path(), &["compare", "ab", "--threshold", threshold, "--relevant", "p50=900%", "--relevant", "p99=900%"])
    };
    // M/M/1 at a load of 0.4: a mean of 1/(1 − 0.4) = 1.67 ms; with a third of the requests half again as long about 2.1 ms.
    let said = of("mean<1.8ms").expect_code(1).out;
    assert!(
        said.starts_with("CRITICAL: `mean<1.8ms` is newly broken: old keeps it in") && said.contains("new in 0 of 8 runs"),
        "{said}"
    );
    assert!(of("mean<1s").expect_code(0).out.contains("8 of 8"));
}

#[test]
fn build_servers_read_the_verdicts_as_tests() {
    let Some(python) = python() else { return };
    let dir = folder();
    write_series(dir.path(), 8, &Made { slower: 2.0, timeouts: 0.01, ..Made::default() });
    let _ = within(dir.path(), &["compare", "ab", "--threshold", "max<1h", "--junit", "tests.xml"]).expect_code(1);
    let script = "import sys, xml.etree.ElementTree as tree\nroot = tree.parse(sys.argv[1]).getroot()\n\
        cases = list(root.iter('testcase'))\nfailed = [case.get('name') for case in cases if case.find('failure') is not None]\n\
        assert root.get('tests') == str(len(cases)) and root.get('failures') == str(len(failed)), root.attrib\n\
        print(len(cases), *failed)";
    let said = python_says(&python, script, &[text(&dir.path().join("tests.xml"))]);
    assert!(
        said.starts_with("5 p50") && said.contains("error_rate") && !said.contains("throughput") && !said.contains("max"),
        "{said}"
    );
}

#[test]
fn known_changes_are_accepted_until_their_day() {
    let dir = folder();
    write_series(dir.path(), 8, &Made { slower: 2.0, ..Made::default() });
    let accept = |until: &str| {
        let entry =
            |figure: &str| format!("  - figure: {figure}\n    up_to: 300%\n    until: {until}\n    reason: the new index\n");
        std::fs::write(dir.path().join("known.yaml"), format!("accepted:\n{}{}", entry("p50"), entry("p99"))).expect("room");
        within(dir.path(), &["compare", "ab", "--accept", "known.yaml"])
    };
    let said = accept("2999-12-31").expect_code(0).out;
    assert!(said.contains("Accepted as known: p50, p99") || said.contains("Accepted as known: p50."), "{said}");
    assert!(accept("2020-01-01").expect_code(1).out.contains("its last day is over"));
    accept("soon").expect_sentence(2, &["known.yaml, line 2, column 5", "is no day"]);
}

/// Two queues, one a half slower, taking turns. A busy machine spoils runs; then nothing may be said.
#[test]
fn a_live_series_is_compared() {
    let (dir, trace) = synthesized(400, 200);
    let queue = |service: &str| Server::testbed(&["queue", "--service", service]);
    let (old, new, out) = (queue("const:2ms"), queue("const:3ms"), dir.path().join("ab"));
    let against = format!("old={},new={}", old.url(), new.url());
    let words = ["replay", text(&trace), "--no-check", "--against", &against, "--repeat", "6", "--interleave", "-o", text(&out)];
    let _ = run(&words).expect_done();
    let told = run(&["compare", text(&out), "--json"]);
    if told.code == Some(2) {
        told.expect_sentence(2, &["INVALID"]);
        return;
    }
    let found: Value = serde_json::from_str(&told.expect_done().out).expect("JSON");
    let p50 = figure(&found, "p50");
    let ratio = p50["after"].as_f64().expect("enough answers") / p50["before"].as_f64().expect("enough answers");
    assert!(ratio > 1.3, "3 ms against 2 ms: {p50}");
    let back = run(&["compare", text(&out), "--sides", "new,old", "--json"]).expect_code(0).out;
    let back: Value = serde_json::from_str(&back).expect("JSON");
    assert!(figure(&back, "p50")["before"] == p50["after"], "{back}");
}
