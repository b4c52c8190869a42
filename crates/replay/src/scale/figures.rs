//! The figures of a trace before and after scaling.

use std::collections::HashSet;
use std::path::Path;

use serde::Serialize;
use stats::traffic::{Traffic, TrafficFigures};
use trace::{Kind, Row, TraceReader};
use xxhash_rust::xxh3::Xxh3;

use super::Census;
use crate::Result;

/// Different requests told apart; past it the share of repeated ones is not known.
const REQUESTS_MAX: usize = 1 << 22;

/// What scaling is about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Rate, burstiness and dispersion of the requests.
    #[serde(flatten)]
    pub traffic: TrafficFigures,
    /// Different sessions.
    pub sessions: u64,
    /// Sessions that lack some of their requests; always 0.
    pub sessions_broken: u64,
    /// Share of the rows whose method, target and body have occurred before (they hit caches and unique keys); `None` where there are
    /// more different ones than are told apart.
    pub repeated_share: Option<f64>,
}

impl Figures {
    pub(super) fn new(traffic: TrafficFigures, sessions: u64, sessions_broken: u64, repeated_share: Option<f64>) -> Self {
        Self { traffic, sessions, sessions_broken, repeated_share }
    }

    /// Reads what was written: nothing here is taken from the writing of it but `repeated_share`.
    pub(super) fn read(path: &Path, census: &Census, repeated_share: Option<f64>) -> Result<Self> {
        let mut reader = TraceReader::open_columns(path, Some(&["kind", "collection", "flags"]))?;
        let (mut traffic, mut wholeness) = (Traffic::new(), census.wholeness());
        while let Some(batch) = reader.next_batch()? {
            for row in batch.rows() {
                wholeness.add(&row);
                if row.kind() != Kind::Push {
                    traffic.push(row.at().ns());
                }
            }
        }
        Ok(Self::new(traffic.figures(), wholeness.sessions(), wholeness.broken(), repeated_share))
    }
}

/// Tells rows by what they ask for.
pub fn digest(row: &Row<'_>) -> u64 {
    let mut hash = Xxh3::new();
    for part in [row.method().as_bytes(), row.target().as_bytes(), row.request().unwrap_or_default()] {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.digest()
}

/// How often requests repeat.
#[derive(Default)]
pub struct Repeats {
    seen: HashSet<u64>,
    rows: u64,
}

impl Repeats {
    /// One more row, by its digest.
    pub fn add(&mut self, digest: u64) {
        self.rows += 1;
        if self.seen.len() < REQUESTS_MAX {
            self.seen.insert(digest);
        }
    }

    /// Share of the rows that had occurred before.
    pub fn share(&self) -> Option<f64> {
        let known = self.rows > 0 && self.seen.len() < REQUESTS_MAX;
        known.then(|| (self.rows - self.seen.len() as u64) as f64 / self.rows as f64)
    }
}
