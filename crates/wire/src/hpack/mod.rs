//! Compressed headers (RFC 7541): a [`Decoder`] and an [`Encoder`], one for each direction of a connection.
//!
//! A decoder that comes late, or from which a block was kept, does not know what the dynamic table held before. It then gives what it can:
//! fields that refer to an entry it has not seen have an empty name, or an empty name and value, and are counted in [`Fields::unknown`].
//!
//! ```
//! use wire::hpack::{Decoder, Encoder, Field, Fields};
//! let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
//! let mut block = Vec::new();
//! encoder.encode([Field::new(b":method", b"GET"), Field::new(b"x-shard", b"7")], &mut block);
//! let mut fields = Fields::default();
//! decoder.decode(&block, &mut fields).expect("it is a block");
//! assert_eq!(fields.get(b"x-shard"), Some(&b"7"[..]));
//! ```

mod encode;
mod fields;
mod huffman;
mod table;

pub use encode::{Encoder, Field, Indexing};
pub use fields::{FieldPlace, Fields};
use table::{Dynamic, STATIC};

use crate::Malformed;

/// Bytes of a dynamic table as long as nothing else was agreed (RFC 9113 §6.5.2).
pub const TABLE_BYTES_DEFAULT: usize = 4096;
/// Bytes of a dynamic table, whatever was agreed. What a peer keeps beyond that is not known here.
pub const TABLE_BYTES_MAX: usize = 64 << 10;
/// Bytes of a list of fields, as RFC 9113 §6.5.2 counts them: names, values and 32 for each field. Fields beyond that are left out.
pub const LIST_BYTES_MAX: usize = 256 << 10;
/// Bytes of an integer behind its prefix: enough for 32 bits.
const INTEGER_BYTES_MAX: usize = 5;

/// Decodes the header blocks of one direction, in the order in which they were sent.
#[derive(Debug)]
pub struct Decoder {
    table: Dynamic,
    /// Whether everything that the encoder put into the table is known.
    complete: bool,
}

impl Default for Decoder {
    /// For a connection that begins.
    fn default() -> Self {
        Self::new(TABLE_BYTES_DEFAULT)
    }
}

impl Decoder {
    /// A decoder whose table begins empty, with room for `table_bytes`.
    #[must_use]
    pub fn new(table_bytes: usize) -> Self {
        Self { table: Dynamic::new(table_bytes.min(TABLE_BYTES_MAX)), complete: true }
    }

    /// Says that blocks were missed: what the table holds is not known any more.
    pub fn forget(&mut self) {
        self.table.clear();
        self.complete = false;
    }

    /// Size of the dynamic table in bytes, as RFC 7541 §4.1 counts them.
    #[must_use]
    pub fn table_bytes(&self) -> usize {
        self.table.bytes()
    }

    /// Decodes one whole block and appends its fields to `fields`, up to [`LIST_BYTES_MAX`].
    ///
    /// # Errors
    /// If it is not a block, or not a whole one. The fields before the fault are there, and the table is forgotten.
    pub fn decode(&mut self, block: &[u8], fields: &mut Fields) -> Result<(), Malformed> {
        let mut cursor = Cursor { bytes: block, at: 0 };
        let mut result = Ok(());
        while result.is_ok() && cursor.at < block.len() {
            let start = cursor.at;
            result = self.field(&mut cursor, fields).map_err(|what| Malformed { what, offset: start });
            fields.keep_limit();
        }
        if result.is_err() {
            self.forget();
        }
        result
    }

    /// One field or size update (RFC 7541 §6).
    fn field(&mut self, cursor: &mut Cursor<'_>, fields: &mut Fields) -> Result<(), &'static str> {
        match cursor.bytes[cursor.at] {
            0x80.. => {
                let index = cursor.integer(7)?;
                self.push(index, true, fields)?;
                fields.end_field(false);
            }
            0x40..0x80 => {
                let (name_at, value_at) = self.literal(cursor, 6, fields)?;
                let (name, value) = fields.text[name_at..].split_at(value_at - name_at);
                self.table.insert(name, value);
                fields.end_field(false);
            }
            0x20..0x40 => self.resize(cursor, fields)?,
            first => {
                self.literal(cursor, 4, fields)?;
                fields.end_field(first & 0x10 != 0);
            }
        }
        Ok(())
    }

    /// Appends name and value of a field that is not, or not wholly, in a table; where they begin in the text.
    fn literal(&self, cursor: &mut Cursor<'_>, prefix: u32, fields: &mut Fields) -> Result<(usize, usize), &'static str> {
        let name_at = fields.text.len();
        let index = cursor.integer(prefix)?;
        if index == 0 {
            cursor.string(&mut fields.text)?;
            fields.end_name();
        } else {
            self.push(index, false, fields)?;
        }
        let value_at = fields.text.len();
        cursor.string(&mut fields.text)?;
        Ok((name_at, value_at))
    }

    /// Appends name, and value if wanted, of an entry of either table (RFC 7541 §2.3.3).
    fn push(&self, index: usize, with_value: bool, fields: &mut Fields) -> Result<(), &'static str> {
        let entry = match index {
            0 => return Err("an index of 0"),
            1..=61 => Some((STATIC[index - 1].0.as_bytes(), STATIC[index - 1].1.as_bytes())),
            _ => self.table.get(index - 62),
        };
        let Some((name, value)) = entry.or((!self.complete).then_some((b"", b""))) else {
            return Err("an index beyond the dynamic table");
        };
        fields.unknown += u32::from(name.is_empty());
        fields.text.extend_from_slice(name);
        fields.end_name();
        if with_value {
            fields.text.extend_from_slice(value);
        }
        Ok(())
    }

    fn resize(&mut self, cursor: &mut Cursor<'_>, fields: &Fields) -> Result<(), &'static str> {
        if !fields.is_empty() {
            return Err("a change of the table's size behind a field");
        }
        let bytes = cursor.integer(5)?;
        self.complete &= bytes <= TABLE_BYTES_MAX;
        self.table.resize(bytes.min(TABLE_BYTES_MAX));
        Ok(())
    }
}

const CUT: &str = "a header block that is cut off";

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    /// An integer whose first byte has `prefix` bits for it (RFC 7541 §5.1).
    fn integer(&mut self, prefix: u32) -> Result<usize, &'static str> {
        let mask = (1_u8 << prefix) - 1;
        let mut value = u64::from(self.bytes.get(self.at).ok_or(CUT)? & mask);
        self.at += 1;
        if value < u64::from(mask) {
            return Ok(value as usize);
        }
        for place in 0..INTEGER_BYTES_MAX {
            let byte = *self.bytes.get(self.at).ok_or(CUT)?;
            self.at += 1;
            value += u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return u32::try_from(value).map(|value| value as usize).map_err(|_| "an integer of more than 32 bits");
            }
        }
        Err("an integer of more than 32 bits")
    }

    /// Appends a string, its Huffman code taken off (RFC 7541 §5.2).
    fn string(&mut self, out: &mut Vec<u8>) -> Result<(), &'static str> {
        let coded = self.bytes.get(self.at).ok_or(CUT)? & 0x80 != 0;
        let length = self.integer(7)?;
        let text = self.bytes[self.at..].get(..length).ok_or(CUT)?;
        self.at += length;
        if coded {
            return huffman::decode(text, out).ok_or("a string that is not in the Huffman code");
        }
        out.extend_from_slice(text);
        Ok(())
    }
}
