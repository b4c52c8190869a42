//! What tests of several framings need.
#![allow(dead_code, missing_docs, reason = "each test uses its part of it")]

use wire::{Framed, Framing};

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
