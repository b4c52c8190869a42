//! Steps of runs whose figures are known by formula.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod made;

use analysis::scope::Scope;
use analysis::steps::{Step, Steps};
use made::{Levels, S, asked, open, request, serve, write};

const LEVELS: Levels<'static> = &[("step-1", 100.0, 20), ("step-2", 150.0, 20), ("step-3", 400.0, 20)];

/// Requests at even distances on one server that serves 200 a second; the odd ones are of another collection.
fn even(dir: &std::path::Path) -> Steps {
    let mut requests = Vec::new();
    let mut from_ns = 0;
    for (phase, per_s, seconds) in LEVELS {
        let gap_ns = (1e9 / per_s) as i64;
        requests.extend((0..*per_s as i64 * seconds).map(|number| request(from_ns + number * gap_ns, phase)));
        from_ns += seconds * S;
    }
    for (number, request) in requests.iter_mut().enumerate() {
        request.collection = if number % 2 == 0 { "even" } else { "odd" };
    }
    serve(&mut requests, 1, |_| 0.005);
    write(dir, &requests, asked(LEVELS));
    let (run, analysis) = open(dir);
    Steps::of_run(&run, &analysis).expect("a sound run")
}

#[test]
fn levels_have_the_figures_of_their_formulas() {
    let dir = tempfile::tempdir().unwrap();
    let steps = even(dir.path());
    let names: Vec<&str> = steps.all.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["step-1", "step-2", "step-3"]);
    let near = |found: f64, wanted: f64| (found - wanted).abs() <= 0.003 * wanted;
    for (step, (offered, good, in_flight)) in steps.all.iter().zip([
        (100.0, 100.0, 100.0 * 0.005),
        (150.0, 150.0, 150.0 * 0.005),
        // What comes in at 400/s and leaves at 200/s grows to 4000 within 20 s: 2000 on average.
        (400.0, 200.0, 2000.0),
    ]) {
        assert!(near(step.offered_per_s, offered) && near(step.goodput_per_s, good), "{step:?}");
        assert!(near(step.in_flight_mean, in_flight), "{step:?}");
        assert!((step.asked_per_s.unwrap() - offered).abs() < 1e-3, "{step:?}");
        assert!(!step.spoilt && step.failed == 0 && step.connections == Some(16));
        let (low, high) = step.goodput_ends.expect("long enough");
        assert!(low <= good && good <= high && high - low < 2.0, "{low} {high}");
    }
    let growth: Vec<f64> = steps.all.iter().map(|step| step.overload.expect("long enough").growth.value).collect();
    assert!(growth[0].abs() < 1e-3 && growth[1].abs() < 1e-3 && near(growth[2], 0.5), "{growth:?}");
    // 8000 requests wait for those before them: 2.5 ms more each.
    let last = &steps.all[2];
    assert!(near(last.response.value_ns(0.5).unwrap() as f64, 10e9), "{:?}", last.response);
    assert_eq!(steps.all[0].service.value_ns(0.99), Some(5_000_000));
}

#[test]
fn collections_add_up_to_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let steps = even(dir.path());
    assert_eq!(steps.collections.keys().collect::<Vec<_>>(), ["even", "odd"]);
    for (place, all) in steps.all.iter().enumerate() {
        let of = |figure: fn(&Step) -> f64| steps.collections.values().map(|steps| figure(&steps[place])).sum::<f64>();
        assert_eq!(of(|step| step.requests as f64), all.requests as f64);
        assert!((of(|step| step.goodput_per_s) - all.goodput_per_s).abs() < 1e-9);
        assert!((of(|step| step.in_flight_mean) - all.in_flight_mean).abs() < 1e-9);
        assert!(steps.collections["odd"][place].overload.unwrap().overloaded == (place == 2));
    }
}

#[test]
fn a_run_at_one_load_has_no_steps_but_is_one_of_a_series() {
    let dir = tempfile::tempdir().unwrap();
    let mut requests = made::poisson(&[("", 200.0, 20)], 1);
    serve(&mut requests, 1, |_| 0.001);
    write(dir.path(), &requests, serde_json::Value::Null);
    let (run, analysis) = open(dir.path());
    assert_eq!(Steps::of_run(&run, &analysis).unwrap(), Steps::default());
    let steps = Steps::of_runs(&[(run.clone(), analysis.clone()), (run, analysis.clone())], &Scope::ALL).unwrap();
    assert_eq!(steps.all.len(), 2);
    let folder = dir.path().file_name().unwrap().to_str().unwrap();
    assert_eq!((steps.all[0].requests, steps.all[0].name.as_str()), (analysis.totals.requests, folder));
    assert_eq!(steps.all[0].response, analysis.latency.overall.response, "one step is the whole run");
}

#[test]
fn a_recorded_rate_that_varies_is_cut_into_windows() {
    let dir = tempfile::tempdir().unwrap();
    let mut requests = made::poisson(&[("", 100.0, 20), ("", 300.0, 20), ("", 200.0, 20)], 2);
    serve(&mut requests, 1, |_| 0.001);
    write(dir.path(), &requests, serde_json::Value::Null);
    let (run, analysis) = open(dir.path());
    let steps = Steps::of_run(&run, &analysis).unwrap();
    assert_eq!(steps.all.len(), 20);
    assert!(steps.all.windows(2).all(|pair| pair[0].to_ns == pair[1].from_ns));
    assert_eq!(steps.all.iter().map(|step| step.requests).sum::<u64>(), analysis.totals.requests);
    assert!(steps.all[0].offered_per_s < 140.0 && steps.all[10].offered_per_s > 240.0);
}
