//! Exchanges in any order → a trace: sorted runs in bounded memory, then one merge.

use std::path::{Path, PathBuf};

use crate::limits::{SORT_BYTES_MAX, SORT_RUNS_MAX};
use crate::{Error, Exchange, Names, Result, TraceMeta, TraceNs, TraceReader, TraceWriter};

/// Collects exchanges and writes them as one trace sorted by (`at`, `session`, `seq`, `stream`, `copy`). Memory stays within
/// [`SORT_BYTES_MAX`] and a little; the rest waits in sorted runs beside the output, which are removed in every case.
pub struct TraceSorter {
    output: PathBuf,
    held: Vec<Exchange>,
    held_bytes: usize,
    bytes_max: usize,
    runs: Runs,
    keep_origin: bool,
}

/// A folder of sorted runs, removed when dropped.
struct Runs {
    dir: PathBuf,
    files: Vec<PathBuf>,
    made: usize,
}

impl Drop for Runs {
    fn drop(&mut self) {
        if self.made > 0 {
            // A leftover is named `.sorting`; nothing more can be done about it here.
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

impl Runs {
    fn next(&mut self) -> Result<PathBuf> {
        if self.made == 0 {
            std::fs::create_dir_all(&self.dir).map_err(|e| Error::io("create", &self.dir, e))?;
        }
        self.made += 1;
        Ok(self.dir.join(format!("{:06}.parquet", self.made)))
    }
}

impl TraceSorter {
    /// Begins a trace that will be written to `output`.
    #[must_use]
    pub fn new(output: &Path) -> Self {
        Self::with_memory(output, SORT_BYTES_MAX)
    }

    /// As [`TraceSorter::new`], with another limit of memory in bytes.
    #[must_use]
    pub fn with_memory(output: &Path, bytes_max: usize) -> Self {
        let mut dir = output.as_os_str().to_owned();
        dir.push(".sorting");
        let runs = Runs { dir: PathBuf::from(dir), files: Vec::new(), made: 0 };
        Self { output: output.to_owned(), held: Vec::new(), held_bytes: 0, bytes_max, runs, keep_origin: false }
    }

    /// Keeps the `origin` the exchanges carry (see [`TraceWriter::keep_origin`]).
    #[must_use]
    pub fn keep_origin(mut self) -> Self {
        self.keep_origin = true;
        self
    }

    /// Takes one exchange.
    ///
    /// # Errors
    /// [`Error::Io`] when a sorted run cannot be written.
    pub fn push(&mut self, exchange: Exchange) -> Result<()> {
        self.held_bytes += exchange.weight_bytes();
        self.held.push(exchange);
        if self.held_bytes >= self.bytes_max { self.spill() } else { Ok(()) }
    }

    /// Writes the trace. Times are shifted so that the first exchange is at 0; `meta.wall_start_unix_ns`, if given as the wall
    /// clock at time 0 of the pushed exchanges, moves along.
    ///
    /// # Errors
    /// [`Error::Io`] when the disk is full; then nothing is left under the output's name.
    pub fn finish(mut self, mut meta: TraceMeta) -> Result<TraceMeta> {
        self.held.sort_by_key(Exchange::order);
        let start = self.start()?;
        if let Some(wall) = &mut meta.wall_start_unix_ns {
            *wall += start.ns();
        }
        let mut writer = self.writer(&self.output)?;
        if self.runs.files.is_empty() {
            for exchange in &mut self.held {
                exchange.at = TraceNs(exchange.at - start);
                writer.push(exchange)?;
            }
        } else {
            self.spill()?;
            merge(&self.runs.files, start, &mut writer)?;
        }
        writer.finish(meta)
    }

    fn writer(&self, path: &Path) -> Result<TraceWriter> {
        let writer = TraceWriter::create(path)?;
        Ok(if self.keep_origin { writer.keep_origin() } else { writer })
    }

    /// The earliest instant pushed.
    fn start(&self) -> Result<TraceNs> {
        let mut start = self.held.first().map(|exchange| exchange.at);
        for file in &self.runs.files {
            let mut reader = TraceReader::open_columns(file, Some(&[]))?;
            if let Some(batch) = reader.next_batch()? {
                let first = batch.row(0).at();
                start = Some(start.map_or(first, |start| start.min(first)));
            }
        }
        Ok(start.unwrap_or_default())
    }

    fn spill(&mut self) -> Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        self.held.sort_by_key(Exchange::order);
        let path = self.runs.next()?;
        let mut writer = TraceWriter::create(&path)?.keep_origin();
        for exchange in self.held.drain(..) {
            writer.push(&exchange)?;
        }
        writer.finish(TraceMeta::default())?;
        self.held_bytes = 0;
        self.runs.files.push(path);
        if self.runs.files.len() >= SORT_RUNS_MAX { self.merge_runs() } else { Ok(()) }
    }

    fn merge_runs(&mut self) -> Result<()> {
        let path = self.runs.next()?;
        let mut writer = TraceWriter::create(&path)?.keep_origin();
        merge(&self.runs.files, TraceNs(0), &mut writer)?;
        writer.finish(TraceMeta::default())?;
        for file in std::mem::replace(&mut self.runs.files, vec![path]) {
            std::fs::remove_file(&file).map_err(|e| Error::io("remove", &file, e))?;
        }
        Ok(())
    }
}

/// The rows of a sorted run, one at a time.
struct Run {
    reader: TraceReader,
    rows: std::vec::IntoIter<Exchange>,
    names: Names,
    head: Option<Exchange>,
}

impl Run {
    fn open(path: &Path, batch_bytes: usize) -> Result<Self> {
        let mut run = Self {
            reader: TraceReader::open_within(path, None, batch_bytes)?,
            rows: Vec::new().into_iter(),
            names: Names::default(),
            head: None,
        };
        run.advance()?;
        Ok(run)
    }

    /// Moves to the next row and returns the one before it.
    fn advance(&mut self) -> Result<Option<Exchange>> {
        let mut next = self.rows.next();
        if next.is_none()
            && let Some(batch) = self.reader.next_batch()?
        {
            let rows: Vec<Exchange> = batch.rows().map(|row| row.to_exchange(&mut self.names)).collect();
            self.rows = rows.into_iter();
            next = self.rows.next();
        }
        Ok(std::mem::replace(&mut self.head, next))
    }
}

fn merge(files: &[PathBuf], start: TraceNs, writer: &mut TraceWriter) -> Result<()> {
    let mut runs = files.iter().map(|file| Run::open(file, SORT_BYTES_MAX / files.len())).collect::<Result<Vec<_>>>()?;
    let mut heap: std::collections::BinaryHeap<std::cmp::Reverse<_>> =
        runs.iter().enumerate().filter_map(|(index, run)| Some(std::cmp::Reverse((run.head.as_ref()?.order(), index)))).collect();
    while let Some(std::cmp::Reverse((_, index))) = heap.pop() {
        let Some(mut exchange) = runs[index].advance()? else { continue };
        exchange.at = TraceNs(exchange.at - start);
        writer.push(&exchange)?;
        if let Some(head) = &runs[index].head {
            heap.push(std::cmp::Reverse((head.order(), index)));
        }
    }
    Ok(())
}
