//! What happened to one replayed request, and the rolling files these go to.

use std::path::{Path, PathBuf};

use parquet::data_type::{BoolType, FloatType, Int32Type, Int64Type};

use crate::columns::{GroupFile, Names, Numbers, OptionalNumbers, columns, encode};
use crate::exchange::closed_names;
use crate::limits::{OUTCOME_GROUP_ROWS_MAX, PART_ROWS_MAX};
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
        /// The answer came whole, with a good status, and says that the request failed (GraphQL `errors`, Milvus `code`, bulk items).
        Answer = "answer",
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

closed_names! {
    /// How a replayed answer agrees with the recorded one.
    Match {
        /// It is the same, as far as it was asked to be.
        Same = "same",
        /// The bodies differ, the recording kept no body that would say where, and the ids in it are the same in the same order.
        SameIds = "same-ids",
        /// Another status, none at all, or good where it was bad under the same status.
        DiffersStatus = "differs-status",
        /// Members are missing or new, or values of another kind.
        DiffersShape = "differs-shape",
        /// Other values.
        DiffersBody = "differs-body",
        /// Nothing can be said: there was no whole answer in the recording, or too little of one of them was kept.
        Unknown = "unknown",
    }
}

impl Match {
    /// Whether the answers agree.
    #[must_use]
    pub fn agrees(self) -> bool {
        matches!(self, Self::Same | Self::SameIds)
    }

    /// Whether the answers differ.
    #[must_use]
    pub fn differs(self) -> bool {
        matches!(self, Self::DiffersStatus | Self::DiffersShape | Self::DiffersBody)
    }
}

impl ErrorClass {
    /// Whether a whole answer came all the same.
    #[must_use]
    pub fn is_answered(self) -> bool {
        self == Self::Answer
    }

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
    /// Agreement with the recorded answer; `None` where none was asked for.
    pub matched: Option<Match>,
    /// Share of the recorded answer's ids that were found again; `None` where it had none.
    pub recall: Option<f32>,
    /// Spearman's rank correlation of the ids in both answers, −1 to 1; `None` for fewer than two.
    pub rank_correlation: Option<f32>,
}

/// A request that reads, due at the start of the run and never sent; all names are empty.
impl Default for OutcomeRow<'_> {
    fn default() -> Self {
        Self {
            id: 0,
            copy: 0,
            phase: "",
            worker: 0,
            session: 0,
            stream: 0,
            conn: 0,
            kind: Kind::Request,
            effect: Effect::Read,
            txn: None,
            protocol: "",
            collection: "",
            operation: "",
            target: "",
            due: RunNs(0),
            blocked_ns: 0,
            queued_ns: 0,
            sent: None,
            first_byte: None,
            done: None,
            connect_ns: None,
            status: None,
            ok: false,
            error: None,
            items: 0,
            request_bytes: 0,
            response_bytes: 0,
            matched: None,
            recall: None,
            rank_correlation: None,
        }
    }
}

/// Writes outcomes to `outcomes-*.parquet` of a run. Each part is closed and renamed into place, so that a kill loses only the
/// part being written; the caller decides when ([`OutcomeWriter::roll`]), [`PART_ROWS_MAX`] rows at the latest.
pub struct OutcomeWriter {
    dir: PathBuf,
    part: u32,
    part_rows: usize,
    rows: u64,
    file: Option<GroupFile>,
    columns: Columns,
}

impl OutcomeWriter {
    /// Begins the outcomes of the run in `dir`, which must exist.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), part: 0, part_rows: 0, rows: 0, file: None, columns: Columns::default() }
    }

    /// Appends one outcome.
    ///
    /// # Errors
    /// [`crate::Error::Io`] when the disk is full.
    pub fn push(&mut self, row: &OutcomeRow<'_>) -> Result<()> {
        self.columns.push(row);
        self.rows += 1;
        self.part_rows += 1;
        if self.columns.id.0.len() >= OUTCOME_GROUP_ROWS_MAX {
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
        parts::compact(&self.dir, schema::OUTCOMES)?;
        Ok(self.rows)
    }

    fn flush(&mut self) -> Result<()> {
        if self.columns.id.0.is_empty() {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let path = self.dir.join(parts::file_name(schema::OUTCOMES, self.part, self.part));
                none.insert(GroupFile::create(&path, schema::OUTCOMES, &schema::outcomes())?)
            }
        };
        let group = encode(&mut self.columns, file.layout());
        file.append(group)
    }
}

columns! {
    /// Columns of the outcomes.
    Columns {
        id: Numbers<Int64Type>,
        copy: Numbers<Int32Type>,
        phase: Names,
        worker: Numbers<Int32Type>,
        session: Numbers<Int64Type>,
        stream: Numbers<Int64Type>,
        conn: Numbers<Int64Type>,
        kind: Names,
        effect: Names,
        txn_name: Names,
        txn_id: Names,
        protocol: Names,
        collection: Names,
        operation: Names,
        target: Names,
        due_ns: Numbers<Int64Type>,
        blocked_ns: Numbers<Int64Type>,
        queued_ns: Numbers<Int64Type>,
        sent_ns: OptionalNumbers<Int64Type>,
        first_byte_ns: OptionalNumbers<Int64Type>,
        done_ns: OptionalNumbers<Int64Type>,
        connect_ns: OptionalNumbers<Int64Type>,
        status: Names,
        ok: Numbers<BoolType>,
        error: Names,
        items: Numbers<Int32Type>,
        request_bytes: Numbers<Int64Type>,
        response_bytes: Numbers<Int64Type>,
        matched: Names,
        recall: OptionalNumbers<FloatType>,
        rank_correlation: OptionalNumbers<FloatType>,
    }
}

impl Columns {
    fn push(&mut self, row: &OutcomeRow<'_>) {
        self.push_identity(row);
        self.push_times(row);
        self.push_answer(row);
    }

    fn push_identity(&mut self, row: &OutcomeRow<'_>) {
        self.id.push(row.id.cast_signed());
        self.copy.push(row.copy.cast_signed());
        self.phase.push(Some(row.phase));
        self.worker.push(row.worker.cast_signed());
        self.session.push(row.session.cast_signed());
        self.stream.push(row.stream.cast_signed());
        self.conn.push(row.conn.cast_signed());
        self.kind.push(Some(row.kind.as_str()));
        self.effect.push(Some(row.effect.as_str()));
        self.txn_name.push(row.txn.map(|(name, _)| name));
        self.txn_id.push(row.txn.map(|(_, id)| id));
        self.protocol.push(Some(row.protocol));
        self.collection.push(Some(row.collection));
        self.operation.push(Some(row.operation));
        self.target.push(Some(row.target));
    }

    fn push_times(&mut self, row: &OutcomeRow<'_>) {
        self.due_ns.push(row.due.ns());
        self.blocked_ns.push(row.blocked_ns);
        self.queued_ns.push(row.queued_ns);
        self.sent_ns.push(row.sent.map(RunNs::ns));
        self.first_byte_ns.push(row.first_byte.map(RunNs::ns));
        self.done_ns.push(row.done.map(RunNs::ns));
        self.connect_ns.push(row.connect_ns);
    }

    fn push_answer(&mut self, row: &OutcomeRow<'_>) {
        self.status.push(row.status);
        self.ok.push(row.ok);
        self.error.push(row.error.map(ErrorClass::as_str));
        self.items.push(row.items.cast_signed());
        self.request_bytes.push(row.request_bytes.cast_signed());
        self.response_bytes.push(row.response_bytes.cast_signed());
        self.matched.push(row.matched.map(Match::as_str));
        self.recall.push(row.recall);
        self.rank_correlation.push(row.rank_correlation);
    }
}
