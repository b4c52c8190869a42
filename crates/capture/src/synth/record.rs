//! A synthesized request as the row that a recording of it would have given.

use bytes::Bytes;
use trace::rules::{HttpRequest, Rules};
use trace::{Exchange, Header, Name, Names, Txn};

use super::content::Request;
use super::flow::Placed;

/// Host and endpoint of requests that were never sent anywhere.
const HOST: &str = "synthetic";

/// Turns requests into exchanges, classified by the same rules as recorded ones.
pub(super) struct Recorder {
    names: Names,
    rules: std::sync::Arc<Rules>,
}

impl Recorder {
    pub fn new() -> Self {
        Self { names: Names::default(), rules: Rules::builtin() }
    }

    /// The row; there is no answer in it.
    pub fn exchange(&mut self, placed: Placed) -> Exchange {
        let Placed { at, session, seq, txn, request } = placed;
        let headers = headers(&request);
        let body = request.body.as_deref().unwrap_or_default();
        let head = HttpRequest { method: &request.method, target: &request.path, headers: &headers, body };
        let class = self.rules.classify(&head);
        let mut name = |text: &str| self.names.get(text);
        Exchange {
            at,
            session,
            seq,
            effect: class.effect,
            txn: txn.map(|(kind, id)| Txn { name: name(&kind), id: Name::from(id.to_string()) }),
            protocol: name("http"),
            version: name("1.1"),
            endpoint: name(HOST),
            collection: name(&class.collection),
            operation: name(&class.operation),
            method: name(&request.method),
            items: class.items,
            request_bytes: size_bytes(&request, &headers),
            target: request.path.into(),
            headers: Some(headers),
            request: request.body.map(Bytes::from),
            ..Exchange::default()
        }
    }
}

fn headers(request: &Request) -> Vec<Header> {
    let header = |name: &str, value: Bytes| Header { name: name.into(), value };
    let mut headers = vec![header("Host", Bytes::from_static(HOST.as_bytes()))];
    if let Some(body) = &request.body {
        headers.push(header("Content-Type", Bytes::from_static(b"application/json")));
        headers.push(header("Content-Length", Bytes::from(body.len().to_string())));
    }
    headers
}

/// What it would take on the wire (RFC 9112 §2.1): request line, header lines, an empty line, the body.
fn size_bytes(request: &Request, headers: &[Header]) -> u64 {
    let line = request.method.len() + request.path.len() + "  HTTP/1.1\r\n".len();
    let lines: usize = headers.iter().map(|header| header.name.len() + header.value.len() + ": \r\n".len()).sum();
    (line + lines + "\r\n".len() + request.body.as_ref().map_or(0, Vec::len)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use trace::{Effect, TraceNs};

    fn exchange(method: &str, path: &str, body: Option<&str>) -> Exchange {
        let request = Request { method: method.to_owned(), path: path.to_owned(), body: body.map(|body| body.into()) };
        let txn = Some(("ask".to_owned(), 9));
        Recorder::new().exchange(Placed { at: TraceNs(5), session: 9, seq: 1, txn, request })
    }

    #[test]
    fn a_row_is_what_a_recording_would_have_given() {
        let row = exchange("POST", "/collections/docs/points/search/batch", Some(r#"{"searches":[{},{}]}"#));
        assert_eq!((row.at, row.session, row.seq, row.effect, row.items), (TraceNs(5), 9, 1, Effect::Read, 2));
        assert_eq!((&*row.collection, &*row.operation), ("docs", "POST /collections/{}/points/search/batch"));
        let sent = "POST /collections/docs/points/search/batch HTTP/1.1\r\nHost: synthetic\r\nContent-Type: application/json\r\n\
                    Content-Length: 20\r\n\r\n{\"searches\":[{},{}]}";
        assert_eq!(row.request_bytes, sent.len() as u64);
        assert_eq!((row.status, row.latency_ns, row.response_bytes), (None, None, 0));
        assert_eq!(row.txn.map(|txn| (txn.name.to_string(), txn.id.to_string())), Some(("ask".to_owned(), "9".to_owned())));
        assert_eq!(
            exchange("GET", "/healthz", None).request_bytes,
            "GET /healthz HTTP/1.1\r\nHost: synthetic\r\n\r\n".len() as u64
        );
        assert_eq!(exchange("PUT", "/collections/docs/points?wait=true", Some(r#"{"points":[{}]}"#)).effect, Effect::Write);
    }
}
