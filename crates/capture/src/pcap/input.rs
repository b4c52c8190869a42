//! The bytes of a source: hashed as they are read, decompressed, and seen through a bounded window.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use trace::Source;
use xxhash_rust::xxh3::Xxh3;

use crate::{Error, Result};

/// Bytes asked of the system at once: so many that little of it is moved for a packet that lies across two reads, and that they stay in the
/// processor's cache until they are looked at.
const READ_BYTES: usize = 512 << 10;
/// Memory a zstd stream may ask for, as a power of two: what `zstd -d` itself allows without further options.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// The raw bytes of a source; counts and hashes all that pass.
pub(super) struct Tap {
    input: Box<dyn Read + Send>,
    /// The first bytes, read ahead to know the compression.
    head: Vec<u8>,
    head_given: usize,
    hash: Xxh3,
    bytes: u64,
}

impl Tap {
    fn new(mut input: Box<dyn Read + Send>) -> io::Result<Self> {
        let mut head = Vec::with_capacity(4);
        input.by_ref().take(4).read_to_end(&mut head)?;
        Ok(Self { input, head, head_given: 0, hash: Xxh3::new(), bytes: 0 })
    }
}

impl Read for Tap {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let head = &self.head[self.head_given..];
        let count = if head.is_empty() {
            self.input.read(out)?
        } else {
            let count = head.len().min(out.len());
            out[..count].copy_from_slice(&head[..count]);
            self.head_given += count;
            count
        };
        self.hash.update(&out[..count]);
        self.bytes += count as u64;
        Ok(count)
    }
}

/// A source, decompressed.
enum Stream {
    Plain(Box<Tap>),
    Gzip(Box<MultiGzDecoder<BufReader<Tap>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, BufReader<Tap>>>),
}

impl Stream {
    fn new(tap: Tap) -> io::Result<Self> {
        let buffered = |tap| BufReader::with_capacity(READ_BYTES, tap);
        Ok(match tap.head[..] {
            [0x1f, 0x8b, ..] => Self::Gzip(Box::new(MultiGzDecoder::new(buffered(tap)))),
            [0x28, 0xb5, 0x2f, 0xfd] => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(buffered(tap))?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Self::Zstd(Box::new(decoder))
            }
            _ => Self::Plain(Box::new(tap)),
        })
    }

    fn is_compressed(&self) -> bool {
        !matches!(self, Self::Plain(_))
    }

    fn tap(&self) -> &Tap {
        match self {
            Self::Plain(tap) => tap,
            Self::Gzip(decoder) => decoder.get_ref().get_ref(),
            Self::Zstd(decoder) => decoder.get_ref().get_ref(),
        }
    }

    fn tap_mut(&mut self) -> &mut Tap {
        match self {
            Self::Plain(tap) => tap,
            Self::Gzip(decoder) => decoder.get_mut().get_mut(),
            Self::Zstd(decoder) => decoder.get_mut().get_mut(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tap) => tap.read(out),
            Self::Gzip(decoder) => decoder.read(out),
            Self::Zstd(decoder) => decoder.read(out),
        }
    }
}

/// What a [`Window`] has after it was asked for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filled {
    /// At least as many bytes as were asked for.
    Enough,
    /// The source ended first.
    Ended,
}

/// The unread bytes of a source, as one slice that grows when asked to and forgets what was consumed.
pub(super) struct Window {
    /// The source as the user named it, for messages.
    pub name: String,
    /// Its name without folders, for the trace: that does not depend on where the file lies.
    pub short: String,
    stream: Stream,
    data: Vec<u8>,
    start: usize,
    end: usize,
    offset: u64,
    ended: bool,
    /// Why a compressed stream ended before its time.
    pub damage: Option<String>,
}

impl Window {
    /// Opens a file, or standard input for `-`.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let input: Box<dyn Read + Send> = if name == "-" {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).map_err(|e| Error::io("open", &name, e))?)
        };
        let short = path.file_name().map_or(name.clone(), |file| file.to_string_lossy().into_owned());
        Self::new(name, short, input)
    }

    /// Reads from anything.
    pub fn new(name: String, short: String, input: Box<dyn Read + Send>) -> Result<Self> {
        let stream = Tap::new(input).and_then(Stream::new).map_err(|e| Error::io("read", &name, e))?;
        let data = vec![0; READ_BYTES];
        Ok(Self { name, short, stream, data, start: 0, end: 0, offset: 0, ended: false, damage: None })
    }

    /// The unread bytes that are in memory.
    pub fn bytes(&self) -> &[u8] {
        &self.data[self.start..self.end]
    }

    /// Where the unread bytes begin, counted from the start of the decompressed source.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes taken from the source so far, as they lie there (compressed).
    pub fn raw_bytes(&self) -> u64 {
        self.stream.tap().bytes
    }

    /// Forgets the first `count` unread bytes.
    pub fn consume(&mut self, count: usize) {
        debug_assert!(count <= self.end - self.start);
        self.start += count;
        self.offset += count as u64;
    }

    /// Sees to it that `count` bytes are there; the caller bounds `count`.
    pub fn fill(&mut self, count: usize) -> Result<Filled> {
        while self.end - self.start < count {
            if self.ended {
                return Ok(Filled::Ended);
            }
            self.make_room(count);
            self.read_once()?;
        }
        Ok(Filled::Enough)
    }

    fn make_room(&mut self, count: usize) {
        if self.start + count > self.data.len() || self.end == self.data.len() {
            self.data.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if count > self.data.len() {
            self.data.resize(count.next_power_of_two(), 0);
        }
    }

    fn read_once(&mut self) -> Result<()> {
        match self.stream.read(&mut self.data[self.end..]) {
            Ok(0) => self.ended = true,
            Ok(count) => self.end += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            // What was decompressed before the damage is good, and kept.
            Err(e) if self.stream.is_compressed() && e.raw_os_error().is_none() => {
                self.damage = Some(e.to_string());
                self.ended = true;
            }
            Err(e) => return Err(Error::io("read", &self.name, e)),
        }
        Ok(())
    }

    /// Reads what is left, so that the hash covers the whole source wherever reading stopped.
    pub fn skip_rest(&mut self) -> Result<()> {
        let read = io::copy(self.stream.tap_mut(), &mut io::sink());
        read.map(|_| ()).map_err(|e| Error::io("read", &self.name, e))
    }

    /// The source, as far as it was read.
    pub fn describe(&self) -> Source {
        let tap = self.stream.tap();
        Source { name: self.short.clone(), bytes: tap.bytes, hash: format!("{:032x}", tap.hash.digest128()) }
    }
}
