//! A comparison as people read it: a sentence, tables, a page.

use std::path::{Path, PathBuf};

use stats::compare::{BATCHES, Design, Outcome};
use trace::Unit;

use super::chart;
use super::explain::Part as Cause;
use super::failures::{FailureRow, Rate, Turn};
use super::figure::is_ratio;
use super::objective::Objective;
use super::verdict::{Basis, Row, stretches_as_runs};
use super::{Became, Change, ComparedRun, Comparison, Use};
use crate::finding::Verdict;
use crate::junit::{self, Case, Suite};
use crate::overview::{Figure, Overview};
use crate::page::{self, Card, Page, Part};
use crate::render;
use crate::section::{Block, Cell, Column, INSUFFICIENT, Table};
use crate::threshold::shown;
use crate::{Result, units};

/// Rows of the tables of causes and failures.
const ROWS_SHOWN: usize = 12;

/// The verdict as it is shown on top.
fn word(verdict: Outcome) -> &'static str {
    match verdict {
        Outcome::None => "NOT WORSE",
        Outcome::Inconclusive => "INCONCLUSIVE",
        Outcome::Minor => "MINOR",
        Outcome::Major => "MAJOR",
        Outcome::Critical => "CRITICAL",
    }
}

/// The verdict on a figure.
fn judged(row: &Row) -> &'static str {
    match row.verdict {
        _ if row.accepted.is_some() => "accepted",
        Outcome::None if row.improved => "better",
        Outcome::None => "not worse",
        Outcome::Inconclusive => "inconclusive",
        Outcome::Minor => "minor",
        Outcome::Major => "major",
        Outcome::Critical => "critical",
    }
}

/// A change with its sign: `+4.20 %`, or `+0.400 points` of a share.
fn signed(row: &Row, value: f64) -> String {
    let sign = if value > 0.0 { "+" } else { "" };
    let unit = if is_ratio(row.unit) { "%" } else { "points" };
    format!("{sign}{} {unit}", units::number(value * 100.0))
}

fn ends(row: &Row, change: &Change) -> String {
    format!("{} to {}", signed(row, change.low), signed(row, change.high))
}

/// A size without a sign.
fn size(row: &Row, value: f64) -> String {
    signed(row, value.abs()).trim_start_matches('+').to_owned()
}

/// Why the verdict is what it is, in one or two sentences.
pub fn sentence(comparison: &Comparison) -> String {
    let open: Vec<&Row> = comparison.figures.iter().filter(|row| row.accepted.is_none()).collect();
    let of = |verdict: Outcome| open.iter().filter(move |row| row.verdict == verdict).copied();
    let told = match comparison.verdict {
        Outcome::None => not_worse(comparison, &open),
        Outcome::Inconclusive => {
            let each =
                of(Outcome::Inconclusive).map(|row| format!("{}{}", row.figure, doubt(row, comparison))).collect::<Vec<_>>();
            format!("Nothing is worse for certain, but some of it could be: {}.", each.join("; "))
        }
        _ => open
            .iter()
            .filter(|row| row.verdict >= Outcome::Minor)
            .map(|row| worse(row, comparison))
            .collect::<Vec<_>>()
            .join(" "),
    };
    let broken: Vec<String> =
        comparison.objectives.iter().filter(|one| one.newly_broken).map(|one| newly_broken(one, comparison)).collect();
    let told = [&broken[..], &[told]].concat().join(" ").trim().to_owned();
    let accepted: Vec<&str> =
        comparison.figures.iter().filter(|row| row.accepted.is_some()).map(|row| row.figure.as_str()).collect();
    if accepted.is_empty() { told } else { format!("{told} Accepted as known: {}.", accepted.join(", ")) }
}

fn newly_broken(objective: &Objective, comparison: &Comparison) -> String {
    let Objective { threshold, kept_before, of_before, kept_after, of_after, .. } = objective;
    let (old, new) = (&comparison.before.label, &comparison.after.label);
    format!(
        "`{threshold}` is newly broken: {old} keeps it in {kept_before} of {}, {new} in {kept_after} of {}.",
        units::counted(*of_before as u64, "run"),
        units::counted(*of_after as u64, "run")
    )
}

fn worse(row: &Row, comparison: &Comparison) -> String {
    let Some(change) = &row.change else { return String::new() };
    let way = if change.value > 0.0 { "higher" } else { "lower" };
    let (old, new) = (&comparison.before.label, &comparison.after.label);
    let (size, ends) = (size(row, change.value), ends(row, change));
    let relevant = self::size(row, row.relevant);
    let matters = match row.verdict {
        Outcome::Minor => format!("worse, though perhaps by less than the {relevant} from which it matters"),
        Outcome::Critical => format!("more than four times the {relevant} from which it matters"),
        _ => format!("more than the {relevant} from which it matters"),
    };
    format!("{} of {new} is {size} {way} than that of {old} ({ends}): {matters}.", row.figure)
}

fn not_worse(comparison: &Comparison, open: &[&Row]) -> String {
    let better = open.iter().filter(|row| row.improved).map(|row| {
        let change = row.change.map(|change| signed(row, change.value)).unwrap_or_default();
        format!("{} ({change})", row.figure)
    });
    let better: Vec<String> = better.collect();
    let seen = open.iter().filter_map(|row| Some(format!("{} {}", row.figure, size(row, row.detectable?))));
    let seen: Vec<String> = seen.collect();
    let what = format!("{} is not worse than {}.", comparison.after.label, comparison.before.label);
    let better = if better.is_empty() { String::new() } else { format!(" Better: {}.", better.join(", ")) };
    let seen = if seen.is_empty() {
        String::new()
    } else {
        format!(" Changes of these sizes would have been seen: {}.", seen.join(", "))
    };
    format!("{what}{better}{seen}")
}

/// What an inconclusive figure may be, and what would settle it.
fn doubt(row: &Row, comparison: &Comparison) -> String {
    let change = row.change.as_ref().map(|change| format!(" ({})", ends(row, change)));
    let settle = match (row.needed, comparison.basis, &row.change) {
        (Some(runs), Basis::Runs, _) if comparison.design == Design::Paired => {
            format!(", {} pairs would settle it", units::count(runs as u64))
        }
        (Some(runs), Basis::Runs, _) => format!(", {} runs a side would settle it", units::count(runs as u64)),
        (Some(stretches), Basis::Stretches, Some(_)) => {
            let runs = stretches_as_runs(stretches).max(2);
            format!(", runs {} times as long or eight interleaved pairs would settle it", units::count(runs as u64))
        }
        (_, Basis::Stretches, None) => {
            format!(", of which there is too little in these runs to compare {BATCHES} stretches of each")
        }
        (None, ..) => ", which varies so much that no reasonable number of runs would settle it".to_owned(),
    };
    format!("{}{settle}", change.unwrap_or_default())
}

fn value(row: &Row, value: Option<f64>) -> String {
    value.map_or_else(|| INSUFFICIENT.to_owned(), |value| shown(row.unit, value))
}

/// p as it is written: three decimals, or that it is smaller.
fn p(value: f64) -> String {
    if value < 0.001 { "< 0.001".to_owned() } else { format!("{value:.3}") }
}

fn figures(title: String, rows: &[Row], folded: bool) -> Table {
    let columns = vec![
        Column::Text("Figure"),
        Column::Figure("Before"),
        Column::Figure("After"),
        Column::Figure("Change"),
        Column::Figure("Adjusted p"),
        Column::Text("Verdict"),
        Column::Figure("Matters from"),
        Column::Figure("Would be seen from"),
    ];
    let row = |row: &Row| {
        let change = row
            .change
            .as_ref()
            .map_or_else(|| INSUFFICIENT.into(), |change| Cell { text: signed(row, change.value), detail: ends(row, change) });
        vec![
            row.figure.clone().into(),
            value(row, row.before).into(),
            value(row, row.after).into(),
            change,
            p(row.p_adjusted).into(),
            judged(row).into(),
            size(row, row.relevant).into(),
            row.detectable.map_or_else(|| INSUFFICIENT.to_owned(), |least| size(row, least)).into(),
        ]
    };
    Table { title, folded, columns, rows: rows.iter().map(row).collect() }
}

impl Comparison {
    fn deciding(&self) -> Table {
        let (old, new) = (&self.before.label, &self.after.label);
        let runs = |side: &super::Compared| units::counted(side.runs.len() as u64, "run");
        let design = match (self.basis, self.design) {
            (Basis::Runs, Design::Paired) => format!("{} in pairs", runs(&self.after)),
            (Basis::Runs, Design::Independent) => format!("{} against {}", runs(&self.after), runs(&self.before)),
            (Basis::Stretches, _) => format!("{} against {}, in stretches of time", runs(&self.after), runs(&self.before)),
        };
        figures(format!("{new} against {old}: {design}; intervals of 95 %."), &self.figures, false)
    }

    fn beside_table(&self) -> Table {
        figures("Looked at beside: none of these decides, and p is adjusted over all of them.".to_owned(), &self.beside, true)
    }

    fn failure_table(&self) -> Option<Table> {
        let rate = |rate: &Rate| Cell {
            text: units::count(rate.count),
            detail: format!("{}, {} – {}", units::share(rate.share), units::share(rate.low), units::share(rate.high)),
        };
        let turn = |row: &FailureRow| match row.turn {
            Turn::Same => "no sure change".to_owned(),
            turn if row.sure => turn.as_str().to_owned(),
            turn => format!("{}, perhaps by chance", turn.as_str()),
        };
        let row = |row: &FailureRow| {
            let of = Cell { text: row.collection.clone(), detail: row.operation.clone() };
            vec![row.kind.clone().into(), of, rate(&row.before), rate(&row.after), turn(row).into()]
        };
        let columns = vec![
            Column::Text("Kind"),
            Column::Text("Collection, operation"),
            Column::Figure("Before"),
            Column::Figure("After"),
            Column::Text("Change"),
        ];
        let title = "Requests without a good answer: how many, and which share of those of the operation, with its interval as if they failed independently.".to_owned();
        let rows: Vec<Vec<Cell>> = self.failures.iter().take(ROWS_SHOWN).map(row).collect();
        (!rows.is_empty()).then_some(Table { title, folded: false, columns, rows })
    }

    /// Whether some latency changed for certain, so that it can be asked where that comes from.
    fn has_cause(&self) -> bool {
        let latency = |row: &&Row| row.unit == Unit::Ns;
        self.figures.iter().filter(latency).any(|row| row.verdict >= Outcome::Minor || row.improved)
    }

    fn cause_table(&self) -> Option<(String, Table)> {
        let explanation = self.explanation.as_ref().filter(|explanation| self.has_cause() && explanation.parts.len() > 1)?;
        let change = |ns: f64| {
            let sign = if ns > 0.0 { "+" } else { "" };
            format!("{sign}{}", units::duration(ns))
        };
        let mean = |ns: Option<f64>| ns.map_or_else(|| "–".to_owned(), units::duration);
        let slow = |share: f64| {
            let sign = if share > 0.0 { "+" } else { "" };
            format!("{sign}{} points", units::number(share * 100.0))
        };
        let row = |part: &Cause| {
            vec![
                Cell { text: part.collection.clone(), detail: part.operation.clone() },
                Cell { text: units::share(part.share_after), detail: format!("before {}", units::share(part.share_before)) },
                mean(part.mean_before_ns).into(),
                mean(part.mean_after_ns).into(),
                change(part.added_ns).into(),
                slow(part.added_slow).into(),
            ]
        };
        let columns = vec![
            Column::Text("Collection, operation"),
            Column::Figure("Of all answers"),
            Column::Figure("Mean before"),
            Column::Figure("Mean after"),
            Column::Figure("Adds to the mean"),
            Column::Figure("Adds to the slow"),
        ];
        let first = explanation.parts.first()?;
        let told = format!(
            "The mean response time changed by {}, of which {} on {} {}; answers slower than {}, once 1 %, changed by {}.",
            change(explanation.added_ns),
            change(first.added_ns),
            first.collection,
            first.operation,
            units::duration(explanation.slow_ns as f64),
            slow(explanation.added_slow),
        );
        let title =
            "What each collection and operation adds to the mean response time of all answers, and to the share of slow ones."
                .to_owned();
        let rows = explanation.parts.iter().take(ROWS_SHOWN).map(row).collect();
        Some((told, Table { title, folded: false, columns, rows }))
    }

    fn objective_table(&self) -> Option<Table> {
        let row = |one: &Objective| {
            let verdict = match (one.newly_broken, one.kept_after == one.of_after) {
                (true, _) => "newly broken",
                (false, true) => "kept",
                (false, false) if one.kept_before == one.of_before => "missed, perhaps by chance",
                (false, false) => "missed, as before",
            };
            let of = |kept: usize, of: usize| format!("{kept} of {of}");
            vec![
                one.threshold.clone().into(),
                of(one.kept_before, one.of_before).into(),
                of(one.kept_after, one.of_after).into(),
                verdict.into(),
            ]
        };
        let columns =
            vec![Column::Text("Threshold"), Column::Figure("Kept before"), Column::Figure("Kept after"), Column::Text("Verdict")];
        let rows: Vec<Vec<Cell>> = self.objectives.iter().map(row).collect();
        (!rows.is_empty()).then(|| Table {
            title: "Thresholds, and how many of the runs keep them.".to_owned(),
            folded: false,
            columns,
            rows,
        })
    }

    fn accepted_table(&self) -> Option<Table> {
        let row = |one: &Use| {
            let became = match one.became {
                Became::Accepted => "accepted",
                Became::Exceeded => "worse by more than that: not accepted",
                Became::Expired => "its last day is over: not accepted",
                Became::Unused => "not worse",
            };
            let known = &one.known;
            [&known.figure, &known.up_to, &known.until, &known.reason]
                .map(|text| Cell::from(text.clone()))
                .into_iter()
                .chain([became.into()])
                .collect()
        };
        let columns = ["Figure", "Up to", "Until", "Reason", "Now"].map(Column::Text).to_vec();
        let rows: Vec<Vec<Cell>> = self.accepted.iter().map(row).collect();
        (!rows.is_empty()).then(|| Table { title: "Known changes.".to_owned(), folded: false, columns, rows })
    }

    fn run_table(&self) -> Table {
        let columns = vec![
            Column::Text("Run"),
            Column::Text("Started"),
            Column::Figure("Requests"),
            Column::Figure("p50"),
            Column::Figure("p99"),
            Column::Figure("Good per second"),
            Column::Figure("Failed"),
        ];
        let ns = |ns: Option<i64>| crate::section::duration(ns.map(|ns| ns as f64));
        let row = |(side, run): (&str, &ComparedRun)| {
            vec![
                Cell { text: run.folder.clone(), detail: side.to_owned() },
                run.started_unix_ns.map(units::utc).unwrap_or_default().into(),
                units::count(run.requests).into(),
                ns(run.p50_ns).into(),
                ns(run.p99_ns).into(),
                run.throughput_per_s.map_or_else(|| INSUFFICIENT.to_owned(), units::per_s).into(),
                units::share(run.error_rate).into(),
            ]
        };
        let runs = self.before.runs.iter().map(|run| ("before", run)).chain(self.after.runs.iter().map(|run| ("after", run)));
        Table { title: "Every run by itself.".to_owned(), folded: true, columns, rows: runs.map(row).collect() }
    }

    /// Verdict, sentence, tables and notes as plain text for a terminal of so many columns.
    #[must_use]
    pub fn terminal(&self, columns: usize) -> String {
        let mut text = format!("{}: {}\n", word(self.verdict), self.sentence);
        for table in [self.objective_table(), Some(self.deciding())].into_iter().flatten() {
            text += &format!("\n{}", render::terminal_table(&table, columns));
        }
        if let Some((told, table)) = self.cause_table() {
            text += &format!("\n{told}\n{}", render::terminal_table(&table, columns));
        }
        for table in [self.failure_table(), self.accepted_table()].into_iter().flatten() {
            text += &format!("\n{}", render::terminal_table(&table, columns));
        }
        for note in &self.notes {
            text += &format!("\nnote: {note}");
        }
        if self.notes.is_empty() { text } else { text + "\n" }
    }

    fn overview(&self, least: Outcome) -> Overview {
        let verdict = match self.verdict {
            _ if self.fails(least) => Verdict::Fail,
            Outcome::None => Verdict::Pass,
            _ => Verdict::Warn,
        };
        let figure = |row: &Row| Figure {
            name: row.figure.clone(),
            value: row.change.as_ref().map_or_else(|| INSUFFICIENT.to_owned(), |change| signed(row, change.value)),
            note: format!("{}: {} → {}", judged(row), value(row, row.before), value(row, row.after)),
        };
        let figures = self.figures.iter().map(figure).collect();
        Overview { verdict, word: word(self.verdict).to_owned(), sentence: self.sentence.clone(), figures }
    }

    /// The page, for a comparison that fails from `least` on.
    #[must_use]
    pub fn page(&self, least: Outcome, command: Vec<String>) -> Page {
        let notes = self.notes.iter().map(|note| Block::Text(note.clone()));
        let figures = [Block::Table(self.deciding()), Block::chart("quantile-differences")].into_iter().chain(notes).collect();
        let cause = self.cause_table().map(|(told, table)| vec![Block::Text(told), Block::Table(table)]).unwrap_or_default();
        let objectives = self.objective_table().map(|table| vec![Block::Table(table)]).unwrap_or_default();
        let one = |table: Option<Table>| table.map(|table| vec![Block::Table(table)]).unwrap_or_default();
        let beside = if self.beside.is_empty() { None } else { Some(self.beside_table()) };
        let lines = [
            ("Before", format!("{}, {}", self.before.label, targets(&self.before))),
            ("After", format!("{}, {}", self.after.label, targets(&self.after))),
            ("Trace", self.before.trace.clone()),
        ];
        Page {
            kicker: "Comparison",
            title: format!("{} against {}", self.after.label, self.before.label),
            overview: self.overview(least),
            card: Card { lines: lines.to_vec(), command },
            sections: vec![
                Part::new("thresholds", "Thresholds", objectives),
                Part::new("figures", "Figures that decide", figures),
                Part::new("cause", "Where the change comes from", cause),
                Part::new("failures", "Failures", one(self.failure_table())),
                Part::new("distribution", "Distribution", vec![Block::chart("distributions")]),
                Part::new("accepted", "Known changes", one(self.accepted_table())),
                Part::new("beside", "Beside", one(beside)),
                Part::new("runs", "Runs", vec![Block::Table(self.run_table())]),
            ],
            findings: Vec::new(),
            charts: chart::charts(self),
            tool: format!("rehearsal {}", env!("CARGO_PKG_VERSION")),
        }
    }

    /// Writes `compare.html`, `compare.md`, `compare.json` and `charts/` into `out`; returns the path of the page.
    ///
    /// # Errors
    /// [`crate::Error::Io`] when it cannot be written, [`crate::Error::Chart`] when a chart cannot be drawn.
    pub fn write(&self, out: &Path, least: Outcome, command: Vec<String>) -> Result<PathBuf> {
        let html = self.page(least, command).write(out, "compare")?;
        page::write(&out.join("compare.json"), &self.json())?;
        Ok(html)
    }

    /// The deciding figures and the thresholds as tests, of which those fail that are at least as bad as `least`.
    #[must_use]
    pub fn suite(&self, least: Outcome) -> Suite {
        let outcome = |verdict: Outcome, why: String| match verdict {
            verdict if verdict >= least => junit::Outcome::Failed(why),
            Outcome::Inconclusive => junit::Outcome::Skipped(why),
            _ => junit::Outcome::Passed,
        };
        let figure = |row: &Row| {
            let change = row.change.as_ref().map_or_else(
                || INSUFFICIENT.to_owned(),
                |change| format!("{} ({})", signed(row, change.value), ends(row, change)),
            );
            let evidence =
                format!("{} → {}: {change}, adjusted p {}", value(row, row.before), value(row, row.after), p(row.p_adjusted));
            let why = match row.verdict {
                Outcome::Inconclusive => format!("inconclusive{}", doubt(row, self)),
                Outcome::None => String::new(),
                _ => worse(row, self),
            };
            let outcome = if row.accepted.is_some() { junit::Outcome::Passed } else { outcome(row.verdict, why) };
            Case { class: "rehearsal.compare", name: row.figure.clone(), outcome, evidence }
        };
        let objective = |one: &Objective| {
            let verdict = if one.newly_broken { Outcome::Critical } else { Outcome::None };
            let evidence = format!(
                "kept before in {} of {} runs, after in {} of {}",
                one.kept_before, one.of_before, one.kept_after, one.of_after
            );
            let name = format!("{} is not newly broken", one.threshold);
            Case { class: "rehearsal.compare", name, outcome: outcome(verdict, newly_broken(one, self)), evidence }
        };
        let cases = self.figures.iter().map(figure).chain(self.objectives.iter().map(objective)).collect();
        Suite { name: format!("{} against {}", self.after.label, self.before.label), cases }
    }

    /// Everything as JSON; its schema is described in `COMPARE.md` beside this crate's manifest.
    #[must_use]
    pub fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a comparison is plain data");
        text.push('\n');
        text
    }
}

fn targets(side: &super::Compared) -> String {
    let runs = units::counted(side.runs.len() as u64, "run");
    let urls: Vec<&str> = side.targets.values().map(String::as_str).collect();
    format!("{runs} against {}", urls.join(", "))
}
