//! A message while it comes in.

use bytes::Bytes;
use trace::{AnswerBody, Coding, Exchange, Flag, Flags, Keep, TraceNs};
use wire::Side;
use wire::websocket::{Extension, Inflater, Opening, Part};

use super::INFLATERS_MAX;
use crate::dissect::Emit;

/// Why a message cannot be read: the kind of issue, and the flag.
type Unread = (&'static str, Flag);

/// How compression is taken off the messages of one side.
pub(super) struct Inflating {
    how: How,
    /// What messages refer to.
    inflater: Option<Box<Inflater>>,
}

enum How {
    /// None was agreed.
    Plain,
    /// What was agreed, or what messages refer to, is not known.
    Unknown,
    /// Messages may refer to those before, or not.
    Agreed { context_takeover: bool },
}

impl Inflating {
    /// By what the handshake agreed, if that was captured.
    pub fn new(extension: Option<Extension>, side: Side) -> Self {
        let how = match extension {
            Some(Extension::None) => How::Plain,
            Some(Extension::Deflate { context_takeover }) => How::Agreed { context_takeover: context_takeover[side as usize] },
            Some(Extension::Other) | None => How::Unknown,
        };
        Self { how, inflater: None }
    }

    /// Bytes of this side were missed.
    pub fn miss(&mut self) {
        match (&self.how, &mut self.inflater) {
            (How::Agreed { context_takeover: true }, _) => self.how = How::Unknown,
            (_, Some(inflater)) => inflater.miss(),
            _ => {}
        }
    }

    /// Gives what comes of the next part, or `None` of the end, of a compressed message.
    fn read(&mut self, part: Option<&[u8]>, out: &mut Emit, give: impl FnMut(&[u8])) -> Result<(), Unread> {
        let context_takeover = match self.how {
            How::Plain => return Err(("websocket-compression-not-agreed", Flag::Truncated)),
            How::Unknown => return Err(("websocket-compression-unknown", Flag::Gap)),
            How::Agreed { context_takeover } => context_takeover,
        };
        if self.inflater.is_none() {
            if out.inflaters >= INFLATERS_MAX {
                return Err(("websocket-inflaters-limit", Flag::Truncated));
            }
            out.inflaters += 1;
        }
        let inflater = self.inflater.get_or_insert_with(|| Box::new(Inflater::new(context_takeover)));
        let read = match part {
            Some(part) => inflater.read(part, give),
            None => inflater.end(give),
        };
        if part.is_none() && !context_takeover {
            self.drop(out);
        }
        read.map_err(|_| ("websocket-malformed-compression", Flag::Truncated))
    }

    /// Gives back its memory.
    pub fn drop(&mut self, out: &mut Emit) {
        out.inflaters -= usize::from(self.inflater.take().is_some());
    }
}

enum Body {
    /// Of the client, as far as it is kept.
    Asked {
        bytes: Vec<u8>,
        bytes_max: usize,
    },
    Said(AnswerBody),
}

impl Body {
    /// Whether all of it could be kept.
    fn push(&mut self, part: &[u8]) -> bool {
        match self {
            Self::Asked { bytes, bytes_max } => {
                let kept = part.len().min(*bytes_max - bytes.len());
                bytes.extend_from_slice(&part[..kept]);
                kept == part.len()
            }
            Self::Said(body) => {
                body.push(part);
                true
            }
        }
    }
}

/// A message under way.
pub(super) struct Incoming {
    /// When its first byte was captured.
    pub at: TraceNs,
    /// Of the client: its row.
    pub row: Option<Exchange>,
    pub opening: Opening,
    /// Bytes of its frames.
    pub wire_bytes: u64,
    /// What is wrong with it.
    pub flags: Flags,
    body: Body,
    /// It can be read no further.
    unread: bool,
    /// Parts without their mask.
    plain: Vec<u8>,
}

impl Incoming {
    /// A message of the client if there is a `row`, kept up to `bytes_max`; else one of the server, kept if `keep` says so.
    pub fn begin(opening: Opening, at: TraceNs, row: Option<Exchange>, bytes_max: usize, keep: Keep) -> Self {
        let body = match row {
            Some(_) => Body::Asked { bytes: Vec::new(), bytes_max },
            None => Body::Said(AnswerBody::new(Coding::None, keep)),
        };
        Self { at, row, opening, wire_bytes: 0, flags: Flags::default(), body, unread: false, plain: Vec::new() }
    }

    /// Takes the next part; an issue where it cannot be read.
    pub fn part(&mut self, part: Part<'_>, inflating: &mut Inflating, out: &mut Emit) -> Option<&'static str> {
        self.plain.clear();
        part.push_to(&mut self.plain);
        let plain = std::mem::take(&mut self.plain);
        let unread = self.take(Some(&plain), inflating, out);
        self.plain = plain;
        unread
    }

    /// All parts have come; an issue where the end cannot be read.
    pub fn end(&mut self, inflating: &mut Inflating, out: &mut Emit) -> Option<&'static str> {
        self.take(None, inflating, out)
    }

    fn take(&mut self, part: Option<&[u8]>, inflating: &mut Inflating, out: &mut Emit) -> Option<&'static str> {
        let Self { body, flags, .. } = self;
        let mut push = |part: &[u8]| {
            if !body.push(part) {
                flags.set(Flag::Truncated);
                flags.set(Flag::Unreplayable);
            }
        };
        if !self.opening.compressed {
            part.into_iter().for_each(push);
            return None;
        }
        // What messages refer to has to be read on, whatever became of this one.
        let (kind, flag) = inflating.read(part, out, &mut push).err()?;
        self.flags.set(flag);
        (!std::mem::replace(&mut self.unread, true)).then_some(kind)
    }

    /// Bytes of it were not captured.
    pub fn miss(&mut self, missing_bytes: u64) {
        self.wire_bytes += missing_bytes;
        self.flags.set(Flag::Gap);
    }

    /// Its bytes as far as they were kept: those of the client, or of the server where they were short or are to be kept.
    pub fn body(&self) -> Bytes {
        match &self.body {
            _ if self.unread => Bytes::new(),
            Body::Asked { bytes, .. } => Bytes::copy_from_slice(bytes),
            Body::Said(body) => body.plain().map(|plain| Bytes::copy_from_slice(&plain)).unwrap_or_default(),
        }
    }

    /// The digest of a message of the server that is whole.
    pub fn hash(&self, rules: &trace::rules::Rules) -> Option<u64> {
        let whole = !self.unread && self.flags.iter().next().is_none();
        match &self.body {
            Body::Said(body) if whole => Some(body.read(None, 200, rules).hash),
            _ => None,
        }
    }
}
