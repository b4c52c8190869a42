//! Latency histograms of one-second slices, written when a slice is over.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use hdrhistogram::Histogram;
use trace::limits::SERIES_MAX;
use trace::{LatencyRow, LatencyWriter, RunNs};

use crate::Result;
use crate::limits::OTHER;

/// Width of a slice, ns: 1 s, and 10 s after an hour.
const SLICE_NS: i64 = 1_000_000_000;
const LONG_SLICE_NS: i64 = 10_000_000_000;
const LONG_AFTER_NS: i64 = 3_600_000_000_000;
/// A slice is written so long after its end, ns. What comes later still makes another row of the same slice; rows add up.
const HOLD_NS: i64 = 2_000_000_000;
/// Values above an hour are counted as an hour.
pub(crate) const VALUE_NS_MAX: u64 = 3_600_000_000_000;
/// A file holds slices of so many ns of the run: about what a kill can lose of them (outcomes hold the same, and lose seconds).
const FILE_NS: i64 = 60_000_000_000;

/// What is measured; the place in a series.
const MEASURES: [&str; 3] = ["response", "service", "lateness"];

/// The latencies of one request, ns. Response and service time where it was answered, lateness where it was sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Measured {
    /// In the order of [`MEASURES`]: response, service, lateness.
    pub values_ns: [Option<i64>; 3],
}

/// Gathers values by slice and series, and writes `latency-*.parquet`.
pub struct Slices {
    dir: PathBuf,
    /// Collection, operation and phase of each series.
    series: Vec<[String; 3]>,
    open: VecDeque<Slice>,
    histogram: Histogram<u64>,
    file: Option<LatencyWriter>,
    file_number: u32,
    file_since: RunNs,
    /// Scratch: buckets and counts of one row.
    buckets: (Vec<i64>, Vec<u64>),
}

/// Values of one slice: by series, then by measure.
struct Slice {
    start: RunNs,
    width_ns: i64,
    values_ns: Vec<[Vec<u64>; 3]>,
}

impl Slices {
    /// Nothing yet, for the run in `dir`.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        let histogram =
            Histogram::new_with_bounds(1, VALUE_NS_MAX, 3).expect("bounds and digits are within what the crate allows");
        Self {
            dir: dir.to_owned(),
            series: Vec::new(),
            open: VecDeque::new(),
            histogram,
            file: None,
            file_number: 0,
            file_since: RunNs(0),
            buckets: (Vec::new(), Vec::new()),
        }
    }

    /// The number of a series; past [`SERIES_MAX`] there is one for each phase, called [`OTHER`].
    pub fn series(&mut self, collection: &str, operation: &str, phase: &str) -> usize {
        let full = self.series.len() + 1 >= SERIES_MAX;
        let find = |series: &[[String; 3]], names: [&str; 3]| series.iter().position(|known| *known == names);
        let names = match find(&self.series, [collection, operation, phase]) {
            Some(number) => return number,
            None if full => [OTHER, OTHER, phase],
            None => [collection, operation, phase],
        };
        find(&self.series, names).unwrap_or_else(|| {
            self.series.push(names.map(str::to_owned));
            self.series.len() - 1
        })
    }

    /// Adds the latencies of a request that was due at `due`.
    pub fn add(&mut self, due: RunNs, series: usize, measured: Measured) {
        let width_ns = if due.ns() < LONG_AFTER_NS { SLICE_NS } else { LONG_SLICE_NS };
        let start = RunNs(due.ns().div_euclid(width_ns) * width_ns);
        let index = match self.open.iter().rposition(|slice| slice.start <= start) {
            Some(index) if self.open[index].start == start => index,
            before => {
                let index = before.map_or(0, |index| index + 1);
                self.open.insert(index, Slice { start, width_ns, values_ns: Vec::new() });
                index
            }
        };
        let slice = &mut self.open[index].values_ns;
        if series >= slice.len() {
            slice.resize_with(series + 1, Default::default);
        }
        for (values_ns, value_ns) in slice[series].iter_mut().zip(measured.values_ns) {
            values_ns.extend(value_ns.map(|ns| u64::try_from(ns).unwrap_or(0)));
        }
    }

    /// Writes slices that are over at `now`.
    ///
    /// # Errors
    /// [`crate::Error::Data`] when the disk is full.
    pub fn write_until(&mut self, now: RunNs) -> Result<()> {
        while self.open.front().is_some_and(|slice| slice.start + (slice.width_ns + HOLD_NS) <= now) {
            if let Some(slice) = self.open.pop_front() {
                self.write(&slice)?;
            }
        }
        if now - self.file_since >= FILE_NS {
            self.close_file()?;
            self.file_since = now;
        }
        Ok(())
    }

    /// Writes all there is.
    ///
    /// # Errors
    /// [`crate::Error::Data`] when the disk is full.
    pub fn finish(mut self) -> Result<()> {
        while let Some(slice) = self.open.pop_front() {
            self.write(&slice)?;
        }
        self.close_file()
    }

    fn close_file(&mut self) -> Result<()> {
        self.file_number += u32::from(self.file.is_some());
        Ok(self.file.take().map_or(Ok(()), LatencyWriter::finish)?)
    }

    fn write(&mut self, slice: &Slice) -> Result<()> {
        for (number, measures) in slice.values_ns.iter().enumerate() {
            for (measure, values_ns) in MEASURES.iter().zip(measures) {
                if !values_ns.is_empty() {
                    self.write_row(slice, number, measure, values_ns)?;
                }
            }
        }
        Ok(())
    }

    fn write_row(&mut self, slice: &Slice, series: usize, measure: &str, values_ns: &[u64]) -> Result<()> {
        self.histogram.reset();
        values_ns.iter().for_each(|value_ns| self.histogram.saturating_record(*value_ns));
        let (buckets_ns, counts) = &mut self.buckets;
        buckets_ns.clear();
        counts.clear();
        for bucket in self.histogram.iter_recorded() {
            buckets_ns.push(bucket.value_iterated_to().cast_signed());
            counts.push(bucket.count_at_value());
        }
        if self.file.is_none() {
            let path = self.dir.join(format!("latency-{:06}.parquet", self.file_number));
            self.file = Some(LatencyWriter::create(&path)?);
        }
        let [collection, operation, phase] = &self.series[series];
        let row = LatencyRow {
            slice_start: slice.start,
            slice_ns: slice.width_ns,
            collection,
            operation,
            phase,
            measure,
            count: self.histogram.len(),
            min_ns: self.histogram.min().cast_signed(),
            max_ns: self.histogram.max().cast_signed(),
            values_ns: buckets_ns,
            counts,
        };
        Ok(self.file.as_mut().map_or(Ok(()), |file| file.push(&row))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_past_the_limit_are_one() {
        let mut slices = Slices::new(Path::new("."));
        let numbers: Vec<usize> = (0..SERIES_MAX + 5).map(|i| slices.series(&format!("c{i}"), "o", "p")).collect();
        assert_eq!(slices.series.len(), SERIES_MAX);
        assert_eq!(numbers[SERIES_MAX - 1..], [SERIES_MAX - 1; 6]);
        assert_eq!(slices.series("c0", "o", "p"), 0);
        assert_eq!([slices.series("c0", "o", "q"), slices.series("c1", "o", "q")], [SERIES_MAX, SERIES_MAX]);
    }

    #[test]
    fn slices_hold_what_is_due_in_them_in_order() {
        let mut slices = Slices::new(Path::new("."));
        for due_ms in [2500, 100, 1700, 2600, 3_600_000 * 2 + 15_000] {
            slices.add(RunNs(due_ms * 1_000_000), 0, Measured { values_ns: [Some(due_ms), None, Some(-1)] });
        }
        let found: Vec<(i64, i64, usize)> = slices
            .open
            .iter()
            .map(|slice| (slice.start.ns() / SLICE_NS, slice.width_ns / SLICE_NS, slice.values_ns[0][0].len()))
            .collect();
        assert_eq!(found, [(0, 1, 1), (1, 1, 1), (2, 1, 2), (7210, 10, 1)]);
    }
}
