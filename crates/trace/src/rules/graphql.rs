//! Whether a GraphQL request only reads: every operation of every document in it does, and there is a document to tell (GraphQL, October
//! 2021, sections 2.3 and 6.2). One that names a document which the server knows may do anything.

use super::HttpRequest;
use super::json::{Found, Reading};
use crate::Effect;

/// Where documents stand in a body, and what counts the requests of a batch.
pub(super) const POINTERS: [&str; 3] = ["/query", "/*/query", "/*"];

/// What a request does, in whose body [`POINTERS`] have the indices from `first` on.
pub(super) fn effect(request: &HttpRequest<'_>, body: &Reading, first: usize) -> Effect {
    let found = |place: usize| body.found.iter().filter(move |(index, _)| *index == first + place).map(|(_, found)| found);
    let texts = |place: usize| {
        found(place).filter_map(|found| match found {
            Found::Scalar(text) => Some(text.as_str()),
            _ => None,
        })
    };
    let is_text = |header: &crate::Header| {
        header.name.eq_ignore_ascii_case("content-type") && header.value.starts_with(b"application/graphql")
    };
    let reads = match request.body.trim_ascii_start().first() {
        // Servers must not run anything else for a GET (GraphQL over HTTP, section 6.1).
        _ if request.method == "GET" => true,
        Some(b'[') => texts(1).count() > 0 && texts(1).count() == found(2).count() && texts(1).all(only_reads),
        _ if texts(0).count() > 0 => texts(0).all(only_reads),
        _ => request.headers.iter().any(is_text) && std::str::from_utf8(request.body).is_ok_and(only_reads),
    };
    if reads { Effect::Read } else { Effect::Write }
}

/// Whether all definitions of a document are queries, subscriptions and fragments, and there are any.
fn only_reads(document: &str) -> bool {
    let (mut rest, mut depth, mut begins, mut any) = (document.as_bytes(), 0_usize, true, false);
    while let Some(first) = rest.first() {
        let (length, is_blank) = match first {
            b'#' => (rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()), true),
            b'"' => (string(rest), false),
            b'A'..=b'Z' | b'a'..=b'z' | b'_' => {
                (rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count(), false)
            }
            byte if byte.is_ascii_whitespace() || matches!(byte, b',' | 0xef | 0xbb | 0xbf) => (1, true),
            _ => (1, false),
        };
        let (token, behind) = rest.split_at(length);
        rest = behind;
        if is_blank {
            continue;
        }
        if begins && !matches!(token, b"query" | b"subscription" | b"fragment" | b"{") {
            return false;
        }
        (begins, any) = (false, true);
        match token {
            b"{" | b"(" | b"[" => depth += 1,
            b"}" | b")" | b"]" => {
                depth = depth.saturating_sub(1);
                begins = depth == 0 && token == b"}";
            }
            _ => {}
        }
    }
    any && depth == 0
}

/// Bytes of a string, or of a block string.
fn string(rest: &[u8]) -> usize {
    let quotes: &[u8] = if rest.starts_with(br#"""""#) { br#"""""# } else { br#"""# };
    let mut at = quotes.len();
    while at < rest.len() && !rest[at..].starts_with(quotes) {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + quotes.len()).min(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Rules;

    #[track_caller]
    fn check(method: &str, kind: &str, body: &str, effect: Effect) {
        let headers = [crate::Header { name: "Content-Type".into(), value: kind.as_bytes().to_vec().into() }];
        let request = HttpRequest { method, target: "/graphql", headers: &headers, body: body.as_bytes() };
        assert_eq!(Rules::builtin().classify(&request).effect, effect, "{body}");
    }

    #[test]
    fn all_operations_of_all_documents_count() {
        let json = "application/json";
        for document in [
            "{ a }",
            "query A($x: Int = 1) { a(b: \\\"}mutation\\\") { c } } fragment mutation on T { d }",
            "\\ufeff# mutation\\n subscription { a }",
            "query mutation { a(text: \\\"\\\"\\\"} mutation { \\\" }\\\"\\\"\\\") }",
        ] {
            check("POST", json, &format!(r#"{{"query":"{document}"}}"#), Effect::Read);
            check("POST", json, &format!(r#"[{{"query":"{document}"}},{{"query":"{{ b }}"}}]"#), Effect::Read);
        }
        for document in ["mutation { a }", "query A { a } mutation B { b }", "fragment f on T { a } mutation { b }", "", "a"] {
            check("POST", json, &format!(r#"{{"query":"{document}"}}"#), Effect::Write);
            check("POST", json, &format!(r#"[{{"query":"{{ b }}"}},{{"query":"{document}"}}]"#), Effect::Write);
        }
        check("POST", json, r#"{"extensions":{"persistedQuery":{"sha256Hash":"0a"}}}"#, Effect::Write);
        check("POST", json, r#"[{"query":"{ a }"},{"id":"0a"}]"#, Effect::Write);
        check("POST", json, r#"{"query":"{ a }""#, Effect::Write);
        check("POST", "multipart/form-data; boundary=x", "--x\r\n\r\n{ a }", Effect::Write);
        check("POST", "application/graphql", "{ a }", Effect::Read);
        check("POST", "application/graphql", "mutation { a }", Effect::Write);
        check("GET", "", "", Effect::Read);
    }
}
