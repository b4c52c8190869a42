//! The figures of a run that histories are kept of, and how they are written.

use serde::{Serialize, Serializer};
use serde_json::Value;
use stats::compare::Worse;

use crate::compare::digest::Digest;
use crate::units;

/// How a figure is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A duration in ns.
    Ns,
    /// Events per second.
    PerS,
    /// Between 0 and 1.
    Share,
    /// Whatever a table's column counts in.
    Plain,
}

impl Unit {
    /// How values are written.
    #[must_use]
    pub const fn write(self) -> fn(f64) -> String {
        match self {
            Self::Ns => units::duration,
            Self::PerS => units::per_s,
            Self::Share => units::share,
            Self::Plain => units::number,
        }
    }

    /// How the values of an axis are written.
    #[must_use]
    pub const fn label(self) -> fn(f64) -> String {
        match self {
            Self::Ns => units::round_duration,
            Self::PerS | Self::Plain => units::short,
            Self::Share => units::share_label,
        }
    }
}

/// A figure that has a history.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// A short name, as options have it.
    pub name: String,
    /// What it is.
    pub title: String,
    /// How it is written.
    pub unit: Unit,
    /// Which way is worse.
    #[serde(serialize_with = "direction")]
    pub worse: Worse,
}

fn direction<S: Serializer>(worse: &Worse, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if *worse == Worse::Higher { "higher" } else { "lower" })
}

/// A figure of a run.
pub struct Known {
    /// A short name, as options have it.
    pub name: &'static str,
    /// What it is.
    pub title: &'static str,
    /// How it is written.
    pub unit: Unit,
    /// Which way is worse.
    pub worse: Worse,
    /// Whether it is looked at when nobody says what to look at.
    pub usual: bool,
    /// Reads it from `findings.json`.
    pub read: fn(&Value) -> Option<f64>,
    /// Reads it from a run in a baseline.
    pub kept: fn(&Digest) -> Option<f64>,
}

impl Known {
    /// The figure without where it is read.
    #[must_use]
    pub fn figure(&self) -> Figure {
        Figure { name: self.name.to_owned(), title: self.title.to_owned(), unit: self.unit, worse: self.worse }
    }
}

const fn response(
    name: &'static str,
    title: &'static str,
    usual: bool,
    read: fn(&Value) -> Option<f64>,
    kept: fn(&Digest) -> Option<f64>,
) -> Known {
    Known { name, title, unit: Unit::Ns, worse: Worse::Higher, usual, read, kept }
}

fn quantile(run: &Digest, p: f64) -> Option<f64> {
    run.all.at(p).map(|ns| ns as f64)
}

/// A count of a kept run over another.
fn over(above: f64, below: f64) -> Option<f64> {
    (below > 0.0).then(|| above / below)
}

fn number(findings: &Value, pointer: &str) -> Option<f64> {
    findings.pointer(pointer)?.as_f64()
}

fn failed_share(findings: &Value) -> Option<f64> {
    let (requests, ok) = (number(findings, "/totals/requests")?, number(findings, "/totals/ok")?);
    (requests > 0.0).then(|| (requests - ok) / requests)
}

fn cpu_ns(findings: &Value) -> Option<f64> {
    number(findings, "/resources/target_cpu/answered_per_cpu_s").filter(|per_s| *per_s > 0.0).map(|per_s| 1e9 / per_s)
}

/// Every figure of a run that has a history.
pub const FIGURES: &[Known] = &[
    response(
        "p50",
        "Response p50",
        true,
        |findings| number(findings, "/latency/overall/response/p50/value_ns"),
        |run| quantile(run, 0.5),
    ),
    response(
        "p90",
        "Response p90",
        false,
        |findings| number(findings, "/latency/overall/response/p90/value_ns"),
        |run| quantile(run, 0.9),
    ),
    response(
        "p95",
        "Response p95",
        false,
        |findings| number(findings, "/latency/overall/response/p95/value_ns"),
        |run| quantile(run, 0.95),
    ),
    response(
        "p99",
        "Response p99",
        true,
        |findings| number(findings, "/latency/overall/response/p99/value_ns"),
        |run| quantile(run, 0.99),
    ),
    response(
        "p99.9",
        "Response p99.9",
        false,
        |findings| number(findings, "/latency/overall/response/p99.9/value_ns"),
        |run| quantile(run, 0.999),
    ),
    response(
        "mean",
        "Response mean",
        false,
        |findings| number(findings, "/latency/overall/response/mean_ns"),
        |run| over(run.all.sum_ns as f64, run.all.answered as f64),
    ),
    Known {
        name: "throughput",
        title: "Good answers per second",
        unit: Unit::PerS,
        worse: Worse::Lower,
        usual: true,
        read: |findings| number(findings, "/throughput/goodput_per_s"),
        kept: |run| over(run.all.ok as f64, run.all.seconds),
    },
    Known {
        name: "errors",
        title: "Failed requests",
        unit: Unit::Share,
        worse: Worse::Higher,
        usual: true,
        read: failed_share,
        kept: |run| over((run.all.requests - run.all.ok) as f64, run.all.requests as f64),
    },
    Known {
        name: "cpu",
        title: "Processor time of the target per answer",
        unit: Unit::Ns,
        worse: Worse::Higher,
        usual: true,
        read: cpu_ns,
        kept: |run| run.cpu_per_answer_s.map(|seconds| seconds * 1e9),
    },
];
