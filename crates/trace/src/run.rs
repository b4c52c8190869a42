//! `run.json`: what was asked of a replay, where it ran, and how it ended.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{AtomicFile, Error, Result, schema};

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// Still going, or killed.
    Running,
    /// Every request of the schedule has its outcome.
    Complete,
    /// Stopped early by the user: what was in flight has outcomes of class `aborted`, what had not fallen due has none.
    Stopped,
    /// Stopped early by a condition of the user's; outcomes as for `Stopped`.
    Aborted,
    /// Could not go on (disk full and the like).
    Failed,
}

/// The monotonic and the wall clock read at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockPair {
    /// Since run start.
    pub run_ns: i64,
    /// Since the Unix epoch.
    pub unix_ns: i64,
}

/// The content of `run.json`. `asked`, `figures` and `fidelity` belong to the engine; readers that do not know a member keep it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// [`schema::VERSION`].
    pub version: u32,
    /// `rehearsal` and its version.
    pub tool: String,
    /// A name for tables and charts.
    pub label: String,
    /// Free text of the user.
    pub note: String,
    /// How it stands.
    pub status: RunStatus,
    /// The command line that reproduces it, secrets left out.
    pub command: Vec<String>,
    /// The trace's path as given.
    pub trace: String,
    /// XXH3 (128 bits, hex) of the trace's content.
    pub trace_hash: String,
    /// Requests in the schedule.
    pub requests: u64,
    /// The targets, by collection; `*` is every other.
    pub targets: BTreeMap<String, String>,
    /// The seed of every random choice.
    pub seed: u64,
    /// Machine: name, cores, kernel, memory.
    pub host: BTreeMap<String, String>,
    /// Clock readings at start, each minute and end.
    pub clocks: Vec<ClockPair>,
    /// What was asked: profile, speed, limits, as the engine understood it.
    pub asked: serde_json::Value,
    /// What the engine counted at the end.
    pub figures: serde_json::Value,
    /// Whether the timing was kept, with the figures behind it.
    pub fidelity: serde_json::Value,
}

/// A run that has begun, of which nothing is known.
impl Default for RunInfo {
    fn default() -> Self {
        Self {
            version: schema::VERSION,
            tool: String::new(),
            label: String::new(),
            note: String::new(),
            status: RunStatus::Running,
            command: Vec::new(),
            trace: String::new(),
            trace_hash: String::new(),
            requests: 0,
            targets: BTreeMap::new(),
            seed: 0,
            host: BTreeMap::new(),
            clocks: Vec::new(),
            asked: serde_json::Value::Null,
            figures: serde_json::Value::Null,
            fidelity: serde_json::Value::Null,
        }
    }
}

/// Reads `run.json` of the run in `dir`.
///
/// # Errors
/// [`Error::Io`] when it is not there, [`Error::Kind`] for another version, [`Error::Content`] when it is damaged.
pub fn read_run_info(dir: &Path) -> Result<RunInfo> {
    let path = dir.join("run.json");
    let text = std::fs::read_to_string(&path).map_err(|e| Error::io("read", &path, e))?;
    let damaged = |e: serde_json::Error| Error::Content { path: path.clone(), reason: format!("not a run's description: {e}") };
    let value: serde_json::Value = serde_json::from_str(&text).map_err(damaged)?;
    let version = value.get("version").and_then(serde_json::Value::as_u64);
    if version.is_some_and(|version| version != u64::from(schema::VERSION)) {
        let found = format!("a run of version {}", version.unwrap_or_default());
        return Err(Error::Kind { path, found, wanted: format!("a run of version {}", schema::VERSION) });
    }
    serde_json::from_value(value).map_err(damaged)
}

/// Writes `run.json` of the run in `dir`, whole or not at all.
///
/// # Errors
/// [`Error::Io`] when it cannot be written.
pub fn write_run_info(dir: &Path, info: &RunInfo) -> Result<()> {
    let path = dir.join("run.json");
    let mut text = serde_json::to_string_pretty(info).expect("a run's description is plain data");
    text.push('\n');
    let mut file = AtomicFile::create(&path)?;
    file.write_all(text.as_bytes()).map_err(|e| Error::io("write", &path, e))?;
    file.commit()
}
