//! Whether a trial was good: by its thresholds, by whether the target kept up, and by whether the generator did.

use std::collections::BTreeMap;
use std::path::Path;

use stats::overload::Overload;

use super::{Figures, Outcome};
use crate::finding::{Verdict, findings};
use crate::scope::Scope;
use crate::steps::{Step, Steps};
use crate::threshold::{Judged as Held, Thresholds};
use crate::{Analysis, Error, Result, Run, units};

/// How the finding begins whose sentence is the reason of a spoilt trial.
const GENERATOR_LIMITED: &str = "INVALID: generator-limited. ";

/// What was made of a trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// How it turned out.
    pub verdict: Outcome,
    /// Why.
    pub reasons: Vec<String>,
    /// Of all requests.
    pub figures: Figures,
    /// Of each collection.
    pub collections: BTreeMap<String, Figures>,
}

/// Judges the trial whose run is in `dir`. What the generator spoilt is neither good nor bad; a target that falls behind the load, so that
/// requests in flight grow without end, is bad whatever the thresholds say.
///
/// # Errors
/// As [`Run::open`], [`Analysis::new`] and [`Thresholds::judge`], but for a run in which nothing was due.
pub fn judge(dir: &Path, thresholds: &Thresholds) -> Result<Judged> {
    let made = Run::open(dir).and_then(|run| Ok((Analysis::new(&run)?, run)));
    let (analysis, run) = match made {
        Ok(made) => made,
        Err(Error::Empty { .. }) => return Ok(Judged::nothing()),
        Err(error) => return Err(error),
    };
    let held = thresholds.judge(&run, &analysis)?;
    let trial = [(run, analysis)];
    let steps = Steps::of_runs(&trial, &Scope::ALL)?;
    let (Some(step), [(_, analysis)]) = (steps.all.first(), &trial) else { return Ok(Judged::nothing()) };
    let (verdict, reasons) = verdict(analysis, step, &held);
    let of_collection = |(name, steps): (String, Vec<Step>)| Some((name, Figures::of(steps.first()?)));
    let figures = Figures::of(step);
    Ok(Judged { verdict, reasons, figures, collections: steps.collections.into_iter().filter_map(of_collection).collect() })
}

impl Judged {
    fn nothing() -> Self {
        let reasons = vec!["nothing was due".to_owned()];
        Self { verdict: Outcome::Insufficient, reasons, figures: Figures::default(), collections: BTreeMap::new() }
    }
}

fn verdict(analysis: &Analysis, step: &Step, held: &[Held]) -> (Outcome, Vec<String>) {
    if analysis.timing.fidelity.generator_limited {
        let generator = findings(analysis).into_iter().find(|finding| finding.id == "generator");
        let why = generator.map(|finding| finding.title.trim_start_matches(GENERATOR_LIMITED).to_owned());
        return (Outcome::Spoilt, why.into_iter().collect());
    }
    let of = |verdict| held.iter().filter(move |held| decided(held) == verdict).map(reason);
    let bad: Vec<String> = of(Verdict::Fail).chain(fell_behind(step)).collect();
    let insufficient: Vec<String> = of(Verdict::Insufficient).collect();
    match () {
        () if !bad.is_empty() => (Outcome::Bad, bad),
        () if !insufficient.is_empty() => (Outcome::Insufficient, insufficient),
        () => (Outcome::Good, of(Verdict::Pass).collect()),
    }
}

/// A scope without a request fails its threshold in a run; a trial may only have been too short for it.
fn decided(held: &Held) -> Verdict {
    if held.value.is_none() { Verdict::Insufficient } else { held.verdict }
}

fn reason(held: &Held) -> String {
    let note = if held.value.is_none() && !held.note.is_empty() { format!(" ({})", held.note) } else { String::new() };
    format!("{}: {}{note}", held.threshold, held.shown())
}

/// By how much the target fell behind the load, if it did.
fn fell_behind(step: &Step) -> Option<String> {
    let Overload { growth, .. } = step.overload.filter(|overload| overload.overloaded)?;
    let [value, low, high] = [growth.value, growth.low, growth.high].map(units::share);
    Some(format!("the target fell behind: requests in flight grew by {value} of those offered ({low} to {high})"))
}

impl Figures {
    fn of(step: &Step) -> Self {
        Self {
            offered_per_s: step.offered_per_s,
            goodput_per_s: step.goodput_per_s,
            response_p50_ns: step.response.value_ns(0.5),
            response_p99_ns: step.response.value_ns(0.99),
            failed_share: step.share(step.failed),
        }
    }
}
