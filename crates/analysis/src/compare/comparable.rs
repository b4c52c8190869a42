//! Whether runs may be held against each other at all.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::digest::Digest;
use crate::{Error, Result};

/// Characters of a value in a sentence.
const VALUE_CHARS_MAX: usize = 80;

/// Refuses runs that were not asked the same, naming what differs and in which of them, and tells what may make a difference.
/// With `anyway`, other content and other paths are told instead of refused; another load never is.
///
/// # Errors
/// [`Error::Refused`] with the sentence.
pub fn check(runs: &[&Digest], anyway: bool) -> Result<Vec<String>> {
    let Some((first, others)) = runs.split_first() else { return Ok(Vec::new()) };
    let mut notes = BTreeSet::new();
    for other in others {
        if let Some((name, one, two)) = differing(&first.load, &other.load) {
            let advice = "a rate is part of every latency, so nothing can be said of the target";
            return Err(refused(first, other, &format!("were not asked the same load ({name}: {one} and {two}); {advice}")));
        }
        for sentence in content(first, other).into_iter().chain(paths(first, other)) {
            if !anyway {
                return Err(refused(first, other, &format!("{sentence}; --anyway compares them all the same")));
            }
            notes.insert(format!("{} and {} {sentence}.", first.folder, other.folder));
        }
        if let Some((name, one, two)) = differing(&first.limits, &other.limits) {
            notes.insert(format!(
                "{} and {} differ in a limit that may make a difference ({name}: {one} and {two}).",
                first.folder, other.folder
            ));
        }
        if first.tool != other.tool {
            notes.insert(format!("The runs were made by different versions: {} and {}.", first.tool, other.tool));
        }
    }
    Ok(notes.into_iter().collect())
}

fn refused(one: &Digest, other: &Digest, sentence: &str) -> Error {
    Error::Refused(format!("{} and {} {sentence}", one.folder, other.folder))
}

/// Another trace, by its content.
fn content(one: &Digest, other: &Digest) -> Option<String> {
    (one.trace_hash != other.trace_hash)
        .then(|| format!("replayed different traces ({} and {}, with different content)", one.trace, other.trace))
}

/// Other collections, or another path on the server.
fn paths(one: &Digest, other: &Digest) -> Option<String> {
    let places = |digest: &Digest| -> Vec<String> {
        digest.targets.iter().map(|(collection, url)| format!("{collection} → {}", path_of(url))).collect()
    };
    let (one, other) = (places(one), places(other));
    (one != other).then(|| format!("went to different places on their targets ({} and {})", one.join(", "), other.join(", ")))
}

/// What stands behind scheme, host and port.
fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("/", |place| &rest[place..])
}

/// The first member in which two descriptions differ, with both values.
fn differing(one: &Map<String, Value>, other: &Map<String, Value>) -> Option<(String, String, String)> {
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let name = names.into_iter().find(|name| one.get(*name) != other.get(*name))?;
    Some((name.clone(), said(one.get(name)), said(other.get(name))))
}

fn said(value: Option<&Value>) -> String {
    let text = value.map_or_else(|| "none".to_owned(), Value::to_string);
    let end = text.char_indices().nth(VALUE_CHARS_MAX).map_or(text.len(), |(end, _)| end);
    if end < text.len() { format!("{}…", &text[..end]) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn run(folder: &str, load: Value, url: &str, hash: &str) -> Digest {
        let load = load.as_object().cloned().unwrap_or_default();
        let targets = std::collections::BTreeMap::from([("*".to_owned(), url.to_owned())]);
        Digest { folder: folder.to_owned(), load, targets, trace_hash: hash.to_owned(), ..Digest::default() }
    }

    fn said(one: &Digest, other: &Digest, anyway: bool) -> String {
        match check(&[one, other], anyway) {
            Ok(notes) => format!("fine: {}", notes.join(" ")),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn only_the_same_load_and_content_is_compared() {
        let base = run("a", json!({ "profile": { "speed": 1.0 } }), "http://h:1", "x");
        let same = run("b", json!({ "profile": { "speed": 1.0 } }), "https://other:2/", "x");
        assert_eq!(said(&base, &same, false), "fine: ");
        let faster = run("b", json!({ "profile": { "speed": 2.0 } }), "http://h:1", "x");
        for anyway in [false, true] {
            let sentence = said(&base, &faster, anyway);
            assert!(sentence.contains("profile: {\"speed\":1.0} and {\"speed\":2.0}"), "{sentence}");
        }
        let warmer = run("b", json!({ "profile": { "speed": 1.0 }, "warmup_ns": 5 }), "http://h:1", "x");
        assert!(said(&base, &warmer, true).contains("warmup_ns: none and 5"));
        let trace = run("b", json!({ "profile": { "speed": 1.0 } }), "http://h:1", "y");
        assert!(said(&base, &trace, false).starts_with("a and b replayed different traces"));
        assert!(said(&base, &trace, true).starts_with("fine: a and b replayed different traces"));
        let path = run("b", json!({ "profile": { "speed": 1.0 } }), "http://h:1/v2", "x");
        assert!(said(&base, &path, false).contains("(* → / and * → /v2); --anyway"));
    }
}
