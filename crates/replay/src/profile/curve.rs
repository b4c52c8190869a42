//! The rate of a recording: what its arrivals are freed of.

use serde::Serialize;
use trace::TraceNs;

use crate::limits::CURVE_WINDOWS_MAX;

/// Windows that a recorded rate may be constant on, in seconds: the smallest with [`ARRIVALS_PER_WINDOW`] on average is taken.
const WINDOWS_S: [i64; 4] = [10, 30, 60, 300];
/// Average arrivals in windows that are not empty.
const ARRIVALS_PER_WINDOW: u64 = 20;
const BASE_WINDOW_NS: i64 = WINDOWS_S[0] * 1_000_000_000;

/// Counts arrivals of a trace in windows of 10 s, widened to multiples of it where the trace is longer than the limit.
#[derive(Debug, Clone)]
pub struct CurveCounts {
    window_ns: i64,
    counts: Vec<u64>,
    last: TraceNs,
}

impl Default for CurveCounts {
    fn default() -> Self {
        Self { window_ns: BASE_WINDOW_NS, counts: Vec::new(), last: TraceNs(0) }
    }
}

impl CurveCounts {
    /// One more arrival, not before trace start.
    pub fn add(&mut self, at: TraceNs) {
        let at = TraceNs(at.ns().max(0));
        while at.ns() / self.window_ns >= CURVE_WINDOWS_MAX as i64 {
            self.widen();
        }
        let window = (at.ns() / self.window_ns) as usize;
        if window >= self.counts.len() {
            self.counts.resize(window + 1, 0);
        }
        self.counts[window] += 1;
        self.last = self.last.max(at);
    }

    fn widen(&mut self) {
        self.window_ns *= 2;
        self.counts = joined(&self.counts, 2);
    }

    /// The curve of what was counted.
    #[must_use]
    pub fn curve(&self) -> Curve {
        let base_s = self.window_ns / 1_000_000_000;
        let fits = |times: usize| {
            let counts = joined(&self.counts, times);
            let total: u64 = counts.iter().sum();
            total >= ARRIVALS_PER_WINDOW * counts.iter().filter(|count| **count > 0).count() as u64
        };
        let mut widths =
            WINDOWS_S.iter().filter(|window_s| **window_s % base_s == 0).map(|window_s| (window_s / base_s) as usize);
        let times = widths.clone().find(|times| fits(*times)).or(widths.next_back()).unwrap_or(1);
        Curve::new(self.window_ns * times as i64, &joined(&self.counts, times), self.last)
    }
}

fn joined(counts: &[u64], times: usize) -> Vec<u64> {
    counts.chunks(times).map(|group| group.iter().sum()).collect()
}

/// The recorded cumulative rate Λ_rec: constant on windows of equal width, the last of which ends with the last arrival.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curve {
    /// Width of a window, ns.
    pub window_ns: i64,
    /// The last arrival, ns since trace start.
    pub span_ns: i64,
    /// Arrivals before each window, and in all.
    pub cumulative: Vec<u64>,
    /// How it goes on after the last arrival; `None` where it does not.
    pub repeats: Option<Repeats>,
}

/// The passes of a looped trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Repeats {
    /// From the start of one to the start of the next, ns; more than the span.
    pub period_ns: i64,
    /// How many, the first among them; `None` for no end.
    pub passes: Option<u64>,
}

impl Curve {
    fn new(window_ns: i64, counts: &[u64], last: TraceNs) -> Self {
        let mut cumulative = vec![0];
        cumulative.extend(counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        }));
        Self { window_ns, span_ns: last.ns(), cumulative, repeats: None }
    }

    /// The same over and over: Λ(t + k·period) = Λ(t) + k·total. All arrivals but one fall within the span and the last one between it
    /// and the next pass, so that no two passes meet in one instant.
    #[must_use]
    pub fn repeated(self, repeats: Option<Repeats>) -> Self {
        Self { repeats, ..self }
    }

    /// When the last arrival is; `None` where there is no last one.
    #[must_use]
    pub fn ends_at(&self) -> Option<TraceNs> {
        let Some(Repeats { period_ns, passes }) = self.repeats else { return Some(TraceNs(self.span_ns)) };
        Some(TraceNs((passes? - 1) as i64 * period_ns + self.span_ns))
    }

    /// The share of a pass's arrivals that fall within its span.
    fn within_share(&self) -> f64 {
        self.repeats.map_or(1.0, |_| 1.0 - 1.0 / self.total().max(1) as f64)
    }

    /// How many passes begin before that of `at`, and when in its pass it is.
    fn pass_of(&self, at: TraceNs) -> (i64, TraceNs) {
        let Some(Repeats { period_ns, .. }) = self.repeats else { return (0, at) };
        (at.ns().div_euclid(period_ns), TraceNs(at.ns().rem_euclid(period_ns)))
    }

    /// From the last arrival of a pass to the first of the next, ns.
    fn seam_ns(&self) -> f64 {
        self.repeats.map_or(0.0, |repeats| (repeats.period_ns - self.span_ns) as f64)
    }

    /// Arrivals in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.cumulative.last().copied().unwrap_or(0)
    }

    /// First and last instant of a window, and the arrivals before and in it.
    fn window(&self, index: usize) -> (i64, i64, f64, f64) {
        let begin = index as i64 * self.window_ns;
        let end = (begin + self.window_ns).min(self.span_ns);
        let before = self.cumulative[index];
        (begin, end, before as f64, (self.cumulative[index + 1] - before) as f64)
    }

    fn windows(&self) -> usize {
        self.cumulative.len() - 1
    }

    /// Arrivals per second at `at`.
    #[must_use]
    pub fn rate_at(&self, at: TraceNs) -> f64 {
        let (_, at) = self.pass_of(at);
        if at.ns() > self.span_ns && self.repeats.is_some() {
            return 1e9 / self.seam_ns();
        }
        let index = at.ns().max(0) / self.window_ns;
        if index >= self.windows() as i64 || at.ns() > self.span_ns {
            return 0.0;
        }
        let (begin, end, _, count) = self.window(index as usize);
        if end > begin { self.within_share() * count / (end - begin) as f64 * 1e9 } else { 0.0 }
    }

    /// Λ_rec(`at`): arrivals until `at`, from 0 at trace start to all of them at the last one, or at the start of the next pass.
    #[must_use]
    pub fn cumulative(&self, at: TraceNs) -> f64 {
        let (passes, at) = self.pass_of(at);
        let seam = if at.ns() > self.span_ns { (at.ns() - self.span_ns) as f64 / self.seam_ns() } else { 0.0 };
        let before = passes as f64 * self.total() as f64;
        before + self.within_share() * self.cumulative_within(at) + if self.repeats.is_some() { seam } else { 0.0 }
    }

    /// As [`Curve::cumulative`] in a trace of one pass.
    fn cumulative_within(&self, at: TraceNs) -> f64 {
        let index = at.ns().max(0) / self.window_ns;
        if index >= self.windows() as i64 {
            return self.total() as f64;
        }
        let (begin, end, before, count) = self.window(index as usize);
        let share = if end > begin { (at.ns().max(0) - begin) as f64 / (end - begin) as f64 } else { 0.0 };
        before + count * share.min(1.0)
    }

    /// The first instant at which Λ_rec reaches `arrivals`.
    #[must_use]
    pub fn inverse(&self, arrivals: f64) -> TraceNs {
        let Some(Repeats { period_ns, .. }) = self.repeats else { return self.inverse_within(arrivals) };
        let (total, share) = (self.total().max(1) as f64, self.within_share());
        let passes = (arrivals / total).floor();
        let in_pass = arrivals - passes * total;
        let at_ns = match in_pass - share * total {
            seam if seam > 0.0 => self.span_ns + (seam * self.seam_ns()).round() as i64,
            _ if in_pass > 0.0 => self.inverse_within(in_pass / share).ns(),
            _ => 0,
        };
        TraceNs(passes as i64 * period_ns + at_ns)
    }

    /// As [`Curve::inverse`] in a trace of one pass.
    fn inverse_within(&self, arrivals: f64) -> TraceNs {
        let after = self.cumulative.partition_point(|sum| (*sum as f64) < arrivals);
        if after == 0 || after > self.windows() {
            return TraceNs(if after == 0 { 0 } else { self.span_ns });
        }
        let (begin, end, before, count) = self.window(after - 1);
        TraceNs(begin + ((arrivals - before) / count * (end - begin) as f64).round() as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn curve(instants: &[i64]) -> Curve {
        let mut counts = CurveCounts::default();
        instants.iter().for_each(|at| counts.add(TraceNs(*at)));
        counts.curve()
    }

    #[test]
    fn the_window_is_the_smallest_with_twenty_arrivals_on_average() {
        let each = |gap_s: f64| curve(&(0..1000).map(|i| (i as f64 * gap_s * 1e9) as i64).collect::<Vec<_>>());
        // 10 s hold 20 arrivals at 2/s and more, 30 s at 2/3 per s, 60 s at 1/3 per s.
        assert_eq!(each(0.4).window_ns, 10_000_000_000);
        assert_eq!(each(1.4).window_ns, 30_000_000_000);
        assert_eq!(each(2.9).window_ns, 60_000_000_000);
        assert_eq!(each(14.0).window_ns, 300_000_000_000);
    }

    #[test]
    fn a_long_trace_gets_wider_windows() {
        let mut counts = CurveCounts::default();
        counts.add(TraceNs(0));
        counts.add(TraceNs(CURVE_WINDOWS_MAX as i64 * BASE_WINDOW_NS));
        assert_eq!(counts.window_ns, 2 * BASE_WINDOW_NS);
        assert_eq!(counts.curve().total(), 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_curve_inverts_itself(gaps in prop::collection::vec(0_i64..2_000_000_000, 2..200), share in 0.0_f64..1.0) {
            let instants: Vec<i64> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
            let curve = curve(&instants);
            let arrivals = share * curve.total() as f64;
            let at = curve.inverse(arrivals);
            // Instants are whole nanoseconds: the answer is off by what arrives within one.
            let step = (curve.rate_at(at) + curve.rate_at(at + -2) + curve.rate_at(at + 2)) * 2e-9;
            prop_assert!((curve.cumulative(at) - arrivals).abs() <= 1e-6 + step, "{arrivals}");
        }

        #[test]
        fn a_looped_curve_adds_its_total_with_each_pass_and_inverts_itself(
            gaps in prop::collection::vec(0_i64..2_000_000_000, 2..200), gap_ns in 1_i64..2_000_000_000, share in 0.0_f64..5.0,
            back_ns in 0_i64..400_000_000_000,
        ) {
            let instants: Vec<i64> = gaps.iter().scan(-gaps[0], |at, gap| { *at += gap; Some(*at) }).collect();
            let once = curve(&instants);
            let (span_ns, total) = (once.span_ns, once.total() as f64);
            let period_ns = span_ns + gap_ns;
            let looped = once.repeated(Some(Repeats { period_ns, passes: Some(7) }));
            prop_assert_eq!(looped.ends_at(), Some(TraceNs(6 * period_ns + span_ns)));
            prop_assert_eq!(looped.cumulative(TraceNs(3 * period_ns)), 3.0 * total);
            prop_assert!((looped.cumulative(TraceNs(3 * period_ns + span_ns)) - (4.0 * total - 1.0)).abs() < 1e-6);
            let at = TraceNs(back_ns % period_ns);
            prop_assert!((looped.cumulative(at + 5 * period_ns) - looped.cumulative(at) - 5.0 * total).abs() < 1e-6);
            let arrivals = share * total;
            let at = looped.inverse(arrivals);
            let step = (looped.rate_at(at) + looped.rate_at(at + -2) + looped.rate_at(at + 2)) * 2e-9;
            prop_assert!((looped.cumulative(at) - arrivals).abs() <= 1e-6 + step, "{arrivals}");
        }

        #[test]
        fn the_cumulative_rate_rises_from_none_to_all(gaps in prop::collection::vec(1_i64..9_000_000_000, 2..200)) {
            let instants: Vec<i64> = gaps.iter().scan(-gaps[0], |at, gap| { *at += gap; Some(*at) }).collect();
            let curve = curve(&instants);
            prop_assert_eq!(curve.cumulative(TraceNs(0)), 0.0);
            prop_assert_eq!(curve.cumulative(TraceNs(curve.span_ns)), instants.len() as f64);
            prop_assert!(instants.windows(2).all(|pair| curve.cumulative(TraceNs(pair[0])) <= curve.cumulative(TraceNs(pair[1]))));
        }
    }
}
