//! Arrivals out of a model: longer by its curve, more by multiplying it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::periods::Periods;
use super::{Longer, Model, Residual};
use crate::Rng;
use crate::arrivals::{self, Arrivals};

/// The most arrivals that one stretch may get: they are drawn together.
const STRETCH_ARRIVALS_MAX: f64 = (1 << 24) as f64;
/// The largest factor that is drawn as copies laid over each other; beyond it nothing is left of one copy's spacing.
const COPIES_MAX: f64 = 64.0;

impl Model {
    /// Arrivals without end, ns since the start, at `factor` times the recorded rate. Every stretch has what the curve says, to within
    /// one; from a factor of 2 up they are as many processes laid over each other.
    ///
    /// # Errors
    /// One sentence where the model or the factor cannot be, or where `longer` needs what the model does not have.
    pub fn instants(&self, factor: f64, longer: Longer, seed: u64) -> Result<Instants, String> {
        self.instants_of(factor, longer, seed, 0)
    }

    /// As [`Model::instants`], for the `number`-th of several: they share the order of the curve's parts and nothing else.
    fn instants_of(&self, factor: f64, longer: Longer, seed: u64, number: u64) -> Result<Instants, String> {
        self.check()?;
        let most = self.counts.iter().max().map_or(0.0, |n| *n as f64 * factor);
        if !(factor > 0.0 && most <= STRETCH_ARRIVALS_MAX) {
            return Err(format!(
                "{factor} times the model's rate is out of range: a stretch may have up to {STRETCH_ARRIVALS_MAX}"
            ));
        }
        let copies = factor.clamp(1.0, COPIES_MAX) as usize;
        let mut seeds = Rng::substream(seed, "arrivals", number);
        let gaps =
            (0..copies).map(|_| gaps(&self.residual, Rng::substream(seeds.bits(), "residual", 0))).collect::<Result<_, _>>()?;
        let periods = Periods::new(self, longer, Rng::stream(seed, "blocks"))?;
        Ok(Instants { periods, factor, gaps, start_ns: 0, expected: 0.0, drawn: 0, ready: Vec::new() })
    }
}

/// Arrivals of several models in the order of time, each with the number of its model. They have no end.
pub struct Superposed {
    models: Vec<Instants>,
    heads: BinaryHeap<Reverse<(i64, usize)>>,
}

impl Superposed {
    /// Lays the arrivals of `models`, at least one, over each other: see [`Model::instants`].
    ///
    /// # Errors
    /// As [`Model::instants`].
    pub fn new(models: &[&Model], factor: f64, longer: Longer, seed: u64) -> Result<Self, String> {
        let instants = (0..).zip(models).map(|(number, model)| model.instants_of(factor, longer, seed, number));
        let mut models = instants.collect::<Result<Vec<_>, _>>()?;
        let heads = models.iter_mut().enumerate().filter_map(|(i, model)| Some(Reverse((model.next()?, i)))).collect();
        Ok(Self { models, heads })
    }
}

impl Iterator for Superposed {
    type Item = (i64, usize);

    fn next(&mut self) -> Option<(i64, usize)> {
        let Reverse((at_ns, i)) = self.heads.pop()?;
        self.heads.extend(self.models[i].next().map(|next_ns| Reverse((next_ns, i))));
        Some((at_ns, i))
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
    periods: Periods,
    factor: f64,
    gaps: Vec<Box<dyn Arrivals>>,
    /// Start of the stretch to be drawn next.
    start_ns: i64,
    /// Arrivals that were due up to the stretch by the curve, and those drawn: what is left of a fraction goes to the next.
    expected: f64,
    drawn: u64,
    /// Of the stretch in progress, the next one last.
    ready: Vec<i64>,
}

impl Instants {
    fn draw_stretch(&mut self) {
        let (width_ns, expected) = self.periods.next_stretch();
        self.expected += expected * self.factor;
        let count = (self.expected.round() as u64).saturating_sub(self.drawn);
        self.drawn += count;
        let copies = self.gaps.len() as u64;
        for (i, gaps) in (0..).zip(&mut self.gaps) {
            let share = count / copies + u64::from((i + self.drawn) % copies < count % copies);
            place(&mut **gaps, share, self.start_ns, width_ns, &mut self.ready);
        }
        self.ready.sort_unstable_by(|a, b| b.cmp(a));
        self.start_ns += width_ns;
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
