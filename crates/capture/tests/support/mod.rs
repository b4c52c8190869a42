//! What several tests need.
#![allow(dead_code, missing_docs, clippy::print_stderr, reason = "each test uses its part of it, and says what it skips")]

pub mod frames;
pub mod streams;
pub mod talk;
pub mod tape;

use std::path::{Path, PathBuf};

use capture::import::{ImportOptions, import};
use trace::{Exchange, Names, TraceMeta, TraceReader};

/// The corpus of captures from elsewhere, if there is one; says by name which test is skipped without it.
pub fn corpus(test: &str) -> Option<PathBuf> {
    let corpus = std::env::var_os("REHEARSAL_CORPUS").map(PathBuf::from);
    if corpus.is_none() {
        eprintln!("skipped: {test} (REHEARSAL_CORPUS is not set)");
    }
    // Relative paths count from the root of the workspace, where the tests are started.
    corpus.map(|path| if path.is_absolute() { path } else { Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path) })
}

/// Imports captures and reads the trace back.
pub fn import_all(sources: &[PathBuf], options: &ImportOptions) -> (TraceMeta, Vec<Exchange>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("trace.parquet");
    let meta = import(sources, &path, options, &mut |_| ()).expect("the captures are readable");
    (meta, exchanges(&path))
}

pub fn exchanges(path: &Path) -> Vec<Exchange> {
    let mut reader = TraceReader::open(path).expect("it was just written");
    let (mut names, mut exchanges) = (Names::default(), Vec::new());
    while let Some(batch) = reader.next_batch().expect("it was just written") {
        exchanges.extend(batch.rows().map(|row| row.to_exchange(&mut names)));
    }
    exchanges
}

/// Peak memory of this process, in KiB, where Linux tells it.
pub fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok())
}
