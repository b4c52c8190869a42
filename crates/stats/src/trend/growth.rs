//! The verdict on growth over a long run: a leak, a slow degradation, one step, or the teeth of a collector.

use serde::{Deserialize, Serialize};

use super::{autocorrelation, mann_kendall, theil_sen};
use crate::sample::{mean, median, squares};

/// Stretches of equal time whose medians are tested. Points closer together depend on one another: tested as they are, a series with
/// an autocorrelation of 0.9 and no trend is called growing in two cases of three; its 24 medians in one of fifty.
pub const BINS: usize = 24;
/// Chance of a trend where there is none.
const ALPHA: f64 = 0.01;
const CONFIDENCE: f64 = 0.95;
/// Bins that depend on one another beyond this are too short for a verdict.
const AUTOCORRELATION_MAX: f64 = 0.5;
/// A drift of so many times the range of what the line leaves over is clear even then: of random walks without any drift, whose neighbours
/// depend on one another as much as can be, 0.8 % come so far (the tests simulate it). What leaks with every request is such a walk around its
/// line, so that autocorrelation alone would never let it be told.
const DRIFT_RANGES_MIN: f64 = 4.0;
/// A step explains the bins when it leaves less than this share of what a line leaves.
const STEP_SHARE_MAX: f64 = 0.5;
/// Bins on either side of a step.
const STEP_SIDE_MIN: usize = 3;
/// A turn counts as a tooth's when the series runs back by this share of its range.
const TOOTH_SHARE: f64 = 0.5;
/// Teeth that make a saw.
const TEETH_MIN: usize = 3;
/// The falls of a saw take at most this share of the time of its rises.
const FALL_SHARE_MAX: f64 = 0.25;

/// What counts as growth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GrowthLimits {
    /// The least drift over the run, as a share of the median, that matters: 0.05 for memory, 0.1 for a latency quantile.
    pub drift_share_min: f64,
    /// The value that must not be reached, if there is one: a memory limit, the descriptor limit.
    pub ceiling: Option<f64>,
    /// Values that each bin needs: 3 where they are single readings, 1 where each already stands for many.
    pub per_bin_min: usize,
}

/// What a series does over the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrowthKind {
    /// No trend that could be told from chance, or one too small to matter.
    Steady,
    /// Rises all along.
    Growing,
    /// Falls all along.
    Falling,
    /// Rises, but its stretches depend on one another so much that a run twice as long is needed.
    SuspectGrowing,
    /// Falls, likewise.
    SuspectFalling,
    /// One jump explains it better than a slope.
    Stepped,
    /// Rises and is set back again and again, without a trend underneath.
    Sawtooth,
}

/// A jump from one level to another.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// When, in the series' time.
    pub at_s: f64,
    /// Mean before.
    pub before: f64,
    /// Mean after.
    pub after: f64,
}

/// Slow rises, each followed by a fast fall.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sawtooth {
    /// Falls.
    pub teeth: usize,
    /// Mean depth of a fall.
    pub depth: f64,
}

/// The verdict with its figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// The verdict.
    pub kind: GrowthKind,
    /// Theil–Sen slope of the bins per hour, with its interval.
    pub per_hour: crate::Interval,
    /// Where that line begins, at the first sample.
    pub start: f64,
    /// Slope × duration over the absolute median of the bins.
    pub drift_share: f64,
    /// Two-sided p of the Mann–Kendall test.
    pub p: f64,
    /// Correlation of neighbouring bins once the slope is taken out.
    pub autocorrelation: f64,
    /// The jump, for [`GrowthKind::Stepped`].
    pub step: Option<Step>,
    /// The teeth, whatever the verdict.
    pub sawtooth: Option<Sawtooth>,
    /// Time until the ceiling at this slope, for a growing series that has one; 0 where it is reached.
    pub ceiling_in_s: Option<f64>,
}

/// Judges a series sampled every `step_s` seconds, warm-up cut off. `None` where a bin has too few samples, or where a value is not finite.
///
/// Growing: Mann–Kendall p < 0.01 on the medians of 24 bins of equal length, Theil–Sen interval without 0, drift at least the limit,
/// and both halves rising (for falling: likewise).
#[must_use]
pub fn growth(values: &[f64], step_s: f64, limits: &GrowthLimits) -> Option<Growth> {
    let sound = values.len() >= BINS * limits.per_bin_min.max(1) && step_s > 0.0 && values.iter().all(|v| v.is_finite());
    if !sound {
        return None;
    }
    let edge = |bin: usize| bin * values.len() / BINS;
    let bins: Vec<f64> = (0..BINS).map(|bin| median(&values[edge(bin)..edge(bin + 1)])).collect();
    let bin_s = step_s * values.len() as f64 / BINS as f64;
    let at_s: Vec<f64> = (0..BINS).map(|bin| (bin as f64 + 0.5) * bin_s).collect();
    let line = theil_sen(&at_s, &bins, CONFIDENCE)?;
    let p = mann_kendall(&bins)?.p;
    let middle = median(&bins).abs();
    let drift = line.slope * bin_s * BINS as f64;
    let drift_share = if drift == 0.0 { 0.0 } else { drift / middle };
    let residuals: Vec<f64> = at_s.iter().zip(&bins).map(|(t, y)| y - line.intercept - line.slope * t).collect();
    let autocorrelation = autocorrelation(&residuals, 1);
    let trend = p < ALPHA && line.low * line.high > 0.0 && drift_share.abs() >= limits.drift_share_min;
    let clear = autocorrelation <= AUTOCORRELATION_MAX || drift.abs() >= DRIFT_RANGES_MIN * range(&residuals);
    let halves = halves_agree(&at_s, &bins, line.slope);
    let step =
        step(&at_s, &bins, bin_s).filter(|step| trend && (step.after - step.before).abs() >= limits.drift_share_min * middle);
    let sawtooth = sawtooth(values);
    let rising = line.slope > 0.0;
    let kind = match () {
        () if step.is_some() => GrowthKind::Stepped,
        () if trend && halves && clear && rising => GrowthKind::Growing,
        () if trend && halves && clear => GrowthKind::Falling,
        () if trend && halves && rising => GrowthKind::SuspectGrowing,
        () if trend && halves => GrowthKind::SuspectFalling,
        () if sawtooth.is_some() => GrowthKind::Sawtooth,
        () => GrowthKind::Steady,
    };
    let now = line.intercept + line.slope * bin_s * BINS as f64;
    let growing = matches!(kind, GrowthKind::Growing | GrowthKind::SuspectGrowing);
    let ceiling_in_s = limits.ceiling.filter(|_| growing).map(|ceiling| ((ceiling - now) / line.slope).max(0.0));
    let per_hour = crate::Interval { value: line.slope, low: line.low, high: line.high }.map(|per_s| per_s * 3600.0);
    Some(Growth { kind, per_hour, start: line.intercept, drift_share, p, autocorrelation, step, sawtooth, ceiling_in_s })
}

/// The largest value less the smallest.
fn range(values: &[f64]) -> f64 {
    values.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b)) - values.iter().fold(f64::INFINITY, |a, b| a.min(*b))
}

fn halves_agree(at_s: &[f64], bins: &[f64], slope: f64) -> bool {
    let half = bins.len() / 2;
    let agrees = |x: &[f64], y: &[f64]| theil_sen(x, y, CONFIDENCE).is_some_and(|part| part.slope * slope > 0.0);
    agrees(&at_s[..half], &bins[..half]) && agrees(&at_s[half..], &bins[half..])
}

/// The best split into two levels, where it leaves far less than the best line does.
fn step(at_s: &[f64], bins: &[f64], bin_s: f64) -> Option<Step> {
    let left_over = |at: usize| squares(&bins[..at]) + squares(&bins[at..]);
    let at = (STEP_SIDE_MIN..=bins.len() - STEP_SIDE_MIN).min_by(|a, b| left_over(*a).total_cmp(&left_over(*b)))?;
    let mut pairs = crate::moments::Pairs::default();
    at_s.iter().zip(bins).for_each(|(x, y)| pairs.add(*x, *y));
    let slope = pairs.slope()?;
    let off_line: Vec<f64> = at_s.iter().zip(bins).map(|(x, y)| y - slope * x).collect();
    let explains = left_over(at) < STEP_SHARE_MAX * squares(&off_line);
    explains.then(|| Step { at_s: at_s[at] - 0.5 * bin_s, before: mean(&bins[..at]), after: mean(&bins[at..]) })
}

/// Teeth: turning points at which the series runs back by half its range; the falls fast, the rises slow.
fn sawtooth(values: &[f64]) -> Option<Sawtooth> {
    let range = range(values);
    if range <= 0.0 {
        return None;
    }
    let turns = turning_points(values, TOOTH_SHARE * range);
    let legs = || turns.windows(2).map(|pair| (pair[1] - pair[0], values[pair[1]] - values[pair[0]]));
    let falls: Vec<(usize, f64)> = legs().filter(|leg| leg.1 < 0.0).collect();
    let rise_time: usize = legs().filter(|leg| leg.1 > 0.0).map(|leg| leg.0).sum();
    let fall_time: usize = falls.iter().map(|leg| leg.0).sum();
    let saw = falls.len() >= TEETH_MIN && fall_time as f64 <= FALL_SHARE_MAX * rise_time as f64;
    let depth = falls.iter().map(|leg| -leg.1).sum::<f64>() / falls.len() as f64;
    saw.then_some(Sawtooth { teeth: falls.len(), depth })
}

/// Places of the first point and of the highs and lows between which the series runs back by at least `reversal`.
fn turning_points(values: &[f64], reversal: f64) -> Vec<usize> {
    let (mut turns, mut high, mut low) = (Vec::new(), 0, 0);
    // 1 while rising, −1 while falling, 0 before the first run.
    let mut direction = 0;
    for (i, value) in values.iter().enumerate() {
        if *value >= values[high] {
            high = i;
        }
        if *value <= values[low] {
            low = i;
        }
        if direction >= 0 && values[high] - value >= reversal {
            turns.push(high);
            (direction, low) = (-1, i);
        } else if direction <= 0 && value - values[low] >= reversal {
            turns.push(low);
            (direction, high) = (1, i);
        }
    }
    turns.extend(match direction {
        1 => Some(high),
        -1 => Some(low),
        _ => None,
    });
    turns
}
