//! `replay --repeat` and `--against`: several runs, and which of them belong together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use analysis::units;
use replay::series::{self, Side};
use replay::{Preflight, ReplayOptions, RunSummary, Stop};
use trace::{RunStatus, Series};

use super::{Done, replay as replaying};
use crate::failure::Failure;
use crate::{interrupt, output};

/// What folders are named after where there is one target.
const ONLY: &str = "run";

/// What is asked of a series.
pub struct Asked {
    /// Label and URL of each side; none where there is one target.
    pub against: Vec<(String, String)>,
    /// Runs of each side.
    pub repeat: u32,
    /// Whether the sides take turns.
    pub interleave: bool,
    /// Say what it would take, and send nothing.
    pub dry_run: bool,
    /// Print the result as JSON.
    pub json: bool,
    /// Where pass and fail of every run go as JUnit XML.
    pub junit: Option<PathBuf>,
}

/// What the runs of each side need, by its label.
type Prepared = BTreeMap<String, (ReplayOptions, Preflight)>;

/// Makes the runs of a series, each as `options` say but for its folder, label, target and seed.
pub fn run(asked: &Asked, options: &ReplayOptions) -> Result<Done, Failure> {
    let sides = sides(asked, options);
    let mut series = series::plan(&sides, asked.repeat, asked.interleave, options.seed)?;
    let prepared = sides.iter().map(|side| prepare(asked, options, side)).collect::<Result<Prepared, _>>()?;
    let plan = &prepared[&sides[0].label].1;
    (series.trace, series.trace_hash) = (options.trace.display().to_string(), plan.trace_hash.clone());
    if asked.dry_run {
        return said_beforehand(asked, &series, plan);
    }
    let stop = Stop::from(interrupt::flag()?);
    prepared.values().try_for_each(|(options, plan)| plan.check_targets(options, &stop))?;
    replay::make_folder(&options.out)?;
    series.write(&options.out)?;
    let done = make(asked, &mut series, &prepared, &options.out, &stop)?;
    output::say(&if asked.json { serde_json::to_string_pretty(&series)? } else { account(&series, &options.out) })?;
    Ok(done)
}

fn sides(asked: &Asked, options: &ReplayOptions) -> Vec<Side> {
    if asked.against.is_empty() {
        let mapped = options.map.iter().map(|(collection, url)| format!("{collection}={url}"));
        let target: Vec<String> = options.target.iter().cloned().chain(mapped).collect();
        return vec![Side { label: ONLY.to_owned(), target: target.join(",") }];
    }
    asked.against.iter().map(|(label, target)| Side { label: label.clone(), target: target.clone() }).collect()
}

fn prepare(asked: &Asked, options: &ReplayOptions, side: &Side) -> Result<(String, (ReplayOptions, Preflight)), Failure> {
    let mut options = options.clone();
    if !asked.against.is_empty() {
        (options.label, options.target) = (side.label.clone(), Some(side.target.clone()));
    }
    let plan = replay::preflight(&options)?;
    plan.check(&options)?;
    Ok((side.label.clone(), (options, plan)))
}

fn said_beforehand(asked: &Asked, series: &Series, plan: &Preflight) -> Result<Done, Failure> {
    if asked.json {
        output::say(&serde_json::to_string_pretty(&serde_json::json!({ "series": series, "each": plan }))?)?;
    } else {
        let order: Vec<&str> = series.runs.iter().map(|run| run.folder.as_str()).collect();
        output::say(&format!("runs         {}: {}\n{}", order.len(), order.join(" "), plan))?;
    }
    Ok(Done::Fine)
}

/// Makes one run after the other, until all are made, or one is stopped or aborted; the worst of them decides.
fn make(asked: &Asked, series: &mut Series, prepared: &Prepared, out: &Path, stop: &Stop) -> Result<Done, Failure> {
    let mut done = Done::Fine;
    let mut suites = Vec::new();
    for index in 0..series.runs.len() {
        let made = make_one(series, index, prepared, out, stop);
        let (status, invalid) = made.as_ref().map_or((RunStatus::Failed, false), |made| (made.status, made.is_invalid()));
        series.note(index, status, invalid);
        series.write(out)?;
        let summary = made?;
        let run = ReplayOptions { out: out.join(&series.runs[index].folder), ..prepared[&series.runs[index].label].0.clone() };
        let held = replaying::judge(&run, asked.junit.is_some())?;
        if !asked.json {
            let thresholds = analysis::threshold::terminal(&held.judged, output::columns());
            output::say(&format!("{thresholds}{}", line(&series.runs[index].folder, &summary)))?;
        }
        let missed = held.is_finding();
        suites.extend(held.suite);
        if replaying::is_finding(&summary) || missed {
            done = Done::Finding;
        }
        if stop.asked() || summary.aborted.is_some() {
            break;
        }
    }
    if let Some(path) = &asked.junit {
        analysis::junit::write(path, &suites)?;
    }
    Ok(done)
}

fn make_one(series: &Series, index: usize, prepared: &Prepared, out: &Path, stop: &Stop) -> Result<RunSummary, Failure> {
    let run = &series.runs[index];
    let (options, plan) = &prepared[&run.label];
    let options = ReplayOptions { out: out.join(&run.folder), seed: run.seed, ..options.clone() };
    plan.check_targets(&options, stop)?;
    let front = format!("run {} of {}: ", index + 1, series.runs.len());
    output::complain(&format!("{front}{}", replaying::announcement(&options, plan)));
    replaying::replay_with_progress(&options, plan, &stop.child(), &front)
}

/// A run in one line, and a line for each thing not to be missed.
fn line(folder: &str, summary: &RunSummary) -> String {
    let counts = &summary.counts;
    let rate = summary.achieved_per_s.map(|rate| format!(", {rate:.1}/s")).unwrap_or_default();
    let ms = |ns: Option<u64>| ns.map_or_else(|| "–".to_owned(), |ns| format!("{:.3} ms", ns as f64 / 1e6));
    let (p50, p99) = (ms(summary.response_p50_ns), ms(summary.response_p99_ns));
    let first = format!("{folder}: {} sent{rate}, {} good, p50 {p50}, p99 {p99}", counts.sent, counts.ok);
    let warnings = summary.warnings().into_iter().map(|warning| format!("{folder}: {warning}"));
    std::iter::once(first).chain(warnings).collect::<Vec<_>>().join("\n")
}

fn account(series: &Series, out: &Path) -> String {
    let made = series.runs.iter().filter(|run| run.status.is_some()).count();
    let left = series.runs.len() - made;
    let left = if left > 0 { format!(", {left} not made") } else { String::new() };
    format!("{} in {}{left}; pairs.json lists them", units::counted(made as u64, "run"), out.display())
}
