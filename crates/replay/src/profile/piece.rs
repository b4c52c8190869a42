//! One piece of a profile: a straight line or a wave, its integral, and the inverse of that.

use std::f64::consts::{PI, TAU};

use trace::RunNs;

/// How a value goes. Values are never below 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Course {
    /// A straight line from one value to another; without an end, `from` for ever.
    Line {
        /// At its start.
        from: f64,
        /// At its end.
        to: f64,
    },
    /// mean + amplitude·sin(2πt/period).
    Wave {
        /// Around which it swings.
        mean: f64,
        /// How far, at most the mean.
        amplitude: f64,
        /// How long one swing takes, ns.
        period_ns: f64,
    },
}

/// What profiles are made of, before it is known when it begins.
#[derive(Debug, Clone)]
pub struct Stretch {
    /// Its phase.
    pub phase: String,
    /// How the value goes.
    pub course: Course,
    /// How long; `None` for ever.
    pub length_ns: Option<i64>,
}

impl Stretch {
    /// A straight line; a stretch without an end keeps its first value.
    pub fn line(phase: impl Into<String>, from: f64, to: f64, length_ns: Option<i64>) -> Self {
        Self { phase: phase.into(), course: Course::Line { from, to }, length_ns }
    }

    /// The same value all the time.
    pub fn level(phase: impl Into<String>, value: f64, length_ns: Option<i64>) -> Self {
        Self::line(phase, value, value, length_ns)
    }
}

/// A stretch with its place. Integrals are in units × ns, from run start.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// How its value goes.
    pub course: Course,
    /// When it begins.
    pub start_ns: i64,
    /// When it ends; `i64::MAX` for never.
    pub end_ns: i64,
    /// The integral until it begins.
    before: f64,
    /// The integral over it.
    area: f64,
    /// Its phase.
    pub phase: usize,
}

impl Piece {
    /// `stretch`, where the integral up to `start_ns` is `before`.
    pub fn new(stretch: &Stretch, start_ns: i64, before: f64, phase: usize) -> Self {
        let end_ns = stretch.length_ns.map_or(i64::MAX, |length_ns| start_ns.saturating_add(length_ns));
        let mut piece = Self { course: stretch.course, start_ns, end_ns, before, area: f64::INFINITY, phase };
        let endless_and_idle = stretch.course == Course::Line { from: 0.0, to: 0.0 };
        if end_ns < i64::MAX || endless_and_idle {
            piece.area = piece.within((end_ns - start_ns) as f64);
        }
        piece
    }

    /// The integral until it ends.
    pub fn after(&self) -> f64 {
        self.before + self.area
    }

    /// The value at an instant in it.
    pub fn value(&self, at_ns: i64) -> f64 {
        let since_ns = (at_ns - self.start_ns) as f64;
        match self.course {
            Course::Line { from, .. } => from + self.slope() * since_ns,
            Course::Wave { mean, amplitude, period_ns } => mean + amplitude * libm::sin(TAU * (since_ns / period_ns).fract()),
        }
    }

    /// The integral until an instant not before it.
    pub fn cumulative(&self, at_ns: i64) -> f64 {
        if at_ns >= self.end_ns { self.after() } else { self.before + self.within((at_ns - self.start_ns) as f64) }
    }

    /// The largest value before `end_ns`.
    pub fn peak(&self, end_ns: i64) -> f64 {
        match self.course {
            Course::Line { from, .. } => from.max(self.value(end_ns.min(self.end_ns))),
            Course::Wave { mean, amplitude, .. } => mean + amplitude,
        }
    }

    /// Change per ns.
    fn slope(&self) -> f64 {
        match self.course {
            Course::Line { from, to } if self.end_ns < i64::MAX => (to - from) / (self.end_ns - self.start_ns) as f64,
            _ => 0.0,
        }
    }

    /// The integral over its first so many ns.
    fn within(&self, since_ns: f64) -> f64 {
        match self.course {
            Course::Line { from, .. } => (from + self.slope() * since_ns / 2.0) * since_ns,
            // 1 − cos 2a = 2 sin² a, which keeps its digits for small a.
            Course::Wave { mean, amplitude, period_ns } => {
                let half = libm::sin(PI * (since_ns / period_ns).fract());
                mean * since_ns + amplitude * period_ns / PI * half * half
            }
        }
    }

    /// The instant in it at which the integral is `amount`, which lies between those of its start and end.
    pub fn inverse(&self, amount: f64) -> i64 {
        let amount = amount - self.before;
        let since_ns = match self.course {
            Course::Line { from, to } => self.line_inverse(from, to, amount),
            Course::Wave { mean, amplitude, period_ns } => {
                let swings = (amount / (mean * period_ns)).floor();
                swings * period_ns + wave_inverse(mean, amplitude, period_ns, amount - swings * mean * period_ns)
            }
        };
        (self.start_ns + since_ns.round().max(0.0) as i64).min(self.end_ns)
    }

    /// The root of from·t + slope·t²/2 = amount that lies in the line, in the form without a difference of nearly equal numbers (Press et
    /// al. 2007, *Numerical Recipes*, §5.6): from the end where the line falls.
    fn line_inverse(&self, from: f64, to: f64, amount: f64) -> f64 {
        let slope = self.slope();
        let root = |value: f64, slope: f64, amount: f64| {
            let amount = amount.max(0.0);
            if amount == 0.0 { 0.0 } else { 2.0 * amount / (value + (value * value + 2.0 * slope * amount).max(0.0).sqrt()) }
        };
        if slope == 0.0 {
            amount / from
        } else if slope > 0.0 {
            root(from, slope, amount)
        } else {
            (self.end_ns - self.start_ns) as f64 - root(to, -slope, self.area - amount)
        }
    }

    /// Whole numbers that stay close to the value, each from an instant on; at most `most` of them.
    pub fn levels(&self, most: usize) -> Vec<(RunNs, u32)> {
        let length_ns = self.end_ns - self.start_ns;
        let moved = match self.course {
            Course::Line { .. } if self.end_ns == i64::MAX => 1.0,
            Course::Line { from, to } => (to - from).abs(),
            Course::Wave { amplitude, period_ns, .. } => 4.0 * amplitude.max(1.0) * length_ns as f64 / period_ns,
        };
        let slots = (moved.ceil() as usize).clamp(1, most) as i64;
        let place = |slot: i64, half: i64| (i128::from(length_ns) * i128::from(2 * slot + half) / i128::from(2 * slots)) as i64;
        (0..slots)
            .map(|slot| (RunNs(self.start_ns + place(slot, 0)), self.value(self.start_ns + place(slot, 1)).round() as u32))
            .collect()
    }
}

/// The instant within one swing at which the integral is `amount`: Newton's method, kept within a bracket that is halved where a step
/// would leave it (Press et al. 2007, *Numerical Recipes*, §9.4).
fn wave_inverse(mean: f64, amplitude: f64, period_ns: f64, amount: f64) -> f64 {
    let (mut low, mut high) = (0.0, period_ns);
    let mut at = (amount / mean).clamp(low, high);
    while high - low > 0.25 {
        let half = libm::sin(PI * at / period_ns);
        let excess = mean * at + amplitude * period_ns / PI * half * half - amount;
        if excess > 0.0 {
            high = at
        } else {
            low = at
        }
        let step = excess / (mean + amplitude * libm::sin(TAU * at / period_ns));
        let next = at - step;
        let inside = next > low && next < high;
        if inside && step.abs() < 0.1 {
            return next;
        }
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return middle;
        }
        at = if inside { next } else { middle };
    }
    low + (high - low) / 2.0
}
