//! A trace, a model of its arrivals, and traces of that model, typed as a user would.

use std::path::Path;

use rehearsal_tests::run;
use serde_json::Value;

fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}

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
    let said = run(&["fit", text(&trace), "-o", text(&model)]).expect_code(0).out;
    for wanted in
        ["recorded   generated       apart     at most", "gaps, W1 / mean", "dispersion, 1 s", "accepted; next: rehearsal synth"]
    {
        assert!(said.contains(wanted), "{wanted:?} is missing:\n{said}");
    }
    let _ = run(&["synth", "-o", text(&same), "--model", text(&model), "--dim", "2"]).expect_code(0);
    let words = ["synth", "-o", text(&more), "--model", text(&model), "--dim", "2", "--rate", "60", "--duration", "20m"];
    let _ = run(&words).expect_code(0);
    let figures = |path: &Path| json(&["inspect", text(path)])["traffic"].clone();
    let (recorded, same, more) = (figures(&trace), figures(&same), figures(&more));
    let number = |figures: &Value, at: &str| figures.pointer(at).and_then(Value::as_f64).expect(at);
    let ratio = |a: &Value, at: &str| number(a, at) / number(&recorded, at);
    assert!((ratio(&same, "/count") - 1.0).abs() < 1e-3 && (ratio(&same, "/windows/2/idc") - 1.0).abs() < 0.1, "{same}");
    // Thrice the rate: thrice the dispersion where the curve makes it; the same curve twice.
    let expected = 60.0 * 1200.0;
    assert!((number(&more, "/count") / expected - 1.0).abs() < 0.01, "{more}");
    assert!((ratio(&more, "/windows/2/idc") / 3.0 - 1.0).abs() < 0.15, "{more}");
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
