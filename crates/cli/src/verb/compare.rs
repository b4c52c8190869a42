//! `rehearsal compare`: runs of two versions → whether one is worse.

use std::path::PathBuf;

use analysis::compare::accept::Accepted;
use analysis::compare::baseline::{Shelf, resolve};
use analysis::compare::source::Sides;
use analysis::compare::{CompareOptions, compare};
use analysis::junit;
use clap::{Args, ValueEnum};
use stats::compare::Outcome;

use super::{Done, baseline};
use crate::failure::Failure;
use crate::thresholds::ThresholdWords;
use crate::{output, parse};

pub const EXAMPLE: &str = "Examples:
  rehearsal compare reports/old reports/new
  rehearsal compare --before reports/old-* --after reports/new-* -o reports/compared
  rehearsal compare reports/series --figure 'p95{collection=mixtral}' --fail-on minor
  rehearsal compare main reports/new

A run, a folder that `replay --repeat` made, and a baseline (its file, or the name it was saved under) may stand for a side. A folder that
`replay --against OLD=URL,NEW=URL` made stands for both; with --interleave its runs are compared in pairs, which tells most.

Known changes for --accept:
  accepted:
    - figure: p99
      up_to: 20%
      until: 2026-12-31
      reason: the new index";

/// Words of `compare`.
#[derive(Args)]
pub struct Words {
    /// The version that is known and the one in question, or a series of both
    #[arg(value_name = "RUN", num_args = 1..=2, required_unless_present = "before", conflicts_with_all = ["before", "after"])]
    runs: Vec<PathBuf>,
    /// Runs of the version that is known
    #[arg(long, value_name = "RUN", num_args = 1.., requires = "after")]
    before: Vec<PathBuf>,
    /// Runs of the version in question
    #[arg(long, value_name = "RUN", num_args = 1.., requires = "before")]
    after: Vec<PathBuf>,
    /// Which two sides of a series, the known one first [default: its two]
    #[arg(long, value_name = "OLD,NEW", value_parser = two)]
    sides: Option<(String, String)>,
    /// One figure more that decides, of some requests or all: p95{collection=NAME}, error_rate, p99.9 (may be repeated)
    #[arg(long, value_name = "FIGURE")]
    figure: Vec<String>,
    /// From which change on a figure matters: p99=15%, error_rate=0.1% (may be repeated) [default: p50 5%, p99 10%, throughput 5%, error_rate 0.5%]
    #[arg(long, value_name = "FIGURE=SHARE", value_parser = relevant)]
    relevant: Vec<(String, f64)>,
    #[command(flatten)]
    thresholds: ThresholdWords,
    /// Known changes that are accepted until a day, in a YAML file
    #[arg(long, value_name = "FILE")]
    accept: Option<PathBuf>,
    /// From which verdict on the exit code is 1
    #[arg(long, value_name = "VERDICT", default_value = "major")]
    fail_on: FailOn,
    /// Compare runs of different traces, or against different paths, all the same
    #[arg(long)]
    anyway: bool,
    /// Where baselines are kept
    #[arg(short = 'd', long, value_name = "FOLDER", default_value = baseline::FOLDER)]
    baselines: PathBuf,
    /// Decides the sign patterns that are tried for more than 16 pairs
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write compare.html, compare.md, compare.json and charts there
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Write the figures that decide, and thresholds, as tests in JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

/// A verdict from which on a comparison fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Even where nothing can be said.
    Inconclusive,
    /// Worse for certain, though perhaps by little.
    Minor,
    /// Worse by more than matters.
    Major,
    /// Worse by more than four times that.
    Critical,
}

impl From<FailOn> for Outcome {
    fn from(fail_on: FailOn) -> Self {
        match fail_on {
            FailOn::Inconclusive => Self::Inconclusive,
            FailOn::Minor => Self::Minor,
            FailOn::Major => Self::Major,
            FailOn::Critical => Self::Critical,
        }
    }
}

pub fn run(words: Words) -> Result<Done, Failure> {
    let sides = sides(&words)?;
    let options = CompareOptions {
        figures: words.figure,
        relevant: words.relevant,
        thresholds: words.thresholds.taken()?,
        accepted: words.accept.as_deref().map(Accepted::load).transpose()?.unwrap_or_default(),
        now_unix_ns: replay::unix_ns(),
        anyway: words.anyway,
        seed: words.seed,
    };
    let comparison = compare(sides, &options)?;
    let least = Outcome::from(words.fail_on);
    if let Some(path) = &words.junit {
        junit::write(path, &[comparison.suite(least)])?;
    }
    let page = words.output.map(|out| comparison.write(&out, least, command())).transpose()?;
    let written = page.map(|page| format!("\nreport: {}", page.display())).unwrap_or_default();
    if words.json {
        output::say(&comparison.json())?;
    } else {
        output::tell(&format!("{}{written}", comparison.terminal(output::columns())))?;
    }
    Ok(if comparison.fails(least) { Done::Finding } else { Done::Fine })
}

/// The command line, to be run again.
fn command() -> Vec<String> {
    std::iter::once("rehearsal".to_owned()).chain(std::env::args().skip(1)).collect()
}

fn sides(words: &Words) -> Result<Sides, Failure> {
    let shelf = Shelf::new(&words.baselines);
    let resolved = |paths: &[PathBuf]| paths.iter().map(|path| resolve(path, &shelf)).collect::<Vec<PathBuf>>();
    let labels = words.sides.as_ref().map(|(old, new)| (old.as_str(), new.as_str()));
    Ok(match &words.runs[..] {
        [] => Sides::of_paths(&resolved(&words.before), &resolved(&words.after))?,
        [series] => Sides::of_series(series, labels)?,
        [before, after, ..] => Sides::of_paths(&resolved(std::slice::from_ref(before)), &resolved(std::slice::from_ref(after)))?,
    })
}

fn two(text: &str) -> Result<(String, String), String> {
    match text.split(',').map(str::trim).collect::<Vec<_>>()[..] {
        [old, new] if !old.is_empty() && !new.is_empty() && old != new => Ok((old.to_owned(), new.to_owned())),
        _ => Err(format!("`{text}` is not OLD,NEW: two labels of the series")),
    }
}

fn relevant(text: &str) -> Result<(String, f64), String> {
    let (name, share) = text.rsplit_once('=').ok_or_else(|| format!("`{text}` is not FIGURE=SHARE, such as p99=15%"))?;
    Ok((name.trim().to_owned(), parse::factor(share.trim())?))
}
