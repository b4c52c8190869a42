//! Kafka's and MongoDB's messages: cut in two, the bytes give the same messages; whatever is in one, no more is found than it has bytes, and
//! packed ones unpack within the limit.

#![no_main]

#[path = "../../crates/wire/tests/support/mod.rs"]
mod support;

use libfuzzer_sys::fuzz_target;
use support::check_framing;
use wire::Side;
use wire::kafka::{self, RequestHead};
use wire::mongodb::{self, Body};

fuzz_target!(|data: &[u8]| {
    let [cut, kind, version, bytes @ ..] = data else { return };
    for framing in [kafka::framing(Side::Client), kafka::framing(Side::Server), mongodb::framing()] {
        check_framing(|| framing.clone(), bytes, &[usize::from(*cut)], u64::from(*cut));
    }
    let mut found = 0;
    if let Some(head) = RequestHead::parse(bytes) {
        head.read(|_| found += 1);
    }
    kafka::read_answer((*kind).into(), (*version).into(), bytes, |_| found += 1);
    assert!(found <= 2 * bytes.len());
    if let Some(plain) = mongodb::unpack(bytes) {
        assert!(plain.len() <= bytes.len().max(mongodb::HEAD_BYTES + mongodb::MESSAGE_BYTES_MAX as usize));
        if let Some(Body::Msg { document, .. } | Body::Query { document, .. } | Body::Reply { document, .. }) =
            Body::parse(&plain)
        {
            assert!(document.elements().count() <= plain.len());
        }
    }
});
