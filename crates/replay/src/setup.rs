//! Makes a Qdrant-compatible target ready for a trace: creates and fills its collections, removes them, says which are missing.
//!
//! Everything here blocks, on a runtime of its own, and is done before a run or after it, never during one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, StatusCode, Url};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use trace::TraceReader;

use crate::driver::https;
use crate::limits::COLLECTIONS_MAX;
use crate::request::Added;
use crate::target::{Target, Targets};
use crate::{Error, Result};

/// Points of one write.
const WRITE_POINTS_MAX: usize = 256;
/// Bytes of one write, after which no further point is added to it.
const WRITE_BYTES_MAX: usize = 4 << 20;
/// Writes under way at once.
const WRITES_MAX: usize = 4;
/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// How long connecting, and how long a whole request may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
/// Points of a collection where the trace does not say how many it was made for.
pub const POINTS_DEFAULT: u64 = 1000;
/// The distance where the trace does not say: the one most vector stores are made with.
pub const METRIC_DEFAULT: &str = "Cosine";

/// A collection as it is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CollectionPlan {
    /// Its name.
    pub name: String,
    /// Components of its vectors.
    pub dimension: usize,
    /// Qdrant's name of its distance: `Cosine`, `Dot`, `Euclid`, `Manhattan`.
    pub metric: String,
    /// Points with which it is filled.
    pub points: u64,
}

/// The collections a trace needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Those of which enough is known, by name.
    pub collections: Vec<CollectionPlan>,
    /// Those of which the trace has no vector, so that nobody knows their dimension.
    pub unknown: Vec<String>,
    /// Whether the trace was synthesized and says itself what it needs.
    pub synthesized: bool,
}

/// A point with which a collection is filled.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    /// Its id.
    pub id: u64,
    /// Its vector, of the collection's dimension.
    pub vector: Vec<f32>,
    /// Its payload.
    pub payload: Map<String, Value>,
}

/// What was done to a collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Filled {
    /// Its name.
    pub name: String,
    /// Whether it was created; otherwise it was there already, of the right kind.
    pub created: bool,
    /// Points written.
    pub points: u64,
}

/// Creates the collections of `plan` where they are missing and writes `points` of each into it. A point whose id is there already
/// is replaced. `headers` go with every request, as name and value; `written` hears how many points have been written so far, all
/// collections together. Nothing is tried twice.
///
/// # Errors
/// [`Error::Target`] where the target does not answer or refuses, or has a collection of that name but of another kind.
pub fn setup<P: Iterator<Item = Point>>(
    target: &Target,
    headers: &[(String, String)],
    plan: &Plan,
    mut points: impl FnMut(&CollectionPlan) -> P,
    mut written: impl FnMut(u64),
) -> Result<Vec<Filled>> {
    let database = Database::open(target, headers)?;
    let mut before = 0;
    let mut report = Vec::with_capacity(plan.collections.len());
    for collection in &plan.collections {
        let created = database.ensure(collection)?;
        let points = database.fill(&collection.name, points(collection), |points| written(before + points))?;
        before += points;
        report.push(Filled { name: collection.name.clone(), created, points });
    }
    Ok(report)
}

/// Removes collections, and says which of them were there.
///
/// # Errors
/// [`Error::Target`] where the target does not answer or refuses.
pub fn drop_collections(target: &Target, headers: &[(String, String)], names: &[String]) -> Result<Vec<String>> {
    let database = Database::open(target, headers)?;
    let mut dropped = Vec::new();
    for name in names {
        let answer = database.call(Method::DELETE, &[name], None)?;
        // Qdrant says `false` where there was nothing to remove.
        if answer.done()? == Value::Bool(true) {
            dropped.push(name.clone());
        }
    }
    Ok(dropped)
}

/// The collections among `names` of which the target says, in Qdrant's words, that they do not exist. A target that is no
/// Qdrant lacks none.
///
/// # Errors
/// [`Error::Target`] where the target does not answer.
pub fn missing_collections(target: &Target, headers: &[(String, String)], names: &[String]) -> Result<Vec<String>> {
    let database = Database::open(target, headers)?;
    let mut missing = Vec::new();
    for name in names {
        if database.call(Method::GET, &[name], None)?.is_missing() {
            missing.push(name.clone());
        }
    }
    Ok(missing)
}

/// [`missing_collections`] of a replay's targets, each asked for the collections that go to it: the names and the target's URL.
///
/// # Errors
/// [`Error::Target`] where a target does not answer.
pub fn missing_by_target<'a>(
    targets: &Targets,
    headers: &[(String, String)],
    collections: impl IntoIterator<Item = &'a String>,
) -> Result<Vec<(String, String)>> {
    let mut by_target: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for name in collections.into_iter().filter(|name| !name.is_empty()) {
        if let Some(target) = targets.of(name) {
            by_target.entry(target).or_default().push(name.clone());
        }
    }
    let mut missing = Vec::new();
    for (target, names) in by_target {
        let target = &targets.list()[target];
        let url = format!("{}{}", target.origin, target.base_path);
        missing.extend(missing_collections(target, headers, &names)?.into_iter().map(|name| (name, url.clone())));
    }
    Ok(missing)
}

/// Whether an operation addresses its collection in Qdrant's way; other services' collections are not looked for on a target.
#[must_use]
pub fn addresses_collection(operation: &str) -> bool {
    operation.contains(" /collections/{}/")
}

/// Names and values of headers written as `Name: value`, with `$NAME` taken from the environment.
///
/// # Errors
/// [`Error::Option`] where there is no colon or the environment lacks a variable; no value is in the message.
pub fn headers(texts: &[String]) -> Result<Vec<(String, String)>> {
    let pair = |text: &String| {
        let header = Added::parse(text, |variable| std::env::var(variable).ok())?;
        Ok((header.name().to_owned(), header.value().to_owned()))
    };
    texts.iter().map(pair).collect()
}

/// A target whose collections are managed.
struct Database {
    runtime: Runtime,
    client: Client,
    base: Url,
    headers: HeaderMap,
}

/// What a target answered.
struct Answer {
    /// Method and URL of the request.
    asked: String,
    target: String,
    status: StatusCode,
    body: Vec<u8>,
}

impl Database {
    fn open(target: &Target, headers: &[(String, String)]) -> Result<Self> {
        let runtime = https::runtime().map_err(|error| Error::io("start", "a runtime".as_ref(), error))?;
        let client = https::client(CONNECT_TIMEOUT)?;
        let text = format!("{}{}", target.origin, target.base_path);
        let base = Url::parse(&text).map_err(|error| Error::target(&text, format!("not a URL ({error})")))?;
        let mut database = Self { runtime, client, base, headers: HeaderMap::new() };
        database.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in headers {
            let pair = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
            let (name, value) = pair.ok_or_else(|| Error::option("--header", format!("`{name}` cannot be sent as a header")))?;
            database.headers.insert(name, value);
        }
        Ok(database)
    }

    /// Makes the collection if it is missing; whether it was.
    fn ensure(&self, plan: &CollectionPlan) -> Result<bool> {
        let found = self.call(Method::GET, &[&plan.name], None)?;
        if !found.is_missing() {
            let description = found.done()?;
            let (asked, target) = (found.asked, found.target);
            let vectors = &description["config"]["params"]["vectors"];
            let fits = vectors["size"] == plan.dimension && vectors["distance"] == plan.metric;
            let (name, dimension, metric) = (&plan.name, plan.dimension, &plan.metric);
            let reason = || {
                format!(
                    "{asked}: collection `{name}` is there with vectors {vectors}, wanted {dimension} × {metric}; remove it with setup --drop"
                )
            };
            return if fits { Ok(false) } else { Err(Error::target(&target, reason())) };
        }
        let body = json!({ "vectors": { "size": plan.dimension, "distance": plan.metric } });
        self.call(Method::PUT, &[&plan.name], Some(body.to_string().into_bytes()))?.done()?;
        Ok(true)
    }

    /// Writes points in batches, several at a time; how many there were.
    fn fill(&self, name: &str, mut points: impl Iterator<Item = Point>, mut written: impl FnMut(u64)) -> Result<u64> {
        self.runtime.block_on(async {
            let mut total = 0;
            let mut writes = JoinSet::new();
            loop {
                let write = next_write(&mut points)?;
                let ended = write.is_none();
                if let Some((count, body)) = write {
                    let request = self.request(Method::PUT, &[name, "points"], Some("wait=true"), Some(body));
                    writes.spawn(async move { request.send().await?.done().map(|_| count) });
                }
                while writes.len() >= WRITES_MAX || ended {
                    let Some(done) = writes.join_next().await else { return Ok(total) };
                    total +=
                        done.map_err(|error| Error::target(self.base.as_str(), format!("a write was broken off ({error})")))??;
                    written(total);
                }
            }
        })
    }

    fn call(&self, method: Method, path: &[&str], body: Option<Vec<u8>>) -> Result<Answer> {
        self.runtime.block_on(self.request(method, path, None, body).send())
    }

    /// A request for a path below `/collections`; its segments are percent-encoded.
    fn request(&self, method: Method, path: &[&str], query: Option<&str>, body: Option<Vec<u8>>) -> Asked {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("collections").extend(path);
        }
        url.set_query(query);
        let asked = format!("{method} {}", url.path());
        let request = self.client.request(method, url).headers(self.headers.clone()).timeout(REQUEST_TIMEOUT);
        Asked { asked, target: self.base.to_string(), request: body.into_iter().fold(request, reqwest::RequestBuilder::body) }
    }
}

/// A request that can be sent.
struct Asked {
    asked: String,
    target: String,
    request: reqwest::RequestBuilder,
}

impl Asked {
    async fn send(self) -> Result<Answer> {
        let Self { asked, target, request } = self;
        let failed = |error: reqwest::Error| Error::target(&target, format!("{asked}: {}", https::reason(&error)));
        let mut response = request.send().await.map_err(failed)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(Error::target(
                    &target,
                    format!("{asked}: an answer of more than {ANSWER_BYTES_MAX} bytes, not Qdrant's"),
                ));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status: response.status(), asked, target, body })
    }
}

impl Answer {
    /// The `result` of a good answer.
    fn done(&self) -> Result<Value> {
        let Self { asked, target, status, body } = self;
        let mut envelope: Value = serde_json::from_slice(body).unwrap_or_default();
        if status.is_success() && envelope.get("result").is_some() {
            return Ok(envelope["result"].take());
        }
        let said = qdrant_error(&envelope).unwrap_or("not in Qdrant's words; is it a Qdrant-compatible server?");
        Err(Error::target(target, format!("{asked} was answered {}: {said}", status.as_u16())))
    }

    /// Whether it says that a collection does not exist. Any server may answer 404, but only Qdrant's kind says why like this.
    fn is_missing(&self) -> bool {
        let envelope: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        self.status == StatusCode::NOT_FOUND && qdrant_error(&envelope).is_some()
    }
}

fn qdrant_error(envelope: &Value) -> Option<&str> {
    envelope["status"]["error"].as_str()
}

/// The next points as the body of an upsert, with their number; `None` where none are left.
fn next_write(points: &mut impl Iterator<Item = Point>) -> Result<Option<(u64, Vec<u8>)>> {
    let mut body = b"{\"points\":[".to_vec();
    let mut count = 0;
    while count < WRITE_POINTS_MAX && body.len() < WRITE_BYTES_MAX {
        let Some(point) = points.next() else { break };
        if count > 0 {
            body.push(b',');
        }
        serde_json::to_writer(&mut body, &point)
            .map_err(|error| Error::Refused(format!("point {} is no JSON: {error}", point.id)))?;
        count += 1;
    }
    body.extend_from_slice(b"]}");
    Ok((count > 0).then_some((count as u64, body)))
}

/// What a trace needs: what its synthesizer says, or else the vectors seen in its requests.
///
/// # Errors
/// [`Error::Data`] where the trace cannot be read; [`Error::Refused`] where it addresses more than [`COLLECTIONS_MAX`] collections.
pub fn plan_from_trace(path: &Path) -> Result<Plan> {
    let columns = ["collection", "method", "target", "request"];
    let mut reader = TraceReader::open_columns(path, Some(&columns))?;
    if let Some(plan) = reader.metas().iter().find_map(|meta| synthesized(meta.origin.as_ref()?)) {
        return Ok(plan);
    }
    let mut seen = Seen::default();
    while let Some(batch) = reader.next_batch()? {
        for row in batch.rows().filter(|row| row.target().starts_with("/collections/") && !row.collection().is_empty()) {
            seen.note(row.collection(), row.method(), row.request().unwrap_or_default());
            if seen.open.len() + seen.known.len() > COLLECTIONS_MAX {
                let path = path.display();
                return Err(Error::Refused(format!("{path} addresses more than {COLLECTIONS_MAX} collections; cut it first")));
            }
        }
    }
    Ok(seen.plan())
}

/// What a synthesizer wrote into the footer, as far as it matters here.
#[derive(Deserialize)]
struct Synthesized {
    collections: Vec<Named>,
    dim: usize,
    metric: String,
    points: u64,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

fn synthesized(origin: &Value) -> Option<Plan> {
    let Synthesized { collections, dim, metric, points } = Synthesized::deserialize(origin.get("synth")?).ok()?;
    let plan = |Named { name }| CollectionPlan { name, dimension: dim, metric: metric.clone(), points };
    Some(Plan { collections: collections.into_iter().map(plan).collect(), unknown: Vec::new(), synthesized: true })
}

/// What the requests of a trace tell of its collections.
#[derive(Default)]
struct Seen {
    /// Dimension and metric by name.
    known: BTreeMap<String, (usize, String)>,
    /// Names without a vector so far.
    open: BTreeSet<String>,
}

impl Seen {
    fn note(&mut self, collection: &str, method: &str, body: &[u8]) {
        if self.known.contains_key(collection) {
            return;
        }
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let created = (method == "PUT").then(|| created_as(&body)).flatten();
        if let Some(kind) = created.or_else(|| Some((dimension_in(&body)?, METRIC_DEFAULT.to_owned()))) {
            self.open.remove(collection);
            self.known.insert(collection.to_owned(), kind);
        } else if !self.open.contains(collection) {
            self.open.insert(collection.to_owned());
        }
    }

    fn plan(self) -> Plan {
        let plan = |(name, (dimension, metric))| CollectionPlan { name, dimension, metric, points: POINTS_DEFAULT };
        Plan {
            collections: self.known.into_iter().map(plan).collect(),
            unknown: self.open.into_iter().collect(),
            synthesized: false,
        }
    }
}

/// Dimension and metric of a request that creates a collection.
fn created_as(body: &Value) -> Option<(usize, String)> {
    let vectors = &body["vectors"];
    let size = usize::try_from(vectors["size"].as_u64()?).ok()?;
    Some((size, vectors["distance"].as_str()?.to_owned()))
}

/// Length of the first vector in a search, query or upsert, single or in a batch.
fn dimension_in(body: &Value) -> Option<usize> {
    const VECTORS: [&str; 9] = [
        "/vector",
        "/query",
        "/query/nearest",
        "/searches/0/vector",
        "/searches/0/query",
        "/searches/0/query/nearest",
        "/points/0/vector",
        "/batch/vectors/0",
        "/vector/vector",
    ];
    let vector = VECTORS.iter().find_map(|place| body.pointer(place)?.as_array())?;
    (!vector.is_empty() && vector.iter().all(Value::is_number)).then_some(vector.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use trace::{Exchange, TraceMeta, TraceWriter};

    /// Writes a trace of requests (collection, method, body) and plans for it.
    fn plan_for(origin: Option<Value>, requests: &[(&str, &str, Value)]) -> Plan {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        let mut writer = TraceWriter::create(&path).unwrap();
        for (seq, (collection, method, body)) in requests.iter().enumerate() {
            let exchange = Exchange {
                seq: seq as u32,
                collection: (*collection).into(),
                method: (*method).into(),
                target: format!("/collections/{collection}/x").into(),
                request: Some(body.to_string().into_bytes().into()),
                ..Exchange::default()
            };
            writer.push(&exchange).unwrap();
        }
        writer.finish(TraceMeta { origin, ..TraceMeta::default() }).unwrap();
        plan_from_trace(&path).unwrap()
    }

    fn wanted(name: &str, dimension: usize, metric: &str, points: u64) -> CollectionPlan {
        CollectionPlan { name: name.into(), dimension, metric: metric.into(), points }
    }

    #[test]
    fn a_plan_follows_the_vectors_that_were_seen() {
        let plan = plan_for(
            None,
            &[
                ("made", "PUT", json!({ "vectors": { "size": 7, "distance": "Dot" } })),
                ("made", "POST", json!({ "vector": [1, 2, 3] })),
                ("searched", "POST", json!({ "limit": 3 })),
                ("searched", "POST", json!({ "vector": [1, 2, 3], "limit": 3 })),
                ("batched", "POST", json!({ "searches": [{ "query": { "nearest": [1, 2] } }] })),
                ("asked", "POST", json!({ "query": [1, 2, 3, 4] })),
                ("filled", "PUT", json!({ "points": [{ "id": 1, "vector": [0.5] }] })),
                ("counted", "POST", json!({ "exact": true })),
                ("by-id", "POST", json!({ "query": 5 })),
                ("", "GET", json!({ "vector": [1] })),
            ],
        );
        let seen = [("asked", 4), ("batched", 2), ("filled", 1), ("made", 7), ("searched", 3)];
        let metric = |name| if name == "made" { "Dot" } else { METRIC_DEFAULT };
        assert_eq!(plan.collections, seen.map(|(name, dimension)| wanted(name, dimension, metric(name), POINTS_DEFAULT)));
        assert_eq!(plan.unknown, ["by-id", "counted"]);
        assert!(!plan.synthesized);
    }

    #[test]
    fn a_synthesized_trace_says_itself_what_it_needs() {
        let origin = json!({ "synth": { "seed": 1, "dim": 12, "metric": "Euclid", "points": 50, "collections": [{ "name": "b", "weight": 1 }, { "name": "a" }] } });
        let plan = plan_for(Some(origin), &[("c", "POST", json!({ "vector": [1] }))]);
        assert_eq!(plan.collections, [wanted("b", 12, "Euclid", 50), wanted("a", 12, "Euclid", 50)]);
        assert!(plan.synthesized && plan.unknown.is_empty());
    }

    #[test]
    fn another_origin_is_no_synthesizer() {
        let plan = plan_for(Some(json!({ "scale": 4 })), &[("c", "POST", json!({ "vector": [1] }))]);
        assert_eq!(plan.collections, [wanted("c", 1, METRIC_DEFAULT, POINTS_DEFAULT)]);
    }

    #[test]
    fn writes_hold_all_points_and_stay_within_their_limits() {
        let vector = vec![0.123_456; 4096];
        let mut points =
            (0..600).map(|id| Point { id, vector: if id < 300 { vec![1.5] } else { vector.clone() }, payload: Map::new() });
        let (mut ids, mut writes) = (Vec::new(), 0);
        while let Some((count, body)) = next_write(&mut points).unwrap() {
            assert!(body.len() < WRITE_BYTES_MAX + 100_000 && count <= WRITE_POINTS_MAX as u64);
            let body: Value = serde_json::from_slice(&body).unwrap();
            let written = body["points"].as_array().unwrap();
            assert_eq!(written.len() as u64, count);
            ids.extend(written.iter().map(|point| point["id"].as_u64().unwrap()));
            writes += 1;
        }
        assert!(ids.iter().copied().eq(0..600));
        assert!(writes >= 3, "600 points do not fit in two");
    }
}
