//! Servers as clients meet them: over sockets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use serde_json::{Value, json};
use testbed::queue::QueueOptions;
use testbed::{Options, Server, Target, clock, serve};

fn vectors() -> Server {
    serve(Options::new(Target::Vectors)).unwrap()
}

fn queue(service: &str, workers: usize, waiting_max: usize) -> Server {
    let options = QueueOptions { workers, service: service.parse().unwrap(), waiting_max };
    serve(Options::new(Target::Queue(options))).unwrap()
}

/// One connection.
struct Client(BufReader<TcpStream>);

impl Client {
    fn new(server: &Server) -> Self {
        Self(BufReader::new(TcpStream::connect(server.addr()).unwrap()))
    }

    fn send(&mut self, method: &str, path: &str, body: &str) {
        let length = body.len();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: testbed\r\nContent-Length: {length}\r\n\r\n{body}");
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
    }

    /// Status and body of the next answer.
    fn receive(&mut self) -> (u16, String) {
        let mut line = || {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            line
        };
        let status = line().split(' ').nth(1).unwrap().parse().unwrap();
        let mut length = 0;
        loop {
            let header = line().to_ascii_lowercase();
            match header.split_once(':') {
                Some(("content-length", value)) => length = value.trim().parse().unwrap(),
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        (status, String::from_utf8(body).unwrap())
    }

    fn call(&mut self, method: &str, path: &str, body: &str) -> (u16, String) {
        self.send(method, path, body);
        self.receive()
    }

    fn json(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let (status, text) = self.call(method, path, &body.to_string());
        (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
    }
}

#[test]
fn a_server_tells_its_health_and_what_it_is() {
    let server = vectors();
    let mut client = Client::new(&server);
    for path in ["/healthz", "/readyz", "/livez"] {
        assert_eq!(client.call("GET", path, "").0, 200, "{path}");
    }
    assert!(client.json("GET", "/", &json!(null)).1["title"].as_str().unwrap().contains("testbed"));
    let (_, telemetry) = client.json("GET", "/telemetry", &json!(null));
    assert_eq!(telemetry["result"]["requests"]["rest"]["responses"]["GET /readyz"]["200"]["count"], 1);
    assert_eq!(telemetry["result"]["collections"]["number_of_collections"], 0);
}

#[test]
fn metrics_count_answers_by_route_and_status() {
    let server = vectors();
    let mut client = Client::new(&server);
    client.json("PUT", "/collections/a", &json!({ "vectors": { "size": 1, "distance": "Dot" } }));
    client.json("PUT", "/collections/a/points", &json!({ "points": [{ "id": 1, "vector": [1] }] }));
    for _ in 0..3 {
        client.json("POST", "/collections/a/points/search", &json!({ "vector": [1], "limit": 1 }));
    }
    client.json("POST", "/collections/b/points/search", &json!({ "vector": [1], "limit": 1 }));
    let (status, page) = client.call("GET", "/metrics", "");
    assert_eq!(status, 200);
    let search = "rest_responses_total{method=\"POST\",endpoint=\"/collections/{name}/points/search\"";
    assert!(page.contains(&format!("{search},status=\"200\"}} 3\n")), "{page}");
    assert!(page.contains(&format!("{search},status=\"404\"}} 1\n")), "{page}");
    assert!(page.contains("collection_vectors{collection=\"a\"} 1\n"), "{page}");
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    assert!(samples.clone().count() > 50);
    for sample in samples {
        let (_, value) = sample.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{sample}");
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = vectors();
    let mut client = Client::new(&server);
    client.send("GET", "/healthz", "");
    client.send("GET", "/collections/none", "");
    client.send("GET", "/livez", "");
    assert_eq!([client.receive().0, client.receive().0, client.receive().0], [200, 404, 200]);
}

#[test]
fn errors_are_json_in_qdrants_shape() {
    let server = vectors();
    let mut client = Client::new(&server);
    let (status, error) = client.json("GET", "/collections/x", &json!(null));
    assert_eq!((status, &error["status"]["error"]), (404, &json!("Not found: Collection `x` doesn't exist!")));
    assert!(error["time"].is_f64());
    assert_eq!(client.json("GET", "/%ff/%", &json!(null)).0, 404);
}

#[test]
fn a_body_beyond_the_limit_is_refused_without_being_read() {
    let server = vectors();
    let mut client = Client::new(&server);
    let length = testbed::limits::BODY_BYTES_MAX + 1;
    let head = format!("PUT /collections/x HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n");
    client.0.get_mut().write_all(head.as_bytes()).unwrap();
    // The server may close before all is sent: what it says counts.
    let _ = client.0.get_mut().write_all(&vec![b' '; length]);
    let (status, body) = client.receive();
    assert_eq!(status, 413, "{body}");
    assert!(body.contains("larger than allowed"));
    assert_eq!(Client::new(&server).call("GET", "/healthz", "").0, 200, "the server goes on");
}

#[test]
fn what_is_not_http_is_refused_and_others_are_served() {
    let server = vectors();
    let mut rude = TcpStream::connect(server.addr()).unwrap();
    rude.write_all(b"\x16\x03\x01 hello\r\n\r\n").unwrap();
    let mut said = String::new();
    rude.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 400"), "{said:?}");
    assert_eq!(Client::new(&server).call("GET", "/healthz", "").0, 200);
}

#[test]
fn the_delay_dial_holds_answers_of_its_collection() {
    let server = vectors();
    let mut client = Client::new(&server);
    let dials = json!({ "collection": "slow", "delay_ms": 30 });
    let (status, shown) = client.json("PUT", "/testbed/dials", &dials);
    assert_eq!((status, &shown["result"]["collections"]["slow"]["delay_us"]), (200, &json!(30_000.0)));
    let mut took_ns = |path: &str| {
        let before_ns = clock::now_ns();
        assert_eq!(client.call("GET", path, "").0, 404);
        clock::now_ns() - before_ns
    };
    assert!(took_ns("/collections/slow") >= 30_000_000);
    // The least of several, so that a busy machine does not matter.
    assert!((0..20).map(|_| took_ns("/collections/fast")).min().unwrap() < 30_000_000);
}

#[test]
fn the_error_dial_fails_all_but_itself_and_the_metrics() {
    let server = vectors();
    let mut client = Client::new(&server);
    client.json("PUT", "/testbed/dials", &json!({ "error_rate": 1, "error_status": 502 }));
    assert_eq!(client.json("GET", "/collections", &json!(null)).0, 502);
    assert_eq!(client.call("GET", "/readyz", "").0, 502);
    assert_eq!(client.call("GET", "/metrics", "").0, 200);
    assert_eq!(client.json("PUT", "/testbed/dials", &json!({ "error_rate": 0 })).0, 200);
    assert_eq!(client.call("GET", "/readyz", "").0, 200);
    let (status, error) = client.json("PUT", "/testbed/dials", &json!({ "error_rat": 0 }));
    assert_eq!(status, 400);
    assert!(error["status"]["error"].as_str().unwrap().contains("error_rate"), "{error}");
}

#[test]
fn a_stall_freezes_answers_until_it_is_ended() {
    let server = vectors();
    let mut control = Client::new(&server);
    control.json("PUT", "/testbed/dials", &json!({ "stall_ms": 600_000 }));
    let mut stalled = Client::new(&server);
    stalled.send("GET", "/healthz", "");
    let (_, shown) = control.json("GET", "/testbed/dials", &json!(null));
    assert!(shown["result"]["all"]["stall_ms"].as_f64().unwrap() > 0.0);
    stalled.0.get_ref().set_nonblocking(true).unwrap();
    let frozen = stalled.0.fill_buf().map(<[u8]>::len).unwrap_err();
    assert_eq!(frozen.kind(), std::io::ErrorKind::WouldBlock, "ten minutes are not over");
    stalled.0.get_ref().set_nonblocking(false).unwrap();
    control.json("PUT", "/testbed/dials", &json!({ "stall_ms": 0 }));
    assert_eq!(stalled.receive().0, 200);
}

#[test]
fn dials_stand_as_asked_at_the_start() {
    let dials = vec![serde_json::from_value(json!({ "error_rate": 1, "error_status": 429 })).unwrap()];
    let server = serve(Options { dials, ..Options::new(Target::Vectors) }).unwrap();
    assert_eq!(Client::new(&server).call("GET", "/healthz", "").0, 429);
    let dials = vec![serde_json::from_value(json!({ "error_rate": 2 })).unwrap()];
    let refused = serve(Options { dials, ..Options::new(Target::Vectors) }).err().unwrap().to_string();
    assert!(refused.contains("error_rate: value 2 invalid"), "{refused}");
}

#[test]
fn a_queue_serves_and_refuses_beyond_its_bound() {
    let server = queue("const:600s", 1, 1);
    let (mut served, mut waiting) = (Client::new(&server), Client::new(&server));
    served.send("POST", "/collections/a/points/search", "{}");
    let mut control = Client::new(&server);
    let mut metric = |name: &str, wanted: &str| {
        let line = format!("{name} {wanted}");
        // Until the request on the other connection has come.
        while !control.call("GET", "/metrics", "").1.lines().any(|found| found == line) {
            std::thread::yield_now();
        }
    };
    metric("queue_workers_busy", "1");
    waiting.send("GET", "/", "");
    waiting.send("GET", "/anything", "");
    assert_eq!(waiting.receive().0, 200, "the common routes take no worker");
    metric("queue_waiting", "1");
    let (status, error) = Client::new(&server).json("GET", "/third", &json!(null));
    assert_eq!(status, 503);
    assert_eq!(error["status"]["error"], "Service unavailable: all workers are busy and 1 requests wait");
    metric("queue_refused_total", "1");
}

#[test]
fn a_queue_never_answers_before_its_time() {
    let server = queue("const:2ms", 1, 100);
    let mut clients: Vec<_> = (0..5).map(|_| Client::new(&server)).collect();
    let before_ns = clock::now_ns();
    clients.iter_mut().for_each(|client| client.send("GET", "/x", ""));
    let waited_ns: Vec<i64> = clients
        .iter_mut()
        .map(|client| {
            let (status, body) = client.receive();
            assert_eq!(status, 200);
            let answer: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(answer["result"]["service_ns"], 2_000_000);
            answer["result"]["waited_ns"].as_i64().unwrap()
        })
        .collect();
    assert!(clock::now_ns() - before_ns >= 10_000_000, "five at 2 ms each take 10 ms");
    assert!(waited_ns.iter().all(|waited_ns| (0..=8_000_000).contains(waited_ns)), "{waited_ns:?}");
}

#[test]
fn stopping_closes_the_door_and_finishes_what_was_begun() {
    let server = queue("const:20ms", 1, 10);
    let address = server.addr();
    let mut client = Client::new(&server);
    client.send("GET", "/x", "");
    let mut control = Client::new(&server);
    while !control.call("GET", "/metrics", "").1.contains("queue_admitted_total 1\n") {}
    let stopper = server.stopper();
    stopper.stop();
    assert_eq!(client.receive().0, 200, "it was begun");
    server.wait();
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn an_idle_connection_does_not_keep_a_server_that_stops() {
    let server = vectors();
    let mut idle = Client::new(&server);
    assert_eq!(idle.call("GET", "/healthz", "").0, 200);
    server.stop();
    assert_eq!(idle.0.read(&mut [0]).unwrap(), 0, "closed");
}

#[test]
fn several_threads_share_one_listener() {
    let server = serve(Options { threads: 3, ..Options::new(Target::Vectors) }).unwrap();
    let mut clients: Vec<_> = (0..12).map(|_| Client::new(&server)).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.call("GET", "/healthz", "").0, 200));
    let (_, page) = clients[0].call("GET", "/metrics", "");
    assert!(page.contains("\nconnections_total 12\n"), "{page}");
    server.stop();
}

#[test]
fn an_address_that_cannot_be_is_refused_in_one_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    for (listen, said) in [
        (taken.to_string(), "something listens there already"),
        ("nonsense".into(), "`nonsense` is not an address to listen on"),
        ("127.0.0.1:99999".into(), "is not an address"),
        ("192.0.2.1:0".into(), "this machine has no such address"),
    ] {
        let error = serve(Options { listen, ..Options::new(Target::Vectors) }).err().unwrap().to_string();
        assert!(error.contains(said) && !error.contains('\n'), "{error}");
    }
    let error = serve(Options { threads: 0, ..Options::new(Target::Vectors) }).err().unwrap().to_string();
    assert!(error.contains("from 1 to"), "{error}");
}

#[test]
fn a_bare_port_means_loopback() {
    let server = serve(Options { listen: "0".into(), ..Options::new(Target::Vectors) }).unwrap();
    assert!(matches!(server.addr(), SocketAddr::V4(address) if address.ip().is_loopback()));
    assert_eq!(server.url(), format!("http://{}", server.addr()));
}

#[test]
fn a_burst_of_connections_finds_a_long_backlog() {
    let server = vectors();
    let burst: Vec<_> = (0..300).map(|_| TcpStream::connect(server.addr()).unwrap()).collect();
    let mut last = Client(BufReader::new(burst.into_iter().last().unwrap()));
    assert_eq!(last.call("GET", "/healthz", "").0, 200);
}
