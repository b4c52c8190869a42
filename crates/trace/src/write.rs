//! Writing traces: batches of rows into row groups, under a temporary name until all is well.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Int64Builder, ListBuilder, RecordBatch, StringBuilder, StructBuilder, UInt32Builder,
    UInt64Builder,
};
use arrow::datatypes::{DataType, Field, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use std::sync::Arc;

use crate::limits::{BATCH_BYTES_MAX, BATCH_ROWS_MAX, ROW_GROUP_BYTES_MAX, SESSIONS_COUNTED_MAX};
use crate::{Error, Exchange, Header, Result, TraceMeta, Txn, Yield, schema};

/// A file that appears under its name only when it is whole: written beside it as `NAME.partial`, then renamed. Dropped before
/// [`AtomicFile::commit`], it leaves nothing behind.
#[derive(Debug)]
pub struct AtomicFile {
    file: Option<File>,
    path: PathBuf,
    partial: PathBuf,
}

impl AtomicFile {
    /// Creates `PATH.partial`.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be created.
    pub fn create(path: &Path) -> Result<Self> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = File::create(&partial).map_err(|e| Error::io("create", path, e))?;
        Ok(Self { file: Some(file), path: path.to_owned(), partial })
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// [`Error::Io`] when the disk is full or the rename fails.
    pub fn commit(mut self) -> Result<()> {
        if let Some(file) = self.file.take() {
            file.sync_data().map_err(|e| Error::io("write", &self.path, e))?;
        }
        std::fs::rename(&self.partial, &self.path).map_err(|e| Error::io("write", &self.path, e))
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().map_or(Ok(0), |file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), File::flush)
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // Nothing more can be done about a leftover than to name it `.partial`, which it is.
            let _ = std::fs::remove_file(&self.partial);
        }
    }
}

/// Batches of any schema into an atomic Parquet file; row groups close at [`ROW_GROUP_BYTES_MAX`].
pub(crate) struct ParquetFile {
    writer: ArrowWriter<AtomicFile>,
    path: PathBuf,
}

impl ParquetFile {
    pub(crate) fn create(path: &Path, kind: &str, schema: SchemaRef) -> Result<Self> {
        let file = AtomicFile::create(path)?;
        let properties = schema::properties(kind, Vec::new());
        let writer = ArrowWriter::try_new(file, schema, Some(properties)).map_err(|e| Error::parquet(path, e))?;
        Ok(Self { writer, path: path.to_owned() })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch).map_err(|e| self.error(e))?;
        if self.writer.in_progress_size() >= ROW_GROUP_BYTES_MAX {
            self.writer.flush().map_err(|e| self.error(e))?;
        }
        Ok(())
    }

    pub(crate) fn finish(self, meta: Vec<KeyValue>) -> Result<()> {
        let Self { mut writer, path } = self;
        for pair in meta {
            writer.append_key_value_metadata(pair);
        }
        writer.into_inner().map_err(|e| write_error(&path, e))?.commit()
    }

    fn error(&self, error: parquet::errors::ParquetError) -> Error {
        write_error(&self.path, error)
    }
}

/// A failed write is nearly always the system's word (disk full), which the codec wraps.
pub(crate) fn write_error(path: &Path, error: parquet::errors::ParquetError) -> Error {
    match error {
        parquet::errors::ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => Error::io("write", path, *error),
            Err(other) => Error::parquet(path, other),
        },
        other => Error::Io { action: "write", path: path.to_owned(), source: io::Error::other(other.to_string()) },
    }
}

/// Writes exchanges, which must come in trace order, and numbers them from 0.
pub struct TraceWriter {
    file: ParquetFile,
    columns: Columns,
    /// Body and text bytes in the columns.
    bytes: usize,
    path: PathBuf,
    last: Option<(crate::TraceNs, u64, u32, u64, u32)>,
    count: u64,
    sessions: HashSet<u64>,
    keep_ids: bool,
}

impl TraceWriter {
    /// Begins `path` (as `path.partial` until [`TraceWriter::finish`]).
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be created.
    pub fn create(path: &Path) -> Result<Self> {
        Ok(Self {
            file: ParquetFile::create(path, schema::TRACE, schema::trace())?,
            columns: Columns::new(),
            bytes: 0,
            path: path.to_owned(),
            last: None,
            count: 0,
            sessions: HashSet::new(),
            keep_ids: false,
        })
    }

    /// Keeps the `origin` the exchanges carry, for traces made from traces; otherwise `origin` is the new `id`.
    #[must_use]
    pub fn keep_origin(mut self) -> Self {
        self.keep_ids = true;
        self
    }

    /// Appends one exchange. `id` is given here.
    ///
    /// # Errors
    /// [`Error::Content`] when it comes before the one written last; [`Error::Io`] when the disk is full.
    pub fn push(&mut self, exchange: &Exchange) -> Result<()> {
        let order = exchange.order();
        if self.last.is_some_and(|last| order < last) {
            let reason = format!("exchange {} comes before the one written last; sort them first", self.count);
            return Err(Error::Content { path: self.path.clone(), reason });
        }
        self.last = Some(order);
        if self.sessions.len() < SESSIONS_COUNTED_MAX {
            self.sessions.insert(exchange.session);
        }
        let origin = if self.keep_ids { exchange.origin } else { self.count };
        self.columns.push(self.count, origin, exchange);
        self.bytes += exchange.weight_bytes();
        self.count += 1;
        let is_full = self.columns.rows >= BATCH_ROWS_MAX || self.bytes >= BATCH_BYTES_MAX;
        if is_full { self.flush() } else { Ok(()) }
    }

    /// Completes the footer and gives the file its name. `meta`'s counts are filled in here; returns them as written.
    ///
    /// # Errors
    /// [`Error::Io`] when the disk is full.
    pub fn finish(mut self, mut meta: TraceMeta) -> Result<TraceMeta> {
        self.flush()?;
        meta.tool = format!("rehearsal {}", env!("CARGO_PKG_VERSION"));
        meta.exchanges = self.count;
        meta.sessions = self.sessions.len() as u64;
        meta.span_ns = self.last.map_or(0, |(at, ..)| at.ns());
        let text = serde_json::to_string(&meta).expect("a footer is plain data");
        self.file.finish(vec![KeyValue::new(schema::META_KEY.to_owned(), text)])?;
        Ok(meta)
    }

    fn flush(&mut self) -> Result<()> {
        if self.columns.rows == 0 {
            return Ok(());
        }
        self.bytes = 0;
        self.file.write(&self.columns.take())
    }
}

/// A struct of column builders in schema order, written down once: each column's name, builder and how it begins. Makes `new` and
/// `take`, which gives the rows gathered so far.
macro_rules! columns {
    ($(#[$doc:meta])* $schema:path { $($column:ident: $kind:ty = $begin:expr),+ $(,)? }) => {
        $(#[$doc])*
        struct Columns {
            rows: usize,
            schema: SchemaRef,
            $($column: $kind),+
        }

        impl Columns {
            fn new() -> Self {
                Self { rows: 0, schema: $schema(), $($column: $begin),+ }
            }

            fn take(&mut self) -> RecordBatch {
                self.rows = 0;
                let columns: Vec<ArrayRef> = vec![$(Arc::new(self.$column.finish())),+];
                RecordBatch::try_new(self.schema.clone(), columns).expect("the builders stand in schema order")
            }
        }
    };
}

columns! {
    /// Column builders of a trace, in schema order.
    schema::trace {
        id: UInt64Builder = UInt64Builder::new(),
        origin: UInt64Builder = UInt64Builder::new(),
        copy: UInt32Builder = UInt32Builder::new(),
        at_ns: Int64Builder = Int64Builder::new(),
        session: UInt64Builder = UInt64Builder::new(),
        seq: UInt32Builder = UInt32Builder::new(),
        stream: UInt64Builder = UInt64Builder::new(),
        kind: StringBuilder = StringBuilder::new(),
        effect: StringBuilder = StringBuilder::new(),
        txn: StructBuilder = StructBuilder::from_fields(schema::txn_fields(), 0),
        protocol: StringBuilder = StringBuilder::new(),
        version: StringBuilder = StringBuilder::new(),
        endpoint: StringBuilder = StringBuilder::new(),
        collection: StringBuilder = StringBuilder::new(),
        operation: StringBuilder = StringBuilder::new(),
        method: StringBuilder = StringBuilder::new(),
        target: StringBuilder = StringBuilder::new(),
        headers: ListBuilder<StructBuilder> = struct_list(schema::header_fields()),
        request: BinaryBuilder = BinaryBuilder::new(),
        request_bytes: UInt64Builder = UInt64Builder::new(),
        response_bytes: UInt64Builder = UInt64Builder::new(),
        items: UInt32Builder = UInt32Builder::new(),
        status: StringBuilder = StringBuilder::new(),
        ok: BooleanBuilder = BooleanBuilder::new(),
        first_byte_ns: Int64Builder = Int64Builder::new(),
        latency_ns: Int64Builder = Int64Builder::new(),
        answer_hash: UInt64Builder = UInt64Builder::new(),
        answer_ids: ListBuilder<StringBuilder> = text_list(),
        yields: ListBuilder<StructBuilder> = struct_list(schema::yield_fields()),
        response: BinaryBuilder = BinaryBuilder::new(),
        flags: ListBuilder<StringBuilder> = text_list(),
    }
}

fn text_list() -> ListBuilder<StringBuilder> {
    ListBuilder::new(StringBuilder::new()).with_field(Field::new("item", DataType::Utf8, false))
}

fn struct_list(fields: arrow::datatypes::Fields) -> ListBuilder<StructBuilder> {
    let item = Field::new("item", DataType::Struct(fields.clone()), false);
    ListBuilder::new(StructBuilder::from_fields(fields, 0)).with_field(item)
}

/// Appends a transaction, or its absence, to a struct column of two texts.
fn push_txn(column: &mut StructBuilder, txn: Option<(&str, &str)>) {
    let (name, id) = txn.unwrap_or_default();
    column.field_builder::<StringBuilder>(0).expect("txn.name is text").append_value(name);
    column.field_builder::<StringBuilder>(1).expect("txn.id is text").append_value(id);
    column.append(txn.is_some());
}

impl Columns {
    fn push(&mut self, id: u64, origin: u64, exchange: &Exchange) {
        self.rows += 1;
        self.push_place(id, origin, exchange);
        self.push_names(exchange);
        self.push_request(exchange);
        self.push_answer(exchange);
    }

    fn push_place(&mut self, id: u64, origin: u64, exchange: &Exchange) {
        self.id.append_value(id);
        self.origin.append_value(origin);
        self.copy.append_value(exchange.copy);
        self.at_ns.append_value(exchange.at.ns());
        self.session.append_value(exchange.session);
        self.seq.append_value(exchange.seq);
        self.stream.append_value(exchange.stream);
        self.kind.append_value(exchange.kind.as_str());
        self.effect.append_value(exchange.effect.as_str());
        push_txn(&mut self.txn, exchange.txn.as_ref().map(|Txn { name, id }| (name.as_str(), id.as_str())));
    }

    fn push_names(&mut self, exchange: &Exchange) {
        self.protocol.append_value(&exchange.protocol);
        self.version.append_value(&exchange.version);
        self.endpoint.append_value(&exchange.endpoint);
        self.collection.append_value(&exchange.collection);
        self.operation.append_value(&exchange.operation);
        self.method.append_value(&exchange.method);
        self.target.append_value(&exchange.target);
    }

    fn push_request(&mut self, exchange: &Exchange) {
        for Header { name, value } in exchange.headers.iter().flatten() {
            let row = self.headers.values();
            row.field_builder::<StringBuilder>(0).expect("header name is text").append_value(name);
            row.field_builder::<BinaryBuilder>(1).expect("header value is bytes").append_value(value);
            row.append(true);
        }
        self.headers.append(exchange.headers.is_some());
        self.request.append_option(exchange.request.as_deref());
        self.request_bytes.append_value(exchange.request_bytes);
        self.response_bytes.append_value(exchange.response_bytes);
        self.items.append_value(exchange.items);
    }

    fn push_answer(&mut self, exchange: &Exchange) {
        self.status.append_option(exchange.status.as_deref());
        self.ok.append_option(exchange.ok);
        self.first_byte_ns.append_option(exchange.first_byte_ns);
        self.latency_ns.append_option(exchange.latency_ns);
        self.answer_hash.append_option(exchange.answer_hash);
        for id in exchange.answer_ids.iter().flatten() {
            self.answer_ids.values().append_value(id);
        }
        self.answer_ids.append(exchange.answer_ids.is_some());
        for Yield { name, value } in &exchange.yields {
            let row = self.yields.values();
            row.field_builder::<StringBuilder>(0).expect("yield name is text").append_value(name);
            row.field_builder::<StringBuilder>(1).expect("yield value is text").append_value(value);
            row.append(true);
        }
        self.yields.append(true);
        self.response.append_option(exchange.response.as_deref());
        for flag in exchange.flags.iter() {
            self.flags.values().append_value(flag.as_str());
        }
        self.flags.append(true);
    }
}
