//! Hints on runs that were made to show one thing each.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod sample;

use analysis::finding::{self, Finding, Verdict};
use analysis::threshold::Thresholds;
use analysis::{Analysis, Run};
use sample::{MS, US, info, outcome, write_run};
use stats::Rng;
use tempfile::TempDir;
use trace::{ErrorClass, OutcomeRow, ResourceRow, ResourceWriter, RunNs, RunStatus};

const S: i64 = 1_000_000_000;

/// Every hint there is.
const HINTS: [&str; 10] = [
    "waiting",
    "tail",
    "peaks",
    "connecting",
    "failures-of",
    "failures-since",
    "cpu-idle",
    "cpu-saturated",
    "retransmits",
    "descriptors",
];

/// One request each millisecond, sent 20 µs late and answered well after 2 ms of service.
fn good(id: u64) -> OutcomeRow<'static> {
    let row = OutcomeRow { status: Some("200"), ok: true, error: None, ..outcome(id) };
    let sent = row.due + 20 * US;
    OutcomeRow { first_byte: Some(sent + MS), done: Some(sent + 2 * MS), ..row }
}

fn taking(row: OutcomeRow<'static>, service_ns: i64) -> OutcomeRow<'static> {
    OutcomeRow { done: row.sent.map(|sent| sent + service_ns), ..row }
}

fn refused(row: OutcomeRow<'static>) -> OutcomeRow<'static> {
    OutcomeRow { status: None, ok: false, error: Some(ErrorClass::Refused), first_byte: None, ..row }
}

fn run(requests: u64, row: impl Fn(u64) -> OutcomeRow<'static>) -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    write_run(dir.path(), &info(requests, RunStatus::Complete), (0..requests).map(row));
    dir
}

/// Readings each second of so many seconds: source, series and value by second.
type Series<'a> = &'a [(&'a str, &'a str, fn(f64) -> f64)];

fn watched(dir: &TempDir, seconds: i64, series: Series<'_>) {
    let mut writer = ResourceWriter::new(dir.path());
    for second in 0..=seconds {
        for (source, series, value) in series {
            let (at, value) = (RunNs(second * S), value(second as f64));
            writer.push(&ResourceRow { at, wall_ns: 1, source, series, unit: None, value }).expect("room on the disk");
        }
    }
    writer.finish().expect("room on the disk");
}

/// The findings that carry a hint.
fn hints(dir: &TempDir) -> Vec<Finding> {
    let analysis = Analysis::new(&Run::open(dir.path()).expect("a run")).expect("outcomes");
    finding::findings(&analysis).into_iter().filter(|finding| finding.hint.is_some()).collect()
}

/// The one hint of the run in `dir`: what was seen, and what it suggests.
fn only(dir: &TempDir, id: &str) -> (String, String) {
    assert!(HINTS.contains(&id));
    let found = hints(dir);
    let ids: Vec<&str> = found.iter().map(|finding| finding.id).collect();
    assert_eq!(ids, [id]);
    (found[0].title.clone(), found[0].hint.clone().expect("chosen by it"))
}

#[test]
fn a_run_most_of_whose_requests_fail_is_no_success() {
    let verdict = |failing: u64, thresholds: &[&str]| {
        let dir = run(1000, |id| if id % 10 < failing { refused(good(id)) } else { good(id) });
        let run = Run::open(dir.path()).expect("a run");
        let thresholds = Thresholds::of_words(thresholds).expect("thresholds");
        let analysis = Analysis::new(&run).and_then(|analysis| analysis.held(&run, &thresholds, &[])).expect("outcomes");
        finding::findings(&analysis).into_iter().find(|finding| finding.id == "answers").expect("always there").verdict
    };
    assert_eq!([verdict(5, &[]), verdict(6, &[])], [Verdict::Warn, Verdict::Fail]);
    assert_eq!(verdict(6, &["error_rate<70%"]), Verdict::Warn, "so many may fail");
}

#[test]
fn a_healthy_run_gives_no_hint() {
    // Exponential service times: p99 is ln 100 / ln 2 = 6.6 times the median.
    let mut rng = Rng::stream(1, "service");
    let service: Vec<i64> = (0..20_000).map(|_| (rng.exponential() * 2e6) as i64).collect();
    let dir = run(20_000, |id| if id % 1000 == 999 { refused(good(id)) } else { taking(good(id), service[id as usize]) });
    watched(
        &dir,
        20,
        &[
            ("pid:7", "cpu_s", |s| 0.5 * s),
            ("pid:7", "cpu_cores", |_| 0.5),
            ("pid:7", "descriptors", |_| 10.0),
            ("host", "tcp_retransmits", |s| s / 10.0),
        ],
    );
    assert_eq!(hints(&dir), []);
}

#[test]
fn a_long_tail_is_stalls_or_another_kind_of_request() {
    let (seen, suggests) =
        only(&run(20_000, |id| taking(good(id), if id.is_multiple_of(47) { 60 * MS } else { 2 * MS })), "tail");
    assert!(
        seen.starts_with("The slowest hundredth takes 30.0 times the median: p99 of the service time is 60.0 ms, p50 2.00 ms"),
        "{seen}"
    );
    assert!(suggests.starts_with("Most requests are fine and few stall"), "{suggests}");
    let kind =
        |id: u64| if id.is_multiple_of(47) { taking(OutcomeRow { collection: "heavy", ..good(id) }, 60 * MS) } else { good(id) };
    let (seen, suggests) = only(&run(20_000, kind), "tail");
    assert!(seen.contains("most of all in heavy POST"), "{seen}");
    assert!(suggests.contains("half of heavy POST /collections/{}/points/search take 60.0 ms or more"), "{suggests}");
}

#[test]
fn peaks_at_equal_distances_have_their_period() {
    // In every tenth second 6 ms instead of 2.
    let dir = run(120_000, |id| taking(good(id), if id / 1000 % 10 == 3 { 6 * MS } else { 2 * MS }));
    let (seen, _) = only(&dir, "peaks");
    assert!(seen.starts_with("p99 peaks about every 10.0 s, at 6.02 ms instead of 2.02 ms"), "{seen}");
}

#[test]
fn connecting_that_becomes_slow_is_told() {
    let connect = |id: u64| id.is_multiple_of(20).then_some(200 * US + id as i64 * 100);
    let dir = run(20_000, |id| OutcomeRow { connect_ns: connect(id), ..good(id) });
    let (seen, suggests) = only(&dir, "connecting");
    // 200 µs + 100 ns · id of every 20th id: the 250th of the 500 below 10 000 is 4980, of those above 14 980.
    assert!(seen.contains("698 µs in its first half, 1.70 ms in its second"), "{seen}");
    assert!(suggests.contains("tcp_listen_overflows"));
}

#[test]
fn failures_of_one_collection_are_its_own() {
    let dir = run(20_000, |id| if id % 100 == 8 { refused(good(id)) } else { good(id) });
    let (seen, suggests) = only(&dir, "failures-of");
    assert_eq!(seen, "200 of the 200 failed requests are of collection phi3: 4.00 % of these failed, and 0 % of all others.");
    assert!(suggests.contains("--collection"));
    let dir = run(20_000, |id| {
        let row =
            OutcomeRow { target: if id.is_multiple_of(2) { "http://127.0.0.1:1" } else { "http://127.0.0.1:2" }, ..good(id) };
        if id % 100 == 7 || id % 100 == 9 || id % 100 == 11 { refused(row) } else { row }
    });
    assert!(only(&dir, "failures-of").0.contains("target http://127.0.0.1:2"));
}

#[test]
fn failures_from_an_instant_on_are_told_with_what_happened_there() {
    let fails = |id: u64| id >= 8000 && id % 10 == 3;
    let dir = run(20_000, |id| {
        if fails(id) {
            refused(OutcomeRow { collection: "phi3", ..good(id) })
        } else {
            OutcomeRow { collection: "phi3", ..good(id) }
        }
    });
    let event = trace::Event {
        run_ns: 8 * S,
        wall_ns: 0,
        source: "pid:7".to_owned(),
        kind: "restarted".to_owned(),
        detail: "process 7 gave way to process 8".to_owned(),
    };
    trace::EventLog::new(dir.path()).push(&event).expect("room on the disk");
    watched(&dir, 20, &[("pid:7", "rss_bytes", |_| 1e6)]);
    let found = hints(&dir).into_iter().find(|finding| finding.id == "failures-since").expect("it");
    assert_eq!(found.title, "No request failed in the first 8.00 s; 10.0 % of those due later did.");
    assert!(found.hint.expect("chosen by it").contains("process 7 gave way to process 8"));
}

#[test]
fn a_processor_that_is_idle_or_full_is_told() {
    // 1000/s are offered and 800/s answered: the k-th answer comes 1.25·k ms after the start.
    let slow = |id: u64| {
        let row = good(id);
        OutcomeRow { done: Some(RunNs(id as i64 * 1250 * US + 2 * MS)), ..row }
    };
    let cpu = |of: fn(f64) -> f64| {
        let dir = run(20_000, slow);
        watched(&dir, 25, &[("pid:7", "cpu_s", |s| s), ("pid:7", "cpu_cores", of)]);
        hints(&dir).into_iter().find(|finding| finding.id.starts_with("cpu-")).expect("a hint").title
    };
    let idle = cpu(|_| 0.4);
    assert!(idle.contains("1,000 /s were offered and 800 /s answered, with 0.400 of 2.00 cores in use"), "{idle}");
    assert!(cpu(|_| 1.9).starts_with("The target's processor was full: 1.90 of 2.00 cores in use"));
}

#[test]
fn lost_segments_and_descriptors_are_told() {
    let dir = run(20_000, good);
    watched(&dir, 20, &[("host", "tcp_retransmits", |s| 1000.0 + 10.0 * s)]);
    assert!(
        only(&dir, "retransmits")
            .0
            .starts_with("The host sent 200 TCP segments again during the run, 10.0 for a thousand requests")
    );
    let dir = run(20_000, good);
    watched(&dir, 20, &[("pid:7", "descriptors", |s| 100.0 + 40.0 * s), ("pid:7", "descriptors_limit", |_| 1024.0)]);
    assert!(only(&dir, "descriptors").0.starts_with("pid:7 had 900 descriptors open at most, 87.9 % of its limit of 1,024"));
}

#[test]
fn waiting_is_told_with_what_was_waited_for() {
    let dir = run(20_000, |id| {
        let wait_ns = if id.is_multiple_of(10) { 30 * MS } else { 0 };
        let row = good(id);
        let sent = row.due + wait_ns + 20 * US;
        OutcomeRow { blocked_ns: wait_ns, sent: Some(sent), first_byte: Some(sent + MS), done: Some(sent + 2 * MS), ..row }
    });
    let (seen, suggests) = only(&dir, "waiting");
    assert!(seen.starts_with("Requests waited before they were sent"), "{seen}");
    assert!(suggests.starts_with("10.0 % of the requests waited for an earlier answer of their own session"), "{suggests}");
}
