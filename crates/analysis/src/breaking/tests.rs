use stats::Interval;
use stats::overload::Overload;
use trace::Unit;

use super::before::{Candidate, full, operations, stopped};
use super::keeps_up::keeps_up;
use super::*;
use crate::distribution::{Distribution, Quantile};
use crate::steps::Operation;

pub(super) fn step(per_s: f64, failed: u64) -> Step {
    Step {
        name: format!("{per_s}"),
        from_ns: 0,
        to_ns: 1,
        asked_per_s: None,
        users: None,
        slope: None,
        requests: 1000,
        offered_per_s: per_s,
        answered_per_s: per_s,
        answered_ends: None,
        goodput_per_s: per_s,
        goodput_ends: None,
        in_flight_mean: 1.0,
        connections: Some(4),
        response: Distribution::default(),
        service: Distribution::default(),
        failed,
        first_failed_ns: None,
        unserved: 0,
        overload: None,
        spoilt: false,
    }
}

/// A step whose requests in flight grew by these shares of those offered.
fn grown(per_s: f64, in_flight_mean: f64, (value, high): (f64, f64), overloaded: bool) -> Step {
    let overload = Overload { growth: Interval { value, low: 0.0, high }, overloaded };
    Step { in_flight_mean, overload: Some(overload), ..step(per_s, 0) }
}

/// Of 1000 requests, requests in flight deviate by √2000 = 44.7: a growth by 5 % is one of them, by 20 % four and a half.
#[test]
fn growth_within_chance_is_no_verdict() {
    let light = grown(100.0, 1.0, (0.0, 0.0), false);
    let held = |step: &Step| keeps_up(&[&light, step], step).expect("it has requests").held;
    assert_eq!(held(&light), Some(true));
    assert_eq!(held(&grown(200.0, 2.0, (0.2, 0.3), true)), Some(false));
    assert_eq!(held(&grown(200.0, 2.0, (0.05, 0.1), true)), None, "too little growth to be sure of");
    assert_eq!(held(&grown(200.0, 2.0, (0.05, 0.1), false)), None, "too much to be sure of the contrary");
    assert_eq!(held(&grown(200.0, 50.0, (0.01, 0.05), false)), None, "a queue of 48 may be growing or shrinking");
    assert_eq!(held(&grown(200.0, 50.0, (0.005, 0.01), false)), Some(true), "it does not grow by more than 1 %");
}

/// Requests that timed out or were shed are not in flight any more; more than one of a hundred says that the target does not keep up.
#[test]
fn requests_that_are_given_up_count_as_falling_behind() {
    let shed = |unserved: u64, overload: Option<Overload>| Step { unserved, overload, ..step(100.0, 0) };
    let calm = grown(100.0, 1.0, (0.0, 0.0), false).overload;
    let held = |step: &Step| keeps_up(&[step], step).map(|found| found.held);
    assert_eq!(held(&shed(11, calm)), Some(Some(false)));
    assert_eq!(held(&shed(10, calm)), Some(Some(true)));
    assert_eq!(held(&shed(11, None)), Some(Some(false)));
    assert_eq!(held(&shed(10, None)), None, "too short a step to see growth");
}

/// A quantile is within its limit where all of its interval is, and beyond it where all of it is.
#[test]
fn a_quantile_whose_interval_holds_the_limit_says_nothing() {
    let limit = Limit::new("p99<10ms", Measure::Response(0.99), 10.0, Unit::Ns);
    let held = |low: i64, high: i64| {
        let quantile = Quantile { p: 0.99, value_ns: Some(9), low_ns: Some(low), high_ns: Some(high) };
        let response = Distribution { quantiles: vec![quantile], ..Distribution::default() };
        limit.find(&Step { response, ..step(100.0, 0) }).expect("it has a p99").held
    };
    assert_eq!([held(8, 10), held(8, 11), held(11, 12)], [Some(true), None, Some(false)]);
}

#[test]
fn what_several_sources_use_adds_up() {
    let sources = vec![vec![(0, 1.0), (5, 3.0), (10, 100.0)], vec![(5, 4.0)], vec![(20, 7.0)]];
    assert_eq!(mean_between(&sources, 0, 10), Some(6.0), "a mean of 2 and one of 4");
    assert_eq!(mean_between(&sources, 11, 20), None);
}

#[test]
fn what_a_target_bears_is_what_it_answers_well() {
    let failing = Step { goodput_per_s: 120.0, ..step(300.0, 600) };
    let some_wrong = Step { answered_per_s: 205.0, ..step(200.0, 0) };
    let found = Bearing::new(&[step(100.0, 0), some_wrong, failing], &[]).saturation.expect("steps");
    assert_eq!((found.per_s, found.step.as_str()), (200.0, "200"));
}

/// Loads of 100, 200, … per second, a second each, and what was in use in each.
fn in_use(values: &[f64], most: Option<f64>) -> (Vec<Step>, Candidate) {
    let at = |place: usize| place as i64 * 1_000_000_000;
    let one = |place: usize| Step { from_ns: at(place), to_ns: at(place + 1), ..step(100.0 * (place + 1) as f64, 0) };
    let sources = vec![values.iter().enumerate().map(|(place, value)| (at(place), *value)).collect()];
    ((0..values.len()).map(one).collect(), Candidate { what: "it".to_owned(), sources, unit: Unit::Cores, most })
}

#[test]
fn what_is_nine_tenths_in_use_is_at_its_end() {
    let found = |values: &[f64], most: Option<f64>| {
        let (steps, candidate) = in_use(values, most);
        full(&candidate, &steps.iter().collect::<Vec<_>>()).map(|sign| (sign.load, sign.how))
    };
    assert_eq!(found(&[2.0, 3.5, 3.7], Some(4.0)), Some((300.0, "3.70 cores in use of 4.00 cores".to_owned())));
    assert_eq!(found(&[2.0, 3.6, 3.7], Some(4.0)).map(|sign| sign.0), Some(200.0));
    assert_eq!(found(&[2.0, 3.5], Some(4.0)), None);
    assert_eq!(found(&[2.0, 3.5], None), None);
}

#[test]
fn what_grew_and_grows_no_more_is_at_its_end() {
    let found = |values: &[f64]| {
        let (steps, candidate) = in_use(values, None);
        stopped(&candidate, &steps.iter().collect::<Vec<_>>()).map(|sign| sign.load)
    };
    assert_eq!(found(&[1.0, 2.0, 2.05, 2.0]), Some(200.0));
    assert_eq!(found(&[1.0, 1.2, 1.2, 1.2]), None, "it hardly grew");
    assert_eq!(found(&[1.0, 2.0, 3.0, 4.0]), None, "it grows to the last");
    assert_eq!(found(&[1.0, 1.0, 1.0, 1.0, 1.0, 2.0]), None, "nothing larger was tried");
}

/// Those whose p99 has doubled at the smallest load at which that of any has; the others follow from it.
#[test]
fn the_operations_that_slow_down_first_are_named() {
    let operation = |name: &str, p99_ns: [i64; 3]| Operation {
        collection: "c".to_owned(),
        operation: name.to_owned(),
        p99_ns: p99_ns.map(Some).to_vec(),
    };
    let operations_of =
        vec![operation("first", [10, 25, 90]), operation("later", [10, 15, 90]), operation("never", [10, 15, 20])];
    let steps =
        Steps { all: vec![step(100.0, 0), step(200.0, 0), step(300.0, 0)], operations: operations_of, ..Steps::default() };
    let found = |collection: Option<&str>, until: f64| -> Vec<String> {
        operations(&steps, collection, until).into_iter().map(|sign| format!("{} at {}", sign.what, sign.load)).collect()
    };
    assert_eq!(found(None, 300.0), ["c first at 200"]);
    assert_eq!(found(None, 150.0), [""; 0], "after the limit was reached already");
    assert_eq!(found(Some("other"), 300.0), [""; 0]);
}
