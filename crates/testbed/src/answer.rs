//! What a server is asked and what it says, apart from sockets: Qdrant's envelope and its errors.

use std::io::Write;

use hyper::{Method, StatusCode};

/// A request whose body is here in full.
pub struct Call<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path, still percent-encoded.
    pub path: &'a str,
    /// What stands behind the `?`, still percent-encoded.
    pub query: &'a str,
    /// The body.
    pub body: &'a [u8],
}

impl Call<'_> {
    /// The collection that the path addresses, percent-decoded: `x` of `/collections/x/points`.
    pub fn collection(&self) -> Option<String> {
        let name = self.path.strip_prefix("/collections/")?.split('/').next()?;
        (!name.is_empty()).then(|| percent_decode(name))
    }

    /// Whether the query says `name=true`.
    pub fn asks(&self, name: &str) -> bool {
        self.query.split('&').any(|pair| pair.split_once('=') == Some((name, "true")))
    }
}

/// Percent-decoding of a path segment (RFC 3986 section 2.1). What does not decode to UTF-8 stays as it was.
pub fn percent_decode(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = (byte == b'%').then(|| tail.get(..2)).flatten().and_then(|pair| std::str::from_utf8(pair).ok());
        if let Some(value) = hex.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            bytes.push(value);
            rest = &tail[2..];
        } else {
            bytes.push(byte);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| segment.to_owned())
}

/// A good answer on its way, and when it may leave.
pub struct Answer {
    /// The route that answered, such as `/collections/{name}/points/search`: the label of its metrics.
    pub endpoint: &'static str,
    /// What is said.
    pub said: Result<Said, Failure>,
    /// The instant, on the monotonic clock, before which the answer is not sent.
    pub at_ns: i64,
}

/// The content of a good answer.
pub enum Said {
    /// An open envelope (see [`open_envelope`]) with the result as JSON.
    Result(Vec<u8>),
    /// A page outside Qdrant's envelope.
    Page {
        /// Its media type.
        content_type: &'static str,
        /// Its text.
        text: String,
    },
}

/// Why a request was not done: a status and one sentence.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// The HTTP status.
    pub status: StatusCode,
    /// The sentence, in Qdrant's words where it has them.
    pub message: String,
}

impl Failure {
    /// A failure with a status of one's own.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// Well-formed, but it cannot be done: 400.
    pub fn wrong_input(reason: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("Wrong input: {reason}"))
    }

    /// The body is not the JSON that was wanted: 400.
    pub fn format(reason: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("Format error in JSON body: {reason}"))
    }

    /// A field's value is out of its range: 422.
    pub fn invalid(field: &str, value: impl std::fmt::Display, allowed: &str) -> Self {
        let message = format!("Validation error in JSON body: [{field}: value {value} invalid, must be {allowed}]");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    /// It is not there: 404.
    pub fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("Not found: {what}"))
    }

    /// No route leads there: 404.
    pub fn no_route(call: &Call<'_>) -> Self {
        Self::not_found(format_args!("the testbed has no endpoint {} {}", call.method, call.path))
    }

    /// The body with which Qdrant reports a failure. `took_ns` is the time spent on it.
    pub fn envelope(&self, took_ns: i64) -> Vec<u8> {
        let message = serde_json::Value::from(self.message.as_str());
        let mut body = format!("{{\"status\":{{\"error\":{message}}}").into_bytes();
        close(&mut body, took_ns);
        body
    }
}

/// The start of a good answer; the result as JSON comes next, then [`close_envelope`].
pub fn open_envelope() -> Vec<u8> {
    b"{\"result\":".to_vec()
}

/// The end of a good answer. `took_ns` is the time spent on it.
pub fn close_envelope(body: &mut Vec<u8>, took_ns: i64) {
    body.extend_from_slice(b",\"status\":\"ok\"");
    close(body, took_ns);
}

fn close(body: &mut Vec<u8>, took_ns: i64) {
    let (s, ns) = (took_ns.max(0) / 1_000_000_000, took_ns.max(0) % 1_000_000_000);
    write!(body, ",\"time\":{s}.{ns:09}}}").expect("a vector takes every byte");
}

/// Reads the body as JSON.
pub fn parse<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(Failure::format)
}

/// Appends `value` as JSON.
pub fn write_json(out: &mut Vec<u8>, value: &impl serde::Serialize) -> Result<(), Failure> {
    serde_json::to_writer(out, value)
        .map_err(|error| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, format!("Service internal error: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_percent_decoded() {
        assert_eq!(percent_decode("a%20b%2Fc"), "a b/c");
        assert_eq!(percent_decode("100%"), "100%");
        assert_eq!(percent_decode("%zz%4"), "%zz%4");
        assert_eq!(percent_decode("%ff"), "%ff", "not UTF-8 stays as it was");
    }

    #[test]
    fn envelopes_are_json_of_the_shape_qdrant_has() {
        let mut body = open_envelope();
        body.extend_from_slice(b"[1]");
        close_envelope(&mut body, 1_500_000_001);
        assert_eq!(std::str::from_utf8(&body), Ok("{\"result\":[1],\"status\":\"ok\",\"time\":1.500000001}"));
        let failure = Failure::not_found("Collection `x\"` doesn't exist!").envelope(20);
        let json: serde_json::Value = serde_json::from_slice(&failure).unwrap();
        assert_eq!(json["status"]["error"], "Not found: Collection `x\"` doesn't exist!");
        assert_eq!(json["time"], 0.000_000_02);
    }
}
