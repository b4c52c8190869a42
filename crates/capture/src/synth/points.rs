//! The points that a synthesized trace asks about.

use serde_json::{Map, Value};
use stats::Rng;

use super::number::{push_integer, push_vector};
use super::vectors::Mixture;
use super::{Collection, FilterField, Options};

/// Points have a `year` from [`YEAR_MIN`] on, of so many.
pub(super) const YEAR_MIN: u64 = 2000;
pub(super) const YEARS: u64 = 25;

/// A point as a target is filled with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Its number, from 0.
    pub id: u64,
    /// Unit length, as many components as the options' `dim`.
    pub vector: Vec<f32>,
    /// `title`, `year`, and the keyword fields that filters look at.
    pub payload: Map<String, Value>,
}

/// Makes the points of one collection, in any order: each comes from its own number and the seed.
#[derive(Debug, Clone)]
pub struct Points {
    seed: u64,
    stream: String,
    collection: String,
    mixture: Mixture,
    fields: Vec<FilterField>,
}

/// The points of a collection of a synthesized trace: the first `count`.
pub fn points(options: &Options, collection: &Collection, count: u64) -> impl Iterator<Item = Point> + use<> {
    let points = Points::new(options, collection);
    (0..count).map(move |id| points.point(id))
}

impl Points {
    /// The points of `collection` under `options`.
    #[must_use]
    pub fn new(options: &Options, collection: &Collection) -> Self {
        Self {
            seed: options.seed,
            stream: format!("points of {}", collection.name),
            collection: collection.name.clone(),
            mixture: Mixture::new(options.seed, &collection.name, options.dim),
            fields: options.fields(collection),
        }
    }

    /// The point with that number.
    #[must_use]
    pub fn point(&self, id: u64) -> Point {
        let mut rng = Rng::substream(self.seed, &self.stream, id);
        let vector = self.mixture.near_a_cluster(&mut rng);
        let mut payload = Map::new();
        payload.insert("title".to_owned(), format!("{} {id}", self.collection).into());
        payload.insert("year".to_owned(), (YEAR_MIN + rng.below(YEARS)).into());
        for field in &self.fields {
            let value = format!("{}-{}", field.name, rng.below(u64::from(field.values)));
            payload.insert(field.name.clone(), value.into());
        }
        Point { id, vector, payload }
    }

    pub(super) fn mixture(&self) -> &Mixture {
        &self.mixture
    }

    pub(super) fn fields(&self) -> &[FilterField] {
        &self.fields
    }
}

impl Point {
    /// Appends it as Qdrant's REST interface takes it.
    pub(super) fn push_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":");
        push_integer(out, self.id);
        out.extend_from_slice(b",\"vector\":");
        push_vector(out, &self.vector);
        out.extend_from_slice(b",\"payload\":");
        serde_json::to_writer(&mut *out, &self.payload).expect("writing to memory cannot fail");
        out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_depends_on_its_number_alone() {
        let options = Options { dim: 16, ..Options::default() };
        let all: Vec<Point> = points(&options, &options.collections[5], 40).collect();
        let made = Points::new(&options, &options.collections[5]);
        assert!((0..40).rev().all(|id| made.point(id) == all[id as usize]));
        assert_ne!(all[0].vector, all[1].vector);
        assert_ne!(points(&options, &options.collections[0], 1).next(), Some(all[0].clone()));
    }

    #[test]
    fn payloads_hold_the_fields_that_filters_look_at() {
        let filters = vec![FilterField { name: "tenant".to_owned(), values: 2 }];
        let options = Options { dim: 4, filters, ..Options::default() };
        let mut seen = std::collections::BTreeSet::new();
        for point in points(&options, &options.collections[0], 60) {
            seen.insert(point.payload["tenant"].as_str().expect("a keyword").to_owned());
            let year = point.payload["year"].as_u64().expect("a number");
            assert!((YEAR_MIN..YEAR_MIN + YEARS).contains(&year));
            let mut json = Vec::new();
            point.push_json(&mut json);
            let json: Value = serde_json::from_slice(&json).expect("JSON");
            assert_eq!((&json["id"], &json["payload"]), (&point.id.into(), &Value::Object(point.payload.clone())));
            let written: Vec<f32> = serde_json::from_value(json["vector"].clone()).expect("numbers");
            assert_eq!(written, point.vector);
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["tenant-0", "tenant-1"]);
    }
}
