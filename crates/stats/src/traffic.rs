//! The character of traffic over time: rate, burstiness, memory, dispersion. One pass over arrival instants, in fixed memory.

use serde::{Deserialize, Serialize};

use crate::moments::{Moments, Pairs};

/// The windows at which counts are looked at: 0.1, 1, 10 and 60 s.
pub const WINDOWS_NS: [i64; 4] = [100_000_000, 1_000_000_000, 10_000_000_000, 60_000_000_000];

/// Fewer bins than this say nothing about dispersion.
pub const BINS_MIN: u64 = 30;

/// Gathers arrival instants in time order.
#[derive(Debug, Clone)]
pub struct Traffic {
    first_ns: Option<i64>,
    last_ns: i64,
    last_gap_ns: Option<u64>,
    gaps: Moments,
    zero_gaps: u64,
    /// Each gap with the one after it.
    neighbours: Pairs,
    windows: [Bins; WINDOWS_NS.len()],
}

/// Counts in bins of one width; the bin in progress is not yet among them.
#[derive(Debug, Clone, Copy)]
struct Bins {
    width_ns: i64,
    /// End of the bin in progress, ns since the first arrival.
    end_ns: u64,
    in_current: u64,
    closed: Moments,
}

impl Bins {
    fn new(width_ns: i64) -> Self {
        Self { width_ns, end_ns: width_ns.unsigned_abs(), in_current: 0, closed: Moments::default() }
    }

    fn add(&mut self, since_first_ns: u64) {
        if since_first_ns >= self.end_ns {
            self.close_until(since_first_ns);
        }
        self.in_current += 1;
    }

    fn close_until(&mut self, since_first_ns: u64) {
        let width_ns = self.width_ns.unsigned_abs();
        let empty = (since_first_ns - self.end_ns) / width_ns;
        self.closed.add(self.in_current);
        self.closed.add_zeros(empty);
        (self.in_current, self.end_ns) = (0, self.end_ns.saturating_add((empty + 1).saturating_mul(width_ns)));
    }

    fn figures(&self) -> WindowFigures {
        let mean = self.closed.mean();
        let enough = self.closed.count >= BINS_MIN;
        let per_mean = |x: f64| mean.filter(|mean| enough && *mean > 0.0).map(|mean| x / mean);
        WindowFigures {
            window_ns: self.width_ns,
            bins: self.closed.count,
            mean,
            max: self.closed.max,
            idc: self.closed.variance().and_then(per_mean),
            peak_to_mean: per_mean(self.closed.max as f64),
        }
    }
}

impl Default for Traffic {
    fn default() -> Self {
        Self::new()
    }
}

impl Traffic {
    /// Nothing seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            first_ns: None,
            last_ns: 0,
            last_gap_ns: None,
            gaps: Moments::default(),
            zero_gaps: 0,
            neighbours: Pairs::default(),
            windows: WINDOWS_NS.map(Bins::new),
        }
    }

    /// One more arrival, in ns from any origin. An instant before the last one counts as equal to it. Returns the gap to the
    /// arrival before, in ns; `None` for the first.
    pub fn push(&mut self, at_ns: i64) -> Option<u64> {
        let Some(first_ns) = self.first_ns else {
            (self.first_ns, self.last_ns) = (Some(at_ns), at_ns);
            self.windows.iter_mut().for_each(|bins| bins.add(0));
            return None;
        };
        let at_ns = at_ns.max(self.last_ns);
        let gap_ns = at_ns.abs_diff(self.last_ns);
        self.last_ns = at_ns;
        self.gap(gap_ns);
        let since_first_ns = at_ns.abs_diff(first_ns);
        self.windows.iter_mut().for_each(|bins| bins.add(since_first_ns));
        Some(gap_ns)
    }

    fn gap(&mut self, gap_ns: u64) {
        if let Some(before_ns) = self.last_gap_ns.replace(gap_ns) {
            self.neighbours.add(before_ns as f64, gap_ns as f64);
        }
        self.zero_gaps += u64::from(gap_ns == 0);
        self.gaps.add(gap_ns);
    }

    /// What has been seen so far.
    #[must_use]
    pub fn figures(&self) -> TrafficFigures {
        let positive_mean_ns = self.gaps.mean().filter(|mean| *mean > 0.0);
        let cv = positive_mean_ns.zip(self.gaps.variance()).map(|(mean, variance)| variance.sqrt() / mean);
        TrafficFigures {
            count: self.gaps.count + u64::from(self.first_ns.is_some()),
            span_ns: self.first_ns.map_or(0, |first_ns| self.last_ns - first_ns),
            rate_per_s: positive_mean_ns.map(|mean| 1e9 / mean),
            iat_mean_ns: self.gaps.mean(),
            iat_cv: cv,
            iat_scv: cv.map(|cv| cv * cv),
            burstiness: cv.map(|cv| (cv - 1.0) / (cv + 1.0)),
            memory: self.neighbours.correlation(),
            zero_gap_share: (self.gaps.count > 0).then(|| self.zero_gaps as f64 / self.gaps.count as f64),
            windows: self.windows.map(|bins| bins.figures()),
        }
    }
}

/// The figures of a point process. Means and deviations are of the population; `None` where there are too few arrivals to say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrafficFigures {
    /// Arrivals.
    pub count: u64,
    /// From the first to the last arrival, ns.
    pub span_ns: i64,
    /// 1 / mean gap.
    pub rate_per_s: Option<f64>,
    /// Mean inter-arrival time, ns.
    pub iat_mean_ns: Option<f64>,
    /// Coefficient of variation of the inter-arrival times, σ/m.
    pub iat_cv: Option<f64>,
    /// Its square.
    pub iat_scv: Option<f64>,
    /// (CV − 1)/(CV + 1): −1 regular, 0 Poisson, towards 1 bursty (Goh & Barabási 2008, EPL 81 48002).
    pub burstiness: Option<f64>,
    /// Correlation of neighbouring inter-arrival times (same paper).
    pub memory: Option<f64>,
    /// Share of inter-arrival times that are 0.
    pub zero_gap_share: Option<f64>,
    /// Counts in windows, one entry for each of [`WINDOWS_NS`].
    pub windows: [WindowFigures; WINDOWS_NS.len()],
}

/// Counts N in windows of one width, aligned to the first arrival; the last, partial window is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WindowFigures {
    /// Width, ns.
    pub window_ns: i64,
    /// Whole windows.
    pub bins: u64,
    /// Mean N.
    pub mean: Option<f64>,
    /// Largest N.
    pub max: u64,
    /// Index of dispersion Var N / mean N; `None` below [`BINS_MIN`] windows. 1 for a Poisson process.
    pub idc: Option<f64>,
    /// Largest N / mean N; `None` below [`BINS_MIN`] windows.
    pub peak_to_mean: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn figures(arrivals_ns: &[i64]) -> TrafficFigures {
        let mut traffic = Traffic::new();
        for at_ns in arrivals_ns {
            traffic.push(*at_ns);
        }
        traffic.figures()
    }

    fn near(found: Option<f64>, expected: f64) {
        let found = found.expect("enough arrivals");
        assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{found} instead of {expected}");
    }

    #[test]
    fn too_little_says_nothing() {
        let none = figures(&[]);
        assert_eq!((none.count, none.rate_per_s, none.iat_cv, none.memory, none.zero_gap_share), (0, None, None, None, None));
        let one = figures(&[5]);
        assert_eq!((one.count, one.span_ns, one.rate_per_s), (1, 0, None));
        let together = figures(&[5, 5, 5]);
        assert_eq!((together.rate_per_s, together.iat_cv, together.zero_gap_share), (None, None, Some(1.0)));
        assert!(figures(&[0, 1, 2_000_000_000]).windows.iter().all(|w| w.idc.is_none() && w.peak_to_mean.is_none()));
    }

    #[test]
    fn a_metronome_has_no_dispersion() {
        let beats: Vec<i64> = (0..=6000).map(|i| i * 10_000_000).collect();
        let figures = figures(&beats);
        near(figures.rate_per_s, 100.0);
        assert_eq!((figures.iat_cv, figures.burstiness, figures.memory), (Some(0.0), Some(-1.0), None));
        assert_eq!((figures.windows[0].bins, figures.windows[0].mean, figures.windows[0].idc), (600, Some(10.0), Some(0.0)));
        assert_eq!((figures.windows[1].bins, figures.windows[1].peak_to_mean), (60, Some(1.0)));
        assert_eq!((figures.windows[2].bins, figures.windows[2].idc, figures.windows[3].bins), (6, None, 1));
    }

    /// Gaps 1, 3, 1, 3 …: mean 2, deviation 1, neighbours perfectly opposed.
    #[test]
    fn alternating_gaps_remember_the_opposite() {
        let arrivals: Vec<i64> = (0..1001).map(|i| i / 2 * 4 + i % 2).collect();
        let figures = figures(&arrivals);
        near(figures.iat_cv, 0.5);
        near(figures.burstiness, -1.0 / 3.0);
        near(figures.memory, -1.0);
    }

    /// Each arrival f times: of f gaps one is as it was and the others are 0, so SCV → f(SCV + 1) − 1 up to the end effect 1/n; IDC → f·IDC.
    #[test]
    fn duplication_multiplies_dispersion() {
        let mut rng = crate::Rng::stream(9, "duplication");
        let mut at_ns = 0;
        let once: Vec<i64> = std::iter::repeat_with(|| {
            at_ns += (rng.exponential() * 2e7) as i64;
            at_ns
        })
        .take(20_000)
        .collect();
        let four: Vec<i64> = once.iter().flat_map(|at_ns| [*at_ns; 4]).collect();
        let (once, four) = (figures(&once), figures(&four));
        let law = 4.0 * (once.iat_scv.expect("gaps") + 1.0) - 1.0;
        assert!((four.iat_scv.expect("gaps") / law - 1.0).abs() < 1e-3);
        assert!((four.zero_gap_share.expect("gaps") - 0.75).abs() < 1e-4);
        for (before, after) in once.windows.iter().zip(&four.windows).take(3) {
            near(after.idc, 4.0 * before.idc.expect("bins"));
            near(after.peak_to_mean, before.peak_to_mean.expect("bins"));
        }
    }

    #[test]
    fn an_arrival_out_of_order_counts_as_a_tie() {
        assert_eq!(figures(&[0, 10, 5, 20]), figures(&[0, 10, 10, 20]));
    }

    /// Everything again the slow way: arrays of gaps and counts.
    fn naive(arrivals_ns: &[i64], width_ns: i64) -> (f64, f64, f64) {
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let variance = |v: &[f64]| v.iter().map(|x| (x - mean(v)).powi(2)).sum::<f64>() / v.len() as f64;
        let gaps: Vec<f64> = arrivals_ns.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let (left, right) = (&gaps[..gaps.len() - 1], &gaps[1..]);
        let products: Vec<f64> = left.iter().zip(right).map(|(a, b)| (a - mean(left)) * (b - mean(right))).collect();
        let memory = mean(&products) / (variance(left) * variance(right)).sqrt();
        let whole = (arrivals_ns[arrivals_ns.len() - 1] - arrivals_ns[0]) / width_ns;
        let counts: Vec<f64> = (0..whole)
            .map(|bin| arrivals_ns.iter().filter(|at| (*at - arrivals_ns[0]) / width_ns == bin).count() as f64)
            .collect();
        (variance(&gaps).sqrt() / mean(&gaps), memory, variance(&counts) / mean(&counts))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn one_pass_gives_what_arrays_give(gaps in proptest::collection::vec(0_i64..90_000_000, 90..200), start in -1_000_000_i64..1_000_000) {
            let arrivals: Vec<i64> = gaps.iter().scan(start, |at, gap| { *at += gap; Some(*at) }).collect();
            let (figures, (cv, memory, idc)) = (figures(&arrivals), naive(&arrivals, WINDOWS_NS[0]));
            prop_assert!((figures.iat_cv.expect("gaps") - cv).abs() < 1e-9);
            prop_assert!((figures.memory.expect("gaps") - memory).abs() < 1e-9);
            if let Some(found) = figures.windows[0].idc {
                prop_assert!((found - idc).abs() < 1e-9);
            }
        }
    }
}
