//! One recorded request with its response, if that was seen.

use bytes::Bytes;

use crate::{Name, TraceNs};

macro_rules! closed_names {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name written to files.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The value with this name, if there is one.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}
pub(crate) use closed_names;

closed_names! {
    /// What a row is.
    Kind {
        /// A request, answered or not.
        Request = "request",
        /// A long-lived stream begins.
        Open = "open",
        /// A message of the client that need not be answered: on a long-lived stream, or a command to which nothing comes.
        Message = "message",
        /// A message sent by the server: expected, not sent.
        Push = "push",
        /// A long-lived stream ends.
        Close = "close",
    }
}

closed_names! {
    /// What a request does to the target's state.
    Effect {
        /// Changes nothing.
        Read = "read",
        /// Changes data.
        Write = "write",
        /// Changes structure or settings.
        Admin = "admin",
        /// Keeps the connection or session going.
        Control = "control",
    }
}

closed_names! {
    /// What is special about a row.
    Flag {
        /// Establishes a session (connect, AUTH, PREPARE, SELECT db, SUBSCRIBE).
        Setup = "setup",
        /// Bytes inside it were not captured.
        Gap = "gap",
        /// Cut off before its end.
        Truncated = "truncated",
        /// Its connection was already going when recording began.
        MidConnection = "mid_connection",
        /// Something in it was masked.
        Redacted = "redacted",
        /// Never finished.
        Open = "open",
        /// Its body can be made up.
        Fillable = "fillable",
        /// Cannot be replayed.
        Unreplayable = "unreplayable",
        /// Text that was not UTF-8 is escaped in it.
        Escaped = "escaped",
    }
}

/// A set of [`Flag`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(u16);

impl Flags {
    /// Adds a flag.
    pub fn set(&mut self, flag: Flag) {
        self.0 |= 1 << flag as u16;
    }

    /// The set with one more flag.
    #[must_use]
    pub fn with(mut self, flag: Flag) -> Self {
        self.set(flag);
        self
    }

    /// Whether the flag is set.
    #[must_use]
    pub fn has(self, flag: Flag) -> bool {
        self.0 & (1 << flag as u16) != 0
    }

    /// The flags that are set, in order of declaration.
    pub fn iter(self) -> impl Iterator<Item = Flag> {
        Flag::ALL.iter().copied().filter(move |flag| self.has(*flag))
    }
}

/// A named value in the order and case it was sent: an HTTP header, gRPC metadata, a connection parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// As sent.
    pub name: Name,
    /// As sent, possibly masked.
    pub value: Bytes,
}

/// The unit of work an exchange belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Txn {
    /// What kind of work: `checkout`, `migration`.
    pub name: Name,
    /// Which one.
    pub id: Name,
}

/// A small identifier of the response that later requests may carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Yield {
    /// What it is: `cursor`, `prepared`, `/result/id`.
    pub name: Name,
    /// Its value, possibly masked.
    pub value: Box<str>,
}

/// One row of a trace. Times are nanoseconds; sizes are bytes on the wire.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// Place in the trace, from 0; given when the trace is written.
    pub id: u64,
    /// In a scaled trace: the id in the trace it came from.
    pub origin: u64,
    /// In a scaled trace: which copy (0 = itself).
    pub copy: u32,
    /// First byte of the request.
    pub at: TraceNs,
    /// The recorded user.
    pub session: u64,
    /// Place inside the session, from 0.
    pub seq: u32,
    /// An independent order inside the session.
    pub stream: u64,
    /// What this row is.
    pub kind: Kind,
    /// What it does to the target's state.
    pub effect: Effect,
    /// The unit of work it belongs to.
    pub txn: Option<Txn>,
    /// `http`, `postgres`, `redis` …
    pub protocol: Name,
    /// `1.1`, `3.0` …
    pub version: Name,
    /// The server's address as recorded, `host:port`.
    pub endpoint: Name,
    /// What the request addresses.
    pub collection: Name,
    /// The normalized verb.
    pub operation: Name,
    /// HTTP method or its like.
    pub method: Name,
    /// Path and query, SQL text, command and key.
    pub target: Box<str>,
    /// HTTP headers, gRPC metadata, connection parameters; `None` elsewhere.
    pub headers: Option<Vec<Header>>,
    /// The body, or the wire messages; `None` where not kept.
    pub request: Option<Bytes>,
    /// Size of the request on the wire.
    pub request_bytes: u64,
    /// Size of the response on the wire, 0 where none was seen.
    pub response_bytes: u64,
    /// Records, vectors or rows in the request.
    pub items: u32,
    /// `200`, `grpc:5`, SQLSTATE; `None` where no response was seen.
    pub status: Option<Name>,
    /// Whether the answer was good; `None` where no response was seen.
    pub ok: Option<bool>,
    /// From `at` to the first byte of the response.
    pub first_byte_ns: Option<i64>,
    /// From `at` to the last byte of the response.
    pub latency_ns: Option<i64>,
    /// Digest of the normalized response.
    pub answer_hash: Option<u64>,
    /// Identifiers in the answer, in order.
    pub answer_ids: Option<Vec<String>>,
    /// Identifiers that later requests may carry.
    pub yields: Vec<Yield>,
    /// The response body, kept on request.
    pub response: Option<Bytes>,
    /// What is special about it.
    pub flags: Flags,
}

impl Default for Exchange {
    /// An empty request at the trace's start.
    fn default() -> Self {
        Self {
            id: 0,
            origin: 0,
            copy: 0,
            at: TraceNs(0),
            session: 0,
            seq: 0,
            stream: 0,
            kind: Kind::Request,
            effect: Effect::Read,
            txn: None,
            protocol: Name::default(),
            version: Name::default(),
            endpoint: Name::default(),
            collection: Name::default(),
            operation: Name::default(),
            method: Name::default(),
            target: Box::default(),
            headers: None,
            request: None,
            request_bytes: 0,
            response_bytes: 0,
            items: 0,
            status: None,
            ok: None,
            first_byte_ns: None,
            latency_ns: None,
            answer_hash: None,
            answer_ids: None,
            yields: Vec::new(),
            response: None,
            flags: Flags::default(),
        }
    }
}

impl Exchange {
    /// What it weighs in memory, roughly, in bytes: for limits.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        let headers: usize = self.headers.iter().flatten().map(|h| h.name.len() + h.value.len() + 48).sum();
        let bodies = self.request.as_ref().map_or(0, Bytes::len) + self.response.as_ref().map_or(0, Bytes::len);
        let ids: usize = self.answer_ids.iter().flatten().map(|id| id.len() + 24).sum();
        std::mem::size_of::<Self>() + self.target.len() + headers + bodies + ids
    }

    /// The order of a trace: (`at`, `session`, `seq`), then stream and copy so that it is total.
    #[must_use]
    pub fn order(&self) -> (TraceNs, u64, u32, u64, u32) {
        (self.at, self.session, self.seq, self.stream, self.copy)
    }
}

/// Bytes as text: UTF-8 as it is, anything else with `\xNN` for each byte that does not belong (and `\\` for a backslash, so
/// that the escape is lossless). The flag says whether anything had to be escaped.
#[must_use]
pub fn escape_text(bytes: &[u8]) -> (Box<str>, bool) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return (text.into(), false);
    }
    let mut out = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        out.push_str(&chunk.valid().replace('\\', "\\\\"));
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    (out.into(), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_not_utf8_is_escaped_without_loss() {
        assert_eq!(escape_text(b"/a\\b"), ("/a\\b".into(), false));
        assert_eq!(escape_text(b"/a\\b\xff\xc3"), ("/a\\\\b\\xff\\xc3".into(), true));
    }

    #[test]
    fn flags_hold_what_was_set() {
        let flags = Flags::default().with(Flag::Gap).with(Flag::Escaped);
        assert_eq!(flags.iter().collect::<Vec<_>>(), [Flag::Gap, Flag::Escaped]);
        assert!(!flags.has(Flag::Setup));
    }
}
