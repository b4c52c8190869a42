//! A trace, a model of its arrivals, and traces of that model, typed as a user would.

use std::path::Path;

use rehearsal_tests::{run, text};
use serde_json::Value;

fn json(words: &[&str]) -> Value {
    serde_json::from_str(&run(&[words, &["--json"]].concat()).expect_code(0).out).expect("JSON")
}

/// Ten minutes at 20 a second in spells of some 50 s.
fn spells(trace: &Path) {
    let arrivals = "mmpp2:idc=40,r=0.001,q=0.2";
    let words = ["synth", "-o", text(trace), "--rate", "20", "--duration", "10m", "--dim", "2", "--arrivals", arrivals];
    let _ = run(&words).expect_code(0);
}

#[test]
fn a_model_brings_the_bursts_back() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let [trace, model, same, more] = ["t.parquet", "m.json", "same.parquet", "more.parquet"].map(|name| dir.path().join(name));
    spells(&trace);
    let said = run(&["fit", text(&trace), "-o", text(&model), "--by", "none"]).expect_code(0).out;
    for wanted in [
        "recorded   generated       apart     at most",
        "gaps, W1 / mean",
        "dispersion, 1 s",
        "by AIC: ",
        "fitted as one: counted every 1 s",
        "accepted; next: rehearsal synth",
    ] {
        assert!(said.contains(wanted), "{wanted:?} is missing:\n{said}");
    }
    let _ = run(&["synth", "-o", text(&same), "--model", text(&model)]).expect_code(0);
    let words = ["synth", "-o", text(&more), "--model", text(&model), "--rate", "60", "--duration", "20m"];
    let _ = run(&words).expect_code(0);
    let [recorded, same, more] = [&trace, &same, &more].map(|path| json(&["inspect", text(path)]));
    let number = |figures: &Value, at: &str| figures["traffic"].pointer(at).and_then(Value::as_f64).expect(at);
    let ratio = |a: &Value, at: &str| number(a, at) / number(&recorded, at);
    assert!((ratio(&same, "/count") - 1.0).abs() < 1e-3 && (ratio(&same, "/windows/2/idc") - 1.0).abs() < 0.1, "{same}");
    // Thrice the rate: thrice the dispersion where the curve makes it; the same curve twice.
    let expected = 60.0 * 1200.0;
    assert!((number(&more, "/count") / expected - 1.0).abs() < 0.01, "{more}");
    assert!((ratio(&more, "/windows/2/idc") / 3.0 - 1.0).abs() < 0.15, "{more}");
    // The content is the recorded one, each request as often as the others: six times in six times as many.
    for collection in recorded["collections"].as_array().expect("a list") {
        let of = |figures: &Value| {
            let list = figures["collections"].as_array().expect("a list").clone();
            let found = list.into_iter().find(|one| one["name"] == collection["name"]).expect("every collection comes");
            found["count"].as_f64().expect("a count")
        };
        assert!((of(&more) / of(&recorded) / 6.0 - 1.0).abs() < 0.1, "{collection}");
    }
}

/// Kinds, a seed, and ways to go on, as a user would type them; a model may be told to draw other content.
#[test]
fn content_and_course_can_be_chosen() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let [trace, model, more] = ["t.parquet", "m.json", "more.parquet"].map(|name| dir.path().join(name));
    spells(&trace);
    let fitted: Value =
        serde_json::from_str(&run(&["fit", text(&trace), "-o", text(&model), "--by", "operation", "--json"]).out).expect("JSON");
    assert_eq!((&fitted["by"], fitted["kinds"].as_array().map(Vec::len)), (&Value::from("operation"), Some(2)));
    let synth = |words: &[&str]| run(&[&["synth", "-o", text(&more)], words].concat());
    let words = ["--model", text(&model), "--longer", "bootstrap", "--duration", "20m"];
    let _ = synth(&words).expect_code(0);
    let first = std::fs::read(&more).expect("written");
    let _ = synth(&words).expect_code(0);
    assert!(first == std::fs::read(&more).expect("written"), "the same seed gives the same bytes");
    let _ = synth(&["--content", text(&trace), "--arrivals", "h2", "--requests", "50"]).expect_code(0);
    let _ = synth(&["--model", text(&model), "--content", "synthetic", "--dim", "3", "--requests", "50"]).expect_code(0);
    let waves = ["--diurnal", "50%@14h,20%@3h", "--dim", "2", "--requests", "50"];
    let _ = synth(&waves).expect_code(0);

    let refused = |words: &[&str]| synth(words).expect_code(2).err;
    assert!(refused(&["--model", text(&model), "--dim", "3"]).contains("--dim shapes synthetic content"));
    assert!(refused(&["--model", text(&model), "--longer", "daily"]).contains("no course of the day"));
    assert!(refused(&["--model", text(&model), "--longer", "bootstap"]).contains("bootstrap"));
    assert!(refused(&["--content", "nowhere.parquet"]).contains("there is no trace nowhere.parquet"));
    assert!(refused(&["--diurnal", "50%@14x"]).contains("no unit of time"));
    assert!(refused(&["--diurnal", "a lot"]).contains("no wave"));
    std::fs::remove_file(&trace).expect("it is there");
    assert!(refused(&["--model", text(&model)]).contains("name one with --content"));
}

/// Spells of a second within stretches of ten are beyond the model: that is a finding, and the file is still there to look at.
#[test]
fn a_model_that_misses_is_a_finding() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let [trace, model] = ["t.parquet", "m.json"].map(|name| dir.path().join(name));
    let arrivals = "mmpp2:idc=15,r=0.1,q=0.2";
    let words = ["synth", "-o", text(&trace), "--rate", "5", "--duration", "20m", "--dim", "2", "--arrivals", arrivals];
    let _ = run(&words).expect_code(0);
    let said = run(&["fit", text(&trace), "-o", text(&model)]).expect_code(1).out;
    assert!(said.contains("not accepted") && model.exists(), "{said}");
}

#[test]
fn mistakes_are_named() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let trace = dir.path().join("t.parquet");
    let refused = |words: &[&str]| run(&[&["synth", "-o", text(&trace)], words].concat()).expect_code(2).err;
    assert!(refused(&["--arrivals", "hawks"]).contains("unknown arrival model `hawks`, did you mean `hawkes`?"));
    assert!(refused(&["--arrivals", "onoff-pareto:hh=1"]).contains("unknown parameter `hh`, did you mean `h`?"));
    assert!(refused(&["--model", "no.json"]).contains("cannot read no.json"));
    assert!(refused(&["--model", "no.json", "--arrivals", "poisson"]).contains("cannot be used with"));
    assert!(refused(&["--day", "1h"]).contains("--diurnal"));
    std::fs::write(dir.path().join("m.json"), "{}").expect("written");
    assert!(refused(&["--model", text(&dir.path().join("m.json"))]).contains("is no model file"));
    assert!(!trace.exists());
}
