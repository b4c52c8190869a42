//! Kafka's and MongoDB's messages: cut in two, the bytes give the same messages; whatever is in one, no more is found than it has bytes, and
//! packed ones unpack within the limit.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::kafka::{self, RequestHead};
use wire::mongodb::{self, Body};
use wire::length::LengthFraming;
use wire::{Framed, Framing, Side, Start};

/// Where messages end, and whether something malformed comes behind them.
fn read(mut framing: LengthFraming, pieces: [&[u8]; 2]) -> (Vec<usize>, bool) {
    let (mut ends, mut place) = (Vec::new(), 0);
    for mut piece in pieces {
        while !piece.is_empty() {
            let step = framing.read(piece);
            place += step.used;
            piece = &piece[step.used..];
            match step.event {
                Some(Framed::End) => ends.push(place),
                Some(Framed::Malformed(_)) => return (ends, true),
                None => assert!(piece.is_empty(), "all is used up where nothing ends"),
            }
        }
    }
    (ends, false)
}

fuzz_target!(|data: &[u8]| {
    let [cut, kind, version, bytes @ ..] = data else { return };
    let (front, back) = bytes.split_at(usize::from(*cut).min(bytes.len()));
    for framing in [kafka::framing(Side::Client), kafka::framing(Side::Server), mongodb::framing()] {
        assert_eq!(read(framing.clone(), [front, back]), read(framing.clone(), [bytes, &[]]));
        let (Start::At(at) | Start::NotBefore(at)) = framing.find_start(bytes);
        assert!(at <= bytes.len());
    }
    let mut found = 0;
    if let Some(head) = RequestHead::parse(bytes) {
        head.read(|_| found += 1);
    }
    kafka::read_answer((*kind).into(), (*version).into(), bytes, |_| found += 1);
    assert!(found <= 2 * bytes.len());
    if let Some(plain) = mongodb::unpack(bytes) {
        assert!(plain.len() <= bytes.len().max(mongodb::HEAD_BYTES + mongodb::MESSAGE_BYTES_MAX as usize));
        if let Some(Body::Msg { document, .. } | Body::Query { document, .. } | Body::Reply { document, .. }) = Body::parse(&plain) {
            assert!(document.elements().count() <= plain.len());
        }
    }
});
