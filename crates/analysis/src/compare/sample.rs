//! Requests measured together: once as a whole, and once more in stretches of equal time, which stand in for runs where there is but one.

use serde::{Deserialize, Serialize};
use stats::compare::{BATCHES, batch_of, batch_quantile, harrell_davis};
use stats::order;

use crate::distribution::CONFIDENCE;

/// The levels that a curve of quantiles is drawn from, and that every run is measured at.
pub const LEVELS: &[f64] = &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999];

/// Requests of a run, or of one collection and operation in it. Durations are response times (due to last byte) of answered requests, ns.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Requests due.
    pub requests: u64,
    /// Good answers.
    pub ok: u64,
    /// Whole answers, good or bad.
    pub answered: u64,
    /// Sum of their response times.
    pub sum_ns: i64,
    /// From the run's first due instant to its last answer or failure, s; 0 where nothing came back.
    pub seconds: f64,
    /// The levels of all quantiles here.
    pub levels: Vec<f64>,
    /// The nearest rank at each level; `None` where the sample is too small for an interval at all.
    pub values_ns: Vec<Option<i64>>,
    /// Harrell & Davis's quantiles at [`LEVELS`], rounded, where they were asked for; `None` where `values_ns` is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub smooth_ns: Vec<Option<i64>>,
    /// The same in stretches of equal time.
    pub stretches: Vec<Stretch>,
}

/// One of [`BATCHES`] stretches of equal time, by due instant.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stretch {
    /// Requests due in it.
    pub requests: u64,
    /// Good answers to them.
    pub ok: u64,
    /// Whole answers to them.
    pub answered: u64,
    /// Sum of their response times.
    pub sum_ns: i64,
    /// Good answers that came in it, whenever they were due: what throughput counts.
    pub came: u64,
    /// Quantiles at the sample's levels; `None` where there are too few answers for an upper bound.
    pub values_ns: Vec<Option<i64>>,
    /// Harrell & Davis's at [`LEVELS`], likewise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub smooth_ns: Vec<Option<i64>>,
}

/// When a run began and ended: instants in ns since run start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First due instant.
    pub first_due_ns: i64,
    /// Last due instant.
    pub last_due_ns: i64,
    /// Last answer or failure; the last due instant where nothing came back.
    pub last_done_ns: i64,
}

/// One outcome, as far as samples need it.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// When it was due.
    pub due_ns: i64,
    /// When its answer came, where a whole one did.
    pub answered_ns: Option<i64>,
    /// Whether that was good.
    pub ok: bool,
}

/// Gathers outcomes of one sample, in any order. Memory: 8 bytes for each answer.
#[derive(Debug, Clone)]
pub struct Gathering {
    span: Span,
    stretches: Vec<Stretch>,
    responses_ns: Vec<Vec<i64>>,
}

impl Gathering {
    /// Nothing yet, of a run of this span.
    pub fn new(span: Span) -> Self {
        Self { span, stretches: vec![Stretch::default(); BATCHES], responses_ns: vec![Vec::new(); BATCHES] }
    }

    /// Adds an outcome.
    pub fn add(&mut self, seen: &Seen) {
        let place = batch_of(seen.due_ns, self.span.first_due_ns, self.span.last_due_ns);
        let stretch = &mut self.stretches[place];
        stretch.requests += 1;
        stretch.ok += u64::from(seen.ok);
        let Some(answered_ns) = seen.answered_ns else { return };
        stretch.answered += 1;
        stretch.sum_ns += answered_ns - seen.due_ns;
        self.responses_ns[place].push(answered_ns - seen.due_ns);
        if seen.ok {
            self.stretches[batch_of(answered_ns, self.span.first_due_ns, self.span.last_done_ns)].came += 1;
        }
    }

    /// Requests seen so far.
    pub fn requests(&self) -> u64 {
        self.stretches.iter().map(|stretch| stretch.requests).sum()
    }

    /// Sorts the answers and measures them at these levels, and with `smooth` by Harrell & Davis at [`LEVELS`] as well; hands the sorted
    /// response times on.
    pub fn measure(mut self, levels: &[f64], smooth: bool) -> (Sample, Vec<i64>) {
        let smooth = if smooth { LEVELS } else { &[] };
        let mut sorted = Vec::with_capacity(self.responses_ns.iter().map(Vec::len).sum());
        for (stretch, mut values) in self.stretches.iter_mut().zip(self.responses_ns) {
            values.sort_unstable();
            stretch.values_ns = levels.iter().map(|level| batch_quantile(&values, *level)).collect();
            stretch.smooth_ns = smooth.iter().map(|level| smoothed(&values, *level, batch_quantile)).collect();
            sorted.append(&mut values);
        }
        // Twenty sorted pieces: a sort that finds them merges.
        sorted.sort();
        let sum = |of: fn(&Stretch) -> u64| self.stretches.iter().map(of).sum();
        let sample = Sample {
            requests: sum(|stretch| stretch.requests),
            ok: sum(|stretch| stretch.ok),
            answered: sorted.len() as u64,
            sum_ns: self.stretches.iter().map(|stretch| stretch.sum_ns).sum(),
            seconds: (self.span.last_done_ns - self.span.first_due_ns) as f64 / 1e9,
            levels: levels.to_vec(),
            values_ns: levels.iter().map(|level| sufficient(&sorted, *level)).collect(),
            smooth_ns: smooth.iter().map(|level| smoothed(&sorted, *level, sufficient)).collect(),
            stretches: self.stretches,
        };
        (sample, sorted)
    }
}

/// The nearest rank, where the sample is large enough for a two-sided interval.
fn sufficient(sorted: &[i64], level: f64) -> Option<i64> {
    order::quantile(sorted, level).filter(|_| sorted.len() >= order::samples_min_two_sided(level, CONFIDENCE))
}

/// Harrell & Davis's quantile, where there are enough answers for the nearest rank.
fn smoothed(sorted: &[i64], level: f64, nearest: impl Fn(&[i64], f64) -> Option<i64>) -> Option<i64> {
    nearest(sorted, level)?;
    harrell_davis(sorted, level).map(|ns| ns.round() as i64)
}

impl Sample {
    /// The quantile at one of its levels.
    pub fn at(&self, level: f64) -> Option<i64> {
        self.values_ns[self.place(level)?]
    }

    /// The counts and sums of both, without quantiles, which cannot be added.
    pub fn and(self, other: &Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            ok: self.ok + other.ok,
            answered: self.answered + other.answered,
            sum_ns: self.sum_ns + other.sum_ns,
            seconds: self.seconds.max(other.seconds),
            ..Self::default()
        }
    }

    /// Where that level stands.
    pub fn place(&self, level: f64) -> Option<usize> {
        self.levels.iter().position(|known| (known - level).abs() < 1e-12)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_and_the_whole_count_the_same_requests() {
        let span = Span { first_due_ns: 0, last_due_ns: 39_999, last_done_ns: 50_000 };
        let mut gathering = Gathering::new(span);
        for due_ns in 0..40_000_i64 {
            // Response time 1 + the number of the stretch; every hundredth without an answer, every fiftieth (those among them) bad.
            let response_ns = 1 + due_ns / 2000;
            let seen = Seen { due_ns, answered_ns: (due_ns % 100 != 0).then_some(due_ns + response_ns), ok: due_ns % 50 != 0 };
            gathering.add(&seen);
        }
        let (sample, sorted) = gathering.measure(&[0.5, 0.99], false);
        assert_eq!((sample.requests, sample.ok, sample.answered), (40_000, 39_200, 39_600));
        assert_eq!(sorted.len(), 39_600);
        assert_eq!(sample.values_ns, [Some(10), Some(20)]);
        assert_eq!(sample.sum_ns, (1..=20).map(|response| response * 1980).sum::<i64>());
        for (number, stretch) in (1..).zip(&sample.stretches) {
            assert_eq!((stretch.requests, stretch.ok, stretch.answered), (2000, 1960, 1980));
            assert_eq!(stretch.values_ns, [Some(number), Some(number)]);
        }
        assert_eq!(sample.stretches.iter().map(|stretch| stretch.came).sum::<u64>(), 39_200);
        // A twentieth of 50,001 ns ends at 2500.05: what was due up to 2498, less the fifty bad answers among it.
        assert_eq!(sample.stretches[0].came, 2499 - 50);
        assert_eq!(sample.stretches[19].came, 0);
    }

    #[test]
    fn what_is_too_small_has_no_quantile() {
        let span = Span { first_due_ns: 0, last_due_ns: 199, last_done_ns: 300 };
        let mut gathering = Gathering::new(span);
        (0..200).for_each(|due_ns| gathering.add(&Seen { due_ns, answered_ns: Some(due_ns + 7), ok: true }));
        let (sample, _) = gathering.measure(LEVELS, true);
        assert_eq!((sample.at(0.5), sample.at(0.95), sample.at(0.99)), (Some(7), Some(7), None), "p99 needs 368");
        assert_eq!(sample.stretches[3].values_ns[8], None, "10 values are too few for p90, which needs 29");
        assert_eq!(sample.stretches[3].values_ns[4], Some(7), "p50 needs 5");
        assert_eq!(sample.smooth_ns, sample.values_ns, "all are alike");
    }
}
