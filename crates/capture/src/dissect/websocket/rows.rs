//! Which message answers which.
//!
//! A message of the client that bears an id (see [`trace::rules::WebSocketMessage`]) is answered by the next one of the server with the
//! same id, and by no other. Any other one is answered by the server's next message where it alone is unanswered, as long as the server
//! does not mostly speak unasked: who sends again without waiting, or listens to what others say, is not asking.

use std::collections::VecDeque;

use bytes::Bytes;
use trace::rules::WebSocketMessage;
use trace::{Effect, Exchange, Flag, Header, Kind, TraceNs, Yield};
use wire::Side;
use wire::websocket::{ControlKind, MessageKind, Part, close_reason};

use super::incoming::Incoming;
use crate::dissect::{Connection, Emit, Options, Upgrade, header, note_answer};

/// Messages with ids that wait for their answers; past it the oldest is given back without one.
const WAITING_MAX: usize = 256;
/// Bytes of them; past it too.
const WAITING_BYTES_MAX: usize = 64 << 20;
/// The server speaks mostly unasked where it did so more often than this for each answer,
const UNASKED_PER_ANSWER: u64 = 2;
/// and this often beside: it may greet, and answer in several messages.
const UNASKED_FREE: u64 = 3;
/// The code of a connection that ended without a close frame (RFC 6455 §7.1.5).
const CODE_ABNORMAL: u16 = 1006;
/// The code of a close frame without one.
const CODE_NONE: u16 = 1005;
/// Codes that are no failure (RFC 6455 §7.4.1).
const CODES_GOOD: [u16; 3] = [1000, 1001, CODE_NONE];
/// What a handshake may have agreed, of the answer's headers.
const NEGOTIATED: [&str; 2] = ["sec-websocket-protocol", "sec-websocket-extensions"];

/// What rows are made with.
pub(super) struct Context<'a> {
    pub about: &'a mut Connection,
    pub options: &'a Options,
    pub out: &'a mut Emit,
}

/// The rows of a connection.
#[derive(Default)]
pub(super) struct Rows {
    /// What they share.
    like: Exchange,
    /// Of the request that asked for the change.
    headers: Option<Vec<Header>>,
    /// Messages of the client with ids, not answered yet.
    waiting: VecDeque<(String, Exchange)>,
    waiting_bytes: usize,
    /// The client's last message without an id, if it is not answered.
    last: Option<Exchange>,
    /// Messages without ids that are not answered.
    unanswered: u64,
    /// Messages of the server that answered one without an id, and that did not.
    answers: u64,
    unasked: u64,
    /// Bytes of control frames of client and server.
    control_bytes: [u64; 2],
    close: Option<Exchange>,
    ended: Option<TraceNs>,
}

impl Rows {
    /// For a connection that this request changed, if that was captured.
    pub fn new(open: Option<&Exchange>) -> Self {
        let like = open.map_or_else(Exchange::default, |open| Exchange {
            target: open.target.clone(),
            collection: open.collection.clone(),
            ..Exchange::default()
        });
        Self { like, headers: open.and_then(|open| open.headers.clone()), ..Self::default() }
    }

    /// Gives the request that asked for the change back as the opening of what follows.
    pub fn open(&mut self, upgrade: Upgrade, context: &mut Context<'_>) {
        let Upgrade { exchange: mut open, answer_headers } = upgrade;
        let names = &mut context.out.names;
        let version = header(open.headers.as_deref().unwrap_or_default(), "sec-websocket-version").unwrap_or_default();
        let version = names.get(&String::from_utf8_lossy(version));
        (open.kind, open.effect, open.protocol, open.version) = (Kind::Open, Effect::Control, names.get("websocket"), version);
        open.flags.set(Flag::Setup);
        for name in NEGOTIATED {
            let value = header(&answer_headers, name).map(|value| String::from_utf8_lossy(value).into());
            open.yields.extend(value.map(|value| Yield { name: names.get(name), value }));
        }
        (self.like.protocol, self.like.version) = (open.protocol.clone(), open.version.clone());
        context.out.push(context.about, open);
    }

    fn push(&self, row: Exchange, context: &mut Context<'_>) {
        context.out.push_part(context.about, row, self.headers.as_deref());
    }

    fn row(&self, kind: Kind, at: TraceNs, about: &mut Connection, out: &mut Emit) -> Exchange {
        let Exchange { target, collection, version, .. } = self.like.clone();
        let protocol = out.names.get("websocket");
        Exchange { protocol, target, collection, version, effect: Effect::Control, ..about.row(kind, at) }
    }

    /// A message of the client begins.
    pub fn asking(&self, kind: MessageKind, at: TraceNs, about: &mut Connection, out: &mut Emit) -> Exchange {
        Exchange { method: out.names.get(method(kind)), items: 1, ..self.row(Kind::Message, at, about, out) }
    }

    /// A message of either side is over, or will get no further.
    pub fn message(&mut self, mut message: Incoming, at: TraceNs, context: &mut Context<'_>) {
        let body = message.body();
        let says = WebSocketMessage::read(&body);
        match message.row.take() {
            Some(row) => self.asked(row, &message, body, says, context),
            None => self.said(&message, body, &says, at, context),
        }
    }

    fn asked(&mut self, mut row: Exchange, message: &Incoming, body: Bytes, says: WebSocketMessage, context: &mut Context<'_>) {
        row.request_bytes = message.wire_bytes;
        row.effect = says.effect();
        row.operation = context.out.names.get(&operation("message", &says));
        for flag in message.flags.iter() {
            row.flags.set(flag);
            row.flags.set(Flag::Unreplayable);
        }
        let weight = body.len();
        row.request = (!body.is_empty()).then_some(body);
        match says.id {
            Some(id) => {
                self.waiting.push_back((id, row));
                self.waiting_bytes += weight;
                while self.waiting.len() > WAITING_MAX || self.waiting_bytes > WAITING_BYTES_MAX {
                    let session = context.about.session;
                    context.out.issues.add("websocket-waiting-limit", || format!("connection {session}"));
                    self.remove_waiting(0).into_iter().for_each(|row| self.push(row, context));
                }
            }
            None => {
                self.unanswered += 1;
                self.last.replace(row).into_iter().for_each(|before| self.push(before, context));
            }
        }
    }

    fn remove_waiting(&mut self, place: usize) -> Option<Exchange> {
        let (_, row) = self.waiting.remove(place)?;
        self.waiting_bytes -= row.request.as_ref().map_or(0, Bytes::len);
        Some(row)
    }

    /// The message of the client that one of the server with this id answers.
    fn question(&mut self, id: Option<&str>) -> Option<Exchange> {
        let place = id.and_then(|id| self.waiting.iter().position(|(waiting, _)| waiting == id));
        if let Some(place) = place {
            return self.remove_waiting(place);
        }
        let asks = self.unasked <= UNASKED_PER_ANSWER * self.answers + UNASKED_FREE;
        let question = self.last.take_if(|_| asks && self.unanswered == 1);
        self.unanswered = self.unanswered.saturating_sub(1);
        *(if question.is_some() { &mut self.answers } else { &mut self.unasked }) += 1;
        question
    }

    fn said(&mut self, message: &Incoming, body: Bytes, says: &WebSocketMessage, at: TraceNs, context: &mut Context<'_>) {
        let mut row = match self.question(says.id.as_deref()) {
            Some(row) => row,
            None => {
                let operation = context.out.names.get(&operation("push", says));
                let method = context.out.names.get(method(message.opening.kind));
                let row = self.row(Kind::Push, message.at, context.about, context.out);
                Exchange { operation, method, ..row }
            }
        };
        let whole = message.flags.iter().next().is_none();
        message.flags.iter().for_each(|flag| row.flags.set(flag));
        note_answer(&mut row, message.at, whole.then_some(at));
        row.ok = Some(!says.failed);
        row.response_bytes = message.wire_bytes;
        row.answer_hash = message.hash(&context.options.rules);
        row.response = (context.options.keep_responses && !body.is_empty())
            .then(|| body.slice(..body.len().min(context.options.body_bytes_max)));
        self.push(row, context);
    }

    /// A control frame, its first byte captured at one instant and its last one at the other.
    pub fn control(
        &mut self,
        side: Side,
        kind: ControlKind,
        payload: Part<'_>,
        wire_bytes: u64,
        (started, at): (TraceNs, TraceNs),
        context: &mut Context<'_>,
    ) {
        self.control_bytes[side as usize] += wire_bytes;
        if kind != ControlKind::Close {
            return;
        }
        if self.close.is_none() {
            self.close = Some(self.closing(started, context));
        }
        let Some(close) = self.close.as_mut().filter(|close| side == Side::Server && close.status.is_none()) else { return };
        let code = close_reason(payload).map_or(CODE_NONE, |(code, _)| code);
        close.status = Some(context.out.names.get(&format!("ws:{code}")));
        close.ok = Some(CODES_GOOD.contains(&code));
        note_answer(close, started, Some(at));
    }

    fn closing(&self, at: TraceNs, context: &mut Context<'_>) -> Exchange {
        let operation = context.out.names.get("close");
        Exchange { operation, ..self.row(Kind::Close, at, context.about, context.out) }
    }

    /// One side of the connection is over.
    pub fn ended(&mut self, at: TraceNs) {
        self.ended.get_or_insert(at);
    }

    /// Gives back what is left.
    pub fn finish(&mut self, context: &mut Context<'_>) {
        let waiting = std::mem::take(&mut self.waiting).into_iter().map(|(_, row)| row);
        let last = self.last.take();
        waiting.chain(last).for_each(|row| self.push(row, context));
        let close = self.close.take().or_else(|| {
            let mut close = self.closing(self.ended?, context);
            close.status = Some(context.out.names.get(&format!("ws:{CODE_ABNORMAL}")));
            close.ok = Some(false);
            Some(close)
        });
        let Some(mut close) = close else { return };
        [close.request_bytes, close.response_bytes] = self.control_bytes;
        self.push(close, context);
    }
}

fn method(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Text => "text",
        MessageKind::Binary => "binary",
    }
}

/// `message subscribe`, or `message` alone where it does not name itself.
fn operation(what: &str, says: &WebSocketMessage) -> String {
    says.name.as_ref().map_or_else(|| what.to_owned(), |name| format!("{what} {name}"))
}
