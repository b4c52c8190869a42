//! Latency over load: the median response time of a queue with `c` servers, R(λ) = a·m_c(λ/µ)/m_c(0), fitted to what was measured at a few
//! loads. m_c(ρ) is the median of M/M/c in units of a service time (Erlang C); for one server R = a/(1 − λ/µ) (Lazowska et al. 1984,
//! *Quantitative System Performance*, §3.4). More servers keep the curve flat for longer: one server's curve, fitted to four, puts the pole
//! far too high.

use std::ops::RangeInclusive;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::{CONFIDENCE, EXTRAPOLATION_MAX, Refusal, range};
use crate::probability::{bisect, student_two_sided_quantile};
use crate::queueing::Mmc;

/// Different loads a fit needs: three parameters, and one to contradict them.
const LOADS_MIN: usize = 4;
/// Steps of the look over λ_max/µ.
const GRID: usize = 100;
/// Steps of the look over the interval of λ_max/µ for the band.
const CURVES: usize = 40;
/// Servers that are tried.
const SERVERS: [u32; 12] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128];
/// Places at which a shape is known; it is interpolated between them.
const PLACES: usize = 160;
/// The largest λ/µ with a place of its own.
const NEAR_POLE: f64 = 1.0 - 1e-9;

/// The median response time at one load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LatencyPoint {
    /// Requests per second, λ.
    pub per_s: f64,
    /// Response time, in any unit.
    pub latency: f64,
    /// Standard error of ln(latency): a latency near the pole is known far less well than one of an idle server.
    pub error: f64,
}

/// The fitted curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LatencyLoad {
    /// The response time without load, a.
    pub unloaded: f64,
    /// How many servers the curve is that of, c; one bottleneck that works on so many requests at a time.
    pub servers: u32,
    /// The rate at which the curve has its pole, µ (of all servers together).
    pub capacity_per_s: f64,
    /// Lower end of the interval of µ: all of the µ that a profile likelihood does not exclude, with whatever number of servers.
    pub capacity_low_per_s: f64,
    /// Upper end, likewise; `None` where the loads were too small to bend the curve.
    pub capacity_high_per_s: Option<f64>,
    /// Standard deviation around the curve, in units of the points' own errors: well above 1 where the target is no such queue.
    pub residual: f64,
    /// The largest load measured.
    pub measured_max_per_s: f64,
    /// The curves that the interval does not exclude.
    #[serde(skip)]
    within: Vec<Within>,
}

/// A curve that the interval does not exclude.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Within {
    servers: u32,
    capacity_per_s: f64,
    ln_unloaded: f64,
    /// So far ln a may lie from that.
    ln_unloaded_by: f64,
}

impl LatencyLoad {
    /// Fits by least squares of ln R, weighted by the points' errors. The interval of µ holds all with S(µ) ≤ S_min + t²·max(1, S_min/(n − 3))
    /// (Bates & Watts 1988, *Nonlinear Regression Analysis*, §6.1.1), S(µ) being the least over all numbers of servers. Since these are tried as
    /// well, it holds the truth rather more often than in 95 of a hundred cases (simulated: 99).
    ///
    /// # Errors
    /// A [`Refusal`] for fewer than four different loads, loads too close together, values that are not above 0, or latencies that do not
    /// rise with load.
    pub fn fit(points: &[LatencyPoint]) -> Result<Self, Refusal> {
        let (_, most) = range(points.iter().map(|p| (p.per_s, p.latency * p.error)), LOADS_MIN)?;
        if !rises(points) {
            return Err(Refusal::NoShape);
        }
        let shapes = shapes();
        let squares =
            |used: f64| shapes.iter().map(|shape| Fitted::at(points, shape, used / most).squares).fold(f64::MAX, f64::min);
        let grid = |i: usize| NEAR_POLE * i as f64 / GRID as f64;
        let seen: Vec<f64> = (0..=GRID).map(|i| squares(grid(i))).collect();
        let at = (0..=GRID).min_by(|a, b| seen[*a].total_cmp(&seen[*b])).ok_or(Refusal::NoShape)?;
        if at == 0 {
            return Err(Refusal::NoShape);
        }
        let used = minimum(grid(at - 1), grid((at + 1).min(GRID)), squares);
        let degrees = (points.len() as f64 - 3.0).max(1.0);
        let least = squares(used);
        let t = student_two_sided_quantile(CONFIDENCE, degrees);
        let bound = least + t * t * (least / degrees).max(1.0);
        let holds = |u: f64| squares(u) <= bound;
        let last = (at..=GRID).rev().find(|i| seen[*i] <= bound).map_or(used, |i| grid(i).max(used));
        let first = (0..=at).find(|i| seen[*i] <= bound).map_or(used, |i| grid(i).min(used));
        let most_used = bisect(last, (last + 1.0 / GRID as f64).min(NEAR_POLE), holds);
        let least_used = (first > 0.0).then(|| bisect((first - 1.0 / GRID as f64).max(0.0), first, |u| !holds(u)));
        let best =
            shapes.iter().map(|shape| Fitted::at(points, shape, used / most)).min_by(|a, b| a.squares.total_cmp(&b.squares));
        let best = best.ok_or(Refusal::NoShape)?;
        Ok(Self {
            unloaded: libm::exp(best.ln_unloaded),
            servers: best.servers,
            capacity_per_s: most / used,
            capacity_low_per_s: most / most_used,
            capacity_high_per_s: least_used.map(|used| most / used),
            residual: (least / degrees).sqrt(),
            measured_max_per_s: most,
            within: within(points, least_used.unwrap_or(0.0)..=most_used, most, bound),
        })
    }

    /// The response time at a load. `None` beyond 1.1 × the largest load measured, or at or past the lower end of the capacity.
    #[must_use]
    pub fn latency(&self, per_s: f64) -> Option<f64> {
        let bearable = per_s >= 0.0 && per_s <= EXTRAPOLATION_MAX * self.measured_max_per_s && per_s < self.capacity_low_per_s;
        bearable.then(|| self.unloaded * libm::exp(Shape::of(self.servers).ln_rise(per_s / self.capacity_per_s)))
    }

    /// Both ends of the response time at a load, 95 %: the least and the most over all curves, a, µ and c, whose S is within the same bound as for
    /// the interval of µ. `None` where [`LatencyLoad::latency`] is.
    #[must_use]
    pub fn latency_ends(&self, per_s: f64) -> Option<(f64, f64)> {
        self.latency(per_s)?;
        let ln_ends = self.within.iter().map(|one| {
            let ln = one.ln_unloaded + Shape::of(one.servers).ln_rise(per_s / one.capacity_per_s);
            (ln - one.ln_unloaded_by, ln + one.ln_unloaded_by)
        });
        ln_ends.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).map(|(low, high)| (libm::exp(low), libm::exp(high)))
    }
}

/// The curves with S ≤ `bound`, λ_max/µ being in `used`.
fn within(points: &[LatencyPoint], used: RangeInclusive<f64>, most: f64, bound: f64) -> Vec<Within> {
    let weights: f64 = points.iter().map(|p| p.error.powi(-2)).sum();
    let (from, to) = used.into_inner();
    let places = (0..=CURVES).map(|i| (from + (to - from) * i as f64 / CURVES as f64).max(1e-9));
    let at = |used: f64| shapes().iter().map(move |shape| (used, Fitted::at(points, shape, used / most)));
    let inside = places.flat_map(at).filter(|(_, fitted)| fitted.squares <= bound);
    inside
        .map(|(used, fitted)| Within {
            servers: fitted.servers,
            capacity_per_s: most / used,
            ln_unloaded: fitted.ln_unloaded,
            ln_unloaded_by: ((bound - fitted.squares) / weights).sqrt(),
        })
        .collect()
}

/// Whether ln R rises with the load on the whole: the sign of its weighted slope.
fn rises(points: &[LatencyPoint]) -> bool {
    let weight = |p: &LatencyPoint| p.error.powi(-2);
    let mean_load = points.iter().map(|p| weight(p) * p.per_s).sum::<f64>() / points.iter().map(weight).sum::<f64>();
    points.iter().map(|p| weight(p) * (p.per_s - mean_load) * libm::log(p.latency)).sum::<f64>() > 0.0
}

/// How the response time of so many servers rises with λ/µ.
struct Shape {
    servers: u32,
    /// ln(m(ρ)/m(0)) + ln(1 − ρ) at ρ = 1 − (1 − i/PLACES)²: without the pole it is smooth.
    ln_smooth: Vec<f64>,
}

/// One for each of [`SERVERS`].
fn shapes() -> &'static [Shape] {
    static SHAPES: OnceLock<Vec<Shape>> = OnceLock::new();
    SHAPES.get_or_init(|| SERVERS.map(Shape::new).into())
}

impl Shape {
    /// That of a number of [`SERVERS`].
    fn of(servers: u32) -> &'static Self {
        shapes().iter().find(|shape| shape.servers == servers).unwrap_or(&shapes()[0])
    }

    fn new(servers: u32) -> Self {
        let at = |place: usize| {
            let rho = (1.0 - (1.0 - place as f64 / PLACES as f64).powi(2)).clamp(1e-9, NEAR_POLE);
            let median_s =
                Mmc::new(servers, rho * f64::from(servers), 1.0).map_or(f64::NAN, |queue| queue.sojourn_quantile_s(0.5));
            libm::log(median_s / std::f64::consts::LN_2) + libm::log1p(-rho)
        };
        Self { servers, ln_smooth: (0..=PLACES).map(at).collect() }
    }

    /// ln(R(ρ)/R(0)).
    fn ln_rise(&self, rho: f64) -> f64 {
        let rho = rho.min(NEAR_POLE);
        let place = (1.0 - (1.0 - rho).sqrt()) * PLACES as f64;
        let (below, share) = ((place as usize).min(PLACES - 1), place.fract());
        let share = if place as usize >= PLACES { 1.0 } else { share };
        self.ln_smooth[below] * (1.0 - share) + self.ln_smooth[below + 1] * share - libm::log1p(-rho)
    }
}

/// The best a for one shape and one µ.
struct Fitted {
    servers: u32,
    ln_unloaded: f64,
    squares: f64,
}

impl Fitted {
    /// `per_capacity` is 1/µ.
    fn at(points: &[LatencyPoint], shape: &Shape, per_capacity: f64) -> Self {
        let ln_unloaded = |p: &LatencyPoint| libm::log(p.latency) - shape.ln_rise(p.per_s * per_capacity);
        let weights: f64 = points.iter().map(|p| p.error.powi(-2)).sum();
        let mean = points.iter().map(|p| ln_unloaded(p) * p.error.powi(-2)).sum::<f64>() / weights;
        let squares = points.iter().map(|p| ((ln_unloaded(p) - mean) / p.error).powi(2)).sum();
        Self { servers: shape.servers, ln_unloaded: mean, squares }
    }
}

/// Where a function with one valley between `low` and `high` is least (golden section: Kiefer 1953, Proc. AMS 4(3)).
fn minimum(mut low: f64, mut high: f64, f: impl Fn(f64) -> f64) -> f64 {
    let golden = 0.5 * (5.0_f64.sqrt() - 1.0);
    for _ in 0..60 {
        let (left, right) = (high - golden * (high - low), low + golden * (high - low));
        if f(left) <= f(right) { high = right } else { low = left }
    }
    f64::midpoint(low, high)
}
