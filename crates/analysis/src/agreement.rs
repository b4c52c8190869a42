//! How replayed answers agree with the recorded ones, by collection and operation. Exact, from the rows.

use std::collections::BTreeMap;

use polars::prelude::{DataFrame, DataType, LazyFrame, PolarsResult, col, len};
use serde::Serialize;
use trace::{DifferenceRow, Match, read_differences};

use crate::latency::GROUPS_MAX;
use crate::load::{Run, integers};
use crate::rates::Rates;
use crate::{Error, Result};

/// The name of what [`GROUPS_MAX`] leaves over.
const OTHER: &str = "other";
/// Recalls below which their tenth is not shown: as many as a p90 needs for an interval of 95 %.
const RECALLS_MIN: u64 = 36;
/// Recalls that a stretch of time needs for a mean.
pub const STRETCH_MIN: u64 = 20;
/// Examples that a report shows.
const EXAMPLES_MAX: usize = 50;

/// Answers of one collection and operation, or all.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Group {
    /// What was addressed.
    pub collection: String,
    /// The normalized verb.
    pub operation: String,
    /// Requests that were to be compared.
    pub compared: u64,
    /// [`Match::Same`].
    pub same: u64,
    /// [`Match::SameIds`].
    pub same_ids: u64,
    /// [`Match::DiffersStatus`].
    pub differs_status: u64,
    /// [`Match::DiffersShape`].
    pub differs_shape: u64,
    /// [`Match::DiffersBody`].
    pub differs_body: u64,
    /// [`Match::Unknown`].
    pub unknown: u64,
    /// Answers whose ids were held against recorded ones.
    pub recalls: u64,
    /// Mean share of the recorded ids that were found again.
    pub recall_mean: Option<f64>,
    /// The recall that a tenth of the answers do not exceed: the nearest rank ⌈0.1 n⌉.
    pub recall_p10: Option<f64>,
    /// The least.
    pub recall_min: Option<f64>,
    /// Mean of Spearman's rank correlation of the ids.
    pub rank_correlation_mean: Option<f64>,
}

impl Group {
    /// Answers that agree.
    #[must_use]
    pub fn agreeing(&self) -> u64 {
        self.same + self.same_ids
    }

    /// Answers that differ.
    #[must_use]
    pub fn differing(&self) -> u64 {
        self.differs_status + self.differs_shape + self.differs_body
    }

    /// The figures without the names.
    pub(crate) fn figures(&self) -> serde_json::Value {
        let mut figures = serde_json::json!(self);
        if let Some(figures) = figures.as_object_mut() {
            figures.retain(|name, _| name != "collection" && name != "operation");
        }
        figures
    }

    fn count(&mut self, matched: Match) -> &mut u64 {
        match matched {
            Match::Same => &mut self.same,
            Match::SameIds => &mut self.same_ids,
            Match::DiffersStatus => &mut self.differs_status,
            Match::DiffersShape => &mut self.differs_shape,
            Match::DiffersBody => &mut self.differs_body,
            Match::Unknown => &mut self.unknown,
        }
    }
}

/// Everything about agreement in a run; empty where answers were not compared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Agreement {
    /// All answers.
    pub overall: Group,
    /// By collection and operation, the most frequent first.
    pub groups: Vec<Group>,
    /// The first differences.
    pub examples: Vec<DifferenceRow>,
    /// Recall at the rates that there were, by rising rate.
    pub by_rate: Vec<RecallAt>,
}

/// The recall of a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RecallAt {
    /// Requests sent per second.
    pub per_s: f64,
    /// Mean recall of those that were due in it.
    pub recall_mean: f64,
    /// Their number, [`STRETCH_MIN`] at least.
    pub recalls: u64,
}

impl Agreement {
    /// Counts what the outcomes say.
    ///
    /// # Errors
    /// [`Error::Outcomes`] when a part is damaged, [`Error::Trace`] when the file of examples is.
    pub fn load(run: &Run, rates: &Rates) -> Result<Self> {
        let (overall, tallies) = count(run)?;
        let groups = tallies.into_iter().map(|((collection, operation), tally)| tally.group(collection, operation)).collect();
        let examples = read_differences(&run.dir)?.into_iter().take(EXAMPLES_MAX).collect();
        let by_rate = if overall.recalls > 0 { by_rate(run, rates)? } else { Vec::new() };
        Ok(Self { overall, groups, examples, by_rate })
    }

    /// The counts of all answers alone.
    ///
    /// # Errors
    /// [`Error::Outcomes`] when a part is damaged.
    pub fn overall(run: &Run) -> Result<Group> {
        Ok(count(run)?.0)
    }
}

/// What was counted of one collection and operation.
type Named = ((String, String), Tally);

/// All answers, and those of each collection and operation.
fn count(run: &Run) -> Result<(Group, Vec<Named>)> {
    let mut tallies = BTreeMap::new();
    for batch in run.scan(alike)? {
        read(&batch?, &mut tallies).map_err(|e| Error::outcomes(&run.dir, e))?;
    }
    let tallies = merged(tallies);
    let mut overall = Tally::default();
    tallies.iter().for_each(|(_, tally)| overall.add(tally));
    Ok((overall.group(String::new(), String::new()), tallies))
}

/// The mean recall in each stretch of time that has enough of them, by the rate at which requests were sent in it.
fn by_rate(run: &Run, rates: &Rates) -> Result<Vec<RecallAt>> {
    let mut sums = vec![(0.0, 0_u64); rates.bins.count];
    for batch in run.scan(|rows| rows.filter(col("recall").is_not_null()).select([col("due_ns"), col("recall")]))? {
        add_recalls(&batch?, rates, &mut sums).map_err(|e| Error::outcomes(&run.dir, e))?;
    }
    let stretch = |((sum, recalls), per_s): ((f64, u64), Option<f64>)| {
        let enough = recalls >= STRETCH_MIN;
        per_s.filter(|_| enough).map(|per_s| RecallAt { per_s, recall_mean: sum / recalls as f64, recalls })
    };
    let mut by_rate: Vec<RecallAt> = sums.into_iter().zip(rates.bins.per_s(&rates.sent)).filter_map(stretch).collect();
    by_rate.sort_by(|a, b| a.per_s.total_cmp(&b.per_s));
    Ok(by_rate)
}

fn add_recalls(batch: &DataFrame, rates: &Rates, sums: &mut [(f64, u64)]) -> PolarsResult<()> {
    for (due_ns, recall) in integers(batch, "due_ns")?.zip(batch.column("recall")?.f32()?.iter()) {
        let (sum, recalls) = &mut sums[rates.bins.place(due_ns)];
        (*sum, *recalls) = (*sum + f64::from(recall.unwrap_or_default()), *recalls + 1);
    }
    Ok(())
}

/// How many rows are alike in all that counts here. There are few different recalls, since ids are few.
fn alike(outcomes: LazyFrame) -> LazyFrame {
    let keys = ["collection", "operation", "match", "recall", "rank_correlation"].map(col);
    outcomes.filter(col("match").is_not_null()).group_by(keys).agg([len().cast(DataType::UInt64).alias("count")])
}

/// What was counted of one group. Floats stand as bits, whose order is theirs for those that are not negative.
#[derive(Debug, Clone, Default)]
struct Tally {
    counts: Group,
    recalls: BTreeMap<u32, u64>,
    correlations: BTreeMap<u32, u64>,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        for matched in Match::ALL {
            *self.counts.count(*matched) += *other.counts.clone().count(*matched);
        }
        self.counts.compared += other.counts.compared;
        other.recalls.iter().for_each(|(bits, count)| *self.recalls.entry(*bits).or_default() += count);
        other.correlations.iter().for_each(|(bits, count)| *self.correlations.entry(*bits).or_default() += count);
    }

    fn group(self, collection: String, operation: String) -> Group {
        let recalls: u64 = self.recalls.values().sum();
        Group {
            collection,
            operation,
            recalls,
            recall_mean: mean(&self.recalls),
            recall_p10: (recalls >= RECALLS_MIN).then(|| ranked(&self.recalls, recalls.div_ceil(10))).flatten(),
            recall_min: ranked(&self.recalls, 1),
            rank_correlation_mean: mean(&self.correlations),
            ..self.counts
        }
    }
}

fn value(bits: u32) -> f64 {
    f64::from(f32::from_bits(bits))
}

fn mean(values: &BTreeMap<u32, u64>) -> Option<f64> {
    let count: u64 = values.values().sum();
    let sum: f64 = values.iter().map(|(bits, count)| value(*bits) * *count as f64).sum();
    (count > 0).then(|| sum / count as f64)
}

/// The value at a rank from 1.
fn ranked(values: &BTreeMap<u32, u64>, rank: u64) -> Option<f64> {
    let mut left = rank;
    let mut at = values.iter().find_map(|(bits, count)| {
        let here = left <= *count;
        left = left.saturating_sub(*count);
        here.then(|| value(*bits))
    });
    at.take()
}

type Tallies = BTreeMap<(String, String), Tally>;

fn read(batch: &DataFrame, tallies: &mut Tallies) -> PolarsResult<()> {
    let text = |name: &str| batch.column(name).and_then(|column| column.str().cloned());
    let (collections, operations, matches) = (text("collection")?, text("operation")?, text("match")?);
    let (recalls, correlations) = (batch.column("recall")?.f32()?, batch.column("rank_correlation")?.f32()?);
    let counts = batch.column("count")?.u64()?;
    for row in 0..batch.height() {
        let name = |names: &polars::prelude::StringChunked| names.get(row).unwrap_or_default().to_owned();
        let count = counts.get(row).unwrap_or_default();
        let tally = tallies.entry((name(&collections), name(&operations))).or_default();
        tally.counts.compared += count;
        *tally.counts.count(matches.get(row).and_then(Match::parse).unwrap_or(Match::Unknown)) += count;
        if let Some(recall) = recalls.get(row) {
            *tally.recalls.entry(recall.to_bits()).or_default() += count;
        }
        if let Some(correlation) = correlations.get(row) {
            *tally.correlations.entry(correlation.to_bits()).or_default() += count;
        }
    }
    Ok(())
}

/// The most frequent groups first, ties in alphabetical order; past [`GROUPS_MAX`] the rest is one.
fn merged(tallies: Tallies) -> Vec<Named> {
    let mut list: Vec<_> = tallies.into_iter().collect();
    list.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.counts.compared));
    if list.len() > GROUPS_MAX {
        let rest = list.split_off(GROUPS_MAX);
        let mut other = Tally::default();
        rest.iter().for_each(|(_, tally)| other.add(tally));
        list.push(((OTHER.to_owned(), OTHER.to_owned()), other));
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_and_means_are_those_of_the_list() {
        let mut tally = Tally::default();
        for (recall, count) in [(0.5_f32, 4), (1.0, 35), (0.0, 1)] {
            tally.recalls.insert(recall.to_bits(), count);
        }
        let group = tally.clone().group(String::new(), String::new());
        // 40 values: the 4th is 0.5.
        assert_eq!((group.recalls, group.recall_p10, group.recall_min), (40, Some(0.5), Some(0.0)));
        assert_eq!(group.recall_mean, Some(37.0 / 40.0));
        *tally.recalls.get_mut(&1.0_f32.to_bits()).unwrap() = 30;
        assert_eq!(tally.group(String::new(), String::new()).recall_p10, None, "35 are too few");
    }

    #[test]
    fn groups_past_the_limit_become_one() {
        let tally = |compared| Tally { counts: Group { compared, same: compared, ..Group::default() }, ..Tally::default() };
        let tallies = (0..GROUPS_MAX as u64 + 5).map(|n| ((format!("{n:05}"), String::new()), tally(n + 1))).collect();
        let list = merged(tallies);
        assert_eq!(list.len(), GROUPS_MAX + 1);
        assert_eq!(list[0].1.counts.compared, GROUPS_MAX as u64 + 5);
        assert_eq!((list[GROUPS_MAX].0.0.as_str(), list[GROUPS_MAX].1.counts.same), (OTHER, 15));
    }
}
