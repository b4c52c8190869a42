//! `rehearsal cut`: traces → a part of them, as one trace.

use std::path::{Path, PathBuf};

use analysis::units;
use clap::{Args, ValueEnum};
use replay::cut::{self, Cut, CutOptions, Join};

use super::Done;
use crate::failure::Failure;
use crate::selection::SelectionWords;
use crate::{output, parse};

pub const EXAMPLE: &str = "Examples:
  rehearsal synth -o nine.parquet
  rehearsal cut nine.parquet -o minute.parquet --from 10s --to 40s
  rehearsal cut nine.parquet -o searches.parquet --operation '*search*' --effect read
  rehearsal cut nine.parquet -o tenth.parquet --sample 10%
  rehearsal cut minute.parquet searches.parquet -o both.parquet --join append";

/// Words of `cut`.
#[derive(Args)]
pub struct Words {
    /// The traces, files or folders; several are joined
    #[arg(required = true, value_name = "TRACE")]
    inputs: Vec<PathBuf>,
    /// The trace to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    selection: SelectionWords,
    /// Share of the sessions that stay, chosen at random, each whole
    #[arg(long, value_name = "SHARE", value_parser = parse::share)]
    sample: Option<f64>,
    /// How several traces become one
    #[arg(long, value_enum, default_value = "wall")]
    join: JoinWord,
    /// Seed of the sample
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the footer and the counts as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum JoinWord {
    /// By the wall clock they were recorded at
    Wall,
    /// One after the other
    Append,
}

pub fn run(words: Words) -> Result<Done, Failure> {
    let json = words.json;
    let options = options(words)?;
    let mut shown = output::Progress::new();
    let cut = cut::cut(&options, |rows| {
        if shown.is_terminal() {
            shown.show(&format!("{rows} exchanges"));
        }
    })?;
    shown.end();
    output::say(&if json { serde_json::to_string_pretty(&cut)? } else { account(&options.output, &cut) })?;
    Ok(Done::Fine)
}

fn options(words: Words) -> Result<CutOptions, Failure> {
    Ok(CutOptions {
        inputs: words.inputs,
        output: words.output,
        selection: words.selection.selection()?,
        sample: words.sample,
        join: match words.join {
            JoinWord::Wall => Join::Wall,
            JoinWord::Append => Join::Append,
        },
        seed: words.seed,
    })
}

fn account(output: &Path, cut: &Cut) -> String {
    let (path, meta) = (output.display(), &cut.meta);
    let kept = format!("{} of {} exchanges", units::count(meta.exchanges), units::count(cut.read));
    let sessions = format!("{} of {} sessions", units::count(meta.sessions), units::count(cut.sessions_read));
    let mut lines = vec![format!("{path}: {kept} in {sessions} over {}", units::duration(meta.span_ns as f64))];
    if cut.sessions_cut > 0 {
        lines.push(format!("{} in it lost some of their requests", units::counted(cut.sessions_cut, "session")));
    }
    if cut.setup_carried > 0 {
        lines.push(format!("{} came along with their sessions", units::counted(cut.setup_carried, "setup row")));
    }
    lines.push(format!("next: rehearsal inspect {path}"));
    lines.join("\n")
}
