//! `rehearsal search`: the largest rate a target bears, by trials that are replays at a constant rate.

use std::path::PathBuf;
use std::time::Duration;

use analysis::search::SearchInfo;
use analysis::threshold::Thresholds;
use clap::Args;
use replay::{Pacing, Passes, ReplayOptions, Stop};
use stats::search::{Goal, Plan};

use super::trials::{Between, Trials};
use super::{Done, replay as replaying};
use crate::failure::Failure;
use crate::thresholds::ThresholdWords;
use crate::traffic::{Kind, TrafficWords};
use crate::{interrupt, output, parse, thresholds};

const EXAMPLE: &str = "Example:
  rehearsal serve queue --service exp:2ms --listen 127.0.0.1:8080 &
  rehearsal synth -o searches.parquet --requests 5000
  rehearsal search searches.parquet --target http://127.0.0.1:8080 --no-check --arrivals poisson \\
    --threshold 'p99<50ms' --trial 10s --short-trial 5s -o reports/capacity
  rehearsal report reports/capacity

A trial is good when every threshold holds and the target keeps up with the load; error_rate<0.1% is one of them
unless you give another. The rate is doubled from the start on, then the gap is halved, in short trials and then in
full ones, and both sides are confirmed (MLRsearch, RFC 9971). A trial that the generator spoils counts for nothing.";

/// An example, and what thresholds can be about.
pub fn example() -> String {
    format!("{EXAMPLE}\n\n{}", thresholds::metrics())
}

/// The threshold on errors where none is given.
const ERRORS: &str = "error_rate<0.1%";

/// Words of `search`.
#[derive(Args)]
pub struct Words {
    #[command(flatten)]
    traffic: TrafficWords,
    #[command(flatten)]
    thresholds: ThresholdWords,
    #[command(flatten)]
    plan: PlanWords,
    /// Pause between trials, ten times as long after one in which requests timed out
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse::duration)]
    cool_down: Duration,
    /// Run this with `sh -c` before every trial, for example to reset the target; the search ends when it fails
    #[arg(long, value_name = "COMMAND")]
    before_trial: Option<String>,
    /// The search's folder, new or empty; each trial is a run in it [default: reports/TRACE-search-NUMBER]
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// How to search.
#[derive(Args)]
struct PlanWords {
    /// Rate to begin with, requests per second [default: a tenth of what eight connections get through in three seconds]
    #[arg(long, value_name = "PER_SECOND", allow_hyphen_values = true)]
    start: Option<f64>,
    /// The least rate worth knowing [default: a hundredth of the start]
    #[arg(long, value_name = "PER_SECOND", allow_hyphen_values = true)]
    min_rate: Option<f64>,
    /// The largest rate to try [default: a thousand times the start]
    #[arg(long, value_name = "PER_SECOND", allow_hyphen_values = true)]
    max_rate: Option<f64>,
    /// How far apart the rates that are borne and not borne may be in the end
    #[arg(long, value_name = "SHARE", default_value = "2%", value_parser = parse::share)]
    width: f64,
    /// Length of a full trial; its first tenth is warm-up, unless --warmup says how much
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse::duration)]
    trial: Duration,
    /// Length of the short trials that look for the neighbourhood [default: a third of a full one]
    #[arg(long, value_name = "TIME", value_parser = parse::duration)]
    short_trial: Option<Duration>,
    /// Time of full trials that the verdict on a rate rests on [default: three full trials]
    #[arg(long, value_name = "TIME", value_parser = parse::duration)]
    confirm: Option<Duration>,
    /// The share of that time that may be bad
    #[arg(long, value_name = "SHARE", default_value = "50%", value_parser = parse::share)]
    exceed: f64,
    /// The most trials
    #[arg(long, value_name = "N", default_value_t = 60)]
    trials_max: usize,
}

pub fn run(words: Words) -> Result<Done, Failure> {
    let (plan, json) = (words.plan, words.json);
    plan.check()?;
    let thresholds = with_errors(words.thresholds.taken()?)?;
    let options = options(words.traffic, words.output)?;
    let can_be_read = thresholds.check(!options.probes.is_empty(), options.comparison.is_some());
    can_be_read.map_err(|reason| Failure::new(format!("--threshold: {reason}")))?;
    let out = options.out.clone();
    let between = Between { cool_down: words.cool_down, command: words.before_trial };
    let mut trials = Trials::prepare(options, between, Stop::from(interrupt::flag()?))?;
    let Some(start_per_s) = plan.start.map_or_else(|| trials.probe(), |start| Ok(Some(start)))? else { return Ok(Done::Finding) };
    let told = |info: &SearchInfo| if json { Ok(()) } else { output::tell(&info.progress()) };
    let info = trials.search(plan.starting_at(start_per_s), &thresholds, told)?;
    if json {
        output::say(&serde_json::to_string_pretty(&info)?)?
    } else {
        output::tell(&info.account(&out))?
    }
    Ok(if info.overview().exit_code() == 0 { Done::Fine } else { Done::Finding })
}

/// Those that are asked for, and one on errors.
fn with_errors(asked: Thresholds) -> Result<Thresholds, Failure> {
    if asked.is_empty() {
        return Err(Failure::new("say what a trial has to hold, for example --threshold 'p99<50ms'"));
    }
    let errors = Thresholds::new([ERRORS.parse().map_err(Failure::new)?]).map_err(Failure::new)?;
    Ok(asked.over(errors))
}

fn options(traffic: TrafficWords, out: Option<PathBuf>) -> Result<ReplayOptions, Failure> {
    let pacing = match traffic.pacing {
        None | Some(Kind::Open) => Pacing::Open,
        Some(Kind::Session) => Pacing::Session,
        Some(Kind::Closed) => {
            return Err(Failure::new(
                "--pacing closed: a search moves a rate, and a closed loop has none; `replay --users` runs one",
            ));
        }
    };
    let out = match out {
        Some(out) => out,
        None => replaying::next_folder(&format!("{}-search", replaying::stem(&traffic.trace)))?,
    };
    traffic.options(replay::Pace::default(), pacing, Passes::Forever, out)
}

impl PlanWords {
    fn starting_at(&self, start_per_s: f64) -> Plan {
        let full_s = self.trial.as_secs_f64();
        let max_per_s = self.max_rate.unwrap_or_else(|| (start_per_s * 1000.0).max(self.min_rate.unwrap_or(0.0)));
        Plan {
            min_per_s: self.min_rate.unwrap_or_else(|| (start_per_s * 0.01).min(max_per_s)),
            max_per_s,
            width: self.width,
            short_s: self.short_trial.map_or(full_s / 3.0, |short| short.as_secs_f64()),
            goal: Goal { full_s, sum_s: self.confirm.map_or(3.0 * full_s, |sum| sum.as_secs_f64()), exceed: self.exceed },
            trials_max: self.trials_max,
            ..Plan::from_start(start_per_s)
        }
    }

    /// Refuses what makes no sense, one sentence for the first.
    fn check(&self) -> Result<(), Failure> {
        let plan = self.starting_at(self.start.or(self.max_rate).or(self.min_rate).unwrap_or(1.0));
        let above_0 = |value: f64| value.is_finite() && value > 0.0;
        let rates = [("--start", self.start), ("--min-rate", self.min_rate), ("--max-rate", self.max_rate)];
        let wrong = rates.into_iter().find(|(_, rate)| rate.is_some_and(|rate| !above_0(rate)));
        let refused = match wrong {
            Some((option, rate)) => format!("{option}: wanted a number above 0, found {}", rate.unwrap_or_default()),
            None if plan.min_per_s > plan.max_per_s => {
                format!("--min-rate {} is above --max-rate {}", plan.min_per_s, plan.max_per_s)
            }
            None if !above_0(plan.width) => "--width: wanted a share above 0, such as 2%".to_owned(),
            None if plan.goal.exceed >= 1.0 => "--exceed: below 100%, or every trial might be bad".to_owned(),
            None if !above_0(plan.short_s) => "--trial and --short-trial: wanted a time above 0".to_owned(),
            None if plan.short_s > plan.goal.full_s => {
                format!("--short-trial {} s is longer than --trial {} s", plan.short_s, plan.goal.full_s)
            }
            None if plan.goal.sum_s < plan.goal.full_s => {
                format!("--confirm {} s is shorter than one --trial of {} s", plan.goal.sum_s, plan.goal.full_s)
            }
            None if plan.trials_max == 0 => "--trials-max: wanted a number above 0, found 0".to_owned(),
            None => return Ok(()),
        };
        Err(Failure::new(refused))
    }
}
