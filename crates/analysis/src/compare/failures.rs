//! Failures that are new, that are gone, and that came more or less often.

use std::collections::BTreeMap;

use serde::Serialize;
use stats::compare::{Design, mann_whitney, sign_flip};
use stats::probability::normal_quantile;

use super::digest::Digest;
use super::verdict::{Basis, Test};
use crate::distribution::CONFIDENCE;

/// p below which a change is not called chance.
const ALPHA: f64 = 0.05;

/// How a kind of failure changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// It did not occur before.
    New,
    /// It occurs more often.
    More,
    /// It occurs less often.
    Fewer,
    /// It does not occur any more.
    Vanished,
    /// No change that could be told from chance.
    Same,
}

impl Turn {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::More => "more",
            Self::Fewer => "fewer",
            Self::Vanished => "vanished",
            Self::Same => "same",
        }
    }
}

/// A kind of failure of one collection and operation, on both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FailureRow {
    /// An error class, or `status …`.
    pub kind: String,
    /// What was addressed.
    pub collection: String,
    /// The normalized verb.
    pub operation: String,
    /// How it changed.
    pub turn: Turn,
    /// Whether the change could not well be chance.
    pub sure: bool,
    /// In the runs of the known version.
    pub before: Rate,
    /// In the runs of the version in question.
    pub after: Rate,
}

/// How often something happened.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rate {
    /// How often.
    pub count: u64,
    /// Of how many requests.
    pub of: u64,
    /// In how many runs.
    pub runs: usize,
    /// The share.
    pub share: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Rate {
    /// A share with its interval of 95 % (Wilson 1927, JASA 22(158)). Failures that come together make it too narrow.
    fn new(count: u64, of: u64, runs: usize) -> Self {
        let (n, share) = (of.max(1) as f64, count as f64 / of.max(1) as f64);
        let z = normal_quantile(0.5 + 0.5 * CONFIDENCE);
        let middle = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
        let half = z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
        Self { count, of, runs, share, low: if count == 0 { 0.0 } else { middle - half }, high: (middle + half).min(1.0) }
    }
}

type Key = (String, String, String);

/// Every kind of failure of either side, what is new first, then by how often it happened.
pub fn compare(before: &[Digest], after: &[Digest], test: &Test) -> Vec<FailureRow> {
    let mut kinds: BTreeMap<Key, [Vec<f64>; 2]> = BTreeMap::new();
    for (side, runs) in [before, after].into_iter().enumerate() {
        for (place, run) in runs.iter().enumerate() {
            for failure in &run.failures {
                let key = (failure.kind.clone(), failure.collection.clone(), failure.operation.clone());
                let counts = kinds.entry(key).or_insert_with(|| [vec![0.0; before.len()], vec![0.0; after.len()]]);
                counts[side][place] += failure.count as f64;
            }
        }
    }
    let mut rows: Vec<FailureRow> = kinds.into_iter().map(|(key, counts)| row(key, &counts, before, after, test)).collect();
    rows.sort_by_key(|row| (row.turn, !row.sure, std::cmp::Reverse(row.before.count.max(row.after.count))));
    rows
}

fn row(
    (kind, collection, operation): Key,
    counts: &[Vec<f64>; 2],
    before: &[Digest],
    after: &[Digest],
    test: &Test,
) -> FailureRow {
    let requests = |run: &Digest| run.group(&collection, &operation).map_or(0, |group| group.sample.requests);
    let rate = |counts: &[f64], runs: &[Digest]| {
        let count = counts.iter().sum::<f64>() as u64;
        let of = runs.iter().map(requests).sum::<u64>().max(count);
        Rate::new(count, of, counts.iter().filter(|count| **count > 0.0).count())
    };
    let shares = |counts: &[f64], runs: &[Digest]| -> Vec<f64> {
        counts.iter().zip(runs).map(|(count, run)| count / requests(run).max(1) as f64).collect()
    };
    let rates = [rate(&counts[0], before), rate(&counts[1], after)];
    let sure = differ(rates)
        && (test.basis == Basis::Stretches || is_significant(&shares(&counts[0], before), &shares(&counts[1], after), test));
    let turn = match (rates[0].count, rates[1].count) {
        (0, _) => Turn::New,
        (_, 0) => Turn::Vanished,
        _ if !sure => Turn::Same,
        _ if rates[1].share > rates[0].share => Turn::More,
        _ => Turn::Fewer,
    };
    let [before, after] = rates;
    FailureRow { kind, collection, operation, turn, sure, before, after }
}

/// Whether the intervals of both shares are apart.
fn differ([before, after]: [Rate; 2]) -> bool {
    before.high < after.low || after.high < before.low
}

/// Whether runs differ, each with its own share.
pub(super) fn is_significant(before: &[f64], after: &[f64], test: &Test) -> bool {
    let p = match test.design {
        Design::Independent => mann_whitney(after, before).map(|(_, p)| p),
        Design::Paired => {
            let differences: Vec<f64> = before.iter().zip(after).map(|(before, after)| after - before).collect();
            sign_flip(&differences, test.seed)
        }
    };
    p.is_some_and(|p| p < ALPHA)
}

#[cfg(test)]
mod tests {
    use super::super::digest::{Failure, Group};
    use super::super::histogram::Histogram;
    use super::super::sample::Sample;
    use super::*;

    fn run(requests: u64, failures: &[(&str, u64)]) -> Digest {
        let failure = |(kind, count): &(&str, u64)| Failure {
            kind: (*kind).to_owned(),
            collection: "c".to_owned(),
            operation: "o".to_owned(),
            count: *count,
        };
        let sample = Sample { requests, ..Sample::default() };
        let group = Group { collection: "c".to_owned(), operation: "o".to_owned(), sample, histogram: Histogram::default() };
        Digest { failures: failures.iter().map(failure).collect(), groups: vec![group], ..Digest::default() }
    }

    fn turns(before: &[Digest], after: &[Digest], basis: Basis) -> Vec<(String, &'static str, bool)> {
        let test = Test { basis, design: Design::Independent, seed: 1 };
        compare(before, after, &test).into_iter().map(|row| (row.kind, row.turn.as_str(), row.sure)).collect()
    }

    #[test]
    fn kinds_are_new_gone_or_changed_and_chance_is_called_so() {
        let before = [run(10_000, &[("status 503", 100), ("reset", 40), ("closed", 5)])];
        let after = [run(10_000, &[("status 503", 200), ("timeout", 30), ("closed", 6), ("status 500", 1)])];
        let expected = [
            ("timeout", "new", true),
            ("status 500", "new", false),
            ("status 503", "more", true),
            ("reset", "vanished", true),
            ("closed", "same", false),
        ];
        assert_eq!(turns(&before, &after, Basis::Stretches), expected.map(|(kind, turn, sure)| (kind.to_owned(), turn, sure)));
    }

    #[test]
    fn one_bad_run_of_eight_is_no_sure_change() {
        let quiet: Vec<Digest> = (0..8).map(|_| run(10_000, &[])).collect();
        let mut one_bad = quiet.clone();
        one_bad[3] = run(10_000, &[("timeout", 500)]);
        assert_eq!(turns(&quiet, &one_bad, Basis::Runs), [("timeout".to_owned(), "new", false)]);
        let all_bad: Vec<Digest> = (0..8).map(|_| run(10_000, &[("timeout", 60)])).collect();
        assert_eq!(turns(&quiet, &all_bad, Basis::Runs), [("timeout".to_owned(), "new", true)]);
    }

    /// 10 of 100: 0.0552 to 0.1744 (Newcombe 1998, Stat. Med. 17, method 3); none of 100: up to 0.0370.
    #[test]
    fn intervals_of_shares_are_wilsons() {
        let ten = Rate::new(10, 100, 1);
        assert!((ten.low - 0.0552).abs() < 5e-5 && (ten.high - 0.1744).abs() < 5e-5, "{ten:?}");
        let none = Rate::new(0, 100, 0);
        assert!(none.low == 0.0 && (none.high - 0.0370).abs() < 5e-5, "{none:?}");
    }
}
