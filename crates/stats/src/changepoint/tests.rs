use super::*;
use crate::Rng;
use crate::trend::tests::NILE;
use proptest::prelude::*;

fn found(history: &[f64], settings: Settings) -> Vec<usize> {
    change_points(history, &settings).expect("sound").iter().map(|point| point.index).collect()
}

fn otava(history: &[f64], window: usize, p_max: f64, magnitude_min: f64) -> Vec<usize> {
    found(history, Settings::otava(window, p_max, magnitude_min))
}

/// Apache Otava, tests/change_point_divisive_test.py and tests/analysis_test.py.
#[test]
fn the_series_of_otavas_tests_split_where_they_do() {
    let three = [0.3, 2.4, 1.5, -0.9, -0.5, 99.7, 98.3, 99.1, 149.0, 149.7, 149.5, 149.1, 148.8, 150.0];
    assert_eq!(otava(&three, 50, 0.01, 0.0), [5, 8]);
    let half =
        [1.02, 0.95, 0.99, 1.0, 1.12, 1.0, 1.01, 0.98, 1.01, 0.96, 0.5, 0.51, 0.48, 0.48, 0.55, 0.5, 0.49, 0.51, 0.5, 0.49];
    assert_eq!(otava(&half, 10, 1e-4, 0.0), [10]);
}

/// The two series of tests/series_test.py: small changes are dropped by their magnitude.
#[test]
fn a_least_magnitude_drops_small_changes() {
    let large = [1.02, 0.95, 0.99, 1.00, 1.12, 0.90, 0.50, 0.51, 0.48, 0.48, 0.55];
    let small = [2.02, 2.03, 2.01, 2.04, 1.82, 1.85, 1.79, 1.81, 1.80, 1.76, 1.78];
    assert_eq!((otava(&large, 50, 0.001, 0.0), otava(&small, 50, 0.001, 0.0)), (vec![6], vec![4]));
    assert_eq!((otava(&large, 50, 0.001, 0.2), otava(&small, 50, 0.001, 0.2)), (vec![6], vec![]));
}

/// The dam at Aswan: the five annotators of the Turing Change Point Dataset that mark the series mark 1898 or 1899.
#[test]
fn the_nile_fell_in_1899() {
    assert_eq!(otava(&NILE, 50, 0.001, 0.0), [28]);
    assert_eq!(otava(&NILE, 100, 0.001, 0.0), [28]);
    let point = change_points(&NILE, &Settings::otava(100, 0.001, 0.0)).expect("sound")[0];
    assert!(point.p < 1e-12 && point.before > 1080.0 && point.after < 870.0, "{point:?}");
    assert_eq!(found(&NILE, Settings::DEFAULT), [28]);
}

/// 50 values of one level, then 15 of another, as in MongoDB's signal processing tests.
#[test]
fn a_short_tail_is_a_change() {
    let step = |n: usize, m: usize| [vec![74.0; n], vec![100.0; m]].concat();
    assert_eq!(found(&step(15, 50), Settings::DEFAULT), [15]);
    assert_eq!(found(&step(50, 3), Settings::DEFAULT), [50]);
    assert_eq!(otava(&[vec![0.0; 1000], vec![1.0; 1000]].concat(), 50, 0.001, 0.0), [1000]);
}

/// A first-order autoregression around 100 with a coefficient of variation of 3 %.
fn steady(n: usize, phi: f64, seed: u64) -> Vec<f64> {
    let mut rng = Rng::stream(seed, "history");
    let mut x = rng.normal();
    let mut next = || {
        x = phi * x + (1.0 - phi * phi).sqrt() * rng.normal();
        100.0 + 3.0 * x
    };
    (0..n).map(|_| next()).collect()
}

/// Without a change nothing is found in nearly all histories, dependent ones too; there Otava's settings find something in every third.
#[test]
fn steady_histories_have_no_changes() {
    let alarms = |phi, settings: Settings| (0..60).filter(|seed| !found(&steady(100, phi, *seed), settings).is_empty()).count();
    let any_size = Settings { magnitude_min: 0.0, ..Settings::DEFAULT };
    for phi in [0.0, 0.3] {
        assert!(alarms(phi, Settings::DEFAULT) <= 3, "φ {phi}: {}", alarms(phi, Settings::DEFAULT));
        assert!(alarms(phi, any_size) <= 6, "φ {phi}: {}", alarms(phi, any_size));
    }
    let otava = alarms(0.3, Settings::otava(50, 0.001, 0.0));
    assert!(otava >= 12, "the series are hard enough: {otava}");
}

#[test]
fn a_change_is_found_and_a_spike_is_none() {
    let hit = |seed: &u64| {
        let mut history = steady(60, 0.0, *seed);
        history.iter_mut().skip(40).for_each(|v| *v *= 1.1);
        let places = found(&history, Settings::DEFAULT);
        places.len() == 1 && places[0].abs_diff(40) <= 2
    };
    let hits = (0..40).filter(hit).count();
    assert!(hits >= 37, "{hits} of 40");
    let mut spike = steady(60, 0.0, 1);
    spike[30] = 300.0;
    assert_eq!(found(&spike, Settings::DEFAULT), Vec::<usize>::new());
}

#[test]
fn histories_that_cannot_be_compared_are_refused() {
    assert_eq!(change_points(&[1.0, 0.0, 2.0], &Settings::DEFAULT), Err(Refusal::Value(1)));
    assert_eq!(change_points(&[1.0, 2.0, f64::NAN], &Settings::otava(50, 0.001, 0.0)), Err(Refusal::Value(2)));
    assert_eq!(change_points(&[], &Settings::DEFAULT), Ok(vec![]));
    assert_eq!(change_points(&[3.0; 200], &Settings::DEFAULT), Ok(vec![]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// The divergence by prefix sums is that of its definition.
    #[test]
    fn divergence_is_its_definition(values in proptest::collection::vec(-9.0..9.0_f64, 4..14), cut in 0.0..1.0_f64, end in 0.0..1.0_f64) {
        let end = 4 + (end * (values.len() - 3) as f64) as usize;
        let split = 2 + (cut * (end - 3) as f64) as usize;
        let (x, y) = (&values[..split], &values[split..end]);
        let all = |a: &[f64], b: &[f64]| a.iter().map(|a| b.iter().map(|b| (a - b).abs()).sum::<f64>()).sum::<f64>();
        let (n, m) = (x.len() as f64, y.len() as f64);
        let pairs = |own: &[f64]| all(own, own) / 2.0 / (own.len() as f64 * (own.len() as f64 - 1.0) / 2.0);
        let expected = n * m / (n + m) * (2.0 / (n * m) * all(x, y) - pairs(x) - pairs(y));
        prop_assert!((PairSums::new(&values).divergence(split, end) - expected).abs() < 1e-9);
    }

    /// Changes of a factor do not depend on the unit; order and sides are kept.
    #[test]
    fn units_do_not_matter(seed in 0_u64..500, factor in 0.001..1000.0_f64, at in 10_usize..50) {
        let mut history = steady(60, 0.0, seed);
        history.iter_mut().skip(at).for_each(|v| *v *= 1.2);
        let scaled: Vec<f64> = history.iter().map(|v| v * factor).collect();
        prop_assert_eq!(found(&history, Settings::DEFAULT), found(&scaled, Settings::DEFAULT));
    }
}
