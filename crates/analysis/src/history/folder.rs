//! The runs below a folder: found by their `run.json`, measured by their `findings.json` where that is newer than the run, else anew.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use stats::changepoint::POINTS_MAX;
use trace::{RunInfo, RunStatus};

use super::figure::{FIGURES, Known};
use super::{Entry, Figure, HistoryOptions, LeftOut, Point, Shared, unknown};
use crate::compare::baseline::{self, Baseline};
use crate::compare::digest::{Digest, LOAD};
use crate::finding::findings;
use crate::issues::Notes;
use crate::overview::Overview;
use crate::{Analysis, Error, Result, Run, render, search, units};

/// Folders below the one that is asked for: a run may stand in a series, that in a month.
const DEPTH_MAX: usize = 5;
/// What a run or a baseline says of itself.
struct About {
    started_ns: Option<i64>,
    label: String,
    trace_hash: String,
    targets: Vec<String>,
    load: Map<String, Value>,
}

impl From<&RunInfo> for About {
    fn from(info: &RunInfo) -> Self {
        let said = |name: &&str| Some(((*name).to_owned(), info.asked.get(*name).filter(|value| !value.is_null())?.clone()));
        Self {
            started_ns: info.clocks.first().map(|clock| clock.unix_ns),
            label: info.label.clone(),
            trace_hash: info.trace_hash.clone(),
            targets: info.targets.values().cloned().collect(),
            load: LOAD.iter().filter_map(said).collect(),
        }
    }
}

impl From<&Digest> for About {
    fn from(run: &Digest) -> Self {
        Self {
            started_ns: run.started_unix_ns,
            label: run.label.clone(),
            trace_hash: run.trace_hash.clone(),
            targets: run.targets.values().cloned().collect(),
            load: run.load.clone(),
        }
    }
}

/// What tells histories apart: a name, and what a run has for it.
pub struct Key {
    /// As options have it.
    pub name: &'static str,
    /// Whether it counts when nobody says what does.
    usual: bool,
    read: fn(&About) -> String,
}

/// Everything that can tell histories apart.
pub const KEYS: &[Key] = &[
    Key { name: "trace", usual: true, read: |about| about.trace_hash.clone() },
    Key { name: "load", usual: true, read: load },
    Key { name: "target", usual: true, read: |about| about.targets.join(", ") },
    Key { name: "label", usual: false, read: |about| about.label.clone() },
];

fn load(about: &About) -> String {
    let said = about.load.iter().map(|(name, value)| (name, in_words(value))).filter(|(_, words)| !words.is_empty());
    said.map(|(name, words)| format!("{name} {words}")).collect::<Vec<_>>().join(", ")
}

/// A value without quotes and braces, and without what is not set.
fn in_words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Object(members) => {
            let said = members.iter().map(|(name, value)| (name, in_words(value))).filter(|(_, words)| !words.is_empty());
            said.map(|(name, words)| format!("{name} {words}")).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// Every run below `dir`, measured.
pub(super) fn read(dir: &Path, options: &HistoryOptions) -> Result<(Vec<Figure>, Vec<Entry>, Vec<LeftOut>)> {
    let figures = chosen(options)?;
    let keys = keys(options)?;
    let mut found = Found::default();
    find(dir, DEPTH_MAX, &mut found)?;
    let (mut entries, mut left_out) = (Vec::new(), Vec::new());
    for run in &found.runs {
        let name = run.strip_prefix(dir).unwrap_or(run).display().to_string();
        let name = if name.is_empty() { ".".to_owned() } else { name };
        match entry(run, &name, &keys, &figures) {
            Ok(entry) => entries.push(entry),
            Err(reason) => left_out.push(LeftOut { name, reason }),
        }
    }
    for path in &found.baselines {
        let name = path.strip_prefix(dir).unwrap_or(path).display().to_string();
        match Baseline::read(path) {
            Ok(baseline) => kept(&baseline, &name, &keys, &figures, &mut entries),
            Err(e) => left_out.push(LeftOut { name, reason: e.to_string() }),
        }
    }
    if entries.is_empty() {
        let why = left_out.first().map(|one| format!(" ({}: {})", one.name, one.reason)).unwrap_or_default();
        let reason = format!("there is no whole run and no baseline below this folder{why}");
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

/// What there is below a folder.
#[derive(Default)]
struct Found {
    runs: Vec<PathBuf>,
    baselines: Vec<PathBuf>,
}

/// The folders of runs and the baselines, in the order of their names. What a search tried is no history: each of its runs asks for another
/// rate.
fn find(dir: &Path, depth: usize, found: &mut Found) -> Result<()> {
    if dir.join("run.json").exists() {
        found.runs.push(dir.to_owned());
        return Ok(());
    }
    if depth == 0 || dir.join(search::FILE).exists() || found.runs.len() + found.baselines.len() >= POINTS_MAX {
        return Ok(());
    }
    let entries = std::fs::read_dir(dir).map_err(|e| Error::io("read", dir, e))?;
    let mut paths: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_symlink()))
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            find(&path, depth - 1, found)?;
        } else if path.extension().is_some_and(|end| end == "json") && baseline::head(&path).is_ok() {
            found.baselines.push(path);
        }
    }
    Ok(())
}

/// The runs of a baseline that are not there themselves.
fn kept(baseline: &Baseline, name: &str, keys: &[&Key], figures: &[&Known], entries: &mut Vec<Entry>) {
    for run in &baseline.runs {
        let about = About::from(run);
        let known = |entry: &Entry| Some(entry.order.0) == about.started_ns;
        if let Some(started_ns) = about.started_ns.filter(|_| !entries.iter().any(known)) {
            entries.push(Entry {
                order: (started_ns, 0),
                shared: shared(&about, keys),
                point: Point { when: units::utc(started_ns), name: format!("{name} {}", about.label), notes: Vec::new() },
                values: figures.iter().map(|figure| (figure.kept)(run)).collect(),
            });
        }
    }
}

fn shared(about: &About, keys: &[&Key]) -> Shared {
    keys.iter().map(|key| (key.name.to_owned(), (key.read)(about))).collect()
}

/// One run, or why it is part of no history.
fn entry(dir: &Path, name: &str, keys: &[&Key], figures: &[&Known]) -> std::result::Result<Entry, String> {
    let info = trace::read_run_info(dir).map_err(|e| e.to_string())?;
    match info.status {
        RunStatus::Complete => {}
        RunStatus::Running => return Err("it is still going, or was killed".to_owned()),
        _ => return Err("it did not come to its end".to_owned()),
    }
    let about = About::from(&info);
    let started_ns = about.started_ns.ok_or("it does not say when it began")?;
    let findings = found(dir).map_err(|e| e.to_string())?;
    if findings.get("verdict").and_then(Value::as_str) == Some("invalid") {
        return Err("INVALID: the generator was the limit".to_owned());
    }
    let label = if name.ends_with(&info.label) { String::new() } else { format!(" {}", info.label) };
    Ok(Entry {
        order: (started_ns, 0),
        shared: shared(&about, keys),
        point: Point { when: units::utc(started_ns), name: format!("{name}{label}"), notes: notes(&info, &findings) },
        values: figures.iter().map(|known| (known.read)(&findings)).collect(),
    })
}

/// What was noted about a run when it was made, and in its report: about an issue, or about all of it.
fn notes(info: &RunInfo, findings: &Value) -> Vec<String> {
    let Notes { of, free } = Notes::of_document(findings);
    let of = of.into_iter().map(|(key, text)| format!("{key}: {text}"));
    std::iter::once(info.note.clone()).chain(free).chain(of).filter(|note| !note.is_empty()).collect()
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
