//! Figures by phase, for the sections that show them; nothing where a run has but one.

use super::latency::{cells, columns};
use super::{Block, Cell, Column, Table};
use crate::phases::Phase;
use crate::{Analysis, units};

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
            title: "Response time by phase.".to_owned(),
            columns: head(["Asked", "Offered"]).chain(columns()).collect(),
            rows: analysis.by_phase.iter().map(row).collect(),
            ..Table::default()
        }));
    }
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
