//! HTTP/2 frames and the header blocks in them: cut in two, the bytes give the same events, and framing always gets on.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::Side;
use wire::http2::{Conversation, Event, find_start};

/// What was seen, a line an event, parts of bodies joined.
fn read(pieces: [&[u8]; 2]) -> Vec<String> {
    let (mut conversation, mut seen, mut held) = (Conversation::joined_late(), Vec::new(), Vec::new());
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            let step = conversation.read(Side::Client, &held);
            let Some(event) = step.event else { break };
            match &event {
                Event::Malformed(fault) => {
                    seen.push(fault.what.to_owned());
                    return seen;
                }
                Event::Data { part, end, .. } => {
                    seen.extend(part.iter().map(|byte| format!("{byte}")).chain(end.then(|| "end".to_owned())))
                }
                Event::Other { .. } | Event::Fragment { .. } => {}
                Event::Headers(headers) => seen.push(format!("{headers:?}")),
                other => seen.push(format!("{other:?}")),
            }
            assert!(step.used > 0, "an event uses bytes up");
            held.drain(..step.used);
        }
    }
    seen
}

fuzz_target!(|data: &[u8]| {
    let Some((cut, bytes)) = data.split_first() else { return };
    let (front, back) = bytes.split_at(usize::from(*cut).min(bytes.len()));
    assert_eq!(read([front, back]), read([bytes, &[]]));
    let mut conversation = Conversation::joined_late();
    conversation.skip(Side::Client, u64::from(*cut));
    conversation.restart(Side::Client);
    let _ = find_start(bytes);
});
