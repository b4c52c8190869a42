//! `rehearsal inspect`: what is in a trace or in a run.

use std::path::PathBuf;

use analysis::histograms;
use analysis::inspect::{self, run};
use analysis::scope::Scope;
use analysis::spread::Shape;
use clap::Args;
use serde::Serialize;

use super::Done;
use crate::failure::Failure;
use crate::output;

pub const EXAMPLE: &str = "Examples:
  rehearsal synth -o nine.parquet --requests 2000
  rehearsal inspect nine.parquet

  rehearsal inspect reports/first
  rehearsal inspect reports/first --by phase,target,operation --scope '{collection=products}'";

/// Words of `inspect`.
#[derive(Args)]
pub struct Words {
    /// The trace (a file, or a folder of files), or a run's folder
    path: PathBuf,
    /// Of a run: what its requests are told apart by: collection, operation, target, phase, effect, transaction [default: collection,operation]
    #[arg(long, value_name = "WORDS")]
    by: Option<String>,
    /// Of a run: only these requests, such as '{collection=products,phase=stress}'
    #[arg(long)]
    scope: Option<Scope>,
    /// Of a run: percentiles from its merged histograms instead of its outcomes, by collection, operation or phase
    #[arg(long, conflicts_with = "scope")]
    histograms: bool,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(words: Words) -> Result<Done, Failure> {
    if words.path.join("run.json").exists() { inspect_run(words) } else { inspect_trace(words) }
}

fn inspect_run(words: Words) -> Result<Done, Failure> {
    let known = if words.histograms { &histograms::WORDS[..] } else { &run::WORDS };
    let by = words.by.as_deref().map_or_else(|| Ok(run::BY.to_vec()), |list| run::words(list, known)).map_err(Failure::new)?;
    if words.histograms {
        let summary = run::inspect_histograms(&words.path, &by)?;
        told(words.json, &summary, |columns| summary.text(columns), &summary.spread)?;
        return Ok(Done::Fine);
    }
    let summary = run::inspect_run(&words.path, &by, &words.scope.unwrap_or_default())?;
    told(words.json, &summary, |columns| summary.text(columns), &summary.spread)?;
    Ok(if summary.exit_code() == 0 { Done::Fine } else { Done::Finding })
}

/// A summary as JSON, or its text and how its times are spread.
fn told(json: bool, summary: &impl Serialize, text: impl Fn(usize) -> String, spread: &[Shape]) -> Result<(), Failure> {
    match json {
        true => output::say(&serde_json::to_string_pretty(summary)?),
        false => output::tell(&format!("{}\n{}", text(output::columns()), output::spread(spread))),
    }
}

fn inspect_trace(words: Words) -> Result<Done, Failure> {
    if words.by.is_some() || words.scope.is_some() || words.histograms {
        let path = words.path.display();
        return Err(Failure::new(format!(
            "--by, --scope and --histograms look at a run, and {path} is none: it holds no run.json"
        )));
    }
    let summary = inspect::inspect(&words.path)?;
    match words.json {
        true => output::say(&serde_json::to_string_pretty(&summary)?)?,
        false => output::tell(&summary.to_string())?,
    }
    Ok(Done::Fine)
}
