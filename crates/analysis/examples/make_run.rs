//! Makes up a run of any size, for looking at reports and for measuring how long they take.
//!
//! `cargo run --release -p rehearsal-analysis --example make_run -- DIR REQUESTS COLLECTIONS CASE`, where CASE is one of `plain`
//! (a healthy run), `stall` (the target stops for a tenth of the run), `late` (the generator cannot keep up), `refused` (nobody
//! answers).

use std::collections::BTreeMap;
use std::path::Path;

use stats::Rng;
use trace::{ClockPair, ErrorClass, OutcomeRow, OutcomeWriter, RunInfo, RunNs, RunStatus};

/// Requests per second.
const RATE_PER_S: f64 = 2000.0;
const MS: i64 = 1_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [dir, requests, collections, case] = words.as_slice() else {
        return Err("wanted: DIR REQUESTS COLLECTIONS plain|stall|late|refused".into());
    };
    let dir = Path::new(dir);
    let (requests, collections): (u64, u64) = (requests.parse()?, collections.parse()?);
    std::fs::create_dir_all(dir)?;
    write_outcomes(dir, requests, collections, case)?;
    trace::write_run_info(dir, &info(requests, case))?;
    Ok(())
}

fn write_outcomes(dir: &Path, requests: u64, collections: u64, case: &str) -> trace::Result<()> {
    let names: Vec<String> = (0..collections).map(|number| format!("collection-{number}")).collect();
    let mut outcomes = OutcomeWriter::new(dir);
    let mut rng = Rng::stream(1, "make_run");
    let mut due_ns = 0;
    for id in 0..requests {
        let collection = rng.below(collections).min(rng.below(collections)) as usize;
        let place = id as f64 / requests as f64;
        outcomes.push(&outcome(&mut rng, id, due_ns, &names[collection], collection, case, place))?;
        due_ns += (rng.exponential() / RATE_PER_S * 1e9) as i64;
    }
    outcomes.finish().map(drop)
}

/// One made-up outcome; `place` is how far the run has come, from 0 to 1.
fn outcome<'a>(
    rng: &mut Rng,
    id: u64,
    due_ns: i64,
    collection: &'a str,
    number: usize,
    case: &str,
    place: f64,
) -> OutcomeRow<'a> {
    let late_ns = if case == "late" { (place * 40.0 * MS as f64) as i64 } else { (15_000.0 * (0.6 * rng.normal()).exp()) as i64 };
    let stall_ns = if case == "stall" && (0.4..0.5).contains(&place) { ((0.5 - place) * 20_000.0) as i64 * MS } else { 0 };
    let service_ns = (2.0 * MS as f64 * (1.0 + number as f64 * 0.02) * (0.7 * rng.normal()).exp()) as i64;
    let sent_ns = due_ns + late_ns + stall_ns;
    let error = (case == "refused").then_some(ErrorClass::Refused).or(rng.chance(0.0008).then_some(ErrorClass::Timeout));
    let status = if rng.chance(0.002) { "503" } else { "200" };
    OutcomeRow {
        id,
        worker: (id % 2) as u32,
        session: id % 64,
        conn: if case == "refused" { 0 } else { id % 64 + 1 },
        protocol: "http",
        collection,
        operation: if rng.chance(0.8) { "POST /collections/{}/points/search" } else { "POST /collections/{}/points/scroll" },
        target: "http://127.0.0.1:6333",
        due: RunNs(due_ns),
        blocked_ns: stall_ns,
        sent: (case != "refused").then_some(RunNs(sent_ns)),
        first_byte: error.is_none().then_some(RunNs(sent_ns + service_ns * 9 / 10)),
        done: Some(RunNs(sent_ns + service_ns)),
        status: error.is_none().then_some(status),
        ok: error.is_none() && status == "200",
        error,
        items: 1,
        request_bytes: 900,
        response_bytes: if error.is_none() { 1400 + rng.below(3000) } else { 0 },
        ..OutcomeRow::default()
    }
}

fn info(requests: u64, case: &str) -> RunInfo {
    let words =
        ["rehearsal", "replay", "trace.parquet", "--target", "http://127.0.0.1:6333", "--speed", "2", "--note", "made up"];
    RunInfo {
        tool: format!("rehearsal {}", env!("CARGO_PKG_VERSION")),
        label: format!("{case}-run"),
        note: "A made-up run.".to_owned(),
        status: RunStatus::Complete,
        command: words.map(str::to_owned).to_vec(),
        trace: "trace.parquet".to_owned(),
        trace_hash: "8f3c1d0a5be24f7790d1c6b2a94e63f0".to_owned(),
        requests,
        targets: BTreeMap::from([("*".to_owned(), "http://127.0.0.1:6333".to_owned())]),
        seed: 1,
        host: BTreeMap::from([("cores".to_owned(), "2".to_owned()), ("kernel".to_owned(), "6.12".to_owned())]),
        clocks: vec![ClockPair { run_ns: 0, unix_ns: 1_763_682_425_000_000_000 }],
        ..RunInfo::default()
    }
}
