//! Protocol codecs without input or output: bytes in, messages out, both sides of a conversation.
//!
//! A codec owns no buffer, clock or socket. It is shown the front of what one [`Side`] has sent, says how much of it is used up and
//! what that was; "need more" is an answer and "malformed" is data. Holes in the bytes are the caller's affair: it says how many are
//! missing, and is told whether framing can go on.

pub mod grpc;
pub mod hpack;
pub mod http1;
pub mod http2;
pub mod kafka;
pub mod length;
pub mod mongodb;
pub mod mysql;
pub mod postgres;
pub mod redis;
pub mod websocket;

/// Who sent some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The side that opened the connection and asks.
    Client,
    /// The side that accepted it and answers.
    Server,
}

impl Side {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// Bytes that are not of the protocol, as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong, as a noun phrase.
    pub what: &'static str,
    /// Where, counted from the front of the bytes that were shown.
    pub offset: usize,
}

/// How far the bytes were understood. No event means that more bytes are needed (some may have been used up all the same).
#[derive(Debug, Clone, Copy)]
pub struct Step<E> {
    /// Bytes that are done with: show what follows them next time.
    pub used: usize,
    /// What they were.
    pub event: Option<E>,
}

pub(crate) fn step<E>(used: usize, event: E) -> Step<E> {
    Step { used, event: Some(event) }
}

pub(crate) fn more<E>(used: usize) -> Step<E> {
    Step { used, event: None }
}

/// Where a message may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At this offset.
    At(usize),
    /// Nowhere before this offset; look again from there when there are more bytes.
    NotBefore(usize),
}

/// What a hole in one side's bytes means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hole {
    /// It lies inside a message: framing goes on behind it.
    Inside,
    /// It is the rest of the message under way, which is over now; its end will not be told again.
    ToEnd,
    /// The message under way ends in it, and at least a part of the next one is missing too.
    Past,
    /// Where it ends cannot be known.
    Lost,
}

/// What the bytes that were used up are to a [`Framing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framed {
    /// A message ends with the last of them.
    End,
    /// No message of the protocol: what follows is not understood before [`Framing::restart`].
    Malformed(Malformed),
}

/// Finds where the messages of one side end, in protocols where that depends on nothing the other side says.
///
/// Each byte is shown once; all are used up unless something ends before them. Whoever wants a message keeps its bytes. Nothing is
/// allocated for what a length claims.
pub trait Framing {
    /// Looks at the next bytes.
    fn read(&mut self, bytes: &[u8]) -> Step<Framed>;

    /// The next `missing` bytes were not seen. After [`Hole::Past`] and [`Hole::Lost`] this side stands still until
    /// [`Framing::restart`].
    fn skip(&mut self, missing: u64) -> Hole;

    /// Gives up the message under way: the next bytes shown begin a new one.
    fn restart(&mut self);

    /// Where a message may start in bytes whose framing was lost. What is not before [`Start::NotBefore`] is held back meanwhile: at
    /// most some hundred KiB.
    fn find_start(&self, bytes: &[u8]) -> Start;
}
