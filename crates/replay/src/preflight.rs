//! What a replay will take, found out before it starts: one pass over the trace, and a look at the machine.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;

use foldhash::fast::RandomState;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;
use trace::{Effect, Row, TraceNs, TraceReader, trace_files};
use xxhash_rust::xxh3::Xxh3;

use crate::answer;
use crate::content::{Content, Extent, Place};
use crate::driver::of_target;
use crate::limits::{COLLECTIONS_MAX, OTHER, SESSIONS_MAX};
use crate::options::ReplayOptions;
use crate::pacing::Pacing;
use crate::probe;
use crate::profile::{Curve, CurveCounts, Repeats};
use crate::provenance::hash_file;
use crate::request::{Added, NO_DRIVER, unreplayable};
use crate::schedule::Traffic;
use crate::setup::{addresses_collection, missing_by_target};
use crate::sources::Sources;
use crate::spool::RECORD_BYTES;
use crate::stop::Stop;
use crate::target::{Scheme, Target, Targets};
use crate::timing::{Asked, Known, Timing};
use crate::users::Users;
use crate::{Error, Result};

/// The columns that are looked at.
const COLUMNS: &[&str] = &["kind", "effect", "protocol", "collection", "operation", "method", "flags", "request_bytes"];
/// What an outcome takes on disk, about; measured with nine collections.
const OUTCOME_BYTES: u64 = 100;
/// Descriptors besides connections: files, epolls, timers.
const DESCRIPTORS_BESIDES: u64 = 64;

/// What a replay will take. Serializes for `--json`; shows as a few lines.
#[derive(Debug, Clone, Serialize)]
pub struct Preflight {
    /// Requests of the whole trace.
    pub trace_requests: u64,
    /// Those that are chosen, in one pass. All that follows is said of them, too.
    pub requests: u64,
    /// How often they are replayed; `None` where only something else ends the run.
    pub passes: Option<u64>,
    /// From the start of one pass to the start of the next, ns as recorded; `None` where there is one only.
    pub period_ns: Option<i64>,
    /// Requests that will be due over all passes, about, where a duration ends the run early; `None` where only the user does.
    pub scheduled: Option<u64>,
    /// Sessions in one pass.
    pub sessions: u64,
    /// `setup` rows left out since there were too many sessions to remember which are wanted.
    pub setup_forgotten: u64,
    /// Last request of a pass, ns since its first.
    pub span_ns: i64,
    /// The longest session, ns.
    pub session_span_ns: i64,
    /// When the last request will be due, ns; `None` as fast as possible, and where nothing but the user ends the run.
    pub duration_ns: Option<i64>,
    /// Requests per second on average; `None` as fast as possible.
    pub rate_per_s: Option<f64>,
    /// Most requests due within one second, about; `None` as fast as possible.
    pub peak_per_s: Option<f64>,
    /// Requests that change the target, by effect.
    pub writes: BTreeMap<&'static str, u64>,
    /// Requests that cannot be sent, by reason; each has an outcome of class `unreplayable`.
    pub unreplayable: BTreeMap<String, u64>,
    /// Requests by collection.
    pub collections: BTreeMap<String, u64>,
    /// Connections at most.
    pub connections: u64,
    /// Descriptors that takes, and how many this process may have.
    pub descriptors: (u64, u64),
    /// Local ports that connections to one target may use, on each source address.
    pub ports: u64,
    /// Source addresses; more than one only for targets on the loopback interface.
    pub source_addresses: Sources,
    /// Of these, the ones that are opened before the start.
    pub open_connections: u64,
    /// What requests of a session wait for: `open`, `session` or `closed`.
    pub pacing: &'static str,
    /// Most users at once of a closed loop.
    pub users: Option<u32>,
    /// Bytes on disk, about, that whole sessions take while the run goes on; 0 in open pacing.
    pub gathered_bytes: u64,
    /// Bytes on disk, about, and bytes that are free.
    pub disk_bytes: (u64, u64),
    /// XXH3 (128 bits, hex) of the trace's files.
    pub trace_hash: String,
    /// What a user may not expect, a sentence each.
    pub notes: Vec<String>,
    /// The rate asked for over time, where it is not the same all the time.
    #[serde(skip)]
    pub(crate) asked: Option<Asked>,
    /// Collections that targets can be asked for.
    #[serde(skip)]
    pub(crate) addressed: Vec<String>,
    #[serde(skip)]
    pub(crate) content: Content,
    /// The recorded rate that requests (or session starts) are freed of.
    #[serde(skip)]
    pub(crate) curve: Curve,
    /// Most requests recorded within one second.
    #[serde(skip)]
    recorded_peak_per_s: u64,
    #[serde(skip)]
    pub(crate) added: Vec<Header>,
    #[serde(skip)]
    pub(crate) targets: Targets,
}

/// A header to be added; shown without its value.
#[derive(Clone)]
pub(crate) struct Header(pub(crate) Added);

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

/// Finds out what `options` ask for. Reads the trace once, or twice where a part of it is chosen; sends nothing.
///
/// # Errors
/// [`Error::Option`] and [`Error::Target`] for values that make no sense, [`Error::Data`] when the trace cannot be read.
pub fn preflight(options: &ReplayOptions) -> Result<Preflight> {
    options.check()?;
    let targets = Targets::new(options.target.as_deref(), &options.map)?;
    let variable = |name: &str| std::env::var(name).ok();
    let added = options.headers.iter().map(|text| Added::parse(text, variable).map(Header)).collect::<Result<_>>()?;
    let content = Content::choose(&options.trace, &options.content)?;
    let survey = Survey::of(&content, &targets, options.think_speed().is_some())?;
    let Extent { requests, span_ns, trace_requests, setup_forgotten, .. } = survey.extent;
    let content = content.repeated(&survey.extent)?;
    let repeats = content.period_ns().map(|period_ns| Repeats { period_ns, passes: content.passes() });
    let curve = survey.curve.curve().repeated(repeats);
    let timing = Timing::of(options, &Known { requests, peak_per_s: survey.peak_per_s, span_ns, curve: &curve });
    let (scheduled, addressed) = (timing.scheduled, survey.addressed());
    let forgotten = (setup_forgotten > 0)
        .then(|| format!("{setup_forgotten} setup rows are left out: too many sessions to remember which of them are wanted"));
    let notes = timing.notes.into_iter().chain(forgotten).collect();
    let connections = (options.connections_max as u64).min(scheduled.unwrap_or(u64::MAX).max(options.open_connections as u64));
    let records_bytes = requests * RECORD_BYTES as u64 + survey.request_bytes;
    let gathered_bytes = if options.pacing == Pacing::Open { 0 } else { records_bytes };
    let ports = ephemeral_ports();
    Ok(Preflight {
        trace_requests,
        requests,
        passes: content.passes(),
        period_ns: content.period_ns(),
        scheduled,
        sessions: survey.sessions,
        setup_forgotten,
        span_ns,
        session_span_ns: survey.session_span_ns,
        duration_ns: timing.duration_ns,
        rate_per_s: timing.rate_per_s,
        peak_per_s: timing.peak_per_s,
        unreplayable: survey.unreplayable(),
        writes: survey.writes,
        addressed,
        collections: survey.collections.into_iter().map(|(name, seen)| (name, seen.requests)).collect(),
        connections,
        descriptors: (connections + DESCRIPTORS_BESIDES, raise_descriptors(connections + DESCRIPTORS_BESIDES)),
        ports,
        source_addresses: sources_for(&targets, connections, ports),
        open_connections: options.open_connections as u64,
        pacing: options.pacing.as_str(),
        users: options.pacing.users().map(Users::most),
        gathered_bytes,
        disk_bytes: (scheduled.unwrap_or(requests) * OUTCOME_BYTES + gathered_bytes, free_bytes(&options.out)?),
        trace_hash: hash_of(&options.trace)?,
        notes: [notes, answer_notes(options)?].concat(),
        asked: timing.asked,
        content,
        curve,
        recorded_peak_per_s: survey.peak_per_s,
        added,
        targets,
    })
}

impl Preflight {
    /// The same content at another pace, without reading the trace again: `options` differ from those of the preflight in folder, pace,
    /// warm-up, duration and seed only.
    ///
    /// # Errors
    /// [`Error::Io`] when the free space cannot be told.
    pub fn paced(&self, options: &ReplayOptions) -> Result<Self> {
        let Self { requests, span_ns, recorded_peak_per_s: peak_per_s, ref curve, .. } = *self;
        let timing = Timing::of(options, &Known { requests, peak_per_s, span_ns, curve });
        Ok(Self {
            scheduled: timing.scheduled,
            duration_ns: timing.duration_ns,
            rate_per_s: timing.rate_per_s,
            peak_per_s: timing.peak_per_s,
            disk_bytes: (timing.scheduled.unwrap_or(requests) * OUTCOME_BYTES + self.gathered_bytes, free_bytes(&options.out)?),
            asked: timing.asked,
            ..self.clone()
        })
    }

    /// Refuses what cannot fit or is not allowed.
    ///
    /// # Errors
    /// [`Error::Refused`] with what is wrong and which flag changes it.
    pub fn check(&self, options: &ReplayOptions) -> Result<()> {
        let refusals = [
            self.refuse_nothing_to_send(options),
            self.refuse_writes(options),
            self.refuse_rate(options),
            self.refuse_warmup(options),
            self.refuse_descriptors(),
            self.refuse_disk(options),
            self.refuse_mixed_drivers(options),
        ];
        refusals.into_iter().flatten().next().map_or(Ok(()), |reason| Err(Error::Refused(reason)))
    }

    fn refuse_nothing_to_send(&self, options: &ReplayOptions) -> Option<String> {
        let trace = options.trace.display();
        if self.requests == 0 {
            return Some(format!("{trace} holds no requests, so there is nothing to replay"));
        }
        let unreplayable: u64 = self.unreplayable.values().sum();
        (unreplayable == self.requests)
            .then(|| format!("none of the {unreplayable} requests of {trace} can be sent: {}", listed(&self.unreplayable)))
    }

    fn refuse_writes(&self, options: &ReplayOptions) -> Option<String> {
        let writes: u64 = self.writes.values().sum();
        (writes > 0 && !options.allow_writes).then(|| {
            format!("{writes} of {} requests would change the target; --allow-writes sends them all the same", self.requests)
        })
    }

    fn refuse_rate(&self, options: &ReplayOptions) -> Option<String> {
        let (peak, most) = (self.peak_per_s?, options.rate_max_per_s?);
        (peak > most).then(|| {
            format!(
                "the schedule peaks at {peak:.0} requests/s, --max-rate allows {most}: lower --speed, --rate or the --profile"
            )
        })
    }

    fn refuse_warmup(&self, options: &ReplayOptions) -> Option<String> {
        let (warmup, ns) = (options.warmup?, self.duration_ns?);
        (warmup.as_nanos() >= u128::from(ns.unsigned_abs())).then(|| {
            let (warmup_s, run_s) = (warmup.as_secs_f64(), ns as f64 / 1e9);
            format!("--warmup {warmup_s} s covers the whole run of {run_s:.3} s: nothing would be left to measure")
        })
    }

    fn refuse_descriptors(&self) -> Option<String> {
        let (needed, limit) = self.descriptors;
        if needed > limit {
            return Some(format!(
                "{} connections need {needed} file descriptors and this process may have {limit}: lower --max-connections or raise `ulimit -Hn`",
                self.connections
            ));
        }
        (self.connections > self.ports_in_all()).then(|| {
            format!(
                "{} connections need as many local ports and there are {}: lower --max-connections",
                self.connections,
                self.ports_in_all()
            )
        })
    }

    fn ports_in_all(&self) -> u64 {
        self.ports * self.source_addresses.count()
    }

    fn refuse_disk(&self, options: &ReplayOptions) -> Option<String> {
        let (needed, free) = self.disk_bytes;
        (needed > free).then(|| {
            let out = options.out.display();
            format!("outcomes will take about {} MB and {out} has {} MB left: choose another folder", needed >> 20, free >> 20)
        })
    }

    /// Waits until every target answers or it is to `stop`, or makes sure that it takes connections; that every probe can be read; and
    /// that the targets have the collections they will be asked for.
    ///
    /// # Errors
    /// [`Error::Target`] for the first target that does not; [`Error::Option`] for the first probe that cannot; [`Error::Refused`] when a
    /// target lacks a collection.
    pub fn check_targets(&self, options: &ReplayOptions, stop: &Stop) -> Result<()> {
        match options.wait_ready {
            Some(patience) => self.targets.wait_ready(patience, stop)?,
            None => self.targets.reachable()?,
        }
        probe::check(&options.probes, options.probe_every, &self.targets, &self.added, options.wait_ready, stop)?;
        if !options.check_collections {
            return Ok(());
        }
        let pair = |header: &Header| (header.0.name().to_owned(), header.0.value().to_owned());
        let headers: Vec<_> = self.added.iter().map(pair).collect();
        let missing = missing_by_target(&self.targets, &headers, &self.addressed)?;
        let Some((first, target)) = missing.first() else { return Ok(()) };
        let others = if missing.len() > 1 { format!(" and {} more", missing.len() - 1) } else { String::new() };
        let trace = options.trace.display();
        Err(Error::Refused(format!(
            "{target} has no collection `{first}`{others}: create and fill them with `rehearsal setup {trace} --target {target}`, or send all the same with --no-check"
        )))
    }

    /// URL of each target by collection; `*` is every other.
    #[must_use]
    pub fn targets_by_collection(&self) -> BTreeMap<String, String> {
        self.targets.describe()
    }

    /// Requests over all passes; `None` where only something else ends the run.
    #[must_use]
    pub(crate) fn requests_of_all_passes(&self) -> Option<u64> {
        self.passes.map(|passes| passes.saturating_mul(self.requests))
    }

    /// The requests of one session are sent by one worker, which has one driver.
    fn refuse_mixed_drivers(&self, options: &ReplayOptions) -> Option<String> {
        let mut drivers = self.targets.list().iter().map(of_target);
        let first = drivers.next()?;
        let mixed = drivers.any(|other| other != first) && options.pacing != Pacing::Open;
        let pacing = options.pacing.as_str();
        let beforehand = options.open_connections > 0 && self.targets.list().iter().any(|target| target.scheme == Scheme::Https);
        mixed.then(|| format!("--pacing {pacing} needs targets of one kind, all http:// or all https://")).or(beforehand
            .then(|| "--open-connections cannot open connections to https:// targets, whose client keeps its own".to_owned()))
    }

    /// What the schedule needs to know of the trace.
    pub(crate) fn traffic(&self) -> Traffic<'_> {
        Traffic { curve: &self.curve, requests: self.requests, session_span_ns: self.session_span_ns }
    }
}

impl Preflight {
    fn closed_duration(&self) -> String {
        let sent = "until every session has been sent";
        self.duration_ns.map_or_else(|| sent.to_owned(), |ns| format!("{sent}, {:.3} s at most", ns as f64 / 1e9))
    }
}

impl fmt::Display for Preflight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (chosen, whole) = (self.requests, self.trace_requests);
        let of_trace = if chosen == whole { String::new() } else { format!(", chosen of {whole}") };
        match self.scheduled {
            Some(scheduled) => {
                let of_all = self.requests_of_all_passes().map(|all| format!(" of {all}")).unwrap_or_default();
                writeln!(f, "requests     {scheduled}{of_all} in {} sessions{of_trace}", self.sessions)?;
            }
            None => writeln!(f, "requests     {chosen} in {} sessions{of_trace}, over and over", self.sessions)?,
        }
        if let Some(period_ns) = self.period_ns {
            let passes = self.passes.map_or_else(|| "without end".to_owned(), |passes| passes.to_string());
            writeln!(f, "passes       {passes}, of {:.3} s each as recorded", period_ns as f64 / 1e9)?;
        }
        match (self.duration_ns, self.rate_per_s, self.peak_per_s) {
            (ns, Some(rate), Some(peak)) => {
                let length = ns.map_or_else(|| "until it is stopped".to_owned(), |ns| format!("{:.3} s", ns as f64 / 1e9));
                writeln!(f, "duration     {length} at {rate:.1}/s on average, {peak:.0}/s at most")?;
            }
            _ if self.users.is_some() => writeln!(f, "duration     {}", self.closed_duration())?,
            _ => writeln!(f, "duration     as fast as the target answers")?,
        }
        if let Some(users) = self.users {
            writeln!(f, "users        {users} at most, in a closed loop: the load follows the answers")?;
        }
        writeln!(f, "collections  {}", self.collections.len())?;
        let beforehand =
            if self.open_connections > 0 { format!(", {} opened beforehand", self.open_connections) } else { String::new() };
        writeln!(f, "connections  {} at most{beforehand}", self.connections)?;
        writeln!(f, "descriptors  {} of {}", self.descriptors.0, self.descriptors.1)?;
        write!(f, "ports        {} of {}", self.connections, self.ports_in_all())?;
        match self.source_addresses.count() {
            1 => writeln!(f)?,
            several => writeln!(f, ", going out from {several} loopback addresses, 127.0.0.1 to 127.0.0.{several}")?,
        }
        writeln!(f, "disk         {} MB of {} MB free", (self.disk_bytes.0 >> 20) + 1, self.disk_bytes.1 >> 20)?;
        if self.gathered_bytes > 0 {
            writeln!(f, "sessions     {} MB of that disk while the run goes on", (self.gathered_bytes >> 20) + 1)?;
        }
        writeln!(f, "changes      {}", listed(&self.writes))?;
        write!(f, "not sent     {}", listed(&self.unreplayable))?;
        self.notes.iter().try_for_each(|note| write!(f, "\n{note}"))
    }
}

/// `3 of this, 4 of that`.
fn listed<K: fmt::Display>(counts: &BTreeMap<K, u64>) -> String {
    let parts: Vec<String> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

/// What of a comparison the trace does not allow, judged by its first rows.
fn answer_notes(options: &ReplayOptions) -> Result<Vec<String>> {
    let Some(comparison) = &options.comparison else { return Ok(Vec::new()) };
    let batch = TraceReader::open_columns(&options.trace, Some(answer::COLUMNS))?.next_batch()?;
    let any = |has: fn(&Row<'_>) -> bool| batch.as_ref().is_some_and(|batch| batch.rows().any(|row| has(&row)));
    let note = if !any(|row| row.status().is_some()) {
        "the trace holds no recorded answers, so there is nothing to compare with"
    } else if comparison.needs_bodies() && !any(|row| row.response().is_some()) {
        "the trace keeps no bodies of answers, so --ignore, --tolerance and --compare shape can only tell answers that are the same to the byte; `import --keep-responses` keeps them"
    } else {
        return Ok(Vec::new());
    };
    Ok(vec![note.to_owned()])
}

/// What is known of a collection.
#[derive(Default)]
struct Seen {
    requests: u64,
    /// Whether a target can be asked for it.
    addressed: bool,
}

/// What one pass over the content finds.
#[derive(Default)]
struct Survey {
    extent: Extent,
    request_bytes: u64,
    sessions: u64,
    session_span_ns: i64,
    writes: BTreeMap<&'static str, u64>,
    unreplayable: BTreeMap<&'static str, u64>,
    /// Those that no driver speaks, by protocol.
    without_driver: BTreeMap<String, u64>,
    collections: BTreeMap<String, Seen>,
    curve: CurveCounts,
    second: (i64, u64),
    peak_per_s: u64,
    starts: HashMap<u64, TraceNs, RandomState>,
}

impl Survey {
    fn of(content: &Content, targets: &Targets, starts_only: bool) -> Result<Self> {
        let mut survey = Self::default();
        survey.extent = content.each(COLUMNS, |row, place| {
            survey.add(row, place, targets, starts_only);
            true
        })?;
        Ok(survey)
    }

    fn add(&mut self, row: &Row<'_>, place: Place, targets: &Targets, starts_only: bool) {
        self.request_bytes += row.request_bytes();
        let starts = self.start(place.session, place.at);
        if starts || !starts_only {
            self.curve.add(place.at);
        }
        self.count_second(place.at);
        match unreplayable(row, targets.of(row.collection())) {
            Some(NO_DRIVER) => match self.without_driver.get_mut(row.protocol()) {
                Some(count) => *count += 1,
                None => _ = self.without_driver.insert(row.protocol().to_owned(), 1),
            },
            Some(reason) => *self.unreplayable.entry(reason).or_default() += 1,
            None if row.effect() != Effect::Read => *self.writes.entry(row.effect().as_str()).or_default() += 1,
            None => {}
        }
        self.count_collection(row);
    }

    /// Requests that cannot be sent, by reason.
    fn unreplayable(&self) -> BTreeMap<String, u64> {
        let speechless = |(protocol, count): (&String, &u64)| (format!("of {protocol}, which no driver speaks yet"), *count);
        let other = self.unreplayable.iter().map(|(reason, count)| ((*reason).to_owned(), *count));
        self.without_driver.iter().map(speechless).chain(other).collect()
    }

    /// The collections that targets can be asked for.
    fn addressed(&self) -> Vec<String> {
        self.collections.iter().filter(|(_, seen)| seen.addressed).map(|(name, _)| name.clone()).collect()
    }

    /// Whether the row starts its session. Past [`SESSIONS_MAX`] sessions the earlier ones are forgotten, and count anew if they go on.
    fn start(&mut self, session: u64, at: TraceNs) -> bool {
        if self.starts.len() >= SESSIONS_MAX && !self.starts.contains_key(&session) {
            self.starts.clear();
        }
        match self.starts.entry(session) {
            Entry::Occupied(start) => {
                self.session_span_ns = self.session_span_ns.max(at - *start.get());
                false
            }
            Entry::Vacant(place) => {
                place.insert(at);
                self.sessions += 1;
                true
            }
        }
    }

    fn count_second(&mut self, at: TraceNs) {
        let second = at.ns() / 1_000_000_000;
        if second != self.second.0 {
            self.second = (second, 0);
        }
        self.second.1 += 1;
        self.peak_per_s = self.peak_per_s.max(self.second.1);
    }

    fn count_collection(&mut self, row: &Row<'_>) {
        let name = row.collection();
        if let Some(seen) = self.collections.get_mut(name) {
            seen.requests += 1;
            seen.addressed = seen.addressed || addresses_collection(row.operation());
        } else if self.collections.len() < COLLECTIONS_MAX {
            let seen = Seen { requests: 1, addressed: !name.is_empty() && addresses_collection(row.operation()) };
            self.collections.insert(name.to_owned(), seen);
        } else {
            self.collections.entry(OTHER.to_owned()).or_default().requests += 1;
        }
    }
}

/// How many descriptors this process may have, after raising its limit as far as needed and allowed.
fn raise_descriptors(needed: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let (soft, hard) = (limit.current.unwrap_or(u64::MAX), limit.maximum.unwrap_or(u64::MAX));
    if needed <= soft {
        return soft;
    }
    // Beyond the hard limit only for whoever may raise that, too.
    let raised = |wanted: u64| Rlimit { current: Some(wanted), maximum: Some(wanted.max(hard)) };
    let granted = [needed, needed.min(hard)].into_iter().find(|wanted| setrlimit(Resource::Nofile, raised(*wanted)).is_ok());
    granted.unwrap_or(soft)
}

/// Where connections go out. Only the driver for cleartext opens its sockets itself.
fn sources_for(targets: &Targets, connections: u64, ports: u64) -> Sources {
    let own =
        |target: &Target| target.scheme == Scheme::Http && target.address.ip().is_ipv4() && target.address.ip().is_loopback();
    if targets.list().iter().all(own) { Sources::on_loopback(connections, ports) } else { Sources::default() }
}

/// Ports that the system gives to outgoing connections; Linux's default range where it does not say.
fn ephemeral_ports() -> u64 {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut bounds = text.split_whitespace().filter_map(|word| word.parse::<u64>().ok());
    match (bounds.next(), bounds.next()) {
        (Some(first), Some(last)) if last >= first => last - first + 1,
        _ => 28_232,
    }
}

/// What is free where `path` is or will be.
fn free_bytes(path: &Path) -> Result<u64> {
    let exists = path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or_else(|| Path::new("."));
    let found = rustix::fs::statvfs(exists).map_err(|e| Error::io("look at", path, e.into()))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// XXH3 (128 bits) of the trace's files, one after the other.
fn hash_of(path: &Path) -> Result<String> {
    let mut hash = Xxh3::new();
    for file in trace_files(path)? {
        hash_file(&file, &mut hash)?;
    }
    Ok(format!("{:032x}", hash.digest128()))
}
