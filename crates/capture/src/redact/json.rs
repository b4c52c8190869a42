//! Masks members of JSON text in place. The text may be cut short or broken: it is only split into tokens, never parsed.

use memchr::{memchr, memchr2};

/// A copy of `text` in which the strings and numbers that belong to members with a secret name are replaced; `None` where there are none.
pub(super) fn mask(
    text: &[u8],
    is_secret: impl Fn(&[u8]) -> bool,
    mut pseudonym: impl FnMut(&[u8]) -> String,
) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut at, mut copied) = (0, 0);
    while let Some(name) = next_string(text, at) {
        at = name.end;
        let Some(value) = value_behind(text, name.end) else { continue };
        if !is_secret(&text[name.start + 1..name.end.saturating_sub(1).max(name.start + 1)]) {
            continue;
        }
        for scalar in scalars(text, value) {
            out.extend_from_slice(&text[copied..scalar.start]);
            out.push(b'"');
            out.extend_from_slice(pseudonym(&text[scalar.clone()]).as_bytes());
            out.push(b'"');
            (at, copied) = (scalar.end, scalar.end);
        }
    }
    if copied == 0 {
        return None;
    }
    out.extend_from_slice(&text[copied..]);
    Some(out)
}

type Span = std::ops::Range<usize>;

/// The next string from `at` on, quotes included; one that is cut short ends with the text.
fn next_string(text: &[u8], at: usize) -> Option<Span> {
    let start = at + memchr(b'"', text.get(at..)?)?;
    let mut end = start + 1;
    while let Some(found) = memchr2(b'"', b'\\', text.get(end..)?) {
        end += found + 1;
        if text[end - 1] == b'"' {
            return Some(start..end);
        }
        end += 1;
    }
    Some(start..text.len())
}

fn skip_space(text: &[u8], at: usize) -> usize {
    at + text[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Where the value begins, if a colon follows.
fn value_behind(text: &[u8], at: usize) -> Option<usize> {
    let colon = skip_space(text, at);
    (text.get(colon) == Some(&b':')).then(|| skip_space(text, colon + 1))
}

/// The strings and numbers of the value that begins at `at`: itself, or all inside it that are not names of members.
fn scalars(text: &[u8], mut at: usize) -> Vec<Span> {
    let (mut found, mut depth) = (Vec::new(), 0_usize);
    while let Some(byte) = text.get(at) {
        match byte {
            b'{' | b'[' => (depth, at) = (depth + 1, at + 1),
            b'}' | b']' => (depth, at) = (depth.saturating_sub(1), at + 1),
            b'"' => {
                let string = next_string(text, at).unwrap_or(at..text.len());
                at = string.end;
                if value_behind(text, at).is_none() {
                    found.push(string);
                }
            }
            b'-' | b'0'..=b'9' => {
                let digits = |byte: &&u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                let end = at + text[at..].iter().take_while(digits).count();
                found.push(at..end);
                at = end;
            }
            b',' if depth == 0 => break,
            _ => at += 1,
        }
        if depth == 0 && matches!(text.get(at), None | Some(b',' | b'}' | b']')) {
            break;
        }
    }
    found
}
