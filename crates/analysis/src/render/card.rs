//! The run card: what ran, against what, and how to run it again.

use std::collections::BTreeMap;

use trace::RunInfo;

use crate::page::Card;
use crate::units;

/// The card of a run; what a run does not have is left out.
pub(crate) fn card(info: &RunInfo) -> Card {
    let lines = [
        ("Note", info.note.clone()),
        ("Target", targets(&info.targets)),
        ("Trace", info.trace.clone()),
        ("Trace hash", info.trace_hash.clone()),
        ("Started", info.clocks.first().map(|clock| units::utc(clock.unix_ns)).unwrap_or_default()),
        ("Seed", info.seed.to_string()),
        ("Version", info.tool.clone()),
        ("Host", info.host.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")),
    ];
    let lines = lines.into_iter().filter(|(_, content)| !content.is_empty()).collect();
    Card { lines, command: info.command.clone() }
}

/// One target as it is, several by collection.
pub(crate) fn targets(by_collection: &BTreeMap<String, String>) -> String {
    let named = |(collection, url): (&String, &String)| {
        if collection == "*" { url.clone() } else { format!("{collection} → {url}") }
    };
    by_collection.iter().map(named).collect::<Vec<_>>().join(", ")
}

/// The command, quoted for a POSIX shell.
pub(super) fn command(words: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+*".contains(c);
    let quote = |word: &String| {
        if !word.is_empty() && word.chars().all(plain) { word.clone() } else { format!("'{}'", word.replace('\'', r"'\''")) }
    };
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}
