//! `replay::setup` against the vector server, and against servers that are none.

use std::io::{Read, Write};
use std::net::TcpListener;

use replay::setup::{CollectionPlan, Plan, Point, drop_collections, missing_by_target, missing_collections, setup};
use replay::target::{Target as Url, Targets};
use testbed::{Options, Server, Target, serve};

fn vectors() -> Server {
    serve(Options::new(Target::Vectors)).unwrap()
}

fn url(server: &Server) -> Url {
    Url::parse(&server.url()).unwrap()
}

fn plan(names: &[&str], dimension: usize, points: u64) -> Plan {
    let collection = |name: &&str| CollectionPlan { name: (*name).into(), dimension, metric: "Cosine".into(), points };
    Plan { collections: names.iter().map(collection).collect(), ..Plan::default() }
}

fn points(collection: &CollectionPlan) -> impl Iterator<Item = Point> + use<> {
    let dimension = collection.dimension;
    (0..collection.points).map(move |id| Point { id, vector: vec![id as f32 + 1.0; dimension], payload: Default::default() })
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Collections and their sizes, as the server's metrics have them.
fn sizes(server: &Server) -> Vec<String> {
    let mut stream = std::net::TcpStream::connect(server.addr()).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page.lines().filter_map(|line| line.strip_prefix("collection_vectors").map(str::to_owned)).collect()
}

#[test]
fn collections_are_made_filled_kept_and_removed() {
    let server = vectors();
    let plan = plan(&["a", "b c"], 3, 1000);
    let mut heard = Vec::new();
    let report = setup(&url(&server), &[], &plan, points, |written| heard.push(written)).unwrap();
    assert!(report.iter().all(|filled| filled.created && filled.points == 1000), "{report:?}");
    assert_eq!(sizes(&server), ["{collection=\"a\"} 1000", "{collection=\"b c\"} 1000"]);
    assert!(heard.is_sorted() && heard.last() == Some(&2000), "{heard:?}");
    let again = setup(&url(&server), &[], &plan, points, |_| ()).unwrap();
    assert!(again.iter().all(|filled| !filled.created && filled.points == 1000), "{again:?}");
    assert_eq!(missing_collections(&url(&server), &[], &names(&["a", "x", "b c", "y"])).unwrap(), ["x", "y"]);
    assert_eq!(drop_collections(&url(&server), &[], &names(&["a", "x", "b c"])).unwrap(), ["a", "b c"]);
    assert_eq!(sizes(&server), [""; 0]);
}

#[test]
fn a_collection_of_another_kind_is_left_alone() {
    let server = vectors();
    setup(&url(&server), &[], &plan(&["a"], 3, 5), points, |_| ()).unwrap();
    let error = setup(&url(&server), &[], &plan(&["a"], 4, 5), points, |_| ()).unwrap_err().to_string();
    assert!(error.contains("collection `a` is there") && error.contains("--drop") && !error.contains('\n'), "{error}");
    assert_eq!(sizes(&server), ["{collection=\"a\"} 5"]);
}

#[test]
fn a_refusal_is_told_in_the_targets_words() {
    let server = vectors();
    let short = |_: &CollectionPlan| std::iter::once(Point { id: 1, vector: vec![1.0], payload: Default::default() });
    let error = setup(&url(&server), &[], &plan(&["a"], 3, 1), short, |_| ()).unwrap_err().to_string();
    assert!(error.contains("PUT /collections/a/points was answered 400"), "{error}");
    assert!(error.contains("expected dim: 3, got 1") && !error.contains('\n'), "{error}");
}

#[test]
fn every_target_is_asked_for_its_own_collections() {
    let (first, second) = (vectors(), vectors());
    setup(&url(&first), &[], &plan(&["a", "b"], 2, 1), points, |_| ()).unwrap();
    let targets = Targets::new(Some(&first.url()), &[("elsewhere".to_owned(), second.url())]).unwrap();
    let missing = |wanted: &[&str]| missing_by_target(&targets, &[], &names(wanted)).unwrap();
    assert_eq!(missing(&["a", "b", ""]), []);
    let lacking = [("c", first.url()), ("elsewhere", second.url())].map(|(name, url)| (name.to_owned(), url));
    assert_eq!(missing(&["a", "c", "elsewhere"]), lacking);
}

/// A server that gives every connection one answer.
fn fixed(answer: &'static str) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            // The client may be gone already: then there is nobody to answer.
            let _ = stream.read(&mut [0; 4096]).and_then(|_| stream.write_all(answer.as_bytes()));
        }
    });
    Url::parse(&url).unwrap()
}

#[test]
fn a_server_that_is_no_qdrant_lacks_nothing_and_cannot_be_set_up() {
    for answer in [
        "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\nConnection: close\r\n\r\nnot found",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 25\r\nConnection: close\r\n\r\n{\"error\":1,\"status\":404}\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
    ] {
        let target = fixed(answer);
        assert!(missing_collections(&target, &[], &names(&["a"])).unwrap().is_empty());
        let error = setup(&target, &[], &plan(&["a"], 3, 1), points, |_| ()).unwrap_err().to_string();
        assert!(error.contains("is it a Qdrant-compatible server?"), "{error}");
    }
}

#[test]
fn who_does_not_answer_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    for target in [closed, fixed(""), fixed("\x16\x03 garbage\r\n\r\n")] {
        let error = missing_collections(&target, &[], &names(&["a"])).unwrap_err().to_string();
        assert!(error.contains(&target.origin) && error.contains("GET /collections/a") && !error.contains('\n'), "{error}");
    }
}

#[test]
fn headers_go_along() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Url::parse(&format!("http://{}/base", listener.local_addr().unwrap())).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = vec![0; 4096];
        let length = stream.read(&mut asked).unwrap();
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 31\r\nConnection: close\r\n\r\n{\"result\":{},\"status\":\"ok\"}    ";
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8_lossy(&asked[..length]).into_owned()
    });
    let headers = [("api-key".to_owned(), "k3y".to_owned())];
    assert!(missing_collections(&target, &headers, &names(&["a b/c"])).unwrap().is_empty());
    let asked = server.join().unwrap();
    assert!(asked.starts_with("GET /base/collections/a%20b%2Fc HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("api-key: k3y\r\n"), "{asked}");
}
