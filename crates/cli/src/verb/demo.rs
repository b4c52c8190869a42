//! `rehearsal demo`: all of it once, on the testbed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use analysis::compare::source::Sides;
use analysis::compare::{CompareOptions, compare};
use analysis::threshold::Thresholds;
use analysis::{Report, ReportOptions};
use capture::synth::{self, Length, Options};
use clap::Args;
use replay::setup::CollectionPlan;
use replay::target::Target;
use replay::{Arrivals, ContentOptions, Pace, Passes, ReplayOptions, Stop};
use stats::compare::Outcome;
use stats::search::{Goal, Plan};
use testbed::queue::QueueOptions;

use super::trials::{Between, Trials};
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
/// The runs, each with its speed; the last two are compared.
const RUNS: [(&str, f64); 3] = [("x1", 1.0), ("x4", 4.0), ("x4-again", 4.0)];
/// The queue whose capacity is searched for: 500/s in all.
const QUEUE_WORKERS: usize = 2;
const QUEUE_SERVICE: &str = "exp:4ms";
/// What it has to hold; fewer answers than for a p99 will do.
const THRESHOLD: &str = "p95<25ms";
/// Where the search begins; trials of a second or two, and one for each side of the bound.
const START_PER_S: f64 = 150.0;
const SHORT_S: f64 = 1.0;
const FULL_S: f64 = 2.0;
const WIDTH: f64 = 0.1;

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
    let mut reports = RUNS
        .iter()
        .map(|(name, speed)| replay_and_report(&folder, &trace, &server.url(), name, *speed, &stop))
        .collect::<Result<Vec<_>, _>>()?;
    server.stop();
    compare_last(&folder)?;
    reports.push(search_and_report(&folder, &trace, &stop)?);
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

fn replay_and_report(folder: &Path, trace: &Path, url: &str, name: &str, speed: f64, stop: &Stop) -> Result<Report, Failure> {
    let out = folder.join(name);
    let words = ["rehearsal", "replay", &trace.display().to_string(), "--target", url, "--speed", &speed.to_string()];
    let options = ReplayOptions {
        trace: trace.to_owned(),
        target: Some(url.to_owned()),
        label: format!("demo {name}"),
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
    output::tell(&format!("{}report: {}", report.overview.terminal(), report.html.display()))?;
    Ok(report)
}

/// Holds the last two runs against each other; one run a side says little, and that is said. Runs that the generator spoilt are not compared.
fn compare_last(folder: &Path) -> Result<(), Failure> {
    let [.., (before, _), (after, _)] = RUNS;
    let sides = Sides::of_paths(&[folder.join(before)], &[folder.join(after)])?;
    let options = CompareOptions { now_unix_ns: replay::unix_ns(), ..CompareOptions::default() };
    let comparison = match compare(sides, &options) {
        Err(analysis::Error::Refused(sentence)) => return output::say(&format!("\nnot compared: {sentence}")),
        comparison => comparison?,
    };
    let words = ["rehearsal", "compare", &folder.join(before).display().to_string(), &folder.join(after).display().to_string()];
    let page = comparison.write(&folder.join("compared"), Outcome::Major, words.map(str::to_owned).to_vec())?;
    output::tell(&format!("\n{}report: {}", comparison.terminal(output::columns()), page.display()))
}

/// Searches for what a queue bears, in trials so short that the answer is a rough one.
fn search_and_report(folder: &Path, trace: &Path, stop: &Stop) -> Result<Report, Failure> {
    let queue =
        QueueOptions { workers: QUEUE_WORKERS, service: QUEUE_SERVICE.parse()?, waiting_max: testbed::limits::WAITING_MAX };
    let capacity_per_s = queue.capacity_per_s();
    let server = testbed::serve(testbed::Options::new(testbed::Target::Queue(queue)))?;
    output::say(&format!("\nqueue that serves {capacity_per_s:.0}/s listening on {}", server.url()))?;
    let out = folder.join("capacity");
    let options = ReplayOptions {
        trace: trace.to_owned(),
        target: Some(server.url()),
        label: "demo capacity".to_owned(),
        command: ["rehearsal", "search", &trace.display().to_string(), "--target", &server.url(), "--threshold", THRESHOLD]
            .map(str::to_owned)
            .to_vec(),
        out: out.clone(),
        content: ContentOptions { passes: Passes::Forever, ..ContentOptions::default() },
        arrivals: Arrivals::Named("poisson".to_owned()),
        check_collections: false,
        seed: 1,
        ..ReplayOptions::default()
    };
    let thresholds: Thresholds = Thresholds::new([THRESHOLD.parse().map_err(Failure::new)?]).map_err(Failure::new)?;
    let plan = Plan {
        short_s: SHORT_S,
        goal: Goal { full_s: FULL_S, sum_s: FULL_S, ..Goal::DEFAULT },
        width: WIDTH,
        ..Plan::from_start(START_PER_S)
    };
    let mut trials = Trials::prepare(options, Between { cool_down: Duration::ZERO, command: None }, stop.child())?;
    trials.search(plan, &thresholds, |info| output::say(&info.progress()))?;
    server.stop();
    let report = analysis::report(&out, &ReportOptions::default())?;
    output::tell(&format!("{}report: {}", report.overview.terminal(), report.html.display()))?;
    Ok(report)
}
