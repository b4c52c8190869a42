//! Whether the generator kept the timing: its own lateness, and the inter-arrivals of trace against replay.

use polars::prelude::{DataFrame, PolarsResult, col};
use stats::fidelity::{Fidelity, LatenessLimit, fidelity};
use stats::{Ranked, order};

use crate::distribution::Distribution;
use crate::load::{Run, integers};
use crate::totals::Totals;
use crate::{Error, Result};

/// Points of the inter-arrival distribution.
const GAP_POINTS: usize = 160;

/// Fewer gaps than this have no distribution worth a chart.
const GAPS_MIN: usize = 20;

/// How well the schedule was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    /// The verdict and the figures behind it.
    pub fidelity: Fidelity,
    /// How late the generator was allowed to be.
    pub limit: LatenessLimit,
    /// Whether users set the pace by their answers, so that there was no schedule to be kept.
    pub closed_loop: bool,
    /// The generator's own lateness, sent − due − blocked − queued, of every request that was sent.
    pub lateness: Distribution,
    /// Gaps between requests; `None` for fewer than twenty.
    pub gaps: Option<Gaps>,
    /// Stretches in which the generator was far behind, in their order.
    pub stalls: Vec<Stall>,
}

/// Requests that the generator sent at least [`STALL_NS_MIN`] late, all within [`STALLS_APART_NS_MIN`] of one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stall {
    /// When the first of them was due, ns since run start.
    pub from_ns: i64,
    /// When the last of them was sent on the generator's own account.
    pub to_ns: i64,
    /// How many there are.
    pub requests: u64,
    /// The most that one of them was late, ns.
    pub late_ns_max: i64,
}

/// Less of the generator's own lateness is no stall, ns: what the verdict on timing allows one request in a thousand.
pub const STALL_NS_MIN: i64 = 10_000_000;
/// Late requests whose due instants are closer than this are one stall, ns.
const STALLS_APART_NS_MIN: i64 = 1_000_000_000;

/// Shares of inter-arrival times at or below some durations: as due, and as the generator sent on its own account.
#[derive(Debug, Clone, PartialEq)]
pub struct Gaps {
    /// Durations in ns, rising evenly on a log scale over whole factors of ten.
    pub gap_ns: Vec<f64>,
    /// Share of the due instants' gaps at or below each.
    pub due: Vec<f64>,
    /// Share of the sends' gaps at or below each.
    pub sent: Vec<f64>,
}

impl Timing {
    /// Reads when every sent request was due and when the generator sent it on its own account (sent − blocked − queued).
    ///
    /// # Errors
    /// [`Error::Outcomes`] when a part is damaged.
    pub fn load(run: &Run, totals: &Totals) -> Result<Self> {
        let mut sends = Vec::with_capacity(totals.sent as usize);
        let own = col("sent_ns") - col("blocked_ns") - col("queued_ns");
        let batches =
            run.scan(|outcomes| outcomes.filter(col("sent_ns").is_not_null()).select([col("due_ns"), own.alias("own_ns")]))?;
        for batch in batches {
            take(&batch?, &mut sends).map_err(|e| Error::outcomes(&run.dir, e))?;
        }
        sends.sort_unstable();
        let limit = LatenessLimit::new(run.info.asked["max_lateness_ns"].as_i64());
        let timing = Self::new(sends, totals, limit);
        Ok(if run.info.asked["pacing"] == "closed" { timing.of_closed_loop() } else { timing })
    }

    /// From (due, sent on its own account) by due instant.
    fn new(sends: Vec<(i64, i64)>, totals: &Totals, limit: LatenessLimit) -> Self {
        let fidelity = fidelity(sends.iter().copied(), totals.completeness(), limit);
        let (lateness, stalls) = (lateness(&sends), stalls(&sends));
        let due_ns = gaps(sends.iter().map(|(due_ns, _)| *due_ns));
        let mut own_ns: Vec<i64> = sends.into_iter().map(|(_, own_ns)| own_ns).collect();
        own_ns.sort_unstable();
        let sent_ns = gaps(own_ns.into_iter());
        Self { fidelity, limit, closed_loop: false, lateness, gaps: Gaps::new(&due_ns, &sent_ns), stalls }
    }

    fn of_closed_loop(self) -> Self {
        Self { fidelity: self.fidelity.without_schedule(), closed_loop: true, ..self }
    }
}

fn take(batch: &DataFrame, sends: &mut Vec<(i64, i64)>) -> PolarsResult<()> {
    sends.extend(integers(batch, "due_ns")?.zip(integers(batch, "own_ns")?));
    Ok(())
}

fn lateness(sends: &[(i64, i64)]) -> Distribution {
    let observed: Vec<i64> = sends.iter().map(|(due_ns, own_ns)| own_ns - due_ns).collect();
    Distribution::of(&[&observed])
}

/// From (due, sent on its own account) by due instant.
fn stalls(sends: &[(i64, i64)]) -> Vec<Stall> {
    let mut stalls: Vec<Stall> = Vec::new();
    let mut last_due_ns = i64::MIN;
    for (due_ns, own_ns) in sends.iter().copied().filter(|(due_ns, own_ns)| own_ns - due_ns >= STALL_NS_MIN) {
        let late_ns = own_ns - due_ns;
        match stalls.last_mut() {
            Some(stall) if due_ns - last_due_ns < STALLS_APART_NS_MIN => {
                stall.to_ns = stall.to_ns.max(own_ns);
                stall.requests += 1;
                stall.late_ns_max = stall.late_ns_max.max(late_ns);
            }
            _ => stalls.push(Stall { from_ns: due_ns, to_ns: own_ns, requests: 1, late_ns_max: late_ns }),
        }
        last_due_ns = due_ns;
    }
    stalls
}

/// What lies between instants that rise.
fn gaps(mut instants: impl Iterator<Item = i64>) -> Vec<i64> {
    let Some(mut before) = instants.next() else { return Vec::new() };
    instants.map(|at_ns| at_ns - std::mem::replace(&mut before, at_ns)).collect()
}

impl Gaps {
    /// From the gaps of both sides. The scale begins at the shortest gaps but for the rarest, which would take most of it.
    fn new(due: &[i64], sent: &[i64]) -> Option<Self> {
        let most = due.iter().chain(sent).max()?;
        let least = rare(due)?.min(rare(sent)?);
        if due.len() < GAPS_MIN {
            return None;
        }
        let (from, to) = ((least as f64).log10().floor(), (*most as f64).log10().ceil());
        let decades = (to - from).max(1.0);
        let gap_ns: Vec<f64> =
            (0..=GAP_POINTS).map(|point| 10f64.powf(from + decades * point as f64 / GAP_POINTS as f64)).collect();
        Some(Self { due: shares(due, &gap_ns), sent: shares(sent, &gap_ns), gap_ns })
    }
}

/// The share of the gaps at or below each point; points rise.
fn shares(gaps: &[i64], points_ns: &[f64]) -> Vec<f64> {
    let mut first_at_or_above = vec![0_u64; points_ns.len() + 1];
    gaps.iter().for_each(|gap| first_at_or_above[points_ns.partition_point(|point| *point < *gap as f64)] += 1);
    let mut below = 0;
    let share = |count: u64| {
        below += count;
        below as f64 / gaps.len() as f64
    };
    first_at_or_above.into_iter().take(points_ns.len()).map(share).collect()
}

/// A gap that only one in a thousand of those above zero is shorter than.
fn rare(gaps: &[i64]) -> Option<i64> {
    let positive = gaps.iter().filter(|gap| **gap > 0).count();
    let rank = order::rank(positive, 0.001);
    (rank > 0).then(|| Ranked::new(&[gaps]).at(&[gaps.len() - positive + rank])[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests due every millisecond, each sent 20 µs late; the last five not sent.
    #[test]
    fn a_metronome_that_is_20_us_late_keeps_its_timing() {
        let sends: Vec<(i64, i64)> = (0..1000).map(|i| (i * 1_000_000, i * 1_000_000 + 20_000)).collect();
        let totals = Totals { requests: 1000, sent: 1000, ..Totals::default() };
        let timing = Timing::new(sends, &totals, LatenessLimit::default());
        assert_eq!(timing.fidelity.verdict, Some(stats::fidelity::Verdict::Kept));
        assert_eq!((timing.lateness.min_ns, timing.lateness.max_ns), (Some(20_000), Some(20_000)));
        let gaps = timing.gaps.expect("enough gaps");
        assert_eq!((gaps.due[0], gaps.due[GAP_POINTS]), (1.0, 1.0), "every gap is 1 ms, where the axis begins");
    }

    /// Every 10 ms a request; from 1 s to 1.3 s and from 5 s to 5.1 s the generator stood still and then sent all at once.
    #[test]
    fn a_generator_that_stood_still_is_told_from_when_to_when() {
        const MS: i64 = 1_000_000;
        let own = |due: i64| match due {
            1000..1300 => 1300,
            5000..5100 => 5100,
            _ => due,
        };
        let sends: Vec<(i64, i64)> = (0..1000).map(|i| (i * 10 * MS, own(i * 10) * MS)).collect();
        let stall = |from, to, requests, late| Stall { from_ns: from * MS, to_ns: to * MS, requests, late_ns_max: late * MS };
        assert_eq!(stalls(&sends), [stall(1000, 1300, 30, 300), stall(5000, 5100, 10, 100)], "late by 10 ms or more");
        assert!(stalls(&sends[..100]).is_empty());
    }

    #[test]
    fn shares_of_gaps_are_counted() {
        let gaps: Vec<i64> = (1..=100).map(|i| i * 10).collect();
        let found = Gaps::new(&gaps, &gaps).expect("enough gaps");
        assert!((found.gap_ns[0] - 10.0).abs() < 1e-9 && (found.gap_ns[GAP_POINTS] - 1000.0).abs() < 1e-6);
        assert!((found.due[GAP_POINTS / 2] - 0.10).abs() < 1e-9, "ten gaps of a hundred are at most 100 ns");
        assert_eq!(Gaps::new(&[0, 0], &[0, 0]), None);
    }
}
