//! What hints look at beside the figures of the report: how connecting went over time, and failures by target.

use polars::prelude::{DataFrame, DataType, PolarsResult, col, len};
use stats::order::{self, Estimate};

use crate::distribution::CONFIDENCE;
use crate::load::{Run, integers};
use crate::totals::Totals;
use crate::{Error, Result};

/// See the members.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Clues {
    /// The median time for connecting in the first and in the last third of the run, ns; `None` where too few requests had to connect.
    pub connecting: Option<(Estimate, Estimate)>,
    /// Each target with its requests and good answers.
    pub targets: Vec<(String, u64, u64)>,
}

impl Clues {
    /// Two passes over few columns.
    ///
    /// # Errors
    /// [`Error::Outcomes`] when a part is damaged.
    pub fn load(run: &Run, totals: &Totals) -> Result<Self> {
        let failed = |e| Error::outcomes(&run.dir, e);
        let mut connects: Vec<(i64, i64)> = Vec::new();
        let columns = [col("due_ns"), col("connect_ns")];
        for batch in run.scan(|rows| rows.filter(col("connect_ns").is_not_null()).select(columns))? {
            let batch = batch?;
            let due = integers(&batch, "due_ns").map_err(failed)?;
            connects.extend(due.zip(integers(&batch, "connect_ns").map_err(failed)?));
        }
        let mut targets = Vec::new();
        let counts = [len().cast(DataType::UInt64).alias("requests"), col("ok").cast(DataType::UInt64).sum().alias("good")];
        for batch in run.scan(|rows| rows.group_by([col("target")]).agg(counts))? {
            read_targets(&batch?, &mut targets).map_err(failed)?;
        }
        targets.sort_unstable();
        Ok(Self { connecting: thirds(&connects, totals), targets })
    }
}

fn read_targets(batch: &DataFrame, targets: &mut Vec<(String, u64, u64)>) -> PolarsResult<()> {
    let (requests, ok) = (batch.column("requests")?.u64()?, batch.column("good")?.u64()?);
    for (row, name) in batch.column("target")?.str()?.iter().enumerate() {
        let count = |of: &polars::prelude::UInt64Chunked| of.get(row).unwrap_or_default();
        targets.push((name.unwrap_or_default().to_owned(), count(requests), count(ok)));
    }
    Ok(())
}

/// Medians with intervals of what was due in the first and the last third.
fn thirds(connects: &[(i64, i64)], totals: &Totals) -> Option<(Estimate, Estimate)> {
    let span_ns = totals.last_due_ns - totals.first_due_ns;
    let median = |from_ns: i64, to_ns: i64| {
        let inside = connects.iter().filter(|(due_ns, _)| (from_ns..=to_ns).contains(due_ns));
        let mut values: Vec<i64> = inside.map(|(_, connect_ns)| *connect_ns).collect();
        values.sort_unstable();
        order::estimate(&values, 0.5, CONFIDENCE)
    };
    let first = median(totals.first_due_ns, totals.first_due_ns + span_ns / 3)?;
    Some((first, median(totals.last_due_ns - span_ns / 3, totals.last_due_ns)?))
}
