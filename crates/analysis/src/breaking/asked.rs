//! Limits that a user gives, as thresholds or as `--limit NAME=VALUE`.
//!
//! A new limit is one row of [`KINDS`].

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use trace::rules::nearest;
use trace::{RunInfo, Unit};

use super::limit::{Limit, Measure, Sources};
use crate::distribution::LEVELS;
use crate::resources::HOST;
use crate::scope::Scope;
use crate::steps::{Step, Steps};
use crate::threshold::{Metric, Thresholds};
use crate::{Analysis, Result};

/// What can be limited, in one unit.
pub struct Kind {
    /// As it is written.
    pub name: &'static str,
    /// In what its limit is written; where there are several of a name, that says which is meant.
    pub unit: Unit,
    /// What it is.
    pub about: &'static str,
    /// What a run lacks that cannot be held against it.
    lacks: &'static str,
    measure: fn(&Analysis) -> Option<Measure>,
}

/// Everything that can be limited.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "connections",
        unit: Unit::Requests,
        about: "connections open at once, at most: each from its first request to its last answer, idle or not",
        lacks: "",
        measure: |_| Some(Measure::Connections),
    },
    Kind {
        name: "cpu",
        unit: Unit::Share,
        about: "share of the machine's processor cores in use by the target",
        lacks: TARGET,
        measure: |analysis| shares(target(analysis, "cpu_cores")?, cores(&analysis.info)?),
    },
    Kind {
        name: "cpu",
        unit: Unit::Cores,
        about: "processor cores in use by the target",
        lacks: TARGET,
        measure: |analysis| target(analysis, "cpu_cores").map(Measure::Resource),
    },
    Kind {
        name: "memory",
        unit: Unit::Share,
        about: "share of the machine's memory that the target holds",
        lacks: TARGET,
        measure: |analysis| {
            let whole = analysis.resources.as_ref()?.points(HOST, "memory_bytes")?.last()?.1;
            shares(target(analysis, "rss_bytes")?, whole)
        },
    },
    Kind {
        name: "memory",
        unit: Unit::Bytes,
        about: "resident memory of the target",
        lacks: TARGET,
        measure: |analysis| target(analysis, "rss_bytes").map(Measure::Resource),
    },
    Kind {
        name: "descriptors",
        unit: Unit::Requests,
        about: "files and sockets that the target has open",
        lacks: TARGET,
        measure: |analysis| target(analysis, "descriptors").map(Measure::Resource),
    },
    Kind {
        name: "disk",
        unit: Unit::Share,
        about: "share of the time in which the busiest of the machine's disks has something to do",
        lacks: "the run holds no readings of how long the machine's disks were busy",
        measure: |analysis| Some(Measure::Resource(vec![busiest(&sources(analysis, &["disk_busy_share"])?)])),
    },
    Kind {
        name: "disk",
        unit: Unit::Bytes,
        about: "bytes that the machine reads from and writes to its disks each second",
        lacks: MACHINE,
        measure: |analysis| machine(analysis, &["disk_read_bytes_per_s", "disk_written_bytes_per_s"]),
    },
    Kind {
        name: "network",
        unit: Unit::Bytes,
        about: "bytes that the machine receives and sends each second, over all interfaces",
        lacks: MACHINE,
        measure: |analysis| machine(analysis, &["network_received_bytes_per_s", "network_sent_bytes_per_s"]),
    },
];

const TARGET: &str = "the target was not watched: replay with --probe pid:NUMBER or another probe of it";
const MACHINE: &str = "the run holds no readings of the machine";

/// Processor cores of the machine that the run was made on.
pub(super) fn cores(info: &RunInfo) -> Option<f64> {
    info.host.get("cores").and_then(|cores| cores.parse().ok())
}

fn target(analysis: &Analysis, series: &str) -> Option<Sources> {
    Some(analysis.resources.as_ref()?.target(series)).filter(|sources| !sources.is_empty())
}

fn machine(analysis: &Analysis, series: &[&str]) -> Option<Measure> {
    sources(analysis, series).map(Measure::Resource)
}

fn sources(analysis: &Analysis, series: &[&str]) -> Option<Sources> {
    Some(analysis.resources.as_ref()?.starting(HOST, series)).filter(|sources| !sources.is_empty())
}

/// The largest value at each instant.
fn busiest(sources: &Sources) -> Vec<(i64, f64)> {
    let mut most = BTreeMap::new();
    for (at_ns, value) in sources.iter().flatten() {
        most.entry(*at_ns).and_modify(|most: &mut f64| *most = most.max(*value)).or_insert(*value);
    }
    most.into_iter().collect()
}

/// The same as shares of all there is.
fn shares(mut sources: Sources, whole: f64) -> Option<Measure> {
    sources.iter_mut().flatten().for_each(|(_, value)| *value /= whole);
    (whole > 0.0).then_some(Measure::Resource(sources))
}

/// A limit as it was given.
#[derive(Clone, Copy)]
pub struct Asked {
    kind: &'static Kind,
    value: f64,
}

impl FromStr for Asked {
    type Err = String;

    /// `connections=1000`, `cpu=80%`, `memory=2GiB`.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let mut names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        names.dedup();
        let (name, value) = text.split_once('=').ok_or_else(|| {
            format!("`{text}` is no limit; write NAME=VALUE, for example connections=1000; names are {}", names.join(", "))
        })?;
        // `0.8` is a number of cores, `80%` a share of them.
        let is_share = value.trim().ends_with('%');
        let (mut wrong, number) = (None, value.trim().trim_end_matches("/s"));
        for kind in KINDS.iter().filter(|kind| kind.name == name.trim()) {
            match kind.unit.parse(number) {
                Ok(value) if is_share == (kind.unit == Unit::Share) => return Ok(Self { kind, value }),
                Ok(_) => wrong = wrong.or(Some("a share is written with its sign, such as 80%".to_owned())),
                Err(reason) => wrong = Some(reason),
            }
        }
        let meant = nearest(name, &names).map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
        let unknown = || format!("there is no limit `{name}`{meant}; there are {}", names.join(", "));
        Err(wrong.map_or_else(unknown, |reason| format!("{name}: {reason}")))
    }
}

/// What [`FromStr`] reads again.
impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.kind.name, self.kind.unit.write(self.value))
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Asked {
    /// The limit for the steps of a run.
    ///
    /// # Errors
    /// A sentence where the run does not hold what it takes.
    pub fn limit(&self, analysis: &Analysis) -> std::result::Result<Limit, String> {
        if analysis.steps.all.is_empty() {
            return Err(format!("{self} is reached by a load that grows; that of this run did not vary"));
        }
        let missing = || format!("{self} cannot be held against the run: {}", self.kind.lacks);
        let of = (self.kind.measure)(analysis).ok_or_else(missing)?;
        Ok(Limit::new(self.to_string(), of, self.value, self.kind.unit))
    }
}

/// What of the thresholds can be told from a step: ceilings on times, errors and, where `analysis` has them, resources; floors on rates of answers.
/// `of_scope` measures the requests of a scope in each of `steps`; that of a collection is known already.
///
/// # Errors
/// Those of `of_scope`.
pub fn limits_of(
    thresholds: &Thresholds,
    steps: &Steps,
    analysis: Option<&Analysis>,
    of_scope: impl Fn(&Scope) -> Result<Vec<Step>>,
) -> Result<Vec<Limit>> {
    let mut limits = Vec::new();
    for threshold in thresholds.iter().filter(|_| !steps.all.is_empty()) {
        let is_floor = |of: &Measure| matches!(of, Measure::Answered | Measure::Good);
        let fits = |of: &Measure| is_floor(of) != threshold.comparator.is_ceiling();
        let Some(of) = measure(threshold.metric, analysis).filter(fits) else { continue };
        let (name, scope) = (threshold.to_string(), &threshold.scope);
        let collection = scope.collection.clone().filter(|name| steps.collections.contains_key(name));
        let only = Scope { collection: collection.clone(), ..Scope::ALL };
        let steps = if *scope == only { None } else { Some(of_scope(scope)?) };
        limits.push(Limit { collection, steps, ..Limit::new(name, of, threshold.limit, threshold.metric.unit()) });
    }
    Ok(limits)
}

/// The measure of a metric, in its unit.
fn measure(metric: Metric, analysis: Option<&Analysis>) -> Option<Measure> {
    let known = |level: u32| LEVELS.iter().map(|(p, _)| *p).find(|p| (p * 1e6).round() == f64::from(level));
    match metric {
        Metric::Quantile(time, level) if time.prefix.is_empty() => known(level).map(Measure::Response),
        Metric::Quantile(time, level) if time.prefix == "service_" => known(level).map(Measure::Service),
        Metric::Mean(time) if time.prefix.is_empty() => Some(Measure::Mean),
        Metric::Max(time) if time.prefix.is_empty() => Some(Measure::Longest),
        Metric::Figure(figure) if figure.name == "error_rate" => Some(Measure::Errors),
        Metric::Figure(figure) if figure.name == "throughput" => Some(Measure::Answered),
        Metric::Figure(figure) if figure.name == "goodput" => Some(Measure::Good),
        Metric::Figure(figure) => {
            let kind = KINDS.iter().find(|kind| kind.name == figure.name && kind.unit == figure.unit)?;
            (kind.measure)(analysis?)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_in_the_units_of_their_kind() {
        for (text, unit, value) in [
            ("connections=1000", Unit::Requests, 1000.0),
            ("cpu=80%", Unit::Share, 0.8),
            ("cpu=1.5", Unit::Cores, 1.5),
            ("memory=2GiB", Unit::Bytes, 2_147_483_648.0),
            ("memory=90%", Unit::Share, 0.9),
            ("network=10MB/s", Unit::Bytes, 1e7),
            ("disk=90%", Unit::Share, 0.9),
        ] {
            let asked: Asked = text.parse().unwrap();
            assert_eq!((asked.kind.unit, asked.value), (unit, value), "{text}");
            assert_eq!(asked.to_string().parse::<Asked>().unwrap().value, value, "{asked} is read again");
        }
    }

    #[test]
    fn the_busiest_disk_of_each_instant_counts() {
        let sources = vec![vec![(0, 0.2), (1, 0.9), (2, 0.1)], vec![(0, 0.7), (1, 0.3)]];
        assert_eq!(busiest(&sources), [(0, 0.7), (1, 0.9), (2, 0.1)]);
    }

    #[test]
    fn what_is_no_limit_is_refused_with_the_nearest_word() {
        for (text, word) in [
            ("conections=5", "did you mean `connections`?"),
            ("cpu", "write NAME=VALUE"),
            ("cpu=much", "processor cores"),
            ("connections=5%", "a number such as"),
            ("memory=2 stones", "a size such as"),
            ("network=50%", "a size such as"),
        ] {
            let said = text.parse::<Asked>().expect_err(text);
            assert!(said.contains(word), "{text}: {said}");
        }
    }
}
