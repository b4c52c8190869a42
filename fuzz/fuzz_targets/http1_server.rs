//! Responses with holes: any bytes, as answers to requests of several kinds, never panic, and framing always gets on.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::Side;
use wire::http1::{Conversation, Event, Hole, Start, find_start};

fuzz_target!(|data: &[u8]| {
    let Some((kinds, mut bytes)) = data.split_first() else { return };
    let mut conversation = Conversation::new();
    for bit in 0..4 {
        let methods: [&[u8]; 4] = [b"GET", b"HEAD", b"CONNECT", b"POST"];
        assert!(conversation.note_request(methods[usize::from(kinds >> (bit * 2) & 3)]));
    }
    while !bytes.is_empty() {
        let step = conversation.server(bytes);
        let malformed = matches!(step.event, Some(Event::Malformed(_)));
        let stuck = step.event.is_none() && step.used == 0;
        bytes = &bytes[step.used..];
        if malformed || stuck {
            bytes = bytes.get(1..).unwrap_or_default();
            if !matches!(conversation.skip(Side::Server, 1), Hole::Inside | Hole::ToEnd) {
                let (Start::At(at) | Start::NotBefore(at)) = find_start(Side::Server, bytes);
                bytes = &bytes[at..];
                conversation.restart(Side::Server);
            }
        }
    }
    conversation.closed(Side::Server);
});
