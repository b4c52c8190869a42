//! How many answers took how long, and when: counts by time and by logarithm of the response time.

use polars::prelude::{DataFrame, PolarsResult, col};

use crate::bins::Bins;
use crate::load::{Run, integers};
use crate::totals::{Totals, answered};
use crate::{Error, Result};

/// Stretches of time, at most.
const COLUMNS_MAX: i64 = 60;
/// Classes of response time for each factor of ten.
const CLASSES_PER_DECADE: usize = 8;
/// From 1 ns up: 13 decades, which is hours.
const CLASSES: usize = 13 * CLASSES_PER_DECADE;

/// Counts of answers by time of due instant and by response time.
#[derive(Debug, Clone, PartialEq)]
pub struct Heat {
    /// Time.
    pub bins: Bins,
    /// The classes of response time between the least and the most frequent ones seen: ends in ns, one more than there are classes.
    pub edges_ns: Vec<f64>,
    /// Counts by class, then by time.
    pub counts: Vec<Vec<u64>>,
}

/// The class of a response time: class k holds [10^(k/8), 10^((k+1)/8)) ns.
fn class(response_ns: i64) -> usize {
    ((response_ns.max(1) as f64).log10() * CLASSES_PER_DECADE as f64 + 1e-9).floor().clamp(0.0, CLASSES as f64 - 1.0) as usize
}

impl Heat {
    /// One pass over the answered requests of a run.
    ///
    /// # Errors
    /// [`Error::Outcomes`] when a part is damaged.
    pub fn load(run: &Run, totals: &Totals) -> Result<Self> {
        let span_ns = totals.last_due_ns - totals.first_due_ns;
        let bins = Bins::new(totals.first_due_ns, totals.last_due_ns, span_ns / COLUMNS_MAX + 1);
        let mut counts = vec![vec![0; bins.count]; CLASSES];
        let columns = ["due_ns", "done_ns"].map(col);
        for batch in run.scan(|outcomes| outcomes.filter(answered()).select(columns))? {
            take(&batch?, &bins, &mut counts).map_err(|e| Error::outcomes(&run.dir, e))?;
        }
        Ok(Self::new(bins, counts))
    }

    /// Keeps the classes between the first and the last that have an answer.
    fn new(bins: Bins, mut counts: Vec<Vec<u64>>) -> Self {
        let filled = |row: &Vec<u64>| row.iter().any(|count| *count > 0);
        let first = counts.iter().position(filled).unwrap_or(0);
        let end = counts.iter().rposition(filled).map_or(first, |last| last + 1);
        counts.truncate(end);
        counts.drain(..first);
        let edge = |class: usize| 10f64.powf(class as f64 / CLASSES_PER_DECADE as f64);
        Self { bins, edges_ns: (first..=end).map(edge).collect(), counts }
    }
}

fn take(batch: &DataFrame, bins: &Bins, counts: &mut [Vec<u64>]) -> PolarsResult<()> {
    for (due_ns, done_ns) in integers(batch, "due_ns")?.zip(integers(batch, "done_ns")?) {
        counts[class(done_ns - due_ns)][bins.place(due_ns)] += 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_ten_begin_a_class() {
        assert_eq!([0, 1, 9, 10, 99, 100, 1_000_000].map(class), [0, 0, 7, 8, 15, 16, 48]);
        assert_eq!(class(i64::MAX), CLASSES - 1);
    }

    #[test]
    fn classes_that_nobody_is_in_are_kept_only_between_others() {
        let mut counts = vec![vec![0; 2]; CLASSES];
        (counts[8][0], counts[11][1]) = (3, 4);
        let heat = Heat::new(Bins::new(0, 1, 1), counts);
        assert_eq!(heat.counts, [[3, 0], [0, 0], [0, 0], [0, 4]]);
        assert_eq!(heat.edges_ns.len(), 5);
        assert!((heat.edges_ns[0] - 10.0).abs() < 1e-9 && (heat.edges_ns[4] - 31.622_776_6).abs() < 1e-6);
        assert!(Heat::new(Bins::new(0, 1, 1), vec![vec![0; 2]; CLASSES]).counts.is_empty());
    }
}
