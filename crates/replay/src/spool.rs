//! Whole sessions on disk: a trace is in time order, while pacing by real answers needs the next request of a session when the one
//! before it is over, whenever that is.
//!
//! One file without a name in the run's folder, gone with the process, holds every request once, in trace order. Each record begins
//! with two links, filled in when what they lead to is written: to the next request of its chain, and, for a first request, to the
//! first request of the next chain. So memory holds the last record of each chain while writing, and nothing while reading.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use trace::{Keep, RunNs, TraceNs};

use crate::answer::Expected;
use crate::content::{self, Content};
use crate::limits::{SESSIONS_MAX, SPOOL_BUFFER_BYTES_MAX};
use crate::recent::Recent;
use crate::request::Planned;
use crate::text::Text;
use crate::{Error, Result};

/// Where a record lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    at: u64,
    bytes: u32,
}

/// What comes after a request in its chain, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// Where it lies.
    pub place: Place,
    /// Which time through the content it is.
    pub pass: u64,
    /// It was recorded before its predecessor's answer was over: its user did not wait for that.
    pub beside: bool,
    /// ns, divided by the think speed: from the end of the predecessor's answer, or `beside`, from when the predecessor was ready.
    pub gap_ns: i64,
}

impl Next {
    /// When the user is ready for it, and how long it then has to wait for the earlier answer: (due, blocked ns). `before` was ready
    /// at `ready` and over at `over`.
    #[must_use]
    pub fn due(&self, ready: RunNs, over: RunNs) -> (RunNs, i64) {
        if !self.beside {
            return (over + self.gap_ns, 0);
        }
        let due = ready + self.gap_ns;
        (due, (over - due).max(0))
    }
}

/// What belongs to one chain of requests, each sent only when the one before it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainOf {
    /// A (session, stream): streams of a session overlap as recorded.
    Stream,
    /// A session: its user does one thing at a time.
    Session,
}

/// One request as it was written.
#[derive(Debug)]
pub struct Record<'a> {
    /// When it was recorded.
    pub at: TraceNs,
    /// The first request of the next chain, where this is a first request.
    pub next_chain: Option<Place>,
    /// What is known of it; it is not due yet.
    pub planned: Planned,
    /// Its bytes.
    pub request: &'a [u8],
}

/// The file.
#[derive(Debug)]
pub struct Spool {
    file: File,
    content: Content,
}

impl Spool {
    /// An empty one in `folder`, without a name there, for one pass over `content`.
    ///
    /// # Errors
    /// [`Error::Io`] where no file can be made.
    pub fn create(folder: &Path, content: Content) -> Result<Arc<Self>> {
        let path = folder.join("sessions.partial");
        let failed = |source| Error::io("create", &path, source);
        let file = File::options().read(true).write(true).create_new(true).open(&path).map_err(failed)?;
        std::fs::remove_file(&path).map_err(failed)?;
        Ok(Arc::new(Self { file, content }))
    }

    /// The record at `place`, by way of `buffer`, as it is in a pass, from 0.
    ///
    /// # Errors
    /// What the system says.
    pub fn read<'a>(&self, place: Place, pass: u64, buffer: &'a mut Vec<u8>) -> io::Result<Record<'a>> {
        buffer.resize(place.bytes as usize, 0);
        self.file.read_exact_at(buffer, place.at)?;
        let mut record = decode(buffer, pass);
        let Planned { session, copy, .. } = record.planned;
        let moved = self.content.moved(content::Place { at: record.at, session, copy }, pass);
        (record.at, record.planned.session, record.planned.copy) = (moved.at, moved.session, moved.copy);
        Ok(record)
    }
}

/// The end of a chain so far.
#[derive(Debug)]
struct Tail {
    record: u64,
    at: TraceNs,
    /// When its answer was over, as recorded.
    over: Option<TraceNs>,
}

/// Writes requests that come in trace order.
pub struct SpoolWriter {
    spool: Arc<Spool>,
    chain: ChainOf,
    think_speed: f64,
    /// What is not in the file yet.
    buffer: Vec<u8>,
    flushed: u64,
    first: Option<Place>,
    last_first: u64,
    tails: Recent<(u64, u64), Tail>,
}

/// What was written.
#[derive(Debug, Clone, Copy)]
pub struct Spooled {
    /// The first request of the first chain.
    pub first: Option<Place>,
    /// Chains that were forgotten before they went on ([`SESSIONS_MAX`]), and went on as new ones if they did.
    pub forgotten: u64,
}

impl SpoolWriter {
    /// Nothing written yet. Gaps are divided by `think_speed`, which may be infinite.
    #[must_use]
    pub fn new(spool: Arc<Spool>, chain: ChainOf, think_speed: f64) -> Self {
        let buffer = Vec::with_capacity(SPOOL_BUFFER_BYTES_MAX);
        let tails = Recent::new(SESSIONS_MAX);
        Self { spool, chain, think_speed, buffer, flushed: 0, first: None, last_first: 0, tails }
    }

    /// Appends a request recorded at `at`, whose answer took `latency_ns`, where that is known.
    ///
    /// # Errors
    /// What the system says when the disk is full.
    pub fn push(&mut self, at: TraceNs, latency_ns: Option<i64>, planned: &Planned, request: &[u8]) -> io::Result<()> {
        let start = self.buffer.len();
        encode(at, planned, request, &mut self.buffer);
        let place = Place { at: self.flushed + start as u64, bytes: (self.buffer.len() - start) as u32 };
        let stream = if self.chain == ChainOf::Stream { planned.stream } else { 0 };
        let tail = Tail { record: place.at, at, over: latency_ns.map(|ns| at + ns) };
        match self.tails.replace((planned.session, stream), tail) {
            Some(before) => self.link_next(&before, place, at)?,
            None => self.link_chain(place)?,
        }
        if self.buffer.len() >= SPOOL_BUFFER_BYTES_MAX { self.flush() } else { Ok(()) }
    }

    /// Writes the rest.
    ///
    /// # Errors
    /// What the system says when the disk is full.
    pub fn finish(mut self) -> io::Result<Spooled> {
        self.flush()?;
        Ok(Spooled { first: self.first, forgotten: self.tails.forgotten() })
    }

    /// Leads from the end of a chain to `place`, recorded at `at`.
    fn link_next(&mut self, before: &Tail, place: Place, at: TraceNs) -> io::Result<()> {
        let since_over = before.over.map_or(at - before.at, |over| at - over);
        let beside = since_over < 0 && self.chain == ChainOf::Stream;
        let recorded_ns = if beside { at - before.at } else { since_over.max(0) };
        let gap_ns = (recorded_ns as f64 / self.think_speed).round() as i64;
        self.patch(before.record, &next_bytes(place, beside, gap_ns))
    }

    /// Leads from the first request of the chain before to that of the chain which begins at `place`.
    fn link_chain(&mut self, place: Place) -> io::Result<()> {
        if self.first.is_none() {
            self.first = Some(place);
        } else {
            self.patch(self.last_first + CHAIN_AT, &place_bytes(place))?;
        }
        self.last_first = place.at;
        Ok(())
    }

    /// Fills in a link of an earlier record, which may be in the file already.
    fn patch(&mut self, at: u64, link: &[u8]) -> io::Result<()> {
        match at.checked_sub(self.flushed) {
            Some(start) => self.buffer[start as usize..start as usize + link.len()].copy_from_slice(link),
            None => self.spool.file.write_all_at(link, at)?,
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.spool.file.write_all_at(&self.buffer, self.flushed)?;
        self.flushed += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// Bytes of a link to the next request: place (0 bytes long for none), beside, gap.
const NEXT_BYTES: usize = PLACE_BYTES + 1 + 8;
/// Bytes of a place: offset and length.
const PLACE_BYTES: usize = 8 + 4;
/// Where in a record the link to the next chain is.
const CHAIN_AT: u64 = NEXT_BYTES as u64;
/// Bytes of a record that carries neither a unit of work nor a request.
pub const RECORD_BYTES: usize = NEXT_BYTES + PLACE_BYTES + 59;

fn place_bytes(place: Place) -> [u8; PLACE_BYTES] {
    let mut out = [0; PLACE_BYTES];
    out[..8].copy_from_slice(&place.at.to_le_bytes());
    out[8..].copy_from_slice(&place.bytes.to_le_bytes());
    out
}

fn next_bytes(place: Place, beside: bool, gap_ns: i64) -> [u8; NEXT_BYTES] {
    let mut out = [0; NEXT_BYTES];
    out[..PLACE_BYTES].copy_from_slice(&place_bytes(place));
    out[PLACE_BYTES] = u8::from(beside);
    out[PLACE_BYTES + 1..].copy_from_slice(&gap_ns.to_le_bytes());
    out
}

/// Links to nowhere, then what is known, little-endian, then the bytes.
fn encode(at: TraceNs, planned: &Planned, request: &[u8], out: &mut Vec<u8>) {
    let Planned { id, copy, label, target, session, stream, due: _, items, sendable, txn, next: _, keep, expected } = planned;
    out.extend_from_slice(&[0; NEXT_BYTES + PLACE_BYTES]);
    out.extend_from_slice(&at.ns().to_le_bytes());
    [*id, *session, *stream].iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
    [*copy, *label, *target, *items].iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
    out.extend_from_slice(&[u8::from(*sendable), u8::from(txn.is_some())]);
    let unit = txn.as_ref().map_or("", Text::as_str);
    out.extend_from_slice(&(unit.len() as u32).to_le_bytes());
    out.extend_from_slice(unit.as_bytes());
    out.push(*keep as u8);
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    if let Some(expected) = expected {
        expected.encode(out);
    }
    let expected_bytes = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&expected_bytes.to_le_bytes());
    out.extend_from_slice(request);
}

fn decode(bytes: &[u8], pass: u64) -> Record<'_> {
    let mut fields = Fields(bytes);
    let next_place = fields.place();
    let (beside, gap_ns) = (fields.u8() != 0, fields.u64().cast_signed());
    let next_chain = fields.place();
    let at = TraceNs(fields.u64().cast_signed());
    let [id, session, stream] = [(); 3].map(|()| fields.u64());
    let [copy, label, target, items] = [(); 4].map(|()| fields.u32());
    let (sendable, in_txn) = (fields.u8() != 0, fields.u8() != 0);
    let unit = fields.text();
    let txn = in_txn.then_some(unit);
    let keep = [Keep::Nothing, Keep::Digest, Keep::Whole][usize::from(fields.u8())];
    let expected = fields.bytes();
    let expected = (!expected.is_empty()).then(|| Arc::new(Expected::decode(Fields(expected))));
    let next = next_place.map(|place| Next { place, pass, beside, gap_ns });
    let planned = Planned { id, copy, label, target, session, stream, due: RunNs(0), items, sendable, txn, next, keep, expected };
    Record { at, next_chain, planned, request: fields.0 }
}

/// Fields of a record, one after the other. The file is our own and nobody else has a name for it, so what is read is what was written.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, bytes: usize) -> &'a [u8] {
        let (front, rest) = self.0.split_at(bytes);
        self.0 = rest;
        front
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N));
        out
    }

    pub(crate) fn u8(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    pub(crate) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    pub(crate) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    fn place(&mut self) -> Option<Place> {
        let place = Place { at: self.u64(), bytes: self.u32() };
        (place.bytes > 0).then_some(place)
    }

    fn text(&mut self) -> Text {
        Text::from(&*String::from_utf8_lossy(self.bytes()))
    }

    /// Bytes with their length before them.
    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let bytes = self.u32() as usize;
        self.take(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn planned(id: u64, session: u64, stream: u64, txn: bool) -> Planned {
        let txn = txn.then(|| Text::from(format!("{id}").as_str()));
        let (copy, label, target, items) = (1, 2, 3, 4);
        let sendable = !id.is_multiple_of(3);
        let expected = Expected {
            status: 200,
            ok: id.is_multiple_of(5),
            hash: id.is_multiple_of(2).then_some(id),
            ids: id.is_multiple_of(3).then(|| (0..id % 4).map(|place| format!("{id}-{place}").into()).collect()),
            body: id.is_multiple_of(5).then(|| vec![7; id as usize % 3].into()),
        };
        let (keep, expected) = if txn.is_some() { (Keep::Whole, Some(Arc::new(expected))) } else { (Keep::Digest, None) };
        Planned { id, copy, label, target, session, stream, due: RunNs(0), items, sendable, txn, next: None, keep, expected }
    }

    /// A request as it was read back: id, at, gap to the next and whether that is beside it, request bytes.
    type Found = (u64, i64, Option<(i64, bool)>, usize);
    /// A request as it was written: id, at, latency, request bytes.
    type Wanted = (u64, i64, Option<i64>, usize);

    /// Every chain, by following its links.
    fn chains(spool: &Spool, spooled: Spooled) -> Vec<Vec<Found>> {
        let mut buffer = Vec::new();
        let mut chains = Vec::new();
        let mut first = spooled.first;
        while let Some(place) = first {
            let mut chain = Vec::new();
            let mut at = Some(place);
            let mut next_chain = None;
            while let Some(place) = at {
                let record = spool.read(place, 0, &mut buffer).unwrap();
                next_chain = next_chain.or(record.next_chain);
                let wanted =
                    planned(record.planned.id, record.planned.session, record.planned.stream, record.planned.txn.is_some());
                assert_eq!(format!("{:?}", Planned { next: None, ..record.planned.clone() }), format!("{wanted:?}"));
                let next = record.planned.next;
                chain.push((
                    record.planned.id,
                    record.at.ns(),
                    next.map(|next| (next.gap_ns, next.beside)),
                    record.request.len(),
                ));
                at = next.map(|next| next.place);
            }
            chains.push(chain);
            first = next_chain;
        }
        chains
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// (gap, session, stream, latency, request bytes); some requests are larger than the buffer.
        #[test]
        fn chains_are_read_as_they_were_written(
            rows in prop::collection::vec((0_i64..9, 0_u64..5, 0_u64..2, prop::option::of(0_i64..20), prop_oneof![4 => 0_usize..300, 1 => Just(SPOOL_BUFFER_BYTES_MAX)]), 0..60),
            by_stream in any::<bool>(),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let spool = Spool::create(folder.path(), Content::of_nothing()).unwrap();
            prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has no name");
            let chain = if by_stream { ChainOf::Stream } else { ChainOf::Session };
            let mut writer = SpoolWriter::new(spool.clone(), chain, 2.0);
            let mut at = 0;
            let mut wanted: Vec<((u64, u64), Vec<Wanted>)> = Vec::new();
            for (id, (gap, session, stream, latency, bytes)) in rows.into_iter().enumerate() {
                at += gap;
                let id = id as u64;
                writer.push(TraceNs(at), latency, &planned(id, session, stream, id.is_multiple_of(2)), &vec![7; bytes]).unwrap();
                let key = (session, if by_stream { stream } else { 0 });
                let row = (id, at, latency, bytes);
                match wanted.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, rows)) => rows.push(row),
                    None => wanted.push((key, vec![row])),
                }
            }
            let spooled = writer.finish().unwrap();
            let found = chains(&spool, spooled);
            prop_assert_eq!(found.len(), wanted.len());
            for (chain, (_, rows)) in found.iter().zip(&wanted) {
                for (index, (id, at, next, bytes)) in chain.iter().enumerate() {
                    let (_, _, latency, _) = rows[index];
                    prop_assert_eq!((*id, *at, *bytes), (rows[index].0, rows[index].1, rows[index].3));
                    let after = rows.get(index + 1).map(|(_, next_at, _, _)| {
                        let idle = next_at - at - latency.unwrap_or(0);
                        let beside = idle < 0 && by_stream;
                        ((if beside { next_at - at } else { idle.max(0) } as f64 / 2.0).round() as i64, beside)
                    });
                    prop_assert_eq!(*next, after);
                }
            }
        }
    }

    #[test]
    fn who_waited_for_the_answer_thinks_after_it_and_who_did_not_is_blocked_by_it() {
        let place = Place { at: 0, bytes: 1 };
        let after = Next { place, pass: 0, beside: false, gap_ns: 30 };
        assert_eq!(after.due(RunNs(100), RunNs(150)), (RunNs(180), 0));
        let beside = Next { place, pass: 0, beside: true, gap_ns: 30 };
        assert_eq!(beside.due(RunNs(100), RunNs(150)), (RunNs(130), 20));
        assert_eq!(beside.due(RunNs(100), RunNs(110)), (RunNs(130), 0));
    }

    #[test]
    fn a_record_is_as_long_as_is_said() {
        let mut out = Vec::new();
        encode(TraceNs(0), &planned(1, 1, 1, false), &[], &mut out);
        assert_eq!(out.len(), RECORD_BYTES);
    }
}
