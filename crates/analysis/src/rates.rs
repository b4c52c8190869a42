//! Offered, achieved and good throughput over time.

use polars::prelude::{DataFrame, PolarsResult, col};

use crate::bins::Bins;
use crate::load::Run;
use crate::totals::{Totals, is_shed};
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
    /// Requests that a limit kept from being sent.
    pub shed: Vec<u64>,
    /// Requests sent and neither answered nor given up, on average over the bin.
    pub in_flight: Vec<f64>,
}

/// The number under way over time, from the instants at which it changes: an integral for each bin, in ns.
struct UnderWay {
    /// What requests that came or went inside a bin add to its integral.
    inside_ns: Vec<i64>,
    /// By how much the number at the beginning of each bin differs from that at the beginning of the bin before.
    steps: Vec<i64>,
}

impl UnderWay {
    fn new(bins: &Bins) -> Self {
        Self { inside_ns: vec![0; bins.count], steps: vec![0; bins.count + 1] }
    }

    /// One more (`by` = 1) or one less (−1) from that instant on.
    fn change(&mut self, bins: &Bins, at_ns: i64, by: i64) {
        let at_ns = at_ns.clamp(bins.start_ns, bins.end_ns);
        let bin = bins.place(at_ns);
        self.inside_ns[bin] += by * (bins.until_ns(bin) - at_ns);
        self.steps[bin + 1] += by;
    }

    fn means(&self, bins: &Bins) -> Vec<f64> {
        let mut at_begin = 0;
        let mean = |(bin, inside_ns): (usize, &i64)| {
            at_begin += self.steps[bin];
            let width_ns = (bins.until_ns(bin) - bins.since_ns(bin)).max(1);
            at_begin as f64 + *inside_ns as f64 / width_ns as f64
        };
        self.inside_ns.iter().enumerate().map(mean).collect()
    }
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
        let mut under_way = UnderWay::new(&bins);
        let mut rates = Self {
            due: empty.clone(),
            sent: empty.clone(),
            ok: empty.clone(),
            failed: empty.clone(),
            shed: empty,
            in_flight: Vec::new(),
            bins,
        };
        let shed = is_shed().alias("shed");
        let columns = [col("due_ns"), col("sent_ns"), col("done_ns"), col("ok"), shed];
        for batch in run.scan(|outcomes| outcomes.select(columns))? {
            rates.take(&batch?, &mut under_way).map_err(|e| Error::outcomes(&run.dir, e))?;
        }
        rates.in_flight = under_way.means(&rates.bins);
        Ok(rates)
    }

    fn take(&mut self, batch: &DataFrame, under_way: &mut UnderWay) -> PolarsResult<()> {
        let instants = |name| PolarsResult::Ok(batch.column(name)?.i64()?.iter());
        let flags = |name| PolarsResult::Ok(batch.column(name)?.bool()?.iter().map(|flag| flag.unwrap_or(false)));
        let rows = instants("due_ns")?.zip(instants("sent_ns")?).zip(instants("done_ns")?).zip(flags("ok")?.zip(flags("shed")?));
        for (((due_ns, sent_ns), done_ns), (good, shed)) in rows {
            let due = self.bins.place(due_ns.unwrap_or_default());
            self.due[due] += 1;
            if let Some(sent_ns) = sent_ns {
                self.sent[self.bins.place(sent_ns)] += 1;
                under_way.change(&self.bins, sent_ns, 1);
                under_way.change(&self.bins, done_ns.unwrap_or(self.bins.end_ns), -1);
            }
            self.shed[due] += u64::from(shed);
            let end = done_ns.map_or(due, |done_ns| self.bins.place(done_ns));
            *if good { &mut self.ok[end] } else { &mut self.failed[end] } += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    /// One request from 0.5 s to 2.25 s, another from 2 s to 2.5 s, in bins of a second, the last of which is half covered.
    #[test]
    fn the_number_under_way_is_an_average_over_time() {
        let bins = Bins { start_ns: 0, end_ns: 7 * S / 2, width_ns: S, count: 4 };
        let mut under_way = UnderWay::new(&bins);
        for (from_ns, to_ns) in [(S / 2, 9 * S / 4), (2 * S, 5 * S / 2)] {
            under_way.change(&bins, from_ns, 1);
            under_way.change(&bins, to_ns, -1);
        }
        assert_eq!(under_way.means(&bins), [0.5, 1.0, 0.75, 0.0]);
    }
}
