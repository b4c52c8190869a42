//! Thresholds that the known version kept and the version in question does not.

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::failures::is_significant;
use super::verdict::{Basis, Test};
use crate::finding::Verdict;
use crate::threshold::Thresholds;
use crate::{Analysis, Result, Run};

/// How one run stands to a threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The threshold, as it is written.
    pub threshold: String,
    /// What was measured, in the threshold's unit.
    pub value: Option<f64>,
    /// Whether the run keeps it; `None` where it has too few samples.
    pub kept: Option<bool>,
    /// Whether another run might turn out otherwise.
    pub close: bool,
}

/// How both sides stand to a threshold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Objective {
    /// The threshold, as it is written.
    pub threshold: String,
    /// Runs of the known version that keep it, of those that can tell.
    pub kept_before: usize,
    /// Runs of the known version that can tell.
    pub of_before: usize,
    /// Runs of the version in question that keep it.
    pub kept_after: usize,
    /// Runs of the version in question that can tell.
    pub of_after: usize,
    /// Whether the known version kept it and the version in question does not, beyond chance.
    pub newly_broken: bool,
}

/// Holds a run against its own thresholds and these, which have the last say.
///
/// # Errors
/// As [`Thresholds::judge`].
pub fn judge(run: &Run, thresholds: &Thresholds) -> Result<Vec<Kept>> {
    let own = Thresholds::of_run(&run.info)?;
    let thresholds = thresholds.clone().over(own);
    if thresholds.is_empty() {
        return Ok(Vec::new());
    }
    let judged = thresholds.judge(run, &Analysis::new(run)?)?;
    Ok(judged
        .into_iter()
        .map(|judged| Kept {
            threshold: judged.threshold.to_string(),
            value: judged.value,
            kept: match judged.verdict {
                Verdict::Pass => Some(true),
                Verdict::Fail => Some(false),
                _ => None,
            },
            close: judged.close,
        })
        .collect())
}

/// Every threshold that both sides were held against, in the order of the version in question.
pub fn compare(before: &[Digest], after: &[Digest], test: &Test) -> Vec<Objective> {
    let Some(first) = after.first() else { return Vec::new() };
    let of = |runs: &[Digest], threshold: &str| -> Vec<Kept> {
        runs.iter().filter_map(|run| run.objectives.iter().find(|one| one.threshold == threshold).cloned()).collect()
    };
    let objective = |threshold: &str| {
        let (old, new) = (of(before, threshold), of(after, threshold));
        (old.len() == before.len() && new.len() == after.len()).then(|| one(threshold, &old, &new, test))
    };
    first.objectives.iter().filter_map(|kept| objective(&kept.threshold)).collect()
}

fn one(threshold: &str, before: &[Kept], after: &[Kept], test: &Test) -> Objective {
    let kept = |runs: &[Kept]| runs.iter().filter(|run| run.kept == Some(true)).count();
    let known = |runs: &[Kept]| runs.iter().filter(|run| run.kept.is_some()).count();
    let (kept_before, kept_after) = (kept(before), kept(after));
    let (of_before, of_after) = (known(before), known(after));
    let turned = 2 * kept_before > of_before && of_after > 0 && 2 * kept_after <= of_after;
    let sure = match test.basis {
        Basis::Runs => is_significant(&values(before), &values(after), test),
        Basis::Stretches => {
            let clear = |runs: &[Kept], wanted: bool| runs.iter().all(|run| run.kept == Some(wanted) && !run.close);
            clear(before, true) && clear(after, false)
        }
    };
    Objective { threshold: threshold.to_owned(), kept_before, of_before, kept_after, of_after, newly_broken: turned && sure }
}

/// What was measured; where only that it was missed is known, nothing that could be larger.
fn values(runs: &[Kept]) -> Vec<f64> {
    runs.iter().map(|run| run.value.unwrap_or(f64::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use stats::compare::Design;

    fn run(value: f64, close: bool) -> Digest {
        let kept = Kept { threshold: "p99<20ms".to_owned(), value: Some(value), kept: Some(value < 20e6), close };
        Digest { objectives: vec![kept], ..Digest::default() }
    }

    fn broken(before: &[Digest], after: &[Digest], basis: Basis) -> bool {
        compare(before, after, &Test { basis, design: Design::Independent, seed: 1 })[0].newly_broken
    }

    #[test]
    fn an_objective_is_broken_when_most_runs_turn_and_it_is_not_chance() {
        let runs = |from: f64| -> Vec<Digest> { (0..8).map(|place| run(from + f64::from(place) * 1e5, false)).collect() };
        assert!(broken(&runs(15e6), &runs(21e6), Basis::Runs));
        assert!(!broken(&runs(21e6), &runs(25e6), Basis::Runs), "it was broken before");
        assert!(!broken(&runs(19.55e6), &runs(19.65e6), Basis::Runs), "half of the runs turn, by chance");
        assert!(!broken(&runs(15e6), &runs(17e6), Basis::Runs), "it is kept");
    }

    #[test]
    fn of_single_runs_it_is_broken_when_neither_is_close_to_the_limit() {
        let is = |before, after| broken(&[before], &[after], Basis::Stretches);
        assert!(is(run(15e6, false), run(25e6, false)));
        assert!(!is(run(15e6, true), run(25e6, false)) && !is(run(15e6, false), run(25e6, true)));
    }
}
