//! `report.html`: one file that fetches nothing, and reads as well without its script.

use super::card;
use crate::Result;
use crate::chart::{self, Drawn, Layout, Picture, Place, escape};
use crate::page::{Card, Page, Part};
use crate::section::{Block, Cell, Column, INSUFFICIENT, Table};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// A longer fact takes the room of two.
const SHORT_FACT: usize = 24;

/// Texts in tables that are no longer stay in one line.
const UNBROKEN: usize = 12;

/// Nothing may be fetched from anywhere, whatever the report holds.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

/// The whole page.
///
/// # Errors
/// [`crate::Error::Chart`] when a chart cannot be drawn.
pub(crate) fn html(page: &Page) -> Result<String> {
    let title = escape(&page.title);
    let word = &page.overview.word;
    let (light, dark) = (chart::css_variables(false), chart::css_variables(true));
    let variables =
        format!(":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{}", chart::css_classes());
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <title>{word}: {title}</title>\n<style>\n{STYLE}{variables}\n</style>\n</head>\n<body>\n{}{}{}\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        head(page)?,
        main(page)?,
        foot(page)
    ))
}

fn head(page: &Page) -> Result<String> {
    let overview = &page.overview;
    let (verdict, word) = (overview.verdict.as_str(), &overview.word);
    let sentence = escape(overview.sentence.trim_start_matches("INVALID: "));
    let figures: String = overview.figures.iter().map(figure).collect();
    let link = |part: &Part| format!("<a href=\"#{}\">{}</a>\n", escape(&part.id), escape(&part.title));
    let links: String = page.filled().map(link).collect();
    let mut leading = String::new();
    for part in page.leading() {
        leading += &self::part(page, part)?;
    }
    let title = escape(&page.title);
    Ok(format!(
        "<header>\n<p class=\"kicker\">{}</p>\n<h1>{title}</h1>\n\
         <div class=\"verdict {verdict}\"><strong>{word}</strong><p>{sentence}</p></div>\n{leading}\
         <ul class=\"figures\">\n{figures}</ul>\n{}</header>\n<nav aria-label=\"Sections\">\n{links}</nav>\n",
        page.kicker,
        run_card(&page.card)
    ))
}

fn figure(figure: &crate::overview::Figure) -> String {
    let (value, unit) = figure.value.split_once(' ').unwrap_or((&figure.value, ""));
    let quiet = if figure.value == INSUFFICIENT { " quiet" } else { "" };
    format!(
        "<li><span class=\"name\">{}</span><span class=\"value{quiet}\">{} <small>{}</small></span><span class=\"note\">{}</span></li>\n",
        escape(&figure.name),
        escape(value),
        escape(unit),
        escape(&figure.note)
    )
}

fn run_card(shown: &Card) -> String {
    if *shown == Card::default() {
        return String::new();
    }
    let line = |(name, content): &(&str, String)| format!("<div><dt>{name}</dt><dd>{}</dd></div>\n", escape(content));
    let lines: String = shown.lines.iter().map(line).collect();
    let command = escape(&card::command(&shown.command));
    let command = if command.is_empty() { String::new() } else { format!("<pre tabindex=\"0\"><code>{command}</code></pre>\n") };
    format!("<section class=\"card\" aria-label=\"Run\">\n<dl>\n{lines}</dl>\n{command}</section>\n")
}

fn main(page: &Page) -> Result<String> {
    let mut out = "<main>\n".to_owned();
    for part in page.filled() {
        out += &self::part(page, part)?;
    }
    Ok(out + "</main>\n")
}

fn part(page: &Page, part: &Part) -> Result<String> {
    let mut out = format!("<section id=\"{}\">\n<h2>{}</h2>\n", escape(&part.id), escape(&part.title));
    for block in &part.blocks {
        out += &self::block(page, block)?;
    }
    Ok(out + "</section>\n")
}

fn foot(page: &Page) -> String {
    format!(
        "<footer>Made by {} from the runs’ own files; every figure can be recomputed from its Parquet files.</footer>",
        escape(&page.tool)
    )
}

fn block(page: &Page, block: &Block) -> Result<String> {
    Ok(match block {
        Block::Text(text) => format!("<p>{}</p>\n", escape(text)),
        Block::Facts(facts) => {
            let line = |(name, value): &(&str, String)| {
                let class = if value.chars().count() > SHORT_FACT { " class=\"long\"" } else { "" };
                format!("<div{class}><dt>{name}</dt><dd>{}</dd></div>\n", escape(value))
            };
            format!("<dl class=\"facts\">\n{}</dl>\n", facts.iter().map(line).collect::<String>())
        }
        Block::Table(table) => self::table(table, &[]),
        Block::Links(table, links) => self::table(table, links),
        Block::Chart(name) => page.chart(name).map_or_else(|| Ok(String::new()), chart_block)?,
        Block::Findings => findings(page),
    })
}

fn findings(page: &Page) -> String {
    let line = |finding: &crate::finding::Finding| {
        let verdict = finding.verdict.as_str();
        let hint =
            finding.hint.as_ref().map(|hint| format!("<small class=\"hint\">{}</small>", escape(hint))).unwrap_or_default();
        format!(
            "<li class=\"{verdict}\"><span class=\"mark\">{verdict}</span><span>{}{hint}</span></li>\n",
            escape(&finding.title)
        )
    };
    format!("<ul class=\"findings\">\n{}</ul>\n", page.findings.iter().map(line).collect::<String>())
}

/// A table; the first cell of a row is a link where there is one for it.
fn table(table: &Table, links: &[Option<String>]) -> String {
    let title = escape(&table.title);
    let links = links.iter().map(Option::as_deref).chain(std::iter::repeat(None));
    let rows: String = table.rows.iter().zip(links).map(|(cells, link)| row(&table.columns, cells, link)).collect();
    let body = format!("<table>\n{}<tbody>\n{rows}</tbody>\n</table>", heading(&table.columns));
    let scroll = format!("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\">{body}</div>\n");
    if table.folded {
        format!("<details>\n<summary>{title}</summary>\n{scroll}</details>\n")
    } else {
        format!("<p class=\"caption\">{title}</p>\n{scroll}")
    }
}

fn heading(columns: &[Column]) -> String {
    let cell = |column: &Column| format!("<th scope=\"col\"{}>{}</th>", class(*column), escape(column.title()));
    format!("<thead><tr>{}</tr></thead>\n", columns.iter().map(cell).collect::<String>())
}

fn class(column: Column) -> &'static str {
    if matches!(column, Column::Text(_)) { " class=\"text\"" } else { "" }
}

fn row(columns: &[Column], cells: &[Cell], link: Option<&str>) -> String {
    let class = |column: Column, text: &str| match column {
        Column::Text(_) if text.chars().count() <= UNBROKEN => " class=\"text short\"",
        column => class(column),
    };
    let cell = |(place, (column, cell)): (usize, (&Column, &Cell))| {
        let detail = if cell.detail.is_empty() { String::new() } else { format!("<small>{}</small>", escape(&cell.detail)) };
        let text = match link {
            Some(link) if place == 0 => format!("<a href=\"{}\">{}</a>", escape(link), escape(&cell.text)),
            _ => escape(&cell.text),
        };
        if cell.text == INSUFFICIENT {
            format!("<td class=\"quiet\">{INSUFFICIENT}</td>")
        } else {
            format!("<td{}>{text}{detail}</td>", class(*column, &cell.text))
        }
    };
    format!("<tr>{}</tr>\n", columns.iter().zip(cells).enumerate().map(cell).collect::<String>())
}

fn chart_block(chart: &Drawn) -> Result<String> {
    let picture = match &chart.picture {
        Ok(picture) => picture,
        Err(reason) => return Ok(format!("<p class=\"left-out\">{}</p>\n", escape(reason))),
    };
    let name = escape(&chart.name);
    let (wide, narrow) = (chart::svg(&chart.name, picture, Layout::WIDE)?, chart::svg(&chart.name, picture, Layout::NARROW)?);
    Ok(format!(
        "<figure id=\"chart-{name}\">\n<figcaption><b>{}</b> {}</figcaption>\n<div class=\"plot\">{wide}\n{narrow}</div>\n\
         <details>\n<summary>Figures behind the chart</summary>\n<div class=\"scroll\" tabindex=\"0\">{}</div>\n</details>\n</figure>\n",
        escape(picture.title()),
        escape(picture.summary()),
        figures_behind(picture)
    ))
}

/// The table behind a chart. `data-x` and `data-y` are the place of a row between the ends of what is drawn, `data-panel` the piece of it,
/// for the page's script.
fn figures_behind(picture: &Picture) -> String {
    let figures = picture.figures();
    let heads: String = figures.heads.iter().map(|head| format!("<th scope=\"col\">{}</th>", escape(head))).collect();
    let row = |(place, cells): &(Place, Vec<String>)| {
        let place = match place {
            Place::Across(0, x) => format!(" data-x=\"{x:.4}\""),
            Place::Across(panel, x) => format!(" data-x=\"{x:.4}\" data-panel=\"{panel}\""),
            Place::Down(y) => format!(" data-y=\"{y:.4}\""),
        };
        let (first, rest) = cells.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
        let rest: String = rest.iter().map(|cell| format!("<td>{}</td>", escape(cell))).collect();
        format!("<tr{place}><th scope=\"row\">{}</th>{rest}</tr>\n", escape(first))
    };
    let rows: String = figures.rows.iter().map(row).collect();
    format!("<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>")
}
