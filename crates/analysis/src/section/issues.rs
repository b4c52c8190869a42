//! What was out of the ordinary, from when to when, and what came of it.

use super::{Block, Cell, Column, Material, Table};
use crate::issues::{Issue, noted};
use crate::{Analysis, units};

pub(super) fn build(material: Material<'_>) -> Vec<Block> {
    let analysis = material.analysis;
    let issues = &analysis.issues;
    let mut blocks: Vec<Block> = noted(&issues.notes).collect();
    if issues.list.is_empty() {
        blocks.push(Block::Text(NONE.to_owned()));
        return blocks;
    }
    let more: String = issues
        .more
        .iter()
        .map(|(kind, count)| format!(" {} more “{kind}” are not listed.", units::count(*count as u64)))
        .collect();
    blocks.push(Block::Table(Table {
        title: format!(
            "Since the start. What came of one is added by `rehearsal report RUN --note '{}: …'`.{more}",
            issues.list[0].key
        ),
        columns: ["Issue", "From", "To", "What happened", "Resolution"].map(Column::Text).to_vec(),
        rows: issues.list.iter().map(|issue| row(analysis, issue)).collect(),
        ..Table::default()
    }));
    blocks
}

/// What there would have been.
const NONE: &str =
    "None: no restart, no probe that failed, no burst of errors, no time without good answers, and no stall of the generator.";

fn row(analysis: &Analysis, issue: &Issue) -> Vec<Cell> {
    let since_start = |at_ns: i64| units::time((at_ns - analysis.whole.first_due_ns).max(0) as f64 / 1e9);
    let to = issue.to_ns.map_or_else(|| "–".to_owned(), since_start);
    let resolution = issue.resolution.clone().unwrap_or_else(|| "–".to_owned());
    [issue.key.clone(), since_start(issue.from_ns), to, issue.what.clone(), resolution].map(Cell::from).to_vec()
}
