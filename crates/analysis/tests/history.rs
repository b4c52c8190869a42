//! Histories of run folders: which runs belong together, in which order, and where their figures come from.

#[allow(dead_code, reason = "other tests need the rest of it")]
mod made;

use std::path::Path;

use analysis::compare::baseline::Baseline;
use analysis::compare::digest::{Digest, Wanted};
use analysis::history::{History, HistoryOptions};
use analysis::{ReportOptions, report};
use made::S;
use trace::ClockPair;

/// A day of 2026 in ns since the Unix epoch.
fn day_ns(day: i64) -> i64 {
    1_767_225_600_000_000_000 + day * 86_400 * S
}

/// A run of 200 requests in two seconds, each answered after so many ms and a little more or less.
fn run(dir: &Path, day: i64, response_ms: i64, trace_hash: &str) {
    std::fs::create_dir_all(dir).expect("room on the disk");
    let requests: Vec<made::Request> = (0..200)
        .map(|i| {
            let mut request = made::request(i * S / 100, "");
            let jitter_us = (i * 37 % 100) * 10 + day * 13 % 7 * 20;
            request.done_ns = request.due_ns + response_ms * S / 1000 + jitter_us * 1000;
            request
        })
        .collect();
    made::write(dir, &requests, serde_json::Value::Null);
    let mut info = trace::read_run_info(dir).expect("written above");
    info.clocks = vec![ClockPair { run_ns: 0, unix_ns: day_ns(day) }];
    info.trace_hash = trace_hash.to_owned();
    trace::write_run_info(dir, &info).expect("room on the disk");
}

fn of(dir: &Path, figure: &str) -> History {
    let figures = vec![figure.to_owned()];
    History::of(dir, &HistoryOptions { figures, ..HistoryOptions::default() }).expect("a history")
}

#[test]
fn runs_of_one_trace_are_one_history_in_the_order_in_which_they_were_made() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    // The names of the folders go backwards; from the ninth day on answers take 13 instead of 10 ms.
    for day in 0..16 {
        run(&dir.path().join(format!("week/{:02}", 16 - day)), day, if day < 9 { 10 } else { 13 }, "00");
        run(&dir.path().join(format!("other-{day:02}")), day, 10 + day % 2, if day < 4 { "11" } else { "22" });
    }
    let history = of(dir.path(), "p50");
    let lengths: Vec<usize> = history.lines.iter().map(|line| line.points.len()).collect();
    assert_eq!(lengths, [16, 12, 4]);
    let line = &history.lines[0];
    assert_eq!((line.points[0].name.as_str(), line.points[0].when.as_str()), ("week/16 made", "2026-01-01 00:00:00 UTC"));
    assert_eq!(line.shared[0], ("trace".to_owned(), "00".to_owned()));
    let changes: Vec<(usize, bool)> = line.trends[0].changes.iter().map(|change| (change.point, change.worse)).collect();
    assert_eq!(changes, [(9, true)]);
    let change = &line.trends[0].changes[0];
    assert!((change.before / 10.5e6 - 1.0).abs() < 0.03 && (change.after / 13.5e6 - 1.0).abs() < 0.03, "{change:?}");
    assert_eq!((history.news().count(), history.lines[1].trends[0].changes.len()), (1, 0));
    let by = vec!["label".to_owned()];
    let together = History::of(dir.path(), &HistoryOptions { by, ..HistoryOptions::default() }).expect("a history");
    assert_eq!(together.lines.iter().map(|line| line.points.len()).collect::<Vec<_>>(), [32]);
}

/// What a report wrote says the same as an analysis anew, and counts no longer once the run is newer.
#[test]
fn reports_are_read_while_they_are_not_older_than_the_run() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    (0..3).for_each(|day| run(&dir.path().join(day.to_string()), day, 10, "00"));
    let anew = History::of(dir.path(), &HistoryOptions::default()).expect("a history");
    drop(report(&dir.path().join("1"), &ReportOptions::default()).expect("a run"));
    let read = History::of(dir.path(), &HistoryOptions::default()).expect("a history");
    for (anew, read) in anew.lines[0].trends.iter().zip(&read.lines[0].trends) {
        let equal = |(a, b): (&(usize, f64), &(usize, f64))| a.0 == b.0 && (a.1 - b.1).abs() <= 1e-12 * a.1.abs();
        assert!(anew.figure == read.figure && anew.values.iter().zip(&read.values).all(equal), "{anew:?} {read:?}");
    }
    let findings = dir.path().join("1/findings.json");
    let text = std::fs::read_to_string(&findings).expect("written above");
    let value = anew.lines[0].trends.iter().find(|trend| trend.figure.name == "p50").expect("a median").values[1].1;
    std::fs::write(&findings, text.replace(&format!("{value:.0}"), "77000000")).expect("room on the disk");
    assert_eq!(of(dir.path(), "p50").lines[0].trends[0].values[1].1, 77e6, "the report is what was read");
    run(&dir.path().join("1"), 1, 10, "00");
    assert_eq!(of(dir.path(), "p50").lines[0].trends[0].values[1].1, value, "the run is newer than its report");
}

#[test]
fn runs_that_say_nothing_are_left_out_by_name() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    (0..2).for_each(|day| run(&dir.path().join(day.to_string()), day, 10, "00"));
    let killed = dir.path().join("killed");
    run(&killed, 3, 10, "00");
    let mut info = trace::read_run_info(&killed).expect("written above");
    info.status = trace::RunStatus::Running;
    trace::write_run_info(&killed, &info).expect("room on the disk");
    std::fs::create_dir(dir.path().join("empty")).expect("room on the disk");
    std::fs::create_dir(dir.path().join("broken")).expect("room on the disk");
    std::fs::write(dir.path().join("broken/run.json"), "{").expect("room on the disk");
    let history = of(dir.path(), "p50");
    assert_eq!(history.lines[0].points.len(), 2);
    let left_out: Vec<&str> = history.left_out.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(left_out, ["broken", "killed"]);
    assert!(history.terminal(usize::MAX).contains("left out: killed: it is still going"), "{}", history.terminal(usize::MAX));
    let nothing = History::of(&dir.path().join("empty"), &HistoryOptions::default()).expect_err("nothing");
    assert!(nothing.to_string().contains("no whole run and no baseline"), "{nothing}");
}

/// What was said of a run when it was made, and in its report, stands at its point.
#[test]
fn notes_on_runs_are_part_of_their_history() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    (0..2).for_each(|day| run(&dir.path().join(day.to_string()), day, 10, "00"));
    let noted = dir.path().join("1");
    let mut info = trace::read_run_info(&noted).expect("written above");
    info.note = "with the new index".to_owned();
    trace::write_run_info(&noted, &info).expect("room on the disk");
    drop(report(&noted, &ReportOptions { notes: vec!["slower <disk>".to_owned()], ..ReportOptions::default() }).expect("a run"));
    let history = of(dir.path(), "p50");
    let notes: Vec<&[String]> = history.lines[0].points.iter().map(|point| point.notes.as_slice()).collect();
    assert_eq!(notes, [&[][..], &["with the new index".to_owned(), "slower <disk>".to_owned()]]);
    let page = std::fs::read_to_string(history.write(&dir.path().join("page")).expect("room on the disk")).expect("a page");
    assert!(page.contains("What was noted about the runs.") && page.contains("slower &lt;disk&gt;"));
    assert_eq!(history.json()["lines"][0]["points"][1]["notes"][0], "with the new index");
}

/// A baseline keeps the figures of its runs; those that are there themselves count once.
#[test]
fn baselines_are_points_of_a_history() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    (0..4).for_each(|day| run(&dir.path().join(day.to_string()), day, 10, "00"));
    let digest = |day: i64| {
        let opened = analysis::Run::open(&dir.path().join(day.to_string())).expect("a run");
        Digest::of(&opened, &Wanted::default()).expect("outcomes")
    };
    let whole = History::of(dir.path(), &HistoryOptions::default()).expect("a history");
    let baseline = Baseline::new("kept", (1..3).map(digest).collect(), day_ns(9)).expect("small");
    baseline.write(&dir.path().join("kept.json")).expect("room on the disk");
    std::fs::remove_dir_all(dir.path().join("2")).expect("made above");
    let found = History::of(dir.path(), &HistoryOptions::default()).expect("a history");
    let names: Vec<&str> = found.lines[0].points.iter().map(|point| point.name.as_str()).collect();
    assert_eq!((found.lines.len(), names), (1, vec!["0 made", "1 made", "kept.json made", "3 made"]));
    for (runs, kept) in whole.lines[0].trends.iter().zip(&found.lines[0].trends) {
        let (expected, value) = (runs.values[2].1, kept.values[2].1);
        assert!(runs.figure == kept.figure && (expected - value).abs() <= 1e-3 * expected, "{runs:?} {kept:?}");
    }
}
