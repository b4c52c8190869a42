//! Everything a comparison needs of one run, in a few kilobytes: what a baseline keeps.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use polars::prelude::{DataFrame, DataType, Expr, LazyFrame, PolarsResult, col, len};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use trace::RunInfo;

use super::figure::{Figure, Of};
use super::histogram::Histogram;
use super::objective::{self, Kept};
use super::sample::{Gathering, LEVELS, Sample, Seen, Span};
use crate::agreement::Agreement;
use crate::errors;
use crate::latency::GROUPS_MAX;
use crate::resources::Resources;
use crate::threshold::Thresholds;
use crate::totals::{Totals, answered};
use crate::{Error, Result, Run};

/// The levels at which a collection's operations are measured.
pub const GROUP_LEVELS: &[f64] = &[0.5, 0.99];
/// The name of what [`GROUPS_MAX`] leaves over.
const OTHER: &str = "other";
/// Kinds of failure of one collection and operation that are told apart; the rarest past it are one.
const FAILURES_MAX: usize = 500;

/// The members of what was asked that decide the load: runs that differ in one of them cannot be compared.
pub(crate) const LOAD: &[&str] =
    &["content", "profile", "arrivals", "warmup_ns", "pacing", "users", "think_speed", "duration_ns"];
/// The members that may well make a difference: it is told.
const LIMITS: &[&str] = &["timeout_ns", "max_connections", "open_connections", "max_in_flight", "workers"];

/// What a run is measured for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Figures, of which those of a scope need a pass of their own.
    pub figures: Vec<Figure>,
    /// Thresholds besides those that were asked of the run when it was made.
    pub thresholds: Thresholds,
}

/// One run, measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    /// Its folder, as it was given.
    pub folder: String,
    /// Its label.
    pub label: String,
    /// Free text of the user.
    pub note: String,
    /// The version that made it.
    pub tool: String,
    /// The trace's path.
    pub trace: String,
    /// XXH3 of the trace's content.
    pub trace_hash: String,
    /// Requests in the schedule.
    pub requests: u64,
    /// The targets, by collection; `*` is every other.
    pub targets: BTreeMap<String, String>,
    /// The seed.
    pub seed: u64,
    /// When it began, ns since the Unix epoch.
    pub started_unix_ns: Option<i64>,
    /// What was asked about the load.
    pub load: Map<String, Value>,
    /// What was asked about limits.
    pub limits: Map<String, Value>,
    /// All requests.
    pub all: Sample,
    /// By collection and operation, the most frequent first; past 1000 the rest is `other`.
    pub groups: Vec<Group>,
    /// What the user named besides, by its name.
    pub named: BTreeMap<String, Sample>,
    /// How it stands to the thresholds that were asked of it.
    pub objectives: Vec<Kept>,
    /// Time to connect, where requests had to, ns: at [`GROUP_LEVELS`].
    pub connect_ns: Vec<Option<i64>>,
    /// Failures.
    pub failures: Vec<Failure>,
    /// Processor time of the target for each answer, s.
    pub cpu_per_answer_s: Option<f64>,
    /// The most memory the target held, bytes.
    pub memory_max_bytes: Option<f64>,
    /// Mean recall of the recorded ids.
    pub recall: Option<f64>,
    /// Share of compared answers that agree with the recorded ones.
    pub agreeing: Option<f64>,
}

/// Requests of one collection and operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// What was addressed.
    pub collection: String,
    /// The normalized verb.
    pub operation: String,
    /// Its figures.
    pub sample: Sample,
    /// Its response times.
    pub histogram: Histogram,
}

/// Failures of one kind, of one collection and operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// An error class, or `status …`.
    pub kind: String,
    /// What was addressed.
    pub collection: String,
    /// The normalized verb.
    pub operation: String,
    /// How often.
    pub count: u64,
}

impl Digest {
    /// Measures a run: one pass over few columns of its outcomes, small ones over the rest, and one for each
    /// figure that names a scope.
    ///
    /// # Errors
    /// [`Error::Empty`] when it has no outcomes, [`Error::Outcomes`] when a part is damaged.
    pub fn of(run: &Run, wanted: &Wanted) -> Result<Self> {
        let totals = Totals::load(run)?;
        let Measured { all, groups, connect_ns } = measure(run, &totals)?;
        let resources = Resources::load(run, &totals)?;
        let agreement = Agreement::overall(run)?;
        let compared = agreement.compared - agreement.unknown;
        Ok(Self {
            named: named(run, &wanted.figures)?,
            objectives: objective::judge(run, &wanted.thresholds)?,
            all,
            groups,
            connect_ns,
            failures: failures(run)?,
            cpu_per_answer_s: resources.as_ref().and_then(cpu_per_answer_s),
            memory_max_bytes: resources.as_ref().and_then(memory_max_bytes),
            recall: agreement.recall_mean,
            agreeing: (compared > 0).then(|| agreement.agreeing() as f64 / compared as f64),
            ..Self::described(&run.dir, &run.info)
        })
    }

    fn described(dir: &Path, info: &RunInfo) -> Self {
        let asked = |names: &[&str]| {
            let member =
                |name: &&str| Some(((*name).to_owned(), info.asked.get(*name).filter(|value| !value.is_null())?.clone()));
            names.iter().filter_map(member).collect::<Map<String, Value>>()
        };
        Self {
            folder: dir.display().to_string(),
            label: info.label.clone(),
            note: info.note.clone(),
            tool: info.tool.clone(),
            trace: info.trace.clone(),
            trace_hash: info.trace_hash.clone(),
            requests: info.requests,
            targets: info.targets.clone(),
            seed: info.seed,
            started_unix_ns: info.clocks.first().map(|clock| clock.unix_ns),
            load: asked(LOAD),
            limits: asked(LIMITS),
            ..Self::default()
        }
    }

    /// The requests of one collection and operation.
    #[must_use]
    pub fn group(&self, collection: &str, operation: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.collection == collection && group.operation == operation)
    }

    /// All response times.
    #[must_use]
    pub fn histogram(&self) -> Histogram {
        let mut all = Histogram::default();
        self.groups.iter().for_each(|group| all.add(&group.histogram));
        all
    }
}

/// What the figures need that no run is measured for by itself.
fn named(run: &Run, figures: &[Figure]) -> Result<BTreeMap<String, Sample>> {
    let mut named = BTreeMap::new();
    for figure in figures {
        let Some(levels) = figure.extra_levels() else { continue };
        let part = if let Of::Scope(scope) = &figure.of { run.within(scope) } else { run.clone() };
        let totals = match (Totals::load(&part), &figure.of) {
            (Err(Error::Empty { .. }), Of::Scope(scope)) => {
                return Err(Error::Refused(format!("{}: {}", run.dir.display(), scope.what_there_is(run)?)));
            }
            (totals, _) => totals?,
        };
        let mut gathering = Gathering::new(span(&totals));
        scan(&part, |_, _, seen, _| gathering.add(seen))?;
        named.insert(figure.name.clone(), gathering.measure(&levels, false).0);
    }
    Ok(named)
}

fn span(totals: &Totals) -> Span {
    let last_done_ns = totals.last_done_ns.unwrap_or(totals.last_due_ns).max(totals.last_due_ns);
    Span { first_due_ns: totals.first_due_ns, last_due_ns: totals.last_due_ns, last_done_ns }
}

struct Measured {
    all: Sample,
    groups: Vec<Group>,
    connect_ns: Vec<Option<i64>>,
}

fn measure(run: &Run, totals: &Totals) -> Result<Measured> {
    let span = span(totals);
    let mut all = Gathering::new(span);
    let mut groups = Groups::new(span);
    let mut connects = Gathering::new(span);
    scan(run, |collection, operation, seen, connect_ns| {
        all.add(seen);
        groups.place(collection, operation).add(seen);
        if let Some(connect_ns) = connect_ns {
            connects.add(&Seen { answered_ns: Some(seen.due_ns + connect_ns), ..*seen });
        }
    })?;
    Ok(Measured {
        all: all.measure(LEVELS, true).0,
        groups: groups.measure(),
        connect_ns: connects.measure(GROUP_LEVELS, false).0.values_ns,
    })
}

/// Hands collection, operation, what samples need and the time to connect of every outcome on.
fn scan(run: &Run, mut each: impl FnMut(&str, &str, &Seen, Option<i64>)) -> Result<()> {
    for batch in run.scan(columns)? {
        hand_on(&batch?, &mut each).map_err(|e| Error::outcomes(&run.dir, e))?;
    }
    Ok(())
}

fn columns(outcomes: LazyFrame) -> LazyFrame {
    let whole = answered().alias("whole");
    let columns = ["collection", "operation", "due_ns", "done_ns", "connect_ns", "ok"].map(col);
    outcomes.select(columns.into_iter().chain([whole]).collect::<Vec<Expr>>())
}

fn hand_on(batch: &DataFrame, each: &mut impl FnMut(&str, &str, &Seen, Option<i64>)) -> PolarsResult<()> {
    let (collections, operations) = (batch.column("collection")?.str()?, batch.column("operation")?.str()?);
    let (due, done, connect) =
        (batch.column("due_ns")?.i64()?, batch.column("done_ns")?.i64()?, batch.column("connect_ns")?.i64()?);
    let (ok, whole) = (batch.column("ok")?.bool()?, batch.column("whole")?.bool()?);
    let names = collections.iter().zip(operations.iter());
    let instants = due.iter().zip(done.iter()).zip(connect.iter());
    for (((collection, operation), ((due_ns, done_ns), connect_ns)), (ok, whole)) in
        names.zip(instants).zip(ok.iter().zip(whole.iter()))
    {
        let seen = Seen {
            due_ns: due_ns.unwrap_or_default(),
            answered_ns: done_ns.filter(|_| whole == Some(true)),
            ok: ok == Some(true),
        };
        each(collection.unwrap_or_default(), operation.unwrap_or_default(), &seen, connect_ns);
    }
    Ok(())
}

/// What is gathered by collection and operation, at most [`GROUPS_MAX`] of them and `other`.
struct Groups {
    empty: Gathering,
    by_name: HashMap<String, HashMap<String, usize>>,
    list: Vec<(String, String, Gathering)>,
    /// Names and place of the outcome before: neighbours are often alike.
    last: (String, String, usize),
}

impl Groups {
    fn new(span: Span) -> Self {
        Self {
            empty: Gathering::new(span),
            by_name: HashMap::new(),
            list: Vec::new(),
            last: (String::new(), String::new(), usize::MAX),
        }
    }

    fn place(&mut self, collection: &str, operation: &str) -> &mut Gathering {
        if self.last.2 == usize::MAX || self.last.0 != collection || self.last.1 != operation {
            let known = self.by_name.get(collection).and_then(|operations| operations.get(operation)).copied();
            let place = known.unwrap_or_else(|| self.enter(collection, operation));
            collection.clone_into(&mut self.last.0);
            operation.clone_into(&mut self.last.1);
            self.last.2 = place;
        }
        &mut self.list[self.last.2].2
    }

    fn enter(&mut self, collection: &str, operation: &str) -> usize {
        let (collection, operation) = if self.list.len() < GROUPS_MAX { (collection, operation) } else { (OTHER, OTHER) };
        let operations = self.by_name.entry(collection.to_owned()).or_default();
        *operations.entry(operation.to_owned()).or_insert_with(|| {
            self.list.push((collection.to_owned(), operation.to_owned(), self.empty.clone()));
            self.list.len() - 1
        })
    }

    /// The most frequent first, ties in alphabetical order.
    fn measure(mut self) -> Vec<Group> {
        self.list.sort_by(|a, b| (b.2.requests(), &a.0, &a.1).cmp(&(a.2.requests(), &b.0, &b.1)));
        let measured = |(collection, operation, gathering): (String, String, Gathering)| {
            let (sample, sorted) = gathering.measure(GROUP_LEVELS, false);
            Group { collection, operation, sample, histogram: Histogram::of_sorted(&sorted) }
        };
        self.list.into_iter().map(measured).collect()
    }
}

/// Failures by kind, collection and operation, the most frequent first.
fn failures(run: &Run) -> Result<Vec<Failure>> {
    let keys = ["error", "status", "collection", "operation"].map(col);
    let batches =
        run.scan(|outcomes| outcomes.filter(col("ok").not()).group_by(keys).agg([len().cast(DataType::UInt64).alias("count")]))?;
    let mut counts = BTreeMap::new();
    for batch in batches {
        count_failures(&batch?, &mut counts).map_err(|e| Error::outcomes(&run.dir, e))?;
    }
    let failure = |((kind, collection, operation), count)| Failure { kind, collection, operation, count };
    let mut list: Vec<Failure> = counts.into_iter().map(failure).collect();
    list.sort_by_key(|failure| std::cmp::Reverse(failure.count));
    list.truncate(FAILURES_MAX);
    Ok(list)
}

fn count_failures(batch: &DataFrame, counts: &mut BTreeMap<(String, String, String), u64>) -> PolarsResult<()> {
    let text = |name: &str| batch.column(name).and_then(|column| column.str().cloned());
    let (errors, statuses) = (text("error")?, text("status")?);
    let (collections, operations) = (text("collection")?, text("operation")?);
    let found = batch.column("count")?.u64()?;
    for row in 0..batch.height() {
        let name = |names: &polars::prelude::StringChunked| names.get(row).unwrap_or_default().to_owned();
        let key = (errors::kind(errors.get(row), statuses.get(row)), name(&collections), name(&operations));
        *counts.entry(key).or_default() += found.get(row).unwrap_or_default();
    }
    Ok(())
}

fn cpu_per_answer_s(resources: &Resources) -> Option<f64> {
    resources.target_cpu.as_ref()?.answered_per_cpu_s.map(|answers| 1.0 / answers)
}

/// The most memory of each of the target's processes, added up.
fn memory_max_bytes(resources: &Resources) -> Option<f64> {
    let sources = &resources.target_cpu.as_ref()?.sources;
    let memory = resources.series.iter().filter(|one| one.series == "rss_bytes" && sources.contains(&one.source));
    memory.map(|one| one.max).reduce(|sum, max| sum + max)
}
