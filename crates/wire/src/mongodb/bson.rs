//! Just enough BSON (bsonspec.org, version 1.1) to find what a message is about: elements in order, without recursion.

/// A document, as far as its bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Document<'a>(&'a [u8]);

/// One element's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Text.
    Text(&'a str),
    /// A document.
    Document(Document<'a>),
    /// An array, whose elements are named by their places.
    Array(Document<'a>),
    /// Bytes and their kind.
    Binary(u8, &'a [u8]),
    /// A number or a truth value.
    Number(f64),
    /// A whole number of eight bytes.
    Long(i64),
    /// What is not asked for: its type.
    Other(u8),
}

impl<'a> Value<'a> {
    /// As text.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// As a document, or an array.
    #[must_use]
    pub fn document(&self) -> Option<Document<'a>> {
        if let Self::Document(inner) | Self::Array(inner) = self { Some(*inner) } else { None }
    }

    /// As a number, whatever its type.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Long(number) => Some(*number as f64),
            _ => None,
        }
    }
}

fn length(bytes: &[u8]) -> Option<usize> {
    usize::try_from(i32::from_le_bytes(*bytes.first_chunk()?)).ok()
}

impl<'a> Document<'a> {
    /// The document at the front of `bytes`, and what is behind it; cut short where the bytes are.
    #[must_use]
    pub fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let length = length(bytes).filter(|length| *length >= 5)?;
        let (own, rest) = bytes.split_at(length.min(bytes.len()));
        Some((Self(own.get(4..)?), rest))
    }

    /// The elements in order, as far as they are whole.
    pub fn elements(self) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (kind, behind) = rest.split_first().filter(|(kind, _)| **kind != 0)?;
            let (name, behind) = cstring(behind)?;
            let (value, behind) = value(*kind, behind)?;
            rest = behind;
            Some((name, value))
        })
    }

    /// The first element of this name.
    #[must_use]
    pub fn get(self, name: &str) -> Option<Value<'a>> {
        self.elements().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// The first element of all.
    #[must_use]
    pub fn first(self) -> Option<(&'a str, Value<'a>)> {
        self.elements().next()
    }
}

/// Text up to a zero.
pub(super) fn cstring(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = memchr::memchr(0, bytes)?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]))
}

fn value(kind: u8, bytes: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let fixed = |count: usize| bytes.split_at_checked(count);
    let other = |count: usize| bytes.get(count..).map(|rest| (Value::Other(kind), rest));
    match kind {
        1 => fixed(8).and_then(|(own, rest)| Some((Value::Number(f64::from_le_bytes(own.try_into().ok()?)), rest))),
        2 | 13 | 14 => {
            let (own, rest) = bytes.get(4..)?.split_at_checked(length(bytes)?)?;
            Some((Value::Text(std::str::from_utf8(own.strip_suffix(&[0])?).ok()?), rest))
        }
        3 | 4 => {
            let (inner, rest) = Document::split(bytes)?;
            (inner.0.len() + 4 == length(bytes)?)
                .then_some((if kind == 3 { Value::Document(inner) } else { Value::Array(inner) }, rest))
        }
        5 => {
            let (own, rest) = bytes.get(5..)?.split_at_checked(length(bytes)?)?;
            Some((Value::Binary(bytes[4], own), rest))
        }
        8 => fixed(1).map(|(own, rest)| (Value::Number(f64::from(own[0])), rest)),
        11 => {
            let (_, rest) = cstring(bytes)?;
            cstring(rest).map(|(_, rest)| (Value::Other(kind), rest))
        }
        12 => other(4_usize.checked_add(length(bytes)?)?.checked_add(12)?),
        15 => other(length(bytes)?.max(4)),
        16 => fixed(4).and_then(|(own, rest)| Some((Value::Number(f64::from(i32::from_le_bytes(own.try_into().ok()?))), rest))),
        18 => fixed(8).and_then(|(own, rest)| Some((Value::Long(i64::from_le_bytes(own.try_into().ok()?)), rest))),
        9 | 17 => other(8),
        7 => other(12),
        19 => other(16),
        6 | 10 | 0x7f | 0xff => other(0),
        _ => None,
    }
}

/// Documents that may stand in one another.
const DEPTH_MAX: usize = 200;
/// Types of values that are replaced: numbers, texts and bytes.
const REPLACED: &[u8] = &[1, 2, 5, 13, 14, 16, 18];

/// Appends the document at the front of `bytes`, in which texts, numbers and bytes that belong to members with a chosen name, however deep
/// inside, are replaced by texts; what is behind it. `None` where it is not whole or too deep.
pub(super) fn rewrite<'a>(
    bytes: &'a [u8],
    is_chosen: impl Fn(&str) -> bool,
    mut replacement: impl FnMut(&[u8]) -> String,
    out: &mut Vec<u8>,
) -> Option<&'a [u8]> {
    let mut rest = bytes;
    // Where each document that is under way begins in `out`, and whether all in it is chosen.
    let mut open = Vec::new();
    let begin = |rest: &mut &'a [u8], open: &mut Vec<(usize, bool)>, out: &mut Vec<u8>, chosen: bool| {
        let length = length(rest).filter(|length| *length >= 5 && *length <= rest.len() && open.len() < DEPTH_MAX)?;
        open.push((out.len(), chosen));
        out.extend_from_slice(&rest[..4]);
        *rest = &rest[4..];
        Some(length)
    };
    begin(&mut rest, &mut open, out, false)?;
    while let Some((start, all_chosen)) = open.last().copied() {
        let (kind, behind) = rest.split_first()?;
        if *kind == 0 {
            out.push(0);
            let length = (out.len() - start) as u32;
            out[start..start + 4].copy_from_slice(&length.to_le_bytes());
            (rest, _) = (behind, open.pop());
            continue;
        }
        let (name, at_value) = cstring(behind)?;
        let chosen = all_chosen || is_chosen(name);
        let head = &rest[1..rest.len() - at_value.len()];
        if matches!(kind, 3 | 4) {
            out.push(*kind);
            out.extend_from_slice(head);
            rest = at_value;
            begin(&mut rest, &mut open, out, chosen)?;
            continue;
        }
        let (_, behind) = value(*kind, at_value)?;
        let raw = &at_value[..at_value.len() - behind.len()];
        rest = behind;
        if chosen && REPLACED.contains(kind) {
            let text = replacement(if *kind == 2 { &raw[4..raw.len() - 1] } else { raw });
            out.push(2);
            out.extend_from_slice(head);
            out.extend_from_slice(&(text.len() as u32 + 1).to_le_bytes());
            out.extend_from_slice(text.as_bytes());
            out.push(0);
        } else {
            out.push(*kind);
            out.extend_from_slice(head);
            out.extend_from_slice(raw);
        }
    }
    Some(rest)
}
