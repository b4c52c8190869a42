//! More traffic, less traffic and parts of it, typed as a user would.

use std::path::PathBuf;

use rehearsal_tests::{Server, python, python_says, run, text};
use serde_json::Value;
use tempfile::TempDir;

/// A folder with `nine.parquet` in it: two minutes at 20 a second, each user with a few requests.
fn case() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let trace = dir.path().join("nine.parquet");
    let words =
        ["synth", "-o", text(&trace), "--rate", "20", "--duration", "2m", "--dim", "4", "--sessions", "400", "--upsert", "0"];
    let _ = run(&words).expect_code(0);
    (dir, trace)
}

fn json(words: &[&str]) -> Value {
    serde_json::from_str(&run(&[words, &["--json"]].concat()).expect_code(0).out).expect("JSON")
}

#[test]
fn four_times_the_traffic_says_what_it_kept() {
    let (dir, trace) = case();
    let out = dir.path().join("four.parquet");
    let said = run(&["scale", text(&trace), "-o", text(&out), "--factor", "4"]).expect_code(0).out;
    for wanted in [
        "overlap × 4",
        "before    expected       after",
        "sessions broken                0                       0",
        "dispersion, 1 s",
    ] {
        assert!(said.contains(wanted), "{wanted:?} is missing:\n{said}");
    }
    let (before, after) = (json(&["inspect", text(&trace)]), json(&["inspect", text(&out)]));
    assert_eq!(after["exchanges"].as_u64(), before["exchanges"].as_u64().map(|count| 4 * count));
    let sessions = |summary: &Value| summary["sessions"]["count"].as_u64().expect("counted");
    assert_eq!(sessions(&after), 4 * sessions(&before));
    assert!(after["traffic"]["span_ns"].as_i64() <= before["traffic"]["span_ns"].as_i64());
    assert_eq!(after["origin"]["steps"][0]["scale"]["method"], "overlap");
    assert_eq!(after["origin"]["synth"], before["origin"]["synth"], "setup could no longer fill a target");
}

const COPIES: &str = "
import sys, duckdb
original, scaled = sys.argv[1:3]
print(*duckdb.sql(f'''
  with copies as (select s.session, s.copy, count(*) as held, count(distinct o.session) as origins, min(o.session) as origin,
                         count(distinct s.at_ns - o.at_ns) as shifts
                  from '{scaled}' s join '{original}' o on s.origin = o.id group by 1, 2),
       wholes as (select session, count(*) as held from '{original}' group by 1)
  select count(*), max(origins), max(shifts), count(*) filter (copies.held = wholes.held)
  from copies join wholes on wholes.session = copies.origin
''').fetchone())
";

/// Another reader finds every session of the scaled trace to be one recorded session, whole, moved as one.
#[test]
fn another_reader_finds_whole_sessions() {
    let Some(python) = python() else { return };
    let (dir, trace) = case();
    for (factor, copies) in [("2.5", None), ("3", Some(3)), ("1/2", None)] {
        let out = dir.path().join("scaled.parquet");
        let scaled = json(&["scale", text(&trace), "-o", text(&out), "--factor", factor]);
        let said = python_says(&python, COPIES, &[text(&trace), text(&out)]);
        let found: Vec<u64> = said.split_whitespace().map(|figure| figure.parse().expect("a count")).collect();
        assert_eq!(found, [found[0], 1, 1, found[0]], "factor {factor}: sessions, origins, shifts, whole");
        assert_eq!(scaled["outputs"][0]["figures"]["sessions"], found[0]);
        let recorded = scaled["before"]["sessions"].as_u64().expect("counted");
        assert!(copies.is_none_or(|copies| found[0] == copies * recorded), "factor {factor}: {found:?}");
    }
}

#[test]
fn scaled_and_cut_traces_replay() {
    let (dir, trace) = case();
    let [part, more, out] = ["part.parquet", "more.parquet", "run"].map(|name| dir.path().join(name));
    let _ = run(&["cut", text(&trace), "-o", text(&part), "--from", "10s", "--to", "20s"]).expect_code(0);
    let words = ["scale", text(&part), "-o", text(&more), "--factor", "2", "--shift", "1s"];
    let _ = run(&words).expect_code(0);
    let server = Server::testbed(&["vectors"]);
    let _ = run(&["setup", text(&more), "--target", &server.url(), "--points", "20"]).expect_code(0);
    let _ = run(&["replay", text(&more), "--target", &server.url(), "--speed", "20", "-o", text(&out)]).expect_done();
    let info: Value = serde_json::from_str(&std::fs::read_to_string(out.join("run.json")).expect("there")).expect("JSON");
    let rows = json(&["inspect", text(&more)])["exchanges"].clone();
    assert_eq!((&info["figures"]["counts"]["outcomes"], &info["figures"]["counts"]["ok"]), (&rows, &rows));
}

#[test]
fn a_split_writes_a_file_for_each_server() {
    let (dir, trace) = case();
    let out = dir.path().join("part.parquet");
    let _ = run(&["scale", text(&trace), "-o", text(&out), "--factor", "0.4", "--method", "split-lwl"]).expect_code(0);
    let mut names: Vec<String> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["nine.parquet", "part-1.parquet", "part-2.parquet", "part-x.parquet"]);
}

/// What `inspect` proposes can be pasted behind `cut`, and holds as many requests as it said.
#[test]
fn the_busiest_window_can_be_cut_out() {
    let (dir, trace) = case();
    let busiest = json(&["inspect", text(&trace)])["busiest"][0].clone();
    let said = run(&["inspect", text(&trace)]).expect_code(0).out;
    let options = said.lines().find_map(|line| line.split_once(": cut ")).expect("a proposal").1.trim().to_owned();
    let out = dir.path().join("busiest.parquet");
    let words = [vec!["cut", text(&trace), "-o", text(&out)], options.split(' ').collect()].concat();
    let cut = json(&words);
    assert_eq!(cut["meta"]["exchanges"], busiest["requests"]);
    assert_eq!(cut["meta"]["origin"]["steps"][0]["cut"]["from_ns"], busiest["start_ns"]);
}

#[test]
fn parts_are_joined_again() {
    let (dir, trace) = case();
    let [early, late, all] = ["early.parquet", "late.parquet", "all.parquet"].map(|name| dir.path().join(name));
    let _ = run(&["cut", text(&trace), "-o", text(&early), "--to", "1m"]).expect_code(0);
    let _ = run(&["cut", text(&trace), "-o", text(&late), "--from", "1m"]).expect_code(0);
    let _ = run(&["cut", text(&early), text(&late), "-o", text(&all), "--join", "append"]).expect_code(0);
    assert_eq!(json(&["inspect", text(&all)])["exchanges"], json(&["inspect", text(&trace)])["exchanges"]);
    run(&["cut", text(&early), text(&late), "-o", text(&all)]).expect_sentence(2, &["early.parquet", "--join append"]);
}

#[test]
fn what_is_not_there_is_refused_in_one_sentence() {
    let (dir, trace) = case();
    let out = dir.path().join("o.parquet");
    let cases: [(&[&str], &[&str]); 6] = [
        (&["cut", "--collection", "mixtrl"], &["mixtrl", "mixtral", "hermes"]),
        (&["cut", "--from", "1h"], &["--from", "3600"]),
        (&["cut", "--sample", "0"], &["--sample"]),
        (&["scale", "--factor", "2", "--method", "thin"], &["thin", "1"]),
        (&["scale", "--factor", "2", "--collection", "mixtrl=3"], &["mixtrl", "mixtral"]),
        (&["scale", "--factor", "many"], &["many", "1/3"]),
    ];
    for (words, wanted) in cases {
        let words = [words, &[text(&trace), "-o", text(&out)]].concat();
        run(&words).expect_sentence(2, wanted);
        assert!(!out.exists(), "{words:?} left something behind");
    }
}
