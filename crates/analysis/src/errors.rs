//! What went wrong: by class and status, with first and last time, and when.

use std::collections::HashMap;

use polars::prelude::{DataFrame, DataType, PolarsResult, SortMultipleOptions, col, len};
use serde::Serialize;

use crate::bins::Bins;
use crate::latency::OTHER;
use crate::load::{Run, integers};
use crate::rates::Rates;
use crate::{Error, Result};

/// Kinds of failure that are told apart; rarer ones past it are counted under `other`.
pub const KINDS_MAX: usize = 100;

/// One kind of failure. Instants are due instants, ns since run start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// An error class, `status 503`, or `other`.
    pub kind: String,
    /// Requests it happened to.
    pub count: u64,
    /// The first of them.
    pub first_ns: i64,
    /// The last of them.
    pub last_ns: i64,
}

/// All kinds of failure, the most frequent first.
///
/// # Errors
/// [`Error::Outcomes`] when a part is damaged.
pub fn load(run: &Run) -> Result<Vec<Failure>> {
    let order = SortMultipleOptions::default().with_order_descending_multi([true, false, false]).with_nulls_last(true);
    let batches = run.scan(|outcomes| {
        let failed = outcomes.filter(col("ok").not()).group_by([col("error"), col("status")]).agg([
            len().cast(DataType::UInt64).alias("count"),
            col("due_ns").min().alias("first_ns"),
            col("due_ns").max().alias("last_ns"),
        ]);
        failed.sort(["count", "error", "status"], order)
    })?;
    let mut failures = Vec::new();
    for batch in batches {
        read(&batch?, &mut failures).map_err(|e| Error::outcomes(&run.dir, e))?;
    }
    // A class with several statuses was counted in several rows.
    failures.sort_by(|a, b| (b.count, &a.kind).cmp(&(a.count, &b.kind)));
    Ok(failures)
}

fn read(batch: &DataFrame, failures: &mut Vec<Failure>) -> PolarsResult<()> {
    let (errors, statuses) = (batch.column("error")?.str()?, batch.column("status")?.str()?);
    let (counts, firsts, lasts) =
        (batch.column("count")?.u64()?, batch.column("first_ns")?.i64()?, batch.column("last_ns")?.i64()?);
    for row in 0..batch.height() {
        let found = Failure {
            kind: kind(errors.get(row), statuses.get(row)),
            count: counts.get(row).unwrap_or_default(),
            first_ns: firsts.get(row).unwrap_or_default(),
            last_ns: lasts.get(row).unwrap_or_default(),
        };
        add(failures, found);
    }
    Ok(())
}

/// A class says more than a status that came before it: an answer cut short has both.
pub(crate) fn kind(error: Option<&str>, status: Option<&str>) -> String {
    match (error, status) {
        (Some(error), _) => error.to_owned(),
        (None, Some(status)) => format!("status {status}"),
        (None, None) => "no answer".to_owned(),
    }
}

/// Failures by time of due instant.
#[derive(Debug, Clone, PartialEq)]
pub struct OverTime {
    /// The bins: those of the rates.
    pub bins: Bins,
    /// Counts by bin of each kind, in the order of the failures given; a kind that is not among them counts as `other`, if that is.
    pub counts: Vec<Vec<u64>>,
    /// Stretches in which much failed, in their order.
    pub bursts: Vec<Burst>,
}

/// A stretch in which at least [`BURST_SHARE_MIN`] of the requests failed. Instants are due instants, ns since run start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Burst {
    /// The first request of it that failed.
    pub first_ns: i64,
    /// The last.
    pub last_ns: i64,
    /// Requests that failed in it.
    pub failed: u64,
    /// Requests due in its bins.
    pub due: u64,
    /// The kinds of failure in it, the most frequent first.
    pub kinds: Vec<String>,
}

/// From this share of failures on, a bin belongs to a burst.
pub const BURST_SHARE_MIN: f64 = 0.05;
/// Failures that make a burst.
const BURST_FAILED_MIN: u64 = 5;

/// What failed in a bin.
#[derive(Debug, Clone, Copy)]
struct Failed {
    count: u64,
    first_ns: i64,
    last_ns: i64,
}

impl OverTime {
    /// One pass over what failed. `failures` are those of [`load`], `rates` those of the same run.
    ///
    /// # Errors
    /// [`Error::Outcomes`] when a part is damaged.
    pub fn load(run: &Run, failures: &[Failure], rates: &Rates) -> Result<Self> {
        let bins = rates.bins.clone();
        let mut counts = vec![vec![0; bins.count]; failures.len()];
        let mut failed = vec![Failed { count: 0, first_ns: i64::MAX, last_ns: i64::MIN }; bins.count];
        let columns = ["error", "status", "due_ns"].map(col);
        for batch in run.scan(|outcomes| outcomes.filter(col("ok").not()).select(columns))? {
            take(&batch?, failures, &bins, &mut counts, &mut failed).map_err(|e| Error::outcomes(&run.dir, e))?;
        }
        let bursts = bursts(&failed, &rates.due, |bins| kinds(failures, &counts, bins));
        Ok(Self { bins, counts, bursts })
    }
}

/// Failures that a bin of a chart should have on average.
const BIN_FAILED: u64 = 10;

impl OverTime {
    /// The same with as many bins at a time made one as leaves each enough of `failed` failures.
    #[must_use]
    pub fn wider(&self, failed: u64) -> Self {
        let bins = &self.bins;
        let wanted = Bins::of_values(bins.start_ns, bins.end_ns, failed, BIN_FAILED);
        let each = bins.count.div_ceil(wanted.count);
        let sums = |counts: &Vec<u64>| counts.chunks(each).map(|few| few.iter().sum()).collect();
        Self {
            bins: Bins { width_ns: bins.width_ns * each as i64, count: bins.count.div_ceil(each), ..bins.clone() },
            counts: self.counts.iter().map(sums).collect(),
            bursts: self.bursts.clone(),
        }
    }
}

fn take(
    batch: &DataFrame,
    failures: &[Failure],
    bins: &Bins,
    counts: &mut [Vec<u64>],
    failed: &mut [Failed],
) -> PolarsResult<()> {
    let (errors, statuses) = (batch.column("error")?.str()?, batch.column("status")?.str()?);
    let place = |kind: &str| failures.iter().position(|failure| failure.kind == kind);
    let mut places: HashMap<(Option<&str>, Option<&str>), Option<usize>> = HashMap::new();
    for ((due_ns, error), status) in integers(batch, "due_ns")?.zip(errors.iter()).zip(statuses.iter()) {
        let bin = bins.place(due_ns);
        let find = || place(&kind(error, status)).or_else(|| place(OTHER));
        if let Some(place) = places.entry((error, status)).or_insert_with(find) {
            counts[*place][bin] += 1;
        }
        let in_bin = &mut failed[bin];
        *in_bin = Failed { count: in_bin.count + 1, first_ns: in_bin.first_ns.min(due_ns), last_ns: in_bin.last_ns.max(due_ns) };
    }
    Ok(())
}

/// Neighbouring bins in which much failed, or between which there is but one in which it did not.
fn bursts(failed: &[Failed], due: &[u64], kinds: impl Fn(std::ops::RangeInclusive<usize>) -> Vec<String>) -> Vec<Burst> {
    let much = |bin: &usize| failed[*bin].count > 0 && failed[*bin].count as f64 >= BURST_SHARE_MIN * due[*bin] as f64;
    let mut stretches: Vec<(usize, usize)> = Vec::new();
    for bin in (0..failed.len()).filter(much) {
        match stretches.last_mut() {
            Some((_, last)) if bin <= *last + 2 => *last = bin,
            _ => stretches.push((bin, bin)),
        }
    }
    let burst = |(first, last): (usize, usize)| Burst {
        first_ns: failed[first].first_ns,
        last_ns: failed[last].last_ns,
        failed: failed[first..=last].iter().map(|bin| bin.count).sum(),
        due: due[first..=last].iter().sum(),
        kinds: kinds(first..=last),
    };
    stretches.into_iter().map(burst).filter(|burst| burst.failed >= BURST_FAILED_MIN).collect()
}

/// The kinds that there are in some bins, the most frequent first.
fn kinds(failures: &[Failure], counts: &[Vec<u64>], bins: std::ops::RangeInclusive<usize>) -> Vec<String> {
    let sum = |(failure, counts): (&Failure, &Vec<u64>)| (counts[bins.clone()].iter().sum::<u64>(), failure.kind.clone());
    let mut found: Vec<(u64, String)> = failures.iter().zip(counts).map(sum).filter(|(count, _)| *count > 0).collect();
    found.sort_by(|a, b| (b.0, &a.1).cmp(&(a.0, &b.1)));
    found.into_iter().map(|(_, kind)| kind).collect()
}

/// Adds to the kind's failures, or to those of `other` when there are too many kinds.
fn add(failures: &mut Vec<Failure>, mut found: Failure) {
    let known = |kind: &str, failures: &[Failure]| failures.iter().position(|failure| failure.kind == kind);
    if known(&found.kind, failures).is_none() && failures.len() >= KINDS_MAX {
        OTHER.clone_into(&mut found.kind);
    }
    match known(&found.kind, failures) {
        None => failures.push(found),
        Some(place) => {
            let failure = &mut failures[place];
            failure.count += found.count;
            failure.first_ns = failure.first_ns.min(found.first_ns);
            failure.last_ns = failure.last_ns.max(found.last_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_past_the_limit_are_counted_together() {
        let mut failures = Vec::new();
        for number in 0..KINDS_MAX as u64 + 5 {
            let at_ns = number as i64;
            add(&mut failures, Failure { kind: format!("status {number}"), count: 2, first_ns: at_ns, last_ns: at_ns });
        }
        assert_eq!(failures.len(), KINDS_MAX + 1);
        let other = failures.last().expect("there is one");
        assert_eq!((other.kind.as_str(), other.count, other.first_ns, other.last_ns), ("other", 10, 100, 104));
    }

    /// In bins of 100 requests: 4 % is no burst; 5 %, a pause of one bin and 50 % are one; a pause of two ends it; 2 of 10 are too few.
    #[test]
    fn much_that_failed_close_together_is_one_burst() {
        let counts = [4, 0, 0, 5, 0, 50, 0, 0, 6, 2];
        let due = [100, 100, 100, 100, 100, 100, 100, 100, 100, 10];
        let bin =
            |(bin, count): (usize, &u64)| Failed { count: *count, first_ns: bin as i64 * 10 + 1, last_ns: bin as i64 * 10 + 8 };
        let failed: Vec<Failed> = counts.iter().enumerate().map(bin).collect();
        let found = bursts(&failed, &due, |bins| vec![format!("{bins:?}")]);
        let told = |burst: &Burst| (burst.first_ns, burst.last_ns, burst.failed, burst.due, burst.kinds[0].clone());
        let found: Vec<_> = found.iter().map(told).collect();
        assert_eq!(found, [(31, 58, 55, 300, "3..=5".to_owned()), (81, 98, 8, 110, "8..=9".to_owned())]);
        assert!(bursts(&failed[..1], &due, |_| Vec::new()).is_empty());
    }

    /// 100 bins of a second with 21 failures: twenty bins of 5 s at least, and nothing is lost.
    #[test]
    fn few_failures_are_shown_in_wider_bins() {
        const S: i64 = 1_000_000_000;
        let bins = Bins { start_ns: 0, end_ns: 100 * S, width_ns: S, count: 100 };
        let counts = vec![(0..100).map(|bin| u64::from(bin % 5 == 0) + u64::from(bin == 99)).collect()];
        let wider = OverTime { bins, counts, bursts: Vec::new() }.wider(21);
        assert_eq!((wider.bins.width_ns, wider.bins.count), (5 * S, 20));
        assert_eq!(wider.counts, [[[1; 19].as_slice(), &[2]].concat()]);
    }

    #[test]
    fn a_class_outranks_a_status() {
        assert_eq!(kind(Some("closed"), Some("200")), "closed");
        assert_eq!(kind(None, Some("503")), "status 503");
    }
}
