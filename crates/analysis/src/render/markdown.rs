//! `report.md`: the report as a comment on a pull request, without pictures.

use super::card;
use crate::report::Material;
use crate::section::{self, Block, Cell, Column, Table};

/// Rows of a table; the rest is in `findings.json`.
const ROWS_MAX: usize = 20;

/// The whole document.
pub(crate) fn markdown(material: &Material) -> String {
    let mut out = head(material);
    let sections = section::Material { analysis: &material.analysis, findings: &material.findings };
    for (section, blocks) in section::filled(sections) {
        out += &format!("\n## {}\n", section.title);
        for block in blocks {
            out.push('\n');
            out += &self::block(material, &block);
        }
    }
    out += &run(material);
    out
}

fn head(material: &Material) -> String {
    let overview = &material.overview;
    let mut out =
        format!("# {}: {}\n\n{}\n\n", overview.word(), escape(&material.analysis.info.label), escape(&overview.sentence));
    out += "| Figure | Value | |\n|---|---:|---|\n";
    for figure in &overview.figures {
        out += &format!("| {} | {} | {} |\n", figure.name, escape(&figure.value), escape(&figure.note));
    }
    out
}

fn block(material: &Material, block: &Block) -> String {
    match block {
        Block::Text(text) => format!("{}\n", escape(text)),
        Block::Facts(facts) => facts.iter().map(|(name, value)| format!("- {name}: {}\n", escape(value))).collect(),
        Block::Table(table) => self::table(table),
        Block::Chart(name) => match material.chart(name).map(|chart| &chart.plot) {
            Some(Ok(plot)) => format!("{}\n", escape(&plot.summary)),
            Some(Err(reason)) => format!("{}\n", escape(reason)),
            None => String::new(),
        },
        Block::Findings => material
            .findings
            .iter()
            .map(|finding| format!("- **{}** {}\n", finding.verdict.as_str(), escape(&finding.title)))
            .collect(),
    }
}

fn table(table: &Table) -> String {
    let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let title = escape(&table.title);
    let mut out = if table.folded { format!("<details><summary>{title}</summary>\n\n") } else { format!("{title}\n\n") };
    out += &row(&table.columns.iter().map(|column| escape(column.title())).collect::<Vec<_>>());
    let rules = table.columns.iter().map(|column| if matches!(column, Column::Text(_)) { "---" } else { "---:" }.to_owned());
    out += &row(&rules.collect::<Vec<_>>());
    for cells in table.rows.iter().take(ROWS_MAX) {
        out += &row(&cells.iter().map(cell).collect::<Vec<_>>());
    }
    if table.rows.len() > ROWS_MAX {
        out += &format!("\n… and {} more in `findings.json`.\n", table.rows.len() - ROWS_MAX);
    }
    if table.folded {
        out += "\n</details>\n";
    }
    out
}

fn cell(cell: &Cell) -> String {
    let detail = if cell.detail.is_empty() { String::new() } else { format!(" ({})", cell.detail) };
    escape(&format!("{}{detail}", cell.text))
}

fn run(material: &Material) -> String {
    let info = &material.analysis.info;
    let lines: String = card::lines(info).iter().map(|(name, content)| format!("- {name}: {}\n", escape(content))).collect();
    format!("\n## Run\n\n{lines}\n```sh\n{}\n```\n", card::command(info).replace("```", "'''"))
}

/// Keeps what comes from traces from being read as Markdown.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => out.push(' '),
            '\\' | '|' | '*' | '_' | '`' | '<' | '>' | '[' | ']' | '#' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out
}
