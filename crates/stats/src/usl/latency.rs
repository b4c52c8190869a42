//! Latency over load, R(λ) = a/(1 − λ/µ): the response time of a queue with one bottleneck (Lazowska et al. 1984, *Quantitative System
//! Performance*, §3.4, and exactly that of M/M/1), fitted to what was measured at a few loads.

use serde::{Deserialize, Serialize};

use super::{CONFIDENCE, EXTRAPOLATION_MAX, Refusal, range};
use crate::Interval;
use crate::probability::{bisect, student_two_sided_quantile};
use crate::sample::{mean, squares};

/// Different loads a fit needs.
const LOADS_MIN: usize = 4;
/// Steps of the first look over λ_max/µ.
const GRID: usize = 400;

/// The response time, a median as a rule, at one load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LatencyPoint {
    /// Requests per second, λ.
    pub per_s: f64,
    /// Response time, in any unit.
    pub latency: f64,
}

/// The fitted curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LatencyLoad {
    /// The response time without load, a.
    pub unloaded: f64,
    /// The rate at which the curve has its pole, µ. Its upper end is `None` where the loads were too small to bend the curve.
    pub capacity_per_s: f64,
    /// Lower end of the interval of µ: all of the µ that a profile likelihood does not exclude.
    pub capacity_low_per_s: f64,
    /// Upper end, likewise.
    pub capacity_high_per_s: Option<f64>,
    /// Standard deviation of ln(latency) around the curve.
    pub residual: f64,
    /// The largest load measured.
    pub measured_max_per_s: f64,
}

impl LatencyLoad {
    /// Fits by least squares of ln R: errors of a latency are proportional to it. The interval of µ holds all with
    /// S(µ) ≤ S_min·(1 + t²/(n − 2)) (Bates & Watts 1988, *Nonlinear Regression Analysis*, §6.1.1).
    ///
    /// # Errors
    /// A [`Refusal`] for fewer than four different loads, loads too close together, values that are not above 0, or latencies that do not
    /// rise with load.
    pub fn fit(points: &[LatencyPoint]) -> Result<Self, Refusal> {
        let (_, most) = range(points.iter().map(|p| (p.per_s, p.latency)), LOADS_MIN)?;
        let logs = |used: f64| -> Vec<f64> {
            points.iter().map(|p| libm::log(p.latency) + libm::log1p(-used * p.per_s / most)).collect()
        };
        let left_over = |used: f64| squares(&logs(used));
        let grid = |i: usize| i as f64 / (GRID + 1) as f64;
        let at = (0..=GRID).min_by(|a, b| left_over(grid(*a)).total_cmp(&left_over(grid(*b)))).ok_or(Refusal::NoShape)?;
        if at == 0 {
            return Err(Refusal::NoShape);
        }
        let upper = if at == GRID { 1.0 - 1e-9 } else { grid(at + 1) };
        let used = minimum(grid(at - 1), upper, left_over);
        let degrees = points.len() as f64 - 2.0;
        let least = left_over(used);
        let t = student_two_sided_quantile(CONFIDENCE, degrees);
        let bound = least * (1.0 + t * t / degrees);
        let most_used = bisect(used, 1.0 - 1e-12, |u| left_over(u) <= bound);
        let least_used = (left_over(0.0) > bound).then(|| bisect(0.0, used, |u| left_over(u) > bound));
        Ok(Self {
            unloaded: libm::exp(mean(&logs(used))),
            capacity_per_s: most / used,
            capacity_low_per_s: most / most_used,
            capacity_high_per_s: least_used.map(|used| most / used),
            residual: (least / degrees).sqrt(),
            measured_max_per_s: most,
        })
    }

    /// The response time at a load. `None` beyond 1.1 × the largest load measured, or at or past the lower end of the capacity.
    #[must_use]
    pub fn latency(&self, per_s: f64) -> Option<f64> {
        let bearable = per_s >= 0.0 && per_s <= EXTRAPOLATION_MAX * self.measured_max_per_s && per_s < self.capacity_low_per_s;
        bearable.then(|| self.unloaded / (1.0 - per_s / self.capacity_per_s))
    }

    /// The load at which the response time reaches a limit, λ = µ(1 − a/R), with the ends that µ's interval gives. `None` where the limit
    /// is below the unloaded time, or the load beyond what [`Self::latency`] answers for.
    #[must_use]
    pub fn load_within(&self, latency_max: f64) -> Option<Interval> {
        let share = 1.0 - self.unloaded / latency_max;
        let value = self.capacity_per_s * share;
        self.latency(value).filter(|_| share > 0.0)?;
        let high = self.capacity_high_per_s.unwrap_or(f64::INFINITY) * share;
        Some(Interval {
            value,
            low: self.capacity_low_per_s * share,
            high: high.min(EXTRAPOLATION_MAX * self.measured_max_per_s),
        })
    }
}

/// Where a function with one valley between `low` and `high` is least (golden section: Kiefer 1953, Proc. AMS 4(3)).
fn minimum(mut low: f64, mut high: f64, f: impl Fn(f64) -> f64) -> f64 {
    let golden = 0.5 * (5.0_f64.sqrt() - 1.0);
    for _ in 0..90 {
        let (left, right) = (high - golden * (high - low), low + golden * (high - low));
        if f(left) <= f(right) { high = right } else { low = left }
    }
    f64::midpoint(low, high)
}
