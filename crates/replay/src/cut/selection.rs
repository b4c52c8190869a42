//! Which rows of a trace are wanted.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use trace::{Flag, Row, TraceNs};

use crate::known::Known;
use crate::{Error, Result};

/// What a row can be chosen by.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// The option that asks for it.
    pub option: &'static str,
    /// What its values are called.
    pub plural: &'static str,
    value: for<'a> fn(&Row<'a>) -> Cow<'a, str>,
}

/// Collection.
pub const COLLECTION: Field = Field { option: "--collection", plural: "collections", value: |row| row.collection().into() };
/// Normalized verb.
pub const OPERATION: Field = Field { option: "--operation", plural: "operations", value: |row| row.operation().into() };
/// Number of the session.
pub const SESSION: Field = Field { option: "--session", plural: "sessions", value: |row| row.session().to_string().into() };
/// Status of the answer; `none` where none was seen.
pub const STATUS: Field = Field { option: "--status", plural: "statuses", value: |row| row.status().unwrap_or("none").into() };
/// What a request does to the target.
pub const EFFECT: Field = Field { option: "--effect", plural: "effects", value: |row| row.effect().as_str().into() };

/// The columns that selections and their fields look at.
pub const COLUMNS: &[&str] = &["collection", "operation", "status", "effect", "flags"];

impl Field {
    /// The row's value.
    #[must_use]
    pub fn of<'a>(&self, row: &Row<'a>) -> Cow<'a, str> {
        (self.value)(row)
    }
}

/// One field and the patterns it may match: any of them will do.
#[derive(Debug, Clone)]
pub struct Filter {
    /// What is looked at.
    pub field: Field,
    /// Exact values, or patterns with `*` (any text) and `?` (one character).
    pub patterns: Vec<String>,
}

/// A window of time and filters: a row is wanted where it lies in the window and every filter takes it.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// From this instant on.
    pub from: Option<TraceNs>,
    /// Before this instant.
    pub to: Option<TraceNs>,
    /// All of them.
    pub filters: Vec<Filter>,
}

impl Selection {
    /// Refuses a window that ends before it begins.
    ///
    /// # Errors
    /// [`Error::Option`] with both ends.
    pub fn check(&self) -> Result<()> {
        match (self.from, self.to) {
            (Some(from), Some(to)) if to <= from => {
                Err(Error::option("--to", format!("{} s is not after --from {} s", to.seconds(), from.seconds())))
            }
            _ => Ok(()),
        }
    }

    /// Whether any row could be left out.
    #[must_use]
    pub fn selects(&self) -> bool {
        self.from.is_some() || self.to.is_some() || !self.filters.is_empty()
    }

    /// What a file says of it.
    #[must_use]
    pub fn describe(&self) -> Value {
        let filters = self.filters.iter().map(|filter| (filter.field.plural.to_owned(), json!(filter.patterns)));
        json!({
            "from_ns": self.from.map(TraceNs::ns),
            "to_ns": self.to.map(TraceNs::ns),
            "filters": filters.collect::<Map<_, _>>(),
        })
    }

    /// Says that it leaves nothing of a trace whose last request is at `end`.
    #[must_use]
    pub fn nothing(&self, end: TraceNs) -> Error {
        if let Some(from) = self.from.filter(|from| *from > end) {
            let reason = format!("{} s is after the last request, at {:.3} s", from.seconds(), end.seconds());
            return Error::option("--from", reason);
        }
        Error::Refused("no request lies in the window and passes every filter; leave one of them out".to_owned())
    }

    /// Where a row of a session with wanted rows stands, `at` being its own instant, and whether only its session brought it along;
    /// `None` where it is left out. `setup` rows from before the window move to its start.
    #[must_use]
    pub fn place(&self, row: &Row<'_>, at: TraceNs) -> Option<(TraceNs, bool)> {
        if self.in_window(at) && self.takes(row) {
            return Some((at, false));
        }
        let carried = row.flags().has(Flag::Setup) && self.before_end(at);
        carried.then(|| (at.max(self.from.unwrap_or(at)), true))
    }

    /// Whether an instant is early enough.
    #[must_use]
    pub fn before_end(&self, at: TraceNs) -> bool {
        self.to.is_none_or(|to| at < to)
    }

    /// Whether an instant lies in the window.
    #[must_use]
    pub fn in_window(&self, at: TraceNs) -> bool {
        self.from.is_none_or(|from| from <= at) && self.before_end(at)
    }

    /// Whether all filters take the row.
    #[must_use]
    pub fn takes(&self, row: &Row<'_>) -> bool {
        self.filters.iter().all(|filter| {
            let value = filter.field.of(row);
            filter.patterns.iter().any(|pattern| matches(pattern, &value))
        })
    }
}

/// What each pattern has matched, and what there was to match.
pub struct Tally<'a> {
    selection: &'a Selection,
    /// For each filter: its patterns that matched something, and the values seen.
    filters: Vec<(Vec<bool>, Known)>,
}

impl<'a> Tally<'a> {
    /// Nothing matched yet.
    #[must_use]
    pub fn new(selection: &'a Selection) -> Self {
        let filters = selection.filters.iter().map(|filter| (vec![false; filter.patterns.len()], Known::default()));
        Self { selection, filters: filters.collect() }
    }

    /// Whether all filters take the row, which is noted.
    pub fn takes(&mut self, row: &Row<'_>) -> bool {
        for (filter, (matched, known)) in self.selection.filters.iter().zip(&mut self.filters) {
            let value = filter.field.of(row);
            known.add(&value);
            for (matched, pattern) in matched.iter_mut().zip(&filter.patterns) {
                *matched = *matched || matches(pattern, &value);
            }
        }
        self.selection.takes(row)
    }

    /// Refuses a pattern that never matched.
    ///
    /// # Errors
    /// [`Error::Option`] with what there is.
    pub fn check(&self) -> Result<()> {
        for (filter, (matched, known)) in self.selection.filters.iter().zip(&self.filters) {
            if let Some(place) = matched.iter().position(|matched| !matched) {
                return Err(known.refuse(filter.field.option, filter.field.plural, &filter.patterns[place]));
            }
        }
        Ok(())
    }
}

/// Whether a pattern with `*` and `?` matches the whole of a text. Linear but for the last `*` passed, to which it goes back.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    let mut back = None;
    loop {
        let mut ahead = pattern.clone();
        match (ahead.next(), text.clone().next()) {
            (Some('*'), _) => {
                pattern = ahead;
                back = Some((pattern.clone(), text.clone()));
                continue;
            }
            (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {
                pattern = ahead;
                text.next();
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        let Some((after_star, mut rest)) = back.take() else { return false };
        if rest.next().is_none() {
            return false;
        }
        (pattern, text) = (after_star.clone(), rest.clone());
        back = Some((after_star, rest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition: `*` takes nothing, or one character and itself again.
    fn defined(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), None) => defined(rest, text),
            (Some(('*', rest)), Some((_, after))) => defined(rest, text) || defined(pattern, after),
            (Some((wanted, rest)), Some((found, after))) => (*wanted == '?' || wanted == found) && defined(rest, after),
            _ => false,
        }
    }

    #[test]
    fn patterns_match_the_whole() {
        for (pattern, text, expected) in [
            ("docs", "docs", true),
            ("docs", "docs2", false),
            ("doc?", "docs", true),
            ("5*", "503", true),
            ("*points*", "POST /collections/{}/points/search", true),
            ("", "", true),
            ("?", "", false),
            ("*", "", true),
            ("ä?", "äö", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
    }

    proptest! {
        #[test]
        fn patterns_mean_what_they_are_defined_to(pattern in "[ab*?]{0,8}", text in "[abc]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, &text), defined(&chars(&pattern), &chars(&text)));
        }
    }
}
