//! Live figures of a run, for whoever shows them.

use std::sync::{Mutex, PoisonError};

use trace::RunNs;

/// Where a run stands. Rates and quantiles are those of the last interval, about half a second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Snapshot {
    /// Run time; below 0 before the first request may be due.
    pub at: RunNs,
    /// Requests that will be scheduled; `None` where only something else ends the run.
    pub expected: Option<u64>,
    /// When the last one is due, ns; `None` where that depends on the target (as fast as possible).
    pub expected_ns: Option<i64>,
    /// Requests sent.
    pub sent: u64,
    /// Requests that are over.
    pub over: u64,
    /// Of these, the ones without a good answer, shed ones among them.
    pub failed: u64,
    /// Of these, the ones shed at a limit of the generator.
    pub shed: u64,
    /// Due and not over.
    pub in_flight: u64,
    /// Sent per second.
    pub rate_per_s: f64,
    /// Median response time, ns; `None` where nothing was answered.
    pub p50_ns: Option<u64>,
    /// 99th percentile of the response time, ns.
    pub p99_ns: Option<u64>,
    /// 99th percentile of the generator's own lateness, ns.
    pub lateness_p99_ns: Option<u64>,
}

/// Shared between the recorder, which writes, and whoever shows it.
#[derive(Debug, Default)]
pub struct Progress(Mutex<Snapshot>);

impl Progress {
    /// Where the run stands.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut Snapshot)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
