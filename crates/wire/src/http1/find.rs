//! Where a message may start again after bytes were missed.

use memchr::{memchr_iter, memmem, memrchr};

use crate::{Side, Start};

/// A request line without its line end is looked for no further back than this.
const START_LINE_BYTES_MAX: usize = 8 << 10;
/// The length of `HTTP/1.1 200`.
const STATUS_BYTES: usize = 12;
/// The methods of RFC 9110 §9 and its common extensions: they tell the start of a request from the end of a body before it.
const METHODS: &[&[u8]] = &[
    b"GET",
    b"POST",
    b"PUT",
    b"HEAD",
    b"DELETE",
    b"PATCH",
    b"OPTIONS",
    b"TRACE",
    b"CONNECT",
    b"PROPFIND",
    b"REPORT",
    b"MKCOL",
    b"SEARCH",
];

/// Looks for the next plausible start of a request (from the client) or response (from the server) in bytes whose framing was lost. A
/// message may start right behind a body, so not only at the start of a line.
#[must_use]
pub fn find_start(side: Side, bytes: &[u8]) -> Start {
    match side {
        Side::Client => find_request(bytes),
        Side::Server => find_response(bytes),
    }
}

fn find_response(bytes: &[u8]) -> Start {
    for at in memmem::find_iter(bytes, b"HTTP/1.") {
        match bytes[at + 7..] {
            [b'0'..=b'9', b' ', b'1'..=b'9', b'0'..=b'9', b'0'..=b'9', ..] => return Start::At(at),
            _ if bytes.len() < at + STATUS_BYTES => return Start::NotBefore(at),
            _ => {}
        }
    }
    Start::NotBefore(bytes.len().saturating_sub(STATUS_BYTES - 1))
}

fn find_request(bytes: &[u8]) -> Start {
    let mut line = 0;
    for end in memchr_iter(b'\n', bytes) {
        if let Some(at) = request_in(&bytes[line..end]) {
            return Start::At(line + at);
        }
        line = end + 1;
    }
    Start::NotBefore(line.max(bytes.len().saturating_sub(START_LINE_BYTES_MAX)))
}

/// Where in a line (its LF taken off) a request line starts that goes to its end: at its front if that is a method of whatever name, else
/// where a known method ends the word.
fn request_in(line: &[u8]) -> Option<usize> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let before_version = match line {
        [before @ .., b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0'..=b'9'] => before,
        _ => return None,
    };
    let method = &before_version[..memrchr(b' ', before_version)?];
    if !method.is_empty() && method.iter().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_')) {
        return Some(0);
    }
    METHODS.iter().filter(|known| method.ends_with(known)).map(|known| method.len() - known.len()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_may_start_behind_a_body() {
        assert_eq!(find_start(Side::Server, b"...</html>HTTP/1.1 200 OK\r\n"), Start::At(10));
        assert_eq!(find_start(Side::Client, b"\"a\":1}POST /x HTTP/1.1\r\n"), Start::At(6));
        assert_eq!(find_start(Side::Client, b"body\nM-SEARCH * HTTP/1.1\r\n"), Start::At(5));
        assert_eq!(find_start(Side::Client, b"tail of a header\r\n\r\nGET / HTTP/1.0\n"), Start::At(20));
    }

    #[test]
    fn text_that_only_looks_alike_is_passed_over() {
        assert_eq!(find_start(Side::Server, b"see HTTP/1.1 for more"), Start::NotBefore(10));
        assert_eq!(find_start(Side::Server, b"uses HTTP/1.1 20"), Start::NotBefore(5));
        assert_eq!(find_start(Side::Client, b"we speak HTTP/1.1\r\nab"), Start::NotBefore(19));
    }
}
