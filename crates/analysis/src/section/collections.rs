//! Latency by collection and operation.

use super::latency::{cells, columns};
use super::phases::{self, failed};
use super::{Block, Cell, Column, Material, Table};
use crate::distribution::Distribution;
use crate::latency::{GROUPS_MAX, Group};
use crate::units;

pub(super) fn build(material: Material<'_>) -> Vec<Block> {
    let groups = &material.analysis.latency.groups;
    let mut blocks = Vec::new();
    if groups.len() > GROUPS_MAX {
        blocks.push(Block::Text(format!(
            "Beyond the {} most frequent, all are counted under “other”.",
            units::count(GROUPS_MAX as u64)
        )));
    }
    let response = Table { title: "Response time".to_owned(), ..table(groups, |group| &group.times.response) };
    let service = Table { title: "Service time".to_owned(), folded: true, ..table(groups, |group| &group.times.service) };
    blocks.extend([Block::Table(response), Block::Table(service)]);
    blocks.extend(phases::groups(material.analysis));
    blocks
}

fn table(groups: &[Group], times: impl Fn(&Group) -> &Distribution) -> Table {
    let head = [Column::Text("Collection, operation"), Column::Figure("Requests"), Column::Figure("Failed")];
    let row = |group: &Group| [names(group), cells(times(group))].concat();
    Table { columns: head.into_iter().chain(columns()).collect(), rows: groups.iter().map(row).collect(), ..Table::default() }
}

fn names(group: &Group) -> Vec<Cell> {
    vec![
        Cell { text: group.collection.clone(), detail: group.operation.clone() },
        units::count(group.requests).into(),
        failed(group.requests, group.ok),
    ]
}
