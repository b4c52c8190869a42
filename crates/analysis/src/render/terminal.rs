//! Tables for a terminal: plain text in columns, as wide as the terminal. Where they do not fit, the names of a row stand above its figures, and
//! where even these do not, each figure stands behind its heading.

use crate::section::{Cell, Column, Table};

/// Between two columns.
const GAP: &str = "  ";

/// Before a row, and before the figures of one whose names stand above them.
const INDENT: usize = 2;

/// The title, and where there are rows the headings and these, no line longer than `columns` unless one word is; what belongs to a figure
/// follows it.
#[must_use]
pub fn table(table: &Table, columns: usize) -> String {
    let heads: Vec<String> = table.columns.iter().map(|column| column.title().to_lowercase()).collect();
    let rows: Vec<Vec<String>> = table.rows.iter().map(|cells| cells.iter().map(cell).collect()).collect();
    let rows: Vec<&[String]> = [&heads].into_iter().chain(&rows).map(Vec::as_slice).collect();
    let names = table.columns.iter().take_while(|column| matches!(column, Column::Text(_))).count();
    let title = if table.title.is_empty() { String::new() } else { folded(&table.title, columns, 0) + "\n" };
    let body = [aligned(&rows, &table.columns, INDENT, columns), split(&rows, &table.columns, names, columns)];
    match body.into_iter().flatten().next() {
        _ if table.rows.is_empty() => title,
        Some(body) => title + &body,
        None => title + &rows[1..].iter().map(|row| stacked(rows[0], row, names, columns)).collect::<String>(),
    }
}

/// Each cell as wide as the widest of its column; `None` where that is too wide.
fn aligned(rows: &[&[String]], columns: &[Column], indent: usize, room: usize) -> Option<String> {
    let letters = |text: &String| text.chars().count();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(letters).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |cells: &&[String]| {
        let padded = cells.iter().zip(&widths).zip(columns).map(|((text, width), column)| match column {
            Column::Text(_) => format!("{text:<width$}"),
            Column::Figure(_) => format!("{text:>width$}"),
        });
        format!("{:indent$}{}\n", "", padded.collect::<Vec<_>>().join(GAP).trim_end())
    };
    let lines: Vec<String> = rows.iter().map(line).collect();
    lines.iter().all(|line| line.chars().count() - 1 <= room).then(|| lines.concat())
}

/// The names of each row above its figures, which stand in columns; `None` where there are no names, or the figures are too wide.
fn split(rows: &[&[String]], columns: &[Column], names: usize, room: usize) -> Option<String> {
    let figures: Vec<&[String]> = rows.iter().map(|row| &row[names..]).collect();
    let figures = aligned(&figures, &columns[names..], 2 * INDENT, room).filter(|_| names > 0 && names < columns.len())?;
    let line = |(row, figures): (&&[String], &str)| format!("{}{figures}", named(&row[..names], room));
    Some(rows.iter().zip(figures.split_inclusive('\n')).map(line).collect())
}

/// The names of a row, and below them each figure behind its heading, as many in a line as fit.
fn stacked(heads: &[String], row: &[String], names: usize, room: usize) -> String {
    let filled = heads.iter().zip(row).skip(names).filter(|(_, cell)| !cell.is_empty());
    let pairs: Vec<String> = filled.map(|(head, cell)| format!("{head} {cell}").replace(' ', KEPT)).collect();
    let below = format!("{:1$}{2}", "", 2 * INDENT, pairs.join(", "));
    let below = if pairs.is_empty() { String::new() } else { folded(&below, room, 0).replace(KEPT, " ") + "\n" };
    named(&row[..names], room) + &below
}

/// Stands for a space at which no line is broken.
const KEPT: &str = "\u{a0}";

fn named(names: &[String], room: usize) -> String {
    let line = format!("{:INDENT$}{}", "", names.join(GAP)).trim_end().to_owned();
    if line.is_empty() { line } else { folded(&line, room, INDENT) + "\n" }
}

/// A line broken between words so that none is longer than `columns`, unless one word is; what follows the first is `indent` further in.
#[must_use]
pub fn folded(line: &str, columns: usize, indent: usize) -> String {
    if line.chars().count() <= columns {
        return line.to_owned();
    }
    let margin = line.len() - line.trim_start_matches(' ').len();
    let (mut out, mut length) = (" ".repeat(margin), margin);
    for (place, word) in line[margin..].split(' ').enumerate() {
        let letters = word.chars().count();
        let (between, fits) = (usize::from(place > 0), length + 1 + letters <= columns);
        if place > 0 && !fits && length > margin {
            out = format!("{}\n{:2$}", out.trim_end(), "", margin + indent);
            length = margin + indent;
        } else {
            out += &" ".repeat(between);
            length += between;
        }
        out += word;
        length += letters;
    }
    out.trim_end().to_owned()
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
        let table = Table {
            title: "Of two.".to_owned(),
            columns: vec![Column::Text("Name"), Column::Figure("p99")],
            rows: vec![vec!["a".into(), figure], vec!["longer".into(), "5 s".into()]],
            ..Table::default()
        };
        let shown = |columns| super::table(&table, columns);
        assert_eq!(shown(19), "Of two.\n  name          p99\n  a       12 ms (µ)\n  longer        5 s\n");
        let above = "Of two.\n  name\n          p99\n  a\n    12 ms (µ)\n  longer\n          5 s\n";
        assert_eq!((shown(18), shown(13)), (above.to_owned(), above.to_owned()));
        assert_eq!(shown(12), "Of two.\n  a\n    p99 12 ms (µ)\n  longer\n    p99 5 s\n");
    }

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(folded("  one two three", 9, 2), "  one two\n    three");
        assert_eq!(folded("one  two", 8, 0), "one  two");
        assert_eq!(folded("overlong word", 5, 1), "overlong\n word");
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn tables_lose_nothing_and_fit(
            cells in proptest::collection::vec(proptest::collection::vec("[a-zé]{1,9}( [a-z]{1,9})?", 4), 1..6),
            columns in 24_usize..120,
        ) {
            let columns_of = [Column::Text("Name"), Column::Text("What"), Column::Figure("First"), Column::Figure("Second")];
            let rows: Vec<Vec<Cell>> = cells.iter().map(|row| row.iter().map(|text| text.as_str().into()).collect()).collect();
            let shown = super::table(&Table { columns: columns_of.to_vec(), rows, ..Table::default() }, columns);
            proptest::prop_assert!(shown.lines().all(|line| line.chars().count() <= columns.max(35)), "{shown}");
            let words: Vec<&str> = shown.split(|c: char| c.is_whitespace() || c == ',').collect();
            let there = |text: &String| text.split(' ').all(|word| words.contains(&word));
            proptest::prop_assert!(cells.iter().flatten().all(there), "{shown}");
        }
    }
}
