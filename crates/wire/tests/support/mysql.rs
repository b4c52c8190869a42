//! MySQL's codec as tests and fuzz targets drive it.

use wire::mysql::{Conversation, Event};
use wire::{Side, Step};

/// A message as it was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub side: Side,
    pub content: Vec<u8>,
    pub request: Option<u64>,
    /// The command, if it began one.
    pub begins: Option<u8>,
    /// What the server's meant for its request.
    pub said: String,
}

/// The messages in pieces of both sides' bytes, and what is malformed behind them.
pub fn read<'a>(
    talk: &mut Conversation,
    pieces: impl IntoIterator<Item = (Side, &'a [u8])>,
) -> (Vec<Seen>, Option<&'static str>) {
    let (mut contents, mut begun): ([Vec<u8>; 2], _) = (Default::default(), [None; 2]);
    let (seen, fault) = super::found(pieces, |side, bytes| {
        let Step { used, event } = talk.read(side, bytes);
        let event = event.map(|event| match event {
            Event::Malformed(fault) => Err(fault.what),
            Event::Piece(piece) => {
                contents[side as usize].extend_from_slice(piece.part);
                begun[side as usize] = begun[side as usize].or(piece.begins);
                Ok(piece.end.then(|| {
                    let content = std::mem::take(&mut contents[side as usize]);
                    let said = match side {
                        Side::Client => {
                            talk.sent(&content, content.len() as u64);
                            String::new()
                        }
                        Side::Server => format!("{:?}", talk.heard(&content, content.len() as u64)),
                    };
                    Seen { side, content, request: piece.request, begins: begun[side as usize].take(), said }
                }))
            }
        });
        Step { used, event }
    });
    (seen.into_iter().flatten().collect(), fault)
}
