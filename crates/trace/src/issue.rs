//! What was odd in the data: returned as data, never only logged.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::limits::ISSUE_KINDS_MAX;

/// One kind of oddity: what, where first, how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    /// A stable, short name: `tcp-gap`, `http-bad-chunk`.
    pub kind: String,
    /// Where it was first seen: packet number, connection, offset.
    pub first: String,
    /// How often it was seen.
    pub count: u64,
}

/// The issues of one source, by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Issues(BTreeMap<String, (String, u64)>);

impl Issues {
    /// Counts one more of `kind`; `place` is asked only the first time.
    pub fn add(&mut self, kind: &str, place: impl FnOnce() -> String) {
        self.add_many(kind, 1, place);
    }

    /// Counts `count` more of `kind`.
    pub fn add_many(&mut self, kind: &str, count: u64, place: impl FnOnce() -> String) {
        if let Some((_, seen)) = self.0.get_mut(kind) {
            *seen += count;
        } else {
            let kind = if self.0.len() < ISSUE_KINDS_MAX { kind } else { "other" };
            self.0.entry(kind.to_owned()).or_insert_with(|| (place(), 0)).1 += count;
        }
    }

    /// Takes the counts of another source over; the first places of `self` win.
    pub fn merge(&mut self, other: &Self) {
        for (kind, (first, count)) in &other.0 {
            self.add_many(kind, *count, || first.clone());
        }
    }

    /// How often `kind` was seen.
    #[must_use]
    pub fn count(&self, kind: &str) -> u64 {
        self.0.get(kind).map_or(0, |(_, count)| *count)
    }

    /// True where nothing odd was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The issues in alphabetical order of their kind.
    #[must_use]
    pub fn list(&self) -> Vec<Issue> {
        let issue =
            |(kind, (first, count)): (&String, &(String, u64))| Issue { kind: kind.clone(), first: first.clone(), count: *count };
        self.0.iter().map(issue).collect()
    }
}
