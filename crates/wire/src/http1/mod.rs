//! HTTP/1.0 and HTTP/1.1 (RFC 9110, RFC 9112), both sides of a connection.
//!
//! One [`Conversation`] per connection. The caller holds the bytes and shows their front; each [`Step`] says how many are used up and at
//! most one event. The framing of an answer depends on its request (HEAD, CONNECT), so requests come first: a replaying client says
//! what it sends with [`Conversation::note_request`], a recorder shows the client's bytes to [`Conversation::client`].
//!
//! ```
//! use wire::http1::{Conversation, Event};
//! let mut conversation = Conversation::new();
//! conversation.note_request(b"GET");
//! let mut bytes: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
//! let mut body = Vec::new();
//! loop {
//!     let step = conversation.server(bytes);
//!     bytes = &bytes[step.used..];
//!     match step.event {
//!         Some(Event::Head(head)) => assert_eq!(head.status, 200),
//!         Some(Event::Body(part)) => body.extend_from_slice(part),
//!         Some(Event::End) | None => break,
//!         Some(other) => panic!("{other:?}"),
//!     }
//! }
//! assert_eq!(body, b"hi");
//! ```

mod chunk;
mod encode;
mod find;
mod head;

use std::collections::VecDeque;

use chunk::{Chunk, Found};
pub use encode::{Request, encode_request};
pub use find::find_start;
use head::{Asked, head_end, may_be_response};
pub use head::{Body, HeaderIter, Headers, Oddities, Oddity, RequestHead, ResponseHead};

pub use crate::{Hole, Malformed, Start, Step};
use crate::{Side, more, step};

/// Bytes of a head, or of the trailers of a chunked body.
pub const HEAD_BYTES_MAX: usize = 256 << 10;
/// Header lines of a head.
pub const HEADERS_MAX: usize = 512;
/// Bytes of the line that gives a chunk's size, with its extensions.
pub const CHUNK_LINE_BYTES_MAX: usize = 16 << 10;
/// Requests that wait for their answer; at the limit the client's bytes are not looked at until one is answered or forgotten.
pub const OUTSTANDING_MAX: usize = 4096;

/// What was found at the front of the bytes.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a, Head> {
    /// A message begins.
    Head(Head),
    /// A part of its body, transfer coding taken off, content coding left on. Never empty.
    Body(&'a [u8]),
    /// The message is complete. Comes once for each head, with or without a body; the end of one that runs until the connection closes
    /// comes from [`Conversation::closed`].
    End,
    /// Bytes of another protocol, after a 101 or a successful CONNECT. Never empty.
    Tunnel(&'a [u8]),
    /// Not HTTP.
    Malformed(Malformed),
}

/// An event of the client's bytes.
pub type ClientEvent<'a> = Event<'a, RequestHead<'a>>;
/// An event of the server's bytes.
pub type ServerEvent<'a> = Event<'a, ResponseHead<'a>>;

/// What the end of one side's bytes means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// No message was under way, except for what the caller may still hold of a head.
    Between,
    /// The message that ran until the connection closed is now complete.
    Finished,
    /// The message under way is not complete.
    CutShort,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before or in a head of which so many bytes were looked through.
    Head(usize),
    Length(u64),
    Chunked(Chunk),
    UntilClose,
    /// The message is complete, which is still to be said.
    End,
    Tunnel,
    /// Malformed or lost: waits for a restart.
    Broken,
}

impl State {
    fn after(body: Body) -> Self {
        match body {
            Body::None => Self::End,
            Body::Length(length) => Self::Length(length),
            Body::Chunked => Self::Chunked(Chunk::Size),
            Body::UntilClose => Self::UntilClose,
        }
    }

    /// One step outside of heads.
    fn proceed<'a, Head>(&mut self, bytes: &'a [u8]) -> Step<Event<'a, Head>> {
        match *self {
            Self::Length(left) => self.length(left, bytes),
            Self::Chunked(chunk) => self.chunked(chunk, bytes),
            Self::UntilClose if !bytes.is_empty() => step(bytes.len(), Event::Body(bytes)),
            Self::Tunnel if !bytes.is_empty() => step(bytes.len(), Event::Tunnel(bytes)),
            Self::End => {
                *self = Self::Head(0);
                step(0, Event::End)
            }
            Self::Head(_) | Self::UntilClose | Self::Tunnel | Self::Broken => more(0),
        }
    }

    fn length<'a, Head>(&mut self, left: u64, bytes: &'a [u8]) -> Step<Event<'a, Head>> {
        let here = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        if here == 0 {
            return more(0);
        }
        let left = left - here as u64;
        *self = if left == 0 { Self::End } else { Self::Length(left) };
        step(here, Event::Body(&bytes[..here]))
    }

    fn chunked<'a, Head>(&mut self, mut chunk: Chunk, bytes: &'a [u8]) -> Step<Event<'a, Head>> {
        let mut used = 0;
        loop {
            match chunk::proceed(chunk, &bytes[used..]) {
                Found::Data(data, next) => {
                    *self = Self::Chunked(next);
                    return step(used + data.len(), Event::Body(data));
                }
                Found::Framing(length, next) => {
                    used += length;
                    chunk = next;
                }
                Found::Last(length) => {
                    *self = Self::Head(0);
                    return step(used + length, Event::End);
                }
                Found::More => {
                    *self = Self::Chunked(chunk);
                    return more(used);
                }
                Found::Malformed(what) => return self.broken(used, Malformed { what, offset: used }),
            }
        }
    }

    fn broken<'a, Head>(&mut self, used: usize, fault: Malformed) -> Step<Event<'a, Head>> {
        *self = Self::Broken;
        step(used, Event::Malformed(fault))
    }
}

/// Both sides of one connection.
#[derive(Debug)]
pub struct Conversation {
    asked: VecDeque<Asked>,
    client: State,
    server: State,
    /// The response under way is a 1xx before the final one.
    interim: bool,
    /// The connection has become something else.
    tunnel: bool,
}

impl Default for Conversation {
    fn default() -> Self {
        Self::new()
    }
}

impl Conversation {
    /// A connection on which nothing was said yet.
    #[must_use]
    pub fn new() -> Self {
        Self { asked: VecDeque::new(), client: State::Head(0), server: State::Head(0), interim: false, tunnel: false }
    }

    /// Says that a request with this method is sent, for callers that do not show the client's bytes. False, and nothing noted, where
    /// [`OUTSTANDING_MAX`] requests wait already.
    #[must_use]
    pub fn note_request(&mut self, method: &[u8]) -> bool {
        let room = self.asked.len() < OUTSTANDING_MAX;
        if room {
            self.asked.push_back(Asked::of(method));
        }
        room
    }

    /// Requests that wait for their final answer.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.asked.len()
    }

    /// The oldest outstanding request will not be answered: its answer was lost, or is no longer waited for.
    pub fn forget_oldest(&mut self) {
        self.asked.pop_front();
    }

    /// Looks at the front of the client's bytes. Unused bytes are to be shown again, with more behind them, after the next bytes of
    /// either side: what follows a CONNECT waits for its answer.
    pub fn client<'a>(&mut self, bytes: &'a [u8]) -> Step<ClientEvent<'a>> {
        match self.client {
            State::Head(_) if self.tunnel => {
                self.client = State::Tunnel;
                self.client.proceed(bytes)
            }
            State::Head(seen) => self.request_head(bytes, seen),
            _ => self.client.proceed(bytes),
        }
    }

    /// Looks at the front of the server's bytes. Unused bytes are to be shown again with more behind them.
    pub fn server<'a>(&mut self, bytes: &'a [u8]) -> Step<ServerEvent<'a>> {
        if let State::Head(seen) = self.server {
            return self.response_head(bytes, seen);
        }
        let step = self.server.proceed(bytes);
        if matches!(step.event, Some(Event::End)) {
            self.answered();
        }
        step
    }

    fn request_head<'a>(&mut self, bytes: &'a [u8], seen: usize) -> Step<ClientEvent<'a>> {
        if self.asked.len() >= OUTSTANDING_MAX || self.asked.back() == Some(&Asked::Connect) {
            return more(0);
        }
        let blank = blank_lines(bytes);
        let rest = &bytes[blank..];
        if rest.first().is_some_and(|byte| *byte < 0x20) {
            return self.client.broken(blank, Malformed { what: "not a request line", offset: blank });
        }
        match self.client.head(rest, seen, blank, RequestHead::parse) {
            Ok((head, end)) => {
                self.asked.push_back(Asked::of(head.method));
                self.client = State::after(head.body);
                step(blank + end, Event::Head(head))
            }
            Err(step) => step,
        }
    }

    fn response_head<'a>(&mut self, bytes: &'a [u8], seen: usize) -> Step<ServerEvent<'a>> {
        let blank = blank_lines(bytes);
        let rest = &bytes[blank..];
        if !may_be_response(rest) {
            return self.server.broken(blank, Malformed { what: "not a status line", offset: blank });
        }
        let asked = self.asked.front().copied().unwrap_or(Asked::Plain);
        match self.server.head(rest, seen, blank, |bytes| ResponseHead::parse(bytes, asked)) {
            Ok((head, end)) => {
                self.interim = head.informational;
                self.tunnel |= head.opens_tunnel(asked);
                self.server = State::after(head.body);
                step(blank + end, Event::Head(head))
            }
            Err(step) => step,
        }
    }

    /// A response is complete: if it was a final one, its request no longer waits.
    fn answered(&mut self) {
        if !std::mem::take(&mut self.interim) {
            self.asked.pop_front();
        }
        if self.tunnel {
            self.server = State::Tunnel;
        }
    }

    /// Says that no more bytes come from this side. Show all bytes first.
    pub fn closed(&mut self, side: Side) -> Ending {
        let state = std::mem::replace(self.state(side), State::Broken);
        match state {
            State::UntilClose => {
                if side == Side::Server {
                    self.answered();
                }
                Ending::Finished
            }
            State::Head(_) | State::Tunnel | State::Broken => Ending::Between,
            State::Length(_) | State::Chunked(_) | State::End => Ending::CutShort,
        }
    }

    /// Says that the next `missing` bytes of this side were not seen. Show all bytes before them first, and throw away what was not
    /// used. After [`Hole::Past`] and [`Hole::Lost`] this side stands still until [`Conversation::restart`].
    pub fn skip(&mut self, side: Side, missing: u64) -> Hole {
        let state = self.state(side);
        let (next, hole) = match *state {
            State::Length(left) if missing < left => (State::Length(left - missing), Hole::Inside),
            State::Length(left) if missing == left => (State::Head(0), Hole::ToEnd),
            State::Length(_) => (State::Broken, Hole::Past),
            State::Chunked(Chunk::Data(left)) if missing < left => (State::Chunked(Chunk::Data(left - missing)), Hole::Inside),
            State::Chunked(Chunk::Data(left)) if missing == left => (State::Chunked(Chunk::DataEnd), Hole::Inside),
            same @ (State::UntilClose | State::Tunnel) => (same, Hole::Inside),
            _ => (State::Broken, Hole::Lost),
        };
        *state = next;
        if hole == Hole::ToEnd && side == Side::Server {
            self.answered();
        }
        hole
    }

    /// Gives up the message under way on this side, so that the next bytes shown begin a new one (see [`find_start`]).
    pub fn restart(&mut self, side: Side) {
        *self.state(side) = State::Head(0);
        if side == Side::Server {
            self.interim = false;
        }
    }

    /// Whether the connection has become something else: 101, or success of a CONNECT.
    #[must_use]
    pub fn is_tunnel(&self) -> bool {
        self.tunnel
    }

    fn state(&mut self, side: Side) -> &mut State {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}

/// A head and its length, or the step there is without one.
type HeadOr<'a, Head> = Result<(Head, usize), Step<Event<'a, Head>>>;

impl State {
    /// The head at the front of `rest`, and its length; or the step that says it is not complete, too long or none. `blank` bytes before it
    /// are used up already.
    #[inline]
    fn head<'a, Head>(
        &mut self,
        rest: &'a [u8],
        seen: usize,
        blank: usize,
        parse: impl Fn(&'a [u8]) -> Result<Option<(Head, usize)>, Malformed>,
    ) -> HeadOr<'a, Head> {
        // Most heads lie there whole, and are looked through once.
        if seen == 0
            && let Ok(Some((head, end))) = parse(rest)
            && end <= HEAD_BYTES_MAX
        {
            return Ok((head, end));
        }
        let end = self.look_for_head(rest, seen, blank)?;
        match parse(&rest[..end]) {
            Ok(found) => found.ok_or(more(blank)),
            Err(fault) => Err(self.broken(blank, Malformed { offset: fault.offset + blank, ..fault })),
        }
    }

    /// The length of the head at the front of `rest`, or the step that says it is not complete or too long. `blank` bytes before it are
    /// used up already.
    fn look_for_head<'a, Head>(&mut self, rest: &[u8], seen: usize, blank: usize) -> Result<usize, Step<Event<'a, Head>>> {
        let end = head_end(rest, seen);
        if end.unwrap_or(rest.len()) > HEAD_BYTES_MAX {
            let what = "a head beyond the limit of 256 KiB";
            return Err(self.broken(blank, Malformed { what, offset: blank + HEAD_BYTES_MAX }));
        }
        end.ok_or_else(|| {
            *self = Self::Head(rest.len());
            more(blank)
        })
    }
}

/// Empty lines before a start line are passed over (RFC 9112 §2.2).
fn blank_lines(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}
