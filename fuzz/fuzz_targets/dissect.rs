//! Whole connections of every protocol: any order of bytes, holes and ends on both sides, also where the protocol changes, never panics and
//! gives each row once.

#![no_main]

mod events;
#[path = "../../crates/capture/tests/support/talk.rs"]
mod talk;

use capture::dissect::{Options, PROTOCOLS};
use events::{What, events};
use libfuzzer_sys::fuzz_target;
use talk::{Player, about, check_rows};
use trace::TraceNs;

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let protocol = &PROTOCOLS[usize::from(first >> 1) % PROTOCOLS.len()];
    let mut player = Player::new(protocol, &about(first & 1 == 0), Options { keep_responses: true, ..Options::default() });
    let mut at = TraceNs(0);
    for (what, side, bytes) in events(rest) {
        match what {
            What::Bytes => player.bytes(side, at, bytes),
            What::Gap => player.gap(side, at, bytes.len().max(1) as u64),
            What::End => player.end(side, at),
        }
        at = at + 1;
    }
    check_rows(&player.finish(at));
});
