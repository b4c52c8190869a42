//! What messages say (MySQL source documentation, "Connection Phase" and "Command Phase"; MariaDB Knowledge Base, "Client/Server
//! Protocol"), as far as it is needed to tell exchanges; numbers are little-endian.

use crate::postgres::cut_text;

/// Capabilities that change what is sent.
pub mod capability {
    /// A database is named.
    pub const CONNECT_WITH_DB: u64 = 1 << 3;
    /// Packets are compressed.
    pub const COMPRESS: u64 = 1 << 5;
    /// Encryption begins.
    pub const SSL: u64 = 1 << 11;
    /// The answer of a plugin has a length.
    pub const SECURE_CONNECTION: u64 = 1 << 15;
    /// The plugin is named.
    pub const PLUGIN_AUTH: u64 = 1 << 19;
    /// Attributes are sent.
    pub const CONNECT_ATTRS: u64 = 1 << 20;
    /// The length of the answer of a plugin is written as lengths are.
    pub const PLUGIN_AUTH_LENENC: u64 = 1 << 21;
    /// No EOF packets.
    pub const DEPRECATE_EOF: u64 = 1 << 24;
    /// Definitions of columns may be left out.
    pub const OPTIONAL_METADATA: u64 = 1 << 25;
    /// The compression is zstd's.
    pub const ZSTD: u64 = 1 << 26;
    /// Queries have attributes.
    pub const QUERY_ATTRIBUTES: u64 = 1 << 27;
    /// MariaDB: definitions of columns are not sent again.
    pub const CACHE_METADATA: u64 = 1 << 36;
}

/// A transaction is under way.
pub const IN_TRANSACTION: u16 = 1;
/// Another answer to the same command follows.
pub const MORE_RESULTS: u16 = 8;
/// The rows wait to be fetched.
pub const CURSOR_EXISTS: u16 = 0x40;

/// Reads numbers and texts from the front.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    /// So many bytes.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    /// A number of so many bytes, at most 8.
    pub fn number(&mut self, bytes: usize) -> Option<u64> {
        Some(self.take(bytes)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A number that says itself how long it is.
    pub fn length(&mut self) -> Option<u64> {
        match self.number(1)? {
            0xfc => self.number(2),
            0xfd => self.number(3),
            0xfe => self.number(8),
            0xfb | 0xff => None,
            small => Some(small),
        }
    }

    /// Bytes behind their length.
    pub fn text(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.length()?).ok()?;
        self.take(length)
    }

    /// Bytes up to a 0.
    pub fn cut(&mut self) -> Option<&'a [u8]> {
        let (text, rest) = cut_text(self.0)?;
        self.0 = rest;
        Some(text)
    }
}

/// What a server says first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Greeting<'a> {
    /// Its version.
    pub version: &'a [u8],
    /// The number of the connection, by which it can be killed.
    pub connection: u32,
    /// What it can do.
    pub capabilities: u64,
    /// How one has to say who one is.
    pub plugin: &'a [u8],
}

/// Reads Protocol::HandshakeV10.
#[must_use]
pub fn greeting(content: &[u8]) -> Option<Greeting<'_>> {
    let mut at = Cursor(content.strip_prefix(&[10])?);
    let version = at.cut()?;
    let connection = at.number(4)? as u32;
    at.take(9)?;
    let low = at.number(2)?;
    let mut found = Greeting { version, connection, capabilities: low, plugin: b"" };
    let Some(rest) = at.take(3).and_then(|_| at.number(2)).zip(at.number(1)) else { return Some(found) };
    let (high, salt_bytes) = rest;
    at.take(6)?;
    let extended = at.number(4)?;
    found.capabilities |= high << 16;
    // MariaDB leaves the first bit out to say that there are more of them.
    if low & 1 == 0 {
        found.capabilities |= extended << 32;
    }
    at.take(usize::try_from(salt_bytes.saturating_sub(8)).ok()?.max(13));
    found.plugin = at.cut().unwrap_or_default();
    Some(found)
}

/// Who a client says it is, without what proves it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Login<'a> {
    /// What it can do.
    pub capabilities: u64,
    /// Its name.
    pub user: &'a [u8],
    /// The database; empty where none is named.
    pub database: &'a [u8],
    /// How it says who it is.
    pub plugin: &'a [u8],
    /// What it says about itself.
    pub attributes: Vec<(&'a [u8], &'a [u8])>,
}

/// Reads Protocol::HandshakeResponse41, or the front of it that asks for encryption.
#[must_use]
pub fn login(content: &[u8]) -> Option<Login<'_>> {
    let mut at = Cursor(content);
    let low = at.number(4)?;
    at.take(5)?;
    at.take(19)?;
    let extended = at.number(4)?;
    let mut found = Login { capabilities: if low & 1 == 0 { low | extended << 32 } else { low }, ..Login::default() };
    let Some(user) = at.cut() else { return Some(found) };
    found.user = user;
    let has = |capability: u64| low & capability != 0;
    let proof = if has(capability::PLUGIN_AUTH_LENENC) {
        at.text()
    } else if has(capability::SECURE_CONNECTION) {
        at.number(1).and_then(|length| at.take(length as usize))
    } else {
        at.cut()
    };
    if proof.is_some() {
        if has(capability::CONNECT_WITH_DB) {
            found.database = at.cut().unwrap_or_default();
        }
        if has(capability::PLUGIN_AUTH) {
            found.plugin = at.cut().unwrap_or_default();
        }
        if has(capability::CONNECT_ATTRS) {
            let mut attributes = Cursor(at.text().unwrap_or_default());
            while let Some(pair) = attributes.text().and_then(|name| Some((name, attributes.text()?))) {
                found.attributes.push(pair);
            }
        }
    }
    Some(found)
}

/// What an OK packet says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Done {
    /// Rows that were written.
    pub rows: u64,
    /// The first id that was made; 0 where none was.
    pub insert_id: u64,
    /// [`IN_TRANSACTION`] and the like.
    pub status: u16,
}

/// Reads an OK packet.
#[must_use]
pub fn done(content: &[u8]) -> Option<Done> {
    let mut at = Cursor(content.get(1..)?);
    let (rows, insert_id) = (at.length()?, at.length()?);
    Some(Done { rows, insert_id, status: at.number(2)? as u16 })
}

/// What an ERR packet says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure<'a> {
    /// The server's number for it.
    pub code: u16,
    /// SQLSTATE, where it is told.
    pub sqlstate: Option<&'a [u8]>,
}

/// Reads an ERR packet.
#[must_use]
pub fn failure(content: &[u8]) -> Option<Failure<'_>> {
    let mut at = Cursor(content.strip_prefix(&[0xff])?);
    let code = at.number(2)? as u16;
    let sqlstate = at.0.strip_prefix(b"#").and_then(|rest| rest.get(..5));
    Some(Failure { code, sqlstate })
}

/// The text of a COM_QUERY, behind its attributes if there may be some (`None`: nobody knows).
#[must_use]
pub fn query_text(content: &[u8], attributes: Option<bool>) -> &[u8] {
    let text = content.get(1..).unwrap_or_default();
    match attributes {
        Some(false) => text,
        None => text.strip_prefix(b"\0\x01").unwrap_or(text),
        Some(true) => behind_attributes(text).unwrap_or(text),
    }
}

/// COM_QUERY, "parameter_count" and what follows it.
fn behind_attributes(text: &[u8]) -> Option<&[u8]> {
    let mut at = Cursor(text);
    let count = usize::try_from(at.length()?).ok()?;
    at.length()?;
    if count == 0 {
        return Some(at.0);
    }
    let nulls = at.take(count.div_ceil(8))?;
    at.take(1)?;
    let mut types = Vec::new();
    for _ in 0..count {
        types.push(at.number(2)? as u8);
        at.text()?;
    }
    for (number, kind) in types.into_iter().enumerate() {
        if nulls[number / 8] >> (number % 8) & 1 == 0 {
            match kind {
                6 => Some(&b""[..]),
                1 => at.take(1),
                2 | 13 => at.take(2),
                3 | 4 | 9 => at.take(4),
                5 | 8 => at.take(8),
                7 | 10..=12 => at.number(1).and_then(|length| at.take(length as usize)),
                _ => at.text(),
            }?;
        }
    }
    Some(at.0)
}
