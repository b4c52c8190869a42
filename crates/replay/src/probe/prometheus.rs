//! A page of metrics in Prometheus' text format.

use super::exposition::{self, Parsed};
use super::fetch::Page;
use super::{Probe, ProbeKind, Sample};

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "prometheus",
    syntax: "prometheus:URL[,metric=NAME]…",
    about: "the metrics of a page in Prometheus' text format, all or those named, `*` at the end of a name for all that begin so",
    open: |argument, setup| {
        let mut words = argument.split(",metric=");
        let page = Page::new(words.next().unwrap_or_default(), setup)?;
        let metrics: Vec<String> = words.map(str::to_owned).collect();
        if metrics.iter().any(|name| name.is_empty()) {
            return Err("write the name of a metric after metric=".to_owned());
        }
        Ok(Box::new(Metrics { page, metrics }))
    },
};

struct Metrics {
    page: Page,
    /// Names that are wanted; all when there are none.
    metrics: Vec<String>,
}

/// The name of a histogram or summary stands for its parts, too.
const PARTS: [&str; 4] = ["", "_bucket", "_sum", "_count"];

impl Metrics {
    fn wants(&self, name: &str) -> bool {
        let is = |wanted: &String| match wanted.strip_suffix('*') {
            Some(front) => name.starts_with(front),
            None => name.strip_prefix(wanted.as_str()).is_some_and(|rest| PARTS.contains(&rest)),
        };
        self.metrics.is_empty() || self.metrics.iter().any(is)
    }
}

impl Probe for Metrics {
    fn sample(&mut self, sample: &mut Sample) -> Result<(), String> {
        let body = self.page.get()?;
        let text = String::from_utf8_lossy(&body);
        let (mut good, mut bad) = (0, 0);
        for line in exposition::lines(&text) {
            match line {
                Parsed::Sample(line) => {
                    good += 1;
                    take(&line, sample);
                    if self.wants(line.name) {
                        sample.gauge(line.series(), "", line.value);
                    }
                }
                Parsed::Bad => bad += 1,
                Parsed::Other => {}
            }
        }
        if bad > good { Err(format!("{bad} of its lines are not Prometheus' text format")) } else { Ok(()) }
    }
}

/// Figures that every client library has of its own process, by the names that process probes give them.
fn take(line: &exposition::Line<'_>, sample: &mut Sample) {
    match line.name {
        "process_cpu_seconds_total" => sample.counter("cpu_s", "s", line.value),
        "process_resident_memory_bytes" => sample.gauge("rss_bytes", "bytes", line.value),
        "process_open_fds" => sample.gauge("descriptors", "", line.value),
        _ => {}
    }
}
