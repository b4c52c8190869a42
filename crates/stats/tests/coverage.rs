//! How often intervals of percentiles hold the truth, on simulated queues whose percentiles are known in closed form. The tests run 200 seeds of
//! a few queues; the ignored one prints the whole table.

use stats::queueing::Mmc;
use stats::{Rng, order};

const LEVELS: [f64; 5] = [0.5, 0.9, 0.95, 0.99, 0.999];

/// Sojourn times of an M/M/c queue, first come first served, in the order of arrival; mean service 1 ms.
fn sojourns(servers: usize, load: f64, n: usize, rng: &mut Rng) -> Vec<i64> {
    const WARM_UP: usize = 5000;
    let (mut free, mut now) = (vec![0.0_f64; servers], 0.0);
    let mut next = || {
        now += rng.exponential() / (load * servers as f64);
        let first = free.iter_mut().min_by(|a, b| a.total_cmp(b)).expect("a server");
        *first = first.max(now) + rng.exponential();
        ((*first - now) * 1e6) as i64
    };
    (0..WARM_UP + n).map(|_| next()).skip(WARM_UP).collect()
}

/// What became of the intervals of one percentile.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    given: u32,
    held: u32,
    /// Sum of (high − low)/value.
    widths: f64,
}

impl Tally {
    fn share(&self) -> f64 {
        f64::from(self.held) / f64::from(self.given)
    }
}

/// By level, over seeds.
fn tallies(servers: u32, load: f64, n: usize, seeds: std::ops::Range<u64>) -> [Tally; 5] {
    let queue = Mmc::new(servers, load * f64::from(servers), 1.0).expect("stable");
    let mut tallies = [Tally::default(); 5];
    for seed in seeds {
        let observed = sojourns(servers as usize, load, n, &mut Rng::stream(seed, "coverage"));
        let mut sorted = observed.clone();
        sorted.sort_unstable();
        let at = |ranks: &[usize]| ranks.iter().map(|rank| sorted[rank - 1]).collect();
        let estimates = order::estimates_dependent(&[&observed], at, &LEVELS, 0.95);
        for (tally, (p, estimate)) in tallies.iter_mut().zip(LEVELS.iter().zip(estimates)) {
            let Some((value, Some((low, high)))) = estimate else { continue };
            let truth = queue.sojourn_quantile_s(*p) * 1e6;
            tally.given += 1;
            tally.held += u32::from(low as f64 <= truth && truth <= high as f64);
            tally.widths += (high - low) as f64 / value as f64;
        }
    }
    tallies
}

/// Over 200 runs, 92 to 98 % of the intervals of 95 % hold the percentile: all levels of a queue together, and each alone at least 92 %. (By
/// a thousand other runs the truth is 94 to 97 % for each of these; of so many levels alone one would be above 98 % in 200 by chance.)
#[test]
fn intervals_hold_the_percentiles_of_queues() {
    for (servers, load, n, levels) in [
        (1, 0.3, 5000, 3),
        (1, 0.5, 20_000, 4),
        (1, 0.7, 30_000, 3),
        (1, 0.8, 30_000, 3),
        (1, 0.9, 60_000, 2),
        (2, 0.8, 30_000, 3),
        (4, 0.5, 20_000, 3),
        (10, 0.8, 50_000, 2),
    ] {
        let found = &tallies(servers, load, n, 7000..7200)[..levels];
        let told = format!("M/M/{servers} at {load}, {n} requests: {found:?}");
        assert!(found.iter().all(|tally| tally.given >= 160 && tally.share() >= 0.92), "{told}");
        let [given, held] = [|tally: &Tally| tally.given, |tally: &Tally| tally.held].map(|of| found.iter().map(of).sum::<u32>());
        assert!(f64::from(held) <= 0.98 * f64::from(given), "{told}");
    }
}

/// A run too short for its queue says so: seldom is there an interval, and seldom one that is wrong.
#[test]
fn what_a_short_run_cannot_say_has_no_interval() {
    for (servers, load, n, level) in [(1, 0.8, 2000, 3), (1, 0.9, 2000, 2), (1, 0.9, 20_000, 3), (10, 0.9, 2000, 3)] {
        let tally = tallies(servers, load, n, 7000..7200)[level];
        let told = format!("M/M/{servers} at {load}, {n} requests, p {}: {tally:?}", LEVELS[level]);
        assert!(tally.given <= 20 && tally.given - tally.held <= 10, "{told}");
    }
}

#[test]
#[ignore = "many minutes; prints the table"]
#[allow(clippy::print_stdout)]
fn coverage_in_full() {
    println!("| queue | load | requests | percentile | runs with an interval | hold the truth | mean width |");
    for (servers, loads) in [(1, &[0.3, 0.5, 0.7, 0.8, 0.9][..]), (2, &[0.6, 0.85]), (4, &[0.5, 0.8]), (10, &[0.6, 0.8, 0.9])] {
        for (load, n) in loads.iter().flat_map(|load| [2000, 10_000, 50_000, 200_000].map(|n| (*load, n))) {
            for (p, tally) in LEVELS.iter().zip(tallies(servers, load, n, 8000..9000)).filter(|(_, tally)| tally.given > 0) {
                let (given, width) = (f64::from(tally.given) / 10.0, 100.0 * tally.widths / f64::from(tally.given));
                println!(
                    "| M/M/{servers} | {load} | {n} | p{} | {given:.1} % | {:.1} % | {width:.0} % |",
                    p * 100.0,
                    100.0 * tally.share()
                );
            }
        }
    }
}
