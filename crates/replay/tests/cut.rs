//! Cutting: windows, filters, samples, joins, and what comes along.

mod support;

use std::path::PathBuf;

use proptest::prelude::*;
use replay::cut::{COLLECTION, Cut, CutOptions, EFFECT, Field, Filter, Join, OPERATION, SESSION, STATUS, Selection, cut};
use support::{meta, of, read, row, setup, write};
use tempfile::TempDir;
use trace::{Effect, Exchange, Flag, Name, TraceMeta, TraceNs};

const S: i64 = 1_000_000_000;

struct Case {
    dir: TempDir,
}

impl Case {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn trace(&self, name: &str, rows: impl IntoIterator<Item = Exchange>, wall_start_unix_ns: Option<i64>) -> PathBuf {
        write(&self.path(name), rows, TraceMeta { wall_start_unix_ns, ..TraceMeta::default() })
    }

    fn options(&self, inputs: &[&PathBuf], selection: Selection) -> CutOptions {
        let inputs = inputs.iter().map(|path| (*path).clone()).collect();
        CutOptions { inputs, output: self.path("out.parquet"), selection, seed: 1, ..CutOptions::default() }
    }

    fn cut(&self, options: &CutOptions) -> (Cut, Vec<Exchange>) {
        let cut = cut(options, |_| ()).expect("cut");
        let rows = read(&options.output);
        assert_eq!(cut.meta, meta(&options.output));
        (cut, rows)
    }
}

fn only(field: Field, patterns: &[&str]) -> Selection {
    let patterns = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
    Selection { filters: vec![Filter { field, patterns }], ..Selection::default() }
}

fn window(from_s: i64, to_s: i64) -> Selection {
    Selection { from: Some(TraceNs(from_s * S)), to: Some(TraceNs(to_s * S)), ..Selection::default() }
}

/// Two sessions over ten seconds, each with a `setup` row first: one asks `docs` and is answered, one changes `code` and is not.
fn two_sessions() -> Vec<Exchange> {
    let mut rows = vec![setup(row(0, 1, 0)), setup(row(S / 2, 2, 0))];
    for second in 1..10 {
        let seq = second as u32;
        let answered =
            Exchange { status: Some(Name::from("200")), operation: Name::from("GET /a"), ..of("docs", row(second * S, 1, seq)) };
        let writing =
            Exchange { effect: Effect::Write, operation: Name::from("PUT /b"), ..of("code", row(second * S + S / 2, 2, seq)) };
        rows.extend([answered, writing]);
    }
    rows
}

fn places(rows: &[Exchange]) -> Vec<(i64, u64, u32)> {
    rows.iter().map(|row| (row.at.ns(), row.session, row.seq)).collect()
}

#[test]
fn a_window_takes_its_rows_and_their_sessions_setup() {
    let case = Case::new();
    let input = case.trace("in.parquet", two_sessions(), Some(1_000 * S));
    let (cut, rows) = case.cut(&case.options(&[&input], window(3, 4)));
    assert_eq!(places(&rows), [(0, 1, 0), (0, 1, 3), (0, 2, 0), (S / 2, 2, 3)]);
    assert_eq!(rows.iter().map(|row| row.origin).collect::<Vec<_>>(), [0, 6, 1, 7]);
    assert_eq!((cut.read, cut.sessions_read, cut.setup_carried, cut.sessions_cut), (20, 2, 2, 2));
    assert_eq!(cut.meta.wall_start_unix_ns, Some(1_003 * S));
}

#[test]
fn rows_are_chosen_by_every_field() {
    let case = Case::new();
    let input = case.trace("in.parquet", two_sessions(), None);
    let chosen = |field, patterns: &[&str]| {
        let (cut, rows) = case.cut(&case.options(&[&input], only(field, patterns)));
        let wanted = rows.iter().filter(|row| !row.flags.has(Flag::Setup)).map(|row| row.session).collect::<Vec<_>>();
        assert_eq!(rows.len(), wanted.len() + cut.meta.sessions as usize, "each session has its setup row");
        wanted
    };
    for (field, patterns) in [(COLLECTION, &["docs"][..]), (OPERATION, &["GET*"]), (SESSION, &["1"]), (STATUS, &["2??"])] {
        assert_eq!(chosen(field, patterns), [1; 9], "{}", field.option);
    }
    assert_eq!(chosen(EFFECT, &["write"]), [2; 9]);
    assert_eq!(chosen(COLLECTION, &["docs", "c*"]).len(), 18);
}

#[test]
fn all_filters_must_agree() {
    let case = Case::new();
    let input = case.trace("in.parquet", two_sessions(), None);
    let filters =
        [(COLLECTION, "docs"), (EFFECT, "write")].map(|(field, pattern)| Filter { field, patterns: vec![pattern.to_owned()] });
    let selection = Selection { filters: filters.into(), ..Selection::default() };
    let said = cut(&case.options(&[&input], selection), |_| ()).expect_err("docs are read").to_string();
    assert!(said.starts_with("no request lies in the window and passes every filter"), "{said}");
    assert!(!case.path("out.parquet").exists());
}

#[test]
fn what_nothing_matches_is_refused_with_what_there_is() {
    let case = Case::new();
    let input = case.trace("in.parquet", two_sessions(), None);
    let options = |selection| case.options(&[&input], selection);
    let cases = [
        (
            options(only(COLLECTION, &["doc"])),
            "--collection: nothing matches `doc` (did you mean `docs`?); collections of the trace: code, docs",
        ),
        (options(only(COLLECTION, &["docs", "x*"])), "nothing matches `x*`"),
        (options(only(STATUS, &["5*"])), "statuses of the trace: 200, none"),
        (options(only(SESSION, &["7"])), "sessions of the trace: 1, 2"),
        (options(window(20, 30)), "--from: 20 s is after the last request, at 9.500 s"),
        (options(window(4, 3)), "--to: 3 s is not after --from 4 s"),
        (CutOptions { sample: Some(0.0), ..options(Selection::default()) }, "--sample: wanted a share above 0"),
        (CutOptions { output: input.clone(), ..options(Selection::default()) }, "is also the input"),
        (case.options(&[&input, &input], Selection::default()), "does not say when it was recorded: join with --join append"),
    ];
    for (options, wanted) in cases {
        let said = cut(&options, |_| ()).expect_err(wanted).to_string();
        assert!(said.contains(wanted) && !said.contains('\n'), "{said}");
    }
    assert_eq!(std::fs::read_dir(case.dir.path()).expect("a folder").count(), 1, "something was left behind");
}

#[test]
fn traces_are_joined_by_the_clock_they_were_recorded_at() {
    let case = Case::new();
    let late = case.trace("late.parquet", [row(0, 0, 0), row(4 * S, 5, 0)], Some(102 * S));
    let early = case.trace("early.parquet", [row(0, 0, 0), row(3 * S, 0, 1)], Some(100 * S));
    let (cut, rows) = case.cut(&case.options(&[&late, &early], Selection::default()));
    // Sessions of the second input follow the largest number of the first, 5.
    assert_eq!(places(&rows), [(0, 6, 0), (2 * S, 0, 0), (3 * S, 6, 1), (6 * S, 5, 0)]);
    assert_eq!(rows.iter().map(|row| row.origin).collect::<Vec<_>>(), [2, 0, 3, 1]);
    assert_eq!((cut.meta.wall_start_unix_ns, cut.meta.sessions), (Some(100 * S), 3));
}

#[test]
fn traces_are_appended_a_mean_gap_apart() {
    let case = Case::new();
    let one = case.trace("one.parquet", [row(0, 0, 0), row(2 * S, 0, 1), row(6 * S, 1, 0)], Some(100 * S));
    let two = case.trace("two.parquet", [row(0, 0, 0), row(S, 0, 1)], None);
    let (cut, rows) = case.cut(&CutOptions { join: Join::Append, ..case.options(&[&one, &two], Selection::default()) });
    assert_eq!(places(&rows), [(0, 0, 0), (2 * S, 0, 1), (6 * S, 1, 0), (9 * S, 2, 0), (10 * S, 2, 1)]);
    assert_eq!(cut.meta.wall_start_unix_ns, None);
    let inputs = cut.meta.origin.expect("said")["steps"][0]["cut"]["inputs"].clone();
    assert_eq!((&inputs[1]["offset_ns"], &inputs[1]["first_id"]), (&(9 * S).into(), &3.into()));
}

#[test]
fn a_sample_is_of_whole_sessions() {
    let case = Case::new();
    let input = case.trace("in.parquet", (0..4000).map(|i| row(i64::from(i) * 1000, u64::from(i % 1000), i / 1000)), None);
    let sampled = |seed| case.cut(&CutOptions { sample: Some(0.1), seed, ..case.options(&[&input], Selection::default()) });
    let (cut, rows) = sampled(1);
    assert_eq!((cut.sessions_cut, rows.len() as u64), (0, 4 * cut.meta.sessions));
    // Four standard deviations of a binomial count.
    assert!((cut.meta.sessions as f64 - 100.0).abs() < 4.0 * 90.0_f64.sqrt(), "{}", cut.meta.sessions);
    assert_eq!(rows, sampled(1).1);
    assert_ne!(rows, sampled(2).1);
}

#[test]
fn the_whole_is_the_trace_itself() {
    let case = Case::new();
    let input = case.trace("in.parquet", two_sessions(), None);
    let (cut, rows) = case.cut(&case.options(&[&input], Selection::default()));
    assert_eq!((rows, cut.setup_carried, cut.sessions_cut), (read(&input), 0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    /// Cutting a trace at an instant and appending the parts loses and doubles nothing but `setup` rows.
    #[test]
    fn parts_make_the_whole(instants in prop::collection::vec(0_i64..1000, 2..60), at in 1_i64..999) {
        let case = Case::new();
        let input = case.trace("in.parquet", (0..).zip(&instants).map(|(i, at)| row(at * S, i % 7, i as u32)), None);
        let first = instants.iter().min().expect("some") * S;
        let last = instants.iter().max().expect("some") * S - first;
        prop_assume!(at * S <= last);
        let parts = [Selection { to: Some(TraceNs(at * S)), ..Selection::default() }, Selection { from: Some(TraceNs(at * S)), ..Selection::default() }];
        let mut origins: Vec<u64> = parts.into_iter().flat_map(|part| case.cut(&case.options(&[&input], part)).1).map(|row| row.origin).collect();
        origins.sort_unstable();
        prop_assert!(origins.into_iter().eq(0..instants.len() as u64));
    }
}
