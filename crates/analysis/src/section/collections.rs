//! Latency by collection and operation.

use super::latency::{cells, columns};
use super::phases::failed;
use super::{Block, Cell, Column, Material, Table};
use crate::distribution::Distribution;
use crate::latency::{GROUPS_MAX, Group};
use crate::{Analysis, breakdown, units};

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
    blocks.extend(finest(material.analysis));
    blocks
}

fn table(groups: &[Group], times: impl Fn(&Group) -> &Distribution) -> Table {
    let head = [Column::Text("Collection, operation"), Column::Figure("Requests"), Column::Figure("Failed")];
    let row = |group: &Group| [names(group), cells(times(group))].concat();
    Table { columns: head.into_iter().chain(columns()).collect(), rows: groups.iter().map(row).collect(), ..Table::default() }
}

/// By phase and target too, where there are several.
fn finest(analysis: &Analysis) -> Option<Block> {
    let breakdown = &analysis.breakdown;
    let head = breakdown.by.iter().map(|word| Column::Text(heading(word)));
    let head = head.chain([Column::Figure("Requests"), Column::Figure("Failed")]);
    let row = |group: &breakdown::Group| {
        let counts = [units::count(group.requests).into(), failed(group.requests, group.ok)];
        let names = group.names.iter().map(|name| Cell::from(name.as_str()));
        names.chain(counts).chain(cells(&group.times[0])).collect()
    };
    let table = Table {
        title: "Response time by phase, target, collection and operation".to_owned(),
        folded: true,
        columns: head.chain(columns()).collect(),
        rows: breakdown.groups.iter().map(row).collect(),
    };
    (breakdown.groups.len() > analysis.latency.groups.len()).then_some(Block::Table(table))
}

fn heading(word: &'static str) -> &'static str {
    match word {
        "phase" => "Phase",
        "target" => "Target",
        "collection" => "Collection",
        "operation" => "Operation",
        other => other,
    }
}

fn names(group: &Group) -> Vec<Cell> {
    vec![
        Cell { text: group.collection.clone(), detail: group.operation.clone() },
        units::count(group.requests).into(),
        failed(group.requests, group.ok),
    ]
}
