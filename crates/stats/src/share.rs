//! Shares: exact intervals, intervals of events that come in bursts, and whether two shares differ.

use crate::dependence::design_effect;
use crate::probability::{beta_cdf, bisect};
use crate::sample::Interval;

/// The interval of a share, `hits` of `n` > 0, that holds the truth with at least `confidence`: the quantiles α/2 of Beta(x, n − x + 1) and
/// 1 − α/2 of Beta(x + 1, n − x), from 0 where there are no hits and up to 1 where there are nothing else (Clopper & Pearson 1934,
/// Biometrika 26, by the beta distribution). Neither number need be whole.
#[must_use]
pub fn interval(hits: f64, n: f64, confidence: f64) -> Interval {
    let tail = (1.0 - confidence) / 2.0;
    let misses = n - hits;
    let low = if hits <= 0.0 { 0.0 } else { bisect(0.0, 1.0, |x| beta_cdf(x, hits, misses + 1.0) < tail) };
    let high = if misses <= 0.0 { 1.0 } else { bisect(0.0, 1.0, |x| beta_cdf(x, hits + 1.0, misses) < 1.0 - tail) };
    Interval { value: hits / n, low, high }
}

/// The share of ones among zeros and ones in the order in which they were observed, with the interval of as many independent ones as tell
/// as much: n divided by the [`design_effect`]. `None` for no values.
#[must_use]
pub fn of_dependent(observed: &[i64], confidence: f64) -> Option<Interval> {
    let (n, hits) = (observed.len() as f64, observed.iter().filter(|one| **one > 0).count() as f64);
    let effect = design_effect(observed, 0, confidence);
    (n > 0.0).then(|| Interval { value: hits / n, ..interval(hits / effect, n / effect, confidence) })
}

/// One-sided p that `hits` of `n` came about by chance where `all_hits` of `all` were drawn from, n of which these are: the probability of as
/// many or more under the hypergeometric distribution (Fisher 1934, *Statistical Methods for Research Workers*, §21.02).
#[must_use]
pub fn enriched(hits: u64, n: u64, all_hits: u64, all: u64) -> f64 {
    let log_choose = |n: u64, k: u64| {
        let log_factorial = |x: u64| libm::lgamma(x as f64 + 1.0);
        log_factorial(n) - log_factorial(k) - log_factorial(n - k)
    };
    let log_all = log_choose(all, n);
    let term = |k: u64| libm::exp(log_choose(all_hits, k) + log_choose(all - all_hits, n - k) - log_all);
    let mut p = 0.0;
    for k in hits.max((n + all_hits).saturating_sub(all))..=n.min(all_hits) {
        let more = term(k);
        p += more;
        // Beyond the mode terms only fall, so what is negligible stays so.
        if more < p * 1e-15 && k as f64 > n as f64 * all_hits as f64 / all as f64 {
            break;
        }
    }
    p.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::coverage;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-6 * expected.abs().max(1e-6), "{found} instead of {expected}");
    }

    /// Closed forms of the ends: with no hits, 1 − (α/2)^(1/n); and the defining tails of the binomial.
    #[test]
    fn intervals_are_those_of_the_binomial() {
        let none = interval(0.0, 100.0, 0.95);
        assert_eq!((none.value, none.low), (0.0, 0.0));
        near(none.high, 1.0 - 0.025_f64.powf(0.01));
        let all = interval(100.0, 100.0, 0.95);
        assert_eq!((all.value, all.high), (1.0, 1.0));
        near(all.low, 0.025_f64.powf(0.01));
        for (hits, n) in [(1_usize, 20_usize), (7, 50), (40, 1000)] {
            let found = interval(hits as f64, n as f64, 0.95);
            near(coverage(n, found.low, hits, n + 1), 0.025);
            near(coverage(n, found.high, 0, hits + 1), 0.025);
        }
    }

    #[test]
    fn hits_in_one_burst_widen_the_interval() {
        let burst: Vec<i64> = (0..2000).map(|i| i64::from((1000..1100).contains(&i))).collect();
        let spread: Vec<i64> = (0..2000).map(|i| i64::from(i % 20 == 0)).collect();
        let (burst, spread) = (of_dependent(&burst, 0.95).unwrap(), of_dependent(&spread, 0.95).unwrap());
        assert_eq!((burst.value, spread.value), (0.05, 0.05));
        assert!(burst.high - burst.low > 3.0 * (spread.high - spread.low), "{burst:?} {spread:?}");
        assert_eq!(of_dependent(&[], 0.95), None);
    }

    /// Fisher's tea: all four of four right has 1/70, three or more 17/70.
    #[test]
    fn the_lady_tasting_tea() {
        near(enriched(4, 4, 4, 8), 1.0 / 70.0);
        near(enriched(3, 4, 4, 8), 17.0 / 70.0);
        near(enriched(0, 4, 4, 8), 1.0);
        assert!(enriched(500, 10_000, 520, 1_000_000) < 1e-300);
    }
}
