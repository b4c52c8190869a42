//! `report.html`: one file that fetches nothing, and reads as well without its script.

use super::card;
use crate::Result;
use crate::chart::{self, Layout, Plot, escape};
use crate::report::{Drawn, Material};
use crate::section::{self, Block, Cell, Column, INSUFFICIENT, Table};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Nothing may be fetched from anywhere, whatever the report holds.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

/// The whole page.
///
/// # Errors
/// [`crate::Error::Chart`] when a chart cannot be drawn.
pub(crate) fn html(material: &Material) -> Result<String> {
    let label = escape(&material.analysis.info.label);
    let word = material.overview.word();
    let (light, dark) = (chart::css_variables(false), chart::css_variables(true));
    let variables =
        format!(":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{}", chart::css_classes());
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <title>{word}: {label}</title>\n<style>\n{STYLE}{variables}\n</style>\n</head>\n<body>\n{}{}{}\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        head(material),
        main(material)?,
        foot(material)
    ))
}

fn head(material: &Material) -> String {
    let overview = &material.overview;
    let (verdict, word) = (overview.verdict.as_str(), overview.word());
    let sentence = escape(overview.sentence.trim_start_matches("INVALID: "));
    let figures: String = overview.figures.iter().map(figure).collect();
    let sections = section::Material { analysis: &material.analysis, findings: &material.findings };
    let link = |(section, _): (&section::Section, _)| format!("<a href=\"#{}\">{}</a>\n", section.id, section.title);
    let links: String = section::filled(sections).map(link).collect();
    let label = escape(&material.analysis.info.label);
    format!(
        "<header>\n<p class=\"kicker\">Replay report</p>\n<h1>{label}</h1>\n\
         <div class=\"verdict {verdict}\"><strong>{word}</strong><p>{sentence}</p></div>\n\
         <ul class=\"figures\">\n{figures}</ul>\n{}</header>\n<nav aria-label=\"Sections\">\n{links}</nav>\n",
        run_card(material)
    )
}

fn figure(figure: &crate::overview::Figure) -> String {
    let (value, unit) = figure.value.split_once(' ').unwrap_or((&figure.value, ""));
    let quiet = if figure.value == INSUFFICIENT { " quiet" } else { "" };
    format!(
        "<li><span class=\"name\">{}</span><span class=\"value{quiet}\">{} <small>{}</small></span><span class=\"note\">{}</span></li>\n",
        figure.name,
        escape(value),
        escape(unit),
        escape(&figure.note)
    )
}

fn run_card(material: &Material) -> String {
    let info = &material.analysis.info;
    let lines: String = card::lines(info)
        .iter()
        .map(|(name, content)| format!("<div><dt>{name}</dt><dd>{}</dd></div>\n", escape(content)))
        .collect();
    let command = escape(&card::command(info));
    let command = if command.is_empty() { String::new() } else { format!("<pre tabindex=\"0\"><code>{command}</code></pre>\n") };
    format!("<section class=\"card\" aria-label=\"Run\">\n<dl>\n{lines}</dl>\n{command}</section>\n")
}

fn main(material: &Material) -> Result<String> {
    let sections = section::Material { analysis: &material.analysis, findings: &material.findings };
    let mut out = "<main>\n".to_owned();
    for (section, blocks) in section::filled(sections) {
        out += &format!("<section id=\"{}\">\n<h2>{}</h2>\n", section.id, section.title);
        for block in blocks {
            out += &self::block(material, &block)?;
        }
        out += "</section>\n";
    }
    Ok(out + "</main>\n")
}

fn foot(material: &Material) -> String {
    format!(
        "<footer>Made by {} from the run’s own files; every figure can be recomputed from its Parquet files.</footer>",
        escape(&material.analysis.info.tool)
    )
}

fn block(material: &Material, block: &Block) -> Result<String> {
    Ok(match block {
        Block::Text(text) => format!("<p>{}</p>\n", escape(text)),
        Block::Facts(facts) => {
            let line = |(name, value): &(&str, String)| format!("<div><dt>{name}</dt><dd>{}</dd></div>\n", escape(value));
            format!("<dl class=\"facts\">\n{}</dl>\n", facts.iter().map(line).collect::<String>())
        }
        Block::Table(table) => self::table(table),
        Block::Chart(name) => material.chart(name).map_or_else(|| Ok(String::new()), chart_block)?,
        Block::Findings => findings(material),
    })
}

fn findings(material: &Material) -> String {
    let line = |finding: &crate::finding::Finding| {
        let verdict = finding.verdict.as_str();
        format!("<li class=\"{verdict}\"><span class=\"mark\">{verdict}</span><span>{}</span></li>\n", escape(&finding.title))
    };
    format!("<ul class=\"findings\">\n{}</ul>\n", material.findings.iter().map(line).collect::<String>())
}

fn table(table: &Table) -> String {
    let title = escape(&table.title);
    let rows: String = table.rows.iter().map(|cells| row(&table.columns, cells)).collect();
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

fn row(columns: &[Column], cells: &[Cell]) -> String {
    let cell = |(column, cell): (&Column, &Cell)| {
        let detail = if cell.detail.is_empty() { String::new() } else { format!("<small>{}</small>", escape(&cell.detail)) };
        if cell.text == INSUFFICIENT {
            format!("<td class=\"quiet\">{INSUFFICIENT}</td>")
        } else {
            format!("<td{}>{}{detail}</td>", class(*column), escape(&cell.text))
        }
    };
    format!("<tr>{}</tr>\n", columns.iter().zip(cells).map(cell).collect::<String>())
}

fn chart_block(chart: &Drawn) -> Result<String> {
    let plot = match &chart.plot {
        Ok(plot) => plot,
        Err(reason) => return Ok(format!("<p class=\"left-out\">{}</p>\n", escape(reason))),
    };
    let (wide, narrow) = (chart::svg(chart.name, plot, Layout::WIDE)?, chart::svg(chart.name, plot, Layout::NARROW)?);
    Ok(format!(
        "<figure id=\"chart-{}\">\n<figcaption><b>{}</b> {}</figcaption>\n<div class=\"plot\">{wide}\n{narrow}</div>\n\
         <details>\n<summary>Figures behind the chart</summary>\n<div class=\"scroll\" tabindex=\"0\">{}</div>\n</details>\n</figure>\n",
        chart.name,
        escape(plot.title),
        escape(&plot.summary),
        points(plot)
    ))
}

/// The table behind a chart. `data-x` is the place of a row between the left and right end of the plot, for the page's script.
fn points(plot: &Plot) -> String {
    let heads: String = plot.lines.iter().map(|line| format!("<th scope=\"col\">{}</th>", escape(line.name))).collect();
    let row = |(place, x): (usize, &f64)| {
        let value = |line: &chart::Line| {
            line.ys[place].map_or_else(|| "<td>–</td>".to_owned(), |y| format!("<td>{}</td>", (plot.y.value)(y)))
        };
        let cells: String = plot.lines.iter().map(value).collect();
        format!("<tr data-x=\"{:.4}\"><th scope=\"row\">{}</th>{cells}</tr>\n", plot.x.place(*x), (plot.x.value)(*x))
    };
    let rows: String = plot.xs.iter().enumerate().map(row).collect();
    format!(
        "<table>\n<thead><tr><th scope=\"col\">{}</th>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>",
        escape(plot.x.title)
    )
}
