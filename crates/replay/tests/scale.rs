//! Scaling: closed forms, a published trace, and that no session is ever cut.

#![expect(clippy::print_stdout, reason = "a skipped test says so by name")]

mod support;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use replay::scale::{ScaleOptions, Scaled, scale};
use stats::Rng;
use support::{arrivals, figures, meta, of, read, row, setup, swinging, write, write_arrivals};
use tempfile::TempDir;
use trace::{Exchange, Flag, TraceMeta, Txn};

/// A folder, and a trace in it.
struct Case {
    dir: TempDir,
    input: PathBuf,
}

impl Case {
    fn new(rows: impl IntoIterator<Item = Exchange>) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let input = write(&dir.path().join("in.parquet"), rows, TraceMeta::default());
        Self { dir, input }
    }

    fn arrivals(arrivals_ns: &[i64]) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let input = write_arrivals(&dir.path().join("in.parquet"), arrivals_ns);
        Self { dir, input }
    }

    fn options(&self, method: &str, factor: f64) -> ScaleOptions {
        let (input, output) = (self.input.clone(), self.dir.path().join("out.parquet"));
        ScaleOptions { input, output, factor, method: Some(method.to_owned()), ..ScaleOptions::default() }
    }

    fn scale(&self, options: &ScaleOptions) -> Scaled {
        scale(options, |_| ()).expect("scaled")
    }

    fn out(&self) -> PathBuf {
        self.dir.path().join("out.parquet")
    }
}

fn near(what: &str, found: Option<f64>, expected: Option<f64>, tolerance: f64) {
    let (found, expected) = (found.expect(what), expected.expect(what));
    assert!((found / expected - 1.0).abs() <= tolerance, "{what}: {found} instead of {expected}");
}

/// Poisson arrivals at 20/s.
fn poisson(seed: u64, count: usize) -> Vec<i64> {
    let mut rng = Rng::stream(seed, "poisson");
    (0..count)
        .scan(0, |at_ns, _| {
            *at_ns += (rng.exponential() * 5e7) as i64;
            Some(*at_ns)
        })
        .collect()
}

/// Counts in whole windows, and their index of dispersion, the plain way.
fn dispersion(arrivals_ns: &[i64], window_ns: i64) -> f64 {
    let whole = (arrivals_ns[arrivals_ns.len() - 1] - arrivals_ns[0]) / window_ns;
    let mut counts = vec![0.0; whole as usize];
    for at_ns in arrivals_ns {
        let window = (at_ns - arrivals_ns[0]) / window_ns;
        if window < whole {
            counts[window as usize] += 1.0;
        }
    }
    let mean = counts.iter().sum::<f64>() / whole as f64;
    counts.iter().map(|count| (count - mean) * (count - mean)).sum::<f64>() / whole as f64 / mean
}

/// Each of N arrivals f times: counts fN have the variance f²·Var N, so I → f·I; and the gaps have the SCV f(SCV + 1) − 1, with a
/// mass of 1 − 1/f at 0.
#[test]
fn duplication_is_exact() {
    let once = swinging(1, 400.0, 100.0);
    let case = Case::arrivals(&once);
    let scaled = case.scale(&case.options("replicate", 4.0));
    let four: Vec<i64> = once.iter().flat_map(|at_ns| [at_ns - once[0]; 4]).collect();
    assert_eq!(arrivals(&case.out()), four);
    let (before, after) = (&scaled.before.traffic, &scaled.outputs[0].figures.traffic);
    for i in [0, 1, 2] {
        near("dispersion", after.windows[i].idc, before.windows[i].idc.map(|idc| 4.0 * idc), 1e-9);
        near("its law", scaled.expected.idc[i], before.windows[i].idc.map(|idc| 4.0 * idc), 1e-12);
        assert_eq!(after.windows[i].peak_to_mean, before.windows[i].peak_to_mean);
    }
    // Exact but for the ends: n gaps where there were n − 1.
    near("CV", after.iat_cv, before.iat_scv.map(|scv| (4.0 * (scv + 1.0) - 1.0).sqrt()), 1e-3);
    near("mass at 0", after.zero_gap_share, Some(0.75), 1e-3);
    // Every session four times, in order, each time over again.
    let rows = read(&case.out());
    assert!(rows.iter().enumerate().all(|(slot, row)| row.origin == (slot % once.len()) as u64));
    assert!(rows.iter().enumerate().all(|(slot, row)| row.copy == (slot / once.len()) as u32));
}

/// With a fraction q, each arrival is there ⌊f⌋ or ⌊f⌋ + 1 times: I → f·I + q(1 − q)/f.
#[test]
fn a_fractional_duplication_follows_its_law() {
    let case = Case::arrivals(&swinging(2, 600.0, 100.0));
    let scaled = case.scale(&case.options("replicate", 2.5));
    let after = &scaled.outputs[0].figures.traffic;
    near("rate", after.rate_per_s, scaled.expected.rate_per_s, 0.01);
    near("CV", after.iat_cv, scaled.expected.iat_cv, 0.01);
    (0..3).for_each(|i| near("dispersion", after.windows[i].idc, scaled.expected.idc[i], 0.03));
}

/// Instants t/f: a window w holds what a window f·w held, so I'(w) = I(f·w), gaps as they were. Instants are multiples of f, so that nothing is cut off.
#[test]
fn compression_is_exact() {
    let recorded: Vec<i64> = swinging(3, 800.0, 200.0).iter().map(|at_ns| at_ns / 4 * 4).collect();
    let case = Case::arrivals(&recorded);
    let scaled = case.scale(&case.options("compress", 4.0));
    let first = recorded[0];
    let found = arrivals(&case.out());
    assert_eq!(found, recorded.iter().map(|at_ns| (at_ns - first) / 4).collect::<Vec<_>>());
    let after = &scaled.outputs[0].figures.traffic;
    for (i, window_ns) in [(0, 100_000_000), (1, 1_000_000_000)] {
        near("dispersion", after.windows[i].idc, Some(dispersion(&recorded, 4 * window_ns)), 1e-9);
        assert_eq!(scaled.expected.idc[i], after.windows[i].idc);
    }
    near("CV", after.iat_cv, scaled.before.traffic.iat_cv, 1e-9);
    assert_eq!(after.span_ns, scaled.expected.span_ns);
}

/// Means over seeds of what a method makes of some arrivals: rate, I at 0.1, 1 and 10 s; and what its law promises.
fn over_seeds(case: &Case, options: &ScaleOptions, seeds: u64) -> ([f64; 4], [f64; 4]) {
    let (mut found, mut promised) = ([0.0; 4], [0.0; 4]);
    for seed in 0..seeds {
        let scaled = case.scale(&ScaleOptions { seed, ..options.clone() });
        let after = &scaled.outputs[0].figures.traffic;
        let idc = |i: usize| [after.windows[i].idc, scaled.expected.idc[i]].map(|idc| idc.expect("enough windows"));
        let pairs = [[after.rate_per_s, scaled.expected.rate_per_s].map(|rate| rate.expect("gaps")), idc(0), idc(1), idc(2)];
        for (i, [one, law]) in pairs.into_iter().enumerate() {
            found[i] += one / seeds as f64;
            promised[i] += law / seeds as f64;
        }
    }
    (found, promised)
}

#[test]
fn thinning_follows_its_law() {
    let recorded = swinging(4, 1050.0, 350.0);
    assert!(recorded.len() >= 20_000);
    let case = Case::arrivals(&recorded);
    let (found, law) = over_seeds(&case, &case.options("thin", 0.25), 4);
    (0..4).for_each(|i| near("thinning", Some(found[i]), Some(law[i]), 0.05));
}

/// Copies shifted by more than the time between requests and less than that in which the rate changes are f independent processes
/// under one rate: I → 1 + f(I − 1).
#[test]
fn overlap_follows_the_law_of_more_users() {
    let recorded = swinging(5, 1050.0, 350.0);
    assert!(recorded.len() >= 20_000);
    let case = Case::arrivals(&recorded);
    let options = ScaleOptions { shift: Some(Duration::from_secs(10)), ..case.options("overlap", 3.0) };
    let (found, law) = over_seeds(&case, &options, 3);
    (0..4).for_each(|i| near("overlap", Some(found[i]), Some(law[i]), 0.05));
}

#[test]
fn thinning_undoes_overlap() {
    let recorded = swinging(6, 1050.0, 350.0);
    let case = Case::arrivals(&recorded);
    let up = ScaleOptions { shift: Some(Duration::from_secs(10)), ..case.options("overlap", 4.0) };
    case.scale(&up);
    let again = ScaleOptions { input: case.out(), output: case.dir.path().join("again.parquet"), ..case.options("thin", 0.25) };
    let scaled = case.scale(&again);
    let (there, back) = (figures(&recorded), &scaled.outputs[0].figures.traffic);
    near("rate", back.rate_per_s, there.rate_per_s, 0.03);
    near("dispersion at 10 s", back.windows[2].idc, there.windows[2].idc, 0.15);
}

/// Halving twice leaves a quarter, though the seed is the same.
#[test]
fn steps_draw_independently() {
    let case = Case::arrivals(&poisson(7, 20_000));
    case.scale(&case.options("thin", 0.5));
    let again = ScaleOptions { input: case.out(), output: case.dir.path().join("again.parquet"), ..case.options("thin", 0.5) };
    let left = case.scale(&again).outputs[0].figures.traffic.count as f64;
    // Four standard deviations of a binomial count.
    assert!((left - 5000.0).abs() < 4.0 * (20_000.0 * 0.25 * 0.75_f64).sqrt(), "{left}");
}

/// The arrivals of the Azure conversation trace of 2023 as a trace of single requests; `None`, said by name, without the corpus.
fn azure(test: &str) -> Option<Case> {
    let Some(corpus) = std::env::var_os("REHEARSAL_CORPUS") else {
        println!("skipped: {test} (REHEARSAL_CORPUS is not set)");
        return None;
    };
    let path = Path::new(&corpus).join("traces/azure_llm_conv_2023.csv");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let at_ns = |line: &str| {
        let number = |range: std::ops::Range<usize>| line[range].parse::<i64>().expect("digits");
        ((number(11..13) * 60 + number(14..16)) * 60 + number(17..19)) * 1_000_000_000 + number(20..27) * 100
    };
    Some(Case::arrivals(&text.lines().skip(1).map(at_ns).collect::<Vec<_>>()))
}

/// Each request four times, against NumPy's figures.
#[test]
fn azure_duplicated() {
    let Some(case) = azure("azure_duplicated") else { return };
    let scaled = case.scale(&case.options("replicate", 4.0));
    let after = &scaled.outputs[0].figures.traffic;
    assert_eq!(after.count, 4 * 19_366);
    assert!((after.iat_cv.expect("gaps") - 2.7909).abs() < 5e-5, "{:?}", after.iat_cv);
    assert!((after.memory.expect("gaps") - -0.128).abs() < 5e-4, "{:?}", after.memory);
    for (i, expected) in [(0, 4.24), (1, 5.54), (2, 15.4), (3, 64.5)] {
        near("dispersion", after.windows[i].idc, Some(expected), 0.004);
    }
    near("peak to mean", after.windows[2].peak_to_mean, Some(1.77), 0.003);
}

/// The published mode keeps the number of requests and so covers a quarter of the time: 992 s in §1.2.
#[test]
fn azure_as_published() {
    let Some(case) = azure("azure_as_published") else { return };
    let scaled = case.scale(&ScaleOptions { paper_exact: true, ..case.options("replicate", 4.0) });
    let after = &scaled.outputs[0].figures.traffic;
    assert_eq!((after.count, (after.span_ns as f64 / 1e9).round() as i64), (19_366, 992));
    near("CV", after.iat_cv, Some(2.745), 2e-4);
    for (i, expected) in [(0, 4.19), (1, 4.59), (2, 6.73)] {
        near("dispersion", after.windows[i].idc, Some(expected), 0.002);
    }
}

#[test]
fn azure_compressed() {
    let Some(case) = azure("azure_compressed") else { return };
    let scaled = case.scale(&case.options("compress", 4.0));
    let after = &scaled.outputs[0].figures.traffic;
    near("CV", after.iat_cv, Some(1.094_169_982), 1e-6);
    for (i, expected) in [(0, 1.16), (1, 2.23), (2, 11.4)] {
        near("dispersion", after.windows[i].idc, Some(expected), 0.005);
    }
}

/// The overlap row of the table in §1.2 is one draw of the shifts. It lies within three standard deviations of the mean of ours, and that
/// within 20 % of it. The deviations are those of 20 draws (1.17 ± 0.11, 2.25 ± 0.18, 12.8 ± 0.7, 63.6 ± 1.0): four draws say too little of
/// their own, and which four they are depends on the bytes of the trace's file.
#[test]
fn azure_overlapped() {
    const DRAWS: u64 = 4;
    let Some(case) = azure("azure_overlapped") else { return };
    let draws: Vec<[f64; 4]> = (0..DRAWS)
        .map(|seed| {
            let scaled = case.scale(&ScaleOptions { seed, ..case.options("overlap", 4.0) });
            scaled.outputs[0].figures.traffic.windows.map(|window| window.idc.expect("enough windows"))
        })
        .collect();
    for (i, (expected, deviation)) in [(1.14, 0.11), (2.13, 0.18), (12.2, 0.7), (62.3, 1.0)].into_iter().enumerate() {
        let mean = draws.iter().map(|draw| draw[i]).sum::<f64>() / DRAWS as f64;
        assert!((expected - mean).abs() <= 3.0 * deviation, "window {i}: {mean} ± {deviation}, not {expected}");
        near("mean of the draws", Some(mean), Some(expected), 0.2);
    }
}

/// TraceSplitter's servers: each gets p of the sessions, X too; without X each session goes to exactly one.
#[test]
fn splits_deal_out_shares() {
    let case = Case::arrivals(&poisson(8, 8000));
    for method in ["split-rr", "split-rrr", "split-lwl"] {
        let scaled = case.scale(&case.options(method, 0.25));
        let names: Vec<_> =
            scaled.outputs.iter().map(|out| out.path.file_name().expect("named").to_string_lossy().into_owned()).collect();
        assert_eq!(names, ["out-1.parquet", "out-2.parquet", "out-3.parquet", "out-4.parquet"]);
        let mut origins: Vec<u64> = scaled.outputs.iter().flat_map(|out| read(&out.path)).map(|row| row.origin).collect();
        origins.sort_unstable();
        assert!(origins.into_iter().eq(0..8000), "{method}");
        assert!(scaled.outputs.iter().all(|out| out.figures.traffic.count == 2000), "{method}");

        let scaled = case.scale(&case.options(method, 0.3));
        assert_eq!((scaled.outputs.len(), scaled.outputs[3].path.ends_with("out-x.parquet")), (4, true));
        for out in &scaled.outputs {
            let share = out.figures.traffic.count as f64 / 8000.0;
            assert!((share - 0.3).abs() < 4.0 * (0.3 * 0.7 / 8000.0_f64).sqrt(), "{method} {}: {share}", out.path.display());
        }
    }
}

/// Every fourth of Poisson arrivals: gaps are Erlang-4, SCV 1/4; every fourth at random in rounds has more.
#[test]
fn dealing_in_turn_makes_erlang_gaps() {
    let case = Case::arrivals(&poisson(9, 16_000));
    let scv = |method: &str| {
        let scaled = case.scale(&case.options(method, 0.25));
        scaled.outputs.iter().map(|out| out.figures.traffic.iat_scv.expect("gaps")).sum::<f64>() / 4.0
    };
    near("split-rr", Some(scv("split-rr")), Some(0.25), 0.05);
    assert!(scv("split-rrr") > 0.35);
}

#[test]
fn least_work_levels_bytes() {
    let heavy = |i: u64| Exchange { request_bytes: (i * 7919) % 1000 + 1, ..row(i as i64 * 1000, i, 0) };
    let case = Case::new((0..3000).map(heavy));
    let scaled = case.scale(&case.options("split-lwl", 0.25));
    let bytes: Vec<u64> = scaled.outputs.iter().map(|out| read(&out.path).iter().map(|row| row.request_bytes).sum()).collect();
    let spread = bytes.iter().max().expect("four") - bytes.iter().min().expect("four");
    assert!(spread <= 1000, "{bytes:?}");
}

/// Sessions of a collection and a `setup` row each; one that uses both.
fn two_collections() -> Vec<Exchange> {
    let mut rows = Vec::new();
    for session in 0..60 {
        let start_ns = session as i64 * 1_000_000_000;
        let name = if session % 2 == 0 { "docs" } else { "code" };
        rows.push(setup(row(start_ns, session, 0)));
        rows.extend((1..4).map(|seq| of(name, row(start_ns + i64::from(seq) * 1000, session, seq))));
    }
    rows.push(setup(row(500, 99, 0)));
    rows.push(of("docs", row(600, 99, 1)));
    rows.push(of("code", row(700, 99, 2)));
    rows
}

#[test]
fn collections_have_factors_of_their_own() {
    let case = Case::new(two_collections());
    let asked = vec![("docs".to_owned(), 3.0), ("code".to_owned(), 0.0)];
    let scaled = case.scale(&ScaleOptions { collections: asked, ..case.options("overlap", 1.0) });
    let rows = read(&case.out());
    let count = |wanted: &dyn Fn(&Exchange) -> bool| rows.iter().filter(|row| wanted(row)).count();
    assert_eq!((count(&|row| row.collection == "docs"), count(&|row| row.collection == "code")), (3 * 91, 0));
    // The setup rows of the sessions with docs, in each of their copies; none of the others.
    assert_eq!(count(&|row| row.flags.has(Flag::Setup)), 3 * 31);
    assert_eq!((scaled.outputs[0].figures.sessions, scaled.outputs[0].figures.sessions_broken), (3 * 31, 0));
    assert!(scaled.warnings.iter().any(|warning| warning.starts_with("1 sessions address")), "{:?}", scaled.warnings);
    assert!((scaled.factor - (3.0 * 91.0 + 3.0 * 31.0) / 243.0).abs() < 1e-12);
}

/// Numbers up to the last one, where there is room for no copy.
#[test]
fn session_numbers_may_be_any() {
    let case = Case::new([row(0, u64::MAX, 0), row(5, 3, 0), row(9, u64::MAX, 1)]);
    let scaled = case.scale(&case.options("compress", 2.0));
    assert_eq!((scaled.outputs[0].figures.sessions, scaled.outputs[0].figures.sessions_broken), (2, 0));
    for (method, factor) in [("overlap", 2.0), ("replicate", 1.5), ("split-rr", 0.6)] {
        let said = scale(&case.options(method, factor), |_| ()).expect_err("no numbers left").to_string();
        assert_eq!(said, "copies need session numbers after 18446744073709551615, which a number cannot hold");
    }
}

#[test]
fn a_split_never_writes_over_its_input() {
    let case = Case::arrivals(&[0, 1, 2]);
    let input = case.dir.path().join("out-1.parquet");
    std::fs::rename(&case.input, &input).expect("renamed");
    let options = ScaleOptions { input, ..case.options("split-rr", 0.5) };
    let said = scale(&options, |_| ()).expect_err("out-1 is the input").to_string();
    assert!(said.contains("out-1.parquet is also the input"), "{said}");
}

#[test]
fn a_copied_unit_of_work_is_another_one() {
    let work = |seq| Exchange { txn: Some(Txn { name: "buy".into(), id: "7".into() }), ..row(i64::from(seq), 5, seq) };
    let case = Case::new([work(0), work(1)]);
    case.scale(&case.options("overlap", 3.0));
    let ids: BTreeMap<u32, String> =
        read(&case.out()).iter().map(|row| (row.copy, row.txn.as_ref().expect("kept").id.to_string())).collect();
    assert_eq!(ids, [(0, "7".to_owned()), (1, "7#1".to_owned()), (2, "7#2".to_owned())].into());
}

#[test]
fn the_footer_says_what_was_done() {
    let case = Case::arrivals(&poisson(1, 100));
    case.scale(&ScaleOptions { seed: 5, ..case.options("overlap", 2.0) });
    let step = meta(&case.out()).origin.expect("said")["steps"][0]["scale"].clone();
    assert_eq!((&step["method"], &step["factor"], &step["seed"]), (&"overlap".into(), &2.0.into(), &5.into()));
    let bytes = std::fs::read(&case.input).expect("there");
    assert_eq!(step["inputs"][0]["hash"], format!("{:032x}", xxhash_rust::xxh3::xxh3_128(&bytes)));
    assert_eq!(step["before"]["count"], 100);
}

#[test]
fn repeated_requests_are_counted() {
    let case = Case::arrivals(&poisson(1, 100));
    let scaled = case.scale(&case.options("overlap", 4.0));
    assert_eq!((scaled.before.repeated_share, scaled.outputs[0].figures.repeated_share), (Some(0.0), Some(0.75)));
}

#[test]
fn what_cannot_be_is_refused_in_one_sentence() {
    let case = Case::new(two_collections());
    let plain = |method, factor| case.options(method, factor);
    let named = |name: &str, factor| vec![(name.to_owned(), factor)];
    let cases = [
        (plain("overlap", 0.0), "--factor: overlap takes factors above 0, up to 10000, not 0"),
        (plain("thin", 2.0), "--factor: thin takes factors above 0, up to 1, not 2"),
        (plain("replicate", 0.5), "--factor: replicate takes factors from 1 to 10000, not 0.5"),
        (plain("split-rr", 0.01), "from 0.015625 to 1, not 0.01"),
        (plain("overlap", f64::NAN), "not NaN"),
        (plain("overlpa", 2.0), "unknown method `overlpa`, did you mean `overlap`?"),
        (
            ScaleOptions { collections: named("doc", 2.0), ..plain("overlap", 1.0) },
            "(did you mean `docs`?); collections of the trace: code, docs",
        ),
        (ScaleOptions { collections: named("docs", -1.0), ..plain("overlap", 1.0) }, "not docs=-1"),
        (ScaleOptions { collections: named("docs", 2.0), ..plain("compress", 2.0) }, "one factor for all"),
        (ScaleOptions { shift: Some(Duration::ZERO), ..plain("thin", 0.5) }, "only overlap does"),
        (ScaleOptions { paper_exact: true, ..plain("overlap", 2.0) }, "only replicate and compress have"),
        (ScaleOptions { output: case.input.clone(), ..plain("overlap", 2.0) }, "is also the input"),
    ];
    for (options, wanted) in cases {
        let said = scale(&options, |_| ()).expect_err(wanted).to_string();
        assert!(said.contains(wanted) && !said.contains('\n'), "{said}");
    }
    let empty = Case::new([]);
    let said = scale(&empty.options("overlap", 2.0), |_| ()).expect_err("nothing in it").to_string();
    assert!(said.ends_with("holds no requests, so there is nothing to scale"), "{said}");
    for folder in [case.dir.path(), empty.dir.path()] {
        assert_eq!(std::fs::read_dir(folder).expect("a folder").count(), 1, "something was left behind");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let case = Case::new(two_collections());
    let bytes = |options: &ScaleOptions| {
        let scaled = case.scale(options);
        scaled.outputs.iter().map(|out| std::fs::read(&out.path).expect("written")).collect::<Vec<_>>()
    };
    for (method, factor) in [("overlap", 2.5), ("replicate", 2.5), ("thin", 0.5), ("split-rrr", 0.4), ("split-lwl", 0.4)] {
        let options = case.options(method, factor);
        let first = bytes(&options);
        assert!(first == bytes(&options), "{method} differs from itself");
        assert!(first != bytes(&ScaleOptions { seed: 2, ..options }), "{method}: the seed makes no difference");
    }
}

/// Sessions of a few requests, the first of some a `setup` row, at instants up to a minute.
fn sessions() -> impl Strategy<Value = Vec<Exchange>> {
    let session = (0_i64..60_000_000_000, prop::collection::vec(0_i64..5_000_000_000, 0..5), any::<bool>(), 0_u64..50);
    prop::collection::vec(session, 1..12).prop_map(|sessions| {
        let mut rows = Vec::new();
        for (number, (start_ns, gaps_ns, with_setup, stride)) in (0..).zip(sessions) {
            let (number, mut at_ns) = (number * 50 + stride, start_ns);
            let first = row(at_ns, number, 0);
            rows.push(if with_setup { setup(first) } else { first });
            for (seq, gap_ns) in (1..).zip(gaps_ns) {
                at_ns += gap_ns;
                rows.push(row(at_ns, number, seq));
            }
        }
        rows
    })
}

/// The rows of each session: their ids and when they come after its first.
fn by_session(rows: &[Exchange], id: fn(&Exchange) -> u64) -> HashMap<u64, Vec<(u64, i64)>> {
    let mut sessions: HashMap<u64, Vec<(u64, i64)>> = HashMap::new();
    let mut starts = HashMap::new();
    for row in rows {
        let start = *starts.entry(row.session).or_insert(row.at);
        sessions.entry(row.session).or_default().push((id(row), row.at - start));
    }
    sessions
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    /// Every session that comes out is one that went in, whole, with the same gaps, `setup` rows and all; copies have numbers of their own.
    #[test]
    fn no_session_is_ever_cut(rows in sessions(), which in 0_usize..7, share in 0.02_f64..1.0, times in 1.0_f64..6.0, seed in 0_u64..1000) {
        let (method, up) = [
            ("overlap", true), ("replicate", true), ("compress", true), ("thin", false), ("split-rr", false), ("split-rrr", false),
            ("split-lwl", false),
        ][which];
        let case = Case::new(rows);
        let options = ScaleOptions { seed, ..case.options(method, if up { times } else { share }) };
        let recorded = by_session(&read(&case.input), |row| row.id);
        let whole: Vec<&Vec<(u64, i64)>> = recorded.values().collect();
        let span_ns = meta(&case.input).span_ns;
        for output in case.scale(&options).outputs {
            prop_assert_eq!(output.figures.sessions_broken, 0);
            let rows = read(&output.path);
            for (number, session) in by_session(&rows, |row| row.origin) {
                prop_assert!(whole.contains(&&session), "session {number} came out as {session:?}");
                let copies: Vec<u32> = rows.iter().filter(|row| row.session == number).map(|row| row.copy).collect();
                prop_assert!(copies.iter().all(|copy| *copy == copies[0]) && (copies[0] == 0) == recorded.contains_key(&number));
            }
            let span_kept = method != "replicate" && (up || method.starts_with("split") || method == "thin");
            prop_assert!(!span_kept || output.figures.traffic.span_ns <= span_ns);
        }
    }

    /// Times one is the trace itself.
    #[test]
    fn a_factor_of_one_changes_nothing(rows in sessions(), which in 0_usize..7, seed in 0_u64..1000) {
        let method = ["overlap", "replicate", "compress", "thin", "split-rr", "split-rrr", "split-lwl"][which];
        let case = Case::new(rows);
        let scaled = case.scale(&ScaleOptions { seed, ..case.options(method, 1.0) });
        prop_assert_eq!(scaled.outputs.len(), 1);
        prop_assert_eq!(read(&scaled.outputs[0].path), read(&case.input));
    }
}
