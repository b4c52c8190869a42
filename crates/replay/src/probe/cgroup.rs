//! A control group of version 2: what a container or a service uses (Linux, Documentation/admin-guide/cgroup-v2.rst).

use std::path::PathBuf;

use super::{Probe, ProbeKind, Sample, procfs};

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "cgroup",
    syntax: "cgroup:PATH",
    about: "a control group of version 2, such as cgroup:/system.slice/nginx.service: CPU, throttling, memory, I/O",
    open: |argument, _| Ok(Box::new(Cgroup(folder(argument)?))),
};

/// Folder of the group.
struct Cgroup(PathBuf);

/// A path below the mount of the hierarchy, or of the folder itself.
fn folder(argument: &str) -> Result<PathBuf, String> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mount = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let place = fields.next()?;
        (fields.next()? == "cgroup2").then(|| PathBuf::from(place))
    });
    let mount = mount.ok_or("this machine has no control groups of version 2 mounted")?;
    let path = PathBuf::from(argument);
    Ok(if path.starts_with(&mount) { path } else { mount.join(argument.trim_start_matches('/')) })
}

impl Probe for Cgroup {
    /// A file whose controller is not enabled for the group is not there, and its figures are left out; `cpu.stat` always is.
    fn sample(&mut self, sample: &mut Sample) -> Result<(), String> {
        let path = self.0.join("cpu.stat");
        let cpu = std::fs::read_to_string(&path).map_err(|e| format!("{} cannot be read ({e})", path.display()))?;
        let seconds = |name| procfs::value(&cpu, name).map(|usec| usec as f64 / 1e6);
        if let Some(used_s) = seconds("usage_usec") {
            sample.counter("cpu_s", "s", used_s);
        }
        if let Some(throttled_s) = seconds("throttled_usec") {
            sample.counter("throttled_s", "s", throttled_s);
        }
        let text = |name| std::fs::read_to_string(self.0.join(name)).ok();
        if let Some(bytes) = text("memory.current").and_then(|text| text.trim().parse().ok()) {
            sample.gauge("memory_bytes", "bytes", bytes);
        }
        // `max` where there is none.
        if let Some(bytes) = text("memory.max").and_then(|text| text.trim().parse().ok()) {
            sample.gauge("memory_limit_bytes", "bytes", bytes);
        }
        if let Some(threads) = text("pids.max").and_then(|text| text.trim().parse().ok()) {
            sample.gauge("threads_limit", "", threads);
        }
        if let Some(bytes) = text("memory.stat").and_then(|text| procfs::value(&text, "anon")) {
            sample.gauge("rss_bytes", "bytes", bytes as f64);
        }
        if let Some(kills) = text("memory.events").and_then(|text| procfs::value(&text, "oom_kill")) {
            sample.gauge("oom_kills", "", kills as f64);
        }
        if let Some(processes) = text("pids.current").and_then(|text| text.trim().parse().ok()) {
            sample.gauge("processes", "", processes);
        }
        if let Some(io) = text("io.stat") {
            sample.counter("read_bytes", "bytes", summed(&io, "rbytes=") as f64);
            sample.counter("written_bytes", "bytes", summed(&io, "wbytes=") as f64);
        }
        Ok(())
    }
}

/// The sum over all devices of a key in `io.stat`.
fn summed(text: &str, key: &str) -> u64 {
    text.split_ascii_whitespace().filter_map(|word| word.strip_prefix(key)?.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_is_summed_over_devices() {
        let text = "8:16 rbytes=1459200 wbytes=314773504 rios=192\n8:0 rbytes=90430464 wbytes=299008000 rios=8950\n";
        assert_eq!((summed(text, "rbytes="), summed(text, "wbytes=")), (1_459_200 + 90_430_464, 314_773_504 + 299_008_000));
    }
}
