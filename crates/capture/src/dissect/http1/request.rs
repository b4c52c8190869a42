//! A request on its way to becoming an exchange.

use bytes::Bytes;
use trace::rules::{HttpRequest, RuleId, Rules};
use trace::{Exchange, Flag, Header, Kind, Name, Names, TraceNs, Yield, escape_text};
use wire::http1::{Headers, Oddity, RequestHead};

use super::answer::Answer;
use crate::dissect::{Connection, Emit, Options, note_answer};

/// An exchange whose answer is not complete yet.
pub(in crate::dissect) struct Pending {
    exchange: Exchange,
    body: Vec<u8>,
    rule: Option<RuleId>,
    /// Bytes of the 1xx responses before the final one.
    interim_bytes: u64,
    ended: bool,
    answered: bool,
    /// The headers of an answer that changed the protocol.
    change: Option<Vec<Header>>,
    /// For a request whose head was not captured: the rows before it.
    unseen: Option<u32>,
}

impl Pending {
    /// A request whose head was read; its first byte was captured `at`.
    pub fn begin(about: &mut Connection, at: TraceNs, head: &RequestHead<'_>, out: &mut Emit) -> Self {
        let mut exchange = about.row(Kind::Request, at);
        exchange.protocol = out.names.get("http");
        exchange.version = out.names.get(version(head.minor_version));
        let (method, odd_method) = out.names.escaped(head.method);
        exchange.method = method;
        let (target, odd_target) = escape_text(head.target);
        exchange.target = target;
        let (headers, odd_name) = headers(head.headers, &mut out.names);
        exchange.headers = Some(headers);
        if odd_method || odd_target || odd_name {
            exchange.flags.set(Flag::Escaped);
        }
        let odd_line = head.odd.has(Oddity::OddStartLine) || odd_method || odd_target;
        if odd_line || head.method == b"CONNECT" {
            exchange.flags.set(Flag::Unreplayable);
        }
        Self::new(exchange)
    }

    /// A request of whatever HTTP, as far as its head goes.
    pub fn new(exchange: Exchange) -> Self {
        Self {
            exchange,
            body: Vec::new(),
            rule: None,
            interim_bytes: 0,
            ended: false,
            answered: false,
            change: None,
            unseen: None,
        }
    }

    /// A request that lies in a hole found `at`: it takes its answer, and becomes no row.
    pub fn unseen(about: &Connection, at: TraceNs) -> Self {
        Self { ended: true, unseen: Some(about.rows), ..Self::new(Exchange { at, ..Exchange::default() }) }
    }

    /// The rows before it, if its head was not captured.
    pub fn rows_before_unseen(&self) -> Option<u32> {
        self.unseen
    }

    /// A request that is over, whose real answer comes behind the one that changed the protocol.
    pub fn upgraded(exchange: Exchange) -> Self {
        Self { interim_bytes: exchange.response_bytes, ended: true, ..Self::new(exchange) }
    }

    /// The row as it is.
    pub fn row(&mut self) -> &mut Exchange {
        &mut self.exchange
    }

    pub fn at(&self) -> TraceNs {
        self.exchange.at
    }

    pub fn is_ended(&self) -> bool {
        self.ended
    }

    pub fn is_answered(&self) -> bool {
        self.answered
    }

    pub fn flag(&mut self, flag: Flag) {
        self.exchange.flags.set(flag);
    }

    /// Keeps a part of the body as far as `bytes_max` allows; how many bytes were kept.
    pub fn body(&mut self, part: &[u8], bytes_max: usize) -> usize {
        let kept = part.len().min(bytes_max.saturating_sub(self.body.len()));
        self.body.extend_from_slice(&part[..kept]);
        if kept < part.len() {
            self.flag(Flag::Truncated);
            self.flag(Flag::Unreplayable);
        }
        kept
    }

    /// Bytes of the body that are kept.
    pub fn body_bytes(&self) -> usize {
        self.exchange.request.as_ref().map_or(self.body.len(), Bytes::len)
    }

    /// The request is over, `wire_bytes` long. A flag says that it is not whole, and so cannot be sent again.
    pub fn end(&mut self, wire_bytes: u64, flag: Option<Flag>, rules: &Rules, out: &mut Emit) {
        if let Some(flag) = flag {
            self.flag(flag);
            self.flag(Flag::Unreplayable);
        }
        self.ended = true;
        self.exchange.request_bytes = wire_bytes;
        self.classify(rules, out);
        let body = std::mem::take(&mut self.body);
        self.exchange.request = (!body.is_empty()).then(|| Bytes::from(body));
    }

    fn classify(&mut self, rules: &Rules, out: &mut Emit) {
        let Exchange { method, target, headers, .. } = &self.exchange;
        let headers = headers.as_deref().unwrap_or_default();
        let class = out.targets.classify(rules, &HttpRequest { method, target, headers, body: &self.body }, &mut out.names);
        (self.rule, self.exchange.effect, self.exchange.items) = (class.rule, class.effect, class.items);
        (self.exchange.collection, self.exchange.operation) = (class.collection, class.operation);
    }

    /// Whether the body of the answer has to be read.
    pub fn reads_answer(&self, rules: &Rules) -> bool {
        rules.reads_answer(self.rule)
    }

    /// A 1xx response came, and the final one is still to come.
    pub fn interim(&mut self, wire_bytes: u64) {
        self.interim_bytes += wire_bytes;
    }

    /// The answer is over, `wire_bytes` long; `done_at` says when, if its last byte was seen.
    pub fn answered(&mut self, answer: Answer, wire_bytes: u64, done_at: Option<TraceNs>, options: &Options, out: &mut Emit) {
        self.answered = true;
        let exchange = &mut self.exchange;
        exchange.response_bytes = self.interim_bytes + wire_bytes;
        exchange.status = Some(status(answer.status(), &mut out.names));
        note_answer(exchange, answer.at(), done_at);
        self.change = answer.change().map(<[Header]>::to_vec);
        if answer.has_gap() {
            exchange.flags.set(Flag::Gap);
        }
        exchange.ok = Some(answer.status() < 400);
        if let Some(read) = done_at.and_then(|_| answer.read(self.rule, &options.rules)) {
            exchange.ok = Some(read.ok);
            exchange.answer_hash = Some(read.hash);
            exchange.answer_ids = read.ids;
            let yields = read.yields.into_iter();
            exchange.yields.extend(yields.map(|(name, value)| Yield { name: out.names.get(&name), value: value.into() }));
        }
        if options.keep_responses {
            exchange.response = answer.kept(options.body_bytes_max);
        } else {
            out.room = answer.into_room();
        }
    }

    /// The exchange, and the headers of its answer if that changed the protocol.
    pub fn finish(self) -> (Exchange, Option<Vec<Header>>) {
        (self.exchange, self.change)
    }
}

fn status(status: u16, names: &mut Names) -> Name {
    if !(100..1000).contains(&status) {
        return names.get(&status.to_string());
    }
    let digits = [status / 100, status / 10 % 10, status % 10].map(|digit| b'0' + digit as u8);
    names.get(std::str::from_utf8(&digits).unwrap_or_default())
}

fn version(minor: Option<u8>) -> &'static str {
    const VERSIONS: [&str; 10] = ["1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7", "1.8", "1.9"];
    minor.and_then(|minor| VERSIONS.get(usize::from(minor)).copied()).unwrap_or_default()
}

/// The headers in order and case, values sharing one allocation, and whether a name had to be escaped. The lines of a folded value are
/// joined with a space (RFC 9112 §5.2).
pub(super) fn headers(lines: Headers<'_>, names: &mut Names) -> (Vec<Header>, bool) {
    let block = Bytes::copy_from_slice(lines.as_bytes());
    let mut odd_name = false;
    let headers = Headers::new(&block).into_iter().map(|(name, value)| {
        let (name, odd) = names.escaped(name);
        odd_name |= odd;
        let value = if value.contains(&b'\n') { unfold(value) } else { block.slice_ref(value) };
        Header { name, value }
    });
    (headers.collect(), odd_name)
}

fn unfold(value: &[u8]) -> Bytes {
    let lines: Vec<&[u8]> = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).collect();
    Bytes::from(lines.join(&b' '))
}
