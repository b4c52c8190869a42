use super::*;
use crate::{Interval, Rng};
use proptest::prelude::*;

fn near(found: f64, expected: f64, relative: f64) {
    assert!((found - expected).abs() <= relative * expected.abs(), "{found} instead of {expected}");
}

/// Hollander & Wolfe 1973, p. 69, the example of R's wilcox.test: permeability at term and at 12 to 26 weeks.
#[test]
fn membranes_compare_as_in_the_book() {
    let x = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46];
    let y = [1.15, 0.88, 0.90, 0.74, 1.21];
    let (u, p) = mann_whitney(&x, &y).expect("not empty");
    assert_eq!(u, 35.0);
    near(p, 0.254_41, 1e-4);
    near(cliffs_delta(&x, &y).expect("not empty"), 0.4, 1e-12);
    near(superiority(&x, &y).expect("not empty"), 0.7, 1e-12);
    near(shift_interval(&x, &y, 0.95).expect("enough").value, 0.305, 1e-12);
}

/// Ozone in New York in May and August 1973 (R's airquality; Chambers et al. 1983): ties, so normal with continuity correction.
#[test]
fn ozone_compares_as_in_r() {
    let may = [
        41., 36., 12., 18., 28., 23., 19., 8., 7., 16., 11., 14., 18., 14., 34., 6., 30., 11., 1., 11., 4., 32., 23., 45., 115.,
        37.,
    ];
    let august = [
        39., 9., 16., 78., 35., 66., 122., 89., 110., 44., 28., 65., 22., 59., 23., 31., 44., 21., 9., 45., 168., 73., 76., 118.,
        84., 85.,
    ];
    let (u, p) = mann_whitney(&may, &august).expect("not empty");
    assert_eq!(u, 127.5);
    near(p, 1.208e-4, 1e-3);
    near(cliffs_delta(&may, &august).expect("not empty"), -0.622_78, 1e-5);
    near(shift_interval(&may, &august, 0.95).expect("enough").value, -32.0, 1e-12);
}

/// Perfolizer's tests (MannWhitneyTests.cs): U of x against y shifted by t for every shift, and, where more than half of the pairs have x
/// above, the one-sided p, which is half of the two-sided. Its own for 30 and 40 values come from counting, ours from the normal
/// distribution, which is good to a few in a hundred there.
#[test]
fn shifted_samples_compare_as_in_perfolizer() {
    let (x10, y10) = (
        [
            101.560680277179,
            84.5009342862592,
            87.2294917081476,
            129.63805718437,
            105.404085588131,
            107.725754537927,
            80.1006409348006,
            113.864283866225,
            102.430864178515,
            104.403374809552,
        ],
        [
            82.352823982586,
            126.135642815364,
            109.069571619921,
            91.5330798762612,
            94.2532257217699,
            70.568270818608,
            92.5436886596998,
            117.210691979832,
            119.721076854462,
            113.813867732564,
        ],
    );
    let (x20, y20) = (
        [
            97.8506464838511,
            90.5704863589574,
            106.919850380017,
            114.968781001117,
            133.163509926947,
            98.5371366517863,
            89.9809819778675,
            94.8330330098023,
            113.848103602446,
            100.747077722794,
            118.58905185697,
            100.050778406168,
            103.429498836193,
            91.9991877755192,
            117.868745215013,
            107.662781698883,
            110.434016813579,
            118.772597143401,
            91.0851351093108,
            108.595287565388,
        ],
        [
            141.325356080042,
            101.705375558118,
            121.135232885412,
            104.233257876038,
            113.697498891312,
            89.3279837525589,
            112.305397095148,
            107.035411938303,
            126.862312493224,
            137.838076178722,
            100.055966433672,
            106.011372282587,
            99.220787317467,
            105.141703581153,
            95.2136664971929,
            127.87168139858,
            97.5524729768301,
            117.961786925524,
            142.32225043168,
            85.9508305239065,
        ],
    );
    let (x30, y40) = (
        [
            11.3709584471467,
            9.43530182860391,
            10.3631284113373,
            10.632862604961,
            10.404268323141,
            9.89387548390852,
            11.5115219974389,
            9.9053409615869,
            12.018423713877,
            9.93728590094758,
            11.3048696542235,
            12.2866453927011,
            8.61113929888766,
            9.72121123318263,
            9.86667866360634,
            10.6359503980701,
            9.71574707858393,
            7.34354457909522,
            7.55953307142448,
            11.3201133457302,
            9.69336140592153,
            8.21869156602,
            9.82808264424038,
            11.2146746991726,
            11.895193461265,
            9.5695308683938,
            9.74273061723107,
            8.23683691480522,
            10.4600973548313,
            9.36000512403988,
        ],
        [
            12.3709584471467,
            10.4353018286039,
            11.3631284113373,
            11.632862604961,
            11.404268323141,
            10.8938754839085,
            12.5115219974389,
            10.9053409615869,
            13.018423713877,
            10.9372859009476,
            12.3048696542235,
            13.2866453927011,
            9.61113929888766,
            10.7212112331826,
            10.8666786636063,
            11.6359503980701,
            10.7157470785839,
            8.34354457909522,
            8.55953307142448,
            12.3201133457302,
            10.6933614059215,
            9.21869156602,
            10.8280826442404,
            12.2146746991726,
            12.895193461265,
            10.5695308683938,
            10.7427306172311,
            9.23683691480522,
            11.4600973548313,
            10.3600051240399,
            11.4554501232412,
            11.7048373372288,
            12.0351035219699,
            10.3910736245928,
            11.504955123298,
            9.28299132092666,
            10.2155409916205,
            10.1490924058235,
            8.58579235005337,
            11.0361226068923,
        ],
    );
    let shifted = |x: &[f64], y: &[f64], t: f64| {
        let moved: Vec<f64> = y.iter().map(|y| y + t).collect();
        mann_whitney(x, &moved).expect("not empty")
    };
    for (t, expected) in [(-30.0, 91.0), (-15.0, 76.0), (0.0, 47.0), (15.0, 25.0), (30.0, 12.0)] {
        assert_eq!(shifted(&x10, &y10, t).0, expected);
    }
    for (t, expected) in [(-10.0, 242.0), (-5.0, 197.0), (0.0, 163.0), (5.0, 123.0), (10.0, 88.0)] {
        assert_eq!(shifted(&x20, &y20, t).0, expected);
    }
    // SciPy's mannwhitneyu, exact and two-sided; the least p of each list is twice the one-sided one that Perfolizer's table has.
    for (t, p) in [
        (-30.0, 0.001_050_033_6),
        (-15.0, 0.052_425_902_3),
        (0.0, 0.853_428_305_4),
        (15.0, 0.063_012_838_6),
        (30.0, 0.002_879_473_5),
    ] {
        near(shifted(&x10, &y10, t).1, p, 1e-7);
    }
    for (t, p) in [
        (-10.0, 0.264_831_806_3),
        (-5.0, 0.946_695_468_9),
        (0.0, 0.327_261_835_5),
        (5.0, 0.037_519_175_0),
        (10.0, 0.001_957_124_5),
    ] {
        near(shifted(&x20, &y20, t).1, p, 1e-7);
    }
    assert_eq!(shifted(&x30, &y40, -2.0).0, 897.0);
    near(shifted(&x30, &y40, -1.5).1, 2.0 * 0.025_239_63, 0.05);
}

/// golang.org/x/perf benchmath: the smallest p of three and four a side, and with ties.
#[test]
fn small_samples_have_the_p_of_counting() {
    let p = |x: &[f64], y: &[f64]| mann_whitney(x, y).expect("not empty").1;
    near(p(&[-1.0; 3], &[1.0; 3]), 0.1, 1e-12);
    near(p(&[-1.0; 4], &[1.0; 4]), 0.028_571_428_57, 1e-9);
    near(p(&[1.0, -1.0, -1.0, -1.0], &[-1.0, 1.0, 1.0, 1.0]), 0.485_714_285_7, 1e-9);
    near(p(&[1.0, 2.0, 3.0, 4.0, 5.0], &[6.0, 7.0, 8.0, 9.0, 10.0]), 0.007_94, 1e-3);
    assert_eq!((p(&[2.0; 5], &[2.0; 6]), mann_whitney(&[], &[1.0])), (1.0, None));
}

/// benchmath's median with its interval; six values are the least at 95 %, eight at 99 %.
#[test]
fn medians_have_the_interval_of_benchstat() {
    let (interval, confidence) = median_interval(&[-10.0, 2.0, 3.0, 4.0, 5.0, 6.0], 0.95).expect("enough");
    assert_eq!((interval.value, interval.low, interval.high, confidence), (3.5, -10.0, 6.0, 0.968_75));
    let steps: Vec<f64> = (0..8).map(f64::from).collect();
    assert!(median_interval(&steps[..5], 0.95).is_none() && median_interval(&steps[..7], 0.99).is_none());
    assert!(median_interval(&steps, 0.99).is_some());
}

/// Perfolizer's tests, after Hmisc's hdquantile.
#[test]
fn harrell_davis_is_that_of_hmisc() {
    let values = [0, 25, 50, 75, 100];
    for (p, expected) in [
        (0.1, 4.812_909_47),
        (0.2, 13.744_360_77),
        (0.25, 19.248_110_36),
        (0.3, 25.141_586_32),
        (0.5, 50.0),
        (0.9, 95.187_090_53),
    ] {
        near(harrell_davis(&values, p).expect("a quantile"), expected, 1e-8);
    }
    // SciPy's mstats.hdquantiles.
    for (p, expected) in [(0.1, 1.630_336_85), (0.5, 8.815_339_33), (0.95, 20.722_821_86)] {
        near(harrell_davis(&[1, 3, 4, 9, 11, 20, 21], p).expect("a quantile"), expected, 1e-8);
    }
    assert_eq!((harrell_davis(&[], 0.5), harrell_davis(&values, 1.0)), (None, None));
}

/// SciPy's mstats.hdquantiles of i⁴ mod 1 000 003, sorted, on either side of the size from which weights are densities.
#[test]
fn harrell_davis_of_many_values_is_that_of_scipy() {
    for (n, p, expected) in [
        (300, 0.5, 454255.974320),
        (300, 0.9, 906724.485059),
        (350, 0.5, 458629.469358),
        (2000, 0.5, 506313.321047),
        (2000, 0.9, 903875.400449),
        (2000, 0.95, 949753.532184),
        (20000, 0.1, 99663.403046),
        (20000, 0.99, 990068.856314),
        (20000, 0.999, 999039.462757),
    ] {
        let mut values: Vec<i64> = (1..=n).map(|i: i64| i * i % 1_000_003 * (i * i % 1_000_003) % 1_000_003).collect();
        values.sort_unstable();
        near(harrell_davis(&values, p).expect("a quantile"), expected, 1e-6);
    }
}

/// By hand, and by SciPy's false_discovery_control.
#[test]
fn adjusted_p_are_those_of_the_step_up() {
    let close = |found: Vec<f64>, expected: &[f64]| found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12);
    assert!(close(benjamini_hochberg(&[0.01, 0.02, 0.03, 0.04, 0.05]), &[0.05; 5]));
    assert!(close(benjamini_hochberg(&[0.5, 0.001, 0.04]), &[0.5, 0.003, 0.06]));
    let scipy = [0.5, 0.005, 0.2 / 3.0, 0.2 / 3.0, 0.25];
    assert!(close(benjamini_hochberg(&[0.5, 0.001, 0.04, 0.03, 0.2]), &scipy));
    assert!(benjamini_hochberg(&[]).is_empty());
}

/// Five pairs cannot go below 1/16, eight reach 1/128; the interval of eight differences leaves out three at either end
/// (Hollander & Wolfe 1999, table A.4: P(T⁺ ≥ 33) = 0.0195).
#[test]
fn pairs_have_the_p_and_interval_of_counting() {
    let rising: Vec<f64> = (1..=8).map(f64::from).collect();
    assert_eq!((sign_flip(&rising[..5], 1), sign_flip(&rising, 1), sign_flip(&[], 1)), (Some(0.0625), Some(0.007_812_5), None));
    // SciPy's permutation_test of the mean with permutation_type "samples".
    let mixed = [-0.76, -0.23, -0.09, -0.31, 0.95, 0.34, -0.19, 0.81];
    assert_eq!(sign_flip(&mixed, 1), Some(0.789_062_5));
    let mut walsh: Vec<f64> =
        rising.iter().enumerate().flat_map(|(i, a)| rising[i..].iter().map(move |b| 0.5 * (a + b))).collect();
    walsh.sort_unstable_by(f64::total_cmp);
    let found = paired_shift_interval(&rising, 0.95).expect("enough");
    assert_eq!((found.value, found.low, found.high), (4.5, walsh[3], walsh[32]));
    assert_eq!(paired_shift_interval(&rising[..5], 0.95), None);
    // More than sixteen are drawn: a clear shift has the least p there is, a symmetric one a large p.
    let many: Vec<f64> = (0..40).map(|i| 10.0 + f64::from(i)).collect();
    near(sign_flip(&many, 1).expect("pairs"), 1e-4, 1e-9);
    let symmetric: Vec<f64> = (1..=20).flat_map(|i| [f64::from(i), -f64::from(i)]).collect();
    assert!(sign_flip(&symmetric, 1).expect("pairs") > 0.9);
}

fn held(seeds: u64, holds: impl Fn(&mut Rng) -> bool) -> f64 {
    (0..seeds).filter(|seed| holds(&mut Rng::stream(*seed, "coverage"))).count() as f64 / seeds as f64
}

/// Intervals of 95 % hold the true shift in 92 to 99 of a hundred cases (small samples cannot be exact; theirs are on the safe side).
#[test]
fn shift_intervals_hold_the_shift() {
    let sample = |rng: &mut Rng, n: usize, shift: f64| (0..n).map(|_| shift + rng.exponential()).collect::<Vec<f64>>();
    let within = |interval: Option<Interval>, truth: f64| interval.is_some_and(|i| i.low <= truth && truth <= i.high);
    for (n, m) in [(8, 8), (12, 7), (30, 25)] {
        let share = held(300, |rng| within(shift_interval(&sample(rng, n, 0.7), &sample(rng, m, 0.0), 0.95), 0.7));
        assert!((0.92..=0.99).contains(&share), "{n} and {m}: {share}");
    }
    let share = held(300, |rng| {
        let differences: Vec<f64> = (0..9).map(|_| 0.3 + rng.normal()).collect();
        within(paired_shift_interval(&differences, 0.95), 0.3)
    });
    assert!((0.92..=0.99).contains(&share), "pairs: {share}");
}

#[test]
fn a_shift_of_the_tail_shows_at_its_quantiles() {
    let run = |seed: u64, slow_tail: f64, p: f64| {
        let mut rng = Rng::stream(seed, "run");
        let value = |i: i64| if i % 10 == 0 { 5000.0 + slow_tail } else { 1000.0 } + 100.0 * rng.uniform();
        let mut values: Vec<i64> = (0..400).map(value).map(|ns| ns as i64).collect();
        values.sort_unstable();
        harrell_davis(&values, p).expect("a quantile")
    };
    let runs = |seeds: std::ops::Range<u64>, slow_tail, p| seeds.map(|seed| run(seed, slow_tail, p)).collect::<Vec<f64>>();
    for design in [Design::Independent, Design::Paired] {
        let shift = |p| shift_between(&runs(0..8, 0.0, p), &runs(8..16, 2000.0, p), design, 0.95).expect("enough");
        let (middle, tail) = (shift(0.5), shift(0.97));
        assert!(middle.low < 0.0 && middle.high > 0.0 && tail.low > 1900.0 && tail.high < 2100.0, "{middle:?} {tail:?}");
    }
    assert_eq!(shift_between(&[1.0; 2], &[2.0; 2], Design::Independent, 0.95), None);
}

#[test]
fn batches_are_stretches_of_equal_time() {
    let values: Vec<(i64, i64)> = (0..20_000).map(|i| (i * 1000, 1 + i / 1000)).rev().collect();
    let found = batch_log_quantiles(&values, 0.5).expect("enough");
    let expected: Vec<f64> = (1..=20).map(|level| libm::log(f64::from(level))).collect();
    assert_eq!(found, expected);
    assert_eq!(batch_log_quantiles(&values[..5000], 0.99), None, "250 values a stretch are too few for p99");
    assert_eq!(batch_log_quantiles(&[], 0.5), None);
    let zero: Vec<(i64, i64)> = values.iter().map(|(at, _)| (*at, 0)).collect();
    assert_eq!(batch_log_quantiles(&zero, 0.5), None);
}

fn comparison<'a>(before: &'a [f64], after: &'a [f64]) -> Comparison<'a> {
    let threshold = libm::log(1.05);
    Comparison { before, after, design: Design::Paired, worse: Worse::Higher, threshold, objective_broken: false }
}

fn verdict(comparison: Comparison<'_>) -> Effect {
    judge(&[comparison], 1)[0]
}

/// Eight runs of nearly one value, and the same times a factor.
#[test]
fn verdicts_follow_the_size_of_the_effect() {
    let before: Vec<f64> = (0..8).map(|i| 0.001 * f64::from(i * 5 % 8)).collect();
    let times = |factor: f64| before.iter().rev().map(|v| v + libm::log(factor)).collect::<Vec<f64>>();
    for (factor, outcome) in
        [(1.0, Outcome::None), (1.02, Outcome::Minor), (1.1, Outcome::Major), (1.3, Outcome::Critical), (0.8, Outcome::None)]
    {
        for design in [Design::Paired, Design::Independent] {
            let after = times(factor);
            let found = verdict(Comparison { design, ..comparison(&before, &after) });
            assert_eq!((found.outcome, found.improved), (outcome, factor < 0.9), "{factor} {design:?}: {found:?}");
            near(found.ratio().expect("enough").value, factor, 0.01);
            let lower = verdict(Comparison { design, worse: Worse::Lower, ..comparison(&after, &before) });
            assert_eq!(lower.outcome, outcome, "lower is worse, sides swapped");
        }
    }
    let broken = verdict(Comparison { objective_broken: true, ..comparison(&before, &times(1.02)) });
    let alike = verdict(Comparison { objective_broken: true, ..comparison(&before, &times(1.0)) });
    assert_eq!((broken.outcome, alike.outcome), (Outcome::Critical, Outcome::None), "an objective is not broken by chance alone");
}

#[test]
fn what_runs_cannot_show_is_inconclusive_with_the_number_that_could() {
    let mut rng = Rng::stream(1, "noise");
    let mut noisy = || (0..8).map(|_| 0.2 * rng.normal()).collect::<Vec<f64>>();
    let (before, after) = (noisy(), noisy());
    let found = verdict(comparison(&before, &after));
    assert_eq!(found.outcome, Outcome::Inconclusive);
    let (needed, spread) = (found.runs_needed.expect("known") as f64, 0.2 * 2.0_f64.sqrt());
    // (1.96 + 1.28)²·σ²/threshold² for many runs.
    let expected = ((1.96 + 1.2816) * spread / libm::log(1.05)).powi(2);
    assert!((0.3..3.0).contains(&(needed / expected)), "{needed}, about {expected} expected");
    assert!(found.detectable.is_some_and(|least| least > libm::log(1.05)));
    let few = verdict(comparison(&before[..5], &after[..5]));
    assert_eq!((few.outcome, few.shift), (Outcome::Inconclusive, None));
    let none = verdict(comparison(&[], &[f64::NAN]));
    assert_eq!((none.outcome, none.detectable, none.runs_needed), (Outcome::Inconclusive, None, None));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Sides swapped: the same p, the opposite shift. δ, U and A₁₂ say the same.
    #[test]
    fn swapped_sides_mirror(
        x in proptest::collection::vec(-9_i32..9, 1..12), y in proptest::collection::vec(-9_i32..9, 1..12),
    ) {
        let (x, y): (Vec<f64>, Vec<f64>) = (x.iter().map(|v| f64::from(*v)).collect(), y.iter().map(|v| f64::from(*v)).collect());
        let ((u, p), (v, q)) = (mann_whitney(&x, &y).expect("values"), mann_whitney(&y, &x).expect("values"));
        let pairs = (x.len() * y.len()) as f64;
        prop_assert!((u + v - pairs).abs() < 1e-9 && (p - q).abs() < 1e-9 && p > 0.0 && p <= 1.0);
        prop_assert!((superiority(&x, &y).expect("values") - u / pairs).abs() < 1e-9);
        match (shift_interval(&x, &y, 0.9), shift_interval(&y, &x, 0.9)) {
            (Some(a), Some(b)) => prop_assert!(a.value == -b.value && a.low == -b.high && a.high == -b.low && a.low <= a.value),
            (a, b) => prop_assert_eq!(a, b),
        }
    }

    /// The count over all choices, done one by one.
    #[test]
    fn exact_p_is_the_count_over_all_choices(x in proptest::collection::vec(0_i32..5, 1..5), y in proptest::collection::vec(0_i32..5, 1..6)) {
        let joint: Vec<f64> = x.iter().chain(&y).map(|v| f64::from(*v)).collect();
        let n = x.len();
        let ranks = crate::sample::midranks(&joint);
        let observed: f64 = ranks[..n].iter().sum();
        let (mut below, mut above, mut all) = (0.0_f64, 0.0, 0.0);
        for choice in 0_u32..1 << joint.len() {
            if choice.count_ones() as usize == n {
                let sum: f64 = ranks.iter().enumerate().filter(|(i, _)| choice >> i & 1 == 1).map(|(_, rank)| rank).sum();
                all += 1.0;
                below += f64::from(u8::from(sum <= observed + 1e-9));
                above += f64::from(u8::from(sum >= observed - 1e-9));
            }
        }
        let expected = (2.0 * below.min(above) / all).min(1.0);
        let (_, p) = mann_whitney(&joint[..n], &joint[n..]).expect("values");
        prop_assert!((p - expected).abs() < 1e-9);
    }

    #[test]
    fn adjusted_p_keep_their_order(p in proptest::collection::vec(0.0..1.0_f64, 1..12)) {
        let adjusted = benjamini_hochberg(&p);
        for (i, a) in p.iter().enumerate() {
            prop_assert!(adjusted[i] >= *a && adjusted[i] <= (a * p.len() as f64).min(1.0) + 1e-12);
            prop_assert!(p.iter().zip(&adjusted).all(|(b, q)| a > b || adjusted[i] <= *q + 1e-12));
        }
    }
}
