//! Redis' messages of both sides: cut in two, the bytes give the same messages, and what is read of one are not more nodes than bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::redis::{Nodes, RespFraming, arguments};
use wire::{Framed, Framing, Side, Start};

/// Where messages end, and whether something malformed comes behind them.
fn read(side: Side, pieces: [&[u8]; 2]) -> (Vec<usize>, bool) {
    let (mut framing, mut ends, mut place) = (RespFraming::new(side), Vec::new(), 0);
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
    let Some((cut, bytes)) = data.split_first() else { return };
    let (front, back) = bytes.split_at(usize::from(*cut).min(bytes.len()));
    for side in [Side::Client, Side::Server] {
        assert_eq!(read(side, [front, back]), read(side, [bytes, &[]]));
        let mut framing = RespFraming::new(side);
        framing.read(front);
        framing.skip(u64::from(*cut));
        framing.restart();
        let (Start::At(at) | Start::NotBefore(at)) = framing.find_start(bytes);
        assert!(at <= bytes.len());
    }
    assert!(Nodes::new(bytes).count() <= bytes.len());
    arguments(bytes, 16);
});
