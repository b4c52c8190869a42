//! Secrets in commands and answers of Redis: values of fields with a secret name, and members of JSON texts.

use std::borrow::Cow;

use bytes::Bytes;
use trace::Exchange;
use wire::redis::{arguments, push_command};

use super::Mask;
use super::names::is_secret_member;

/// Arguments of a command that are looked at; longer ones are not kept where one of them may be secret.
const ARGUMENTS_MAX: usize = 1 << 16;
/// Commands whose arguments are names and values, from some place on.
const FIELDS: &[&str] = &["HSET", "HMSET", "HSETNX", "HSETEX", "HGETSET", "XADD"];
/// Commands that ask for the values of fields, which they name from this place on.
const ASKS: &[(&str, usize)] = &[("HGET", 2), ("HMGET", 2), ("HGETDEL", 5), ("HGETEX", 5)];

/// Masks a row; whether there was anything to mask.
pub(super) fn mask(mask: &mut Mask, row: &mut Exchange) -> bool {
    let request = row.request.clone().unwrap_or_default();
    let (words, count) = arguments(&request, ARGUMENTS_MAX);
    let command = words.first().map(|word| word.to_ascii_uppercase()).unwrap_or_default();
    let is = |name: &str| name.as_bytes() == command;
    let masked: Option<Vec<Cow<'_, [u8]>>> = arguments_masked(mask, &words, FIELDS.iter().any(|name| is(name)));
    let changed = masked.is_some();
    if let Some(masked) = masked {
        let mut out = Vec::new();
        push_command(&masked, &mut out);
        // Arguments that were not looked at would be missing.
        row.request = (count == masked.len() as u64).then(|| Bytes::from(out));
        if row.request.is_none() {
            row.flags.set(trace::Flag::Unreplayable);
        }
    }
    let asked = ASKS.iter().find(|(name, _)| is(name)).map_or(&[][..], |(_, at)| words.get(*at..).unwrap_or_default());
    let secret: Vec<bool> = asked.iter().map(|field| is_secret_member(field)).collect();
    let Some(answer) = row.response.as_ref().and_then(|answer| answer_masked(mask, answer, &secret)) else { return changed };
    row.response = Some(Bytes::from(answer));
    true
}

/// The words of a command with those masked that stand behind a secret name, where they are names and values, and with JSON masked.
fn arguments_masked<'a>(mask: &mut Mask, words: &[Cow<'a, [u8]>], are_fields: bool) -> Option<Vec<Cow<'a, [u8]>>> {
    let mut out = words.to_vec();
    let mut changed = false;
    for at in 2..words.len() {
        let new = if are_fields && at > 2 && is_secret_member(&words[at - 1]) {
            Some(mask.pseudonym("redis", &words[at]).into_bytes())
        } else {
            mask.json("redis", &words[at])
        };
        if let Some(new) = new {
            (out[at], changed) = (Cow::Owned(new), true);
        }
    }
    changed.then_some(out)
}

/// An answer with its secret strings masked: those behind a secret name, those that were asked for by one, and members of JSON texts.
fn answer_masked(mask: &mut Mask, answer: &[u8], asked: &[bool]) -> Option<Vec<u8>> {
    let (mut out, mut rest, mut changed) = (Vec::new(), answer, false);
    let (mut strings, mut behind_secret) = (0, false);
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let (line, behind) = rest.split_at(end + 1);
        let length = || std::str::from_utf8(line[1..].trim_ascii_end()).ok()?.parse::<usize>().ok();
        let bulk = matches!(line[0], b'$' | b'=' | b'!').then(length).flatten();
        let is_value = bulk.is_some() || matches!(line[0], b'_' | b'$' | b'+');
        let is_secret = behind_secret || asked.get(strings).copied().unwrap_or(false);
        strings += usize::from(is_value);
        rest = behind;
        let Some(length) = bulk else {
            behind_secret = false;
            out.extend_from_slice(line);
            continue;
        };
        let text = &behind[..behind.len().min(length)];
        rest = &behind[text.len()..];
        let new = if is_secret && line[0] == b'$' {
            Some(mask.pseudonym("redis", text).into_bytes())
        } else {
            mask.json("redis", text)
        };
        behind_secret = asked.is_empty() && is_secret_member(text);
        match new {
            Some(new) => {
                out.extend_from_slice(format!("${}\r\n", new.len()).as_bytes());
                out.extend_from_slice(&new);
                changed = true;
            }
            None => [line, text].into_iter().for_each(|part| out.extend_from_slice(part)),
        }
        let end = rest.len().min(2);
        out.extend_from_slice(&rest[..end]);
        rest = &rest[end..];
    }
    out.extend_from_slice(rest);
    changed.then_some(out)
}
