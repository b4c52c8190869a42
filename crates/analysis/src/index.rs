//! The page that lists what a folder holds: runs, searches, series and comparisons, newest first.

use std::path::{Path, PathBuf};

use serde_json::Value;
use trace::{RunStatus, SERIES_FILE, Series};

use crate::finding::Verdict;
use crate::overview::{Figure, Overview};
use crate::page::{Card, Page, Part};
use crate::search::{self, SearchInfo};
use crate::section::{Block, Cell, Column, Table};
use crate::{Error, Result, units};

/// Folders of one kind that are listed; older ones are counted.
const LISTED_MAX: usize = 2000;

/// What was found, and where the page is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Entries listed.
    pub entries: usize,
    /// The page.
    pub html: PathBuf,
}

/// A line of the list.
#[derive(Debug, Clone, PartialEq)]
struct Entry {
    kind: &'static str,
    folder: String,
    label: String,
    /// When it began, ns since the Unix epoch; 0 where that is not known.
    unix_ns: i64,
    verdict: String,
    figures: Vec<(String, String)>,
    /// The page to open, below the folder.
    page: Option<String>,
}

/// Figures of a run that the list shows, by their names in `findings.json`.
const FIGURES: [&str; 4] = ["Achieved rate", "Response p50", "Response p99", "Failed requests"];

/// Whether a folder holds runs, searches or series rather than being one.
#[must_use]
pub fn holds_runs(dir: &Path) -> bool {
    let is_one = ["run.json", search::FILE, SERIES_FILE].iter().any(|name| dir.join(name).exists());
    !is_one && folders(dir).is_ok_and(|folders| folders.iter().any(|folder| entry(dir, folder).is_some()))
}

/// Lists what `dir` holds in `index.html`, with links to the reports that there are.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be read or the page not be written.
pub fn index(dir: &Path) -> Result<Index> {
    let mut entries: Vec<Entry> = folders(dir)?.iter().filter_map(|folder| entry(dir, folder)).collect();
    entries.sort_by(|a, b| (b.unix_ns, &a.folder).cmp(&(a.unix_ns, &b.folder)));
    let name = dir.canonicalize().ok().and_then(|dir| Some(dir.file_name()?.to_string_lossy().into_owned()));
    let page = page(&name.unwrap_or_else(|| dir.display().to_string()), &entries);
    Ok(Index { entries: entries.len(), html: page.write(dir, "index")? })
}

/// Names of the folders in a folder.
fn folders(dir: &Path) -> Result<Vec<String>> {
    let failed = |e| Error::io("read", dir, e);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.path().is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

/// What a folder is; `None` for one of another kind, or one whose description cannot be read.
fn entry(dir: &Path, folder: &str) -> Option<Entry> {
    let path = dir.join(folder);
    let page = ["report.html", "compare.html", "index.html"].into_iter().find(|page| path.join(page).exists());
    let page = page.map(|page| format!("{folder}/{page}"));
    let new = |kind, label: String| Entry {
        kind,
        folder: folder.to_owned(),
        label,
        unix_ns: 0,
        verdict: "–".to_owned(),
        figures: Vec::new(),
        page: page.clone(),
    };
    if let Ok(info) = trace::read_run_info(&path) {
        let findings = findings(&path);
        return Some(Entry {
            unix_ns: info.clocks.first().map_or(0, |clock| clock.unix_ns),
            verdict: verdict(info.status, findings.as_ref()),
            figures: findings.as_ref().map(figures).unwrap_or_default(),
            ..new("Run", info.label)
        });
    }
    if path.join(search::FILE).exists() {
        let info = search::search_info(&path).ok()?;
        return Some(Entry { unix_ns: began(&path, "trial-001"), verdict: borne(&info), ..new("Search", info.label.clone()) });
    }
    let series = Series::read(&path).ok()?;
    let made = series.runs.iter().filter(|run| run.status.is_some()).count();
    let labels: Vec<&str> = series.targets.keys().map(String::as_str).collect();
    let first = series.runs.first().map(|run| run.folder.as_str()).unwrap_or_default();
    let verdict = format!("{made} of {}", units::counted(series.runs.len() as u64, "run"));
    Some(Entry { unix_ns: began(&path, first), verdict, ..new("Series", labels.join(" against ")) })
}

/// When the run in a folder began; 0 where that is not known.
fn began(path: &Path, run: &str) -> i64 {
    let info = trace::read_run_info(&path.join(run)).ok();
    info.and_then(|info| Some(info.clocks.first()?.unix_ns)).unwrap_or(0)
}

fn findings(path: &Path) -> Option<Value> {
    serde_json::from_str(&std::fs::read_to_string(path.join("findings.json")).ok()?).ok()
}

/// The report's verdict, or how the run stands where there is no report.
fn verdict(status: RunStatus, findings: Option<&Value>) -> String {
    match findings.and_then(|findings| findings["verdict"].as_str()) {
        Some(verdict) => verdict.to_uppercase(),
        None => format!("{}, no report yet", serde_json::json!(status).as_str().unwrap_or_default()),
    }
}

fn borne(info: &SearchInfo) -> String {
    match &info.found.lower {
        Some(lower) => format!("bears {}", units::per_s(lower.per_s)),
        None => "nothing borne".to_owned(),
    }
}

/// The few figures of a run as its report shows them.
fn figures(findings: &Value) -> Vec<(String, String)> {
    let all = findings["figures"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |figure: &Value, member: &str| figure[member].as_str().unwrap_or_default().to_owned();
    let shown = all.iter().filter(|figure| figure["name"].as_str().is_some_and(|name| FIGURES.contains(&name)));
    shown.map(|figure| (text(figure, "name"), text(figure, "value"))).collect()
}

fn page(name: &str, entries: &[Entry]) -> Page {
    let of = |kind: &str| entries.iter().filter(|entry| entry.kind == kind).count() as u64;
    let count =
        |kind: &'static str, noun: &str| Figure { name: kind.to_owned(), value: units::count(of(kind)), note: noun.to_owned() };
    let failed = entries.iter().filter(|entry| ["FAIL", "INVALID"].contains(&entry.verdict.as_str())).count();
    let sentence = format!(
        "{} with results; {} of them with a verdict of FAIL or INVALID.",
        units::counted(entries.len() as u64, "folder"),
        units::count(failed as u64)
    );
    Page {
        kicker: "Reports",
        title: name.to_owned(),
        overview: Overview {
            verdict: Verdict::Info,
            word: "INDEX".to_owned(),
            sentence,
            figures: vec![count("Run", "replays"), count("Search", "for the largest rate"), count("Series", "of several runs")],
        },
        card: Card::default(),
        sections: vec![Part::new("list", "Newest first", vec![list(entries)])],
        findings: Vec::new(),
        charts: Vec::new(),
        tool: format!("rehearsal {}", env!("CARGO_PKG_VERSION")),
    }
}

fn list(entries: &[Entry]) -> Block {
    let row = |entry: &Entry| -> Vec<Cell> {
        let began = if entry.unix_ns == 0 { "–".to_owned() } else { units::utc(entry.unix_ns) };
        let figure = |name: &&str| {
            let found = entry.figures.iter().find(|(known, _)| known == name);
            Cell::from(found.map_or_else(|| "–".to_owned(), |(_, value)| value.clone()))
        };
        let label = Cell { text: entry.label.clone(), detail: entry.folder.clone() };
        [label, entry.kind.into(), began.into(), entry.verdict.clone().into()]
            .into_iter()
            .chain(FIGURES.iter().map(figure))
            .collect()
    };
    let shown = &entries[..entries.len().min(LISTED_MAX)];
    let texts = ["Label, folder", "Kind", "Began", "Verdict"].map(Column::Text);
    Block::Links(
        Table {
            title: match entries.len() - shown.len() {
                0 => "Labels lead to the reports.".to_owned(),
                older => format!("Labels lead to the reports. {} older ones are not listed.", units::count(older as u64)),
            },
            columns: texts.into_iter().chain(FIGURES.map(Column::Figure)).collect(),
            rows: shown.iter().map(row).collect(),
            ..Table::default()
        },
        shown.iter().map(|entry| entry.page.clone()).collect(),
    )
}
