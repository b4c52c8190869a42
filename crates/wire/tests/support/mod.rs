//! What tests and fuzz targets of several codecs need.
#![allow(dead_code, missing_docs, reason = "each test uses its part of it")]

pub mod mysql;
pub mod postgres;

use wire::{Framed, Framing, Side, Start, Step};

/// The lengths of the messages found in `pieces`, shown one after the other; ends at what is no message. What is behind the last message
/// is not told.
pub fn lengths<'a>(framing: &mut impl Framing, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<usize>, Option<&'static str>) {
    let (mut lengths, mut under_way) = (Vec::new(), 0);
    for mut piece in pieces {
        while !piece.is_empty() {
            let step = framing.read(piece);
            under_way += step.used;
            piece = &piece[step.used..];
            match step.event {
                Some(Framed::End) => lengths.push(std::mem::take(&mut under_way)),
                Some(Framed::Malformed(fault)) => return (lengths, Some(fault.what)),
                None => assert!(piece.is_empty(), "all is used up where nothing ends"),
            }
        }
    }
    (lengths, None)
}

/// What holds of any bytes: they give the same messages however they are cut, a hole in them does no harm, and a start is looked for within
/// them.
pub fn check_framing<F: Framing>(new: impl Fn() -> F, bytes: &[u8], cuts: &[usize], missing: u64) {
    assert_eq!(lengths(&mut new(), split(bytes, cuts)), lengths(&mut new(), [bytes]));
    let mut framing = new();
    framing.read(split(bytes, cuts)[0]);
    framing.skip(missing);
    framing.restart();
    let (Start::At(at) | Start::NotBefore(at)) = framing.find_start(bytes);
    assert!(at <= bytes.len());
}

/// What `read` finds in pieces of both sides' bytes, each shown behind what was not used of those before; ends at what is malformed.
pub fn found<'a, T>(
    pieces: impl IntoIterator<Item = (Side, &'a [u8])>,
    mut read: impl FnMut(Side, &[u8]) -> Step<Result<T, &'static str>>,
) -> (Vec<T>, Option<&'static str>) {
    let (mut found, mut held) = (Vec::new(), [Vec::new(), Vec::new()]);
    for (side, piece) in pieces {
        let held = &mut held[side as usize];
        held.extend_from_slice(piece);
        loop {
            let Step { used, event } = read(side, held);
            assert!(used > 0 || !matches!(event, Some(Ok(_))), "an event uses bytes up");
            held.drain(..used);
            match event {
                Some(Ok(one)) => found.push(one),
                Some(Err(what)) => return (found, Some(what)),
                None => break,
            }
        }
    }
    (found, None)
}

/// `bytes` cut at these places, each taken modulo what is left.
pub fn split<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let (mut pieces, mut rest) = (Vec::new(), bytes);
    for cut in cuts {
        let (piece, behind) = rest.split_at(cut % (rest.len() + 1));
        pieces.push(piece);
        rest = behind;
    }
    pieces.push(rest);
    pieces
}

/// What holds of any talk: `read` gives the same whether pieces are shown whole or each is cut.
pub fn check_cuts<T: PartialEq + std::fmt::Debug>(
    pieces: &[(Side, &[u8])],
    cuts: &[usize],
    read: impl Fn(&mut dyn Iterator<Item = (Side, &[u8])>) -> T,
) {
    let whole = read(&mut pieces.iter().copied());
    let mut cut = pieces.iter().flat_map(|(side, piece)| split(piece, cuts).into_iter().map(|part| (*side, part)));
    assert_eq!(read(&mut cut), whole);
}
