//! Whether the target held over time.

use stats::trend::GrowthKind;

use super::{Block, Cell, Column, Material, Table};
use crate::endurance::{Endurance, Judged, Whose};
use crate::units;

pub(super) fn build(material: Material<'_>) -> Vec<Block> {
    let Some(endurance) = &material.analysis.endurance else { return Vec::new() };
    if let Some(reason) = &endurance.insufficient {
        return if endurance.is_trusted() { vec![Block::Text(reason.clone())] } else { Vec::new() };
    }
    vec![Block::Chart("endurance".to_owned()), Block::Table(table(endurance))]
}

fn table(endurance: &Endurance) -> Table {
    let lasted = units::duration(endurance.seconds() * 1e9);
    let trimmed = if endurance.trimmed_ns > 0 {
        format!(", without the {} before it in which the run had not settled", units::duration(endurance.trimmed_ns as f64))
    } else {
        String::new()
    };
    Table {
        title: format!(
            "Growth over {lasted} of level load{trimmed}: the median slope between 24 stretches of equal time with its 95 % interval \
             (Theil–Sen), and the chance of such a trend where there is none (Mann–Kendall)."
        ),
        columns: [Column::Text("Series"), Column::Text("Verdict")]
            .into_iter()
            .chain(["Per hour", "Over the run", "p", "At its limit in"].map(Column::Figure))
            .collect(),
        rows: endurance.figures.iter().map(row).collect(),
        ..Table::default()
    }
}

fn row(one: &Judged) -> Vec<Cell> {
    let growth = &one.growth;
    let write = |value: f64| units::reading(value, &one.unit);
    let per_hour = Cell {
        text: write(growth.per_hour.value),
        detail: format!("{} – {}", write(growth.per_hour.low), write(growth.per_hour.high)),
    };
    let sign = if growth.drift_share < 0.0 { "−" } else { "+" };
    let drift = if growth.drift_share.is_finite() { units::share(growth.drift_share.abs()) } else { "from nothing".to_owned() };
    let left = growth.ceiling_in_s.map_or_else(String::new, |in_s| units::duration(in_s * 1e9));
    let limit = one.limit.as_ref().filter(|_| !left.is_empty()).map(|limit| write(limit.at)).unwrap_or_default();
    let whose = match one.whose {
        Whose::Target | Whose::Generator => one.source.clone(),
        Whose::Answers => "answers".to_owned(),
    };
    vec![
        Cell { text: one.title().to_owned(), detail: whose },
        verdict(one),
        per_hour,
        format!("{sign}{drift}").into(),
        units::chance(growth.p).into(),
        Cell { text: left, detail: limit },
    ]
}

fn verdict(one: &Judged) -> Cell {
    let growth = &one.growth;
    let text = match growth.kind {
        GrowthKind::Steady => "steady",
        GrowthKind::Growing => "grows",
        GrowthKind::Falling => "falls",
        GrowthKind::SuspectGrowing => "seems to grow",
        GrowthKind::SuspectFalling => "seems to fall",
        GrowthKind::Stepped => "one step",
        GrowthKind::Sawtooth => "sawtooth",
    };
    let step = growth.step.map(|step| {
        let (before, after) = (units::reading(step.before, &one.unit), units::reading(step.after, &one.unit));
        format!("from {before} to {after}")
    });
    let saw = growth.sawtooth.map(|saw| format!("{} teeth of {}", saw.teeth, units::reading(saw.depth, &one.unit)));
    Cell { text: text.to_owned(), detail: step.or(saw).unwrap_or_default() }
}
