//! A history as lines for a terminal, as a document for programs, and as a page with a chart for each figure.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Change, History, Line, Point, Trend};
use crate::chart::{Axis, Drawn, Ink, Mark, Overlay, Plot, Stroke, Text};
use crate::finding::Verdict;
use crate::overview::{Figure, Overview};
use crate::page::{self, Card, Page, Part};
use crate::section::{Block, Cell, Column, Table};
use crate::{Result, chart, render, units};

/// Charts of a page; the figures of later histories are in its tables.
const CHARTS_MAX: usize = 40;
/// What belongs to no history is listed up to this.
const LEFT_OUT_SHOWN_MAX: usize = 20;
/// Notes of a history that are shown.
const NOTES_SHOWN_MAX: usize = 50;
/// Version of the document for programs.
const VERSION: u32 = 1;
/// Names below an axis.
const TICKS_MAX: usize = 6;

impl History {
    /// What a hurried reader needs.
    #[must_use]
    pub fn overview(&self) -> Overview {
        let news: Vec<String> = self.news().map(|(line, trend, change)| sentence(line, trend, change)).collect();
        let points: usize = self.lines.iter().map(|line| line.points.len()).sum();
        let (verdict, word, sentence) = match (news.is_empty(), self.says_something()) {
            (false, _) => (Verdict::Fail, "WORSE", news.join(" ")),
            (true, true) => {
                let newest = units::counted(self.recent as u64, "point");
                (
                    Verdict::Pass,
                    "STEADY",
                    format!("No figure has changed for the worse within the newest {newest} of its history."),
                )
            }
            (true, false) => {
                let most = self.lines.first().map_or(0, |line| line.points.len());
                let sentence =
                    format!("The longest history has {}: too few to tell a change.", units::counted(most as u64, "point"));
                (Verdict::Insufficient, "INSUFFICIENT", sentence)
            }
        };
        let changes: usize = self.lines.iter().flat_map(|line| &line.trends).map(|trend| trend.changes.len()).sum();
        let figure =
            |name: &str, count: usize, note: String| Figure { name: name.to_owned(), value: units::count(count as u64), note };
        let left_out = if self.left_out.is_empty() { String::new() } else { format!("{} left out", self.left_out.len()) };
        let figures = vec![
            figure("Points", points, left_out),
            figure("Histories", self.lines.len(), String::new()),
            figure("Changes", changes, format!("{} news", news.len())),
        ];
        Overview { verdict, word: word.to_owned(), sentence, figures }
    }

    /// Verdict and every change as lines of plain text for a terminal of so many columns.
    #[must_use]
    pub fn terminal(&self, columns: usize) -> String {
        let mut text = self.overview().terminal();
        for line in &self.lines {
            text += &format!("\n{}", render::terminal_table(&changes(line), columns));
            text += &unchanged(line).map(|sentence| format!("  {sentence}\n")).unwrap_or_default();
        }
        for one in self.left_out.iter().take(LEFT_OUT_SHOWN_MAX) {
            text += &format!("left out: {}: {}\n", one.name, one.reason);
        }
        text
    }

    /// Everything for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let overview = self.overview();
        let mut document = json!({
            "kind": "rehearsal history",
            "version": VERSION,
            "verdict": overview.word.to_lowercase(),
            "sentence": overview.sentence,
        });
        let Value::Object(members) = json!(self) else { unreachable!("a struct is an object") };
        document.as_object_mut().expect("made above").extend(members);
        document
    }

    /// Writes `history.html`, `history.md`, `history.json` and `charts/` into `out`; returns the path of the page.
    ///
    /// # Errors
    /// As [`Page::write`].
    pub fn write(&self, out: &Path) -> Result<PathBuf> {
        let html = self.page().write(out, "history")?;
        let text = serde_json::to_string_pretty(&self.json()).expect("a history is plain data");
        page::write(&out.join("history.json"), &format!("{text}\n"))?;
        Ok(html)
    }

    fn page(&self) -> Page {
        let mut charts = Vec::new();
        let mut sections: Vec<Part> =
            self.lines.iter().enumerate().map(|(number, line)| part(number + 1, line, &mut charts)).collect();
        sections.push(Part::new("left-out", "Left out", self.left_out()));
        let lines = vec![("From", self.source.clone())];
        Page {
            kicker: "History",
            title: self.source.clone(),
            overview: self.overview(),
            card: Card { lines, command: Vec::new() },
            sections,
            findings: Vec::new(),
            charts,
            tool: format!("rehearsal {}", env!("CARGO_PKG_VERSION")),
        }
    }

    fn left_out(&self) -> Vec<Block> {
        let rows = self.left_out.iter().map(|one| vec![one.name.clone().into(), one.reason.clone().into()]);
        let table = Table {
            title: "Part of no history.".to_owned(),
            columns: vec![Column::Text("Which"), Column::Text("Why")],
            rows: rows.collect(),
            ..Table::default()
        };
        if self.left_out.is_empty() { Vec::new() } else { vec![Block::Table(table)] }
    }
}

/// `p99 has been 5.2 ms, +27 %, since 2026-01-01 00:00:00 UTC (nightly/0012).`
fn sentence(line: &Line, trend: &Trend, change: &Change) -> String {
    let point = &line.points[change.point];
    let name = if point.name.is_empty() { String::new() } else { format!(" ({})", point.name) };
    let after = trend.figure.unit.write()(change.after);
    format!("{} has been {after}{} since {}{name}.", trend.figure.title, relative(change, ", "), point.when)
}

fn relative(change: &Change, front: &str) -> String {
    let sign = |share: f64| if share < 0.0 { "−" } else { "+" };
    change.relative().map_or_else(String::new, |share| format!("{front}{}{}", sign(share), units::share(share.abs())))
}

/// Every change of a history, the newest first.
fn changes(line: &Line) -> Table {
    let shared: Vec<String> = line.shared.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let shared = if shared.is_empty() { "All of them".to_owned() } else { shared.join(" · ") };
    let ends = line.points.first().zip(line.points.last()).map(|(first, last)| format!(" from {} to {}", first.when, last.when));
    let mut found: Vec<(&Trend, &Change)> =
        line.trends.iter().flat_map(|trend| trend.changes.iter().map(move |change| (trend, change))).collect();
    found.sort_by_key(|(_, change)| std::cmp::Reverse(change.point));
    let row = |(trend, change): &(&Trend, &Change)| -> Vec<Cell> {
        let (point, write) = (&line.points[change.point], trend.figure.unit.write());
        let way = if change.worse { "worse" } else { "better" };
        let news = if change.worse && change.recent { "news" } else { "" };
        vec![
            Cell { text: point.when.clone(), detail: point.name.clone() },
            trend.figure.name.clone().into(),
            Cell { text: way.to_owned(), detail: news.to_owned() },
            write(change.before).into(),
            write(change.after).into(),
            relative(change, "").into(),
            units::chance(change.p).into(),
        ]
    };
    Table {
        title: format!("{shared}: {}{}.", units::counted(line.points.len() as u64, "point"), ends.unwrap_or_default()),
        columns: ["Since", "Figure", "Change"]
            .map(Column::Text)
            .into_iter()
            .chain(["Before", "After", "By", "p"].map(Column::Figure))
            .collect(),
        rows: found.iter().map(row).collect(),
        ..Table::default()
    }
}

/// The figures without a change, and why nothing can be said of some.
fn unchanged(line: &Line) -> Option<String> {
    let names = |trends: Vec<&Trend>| trends.iter().map(|trend| trend.figure.name.as_str()).collect::<Vec<_>>().join(", ");
    let steady = line.trends.iter().filter(|trend| trend.changes.is_empty() && trend.insufficient.is_none()).collect::<Vec<_>>();
    let steady = (!steady.is_empty()).then(|| format!("No change of {}.", names(steady)));
    let short = line.trends.iter().find_map(|trend| trend.insufficient.as_ref().map(|reason| (trend, reason)));
    let short = short.map(|(trend, reason)| format!("Insufficient: {} has {reason}.", trend.figure.name));
    let said: Vec<String> = steady.into_iter().chain(short).collect();
    (!said.is_empty()).then(|| said.join(" "))
}

/// A history's part of the page: its changes, and a chart of each figure.
fn part(number: usize, line: &Line, charts: &mut Vec<Drawn>) -> Part {
    let mut blocks = vec![Block::Table(changes(line))];
    blocks.extend(unchanged(line).map(Block::Text));
    blocks.extend(notes(line).map(Block::Table));
    for trend in &line.trends {
        if charts.len() < CHARTS_MAX {
            let name = format!("history-{number}-{}", charts.len() + 1);
            charts.push(Drawn { name: name.clone(), picture: plot(line, trend).map(chart::Picture::from) });
            blocks.push(Block::Chart(name));
        }
    }
    let title = if number == 1 { "History".to_owned() } else { format!("History {number}") };
    Part::new(format!("history-{number}"), title, blocks)
}

/// What was noted about the runs, the newest first.
fn notes(line: &Line) -> Option<Table> {
    let noted = line.points.iter().rev().flat_map(|point| point.notes.iter().map(move |note| (point, note)));
    let row = |(point, note): (&Point, &String)| {
        vec![Cell { text: point.when.clone(), detail: point.name.clone() }, note.as_str().into()]
    };
    let rows: Vec<Vec<Cell>> = noted.map(row).collect();
    let more = match rows.len().saturating_sub(NOTES_SHOWN_MAX) {
        0 => String::new(),
        more => format!(" {} older ones are in history.json.", units::count(more as u64)),
    };
    (!rows.is_empty()).then(|| Table {
        title: format!("What was noted about the runs.{more}"),
        columns: ["Run", "Note"].map(Column::Text).to_vec(),
        rows: rows.into_iter().take(NOTES_SHOWN_MAX).collect(),
        ..Table::default()
    })
}

fn plot(line: &Line, trend: &Trend) -> std::result::Result<Plot, String> {
    let unit = trend.figure.unit;
    if trend.values.len() < 2 {
        return Err(format!("{} over time needs two points.", trend.figure.title));
    }
    let most = trend.values.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let mut measured = vec![None; line.points.len()];
    trend.values.iter().for_each(|(point, value)| measured[*point] = Some(*value));
    let mark = |change: &Change| Mark {
        at: change.point as f64,
        name: format!("{} {}", if change.worse { "worse" } else { "better" }, relative(change, "")),
        shaded: false,
    };
    let mut lines = vec![chart::Line::new(trend.figure.title.clone(), Ink::Blue, Stroke::Points, measured)];
    lines.extend(levels(line, trend).map(|levels| chart::Line::new("Level", Ink::Vermillion, Stroke::Dashed, levels)));
    Ok(Plot {
        title: format!("{} over time", trend.figure.title),
        summary: summary(line, trend),
        x: points_axis(line),
        y: Axis::from_zero("Value", most, unit.label(), unit.write()),
        xs: (0..line.points.len()).map(|point| point as f64).collect(),
        lines,
        over: Overlay { marks: trend.changes.iter().map(mark).collect(), ..Overlay::default() },
    })
}

/// The mean of the segment that each point is in; `None` where there is but one.
fn levels(line: &Line, trend: &Trend) -> Option<Vec<Option<f64>>> {
    let first = trend.changes.first()?;
    let level = |point: usize| {
        let change = trend.changes.iter().rfind(|change| change.point <= point);
        Some(change.map_or(first.before, |change| change.after))
    };
    Some((0..line.points.len()).map(level).collect())
}

fn summary(line: &Line, trend: &Trend) -> String {
    let write = trend.figure.unit.write();
    let title = &trend.figure.title;
    match trend.changes.last() {
        Some(change) => {
            let (count, when) = (units::counted(trend.changes.len() as u64, "change"), &line.points[change.point].when);
            format!("{title}: {count} of level, the last from {} to {} at {when}.", write(change.before), write(change.after))
        }
        None => format!("{title}: {} without a change of level.", units::counted(trend.values.len() as u64, "point")),
    }
}

/// One place a point, with the instants of a few of them.
fn points_axis(line: &Line) -> Axis {
    let last = (line.points.len() - 1).max(1);
    let every = last.div_ceil(TICKS_MAX - 1);
    let day = |point: &Point| point.when.split([' ', 'T']).next().unwrap_or_default().to_owned();
    let whole = |point: &Point| format!("{} {}", point.when, point.name).trim().to_owned();
    Axis {
        ticks: (0..=last).step_by(every).map(|point| point as f64).collect(),
        to: last as f64,
        label: Text::Names(line.points.iter().map(day).collect()),
        value: Text::Names(line.points.iter().map(whole).collect()),
        ..Axis::from_zero("When", last as f64, units::short, units::short)
    }
}
