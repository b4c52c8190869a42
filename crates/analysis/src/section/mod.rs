//! Sections of a report: data first ([`Block`]s), so that every format shows the same.
//!
//! A new section is one file, one `mod` line and one row in [`SECTIONS`].

mod agreement;
pub(crate) mod breaking;
mod capacity;
mod collections;
mod endurance;
mod errors;
mod findings;
mod issues;
mod latency;
mod phases;
mod requests;
mod resources;
mod throughput;
mod timing;
mod transactions;

use crate::Analysis;
use crate::distribution::Quantile;
use crate::finding::Finding;
use crate::page::Part;
use crate::units;

/// What sections are made from.
#[derive(Debug, Clone, Copy)]
pub struct Material<'a> {
    /// The run's figures.
    pub analysis: &'a Analysis,
    /// What was found.
    pub findings: &'a [Finding],
}

/// A part of the report.
#[derive(Debug)]
pub struct Section {
    /// Its name in links.
    pub id: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What stands in it; a section with nothing in it is not shown.
    pub build: fn(Material<'_>) -> Vec<Block>,
}

/// Every section, in the order of the page.
pub const SECTIONS: &[Section] = &[
    Section { id: "findings", title: "Findings", build: findings::build },
    Section { id: "issues", title: "Issues encountered", build: issues::build },
    Section { id: "latency", title: "Latency", build: latency::build },
    Section { id: "throughput", title: "Throughput", build: throughput::build },
    Section { id: "breaking", title: "Breaking points", build: breaking::build },
    Section { id: "capacity", title: "Capacity", build: capacity::build },
    Section { id: "collections", title: "Collections and operations", build: collections::build },
    Section { id: "transactions", title: "Transactions", build: transactions::build },
    Section { id: "resources", title: "Resources", build: resources::build },
    Section { id: "endurance", title: "Endurance", build: endurance::build },
    Section { id: "errors", title: "Errors", build: errors::build },
    Section { id: "requests", title: "Requests to look at", build: requests::build },
    Section { id: "agreement", title: "Answers against the recording", build: agreement::build },
    Section { id: "timing", title: "Timing", build: timing::build },
];

/// What stands beside the chart of latency by load, of the trials of a search.
pub(crate) use breaking::blocks as of_loads;

/// The section after which each phase has one of its own.
const BEFORE_PHASES: &str = "throughput";

/// The parts of a run's report, in the order of the page: the sections that have something in them, and one for each phase.
#[must_use]
pub fn parts(material: Material<'_>) -> Vec<Part> {
    let phases =
        |section: &Section| (section.id == BEFORE_PHASES).then(|| phases::parts(material.analysis)).into_iter().flatten();
    let part = |section: &Section| Part::new(section.id, section.title, (section.build)(material));
    let parts = SECTIONS.iter().flat_map(|section| std::iter::once(part(section)).chain(phases(section)));
    parts.filter(|part| !part.blocks.is_empty()).collect()
}

/// A piece of a section.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// A paragraph.
    Text(String),
    /// Named figures.
    Facts(Vec<(&'static str, String)>),
    /// A table.
    Table(Table),
    /// A table whose first cells lead to other pages, relative to this one; `None` where there is nothing to lead to.
    Links(Table, Vec<Option<String>>),
    /// The chart of that name.
    Chart(String),
    /// What was found, each with its verdict.
    Findings,
}

impl Block {
    /// The chart of that name.
    pub fn chart(name: impl Into<String>) -> Self {
        Self::Chart(name.into())
    }
}

/// Rows under headings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// Whether a page keeps it folded until it is asked for.
    pub folded: bool,
    /// Headings; texts stand left, everything else right.
    pub columns: Vec<Column>,
    /// Cells, as many in each row as there are columns.
    pub rows: Vec<Vec<Cell>>,
}

/// A heading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Over texts.
    Text(&'static str),
    /// Over figures.
    Figure(&'static str),
}

impl Column {
    /// The heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Text(title) | Self::Figure(title) => title,
        }
    }
}

/// A figure or text, and what belongs to it in smaller print.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    /// What is to be read first.
    pub text: String,
    /// An interval, or nothing.
    pub detail: String,
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), detail: String::new() }
    }
}

/// What stands where there are too few samples.
pub(crate) const INSUFFICIENT: &str = "insufficient";

/// A duration, or that there are too few samples for it.
pub(crate) fn duration(ns: Option<f64>) -> String {
    ns.map_or_else(|| INSUFFICIENT.to_owned(), units::duration)
}

/// A quantile with its interval.
pub(crate) fn quantile(quantile: &Quantile) -> Cell {
    let ends = quantile.low_ns.zip(quantile.high_ns);
    Cell {
        text: duration(quantile.value_ns.map(|ns| ns as f64)),
        detail: ends.map(|(low, high)| units::interval(low as f64, high as f64)).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_have_names_of_their_own() {
        let mut ids: Vec<_> = SECTIONS.iter().map(|section| section.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), SECTIONS.len());
    }
}
