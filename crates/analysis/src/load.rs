//! A run on disk: its description, and lazy scans of its outcomes, each with the few columns one question needs.

use std::fs::File;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use polars::prelude::{
    DataFrame, Engine, LazyFrame, ParquetReader, PlRefPath, PlanCallback, PolarsResult, ScanArgsParquet, SerReader, col, lit,
};
use trace::{Event, OutcomeReader, Part, RunInfo, RunStatus, schema};

use crate::phases::{Phases, WARMUP};
use crate::scope::Scope;
use crate::{Error, Result};

/// Rows handed on at once: large enough to be quick, small enough for a bounded memory.
const BATCH_ROWS: usize = 1 << 17;

/// A run whose description and outcomes can be read; it may still be going, or have been killed.
#[derive(Debug, Clone)]
pub struct Run {
    /// The run's folder.
    pub dir: PathBuf,
    /// The content of `run.json`.
    pub info: RunInfo,
    /// What happened around it.
    pub events: Vec<Event>,
    parts: Vec<Part>,
    resources: Vec<Part>,
    rows: Rows,
    scope: Scope,
}

/// Which of a run's outcomes are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    All,
    AllBut(&'static str),
}

impl Rows {
    fn of(self, outcomes: LazyFrame) -> LazyFrame {
        match self {
            Self::All => outcomes,
            Self::AllBut(name) => outcomes.filter(col("phase").neq(lit(name))),
        }
    }
}

/// A column and the name that a row must have in it, or must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Condition<'a> {
    pub(crate) column: &'static str,
    value: &'a str,
    equal: bool,
}

impl Condition<'_> {
    /// Whether a row of this name is looked at; `None` for a row without one.
    pub(crate) fn holds(&self, name: Option<&str>) -> bool {
        (name == Some(self.value)) == self.equal
    }
}

impl Run {
    /// Opens the run in `dir`.
    ///
    /// # Errors
    /// [`Error::Trace`] when `run.json` or a part is missing, damaged or of another version; [`Error::Empty`] when there is no
    /// closed part of outcomes yet.
    pub fn open(dir: &Path) -> Result<Self> {
        let info = trace::read_run_info(dir)?;
        let parts = trace::part_files(dir, schema::OUTCOMES)?;
        if parts.is_empty() {
            let reason = match info.status {
                RunStatus::Running => {
                    "the run has no outcomes yet; a replay closes its first part after some seconds, or when it ends"
                }
                _ => "the run has ended, but its folder holds no outcomes-*.parquet; copy all of its files",
            };
            let reason = reason.to_owned();
            return Err(Error::Empty { path: dir.to_owned(), reason });
        }
        let resources = trace::part_files(dir, schema::RESOURCES)?;
        parts.iter().try_for_each(|part| check_part(&part.path, schema::OUTCOMES))?;
        resources.iter().try_for_each(|part| check_part(&part.path, schema::RESOURCES))?;
        let rows = if Phases::of(&info).has_warmup() { Rows::AllBut(WARMUP) } else { Rows::All };
        Ok(Self { dir: dir.to_owned(), info, events: trace::read_events(dir)?, parts, resources, rows, scope: Scope::ALL })
    }

    /// The same with the warm-up.
    #[must_use]
    pub fn whole(&self) -> Self {
        Self { rows: Rows::All, ..self.clone() }
    }

    /// One phase of it.
    #[must_use]
    pub fn only(&self, phase: &str) -> Self {
        self.within(&Scope { phase: Some(phase.to_owned()), ..Scope::ALL })
    }

    /// Those of its requests that are of this scope.
    #[must_use]
    pub fn within(&self, scope: &Scope) -> Self {
        Self { scope: self.scope.and(scope), ..self.clone() }
    }

    /// Whether only a part of its requests is looked at, a warm-up left out or not.
    #[must_use]
    pub fn is_narrowed(&self) -> bool {
        !self.scope.is_all()
    }

    /// Runs `query` over the outcomes of all parts but those of a warm-up, in the order they were written, and hands the answer on in batches.
    ///
    /// # Errors
    /// [`Error::Outcomes`] when the scan cannot begin; the batches themselves may fail later.
    pub fn scan(&self, query: impl FnOnce(LazyFrame) -> LazyFrame) -> Result<Batches> {
        self.scan_parts(&self.parts, |outcomes| {
            let rows = self.rows.of(outcomes);
            query(match self.scope.filter() {
                Some(wanted) => rows.filter(wanted),
                None => rows,
            })
        })
    }

    /// Columns of the outcomes as they stand in the file; [`Run::conditions`] say which rows are looked at.
    ///
    /// # Errors
    /// [`Error::Trace`] when a part is damaged.
    pub(crate) fn columns(&self, columns: &[&str]) -> Result<OutcomeReader> {
        Ok(OutcomeReader::open(&self.parts, columns)?)
    }

    /// What a row must be to be looked at.
    pub(crate) fn conditions(&self) -> Vec<Condition<'_>> {
        let scope = self.scope.columns().map(|(column, value)| Condition { column, value, equal: true });
        let rows = match self.rows {
            Rows::All => None,
            Rows::AllBut(value) => Some(Condition { column: "phase", value, equal: false }),
        };
        scope.chain(rows).collect()
    }

    /// Parts of the outcomes that are missing: numbers that stand between those that are there, or before them.
    #[must_use]
    pub fn missing_parts(&self) -> Vec<RangeInclusive<u32>> {
        let mut next = 0;
        let holes = self.parts.iter().filter_map(|part| {
            let hole = (part.first > next).then(|| next..=part.first - 1);
            next = part.last + 1;
            hole
        });
        holes.collect()
    }

    /// Runs `query` over what probes saw; `None` where nothing was watched.
    ///
    /// # Errors
    /// As [`Run::scan`].
    pub fn scan_resources(&self, query: impl FnOnce(LazyFrame) -> LazyFrame) -> Result<Option<Batches>> {
        (!self.resources.is_empty()).then(|| self.scan_parts(&self.resources, query)).transpose()
    }

    fn scan_parts(&self, parts: &[Part], query: impl FnOnce(LazyFrame) -> LazyFrame) -> Result<Batches> {
        let failed = |e| Error::outcomes(&self.dir, e);
        let paths: PolarsResult<Vec<PlRefPath>> = parts.iter().map(|part| PlRefPath::try_from_path(&part.path)).collect();
        let args = ScanArgsParquet { glob: false, cache: false, ..ScanArgsParquet::default() };
        let frame = LazyFrame::scan_parquet_files(paths.map_err(failed)?.into(), args).map_err(failed)?;
        Batches::start(query(frame), &self.dir)
    }
}

/// Refuses a part of another kind or version, naming both.
fn check_part(path: &Path, kind_wanted: &str) -> Result<()> {
    let file = File::open(path).map_err(|e| Error::io("read", path, e))?;
    let mut reader = ParquetReader::new(file);
    let metadata = reader.get_metadata().map_err(|e| trace::Error::Parquet { path: path.to_owned(), reason: e.to_string() })?;
    let footer = |key: &str| {
        let pairs = metadata.key_value_metadata().as_deref().unwrap_or_default();
        pairs.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.clone()).unwrap_or_default()
    };
    let (kind, version) = (footer(schema::KIND_KEY), footer(schema::VERSION_KEY));
    let wanted = (kind_wanted, schema::VERSION.to_string());
    if (kind.as_str(), &version) == (wanted.0, &wanted.1) {
        return Ok(());
    }
    let found = if kind.is_empty() {
        "a Parquet file that rehearsal did not make".to_owned()
    } else {
        format!("a rehearsal {kind} file of version {version}")
    };
    let wanted = format!("a rehearsal {} file of version {}", wanted.0, wanted.1);
    Err(trace::Error::Kind { path: path.to_owned(), found, wanted }.into())
}

/// The answer of a query, batch after batch of one chunk each, while later batches are still being decoded on other threads.
pub struct Batches {
    dir: PathBuf,
    batches: Receiver<DataFrame>,
    query: Option<JoinHandle<PolarsResult<()>>>,
}

impl Batches {
    fn start(frame: LazyFrame, dir: &Path) -> Result<Self> {
        let (send, batches) = sync_channel(2);
        // The callback answers "stop?": yes once nobody listens any more.
        let hand_on = PlanCallback::new(move |batch: DataFrame| Ok(send.send(batch).is_err()));
        let frame = frame.sink_batches(hand_on, true, std::num::NonZeroUsize::new(BATCH_ROWS));
        let frame = frame.map_err(|e| Error::outcomes(dir, e))?;
        let query = std::thread::spawn(move || frame.collect_with_engine(Engine::Streaming).map(drop));
        Ok(Self { dir: dir.to_owned(), batches, query: Some(query) })
    }
}

impl Iterator for Batches {
    type Item = Result<DataFrame>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Ok(mut batch) = self.batches.recv() {
            batch.rechunk_mut();
            return Some(Ok(batch));
        }
        match self.query.take()?.join() {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(Err(Error::outcomes(&self.dir, error))),
            Err(_) => Some(Err(Error::outcomes(&self.dir, "the reader gave up; a part is damaged"))),
        }
    }
}

/// The integers of a column without nulls.
pub(crate) fn integers<'a>(batch: &'a DataFrame, name: &str) -> PolarsResult<impl Iterator<Item = i64> + 'a> {
    Ok(batch.column(name)?.i64()?.into_no_null_iter())
}
