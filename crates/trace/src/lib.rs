//! The data model of rehearsal: times, exchanges, outcomes, and the Parquet files they live in.
//!
//! A *trace* is exchanges in time order ([`Exchange`], [`TraceWriter`], [`TraceReader`]); a *run* is the directory of files that one
//! replay leaves behind ([`OutcomeRow`], [`OutcomeWriter`], [`LatencyWriter`], [`RunInfo`]). Everything else meets in these files.

mod answer;
mod columns;
mod difference;
mod error;
mod event;
mod exchange;
mod issue;
mod latency;
pub mod limits;
mod meta;
mod name;
mod outcome;
mod outcome_read;
mod pack;
mod parts;
mod read;
mod resource;
mod rows;
pub mod rules;
mod run;
pub mod schema;
mod series;
mod sort;
mod time;
mod unit;
mod write;

pub use answer::{AnswerBody, Coding, Keep};
pub use difference::{Difference, DifferenceRow, read_differences, write_differences};
pub use error::{Error, Result};
pub use event::{Event, EventLog, read_events};
pub use exchange::{Effect, Exchange, Flag, Flags, Header, Kind, Txn, Yield, escape_text};
pub use issue::{Issue, Issues};
pub use latency::{LatencyRow, LatencyWriter, read_latencies};
pub use meta::{ExchangeLoss, Loss, LostPlace, Redaction, Source, TraceMeta, Undecoded};
pub use name::{Name, Names};
pub use outcome::{ErrorClass, Match, OutcomeRow, OutcomeWriter};
pub use outcome_read::{NameColumn, OutcomeColumns, OutcomeReader};
pub use pack::{Packed, pack};
pub use parts::{Part, part_files};
pub use read::{Batch, Row, TraceReader, exchanges_of, trace_files};
pub use resource::{ResourceRow, ResourceWriter, rate_of};
pub use run::{ClockPair, RunInfo, RunStatus, read_run_info, write_run_info};
pub use series::{SERIES_FILE, Series, SeriesRun};
pub use sort::TraceSorter;
pub use time::{RunNs, TraceNs, parse_duration, whole_ns};
pub use unit::Unit;
pub use write::{AtomicFile, TraceWriter};
