//! How a rate curve goes on when its recording has ended.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Model;
use crate::Rng;
use crate::daily::SLOTS;

/// Blocks that a curve is cut into: 30 minutes keep what goes on within a spell and mix what is further apart.
const BLOCK_NS: i64 = 1_800_000_000_000;
/// A recording gives at least so many blocks.
const BLOCKS_MIN: i64 = 4;

/// What comes after the end of the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Longer {
    /// The same curve again.
    #[default]
    Repeat,
    /// Blocks of half an hour from anywhere in the curve, its end joined to its beginning (circular block bootstrap: Politis & Romano
    /// 1992), brought to the recorded mean in every period; from the start on.
    Bootstrap,
    /// The smooth course of the day, from the start on.
    Daily,
}

/// Every value with its name and what it does.
const LONGER: &[(Longer, &str)] = &[(Longer::Repeat, "repeat"), (Longer::Bootstrap, "bootstrap"), (Longer::Daily, "daily")];

impl Longer {
    /// The names there are.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        LONGER.iter().map(|(_, name)| *name).collect()
    }

    /// The value with this name, if there is one.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        LONGER.iter().find(|row| row.1 == name).map(|row| row.0)
    }
}

impl fmt::Display for Longer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(LONGER.iter().find(|row| row.0 == *self).map_or("", |row| row.1))
    }
}

/// The stretches of a curve without end: width, ns, and arrivals expected in each.
pub(super) struct Periods {
    model: Model,
    longer: Longer,
    blocks: Rng,
    /// Of the period in progress, the next one last.
    left: Vec<(i64, f64)>,
}

impl Periods {
    pub fn new(model: &Model, longer: Longer, blocks: Rng) -> Result<Self, String> {
        if longer == Longer::Daily && model.daily.is_none() {
            return Err("the model has no course of the day: it was fitted on less than a day, or on too few arrivals".to_owned());
        }
        Ok(Self { model: model.clone(), longer, blocks, left: Vec::new() })
    }

    pub fn next_stretch(&mut self) -> (i64, f64) {
        loop {
            if let Some(stretch) = self.left.pop() {
                return stretch;
            }
            self.left = match self.longer {
                Longer::Repeat => self.recorded(),
                Longer::Bootstrap => self.shuffled(),
                Longer::Daily => self.day(),
            };
            self.left.reverse();
        }
    }

    fn recorded(&self) -> Vec<(i64, f64)> {
        self.model.counts.iter().enumerate().map(|(i, count)| (self.model.stretch_ns(i), *count as f64)).collect()
    }

    /// Blocks that begin anywhere, as many as make up the period, of its arrivals in all.
    fn shuffled(&mut self) -> Vec<(i64, f64)> {
        let span_ns = self.model.span_ns;
        let block_ns = BLOCK_NS.min(span_ns / BLOCKS_MIN).max(1);
        let (mut stretches, mut left_ns) = (Vec::new(), span_ns);
        while left_ns > 0 {
            let start_ns = self.blocks.below(span_ns.unsigned_abs()).cast_signed();
            self.push_block(start_ns, block_ns.min(left_ns), &mut stretches);
            left_ns -= block_ns;
        }
        let drawn: f64 = stretches.iter().map(|stretch| stretch.1).sum();
        if drawn <= 0.0 {
            return self.recorded();
        }
        let scale = self.model.arrivals as f64 / drawn;
        stretches.iter_mut().for_each(|stretch| stretch.1 *= scale);
        stretches
    }

    /// What lies in `length_ns` from `start_ns` on, cut at the ends of stretches.
    fn push_block(&self, mut start_ns: i64, length_ns: i64, stretches: &mut Vec<(i64, f64)>) {
        let mut left_ns = length_ns;
        while left_ns > 0 {
            let i = (start_ns / self.model.width_ns) as usize;
            let (begin_ns, width_ns) = (i as i64 * self.model.width_ns, self.model.stretch_ns(i));
            let part_ns = left_ns.min(begin_ns + width_ns - start_ns);
            stretches.push((part_ns, self.model.counts[i] as f64 * part_ns as f64 / width_ns as f64));
            left_ns -= part_ns;
            start_ns = (start_ns + part_ns) % self.model.span_ns;
        }
    }

    /// One day by its slots.
    fn day(&self) -> Vec<(i64, f64)> {
        let Some(daily) = &self.model.daily else { return Vec::new() };
        let day_ns = (daily.day_s * 1e9) as i64;
        let of_a_day = self.model.rate_per_s() * daily.day_s;
        let edge = |slot: i64| (i128::from(day_ns) * i128::from(slot) / SLOTS as i128) as i64;
        (0..).zip(daily.cumulative().slots()).map(|(slot, share)| (edge(slot + 1) - edge(slot), share * of_a_day)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daily::{Daily, Wave};
    use crate::fit::Residual;

    /// Counts 1, 2, … over stretches of 10 minutes; the last one is half as wide.
    fn model(stretches: u64) -> Model {
        let width_ns = 600_000_000_000;
        Model {
            arrivals: stretches * (stretches + 1) / 2,
            span_ns: stretches.cast_signed() * width_ns - width_ns / 2,
            width_ns,
            counts: (1..=stretches).collect(),
            residual: Residual::Arrivals("poisson".to_owned()),
            daily: None,
        }
    }

    fn take(model: &Model, longer: Longer, n: usize) -> Vec<(i64, f64)> {
        let mut periods = Periods::new(model, longer, Rng::stream(1, "blocks")).expect("sound");
        (0..n).map(|_| periods.next_stretch()).collect()
    }

    #[test]
    fn a_repeated_curve_comes_again() {
        let model = model(5);
        let twice = take(&model, Longer::Repeat, 10);
        assert_eq!(twice[..5], twice[5..]);
        assert_eq!((twice[0], twice[4]), ((600_000_000_000, 1.0), (300_000_000_000, 5.0)));
    }

    /// Every period lasts as long as the recording and has its arrivals; inside a block, whole stretches follow one another in a circle.
    #[test]
    fn blocks_come_from_a_circle() {
        let model = model(144);
        let mut periods = Periods::new(&model, Longer::Bootstrap, Rng::stream(1, "blocks")).expect("sound");
        for _ in 0..5 {
            let period = periods.shuffled();
            assert_eq!(period.iter().map(|stretch| stretch.0).sum::<i64>(), model.span_ns);
            assert!((period.iter().map(|stretch| stretch.1).sum::<f64>() - model.arrivals as f64).abs() < 1e-6);
        }
        let mut block = Vec::new();
        periods.push_block(143 * 600_000_000_000 + 1, 1_000_000_000_000, &mut block);
        let widths: Vec<i64> = block.iter().map(|stretch| stretch.0).collect();
        assert_eq!(widths, [299_999_999_999, 600_000_000_000, 100_000_000_001]);
        assert!((block[0].1 - 144.0).abs() < 1e-6 && block[1].1 == 1.0 && (block[2].1 - 2.0 / 6.0).abs() < 1e-9, "{block:?}");
    }

    /// Two models of one recording get their blocks from the same places.
    #[test]
    fn models_of_one_recording_are_shuffled_alike() {
        let (one, mut other) = (model(144), model(144));
        other.counts.iter_mut().for_each(|count| *count *= 3);
        other.arrivals *= 3;
        let (one, other) = (take(&one, Longer::Bootstrap, 300), take(&other, Longer::Bootstrap, 300));
        assert!(one.iter().zip(&other).all(|(a, b)| a.0 == b.0 && (3.0 * a.1 - b.1).abs() < 1e-9));
    }

    #[test]
    fn the_course_of_the_day_is_drawn_by_its_slots() {
        let mut model = model(144);
        assert!(Periods::new(&model, Longer::Daily, Rng::stream(1, "blocks")).is_err());
        model.daily = Some(Daily { day_s: 86_400.0, waves: vec![Wave { share: 0.5, peak_s: 43_200.0 }] });
        let day = take(&model, Longer::Daily, SLOTS);
        assert_eq!(day.iter().map(|stretch| stretch.0).sum::<i64>(), 86_400_000_000_000);
        assert!((day.iter().map(|stretch| stretch.1).sum::<f64>() - model.rate_per_s() * 86_400.0).abs() < 1e-6);
        assert!((day[144].1 / day[0].1 - 3.0).abs() < 0.01, "1.5 to 0.5");
    }

    #[test]
    fn names_come_back() {
        for name in Longer::names() {
            assert_eq!(Longer::parse(name).map(|longer| longer.to_string()).as_deref(), Some(name));
        }
    }
}
