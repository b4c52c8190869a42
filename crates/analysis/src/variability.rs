//! How evenly good answers came, second by second.

use polars::prelude::col;
use serde::Serialize;

use crate::load::integers;
use crate::totals::Totals;
use crate::{Error, Result, Run};

const S_NS: i64 = 1_000_000_000;

/// Fewer whole seconds than this say nothing of how even they are.
const SECONDS_MIN: usize = 10;

/// Good answers in each whole second from the first due instant to the last one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Variability {
    /// Whole seconds.
    pub seconds: u64,
    /// Good answers in one of them, on average.
    pub mean_per_s: f64,
    /// The least in one of them.
    pub min_per_s: u64,
    /// The most.
    pub max_per_s: u64,
    /// Standard deviation (of the population) over the mean.
    pub cv: f64,
    /// Variance over the mean: 1 where answers come independently of one another (Poisson), 0 where as many come each second.
    pub dispersion: f64,
}

impl Variability {
    /// One pass over the run; `None` where it was too short, or nothing was answered well.
    ///
    /// # Errors
    /// [`Error::Outcomes`] when a part is damaged.
    pub fn load(run: &Run, totals: &Totals) -> Result<Option<Self>> {
        let mut counts = vec![0_u64; ((totals.last_due_ns - totals.first_due_ns) / S_NS) as usize];
        for batch in run.scan(|rows| rows.filter(col("ok").and(col("done_ns").is_not_null())).select([col("done_ns")]))? {
            let batch = batch?;
            for done_ns in integers(&batch, "done_ns").map_err(|e| Error::outcomes(&run.dir, e))? {
                if let Some(count) = counts.get_mut(((done_ns - totals.first_due_ns) / S_NS) as usize) {
                    *count += 1;
                }
            }
        }
        Ok(Self::of(&counts))
    }

    fn of(counts: &[u64]) -> Option<Self> {
        let seconds = counts.len();
        let mean = counts.iter().sum::<u64>() as f64 / seconds as f64;
        let variance = counts.iter().map(|count| (*count as f64 - mean).powi(2)).sum::<f64>() / seconds as f64;
        let (min, max) = (counts.iter().min().copied()?, counts.iter().max().copied()?);
        (seconds >= SECONDS_MIN && mean > 0.0).then(|| Self {
            seconds: seconds as u64,
            mean_per_s: mean,
            min_per_s: min,
            max_per_s: max,
            cv: variance.sqrt() / mean,
            dispersion: variance / mean,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evenness_is_that_of_the_formulas() {
        let even = Variability::of(&[7; 10]).expect("long enough");
        assert_eq!((even.cv, even.dispersion, even.mean_per_s), (0.0, 0.0, 7.0));
        // 5 and 15 in turn: mean 10, variance 25.
        let turns: Vec<u64> = (0..12).map(|second| 5 + 10 * (second % 2)).collect();
        let turns = Variability::of(&turns).expect("long enough");
        assert_eq!((turns.cv, turns.dispersion, turns.min_per_s, turns.max_per_s), (0.5, 2.5, 5, 15));
        assert_eq!((Variability::of(&[7; 9]), Variability::of(&[0; 20]), Variability::of(&[])), (None, None, None));
    }
}
