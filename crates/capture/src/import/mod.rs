//! Capture files → a trace: packets → segments → connections → exchanges, masked and sorted, in bounded memory.

mod reading;
mod sources;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use trace::{AtomicFile, Loss, TraceMeta, TraceSorter};

use crate::dissect::{self, Emit, PROTOCOLS, Protocol, SessionBy};
use crate::flow::{Config, Connections, Heard, Listener};
use crate::redact::{Policy, Redactor};
use crate::{Error, Result};
pub use sources::STOPPED;
use sources::Sources;

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
    /// Set by anybody: no more is read of files, and what was read becomes the trace. Standard input is read to its end.
    pub stop: Arc<AtomicBool>,
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
    AtomicFile::check(output)?;
    let sources = Sources::open(sources)?;
    let ImportOptions { decode, session_by, dissect, .. } = options.clone();
    let connections = Connections::new(Config { decode, session_by, dissect, ..Config::default() });
    let redactor = Redactor::new(options.redaction, options.redaction_key.unwrap_or(sources.key()));
    let writing = Writing { redactor, sorter: TraceSorter::new(output), exchanges: 0 };
    let mut making = Making { connections, writing, written: Ok(()) };
    let read = reading::read(sources, &options.stop, |heard, read_bytes, packets| {
        heard.tell(&mut making);
        progress(Progress { read_bytes, packets, exchanges: making.writing.exchanges });
        std::mem::replace(&mut making.written, Ok(()))
    })?;
    let Making { connections, mut writing, .. } = making;
    let (mut emit, mut loss) = connections.finish(read.account);
    writing.take(&mut emit)?;
    loss.exchanges = std::mem::take(&mut emit.loss);
    loss.packets_read = read.sources.packets();
    loss.packets_decoded = read.decoded.packets;
    loss.packets_dropped = read.decoded.dropped();
    writing.finish(read.sources, emit, loss)
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

/// Connections whose exchanges go into the trace as they come: while they are in the cache, and their memory is used again at once.
struct Making {
    connections: Connections,
    writing: Writing,
    /// What writing failed with first.
    written: Result<()>,
}

impl Listener for Making {
    fn hear(&mut self, place: u32, packets: u64, heard: Heard<'_>) {
        self.connections.hear(place, packets, heard);
        let emit = self.connections.emit();
        if !emit.exchanges.is_empty() && self.written.is_ok() {
            self.written = self.writing.take(emit);
        }
    }
}

/// Exchanges on their way into the trace. They are made, masked and taken apart by one thread, since what they share with others (names,
/// memory) would cost more on its way between two cores than is gained; packets are read by another one, columns encoded by others.
struct Writing {
    redactor: Redactor,
    sorter: TraceSorter,
    exchanges: u64,
}

impl Writing {
    fn take(&mut self, emit: &mut Emit) -> Result<()> {
        for mut exchange in emit.exchanges.drain(..) {
            self.redactor.redact(&mut exchange);
            self.sorter.push(&exchange)?;
            self.exchanges += 1;
        }
        Ok(())
    }

    fn finish(self, sources: Sources, emit: Emit, loss: Loss) -> Result<TraceMeta> {
        let meta = describe(sources, emit, loss, self.exchanges);
        Ok(self.sorter.finish(TraceMeta { redaction: self.redactor.account(), ..meta })?)
    }
}
