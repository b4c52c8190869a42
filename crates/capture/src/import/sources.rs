//! Several captures as one: packets in order of time, files opened only when their time has come.

use std::path::{Path, PathBuf};

use trace::{Issues, Source};
use xxhash_rust::xxh3::Xxh3;

use crate::Result;
use crate::pcap::{CaptureReader, Packet};

/// Bytes of each source's beginning that the default key of redaction is made from.
const KEY_BYTES: usize = 64 << 10;
/// Keeps the key apart from the hashes in the footer, which everybody may see.
const KEY_SEED: u64 = 0x7265_6461_6374_696f;

/// The issue of a source that was not read to its end, since somebody wished so.
pub const STOPPED: &str = "import-stopped";

/// A source whose first packet is not due yet.
struct Waiting {
    path: PathBuf,
    place: usize,
    first_unix_ns: i64,
}

/// A source being read; its current packet is the next one it has to give.
struct Open {
    reader: CaptureReader,
    place: usize,
}

/// The packets of all sources in order of time. Inside one source the order is left as it is.
pub(super) struct Sources {
    waiting: Vec<Waiting>,
    open: Vec<Open>,
    current: Option<usize>,
    done: Vec<Option<Source>>,
    issues: Issues,
    packets: u64,
    /// Whether standard input is one of them.
    piped: bool,
    done_bytes: u64,
    key: u128,
}

impl Sources {
    /// Opens every source once: what is no capture is found before anything is written.
    pub fn open(paths: &[PathBuf]) -> Result<Self> {
        let done = paths.iter().map(|_| None).collect();
        let piped = paths.iter().any(|path| path.as_os_str() == "-");
        let (waiting, open, issues) = (Vec::new(), Vec::new(), Issues::default());
        let mut sources = Self { waiting, open, current: None, done, issues, packets: 0, piped, done_bytes: 0, key: 0 };
        let mut key = Xxh3::with_seed(KEY_SEED);
        for (place, path) in paths.iter().enumerate() {
            let mut reader = CaptureReader::open(path)?;
            key.update(reader.peek(KEY_BYTES)?);
            sources.enlist(reader, path, place, paths.len() == 1)?;
        }
        sources.key = key.digest128();
        // The latest first, so that the next one is the last.
        sources.waiting.sort_by_key(|waiting| std::cmp::Reverse((waiting.first_unix_ns, waiting.place)));
        Ok(sources)
    }

    /// Reads the first packet of a source. A file is closed again until its time comes: a rotated capture may have thousands.
    fn enlist(&mut self, mut reader: CaptureReader, path: &Path, place: usize, only: bool) -> Result<()> {
        if !reader.advance()? {
            return self.close(Open { reader, place });
        }
        if only || path.as_os_str() == "-" {
            self.open.push(Open { reader, place });
        } else {
            self.waiting.push(Waiting { path: path.to_owned(), place, first_unix_ns: reader.packet().at_unix_ns });
        }
        Ok(())
    }

    /// A key that is the same for the same sources, and cannot be had from the trace.
    pub fn key(&self) -> u128 {
        self.key
    }

    /// The next packet; `None` at the end of all sources.
    pub fn next(&mut self) -> Result<Option<Packet<'_>>> {
        if let Some(index) = self.current.take()
            && !self.open[index].reader.advance()?
        {
            let ended = self.open.swap_remove(index);
            self.close(ended)?;
        }
        self.open_due()?;
        let due = |(_, open): &(usize, &Open)| (open.reader.packet().at_unix_ns, open.place);
        self.current = self.open.iter().enumerate().min_by_key(due).map(|(index, _)| index);
        self.packets += u64::from(self.current.is_some());
        Ok(self.current.map(|index| self.open[index].reader.packet()))
    }

    fn open_due(&mut self) -> Result<()> {
        while let Some(next) = self.waiting.last() {
            let earliest = self.open.iter().map(|open| open.reader.packet().at_unix_ns).min();
            if earliest.is_some_and(|earliest| earliest < next.first_unix_ns) {
                return Ok(());
            }
            let mut reader = CaptureReader::open(&next.path)?;
            let place = next.place;
            self.waiting.pop();
            if reader.advance()? {
                self.open.push(Open { reader, place });
            }
        }
        Ok(())
    }

    /// Packets given so far.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Bytes taken from the sources so far, as they lie there (compressed).
    pub fn raw_bytes(&self) -> u64 {
        self.done_bytes + self.open.iter().map(|open| open.reader.raw_bytes()).sum::<u64>()
    }

    fn close(&mut self, ended: Open) -> Result<()> {
        let (source, issues) = ended.reader.finish()?;
        self.enter(ended.place, source, &issues);
        Ok(())
    }

    fn enter(&mut self, place: usize, source: Source, issues: &Issues) {
        self.done_bytes += source.bytes;
        self.issues.merge(issues);
        self.done[place] = Some(source);
    }

    /// Reads no more, unless standard input is read: whoever writes it is told to stop by who stops us, and what it has yet to say is not
    /// lost. Whether it stopped.
    pub fn stop(&mut self) -> bool {
        if self.piped {
            return false;
        }
        for Open { reader, place } in std::mem::take(&mut self.open) {
            let number = reader.packet().number;
            let (source, mut issues) = reader.finish_here();
            issues.add(STOPPED, || format!("{}, after packet {number}; what follows was not read", source.name));
            self.enter(place, source, &issues);
        }
        true
    }

    /// What the sources were, in the order in which they were named, and what was odd in them.
    pub fn finish(self) -> (Vec<Source>, Issues) {
        (self.done.into_iter().flatten().collect(), self.issues)
    }
}
