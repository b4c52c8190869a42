//! The REST interface, call by call, without sockets.

use hyper::Method;
use serde_json::{Value, json};

use super::*;
use crate::answer::close_envelope;

/// A database on which calls are made.
struct Db(Vectors);

impl Db {
    /// Calls it: the status, and the result or else the error's sentence.
    fn call(&self, method: Method, target: &str, body: Value) -> (u16, Value) {
        self.call_bytes(method, target, if body.is_null() { b"".to_vec() } else { body.to_string().into_bytes() }.as_slice())
    }

    fn call_bytes(&self, method: Method, target: &str, body: &[u8]) -> (u16, Value) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match self.0.answer(&Call { method: &method, path, query, body }, 0).said {
            Ok(Said::Result(mut body)) => {
                close_envelope(&mut body, 5);
                let mut answer: Value = serde_json::from_slice(&body).unwrap();
                assert_eq!((&answer["status"], &answer["time"]), (&json!("ok"), &json!(5e-9)));
                (200, answer["result"].take())
            }
            Ok(Said::Page { .. }) => panic!("no page is served here"),
            Err(failure) => (failure.status.as_u16(), failure.message.into()),
        }
    }

    fn post(&self, target: &str, body: Value) -> (u16, Value) {
        self.call(Method::POST, target, body)
    }

    fn put(&self, target: &str, body: Value) -> (u16, Value) {
        self.call(Method::PUT, target, body)
    }

    fn get(&self, target: &str) -> (u16, Value) {
        self.call(Method::GET, target, Value::Null)
    }
}

/// Four points on a line under the inner product; the n-th is n times (1, 0).
fn db() -> Db {
    let db = Db(Vectors::default());
    assert_eq!(db.put("/collections/c", json!({ "vectors": { "size": 2, "distance": "Dot" } })), (200, json!(true)));
    let point = |n: u64| json!({ "id": n, "vector": [n, 0], "payload": { "n": n, "odd": n % 2 == 1 } });
    let done = db.put("/collections/c/points?wait=true", json!({ "points": [point(1), point(2), point(3), point(4)] }));
    assert_eq!(done, (200, json!({ "operation_id": 0, "status": "completed" })));
    db
}

const ODD: &str = r#"{"must": [{"key": "odd", "match": {"value": true}}]}"#;

fn odd() -> Value {
    serde_json::from_str(ODD).unwrap()
}

#[test]
fn collections_are_made_described_listed_and_removed() {
    let db = db();
    assert_eq!(db.get("/collections"), (200, json!({ "collections": [{ "name": "c" }] })));
    let (_, described) = db.get("/collections/c");
    assert_eq!((&described["points_count"], &described["status"]), (&json!(4), &json!("green")));
    assert_eq!(described["config"]["params"]["vectors"], json!({ "size": 2, "distance": "Dot" }));
    assert_eq!(db.get("/collections/c/exists"), (200, json!({ "exists": true })));
    assert_eq!(db.get("/collections/d/exists"), (200, json!({ "exists": false })));
    assert_eq!(db.put("/collections/c/index", json!({ "field_name": "n", "field_schema": "integer" })).0, 200);
    assert_eq!(db.call(Method::DELETE, "/collections/c", Value::Null), (200, json!(true)));
    assert_eq!(db.call(Method::DELETE, "/collections/c", Value::Null), (200, json!(false)));
    assert_eq!(db.0.bytes.load(Relaxed), 0, "memory is given back");
}

#[test]
fn names_are_percent_decoded() {
    let db = Db(Vectors::default());
    let params = json!({ "vectors": { "size": 1, "distance": "Cosine" } });
    assert_eq!(db.put("/collections/my%20own", params.clone()).0, 200);
    assert_eq!(db.get("/collections"), (200, json!({ "collections": [{ "name": "my own" }] })));
    assert_eq!(db.put("/collections/a%2Fb", params).0, 422);
}

#[test]
fn searches_answer_in_qdrants_shape() {
    let db = db();
    let hit = |n: u64| json!({ "id": n, "version": 0, "score": n as f64 });
    let found = db.post("/collections/c/points/search", json!({ "vector": [1.0, 0.0], "limit": 2 }));
    assert_eq!(found, (200, json!([hit(4), hit(3)])));
    let body = json!({ "vector": [1, 0], "limit": 9, "offset": 1, "filter": odd(), "params": { "hnsw_ef": 64 } });
    assert_eq!(db.post("/collections/c/points/search", body), (200, json!([hit(1)])));
    let body = json!({ "vector": [1, 0], "limit": 9, "score_threshold": 3, "with_payload": ["n"], "with_vector": true });
    let full = |n: u64| json!({ "id": n, "version": 0, "score": n as f64, "payload": { "n": n }, "vector": [n as f64, 0.0] });
    assert_eq!(db.post("/collections/c/points/search", body), (200, json!([full(4), full(3)])));
    let searches = json!({ "searches": [{ "vector": [1, 0], "limit": 1 }, { "vector": [-1, 0], "limit": 1 }] });
    let nearest_of_both = json!([[hit(4)], [{ "id": 1, "version": 0, "score": -1.0 }]]);
    assert_eq!(db.post("/collections/c/points/search/batch", searches), (200, nearest_of_both));
}

#[test]
fn queries_take_vectors_ids_and_nothing() {
    let db = db();
    let found = |body| {
        let (status, result) = db.post("/collections/c/points/query", body);
        assert_eq!(status, 200, "{result}");
        result["points"].as_array().unwrap().iter().map(|hit| hit["id"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(found(json!({ "query": [1, 0], "limit": 2 })), [4, 3]);
    assert_eq!(found(json!({ "query": { "nearest": [1, 0] }, "limit": 1 })), [4]);
    assert_eq!(found(json!({ "query": 4, "limit": 2 })), [3, 2], "the point itself is left out");
    assert_eq!(found(json!({ "query": { "nearest": 4 }, "filter": odd() })), [3, 1]);
    assert_eq!(found(json!({ "filter": odd() })), [1, 3]);
    assert_eq!(found(json!({ "offset": 1, "limit": 2 })), [2, 3]);
    let (_, batch) = db.post("/collections/c/points/query/batch", json!({ "searches": [{ "query": 1, "limit": 1 }] }));
    assert_eq!(batch, json!([{ "points": [{ "id": 4, "version": 0, "score": 4.0 }] }]));
}

#[test]
fn points_are_retrieved_scrolled_and_counted() {
    let db = db();
    let one = json!({ "id": 1, "payload": { "n": 1, "odd": true }, "vector": [1.0, 0.0] });
    assert_eq!(db.get("/collections/c/points/1"), (200, one));
    let body = json!({ "ids": [2, 99, 1], "with_payload": { "exclude": ["odd"] } });
    let both = json!([{ "id": 2, "payload": { "n": 2 } }, { "id": 1, "payload": { "n": 1 } }]);
    assert_eq!(db.post("/collections/c/points", body), (200, both));
    let page = |offset: Value| {
        let (_, page) = db.post("/collections/c/points/scroll", json!({ "limit": 3, "offset": offset, "with_payload": false }));
        page
    };
    assert_eq!(page(Value::Null), json!({ "points": [{ "id": 1 }, { "id": 2 }, { "id": 3 }], "next_page_offset": 4 }));
    assert_eq!(page(json!(4)), json!({ "points": [{ "id": 4 }], "next_page_offset": null }));
    assert_eq!(db.post("/collections/c/points/count", json!({ "exact": true })), (200, json!({ "count": 4 })));
    assert_eq!(db.post("/collections/c/points/count", json!({ "filter": odd() })), (200, json!({ "count": 2 })));
}

#[test]
fn points_are_written_in_columns_too_and_deleted() {
    let db = db();
    let uuid = "550e8400-e29b-41d4-a716-446655440000";
    let batch = json!({ "batch": { "ids": [1, uuid], "vectors": [[9, 0], [0, 1]], "payloads": [null, { "new": true }] } });
    assert_eq!(db.put("/collections/c/points", batch), (200, json!({ "operation_id": 1, "status": "acknowledged" })));
    assert_eq!(db.get("/collections/c/points/1"), (200, json!({ "id": 1, "payload": {}, "vector": [9.0, 0.0] })));
    let columns = json!({ "batch": { "ids": [7], "vectors": [] } });
    assert_eq!(db.put("/collections/c/points", columns).0, 400);
    assert_eq!(db.post("/collections/c/points/delete", json!({ "points": [uuid, 77] })).0, 200);
    assert_eq!(db.post("/collections/c/points/delete", json!({ "filter": odd() })).0, 200);
    let (_, left) = db.post("/collections/c/points/scroll", json!({}));
    let ids: Vec<_> = left["points"].as_array().unwrap().iter().map(|point| point["id"].clone()).collect();
    assert_eq!(ids, [1, 2, 4], "1 lost its payload, so that it is not odd any more");
}

#[test]
fn bad_requests_are_told_what_is_wrong() {
    let db = db();
    let search = |body| (Method::POST, "/collections/c/points/search", body);
    let query = |body| (Method::POST, "/collections/c/points/query", body);
    let create = |body| (Method::PUT, "/collections/d", body);
    for ((method, target, body), status, said) in [
        ((Method::GET, "/collections/d", Value::Null), 404, "Not found: Collection `d` doesn't exist!"),
        ((Method::POST, "/collections/d/points/search", json!({})), 404, "Not found: Collection `d` doesn't exist!"),
        ((Method::GET, "/collections/c/points/9", Value::Null), 404, "Not found: Point with id 9 does not exists!"),
        ((Method::GET, "/collections/c/points/x", Value::Null), 400, "value x is not a valid point ID"),
        ((Method::GET, "/nowhere", Value::Null), 404, "no endpoint GET /nowhere"),
        ((Method::PATCH, "/collections/c", json!({})), 404, "no endpoint PATCH"),
        ((Method::GET, "/collections/", Value::Null), 404, "no endpoint"),
        ((Method::PUT, "/collections/c", json!({ "vectors": { "size": 2, "distance": "Dot" } })), 409, "`c` already exists!"),
        (create(json!({ "vectors": { "size": 0, "distance": "Dot" } })), 422, "[vectors.size: value 0 invalid, must be from 1"),
        (create(json!({ "vectors": { "size": 1, "distance": "Dots" } })), 400, "expected one of `Cosine`, `Dot`"),
        (create(json!({})), 400, "missing field `vectors`"),
        (search(json!({ "vector": [1], "limit": 1 })), 400, "Wrong input: Vector dimension error: expected dim: 2, got 1"),
        (search(json!({ "vector": [1, 1e39], "limit": 1 })), 400, "single precision"),
        (search(json!({ "vector": [1, 0], "limit": 0 })), 422, "[limit: value 0 invalid, must be 1 or larger]"),
        (search(json!({ "vector": [1, 0] })), 400, "missing field `limit`"),
        (search(json!({ "vector": { "name": "a", "vector": [1, 0] }, "limit": 1 })), 400, "Format error in JSON body"),
        (search(json!({ "vector": [1, 0], "limit": 1, "filter": { "mist": [] } })), 400, "unknown field `mist`"),
        (search(json!({ "vector": [1, 0], "limit": 1, "with_payload": 3 })), 400, "`with_payload` is true"),
        (search(Value::Null), 400, "EOF"),
        (query(json!({ "query": 77 })), 404, "Not found: No point with id 77 found"),
        (query(json!({ "query": { "recommend": {} } })), 400, "no `recommend` queries"),
        (query(json!({ "prefetch": [] })), 400, "no `prefetch`"),
        (query(json!({ "query": 1, "using": "image" })), 400, "Not existing vector name error: image"),
        ((Method::PUT, "/collections/c/points", json!({ "points": [{ "id": -1, "vector": [1, 2] }] })), 400, "valid point ID"),
        ((Method::PUT, "/collections/c/points", json!({ "points": [{ "id": 8, "vector": [1] }] })), 400, "expected dim: 2"),
    ] {
        let (found, sentence) = db.call(method.clone(), target, body.clone());
        let sentence = sentence.as_str().unwrap_or_default();
        assert!(found == status && sentence.contains(said), "{method} {target} {body}: {found} {sentence}");
    }
    let (status, sentence) = db.call_bytes(Method::POST, "/collections/c/points/search", &[b'['; 100_000]);
    assert_eq!(status, 400, "{sentence}");
}

#[test]
fn an_upsert_with_one_bad_point_writes_none() {
    let db = db();
    let points = json!({ "points": [{ "id": 50, "vector": [1, 1] }, { "id": 51, "vector": [1] }] });
    assert_eq!(db.put("/collections/c/points", points).0, 400);
    assert_eq!(db.post("/collections/c/points/count", json!({})), (200, json!({ "count": 4 })));
}
