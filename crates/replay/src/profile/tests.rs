use super::piece::Course;
use super::*;
use proptest::prelude::*;

fn profile(text: &str) -> Profile {
    text.parse().unwrap_or_else(|reason| panic!("{text}: {reason}"))
}

fn refusal(text: &str) -> String {
    Profile::from_str(text).expect_err(text)
}

const S: i64 = 1_000_000_000;

/// Any segment that ends, with values and times of any size that makes sense.
fn segments() -> impl Strategy<Value = String> {
    let value = || prop_oneof![Just(0.0), 0.01_f64..10.0, 10.0_f64..100_000.0];
    let time = || prop_oneof![1_i64..1000, 1000_i64..10_000_000].prop_map(|ms| format!("{ms}ms"));
    prop_oneof![
        (0.1_f64..10.0, time()).prop_map(|(at, long)| format!("recorded:x,at={at},for={long}")),
        (value(), time()).prop_map(|(at, long)| format!("constant:x,at={at},for={long}")),
        (value(), value(), time(), time())
            .prop_map(|(a, b, over, hold)| format!("ramp:x,from={a},to={b},over={over},hold={hold}")),
        (value(), value(), 1_u8..9, time(), time()).prop_map(|(a, b, n, hold, rise)| {
            let by = ((a - b).abs() / f64::from(n)).max(0.001);
            format!("steps:x,from={a},to={b},by={by},hold={hold},rise={rise}")
        }),
        (value(), value(), time(), time(), time())
            .prop_map(|(a, b, at, long, rise)| format!("spike:x,base={a},peak={b},at={at},for={long},rise={rise}")),
        (value(), time(), time()).prop_map(|(at, long, ramp)| format!("soak:x,at={at},for={long},ramp={ramp}")),
        (0.01_f64..1e5, 0.0_f64..=1.0, time(), time()).prop_map(|(mean, share, period, long)| format!(
            "sine:x,mean={mean},amplitude={},period={period},for={long}",
            mean * share
        )),
        (value(), value(), value(), time()).prop_map(|(a, b, c, at)| format!("piecewise:x,0s={a},{at}={b},{at}={c},20000s={a}")),
    ]
}

/// One or several segments that are not 0 all the time.
fn profiles() -> impl Strategy<Value = Profile> {
    prop::collection::vec(segments(), 1..4).prop_filter_map("0 all the time", |segments| segments.join(" + ").parse().ok())
}

/// Simpson's rule between two instants of one piece, in units × ns.
fn simpson(profile: &Profile, from_ns: i64, to_ns: i64, steps: i64) -> f64 {
    let width = (to_ns - from_ns) as f64 / steps as f64;
    // The value at the end is that of the piece after it.
    let value = |step: i64| {
        let at_ns = from_ns as f64 + width * step as f64;
        profile.value_at(RunNs((at_ns as i64).min(to_ns - 1)))
    };
    let weight = |step: i64| if step == 0 || step == steps { 1.0 } else { 2.0 + 2.0 * (step % 2) as f64 };
    (0..=steps).map(|step| weight(step) * value(step)).sum::<f64>() * width / 3.0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn an_instant_is_found_again_from_its_integral(profile in profiles(), share in 0.0_f64..1.0) {
        let end = profile.ends_at().expect("every segment ends");
        let at = RunNs((end.ns() as f64 * share) as i64);
        let amount = profile.cumulative(at);
        let Some(found) = profile.inverse(amount) else {
            prop_assert_eq!(amount, profile.cumulative(end), "only what is never passed is never reached");
            return Ok(());
        };
        // Within a nanosecond, and as many digits as the integral has: where the value is near 0 these say less of the instant.
        let digits = 16.0 * f64::EPSILON * profile.cumulative(end);
        prop_assert!(profile.cumulative(found + -1) <= amount + digits, "{profile} {at:?} {found:?}");
        prop_assert!(profile.cumulative(found + 1) >= amount - digits, "{profile} {at:?} {found:?}");
        let value = profile.value_at(at).min(profile.value_at(found));
        if value > 0.0 && (found - at).abs() > 1 && profile.value_at(RunNs((at.ns() + found.ns()) / 2)) > 0.0 {
            prop_assert!((found - at).abs() as f64 <= 1.0 + 2.0 * digits / value, "{profile} {at:?} {found:?}");
        }
    }

    #[test]
    fn the_integral_is_that_of_the_value(profile in profiles()) {
        for piece in &profile.pieces {
            // Simpson's rule is exact for lines; of a wave, some swings are enough.
            let (end_ns, steps) = match piece.course {
                Course::Wave { period_ns, .. } => (piece.end_ns.min(piece.start_ns + (7.3 * period_ns) as i64), 2000),
                Course::Line { .. } => (piece.end_ns, 20),
            };
            let found = profile.cumulative(RunNs(end_ns)) - profile.cumulative(RunNs(piece.start_ns));
            let scale = profile.cumulative(RunNs(end_ns)) + profile.peak(RunNs(end_ns)) * 100.0;
            let wanted = simpson(&profile, piece.start_ns, end_ns, steps);
            prop_assert!((found - wanted).abs() <= 1e-6 * scale, "{profile}: {found} and {wanted}");
        }
    }

    #[test]
    fn the_integral_rises_and_the_value_stays_within_the_peak(profile in profiles(), shares in prop::collection::vec(0.0_f64..1.2, 2..40)) {
        let end = profile.ends_at().expect("every segment ends");
        let mut instants: Vec<RunNs> = shares.iter().map(|share| RunNs((end.ns() as f64 * share) as i64)).collect();
        instants.sort_unstable();
        for pair in instants.windows(2) {
            prop_assert!(profile.cumulative(pair[0]) <= profile.cumulative(pair[1]));
            prop_assert!(profile.phase_at(pair[0]) <= profile.phase_at(pair[1]));
        }
        for at in instants {
            let value = profile.value_at(at);
            prop_assert!(value >= -1e-9 && value <= profile.peak(end) * (1.0 + 1e-12) + 1e-9, "{profile} {at:?} {value}");
        }
        prop_assert_eq!(profile.value_at(end), 0.0);
        prop_assert_eq!(profile.inverse(profile.cumulative(end)), None);
    }

    #[test]
    fn amounts_in_order_are_reached_in_order(profile in profiles(), shares in prop::collection::vec(0.0_f64..1.0, 2..40)) {
        let total = profile.cumulative(profile.ends_at().expect("every segment ends"));
        let mut amounts: Vec<f64> = shares.iter().map(|share| share * total).collect();
        amounts.sort_by(f64::total_cmp);
        let found: Vec<RunNs> = amounts.iter().filter_map(|amount| profile.inverse(*amount)).collect();
        prop_assert!(found.is_sorted(), "{profile}");
    }

    #[test]
    fn what_was_written_reads_the_same_again(profile in profiles()) {
        prop_assert_eq!(Profile::from_str(&profile.to_string()), Ok(profile));
    }

    #[test]
    fn one_speed_divides_every_instant(at_ns in 0_i64..1 << 50, speed in prop_oneof![Just(0.37), Just(0.5), Just(1.0), Just(1.5), Just(10.0)]) {
        let due = Profile::recorded(speed).unwrap().inverse(at_ns as f64).unwrap();
        prop_assert_eq!(due.ns(), (at_ns as f64 / speed).round() as i64);
        if speed == 1.0 {
            prop_assert_eq!(due.ns(), at_ns);
        }
    }

    #[test]
    fn levels_stay_close_to_the_value(from in 0_u32..2000, to in 0_u32..2000, probe in 0.0_f64..1.0) {
        prop_assume!(from + to > 0);
        let profile = profile(&format!("ramp:users,from={from},to={to},over=60s,hold=5s"));
        let levels = profile.levels();
        prop_assert!(levels.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 != pair[1].1));
        let at = RunNs((probe * 60e9) as i64);
        let level = levels.iter().rfind(|(since, _)| *since <= at).map_or(0, |(_, level)| *level);
        prop_assert!((f64::from(level) - profile.value_at(at)).abs() <= 1.0 + 1e-6, "{level} {}", profile.value_at(at));
    }
}

/// By hand: 10 steps of 60 s; the fourth holds 400 users.
#[test]
fn steps_are_levels_with_a_phase_each() {
    let steps = profile("steps:users,from=100,to=1000,by=100,hold=60s");
    assert_eq!((steps.unit(), steps.ends_at()), (Unit::Users, Some(RunNs(600 * S))));
    assert_eq!(steps.value_at(RunNs(200 * S)), 400.0);
    assert_eq!(steps.phases()[steps.phase_at(RunNs(200 * S))], "step-4");
    assert_eq!(steps.phases().len(), 10);
    assert_eq!(steps.phase_starts()[9], RunNs(540 * S));
    assert_eq!(steps.levels()[3], (RunNs(180 * S), 400));
    assert_eq!(steps.levels()[10], (RunNs(600 * S), 0));
    let down = profile("steps:rate,from=250,to=0,by=100,hold=1s");
    assert_eq!([0, 1, 2, 3].map(|second| down.value_at(RunNs(second * S))), [250.0, 150.0, 50.0, 0.0]);
}

/// By hand: 30 s of 10, 5 s up, 10 s of 50, 5 s down, 30 s of 10: 300 + 150 + 500 + 150 + 300 requests.
#[test]
fn a_spike_has_a_base_before_and_after() {
    let spike = profile("spike:rate,base=10,peak=50,at=30s,for=10s,rise=5s");
    assert_eq!(spike.phases(), ["base", "rise", "spike", "fall", "recovery"]);
    assert_eq!(spike.ends_at(), Some(RunNs(80 * S)));
    assert_eq!(spike.cumulative(RunNs(80 * S)) / 1e9, 1400.0);
    assert_eq!(spike.inverse(300e9), Some(RunNs(30 * S)));
    assert_eq!(profile("spike:x,base=1,peak=5,at=30s,for=10s,total=2m").ends_at(), Some(RunNs(120 * S)));
    assert!(
        refusal("spike:x,base=1,peak=5,at=30s,for=10s,total=20s")
            .contains("a total of 20 s ends before the spike is over, at 40 s")
    );
}

/// By hand: a ramp from 0 to 1000 in 60 s has 30 000 requests, and a quarter of them after half the time.
#[test]
fn a_ramp_is_a_parabola() {
    let ramp = profile("ramp:rate,from=0,to=1000,over=60s,hold=10s");
    assert_eq!(ramp.cumulative(RunNs(60 * S)) / 1e9, 30_000.0);
    assert_eq!(ramp.inverse(7500e9), Some(RunNs(30 * S)));
    assert_eq!(ramp.inverse(35_000e9), Some(RunNs(65 * S)));
    let down = profile("ramp:rate,from=1000,to=0,over=60s");
    assert_eq!(down.inverse(22_500e9), Some(RunNs(30 * S)));
    assert_eq!((down.inverse(30_000e9), ramp.inverse(40_000e9)), (None, None));
    assert_eq!(ramp.phases(), ["ramp", "hold"]);
    assert_eq!(profile("soak:rate,at=500,for=2h,ramp=1m").cumulative(RunNs(7260 * S)) / 1e9, 3_615_000.0);
}

/// By hand: whole swings have the mean; half a swing has 10·5 + 4·10/π of a wave of 10 ± 4 in 10 s.
#[test]
fn a_wave_swings_around_its_mean() {
    let wave = profile("sine:rate,mean=10,amplitude=4,period=10s,for=40s");
    assert!((wave.cumulative(RunNs(40 * S)) / 1e9 - 400.0).abs() < 1e-9);
    assert!((wave.cumulative(RunNs(5 * S)) / 1e9 - 50.0 - 40.0 / std::f64::consts::PI).abs() < 1e-9);
    assert!((wave.value_at(RunNs(32_500_000_000)) - 14.0).abs() < 1e-9);
    assert_eq!(wave.inverse(200e9), Some(RunNs(20 * S)));
    assert_eq!(wave.peak(RunNs(S)), 14.0);
}

#[test]
fn a_rate_of_nothing_is_jumped_over() {
    let gap = profile("piecewise:rate,0s=0,10s=0,10s=5,20s=5,20s=0,30s=0,30s=5,40s=5");
    assert_eq!(gap.inverse(0.0), Some(RunNs(10 * S)));
    assert_eq!(gap.inverse(50e9), Some(RunNs(30 * S)));
    assert_eq!(gap.inverse(100e9), None);
    assert_eq!(gap.phases().len(), 4);
    assert!(refusal("constant:rate,at=0,for=5s").contains("nothing would ever be sent"));
}

#[test]
fn segments_follow_one_another() {
    let lines =
        "# a working day\nramp:rate,to=100,over=10s # morning\n\nconstant:rate,at=100,for=20s+ramp:rate,from=100,to=0,over=10s\n";
    let day = profile(lines);
    assert_eq!(day.phases(), ["ramp", "constant", "ramp#2"]);
    assert_eq!(day.ends_at(), Some(RunNs(40 * S)));
    assert_eq!(day.cumulative(RunNs(40 * S)) / 1e9, 3000.0);
    assert_eq!(day.to_string(), "ramp:rate,to=100,over=10s+constant:rate,at=100,for=20s+ramp:rate,from=100,to=0,over=10s");
    assert!(profile("ramp:x,to=2,over=1m+recorded:x,at=2").ends_at().is_none());
    assert!(refusal("recorded+ramp:x,to=2,over=1m").contains("segment 1 never ends"));
    assert!(refusal("recorded:x,for=5s+ramp:rate,to=2,over=1m").contains("one segment is in x, another in rate"));
}

#[test]
fn phases_past_the_limit_are_one() {
    let many = profile("steps:rate,from=1,to=400,by=1,hold=1s");
    assert_eq!(many.phases().len(), PHASES_MAX);
    assert_eq!(many.phases()[PHASES_MAX - 1], OTHER);
    assert_eq!(many.phase_at(RunNs(399 * S)), PHASES_MAX - 1);
    assert_eq!(many.phase_starts()[PHASES_MAX - 1], RunNs((PHASES_MAX as i64 - 1) * S));
}

#[test]
fn mistakes_are_named() {
    for (text, says) in [
        ("rump:rate,to=5,over=1s", "unknown profile `rump`, did you mean `ramp`?"),
        ("triangle:rate", "unknown profile `triangle`; known are recorded, constant, ramp"),
        ("ramp:rote,to=5,over=1s", "unknown unit `rote`, did you mean `rate`?"),
        ("ramp,to=5,over=1s", "the unit is missing: ramp:rate"),
        ("ramp:rate,to=5,ovr=1s", "unknown key `ovr`, did you mean `over`?"),
        ("ramp:rate,to=5", "over is missing; written as ramp:UNIT,to=V,over=T[,from=V][,hold=T]"),
        ("steps:rate,from=1", "to and by and hold is missing"),
        ("ramp:rate,to=5,to=6,over=1s", "`to` is given twice"),
        ("ramp:rate,to=five,over=1s", "to: wanted a number, found `five`"),
        ("ramp:rate,to=-5,over=1s", "to: wanted a number from 0 on, found `-5`"),
        ("ramp:rate,to=5,over=1w", "`w` is no unit of time"),
        ("ramp:rate,to=5,over=0s", "over: wanted a time longer than 0"),
        ("ramp:rate,to", "`to` is not KEY=VALUE: ramp:UNIT"),
        ("constant:users,at=1.5", "at: wanted whole users, found `1.5`"),
        ("constant:users,at=5000000", "more than the 1000000 there may be"),
        ("recorded:rate,at=5", "recorded is run through in x, not in `rate`"),
        ("steps:rate,from=0,to=10,by=0,hold=1s", "more steps than the 32768 there may be"),
        ("sine:rate,mean=5,amplitude=6,period=1s,for=9s", "an amplitude of 6 around 5 falls below 0"),
        ("piecewise:rate,1s=5,2s=6", "the first at 0s"),
        ("piecewise:rate,0s=5,9s=6,2s=6", "the point at 2 s stands after the one at 9 s"),
        ("recorded:x,at=0", "nothing would ever be sent"),
        ("", "no profile; known are recorded, constant"),
        ("ramp:rate,to=nan,over=1s", "wanted a number from 0 on"),
        ("ramp:rate,to=5,over=999999999d", "is too long"),
    ] {
        assert!(refusal(text).contains(says), "{text}: {}", refusal(text));
    }
}

/// Every row of the table opens with the keys it names.
#[test]
fn every_profile_is_written_as_its_usage_says() {
    for kind in PROFILES {
        let text = usage(kind).replace(['[', ']'], "").replace("UNIT", "rate");
        let text = text.replace("T=V,T=V,…", "0s=1,2s=1").replace("=V", "=1").replace("total=T", "total=9s").replace("=T", "=1s");
        let text = text.replace("amplitude=1", "amplitude=0.5");
        assert!(Profile::from_str(&text).is_ok(), "{text}: {:?}", Profile::from_str(&text));
    }
}
