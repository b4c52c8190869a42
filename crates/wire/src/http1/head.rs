//! The head of a message: start line, header lines, and what they say about framing (RFC 9112 §2–§6).

use memchr::{Memchr, memchr, memchr_iter};

use super::{HEADERS_MAX, Malformed};

/// How the end of a body is found (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    None,
    /// So many bytes follow.
    Length(u64),
    /// Chunks follow.
    Chunked,
    /// Everything until the connection closes.
    UntilClose,
}

/// What is odd about a head though it could be read. Each has a stable name for the issue it becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Oddity {
    /// Lines end in LF alone.
    BareLf,
    /// A header value goes on in the next line.
    ObsFold,
    /// A header line without a colon, or with white space where none may be.
    BadHeaderLine,
    /// The request line is not `method target HTTP/1.x`.
    OddStartLine,
    /// Several content lengths that differ: the first was taken.
    ConflictingLengths,
    /// Both a content length and a transfer coding: the coding was taken.
    LengthAndCoding,
}

impl Oddity {
    /// Every oddity, in order of declaration.
    pub const ALL: &'static [Self] =
        &[Self::BareLf, Self::ObsFold, Self::BadHeaderLine, Self::OddStartLine, Self::ConflictingLengths, Self::LengthAndCoding];

    /// The name under which it is counted.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BareLf => "http-bare-lf",
            Self::ObsFold => "http-obs-fold",
            Self::BadHeaderLine => "http-bad-header-line",
            Self::OddStartLine => "http-odd-start-line",
            Self::ConflictingLengths => "http-conflicting-lengths",
            Self::LengthAndCoding => "http-length-and-coding",
        }
    }
}

/// A set of [`Oddity`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Oddities(u8);

impl Oddities {
    pub(super) fn set(&mut self, oddity: Oddity) {
        self.0 |= 1 << oddity as u8;
    }

    /// Whether it was seen.
    #[must_use]
    pub fn has(self, oddity: Oddity) -> bool {
        self.0 & (1 << oddity as u8) != 0
    }

    /// What was seen, in order of declaration.
    pub fn iter(self) -> impl Iterator<Item = Oddity> {
        Oddity::ALL.iter().copied().filter(move |oddity| self.has(*oddity))
    }
}

/// A request up to its body.
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'a> {
    /// As sent, in whatever case.
    pub method: &'a [u8],
    /// Origin, absolute, authority or asterisk form, as sent; empty where the line has none.
    pub target: &'a [u8],
    /// The `x` of `HTTP/1.x`; `None` where the line does not say.
    pub minor_version: Option<u8>,
    /// Whether the client means to use the connection again (RFC 9112 §9.3).
    pub keep_alive: bool,
    /// How the body ends.
    pub body: Body,
    /// What is odd about it.
    pub odd: Oddities,
    /// The header lines.
    pub headers: Headers<'a>,
}

/// A response up to its body.
#[derive(Debug, Clone, Copy)]
pub struct ResponseHead<'a> {
    /// Three digits.
    pub status: u16,
    /// The `x` of `HTTP/1.x`.
    pub minor_version: u8,
    /// A 1xx other than 101: the final response follows.
    pub informational: bool,
    /// Whether the connection can be used again after this response.
    pub keep_alive: bool,
    /// How the body ends.
    pub body: Body,
    /// What is odd about it; of header lines only those that framing depends on are looked at.
    pub odd: Oddities,
    /// The header lines.
    pub headers: Headers<'a>,
}

/// The header lines of a head, in order and case. Iterates over `(name, value)`, white space around the value taken off; a value that
/// was folded over several lines (RFC 9112 §5.2) still holds its line breaks. Lines without a name are passed over.
#[derive(Debug, Clone, Copy)]
pub struct Headers<'a>(&'a [u8]);

impl<'a> Headers<'a> {
    /// Header lines, each with its line end.
    #[must_use]
    pub fn new(lines: &'a [u8]) -> Self {
        Self(lines)
    }

    /// The lines as sent, the empty line that ends them included.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The value of the first header with this name, in any case.
    #[must_use]
    pub fn get(self, name: &str) -> Option<&'a [u8]> {
        self.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }
}

impl<'a> IntoIterator for Headers<'a> {
    type Item = (&'a [u8], &'a [u8]);
    type IntoIter = HeaderIter<'a>;

    fn into_iter(self) -> HeaderIter<'a> {
        HeaderIter { lines: self.0, start: 0, ends: memchr_iter(b'\n', self.0), odd: Oddities::default() }
    }
}

/// Iterator over [`Headers`].
#[derive(Debug, Clone)]
pub struct HeaderIter<'a> {
    lines: &'a [u8],
    start: usize,
    /// The line ends; one search over all lines, since starting it anew for each line costs more than the search.
    ends: Memchr<'a>,
    odd: Oddities,
}

impl<'a> HeaderIter<'a> {
    /// Takes one line with its continuation lines off the front. Nothing continues the empty line.
    #[inline]
    fn take_line(&mut self) -> Option<&'a [u8]> {
        let mut end = self.ends.next()? + 1;
        let is_last = is_empty_line(&self.lines[self.start..end]);
        while !is_last && matches!(self.lines.get(end), Some(b' ' | b'\t')) {
            self.odd.set(Oddity::ObsFold);
            end = self.ends.next().map_or(self.lines.len(), |end| end + 1);
        }
        let line = &self.lines[self.start..end];
        if !line.ends_with(b"\r\n") {
            self.odd.set(Oddity::BareLf);
        }
        self.start = end;
        Some(line)
    }

    /// Name and value of a line; `None` where it has no name.
    #[inline]
    fn split(&mut self, line: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        // Names are short: a plain loop is quicker here than a vectorized search.
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            if !line.trim_ascii().is_empty() {
                self.odd.set(Oddity::BadHeaderLine);
            }
            return None;
        };
        let name = line[..colon].trim_ascii();
        if name.len() != colon || name.is_empty() {
            self.odd.set(Oddity::BadHeaderLine);
        }
        (!name.is_empty()).then(|| (name, line[colon + 1..].trim_ascii()))
    }
}

impl<'a> Iterator for HeaderIter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = self.take_line()?;
            if let Some(header) = self.split(line) {
                return Some(header);
            }
        }
    }
}

/// Whether this is the line that ends a head.
#[inline]
fn is_empty_line(line: &[u8]) -> bool {
    matches!(line, [b'\n'] | [b'\r', b'\n'])
}

/// Where the head ends: just behind its empty line. In the first `seen` bytes, which were looked through before, it does not.
pub(super) fn head_end(bytes: &[u8], seen: usize) -> Option<usize> {
    let is_empty_line = |end: &usize| matches!(bytes[..*end], [] | [b'\r'] | [.., b'\n'] | [.., b'\n', b'\r']);
    memchr_iter(b'\n', &bytes[seen..]).map(|end| seen + end).find(is_empty_line).map(|end| end + 1)
}

/// What the header lines say about framing and the connection.
#[derive(Default)]
struct Facts {
    length: Option<u64>,
    coding: Coding,
    close: bool,
    keep_alive: bool,
    odd: Oddities,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum Coding {
    #[default]
    None,
    Chunked,
    /// Something whose end cannot be seen from the bytes.
    Other,
}

impl Facts {
    /// Reads the header lines up to the empty one, and looks at `all` of them for what is odd; says how many bytes they are, if the empty
    /// one is there. `offset` is where they start in what the caller holds, for the message of an error.
    fn of(headers: Headers<'_>, offset: usize, all: bool) -> Result<(Self, Option<usize>), Malformed> {
        let mut facts = Self::default();
        let mut lines = headers.into_iter();
        let (mut count, mut end) = (0, None);
        while let Some(line) = lines.take_line() {
            count += 1;
            // The empty line counts along.
            if count > HEADERS_MAX + 1 {
                return Err(Malformed { what: "more header lines than the limit of 512", offset });
            }
            if is_empty_line(line) {
                end = Some(lines.start);
                break;
            }
            // Connection, Content-Length, Transfer-Encoding: the other lines need no look, and this is the way of every response.
            if (all || matches!(line[0], b'c' | b'C' | b't' | b'T'))
                && let Some((name, value)) = lines.split(line)
            {
                facts.note(name, value).map_err(|what| Malformed { what, offset })?;
            }
        }
        facts.odd.0 |= lines.odd.0;
        if facts.length.is_some() && facts.coding != Coding::None {
            facts.odd.set(Oddity::LengthAndCoding);
        }
        Ok((facts, end))
    }

    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), &'static str> {
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => self.note_length(value)?,
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.note_coding(value),
            10 if name.eq_ignore_ascii_case(b"connection") => self.note_connection(value),
            _ => {}
        }
        Ok(())
    }

    /// RFC 9110 §8.6: a list of equal numbers is one number.
    fn note_length(&mut self, value: &[u8]) -> Result<(), &'static str> {
        for part in value.split(|byte| *byte == b',') {
            let length = decimal(part.trim_ascii()).ok_or("Content-Length is not a number")?;
            match self.length {
                None => self.length = Some(length),
                Some(first) if first != length => self.odd.set(Oddity::ConflictingLengths),
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// The last coding decides; `identity` (RFC 2616) is none.
    fn note_coding(&mut self, value: &[u8]) {
        let last = value.rsplit(|byte| *byte == b',').next().unwrap_or(value).trim_ascii();
        self.coding = if last.eq_ignore_ascii_case(b"chunked") {
            Coding::Chunked
        } else if last.eq_ignore_ascii_case(b"identity") {
            self.coding
        } else {
            Coding::Other
        };
    }

    fn note_connection(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// RFC 9112 §9.3.
    fn persistent(&self, minor_version: Option<u8>) -> bool {
        !self.close && (self.keep_alive || minor_version.is_some_and(|minor| minor >= 1))
    }
}

/// Digits only; no sign, no overflow.
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The start line without its line end, whether that was LF alone, and the offset of the header lines.
fn start_line(head: &[u8]) -> (&[u8], bool, usize) {
    let end = memchr(b'\n', head).unwrap_or(head.len().saturating_sub(1));
    let line = &head[..end];
    match line.strip_suffix(b"\r") {
        Some(line) => (line, false, end + 1),
        None => (line, true, end + 1),
    }
}

impl<'a> RequestHead<'a> {
    /// Reads the head at the front, from the method to the empty line, and says how long it is; `None` where it is not whole. A line that is no proper request line is read as far as it goes (and said
    /// to be odd) as long as it is printable: servers answer such lines, so they are requests.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, Malformed> {
        let (line, bare_lf, rest) = start_line(bytes);
        if let Some(offset) = line.iter().position(|byte| *byte < 0x20 || *byte == 0x7f) {
            return Err(Malformed { what: "control character in the request line", offset });
        }
        let (method, target, version) = split_request_line(line);
        if method.is_empty() {
            return Err(Malformed { what: "a request line without a method", offset: 0 });
        }
        if version.is_some_and(|version| version.starts_with(b"HTTP/") && matches!(version.get(5), Some(b'2'..=b'9'))) {
            return Err(Malformed { what: "an HTTP version that is not 1.x", offset: 0 });
        }
        let minor_version = version.and_then(minor_version);
        let lines = Headers(&bytes[rest.min(bytes.len())..]);
        let (mut facts, Some(end)) = Facts::of(lines, rest, true)? else { return Ok(None) };
        if bare_lf {
            facts.odd.set(Oddity::BareLf);
        }
        if minor_version.is_none() || target.is_empty() {
            facts.odd.set(Oddity::OddStartLine);
        }
        let body = match (facts.coding, facts.length) {
            (Coding::Chunked, _) => Body::Chunked,
            (Coding::Other, _) => {
                return Err(Malformed { what: "a request whose last transfer coding is not chunked", offset: rest });
            }
            (Coding::None, Some(0) | None) => Body::None,
            (Coding::None, Some(length)) => Body::Length(length),
        };
        let keep_alive = facts.persistent(minor_version);
        let headers = Headers(&lines.0[..end]);
        Ok(Some((Self { method, target, minor_version, keep_alive, body, odd: facts.odd, headers }, rest + end)))
    }
}

/// Method, target and version, as far as they are there.
fn split_request_line(line: &[u8]) -> (&[u8], &[u8], Option<&[u8]>) {
    let Some(space) = memchr(b' ', line) else { return (line, b"", None) };
    let (method, rest) = (&line[..space], line[space + 1..].trim_ascii());
    if rest.starts_with(b"HTTP/") {
        return (method, b"", Some(rest));
    }
    match rest.iter().rposition(|byte| *byte == b' ') {
        Some(space) if rest[space + 1..].starts_with(b"HTTP/") => {
            (method, rest[..space].trim_ascii_end(), Some(&rest[space + 1..]))
        }
        _ => (method, rest, None),
    }
}

fn minor_version(version: &[u8]) -> Option<u8> {
    match version.strip_prefix(b"HTTP/1.") {
        Some([minor @ b'0'..=b'9']) => Some(minor - b'0'),
        _ => None,
    }
}

/// What a request was, as far as the framing of its answer depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Plain,
    Head,
    Connect,
}

impl Asked {
    pub(super) fn of(method: &[u8]) -> Self {
        match method {
            b"HEAD" => Self::Head,
            b"CONNECT" => Self::Connect,
            _ => Self::Plain,
        }
    }
}

/// The part of a status line that is checked as soon as bytes come.
const STATUS_LINE_START: &[u8] = b"HTTP/1.";

/// Whether these may be the first bytes of a status line.
pub(super) fn may_be_response(bytes: &[u8]) -> bool {
    let known = bytes.len().min(STATUS_LINE_START.len());
    bytes[..known] == STATUS_LINE_START[..known]
}

impl<'a> ResponseHead<'a> {
    /// Reads the head at the front, from `HTTP/` to the empty line, as an answer to what was `asked`, and says how long it is; `None` where it
    /// is not whole.
    pub(super) fn parse(bytes: &'a [u8], asked: Asked) -> Result<Option<(Self, usize)>, Malformed> {
        let (line, bare_lf, rest) = start_line(bytes);
        let (minor_version, status) = status_line(line).ok_or(Malformed { what: "not a status line", offset: 0 })?;
        let lines = Headers(&bytes[rest.min(bytes.len())..]);
        let (mut facts, Some(end)) = Facts::of(lines, rest, false)? else { return Ok(None) };
        if bare_lf {
            facts.odd.set(Oddity::BareLf);
        }
        let body = response_body(status, asked, &facts);
        let head = Self {
            status,
            minor_version,
            informational: status < 200 && status != 101,
            keep_alive: facts.persistent(Some(minor_version)) && body != Body::UntilClose,
            body,
            odd: facts.odd,
            headers: Headers(&lines.0[..end]),
        };
        Ok(Some((head, rest + end)))
    }

    /// Whether the connection is no longer HTTP after this answer: 101, or success of a CONNECT.
    pub(super) fn opens_tunnel(&self, asked: Asked) -> bool {
        self.status == 101 || (asked == Asked::Connect && (200..300).contains(&self.status))
    }
}

/// `HTTP/1.x NNN`, with or without a reason.
fn status_line(line: &[u8]) -> Option<(u8, u16)> {
    let [minor @ b'0'..=b'9', b' ', a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] =
        line.strip_prefix(STATUS_LINE_START)?
    else {
        return None;
    };
    let digit = |byte: &u8| u16::from(byte - b'0');
    matches!(rest.first(), None | Some(b' ')).then(|| (minor - b'0', digit(a) * 100 + digit(b) * 10 + digit(c)))
}

/// RFC 9112 §6.3, rules 1 to 8, for responses.
fn response_body(status: u16, asked: Asked, facts: &Facts) -> Body {
    let bodiless = asked == Asked::Head || matches!(status, 100..200 | 204 | 304);
    if bodiless || (asked == Asked::Connect && (200..300).contains(&status)) {
        return Body::None;
    }
    match (facts.coding, facts.length) {
        (Coding::Chunked, _) => Body::Chunked,
        (Coding::Other, _) | (Coding::None, None) => Body::UntilClose,
        (Coding::None, Some(0)) => Body::None,
        (Coding::None, Some(length)) => Body::Length(length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever was looked through before, the end is found where it is; and what was, is not looked through again.
    #[test]
    fn a_head_is_looked_through_once() {
        for (head, end) in [(&b"GET / HTTP/1.1\r\na: b\r\n\r\nbody"[..], 24), (b"a\n\nb", 3), (b"\r\nb", 2), (b"\nb", 1)] {
            for seen in 0..head.len() {
                assert_eq!(head_end(head, seen), (seen < end).then_some(end), "{seen}");
                assert_eq!(head_end(&head[..seen], 0), (seen >= end).then_some(end), "{seen}");
            }
        }
        assert_eq!(head_end(b"a: b\r\nc: \r\r\n\rd\n", 0), None);
    }
}
