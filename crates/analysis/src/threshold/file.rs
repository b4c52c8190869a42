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

use saphyr_parser::{Event, Marker, Parser};
use trace::rules::nearest;

use super::{Comparator, Metric, Threshold, Thresholds};
use crate::scope::Scope;
use crate::{Error, Result};

/// Levels of maps and lists within one another.
const DEPTH_MAX: usize = 8;

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
const SIDES: [(&str, Comparator); 1] = [("availability", Comparator::AtLeast)];

/// Keys that are suggested for an unknown one.
const KNOWN: [&str; 15] = [
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

/// A value of the file and where it begins.
struct Node {
    at: Marker,
    content: Content,
}

enum Content {
    Text(String),
    Map(Vec<(Node, Node)>),
    List(Vec<Node>),
}

impl Node {
    fn wrong(&self, reason: impl std::fmt::Display) -> String {
        format!("line {}, column {}: {reason}", self.at.line(), self.at.col() + 1)
    }

    fn text(&self, what: &str) -> std::result::Result<&str, String> {
        if let Content::Text(text) = &self.content { Ok(text) } else { Err(self.wrong(format!("wanted {what}"))) }
    }

    fn map(&self, what: &str) -> std::result::Result<&[(Self, Self)], String> {
        match &self.content {
            Content::Map(pairs) => Ok(pairs),
            // A key with nothing after it.
            Content::Text(text) if text.is_empty() || text == "~" || text == "null" => Ok(&[]),
            _ => Err(self.wrong(format!("wanted {what}"))),
        }
    }
}

/// The one document of a file; an empty file has an empty map.
fn document(text: &str) -> std::result::Result<Node, String> {
    let mut events = Parser::new_from_str(text);
    let mut read: Option<Node> = None;
    loop {
        let (event, span) = match events.next() {
            None => break,
            Some(Ok(next)) => next,
            Some(Err(e)) => return Err(format!("line {}, column {}: {}", e.marker().line(), e.marker().col() + 1, e.info())),
        };
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {}
            event => {
                let node = node(event, span.start, &mut events, 0)?;
                if read.is_some() {
                    return Err(node.wrong("a second document; one file holds one"));
                }
                read = Some(node);
            }
        }
    }
    Ok(read.unwrap_or(Node { at: Marker::new(0, 1, 0), content: Content::Map(Vec::new()) }))
}

type Events<'a> = Parser<'a, saphyr_parser::StrInput<'a>>;

/// The value that an event begins.
fn node(event: Event<'_>, at: Marker, events: &mut Events<'_>, depth: usize) -> std::result::Result<Node, String> {
    let place = Node { at, content: Content::Text(String::new()) };
    if depth > DEPTH_MAX {
        return Err(place.wrong("this is nested too deeply"));
    }
    let content = match event {
        Event::Scalar(text, ..) => Content::Text(text.into_owned()),
        Event::SequenceStart(..) => {
            let mut list = Vec::new();
            while let Some(item) = next(events, depth)? {
                list.push(item);
            }
            Content::List(list)
        }
        Event::MappingStart(..) => {
            let mut pairs: Vec<(Node, Node)> = Vec::new();
            while let Some(key) = next(events, depth)? {
                let name = key.text("a key")?;
                if pairs.iter().any(|(other, _)| matches!(&other.content, Content::Text(text) if text == name)) {
                    return Err(key.wrong(format!("`{name}` stands twice")));
                }
                let value = next(events, depth)?.ok_or_else(|| key.wrong("a key without a value"))?;
                pairs.push((key, value));
            }
            Content::Map(pairs)
        }
        _ => return Err(place.wrong("references (*name) are not read here; write the value out")),
    };
    Ok(Node { at, content })
}

/// The next value of a map or list; `None` at its end.
fn next(events: &mut Events<'_>, depth: usize) -> std::result::Result<Option<Node>, String> {
    match events.next() {
        Some(Ok((Event::MappingEnd | Event::SequenceEnd, _))) | None => Ok(None),
        Some(Ok((event, span))) => node(event, span.start, events, depth + 1).map(Some),
        Some(Err(e)) => Err(format!("line {}, column {}: {}", e.marker().line(), e.marker().col() + 1, e.info())),
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
