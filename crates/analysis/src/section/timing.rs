//! Whether the replay had the timing of the trace.

use stats::fidelity::{Check, Criterion, Dispersion};

use super::latency::{cells, columns};
use super::{Block, Cell, Column, Material, Table};
use crate::chart::dispersion::WINDOWS_MIN;
use crate::finding::criterion_text;
use crate::{Analysis, units};

pub(super) fn build(material: Material<'_>) -> Vec<Block> {
    let analysis = material.analysis;
    if analysis.timing.lateness.count == 0 {
        return vec![Block::Text("Nothing was sent, so there is no timing to judge.".to_owned())];
    }
    let blocked = analysis.totals.blocked;
    let waited = format!("{} waited for an earlier answer of the same session.", units::counted(blocked, "request"));
    let mut blocks: Vec<Block> = (blocked > 0).then_some(Block::Text(waited)).into_iter().collect();
    if analysis.timing.closed_loop {
        blocks.push(Block::Text(NO_SCHEDULE.to_owned()));
    } else {
        blocks.push(Block::chart("inter-arrivals"));
    }
    blocks.extend([lateness(analysis), checks(analysis)].map(Block::Table));
    let dispersion = &analysis.timing.fidelity.dispersion;
    if !dispersion.is_empty() {
        blocks.extend((dispersion.len() >= WINDOWS_MIN).then(|| Block::chart("dispersion")));
        blocks.push(Block::Table(dispersions(dispersion)));
    }
    blocks
}

/// What the judging of a closed loop leaves out.
const NO_SCHEDULE: &str =
    "A closed loop has no schedule: a request is due when its user is ready for it, and only the lateness after that is judged.";

fn lateness(analysis: &Analysis) -> Table {
    let lateness = &analysis.timing.lateness;
    let head = [Column::Text("Time"), Column::Figure("Requests")];
    Table {
        title: "Lateness is the generator's own delay of a send; waiting for the target or for a limit is not part of it."
            .to_owned(),
        columns: head.into_iter().chain(columns()).collect(),
        rows: vec![[vec!["Lateness".into(), units::count(lateness.count).into()], cells(lateness)].concat()],
        ..Table::default()
    }
}

fn checks(analysis: &Analysis) -> Table {
    let row = |check: &Check| -> Vec<Cell> {
        let value = |value| figure(check.criterion, value);
        let holds = if check.holds() { "kept" } else { "missed" };
        vec![capital(criterion_text(check.criterion)).into(), value(check.value).into(), value(check.limit).into(), holds.into()]
    };
    Table {
        title: "What the timing is judged by.".to_owned(),
        columns: vec![Column::Text("Criterion"), Column::Figure("Found"), Column::Figure("At most"), Column::Text("Verdict")],
        rows: analysis.timing.fidelity.checks.iter().map(row).collect(),
        ..Table::default()
    }
}

/// A figure in its criterion's unit.
fn figure(criterion: Criterion, value: f64) -> String {
    match criterion {
        Criterion::LatenessP99Ns | Criterion::LatenessP999Ns | Criterion::InterArrivalW1Ns => units::duration(value),
        Criterion::MissingShare | Criterion::RateDrift => units::share(value),
        Criterion::DispersionError => units::number(value),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn dispersions(dispersion: &[Dispersion]) -> Table {
    let row = |window: &Dispersion| {
        let width = units::round_duration(window.window_ns as f64);
        vec![width.into(), units::number(window.scheduled).into(), units::number(window.sent).into()]
    };
    Table {
        title:
            "Index of dispersion, variance over mean of the requests in a window: 1 for independent arrivals, more for bursts."
                .to_owned(),
        columns: ["Window", "Trace", "Replay"].map(Column::Figure).to_vec(),
        rows: dispersion.iter().map(row).collect(),
        ..Table::default()
    }
}
