//! Statistics of real traces, held against figures computed elsewhere (NumPy) and against closed forms.

#![expect(clippy::print_stdout, reason = "a skipped test says so by name")]

use std::path::PathBuf;

use stats::Rng;
use stats::fidelity::{Completeness, Criterion, LatenessLimit, Verdict, fidelity};
use stats::fit::{Acceptance, Model, Recording, Residual, candidates, gamma_shape, weibull_shape};
use stats::traffic::{Traffic, TrafficFigures};

/// The arrivals of the Azure conversation trace of 2023, ns of its day; `None`, said by name, without the corpus.
fn azure_conversation(test: &str) -> Option<Vec<i64>> {
    let Some(corpus) = std::env::var_os("REHEARSAL_CORPUS") else {
        println!("skipped: {test} (REHEARSAL_CORPUS is not set)");
        return None;
    };
    let path = PathBuf::from(corpus).join("traces/azure_llm_conv_2023.csv");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(text.lines().skip(1).map(time_of_day_ns).collect())
}

/// `2023-11-16 18:15:46.6805900,…`: seven digits of 100 ns.
fn time_of_day_ns(line: &str) -> i64 {
    let number = |range: std::ops::Range<usize>| line[range].parse::<i64>().expect("digits");
    ((number(11..13) * 60 + number(14..16)) * 60 + number(17..19)) * 1_000_000_000 + number(20..27) * 100
}

fn figures(arrivals_ns: &[i64]) -> TrafficFigures {
    let mut traffic = Traffic::new();
    for at_ns in arrivals_ns {
        traffic.push(*at_ns);
    }
    traffic.figures()
}

fn near(found: Option<f64>, expected: f64) {
    let found = found.expect("enough arrivals");
    assert!((found / expected - 1.0).abs() < 1e-9, "{found} instead of {expected}");
}

/// As computed with NumPy.
#[test]
fn azure_conversation_has_its_known_figures() {
    let Some(arrivals) = azure_conversation("azure_conversation_has_its_known_figures") else { return };
    let figures = figures(&arrivals);
    assert_eq!((figures.count, figures.span_ns), (19_366, 3_501_721_937_000));
    near(figures.iat_mean_ns, 180_827_365.711);
    near(figures.iat_cv, 1.094_169_982);
    near(figures.memory, 0.062_332_139_49);
    for (i, bins, max, idc) in [(1, 3501, 16, 1.385_141_885), (2, 350, 98, 3.856_995_898), (3, 58, 507, 16.128_259_13)] {
        let window = figures.windows[i];
        assert_eq!((window.bins, window.max), (bins, max));
        near(window.idc, idc);
    }
}

/// With each request four times and 20 µs of lateness, KS of the plain inter-arrivals is 0.75
/// though nothing is wrong; the fidelity criteria see that the timing was kept.
#[test]
fn ties_do_not_spoil_the_verdict() {
    let Some(arrivals) = azure_conversation("ties_do_not_spoil_the_verdict") else { return };
    let due: Vec<i64> = arrivals.iter().flat_map(|at_ns| [*at_ns; 4]).collect();
    assert!((figures(&due).iat_cv.expect("gaps") - 2.7909).abs() < 5e-5);
    let mut rng = Rng::stream(1, "lateness");
    let mut sends: Vec<_> = due.iter().map(|due_ns| (*due_ns, due_ns + (rng.exponential() * 20_000.0) as i64)).collect();
    let complete = Completeness { scheduled: due.len() as u64, ..Completeness::default() };
    let found = fidelity(sends.iter().copied(), complete, LatenessLimit::default());
    assert_eq!(found.verdict, Some(Verdict::Kept), "{found:?}");
    let w1_ns = found.checks.iter().find(|check| check.criterion == Criterion::InterArrivalW1Ns).expect("checked").value;
    let normalized = w1_ns / found.iat_mean_ns.expect("gaps");
    assert!(normalized < 0.001, "W1/mean {normalized}");
    sends.sort_unstable_by_key(|(_, sent)| *sent);
    let gaps = |at: &dyn Fn(usize) -> i64| {
        let mut gaps: Vec<i64> = (1..sends.len()).map(|i| at(i) - at(i - 1)).collect();
        gaps.sort_unstable();
        stats::distance::runs(&gaps)
    };
    let ks = stats::distance::ks(&gaps(&|i| due[i]), &gaps(&|i| sends[i].1)).expect("not empty");
    assert!((ks - 0.75).abs() < 0.005, "KS {ks}");
    assert!(found.ks_100us.expect("gaps") <= 0.05, "{:?}", found.ks_100us);
}

/// Maximum likelihood on the plain gaps gives what SciPy gives.
#[test]
fn azure_gaps_have_their_published_shapes() {
    let Some(arrivals_ns) = azure_conversation("azure_gaps_have_their_published_shapes") else { return };
    let gaps: Vec<f64> = arrivals_ns.windows(2).map(|pair| (pair[1] - pair[0]) as f64 * 1e-9).collect();
    assert!((gamma_shape(&gaps) - 0.870_968).abs() < 1e-5, "{}", gamma_shape(&gaps));
    assert!((weibull_shape(&gaps) - 0.921_573).abs() < 1e-5, "{}", weibull_shape(&gaps));
}

/// The fit reproduces the trace, whatever the seed: gaps and dispersion at 0.1, 1, 10 and 60 s.
#[test]
fn azure_fit_is_accepted() {
    let Some(arrivals_ns) = azure_conversation("azure_fit_is_accepted") else { return };
    let recording = Recording::new(&arrivals_ns).expect("enough");
    for parametric in [false, true] {
        let model = Model::fit(&arrivals_ns, parametric).expect("enough");
        assert!(matches!(model.residual, Residual::Table { .. }) != parametric);
        for seed in 1..=20 {
            let found = Acceptance::of(&[&model], &recording, seed).expect("sound");
            println!("{} {seed}: nW1 {:.4}, ln IDC {:.3?}", model.width_ns, found.nw1, found.log_idc);
            assert!(found.is_accepted() && found.log_idc.iter().all(Option::is_some), "seed {seed}: {found:?}");
        }
    }
}

/// No renewal model does: drawn from its gaps alone, in one phase or two, the trace loses its bursts. (SciPy found dispersions that
/// are apart by ln 2.7 to 3.1 at the widest window, which has 58 bins.)
#[test]
fn azure_gaps_alone_lose_the_bursts() {
    let Some(arrivals_ns) = azure_conversation("azure_gaps_alone_lose_the_bursts") else { return };
    let recording = Recording::new(&arrivals_ns).expect("enough");
    let gaps: Vec<f64> = arrivals_ns.windows(2).map(|pair| (pair[1] - pair[0]) as f64).filter(|gap| *gap > 0.0).collect();
    let mut model = Model::fit(&arrivals_ns, false).expect("enough");
    (model.width_ns, model.counts) = (model.span_ns, vec![model.arrivals]);
    let candidates = candidates(&gaps);
    // A pattern search in Python came as near to the maximum of the two phases' likelihood as 775003.83.
    let two_phases = candidates.iter().find(|one| one.arrivals.starts_with("h2:")).expect("they vary enough");
    assert!((two_phases.aic - 775_003.83).abs() < 1.0 && candidates.len() == 4, "{candidates:?}");
    for candidate in candidates {
        model.residual = Residual::Arrivals(candidate.arrivals.clone());
        let found = Acceptance::of(&[&model], &recording, 1).expect("sound");
        println!("{}: nW1 {:.4}, ln IDC {:.3?}", candidate.arrivals, found.nw1, found.log_idc);
        assert!(!found.is_accepted() && found.log_idc[3].is_some_and(|log| log < -2.0), "{found:?}");
    }
}
