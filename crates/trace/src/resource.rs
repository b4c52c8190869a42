//! What probes saw of the target, the host and the generator, and the rolling files it goes to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Builder, Int64Builder, RecordBatch, StringBuilder};

use crate::limits::{BATCH_ROWS_MAX, PART_ROWS_MAX};
use crate::write::ParquetFile;
use crate::{Result, RunNs, parts, schema};

/// The value of one series at one instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ResourceRow<'a> {
    /// When it was read, since run start.
    pub at: RunNs,
    /// When it was read, ns since the Unix epoch.
    pub wall_ns: i64,
    /// The probe, as it was asked for; `generator`, `host` and `derived` are the tool's own.
    pub source: &'a str,
    /// Which figure of it, with labels in braces where it has some.
    pub series: &'a str,
    /// `bytes`, `s`, `cores`, …; `None` where the source does not say.
    pub unit: Option<&'a str>,
    /// Finite.
    pub value: f64,
}

/// Name and unit of the series that is the growth per second of a counter: `cpu_s` grows by `cpu_cores` (seconds of processor time in a
/// second), `disk_busy_s` by `disk_busy_share` (of the time), `read_bytes{disk="a"}` by `read_bytes_per_s{disk="a"}`.
#[must_use]
pub fn rate_of(series: &str, unit: &str) -> (String, &'static str) {
    let (name, labels) = series.split_at(series.find('{').unwrap_or(series.len()));
    match (name.strip_suffix("_s"), unit) {
        (Some(front), "s") if front.ends_with("_busy") => (format!("{front}_share{labels}"), "share"),
        (Some(front), "s") => (format!("{front}_cores{labels}"), "cores"),
        (_, "bytes") => (format!("{name}_per_s{labels}"), "bytes/s"),
        _ => (format!("{name}_per_s{labels}"), "/s"),
    }
}

/// Writes `resources-*.parquet` of a run. Each part is closed and renamed into place, so that a kill loses only the part being
/// written; the caller decides when ([`ResourceWriter::roll`]), [`PART_ROWS_MAX`] rows at the latest.
pub struct ResourceWriter {
    dir: PathBuf,
    part: u32,
    part_rows: usize,
    file: Option<ParquetFile>,
    batch_rows: usize,
    instants: [Int64Builder; 2],
    source: StringBuilder,
    series: StringBuilder,
    unit: StringBuilder,
    value: Float64Builder,
}

impl ResourceWriter {
    /// Begins the resources of the run in `dir`, which must exist.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            part: 0,
            part_rows: 0,
            file: None,
            batch_rows: 0,
            instants: std::array::from_fn(|_| Int64Builder::new()),
            source: StringBuilder::new(),
            series: StringBuilder::new(),
            unit: StringBuilder::new(),
            value: Float64Builder::new(),
        }
    }

    /// Appends one value.
    ///
    /// # Errors
    /// [`crate::Error::Io`] when the disk is full.
    pub fn push(&mut self, row: &ResourceRow<'_>) -> Result<()> {
        self.instants[0].append_value(row.at.ns());
        self.instants[1].append_value(row.wall_ns);
        self.source.append_value(row.source);
        self.series.append_value(row.series);
        self.unit.append_option(row.unit);
        self.value.append_value(row.value);
        self.batch_rows += 1;
        self.part_rows += 1;
        if self.batch_rows >= BATCH_ROWS_MAX {
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

    /// Closes the last part and joins small ones.
    ///
    /// # Errors
    /// [`crate::Error::Io`] when the disk is full; the parts written so far stay readable.
    pub fn finish(mut self) -> Result<()> {
        self.roll()?;
        parts::compact(&self.dir, schema::RESOURCES)
    }

    fn flush(&mut self) -> Result<()> {
        if self.batch_rows == 0 {
            return Ok(());
        }
        self.batch_rows = 0;
        let [run_ns, wall_ns] = &mut self.instants;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(run_ns.finish()),
            Arc::new(wall_ns.finish()),
            Arc::new(self.source.finish()),
            Arc::new(self.series.finish()),
            Arc::new(self.unit.finish()),
            Arc::new(self.value.finish()),
        ];
        let batch = RecordBatch::try_new(schema::resources(), columns).expect("the builders stand in schema order");
        if self.file.is_none() {
            let path = self.dir.join(parts::file_name(schema::RESOURCES, self.part, self.part));
            self.file = Some(ParquetFile::create(&path, schema::RESOURCES, schema::resources())?);
        }
        self.file.as_mut().expect("made above").write(&batch)
    }
}
