//! `rehearsal baseline`: keeps what comparisons need of runs, in small files beside the code.

use std::path::PathBuf;

use analysis::compare::baseline::{Kept, Shelf};
use analysis::compare::{CompareOptions, bundle};
use analysis::units;
use clap::{Args, Subcommand};

use super::Done;
use crate::failure::Failure;
use crate::output;

pub const EXAMPLE: &str = "Examples:
  rehearsal baseline save reports/old --name main
  rehearsal baseline list
  rehearsal compare main reports/new
  rehearsal baseline save reports/new --name main
  rehearsal baseline promote main

baselines/NAME.json is the one that counts; all that were saved stay in baselines/NAME/ under their numbers.";

/// Where baselines are kept.
pub const FOLDER: &str = "baselines";

/// Words of `baseline`.
#[derive(Args)]
pub struct Words {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Keep the figures of runs under a name
    #[command(after_help = EXAMPLE)]
    Save {
        /// Runs of one version: their folders, or a folder that `replay --repeat` made
        #[arg(value_name = "RUN", required = true)]
        runs: Vec<PathBuf>,
        /// What it is called
        #[arg(long, value_name = "NAME")]
        name: String,
        /// A figure besides the usual ones that is to be exact: p95{collection=NAME}, p97.5 (may be repeated)
        #[arg(long, value_name = "FIGURE")]
        figure: Vec<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Say which are kept, and which of each name counts
    #[command(after_help = EXAMPLE)]
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Let another one of a name count: the newest, or the one of a number
    #[command(after_help = EXAMPLE)]
    Promote {
        /// Its name
        name: String,
        /// Its number [default: the newest]
        #[arg(long, value_name = "N")]
        number: Option<u32>,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Args)]
struct Common {
    /// Where baselines are kept
    #[arg(short = 'd', long, value_name = "FOLDER", default_value = FOLDER)]
    baselines: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(words: Words) -> Result<Done, Failure> {
    match words.what {
        What::Save { runs, name, figure, common } => save(&runs, &name, &figure, &common)?,
        What::List { common } => list(&common)?,
        What::Promote { name, number, common } => promote(&name, number, &common)?,
    }
    Ok(Done::Fine)
}

fn save(runs: &[PathBuf], name: &str, figures: &[String], common: &Common) -> Result<(), Failure> {
    let options = CompareOptions { figures: figures.to_vec(), now_unix_ns: replay::unix_ns(), ..CompareOptions::default() };
    let baseline = bundle(name, runs, &options)?;
    let shelf = Shelf::new(&common.baselines);
    let (number, path) = shelf.save(&baseline)?;
    let kept = shelf.list()?.into_iter().find(|kept| kept.path == path);
    let Some(kept) = kept else { return Err(Failure::new(format!("{} is not there any more", path.display()))) };
    if common.json {
        return output::say(&serde_json::to_string_pretty(&kept)?);
    }
    let counts = if kept.current { "it counts" } else { "`rehearsal baseline promote` lets it count" };
    let merged = kept.head.merged;
    let merged = if merged > 0 {
        format!("; {} of the rarest collections and operations are kept as one", units::count(merged as u64))
    } else {
        String::new()
    };
    let size = units::bytes(kept.bytes as f64);
    output::say(&format!(
        "{}: {} as {name} number {number}, {size}; {counts}{merged}",
        path.display(),
        units::counted(kept.head.runs as u64, "run")
    ))
}

fn list(common: &Common) -> Result<(), Failure> {
    let kept = Shelf::new(&common.baselines).list()?;
    if common.json {
        return output::say(&serde_json::to_string_pretty(&kept)?);
    }
    if kept.is_empty() {
        return output::say(&format!("no baselines in {}", common.baselines.display()));
    }
    output::say(&kept.iter().map(line).collect::<Vec<_>>().join("\n"))
}

fn line(kept: &Kept) -> String {
    let Kept { number, current, bytes, head, .. } = kept;
    let counts = if *current { "*" } else { " " };
    let ns = |ns: Option<i64>| ns.map_or_else(|| "insufficient".to_owned(), |ns| units::duration(ns as f64));
    let saved = units::utc(head.saved_unix_ns);
    let (runs, size) = (units::counted(head.runs as u64, "run"), units::bytes(*bytes as f64));
    let trace = &head.trace_hash[..head.trace_hash.len().min(12)];
    format!(
        "{counts} {} {number:03}  {saved}  {}  {runs}  trace {trace}  p50 {}  p99 {}  {size}",
        head.name,
        head.label,
        ns(head.p50_ns),
        ns(head.p99_ns)
    )
}

fn promote(name: &str, number: Option<u32>, common: &Common) -> Result<(), Failure> {
    let shelf = Shelf::new(&common.baselines);
    let number = shelf.promote(name, number)?;
    if common.json {
        return output::say(&serde_json::to_string_pretty(&serde_json::json!({ "name": name, "number": number }))?);
    }
    output::say(&format!("{}: {name} number {number} counts", shelf.current(name).display()))
}
