//! How answers agree with the recorded ones, and examples of where they do not.

use super::{Block, Cell, Column, INSUFFICIENT, Material, Table};
use crate::agreement::Group;
use crate::units;

pub(super) fn build(material: Material<'_>) -> Vec<Block> {
    let agreement = &material.analysis.agreement;
    if agreement.overall.compared == 0 {
        return vec![Block::Text("Not compared; `rehearsal replay --compare` does.".to_owned())];
    }
    let mut blocks = vec![Block::Table(matches(&agreement.groups))];
    if agreement.overall.recalls > 0 {
        blocks.extend([Block::chart("recall-against-rate"), Block::Table(recalls(&agreement.groups))]);
    }
    if !agreement.examples.is_empty() {
        let columns = ["Request", "Difference", "Recorded", "Replayed"].map(Column::Text).to_vec();
        let rows = agreement.examples.iter().map(|row| {
            let request = Cell { text: format!("{} · {}", row.id, row.collection), detail: row.operation.clone() };
            let place = Cell { text: row.difference.at.clone(), detail: row.r#match.clone() };
            vec![request, place, row.difference.recorded.as_str().into(), row.difference.replayed.as_str().into()]
        });
        let title = "The first differences, by place in the trace.".to_owned();
        blocks.push(Block::Table(Table { title, folded: true, columns, rows: rows.collect() }));
    }
    blocks
}

fn names(group: &Group) -> Cell {
    Cell { text: group.collection.clone(), detail: group.operation.clone() }
}

fn matches(groups: &[Group]) -> Table {
    let heads = ["Compared", "Same", "Same ids", "Other status", "Other shape", "Other body", "Unknown"].map(Column::Figure);
    let row = |group: &Group| {
        let counts = [
            group.compared,
            group.same,
            group.same_ids,
            group.differs_status,
            group.differs_shape,
            group.differs_body,
            group.unknown,
        ];
        [names(group)].into_iter().chain(counts.map(|count| units::count(count).into())).collect()
    };
    Table {
        title: "Same ids: the bodies differ, the recording kept none that would say where, and the ids in them are the same."
            .to_owned(),
        columns: [Column::Text("Collection, operation")].into_iter().chain(heads).collect(),
        rows: groups.iter().map(row).collect(),
        ..Table::default()
    }
}

fn recalls(groups: &[Group]) -> Table {
    let heads = ["Answers", "Recall, mean", "p10", "Least", "Rank correlation"].map(Column::Figure);
    let shown = |value: Option<f64>| value.map_or_else(|| INSUFFICIENT.to_owned(), |value| format!("{value:.3}")).into();
    let row = |group: &Group| {
        let figures = [group.recall_mean, group.recall_p10, group.recall_min, group.rank_correlation_mean].map(shown);
        [names(group), units::count(group.recalls).into()].into_iter().chain(figures).collect()
    };
    Table {
        title:
            "Recall is the share of the recorded ids that were found again; rank correlation is Spearman's, over the ids in both."
                .to_owned(),
        columns: [Column::Text("Collection, operation")].into_iter().chain(heads).collect(),
        rows: groups.iter().filter(|group| group.recalls > 0).map(row).collect(),
        ..Table::default()
    }
}
