//! Packets out of capture files: pcap and pcapng in both byte orders, plain, gzip or zstd, from files or standard input.
//!
//! `pcap-parser` reads the headers and blocks; this module owns the buffer, so that what a file claims never decides how much memory
//! is taken, and everything before a damaged or cut-off place is kept.

mod input;
mod ng;

use std::io::Read;
use std::path::Path;

use trace::{Issues, Source};

use crate::{Error, Result};
use input::{Filled, Window};
use ng::Section;

/// Bytes of one record of a pcap file; libpcap's own limit. A record that claims more is damaged.
const RECORD_BYTES_MAX: usize = 262_144;
/// Bytes of one block of a pcapng file, which may hold name tables or keys besides packets.
const BLOCK_BYTES_MAX: usize = 16 << 20;
/// The latest time a packet may bear, ns since the Unix epoch (year 2116), so that differences of times never overflow.
const UNIX_NS_MAX: i64 = i64::MAX / 2;
/// The link type of packets whose interface a pcapng file never described.
pub const LINK_UNKNOWN: i32 = -1;

/// One packet as captured.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// Place in its source, from 1, as other tools number packets.
    pub number: u64,
    /// When it was captured, ns since the Unix epoch.
    pub at_unix_ns: i64,
    /// What its bytes begin with: a LINKTYPE number, or [`LINK_UNKNOWN`].
    pub link: i32,
    /// What was captured of it.
    pub bytes: &'a [u8],
    /// Bytes it had on the wire, at least `bytes.len()`.
    pub original_bytes: usize,
}

/// Where the current packet lies in the window, and the rest of [`Packet`].
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    at_unix_ns: i64,
    link: i32,
    /// Bytes of the record or block before the packet's own.
    skip: usize,
    captured_bytes: usize,
    original_bytes: usize,
    /// Bytes of the whole record or block.
    whole_bytes: usize,
}

/// A capture being read, packet by packet, in bounded memory.
pub struct CaptureReader {
    window: Window,
    format: Format,
    place: Place,
    number: u64,
    done: bool,
    issues: Issues,
}

enum Format {
    Pcap(Pcap),
    PcapNg(Section),
}

/// What a pcap file's header says about its records.
#[derive(Debug, Clone, Copy)]
struct Pcap {
    link: i32,
    big_endian: bool,
    /// Bytes of a record's header: 16, or 24 in the "modified" format of old Linux kernels.
    header_bytes: usize,
    /// Nanoseconds in one unit of the time's second word.
    fraction_ns: i64,
    /// Files before version 2.4 have the two lengths the other way round, version 2.3 in some files only.
    minor_version: u16,
}

impl CaptureReader {
    /// Opens a file, or standard input for `-`.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be opened or read, [`Error::NotCapture`] when it is something else or empty.
    pub fn open(path: &Path) -> Result<Self> {
        Self::from_window(Window::open(path)?)
    }

    /// Reads from anything that gives bytes; `name` stands in messages and in the trace.
    ///
    /// # Errors
    /// As [`CaptureReader::open`].
    pub fn new(name: &str, input: Box<dyn Read + Send>) -> Result<Self> {
        Self::from_window(Window::new(name.to_owned(), name.to_owned(), input)?)
    }

    fn from_window(mut window: Window) -> Result<Self> {
        // The longest file header is 24 bytes; a shorter source is not a capture.
        window.fill(24)?;
        let Some((format, header_bytes)) = sniff(window.bytes()) else {
            return Err(Error::NotCapture { source_name: window.name.clone(), found: describe_head(&window) });
        };
        window.consume(header_bytes);
        Ok(Self { window, format, place: Place::default(), number: 0, done: false, issues: Issues::default() })
    }

    /// Moves to the next packet; false at the end. A damaged or cut-off place ends the source and is an issue.
    ///
    /// # Errors
    /// [`Error::Io`] when the source cannot be read.
    pub fn advance(&mut self) -> Result<bool> {
        self.window.consume(std::mem::take(&mut self.place.whole_bytes));
        while !self.done {
            let found = match &mut self.format {
                Format::Pcap(pcap) => pcap.next(&mut self.window)?,
                Format::PcapNg(section) => section.next(&mut self.window, &mut self.issues)?,
            };
            match found {
                Next::Packet(place) => {
                    self.place = place;
                    self.number += 1;
                    return Ok(true);
                }
                Next::Other(bytes) => self.window.consume(bytes),
                Next::End => self.done = true,
                Next::Stop(kind) => {
                    self.stop(kind);
                    self.done = true;
                }
            }
        }
        Ok(false)
    }

    fn stop(&mut self, kind: &str) {
        let kind = if self.window.damage.is_some() { "capture-compression-damaged" } else { kind };
        let why = self.window.damage.as_ref().map_or(String::new(), |damage| format!(" ({damage})"));
        let (name, packets, offset) = (&self.window.short, self.number, self.window.offset());
        self.issues.add(kind, || format!("{name}, after packet {packets}, at byte {offset}{why}; everything before it was read"));
    }

    /// The current packet, after [`CaptureReader::advance`] said that there is one.
    #[must_use]
    pub fn packet(&self) -> Packet<'_> {
        let Place { at_unix_ns, link, skip, captured_bytes, original_bytes, .. } = self.place;
        let bytes = &self.window.bytes()[skip..skip + captured_bytes];
        Packet { number: self.number, at_unix_ns, link, bytes, original_bytes: original_bytes.max(captured_bytes) }
    }

    /// Bytes taken from the source so far, as they lie there (compressed), for progress.
    #[must_use]
    pub fn raw_bytes(&self) -> u64 {
        self.window.raw_bytes()
    }

    /// The first bytes of what is still to be read, at most `count`, decompressed.
    ///
    /// # Errors
    /// [`Error::Io`] when the source cannot be read.
    pub fn peek(&mut self, count: usize) -> Result<&[u8]> {
        self.window.fill(count)?;
        let bytes = self.window.bytes();
        Ok(&bytes[..count.min(bytes.len())])
    }

    /// Reads the source to its end, and gives its description and what was odd in it.
    ///
    /// # Errors
    /// [`Error::Io`] when the source cannot be read.
    pub fn finish(mut self) -> Result<(Source, Issues)> {
        self.window.skip_rest()?;
        Ok(self.finish_here())
    }

    /// As [`CaptureReader::finish`], of a source that is not read to its end: its size and hash are those of what was read.
    #[must_use]
    pub fn finish_here(self) -> (Source, Issues) {
        (self.window.describe(), self.issues)
    }
}

/// What comes next in a source.
enum Next {
    Packet(Place),
    /// So many bytes that hold no packet.
    Other(usize),
    End,
    /// Nothing after this place can be read; the issue's name.
    Stop(&'static str),
}

const CUT_SHORT: Next = Next::Stop("capture-cut-short");

/// The end of a source inside or between records.
fn ended(window: &Window) -> Next {
    if window.bytes().is_empty() && window.damage.is_none() { Next::End } else { CUT_SHORT }
}

fn sniff(head: &[u8]) -> Option<(Format, usize)> {
    if head.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) {
        let magic = head.get(8..12)?;
        let is_section = magic == [0x1a, 0x2b, 0x3c, 0x4d] || magic == [0x4d, 0x3c, 0x2b, 0x1a];
        return is_section.then(|| (Format::PcapNg(Section::default()), 0));
    }
    // The modified format is known to the parser in one byte order only; its header is otherwise that of plain pcap.
    let swapped_modified = head.starts_with(&[0xa1, 0xb2, 0xcd, 0x34]);
    let mut header = [0; 24];
    header.copy_from_slice(head.get(..24)?);
    if swapped_modified {
        header[..4].copy_from_slice(&[0xa1, 0xb2, 0xc3, 0xd4]);
    }
    let (_, header) = pcap_parser::parse_pcap_header(&header).ok()?;
    let modified = swapped_modified || header.is_modified_format();
    let pcap = Pcap {
        // The upper bits hold the length of a frame check sequence and flags (draft-ietf-opsawg-pcap, section 4).
        link: header.network.0 & 0x03ff_ffff,
        big_endian: header.is_bigendian(),
        header_bytes: if modified { 24 } else { 16 },
        fraction_ns: if header.is_nanosecond_precision() { 1 } else { 1000 },
        minor_version: header.version_minor,
    };
    Some((Format::Pcap(pcap), 24))
}

/// What a source that is no capture begins with, for a person.
fn describe_head(window: &Window) -> String {
    if let Some(damage) = &window.damage {
        return format!("damaged compression ({damage})");
    }
    match window.bytes() {
        [] => "an empty file".to_owned(),
        bytes => {
            let head: Vec<String> = bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
            format!("a file of other content (it begins with the bytes {})", head.join(" "))
        }
    }
}

impl Pcap {
    fn next(self, window: &mut Window) -> Result<Next> {
        if window.fill(self.header_bytes)? == Filled::Ended {
            return Ok(ended(window));
        }
        // Read here and not by the parser, which would take the length it finds for granted.
        let word = |index: usize| {
            let bytes: [u8; 4] = window.bytes()[index * 4..index * 4 + 4].try_into().expect("four bytes");
            if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
        };
        let (captured_bytes, original_bytes) = self.lengths(word(2) as usize, word(3) as usize);
        let place = Place {
            at_unix_ns: i64::from(word(0)) * 1_000_000_000 + i64::from(word(1)) * self.fraction_ns,
            link: self.link,
            skip: self.header_bytes,
            captured_bytes,
            original_bytes,
            whole_bytes: self.header_bytes + captured_bytes,
        };
        if place.captured_bytes > RECORD_BYTES_MAX {
            return Ok(Next::Stop("capture-record-damaged"));
        }
        Ok(match window.fill(place.whole_bytes)? {
            Filled::Enough => Next::Packet(place),
            Filled::Ended => CUT_SHORT,
        })
    }

    /// Captured and original length, as a record of this version has them.
    fn lengths(self, first: usize, second: usize) -> (usize, usize) {
        let swapped = self.minor_version < 3 || (self.minor_version == 3 && first > second);
        if swapped { (second, first) } else { (first, second) }
    }
}
