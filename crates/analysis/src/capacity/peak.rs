//! The busiest windows of a trace: what a target has to bear.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use trace::{Kind, TraceReader};

use crate::Result;
use crate::inspect::Arrivals;
use crate::steps::COLLECTIONS_MAX;

/// Lengths of the windows, ns.
const LENGTHS_NS: [i64; 3] = [1_000_000_000, 10_000_000_000, 60_000_000_000];
/// The window that a rate held for seconds or minutes is compared with: in a single second chance alone makes peaks.
const HELD_AGAINST_NS: i64 = LENGTHS_NS[1];

/// The busiest window of one length.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Peak {
    /// Its length.
    pub length_ns: i64,
    /// Requests per second in it.
    pub per_s: f64,
}

impl Peak {
    /// Of several windows the one of 10 s, or of a shorter trace the longest there is.
    #[must_use]
    pub fn held_against(windows: &[Self]) -> Option<Self> {
        windows.iter().filter(|peak| peak.length_ns <= HELD_AGAINST_NS).max_by_key(|peak| peak.length_ns).copied()
    }
}

/// The busiest windows of a trace, as far as it is at least twice as long as they are.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Peaks {
    /// Of all requests.
    pub all: Vec<Peak>,
    /// Of each collection; those past the first 100 count among all alone.
    pub collections: BTreeMap<String, Vec<Peak>>,
}

impl Peaks {
    /// Reads the trace, a file or a folder of files, once.
    ///
    /// # Errors
    /// [`crate::Error::Trace`] when it cannot be read, or is a file of another kind or version.
    pub fn load(trace: &Path) -> Result<Self> {
        let mut reader = TraceReader::open_columns(trace, Some(&["kind", "collection"]))?;
        let (mut all, mut collections) = (Arrivals::default(), BTreeMap::<String, Arrivals>::new());
        while let Some(batch) = reader.next_batch()? {
            // What the server sent of its own accord is no load.
            for row in batch.rows().filter(|row| row.kind() != Kind::Push) {
                all.add(row.at().ns());
                let room = collections.len() < COLLECTIONS_MAX;
                if let Some(arrivals) = collections.get_mut(row.collection()) {
                    arrivals.add(row.at().ns());
                } else if room {
                    collections.entry(row.collection().to_owned()).or_default().add(row.at().ns());
                }
            }
        }
        let windows = |arrivals: &Arrivals| -> Vec<Peak> {
            let busiest = LENGTHS_NS.iter().filter_map(|length_ns| arrivals.busiest_of(*length_ns));
            busiest.map(|window| Peak { length_ns: window.length_ns, per_s: window.rate_per_s }).collect()
        };
        Ok(Self { all: windows(&all), collections: collections.iter().map(|(name, one)| (name.clone(), windows(one))).collect() })
    }
}
