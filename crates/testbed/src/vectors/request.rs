//! Bodies of requests as Qdrant's REST interface has them. Fields that only tune speed (`params`, `hnsw_config` …) are let pass.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::filter::{Filter, Payload};
use super::id::PointId;
use super::metric::Metric;

/// `PUT /collections/{name}`.
#[derive(Deserialize)]
pub struct Create {
    /// The one vector of a point.
    pub vectors: VectorParams,
}

/// What the vectors of a collection are like.
#[derive(Deserialize)]
pub struct VectorParams {
    /// Components.
    pub size: usize,
    /// How near they are.
    pub distance: Metric,
}

/// `PUT /collections/{name}/points`: a list of points or columns of them.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Upsert {
    /// A list of points.
    Points(Vec<PointStruct>),
    /// Columns.
    Batch(Batch),
}

/// A point to be written.
#[derive(Deserialize)]
pub struct PointStruct {
    /// Its id.
    pub id: PointId,
    /// Its vector.
    pub vector: Vec<f32>,
    /// Its payload.
    #[serde(default)]
    pub payload: Option<Payload>,
}

/// Points as columns of one length.
#[derive(Deserialize)]
pub struct Batch {
    /// Their ids.
    pub ids: Vec<PointId>,
    /// Their vectors.
    pub vectors: Vec<Vec<f32>>,
    /// Their payloads, if they have any.
    #[serde(default)]
    pub payloads: Option<Vec<Option<Payload>>>,
}

/// `POST /collections/{name}/points`.
#[derive(Deserialize)]
pub struct Retrieve {
    /// The points wanted.
    pub ids: Vec<PointId>,
    /// What to give of each.
    #[serde(flatten)]
    pub shape: Shape,
}

/// `POST /collections/{name}/points/delete`: by id or by filter.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delete {
    /// These points.
    Points(Vec<PointId>),
    /// All points that meet it.
    Filter(Filter),
}

/// `POST /collections/{name}/points/search`.
#[derive(Deserialize)]
pub struct Search {
    /// The vector whose neighbours are sought.
    pub vector: Vec<f32>,
    /// What else is wanted.
    #[serde(flatten)]
    pub nearest: Nearest,
    /// Most hits given.
    pub limit: usize,
}

/// `POST /collections/{name}/points/query`.
#[derive(Deserialize)]
pub struct Query {
    /// What is sought; without it, points come in the order of their ids.
    #[serde(default)]
    pub query: Option<Target>,
    /// What else is wanted.
    #[serde(flatten)]
    pub nearest: Nearest,
    /// Most hits given.
    #[serde(default = "limit_default")]
    pub limit: usize,
    /// Queries whose results are queried: not served here.
    #[serde(default)]
    pub prefetch: Option<Value>,
    /// The name of a vector: not served here.
    #[serde(default)]
    pub using: Option<String>,
}

/// What searches and queries have in common.
#[derive(Deserialize)]
pub struct Nearest {
    /// What a point must meet.
    #[serde(default)]
    pub filter: Option<Filter>,
    /// Nearest hits left out.
    #[serde(default)]
    pub offset: Option<usize>,
    /// The farthest score that is still a hit.
    #[serde(default)]
    pub score_threshold: Option<f32>,
    /// What to give of each hit.
    #[serde(flatten)]
    pub shape: Shape,
}

/// `…/points/search/batch` and `…/points/query/batch`.
#[derive(Deserialize)]
pub struct Searches<T> {
    /// Searches, answered in order.
    pub searches: Vec<T>,
}

/// `POST /collections/{name}/points/scroll`.
#[derive(Deserialize)]
pub struct Scroll {
    /// The id to begin at.
    #[serde(default)]
    pub offset: Option<PointId>,
    /// Most points given.
    #[serde(default = "limit_default")]
    pub limit: usize,
    /// What a point must meet.
    #[serde(default)]
    pub filter: Option<Filter>,
    /// What to give of each.
    #[serde(flatten)]
    pub shape: Shape,
    /// Another order than that of the ids: not served here.
    #[serde(default)]
    pub order_by: Option<Value>,
}

/// `POST /collections/{name}/points/count`.
#[derive(Deserialize)]
pub struct Count {
    /// What a point must meet.
    #[serde(default)]
    pub filter: Option<Filter>,
}

/// What to give of a point. What is left out follows the route's own default.
#[derive(Deserialize, Clone)]
pub struct Shape {
    /// All, nothing or some of its payload.
    #[serde(default)]
    pub with_payload: Option<WithPayload>,
    /// Its vector.
    #[serde(default, alias = "with_vectors")]
    pub with_vector: Option<WithVector>,
}

fn limit_default() -> usize {
    10
}

/// Which fields of a payload are given, with dots into objects.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Value")]
pub enum WithPayload {
    /// All or none.
    All(bool),
    /// These.
    Include(Vec<String>),
    /// All but these.
    Exclude(Vec<String>),
}

impl TryFrom<Value> for WithPayload {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let fields = |list: &Value| serde_json::from_value::<Vec<String>>(list.clone()).ok();
        let picked = match &value {
            Value::Bool(all) => Some(Self::All(*all)),
            Value::Array(_) => fields(&value).map(Self::Include),
            Value::Object(map) if map.len() == 1 => {
                let include = map.get("include").and_then(fields).map(Self::Include);
                include.or_else(|| map.get("exclude").and_then(fields).map(Self::Exclude))
            }
            _ => None,
        };
        picked
            .ok_or_else(|| "`with_payload` is true, false, a list of fields, or {\"include\": […]} or {\"exclude\": […]}".into())
    }
}

impl WithPayload {
    /// The part of a payload that is to be given.
    #[must_use]
    pub fn pick(&self, payload: &Payload) -> Payload {
        match self {
            Self::All(true) => payload.clone(),
            Self::All(false) => Payload::new(),
            Self::Include(fields) => included(payload, &fields.iter().map(String::as_str).collect::<Vec<_>>()),
            Self::Exclude(fields) => excluded(payload, &fields.iter().map(String::as_str).collect::<Vec<_>>()),
        }
    }
}

/// What the fields that begin with `key` name inside its value.
fn inside<'a>(fields: &[&'a str], key: &str) -> Vec<&'a str> {
    fields.iter().filter_map(|field| field.strip_prefix(key)?.strip_prefix('.')).collect()
}

fn included(payload: &Payload, fields: &[&str]) -> Payload {
    let pick = |(key, value): (&String, &Value)| {
        let deeper = inside(fields, key);
        match value {
            _ if fields.contains(&key.as_str()) => Some((key.clone(), value.clone())),
            Value::Object(object) if !deeper.is_empty() => Some((key.clone(), included(object, &deeper).into())),
            _ => None,
        }
    };
    payload.iter().filter_map(pick).collect()
}

fn excluded(payload: &Payload, fields: &[&str]) -> Payload {
    let pick = |(key, value): (&String, &Value)| {
        let deeper = inside(fields, key);
        match value {
            _ if fields.contains(&key.as_str()) => None,
            Value::Object(object) if !deeper.is_empty() => Some((key.clone(), excluded(object, &deeper).into())),
            _ => Some((key.clone(), value.clone())),
        }
    };
    payload.iter().filter_map(pick).collect()
}

/// Whether the vector is given.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "Value")]
pub struct WithVector(pub bool);

impl TryFrom<Value> for WithVector {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        value.as_bool().map(Self).ok_or("`with_vector` is true or false: vectors have no names here")
    }
}

/// What a query seeks the neighbours of: a vector, a point, or either as `{"nearest": …}`.
pub enum Target {
    /// A vector.
    Vector(Vec<f32>),
    /// A point that is there.
    Point(PointId),
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TargetVisitor)
    }
}

struct TargetVisitor;

impl<'de> Visitor<'de> for TargetVisitor {
    type Value = Target;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a vector, a point's id, or {\"nearest\": …}")
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Target, E> {
        Ok(Target::Point(PointId::Number(number)))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Target, E> {
        PointId::deserialize(serde::de::value::StrDeserializer::new(text)).map(Target::Point)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Target, A::Error> {
        let mut vector = Vec::new();
        while let Some(component) = elements.next_element()? {
            vector.push(component);
        }
        Ok(Target::Vector(vector))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Target, A::Error> {
        match entries.next_key::<String>()?.as_deref() {
            Some("nearest") => entries.next_value(),
            Some(other) => Err(A::Error::custom(format!("the testbed serves no `{other}` queries, only `nearest`"))),
            None => Err(A::Error::custom("an empty query; write a vector, a point's id, or {\"nearest\": …}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_picked_by_field_and_path() {
        let payload: Payload = serde_json::from_str(r#"{"a": 1, "b": {"c": 2, "d": {"e": 3}}, "bb": 4}"#).unwrap();
        let check = |with: &str, wanted: &str| {
            let with: WithPayload = serde_json::from_str(with).unwrap();
            assert_eq!(serde_json::to_string(&with.pick(&payload)).unwrap(), wanted);
        };
        check("true", r#"{"a":1,"b":{"c":2,"d":{"e":3}},"bb":4}"#);
        check(r#"["a", "none"]"#, r#"{"a":1}"#);
        check(r#"["b.d"]"#, r#"{"b":{"d":{"e":3}}}"#);
        check(r#"{"include": ["b"]}"#, r#"{"b":{"c":2,"d":{"e":3}}}"#);
        check(r#"{"exclude": ["a", "b.d.e"]}"#, r#"{"b":{"c":2,"d":{}},"bb":4}"#);
        for bad in ["1", "[1]", r#"{"includes": []}"#, r#"{"include": 1}"#] {
            assert!(serde_json::from_str::<WithPayload>(bad).unwrap_err().to_string().contains("with_payload"), "{bad}");
        }
    }
}
