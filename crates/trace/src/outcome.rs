//! What happened to one replayed request, and the rolling files these go to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float32Builder, Int64Builder, RecordBatch, StringBuilder, StructBuilder, UInt32Builder,
    UInt64Builder,
};
use arrow::datatypes::SchemaRef;

use crate::exchange::closed_names;
use crate::limits::{BATCH_ROWS_MAX, PART_ROWS_MAX};
use crate::write::{ParquetFile, columns, push_txn};
use crate::{Effect, Kind, Result, RunNs, parts, schema};

closed_names! {
    /// Why a request has no good answer. A bad status is not a class: it is `ok = false` with the status beside it.
    ErrorClass {
        /// Nobody listens at the target.
        Refused = "refused",
        /// A connection could not be made for another reason.
        Connect = "connect",
        /// The target's name could not be resolved.
        Resolve = "resolve",
        /// TLS could not be agreed upon.
        Tls = "tls",
        /// The target closed before the answer was whole.
        Closed = "closed",
        /// The target reset the connection.
        Reset = "reset",
        /// No whole answer within the timeout.
        Timeout = "timeout",
        /// The answer was not the protocol's.
        Protocol = "protocol",
        /// Sending or receiving failed for another reason.
        Io = "io",
        /// More requests in flight than `--max-in-flight` allows.
        ShedInFlight = "shed:max-in-flight",
        /// More connections than `--max-connections` allows, and its wait was over.
        ShedConnections = "shed:max-connections",
        /// More bytes queued than `--max-queued-bytes` allows.
        ShedQueuedBytes = "shed:max-queued-bytes",
        /// No descriptor or port was left.
        ShedDescriptors = "shed:descriptors",
        /// Cannot be replayed (no body, cut, masked beyond use).
        Unreplayable = "unreplayable",
        /// The run was stopped before it was answered.
        Aborted = "aborted",
    }
}

impl ErrorClass {
    /// Whether the request was never sent because one of the generator's limits was reached.
    #[must_use]
    pub fn is_shed(self) -> bool {
        self.as_str().starts_with("shed:")
    }
}

/// One row of the outcomes, borrowed from whoever holds its texts. Instants are ns since run start, durations ns, sizes bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutcomeRow<'a> {
    /// The exchange's `id` in the trace.
    pub id: u64,
    /// Which copy of it.
    pub copy: u32,
    /// Segment of the profile.
    pub phase: &'a str,
    /// Which worker sent it.
    pub worker: u32,
    /// The recorded user.
    pub session: u64,
    /// The order inside the session.
    pub stream: u64,
    /// Number of the connection it was sent on, from 1; 0 where it was not sent.
    pub conn: u64,
    /// As recorded.
    pub kind: Kind,
    /// As recorded.
    pub effect: Effect,
    /// Name and id of its unit of work.
    pub txn: Option<(&'a str, &'a str)>,
    /// As recorded.
    pub protocol: &'a str,
    /// As recorded.
    pub collection: &'a str,
    /// As recorded.
    pub operation: &'a str,
    /// Which target it went to: the origin (`http://host:port`).
    pub target: &'a str,
    /// When it was to be sent.
    pub due: RunNs,
    /// How long it waited for its own session's earlier answer.
    pub blocked_ns: i64,
    /// How long it waited for a connection or a limit of the generator.
    pub queued_ns: i64,
    /// The instant before the first write call.
    pub sent: Option<RunNs>,
    /// First byte of the answer.
    pub first_byte: Option<RunNs>,
    /// Last byte of the answer, or when it failed.
    pub done: Option<RunNs>,
    /// How long connecting took, where this request had to.
    pub connect_ns: Option<i64>,
    /// `200`, `grpc:5` …
    pub status: Option<&'a str>,
    /// Whether the answer was good.
    pub ok: bool,
    /// Why there is no good answer.
    pub error: Option<ErrorClass>,
    /// Records, vectors or rows in the request.
    pub items: u32,
    /// On the wire.
    pub request_bytes: u64,
    /// On the wire.
    pub response_bytes: u64,
    /// Agreement with the recording: `same`, `status`, `shape`, `body`.
    pub matched: Option<&'a str>,
    /// Recall of the recorded ids.
    pub recall: Option<f32>,
}

/// Writes outcomes to `outcomes-*.parquet` of a run. Each part is closed and renamed into place, so that a kill loses only the
/// part being written; the caller decides when ([`OutcomeWriter::roll`]), [`PART_ROWS_MAX`] rows at the latest.
pub struct OutcomeWriter {
    dir: PathBuf,
    part: u32,
    part_rows: usize,
    rows: u64,
    file: Option<ParquetFile>,
    columns: Columns,
}

impl OutcomeWriter {
    /// Begins the outcomes of the run in `dir`, which must exist.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), part: 0, part_rows: 0, rows: 0, file: None, columns: Columns::new() }
    }

    /// Appends one outcome.
    ///
    /// # Errors
    /// [`crate::Error::Io`] when the disk is full.
    pub fn push(&mut self, row: &OutcomeRow<'_>) -> Result<()> {
        self.columns.push(row);
        self.rows += 1;
        self.part_rows += 1;
        if self.columns.rows >= BATCH_ROWS_MAX {
            self.flush()?;
        }
        if self.part_rows >= PART_ROWS_MAX { self.roll() } else { Ok(()) }
    }

    /// Closes the part being written, if it has rows, and gives it its name.
    ///
    /// # Errors
    /// [`crate::Error::Io`] when the disk is full.
    pub fn roll(&mut self) -> Result<()> {
        self.flush()?;
        if let Some(file) = self.file.take() {
            file.finish(Vec::new())?;
            self.part += 1;
            self.part_rows = 0;
        }
        Ok(())
    }

    /// Closes the last part and joins small ones. Returns the number of outcomes written.
    ///
    /// # Errors
    /// [`crate::Error::Io`] when the disk is full; the parts written so far stay readable.
    pub fn finish(mut self) -> Result<u64> {
        self.roll()?;
        parts::compact(&self.dir)?;
        Ok(self.rows)
    }

    fn flush(&mut self) -> Result<()> {
        if self.columns.rows == 0 {
            return Ok(());
        }
        let batch = self.columns.take();
        self.file()?.write(&batch)
    }

    fn file(&mut self) -> Result<&mut ParquetFile> {
        if self.file.is_none() {
            let path = self.dir.join(parts::file_name(self.part, self.part));
            self.file = Some(ParquetFile::create(&path, schema::OUTCOMES, schema::outcomes())?);
        }
        Ok(self.file.as_mut().expect("made above"))
    }
}

columns! {
    /// Column builders of the outcomes, in schema order.
    schema::outcomes {
        id: UInt64Builder = UInt64Builder::new(),
        copy: UInt32Builder = UInt32Builder::new(),
        phase: StringBuilder = StringBuilder::new(),
        worker: UInt32Builder = UInt32Builder::new(),
        session: UInt64Builder = UInt64Builder::new(),
        stream: UInt64Builder = UInt64Builder::new(),
        conn: UInt64Builder = UInt64Builder::new(),
        kind: StringBuilder = StringBuilder::new(),
        effect: StringBuilder = StringBuilder::new(),
        txn: StructBuilder = StructBuilder::from_fields(schema::txn_fields(), 0),
        protocol: StringBuilder = StringBuilder::new(),
        collection: StringBuilder = StringBuilder::new(),
        operation: StringBuilder = StringBuilder::new(),
        target: StringBuilder = StringBuilder::new(),
        due_ns: Int64Builder = Int64Builder::new(),
        blocked_ns: Int64Builder = Int64Builder::new(),
        queued_ns: Int64Builder = Int64Builder::new(),
        sent_ns: Int64Builder = Int64Builder::new(),
        first_byte_ns: Int64Builder = Int64Builder::new(),
        done_ns: Int64Builder = Int64Builder::new(),
        connect_ns: Int64Builder = Int64Builder::new(),
        status: StringBuilder = StringBuilder::new(),
        ok: BooleanBuilder = BooleanBuilder::new(),
        error: StringBuilder = StringBuilder::new(),
        items: UInt32Builder = UInt32Builder::new(),
        request_bytes: UInt64Builder = UInt64Builder::new(),
        response_bytes: UInt64Builder = UInt64Builder::new(),
        matched: StringBuilder = StringBuilder::new(),
        recall: Float32Builder = Float32Builder::new(),
    }
}

impl Columns {
    fn push(&mut self, row: &OutcomeRow<'_>) {
        self.rows += 1;
        self.push_identity(row);
        self.push_times(row);
        self.push_answer(row);
    }

    fn push_identity(&mut self, row: &OutcomeRow<'_>) {
        self.id.append_value(row.id);
        self.copy.append_value(row.copy);
        self.phase.append_value(row.phase);
        self.worker.append_value(row.worker);
        self.session.append_value(row.session);
        self.stream.append_value(row.stream);
        self.conn.append_value(row.conn);
        self.kind.append_value(row.kind.as_str());
        self.effect.append_value(row.effect.as_str());
        push_txn(&mut self.txn, row.txn);
        self.protocol.append_value(row.protocol);
        self.collection.append_value(row.collection);
        self.operation.append_value(row.operation);
        self.target.append_value(row.target);
    }

    fn push_times(&mut self, row: &OutcomeRow<'_>) {
        self.due_ns.append_value(row.due.ns());
        self.blocked_ns.append_value(row.blocked_ns);
        self.queued_ns.append_value(row.queued_ns);
        self.sent_ns.append_option(row.sent.map(RunNs::ns));
        self.first_byte_ns.append_option(row.first_byte.map(RunNs::ns));
        self.done_ns.append_option(row.done.map(RunNs::ns));
        self.connect_ns.append_option(row.connect_ns);
    }

    fn push_answer(&mut self, row: &OutcomeRow<'_>) {
        self.status.append_option(row.status);
        self.ok.append_value(row.ok);
        self.error.append_option(row.error.map(ErrorClass::as_str));
        self.items.append_value(row.items);
        self.request_bytes.append_value(row.request_bytes);
        self.response_bytes.append_value(row.response_bytes);
        self.matched.append_option(row.matched);
        self.recall.append_option(row.recall);
    }
}
