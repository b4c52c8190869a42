//! How often comparisons cry wolf and how often they see one, on simulated queues: identical versions, and versions that differ by a known
//! factor. The tests run a moderate number of seeds; the ignored one prints the whole table.

use stats::compare::{BATCHES, Comparison, Design, Effect, Outcome, Worse, batch_log_quantiles, batch_of, judge};
use stats::{Rng, order};

const SERVED_PER_S: f64 = 1000.0;
const ERROR_SHARE: f64 = 0.01;
const PAIRS: usize = 8;

/// (arrival, response time), ns, of requests to a queue with one server, Poisson arrivals and exponential service, warm-up left out.
fn responses(load: f64, requests: usize, rng: &mut Rng) -> Vec<(i64, i64)> {
    const WARM_UP: usize = 300;
    let (mut at_s, mut free_s) = (0.0, 0.0_f64);
    let mut next = || {
        at_s += rng.exponential() / (load * SERVED_PER_S);
        free_s = free_s.max(at_s) + rng.exponential() / SERVED_PER_S;
        ((at_s * 1e9) as i64, ((free_s - at_s) * 1e9) as i64)
    };
    (0..WARM_UP + requests).map(|_| next()).skip(WARM_UP).collect()
}

/// The family of figures of one run: ln p50, ln p99, ln throughput, share of errors.
fn figures(load: f64, requests: usize, rng: &mut Rng) -> [f64; 4] {
    let responses = responses(load, requests, rng);
    let mut sorted: Vec<i64> = responses.iter().map(|(_, response)| *response).collect();
    sorted.sort_unstable();
    let at = |p| order::quantile(&sorted, p).map_or(0.0, |value| (value as f64).ln());
    let span_ns = responses[requests - 1].0 - responses[0].0;
    let errors = (0..requests).filter(|_| rng.chance(ERROR_SHARE)).count();
    [at(0.5), at(0.99), (requests as f64 / span_ns as f64).ln(), errors as f64 / requests as f64]
}

/// The figures of so many runs, one list a figure.
fn runs(load: f64, requests: usize, count: usize, seed: u64, name: &str) -> [Vec<f64>; 4] {
    let mut rng = Rng::stream(seed, name);
    let all: Vec<[f64; 4]> = (0..count).map(|_| figures(load, requests, &mut rng)).collect();
    std::array::from_fn(|figure| all.iter().map(|run| run[figure]).collect())
}

fn family(before: &[Vec<f64>; 4], after: &[Vec<f64>; 4], design: Design, seed: u64) -> Vec<Effect> {
    let thresholds = [1.05_f64.ln(), 1.1_f64.ln(), 1.05_f64.ln(), 0.005];
    let worse = [Worse::Higher, Worse::Higher, Worse::Lower, Worse::Higher];
    let comparison = |figure: usize| Comparison {
        before: &before[figure],
        after: &after[figure],
        design,
        worse: worse[figure],
        threshold: thresholds[figure],
        objective_broken: false,
    };
    judge(&(0..4).map(comparison).collect::<Vec<_>>(), seed)
}

/// Whether anything of a family is called worse.
fn alarm(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| effect.outcome >= Outcome::Minor)
}

/// The upper end of the one-sided 95 % interval of a share (Clopper & Pearson 1934), by the tail of the binomial distribution.
fn upper_bound(hits: usize, of: usize) -> f64 {
    let at_most = |p: f64| {
        let term = |k: usize, last: f64| {
            if k == 0 { (1.0 - p).powi(of as i32) } else { last * (of - k + 1) as f64 / k as f64 * p / (1.0 - p) }
        };
        (0..=hits).fold((0.0, 0.0), |(sum, last), k| (sum + term(k, last), term(k, last))).0
    };
    let (mut low, mut high) = (hits as f64 / of as f64, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if at_most(middle) > 0.05 { low = middle } else { high = middle }
    }
    high
}

/// Alarms over seeds of two identical versions.
fn alarms(load: f64, requests: usize, design: Design, seeds: u64) -> usize {
    let cries = |seed: &u64| {
        let (before, after) = (runs(load, requests, PAIRS, *seed, "before"), runs(load, requests, PAIRS, *seed, "after"));
        alarm(&family(&before, &after, design, *seed))
    };
    (0..seeds).filter(cries).count()
}

/// Of 200 comparisons of identical versions, so few alarm that with 95 % confidence at most 7 % do.
#[test]
fn identical_versions_seldom_alarm() {
    for (design, load) in [(Design::Paired, 0.8), (Design::Independent, 0.5)] {
        let found = alarms(load, 500, design, 200);
        assert!(upper_bound(found, 200) <= 0.07, "{design:?} at load {load}: {found} of 200");
    }
}

/// How often a p99 that is worse by the threshold and twice the smallest detectable effect is called major.
fn found_majors(load: f64, requests: usize, design: Design, seeds: u64) -> usize {
    let sees = |seed: &u64| {
        let (before, mut after) = (runs(load, requests, PAIRS, *seed, "before"), runs(load, requests, PAIRS, *seed, "after"));
        let detectable = family(&before, &after, design, *seed)[1].detectable.expect("eight runs");
        after[1].iter_mut().for_each(|log| *log += 1.1_f64.ln() + 2.0 * detectable);
        family(&before, &after, design, *seed)[1].outcome >= Outcome::Major
    };
    (0..seeds).filter(sees).count()
}

/// The promise printed with every verdict: in nine of ten cases at least.
#[test]
fn a_shift_of_twice_the_detectable_is_found() {
    for (design, load) in [(Design::Paired, 0.5), (Design::Independent, 0.5)] {
        let found = found_majors(load, 500, design, 60);
        assert!(found >= 54, "{design:?}: {found} of 60");
    }
}

/// The family of figures of twenty stretches of one run: ln of two percentiles, ln answers, share of errors.
fn stretches(load: f64, requests: usize, high: f64, rng: &mut Rng) -> [Vec<f64>; 4] {
    let responses = responses(load, requests, rng);
    let quantiles = |p| batch_log_quantiles(&responses, p).expect("enough requests");
    let (first, last) = (responses[0].0, responses[requests - 1].0);
    let last_done = responses.iter().map(|(at, response)| at + response).max().unwrap_or(last);
    let (mut came, mut due, mut failed) = ([0.0_f64; BATCHES], [0.0; BATCHES], [0.0; BATCHES]);
    for (at, response) in &responses {
        came[batch_of(at + response, first, last_done)] += 1.0;
        due[batch_of(*at, first, last)] += 1.0;
        failed[batch_of(*at, first, last)] += f64::from(u8::from(rng.chance(ERROR_SHARE)));
    }
    let errors = failed.iter().zip(due).map(|(failed, due)| failed / due).collect();
    [quantiles(0.5), quantiles(high), came.iter().map(|count| count.ln()).collect(), errors]
}

/// Alarms of one run a side by twenty stretches of time, over p50, a higher percentile, throughput and errors.
fn stretch_alarms(load: f64, high: f64, requests: usize, seeds: std::ops::Range<u64>) -> usize {
    let cries = |seed: &u64| {
        let side = |name: &str| stretches(load, requests, high, &mut Rng::stream(*seed, name));
        alarm(&family(&side("before"), &side("after"), Design::Independent, *seed))
    };
    seeds.filter(cries).count()
}

/// A test over requests would alarm in 41 % of these; one over stretches of time keeps to its level.
#[test]
fn stretches_of_one_run_seldom_alarm() {
    for load in [0.5, 0.8] {
        let found = stretch_alarms(load, 0.9, 5000, 2000..2400);
        assert!(upper_bound(found, 400) <= 0.07, "load {load}: {found} of 400");
    }
}

#[test]
#[ignore = "some minutes; prints the table"]
#[allow(clippy::print_stdout)]
fn calibration_in_full() {
    for (design, name) in [(Design::Paired, "paired"), (Design::Independent, "independent")] {
        for load in [0.3, 0.5, 0.8, 0.9] {
            let (cries, sees) = (alarms(load, 2000, design, 400), found_majors(load, 2000, design, 200));
            println!(
                "{name:12} load {load:.1}: alarms {cries:3} of 400 (at most {:.1} %), found {sees:3} of 200",
                100.0 * upper_bound(cries, 400)
            );
        }
    }
    for load in [0.3, 0.5, 0.8, 0.9] {
        for requests in [10_000, 20_000, 60_000] {
            let cries = stretch_alarms(load, 0.99, requests, 1000..1400);
            let bound = 100.0 * upper_bound(cries, 400);
            println!("20 stretches of {requests}, load {load:.1}: alarms {cries:3} of 400 (at most {bound:.1} %)");
        }
    }
}

/// 0 of n has the bound 1 − 0.05^(1/n); 5 of 200 that of SciPy's beta.ppf(0.95, 6, 195).
#[test]
fn the_upper_bound_is_that_of_clopper_and_pearson() {
    assert!((upper_bound(0, 100) - (1.0 - 0.05_f64.powf(0.01))).abs() < 1e-9);
    assert!((upper_bound(5, 200) - 0.051_843_34).abs() < 1e-7, "{}", upper_bound(5, 200));
}
