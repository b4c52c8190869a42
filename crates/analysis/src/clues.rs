//! What hints look at beside the figures of the report: failures by target.

use polars::prelude::{DataFrame, DataType, PolarsResult, col, len};

use crate::load::Run;
use crate::{Error, Result};

/// See the members.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Clues {
    /// Each target with its requests and good answers.
    pub targets: Vec<(String, u64, u64)>,
}

impl Clues {
    /// One pass over few columns.
    ///
    /// # Errors
    /// [`Error::Outcomes`] when a part is damaged.
    pub fn load(run: &Run) -> Result<Self> {
        let failed = |e| Error::outcomes(&run.dir, e);
        let mut targets = Vec::new();
        let counts = [len().cast(DataType::UInt64).alias("requests"), col("ok").cast(DataType::UInt64).sum().alias("good")];
        for batch in run.scan(|rows| rows.group_by([col("target")]).agg(counts))? {
            read_targets(&batch?, &mut targets).map_err(failed)?;
        }
        targets.sort_unstable();
        Ok(Self { targets })
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
