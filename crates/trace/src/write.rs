//! Writing traces: batches of rows into row groups, under a temporary name until all is well.

use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use foldhash::fast::RandomState;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;

use crate::columns::{GroupFile, RowGroup, encode};
use crate::limits::{ROW_GROUP_BYTES_MAX, ROW_GROUP_ROWS_MAX, ROW_GROUPS_ENCODED_MAX, SESSIONS_COUNTED_MAX};
use crate::rows::{HeldRows, Order, TraceColumns, row_bytes};
use crate::{Error, Exchange, Result, TraceMeta, TraceNs, schema};

/// Bytes that are written at once, since Parquet hands on a few kilobytes at a time.
const WRITE_BYTES: usize = 256 << 10;

/// A file that appears under its name only when it is whole: written beside it as `NAME.partial`, then renamed. Dropped before
/// [`AtomicFile::commit`], it leaves nothing behind.
#[derive(Debug)]
pub struct AtomicFile {
    file: Option<BufWriter<File>>,
    path: PathBuf,
    partial: PathBuf,
}

impl AtomicFile {
    /// Whether a file can appear under this name: its folder is there, and so far the name is free or a file's.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot.
    pub fn check(path: &Path) -> Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::metadata(folder.join(".")).map_err(|e| Error::io("create", path, e))?;
        match std::fs::metadata(path) {
            Ok(there) if !there.is_file() => Err(Error::io("replace", path, io::Error::other("it is not a file"))),
            _ => Ok(()),
        }
    }

    /// Creates `PATH.partial`.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be created, or [`AtomicFile::check`] fails.
    pub fn create(path: &Path) -> Result<Self> {
        Self::check(path)?;
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = File::create(&partial).map_err(|e| Error::io("create", path, e))?;
        Ok(Self { file: Some(BufWriter::with_capacity(WRITE_BYTES, file)), path: path.to_owned(), partial })
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// [`Error::Io`] when the disk is full or the rename fails.
    pub fn commit(mut self) -> Result<()> {
        if let Some(file) = &mut self.file {
            let written = file.flush().and_then(|()| file.get_ref().sync_data());
            written.map_err(|e| Error::io("write", &self.path, e))?;
        }
        self.file = None;
        std::fs::rename(&self.partial, &self.path).map_err(|e| Error::io("write", &self.path, e))
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().map_or(Ok(0), |file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), BufWriter::flush)
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            // What was not written yet does not matter any more.
            drop(file.into_parts());
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
///
/// Row groups are encoded on threads of their own. Where a group ends depends on its rows alone, so that the same exchanges give the same
/// bytes, however they came here.
pub struct TraceWriter {
    file: GroupFile,
    /// The row group being gathered, its rows and what they weigh.
    columns: TraceColumns,
    rows: usize,
    bytes: usize,
    /// Groups being encoded, in their order in the file.
    encoding: VecDeque<JoinHandle<(parquet::errors::Result<RowGroup>, TraceColumns)>>,
    /// Empty columns, for their room.
    spare: Vec<TraceColumns>,
    path: PathBuf,
    start: TraceNs,
    last: Option<Order>,
    count: u64,
    sessions: HashSet<u64, RandomState>,
    keep_ids: bool,
}

impl TraceWriter {
    /// Begins `path` (as `path.partial` until [`TraceWriter::finish`]).
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be created.
    pub fn create(path: &Path) -> Result<Self> {
        Ok(Self {
            file: GroupFile::create(path, schema::TRACE, &schema::trace())?,
            columns: TraceColumns::default(),
            rows: 0,
            bytes: 0,
            encoding: VecDeque::new(),
            spare: Vec::new(),
            path: path.to_owned(),
            start: TraceNs(0),
            last: None,
            count: 0,
            sessions: HashSet::default(),
            keep_ids: false,
        })
    }

    /// Keeps the `origin` the exchanges carry, for traces made from traces; otherwise `origin` is the new `id`.
    #[must_use]
    pub fn keep_origin(mut self) -> Self {
        self.keep_ids = true;
        self
    }

    /// Writes times as counted from `start`.
    pub(crate) fn counting_from(mut self, start: TraceNs) -> Self {
        self.start = start;
        self
    }

    /// What the exchange written last is sorted by.
    pub(crate) fn last(&self) -> Option<Order> {
        self.last
    }

    /// Appends one exchange. `id` is given here.
    ///
    /// # Errors
    /// [`Error::Content`] when it comes before the one written last; [`Error::Io`] when the disk is full.
    pub fn push(&mut self, exchange: &Exchange) -> Result<()> {
        self.count_row(exchange.order(), row_bytes(exchange))?;
        self.columns.push(exchange);
        if self.is_full() { self.close_group() } else { Ok(()) }
    }

    /// Appends these rows of `held`, which are in trace order.
    pub(crate) fn append(&mut self, held: &mut HeldRows, rows: &[u32]) -> Result<()> {
        let mut begin = 0;
        for (index, row) in rows.iter().enumerate() {
            self.count_row(held.order(*row), held.row_bytes(*row))?;
            if self.is_full() {
                held.give(&rows[begin..=index], &mut self.columns);
                begin = index + 1;
                self.close_group()?;
            }
        }
        held.give(&rows[begin..], &mut self.columns);
        Ok(())
    }

    fn count_row(&mut self, order: Order, bytes: usize) -> Result<()> {
        if self.last.is_some_and(|last| order < last) {
            let reason = format!("exchange {} comes before the one written last; sort them first", self.count);
            return Err(Error::Content { path: self.path.clone(), reason });
        }
        self.last = Some(order);
        if self.sessions.len() < SESSIONS_COUNTED_MAX {
            self.sessions.insert(order.1);
        }
        self.count += 1;
        self.rows += 1;
        self.bytes += bytes;
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.rows >= ROW_GROUP_ROWS_MAX || self.bytes >= ROW_GROUP_BYTES_MAX
    }

    /// Completes the footer and gives the file its name. `meta`'s counts are filled in here; returns them as written.
    ///
    /// # Errors
    /// [`Error::Io`] when the disk is full.
    pub fn finish(mut self, mut meta: TraceMeta) -> Result<TraceMeta> {
        self.close_group()?;
        while !self.encoding.is_empty() {
            self.write_oldest()?;
        }
        meta.tool = format!("rehearsal {}", env!("CARGO_PKG_VERSION"));
        meta.exchanges = self.count;
        meta.sessions = self.sessions.len() as u64;
        meta.span_ns = self.last.map_or(0, |(at, ..)| at - self.start);
        let text = serde_json::to_string(&meta).expect("a footer is plain data");
        self.file.finish(vec![KeyValue::new(schema::META_KEY.to_owned(), text)])?;
        Ok(meta)
    }

    /// Has the rows gathered so far encoded as one group.
    fn close_group(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        if self.encoding.len() >= ROW_GROUPS_ENCODED_MAX {
            self.write_oldest()?;
        }
        let mut columns = std::mem::replace(&mut self.columns, self.spare.pop().unwrap_or_default());
        columns.place(self.count - self.rows as u64, self.start, self.keep_ids);
        (self.rows, self.bytes) = (0, 0);
        let layout = self.file.layout().clone();
        self.encoding.push_back(thread::spawn(move || (encode(&mut columns, &layout), columns)));
        Ok(())
    }

    fn write_oldest(&mut self) -> Result<()> {
        let Some(oldest) = self.encoding.pop_front() else { return Ok(()) };
        let (group, columns) = oldest.join().expect("encoding does not panic");
        self.spare.push(columns);
        self.file.append(group)
    }
}
