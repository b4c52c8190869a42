//! Traces survive a round trip whole, come out sorted whatever order they went in, and are refused when they are something else.

use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;
use trace::{
    Effect, Exchange, Flag, Flags, Header, Kind, Name, Names, TraceMeta, TraceNs, TraceReader, TraceSorter, TraceWriter, Txn,
    Yield,
};

fn read_all(path: &Path) -> Vec<Exchange> {
    let mut reader = TraceReader::open(path).unwrap();
    let mut names = Names::default();
    let mut all = Vec::new();
    while let Some(batch) = reader.next_batch().unwrap() {
        all.extend(batch.rows().map(|row| row.to_exchange(&mut names)));
    }
    all
}

fn full_exchange() -> Exchange {
    Exchange {
        at: TraceNs(7),
        session: 3,
        seq: 2,
        stream: 1,
        kind: Kind::Message,
        effect: Effect::Admin,
        txn: Some(Txn { name: "checkout".into(), id: "42".into() }),
        protocol: "http".into(),
        version: "1.1".into(),
        endpoint: "127.0.0.1:6333".into(),
        collection: "mixtral".into(),
        operation: "POST /collections/{}/points/search".into(),
        method: "POST".into(),
        target: "/collections/mixtral/points/search?a=1".into(),
        headers: Some(vec![
            Header { name: "Host".into(), value: Bytes::from_static(b"x") },
            Header { name: "X-Raw".into(), value: Bytes::from_static(&[0xff, 0x00]) },
        ]),
        request: Some(Bytes::from_static(b"{\"vector\":[1]}")),
        request_bytes: 321,
        response_bytes: 654,
        items: 9,
        status: Some("200".into()),
        ok: Some(true),
        first_byte_ns: Some(11),
        latency_ns: Some(12),
        answer_hash: Some(u64::MAX),
        answer_ids: Some(vec!["1".into(), "b".into()]),
        yields: vec![Yield { name: "cursor".into(), value: "77".into() }],
        response: Some(Bytes::from_static(b"{}")),
        flags: Flags::default().with(Flag::Setup).with(Flag::Redacted),
        ..Exchange::default()
    }
}

#[test]
fn every_field_survives_a_round_trip() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.parquet");
    let mut writer = TraceWriter::create(&path).unwrap();
    let empty = Exchange::default();
    writer.push(&empty).unwrap();
    writer.push(&full_exchange()).unwrap();
    let meta = writer.finish(TraceMeta { wall_start_unix_ns: Some(5), ..TraceMeta::default() }).unwrap();

    assert_eq!((meta.exchanges, meta.sessions, meta.span_ns), (2, 2, 7));
    assert_eq!(read_all(&path), [empty, Exchange { id: 1, origin: 1, ..full_exchange() }]);
    let reader = TraceReader::open(&path).unwrap();
    assert_eq!(reader.metas(), [meta]);
}

/// More texts than a dictionary is made of, and lists that are missing, empty, or of one and two items.
#[test]
fn texts_that_hardly_repeat_and_lists_of_every_length_survive_a_round_trip() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.parquet");
    let header = |name: &str, value: String| Header { name: name.into(), value: value.into() };
    let rows: Vec<Exchange> = (0..3000_u64)
        .map(|n| Exchange {
            id: n,
            origin: n,
            at: TraceNs(n as i64),
            target: format!("/a/rather/long/path/that/comes/only/once/{n}").into(),
            txn: (n % 3 == 0)
                .then(|| Txn { name: "buy".into(), id: format!("a transaction with a long id, number {n}").as_str().into() }),
            headers: match n % 4 {
                0 => None,
                1 => Some(vec![]),
                2 => Some(vec![header("Host", "x".into())]),
                _ => {
                    Some(vec![header("Host", "y".into()), header("X-Id", format!("a value that comes only once, as number {n}"))])
                }
            },
            answer_ids: [None, Some(vec![]), Some(vec![n.to_string(), "b".into()])][n as usize % 3].clone(),
            request: (n % 2 == 0).then(|| vec![b'x'; n as usize % 50].into()),
            latency_ns: (n % 5 > 0).then_some(n as i64),
            ..if n % 7 == 0 { Exchange::default() } else { Exchange { seq: 0, stream: 0, session: 0, ..full_exchange() } }
        })
        .collect();
    let mut writer = TraceWriter::create(&path).unwrap();
    rows.iter().for_each(|row| writer.push(row).unwrap());
    writer.finish(TraceMeta::default()).unwrap();
    let read = read_all(&path);
    assert_eq!(read.len(), rows.len());
    assert!(read.iter().zip(&rows).all(|(read, row)| read == row));
}

#[test]
fn columns_that_are_not_opened_are_empty() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.parquet");
    let mut writer = TraceWriter::create(&path).unwrap();
    writer.push(&full_exchange()).unwrap();
    writer.finish(TraceMeta::default()).unwrap();

    let mut reader = TraceReader::open_columns(&path, Some(&["collection"])).unwrap();
    let batch = reader.next_batch().unwrap().unwrap();
    let row = batch.row(0);
    assert_eq!((row.collection(), row.at(), row.operation(), row.request()), ("mixtral", TraceNs(7), "", None));
}

#[test]
fn exchanges_out_of_order_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.parquet");
    let mut writer = TraceWriter::create(&path).unwrap();
    writer.push(&full_exchange()).unwrap();
    let error = writer.push(&Exchange::default()).unwrap_err().to_string();
    assert!(error.contains("sort them first"), "{error}");
    drop(writer);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "an unfinished trace leaves nothing behind");
}

#[test]
fn files_of_another_kind_or_version_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("text.parquet");
    std::fs::write(&text, "hello").unwrap();
    let error = TraceReader::open(&text).err().unwrap().to_string();
    assert!(error.contains("not a readable Parquet file"), "{error}");

    let outcomes = trace::OutcomeWriter::new(dir.path());
    let mut outcomes = outcomes;
    outcomes.push(&outcome(1)).unwrap();
    outcomes.finish().unwrap();
    let part = &trace::part_files(dir.path(), trace::schema::OUTCOMES).unwrap()[0].path;
    let error = TraceReader::open(part).err().unwrap().to_string();
    assert!(error.contains("a rehearsal outcomes file of version 1, wanted a rehearsal trace file of version 1"), "{error}");
}

fn outcome(id: u64) -> trace::OutcomeRow<'static> {
    trace::OutcomeRow {
        id,
        phase: "constant",
        conn: 1,
        protocol: "http",
        collection: "c",
        operation: "o",
        target: "http://127.0.0.1:1",
        error: Some(trace::ErrorClass::Refused),
        ..trace::OutcomeRow::default()
    }
}

#[test]
fn parts_are_joined_and_a_wider_part_covers_narrower_ones() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = trace::OutcomeWriter::new(dir.path());
    for id in 0..10 {
        writer.push(&outcome(id)).unwrap();
        if id % 3 == 2 {
            writer.roll().unwrap();
        }
    }
    let unfinished = trace::part_files(dir.path(), trace::schema::OUTCOMES).unwrap();
    assert_eq!(unfinished.len(), 3, "three parts are closed, the fourth is still being written");
    let narrow = std::fs::read(&unfinished[1].path).unwrap();
    assert_eq!(writer.finish().unwrap(), 10);

    let parts = trace::part_files(dir.path(), trace::schema::OUTCOMES).unwrap();
    assert_eq!(parts.iter().map(|part| (part.first, part.last)).collect::<Vec<_>>(), [(0, 3)]);
    assert_eq!(ids(&parts[0].path), (0..10).collect::<Vec<_>>());

    std::fs::write(&unfinished[1].path, narrow).unwrap();
    assert_eq!(
        trace::part_files(dir.path(), trace::schema::OUTCOMES).unwrap(),
        parts,
        "a part that a joined one covers does not count twice"
    );
}

/// What a row of the test below says, as far as its columns are of different kinds.
type Said = (String, Option<(String, String)>, Option<i64>, Option<String>, u32, bool, Option<f32>);

/// Runs of equal rows and rows that are all different, some values missing.
fn outcomes_said() -> impl Strategy<Value = Vec<Said>> {
    let name = || prop::sample::select(vec!["", "a", "käse", "a rather long name of a collection"]).prop_map(str::to_owned);
    let row = (name(), prop::option::of((name(), ".{0,30}")), prop::option::of(any::<i64>()), prop::option::of(name()));
    let row = (row, any::<u32>(), any::<bool>(), prop::option::of(any::<f32>().prop_filter("compares", |x| !x.is_nan())));
    let run = (row, 1_usize..40).prop_map(|(((name, txn, sent, status), items, ok, recall), length)| {
        vec![(name, txn, sent, status, items, ok, recall); length]
    });
    prop::collection::vec(run, 0..40).prop_map(|runs| runs.concat())
}

/// Reads outcomes with arrays, which the writer does without.
fn read_said(path: &Path) -> Vec<Said> {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Float32Type, Int64Type, UInt32Type};
    let file = std::fs::File::open(path).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let mut said = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        assert_eq!(*batch.schema().fields(), *trace::schema::outcomes().fields());
        let column = |name: &str| batch.column_by_name(name).unwrap().clone();
        let text = |array: &dyn Array, i| array.is_valid(i).then(|| array.as_string::<i32>().value(i).to_owned());
        let (txn, sent, recall) = (column("txn"), column("sent_ns"), column("recall"));
        for i in 0..batch.num_rows() {
            let part = |n| text(txn.as_struct().column(n), i).unwrap();
            said.push((
                text(&column("collection"), i).unwrap(),
                txn.is_valid(i).then(|| (part(0), part(1))),
                sent.is_valid(i).then(|| sent.as_primitive::<Int64Type>().value(i)),
                text(&column("status"), i),
                column("items").as_primitive::<UInt32Type>().value(i),
                column("ok").as_boolean().value(i),
                recall.is_valid(i).then(|| recall.as_primitive::<Float32Type>().value(i)),
            ));
        }
    }
    said
}

proptest! {
    #[test]
    fn outcomes_are_read_as_they_were_written(said in outcomes_said()) {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = trace::OutcomeWriter::new(dir.path());
        for (name, txn, sent, status, items, ok, recall) in &said {
            let txn = txn.as_ref().map(|(name, id)| (name.as_str(), id.as_str()));
            let (sent, status) = (sent.map(trace::RunNs), status.as_deref());
            let row = trace::OutcomeRow { collection: name, txn, sent, status, items: *items, ok: *ok, recall: *recall, ..outcome(0) };
            writer.push(&row).unwrap();
        }
        writer.finish().unwrap();
        let parts = trace::part_files(dir.path(), trace::schema::OUTCOMES).unwrap();
        prop_assert_eq!(parts.iter().flat_map(|part| read_said(&part.path)).collect::<Vec<_>>(), said);
    }
}

fn ids(path: &Path) -> Vec<u64> {
    use arrow::array::AsArray;
    use arrow::datatypes::UInt64Type;
    let file = std::fs::File::open(path).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let column =
        |batch: arrow::array::RecordBatch| batch.column_by_name("id").unwrap().as_primitive::<UInt64Type>().values().to_vec();
    reader.flat_map(|batch| column(batch.unwrap())).collect()
}

#[test]
fn a_failed_trace_leaves_the_old_file_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.parquet");
    std::fs::write(&path, "precious").unwrap();
    drop(TraceWriter::create(&path).unwrap());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

fn exchange(at: i64, session: u64, seq: u32) -> Exchange {
    let request = Some(Bytes::from(vec![b'x'; (at % 50) as usize]));
    Exchange {
        at: TraceNs(at),
        session,
        seq,
        target: format!("/{at}").into(),
        method: Name::from("GET"),
        request,
        ..Exchange::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Sorting in little memory, through many runs on disk, gives the bytes that sorting in much memory gives.
    #[test]
    fn sorting_on_disk_equals_sorting_in_memory(rows in prop::collection::vec((0i64..1000, 0u64..5), 1..200), bytes_max in 1usize..20_000) {
        let dir = tempfile::tempdir().unwrap();
        let rows: Vec<Exchange> = rows.iter().enumerate().map(|(i, (at, session))| exchange(*at, *session, i as u32)).collect();
        let mut files = Vec::new();
        for (name, memory) in [("small", bytes_max), ("large", usize::MAX)] {
            let path = dir.path().join(name);
            let mut sorter = TraceSorter::with_memory(&path, memory);
            for row in &rows {
                sorter.push(row).unwrap();
            }
            sorter.finish(TraceMeta::default()).unwrap();
            files.push(std::fs::read(&path).unwrap());
        }
        prop_assert_eq!(&files[0], &files[1]);
        prop_assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "the runs on disk are gone");

        let mut expected = rows.clone();
        expected.sort_by_key(Exchange::order);
        let start = expected[0].at;
        for (id, row) in expected.iter_mut().enumerate() {
            (row.id, row.origin, row.at) = (id as u64, id as u64, TraceNs(row.at - start));
        }
        prop_assert_eq!(read_all(&dir.path().join("small")), expected);
    }

    /// A folder of traces reads as one, in order and numbered anew.
    #[test]
    fn a_folder_reads_as_one_trace(rows in prop::collection::vec((0i64..1000, 0usize..3), 3..200)) {
        let dir = tempfile::tempdir().unwrap();
        let mut rows: Vec<(Exchange, usize)> =
            rows.iter().enumerate().map(|(i, (at, file))| (exchange(*at, 0, i as u32), *file)).collect();
        rows.sort_by_key(|(row, _)| row.order());
        for file in 0..3 {
            let mut writer = TraceWriter::create(&dir.path().join(format!("{file}.parquet"))).unwrap();
            for (row, _) in rows.iter().filter(|(_, of)| *of == file) {
                writer.push(row).unwrap();
            }
            writer.finish(TraceMeta::default()).unwrap();
        }
        let read = read_all(dir.path());
        let targets: Vec<&str> = rows.iter().map(|(row, _)| &*row.target).collect();
        prop_assert_eq!(read.iter().map(|row| &*row.target).collect::<Vec<_>>(), targets);
        prop_assert_eq!(read.iter().map(|row| row.id).collect::<Vec<_>>(), (0..rows.len() as u64).collect::<Vec<_>>());
    }
}

#[test]
fn resources_are_written_in_parts_and_joined() {
    use arrow::array::AsArray;
    use arrow::datatypes::{Float64Type, Int64Type};
    let dir = tempfile::tempdir().unwrap();
    let mut writer = trace::ResourceWriter::new(dir.path());
    let mut outcomes = trace::OutcomeWriter::new(dir.path());
    outcomes.push(&outcome(1)).unwrap();
    outcomes.finish().unwrap();
    for tick in 0..10_i64 {
        let unit = (tick % 2 == 0).then_some("bytes");
        let (at, value) = (trace::RunNs(tick * 7), tick as f64 / 4.0);
        writer.push(&trace::ResourceRow { at, wall_ns: 100 + tick, source: "pid:1", series: "rss_bytes", unit, value }).unwrap();
        if tick % 4 == 3 {
            writer.roll().unwrap();
        }
    }
    let parts = || trace::part_files(dir.path(), trace::schema::RESOURCES).unwrap();
    assert_eq!(parts().len(), 2, "two parts are closed, the third is still being written");
    writer.finish().unwrap();
    assert_eq!(parts().iter().map(|part| (part.first, part.last)).collect::<Vec<_>>(), [(0, 2)]);
    let file = std::fs::File::open(&parts()[0].path).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    let instants = |name: &str| -> Vec<i64> {
        batches.iter().flat_map(|batch| batch[name].as_primitive::<Int64Type>().values().to_vec()).collect()
    };
    assert_eq!(instants("run_ns"), (0..10).map(|tick| tick * 7).collect::<Vec<_>>());
    assert_eq!(instants("wall_ns"), (100..110).collect::<Vec<_>>());
    let values = batches.iter().flat_map(|batch| batch["value"].as_primitive::<Float64Type>().values().to_vec());
    assert_eq!(values.collect::<Vec<_>>(), (0..10).map(|tick| f64::from(tick) / 4.0).collect::<Vec<_>>());
    let units = batches.iter().map(|batch| batch["unit"].as_string::<i32>().iter().flatten().count());
    assert_eq!(units.sum::<usize>(), 5);
}

#[test]
fn the_growth_of_a_counter_has_a_name_and_a_unit() {
    assert_eq!(trace::rate_of("cpu_s", "s"), ("cpu_cores".to_owned(), "cores"));
    assert_eq!(trace::rate_of("disk_busy_s{disk=\"a\"}", "s"), ("disk_busy_share{disk=\"a\"}".to_owned(), "share"));
    assert_eq!(trace::rate_of("read_bytes{disk=\"a_s\"}", "bytes"), ("read_bytes_per_s{disk=\"a_s\"}".to_owned(), "bytes/s"));
    assert_eq!(trace::rate_of("hits", ""), ("hits_per_s".to_owned(), "/s"));
}

/// A few exchanges by id, out of a file with several row groups and out of a folder of two files: those that reading all of it gives.
#[test]
fn exchanges_are_found_by_id() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, first: i64, step: i64| {
        let mut writer = TraceWriter::create(&dir.path().join(name)).unwrap();
        for n in 0..5000 {
            let target = format!("/{name}/{n}").into();
            writer.push(&Exchange { at: TraceNs(first + n * step), target, ..full_exchange() }).unwrap();
        }
        writer.finish(TraceMeta::default()).unwrap();
    };
    write("a.parquet", 0, 10);
    write("b.parquet", 5, 10);
    for path in [dir.path().join("a.parquet"), dir.path().to_owned()] {
        let all = read_all(&path);
        let wanted = [4999, 0, 1, 2048, 7, 7, 1_000_000];
        let found = trace::exchanges_of(&path, &wanted, &["target", "collection"]).unwrap();
        let ids: Vec<u64> = found.iter().map(|exchange| exchange.id).collect();
        assert_eq!(ids, [0, 1, 7, 2048, 4999], "{}", path.display());
        for exchange in found {
            let whole = &all[usize::try_from(exchange.id).unwrap()];
            assert_eq!((exchange.at, &exchange.target, &exchange.collection), (whole.at, &whole.target, &whole.collection));
            assert!(exchange.request.is_none(), "a column that was not asked for");
        }
    }
}
