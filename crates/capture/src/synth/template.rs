//! Sessions of dependent steps, from a plan file.
//!
//! ```json
//! { "vars": { "lang": ["rust", "go"] },
//!   "sessions": [
//!     { "name": "ask", "weight": 3, "steps": [
//!       { "method": "POST", "path": "/collections/{collection}/points/search", "body": { "vector": "{vector}", "limit": 5 } },
//!       { "method": "GET", "path": "/collections/{collection}/points/{id}", "think_ms": 250 } ] } ] }
//! ```
//!
//! `{name}` stands for a value that is the same in all steps of a session: `collection` (by weight), `vector` (of the collection's
//! data), `id` (of a point that is there), `session` (its number), or one of `vars`, drawn from its list. `{point}` is a new point,
//! another each time. A JSON string that is nothing but `"{name}"` becomes the value itself, so `"{vector}"` is an array. `{{` and
//! `}}` are braces. `think_ms` is the mean of an exponential pause after the start of the step before; it counts for 0 in the first step.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stats::{Rng, Weights};

use super::content::{Request, Subjects};
use super::number::{push_integer, push_vector};
use super::unknown;
use crate::Error;

/// Steps of one session.
const STEPS_MAX: usize = 10_000;

/// A plan of sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Template {
    /// Values to be drawn from, one for each session.
    #[serde(default)]
    pub vars: BTreeMap<String, Vec<Value>>,
    /// Kinds of session.
    pub sessions: Vec<Session>,
}

/// A kind of session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Names the transaction that its steps make up.
    pub name: String,
    /// Share of the sessions, in any unit.
    #[serde(default = "one")]
    pub weight: f64,
    /// In order.
    pub steps: Vec<Step>,
}

/// One request of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// JSON body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// Mean pause after the start of the step before, in ms.
    #[serde(default)]
    pub think_ms: f64,
}

fn one() -> f64 {
    1.0
}

impl Template {
    /// Reads a plan file.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read; [`Error::Option`] that says what in it is wrong.
    pub fn load(path: &Path) -> crate::Result<Self> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|e: io::Error| Error::io("read", &name, e))?;
        Self::parse(&text).map_err(|reason| Error::Option(format!("{name}: {reason}")))
    }

    /// Reads a plan from JSON.
    ///
    /// # Errors
    /// One sentence on what is wrong: unknown keys and names are refused, with the nearest known one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|e| format!("not JSON: {e}"))?;
        check_keys("the plan", &value, &["vars", "sessions"])?;
        for session in list(&value, "sessions") {
            check_keys("a session", session, &["name", "weight", "steps"])?;
            for step in list(session, "steps") {
                check_keys("a step", step, &["method", "path", "body", "think_ms"])?;
            }
        }
        let template: Self = serde_json::from_value(value).map_err(|e| e.to_string())?;
        Plan::new(&template).map(|_| template)
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn check_keys(what: &str, value: &Value, known: &[&str]) -> Result<(), String> {
    let keys = value.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
    keys.filter(|key| !known.contains(key)).try_for_each(|key| Err(unknown(&format!("key in {what}"), key, known)))
}

/// A template with its texts taken apart.
pub(super) struct Plan {
    kinds: Vec<PlannedSession>,
    weights: Weights,
    vars: Vec<Vec<Value>>,
}

struct PlannedSession {
    name: String,
    steps: Vec<PlannedStep>,
}

struct PlannedStep {
    method: String,
    path: Vec<Piece>,
    body: Option<Vec<Piece>>,
    think_ms: f64,
}

/// Bytes as they are, or the place of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Bytes(Vec<u8>),
    Var(Var, Form),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Var {
    Collection,
    Vector,
    Id,
    Session,
    Point,
    /// One of the plan's own, by its place in the order of names.
    Own(usize),
}

/// How a value is written in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    InString,
    InPath,
}

const BUILT_IN: [(&str, Var); 5] =
    [("collection", Var::Collection), ("vector", Var::Vector), ("id", Var::Id), ("session", Var::Session), ("point", Var::Point)];

/// The values of one session.
pub(super) struct Values {
    kind: usize,
    session: u64,
    collection: usize,
    vector: Vec<f32>,
    id: u64,
    own: Vec<usize>,
}

impl Values {
    pub fn session(&self) -> u64 {
        self.session
    }
}

impl Plan {
    pub fn new(template: &Template) -> Result<Self, String> {
        let names: Vec<&str> = template.vars.keys().map(String::as_str).collect();
        if let Some((name, _)) = template.vars.iter().find(|(_, values)| values.is_empty()) {
            return Err(format!("the variable `{name}` has no values to draw from"));
        }
        if template.sessions.is_empty() {
            return Err("a plan needs at least one session".to_owned());
        }
        super::options::weights("session", template.sessions.iter().map(|session| session.weight))?;
        let kinds =
            template.sessions.iter().map(|session| PlannedSession::new(session, &names)).collect::<Result<_, String>>()?;
        Ok(Self {
            kinds,
            weights: Weights::new(template.sessions.iter().map(|session| session.weight)).ok_or("no session has a weight")?,
            vars: template.vars.values().cloned().collect(),
        })
    }

    /// Mean number of steps of a session.
    pub fn steps_mean(&self) -> f64 {
        self.kinds.iter().enumerate().map(|(i, kind)| self.weights.share(i) * kind.steps.len() as f64).sum()
    }

    /// The values of a new session; points below `points` are taken to be there.
    pub fn draw(&self, session: u64, points: u64, subjects: &mut Subjects, rng: &mut Rng) -> Values {
        let (kind, collection) = (self.weights.pick(rng), subjects.pick(rng));
        Values {
            kind,
            session,
            collection,
            vector: subjects.get(collection).points.mixture().near_a_cluster(rng),
            id: rng.below(points),
            own: self.vars.iter().map(|values| rng.below(values.len() as u64) as usize).collect(),
        }
    }

    pub fn name(&self, values: &Values) -> &str {
        &self.kinds[values.kind].name
    }

    pub fn steps(&self, values: &Values) -> usize {
        self.kinds[values.kind].steps.len()
    }

    /// Mean pause before a step, ms.
    pub fn think_ms(&self, values: &Values, step: usize) -> f64 {
        self.kinds[values.kind].steps[step].think_ms
    }

    pub fn request(&self, values: &Values, step: usize, subjects: &mut Subjects) -> Request {
        let step = &self.kinds[values.kind].steps[step];
        let mut render = |pieces: &[Piece]| {
            let mut out = Vec::new();
            pieces.iter().for_each(|piece| self.push(piece, values, subjects, &mut out));
            out
        };
        let path = String::from_utf8_lossy(&render(&step.path)).into_owned();
        Request { method: step.method.clone(), path, body: step.body.as_deref().map(render) }
    }

    fn push(&self, piece: &Piece, values: &Values, subjects: &mut Subjects, out: &mut Vec<u8>) {
        match piece {
            Piece::Bytes(bytes) => out.extend_from_slice(bytes),
            Piece::Var(var, Form::Json) => self.push_json(*var, values, subjects, out),
            Piece::Var(var, form) => {
                let mut json = Vec::new();
                self.push_json(*var, values, subjects, &mut json);
                let text = as_text(&json);
                match form {
                    Form::InPath => push_percent_encoded(&text, out),
                    Form::Json | Form::InString => push_string_inside(&text, out),
                }
            }
        }
    }

    fn push_json(&self, var: Var, values: &Values, subjects: &mut Subjects, out: &mut Vec<u8>) {
        let subject = subjects.get(values.collection);
        match var {
            Var::Collection => push_json_value(&Value::from(subject.name.as_str()), out),
            Var::Vector => push_vector(out, &values.vector),
            Var::Id => push_integer(out, values.id),
            Var::Session => push_integer(out, values.session),
            Var::Point => subject.push_new_point(out),
            Var::Own(index) => push_json_value(&self.vars[index][values.own[index]], out),
        }
    }
}

impl PlannedSession {
    fn new(session: &Session, names: &[&str]) -> Result<Self, String> {
        let at = |step: usize, reason: String| format!("session `{}`, step {}: {reason}", session.name, step + 1);
        if session.steps.is_empty() || session.steps.len() > STEPS_MAX {
            return Err(format!("session `{}` needs 1 to {STEPS_MAX} steps", session.name));
        }
        let steps = session.steps.iter().enumerate();
        let steps = steps.map(|(i, step)| PlannedStep::new(step, names).map_err(|reason| at(i, reason)));
        Ok(Self { name: session.name.clone(), steps: steps.collect::<Result<_, String>>()? })
    }
}

impl PlannedStep {
    fn new(step: &Step, names: &[&str]) -> Result<Self, String> {
        if step.method.is_empty() || !step.method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') {
            return Err(format!("`{}` is not an HTTP method in capitals", step.method));
        }
        if !step.path.starts_with('/') || step.path.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err(format!("the path `{}` must begin with / and hold no blanks", step.path));
        }
        if !(step.think_ms >= 0.0 && step.think_ms.is_finite()) {
            return Err(format!("think_ms must be 0 or more, not {}", step.think_ms));
        }
        let mut path = Vec::new();
        push_pieces(&step.path, Form::InPath, names, &mut path)?;
        let body = step.body.as_ref().map(|body| {
            let mut pieces = Vec::new();
            push_body(body, names, &mut pieces).map(|()| pieces)
        });
        Ok(Self { method: step.method.clone(), path, body: body.transpose()?, think_ms: step.think_ms })
    }
}

/// Takes a JSON value apart into what is written as it is and what is put in.
fn push_body(value: &Value, names: &[&str], out: &mut Vec<Piece>) -> Result<(), String> {
    match value {
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                push_bytes(if i == 0 { b"[" } else { b"," }, out);
                push_body(item, names, out)?;
            }
            push_bytes(if items.is_empty() { b"[]" } else { b"]" }, out);
        }
        Value::Object(members) => {
            for (i, (key, member)) in members.iter().enumerate() {
                push_bytes(if i == 0 { b"{" } else { b"," }, out);
                push_literal(&Value::from(key.as_str()), out);
                push_bytes(b":", out);
                push_body(member, names, out)?;
            }
            push_bytes(if members.is_empty() { b"{}" } else { b"}" }, out);
        }
        Value::String(text) => {
            let mut pieces = Vec::new();
            push_pieces(text, Form::InString, names, &mut pieces)?;
            if let [Piece::Var(var, _)] = pieces[..] {
                out.push(Piece::Var(var, Form::Json));
            } else {
                push_bytes(b"\"", out);
                pieces.into_iter().for_each(|piece| push_piece(piece, out));
                push_bytes(b"\"", out);
            }
        }
        scalar => push_literal(scalar, out),
    }
    Ok(())
}

/// Takes a text apart at its `{name}`s.
fn push_pieces(text: &str, form: Form, names: &[&str], out: &mut Vec<Piece>) -> Result<(), String> {
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        push_text(&rest[..at], form, out);
        let (brace, after) = rest[at..].split_at(1);
        rest = if let Some(after) = after.strip_prefix(brace) {
            push_text(brace, form, out);
            after
        } else if brace == "{" {
            let (name, after) = after.split_once('}').ok_or_else(|| format!("`{{` without `}}` in `{text}`"))?;
            out.push(Piece::Var(var(name, names)?, form));
            after
        } else {
            return Err(format!("`}}` without `{{` in `{text}`, a brace is written twice"));
        };
    }
    push_text(rest, form, out);
    Ok(())
}

fn var(name: &str, names: &[&str]) -> Result<Var, String> {
    let own = names.iter().position(|own| *own == name).map(Var::Own);
    let built_in = || BUILT_IN.iter().find(|row| row.0 == name).map(|row| row.1);
    let known = || BUILT_IN.iter().map(|row| row.0).chain(names.iter().copied()).collect::<Vec<_>>();
    own.or_else(built_in).ok_or_else(|| unknown("variable", name, &known()))
}

fn push_text(text: &str, form: Form, out: &mut Vec<Piece>) {
    let mut bytes = Vec::new();
    if form == Form::InPath {
        bytes.extend_from_slice(text.as_bytes())
    } else {
        push_string_inside(text, &mut bytes)
    }
    push_bytes(&bytes, out);
}

fn push_literal(value: &Value, out: &mut Vec<Piece>) {
    let mut bytes = Vec::new();
    push_json_value(value, &mut bytes);
    push_bytes(&bytes, out);
}

fn push_piece(piece: Piece, out: &mut Vec<Piece>) {
    match piece {
        Piece::Bytes(bytes) => push_bytes(&bytes, out),
        var => out.push(var),
    }
}

/// Joins neighbouring bytes.
fn push_bytes(bytes: &[u8], out: &mut Vec<Piece>) {
    match out.last_mut() {
        _ if bytes.is_empty() => {}
        Some(Piece::Bytes(before)) => before.extend_from_slice(bytes),
        _ => out.push(Piece::Bytes(bytes.to_vec())),
    }
}

fn push_json_value(value: &Value, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("writing to memory cannot fail");
}

/// A string's content, or the JSON of anything else.
fn as_text(json: &[u8]) -> String {
    serde_json::from_slice::<String>(json).unwrap_or_else(|_| String::from_utf8_lossy(json).into_owned())
}

/// The text as it stands between the quotes of a JSON string.
fn push_string_inside(text: &str, out: &mut Vec<u8>) {
    let mut quoted = Vec::new();
    push_json_value(&Value::from(text), &mut quoted);
    out.extend_from_slice(&quoted[1..quoted.len() - 1]);
}

/// Everything but RFC 3986's unreserved characters becomes `%XX`.
fn push_percent_encoded(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Options;
    use super::*;

    const PLAN: &str = r#"{
      "vars": { "lang": ["c++ \"x\""], "k": [3] },
      "sessions": [ { "name": "ask", "steps": [
        { "method": "POST", "path": "/collections/{collection}/points/search?lang={lang}",
          "body": { "vector": "{vector}", "limit": "{k}", "note": "{{{lang}/{k}}}", "plain": [1, null, "x", {}, []], "id": ["{id}"] } },
        { "method": "PUT", "path": "/collections/{collection}/points", "body": { "points": ["{point}", "{point}"] }, "think_ms": 5 },
        { "method": "GET", "path": "/collections/{collection}/points/{id}" } ] } ] }"#;

    fn session(plan: &str) -> (Plan, Values, Subjects) {
        let options = Options { dim: 3, ..Options::default() };
        let plan = Plan::new(&Template::parse(plan).expect("sound")).expect("sound");
        let mut subjects = Subjects::new(&options).expect("sound");
        let values = plan.draw(7, 50, &mut subjects, &mut Rng::stream(1, "sessions"));
        (plan, values, subjects)
    }

    #[test]
    fn variables_are_put_in_and_stay_the_same_in_a_session() {
        let (plan, values, mut subjects) = session(PLAN);
        let collection = subjects.get(values.collection).name.clone();
        let request = plan.request(&values, 0, &mut subjects);
        assert_eq!(request.path, format!("/collections/{collection}/points/search?lang=c%2B%2B%20%22x%22"));
        let body: Value = serde_json::from_slice(&request.body.expect("has one")).expect("JSON");
        assert_eq!((body["vector"].as_array().map(Vec::len), &body["limit"]), (Some(3), &Value::from(3)));
        assert_eq!((&body["note"], &body["plain"]), (&Value::from("{c++ \"x\"/3}"), &serde_json::json!([1, null, "x", {}, []])));
        assert_eq!(plan.request(&values, 2, &mut subjects).path, format!("/collections/{collection}/points/{}", body["id"][0]));
        assert!(plan.request(&values, 2, &mut subjects).body.is_none());
    }

    #[test]
    fn each_new_point_is_another() {
        let (plan, values, mut subjects) = session(PLAN);
        let body: Value = serde_json::from_slice(&plan.request(&values, 1, &mut subjects).body.expect("has one")).expect("JSON");
        assert_eq!((&body["points"][0]["id"], &body["points"][1]["id"]), (&Value::from(1000), &Value::from(1001)));
    }

    #[test]
    fn a_template_survives_a_footer() {
        let template = Template::parse(PLAN).expect("sound");
        let text = serde_json::to_string(&template).expect("plain data");
        assert_eq!(Template::parse(&text), Ok(template));
    }

    #[test]
    fn mistakes_are_named() {
        let step = |step: &str| format!(r#"{{"sessions":[{{"name":"s","steps":[{step}]}}]}}"#);
        for (plan, says) in [
            ("{".to_owned(), "not JSON"),
            (r#"{"sesions":[]}"#.to_owned(), "unknown key in the plan `sesions`, did you mean `sessions`?"),
            (r#"{"sessions":[]}"#.to_owned(), "at least one session"),
            (r#"{"sessions":[{"name":"s","step":[]}]}"#.to_owned(), "did you mean `steps`?"),
            (r#"{"sessions":[{"name":"s","steps":[]}]}"#.to_owned(), "`s` needs 1 to"),
            (r#"{"vars":{"a":[]},"sessions":[{"name":"s","steps":[]}]}"#.to_owned(), "`a` has no values"),
            (step(r#"{"method":"GET","path":"/","thinkms":1}"#), "did you mean `think_ms`?"),
            (step(r#"{"path":"/"}"#), "method"),
            (step(r#"{"method":"get","path":"/"}"#), "step 1: `get`"),
            (step(r#"{"method":"GET","path":"x"}"#), "`x` must begin with /"),
            (step(r#"{"method":"GET","path":"/{colection}"}"#), "unknown variable `colection`, did you mean `collection`?"),
            (step(r#"{"method":"GET","path":"/{id"}"#), "`{` without `}`"),
            (step(r#"{"method":"GET","path":"/id}"}"#), "`}` without `{`"),
            (step(r#"{"method":"GET","path":"/","think_ms":-1}"#), "think_ms"),
        ] {
            let error = Template::parse(&plan).expect_err(&plan);
            assert!(error.contains(says), "{plan}: {error}");
        }
    }
}
