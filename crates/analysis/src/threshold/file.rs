//! Thresholds in a file of YAML, in words that people know.
//!
//! ```yaml
//! overall:
//!   max_response_time: { percentile: 99, good: 100ms, acceptable: 250ms }
//!   max_error_rate: 0.1%
//!   min_throughput: 500/s
//! collections:
//!   products:
//!     max_response_time: { percentile: 95, limit: 50ms }
//! phases:
//!   stress:
//!     availability: 99%
//! thresholds:
//!   - service_p99{operation=GET /items}<20ms
//! ```

use std::path::Path;

use trace::rules::nearest;

use super::{Comparator, Metric, Threshold, Thresholds};
use crate::scope::Scope;
use crate::yaml::{Content, Node, document};
use crate::{Error, Result};

/// Sections that narrow down what the thresholds in them are about, each to one value of a word of a scope.
const SECTIONS: [(&str, &str); 6] = [
    ("collections", "collection"),
    ("operations", "operation"),
    ("phases", "phase"),
    ("targets", "target"),
    ("effects", "effect"),
    ("transactions", "transaction"),
];

/// What is written after `max_`, `min_` or alone, and the metric it means. Every metric's own name does as well.
const CALLED: [(&str, &str); 3] = [("response_time", "max"), ("cpu_usage", "cpu"), ("memory_usage", "memory")];

/// Keys that say by themselves on which side of the limit is good.
const SIDES: [(&str, Comparator); 2] = [("availability", Comparator::AtLeast), ("recovery_time", Comparator::AtMost)];

/// Keys that are suggested for an unknown one.
const KNOWN: [&str; 16] = [
    "overall",
    "collections",
    "operations",
    "phases",
    "targets",
    "effects",
    "transactions",
    "thresholds",
    "max_response_time",
    "max_error_rate",
    "min_throughput",
    "min_goodput",
    "max_cpu_usage",
    "max_memory_usage",
    "availability",
    "recovery_time",
];

impl Thresholds {
    /// Reads a file of thresholds.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::Asked`] with line and column of what is wrong in it.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
        let wrong = |reason: String| Error::Asked { option: "--thresholds", reason: format!("{}, {reason}", path.display()) };
        Self::parse_yaml(&text).map_err(wrong)
    }

    /// The same from a text.
    ///
    /// # Errors
    /// A sentence with line and column of what is wrong.
    pub fn parse_yaml(text: &str) -> std::result::Result<Self, String> {
        let mut found = Vec::new();
        section(&document(text)?, &Scope::ALL, &mut found)?;
        Self::new(found)
    }
}

/// Every threshold in a section, about requests of this scope.
fn section(node: &Node, scope: &Scope, found: &mut Vec<Threshold>) -> std::result::Result<(), String> {
    for (key, value) in node.map("limits, such as `max_error_rate: 0.1%`")? {
        let name = key.text("a key")?;
        if let Some((_, word)) = SECTIONS.iter().find(|(section, _)| *section == name) {
            for (key, inside) in value.map("a name and its limits in each line")? {
                let mut narrower = scope.clone();
                narrower.set(word, key.text("a name")?).map_err(|reason| key.wrong(reason))?;
                section(inside, &narrower, found)?;
            }
        } else if name == "overall" {
            section(value, scope, found)?;
        } else if name == "thresholds" {
            found.extend(written(value, scope)?);
        } else {
            found.extend(limits(key, name, value, scope)?);
        }
    }
    Ok(())
}

/// A list of thresholds as they are written after `--threshold`.
fn written(node: &Node, scope: &Scope) -> std::result::Result<Vec<Threshold>, String> {
    let Content::List(list) = &node.content else {
        return Err(node.wrong("wanted a list of thresholds, such as `- p95<20ms`"));
    };
    let read = |item: &Node| {
        let threshold: Threshold = item.text("a threshold such as p95<20ms")?.parse().map_err(|reason| item.wrong(reason))?;
        Ok(Threshold { scope: scope.and(&threshold.scope), ..threshold })
    };
    list.iter().map(read).collect()
}

/// What a key such as `max_response_time` says, with its limit, its two limits, or a list of several.
fn limits(key: &Node, name: &str, value: &Node, scope: &Scope) -> std::result::Result<Vec<Threshold>, String> {
    let known = SIDES.iter().find(|(side, _)| *side == name).map(|(side, comparator)| (*side, *comparator));
    let prefixed = || name.strip_prefix("max_").map(|metric| (metric, Comparator::AtMost));
    let lower = || name.strip_prefix("min_").map(|metric| (metric, Comparator::AtLeast));
    let Some((what, comparator)) = known.or_else(prefixed).or_else(lower) else { return Err(key.wrong(unknown(name))) };
    let metric = CALLED.iter().find(|(theirs, _)| *theirs == what).map_or(what, |(_, ours)| *ours);
    if !Metric::is_known(metric) {
        return Err(key.wrong(unknown(name)));
    }
    let one = |node: &Node| limit(node, metric, comparator, scope);
    match &value.content {
        Content::List(list) => list.iter().map(one).collect(),
        _ => Ok(vec![one(value)?]),
    }
}

fn unknown(name: &str) -> String {
    let meant = nearest(name, &KNOWN).map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
    format!(
        "there is no `{name}`{meant}; there are {}, and max_ or min_ before any metric of `rehearsal help report`",
        KNOWN.join(", ")
    )
}

/// `20ms`, or `{ percentile: 99, limit: 20ms }`, or `{ good: 10ms, acceptable: 20ms }`.
fn limit(node: &Node, metric: &str, comparator: Comparator, scope: &Scope) -> std::result::Result<Threshold, String> {
    let Content::Map(pairs) = &node.content else {
        return threshold(node, metric, comparator, scope, (node, None));
    };
    let (mut name, mut limit, mut good) = (metric.to_owned(), None, None);
    for (key, value) in pairs {
        match key.text("a key")? {
            "percentile" if metric == "max" => {
                name = format!("p{}", value.text("a percentile such as 99")?.trim_start_matches('p'))
            }
            "percentile" => return Err(key.wrong("only a response time has a percentile")),
            "limit" | "acceptable" if limit.is_some() => {
                return Err(key.wrong("`limit` and `acceptable` are the same; write one"));
            }
            "limit" | "acceptable" => limit = Some(value),
            "good" => good = Some(value),
            "poor" => return Err(key.wrong("poor is whatever is worse than `acceptable`; leave it out")),
            other => {
                let keys = ["percentile", "limit", "good", "acceptable"];
                let meant = nearest(other, &keys).map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
                return Err(key.wrong(format!("there is no `{other}`{meant}; there are {}", keys.join(", "))));
            }
        }
    }
    let limit = limit.ok_or_else(|| node.wrong("a limit is missing: write `limit`, or `good` and `acceptable`"))?;
    threshold(node, &name, comparator, scope, (limit, good))
}

fn threshold(
    place: &Node,
    name: &str,
    comparator: Comparator,
    scope: &Scope,
    (limit, good): (&Node, Option<&Node>),
) -> std::result::Result<Threshold, String> {
    let text = limit.text("a limit such as 20ms")?;
    let (metric, value) = Metric::with_limit(name, text.trim()).map_err(|reason| limit.wrong(reason))?;
    let good = good.map(|good| {
        let text = good.text("a limit such as 10ms")?;
        metric.unit().parse(text.trim()).map_err(|reason| good.wrong(reason))
    });
    Threshold::new(metric, scope.clone(), comparator, value, good.transpose()?).map_err(|reason| place.wrong(reason))
}
