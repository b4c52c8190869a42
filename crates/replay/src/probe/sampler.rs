//! The thread that reads every probe at every tick and writes down what it found.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use serde::Serialize;
use trace::{ClockPair, Event, EventLog, ResourceRow, ResourceWriter, RunNs, rate_of, whole_ns};

use super::derive::{Derived, Observation};
use super::{Probe, Reading, Sample, Setup, Spec, host, process, timeout_of};
use crate::clock::Clock;
use crate::limits::PROBE_SERIES_MAX;
use crate::preflight::Header;
use crate::target::Targets;
use crate::{Error, Result};

/// A part of the resources is closed so often, so that a kill loses no more.
const PART_NS: i64 = 5_000_000_000;
/// How far the sampler's thread gives way: it works in bursts of milliseconds and is in no hurry; a worker on the same core is.
const NICE: i32 = 10;

/// What a run watched, and what it missed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Watched {
    /// Readings of all probes, good or not.
    pub readings: u64,
    /// Ticks that were over before the probes were read.
    pub ticks_missed: u64,
    /// Readings that failed, by probe.
    pub failures: BTreeMap<String, u64>,
    /// Values that were left out since a probe had too many series.
    pub left_out: u64,
    /// Derived series that never had a value, and why.
    pub without_value: BTreeMap<String, String>,
    /// Restarts that were seen, by probe.
    pub restarts: BTreeMap<String, u64>,
}

impl Watched {
    /// One line for each thing a user must not miss.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let failures = self.failures.iter().map(|(probe, count)| format!("probe {probe} could not be read {count} times"));
        let restarts = self.restarts.iter().map(|(probe, count)| format!("{probe} restarted during the run ({count}×)"));
        let derived = self.without_value.iter().map(|(name, reason)| format!("--derive {name} never had a value: {reason}"));
        let mut lines: Vec<String> = failures.chain(restarts).chain(derived).collect();
        if self.ticks_missed > 0 {
            lines.push(format!("{} readings of the probes were missed; a longer --probe-every helps", self.ticks_missed));
        }
        if self.left_out > 0 {
            lines.push(format!("{} values of probes with more than {PROBE_SERIES_MAX} series were left out", self.left_out));
        }
        lines
    }
}

/// A probe and what is remembered of it.
struct Source {
    name: String,
    probe: Box<dyn Probe>,
    /// Value and instant of the last reading, by series.
    last: HashMap<String, (RunNs, f64)>,
    failing: bool,
    /// Whether derived series look at it: the user asked for it.
    asked: bool,
}

impl Source {
    fn new(name: &str, probe: Box<dyn Probe>, asked: bool) -> Self {
        Self { name: name.to_owned(), probe, last: HashMap::new(), failing: false, asked }
    }

    /// How much each reading has grown and over how long, and remembers it. What was read less than `least_ns` ago is not: its rate
    /// would be noise. A counter below what it was has started anew.
    fn growth(&mut self, at: RunNs, readings: &[Reading], keep: bool, least_ns: i64) -> Vec<Option<(f64, i64)>> {
        let mut last = std::mem::take(&mut self.last);
        let grown = |reading: &Reading| {
            if !keep && !reading.counter {
                return None;
            }
            let before = last.remove(reading.series.as_ref());
            let growth = before.and_then(|(then, value)| {
                let grown = if reading.value < value { reading.value } else { reading.value - value };
                (at - then >= least_ns).then_some((grown, at - then))
            });
            let remembered = if growth.is_none() { before.unwrap_or((at, reading.value)) } else { (at, reading.value) };
            self.last.insert(reading.series.to_string(), remembered);
            growth
        };
        readings.iter().map(grown).collect()
    }
}

/// Everything that is watched in a run.
pub(crate) struct Sampler {
    clock: Clock,
    every_ns: i64,
    sources: Vec<Source>,
    derived: Vec<(Derived, bool)>,
    writer: ResourceWriter,
    rolled: RunNs,
    events: EventLog,
    watched: Watched,
}

/// What is asked of a sampler.
pub(crate) struct Asked<'a> {
    pub specs: &'a [Spec],
    pub every: Duration,
    pub derived: &'a [Derived],
    pub targets: &'a Targets,
    pub added: &'a [Header],
}

impl Sampler {
    /// Opens every probe for the run in `dir`; the generator and the host are always watched. That may take a while, so the run's clock
    /// comes later.
    ///
    /// # Errors
    /// [`crate::Error::Option`] for a probe that makes no sense.
    pub fn new(dir: &Path, asked: &Asked<'_>) -> Result<Self> {
        let clock = Clock::starting_in(0);
        let timeout = timeout_of(asked.specs, asked.every);
        let setup = Setup { clock: &clock, timeout, targets: asked.targets, added: asked.added };
        let mut sources = vec![
            Source::new("generator", Box::new(process::generator(clock.clone())), false),
            Source::new("host", host::host(), false),
        ];
        for spec in asked.specs {
            let name = spec.to_string();
            match sources.iter_mut().find(|source| source.name == name) {
                Some(known) => known.asked = true,
                None => sources.push(Source::new(&name, spec.open(&setup)?, true)),
            }
        }
        Ok(Self {
            every_ns: whole_ns(asked.every),
            clock,
            sources,
            derived: asked.derived.iter().map(|derived| (derived.clone(), false)).collect(),
            writer: ResourceWriter::new(dir),
            rolled: RunNs(0),
            events: EventLog::new(dir),
            watched: Watched::default(),
        })
    }

    /// Reads at every tick of the run's clock until the other end of `over` is gone, and once more then.
    ///
    /// # Errors
    /// [`crate::Error::Data`] when the disk is full; that a probe fails is none.
    pub fn run(mut self, clock: Clock, over: &Receiver<()>) -> Result<Watched> {
        self.clock = clock;
        rustix::process::nice(NICE).map_err(|e| Error::io("give way", "in the sampler thread".as_ref(), e.into()))?;
        let mut tick = 0;
        loop {
            let wait_ns = (tick * self.every_ns).saturating_sub(self.clock.now().ns()).max(0);
            match over.recv_timeout(Duration::from_nanos(wait_ns.unsigned_abs())) {
                Err(RecvTimeoutError::Timeout) => self.read_all()?,
                Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
            }
            let next = next_tick(self.clock.now(), self.every_ns);
            self.watched.ticks_missed += (next - tick - 1).max(0).unsigned_abs();
            tick = next.max(tick + 1);
        }
        self.read_all()?;
        self.writer.finish()?;
        Ok(self.watched)
    }

    fn read_all(&mut self) -> Result<()> {
        let mut sources = std::mem::take(&mut self.sources);
        let mut seen: Vec<(String, Observed)> = Vec::new();
        for source in &mut sources {
            self.read(source, &mut seen)?;
        }
        self.sources = sources;
        let pair = self.clock.pair();
        self.derive(&seen, pair)?;
        let now = RunNs(pair.run_ns);
        if now - self.rolled >= PART_NS {
            self.writer.roll()?;
            self.rolled = now;
        }
        Ok(())
    }

    fn read(&mut self, source: &mut Source, seen: &mut Vec<(String, Observed)>) -> Result<()> {
        let pair = self.clock.pair();
        let mut sample = Sample::default();
        let read = source.probe.sample(&mut sample);
        self.watched.readings += 1;
        self.watched.left_out += sample.left_out;
        for (kind, detail) in std::mem::take(&mut sample.events) {
            if kind == "restarted" {
                *self.watched.restarts.entry(source.name.clone()).or_default() += 1;
            }
            self.tell(pair, &source.name, kind, detail)?;
        }
        if let Err(reason) = read {
            *self.watched.failures.entry(source.name.clone()).or_default() += 1;
            if !std::mem::replace(&mut source.failing, true) {
                self.tell(pair, &source.name, "failed", reason)?;
            }
            return Ok(());
        }
        if std::mem::replace(&mut source.failing, false) {
            self.tell(pair, &source.name, "recovered", "it can be read again".to_owned())?;
        }
        let wanted = source.asked && !self.derived.is_empty();
        let growth = source.growth(RunNs(pair.run_ns), &sample.readings, wanted, self.every_ns / 2);
        for (reading, growth) in sample.readings.iter().zip(growth) {
            self.write(source, pair, reading, growth, seen)?;
        }
        Ok(())
    }

    /// A reading, its rate where it has one, and what derived series need to know of both.
    fn write(
        &mut self,
        source: &Source,
        pair: ClockPair,
        reading: &Reading,
        growth: Option<(f64, i64)>,
        seen: &mut Vec<(String, Observed)>,
    ) -> Result<()> {
        let rate = growth.filter(|_| reading.counter).map(|(grown, over_ns)| {
            let (name, unit) = rate_of(&reading.series, reading.unit);
            (name, unit, grown / (over_ns as f64 / 1e9))
        });
        let values = [Some((reading.series.as_ref(), reading.unit, reading.value))];
        let rates = rate.as_ref().map(|(name, unit, value)| (name.as_str(), *unit, *value));
        for (series, unit, value) in values.into_iter().chain([rates]).flatten() {
            let unit = Some(unit).filter(|unit| !unit.is_empty());
            let (at, wall_ns) = (RunNs(pair.run_ns), pair.unix_ns);
            self.writer.push(&ResourceRow { at, wall_ns, source: &source.name, series, unit, value })?;
        }
        if source.asked && !self.derived.is_empty() {
            seen.push((reading.series.to_string(), Observed { value: reading.value, growth }));
            seen.extend(rate.map(|(name, _, value)| (name, Observed { value, growth: None })));
        }
        Ok(())
    }

    fn derive(&mut self, seen: &[(String, Observed)], pair: ClockPair) -> Result<()> {
        let seen: Vec<Observation<'_>> =
            seen.iter().map(|(series, seen)| Observation { series, value: seen.value, growth: seen.growth }).collect();
        for (derived, had_value) in &mut self.derived {
            let Some(value) = derived.value(&seen) else {
                if !*had_value {
                    let reason = derived.missing(&seen).map(|name| why_missing(&name, &seen));
                    let reason = reason.unwrap_or_else(|| "what it is computed from had none".to_owned());
                    self.watched.without_value.insert(derived.name.clone(), reason);
                }
                continue;
            };
            *had_value = true;
            self.watched.without_value.remove(&derived.name);
            let (at, wall_ns) = (RunNs(pair.run_ns), pair.unix_ns);
            let row = ResourceRow { at, wall_ns, source: "derived", series: &derived.name, unit: None, value };
            self.writer.push(&row)?;
        }
        Ok(())
    }

    fn tell(&mut self, pair: ClockPair, source: &str, kind: &str, detail: String) -> Result<()> {
        let (source, kind) = (source.to_owned(), kind.to_owned());
        Ok(self.events.push(&Event { run_ns: pair.run_ns, wall_ns: pair.unix_ns, source, kind, detail })?)
    }
}

/// What was seen of a series.
struct Observed {
    value: f64,
    growth: Option<(f64, i64)>,
}

/// The number of the first tick that is still to come.
fn next_tick(now: RunNs, every_ns: i64) -> i64 {
    now.ns().div_euclid(every_ns) + 1
}

fn why_missing(name: &str, seen: &[Observation<'_>]) -> String {
    let names: Vec<&str> = seen.iter().filter_map(|one| one.series.split('{').next()).collect();
    let meant = trace::rules::nearest(name, &names).map_or(String::new(), |name| format!(" (did you mean `{name}`?)"));
    format!("no probe has a series `{name}`{meant}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    #[test]
    fn ticks_are_absolute_and_those_gone_by_are_missed() {
        assert_eq!(next_tick(RunNs(0), S), 1);
        assert_eq!(next_tick(RunNs(S - 1), S), 1);
        assert_eq!(next_tick(RunNs(S), S), 2);
        assert_eq!(next_tick(RunNs(7 * S / 2), S), 4, "one reading took two and a half ticks");
    }

    struct Silent;

    impl Probe for Silent {
        fn sample(&mut self, _: &mut Sample) -> std::result::Result<(), String> {
            Ok(())
        }
    }

    fn counter(value: f64) -> [Reading; 1] {
        [Reading { series: "cpu_s{core=\"1\"}".into(), unit: "s", value, counter: true }]
    }

    #[test]
    fn growth_counts_from_the_last_reading_that_was_far_enough_away() {
        let mut source = Source::new("x", Box::new(Silent), false);
        let mut grown = |at_ns: i64, value: f64| source.growth(RunNs(at_ns), &counter(value), false, S / 2)[0];
        assert_eq!(grown(0, 10.0), None);
        assert_eq!(grown(S, 12.0), Some((2.0, S)));
        assert_eq!(grown(S + S / 4, 12.5), None, "a quarter of a second is too short");
        assert_eq!(grown(2 * S, 13.0), Some((1.0, S)), "and nothing is lost by it");
        assert_eq!(grown(3 * S, 0.5), Some((0.5, S)), "it started anew");
        assert_eq!(grown(5 * S, 1.5), Some((1.0, 2 * S)), "a tick was missed");
    }

    /// Answers with its number of readings, and fails at some of them.
    struct Counted(f64);

    impl Probe for Counted {
        fn sample(&mut self, sample: &mut Sample) -> std::result::Result<(), String> {
            self.0 += 1.0;
            if (3.0..5.0).contains(&self.0) {
                return Err("gone".to_owned());
            }
            sample.counter("cpu_s", "s", self.0);
            Ok(())
        }
    }

    #[test]
    fn a_probe_that_fails_is_told_once_counted_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let (clock, now) = Clock::at_rest();
        let targets = Targets::new(Some("http://127.0.0.1:1"), &[]).unwrap();
        let derived = ["half=ratio(cpu_s,sum(cpu_s,cpu_s))".parse().unwrap(), "none=rate(cpu_z)".parse().unwrap()];
        let asked = Asked { specs: &[], every: Duration::from_secs(1), derived: &derived, targets: &targets, added: &[] };
        let mut sampler = Sampler::new(dir.path(), &asked).unwrap();
        sampler.clock = clock;
        sampler.sources = vec![Source::new("x", Box::new(Counted(0.0)), true)];
        for tick in 0..6 {
            now.store(tick * S, std::sync::atomic::Ordering::Relaxed);
            sampler.read_all().unwrap();
        }
        let watched = sampler.watched;
        sampler.writer.finish().unwrap();
        assert_eq!((watched.readings, &watched.failures), (6, &BTreeMap::from([("x".to_owned(), 2)])));
        assert!(watched.without_value["none"].ends_with("no probe has a series `cpu_z` (did you mean `cpu_s`?)"));
        assert_eq!(watched.without_value.len(), 1);
        let told: Vec<(i64, String)> =
            trace::read_events(dir.path()).unwrap().into_iter().map(|event| (event.run_ns, event.kind)).collect();
        assert_eq!(told, [(2 * S, "failed".to_owned()), (4 * S, "recovered".to_owned())]);
        let rates: Vec<f64> = rows(dir.path()).into_iter().filter(|row| row.1 == "cpu_cores").map(|row| row.2).collect();
        assert_eq!(rates, [1.0, 1.0, 1.0], "3 more in the 3 s over the gap, too");
        let halves: Vec<f64> = rows(dir.path()).into_iter().filter(|row| row.1 == "half").map(|row| row.2).collect();
        assert_eq!(halves, [0.5; 4]);
    }

    fn rows(dir: &Path) -> Vec<(i64, String, f64)> {
        use arrow::array::AsArray;
        use arrow::datatypes::{Float64Type, Int64Type};
        let mut rows = Vec::new();
        for part in trace::part_files(dir, trace::schema::RESOURCES).unwrap() {
            let file = std::fs::File::open(part.path).unwrap();
            let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
            for batch in reader.map(std::result::Result::unwrap) {
                let column = |name| batch.column_by_name(name).unwrap();
                let (at, value) = (column("run_ns").as_primitive::<Int64Type>(), column("value").as_primitive::<Float64Type>());
                let series = column("series").as_string::<i32>();
                rows.extend((0..batch.num_rows()).map(|row| (at.value(row), series.value(row).to_owned(), value.value(row))));
            }
        }
        rows
    }
}
