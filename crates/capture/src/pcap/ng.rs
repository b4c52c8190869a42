//! pcapng blocks (draft-ietf-opsawg-pcapng): sections, interfaces with their own link type and clock, packets.

use pcap_parser::{Block, InterfaceDescriptionBlock, OptionCode, parse_block_be, parse_block_le};
use trace::Issues;

use super::input::{Filled, Window};
use super::{BLOCK_BYTES_MAX, LINK_UNKNOWN, Next, Place, UNIX_NS_MAX, ended};
use crate::Result;

/// Interfaces one section may describe.
const INTERFACES_MAX: usize = 65_536;
const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// The obsolete Packet Block, which old tools wrote.
const PACKET_BLOCK: u32 = 2;

/// What the current section has said so far.
#[derive(Debug, Default)]
pub(super) struct Section {
    big_endian: bool,
    interfaces: Vec<Interface>,
    /// Time of the last packet that had one: Simple Packet Blocks have none.
    last_unix_ns: i64,
}

/// One interface: the meaning of its packets and of its clock.
#[derive(Debug, Clone, Copy)]
struct Interface {
    link: i32,
    snap_bytes: usize,
    resolution: u8,
    offset_s: i64,
}

impl Interface {
    fn new(block: &InterfaceDescriptionBlock<'_>, big_endian: bool) -> Self {
        // The parser reads this one option as little-endian whatever the section is.
        let offset = block.options.iter().find(|option| option.code == OptionCode::IfTsoffset);
        let offset: Option<[u8; 8]> = offset.and_then(|option| option.value().get(..8)?.try_into().ok());
        let decode = if big_endian { i64::from_be_bytes } else { i64::from_le_bytes };
        Self {
            link: block.linktype.0,
            snap_bytes: block.snaplen as usize,
            resolution: block.if_tsresol,
            offset_s: offset.map_or(0, decode),
        }
    }

    /// A count of this clock's units as ns since the Unix epoch, kept within 0 and [`UNIX_NS_MAX`]. The resolution is a power of
    /// ten, or of two where its highest bit is set (section 4.2).
    fn unix_ns(self, units: u64) -> i64 {
        let power = u32::from(self.resolution & 0x7f);
        let billion = 1_000_000_000_u128;
        let ns = match (self.resolution & 0x80 != 0, power) {
            (true, _) => (u128::from(units) * billion).checked_shr(power).unwrap_or(0),
            (false, 0..=9) => u128::from(units) * 10_u128.pow(9 - power),
            (false, 10..=38) => u128::from(units) / 10_u128.pow(power - 9),
            (false, _) => 0,
        };
        let ns = i128::try_from(ns).unwrap_or(i128::MAX).saturating_add(i128::from(self.offset_s) * 1_000_000_000);
        i64::try_from(ns.clamp(0, i128::from(UNIX_NS_MAX))).expect("clamped")
    }
}

/// A packet block of any of the three kinds.
struct Found {
    interface: usize,
    units: Option<u64>,
    skip: usize,
    captured_bytes: usize,
    original_bytes: usize,
}

impl Section {
    pub(super) fn next(&mut self, window: &mut Window, issues: &mut Issues) -> Result<Next> {
        if window.fill(12)? == Filled::Ended {
            return Ok(ended(window));
        }
        self.notice_section(window.bytes());
        let whole_bytes = self.word(window.bytes(), 4) as usize;
        if !(12..=BLOCK_BYTES_MAX).contains(&whole_bytes) {
            return Ok(Next::Stop("capture-block-damaged"));
        }
        if window.fill(whole_bytes)? == Filled::Ended {
            return Ok(super::CUT_SHORT);
        }
        Ok(self.block(window, whole_bytes, issues))
    }

    fn block(&mut self, window: &Window, whole_bytes: usize, issues: &mut Issues) -> Next {
        let parse = if self.big_endian { parse_block_be } else { parse_block_le };
        let Ok((_, block)) = parse(&window.bytes()[..whole_bytes]) else {
            let offset = window.offset();
            issues.add("capture-block-unreadable", || format!("block at byte {offset}, skipped"));
            return Next::Other(whole_bytes);
        };
        match self.read(&block) {
            Some(found) => Next::Packet(self.place(&found, whole_bytes, issues)),
            None => Next::Other(whole_bytes),
        }
    }

    /// A new section begins with its own byte order and without interfaces.
    fn notice_section(&mut self, bytes: &[u8]) {
        if bytes[..4] == SECTION_HEADER {
            self.big_endian = bytes[8..12] == [0x1a, 0x2b, 0x3c, 0x4d];
            self.interfaces.clear();
        }
    }

    fn read(&mut self, block: &Block<'_>) -> Option<Found> {
        match block {
            Block::InterfaceDescription(block) => {
                if self.interfaces.len() < INTERFACES_MAX {
                    self.interfaces.push(Interface::new(block, self.big_endian));
                }
                None
            }
            Block::EnhancedPacket(block) => Some(Found {
                interface: block.if_id as usize,
                units: Some(u64::from(block.ts_high) << 32 | u64::from(block.ts_low)),
                skip: 28,
                captured_bytes: (block.caplen as usize).min(block.data.len()),
                original_bytes: block.origlen as usize,
            }),
            Block::SimplePacket(block) => {
                let snap_bytes = self.interfaces.first().map_or(0, |interface| interface.snap_bytes);
                let limit = if snap_bytes == 0 { usize::MAX } else { snap_bytes };
                let original_bytes = block.origlen as usize;
                let captured_bytes = original_bytes.min(limit).min(block.data.len());
                Some(Found { interface: 0, units: None, skip: 12, captured_bytes, original_bytes })
            }
            Block::Unknown(block) => self.obsolete(block.data, self.order(block.block_type)),
            _ => None,
        }
    }

    /// The obsolete Packet Block (draft-ietf-opsawg-pcapng, appendix A): interface and drop count of 16 bits each, time, lengths.
    fn obsolete(&self, data: &[u8], kind: u32) -> Option<Found> {
        if kind != PACKET_BLOCK || data.len() < 20 {
            return None;
        }
        let interface: [u8; 2] = data[..2].try_into().expect("two bytes");
        let interface = if self.big_endian { u16::from_be_bytes(interface) } else { u16::from_le_bytes(interface) };
        Some(Found {
            interface: usize::from(interface),
            units: Some(u64::from(self.word(data, 4)) << 32 | u64::from(self.word(data, 8))),
            skip: 28,
            captured_bytes: (self.word(data, 12) as usize).min(data.len() - 20),
            original_bytes: self.word(data, 16) as usize,
        })
    }

    fn place(&mut self, found: &Found, whole_bytes: usize, issues: &mut Issues) -> Place {
        let interface = self.interfaces.get(found.interface);
        if interface.is_none() {
            issues.add("capture-interface-unknown", || format!("interface {} was never described", found.interface));
        }
        if let (Some(interface), Some(units)) = (interface, found.units) {
            self.last_unix_ns = interface.unix_ns(units);
        }
        if found.units.is_none() {
            issues
                .add("capture-packet-without-time", || "Simple Packet Blocks take the time of the packet before them".to_owned());
        }
        Place {
            at_unix_ns: self.last_unix_ns,
            link: interface.map_or(LINK_UNKNOWN, |interface| interface.link),
            skip: found.skip,
            captured_bytes: found.captured_bytes,
            original_bytes: found.original_bytes,
            whole_bytes,
        }
    }

    fn word(&self, bytes: &[u8], at: usize) -> u32 {
        let bytes: [u8; 4] = bytes[at..at + 4].try_into().expect("four bytes");
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    /// A number that the parser read as little-endian, in the section's order.
    fn order(&self, value: u32) -> u32 {
        if self.big_endian { value.swap_bytes() } else { value }
    }
}
