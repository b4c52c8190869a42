//! The longest time without a good answer while requests were due.

use polars::prelude::{DataFrame, PolarsResult, col, lit};
use serde::Serialize;

use crate::bins::Bins;
use crate::latency::Latency;
use crate::load::integers;
use crate::totals::Totals;
use crate::{Error, Result, Run, units};

/// Bins of the first look; what is shorter than one is not seen.
const BINS_MAX: i64 = 16_384;
/// Shorter ones are hiccups, ns.
const LENGTH_NS_MIN: i64 = 100_000_000;
/// So many median response times without an answer are no mere wait.
const MEDIANS_MIN: i64 = 10;
/// Requests that have to be hit.
const REQUESTS_MIN: u64 = 10;
/// Without a request for so long, nothing is known of the target, ns.
const IDLE_NS_MAX: i64 = 10_000_000_000;

/// A time in which no request got a good answer, though some were due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Silence {
    /// The last good answer before, or the first request that was due after nothing had been to do; ns since run start.
    pub from_ns: i64,
    /// The next good answer, or the end of the run.
    pub to_ns: i64,
    /// Requests due before its end whose answers, good or bad, did not come before its start.
    pub requests: u64,
    /// Those of them that never got a good answer.
    pub failed: u64,
}

/// What happened in a bin.
#[derive(Debug, Clone, Copy)]
struct Bin {
    due: u64,
    /// Requests that fell due less those that were done.
    change: i64,
    failed: u64,
    first_due_ns: i64,
    first_good_ns: i64,
    last_good_ns: i64,
}

const EMPTY: Bin = Bin { due: 0, change: 0, failed: 0, first_due_ns: i64::MAX, first_good_ns: i64::MAX, last_good_ns: i64::MIN };

impl Silence {
    /// One pass over the run, and a look at the rows of the longest silence, if there is one.
    ///
    /// # Errors
    /// [`Error::Outcomes`] when a part is damaged.
    pub fn load(run: &Run, totals: &Totals, latency: &Latency) -> Result<Option<Self>> {
        let end_ns = totals.last_done_ns.unwrap_or(totals.last_due_ns).max(totals.last_due_ns);
        let bins = Bins::exactly(totals.first_due_ns, end_ns, BINS_MAX);
        let mut course = vec![EMPTY; bins.count];
        for batch in run.scan(|outcomes| outcomes.select([col("due_ns"), col("done_ns"), col("ok")]))? {
            take(&batch?, &bins, &mut course).map_err(|e| Error::outcomes(&run.dir, e))?;
        }
        let median_ns = latency.overall.response.value_ns(0.5).unwrap_or(0);
        let length_ns_min = LENGTH_NS_MIN.max(MEDIANS_MIN.saturating_mul(median_ns));
        let longest = longest(&course, &bins, length_ns_min);
        longest.map(|(from_ns, to_ns)| Self::between(run, from_ns, to_ns)).transpose()
    }

    /// How long it was and whom it hit: two parts of a sentence.
    pub(crate) fn told(&self) -> (String, String) {
        let length = units::duration((self.to_ns - self.from_ns) as f64);
        let (hit, failed) = (units::counted(self.requests, "request"), units::count(self.failed));
        (length, format!("{hit} were hit, {failed} of them failed"))
    }

    fn between(run: &Run, from_ns: i64, to_ns: i64) -> Result<Self> {
        let waiting = col("due_ns").lt(lit(to_ns)).and(col("done_ns").gt(lit(from_ns)).or(col("done_ns").is_null()));
        // One that was never sent is hit where it was due.
        let since = col("done_ns").is_not_null().or(col("due_ns").gt_eq(lit(from_ns)));
        let mut silence = Self { from_ns, to_ns, requests: 0, failed: 0 };
        for batch in run.scan(|outcomes| outcomes.filter(waiting.and(since)).select([col("ok")]))? {
            let batch = batch?;
            let good = batch.column("ok").and_then(|ok| Ok(ok.bool()?.iter().filter(|ok| *ok == Some(true)).count()));
            silence.requests += batch.height() as u64;
            silence.failed += (batch.height() - good.map_err(|e| Error::outcomes(&run.dir, e))?) as u64;
        }
        Ok(silence)
    }
}

fn take(batch: &DataFrame, bins: &Bins, course: &mut [Bin]) -> PolarsResult<()> {
    let done = batch.column("done_ns")?.i64()?.iter();
    let good = batch.column("ok")?.bool()?.iter().map(|ok| ok.unwrap_or(false));
    for ((due_ns, done_ns), good) in integers(batch, "due_ns")?.zip(done).zip(good) {
        let due = &mut course[bins.place(due_ns)];
        due.due += 1;
        due.change += 1;
        due.failed += u64::from(!good);
        due.first_due_ns = due.first_due_ns.min(due_ns);
        let done_ns = done_ns.unwrap_or(due_ns);
        let done = &mut course[bins.place(done_ns)];
        done.change -= 1;
        if good {
            done.first_good_ns = done.first_good_ns.min(done_ns);
            done.last_good_ns = done.last_good_ns.max(done_ns);
        }
    }
    Ok(())
}

/// A time without a good answer, as far as it has come.
struct Gap {
    from_ns: i64,
    requests: u64,
    failed: u64,
    /// The end of the last bin in which something was under way.
    busy_until_ns: i64,
}

/// The longest time without a good answer that is long enough and hits enough requests.
fn longest(course: &[Bin], bins: &Bins, length_ns_min: i64) -> Option<(i64, i64)> {
    let mut longest: Option<(i64, i64)> = None;
    let mut close = |gap: &Gap, to_ns: i64| {
        let length_ns = to_ns - gap.from_ns;
        let counts = gap.requests >= REQUESTS_MIN && length_ns >= length_ns_min;
        if counts && longest.is_none_or(|(from_ns, to_ns)| length_ns > to_ns - from_ns) {
            longest = Some((gap.from_ns, to_ns));
        }
    };
    let (mut gap, mut under_way): (Option<Gap>, i64) = (None, 0);
    for (place, bin) in course.iter().enumerate() {
        let until_ns = bins.until_ns(place);
        if bin.due > 0 || under_way > 0 {
            let begin = || Gap { from_ns: bin.first_due_ns, requests: 0, failed: 0, busy_until_ns: until_ns };
            let gap = gap.get_or_insert_with(begin);
            (gap.requests, gap.failed, gap.busy_until_ns) = (gap.requests + bin.due, gap.failed + bin.failed, until_ns);
        }
        under_way += bin.change;
        if bin.last_good_ns > i64::MIN {
            gap.iter().for_each(|gap| close(gap, bin.first_good_ns));
            let still = under_way.max(0).cast_unsigned();
            gap = (still > 0).then_some(Gap { from_ns: bin.last_good_ns, requests: still, failed: 0, busy_until_ns: until_ns });
        } else if gap.as_ref().is_some_and(|gap| under_way == 0 && is_over(gap, until_ns)) {
            gap.take().filter(|gap| gap.failed > 0).iter().for_each(|gap| close(gap, gap.busy_until_ns));
        }
    }
    gap.filter(|gap| gap.failed > 0).iter().for_each(|gap| close(gap, gap.busy_until_ns));
    longest
}

/// With nothing under way, a time without good answers is over at once where no request failed in it.
fn is_over(gap: &Gap, now_ns: i64) -> bool {
    gap.failed == 0 || now_ns - gap.busy_until_ns > IDLE_NS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    /// Due, done and good of each request, ms.
    fn found(requests: &[(i64, i64, bool)]) -> Option<(i64, i64)> {
        let end = requests.iter().map(|request| request.1).max().unwrap_or(0);
        let bins = Bins::exactly(0, end * MS, end.max(1));
        let mut course = vec![EMPTY; bins.count];
        for (due, done, good) in requests {
            let frame = polars::df!("due_ns" => [due * MS], "done_ns" => [done * MS], "ok" => [*good]).unwrap();
            take(&frame, &bins, &mut course).unwrap();
        }
        longest(&course, &bins, 100 * MS).map(|(from_ns, to_ns)| (from_ns / MS, to_ns / MS))
    }

    /// A request every 10 ms that takes 5 ms, but for a stretch.
    fn steady(but: impl Fn(i64) -> Option<(i64, bool)>) -> Vec<(i64, i64, bool)> {
        let request = |number: i64| {
            let due = number * 10;
            let (done, good) = but(due).unwrap_or((due + 5, true));
            (due, done, good)
        };
        (0..200).map(request).collect()
    }

    #[test]
    fn steady_answers_are_no_silence() {
        assert_eq!(found(&steady(|_| None)), None);
    }

    #[test]
    fn a_stall_lasts_from_the_last_good_answer_to_the_next() {
        // From 500 ms on everything waits until 900 ms.
        let stall = |due: i64| (500..900).contains(&due).then_some((900 + due / 100, true));
        assert_eq!(found(&steady(stall)), Some((500, 905)), "nothing was under way from 495 ms until the request of 500 ms");
    }

    #[test]
    fn refusals_are_an_silence_though_nothing_waits() {
        let refused = |due: i64| (500..900).contains(&due).then_some((due + 1, false));
        assert_eq!(found(&steady(refused)), Some((500, 905)));
        let to_the_end = |due: i64| (due >= 500).then_some((due + 1, false));
        assert_eq!(found(&steady(to_the_end)).map(|silence| silence.0), Some(500));
        assert_eq!(found(&steady(|due| Some((due + 1, false)))).map(|silence| silence.0), Some(0), "from the first request on");
    }

    #[test]
    fn idle_time_is_no_silence() {
        let mut requests = steady(|_| None);
        requests.extend((0..100).map(|number| (20_000 + number * 10, 20_005 + number * 10, true)));
        assert_eq!(found(&requests), None);
        requests.push((40_000, 40_001, false));
        requests.push((60_000, 60_001, true));
        assert_eq!(found(&requests), None, "one failure, and then nothing to do for 20 s");
    }

    #[test]
    fn few_requests_are_no_silence() {
        let stall = |due: i64| (500..580).contains(&due).then_some((800, true));
        let mut requests = steady(stall);
        requests.retain(|request| !(580..800).contains(&request.0));
        assert_eq!(found(&requests), None, "eight requests took long");
    }
}
