//! Secrets in SQL: in the text of a row, and in the wire messages that carry it, which keep their lengths right.

use std::ops::Range;

use bytes::Bytes;
use trace::rules::sql::{Dialect, Prepared, Secret, prepared, secrets};
use trace::{Exchange, Flag};
use wire::{mysql, postgres};

use super::names::is_secret_member;
use super::{Mask, rows};

/// Masks a row of PostgreSQL: its text, and Query, Parse and Bind messages. Whether there was anything to mask.
pub(super) fn of_postgres(mask: &mut Mask, row: &mut Exchange) -> bool {
    let answer = row.response.as_ref().map(|answer| rows::of_postgres(mask, answer, &row.target));
    let answered = take(answer, row);
    asked_postgres(mask, row) || answered
}

fn asked_postgres(mask: &mut Mask, row: &mut Exchange) -> bool {
    let secret_parameters = parameters(&row.target, Dialect::Postgres);
    let target = mask.text(row.target.as_bytes(), Dialect::Postgres, &[]);
    let changed = target.is_some();
    if let Some(target) = target {
        row.target = String::from_utf8_lossy(&target).into();
    }
    let Some(request) = &row.request else { return changed };
    match postgres_messages(mask, request, &secret_parameters) {
        Some(Some(masked)) => row.request = Some(Bytes::from(masked)),
        Some(None) => return changed,
        // Messages that cannot be read cannot be masked.
        None if changed || !secret_parameters.is_empty() => {
            row.request = None;
            row.flags.set(Flag::Unreplayable);
        }
        None => return changed,
    }
    true
}

/// Masks a row of MySQL: its text, and COM_QUERY and COM_STMT_PREPARE. What is bound to secret parameters is not kept: where it stands is
/// told by types that may have been sent long before.
pub(super) fn of_mysql(mask: &mut Mask, row: &mut Exchange) -> bool {
    let command = row.request.as_ref().and_then(|request| request.get(mysql::HEAD_BYTES).copied());
    let is_binary = matches!(command, None | Some(0x17 | 0xfa));
    let answer = row.response.as_ref().filter(|_| is_binary || command == Some(3));
    let answer = answer.map(|answer| rows::of_mysql(mask, answer, &row.target, is_binary));
    let answered = take(answer, row);
    asked_mysql(mask, row) || answered
}

/// Takes over what came of an answer, if anything did; whether that changed it.
fn take(answer: Option<rows::Masked>, row: &mut Exchange) -> bool {
    match answer {
        None | Some(Some(None)) => return false,
        Some(Some(Some(masked))) => row.response = Some(Bytes::from(masked)),
        Some(None) => row.response = None,
    }
    true
}

fn asked_mysql(mask: &mut Mask, row: &mut Exchange) -> bool {
    let is_query =
        |request: &Bytes| mysql::messages(request).is_some_and(|all| all.iter().all(|(_, content)| content.first() == Some(&3)));
    let binds = &*row.method != "PREPARE" && !row.request.as_ref().is_some_and(is_query);
    let binds_secrets = binds && !parameters(&row.target, Dialect::Mysql).is_empty();
    let target = mask.text(row.target.as_bytes(), Dialect::Mysql, &[]);
    let changed = target.is_some();
    if let Some(target) = target {
        row.target = String::from_utf8_lossy(&target).into();
    }
    let messages = row.request.as_deref().and_then(mysql::messages);
    match (messages, row.request.is_some()) {
        (Some(messages), _) if changed && !binds_secrets => {
            let mut out = Vec::new();
            for (number, content) in messages {
                let (command, text) = content.split_at(content.len().min(1));
                let masked = matches!(command, [3 | 0x16]).then(|| mask.text(text, Dialect::Mysql, &[])).flatten();
                mysql::push_message(number, &[command, masked.as_deref().unwrap_or(text)].concat(), &mut out);
            }
            row.request = Some(Bytes::from(out));
        }
        (_, true) if changed || binds_secrets => {
            row.request = None;
            row.flags.set(Flag::Unreplayable);
            return true;
        }
        _ => {}
    }
    changed
}

/// The messages with their secrets masked; the inner `None` where there were none, the outer where they cannot be read.
fn postgres_messages(mask: &mut Mask, request: &[u8], secret_parameters: &[usize]) -> Option<Option<Vec<u8>>> {
    let (mut out, mut changed) = (Vec::new(), false);
    for (tag, content) in postgres::messages(request)? {
        let masked = match tag {
            b'Q' => mask.text(content, Dialect::Postgres, secret_parameters),
            b'P' => {
                let (name, sql) = content.split_at(postgres::cut_text(content)?.0.len() + 1);
                mask.text(sql, Dialect::Postgres, secret_parameters).map(|masked| [name, &masked].concat())
            }
            b'B' if !secret_parameters.is_empty() => {
                let change = |number, value: &[u8]| secret_parameters.contains(&number).then(|| mask.sql(value).into_bytes());
                Some(postgres::with_parameters(content, change)?)
            }
            _ => None,
        };
        changed |= masked.is_some();
        postgres::push_message(tag, masked.as_deref().unwrap_or(content), &mut out);
    }
    Some(changed.then_some(out))
}

fn parameters(text: &str, dialect: Dialect) -> Vec<usize> {
    let number = |secret| match secret {
        Secret::Parameter(number) => Some(number),
        Secret::Value(_) => None,
    };
    secrets(text, dialect, is_secret_member).into_iter().filter_map(number).collect()
}

impl Mask {
    fn sql(&mut self, value: &[u8]) -> String {
        self.pseudonym("sql", value)
    }

    /// The text with its secret values masked, and mended where it is not UTF-8; `None` where there are none. If it executes a prepared
    /// statement, so are the values of its secret parameters; if it prepares one, so is what is secret in that.
    fn text(&mut self, text: &[u8], dialect: Dialect, secret_parameters: &[usize]) -> Option<Vec<u8>> {
        let text = String::from_utf8_lossy(text);
        let ranges: Vec<Range<usize>> = match prepared(&text, dialect) {
            Some(Prepared::Prepare { text: inner, at, .. }) if dialect == Dialect::Mysql => {
                let masked = String::from_utf8(self.text(inner.as_bytes(), dialect, &[])?).ok()?;
                let literal = masked.replace('\\', "\\\\").replace('\'', "''");
                return Some([&text[..at.start], "'", &literal, "'", &text[at.end..]].concat().into_bytes());
            }
            Some(Prepared::Execute { arguments, .. }) => {
                secret_parameters.iter().filter_map(|number| arguments.get(*number).cloned()).collect()
            }
            _ => secrets(&text, dialect, is_secret_member).into_iter().filter_map(value).collect(),
        };
        if ranges.is_empty() {
            return None;
        }
        let (mut out, mut from) = (String::with_capacity(text.len() + 64), 0);
        for Range { start, end } in ranges {
            let secret = text[start..end].trim_matches(['\'', '"']);
            out.push_str(&text[from..start]);
            out.push_str(&format!("'{}'", self.sql(secret.as_bytes())));
            from = end;
        }
        out.push_str(&text[from..]);
        Some(out.into_bytes())
    }
}

fn value(secret: Secret) -> Option<Range<usize>> {
    match secret {
        Secret::Value(range) => Some(range),
        Secret::Parameter(_) => None,
    }
}
