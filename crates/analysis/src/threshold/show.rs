//! The table of thresholds, as every output shows it.

use super::{Judged, shown_interval};
use crate::finding::Verdict;
use crate::section::{Block, Cell, Column, Table};

/// Pass or fail of each, with figure, limit and interval.
#[must_use]
pub fn table(judged: &[Judged]) -> Table {
    Table {
        title: format!(
            "Thresholds: {} of {} hold",
            judged.iter().filter(|one| one.verdict == Verdict::Pass).count(),
            judged.len()
        ),
        folded: false,
        columns: vec![Column::Text("Verdict"), Column::Text("Threshold"), Column::Figure("Measured"), Column::Text("Note")],
        rows: judged.iter().map(row).collect(),
    }
}

/// The same of several runs, each threshold with the run's name.
#[must_use]
pub(crate) fn table_of_runs(judged: &[(&str, &Judged)]) -> Table {
    let all: Vec<Judged> = judged.iter().map(|(_, one)| (*one).clone()).collect();
    let mut shown = table(&all);
    shown.columns.insert(1, Column::Text("Run"));
    shown.rows.iter_mut().zip(judged).for_each(|(row, (name, _))| row.insert(1, (*name).into()));
    shown
}

fn row(judged: &Judged) -> Vec<Cell> {
    let verdict = Cell {
        text: if judged.verdict == Verdict::Invalid { "not judged" } else { judged.verdict.as_str() }.to_owned(),
        detail: judged.band.map(|band| band.as_str().to_owned()).unwrap_or_default(),
    };
    let interval = judged.interval.map(|ends| shown_interval(judged.unit, ends.low, ends.high));
    let value = Cell { text: judged.shown(), detail: interval.unwrap_or_default() };
    vec![verdict, judged.threshold.to_string().into(), value, judged.note.clone().into()]
}

/// What a report shows of them; nothing where none were given.
#[must_use]
pub fn section(judged: &[Judged]) -> Vec<Block> {
    if judged.is_empty() { Vec::new() } else { vec![Block::Table(table(judged))] }
}

/// The table for a terminal of so many columns; nothing where none were given.
#[must_use]
pub fn terminal(judged: &[Judged], columns: usize) -> String {
    if judged.is_empty() { String::new() } else { crate::render::terminal_table(&table(judged), columns) }
}
