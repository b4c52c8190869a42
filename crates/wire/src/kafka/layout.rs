//! Reads messages by layouts: lists of fields with the versions that have them.

/// A value that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'a> {
    /// A topic's name.
    Topic(&'a str),
    /// A topic's id, where it has no name.
    TopicId(u128),
    /// A consumer group, or a transaction's name.
    Group(&'a str),
    /// How many replicas have to have a record before it is acknowledged.
    Acks(i16),
    /// So many records. Those of old versions (0 and 1) count as one where they are compressed together.
    Records(u64),
    /// What went wrong, 0 for nothing.
    Error(i16),
    /// How a client wants to say who it is.
    Mechanism(&'a str),
    /// The id of a producer, given by the broker.
    Producer(i64),
    /// The place of a Fetch in its session; 0 and less where it names all that it wants (KIP-227).
    Epoch(i32),
}

/// What a field is.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// So many bytes that are not asked for.
    Skip(usize),
    /// Text, perhaps null, that is not asked for.
    Text,
    /// Bytes, perhaps null, that are not asked for.
    Bytes,
    Topic,
    TopicId,
    Group,
    Mechanism,
    Acks,
    Error,
    Producer,
    Epoch,
    Records,
    /// Nothing from here on is asked for.
    End,
    /// A list of numbers of so many bytes, perhaps null.
    Numbers(usize),
    /// So many of what these fields make, perhaps null.
    List(&'static [Field]),
}

/// A field in the versions from `since` to `until`.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub since: i16,
    pub until: i16,
    pub kind: Kind,
}

/// In all versions.
pub const fn all(kind: Kind) -> Field {
    Field { since: 0, until: i16::MAX, kind }
}

pub const fn since(since: i16, kind: Kind) -> Field {
    Field { since, until: i16::MAX, kind }
}

pub const fn until(until: i16, kind: Kind) -> Field {
    Field { since: 0, until, kind }
}

pub const fn between(since: i16, until: i16, kind: Kind) -> Field {
    Field { since, until, kind }
}

/// The front of bytes; everything is `None` where they run out.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    /// Lengths are variable, and tags end each structure (KIP-482).
    pub flexible: bool,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8], flexible: bool) -> Self {
        Self { bytes, flexible }
    }

    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub fn i16(&mut self) -> Option<i16> {
        self.array().map(i16::from_be_bytes)
    }

    pub fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for place in 0..5 {
            let byte = *self.take(1)?.first()?;
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A length, `None` inside for null: variable and one more than it is, or a number as `old` reads it.
    fn length(&mut self, old: impl FnOnce(&mut Self) -> Option<i32>) -> Option<Option<usize>> {
        if self.flexible {
            return self.varint().map(|length| (length as usize).checked_sub(1));
        }
        old(self).map(|length| usize::try_from(length).ok())
    }

    pub fn text(&mut self) -> Option<Option<&'a str>> {
        let length = self.length(|cursor| cursor.i16().map(i32::from))?;
        let bytes = length.map(|length| self.take(length));
        match bytes {
            None => Some(None),
            Some(bytes) => Some(std::str::from_utf8(bytes?).ok()),
        }
    }

    /// Fields that are told apart by number, and left out.
    pub fn tags(&mut self) -> Option<()> {
        for _ in 0..self.varint()? {
            self.varint()?;
            let length = self.varint()?;
            self.take(length as usize)?;
        }
        Some(())
    }

    /// Bytes as far as they go; false in place two where they are cut short.
    fn bytes(&mut self) -> Option<(&'a [u8], bool)> {
        let length = self.length(Self::i32)?.unwrap_or(0);
        match self.take(length) {
            Some(bytes) => Some((bytes, true)),
            None => Some((std::mem::take(&mut self.bytes), false)),
        }
    }
}

/// Tells what a layout finds, in order, as far as the bytes go.
pub fn read<'a>(layout: &[Field], version: i16, mut cursor: Cursor<'a>, mut found: impl FnMut(Found<'a>)) {
    structure(layout, version, &mut cursor, &mut found);
}

fn structure<'a>(layout: &[Field], version: i16, cursor: &mut Cursor<'a>, found: &mut dyn FnMut(Found<'a>)) -> Option<()> {
    for field in layout.iter().filter(|field| (field.since..=field.until).contains(&version)) {
        value(field.kind, version, cursor, found)?;
    }
    if cursor.flexible { cursor.tags() } else { Some(()) }
}

fn value<'a>(kind: Kind, version: i16, cursor: &mut Cursor<'a>, found: &mut dyn FnMut(Found<'a>)) -> Option<()> {
    let texts: fn(&'a str) -> Found<'a> = match kind {
        Kind::Topic => Found::Topic,
        Kind::Group => Found::Group,
        _ => Found::Mechanism,
    };
    match kind {
        Kind::Skip(count) => cursor.take(count).map(drop),
        Kind::Text => cursor.text().map(drop),
        Kind::Bytes => cursor.bytes().filter(|(_, whole)| *whole).map(drop),
        Kind::Topic | Kind::Group | Kind::Mechanism => {
            cursor.text().map(|text| text.into_iter().for_each(|text| found(texts(text))))
        }
        Kind::TopicId => cursor.array().map(|id| found(Found::TopicId(u128::from_be_bytes(id)))),
        Kind::Acks => cursor.i16().map(|acks| found(Found::Acks(acks))),
        Kind::Error => cursor.i16().map(|error| found(Found::Error(error))),
        Kind::Producer => cursor.array().map(|id| found(Found::Producer(i64::from_be_bytes(id)))),
        Kind::Epoch => cursor.i32().map(|epoch| found(Found::Epoch(epoch))),
        Kind::End => None,
        Kind::Records => {
            let (bytes, whole) = cursor.bytes()?;
            found(Found::Records(records(bytes)));
            whole.then_some(())
        }
        Kind::Numbers(each) => {
            let count = cursor.length(Cursor::i32)?.unwrap_or(0);
            cursor.take(count.checked_mul(each)?).map(drop)
        }
        Kind::List(of) => {
            // Each has at least one byte, whatever the count claims.
            let count = cursor.length(Cursor::i32)?.unwrap_or(0);
            for _ in 0..count.min(cursor.bytes.len()) {
                structure(of, version, cursor, found)?;
            }
            Some(())
        }
    }
}

/// Records in batches (offset, length, …, magic at byte 16), of which version 2 say how many they have, at byte 57.
fn records(mut bytes: &[u8]) -> u64 {
    let mut count = 0;
    while let Some(length) = bytes.get(8..12).and_then(|length| length.try_into().ok().map(u32::from_be_bytes)) {
        count += match (bytes.get(16), bytes.get(57..61)) {
            (Some(2), Some(number)) => number.try_into().map_or(0, |number| u64::from(u32::from_be_bytes(number))),
            (Some(2) | None, _) => 0,
            _ => 1,
        };
        bytes = bytes.get(12 + length as usize..).unwrap_or_default();
    }
    count
}
