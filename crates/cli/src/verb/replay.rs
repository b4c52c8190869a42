//! `rehearsal replay`: trace → run.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use replay::abort::Condition;
use replay::limits::{CONNECTIONS_MAX, IN_FLIGHT_MAX};
use replay::probe;
use replay::profile::{Profile, Unit};
use replay::{Compared, ContentOptions, Pace, Pacing, Passes, Preflight, ReplayOptions, RunSummary, Snapshot, Stop, Users};
use trace::{RunNs, whole_ns};

use super::series::Asked;
use super::{Done, series};
use crate::comparison::ComparisonWords;
use crate::failure::Failure;
use crate::rate::{self, RateWords};
use crate::selection::SelectionWords;
use crate::{interrupt, output, parse};

const EXAMPLE: &str = "Examples:
  rehearsal serve vectors --listen 127.0.0.1:6333 &
  rehearsal synth -o nine.parquet --requests 2000
  rehearsal setup nine.parquet --target http://127.0.0.1:6333
  rehearsal replay nine.parquet --target http://127.0.0.1:6333 --speed 2 -o reports/first
  rehearsal replay nine.parquet --target http://127.0.0.1:6333 --loop forever --duration 30s \\
    --abort-when 'error_rate>20%/10s' --abort-when 'p99>2s/10s' -o reports/guarded
  rehearsal serve vectors --listen 127.0.0.1:6334 &
  rehearsal setup nine.parquet --target http://127.0.0.1:6334
  rehearsal replay nine.parquet --against old=http://127.0.0.1:6333,new=http://127.0.0.1:6334 \\
      --repeat 4 --interleave -o reports/old-new
  rehearsal replay nine.parquet --target http://127.0.0.1:6333 --loop forever --warmup 5s \\
      --profile steps:rate,from=100,to=500,by=100,hold=10s";

/// Examples, and the profiles there are.
pub fn example() -> String {
    format!("{EXAMPLE}\n\n{}", rate::profiles())
}

/// Words of `replay`.
#[derive(Args)]
pub struct Words {
    /// The trace: a file, or a folder of files
    trace: PathBuf,
    /// Where requests go, http:// or https://HOST:PORT; a replay never goes to the recorded address by itself
    #[arg(long, value_name = "URL", required_unless_present_any = ["map", "against"])]
    target: Option<String>,
    /// Where requests of one collection go (may be repeated)
    #[arg(long, value_name = "COLLECTION=URL", value_parser = parse::assignment)]
    map: Vec<(String, String)>,
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
    /// What a request waits for besides its instant: nothing; the earlier answers of its session, plus the recorded think time; or a user
    /// of a closed loop who is free
    #[arg(long, value_name = "KIND", value_enum)]
    pacing: Option<Kind>,
    /// Users of a closed loop, each with one session after the other (implies --pacing closed, as a --profile in users does)
    #[arg(long, value_name = "N", conflicts_with_all = ["speed", "rate", "profile"])]
    users: Option<u32>,
    /// How many users arrive per second [default: all at once]
    #[arg(long, value_name = "PER_SECOND", requires = "users", allow_hyphen_values = true)]
    spawn_rate: Option<f64>,
    /// Keep the recorded gaps inside sessions, divided by this, and let the rate move only session starts; `max` for no think times
    /// where sessions wait for answers
    #[arg(long, value_name = "X|max", allow_hyphen_values = true)]
    think_speed: Option<ThinkSpeed>,
    #[command(flatten)]
    selection: SelectionWords,
    /// Only the first so many sessions
    #[arg(long, value_name = "N")]
    sessions: Option<u64>,
    /// Only the first so many requests of each pass
    #[arg(long, value_name = "N")]
    requests: Option<u64>,
    /// Shorten idle gaps of the whole trace to this
    #[arg(long, value_name = "TIME", value_parser = parse::duration)]
    max_gap: Option<Duration>,
    /// Replay what is chosen so often, one pass after the other, each with sessions of its own
    /// [default: 1, or forever where users stay for a given time]
    #[arg(long = "loop", value_name = "N|forever")]
    passes: Option<Passes>,
    /// Send nothing that is due later than this
    #[arg(long, value_name = "TIME", value_parser = parse::duration)]
    duration: Option<Duration>,
    /// Add a header to every request, $NAME taken from the environment (may be repeated)
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// End the run, with exit code 1, when this is true over a window, such as 'error_rate>20%/10s' or 'p99>2s/30s' (may be repeated);
    /// METRIC>VALUE/WINDOW or METRIC<VALUE/WINDOW, of error_rate, shed_rate, p50, p90, p95, p99, p99.9, max, throughput, in_flight,
    /// lateness_p99
    #[arg(long, value_name = "CONDITION")]
    abort_when: Vec<Condition>,
    /// Wait so long for the targets to answer before starting
    #[arg(long, value_name = "TIME", value_parser = parse::duration)]
    wait_ready: Option<Duration>,
    /// Longest time for one request
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse::duration)]
    timeout: Duration,
    #[arg(long, value_name = "PROBE", help = probe::help())]
    probe: Vec<probe::Spec>,
    /// From one reading of the probes to the next, 100ms at least
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse::duration)]
    probe_every: Duration,
    /// Compute a series from those of the probes, with rate(NAME), ratio(A,B), sum(A,B…) and histogram_quantile(Q,NAME), for example
    /// 'hit_rate=ratio(rate(hits),rate(requests))' (may be repeated)
    #[arg(long, value_name = "NAME=EXPRESSION")]
    derive: Vec<probe::Derived>,
    #[command(flatten)]
    comparison: ComparisonWords,
    /// Send requests that change the target, too
    #[arg(long)]
    allow_writes: bool,
    /// Do not ask the target whether it has the trace's collections
    #[arg(long)]
    no_check: bool,
    /// Refuse a schedule whose peak is above this, requests per second
    #[arg(long, value_name = "PER_SECOND")]
    max_rate: Option<f64>,
    /// Connections open at once [default: 1024, or as many as users]
    #[arg(long, value_name = "N")]
    max_connections: Option<usize>,
    /// Open so many connections before the run starts
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    open_connections: usize,
    /// Requests due and not yet answered at once; past it requests are shed, and counted [default: 10000, or as many as users]
    #[arg(long, value_name = "N")]
    max_in_flight: Option<usize>,
    /// Bytes of requests that wait for a connection; past it requests are shed, and counted
    #[arg(long, value_name = "BYTES", default_value_t = replay::limits::QUEUED_BYTES_MAX)]
    max_queued_bytes: usize,
    /// Threads that send [default: one a core]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Seed of every random choice
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A name for tables and charts [default: the folder's]
    #[arg(long, default_value = "", hide_default_value = true)]
    label: String,
    /// Free text to keep with the run
    #[arg(long, default_value = "", hide_default_value = true)]
    note: String,
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

/// The kinds of [`Pacing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Open,
    Session,
    Closed,
}

#[derive(Debug, Clone, Copy)]
struct ThinkSpeed(f64);

impl FromStr for ThinkSpeed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let speed = if text == "max" { Ok(f64::INFINITY) } else { text.parse() };
        speed.map(Self).map_err(|_| "write a number above 0 such as 0.5 or 4, or `max`".to_owned())
    }
}

pub fn run(words: Words) -> Result<Done, Failure> {
    let (dry_run, json) = (words.dry_run, words.json);
    let (against, repeat, interleave) = (words.against.clone(), words.repeat, words.interleave);
    let options = options(words)?;
    if !against.is_empty() || repeat != 1 || interleave {
        return series::run(&Asked { against, repeat, interleave, dry_run, json }, &options);
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
    output::say(&if json { serde_json::to_string_pretty(&summary)? } else { account(&options, &summary) })?;
    Ok(if is_finding(&summary) { Done::Finding } else { Done::Fine })
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
        None => next_folder(&stem(&words.trace))?,
    };
    let name = out.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let content = ContentOptions {
        selection: words.selection.selection()?,
        sessions: words.sessions,
        requests: words.requests,
        gap_max: words.max_gap,
        // Users who stay for a given time go on with the content from its start.
        passes: words.passes.unwrap_or(if pacing.users().is_some_and(|users| users.end().is_some()) {
            Passes::Forever
        } else {
            Passes::default()
        }),
    };
    let arrivals = words.rate.arrivals()?;
    let users = pacing.users().map_or(0, |users| users.most() as usize);
    let (rules, comparison) = words.comparison.taken()?;
    Ok(ReplayOptions {
        trace: words.trace,
        content,
        target: words.target,
        map: words.map,
        headers: words.header,
        label: if words.label.is_empty() { name } else { words.label },
        out,
        note: words.note,
        command: std::env::args().collect(),
        pace,
        arrivals,
        warmup: words.rate.warmup,
        pacing,
        think_speed: words.think_speed.map(|speed| speed.0),
        duration: words.duration,
        rate_max_per_s: words.max_rate,
        rules,
        comparison,
        allow_writes: words.allow_writes,
        abort_when: words.abort_when,
        timeout: words.timeout,
        wait_ready: words.wait_ready,
        check_collections: !words.no_check,
        workers: words.workers,
        connections_max: words.max_connections.unwrap_or(CONNECTIONS_MAX.max(users)),
        open_connections: words.open_connections,
        in_flight_max: words.max_in_flight.unwrap_or(IN_FLIGHT_MAX.max(users)),
        queued_bytes_max: words.max_queued_bytes,
        probes: words.probe,
        probe_every: words.probe_every,
        derived: words.derive,
        seed: words.seed,
    })
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
            return match words.pacing {
                None | Some(Kind::Open) => Ok((pace, Pacing::Open)),
                Some(Kind::Session) => Ok((pace, Pacing::Session)),
                Some(Kind::Closed) => {
                    Err(Failure::new("--pacing closed needs users: say how many with --users N or a --profile in users"))
                }
            };
        }
    };
    if matches!(words.pacing, Some(Kind::Open | Kind::Session)) {
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

fn stem(trace: &Path) -> String {
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
