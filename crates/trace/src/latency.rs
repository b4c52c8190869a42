//! Latency per slice and series as sparse HdrHistograms, mergeable by adding counts.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Builder, ListBuilder, RecordBatch, StringBuilder, UInt64Builder};
use arrow::datatypes::{DataType, Field, Int64Type, UInt64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::limits::BATCH_ROWS_MAX;
use crate::write::ParquetFile;
use crate::{Error, Result, RunNs, schema};

/// One slice of one series. `values_ns[i]` is the highest value equivalent to bucket `i`, seen `counts[i]` times.
#[derive(Debug, Clone, Copy)]
pub struct LatencyRow<'a> {
    /// When the slice begins.
    pub slice_start: RunNs,
    /// How long it is.
    pub slice_ns: i64,
    /// The series' collection.
    pub collection: &'a str,
    /// The series' operation.
    pub operation: &'a str,
    /// The series' phase.
    pub phase: &'a str,
    /// `response` (from due), `service` (from sent) or `lateness`.
    pub measure: &'a str,
    /// Values recorded.
    pub count: u64,
    /// Smallest, exact to the histogram's 3 digits.
    pub min_ns: i64,
    /// Largest, likewise.
    pub max_ns: i64,
    /// Buckets, rising.
    pub values_ns: &'a [i64],
    /// How often each.
    pub counts: &'a [u64],
}

/// Writes `latency-*.parquet`.
pub struct LatencyWriter {
    file: ParquetFile,
    rows: usize,
    slice_start_ns: Int64Builder,
    slice_ns: Int64Builder,
    names: [StringBuilder; 4],
    count: UInt64Builder,
    min_ns: Int64Builder,
    max_ns: Int64Builder,
    values_ns: ListBuilder<Int64Builder>,
    counts: ListBuilder<UInt64Builder>,
}

impl LatencyWriter {
    /// Begins `path`.
    ///
    /// # Errors
    /// [`crate::Error::Io`] when it cannot be created.
    pub fn create(path: &Path) -> Result<Self> {
        let item = |kind| Field::new("item", kind, false);
        Ok(Self {
            file: ParquetFile::create(path, schema::LATENCY, schema::latency())?,
            rows: 0,
            slice_start_ns: Int64Builder::new(),
            slice_ns: Int64Builder::new(),
            names: std::array::from_fn(|_| StringBuilder::new()),
            count: UInt64Builder::new(),
            min_ns: Int64Builder::new(),
            max_ns: Int64Builder::new(),
            values_ns: ListBuilder::new(Int64Builder::new()).with_field(item(DataType::Int64)),
            counts: ListBuilder::new(UInt64Builder::new()).with_field(item(DataType::UInt64)),
        })
    }

    /// Appends one slice of one series.
    ///
    /// # Errors
    /// [`crate::Error::Io`] when the disk is full.
    pub fn push(&mut self, row: &LatencyRow<'_>) -> Result<()> {
        self.slice_start_ns.append_value(row.slice_start.ns());
        self.slice_ns.append_value(row.slice_ns);
        for (column, name) in self.names.iter_mut().zip([row.collection, row.operation, row.phase, row.measure]) {
            column.append_value(name);
        }
        self.count.append_value(row.count);
        self.min_ns.append_value(row.min_ns);
        self.max_ns.append_value(row.max_ns);
        self.values_ns.values().append_slice(row.values_ns);
        self.values_ns.append(true);
        self.counts.values().append_slice(row.counts);
        self.counts.append(true);
        self.rows += 1;
        if self.rows >= BATCH_ROWS_MAX { self.flush() } else { Ok(()) }
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// [`crate::Error::Io`] when the disk is full.
    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        self.file.finish(Vec::new())
    }

    fn flush(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        self.rows = 0;
        let [collection, operation, phase, measure] = &mut self.names;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.slice_start_ns.finish()),
            Arc::new(self.slice_ns.finish()),
            Arc::new(collection.finish()),
            Arc::new(operation.finish()),
            Arc::new(phase.finish()),
            Arc::new(measure.finish()),
            Arc::new(self.count.finish()),
            Arc::new(self.min_ns.finish()),
            Arc::new(self.max_ns.finish()),
            Arc::new(self.values_ns.finish()),
            Arc::new(self.counts.finish()),
        ];
        let batch = RecordBatch::try_new(schema::latency(), columns).expect("the builders stand in schema order");
        self.file.write(&batch)
    }
}

/// Hands every row of the `latency-*.parquet` of the run in `dir` to `take`, file by file.
///
/// # Errors
/// [`Error::Io`] when the folder or a file cannot be read, [`Error::Kind`] for another kind or version of file, [`Error::Parquet`] when one
/// is damaged, [`Error::Content`] when there is none.
pub fn read_latencies(dir: &Path, mut take: impl FnMut(&LatencyRow<'_>)) -> Result<()> {
    let files = latency_files(dir)?;
    if files.is_empty() {
        return Err(Error::Content { path: dir.to_owned(), reason: "the run holds no latency-*.parquet".to_owned() });
    }
    for path in &files {
        let file = File::open(path).map_err(|e| Error::io("read", path, e))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| Error::parquet(path, e))?;
        schema::check_identity(path, builder.metadata().file_metadata().key_value_metadata(), schema::LATENCY)?;
        for batch in builder.with_batch_size(BATCH_ROWS_MAX).build().map_err(|e| Error::parquet(path, e))? {
            read_rows(&batch.map_err(|e| Error::parquet(path, e))?, &mut take);
        }
    }
    Ok(())
}

fn latency_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|e| Error::io("read", dir, e))? {
        let path = entry.map_err(|e| Error::io("read", dir, e))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("latency-") && name.ends_with(".parquet") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read_rows(batch: &RecordBatch, take: &mut impl FnMut(&LatencyRow<'_>)) {
    let column = |name: &str| batch.column_by_name(name).expect("a column of the schema");
    let numbers = |name: &str| column(name).as_primitive::<Int64Type>().values();
    let names = |name: &str| column(name).as_string::<i32>();
    let (starts, widths, mins, maxs) = (numbers("slice_start_ns"), numbers("slice_ns"), numbers("min_ns"), numbers("max_ns"));
    let (collections, operations, phases, measures) = (names("collection"), names("operation"), names("phase"), names("measure"));
    let totals = column("count").as_primitive::<UInt64Type>().values();
    let (values, counts) = (column("values_ns").as_list::<i32>(), column("counts").as_list::<i32>());
    for row in 0..batch.num_rows() {
        let (values_ns, counts) = (values.value(row), counts.value(row));
        take(&LatencyRow {
            slice_start: RunNs(starts[row]),
            slice_ns: widths[row],
            collection: collections.value(row),
            operation: operations.value(row),
            phase: phases.value(row),
            measure: measures.value(row),
            count: totals[row],
            min_ns: mins[row],
            max_ns: maxs[row],
            values_ns: values_ns.as_primitive::<Int64Type>().values(),
            counts: counts.as_primitive::<UInt64Type>().values(),
        });
    }
}
