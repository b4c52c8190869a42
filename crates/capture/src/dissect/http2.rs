//! HTTP/2 without TLS, and gRPC on it: makes an exchange of each stream that [`wire::http2`] reads from both sides. Rows are named `http`
//! version `2`, or `grpc`.

mod call;
mod head;
mod stream;

use std::collections::BTreeMap;

use trace::{Flag, TraceNs};
use wire::Side;
use wire::http2::{Conversation, Event, Headers, Hole, PREFACE, Start, Step, find_start};

use super::lanes::{Lane, Lanes};
use super::{Connection, Dissector, Emit, Options, Probe, Protocol};
use stream::{Context, Stream};

/// HTTP/2 with prior knowledge, or after an upgrade from HTTP/1.1.
pub const PROTOCOL: Protocol = Protocol {
    name: "http2",
    ports: &[2379, 4317, 6334, 50_051],
    upgrades: &["h2c"],
    probe,
    open: |about, options| Box::new(Http2::new(about, options)),
};

/// Streams of one connection that are under way; past it the oldest is given back as it is.
pub const STREAMS_MAX: usize = 4096;
/// Bytes of one side that wait for what follows them.
const HELD_BYTES_MAX: usize = 1 << 20;
/// Bytes on the wire of the shortest request: the head of a frame, and one byte.
const REQUEST_BYTES_MIN: u64 = 10;
/// Bytes of bodies of one connection that are held; past it the oldest stream is given back as it is.
const PENDING_BYTES_MAX: usize = 64 << 20;

/// A client's first bytes are the preface; of a connection that was going already, frames are sure on either side.
fn probe(client: &[u8], server: &[u8]) -> Probe {
    let known = client.len().min(PREFACE.len());
    if known > 0 && client[..known] == PREFACE[..known] {
        return if known == PREFACE.len() { Probe::Yes } else { Probe::More };
    }
    match [client, server].map(|bytes| if bytes.is_empty() { None } else { Some(find_start(bytes)) }) {
        [None, None] => Probe::More,
        [None | Some(Start::At(0)), None | Some(Start::At(0))] => Probe::Yes,
        [None | Some(Start::At(0) | Start::NotBefore(0)), None | Some(Start::At(0) | Start::NotBefore(0))] => Probe::More,
        _ => Probe::No,
    }
}

/// What is known of one side.
struct Half {
    /// What is under way is a frame, or a header block.
    lane: Lane,
    /// Bytes on the wire of the header block under way.
    block_bytes: u64,
}

/// Whose frame, or header block, something is.
#[derive(Debug, Clone, Copy)]
struct Frame {
    side: Side,
    /// When its first byte was captured.
    started: TraceNs,
    /// When the last one shown was.
    at: TraceNs,
    /// Bytes of it that were used up.
    wire_bytes: u64,
}

struct Http2 {
    about: Connection,
    options: Options,
    talk: Conversation,
    client: Half,
    server: Half,
    streams: BTreeMap<u32, Stream>,
    /// Bytes of bodies that the streams hold.
    held_bytes: usize,
    /// The client's last stream that is known of; 0 before the first.
    last_stream: u32,
    /// Bytes of the client that were not read since then: requests may be in them.
    unread_bytes: u64,
}

impl Dissector for Http2 {
    fn bytes(&mut self, side: Side, at: TraceNs, bytes: &[u8], out: &mut Emit) {
        self.show(side, at, bytes, out);
    }

    fn gap(&mut self, side: Side, at: TraceNs, missing_bytes: u64, out: &mut Emit) {
        self.drop_held(side, out);
        match self.talk.skip(side, missing_bytes) {
            Hole::Inside { stream, end } => {
                self.on_stream(stream, out, |stream, context| {
                    stream.hole(side, at, missing_bytes, context);
                    if end {
                        stream.end(side, at, false, context);
                    }
                });
            }
            Hole::Lost => {
                self.issue("http2-frames-lost", out);
                self.lose(side);
                self.unread_bytes += if side == Side::Client { missing_bytes } else { 0 };
            }
        }
    }

    fn end(&mut self, side: Side, _at: TraceNs, out: &mut Emit) {
        self.close(side, out);
    }

    fn finish(&mut self, _at: TraceNs, out: &mut Emit) {
        for side in [Side::Client, Side::Server] {
            self.drop_held(side, out);
        }
        for stream in std::mem::take(&mut self.streams).into_values() {
            stream.finish(Some(Flag::Open), &mut self.context(out));
        }
    }
}

impl Lanes for Http2 {
    const HELD_BYTES_MAX: usize = HELD_BYTES_MAX;
    const ISSUES: [&'static str; 2] = ["http2-held-bytes-limit", "http-message-cut"];

    fn lane(&mut self, side: Side) -> &mut Lane {
        &mut self.half(side).lane
    }

    fn issue(&self, kind: &str, out: &mut Emit) {
        self.about.issue(kind, out);
    }

    fn search(&mut self, side: Side, bytes: &[u8], out: &mut Emit) -> (usize, bool) {
        let (skipped, found) = out.pass_over(find_start(bytes));
        self.unread_bytes += if side == Side::Client { skipped as u64 } else { 0 };
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

impl Http2 {
    fn new(about: &Connection, options: &Options) -> Self {
        let mut about = about.clone();
        let upgrade = about.upgrade.take();
        let half = || Half { lane: Lane::new(about.from_start), block_bytes: 0 };
        let talk = if about.from_start { Conversation::new() } else { Conversation::joined_late() };
        let (client, server) = (half(), half());
        let streams: BTreeMap<u32, Stream> = upgrade.into_iter().map(|upgrade| (1, Stream::upgraded(upgrade.exchange))).collect();
        let last_stream = u32::from(!streams.is_empty());
        let options = options.clone();
        Self { about, options, talk, client, server, streams, held_bytes: 0, last_stream, unread_bytes: 0 }
    }

    fn half(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    fn context<'a>(&'a mut self, out: &'a mut Emit) -> Context<'a> {
        Context { about: &mut self.about, options: &self.options, out }
    }

    /// The client has come to this stream, of which its request was read, or its answer. Streams are numbered one after the other (RFC 9113
    /// §5.1.1): where bytes were not read, the ones between were lost in them, as far as there is room for their requests.
    fn reach(&mut self, stream: u32, is_request: bool, at: TraceNs, out: &mut Emit) {
        if stream.is_multiple_of(2) || stream <= self.last_stream {
            return;
        }
        let room = self.unread_bytes.div_ceil(REQUEST_BYTES_MIN);
        // How many came before the first one that is known of, nobody can tell.
        let lost = match self.last_stream {
            0 => 0,
            last => (u64::from((stream - last) / 2) - u64::from(is_request)).min(room),
        };
        for _ in 0..lost {
            out.lose(&self.about, self.about.rows, at);
        }
        self.last_stream = stream;
        self.unread_bytes = if is_request { 0 } else { self.unread_bytes.saturating_sub(lost * REQUEST_BYTES_MIN) };
    }

    /// What the next `used` bytes of one side are.
    fn take(&mut self, side: Side, at: TraceNs, used: u64, event: Event<'_>, out: &mut Emit) {
        let half = self.half(side);
        let is_part = matches!(event, Event::Fragment { .. });
        let started = if is_part { half.lane.started } else { half.lane.started.take() };
        match event {
            Event::Fragment { .. } => half.block_bytes += used,
            Event::Headers(headers) => {
                let frame =
                    Frame { side, started: started.unwrap_or(at), at, wire_bytes: used + std::mem::take(&mut half.block_bytes) };
                self.note_faults(&headers, out);
                self.headers(frame, headers, out);
            }
            Event::Data { stream, part, begins, end } => {
                let frame = Frame { side, started: started.unwrap_or(at), at, wire_bytes: used };
                if !self.on_stream(stream, out, |stream, context| stream.data(frame, part, end, context)) {
                    out.undecoded_bytes += used;
                    if begins {
                        self.issue("http2-data-without-headers", out);
                    }
                }
            }
            Event::Reset { stream, code } => {
                self.on_stream(stream, out, |stream, context| stream.reset(side, code, at, context));
            }
            Event::Malformed(fault) => {
                let session = self.about.session;
                out.issues.add("http2-malformed-frame", || format!("connection {session}: {}", fault.what));
                self.lose(side);
            }
            _ => {}
        }
        self.keep_limits(out);
    }

    fn headers(&mut self, frame: Frame, headers: Headers, out: &mut Emit) {
        let (id, end) = (headers.promised.unwrap_or(headers.stream), headers.end);
        let is_new = !self.streams.contains_key(&id);
        let is_request = headers.promised.is_some() || frame.side == Side::Client && is_new;
        if !is_request {
            if frame.side == Side::Server {
                self.reach(id, false, frame.started, out);
            }
            let is_answer = head::number(&headers.fields, b":status").is_some_and(|status| status >= 200);
            if !self.on_stream(id, out, |stream, context| stream.headers(frame, headers, context)) {
                let kind = if is_answer { "http-response-without-request" } else { "http2-headers-without-request" };
                self.nobodys(kind, frame.wire_bytes, out);
            }
            return;
        }
        if !is_new || headers.fields.get(b":method").is_none() && headers.fields.unknown == 0 && headers.fault.is_none() {
            return self.nobodys("http2-headers-without-request", frame.wire_bytes, out);
        }
        if headers.promised.is_none() {
            self.reach(id, true, frame.started, out);
        }
        let stream = Stream::asked(frame, headers, &mut self.context(out));
        self.streams.insert(id, stream);
        if end {
            self.on_stream(id, out, |stream, context| stream.end(frame.side, frame.at, true, context));
        }
    }

    fn note_faults(&self, headers: &Headers, out: &mut Emit) {
        let place = || format!("connection {}, stream {}", self.about.session, headers.stream);
        if headers.fields.unknown > 0 {
            out.issues.add_many("hpack-unknown-entry", headers.fields.unknown.into(), place);
        }
        if let Some(what) = headers.fault {
            out.issues.add("http2-malformed-headers", || format!("{}: {what}", place()));
        } else if headers.fields.cut {
            out.issues.add("http2-header-list-limit", place);
        }
    }

    /// Lets a stream take something in, and gives it back when it is over; false where there is no such stream.
    fn on_stream(&mut self, id: u32, out: &mut Emit, act: impl FnOnce(&mut Stream, &mut Context<'_>)) -> bool {
        let Some(stream) = self.streams.get_mut(&id) else { return false };
        let held_before = stream.held_bytes();
        let mut context = Context { about: &mut self.about, options: &self.options, out };
        act(stream, &mut context);
        self.held_bytes = self.held_bytes + stream.held_bytes() - held_before;
        if stream.is_over() {
            self.give_back(id, None, out);
        }
        true
    }

    fn give_back(&mut self, id: u32, flag: Option<Flag>, out: &mut Emit) {
        if let Some(stream) = self.streams.remove(&id) {
            self.held_bytes -= stream.held_bytes();
            stream.finish(flag, &mut self.context(out));
        }
    }

    fn keep_limits(&mut self, out: &mut Emit) {
        while self.streams.len() > STREAMS_MAX || self.held_bytes > PENDING_BYTES_MAX {
            let Some(oldest) = self.streams.keys().next().copied() else { return };
            self.issue("http-outstanding-limit", out);
            self.give_back(oldest, Some(Flag::Truncated), out);
        }
    }

    fn lose(&mut self, side: Side) {
        self.half(side).lane.searching = true;
        self.half(side).block_bytes = 0;
        self.streams.values_mut().for_each(|stream| stream.lost(side));
    }

    fn nobodys(&self, kind: &str, wire_bytes: u64, out: &mut Emit) {
        self.issue(kind, out);
        out.undecoded_bytes += wire_bytes;
    }
}
