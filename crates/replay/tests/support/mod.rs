//! Small traces for the tests of scaling and cutting.

#![allow(dead_code, reason = "each test uses its own part")]

use std::path::{Path, PathBuf};

use stats::Rng;
use stats::traffic::{Traffic, TrafficFigures};
use trace::{Exchange, Flag, Flags, Name, Names, TraceMeta, TraceNs, TraceReader, TraceSorter};

/// A row with little in it; its target tells rows apart.
pub fn row(at_ns: i64, session: u64, seq: u32) -> Exchange {
    Exchange { at: TraceNs(at_ns), session, seq, target: format!("/{session}/{seq}").into(), ..Exchange::default() }
}

/// The row, in a collection.
pub fn of(collection: &str, row: Exchange) -> Exchange {
    Exchange { collection: Name::from(collection), ..row }
}

/// The row as one that establishes its session.
pub fn setup(row: Exchange) -> Exchange {
    Exchange { flags: Flags::default().with(Flag::Setup), ..row }
}

/// Writes rows in any order; the first one's instant becomes 0.
pub fn write(path: &Path, rows: impl IntoIterator<Item = Exchange>, meta: TraceMeta) -> PathBuf {
    let mut sorter = TraceSorter::new(path);
    rows.into_iter().for_each(|row| sorter.push(&row).expect("room on the disk"));
    sorter.finish(meta).expect("written");
    path.to_owned()
}

/// A trace of sessions of one request each.
pub fn write_arrivals(path: &Path, arrivals_ns: &[i64]) -> PathBuf {
    write(path, (0..).zip(arrivals_ns).map(|(session, at_ns)| row(*at_ns, session, 0)), TraceMeta::default())
}

/// All rows, in order.
pub fn read(path: &Path) -> Vec<Exchange> {
    let (mut reader, mut names, mut rows) = (TraceReader::open(path).expect("a trace"), Names::default(), Vec::new());
    while let Some(batch) = reader.next_batch().expect("whole") {
        rows.extend(batch.rows().map(|row| row.to_exchange(&mut names)));
    }
    rows
}

/// The footer.
pub fn meta(path: &Path) -> TraceMeta {
    TraceReader::open(path).expect("a trace").metas()[0].clone()
}

/// Instants of all rows, ns.
pub fn arrivals(path: &Path) -> Vec<i64> {
    read(path).iter().map(|row| row.at.ns()).collect()
}

/// Figures of arrivals.
pub fn figures(arrivals_ns: &[i64]) -> TrafficFigures {
    let mut traffic = Traffic::new();
    arrivals_ns.iter().for_each(|at_ns| {
        traffic.push(*at_ns);
    });
    traffic.figures()
}

/// Poisson arrivals whose rate swings as 1 + 0.9·sin over `period_s`, 20/s in the mean, for `seconds` (thinning, Lewis & Shedler 1979).
pub fn swinging(seed: u64, seconds: f64, period_s: f64) -> Vec<i64> {
    let (mut rng, mut at_s, mut arrivals) = (Rng::stream(seed, "swinging"), 0.0, Vec::new());
    loop {
        at_s += rng.exponential() / 38.0;
        if at_s > seconds {
            return arrivals;
        }
        if rng.chance((1.0 + 0.9 * (at_s * std::f64::consts::TAU / period_s).sin()) / 1.9) {
            arrivals.push((at_s * 1e9) as i64);
        }
    }
}
