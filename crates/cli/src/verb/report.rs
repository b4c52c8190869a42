//! `rehearsal report`: run or search → findings and a report.

use std::path::{Path, PathBuf};

use analysis::breaking::{Asked, KINDS, Kind};
use analysis::overview::Overview;
use analysis::{ReportOptions, index, terminal_table, units};
use clap::Args;

use super::Done;
use crate::capacity::CapacityWords;
use crate::failure::Failure;
use crate::thresholds::ThresholdWords;
use crate::{output, thresholds};

const EXAMPLE: &str = "Examples:
  rehearsal report reports/first
  rehearsal report reports/first --threshold 'p95<20ms' --threshold 'error_rate<0.1%' --junit junit.xml
  rehearsal report reports/first --note 'restart-1: out of memory; its limit was raised' --note 'with the new index'
  rehearsal report reports/ramp --limit connections=1000 --limit cpu=80%
  rehearsal report reports/first --demand 5000/s --reserve 1 --price '0.40 EUR/h'
  rehearsal report reports --threshold 'p95<20ms' --junit junit.xml
  rehearsal report reports/rates --demand 5000/s";

/// Examples, and what thresholds and limits can be about.
pub fn example() -> String {
    let limit = |kind: &Kind| format!("  {:<14} {}\n", kind.name, kind.about);
    let limits: String = KINDS.iter().map(limit).collect();
    format!(
        "{EXAMPLE}\n\n{}\n\nLimits, on average over a step of a load that grows:\n{}",
        thresholds::metrics(),
        limits.trim_end()
    )
}

/// Words of `report`.
#[derive(Args)]
pub struct Words {
    /// The folder of a run, of a search, or one with runs in it: of that an index page is made, each run held against the thresholds, and
    /// capacity read from all of them, at one load each
    run: PathBuf,
    /// Where the report goes [default: into that folder]
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Write stats.csv, stats_history.csv and failures.csv as well
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    thresholds: ThresholdWords,
    /// What a load that grows may not pass: where it does is a breaking point [repeatable]
    #[arg(long = "limit", value_name = "NAME=VALUE")]
    limits: Vec<Asked>,
    /// Write pass and fail of the run and of each threshold as JUnit XML, a suite for each run
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// What came of an issue that a run's report lists ('restart-1: the host ran out of memory'), or anything about the run, the search or the
    /// folder; kept in the report and in later ones at the same place; 'KEY:' takes one back [repeatable]
    #[arg(long = "note", value_name = "[KEY:] TEXT")]
    notes: Vec<String>,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    capacity: CapacityWords,
}

pub fn run(words: Words) -> Result<Done, Failure> {
    let thresholds = words.thresholds.taken()?;
    let (capacity, limits) = (words.capacity.question()?, words.limits);
    let options =
        ReportOptions { out: words.output, csv: words.csv, thresholds, limits, junit: words.junit, capacity, notes: words.notes };
    if index::holds_runs(&words.run) {
        return list(&words.run, &options, words.json);
    }
    let report = analysis::report(&words.run, &options)?;
    if words.json {
        output::say(&std::fs::read_to_string(report.html.with_file_name("findings.json"))?)?;
    } else {
        let thresholds = analysis::threshold::terminal(&report.thresholds, output::columns());
        let (overview, spread) = (report.overview.terminal(), output::spread(&report.spread));
        output::tell(&format!("{thresholds}{overview}{spread}{}report: {}", report.capacity, report.html.display()))?;
    }
    Ok(done(&report.overview))
}

/// The page of a folder of runs.
fn list(dir: &Path, options: &ReportOptions, json: bool) -> Result<Done, Failure> {
    let index = index::index(dir, options)?;
    if json {
        output::say(&std::fs::read_to_string(index.html.with_file_name("index.json"))?)?;
    } else {
        let thresholds = index.thresholds.map(|table| terminal_table(&table, output::columns())).unwrap_or_default();
        let verdict = format!("{}: {}\n", index.overview.word, index.overview.sentence);
        let verdict = if index.overview.word == "INDEX" { String::new() } else { verdict };
        let listed = format!("{} listed in {}", units::counted(index.entries as u64, "folder"), index.html.display());
        output::tell(&format!("{thresholds}{verdict}{}{listed}", index.capacity))?;
    }
    Ok(done(&index.overview))
}

fn done(overview: &Overview) -> Done {
    if overview.exit_code() == 0 { Done::Fine } else { Done::Finding }
}
