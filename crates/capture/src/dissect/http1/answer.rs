//! A response while it is read, and what its body says.

use std::borrow::Cow;
use std::io::Read;

use bytes::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use trace::TraceNs;
use trace::rules::{RuleId, Rules};
use wire::http1::ResponseHead;
use xxhash_rust::xxh3::Xxh3;

/// Bytes of a body that are gathered where it has to be read or kept, and bytes that may come of them when the content coding is taken
/// off. A longer body is not read, and a longer one with a content coding neither.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Bytes of any other body that are gathered; of a longer one there is only the digest.
const GATHERED_BYTES_MAX: usize = 64 << 10;

/// How the body is coded (RFC 9110 §8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    None,
    Gzip,
    Deflate,
    Zstd,
    Other,
}

impl Coding {
    fn of(head: &ResponseHead<'_>) -> Self {
        let Some(value) = head.headers.get("content-encoding") else { return Self::None };
        match value.to_ascii_lowercase().as_slice() {
            b"" | b"identity" => Self::None,
            b"gzip" | b"x-gzip" => Self::Gzip,
            b"deflate" => Self::Deflate,
            b"zstd" => Self::Zstd,
            _ => Self::Other,
        }
    }
}

/// The answer under way.
pub(super) struct Answer {
    status: u16,
    informational: bool,
    at: TraceNs,
    coding: Coding,
    body: Vec<u8>,
    body_bytes_max: usize,
    /// Of a body that became longer than is gathered: what was gathered is in it.
    digest: Option<Box<Xxh3>>,
    gap: bool,
}

impl Answer {
    /// An answer whose first byte was captured `at`; `whole` says whether its body has to be read or kept.
    pub fn begin(head: &ResponseHead<'_>, at: TraceNs, whole: bool) -> Self {
        Self {
            status: head.status,
            informational: head.informational,
            at,
            coding: Coding::of(head),
            body: Vec::new(),
            body_bytes_max: if whole { ANSWER_BYTES_MAX } else { GATHERED_BYTES_MAX },
            digest: None,
            gap: false,
        }
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
        if let Some(digest) = &mut self.digest {
            return digest.update(part);
        }
        let kept = part.len().min(self.body_bytes_max - self.body.len());
        self.body.extend_from_slice(&part[..kept]);
        if kept < part.len() {
            let mut digest = Box::new(Xxh3::new());
            digest.update(&self.body);
            digest.update(&part[kept..]);
            self.digest = Some(digest);
        }
    }

    /// Bytes of the body were not captured.
    pub fn gap(&mut self) {
        self.gap = true;
    }

    /// What the whole body says; `None` where it is not whole.
    pub fn read(&self, rule: Option<RuleId>, rules: &Rules) -> Option<trace::rules::Answer> {
        if self.gap {
            return None;
        }
        if let Some(digest) = &self.digest {
            return Some(trace::rules::Answer { ok: self.status < 400, hash: digest.digest(), ids: None });
        }
        let plain = if rules.reads_answer(rule) { self.plain() } else { None };
        Some(match plain {
            Some(plain) => rules.answer(rule, self.status, &plain),
            None => rules.answer(None, self.status, &self.body),
        })
    }

    /// The body without its content coding; `None` where that is unknown, broken or hides more than the limit.
    fn plain(&self) -> Option<Cow<'_, [u8]>> {
        let body = self.body.as_slice();
        match self.coding {
            Coding::None => Some(Cow::Borrowed(body)),
            Coding::Gzip => unpack(MultiGzDecoder::new(body)),
            Coding::Deflate => unpack(ZlibDecoder::new(body)),
            Coding::Zstd => unpack(zstd::stream::read::Decoder::new(body).ok()?),
            Coding::Other => None,
        }
    }

    /// The body as sent, as far as it was gathered, for keeping.
    pub fn kept(&self, bytes_max: usize) -> Bytes {
        Bytes::copy_from_slice(&self.body[..self.body.len().min(bytes_max)])
    }
}

fn unpack(packed: impl Read) -> Option<Cow<'static, [u8]>> {
    let mut plain = Vec::new();
    packed.take(ANSWER_BYTES_MAX as u64 + 1).read_to_end(&mut plain).ok()?;
    (plain.len() <= ANSWER_BYTES_MAX).then_some(Cow::Owned(plain))
}
