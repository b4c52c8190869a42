//! Answers held against the recorded ones, and against what their rule calls a failure. Pure; the recorder's thread does it, so that
//! nothing waits to be sent meanwhile.
//!
//! Equal digests ([`trace::AnswerBody`] says of what) are equal answers. Where they differ, the recorded body says where, if the trace
//! keeps bodies; else the ids that the trace keeps of searches decide, in order; else it is known only that they differ.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;
use serde_json::{Value, json};
use stats::agreement;
use trace::rules::{Answer, Pointer, RuleId, Rules};
use trace::{AnswerBody, Difference, ErrorClass, Keep, Match, Row};

use crate::limits::{ANSWERS_BYTES_MAX, RECORDED_ANSWER_BYTES_MAX};
use crate::outcome::Outcome;
use crate::spool::Fields;

/// Characters of a value that an example of a difference shows.
const SHOWN_CHARS_MAX: usize = 120;
/// The columns of a trace that hold recorded answers.
pub const COLUMNS: &[&str] = &["status", "ok", "answer_hash", "answer_ids", "response"];

/// How far an answer has to be the recorded one; each level asks for the ones before it, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The status, and whether it was good.
    Status,
    /// Members of JSON bodies by name, and the kinds of their values.
    Shape,
    /// The body.
    Body,
}

impl Level {
    /// Every level with its name.
    pub const ALL: &[(&str, Self)] = &[("status", Self::Status), ("shape", Self::Shape), ("body", Self::Body)];
}

/// How answers are compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// How far.
    pub level: Level,
    /// Places of JSON bodies that are passed over, besides what the rules say changes from call to call.
    pub ignored: Vec<Pointer>,
    /// Numbers are equal within this: absolutely up to 1, relatively above.
    pub tolerance: Option<f64>,
    /// Recall of the first so many ids instead of all of them.
    pub recall_at: Option<usize>,
}

impl Comparison {
    /// What `run.json` says of it.
    #[must_use]
    pub fn describe(&self) -> Value {
        let ignored: Vec<String> = self.ignored.iter().map(ToString::to_string).collect();
        json!({ "level": self.level, "ignore": ignored, "tolerance": self.tolerance, "recall_at": self.recall_at })
    }

    /// Whether it can only be done with bodies that the trace keeps.
    #[must_use]
    pub fn needs_bodies(&self) -> bool {
        self.level == Level::Shape || !self.ignored.is_empty() || self.tolerance.is_some()
    }
}

/// The recorded answer of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// HTTP status.
    pub status: u16,
    /// Whether it was good.
    pub ok: bool,
    /// Digest of a whole body.
    pub hash: Option<u64>,
    /// The ids in it, in order.
    pub ids: Option<Vec<Box<str>>>,
    /// The body, where the trace keeps it and it is no longer than [`RECORDED_ANSWER_BYTES_MAX`].
    pub body: Option<Box<[u8]>>,
}

impl Expected {
    /// What a row with [`COLUMNS`] says; `None` where no answer was seen.
    #[must_use]
    pub fn of(row: &Row<'_>) -> Option<Self> {
        let status = row.status()?.parse().ok()?;
        Some(Self {
            status,
            ok: row.ok().unwrap_or(status < 400),
            hash: row.answer_hash(),
            ids: row.answer_ids().map(|ids| ids.into_iter().map(Box::from).collect()),
            body: row.response().filter(|body| body.len() <= RECORDED_ANSWER_BYTES_MAX).map(Box::from),
        })
    }

    /// Appends it as bytes, never none: what is there, then status, good or not, digest, ids and body, little-endian.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let Self { status, ok, hash, ids, body } = self;
        out.extend_from_slice(&[u8::from(hash.is_some()), u8::from(ids.is_some()), u8::from(body.is_some()), u8::from(*ok)]);
        out.extend_from_slice(&u32::from(*status).to_le_bytes());
        out.extend_from_slice(&hash.unwrap_or(0).to_le_bytes());
        out.extend_from_slice(&(ids.as_ref().map_or(0, Vec::len) as u32).to_le_bytes());
        let texts = ids.iter().flatten().map(|id| id.as_bytes()).chain(body.as_deref());
        for text in texts {
            out.extend_from_slice(&(text.len() as u32).to_le_bytes());
            out.extend_from_slice(text);
        }
    }

    /// What [`Expected::encode`] wrote.
    pub(crate) fn decode(mut fields: Fields<'_>) -> Self {
        let [has_hash, has_ids, has_body, ok] = [(); 4].map(|()| fields.u8() != 0);
        let (status, hash, count) = (fields.u32() as u16, fields.u64(), fields.u32());
        let ids: Vec<Box<str>> = (0..count).map(|_| String::from_utf8_lossy(fields.bytes()).into()).collect();
        let body = has_body.then(|| fields.bytes().into());
        Self { status, ok, hash: has_hash.then_some(hash), ids: has_ids.then_some(ids), body }
    }

    /// What it weighs in memory, in bytes.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        let ids: usize = self.ids.iter().flatten().map(|id| id.len() + size_of::<Box<str>>()).sum();
        size_of::<Self>() + ids + self.body.as_ref().map_or(0, |body| body.len())
    }
}

/// The memory that bodies on their way to the recorder may take, [`ANSWERS_BYTES_MAX`].
#[derive(Debug, Default)]
pub struct AnswerBudget(AtomicUsize);

/// A body that came, and its part of the budget, given back when it is dropped.
#[derive(Debug)]
pub struct HeldAnswer {
    body: AnswerBody,
    bytes: usize,
    budget: Arc<AnswerBudget>,
}

impl AnswerBudget {
    /// Holds `body`; `None`, and the body is lost, where the budget is used up: then nothing can be said of the answer.
    #[must_use]
    pub fn hold(self: &Arc<Self>, body: AnswerBody) -> Option<Box<HeldAnswer>> {
        let bytes = body.held_bytes();
        let held = Box::new(HeldAnswer { body, bytes, budget: self.clone() });
        (self.0.fetch_add(bytes, Ordering::Relaxed) + bytes <= ANSWERS_BYTES_MAX).then_some(held)
    }
}

impl Drop for HeldAnswer {
    fn drop(&mut self) {
        self.budget.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What was found out about the answer to one request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Verdict {
    /// The answer says that the request failed, whatever its status.
    pub failed: bool,
    /// Agreement with the recorded answer, where that was asked for.
    pub matched: Option<Match>,
    /// Share of the recorded ids that were found again.
    pub recall: Option<f64>,
    /// Spearman's rank correlation of the ids in both.
    pub rank_correlation: Option<f64>,
    /// The first difference.
    pub difference: Option<Difference>,
}

/// Says of answers whether they are good and agree with the recorded ones.
#[derive(Debug, Clone)]
pub struct Judge {
    rules: Arc<Rules>,
    comparison: Option<Comparison>,
}

impl Judge {
    /// Judges by `rules`, and by the recording where `comparison` says how.
    #[must_use]
    pub fn new(rules: Arc<Rules>, comparison: Option<Comparison>) -> Self {
        Self { rules, comparison }
    }

    /// Whether recorded answers are needed.
    #[must_use]
    pub fn compares(&self) -> bool {
        self.comparison.is_some()
    }

    /// The rule that names a request.
    #[must_use]
    pub fn rule_of(&self, method: &str, target: &str) -> Option<RuleId> {
        self.rules.rule_of(method, target)
    }

    /// How much of the answer to a request of `rule` has to be gathered.
    #[must_use]
    pub fn keep(&self, rule: Option<RuleId>, expected: Option<&Expected>) -> Keep {
        let bodies = self.comparison.as_ref().is_some_and(|comparison| comparison.level > Level::Status);
        let compared = expected.filter(|_| bodies);
        match compared {
            _ if self.rules.checks_answer(rule) => Keep::Whole,
            None => Keep::Nothing,
            Some(expected) if expected.body.is_some() || self.rules.reads_answer(rule) => Keep::Whole,
            Some(_) => Keep::Digest,
        }
    }

    /// Judges the outcome of a request of `rule`.
    #[must_use]
    pub fn judge(&self, rule: Option<RuleId>, outcome: &Outcome) -> Verdict {
        if self.comparison.is_none() && outcome.answer.is_none() {
            return Verdict::default();
        }
        let body = outcome.answer.as_ref().map(|held| &held.body);
        let said = body.map(|body| body.read(rule, outcome.status, &self.rules));
        let failed = outcome.error.is_none() && outcome.status < 400 && said.as_ref().is_some_and(|said| !said.ok);
        let mut verdict = Verdict { failed, ..Verdict::default() };
        if let Some(comparison) = &self.comparison {
            let reply = Reply { rule, outcome, ok: outcome.ok() && !failed, body: body.zip(said.as_ref()) };
            self.compare(comparison, &reply, &mut verdict);
        }
        verdict
    }

    fn compare(&self, comparison: &Comparison, reply: &Reply<'_>, verdict: &mut Verdict) {
        let Some(expected) = reply.outcome.expected.as_deref() else {
            verdict.matched = Some(Match::Unknown);
            return;
        };
        let found = reply.ids();
        if let (Some(wanted), Some(found), true) = (&expected.ids, found, reply.ok && expected.ok) {
            let wanted: Vec<&str> = wanted.iter().map(|id| &**id).collect();
            let found: Vec<&str> = found.iter().map(String::as_str).collect();
            verdict.recall = agreement::recall(&wanted, &found, comparison.recall_at);
            verdict.rank_correlation = agreement::spearman(&wanted, &found);
        }
        let (matched, difference) = self.agreement(comparison, expected, reply);
        (verdict.matched, verdict.difference) = (Some(matched), difference);
    }

    fn agreement(&self, comparison: &Comparison, expected: &Expected, reply: &Reply<'_>) -> (Match, Option<Difference>) {
        let outcome = reply.outcome;
        if outcome.error.is_some() && outcome.sent.is_none() {
            return (Match::Unknown, None);
        }
        if outcome.error.is_some() || outcome.status != expected.status || reply.ok != expected.ok {
            return (Match::DiffersStatus, Some(status_difference(expected, reply)));
        }
        if comparison.level == Level::Status {
            return (Match::Same, None);
        }
        // A digest of nothing is that of an answer which was not recorded whole.
        let (Some((body, said)), Some(hash)) = (reply.body, expected.hash) else { return (Match::Unknown, None) };
        if said.hash == hash {
            return (Match::Same, None);
        }
        if let Some(recorded) = &expected.body {
            let Some(replayed) = body.plain() else { return (Match::Unknown, None) };
            return self.bodies(comparison, reply.rule, recorded, &replayed);
        }
        let by_ids = expected.ids.as_deref().zip(said.ids.as_deref()).filter(|_| comparison.level == Level::Body);
        match by_ids.map(|(wanted, found)| ids_difference(wanted, found)) {
            Some(None) => (Match::SameIds, None),
            Some(difference) => (Match::DiffersBody, difference),
            None if comparison.needs_bodies() || (body.is_coded() && !self.rules.reads_answer(reply.rule)) => {
                (Match::Unknown, None)
            }
            None => (Match::DiffersBody, Some(Difference { at: "body".to_owned(), ..Difference::default() })),
        }
    }

    fn bodies(
        &self,
        comparison: &Comparison,
        rule: Option<RuleId>,
        recorded: &[u8],
        replayed: &[u8],
    ) -> (Match, Option<Difference>) {
        let parse = |body: &[u8]| serde_json::from_slice::<Value>(body).ok();
        match (parse(recorded), parse(replayed)) {
            (Some(recorded), Some(replayed)) => {
                let ignored = self.rules.volatile(rule).iter().chain(&comparison.ignored).collect();
                let mut walk = Walk { ignored, tolerance: comparison.tolerance, path: Vec::new(), body: None };
                let shape = walk.compare(&recorded, &replayed);
                let body = walk.body.filter(|_| comparison.level == Level::Body);
                match (shape, body) {
                    (Some(shape), _) => (Match::DiffersShape, Some(shape)),
                    (None, Some(body)) => (Match::DiffersBody, Some(body)),
                    (None, None) => (Match::Same, None),
                }
            }
            (None, None) if comparison.level == Level::Shape || recorded == replayed => (Match::Same, None),
            (None, None) => (Match::DiffersBody, Some(bytes_difference(recorded, replayed))),
            _ => (Match::DiffersShape, Some(bytes_difference(recorded, replayed))),
        }
    }
}

/// What came at replay.
struct Reply<'a> {
    rule: Option<RuleId>,
    outcome: &'a Outcome,
    ok: bool,
    body: Option<(&'a AnswerBody, &'a Answer)>,
}

impl<'a> Reply<'a> {
    fn ids(&self) -> Option<&'a [String]> {
        self.body.and_then(|(_, said)| said.ids.as_deref())
    }
}

fn status_difference(expected: &Expected, reply: &Reply<'_>) -> Difference {
    let said = |status: u16, ok: bool| {
        let failure = if status < 400 && !ok { " with a failure inside" } else { "" };
        format!("{status}{failure}")
    };
    let replayed = match reply.outcome.error {
        Some(class) if class != ErrorClass::Answer => class.as_str().to_owned(),
        _ => said(reply.outcome.status, reply.ok),
    };
    Difference { at: "status".to_owned(), recorded: said(expected.status, expected.ok), replayed }
}

/// The first place at which two lists of ids differ.
fn ids_difference(wanted: &[Box<str>], found: &[String]) -> Option<Difference> {
    let id = |at: usize| (wanted.get(at).map_or("", |id| id), found.get(at).map_or("", String::as_str));
    let at = (0..wanted.len().max(found.len())).find(|at| id(*at).0 != id(*at).1 || wanted.len().min(found.len()) <= *at)?;
    Some(Difference { at: format!("ids/{at}"), recorded: shortened(id(at).0), replayed: shortened(id(at).1) })
}

fn bytes_difference(recorded: &[u8], replayed: &[u8]) -> Difference {
    let at = recorded.iter().zip(replayed).take_while(|(one, other)| one == other).count();
    let shown = |body: &[u8]| {
        let part = &body[at..body.len().min(at + 4 * SHOWN_CHARS_MAX)];
        shortened(&String::from_utf8_lossy(part))
    };
    Difference { at: format!("byte {at}"), recorded: shown(recorded), replayed: shown(replayed) }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A walk through two JSON values side by side. It ends at the first difference of shape; of values it keeps the first.
struct Walk<'a> {
    ignored: Vec<&'a Pointer>,
    tolerance: Option<f64>,
    path: Vec<Cow<'a, str>>,
    body: Option<Difference>,
}

impl<'a> Walk<'a> {
    fn compare(&mut self, recorded: &'a Value, replayed: &'a Value) -> Option<Difference> {
        if self.ignored.iter().any(|pointer| pointer.leads_to(&self.path)) {
            return None;
        }
        match (recorded, replayed) {
            (Value::Object(one), Value::Object(other)) => {
                let new = other.keys().find(|name| !one.contains_key(*name)).map(|name| (name, None, other.get(name)));
                let here = one.iter().find_map(|(name, value)| self.step(name.into(), Some(value), other.get(name)));
                here.or_else(|| new.and_then(|(name, one, other)| self.step(name.into(), one, other)))
            }
            (Value::Array(one), Value::Array(other)) => {
                let pairs = one.iter().zip(other).enumerate();
                let here =
                    pairs.into_iter().find_map(|(at, (one, other))| self.step(at.to_string().into(), Some(one), Some(other)));
                if here.is_none() && one.len() != other.len() {
                    self.note(&format!("{} elements", one.len()), &format!("{} elements", other.len()));
                }
                here
            }
            (Value::String(one), Value::String(other)) if one == other || is_masked(one) => None,
            (Value::Number(one), Value::Number(other)) if self.near(one, other) => None,
            (one, other) if one == other => None,
            (one, other) if std::mem::discriminant(one) == std::mem::discriminant(other) => {
                self.note(&one.to_string(), &other.to_string());
                None
            }
            (one, other) => Some(self.difference(&one.to_string(), &other.to_string())),
        }
    }

    /// Compares what stands one step deeper, on either side or both.
    fn step(&mut self, step: Cow<'a, str>, recorded: Option<&'a Value>, replayed: Option<&'a Value>) -> Option<Difference> {
        self.path.push(step);
        let found = match (recorded, replayed) {
            (Some(one), Some(other)) => self.compare(one, other),
            _ if self.ignored.iter().any(|pointer| pointer.leads_to(&self.path)) => None,
            (one, other) => {
                let shown = |value: Option<&Value>| value.map(Value::to_string).unwrap_or_default();
                Some(self.difference(&shown(one), &shown(other)))
            }
        };
        self.path.pop();
        found
    }

    fn near(&self, one: &serde_json::Number, other: &serde_json::Number) -> bool {
        let (Some(a), Some(b)) = (one.as_f64(), other.as_f64()) else { return one == other };
        // Whole numbers are exact, also where floats are not; one of each kind is compared as floats.
        if !one.is_f64() && !other.is_f64() {
            return one == other;
        }
        (a - b).abs() <= self.tolerance.unwrap_or(0.0) * a.abs().max(b.abs()).max(1.0)
    }

    fn note(&mut self, recorded: &str, replayed: &str) {
        if self.body.is_none() {
            self.body = Some(self.difference(recorded, replayed));
        }
    }

    fn difference(&self, recorded: &str, replayed: &str) -> Difference {
        let at = self.path.iter().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect();
        Difference { at, recorded: shortened(recorded), replayed: shortened(replayed) }
    }
}

/// Whether a recorded value is a pseudonym: what stood there is unknown.
fn is_masked(text: &str) -> bool {
    text.strip_prefix("redacted-").is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests;
