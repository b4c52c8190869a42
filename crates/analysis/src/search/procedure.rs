//! The search itself: asks the machine for trials, has them made, judges them and keeps the list.

use std::path::Path;

use stats::search::{Plan, Search, Trial};
use trace::RunStatus;

use super::judge::{Judged, judge};
use super::{Outcome, SearchInfo, TrialInfo};
use crate::threshold::Thresholds;
use crate::{Error, Result, units};

/// A trial that is too short to be judged is made again, twice as long, up to so many times the length of a full one.
const LONGER_MAX: f64 = 8.0;

/// A trial to be made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Asked<'a> {
    /// The folder of its run, within that of the search.
    pub folder: &'a str,
    /// Rate and length.
    pub trial: Trial,
    /// Seed of its random choices.
    pub seed: u64,
}

/// Searches until there is an answer, or `make` says that the user has had enough. `make` leaves a run in the folder it is told, within
/// `dir`, and says whether that came to its end; `told` sees the search after every trial. `search.json` in `dir` is always up to date.
///
/// # Errors
/// What `make` and `told` say; as [`judge`]; [`Error::Asked`] for a plan that makes no sense, and where even long trials are too short
/// for a threshold.
pub fn search<E: From<Error>>(
    info: &mut SearchInfo,
    dir: &Path,
    thresholds: &Thresholds,
    make: impl FnMut(Asked<'_>) -> std::result::Result<bool, E>,
    told: impl FnMut(&SearchInfo) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let ended = go_on(info, dir, thresholds, make, told);
    info.status = match &ended {
        Ok(true) => RunStatus::Complete,
        Ok(false) => RunStatus::Stopped,
        Err(_) => RunStatus::Failed,
    };
    let written = info.write(dir).map_err(E::from);
    ended.and(written)
}

/// Whether it came to its own end.
fn go_on<E: From<Error>>(
    info: &mut SearchInfo,
    dir: &Path,
    thresholds: &Thresholds,
    mut make: impl FnMut(Asked<'_>) -> std::result::Result<bool, E>,
    mut told: impl FnMut(&SearchInfo) -> std::result::Result<(), E>,
) -> std::result::Result<bool, E> {
    let reason = "rates, lengths and width have to be above 0 and in their order";
    let senseless = || Error::Asked { option: "search", reason: reason.to_owned() };
    let mut machine = Search::new(info.plan).ok_or_else(senseless)?;
    info.write(dir)?;
    let mut next = machine.next();
    while let Some(trial) = next {
        let folder = format!("trial-{:03}", info.trials.len() + 1);
        let seed = info.seed.wrapping_add(info.trials.len() as u64);
        if !make(Asked { folder: &folder, trial, seed })? {
            return Ok(false);
        }
        let judged = judge(&dir.join(&folder), thresholds)?;
        if let Some(verdict) = judged.verdict.of_machine() {
            machine.record(trial, verdict);
        }
        next = if judged.verdict == Outcome::Insufficient { Some(longer(&info.plan, trial, &judged)?) } else { machine.next() };
        info.trials.push(TrialInfo::new(folder, trial, judged));
        info.note(machine.found());
        info.write(dir)?;
        told(info)?;
    }
    Ok(true)
}

/// The trial again, twice as long.
fn longer(plan: &Plan, trial: Trial, judged: &Judged) -> Result<Trial> {
    let longer = Trial { length_s: 2.0 * trial.length_s, ..trial };
    if longer.length_s <= LONGER_MAX * plan.goal.full_s {
        return Ok(longer);
    }
    let (rate, why) = (units::per_s(trial.per_s), judged.reasons.join("; "));
    let reason = format!(
        "{} s at {rate} are too few requests to judge by: {why}; take longer trials, or begin higher with --start and --min-rate",
        trial.length_s
    );
    Err(Error::Asked { option: "--trial", reason })
}
