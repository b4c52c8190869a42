//! What went wrong, how often, and when.

use super::{Block, Cell, Column, Material, Table};
use crate::Analysis;
use crate::errors::Failure;
use crate::units;

pub(super) fn build(material: Material<'_>) -> Vec<Block> {
    let analysis = material.analysis;
    if analysis.failures.is_empty() {
        return vec![Block::Text("None: every request got a good answer.".to_owned())];
    }
    let columns = ["Requests", "Share", "First", "Last"].map(Column::Figure);
    let table = Table {
        title: "First and last are the due instants of the first and the last request it happened to, since the start."
            .to_owned(),
        columns: [Column::Text("Error")].into_iter().chain(columns).collect(),
        rows: analysis.failures.iter().map(|failure| row(analysis, failure)).collect(),
        ..Table::default()
    };
    vec![Block::chart("errors-over-time"), Block::Table(table)]
}

fn row(analysis: &Analysis, failure: &Failure) -> Vec<Cell> {
    let since_start = |at_ns: i64| units::duration((at_ns - analysis.whole.first_due_ns) as f64);
    vec![
        failure.kind.as_str().into(),
        units::count(failure.count).into(),
        units::share(analysis.totals.share(failure.count)).into(),
        since_start(failure.first_ns).into(),
        since_start(failure.last_ns).into(),
    ]
}
