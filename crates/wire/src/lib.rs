//! Protocol codecs without input or output: bytes in, messages out, both sides of a conversation.
//!
//! A codec owns no buffer, clock or socket. It is shown the front of what one [`Side`] has sent, says how much of it is used up and
//! what that was; "need more" is an answer and "malformed" is data. Holes in the bytes are the caller's affair: it says how many are
//! missing, and is told whether framing can go on.

pub mod grpc;
pub mod hpack;
pub mod http1;
pub mod http2;
mod sha1;
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
