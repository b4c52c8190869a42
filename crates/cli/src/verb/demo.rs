//! `rehearsal demo`: all of it once, on the testbed.

use std::path::{Path, PathBuf};

use analysis::{Report, ReportOptions};
use capture::synth::{self, Length, Options};
use clap::Args;
use replay::setup::CollectionPlan;
use replay::target::Target;
use replay::{Pace, ReplayOptions, Stop};

use super::{Done, replay as replaying, setup};
use crate::failure::Failure;
use crate::{interrupt, output};

pub const EXAMPLE: &str = "Example:
  rehearsal demo";

/// Requests of the demo's trace, and their rate as recorded.
const REQUESTS: u64 = 4000;
const RATE_PER_S: f64 = 200.0;
/// Points of each collection.
const POINTS: u64 = 500;
/// The speeds it is replayed at.
const SPEEDS: [f64; 2] = [1.0, 4.0];

/// Words of `demo`.
#[derive(Args)]
pub struct Words {
    /// Where trace, runs and reports go, new or empty [default: reports/demo-NUMBER]
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

pub fn run(words: Words) -> Result<Done, Failure> {
    let folder = match words.output {
        Some(folder) => folder,
        None => replaying::next_folder("demo")?,
    };
    std::fs::create_dir_all(&folder)?;
    let trace = synthesize(&folder)?;
    let server = testbed::serve(testbed::Options::new(testbed::Target::Vectors))?;
    output::say(&format!("vector search listening on {}", server.url()))?;
    fill(&trace, &server.url())?;
    let stop = Stop::from(interrupt::flag()?);
    let reports = SPEEDS
        .iter()
        .map(|speed| replay_and_report(&folder, &trace, &server.url(), *speed, &stop))
        .collect::<Result<Vec<_>, _>>()?;
    server.stop();
    let verdicts = reports.iter().map(|report| report.overview.exit_code());
    Ok(if verdicts.max() == Some(0) { Done::Fine } else { Done::Finding })
}

fn synthesize(folder: &Path) -> Result<PathBuf, Failure> {
    let trace = folder.join("trace.parquet");
    let options = Options { length: Length::Requests(REQUESTS), rate_per_s: RATE_PER_S, points: POINTS, ..Options::default() };
    let meta = synth::synthesize(&trace, &options, |_| ())?;
    output::say(&format!("{}: {} vector searches over nine collections", trace.display(), meta.exchanges))?;
    Ok(trace)
}

fn fill(trace: &Path, url: &str) -> Result<(), Failure> {
    let (plan, made_for) = setup::plan_of_trace(trace)?;
    let points = |collection: &CollectionPlan| setup::points_of(collection, made_for.as_ref(), 1);
    let filled = replay::setup::setup(&Target::parse(url)?, &[], &plan, points, |_| ())?;
    output::say(&format!("{} collections filled with {POINTS} points each", filled.len()))
}

fn replay_and_report(folder: &Path, trace: &Path, url: &str, speed: f64, stop: &Stop) -> Result<Report, Failure> {
    let out = folder.join(format!("x{speed}"));
    let words = ["rehearsal", "replay", &trace.display().to_string(), "--target", url, "--speed", &speed.to_string()];
    let options = ReplayOptions {
        trace: trace.to_owned(),
        target: Some(url.to_owned()),
        label: format!("demo ×{speed}"),
        command: words.map(str::to_owned).to_vec(),
        out: out.clone(),
        pace: Pace::speed(speed)?,
        seed: 1,
        ..ReplayOptions::default()
    };
    let plan = replay::preflight(&options)?;
    output::say(&format!("\n{}", replaying::announcement(&options, &plan)))?;
    replaying::replay_with_progress(&options, &plan, &stop.child(), "")?;
    let report = analysis::report(&out, &ReportOptions::default())?;
    output::say(&format!("{}report: {}", report.overview.terminal(), report.html.display()))?;
    Ok(report)
}
