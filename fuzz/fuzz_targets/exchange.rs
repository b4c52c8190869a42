//! Any text as an exchange: classifying and masking never panic, a masked JSON body stays JSON, and its length is told right.

#![no_main]

use bytes::Bytes;
use capture::redact::{Policy, Redactor};
use libfuzzer_sys::fuzz_target;
use trace::rules::{HttpRequest, Rules};
use trace::{Exchange, Flag, Header, Name};

fuzz_target!(|data: &[u8]| {
    // Method, target, one header's name and value, body: each ends with a line.
    let mut parts = data.splitn(5, |byte| *byte == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let text = |bytes: &[u8]| trace::escape_text(bytes).0;
    let (method, target, name) = (text(part()), text(part()), text(part()));
    let (value, body) = (Bytes::copy_from_slice(part()), Bytes::copy_from_slice(part()));
    let length = Header { name: "Content-Length".into(), value: body.len().to_string().into() };
    let headers = vec![Header { name: Name::from(&*name), value }, length];

    let rules = Rules::builtin();
    let request = HttpRequest { method: &method, target: &target, headers: &headers, body: &body };
    let _ = rules.classify(&request);
    let _ = rules.answer(rules.rule_of(&method, &target), 200, &body);

    let is_json = serde_json::from_slice::<serde_json::Value>(&body).is_ok();
    let mut exchange = Exchange { target, headers: Some(headers), request: Some(body), ..Exchange::default() };
    Redactor::new(Policy::Default, 7).redact(&mut exchange);
    let (headers, body) = (exchange.headers.expect("kept"), exchange.request.expect("kept"));
    if exchange.flags.has(Flag::Redacted) {
        assert!(!is_json || serde_json::from_slice::<serde_json::Value>(&body).is_ok(), "{}", body.escape_ascii());
        let length = headers.last().expect("two");
        assert_eq!(length.value, body.len().to_string());
    }
});
