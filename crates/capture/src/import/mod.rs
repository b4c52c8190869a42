//! Capture files → a trace: packets → segments → connections → exchanges, masked and sorted, in bounded memory.

mod sources;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use trace::{Exchange, Loss, TraceMeta, TraceNs, TraceSorter};

use crate::dissect::{self, Emit, PROTOCOLS, Protocol, SessionBy};
use crate::flow::{Config, Flows};
use crate::net::Decoder;
use crate::redact::{Policy, Redactor};
use crate::{Error, Result};
use sources::Sources;

/// Exchanges that go from the reading to the writing thread at once.
const BATCH_EXCHANGES: usize = 1024;
/// Bytes of exchanges that go from the reading to the writing thread at once.
const BATCH_BYTES: usize = 8 << 20;
/// Batches on their way between the threads.
const BATCHES_MAX: usize = 4;
/// Packets of a source between two calls of the progress callback.
const PROGRESS_PACKETS: u64 = 16_384;

/// What a user asked of an import.
#[derive(Clone, Default)]
pub struct ImportOptions {
    /// Server ports and what is spoken there, whatever the first bytes look like; see [`parse_decode`].
    pub decode: Vec<(u16, &'static Protocol)>,
    /// What makes requests those of one user.
    pub session_by: SessionBy,
    /// What dissectors keep.
    pub dissect: dissect::Options,
    /// What is masked before anything is written.
    pub redaction: Policy,
    /// The key of the pseudonyms, for equal ones over several imports; by default one made from the captures themselves.
    pub redaction_key: Option<u128>,
}

/// How far an import has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes taken from the sources, as they lie there (compressed).
    pub read_bytes: u64,
    /// Packets read.
    pub packets: u64,
    /// Exchanges found.
    pub exchanges: u64,
}

/// What users may call a protocol whose rows have several names.
const ALIASES: &[(&str, &str)] = &[("grpc", "http2")];

/// Reads `8000=http`.
///
/// # Errors
/// [`Error::Option`] that names what is known.
pub fn parse_decode(text: &str) -> Result<(u16, &'static Protocol)> {
    let wrong = |why: String| Error::Option(format!("cannot decode by `{text}`: {why}"));
    let Some((port, name)) = text.split_once('=') else {
        return Err(wrong("wanted PORT=PROTOCOL, for example 8000=http".to_owned()));
    };
    let port = port.trim().parse().map_err(|_| wrong(format!("`{port}` is not a port number")))?;
    let known: Vec<&str> = PROTOCOLS.iter().map(|protocol| protocol.name).collect();
    let name = ALIASES.iter().find(|(alias, _)| *alias == name.trim()).map_or(name.trim(), |(_, name)| name);
    let protocol = PROTOCOLS.iter().find(|protocol| protocol.name == name);
    Ok((port, protocol.ok_or_else(|| wrong(format!("known protocols are {}", known.join(", "))))?))
}

/// Imports `sources` (files, or `-` for standard input) into the trace `output`, and returns its footer. Several sources are merged by
/// time. `progress` is called now and then.
///
/// # Errors
/// [`Error::Io`] and [`Error::NotCapture`] for a source that cannot be read, [`Error::Trace`] for an output that cannot be written;
/// nothing is left under the output's name then. What is odd inside a capture is no error: it stands in the footer.
pub fn import(
    sources: &[PathBuf],
    output: &Path,
    options: &ImportOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<TraceMeta> {
    let sources = Sources::open(sources)?;
    let (sender, receiver) = sync_channel(BATCHES_MAX);
    thread::scope(|scope| {
        let redactor = Redactor::new(options.redaction, options.redaction_key.unwrap_or(sources.key()));
        let writer = scope.spawn(move || write(&receiver, redactor, output));
        let read = read(sources, options, sender, progress);
        let written = writer.join().expect("the writing thread does not panic");
        read.and(written)
    })
}

/// What goes from the reading to the writing thread.
enum Message {
    Batch(Vec<Exchange>),
    Done(Box<TraceMeta>),
}

/// Reads all sources. Ends early, and well, when the writing thread has given up: why, that thread says.
fn read(
    mut sources: Sources,
    options: &ImportOptions,
    sender: SyncSender<Message>,
    progress: &mut dyn FnMut(Progress),
) -> Result<()> {
    let mut decoder = Decoder::default();
    let ImportOptions { decode, session_by, dissect, .. } = options.clone();
    let mut flows = Flows::new(Config { decode, session_by, dissect, ..Config::default() });
    let mut batches = Batches { sender, held_bytes: 0, seen: 0, exchanges: 0 };
    while let Some(packet) = sources.next()? {
        let number = packet.number;
        decoder.packet(&packet, |segment| flows.segment(TraceNs(packet.at_unix_ns), segment));
        if batches.is_full(flows.emit()) && !batches.send(flows.emit()) {
            return Ok(());
        }
        if number % PROGRESS_PACKETS == 0 {
            progress(batches.progress(&sources));
        }
    }
    let (mut emit, mut loss) = flows.finish();
    batches.send(&mut emit);
    progress(batches.progress(&sources));
    let decoded = decoder.finish();
    loss.exchanges = std::mem::take(&mut emit.loss);
    loss.packets_read = sources.packets();
    loss.packets_decoded = decoded.packets;
    loss.packets_dropped = decoded.dropped();
    batches.done(describe(sources, emit, loss, batches.exchanges));
    Ok(())
}

/// The footer, as far as reading knows it.
fn describe(sources: Sources, mut emit: Emit, loss: Loss, exchanges: u64) -> TraceMeta {
    let (sources, issues) = sources.finish();
    emit.issues.merge(&issues);
    if emit.undecoded_bytes > 0 {
        emit.issues.add_many("bytes-not-in-any-exchange", emit.undecoded_bytes, || "inside decoded connections".to_owned());
    }
    TraceMeta {
        // Times were counted from the Unix epoch until now; the sorter moves both.
        wall_start_unix_ns: (exchanges > 0).then_some(0),
        sources,
        loss: Some(loss),
        issues: emit.issues.list(),
        ..TraceMeta::default()
    }
}

/// Gathers exchanges for the writing thread.
struct Batches {
    sender: SyncSender<Message>,
    held_bytes: usize,
    seen: usize,
    exchanges: u64,
}

impl Batches {
    fn is_full(&mut self, emit: &Emit) -> bool {
        let new = &emit.exchanges[self.seen..];
        self.held_bytes += new.iter().map(Exchange::weight_bytes).sum::<usize>();
        self.seen += new.len();
        self.seen >= BATCH_EXCHANGES || self.held_bytes >= BATCH_BYTES
    }

    /// False when nobody takes it.
    fn send(&mut self, emit: &mut Emit) -> bool {
        let batch = std::mem::take(&mut emit.exchanges);
        self.exchanges += batch.len() as u64;
        (self.held_bytes, self.seen) = (0, 0);
        self.sender.send(Message::Batch(batch)).is_ok()
    }

    fn done(&self, meta: TraceMeta) -> bool {
        self.sender.send(Message::Done(Box::new(meta))).is_ok()
    }

    fn progress(&self, sources: &Sources) -> Progress {
        Progress { read_bytes: sources.raw_bytes(), packets: sources.packets(), exchanges: self.exchanges }
    }
}

fn write(receiver: &Receiver<Message>, mut redactor: Redactor, output: &Path) -> Result<TraceMeta> {
    let mut sorter = TraceSorter::new(output);
    for message in receiver {
        match message {
            Message::Batch(exchanges) => {
                for mut exchange in exchanges {
                    redactor.redact(&mut exchange);
                    sorter.push(&exchange)?;
                }
            }
            Message::Done(mut meta) => {
                meta.redaction = redactor.account();
                return Ok(sorter.finish(*meta)?);
            }
        }
    }
    // Reading failed, and says why; what was written so far goes away with the sorter.
    Ok(TraceMeta::default())
}
