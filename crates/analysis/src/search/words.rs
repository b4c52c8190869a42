//! What a search came to, in words: the same for terminal and page.

use std::path::Path;

use stats::search::{Bound, Ending};
use trace::RunStatus;

use super::page::seconds;
use super::{Figures, Outcome, SearchInfo, TrialInfo};
use crate::finding::Verdict;
use crate::section::duration;
use crate::units;

/// Collections that are told of at the bound.
const COLLECTIONS_MAX: usize = 12;

impl SearchInfo {
    /// The last trial in a line, below a heading where it is the first.
    #[must_use]
    pub fn progress(&self) -> String {
        let Some(trial) = self.trials.last() else { return String::new() };
        let line = line(&trial.folder, &units::number(trial.per_s), &seconds(trial.length_s), trial.verdict.as_str());
        let heading = if self.trials.len() == 1 { line_of_heading() } else { String::new() };
        format!("{heading}{line}{}", trial.reasons.join("; "))
    }

    /// What was found, what each collection got at the bound, and where all of it is.
    #[must_use]
    pub fn account(&self, dir: &Path) -> String {
        let mut lines = vec![self.sentence()];
        let bound = self.found.lower.and_then(|lower| self.trial_at(lower.per_s, Outcome::Good));
        lines.extend(bound.into_iter().flat_map(at_the_bound));
        let dir = dir.display();
        lines.push(format!("search in {dir}; next: rehearsal report {dir}"));
        lines.join("\n")
    }

    /// `pass` where the capacity was found or the largest rate allowed is borne, `invalid` where the generator was the limit, and `fail`
    /// for every other end.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match (self.found.ending, self.status) {
            (Some(Ending::Found | Ending::AboveMax), _) => Verdict::Pass,
            (Some(Ending::GeneratorLimited), _) => Verdict::Invalid,
            (Some(Ending::BelowMin | Ending::TrialsUsedUp), _) => Verdict::Fail,
            (None, RunStatus::Running) => Verdict::Warn,
            (None, _) => Verdict::Fail,
        }
    }

    /// What was found, in a sentence or two.
    #[must_use]
    pub fn sentence(&self) -> String {
        let within = self.thresholds.join(" and ");
        match (self.found.ending, self.found.lower, self.found.upper) {
            (Some(Ending::Found), Some(lower), Some(upper)) => {
                let (borne, not) = (units::number(lower.per_s), units::number(upper.per_s));
                format!(
                    "Largest rate within {within}: {borne} /s (borne {borne}, not borne {not}), confirmed by {}.{}",
                    self.trials_of(&lower, Outcome::Good),
                    self.above(&upper)
                )
            }
            (Some(Ending::AboveMax), Some(lower), _) => format!(
                "The target bears {} within {within}, the largest rate that was to be tried; raise --max-rate to find where it ends.",
                units::per_s(lower.per_s)
            ),
            (Some(Ending::BelowMin), _, Some(upper)) => {
                format!("Not even {} is borne within {within}.{}", units::per_s(upper.per_s), self.above(&upper))
            }
            (Some(Ending::GeneratorLimited), lower, _) => self.spoilt(lower),
            (Some(_), lower, upper) => {
                let trials = units::counted(self.found.trials as u64, "trial");
                format!("No answer after {trials}, the most that were allowed: {}; raise --trials-max.", between(lower, upper))
            }
            (None, lower, upper) => {
                let ended = if self.status == RunStatus::Running {
                    "The search is still going or was killed"
                } else {
                    "The search was ended early"
                };
                format!("{ended}: {}.", between(lower, upper))
            }
        }
    }

    /// The generator was the limit: no capacity, only what it could still offer in time.
    fn spoilt(&self, lower: Option<Bound>) -> String {
        // Earlier ones were made again and said something then.
        let last = self.trials.iter().rfind(|trial| trial.verdict == Outcome::Spoilt);
        let at = last.map_or(f64::NAN, |trial| trial.per_s);
        let why = last.and_then(|trial| trial.reasons.first()).map_or("", String::as_str);
        let borne = lower.map(|lower| format!(" The target bore what could be offered, up to {}.", units::per_s(lower.per_s)));
        format!(
            "INVALID: generator-limited at {}, so nothing is known of what the target can bear. {why}{}",
            units::per_s(at),
            borne.unwrap_or_default()
        )
    }

    /// ` Above it: …`, what went wrong in the trial that shows it best.
    fn above(&self, upper: &Bound) -> String {
        let Some(trial) = self.trial_at(upper.per_s, Outcome::Bad) else { return String::new() };
        format!(" At {}: {}.", units::per_s(upper.per_s), trial.reasons.join("; "))
    }

    fn trials_of(&self, bound: &Bound, verdict: Outcome) -> String {
        let full = |trial: &&TrialInfo| {
            trial.per_s == bound.per_s && trial.verdict == verdict && trial.length_s >= self.plan.goal.full_s
        };
        let count = self.trials.iter().filter(full).count();
        format!("{} of {}", units::counted(count as u64, "trial"), seconds(self.plan.goal.full_s))
    }
}

fn line(trial: &str, per_s: &str, length: &str, verdict: &str) -> String {
    format!("{trial:<10} {per_s:>9} {length:>7}  {verdict:<12} ")
}

fn line_of_heading() -> String {
    line("trial", "/s", "for", "verdict") + "why\n"
}

/// What each collection got in a trial, where there are several.
fn at_the_bound(trial: &TrialInfo) -> Vec<String> {
    let line = |(name, figures): (&String, &Figures)| {
        let (offered, p99) = (units::per_s(figures.offered_per_s), duration(figures.response_p99_ns.map(|ns| ns as f64)));
        format!("  {name}: {offered}, p99 {p99}, {} failed", units::share(figures.failed_share))
    };
    if trial.collections.len() < 2 {
        return Vec::new();
    }
    let mut lines = vec![format!("at {} each collection got", units::per_s(trial.per_s))];
    lines.extend(trial.collections.iter().take(COLLECTIONS_MAX).map(line));
    let more = trial.collections.len().saturating_sub(COLLECTIONS_MAX);
    lines.extend((more > 0).then(|| format!("  and {more} more; the report has all")));
    lines
}

fn between(lower: Option<Bound>, upper: Option<Bound>) -> String {
    let rate = |bound: Bound| {
        let sure = if bound.confirmed { "" } else { ", not confirmed" };
        format!("{}{sure}", units::per_s(bound.per_s))
    };
    let lower = lower.map(|bound| format!("borne is {}", rate(bound)));
    let upper = upper.map(|bound| format!("not borne is {}", rate(bound)));
    let known: Vec<String> = [lower, upper].into_iter().flatten().collect();
    if known.is_empty() { "no trial says anything".to_owned() } else { known.join(", ") }
}
