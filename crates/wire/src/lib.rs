//! Protocol codecs without input or output: bytes in, messages out, both sides of a conversation.
//!
//! A codec owns no buffer, clock or socket. It is shown the front of what one [`Side`] has sent, says how much of it is used up and
//! what that was; "need more" is an answer and "malformed" is data. Holes in the bytes are the caller's affair: it says how many are
//! missing, and is told whether framing can go on.

pub mod http1;

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
