//! What the target, the host and the generator used.

use super::{Block, Cell, Column, INSUFFICIENT, Material, Table};
use crate::resources::{GENERATOR, HOST, Resources, Series, TargetCpu};
use crate::units;

/// Series that a table shows; the others are in `findings.json`.
const SERIES_SHOWN_MAX: usize = 200;
/// A table of more series is folded.
const SERIES_OPEN_MAX: usize = 40;
/// Events that a table shows.
const EVENTS_SHOWN_MAX: usize = 50;

pub(super) fn build(material: Material<'_>) -> Vec<Block> {
    let Some(resources) = &material.analysis.resources else { return Vec::new() };
    let mut blocks = Vec::new();
    blocks.extend(resources.target_cpu.as_ref().map(|cpu| Block::Facts(target(cpu))));
    blocks.extend([Block::chart("cpu-over-time")]);
    if resources.over_time.target_rss_bytes.iter().any(Option::is_some) {
        blocks.push(Block::chart("memory-over-time"));
    }
    if !resources.watched.shown.is_empty() {
        blocks.push(Block::chart("watched-over-time"));
    }
    blocks.push(Block::Table(series(resources)));
    if !resources.events.is_empty() {
        blocks.push(Block::Table(events(resources)));
    }
    blocks
}

fn target(cpu: &TargetCpu) -> Vec<(&'static str, String)> {
    let insufficient = || INSUFFICIENT.to_owned();
    vec![
        ("Processor time of the target", units::duration(cpu.cpu_s * 1e9)),
        ("Requests answered meanwhile", units::count(cpu.answered)),
        ("Answered per second of processor time", cpu.answered_per_cpu_s.map_or_else(insufficient, units::number)),
        ("Seen by", cpu.sources.join(", ")),
    ]
}

/// Derived series first, then the target's, the generator's, the host's; of each probe the figures that matter most first.
fn order(one: &Series) -> (usize, &str, usize, &str) {
    let source = match one.source.as_str() {
        "derived" => 0,
        GENERATOR => 2,
        HOST => 3,
        _ => 1,
    };
    let first = ["cpu_cores", "rss_bytes"];
    let place = first.iter().position(|name| *name == one.series).unwrap_or(first.len());
    (source, &one.source, place, &one.series)
}

/// Counters are left out, since their growth per second stands for them, and so are the buckets of histograms.
fn series(resources: &Resources) -> Table {
    let mut shown: Vec<&Series> =
        resources.series.iter().filter(|one| !one.has_rate && !one.series.contains("_bucket{")).collect();
    shown.sort_by_key(|one| order(one));
    let row = |one: &&Series| -> Vec<Cell> {
        let figure = |value: f64| units::reading(value, &one.unit).into();
        let name = Cell { text: one.series.clone(), detail: one.source.clone() };
        vec![name, figure(one.mean), figure(one.min), figure(one.p95), figure(one.max), units::count(one.count as u64).into()]
    };
    let after = if resources.from_ns > 0 { " after the warm-up" } else { "" };
    let more = shown.len().saturating_sub(SERIES_SHOWN_MAX);
    let more = if more > 0 { format!(" {} more are in findings.json.", units::count(more as u64)) } else { String::new() };
    Table {
        title: format!("What was seen{after}, by series and probe.{more}"),
        folded: shown.len() > SERIES_OPEN_MAX,
        columns: [Column::Text("Series")]
            .into_iter()
            .chain(["Mean", "Least", "p95", "Most", "Readings"].map(Column::Figure))
            .collect(),
        rows: shown.iter().take(SERIES_SHOWN_MAX).map(row).collect(),
    }
}

fn events(resources: &Resources) -> Table {
    let row = |event: &trace::Event| -> Vec<Cell> {
        let what = Cell { text: event.kind.clone(), detail: event.detail.clone() };
        vec![units::time(event.run_ns.max(0) as f64 / 1e9).into(), event.source.clone().into(), what]
    };
    Table {
        title: format!("What happened to them: {}.", units::counted(resources.events.len() as u64, "event")),
        columns: ["At", "Probe", "Event"].map(Column::Text).to_vec(),
        rows: resources.events.iter().take(EVENTS_SHOWN_MAX).map(row).collect(),
        ..Table::default()
    }
}
