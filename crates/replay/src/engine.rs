//! From a trace to a run: one reader, some workers, one recorder, each a thread, and the files they leave behind.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use stats::fidelity::{Completeness, Fidelity};
use trace::{ErrorClass, RunInfo, RunNs, RunStatus, schema, whole_ns, write_run_info};

use crate::abort::{Aborted, Watch};
use crate::answer::{AnswerBudget, Comparison, Judge};
use crate::clock::Clock;
use crate::content::Passes;
use crate::driver::{DRIVERS, Setup, of_target};
use crate::limits::OUTCOME_BLOCKS_MAX;
use crate::options::ReplayOptions;
use crate::pacing::Pacing;
use crate::phases::Phases;
use crate::preflight::Preflight;
use crate::probe::Watched;
use crate::probe::sampler::{Asked, Sampler};
use crate::progress::Progress;
use crate::reader::{Gathering, Reader, ReaderFigures, Routes};
use crate::record::{Counts, Recorded, Recorder};
use crate::request::{Block, Labels, Preparer};
use crate::schedule::{NEVER, Pace, Schedule};
use crate::sources::Sources;
use crate::spool::{ChainOf, Spool};
use crate::stop::Stop;
use crate::target::Targets;
use crate::users::Users;
use crate::worker::{Drive, Lines, Terms, Worker};
use crate::{Error, Result};

/// From the moment everything is ready to run start, so that a request due at 0 finds its worker waiting.
const LEAD_NS: i64 = 20_000_000;
/// The same for connections that are opened beforehand: for all of them, and for each. What is not open then is told.
const OPENING_NS: i64 = 500_000_000;
const OPENING_EACH_NS: i64 = 200_000;
/// Between two pairs of clocks in `run.json`.
const CLOCK_PAIRS_EVERY: Duration = Duration::from_secs(60);
/// Above this share of requests that waited for a limit or were shed at one, the run is called limit-bound.
const LIMIT_BOUND_SHARE: f64 = 0.01;

/// What must not be read into the latencies of a closed loop.
const CLOSED_LOOP: &str = "closed loop: users waited for their answers, so a slow target lowered the load, and response time is little more than service time";

/// How a run went.
#[derive(Debug, Clone, Serialize)]
pub struct RunSummary {
    /// Whether it came to its end.
    #[serde(skip)]
    pub status: RunStatus,
    /// What the reader counted.
    pub reader: ReaderFigures,
    /// What the recorder counted, the warm-up left out, as in all figures that follow.
    pub counts: Counts,
    /// Requests of the warm-up.
    pub warmup_requests: u64,
    /// Requests due per second, first to last due instant.
    pub offered_per_s: Option<f64>,
    /// Requests sent per second, first to last send.
    pub achieved_per_s: Option<f64>,
    /// Median response time, ns.
    pub response_p50_ns: Option<u64>,
    /// 99th percentile of the response time, ns.
    pub response_p99_ns: Option<u64>,
    /// Whether the timing was kept; `None` as fast as possible, where there is none.
    pub fidelity: Option<Fidelity>,
    /// The condition that ended it early.
    pub aborted: Option<Aborted>,
    /// What requests of a session waited for: `open`, `session` or `closed`.
    pub pacing: &'static str,
    /// Connections that were to be open at the start.
    pub open_connections: u64,
    /// The flag whose limit held back or shed more than 1 % of the requests.
    pub limit_bound: Option<&'static str>,
    /// What was watched meanwhile.
    pub watched: Watched,
}

impl RunSummary {
    /// Whether the generator itself was the limit, so that nothing can be said about the target's capacity: exit code 1.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        self.fidelity.as_ref().is_some_and(|fidelity| fidelity.generator_limited)
    }

    /// One line for each thing a user must not miss.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.aborted.iter().map(ToString::to_string).collect();
        if let Some(fidelity) = self.fidelity.as_ref().filter(|_| self.is_invalid()) {
            let criterion = fidelity.first_failing.map_or("", |criterion| criterion.as_str());
            lines.push(format!("INVALID: generator-limited ({criterion}): no figure of this run says what the target can bear"));
        }
        if let Some(flag) = self.limit_bound {
            lines.push(format!("limit-bound: {flag} held back or shed more than 1 % of the requests"));
        }
        if self.counts.open_at_start < self.open_connections {
            let (open, asked) = (self.counts.open_at_start, self.open_connections);
            lines.push(format!("{open} of {asked} connections were open at the start"));
        }
        if self.pacing == "closed" {
            lines.push(CLOSED_LOOP.to_owned());
        }
        let counted = [
            (self.warmup_requests, "requests of the warm-up are part of no figure"),
            (self.reader.beyond_end, "requests were due after the end of the run and not sent"),
            (self.reader.reorder_overrun, "requests were read too late, since sessions outlast what can be read ahead"),
            (self.reader.sessions_forgotten, "sessions were forgotten before they went on"),
            (self.reader.labels_merged, "requests are called `other`, since there are too many collections and operations"),
            (self.counts.errors_of(ErrorClass::Unreplayable), "requests could not be replayed"),
        ];
        lines.extend(counted.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
        lines.extend(self.watched.warnings());
        lines
    }
}

/// Replays what `preflight` found, and leaves a run in `options.out`. Live figures go to `progress`; `stop` ends it early.
///
/// # Errors
/// [`Error::Refused`] as [`Preflight::check`] and when the folder holds a run already, [`Error::Data`] and
/// [`Error::Io`] when files cannot be read or written; what was recorded until then stays readable.
pub fn replay(options: &ReplayOptions, preflight: &Preflight, progress: &Progress, stop: &Stop) -> Result<RunSummary> {
    preflight.check(options)?;
    make_folder(&options.out)?;
    let mut log = Log::create(&options.out)?;
    let mut info = describe(options, preflight);
    write_run_info(&options.out, &info)?;
    log.say(RunNs(0), &preflight.to_string())?;
    let result = run(options, preflight, progress, stop, &mut info);
    match &result {
        Ok(summary) => conclude(&mut info, summary),
        Err(_) => info.status = RunStatus::Failed,
    }
    let at = RunNs(info.clocks.last().map_or(0, |pair| pair.run_ns));
    match &result {
        Ok(summary) => summary.warnings().iter().try_for_each(|line| log.say(at, line))?,
        Err(error) => log.say(at, &error.to_string())?,
    }
    write_run_info(&options.out, &info)?;
    result
}

/// Everything that runs at once, wired together.
fn run(
    options: &ReplayOptions,
    preflight: &Preflight,
    progress: &Progress,
    stop: &Stop,
    info: &mut RunInfo,
) -> Result<RunSummary> {
    let targets = Arc::new(preflight.targets.clone());
    let labels = Arc::new(Labels::default());
    let crew = Crew::of(options, &targets);
    let (outboxes, inboxes): (Vec<Sender<Block>>, Vec<Receiver<Block>>) = crew.drivers.iter().map(|_| channel()).unzip();
    let (primed, when_primed) = channel();
    let gathering = gathering(options, preflight)?;
    let spool = gathering.as_ref().map(|gathering| gathering.spool.clone());
    let reader = reader(options, preflight, &targets, &labels, crew.routes.clone(), outboxes, stop, primed, gathering)?;
    let sampler = Sampler::new(&options.out, &asked_probes(options, preflight))?;
    std::thread::scope(|scope| {
        let reader = spawn(scope, "reader", || reader.run())?;
        // A reader that came to its end without a word has primed nothing, and the join below says why.
        let _ = when_primed.recv();
        let clock = Clock::starting_in(lead_ns(options));
        progress.update(|live| (live.expected, live.expected_ns) = (preflight.scheduled, preflight.duration_ns));
        let (reports, from_workers) = sync_channel(OUTCOME_BLOCKS_MAX);
        let (finished, when_finished) = channel();
        let watch = Watch::new(&options.abort_when, crew.drivers.len());
        let recorder = Recorder::new(
            &options.out,
            phases(options),
            clock.clone(),
            targets.clone(),
            labels,
            progress,
            watch,
            stop.clone(),
            Judge::new(options.rules.clone(), options.comparison.clone()),
        );
        let answers = Arc::new(AnswerBudget::default());
        let (running, when_over) = channel::<()>();
        let run_clock = clock.clone();
        let sampler = spawn(scope, "sampler", move || sampler.run(run_clock, &when_over))?;
        let recorder = spawn(scope, "recorder", move || {
            let _finished: Sender<()> = finished;
            recorder.run(&from_workers)
        })?;
        let mut workers = Vec::new();
        let sources = preflight.source_addresses;
        for (inbox, terms) in inboxes.into_iter().zip(crew.terms(options)) {
            let lines =
                Lines { inbox, spool: spool.clone(), recorder: reports.clone(), stop: stop.clone(), answers: answers.clone() };
            let (driver, clock, targets) = (crew.drivers[terms.worker as usize], clock.clone(), targets.clone());
            workers.push(spawn(scope, "worker", move || work(driver, terms, clock, targets, sources, lines))?);
        }
        drop(reports);
        keep_clocks(options, info, &clock, &when_finished, stop)?;
        workers.into_iter().try_for_each(|worker| join(worker, "worker"))?;
        let recorded = join(recorder, "recorder")?;
        drop(running);
        let watched = join(sampler, "sampler")?;
        Ok(summarize(options, recorded, join(reader, "reader")?, watched, stop.asked()))
    })
}

/// How long before run start workers begin.
fn lead_ns(options: &ReplayOptions) -> i64 {
    match options.open_connections as i64 {
        0 => LEAD_NS,
        connections => OPENING_NS + OPENING_EACH_NS * connections,
    }
}

/// Where sessions are gathered, if they are paced by real answers.
fn gathering(options: &ReplayOptions, preflight: &Preflight) -> Result<Option<Gathering>> {
    let chain = match options.pacing {
        Pacing::Open => return Ok(None),
        Pacing::Session => ChainOf::Stream,
        Pacing::Closed(_) => ChainOf::Session,
    };
    let think_speed = options.think_speed().unwrap_or(1.0);
    Ok(Some(Gathering { spool: Spool::create(&options.out, preflight.content.clone())?, chain, think_speed }))
}

#[expect(clippy::too_many_arguments, reason = "the parts of a reader, each made by another part of the run")]
fn reader(
    options: &ReplayOptions,
    preflight: &Preflight,
    targets: &Arc<Targets>,
    labels: &Arc<Labels>,
    routes: Routes,
    outboxes: Vec<Sender<Block>>,
    stop: &Stop,
    primed: Sender<()>,
    gathering: Option<Gathering>,
) -> Result<Reader> {
    let added = preflight.added.iter().map(|header| header.0.clone()).collect();
    let judge = Judge::new(options.rules.clone(), options.comparison.clone());
    let preparer = Preparer::new(targets.clone(), added, labels.clone(), judge);
    let schedule = Schedule::new(options, preflight.traffic())?;
    // As fast as possible there are no due instants: there the duration ends the run by the clock.
    let profile_end = if let Pace::Profile(profile) = &options.pace { profile.ends_at() } else { None };
    let end = options.duration.filter(|_| options.pace != Pace::Max).map(|duration| RunNs(whole_ns(duration)));
    let end = end.into_iter().chain(profile_end).fold(NEVER, RunNs::min);
    let (content, rows) = (preflight.content.clone(), preflight.requests_of_all_passes());
    Ok(Reader::new(content, rows, targets.clone(), schedule, preparer, routes, outboxes, end, stop.clone(), primed, gathering))
}

fn phases(options: &ReplayOptions) -> Phases {
    Phases::new(&options.pace, options.warmup.map(|warmup| RunNs(whole_ns(warmup))))
}

/// The workers of a run: a group for each kind of driver that its targets need.
struct Crew {
    /// Number in [`DRIVERS`], by worker.
    drivers: Vec<usize>,
    /// Number in [`DRIVERS`], by target.
    kinds: Vec<usize>,
    routes: Routes,
}

impl Crew {
    fn of(options: &ReplayOptions, targets: &Targets) -> Self {
        let mut kinds: Vec<usize> = targets.list().iter().map(of_target).collect();
        let of_each_target = kinds.clone();
        kinds.sort_unstable();
        kinds.dedup();
        let group = |kind: &usize| kinds.iter().position(|other| other == kind).unwrap_or(0);
        let groups = of_each_target.iter().map(group).collect();
        let each = options.workers();
        let drivers = kinds.iter().flat_map(|kind| std::iter::repeat_n(*kind, each)).collect();
        Self { drivers, kinds: of_each_target, routes: Routes::new(groups, each) }
    }

    /// Numbers of the targets that a worker serves.
    fn targets_of(&self, worker: usize) -> Vec<u32> {
        let kind = self.drivers[worker];
        self.kinds.iter().enumerate().filter(|(_, other)| **other == kind).map(|(target, _)| target as u32).collect()
    }

    /// The terms of each worker: limits of the run in equal parts, none below one.
    fn terms<'a>(&'a self, options: &'a ReplayOptions) -> impl Iterator<Item = Terms> + 'a {
        let workers = self.drivers.len();
        let part = move |whole: usize, worker: usize| (whole / workers + usize::from(worker < whole % workers)).max(1);
        let (connections, in_flight, queued_bytes) = (options.connections_max, options.in_flight_max, options.queued_bytes_max);
        let timeout_ns = whole_ns(options.timeout);
        let end = RunNs(options.duration.filter(|_| options.pacing == Pacing::Session).map_or(i64::MAX, whole_ns));
        let beforehand = move |worker: usize| (options.open_connections + workers - 1 - worker) / workers;
        (0..workers).map(move |worker| Terms {
            worker: worker as u32,
            workers: workers as u32,
            connections_max: part(connections, worker),
            in_flight_max: part(in_flight, worker),
            queued_bytes_max: part(queued_bytes, worker),
            timeout_ns,
            drive: match &options.pacing {
                _ if options.pace == Pace::Max => Drive::Connections,
                Pacing::Closed(users) => Drive::Users(users.of_worker(worker as u32, workers as u32)),
                Pacing::Open | Pacing::Session => Drive::Schedule,
            },
            end,
            open_beforehand: beforehand(worker),
            targets: self.targets_of(worker),
        })
    }
}

/// What the thread of a worker does.
fn work(driver: usize, terms: Terms, clock: Clock, targets: Arc<Targets>, sources: Sources, lines: Lines) -> Result<()> {
    let setup = Setup { clock: &clock, slots: terms.connections_max, targets: targets.list(), sources };
    let driver = (DRIVERS[driver].open)(&setup)?;
    let failed = |source| Error::io("wait for", "the targets' sockets".as_ref(), source);
    Worker::new(terms, clock, driver, targets, lines).run().map_err(failed)
}

/// Notes both clocks at start, each minute and end, until the recorder is done. Ends a run as fast as possible when its time is over.
fn keep_clocks(options: &ReplayOptions, info: &mut RunInfo, clock: &Clock, finished: &Receiver<()>, stop: &Stop) -> Result<()> {
    let end_ns = options.duration.filter(|_| options.pace == Pace::Max).map_or(i64::MAX, whole_ns);
    loop {
        info.clocks.push(clock.pair());
        write_run_info(&options.out, info)?;
        let left_ns = end_ns.saturating_sub(clock.now().ns()).max(0);
        let patience = CLOCK_PAIRS_EVERY.min(Duration::from_nanos(left_ns.unsigned_abs()));
        match finished.recv_timeout(if stop.asked() { CLOCK_PAIRS_EVERY } else { patience }) {
            Err(RecvTimeoutError::Timeout) if clock.now().ns() >= end_ns => stop.ask(),
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    info.clocks.push(clock.pair());
    Ok(())
}

fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    body: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>> {
    let failed = |source| Error::io("start", format!("the {name} thread").as_ref(), source);
    std::thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, body).map_err(failed)
}

fn join<T>(thread: ScopedJoinHandle<'_, Result<T>>, name: &str) -> Result<T> {
    thread.join().unwrap_or_else(|_| Err(Error::Refused(format!("the {name} thread ended by a defect of rehearsal itself"))))
}

fn asked_probes<'a>(options: &'a ReplayOptions, preflight: &'a Preflight) -> Asked<'a> {
    let (targets, added) = (&preflight.targets, &preflight.added[..]);
    Asked { specs: &options.probes, every: options.probe_every, derived: &options.derived, targets, added }
}

fn summarize(
    options: &ReplayOptions,
    recorded: Recorded,
    mut reader: ReaderFigures,
    watched: Watched,
    stopped: bool,
) -> RunSummary {
    let Recorded { counts, warmup, meter, response_ns, aborted } = recorded;
    let all_due = counts.outcomes + warmup.outcomes;
    if options.pacing != Pacing::Open {
        // What follows an answer falls due, or does not, only when that has come.
        let ends = stopped || options.duration.is_some() || options.pacing.users().is_some_and(|users| users.end().is_some());
        let (all, endless) = (reader.scheduled, options.content.passes == Passes::Forever);
        reader.scheduled = if ends || endless { all_due } else { all };
        reader.beyond_end = if endless { 0 } else { all.saturating_sub(reader.scheduled) };
    }
    let per_s = |count: u64, range: Option<(i64, i64)>| {
        let (first, last) = range?;
        (last > first).then(|| count.saturating_sub(1) as f64 / ((last - first) as f64 / 1e9))
    };
    let quantile = |q| (!response_ns.is_empty()).then(|| response_ns.value_at_quantile(q));
    let complete = completeness(&counts, reader.scheduled - warmup.outcomes, stopped);
    let fidelity = (options.pace != Pace::Max).then(|| meter.finish(complete, options.lateness_limit()));
    let closed = options.pacing.users().is_some();
    let fidelity = fidelity.map(|fidelity| if closed { fidelity.without_schedule() } else { fidelity });
    RunSummary {
        status: match (&aborted, stopped) {
            (Some(_), _) => RunStatus::Aborted,
            (None, true) => RunStatus::Stopped,
            (None, false) => RunStatus::Complete,
        },
        aborted,
        offered_per_s: per_s(counts.outcomes, counts.due_ns),
        achieved_per_s: per_s(counts.sent, counts.sent_ns),
        response_p50_ns: quantile(0.5),
        response_p99_ns: quantile(0.99),
        limit_bound: limit_bound(&counts),
        warmup_requests: warmup.outcomes,
        pacing: options.pacing.as_str(),
        open_connections: options.open_connections as u64,
        fidelity,
        reader,
        counts,
        watched,
    }
}

/// Who is to blame for what was never sent. Sheds at the limits of bytes and descriptors are the generator's; a connection that could
/// not be had in time, or too many requests in flight, is the target's.
fn completeness(counts: &Counts, scheduled: u64, stopped: bool) -> Completeness {
    let unsent = |class: ErrorClass| counts.unsent.get(class.as_str()).copied().unwrap_or(0);
    let aborted = unsent(ErrorClass::Aborted);
    let missed_by_generator = unsent(ErrorClass::ShedQueuedBytes) + unsent(ErrorClass::ShedDescriptors);
    // A run that was stopped never came to the rest of its schedule.
    let due = if stopped { counts.outcomes } else { scheduled };
    Completeness {
        scheduled: due - counts.errors_of(ErrorClass::Unreplayable) - aborted,
        missed_by_generator,
        missed_by_target: counts.unsent.values().sum::<u64>() - aborted - missed_by_generator,
    }
}

fn limit_bound(counts: &Counts) -> Option<&'static str> {
    let above = |count: u64| count as f64 > LIMIT_BOUND_SHARE * counts.outcomes as f64;
    let limits = [
        ("--max-connections", counts.limited),
        ("--max-in-flight", counts.errors_of(ErrorClass::ShedInFlight)),
        ("--max-queued-bytes", counts.errors_of(ErrorClass::ShedQueuedBytes)),
        ("the limit of file descriptors or ports", counts.errors_of(ErrorClass::ShedDescriptors)),
    ];
    limits.into_iter().find(|(_, count)| above(*count)).map(|(flag, _)| flag)
}

/// Makes a folder for a run, or for several; one that is there must be empty.
///
/// # Errors
/// [`Error::Refused`] when it is not empty; [`Error::Io`] when it cannot be made.
pub fn make_folder(out: &Path) -> Result<()> {
    std::fs::create_dir_all(out).map_err(|e| Error::io("create", out, e))?;
    let mut entries = std::fs::read_dir(out).map_err(|e| Error::io("read", out, e))?;
    if entries.next().is_some() {
        return Err(Error::Refused(format!("{} is not empty: name another folder, runs are never overwritten", out.display())));
    }
    Ok(())
}

fn describe(options: &ReplayOptions, preflight: &Preflight) -> RunInfo {
    let asked = json!({
        "content": options.content.describe(),
        "profile": options.pace,
        "arrivals": options.arrivals,
        "warmup_ns": options.warmup.map(whole_ns),
        "phases": phases(options).begins(preflight.duration_ns.map(RunNs)),
        "asked_rate": preflight.asked,
        "pacing": options.pacing.as_str(),
        "users": options.pacing.users().map(Users::most),
        "asked_users": options.pacing.users().map(Users::describe),
        "think_speed": options.think_speed().map(|speed| if speed.is_finite() { json!(speed) } else { json!("max") }),
        "duration_ns": options.duration.map(whole_ns),
        "abort_when": options.abort_when,
        "thresholds": options.thresholds,
        "timeout_ns": whole_ns(options.timeout),
        "max_lateness_ns": options.lateness_max.map(whole_ns),
        "workers": options.workers(),
        "max_connections": options.connections_max,
        "open_connections": options.open_connections,
        "max_in_flight": options.in_flight_max,
        "max_queued_bytes": options.queued_bytes_max,
        "allow_writes": options.allow_writes,
        "probes": options.probes,
        "probe_every_ns": whole_ns(options.probe_every),
        "derived": options.derived,
        "compare": options.comparison.as_ref().map(Comparison::describe),
        "headers": preflight.added.iter().map(|header| header.0.name()).collect::<Vec<_>>(),
        "recorded_rate": preflight.curve,
        "preflight": preflight,
    });
    RunInfo {
        version: schema::VERSION,
        tool: format!("rehearsal {}", env!("CARGO_PKG_VERSION")),
        label: options.label.clone(),
        note: options.note.clone(),
        status: RunStatus::Running,
        command: options.command_without_secrets(),
        trace: options.trace.display().to_string(),
        trace_hash: preflight.trace_hash.clone(),
        // A run without an end of its own says at its end how many there were.
        requests: preflight.scheduled.unwrap_or(0),
        targets: preflight.targets.describe(),
        seed: options.seed,
        host: host(),
        clocks: Vec::new(),
        asked,
        figures: serde_json::Value::Null,
        fidelity: serde_json::Value::Null,
    }
}

fn conclude(info: &mut RunInfo, summary: &RunSummary) {
    info.status = summary.status;
    info.requests = summary.reader.scheduled;
    info.fidelity = json!(summary.fidelity);
    info.figures = json!(summary);
    if let Some(figures) = info.figures.as_object_mut() {
        figures.shift_remove("fidelity");
        figures.insert("invalid".to_owned(), json!(summary.is_invalid()));
    }
}

/// Name, cores, kernel and memory of this machine, as far as it says.
fn host() -> BTreeMap<String, String> {
    let line = |path: &str| std::fs::read_to_string(path).ok().map(|text| text.lines().next().unwrap_or("").trim().to_owned());
    let cores = std::thread::available_parallelism().map_or_else(|_| "1".to_owned(), |cores| cores.to_string());
    let memory = line("/proc/meminfo").map(|line| line.trim_start_matches("MemTotal:").trim().to_owned());
    let facts = [
        ("name", line("/proc/sys/kernel/hostname")),
        ("kernel", line("/proc/sys/kernel/osrelease")),
        ("cores", Some(cores)),
        ("memory", memory),
    ];
    facts.into_iter().filter_map(|(name, fact)| Some((name.to_owned(), fact?))).collect()
}

/// `run.log`: what was said about a run, with the run time in front.
struct Log {
    file: File,
    path: PathBuf,
}

impl Log {
    fn create(out: &Path) -> Result<Self> {
        let path = out.join("run.log");
        let file = File::create(&path).map_err(|e| Error::io("create", &path, e))?;
        Ok(Self { file, path })
    }

    fn say(&mut self, at: RunNs, text: &str) -> Result<()> {
        let lines = text.lines().map(|line| format!("{:12.3} s  {line}\n", at.seconds()));
        self.file.write_all(lines.collect::<String>().as_bytes()).map_err(|e| Error::io("write", &self.path, e))
    }
}
