//! `rehearsal inspect`: what is in a trace.

use std::path::PathBuf;

use clap::Args;

use super::Done;
use crate::failure::Failure;
use crate::output;

pub const EXAMPLE: &str = "Example:
  rehearsal synth -o nine.parquet --requests 2000
  rehearsal inspect nine.parquet";

/// Words of `inspect`.
#[derive(Args)]
pub struct Words {
    /// The trace: a file, or a folder of files
    trace: PathBuf,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(words: Words) -> Result<Done, Failure> {
    let summary = analysis::inspect::inspect(&words.trace)?;
    output::say(&if words.json { serde_json::to_string_pretty(&summary)? } else { summary.to_string() })?;
    Ok(Done::Fine)
}
