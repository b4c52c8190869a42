//! The table of thresholds, as every output shows it.

use super::{Judged, shown_interval};
use crate::section::{Block, Cell, Column, Table};

/// Pass or fail of each, with figure, limit and interval.
#[must_use]
pub fn table(judged: &[Judged]) -> Table {
    Table {
        title: "Thresholds".to_owned(),
        folded: false,
        columns: vec![Column::Text("Verdict"), Column::Text("Threshold"), Column::Figure("Measured"), Column::Text("Note")],
        rows: judged.iter().map(row).collect(),
    }
}

fn row(judged: &Judged) -> Vec<Cell> {
    let verdict = Cell {
        text: if judged.verdict == crate::finding::Verdict::Invalid { "not judged" } else { judged.verdict.as_str() }.to_owned(),
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

/// A line for each, aligned.
#[must_use]
pub fn terminal(judged: &[Judged]) -> String {
    let verdict = |one: &Judged| match one.band {
        Some(band) => format!("{} ({})", row(one)[0].text, band.as_str()),
        None => row(one)[0].text.clone(),
    };
    let lines: Vec<[String; 3]> = judged.iter().map(|one| [verdict(one), one.threshold.to_string(), one.shown()]).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let line = |([verdict, threshold, value], one): (&[String; 3], &Judged)| {
        let [first, second, third] = widths;
        format!("  {verdict:<first$}   {threshold:<second$}   {value:>third$}   {}", one.note).trim_end().to_owned() + "\n"
    };
    lines.iter().zip(judged).map(line).collect()
}
