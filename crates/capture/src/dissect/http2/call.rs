//! gRPC calls. One message from the client and whatever the server says to it are one exchange: unary calls and server streams. With the
//! second message of the client the call turns out to be long-lived, and its rows are
//!
//! - `open`: what would have been the exchange: the first message, and what the server had said by then,
//! - `message`: each later message of the client. A message of the server answers it where exactly one is unanswered,
//! - `push`: each other message of the server,
//! - `close`: the end of the client's messages, answered by the status; framing that no other row has counts here.

use trace::{Exchange, Flag, Header, Kind, Name, Names, TraceNs, Yield, escape_text};
use wire::Side;
use wire::grpc::{self, Messages, Piece};
use wire::hpack::Fields;

use super::head;
use super::stream::{Context, body, call_bytes, keep};
use crate::dissect::note_answer;

/// What beside request and answer is known of a call.
#[derive(Default)]
pub(super) struct Call {
    /// Of client and server, as all pairs here.
    pub messages: [Messages; 2],
    counts: [u64; 2],
    /// Bytes of header blocks on the wire.
    pub head_bytes: [u64; 2],
    /// Bytes of messages and their prefixes before the call turned out to be long-lived.
    pub message_bytes: [u64; 2],
    /// Bytes on the wire that rows of a long-lived call have.
    pub given_bytes: [u64; 2],
    /// When the server's last byte so far was captured.
    pub last_at: Option<TraceNs>,
    /// The number of `grpc-status`.
    status: Option<u16>,
    /// What `grpc-message` says.
    message: Option<Box<str>>,
    /// Fields of the trailers are not known.
    unknown: bool,
    /// The `open` row was given back.
    pub opened: bool,
    rows: Option<Box<Rows>>,
}

/// The rows of a long-lived call that are under way.
struct Rows {
    /// What they share.
    like: Exchange,
    /// Of the request that began the call.
    headers: Option<Vec<Header>>,
    message: Option<Exchange>,
    message_body: Vec<u8>,
    /// The client's last message, if it is not answered.
    waiting: Option<Exchange>,
    unanswered: u64,
    /// What the server's message under way is: an answer, or a row of its own.
    reply: Option<Exchange>,
    reply_body: Vec<u8>,
    reply_at: TraceNs,
    close: Option<Exchange>,
    done_at: Option<TraceNs>,
    /// Why the call ended, where there is no `grpc-status`.
    reset: Option<Name>,
}

impl Call {
    pub fn is_long_lived(&self) -> bool {
        self.rows.is_some()
    }

    /// Bytes of bodies in memory.
    pub fn held_bytes(&self) -> usize {
        let waiting = |rows: &Rows| rows.waiting.as_ref().and_then(|row| row.request.as_ref()).map_or(0, bytes::Bytes::len);
        self.rows.as_ref().map_or(0, |rows| rows.message_body.len() + rows.reply_body.len() + waiting(rows))
    }

    /// Takes the status from trailers, or from a head that is trailers, too.
    pub fn note_status(&mut self, fields: &Fields) {
        self.status = head::number(fields, b"grpc-status").or(self.status);
        self.message = fields.get(b"grpc-message").map(message_text).or(self.message.take());
        self.unknown |= fields.unknown > 0 || fields.cut;
    }

    /// Counts the message that begins with a piece, if one does; true for the client's second one.
    pub fn count(&mut self, side: Side, piece: &Piece<'_>) -> bool {
        self.counts[side as usize] += u64::from(piece.start);
        piece.start && side == Side::Client && self.counts[0] == 2
    }

    /// Notes on the row that holds the call's end what became of it; true where the status should be there and is not. `failed` says that
    /// the answer tells of a failure whatever the status is.
    pub fn conclude(&self, row: &mut Exchange, whole: bool, failed: bool, names: &mut Names) -> bool {
        if self.counts[1] > 1 {
            row.yields.push(Yield { name: names.get("messages"), value: self.counts[1].to_string().into() });
        }
        if let Some(value) = self.message.clone().filter(|message| !message.is_empty()) {
            row.yields.push(Yield { name: names.get("grpc-message"), value });
        }
        match self.status {
            Some(status) => {
                row.status = Some(names.get(&format!("grpc:{status}")));
                row.ok = Some(status == 0 && !failed);
            }
            None => row.ok = (whole && !self.unknown).then_some(false),
        }
        self.status.is_none() && whole
    }

    /// From here on each message is a row like `open`.
    pub fn begin_rows(&mut self, open: &Exchange) {
        let like = Exchange { headers: None, request: None, flags: Default::default(), ..open.clone() };
        self.rows = Some(Box::new(Rows {
            like,
            headers: open.headers.clone(),
            message: None,
            message_body: Vec::new(),
            waiting: None,
            // The first message waits still where nothing was said to it.
            unanswered: u64::from(self.counts[1] == 0),
            reply: None,
            reply_body: Vec::new(),
            reply_at: open.at,
            close: None,
            done_at: None,
            reset: None,
        }));
        self.given_bytes[0] = open.request_bytes;
    }

    /// A piece of a message of a long-lived call.
    pub fn piece(&mut self, side: Side, piece: &Piece<'_>, at: TraceNs, context: &mut Context<'_>) {
        let Some(rows) = &mut self.rows else { return };
        let bytes = call_bytes(piece);
        self.given_bytes[side as usize] += bytes;
        match side {
            Side::Client => rows.client(piece, bytes, at, context),
            Side::Server => rows.server(piece, bytes, at, context),
        }
    }

    /// One side of a long-lived call has ended.
    pub fn end(&mut self, side: Side, at: TraceNs, seen: bool, context: &mut Context<'_>) {
        let Some(rows) = &mut self.rows else { return };
        rows.begin_close(at, context);
        if side == Side::Server {
            rows.done_at = seen.then_some(at);
        }
    }

    /// A long-lived call is ended at once: by the server, if there is a `status`.
    pub fn reset(&mut self, at: TraceNs, status: Option<Name>, context: &mut Context<'_>) {
        let Some(rows) = &mut self.rows else { return };
        rows.begin_close(at, context);
        rows.close.iter_mut().for_each(|close| close.flags.set(Flag::Truncated));
        rows.done_at = status.is_some().then_some(at);
        rows.reset = status;
    }

    /// Gives back what is under way of a long-lived call, of which so many bytes were on the wire.
    pub fn finish(mut self, flag: Option<Flag>, wire_bytes: [u64; 2], context: &mut Context<'_>) {
        let Some(mut rows) = self.rows.take() else { return };
        for mut cut in [rows.message.take(), rows.reply.take()].into_iter().flatten() {
            cut.flags.set(flag.unwrap_or(Flag::Truncated));
            context.push_part(cut, rows.headers.as_deref());
        }
        rows.waiting.take().into_iter().for_each(|row| context.push_part(row, rows.headers.as_deref()));
        let Some(mut close) = rows.close else { return };
        let rest = |side: usize| wire_bytes[side].saturating_sub(self.given_bytes[side]);
        (close.request_bytes, close.response_bytes) = (rest(0), rest(1));
        if let Some(done_at) = rows.done_at {
            note_answer(&mut close, done_at, Some(done_at));
            if self.conclude(&mut close, rows.reset.is_none(), false, &mut context.out.names) && rows.reset.is_none() {
                context.issue("grpc-status-missing", close.stream);
            }
            if rows.reset.is_some() && close.status.is_none() {
                (close.status, close.ok) = (rows.reset, Some(false));
            }
        }
        flag.into_iter().for_each(|flag| close.flags.set(flag));
        context.push_part(close, rows.headers.as_deref());
    }
}

impl Rows {
    fn row(&self, kind: Kind, at: TraceNs, context: &mut Context<'_>) -> Exchange {
        let new = context.about.row(kind, at);
        let like = self.like.clone();
        Exchange {
            at,
            kind,
            session: new.session,
            seq: new.seq,
            flags: new.flags,
            items: 0,
            request_bytes: 0,
            ..unanswered(like)
        }
    }

    fn begin_close(&mut self, at: TraceNs, context: &mut Context<'_>) {
        if self.close.is_none() {
            self.close = Some(self.row(Kind::Close, at, context));
        }
    }

    fn client(&mut self, piece: &Piece<'_>, bytes: u64, at: TraceNs, context: &mut Context<'_>) {
        if piece.start {
            self.message_body = grpc::prefix(piece.length, piece.compressed).to_vec();
            self.message = Some(Exchange { items: 1, ..self.row(Kind::Message, at, context) });
        }
        let Some(message) = &mut self.message else { return };
        message.request_bytes += bytes;
        if !keep(&mut self.message_body, piece.part, context.options.body_bytes_max) {
            message.flags.set(Flag::Truncated);
            message.flags.set(Flag::Unreplayable);
        }
        if piece.end {
            message.request = body(std::mem::take(&mut self.message_body));
            let before = std::mem::replace(&mut self.waiting, self.message.take());
            before.into_iter().for_each(|row| context.push_part(row, self.headers.as_deref()));
            self.unanswered += 1;
        }
    }

    fn server(&mut self, piece: &Piece<'_>, bytes: u64, at: TraceNs, context: &mut Context<'_>) {
        if piece.start {
            let answers = self.waiting.take_if(|_| self.unanswered == 1);
            self.reply = Some(answers.unwrap_or_else(|| self.row(Kind::Push, at, context)));
            self.reply_body = grpc::prefix(piece.length, piece.compressed).to_vec();
            self.reply_at = at;
            self.unanswered = self.unanswered.saturating_sub(1);
        }
        let Some(reply) = &mut self.reply else { return };
        reply.response_bytes += bytes;
        if context.options.keep_responses {
            keep(&mut self.reply_body, piece.part, context.options.body_bytes_max);
        }
        if piece.end {
            note_answer(reply, self.reply_at, Some(at));
            reply.ok = Some(true);
            let kept = std::mem::take(&mut self.reply_body);
            reply.response = context.options.keep_responses.then(|| body(kept)).flatten();
            self.reply.take().into_iter().for_each(|row| context.push_part(row, self.headers.as_deref()));
        }
    }
}

/// Bytes of a status message that are kept.
const MESSAGE_BYTES_MAX: usize = 1024;

/// A `grpc-message` as text: what is not printable ASCII comes percent-encoded (gRPC over HTTP2, "Responses").
fn message_text(value: &[u8]) -> Box<str> {
    let mut text = Vec::new();
    let mut rest = &value[..value.len().min(MESSAGE_BYTES_MAX)];
    while let [first, behind @ ..] = rest {
        let coded = behind.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        let coded = coded.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        text.push(coded.unwrap_or(*first));
        rest = if coded.is_some() { &behind[2..] } else { behind };
    }
    escape_text(&text).0
}

/// A row without what its answer said.
fn unanswered(row: Exchange) -> Exchange {
    Exchange {
        response_bytes: 0,
        status: None,
        ok: None,
        first_byte_ns: None,
        latency_ns: None,
        answer_hash: None,
        answer_ids: None,
        yields: Vec::new(),
        response: None,
        ..row
    }
}
