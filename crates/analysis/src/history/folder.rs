//! The runs below a folder: found by their `run.json`, measured by their `findings.json` where that is newer than the run, else anew.

use std::path::{Path, PathBuf};

use serde_json::Value;
use stats::changepoint::POINTS_MAX;
use trace::{RunInfo, RunStatus};

use super::figure::{FIGURES, Known};
use super::{Entry, Figure, HistoryOptions, LeftOut, Point, unknown};
use crate::finding::findings;
use crate::overview::Overview;
use crate::{Analysis, Error, Result, Run, render, search, units};

/// Folders below the one that is asked for: a run may stand in a series, that in a month.
const DEPTH_MAX: usize = 5;
/// The members of what was asked that decide the load.
const LOAD: &[&str] = &["content", "profile", "arrivals", "warmup_ns", "pacing", "users", "think_speed", "duration_ns"];

/// What tells histories apart: a name, and what a run has for it.
pub struct Key {
    /// As options have it.
    pub name: &'static str,
    /// Whether it counts when nobody says what does.
    usual: bool,
    read: fn(&RunInfo) -> String,
}

/// Everything that can tell histories apart.
pub const KEYS: &[Key] = &[
    Key { name: "trace", usual: true, read: |info| info.trace_hash.clone() },
    Key { name: "load", usual: true, read: load },
    Key { name: "target", usual: true, read: |info| info.targets.values().cloned().collect::<Vec<_>>().join(", ") },
    Key { name: "label", usual: false, read: |info| info.label.clone() },
];

fn load(info: &RunInfo) -> String {
    let said = |name: &&str| {
        let value = info.asked.get(*name).filter(|value| !value.is_null())?;
        Some(format!("{name} {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
    };
    LOAD.iter().filter_map(said).collect::<Vec<_>>().join(", ")
}

/// Every run below `dir`, measured.
pub(super) fn read(dir: &Path, options: &HistoryOptions) -> Result<(Vec<Figure>, Vec<Entry>, Vec<LeftOut>)> {
    let figures = chosen(options)?;
    let keys = keys(options)?;
    let mut runs = Vec::new();
    find(dir, DEPTH_MAX, &mut runs)?;
    let (mut entries, mut left_out) = (Vec::new(), Vec::new());
    for run in runs {
        let name = run.strip_prefix(dir).unwrap_or(&run).display().to_string();
        let name = if name.is_empty() { ".".to_owned() } else { name };
        match entry(&run, &name, &keys, &figures) {
            Ok(entry) => entries.push(entry),
            Err(reason) => left_out.push(LeftOut { name, reason }),
        }
    }
    if entries.is_empty() {
        let why = left_out.first().map(|one| format!(" ({}: {})", one.name, one.reason)).unwrap_or_default();
        let reason = format!("there is no whole run below this folder{why}");
        return Err(Error::Empty { path: dir.to_owned(), reason });
    }
    Ok((figures.iter().map(|known| known.figure()).collect(), entries, left_out))
}

fn chosen(options: &HistoryOptions) -> Result<Vec<&'static Known>> {
    if options.figures.is_empty() {
        return Ok(FIGURES.iter().filter(|known| known.usual).collect());
    }
    let names: Vec<&str> = FIGURES.iter().map(|known| known.name).collect();
    let find = |name: &String| FIGURES.iter().find(|known| known.name == *name);
    options.figures.iter().map(|name| find(name).ok_or_else(|| unknown("--figure", name, &names))).collect()
}

fn keys(options: &HistoryOptions) -> Result<Vec<&'static Key>> {
    if options.by.is_empty() {
        return Ok(KEYS.iter().filter(|key| key.usual).collect());
    }
    let names: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
    let find = |name: &String| KEYS.iter().find(|key| key.name == *name);
    options.by.iter().map(|name| find(name).ok_or_else(|| unknown("--by", name, &names))).collect()
}

/// The folders of runs, in the order of their names. What a search tried is no history: each of its runs asks for another rate.
fn find(dir: &Path, depth: usize, runs: &mut Vec<PathBuf>) -> Result<()> {
    if dir.join("run.json").exists() {
        runs.push(dir.to_owned());
        return Ok(());
    }
    if depth == 0 || dir.join(search::FILE).exists() || runs.len() >= POINTS_MAX {
        return Ok(());
    }
    let entries = std::fs::read_dir(dir).map_err(|e| Error::io("read", dir, e))?;
    let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut folders: Vec<PathBuf> = folders.map(|entry| entry.path()).collect();
    folders.sort();
    folders.iter().try_for_each(|folder| find(folder, depth - 1, runs))
}

/// One run, or why it is part of no history.
fn entry(dir: &Path, name: &str, keys: &[&Key], figures: &[&Known]) -> std::result::Result<Entry, String> {
    let info = trace::read_run_info(dir).map_err(|e| e.to_string())?;
    match info.status {
        RunStatus::Complete => {}
        RunStatus::Running => return Err("it is still going, or was killed".to_owned()),
        _ => return Err("it did not come to its end".to_owned()),
    }
    let started_ns = info.clocks.first().map(|clock| clock.unix_ns - clock.run_ns).ok_or("it does not say when it began")?;
    let findings = found(dir).map_err(|e| e.to_string())?;
    if findings.get("verdict").and_then(Value::as_str) == Some("invalid") {
        return Err("INVALID: the generator was the limit".to_owned());
    }
    let label = if name.ends_with(&info.label) { String::new() } else { format!(" {}", info.label) };
    Ok(Entry {
        order: (started_ns, 0),
        shared: keys.iter().map(|key| (key.name.to_owned(), (key.read)(&info))).collect(),
        point: Point { when: units::utc(started_ns), name: format!("{name}{label}") },
        values: figures.iter().map(|known| (known.read)(&findings)).collect(),
    })
}

/// What was found out about a run, as its report wrote it where that is not older than the run.
fn found(dir: &Path) -> Result<Value> {
    if let Some(findings) = written(dir) {
        return Ok(findings);
    }
    let analysis = Analysis::new(&Run::open(dir)?)?;
    let findings = findings(&analysis);
    Ok(render::document(&analysis, &findings, &Overview::new(&analysis, &findings)))
}

fn written(dir: &Path) -> Option<Value> {
    let path = dir.join("findings.json");
    let written = std::fs::metadata(&path).ok()?.modified().ok()?;
    let parts = [trace::schema::OUTCOMES, trace::schema::RESOURCES].map(|kind| trace::part_files(dir, kind).unwrap_or_default());
    let mut files = parts.into_iter().flatten().map(|part| part.path).chain([dir.join("run.json")]);
    let older = |path: PathBuf| std::fs::metadata(path).and_then(|about| about.modified()).is_ok_and(|then| then <= written);
    let findings = files.all(older).then(|| std::fs::read(&path).ok())??;
    serde_json::from_slice(&findings).ok().filter(render::is_current)
}
