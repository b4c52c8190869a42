//! Offered, achieved and good throughput over time.

use polars::prelude::{DataFrame, PolarsResult, col};

use crate::bins::Bins;
use crate::load::Run;
use crate::totals::Totals;
use crate::{Error, Result};

/// Requests a bin should have on average, so that chance moves its rate by about a tenth.
const BIN_REQUESTS: u64 = 100;

/// Counts by time. A request counts as due in the bin of its due instant, as sent in that of its send, as good or failed in that of its
/// last byte (or of its due instant where it never came so far).
#[derive(Debug, Clone, PartialEq)]
pub struct Rates {
    /// The bins.
    pub bins: Bins,
    /// Requests due.
    pub due: Vec<u64>,
    /// Requests sent.
    pub sent: Vec<u64>,
    /// Good answers.
    pub ok: Vec<u64>,
    /// Requests without a good answer.
    pub failed: Vec<u64>,
}

impl Rates {
    /// One pass over the run.
    ///
    /// # Errors
    /// [`Error::Outcomes`] when a part is damaged.
    pub fn load(run: &Run, totals: &Totals) -> Result<Self> {
        let end_ns = totals.last_sent_ns.max(totals.last_done_ns).unwrap_or_default().max(totals.last_due_ns);
        let bins = Bins::of_values(totals.first_due_ns, end_ns, totals.requests, BIN_REQUESTS);
        let empty = vec![0; bins.count];
        let mut rates = Self { due: empty.clone(), sent: empty.clone(), ok: empty.clone(), failed: empty, bins };
        for batch in run.scan(|outcomes| outcomes.select([col("due_ns"), col("sent_ns"), col("done_ns"), col("ok")]))? {
            rates.take(&batch?).map_err(|e| Error::outcomes(&run.dir, e))?;
        }
        Ok(rates)
    }

    fn take(&mut self, batch: &DataFrame) -> PolarsResult<()> {
        let instants = |name| PolarsResult::Ok(batch.column(name)?.i64()?.iter());
        let good = batch.column("ok")?.bool()?.iter().map(|ok| ok.unwrap_or(false));
        let rows = instants("due_ns")?.zip(instants("sent_ns")?).zip(instants("done_ns")?).zip(good);
        for (((due_ns, sent_ns), done_ns), good) in rows {
            let due = self.bins.place(due_ns.unwrap_or_default());
            self.due[due] += 1;
            if let Some(sent_ns) = sent_ns {
                self.sent[self.bins.place(sent_ns)] += 1;
            }
            let end = done_ns.map_or(due, |done_ns| self.bins.place(done_ns));
            *if good { &mut self.ok[end] } else { &mut self.failed[end] } += 1;
        }
        Ok(())
    }

    /// Counts as rates; `None` where the run covers less than half of the bin, and so too little to tell.
    #[must_use]
    pub fn per_s(&self, counts: &[u64]) -> Vec<Option<f64>> {
        let rate = |(bin, count): (usize, &u64)| {
            let covered_s = self.bins.covered_s(bin);
            (covered_s >= self.bins.width_s() / 2.0).then(|| *count as f64 / covered_s)
        };
        counts.iter().enumerate().map(rate).collect()
    }
}
