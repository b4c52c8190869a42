//! From traces to runs: clock, schedule, engine, drivers.
//!
//! A replay is content × arrivals × rate. One reader streams the trace, prepares requests and gives each its due instant
//! ([`schedule`], [`profile`]); workers send them on time over their own connections ([`worker`], [`pool`], [`driver`]) and have one
//! outcome for each; one recorder writes the run. The threads share nothing but channels that carry blocks.
//!
//! ```no_run
//! use replay::{Progress, ReplayOptions, Stop, preflight, replay};
//! let options = ReplayOptions {
//!     trace: "trace.parquet".into(),
//!     target: Some("http://127.0.0.1:6333".to_owned()),
//!     out: "reports/first".into(),
//!     ..ReplayOptions::default()
//! };
//! let plan = preflight(&options)?;
//! println!("{plan}");
//! let summary = replay(&options, &plan, &Progress::default(), &Stop::default())?;
//! println!("{} answered well", summary.counts.ok);
//! # Ok::<(), replay::Error>(())
//! ```

pub mod abort;
pub mod answer;
mod arrivals;
mod clock;
pub mod content;
pub mod cut;
pub mod driver;
mod engine;
mod error;
mod flights;
mod known;
pub mod limits;
mod list;
mod options;
mod outcome;
mod pacing;
mod phases;
mod pool;
mod preflight;
pub mod probe;
pub mod profile;
mod progress;
mod provenance;
mod reader;
mod recent;
mod record;
mod request;
pub mod scale;
pub mod schedule;
pub mod series;
pub mod setup;
mod slices;
pub mod sources;
mod spool;
mod stop;
pub mod target;
mod text;
mod timing;
mod users;
mod worker;

pub use arrivals::Arrivals;
pub use clock::{Clock, unix_ns};
pub use content::{ContentOptions, Passes};
pub use engine::{RunSummary, make_folder, replay};
pub use error::{Error, Result};
pub use options::ReplayOptions;
pub use pacing::Pacing;
pub use preflight::{Preflight, preflight};
pub use progress::{Progress, Snapshot};
pub use reader::ReaderFigures;
pub use record::{Compared, Counts};
pub use schedule::Pace;
pub use stop::Stop;
pub use users::Users;
