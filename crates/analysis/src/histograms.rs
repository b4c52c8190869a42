//! Percentiles from a run's merged histograms: there even where outcomes are not kept row by row, for any stretch of time, and from any
//! number of workers. Counts of the same bucket add up, so that nothing is averaged; buckets are at most 0.1 % wide.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use stats::order;
use trace::{LatencyRow, read_latencies};

use crate::Result;
use crate::breakdown::Measure;
use crate::distribution::{CONFIDENCE, LEVELS};
use crate::spread::Spread;

/// The words by which histograms can be told apart.
pub const WORDS: [&str; 3] = ["collection", "operation", "phase"];

/// All values of the same names.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Merged {
    /// A name for each word.
    pub names: Vec<String>,
    /// Values.
    pub count: u64,
    /// The largest, ns, as the upper end of its bucket.
    pub max_ns: i64,
    /// Each of [`LEVELS`] by nearest rank, ns, as the upper end of its bucket; `None` where there are too few values for an interval.
    pub quantiles_ns: Vec<Option<i64>>,
    /// How they are spread, for a terminal.
    #[serde(skip)]
    pub spread: Spread,
}

impl Merged {
    /// The value of one of [`LEVELS`], if there are enough for it.
    #[must_use]
    pub fn value_ns(&self, p: f64) -> Option<i64> {
        LEVELS.iter().zip(&self.quantiles_ns).find(|((level, _), _)| *level == p).and_then(|(_, ns)| *ns)
    }
}

/// Merges the histograms of one measure of the run in `dir`, told apart `by` some of [`WORDS`]; the most frequent group comes first.
///
/// # Errors
/// [`crate::Error::Trace`] when a file is missing or damaged.
pub fn merge(dir: &Path, by: &[&str], measure: Measure) -> Result<Vec<Merged>> {
    let mut groups: BTreeMap<Vec<String>, BTreeMap<i64, u64>> = BTreeMap::new();
    read_latencies(dir, |row| {
        if row.measure == measure.as_str() && row.phase != crate::phases::WARMUP {
            let counts = groups.entry(by.iter().map(|word| name(row, word).to_owned()).collect()).or_default();
            row.values_ns.iter().zip(row.counts).for_each(|(value_ns, count)| *counts.entry(*value_ns).or_default() += count);
        }
    })?;
    let mut merged: Vec<Merged> = groups.into_iter().map(|(names, counts)| merged(names, &counts)).collect();
    merged.sort_by_key(|merged| std::cmp::Reverse(merged.count));
    Ok(merged)
}

fn name<'a>(row: &LatencyRow<'a>, word: &str) -> &'a str {
    match word {
        "collection" => row.collection,
        "operation" => row.operation,
        "phase" => row.phase,
        _ => "",
    }
}

fn merged(names: Vec<String>, counts: &BTreeMap<i64, u64>) -> Merged {
    let count: u64 = counts.values().sum();
    let at = |p: f64| {
        let rank = order::rank(count as usize, p) as u64;
        let mut below = 0;
        let reached = counts.iter().find(|(_, count)| {
            below += **count;
            below >= rank
        });
        reached.map(|(value_ns, _)| *value_ns).filter(|_| count as usize >= order::samples_min_two_sided(p, CONFIDENCE))
    };
    let max_ns = counts.keys().next_back().copied().unwrap_or_default();
    let spread = Spread::counted(counts.iter().map(|(ns, count)| (*ns, *count)));
    Merged { names, count, max_ns, spread, quantiles_ns: LEVELS.iter().map(|(p, _)| at(*p)).collect() }
}
