//! The verdict on each figure, from its values in the runs of both sides.

use serde::Serialize;
use stats::Interval;
use stats::compare::{BATCHES, Comparison, Design, Effect, Outcome, RUNS_MIN, Worse, judge};
use trace::Unit;

use super::digest::Digest;
use super::figure::{Figure, Values, is_ratio};

/// What stands for one observation in the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// A run.
    Runs,
    /// One of twenty stretches of equal time of a run, where there are too few runs. Weaker: what two runs of one version differ by as a
    /// whole is not seen, and the smallest effect that shows is about 2.5 times that of eight pairs of runs as long, (t₀.₉₇₅ + t₀.₉)·√(1/20)
    /// with 38 degrees of freedom against (t₀.₉₇₅ + t₀.₉)·√(1/(20·8)) with 7, where runs differ by no more than their stretches do.
    Stretches,
}

impl Basis {
    /// Runs, where there are enough of them on both sides.
    pub fn of(before: usize, after: usize) -> Self {
        if before.min(after) >= RUNS_MIN { Self::Runs } else { Self::Stretches }
    }
}

/// One figure of both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Its name, with its scope.
    pub figure: String,
    /// What its values are counted in.
    pub unit: Unit,
    /// Which way is worse.
    pub worse: Worse,
    /// From which change on it matters: a share of the value, or the difference of shares.
    pub relevant: f64,
    /// The median over the runs of the known version; `None` where there is none.
    pub before: Option<f64>,
    /// The median over the runs of the version in question.
    pub after: Option<f64>,
    /// After against before: the ratio less 1, or the difference of shares.
    pub change: Option<Change>,
    /// p of this figure alone.
    pub p: f64,
    /// Adjusted for all figures of its table.
    pub p_adjusted: f64,
    /// Cliff's δ.
    pub delta: f64,
    /// The smallest change that these runs would have shown in nine of ten cases, as the change is counted.
    pub detectable: Option<f64>,
    /// Whether it is better for certain.
    pub improved: bool,
    /// The verdict.
    pub verdict: Outcome,
    /// For an inconclusive one: so many runs a side (or pairs, or stretches) would settle it.
    pub needed: Option<usize>,
    /// Why it is accepted all the same.
    pub accepted: Option<String>,
}

/// A change with its interval of 95 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Change {
    /// The estimate.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl From<Interval> for Change {
    fn from(Interval { value, low, high }: Interval) -> Self {
        Self { value, low, high }
    }
}

/// Pairs from which on signs are flipped: of fewer, even if all of them agree, p adjusted for six figures is not below 0.05 (2/2⁸·6 is).
/// Fewer pairs are tested as runs that do not pair up, which is valid and sees less where neighbours in time are alike.
pub const PAIRS_MIN: usize = 8;

/// What the tests of one comparison have in common.
#[derive(Debug, Clone, Copy)]
pub struct Test {
    /// What is one observation.
    pub basis: Basis,
    /// How runs of both sides belong together.
    pub design: Design,
    /// Decides random sign patterns.
    pub seed: u64,
}

impl Test {
    /// Judges figures as one family; those that no run has are left out.
    pub fn judge(&self, figures: &[Figure], before: &[Digest], after: &[Digest]) -> Vec<Row> {
        let read = |figure: &Figure, runs: &[Digest]| runs.iter().map(|run| figure.values(run)).collect::<Vec<Values>>();
        let read = figures.iter().map(|figure| (figure, read(figure, before), read(figure, after)));
        let has = |values: &[Values]| values.iter().any(|values| values.run.is_some());
        let read: Vec<(&Figure, Vec<Values>, Vec<Values>)> =
            read.filter(|(_, before, after)| has(before) || has(after)).collect();
        let observed: Vec<(Vec<f64>, Vec<f64>)> =
            read.iter().map(|(figure, before, after)| (self.observed(figure, before), self.observed(figure, after))).collect();
        let family: Vec<Comparison<'_>> = read
            .iter()
            .zip(&observed)
            .map(|((figure, ..), (before, after))| Comparison {
                before,
                after,
                design: self.design,
                worse: figure.measure.worse(),
                threshold: scaled(figure.measure.unit(), figure.relevant),
                objective_broken: false,
            })
            .collect();
        let effects = judge(&family, self.seed);
        read.iter().zip(effects).map(|((figure, before, after), effect)| row(figure, before, after, &effect)).collect()
    }

    /// One value for each observation, in the scale of the comparison; not a number where a run has none.
    fn observed(&self, figure: &Figure, runs: &[Values]) -> Vec<f64> {
        let scale = |value: f64| {
            if !is_ratio(figure.measure.unit()) {
                value
            } else if value > 0.0 {
                libm::log(value)
            } else {
                f64::NAN
            }
        };
        let of_run = |run: &Values| run.run.map_or(f64::NAN, scale);
        match self.basis {
            Basis::Runs => runs.iter().map(of_run).collect(),
            // What has no stretches is one value a run, which settles nothing and says so.
            Basis::Stretches if runs.iter().all(|run| run.stretches.is_empty()) => runs.iter().map(of_run).collect(),
            Basis::Stretches => runs.iter().flat_map(|run| run.stretches.iter().copied().map(scale)).collect(),
        }
    }
}

/// A change of the comparison's scale.
fn scaled(unit: Unit, change: f64) -> f64 {
    if is_ratio(unit) { libm::log1p(change) } else { change }
}

/// The same backwards.
fn unscaled(unit: Unit, shift: f64) -> f64 {
    if is_ratio(unit) { libm::expm1(shift) } else { shift }
}

fn row(figure: &Figure, before: &[Values], after: &[Values], effect: &Effect) -> Row {
    let unit = figure.measure.unit();
    Row {
        figure: figure.name.clone(),
        unit,
        worse: figure.measure.worse(),
        relevant: figure.relevant,
        before: median(before),
        after: median(after),
        change: effect.shift.map(|shift| shift.map(|shift| unscaled(unit, shift)).into()),
        p: effect.p,
        p_adjusted: effect.p_adjusted,
        delta: effect.delta,
        detectable: effect.detectable.map(|least| unscaled(unit, least)),
        improved: effect.improved,
        verdict: effect.outcome,
        needed: effect.runs_needed,
        accepted: None,
    }
}

fn median(runs: &[Values]) -> Option<f64> {
    let values: Vec<f64> = runs.iter().filter_map(|run| run.run).collect();
    (!values.is_empty()).then(|| stats::median(&values))
}

/// Runs as long as the present ones that so many stretches are.
pub fn stretches_as_runs(stretches: usize) -> usize {
    stretches.div_ceil(BATCHES)
}
