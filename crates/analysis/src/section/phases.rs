//! Figures by phase; nothing where a run has but one.

use super::collections;
use super::latency::{cells, columns, times};
use super::{Block, Cell, Column, Table};
use crate::page::Part;
use crate::phases::Phase;
use crate::{Analysis, units};

/// Phases that have a section of their own, the first of them; the table of all phases has the others.
const SECTIONS_MAX: usize = 12;

/// What was left out, and what was asked for, offered and answered in each phase.
pub(super) fn overview(analysis: &Analysis) -> Vec<Block> {
    let mut blocks = Vec::new();
    let warmup = analysis.whole.requests - analysis.totals.requests;
    if warmup > 0 {
        let requests = units::counted(warmup, "request");
        blocks.push(Block::Text(format!("The warm-up is left out of every figure: {requests}, shaded in charts over time.")));
    }
    if !analysis.by_phase.is_empty() {
        blocks.push(Block::Table(Table {
            title: match analysis.by_phase.len().saturating_sub(SECTIONS_MAX) {
                0 => "Response time by phase.".to_owned(),
                _ => format!("Response time by phase; the first {SECTIONS_MAX} have a section of their own."),
            },
            columns: head(["Asked", "Offered"]).chain(columns()).collect(),
            rows: analysis.by_phase.iter().map(row).collect(),
            ..Table::default()
        }));
    }
    blocks
}

/// A section for each phase.
pub(super) fn parts(analysis: &Analysis) -> impl Iterator<Item = Part> + '_ {
    let part =
        |(place, phase): (usize, &Phase)| Part::new(format!("phase-{}", place + 1), format!("Phase {}", phase.phase), of(phase));
    analysis.by_phase.iter().take(SECTIONS_MAX).enumerate().map(part)
}

/// What stands in the section of a phase.
fn of(phase: &Phase) -> Vec<Block> {
    let (from, to) = (units::time(phase.from_ns as f64 / 1e9), units::time(phase.to_ns as f64 / 1e9));
    let rate = |rate: Option<f64>| rate.map_or_else(|| "–".to_owned(), units::per_s);
    let seconds = (phase.to_ns - phase.from_ns) as f64 / 1e9;
    let failed = failed(phase.requests, phase.ok);
    let share = if failed.detail.is_empty() { String::new() } else { format!(" ({})", failed.detail) };
    let facts = vec![
        ("From – to", format!("{from} – {to}")),
        ("Asked", rate(phase.asked_per_s)),
        ("Offered (due)", rate(phase.offered_per_s)),
        ("Good answers", rate((seconds > 0.0).then(|| phase.ok as f64 / seconds))),
        ("Failed", format!("{} of {}{share}", failed.text, units::count(phase.requests))),
    ];
    let mut blocks = vec![Block::Facts(facts)];
    if phase.times.response.count > 0 {
        let title = "Response and service time".to_owned();
        blocks.push(Block::Table(Table { title, ..times(&phase.times) }));
    }
    blocks.push(Block::Table(Table { folded: true, ..collections::response(&phase.groups) }));
    blocks
}

fn head(rates: [&'static str; 2]) -> impl Iterator<Item = Column> {
    let figures = ["Requests", "Failed"].into_iter().chain(rates).map(Column::Figure);
    [Column::Text("Phase")].into_iter().chain(figures)
}

fn row(phase: &Phase) -> Vec<Cell> {
    let rate = |rate: Option<f64>| Cell::from(rate.map_or_else(|| "–".to_owned(), units::per_s));
    let (from, to) = (units::time(phase.from_ns as f64 / 1e9), units::time(phase.to_ns as f64 / 1e9));
    let name = Cell { text: phase.phase.clone(), detail: format!("{from} – {to}") };
    let counts = [name, units::count(phase.requests).into(), failed(phase.requests, phase.ok)];
    let rates = [rate(phase.asked_per_s), rate(phase.offered_per_s)];
    counts.into_iter().chain(rates).chain(cells(&phase.times.response)).collect()
}

/// Requests without a good answer, with their share.
pub(super) fn failed(requests: u64, ok: u64) -> Cell {
    let failed = requests - ok;
    let detail = if failed == 0 { String::new() } else { units::share(failed as f64 / requests as f64) };
    Cell { text: units::count(failed), detail }
}
