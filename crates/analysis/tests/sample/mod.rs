//! The sample run of the tests on reports and thresholds: every figure of it is known by formula.

use std::collections::BTreeMap;
use std::path::Path;

use trace::{
    ClockPair, ErrorClass, Event, EventLog, OutcomeRow, OutcomeWriter, ResourceRow, ResourceWriter, RunInfo, RunNs, RunStatus,
};

pub const MS: i64 = 1_000_000;
pub const US: i64 = 1000;

/// Requests of the sample run: one each millisecond.
pub const REQUESTS: u64 = 2000;

pub fn is_timeout(id: u64) -> bool {
    id % 500 == 499
}

/// A permutation of 1 to 2000, ten microseconds a step: 7919 shares no factor with 2000.
pub fn service_ns(id: u64) -> i64 {
    ((id * 7919 % REQUESTS) as i64 + 1) * 10 * US
}

/// Sent 20 µs late; every 500th times out after 50 ms, every 250th is answered with 503.
pub fn outcome(id: u64) -> OutcomeRow<'static> {
    let due_ns = id as i64 * MS;
    let sent_ns = due_ns + 20 * US;
    let error = is_timeout(id).then_some(ErrorClass::Timeout);
    let status = if id % 250 == 7 { "503" } else { "200" };
    OutcomeRow {
        id,
        session: id % 8,
        conn: id % 8 + 1,
        protocol: "http",
        collection: if id.is_multiple_of(4) { "phi3" } else { "mixtral" },
        operation: "POST /collections/{}/points/search",
        target: "http://127.0.0.1:6333",
        due: RunNs(due_ns),
        sent: Some(RunNs(sent_ns)),
        first_byte: error.is_none().then_some(RunNs(sent_ns + 5 * US)),
        done: Some(RunNs(sent_ns + if error.is_some() { 50 * MS } else { service_ns(id) })),
        status: error.is_none().then_some(status),
        ok: error.is_none() && status == "200",
        error,
        items: 1,
        request_bytes: 1000,
        response_bytes: if error.is_none() { 2500 } else { 0 },
        ..OutcomeRow::default()
    }
}

pub fn info(requests: u64, status: RunStatus) -> RunInfo {
    RunInfo {
        tool: "rehearsal 0.1.0".to_owned(),
        label: "sample <run> & more".to_owned(),
        status,
        command: ["rehearsal", "replay", "my trace.parquet", "--target", "http://127.0.0.1:6333"].map(str::to_owned).to_vec(),
        trace: "my trace.parquet".to_owned(),
        trace_hash: "00112233445566778899aabbccddeeff".to_owned(),
        requests,
        targets: BTreeMap::from([("*".to_owned(), "http://127.0.0.1:6333".to_owned())]),
        seed: 7,
        host: BTreeMap::from([("cores".to_owned(), "2".to_owned())]),
        clocks: vec![ClockPair { run_ns: 0, unix_ns: 951_782_400_000_000_000 }],
        ..RunInfo::default()
    }
}

/// Writes a run of these outcomes into `dir`.
pub fn write_run(dir: &Path, info: &RunInfo, outcomes: impl IntoIterator<Item = OutcomeRow<'static>>) {
    let mut writer = OutcomeWriter::new(dir);
    for outcome in outcomes {
        writer.push(&outcome).expect("room on the disk");
    }
    writer.finish().expect("room on the disk");
    trace::write_run_info(dir, info).expect("room on the disk");
}

pub fn sample_run(dir: &Path) {
    write_run(dir, &info(REQUESTS, RunStatus::Complete), (0..REQUESTS).map(outcome));
    write_resources(dir);
    let (source, kind) = ("pid:7".to_owned(), "restarted".to_owned());
    let detail = "process 7 gave way to process 8".to_owned();
    EventLog::new(dir).push(&Event { run_ns: 1200 * MS, wall_ns: 5, source, kind, detail }).expect("room on the disk");
}

/// Probes read every 100 ms from 0 to 2.1 s. The target starts anew after 1.2 s: its processor time counts from 0 again.
pub fn write_resources(dir: &Path) {
    let mut writer = ResourceWriter::new(dir);
    for tick in 0..22_i32 {
        let since_start = if tick < 12 { tick } else { tick - 12 };
        let rows = [
            ("generator", "cpu_cores", Some("cores"), 0.25),
            ("host", "cpu_cores", Some("cores"), 1.0),
            ("pid:7", "cpu_s", Some("s"), 3.0 * f64::from(tick < 12) + 0.05 * f64::from(since_start)),
            ("pid:7", "cpu_cores", Some("cores"), if tick % 2 == 0 { 0.4 } else { 0.6 }),
            ("pid:7", "rss_bytes", Some("bytes"), 1e8 + 1e6 * f64::from(tick)),
            ("derived", "hit_rate", None, 0.75),
        ];
        for (source, series, unit, value) in rows {
            let at = RunNs(i64::from(tick) * 100 * MS);
            writer.push(&ResourceRow { at, wall_ns: 1, source, series, unit, value }).expect("room on the disk");
        }
    }
    writer.finish().expect("room on the disk");
}

/// A run whose generator fell ever further behind.
pub fn late_run(dir: &Path) {
    let late = |id: u64| {
        let row = outcome(id);
        let late_ns = id as i64 * 100 * US;
        OutcomeRow { sent: Some(row.due + late_ns), done: Some(row.due + late_ns + MS), ..row }
    };
    write_run(dir, &info(400, RunStatus::Complete), (0..400).map(late));
}
