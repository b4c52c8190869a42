//! What went wrong: by class and status, with first and last time.

use polars::prelude::{DataFrame, DataType, PolarsResult, SortMultipleOptions, col, len};
use serde::Serialize;

use crate::load::Run;
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

/// Adds to the kind's failures, or to those of `other` when there are too many kinds.
fn add(failures: &mut Vec<Failure>, mut found: Failure) {
    let known = |kind: &str, failures: &[Failure]| failures.iter().position(|failure| failure.kind == kind);
    if known(&found.kind, failures).is_none() && failures.len() >= KINDS_MAX {
        "other".clone_into(&mut found.kind);
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

    #[test]
    fn a_class_outranks_a_status() {
        assert_eq!(kind(Some("closed"), Some("200")), "closed");
        assert_eq!(kind(None, Some("503")), "status 503");
    }
}
