//! Breaking points, recovery and outages of queues whose capacity is known.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod made;

use analysis::breaking::{Asked, Bracket, Limit};
use analysis::capacity::{Capacity, Question, Rate};
use analysis::chart::{Picture, charts};
use analysis::finding::{Finding, Verdict, findings};
use analysis::index::index;
use analysis::threshold::Thresholds;
use analysis::{Analysis, ReportOptions};
use made::{Levels, Request, S, asked, open, poisson, serve, write};
use serde_json::{Value, json};
use stats::Rng;
use trace::{ErrorClass, Event, EventLog, ResourceRow, ResourceWriter, RunNs};

/// Requests per second that the queues here serve.
const SERVED_PER_S: f64 = 200.0;

fn analyse(requests: &[Request], asked: Value) -> Analysis {
    let dir = tempfile::tempdir().expect("a temporary folder");
    write(dir.path(), requests, asked);
    open(dir.path()).1
}

fn kept_up(analysis: &Analysis) -> &Bracket {
    let breaking = analysis.breaking.as_ref().expect("the load varies");
    breaking.all.bracket(&Limit::keeps_up()).expect("the steps are long enough")
}

/// A Poisson process whose rate rises evenly from 0 to `to_per_s`, by the square root of one at rate 1, and what `run.json` says of it.
fn ramp(to_per_s: f64, seconds: f64, seed: u64) -> (Vec<Request>, Value) {
    let mut rng = Rng::stream(seed, "arrivals");
    let (mut sum, mut requests) = (0.0, Vec::new());
    loop {
        sum += rng.exponential();
        let at_s = (2.0 * sum * seconds / to_per_s).sqrt();
        if at_s >= seconds {
            break;
        }
        requests.push(made::request((at_s * 1e9) as i64, "ramp"));
    }
    let points = (0..=512).map(|point| seconds * f64::from(point) / 512.0);
    let (at_ns, until): (Vec<i64>, Vec<f64>) =
        points.map(|at_s| ((at_s * 1e9) as i64, to_per_s * at_s * at_s / (2.0 * seconds))).unzip();
    (requests, json!({ "phases": [{ "name": "ramp", "from_ns": 0 }], "asked_rate": { "at_ns": at_ns, "requests": until } }))
}

/// M/M/1: exponential service. M/D/4: a quarter of the rate each, always the same time.
fn queue(requests: &mut [Request], kind: &str, seed: u64) {
    let mut rng = Rng::stream(seed, "service");
    match kind {
        "M/M/1" => serve(requests, 1, |_| rng.exponential() / SERVED_PER_S),
        _ => serve(requests, 4, |_| 4.0 / SERVED_PER_S),
    }
}

#[test]
fn a_ramp_brackets_the_capacity_of_a_queue() {
    for kind in ["M/M/1", "M/D/4"] {
        let brackets: Vec<(f64, Option<f64>)> = (0..20)
            .map(|seed| {
                let (mut requests, asked) = ramp(1.6 * SERVED_PER_S, 120.0, seed);
                queue(&mut requests, kind, seed);
                let analysis = analyse(&requests, asked);
                let bracket = kept_up(&analysis);
                (bracket.low, bracket.high)
            })
            .collect();
        let holds = |(low, high): &&(f64, Option<f64>)| *low <= SERVED_PER_S && high.is_some_and(|high| SERVED_PER_S <= high);
        let held = brackets.iter().filter(holds).count();
        assert!(held >= 19, "{kind}: {held} of 20: {brackets:?}");
        let width = |(low, high): &(f64, Option<f64>)| high.unwrap_or(f64::INFINITY) - low;
        let mut widths: Vec<f64> = brackets.iter().map(width).collect();
        widths.sort_by(f64::total_cmp);
        assert!(widths[10] <= 0.4 * SERVED_PER_S, "{kind}: {widths:?}");
    }
}

/// From a quarter of the capacity to 150 % of it.
const STAIRCASE: Levels<'static> = &[
    ("step-1", 50.0, 15),
    ("step-2", 100.0, 15),
    ("step-3", 150.0, 15),
    ("step-4", 180.0, 15),
    ("step-5", 240.0, 15),
    ("step-6", 300.0, 15),
];

#[test]
fn a_queue_below_nine_tenths_of_its_capacity_is_never_called_overloaded() {
    const LEVELS: Levels<'static> = &[("a", 60.0, 10), ("b", 100.0, 10), ("c", 140.0, 10), ("d", 160.0, 10), ("e", 180.0, 10)];
    for seed in 0..20 {
        let mut requests = poisson(LEVELS, 100 + seed);
        queue(&mut requests, "M/M/1", 100 + seed);
        let analysis = analyse(&requests, asked(LEVELS));
        assert_eq!(kept_up(&analysis).missed, None, "seed {seed}");
        assert!(!analysis.breaking.as_ref().unwrap().all.saturation.as_ref().unwrap().reached);
    }
}

fn finding<'a>(found: &'a [Finding], id: &str) -> Option<&'a Finding> {
    found.iter().find(|finding| finding.id == id)
}

/// In an M/M/1 queue p99 is ln 100/(µ − λ): it passes 100 ms at λ = µ − 46.05/s.
#[test]
fn a_staircase_brackets_the_rate_at_which_a_percentile_passes_its_limit() {
    const LEVELS: Levels<'static> = &[("a", 90.0, 40), ("b", 125.0, 40), ("c", 180.0, 40), ("d", 195.0, 40)];
    let truth = SERVED_PER_S - 100f64.ln() / 0.1;
    let held = (0..20).filter(|seed| {
        let mut requests = poisson(LEVELS, 200 + seed);
        queue(&mut requests, "M/M/1", 200 + seed);
        let mut asked = asked(LEVELS);
        asked["thresholds"] = json!(["p99<100ms"]);
        let analysis = analyse(&requests, asked);
        let all = &analysis.breaking.as_ref().unwrap().all;
        let bracket = all.limits.iter().find(|bracket| bracket.limit.name == "p99<100ms").expect("every step tells");
        assert_eq!(all.first, ["p99<100ms"], "the queue keeps up at 195 of 200/s");
        bracket.low <= truth && bracket.high.is_some_and(|high| truth <= high)
    });
    let held = held.count();
    assert!(held >= 19, "{held} of 20");
}

/// Every other request is a search, served by a queue of its own that bears 100/s: p99 passes 100 ms between 60/s and 120/s of searches, twice as
/// many of all, and the other requests never wait. What is scoped by a phase is judged in that alone.
#[test]
fn thresholds_of_an_operation_or_a_phase_are_judged_by_the_steps_that_have_them() {
    const LEVELS: Levels<'static> = &[("a", 60.0, 20), ("b", 120.0, 20), ("c", 180.0, 20), ("d", 240.0, 20)];
    let (mut searches, mut gets): (Vec<Request>, Vec<Request>) = (Vec::new(), Vec::new());
    for (number, request) in poisson(LEVELS, 8).into_iter().enumerate() {
        if number % 2 == 0 { searches.push(Request { operation: "search", ..request }) } else { gets.push(request) }
    }
    serve(&mut searches, 1, |_| 0.01);
    serve(&mut gets, 4, |_| 0.001);
    let mut requests = [searches, gets].concat();
    requests.sort_by_key(|request| request.due_ns);
    let mut asked = asked(LEVELS);
    let words =
        ["p99{operation=search}<100ms", "p99{operation=GET}<100ms", "p99{operation=search,phase=d}<100ms", "p90{phase=b}<1ms"];
    asked["thresholds"] = json!(words);
    let analysis = analyse(&requests, asked);
    let all = &analysis.breaking.as_ref().unwrap().all;
    let [search, get, in_d, in_b] = words.map(|name| all.limits.iter().find(|bracket| bracket.limit.name == name).expect(name));
    let steps = |bracket: &Bracket| [&bracket.held, &bracket.missed].map(|place| place.as_ref().map(|place| place.step.clone()));
    let [held, missed] = steps(search);
    assert!(held.as_deref() == Some("b") && ["c", "d"].contains(&missed.as_deref().unwrap()), "{search:?}");
    let offered = |name: &str| analysis.steps.all.iter().find(|step| step.name == name).unwrap().offered_per_s;
    assert_eq!(search.low, offered("b"), "the load is that of all requests");
    assert_eq!((get.high, get.judged), (None, 4));
    assert_eq!((steps(in_d), in_d.judged), ([None, Some("d".to_owned())], 1));
    assert_eq!((steps(in_b), in_b.judged), ([None, Some("b".to_owned())], 1));
}

/// A target that serves 200/s up to 200/s and half of it beyond: what it answers falls below 150/s only there. At 100/s nobody asked for 150/s.
#[test]
fn floors_are_judged_where_enough_was_asked_for() {
    const LEVELS: Levels<'static> = &[("a", 100.0, 20), ("b", 190.0, 20), ("c", 400.0, 20)];
    let mut requests = poisson(LEVELS, 3);
    serve(&mut requests, 1, |request| if request.phase == "c" { 2.0 / SERVED_PER_S } else { 1.0 / SERVED_PER_S });
    let mut asked = asked(LEVELS);
    asked["thresholds"] = json!(["goodput>150/s", "throughput>150/s", "throughput<1000/s"]);
    let analysis = analyse(&requests, asked);
    let all = &analysis.breaking.as_ref().unwrap().all;
    for name in ["goodput>150/s", "throughput>150/s"] {
        let bracket = all.limits.iter().find(|bracket| bracket.limit.name == name).expect(name);
        let step = |place: &Option<analysis::breaking::Place>| place.as_ref().map(|place| place.step.clone());
        assert_eq!((step(&bracket.held), step(&bracket.missed), bracket.judged), (Some("b".to_owned()), Some("c".to_owned()), 2));
    }
    assert!(!all.limits.iter().any(|bracket| bracket.limit.name == "throughput<1000/s"), "no limit of a target");
}

/// In an M/M/1 queue the median is ln 2/(µ − λ): the curve that is drawn stays within its band around that, and ends before the pole.
#[test]
fn the_curve_of_latency_by_load_is_that_of_the_queue() {
    const LEVELS: Levels<'static> =
        &[("a", 40.0, 60), ("b", 80.0, 60), ("c", 110.0, 60), ("d", 140.0, 60), ("e", 160.0, 60), ("f", 175.0, 60)];
    let mut requests = poisson(LEVELS, 300);
    queue(&mut requests, "M/M/1", 300);
    let mut analysis = analyse(&requests, asked(LEVELS));
    analysis.capacity = Capacity::of_run(&analysis, &Question::default()).expect("nothing is asked");
    let drawn = charts(&analysis).into_iter().find(|drawn| drawn.name == "latency-by-load").expect("it is one of them");
    let Ok(Picture::Plot(plot)) = drawn.picture else { panic!("{:?}", drawn.picture) };
    let curve = plot.lines.iter().find(|line| line.name == "Median, as of a queue with 1 server").expect("a curve");
    let band = plot.over.bands.iter().find(|band| band.name == "Median, 95 % confidence").expect("a band");
    let ends = || band.ends.iter().flatten();
    let edges = (ends().map(|ends| ends.0).fold(f64::MAX, f64::min), ends().map(|ends| ends.1).fold(0.0, f64::max));
    let mut told = 0;
    for ((per_s, curve), band) in plot.xs.iter().zip(&curve.ys).zip(&band.ends) {
        let (Some(curve), Some((low, high))) = (curve, band) else { continue };
        // What leaves the picture is cut off at its edge.
        let truth = (std::f64::consts::LN_2 / (SERVED_PER_S - per_s) * 1e9).clamp(edges.0, edges.1);
        assert!(low <= curve && curve <= high && *low <= truth && truth <= *high, "{per_s}: {low} {curve} {high} {truth}");
        told += 1;
    }
    assert!(told > 30, "{told} of {}", plot.xs.len());
    let medians = plot.lines.iter().find(|line| line.name == "Medians of steps").expect("points");
    assert_eq!(medians.ys.iter().flatten().count(), 6);
}

/// Runs of one M/M/1 queue of 200/s at a rate each, as people make them who have no staircase.
#[test]
fn capacity_is_read_from_a_folder_of_runs_at_different_rates() {
    let dir = tempfile::tempdir().unwrap();
    let rates = [40.0, 80.0, 110.0, 140.0, 160.0, 175.0, 240.0];
    for (rate, seed) in rates.into_iter().zip(500..) {
        let mut requests = poisson(&[("", rate, 60)], seed);
        queue(&mut requests, "M/M/1", seed);
        let folder = dir.path().join(format!("at-{rate}"));
        std::fs::create_dir(&folder).unwrap();
        write(&folder, &requests, Value::Null);
    }
    let options = |words: &[&str]| {
        let thresholds = Thresholds::new(words.iter().map(|word| word.parse().unwrap())).unwrap();
        let capacity = Question { demand: Some(Rate(1000.0)), ..Question::default() };
        ReportOptions { thresholds, capacity, ..ReportOptions::default() }
    };
    let made = index(dir.path(), &options(&["error_rate<1%"])).unwrap();
    assert_eq!((made.overview.word.as_str(), made.entries), ("PASS", 7));
    let found: Value = serde_json::from_str(&std::fs::read_to_string(dir.path().join("index.json")).unwrap()).unwrap();
    let law = &found["capacity"]["laws"]["latency"];
    let of = |member: &str| law[member].as_f64().expect(member);
    assert!(of("capacity_low_per_s") <= SERVED_PER_S && SERVED_PER_S <= of("capacity_high_per_s"), "{law}");
    let safe = &found["capacity"]["safe"];
    let (borne, not) = (safe["per_s"].as_f64().unwrap(), safe["not_per_s"].as_f64().unwrap());
    assert!((165.0..185.0).contains(&borne) && (225.0..255.0).contains(&not), "{safe}");
    assert_eq!(safe["source"], "at-175");
    assert_eq!(found["capacity"]["nodes"]["nodes"].as_f64(), Some((1000.0 / borne).ceil()));
    let page = std::fs::read_to_string(made.html).unwrap();
    assert!(page.contains("id=\"chart-latency-by-load\"") && page.contains("id=\"chart-nodes\""));
    // Runs of another trace are of another load.
    let other = dir.path().join("at-40");
    let info = trace::read_run_info(&other).unwrap();
    trace::write_run_info(&other, &trace::RunInfo { trace_hash: "01".to_owned(), ..info }).unwrap();
    let said = index(dir.path(), &options(&[])).unwrap_err().to_string();
    assert!(said.contains("these are of 2 traces"), "{said}");
}

/// Beyond 200/s one target answers as much as before, the other only half of it: what waits for more than a second fails.
#[test]
fn graceful_and_collapsing_targets_are_told_apart() {
    const LEVELS: Levels<'static> = &[("a", 100.0, 15), ("b", 190.0, 15), ("c", 400.0, 15)];
    for (collapses, share) in [(false, 1.0), (true, 0.5)] {
        let mut requests = poisson(LEVELS, 3);
        let slower = if collapses { 2.0 } else { 1.0 };
        serve(&mut requests, 1, |request| if request.phase == "c" { slower / SERVED_PER_S } else { 1.0 / SERVED_PER_S });
        let analysis = analyse(&requests, asked(LEVELS));
        let found = findings(&analysis);
        let beyond = analysis.breaking.as_ref().unwrap().all.beyond.clone().expect("step c is beyond");
        assert_eq!((beyond.graceful, beyond.step.as_str()), (!collapses, "c"));
        let most = if collapses { 190.0 } else { 200.0 };
        assert!(
            (beyond.goodput_per_s - share * 200.0).abs() < 2.0 && (beyond.share - share * 200.0 / most).abs() < 0.03,
            "{beyond:?}"
        );
        let said = finding(&found, "beyond").unwrap();
        assert_eq!(said.verdict, if collapses { Verdict::Warn } else { Verdict::Info });
    }
}

#[test]
fn first_failures_are_told_with_their_rate_and_window() {
    const LEVELS: Levels<'static> = &[("a", 100.0, 10), ("b", 150.0, 10), ("c", 160.0, 10)];
    let mut requests = poisson(LEVELS, 4);
    serve(&mut requests, 1, |_| 0.001);
    let failed = requests.iter_mut().filter(|request| request.phase == "c").step_by(10);
    failed.for_each(|request| request.error = Some(ErrorClass::Reset));
    let first_ns = requests.iter().find(|request| request.error.is_some()).unwrap().due_ns;
    let analysis = analyse(&requests, asked(LEVELS));
    let found = findings(&analysis);
    let said = finding(&found, "first-errors").expect("requests failed");
    assert_eq!(said.figures["first_failed_due_ns"], first_ns);
    assert_eq!(
        (&said.figures["any"]["missed"]["step"], &said.figures["any"]["missed"]["from_ns"]),
        (&json!("c"), &json!(20 * S))
    );
    assert_eq!(analysis.breaking.unwrap().all.first, ["errors ≤ 0.1 %"]);
    // One stray failure is no limit of the target.
    let mut requests = poisson(LEVELS, 4);
    serve(&mut requests, 1, |_| 0.001);
    requests[5].error = Some(ErrorClass::Reset);
    let breaking = analyse(&requests, asked(LEVELS)).breaking.unwrap();
    assert_eq!(breaking.all.bracket(&Limit::errors(0.0)).unwrap().low, 0.0);
}

/// Fluid: 10 s of 375/s on a target that serves 250/s leave 1250 requests, which drain at 125/s in 10 s.
#[test]
fn recovery_from_a_spike_is_that_of_the_fluid() {
    const LEVELS: Levels<'static> = &[("base", 125.0, 20), ("spike", 375.0, 10), ("recovery", 125.0, 30)];
    let even = |levels: Levels<'_>| {
        let mut from_ns = 0;
        let mut requests = Vec::new();
        for (phase, per_s, seconds) in levels {
            let due = |number: i64| from_ns + (number as f64 / per_s * 1e9) as i64;
            requests.extend((0..(*per_s as i64) * seconds).map(|number| made::request(due(number), phase)));
            from_ns += seconds * S;
        }
        requests
    };
    let mut requests = even(LEVELS);
    serve(&mut requests, 1, |_| 0.004);
    let analysis = analyse(&requests, asked(LEVELS));
    let [recovery] = &analysis.recoveries[..] else { panic!("{:?}", analysis.recoveries) };
    assert_eq!((recovery.after.as_str(), recovery.over_ns, recovery.watched_s), ("phase spike", 30 * S, 29.0));
    assert!((recovery.backlog - 1250.0).abs() <= 2.0 && (recovery.recovered_s.unwrap() - 10.0).abs() <= 1.0, "{recovery:?}");
    // A longer spike leaves more than the time after it drains.
    const LONG: Levels<'static> = &[("base", 125.0, 20), ("spike", 375.0, 10), ("recovery", 125.0, 8)];
    let mut requests = even(LONG);
    serve(&mut requests, 1, |_| 0.004);
    let analysis = analyse(&requests, asked(LONG));
    assert_eq!(analysis.recoveries[0].recovered_s, None);
    assert_eq!(finding(&findings(&analysis), "recovery").unwrap().verdict, Verdict::Warn);
}

/// A target that is away from 30 s to 34 s: everything is refused, and then it needs 5 s to be as quick as before.
fn restarted(dir: &std::path::Path) -> Analysis {
    let mut requests = poisson(&[("", 100.0, 60)], 5);
    serve(&mut requests, 8, |request| if (34 * S..39 * S).contains(&request.due_ns) { 0.05 } else { 0.005 });
    for request in requests.iter_mut().filter(|request| (30 * S..34 * S).contains(&request.due_ns)) {
        (request.done_ns, request.error) = (request.due_ns + 1000, Some(ErrorClass::Refused));
    }
    write(dir, &requests, Value::Null);
    let event =
        |run_ns, kind: &str| Event { run_ns, wall_ns: 0, source: "command:x".into(), kind: kind.into(), detail: String::new() };
    let mut log = EventLog::new(dir);
    log.push(&event(31 * S, "ended")).unwrap();
    log.push(&event(34 * S, "restarted")).unwrap();
    open(dir).1
}

#[test]
fn recovery_from_a_restart_is_counted_from_when_it_was_seen() {
    let dir = tempfile::tempdir().unwrap();
    let analysis = restarted(dir.path());
    let [recovery] = &analysis.recoveries[..] else { panic!("{:?}", analysis.recoveries) };
    assert_eq!((recovery.after.as_str(), recovery.over_ns), ("restart of command:x", 34 * S));
    assert_eq!(recovery.recovered_s, Some(5.0));
}

#[test]
fn the_longest_outage_is_told_with_those_it_hit() {
    let dir = tempfile::tempdir().unwrap();
    let analysis = restarted(dir.path());
    let outage = analysis.silence.clone().expect("4 s without an answer");
    let (from_s, to_s) = (outage.from_ns as f64 / 1e9, outage.to_ns as f64 / 1e9);
    assert!((from_s - 30.0).abs() < 0.1 && (to_s - 34.05).abs() < 0.1, "{outage:?}");
    let failed = analysis.totals.failed();
    assert_eq!(outage.failed, failed);
    assert!(outage.requests >= failed && outage.requests < failed + 20, "{outage:?}");
    assert!(analysis.breaking.is_none(), "a constant rate has no breaking point");
    let mut steady = poisson(&[("", 100.0, 20)], 5);
    serve(&mut steady, 8, |_| 0.005);
    assert_eq!(analyse(&steady, Value::Null).silence, None);
}

/// In the second half of its steps the generator itself is 20 ms late.
#[test]
fn what_the_generator_spoilt_is_no_breaking_point() {
    let dir = tempfile::tempdir().unwrap();
    let mut requests = poisson(STAIRCASE, 6);
    queue(&mut requests, "M/M/1", 6);
    made::write_late(dir.path(), &requests, asked(STAIRCASE), |request| if request.due_ns > 45 * S { 20_000_000 } else { 0 });
    let analysis = open(dir.path()).1;
    assert_eq!(analysis.steps.all.iter().map(|step| step.spoilt).collect::<Vec<_>>(), [false, false, false, true, true, true]);
    assert_eq!(analysis.breaking, None);
    let said = finding(&findings(&analysis), "breaking-point").cloned().unwrap();
    assert_eq!(said.verdict, Verdict::Insufficient);
    assert!(said.title.contains("the generator"), "{}", said.title);
}

/// The collection `slow` is served by a target of its own that bears 100/s; the other one by a quick one.
#[test]
fn the_collection_and_the_processors_that_end_first_are_named() {
    const LEVELS: Levels<'static> = &[("a", 60.0, 15), ("b", 120.0, 15), ("c", 180.0, 15), ("d", 240.0, 15), ("e", 300.0, 15)];
    let dir = tempfile::tempdir().unwrap();
    let mut requests = poisson(LEVELS, 7);
    let (mut slow, mut quick): (Vec<Request>, Vec<Request>) = (Vec::new(), Vec::new());
    for (number, request) in requests.drain(..).enumerate() {
        let (side, name) = if number % 2 == 0 { (&mut slow, "slow") } else { (&mut quick, "quick") };
        side.push(Request { collection: name, ..request });
    }
    serve(&mut slow, 1, |_| 0.01);
    serve(&mut quick, 1, |_| 0.0001);
    let mut requests = [slow, quick].concat();
    requests.sort_by_key(|request| request.due_ns);
    let mut readings = ResourceWriter::new(dir.path());
    // One core of four: busy by 10 ms for each request of the slow collection.
    for second in 0..75_i32 {
        let level = LEVELS[(second / 15) as usize].1;
        for (source, series, unit, value) in [
            ("pid:7", "cpu_cores", "cores", (level / 2.0 * 0.01).min(1.0)),
            ("pid:7", "cpu_s", "s", 1.0),
            ("host", "cpu_cores", "cores", 1.2),
        ] {
            let at = RunNs(i64::from(second) * S);
            readings.push(&ResourceRow { at, wall_ns: 0, source, series, unit: Some(unit), value }).unwrap();
        }
    }
    readings.finish().unwrap();
    write(dir.path(), &requests, asked(LEVELS));
    let analysis = open(dir.path()).1;
    let breaking = analysis.breaking.clone().unwrap();
    let missed = |name: &str| breaking.collections[name].bracket(&Limit::keeps_up()).unwrap().missed.clone();
    assert_eq!((missed("slow").map(|place| place.step), missed("quick")), (Some("d".to_owned()), None));
    let signs: Vec<(&str, &str)> = breaking.all.before.iter().map(|sign| (sign.what.as_str(), sign.step.as_str())).collect();
    assert!(signs.contains(&("slow GET", "c")) || signs.contains(&("slow GET", "d")), "{signs:?}");
    assert!(!signs.iter().any(|(what, _)| what.starts_with("quick")), "{signs:?}");
    // The core is full at step d (1.2 asked of it), and takes no more at e.
    assert!(signs.iter().any(|(what, step)| *what == "the target's processors" && *step == "d"), "{signs:?}");
    let run = open(dir.path()).0;
    let within = |limit: &str| analysis.clone().held(&run, &Thresholds::default(), &[limit.parse::<Asked>().unwrap()]);
    let all = within("cpu=0.85").unwrap().breaking.unwrap().all;
    let bracket = all.limits.into_iter().find(|bracket| bracket.limit.name == "cpu=0.85").unwrap();
    assert_eq!((bracket.held.unwrap().step, bracket.missed.unwrap().step), ("b".to_owned(), "c".to_owned()));
    let said = within("memory=2GiB").expect_err("no reading of it").to_string();
    assert!(said.contains("was not watched"), "{said}");
}
