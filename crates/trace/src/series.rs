//! `pairs.json`: the runs of a series, and which of them belong together.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{AtomicFile, Error, Result, RunStatus, schema};

/// Name of the file, in the folder that holds those of the runs.
pub const SERIES_FILE: &str = "pairs.json";

/// A run of a series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesRun {
    /// Its folder, within that of the series: label and number.
    pub folder: String,
    /// Its side.
    pub label: String,
    /// Which pair it belongs to, from 1.
    pub pair: u32,
    /// The seed of its random choices: the same for all of a pair, the next number for the next pair.
    pub seed: u64,
    /// How it ended; `null` where it was not made, or not yet.
    pub status: Option<RunStatus>,
    /// Whether the generator itself spoilt it.
    pub invalid: bool,
}

/// Runs in the order in which they are made: the content of `pairs.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// [`schema::VERSION`].
    pub version: u32,
    /// The trace's path as given.
    pub trace: String,
    /// XXH3 (128 bits, hex) of the trace's content.
    pub trace_hash: String,
    /// Whether the sides took turns, ABBA; otherwise all runs of one come before those of the next.
    pub interleaved: bool,
    /// URL of each side, by label.
    pub targets: BTreeMap<String, String>,
    /// Folders of the runs that belong together, in the order of the sides.
    pub pairs: Vec<Vec<String>>,
    /// In the order in which they are made.
    pub runs: Vec<SeriesRun>,
}

impl Series {
    /// Notes how the run at `index` ended.
    pub fn note(&mut self, index: usize, status: RunStatus, invalid: bool) {
        (self.runs[index].status, self.runs[index].invalid) = (Some(status), invalid);
    }

    /// Reads `pairs.json` of the series in `folder`.
    ///
    /// # Errors
    /// [`Error::Io`] when it is not there, [`Error::Kind`] for another version, [`Error::Content`] when it is damaged.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(SERIES_FILE);
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io("read", &path, e))?;
        let series: Self = serde_json::from_str(&text)
            .map_err(|e| Error::Content { path: path.clone(), reason: format!("not a list of runs: {e}") })?;
        if series.version != schema::VERSION {
            let found = format!("a list of runs of version {}", series.version);
            return Err(Error::Kind { path, found, wanted: format!("a list of runs of version {}", schema::VERSION) });
        }
        Ok(series)
    }

    /// Writes `pairs.json` into `folder`, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(SERIES_FILE);
        let mut text = serde_json::to_string_pretty(self).expect("a series is plain data");
        text.push('\n');
        let mut file = AtomicFile::create(&path)?;
        file.write_all(text.as_bytes()).map_err(|e| Error::io("write", &path, e))?;
        file.commit()
    }
}
