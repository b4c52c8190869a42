//! IP packets put together from fragments (RFC 791, section 3.2; RFC 8200, section 4.5), in bounded memory. The first copy wins.

use std::collections::HashMap;

use super::Reason;

/// IP packets that may be incomplete at once; past it the oldest is dropped.
const INCOMPLETE_MAX: usize = 1024;
/// Bytes of one IP packet.
const WHOLE_BYTES_MAX: usize = 65_535;
/// How long fragments wait for the rest: RFC 8200, section 4.5.
const WAIT_NS: i64 = 60_000_000_000;

pub(super) const INCOMPLETE: Reason = Reason::Kind("IP fragment without the rest of its packet");

/// Which IP packet a fragment belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Id {
    pub from: u128,
    pub to: u128,
    pub number: u32,
    pub protocol: u8,
}

/// A piece of an IP packet's payload.
pub(super) struct Fragment<'a> {
    pub id: Id,
    pub offset: usize,
    /// Whether more follows.
    pub more: bool,
    pub bytes: &'a [u8],
}

/// A payload put together.
pub(super) struct Whole {
    pub protocol: u8,
    pub bytes: Vec<u8>,
    /// Captured packets it came in.
    pub packets: u64,
}

#[derive(Default)]
struct Partial {
    bytes: Vec<u8>,
    /// Ranges of `bytes` that are there, in order, apart from one another.
    known: Vec<(usize, usize)>,
    total: Option<usize>,
    packets: u64,
    begun_unix_ns: i64,
}

impl Partial {
    /// Puts in what is not known yet.
    fn fill(&mut self, offset: usize, piece: &[u8]) {
        let end = offset + piece.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        let mut at = offset;
        for (known_start, known_end) in self.known.iter().copied().chain([(end, end)]) {
            let stop = known_start.min(end);
            if at < stop {
                self.bytes[at..stop].copy_from_slice(&piece[at - offset..stop - offset]);
            }
            at = at.max(known_end);
        }
        self.known.push((offset, end));
        self.known.sort_unstable();
        self.known.dedup_by(|next, before| {
            let touch = next.0 <= before.1;
            if touch {
                before.1 = before.1.max(next.1);
            }
            touch
        });
    }

    fn is_whole(&self) -> bool {
        self.total.is_some_and(|total| matches!(self.known[..], [(0, end), ..] if end >= total))
    }
}

/// The IP packets that are not whole yet.
#[derive(Default)]
pub(super) struct Fragments(HashMap<Id, Partial>);

impl Fragments {
    /// Takes one piece, which came in `packets` captured packets. Gives the payload if it is whole now, and how many captured
    /// packets were given up to make room.
    pub fn add(&mut self, piece: &Fragment<'_>, packets: u64, at_unix_ns: i64) -> (Option<Whole>, u64) {
        let end = piece.offset + piece.bytes.len();
        if end > WHOLE_BYTES_MAX || (piece.bytes.is_empty() && piece.more) {
            return (None, packets);
        }
        let forgotten = self.make_room(piece.id, at_unix_ns);
        let partial = self.0.entry(piece.id).or_insert_with(|| Partial { begun_unix_ns: at_unix_ns, ..Partial::default() });
        partial.packets += packets;
        partial.fill(piece.offset, piece.bytes);
        if !piece.more {
            partial.total.get_or_insert(end);
        }
        if !partial.is_whole() {
            return (None, forgotten);
        }
        let whole = self.0.remove(&piece.id).map(|mut done| {
            done.bytes.truncate(done.total.unwrap_or(WHOLE_BYTES_MAX));
            Whole { protocol: piece.id.protocol, bytes: done.bytes, packets: done.packets }
        });
        (whole, forgotten)
    }

    /// Drops the packet of the same number that waited too long, and the oldest one when there are too many.
    fn make_room(&mut self, id: Id, at_unix_ns: i64) -> u64 {
        match self.0.get(&id) {
            Some(partial) if at_unix_ns - partial.begun_unix_ns <= WAIT_NS => 0,
            Some(_) => self.forget(id),
            None if self.0.len() < INCOMPLETE_MAX => 0,
            None => {
                let age = |(id, partial): (&Id, &Partial)| (partial.begun_unix_ns, id.from, id.to, id.number, id.protocol);
                let oldest = self.0.iter().min_by_key(|entry| age(*entry)).map(|(id, _)| *id);
                oldest.map_or(0, |oldest| self.forget(oldest))
            }
        }
    }

    fn forget(&mut self, id: Id) -> u64 {
        self.0.remove(&id).map_or(0, |partial| partial.packets)
    }

    /// Drops everything; returns the captured packets given up.
    pub fn forget_all(&mut self) -> u64 {
        self.0.drain().map(|(_, partial)| partial.packets).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: Id = Id { from: 1, to: 2, number: 3, protocol: 6 };

    fn piece(offset: usize, bytes: &[u8], more: bool) -> Fragment<'_> {
        Fragment { id: ID, offset, more, bytes }
    }

    #[test]
    fn the_first_copy_of_a_byte_wins() {
        let mut fragments = Fragments::default();
        assert!(fragments.add(&piece(8, b"GOODGOOD", true), 1, 0).0.is_none());
        assert!(fragments.add(&piece(0, b"firstsixEVIL", true), 1, 0).0.is_none());
        let whole = fragments.add(&piece(16, b"end", false), 1, 0).0.expect("nothing is missing");
        assert_eq!((&whole.bytes[..], whole.packets), (&b"firstsixGOODGOODend"[..], 3));
    }

    #[test]
    fn incomplete_packets_are_bounded_and_counted() {
        let mut fragments = Fragments::default();
        let mut forgotten = 0;
        for number in 0..INCOMPLETE_MAX as u32 + 10 {
            let id = Id { number, ..ID };
            forgotten += fragments.add(&Fragment { id, offset: 0, more: true, bytes: b"12345678" }, 1, i64::from(number)).1;
        }
        assert_eq!((forgotten, fragments.forget_all()), (10, INCOMPLETE_MAX as u64));
    }

    #[test]
    fn a_number_used_again_much_later_is_another_packet() {
        let mut fragments = Fragments::default();
        fragments.add(&piece(0, b"old half", true), 1, 0);
        let (whole, forgotten) = fragments.add(&piece(8, b"new half", false), 1, WAIT_NS + 1);
        assert!(whole.is_none());
        assert_eq!(forgotten, 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Any order and repetition of the pieces of a payload gives the payload.
        #[test]
        fn order_and_repetition_do_not_matter(
            payload in prop::collection::vec(any::<u8>(), 1..200),
            cuts in prop::collection::btree_set(1usize..200, 0..8),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let cuts: Vec<usize> = [0].into_iter().chain(cuts.into_iter().filter(|cut| *cut < payload.len())).chain([payload.len()]).collect();
            let pieces: Vec<(usize, usize)> = cuts.windows(2).map(|pair| (pair[0], pair[1])).collect();
            let mut sequence: Vec<usize> = order.iter().map(|index| index.index(pieces.len())).collect();
            sequence.extend(0..pieces.len());
            let mut fragments = Fragments::default();
            let done = sequence.into_iter().find_map(|index| {
                let (start, end) = pieces[index];
                fragments.add(&piece(start, &payload[start..end], end < payload.len()), 1, 0).0
            });
            prop_assert_eq!(done.map(|whole| whole.bytes), Some(payload));
        }
    }
}
