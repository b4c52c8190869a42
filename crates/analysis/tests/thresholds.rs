//! Thresholds on small runs that the tests write themselves, against formulas.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod sample;

use std::path::Path;

use analysis::finding::Verdict;
use analysis::threshold::{Band, Judged, Thresholds};
use analysis::{Analysis, Report, ReportOptions, Run, report};
use sample::{MS, REQUESTS, US, is_timeout, service_ns};
use serde_json::Value;
use trace::{RunInfo, RunStatus};

fn thresholds(texts: &[&str]) -> Thresholds {
    Thresholds::new(texts.iter().map(|text| text.parse().unwrap_or_else(|e| panic!("{e}")))).expect("no two about the same")
}

fn judged(texts: &[&str]) -> Vec<Judged> {
    let dir = tempfile::tempdir().expect("a temporary folder");
    sample::sample_run(dir.path());
    judged_in(dir.path(), texts)
}

fn judged_in(dir: &Path, texts: &[&str]) -> Vec<Judged> {
    let run = Run::open(dir).expect("a run");
    let analysis = Analysis::new(&run).expect("outcomes");
    thresholds(texts).judge(&run, &analysis).expect("a sound run")
}

/// The nearest rank ⌈pn⌉ by the definition.
fn exact(mut values: Vec<i64>, p_thousandths: usize) -> f64 {
    values.sort_unstable();
    values[(values.len() * p_thousandths).div_ceil(1000) - 1] as f64
}

#[test]
fn values_are_those_of_the_formula() {
    let service = |wanted: fn(u64) -> bool| -> Vec<i64> {
        (0..REQUESTS).filter(|id| !is_timeout(*id) && wanted(*id)).map(service_ns).collect()
    };
    let (all, phi3) = (service(|_| true), service(|id| id.is_multiple_of(4)));
    let late = (20 * US) as f64;
    let last_done_s = (0..REQUESTS)
        .map(|id| id as i64 * MS + 20 * US + if is_timeout(id) { 50 * MS } else { service_ns(id) })
        .max()
        .expect("requests") as f64
        / 1e9;
    let mean = all.iter().sum::<i64>() as f64 / all.len() as f64;
    let cases = [
        ("p95<1s", exact(all.clone(), 950) + late),
        ("p97.5<1s", exact(all.clone(), 975) + late),
        ("service_p95{collection=phi3}<1s", exact(phi3.clone(), 950)),
        ("service_max<1s", exact(all.clone(), 1000)),
        ("service_mean<1s", mean),
        ("first_byte_p50<1s", 5.0 * US as f64),
        ("lateness_p50<1s", late),
        ("error_rate<50%", 12.0 / 2000.0),
        ("error_rate{collection=phi3}<50%", 0.0),
        ("throughput>1", 1996.0 / last_done_s),
        ("goodput>1", 1988.0 / last_done_s),
        ("achieved>1", 1000.0),
        ("count>1", 2000.0),
        ("availability>1%", 1.0),
        ("cpu<9", 0.6),
        ("cpu<99%", 0.3),
        ("memory<9GB", 1.2e8),
    ];
    for ((text, value), found) in cases.iter().zip(judged(&cases.map(|(text, _)| text))) {
        let measured = found.value.unwrap_or_else(|| panic!("{text}: {found:?}"));
        assert!((measured - value).abs() <= 1e-9 * value.abs(), "{text}: {measured} instead of {value}");
        assert_eq!(found.verdict, Verdict::Pass, "{text}");
        assert!(found.interval.is_none_or(|ends| ends.low <= measured && measured <= ends.high), "{found:?}");
    }
}

#[test]
fn a_limit_separates_pass_from_fail_and_bands_from_each_other() {
    // Service p50 is 10 ms to the step of the permutation; error rate 0.6 %.
    let all = judged(&[
        "service_p50<9ms",
        "service_p95<19.5ms",
        "error_rate<0.7%|1%",
        "error_rate{phase=none}<1%",
        "service_p90<1ms|30ms",
        "service_p99<1ms|2ms",
        "p99.9<1s",
        "recall>90%",
        "connect_p99<1s",
    ]);
    let found: Vec<_> = all.iter().map(|one| (one.verdict, one.band)).collect();
    assert_eq!(
        found,
        [
            (Verdict::Fail, None),
            (Verdict::Pass, None),
            (Verdict::Pass, Some(Band::Good)),
            (Verdict::Fail, None),
            (Verdict::Pass, Some(Band::Acceptable)),
            (Verdict::Fail, Some(Band::Poor)),
            (Verdict::Insufficient, None),
            (Verdict::Insufficient, None),
            (Verdict::Insufficient, None),
        ]
    );
    assert!(all[2].close, "12 failures of 2000 are 0.3 % to 1.04 % by Clopper and Pearson");
    assert!(all[2].note.contains("too close to call"), "{}", all[2].note);
    assert!(all[3].note.contains("no phase, so none has `none`"), "{}", all[3].note);
    assert!(all[6].note.contains("1996 values; this percentile needs 3688"), "{}", all[6].note);
}

#[test]
fn a_spoilt_run_is_not_judged() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    sample::late_run(dir.path());
    for one in judged_in(dir.path(), &["p95<1s", "error_rate{phase=none}<1%"]) {
        assert_eq!((one.verdict, one.value, one.shown().as_str()), (Verdict::Invalid, None, "–"));
        assert!(one.note.contains("generator"), "{}", one.note);
    }
}

fn reported(dir: &Path, texts: &[&str]) -> Report {
    let options =
        ReportOptions { thresholds: thresholds(texts), junit: Some(dir.join("out/junit.xml")), ..ReportOptions::default() };
    report(dir, &options).expect("a readable run")
}

#[test]
fn every_output_shows_pass_and_fail_first() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    sample::sample_run(dir.path());
    let made = reported(dir.path(), &["p95<1s", "error_rate{collection=phi3}<1%", "service_p50<9ms", "p99.9<1s"]);
    assert_eq!((made.overview.word.as_str(), made.overview.exit_code()), ("FAIL", 1));
    assert!(
        made.overview.sentence.contains("1 of 4 thresholds is missed. `service_p50<9ms` is missed: it is"),
        "{}",
        made.overview.sentence
    );
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let order = |text: &str, first: &str, then: &str| text.find(first).expect(first) < text.find(then).expect(then);
    assert!(order(&read("report.html"), "service_p50&lt;9ms</td>", "class=\"figures\""), "before the figures");
    assert!(order(&read("report.md"), "## Thresholds", "| Figure |"), "before the figures");
    let findings: Value = serde_json::from_str(&read("findings.json")).expect("JSON");
    let first = &findings["thresholds"][2];
    assert_eq!((&first["threshold"], &first["verdict"]), (&"service_p50<9ms".into(), &"fail".into()));
    assert_eq!((&first["limit"], &first["unit"], &first["samples"]), (&9e6.into(), &"ns".into(), &1996.into()));
    assert!(first["interval"]["low"].as_f64() < first["value"].as_f64(), "{first}");
}

#[test]
fn a_run_keeps_what_it_was_asked_and_a_report_has_the_last_say() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let asked = serde_json::json!({ "thresholds": ["service_p50<9ms", "error_rate<1%"] });
    let info = RunInfo { asked, ..sample::info(REQUESTS, RunStatus::Complete) };
    sample::write_run(dir.path(), &info, (0..REQUESTS).map(sample::outcome));
    let verdicts = |made: Report| made.thresholds.iter().map(|one| (one.threshold.to_string(), one.verdict)).collect::<Vec<_>>();
    let kept = |text: &str, verdict| (text.to_owned(), verdict);
    let made = reported(dir.path(), &[]);
    assert_eq!(verdicts(made), [kept("service_p50<9ms", Verdict::Fail), kept("error_rate<1%", Verdict::Pass)]);
    let made = reported(dir.path(), &["service_p50<12ms"]);
    assert_eq!((made.overview.exit_code(), made.overview.word.as_str()), (0, "PASS"));
    assert_eq!(verdicts(made), [kept("service_p50<12ms", Verdict::Pass), kept("error_rate<1%", Verdict::Pass)]);
    let asked = serde_json::json!({ "thresholds": ["p95"] });
    trace::write_run_info(dir.path(), &RunInfo { asked, ..info }).expect("room on the disk");
    let said = report(dir.path(), &ReportOptions::default()).expect_err("no threshold").to_string();
    assert!(said.starts_with("run.json, asked.thresholds: `p95` is no threshold"), "{said}");
}

#[test]
fn every_run_of_a_folder_is_held_against_the_thresholds() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let of = |name: &str| {
        let folder = dir.path().join(name);
        std::fs::create_dir(&folder).expect("room on the disk");
        folder
    };
    let asked = serde_json::json!({ "thresholds": ["service_p50<9ms"] });
    let info = RunInfo { asked, ..sample::info(REQUESTS, RunStatus::Complete) };
    sample::write_run(&of("own"), &info, (0..REQUESTS).map(sample::outcome));
    sample::sample_run(&of("plain"));
    sample::late_run(&of("late"));
    trace::write_run_info(&of("empty"), &sample::info(0, RunStatus::Running)).expect("room on the disk");
    // Nothing asked: nothing judged.
    let index = |options: &ReportOptions| analysis::index::index(dir.path(), options);
    let made = index(&ReportOptions::default()).expect("a folder of runs");
    assert_eq!((made.overview.word.as_str(), made.overview.exit_code(), made.thresholds.is_some()), ("INDEX", 0, false));
    let noted = ReportOptions { notes: vec!["before the move".to_owned()], ..ReportOptions::default() };
    let _ = index(&noted).expect("a folder of runs");
    let junit = dir.path().join("junit.xml");
    let options =
        ReportOptions { thresholds: thresholds(&["error_rate<1%"]), junit: Some(junit.clone()), ..ReportOptions::default() };
    let made = index(&options).expect("a folder of runs");
    assert_eq!((made.overview.word.as_str(), made.overview.exit_code()), ("INVALID", 1));
    assert!(made.overview.sentence.starts_with("2 of 4 runs failed or invalid: "), "{}", made.overview.sentence);
    let shown = analysis::terminal_table(&made.thresholds.expect("some were asked"), usize::MAX);
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("Thresholds: 2 of 4 hold"), "{shown}");
    assert!(lines[2].contains("not judged") && lines[3].contains("fail") && lines[3].contains("own"), "{shown}");
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let page = read("index.html");
    assert!(page.contains("Noted: before the move"), "what was noted before is kept");
    let order = |first: &str, then: &str| page.find(first).expect(first) < page.find(then).expect(then);
    assert!(order("service_p50&lt;9ms</td>", "Newest first"), "the table comes first");
    let found: Value = serde_json::from_str(&read("index.json")).expect("JSON");
    let verdicts: Vec<(&str, &str)> = found["runs"]
        .as_array()
        .expect("runs")
        .iter()
        .map(|run| (run["folder"].as_str().expect("a name"), run["verdict"].as_str().expect("a word")))
        .collect();
    for expected in [("own", "fail"), ("plain", "pass"), ("late", "invalid"), ("empty", "insufficient")] {
        assert!(verdicts.contains(&expected), "{verdicts:?}");
    }
    let xml = read("junit.xml");
    assert_eq!((xml.matches("<testsuite ").count(), xml.matches("<failure ").count()), (3, 2), "{xml}");
    assert!(xml.contains("<testsuite name=\"own\" tests=\"3\" failures=\"1\""), "{xml}");
    for (options, option) in [
        (ReportOptions { csv: true, ..ReportOptions::default() }, "--csv"),
        (ReportOptions { out: Some(junit), ..ReportOptions::default() }, "--output"),
        (ReportOptions { limits: vec!["cpu=80%".parse().expect("a limit")], ..ReportOptions::default() }, "--limit"),
    ] {
        assert!(index(&options).expect_err(option).to_string().starts_with(option));
    }
}

/// Python's reader, which is not ours, finds the cases and counts that the document claims.
#[test]
fn junit_is_read_by_another_reader() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    sample::sample_run(dir.path());
    reported(dir.path(), &["p95<1s", "error_rate{operation=\"a,\\\"b\"}<1%", "service_p50<9ms", "p99.9<1s"]);
    let script = "
import sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
cases = root.findall('testsuite/testcase')
claimed = [(node.get('tests'), node.get('failures'), node.get('errors'), node.get('skipped')) for node in [root, root.find('testsuite')]]
print(root.tag, claimed, [c.get('name') + ' ' + '/'.join(n.tag for n in c) for c in cases])
print([f.get('message') for f in root.iter('failure')][0])
";
    let python = std::process::Command::new("python3").args(["-c", script]).arg(dir.path().join("out/junit.xml")).output();
    let python = python.expect("python3, which the tests need");
    let said = String::from_utf8_lossy(&python.stdout);
    assert_eq!(
        said.lines().next().unwrap_or_default(),
        "testsuites [('5', '2', '0', '1'), ('5', '2', '0', '1')] ['the generator kept up system-out', 'p95<1s system-out', \
         'error_rate{operation=\"a,\\\\\"b\"}<1% failure/system-out', 'service_p50<9ms failure/system-out', 'p99.9<1s skipped/system-out']",
        "{}",
        String::from_utf8_lossy(&python.stderr)
    );
    assert!(said.lines().nth(1).is_some_and(|line| line.contains("is missed: no request of the run has operation")), "{said}");
}
