//! Whether one version is worse than another: runs of both, figure by figure, with how sure that is and what it comes from.
//!
//! A run becomes a [`digest::Digest`], which is all that a comparison looks at and what a [`baseline::Baseline`] keeps, so that a
//! baseline and the runs it was made from give the same verdict.

pub mod accept;
pub mod baseline;
mod chart;
mod comparable;
pub mod digest;
mod explain;
mod failures;
pub mod figure;
mod histogram;
mod objective;
mod sample;
mod show;
pub mod source;
pub mod verdict;

use serde::Serialize;
use stats::compare::{Design, Outcome, shift_between};

pub use accept::{Accepted, Became, Use};
pub use explain::{Explanation, Part};
pub use failures::{FailureRow, Rate, Turn};
pub use objective::{Kept, Objective};
pub use verdict::{Basis, Change, Row};

use baseline::Baseline;
use digest::{Digest, Wanted};
use figure::{DECIDING_MAX, Figure, Measure};
use histogram::Histogram;
use sample::LEVELS;
use source::{Side, Sides, sound};
use verdict::{PAIRS_MIN, Test};

use crate::distribution::CONFIDENCE;
use crate::threshold::Thresholds;
use crate::{Error, Result};

/// Version of the schema of `compare.json`; it rises when a reader of the old one would be misled.
const VERSION: u32 = 1;
/// Collections and operations whose own figures are looked at, the most frequent ones.
const GROUPS_COMPARED_MAX: usize = 20;
/// With fewer runs a side it is said that there should be more.
const RUNS_WANTED: usize = 4;

/// How runs are compared.
#[derive(Debug, Clone, Default)]
pub struct CompareOptions {
    /// Figures that decide as well, by name and scope.
    pub figures: Vec<String>,
    /// From which change on a figure matters, by its name.
    pub relevant: Vec<(String, f64)>,
    /// Thresholds besides those that were asked of the runs when they were made.
    pub thresholds: Thresholds,
    /// Known changes.
    pub accepted: Accepted,
    /// Now, ns since the Unix epoch: what is accepted has a day on which it ends.
    pub now_unix_ns: i64,
    /// Compare other content and other places on the target, too.
    pub anyway: bool,
    /// Decides random sign patterns.
    pub seed: u64,
}

/// One side, as it was compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// What it is called.
    pub label: String,
    /// The trace that was replayed.
    pub trace: String,
    /// The targets, by collection.
    pub targets: std::collections::BTreeMap<String, String>,
    /// Its runs, in order.
    pub runs: Vec<ComparedRun>,
}

/// One run of a side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedRun {
    /// Its folder.
    pub folder: String,
    /// When it began, ns since the Unix epoch.
    pub started_unix_ns: Option<i64>,
    /// Requests due.
    pub requests: u64,
    /// Median response time, ns.
    pub p50_ns: Option<i64>,
    /// 99th percentile, ns.
    pub p99_ns: Option<i64>,
    /// Good answers per second.
    pub throughput_per_s: Option<f64>,
    /// Share of requests without a good answer.
    pub error_rate: f64,
}

/// How far one quantile of response time lies from that of the known version.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Shift {
    /// The level.
    pub level: f64,
    /// The ratio less 1, with its interval; `None` for too few runs or stretches.
    pub change: Option<Change>,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// `rehearsal comparison`.
    pub kind: &'static str,
    /// Version of the schema.
    pub version: u32,
    /// The worst of what decides and is not accepted; `critical` where a threshold is newly broken.
    pub verdict: Outcome,
    /// Why.
    pub sentence: String,
    /// The known version.
    pub before: Compared,
    /// The version in question.
    pub after: Compared,
    /// What one observation of the tests is.
    pub basis: Basis,
    /// How the runs belong together.
    pub design: Design,
    /// What is to be known before the figures are used.
    pub notes: Vec<String>,
    /// The figures that decide, p adjusted over all of them.
    pub figures: Vec<Row>,
    /// What was looked at beside them: nothing here decides.
    pub beside: Vec<Row>,
    /// Thresholds.
    pub objectives: Vec<Objective>,
    /// Known changes, and what became of them.
    pub accepted: Vec<Use>,
    /// Kinds of failure.
    pub failures: Vec<FailureRow>,
    /// Where a change of latency comes from.
    pub explanation: Option<Explanation>,
    /// The quantiles of response time.
    pub shifts: Vec<Shift>,
    #[serde(skip)]
    curves: [Histogram; 2],
}

/// Compares the runs of two sides.
///
/// # Errors
/// [`Error::Refused`] when they cannot be compared, or the options name what is not there; [`Error::Trace`], [`Error::Empty`] and
/// [`Error::Outcomes`] when a run cannot be read.
pub fn compare(mut sides: Sides, options: &CompareOptions) -> Result<Comparison> {
    let wanted = options.wanted()?;
    sound(&mut sides)?;
    let Sides { before, after, design, mut notes } = sides;
    let measure = |side: Side| -> Result<(String, Vec<Digest>)> {
        Ok((side.label, side.runs.into_iter().map(|run| run.digest(&wanted)).collect::<Result<_>>()?))
    };
    let ((before_label, before), (after_label, after)) = (measure(before)?, measure(after)?);
    notes.extend(comparable::check(&before.iter().chain(&after).collect::<Vec<_>>(), options.anyway)?);
    let basis = Basis::of(before.len(), after.len());
    let paired = design == Design::Paired && basis == Basis::Runs && before.len() >= PAIRS_MIN;
    let test = Test { basis, design: if paired { Design::Paired } else { Design::Independent }, seed: options.seed };
    notes.extend(few(before.len().min(after.len()), test.basis));
    Ok(Found { labels: [before_label, after_label], before, after, test, figures: wanted.figures, notes }.judged(options))
}

/// Bundles the runs behind the paths into a baseline, with the figures that are named besides the standard ones.
///
/// # Errors
/// As [`compare`].
pub fn bundle(name: &str, paths: &[std::path::PathBuf], options: &CompareOptions) -> Result<Baseline> {
    Baseline::new(name, source::measured(paths, &options.wanted()?)?, options.now_unix_ns)
}

impl CompareOptions {
    fn wanted(&self) -> Result<Wanted> {
        Ok(Wanted { figures: figures(self)?, thresholds: self.thresholds.clone() })
    }
}

/// What is compared: the standard figures, and those that are named.
fn figures(options: &CompareOptions) -> Result<Vec<Figure>> {
    let mut all = Figure::standard();
    for text in &options.figures {
        let named = Figure::named(text)?;
        match all.iter_mut().find(|figure| figure.name == named.name) {
            Some(known) => known.decides = true,
            None => all.push(named),
        }
    }
    let deciding = all.iter().filter(|figure| figure.decides).count();
    if deciding > DECIDING_MAX {
        let more = DECIDING_MAX - Figure::standard().iter().filter(|figure| figure.decides).count();
        let sentence = format!(
            "{more} figures can be named with --figure besides those that decide anyway; with each one more, changes are harder to tell from chance"
        );
        return Err(Error::Refused(sentence));
    }
    for (name, share) in &options.relevant {
        figure::relevant(&mut all, name, *share)?;
    }
    Ok(all)
}

/// What few runs mean.
fn few(runs: usize, basis: Basis) -> Option<String> {
    if basis == Basis::Runs {
        return None;
    }
    let told = match runs {
        1 => "There is one run on a side, so that twenty stretches of its time stand in for runs.".to_owned(),
        runs => format!(
            "There are {runs} runs on a side, too few to compare them as wholes, so that stretches of their time stand in for runs."
        ),
    };
    let advice = "What runs of the same version differ by as a whole is not seen, and eight interleaved pairs would show changes about 2.5 times as small.";
    let command = if runs < RUNS_WANTED {
        " Make them with `rehearsal replay --against OLD=URL,NEW=URL --repeat 8 --interleave`."
    } else {
        ""
    };
    Some(format!("{told} {advice}{command}"))
}

/// Both sides measured.
struct Found {
    labels: [String; 2],
    before: Vec<Digest>,
    after: Vec<Digest>,
    test: Test,
    figures: Vec<Figure>,
    notes: Vec<String>,
}

impl Found {
    fn judged(mut self, options: &CompareOptions) -> Comparison {
        let (deciding, mut beside): (Vec<Figure>, Vec<Figure>) =
            std::mem::take(&mut self.figures).into_iter().partition(|figure| figure.decides);
        beside.extend(self.of_groups());
        let mut rows = self.test.judge(&deciding, &self.before, &self.after);
        let accepted = options.accepted.apply(&mut rows, options.now_unix_ns);
        let objectives = objective::compare(&self.before, &self.after, &self.test);
        let broken = objectives.iter().any(|objective| objective.newly_broken);
        let worst = rows.iter().filter(|row| row.accepted.is_none()).map(|row| row.verdict).max().unwrap_or(Outcome::None);
        let verdict = if broken { Outcome::Critical } else { worst };
        let [before_label, after_label] = &self.labels;
        let mut comparison = Comparison {
            kind: "rehearsal comparison",
            version: VERSION,
            verdict,
            sentence: String::new(),
            before: compared(before_label, &self.before),
            after: compared(after_label, &self.after),
            basis: self.test.basis,
            design: self.test.design,
            beside: self.test.judge(&beside, &self.before, &self.after),
            objectives,
            failures: failures::compare(&self.before, &self.after, &self.test),
            explanation: explain::explain(&self.before, &self.after),
            shifts: self.shifts(),
            curves: [merged(&self.before), merged(&self.after)],
            figures: rows,
            notes: self.notes,
            accepted,
        };
        comparison.sentence = show::sentence(&comparison);
        comparison
    }

    /// The figures of the most frequent collections and operations; of a single one they are those of the whole.
    fn of_groups(&self) -> Vec<Figure> {
        let Some(run) = self.before.first().filter(|run| run.groups.len() > 1) else { return Vec::new() };
        let groups = run.groups.iter().take(GROUPS_COMPARED_MAX);
        groups
            .flat_map(|group| Figure::of_group(&group.collection, &group.operation))
            .filter(|figure| self.has_some(figure))
            .collect()
    }

    /// Whether a figure of a group is worth a row: shares of errors are not where there are none.
    fn has_some(&self, figure: &Figure) -> bool {
        let mut runs = self.before.iter().chain(&self.after);
        figure.measure != Measure::ErrorRate || runs.any(|run| figure.values(run).run.is_some_and(|share| share > 0.0))
    }

    /// How far each quantile has shifted: of runs, or of stretches, as the test has it (the shift function of Doksum 1974, Ann. Stat. 2(2), by
    /// Harrell & Davis's quantiles as in Wilcox 1995, Br. J. Math. Stat. Psychol. 48).
    fn shifts(&self) -> Vec<Shift> {
        let design = self.test.design;
        let logs = |runs: &[Digest], place: usize| -> Option<Vec<f64>> {
            let values: Vec<Option<i64>> = match self.test.basis {
                Basis::Runs => runs.iter().map(|run| run.all.smooth_ns.get(place).copied().flatten()).collect(),
                Basis::Stretches => runs
                    .iter()
                    .flat_map(|run| &run.all.stretches)
                    .map(|one| one.smooth_ns.get(place).copied().flatten())
                    .collect(),
            };
            values.into_iter().map(|value| value.filter(|ns| *ns > 0).map(|ns| libm::log(ns as f64))).collect()
        };
        let shift = |(place, level): (usize, &f64)| {
            let both = logs(&self.before, place).zip(logs(&self.after, place));
            let shift = both.and_then(|(before, after)| shift_between(&before, &after, design, CONFIDENCE));
            Shift { level: *level, change: shift.map(|shift| shift.map(libm::expm1).into()) }
        };
        LEVELS.iter().enumerate().map(shift).collect()
    }
}

fn merged(runs: &[Digest]) -> Histogram {
    let mut all = Histogram::default();
    runs.iter().for_each(|run| all.add(&run.histogram()));
    all
}

fn compared(label: &str, runs: &[Digest]) -> Compared {
    let run = |run: &Digest| ComparedRun {
        folder: run.folder.clone(),
        started_unix_ns: run.started_unix_ns,
        requests: run.all.requests,
        p50_ns: run.all.at(0.5),
        p99_ns: run.all.at(0.99),
        throughput_per_s: (run.all.seconds > 0.0).then(|| run.all.ok as f64 / run.all.seconds),
        error_rate: (run.all.requests - run.all.ok) as f64 / run.all.requests.max(1) as f64,
    };
    let first = runs.first().cloned().unwrap_or_default();
    Compared { label: label.to_owned(), trace: first.trace, targets: first.targets, runs: runs.iter().map(run).collect() }
}

impl Comparison {
    /// Whether the verdict is at least as bad as `least`; an inconclusive one only where that is asked for.
    #[must_use]
    pub fn fails(&self, least: Outcome) -> bool {
        self.verdict >= least
    }
}

#[cfg(test)]
mod tests;
