//! How the events of a connection lie in the bytes of a fuzzer: what it is and on which side, a length, and as many bytes.

use wire::Side;

/// What happens on one side.
pub enum What {
    Bytes,
    Gap,
    End,
}

/// The events, up to the last one that is whole or cut short.
pub fn events(mut rest: &[u8]) -> impl Iterator<Item = (What, Side, &[u8])> {
    std::iter::from_fn(move || {
        let [kind, length, tail @ ..] = rest else { return None };
        let side = if kind & 1 == 0 { Side::Client } else { Side::Server };
        let what = match kind >> 1 & 7 {
            0 => What::Gap,
            1 => What::End,
            _ => What::Bytes,
        };
        let (bytes, tail) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = tail;
        Some((what, side, bytes))
    })
}

/// What is said, holes and ends left out.
#[allow(dead_code, reason = "one target wants all events")]
pub fn pieces(bytes: &[u8]) -> Vec<(Side, &[u8])> {
    events(bytes).filter(|(what, ..)| matches!(what, What::Bytes)).map(|(_, side, bytes)| (side, bytes)).collect()
}
