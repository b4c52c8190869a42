//! Where a history of results jumps: energy distances in sliding windows, Student's t, then merging (Matteson & James 2014, JASA
//! 109(505); Fleming et al. 2023, *Hunter: Using Change Point Detection to Hunt for Performance Regressions*, ICPE).

use serde::{Deserialize, Serialize};

use crate::probability::student_two_sided;
use crate::sample::{mean, squares};
use crate::trend::autocorrelation;

/// The longest history; more is cut at the front by the caller.
pub const POINTS_MAX: usize = 100_000;
/// The widest window: its pairs are held in a square.
pub const WINDOW_MAX: usize = 1000;
/// The first pass takes points that are this much less certain; the merge drops what stays so.
const WEAK_FACTOR: f64 = 10.0;
/// φ is believed up to this; a larger estimate comes from levels that were not told apart.
const PHI_MAX: f64 = 0.8;

/// How a history is searched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Points looked at at once, from 2 to [`WINDOW_MAX`]; windows advance by half of it.
    pub window: usize,
    /// A change is kept when its p is below this.
    pub p_max: f64,
    /// And when one mean differs from the other by more than this share of it.
    pub magnitude_min: f64,
    /// Points on either side of a change; 1 lets a single spike be two changes.
    pub segment_min: usize,
    /// Work on logarithms: changes are factors. All values must be above 0.
    pub logarithms: bool,
    /// 1 for the sample variance; 0 for the population variance, which makes p too small.
    pub variance_ddof: u8,
    /// Divide t by √((1 + φ)/(1 − φ)), φ being the correlation of neighbours within segments.
    pub deflate: bool,
    /// When a change is dropped, measure all others anew. Otava does so only with the two after it, so that the one before keeps the p it
    /// had between narrower segments.
    pub remeasure: bool,
}

impl Settings {
    /// The default: logarithms, sample variance, three points a segment, p < 0.001, 5 %, dependence taken into account.
    pub const DEFAULT: Self = Self {
        window: 50,
        p_max: 0.001,
        magnitude_min: 0.05,
        segment_min: 3,
        logarithms: true,
        variance_ddof: 1,
        deflate: true,
        remeasure: true,
    };

    /// What Apache Otava (the successor of Hunter) finds with this window, p and magnitude.
    #[must_use]
    pub const fn otava(window: usize, p_max: f64, magnitude_min: f64) -> Self {
        Self {
            window,
            p_max,
            magnitude_min,
            segment_min: 1,
            logarithms: false,
            variance_ddof: 0,
            deflate: false,
            remeasure: false,
        }
    }
}

/// A jump of the level.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ChangePoint {
    /// Place of the first value after it.
    pub index: usize,
    /// Mean of the segment before (of logarithms: the geometric mean).
    pub before: f64,
    /// Mean of the segment after, likewise.
    pub after: f64,
    /// Two-sided p of Student's t between the two segments.
    pub p: f64,
}

impl ChangePoint {
    /// The larger of |after/before − 1| and |before/after − 1|.
    #[must_use]
    pub fn magnitude(&self) -> f64 {
        let relative = |a: f64, b: f64| if b == 0.0 { 0.0 } else { (a / b - 1.0).abs() };
        relative(self.after, self.before).max(relative(self.before, self.after))
    }
}

/// Why a history cannot be searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A value is not finite, or not above 0 where logarithms are taken: its place.
    Value(usize),
    /// More than [`POINTS_MAX`] values.
    TooLong,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Value(place) => write!(f, "value {place} of the history (from 0) is not a number that can be compared"),
            Self::TooLong => write!(f, "the history has more than {POINTS_MAX} values: give a part of it"),
        }
    }
}

impl std::error::Error for Refusal {}

/// The changes of a history, in order. Fewer than three values have none.
///
/// # Errors
/// A [`Refusal`] where a value cannot be compared or the history is too long.
pub fn change_points(history: &[f64], settings: &Settings) -> Result<Vec<ChangePoint>, Refusal> {
    if history.len() > POINTS_MAX {
        return Err(Refusal::TooLong);
    }
    let sound = |v: &f64| v.is_finite() && (!settings.logarithms || *v > 0.0);
    if let Some(place) = history.iter().position(|v| !sound(v)) {
        return Err(Refusal::Value(place));
    }
    let values: Vec<f64> = if settings.logarithms { history.iter().map(|v| libm::log(*v)).collect() } else { history.to_vec() };
    let search = Search { values: &values, settings };
    let weak = search.weak_places();
    Ok(search.merge(weak))
}

struct Search<'a> {
    values: &'a [f64],
    settings: &'a Settings,
}

impl Search<'_> {
    /// The p of the first pass: Otava's rule for large p.
    fn weak_p(&self) -> f64 {
        match self.settings.p_max {
            p if p < 0.05 => WEAK_FACTOR * p,
            p if p < 0.5 => 2.0 * p,
            p => p,
        }
    }

    /// All places that some window takes for a change.
    fn weak_places(&self) -> Vec<usize> {
        let window = self.settings.window.clamp(2, WINDOW_MAX);
        let (mut start, mut places) = (0, Vec::new());
        while start < self.values.len() {
            let end = (start + window).min(self.values.len());
            let found = self.split_window(start, end);
            start = (start + window / 2).max(found.last().copied().unwrap_or(0));
            places.extend(found);
        }
        places.sort_unstable();
        places.dedup();
        places
    }

    /// Splits a window at the place of the largest divergence of all its segments, as long as that is significant.
    fn split_window(&self, start: usize, end: usize) -> Vec<usize> {
        let mut places = Vec::new();
        loop {
            let segments = segments(&places, start, end);
            let candidates = segments.iter().filter_map(|(from, to)| {
                let (at, divergence) = self.widest_split(*from, *to)?;
                Some((divergence, at, *from, *to))
            });
            // The first of the largest, as a stable order has it.
            let best = candidates.fold(None, |best: Option<(f64, usize, usize, usize)>, next| match best {
                Some(best) if best.0 >= next.0 => Some(best),
                _ => Some(next),
            });
            match best {
                Some((_, at, from, to)) if self.p(from, at, to, 1.0) <= self.weak_p() => places.push(at),
                _ => return places,
            }
            places.sort_unstable();
        }
    }

    /// The split of `from..to` and the end κ of its right side that diverge most; the first of equals. With X = from..τ of n values and Y =
    /// τ..κ of m values: Q = 2/(n+m)·Σ|x − y| − 2m/((n+m)(n−1))·Σ|x − x′| − 2n/((n+m)(m−1))·Σ|y − y′| (Matteson & James 2014, eq. 5 and 7 with
    /// α = 1).
    fn widest_split(&self, from: usize, to: usize) -> Option<(usize, f64)> {
        let least = self.settings.segment_min.max(1);
        let values = &self.values[from..to];
        if values.len() < 2 * least {
            return None;
        }
        let within = PairSums::new(values);
        let mut best: Option<(usize, f64)> = None;
        for n in least..=values.len() - least {
            for end in n + least..=values.len() {
                let divergence = within.divergence(n, end);
                if best.is_none_or(|(_, most)| divergence > most) {
                    best = Some((from + n, divergence));
                }
            }
        }
        best
    }

    /// Drops the least certain change while its p is too large, then the smallest while it is too small; neighbours are measured anew.
    fn merge(&self, mut places: Vec<usize>) -> Vec<ChangePoint> {
        let mut points = self.measure(&places);
        while let Some(weakest) = self.weakest(&points) {
            places.remove(weakest);
            points.remove(weakest);
            let anew = self.measure(&places).into_iter().enumerate();
            let touched = |i: &usize| self.settings.remeasure || (weakest..=weakest + 1).contains(i);
            anew.filter(|(i, _)| touched(i)).for_each(|(i, point)| points[i] = point);
        }
        points
    }

    /// The change to be dropped next, if any.
    fn weakest(&self, points: &[ChangePoint]) -> Option<usize> {
        let worst = first_max(points, |point| point.p)?;
        if points[worst].p >= self.settings.p_max {
            return Some(worst);
        }
        let smallest = first_max(points, |point| -point.magnitude())?;
        (points[smallest].magnitude() <= self.settings.magnitude_min).then_some(smallest)
    }

    fn measure(&self, places: &[usize]) -> Vec<ChangePoint> {
        let segments = segments(places, 0, self.values.len());
        let deflation = self.deflation(&segments);
        let level = |(from, to): (usize, usize)| {
            let mean = mean(&self.values[from..to]);
            if self.settings.logarithms { libm::exp(mean) } else { mean }
        };
        let point = |pair: &[(usize, usize)]| ChangePoint {
            index: pair[1].0,
            before: level(pair[0]),
            after: level(pair[1]),
            p: self.p(pair[0].0, pair[1].0, pair[1].1, deflation),
        };
        segments.windows(2).map(point).collect()
    }

    /// Student's t with pooled variance between `from..at` and `at..to`, divided by `deflation`.
    fn p(&self, from: usize, at: usize, to: usize, deflation: f64) -> f64 {
        let (left, right) = (&self.values[from..at], &self.values[at..to]);
        let (n, m) = (left.len() as f64, right.len() as f64);
        let degrees = n + m - 2.0;
        if degrees <= 0.0 {
            return 1.0;
        }
        // A population variance σ² used as if it were a sample's: (n − 1)σ² = (n − 1)/n·Σ(x − x̄)².
        let spread = |side: &[f64], n: f64| squares(side) * if self.settings.variance_ddof == 0 { (n - 1.0) / n } else { 1.0 };
        let variance = (spread(left, n) + spread(right, m)) / degrees;
        let apart = mean(left) - mean(right);
        if variance <= 0.0 {
            return f64::from(u8::from(apart == 0.0));
        }
        let t = apart / (variance * (1.0 / n + 1.0 / m)).sqrt();
        student_two_sided(t / deflation, degrees)
    }

    /// √((1 + φ)/(1 − φ)): how much more a mean of dependent values varies (Bayley & Hammersley 1946, JRSS Suppl. 8(2)). φ is the
    /// correlation of neighbours around the means of their segments; that estimate is too small by about (1 + 3φ)/n for each mean that
    /// was taken out (Kendall 1954, Biometrika 41).
    fn deflation(&self, segments: &[(usize, usize)]) -> f64 {
        if !self.settings.deflate {
            return 1.0;
        }
        let parts = || segments.iter().map(|(from, to)| &self.values[*from..*to]);
        let spread: f64 = parts().map(squares).sum();
        let products: f64 = parts().map(|part| autocorrelation(part, 1) * squares(part)).sum();
        let raw = if spread > 0.0 { products / spread } else { 0.0 };
        let phi = raw + (1.0 + 3.0 * raw.max(0.0)) * segments.len() as f64 / self.values.len() as f64;
        let phi = phi.clamp(0.0, PHI_MAX);
        ((1.0 + phi) / (1.0 - phi)).sqrt()
    }
}

/// Σ|xᵢ − xⱼ| over pairs inside prefixes and inside ranges, in O(1) after O(n²).
struct PairSums {
    n: usize,
    /// `[i·(n+1) + k]`: the sum over all pairs i ≤ a < b < k.
    inside: Vec<f64>,
}

impl PairSums {
    fn new(values: &[f64]) -> Self {
        let n = values.len();
        let mut inside = vec![0.0; (n + 1) * (n + 1)];
        for i in (0..n).rev() {
            let mut row = 0.0;
            for k in i + 1..=n {
                row += (values[k - 1] - values[i]).abs();
                inside[i * (n + 1) + k] = inside[(i + 1) * (n + 1) + k] + row;
            }
        }
        Self { n, inside }
    }

    fn inside(&self, from: usize, to: usize) -> f64 {
        self.inside[from * (self.n + 1) + to]
    }

    fn divergence(&self, split: usize, end: usize) -> f64 {
        let (left, right) = (self.inside(0, split), self.inside(split, end));
        let between = self.inside(0, end) - left - right;
        let (n, m) = (split as f64, (end - split) as f64);
        let share = |pairs: f64, own: f64, other: f64| if own > 1.0 { 2.0 * other / (n + m) / (own - 1.0) * pairs } else { 0.0 };
        2.0 / (n + m) * between - share(left, n, m) - share(right, m, n)
    }
}

fn segments(places: &[usize], start: usize, end: usize) -> Vec<(usize, usize)> {
    let edges: Vec<usize> = std::iter::once(start).chain(places.iter().copied()).chain([end]).collect();
    edges.windows(2).map(|pair| (pair[0], pair[1])).collect()
}

/// The place of the first largest.
fn first_max(points: &[ChangePoint], key: impl Fn(&ChangePoint) -> f64) -> Option<usize> {
    (0..points.len()).reduce(|best, next| if key(&points[next]) > key(&points[best]) { next } else { best })
}

#[cfg(test)]
mod tests;
