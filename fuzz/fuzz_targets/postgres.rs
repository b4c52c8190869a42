//! PostgreSQL's messages of both sides: cut in two, the bytes give the same messages, and framing always gets on.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::{Hole, Side};
use wire::postgres::{Conversation, Event, bind, error_field, find_start, messages, parse, with_parameters};

/// What was seen of the pieces, which are of the sides in turn: the request, type and content of each message.
fn read(joined_late: bool, pieces: &[(Side, &[u8])]) -> Vec<String> {
    let mut talk = if joined_late { Conversation::joined_late() } else { Conversation::new() };
    let (mut seen, mut held) = (Vec::new(), [Vec::new(), Vec::new()]);
    let mut contents: [Vec<u8>; 2] = Default::default();
    for (side, piece) in pieces {
        let held = &mut held[*side as usize];
        held.extend_from_slice(piece);
        loop {
            let step = talk.read(*side, held);
            match step.event {
                None => break,
                Some(Event::Malformed(fault)) => {
                    seen.push(fault.what.to_owned());
                    return seen;
                }
                Some(Event::Piece(piece)) => {
                    let content = &mut contents[*side as usize];
                    content.extend_from_slice(piece.part);
                    if piece.end {
                        seen.push(format!("{side:?} {:?} {} {content:?}", piece.request, piece.tag));
                        (parse(content), bind(content), error_field(content, b'C'));
                        with_parameters(content, |_, value| Some(value.to_vec()));
                        content.clear();
                    }
                }
            }
            assert!(step.used > 0, "an event uses bytes up");
            held.drain(..step.used);
        }
    }
    seen
}

fuzz_target!(|data: &[u8]| {
    let [how, cut, switch, bytes @ ..] = data else { return };
    let (client, server) = bytes.split_at(usize::from(*switch).min(bytes.len()));
    let (front, back) = client.split_at(usize::from(*cut).min(client.len()));
    let late = how & 1 == 1;
    let whole = read(late, &[(Side::Client, client), (Side::Server, server)]);
    assert_eq!(read(late, &[(Side::Client, front), (Side::Client, back), (Side::Server, server)]), whole);
    let mut talk = Conversation::joined_late();
    let step = talk.read(Side::Server, server);
    let hole = talk.skip(Side::Server, u64::from(*cut));
    assert!(step.event.is_some() || hole == Hole::Lost);
    for side in [Side::Client, Side::Server] {
        let _ = find_start(side, bytes);
    }
    let _ = messages(bytes);
});
