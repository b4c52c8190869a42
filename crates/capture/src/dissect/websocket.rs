//! WebSocket: the messages on a connection that an HTTP/1.1 request changed, or that was going already, or in a stream of HTTP/2 that
//! a CONNECT opened for it. Its rows are
//!
//! - `open`: the request that asked for the change, with its answer,
//! - `message`: a message of the client, with the server's answer if there is one (see [`rows`]),
//! - `push`: each other message of the server,
//! - `close`: the first close frame with the other side's, or the end of the connection without any; control frames count here.
//!
//! Bodies are what was said, without masks and compression.

mod incoming;
mod rows;

use trace::{Flag, Keep, TraceNs};
use wire::Side;
use wire::websocket::{Conversation, Event, Extension, Hole, Opening, Part, Step, accept, find_start, is_frames};

use super::lanes::{Lane, Lanes};
use super::{Connection, Dissector, Emit, Options, Probe, Protocol, Upgrade, header};
use incoming::Incoming;
use rows::{Context, Rows};

/// WebSocket behind its handshake.
pub const PROTOCOL: Protocol = Protocol {
    name: "websocket",
    ports: &[],
    upgrades: &["websocket"],
    probe,
    open: |about, options| Box::new(WebSocket::new(about, options)),
};

/// Bytes of one side that wait for what follows them: a frame that may be one, after a hole.
const HELD_BYTES_MAX: usize = 128 << 10;
/// Sides of connections, of an import, whose messages may refer to those before; each takes some 45 KiB. Compressed messages of further ones
/// are not read.
pub const INFLATERS_MAX: usize = 2048;

/// A WebSocket in one stream of a connection (RFC 8441), whose rows are numbered among the others of the connection.
pub(super) struct Tunnel(WebSocket);

impl Tunnel {
    /// Begun in this stream by a request with its answer.
    pub fn new(about: &Connection, stream: u64, upgrade: Upgrade, options: &Options) -> Self {
        let about = Connection { stream, upgrade: Some(Box::new(upgrade)), ..about.clone() };
        Self(WebSocket::new(&about, options))
    }

    /// Lets the dissector take something in.
    pub fn with(&mut self, about: &mut Connection, act: impl FnOnce(&mut dyn Dissector)) {
        self.0.about.rows = about.rows;
        act(&mut self.0);
        about.rows = self.0.about.rows;
    }
}

/// Without a handshake, only whole frames beyond doubt.
fn probe(client: &[u8], server: &[u8]) -> Probe {
    let are_frames = |side, bytes: &[u8]| bytes.is_empty() || is_frames(side, bytes);
    match (client, server) {
        ([], []) => Probe::More,
        _ if are_frames(Side::Client, client) && are_frames(Side::Server, server) => Probe::Yes,
        _ => Probe::No,
    }
}

/// What is known of one side.
struct Half {
    lane: Lane,
    message: Option<Incoming>,
    inflater: incoming::Inflating,
}

struct WebSocket {
    about: Connection,
    options: Options,
    talk: Conversation,
    client: Half,
    server: Half,
    /// The request that asked for the change, until it is given back.
    opened: Option<Box<Upgrade>>,
    rows: Rows,
}

impl Dissector for WebSocket {
    fn bytes(&mut self, side: Side, at: TraceNs, bytes: &[u8], out: &mut Emit) {
        self.open(out);
        self.show(side, at, bytes, out);
    }

    fn gap(&mut self, side: Side, at: TraceNs, missing_bytes: u64, out: &mut Emit) {
        self.open(out);
        self.drop_held(side, out);
        match self.talk.skip(side, missing_bytes) {
            Hole::Inside { end } => {
                if let Some(message) = &mut self.half(side).message {
                    message.miss(missing_bytes);
                }
                self.half(side).inflater.miss();
                if end {
                    self.end_message(side, at, None, out);
                }
            }
            hole @ (Hole::Past | Hole::Lost) => self.lose(side, at, hole, out),
        }
    }

    fn end(&mut self, side: Side, at: TraceNs, out: &mut Emit) {
        self.open(out);
        if self.close(side, out) {
            self.rows.ended(at);
        }
    }

    fn finish(&mut self, at: TraceNs, out: &mut Emit) {
        self.open(out);
        for side in [Side::Client, Side::Server] {
            self.drop_held(side, out);
            self.end_message(side, at, Some(Flag::Open), out);
            self.half(side).inflater.drop(out);
        }
        let (rows, mut context) = self.context(out);
        rows.finish(&mut context);
    }
}

impl Lanes for WebSocket {
    const HELD_BYTES_MAX: usize = HELD_BYTES_MAX;
    const ISSUES: [&'static str; 2] = ["websocket-held-bytes-limit", "websocket-frame-cut"];

    fn lane(&mut self, side: Side) -> &mut Lane {
        &mut self.half(side).lane
    }

    fn issue(&self, kind: &str, out: &mut Emit) {
        let (session, rows) = (self.about.session, self.about.rows);
        out.issues.add(kind, || format!("connection {session}, row {rows}"));
    }

    fn search(&mut self, side: Side, bytes: &[u8], out: &mut Emit) -> (usize, bool) {
        let (skipped, found) = out.pass_over(find_start(side, bytes));
        if found {
            self.talk.restart(side);
        }
        (skipped, found)
    }

    fn step(&mut self, side: Side, at: TraceNs, bytes: &[u8], out: &mut Emit) -> (usize, bool) {
        let Step { used, event } = self.talk.read(side, bytes);
        let Some(event) = event else { return (used, false) };
        // One byte is passed over, so that the search for the next frame gets on.
        let passed = usize::from(matches!(event, Event::Malformed(_)));
        out.undecoded_bytes += passed as u64;
        self.take(side, at, used as u64, event, out);
        (used + passed, true)
    }
}

impl WebSocket {
    fn new(about: &Connection, options: &Options) -> Self {
        let mut about = about.clone();
        let opened = about.upgrade.take();
        let extension = opened.as_ref().map(|upgrade| {
            let agreed = header(&upgrade.answer_headers, "sec-websocket-extensions").unwrap_or_default();
            Extension::agreed(agreed)
        });
        let half = |side: Side| Half {
            lane: Lane::new(opened.is_some() || about.from_start),
            message: None,
            inflater: incoming::Inflating::new(extension, side),
        };
        let (client, server) = (half(Side::Client), half(Side::Server));
        let rows = Rows::new(opened.as_ref().map(|upgrade| &upgrade.exchange));
        Self { about, options: options.clone(), talk: Conversation::new(), client, server, opened, rows }
    }

    fn half(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    fn context<'a>(&'a mut self, out: &'a mut Emit) -> (&'a mut Rows, Context<'a>) {
        (&mut self.rows, Context { about: &mut self.about, options: &self.options, out })
    }

    /// Gives back the request that asked for the change, once.
    fn open(&mut self, out: &mut Emit) {
        let Some(upgrade) = self.opened.take() else { return };
        let key = header(upgrade.exchange.headers.as_deref().unwrap_or_default(), "sec-websocket-key").map(accept);
        if key.as_deref().map(str::as_bytes) != header(&upgrade.answer_headers, "sec-websocket-accept") {
            self.issue("websocket-accept-mismatch", out);
        }
        let (rows, mut context) = self.context(out);
        rows.open(*upgrade, &mut context);
    }

    /// What the next `used` bytes of one side are.
    fn take(&mut self, side: Side, at: TraceNs, used: u64, event: Event<'_>, out: &mut Emit) {
        match event {
            Event::Data { opening, part, end } => self.data(side, at, used, (opening, part, end), out),
            Event::Control { kind, payload } => {
                let started = self.half(side).lane.started.take().unwrap_or(at);
                let (rows, mut context) = self.context(out);
                rows.control(side, kind, payload, used, (started, at), &mut context);
            }
            Event::Malformed(fault) => {
                let session = self.about.session;
                out.issues.add("websocket-malformed-frame", || format!("connection {session}: {}", fault.what));
                self.lose(side, at, Hole::Inside { end: false }, out);
            }
        }
    }

    /// A part of a message of so many bytes on the wire: what begins it if that is in it, and whether it ends with it.
    fn data(&mut self, side: Side, at: TraceNs, used: u64, event: (Option<Opening>, Part<'_>, bool), out: &mut Emit) {
        let (opening, part, end) = event;
        let started = self.half(side).lane.started.take().unwrap_or(at);
        if let Some(opening) = opening {
            let row = (side == Side::Client).then(|| self.rows.asking(opening.kind, started, &mut self.about, out));
            let keep = if self.options.keep_responses { Keep::Whole } else { Keep::Digest };
            self.half(side).message = Some(Incoming::begin(opening, started, row, self.options.body_bytes_max, keep));
        }
        let half = self.half(side);
        let issue = match &mut half.message {
            Some(message) => {
                message.wire_bytes += used;
                message.part(part, &mut half.inflater, out)
            }
            None => {
                out.undecoded_bytes += used;
                Some("websocket-message-without-beginning")
            }
        };
        issue.into_iter().for_each(|kind| self.issue(kind, out));
        if end {
            self.end_message(side, at, None, out);
        }
    }

    /// The message under way is over; a flag says what is wrong with it.
    fn end_message(&mut self, side: Side, at: TraceNs, flag: Option<Flag>, out: &mut Emit) {
        let half = self.half(side);
        let Some(mut message) = half.message.take() else { return };
        let issue = if flag.is_none() { message.end(&mut half.inflater, out) } else { None };
        issue.into_iter().for_each(|kind| self.issue(kind, out));
        flag.into_iter().for_each(|flag| message.flags.set(flag));
        let (rows, mut context) = self.context(out);
        rows.message(message, at, &mut context);
    }

    /// Framing of one side is lost: what was under way is given back, and the next frame is looked for.
    fn lose(&mut self, side: Side, at: TraceNs, hole: Hole, out: &mut Emit) {
        let was_searching = std::mem::replace(&mut self.half(side).lane.searching, true);
        let in_message = self.half(side).message.is_some();
        self.half(side).lane.started = None;
        self.half(side).inflater.miss();
        if !matches!(hole, Hole::Inside { .. }) {
            self.issue("websocket-frames-lost", out);
            self.end_message(side, at, Some(Flag::Gap), out);
            // Another hole before the next frame was found is one in the same message.
            if side == Side::Client && !was_searching && !(in_message && hole == Hole::Lost) {
                out.lose(&self.about, self.about.rows, at);
            }
        } else {
            self.end_message(side, at, Some(Flag::Truncated), out);
        }
    }
}
