//! What is in a trace: how much, how fast, how bursty, of what kind, and what was lost on the way. One pass, in bounded memory.

mod busiest;
pub mod run;
mod text;

use std::collections::HashMap;
use std::path::Path;

use serde::Serialize;
use stats::traffic::{Traffic, TrafficFigures};
use stats::{Counts, order};
use trace::{Issue, Issues, Kind, Loss, Redaction, Row, Source, TraceMeta, TraceReader};

pub(crate) use busiest::Arrivals;
pub use busiest::BusyWindow;

use crate::{Result, units};

/// Names told apart in one table; the rest is counted under [`OTHER`].
const NAMES_MAX: usize = 1000;
/// Sessions whose requests are counted; requests of later ones are left out of the concentration.
const SESSIONS_COUNTED_MAX: usize = 1 << 20;
/// Fewer sessions than this carrying more than half of the requests are too few to speak of users.
const SESSIONS_FEW: u64 = 30;
const OTHER: &str = "(other)";

/// What is read; `at_ns` and `session` come by themselves.
const COLUMNS: &[&str] = &[
    "kind",
    "effect",
    "protocol",
    "version",
    "collection",
    "operation",
    "request_bytes",
    "response_bytes",
    "items",
    "status",
    "ok",
    "latency_ns",
    "flags",
];

/// The content of a trace in figures. Times are ns, sizes bytes on the wire. Quantiles are of counts in buckets and at most 0.8 % too high.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TraceSummary {
    /// Rows.
    pub exchanges: u64,
    /// Wall clock at trace time 0, ns since the Unix epoch; `None` where there is none.
    pub wall_start_unix_ns: Option<i64>,
    /// Records, vectors or rows in the requests.
    pub items: u64,
    /// What should be known before the figures are trusted, a sentence each.
    pub warnings: Vec<String>,
    /// Rate, burstiness and dispersion of the requests.
    pub traffic: TrafficFigures,
    /// Where the most requests are, for windows of several lengths; none in a short trace.
    pub busiest: Vec<BusyWindow>,
    /// Who sent them.
    pub sessions: Sessions,
    /// Whether they were answered.
    pub answers: Answers,
    /// Latency as recorded: request's first byte to answer's last.
    pub latency_ns: Quantiles,
    /// Sizes of the requests.
    pub request_bytes: Quantiles,
    /// Sizes of the answers that were seen.
    pub response_bytes: Quantiles,
    /// `read`, `write`, `admin`, `control`.
    pub effects: Vec<Share>,
    /// Protocols with their versions.
    pub protocols: Vec<Share>,
    /// Statuses of the answers.
    pub statuses: Vec<Share>,
    /// What is special about rows; one may have several.
    pub flags: Vec<Share>,
    /// Collections, the most requests first.
    pub collections: Vec<Group>,
    /// Operations, the most requests first.
    pub operations: Vec<Group>,
    /// What the trace was made from.
    pub sources: Vec<Source>,
    /// What was captured, decoded and missing; `None` where nothing was captured.
    pub loss: Option<Loss>,
    /// What was odd.
    pub issues: Vec<Issue>,
    /// How secrets were masked, file by file where a trace has several.
    pub redaction: Vec<Redaction>,
    /// How the trace was made, where it was synthesized or scaled.
    pub origin: Option<serde_json::Value>,
}

/// How the requests are spread over sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sessions {
    /// Different sessions, as far as they are counted.
    pub count: u64,
    /// The fewest sessions that carry more than half of the requests.
    pub carrying_half: u64,
    /// Requests of sessions past the limit of 1,048,576, in neither of these.
    pub uncounted_requests: u64,
}

/// How the requests were answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Answers {
    /// With a good answer.
    pub ok: u64,
    /// With a bad one.
    pub failed: u64,
    /// Requests without one in the recording; messages of a long-lived stream need none.
    pub unanswered: u64,
}

/// A name's part of the rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Share {
    /// The name; `(other)` for those past the first 1000.
    pub name: String,
    /// Rows.
    pub count: u64,
    /// Of all rows, 0 to 1.
    pub share: f64,
}

/// A collection or an operation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// Name, rows and share of them.
    #[serde(flatten)]
    pub share: Share,
    /// Bad answers.
    pub failed: u64,
    /// Latency as recorded.
    pub latency_ns: Quantiles,
}

/// A distribution in a few figures. `None` where there are too few values to say: below those for a 95 % interval of the quantile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Quantiles {
    /// Values.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
    /// Median.
    pub p50: Option<u64>,
    /// 99th percentile.
    pub p99: Option<u64>,
    /// The largest; 0 for none.
    pub max: u64,
}

/// Reads a trace, a file or a folder of files, and says what is in it.
///
/// # Errors
/// [`crate::Error::Trace`] when it cannot be read, or is a file of another kind or version.
pub fn inspect(path: &Path) -> Result<TraceSummary> {
    let mut reader = TraceReader::open_columns(path, Some(COLUMNS))?;
    let mut tally = Tally::default();
    while let Some(batch) = reader.next_batch()? {
        batch.rows().for_each(|row| tally.add(&row));
    }
    Ok(tally.summary(reader.metas()))
}

/// Values of one kind on the way.
#[derive(Default)]
struct Values {
    counts: Option<Counts>,
    sum: u64,
    max: u64,
}

impl Values {
    fn add(&mut self, value: u64) {
        self.counts.get_or_insert_with(Counts::coarse).add(value);
        self.sum = self.sum.saturating_add(value);
        self.max = self.max.max(value);
    }

    fn quantiles(&self) -> Quantiles {
        let count = self.counts.as_ref().map_or(0, Counts::len);
        let at = |p| {
            let enough = count >= order::samples_min_two_sided(p, 0.95) as u64;
            self.counts.as_ref().filter(|_| enough).map(|counts| counts.quantile(p).min(self.max))
        };
        Quantiles { count, sum: self.sum, p50: at(0.5), p99: at(0.99), max: self.max }
    }
}

/// Rows by name.
#[derive(Default)]
struct Table<T>(HashMap<String, T>);

impl<T: Default> Table<T> {
    fn get(&mut self, name: &str) -> &mut T {
        let name = if self.0.contains_key(name) || self.0.len() < NAMES_MAX { name } else { OTHER };
        if !self.0.contains_key(name) {
            self.0.insert(name.to_owned(), T::default());
        }
        self.0.get_mut(name).expect("it was just put there")
    }

    /// The entries, largest count first, equal ones by name.
    fn sorted(self, count: impl Fn(&T) -> u64) -> Vec<(String, T)> {
        let mut entries: Vec<_> = self.0.into_iter().collect();
        entries.sort_by(|a, b| count(&b.1).cmp(&count(&a.1)).then_with(|| a.0.cmp(&b.0)));
        entries
    }
}

impl Table<u64> {
    fn shares(self, all: u64) -> Vec<Share> {
        self.sorted(|count| *count).into_iter().map(|(name, count)| Share { name, count, share: share(count, all) }).collect()
    }
}

impl Table<GroupTally> {
    fn groups(self, all: u64) -> Vec<Group> {
        let group = |(name, tally): (String, GroupTally)| Group {
            share: Share { name, count: tally.count, share: share(tally.count, all) },
            failed: tally.failed,
            latency_ns: tally.latency_ns.quantiles(),
        };
        self.sorted(|tally| tally.count).into_iter().map(group).collect()
    }
}

fn share(count: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { count as f64 / all as f64 }
}

#[derive(Default)]
struct GroupTally {
    count: u64,
    failed: u64,
    latency_ns: Values,
}

impl GroupTally {
    fn add(&mut self, row: &Row<'_>) {
        self.count += 1;
        self.failed += u64::from(row.ok() == Some(false));
        if let Some(latency_ns) = row.latency_ns() {
            self.latency_ns.add(latency_ns.max(0).unsigned_abs());
        }
    }
}

/// Everything that is gathered in the one pass.
#[derive(Default)]
struct Tally {
    exchanges: u64,
    items: u64,
    traffic: Traffic,
    steps: Arrivals,
    sessions: HashMap<u64, u64>,
    uncounted_requests: u64,
    answers: Answers,
    all: GroupTally,
    request_bytes: Values,
    response_bytes: Values,
    effects: Table<u64>,
    protocols: Table<u64>,
    statuses: Table<u64>,
    flags: Table<u64>,
    collections: Table<GroupTally>,
    operations: Table<GroupTally>,
}

impl Tally {
    fn add(&mut self, row: &Row<'_>) {
        self.exchanges += 1;
        self.items += u64::from(row.items());
        // What the server sent of its own accord is no arrival.
        if row.kind() != Kind::Push {
            self.traffic.push(row.at().ns());
            self.steps.add(row.at().ns());
            self.add_session(row.session());
        }
        *self.effects.get(row.effect().as_str()) += 1;
        *self.protocols.get(format!("{} {}", row.protocol(), row.version()).trim_end()) += 1;
        row.flags().iter().for_each(|flag| *self.flags.get(flag.as_str()) += 1);
        self.all.add(row);
        self.collections.get(row.collection()).add(row);
        self.operations.get(row.operation()).add(row);
        self.request_bytes.add(row.request_bytes());
        self.add_answer(row);
    }

    fn add_session(&mut self, session: u64) {
        if self.sessions.len() < SESSIONS_COUNTED_MAX || self.sessions.contains_key(&session) {
            *self.sessions.entry(session).or_default() += 1;
        } else {
            self.uncounted_requests += 1;
        }
    }

    fn add_answer(&mut self, row: &Row<'_>) {
        // What the server says of its own accord, and a message to which nothing was said, are no question without an answer.
        let asks = matches!(row.kind(), Kind::Request | Kind::Open);
        let answered = row.status().is_some() || row.latency_ns().is_some();
        if !answered || row.kind() == Kind::Push {
            self.answers.unanswered += u64::from(asks);
            return;
        }
        row.status().into_iter().for_each(|status| *self.statuses.get(status) += 1);
        *(if row.ok() == Some(false) { &mut self.answers.failed } else { &mut self.answers.ok }) += 1;
        self.response_bytes.add(row.response_bytes());
    }

    fn sessions(&self) -> Sessions {
        let mut requests: Vec<u64> = self.sessions.values().copied().collect();
        requests.sort_unstable_by(|a, b| b.cmp(a));
        let half = requests.iter().sum::<u64>() / 2;
        let mut sum = 0;
        let below = requests.iter().take_while(|count| {
            sum += **count;
            sum <= half
        });
        let carrying_half = (below.count() as u64 + 1).min(requests.len() as u64);
        Sessions { count: requests.len() as u64, carrying_half, uncounted_requests: self.uncounted_requests }
    }

    fn summary(self, metas: &[TraceMeta]) -> TraceSummary {
        let (sessions, exchanges) = (self.sessions(), self.exchanges);
        let loss = loss(metas);
        TraceSummary {
            exchanges,
            wall_start_unix_ns: metas.iter().filter_map(|meta| meta.wall_start_unix_ns).min(),
            items: self.items,
            warnings: warnings(&sessions, self.traffic.figures().count, &self.answers, loss.as_ref()),
            traffic: self.traffic.figures(),
            busiest: self.steps.busiest(),
            sessions,
            answers: self.answers,
            latency_ns: self.all.latency_ns.quantiles(),
            request_bytes: self.request_bytes.quantiles(),
            response_bytes: self.response_bytes.quantiles(),
            effects: self.effects.shares(exchanges),
            protocols: self.protocols.shares(exchanges),
            statuses: self.statuses.shares(exchanges),
            flags: self.flags.shares(exchanges),
            collections: self.collections.groups(exchanges),
            operations: self.operations.groups(exchanges),
            sources: metas.iter().flat_map(|meta| meta.sources.clone()).collect(),
            loss,
            issues: issues(metas),
            redaction: metas.iter().map(|meta| meta.redaction.clone()).collect(),
            origin: metas.iter().find_map(|meta| meta.origin.clone()),
        }
    }
}

fn issues(metas: &[TraceMeta]) -> Vec<Issue> {
    let mut all = Issues::default();
    for issue in metas.iter().flat_map(|meta| &meta.issues) {
        all.add_many(&issue.kind, issue.count, || issue.first.clone());
    }
    all.list()
}

/// The losses of all files together.
fn loss(metas: &[TraceMeta]) -> Option<Loss> {
    metas.iter().filter_map(|meta| meta.loss.clone()).reduce(|mut all, one| {
        all.add(&one);
        all
    })
}

fn warnings(sessions: &Sessions, requests: u64, answers: &Answers, loss: Option<&Loss>) -> Vec<String> {
    let mut warnings = Vec::new();
    // Fewer requests than twice that many sessions could not be spread any better.
    if requests >= 2 * SESSIONS_FEW && sessions.carrying_half < SESSIONS_FEW {
        let (few, are) = if sessions.carrying_half == 1 { ("session carries", "it is") } else { ("sessions carry", "they are") };
        warnings.push(format!(
            "{} {few} more than half of the requests: {are} more likely a proxy or a connection pool than users (import --session-by)",
            sessions.carrying_half
        ));
    }
    if sessions.uncounted_requests > 0 {
        let uncounted = sessions.uncounted_requests;
        warnings
            .push(format!("only the first {SESSIONS_COUNTED_MAX} sessions are counted, {uncounted} requests belong to others"));
    }
    if loss.is_some() && answers.unanswered > 0 {
        warnings.push(format!("{} without an answer in the recording", units::counted(answers.unanswered, "request")));
    }
    if let Some(missing) = loss.map(|loss| loss.bytes_missing).filter(|bytes| *bytes > 0) {
        warnings.push(format!("{} of the connections never captured", units::counted(missing, "byte")));
    }
    if let Some(undecoded) = loss.map(|loss| &loss.undecoded).filter(|undecoded| !undecoded.is_empty()) {
        let connections: u64 = undecoded.values().map(|undecoded| undecoded.connections).sum();
        warnings.push(format!("{} not decoded, and so not in the trace", units::counted(connections, "connection")));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use trace::{Effect, Exchange, Flag, Flags, Name, TraceNs, TraceWriter, Undecoded};

    /// The row at `i` × 10 ms: each fourth a write that failed, each tenth unanswered; latency i µs.
    pub(super) fn row(i: u64, sessions: u64) -> Exchange {
        let (write, answered) = (i % 4 == 3, i % 10 != 9);
        Exchange {
            at: TraceNs(i as i64 * 10_000_000),
            session: i % sessions,
            seq: (i / sessions) as u32,
            effect: if write { Effect::Write } else { Effect::Read },
            protocol: Name::from("http"),
            version: Name::from("1.1"),
            collection: Name::from(if i.is_multiple_of(2) { "a" } else { "b" }),
            operation: Name::from(if write { "PUT /x" } else { "GET /x" }),
            items: 2,
            request_bytes: 100,
            response_bytes: if answered { 1000 } else { 0 },
            status: answered.then(|| Name::from(if write { "500" } else { "200" })),
            ok: answered.then_some(!write),
            latency_ns: answered.then_some(i as i64 * 1000),
            flags: if answered { Flags::default() } else { Flags::default().with(Flag::Open) },
            ..Exchange::default()
        }
    }

    pub(super) fn summary(rows: impl Iterator<Item = Exchange>, metas: &[TraceMeta]) -> TraceSummary {
        let folder = tempfile::tempdir().expect("a folder");
        let mut rows: Vec<Exchange> = rows.collect();
        for (i, meta) in metas.iter().enumerate() {
            let mut writer = TraceWriter::create(&folder.path().join(format!("{i}.parquet"))).expect("created");
            let rest = rows.split_off(if i + 1 < metas.len() { rows.len() / 2 } else { rows.len() });
            rows.iter().for_each(|row| writer.push(row).expect("in order"));
            writer.finish(meta.clone()).expect("written");
            rows = rest;
        }
        inspect(folder.path()).expect("readable")
    }

    #[test]
    fn every_row_is_counted_where_it_belongs() {
        let found = summary((0..4000).map(|i| row(i, 100)), &[TraceMeta::default()]);
        assert_eq!((found.exchanges, found.items, found.traffic.count), (4000, 8000, 4000));
        assert_eq!((found.traffic.rate_per_s, found.traffic.span_ns), (Some(100.0), 39_990_000_000));
        assert_eq!(found.answers, Answers { ok: 2800, failed: 800, unanswered: 400 });
        let names = |shares: &[Share]| shares.iter().map(|share| (share.name.clone(), share.count)).collect::<Vec<_>>();
        assert_eq!(names(&found.effects), [("read".to_owned(), 3000), ("write".to_owned(), 1000)]);
        assert_eq!(names(&found.statuses), [("200".to_owned(), 2800), ("500".to_owned(), 800)]);
        assert_eq!(names(&found.flags), [("open".to_owned(), 400)]);
        assert_eq!(names(&found.protocols), [("http 1.1".to_owned(), 4000)]);
        let groups = |groups: &[Group]| groups.iter().map(|group| (group.share.count, group.failed)).collect::<Vec<_>>();
        assert_eq!(groups(&found.operations), [(3000, 0), (1000, 800)]);
        assert_eq!(groups(&found.collections), [(2000, 0), (2000, 800)]);
        assert_eq!((found.request_bytes.sum, found.response_bytes.sum, found.response_bytes.count), (400_000, 3_600_000, 3600));
        assert_eq!(found.sessions, Sessions { count: 100, carrying_half: 51, uncounted_requests: 0 });
        assert_eq!(found.warnings, Vec::<String>::new());
    }

    /// Of a stream's rows, `open` asks; messages are answered, or need no answer; what the server pushes is none.
    #[test]
    fn messages_without_an_answer_are_not_missing_one() {
        let kinds = [
            (Kind::Open, true),
            (Kind::Open, false),
            (Kind::Message, true),
            (Kind::Message, false),
            (Kind::Push, true),
            (Kind::Close, false),
        ];
        let rows = kinds.into_iter().zip(0..).map(|((kind, answered), i)| Exchange {
            kind,
            status: (answered && kind == Kind::Open).then(|| Name::from("101")),
            ok: answered.then_some(true),
            latency_ns: answered.then_some(1000),
            ..row(i, 1)
        });
        assert_eq!(summary(rows, &[TraceMeta::default()]).answers, Answers { ok: 2, failed: 0, unanswered: 1 });
    }

    /// Latencies are 1 µs × i over the answered rows: the k-th smallest is known.
    #[test]
    fn quantiles_are_nearest_ranks_within_a_bucket() {
        let found = summary((0..4000).map(|i| row(i, 100)), &[TraceMeta::default()]).latency_ns;
        let answered: Vec<u64> = (0..4000).filter(|i| i % 10 != 9).map(|i| i * 1000).collect();
        for (found, exact) in [(found.p50, answered[1799]), (found.p99, answered[3563])] {
            let found = found.expect("enough values");
            assert!(exact <= found && found as f64 <= exact as f64 * (1.0 + 1.0 / 128.0), "{found} for {exact}");
        }
        assert_eq!((found.count, found.max), (3600, 3_998_000));
    }

    #[test]
    fn too_few_values_have_no_percentile() {
        let found = summary((0..100).map(|i| row(i, 100)), &[TraceMeta::default()]);
        assert!(found.latency_ns.p50.is_some() && found.latency_ns.p99.is_none());
        let none = summary(std::iter::empty(), &[TraceMeta::default()]);
        assert_eq!(
            (none.exchanges, none.latency_ns.p50, none.traffic.rate_per_s, none.sessions.carrying_half),
            (0, None, None, 0)
        );
    }

    #[test]
    fn files_of_one_trace_are_added_up() {
        let undecoded = Undecoded { connections: 2, packets: 5, client_bytes: 7, server_bytes: 9 };
        let loss = Loss {
            packets_read: 10,
            bytes_missing: 3,
            packets_dropped: [("cut".to_owned(), 1)].into(),
            undecoded: [("443 tls".to_owned(), undecoded)].into(),
            ..Loss::default()
        };
        let issues = vec![Issue { kind: "tcp-gap".to_owned(), first: "packet 3".to_owned(), count: 2 }];
        let meta = TraceMeta { loss: Some(loss), issues, wall_start_unix_ns: Some(5), ..TraceMeta::default() };
        let found = summary((0..400).map(|i| row(i, 100)), &[meta.clone(), meta]);
        let loss = found.loss.expect("captured");
        assert_eq!(
            (found.exchanges, loss.packets_read, loss.packets_dropped["cut"], loss.undecoded["443 tls"].client_bytes),
            (400, 20, 2, 14)
        );
        assert_eq!((found.issues[0].count, found.issues[0].first.as_str(), found.wall_start_unix_ns), (4, "packet 3", Some(5)));
        assert_eq!(found.warnings.len(), 3, "{:?}", found.warnings);
    }

    #[test]
    fn few_busy_sessions_are_warned_of() {
        for (requests, sessions, warned) in
            [(6000, 1, true), (6000, 56, true), (6000, 60, false), (59, 59, false), (60, 58, true)]
        {
            let found = summary((0..requests).map(|i| row(i, sessions)), &[TraceMeta::default()]);
            let warns = found.warnings.iter().any(|warning| warning.contains("more than half"));
            assert_eq!(warns, warned, "{requests} requests in {sessions} sessions");
        }
    }

    #[test]
    fn names_past_the_limit_are_counted_together() {
        let named = |i: u64| Exchange { collection: Name::from(format!("c{i:04}")), ..row(i, 100) };
        let found = summary((0..1500).map(named), &[TraceMeta::default()]);
        assert_eq!(
            (found.collections.len(), &*found.collections[0].share.name, found.collections[0].share.count),
            (1001, OTHER, 500)
        );
    }
}
