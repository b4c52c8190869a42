//! The page that lists what a folder holds: runs, searches, series and comparisons, newest first. Where thresholds are given, each run is held
//! against them; where something is asked about capacity, the runs are its levels of load.

mod runs;

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};
use trace::{RunStatus, Series};

pub use self::runs::HeldRun;
use self::runs::Told;
use crate::capacity;
use crate::finding::Verdict;
use crate::issues::{self, Notes};
use crate::overview::{Figure, Overview};
use crate::page::{self, Card, Page, Part};
use crate::report::ReportOptions;
use crate::search::{self, SearchInfo};
use crate::section::{Block, Cell, Column, Table};
use crate::threshold::{self, Judged};
use crate::{Error, Result, junit, units};

/// Folders of one kind that are listed; older ones are counted.
const LISTED_MAX: usize = 2000;

/// Version of the schema of `index.json`; it rises when a reader of the old one would be misled.
const VERSION: u32 = 1;
/// Thresholds of runs that the page shows; the others are in `index.json`.
const THRESHOLDS_SHOWN_MAX: usize = 500;

/// What was found, and where the page is.
#[derive(Debug, Clone)]
pub struct Index {
    /// Entries listed.
    pub entries: usize,
    /// Verdict and sentence.
    pub overview: Overview,
    /// Each run's thresholds; `None` where nothing was asked.
    pub thresholds: Option<Table>,
    /// What the target can bear, a line each; empty where nothing was asked.
    pub capacity: String,
    /// The page.
    pub html: PathBuf,
}

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Entry {
    kind: &'static str,
    folder: String,
    label: String,
    /// When it began, ns since the Unix epoch; 0 where that is not known.
    unix_ns: i64,
    verdict: String,
    #[serde(skip)]
    figures: Vec<(String, String)>,
    /// The page to open, below the folder.
    page: Option<String>,
    /// The runs that are judged, below the folder of the index.
    #[serde(skip)]
    runs: Vec<String>,
}

/// Runs that a sentence names.
const NAMED_MAX: usize = 5;
/// Figures of a run that the list shows, by their names in `findings.json`.
const FIGURES: [&str; 4] = ["Achieved rate", "Response p50", "Response p99", "Failed requests"];

/// Whether a folder holds runs, as a series does, or searches, rather than being one.
#[must_use]
pub fn holds_runs(dir: &Path) -> bool {
    let is_one = ["run.json", search::FILE].iter().any(|name| dir.join(name).exists());
    !is_one && folders(dir).is_ok_and(|folders| folders.iter().any(|folder| entry(dir, folder).is_some()))
}

/// Lists what `dir` holds in `index.html`, with links to the reports that there are, and in `index.json`. Its runs, alone or in a series, are
/// read and judged where `options` ask for anything.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be read or the page not be written, [`Error::Asked`] for what only the report of a run has, and where
/// something was asked, as [`crate::report()`].
pub fn index(dir: &Path, options: &ReportOptions) -> Result<Index> {
    refuse(options)?;
    let mut entries: Vec<Entry> = folders(dir)?.iter().filter_map(|folder| entry(dir, folder)).collect();
    entries.sort_by(|a, b| (b.unix_ns, &a.folder).cmp(&(a.unix_ns, &b.folder)));
    let asks = !options.thresholds.is_empty() || options.junit.is_some() || !options.capacity.is_empty();
    let runs: Vec<String> = entries.iter().filter(|_| asks).flat_map(|entry| entry.runs.clone()).collect();
    let told = runs::told(dir, &runs, options)?;
    entries.iter_mut().for_each(|entry| entry.judge(&told.held));
    let name = dir.canonicalize().ok().and_then(|dir| Some(dir.file_name()?.to_string_lossy().into_owned()));
    let document = dir.join("index.json");
    let notes = Notes::without_issues(&document, &options.notes)?;
    let page = page(&name.unwrap_or_else(|| dir.display().to_string()), &entries, &told, &notes);
    let capacity = told.together.as_ref().and_then(|together| together.capacity.as_ref());
    let html = page.write(dir, "index")?;
    page::write(&document, &index_json(&page.overview, &entries, &told, &notes))?;
    if let Some(path) = &options.junit {
        junit::write(path, &told.held.iter().filter_map(|run| run.suite.clone()).collect::<Vec<_>>())?;
    }
    let capacity = capacity.map(capacity::terminal).unwrap_or_default();
    Ok(Index { entries: entries.len(), overview: page.overview, thresholds: thresholds(&told.held), capacity, html })
}

fn refuse(options: &ReportOptions) -> Result<()> {
    let refused = |option, reason: &str| Err(Error::Asked { option, reason: reason.to_owned() });
    match () {
        () if options.out.is_some() => {
            refused("--output", "the page of a folder links to the reports in it, and stays beside them")
        }
        () if options.csv => refused("--csv", "this is a folder of runs; each of them has such tables"),
        () if !options.limits.is_empty() => {
            refused("--limit", "this is a folder of runs; a limit is reached by a load that grows within one of them")
        }
        () => Ok(()),
    }
}

fn index_json(overview: &Overview, entries: &[Entry], told: &Told, notes: &[String]) -> String {
    let document = json!({
        "kind": "rehearsal index",
        "version": VERSION,
        "verdict": overview.verdict,
        "sentence": overview.sentence,
        "notes": { "free": notes },
        "entries": entries,
        "runs": told.held,
        "capacity": told.together.as_ref().and_then(|together| together.capacity.as_ref()),
    });
    serde_json::to_string_pretty(&document).expect("findings are plain data") + "\n"
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
        runs: Vec::new(),
    };
    if let Ok(info) = trace::read_run_info(&path) {
        let findings = findings(&path);
        return Some(Entry {
            unix_ns: info.clocks.first().map_or(0, |clock| clock.unix_ns),
            verdict: verdict(info.status, findings.as_ref()),
            figures: findings.as_ref().map(figures).unwrap_or_default(),
            runs: vec![folder.to_owned()],
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
    let runs = series.runs.iter().filter(|run| run.status.is_some()).map(|run| format!("{folder}/{}", run.folder)).collect();
    Some(Entry { unix_ns: began(&path, first), verdict, runs, ..new("Series", labels.join(" against ")) })
}

impl Entry {
    /// Takes over the worst verdict of its runs, where they were judged.
    fn judge(&mut self, held: &[HeldRun]) {
        let worst = held.iter().filter(|run| self.runs.contains(&run.folder)).map(|run| run.verdict).max();
        self.verdict = worst.map_or(std::mem::take(&mut self.verdict), |verdict| verdict.as_str().to_uppercase());
    }
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
        _ if info.verdict() == Verdict::Invalid => "INVALID".to_owned(),
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

/// Each threshold of each run that was judged, what is missed first; nothing where none was given.
fn thresholds(held: &[HeldRun]) -> Option<Table> {
    let mut all: Vec<(&str, &Judged)> =
        held.iter().flat_map(|run| run.thresholds.iter().map(|one| (run.folder.as_str(), one))).collect();
    all.sort_by_key(|(_, one)| std::cmp::Reverse(one.verdict));
    let more = all.len().saturating_sub(THRESHOLDS_SHOWN_MAX);
    let shown = threshold::table_of_runs(&all[..all.len() - more]);
    let more = if more > 0 { format!("; {} more are in index.json", units::count(more as u64)) } else { String::new() };
    (!all.is_empty()).then(|| Table { title: format!("{}{more}", shown.title), ..shown })
}

/// Without anything asked it only counts what reports have said; else the runs judged now decide.
fn overview(entries: &[Entry], told: &Told) -> (Verdict, String) {
    let bad: Vec<&str> = told.held.iter().filter(|run| run.is_finding()).map(|run| run.folder.as_str()).collect();
    let worst = told.held.iter().map(|run| run.verdict).max();
    let runs = units::counted(told.held.len() as u64, "run");
    match worst {
        None => {
            let failed = entries.iter().filter(|entry| ["FAIL", "INVALID"].contains(&entry.verdict.as_str())).count();
            let (folders, failed) = (units::counted(entries.len() as u64, "folder"), units::count(failed as u64));
            (Verdict::Info, format!("{folders} with results; {failed} of them with a verdict of FAIL or INVALID."))
        }
        Some(worst) if worst >= Verdict::Fail => {
            let named = bad[..bad.len().min(NAMED_MAX)].join(", ");
            let more = if bad.len() > NAMED_MAX { ", …" } else { "" };
            (worst, format!("{} of {runs} failed or invalid: {named}{more}.", units::count(bad.len() as u64)))
        }
        Some(_) => (Verdict::Pass, format!("{runs} judged; none failed.")),
    }
}

fn page(name: &str, entries: &[Entry], told: &Told, notes: &[String]) -> Page {
    let of = |kind: &str| entries.iter().filter(|entry| entry.kind == kind).count() as u64;
    let count =
        |kind: &'static str, noun: &str| Figure { name: kind.to_owned(), value: units::count(of(kind)), note: noun.to_owned() };
    let (verdict, sentence) = overview(entries, told);
    let leading = thresholds(&told.held).map(|table| Part::new("thresholds", "Thresholds", vec![Block::Table(table)]).leading());
    let together = told.together.iter().flat_map(|together| together.parts());
    let noted = Part::new("notes", "Notes", issues::noted(notes).collect());
    let listed = Part::new("list", "Newest first", vec![list(entries)]);
    Page {
        kicker: "Reports",
        title: name.to_owned(),
        overview: Overview {
            verdict,
            word: if verdict == Verdict::Info { "INDEX".to_owned() } else { verdict.as_str().to_uppercase() },
            sentence,
            figures: vec![count("Run", "replays"), count("Search", "for the largest rate"), count("Series", "of several runs")],
        },
        card: Card::default(),
        sections: leading.into_iter().chain([noted]).chain(together).chain([listed]).collect(),
        findings: Vec::new(),
        charts: told.together.as_ref().map(|together| together.charts()).unwrap_or_default(),
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
