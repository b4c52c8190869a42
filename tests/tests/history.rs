//! `history` on tables of results, against the change points that Apache Otava's tests have for them.

use std::path::Path;

use rehearsal_tests::{corpus, run, text};
use serde_json::Value;

/// A table of these values, one a day.
fn table(dir: &Path, values: &[f64]) -> std::path::PathBuf {
    let path = dir.join("results.csv");
    let lines: String = values.iter().enumerate().map(|(day, value)| format!("2026-01-{:02};{value}\n", day + 1)).collect();
    std::fs::write(&path, format!("time;\"a figure\"\n{lines}")).expect("room on the disk");
    path
}

/// Places of the changes that `history --otava-compat` finds with these words more.
fn otava(values: &[f64], more: &[&str]) -> Vec<u64> {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = table(dir.path(), values);
    let words = [&["history", text(&path), "--otava-compat", "--json"], more].concat();
    let said: Value = serde_json::from_str(&run(&words).expect_done().out).expect("JSON");
    let changes = said["lines"][0]["trends"][0]["changes"].as_array().expect("a list").clone();
    changes.iter().map(|change| change["point"].as_u64().expect("a place")).collect()
}

/// tests/change_point_divisive_test.py, analysis_test.py and series_test.py.
#[test]
fn tables_change_where_otava_sees_them_change() {
    let three = [0.3, 2.4, 1.5, -0.9, -0.5, 99.7, 98.3, 99.1, 149.0, 149.7, 149.5, 149.1, 148.8, 150.0];
    assert_eq!(otava(&three, &["--p-max", "0.01"]), [5, 8]);
    let half =
        [1.02, 0.95, 0.99, 1.0, 1.12, 1.0, 1.01, 0.98, 1.01, 0.96, 0.5, 0.51, 0.48, 0.48, 0.55, 0.5, 0.49, 0.51, 0.5, 0.49];
    assert_eq!(otava(&half, &["--window", "10", "--p-max", "0.0001"]), [10]);
    let small = [2.02, 2.03, 2.01, 2.04, 1.82, 1.85, 1.79, 1.81, 1.80, 1.76, 1.78];
    assert_eq!(otava(&small, &[]), [4]);
    assert_eq!(otava(&small, &["--magnitude", "20%"]), [0; 0]);
}

/// docs/CSV.md of Otava: −12.9 % with the seventh commit in one figure, nothing in the other, whatever stands between the fields.
#[test]
fn otavas_own_tables_are_read() {
    let Some(corpus) = corpus() else { return };
    for (file, year) in [("otava_sample.csv", 2024), ("otava_sample-semicolons.csv", 2021)] {
        let path = corpus.join("results").join(file);
        let said = run(&["history", text(&path), "--otava-compat"]).expect_code(0).out;
        assert!(said.contains(&format!("{year}.01.07 3:00:00 +0100 (aaa6)")) && said.contains("−12.9 %"), "{said}");
        assert!(said.contains("No change of metric1."), "{said}");
    }
}

#[test]
fn a_change_for_the_worse_is_exit_code_1_and_a_page() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let values: Vec<f64> = (0..24).map(|i| if i < 18 { 100.0 } else { 130.0 } + f64::from(i * 7 % 5)).collect();
    let path = table(dir.path(), &values);
    let out = dir.path().join("page");
    let said = run(&["history", text(&path), "-o", text(&out)]).expect_code(1).out;
    assert!(said.starts_with("WORSE: a figure has been 132") && said.contains("since 2026-01-19"), "{said}");
    assert!(out.join("history.html").exists() && out.join("charts/history-1-1.png").exists());
    let _ = run(&["history", text(&path), "--higher-is-better"]).expect_code(0);
    let _ = run(&["history", text(&path), "--recent", "5"]).expect_code(0);
}

#[test]
fn what_is_no_history_is_said_in_a_sentence() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let refused = |words: &[&str], sentence: &[&str]| run(&[&["history"], words].concat()).expect_sentence(2, sentence);
    refused(&[text(dir.path())], &["no whole run"]);
    refused(&[text(&dir.path().join("nowhere"))], &["nowhere", "No such file"]);
    let path = table(dir.path(), &[1.0, 2.0]);
    refused(&[text(&path), "--figure", "a figur"], &["--figure", "did you mean `a figure`?"]);
    refused(&[text(&path), "--time", "tim"], &["--time", "did you mean `time`?"]);
    std::fs::write(&path, "no table\n").expect("room on the disk");
    refused(&[text(&path)], &["no table with headings and lines"]);
}
