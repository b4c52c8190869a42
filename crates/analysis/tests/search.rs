//! Searches in virtual time: queues whose capacity is known in closed form, runs on disk as a replay leaves them, and the same loop and
//! judge as in life.

use std::collections::BTreeMap;
use std::path::Path;

use analysis::finding::Verdict;
use analysis::search::{Asked, Outcome, SearchInfo, search};
use analysis::threshold::Thresholds;
use analysis::{Error, ReportOptions};
use stats::Rng;
use stats::queueing::Mmc;
use stats::search::{Ending, Found, Plan};
use tempfile::TempDir;
use trace::{ClockPair, OutcomeRow, OutcomeWriter, RunInfo, RunNs, RunStatus};

/// What a generator spends on a send, ns.
const SEND_NS: i64 = 15_000;

/// Servers, a queue in front of them, and a generator that sends one request after the other.
#[derive(Debug, Clone, Copy)]
struct World {
    servers: u32,
    /// Of one busy server.
    served_per_s: f64,
    /// What the generator takes for a send, ns.
    send_ns: i64,
}

impl World {
    fn of(servers: u32, served_per_s: f64) -> Self {
        Self { servers, served_per_s, send_ns: SEND_NS }
    }

    /// Leaves the run of a trial in `dir`: Poisson arrivals, exponential service, first come first served. The tenth before run start is no part
    /// of it, so that the queue has its usual length by then.
    fn run(&self, asked: Asked<'_>, seed: u64, dir: &Path) {
        std::fs::create_dir_all(dir).expect("room on the disk");
        let mut rng = Rng::stream(seed.wrapping_mul(1000) + asked.seed, "trial");
        let mut writer = OutcomeWriter::new(dir);
        let mut free_ns = vec![i64::MIN; self.servers as usize];
        let (warmup_ns, length_ns) = ((asked.trial.length_s * 1e8) as i64, (asked.trial.length_s * 1e9) as i64);
        let (mut id, mut due_ns, mut ready_ns) = (0, -warmup_ns, -warmup_ns);
        loop {
            due_ns += (rng.exponential() / asked.trial.per_s * 1e9) as i64;
            if due_ns >= length_ns {
                break;
            }
            let sent_ns = due_ns.max(ready_ns) + self.send_ns;
            ready_ns = sent_ns;
            let first = free_ns.iter_mut().min().expect("a server");
            let done_ns = sent_ns.max(*first) + (rng.exponential() / self.served_per_s * 1e9) as i64;
            *first = done_ns;
            if due_ns >= 0 {
                writer.push(&outcome(id, due_ns, sent_ns, done_ns)).expect("room on the disk");
                id += 1;
            }
        }
        writer.finish().expect("room on the disk");
        trace::write_run_info(dir, &info(asked, id)).expect("room on the disk");
    }

    /// A search with trials in this world.
    fn search(&self, plan: Plan, threshold: &str, seed: u64) -> SearchInfo {
        self.search_in(&tempfile::tempdir().expect("a folder"), plan, threshold, seed)
    }

    fn search_in(&self, dir: &TempDir, plan: Plan, threshold: &str, seed: u64) -> SearchInfo {
        let thresholds = Thresholds::new([threshold.parse().expect("a threshold")]).expect("one threshold");
        let mut info = begun(plan);
        info.thresholds = thresholds.words();
        let make = |asked: Asked<'_>| {
            self.run(asked, seed, &dir.path().join(asked.folder));
            Ok::<bool, Error>(true)
        };
        search(&mut info, dir.path(), &thresholds, make, |_| Ok(())).expect("runs that can be read");
        info
    }

    /// Whether a search from six tenths of what is served comes within 5 % of `truth`. None of its trials may be called spoilt.
    fn is_found(&self, threshold: &str, truth: f64, seed: u64) -> bool {
        let plan = Plan { width: 0.03, ..Plan::from_start(0.6 * f64::from(self.servers) * self.served_per_s) };
        let info = self.search(plan, threshold, seed);
        assert!(info.trials.iter().all(|trial| trial.verdict != Outcome::Spoilt), "{info:?}");
        info.capacity_per_s.is_some_and(|found| (found / truth - 1.0).abs() <= 0.05)
    }
}

fn outcome(id: u64, due_ns: i64, sent_ns: i64, done_ns: i64) -> OutcomeRow<'static> {
    OutcomeRow {
        id,
        session: id,
        conn: 1,
        protocol: "http",
        collection: if id.is_multiple_of(4) { "phi3" } else { "mixtral" },
        operation: "POST /collections/{}/points/search",
        target: "http://127.0.0.1:6333",
        due: RunNs(due_ns),
        sent: Some(RunNs(sent_ns)),
        first_byte: Some(RunNs(done_ns)),
        done: Some(RunNs(done_ns)),
        status: Some("200"),
        ok: true,
        items: 1,
        request_bytes: 100,
        response_bytes: 100,
        ..OutcomeRow::default()
    }
}

fn info(asked: Asked<'_>, requests: u64) -> RunInfo {
    RunInfo {
        tool: "rehearsal".to_owned(),
        label: asked.folder.to_owned(),
        status: RunStatus::Complete,
        trace: "trace.parquet".to_owned(),
        trace_hash: "00".to_owned(),
        requests,
        seed: asked.seed,
        clocks: vec![ClockPair { run_ns: 0, unix_ns: 0 }],
        ..RunInfo::default()
    }
}

fn begun(plan: Plan) -> SearchInfo {
    SearchInfo {
        version: trace::schema::VERSION,
        tool: "rehearsal".to_owned(),
        label: "queue".to_owned(),
        note: String::new(),
        status: RunStatus::Running,
        command: Vec::new(),
        trace: "trace.parquet".to_owned(),
        trace_hash: "00".to_owned(),
        targets: BTreeMap::new(),
        seed: 1,
        thresholds: Vec::new(),
        plan,
        trials: Vec::new(),
        found: Found { ending: None, lower: None, upper: None, trials: 0 },
        capacity_per_s: None,
    }
}

/// Queues with what they bear by the closed forms, in requests a second: one server of 1000/s whose p99 may be ln(100)/200 s; four of 300/s
/// each, with the p99 that Erlang C gives for 960/s; one server of 500/s and no threshold in the way, so that falling behind is the limit.
fn queue(number: u64) -> (World, String, f64) {
    let with_limit = |servers, served_per_s, truth| {
        let limit_s = Mmc::new(servers, truth, served_per_s).expect("stable").sojourn_quantile_s(0.99);
        (World::of(servers, served_per_s), format!("p99<{}ns", (limit_s * 1e9) as i64), truth)
    };
    match number {
        0 => with_limit(1, 1000.0, 800.0),
        1 => with_limit(4, 300.0, 960.0),
        _ => (World::of(1, 500.0), "p99<60s".to_owned(), 500.0),
    }
}

#[test]
fn queues_are_found_to_five_percent() {
    let found = |seed: &u64| {
        let (world, threshold, truth) = queue(seed % 3);
        world.is_found(&threshold, truth, *seed)
    };
    let hits = (0..20).filter(found).count();
    assert!(hits >= 19, "{hits} of 20");
}

/// Twenty seeds of each queue.
#[test]
#[ignore = "two minutes"]
fn each_queue_is_found_to_five_percent() {
    for number in 0..3 {
        let (world, threshold, truth) = queue(number);
        let hits = (0..20).filter(|seed| world.is_found(&threshold, truth, *seed)).count();
        assert!(hits >= 19, "queue {number}: {hits} of 20");
    }
}

/// A generator that manages 400 sends a second before a target that would bear 5000: INVALID, and no capacity, twenty times of twenty.
#[test]
fn a_starved_generator_gets_no_capacity() {
    let world = World { send_ns: 2_500_000, ..World::of(1, 5000.0) };
    for seed in 0..20 {
        let info = world.search(Plan::from_start(500.0), "p99<1s", seed);
        assert_eq!((info.found.ending, info.capacity_per_s), (Some(Ending::GeneratorLimited), None), "seed {seed}: {info:?}");
        assert_eq!(info.verdict(), Verdict::Invalid);
        assert!(info.sentence().starts_with("INVALID: generator-limited at "), "{}", info.sentence());
        assert!(
            info.trials.iter().all(|trial| (trial.verdict == Outcome::Spoilt) == (trial.per_s > 400.0)),
            "seed {seed}: {info:?}"
        );
    }
}

/// Fifty answers are too few for a p99: the trial is made again, twice as long, and the search goes on from there.
#[test]
fn a_trial_that_says_too_little_is_made_longer() {
    let plan = Plan { max_per_s: 5.0, short_s: 10.0, ..Plan::from_start(5.0) };
    let info = World::of(1, 1000.0).search(plan, "p99<1s", 1);
    let made: Vec<(f64, Outcome)> = info.trials.iter().take(5).map(|trial| (trial.length_s, trial.verdict)).collect();
    let too_short = [10.0, 20.0, 40.0].map(|length_s| (length_s, Outcome::Insufficient));
    assert_eq!((&made[..3], made[3].0), (&too_short[..], 80.0));
    assert_eq!((info.found.ending, info.verdict()), (Some(Ending::AboveMax), Verdict::Pass));
}

/// The report draws what every rate cost, and encloses the limit between the loads of the bounds.
#[test]
fn the_report_shows_the_loads_around_the_bound() {
    let dir = tempfile::tempdir().expect("a folder");
    let plan = Plan { width: 0.1, trials_max: 9, ..Plan::from_start(300.0) };
    let info = World::of(1, 500.0).search_in(&dir, plan, "p99<100ms", 3);
    let report = analysis::report(dir.path(), &ReportOptions::default()).expect("a report");
    assert_eq!(report.overview.sentence, info.sentence());
    assert!(dir.path().join("charts/latency-by-load.svg").exists());
    let text = std::fs::read_to_string(dir.path().join("report.md")).expect("a report");
    assert!(text.contains("## Loads and limits") && text.contains("trial-001"), "{text}");
    let refused = ReportOptions { csv: true, ..ReportOptions::default() };
    assert!(analysis::report(dir.path(), &refused).expect_err("of a run only").to_string().contains("--csv"));
}

/// What is noted about a search stays with it, and a search has no issues that could be noted on.
#[test]
fn notes_on_a_search_are_kept() {
    let dir = tempfile::tempdir().expect("a folder");
    let _ = World::of(1, 500.0).search_in(&dir, Plan { trials_max: 2, ..Plan::from_start(300.0) }, "p99<100ms", 3);
    let noted = |notes: &[&str]| {
        let notes = notes.iter().map(|note| (*note).to_owned()).collect();
        analysis::report(dir.path(), &ReportOptions { notes, ..ReportOptions::default() })
    };
    drop(noted(&["with the new index"]).expect("a report"));
    drop(noted(&["on the small machine"]).expect("a report"));
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).expect("a report");
    assert!(
        read("report.md").contains("Noted: with the new index") && read("report.html").contains("Noted: on the small machine")
    );
    let findings: serde_json::Value = serde_json::from_str(&read("findings.json")).expect("JSON");
    assert_eq!(findings["notes"], serde_json::json!({ "free": ["with the new index", "on the small machine"] }));
    assert!(noted(&["restart-1: what?"]).expect_err("there is none").to_string().contains("no issue `restart-1` here"));
}
