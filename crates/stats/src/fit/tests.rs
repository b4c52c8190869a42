use super::*;
use crate::{Rng, arrivals};
use proptest::prelude::*;

/// `n` arrivals of a model at `per_s`.
fn arrivals_of(name: &str, n: usize, per_s: f64, seed: u64) -> Vec<i64> {
    let mut process = arrivals::open(name, Rng::stream(seed, "recorded")).expect("sound");
    let mut at = 0.0;
    let next = || {
        at += process.next_gap();
        (at * 1e9 / per_s) as i64
    };
    std::iter::repeat_with(next).take(n).collect()
}

fn judged(model: &Model, recorded: &[i64]) -> Acceptance {
    Acceptance::of(&[model], &Recording::new(recorded).expect("enough"), 1).expect("sound")
}

#[test]
fn bursts_at_all_scales_are_kept() {
    for (name, per_s) in
        [("poisson", 10.0), ("gamma:cv=1.5", 10.0), ("mmpp2:idc=30,r=0.002,q=0.2", 10.0), ("mmpp2:idc=30,r=0.002,q=0.2", 100.0)]
    {
        let recorded = arrivals_of(name, 20_000, per_s, 5);
        let model = Model::fit(&recorded, false).expect("enough");
        let acceptance = judged(&model, &recorded);
        assert!(acceptance.is_accepted(), "{name}: {} {:?}", acceptance.nw1, acceptance.log_idc);
    }
}

/// Spells of 5 s within stretches of 10 s are lost, and the judgement says so.
#[test]
fn bursts_within_a_stretch_are_missed() {
    let recorded = arrivals_of("mmpp2:idc=30,r=0.02,q=0.2", 20_000, 10.0, 5);
    let model = Model::fit(&recorded, false).expect("enough");
    let acceptance = judged(&model, &recorded);
    assert!(!acceptance.is_accepted() && acceptance.log_idc[1].is_some_and(|log| log < -LOG_IDC_MAX), "{:?}", acceptance.log_idc);
}

/// A model of the mean rate alone is no model of traffic in spells: the judgement can fail.
#[test]
fn a_model_without_its_curve_is_not_accepted() {
    let recorded = arrivals_of("mmpp2:idc=30,r=0.02,q=0.2", 20_000, 10.0, 5);
    let mut model = Model::fit(&recorded, false).expect("enough");
    (model.width_ns, model.counts) = (model.span_ns, vec![model.arrivals]);
    let acceptance = judged(&model, &recorded);
    assert!(!acceptance.is_accepted() && acceptance.log_idc[2].is_some_and(|log| log < -1.0), "{:?}", acceptance.log_idc);
}

/// Twelve arrivals on each tick of 3 s: the tick is found, and they no longer come together.
#[test]
fn ticks_are_spread() {
    let recorded: Vec<i64> = (0..2400).map(|i| i / 12 * 3_000_000_000).collect();
    let model = Model::fit(&recorded, false).expect("enough");
    let quantum_ns = |recorded: &[i64]| Recording::new(recorded).expect("enough").quantum_ns();
    assert_eq!((quantum_ns(&recorded), model.arrivals), (Some(3_000_000_000), 2400));
    let acceptance = judged(&model, &recorded);
    assert!(acceptance.recorded.zero_gap_share.is_some_and(|share| share < 0.001) && acceptance.nw1 < NW1_MAX);
    assert_eq!(quantum_ns(&arrivals_of("poisson", 1000, 10.0, 1)), None);
}

/// Neighbours of the logarithm of an AR(1) with correlation 0.6: the copula finds it, and draws it again.
#[test]
fn related_neighbours_stay_related() {
    let (mut rng, mut state, mut at) = (Rng::stream(3, "related"), 0.0, 0.0);
    let mut next = || {
        state = 0.6 * state + 0.8 * rng.normal();
        at += libm::exp(0.5 * state) * 1e7;
        at as i64
    };
    let recorded: Vec<i64> = std::iter::repeat_with(&mut next).take(20_000).collect();
    let model = Model::fit(&recorded, false).expect("enough");
    let Residual::Table { correlation, .. } = model.residual else { panic!("a table") };
    assert!((correlation - 0.6).abs() < 0.03, "{correlation}");
    let found = judged(&model, &recorded);
    let (recorded, generated) = (found.recorded.memory, found.generated.memory);
    assert!((recorded.expect("gaps") - generated.expect("gaps")).abs() < 0.06, "{recorded:?} {generated:?}");
}

#[test]
fn too_little_is_refused() {
    assert!(Model::fit(&[], false).expect_err("none").contains("0 arrivals are too few"));
    assert!(Model::fit(&(0..99).collect::<Vec<_>>(), false).expect_err("few").contains("99 arrivals"));
    assert!(Model::fit(&[7; 100], false).expect_err("one instant").contains("within 0 ns"));
    let ages: Vec<i64> = (0..100).map(|i| i * 90_000_000_000_000_000).collect();
    assert!(Model::fit(&ages, false).expect_err("282 years").contains("have no rate"));
    assert!(
        Model::fit(&[&[i64::MIN; 50][..], &[i64::MAX; 50]].concat(), false).expect_err("all of time").contains("have no rate")
    );
}

#[test]
fn a_spoilt_model_is_refused() {
    let model = Model::fit(&arrivals_of("poisson", 1000, 10.0, 1), false).expect("enough");
    let refused = |change: fn(&mut Model)| {
        let mut spoilt = model.clone();
        change(&mut spoilt);
        spoilt.instants(1.0, Longer::Repeat, 1).err().expect("spoilt")
    };
    assert!(refused(|m| m.counts.truncate(1)).contains("counts, not one for each stretch"));
    assert!(refused(|m| m.counts[0] += 1).contains("do not add up"));
    assert!(refused(|m| m.width_ns = 0).contains("counts"));
    assert!(refused(|m| m.residual = Residual::Arrivals("poison".to_owned())).contains("poison"));
    assert!(refused(|m| m.residual = Residual::Table { quantiles: vec![2.0, 1.0], correlation: 0.0 }).contains("rise"));
    assert!(model.instants(0.0, Longer::Repeat, 1).is_err() && model.instants(1e9, Longer::Repeat, 1).is_err());
    assert!(model.instants(1.0, Longer::Daily, 1).err().expect("no day").contains("no course of the day"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Over any number of periods, at any factor: in order, and every stretch has its count to within one, so that dispersion of wide
    /// windows is that of the curve times the factor.
    #[test]
    fn stretches_keep_their_counts(seed: u64, factor in 0.2..5.0, periods in 1_i64..3) {
        let model = Model::fit(&arrivals_of("gamma:cv=2", 600, 5.0, seed), false).expect("enough");
        let instants = model.instants(factor, Longer::Repeat, seed).expect("sound");
        let drawn: Vec<i64> = instants.take_while(|at| *at < periods * model.span_ns).collect();
        prop_assert!(drawn.is_sorted());
        let mut counts = vec![0.0; model.counts.len()];
        drawn.iter().for_each(|at| counts[(at % model.span_ns / model.width_ns) as usize] += 1.0);
        for (found, recorded) in counts.iter().zip(&model.counts) {
            prop_assert!((found - *recorded as f64 * factor * periods as f64).abs() <= periods as f64, "{found} of {recorded}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_arrivals(seed: u64) {
        let model = Model::fit(&arrivals_of("poisson", 300, 5.0, 1), true).expect("enough");
        let first = |seed| model.instants(2.5, Longer::Bootstrap, seed).expect("sound").take(100).collect::<Vec<_>>();
        prop_assert_eq!(first(seed), first(seed));
        prop_assert_ne!(first(seed), first(seed ^ 1));
    }
}

/// Two kinds, one busy when the other is quiet: each keeps its own curve, and together they are the whole.
#[test]
fn kinds_keep_their_own_times() {
    let recorded: Vec<i64> = (0..6000).map(|i| i * 100_000_000).collect();
    let recording = Recording::new(&recorded).expect("enough");
    let is_first = |i: usize| (i / 600).is_multiple_of(2);
    let models = [true, false].map(|first| recording.model(&recording.arrivals(|i| is_first(i) == first), false));
    let drawn: Vec<(i64, usize)> = Superposed::new(&[&models[0], &models[1]], 2.0, Longer::Repeat, 7)
        .expect("sound")
        .take_while(|(at_ns, _)| *at_ns < models[0].span_ns)
        .collect();
    assert_eq!(drawn.len(), 12_000);
    assert!(drawn.is_sorted_by_key(|(at_ns, _)| *at_ns));
    assert!(drawn.iter().all(|(at_ns, kind)| (at_ns / 60_000_000_000 % 2) as usize == *kind));
    assert!(Acceptance::of(&[&models[0], &models[1]], &recording, 1).expect("sound").nw1 < 0.2);
}

/// A week of days that rise by a half, as a model of the day: drawn for another week, it has the same days.
#[test]
fn the_day_goes_on() {
    let daily = Daily { day_s: 86_400.0, waves: vec![crate::daily::Wave { share: 0.5, peak_s: 50_000.0 }] };
    let (curve, mut rng, mut elapsed) = (daily.cumulative(), Rng::stream(1, "week"), 0.0);
    let next = || {
        elapsed += rng.exponential() * 30.0;
        (curve.time_s(elapsed) * 1e9) as i64
    };
    let recorded: Vec<i64> = std::iter::repeat_with(next).take_while(|at| *at < 7 * 86_400_000_000_000).collect();
    let model = Model::fit(&recorded, false).expect("enough");
    let found = model.daily.clone().expect("a week");
    let error = (2.0 / recorded.len() as f64).sqrt();
    assert!((found.waves[0].share - 0.5).abs() < 4.0 * error, "{found:?}");
    let again: Vec<i64> =
        model.instants(1.0, Longer::Daily, 3).expect("sound").take_while(|at| *at < 7 * 86_400_000_000_000).collect();
    let again = Daily::fit(&again, 7 * 86_400_000_000_000, 86_400.0).expect("a week");
    assert!((again.waves[0].peak_s - found.waves[0].peak_s).abs() < 600.0, "{again:?}");
}
