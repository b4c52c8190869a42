//! `report.md`: the report as a comment on a pull request, without pictures.

use super::card;
use crate::page::{Card, Page, Part};
use crate::section::{Block, Cell, Column, Table};

/// Rows of a table; the rest is in the JSON file.
const ROWS_MAX: usize = 20;

/// The whole document.
pub(crate) fn markdown(page: &Page) -> String {
    let mut out = head(page);
    page.filled().for_each(|part| out += &self::part(page, part));
    out += &run(page);
    out
}

fn head(page: &Page) -> String {
    let overview = &page.overview;
    let mut out = format!("# {}: {}\n\n{}\n\n", overview.word, escape(&page.title), escape(&overview.sentence));
    let leading: String = page.leading().map(|part| self::part(page, part)).collect();
    if !leading.is_empty() {
        out += &format!("{}\n", leading.trim_start());
    }
    out += "| Figure | Value | |\n|---|---:|---|\n";
    for figure in &overview.figures {
        out += &format!("| {} | {} | {} |\n", escape(&figure.name), escape(&figure.value), escape(&figure.note));
    }
    out
}

fn part(page: &Page, part: &Part) -> String {
    let blocks: String = part.blocks.iter().map(|block| format!("\n{}", self::block(page, block))).collect();
    format!("\n## {}\n{blocks}", escape(&part.title))
}

fn block(page: &Page, block: &Block) -> String {
    match block {
        Block::Text(text) => format!("{}\n", escape(text)),
        Block::Facts(facts) => facts.iter().map(|(name, value)| format!("- {name}: {}\n", escape(value))).collect(),
        Block::Table(table) | Block::Links(table, _) => self::table(table),
        Block::Chart(name) => match page.chart(name).map(|chart| &chart.picture) {
            Some(Ok(picture)) => format!("{}\n", escape(picture.summary())),
            Some(Err(reason)) => format!("{}\n", escape(reason)),
            None => String::new(),
        },
        Block::Findings => page
            .findings
            .iter()
            .map(|finding| {
                let hint = finding.hint.as_ref().map(|hint| format!("  → {}\n", escape(hint))).unwrap_or_default();
                format!("- **{}** {}\n{hint}", finding.verdict.as_str(), escape(&finding.title))
            })
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
        out += &format!("\n… and {} more in the JSON file beside this one.\n", table.rows.len() - ROWS_MAX);
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

fn run(page: &Page) -> String {
    if page.card == Card::default() {
        return String::new();
    }
    let lines: String = page.card.lines.iter().map(|(name, content)| format!("- {name}: {}\n", escape(content))).collect();
    let command = card::command(&page.card.command).replace("```", "'''");
    let command = if command.is_empty() { command } else { format!("\n```sh\n{command}\n```\n") };
    format!("\n## Run\n\n{lines}{command}")
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
