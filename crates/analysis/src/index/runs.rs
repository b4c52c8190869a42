//! The runs of a folder held against thresholds, and what several of them at different loads show together.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;

use crate::breaking::{Breaking, limits_of};
use crate::capacity::{Capacity, GENERATOR_LIMITED, NO_SAFE_RATE, Safe};
use crate::finding::{Verdict, findings};
use crate::junit::{self, Suite};
use crate::overview::Overview;
use crate::report::ReportOptions;
use crate::scope::Scope;
use crate::steps::Steps;
use crate::threshold::{Judged, Thresholds};
use crate::{Analysis, Error, Result, Run, chart, page::Part, section, units};

/// Runs that are held in memory together.
const TOGETHER_MAX: usize = 240;

/// How a run stands to what was asked of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeldRun {
    /// Its folder, below that of the index.
    pub folder: String,
    /// As its own report says it; `insufficient` for one without outcomes.
    pub verdict: Verdict,
    /// Why.
    pub sentence: String,
    /// Each of its thresholds.
    pub thresholds: Vec<Judged>,
    #[serde(skip)]
    pub(super) suite: Option<Suite>,
}

/// What was made of the runs of a folder.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub held: Vec<HeldRun>,
    pub together: Option<Together>,
}

/// What runs at different loads show together.
#[derive(Debug)]
pub(super) struct Together {
    steps: Steps,
    breaking: Option<Breaking>,
    pub capacity: Option<Capacity>,
    left_out: Vec<String>,
}

/// Judges the runs in `folders` below `dir`, each by what it was asked when it was made and by the thresholds given now, and answers what is
/// asked about capacity from all of them.
///
/// # Errors
/// As [`Run::open`] and [`Analysis::new`], but for a run without outcomes; [`Error::Refused`] for a question that the runs cannot answer.
pub(super) fn told(dir: &Path, folders: &[String], options: &ReportOptions) -> Result<Told> {
    let mut told = Told::default();
    let mut kept: Vec<(Run, Analysis)> = Vec::new();
    let mut asked = options.thresholds.clone();
    for folder in folders {
        let run = match Run::open(&dir.join(folder)) {
            Ok(run) => run,
            Err(Error::Empty { reason, .. }) => {
                told.held.push(HeldRun::unknown(folder, reason));
                continue;
            }
            Err(error) => return Err(error),
        };
        let thresholds = options.thresholds.clone().over(Thresholds::of_run(&run.info)?);
        let analysis = Analysis::new(&run)?.held(&run, &thresholds, &[])?;
        told.held.push(HeldRun::new(folder, &analysis));
        asked = asked.over(thresholds);
        if !options.capacity.is_empty() {
            kept.push((run, analysis));
        }
        if kept.len() > TOGETHER_MAX {
            let sentence =
                format!("capacity is read from {TOGETHER_MAX} runs at most; put those that belong together into a folder");
            return Err(Error::Refused(sentence));
        }
    }
    if !options.capacity.is_empty() {
        told.together = Some(Together::new(&kept, &asked, options)?);
    }
    Ok(told)
}

impl HeldRun {
    fn new(folder: &str, analysis: &Analysis) -> Self {
        let findings = findings(analysis);
        let Overview { verdict, sentence, .. } = Overview::new(analysis, &findings);
        let generator = findings.iter().find(|finding| finding.id == "generator");
        let suite = Some(junit::of_run(folder, generator, &analysis.thresholds));
        Self { folder: folder.to_owned(), verdict, sentence, thresholds: analysis.thresholds.clone(), suite }
    }

    fn unknown(folder: &str, reason: String) -> Self {
        let verdict = Verdict::Insufficient;
        Self { folder: folder.to_owned(), verdict, sentence: reason, thresholds: Vec::new(), suite: None }
    }

    /// Whether it makes an exit code of 1.
    pub fn is_finding(&self) -> bool {
        self.verdict >= Verdict::Fail
    }
}

impl Together {
    fn new(runs: &[(Run, Analysis)], thresholds: &Thresholds, options: &ReportOptions) -> Result<Self> {
        are_of_one(runs)?;
        let limited = |analysis: &Analysis| analysis.timing.fidelity.generator_limited;
        let varied = |analysis: &Analysis| !analysis.steps.all.is_empty();
        let (sound, others): (Vec<_>, Vec<_>) = runs.iter().partition(|(_, analysis)| !limited(analysis) && !varied(analysis));
        let of_scope = |scope: &Scope| Steps::of_runs(sound.iter().copied(), scope);
        let steps = of_scope(&Scope::ALL)?;
        // Resources are read by each run for itself.
        let limits = limits_of(thresholds, &steps, None, |scope| Ok(of_scope(scope)?.all))?;
        let breaking = Breaking::new(&steps, &limits, None, None);
        let borne = breaking.as_ref().and_then(|breaking| Safe::of_breaking(breaking, &steps));
        let refused =
            if sound.is_empty() && runs.iter().all(|(_, analysis)| limited(analysis)) { GENERATOR_LIMITED } else { NO_SAFE_RATE };
        let capacity = Capacity::of_runs(&sound, &steps, &borne.ok_or_else(|| refused.to_owned()).into(), &options.capacity)?;
        let why = |analysis| if limited(analysis) { "the generator was at its limit" } else { "its load varied" };
        let left_out = others.iter().map(|(run, analysis)| format!("{} ({})", run.dir.display(), why(analysis))).collect();
        Ok(Self { steps, breaking, capacity, left_out })
    }

    pub fn parts(&self) -> Vec<Part> {
        let mut loads = self.breaking.as_ref().map(section::of_loads).unwrap_or_default();
        if !self.left_out.is_empty() {
            loads.push(section::Block::Text(format!("Left out: {}.", self.left_out.join(", "))));
        }
        let capacity = self.capacity.as_ref().map(crate::capacity::blocks).unwrap_or_default();
        vec![Part::new("breaking", "Loads and limits", loads), Part::new("capacity", "Capacity", capacity)]
    }

    pub fn charts(&self) -> Vec<chart::Drawn> {
        let capacity = self.capacity.as_ref();
        let loads = self.breaking.iter().map(|breaking| chart::of_loads(&self.steps.all, breaking, capacity));
        loads.chain(capacity.map(chart::of_capacity).unwrap_or_default()).collect()
    }
}

/// Refuses runs of which no one target's capacity can be read.
fn are_of_one(runs: &[(Run, Analysis)]) -> Result<()> {
    let traces: BTreeSet<&str> = runs.iter().map(|(run, _)| run.info.trace_hash.as_str()).collect();
    let targets: BTreeSet<_> = runs.iter().map(|(run, _)| &run.info.targets).collect();
    let counted = [(traces.len(), "trace"), (targets.len(), "target")].into_iter().find(|(count, _)| *count > 1);
    match counted {
        None => Ok(()),
        Some((count, what)) => Err(Error::Refused(format!(
            "capacity is read from runs of one trace against one target; these are of {}: put those that belong together into a folder",
            units::counted(count as u64, what)
        ))),
    }
}
