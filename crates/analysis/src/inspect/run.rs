//! What is in a run: whether it is whole and its timing kept, and exact percentiles of response time by what its requests are told apart by.

use std::path::Path;

use serde::Serialize;
use stats::fidelity::{Fidelity, Verdict as Timing};
use trace::rules::nearest;

use crate::breakdown::{Breakdown, Group, Measure};
use crate::distribution::LEVELS;
use crate::finding::Verdict;
use crate::finding::run::completeness;
use crate::histograms::{self, Merged};
use crate::render::terminal_table;
use crate::scope::{self, Scope};
use crate::section::{Cell, Column, Table, duration};
use crate::spread::{self, Shape};
use crate::totals::NO_ROWS;
use crate::{Error, Result, Run, units};

/// What requests are told apart by where nothing else is asked for.
pub const BY: [&str; 2] = ["collection", "operation"];

/// Rows of the table on a terminal; JSON has all.
const ROWS_SHOWN: usize = 40;
/// Letters of a name in the table.
const NAME_MAX: usize = 40;

/// The content of a run in figures. Times are ns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunSummary {
    /// The run's name.
    pub label: String,
    /// The worse of whether it is whole and whether its timing was kept.
    pub verdict: Verdict,
    /// Why.
    pub sentence: String,
    /// Requests in its schedule.
    pub requests: u64,
    /// Outcomes in its files.
    pub outcomes: u64,
    /// The requests that are looked at; empty for all but a warm-up.
    pub scope: String,
    /// Response times by group.
    pub groups: Breakdown,
    /// How they are spread, for a terminal: all requests, then the groups.
    #[serde(skip)]
    pub spread: Vec<Shape>,
}

/// What requests of rows can be told apart by.
pub const WORDS: [&str; 6] = {
    let mut names = [""; 6];
    let mut i = 0;
    while i < names.len() {
        names[i] = scope::WORDS[i].0;
        i += 1;
    }
    names
};

/// Words out of `names` that requests can be told apart by, from a list such as `phase,collection`.
///
/// # Errors
/// A sentence that names the word that there is not, and the nearest that there is.
pub fn words(list: &str, names: &[&'static str]) -> std::result::Result<Vec<&'static str>, String> {
    let mut words = Vec::new();
    for text in list.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        let Some(word) = names.iter().copied().find(|name| *name == text) else {
            let meant = nearest(text, names).map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
            return Err(format!("requests cannot be told apart by `{text}`{meant}; there are {}", names.join(", ")));
        };
        if words.contains(&word) {
            return Err(format!("`{word}` stands twice"));
        }
        words.push(word);
    }
    Ok(words)
}

/// Looks at the run in `dir`: its requests of `scope`, told apart `by` words of a scope.
///
/// # Errors
/// [`Error::Trace`] when `dir` is no run or damaged, [`Error::Empty`] when there is no request of that scope.
pub fn inspect_run(dir: &Path, by: &[&'static str], scope: &Scope) -> Result<RunSummary> {
    let all = Run::open(dir)?;
    let run = all.within(scope);
    let groups = Breakdown::load(&run, by, &[Measure::Response])?;
    if groups.groups.is_empty() {
        let reason = if scope.is_all() { NO_ROWS.to_owned() } else { scope.what_there_is(&all)? };
        return Err(Error::Empty { path: dir.to_owned(), reason });
    }
    let whole = completeness(&run.info, groups.outcomes, None, &run.missing_parts());
    let timing = timing(&run.info.fidelity);
    let worst = whole.0.max(timing.0);
    let verdict = if worst >= Verdict::Fail { worst } else { Verdict::Pass };
    let sentence = format!("{} {}", whole.1, timing.1);
    let spread = spread::of_groups(&groups);
    let (label, requests, outcomes) = (run.info.label, run.info.requests, groups.outcomes);
    Ok(RunSummary { label, verdict, sentence, requests, outcomes, scope: scope.to_string(), groups, spread })
}

/// What the engine said of its timing when the run ended.
fn timing(told: &serde_json::Value) -> (Verdict, String) {
    let fidelity: Option<Fidelity> = serde_json::from_value(told.clone()).ok();
    let (verdict, text) = match fidelity.map(|fidelity| (fidelity.generator_limited, fidelity.verdict)) {
        Some((true, _)) => (Verdict::Invalid, "The run is generator-limited: the figures say nothing of the target."),
        Some((false, Some(Timing::Kept))) => (Verdict::Pass, "The timing was kept."),
        Some((false, Some(Timing::Degraded))) => (Verdict::Warn, "The timing was degraded."),
        Some((false, Some(Timing::Lost))) => (Verdict::Fail, "The timing was lost."),
        Some((false, None)) => (Verdict::Insufficient, "Nothing was sent, so the timing cannot be judged."),
        None => (Verdict::Insufficient, "It holds no verdict on its timing; `rehearsal report` computes one."),
    };
    (verdict, text.to_owned())
}

impl RunSummary {
    /// 0 where all is well, 1 for a finding.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        u8::from(self.verdict >= Verdict::Fail)
    }

    /// Verdict, sentence and table as plain text for a terminal of so many columns.
    #[must_use]
    pub fn text(&self, columns: usize) -> String {
        let scope = if self.scope.is_empty() { String::new() } else { format!(", {}", self.scope) };
        let (verdict, label) = (self.verdict.as_str().to_uppercase(), &self.label);
        let table = terminal_table(&self.table(), columns);
        let more = self.groups.groups.len().saturating_sub(ROWS_SHOWN);
        let more = match more {
            0 => String::new(),
            more => format!("… and {} more; --json has all, with intervals\n", units::count(more as u64)),
        };
        let of = "response time of the answered requests, from the due instant";
        format!("{verdict}: {}\n{label}{scope}: {of}\n\n{table}{more}", self.sentence)
    }

    fn table(&self) -> Table {
        let counts = ["requests", "failed"].map(Column::Figure);
        let rows = self.groups.groups.iter().take(ROWS_SHOWN).map(row).collect();
        Table { columns: columns(&self.groups.by, &counts), rows, ..Table::default() }
    }
}

/// Names, counts and quantiles.
fn columns(by: &[&'static str], counts: &[Column]) -> Vec<Column> {
    let names = by.iter().copied().map(Column::Text);
    names.chain(counts.iter().copied()).chain(LEVELS.iter().map(|(_, name)| Column::Figure(name))).collect()
}

fn row(group: &Group) -> Vec<Cell> {
    let names = group.names.iter().map(|name| shortened(name));
    let failed = units::share((group.requests - group.ok) as f64 / group.requests as f64);
    let times = group.times.iter().flat_map(|times| &times.quantiles).map(|quantile| value(quantile.value_ns));
    names.chain([units::count(group.requests), failed]).chain(times).map(Cell::from).collect()
}

fn value(ns: Option<i64>) -> String {
    duration(ns.map(|ns| ns as f64))
}

fn shortened(name: &str) -> String {
    match name.char_indices().nth(NAME_MAX - 1) {
        _ if name.is_empty() => "(none)".to_owned(),
        Some((end, last)) if end + last.len_utf8() < name.len() => format!("{}…", &name[..end]),
        _ => name.to_owned(),
    }
}

/// What the merged histograms of a run say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HistogramSummary {
    /// The run's name.
    pub label: String,
    /// The words that requests are told apart by.
    pub by: Vec<&'static str>,
    /// Response times by group.
    pub groups: Vec<Merged>,
    /// How they are spread, for a terminal.
    #[serde(skip)]
    pub spread: Vec<Shape>,
}

/// Looks at the histograms of the run in `dir`, told apart `by` words of [`histograms::WORDS`].
///
/// # Errors
/// [`Error::Trace`] when `dir` is no run or its histograms are missing or damaged.
pub fn inspect_histograms(dir: &Path, by: &[&'static str]) -> Result<HistogramSummary> {
    let label = trace::read_run_info(dir)?.label;
    Ok(HistogramSummary {
        label,
        by: by.to_vec(),
        groups: histograms::merge(dir, by, Measure::Response)?,
        spread: spread::of_run(dir)?,
    })
}

impl HistogramSummary {
    /// The table as plain text for a terminal of so many columns.
    #[must_use]
    pub fn text(&self, columns: usize) -> String {
        let row = |merged: &Merged| {
            let names = merged.names.iter().map(|name| shortened(name)).chain([units::count(merged.count)]);
            names.chain(merged.quantiles_ns.iter().map(|ns| value(*ns))).map(Cell::from).collect()
        };
        let rows = self.groups.iter().take(ROWS_SHOWN).map(row).collect();
        let table = Table { columns: self::columns(&self.by, &[Column::Figure("answers")]), rows, ..Table::default() };
        let table = terminal_table(&table, columns);
        format!("{}: response time by its merged histograms, at most 0.1 % too high\n\n{table}", self.label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_known_and_stand_once() {
        assert_eq!(words("phase, collection", &WORDS).expect("known"), ["phase", "collection"]);
        assert_eq!(words("", &WORDS).expect("all as one"), [""; 0]);
        let typo = words("colection", &WORDS).expect_err("no such word");
        assert!(typo.contains("did you mean `collection`?"), "{typo}");
        assert_eq!(words("phase,phase", &WORDS).expect_err("twice"), "`phase` stands twice");
    }

    #[test]
    fn long_names_are_cut_between_letters() {
        assert_eq!(shortened(&"ü".repeat(NAME_MAX)), "ü".repeat(NAME_MAX));
        assert_eq!(shortened(&"ü".repeat(NAME_MAX + 1)), format!("{}…", "ü".repeat(NAME_MAX - 1)));
        assert_eq!(shortened(""), "(none)");
    }
}
