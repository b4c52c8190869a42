//! Units of work that are several requests.

use super::latency::{cells, columns};
use super::phases::failed;
use super::{Block, Cell, Column, INSUFFICIENT, Material, Table};
use crate::transactions::Transactions;
use crate::units;

pub(super) fn build(material: Material<'_>) -> Vec<Block> {
    let all = &material.analysis.transactions;
    if all.is_empty() {
        return Vec::new();
    }
    let figures = ["Count", "Failed", "Requests each", "Good per second"].map(Column::Figure);
    vec![Block::Table(Table {
        title: "From the due instant of a transaction's first request to the last byte of its last answer, of those in which every request got a \
                good answer."
            .to_owned(),
        columns: [Column::Text("Transaction")].into_iter().chain(figures).chain(columns()).collect(),
        rows: all.iter().map(row).collect(),
        ..Table::default()
    })]
}

fn row(of: &Transactions) -> Vec<Cell> {
    let rate = of.ok_per_s.map_or_else(|| INSUFFICIENT.to_owned(), units::per_s);
    let each = units::number(of.requests as f64 / of.count as f64);
    let head = [of.name.as_str().into(), units::count(of.count).into(), failed(of.count, of.ok), each.into(), rate.into()];
    head.into_iter().chain(cells(&of.duration)).collect()
}
