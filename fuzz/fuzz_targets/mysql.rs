//! MySQL's messages of both sides: cut in two, the bytes give the same messages, and framing always gets on.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::Side;
use wire::mysql::{Compression, Conversation, Event, find_start, greeting, login, messages, query_text, unpack};

/// What was seen of the pieces, which are of the sides in turn: the request and content of each message, and what it meant.
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
                        let bytes = content.len() as u64;
                        let said = match side {
                            Side::Client => {
                                talk.sent(content, bytes);
                                String::new()
                            }
                            Side::Server => format!("{:?}", talk.heard(content, bytes)),
                        };
                        seen.push(format!("{side:?} {:?} {content:?} {said} {}", piece.request, talk.oldest_open()));
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
    let (server, client) = bytes.split_at(usize::from(*switch).min(bytes.len()));
    let (front, back) = client.split_at(usize::from(*cut).min(client.len()));
    let late = how & 1 == 1;
    let whole = read(late, &[(Side::Server, server), (Side::Client, client), (Side::Server, server)]);
    let cut = [(Side::Server, server), (Side::Client, front), (Side::Client, back), (Side::Server, server)];
    assert_eq!(read(late, &cut), whole);
    for side in [Side::Client, Side::Server] {
        let _ = find_start(side, bytes);
    }
    let _ = (messages(bytes), greeting(bytes), login(bytes), query_text(bytes, Some(true)));
    for compression in [Compression::Zlib, Compression::Zstd] {
        let _ = unpack(compression, bytes);
    }
});
