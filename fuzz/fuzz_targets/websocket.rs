//! WebSocket frames and compressed messages: cut in two, the bytes give the same events, and little is ever held.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::Side;
use wire::websocket::{Conversation, Event, INFLATED_BYTES_MAX, Inflater, find_start, is_frames};

/// What was seen, a line an event, parts of messages joined.
fn read(pieces: [&[u8]; 2]) -> Vec<String> {
    let (mut conversation, mut seen, mut held) = (Conversation::new(), Vec::new(), Vec::new());
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            let step = conversation.read(Side::Client, &held);
            let Some(event) = step.event else { break };
            let mut plain = Vec::new();
            match &event {
                Event::Malformed(fault) => {
                    seen.push(fault.what.to_owned());
                    return seen;
                }
                Event::Data { opening, part, end } => {
                    part.push_to(&mut plain);
                    seen.extend(opening.map(|opening| format!("{opening:?}")));
                    seen.extend(plain.iter().map(u8::to_string).chain(end.then(|| "end".to_owned())));
                }
                Event::Control { kind, payload } => {
                    payload.push_to(&mut plain);
                    seen.push(format!("{kind:?} {plain:?}"));
                }
            }
            assert!(step.used > 0, "an event uses bytes up");
            held.drain(..step.used);
        }
        assert!(held.len() < 14 + 125, "a head, or a control frame");
    }
    seen
}

fuzz_target!(|data: &[u8]| {
    let Some((cut, bytes)) = data.split_first() else { return };
    let (front, back) = bytes.split_at(usize::from(*cut).min(bytes.len()));
    assert_eq!(read([front, back]), read([bytes, &[]]));
    for side in [Side::Client, Side::Server] {
        let _ = (find_start(side, bytes), is_frames(side, bytes));
    }
    let (mut inflater, mut given) = (Inflater::new(cut & 1 == 0), 0);
    for part in [front, back] {
        let _ = inflater.read(part, |plain| given += plain.len() as u64);
        let _ = inflater.end(|plain| given += plain.len() as u64);
    }
    assert!(given <= 2 * INFLATED_BYTES_MAX);
});
