//! Parts of traces: windows of time, chosen requests, a sample of the sessions, several traces as one.
//!
//! A first pass finds which sessions have wanted rows, a second one writes those rows, and with them the `setup` rows of their sessions
//! from before, which stand at the window's start. Times start at 0 again.

mod selection;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;
use stats::Rng;
use trace::limits::SORT_BYTES_MAX;
use trace::{Exchange, Flag, Names, Row, Source, TraceMeta, TraceNs, TraceReader, TraceSorter};

pub use selection::{COLLECTION, EFFECT, Field, Filter, OPERATION, SESSION, STATUS, Selection, matches};
pub(crate) use selection::{COLUMNS, Tally};

use crate::provenance::{files_of, refuse_overwriting, seed_for};
use crate::scale::SESSIONS_MAX;
use crate::{Error, Result};

/// Rows between two reports of progress.
const PROGRESS_EVERY: u64 = 4096;

/// How several traces become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Join {
    /// By the wall clock they were recorded at.
    #[default]
    Wall,
    /// One after the other, a mean gap apart.
    Append,
}

/// What is asked of a cut.
#[derive(Debug, Clone, Default)]
pub struct CutOptions {
    /// The traces, files or folders.
    pub inputs: Vec<PathBuf>,
    /// The trace to write.
    pub output: PathBuf,
    /// Which rows. Times count from the start of the inputs, joined.
    pub selection: Selection,
    /// Share of the sessions that stay, chosen at random.
    pub sample: Option<f64>,
    /// How several traces become one.
    pub join: Join,
    /// The seed of the sample.
    pub seed: u64,
}

/// What came of a cut.
#[derive(Debug, Clone, Serialize)]
pub struct Cut {
    /// Rows of the inputs.
    pub read: u64,
    /// Sessions of the inputs.
    pub sessions_read: u64,
    /// `setup` rows that only came along with their session.
    pub setup_carried: u64,
    /// Sessions in the output of which some rows were left out.
    pub sessions_cut: u64,
    /// The footer of the output.
    pub meta: TraceMeta,
}

/// One of the traces, after the first pass.
struct Input {
    path: PathBuf,
    files: Vec<Source>,
    wall_start_unix_ns: Option<i64>,
    exchanges: u64,
    /// The last row, ns since the trace's own start.
    span_ns: i64,
    session_max: u64,
    /// Added to its instants, session numbers and ids.
    offset_ns: i64,
    session_base: u64,
    id_base: u64,
    sessions: HashMap<u64, Seen>,
}

/// What was seen of a session.
#[derive(Clone, Copy, Default)]
struct Seen {
    wanted: bool,
    left_out: bool,
}

/// Cuts, and joins. `progress` is told the number of rows read in the second pass, now and then.
///
/// # Errors
/// [`Error::Option`] for what nothing matches, with what there is; [`Error::Refused`] when nothing is left, or traces without a wall
/// clock are to be joined by it; [`Error::Data`] when a trace cannot be read or written.
pub fn cut(options: &CutOptions, mut progress: impl FnMut(u64)) -> Result<Cut> {
    check(options)?;
    refuse_overwriting(&options.output, &options.inputs)?;
    let mut inputs = options.inputs.iter().map(|path| Input::open(path)).collect::<Result<Vec<_>>>()?;
    place(&mut inputs, options.join)?;
    let mut tally = Tally::new(&options.selection);
    for input in &mut inputs {
        let seed = seed_for(options.seed, &input.files);
        input.choose(options, seed, &mut tally)?;
    }
    tally.check()?;
    refuse_nothing(options, &inputs)?;
    write(options, &inputs, &mut progress)
}

fn check(options: &CutOptions) -> Result<()> {
    if options.sample.is_some_and(|share| !(share > 0.0 && share <= 1.0)) {
        return Err(Error::option("--sample", "wanted a share above 0, up to 100 %"));
    }
    options.selection.check()
}

impl Input {
    /// Reads footer and span; sessions come with [`Input::choose`].
    fn open(path: &Path) -> Result<Self> {
        let mut reader = TraceReader::open_columns(path, Some(&[]))?;
        let wall_start_unix_ns = reader.metas().iter().filter_map(|meta| meta.wall_start_unix_ns).min();
        let (mut span_ns, mut session_max) = (0, 0);
        while let Some(batch) = reader.next_batch()? {
            for row in batch.rows() {
                (span_ns, session_max) = (row.at().ns(), row.session().max(session_max));
            }
        }
        Ok(Self {
            path: path.to_owned(),
            files: files_of(path)?,
            wall_start_unix_ns,
            exchanges: reader.exchanges(),
            span_ns,
            session_max,
            offset_ns: 0,
            session_base: 0,
            id_base: 0,
            sessions: HashMap::new(),
        })
    }

    fn at(&self, row: &Row<'_>) -> TraceNs {
        row.at() + self.offset_ns
    }

    /// The first pass: which sessions have wanted rows.
    fn choose(&mut self, options: &CutOptions, seed: u64, tally: &mut Tally<'_>) -> Result<()> {
        let mut reader = TraceReader::open_columns(&self.path, Some(COLUMNS))?;
        while let Some(batch) = reader.next_batch()? {
            for row in batch.rows() {
                if !self.sessions.contains_key(&row.session()) && self.sessions.len() == SESSIONS_MAX {
                    let reason =
                        format!("{} has more than {SESSIONS_MAX} sessions; cut its files one by one", self.path.display());
                    return Err(Error::Refused(reason));
                }
                let taken = tally.takes(&row);
                let sampled = options.sample.is_none_or(|share| Rng::substream(seed, "sample", row.session()).chance(share));
                let wanted = taken && sampled && options.selection.in_window(self.at(&row));
                let seen = self.sessions.entry(row.session()).or_default();
                seen.wanted |= wanted;
                seen.left_out |= !wanted && !row.flags().has(Flag::Setup);
            }
        }
        Ok(())
    }
}

/// Puts the inputs in their place: their instants, sessions and ids among those of all.
fn place(inputs: &mut [Input], join: Join) -> Result<()> {
    let start_ns = inputs.iter().filter_map(|input| input.wall_start_unix_ns).min().unwrap_or(0);
    let (several, mut end_ns, mut session_base, mut id_base) = (inputs.len() > 1, 0, 0, 0);
    for input in inputs {
        input.offset_ns = match (join, input.wall_start_unix_ns) {
            (Join::Append, _) => end_ns,
            (Join::Wall, Some(wall_ns)) => wall_ns - start_ns,
            (Join::Wall, None) if several => {
                let reason = format!("{} does not say when it was recorded: join with --join append", input.path.display());
                return Err(Error::Refused(reason));
            }
            (Join::Wall, None) => 0,
        };
        let mean_gap_ns = input.span_ns / i64::try_from(input.exchanges.saturating_sub(1).max(1)).unwrap_or(i64::MAX);
        end_ns = input.offset_ns + input.span_ns + mean_gap_ns;
        (input.session_base, input.id_base) = (session_base, id_base);
        let past = || Error::Refused("the session numbers of the inputs add up to more than a number can hold".to_owned());
        session_base = session_base.checked_add(input.session_max).and_then(|max| max.checked_add(1)).ok_or_else(past)?;
        id_base += input.exchanges;
    }
    Ok(())
}

/// Refuses to write a trace without wanted rows.
fn refuse_nothing(options: &CutOptions, inputs: &[Input]) -> Result<()> {
    if inputs.iter().any(|input| input.sessions.values().any(|seen| seen.wanted)) {
        return Ok(());
    }
    let end = TraceNs(inputs.iter().map(|input| input.offset_ns + input.span_ns).max().unwrap_or(0));
    if options.sample.is_some() {
        let reason = "no request is in the sample, lies in the window and passes every filter; leave one of them out";
        return Err(Error::Refused(reason.to_owned()));
    }
    Err(options.selection.nothing(end))
}

/// The second pass.
fn write(options: &CutOptions, inputs: &[Input], progress: &mut dyn FnMut(u64)) -> Result<Cut> {
    let mut sorter = TraceSorter::keeping_origin(&options.output, SORT_BYTES_MAX);
    let (mut names, mut setup_carried, mut readers) = (Names::default(), 0, Vec::new());
    for input in inputs {
        let mut reader = TraceReader::open(&input.path)?;
        while let Some(batch) = reader.next_batch()? {
            for row in batch.rows() {
                if let Some((at, carried)) = place_of(&row, input, options) {
                    setup_carried += u64::from(carried);
                    sorter.push(&placed(row.to_exchange(&mut names), input, at))?;
                }
                if row.id() % PROGRESS_EVERY == 0 {
                    progress(input.id_base + row.id());
                }
            }
        }
        readers.push(reader);
    }
    let seen = || inputs.iter().flat_map(|input| input.sessions.values());
    let mut meta = TraceMeta::made_from(readers.iter().flat_map(TraceReader::metas), &step(options, inputs));
    if options.join == Join::Append && inputs.len() > 1 {
        meta.wall_start_unix_ns = None;
    }
    let meta = sorter.finish(meta)?;
    Ok(Cut {
        read: inputs.iter().map(|input| input.exchanges).sum(),
        sessions_read: seen().count() as u64,
        setup_carried,
        sessions_cut: seen().filter(|seen| seen.wanted && seen.left_out).count() as u64,
        meta,
    })
}

/// When a row stands in the output, and whether only its session brought it there; `None` where it is left out.
fn place_of(row: &Row<'_>, input: &Input, options: &CutOptions) -> Option<(TraceNs, bool)> {
    input.sessions.get(&row.session()).filter(|seen| seen.wanted)?;
    options.selection.place(row, input.at(row))
}

fn placed(mut exchange: Exchange, input: &Input, at: TraceNs) -> Exchange {
    exchange.origin = input.id_base + exchange.id;
    exchange.copy = 0;
    exchange.at = at;
    exchange.session += input.session_base;
    exchange
}

/// What the footer says about it.
fn step(options: &CutOptions, inputs: &[Input]) -> serde_json::Value {
    let inputs =
        inputs.iter().map(|input| json!({ "files": input.files, "offset_ns": input.offset_ns, "first_id": input.id_base }));
    let mut cut = options.selection.describe();
    cut["sample"] = json!(options.sample);
    cut["seed"] = json!(options.seed);
    cut["inputs"] = inputs.collect();
    json!({ "cut": cut })
}
