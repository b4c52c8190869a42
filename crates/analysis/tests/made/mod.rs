//! Runs that tests make up: a queue of known capacity under a load of known course, as a replay would have recorded it.

use std::collections::BinaryHeap;
use std::path::Path;

use analysis::threshold::Thresholds;
use analysis::{Analysis, Run};
use serde_json::Value;
use stats::Rng;
use trace::{ErrorClass, OutcomeRow, OutcomeWriter, RunInfo, RunNs, RunStatus};

pub const S: i64 = 1_000_000_000;

/// One request of a run.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    pub due_ns: i64,
    pub phase: &'static str,
    pub collection: &'static str,
    pub operation: &'static str,
    /// When the answer was there.
    pub done_ns: i64,
    /// Why there was no good answer.
    pub error: Option<ErrorClass>,
}

/// Requests as they come before a target has seen them.
pub fn request(due_ns: i64, phase: &'static str) -> Request {
    Request { due_ns, phase, collection: "all", operation: "GET", done_ns: due_ns, error: None }
}

/// Levels of load: name, requests per second, length in s.
pub type Levels<'a> = &'a [(&'static str, f64, i64)];

/// Requests of a Poisson process at these levels, one after the other.
pub fn poisson(levels: Levels<'_>, seed: u64) -> Vec<Request> {
    let mut rng = Rng::stream(seed, "arrivals");
    let mut requests = Vec::new();
    let mut from_ns = 0;
    for (phase, per_s, seconds) in levels {
        let mut at_s = 0.0;
        loop {
            at_s += rng.exponential() / per_s;
            if at_s >= *seconds as f64 {
                break;
            }
            requests.push(request(from_ns + (at_s * 1e9) as i64, phase));
        }
        from_ns += seconds * S;
    }
    requests
}

/// Serves the requests in order on `servers`, each for as long as `service_s` says.
pub fn serve(requests: &mut [Request], servers: usize, mut service_s: impl FnMut(&Request) -> f64) {
    let mut free_ns: BinaryHeap<std::cmp::Reverse<i64>> = (0..servers).map(|_| std::cmp::Reverse(0)).collect();
    for request in requests {
        let std::cmp::Reverse(free) = free_ns.pop().expect("servers are always there");
        request.done_ns = free.max(request.due_ns) + (service_s(request) * 1e9) as i64;
        free_ns.push(std::cmp::Reverse(request.done_ns));
    }
}

/// What `run.json` says of a profile of levels.
pub fn asked(levels: Levels<'_>) -> Value {
    let (mut at_ns, mut requests, mut phases) = (vec![0], vec![0.0], Vec::new());
    for (phase, per_s, seconds) in levels {
        let (from_ns, before) = (at_ns[at_ns.len() - 1], requests[requests.len() - 1]);
        phases.push(serde_json::json!({ "name": phase, "from_ns": from_ns }));
        at_ns.push(from_ns + seconds * S);
        requests.push(before + per_s * *seconds as f64);
    }
    serde_json::json!({ "phases": phases, "asked_rate": { "at_ns": at_ns, "requests": requests } })
}

/// Writes the run into `dir`: everything sent as it was due.
pub fn write(dir: &Path, requests: &[Request], asked: Value) {
    write_late(dir, requests, asked, |_| 0);
}

/// The same, each sent so many ns late by the generator's own doing.
pub fn write_late(dir: &Path, requests: &[Request], asked: Value, late_ns: impl Fn(&Request) -> i64) {
    let mut writer = OutcomeWriter::new(dir);
    for (id, request) in (0..).zip(requests) {
        writer.push(&row(id, request, late_ns(request))).expect("room on the disk");
    }
    writer.finish().expect("room on the disk");
    trace::write_run_info(dir, &info(requests.len() as u64, asked)).expect("room on the disk");
}

fn row(id: u64, request: &Request, late_ns: i64) -> OutcomeRow<'static> {
    let unsent = request.error.is_some_and(ErrorClass::is_shed);
    OutcomeRow {
        id,
        phase: request.phase,
        session: id,
        conn: id % 16 + 1,
        protocol: "http",
        collection: request.collection,
        operation: request.operation,
        target: "http://127.0.0.1:1",
        due: RunNs(request.due_ns),
        sent: (!unsent).then_some(RunNs(request.due_ns + late_ns)),
        done: (!unsent).then_some(RunNs(request.done_ns + late_ns)),
        status: request.error.is_none().then_some("200"),
        ok: request.error.is_none(),
        error: request.error,
        items: 1,
        request_bytes: 100,
        response_bytes: 100,
        ..OutcomeRow::default()
    }
}

fn info(requests: u64, asked: Value) -> RunInfo {
    RunInfo {
        tool: "rehearsal 0.1.0".to_owned(),
        label: "made".to_owned(),
        status: RunStatus::Complete,
        command: vec!["rehearsal".to_owned()],
        trace: "trace.parquet".to_owned(),
        trace_hash: "00".to_owned(),
        requests,
        seed: 1,
        asked,
        ..RunInfo::default()
    }
}

/// The run in `dir` and everything computed from it.
pub fn open(dir: &Path) -> (Run, Analysis) {
    let run = Run::open(dir).expect("a run");
    let thresholds = Thresholds::of_run(&run.info).expect("thresholds");
    let analysis = Analysis::new(&run).and_then(|analysis| analysis.held(&run, &thresholds, &[])).expect("outcomes");
    (run, analysis)
}
