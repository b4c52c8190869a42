//! The slowest requests, and some that failed, one by one.

use super::{Block, Cell, Column, Material, Table};
use crate::requests::Request;
use crate::{Analysis, units};

pub(super) fn build(material: Material<'_>) -> Vec<Block> {
    let analysis = material.analysis;
    let requests = &analysis.requests;
    let mut blocks: Vec<Block> = requests.no_content.iter().cloned().map(Block::Text).collect();
    let lists = [
        (&requests.slowest, "The slowest answers, by response time."),
        (&requests.failed, "The first failures of each kind, by due instant."),
    ];
    blocks.extend(lists.iter().filter(|(list, _)| !list.is_empty()).map(|(list, title)| table(analysis, list, title)));
    blocks
}

fn table(analysis: &Analysis, list: &[Request], title: &str) -> Block {
    Block::Table(Table {
        title: title.to_owned(),
        columns: vec![
            Column::Figure("Id"),
            Column::Figure("Due at"),
            Column::Figure("Response"),
            Column::Figure("Service"),
            Column::Text("Collection, operation"),
            Column::Text("Failure"),
            Column::Text("Request"),
        ],
        folded: true,
        rows: list.iter().map(|request| row(analysis, request)).collect(),
    })
}

fn row(analysis: &Analysis, request: &Request) -> Vec<Cell> {
    let duration = |ns: Option<i64>| Cell::from(ns.map_or_else(|| "–".to_owned(), |ns| units::duration(ns as f64)));
    let copy = if request.copy == 0 { String::new() } else { format!("copy {}", request.copy) };
    vec![
        Cell { text: request.id.to_string(), detail: copy },
        units::duration((request.due_ns - analysis.whole.first_due_ns) as f64).into(),
        duration(request.response_ns),
        duration(request.service_ns),
        Cell { text: request.collection.clone(), detail: request.operation.clone() },
        request.failure.clone().unwrap_or_else(|| "–".to_owned()).into(),
        request.content.clone().unwrap_or_else(|| "–".to_owned()).into(),
    ]
}
