//! Computed statements about a run: each with a verdict, the figures behind it, and where these come from.
//!
//! A new finding is one function in the file of its family and one row in [`FINDINGS`].

mod answers;
mod breaking;
mod endurance;
mod generator;
mod hint;
mod latency;
pub(crate) mod run;
mod thresholds;
mod throughput;

use serde::Serialize;
use serde_json::{Map, Value};

pub(crate) use self::breaking::in_a_word;
pub(crate) use self::generator::criterion_text;
use crate::Analysis;

/// How a finding turned out, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// A fact with nothing to hold it against.
    Info,
    /// Too few samples to say.
    Insufficient,
    /// Worth knowing before the figures are used.
    Warn,
    /// Not as it should be: exit code 1.
    Fail,
    /// The generator spoilt the run, so that it says nothing of the target: exit code 1.
    Invalid,
}

impl Verdict {
    /// The name as written to files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Info => "info",
            Self::Insufficient => "insufficient",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Invalid => "invalid",
        }
    }
}

/// A confidence interval of one of a finding's figures, in its unit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Interval {
    /// Which figure.
    pub of: &'static str,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// With which confidence.
    pub confidence: f64,
}

/// A computed statement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// A stable name.
    pub id: &'static str,
    /// The statement.
    pub title: String,
    /// How it turned out.
    pub verdict: Verdict,
    /// The figures behind it, with the unit last in each name.
    pub figures: Map<String, Value>,
    /// The interval of the main figure, where it has one.
    pub interval: Option<Interval>,
    /// The columns of the outcomes, or the members of `run.json`, that the figures are computed from.
    pub evidence: &'static str,
    /// What it suggests, and where to look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What a rule says: the finding without its name.
struct Judged {
    title: String,
    verdict: Verdict,
    figures: Value,
    interval: Option<Interval>,
    evidence: &'static str,
}

/// A rule that looks at a run; `None` where the run is not of a kind that it has anything to say about.
struct Rule {
    id: &'static str,
    judge: fn(&Analysis) -> Option<Judged>,
}

/// Every rule, in the order in which findings are told.
const FINDINGS: &[Rule] = &[
    Rule { id: "complete", judge: |analysis| Some(run::complete(analysis)) },
    Rule { id: "clocks", judge: run::clocks },
    Rule { id: "generator", judge: |analysis| Some(generator::generator(analysis)) },
    Rule { id: "thresholds", judge: thresholds::thresholds },
    Rule { id: "timing", judge: |analysis| Some(generator::timing(analysis)) },
    Rule { id: "answers", judge: |analysis| Some(answers::answers(analysis)) },
    Rule { id: "agreement", judge: |analysis| Some(answers::agreement(analysis)) },
    Rule { id: "latency", judge: |analysis| Some(latency::latency(analysis)) },
    Rule { id: "waiting", judge: |analysis| Some(latency::waiting(analysis)) },
    Rule { id: "connecting", judge: latency::connecting },
    Rule { id: "limits", judge: |analysis| Some(generator::limits(analysis)) },
    Rule { id: "leak", judge: endurance::leak },
    Rule { id: "degradation", judge: endurance::degradation },
    Rule { id: "restart", judge: endurance::restart },
    Rule { id: "throughput", judge: |analysis| Some(throughput::throughput(analysis)) },
    Rule { id: "breaking-point", judge: breaking::breaking_point },
    Rule { id: "saturation", judge: breaking::saturation },
    Rule { id: "first-errors", judge: breaking::first_errors },
    Rule { id: "beyond", judge: breaking::beyond },
    Rule { id: "recovery", judge: breaking::recovery },
    Rule { id: "outage", judge: breaking::outage },
];

/// Every finding of a run.
#[must_use]
pub fn findings(analysis: &Analysis) -> Vec<Finding> {
    let find = |rule: &Rule| {
        let Judged { title, verdict, figures, interval, evidence } = (rule.judge)(analysis)?;
        let figures = if let Value::Object(figures) = figures { figures } else { Map::new() };
        Some(Finding { id: rule.id, title, verdict, figures, interval, evidence, hint: None })
    };
    let mut findings = FINDINGS.iter().filter_map(find).collect();
    hint::add(analysis, &mut findings);
    findings
}
