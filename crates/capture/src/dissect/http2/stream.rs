//! One stream: a request with its answer, or the rows of a long-lived gRPC call.

use bytes::Bytes;
use trace::{Coding, Exchange, Flag, Header, Kind, Name, TraceNs};
use wire::Side;
use wire::grpc::{self, Piece};
use wire::hpack::Fields;
use wire::http2::{Headers, error_name};

use super::Frame;
use super::call::Call;
use super::head::{self, RequestHead};
use crate::dissect::http1::answer::Answer;
use crate::dissect::http1::request::Pending;
use crate::dissect::websocket::Tunnel;
use crate::dissect::{Connection, Dissector, Emit, Options, Upgrade, note_answer};

/// What streams of a connection share.
pub(super) struct Context<'a> {
    pub about: &'a mut Connection,
    pub options: &'a Options,
    pub out: &'a mut Emit,
}

impl Context<'_> {
    pub fn issue(&mut self, kind: &str, stream: u64) {
        let session = self.about.session;
        self.out.issues.add(kind, || format!("connection {session}, stream {stream}"));
    }

    pub fn push(&mut self, exchange: Exchange) {
        self.out.push(self.about, exchange);
    }

    /// Gives a row of a call back that began with these headers.
    pub fn push_part(&mut self, exchange: Exchange, headers: Option<&[Header]>) {
        self.out.push_part(self.about, exchange, headers);
    }
}

/// A stream under way.
pub(super) struct Stream {
    id: u64,
    request: Pending,
    /// The answer's final head was seen.
    headed: bool,
    /// Framing of the server was lost before that: if no head comes, the answer was in it.
    unheard: bool,
    /// The answer under way.
    answer: Option<Answer>,
    /// Of client and server.
    wire_bytes: [u64; 2],
    ended: [bool; 2],
    /// What beside requests and answers is known of a gRPC call.
    call: Option<Call>,
    /// A WebSocket was asked for, and what came of that.
    asks_tunnel: bool,
    tunnel: Option<Box<Tunnel>>,
    /// Framing of client and server was lost since it was last told.
    tunnel_lost: [bool; 2],
    last_at: TraceNs,
}

impl Stream {
    /// A request, or the promise of an answer to one that was not sent.
    pub fn asked(frame: Frame, headers: Headers, context: &mut Context<'_>) -> Self {
        let promised = headers.promised;
        let kind = if promised.is_some() { Kind::Push } else { Kind::Request };
        let unknown = headers.fields.unknown > 0 || headers.fields.cut;
        let head = head::request(headers.fields, &mut context.out.names);
        let is_call = head.is_call;
        let asks_tunnel = head.protocol.eq_ignore_ascii_case("websocket");
        let mut exchange = exchange(context, kind, frame.started, head);
        if unknown {
            exchange.flags.set(Flag::Gap);
        }
        exchange.stream = promised.unwrap_or(headers.stream).into();
        let (id, call) = (exchange.stream, is_call.then(Call::default));
        let mut stream = Self {
            id,
            request: Pending::new(exchange),
            headed: false,
            unheard: false,
            answer: None,
            wire_bytes: [frame.wire_bytes, 0],
            ended: [false; 2],
            call,
            asks_tunnel,
            tunnel: None,
            tunnel_lost: [false; 2],
            last_at: frame.at,
        };
        if let Some(call) = &mut stream.call {
            call.head_bytes[0] = frame.wire_bytes;
        }
        if promised.is_some() {
            stream.end(Side::Client, frame.at, true, context);
        }
        stream
    }

    /// The stream of the request that came before the change to HTTP/2 (RFC 7540 §3.2).
    pub fn upgraded(mut exchange: Exchange) -> Self {
        exchange.stream = 1;
        let wire_bytes = [exchange.request_bytes, 0];
        Self {
            id: 1,
            request: Pending::upgraded(exchange),
            headed: false,
            unheard: false,
            answer: None,
            wire_bytes,
            ended: [true, false],
            call: None,
            asks_tunnel: false,
            tunnel: None,
            tunnel_lost: [false; 2],
            last_at: TraceNs(0),
        }
    }

    /// Bytes of bodies in memory.
    pub fn held_bytes(&self) -> usize {
        let answer = self.answer.as_ref().map_or(0, Answer::held_bytes);
        self.request.body_bytes() + answer + self.call.as_ref().map_or(0, Call::held_bytes)
    }

    /// Both sides have ended.
    pub fn is_over(&self) -> bool {
        self.ended == [true, true]
    }

    /// The answer's head, an interim one, or trailers of either side.
    pub fn headers(&mut self, frame: Frame, headers: Headers, context: &mut Context<'_>) {
        self.wire_bytes[frame.side as usize] += frame.wire_bytes;
        if frame.side == Side::Server {
            self.server_headers(frame, &headers, context);
        }
        if headers.end {
            self.end(frame.side, frame.at, true, context);
        }
    }

    fn server_headers(&mut self, frame: Frame, headers: &Headers, context: &mut Context<'_>) {
        let fields = &headers.fields;
        let status = head::number(fields, b":status").unwrap_or(0);
        if let Some(call) = &mut self.call {
            call.head_bytes[1] += frame.wire_bytes;
            call.note_status(fields);
        }
        if self.headed || (100..200).contains(&status) {
            return;
        }
        self.headed = true;
        let read = self.request.reads_answer(&context.options.rules) || context.options.keep_responses;
        self.answer = Some(Answer::new(status, Coding::of(fields.get(b"content-encoding")), frame.started, read));
        if self.call.as_ref().is_some_and(Call::is_long_lived) {
            self.answered(Some(frame.at), context);
            self.push_open(context);
        }
        if self.asks_tunnel && (200..300).contains(&status) {
            self.open_tunnel(frame.at, fields.clone(), context);
        }
    }

    /// The request becomes the opening of a WebSocket.
    fn open_tunnel(&mut self, at: TraceNs, answer: Fields, context: &mut Context<'_>) {
        self.request.end(self.wire_bytes[0], None, &context.options.rules, context.out);
        self.answered(Some(at), context);
        let answer_headers = head::request(answer, &mut context.out.names).headers;
        let upgrade = Upgrade { exchange: self.request.row().clone(), answer_headers };
        self.tunnel = Some(Box::new(Tunnel::new(context.about, self.id, upgrade, context.options)));
    }

    /// Lets the WebSocket in the stream take something in; false where there is none.
    fn on_tunnel(&mut self, context: &mut Context<'_>, act: impl FnOnce(&mut dyn Dissector, &mut Emit)) -> bool {
        let Some(tunnel) = &mut self.tunnel else { return false };
        tunnel.with(context.about, |dissector| act(dissector, context.out));
        true
    }

    /// A part of a body.
    pub fn data(&mut self, frame: Frame, part: &[u8], end: bool, context: &mut Context<'_>) {
        self.wire_bytes[frame.side as usize] += frame.wire_bytes;
        if self.ended[frame.side as usize] {
            return;
        }
        self.last_at = frame.at;
        let was_lost = std::mem::take(&mut self.tunnel_lost[frame.side as usize]);
        let in_tunnel = self.on_tunnel(context, |tunnel, out| {
            if was_lost {
                tunnel.gap(frame.side, frame.at, u64::MAX, out);
            }
            tunnel.bytes(frame.side, frame.at, part, out);
        });
        if in_tunnel {
            if end {
                self.end(frame.side, frame.at, true, context);
            }
            return;
        }
        match (&mut self.call, frame.side) {
            (None, Side::Client) => _ = self.request.body(part, context.options.body_bytes_max),
            (Some(_), side) => self.messages(side, frame, part, context),
            (None, Side::Server) => self.answer.iter_mut().for_each(|answer| answer.body(part)),
        }
        if end {
            self.end(frame.side, frame.at, true, context);
        }
    }

    /// A part of the messages of one side of a call.
    fn messages(&mut self, side: Side, frame: Frame, part: &[u8], context: &mut Context<'_>) {
        let Some(call) = &self.call else { return };
        let mut messages = call.messages[side as usize];
        let was_lost = messages.is_lost();
        messages.read(part, |piece| self.piece(side, &piece, frame.at, context));
        if messages.is_lost() && !was_lost {
            context.issue("grpc-malformed-message", self.id);
            self.request.flag(Flag::Unreplayable);
        }
        self.call.iter_mut().for_each(|call| call.messages[side as usize] = messages);
    }

    fn piece(&mut self, side: Side, piece: &Piece<'_>, at: TraceNs, context: &mut Context<'_>) {
        let Some(call) = &mut self.call else { return };
        let begins_rows = call.count(side, piece) && !call.is_long_lived();
        if begins_rows {
            self.begin_rows(context);
        }
        let Some(call) = &mut self.call else { return };
        if call.is_long_lived() {
            return call.piece(side, piece, at, context);
        }
        call.message_bytes[side as usize] += call_bytes(piece);
        let prefix = grpc::prefix(piece.length, piece.compressed);
        let prefix = if piece.start { &prefix[..] } else { &[] };
        for part in [prefix, piece.part] {
            match side {
                Side::Client => _ = self.request.body(part, context.options.body_bytes_max),
                Side::Server => self.answer.iter_mut().for_each(|answer| answer.body(part)),
            }
        }
        if side == Side::Server {
            call.last_at = Some(at);
        }
    }

    /// The client sends a second message: what was a request becomes the opening of a long-lived stream.
    fn begin_rows(&mut self, context: &mut Context<'_>) {
        let Some(call) = &mut self.call else { return };
        let bytes = call.head_bytes[0] + call.message_bytes[0];
        self.request.end(bytes, None, &context.options.rules, context.out);
        self.request.row().kind = Kind::Open;
        call.begin_rows(self.request.row());
        let last_at = call.last_at;
        if let Some(answer) = &self.answer {
            let done_at = last_at.unwrap_or(answer.at());
            self.answered(Some(done_at), context);
            self.push_open(context);
        }
    }

    /// Gives the opening of a long-lived stream back, once.
    fn push_open(&mut self, context: &mut Context<'_>) {
        let Some(call) = &mut self.call else { return };
        if !std::mem::replace(&mut call.opened, true) {
            context.push(self.request.row().clone());
        }
    }

    /// One side is over; `seen` says whether its last byte was captured, `at` that instant.
    pub fn end(&mut self, side: Side, at: TraceNs, seen: bool, context: &mut Context<'_>) {
        if std::mem::replace(&mut self.ended[side as usize], true) {
            return;
        }
        self.last_at = at;
        if self.on_tunnel(context, |tunnel, out| tunnel.end(side, at, out)) {
            return;
        }
        if let Some(call) = self.call.as_mut().filter(|call| call.is_long_lived()) {
            return call.end(side, at, seen, context);
        }
        match side {
            Side::Client => {
                let wire_bytes = self.wire_bytes[0];
                self.request.end(wire_bytes, None, &context.options.rules, context.out);
            }
            Side::Server => self.answered(seen.then_some(at), context),
        }
    }

    fn answered(&mut self, done_at: Option<TraceNs>, context: &mut Context<'_>) {
        let Some(answer) = self.answer.take() else { return };
        let wire_bytes = match self.call.as_mut().filter(|call| call.is_long_lived()) {
            Some(call) => {
                let bytes = call.head_bytes[1] + call.message_bytes[1];
                call.given_bytes[1] += bytes;
                bytes
            }
            None => self.wire_bytes[1],
        };
        let (status, whole) = (answer.status(), done_at.is_some() && !answer.has_gap());
        let call = self.call.as_mut().filter(|call| !call.is_long_lived());
        let target = &self.request.row().target;
        let failed = call.is_some() && whole && answer.plain().is_some_and(|body| trace::rules::call_failed(target, &body));
        self.request.answered(answer, wire_bytes, done_at, context.options, context.out);
        let row = self.request.row();
        if status == 0 {
            (row.status, row.ok) = (None, None);
        }
        if let Some(call) = call
            && call.conclude(row, whole, failed, &mut context.out.names)
        {
            context.issue("grpc-status-missing", self.id);
        }
    }

    /// One side ends the stream at once, for both.
    pub fn reset(&mut self, side: Side, code: u32, at: TraceNs, context: &mut Context<'_>) {
        let ends = |tunnel: &mut dyn Dissector, out: &mut Emit| tunnel.end(side, at, out);
        if self.on_tunnel(context, ends) {
            self.ended = [true, true];
            return;
        }
        let complete = self.ended[1];
        let passed = self.call.is_some() && head::deadline_passed(self.request.row(), at);
        let deadline = (side == Side::Client && passed).then(|| context.out.names.get(DEADLINE_EXCEEDED));
        if let Some(call) = self.call.as_mut().filter(|call| call.is_long_lived() && !complete) {
            let status = if side == Side::Server { Some(reset_status(code, context)) } else { deadline };
            call.reset(at, status, context);
        } else if !complete {
            let headed = self.answer.is_some();
            self.answered(None, context);
            let row = self.request.row();
            row.flags.set(Flag::Truncated);
            if side == Side::Server && !headed {
                row.status = Some(reset_status(code, context));
                note_answer(row, at, Some(at));
            }
            if let Some(status) = deadline {
                row.status = Some(status);
                note_answer(row, at, Some(at));
                row.ok = Some(false);
            }
            if side == Side::Server {
                row.ok = Some(false);
            }
        }
        if !self.request.is_ended() {
            self.request.end(self.wire_bytes[0], Some(Flag::Truncated), &context.options.rules, context.out);
        }
        self.ended = [true, true];
    }

    /// Bytes inside a frame of data were not captured.
    pub fn hole(&mut self, side: Side, at: TraceNs, missing: u64, context: &mut Context<'_>) {
        self.wire_bytes[side as usize] += missing;
        if self.on_tunnel(context, |tunnel, out| tunnel.gap(side, at, missing, out)) {
            return;
        }
        if let Some(call) = &mut self.call {
            call.messages[side as usize].skip(missing);
        }
        self.flag_gap(side);
    }

    /// Framing of one side was lost: something of this stream may have been.
    pub fn lost(&mut self, side: Side) {
        self.tunnel_lost[side as usize] |= self.tunnel.is_some();
        if !self.ended[side as usize] && self.tunnel.is_none() {
            self.call.iter_mut().for_each(|call| call.messages[side as usize].lose());
            if side == Side::Server && !self.headed {
                self.unheard = true;
            } else {
                self.flag_gap(side);
            }
        }
    }

    fn flag_gap(&mut self, side: Side) {
        match (side, &mut self.answer) {
            (Side::Server, Some(answer)) => answer.gap(),
            (Side::Server, None) => self.request.flag(Flag::Gap),
            (Side::Client, _) => {
                self.request.flag(Flag::Gap);
                self.request.flag(Flag::Unreplayable);
            }
        }
    }

    /// Gives everything back; `flag` says why it is not whole, if it is not.
    pub fn finish(mut self, flag: Option<Flag>, context: &mut Context<'_>) {
        let at = self.last_at;
        if self.on_tunnel(context, |tunnel, out| tunnel.finish(at, out)) {
            return;
        }
        if self.unheard && !self.headed {
            self.request.flag(Flag::Gap);
        }
        if !self.request.is_ended() {
            self.request.end(self.wire_bytes[0], flag, &context.options.rules, context.out);
        }
        if self.answer.is_some() {
            flag.into_iter().for_each(|flag| self.request.flag(flag));
            self.answered(None, context);
        }
        let call = self.call.take().filter(Call::is_long_lived);
        if !call.as_ref().is_some_and(|call| call.opened) {
            context.push(self.request.finish().0);
        }
        if let Some(call) = call {
            call.finish(flag, self.wire_bytes, context);
        }
    }
}

/// What the client says to itself when its time is over: no answer comes any more (gRPC, "Status codes").
const DEADLINE_EXCEEDED: &str = "grpc:4";

/// Bytes of a piece in its body: with the prefix, if that stands before it.
pub(super) fn call_bytes(piece: &Piece<'_>) -> u64 {
    (piece.part.len() + if piece.start { grpc::PREFIX_BYTES } else { 0 }) as u64
}

fn reset_status(code: u32, context: &mut Context<'_>) -> Name {
    context.out.names.get(&format!("reset:{}", error_name(code)))
}

fn exchange(context: &mut Context<'_>, kind: Kind, at: TraceNs, head: RequestHead) -> Exchange {
    let mut exchange = context.about.row(kind, at);
    exchange.protocol = context.out.names.get(if head.is_call { "grpc" } else { "http" });
    exchange.version = context.out.names.get("2");
    exchange.method = context.out.names.get(&head.method);
    exchange.target = head.target;
    exchange.headers = Some(head.headers);
    if head.escaped {
        exchange.flags.set(Flag::Escaped);
    }
    if exchange.method.is_empty() || exchange.target.is_empty() || !head.protocol.is_empty() || exchange.method == "CONNECT" {
        exchange.flags.set(Flag::Unreplayable);
    }
    exchange
}

/// A body of which `part` is the next, kept as far as `bytes_max` allows.
pub(super) fn keep(body: &mut Vec<u8>, part: &[u8], bytes_max: usize) -> bool {
    let kept = part.len().min(bytes_max.saturating_sub(body.len()));
    body.extend_from_slice(&part[..kept]);
    kept == part.len()
}

pub(super) fn body(bytes: Vec<u8>) -> Option<Bytes> {
    (!bytes.is_empty()).then(|| Bytes::from(bytes))
}
