//! The queue against queueing theory, in virtual time: Poisson arrivals, as many as it takes, no clock.

use stats::Rng;
use stats::queueing::Mmc;
use testbed::queue::{Law, Station};

const MEAN_NS: f64 = 1e6;
const WARM_UP: usize = 20_000;
const BATCHES: usize = 25;
const BATCH: usize = 32_000;

/// Waits and sojourns, in mean service times, of visits in the steady state of `workers` at utilization `rho`.
fn visits(workers: u32, rho: f64, law: &Law, seed: u64) -> Vec<(f64, f64)> {
    let mut station = Station::new(workers as usize, usize::MAX);
    let (mut arrivals, mut service) = (Rng::stream(seed, "arrivals"), Rng::stream(seed, "service"));
    let gap_ns = MEAN_NS / (f64::from(workers) * rho);
    let mut at_ns = 0.0;
    let visit = |_| {
        at_ns += arrivals.exponential() * gap_ns;
        let now_ns = at_ns as i64;
        let visit = station.admit(now_ns, law.draw_ns(&mut service)).expect("an endless queue refuses nobody");
        ((visit.start_ns - now_ns) as f64 / MEAN_NS, (visit.done_ns - now_ns) as f64 / MEAN_NS)
    };
    (0..WARM_UP + BATCHES * BATCH).map(visit).skip(WARM_UP).collect()
}

/// Mean, and its standard error from batch means: neighbouring visits resemble each other, batches hardly do.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let batches: Vec<f64> = values.chunks(BATCH).map(mean).collect();
    let centre = mean(&batches);
    let variance = batches.iter().map(|batch| (batch - centre).powi(2)).sum::<f64>() / (BATCHES - 1) as f64;
    (centre, (variance / BATCHES as f64).sqrt())
}

/// Within four standard errors: with 24 degrees of freedom, one check in two thousand would miss by chance; seeds are fixed.
fn check(what: &str, values: impl Iterator<Item = f64>, expected: f64) {
    let (mean, error) = mean_and_error(&values.collect::<Vec<_>>());
    assert!((mean - expected).abs() < 4.0 * error, "{what}: {mean} ± {error}, expected {expected}");
    assert!(error < 0.15 * expected, "{what}: {mean} ± {error} says too little");
}

#[test]
fn waits_and_sojourns_are_those_of_erlang() {
    let law: Law = "exp:1ms".parse().unwrap();
    for (workers, rho, wait_mean) in
        [(1, 0.8, 4.0), (2, 0.8, 1.777_778), (4, 0.8, 0.745_541), (10, 0.8, 0.204_590), (1, 0.5, 1.0)]
    {
        let theory = Mmc::new(workers, f64::from(workers) * rho, 1.0).unwrap();
        for seed in 1..=3 {
            let what = |what: &str| format!("{what} of {workers} workers at {rho}, seed {seed}");
            let visits = visits(workers, rho, &law, seed);
            let share_above = |t: f64| visits.iter().map(move |(_, sojourn)| f64::from(u8::from(*sojourn > t)));
            check(&what("mean wait"), visits.iter().map(|(wait, _)| *wait), wait_mean);
            check(
                &what("share of waits"),
                visits.iter().map(|(wait, _)| f64::from(u8::from(*wait > 0.0))),
                theory.wait_probability(),
            );
            for p in [0.5, 0.99] {
                check(&what(&format!("share above p{}", p * 100.0)), share_above(theory.sojourn_quantile_s(p)), 1.0 - p);
            }
        }
    }
}

#[test]
fn the_sojourn_of_one_worker_is_exponential() {
    // M/M/1, utilization 0.8: p50 = ln 2 / 0.2, p99 = ln 100 / 0.2 mean service times.
    for seed in 4..=6 {
        let visits = visits(1, 0.8, &"exp:1ms".parse().unwrap(), seed);
        for (quantile, share) in [(3.465_736, 0.5), (23.025_851, 0.01)] {
            check("share above", visits.iter().map(|(_, sojourn)| f64::from(u8::from(*sojourn > quantile))), share);
        }
    }
}

#[test]
fn waits_under_any_law_are_those_of_pollaczek_and_khinchine() {
    // M/G/1: Wq = ρ(1 + c²)/(2(1 − ρ)) mean service times.
    for text in ["const:1ms", "exp:1ms", "lognormal:1ms,cv=1.5", "hyperexp:1ms,cv=2"] {
        let law: Law = text.parse().unwrap();
        for seed in 7..=8 {
            let expected = 0.7 * (1.0 + law.scv()) / (2.0 * 0.3);
            check(text, visits(1, 0.7, &law, seed).iter().map(|(wait, _)| *wait), expected);
        }
    }
}

#[test]
fn under_overload_departures_come_at_capacity() {
    // Three workers at 1 ms each, offered twice what they bear: 3000 departures a second once the queue is there.
    let mut station = Station::new(3, 50);
    let mut rng = Rng::stream(9, "service");
    let law: Law = "exp:1ms".parse().unwrap();
    let offered = (0..120_000_i64).map(|n| n * 1_000_000 / 6);
    let done_ns: Vec<i64> = offered.filter_map(|now_ns| Some(station.admit(now_ns, law.draw_ns(&mut rng))?.done_ns)).collect();
    let span_s = 20.0;
    // A sum of 60 000 exponential times: its relative standard deviation is 1/√60000, 0.4 %.
    let per_s = done_ns.iter().filter(|done_ns| **done_ns <= 20_000_000_000).count() as f64 / span_s;
    assert!((per_s / 3000.0 - 1.0).abs() < 0.017, "{per_s} departures per second");
}
