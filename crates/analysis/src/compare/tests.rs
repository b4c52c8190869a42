//! The verdict on simulated queues, through all of a comparison but reading files: false alarms, power, baselines, sentences.

use stats::Rng;

use super::digest::{Failure, Group};
use super::sample::{Gathering, Seen, Span};
use super::source::Source;
use super::*;

const SERVED_PER_S: f64 = 1000.0;
const ERROR_SHARE: f64 = 0.01;
/// Requests before a queue is taken to be steady.
const WARM_UP: usize = 300;

/// A run against a queue with one server, Poisson arrivals and exponential service: `slower` times the service time, and so much added to
/// every answer.
fn run(load: f64, requests: usize, slower: f64, rng: &mut Rng) -> Digest {
    let (mut at_s, mut free_s) = (0.0, 0.0_f64);
    let mut next = |_| {
        at_s += rng.exponential() / (load * SERVED_PER_S);
        free_s = free_s.max(at_s) + slower * rng.exponential() / SERVED_PER_S;
        (((at_s * 1e9) as i64, (free_s * 1e9) as i64), rng.chance(ERROR_SHARE))
    };
    let outcomes: Vec<((i64, i64), bool)> = (0..WARM_UP + requests).map(&mut next).skip(WARM_UP).collect();
    let done = outcomes.iter().map(|((_, done_ns), _)| *done_ns);
    let span = Span {
        first_due_ns: outcomes[0].0.0,
        last_due_ns: outcomes[requests - 1].0.0,
        last_done_ns: done.max().expect("there are some"),
    };
    let mut gathering = Gathering::new(span);
    for ((due_ns, done_ns), failed) in &outcomes {
        gathering.add(&Seen { due_ns: *due_ns, answered_ns: Some(*done_ns), ok: !failed });
    }
    let (all, sorted) = gathering.measure(LEVELS, true);
    let histogram = Histogram::of_sorted(&sorted);
    let (collection, operation) = ("c".to_owned(), "GET".to_owned());
    let failed = all.requests - all.ok;
    let failure =
        Failure { kind: "status 503".to_owned(), collection: collection.clone(), operation: operation.clone(), count: failed };
    let groups = vec![Group { collection, operation, sample: all.clone(), histogram }];
    Digest { all, groups, failures: vec![failure], ..Digest::default() }
}

fn runs(load: f64, requests: usize, slower: f64, count: usize, seed: u64, name: &str) -> Vec<Digest> {
    let mut rng = Rng::stream(seed, name);
    (0..count).map(|_| run(load, requests, slower, &mut rng)).collect()
}

fn side(label: &str, runs: Vec<Digest>) -> Side {
    let kept = |run| Source::Kept("b.json".into(), Box::new(run));
    Side { label: label.to_owned(), runs: runs.into_iter().map(kept).collect() }
}

fn compared(before: Vec<Digest>, after: Vec<Digest>, design: Design, options: &CompareOptions) -> Comparison {
    let sides = Sides { before: side("old", before), after: side("new", after), design, notes: Vec::new() };
    compare(sides, options).expect("runs that can be compared")
}

/// Comparisons of so many runs of one version with as many of the same that call it worse.
fn alarms(load: f64, requests: usize, runs_a_side: usize, design: Design, seeds: u64) -> usize {
    let cries = |seed: &u64| {
        let (before, after) =
            (runs(load, requests, 1.0, runs_a_side, *seed, "before"), runs(load, requests, 1.0, runs_a_side, *seed, "after"));
        compared(before, after, design, &CompareOptions::default()).fails(Outcome::Minor)
    };
    (0..seeds).filter(cries).count()
}

/// At a true rate of 5 %, more than 4 of 40 have a probability of 5 %; `calibration_in_full` bounds the rate itself.
#[test]
fn identical_versions_seldom_alarm() {
    for (load, requests, runs_a_side, design) in CASES {
        let found = alarms(load, requests.min(1000), runs_a_side, design, 40);
        assert!(found <= 4, "{design:?}, {runs_a_side} runs at load {load}: {found} of 40");
    }
}

/// Load, requests of a run, runs a side, design.
const CASES: [(f64, usize, usize, Design); 4] = [
    (0.8, 500, 8, Design::Paired),
    (0.5, 500, 6, Design::Paired),
    (0.5, 500, 8, Design::Independent),
    (0.5, 7000, 1, Design::Independent),
];

#[test]
#[ignore = "some minutes; prints the table"]
#[allow(clippy::print_stdout)]
fn calibration_in_full() {
    for (load, requests, runs_a_side, design) in CASES {
        let found = alarms(load, requests, runs_a_side, design, 200);
        println!("{design:?}, load {load}, {runs_a_side} runs of {requests} a side: worse in {found} of 200");
    }
}

/// The promise printed with every verdict: a p99 that is worse by what matters and twice the smallest change that would be seen is called
/// major in nine of ten cases.
#[test]
fn a_shift_of_twice_the_detectable_is_found() {
    for design in [Design::Paired, Design::Independent] {
        let sees = |seed: &u64| {
            let before = runs(0.5, 500, 1.0, 8, *seed, "before");
            let after = runs(0.5, 500, 1.0, 8, *seed, "after");
            let p99 =
                |comparison: &Comparison| comparison.figures.iter().find(|row| row.figure == "p99").cloned().expect("it decides");
            let spread =
                p99(&compared(before.clone(), after.clone(), design, &CompareOptions::default())).detectable.expect("eight runs");
            let factor = 1.1 * (1.0 + spread).powi(2);
            let slow = |mut run: Digest| {
                let place = run.all.place(0.99).expect("a level");
                run.all.values_ns[place] = run.all.values_ns[place].map(|ns| (ns as f64 * factor) as i64);
                run
            };
            let after = after.into_iter().map(slow).collect();
            p99(&compared(before, after, design, &CompareOptions::default())).verdict >= Outcome::Major
        };
        let found = (0..20).filter(sees).count();
        assert!(found >= 18, "{design:?}: {found} of 20");
    }
}

/// Service 20 % slower at a load of 0.3 lets the mean response time of M/M/1, 1/(µ − λ), grow by 1/(1/1.2 − 0.3) / (1/0.7) − 1 = 31 %.
#[test]
fn a_slower_server_is_worse_and_it_is_said_by_how_much() {
    let (before, after) = (runs(0.3, 3000, 1.0, 8, 1, "before"), runs(0.3, 3000, 1.2, 8, 1, "after"));
    let found = compared(before, after, Design::Paired, &CompareOptions::default());
    let p50 = &found.figures[0];
    let change = p50.change.expect("eight runs");
    assert!(change.low < 0.3125 && 0.3125 < change.high && change.high < 0.5, "{change:?}");
    assert!(p50.verdict >= Outcome::Major && found.fails(Outcome::Major), "{p50:?}");
    assert!(found.sentence.contains("p50 of new is") && found.sentence.contains("higher than that of old"), "{}", found.sentence);
    let explanation = found.explanation.expect("answers");
    assert!(explanation.added_ns > 0.2 / 0.7 * 1e6 && explanation.added_slow > 0.005, "{explanation:?}");
    let (known, last) = found.shifts.split_at(LEVELS.len() - 1);
    assert!(known.iter().all(|shift| shift.change.is_some_and(|change| change.low > 0.1 && change.high > 0.3125)), "{known:?}");
    assert!(last[0].change.is_none(), "p99.9 needs 3688 answers");
    let turned = compared(
        runs(0.3, 3000, 1.2, 8, 1, "after"),
        runs(0.3, 3000, 1.0, 8, 1, "before"),
        Design::Paired,
        &CompareOptions::default(),
    );
    assert!(
        turned.verdict == Outcome::None && turned.figures[0].improved && turned.sentence.contains("Better: p50"),
        "{}",
        turned.sentence
    );
}

#[test]
fn few_pairs_are_tested_as_runs_and_single_runs_in_stretches() {
    let of = |count| {
        let (before, after) = (runs(0.3, 800, 1.0, count, 2, "before"), runs(0.3, 800, 1.5, count, 2, "after"));
        compared(before, after, Design::Paired, &CompareOptions::default())
    };
    for (count, basis, design) in [
        (1, Basis::Stretches, Design::Independent),
        (5, Basis::Stretches, Design::Independent),
        (6, Basis::Runs, Design::Independent),
        (8, Basis::Runs, Design::Paired),
    ] {
        let found = of(count);
        assert_eq!((found.basis, found.design, found.notes.is_empty()), (basis, design, basis == Basis::Runs), "{count} runs");
        assert!(found.figures[0].verdict >= Outcome::Major, "{count} runs: {:?}", found.figures[0]);
    }
    let p99 = of(1).figures[1].clone();
    assert!(p99.change.is_none() && p99.verdict == Outcome::Inconclusive, "40 answers a stretch are too few: {p99:?}");
}

#[test]
fn what_is_accepted_does_not_fail() {
    let known = |figure: &str| {
        let [figure, up_to, until, reason] = [figure, "900%", "2030-01-01", "known"].map(str::to_owned);
        accept::Known { figure, up_to, until, reason }
    };
    let of = |accepted: Accepted| {
        let options = CompareOptions { accepted, ..CompareOptions::default() };
        compared(runs(0.3, 2000, 1.0, 8, 3, "before"), runs(0.3, 2000, 1.5, 8, 3, "after"), Design::Paired, &options)
    };
    assert!(of(Accepted::default()).fails(Outcome::Major));
    let found = of(Accepted { accepted: vec![known("p50"), known("p99")] });
    assert!(!found.fails(Outcome::Minor) && found.sentence.contains("Accepted as known: p50, p99"), "{}", found.sentence);
}

#[test]
fn a_baseline_gives_the_verdict_of_the_runs_it_was_made_from() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("b.json");
    let (before, after) = (runs(0.5, 1000, 1.0, 8, 4, "before"), runs(0.5, 1000, 1.3, 8, 4, "after"));
    Baseline::new("b", before.clone(), 1).expect("a baseline").write(&path).expect("room");
    let bytes = std::fs::metadata(&path).expect("it is there").len();
    assert!(bytes as usize <= baseline::BYTES_MAX);
    let direct = compared(before, after.clone(), Design::Independent, &CompareOptions::default());
    let kept = compared(Baseline::read(&path).expect("whole").runs, after, Design::Independent, &CompareOptions::default());
    assert_eq!((&kept.figures, &kept.beside, &kept.shifts), (&direct.figures, &direct.beside, &direct.shifts));
    assert_eq!(kept.sentence, direct.sentence);
}

/// What no run was measured for comes from the histograms, to 0.4 %.
#[test]
fn a_figure_that_a_baseline_does_not_know_comes_from_its_histograms() {
    let run = run(0.5, 5000, 1.0, &mut Rng::stream(5, "named"));
    for (name, exact) in [("p99{collection=c}", run.all.at(0.99)), ("p90{operation=GET}", run.all.at(0.9))] {
        let value = Figure::named(name).expect("a figure").values(&run).run.expect("enough answers");
        let exact = exact.expect("enough answers") as f64;
        assert!((value / exact - 1.0).abs() < 0.004, "{name}: {value} instead of {exact}");
    }
    let none = Figure::named("p99{collection=other}").expect("a figure").values(&run);
    assert_eq!(none, figure::Values::default());
}

#[test]
fn options_that_cannot_be_are_told() {
    let refused = |figures: &[&str], relevant: &[(&str, f64)]| {
        let options = CompareOptions {
            figures: figures.iter().map(|text| (*text).to_owned()).collect(),
            relevant: relevant.iter().map(|(name, share)| ((*name).to_owned(), *share)).collect(),
            ..CompareOptions::default()
        };
        super::figures(&options).map(|all| all.iter().filter(|figure| figure.decides).count()).map_err(|e| e.to_string())
    };
    assert_eq!(refused(&["p95", "p97.5{collection=a}"], &[("p99", 0.15), ("p95", 0.2)]), Ok(6));
    for (figures, relevant, word) in [
        (&["p95", "p90", "mean"][..], &[][..], "2 figures can be named"),
        (&["throughputs"], &[], "did you mean `throughput`?"),
        (&["p100"], &[], "`p100` is no figure"),
        (&["memory_max{collection=a}"], &[], "takes no scope"),
        (&["p95{colection=a}"], &[], "did you mean `collection`?"),
        (&[], &[("p97", 0.1)], "name it with --figure"),
    ] {
        let said = refused(figures, relevant).unwrap_err();
        assert!(said.contains(word), "{said}");
    }
}
