//! The rules as they are written, and as they are used.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use super::graphql;
use super::json::{self, Ask, POINTERS_MAX, Pointer, Reading};
use super::nearest;
use crate::Effect;

/// The rules that come with the tool.
const BUILTIN: &str = include_str!("builtin.json");

const RULE_KEYS: &[&str] =
    &["system", "match", "collection", "operation", "effect", "items", "ids", "yields", "volatile", "failure", "writes_when"];

/// Values of one answer that later requests may carry, and bytes of one: longer ones are no identifiers.
const YIELDS_MAX: usize = 16;
const YIELD_BYTES_MAX: usize = 512;

/// One rule as it is written.
#[derive(Deserialize)]
struct Written {
    system: String,
    r#match: Vec<String>,
    #[serde(default)]
    collection: Option<String>,
    #[serde(default)]
    operation: Vec<String>,
    effect: String,
    #[serde(default)]
    items: Vec<String>,
    #[serde(default)]
    ids: Vec<String>,
    #[serde(default)]
    yields: Vec<String>,
    #[serde(default)]
    volatile: Vec<String>,
    #[serde(default)]
    failure: Option<Failure>,
    #[serde(default)]
    writes_when: Option<WritesWhen>,
}

/// The answer is a failure where something stands at a place, unless it is one of these.
#[derive(Deserialize)]
struct Failure {
    at: String,
    #[serde(default)]
    unless: Vec<String>,
}

/// The request writes where the text at a place starts like this.
#[derive(Deserialize)]
struct WritesWhen {
    at: String,
    starts: String,
}

/// One rule, ready for use.
#[derive(Debug)]
pub(super) struct Rule {
    /// Stands in for the collection of requests that have none.
    pub(super) system: String,
    routes: Vec<Route>,
    pub(super) collection: Option<Place>,
    pub(super) operation: Vec<Place>,
    /// `None` where the GraphQL documents in it tell, whose places are the pointers from `graphql` on.
    pub(super) effect: Option<Effect>,
    pub(super) graphql: usize,
    /// The first that is there counts.
    pub(super) items: Vec<Items>,
    /// A place in the request's body (by its index) and what the text there starts with.
    pub(super) writes_when: Option<(usize, String)>,
    /// The places of the request's body that are looked at.
    pub(super) pointers: Vec<Pointer>,
    pub(super) answer: AnswerRule,
}

/// Where a name stands.
#[derive(Debug)]
pub(super) enum Place {
    /// In the body, at the pointer with this index.
    Json(usize),
    Header(String),
    Query(String),
}

/// How items are counted.
#[derive(Debug)]
pub(super) enum Items {
    One,
    /// An item for so many lines.
    LinesPer(usize),
    /// The elements of what stands at the pointer with this index.
    At(usize),
}

/// What is done with an answer.
#[derive(Debug)]
pub(super) struct AnswerRule {
    /// Ids, then the place of the failure, then what later requests may carry, then what changes from call to call.
    pointers: Vec<Pointer>,
    ids: usize,
    yields: usize,
    /// Values at the place of the failure that are none; `None` where no such place is looked at.
    unless: Option<Vec<String>>,
}

impl AnswerRule {
    pub(super) fn wanted(&self) -> bool {
        !self.pointers.is_empty()
    }

    pub(super) fn checks(&self) -> bool {
        self.unless.is_some()
    }

    pub(super) fn volatile(&self) -> &[Pointer] {
        &self.pointers[self.reported()..]
    }

    fn yields_from(&self) -> usize {
        self.ids + usize::from(self.unless.is_some())
    }

    fn reported(&self) -> usize {
        self.yields_from() + self.yields
    }

    pub(super) fn normalizes(&self) -> bool {
        self.pointers.len() > self.reported()
    }

    pub(super) fn read(&self, body: &[u8]) -> Option<Reading> {
        json::read(body, Ask { pointers: &self.pointers, without_from: self.reported(), hash: self.normalizes() })
    }

    pub(super) fn failed(&self, reading: &Reading) -> bool {
        let Some(unless) = &self.unless else { return false };
        reading.found.iter().any(|(index, found)| *index == self.ids && !unless.iter().any(|good| good == found.text()))
    }

    /// Places and values of what later requests may carry.
    pub(super) fn yields(&self, reading: &Reading) -> Vec<(String, String)> {
        let is_yield = |index: &usize| (self.yields_from()..self.reported()).contains(index);
        let found = reading.found.iter().filter(|(index, _)| is_yield(index)).filter_map(|(index, found)| match found {
            json::Found::Scalar(text) if !text.is_empty() && text != "null" && text.len() <= YIELD_BYTES_MAX => {
                Some((self.pointers[*index].to_string(), text.clone()))
            }
            _ => None,
        });
        found.take(YIELDS_MAX).collect()
    }

    pub(super) fn ids(&self, reading: Reading) -> Option<Vec<String>> {
        let ids = reading.found.into_iter().filter(|(index, _)| *index < self.ids).filter_map(|(_, found)| match found {
            json::Found::Scalar(text) => Some(text),
            _ => None,
        });
        (self.ids > 0).then(|| ids.collect())
    }
}

/// A method and a path template.
#[derive(Debug)]
pub(super) struct Route {
    method: String,
    /// Whether any segments may come before the steps.
    anywhere: bool,
    steps: Vec<Step>,
    /// `POST /collections/{}/points`, where no segment is kept.
    operation: Option<String>,
}

#[derive(Debug, PartialEq)]
enum Step {
    Literal(String),
    Collection,
    Kept,
    Any,
}

impl Route {
    /// Reads `POST /a/{collection}/b`.
    fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is not `METHOD /path`");
        let (method, path) = text.split_once(' ').ok_or_else(bad)?;
        let (anywhere, path) = path.strip_prefix("**").map_or((false, path), |rest| (true, rest));
        let path = path.strip_prefix('/').ok_or_else(bad)?;
        let steps: Vec<Step> = path.split('/').filter(|step| !step.is_empty()).map(Step::parse).collect::<Result<_, _>>()?;
        let mut route = Self { method: method.to_owned(), anywhere, steps, operation: None };
        if !anywhere && !route.steps.contains(&Step::Kept) {
            route.operation = Some(route.render(&[]));
        }
        Ok(route)
    }

    /// Whether it may name paths of so many segments.
    fn bears(&self, segments: usize) -> bool {
        segments == self.steps.len() || (self.anywhere && segments > self.steps.len())
    }

    /// Whether it names this path, which has as many segments as it bears.
    pub(super) fn fits(&self, method: &str, path: &[&str]) -> bool {
        let skipped = path.len() - self.steps.len();
        let fit = |(step, segment): (&Step, &&str)| !matches!(step, Step::Literal(text) if text != segment);
        self.steps.iter().zip(&path[skipped..]).all(fit) && self.method == method
    }

    /// The segment that names the collection.
    pub(super) fn collection<'a>(&self, path: &[&'a str]) -> Option<&'a str> {
        let at = self.steps.iter().position(|step| *step == Step::Collection)?;
        path.get(path.len() - self.steps.len() + at).copied()
    }

    pub(super) fn operation(&self, path: &[&str]) -> Cow<'_, str> {
        match &self.operation {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(self.render(path)),
        }
    }

    fn render(&self, path: &[&str]) -> String {
        let skipped = path.len().saturating_sub(self.steps.len());
        let mut text = format!("{} ", self.method);
        for segment in &path[..skipped] {
            text.extend(["/", segment]);
        }
        for (at, step) in self.steps.iter().enumerate() {
            text.push('/');
            text.push_str(match step {
                Step::Literal(literal) => literal,
                Step::Kept => path.get(skipped + at).copied().unwrap_or("{}"),
                Step::Collection | Step::Any => "{}",
            });
        }
        if self.steps.is_empty() {
            text.push('/');
        }
        text
    }
}

impl Step {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "{collection}" => Ok(Self::Collection),
            "{verb}" => Ok(Self::Kept),
            "{}" => Ok(Self::Any),
            _ if text.contains(['{', '}', '*']) => {
                Err(format!("`{text}` in a path is none of {{collection}}, {{verb}}, {{}} and a leading **"))
            }
            _ => Ok(Self::Literal(text.to_owned())),
        }
    }
}

impl Rule {
    /// The places of the routes that may name paths of so many segments.
    pub(super) fn routes_of(&self, segments: usize) -> impl Iterator<Item = usize> {
        self.routes.iter().enumerate().filter(move |(_, route)| route.bears(segments)).map(|(place, _)| place)
    }

    pub(super) fn route(&self, place: usize) -> &Route {
        &self.routes[place]
    }

    fn make(written: Written) -> Result<Self, String> {
        let mut pointers = Vec::new();
        let collection = written.collection.map(|text| Place::parse(&text, &mut pointers)).transpose()?;
        let operation = written.operation.iter().map(|text| Place::parse(text, &mut pointers)).collect::<Result<_, _>>()?;
        let items = written.items.iter().map(|text| Items::parse(text, &mut pointers)).collect::<Result<_, _>>()?;
        let writes_when =
            written.writes_when.map(|when| Ok::<_, String>((point(&when.at, &mut pointers)?, when.starts))).transpose()?;
        let (effect, graphql) = (effect(&written.effect)?, pointers.len());
        if effect.is_none() {
            graphql::POINTERS.iter().try_for_each(|at| point(at, &mut pointers).map(drop))?;
        }
        let routes = written.r#match.iter().map(|text| Route::parse(text)).collect::<Result<_, _>>()?;
        let answer = AnswerRule::make(&written.ids, written.failure, &written.yields, &written.volatile)?;
        if pointers.len() > POINTERS_MAX || answer.pointers.len() > POINTERS_MAX {
            return Err(format!("more than the limit of {POINTERS_MAX} JSON pointers"));
        }
        Ok(Self { system: written.system, routes, collection, operation, effect, graphql, items, writes_when, pointers, answer })
    }
}

impl AnswerRule {
    fn make(ids: &[String], failure: Option<Failure>, yields: &[String], volatile: &[String]) -> Result<Self, String> {
        let mut pointers = Vec::new();
        let failure_at = failure.iter().map(|failure| &failure.at);
        for text in ids.iter().chain(failure_at).chain(yields).chain(volatile) {
            point(text, &mut pointers)?;
        }
        Ok(Self { pointers, ids: ids.len(), yields: yields.len(), unless: failure.map(|failure| failure.unless) })
    }
}

impl Place {
    fn parse(text: &str, pointers: &mut Vec<Pointer>) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("json", at)) => Ok(Self::Json(point(at, pointers)?)),
            Some(("header", name)) => Ok(Self::Header(name.to_owned())),
            Some(("query", name)) => Ok(Self::Query(name.to_owned())),
            _ => Err(format!("`{text}` is none of json:/POINTER, header:NAME, query:NAME")),
        }
    }
}

impl Items {
    fn parse(text: &str, pointers: &mut Vec<Pointer>) -> Result<Self, String> {
        let lines = text.strip_prefix("lines/").map(str::parse::<usize>);
        match (text, lines) {
            ("one", _) => Ok(Self::One),
            ("lines", _) => Ok(Self::LinesPer(1)),
            (_, Some(Ok(lines))) if lines > 0 => Ok(Self::LinesPer(lines)),
            (_, Some(_)) => Err(format!("`{text}` is not lines/NUMBER")),
            (_, None) if text.starts_with('/') => Ok(Self::At(point(text, pointers)?)),
            (_, None) => Err(format!("`{text}` is none of one, lines, lines/NUMBER and a JSON pointer")),
        }
    }
}

fn point(text: &str, pointers: &mut Vec<Pointer>) -> Result<usize, String> {
    let pointer = Pointer::parse(text).ok_or_else(|| format!("`{text}` is not a JSON pointer (`/member/*/member`)"))?;
    pointers.push(pointer);
    Ok(pointers.len() - 1)
}

/// `None` for `graphql`.
fn effect(text: &str) -> Result<Option<Effect>, String> {
    const GRAPHQL: &str = "graphql";
    let names: Vec<&str> = Effect::ALL.iter().map(|effect| effect.as_str()).chain([GRAPHQL]).collect();
    let effect = Effect::parse(text);
    if effect.is_some() || text == GRAPHQL { Ok(effect) } else { Err(unknown("effect", text, &names)) }
}

fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(near) => format!("unknown {what} `{name}`, did you mean `{near}`?"),
        None => format!("unknown {what} `{name}`, known are {}", known.join(", ")),
    }
}

/// Refuses members of a JSON object that nobody would read.
fn check_keys(value: &Value, known: &[&str]) -> Result<(), String> {
    let keys = value.as_object().ok_or("not an object")?.keys();
    keys.map(String::as_str).find(|key| !known.contains(key)).map_or(Ok(()), |key| Err(unknown("key", key, known)))
}

fn rule(value: &Value) -> Result<Rule, String> {
    check_keys(value, RULE_KEYS)?;
    for (key, known) in [("failure", &["at", "unless"]), ("writes_when", &["at", "starts"])] {
        value.get(key).map_or(Ok(()), |inner| check_keys(inner, known)).map_err(|reason| format!("{key}: {reason}"))?;
    }
    Rule::make(Written::deserialize(value).map_err(|error| error.to_string())?)
}

/// The rules of a JSON text: a list.
pub(super) fn parse(text: &str) -> Result<Vec<Rule>, String> {
    let list: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    let list = list.as_array().ok_or("not a list of rules: wanted `[{\"system\": …, \"match\": […], …}]`")?;
    let numbered = |(index, value)| rule(value).map_err(|reason| format!("rule {}: {reason}", index + 1));
    list.iter().enumerate().map(numbered).collect()
}

pub(super) fn builtin() -> Vec<Rule> {
    parse(BUILTIN).expect("a test reads the rules that are built in")
}
