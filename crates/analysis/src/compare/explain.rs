//! Where a change of latency comes from: which collections and operations added the time, and which came past the old 99th percentile.

use std::collections::BTreeSet;

use serde::Serialize;

use super::digest::Digest;
use super::histogram::Histogram;

/// The part of one collection and operation in the change of the whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// What was addressed.
    pub collection: String,
    /// The normalized verb.
    pub operation: String,
    /// Its share of all answers of the known version.
    pub share_before: f64,
    /// And of the version in question.
    pub share_after: f64,
    /// Mean response time before, ns; `None` where it had no answers.
    pub mean_before_ns: Option<f64>,
    /// And after.
    pub mean_after_ns: Option<f64>,
    /// How much it adds to the mean response time of all answers, ns: the parts add up to that mean's change.
    pub added_ns: f64,
    /// How much it adds to the share of answers slower than the 99th percentile of the known version.
    pub added_slow: f64,
}

/// What all parts add up to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The 99th percentile of the known version, over all its runs, exact to 0.4 %, ns.
    pub slow_ns: i64,
    /// The change of the mean response time, ns.
    pub added_ns: f64,
    /// The change of the share of answers slower than `slow_ns`.
    pub added_slow: f64,
    /// Those that add most first.
    pub parts: Vec<Part>,
}

/// One side's answers of one collection and operation, or all.
#[derive(Default)]
struct Answers {
    count: u64,
    sum_ns: i128,
    slow: u64,
}

impl Answers {
    fn of(runs: &[Digest], collection: &str, operation: &str, slow_ns: i64) -> Self {
        runs.iter().filter_map(|run| run.group(collection, operation)).fold(Self::default(), |sum, group| Self {
            count: sum.count + group.sample.answered,
            sum_ns: sum.sum_ns + i128::from(group.sample.sum_ns),
            slow: sum.slow + group.histogram.count() - group.histogram.at_most(slow_ns),
        })
    }

    fn mean_ns(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum_ns as f64 / self.count as f64)
    }
}

/// Splits the change of the mean, Σ sum_g/N after − Σ sum_g/N before, by collection and operation g, and that of slow answers likewise.
/// `None` where one of the sides has no answers.
pub fn explain(before: &[Digest], after: &[Digest]) -> Option<Explanation> {
    let mut all = Histogram::default();
    before.iter().for_each(|run| all.add(&run.histogram()));
    let slow_ns = all.quantile_ns(0.99)?;
    let answered = |runs: &[Digest]| runs.iter().map(|run| run.all.answered).sum::<u64>() as f64;
    let (of_before, of_after) = (answered(before), answered(after));
    if of_before == 0.0 || of_after == 0.0 {
        return None;
    }
    let names: BTreeSet<(&str, &str)> = before
        .iter()
        .chain(after)
        .flat_map(|run| &run.groups)
        .map(|group| (group.collection.as_str(), group.operation.as_str()))
        .collect();
    let part = |(collection, operation): (&str, &str)| {
        let [old, new] = [before, after].map(|runs| Answers::of(runs, collection, operation, slow_ns));
        Part {
            share_before: old.count as f64 / of_before,
            share_after: new.count as f64 / of_after,
            mean_before_ns: old.mean_ns(),
            mean_after_ns: new.mean_ns(),
            added_ns: new.sum_ns as f64 / of_after - old.sum_ns as f64 / of_before,
            added_slow: new.slow as f64 / of_after - old.slow as f64 / of_before,
            collection: collection.to_owned(),
            operation: operation.to_owned(),
        }
    };
    let mut parts: Vec<Part> = names.into_iter().map(part).collect();
    parts.sort_by(|a, b| b.added_ns.abs().total_cmp(&a.added_ns.abs()));
    let sum = |of: fn(&Part) -> f64| parts.iter().map(of).sum();
    Some(Explanation { slow_ns, added_ns: sum(|part| part.added_ns), added_slow: sum(|part| part.added_slow), parts })
}

#[cfg(test)]
mod tests {
    use super::super::digest::Group;
    use super::super::sample::Sample;
    use super::*;

    fn run(groups: &[(&str, u64, i64)]) -> Digest {
        let group = |(name, count, ns): &(&str, u64, i64)| {
            let values = vec![*ns; *count as usize];
            let sample = Sample { answered: *count, sum_ns: *count as i64 * ns, ..Sample::default() };
            Group { collection: (*name).to_owned(), operation: "o".to_owned(), sample, histogram: Histogram::of_sorted(&values) }
        };
        let all = Sample { answered: groups.iter().map(|group| group.1).sum(), ..Sample::default() };
        Digest { all, groups: groups.iter().map(group).collect(), ..Digest::default() }
    }

    /// 600 answers of 1000 ns and 400 of 2000 ns; then the second takes 3000 ns, and a third one of 100 answers is new.
    #[test]
    fn parts_add_up_to_the_change_of_the_mean() {
        let (before, after) =
            ([run(&[("a", 600, 1000), ("b", 400, 2000)])], [run(&[("a", 600, 1000), ("b", 400, 3000), ("c", 100, 1000)])]);
        let found = explain(&before, &after).expect("answers on both sides");
        let mean = |sum: f64, count: f64| sum / count;
        let change = mean(600e3 + 1200e3 + 100e3, 1100.0) - mean(600e3 + 800e3, 1000.0);
        assert!((found.added_ns - change).abs() < 1e-9, "{found:?}");
        let names: Vec<&str> = found.parts.iter().map(|part| part.collection.as_str()).collect();
        assert_eq!(names, ["b", "c", "a"], "290.9, 90.9 and −54.5 ns");
        assert_eq!((found.parts[0].mean_before_ns, found.parts[0].mean_after_ns), (Some(2000.0), Some(3000.0)));
        assert_eq!(found.parts[1].mean_before_ns, None);
        assert!((found.slow_ns - 2000).abs() <= 8, "to 0.4 %: {}", found.slow_ns);
        assert!((found.parts[0].added_slow - 400.0 / 1100.0).abs() < 1e-12 && found.parts[2].added_slow == 0.0);
        assert!(explain(&before, &[run(&[])]).is_none());
    }
}
