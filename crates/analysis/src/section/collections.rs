//! Latency by collection and operation.

use super::latency::{cells, columns};
use super::phases::failed;
use super::{Block, Cell, Column, Material, Table};
use crate::courses::{NAMED_MAX, Other, SHOWN_MAX};
use crate::distribution::Distribution;
use crate::latency::{GROUPS_MAX, Group};
use crate::{Analysis, breakdown, units};

/// A table of more operations than this is folded.
const OPEN_MAX: usize = 40;

pub(super) fn build(material: Material<'_>) -> Vec<Block> {
    let groups = &material.analysis.latency.groups;
    let mut blocks = Vec::new();
    if groups.len() > GROUPS_MAX {
        blocks.push(Block::Text(format!(
            "Beyond the {} most frequent, all are counted under “other”.",
            units::count(GROUPS_MAX as u64)
        )));
    }
    let answered = material.analysis.totals.answered > 0;
    let charts = [
        ("rate-by-collection", material.analysis.courses.shown.len() > 1),
        ("latency-by-collection", answered && material.analysis.courses.shown.len() > 1),
        ("slowest-operations", answered && groups.len() > 1),
    ];
    blocks.extend(charts.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| Block::chart(name)));
    blocks.extend(others(&material.analysis.courses.others));
    let service = Table {
        title: "Service time by collection and operation".to_owned(),
        folded: true,
        ..table(groups, |group| &group.times.service)
    };
    blocks.extend([Block::Table(response(groups)), Block::Table(service)]);
    blocks.extend(finest(material.analysis));
    blocks
}

/// Response time by collection and operation.
pub(super) fn response(groups: &[Group]) -> Table {
    let title = "Response time by collection and operation".to_owned();
    Table { title, folded: groups.len() > OPEN_MAX, ..table(groups, |group| &group.times.response) }
}

/// The collections that have no small chart of their own.
fn others(others: &[Other]) -> Option<Block> {
    let row = |other: &Other| {
        vec![other.collection.as_str().into(), units::count(other.requests).into(), failed(other.requests, other.ok)]
    };
    let more = others.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!("; {} more are not named", units::count(more as u64)) } else { String::new() };
    let count = units::counted(others.len() as u64, "collection");
    let table = Table {
        title: format!("Beyond the {SHOWN_MAX} with the most requests, which have small charts: {count}{more}"),
        folded: true,
        columns: vec![Column::Text("Collection"), Column::Figure("Requests"), Column::Figure("Failed")],
        rows: others.iter().take(NAMED_MAX).map(row).collect(),
    };
    (!others.is_empty()).then_some(Block::Table(table))
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
