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

fn yaml(text: &str) -> Vec<String> {
    Thresholds::parse_yaml(text).unwrap_or_else(|reason| panic!("{reason}\n{text}")).words()
}

#[test]
fn a_file_says_it_in_words_that_people_know() {
    let text = "
overall:
  max_response_time:
    - { percentile: 50, limit: 20ms }
    - { percentile: 99.9, good: 100ms, acceptable: 250ms }
  max_error_rate: 0.1%
  min_throughput: 500/s
  max_cpu_usage: 80%
  max_memory_usage: 2GiB
  availability: { good: 99.9%, acceptable: 99% }
  recovery_time: 30s
collections:
  products:
    max_response_time: 1s
    operations:
      'POST /collections/{}/points':
        max_service_p95: 50ms
phases:
  stress:
    max_error_rate: 5 %
thresholds:
  - count{effect=read}>1000
";
    assert_eq!(
        yaml(text),
        [
            "p50<=20ms",
            "p99.9<=100ms|250ms",
            "error_rate<=0.1%",
            "throughput>=500/s",
            "cpu<=80%",
            "memory<=2GiB",
            "availability>=99.9%|99%",
            "recovery_time<=30s",
            "max{collection=products}<=1s",
            "service_p95{collection=products,operation=POST /collections/{}/points}<=50ms",
            "error_rate{phase=stress}<=5%",
            "count{effect=read}>1000",
        ]
    );
    assert_eq!(yaml("max_p95: 20ms"), ["p95<=20ms"], "what stands outside a section is about all");
    assert!(yaml("").is_empty() && yaml("# nothing\n").is_empty() && yaml("overall:\n").is_empty());
}

#[test]
fn what_is_wrong_in_a_file_is_told_with_its_place() {
    for (text, wanted) in [
        (
            "overall:\n  max_respons_time: 5ms",
            "line 2, column 3: there is no `max_respons_time` (did you mean `max_response_time`?)",
        ),
        ("overal:\n  max_p95: 5ms", "line 1, column 1: there is no `overal` (did you mean `overall`?)"),
        ("overall:\n  max_error_rate: lots", "line 2, column 19: error_rate: wanted a share such as 20% or 0.2, found `lots`"),
        ("max_p95: 20", "line 1, column 10: p95: wanted a time with its unit such as 250ms, found `20`"),
        ("max_p95: {percentil: 9}", "line 1, column 11: there is no `percentil` (did you mean `percentile`?)"),
        ("max_response_time: {percentil: 9}", "did you mean `percentile`?"),
        ("max_error_rate: {percentile: 9, limit: 1%}", "line 1, column 18: only a response time has a percentile"),
        ("max_response_time: {percentile: 99}", "line 1, column 20: a limit is missing"),
        ("max_p95: {good: 20ms, acceptable: 10ms}", "good has to be stricter than acceptable"),
        ("max_p95: {poor: 20ms, acceptable: 10ms}", "line 1, column 11: poor is whatever is worse"),
        ("max_p95: 1ms\nmax_p95: 2ms", "line 2, column 1: `max_p95` stands twice"),
        ("effects:\n  reed:\n    max_p95: 1ms", "line 2, column 3: `reed` is no effect"),
        ("thresholds:\n  - p95<1ms\n  - p95", "line 3, column 5: `p95` is no threshold"),
        ("thresholds: p95<1ms", "line 1, column 13: wanted a list of thresholds"),
        ("collections: [a]", "line 1, column 14: wanted a name and its limits"),
        ("max_p95: 1ms\nthresholds: [p95<2ms]", "the thresholds `p95<=1ms` and `p95<2ms` are about the same"),
        ("max_p95: &x 1ms\nmax_p99: *x", "line 2, column 10: references"),
        ("max_p95: *x", "line 1, column 10: "),
        ("a: [1, 2", "line "),
        ("- max_p95: 1ms", "line 1, column 1: wanted limits"),
        ("max_p95: 1ms\n---\nmax_p99: 1ms", "a second document"),
        ("max_p95: [[[[[[[[[[[1ms]]]]]]]]]]]", "nested too deeply"),
    ] {
        let said = Thresholds::parse_yaml(text).expect_err(text);
        assert!(said.contains(wanted), "{text}\n{said}");
    }
}

#[test]
fn what_cannot_be_measured_is_refused_beforehand() {
    let all = Thresholds::new(["cpu<80%", "recall>90%", "p95<1s"].map(threshold)).unwrap();
    assert!(all.check(true, true).is_ok());
    assert_eq!(all.check(false, true).unwrap_err(), "`cpu<80%` cannot be measured without --probe");
    assert_eq!(all.check(true, false).unwrap_err(), "`recall>90%` cannot be measured without --compare");
}

proptest! {
    #[test]
    fn no_file_is_too_odd(text in "[-a-z0-9:{}\\[\\],&*|>% \n\"'#]{0,60}") {
        if let Err(reason) = Thresholds::parse_yaml(&text) {
            prop_assert!(!reason.is_empty());
        }
    }
}
