//! Where a message may start after bytes were missed.

use crate::{Side, Start};

/// Bytes of a first line, with the one behind it, that are looked at.
const LOOK_BYTES_MAX: usize = 256;

enum Begins {
    Yes,
    No,
    More,
}

/// Looks for a message at the front of `bytes` and behind every line end. A command begins with its number of strings and the length of
/// the first one: inline commands look like any text, and are not found.
pub(super) fn find_start(side: Side, bytes: &[u8]) -> Start {
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        match begins(side, &rest[..rest.len().min(LOOK_BYTES_MAX)]) {
            Begins::Yes => return Start::At(at),
            Begins::More if rest.len() < LOOK_BYTES_MAX => return Start::NotBefore(at),
            Begins::More | Begins::No => {}
        }
        match memchr::memchr(b'\n', rest) {
            Some(end) => at += end + 1,
            None => return Start::NotBefore(bytes.len()),
        }
    }
}

fn begins(side: Side, bytes: &[u8]) -> Begins {
    let Some(kind) = bytes.first() else { return Begins::More };
    match (side, kind) {
        (Side::Client, b'*') => counts(&bytes[1..], |bytes| match bytes {
            [] => Begins::More,
            [b'$', rest @ ..] => counts(rest, |_| Begins::Yes),
            _ => Begins::No,
        }),
        (Side::Server, b'*' | b'%' | b'~' | b'>') => counts(&bytes[1..], |bytes| match bytes {
            [] => Begins::More,
            [b'$' | b'!' | b'=' | b'*' | b'%' | b'~' | b'>' | b'|' | b'+' | b'-' | b':' | b',' | b'(' | b'#' | b'_', ..] => {
                Begins::Yes
            }
            _ => Begins::No,
        }),
        (Side::Server, b'$' | b'!' | b'=' | b':') => counts(&bytes[1..], |_| Begins::Yes),
        (Side::Server, b'+' | b'-') => line(&bytes[1..], |text| {
            text.first().is_some_and(u8::is_ascii_alphanumeric) && text.iter().all(|byte| (0x20..0x7f).contains(byte))
        }),
        (Side::Server, b'_') => line(&bytes[1..], <[u8]>::is_empty),
        (Side::Server, b'#') => line(&bytes[1..], |text| matches!(text, b"t" | b"f")),
        _ => Begins::No,
    }
}

/// A number to the end of the line, and what is then said of what follows; an empty aggregate needs nothing behind it.
fn counts(bytes: &[u8], then: impl FnOnce(&[u8]) -> Begins) -> Begins {
    let digits = &bytes[usize::from(bytes.first() == Some(&b'-'))..];
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match (count, &digits[count..]) {
        (0, []) | (1..=19, [] | [b'\r']) => Begins::More,
        (1..=19, [b'\r', b'\n', ..]) if digits[0] == b'0' && count == 1 => Begins::Yes,
        (1..=19, [b'\r', b'\n', rest @ ..]) => then(rest),
        _ => Begins::No,
    }
}

fn line(bytes: &[u8], fits: impl FnOnce(&[u8]) -> bool) -> Begins {
    match memchr::memchr(b'\n', bytes) {
        Some(end) if bytes[..end].ends_with(b"\r") && fits(&bytes[..end - 1]) => Begins::Yes,
        Some(_) => Begins::No,
        None => Begins::More,
    }
}
