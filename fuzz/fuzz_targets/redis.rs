//! Redis' messages of both sides: cut in two, the bytes give the same messages, and what is read of one are not more nodes than bytes.

#![no_main]

#[path = "../../crates/wire/tests/support/mod.rs"]
mod support;

use libfuzzer_sys::fuzz_target;
use support::check_framing;
use wire::Side;
use wire::redis::{Nodes, RespFraming, arguments};

fuzz_target!(|data: &[u8]| {
    let Some((cut, bytes)) = data.split_first() else { return };
    for side in [Side::Client, Side::Server] {
        check_framing(|| RespFraming::new(side), bytes, &[usize::from(*cut)], u64::from(*cut));
    }
    assert!(Nodes::new(bytes).count() <= bytes.len());
    let _ = arguments(bytes, 16);
});
