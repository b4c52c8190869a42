//! Response and service time of the whole run.

use super::phases;
use super::{Block, Cell, Column, Material, Table, duration, quantile};
use crate::breakdown::Group;
use crate::distribution::{Distribution, LEVELS};
use crate::latency::Times;
use crate::units;

pub(super) fn build(material: Material<'_>) -> Vec<Block> {
    let times = &material.analysis.latency.overall;
    let mut blocks = Vec::new();
    if times.response.count == 0 {
        blocks.push(Block::Text("No request was answered, so there is no latency to speak of.".to_owned()));
        return blocks;
    }
    let unanswered = material.analysis.totals.requests - times.response.count;
    if unanswered > 0 {
        blocks.push(Block::Text(format!(
            "Latency is that of answered requests; {} without an answer have none and are left out.",
            units::counted(unanswered, "request")
        )));
    }
    blocks.push(Block::chart("percentiles"));
    blocks.push(Block::Table(self::times(times)));
    blocks.extend(phases::overview(material.analysis));
    blocks.extend([Block::chart("latency-over-time"), Block::chart("heat")]);
    blocks.extend(connects(material));
    blocks
}

/// A row for each of the two times.
pub(super) fn times(times: &Times) -> Table {
    let rows = [("Response time", &times.response), ("Service time", &times.service)];
    let row = |(name, times): (&str, &Distribution)| [vec![name.into(), units::count(times.count).into()], cells(times)].concat();
    Table {
        title: "Response time runs from the due instant, service time from the send; both to the last byte. Below each percentile: its 95 % \
                confidence interval."
            .to_owned(),
        folded: false,
        columns: [Column::Text("Time"), Column::Figure("Answers")].into_iter().chain(columns()).collect(),
        rows: rows.into_iter().map(row).collect(),
    }
}

/// How long connecting took, by target; nothing where no connection was made.
fn connects(material: Material<'_>) -> Option<Block> {
    let connects = &material.analysis.connects;
    let row = |group: &Group| {
        let times = &group.times[0];
        let head = [Cell::from(group.names[0].as_str()), units::count(times.count).into()];
        head.into_iter().chain(cells(times)).collect()
    };
    let head = [Column::Text("Target"), Column::Figure("Connections")];
    let table = Table {
        title: "Connect time of the requests that had to connect first.".to_owned(),
        folded: true,
        columns: head.into_iter().chain(columns()).collect(),
        rows: connects.by_target.groups.iter().filter(|group| group.times[0].count > 0).map(row).collect(),
    };
    (connects.overall.count > 0).then_some(Block::Table(table))
}

/// Headings of the figures of a distribution.
pub(super) fn columns() -> impl Iterator<Item = Column> {
    let levels = LEVELS.iter().map(|(_, name)| Column::Figure(name));
    [Column::Figure("Mean"), Column::Figure("Min")].into_iter().chain(levels).chain([Column::Figure("Max")])
}

/// Cells under [`columns`]; for no values at all a dash each.
pub(super) fn cells(times: &Distribution) -> Vec<Cell> {
    if times.count == 0 {
        return columns().map(|_| "–".into()).collect();
    }
    let extreme = |ns: Option<i64>| duration(ns.map(|ns| ns as f64)).into();
    let head = [duration(times.mean_ns).into(), extreme(times.min_ns)];
    head.into_iter().chain(times.quantiles.iter().map(quantile)).chain([extreme(times.max_ns)]).collect()
}
