use super::*;

fn request<'a>(method: &'a str, target: &'a str, body: &'a str) -> HttpRequest<'a> {
    HttpRequest { method, target, headers: &[], body: body.as_bytes() }
}

/// Collection, operation, effect and items by the built-in rules.
fn check(method: &str, target: &str, body: &str, want: (&str, &str, Effect, u32)) {
    let rules = Rules::builtin();
    let found = rules.classify(&request(method, target, body));
    assert_eq!((&*found.collection, &*found.operation, found.effect, found.items), want, "{method} {target}");
}

fn answer(method: &str, target: &str, status: u16, body: &str) -> Answer {
    let rules = Rules::builtin();
    rules.answer(rules.rule_of(method, target), status, body.as_bytes())
}

use Effect::{Admin, Control, Read, Write};

#[test]
fn qdrant() {
    let search = "/collections/mixtral/points/search";
    check("POST", search, r#"{"vector":[0.1]}"#, ("mixtral", "POST /collections/{}/points/search", Read, 1));
    let batch = r#"{"searches":[{"vector":[1]},{"vector":[2]},{"vector":[3]}]}"#;
    check("POST", "/collections/phi3/points/search/batch", batch, ("phi3", "POST /collections/{}/points/search/batch", Read, 3));
    let upsert = r#"{"points":[{"id":1,"vector":[1]},{"id":2,"vector":[1]}]}"#;
    check("PUT", "/collections/phi3/points?wait=true", upsert, ("phi3", "PUT /collections/{}/points", Write, 2));
    check("PUT", "/collections/phi3/points", r#"{"batch":{"ids":[1,2,3]}}"#, ("phi3", "PUT /collections/{}/points", Write, 3));
    check("POST", "/collections/phi3/points", r#"{"ids":[1,2]}"#, ("phi3", "POST /collections/{}/points", Read, 2));
    check("GET", "/collections/phi3/points/17", "", ("phi3", "GET /collections/{}/points/{}", Read, 1));
    check("PUT", "/collections/phi3", "{}", ("phi3", "PUT /collections/{}", Admin, 0));
    check("GET", "/collections/aliases", "", ("qdrant", "GET /collections/aliases", Read, 0));
    check("GET", "/collections/x%20y", "", ("x%20y", "GET /collections/{}", Read, 0));
}

#[test]
fn qdrant_answers() {
    let of =
        |time: &str| format!(r#"{{"result":[{{"id":3,"score":0.5}},{{"id":"b","score":0.4}}],"status":"ok","time":{time}}}"#);
    let search = "/collections/a/points/search";
    let good = answer("POST", search, 200, &of("0.001"));
    assert_eq!((good.ok, good.ids.clone()), (true, Some(vec!["3".into(), "b".into()])));
    assert_eq!(good, answer("POST", search, 200, &of("0.002")));
    assert_ne!(good.hash, answer("POST", search, 200, &of("0.001").replace("\"b\"", "\"c\"")).hash);
    let points = r#"{"result":{"points":[{"id":8}],"next_page_offset":null},"time":1}"#;
    assert_eq!(answer("POST", "/collections/a/points/query", 200, points).ids, Some(vec!["8".into()]));
    assert!(!answer("POST", search, 404, r#"{"status":{"error":"Not found"},"time":1}"#).ok);
}

#[test]
fn milvus() {
    let search = r#"{"collectionName":"docs","data":[[0.1],[0.2]],"limit":3}"#;
    check("POST", "/v2/vectordb/entities/search", search, ("docs", "POST /v2/vectordb/entities/search", Read, 2));
    let insert = r#"{"data":[{"id":1},{"id":2},{"id":3}],"collectionName":"docs"}"#;
    check("POST", "/v2/vectordb/entities/insert", insert, ("docs", "POST /v2/vectordb/entities/insert", Write, 3));
    check("POST", "/v2/vectordb/collections/describe", search, ("docs", "POST /v2/vectordb/collections/describe", Read, 0));
    check("POST", "/v2/vectordb/collections/drop", search, ("docs", "POST /v2/vectordb/collections/drop", Admin, 0));
    check("POST", "/v2/vectordb/collections/list", "{}", ("milvus", "POST /v2/vectordb/collections/list", Read, 0));
    let good = answer("POST", "/v2/vectordb/entities/search", 200, r#"{"code":0,"data":[{"id":4,"distance":1}]}"#);
    assert_eq!((good.ok, good.ids), (true, Some(vec!["4".into()])));
    assert!(!answer("POST", "/v2/vectordb/entities/insert", 200, r#"{"code":1804,"message":"no"}"#).ok);
}

#[test]
fn chroma() {
    let query = r#"{"query_embeddings":[[1],[2]]}"#;
    let long = "/api/v2/tenants/t/databases/d/collections/c/query";
    check("POST", long, query, ("c", "POST /api/v2/tenants/{}/databases/{}/collections/{}/query", Read, 2));
    check("POST", "/api/v1/collections/c/upsert", r#"{"ids":["a","b"]}"#, ("c", "POST /api/v1/collections/{}/upsert", Write, 2));
    check("GET", "/api/v2/tenants/acme/databases/d1", "", ("chroma", "GET /api/v2/tenants/{}/databases/{}", Read, 0));
    check("POST", "/api/v2/tenants/acme/databases", r#"{"name":"d2"}"#, ("d2", "POST /api/v2/tenants/{}/databases", Admin, 0));
    check("POST", "/api/v1/collections", r#"{"name":"new"}"#, ("new", "POST /api/v1/collections", Admin, 0));
    assert_eq!(answer("POST", long, 200, r#"{"ids":[["a","b"],["c"]]}"#).ids, Some(vec!["a".into(), "b".into(), "c".into()]));
}

#[test]
fn elasticsearch() {
    check("POST", "/logs/_search?size=1", "{}", ("logs", "POST /{}/_search", Read, 1));
    let bulk = "{\"index\":{}}\n{\"a\":1}\n{\"index\":{}}\n{\"a\":2}\n";
    check("POST", "/_search", "{}", ("elasticsearch", "POST /_search", Read, 1));
    check("POST", "/_search/scroll", "{}", ("elasticsearch", "POST /_search/scroll", Read, 1));
    check("GET", "/logs/_refresh", "", ("logs", "GET /{}/_refresh", Admin, 0));
    check("POST", "/logs/_update_by_query", "{}", ("logs", "POST /{}/_update_by_query", Write, 1));
    check("POST", "/logs/_delete_by_query", "{}", ("logs", "POST /{}/_delete_by_query", Write, 1));
    check("POST", "/_reindex", r#"{"source":{"index":"a"},"dest":{"index":"b"}}"#, ("b", "POST /_reindex", Write, 1));
    check("POST", "/logs/_nosuch", "{}", ("logs", "POST /logs/_nosuch", Write, 0));
    check("POST", "/logs/_bulk", bulk, ("logs", "POST /{}/_bulk", Write, 2));
    assert!(answer("POST", "/logs/_bulk", 200, r#"{"took":1,"errors":false,"items":[]}"#).ok);
    assert!(!answer("POST", "/logs/_bulk", 200, r#"{"took":1,"errors":true,"items":[]}"#).ok);
    let hits = r#"{"took":9,"hits":{"total":2,"hits":[{"_id":"x"},{"_id":"y"}]}}"#;
    assert_eq!(answer("GET", "/logs/_search", 200, hits).ids, Some(vec!["x".into(), "y".into()]));
    assert_eq!(answer("GET", "/logs/_search", 200, hits).hash, answer("GET", "/logs/_search", 200, &hits.replace('9', "3")).hash);
}

/// What the interfaces' own pages say that the next request carries.
#[test]
fn what_later_requests_may_carry_is_told() {
    for (method, target, body, name, value) in [
        ("POST", "/logs/_search?scroll=1m", r#"{"_scroll_id":"DXF1","hits":{"hits":[]}}"#, "/_scroll_id", "DXF1"),
        ("POST", "/_search/scroll", r#"{"_scroll_id":"DXF2"}"#, "/_scroll_id", "DXF2"),
        ("POST", "/logs/_doc", r#"{"_id":"a1","result":"created"}"#, "/_id", "a1"),
        ("POST", "/logs/_pit?keep_alive=1m", r#"{"id":"46ToAw"}"#, "/id", "46ToAw"),
        (
            "POST",
            "/collections/c/points/scroll",
            r#"{"result":{"points":[{"id":1}],"next_page_offset":7}}"#,
            "/result/next_page_offset",
            "7",
        ),
        ("POST", "/api/v2/tenants/t/databases/d/collections", r#"{"id":"597f4cec","name":"books"}"#, "/id", "597f4cec"),
    ] {
        assert_eq!(answer(method, target, 200, body).yields, [(name.to_owned(), value.to_owned())], "{target}");
    }
    assert!(
        answer("POST", "/collections/c/points/scroll", 200, r#"{"result":{"points":[],"next_page_offset":null}}"#)
            .yields
            .is_empty()
    );
}

#[test]
fn graphql() {
    let query = r#"{"query":"query Users { users { id } }","operationName":"Users"}"#;
    check("POST", "/graphql", query, ("graphql", "POST /graphql Users", Read, 1));
    check("POST", "/api/graphql", r#"{"query":" mutation { a }"}"#, ("graphql", "POST /api/graphql", Write, 1));
    check("GET", "/graphql?query=x&operationName=Y", "", ("graphql", "GET /graphql Y", Read, 1));
    assert!(!answer("POST", "/graphql", 200, r#"{"data":null,"errors":[{"message":"no"}]}"#).ok);
    assert!(answer("POST", "/graphql", 200, r#"{"data":{},"errors":[]}"#).ok);
    assert!(answer("POST", "/graphql", 200, r#"{"data":{}}"#).ok);
}

#[test]
fn what_no_rule_names_is_grouped_by_its_path() {
    check("GET", "/", "", ("/", "GET /", Read, 0));
    check("GET", "/api/v2/users/42/orders/7f9c2ba4?x=1", "", ("users", "GET /api/v2/users/{}/orders/{}", Read, 0));
    check("DELETE", "/users/0d9b3c1e-8f5a-4d36-9b1e-2f7a6c5d4e3f", "", ("users", "DELETE /users/{}", Write, 0));
    check("GET", "http://a.example/shop/cart", "", ("shop", "GET /shop/cart", Read, 0));
    check("GET", "/images/header-sunbird.png", "", ("images", "GET /images/{}.png", Read, 0));
    check("GET", "/search.php?q=a", "", ("search.php", "GET /search.php", Read, 0));
    check("GET", "/download/CHANGES.bro-aux.txt", "", ("download", "GET /download/{}.txt", Read, 0));
    check("OPTIONS", "*", "", ("*", "OPTIONS *", Read, 0));
    check("CONNECT", "a.example:443", "", ("a.example:443", "CONNECT {}", Control, 0));
    check("POST", "/a/b/c/d/e/f/g/h/i/j", "", ("a", "POST /a/b/c/d/e/f/g/h/**", Write, 0));
}

#[test]
fn words_are_kept_and_identifiers_are_not() {
    for (segment, identifier) in [
        ("2023-10-01", true),
        ("deadbeef", false),
        ("deadbeef1", true),
        ("cc4fc8e49cadbb8bc41437dc2f9979a7", true),
        ("a8Xk29QmZp0Lr7Vt", true),
        ("blog-post-about-http2", false),
        ("top10", false),
        ("oauth2", false),
    ] {
        let wanted = format!("GET /x/{}", if identifier { "{}" } else { segment });
        assert_eq!(Rules::builtin().classify(&request("GET", &format!("/x/{segment}"), "")).operation, wanted);
    }
}

#[test]
fn broken_bodies_leave_what_the_path_says() {
    check("PUT", "/collections/a/points", "{\"points\":[", ("a", "PUT /collections/{}/points", Write, 0));
    let broken = answer("POST", "/v2/vectordb/entities/search", 200, "<html>");
    assert_eq!((broken.ok, broken.ids), (true, None));
}

pub(super) fn loaded(text: &str) -> Result<Rules> {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), text).expect("a written file");
    Rules::load(file.path())
}

#[test]
fn rules_of_a_file_come_first() {
    let text = r#"[{"system": "mine", "match": ["POST /collections/{}/points/search"], "collection": "header:x-tenant",
        "operation": ["query:op"], "effect": "control", "items": ["lines"]}]"#;
    let rules = loaded(text).expect("good rules");
    let headers = [Header { name: "X-Tenant".into(), value: "acme".into() }];
    let found =
        rules.classify(&HttpRequest { headers: &headers, ..request("POST", "/collections/a/points/search?op=find", "a\nb\n") });
    assert_eq!((&*found.collection, &*found.operation), ("acme", "POST /collections/{}/points/search find"));
    assert_eq!((found.effect, found.items), (Control, 2));
    assert_eq!(rules.classify(&request("PUT", "/collections/a", "")).collection, "a");
}

#[test]
fn a_bad_file_is_refused_in_one_sentence() {
    let refused = |text: &str, part: &str| {
        let error = loaded(text).expect_err(text).to_string();
        assert!(error.contains(part) && !error.contains('\n'), "{error}");
    };
    refused("{}", "not a list of rules");
    refused("[", "not JSON");
    refused(r#"[{"system":"a","match":[],"efect":"read"}]"#, "rule 1: unknown key `efect`, did you mean `effect`?");
    refused(r#"[{"system":"a","match":[],"effect":"reed"}]"#, "unknown effect `reed`, did you mean `read`?");
    refused(r#"[{"system":"a","match":["GET"],"effect":"read"}]"#, "`GET` is not `METHOD /path`");
    refused(r#"[{"system":"a","match":["GET /{x}"],"effect":"read"}]"#, "`{x}` in a path");
    refused(r#"[{"system":"a","match":[],"effect":"read","items":["two"]}]"#, "`two` is none of");
    refused(
        r#"[{"system":"a","match":[],"effect":"read","failure":{"att":"/a"}}]"#,
        "failure: unknown key `att`, did you mean `at`?",
    );
    refused(r#"[{"match":[],"effect":"read"}]"#, "missing field `system`");
}
