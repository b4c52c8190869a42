//! Counters and latency by route and status, as Prometheus text and as telemetry.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::clock;

/// Upper bounds of the latency buckets, in nanoseconds: 50 µs to 10 s, about three a decade.
const BOUNDS_NS: [i64; 17] = [
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
    200_000_000,
    500_000_000,
    1_000_000_000,
    2_000_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// What a series counts. Routes are a closed set and so is the number of series.
type Key = (&'static str, &'static str, u16);

#[derive(Default, Clone)]
struct Series {
    counts: [u64; BOUNDS_NS.len()],
    count: u64,
    sum_ns: i64,
}

/// The counters of a server.
#[derive(Default)]
pub struct Metrics {
    series: Mutex<BTreeMap<Key, Series>>,
    /// Connections accepted.
    pub connections: AtomicU64,
    /// Connections closed at once, for the limit's sake.
    pub connections_refused: AtomicU64,
    /// Times that the system gave no connection when one was waiting.
    pub accept_errors: AtomicU64,
}

impl Metrics {
    /// Counts an answer of `took_ns` nanoseconds, from the request's last byte to the answer's first.
    pub fn count(&self, method: &'static str, endpoint: &'static str, status: u16, took_ns: i64) {
        let mut all = self.series();
        let series = all.entry((method, endpoint, status)).or_default();
        series.count += 1;
        series.sum_ns += took_ns;
        if let Some(bucket) = BOUNDS_NS.iter().position(|bound_ns| took_ns <= *bound_ns) {
            series.counts[bucket] += 1;
        }
    }

    /// Answers by route and status, in the shape of Qdrant's telemetry: route → status → count and mean.
    pub fn telemetry(&self) -> Value {
        let mut routes = serde_json::Map::new();
        for ((method, endpoint, status), series) in self.series().iter() {
            let route = routes.entry(format!("{method} {endpoint}")).or_insert_with(|| json!({}));
            let mean_us = series.sum_ns as f64 / 1e3 / series.count as f64;
            route[status.to_string()] = json!({ "count": series.count, "avg_duration_micros": mean_us });
        }
        Value::Object(routes)
    }

    /// Writes what every server measures of itself.
    pub fn write(&self, page: &mut Page) {
        page.family("rest_responses_total", "counter", "Answers by route and status");
        let all = self.series().clone();
        for (key, series) in &all {
            page.sample("rest_responses_total", &labels(key), series.count);
        }
        page.family("rest_responses_duration_seconds", "histogram", "From the request's last byte to the answer");
        for (key, series) in &all {
            write_histogram(page, &labels(key), series);
        }
        page.single("connections_total", "counter", "Connections accepted", self.connections.load(Relaxed));
        let refused = self.connections_refused.load(Relaxed);
        page.single("connections_refused_total", "counter", "Connections closed at once at the limit", refused);
        page.single("accept_errors_total", "counter", "Accepts the system refused", self.accept_errors.load(Relaxed));
        write_process(page);
    }

    fn series(&self) -> MutexGuard<'_, BTreeMap<Key, Series>> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn labels((method, endpoint, status): &Key) -> String {
    format!("method=\"{method}\",endpoint=\"{endpoint}\",status=\"{status}\"")
}

fn write_histogram(page: &mut Page, labels: &str, series: &Series) {
    let mut below = 0;
    for (bound_ns, count) in BOUNDS_NS.iter().zip(series.counts) {
        below += count;
        let bound_s = *bound_ns as f64 / 1e9;
        page.sample("rest_responses_duration_seconds_bucket", &format!("{labels},le=\"{bound_s}\""), below);
    }
    page.sample("rest_responses_duration_seconds_bucket", &format!("{labels},le=\"+Inf\""), series.count);
    page.sample("rest_responses_duration_seconds_sum", labels, series.sum_ns as f64 / 1e9);
    page.sample("rest_responses_duration_seconds_count", labels, series.count);
}

/// What the system knows of this process. A figure that cannot be read is left out.
fn write_process(page: &mut Page) {
    page.family("app_info", "gauge", "What answers here");
    page.sample("app_info", concat!("name=\"rehearsal-testbed\",version=\"", env!("CARGO_PKG_VERSION"), "\""), 1);
    let cpu_s = clock::cpu_ns() as f64 / 1e9;
    page.single("process_cpu_seconds_total", "counter", "Processor time of all threads", cpu_s);
    if let Some(bytes) = resident_bytes() {
        page.single("process_resident_memory_bytes", "gauge", "Memory in use", bytes);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        page.single("process_open_fds", "gauge", "Open descriptors", open.count());
    }
}

/// The second field of `/proc/self/statm` is the resident set in pages (proc(5)).
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// A page in Prometheus' text format, version 0.0.4.
#[derive(Default)]
pub struct Page(String);

impl Page {
    /// Begins a family of samples.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// Writes one sample; `labels` stand between the braces.
    pub fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        self.line(format_args!("{name}{{{labels}}} {value}\n"));
    }

    /// Writes a family of one sample without labels.
    pub fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.line(format_args!("{name} {value}\n"));
    }

    /// The text.
    pub fn finish(self) -> String {
        self.0
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        self.0.write_fmt(line).expect("a string takes every character");
    }
}

/// A label's value, escaped as the format asks: backslash, quote and line feed.
pub fn escape_label(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative_and_end_in_the_count() {
        let metrics = Metrics::default();
        for took_ns in [10, 50_000, 50_001, 1_500_000, 60_000_000_000] {
            metrics.count("GET", "/x", 200, took_ns);
        }
        let mut page = Page::default();
        metrics.write(&mut page);
        let text = page.finish();
        let bucket = |le: &str| {
            let line =
                format!("rest_responses_duration_seconds_bucket{{method=\"GET\",endpoint=\"/x\",status=\"200\",le=\"{le}\"}} ");
            text.lines().find_map(|l| l.strip_prefix(&line).map(str::to_owned)).unwrap()
        };
        let at: Vec<_> = ["0.00005", "0.0001", "0.002", "10", "+Inf"].map(bucket).to_vec();
        assert_eq!(at, ["2", "3", "4", "4", "5"]);
        assert!(text.contains("rest_responses_total{method=\"GET\",endpoint=\"/x\",status=\"200\"} 5\n"));
        assert!(text.contains("\nprocess_resident_memory_bytes "));
    }
}
