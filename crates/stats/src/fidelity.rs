//! Whether a replay kept the timing it was asked for.
//!
//! Judged on the generator's own doing: a request counts as sent at *sent − blocked − queued*, so that waiting for the target's
//! earlier answer, or for a limit that is reported on its own, is not held against the clock. [`FidelityMeter`] takes the sends
//! one by one in fixed memory; [`fidelity`] is the same over anything that can be iterated.

use serde::{Deserialize, Serialize};

use crate::Counts;
use crate::distance::{self, Run};
use crate::moments::Pairs;
use crate::traffic::{Traffic, WindowFigures};

/// Sends may be told this many places out of order; what comes later still is left out of the inter-arrivals, on both sides.
pub const DISORDER_MAX: usize = 65_536;

/// Share of the scheduled requests that may be missing for the generator's own reasons.
const MISSING_SHARE_MAX: f64 = 0.001;
/// Lateness p99 may be this, or [`LATENESS_P99_GAPS_MAX`] of the mean inter-arrival time, whichever is more.
const LATENESS_P99_NS_MAX: f64 = 1e6;
const LATENESS_P99_GAPS_MAX: f64 = 0.05;
const LATENESS_P999_NS_MAX: f64 = 1e7;
/// Fewer requests say nothing of their p99.9: one stall would be all of it. ln 0.05/ln 0.999, where an upper bound of 95 % begins to exist.
const LATENESS_P999_SENT_MIN: u64 = 2995;
/// W1 of the inter-arrivals may be this share of their mean, or [`W1_NS_MAX`]: a perfect clock that spends 5 µs a send has
/// W1/mean of 0.06 and more at 50 000/s.
const W1_GAPS_MAX: f64 = 0.02;
const W1_NS_MAX: f64 = 5e3;
const DISPERSION_ERROR_MAX: f64 = 0.05;
/// Windows with fewer arrivals on average say nothing about dispersion.
const DISPERSION_MEAN_MIN: f64 = 1.0;
const DRIFT_MAX: f64 = 0.001;
/// A criterion missed by less than this factor degrades the timing; by more, loses it.
const DEGRADED_FACTOR: f64 = 3.0;
/// Inter-arrivals are rounded to this before Kolmogorov–Smirnov looks at them, since ties turn any jitter into a large distance.
const KS_QUANTUM_NS: i64 = 100_000;

/// The most that the generator's own lateness may be: by default what is given here, or what a user names who knows that more does not
/// matter for a target as slow as theirs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LatenessLimit {
    named_ns: Option<f64>,
}

impl LatenessLimit {
    /// At most `named_ns` at the 99th percentile where that is given, and ten times as much at the 99.9th.
    #[must_use]
    pub fn new(named_ns: Option<i64>) -> Self {
        Self { named_ns: named_ns.map(|ns| ns as f64) }
    }

    /// What was named, ns.
    #[must_use]
    pub fn named_ns(self) -> Option<f64> {
        self.named_ns
    }

    /// At the 99th percentile, ns, where requests are `gap_ns` apart on average.
    #[must_use]
    pub fn p99_ns(self, gap_ns: f64) -> f64 {
        self.named_ns.unwrap_or(LATENESS_P99_NS_MAX.max(LATENESS_P99_GAPS_MAX * gap_ns))
    }

    /// At the 99.9th percentile, ns.
    #[must_use]
    pub fn p999_ns(self) -> f64 {
        self.named_ns.map_or(LATENESS_P999_NS_MAX, |ns| ns * (LATENESS_P999_NS_MAX / LATENESS_P99_NS_MAX))
    }
}

/// Requests that were due, and what became of those that were never sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Completeness {
    /// Requests that fell due and could be sent: without unreplayable ones, without those after the end or an abort.
    pub scheduled: u64,
    /// Not sent for the generator's own reasons: shed at a limit of workers, bytes or descriptors.
    pub missed_by_generator: u64,
    /// Not sent for the target's reasons: shed at the in-flight limit, no connection to be had.
    pub missed_by_target: u64,
}

/// How well the timing was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every criterion holds.
    Kept,
    /// Some are missed, each by less than a factor of 3.
    Degraded,
    /// Worse, or requests are missing for the generator's own reasons.
    Lost,
}

impl Verdict {
    /// `kept`, `degraded` or `lost`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Degraded => "degraded",
            Self::Lost => "lost",
        }
    }
}

/// What the timing is judged by, in the order in which a miss is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Criterion {
    /// Share of the scheduled requests that are missing for the generator's own reasons, or for none that was given.
    MissingShare,
    /// 99th percentile of the lateness, ns.
    LatenessP99Ns,
    /// 99.9th percentile of the lateness, ns.
    LatenessP999Ns,
    /// Wasserstein-1 distance of the inter-arrivals, sent against scheduled, ns.
    InterArrivalW1Ns,
    /// Largest error of the index of dispersion over the windows: |ln(sent/scheduled)|; below 1 (more regular than Poisson, where
    /// the ratio of two near-zeros means nothing) |sent − scheduled|.
    DispersionError,
    /// Slope of the lateness over time: |relative error of the rate|.
    RateDrift,
}

impl Criterion {
    /// The name as written to files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingShare => "missing_share",
            Self::LatenessP99Ns => "lateness_p99_ns",
            Self::LatenessP999Ns => "lateness_p999_ns",
            Self::InterArrivalW1Ns => "inter_arrival_w1_ns",
            Self::DispersionError => "dispersion_error",
            Self::RateDrift => "rate_drift",
        }
    }
}

/// One criterion with its figure and limit, both in the criterion's unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What is looked at.
    pub criterion: Criterion,
    /// What was found.
    pub value: f64,
    /// The most that is allowed.
    pub limit: f64,
}

impl Check {
    /// Whether the criterion is met.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.value <= self.limit
    }

    fn verdict(&self) -> Verdict {
        match () {
            () if self.holds() => Verdict::Kept,
            () if self.criterion == Criterion::MissingShare => Verdict::Lost,
            () if self.value < DEGRADED_FACTOR * self.limit => Verdict::Degraded,
            () => Verdict::Lost,
        }
    }
}

/// Quantiles of the generator's own delay |sent − due|, ns, nearest rank; from counts in buckets
/// ([`Counts::fine`]), so at most 0.1 % too high.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lateness {
    /// Median.
    pub p50_ns: u64,
    /// 90th percentile.
    pub p90_ns: u64,
    /// 99th percentile.
    pub p99_ns: u64,
    /// 99.9th percentile.
    pub p999_ns: u64,
    /// Largest.
    pub max_ns: u64,
}

/// Counts in windows of one width, as scheduled and as sent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Dispersion {
    /// Width, ns.
    pub window_ns: i64,
    /// Index of dispersion of the due instants.
    pub scheduled: f64,
    /// Index of dispersion of the sends.
    pub sent: f64,
}

impl Dispersion {
    fn of(scheduled: &WindowFigures, sent: &WindowFigures) -> Option<Self> {
        scheduled.mean.filter(|mean| *mean >= DISPERSION_MEAN_MIN)?;
        Some(Self { window_ns: scheduled.window_ns, scheduled: scheduled.idc?, sent: sent.idc? })
    }

    fn error(&self) -> f64 {
        if self.scheduled < 1.0 { (self.sent - self.scheduled).abs() } else { (self.sent / self.scheduled).ln().abs() }
    }
}

/// The verdict on the timing of a replay, with the figures behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fidelity {
    /// `None` where nothing was sent and the generator was not to blame.
    pub verdict: Option<Verdict>,
    /// The first criterion that was missed.
    pub first_failing: Option<Criterion>,
    /// The generator itself was the limit: its lateness or the share it shed is beyond bounds. Such a run is INVALID.
    pub generator_limited: bool,
    /// Requests that fell due and could be sent.
    pub scheduled: u64,
    /// Requests sent.
    pub sent: u64,
    /// Not sent for the generator's own reasons.
    pub missed_by_generator: u64,
    /// Not sent for the target's reasons.
    pub missed_by_target: u64,
    /// Not sent and no reason given: always 0 in a sound run.
    pub unaccounted: u64,
    /// Sends told too late to take part in the inter-arrivals (past [`DISORDER_MAX`]).
    pub unordered: u64,
    /// The generator's own delay; `None` where nothing was sent.
    pub lateness: Option<Lateness>,
    /// Mean inter-arrival time as scheduled, ns.
    pub iat_mean_ns: Option<f64>,
    /// Every criterion there was enough data for.
    pub checks: Vec<Check>,
    /// Index of dispersion, for the windows with at least 30 bins and one arrival each on average.
    pub dispersion: Vec<Dispersion>,
    /// Kolmogorov–Smirnov distance of the inter-arrivals rounded to 100 µs; for information, not judged.
    pub ks_100us: Option<f64>,
}

impl Fidelity {
    /// The same for a closed loop, where a request is due when its user is ready for it: there is no schedule to be kept, only requests
    /// to be sent, and on time.
    #[must_use]
    pub fn without_schedule(mut self) -> Self {
        use Criterion::{LatenessP99Ns, LatenessP999Ns, MissingShare};
        self.checks.retain(|check| matches!(check.criterion, MissingShare | LatenessP99Ns | LatenessP999Ns));
        self.dispersion.clear();
        self.ks_100us = None;
        Self { verdict: verdict(&self.checks, self.sent), first_failing: first_failing(&self.checks), ..self }
    }
}

/// The verdict on sends given as (due, own sent instant), both ns from one origin, in any order that is at most [`DISORDER_MAX`]
/// places off the order of `due`. The own sent instant is sent − blocked − queued.
#[must_use]
pub fn fidelity(sends: impl IntoIterator<Item = (i64, i64)>, completeness: Completeness, limit: LatenessLimit) -> Fidelity {
    let mut meter = FidelityMeter::new();
    sends.into_iter().for_each(|(due_ns, own_sent_ns)| meter.push(due_ns, own_sent_ns));
    meter.finish(completeness, limit)
}

/// Gathers sends one by one; some 5 MiB whatever their number.
#[derive(Debug)]
pub struct FidelityMeter {
    count: u64,
    first_due_ns: Option<i64>,
    lateness_ns: Counts,
    /// Lateness over due instant, both ns.
    drift: Pairs,
    by_due: InOrder<(i64, i64)>,
    by_sent: InOrder<i64>,
    scheduled: Side,
    sent: Side,
}

/// The point process of one side.
#[derive(Debug)]
struct Side {
    traffic: Traffic,
    gaps_ns: Counts,
}

impl Side {
    fn new() -> Self {
        Self { traffic: Traffic::new(), gaps_ns: Counts::fine() }
    }

    fn push(&mut self, at_ns: i64) {
        if let Some(gap_ns) = self.traffic.push(at_ns) {
            self.gaps_ns.add(gap_ns);
        }
    }
}

impl Default for FidelityMeter {
    fn default() -> Self {
        Self::new()
    }
}

impl FidelityMeter {
    /// Nothing sent yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            count: 0,
            first_due_ns: None,
            lateness_ns: Counts::fine(),
            drift: Pairs::default(),
            by_due: InOrder::new(),
            by_sent: InOrder::new(),
            scheduled: Side::new(),
            sent: Side::new(),
        }
    }

    /// One request that was sent: when it was due, and when the generator would have sent it on its own (sent − blocked − queued).
    pub fn push(&mut self, due_ns: i64, own_sent_ns: i64) {
        let origin_ns = *self.first_due_ns.get_or_insert(due_ns);
        self.count += 1;
        self.lateness_ns.add(own_sent_ns.abs_diff(due_ns));
        self.drift.add(due_ns.saturating_sub(origin_ns) as f64, own_sent_ns.saturating_sub(due_ns) as f64);
        self.by_due.push((due_ns, own_sent_ns));
        if self.by_due.is_full() {
            self.drain(DISORDER_MAX);
        }
    }

    /// Hands all but `keep` of the held sends on to the point processes, in the order of each.
    fn drain(&mut self, keep: usize) {
        for (due_ns, own_sent_ns) in self.by_due.take_first(keep) {
            self.scheduled.push(due_ns);
            self.by_sent.push(own_sent_ns);
        }
        self.by_sent.take_first(keep).for_each(|at_ns| self.sent.push(at_ns));
    }

    /// The verdict, where the generator may be as late as `limit` says.
    #[must_use]
    pub fn finish(mut self, completeness: Completeness, limit: LatenessLimit) -> Fidelity {
        self.drain(0);
        let known = self.count + completeness.missed_by_generator + completeness.missed_by_target;
        let unaccounted = completeness.scheduled.saturating_sub(known);
        let (scheduled, sent) = (self.scheduled.traffic.figures(), self.sent.traffic.figures());
        let dispersion: Vec<_> =
            scheduled.windows.iter().zip(&sent.windows).filter_map(|(due, sent)| Dispersion::of(due, sent)).collect();
        let checks = self.checks(&completeness, unaccounted, &dispersion, limit);
        let missed = |criterion| checks.iter().any(|check: &Check| check.criterion == criterion && !check.holds());
        Fidelity {
            verdict: verdict(&checks, self.count),
            first_failing: first_failing(&checks),
            generator_limited: [Criterion::MissingShare, Criterion::LatenessP99Ns, Criterion::LatenessP999Ns]
                .into_iter()
                .any(missed),
            scheduled: completeness.scheduled,
            sent: self.count,
            missed_by_generator: completeness.missed_by_generator,
            missed_by_target: completeness.missed_by_target,
            unaccounted,
            unordered: self.by_due.late + self.by_sent.late,
            lateness: self.lateness(),
            iat_mean_ns: scheduled.iat_mean_ns,
            ks_100us: distance::ks(&rounded(&self.scheduled.gaps_ns), &rounded(&self.sent.gaps_ns)),
            checks,
            dispersion,
        }
    }

    fn lateness(&self) -> Option<Lateness> {
        let at = |p| self.lateness_ns.quantile(p);
        (self.count > 0).then(|| Lateness {
            p50_ns: at(0.5),
            p90_ns: at(0.9),
            p99_ns: at(0.99),
            p999_ns: at(0.999),
            max_ns: self.lateness_ns.max(),
        })
    }

    fn checks(
        &self,
        completeness: &Completeness,
        unaccounted: u64,
        dispersion: &[Dispersion],
        limit: LatenessLimit,
    ) -> Vec<Check> {
        use Criterion::{DispersionError, InterArrivalW1Ns, LatenessP99Ns, LatenessP999Ns, MissingShare, RateDrift};
        let gap_ns = self.scheduled.traffic.figures().iat_mean_ns.unwrap_or(0.0);
        let late_ns_max = limit.p99_ns(gap_ns);
        let mut checks = Vec::new();
        let mut check = |criterion, value: Option<f64>, limit| {
            checks.extend(value.map(|value| Check { criterion, value, limit }));
        };
        check(MissingShare, missing_share(completeness, unaccounted), MISSING_SHARE_MAX);
        let lateness = self.lateness();
        check(LatenessP99Ns, lateness.map(|lateness| lateness.p99_ns as f64), late_ns_max);
        let rare = lateness.filter(|_| self.count >= LATENESS_P999_SENT_MIN);
        check(LatenessP999Ns, rare.map(|lateness| lateness.p999_ns as f64), limit.p999_ns());
        let w1_ns = distance::w1(&self.scheduled.gaps_ns.runs(), &self.sent.gaps_ns.runs());
        check(InterArrivalW1Ns, w1_ns, W1_NS_MAX.max(W1_GAPS_MAX * gap_ns));
        check(DispersionError, dispersion.iter().map(Dispersion::error).reduce(f64::max), DISPERSION_ERROR_MAX);
        check(RateDrift, self.drift.slope().map(f64::abs), self.drift_max(late_ns_max));
        checks
    }

    /// 0.1 %, but over the whole run never less than the lateness that is allowed anyway: in a run of 10 ms even 20 µs of jitter
    /// have a slope.
    fn drift_max(&self, late_ns_max: f64) -> f64 {
        let span_ns = self.scheduled.traffic.figures().span_ns as f64;
        if span_ns > 0.0 { DRIFT_MAX.max(late_ns_max / span_ns) } else { f64::INFINITY }
    }
}

/// `None` where nothing was sent and the generator was not to blame.
fn verdict(checks: &[Check], sent: u64) -> Option<Verdict> {
    checks.iter().map(Check::verdict).max().filter(|verdict| sent > 0 || *verdict == Verdict::Lost)
}

fn first_failing(checks: &[Check]) -> Option<Criterion> {
    checks.iter().find(|check| !check.holds()).map(|check| check.criterion)
}

/// The share missing for the generator's own reasons. Even one request without a reason counts as all.
fn missing_share(completeness: &Completeness, unaccounted: u64) -> Option<f64> {
    let share = completeness.missed_by_generator as f64 / completeness.scheduled as f64;
    (completeness.scheduled > 0).then_some(if unaccounted > 0 { 1.0 } else { share })
}

/// The gaps in units of [`KS_QUANTUM_NS`].
fn rounded(gaps_ns: &Counts) -> Vec<Run> {
    let mut rounded: Vec<Run> = Vec::new();
    for (gap_ns, count) in gaps_ns.runs() {
        let quanta = (gap_ns + KS_QUANTUM_NS / 2) / KS_QUANTUM_NS;
        match rounded.last_mut() {
            Some(last) if last.0 == quanta => last.1 += count,
            _ => rounded.push((quanta, count)),
        }
    }
    rounded
}

/// Puts items in order that come nearly so.
#[derive(Debug)]
struct InOrder<T> {
    held: Vec<T>,
    last: Option<T>,
    /// Items that came after a larger one had been handed on.
    late: u64,
}

impl<T: Ord + Copy> InOrder<T> {
    fn new() -> Self {
        Self { held: Vec::new(), last: None, late: 0 }
    }

    fn push(&mut self, item: T) {
        if self.last.is_some_and(|last| item < last) {
            self.late += 1;
        } else {
            self.held.push(item);
        }
    }

    fn is_full(&self) -> bool {
        self.held.len() >= 2 * DISORDER_MAX
    }

    /// The smallest of the held items, in order; the `keep` largest stay.
    fn take_first(&mut self, keep: usize) -> impl Iterator<Item = T> + use<'_, T> {
        self.held.sort_unstable();
        let take = self.held.len().saturating_sub(keep);
        if take > 0 {
            self.last = Some(self.held[take - 1]);
        }
        self.held.drain(..take)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;
    use proptest::prelude::*;

    /// `n` due instants of a Poisson process of the given rate.
    fn poisson(n: usize, rate_per_s: f64, seed: u64) -> Vec<i64> {
        let (mut rng, mut at_ns) = (Rng::stream(seed, "due"), 0.0);
        std::iter::repeat_with(|| {
            at_ns += rng.exponential() * 1e9 / rate_per_s;
            at_ns as i64
        })
        .take(n)
        .collect()
    }

    /// The verdict on `due` sent with the lateness that `late` says for each (place, due).
    fn judge(due: &[i64], mut late: impl FnMut(usize, i64) -> i64) -> Fidelity {
        let complete = Completeness { scheduled: due.len() as u64, ..Completeness::default() };
        let sends = due.iter().enumerate().map(|(i, due_ns)| (*due_ns, due_ns + late(i, *due_ns)));
        fidelity(sends, complete, LatenessLimit::default())
    }

    fn value(fidelity: &Fidelity, criterion: Criterion) -> f64 {
        fidelity.checks.iter().find(|check| check.criterion == criterion).expect("checked").value
    }

    #[test]
    fn perfect_timing_is_kept_with_nothing_to_report() {
        let found = judge(&poisson(20_000, 1000.0, 1), |_, _| 0);
        assert_eq!((found.verdict, found.first_failing, found.generator_limited), (Some(Verdict::Kept), None, false));
        assert!(found.checks.iter().all(|check| check.value == 0.0) && found.checks.len() == 6, "{found:?}");
        assert_eq!((found.ks_100us, found.unordered, found.unaccounted), (Some(0.0), 0, 0));
        assert_eq!(found.dispersion.iter().map(|d| d.window_ns).collect::<Vec<_>>(), [100_000_000]);
    }

    #[test]
    fn jitter_of_ten_microseconds_is_kept() {
        let mut rng = Rng::stream(2, "jitter");
        let mut jitter = |_, _| (rng.exponential() * 10_000.0) as i64;
        for due in
            [poisson(20_000, 1000.0, 1), (0..20_000).map(|i| i * 1_000_000).collect(), (0..10).map(|i| i * 1_000_000).collect()]
        {
            let found = judge(&due, &mut jitter);
            assert_eq!((found.verdict, found.first_failing), (Some(Verdict::Kept), None), "{found:?}");
        }
    }

    /// A constant delay moves everything alike: only lateness sees it. 2 ms is twice the bound, 4 ms more than thrice.
    #[test]
    fn a_constant_delay_degrades_then_loses() {
        for (delay_ns, verdict) in [(900_000, Verdict::Kept), (2_000_000, Verdict::Degraded), (4_000_000, Verdict::Lost)] {
            let found = judge(&poisson(20_000, 1000.0, 1), |_, _| delay_ns);
            let limited = verdict != Verdict::Kept;
            assert_eq!((found.verdict, found.generator_limited), (Some(verdict), limited), "{delay_ns}");
            assert_eq!(found.first_failing, limited.then_some(Criterion::LatenessP99Ns));
            assert!((value(&found, Criterion::LatenessP99Ns) / delay_ns as f64 - 1.0).abs() < 1e-3);
            assert!(value(&found, Criterion::InterArrivalW1Ns) < 1.0 && value(&found, Criterion::RateDrift) < 1e-9);
        }
    }

    /// Who names 5 ms may be 4 ms late and not 6, and ten times as much at the 99.9th percentile; who names 0.5 ms may not be 0.9 ms late.
    #[test]
    fn a_named_limit_takes_the_place_of_the_default() {
        let due: Vec<i64> = (0..3000).map(|i| i * 1_000_000_000).collect();
        let invalid = |named_ns, late_ns: i64, rare_ns: i64| {
            let late = |i: i64| if i % 500 == 0 { rare_ns } else { late_ns };
            let sends = (0..).zip(&due).map(|(i, due_ns)| (*due_ns, due_ns + late(i)));
            let complete = Completeness { scheduled: 3000, ..Completeness::default() };
            fidelity(sends, complete, LatenessLimit::new(Some(named_ns))).generator_limited
        };
        assert!(!invalid(5_000_000, 4_000_000, 49_000_000));
        assert!(invalid(5_000_000, 6_000_000, 6_000_000));
        assert!(invalid(5_000_000, 4_000_000, 51_000_000));
        assert!(invalid(500_000, 900_000, 900_000));
    }

    /// Two in a thousand requests are 40 ms late, beyond p99.9's 10 ms by more than thrice; of a thousand requests that is two, which say nothing.
    #[test]
    fn a_rare_outlier_is_caught_by_the_last_quantile() {
        let due: Vec<i64> = (0..3000).map(|i| i * 10_000_000_000).collect();
        let late = |i: usize, _| if i.is_multiple_of(500) { 40_000_000 } else { 0 };
        let found = judge(&due, late);
        assert_eq!((found.verdict, found.first_failing), (Some(Verdict::Lost), Some(Criterion::LatenessP999Ns)));
        assert!(!judge(&due[..1000], late).generator_limited);
    }

    /// Sends that fall behind by 0.2 % of the time: the slope is that; it stays below the p99 bound only in a short run.
    #[test]
    fn drift_is_the_slope() {
        let due: Vec<i64> = (0..5000).map(|i| i * 1_000_000).collect();
        let found = judge(&due, |_, due_ns| due_ns / 500);
        assert!((value(&found, Criterion::RateDrift) - 0.002).abs() < 1e-9);
        assert!(found.checks.iter().any(|check| check.criterion == Criterion::RateDrift && !check.holds()));
        let short = judge(&due[..100], |_, due_ns| due_ns / 500);
        assert_eq!(short.verdict, Some(Verdict::Kept), "{short:?}");
    }

    /// Sends released in bursts every 900 µs keep the lateness, but not the inter-arrivals: nearly all gaps become 0 or 900 µs.
    #[test]
    fn batching_is_seen_in_the_inter_arrivals() {
        let found = judge(&poisson(50_000, 10_000.0, 3), |_, due_ns| 900_000 - due_ns.rem_euclid(900_000));
        assert_eq!((found.verdict, found.first_failing), (Some(Verdict::Lost), Some(Criterion::InterArrivalW1Ns)), "{found:?}");
        assert!(!found.generator_limited);
    }

    #[test]
    fn missing_requests_lose_only_for_the_generators_reasons() {
        let due = poisson(10_000, 1000.0, 4);
        let judge = |completeness| fidelity(due.iter().map(|at| (*at, *at)), completeness, LatenessLimit::default());
        let by_target = judge(Completeness { scheduled: 15_000, missed_by_target: 5000, missed_by_generator: 0 });
        assert_eq!((by_target.verdict, by_target.generator_limited), (Some(Verdict::Kept), false));
        let few = judge(Completeness { scheduled: 10_005, missed_by_generator: 5, missed_by_target: 0 });
        assert_eq!((few.verdict, few.generator_limited), (Some(Verdict::Kept), false));
        let many = judge(Completeness { scheduled: 10_020, missed_by_generator: 20, missed_by_target: 0 });
        assert_eq!((many.verdict, many.generator_limited), (Some(Verdict::Lost), true));
        let silent = judge(Completeness { scheduled: 10_001, ..Completeness::default() });
        assert_eq!(
            (silent.verdict, silent.unaccounted, silent.first_failing),
            (Some(Verdict::Lost), 1, Some(Criterion::MissingShare))
        );
    }

    #[test]
    fn nothing_sent_has_no_verdict_but_the_generators_own() {
        let judge = |completeness| fidelity([], completeness, LatenessLimit::default()).verdict;
        assert_eq!(judge(Completeness::default()), None);
        assert_eq!(judge(Completeness { scheduled: 9, missed_by_target: 9, missed_by_generator: 0 }), None);
        assert_eq!(judge(Completeness { scheduled: 9, missed_by_generator: 9, missed_by_target: 0 }), Some(Verdict::Lost));
        let one = fidelity([(5, 7)], Completeness { scheduled: 1, ..Completeness::default() }, LatenessLimit::default());
        assert_eq!(one.verdict, Some(Verdict::Kept));
    }

    /// Told by 2 workers in turns of 10 000, or backwards within the bound: the same verdict to the last figure.
    #[test]
    fn the_order_of_telling_does_not_matter() {
        let (due, mut rng) = (poisson(400_000, 10_000.0, 5), Rng::stream(5, "late"));
        let sends: Vec<_> = due.iter().map(|due_ns| (*due_ns, due_ns + (rng.exponential() * 50_000.0) as i64)).collect();
        let complete = Completeness { scheduled: 400_000, ..Completeness::default() };
        let mut found = fidelity(sends.iter().copied(), complete, LatenessLimit::default());
        let chunks = sends.chunks(10_000).flat_map(|chunk| chunk.iter().rev().copied());
        let mut backwards = fidelity(chunks, complete, LatenessLimit::default());
        // The slope is a running sum: its last bits depend on the order.
        let drift = |fidelity: &mut Fidelity| fidelity.checks.pop().expect("checked").value;
        assert!((drift(&mut found) - drift(&mut backwards)).abs() < 1e-12);
        assert_eq!(found, backwards);
    }

    #[test]
    fn sends_told_far_too_late_are_left_out_on_both_sides() {
        let due: Vec<i64> = (0..300_000).map(|i| i * 100_000).collect();
        let sends = due[1000..].iter().chain(&due[..1000]).map(|at| (*at, *at));
        let found = fidelity(sends, Completeness { scheduled: 300_000, ..Completeness::default() }, LatenessLimit::default());
        assert_eq!((found.unordered, found.sent, found.verdict), (1000, 300_000, Some(Verdict::Kept)));
    }

    #[test]
    fn it_survives_json() {
        let found = judge(&poisson(5000, 1000.0, 6), |i, _| i as i64);
        let text = serde_json::to_string(&found).expect("plain data");
        assert!(text.contains(r#""verdict":"kept""#) && text.contains(r#""criterion":"lateness_p99_ns""#), "{text}");
        let back: Fidelity = serde_json::from_str(&text).expect("its own text");
        assert_eq!((back.verdict, back.lateness, back.checks[1]), (found.verdict, found.lateness, found.checks[1]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// Against exact arrays: the buckets' 0.1 % is all that may differ. A gap is off by no
        /// more than the latenesses of its two ends, so that W1 is bounded by twice the mean lateness.
        #[test]
        fn figures_are_those_of_exact_arrays(seed: u64, scale_ns in 1.0..3e6) {
            let (due, mut rng) = (poisson(2000, 2000.0, seed), Rng::stream(seed, "late"));
            let late: Vec<i64> = due.iter().map(|_| (rng.exponential() * scale_ns) as i64).collect();
            let found = judge(&due, |i, _| late[i]);
            let mut sent: Vec<i64> = due.iter().zip(&late).map(|(due, late)| due + late).collect();
            sent.sort_unstable();
            let gaps = |at: &[i64]| {
                let mut gaps: Vec<i64> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
                gaps.sort_unstable();
                distance::runs(&gaps)
            };
            let w1 = distance::w1(&gaps(&due), &gaps(&sent)).expect("not empty");
            let mean_gap = (due[due.len() - 1] - due[0]) as f64 / (due.len() - 1) as f64;
            let found_w1 = value(&found, Criterion::InterArrivalW1Ns);
            prop_assert!((found_w1 - w1).abs() <= 1e-3 * mean_gap, "{found_w1} against {w1}");
            let mean_late = late.iter().sum::<i64>() as f64 / late.len() as f64;
            prop_assert!(found_w1 <= 2.0 * mean_late + 1e-3 * mean_gap);
            let mut sorted = late.clone();
            sorted.sort_unstable();
            for (p, found) in [(0.5, found.lateness.expect("sent").p50_ns), (0.99, found.lateness.expect("sent").p99_ns)] {
                let exact = crate::order::quantile(&sorted, p).expect("not empty") as f64;
                prop_assert!((found as f64 - exact).abs() <= 1e-3 * exact + 1.0, "{found} against {exact}");
            }
        }
    }
}
