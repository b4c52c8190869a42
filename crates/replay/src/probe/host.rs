//! The machine this runs on, through `/proc`. It is watched in every run.

use std::path::Path;

use rustix::param::clock_ticks_per_second;

use super::{Probe, ProbeKind, Sample, procfs};

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "host",
    syntax: "host",
    about: "this machine, always watched: CPU, memory, disks and how long they are busy, network, TCP retransmits",
    open: |_, _| Ok(host()),
};

/// The probe of this machine.
pub(super) fn host() -> Box<dyn Probe> {
    Box::new(Host)
}

/// Interfaces that have series of their own.
const INTERFACES_MAX: usize = 16;
/// Disks that have a series of their own.
const DISKS_MAX: usize = 16;
const SECTOR_BYTES: u64 = 512;

struct Host;

fn read(path: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{path} cannot be read ({e})"))
}

impl Probe for Host {
    fn sample(&mut self, sample: &mut Sample) -> Result<(), String> {
        let ticks = procfs::cpu_ticks(&read("/proc/stat")?).ok_or("/proc/stat has another form than Linux gives it")?;
        let [busy, waiting, stolen] = ticks.map(|ticks| ticks as f64 / clock_ticks_per_second() as f64);
        sample.counter("cpu_s", "s", busy);
        sample.counter("disk_wait_s", "s", waiting);
        sample.counter("stolen_s", "s", stolen);
        memory(sample)?;
        disks(sample);
        network(sample);
        Ok(())
    }
}

fn memory(sample: &mut Sample) -> Result<(), String> {
    let text = read("/proc/meminfo")?;
    let bytes = |name| procfs::value(&text, name).unwrap_or(0) * 1024;
    sample.gauge("memory_used_bytes", "bytes", bytes("MemTotal").saturating_sub(bytes("MemAvailable")) as f64);
    sample.gauge("memory_bytes", "bytes", bytes("MemTotal") as f64);
    Ok(())
}

/// Whole disks: what goes through a partition, a mapping or a loop device reaches a disk, too.
fn disks(sample: &mut Sample) {
    let Ok(text) = read("/proc/diskstats") else { return };
    let whole = |name: &str| {
        !["loop", "ram", "dm-", "md", "zram"].iter().any(|front| name.starts_with(front))
            && Path::new("/sys/block").join(name.replace('/', "!")).exists()
    };
    let (mut read_bytes, mut written_bytes) = (0, 0);
    for (place, disk) in procfs::disks(&text).filter(|disk| whole(disk.name)).enumerate() {
        read_bytes += disk.sectors_read * SECTOR_BYTES;
        written_bytes += disk.sectors_written * SECTOR_BYTES;
        if place < DISKS_MAX {
            sample.counter(format!("disk_busy_s{{disk=\"{}\"}}", disk.name), "s", disk.busy_ms as f64 / 1e3);
        }
    }
    sample.counter("disk_read_bytes", "bytes", read_bytes as f64);
    sample.counter("disk_written_bytes", "bytes", written_bytes as f64);
}

fn network(sample: &mut Sample) {
    let interfaces = read("/proc/net/dev").unwrap_or_default();
    for (name, received, sent) in procfs::interfaces(&interfaces).take(INTERFACES_MAX) {
        sample.counter(format!("network_received_bytes{{interface=\"{name}\"}}"), "bytes", received as f64);
        sample.counter(format!("network_sent_bytes{{interface=\"{name}\"}}"), "bytes", sent as f64);
    }
    let (snmp, netstat) = (read("/proc/net/snmp").unwrap_or_default(), read("/proc/net/netstat").unwrap_or_default());
    if let Some(segments) = procfs::paired(&snmp, "Tcp", "RetransSegs") {
        sample.counter("tcp_retransmits", "", segments as f64);
    }
    if let Some(overflows) = procfs::paired(&netstat, "TcpExt", "ListenOverflows") {
        sample.counter("tcp_listen_overflows", "", overflows as f64);
    }
}
