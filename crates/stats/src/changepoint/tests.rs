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

/// A benchmark's results over its commits, up, down and a spike: the series of tests/tigerbeetle_test.py of Apache Otava.
#[rustfmt::skip]
const COMMITS: [u32; 365] = [
    26_705, 26_475, 26_641, 26_806, 26_835, 26_911, 26_564, 26_812, 26_874, 26_682, 15_672, 26_745, 26_460, 26_977, 26_851,
    23_412, 23_547, 23_674, 23_519, 23_670, 23_662, 23_462, 23_750, 23_717, 23_524, 23_588, 23_687, 23_793, 23_937, 23_715,
    23_570, 23_730, 23_690, 23_699, 23_670, 23_860, 23_988, 23_652, 23_681, 23_798, 23_728, 23_604, 23_523, 23_412, 23_685,
    23_773, 23_771, 23_718, 23_409, 23_739, 23_674, 23_597, 23_682, 23_680, 23_711, 23_660, 23_990, 23_938, 23_742, 23_703,
    23_536, 24_363, 24_414, 24_483, 24_509, 24_944, 24_235, 24_560, 24_236, 24_667, 24_730, 28_346, 28_437, 28_436, 28_057,
    28_217, 28_456, 28_427, 28_398, 28_250, 28_331, 28_222, 28_726, 28_578, 28_345, 28_274, 28_514, 28_590, 28_449, 28_305,
    28_411, 28_788, 28_404, 28_821, 28_580, 27_483, 26_805, 27_487, 27_124, 26_898, 27_295, 26_951, 27_312, 27_660, 27_154,
    27_050, 26_989, 27_193, 27_503, 27_326, 27_375, 27_513, 27_057, 27_421, 27_574, 27_609, 27_123, 27_824, 27_644, 27_394,
    27_836, 27_949, 27_702, 27_457, 27_272, 28_207, 27_802, 27_516, 27_586, 28_005, 27_768, 28_543, 28_237, 27_915, 28_437,
    28_342, 27_733, 28_296, 28_524, 28_687, 28_258, 28_611, 29_360, 28_590, 29_641, 28_965, 29_474, 29_256, 28_611, 28_205,
    28_539, 27_962, 28_398, 28_509, 28_240, 28_592, 28_102, 28_461, 28_578, 28_669, 28_507, 28_535, 28_226, 28_536, 28_561,
    28_087, 27_953, 28_398, 28_007, 28_518, 28_337, 28_242, 28_607, 28_545, 28_514, 28_377, 28_010, 28_412, 28_633, 28_576,
    28_195, 28_637, 28_724, 28_466, 28_287, 28_719, 28_425, 28_860, 28_842, 28_604, 28_327, 28_216, 28_946, 28_918, 29_287,
    28_725, 29_148, 29_541, 29_137, 29_628, 29_087, 28_612, 29_154, 29_108, 28_884, 29_234, 28_695, 28_969, 28_809, 28_695,
    28_634, 28_916, 29_852, 29_389, 29_757, 29_531, 29_363, 29_251, 29_552, 29_561, 29_046, 29_795, 29_022, 29_395, 28_921,
    29_739, 29_257, 29_455, 29_376, 29_528, 28_909, 29_492, 28_984, 29_621, 29_026, 29_457, 29_102, 29_114, 28_924, 29_162,
    29_259, 29_554, 29_616, 29_211, 29_367, 29_460, 28_836, 29_645, 29_586, 28_848, 29_324, 28_969, 29_150, 29_243, 29_081,
    29_312, 28_923, 29_272, 29_117, 29_072, 29_529, 29_737, 29_652, 29_612, 29_856, 29_012, 30_402, 29_969, 29_309, 29_439,
    29_285, 29_421, 29_023, 28_772, 29_692, 29_416, 29_267, 29_542, 29_904, 30_045, 29_739, 29_945, 29_141, 29_163, 29_765,
    29_197, 29_441, 28_910, 29_504, 29_614, 29_643, 29_506, 29_420, 29_672, 29_432, 29_784, 29_888, 29_309, 29_247, 29_816,
    29_254, 29_813, 29_451, 29_382, 29_618, 28_558, 29_845, 29_499, 29_283, 29_184, 29_246, 28_790, 29_952, 29_145, 29_415,
    30_437, 29_227, 29_605, 29_859, 29_156, 29_807, 29_406, 29_734, 29_861, 29_140, 29_983, 29_832, 29_919, 29_896, 29_991,
    29_266, 29_001, 29_459, 29_548, 29_310, 29_042, 29_303, 29_894, 29_091, 29_018, 29_537, 29_614, 29_180, 29_736, 29_500,
    29_218, 29_581, 28_906, 28_542, 29_306, 28_987, 29_878, 28_865, 30_272, 29_707, 29_662, 29_815, 30_492, 29_347, 30_096,
    29_054, 30_238, 28_813, 31_895, 28_915,
];

/// Its expectations: window 30, then p and least magnitude.
#[test]
fn commits_change_where_otava_sees_them_change() {
    let commits: Vec<f64> = COMMITS.iter().map(|value| f64::from(*value)).collect();
    let at = |p_max, magnitude_min| otava(&commits, 30, p_max, magnitude_min);
    assert_eq!((at(0.01, 0.05), at(0.05, 0.05)), (vec![15, 71], vec![15, 71]));
    assert_eq!((at(0.1, 0.05), at(0.2, 0.05)), (vec![10, 11, 15, 71, 363], vec![10, 11, 15, 71]));
    assert_eq!(at(0.01, 0.0), [15, 26, 61, 71, 95, 117, 131, 142, 148, 165, 169, 192, 212, 260]);
    assert_eq!(at(0.001, 0.0), [15, 61, 71, 95, 117, 131, 142, 148, 192, 212, 260]);
    assert_eq!(at(1e-4, 0.0), [71, 95, 117, 131, 142, 148, 192, 212]);
    assert_eq!(at(1e-5, 0.0), [71, 95, 131, 192, 212]);
    let many = [
        10, 11, 15, 28, 29, 35, 37, 48, 49, 61, 71, 95, 117, 131, 142, 148, 165, 169, 192, 206, 212, 260, 265, 268, 278, 282, 363,
    ];
    assert_eq!(at(0.1, 0.01), many);
}

/// The tests of MongoDB's signal processing algorithms (test_detection.py): numbers from three ranges, and one value between two levels.
/// They take permutations for the test where Student's t, less strict, sees another level inside the third range at p = 0.001.
#[test]
fn levels_change_where_mongodbs_tests_have_them_change() {
    let ranges = [
        41, 18, 23, 3, 32, 11, 40, 13, 29, 48, 47, 35, 18, 21, 6, 2, 23, 3, 4, 7, 120, 103, 102, 81, 71, 62, 115, 61, 108, 63,
        70, 98, 65, 96, 64, 74, 70, 113, 90, 114, 208, 196, 153, 150, 225, 179, 206, 165, 177, 151, 218, 217, 244, 245, 229, 195,
        225, 229, 176, 250,
    ];
    let ranges: Vec<f64> = ranges.iter().map(|value| f64::from(*value)).collect();
    assert_eq!(otava(&ranges, 100, 1e-4, 0.0), [20, 40]);
    let between = |value: f64| [vec![50.0; 14], vec![value], vec![100.0; 15]].concat();
    let plain = Settings { logarithms: false, ..Settings::DEFAULT };
    assert_eq!((found(&between(74.0), plain), found(&between(76.0), plain)), (vec![15], vec![14]));
}

/// Energy statistics of two samples (Székely & Rizzo 2013, J. Stat. Plan. Inference 143(8)), e = 2A − B − C over all pairs of both and of
/// each, t = nm/(n + m)·e and h = e/2A, by the sums that divergences are made of: test_energy_statistics.py of MongoDB's algorithms.
#[test]
fn sums_over_pairs_give_the_published_energies() {
    let spread = |from: i32, to: i32, by: usize| (from..to).step_by(by).map(f64::from).collect::<Vec<f64>>();
    let cases = [
        (spread(1, 100, 1), spread(1, 105, 1), [0.160, 8.136, 0.002]),
        (spread(1, 100, 1), spread(10_000, 13_000, 14), [21_859.691, 1_481_794.709, 0.954]),
        (spread(1, 300, 1), spread(1000, 5000, 10), [4257.009, 728_381.015, 0.748]),
        (spread(300, 500, 1), spread(400, 900, 11), [268.352, 10_035.943, 0.532]),
    ];
    for (x, y, expected) in cases {
        let (n, m) = (x.len(), x.len() + y.len());
        let sums = PairSums::new(&[x.as_slice(), y.as_slice()].concat());
        let (own, other, all) = (sums.inside(0, n), sums.inside(n, m), sums.inside(0, m));
        let (n, m) = (x.len() as f64, y.len() as f64);
        let between = 2.0 * (all - own - other) / (n * m);
        let e = between - 2.0 * own / (n * n) - 2.0 * other / (m * m);
        let found = [e, n * m / (n + m) * e, e / between];
        assert!(
            found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1.5e-3),
            "{found:?}, not {expected:?}"
        );
    }
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
