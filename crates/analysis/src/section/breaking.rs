//! Where the target breaks: each limit with the loads between which it was reached, and what was at its end before.

use super::{Block, Cell, Column, Material, Table};
use crate::breaking::{Bearing, Bracket, Breaking, ERRORS_MAX, Limit, Place};
use crate::units;

/// The whole, among the names of collections.
const ALL: &str = "all";

pub(super) fn build(material: Material<'_>) -> Vec<Block> {
    material.analysis.breaking.as_ref().map(blocks).unwrap_or_default()
}

/// The section of a run, a series or a search.
pub(crate) fn blocks(breaking: &Breaking) -> Vec<Block> {
    let mut blocks = vec![
        Block::chart("latency-by-load"),
        Block::Table(limits(
            breaking,
            "The load at which each limit was reached lies between the two.",
            bearings(breaking).take(1),
        )),
    ];
    if !breaking.collections.is_empty() {
        let mut folded =
            limits(breaking, "The same by collection, where it was reached or is a threshold", bearings(breaking).skip(1));
        folded.folded = true;
        blocks.push(Block::Table(folded));
    }
    let signs = signs(breaking);
    if !signs.rows.is_empty() {
        blocks.push(Block::Table(signs));
    }
    blocks.push(Block::Table(most(breaking)));
    let knee = breaking.all.knee.as_ref().map(|knee| {
        let text = |load| breaking.load_text(load);
        let (at, from, to) = (text(knee.load), text(knee.from), text(knee.to));
        format!("The p99 bends most at {at}, seen over loads from {from} to {to}. Over another range the bend lies elsewhere: it is no limit.")
    });
    blocks.extend(knee.map(Block::Text));
    if !breaking.spoilt.is_empty() {
        let names = breaking.spoilt.join(", ");
        blocks.push(Block::Text(format!("Left out, since the generator was late by its own doing: {names}.")));
    }
    blocks
}

/// The whole, then every collection.
fn bearings(breaking: &Breaking) -> impl Iterator<Item = (&str, &Bearing)> {
    let collections = breaking.collections.iter().map(|(name, bearing)| (name.as_str(), bearing));
    std::iter::once((ALL, &breaking.all)).chain(collections)
}

/// What is told of every collection: what was reached, and what the user asked for.
fn is_told(name: &str, bracket: &Bracket) -> bool {
    let asked_for = |limit: &Limit| *limit != Limit::errors(0.0) && *limit != Limit::errors(ERRORS_MAX);
    bracket.missed.is_some() || asked_for(&bracket.limit) || name == ALL
}

fn limits<'a>(breaking: &'a Breaking, title: &str, bearings: impl Iterator<Item = (&'a str, &'a Bearing)>) -> Table {
    let mut columns =
        vec![Column::Text("Collection"), Column::Text("Limit"), Column::Figure("Held up to"), Column::Figure("Missed from")];
    columns.extend(["Connections", "Steps"].map(Column::Figure));
    let rows = bearings.flat_map(|(name, bearing)| {
        let row = move |bracket: &Bracket| {
            let first = if bearing.first.contains(&bracket.limit.name) { "reached first" } else { "" };
            let limit = Cell { text: bracket.limit.name.clone(), detail: first.to_owned() };
            let connections = bracket.held.as_ref().and_then(|place| place.connections);
            let connections = connections.map_or_else(|| "–".to_owned(), units::count);
            let held = place(breaking, bracket, bracket.held.as_ref(), Some(bracket.low));
            let missed = place(breaking, bracket, bracket.missed.as_ref(), bracket.high);
            vec![name.into(), limit, held, missed, connections.into(), units::count(bracket.judged as u64).into()]
        };
        bearing.limits.iter().filter(|bracket| is_told(name, bracket)).map(row).collect::<Vec<_>>()
    });
    Table { title: title.to_owned(), columns, rows: rows.collect(), ..Table::default() }
}

fn place(breaking: &Breaking, bracket: &Bracket, place: Option<&Place>, load: Option<f64>) -> Cell {
    let Some((place, load)) = place.zip(load) else { return "–".into() };
    let (from, to) = (units::time(place.from_ns as f64 / 1e9), units::time(place.to_ns as f64 / 1e9));
    let figure = bracket.limit.text(place.value);
    Cell { text: breaking.load_text(load), detail: format!("{figure}; {}, {from} – {to}", place.step) }
}

fn signs(breaking: &Breaking) -> Table {
    let rows = bearings(breaking).flat_map(|(name, bearing)| {
        let row = move |sign: &crate::breaking::Sign| {
            let at = Cell { text: breaking.load_text(sign.load), detail: sign.step.clone() };
            vec![name.into(), sign.what.as_str().into(), sign.how.as_str().into(), at]
        };
        bearing.before.iter().map(row).collect::<Vec<_>>()
    });
    Table {
        title: "What was at its end, or had become slow, when the first limit was reached.".to_owned(),
        columns: vec![
            Column::Text("Collection"),
            Column::Text("Resource or operation"),
            Column::Text("Evidence"),
            Column::Figure("At"),
        ],
        rows: rows.collect(),
        ..Table::default()
    }
}

fn most(breaking: &Breaking) -> Table {
    let row = |(name, bearing): (&str, &Bearing)| {
        let most = bearing.saturation.as_ref()?;
        let rate = if most.reached { units::per_s(most.per_s) } else { format!("≥ {}", units::per_s(most.per_s)) };
        let ends = most.ends.map(|(low, high)| format!("{} – {}", units::per_s(low), units::per_s(high)));
        let beyond = bearing.beyond.as_ref().map(|beyond| Cell {
            text: if beyond.graceful { "graceful" } else { "collapses" }.to_owned(),
            detail: format!("{} left at {}", units::share(beyond.share), breaking.load_text(beyond.load)),
        });
        let rate = Cell { text: rate, detail: ends.unwrap_or_default() };
        Some(vec![name.into(), rate, most.step.as_str().into(), beyond.unwrap_or_else(|| "–".into())])
    };
    Table {
        title: "The most good answers that were sustained over a step.".to_owned(),
        columns: vec![Column::Text("Collection"), Column::Figure("Good answers"), Column::Text("Step"), Column::Figure("Beyond")],
        rows: bearings(breaking).filter_map(row).collect(),
        ..Table::default()
    }
}
