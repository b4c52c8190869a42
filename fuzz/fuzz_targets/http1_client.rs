//! Requests: any bytes, shown whole and cut in two, give the same number of messages and never panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::http1::{Conversation, Event};

/// Messages read from `pieces`, and whether what follows them is malformed.
fn messages(pieces: &[&[u8]]) -> (usize, bool) {
    let (mut conversation, mut held, mut ends) = (Conversation::new(), Vec::new(), 0);
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            let step = conversation.client(&held);
            let event = step.event.map(|event| match event {
                Event::Malformed(_) => None,
                Event::End => Some(1),
                _ => Some(0),
            });
            held.drain(..step.used);
            match event {
                None => break,
                Some(None) => return (ends, true),
                Some(Some(ended)) => ends += ended,
            }
        }
    }
    (ends, false)
}

fuzz_target!(|data: &[u8]| {
    let Some((cut, bytes)) = data.split_first() else { return };
    let cut = usize::from(*cut).min(bytes.len());
    assert_eq!(messages(&[bytes]), messages(&[&bytes[..cut], &bytes[cut..]]));
});
