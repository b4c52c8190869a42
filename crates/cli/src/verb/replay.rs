//! `rehearsal replay`: trace → run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use replay::abort::Condition;
use replay::profile::{Profile, Unit};
use replay::{Compared, Pace, Pacing, Passes, Preflight, ReplayOptions, RunSummary, Snapshot, Stop, Users};
use trace::{RunNs, whole_ns};

use super::series::Asked;
use super::{Done, series};
use crate::failure::Failure;
use crate::rate::{self, RateWords};
use crate::thresholds::{Held, ThresholdWords};
use crate::traffic::{Kind, TrafficWords};
use crate::{interrupt, output, parse, thresholds};

const EXAMPLE: &str = "Examples:
  rehearsal serve vectors --listen 127.0.0.1:6333 &
  rehearsal synth -o nine.parquet --requests 2000
  rehearsal setup nine.parquet --target http://127.0.0.1:6333
  rehearsal replay nine.parquet --target http://127.0.0.1:6333 --speed 2 -o reports/first
  rehearsal replay nine.parquet --target http://127.0.0.1:6333 --loop forever --duration 30s \\
    --abort-when 'error_rate>20%/10s' --abort-when 'p99>2s/10s' \\
    --threshold 'p95<20ms' --threshold 'error_rate<0.1%' -o reports/guarded
  rehearsal serve vectors --listen 127.0.0.1:6334 &
  rehearsal setup nine.parquet --target http://127.0.0.1:6334
  rehearsal replay nine.parquet --against old=http://127.0.0.1:6333,new=http://127.0.0.1:6334 \\
      --repeat 4 --interleave -o reports/old-new
  rehearsal replay nine.parquet --target http://127.0.0.1:6333 --loop forever --warmup 5s \\
      --profile steps:rate,from=100,to=500,by=100,hold=10s";

/// Examples, and the profiles there are.
pub fn example() -> String {
    format!("{EXAMPLE}\n\n{}\n\n{}", rate::profiles(), thresholds::metrics())
}

/// Words of `replay`.
#[derive(Args)]
pub struct Words {
    #[command(flatten)]
    traffic: TrafficWords,
    /// Targets to hold against each other, labelled; each run has a folder of its own, and pairs.json lists them
    #[arg(long, value_name = "A=URL,B=URL", value_parser = parse::assignment, value_delimiter = ',', conflicts_with_all = ["target", "map", "label"])]
    against: Vec<(String, String)>,
    /// Runs, of each target
    #[arg(long, value_name = "N", default_value_t = 1, hide_default_value = true)]
    repeat: u32,
    /// Let the targets take turns, ABBA, instead of one after the other
    #[arg(long)]
    interleave: bool,
    #[command(flatten)]
    rate: RateWords,
    /// Users of a closed loop, each with one session after the other (implies --pacing closed, as a --profile in users does)
    #[arg(long, value_name = "N", conflicts_with_all = ["speed", "rate", "profile"])]
    users: Option<u32>,
    /// How many users arrive per second [default: all at once]
    #[arg(long, value_name = "PER_SECOND", requires = "users", allow_hyphen_values = true)]
    spawn_rate: Option<f64>,
    /// Replay what is chosen so often, one pass after the other, each with sessions of its own
    /// [default: 1, or forever where users stay for a given time]
    #[arg(long = "loop", value_name = "N|forever")]
    passes: Option<Passes>,
    /// Send nothing that is due later than this
    #[arg(long, value_name = "TIME", value_parser = parse::duration)]
    duration: Option<Duration>,
    /// End the run, with exit code 1, when this is true over a window, such as 'error_rate>20%/10s' or 'p99>2s/30s' (may be repeated);
    /// METRIC>VALUE/WINDOW or METRIC<VALUE/WINDOW, of error_rate, shed_rate, p50, p90, p95, p99, p99.9, max, throughput, in_flight,
    /// lateness_p99
    #[arg(long, value_name = "CONDITION")]
    abort_when: Vec<Condition>,
    #[command(flatten)]
    thresholds: ThresholdWords,
    /// Write pass and fail of the run and of each threshold as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Refuse a schedule whose peak is above this, requests per second
    #[arg(long, value_name = "PER_SECOND")]
    max_rate: Option<f64>,
    /// The run's folder, new or empty [default: reports/TRACE-NUMBER]
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Say what it would take, and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(words: Words) -> Result<Done, Failure> {
    let (dry_run, json) = (words.dry_run, words.json);
    let (against, repeat, interleave) = (words.against.clone(), words.repeat, words.interleave);
    let junit = words.junit.clone();
    let options = options(words)?;
    if !against.is_empty() || repeat != 1 || interleave {
        return series::run(&Asked { against, repeat, interleave, dry_run, json, junit }, &options);
    }
    let plan = replay::preflight(&options)?;
    plan.check(&options)?;
    if dry_run {
        let text = if json { serde_json::to_string_pretty(&plan)? } else { plan.to_string() };
        output::say(&text)?;
        return Ok(Done::Fine);
    }
    let stop = Stop::from(interrupt::flag()?);
    plan.check_targets(&options, &stop)?;
    output::complain(&announcement(&options, &plan));
    let summary = replay_with_progress(&options, &plan, &stop, "")?;
    let held = judge(&options, junit.is_some());
    say(&options, &summary, held.as_ref().ok(), json)?;
    let held = held?;
    if let Some(path) = junit {
        analysis::junit::write(&path, held.suite.as_slice())?;
    }
    Ok(if is_finding(&summary) || held.is_finding() { Done::Finding } else { Done::Fine })
}

/// How a run that is over stands to what it was asked, where it was asked anything.
pub(super) fn judge(options: &ReplayOptions, as_tests: bool) -> Result<Held, Failure> {
    if options.thresholds.is_empty() && !as_tests { Ok(Held::default()) } else { Held::load(&options.out) }
}

fn say(options: &ReplayOptions, summary: &RunSummary, held: Option<&Held>, json: bool) -> Result<(), Failure> {
    let judged = held.map(|held| held.judged.as_slice()).unwrap_or_default();
    if !json {
        let thresholds = analysis::threshold::terminal(judged, output::columns());
        return output::tell(&format!("{thresholds}{}", account(options, summary)));
    }
    let mut said = serde_json::to_value(summary)?;
    if !judged.is_empty() {
        said["thresholds"] = serde_json::to_value(judged)?;
    }
    output::say(&serde_json::to_string_pretty(&said)?)
}

/// Whether a run ends with exit code 1.
pub(super) fn is_finding(summary: &RunSummary) -> bool {
    summary.is_invalid() || summary.aborted.is_some() || summary.counts.ok == 0
}

/// The words as the engine takes them.
fn options(words: Words) -> Result<ReplayOptions, Failure> {
    let (pace, pacing) = pacing(&words)?;
    let out = match words.output {
        Some(out) => out,
        None => next_folder(&stem(&words.traffic.trace))?,
    };
    // Users who stay for a given time go on with the content from its start.
    let stay = pacing.users().is_some_and(|users| users.end().is_some());
    let passes = words.passes.unwrap_or(if stay { Passes::Forever } else { Passes::default() });
    let options = words.traffic.options(pace, pacing, passes, out)?;
    let (duration, rate_max_per_s, abort_when) = (words.duration, words.max_rate, words.abort_when);
    let thresholds = words.thresholds.taken()?;
    let checked = thresholds.check(!options.probes.is_empty(), options.comparison.is_some());
    checked.map_err(|reason| Failure::new(format!("--threshold: {reason}")))?;
    Ok(ReplayOptions { duration, rate_max_per_s, abort_when, thresholds: thresholds.words(), ..options })
}

/// How fast, and what `--pacing` and the options of users say together.
fn pacing(words: &Words) -> Result<(Pace, Pacing), Failure> {
    let (pace, users) = match (words.users, words.rate.pace()?) {
        (Some(users), _) => {
            let profile: Profile =
                format!("constant:users,at={users}").parse().map_err(|e| Failure::new(format!("--users: {e}")))?;
            (Pace::Profile(profile), Users::arriving(users, spawn_rate(words)?))
        }
        (None, Pace::Profile(profile)) if profile.unit() == Unit::Users => {
            let users = Users::from_steps(profile.levels());
            (Pace::Profile(profile), users)
        }
        (None, pace) => {
            return match words.traffic.pacing {
                None | Some(Kind::Open) => Ok((pace, Pacing::Open)),
                Some(Kind::Session) => Ok((pace, Pacing::Session)),
                Some(Kind::Closed) => {
                    Err(Failure::new("--pacing closed needs users: say how many with --users N or a --profile in users"))
                }
            };
        }
    };
    if matches!(words.traffic.pacing, Some(Kind::Open | Kind::Session)) {
        return Err(Failure::new("users make a closed loop: leave them out, or write --pacing closed"));
    }
    let end = words.duration.map(|duration| RunNs(whole_ns(duration)));
    Ok((pace, Pacing::Closed(end.map_or(users.clone(), |end| users.until(end)))))
}

fn spawn_rate(words: &Words) -> Result<Option<f64>, Failure> {
    match words.spawn_rate {
        Some(per_s) if !(per_s.is_finite() && per_s > 0.0) => {
            Err(Failure::new(format!("--spawn-rate: wanted a number of users per second above 0, found {per_s}")))
        }
        per_s => Ok(per_s),
    }
}

pub(super) fn stem(trace: &Path) -> String {
    trace.file_stem().map_or_else(|| "run".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// The first of `reports/STEM-001`, `-002` … that does not exist.
pub(super) fn next_folder(stem: &str) -> Result<PathBuf, Failure> {
    let numbered = |number: u32| Path::new("reports").join(format!("{stem}-{number:03}"));
    let free = (1..10_000).map(numbered).find(|folder| !folder.exists());
    free.ok_or_else(|| Failure::new(format!("reports/ holds 9999 runs of {stem}; name a folder with -o")))
}

pub(super) fn announcement(options: &ReplayOptions, plan: &Preflight) -> String {
    let how = match (plan.duration_ns, plan.rate_per_s) {
        (Some(ns), Some(rate)) => format!("{:.1} s at {rate:.1}/s", ns as f64 / 1e9),
        _ if plan.users.is_some() => format!("{} users in a closed loop", plan.users.unwrap_or(0)),
        (None, Some(rate)) => format!("{rate:.1}/s until it is stopped"),
        _ => "as fast as the target answers".to_owned(),
    };
    let requests =
        plan.scheduled.map_or_else(|| format!("{} requests over and over", plan.requests), |due| format!("{due} requests"));
    let notes: String = plan.notes.iter().map(|note| format!("\n{note}")).collect();
    format!("replaying {requests}, {how}, into {}{notes}", options.out.display())
}

/// Replays in a thread of its own while this one shows how far it is, with `front` before it; `stop` ends it in order.
pub(super) fn replay_with_progress(
    options: &ReplayOptions,
    plan: &Preflight,
    stop: &Stop,
    front: &str,
) -> Result<RunSummary, Failure> {
    let live = replay::Progress::default();
    let mut shown = output::Progress::new();
    let every = if shown.is_terminal() { Duration::from_millis(500) } else { Duration::from_secs(5) };
    std::thread::scope(|scope| {
        let (done, when_done) = std::sync::mpsc::channel::<()>();
        let live = &live;
        let engine = scope.spawn(move || {
            let _done = done;
            replay::replay(options, plan, live, stop)
        });
        while let Err(std::sync::mpsc::RecvTimeoutError::Timeout) = when_done.recv_timeout(every) {
            shown.show(&format!("{front}{}", progress_line(&live.snapshot(), stop.asked())));
        }
        shown.end();
        engine.join().map_err(|_| Failure::new("the replay ended by a defect of rehearsal itself"))?.map_err(Failure::from)
    })
}

fn progress_line(live: &Snapshot, stopping: bool) -> String {
    let left = live.expected_ns.map(|end| format!(", {:.0} s left", ((end - live.at.ns()) as f64 / 1e9).max(0.0)));
    let ms = |ns: Option<u64>| ns.map_or_else(|| "–".to_owned(), |ns| format!("{:.2}", ns as f64 / 1e6));
    let failed = if live.over > 0 { 100.0 * live.failed as f64 / live.over as f64 } else { 0.0 };
    format!(
        "{:.0} s  {}{}  {:.0}/s  p50 {} ms  p99 {} ms  failed {failed:.2} %  late p99 {} ms{}",
        live.at.seconds().max(0.0),
        live.over,
        live.expected.map(|expected| format!("/{expected}")).unwrap_or_default(),
        live.rate_per_s,
        ms(live.p50_ns),
        ms(live.p99_ns),
        ms(live.lateness_p99_ns),
        if stopping { "  stopping".to_owned() } else { left.unwrap_or_default() }
    )
}

/// What happened, in a few lines.
fn account(options: &ReplayOptions, summary: &RunSummary) -> String {
    let counts = &summary.counts;
    let mut lines = vec![format!("{} sent, {} good, {} bad status", counts.sent, counts.ok, counts.bad_status)];
    lines.extend(counts.errors.iter().map(|(class, count)| format!("{count} {class}")));
    if let (Some(offered), Some(achieved)) = (summary.offered_per_s, summary.achieved_per_s) {
        lines.push(format!("offered {offered:.1}/s, achieved {achieved:.1}/s"));
    }
    if let (Some(p50), Some(p99)) = (summary.response_p50_ns, summary.response_p99_ns) {
        lines.push(format!("response time p50 {:.3} ms, p99 {:.3} ms", p50 as f64 / 1e6, p99 as f64 / 1e6));
    }
    if counts.blocked > 0 {
        lines.push(format!("{} waited for their own session's earlier answer", counts.blocked));
    }
    lines.extend(compared(&counts.compared));
    if let Some(verdict) = summary.fidelity.as_ref().and_then(|fidelity| fidelity.verdict) {
        lines.push(format!("timing {}", verdict.as_str()));
    }
    lines.extend(summary.warnings());
    // What cannot be read is told by the report.
    let spread = output::spread(&analysis::spread::of_run(&options.out).unwrap_or_default());
    lines.extend((!spread.is_empty()).then(|| spread.trim_end().to_owned()));
    lines.push(format!("run in {}; next: rehearsal report {}", options.out.display(), options.out.display()));
    lines.join("\n")
}

/// How many answers agree with the recorded ones, in a line; nothing where none were compared.
fn compared(compared: &Compared) -> Option<String> {
    let asked: u64 = compared.matches.values().sum();
    if asked == 0 {
        return None;
    }
    let parts: Vec<String> = compared.matches.iter().map(|(name, count)| format!("{count} {name}")).collect();
    let least =
        compared.recall_min.map(|least| format!("; recall of ids {:.3} on average, {least:.3} at least", compared.recall_mean));
    Some(format!("answers against the recording: {}{}", parts.join(", "), least.unwrap_or_default()))
}
