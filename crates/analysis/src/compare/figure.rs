//! What is compared: figures of a run, each with the way that is worse and the change from which it matters.
//!
//! A new figure is one row in [`FIGURES`].

use stats::compare::Worse;
use stats::order;
use trace::Unit;
use trace::rules::nearest;

use super::digest::Digest;
use super::histogram::Histogram;
use super::sample::{LEVELS, Sample, Stretch};
use crate::distribution::CONFIDENCE;
use crate::scope::Scope;
use crate::{Error, Result};

/// Figures that decide, at most: each one more makes all of them harder to tell from chance.
pub const DECIDING_MAX: usize = 6;

/// How a figure is read off a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measure {
    /// A quantile of response time.
    Quantile(f64),
    /// Mean response time.
    Mean,
    /// Good answers per second, from the first due instant to the last answer.
    Throughput,
    /// Share of requests without a good answer.
    ErrorRate,
    /// A quantile of the time to connect: index among [`super::digest::GROUP_LEVELS`].
    Connect(usize),
    /// Processor time of the target for each answer.
    Cpu,
    /// The most memory the target held.
    Memory,
    /// Mean recall of the recorded ids.
    Recall,
    /// Share of answers that agree with the recording.
    Agreement,
}

/// A row of the table.
struct Row {
    name: &'static str,
    measure: Measure,
    /// From which change on it matters: a share of the value, or for shares the difference.
    relevant: f64,
    /// Whether it decides, as a figure of all requests.
    decides: bool,
}

const fn row(name: &'static str, measure: Measure, relevant: f64, decides: bool) -> Row {
    Row { name, measure, relevant, decides }
}

/// Every figure of a whole run, in the order of the tables.
const FIGURES: &[Row] = &[
    row("p50", Measure::Quantile(0.5), 0.05, true),
    row("p99", Measure::Quantile(0.99), 0.10, true),
    row("throughput", Measure::Throughput, 0.05, true),
    row("error_rate", Measure::ErrorRate, 0.005, true),
    row("mean", Measure::Mean, 0.05, false),
    row("p90", Measure::Quantile(0.9), 0.05, false),
    row("p95", Measure::Quantile(0.95), 0.10, false),
    row("p99.9", Measure::Quantile(0.999), 0.20, false),
    row("connect_p50", Measure::Connect(0), 0.10, false),
    row("connect_p99", Measure::Connect(1), 0.20, false),
    row("cpu_per_answer", Measure::Cpu, 0.05, false),
    row("memory_max", Measure::Memory, 0.10, false),
    row("recall", Measure::Recall, 0.01, false),
    row("agreement", Measure::Agreement, 0.01, false),
];

/// The figures of each collection and operation that are looked at beside the deciding ones.
const OF_GROUPS: &[&str] = &["p50", "p99", "error_rate"];

/// Whether changes of a figure in this unit are ratios; of shares they are differences.
pub fn is_ratio(unit: Unit) -> bool {
    unit != Unit::Share
}

impl Measure {
    /// What its values are counted in.
    pub fn unit(self) -> Unit {
        match self {
            Self::Quantile(_) | Self::Mean | Self::Connect(_) | Self::Cpu => Unit::Ns,
            Self::Throughput => Unit::PerS,
            Self::Memory => Unit::Bytes,
            Self::ErrorRate | Self::Recall | Self::Agreement => Unit::Share,
        }
    }

    /// Which way is worse.
    pub fn worse(self) -> Worse {
        match self {
            Self::Throughput | Self::Recall | Self::Agreement => Worse::Lower,
            _ => Worse::Higher,
        }
    }

    /// The value of a whole sample.
    fn of(self, sample: &Sample) -> Option<f64> {
        match self {
            Self::Quantile(level) => sample.at(level).map(|ns| ns as f64),
            Self::Mean => (sample.answered > 0).then(|| sample.sum_ns as f64 / sample.answered as f64),
            Self::Throughput => (sample.seconds > 0.0).then(|| sample.ok as f64 / sample.seconds),
            Self::ErrorRate => share(sample.requests - sample.ok, sample.requests),
            _ => None,
        }
    }

    /// The value of one of its stretches.
    fn of_stretch(self, sample: &Sample, stretch: &Stretch) -> Option<f64> {
        match self {
            Self::Quantile(level) => stretch.values_ns[sample.place(level)?].map(|ns| ns as f64),
            Self::Mean => (stretch.answered > 0).then(|| stretch.sum_ns as f64 / stretch.answered as f64),
            Self::Throughput => {
                (sample.seconds > 0.0).then(|| stretch.came as f64 * sample.stretches.len() as f64 / sample.seconds)
            }
            Self::ErrorRate => share(stretch.requests - stretch.ok, stretch.requests),
            _ => None,
        }
    }

    /// The value of a run as a whole, for what is not counted by request.
    fn of_run(self, digest: &Digest) -> Option<f64> {
        match self {
            Self::Connect(place) => digest.connect_ns.get(place).copied().flatten().map(|ns| ns as f64),
            Self::Cpu => digest.cpu_per_answer_s.map(|s| s * 1e9),
            Self::Memory => digest.memory_max_bytes,
            Self::Recall => digest.recall,
            Self::Agreement => digest.agreeing,
            _ => None,
        }
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Which requests a figure is of.
#[derive(Debug, Clone, PartialEq)]
pub enum Of {
    /// All of them.
    All,
    /// Those of one collection and operation.
    Group(String, String),
    /// Those of a scope that the user named.
    Scope(Scope),
}

/// A figure to be compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Its name, with its scope: `p99`, `p95{collection=mixtral}`.
    pub name: String,
    /// How it is read.
    pub measure: Measure,
    /// Which requests it is of.
    pub of: Of,
    /// Whether it decides; all others are looked at beside.
    pub decides: bool,
    /// From which change on it matters.
    pub relevant: f64,
}

/// A figure's values in one run: as a whole, and in stretches of equal time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Values {
    /// Of the whole run.
    pub run: Option<f64>,
    /// Of each stretch; empty where one of them has too few requests, or the figure is one of the whole run only.
    pub stretches: Vec<f64>,
}

impl Figure {
    /// The figures of all requests, deciding ones first.
    pub fn standard() -> Vec<Self> {
        let figure = |row: &Row| Self {
            name: row.name.to_owned(),
            measure: row.measure,
            of: Of::All,
            decides: row.decides,
            relevant: row.relevant,
        };
        FIGURES.iter().map(figure).collect()
    }

    /// The figures of one collection and operation.
    pub fn of_group(collection: &str, operation: &str) -> Vec<Self> {
        let scope = Scope { collection: Some(collection.to_owned()), operation: Some(operation.to_owned()), ..Scope::default() };
        let figure = |row: &Row| Self {
            name: format!("{}{scope}", row.name),
            measure: row.measure,
            of: Of::Group(collection.to_owned(), operation.to_owned()),
            decides: false,
            relevant: row.relevant,
        };
        FIGURES.iter().filter(|row| OF_GROUPS.contains(&row.name)).map(figure).collect()
    }

    /// A figure as a user names it: `p95{collection=mixtral}`, `error_rate`, `p97.5`.
    ///
    /// # Errors
    /// [`Error::Refused`] with the nearest known name.
    pub fn named(text: &str) -> Result<Self> {
        let (name, scope) = text.split_once('{').map_or((text, None), |(name, _)| (name, Some(&text[name.len()..])));
        let scope = scope.map(str::parse::<Scope>).transpose().map_err(Error::Refused)?;
        let (measure, relevant) = find(name.trim())?;
        if scope.is_some() && !matches!(measure, Measure::Quantile(_) | Measure::Mean | Measure::Throughput | Measure::ErrorRate)
        {
            return Err(Error::Refused(format!("`{name}` is a figure of a whole run and takes no scope")));
        }
        Ok(Self { name: text.to_owned(), measure, of: scope.map_or(Of::All, Of::Scope), decides: true, relevant })
    }

    /// Whether a run has to be measured for it once more, and at which levels.
    pub fn extra_levels(&self) -> Option<Vec<f64>> {
        let level = if let Measure::Quantile(level) = self.measure { Some(level) } else { None };
        let unusual = level.is_some_and(|level| !LEVELS.contains(&level));
        (matches!(self.of, Of::Scope(_)) || unusual).then(|| level.into_iter().collect())
    }

    /// Reads its values off a run.
    pub fn values(&self, digest: &Digest) -> Values {
        if let Some(sample) = digest.named.get(&self.name) {
            return self.of_sample(sample);
        }
        match &self.of {
            Of::Group(collection, operation) => {
                digest.group(collection, operation).map(|group| self.of_sample(&group.sample)).unwrap_or_default()
            }
            Of::All if self.extra_levels().is_none() => {
                let values = self.of_sample(&digest.all);
                Values { run: values.run.or_else(|| self.measure.of_run(digest)), ..values }
            }
            Of::All => self.of_histograms(digest, &Scope::default()),
            Of::Scope(scope) => self.of_histograms(digest, scope),
        }
    }

    /// From the histograms of a baseline, which are exact to 0.4 %, and know collections and operations only.
    fn of_histograms(&self, digest: &Digest, scope: &Scope) -> Values {
        let wanted = |name: &str, of: &Option<String>| of.as_ref().is_none_or(|of| of == name);
        let within = digest
            .groups
            .iter()
            .filter(|group| wanted(&group.collection, &scope.collection) && wanted(&group.operation, &scope.operation));
        let run = match self.measure {
            Measure::Quantile(level) => {
                let mut all = Histogram::default();
                within.for_each(|group| all.add(&group.histogram));
                let enough = all.count() >= order::samples_min_two_sided(level, CONFIDENCE) as u64;
                all.quantile_ns(level).filter(|_| enough).map(|ns| ns as f64)
            }
            measure => measure.of(&within.fold(Sample::default(), |sum, group| sum.and(&group.sample))),
        };
        Values { run, stretches: Vec::new() }
    }

    fn of_sample(&self, sample: &Sample) -> Values {
        let stretches: Option<Vec<f64>> =
            sample.stretches.iter().map(|stretch| self.measure.of_stretch(sample, stretch)).collect();
        Values { run: self.measure.of(sample), stretches: stretches.unwrap_or_default() }
    }

    /// The word in front of the scope.
    pub fn word(&self) -> &str {
        self.name.split('{').next().unwrap_or_default()
    }
}

/// The measure of that name, and from which change on it matters; any percentile will do.
fn find(name: &str) -> Result<(Measure, f64)> {
    if let Some(row) = FIGURES.iter().find(|row| row.name == name) {
        return Ok((row.measure, row.relevant));
    }
    let level = name
        .strip_prefix('p')
        .and_then(|percent| percent.parse::<f64>().ok())
        .filter(|percent| *percent > 0.0 && *percent < 100.0);
    if let Some(percent) = level {
        let relevant = if percent > 99.0 {
            0.20
        } else if percent > 90.0 {
            0.10
        } else {
            0.05
        };
        return Ok((Measure::Quantile(percent / 100.0), relevant));
    }
    let known: Vec<&str> = FIGURES.iter().map(|row| row.name).collect();
    let hint =
        nearest(name, &known).map_or_else(|| format!("known are {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
    Err(Error::Refused(format!("`{name}` is no figure; {hint}")))
}

/// A change that is given from which on a figure matters: `p99=15%`, `error_rate=0.1%`.
///
/// # Errors
/// [`Error::Refused`] with what was wanted.
pub fn relevant(figures: &mut [Figure], name: &str, share: f64) -> Result<()> {
    find(name.split('{').next().unwrap_or_default())?;
    let mut found = figures.iter_mut().filter(|figure| figure.name == name || figure.word() == name).peekable();
    if found.peek().is_none() {
        return Err(Error::Refused(format!("`{name}` is not compared; name it with --figure as well")));
    }
    found.for_each(|figure| figure.relevant = share);
    Ok(())
}
