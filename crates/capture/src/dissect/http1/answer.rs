//! A response while it is read.

use bytes::Bytes;
use trace::rules::{RuleId, Rules};
use trace::{AnswerBody, Coding, Header, Keep, Names, TraceNs};
use wire::http1::{Body, ResponseHead};

use super::request::headers;

/// Bytes of room that are made for what a head says will come.
const ROOM_BYTES_MAX: u64 = 64 << 10;

/// The answer under way.
pub(in crate::dissect) struct Answer {
    status: u16,
    informational: bool,
    at: TraceNs,
    body: AnswerBody,
    gap: bool,
    /// The headers, where what follows is another protocol.
    change: Option<Vec<Header>>,
}

impl Answer {
    /// An answer whose first byte was captured `at`; `whole` says whether its body has to be read or kept. It is gathered in `room`.
    pub fn begin(head: &ResponseHead<'_>, at: TraceNs, whole: bool, mut room: Vec<u8>) -> Self {
        if let Body::Length(bytes) = head.body
            && whole
        {
            room.reserve(bytes.min(ROOM_BYTES_MAX) as usize);
        }
        let coding = if whole { Coding::of(head.headers.get("content-encoding")) } else { Coding::None };
        let answer = Self::new(head.status, coding, at, whole);
        Self { informational: head.informational, body: answer.body.in_room(room), ..answer }
    }

    /// The empty room that its body was gathered in.
    pub fn into_room(self) -> Vec<u8> {
        self.body.into_room()
    }

    /// The final answer in whatever HTTP.
    pub fn new(status: u16, coding: Coding, at: TraceNs, whole: bool) -> Self {
        let body = AnswerBody::new(coding, if whole { Keep::Whole } else { Keep::Digest });
        Self { status, informational: false, at, body, gap: false, change: None }
    }

    /// Bytes of the body in memory.
    pub fn held_bytes(&self) -> usize {
        self.body.held_bytes()
    }

    /// Notes that another protocol follows.
    pub fn changing_protocol(mut self, head: &ResponseHead<'_>, names: &mut Names) -> Self {
        self.change = Some(headers(head.headers, names).0);
        self
    }

    /// The headers, where what follows is another protocol.
    pub fn change(&self) -> Option<&[Header]> {
        self.change.as_deref()
    }

    pub fn status(&self) -> u16 {
        self.status
    }

    pub fn is_informational(&self) -> bool {
        self.informational
    }

    pub fn at(&self) -> TraceNs {
        self.at
    }

    pub fn has_gap(&self) -> bool {
        self.gap
    }

    pub fn body(&mut self, part: &[u8]) {
        self.body.push(part);
    }

    /// Bytes of the body were not captured.
    pub fn gap(&mut self) {
        self.gap = true;
    }

    /// What the whole body says; `None` where it is not whole.
    pub fn read(&self, rule: Option<RuleId>, rules: &Rules) -> Option<trace::rules::Answer> {
        (!self.gap).then(|| self.body.read(rule, self.status, rules))
    }

    /// The body without its content coding, as far as it was gathered.
    pub fn plain(&self) -> Option<std::borrow::Cow<'_, [u8]>> {
        self.body.plain()
    }

    /// The body for keeping, as far as it was gathered and without its content coding: secrets are masked in it, which a coding would
    /// hide. `None` where the coding cannot be taken off.
    pub fn kept(self, bytes_max: usize) -> Option<Bytes> {
        let mut plain = self.body.into_plain()?;
        plain.truncate(bytes_max);
        plain.shrink_to_fit();
        Some(plain.into())
    }
}
