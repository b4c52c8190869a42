//! What is asked: requests of Qdrant's REST interface, drawn from the mix.

use stats::zipf::Zipf;
use stats::{Rng, Weights};

use super::number::{push_integer, push_vector};
use super::pattern::{FilterShape, Traits};
use super::points::{Points, YEAR_MIN, YEARS};
use super::{FilterField, Options};

/// One request before it has a place in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub method: String,
    pub path: String,
    pub body: Option<Vec<u8>>,
}

/// A collection with what its requests are made of.
pub(super) struct Subject {
    pub name: String,
    pub points: Points,
    traits: &'static Traits,
    common: String,
    /// Number of the next point that is not yet there.
    unused_id: u64,
}

impl Subject {
    /// A point that the collection does not hold yet.
    pub fn push_new_point(&mut self, out: &mut Vec<u8>) {
        self.points.point(self.unused_id).push_json(out);
        self.unused_id += 1;
    }
}

/// The collections of a trace, drawn by weight.
pub(super) struct Subjects {
    all: Vec<Subject>,
    weights: Weights,
}

impl Subjects {
    pub fn new(options: &Options) -> Result<Self, String> {
        let weights = options.collections.iter().map(|collection| collection.weight);
        let subject = |collection: &super::Collection| Subject {
            name: collection.name.clone(),
            points: Points::new(options, collection),
            traits: collection.pattern.traits(),
            common: format!("common queries of {}", collection.name),
            unused_id: options.points,
        };
        Ok(Self {
            all: options.collections.iter().map(subject).collect(),
            weights: Weights::new(weights).ok_or("no collection has a weight above 0")?,
        })
    }

    pub fn pick(&self, rng: &mut Rng) -> usize {
        self.weights.pick(rng)
    }

    pub fn get(&mut self, index: usize) -> &mut Subject {
        &mut self.all[index]
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Common,
    Filtered,
    Rare,
}

/// Draws requests that do not depend on each other.
pub(super) struct Content {
    options: Options,
    subjects: Subjects,
    mix: Weights,
    popularity: Zipf,
    /// Which collection, which kind, which rank.
    choice: Rng,
    /// New vectors and conditions: drawing more of them leaves the choices as they were.
    fresh: Rng,
}

impl Content {
    pub fn new(options: &Options) -> Result<Self, String> {
        let mix = options.mix;
        Ok(Self {
            options: options.clone(),
            subjects: Subjects::new(options)?,
            mix: Weights::new([mix.common, mix.filtered, mix.rare]).ok_or("no kind of query has a weight above 0")?,
            popularity: Zipf::new(options.pool, options.zipf).ok_or("the pool of common queries is empty")?,
            choice: Rng::stream(options.seed, "choices"),
            fresh: Rng::stream(options.seed, "new vectors"),
        })
    }

    /// The next request.
    pub fn request(&mut self) -> Request {
        let subject = self.subjects.pick(&mut self.choice);
        if self.choice.chance(self.options.upsert_share) {
            self.upsert(subject)
        } else if self.choice.chance(self.options.batch_share) {
            self.batch(subject)
        } else {
            self.single(subject)
        }
    }

    fn single(&mut self, subject: usize) -> Request {
        let row = self.subjects.get(subject).traits;
        let mut body = Vec::with_capacity(self.options.dim * 10 + 256);
        self.push_query(subject, row.vector_key, &mut body);
        self.points_request("POST", subject, &format!("/{}", row.path), body)
    }

    fn batch(&mut self, subject: usize) -> Request {
        let mut body = b"{\"searches\":[".to_vec();
        for i in 0..self.options.batch_size {
            if i > 0 {
                body.push(b',');
            }
            self.push_query(subject, "vector", &mut body);
        }
        body.extend_from_slice(b"]}");
        self.points_request("POST", subject, "/search/batch", body)
    }

    fn upsert(&mut self, subject: usize) -> Request {
        let mut body = b"{\"points\":[".to_vec();
        for i in 0..self.options.upsert_size {
            if i > 0 {
                body.push(b',');
            }
            self.subjects.get(subject).push_new_point(&mut body);
        }
        body.extend_from_slice(b"]}");
        self.points_request("PUT", subject, "?wait=true", body)
    }

    fn points_request(&mut self, method: &str, subject: usize, rest: &str, body: Vec<u8>) -> Request {
        let path = format!("/collections/{}/points{rest}", self.subjects.get(subject).name);
        Request { method: method.to_owned(), path, body: Some(body) }
    }

    /// `{"vector":[…],"limit":…,"filter":…,…}`
    fn push_query(&mut self, subject: usize, vector_key: &str, out: &mut Vec<u8>) {
        let kind = [Kind::Common, Kind::Filtered, Kind::Rare][self.mix.pick(&mut self.choice)];
        let vector = self.vector(kind, subject);
        out.extend_from_slice(b"{\"");
        out.extend_from_slice(vector_key.as_bytes());
        out.extend_from_slice(b"\":");
        push_vector(out, &vector);
        out.extend_from_slice(b",\"limit\":");
        push_integer(out, u64::from(self.limit(kind)));
        let subject = self.subjects.get(subject);
        if kind == Kind::Filtered {
            out.extend_from_slice(b",\"filter\":");
            out.extend_from_slice(filter(subject.traits.filter, subject.points.fields(), &mut self.fresh).as_bytes());
        }
        let tuning = if kind == Kind::Rare { r#""with_payload":true,"with_vector":true"# } else { subject.traits.tuning };
        out.push(b',');
        out.extend_from_slice(tuning.as_bytes());
        out.push(b'}');
    }

    fn vector(&mut self, kind: Kind, subject: usize) -> Vec<f32> {
        let subject = self.subjects.get(subject);
        let mixture = subject.points.mixture();
        match kind {
            Kind::Common => {
                let rank = self.popularity.sample(&mut self.choice);
                mixture.near_a_cluster(&mut Rng::substream(self.options.seed, &subject.common, rank))
            }
            Kind::Filtered => mixture.near_a_cluster(&mut self.fresh),
            Kind::Rare => mixture.anywhere(&mut self.fresh),
        }
    }

    fn limit(&self, kind: Kind) -> u32 {
        match kind {
            Kind::Common => self.options.limits.common,
            Kind::Filtered => self.options.limits.filtered,
            Kind::Rare => self.options.limits.rare,
        }
    }
}

/// A filter over the keyword fields, and the year where the shape has it. Names need no escapes: the options are checked for that.
fn filter(shape: FilterShape, fields: &[FilterField], rng: &mut Rng) -> String {
    let chosen = rng.below(fields.len() as u64) as usize;
    let mut condition = |field: &FilterField| {
        let value = rng.below(u64::from(field.values));
        format!(r#"{{"key":"{0}","match":{{"value":"{0}-{value}"}}}}"#, field.name)
    };
    let first = condition(&fields[chosen]);
    match shape {
        FilterShape::One => format!(r#"{{"must":[{first}]}}"#),
        FilterShape::OneAndYear => {
            let year = YEAR_MIN + YEARS / 2 + rng.below(YEARS / 2);
            format!(r#"{{"must":[{first},{{"key":"year","range":{{"gte":{year}}}}}]}}"#)
        }
        FilterShape::AnyButNot => {
            let second = condition(&fields[chosen]);
            let not = condition(&fields[(chosen + 1) % fields.len()]);
            format!(r#"{{"should":[{first},{second}],"must_not":[{not}]}}"#)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, Mix};
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;
    use stats::Rng;
    use std::collections::BTreeMap;

    fn requests(options: &Options, n: usize) -> Vec<(Request, Value)> {
        let mut content = Content::new(options).expect("sound options");
        let mut next = || {
            let request = content.request();
            let body = serde_json::from_slice(request.body.as_deref().expect("has one")).expect("JSON");
            (request, body)
        };
        (0..n).map(|_| next()).collect()
    }

    /// Counts within 5 standard deviations of their binomial.
    fn check_share(what: &str, count: usize, n: usize, p: f64) {
        let (n, deviation) = (n as f64, (n as f64 * p * (1.0 - p)).sqrt());
        assert!((count as f64 - n * p).abs() <= 5.0 * deviation, "{what}: {count} of {n}, expected {p}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        /// Whatever the seed and the mix: every collection and every kind of query has its share.
        #[test]
        fn load_and_mix_have_their_shares(seed: u64, common in 1.0..100.0, filtered in 0.0..50.0, rare in 0.0..50.0) {
            let (n, mix) = (2000, Mix { common, filtered, rare });
            let options = Options { seed, dim: 2, mix, ..Options::default() };
            let all = requests(&options, n);
            for collection in &options.collections {
                let path = format!("/collections/{}/", collection.name);
                let count = all.iter().filter(|(request, _)| request.path.starts_with(&path)).count();
                check_share(&collection.name, count, n, collection.weight / 100.0);
            }
            let share = |what, weight: f64, is: fn(&Value) -> bool| {
                check_share(what, all.iter().filter(|(_, body)| is(body)).count(), n, weight / (common + filtered + rare));
            };
            share("filtered", filtered, |body| body.get("filter").is_some());
            share("rare", rare, |body| body["limit"] == 100 && body["with_vector"] == true);
            share("common", common, |body| body.get("filter").is_none() && body["limit"] == 10);
        }
    }

    #[test]
    fn batches_and_upserts_have_their_shares_and_sizes() {
        let options =
            Options { dim: 4, batch_share: 0.3, batch_size: 3, upsert_share: 0.1, upsert_size: 2, ..Options::default() };
        let all = requests(&options, 4000);
        let upserts: Vec<_> = all.iter().filter(|(request, _)| request.method == "PUT").collect();
        let batches: Vec<_> = all.iter().filter(|(request, _)| request.path.ends_with("/points/search/batch")).collect();
        check_share("upserts", upserts.len(), 4000, 0.1);
        check_share("batches", batches.len(), 4000, 0.9 * 0.3);
        assert!(upserts.iter().all(|(_, body)| body["points"].as_array().is_some_and(|points| points.len() == 2)));
        assert!(batches.iter().all(|(_, body)| body["searches"].as_array().is_some_and(|searches| searches.len() == 3)));
        let ids: Vec<_> =
            upserts.iter().filter(|(r, _)| r.path.contains("/mixtral/")).map(|(_, b)| b["points"][0]["id"].as_u64()).collect();
        assert!(
            ids.iter().enumerate().all(|(i, id)| *id == Some(options.points + 2 * i as u64)),
            "new points, one after the other"
        );
    }

    /// Popularity of the common queries of one collection follows Zipf's law: the fit by likelihood finds the exponent again.
    #[test]
    fn common_queries_follow_zipf() {
        let mix = Mix { common: 1.0, filtered: 0.0, rare: 0.0 };
        let collections = vec!["one=1".parse().expect("well formed")];
        let options = Options { dim: 4, mix, collections, pool: 200, zipf: 0.9, ..Options::default() };
        let mixture = Points::new(&options, &options.collections[0]);
        let mut ranks: BTreeMap<String, usize> = BTreeMap::new();
        for rank in 1..=200 {
            let mut text = Vec::new();
            push_vector(
                &mut text,
                &mixture.mixture().near_a_cluster(&mut Rng::substream(options.seed, "common queries of one", rank)),
            );
            ranks.insert(String::from_utf8(text).expect("digits"), rank as usize - 1);
        }
        assert_eq!(ranks.len(), 200);
        let mut counts = vec![0; 200];
        for (request, _) in requests(&options, 8000) {
            let body = String::from_utf8(request.body.expect("has one")).expect("JSON");
            let vector = body.strip_prefix("{\"vector\":").and_then(|rest| rest.split_inclusive(']').next()).expect("a vector");
            counts[ranks[vector]] += 1;
        }
        let fit = stats::zipf::fit(&counts).expect("falls with rank");
        assert!((fit.s - 0.9).abs() < 4.0 * fit.standard_error, "{fit:?}");
    }

    #[test]
    fn patterns_differ_in_what_they_ask() {
        let mix = Mix { common: 0.0, filtered: 1.0, rare: 0.0 };
        let ask = |collection: &str| {
            let collections = vec![collection.parse().expect("well formed")];
            requests(&Options { dim: 4, mix, collections, ..Options::default() }, 1).remove(0)
        };
        let (request, body) = ask("a=1:similarity");
        assert_eq!(request.path, "/collections/a/points/search");
        assert_eq!((body["filter"]["must"].as_array().map(Vec::len), body.get("params")), (Some(1), None));
        let (request, body) = ask("a=1:code");
        assert_eq!(request.path, "/collections/a/points/search");
        assert_eq!((body["filter"]["must"][1]["key"].as_str(), body["params"]["hnsw_ef"].as_u64()), (Some("year"), Some(256)));
        assert!(body["score_threshold"].is_number());
        let (request, body) = ask("a=1:general");
        assert_eq!(request.path, "/collections/a/points/query");
        assert_eq!(
            (body["query"].as_array().map(Vec::len), body["filter"]["should"].as_array().map(Vec::len)),
            (Some(4), Some(2))
        );
        assert_ne!(body["filter"]["should"][0]["key"], body["filter"]["must_not"][0]["key"]);
    }

    #[test]
    fn fields_and_limits_can_be_chosen() {
        let filters = FilterField::parse_list("tenant=7").expect("well formed");
        let limits = Limits { common: 1, filtered: 2, rare: 3 };
        let options = Options { dim: 2, filters, limits, ..Options::default() };
        for (_, body) in requests(&options, 500) {
            let text = body.to_string();
            let limit = if body.get("filter").is_some() {
                2
            } else if body.get("with_vector").is_some() {
                3
            } else {
                1
            };
            assert_eq!(body["limit"], limit, "{text}");
            assert_eq!(body.get("filter").is_some(), text.contains(r#""key":"tenant""#), "{text}");
        }
    }
}
