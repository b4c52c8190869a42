//! MongoDB's wire protocol (mongodb.com, "MongoDB Wire Protocol"): messages of all opcodes, packed ones too.
//!
//! ```
//! use wire::mongodb::{Body, Head, Value, push_msg};
//! let mut message = Vec::new();
//! // {"ping": 1}
//! push_msg(7, 0, 0, b"\x0f\0\0\0\x10ping\0\x01\0\0\0\0", &mut message);
//! let head = Head::parse(&message).expect("it is whole");
//! assert_eq!((head.id, head.answers), (7, 0));
//! let Some(Body::Msg { document, .. }) = Body::parse(&message) else { panic!("a message") };
//! assert_eq!(document.first(), Some(("ping", Value::Number(1.0))));
//! ```

mod bson;

use std::borrow::Cow;
use std::io::Read;

use bson::cstring;
pub use bson::{Document, Value};

use crate::length::{Layout, LengthFraming};

/// Bytes of one message, as servers limit it (`maxMessageSizeBytes`), packed or not.
pub const MESSAGE_BYTES_MAX: u32 = 48_000_000;
/// Bytes before what is told by the opcode.
pub const HEAD_BYTES: usize = 16;
/// No answer comes to this message, or another one comes behind this answer.
pub const MORE_TO_COME: u32 = 2;

/// A checksum ends the message.
const HAS_CHECKSUM: u32 = 1;
const REPLY: i32 = 1;
const UPDATE: i32 = 2001;
const INSERT: i32 = 2002;
const QUERY: i32 = 2004;
const GET_MORE: i32 = 2005;
const DELETE: i32 = 2006;
const KILL_CURSORS: i32 = 2007;
const COMPRESSED: i32 = 2012;
const MSG: i32 = 2013;

/// Finds where the messages of one side end: both sides' are alike.
#[must_use]
pub fn framing() -> LengthFraming {
    LengthFraming::new(Layout {
        big_endian: false,
        counts_itself: 4,
        min_bytes: 12,
        max_bytes: MESSAGE_BYTES_MAX,
        head_bytes: 12,
        may_begin: |head, _| {
            let code = head.last_chunk().map_or(0, |code| i32::from_le_bytes(*code));
            matches!(code, REPLY | UPDATE | INSERT | QUERY | GET_MORE | DELETE | KILL_CURSORS | COMPRESSED | MSG)
        },
        chained: false,
    })
}

/// What every message begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The message's number.
    pub id: i32,
    /// The number of the message that it answers, or 0.
    pub answers: i32,
    /// What kind of message it is.
    pub code: i32,
}

impl Head {
    /// Reads the head of a message; `None` where it is not whole.
    #[must_use]
    pub fn parse(message: &[u8]) -> Option<Self> {
        let number = |at: usize| message.get(at..at + 4).and_then(|bytes| Some(i32::from_le_bytes(bytes.try_into().ok()?)));
        Some(Self { id: number(4)?, answers: number(8)?, code: number(12)? })
    }
}

/// A message without its head, as far as its bytes go.
#[derive(Debug, Clone, PartialEq)]
pub enum Body<'a> {
    /// A command or its answer.
    Msg {
        /// [`MORE_TO_COME`] and others.
        flags: u32,
        /// What it says.
        document: Document<'a>,
        /// Further documents of it.
        sequences: Vec<Sequence<'a>>,
    },
    /// A command or question in the old way.
    Query {
        /// Database and collection.
        namespace: &'a str,
        /// What it says.
        document: Document<'a>,
    },
    /// An answer in the old way.
    Reply {
        /// 1: no such cursor, 2: the question failed.
        flags: u32,
        /// Where it goes on, or 0.
        cursor: i64,
        /// The first document.
        document: Document<'a>,
        /// Documents in it.
        items: u64,
    },
    /// A write in the old way, which nobody answers.
    Write {
        /// `insert`, `update` or `delete`.
        command: &'static str,
        /// Database and collection.
        namespace: &'a str,
        /// Documents in it.
        items: u64,
    },
    /// More of a cursor's documents in the old way.
    GetMore {
        /// Database and collection.
        namespace: &'a str,
    },
    /// Cursors are no longer wanted; nobody answers.
    KillCursors,
}

/// Documents of a command that stand behind it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sequence<'a> {
    /// The member of the command that they make up.
    pub name: &'a str,
    /// The first of them.
    pub first: Document<'a>,
    /// How many there are.
    pub count: u64,
}

impl<'a> Body<'a> {
    /// Reads a message, head included, that is not packed; see [`unpack`].
    #[must_use]
    pub fn parse(message: &'a [u8]) -> Option<Self> {
        let (code, bytes) = (Head::parse(message)?.code, message.get(HEAD_BYTES..)?);
        let number = |at: usize| bytes.get(at..at + 4).and_then(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?)));
        Some(match code {
            MSG => Self::msg(number(0)?, bytes.get(4..)?),
            QUERY => {
                let (namespace, rest) = cstring(bytes.get(4..)?)?;
                Self::Query { namespace, document: Document::split(rest.get(8..)?)?.0 }
            }
            REPLY => {
                let cursor = i64::from_le_bytes(*bytes.get(4..)?.first_chunk()?);
                let document = bytes.get(20..).and_then(Document::split).unwrap_or_default().0;
                Self::Reply { flags: number(0)?, cursor, document, items: number(16).unwrap_or(0).into() }
            }
            INSERT => {
                let (namespace, rest) = cstring(bytes.get(4..)?)?;
                Self::Write { command: "insert", namespace, items: count(rest) }
            }
            UPDATE => Self::Write { command: "update", namespace: cstring(bytes.get(4..)?)?.0, items: 1 },
            DELETE => Self::Write { command: "delete", namespace: cstring(bytes.get(4..)?)?.0, items: 1 },
            GET_MORE => Self::GetMore { namespace: cstring(bytes.get(4..)?)?.0 },
            KILL_CURSORS => Self::KillCursors,
            _ => return None,
        })
    }

    fn msg(flags: u32, bytes: &'a [u8]) -> Self {
        let (mut document, mut sequences) = (Document::default(), Vec::new());
        let mut rest = bytes;
        if flags & HAS_CHECKSUM > 0 {
            rest = &rest[..rest.len().saturating_sub(4)];
        }
        loop {
            rest = match rest {
                [0, section @ ..] => match Document::split(section) {
                    Some((body, behind)) => {
                        document = body;
                        behind
                    }
                    None => break,
                },
                [1, section @ ..] => match sequence(section) {
                    Some((name, documents, behind)) => {
                        let first = Document::split(documents).unwrap_or_default().0;
                        sequences.push(Sequence { name, first, count: count(documents) });
                        behind
                    }
                    None => break,
                },
                _ => break,
            };
        }
        Self::Msg { flags, document, sequences }
    }
}

/// A section with a length, a name and documents: those, and what is behind it.
fn sequence(section: &[u8]) -> Option<(&str, &[u8], &[u8])> {
    let length = section.first_chunk().map(|length| u32::from_le_bytes(*length) as usize).filter(|length| *length >= 5)?;
    let (own, behind) = section.split_at(length.min(section.len()));
    let (name, documents) = cstring(own.get(4..)?)?;
    Some((name, documents, behind))
}

/// How many documents follow each other.
fn count(mut bytes: &[u8]) -> u64 {
    let mut count = 0;
    while let Some((_, rest)) = Document::split(bytes) {
        count += 1;
        bytes = rest;
    }
    count
}

/// A message with its packing taken off, which may hide no more than [`MESSAGE_BYTES_MAX`]; as it is, where it is not packed. `None` where
/// the packing is unknown, broken, or says another length than it has.
#[must_use]
pub fn unpack(message: &[u8]) -> Option<Cow<'_, [u8]>> {
    let head = Head::parse(message)?;
    if head.code != COMPRESSED {
        return Some(Cow::Borrowed(message));
    }
    let [code @ .., packing] = *message.get(HEAD_BYTES..)?.first_chunk::<9>()?;
    let (code, length) = code.split_at(4);
    let length = u32::from_le_bytes(length.try_into().ok()?).min(MESSAGE_BYTES_MAX);
    let packed = &message[HEAD_BYTES + 9..];
    let mut plain = message[..HEAD_BYTES].to_vec();
    plain[12..].copy_from_slice(code);
    match packing {
        0 => plain.extend_from_slice(packed),
        1 => {
            if snap::raw::decompress_len(packed).ok()? > length as usize {
                return None;
            }
            plain.extend(snap::raw::Decoder::new().decompress_vec(packed).ok()?);
        }
        2 => {
            flate2::read::ZlibDecoder::new(packed).take(length.into()).read_to_end(&mut plain).ok()?;
        }
        3 => {
            zstd::stream::read::Decoder::new(packed).ok()?.take(length.into()).read_to_end(&mut plain).ok()?;
        }
        _ => return None,
    }
    (plain.len() == HEAD_BYTES + length as usize).then_some(Cow::Owned(plain))
}

/// A message that is not packed, in whose documents texts, numbers and bytes of members with a chosen name are replaced by texts; `None`
/// where it is not whole or of no known kind.
#[must_use]
pub fn rewritten(
    message: &[u8],
    is_chosen: impl Fn(&str) -> bool,
    mut replacement: impl FnMut(&[u8]) -> String,
) -> Option<Vec<u8>> {
    let code = Head::parse(message)?.code;
    let behind_name = |at: usize, more: usize| Some(message.len() - cstring(message.get(at..)?)?.1.get(more..)?.len());
    let start = match code {
        MSG => HEAD_BYTES + 4,
        QUERY => behind_name(HEAD_BYTES + 4, 8)?,
        REPLY => HEAD_BYTES + 20,
        INSERT => behind_name(HEAD_BYTES + 4, 0)?,
        UPDATE | DELETE => behind_name(HEAD_BYTES + 4, 4)?,
        _ => message.len(),
    };
    let (mut out, mut rest) = (message.get(..start)?.to_vec(), &message[start..]);
    if code == MSG {
        let flags = u32::from_le_bytes(*message[HEAD_BYTES..].first_chunk()?);
        out[HEAD_BYTES..].copy_from_slice(&(flags & !HAS_CHECKSUM).to_le_bytes());
        rest = &rest[..rest.len().checked_sub(if flags & HAS_CHECKSUM > 0 { 4 } else { 0 })?];
    }
    while let Some(kind) = rest.first() {
        if code != MSG {
            rest = bson::rewrite(rest, &is_chosen, &mut replacement, &mut out)?;
        } else if *kind == 0 {
            out.push(0);
            rest = bson::rewrite(&rest[1..], &is_chosen, &mut replacement, &mut out)?;
        } else {
            let (name, mut documents, behind) = sequence(&rest[1..])?;
            out.push(1);
            let length_at = out.len();
            out.extend_from_slice(&[0; 4]);
            out.extend_from_slice(name.as_bytes());
            out.push(0);
            while !documents.is_empty() {
                documents = bson::rewrite(documents, &is_chosen, &mut replacement, &mut out)?;
            }
            let length = (out.len() - length_at) as u32;
            out[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
            rest = behind;
        }
    }
    let length = out.len() as u32;
    out[..4].copy_from_slice(&length.to_le_bytes());
    Some(out)
}

/// Writes a command or an answer; `flags` as in [`Body::Msg`], `document` as BSON.
pub fn push_msg(id: i32, answers: i32, flags: u32, document: &[u8], out: &mut Vec<u8>) {
    let length = (HEAD_BYTES + 5 + document.len()) as i32;
    for number in [length, id, answers, MSG] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&(flags & !HAS_CHECKSUM).to_le_bytes());
    out.push(0);
    out.extend_from_slice(document);
}
