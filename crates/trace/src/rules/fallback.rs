//! How requests are grouped that no rule names: by method and path, what varies in the path taken out.

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
    let mut operation = String::with_capacity(request.method.len() + request.target.len() + 2);
    operation.extend([request.method, " "]);
    let collection = if whole {
        operation.push_str(if request.method == "CONNECT" { "{}" } else { request.target });
        request.target
    } else {
        push_template(segments, &mut operation)
    };
    Classified {
        collection: cut(collection.into()),
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

/// Appends the path, what varies in it taken out, and gives the first segment that names a thing: no prefix, version or identifier, and no
/// file; `/` where there is none.
fn push_template<'a>(segments: &[&'a str], out: &mut String) -> &'a str {
    if segments.is_empty() {
        out.push('/');
    }
    let mut collection = None;
    for (place, segment) in segments.iter().enumerate() {
        let shape = Shape::of(segment);
        if shape == Shape::Word && !PREFIXES.contains(segment) && !is_version(segment) {
            collection = collection.or(Some(*segment));
        }
        if place < SEGMENTS_KEPT {
            shape.push(segment, out);
        } else if collection.is_some() {
            break;
        }
    }
    if segments.len() > SEGMENTS_KEPT {
        out.push_str("/**");
    }
    collection.unwrap_or("/")
}

/// What a segment is.
#[derive(PartialEq)]
enum Shape<'a> {
    /// It stays as it is.
    Word,
    Identifier,
    /// A static file of this kind.
    File(&'a str),
}

impl<'a> Shape<'a> {
    fn of(segment: &'a str) -> Self {
        let kind = segment.rsplit_once('.').map(|(_, kind)| kind);
        match kind.filter(|kind| STATIC_FILES.iter().any(|known| known.eq_ignore_ascii_case(kind))) {
            Some(kind) => Self::File(kind),
            None if is_identifier(segment) => Self::Identifier,
            None => Self::Word,
        }
    }

    /// Appends the segment, or `{}` for an identifier, or `{}.png` for a static file.
    fn push(&self, segment: &str, out: &mut String) {
        out.push('/');
        match self {
            Self::Word => out.push_str(segment),
            Self::Identifier => out.push_str("{}"),
            Self::File(kind) => {
                out.push_str("{}.");
                out.extend(kind.chars().map(|letter| letter.to_ascii_lowercase()));
            }
        }
    }
}

/// `v1`, `v2.1`, `v1beta1`.
fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()) && rest.len() <= 8)
}

/// Whether a word names one thing of many: numbers, UUIDs, hexadecimal and other random-looking words, and everything that is too long to
/// be a word.
#[must_use]
pub fn is_identifier(segment: &str) -> bool {
    let (mut digits, mut hexadecimal, mut of_number) = (0, 0, 0);
    for byte in segment.bytes() {
        let (is_digit, is_dash) = (byte.is_ascii_digit(), byte == b'-');
        digits += usize::from(is_digit);
        hexadecimal += usize::from(byte.is_ascii_hexdigit() || is_dash);
        of_number += usize::from(is_digit || is_dash || matches!(byte, b'.' | b',' | b':' | b'_'));
    }
    let all = segment.len();
    (digits > 0 && of_number == all)
        || (all > WORD_CHARS_MAX && segment.chars().count() > WORD_CHARS_MAX)
        || (digits > 0 && hexadecimal == all && all >= 8)
        || (digits >= 4 && all >= 16)
}
