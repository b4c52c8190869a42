//! Frames for sending. Each function appends whole frames to `out`.

use super::frame::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE,
};

/// What a client sends first (RFC 9113 §3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn push_frame(kind: u8, flags: u8, stream: u32, payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// Settings as (identifier, value); see [`super::setting`].
pub fn push_settings(settings: &[(u16, u32)], out: &mut Vec<u8>) {
    let one = |(id, value): &(u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()[..]].concat();
    push_frame(SETTINGS, 0, 0, &settings.iter().flat_map(one).collect::<Vec<u8>>(), out);
}

/// Says that the peer's settings hold now.
pub fn push_settings_ack(out: &mut Vec<u8>) {
    push_frame(SETTINGS, ACK, 0, &[], out);
}

/// A whole header block, cut into frames of at most `frame_bytes_max`; `end` says that the message has neither body nor trailers.
pub fn push_headers(stream: u32, block: &[u8], end: bool, frame_bytes_max: usize, out: &mut Vec<u8>) {
    let (first, rest) = block.split_at(block.len().min(frame_bytes_max));
    let flags = |last: bool| if last { END_HEADERS } else { 0 };
    push_frame(HEADERS, flags(rest.is_empty()) | if end { END_STREAM } else { 0 }, stream, first, out);
    let mut parts = rest.chunks(frame_bytes_max).peekable();
    while let Some(part) = parts.next() {
        push_frame(CONTINUATION, flags(parts.peek().is_none()), stream, part, out);
    }
}

/// A part of a body, cut into frames of at most `frame_bytes_max`; `end` says that nothing follows it. An empty part is one frame.
pub fn push_data(stream: u32, part: &[u8], end: bool, frame_bytes_max: usize, out: &mut Vec<u8>) {
    let mut rest = part;
    loop {
        let (first, behind) = rest.split_at(rest.len().min(frame_bytes_max));
        let last = behind.is_empty();
        push_frame(DATA, if end && last { END_STREAM } else { 0 }, stream, first, out);
        if last {
            return;
        }
        rest = behind;
    }
}

/// Lets the peer send `increment` bytes more on a stream, or on all together where `stream` is 0.
pub fn push_window_update(stream: u32, increment: u32, out: &mut Vec<u8>) {
    push_frame(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes(), out);
}

/// A ping, or the answer to one.
pub fn push_ping(data: [u8; 8], ack: bool, out: &mut Vec<u8>) {
    push_frame(PING, if ack { ACK } else { 0 }, 0, &data, out);
}

/// Ends a stream at once; `code` is one of RFC 9113 §7.
pub fn push_reset(stream: u32, code: u32, out: &mut Vec<u8>) {
    push_frame(RST_STREAM, 0, stream, &code.to_be_bytes(), out);
}

/// Says that streams beyond `last_stream` are not looked at.
pub fn push_goaway(last_stream: u32, code: u32, out: &mut Vec<u8>) {
    push_frame(GOAWAY, 0, 0, &[last_stream.to_be_bytes(), code.to_be_bytes()].concat(), out);
}
