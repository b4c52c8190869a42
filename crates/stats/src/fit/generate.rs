//! Arrivals out of a model: longer by repeating its curve, more by multiplying it.

use super::{Model, Residual};
use crate::Rng;
use crate::arrivals::{self, Arrivals};

/// The most arrivals that one stretch may get: they are drawn together.
const STRETCH_ARRIVALS_MAX: f64 = (1 << 24) as f64;
/// The largest factor that is drawn as copies laid over each other; beyond it nothing is left of one copy's spacing.
const COPIES_MAX: f64 = 64.0;

impl Model {
    /// Arrivals without end, ns since the start, at `factor` times the recorded rate. Every stretch has `factor` times its count, to
    /// within one; from 2 up they are as many processes laid over each other.
    ///
    /// # Errors
    /// One sentence where the model or the factor cannot be.
    pub fn instants(&self, factor: f64, rng: Rng) -> Result<Instants, String> {
        self.check()?;
        let most = self.counts.iter().max().map_or(0.0, |n| *n as f64 * factor);
        if !(factor > 0.0 && most <= STRETCH_ARRIVALS_MAX) {
            return Err(format!(
                "{factor} times the model's rate is out of range: a stretch may have up to {STRETCH_ARRIVALS_MAX}"
            ));
        }
        let copies = factor.clamp(1.0, COPIES_MAX) as usize;
        let mut seeds = rng;
        let gaps =
            (0..copies).map(|_| gaps(&self.residual, Rng::substream(seeds.bits(), "residual", 0))).collect::<Result<_, _>>()?;
        Ok(Instants { model: self.clone(), factor, gaps, stretch: 0, start_ns: 0, expected: 0.0, drawn: 0, ready: Vec::new() })
    }
}

/// The gaps of one copy.
fn gaps(residual: &Residual, rng: Rng) -> Result<Box<dyn Arrivals>, String> {
    match residual {
        Residual::Arrivals(name) => arrivals::open(name, rng).map_err(|refusal| refusal.to_string()),
        Residual::Table { quantiles, correlation } => {
            Ok(Box::new(Table { quantiles: quantiles.clone(), correlation: *correlation, normal: None, rng }))
        }
    }
}

/// Gaps from a quantile table, neighbours related by a Gaussian copula.
struct Table {
    quantiles: Vec<f64>,
    correlation: f64,
    normal: Option<f64>,
    rng: Rng,
}

impl Arrivals for Table {
    fn next_gap(&mut self) -> f64 {
        let fresh = self.rng.normal();
        let rest = (1.0 - self.correlation * self.correlation).sqrt();
        let normal = self.normal.map_or(fresh, |before| self.correlation * before + rest * fresh);
        self.normal = Some(normal);
        let share = 0.5 * libm::erfc(-normal / std::f64::consts::SQRT_2);
        let place = share * (self.quantiles.len() - 1) as f64;
        let below = (place as usize).min(self.quantiles.len() - 2);
        self.quantiles[below] + (place - below as f64) * (self.quantiles[below + 1] - self.quantiles[below])
    }
}

/// Arrivals of a model, in order.
pub struct Instants {
    model: Model,
    factor: f64,
    gaps: Vec<Box<dyn Arrivals>>,
    /// The stretch to be drawn next, and its start.
    stretch: usize,
    start_ns: i64,
    /// Arrivals that were due up to the stretch by the curve, and those drawn: what is left of a fraction goes to the next.
    expected: f64,
    drawn: u64,
    /// Of the stretch in progress, the next one last.
    ready: Vec<i64>,
}

impl Instants {
    fn draw_stretch(&mut self) {
        let width_ns = self.model.stretch_ns(self.stretch);
        self.expected += self.model.counts[self.stretch] as f64 * self.factor;
        let count = (self.expected.round() as u64).saturating_sub(self.drawn);
        self.drawn += count;
        let copies = self.gaps.len() as u64;
        for (i, gaps) in (0..).zip(&mut self.gaps) {
            let share = count / copies + u64::from((i + self.drawn) % copies < count % copies);
            place(&mut **gaps, share, self.start_ns, width_ns, &mut self.ready);
        }
        self.ready.sort_unstable_by(|a, b| b.cmp(a));
        self.start_ns += width_ns;
        self.stretch = (self.stretch + 1) % self.model.counts.len();
    }
}

/// Puts `count` arrivals into a stretch: their gaps, and one to its end, are stretched to fill it. For exponential gaps this is the
/// Poisson process given its count.
fn place(gaps: &mut dyn Arrivals, count: u64, start_ns: i64, width_ns: i64, ready: &mut Vec<i64>) {
    if count == 0 {
        return;
    }
    let mut sum = 0.0;
    let places: Vec<f64> = (0..=count)
        .map(|_| {
            sum += gaps.next_gap();
            sum
        })
        .collect();
    let scale = if sum > 0.0 { width_ns as f64 / sum } else { 0.0 };
    ready.extend(places[..count as usize].iter().map(|place| start_ns + ((place * scale) as i64).min(width_ns - 1)));
}

impl Iterator for Instants {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        while self.ready.is_empty() {
            self.draw_stretch();
        }
        self.ready.pop()
    }
}
