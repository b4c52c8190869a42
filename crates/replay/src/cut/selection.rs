//! Which rows of a trace are wanted.

use std::borrow::Cow;

use trace::{Row, TraceNs};

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
