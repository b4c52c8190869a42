//! PostgreSQL's frontend/backend protocol, version 3 (PostgreSQL documentation, "Frontend/Backend Protocol").
//!
//! [`Conversation`] cuts both sides into messages without holding any bytes, and says which request each message belongs to. A request is
//! what a client waits for: one simple query, one Execute with the messages before it that prepare it, a start of the session. Answers are
//! told apart by what each message asks for, so that any number of requests may be under way (pipelining), and an error skips what was
//! sent up to the next Sync.
//!
//! ```
//! use wire::Side;
//! use wire::postgres::{Conversation, Event, push_query};
//! let mut talk = Conversation::joined_late();
//! let mut bytes = Vec::new();
//! push_query("SELECT 1", &mut bytes);
//! let step = talk.read(Side::Client, &bytes);
//! let Some(Event::Piece(piece)) = step.event else { panic!("a whole message") };
//! assert_eq!((step.used, piece.tag, piece.part, piece.begins), (bytes.len(), b'Q', &b"SELECT 1\0"[..], true));
//! ```

mod content;
mod frame;

use std::collections::VecDeque;

use crate::{Hole, Malformed, Side, Step, more, step};
pub use content::{
    Bind, CommandTag, Parse, authentication, bind, cut_text, error_field, messages, named, parse, push_execute, push_message,
    push_query, push_startup, startup_parameters, with_parameters,
};
pub use frame::{CANCEL, GSS_REQUEST, MESSAGE_BYTES_MAX, SSL_REQUEST, STARTUP, find_start, is_chain, push_head};
use frame::{Head, Mode};

/// Answers that may be outstanding; past it, the oldest has to be forgotten.
pub const OUTSTANDING_MAX: usize = 1 << 16;
/// Outstanding answers that are looked at for the one that a message gives, where messages were lost.
const LOOK_AHEAD: usize = 64;

/// A part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The message's type byte; [`STARTUP`] and its like for what comes before there are types.
    pub tag: u8,
    /// Bytes of the message before the content: none, unless this is its first part.
    pub head_bytes: usize,
    /// Bytes of the content, perhaps none.
    pub part: &'a [u8],
    /// It is the last of its message.
    pub end: bool,
    /// Bytes of the whole content.
    pub length: u32,
    /// The request that it is of, or answers; `None` where it is of none: a notification, an answer that nobody asked for, a good-bye.
    pub request: Option<u64>,
    /// The request begins with it.
    pub begins: bool,
}

impl Piece<'_> {
    /// Whether it is the first of its message.
    #[must_use]
    pub const fn starts(&self) -> bool {
        self.head_bytes > 0
    }

    /// Bytes on the wire.
    #[must_use]
    pub const fn wire_bytes(&self) -> u64 {
        (self.head_bytes + self.part.len()) as u64
    }
}

/// What some bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A part of a message.
    Piece(Piece<'a>),
    /// No message.
    Malformed(Malformed),
}

/// What is to be said to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    Negotiation,
    Startup,
    Query,
    FunctionCall,
    Parse,
    Bind,
    Describe,
    Execute,
    Close,
    Sync,
    /// Nothing: the client's data of a COPY end here, before the server has asked for them.
    CopyEnd,
    /// Whatever was asked by a message that was not seen.
    Unseen,
}

impl Want {
    /// Whether a message of the server is said to it, and is the last that is.
    fn takes(self, tag: u8) -> Option<bool> {
        match (self, tag) {
            (Self::Negotiation, b'S' | b'N' | b'G' | b'E') | (Self::Startup, b'E') => Some(true),
            (Self::Startup, b'R' | b'K' | b'v') => Some(false),
            (Self::Query, b'T' | b'D' | b'C' | b'I' | b'G' | b'H' | b'W' | b'd' | b'c' | b'E') => Some(false),
            (Self::FunctionCall, b'V' | b'E') | (Self::Sync, b'E') | (Self::Describe, b't') => Some(false),
            (Self::Execute, b'D' | b'G' | b'H' | b'W' | b'd' | b'c') => Some(false),
            (Self::Execute, b'C' | b'I' | b's' | b'E') | (Self::Describe, b'T' | b'n' | b'E') => Some(true),
            (Self::Parse, b'1' | b'E') | (Self::Bind, b'2' | b'E') | (Self::Close, b'3' | b'E') => Some(true),
            (want, b'Z') => want.is_boundary().then_some(true),
            (Self::Unseen, _) => Some(false),
            _ => None,
        }
    }

    /// Whether ReadyForQuery is said to it.
    fn is_boundary(self) -> bool {
        matches!(self, Self::Startup | Self::Query | Self::FunctionCall | Self::Sync | Self::Unseen)
    }
}

#[derive(Debug, Clone, Copy)]
struct Expected {
    want: Want,
    request: u64,
}

/// The request that further messages of the extended protocol may belong to.
#[derive(Debug, Clone, Copy)]
struct Current {
    request: u64,
    executed: bool,
    flushed: bool,
}

/// Both sides of one connection.
#[derive(Debug)]
pub struct Conversation {
    modes: [Mode; 2],
    /// The message under way on each side, with the request it is of.
    under_way: [Option<(Head, Option<u64>)>; 2],
    expected: VecDeque<Expected>,
    current: Option<Current>,
    /// The request whose data the client sends.
    copying: Option<u64>,
    next_request: u64,
}

impl Default for Conversation {
    fn default() -> Self {
        Self::new()
    }
}

impl Conversation {
    /// A connection that begins.
    #[must_use]
    pub fn new() -> Self {
        Self { modes: [Mode::Startup, Mode::Typed], ..Self::joined_late() }
    }

    /// A connection that was going already.
    #[must_use]
    pub fn joined_late() -> Self {
        Self {
            modes: [Mode::Typed; 2],
            under_way: [None; 2],
            expected: VecDeque::new(),
            current: None,
            copying: None,
            next_request: 0,
        }
    }

    /// Reads the front of what one side sent.
    pub fn read<'a>(&mut self, side: Side, bytes: &'a [u8]) -> Step<Event<'a>> {
        if self.under_way[side as usize].is_some() {
            return if bytes.is_empty() { more(0) } else { self.part(side, 0, bytes, false) };
        }
        let head = match frame::read_head(side, self.modes[side as usize], bytes) {
            Ok(Some(head)) => head,
            Ok(None) => return more(0),
            Err(what) => return step(0, Event::Malformed(Malformed { what, offset: 0 })),
        };
        let (request, begins) = match side {
            Side::Client => self.ask(head.tag),
            Side::Server => (self.hear(head.tag), false),
        };
        self.under_way[side as usize] = Some((head, request));
        self.part(side, head.head_bytes, bytes, begins)
    }

    fn part<'a>(&mut self, side: Side, head_bytes: usize, bytes: &'a [u8], begins: bool) -> Step<Event<'a>> {
        let Some((head, request)) = &mut self.under_way[side as usize] else { return more(0) };
        let rest = &bytes[head_bytes..];
        let part = &rest[..rest.len().min(head.left as usize)];
        head.left -= part.len() as u32;
        let (tag, length, request) = (head.tag, head.length, *request);
        let end = head.left == 0;
        if end {
            self.under_way[side as usize] = None;
        }
        step(head_bytes + part.len(), Event::Piece(Piece { tag, head_bytes, part, end, length, request, begins }))
    }

    /// Says that `missing_bytes` of one side, behind what was read, were not seen.
    pub fn skip(&mut self, side: Side, missing_bytes: u64) -> Hole {
        let Some((head, _)) = &mut self.under_way[side as usize] else { return Hole::Lost };
        if missing_bytes > u64::from(head.left) {
            self.under_way[side as usize] = None;
            return Hole::Lost;
        }
        head.left -= missing_bytes as u32;
        if head.left > 0 {
            return Hole::Inside;
        }
        self.under_way[side as usize] = None;
        Hole::ToEnd
    }

    /// Says that the next bytes of one side begin a message.
    pub fn restart(&mut self, side: Side) {
        self.under_way[side as usize] = None;
        self.modes[side as usize] = Mode::Typed;
    }

    /// The number of the oldest request that is not over: those before it get no further answer and have no further messages.
    #[must_use]
    pub fn oldest_open(&self) -> u64 {
        let expected = self.expected.iter().find(|expected| expected.want != Want::CopyEnd).map(|expected| expected.request);
        let current = self.current.filter(|current| !current.flushed).map(|current| current.request);
        let open = [expected, current].into_iter().flatten().min();
        open.unwrap_or(self.next_request).min(self.copying.unwrap_or(u64::MAX))
    }

    /// Whether all that was asked so far ends with an answer that has not come: a client that does not pipeline waits for it.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.expected.back().is_some_and(|expected| expected.want.is_boundary())
    }

    /// The number of answers that are outstanding.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.expected.len()
    }

    /// No answer to this request and those before it is awaited any more.
    pub fn forget(&mut self, request: u64) {
        while self.expected.front().is_some_and(|expected| expected.request <= request) {
            self.expected.pop_front();
        }
        self.current = self.current.filter(|current| current.request > request);
        self.copying = self.copying.filter(|copying| *copying > request);
    }

    /// Messages of the client were not seen: there is a request whose answer will come. Its number.
    pub fn expect_unseen(&mut self) -> u64 {
        (self.current, self.copying) = (None, None);
        let request = self.begin();
        self.expect(Want::Unseen, request);
        request
    }

    fn begin(&mut self) -> u64 {
        self.next_request += 1;
        self.next_request - 1
    }

    fn expect(&mut self, want: Want, request: u64) {
        self.expected.push_back(Expected { want, request });
    }

    /// The request that a message of the client is of, and whether it begins with it.
    fn ask(&mut self, tag: u8) -> (Option<u64>, bool) {
        if let (Some(request), b'd' | b'c' | b'f' | b'S' | b'H') = (self.copying, tag) {
            // While data are copied, Sync and Flush are ignored.
            self.copying = self.copying.filter(|_| !matches!(tag, b'c' | b'f'));
            return (Some(request), false);
        }
        match tag {
            STARTUP => self.alone(Want::Startup),
            SSL_REQUEST | GSS_REQUEST => {
                self.modes[Side::Server as usize] = Mode::OneByte;
                self.alone(Want::Negotiation)
            }
            CANCEL => (Some(self.begin()), true),
            b'Q' => self.alone(Want::Query),
            b'F' => self.alone(Want::FunctionCall),
            b'P' => self.extended(Want::Parse),
            b'B' => self.extended(Want::Bind),
            b'E' => self.extended(Want::Execute),
            b'D' => self.extended(Want::Describe),
            b'C' => self.extended(Want::Close),
            b'S' => self.sync(),
            b'H' => {
                self.current.iter_mut().for_each(|current| current.flushed = true);
                (self.current.map(|current| current.request), false)
            }
            b'c' | b'f' => {
                let latest = self.expected.back().copied();
                // Data end once.
                if let Some(Expected { request, .. }) = latest.filter(|latest| latest.want != Want::CopyEnd) {
                    self.expect(Want::CopyEnd, request);
                }
                (latest.map(|latest| latest.request), false)
            }
            b'd' => (self.latest(), false),
            b'p' => (self.expected.front().map(|expected| expected.request), false),
            _ => (None, false),
        }
    }

    fn latest(&self) -> Option<u64> {
        self.expected.back().map(|expected| expected.request)
    }

    fn alone(&mut self, want: Want) -> (Option<u64>, bool) {
        self.current = None;
        let request = self.begin();
        self.expect(want, request);
        if want == Want::Startup {
            self.modes[Side::Client as usize] = Mode::Typed;
        }
        (Some(request), true)
    }

    /// Parse, Bind and Execute go on with what was executed before only in a request of their own.
    fn extended(&mut self, want: Want) -> (Option<u64>, bool) {
        let starts = matches!(want, Want::Parse | Want::Bind | Want::Execute);
        let goes_on = self.current.filter(|current| !(current.flushed || current.executed && starts));
        let request = goes_on.map_or_else(|| self.begin(), |current| current.request);
        let executed = want == Want::Execute || goes_on.is_some_and(|current| current.executed);
        self.current = Some(Current { request, executed, flushed: false });
        self.expect(want, request);
        (Some(request), goes_on.is_none())
    }

    /// Sync belongs to the request before it, unless that is over.
    fn sync(&mut self) -> (Option<u64>, bool) {
        let unanswered = self.expected.back().filter(|expected| !expected.want.is_boundary()).map(|expected| expected.request);
        let current = self.current.take().filter(|current| !current.flushed).map(|current| current.request);
        let before = current.or(unanswered);
        let request = before.unwrap_or_else(|| self.begin());
        self.expect(Want::Sync, request);
        (Some(request), before.is_none())
    }

    /// The request that a message of the server answers.
    fn hear(&mut self, tag: u8) -> Option<u64> {
        self.modes[Side::Server as usize] = Mode::Typed;
        if tag == b'A' {
            return None;
        }
        let position = self.expected.iter().take(LOOK_AHEAD).position(|expected| expected.want.takes(tag).is_some());
        let boundary = self.expected.iter().take(LOOK_AHEAD).position(|expected| expected.want.is_boundary());
        let found = position.filter(|position| boundary.is_none_or(|boundary| *position <= boundary));
        let is_notice = matches!(tag, b'N' | b'S') && found.is_none();
        if is_notice {
            return self.expected.front().map(|expected| expected.request);
        }
        self.expected.drain(..found?);
        let Expected { want, request } = *self.expected.front()?;
        if want.takes(tag) == Some(true) {
            self.expected.pop_front();
        }
        match tag {
            b'E' => self.failed(want),
            b'G' | b'W' => self.copy_begins(request),
            b'C' | b'Z' => self.copying = None,
            _ => {}
        }
        Some(request)
    }

    /// What follows up to the next Sync is skipped.
    fn failed(&mut self, want: Want) {
        self.copying = None;
        if matches!(want, Want::Parse | Want::Bind | Want::Describe | Want::Execute | Want::Close) {
            while self.expected.front().is_some_and(|expected| !expected.want.is_boundary()) {
                self.expected.pop_front();
            }
        }
    }

    /// The server waits for data. What else was sent already, up to their end, it ignores.
    fn copy_begins(&mut self, request: u64) {
        if self.copying == Some(request) {
            return;
        }
        let end = self.expected.iter().position(|expected| expected.want == Want::CopyEnd);
        self.copying = end.is_none().then_some(request);
        let until = end.unwrap_or(self.expected.len());
        let mut place = 0;
        self.expected.retain(|expected| {
            place += 1;
            place > until + 1 || !matches!(expected.want, Want::Sync | Want::CopyEnd)
        });
    }
}
