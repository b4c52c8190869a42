//! What was out of the ordinary during a run, from when to when: restarts, probes that failed, bursts of errors, times without an answer,
//! stalls of the generator. Computed, each under a key of its own; what people write about them is kept beside it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use trace::Event;
use trace::rules::nearest;

use crate::errors::Burst;
use crate::outage::{Outage, outages};
use crate::section::Block;
use crate::timing::Stall;
use crate::{Analysis, Error, Result, units};

/// Issues of one kind that are listed, the first of them; the others are counted.
pub const LISTED_MAX: usize = 50;
/// Kinds of failure that are named in a burst.
const KINDS_NAMED_MAX: usize = 3;

/// Something out of the ordinary. Instants are ns since run start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Issue {
    /// What it is called in notes: its kind and its number among those of its kind, such as `restart-1`.
    pub key: String,
    /// When it began.
    pub from_ns: i64,
    /// When it was over; `None` where it was not, or took no time.
    pub to_ns: Option<i64>,
    /// What happened.
    pub what: String,
    /// What came of it, as somebody wrote it.
    pub resolution: Option<String>,
}

/// The issues of a run, and what was noted about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Issues {
    /// By when they began.
    pub list: Vec<Issue>,
    /// How many more there are of each kind.
    pub more: BTreeMap<&'static str, usize>,
    /// Notes that belong to none of them.
    pub notes: Vec<String>,
}

/// What somebody wrote: about an issue, or about the run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Notes {
    /// By the key of an issue.
    pub of: BTreeMap<String, String>,
    /// Of the run.
    pub free: Vec<String>,
}

/// An issue before it has a key.
struct Found {
    kind: &'static str,
    from_ns: i64,
    to_ns: Option<i64>,
    what: String,
}

impl Issues {
    /// Those of a run.
    #[must_use]
    pub fn of(analysis: &Analysis, events: &[Event]) -> Self {
        let mut found: Vec<Found> = outages(events).iter().map(outage).collect();
        found.extend(probes(events));
        found.extend(events.iter().filter(|event| !SEEN.contains(&event.kind.as_str())).map(other));
        found.extend(analysis.errors_over_time.bursts.iter().map(burst));
        found.extend(analysis.silence.iter().map(|silence| {
            let (length, toll) = silence.told();
            let what = format!("No good answer came for {length}: {toll}.");
            Found { kind: "silence", from_ns: silence.from_ns, to_ns: Some(silence.to_ns), what }
        }));
        found.extend(analysis.timing.stalls.iter().map(stall));
        found.sort_by_key(|found| (found.from_ns, found.kind));
        Self::numbered(found)
    }

    fn numbered(found: Vec<Found>) -> Self {
        let mut issues = Self::default();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for Found { kind, from_ns, to_ns, what } in found {
            let number = counts.entry(kind).or_default();
            *number += 1;
            if *number > LISTED_MAX {
                *issues.more.entry(kind).or_default() += 1;
                continue;
            }
            issues.list.push(Issue { key: format!("{kind}-{number}"), from_ns, to_ns, what, resolution: None });
        }
        issues
    }

    /// The same with what was written about them.
    ///
    /// # Errors
    /// [`Error::Asked`] where a note is about an issue that there is not.
    pub fn noted(mut self, notes: &Notes) -> Result<Self> {
        for (key, text) in &notes.of {
            let Some(issue) = self.list.iter_mut().find(|issue| issue.key == *key) else { return Err(self.unknown(key)) };
            issue.resolution = Some(text.clone());
        }
        self.notes.clone_from(&notes.free);
        Ok(self)
    }

    /// What was written about them, as it is kept.
    pub(crate) fn as_notes(&self) -> Notes {
        let of = self.list.iter().filter_map(|issue| Some((issue.key.clone(), issue.resolution.clone()?)));
        Notes { of: of.collect(), free: self.notes.clone() }
    }

    fn unknown(&self, key: &str) -> Error {
        let keys: Vec<&str> = self.list.iter().map(|issue| issue.key.as_str()).collect();
        let meant = nearest(key, &keys).map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
        let there = if keys.is_empty() { "none".to_owned() } else { keys.join(", ") };
        let reason = format!("there is no issue `{key}` here{meant}; there are {there}. A note on all of it begins with no key");
        Error::Asked { option: "--note", reason }
    }
}

impl Notes {
    /// Those that an earlier report kept in its document, such as `findings.json`; none where there is none.
    #[must_use]
    pub fn kept(document: &Path) -> Self {
        let text = std::fs::read_to_string(document).unwrap_or_default();
        Self::of_document(&serde_json::from_str(&text).unwrap_or_default())
    }

    /// Those in a document.
    pub(crate) fn of_document(document: &Value) -> Self {
        serde_json::from_value(document["notes"].clone()).unwrap_or_default()
    }

    /// Those that an earlier report of a search or of a folder of runs kept, and these: none of either has issues.
    ///
    /// # Errors
    /// [`Error::Asked`] where one is about an issue.
    pub(crate) fn without_issues(document: &Path, notes: &[String]) -> Result<Vec<String>> {
        let all = notes.iter().fold(Self::kept(document), |all, note| all.with(note));
        Ok(Issues::default().noted(&all)?.notes)
    }

    /// Whether there is nothing in them.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The same with a note more: `KEY: text` is about an issue and replaces what was written about it, `KEY:` takes that back; any other text
    /// is about the run.
    #[must_use]
    pub fn with(mut self, note: &str) -> Self {
        match note.split_once(':').filter(|(key, _)| is_key(key)) {
            Some((key, text)) if text.trim().is_empty() => drop(self.of.remove(key)),
            Some((key, text)) => drop(self.of.insert(key.to_owned(), text.trim().to_owned())),
            None if note.trim().is_empty() || self.free.iter().any(|known| known == note.trim()) => {}
            None => self.free.push(note.trim().to_owned()),
        }
        self
    }

    /// The same without what is about issues that are no longer there.
    #[must_use]
    pub fn of_those_in(mut self, issues: &Issues) -> Self {
        self.of.retain(|key, _| issues.list.iter().any(|issue| issue.key == *key));
        self
    }
}

/// Whether a text looks like the key of an issue: a word, a hyphen, a number.
fn is_key(text: &str) -> bool {
    text.rsplit_once('-').is_some_and(|(kind, number)| {
        let is_word = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        is_word && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
    })
}

/// What was written about all of it, a paragraph each.
pub(crate) fn noted(notes: &[String]) -> impl Iterator<Item = Block> {
    notes.iter().map(|note| Block::Text(format!("Noted: {note}")))
}

/// Kinds of event that are told of outages and of probes.
const SEEN: [&str; 5] = ["ended", "started", "restarted", "failed", "recovered"];

fn outage(outage: &Outage) -> Found {
    let source = &outage.source;
    let (kind, what) = match outage.away_ns() {
        Some(0) => ("restart", format!("{source} was another process than before: it had been restarted.")),
        Some(away_ns) => ("restart", format!("{source} was gone for {} and came back.", units::duration(away_ns as f64))),
        None => ("outage", format!("{source} was gone and did not come back.")),
    };
    Found { kind, from_ns: outage.from_ns, to_ns: outage.to_ns.filter(|to_ns| *to_ns > outage.from_ns), what }
}

/// From each failure of a probe to when it could be read again.
fn probes(events: &[Event]) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let mut open: BTreeMap<&str, usize> = BTreeMap::new();
    for event in events {
        match (event.kind.as_str(), open.get(event.source.as_str()).copied()) {
            ("failed", None) => {
                open.insert(&event.source, found.len());
                let what = format!("The probe {} could not be read: {}.", event.source, event.detail.trim_end_matches('.'));
                found.push(Found { kind: "probe", from_ns: event.run_ns, to_ns: None, what });
            }
            ("recovered", Some(place)) => {
                open.remove(event.source.as_str());
                found[place].to_ns = Some(event.run_ns);
            }
            _ => {}
        }
    }
    found
}

fn other(event: &Event) -> Found {
    let what = format!("{}: {}, {}.", event.source, event.kind, event.detail.trim_end_matches('.'));
    Found { kind: "event", from_ns: event.run_ns, to_ns: None, what }
}

fn burst(burst: &Burst) -> Found {
    let named = burst.kinds.iter().take(KINDS_NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    let more = burst.kinds.len().saturating_sub(KINDS_NAMED_MAX);
    let more = if more > 0 { format!(" and {more} more kinds") } else { String::new() };
    let share = units::share(burst.failed as f64 / burst.due.max(1) as f64);
    let what = format!("{} failed, {share} of those due meanwhile: {named}{more}.", units::counted(burst.failed, "request"));
    Found { kind: "errors", from_ns: burst.first_ns, to_ns: Some(burst.last_ns), what }
}

fn stall(stall: &Stall) -> Found {
    let (requests, late) = (units::counted(stall.requests, "request"), units::duration(stall.late_ns_max as f64));
    let what = format!("The generator itself was up to {late} late with {requests}.");
    Found { kind: "stall", from_ns: stall.from_ns, to_ns: Some(stall.to_ns), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(run_ns: i64, source: &str, kind: &str) -> Event {
        let (source, kind) = (source.to_owned(), kind.to_owned());
        Event { run_ns, wall_ns: 0, source, kind, detail: "no route.".to_owned() }
    }

    #[test]
    fn probes_fail_until_they_can_be_read_again() {
        let events = [event(1, "a", "failed"), event(2, "b", "failed"), event(3, "a", "failed"), event(5, "a", "recovered")];
        let found = probes(&events);
        let told: Vec<_> = found.iter().map(|found| (found.from_ns, found.to_ns, found.what.as_str())).collect();
        let wanted = |source| format!("The probe {source} could not be read: no route.");
        assert_eq!(told, [(1, Some(5), wanted("a").as_str()), (2, None, wanted("b").as_str())]);
    }

    #[test]
    fn keys_count_each_kind_and_those_past_the_limit_are_counted() {
        let found = |kind, from_ns| Found { kind, from_ns, to_ns: None, what: String::new() };
        let issues =
            Issues::numbered((0..LISTED_MAX as i64 + 2).flat_map(|at| [found("stall", at), found("event", at)]).collect());
        assert_eq!(issues.list[2].key, "stall-2");
        assert_eq!((issues.list.len(), issues.more["stall"], issues.more["event"]), (2 * LISTED_MAX, 2, 2));
    }

    #[test]
    fn notes_are_about_an_issue_or_about_the_run() {
        let notes =
            ["stall-1: the host was busy", "at 12:30 we deployed", "stall-1: it was the backup", "at 12:30 we deployed", " "];
        let notes = notes.iter().fold(Notes::default(), |notes, note| notes.with(note));
        assert_eq!(notes.of, BTreeMap::from([("stall-1".to_owned(), "it was the backup".to_owned())]));
        assert_eq!(notes.free, ["at 12:30 we deployed"]);
        assert!(notes.clone().with("stall-1:").of.is_empty());

        let issues = Issues::numbered(vec![Found { kind: "stall", from_ns: 1, to_ns: None, what: String::new() }]);
        let noted = issues.clone().noted(&notes).expect("there is such an issue");
        assert_eq!(noted.list[0].resolution.as_deref(), Some("it was the backup"));
        let typo = issues.clone().noted(&Notes::default().with("stal-1: x")).expect_err("there is not").to_string();
        assert!(typo.contains("did you mean `stall-1`?"), "{typo}");
        assert!(notes.of_those_in(&Issues::default()).of.is_empty());
    }
}
