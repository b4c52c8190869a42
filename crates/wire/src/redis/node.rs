//! What is in a message.

use std::borrow::Cow;

/// One node of a message: aggregates are followed by their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node<'a> {
    /// A short answer, error, number, boolean: its type and the rest of the line.
    Line(u8, &'a [u8]),
    /// A string, long error or verbatim string: its type and bytes.
    Bulk(u8, &'a [u8]),
    /// An array, map, set or push: its type and how many values follow; a map's keys count too.
    Many(u8, u64),
    /// Nothing, however it is written.
    Null,
}

impl<'a> Node<'a> {
    /// The text of whatever is no aggregate.
    #[must_use]
    pub fn text(&self) -> &'a [u8] {
        match self {
            Self::Line(_, text) | Self::Bulk(_, text) => text,
            Self::Many(..) | Self::Null => b"",
        }
    }

    /// What went wrong, if it says so.
    #[must_use]
    pub fn error(&self) -> Option<&'a [u8]> {
        match self {
            Self::Line(b'-', text) | Self::Bulk(b'!', text) => Some(text),
            _ => None,
        }
    }
}

/// The nodes of a message in order, attributes left out; ends where the bytes end or are none.
#[derive(Debug, Clone)]
pub struct Nodes<'a>(&'a [u8]);

impl<'a> Nodes<'a> {
    /// Of the front of a message, or more.
    #[must_use]
    pub fn new(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn read(&mut self) -> Option<(u8, Node<'a>)> {
        let (kind, rest) = self.0.split_first()?;
        let end = memchr::memchr(b'\n', rest)?;
        let (line, mut rest) = (&rest[..end], &rest[end + 1..]);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let length = || std::str::from_utf8(line).ok()?.parse::<i64>().ok();
        let node = match kind {
            b'+' | b'-' | b':' | b',' | b'(' | b'#' => Node::Line(*kind, line),
            b'_' => Node::Null,
            b'$' | b'!' | b'=' => match usize::try_from(length()?) {
                Ok(length) => {
                    let text = rest.get(..length)?;
                    rest = rest.get(length.checked_add(2)?..)?;
                    Node::Bulk(*kind, text)
                }
                Err(_) => Node::Null,
            },
            b'*' | b'%' | b'~' | b'>' | b'|' => match u64::try_from(length()?) {
                Ok(pairs) if matches!(kind, b'%' | b'|') => Node::Many(*kind, pairs.checked_mul(2)?),
                Ok(values) => Node::Many(*kind, values),
                Err(_) => Node::Null,
            },
            _ => return None,
        };
        self.0 = rest;
        Some((*kind, node))
    }

    /// Passes over the next so many values.
    fn pass(&mut self, mut values: u64) -> Option<()> {
        while values > 0 {
            let (_, node) = self.read()?;
            values -= 1;
            if let Node::Many(kind, inner) = node {
                // The value that attributes are of comes behind them.
                values = values.checked_add(inner)?.checked_add(u64::from(kind == b'|'))?;
            }
        }
        Some(())
    }
}

impl<'a> Iterator for Nodes<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Node<'a>> {
        loop {
            match self.read()? {
                (b'|', Node::Many(_, values)) => self.pass(values)?,
                (_, node) => return Some(node),
            }
        }
    }
}

/// The first `count_max` strings of a command that are whole in `message`, which may be cut short; and how many there are in all, as far
/// as it says so. An inline command's are told apart by blanks and quotes.
#[must_use]
pub fn arguments(message: &[u8], count_max: usize) -> (Vec<Cow<'_, [u8]>>, u64) {
    let mut nodes = Nodes::new(message);
    if message.first() != Some(&b'*') {
        let all = inline(message);
        let count = all.len() as u64;
        return (all.into_iter().take(count_max).map(Cow::Owned).collect(), count);
    }
    let count = if let Some(Node::Many(b'*', count)) = nodes.next() { count } else { 0 };
    let strings = nodes.take(count_max.min(usize::try_from(count).unwrap_or(usize::MAX)));
    (strings.map(|node| Cow::Borrowed(node.text())).collect(), count)
}

/// The words of an inline command. In double quotes, `\n`, `\r`, `\t`, `\b`, `\a`, `\xNN` and `\` before any other byte stand for one
/// byte; in single quotes only `\'` does.
fn inline(line: &[u8]) -> Vec<Vec<u8>> {
    let (mut words, mut rest) = (Vec::new(), line.trim_ascii());
    while !rest.is_empty() {
        let (mut word, mut quote) = (Vec::new(), None);
        while let Some((&byte, behind)) = rest.split_first() {
            if quote.is_none() && byte.is_ascii_whitespace() {
                break;
            }
            rest = behind;
            match (quote, byte) {
                (None, b'"' | b'\'') => quote = Some(byte),
                (Some(open), _) if byte == open => quote = None,
                (Some(b'"'), b'\\') => rest = escape(rest, &mut word),
                (Some(b'\''), b'\\') if rest.first() == Some(&b'\'') => {
                    word.push(b'\'');
                    rest = &rest[1..];
                }
                _ => word.push(byte),
            }
        }
        words.push(word);
        rest = rest.trim_ascii_start();
    }
    words
}

/// What stands behind a backslash becomes one byte; the rest.
fn escape<'a>(bytes: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    if let [b'x', high, low, rest @ ..] = bytes
        && let (Some(high), Some(low)) = (digit(*high), digit(*low))
    {
        out.push((high * 16 + low) as u8);
        return rest;
    }
    let Some((byte, rest)) = bytes.split_first() else { return bytes };
    out.push(match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => *other,
    });
    rest
}

/// Writes a command.
pub fn push_command(arguments: &[impl AsRef<[u8]>], out: &mut Vec<u8>) {
    push_node(&Node::Many(b'*', arguments.len() as u64), out);
    for argument in arguments {
        push_node(&Node::Bulk(b'$', argument.as_ref()), out);
    }
}

/// Writes a node; `Null` as version 3 does.
pub fn push_node(node: &Node<'_>, out: &mut Vec<u8>) {
    let number = |kind: u8, number: u64, out: &mut Vec<u8>| {
        out.push(kind);
        out.extend_from_slice(number.to_string().as_bytes());
        out.extend_from_slice(b"\r\n");
    };
    match node {
        Node::Line(kind, text) => {
            out.push(*kind);
            out.extend_from_slice(text);
            out.extend_from_slice(b"\r\n");
        }
        Node::Bulk(kind, text) => {
            number(*kind, text.len() as u64, out);
            out.extend_from_slice(text);
            out.extend_from_slice(b"\r\n");
        }
        Node::Many(kind @ (b'%' | b'|'), values) => number(*kind, values / 2, out),
        Node::Many(kind, values) => number(*kind, *values, out),
        Node::Null => out.extend_from_slice(b"_\r\n"),
    }
}
