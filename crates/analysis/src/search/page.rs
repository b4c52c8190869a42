//! The report of a search: what was found, every trial behind it, and what each collection got at the bound.

use std::path::Path;

use serde_json::json;
use stats::search::Ending;

use super::{Figures, Outcome, SearchInfo, TrialInfo, search_info};
use crate::breaking::{Breaking, limits_of};
use crate::capacity::{self, Capacity, Safe};
use crate::finding::Verdict;
use crate::issues::{Notes, noted};
use crate::overview::{Figure, Overview};
use crate::page::{self, Card, Page, Part};
use crate::report::{Report, ReportOptions};
use crate::scope::Scope;
use crate::section::{self, Block, Cell, Column, INSUFFICIENT, Table, duration};
use crate::steps::Steps;
use crate::threshold::Thresholds;
use crate::{Analysis, Error, Result, Run, chart, render, units};

/// Version of the schema of its `findings.json`; it rises when a reader of the old one would be misled.
const VERSION: u32 = 1;

/// Writes the report of the search in `dir`: `report.html`, `report.md`, `findings.json`.
///
/// # Errors
/// As [`search_info`] and [`Page::write`]; [`Error::Asked`] for what only the report of a run has.
pub fn report(dir: &Path, options: &ReportOptions) -> Result<Report> {
    let info = search_info(dir)?;
    refuse(dir, &info, options)?;
    let trials = opened(dir, &info)?;
    let sound = trials.iter().filter(|(outcome, _)| *outcome != Outcome::Spoilt).map(|(_, made)| made).collect::<Vec<_>>();
    let steps = Steps::of_runs(sound.iter().copied(), &Scope::ALL)?;
    let capacity = Capacity::of_runs(&sound, &steps, &Safe::of_search(&info).into(), &options.capacity)?;
    let out = options.out.as_deref().unwrap_or(dir);
    let document = out.join("findings.json");
    let notes = Notes::without_issues(&document, &options.notes)?;
    let page = page(&info, loads(&info, &trials)?, capacity.as_ref(), &notes);
    let html = page.write(out, "report")?;
    page::write(&document, &findings_json(&info, &page.overview, capacity.as_ref(), &notes))?;
    let capacity = capacity.as_ref().map(capacity::terminal).unwrap_or_default();
    Ok(Report { overview: page.overview, findings: page.findings, thresholds: Vec::new(), capacity, spread: Vec::new(), html })
}

/// Other thresholds would have led the search elsewhere; what can be said is whether its largest good trial holds them.
fn refuse(dir: &Path, info: &SearchInfo, options: &ReportOptions) -> Result<()> {
    let refused = |option, reason: &str| Err(Error::Asked { option, reason: reason.to_owned() });
    match () {
        () if !options.thresholds.is_empty() => {
            let good = info.found.lower.and_then(|lower| info.trial_at(lower.per_s, Outcome::Good));
            let trial = good.map(|trial| {
                let (per_s, folder) = (units::per_s(trial.per_s), dir.join(&trial.folder));
                format!(", or report the trial at {per_s} alone ({})", folder.display())
            });
            let reason = format!(
                "each trial of a search was chosen by the verdicts before it; search again with another threshold{}",
                trial.unwrap_or_default()
            );
            refused("--threshold", &reason)
        }
        () if !options.limits.is_empty() => {
            refused("--limit", "this is a search, whose trials are at one load each; a limit is reached by a load that grows")
        }
        () if options.junit.is_some() => refused("--junit", "this is a search; each of its trials is a run that has tests"),
        () if options.csv => refused("--csv", "this is a search; each of its trials is a run that has such tables"),
        () => Ok(()),
    }
}

/// A trial whose run is still there.
type Opened = (Outcome, (Run, Analysis));

/// The trials whose runs are still there. Those that are not tell nothing; what the search came to still holds.
fn opened(dir: &Path, info: &SearchInfo) -> Result<Vec<Opened>> {
    let there = info.trials.iter().filter_map(|trial| Some((trial.verdict, Run::open(&dir.join(&trial.folder)).ok()?)));
    there.map(|(outcome, run)| Analysis::new(&run).map(|analysis| (outcome, (run, analysis)))).collect()
}

/// The trials as levels of load, and what they show; nothing where the generator was the limit, or the runs are no longer there.
fn loads(info: &SearchInfo, trials: &[Opened]) -> Result<Option<(Steps, Breaking)>> {
    let thresholds = info.thresholds.iter().filter_map(|words| words.parse().ok());
    let thresholds = Thresholds::new(thresholds).unwrap_or_default();
    if info.verdict() == Verdict::Invalid {
        return Ok(None);
    }
    let of_scope = |scope: &Scope| Steps::of_runs(trials.iter().map(|(_, made)| made), scope);
    let mut steps = of_scope(&Scope::ALL)?;
    // Resources are read by each trial for itself.
    let limits = limits_of(&thresholds, &steps, None, |scope| Ok(of_scope(scope)?.all))?;
    let lists = std::iter::once(&mut steps.all).chain(steps.collections.values_mut());
    lists.for_each(|list| list.sort_by(|a, b| a.load().total_cmp(&b.load())));
    Ok(Breaking::new(&steps, &limits, None, None).map(|breaking| (steps, breaking)))
}

fn page(info: &SearchInfo, loads: Option<(Steps, Breaking)>, capacity: Option<&Capacity>, notes: &[String]) -> Page {
    let of_loads = loads.iter().map(|(steps, breaking)| chart::of_loads(&steps.all, breaking, capacity));
    let charts = of_loads.chain(capacity.map(chart::of_capacity).unwrap_or_default()).collect();
    let breaking = loads.map(|(_, breaking)| section::of_loads(&breaking)).unwrap_or_default();
    Page {
        kicker: "Search report",
        title: info.label.clone(),
        overview: info.overview(),
        card: card(info),
        sections: vec![
            Part::new("notes", "Notes", noted(notes).collect()),
            Part::new("trials", "Trials", trials(info)),
            Part::new("collections", "Collections at the bound", collections(info)),
            Part::new("breaking", "Loads and limits", breaking),
            Part::new("capacity", "Capacity", capacity.map(capacity::blocks).unwrap_or_default()),
        ],
        findings: Vec::new(),
        charts,
        tool: info.tool.clone(),
    }
}

fn findings_json(info: &SearchInfo, overview: &Overview, capacity: Option<&Capacity>, notes: &[String]) -> String {
    let document = json!({
        "kind": "rehearsal search findings",
        "version": VERSION,
        "verdict": overview.verdict,
        "sentence": overview.sentence,
        "figures": overview.figures,
        "notes": { "free": notes },
        "search": info,
        "capacity": capacity,
    });
    serde_json::to_string_pretty(&document).expect("findings are plain data") + "\n"
}

fn card(info: &SearchInfo) -> Card {
    let lines = [
        ("Note", info.note.clone()),
        ("Thresholds", info.thresholds.join(", ")),
        ("Target", render::targets(&info.targets)),
        ("Trace", info.trace.clone()),
        ("Trace hash", info.trace_hash.clone()),
        ("Seed", info.seed.to_string()),
        ("Version", info.tool.clone()),
    ];
    let lines = lines.into_iter().filter(|(_, content)| !content.is_empty()).collect();
    Card { lines, command: info.command.clone() }
}

impl SearchInfo {
    /// The top of its report.
    #[must_use]
    pub fn overview(&self) -> Overview {
        let word = match self.found.ending {
            Some(Ending::Found) => "FOUND",
            Some(Ending::AboveMax) => "BORNE",
            Some(Ending::BelowMin) => "NOT BORNE",
            Some(Ending::GeneratorLimited) => "INVALID",
            Some(Ending::TrialsUsedUp) | None => "NO ANSWER",
        };
        Overview { verdict: self.verdict(), word: word.to_owned(), sentence: self.sentence(), figures: self.figures() }
    }

    fn figures(&self) -> Vec<Figure> {
        let figure = |name: &str, value: String, note: String| Figure { name: name.to_owned(), value, note };
        let (lower, upper) = (self.found.lower, self.found.upper);
        let rate = |per_s: Option<f64>| per_s.map_or_else(|| "unknown".to_owned(), units::per_s);
        let at_bound = lower.and_then(|lower| self.trial_at(lower.per_s, Outcome::Good));
        let seconds: f64 = self.trials.iter().map(|trial| trial.length_s).sum();
        let counted = |of: Outcome| self.trials.iter().filter(|trial| trial.verdict == of).count();
        let verdicts =
            format!("{} good, {} bad, {} spoilt", counted(Outcome::Good), counted(Outcome::Bad), counted(Outcome::Spoilt));
        vec![
            figure("Largest rate", rate(self.capacity_per_s), format!("within {}", self.thresholds.join(", "))),
            figure(
                "Not borne",
                rate(upper.map(|upper| upper.per_s)),
                upper.map_or("", |upper| confirmed(upper.confirmed)).to_owned(),
            ),
            figure(
                "Response p99",
                at_bound.map_or_else(|| INSUFFICIENT.to_owned(), |trial| time(trial.figures.response_p99_ns)),
                lower.map_or_else(String::new, |lower| format!("at {}", units::per_s(lower.per_s))),
            ),
            figure("Trials", units::count(self.trials.len() as u64), verdicts),
            figure(
                "Time of trials",
                units::duration(seconds * 1e9),
                format!("{} a full one", self::seconds(self.plan.goal.full_s)),
            ),
        ]
    }
}

fn confirmed(is: bool) -> &'static str {
    if is { "confirmed" } else { "not confirmed" }
}

fn time(ns: Option<i64>) -> String {
    duration(ns.map(|ns| ns as f64))
}

/// A length in seconds that was asked for, without digits that say nothing.
pub(super) fn seconds(length_s: f64) -> String {
    units::round_duration(length_s * 1e9)
}

fn trials(info: &SearchInfo) -> Vec<Block> {
    let columns = [Column::Text("Trial"), Column::Text("Verdict")].into_iter();
    let figures = ["Asked", "Offered", "Good answers", "p50", "p99", "Failed"].map(Column::Figure);
    let mut by_rate: Vec<&TrialInfo> = info.trials.iter().collect();
    by_rate.sort_by(|a, b| a.per_s.total_cmp(&b.per_s));
    let table = Table {
        title: "Every trial, by rate.".to_owned(),
        columns: columns.chain(figures).chain([Column::Text("Why")]).collect(),
        rows: by_rate.into_iter().map(trial).collect(),
        ..Table::default()
    };
    vec![Block::Text(how(info)), Block::Table(table)]
}

/// How the search went about it.
fn how(info: &SearchInfo) -> String {
    let plan = &info.plan;
    format!(
        "From {} on the rate is doubled in trials of {}; the gap between borne and not borne is halved until it is {}, and each side rests on {} of trials of {}, of which {} may be bad (MLRsearch, RFC 9971).",
        units::per_s(plan.start_per_s),
        seconds(plan.short_s),
        units::share(plan.width),
        seconds(plan.goal.sum_s),
        seconds(plan.goal.full_s),
        units::share(plan.goal.exceed)
    )
}

fn trial(trial: &TrialInfo) -> Vec<Cell> {
    let name = Cell { text: trial.folder.clone(), detail: seconds(trial.length_s) };
    let head = [name, trial.verdict.as_str().into(), units::per_s(trial.per_s).into()];
    head.into_iter().chain(cells(&trial.figures)).chain([trial.reasons.join("; ").into()]).collect()
}

fn cells(figures: &Figures) -> [Cell; 5] {
    [
        units::per_s(figures.offered_per_s).into(),
        units::per_s(figures.goodput_per_s).into(),
        time(figures.response_p50_ns).into(),
        time(figures.response_p99_ns).into(),
        units::share(figures.failed_share).into(),
    ]
}

/// What each collection got in the trial that stands for the bound; nothing where there is but one.
fn collections(info: &SearchInfo) -> Vec<Block> {
    let bound = info.found.lower.and_then(|lower| info.trial_at(lower.per_s, Outcome::Good));
    let Some(trial) = bound.filter(|trial| trial.collections.len() > 1) else { return Vec::new() };
    let row = |(name, figures): (&String, &Figures)| [name.clone().into()].into_iter().chain(cells(figures)).collect();
    let figures = ["Offered", "Good answers", "p50", "p99", "Failed"].map(Column::Figure);
    vec![Block::Table(Table {
        title: format!("At {}, in {}.", units::per_s(trial.per_s), trial.folder),
        columns: [Column::Text("Collection")].into_iter().chain(figures).collect(),
        rows: trial.collections.iter().map(row).collect(),
        ..Table::default()
    })]
}
