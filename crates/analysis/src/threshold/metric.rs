//! What can be held against a limit.
//!
//! A new figure is one function in `judge.rs` and one row in [`FIGURES`]; a new time is one row in [`TIMES`], with all its percentiles,
//! mean and maximum.

use std::fmt;

use polars::prelude::{Expr, col, lit};
use trace::Unit;
use trace::rules::nearest;

use super::judge::{self, Measured, Within};
use crate::Result;
use crate::totals::answered;

/// Levels are whole millionths: `p99.99` is 999,900.
const WHOLE: u32 = 1_000_000;

/// A time of every request, of which percentiles, mean and maximum can be asked.
pub struct Time {
    /// What stands before `p99`, `mean` or `max`: nothing for response time, which is what is meant unless another is named.
    pub prefix: &'static str,
    /// What it is.
    pub about: &'static str,
    /// The columns it is computed from.
    pub evidence: &'static str,
    /// ns, of a row.
    pub(super) ns: fn() -> Expr,
    /// Rows that have it.
    pub(super) of: fn() -> Expr,
}

/// Every time there is.
pub const TIMES: &[Time] = &[
    Time {
        prefix: "",
        about: "from the instant a request was due to the last byte of its answer",
        evidence: "outcomes: done_ns − due_ns where error is null or `answer`",
        ns: || col("done_ns") - col("due_ns"),
        of: answered,
    },
    Time {
        prefix: "service_",
        about: "from the send to the last byte of the answer",
        evidence: "outcomes: done_ns − sent_ns where error is null or `answer`",
        ns: || col("done_ns") - col("sent_ns"),
        of: answered,
    },
    Time {
        prefix: "first_byte_",
        about: "from the send to the first byte of the answer",
        evidence: "outcomes: first_byte_ns − sent_ns",
        ns: || col("first_byte_ns") - col("sent_ns"),
        of: || col("first_byte_ns").is_not_null().and(col("sent_ns").is_not_null()),
    },
    Time {
        prefix: "connect_",
        about: "how long connecting took, of the requests that had to",
        evidence: "outcomes: connect_ns",
        ns: || col("connect_ns"),
        of: || col("connect_ns").is_not_null(),
    },
    Time {
        prefix: "lateness_",
        about: "the generator's own delay",
        evidence: "outcomes: sent_ns − due_ns − blocked_ns − queued_ns",
        ns: || col("sent_ns") - col("due_ns") - col("blocked_ns") - col("queued_ns"),
        of: || col("sent_ns").is_not_null().and(col("error").neq_missing(lit("unreplayable"))),
    },
];

/// A figure other than a time.
pub struct Figure {
    /// As it is written.
    pub name: &'static str,
    /// In what its limit is written.
    pub unit: Unit,
    /// What it is.
    pub about: &'static str,
    /// The columns it is computed from.
    pub evidence: &'static str,
    /// The option of `replay` without which there is nothing to measure.
    pub needs: Option<&'static str>,
    pub(super) measure: fn(&Within<'_>) -> Result<Measured>,
}

/// Every figure there is. Where two have a name, the limit's unit says which is meant.
pub const FIGURES: &[Figure] = &[
    Figure {
        name: "error_rate",
        unit: Unit::Share,
        about: "share of the requests without a good answer",
        evidence: "outcomes: ok",
        needs: None,
        measure: judge::error_rate,
    },
    Figure {
        name: "throughput",
        unit: Unit::PerS,
        about: "answers per second, good or bad",
        evidence: "outcomes: answers / (last done_ns − first due_ns)",
        needs: None,
        measure: judge::throughput,
    },
    Figure {
        name: "goodput",
        unit: Unit::PerS,
        about: "good answers per second",
        evidence: "outcomes: ok / (last done_ns − first due_ns)",
        needs: None,
        measure: judge::goodput,
    },
    Figure {
        name: "achieved",
        unit: Unit::PerS,
        about: "requests sent per second",
        evidence: "outcomes: sends / (last sent_ns − first sent_ns)",
        needs: None,
        measure: judge::achieved,
    },
    Figure {
        name: "count",
        unit: Unit::Requests,
        about: "requests that were due",
        evidence: "outcomes: rows",
        needs: None,
        measure: judge::count,
    },
    Figure {
        name: "availability",
        unit: Unit::Share,
        about: "share of the seconds with requests due in which at least one of these got a good answer",
        evidence: "outcomes: ok by whole seconds of due_ns",
        needs: None,
        measure: judge::availability,
    },
    Figure {
        name: "recovery_time",
        unit: Unit::Ns,
        about: "longest time until the target was as before, after a spike, a phase of more load or a restart",
        evidence: "outcomes: response p99 and requests in flight by second, after each disturbance",
        needs: None,
        measure: judge::recovery_time,
    },
    Figure {
        name: "recall",
        unit: Unit::Share,
        about: "share of the recorded ids found again, on average over the answers",
        evidence: "outcomes: recall",
        needs: Some("--compare"),
        measure: judge::recall,
    },
    Figure {
        name: "match_rate",
        unit: Unit::Share,
        about: "share of the compared answers that agree with the recorded ones",
        evidence: "outcomes: match",
        needs: Some("--compare"),
        measure: judge::match_rate,
    },
    Figure {
        name: "cpu",
        unit: Unit::Cores,
        about: "most processor cores in use by the target",
        evidence: "resources: cpu_cores of the target",
        needs: Some("--probe"),
        measure: judge::cpu,
    },
    Figure {
        name: "cpu",
        unit: Unit::Share,
        about: "most of the machine's processor cores in use by the target",
        evidence: "resources: cpu_cores of the target; run.json: host.cores",
        needs: Some("--probe"),
        measure: judge::cpu_share,
    },
    Figure {
        name: "memory",
        unit: Unit::Bytes,
        about: "most resident memory of the target",
        evidence: "resources: rss_bytes of the target",
        needs: Some("--probe"),
        measure: judge::memory,
    },
    Figure {
        name: "memory",
        unit: Unit::Share,
        about: "most of the machine's memory in use by the target",
        evidence: "resources: rss_bytes of the target; run.json: host.memory_bytes",
        needs: Some("--probe"),
        measure: judge::memory_share,
    },
];

/// What is held against a limit.
#[derive(Clone, Copy)]
pub enum Metric {
    /// A percentile of a time; its level in millionths.
    Quantile(&'static Time, u32),
    /// The arithmetic mean of a time.
    Mean(&'static Time),
    /// The longest.
    Max(&'static Time),
    /// Another figure.
    Figure(&'static Figure),
}

impl Metric {
    /// The metric of that name whose unit fits the limit, and the limit in it.
    ///
    /// # Errors
    /// A sentence that names the nearest metric, or what the limit should look like.
    pub fn with_limit(name: &str, limit: &str) -> std::result::Result<(Self, f64), String> {
        let mut wrong = None;
        for metric in Self::named(name) {
            match metric.unit().parse(limit) {
                Ok(value) => return Ok((metric, value)),
                Err(reason) => wrong = wrong.or(Some(format!("{name}: {reason}"))),
            }
        }
        Err(wrong.unwrap_or_else(|| unknown(name)))
    }

    /// Whether there is one of that name.
    #[must_use]
    pub fn is_known(name: &str) -> bool {
        !Self::named(name).is_empty()
    }

    /// Every metric of that name.
    fn named(name: &str) -> Vec<Self> {
        if let Some(metric) = time(name) {
            return vec![metric];
        }
        FIGURES.iter().filter(|figure| figure.name == name).map(Self::Figure).collect()
    }

    /// In what its limit is written.
    #[must_use]
    pub fn unit(self) -> Unit {
        if let Self::Figure(figure) = self { figure.unit } else { Unit::Ns }
    }

    /// The columns it is computed from.
    #[must_use]
    pub fn evidence(self) -> &'static str {
        match self {
            Self::Quantile(time, _) | Self::Mean(time) | Self::Max(time) => time.evidence,
            Self::Figure(figure) => figure.evidence,
        }
    }

    pub(super) fn measure(self, within: &Within<'_>) -> Result<Measured> {
        match self {
            Self::Quantile(time, level) => judge::quantile(within, time, f64::from(level) / f64::from(WHOLE)),
            Self::Mean(time) => judge::mean(within, time),
            Self::Max(time) => judge::max(within, time),
            Self::Figure(figure) => (figure.measure)(within),
        }
    }
}

/// A percentile, mean or maximum: `p99.9`, `p(95)`, `service_mean`, `connect_max`.
fn time(name: &str) -> Option<Metric> {
    let name = name.strip_prefix("response_").unwrap_or(name);
    // Nothing stands before every name, so the time that needs no prefix comes last.
    let (time, what) = TIMES.iter().rev().find_map(|time| Some((time, name.strip_prefix(time.prefix)?)))?;
    match what {
        "mean" => Some(Metric::Mean(time)),
        "max" => Some(Metric::Max(time)),
        _ => level(what).map(|level| Metric::Quantile(time, level)),
    }
}

/// `p95`, `p99.9`, or `p(95)` as it is written elsewhere.
fn level(text: &str) -> Option<u32> {
    let percent = text.strip_prefix('p')?;
    let percent = percent.strip_prefix('(').and_then(|inside| inside.strip_suffix(')')).unwrap_or(percent);
    let digits = percent.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let decimals = percent.split_once('.').map_or(0, |(_, after)| after.len());
    let millionths = (percent.parse::<f64>().ok()? * 1e4).round() as u32;
    (digits && decimals <= 4 && (1..WHOLE).contains(&millionths)).then_some(millionths)
}

/// What other tools call some of them.
const CALLED: &[(&str, &str)] = &[
    ("http_req_failed", "error_rate"),
    ("http_reqs", "throughput"),
    ("rps", "throughput"),
    ("failedRequests", "error_rate"),
    ("med", "p50"),
    ("median", "p50"),
    ("avg", "mean"),
];

fn unknown(name: &str) -> String {
    let called = CALLED.iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| *ours);
    let is_time = name.starts_with("http_req") || name.starts_with("responseTime") || name == "latency";
    let mut names: Vec<&str> = FIGURES.iter().map(|figure| figure.name).collect();
    names.dedup();
    let times: Vec<String> = TIMES.iter().skip(1).map(|time| format!("{}p99", time.prefix)).collect();
    let known = ["p50", "p90", "p95", "p99", "p99.9", "mean", "max"].into_iter().chain(times.iter().map(String::as_str));
    let all: Vec<&str> = known.chain(names).collect();
    let meant = called.or_else(|| is_time.then_some("p95")).or_else(|| nearest(name, &all));
    let meant = meant.map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
    format!(
        "there is no metric `{name}`{meant}; there are {}, and mean, max and any other percentile of each time",
        all.join(", ")
    )
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quantile(time, level) => write!(f, "{}p{}", time.prefix, f64::from(*level) / 1e4),
            Self::Mean(time) => write!(f, "{}mean", time.prefix),
            Self::Max(time) => write!(f, "{}max", time.prefix),
            Self::Figure(figure) => f.write_str(figure.name),
        }
    }
}

impl fmt::Debug for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} ({:?})", self.unit())
    }
}

/// A metric is its name and its unit.
impl PartialEq for Metric {
    fn eq(&self, other: &Self) -> bool {
        self.unit() == other.unit() && self.to_string() == other.to_string()
    }
}
