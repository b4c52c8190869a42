use super::*;
use proptest::prelude::*;

fn threshold(text: &str) -> Threshold {
    text.parse().unwrap_or_else(|reason: String| panic!("{reason}"))
}

#[test]
fn thresholds_are_read() {
    for (text, written) in [
        ("p95<20ms", "p95<20ms"),
        (" p(95) < 20 ms ", "p95<20ms"),
        ("response_p99.99{phase=stress}<=1.5s", "p99.99{phase=stress}<=1.5s"),
        (
            "service_mean{ operation = POST /collections/{}/points , phase=soak } <2ms",
            "service_mean{operation=POST /collections/{}/points,phase=soak}<2ms",
        ),
        ("connect_max<1s", "connect_max<1s"),
        ("error_rate<0.1%", "error_rate<0.1%"),
        ("error_rate<=0", "error_rate<=0%"),
        ("throughput>500/s", "throughput>500/s"),
        ("goodput>=500", "goodput>=500/s"),
        ("p99<20ms|50ms", "p99<20ms|50ms"),
        ("availability>99.9%|99%", "availability>99.9%|99%"),
        ("cpu<1.5", "cpu<1.5"),
        ("cpu<80%", "cpu<80%"),
        ("memory<512MiB", "memory<512MiB"),
        ("count>1000", "count>1000"),
    ] {
        assert_eq!(threshold(text).to_string(), written, "{text}");
    }
    let found = threshold("availability>99.9%|99%");
    assert_eq!((found.good, found.limit), (Some(0.999), 0.99));
    assert_eq!((threshold("cpu<80%").metric.unit(), threshold("cpu<0.8").metric.unit()), (Unit::Share, Unit::Cores));
}

#[test]
fn what_is_no_threshold_is_told_in_one_sentence() {
    for (text, word) in [
        ("p95", "write METRIC{collection=NAME,…}<VALUE"),
        ("p95=20ms", "write METRIC"),
        ("<20ms", "write METRIC"),
        ("p95<", "write METRIC"),
        ("p95<20", "a time with its unit such as 250ms, found `20`"),
        ("p95<20parsecs", "wanted a time"),
        ("p100<20ms", "there is no metric `p100`"),
        ("p99.99999<20ms", "there is no metric `p99.99999`"),
        ("eror_rate<1%", "did you mean `error_rate`?"),
        ("http_req_failed<1%", "did you mean `error_rate`?"),
        ("http_req_duration<200ms", "did you mean `p95`?"),
        ("thruput>5", "did you mean `throughput`?"),
        ("error_rate<120%", "wanted a share"),
        ("p95{colection=a}<20ms", "did you mean `collection`?"),
        ("p95{collection=a<20ms", "is no choice of requests"),
        ("p95<50ms|20ms", "good has to be stricter than acceptable"),
        ("throughput>100|200", "good has to be stricter than acceptable"),
        ("cpu<many", "processor cores"),
    ] {
        let said = text.parse::<Threshold>().expect_err(text);
        assert!(said.contains(word), "{text}: {said}");
    }
}

#[test]
fn two_about_the_same_are_told() {
    let all = |texts: &[&str]| Thresholds::new(texts.iter().map(|text| threshold(text)));
    assert!(all(&["p95<20ms", "p95{phase=a}<20ms", "p95>1ms", "p99<20ms", "cpu<1", "cpu<50%"]).is_ok());
    assert_eq!(all(&["p95<20ms", "p(95)<20ms"]).unwrap_err(), "the threshold `p95<20ms` is given twice");
    assert!(all(&["p95<20ms", "p95<=30ms"]).unwrap_err().contains("`p95<20ms` and `p95<=30ms` are about the same"));
    let over = all(&["p95<20ms"]).unwrap().over(all(&["p95<90ms", "p99<90ms"]).unwrap());
    assert_eq!(over.words(), ["p95<20ms", "p99<90ms"]);
}

#[test]
fn comparators_hold_on_their_side() {
    for (text, holds) in
        [("<", [true, false, false]), ("<=", [true, true, false]), (">", [false, false, true]), (">=", [false, true, true])]
    {
        let found = threshold(&format!("count{text}5")).comparator;
        assert_eq!([4.0, 5.0, 6.0].map(|value| found.holds(value, 5.0)), holds, "{text}");
        assert!(!found.holds(f64::NAN, 5.0));
    }
}

fn metrics() -> Vec<Metric> {
    let times = metric::TIMES.iter().flat_map(|time| {
        [Metric::Quantile(time, 999_900), Metric::Quantile(time, 500_000), Metric::Mean(time), Metric::Max(time)]
    });
    times.chain(metric::FIGURES.iter().map(Metric::Figure)).collect()
}

/// A limit that can be written in the unit: shares in thousandths of a percent, all else in whole numbers.
fn limit(unit: Unit, number: u32) -> f64 {
    if unit == Unit::Share { f64::from(number % 100_001) / 1e5 } else { f64::from(number) }
}

proptest! {
    #[test]
    fn a_threshold_is_read_as_it_was_written(
        place in 0_usize..100,
        comparator in 0_usize..4,
        phase in prop::option::of("[ -~]{1,12}"),
        limits in (0_u32.., prop::option::of(0_u32..)),
    ) {
        let metrics = metrics();
        let metric = metrics[place % metrics.len()];
        let scope = Scope { phase, ..Scope::ALL };
        let (least, good) = (limit(metric.unit(), limits.0), limits.1.map(|number| limit(metric.unit(), number)));
        if let Ok(wanted) = Threshold::new(metric, scope, Comparator::ALL[comparator].1, least, good) {
            prop_assert_eq!(wanted.to_string().parse::<Threshold>(), Ok(wanted));
        }
    }

    #[test]
    fn nonsense_is_refused_in_a_sentence(text in "[ -~]{0,40}") {
        if let Err(reason) = text.parse::<Threshold>() {
            prop_assert!(!reason.is_empty() && !reason.contains('\n'));
        }
    }
}
