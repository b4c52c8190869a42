use super::*;
use crate::Rng;
use crate::probability::normal_cdf;
use proptest::prelude::*;

/// Annual flow of the Nile at Aswan, 1871–1970, 10⁸ m³ (Cobb 1978, Biometrika 65(2), table 1).
pub(crate) const NILE: [f64; 100] = [
    1120., 1160., 963., 1210., 1160., 1160., 813., 1230., 1370., 1140., 995., 935., 1110., 994., 1020., 960., 1180., 799., 958.,
    1140., 1100., 1210., 1150., 1250., 1260., 1220., 1030., 1100., 774., 840., 874., 694., 940., 833., 701., 916., 692., 1020.,
    1050., 969., 831., 726., 456., 824., 702., 1120., 1100., 832., 764., 821., 768., 845., 864., 862., 698., 845., 744., 796.,
    1040., 759., 781., 865., 845., 944., 984., 897., 822., 1010., 771., 676., 649., 846., 812., 742., 801., 1040., 860., 874.,
    848., 890., 744., 749., 838., 1050., 918., 986., 797., 923., 975., 815., 1020., 906., 901., 1170., 912., 746., 919., 718.,
    714., 740.,
];

fn steps(n: usize) -> Vec<f64> {
    (0..n).map(|i| i as f64).collect()
}

fn near(found: f64, expected: f64, relative: f64) {
    assert!((found - expected).abs() <= relative * expected.abs(), "{found} instead of {expected}");
}

/// pymannkendall 1.4 (original and Hamed–Rao tests) and SciPy's theilslopes on the same series.
#[test]
fn the_nile_has_the_published_trend() {
    let found = mann_kendall(&NILE).expect("enough points");
    assert_eq!(found.s, -1387.0);
    near(found.variance, 112_728.333, 1e-8);
    near(found.z, -4.128_067, 1e-6);
    near(found.p, 3.658_263e-5, 1e-6);
    near(found.tau, -0.280_202, 1e-5);
    near(hamed_rao(&NILE).expect("enough points").p, 0.004_802_68, 1e-6);
    let line = theil_sen(&steps(100), &NILE, 0.95).expect("a line");
    near(line.slope, -2.6, 1e-12);
    near(line.intercept, 1022.2, 1e-12);
    near(line.low, -3.6279, 1e-4);
    near(line.high, -1.4286, 1e-4);
}

/// pymannkendall 1.4 on ten years of months with a season, noise of 23 levels and a step a decade of months: many ties, and many points on
/// one line.
#[test]
fn seasons_are_taken_for_dependence() {
    let month = |i: i32| (7 * i * i + 3 * i) % 23 + 10 * (i % 12).min(12 - i % 12) + i / 10;
    let values: Vec<f64> = (0..120).map(|i| f64::from(month(i))).collect();
    let found = mann_kendall(&values).expect("enough points");
    assert_eq!(found.s, 787.0);
    near(found.variance, 194_212.333_333_333_34, 1e-12);
    near(found.z, 1.783_545_294_333_506, 1e-12);
    near(found.p, 0.074_497_581_695_090_35, 1e-9);
    near(found.tau, 0.110_224_089_635_854_34, 1e-12);
    let dependent = hamed_rao(&values).expect("enough points");
    near(dependent.variance, 41_979.037_619_882_2, 1e-10);
    near(dependent.z, 3.836_244_749_274_152_7, 1e-10);
    near(dependent.p, 0.000_124_929_910_283_455_57, 1e-9);
    let line = theil_sen(&steps(120), &values, 0.95).expect("a line");
    near(line.slope, 0.108_695_652_173_913_04, 1e-12);
    near(line.intercept, 40.032_608_695_652_17, 1e-12);
}

/// SciPy's theilslopes: one wild point moves nothing.
#[test]
fn an_outlier_does_not_turn_the_line() {
    let y = [1.0, 2.1, 2.9, 4.2, 5.1, 5.8, 7.2, 8.1, 8.8, 100.0];
    let line = theil_sen(&steps(10), &y, 0.95).expect("a line");
    near(line.slope, 1.014_285_7, 1e-7);
    near(line.low, 0.957_143, 1e-6);
    near(line.high, 1.15, 1e-9);
}

/// SciPy's theilslopes where x and y repeat themselves.
#[test]
fn ties_are_counted_as_by_scipy() {
    let x = [0., 1., 1., 2., 3., 4., 4., 4., 5., 6., 7., 8., 9., 10., 11., 12., 13.];
    let y = [-0.8, -1.3, -0.2, 0.4, 1.1, 0.1, -0.6, -0.8, 0.7, 1.6, 0.3, -1.2, -1.0, 1.6, 0.2, -1.7, -0.1];
    let line = theil_sen(&x, &y, 0.95).expect("a line");
    near(line.slope, 0.011_309_523_809_523_811, 1e-12);
    near(line.intercept, -0.156_547_619_047_619_05, 1e-12);
    near(line.low, -0.136_363_636_363_636_35, 1e-12);
    near(line.high, 0.2, 1e-12);
}

#[test]
fn too_little_and_nonsense_have_no_line() {
    assert_eq!(theil_sen(&steps(2), &steps(2), 0.95), None);
    assert_eq!(theil_sen(&[1.0; 5], &steps(5), 0.95), None);
    assert_eq!(theil_sen(&steps(5), &[1.0, 2.0, f64::NAN, 3.0, 4.0], 0.95), None);
    assert_eq!(mann_kendall(&[1.0, 2.0]), None);
    let flat = mann_kendall(&[3.0; 30]).expect("enough");
    assert_eq!((flat.s, flat.z, flat.p), (0.0, 0.0, 1.0));
}

/// x₀, then xᵢ = φxᵢ₋₁ + √(1 − φ²)·ε: variance 1 throughout.
fn autoregression(n: usize, phi: f64, seed: u64) -> Vec<f64> {
    let mut rng = Rng::stream(seed, "autoregression");
    let mut x = rng.normal();
    let mut next = || {
        x = phi * x + (1.0 - phi * phi).sqrt() * rng.normal();
        x
    };
    (0..n).map(|_| next()).collect()
}

const MEMORY: GrowthLimits = GrowthLimits { drift_share_min: 0.05, ceiling: Some(2000.0), per_bin_min: 3 };

/// 720 values around 1000 with a standard deviation of 10 % and a drift over the run of so many of these.
fn drifting(phi: f64, drift_sds: f64, seed: u64) -> Vec<f64> {
    let noise = autoregression(720, phi, seed);
    noise.iter().enumerate().map(|(i, e)| 1000.0 + 100.0 * (e + drift_sds * i as f64 / 720.0)).collect()
}

fn share(of: usize, what: impl Fn(u64) -> bool) -> f64 {
    (0..of as u64).filter(|seed| what(*seed)).count() as f64 / of as f64
}

/// False alarms at α = 1 % stay below 5 % up to an autocorrelation of 0.9, where tests of the raw series alarm in most cases; a drift of
/// two standard deviations is found nearly always.
#[test]
fn growth_is_found_and_dependence_is_not_taken_for_it() {
    let kind = |phi, drift, seed| growth(&drifting(phi, drift, seed), 1.0, &MEMORY).expect("enough").kind;
    for phi in [0.0, 0.6, 0.9] {
        let alarms = share(150, |seed| !matches!(kind(phi, 0.0, seed), GrowthKind::Steady));
        assert!(alarms <= 0.05, "φ {phi}: {alarms}");
    }
    for phi in [0.0, 0.6] {
        let found = share(60, |seed| kind(phi, 2.0, seed) == GrowthKind::Growing);
        assert!(found >= 0.9, "φ {phi}: {found}");
    }
    assert!(share(40, |seed| kind(0.0, -2.0, seed) == GrowthKind::Falling) >= 0.9);
    let raw = share(30, |seed| mann_kendall(&drifting(0.9, 0.0, seed)).expect("enough").p < 0.05);
    assert!(raw > 0.4, "the raw test would not have needed bins: {raw}");
}

#[test]
fn a_leak_tells_when_it_hits_its_ceiling() {
    let leak: Vec<f64> = (0..720).map(|i| 1000.0 + 0.5 * f64::from(i) + f64::from(i % 7)).collect();
    let found = growth(&leak, 10.0, &MEMORY).expect("enough");
    assert_eq!((found.kind, found.step), (GrowthKind::Growing, None));
    near(found.per_hour.value, 0.05 * 3600.0, 0.01);
    // 1363 at the end of the run, 0.05 a second.
    near(found.ceiling_in_s.expect("a ceiling"), (2000.0 - 1363.0) / 0.05, 0.01);
    let shrinking: Vec<f64> = leak.iter().rev().copied().collect();
    assert_eq!(growth(&shrinking, 10.0, &MEMORY).expect("enough").ceiling_in_s, None, "what falls reaches no ceiling");
    let small = GrowthLimits { drift_share_min: 0.5, ceiling: None, per_bin_min: 3 };
    assert_eq!(growth(&leak, 10.0, &small).expect("enough").kind, GrowthKind::Steady);
}

/// 24 medians: Kendall's S by hand decides, and each of the other rules on its own.
/// Memory that is kept of each request grows by a random walk around its line: told in each of 50 runs. Of walks without drift whose stretches
/// are seen to depend on one another at most 2 % of 1000 are told.
#[test]
fn a_leak_is_told_from_a_random_walk() {
    let walk = |seed: u64, drift: f64| -> Growth {
        let mut rng = Rng::stream(seed, "walk");
        let mut at = 1e6;
        let values: Vec<f64> = (0..720)
            .map(|_| {
                at += drift + rng.normal();
                at
            })
            .collect();
        let limits = GrowthLimits { drift_share_min: 0.0, ceiling: None, per_bin_min: 3 };
        growth(&values, 1.0, &limits).expect("enough")
    };
    let kind = |seed: u64, drift: f64| walk(seed, drift).kind;
    assert!((0..50).all(|seed| kind(seed, 2.0) == GrowthKind::Growing && kind(seed, -2.0) == GrowthKind::Falling));
    let dependent = (0..1000).map(|seed| walk(seed, 0.0)).filter(|found| found.autocorrelation > 0.5);
    let told = dependent.filter(|found| matches!(found.kind, GrowthKind::Growing | GrowthKind::Falling)).count();
    assert!(told <= 20, "{told}");
}

#[test]
fn each_rule_of_growth_can_say_no() {
    let medians = GrowthLimits { drift_share_min: 0.0, ceiling: None, per_bin_min: 1 };
    let kind = |of: &dyn Fn(i32) -> f64| growth(&(0..24).map(of).collect::<Vec<f64>>(), 1.0, &medians).expect("enough").kind;
    // Two rising halves, the second two steps lower: S = 2·66 + 55 − 89 = 98, p = 0.016, and Sen's interval is above 0.
    let twice = |i: i32| 1000.0 + f64::from(i % 12) - if i < 12 { 0.0 } else { 1.5 };
    assert_eq!(kind(&twice), GrowthKind::Steady, "p has to be below 0.01");
    let bend = |i: i32| 1000.0 + 10.0 * f64::from(i.min(14)) - 3.0 * f64::from((i - 14).max(0));
    assert_eq!(kind(&bend), GrowthKind::Steady, "the second half falls");
    let wave = |i: i32| 1000.0 + 20.0 * f64::from(i) + 80.0 * (std::f64::consts::TAU * f64::from(i) / 12.0).sin();
    assert_eq!(kind(&wave), GrowthKind::SuspectGrowing, "neighbours hang together");
    assert_eq!(kind(&|i| -wave(i)), GrowthKind::SuspectFalling);
    // Levels 300 apart with the same noise on either: 64 350 is left over by the step (24·143/12·15²), 2.5 times as much by a line.
    let noisy_step = |i: i32| if i < 12 { 1000.0 } else { 1300.0 } + 15.0 * (f64::from(i * 7 % 12) - 5.5);
    assert_eq!(kind(&noisy_step), GrowthKind::Stepped);
    // One step of 8 in 1000 among a wavering of 1: its line drifts by more than 1 %, the step itself is less.
    let low_step: Vec<f64> = (0..24).map(|i| if i < 12 { 1000.0 } else { 1008.0 } + f64::from(i * 7 % 12) / 12.0).collect();
    let one_percent = GrowthLimits { drift_share_min: 0.01, ceiling: None, per_bin_min: 1 };
    let found = growth(&low_step, 1.0, &one_percent).expect("enough");
    assert!(found.drift_share > 0.01 && found.step.is_none(), "{found:?}");
    assert!(growth(&low_step, 1.0, &GrowthLimits { drift_share_min: 0.005, ..one_percent }).expect("enough").step.is_some());
}

#[test]
fn a_step_is_not_a_leak() {
    let values: Vec<f64> = (0..720).map(|i| if i < 300 { 1000.0 } else { 1300.0 } + f64::from(i % 11)).collect();
    let found = growth(&values, 1.0, &MEMORY).expect("enough");
    assert_eq!(found.kind, GrowthKind::Stepped);
    let step = found.step.expect("stepped");
    assert!((step.at_s - 300.0).abs() <= 30.0 && (step.after - step.before - 300.0).abs() < 30.0, "{step:?}");
}

#[test]
fn a_saw_is_named_and_a_rising_saw_grows() {
    let saw = |rise: f64| (0..720).map(|i| 1000.0 + 5.0 * f64::from(i % 60) + rise * f64::from(i)).collect::<Vec<f64>>();
    let level = growth(&saw(0.0), 1.0, &MEMORY).expect("enough");
    assert_eq!(level.kind, GrowthKind::Sawtooth);
    let teeth = level.sawtooth.expect("teeth");
    assert!(teeth.teeth == 11 && (teeth.depth - 295.0).abs() < 1e-9, "{teeth:?}");
    let rising = growth(&saw(0.5), 1.0, &MEMORY).expect("enough");
    assert!(rising.kind == GrowthKind::Growing, "{rising:?}");
    let noise = growth(&drifting(0.0, 0.0, 1), 1.0, &MEMORY).expect("enough");
    assert_eq!(noise.sawtooth, None);
}

#[test]
fn too_short_or_broken_series_have_no_verdict() {
    assert_eq!(growth(&[1.0; 71], 1.0, &MEMORY), None);
    let medians = GrowthLimits { per_bin_min: 1, ..MEMORY };
    assert!(growth(&[1.0; 24], 1.0, &medians).is_some() && growth(&[1.0; 23], 1.0, &medians).is_none());
    assert_eq!(growth(&[f64::NAN; 100], 1.0, &MEMORY), None);
    let zero = growth(&[0.0; 100], 1.0, &MEMORY).expect("enough");
    assert_eq!((zero.kind, zero.drift_share), (GrowthKind::Steady, 0.0));
}

/// Sen's interval holds the slope as often as it says.
#[test]
fn slope_intervals_hold_the_slope() {
    let held = share(400, |seed| {
        let y: Vec<f64> = autoregression(20, 0.0, seed).iter().enumerate().map(|(i, e)| 0.3 * i as f64 + e).collect();
        theil_sen(&steps(20), &y, 0.95).is_some_and(|line| line.low <= 0.3 && 0.3 <= line.high)
    });
    assert!((0.92..=0.98).contains(&held), "{held}");
    assert!(normal_cdf(0.0) == 0.5);
}

proptest! {
    /// A scale and a tilt of y scale and tilt the line.
    #[test]
    fn lines_follow_their_units(y in proptest::collection::vec(-50.0..50.0_f64, 3..25), scale in 0.1..9.0_f64, tilt in -3.0..3.0_f64) {
        let x = steps(y.len());
        let tilted: Vec<f64> = x.iter().zip(&y).map(|(x, y)| scale * y + tilt * x).collect();
        let (plain, found) = (theil_sen(&x, &y, 0.9).expect("sound"), theil_sen(&x, &tilted, 0.9).expect("sound"));
        prop_assert!((found.slope - (scale * plain.slope + tilt)).abs() < 1e-9);
        prop_assert!((found.high - (scale * plain.high + tilt)).abs() < 1e-9);
        prop_assert!(found.low <= found.slope && found.slope <= found.high);
        let (forth, back) = (mann_kendall(&y).expect("sound"), y.iter().rev().copied().collect::<Vec<_>>());
        prop_assert_eq!(forth.s, -mann_kendall(&back).expect("sound").s);
    }
}
