//! MySQL's messages of both sides: cut in two, the bytes give the same messages of the same requests, and framing always gets on.

#![no_main]

mod events;
#[path = "../../crates/wire/tests/support/mod.rs"]
mod support;

use events::pieces;
use libfuzzer_sys::fuzz_target;
use support::check_cuts;
use wire::mysql::{
    Compression, Conversation, done, failure, find_start, greeting, is_command, is_greeting, login, messages, query_text, unpack,
};

fuzz_target!(|data: &[u8]| {
    let [how, rest @ ..] = data else { return };
    let pieces = pieces(rest);
    let talk = || if how & 1 == 1 { Conversation::joined_late() } else { Conversation::new() };
    check_cuts(&pieces, &[usize::from(how >> 1)], |pieces| support::mysql::read(&mut talk(), pieces));
    for (side, bytes) in pieces {
        let _ = (find_start(side, bytes), is_command(bytes), is_greeting(bytes), messages(bytes), query_text(bytes, Some(true)));
        let _ = (greeting(bytes), login(bytes), done(bytes), failure(bytes));
        let _ = (unpack(Compression::Zlib, bytes), unpack(Compression::Zstd, bytes));
    }
});
