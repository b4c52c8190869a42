//! Header blocks for sending.

use super::huffman;
use super::table::{Dynamic, STATIC};
use super::{TABLE_BYTES_DEFAULT, TABLE_BYTES_MAX};

/// What the peer may do with a field (RFC 7541 §6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indexing {
    /// Put it into its table: it will be sent again.
    Add,
    /// Leave its table alone.
    Without,
    /// Never put it into any table, here or behind a proxy: it is a secret.
    Never,
}

/// A field to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// In lower case.
    pub name: &'a [u8],
    /// As it is.
    pub value: &'a [u8],
    /// What becomes of it.
    pub indexing: Indexing,
}

impl<'a> Field<'a> {
    /// A field that will be sent again.
    #[must_use]
    pub const fn new(name: &'a [u8], value: &'a [u8]) -> Self {
        Self { name, value, indexing: Indexing::Add }
    }
}

/// Encodes the header blocks of one direction, in the order in which they are sent.
#[derive(Debug)]
pub struct Encoder {
    table: Dynamic,
    huffman: bool,
    /// Sizes of the table to be announced: the least since the last block, and the one that holds.
    resized: Option<(usize, usize)>,
}

impl Default for Encoder {
    /// For a connection that begins.
    fn default() -> Self {
        Self::new(TABLE_BYTES_DEFAULT)
    }
}

impl Encoder {
    /// An encoder whose table begins empty, with room for `table_bytes`.
    #[must_use]
    pub fn new(table_bytes: usize) -> Self {
        Self { table: Dynamic::new(table_bytes.min(TABLE_BYTES_MAX)), huffman: true, resized: None }
    }

    /// The same, with strings left as they are.
    #[must_use]
    pub fn without_huffman(self) -> Self {
        Self { huffman: false, ..self }
    }

    /// Follows the `SETTINGS_HEADER_TABLE_SIZE` of the peer; the next block begins with what that changes (RFC 7541 §4.2).
    pub fn resize(&mut self, table_bytes: usize) {
        let bytes = table_bytes.min(TABLE_BYTES_MAX);
        if bytes != self.table.bytes_max() {
            let least = self.resized.map_or(bytes, |(least, _)| least.min(bytes));
            self.resized = Some((least, bytes));
            self.table.resize(bytes);
        }
    }

    /// Appends one block.
    pub fn encode<'a>(&mut self, fields: impl IntoIterator<Item = Field<'a>>, out: &mut Vec<u8>) {
        if let Some((least, last)) = self.resized.take() {
            if least < last {
                push_integer(0x20, 5, least, out);
            }
            push_integer(0x20, 5, last, out);
        }
        for field in fields {
            self.field(&field, out);
        }
    }

    fn field(&mut self, field: &Field<'_>, out: &mut Vec<u8>) {
        let (whole, named) = self.find(field);
        if let Some(index) = whole.filter(|_| field.indexing != Indexing::Never) {
            return push_integer(0x80, 7, index, out);
        }
        let (pattern, prefix) = match field.indexing {
            Indexing::Add => (0x40, 6),
            Indexing::Without => (0x00, 4),
            Indexing::Never => (0x10, 4),
        };
        push_integer(pattern, prefix, named.unwrap_or(0), out);
        if named.is_none() {
            self.push_string(field.name, out);
        }
        self.push_string(field.value, out);
        if field.indexing == Indexing::Add {
            self.table.insert(field.name, field.value);
        }
    }

    /// Indices of an entry with this name and value, and of one with this name.
    fn find(&self, field: &Field<'_>) -> (Option<usize>, Option<usize>) {
        let fixed = STATIC.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let mut named = None;
        for (index, (name, value)) in fixed.chain(self.table.iter()).enumerate() {
            if name == field.name {
                named = named.or(Some(index + 1));
                if value == field.value {
                    return (Some(index + 1), named);
                }
            }
        }
        (None, named)
    }

    fn push_string(&self, text: &[u8], out: &mut Vec<u8>) {
        let coded_bytes = huffman::coded_bytes(text);
        if self.huffman && coded_bytes <= text.len() {
            push_integer(0x80, 7, coded_bytes, out);
            huffman::encode(text, out);
        } else {
            push_integer(0x00, 7, text.len(), out);
            out.extend_from_slice(text);
        }
    }
}

/// Appends an integer behind the bits of a `pattern` (RFC 7541 §5.1).
fn push_integer(pattern: u8, prefix: u32, value: usize, out: &mut Vec<u8>) {
    let mask = (1_usize << prefix) - 1;
    if value < mask {
        return out.push(pattern | value as u8);
    }
    out.push(pattern | mask as u8);
    let mut rest = value - mask;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}
