//! Tables for a terminal: plain text in columns.

use crate::section::{Cell, Column, Table};

/// Between two columns.
const GAP: &str = "  ";

/// The title, and where there are rows the headings and these, each cell as wide as the widest of its column; what belongs to a figure follows it.
pub(crate) fn table(table: &Table) -> String {
    let heads: Vec<String> = table.columns.iter().map(|column| column.title().to_lowercase()).collect();
    let rows: Vec<Vec<String>> = table.rows.iter().map(|cells| cells.iter().map(cell).collect()).collect();
    let columns = |text: &String| text.chars().count();
    let width = |column: usize| rows.iter().chain([&heads]).filter_map(|row| row.get(column)).map(columns).max().unwrap_or(0);
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |cells: &Vec<String>| {
        let padded = cells.iter().zip(&widths).zip(&table.columns).map(|((text, width), column)| match column {
            Column::Text(_) => format!("{text:<width$}"),
            Column::Figure(_) => format!("{text:>width$}"),
        });
        format!("  {}\n", padded.collect::<Vec<_>>().join(GAP).trim_end())
    };
    let body: String = [&heads].into_iter().chain(&rows).map(line).collect();
    let title = if table.title.is_empty() { String::new() } else { format!("{}\n", table.title) };
    if rows.is_empty() { title } else { title + &body }
}

fn cell(cell: &Cell) -> String {
    if cell.detail.is_empty() { cell.text.clone() } else { format!("{} ({})", cell.text, cell.detail) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stand_left_and_figures_right() {
        let figure = Cell { text: "12 ms".to_owned(), detail: "µ".to_owned() };
        let shown = table(&Table {
            title: "Of two.".to_owned(),
            columns: vec![Column::Text("Name"), Column::Figure("p99")],
            rows: vec![vec!["a".into(), figure], vec!["longer".into(), "5 s".into()]],
            ..Table::default()
        });
        assert_eq!(shown, "Of two.\n  name          p99\n  a       12 ms (µ)\n  longer        5 s\n");
    }
}
