//! A rate that rises and falls over the day, and its fit.

use std::f64::consts::PI;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::linear;

/// The most waves of a curve: daily, half-daily and a third.
pub const WAVES_MAX: usize = 3;
/// A day is counted in so many slots: of 5 minutes where it has 24 hours.
pub const SLOTS: usize = 288;
/// Steps of the curve within a slot.
const STEPS_PER_SLOT: usize = 10;
/// Rounds of the fit: it settles within a few.
const ROUNDS_MAX: usize = 50;

/// λ(t) = max(0, 1 + Σₖ aₖ cos(2πk(t − pₖ)/day)), brought to mean 1. The k-th wave passes k times a day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Daily {
    /// Length of a day, s.
    pub day_s: f64,
    /// The waves, at most [`WAVES_MAX`].
    pub waves: Vec<Wave>,
}

/// One harmonic.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Wave {
    /// How far it raises the rate at its peak, as a share of the mean rate.
    pub share: f64,
    /// When it peaks first, s after the start.
    pub peak_s: f64,
}

impl Daily {
    /// One sentence on what makes a curve impossible.
    ///
    /// # Errors
    /// That sentence.
    pub fn check(&self) -> Result<(), String> {
        if !(1e-3..=1e9).contains(&self.day_s) {
            return Err(format!("the length of a day in seconds must lie between 0.001 and 1000000000, not {}", self.day_s));
        }
        if self.waves.is_empty() || self.waves.len() > WAVES_MAX {
            return Err(format!("a day has 1 to {WAVES_MAX} waves, not {}", self.waves.len()));
        }
        let is_sound = |wave: &Wave| (0.0..=2.0).contains(&wave.share) && (0.0..=self.day_s).contains(&wave.peak_s);
        match self.waves.iter().find(|wave| !is_sound(wave)) {
            Some(Wave { share, peak_s }) => {
                Err(format!("a wave of the day rises by 0 to 2 and peaks within the day, not by {share} at {peak_s} s"))
            }
            None => Ok(()),
        }
    }

    /// λ before it is brought to mean 1, `share` of a day after its start.
    fn height(&self, share: f64) -> f64 {
        let wave = |(k, wave): (f64, &Wave)| wave.share * libm::cos(2.0 * PI * k * (share - wave.peak_s / self.day_s));
        let sum: f64 = (1_u8..).map(f64::from).zip(&self.waves).map(wave).sum();
        (1.0 + sum).max(0.0)
    }

    /// The cumulative rate, made for being asked often.
    #[must_use]
    pub fn cumulative(&self) -> Cumulative {
        let steps = SLOTS * STEPS_PER_SLOT;
        let heights = (0..steps).map(|step| self.height((step as f64 + 0.5) / steps as f64));
        let mut sums = vec![0.0];
        sums.extend(heights.scan(0.0, |sum, height| {
            *sum += height;
            Some(*sum)
        }));
        let all = sums[steps];
        sums.iter_mut().for_each(|sum| *sum /= all);
        Cumulative { day_s: self.day_s, sums }
    }

    /// Fits the curve to arrivals, ns since the start, sorted, over `span_ns`. `None` where they do not last a day, or have fewer than
    /// one arrival in a slot on average.
    ///
    /// Least squares on the roots √(N + 3/8) of the counts, whose variance depends little on the rate (Anscombe 1948, Biometrika 35),
    /// against the mean that they have in Poisson counts, by Gauss and Newton's method.
    #[must_use]
    pub fn fit(since_ns: &[i64], span_ns: i64, day_s: f64) -> Option<Self> {
        let slot_ns = day_s * 1e9 / SLOTS as f64;
        let slots = (span_ns as f64 / slot_ns) as usize;
        if slots < SLOTS || since_ns.len() < slots {
            return None;
        }
        let mut counts = vec![0.0_f64; slots + 1];
        since_ns.iter().for_each(|at_ns| counts[((*at_ns as f64 / slot_ns) as usize).min(slots)] += 1.0);
        counts.truncate(slots);
        let found = gauss_newton(&counts)?;
        let waves = (1..=WAVES_MAX).map(|k| {
            let (along, across) = (found[2 * k - 1] / found[0], found[2 * k] / found[0]);
            // a·cos(kx) + b·sin(kx) peaks where kx = atan2(b, a).
            let turn = libm::atan2(across, along) / (2.0 * PI);
            Wave { share: rounded(along.hypot(across)), peak_s: rounded(day_s * turn.rem_euclid(1.0) / k as f64) }
        });
        let daily = Self { day_s, waves: waves.collect() };
        daily.check().is_ok().then_some(daily)
    }
}

/// A number that comes back the same from a file of decimals.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// Numbers of the curve: its mean, and for each wave a cosine and a sine.
const NUMBERS: usize = 1 + 2 * WAVES_MAX;

/// What each number adds to the mean count of a slot.
fn basis(slot: usize) -> [f64; NUMBERS] {
    let turn = 2.0 * PI * (slot as f64 + 0.5) / SLOTS as f64;
    std::array::from_fn(|i| match (i, i.div_ceil(2) as f64) {
        (0, _) => 1.0,
        (i, k) if i % 2 == 1 => libm::cos(k * turn),
        (_, k) => libm::sin(k * turn),
    })
}

/// The mean of √(N + 3/8) in Poisson counts of mean μ, and how it rises with μ. For large μ it is √(μ + 1/8) (Anscombe 1948, eq. 2.6).
fn root(mean: f64) -> (f64, f64) {
    if mean > 40.0 {
        let root = (mean + 0.125).sqrt();
        return (root, 0.5 / root);
    }
    let (mut sum, mut rise, mut p) = (0.0, 0.0, libm::exp(-mean));
    for n in (0_u8..120).map(f64::from) {
        let (here, above) = ((n + 0.375).sqrt(), (n + 1.375).sqrt());
        (sum, rise) = (sum + p * here, rise + p * (above - here));
        p *= mean / (n + 1.0);
    }
    (sum, rise)
}

/// The numbers that fit the counts of slots best. Steps that would not come nearer are halved.
fn gauss_newton(counts: &[f64]) -> Option<[f64; NUMBERS]> {
    let mut numbers = [0.0; NUMBERS];
    numbers[0] = counts.iter().sum::<f64>() / counts.len() as f64;
    let mut apart = squares(counts, &numbers);
    for _ in 0..ROUNDS_MAX {
        let step = step(counts, &numbers)?;
        let shortened = |shrink: f64| -> [f64; NUMBERS] { std::array::from_fn(|i| numbers[i] + shrink * step[i]) };
        let tried = (0..10).map(|halvings| shortened(0.5_f64.powi(halvings))).map(|next| (squares(counts, &next), next));
        let Some((nearer, next)) = tried.into_iter().find(|(squares, _)| *squares < apart) else { break };
        let gained = apart - nearer;
        (numbers, apart) = (next, nearer);
        if gained <= 1e-12 * apart {
            break;
        }
    }
    Some(numbers)
}

/// The mean count of a slot.
fn mean(numbers: &[f64; NUMBERS], slot: usize) -> f64 {
    basis(slot).iter().zip(numbers).map(|(one, number)| one * number).sum::<f64>().max(0.0)
}

/// How far the roots of the counts are from their means, squared and summed.
fn squares(counts: &[f64], numbers: &[f64; NUMBERS]) -> f64 {
    let miss = |(slot, count): (usize, &f64)| (count + 0.375).sqrt() - root(mean(numbers, slot)).0;
    counts.iter().enumerate().map(|slot| miss(slot).powi(2)).sum()
}

/// The step to the minimum that the slopes point to: JᵀJ·step = Jᵀ·miss.
fn step(counts: &[f64], numbers: &[f64; NUMBERS]) -> Option<[f64; NUMBERS]> {
    let (mut matrix, mut right) = ([[0.0; NUMBERS]; NUMBERS], [0.0; NUMBERS]);
    for (slot, count) in counts.iter().enumerate() {
        let (expected, rise) = root(mean(numbers, slot));
        let (slope, miss) = (basis(slot).map(|one| one * rise), (count + 0.375).sqrt() - expected);
        for i in 0..NUMBERS {
            right[i] += slope[i] * miss;
            (0..NUMBERS).for_each(|j| matrix[i][j] += slope[i] * slope[j]);
        }
    }
    linear::solve(matrix, right)
}

/// Λ(t) = ∫λ in days, constant λ on steps of 1/2880 day, and its inverse.
#[derive(Debug, Clone)]
pub struct Cumulative {
    day_s: f64,
    /// Share of a day's arrivals that come before each step, and 1.
    sums: Vec<f64>,
}

impl Cumulative {
    /// Λ(t): seconds' worth of the mean rate until `t_s`, which is not before the start.
    #[must_use]
    pub fn at(&self, t_s: f64) -> f64 {
        let days = t_s / self.day_s;
        let place = days.fract() * (self.sums.len() - 1) as f64;
        let step = (place as usize).min(self.sums.len() - 2);
        let within = self.sums[step] + (place - step as f64) * (self.sums[step + 1] - self.sums[step]);
        (days.floor() + within) * self.day_s
    }

    /// Λ⁻¹(u): when the curve has run up `u_s` seconds' worth of the mean rate, s.
    #[must_use]
    pub fn time_s(&self, u_s: f64) -> f64 {
        let days = u_s / self.day_s;
        let sought = days.fract();
        let step = self.sums.partition_point(|sum| *sum <= sought).clamp(1, self.sums.len() - 1) - 1;
        let rise = self.sums[step + 1] - self.sums[step];
        let share = if rise > 0.0 { ((sought - self.sums[step]) / rise).min(1.0) } else { 0.0 };
        (days.floor() + (step as f64 + share) / (self.sums.len() - 1) as f64) * self.day_s
    }

    /// Share of a day's arrivals in each of its [`SLOTS`].
    pub(crate) fn slots(&self) -> impl Iterator<Item = f64> {
        (0..SLOTS).map(|slot| self.sums[(slot + 1) * STEPS_PER_SLOT] - self.sums[slot * STEPS_PER_SLOT])
    }
}

/// As the command line takes it: `52%@14.2h,10%@3h`.
impl fmt::Display for Daily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, wave) in self.waves.iter().enumerate() {
            write!(f, "{}{:.1}%@{:.0}s", if i > 0 { "," } else { "" }, wave.share * 100.0, wave.peak_s)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;
    use proptest::prelude::*;

    fn daily(day_s: f64, waves: &[(f64, f64)]) -> Daily {
        Daily { day_s, waves: waves.iter().map(|(share, peak_s)| Wave { share: *share, peak_s: *peak_s }).collect() }
    }

    /// Poisson arrivals on the curve.
    fn arrivals(daily: &Daily, per_s: f64, days: f64, seed: u64) -> Vec<i64> {
        let (curve, mut rng, mut elapsed) = (daily.cumulative(), Rng::stream(seed, "day"), 0.0);
        let next = || {
            elapsed += rng.exponential() / per_s;
            curve.time_s(elapsed)
        };
        std::iter::repeat_with(next).take_while(|t_s| *t_s < days * daily.day_s).map(|t_s| (t_s * 1e9) as i64).collect()
    }

    proptest! {
        #[test]
        fn the_curve_and_its_inverse_agree(a in 0.0..1.5, b in 0.0..0.5, peak in 0.0..1.0, day_s in 1.0..1e5, days in 0.0..10.0) {
            let curve = daily(day_s, &[(a, peak * day_s), (b, 0.0)]).cumulative();
            let u_s: f64 = days * day_s;
            prop_assert!((curve.at(curve.time_s(u_s)) - u_s).abs() < 1e-9 * day_s, "{u_s}");
        }
    }

    /// A quarter of a day around the trough and around the peak of one wave: day/4 ∓ a·day/(2π)·√2.
    #[test]
    fn quarters_have_what_the_integral_says() {
        let curve = daily(100.0, &[(0.5, 50.0)]).cumulative();
        let quarter = |from: f64| curve.at(from + 25.0) - curve.at(from);
        let swing = 0.5 * 100.0 / (2.0 * PI) * 2.0_f64.sqrt();
        assert!((quarter(87.5) - (25.0 - swing)).abs() < 1e-3 && (quarter(37.5) - (25.0 + swing)).abs() < 1e-3);
        assert!((curve.at(100.0) - 100.0).abs() < 1e-9 && (curve.slots().sum::<f64>() - 1.0).abs() < 1e-9);
    }

    /// Where the waves would take the rate below 0 it is 0, and the mean stays 1.
    #[test]
    fn a_rate_is_never_below_zero() {
        let curve = daily(24.0, &[(1.5, 12.0)]).cumulative();
        assert!((curve.at(24.0) - 24.0).abs() < 1e-9 && curve.at(2.0) == 0.0 && curve.at(12.0) > 11.0);
    }

    /// Three waves drawn and found again within what their standard errors allow: a share's is √(2/n), a peak's that over 2πk·share.
    #[test]
    fn a_day_is_found_again() {
        for (seed, days) in [(1, 1.0), (2, 2.5), (3, 7.0)] {
            let true_waves = [(0.5, 50_000.0), (0.2, 10_000.0), (0.1, 20_000.0)];
            let made = arrivals(&daily(86_400.0, &true_waves), 0.5, days, seed);
            let found = Daily::fit(&made, (days * 86_400e9) as i64, 86_400.0).expect("a day");
            let error = (2.0 / made.len() as f64).sqrt();
            for (k, (wave, (share, peak_s))) in (1_u8..).map(f64::from).zip(found.waves.iter().zip(true_waves)) {
                assert!((wave.share - share).abs() < 4.0 * error, "{days}: {found:?}");
                assert!((wave.peak_s - peak_s).abs() < 4.0 * error / share * 86_400.0 / (2.0 * PI * k), "{days}: {found:?}");
            }
        }
    }

    /// A mean of one arrival in a slot, and nights without any: the roots are not biased by it.
    #[test]
    fn few_arrivals_in_a_slot_do_not_bias() {
        let made = arrivals(&daily(86_400.0, &[(1.0, 43_200.0)]), 1.2 / 300.0, 60.0, 4);
        let found = Daily::fit(&made, 60 * 86_400_000_000_000, 86_400.0).expect("sixty days");
        assert!((found.waves[0].share - 1.0).abs() < 0.05 && (found.waves[0].peak_s - 43_200.0).abs() < 600.0, "{found:?}");
        assert!(found.waves[1].share < 0.06 && found.waves[2].share < 0.06, "{found:?}");
    }

    #[test]
    fn what_is_no_day_is_refused() {
        assert_eq!(Daily::fit(&[0; 1000], 86_399_000_000_000, 86_400.0), None, "too short");
        assert_eq!(Daily::fit(&[0; 100], 86_400_000_000_000, 86_400.0), None, "too few");
        assert!(daily(0.0, &[(0.5, 0.0)]).check().expect_err("no day").contains("the length of a day"));
        assert!(daily(10.0, &[]).check().expect_err("no wave").contains("1 to 3 waves"));
        assert!(daily(10.0, &[(0.5, 11.0)]).check().expect_err("tomorrow").contains("peaks within the day"));
    }
}
