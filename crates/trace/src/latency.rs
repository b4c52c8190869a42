//! Latency per slice and series as sparse HdrHistograms, mergeable by adding counts.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Builder, ListBuilder, RecordBatch, StringBuilder, UInt64Builder};
use arrow::datatypes::{DataType, Field};

use crate::limits::BATCH_ROWS_MAX;
use crate::write::ParquetFile;
use crate::{Result, RunNs, schema};

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
