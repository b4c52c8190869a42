//! PostgreSQL's codec as tests and fuzz targets drive it.

use wire::postgres::{Conversation, Event};
use wire::{Side, Step};

/// A message as it was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub side: Side,
    pub tag: u8,
    pub content: Vec<u8>,
    pub request: Option<u64>,
    /// Whether the request began with it.
    pub begins: bool,
}

/// The messages in pieces of both sides' bytes, and what is malformed behind them.
pub fn read<'a>(
    talk: &mut Conversation,
    pieces: impl IntoIterator<Item = (Side, &'a [u8])>,
) -> (Vec<Seen>, Option<&'static str>) {
    let (mut contents, mut begun): ([Vec<u8>; 2], _) = (Default::default(), [false; 2]);
    let (seen, fault) = super::found(pieces, |side, bytes| {
        let Step { used, event } = talk.read(side, bytes);
        let event = event.map(|event| match event {
            Event::Malformed(fault) => Err(fault.what),
            Event::Piece(piece) => {
                contents[side as usize].extend_from_slice(piece.part);
                begun[side as usize] |= piece.begins;
                Ok(piece.end.then(|| {
                    let content = std::mem::take(&mut contents[side as usize]);
                    assert_eq!(piece.length as usize, content.len());
                    let begins = std::mem::take(&mut begun[side as usize]);
                    Seen { side, tag: piece.tag, content, request: piece.request, begins }
                }))
            }
        });
        Step { used, event }
    });
    (seen.into_iter().flatten().collect(), fault)
}
