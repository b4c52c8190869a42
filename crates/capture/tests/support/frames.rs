//! Makes packets and capture files, for tests and benchmarks.
#![allow(dead_code, missing_docs, reason = "each test uses its part of it")]

pub const FIN: u8 = 1;
pub const SYN: u8 = 2;
pub const RST: u8 = 4;
pub const ACK: u8 = 16;

/// One side of a connection over IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host {
    pub address: [u8; 4],
    pub port: u16,
}

pub const CLIENT: Host = Host { address: [192, 0, 2, 1], port: 40_000 };
pub const SERVER: Host = Host { address: [192, 0, 2, 2], port: 80 };

/// A TCP segment with header, without options; its checksum is left 0, as offloading cards leave it.
pub fn tcp(from: Host, to: Host, seq: u32, ack: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(20 + payload.len());
    out.extend(from.port.to_be_bytes());
    out.extend(to.port.to_be_bytes());
    out.extend(seq.to_be_bytes());
    out.extend(ack.to_be_bytes());
    out.extend([5 << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
    out.extend(payload);
    out
}

/// An IPv4 packet around `payload`; `fragment` is the flags and offset field.
pub fn ipv4(from: [u8; 4], to: [u8; 4], protocol: u8, number: u16, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x45, 0];
    out.extend((20 + payload.len() as u16).to_be_bytes());
    out.extend(number.to_be_bytes());
    out.extend(fragment.to_be_bytes());
    out.extend([64, protocol, 0, 0]);
    out.extend(from);
    out.extend(to);
    out.extend(payload);
    out
}

pub fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    out.extend(ether_type.to_be_bytes());
    out.extend(payload);
    out
}

/// An Ethernet frame with one TCP segment over IPv4.
pub fn frame(from: Host, to: Host, seq: u32, ack: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &ipv4(from.address, to.address, 6, 0, 0, &tcp(from, to, seq, ack, flags, payload)))
}

/// How a capture file is written.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    pub big_endian: bool,
    pub nanoseconds: bool,
    pub modified: bool,
    pub link: u32,
}

pub const PLAIN: Style = Style { big_endian: false, nanoseconds: true, modified: false, link: 1 };

impl Style {
    pub fn word(self, value: u32) -> [u8; 4] {
        if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn half(self, value: u16) -> [u8; 2] {
        if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
    }
}

/// A pcap file of `(time in ns, bytes)`.
pub fn pcap<B: AsRef<[u8]>>(style: Style, packets: &[(u64, B)]) -> Vec<u8> {
    let magic = match (style.modified, style.nanoseconds) {
        (true, _) => 0xa1b2_cd34,
        (false, true) => 0xa1b2_3c4d,
        (false, false) => 0xa1b2_c3d4,
    };
    let mut out = style.word(magic).to_vec();
    out.extend(style.half(2));
    out.extend(style.half(4));
    for value in [0, 0, 262_144, style.link] {
        out.extend(style.word(value));
    }
    let unit_ns = if style.nanoseconds && !style.modified { 1 } else { 1000 };
    for (at_ns, bytes) in packets {
        let bytes = bytes.as_ref();
        let length = bytes.len() as u32;
        for value in [(at_ns / 1_000_000_000) as u32, (at_ns % 1_000_000_000 / unit_ns) as u32, length, length] {
            out.extend(style.word(value));
        }
        if style.modified {
            out.extend([0; 8]);
        }
        out.extend(bytes);
    }
    out
}

/// One pcapng block.
pub fn block(style: Style, kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let mut out = style.word(kind).to_vec();
    out.extend(style.word(12 + padded as u32));
    out.extend(body);
    out.resize(8 + padded, 0);
    out.extend(style.word(12 + padded as u32));
    out
}

pub fn section(style: Style) -> Vec<u8> {
    let mut body = style.word(0x1a2b_3c4d).to_vec();
    body.extend(style.half(1));
    body.extend(style.half(0));
    body.extend([0xff; 8]);
    block(style, 0x0a0d_0d0a, &body)
}

/// An interface with options given as `(code, value)`.
pub fn interface(style: Style, link: u16, snap_bytes: u32, options: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = style.half(link).to_vec();
    body.extend([0, 0]);
    body.extend(style.word(snap_bytes));
    for (code, value) in options {
        body.extend(style.half(*code));
        body.extend(style.half(value.len() as u16));
        body.extend(*value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    body.extend([0; 4]);
    block(style, 1, &body)
}

pub fn enhanced_packet(style: Style, interface: u32, units: u64, bytes: &[u8], original_bytes: u32) -> Vec<u8> {
    let mut body = Vec::new();
    for value in [interface, (units >> 32) as u32, units as u32, bytes.len() as u32, original_bytes] {
        body.extend(style.word(value));
    }
    body.extend(bytes);
    block(style, 6, &body)
}

/// A whole connection, one frame a step: opening, the given messages (true: from the client), closing.
pub fn connection(client: Host, server: Host, messages: &[(bool, &[u8])]) -> Vec<Vec<u8>> {
    let (mut client_seq, mut server_seq) = (1000_u32, 9000_u32);
    let mut frames = vec![
        frame(client, server, client_seq, 0, SYN, b""),
        frame(server, client, server_seq, client_seq + 1, SYN | ACK, b""),
        frame(client, server, client_seq + 1, server_seq + 1, ACK, b""),
    ];
    (client_seq, server_seq) = (client_seq + 1, server_seq + 1);
    for (from_client, bytes) in messages {
        for part in bytes.chunks(1448) {
            if *from_client {
                frames.push(frame(client, server, client_seq, server_seq, ACK, part));
                client_seq += part.len() as u32;
            } else {
                frames.push(frame(server, client, server_seq, client_seq, ACK, part));
                server_seq += part.len() as u32;
            }
        }
    }
    frames.push(frame(client, server, client_seq, server_seq, FIN | ACK, b""));
    frames.push(frame(server, client, server_seq, client_seq + 1, FIN | ACK, b""));
    frames.push(frame(client, server, client_seq + 1, server_seq + 1, ACK, b""));
    frames
}
