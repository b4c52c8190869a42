//! Nanoseconds per exchange of the HTTP/1 dissector: a vector search and its answer, with rules, digest and ids; and masking it.

use std::net::{Ipv4Addr, SocketAddr};

use capture::dissect::{Connection, Emit, Options, PROTOCOLS};
use capture::redact::{Policy, Redactor};
use divan::{Bencher, black_box};
use trace::rules::{HttpRequest, Rules};
use trace::{Exchange, Names, TraceNs};
use wire::Side;

fn main() {
    divan::main();
}

const GET: &str = "GET /static/logo.png HTTP/1.1\r\nHost: a\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n";
const GET_ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";

/// A search with 64 dimensions and its ten results.
fn search() -> (String, String) {
    let vector = vec!["0.1234"; 64].join(",");
    let body = format!("{{\"vector\":[{vector}],\"limit\":10,\"with_payload\":true}}");
    let hit = |id: u32| format!("{{\"id\":{id},\"version\":0,\"score\":0.87,\"payload\":{{\"city\":\"Berlin\"}}}}");
    let hits: Vec<_> = (0..10).map(hit).collect();
    let reply = format!("{{\"result\":[{}],\"status\":\"ok\",\"time\":0.0012}}", hits.join(","));
    let length = body.len();
    let ask = format!(
        "POST /collections/mixtral/points/search HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
         Authorization: Bearer abc\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let length = reply.len();
    (ask, format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{reply}"))
}

fn exchanges(bencher: Bencher<'_, '_>, ask: &str, reply: &str) {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
    let about = Connection::new(0, address, address, true, &mut Names::default());
    let http = PROTOCOLS.iter().find(|protocol| protocol.name == "http").expect("HTTP is built in");
    let mut dissector = (http.open)(&about, &Options::default());
    let (mut out, mut at) = (Emit::default(), TraceNs(0));
    bencher.bench_local(|| {
        dissector.bytes(Side::Client, at, black_box(ask.as_bytes()), &mut out);
        dissector.bytes(Side::Server, at + 1, black_box(reply.as_bytes()), &mut out);
        at = at + 2;
        assert_eq!(out.exchanges.pop().and_then(|exchange| exchange.ok), Some(true));
    });
}

#[divan::bench(args = ["/collections/mixtral/points/17", "/api/v2/users/42/orders"])]
fn rule_for_a_get(bencher: Bencher<'_, '_>, target: &str) {
    let rules = Rules::builtin();
    bencher.bench_local(|| {
        let request = HttpRequest { method: "GET", target: black_box(target), headers: &[], body: b"" };
        assert_eq!(rules.classify(&request).effect, trace::Effect::Read);
    });
}

#[divan::bench]
fn exchange_of_a_file(bencher: Bencher<'_, '_>) {
    exchanges(bencher, GET, GET_ANSWER);
}

#[divan::bench]
fn exchange_of_a_search(bencher: Bencher<'_, '_>) {
    let (ask, reply) = search();
    exchanges(bencher, &ask, &reply);
}

#[divan::bench]
fn masking_of_a_search(bencher: Bencher<'_, '_>) {
    let (_, body) = search();
    let header = |name: &str, value: &'static [u8]| trace::Header { name: name.into(), value: value.into() };
    let headers = vec![header("Host", b"a"), header("Authorization", b"Bearer abc"), header("Content-Type", b"application/json")];
    let exchange = Exchange {
        target: "/collections/mixtral/points/search".into(),
        headers: Some(headers),
        request: Some(body.into_bytes().into()),
        ..Exchange::default()
    };
    let mut redactor = Redactor::new(Policy::Default, 7);
    bencher.with_inputs(|| exchange.clone()).bench_local_values(|mut exchange| {
        redactor.redact(&mut exchange);
        exchange
    });
}
