//! Filters over payloads, with Qdrant's meaning.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::Value;

use super::id::PointId;

/// The payload of a point.
pub type Payload = serde_json::Map<String, Value>;

/// All of `must`, at least one of `should` (if there are any), none of `must_not`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Filter {
    #[serde(deserialize_with = "one_or_many")]
    must: Vec<Condition>,
    #[serde(deserialize_with = "one_or_many")]
    should: Vec<Condition>,
    #[serde(deserialize_with = "one_or_many")]
    must_not: Vec<Condition>,
}

/// One condition on a point. A field with a list of values meets a condition if one of its values does.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "RawCondition")]
enum Condition {
    Match(Path, Match),
    Range(Path, Range),
    HasId(BTreeSet<PointId>),
    IsEmpty(Path),
    Nested(Filter),
}

/// What a value is to be.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Match {
    /// Equal.
    Value(Value),
    /// Equal to one of these.
    Any(Vec<Value>),
    /// Equal to none of these.
    Except(Vec<Value>),
    /// A string with this inside, as Qdrant has it where no full-text index is.
    Text(String),
}

/// Bounds of a number; those left out do not bind.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Range {
    gt: Option<f64>,
    gte: Option<f64>,
    lt: Option<f64>,
    lte: Option<f64>,
}

/// A condition as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCondition {
    key: Option<String>,
    r#match: Option<Match>,
    range: Option<Range>,
    has_id: Option<BTreeSet<PointId>>,
    is_empty: Option<RawKey>,
    #[serde(deserialize_with = "one_or_many", default)]
    must: Vec<Condition>,
    #[serde(deserialize_with = "one_or_many", default)]
    should: Vec<Condition>,
    #[serde(deserialize_with = "one_or_many", default)]
    must_not: Vec<Condition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKey {
    key: String,
}

impl TryFrom<RawCondition> for Condition {
    type Error = String;

    fn try_from(raw: RawCondition) -> Result<Self, String> {
        let nested = Filter { must: raw.must, should: raw.should, must_not: raw.must_not };
        let filters = nested != Filter::default();
        match (raw.key.as_deref().map(Path::parse), raw.r#match, raw.range, raw.has_id, raw.is_empty, filters) {
            (Some(path), Some(wanted), None, None, None, false) => Ok(Self::Match(path, wanted)),
            (Some(path), None, Some(range), None, None, false) => Ok(Self::Range(path, range)),
            (None, None, None, Some(ids), None, false) => Ok(Self::HasId(ids)),
            (None, None, None, None, Some(empty), false) => Ok(Self::IsEmpty(Path::parse(&empty.key))),
            (None, None, None, None, None, true) => Ok(Self::Nested(nested)),
            _ => Err("a condition has `key` with `match` or `range`, or `has_id`, or `is_empty`, or is a filter itself".into()),
        }
    }
}

/// A clause holds one condition or a list of them.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Condition>, D::Error> {
    let conditions = match Value::deserialize(deserializer)? {
        Value::Null => Vec::new(),
        Value::Array(many) => many,
        one => vec![one],
    };
    conditions.into_iter().map(|condition| serde_json::from_value(condition).map_err(D::Error::custom)).collect()
}

impl Filter {
    /// Whether a point meets the filter.
    #[must_use]
    pub fn admits(&self, id: PointId, payload: &Payload) -> bool {
        let met = |condition: &Condition| condition.admits(id, payload);
        self.must.iter().all(met) && (self.should.is_empty() || self.should.iter().any(met)) && !self.must_not.iter().any(met)
    }
}

impl Condition {
    fn admits(&self, id: PointId, payload: &Payload) -> bool {
        match self {
            Self::Match(path, wanted) => path.any(payload, &mut |value| wanted.admits(value)),
            Self::Range(path, range) => path.any(payload, &mut |value| value.as_f64().is_some_and(|number| range.admits(number))),
            Self::HasId(ids) => ids.contains(&id),
            Self::IsEmpty(path) => !path.any(payload, &mut |value| !value.is_null()),
            Self::Nested(filter) => filter.admits(id, payload),
        }
    }
}

impl Match {
    fn admits(&self, value: &Value) -> bool {
        match self {
            Self::Value(wanted) => value == wanted,
            Self::Any(wanted) => wanted.contains(value),
            Self::Except(unwanted) => !unwanted.contains(value),
            Self::Text(part) => value.as_str().is_some_and(|text| text.contains(part)),
        }
    }
}

impl Range {
    fn admits(&self, number: f64) -> bool {
        self.gt.is_none_or(|bound| number > bound)
            && self.gte.is_none_or(|bound| number >= bound)
            && self.lt.is_none_or(|bound| number < bound)
            && self.lte.is_none_or(|bound| number <= bound)
    }
}

/// A place in a payload: keys with dots between them; `[]` behind a key means each element of the list there.
#[derive(Debug, Clone, PartialEq)]
struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq)]
struct Step {
    key: String,
    each: bool,
}

impl Path {
    fn parse(text: &str) -> Self {
        let step = |part: &str| {
            let (key, each) = part.strip_suffix("[]").map_or((part, false), |key| (key, true));
            Step { key: key.to_owned(), each }
        };
        Self(text.split('.').map(step).collect())
    }

    /// Whether a value at this place passes the test; of a list, whether one of its elements does.
    fn any(&self, payload: &Payload, test: &mut dyn FnMut(&Value) -> bool) -> bool {
        walk(payload, &self.0, test)
    }
}

fn walk(object: &Payload, steps: &[Step], test: &mut dyn FnMut(&Value) -> bool) -> bool {
    let Some((step, rest)) = steps.split_first() else { return false };
    let Some(value) = object.get(&step.key) else { return false };
    match (value, rest) {
        (Value::Array(elements), []) => elements.iter().any(test),
        (value, []) => !step.each && test(value),
        (Value::Object(inner), rest) if !step.each => walk(inner, rest, test),
        (Value::Array(elements), rest) if step.each => {
            elements.iter().filter_map(Value::as_object).any(|inner| walk(inner, rest, test))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks which of three points a filter admits.
    fn check(filter: &str, admitted: &[u64]) {
        let points = [
            r#"{"city": "Bern", "n": 1, "tags": ["a", "b"], "geo": {"alt": 540}, "rows": [{"x": 1}, {"x": 5}], "on": true}"#,
            r#"{"city": "Berlin", "n": 2.5, "tags": [], "geo": {"alt": 34}, "rows": {"x": 5}, "on": false}"#,
            r#"{"n": null, "tags": "b"}"#,
        ];
        let filter: Filter = serde_json::from_str(filter).unwrap();
        let found: Vec<u64> = (1..=3)
            .filter(|id| filter.admits(PointId::Number(*id), &serde_json::from_str(points[*id as usize - 1]).unwrap()))
            .collect();
        assert_eq!(found, admitted, "{filter:?}");
    }

    #[test]
    fn match_compares_values_and_elements_of_lists() {
        check(r#"{"must": [{"key": "city", "match": {"value": "Bern"}}]}"#, &[1]);
        check(r#"{"must": {"key": "on", "match": {"value": false}}}"#, &[2]);
        check(r#"{"must": [{"key": "n", "match": {"value": 1}}]}"#, &[1]);
        check(r#"{"must": [{"key": "tags", "match": {"value": "b"}}]}"#, &[1, 3]);
        check(r#"{"must": [{"key": "city", "match": {"any": ["Bern", "Basel", "Berlin"]}}]}"#, &[1, 2]);
        check(r#"{"must": [{"key": "city", "match": {"except": ["Bern"]}}]}"#, &[2]);
        check(r#"{"must": [{"key": "city", "match": {"text": "erl"}}]}"#, &[2]);
    }

    #[test]
    fn ranges_bind_numbers_only() {
        check(r#"{"must": [{"key": "n", "range": {"gte": 1, "lt": 2.5}}]}"#, &[1]);
        check(r#"{"must": [{"key": "n", "range": {"gt": 1, "lte": 2.5}}]}"#, &[2]);
        check(r#"{"must": [{"key": "city", "range": {}}]}"#, &[]);
        check(r#"{"must": [{"key": "geo.alt", "range": {"gte": 100}}]}"#, &[1]);
    }

    #[test]
    fn paths_go_into_objects_and_with_brackets_into_lists() {
        check(r#"{"must": [{"key": "rows[].x", "match": {"value": 5}}]}"#, &[1]);
        check(r#"{"must": [{"key": "rows.x", "match": {"value": 5}}]}"#, &[2]);
        check(r#"{"must": [{"key": "tags[]", "match": {"value": "b"}}]}"#, &[1]);
    }

    #[test]
    fn clauses_combine() {
        let bern = r#"{"key": "city", "match": {"value": "Bern"}}"#;
        let berlin = r#"{"key": "city", "match": {"value": "Berlin"}}"#;
        check(&format!(r#"{{"should": [{bern}, {berlin}]}}"#), &[1, 2]);
        check(&format!(r#"{{"must_not": [{bern}]}}"#), &[2, 3]);
        check(&format!(r#"{{"must": [{{"has_id": [2, 3]}}], "must_not": {berlin}}}"#), &[3]);
        check(&format!(r#"{{"must": [{{"should": [{bern}, {{"has_id": [3]}}]}}]}}"#), &[1, 3]);
        check(&format!(r#"{{"must": [{{"must_not": {bern}}}, {{"must_not": {{"has_id": [3]}}}}]}}"#), &[2]);
        check(r#"{"must": [{"is_empty": {"key": "tags"}}]}"#, &[2]);
        check(r#"{"must": [{"is_empty": {"key": "n"}}]}"#, &[3]);
        check(r#"{"must": [{"is_empty": {"key": "geo.alt"}}]}"#, &[3]);
        check("{}", &[1, 2, 3]);
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for (filter, said) in [
            (r#"{"mast": []}"#, "must"),
            (r#"{"must": [{"key": "a"}]}"#, "a condition has"),
            (r#"{"must": [{"key": "a", "match": {"valu": 1}}]}"#, "value"),
            (r#"{"must": [{"key": "a", "geo_radius": {}}]}"#, "geo_radius"),
            (r#"{"must": [{"key": "a", "range": {"gt": "2024-01-01"}}]}"#, "f64"),
        ] {
            let error = serde_json::from_str::<Filter>(filter).unwrap_err().to_string();
            assert!(error.contains(said), "{filter}: {error}");
        }
    }
}
