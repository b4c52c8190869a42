use std::collections::BTreeMap;

use stats::Rng;
use stats::overload::Overload;

use super::*;
use crate::breaking::{Breaking, Limit, Measure};
use crate::distribution::Distribution;
use crate::units;

/// A step of 20 s whose requests took these times, ns.
fn step(name: &str, per_s: f64, times_ns: &[i64]) -> Step {
    let mut sorted = times_ns.to_vec();
    sorted.sort_unstable();
    let response = Distribution::new(times_ns, &sorted);
    Step {
        name: name.to_owned(),
        from_ns: 0,
        to_ns: 20_000_000_000,
        asked_per_s: Some(per_s),
        users: None,
        slope: None,
        requests: times_ns.len() as u64,
        offered_per_s: per_s,
        answered_per_s: per_s,
        answered_ends: None,
        goodput_per_s: per_s,
        goodput_ends: None,
        in_flight_mean: per_s * response.mean_ns.unwrap_or_default() / 1e9,
        connections: Some(1),
        service: response.clone(),
        response,
        failed: 0,
        first_failed_ns: None,
        unserved: 0,
        overload: None,
        spoilt: false,
    }
}

/// Response times of M/M/c after a warm-up, ns.
fn sojourns(servers: usize, per_s: f64, served_per_s: f64, requests: usize, rng: &mut Rng) -> Vec<i64> {
    const WARM_UP: usize = 2000;
    let (mut free_s, mut at_s) = (vec![0.0_f64; servers], 0.0);
    let one = |_| {
        at_s += rng.exponential() / per_s;
        let next = (0..servers).min_by(|a, b| free_s[*a].total_cmp(&free_s[*b])).expect("a server");
        free_s[next] = free_s[next].max(at_s) + rng.exponential() / served_per_s;
        ((free_s[next] - at_s) * 1e9) as i64
    };
    (0..WARM_UP + requests).map(one).collect::<Vec<_>>().split_off(WARM_UP)
}

fn staircase(servers: usize, capacity_per_s: f64, seed: u64) -> Vec<Step> {
    let mut rng = Rng::stream(seed, "queue");
    let level = |i: i32| {
        let per_s = capacity_per_s * 0.9 * f64::from(i) / 8.0;
        step(&format!("step-{i}"), per_s, &sojourns(servers, per_s, capacity_per_s / servers as f64, 4000, &mut rng))
    };
    (1..=8).map(level).collect()
}

/// The interval of the pole holds the capacity c·µ of M/M/c in at least 92 of a hundred staircases up to 90 % of it, and its middle is within
/// 5 % on average.
#[test]
fn a_queue_of_one_or_more_servers_has_its_capacity_within_the_interval() {
    for servers in [1, 4] {
        let (mut held, mut sum) = (0, 0.0);
        for seed in 0..200 {
            let laws = Laws::of(&staircase(servers, 1000.0, seed));
            let fit = laws.latency.known().expect("eight loads");
            held += u32::from(fit.capacity_low_per_s <= 1000.0 && fit.capacity_high_per_s.is_none_or(|high| high >= 1000.0));
            sum += fit.capacity_per_s;
        }
        assert!(held >= 184, "{servers} servers: {held} of 200");
        assert!((sum / 200.0 - 1000.0).abs() < 50.0, "{servers} servers: {} on average", sum / 200.0);
    }
}

/// M/M/1 is on the Universal Scalability Law with α = ½, β = 0 and γ = µ/2: N = ρ/(1 − ρ), so X = µN/(1 + N).
#[test]
fn one_server_is_on_the_scalability_law() {
    let steps: Vec<Step> = [0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95]
        .map(|rho| Step { in_flight_mean: rho / (1.0 - rho), ..step("s", 1000.0 * rho, &[1_000_000]) })
        .into();
    let laws = Laws::of(&steps);
    let law = laws.usl.known().expect("seven loads");
    assert!((law.contention.value - 0.5).abs() < 1e-6 && (law.single_per_s.value - 500.0).abs() < 1e-3, "{law:?}");
    assert!((law.ceiling_per_s().expect("contention") - 1000.0).abs() < 1e-2 && law.peak.is_none());
    assert_eq!(laws.left_out, LeftOut { uncertain: 7, ..LeftOut::default() });
    assert!(laws.latency.refusal().expect("no medians").contains("0 different loads"));
}

#[test]
fn spoilt_and_overloaded_steps_are_left_out_and_counted() {
    let mut steps = staircase(1, 1000.0, 1);
    steps[0].spoilt = true;
    steps[1].goodput_per_s = 0.0;
    let growth = stats::Interval { value: 0.1, low: 0.09, high: 0.11 };
    steps[7].overload = Some(Overload { growth, overloaded: true });
    let laws = Laws::of(&steps);
    assert_eq!(laws.left_out, LeftOut { spoilt: 1, unanswered: 1, overloaded: 1, uncertain: 0 });
    assert_eq!(laws.points.len(), 5);
    assert!((laws.latency.known().expect("five loads").measured_max_per_s - 787.5).abs() < 1e-9);
    let few = Laws::of(&steps[..5]);
    assert!(few.usl.refusal().expect("three loads").contains("3 different loads are too few"));
}

/// A level at which chance left no scatter does not outweigh the others.
#[test]
fn a_level_without_scatter_is_known_to_one_percent() {
    let mut steps = staircase(1, 1000.0, 2);
    // What M/M/1 has for a median at this load, ln 2/(1000 − 112.5) s, and 0.5 % more than it.
    let median_ns = (1.005 * std::f64::consts::LN_2 / 887.5 * 1e9) as i64;
    steps[0] = step("step-1", 112.5, &[median_ns; 4000]);
    let laws = Laws::of(&steps);
    let fit = laws.latency.known().expect("eight loads");
    assert!((fit.capacity_per_s - 1000.0).abs() < 50.0, "{fit:?}");
}

fn breaking(steps: &[Step], limits: &[Limit]) -> (Breaking, Steps) {
    let steps = Steps { all: steps.to_vec(), ..Steps::default() };
    (Breaking::new(&steps, limits, None, None).expect("the load varies"), steps)
}

#[test]
fn users_bear_a_rate() {
    let closed = |(users, per_s): (f64, f64)| Step { users: Some(users), ..step(&format!("{users}"), per_s, &[1_000_000; 40]) };
    let steps = [(1.0, 100.0), (2.0, 190.0), (4.0, 200.0), (8.0, 201.0)].map(closed);
    let (breaking, steps) = breaking(&steps, &[]);
    let safe = Safe::of_breaking(&breaking, &steps).expect("four users are borne");
    assert_eq!((safe.per_s, safe.not_per_s, safe.source.as_str()), (200.0, Some(201.0), "4"));
}

/// 300/s had no errors, and of 200/s no more than 120/s were good: which of them is borne cannot be said.
#[test]
fn limits_that_contradict_each_other_bear_nothing() {
    let steps =
        [100.0, 200.0, 300.0].map(|per_s| Step { goodput_per_s: f64::min(per_s, 120.0), ..step("s", per_s, &[1_000_000; 40]) });
    let floor = Limit::new("goodput>=150/s", Measure::Good, 150.0, trace::Unit::PerS);
    let (without, all) = breaking(&steps, &[]);
    assert_eq!(Safe::of_breaking(&without, &all).map(|safe| safe.per_s), Some(300.0));
    let (with, all) = breaking(&steps, &[floor]);
    assert_eq!(Safe::of_breaking(&with, &all), None);
}

fn safe(per_s: f64, not_per_s: f64) -> Safe {
    Safe {
        per_s,
        not_per_s: Some(not_per_s),
        within: "p99 < 20 ms".to_owned(),
        source: "step-3".to_owned(),
        collections: BTreeMap::from([("a".to_owned(), (per_s * 0.8, None)), ("b".to_owned(), (per_s * 0.2, None))]),
    }
}

fn told(safe: Option<&Safe>) -> Told<Safe> {
    safe.cloned().ok_or_else(|| NO_SAFE_RATE.to_owned()).into()
}

fn ask(question: &Question, steps: &Steps, safe: Option<&Safe>) -> Capacity {
    let safe = told(safe);
    let cores = vec![None; steps.all.len()];
    // 2026-11-21, noon.
    let at_unix_ns = Some((20_778 * 24 + 12) * 3_600_000_000_000);
    let measured = Measured { steps, cores: &cores, safe: &safe, at_unix_ns, answered_per_cpu_s: None };
    Capacity::new(&measured, question).expect("it fits").expect("something was asked")
}

/// N = ⌈demand/(rate of one)⌉ + reserve.
#[test]
fn nodes_are_the_demand_over_what_one_bears_and_the_reserve() {
    let plan = |demand: f64, nodes: u32, reserve: u32| {
        let question = Question { demand: Some(Rate(demand)), nodes: Nodes::Measured(nodes), reserve, ..Question::default() };
        let plan = ask(&question, &Steps::default(), Some(&safe(812.0, 829.0))).nodes.unwrap();
        let plan = plan.known().cloned().expect("a plan");
        (plan.nodes, plan.nodes_ends)
    };
    assert_eq!(plan(5000.0, 1, 1), (8, (8, 8)), "5000/812 = 6.2, 5000/829 = 6.03");
    assert_eq!(plan(4920.0, 1, 0), (7, (6, 7)), "4920/829 = 5.93");
    assert_eq!(plan(5000.0, 2, 0), (13, (13, 13)), "406 each");
    assert_eq!(plan(812.0 * 3.0, 1, 0).0, 3, "exactly");
    let without = Question { demand: Some(Rate(5.0)), ..Question::default() };
    let none = ask(&without, &Steps::default(), None);
    assert!(none.nodes.unwrap().refusal().unwrap().starts_with("No rate is known to be borne"));
    let many = Question { demand: Some(Rate(1e9)), ..Question::default() };
    assert!(
        ask(&many, &Steps::default(), Some(&safe(812.0, 829.0))).nodes.unwrap().refusal().unwrap().contains("more than 100000")
    );
}

/// Rates on a law with α = 0.05, β = 0.001, γ = 1000: X(10) = 10000/(1 + 0.05·9 + 0.001·90) = 6493.5.
#[test]
fn nodes_by_a_law_stop_where_the_data_do() {
    let law = |n: f64| 1000.0 * n / (1.0 + 0.05 * (n - 1.0) + 0.001 * n * (n - 1.0));
    let measured = [1_u32, 2, 3, 4, 6, 8, 10].map(|n| (n, law(f64::from(n))));
    let plan = |demand: f64, reserve: u32, measured: &[(u32, f64)]| {
        let nodes = Nodes::Scaling(measured.to_vec());
        let question = Question { demand: Some(Rate(demand)), nodes, reserve, ..Question::default() };
        ask(&question, &Steps::default(), None).nodes.unwrap()
    };
    // X(7) = 5204, X(8) = 5698.
    assert_eq!(plan(5500.0, 1, &measured).known().unwrap().nodes, 9);
    assert!(plan(9000.0, 0, &measured).refusal().unwrap().contains("1.1 times the most"));
    assert!(plan(2000.0, 0, &measured[..5]).refusal().unwrap().contains("5 different loads are too few"));
}

/// As Python's datetime and calendar have it: day, months, and the day so many months later.
#[test]
fn months_are_those_of_the_calendar() {
    for (day, months, after) in [
        (20_778, 0.0, "2026-11-21"),
        (20_778, 9.006, "2027-08-21"),
        (20_484, 1.0, "2026-02-28"),
        (19_753, 1.5, "2024-03-15"),
        (20_818, 2.25, "2027-03-07"),
        (19_431, 47.99, "2027-03-14"),
        (10_956, 0.99, "2000-01-30"),
        (20_787, 3.0, "2027-02-28"),
    ] {
        assert_eq!(calendar::date(calendar::months_after(day, months)), after, "{months} months after {day}");
    }
}

/// 400·1.08^m = 800 at m = ln 2/ln 1.08 = 9.006.
#[test]
fn growth_reaches_what_is_borne_on_a_day() {
    let question = |demand: f64, growth: &str| Question {
        demand: Some(Rate(demand)),
        growth: Some(growth.parse().unwrap()),
        ..Question::default()
    };
    let reached =
        |demand: f64, growth: &str| ask(&question(demand, growth), &Steps::default(), Some(&safe(800.0, 864.0))).reached.unwrap();
    let found = reached(400.0, "8%/month");
    let found = found.known().expect("a date");
    assert_eq!((found.date.as_str(), found.from.as_str()), ("2027-08-21", "2026-11-21"));
    assert!((found.months - 9.006_468).abs() < 1e-5);
    // 864 = 800·1.08: a month later.
    assert_eq!(found.date_latest.as_deref(), Some("2027-09-21"));
    assert!((reached(400.0, "100%/year").known().unwrap().months - 12.0).abs() < 1e-9);
    assert!(reached(900.0, "8%/month").refusal().unwrap().contains("above the 800 /s"));
    assert!(reached(400.0, "1%/year").refusal().unwrap().contains("ten years"));
}

#[test]
fn a_million_requests_cost_what_their_hours_cost() {
    let question = Question {
        demand: Some(Rate(1500.0)),
        nodes: Nodes::Measured(2),
        price: Some("0.40 EUR/h".parse().unwrap()),
        ..Question::default()
    };
    let found = ask(&question, &Steps::default(), Some(&safe(1000.0, 1100.0)));
    let cost = found.cost_per_million.unwrap().known().cloned().unwrap();
    // 2 nodes bear 3.6 million an hour for 0.80.
    assert!((cost.per_million - 0.8 / 3.6).abs() < 1e-12 && cost.currency == "EUR");
    // 3 nodes of 500/s for 1500/s: 5.4 million an hour for 1.20.
    let plan = found.nodes.unwrap().known().cloned().unwrap();
    assert!((plan.cost.unwrap().per_million - 1.2 / 5.4).abs() < 1e-12 && plan.nodes == 3);
}

/// Steps in which collection `a` costs 1 ms and `b` 4 ms of processor time, besides 0.2 cores that no request causes.
fn costly(rates: &[(f64, f64)]) -> (Steps, Vec<Option<f64>>) {
    let name = |i: usize| format!("step-{i}");
    let of = |pick: fn(&(f64, f64)) -> f64, service_ns: i64| -> Vec<Step> {
        rates.iter().enumerate().map(|(i, rate)| step(&name(i), pick(rate), &[service_ns; 40])).collect()
    };
    let collections =
        BTreeMap::from([("a".to_owned(), of(|rate| rate.0, 2_000_000)), ("b".to_owned(), of(|rate| rate.1, 3_000_000))]);
    let cores = rates.iter().map(|(a, b)| Some(0.2 + 0.001 * a + 0.004 * b)).collect();
    (Steps { all: of(|rate| rate.0 + rate.1, 2_500_000), collections, ..Steps::default() }, cores)
}

#[test]
fn another_mix_is_weighed_by_what_its_requests_cost() {
    let question = Question { mix: Some("a=50%,b=50%".parse().unwrap()), ..Question::default() };
    let mixed = |rates: &[(f64, f64)], watched: bool| {
        let (steps, cores) = costly(rates);
        let cores = if watched { cores } else { vec![None; cores.len()] };
        let safe = told(Some(&safe(1000.0, 1100.0)));
        let measured = Measured { steps: &steps, cores: &cores, safe: &safe, at_unix_ns: None, answered_per_cpu_s: None };
        Capacity::new(&measured, &question).unwrap().unwrap().mix.unwrap().known().cloned().expect("a mix")
    };
    let varied = [(80.0, 20.0), (90.0, 110.0), (300.0, 50.0), (200.0, 250.0), (500.0, 90.0), (350.0, 300.0)];
    let found = mixed(&varied, true);
    // (0.8·1 + 0.2·4)/(0.5·1 + 0.5·4) = 0.64.
    assert_eq!(found.basis, CostBasis::ProcessorTime);
    assert!((found.per_s - 640.0).abs() < 1e-6 && (found.costs_s["b"] - 0.004).abs() < 1e-9, "{found:?}");
    // Always 4 to 1: processor time cannot be told apart. (0.8·2 + 0.2·3)/(0.5·2 + 0.5·3) = 0.88.
    let same = [(80.0, 20.0), (160.0, 40.0), (240.0, 60.0), (320.0, 80.0), (400.0, 100.0)];
    let found = mixed(&same, true);
    assert_eq!((found.basis, found.ends_per_s), (CostBasis::ServiceTime, None));
    assert!((found.per_s - 880.0).abs() < 1e-6 && found.assumes[1].contains("hardly vary"), "{found:?}");
    assert!(mixed(&varied, false).assumes[1].contains("not watched"));
}

/// Processor time that is known to ±0.02 cores: the interval holds 640/s in 92 to 98 of a hundred cases, and the measured mix needs none.
#[test]
fn what_another_mix_bears_has_the_interval_of_its_costs() {
    let rates = [(80.0, 20.0), (90.0, 110.0), (300.0, 50.0), (200.0, 250.0), (500.0, 90.0), (350.0, 300.0)];
    let mixed = |mix: &str, rng: &mut Rng| {
        let (steps, cores) = costly(&rates);
        let cores: Vec<Option<f64>> = cores.into_iter().map(|cores| Some(cores? + 0.02 * rng.normal())).collect();
        let safe = told(Some(&safe(1000.0, 1100.0)));
        let measured = Measured { steps: &steps, cores: &cores, safe: &safe, at_unix_ns: None, answered_per_cpu_s: None };
        let question = Question { mix: Some(mix.parse().unwrap()), ..Question::default() };
        let found = Capacity::new(&measured, &question).unwrap().unwrap().mix.unwrap().known().cloned().expect("a mix");
        found.ends_per_s.expect("costs from processor time")
    };
    let mut rng = Rng::stream(1, "cores");
    let held = (0..1000).map(|_| mixed("a=50%,b=50%", &mut rng)).filter(|(low, high)| *low <= 640.0 && 640.0 <= *high).count();
    assert!((920..=980).contains(&held), "{held} of 1000");
    let (low, high) = mixed("a=80%,b=20%", &mut rng);
    assert!((low - 1000.0).abs() < 1e-6 && (high - 1000.0).abs() < 1e-6, "{low} to {high}");
}

#[test]
fn a_collection_that_costs_less_than_nothing_is_costed_by_its_service_time() {
    let rates = [(80.0, 20.0), (90.0, 110.0), (300.0, 50.0), (200.0, 250.0), (500.0, 90.0), (350.0, 300.0)];
    let (steps, _) = costly(&rates);
    let cores: Vec<Option<f64>> = rates.iter().map(|(a, b)| Some(1.0 + 0.002 * a - 0.001 * b)).collect();
    let measured = Measured {
        steps: &steps,
        cores: &cores,
        safe: &told(Some(&safe(1000.0, 1100.0))),
        at_unix_ns: None,
        answered_per_cpu_s: None,
    };
    let question = Question { mix: Some("a=50%,b=50%".parse().unwrap()), ..Question::default() };
    let found = Capacity::new(&measured, &question).unwrap().unwrap().mix.unwrap().known().cloned().expect("a mix");
    assert_eq!(found.basis, CostBasis::ServiceTime);
    assert!(found.assumes.iter().any(|said| said.contains("does not rise with every collection's rate")), "{found:?}");
}

#[test]
fn a_mix_of_unknown_collections_is_refused() {
    let (steps, cores) = costly(&[(80.0, 20.0), (90.0, 110.0)]);
    let measured = Measured { steps: &steps, cores: &cores, safe: &told(None), at_unix_ns: None, answered_per_cpu_s: None };
    let question = Question { mix: Some("a=50%,c=50%".parse().unwrap()), ..Question::default() };
    assert!(Capacity::new(&measured, &question).unwrap_err().contains("`c`"));
}

/// Headroom is what is borne over the busiest 10 s.
#[test]
fn headroom_is_what_is_borne_over_the_peak() {
    let peak = |length_s: i64, per_s: f64| Peak { length_ns: length_s * 1_000_000_000, per_s };
    let peaks = |per_s: f64| vec![peak(1, 2.0 * per_s), peak(10, per_s), peak(60, 0.5 * per_s)];
    let collections = BTreeMap::from([("a".to_owned(), peaks(100.0)), ("b".to_owned(), peaks(400.0))]);
    let question = Question { peaks: Some(Peaks { all: peaks(500.0), collections }), ..Question::default() };
    let found = ask(&question, &Steps::default(), Some(&safe(1000.0, 1100.0)));
    let times: Vec<(Option<&str>, f64)> =
        found.headroom.iter().map(|one| (one.collection.as_deref(), one.times.unwrap())).collect();
    assert_eq!(times, [(None, 2.0), (Some("a"), 8.0), (Some("b"), 0.5)]);
    assert_eq!(found.headroom[0].times_below, Some(2.2));
    assert_eq!(found.nodes.unwrap().known().unwrap().nodes, 1, "the recorded peak is the demand");
}

/// Ten requests a second for a minute, each followed by three messages that the server sends of its own accord.
#[test]
fn what_a_server_sends_of_its_own_accord_is_no_load() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let mut writer = trace::TraceWriter::create(&path).unwrap();
    for row in 0..2400_u32 {
        let kind = if row % 4 == 0 { trace::Kind::Request } else { trace::Kind::Push };
        let at = trace::TraceNs(i64::from(row) * 25_000_000);
        writer
            .push(&trace::Exchange { at, kind, seq: row, collection: trace::Name::from("c"), ..trace::Exchange::default() })
            .unwrap();
    }
    writer.finish(trace::TraceMeta::default()).unwrap();
    let peaks = Peaks::load(&path).unwrap();
    for windows in [&peaks.all, &peaks.collections["c"]] {
        let per_s: Vec<f64> = windows.iter().map(|peak| peak.per_s).collect();
        assert_eq!(per_s, [10.0, 10.0], "of 1 s and of 10 s; the trace is not twice as long as 60 s");
    }
}

#[test]
fn nothing_asked_and_nothing_measured_is_nothing() {
    let measured =
        Measured { steps: &Steps::default(), cores: &[], safe: &told(None), at_unix_ns: None, answered_per_cpu_s: None };
    assert_eq!(Capacity::new(&measured, &Question::default()), Ok(None));
}

#[test]
fn words_are_read_or_refused_in_a_sentence() {
    assert_eq!(["5000", "5000/s", "300000/min", "18e6/h", "432e6/day"].map(|text| text.parse::<Rate>().unwrap().0), [5000.0; 5]);
    assert_eq!("1=812,2=1580/s".parse(), Ok(Nodes::Scaling(vec![(1, 812.0), (2, 1580.0)])));
    assert_eq!("290 EUR/month".parse::<Price>().map(|price| units::number(price.per_h)), Ok("0.397".to_owned()));
    assert_eq!("x=0.25,y=75%".parse::<Mix>().unwrap().shares["y"], 0.75);
    let refused =
        |found: Option<String>, part: &str| assert!(found.as_ref().is_some_and(|text| text.contains(part)), "{found:?}");
    for text in ["", "-5", "0", "5000/week", "many/s", "inf"] {
        refused(text.parse::<Rate>().err(), "is no rate");
    }
    for text in ["0", "-1", "1=0", "=5", "two"] {
        refused(text.parse::<Nodes>().err(), "is no number of nodes");
    }
    for text in ["8", "8%", "8%/week", "-8%/month", "0%/month"] {
        refused(text.parse::<Growth>().err(), "is no growth");
    }
    for text in ["0.40", "free/h", "0/h", "1/year"] {
        refused(text.parse::<Price>().err(), "is no price");
    }
    refused("a=60%,b=60%".parse::<Mix>().err(), "120 %");
    refused("a=50%,a=50%".parse::<Mix>().err(), "stands twice");
    refused("a".parse::<Mix>().err(), "is no mix");
}
