//! What messages say ("Message Formats"), as far as it is needed to tell exchanges and to make them; numbers are big-endian, texts end with 0.

use super::frame::{Mode, STARTUP, push_head, read_head};
use crate::Side;

/// The text at the front, and what follows its end; `None` where it has none.
#[must_use]
pub fn cut_text(content: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(0, content)?;
    Some((&content[..end], &content[end + 1..]))
}

/// The name and value pairs of a StartupMessage.
pub fn startup_parameters(content: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = content.get(4..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (name, after) = cut_text(rest).filter(|(name, _)| !name.is_empty())?;
        let (value, after) = cut_text(after)?;
        rest = after;
        Some((name, value))
    })
}

/// A Parse message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parse<'a> {
    /// The prepared statement; empty for the nameless one.
    pub statement: &'a [u8],
    /// Its text.
    pub sql: &'a [u8],
}

/// Reads a Parse message, whose text may be cut off.
#[must_use]
pub fn parse(content: &[u8]) -> Option<Parse<'_>> {
    let (statement, rest) = cut_text(content)?;
    Some(Parse { statement, sql: cut_text(rest).map_or(rest, |(sql, _)| sql) })
}

/// The front of a Bind message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bind<'a> {
    /// What is made; empty for the nameless one.
    pub portal: &'a [u8],
    /// The prepared statement it is made of.
    pub statement: &'a [u8],
}

/// Reads the front of a Bind message.
#[must_use]
pub fn bind(content: &[u8]) -> Option<Bind<'_>> {
    let (portal, rest) = cut_text(content)?;
    Some(Bind { portal, statement: cut_text(rest)?.0 })
}

/// What a Describe or Close message is about: `S` for a statement or `P` for a portal, and its name.
#[must_use]
pub fn named(content: &[u8]) -> Option<(u8, &[u8])> {
    let (kind, rest) = content.split_first()?;
    Some((*kind, cut_text(rest)?.0))
}

/// A field of an ErrorResponse or NoticeResponse: `C` is the SQLSTATE, `S` the severity, `M` the message.
#[must_use]
pub fn error_field(content: &[u8], field: u8) -> Option<&[u8]> {
    let mut rest = content;
    loop {
        let (kind, after) = rest.split_first().filter(|(kind, _)| **kind != 0)?;
        let (value, after) = cut_text(after)?;
        if *kind == field {
            return Some(value);
        }
        rest = after;
    }
}

/// What a CommandComplete message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandTag<'a> {
    /// `SELECT`, `INSERT`, `CREATE TABLE`.
    pub command: &'a str,
    /// The rows that it read or wrote; `None` for commands that count none.
    pub rows: Option<u64>,
}

impl<'a> CommandTag<'a> {
    /// Reads `INSERT 0 5` and the like.
    #[must_use]
    pub fn read(content: &'a [u8]) -> Self {
        let text = std::str::from_utf8(content.split(|byte| *byte == 0).next().unwrap_or_default()).unwrap_or_default();
        let digits = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        let end = text.split(' ').take_while(|word| !digits(word)).map(|word| word.len() + 1).sum::<usize>();
        let rows = text.rsplit(' ').next().and_then(|word| word.parse().ok());
        Self { command: text[..end.saturating_sub(1).min(text.len())].trim(), rows }
    }
}

/// How a server wants a client to say who it is; `None` for steps of what was chosen before.
#[must_use]
pub fn authentication(content: &[u8]) -> Option<&'static str> {
    let code = u32::from_be_bytes(*content.first_chunk()?);
    match code {
        2 => Some("kerberos5"),
        3 => Some("password"),
        5 => Some("md5"),
        7 => Some("gss"),
        9 => Some("sspi"),
        10 if content[4..].starts_with(b"SCRAM-SHA-256-PLUS\0") => Some("scram-sha-256-plus"),
        10 if content[4..].starts_with(b"SCRAM-SHA-256\0") => Some("scram-sha-256"),
        10 => Some("sasl"),
        _ => None,
    }
}

/// The messages of a client's bytes, as they are kept of one request; `None` where the last one is not whole.
#[must_use]
pub fn messages(mut bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut found = Vec::new();
    while let Some(first) = bytes.first() {
        let mode = if *first == 0 { Mode::Startup } else { Mode::Typed };
        let head = read_head(Side::Client, mode, bytes).ok()??;
        let (content, rest) = bytes[head.head_bytes..].split_at_checked(head.length as usize)?;
        found.push((head.tag, content));
        bytes = rest;
    }
    Some(found)
}

/// The content of a Bind message with some of its parameters changed: `change` is told the number of each from 0, and its value.
/// `None` where it cannot be read.
#[must_use]
pub fn with_parameters(content: &[u8], mut change: impl FnMut(usize, &[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let count = |bytes: &[u8]| bytes.first_chunk().map(|count| usize::from(u16::from_be_bytes(*count)));
    let (_, rest) = cut_text(content)?;
    let (_, rest) = cut_text(rest)?;
    let mut rest = rest.get(2 + 2 * count(rest)?..)?;
    let parameters = count(rest)?;
    rest = &rest[2..];
    let mut out = content[..content.len() - rest.len()].to_vec();
    for number in 0..parameters {
        let (length, after) = rest.split_at_checked(4)?;
        let bytes = usize::try_from(i32::from_be_bytes(*length.first_chunk()?)).ok();
        let (value, after) = after.split_at_checked(bytes.unwrap_or(0))?;
        match bytes.and_then(|_| change(number, value)) {
            Some(changed) => {
                out.extend_from_slice(&u32::try_from(changed.len()).ok()?.to_be_bytes());
                out.extend_from_slice(&changed);
            }
            None => out.extend_from_slice(&rest[..4 + value.len()]),
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    Some(out)
}

/// Appends a message.
pub fn push_message(tag: u8, content: &[u8], out: &mut Vec<u8>) {
    push_head(tag, u32::try_from(content.len()).unwrap_or(u32::MAX), out);
    out.extend_from_slice(content);
}

/// Appends a StartupMessage of version 3.0.
pub fn push_startup<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>, out: &mut Vec<u8>) {
    let mut content = 0x0003_0000_u32.to_be_bytes().to_vec();
    for (name, value) in parameters {
        [name, value].iter().for_each(|text| content.extend([text.as_bytes(), b"\0"].concat()));
    }
    content.push(0);
    push_message(STARTUP, &content, out);
}

/// Appends a Query.
pub fn push_query(sql: &str, out: &mut Vec<u8>) {
    push_message(b'Q', &[sql.as_bytes(), b"\0"].concat(), out);
}

/// Appends Bind of the nameless portal with parameters as text (`None` is NULL), Execute of all its rows, and Sync.
pub fn push_execute(statement: &str, parameters: &[Option<&[u8]>], out: &mut Vec<u8>) {
    let mut content = [b"\0", statement.as_bytes(), b"\0\0\0"].concat();
    content.extend((parameters.len() as u16).to_be_bytes());
    for parameter in parameters {
        content.extend(parameter.map_or(-1, |value| value.len() as i32).to_be_bytes());
        content.extend(parameter.unwrap_or_default());
    }
    content.extend([0, 0]);
    push_message(b'B', &content, out);
    push_message(b'E', &[0; 5], out);
    push_message(b'S', &[], out);
}
