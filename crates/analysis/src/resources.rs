//! What probes saw: every series in figures, the target's processor time against the requests it served, and the lines of the charts.

use std::collections::HashMap;

use polars::prelude::{DataFrame, PolarsResult, col, len, lit};
use serde::Serialize;
use trace::{Event, RunInfo, Unit, rate_of};

use crate::bins::Bins;
use crate::endurance::Limit;
use crate::load::Run;
use crate::threshold::{Metric, Threshold, Thresholds};
use crate::totals::{Totals, answered};
use crate::watched::Watched;
use crate::{Error, Result};

/// Processor time below this says nothing: the kernel counts it in hundredths of a second.
const CPU_S_MIN: f64 = 0.2;

/// Series of the generator itself and of the machine it runs on; all others are of the target or derived.
pub(crate) const GENERATOR: &str = "generator";
pub(crate) const HOST: &str = "host";

/// Kinds of probe that see the target's processor time, the most direct first: only the first that there are count, so that a server
/// watched in two ways is not counted twice.
const DIRECT: [&[&str]; 3] = [&["pid:", "command:"], &["cgroup:"], &["prometheus:", "redis:"]];

/// One series between the end of the warm-up and the last answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    /// The probe.
    pub source: String,
    /// Its figure.
    pub series: String,
    /// Empty where the probe does not say.
    pub unit: String,
    /// Readings.
    pub count: usize,
    /// The first of them.
    pub first: f64,
    /// The last.
    pub last: f64,
    /// Smallest.
    pub min: f64,
    /// Arithmetic mean.
    pub mean: f64,
    /// The nearest rank ⌈0.95 n⌉.
    pub p95: f64,
    /// Largest.
    pub max: f64,
    /// Whether another series is its growth per second, so that a reader wants that one.
    #[serde(skip)]
    pub has_rate: bool,
}

/// The target's processor time and what it was used for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TargetCpu {
    /// The probes that saw it; their figures are added.
    pub sources: Vec<String>,
    /// Processor time between the first and last reading, s.
    pub cpu_s: f64,
    /// Requests answered between them.
    pub answered: u64,
    /// Requests answered for each second of processor time; `None` where that is too little to be measured.
    pub answered_per_cpu_s: Option<f64>,
}

/// Values over time for charts, by bin; `None` where there was no reading.
#[derive(Debug, Clone, PartialEq)]
pub struct OverTime {
    /// As wide as those of the rates, or as the readings are apart.
    pub bins: Bins,
    /// Cores in use by the target.
    pub target_cores: Vec<Option<f64>>,
    /// Cores in use by the generator.
    pub generator_cores: Vec<Option<f64>>,
    /// Cores in use on the generator's machine.
    pub host_cores: Vec<Option<f64>>,
    /// Resident memory of the target, bytes.
    pub target_rss_bytes: Vec<Option<f64>>,
}

/// What probes saw of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Resources {
    /// Readings before this are part of the warm-up and of no figure, ns since run start.
    pub from_ns: i64,
    /// `None` where no probe saw it.
    pub target_cpu: Option<TargetCpu>,
    /// Every series, in the order in which they were first seen.
    pub series: Vec<Series>,
    /// What happened to the probes and to what they watch.
    pub events: Vec<Event>,
    /// For the charts.
    #[serde(skip)]
    pub over_time: OverTime,
    /// What else varied, for small charts.
    #[serde(skip)]
    pub watched: Watched,
    /// The least memory that a threshold of the run allows the target.
    #[serde(skip)]
    pub(crate) memory_allowed_bytes: Option<f64>,
    #[serde(skip)]
    reads: Vec<Read>,
}

/// A series as it was read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Read {
    pub source: String,
    pub series: String,
    pub unit: String,
    /// Instant (ns since run start) and value, rising in time.
    pub points: Vec<(i64, f64)>,
}

/// What may grow without end, and the series of the same probe that has its limit.
const GROWING: &[(&str, &str)] =
    &[("rss_bytes", "memory_limit_bytes"), ("descriptors", "descriptors_limit"), ("threads", "threads_limit")];

impl Resources {
    /// One pass over what probes saw, and one over the outcomes where the target's processor time is known. `whole` has the warm-up in
    /// it, which the course of time shows and figures leave out. `None` where nothing was watched.
    ///
    /// # Errors
    /// [`Error::Outcomes`] when a part is damaged.
    pub fn load(run: &Run, whole: &Totals) -> Result<Option<Self>> {
        let Some(all) = AllRead::load(run)? else { return Ok(None) };
        let from_ns = run.info.asked.get("warmup_ns").and_then(serde_json::Value::as_i64).unwrap_or(0);
        let target = Target::of(&all.list);
        let mut series: Vec<Series> = all.list.iter().filter_map(|read| figures(read, from_ns)).collect();
        mark_counters(&mut series);
        Ok(Some(Self {
            from_ns,
            target_cpu: target.cpu(run, from_ns)?,
            over_time: over_time(&all.list, &target, span(whole)),
            watched: Watched::of(&all.list, &series, span(whole), interval_ns(&all.list)),
            memory_allowed_bytes: memory_allowed_bytes(&run.info),
            series,
            events: run.events.clone(),
            reads: all.list,
        }))
    }

    /// Instants (ns since run start) and values of a series of a probe, rising in time.
    #[must_use]
    pub fn points(&self, source: &str, series: &str) -> Option<&[(i64, f64)]> {
        self.reads.iter().find(|read| read.source == source && read.series == series).map(|read| read.points.as_slice())
    }

    /// The same of a series of each of the target's processes, or of what the target says of itself.
    #[must_use]
    pub fn target(&self, series: &str) -> Vec<Vec<(i64, f64)>> {
        Target::of(&self.reads).named(series).into_iter().map(|read| read.points.clone()).collect()
    }

    /// The same of every series of a probe with one of these names, whatever its labels.
    #[must_use]
    pub fn starting(&self, source: &str, names: &[&str]) -> Vec<Vec<(i64, f64)>> {
        let name = |read: &Read| read.series.split('{').next().unwrap_or_default().to_owned();
        let wanted = |read: &&Read| read.source == source && names.contains(&name(read).as_str());
        self.reads.iter().filter(wanted).map(|read| read.points.clone()).collect()
    }

    /// Whether the target's processes were seen, which only probes of this machine do.
    #[must_use]
    pub fn target_is_local(&self) -> bool {
        Target::of(&self.reads).of.iter().any(|read| DIRECT[..2].concat().iter().any(|kind| read.source.starts_with(kind)))
    }
}

impl Resources {
    /// Of the target's processes and of the generator, what may grow without end.
    pub(crate) fn growing(&self) -> impl Iterator<Item = &Read> {
        let own = self.reads.iter().filter(|read| read.source == GENERATOR);
        let may = |read: &&Read| GROWING.iter().any(|(series, _)| *series == read.series);
        Target::of(&self.reads).of.into_iter().chain(own).filter(may)
    }

    /// What a series must not reach: a threshold of the run, its own limit, or, for memory of a process of this machine, all that this machine has.
    pub(crate) fn limit_of(&self, read: &Read) -> Option<Limit> {
        let (_, limit) = GROWING.iter().find(|(series, _)| *series == read.series)?;
        let last = |source: &str, series: &str| {
            self.series.iter().find(|one| one.source == source && one.series == series).map(|one| one.last)
        };
        let allowed = self.memory_allowed_bytes.filter(|_| read.series == "rss_bytes" && read.source != GENERATOR);
        let allowed = allowed.map(|at| Limit { at, of: "the threshold".to_owned() });
        let own = last(&read.source, limit).map(|at| Limit { at, of: format!("its own limit ({limit})") });
        let here =
            read.source == GENERATOR || DIRECT[..2].iter().flat_map(|kinds| *kinds).any(|kind| read.source.starts_with(kind));
        let all = || last(HOST, "memory_bytes").map(|at| Limit { at, of: "the memory of this machine".to_owned() });
        allowed.or(own).or_else(|| all().filter(|_| here && read.series == "rss_bytes"))
    }
}

/// By the thresholds that were asked of the run.
fn memory_allowed_bytes(info: &RunInfo) -> Option<f64> {
    let thresholds = Thresholds::of_run(info).ok()?;
    let of_memory = |one: &&Threshold| matches!(one.metric, Metric::Figure(figure) if figure.name == "memory");
    let in_bytes = |one: &&Threshold| one.metric.unit() == Unit::Bytes && one.comparator.is_ceiling();
    thresholds.iter().filter(of_memory).filter(in_bytes).map(|one| one.limit).reduce(f64::min)
}

/// Every series read so far.
#[derive(Default)]
struct AllRead {
    list: Vec<Read>,
    by_name: HashMap<String, HashMap<String, usize>>,
}

impl AllRead {
    /// `None` where nothing was watched.
    fn load(run: &Run) -> Result<Option<Self>> {
        let columns = ["run_ns", "source", "series", "unit", "value"];
        let Some(batches) = run.scan_resources(|rows| rows.select(columns.map(col)))? else { return Ok(None) };
        let mut all = Self::default();
        for batch in batches {
            all.take(&batch?).map_err(|e| Error::outcomes(&run.dir, e))?;
        }
        Ok(Some(all))
    }

    fn take(&mut self, batch: &DataFrame) -> PolarsResult<()> {
        let text = |name| PolarsResult::Ok(batch.column(name)?.str()?.iter().map(Option::unwrap_or_default));
        let at = batch.column("run_ns")?.i64()?.iter().map(Option::unwrap_or_default);
        let values = batch.column("value")?.f64()?.iter().map(Option::unwrap_or_default);
        for ((((source, series), unit), at_ns), value) in
            text("source")?.zip(text("series")?).zip(text("unit")?).zip(at).zip(values)
        {
            let place = self.place(source, series, unit);
            self.list[place].points.push((at_ns, value));
        }
        Ok(())
    }

    fn place(&mut self, source: &str, series: &str, unit: &str) -> usize {
        if let Some(place) = self.by_name.get(source).and_then(|of_source| of_source.get(series)) {
            return *place;
        }
        let place = self.list.len();
        let (source, series) = (source.to_owned(), series.to_owned());
        self.by_name.entry(source.clone()).or_default().insert(series.clone(), place);
        self.list.push(Read { source, series, unit: unit.to_owned(), points: Vec::new() });
        place
    }
}

fn figures(read: &Read, from_ns: i64) -> Option<Series> {
    let values: Vec<f64> = read.points.iter().filter(|(at_ns, _)| *at_ns >= from_ns).map(|(_, value)| *value).collect();
    let (first, last) = (*values.first()?, *values.last()?);
    let mut sorted = values.clone();
    sorted.sort_by(f64::total_cmp);
    Some(Series {
        source: read.source.clone(),
        series: read.series.clone(),
        unit: read.unit.clone(),
        count: values.len(),
        first,
        last,
        min: sorted[0],
        mean: values.iter().sum::<f64>() / values.len() as f64,
        p95: sorted[(values.len() * 95).div_ceil(100) - 1],
        max: sorted[sorted.len() - 1],
        has_rate: false,
    })
}

fn mark_counters(all: &mut [Series]) {
    let rates: Vec<(String, String)> = all.iter().map(|one| (one.source.clone(), rate_of(&one.series, &one.unit).0)).collect();
    let known: std::collections::HashSet<(String, String)> =
        all.iter().map(|one| (one.source.clone(), one.series.clone())).collect();
    all.iter_mut().zip(&rates).for_each(|(one, rate)| one.has_rate = known.contains(rate));
}

/// The probes that see the target's processes.
struct Target<'a> {
    of: Vec<&'a Read>,
}

impl<'a> Target<'a> {
    /// The most direct probes that there are, and what they read.
    fn of(all: &'a [Read]) -> Self {
        let among = |kinds: &&[&str]| -> Vec<&'a Read> {
            let has_cpu = |source: &str| all.iter().any(|read| read.source == source && read.series == "cpu_s");
            let fits = |read: &&Read| kinds.iter().any(|kind| read.source.starts_with(kind)) && has_cpu(&read.source);
            all.iter().filter(fits).collect()
        };
        Self { of: DIRECT.iter().map(among).find(|found| !found.is_empty()).unwrap_or_default() }
    }

    fn named(&self, series: &str) -> Vec<&'a Read> {
        self.of.iter().filter(|read| read.series == series).copied().collect()
    }

    fn cpu(&self, run: &Run, from_ns: i64) -> Result<Option<TargetCpu>> {
        let counters = self.named("cpu_s");
        let inside =
            |read: &&Read| -> Vec<(i64, f64)> { read.points.iter().filter(|(at_ns, _)| *at_ns >= from_ns).copied().collect() };
        let points: Vec<Vec<(i64, f64)>> = counters.iter().map(inside).filter(|points| points.len() > 1).collect();
        let ends = |at: fn(&Vec<(i64, f64)>) -> i64| points.iter().map(at);
        let (Some(first_ns), Some(last_ns)) = (ends(|p| p[0].0).min(), ends(|p| p[p.len() - 1].0).max()) else {
            return Ok(None);
        };
        let cpu_s = points.iter().map(|points| growth(points)).sum();
        let answered = answered_between(run, first_ns, last_ns)?;
        let answered_per_cpu_s = (cpu_s >= CPU_S_MIN).then(|| answered as f64 / cpu_s);
        let sources = counters.iter().map(|read| read.source.clone()).collect();
        Ok(Some(TargetCpu { sources, cpu_s, answered, answered_per_cpu_s }))
    }
}

/// The most that a series of the target came to between two instants, added over the probes that see it (of each, the latest reading), and
/// from how many readings. `None` where there was none.
///
/// # Errors
/// [`Error::Outcomes`] when a part is damaged.
pub(crate) fn target_peak(run: &Run, series: &str, from_ns: i64, to_ns: i64) -> Result<Option<(f64, u64)>> {
    let Some(all) = AllRead::load(run)? else { return Ok(None) };
    let of = Target::of(&all.list).named(series);
    let points = of.iter().enumerate().flat_map(|(place, read)| read.points.iter().map(move |(at, value)| (*at, place, *value)));
    let mut points: Vec<(i64, usize, f64)> = points.filter(|(at_ns, ..)| (from_ns..=to_ns).contains(at_ns)).collect();
    points.sort_by_key(|(at_ns, place, _)| (*at_ns, *place));
    let mut latest = vec![0.0; of.len()];
    let sums = points.iter().map(|(_, place, value)| {
        latest[*place] = *value;
        latest.iter().sum::<f64>()
    });
    Ok(sums.reduce(f64::max).map(|peak| (peak, points.len() as u64)))
}

/// How much a counter has grown; below what it was it has started anew.
fn growth(points: &[(i64, f64)]) -> f64 {
    points.windows(2).map(|pair| if pair[1].1 < pair[0].1 { pair[1].1 } else { pair[1].1 - pair[0].1 }).sum()
}

/// Answers that came between two instants.
fn answered_between(run: &Run, first_ns: i64, last_ns: i64) -> Result<u64> {
    let between = col("done_ns").gt_eq(lit(first_ns)).and(col("done_ns").lt_eq(lit(last_ns)));
    let mut count = 0;
    for batch in run.scan(|outcomes| outcomes.filter(answered().and(between)).select([len().alias("count")]))? {
        let batch = batch?;
        let counts = batch.column("count").and_then(|column| column.u32().cloned());
        count += counts.map_err(|e| Error::outcomes(&run.dir, e))?.iter().flatten().map(u64::from).sum::<u64>();
    }
    Ok(count)
}

/// The first due instant, and the last of anything that happened.
fn span(totals: &Totals) -> (i64, i64) {
    (totals.first_due_ns, totals.last_sent_ns.max(totals.last_done_ns).unwrap_or_default().max(totals.last_due_ns))
}

fn over_time(all: &[Read], target: &Target<'_>, (first_ns, end_ns): (i64, i64)) -> OverTime {
    let own =
        |source: &str| -> Vec<&Read> { all.iter().filter(|read| read.source == source && read.series == "cpu_cores").collect() };
    let bins = Bins::new(first_ns, end_ns, interval_ns(all));
    OverTime {
        target_cores: binned(&bins, &target.named("cpu_cores")),
        generator_cores: binned(&bins, &own(GENERATOR)),
        host_cores: binned(&bins, &own(HOST)),
        target_rss_bytes: binned(&bins, &target.named("rss_bytes")),
        bins,
    }
}

/// How far readings are apart: the median over the longest series.
fn interval_ns(all: &[Read]) -> i64 {
    let longest = all.iter().max_by_key(|read| read.points.len());
    let mut gaps: Vec<i64> =
        longest.map(|read| read.points.windows(2).map(|pair| pair[1].0 - pair[0].0).collect()).unwrap_or_default();
    gaps.sort_unstable();
    gaps.get(gaps.len() / 2).copied().unwrap_or(0)
}

/// The mean of each series in each bin, added over the series.
fn binned(bins: &Bins, of: &[&Read]) -> Vec<Option<f64>> {
    let mut sums: Vec<Option<f64>> = vec![None; bins.count];
    for read in of {
        for (total, mean) in sums.iter_mut().zip(bins.means(&read.points)) {
            *total = mean.map(|mean| total.unwrap_or(0.0) + mean).or(*total);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    fn read(source: &str, series: &str, unit: &str, values: &[f64]) -> Read {
        let points = values.iter().enumerate().map(|(second, value)| (second as i64 * S, *value)).collect();
        Read { source: source.to_owned(), series: series.to_owned(), unit: unit.to_owned(), points }
    }

    #[test]
    fn figures_leave_the_warm_up_out() {
        let values: Vec<f64> = (0..102).map(f64::from).collect();
        let found = figures(&read("a", "b", "", &values), 2 * S).unwrap();
        assert_eq!((found.count, found.first, found.last, found.min, found.max), (100, 2.0, 101.0, 2.0, 101.0));
        assert_eq!((found.mean, found.p95), (51.5, 96.0), "the 95th of 2, 3 … 101");
        assert_eq!(figures(&read("a", "b", "", &values), 200 * S), None);
    }

    #[test]
    fn the_most_direct_probes_are_the_target() {
        let cpu = |source| read(source, "cpu_s", "s", &[0.0, 1.0]);
        let all = [
            cpu("generator"),
            cpu("host"),
            cpu("prometheus:http://a"),
            cpu("pid:1"),
            read("pid:1", "rss_bytes", "bytes", &[1.0]),
            cpu("command:x"),
        ];
        let sources: Vec<&str> = Target::of(&all).named("cpu_s").iter().map(|read| read.source.as_str()).collect();
        assert_eq!(sources, ["pid:1", "command:x"]);
        assert_eq!(Target::of(&all[..3]).named("cpu_s").len(), 1, "without processes, what the server says of itself");
        assert!(Target::of(&all[..2]).of.is_empty());
    }

    #[test]
    fn counters_that_start_anew_go_on_growing() {
        assert_eq!(growth(&[(0, 5.0), (1, 7.0), (2, 0.5), (3, 1.5)]), 2.0 + 0.5 + 1.0);
    }

    #[test]
    fn counters_are_known_by_the_rate_beside_them() {
        let all = [read("a", "cpu_s", "s", &[1.0]), read("a", "cpu_cores", "cores", &[1.0]), read("b", "cpu_s", "s", &[1.0])];
        let mut series: Vec<Series> = all.iter().filter_map(|read| figures(read, 0)).collect();
        mark_counters(&mut series);
        assert_eq!(series.iter().map(|one| one.has_rate).collect::<Vec<_>>(), [true, false, false]);
    }

    #[test]
    fn bins_add_the_means_of_several_processes() {
        let bins = Bins::new(0, 3 * S, 2 * S);
        let (a, b) = (read("pid:1", "cpu_cores", "cores", &[1.0, 3.0, 5.0]), read("pid:2", "cpu_cores", "cores", &[10.0]));
        assert_eq!(binned(&bins, &[&a, &b]), [Some(12.0), Some(5.0)]);
        assert_eq!(interval_ns(&[a, b]), S);
    }
}
