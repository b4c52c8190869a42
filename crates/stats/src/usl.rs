//! Capacity from a few measured loads: the Universal Scalability Law, and latency over load.

mod latency;

pub use latency::{LatencyLoad, LatencyPoint};

use serde::{Deserialize, Serialize};

use crate::Interval;
use crate::probability::student_two_sided_quantile;

/// Different concurrencies a fit needs: three parameters, and as many points to contradict them.
pub const POINTS_MIN: usize = 6;
/// A law is not asked beyond this multiple of the largest load it was fitted on.
pub const EXTRAPOLATION_MAX: f64 = 1.1;
/// Confidence of every interval here.
pub const CONFIDENCE: f64 = 0.95;
/// Steps of one descent.
const STEPS_MAX: usize = 400;
/// Where α and β start; the best of all descents is taken.
const STARTS: [[f64; 2]; 5] = [[0.01, 1e-4], [0.1, 1e-2], [0.5, 1e-3], [1e-3, 1e-6], [0.9, 0.1]];

/// Throughput at one concurrency. In an open loop concurrency is throughput × mean response time (Little 1961, Oper. Res. 9(3)).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Requests in flight, N, or users, or nodes.
    pub concurrency: f64,
    /// Answers per second, X.
    pub per_s: f64,
}

/// Why there is no fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Fewer than so many different loads.
    TooFew {
        /// How many there are.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// A load, throughput or latency is not a number above 0.
    NotPositive,
    /// The largest load is less than twice the smallest.
    TooNarrow,
    /// Throughput does not rise with concurrency at all, or latency not with load: there is nothing to fit.
    NoShape,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooFew { found, needed } => {
                let loads = if *found == 1 { "load is" } else { "different loads are" };
                write!(f, "{found} {loads} too few for a fit: measure at least {needed}")
            }
            Self::NotPositive => f.write_str("a load, throughput or latency is not above 0"),
            Self::TooNarrow => f.write_str("the largest load is less than twice the smallest: measure over a wider range"),
            Self::NoShape => f.write_str("the measurements do not have the shape of the law"),
        }
    }
}

impl std::error::Error for Refusal {}

/// X(N) = γN/(1 + α(N − 1) + βN(N − 1)) (Gunther 2007, *Guerrilla Capacity Planning*, eq. 4.31 with γ = X(1) free).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Usl {
    /// Contention α ≥ 0: the share of the work that only one can do at a time.
    pub contention: Interval,
    /// Coherence β ≥ 0: the cost of agreeing, for every pair.
    pub coherence: Interval,
    /// Throughput of one, γ.
    pub single_per_s: Interval,
    /// √(residual sum of squares/degrees of freedom).
    pub residual_per_s: f64,
    /// The peak, where the data tell of one: β is above 0 with all of its interval.
    pub peak: Option<Peak>,
    /// The smallest and the largest concurrency measured.
    pub measured: (f64, f64),
    /// Covariance of the estimates (α, β, γ); rows of a parameter on its bound are 0.
    covariance: [[f64; 3]; 3],
    degrees: f64,
}

/// Where more concurrency begins to cost throughput.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    /// N* = √((1 − α)/β).
    pub concurrency: Interval,
    /// X(N*).
    pub per_s: Interval,
    /// Whether all of the interval of N* lies within the loads that were measured; otherwise it is the law's word alone.
    pub within_measured: bool,
}

impl Usl {
    /// Fits by least squares with α, β ≥ 0: the best of the descents with both free, one of them 0, and both 0, from several starts each.
    /// Intervals are those of the linearized law, (JᵀJ)⁻¹s² with Student's t (Seber & Wild 1989, *Nonlinear Regression*, §5.1); those of α
    /// and β end at 0.
    ///
    /// # Errors
    /// A [`Refusal`] where the points are too few, too close together, or not numbers above 0.
    pub fn fit(points: &[Point]) -> Result<Self, Refusal> {
        let measured = range(points.iter().map(|p| (p.concurrency, p.per_s)), POINTS_MIN)?;
        let free = [[true, true], [true, false], [false, true], [false, false]];
        let descents = free.iter().flat_map(|free| STARTS.iter().filter_map(|start| Descent::run(points, *free, *start)));
        let best = descents.min_by(|a, b| a.squares.total_cmp(&b.squares)).ok_or(Refusal::NoShape)?;
        Self::from_descent(points, &best, measured).ok_or(Refusal::NoShape)
    }

    fn from_descent(points: &[Point], best: &Descent, measured: (f64, f64)) -> Option<Self> {
        let parameters = [best.at[0], best.at[1], best.single];
        let free = [parameters[0] > 0.0, parameters[1] > 0.0, true];
        let degrees = points.len() as f64 - free.iter().filter(|free| **free).count() as f64;
        let variance = best.squares / degrees;
        let mut information = [[0.0; 3]; 3];
        for point in points {
            let slope = gradient(parameters, point.concurrency);
            for (i, row) in information.iter_mut().enumerate() {
                row.iter_mut().enumerate().for_each(|(j, sum)| *sum += slope[i] * slope[j]);
            }
        }
        let covariance = inverse(information, free)?.map(|row| row.map(|v| v * variance));
        let t = student_two_sided_quantile(CONFIDENCE, degrees);
        let around = |i: usize, least: f64| {
            let half = t * covariance[i][i].max(0.0).sqrt();
            Interval { value: parameters[i], low: (parameters[i] - half).max(least), high: parameters[i] + half }
        };
        let (contention, coherence) = (around(0, 0.0), around(1, 0.0));
        let residual_per_s = variance.sqrt();
        let single_per_s = around(2, f64::NEG_INFINITY);
        let mut law = Self { contention, coherence, single_per_s, residual_per_s, peak: None, measured, covariance, degrees };
        law.peak = law.find_peak();
        Some(law)
    }

    fn parameters(&self) -> [f64; 3] {
        [self.contention.value, self.coherence.value, self.single_per_s.value]
    }

    /// N* and X* with intervals by the delta method on their logarithms.
    fn find_peak(&self) -> Option<Peak> {
        let [alpha, beta, gamma] = self.parameters();
        if self.coherence.low <= 0.0 || alpha >= 1.0 {
            return None;
        }
        let at = ((1.0 - alpha) / beta).sqrt();
        let peak_per_s = law(self.parameters(), at);
        let half = |slope: [f64; 3]| self.half_width(slope);
        let at_half = half([-0.5 / (1.0 - alpha), -0.5 / beta, 0.0]);
        // At N* the throughput does not change with N, so only the direct change with the parameters counts.
        let per_s_half = half(gradient([alpha, beta, gamma], at).map(|slope| slope / peak_per_s));
        let around = |value: f64, half: f64| Interval { value, low: value * libm::exp(-half), high: value * libm::exp(half) };
        let concurrency = around(at, at_half);
        let within_measured = concurrency.high <= self.measured.1;
        Some(Peak { concurrency, per_s: around(peak_per_s, per_s_half), within_measured })
    }

    /// t·√(gᵀCg).
    fn half_width(&self, slope: [f64; 3]) -> f64 {
        let quadratic = |i: usize| (0..3).map(|j| slope[i] * self.covariance[i][j] * slope[j]).sum::<f64>();
        let variance: f64 = (0..3).map(quadratic).sum();
        student_two_sided_quantile(CONFIDENCE, self.degrees) * variance.max(0.0).sqrt()
    }

    /// The mean throughput at a concurrency, with its interval. `None` below 0 or beyond [`EXTRAPOLATION_MAX`] × the largest measured.
    #[must_use]
    pub fn per_s(&self, concurrency: f64) -> Option<Interval> {
        let bearable = concurrency >= 0.0 && concurrency <= EXTRAPOLATION_MAX * self.measured.1;
        bearable.then(|| {
            let (value, half) = (law(self.parameters(), concurrency), self.half_width(gradient(self.parameters(), concurrency)));
            Interval { value, low: (value - half).max(0.0), high: value + half }
        })
    }

    /// Where contention alone would have halved what one more adds: 1/α. `None` for α = 0.
    #[must_use]
    pub fn optimum(&self) -> Option<f64> {
        (self.contention.value > 0.0).then(|| 1.0 / self.contention.value)
    }

    /// The throughput that contention alone would never let through: γ/α. `None` for α = 0.
    #[must_use]
    pub fn ceiling_per_s(&self) -> Option<f64> {
        self.optimum().map(|optimum| self.single_per_s.value * optimum)
    }

    /// Standard errors of α, β and γ; 0 for one on its bound.
    #[must_use]
    pub fn standard_errors(&self) -> [f64; 3] {
        std::array::from_fn(|i| self.covariance[i][i].max(0.0).sqrt())
    }
}

/// The smallest and largest of the loads, where they are enough, positive and apart.
fn range(points: impl Iterator<Item = (f64, f64)>, needed: usize) -> Result<(f64, f64), Refusal> {
    let (mut loads, mut sound) = (Vec::new(), true);
    for (load, measured) in points {
        sound &= load > 0.0 && load.is_finite() && measured > 0.0 && measured.is_finite();
        loads.push(load);
    }
    if !sound {
        return Err(Refusal::NotPositive);
    }
    loads.sort_unstable_by(f64::total_cmp);
    loads.dedup();
    if loads.len() < needed {
        return Err(Refusal::TooFew { found: loads.len(), needed });
    }
    let (low, high) = (loads[0], loads[loads.len() - 1]);
    if high < 2.0 * low { Err(Refusal::TooNarrow) } else { Ok((low, high)) }
}

/// N/(1 + α(N − 1) + βN(N − 1)).
fn shape(alpha: f64, beta: f64, n: f64) -> f64 {
    n / (1.0 + (alpha + beta * n) * (n - 1.0))
}

fn law([alpha, beta, gamma]: [f64; 3], n: f64) -> f64 {
    gamma * shape(alpha, beta, n)
}

/// The derivatives of X(N) by α, β and γ.
fn gradient([alpha, beta, gamma]: [f64; 3], n: f64) -> [f64; 3] {
    let shape = shape(alpha, beta, n);
    let by_alpha = -gamma * shape * shape * (n - 1.0) / n;
    [by_alpha, by_alpha * n, shape]
}

/// A descent over α and β (Levenberg 1944; Marquardt 1963), γ being the best one for each of them: it enters linearly (Golub & Pereyra
/// 1973, SIAM J. Numer. Anal. 10(2)).
struct Descent {
    at: [f64; 2],
    single: f64,
    squares: f64,
}

impl Descent {
    fn run(points: &[Point], free: [bool; 2], start: [f64; 2]) -> Option<Self> {
        // β has the scale 1/N²: starts are given for N around 10.
        let scale = points.iter().map(|p| p.concurrency).fold(0.0, f64::max) / 10.0;
        let start = [start[0], start[1] / scale.max(1.0).powi(2)];
        let mut here = Self::at(points, std::array::from_fn(|i| if free[i] { start[i] } else { 0.0 }))?;
        let mut damping = 1e-3;
        for _ in 0..STEPS_MAX {
            let Some(next) = here.step(points, free, damping).filter(|next| next.squares < here.squares) else {
                damping *= 8.0;
                if damping > 1e12 {
                    break;
                }
                continue;
            };
            let gained = (here.squares - next.squares) / here.squares.max(f64::MIN_POSITIVE);
            here = next;
            damping = (damping / 8.0).max(1e-12);
            if gained < 1e-15 {
                break;
            }
        }
        Some(here)
    }

    fn at(points: &[Point], at: [f64; 2]) -> Option<Self> {
        let shapes = || points.iter().map(|p| (shape(at[0], at[1], p.concurrency), p.per_s));
        let (top, bottom) = shapes().fold((0.0, 0.0), |(top, bottom), (shape, x)| (top + shape * x, bottom + shape * shape));
        let single = top / bottom;
        let squares = shapes().map(|(shape, x)| (x - single * shape).powi(2)).sum();
        (single.is_finite() && single > 0.0 && shapes().all(|(shape, _)| shape > 0.0)).then_some(Self { at, single, squares })
    }

    /// One damped step over (α, β, γ), with α and β held at 0 or above.
    fn step(&self, points: &[Point], free: [bool; 2], damping: f64) -> Option<Self> {
        let (parameters, free) = ([self.at[0], self.at[1], self.single], [free[0], free[1], true]);
        let (mut matrix, mut target) = ([[0.0; 3]; 3], [0.0; 3]);
        for point in points {
            let slope = gradient(parameters, point.concurrency);
            let off = point.per_s - law(parameters, point.concurrency);
            for i in 0..3 {
                target[i] += slope[i] * off;
                (0..3).for_each(|j| matrix[i][j] += slope[i] * slope[j]);
            }
        }
        (0..3).for_each(|i| matrix[i][i] *= 1.0 + damping);
        let inverse = inverse(matrix, free)?;
        let moved = |i: usize| (parameters[i] + (0..3).map(|j| inverse[i][j] * target[j]).sum::<f64>()).max(0.0);
        Self::at(points, [moved(0), moved(1)])
    }
}

/// The inverse of a symmetric matrix over its free rows, zeros elsewhere; rows are scaled to a diagonal of 1 first. `None` where it is
/// singular.
fn inverse(matrix: [[f64; 3]; 3], free: [bool; 3]) -> Option<[[f64; 3]; 3]> {
    const SINGULAR: f64 = 1e-14;
    let scale: [f64; 3] = std::array::from_fn(|i| if free[i] { 1.0 / matrix[i][i].sqrt() } else { 0.0 });
    if scale.iter().any(|s| !s.is_finite()) {
        return None;
    }
    let mut left: [[f64; 3]; 3] =
        std::array::from_fn(|i| std::array::from_fn(|j| if i == j { 1.0 } else { matrix[i][j] * scale[i] * scale[j] }));
    let mut right: [[f64; 3]; 3] = std::array::from_fn(|i| std::array::from_fn(|j| f64::from(u8::from(i == j))));
    for i in 0..3 {
        let pivot = left[i][i];
        if pivot.abs() < SINGULAR {
            return None;
        }
        for j in 0..3 {
            left[i][j] /= pivot;
            right[i][j] /= pivot;
        }
        for k in (0..3).filter(|k| *k != i) {
            let factor = left[k][i];
            for j in 0..3 {
                left[k][j] -= factor * left[i][j];
                right[k][j] -= factor * right[i][j];
            }
        }
    }
    Some(std::array::from_fn(|i| std::array::from_fn(|j| right[i][j] * scale[i] * scale[j])))
}

#[cfg(test)]
mod tests;
