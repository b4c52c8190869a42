//! Where a message begins and ends (MySQL source documentation, "MySQL Packets"): three bytes of length, one that numbers the packets of
//! an exchange, and the content. What is too long for one packet goes on in the next.

use crate::{Side, Start};

/// Bytes before the content of a packet.
pub const HEAD_BYTES: usize = 4;
/// Content of a packet that another one continues.
const FULL: u32 = 0xff_ffff;
/// Longer packets are not believed where the beginning of one is looked for.
pub(super) const SEARCH_BYTES_MAX: usize = 1 << 20;
/// Packets in a row, numbered one after the other, that are sure to be some.
const CHAIN: usize = 4;

/// The packet that some bytes are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Packets {
    /// Bytes of the packet under way that are still to come.
    left: u32,
    /// The packet under way is full, or the one before was: the message goes on behind it.
    full: bool,
    in_packet: bool,
}

/// A part of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part<'a> {
    pub head: Option<[u8; HEAD_BYTES]>,
    pub part: &'a [u8],
    /// It begins a message.
    pub starts: bool,
    /// It ends one.
    pub ends: bool,
}

impl Packets {
    /// Whether a message is under way.
    pub fn in_message(&self) -> bool {
        self.in_packet || self.full
    }

    /// The next part, and the bytes used for it; `None` where more are needed. Behind the head of a message that is not empty there is at
    /// least its first byte.
    pub fn read<'a>(&mut self, bytes: &'a [u8]) -> Option<(usize, Part<'a>)> {
        let (head, starts) = if self.in_packet {
            (None, false)
        } else {
            let head = *bytes.first_chunk::<HEAD_BYTES>()?;
            let length = length(head);
            let starts = !self.full;
            if starts && length > 0 && bytes.len() == HEAD_BYTES {
                return None;
            }
            *self = Self { left: length, full: length == FULL, in_packet: true };
            (Some(head), starts)
        };
        let rest = &bytes[head.map_or(0, |_| HEAD_BYTES)..];
        if head.is_none() && rest.is_empty() {
            return None;
        }
        let part = &rest[..rest.len().min(self.left as usize)];
        self.left -= part.len() as u32;
        self.in_packet = self.left > 0;
        let used = bytes.len() - rest.len() + part.len();
        Some((used, Part { head, part, starts, ends: self.left == 0 && !self.full }))
    }

    /// Bytes were missed; whether the message is over, or `None` where it is not known where the next packet begins.
    pub fn skip(&mut self, missing_bytes: u64) -> Option<bool> {
        if !self.in_packet || missing_bytes > u64::from(self.left) {
            *self = Self::default();
            return None;
        }
        self.left -= missing_bytes as u32;
        self.in_packet = self.left > 0;
        Some(self.left == 0 && !self.full)
    }
}

fn length(head: [u8; HEAD_BYTES]) -> u32 {
    u32::from_le_bytes([head[0], head[1], head[2], 0])
}

/// Appends a message as packets, the first with this number.
pub fn push_message(mut number: u8, content: &[u8], out: &mut Vec<u8>) {
    let mut rest = content;
    loop {
        let (packet, after) = rest.split_at(rest.len().min(FULL as usize));
        out.extend_from_slice(&(packet.len() as u32).to_le_bytes()[..3]);
        out.push(number);
        out.extend_from_slice(packet);
        if packet.len() < FULL as usize {
            return;
        }
        (rest, number) = (after, number.wrapping_add(1));
    }
}

/// The messages of a client's bytes, as they are kept of one request, each with the number of its first packet; `None` where the last one
/// is not whole.
#[must_use]
pub fn messages(mut bytes: &[u8]) -> Option<Vec<(u8, Vec<u8>)>> {
    let (mut packets, mut found) = (Packets::default(), Vec::<(u8, Vec<u8>)>::new());
    while !bytes.is_empty() {
        let (used, part) = packets.read(bytes)?;
        if part.starts {
            found.push((part.head?[3], Vec::new()));
        }
        found.last_mut()?.1.extend_from_slice(part.part);
        bytes = &bytes[used..];
    }
    (!packets.in_message()).then_some(found)
}

/// Finds where a message begins in what one side sent, after a hole or in the middle of a connection. Whether it is one does not depend
/// on where the bytes end: a command of a client is sure when it is whole, a packet of a server when others follow that are numbered on.
#[must_use]
pub fn find_start(side: Side, bytes: &[u8]) -> Start {
    for at in 0..bytes.len() {
        let found = match side {
            Side::Client => begins_command(&bytes[at..]),
            Side::Server => begins_chain(&bytes[at..]),
        };
        match found {
            Some(true) => return Start::At(at),
            None => return Start::NotBefore(at),
            Some(false) => {}
        }
    }
    Start::NotBefore(bytes.len())
}

/// Whether a whole command begins here that can be told by itself; `None` where more bytes are needed.
pub(super) fn begins_command(bytes: &[u8]) -> Option<bool> {
    if !matches!(bytes, [] | [_] | [_, _] | [_, _, 0..=0x0f] | [_, _, 0..=0x0f, 0, ..]) {
        return Some(false);
    }
    let length = length(*bytes.first_chunk()?) as usize;
    if !(1..=SEARCH_BYTES_MAX).contains(&length) {
        return Some(false);
    }
    let (command, front) = bytes[HEAD_BYTES..].split_first()?;
    let content = bytes[HEAD_BYTES..].get(..length);
    let may_be = match command {
        3 | 0x16 => match begins_sql(&front[..front.len().min(length - 1)]) {
            None if content.is_none() => return None,
            begins => begins.unwrap_or(false),
        },
        0x17 => length >= 10,
        0x0e | 0x1f | 0x01 => length == 1,
        0x19 | 0x1a => length == 5,
        _ => false,
    };
    if !may_be {
        return Some(false);
    }
    let content = content?;
    Some(*command != 0x17 || content[5] <= 7 && content[6..10] == [1, 0, 0, 0])
}

/// Whether a text begins with a word of SQL, behind a comment or the two bytes that say that there are no attributes.
fn begins_sql(text: &[u8]) -> Option<bool> {
    #[rustfmt::skip]
    const WORDS: &[&[u8]] = &[
        b"select", b"insert", b"update", b"delete", b"replace", b"set", b"show", b"begin", b"start", b"commit", b"rollback", b"use", b"create",
        b"alter", b"drop", b"call", b"with", b"truncate", b"explain", b"desc", b"load", b"lock", b"unlock", b"grant", b"prepare", b"execute",
        b"savepoint", b"release", b"analyze", b"optimize", b"kill", b"flush", b"do", b"rename", b"check", b"xa", b"deallocate", b"values",
    ];
    let text = text.strip_prefix(b"\0\x01").unwrap_or(text).trim_ascii_start();
    if text.starts_with(b"/*") || text.starts_with(b"(") {
        return Some(true);
    }
    let starts = |word: &&[u8]| text.get(..word.len()).is_some_and(|front| front.eq_ignore_ascii_case(word));
    if WORDS.iter().any(starts) {
        return Some(true);
    }
    let may_be = |word: &&[u8]| word.get(..text.len()).is_some_and(|front| front.eq_ignore_ascii_case(text));
    if WORDS.iter().any(may_be) || matches!(text, [0]) { None } else { Some(false) }
}

/// Whether packets begin here that are numbered one after the other, up to one that ends an answer or far enough.
fn begins_chain(bytes: &[u8]) -> Option<bool> {
    let mut rest = bytes;
    let mut number = None;
    for _ in 0..CHAIN {
        let head = *rest.first_chunk::<HEAD_BYTES>()?;
        let length = length(head) as usize;
        let fits = number.is_none_or(|number: u8| number.wrapping_add(1) == head[3]);
        if !fits || !(1..=SEARCH_BYTES_MAX).contains(&length) || (number.is_none() && head[3] == 0) {
            return Some(false);
        }
        let content = rest.get(HEAD_BYTES..HEAD_BYTES + length)?;
        if content[0] == 0xfe && (5..9).contains(&length) {
            return Some(true);
        }
        number = Some(head[3]);
        rest = &rest[HEAD_BYTES + length..];
    }
    Some(true)
}
