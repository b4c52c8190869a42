//! How long connecting took, to which target, and whether it took longer as the run went on.

use polars::prelude::{DataFrame, PolarsResult, col};
use serde::Serialize;
use stats::compare::mann_whitney;
use stats::median;

use crate::breakdown::{Breakdown, Measure};
use crate::distribution::Distribution;
use crate::load::integers;
use crate::totals::Totals;
use crate::{Error, Result, Run};

/// Connecting takes longer where its median in the second half of the run is above that in the first by this factor, and the stretches of
/// both halves differ by more than chance.
const RISE_MIN: f64 = 1.5;
/// Stretches of equally many connections that each half is cut into: what the values of one have in common counts once.
const STRETCHES: usize = 10;
/// The largest p at which the medians of the stretches differ (Mann & Whitney).
const P_MAX: f64 = 0.01;

/// Times of the requests that had to connect first, ns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Connects {
    /// All of them.
    pub overall: Distribution,
    /// By target.
    pub by_target: Breakdown,
    /// Those due in the first half of the run.
    pub first_half: Distribution,
    /// Those due in the second.
    pub second_half: Distribution,
    /// Whether the two differ by more than chance.
    #[serde(skip)]
    differ: bool,
}

impl Connects {
    /// Two passes over the run.
    ///
    /// # Errors
    /// [`Error::Outcomes`] when a part is damaged.
    pub fn load(run: &Run, totals: &Totals) -> Result<Self> {
        let middle_ns = i64::midpoint(totals.first_due_ns, totals.last_due_ns);
        let mut halves = [Vec::new(), Vec::new()];
        let connected = col("connect_ns").is_not_null();
        for batch in run.scan(|rows| rows.filter(connected).select([col("due_ns"), col("connect_ns")]))? {
            take(&batch?, middle_ns, &mut halves).map_err(|e| Error::outcomes(&run.dir, e))?;
        }
        let [first, second] = &halves;
        Ok(Self {
            overall: Distribution::of(&[first, second]),
            by_target: Breakdown::load(run, &["target"], &[Measure::Connect])?,
            first_half: Distribution::of(&[first]),
            second_half: Distribution::of(&[second]),
            differ: differ(first, second),
        })
    }

    /// The medians of both halves where the second is clearly above the first, ns.
    #[must_use]
    pub fn rise(&self) -> Option<(i64, i64)> {
        let (first, second) = (self.first_half.at(0.5)?, self.second_half.at(0.5)?);
        let (before, after) = (first.value_ns?, second.value_ns?);
        (self.differ && after as f64 >= RISE_MIN * before as f64).then_some((before, after))
    }
}

fn differ(first_ns: &[i64], second_ns: &[i64]) -> bool {
    let medians = |ns: &[i64]| -> Vec<f64> {
        let stretches = ns.chunks_exact((ns.len() / STRETCHES).max(1)).take(STRETCHES);
        stretches.map(|stretch| median(&stretch.iter().map(|ns| *ns as f64).collect::<Vec<_>>())).collect()
    };
    let (first, second) = (medians(first_ns), medians(second_ns));
    first.len().min(second.len()) == STRETCHES && mann_whitney(&first, &second).is_some_and(|(_, p)| p < P_MAX)
}

fn take(batch: &DataFrame, middle_ns: i64, halves: &mut [Vec<i64>; 2]) -> PolarsResult<()> {
    for (due_ns, connect_ns) in integers(batch, "due_ns")?.zip(integers(batch, "connect_ns")?) {
        halves[usize::from(due_ns > middle_ns)].push(connect_ns);
    }
    Ok(())
}
