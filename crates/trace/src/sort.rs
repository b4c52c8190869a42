//! Exchanges in any order → a trace, in bounded memory.
//!
//! Exchanges that come nearly in order, as they do from captures, leave the memory in order before the last ones come (replacement
//! selection: Knuth, The Art of Computer Programming, volume 3, section 5.4.1): whenever memory is full, those that came first are written
//! behind what was written before, together with what has come since and belongs between them. What comes too late for that waits for the
//! next sorted run. One run is the trace; several are merged. All this is done on a thread of its own, while the next exchanges come.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use crate::limits::{SORT_BYTES_MAX, SORT_RUNS_MAX};
use crate::rows::{HeldRows, Order};
use crate::{Error, Exchange, Names, Result, TraceMeta, TraceNs, TraceReader, TraceWriter};

/// Rows that are gathered before they are sorted in, however light they are: of more, a processor's caches hold nothing.
const ROWS_MAX: usize = 48 << 10;

/// Collects exchanges and writes them as one trace sorted by (`at`, `session`, `seq`, `stream`, `copy`). Memory stays within
/// [`SORT_BYTES_MAX`] and a little; the rest waits in sorted runs beside the output, which are removed in every case.
pub struct TraceSorter {
    /// What came last.
    newest: HeldRows,
    /// What that weighs at most: as much is being sorted in, and as much has been.
    bytes_max: usize,
    thread: Thread,
}

/// Sorting on a thread of its own.
struct Thread {
    /// Rows on their way there; none when no more will come.
    rows: Option<SyncSender<HeldRows>>,
    /// Columns on their way back, for their room.
    room: Receiver<HeldRows>,
    handle: Option<JoinHandle<Result<Sorting>>>,
}

/// Rows on their way into the trace.
struct Sorting {
    output: PathBuf,
    /// What will be written next, and those of its rows that are still to be, in order.
    older: HeldRows,
    waiting: Vec<u32>,
    /// The run being written.
    run: Option<Growing>,
    runs: Runs,
    keep_origin: bool,
}

/// A sorted run, whose times are counted from its first exchange.
struct Run {
    path: PathBuf,
    start: TraceNs,
}

/// A sorted run being written.
struct Growing {
    run: Run,
    writer: TraceWriter,
}

/// A folder of sorted runs, removed when dropped.
struct Runs {
    dir: PathBuf,
    files: Vec<Run>,
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

    /// The earliest instant in any of them.
    fn start(&self) -> TraceNs {
        self.files.iter().map(|run| run.start).min().unwrap_or_default()
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
        Self::begin(output, bytes_max, false)
    }

    /// As [`TraceSorter::with_memory`], keeping the `origin` the exchanges carry (see [`TraceWriter::keep_origin`]).
    #[must_use]
    pub fn keeping_origin(output: &Path, bytes_max: usize) -> Self {
        Self::begin(output, bytes_max, true)
    }

    fn begin(output: &Path, bytes_max: usize, keep_origin: bool) -> Self {
        let thread = Thread::new(Sorting::new(output, keep_origin));
        Self { newest: HeldRows::default(), bytes_max: bytes_max / 3, thread }
    }

    /// Takes one exchange.
    ///
    /// # Errors
    /// [`Error::Io`] when a sorted run cannot be written. Nothing can be pushed or finished after that.
    pub fn push(&mut self, exchange: &Exchange) -> Result<()> {
        self.newest.push(exchange);
        let is_full = self.newest.bytes() >= self.bytes_max || self.newest.rows() >= ROWS_MAX;
        if is_full { self.thread.sort_in(&mut self.newest) } else { Ok(()) }
    }

    /// Writes the trace. Times are shifted so that the first exchange is at 0; `meta.wall_start_unix_ns`, if given as the wall
    /// clock at time 0 of the pushed exchanges, moves along.
    ///
    /// # Errors
    /// [`Error::Io`] when the disk is full; then nothing is left under the output's name.
    pub fn finish(mut self, meta: TraceMeta) -> Result<TraceMeta> {
        self.thread.end()?.finish(self.newest, meta)
    }
}

impl Thread {
    fn new(mut sorting: Sorting) -> Self {
        // None waits on the way: memory holds what is gathered, what is being sorted in, and what that is sorted into.
        let (rows, newer) = sync_channel::<HeldRows>(0);
        let (give_back, room) = channel();
        let handle = thread::spawn(move || {
            for mut newer in newer {
                sorting.take(&mut newer)?;
                // Who pushes may be at the end, and want no more.
                let _ = give_back.send(newer);
            }
            Ok(sorting)
        });
        Self { rows: Some(rows), room, handle: Some(handle) }
    }

    fn sort_in(&mut self, newest: &mut HeldRows) -> Result<()> {
        let newer = std::mem::replace(newest, self.room.try_recv().unwrap_or_default());
        let sent = self.rows.as_ref().is_some_and(|rows| rows.send(newer).is_ok());
        if sent { Ok(()) } else { self.end().map(|_| ()) }
    }

    fn end(&mut self) -> Result<Sorting> {
        self.rows = None;
        let handle = self.handle.take().expect("a sorter that failed is not used again");
        handle.join().expect("sorting does not panic")
    }
}

impl Drop for Thread {
    /// The runs are gone when the sorter is.
    fn drop(&mut self) {
        self.rows = None;
        if let Some(handle) = self.handle.take() {
            // What it failed with does not matter to who gave it up.
            let _ = handle.join();
        }
    }
}

impl Sorting {
    fn new(output: &Path, keep_origin: bool) -> Self {
        let mut dir = output.as_os_str().to_owned();
        dir.push(".sorting");
        let runs = Runs { dir: PathBuf::from(dir), files: Vec::new(), made: 0 };
        Self { output: output.to_owned(), older: HeldRows::default(), waiting: Vec::new(), run: None, runs, keep_origin }
    }

    /// Writes what waits, as far as the run can take it, and lets `newer` wait instead; gives empty columns back. Where most of what waits
    /// comes too late, the run is over.
    fn take(&mut self, newer: &mut HeldRows) -> Result<()> {
        let end = self.waiting.last().map_or(Order::default(), |last| self.older.order(*last));
        let rows = self.rows_before(newer, Some(end));
        let mut late = self.late(&rows);
        if late > rows.len() / 2 {
            self.close_run()?;
            late = 0;
        }
        self.write(&rows[late..])?;
        self.waiting.extend(newer.take(&mut self.older, &rows[..late]));
        newer.sort(&mut self.waiting);
        self.older.clear();
        std::mem::swap(&mut self.older, newer);
        Ok(())
    }

    /// Writes all that waits, and `newer`, and makes one trace of the runs.
    fn finish(mut self, mut newer: HeldRows, mut meta: TraceMeta) -> Result<TraceMeta> {
        let rows = self.rows_before(&mut newer, None);
        let late = self.late(&rows);
        if self.runs.files.is_empty() && late == 0 {
            return self.finish_run(&rows, meta);
        }
        self.write(&rows[late..])?;
        self.close_run()?;
        self.write(&rows[..late])?;
        self.close_run()?;
        let start = self.runs.start();
        let mut writer = self.writer(&self.output)?.counting_from(start);
        merge(&self.runs.files, &mut writer)?;
        move_start(&mut meta, start);
        writer.finish(meta)
    }

    /// The only run is the trace.
    fn finish_run(mut self, rows: &[u32], mut meta: TraceMeta) -> Result<TraceMeta> {
        let Some(Growing { run, mut writer }) = self.run.take() else {
            let start = rows.first().map_or(TraceNs(0), |row| self.older.order(*row).0);
            let mut writer = self.writer(&self.output)?.counting_from(start);
            writer.append(&mut self.older, rows)?;
            move_start(&mut meta, start);
            return writer.finish(meta);
        };
        writer.append(&mut self.older, rows)?;
        move_start(&mut meta, run.start);
        let meta = writer.finish(meta)?;
        std::fs::rename(&run.path, &self.output).map_err(|e| Error::io("write", &self.output, e))?;
        Ok(meta)
    }

    fn writer(&self, path: &Path) -> Result<TraceWriter> {
        let writer = TraceWriter::create(path)?;
        Ok(if self.keep_origin { writer.keep_origin() } else { writer })
    }

    /// How many of these sorted rows come before what the run has already.
    fn late(&self, rows: &[u32]) -> usize {
        let last = self.run.as_ref().and_then(|run| run.writer.last());
        last.map_or(0, |last| rows.partition_point(|row| self.older.order(*row) < last))
    }

    /// The rows that wait, in order, together with those of `newer` that belong before the last of them, or with all.
    fn rows_before(&mut self, newer: &mut HeldRows, end: Option<Order>) -> Vec<u32> {
        let sorted = newer.sorted();
        let count = end.map_or(sorted.len(), |end| sorted.partition_point(|row| newer.order(*row) < end));
        let mut rows = std::mem::replace(&mut self.waiting, sorted[count..].to_vec());
        rows.extend(self.older.take(newer, &sorted[..count]));
        self.older.sort(&mut rows);
        rows
    }

    fn write(&mut self, rows: &[u32]) -> Result<()> {
        let Some(first) = rows.first() else { return Ok(()) };
        if self.run.is_none() {
            let run = Run { path: self.runs.next()?, start: self.older.order(*first).0 };
            let writer = self.writer(&run.path)?.counting_from(run.start);
            self.run = Some(Growing { run, writer });
        }
        let Some(run) = &mut self.run else { return Ok(()) };
        run.writer.append(&mut self.older, rows)
    }

    fn close_run(&mut self) -> Result<()> {
        let Some(Growing { run, writer }) = self.run.take() else { return Ok(()) };
        writer.finish(TraceMeta::default())?;
        self.runs.files.push(run);
        if self.runs.files.len() >= SORT_RUNS_MAX { self.merge_runs() } else { Ok(()) }
    }

    fn merge_runs(&mut self) -> Result<()> {
        let run = Run { path: self.runs.next()?, start: self.runs.start() };
        let mut writer = self.writer(&run.path)?.counting_from(run.start);
        merge(&self.runs.files, &mut writer)?;
        writer.finish(TraceMeta::default())?;
        for Run { path, .. } in std::mem::replace(&mut self.runs.files, vec![run]) {
            std::fs::remove_file(&path).map_err(|e| Error::io("remove", &path, e))?;
        }
        Ok(())
    }
}

fn move_start(meta: &mut TraceMeta, start: TraceNs) {
    if let Some(wall) = &mut meta.wall_start_unix_ns {
        *wall += start.ns();
    }
}

/// The rows of a sorted run, one at a time.
struct RunReader {
    reader: TraceReader,
    start: TraceNs,
    rows: std::vec::IntoIter<Exchange>,
    names: Names,
    head: Option<Exchange>,
}

impl RunReader {
    fn open(run: &Run, batch_bytes: usize) -> Result<Self> {
        let mut reader = Self {
            reader: TraceReader::open_within(&run.path, None, batch_bytes)?,
            start: run.start,
            rows: Vec::new().into_iter(),
            names: Names::default(),
            head: None,
        };
        reader.advance()?;
        Ok(reader)
    }

    /// Moves to the next row and returns the one before it.
    fn advance(&mut self) -> Result<Option<Exchange>> {
        let mut next = self.rows.next();
        if next.is_none()
            && let Some(batch) = self.reader.next_batch()?
        {
            let since_start = |row: Exchange| Exchange { at: row.at + self.start.ns(), ..row };
            let rows: Vec<Exchange> = batch.rows().map(|row| since_start(row.to_exchange(&mut self.names))).collect();
            self.rows = rows.into_iter();
            next = self.rows.next();
        }
        Ok(std::mem::replace(&mut self.head, next))
    }
}

fn merge(files: &[Run], writer: &mut TraceWriter) -> Result<()> {
    let mut runs = files.iter().map(|run| RunReader::open(run, SORT_BYTES_MAX / files.len())).collect::<Result<Vec<_>>>()?;
    let mut heap: std::collections::BinaryHeap<std::cmp::Reverse<_>> =
        runs.iter().enumerate().filter_map(|(index, run)| Some(std::cmp::Reverse((run.head.as_ref()?.order(), index)))).collect();
    while let Some(std::cmp::Reverse((_, index))) = heap.pop() {
        let Some(exchange) = runs[index].advance()? else { continue };
        writer.push(&exchange)?;
        if let Some(head) = &runs[index].head {
            heap.push(std::cmp::Reverse((head.order(), index)));
        }
    }
    Ok(())
}
