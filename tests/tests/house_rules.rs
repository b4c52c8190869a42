//! The rules of the house: which crate may use which, where the clock lives, what no file may hold.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rehearsal_tests::root;

/// Crate → the crates of this workspace it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("trace", &[]),
    ("wire", &[]),
    ("stats", &[]),
    ("capture", &["trace", "wire", "stats"]),
    ("replay", &["trace", "wire", "stats"]),
    ("analysis", &["trace", "stats"]),
    ("testbed", &["wire", "stats"]),
    ("cli", &["trace", "wire", "stats", "capture", "replay", "analysis", "testbed"]),
];

/// The only files that may name the system's clock or sleep.
const CLOCKS: &[&str] = &["crates/replay/src/clock.rs", "crates/testbed/src/clock.rs"];

/// Words that mean the system's clock, or waiting by it.
const CLOCK_WORDS: &[&str] = &["Instant", "SystemTime", "thread::sleep", "tokio::time", "clock_gettime", "timerfd"];

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}

/// Lines of code with their place, without comments.
fn code_lines(file: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(file).unwrap();
    let name = file.strip_prefix(root()).unwrap().display().to_string();
    let code = |line: &str| line.split("//").next().unwrap_or("").to_owned();
    text.lines().enumerate().map(|(number, line)| (format!("{name}:{}", number + 1), code(line))).collect()
}

/// The crates of this workspace among the dependencies of a manifest, outside its development ones.
fn used_crates(manifest: &str) -> BTreeSet<String> {
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap_or("");
    let section = section.split("\n[").next().unwrap_or("");
    let name = |line: &str| line.split(['.', ' ', '=']).next().unwrap_or("").to_owned();
    section.lines().map(name).filter(|name| MAY_USE.iter().any(|(known, _)| known == name)).collect()
}

#[test]
fn crates_use_only_whom_they_may() {
    for (name, allowed) in MAY_USE {
        let manifest = std::fs::read_to_string(root().join("crates").join(name).join("Cargo.toml")).unwrap();
        let used = used_crates(&manifest);
        let allowed: BTreeSet<String> = allowed.iter().map(|&name| name.to_owned()).collect();
        let forbidden: Vec<_> = used.difference(&allowed).collect();
        assert!(forbidden.is_empty(), "{name} may not use {forbidden:?}");
    }
    let crates: BTreeSet<String> =
        std::fs::read_dir(root().join("crates")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    let known: BTreeSet<String> = MAY_USE.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(crates, known, "a crate without a rule");
}

/// Whether a line of code names `word` as a path of its own, or as a part of one.
fn names(line: &str, word: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        !before.is_some_and(part_of_name) && !after.is_some_and(part_of_name)
    })
}

#[test]
fn only_the_clocks_name_the_clock() {
    let mut broken = Vec::new();
    for file in rust_files(&root().join("crates")) {
        let name = file.strip_prefix(root()).unwrap().display().to_string();
        if CLOCKS.contains(&name.as_str()) || !name.contains("/src/") {
            continue;
        }
        for (place, line) in code_lines(&file) {
            broken.extend(CLOCK_WORDS.iter().filter(|word| names(&line, word)).map(|word| format!("{place}: {word}")));
        }
    }
    assert!(broken.is_empty(), "only {CLOCKS:?} may name the clock:\n{}", broken.join("\n"));
}

#[test]
fn nothing_is_left_unfinished() {
    let marks = [concat!("to", "do!("), concat!("unimple", "mented!("), concat!("FIX", "ME"), concat!("TO", "DO")];
    let mut broken = Vec::new();
    for folder in ["crates", "tests"] {
        for file in rust_files(&root().join(folder)) {
            let text = std::fs::read_to_string(&file).unwrap();
            broken.extend(marks.iter().filter(|mark| text.contains(**mark)).map(|mark| format!("{}: {mark}", file.display())));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn polars_stays_in_analysis() {
    for (name, _) in MAY_USE.iter().filter(|(name, _)| *name != "analysis") {
        let manifest = std::fs::read_to_string(root().join("crates").join(name).join("Cargo.toml")).unwrap();
        assert!(!manifest.lines().any(|line| line.starts_with("polars")), "{name} may not use polars");
    }
}
