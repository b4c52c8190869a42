//! What a row costs: `cargo bench -p rehearsal-trace`. Every bench handles [`ROWS`] rows; divide by that.

use bytes::Bytes;
use divan::Bencher;
use trace::{Exchange, Header, OutcomeRow, OutcomeWriter, RunNs, TraceMeta, TraceNs, TraceReader, TraceWriter};

const ROWS: u64 = 100_000;

fn main() {
    divan::main();
}

fn exchange(i: u64) -> Exchange {
    Exchange {
        at: TraceNs(i as i64 * 100_003),
        session: i % 64,
        seq: (i / 64) as u32,
        protocol: "http".into(),
        version: "1.1".into(),
        endpoint: "127.0.0.1:80".into(),
        collection: "mixtral".into(),
        operation: "GET /items/{}".into(),
        method: "GET".into(),
        target: format!("/items/{i}").into(),
        headers: Some(vec![Header { name: "Host".into(), value: Bytes::from_static(b"127.0.0.1") }]),
        request: Some(Bytes::new()),
        request_bytes: 80,
        response_bytes: 200,
        status: Some("200".into()),
        ok: Some(true),
        first_byte_ns: Some(900 + i as i64 % 1000),
        latency_ns: Some(1000 + i as i64 % 1000),
        ..Exchange::default()
    }
}

fn write_trace(path: &std::path::Path, rows: &[Exchange]) {
    let mut writer = TraceWriter::create(path).expect("a temporary file");
    for row in rows {
        writer.push(row).expect("in order");
    }
    writer.finish(TraceMeta::default()).expect("room on disk");
}

#[divan::bench]
fn write_exchanges(bencher: Bencher) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let rows: Vec<Exchange> = (0..ROWS).map(exchange).collect();
    bencher.bench_local(|| write_trace(&dir.path().join("t.parquet"), &rows));
}

#[divan::bench]
fn read_what_a_replay_needs(bencher: Bencher) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("t.parquet");
    write_trace(&path, &(0..ROWS).map(exchange).collect::<Vec<_>>());
    let columns =
        ["kind", "effect", "stream", "collection", "operation", "method", "target", "headers", "request", "items", "flags"];
    bencher.bench_local(|| {
        let mut reader = TraceReader::open_columns(&path, Some(&columns)).expect("a trace");
        let mut bytes = 0;
        while let Some(batch) = reader.next_batch().expect("whole") {
            for row in batch.rows() {
                bytes += row.target().len() + row.headers().map(|(name, value)| name.len() + value.len()).sum::<usize>();
            }
        }
        bytes
    });
}

#[divan::bench]
fn write_outcomes(bencher: Bencher) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    bencher.bench_local(|| {
        let mut writer = OutcomeWriter::new(dir.path());
        for i in 0..ROWS {
            writer.push(&outcome(i)).expect("room on disk");
        }
        writer.finish().expect("room on disk")
    });
}

fn outcome(i: u64) -> OutcomeRow<'static> {
    let sent = RunNs(i as i64 * 5_003);
    OutcomeRow {
        id: i,
        phase: "recorded",
        worker: (i % 2) as u32,
        session: i % 64,
        conn: i % 64 + 1,
        protocol: "http",
        collection: "mixtral",
        operation: "GET /items/{}",
        target: "http://127.0.0.1:80",
        due: sent,
        queued_ns: i as i64 % 700,
        sent: Some(sent),
        first_byte: Some(sent + 90_000 + (i as i64 * 7919) % 10_000),
        done: Some(sent + 91_000 + (i as i64 * 7919) % 10_000),
        status: Some("200"),
        ok: true,
        items: 1,
        request_bytes: 80,
        response_bytes: 200,
        ..OutcomeRow::default()
    }
}
