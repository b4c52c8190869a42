//! Reading traces in bounded memory: batches of rows that borrow from the file's pages.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array, AsArray, BinaryViewArray, BooleanArray, Int64Array, ListArray, RecordBatch, StringViewArray, StructArray, UInt32Array,
    UInt64Array,
};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::file::metadata::ParquetMetaData;

use crate::limits::{BATCH_BYTES_MAX, BATCH_ROWS_MAX};
use crate::{Effect, Error, Exchange, Flag, Flags, Header, Kind, Name, Names, Result, TraceMeta, TraceNs, Txn, Yield, schema};

/// The files of a trace: itself, or the `*.parquet` files of a folder in name order.
///
/// # Errors
/// [`Error::Io`] when there is nothing at `path`; [`Error::Content`] when the folder holds no Parquet file.
pub fn trace_files(path: &Path) -> Result<Vec<PathBuf>> {
    if !std::fs::metadata(path).map_err(|e| Error::io("read", path, e))?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(|e| Error::io("read", path, e))? {
        let file = entry.map_err(|e| Error::io("read", path, e))?.path();
        if file.extension().is_some_and(|extension| extension == "parquet") {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Error::Content { path: path.to_owned(), reason: "the folder holds no *.parquet file".to_owned() });
    }
    Ok(files)
}

/// Reads one trace, a file or a folder of files, in trace order. Exchanges of several files are merged and numbered anew.
pub struct TraceReader {
    sources: Vec<FileReader>,
    metas: Vec<TraceMeta>,
    next_id: u64,
    path: PathBuf,
}

impl TraceReader {
    /// Opens all columns.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Parquet`] for what is not Parquet, [`Error::Kind`] for another kind or version of file.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_columns(path, None)
    }

    /// Opens only the named columns (besides `at_ns`, `session`, `seq`); the other fields of a [`Row`] are empty.
    ///
    /// # Errors
    /// As [`TraceReader::open`].
    pub fn open_columns(path: &Path, columns: Option<&[&str]>) -> Result<Self> {
        Self::open_within(path, columns, BATCH_BYTES_MAX)
    }

    /// As [`TraceReader::open_columns`], with batches of about `batch_bytes` at the most, judged by the file's mean row.
    pub(crate) fn open_within(path: &Path, columns: Option<&[&str]>, batch_bytes: usize) -> Result<Self> {
        let files = trace_files(path)?;
        let mut sources = Vec::with_capacity(files.len());
        let mut metas = Vec::with_capacity(files.len());
        for file in &files {
            let (source, meta) = FileReader::open(file, columns, batch_bytes / files.len(), None)?;
            sources.push(source);
            metas.push(meta);
        }
        Ok(Self { sources, metas, next_id: 0, path: path.to_owned() })
    }

    /// The footer of each file.
    #[must_use]
    pub fn metas(&self) -> &[TraceMeta] {
        &self.metas
    }

    /// Rows in all files.
    #[must_use]
    pub fn exchanges(&self) -> u64 {
        self.metas.iter().map(|meta| meta.exchanges).sum()
    }

    /// The next rows in trace order; `None` at the end. At most [`BATCH_ROWS_MAX`] rows.
    ///
    /// # Errors
    /// [`Error::Parquet`] when a page is damaged.
    pub fn next_batch(&mut self) -> Result<Option<Batch>> {
        let single = self.sources.len() == 1;
        let records = if single { self.sources[0].next_records()? } else { self.merged()? };
        let Some(records) = records else { return Ok(None) };
        let first_id = self.next_id;
        self.next_id += records.num_rows() as u64;
        Batch::new(&records, first_id, &self.path).map(Some)
    }

    /// Rows of several files, interleaved by (`at_ns`, `session`, `seq`), until one file's batch runs out.
    fn merged(&mut self) -> Result<Option<RecordBatch>> {
        for source in &mut self.sources {
            source.fill()?;
        }
        self.sources.retain(|source| source.current.is_some());
        let mut picks = Vec::with_capacity(BATCH_ROWS_MAX);
        while picks.len() < BATCH_ROWS_MAX {
            let heads = self.sources.iter().enumerate().map(|(index, source)| (source.head(), index));
            let Some((_, index)) = heads.min() else { break };
            let source = &mut self.sources[index];
            picks.push((index, source.position));
            source.position += 1;
            if source.exhausted() {
                break;
            }
        }
        if picks.is_empty() {
            return Ok(None);
        }
        let batches: Vec<&RecordBatch> = self.sources.iter().filter_map(|source| source.current.as_ref()).collect();
        interleave_record_batch(&batches, &picks).map(Some).map_err(|e| Error::parquet(&self.path, e))
    }
}

/// The exchanges with these ids, in the order of the trace, with the named columns; ids that the trace does not have are left out. Of a
/// single file only the row groups that hold them are read.
///
/// # Errors
/// As [`TraceReader::open`] and [`TraceReader::next_batch`].
pub fn exchanges_of(path: &Path, ids: &[u64], columns: &[&str]) -> Result<Vec<Exchange>> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let mut names = Names::default();
    let mut found = Vec::with_capacity(ids.len());
    let files = trace_files(path)?;
    if let [file] = files.as_slice() {
        let (mut source, meta) = FileReader::open(file, Some(columns), BATCH_BYTES_MAX, Some(&ids))?;
        let mut there = ids.into_iter().filter(|id| *id < meta.exchanges);
        while let Some(records) = source.next_records()? {
            let batch = Batch::new(&records, 0, path)?;
            let exchanges = batch.rows().zip(&mut there);
            found.extend(exchanges.map(|(row, id)| Exchange { id, ..row.to_exchange(&mut names) }));
        }
        return Ok(found);
    }
    let mut reader = TraceReader::open_columns(path, Some(columns))?;
    while let (Some(batch), true) = (reader.next_batch()?, found.len() < ids.len()) {
        let wanted = batch.rows().filter(|row| ids.binary_search(&row.id()).is_ok());
        found.extend(wanted.map(|row| row.to_exchange(&mut names)));
    }
    Ok(found)
}

/// One file of a trace.
struct FileReader {
    reader: ParquetRecordBatchReader,
    path: PathBuf,
    current: Option<RecordBatch>,
    position: usize,
}

impl FileReader {
    /// With `rows`, only these places of the file, rising and each once.
    fn open(path: &Path, columns: Option<&[&str]>, batch_bytes: usize, rows: Option<&[u64]>) -> Result<(Self, TraceMeta)> {
        let file = File::open(path).map_err(|e| Error::io("read", path, e))?;
        let found = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(|e| Error::parquet(path, e))?;
        let footer = found.metadata().file_metadata().key_value_metadata();
        schema::check_identity(path, footer, schema::TRACE)?;
        let meta = schema::footer_value(footer, schema::META_KEY).unwrap_or("{}");
        let meta = serde_json::from_str(meta).map_err(|e| Error::parquet(path, format!("its footer is damaged ({e})")))?;
        let options = ArrowReaderOptions::new().with_schema(view_schema());
        let builder =
            ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).map_err(|e| Error::parquet(path, e))?;
        let mask = match columns {
            None => ProjectionMask::all(),
            Some(names) => {
                let names = names.iter().copied().chain(["at_ns", "session", "seq"]);
                ProjectionMask::columns(builder.parquet_schema(), names)
            }
        };
        let all = usize::try_from(found.metadata().file_metadata().num_rows()).unwrap_or(0);
        let mut builder = builder.with_batch_size(batch_rows(found.metadata(), batch_bytes)).with_projection(mask);
        if let Some(rows) = rows {
            let places = rows.iter().filter_map(|row| usize::try_from(*row).ok()).filter(|row| *row < all);
            let places = places.map(|place| place..place + 1);
            builder = builder.with_row_selection(RowSelection::from_consecutive_ranges(places, all));
        }
        let reader = builder.build().map_err(|e| Error::parquet(path, e))?;
        Ok((Self { reader, path: path.to_owned(), current: None, position: 0 }, meta))
    }

    fn next_records(&mut self) -> Result<Option<RecordBatch>> {
        self.reader.next().transpose().map_err(|e| Error::parquet(&self.path, e))
    }

    fn exhausted(&self) -> bool {
        self.current.as_ref().is_none_or(|batch| self.position >= batch.num_rows())
    }

    fn fill(&mut self) -> Result<()> {
        while self.exhausted() {
            self.current = self.next_records()?;
            self.position = 0;
            if self.current.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Order of the row at the head; only called while there is one.
    fn head(&self) -> (i64, u64, u32) {
        let batch = self.current.as_ref().expect("sources without rows are dropped first");
        let row = self.position;
        (
            int_column(batch, "at_ns").map_or(0, |c| c.value(row)),
            batch.column_by_name("session").map_or(0, |c| c.as_primitive::<UInt64Type>().value(row)),
            batch.column_by_name("seq").map_or(0, |c| c.as_primitive::<arrow::datatypes::UInt32Type>().value(row)),
        )
    }
}

/// Rows that weigh about `batch_bytes` when the file's mean row is the measure.
fn batch_rows(file: &ParquetMetaData, batch_bytes: usize) -> usize {
    let bytes: i64 = file.row_groups().iter().map(|group| group.total_byte_size()).sum();
    let rows = file.file_metadata().num_rows().max(1);
    let mean_bytes = usize::try_from(bytes / rows).unwrap_or(0).max(1);
    (batch_bytes / mean_bytes).clamp(1, BATCH_ROWS_MAX)
}

fn int_column<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a Int64Array> {
    batch.column_by_name(name)?.as_any().downcast_ref()
}

/// The trace schema with texts and bodies as views into the pages, so that reading copies neither.
fn view_schema() -> SchemaRef {
    Arc::new(Schema::new(schema::trace().fields().iter().map(view).collect::<Vec<_>>()))
}

fn view(field: &Arc<Field>) -> Arc<Field> {
    let kind = match field.data_type() {
        DataType::Utf8 => DataType::Utf8View,
        DataType::Binary => DataType::BinaryView,
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(view).collect()),
        DataType::List(item) => DataType::List(view(item)),
        other => other.clone(),
    };
    Arc::new(field.as_ref().clone().with_data_type(kind))
}

macro_rules! batch_columns {
    ($($field:ident: $array:ty),+ $(,)?) => {
        /// Some rows of a trace.
        pub struct Batch {
            rows: usize,
            first_id: u64,
            $($field: Option<$array>,)+
        }

        impl Batch {
            fn new(records: &RecordBatch, first_id: u64, path: &Path) -> Result<Self> {
                Ok(Self {
                    rows: records.num_rows(),
                    first_id,
                    $($field: column::<$array>(records, stringify!($field), path)?,)+
                })
            }
        }
    };
}

batch_columns! {
    origin: UInt64Array, copy: UInt32Array, at_ns: Int64Array, session: UInt64Array, seq: UInt32Array, stream: UInt64Array,
    kind: StringViewArray, effect: StringViewArray, txn: StructArray, protocol: StringViewArray, version: StringViewArray,
    endpoint: StringViewArray, collection: StringViewArray, operation: StringViewArray, method: StringViewArray,
    target: StringViewArray, headers: ListArray, request: BinaryViewArray, request_bytes: UInt64Array,
    response_bytes: UInt64Array, items: UInt32Array, status: StringViewArray, ok: BooleanArray, first_byte_ns: Int64Array,
    latency_ns: Int64Array, answer_hash: UInt64Array, answer_ids: ListArray, yields: ListArray, response: BinaryViewArray,
    flags: ListArray,
}

fn column<A: Array + Clone + 'static>(records: &RecordBatch, name: &str, path: &Path) -> Result<Option<A>> {
    let Some(column) = records.column_by_name(name) else { return Ok(None) };
    let array = column.as_any().downcast_ref::<A>().cloned();
    array.map(Some).ok_or_else(|| Error::Content {
        path: path.to_owned(),
        reason: format!("column `{name}` has type {}, which a trace of this version does not have", column.data_type()),
    })
}

impl Batch {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// True where there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The row at `index`, which must be below [`Batch::len`].
    #[must_use]
    pub fn row(&self, index: usize) -> Row<'_> {
        assert!(index < self.rows, "row {index} of a batch of {}", self.rows);
        Row { batch: self, index }
    }

    /// All rows in order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.rows).map(|index| Row { batch: self, index })
    }
}

/// One row, borrowed from its batch. Columns that were not opened are empty. See [`Exchange`] for what each field means.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    batch: &'a Batch,
    index: usize,
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident: $kind:ty),+ $(,)?) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name(&self) -> $kind {
            self.batch.$name.as_ref().map_or(0, |column| column.value(self.index))
        })+
    };
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name(&self) -> &'a str {
            self.batch.$name.as_ref().map_or("", |column| column.value(self.index))
        })+
    };
}

macro_rules! options {
    ($($(#[$doc:meta])* $name:ident: $kind:ty),+ $(,)?) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name(&self) -> Option<$kind> {
            let column = self.batch.$name.as_ref()?;
            column.is_valid(self.index).then(|| column.value(self.index))
        })+
    };
}

impl<'a> Row<'a> {
    numbers! {
        /// The id in the trace this one was made from.
        origin: u64,
        /// Which copy.
        copy: u32,
        /// The recorded user.
        session: u64,
        /// Place inside the session.
        seq: u32,
        /// Independent order inside the session.
        stream: u64,
        /// Bytes on the wire.
        request_bytes: u64,
        /// Bytes on the wire.
        response_bytes: u64,
        /// Records, vectors or rows.
        items: u32,
    }

    texts! {
        /// Name of the protocol.
        protocol,
        /// Its version.
        version,
        /// The recorded server.
        endpoint,
        /// What is addressed.
        collection,
        /// The normalized verb.
        operation,
        /// HTTP method or its like.
        method,
        /// Path and query or its like.
        target,
    }

    options! {
        /// Body or wire messages.
        request: &'a [u8],
        /// Status of the answer.
        status: &'a str,
        /// Whether the answer was good.
        ok: bool,
        /// To the first byte of the answer, ns.
        first_byte_ns: i64,
        /// To the last byte of the answer, ns.
        latency_ns: i64,
        /// Digest of the answer.
        answer_hash: u64,
        /// Body of the answer.
        response: &'a [u8],
    }

    /// Place in the trace.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.batch.first_id + self.index as u64
    }

    /// First byte of the request.
    #[must_use]
    pub fn at(&self) -> TraceNs {
        TraceNs(self.batch.at_ns.as_ref().map_or(0, |column| column.value(self.index)))
    }

    /// What the row is; a name this version does not know reads as a request.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.batch.kind.as_ref().and_then(|column| Kind::parse(column.value(self.index))).unwrap_or(Kind::Request)
    }

    /// What it does to the target; a name this version does not know reads as a write, the careful answer.
    #[must_use]
    pub fn effect(&self) -> Effect {
        let Some(column) = &self.batch.effect else { return Effect::Read };
        Effect::parse(column.value(self.index)).unwrap_or(Effect::Write)
    }

    /// Name and id of its unit of work.
    #[must_use]
    pub fn txn(&self) -> Option<(&'a str, &'a str)> {
        let column = self.batch.txn.as_ref()?;
        column.is_valid(self.index).then(|| (text(column.column(0), self.index), text(column.column(1), self.index)))
    }

    /// Names and values of the headers, in order; nothing where there are none.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        let (range, pairs) = self.list(self.batch.headers.as_ref());
        range.map(move |i| {
            let pairs = pairs.expect("a range is empty without a list").as_struct();
            (text(pairs.column(0), i), pairs.column(1).as_binary_view().value(i))
        })
    }

    /// Whether the protocol has headers at all.
    #[must_use]
    pub fn has_headers(&self) -> bool {
        self.batch.headers.as_ref().is_some_and(|column| column.is_valid(self.index))
    }

    /// Identifiers in the answer; `None` where it has none.
    #[must_use]
    pub fn answer_ids(&self) -> Option<Vec<&'a str>> {
        let column = self.batch.answer_ids.as_ref()?;
        if column.is_null(self.index) {
            return None;
        }
        let (range, ids) = self.list(Some(column));
        Some(range.map(|i| ids.map_or("", |ids| text(ids, i))).collect())
    }

    /// Names and values that later requests may carry.
    pub fn yields(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let (range, pairs) = self.list(self.batch.yields.as_ref());
        range.map(move |i| {
            let pairs = pairs.expect("a range is empty without a list").as_struct();
            (text(pairs.column(0), i), text(pairs.column(1), i))
        })
    }

    /// What is special about it; names this version does not know are passed over.
    #[must_use]
    pub fn flags(&self) -> Flags {
        let (range, names) = self.list(self.batch.flags.as_ref());
        let known = range.filter_map(|i| Flag::parse(names.map_or("", |names| text(names, i))));
        known.fold(Flags::default(), Flags::with)
    }

    fn list(&self, column: Option<&'a ListArray>) -> (std::ops::Range<usize>, Option<&'a dyn Array>) {
        match column {
            Some(column) if column.is_valid(self.index) => {
                let offsets = column.value_offsets();
                (offsets[self.index] as usize..offsets[self.index + 1] as usize, Some(column.values().as_ref()))
            }
            _ => (0..0, None),
        }
    }

    /// An owned copy; `names` keeps repeated texts shared.
    #[must_use]
    pub fn to_exchange(&self, names: &mut Names) -> Exchange {
        let mut name = |text: &str| -> Name { names.get(text) };
        Exchange {
            id: self.id(),
            origin: self.origin(),
            copy: self.copy(),
            at: self.at(),
            session: self.session(),
            seq: self.seq(),
            stream: self.stream(),
            kind: self.kind(),
            effect: self.effect(),
            txn: self.txn().map(|(kind, id)| Txn { name: name(kind), id: id.into() }),
            protocol: name(self.protocol()),
            version: name(self.version()),
            endpoint: name(self.endpoint()),
            collection: name(self.collection()),
            operation: name(self.operation()),
            method: name(self.method()),
            status: self.status().map(&mut name),
            target: self.target().into(),
            headers: self.has_headers().then(|| self.headers().map(owned_header).collect()),
            request: self.request().map(Bytes::copy_from_slice),
            request_bytes: self.request_bytes(),
            response_bytes: self.response_bytes(),
            items: self.items(),
            ok: self.ok(),
            first_byte_ns: self.first_byte_ns(),
            latency_ns: self.latency_ns(),
            answer_hash: self.answer_hash(),
            answer_ids: self.answer_ids().map(|ids| ids.into_iter().map(str::to_owned).collect()),
            yields: self.yields().map(|(name, value)| Yield { name: name.into(), value: value.into() }).collect(),
            response: self.response().map(Bytes::copy_from_slice),
            flags: self.flags(),
        }
    }
}

fn owned_header((name, value): (&str, &[u8])) -> Header {
    Header { name: name.into(), value: Bytes::copy_from_slice(value) }
}

/// The text at `index` of a column inside a list or struct.
fn text(column: &dyn Array, index: usize) -> &str {
    column.as_any().downcast_ref::<StringViewArray>().map_or("", |texts| texts.value(index))
}
