use super::*;
use crate::Rng;
use proptest::prelude::*;

fn points(n: &[f64], x: &[f64]) -> Vec<Point> {
    n.iter().zip(x).map(|(n, x)| Point { concurrency: *n, per_s: *x }).collect()
}

fn fit(n: &[f64], x: &[f64]) -> Usl {
    Usl::fit(&points(n, x)).expect("a fit")
}

fn near(found: f64, expected: f64, relative: f64) {
    assert!((found - expected).abs() <= relative * expected.abs(), "{found} instead of {expected}");
}

/// SPEC SDM91 as in the tests of the R package usl (specsdm91, tests/*.Rout.save).
#[test]
fn specsdm91_is_fitted_as_by_the_r_package() {
    let n = [1.0, 18.0, 36.0, 72.0, 108.0, 144.0, 216.0];
    let law = fit(&n, &[64.9, 995.9, 1652.4, 1853.2, 1828.9, 1775.0, 1702.2]);
    near(law.contention.value, 0.027_73, 2e-4);
    near(law.coherence.value, 1.044e-4, 5e-4);
    near(law.single_per_s.value, 90.00, 1e-4);
    near(law.residual_per_s, 82.85, 1e-4);
    let [alpha, beta, gamma] = law.standard_errors();
    near(alpha, 0.009_122, 1e-3);
    near(beta, 1.988e-5, 1e-3);
    near(gamma, 14.21, 1e-3);
    let peak = law.peak.expect("a peak");
    near(peak.concurrency.value, 96.519_56, 1e-5);
    near(peak.per_s.value, 1884.0, 3e-4);
    assert!(peak.within_measured && peak.concurrency.low < 96.5 && peak.concurrency.high > 96.6);
    near(law.optimum().expect("contention"), 36.064_01, 1e-5);
    near(law.ceiling_per_s().expect("contention"), 3245.589, 1e-5);
    for (n, x) in n.iter().zip([90.0, 1078.0, 1541.0, 1850.0, 1879.0, 1822.0, 1646.0]) {
        near(law.per_s(*n).expect("measured").value, x, 6e-4);
    }
    assert_eq!((law.per_s(238.0), law.per_s(-1.0)), (None, None));
}

const RAYTRACER_N: [f64; 11] = [1.0, 4.0, 8.0, 12.0, 16.0, 20.0, 24.0, 28.0, 32.0, 48.0, 64.0];
const RAYTRACER_X: [f64; 11] = [20.0, 78.0, 130.0, 170.0, 190.0, 200.0, 210.0, 230.0, 260.0, 280.0, 310.0];

/// The ray tracer of the same package: its first six points with the intervals of tests/confint, all of them without coherence.
#[test]
fn the_ray_tracer_has_a_peak_only_in_its_first_points() {
    let first = fit(&RAYTRACER_N[..6], &RAYTRACER_X[..6]);
    near(first.contention.value, 0.024_44, 5e-4);
    near(first.coherence.value, 0.001_63, 3e-3);
    near(first.single_per_s.value, 20.856_05, 1e-5);
    // The package takes ±2.015 errors, the 95 % point of t with n − 1 = 5 degrees of freedom; ours is the 97.5 % point with n − 3.
    let ends = [(0.007_54, 0.041_35), (0.001_10, 0.002_15), (19.267, 22.445)];
    let estimates = [first.contention, first.coherence, first.single_per_s];
    for ((low, high), (estimate, error)) in ends.into_iter().zip(estimates.into_iter().zip(first.standard_errors())) {
        near(estimate.value - 2.015_048 * error, low, 5e-3);
        near(estimate.value + 2.015_048 * error, high, 5e-3);
        near(estimate.high, estimate.value + 3.182_446 * error, 1e-6);
    }
    assert!(first.peak.is_some_and(|peak| !peak.within_measured), "24.5 users were never tried");
    let all = fit(&RAYTRACER_N, &RAYTRACER_X);
    near(all.contention.value, 0.057_77, 2e-4);
    near(all.single_per_s.value, 21.849, 1e-4);
    assert_eq!((all.coherence.value, all.peak), (0.0, None));
}

/// Points that lie on a curve of α = β = 0.02, γ = 1, to four decimals.
#[test]
fn points_on_a_curve_give_it_back() {
    let law = fit(&[1.0, 2.0, 4.0, 6.0, 8.0, 10.0], &[1.0, 1.8868, 3.0769, 3.5294, 3.5398, 3.3557]);
    near(law.contention.value, 0.02, 2e-3);
    near(law.coherence.value, 0.02, 1e-3);
    near(law.single_per_s.value, 1.0, 1e-3);
    near(law.peak.expect("a peak").concurrency.value, 7.0, 1e-3);
}

/// Schwartz 2015, *Practical Scalability Analysis with the Universal Scalability Law*, its table of throughputs of 1 to 32 threads, with
/// the figures of the Rust crate usl's tests.
#[test]
fn schwartzs_table_is_fitted_as_published() {
    let x = [
        955.16, 1878.91, 2688.01, 3548.68, 4315.54, 5130.43, 5931.37, 6531.08, 7219.8, 7867.61, 8278.71, 8646.7, 9047.84,
        9426.55, 9645.37, 9897.24, 10097.6, 10240.5, 10532.39, 10798.52, 11151.43, 11518.63, 11806.0, 12089.37, 12075.41,
        12177.29, 12211.41, 12158.93, 12155.27, 12118.04, 12140.4, 12074.39,
    ];
    let n: Vec<f64> = (1..=32).map(f64::from).collect();
    let law = fit(&n, &x);
    near(law.contention.value, 0.026_715_91, 1e-5);
    near(law.coherence.value, 7.690_945e-4, 1e-5);
    near(law.single_per_s.value, 995.6486, 1e-6);
    let peak = law.peak.expect("a peak");
    near(peak.concurrency.value, 35.574, 1e-4);
    near(peak.per_s.value, 12_342.85, 1e-6);
    near(law.per_s(20.0).expect("measured").value, 11_063.633_1, 1e-6);
    near(law.per_s(35.0).expect("near").value, 12_341.745_7, 1e-6);
}

/// Measured on a queue of four servers that serves 200 a second: the law, which such a queue does not follow, has a peak of 171 a second there, but hardly
/// anything was measured beyond it.
#[test]
fn a_peak_at_the_edge_of_what_was_measured_is_not_told() {
    let law = fit(&[0.852, 1.66, 2.489, 3.963, 5.002, 8.095], &[40.15, 77.91, 109.26, 140.99, 157.15, 171.11]);
    let peak = law.peak.expect("a peak of the law");
    assert!(peak.concurrency.value < 8.095 && peak.per_s.high < 200.0 && !peak.within_measured, "{peak:?}");
}

#[test]
fn what_the_data_do_not_bear_is_refused() {
    let n = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0];
    let x = [10.0, 19.0, 35.0, 60.0, 80.0, 85.0];
    assert_eq!(Usl::fit(&points(&n[..5], &x[..5])), Err(Refusal::TooFew { found: 5, needed: 6 }));
    assert_eq!(Usl::fit(&points(&[3.0; 8], &[1.0; 8])), Err(Refusal::TooFew { found: 1, needed: 6 }));
    let near_by: Vec<f64> = (10..18).map(f64::from).collect();
    assert_eq!(Usl::fit(&points(&near_by, &[1.0; 8])), Err(Refusal::TooNarrow));
    assert_eq!(Usl::fit(&points(&n, &[1.0, 2.0, f64::NAN, 3.0, 4.0, 5.0])), Err(Refusal::NotPositive));
    assert!(Refusal::TooFew { found: 5, needed: 6 }.to_string().contains("at least 6"));
}

/// Intervals of 95 % hold the truth in 92 to 98 of a hundred noisy fits.
#[test]
fn intervals_hold_the_truth() {
    let n = [1.0, 2.0, 4.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0];
    let truth = [0.05_f64, 5e-4, 100.0];
    let at_peak = ((1.0 - truth[0]) / truth[1]).sqrt();
    let (mut alpha, mut curve, mut peak) = (0, 0, 0);
    let seeds = 300;
    for seed in 0..seeds {
        let mut rng = Rng::stream(seed, "noise");
        let x: Vec<f64> = n.iter().map(|n| law(truth, *n) + 15.0 * rng.normal()).collect();
        let found = fit(&n, &x);
        let holds = |interval: Interval, truth: f64| u64::from(interval.low <= truth && truth <= interval.high);
        alpha += holds(found.contention, truth[0]);
        curve += holds(found.per_s(40.0).expect("measured"), law(truth, 40.0));
        peak += found.peak.map_or(0, |peak| holds(peak.per_s, law(truth, at_peak)));
    }
    for held in [alpha, curve, peak] {
        assert!((0.92..=0.98).contains(&(held as f64 / seeds as f64)), "{alpha} {curve} {peak} of {seeds}");
    }
}

/// Medians of a queue of capacity `mu` per second and 1 ms unloaded, with an error of `noise` in the logarithm.
fn latencies(mu: f64, loads: &[f64], noise: f64, seed: u64) -> Vec<LatencyPoint> {
    let mut rng = Rng::stream(seed, "latency");
    let at = |load: &f64| 0.001 / (1.0 - load / mu) * libm::exp(noise * rng.normal());
    loads
        .iter()
        .zip(loads.iter().map(at).collect::<Vec<_>>())
        .map(|(l, r)| LatencyPoint { per_s: *l, latency: r, error: noise.max(0.01) })
        .collect()
}

/// Medians of M/M/c come back with their number of servers; one server's curve would have its pole far beyond.
#[test]
fn several_servers_are_told_from_one() {
    for servers in [1_u32, 4, 16] {
        let at = |load: f64| {
            let queue = crate::queueing::Mmc::new(servers, load, 1000.0 / f64::from(servers)).expect("stable");
            LatencyPoint { per_s: load, latency: queue.sojourn_quantile_s(0.5), error: 0.01 }
        };
        let found = LatencyLoad::fit(&[100.0, 300.0, 500.0, 700.0, 800.0, 900.0].map(at)).expect("a fit");
        assert_eq!(found.servers, servers);
        near(found.capacity_per_s, 1000.0, 2e-4);
        near(found.latency(850.0).expect("inside"), at(850.0).latency, 2e-3);
    }
}

/// Without noise the curve comes back exactly; it is not asked beyond what was measured.
#[test]
fn a_queue_gives_its_capacity() {
    let found = LatencyLoad::fit(&latencies(1000.0, &[100.0, 300.0, 500.0, 700.0, 850.0], 0.0, 1)).expect("a fit");
    near(found.capacity_per_s, 1000.0, 1e-6);
    near(found.unloaded, 0.001, 1e-6);
    near(found.latency(900.0).expect("near"), 0.01, 1e-5);
    assert_eq!((found.latency(936.0), found.latency(-1.0)), (None, None));
    assert_eq!(found.servers, 1);
}

#[test]
fn latencies_that_do_not_rise_or_hardly_bend_say_little() {
    let flat: Vec<LatencyPoint> =
        (1..8).map(|i| LatencyPoint { per_s: f64::from(i), latency: 1.0 / f64::from(i), error: 0.1 }).collect();
    assert_eq!(LatencyLoad::fit(&flat), Err(Refusal::NoShape));
    let idle = latencies(1000.0, &[5.0, 10.0, 20.0, 30.0, 40.0, 50.0], 0.05, 3);
    let found = LatencyLoad::fit(&idle);
    assert!(found.is_err() || found.is_ok_and(|fit| fit.capacity_high_per_s.is_none()), "5 % of the capacity show no pole");
}

#[test]
fn capacity_intervals_hold_the_capacity() {
    let loads = [100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 700.0, 800.0];
    let holds = |seed: &u64| {
        let fit = LatencyLoad::fit(&latencies(1000.0, &loads, 0.05, *seed)).expect("a fit");
        fit.capacity_low_per_s <= 1000.0 && fit.capacity_high_per_s.is_none_or(|high| high >= 1000.0)
    };
    let held = (0..300).filter(holds).count();
    assert!((276..300).contains(&held), "{held} of 300");
}

/// The band holds the true median, a/(1 − λ/µ) for one server, in 95 of a hundred noisy fits or more at any load, encloses the fitted curve and ends
/// where the curve does.
#[test]
fn the_band_of_the_curve_holds_the_truth() {
    let loads = [100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 700.0, 800.0];
    let fits = (0..200).map(|seed| LatencyLoad::fit(&latencies(1000.0, &loads, 0.05, seed)).expect("a fit"));
    let mut held = [0; 3];
    for fit in fits {
        for (held, load) in held.iter_mut().zip([50.0, 450.0, 780.0]) {
            let (low, high) = fit.latency_ends(load).expect("inside");
            let curve = fit.latency(load).expect("inside");
            assert!(low < curve && curve < high, "{low} {curve} {high}");
            let truth = 0.001 / (1.0 - load / 1000.0);
            *held += u32::from((low..=high).contains(&truth));
        }
        assert_eq!(fit.latency_ends(881.0), None, "beyond 1.1 × what was measured");
    }
    assert!(held.iter().all(|held| (188..=200).contains(held)), "{held:?} of 200");
    let exact = LatencyLoad::fit(&latencies(1000.0, &loads, 0.0, 1)).expect("a fit");
    let (low, high) = exact.latency_ends(400.0).expect("inside");
    assert!(high / low < 1.2, "{low} {high}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Any law without noise comes back, in any units.
    #[test]
    fn laws_come_back(alpha in 0.0..0.5_f64, beta in 1e-5..0.02_f64, gamma in 0.01..1e5_f64) {
        let n = [1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 40.0];
        let x: Vec<f64> = n.iter().map(|n| law([alpha, beta, gamma], *n)).collect();
        let found = fit(&n, &x);
        for n in n {
            let (fitted, true_per_s) = (found.per_s(n).expect("measured").value, law([alpha, beta, gamma], n));
            prop_assert!((fitted / true_per_s - 1.0).abs() < 1e-5, "N {n}: {fitted} instead of {true_per_s}");
        }
    }
}
