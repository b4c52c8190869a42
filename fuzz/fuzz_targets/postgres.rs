//! PostgreSQL's messages of both sides: cut in two, the bytes give the same messages of the same requests, and framing always gets on.

#![no_main]

mod events;
#[path = "../../crates/wire/tests/support/mod.rs"]
mod support;

use events::pieces;
use libfuzzer_sys::fuzz_target;
use support::check_cuts;
use wire::postgres::{
    CommandTag, Conversation, authentication, bind, error_field, find_start, is_chain, messages, parse, with_parameters,
};

fuzz_target!(|data: &[u8]| {
    let [how, rest @ ..] = data else { return };
    let pieces = pieces(rest);
    let talk = || if how & 1 == 1 { Conversation::joined_late() } else { Conversation::new() };
    check_cuts(&pieces, &[usize::from(how >> 1)], |pieces| support::postgres::read(&mut talk(), pieces));
    for (side, bytes) in pieces {
        let _ = (
            find_start(side, bytes),
            is_chain(side, bytes),
            messages(bytes),
            with_parameters(bytes, |_, value| Some(value.to_vec())),
        );
        let _ = (parse(bytes), bind(bytes), error_field(bytes, b'C'), CommandTag::read(bytes), authentication(bytes));
    }
});
