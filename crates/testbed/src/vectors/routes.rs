//! What each route does.

use hyper::Method;
use serde::Serialize;
use serde_json::json;

use super::filter::{Filter, Payload};
use super::id::PointId;
use super::request::{
    Batch, Count, Create, Delete, Nearest, Query, Retrieve, Scroll, Search, Searches, Shape, Target, Upsert, WithPayload,
};
use super::search::{Hit, Wanted, nearest};
use super::store::{Collection, NewPoint};
use super::{Vectors, read};
use crate::answer::{Call, Failure, parse, percent_decode, write_json};
use crate::limits::{ANSWER_BYTES_MAX, DIMENSION_MAX, NAME_BYTES_MAX};

/// Appends the result of a call to `out`.
type Handler = fn(&Vectors, &Call<'_>, &Parameters, out: &mut Vec<u8>) -> Result<(), Failure>;

/// One route.
pub struct Route {
    method: Method,
    /// Its path; `{…}` stands for any one segment.
    pub template: &'static str,
    /// What it does.
    pub run: Handler,
}

const fn route(method: Method, template: &'static str, run: Handler) -> Route {
    Route { method, template, run }
}

/// All routes; the busiest first, since they are tried in order.
const ROUTES: &[Route] = &[
    route(Method::POST, "/collections/{name}/points/search", search),
    route(Method::POST, "/collections/{name}/points/query", query),
    route(Method::POST, "/collections/{name}/points/search/batch", search_batch),
    route(Method::POST, "/collections/{name}/points/query/batch", query_batch),
    route(Method::PUT, "/collections/{name}/points", upsert),
    route(Method::POST, "/collections/{name}/points", retrieve),
    route(Method::GET, "/collections/{name}/points/{id}", get_point),
    route(Method::POST, "/collections/{name}/points/scroll", scroll),
    route(Method::POST, "/collections/{name}/points/count", count),
    route(Method::POST, "/collections/{name}/points/delete", delete_points),
    route(Method::GET, "/collections", list),
    route(Method::GET, "/collections/{name}", describe),
    route(Method::PUT, "/collections/{name}", create),
    route(Method::DELETE, "/collections/{name}", remove),
    route(Method::GET, "/collections/{name}/exists", exists),
    route(Method::PUT, "/collections/{name}/index", accept_index),
];

/// What stood in the braces of a template, percent-decoded.
#[derive(Default)]
pub struct Parameters {
    name: String,
    id: String,
}

/// The route of a call.
pub fn find(call: &Call<'_>) -> Option<(&'static Route, Parameters)> {
    ROUTES.iter().filter(|route| route.method == *call.method).find_map(|route| Some((route, fit(route.template, call.path)?)))
}

fn fit(template: &str, path: &str) -> Option<Parameters> {
    let (mut wanted, mut found) = (template.split('/'), path.split('/'));
    let (mut name, mut id) = ("", "");
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => break,
            (Some("{name}"), Some(segment)) if !segment.is_empty() => name = segment,
            (Some("{id}"), Some(segment)) if !segment.is_empty() => id = segment,
            (Some(wanted), Some(segment)) if wanted == segment => {}
            _ => return None,
        }
    }
    Some(Parameters { name: percent_decode(name), id: percent_decode(id) })
}

fn list(vectors: &Vectors, _: &Call<'_>, _: &Parameters, out: &mut Vec<u8>) -> Result<(), Failure> {
    let names: Vec<_> = vectors.list().into_iter().map(|(name, _)| json!({ "name": name })).collect();
    write_json(out, &json!({ "collections": names }))
}

fn exists(vectors: &Vectors, _: &Call<'_>, at: &Parameters, out: &mut Vec<u8>) -> Result<(), Failure> {
    write_json(out, &json!({ "exists": vectors.find(&at.name).is_ok() }))
}

fn describe(vectors: &Vectors, _: &Call<'_>, at: &Parameters, out: &mut Vec<u8>) -> Result<(), Failure> {
    let collection = vectors.find(&at.name)?;
    let collection = read(&collection);
    let description = json!({
        "status": "green",
        "optimizer_status": "ok",
        "indexed_vectors_count": 0,
        "points_count": collection.count(),
        "segments_count": 1,
        "config": {
            "params": { "vectors": { "size": collection.dimension, "distance": collection.metric } },
            // Clients insist on these. `m` of 0 is Qdrant's word for no graph: every vector is looked at.
            "hnsw_config": { "m": 0, "ef_construct": 100, "full_scan_threshold": 10_000 },
            "optimizer_config": {
                "deleted_threshold": 0.2, "vacuum_min_vector_number": 1000, "default_segment_number": 1, "flush_interval_sec": 5,
            },
        },
        "payload_schema": {},
    });
    write_json(out, &description)
}

fn create(vectors: &Vectors, call: &Call<'_>, at: &Parameters, out: &mut Vec<u8>) -> Result<(), Failure> {
    let Create { vectors: params } = parse(call.body)?;
    if !(1..=DIMENSION_MAX).contains(&params.size) {
        return Err(Failure::invalid("vectors.size", params.size, &format!("from 1 to {DIMENSION_MAX}")));
    }
    let forbidden = |c: char| "<>:\"/\\|?*".contains(c) || c.is_control();
    if at.name.len() > NAME_BYTES_MAX || at.name.contains(forbidden) {
        let allowed = format!("at most {NAME_BYTES_MAX} bytes without any of <>:\"/\\|?*");
        return Err(Failure::invalid("collection_name", &at.name, &allowed));
    }
    vectors.create(&at.name, Collection::new(params.distance, params.size))?;
    write_json(out, &true)
}

fn remove(vectors: &Vectors, _: &Call<'_>, at: &Parameters, out: &mut Vec<u8>) -> Result<(), Failure> {
    write_json(out, &vectors.remove(&at.name))
}

/// Searches are exact, so an index is taken note of and not made.
fn accept_index(vectors: &Vectors, call: &Call<'_>, at: &Parameters, out: &mut Vec<u8>) -> Result<(), Failure> {
    let collection = vectors.find(&at.name)?;
    parse::<Payload>(call.body)?;
    let operation = vectors.change(&collection, Collection::begin);
    write_operation(call, operation, out)
}

/// The answer to a change: it was made, and the caller is told so if it waits for it.
fn write_operation(call: &Call<'_>, operation: u64, out: &mut Vec<u8>) -> Result<(), Failure> {
    let status = if call.asks("wait") { "completed" } else { "acknowledged" };
    write_json(out, &json!({ "operation_id": operation, "status": status }))
}

fn upsert(vectors: &Vectors, call: &Call<'_>, at: &Parameters, out: &mut Vec<u8>) -> Result<(), Failure> {
    let collection = vectors.find(&at.name)?;
    let points = new_points(parse(call.body)?)?;
    let dimension = read(&collection).dimension;
    for point in &points {
        check_vector(&point.vector, dimension)?;
    }
    vectors.refuse_beyond_memory(&points)?;
    let operation = vectors.change(&collection, |collection| collection.upsert(points));
    write_operation(call, operation, out)
}

fn new_points(upsert: Upsert) -> Result<Vec<NewPoint>, Failure> {
    match upsert {
        Upsert::Points(points) => {
            let new = |point: super::request::PointStruct| NewPoint {
                id: point.id,
                vector: point.vector,
                payload: point.payload.unwrap_or_default(),
            };
            Ok(points.into_iter().map(new).collect())
        }
        Upsert::Batch(Batch { ids, vectors, payloads }) => {
            let payloads = payloads.unwrap_or_else(|| vec![None; ids.len()]);
            if vectors.len() != ids.len() || payloads.len() != ids.len() {
                let lengths = format!("{} ids, {} vectors, {} payloads", ids.len(), vectors.len(), payloads.len());
                return Err(Failure::wrong_input(format_args!("the columns of a batch differ in length: {lengths}")));
            }
            let new = |((id, vector), payload): ((_, _), Option<Payload>)| NewPoint {
                id,
                vector,
                payload: payload.unwrap_or_default(),
            };
            Ok(ids.into_iter().zip(vectors).zip(payloads).map(new).collect())
        }
    }
}

fn check_vector(vector: &[f32], dimension: usize) -> Result<(), Failure> {
    if vector.len() != dimension {
        let found = vector.len();
        return Err(Failure::wrong_input(format_args!("Vector dimension error: expected dim: {dimension}, got {found}")));
    }
    if !vector.iter().all(|x| x.is_finite()) {
        return Err(Failure::wrong_input("a component of the vector is beyond single precision"));
    }
    Ok(())
}

fn delete_points(vectors: &Vectors, call: &Call<'_>, at: &Parameters, out: &mut Vec<u8>) -> Result<(), Failure> {
    let collection = vectors.find(&at.name)?;
    let operation = match parse(call.body)? {
        Delete::Points(ids) => vectors.change(&collection, |collection| collection.delete(&ids)),
        Delete::Filter(filter) => vectors.change(&collection, |collection| {
            let met: Vec<_> = admitted(collection, Some(&filter), FIRST).map(|slot| collection.point(slot).id).collect();
            collection.delete(&met)
        }),
    };
    write_operation(call, operation, out)
}

/// The least id.
const FIRST: PointId = PointId::Number(0);

/// The slots of the points that meet a filter, in the order of their ids.
fn admitted<'a>(collection: &'a Collection, filter: Option<&'a Filter>, from: PointId) -> impl Iterator<Item = usize> + 'a {
    collection.slots_from(from).filter(move |slot| {
        let point = collection.point(*slot);
        filter.is_none_or(|filter| filter.admits(point.id, &point.payload))
    })
}

/// A point as it is given to the caller.
#[derive(Serialize)]
struct Given<'a> {
    id: PointId,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Payload>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vector: Option<&'a [f32]>,
}

impl Shape {
    fn payload(&self, payload: &Payload, default: bool) -> Option<Payload> {
        match &self.with_payload {
            None => default.then(|| payload.clone()),
            Some(WithPayload::All(false)) => None,
            Some(with) => Some(with.pick(payload)),
        }
    }

    fn vector<'a>(&self, vector: &'a [f32], default: bool) -> Option<&'a [f32]> {
        self.with_vector.map_or(default, |with| with.0).then_some(vector)
    }
}

/// Appends a list of points, up to the limit of an answer.
fn write_points<'a>(out: &mut Vec<u8>, points: impl Iterator<Item = Given<'a>>) -> Result<(), Failure> {
    out.push(b'[');
    for (index, point) in points.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_json(out, &point)?;
        if out.len() > ANSWER_BYTES_MAX {
            return Err(Failure::wrong_input(format_args!("the answer is longer than {ANSWER_BYTES_MAX} bytes; ask for less")));
        }
    }
    out.push(b']');
    Ok(())
}

fn retrieve(vectors: &Vectors, call: &Call<'_>, at: &Parameters, out: &mut Vec<u8>) -> Result<(), Failure> {
    let collection = vectors.find(&at.name)?;
    let Retrieve { ids, shape } = parse(call.body)?;
    let collection = read(&collection);
    let found = ids.iter().filter_map(|id| collection.slot(*id));
    write_points(out, found.map(|slot| record(&collection, slot, &shape)))
}

/// A point without a score; its payload comes unless it is declined, its vector if it is asked for.
fn record<'a>(collection: &'a Collection, slot: usize, shape: &Shape) -> Given<'a> {
    let point = collection.point(slot);
    let payload = shape.payload(&point.payload, true);
    Given { id: point.id, version: None, score: None, payload, vector: shape.vector(collection.vector(slot), false) }
}

fn get_point(vectors: &Vectors, _: &Call<'_>, at: &Parameters, out: &mut Vec<u8>) -> Result<(), Failure> {
    let collection = vectors.find(&at.name)?;
    let id: PointId = at.id.parse().map_err(|reason| Failure::wrong_input(format_args!("{reason}")))?;
    let collection = read(&collection);
    let missing = || Failure::not_found(format_args!("Point with id {id} does not exists!"));
    let slot = collection.slot(id).ok_or_else(missing)?;
    let payload = Some(collection.point(slot).payload.clone());
    write_json(out, &Given { id, version: None, score: None, payload, vector: Some(collection.vector(slot)) })
}

fn search(vectors: &Vectors, call: &Call<'_>, at: &Parameters, out: &mut Vec<u8>) -> Result<(), Failure> {
    let collection = vectors.find(&at.name)?;
    write_search(&read(&collection), parse(call.body)?, out)
}

fn search_batch(vectors: &Vectors, call: &Call<'_>, at: &Parameters, out: &mut Vec<u8>) -> Result<(), Failure> {
    batch(vectors, call, at, out, write_search)
}

fn query(vectors: &Vectors, call: &Call<'_>, at: &Parameters, out: &mut Vec<u8>) -> Result<(), Failure> {
    let collection = vectors.find(&at.name)?;
    write_query(&read(&collection), parse(call.body)?, out)
}

fn query_batch(vectors: &Vectors, call: &Call<'_>, at: &Parameters, out: &mut Vec<u8>) -> Result<(), Failure> {
    batch(vectors, call, at, out, write_query)
}

/// Answers several searches in one list.
fn batch<T: serde::de::DeserializeOwned>(
    vectors: &Vectors,
    call: &Call<'_>,
    at: &Parameters,
    out: &mut Vec<u8>,
    one: fn(&Collection, T, &mut Vec<u8>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let collection = vectors.find(&at.name)?;
    let Searches { searches } = parse::<Searches<T>>(call.body)?;
    let collection = read(&collection);
    out.push(b'[');
    for (index, search) in searches.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        one(&collection, search, out)?;
    }
    out.push(b']');
    Ok(())
}

fn write_search(collection: &Collection, search: Search, out: &mut Vec<u8>) -> Result<(), Failure> {
    let hits = neighbours(collection, search.vector, &search.nearest, search.limit, None)?;
    write_hits(collection, &hits, &search.nearest.shape, out)
}

fn write_query(collection: &Collection, query: Query, out: &mut Vec<u8>) -> Result<(), Failure> {
    if query.prefetch.is_some() {
        return Err(Failure::wrong_input("the testbed serves no `prefetch`"));
    }
    if let Some(name) = query.using.filter(|name| !name.is_empty()) {
        return Err(Failure::wrong_input(format_args!("Not existing vector name error: {name}")));
    }
    let hits = match query.query {
        Some(Target::Vector(vector)) => neighbours(collection, vector, &query.nearest, query.limit, None)?,
        Some(Target::Point(id)) => {
            let missing = || Failure::not_found(format_args!("No point with id {id} found"));
            let vector = collection.vector(collection.slot(id).ok_or_else(missing)?).to_vec();
            neighbours(collection, vector, &query.nearest, query.limit, Some(id))?
        }
        None => in_order(collection, &query.nearest, query.limit)?,
    };
    out.extend_from_slice(b"{\"points\":");
    write_hits(collection, &hits, &query.nearest.shape, out)?;
    out.push(b'}');
    Ok(())
}

fn neighbours(
    collection: &Collection,
    mut vector: Vec<f32>,
    wanted: &Nearest,
    limit: usize,
    except: Option<PointId>,
) -> Result<Vec<Hit>, Failure> {
    check_vector(&vector, collection.dimension)?;
    check_limit(limit)?;
    collection.metric.prepare(&mut vector);
    let (offset, filter) = (wanted.offset.unwrap_or(0), wanted.filter.as_ref());
    let wanted = Wanted { limit, offset, filter, score_threshold: wanted.score_threshold, except };
    Ok(nearest(collection, &vector, &wanted))
}

/// A query that seeks nothing lists points, with a score of 0.
fn in_order(collection: &Collection, wanted: &Nearest, limit: usize) -> Result<Vec<Hit>, Failure> {
    check_limit(limit)?;
    let slots = admitted(collection, wanted.filter.as_ref(), FIRST);
    Ok(slots.skip(wanted.offset.unwrap_or(0)).take(limit).map(|slot| Hit { slot, score: 0.0 }).collect())
}

fn check_limit(limit: usize) -> Result<(), Failure> {
    if limit == 0 { Err(Failure::invalid("limit", 0, "1 or larger")) } else { Ok(()) }
}

fn write_hits(collection: &Collection, hits: &[Hit], shape: &Shape, out: &mut Vec<u8>) -> Result<(), Failure> {
    let given = |hit: &Hit| {
        let point = collection.point(hit.slot);
        Given {
            id: point.id,
            version: Some(point.version),
            score: Some(hit.score),
            payload: shape.payload(&point.payload, false),
            vector: shape.vector(collection.vector(hit.slot), false),
        }
    };
    write_points(out, hits.iter().map(given))
}

fn scroll(vectors: &Vectors, call: &Call<'_>, at: &Parameters, out: &mut Vec<u8>) -> Result<(), Failure> {
    let collection = vectors.find(&at.name)?;
    let Scroll { offset, limit, filter, shape, order_by } = parse(call.body)?;
    if order_by.is_some() {
        return Err(Failure::wrong_input("the testbed serves no `order_by`"));
    }
    check_limit(limit)?;
    let collection = read(&collection);
    let mut slots = admitted(&collection, filter.as_ref(), offset.unwrap_or(FIRST));
    out.extend_from_slice(b"{\"points\":");
    write_points(out, slots.by_ref().take(limit).map(|slot| record(&collection, slot, &shape)))?;
    out.extend_from_slice(b",\"next_page_offset\":");
    write_json(out, &slots.next().map(|slot| collection.point(slot).id))?;
    out.push(b'}');
    Ok(())
}

fn count(vectors: &Vectors, call: &Call<'_>, at: &Parameters, out: &mut Vec<u8>) -> Result<(), Failure> {
    let collection = vectors.find(&at.name)?;
    let Count { filter } = parse(call.body)?;
    let collection = read(&collection);
    let count = if filter.is_none() { collection.count() } else { admitted(&collection, filter.as_ref(), FIRST).count() };
    write_json(out, &json!({ "count": count }))
}
