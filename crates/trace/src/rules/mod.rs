//! What an HTTP request addresses, what it does, and whether its answer was good: found by a table of rules.
//!
//! A rule names requests by method and path template, and says where collection, operation and items stand (in the path, at a JSON
//! pointer of the body, in a header or in the query), what the effect is, which answers are failures though the status is good, where the
//! ids of an answer stand, and what later requests may carry (`yields`), and which of its members change from call to call. `builtin.json` has rules for Qdrant, Milvus, Chroma,
//! Elasticsearch and GraphQL; a file of the same shape comes before them. Requests that no rule names are grouped by their path, gRPC
//! calls by service and method.
//! Bodies are parsed only where a rule needs them.
//!
//! Path templates: `{collection}` stands for one segment and names the collection, `{verb}` for one that stays in the operation, `{}` for
//! any other one; a leading `**` for any number of segments.

mod fallback;
mod graphql;
mod grpc;
mod json;
mod known;
pub mod sql;
mod table;
mod websocket;

use std::borrow::Cow;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use xxhash_rust::xxh3::xxh3_64;

use crate::{Effect, Error, Header, Result};
pub use fallback::is_identifier;
pub use grpc::call_failed;
pub use json::Pointer;
use json::{Ask, Found, Reading};
pub use known::{Class, KnownTargets};
use table::{Items, Place, Rule};
pub use websocket::Message as WebSocketMessage;

/// Segments of a path that are looked at; the rest counts as one.
const SEGMENTS_MAX: usize = 32;
/// Characters of a collection or operation name that are kept.
const NAME_CHARS_MAX: usize = 128;

static BUILTIN: LazyLock<Arc<Rules>> = LazyLock::new(|| Arc::new(Rules::new(table::builtin())));

/// An HTTP request as far as rules look at it.
#[derive(Debug, Clone, Copy)]
pub struct HttpRequest<'a> {
    /// As sent.
    pub method: &'a str,
    /// As sent: path and query, or with scheme and host, or `*`, or `host:port`.
    pub target: &'a str,
    /// As sent.
    pub headers: &'a [Header],
    /// As sent, or as much of it as there is.
    pub body: &'a [u8],
}

/// Which rule named a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleId(usize);

/// What a request is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classified<'a> {
    /// What it addresses.
    pub collection: Cow<'a, str>,
    /// The normalized verb: `POST /collections/{}/points/search`.
    pub operation: Cow<'a, str>,
    /// What it does to the target's state.
    pub effect: Effect,
    /// Records, vectors or rows in it.
    pub items: u32,
    /// For the answer; `None` where no rule named it.
    pub rule: Option<RuleId>,
}

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether it was good.
    pub ok: bool,
    /// Digest of the body: of its value without what changes from call to call where the rule says so, else of its bytes.
    pub hash: u64,
    /// The ids it holds, in order; `None` where the rule does not ask for them or they cannot be read.
    pub ids: Option<Vec<String>>,
    /// What later requests may carry: where it stands, and the value.
    pub yields: Vec<(String, String)>,
}

/// An ordered list of rules; the first that fits a request decides.
#[derive(Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    /// For each number of segments, the routes that may fit: rule, and route of it.
    routes: Vec<Vec<(usize, usize)>>,
}

impl Rules {
    fn new(rules: Vec<Rule>) -> Self {
        let fitting = |segments: usize| {
            let of_rule =
                |(index, rule): (usize, &Rule)| rule.routes_of(segments).map(|route| (index, route)).collect::<Vec<_>>();
            rules.iter().enumerate().flat_map(of_rule).collect()
        };
        let routes = (0..=SEGMENTS_MAX).map(fitting).collect();
        Self { rules, routes }
    }

    /// The rules that come with the tool.
    #[must_use]
    pub fn builtin() -> Arc<Self> {
        Arc::clone(&BUILTIN)
    }

    /// The rules of a JSON file, and the built-in ones behind them.
    ///
    /// # Errors
    /// If the file cannot be read or is not a list of rules: says which rule, what is wrong, and the nearest known key.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::io("read", path, error))?;
        let mut rules = table::parse(&text).map_err(|reason| Error::Content { path: path.to_owned(), reason })?;
        rules.extend(table::builtin());
        Ok(Self::new(rules))
    }

    /// Says what a request is.
    #[must_use]
    pub fn classify<'a>(&'a self, request: &HttpRequest<'a>) -> Classified<'a> {
        let mut place = [""; SEGMENTS_MAX];
        let segments = segments(path_of(request.target), &mut place);
        match self.find(request.method, segments) {
            Some((index, route)) => self.rules[index].classify(RuleId(index), route, segments, request),
            None => fallback::classify(request, segments),
        }
    }

    /// The rule for a request, without a look at its body.
    #[must_use]
    pub fn rule_of(&self, method: &str, target: &str) -> Option<RuleId> {
        self.find(method, segments(path_of(target), &mut [""; SEGMENTS_MAX])).map(|(index, _)| RuleId(index))
    }

    /// Whether what a request of this rule is depends on its headers.
    fn reads_headers(&self, rule: Option<RuleId>) -> bool {
        let places =
            |rule: &'_ Rule| rule.collection.iter().chain(&rule.operation).any(|place| matches!(place, Place::Header(_)));
        rule.is_some_and(|id| places(&self.rules[id.0]))
    }

    /// Whether [`Rules::answer`] looks into the body, so that content codings have to be taken off first.
    #[must_use]
    pub fn reads_answer(&self, rule: Option<RuleId>) -> bool {
        rule.is_some_and(|id| self.rules[id.0].answer.wanted())
    }

    /// Whether [`Rules::answer`] may call an answer a failure whose status is good.
    #[must_use]
    pub fn checks_answer(&self, rule: Option<RuleId>) -> bool {
        rule.is_some_and(|id| self.rules[id.0].answer.checks())
    }

    /// What changes from call to call in the answer to a request of this rule.
    #[must_use]
    pub fn volatile(&self, rule: Option<RuleId>) -> &[Pointer] {
        rule.map_or(&[], |id| self.rules[id.0].answer.volatile())
    }

    /// Says what the answer to a request of this rule is. `body` is the whole body.
    #[must_use]
    pub fn answer(&self, rule: Option<RuleId>, status: u16, body: &[u8]) -> Answer {
        let rule = rule.map(|id| &self.rules[id.0].answer).filter(|answer| answer.wanted());
        let reading = rule.and_then(|rule| Some((rule, rule.read(body)?)));
        let Some((rule, reading)) = reading else {
            return Answer { ok: status < 400, hash: xxh3_64(body), ids: None, yields: Vec::new() };
        };
        let hash = if rule.normalizes() { reading.hash } else { xxh3_64(body) };
        let (ok, yields) = (status < 400 && !rule.failed(&reading), rule.yields(&reading));
        Answer { ok, hash, ids: rule.ids(reading), yields }
    }

    fn find(&self, method: &str, segments: &[&str]) -> Option<(usize, &table::Route)> {
        let mut routes = self.routes[segments.len()].iter().map(|(rule, route)| (*rule, self.rules[*rule].route(*route)));
        routes.find(|(_, route)| route.fits(method, segments))
    }
}

impl Rule {
    fn classify<'a>(
        &'a self,
        id: RuleId,
        route: &'a table::Route,
        path: &[&'a str],
        request: &HttpRequest<'a>,
    ) -> Classified<'a> {
        let ask = Ask { pointers: &self.pointers, without_from: self.pointers.len(), hash: false };
        let body = (!self.pointers.is_empty()).then(|| json::read(request.body, ask)).flatten().unwrap_or_default();
        let named = |place: &Place| place.find(request, &body);
        let collection = self.collection.as_ref().and_then(named).or_else(|| Some(route.collection(path)?.into()));
        let operation = match self.operation.iter().find_map(named) {
            Some(name) => Cow::Owned(format!("{} {name}", route.operation(path))),
            None => route.operation(path),
        };
        let writes = self.writes_when.as_ref().is_some_and(|(at, start)| {
            body.found.iter().any(|(index, found)| index == at && found.text().trim_start().starts_with(start.as_str()))
        });
        Classified {
            collection: cut(collection.unwrap_or_else(|| self.system.as_str().into())),
            operation: cut(operation),
            effect: match self.effect {
                _ if writes => Effect::Write,
                Some(effect) => effect,
                None => graphql::effect(request, &body, self.graphql),
            },
            items: self.items.iter().find_map(|items| items.count(request, &body)).unwrap_or(0),
            rule: Some(id),
        }
    }
}

impl Place {
    fn find<'a>(&self, request: &HttpRequest<'a>, body: &Reading) -> Option<Cow<'a, str>> {
        let found = match self {
            Self::Json(at) => body.found.iter().find_map(|(index, found)| match found {
                Found::Scalar(text) if index == at => Some(Cow::Owned(text.clone())),
                _ => None,
            }),
            Self::Header(name) => {
                let header = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
                header.map(|header| String::from_utf8_lossy(&header.value))
            }
            Self::Query(name) => query_value(request.target, name).map(Cow::Borrowed),
        };
        found.filter(|name| !name.is_empty() && name != "null")
    }
}

impl Items {
    fn count(&self, request: &HttpRequest<'_>, body: &Reading) -> Option<u32> {
        let count = match self {
            Self::One => 1,
            Self::LinesPer(lines) => {
                let filled = request.body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
                filled.count().div_ceil(*lines)
            }
            Self::At(at) => body.found.iter().find_map(|(index, found)| match found {
                _ if index != at => None,
                Found::Array(count) => Some(*count),
                Found::Scalar(text) if text == "null" => None,
                Found::Scalar(_) | Found::Object => Some(1),
            })?,
        };
        Some(u32::try_from(count).unwrap_or(u32::MAX))
    }
}

/// The path of a target in any of its forms, without query and fragment.
fn path_of(target: &str) -> &str {
    let end = target.bytes().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(target.len());
    let target = &target[..end];
    if target.starts_with('/') {
        return target;
    }
    match target.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            rest.find('/').map_or("/", |start| &rest[start..])
        }
        _ => target,
    }
}

/// The segments between slashes, empty ones left out, as many as there is place for.
fn segments<'a, 'b>(path: &'a str, place: &'b mut [&'a str]) -> &'b [&'a str] {
    let mut count = 0;
    let filled = path.split('/').filter(|segment| !segment.is_empty());
    for (slot, segment) in place.iter_mut().zip(filled) {
        *slot = segment;
        count += 1;
    }
    &place[..count]
}

fn query_value<'a>(target: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = target.split_once('?')?;
    query.split('&').find_map(|pair| pair.split_once('=').filter(|(found, _)| *found == name)).map(|(_, value)| value)
}

/// Names are kept short: they are grouped by and shown.
fn cut(name: Cow<'_, str>) -> Cow<'_, str> {
    if name.len() <= NAME_CHARS_MAX {
        return name;
    }
    match name.char_indices().nth(NAME_CHARS_MAX) {
        Some((end, _)) => Cow::Owned(format!("{}…", &name[..end])),
        None => name,
    }
}

/// The known name that is nearest to an unknown one, if any is near enough to have been meant (a third of its letters changed).
#[must_use]
pub fn nearest<'a>(unknown: &str, known: &[&'a str]) -> Option<&'a str> {
    let (distance, name) = known.iter().map(|name| (edits(unknown, name), *name)).min()?;
    (distance * 3 <= name.len().max(3)).then_some(name)
}

/// Levenshtein's distance, in bytes.
fn edits(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in to.bytes().enumerate() {
            let cost = (diagonal + usize::from(a != b)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], cost);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests;
