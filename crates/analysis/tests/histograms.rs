//! Merged histograms against the rows they count, read by DuckDB, and against published logs.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod sample;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use analysis::breakdown::Measure;
use analysis::histograms::merge;
use hdrhistogram::Histogram;
use sample::{MS, info, outcome, write_run};
use serde_json::Value;
use stats::knee::{Bend, SENSITIVITY};
use trace::{LatencyRow, LatencyWriter, OutcomeRow, RunInfo, RunNs, RunStatus};

fn row<'a>(collection: &'a str, values_ns: &'a [i64], counts: &'a [u64]) -> LatencyRow<'a> {
    let (count, max_ns) = (counts.iter().sum(), values_ns.last().copied().unwrap_or_default());
    let (slice_start, slice_ns, min_ns) = (RunNs(0), 1_000_000_000, values_ns.first().copied().unwrap_or_default());
    let (operation, phase, measure) = ("search", "", "response");
    LatencyRow { slice_start, slice_ns, collection, operation, phase, measure, count, min_ns, max_ns, values_ns, counts }
}

/// Service times of worker `number`: about 2 ms and skewed, the last worker's five times as long.
fn worker_ns(number: u64, workers: u64, values: u64) -> Vec<u64> {
    let mut rng = stats::Rng::stream(number, "worker");
    let factor = if number + 1 == workers { 5.0 } else { 1.0 };
    (0..values).map(|_| (2e6 * factor * (0.7 * rng.normal()).exp()) as u64).collect()
}

/// p50, p99 and p99.9 of the rows by DuckDB; `None` where there is none.
fn duckdb(dir: &Path) -> Option<[f64; 3]> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/bin/python");
    if !python.exists() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "the Python environment .venv is missing");
        return None;
    }
    let query = format!(
        "select quantile_disc(done_ns - due_ns, [0.5, 0.99, 0.999]) from read_parquet('{}/outcomes-*.parquet')",
        dir.display()
    );
    let script = "import duckdb, json, sys; print(json.dumps(duckdb.sql(sys.argv[1]).fetchone()[0]))";
    let output = Command::new(python).args(["-c", script, &query]).output().expect("Python starts");
    serde_json::from_slice(&output.stdout).expect("three numbers")
}

#[test]
fn merged_histograms_of_workers_have_the_percentiles_of_the_rows() {
    for workers in [1, 4, 10] {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let times: Vec<Vec<u64>> = (0..workers).map(|number| worker_ns(number, workers, 20_000)).collect();
        let mut writer = LatencyWriter::create(&dir.path().join("latency-000000.parquet")).expect("room on the disk");
        let mut p99s = Vec::new();
        for times_ns in &times {
            let mut histogram = Histogram::<u64>::new_with_bounds(1, 3_600_000_000_000, 3).expect("sound bounds");
            times_ns.iter().for_each(|ns| histogram.saturating_record(*ns));
            let buckets = || histogram.iter_recorded();
            let values_ns: Vec<i64> = buckets().map(|bucket| bucket.value_iterated_to().cast_signed()).collect();
            let counts: Vec<u64> = buckets().map(|bucket| bucket.count_at_value()).collect();
            writer.push(&row("c", &values_ns, &counts)).expect("room on the disk");
            p99s.push(histogram.value_at_quantile(0.99) as f64);
        }
        writer.finish().expect("room on the disk");
        let rows = times.iter().flatten().enumerate().map(|(id, ns)| {
            let due_ns = id as i64 * MS;
            let done = Some(RunNs(due_ns + ns.cast_signed()));
            OutcomeRow { due: RunNs(due_ns), sent: Some(RunNs(due_ns)), done, error: None, ..outcome(1) }
        });
        write_run(dir.path(), &info(workers * 20_000, RunStatus::Complete), rows);

        let merged = merge(dir.path(), &["collection"], Measure::Response).expect("histograms");
        assert_eq!((merged.len(), merged[0].count), (1, workers * 20_000));
        let found = [0, 3, 4].map(|level| merged[0].quantiles_ns[level].expect("enough values") as f64);
        let Some(exact) = duckdb(dir.path()) else { return };
        for (found, exact) in found.iter().zip(exact) {
            assert!((found / exact - 1.0).abs() < 0.001, "{workers} workers: {found} for {exact}");
        }
        // What is done elsewhere: the mean of the workers' p99s is far off as soon as one of them is slow.
        let averaged = p99s.iter().sum::<f64>() / p99s.len() as f64;
        let off = (averaged / exact[1] - 1.0).abs();
        assert!(if workers == 1 { off < 0.001 } else { off > 0.2 }, "{workers} workers: off by {off}");
    }
}

fn corpus(name: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("REHEARSAL_CORPUS")?);
    let folder = if folder.is_relative() { Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder) } else { folder };
    Some(folder.join("results").join(name))
}

/// The bytes of base64 text (RFC 4648, §4).
fn base64(text: &str) -> Vec<u8> {
    let (mut bytes, mut waiting, mut bits) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes().take_while(|letter| *letter != b'=') {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        (waiting, bits) = (waiting << 6 | u32::from(value), bits + 6);
        if bits >= 8 {
            bits -= 8;
            bytes.push((waiting >> bits) as u8);
        }
    }
    bytes
}

/// Lower ends and counts of the buckets of a histogram in the compressed encoding of HdrHistogram's second version: zlib behind 8 bytes, then 40 bytes of head and
/// counts as zigzag LEB128, of which negative ones are runs of empty buckets.
fn buckets(encoded: &str) -> (Vec<i64>, Vec<u64>) {
    let mut plain = Vec::new();
    flate2::read::ZlibDecoder::new(&base64(encoded)[8..]).read_to_end(&mut plain).expect("zlib");
    let digits = i32::from_be_bytes(plain[12..16].try_into().expect("four bytes"));
    let lowest = i64::from_be_bytes(plain[16..24].try_into().expect("eight bytes"));
    let unit = lowest.ilog2();
    let half_bits = (2.0 * 10_f64.powi(digits)).log2().ceil() as u32 - 1;
    let (mut values, mut counts, mut index) = (Vec::new(), Vec::new(), 0_i64);
    let mut bytes = plain[40..].iter();
    while let Some(first) = bytes.next() {
        let (mut raw, mut shift, mut byte) = (u64::from(first & 0x7f), 7, *first);
        while byte & 0x80 != 0 {
            byte = *bytes.next().expect("the number goes on");
            // The ninth byte holds eight bits.
            raw |= u64::from(if shift < 56 { byte & 0x7f } else { byte }) << shift;
            if shift >= 56 {
                break;
            }
            shift += 7;
        }
        let count = (raw >> 1).cast_signed() ^ -((raw & 1).cast_signed());
        if count < 0 {
            index -= count;
            continue;
        }
        if count > 0 {
            let bucket = (index >> half_bits) - 1;
            let within = (index & ((1 << half_bits) - 1)) + if bucket < 0 { 0 } else { 1 << half_bits };
            let width = bucket.max(0) as u32 + unit;
            values.push(within << width);
            counts.push(count.unsigned_abs());
        }
        index += 1;
    }
    (values, counts)
}

/// The histograms of a log, each with its tag, as the histograms of a run.
fn run_of_log(log: &str, dir: &Path) -> usize {
    let mut writer = LatencyWriter::create(&dir.join("latency-000000.parquet")).expect("room on the disk");
    let lines = log.lines().filter(|line| !line.starts_with('#') && !line.starts_with('"'));
    let mut histograms = 0;
    for line in lines {
        let tag = line.strip_prefix("Tag=").and_then(|rest| rest.split(',').next()).unwrap_or("");
        // Added up as the library does: a coarser bucket counts at its lower end.
        let mut histogram = Histogram::<u64>::new_with_bounds(1, 3_600_000_000_000, 3).expect("sound bounds");
        let (lows, counts) = buckets(line.rsplit(',').next().expect("the last field"));
        lows.iter().zip(&counts).for_each(|(low, count)| histogram.record_n(low.unsigned_abs(), *count).expect("within bounds"));
        let values_ns: Vec<i64> = histogram.iter_recorded().map(|bucket| bucket.value_iterated_to().cast_signed()).collect();
        let counts: Vec<u64> = histogram.iter_recorded().map(|bucket| bucket.count_at_value()).collect();
        writer.push(&row(tag, &values_ns, &counts)).expect("room on the disk");
        histograms += 1;
    }
    writer.finish().expect("room on the disk");
    let info: RunInfo = info(1, RunStatus::Complete);
    trace::write_run_info(dir, &info).expect("room on the disk");
    histograms
}

/// A log of HdrHistogram's own tests: 62 histograms with 48 761 values; p99.9 is 1 745 879 039 and the largest 1 796 210 687.
#[test]
fn a_published_log_merges_to_its_published_figures() {
    let Some(path) = corpus("hdr_jHiccup-2.0.7S.logV2.hlog") else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let log = std::fs::read_to_string(path).expect("the corpus is readable");
    assert_eq!(run_of_log(&log, dir.path()), 62);
    let merged = merge(dir.path(), &[], Measure::Response).expect("histograms");
    assert_eq!((merged[0].count, merged[0].quantiles_ns[4], merged[0].max_ns), (48_761, Some(1_745_879_039), 1_796_210_687));
}

/// A log in which everything stands once with a tag and once without.
#[test]
fn a_tagged_log_is_told_apart_by_tag() {
    let Some(path) = corpus("hdr_tagged-Log.logV2.hlog") else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let log = std::fs::read_to_string(path).expect("the corpus is readable");
    assert_eq!(run_of_log(&log, dir.path()), 42);
    let merged = merge(dir.path(), &["collection"], Measure::Response).expect("histograms");
    let [one, other] = merged.as_slice() else { panic!("two tags: {merged:?}") };
    assert_eq!((one.count + other.count, one.count, &one.quantiles_ns), (32_290, other.count, &other.quantiles_ns));
}

/// Percentile spectra with and without coordinated omission: our quantiles of their counts are those that the files list.
#[test]
fn published_spectra_have_the_percentiles_that_they_list() {
    for name in ["hgrm_12Krps.txt", "hgrm_12Krps_CO.txt"] {
        let Some(path) = corpus(name) else { return };
        let text = std::fs::read_to_string(path).expect("the corpus is readable");
        let fields = text.lines().filter_map(|line| {
            let mut fields = line.split_whitespace().map_while(|field| field.parse::<f64>().ok());
            Some((fields.next()?, fields.next()?, fields.next()? as u64))
        });
        let lines: Vec<(f64, f64, u64)> = fields.collect();
        let (mut values_ns, mut counts, mut below) = (Vec::new(), Vec::new(), 0);
        for (value, _, total) in &lines {
            if *total > below {
                values_ns.push((value * 1e6).round() as i64);
                counts.push(total - below);
                below = *total;
            }
        }
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut writer = LatencyWriter::create(&dir.path().join("latency-000000.parquet")).expect("room on the disk");
        writer.push(&row("c", &values_ns, &counts)).expect("room on the disk");
        writer.finish().expect("room on the disk");
        let merged = merge(dir.path(), &[], Measure::Response).expect("histograms");
        assert_eq!(merged[0].count, 3_477_000);
        for (level, p) in [0.5, 0.9, 0.95].into_iter().enumerate() {
            let listed = lines.iter().find(|(_, listed, _)| (listed - p).abs() < 1e-9).expect("the file lists it").0;
            assert_eq!(merged[0].quantiles_ns[level], Some((listed * 1e6).round() as i64), "{name} p {p}");
        }
    }
}

/// What HdrHistogram's tests of coordinated omission expect: 10 000 times 1 ms and once 100 s, 10 ms expected between two, in µs. Measuring
/// from the due instant, as outcomes do, gives the corrected figures without any correction: one request is due each 10 ms, and those that are
/// due during the stall wait until its end.
#[test]
fn measuring_from_the_due_instant_is_the_corrected_histogram() {
    const US: i64 = 1000;
    const INTERVAL_NS: i64 = 10 * MS;
    let stall_ns = 100_000 * MS;
    let waits = (0..10_000).map(|k| stall_ns - k * INTERVAL_NS);
    let times_ns: Vec<i64> = std::iter::repeat_n(MS, 10_000).chain(waits).collect();
    let found = analysis::distribution::Distribution::of(&[&times_ns]);
    let mut corrected = Histogram::<u64>::new_with_bounds(1, 3_600_000_000, 3).expect("sound bounds");
    (0..10_000).for_each(|_| corrected.record_correct(1000, 10_000).expect("within bounds"));
    corrected.record_correct(100_000_000, 10_000).expect("within bounds");
    assert_eq!((found.count, corrected.len()), (20_000, 20_000));
    let near = |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 0.001, "{found} instead of {expected}");
    near(found.mean_ns.expect("values") / US as f64, 25_000_500.0);
    for (p, expected_us) in [(0.5, 1000.0), (0.9, 8.0e7), (0.99, 9.8e7)] {
        near(corrected.value_at_quantile(p) as f64, expected_us);
        near(found.value_ns(p).expect("enough values") as f64 / US as f64, expected_us);
    }
    near(found.max_ns.expect("values") as f64 / US as f64, 1e8);
}

/// VectorDBBench calls the largest p99 of its processes p99. Rates fall beyond the knee that its lists show.
#[test]
fn lists_of_a_vector_benchmark_are_read_as_they_are() {
    let Some(path) = corpus("vdbbench_result_20250602_standard_qdrantcloud.json") else { return };
    let results: Value = serde_json::from_str(&std::fs::read_to_string(path).expect("the corpus is readable")).expect("JSON");
    let results = results["results"].as_array().expect("a list of cases");
    assert_eq!(results.len(), 30);
    let metrics = &results[0]["metrics"];
    let list =
        |name: &str| metrics[name].as_array().expect(name).iter().map(|x| x.as_f64().expect("a number")).collect::<Vec<_>>();
    let (users, rates) = (list("conc_num_list"), list("conc_qps_list"));
    assert_eq!(users, [1.0, 5.0, 10.0, 20.0, 30.0, 40.0, 60.0, 80.0]);
    let best = rates.iter().copied().fold(0.0, f64::max);
    assert!((best - 4318.97).abs() < 0.01 && rates[4] == best, "{rates:?}");
    let knee = stats::knee::knee(&users, &rates, Bend::RisingConcave, SENSITIVITY).map(|place| users[place]);
    assert!(knee.is_some_and(|knee| (20.0..=30.0).contains(&knee)), "{knee:?}");
    // Little's law: users under way are rate times mean latency; what is missing of them is the benchmark's own time.
    for ((users, rate), mean_s) in users.iter().zip(&rates).zip(list("conc_latency_avg_list")) {
        let under_way = rate * mean_s;
        assert!((0.88..=1.01).contains(&(under_way / users)), "{under_way} of {users} users");
    }
}
