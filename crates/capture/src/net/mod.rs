//! From a packet as captured to the TCP segment inside it: link layers, tunnels, IP with its fragments, TCP.
//!
//! Every layer is a small function from bytes to the next step; which function reads what is decided by const tables of numbers. Checksums
//! are not verified: network cards compute them after capture on the sending host, so that good packets look wrong.

mod fragment;
mod ip;
mod link;
mod tcp;
mod tunnel;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::pcap::{LINK_UNKNOWN, Packet};
use fragment::{Fragment, Fragments};

/// Layers in one packet; real ones have fewer than ten, crafted ones could nest for ever.
const LAYERS_MAX: usize = 24;
/// Different reasons for dropping packets that are kept apart.
const REASONS_MAX: usize = 128;

/// Reads one layer.
type Layer = for<'a> fn(&mut Walk, &'a [u8]) -> Step<'a>;

/// What one layer found.
enum Step<'a> {
    /// Another layer inside it.
    Into(Layer, &'a [u8]),
    /// A TCP segment: the end of the way.
    Tcp(Segment<'a>),
    /// A piece of an IP packet.
    Piece(Fragment<'a>),
    /// Nothing for us.
    Drop(Reason),
}

/// Why a packet holds no TCP segment that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    /// The capture holds too few bytes of a header.
    Cut(&'static str),
    /// The header contradicts itself.
    Malformed(&'static str),
    /// A kind of content that is not read, with its number.
    Other(&'static str, u32),
    /// A kind of content that is not read.
    Kind(&'static str),
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cut(layer) => write!(f, "{layer} header cut short"),
            Self::Malformed(layer) => write!(f, "{layer} header malformed"),
            Self::Other(kind, number) => write!(f, "{kind} {number}"),
            Self::Kind(kind) => f.write_str(kind),
        }
    }
}

/// What outer layers tell inner ones.
struct Walk {
    from: u128,
    to: u128,
    /// Bytes at the end of the packet that were on the wire and not captured.
    cut_bytes: usize,
    /// Packets this one was put together from; 1 unless it came in fragments.
    packets: u64,
    layers_left: usize,
    at_unix_ns: i64,
}

/// An address and port, IPv4 as IPv4-mapped IPv6 (RFC 4291, section 2.5.5.2), so that both compare as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    address: u128,
    port: u16,
}

impl Endpoint {
    /// The port.
    #[must_use]
    pub const fn port(self) -> u16 {
        self.port
    }
}

impl From<Endpoint> for SocketAddr {
    fn from(end: Endpoint) -> Self {
        Self::new(IpAddr::V6(Ipv6Addr::from_bits(end.address)).to_canonical(), end.port)
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        let bits = match address.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
            IpAddr::V6(v6) => v6.to_bits(),
        };
        Self { address: bits, port: address.port() }
    }
}

/// A TCP segment (RFC 9293, section 3.1), as far as reassembly needs it.
#[derive(Debug, Clone, Copy)]
pub struct Segment<'a> {
    /// Who sent it.
    pub from: Endpoint,
    /// To whom.
    pub to: Endpoint,
    /// Sequence number of the first payload byte, or of the SYN before it.
    pub seq: u32,
    /// The next byte its sender expects, where it carries one.
    pub ack: Option<u32>,
    /// Opens a direction.
    pub syn: bool,
    /// Closes a direction.
    pub fin: bool,
    /// Aborts the connection.
    pub rst: bool,
    /// Captured payload.
    pub payload: &'a [u8],
    /// Payload bytes that follow it and were not captured.
    pub missing_bytes: usize,
}

/// How many packets were decoded, and why the others were not.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Packets whose TCP segment was found, and IP fragments that became part of one.
    pub packets: u64,
    dropped: BTreeMap<Reason, u64>,
}

impl Decoded {
    /// The packets that were not decoded, by reason.
    #[must_use]
    pub fn dropped(&self) -> BTreeMap<String, u64> {
        self.dropped.iter().map(|(reason, count)| (reason.to_string(), *count)).collect()
    }

    fn drop(&mut self, reason: Reason, packets: u64) {
        if packets == 0 {
            return;
        }
        let known = self.dropped.contains_key(&reason) || self.dropped.len() < REASONS_MAX;
        let reason = if known { reason } else { Reason::Kind("other reasons") };
        *self.dropped.entry(reason).or_default() += packets;
    }
}

/// Finds TCP segments in packets. Remembers only fragments of IP packets that are not whole yet.
#[derive(Default)]
pub struct Decoder {
    fragments: Fragments,
    decoded: Decoded,
}

impl Decoder {
    /// Hands the TCP segment in `packet` to `sink`, if there is one.
    pub fn packet(&mut self, packet: &Packet<'_>, sink: impl FnOnce(&Segment<'_>)) {
        let Some(layer) = link::layer(packet.link) else {
            let unknown = packet.link == LINK_UNKNOWN;
            let reason =
                if unknown { Reason::Kind("unknown interface") } else { Reason::Other("link type", packet.link.unsigned_abs()) };
            return self.decoded.drop(reason, 1);
        };
        let cut_bytes = packet.original_bytes - packet.bytes.len();
        let mut walk = Walk { from: 0, to: 0, cut_bytes, packets: 1, layers_left: LAYERS_MAX, at_unix_ns: packet.at_unix_ns };
        self.walk(&mut walk, layer, packet.bytes, sink);
    }

    /// Drops the IP packets that never became whole, and says what became of all packets.
    #[must_use]
    pub fn finish(mut self) -> Decoded {
        let forgotten = self.fragments.forget_all();
        self.decoded.drop(fragment::INCOMPLETE, forgotten);
        self.decoded
    }

    fn walk(&mut self, walk: &mut Walk, mut layer: Layer, mut bytes: &[u8], sink: impl FnOnce(&Segment<'_>)) {
        while walk.layers_left > 0 {
            walk.layers_left -= 1;
            match layer(walk, bytes) {
                Step::Into(inner, rest) => (layer, bytes) = (inner, rest),
                Step::Tcp(segment) => {
                    self.decoded.packets += walk.packets;
                    return sink(&segment);
                }
                Step::Piece(piece) => {
                    let (done, forgotten) = self.fragments.add(&piece, walk.packets, walk.at_unix_ns);
                    self.decoded.drop(fragment::INCOMPLETE, forgotten);
                    if let Some(whole) = done {
                        // The walk goes on inside the packet put together, as if it had been captured whole.
                        walk.packets = whole.packets;
                        self.walk(walk, ip::inside(whole.protocol), &whole.bytes, sink);
                    }
                    return;
                }
                Step::Drop(reason) => return self.decoded.drop(reason, walk.packets),
            }
        }
        self.decoded.drop(Reason::Kind("too many layers"), walk.packets);
    }
}

/// The 16-bit number at `at`, in network order; the caller has checked that it is there.
fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// The 32-bit number at `at`, in network order; the caller has checked that it is there.
fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
