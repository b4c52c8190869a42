//! How requests are grouped that no rule names: by method and path, what varies in the path taken out.

use std::borrow::Cow;

use super::{Classified, HttpRequest, cut, grpc};
use crate::Effect;

/// Segments of a path that stay in the operation; deeper ones become `**`.
const SEGMENTS_KEPT: usize = 8;
/// Longer segments are taken for identifiers.
const WORD_CHARS_MAX: usize = 40;
/// First segments that say how an interface is offered, not what is addressed.
const PREFIXES: &[&str] = &["api", "rest", "rpc", "services", "public", "internal", "app", "svc"];
/// Files whose names vary without end: their folder and kind say enough.
const STATIC_FILES: &[&str] = &[
    "avif", "bmp", "bz2", "css", "eot", "gif", "gz", "ico", "jpeg", "jpg", "js", "map", "mjs", "mp3", "mp4", "otf", "pdf", "png",
    "svg", "tar", "ts", "ttf", "txt", "wasm", "webm", "webp", "woff", "woff2", "xz", "zip", "zst",
];
/// Methods that change nothing (RFC 9110 §9.2.1, RFC 4918, RFC 3253, RFC 5323).
const READS: &[&str] = &["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH", "QUERY"];

pub(super) fn classify<'a>(request: &HttpRequest<'a>, segments: &[&'a str]) -> Classified<'a> {
    if let Some(call) = grpc::classify(request, segments) {
        return call;
    }
    let whole = !request.target.starts_with('/') && !request.target.contains("://");
    let collection = if whole { Cow::Borrowed(request.target) } else { collection(segments).into() };
    let mut operation = format!("{} ", request.method);
    if whole {
        operation.push_str(if request.method == "CONNECT" { "{}" } else { request.target });
    } else {
        push_template(segments, &mut operation);
    }
    Classified {
        collection: cut(collection),
        operation: cut(operation.into()),
        effect: effect(request.method),
        items: 0,
        rule: None,
    }
}

fn effect(method: &str) -> Effect {
    match method {
        "CONNECT" => Effect::Control,
        _ if READS.contains(&method) => Effect::Read,
        _ => Effect::Write,
    }
}

/// The first segment that names a thing: no prefix, version or identifier, and no file; `/` where there is none.
fn collection<'a>(segments: &[&'a str]) -> &'a str {
    let named = |segment: &&&str| !PREFIXES.contains(*segment) && !is_version(segment) && normalized(segment) == **segment;
    segments.iter().find(named).copied().unwrap_or("/")
}

fn push_template(segments: &[&str], out: &mut String) {
    if segments.is_empty() {
        out.push('/');
    }
    for segment in segments.iter().take(SEGMENTS_KEPT) {
        out.push('/');
        out.push_str(&normalized(segment));
    }
    if segments.len() > SEGMENTS_KEPT {
        out.push_str("/**");
    }
}

/// The segment, or `{}` for an identifier, or `{}.png` for a static file.
fn normalized(segment: &str) -> Cow<'_, str> {
    if let Some((_, kind)) = segment.rsplit_once('.') {
        let kind = kind.to_ascii_lowercase();
        if STATIC_FILES.contains(&kind.as_str()) {
            return format!("{{}}.{kind}").into();
        }
    }
    if is_identifier(segment) { "{}".into() } else { segment.into() }
}

/// `v1`, `v2.1`, `v1beta1`.
fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()) && rest.len() <= 8)
}

/// Numbers, UUIDs, hexadecimal and other random-looking words, and everything that is too long to be one.
fn is_identifier(segment: &str) -> bool {
    let count = |kind: fn(&u8) -> bool| segment.bytes().filter(kind).count();
    let digits = count(u8::is_ascii_digit);
    let dashes = count(|byte| *byte == b'-');
    let hexadecimal = count(u8::is_ascii_hexdigit) + dashes == segment.len();
    let number =
        digits > 0 && segment.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b',' | b':' | b'_'));
    number
        || segment.chars().count() > WORD_CHARS_MAX
        || (hexadecimal && digits > 0 && segment.len() >= 8)
        || (digits >= 4 && segment.len() >= 16)
}
