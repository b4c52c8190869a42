//! Secrets in rows that SQL servers answer with, by the names of their columns. Answers whose columns have no names in them are not kept
//! where the statement may ask for secrets.

use trace::rules::sql::{Dialect, asks_for};
use wire::mysql::Cursor;

use super::Mask;
use super::names::is_secret_member;

/// An answer that may have been changed: the inner `None` where there was nothing to mask, the outer where that cannot be told.
pub(super) type Masked = Option<Option<Vec<u8>>>;

/// The answer of PostgreSQL to what runs a text: RowDescription, DataRow and CopyData (PostgreSQL's manual, "Message Formats").
pub(super) fn of_postgres(mask: &mut Mask, answer: &[u8], text: &str) -> Masked {
    let (mut out, mut rest, mut changed) = (Vec::with_capacity(answer.len()), answer, false);
    let mut secret: Option<Vec<bool>> = None;
    let unknown = || asks_for(text, Dialect::Postgres, is_secret_member);
    while let Some((head, behind)) = rest.split_first_chunk::<5>() {
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let is_masked = secret.as_ref().is_some_and(|secret| secret.contains(&true));
        let Some((content, after)) = length.checked_sub(4).and_then(|length| behind.split_at_checked(length)) else {
            // It is cut short: what is left may be half of a secret.
            return Some((changed || is_masked).then_some(out));
        };
        let new = match head[0] {
            b'T' => {
                secret = Some(columns(content)?);
                None
            }
            b'D' if is_masked => Some(row(mask, content, secret.as_deref().unwrap_or_default())?),
            b'D' if secret.is_none() && unknown() => return None,
            b'd' if unknown() => return None,
            b'C' => {
                secret = None;
                None
            }
            _ => None,
        };
        changed |= new.is_some();
        wire::postgres::push_message(head[0], new.as_deref().unwrap_or(content), &mut out);
        rest = after;
    }
    out.extend_from_slice(rest);
    Some(changed.then_some(out))
}

/// Which columns of a RowDescription are secret.
fn columns(content: &[u8]) -> Option<Vec<bool>> {
    const BEHIND_NAME: usize = 18;
    let (count, mut rest) = content.split_first_chunk()?;
    let mut found = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let (name, behind) = wire::postgres::cut_text(rest)?;
        found.push(is_secret_member(name));
        rest = behind.get(BEHIND_NAME..)?;
    }
    Some(found)
}

fn row(mask: &mut Mask, content: &[u8], secret: &[bool]) -> Option<Vec<u8>> {
    let (count, mut rest) = content.split_first_chunk::<2>()?;
    let mut out = count.to_vec();
    for column in 0..u16::from_be_bytes(*count) {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let (value, after) = behind.split_at_checked(usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0))?;
        if secret.get(usize::from(column)) == Some(&true) && !value.is_empty() {
            let new = mask.pseudonym("sql", value);
            out.extend_from_slice(&(new.len() as u32).to_be_bytes());
            out.extend_from_slice(new.as_bytes());
        } else {
            out.extend_from_slice(length);
            out.extend_from_slice(value);
        }
        rest = after;
    }
    Some(out)
}

/// How far the answer of MySQL has come.
enum Next {
    First,
    /// So many definitions of columns are to come.
    Definitions(u64),
    /// The end of the definitions, or the first row.
    Defined,
    Rows,
}

/// The answer of MySQL to what runs a text, binary if it was prepared: its packets (MySQL's source documentation, "Text Resultset"). Binary
/// rows with a secret column are not kept.
pub(super) fn of_mysql(mask: &mut Mask, answer: &[u8], text: &str, is_binary: bool) -> Masked {
    let (mut out, mut rest, mut changed) = (Vec::with_capacity(answer.len()), answer, false);
    let (mut next, mut secret) = (Next::First, Vec::new());
    while let Some((head, behind)) = rest.split_first_chunk::<4>() {
        let length = u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize;
        let Some((content, after)) = behind.split_at_checked(length) else {
            return Some((changed || secret.contains(&true)).then_some(out));
        };
        let ends = matches!(content, [0xff, ..]) || matches!(content, [0xfe, ..] if content.len() < 9);
        let mut new = None;
        next = match next {
            Next::First => match content.first()? {
                0 | 0xff | 0xfb | 0xfe => Next::First,
                _ => {
                    let mut cursor = Cursor(content);
                    let count = cursor.length()?;
                    secret.clear();
                    // MariaDB leaves out what the client knows, and says so behind the count.
                    if cursor.number(1) == Some(0) { Next::Defined } else { Next::Definitions(count) }
                }
            },
            Next::Definitions(count) => {
                secret.push(is_secret_column(content)?);
                if count > 1 { Next::Definitions(count - 1) } else { Next::Defined }
            }
            Next::Defined if ends && content[0] == 0xfe => Next::Rows,
            Next::Defined | Next::Rows if ends => Next::First,
            Next::Defined | Next::Rows => {
                let unknown = secret.is_empty() && asks_for(text, Dialect::Mysql, is_secret_member);
                if unknown || is_binary && secret.contains(&true) {
                    return None;
                }
                if secret.contains(&true) {
                    new = Some(text_row(mask, content, &secret)?);
                }
                Next::Rows
            }
        };
        changed |= new.is_some();
        wire::mysql::push_message(head[3], new.as_deref().unwrap_or(content), &mut out);
        rest = after;
    }
    out.extend_from_slice(rest);
    Some(changed.then_some(out))
}

/// Whether the name of a column is secret, or what it is called in its table.
fn is_secret_column(definition: &[u8]) -> Option<bool> {
    let mut cursor = Cursor(definition);
    for _ in ["catalog", "schema", "table", "original table"] {
        cursor.text()?;
    }
    Some(is_secret_member(cursor.text()?) || is_secret_member(cursor.text()?))
}

fn text_row(mask: &mut Mask, content: &[u8], secret: &[bool]) -> Option<Vec<u8>> {
    const NULL: u8 = 0xfb;
    let (mut out, mut cursor) = (Vec::new(), Cursor(content));
    for is_secret in secret {
        let before = cursor.0;
        if before.first() == Some(&NULL) {
            cursor.number(1);
            out.push(NULL);
            continue;
        }
        let value = cursor.text()?;
        if *is_secret && !value.is_empty() {
            let new = mask.pseudonym("sql", value);
            // A pseudonym is short enough for a length of one byte.
            out.push(new.len() as u8);
            out.extend_from_slice(new.as_bytes());
        } else {
            out.extend_from_slice(&before[..before.len() - cursor.0.len()]);
        }
    }
    Some(out)
}
