//! Requests as bytes, for sending.

use memchr::memchr3;

/// A request to be written.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// As recorded.
    pub method: &'a [u8],
    /// As recorded; the absolute form is turned into the origin form, since it names the recorded server.
    pub target: &'a [u8],
    /// `host` or `host:port` of the server that it goes to.
    pub authority: &'a [u8],
    /// Headers that are added; they take the place of recorded ones of the same name.
    pub added: &'a [(&'a [u8], &'a [u8])],
    /// The whole body.
    pub body: &'a [u8],
}

/// Recorded headers that are not sent again: they belong to the recorded connection (RFC 9110 §7.6.1) or are made anew.
const NOT_SENT_AGAIN: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "proxy-connection",
    "keep-alive",
    "expect",
    "upgrade",
    "te",
    "trailer",
    "http2-settings",
];

/// Methods whose body is announced even where it is empty (RFC 9110 §8.6).
const WITH_BODY: &[&[u8]] = &[b"POST", b"PUT", b"PATCH"];

/// Appends an HTTP/1.1 request to `out`: request line, `Host`, the recorded `headers` in order and case without those that belong to the
/// recorded connection, the added ones, `Content-Length` of the real body, body. A line break inside a value becomes a space and one in
/// a method or target is left out, so that no field can become two.
pub fn encode_request<'a>(request: &Request<'_>, headers: impl IntoIterator<Item = (&'a [u8], &'a [u8])>, out: &mut Vec<u8>) {
    push_without_breaks(request.method, out);
    out.push(b' ');
    push_target(request.target, out);
    out.extend_from_slice(b" HTTP/1.1\r\n");
    if !is_added(request, b"host") {
        push_header(b"Host", request.authority, out);
    }
    for (name, value) in headers {
        if !is_any(name, NOT_SENT_AGAIN) && !is_added(request, name) {
            push_header(name, value, out);
        }
    }
    for (name, value) in request.added {
        push_header(name, value, out);
    }
    if (!request.body.is_empty() || WITH_BODY.contains(&request.method)) && !is_added(request, b"content-length") {
        push_header(b"Content-Length", request.body.len().to_string().as_bytes(), out);
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(request.body);
}

fn is_any(name: &[u8], names: &[&str]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

fn is_added(request: &Request<'_>, name: &[u8]) -> bool {
    request.added.iter().any(|(added, _)| added.eq_ignore_ascii_case(name))
}

fn push_header(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    push_without_breaks(name, out);
    out.extend_from_slice(b": ");
    let start = out.len();
    out.extend_from_slice(value);
    for byte in &mut out[start..] {
        if is_break(*byte) {
            *byte = b' ';
        }
    }
    out.extend_from_slice(b"\r\n");
}

fn push_without_breaks(text: &[u8], out: &mut Vec<u8>) {
    match memchr3(b'\r', b'\n', 0, text) {
        None => out.extend_from_slice(text),
        Some(_) => out.extend(text.iter().filter(|byte| !is_break(**byte))),
    }
}

fn is_break(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | 0)
}

/// Path and query alone where the target is `http://host/path?query`; anything else as it is.
fn push_target(target: &[u8], out: &mut Vec<u8>) {
    let Some(scheme) = ["http://", "https://"].iter().find(|scheme| starts_with_ignoring_case(target, scheme)) else {
        return push_without_breaks(target, out);
    };
    let rest = &target[scheme.len()..];
    let path = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).map_or(&b""[..], |start| &rest[start..]);
    if path.first() != Some(&b'/') {
        out.push(b'/');
    }
    push_without_breaks(path, out);
}

fn starts_with_ignoring_case(text: &[u8], start: &str) -> bool {
    text.get(..start.len()).is_some_and(|front| front.eq_ignore_ascii_case(start.as_bytes()))
}
