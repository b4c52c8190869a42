//! What the pages promise is there: every option and every verb they name is one of the tool's.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rehearsal_tests::{root, run};

/// Options of other programs that the pages name.
const OF_OTHERS: [&str; 6] = ["--release", "--bench", "--example", "--ignored", "--inplace", "--test"];

/// The pages for users: at the root, in `docs`, beside the crates, and the notebooks.
fn pages() -> Vec<PathBuf> {
    let files =
        |folder: &str| std::fs::read_dir(root().join(folder)).expect("a folder").map(|entry| entry.expect("an entry").path());
    let is_page = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md" || extension == "ipynb");
    ["", "docs", "notebooks", "crates/analysis"].iter().flat_map(|folder| files(folder)).filter(is_page).collect()
}

/// Words that begin with two dashes and a letter.
fn options(text: &str) -> BTreeSet<String> {
    let part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let word = |(start, _): (usize, &str)| {
        let alone = !text[..start].ends_with(|c: char| c.is_alphanumeric() || c == '-');
        let rest: String = text[start + 2..].chars().take_while(|c| part(*c)).collect();
        (alone && rest.starts_with(|c: char| c.is_ascii_lowercase())).then(|| format!("--{}", rest.trim_end_matches('-')))
    };
    text.match_indices("--").filter_map(word).collect()
}

/// The verbs listed in a help text.
fn verbs(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let is_new = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    listed.filter(is_new).filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// The options of a verb and of those below it.
fn known(verb: &[&str], into: &mut BTreeSet<String>) {
    let help = run(&[verb, &["--help"]].concat()).expect_code(0).out;
    into.extend(options(&help));
    for below in verbs(&help).iter().filter(|below| *below != "help") {
        known(&[verb, &[below.as_str()]].concat(), into);
    }
}

#[test]
fn every_option_that_a_page_names_is_there() {
    let mut known_options = OF_OTHERS.map(str::to_owned).into();
    known(&[], &mut known_options);
    let mut missing = Vec::new();
    for page in pages() {
        let named = options(&std::fs::read_to_string(&page).expect("a page is text"));
        let name = page.strip_prefix(root()).expect("pages are below the root").display().to_string();
        missing.extend(named.difference(&known_options).map(|option| format!("{name}: {option}")));
    }
    assert!(missing.is_empty(), "options that no verb has:\n{}", missing.join("\n"));
}

/// The lines inside fences.
fn code(page: &str) -> impl Iterator<Item = &str> {
    page.split("```").skip(1).step_by(2).flat_map(str::lines)
}

#[test]
fn every_verb_that_an_example_calls_is_there() {
    let verbs = verbs(&run(&["--help"]).expect_code(0).out);
    let mut missing = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).expect("a page is text");
        let called = code(&text).filter_map(|line| line.strip_prefix("rehearsal ")?.split_whitespace().next());
        missing.extend(called.filter(|verb| !verbs.iter().any(|known| known == verb)).map(str::to_owned));
    }
    assert!(missing.is_empty(), "verbs that are not there: {missing:?}");
}
