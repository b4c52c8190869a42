//! A search for the largest rate that a target bears: how it goes on from trial to trial, and what its folder holds.
//!
//! The folder has `search.json` and a run of its own for each trial, `trial-001`, `trial-002` …

mod judge;
mod page;
mod procedure;
mod words;

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use stats::search::{Ending, Found, Plan, Trial, Verdict};
use trace::{RunStatus, schema};

pub use judge::{Judged, judge};
pub use page::report;
pub use procedure::{Asked, search};

use crate::{Error, Result};

/// Name of the file that says what a search was and found.
pub const FILE: &str = "search.json";

/// The content of `search.json`. It is rewritten after every trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchInfo {
    /// [`schema::VERSION`].
    pub version: u32,
    /// `rehearsal` and its version.
    pub tool: String,
    /// A name for tables and charts.
    pub label: String,
    /// Free text of the user.
    pub note: String,
    /// `running` until its end; `complete` when it came to one of its own, `stopped` by the user, `failed` when a trial could not be made.
    pub status: RunStatus,
    /// The command line that repeats it, secrets left out.
    pub command: Vec<String>,
    /// The trace's path as given.
    pub trace: String,
    /// XXH3 (128 bits, hex) of the trace's content.
    pub trace_hash: String,
    /// The targets, by collection; `*` is every other.
    pub targets: BTreeMap<String, String>,
    /// Seed of the first trial; each later one has the next number.
    pub seed: u64,
    /// What a trial has to hold to be good, as it is written after `--threshold`.
    pub thresholds: Vec<String>,
    /// How it searches: goal, width, lengths, limits.
    pub plan: Plan,
    /// In the order in which they were made.
    pub trials: Vec<TrialInfo>,
    /// What is known from them.
    pub found: Found,
    /// The largest rate that is borne, where the search came to that: both bounds confirmed and within the width. Nothing else is a
    /// capacity, least of all what a generator at its own limit saw.
    pub capacity_per_s: Option<f64>,
}

/// One trial: a run at a constant rate, and what was made of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialInfo {
    /// Its run's folder, within that of the search.
    pub folder: String,
    /// The rate asked for, requests per second.
    pub per_s: f64,
    /// For how long.
    pub length_s: f64,
    /// How it turned out.
    pub verdict: Outcome,
    /// Why: a sentence for each thing that decided, with its figure.
    pub reasons: Vec<String>,
    /// Of all requests.
    pub figures: Figures,
    /// Of each collection.
    pub collections: BTreeMap<String, Figures>,
}

/// How a trial turned out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Every threshold held, and the target kept up.
    Good,
    /// A threshold was missed, or the target fell behind the load.
    Bad,
    /// The generator, not the target, was at its limit: the trial says nothing.
    Spoilt,
    /// Too few requests to judge a threshold by: it was made again, twice as long.
    Insufficient,
}

/// What a trial measured, a warm-up left out.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Requests due per second.
    pub offered_per_s: f64,
    /// Good answers per second.
    pub goodput_per_s: f64,
    /// Median response time.
    pub response_p50_ns: Option<i64>,
    /// 99th percentile of the response time; `None` for too few answers.
    pub response_p99_ns: Option<i64>,
    /// Share of the requests without a good answer.
    pub failed_share: f64,
}

impl SearchInfo {
    /// Writes `search.json` into `dir`, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Trace`] and [`Error::Io`] when it cannot be written.
    pub fn write(&self, dir: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).expect("a search's description is plain data");
        crate::page::write(&dir.join(FILE), &(text + "\n"))
    }

    /// Takes over what the trials say so far.
    fn note(&mut self, found: Found) {
        self.capacity_per_s = found.lower.filter(|_| found.ending == Some(Ending::Found)).map(|lower| lower.per_s);
        self.found = found;
    }

    /// The last of the longest trials at `per_s` that turned out so.
    #[must_use]
    pub fn trial_at(&self, per_s: f64, verdict: Outcome) -> Option<&TrialInfo> {
        let there = self.trials.iter().filter(|trial| trial.per_s == per_s && trial.verdict == verdict);
        there.max_by(|a, b| a.length_s.total_cmp(&b.length_s))
    }
}

impl TrialInfo {
    fn new(folder: String, trial: Trial, judged: Judged) -> Self {
        let Judged { verdict, reasons, figures, collections } = judged;
        Self { folder, per_s: trial.per_s, length_s: trial.length_s, verdict, reasons, figures, collections }
    }
}

impl Outcome {
    /// What the search takes it for; nothing for a trial that is made again.
    fn of_machine(self) -> Option<Verdict> {
        match self {
            Self::Good => Some(Verdict::Good),
            Self::Bad => Some(Verdict::Bad),
            Self::Spoilt => Some(Verdict::Spoilt),
            Self::Insufficient => None,
        }
    }

    /// The name as written to files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Spoilt => "spoilt",
            Self::Insufficient => "insufficient",
        }
    }
}

/// Whether `dir` is the folder of a search.
#[must_use]
pub fn is_search(dir: &Path) -> bool {
    dir.join(FILE).exists()
}

/// Reads `search.json` of the search in `dir`.
///
/// # Errors
/// [`Error::Io`] when it is not there, [`Error::Trace`] for another version or when it is damaged.
pub fn search_info(dir: &Path) -> Result<SearchInfo> {
    let path = dir.join(FILE);
    let text = std::fs::read_to_string(&path).map_err(|e| Error::io("read", &path, e))?;
    let damaged =
        |e: serde_json::Error| trace::Error::Content { path: path.clone(), reason: format!("not a search's description: {e}") };
    let value: serde_json::Value = serde_json::from_str(&text).map_err(damaged)?;
    let version = value["version"].as_u64().unwrap_or_default();
    if version != u64::from(schema::VERSION) {
        let (found, wanted) = (format!("a search of version {version}"), format!("a search of version {}", schema::VERSION));
        return Err(trace::Error::Kind { path, found, wanted }.into());
    }
    Ok(serde_json::from_value(value).map_err(damaged)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stats::search::Bound;

    #[test]
    fn a_search_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let figures = Figures { offered_per_s: 811.7, response_p99_ns: Some(19_000_000), ..Figures::default() };
        let bound = |per_s| Bound { per_s, trials: 3, bad: 0, confirmed: true };
        let info = SearchInfo {
            version: schema::VERSION,
            tool: "rehearsal".to_owned(),
            label: "queue".to_owned(),
            note: String::new(),
            status: RunStatus::Complete,
            command: vec!["rehearsal".to_owned()],
            trace: "trace.parquet".to_owned(),
            trace_hash: "00".to_owned(),
            targets: BTreeMap::from([("*".to_owned(), "http://127.0.0.1:1".to_owned())]),
            seed: 1,
            thresholds: vec!["p99<20ms".to_owned()],
            plan: Plan::from_start(80.0),
            trials: vec![TrialInfo {
                folder: "trial-001".to_owned(),
                per_s: 812.0,
                length_s: 30.0,
                verdict: Outcome::Good,
                reasons: vec!["p99 19 ms".to_owned()],
                figures,
                collections: BTreeMap::from([("phi3".to_owned(), figures)]),
            }],
            found: Found { ending: Some(Ending::Found), lower: Some(bound(812.0)), upper: Some(bound(829.0)), trials: 1 },
            capacity_per_s: Some(812.0),
        };
        info.write(dir.path()).unwrap();
        assert_eq!(search_info(dir.path()).unwrap(), info);
        let text = std::fs::read_to_string(dir.path().join(FILE)).unwrap();
        std::fs::write(dir.path().join(FILE), text.replace("\"version\": 1", "\"version\": 99")).unwrap();
        assert!(search_info(dir.path()).unwrap_err().to_string().contains("a search of version 99"));
        std::fs::write(dir.path().join(FILE), "{").unwrap();
        assert!(search_info(dir.path()).unwrap_err().to_string().contains("not a search's description"));
    }
}
