//! The names a trace holds, for whoever asked for another one.

use std::collections::BTreeSet;

use trace::rules::nearest;

use crate::Error;

/// Different names remembered.
const NAMES_MAX: usize = 1000;
/// Names told in one sentence.
const NAMES_SHOWN: usize = 12;

/// Different names of one kind, up to a limit that is more than anybody would read.
#[derive(Debug, Default)]
pub struct Known(BTreeSet<String>);

impl Known {
    /// One more.
    pub fn add(&mut self, name: &str) {
        if self.0.len() < NAMES_MAX && !self.0.contains(name) {
            self.0.insert(name.to_owned());
        }
    }

    /// Says that nothing matches `asked`, and what there is.
    #[must_use]
    pub fn refuse(&self, option: &'static str, what: &str, asked: &str) -> Error {
        let known: Vec<&str> = self.0.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
        let mut shown = known.iter().take(NAMES_SHOWN).copied().collect::<Vec<_>>().join(", ");
        if known.len() > NAMES_SHOWN {
            shown.push_str(&format!(" and {} more", known.len() - NAMES_SHOWN));
        }
        let meant = nearest(asked, &known).map_or(String::new(), |name| format!(" (did you mean `{name}`?)"));
        Error::option(option, format!("nothing matches `{asked}`{meant}; {what} of the trace: {shown}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(names: impl IntoIterator<Item = String>) -> Known {
        let mut known = Known::default();
        names.into_iter().for_each(|name| known.add(&name));
        known
    }

    #[test]
    fn the_nearest_name_is_told_and_the_others() {
        let known = known(["docs", "code", "docs", ""].map(str::to_owned));
        let said = known.refuse("--collection", "collections", "doc").to_string();
        assert_eq!(said, "--collection: nothing matches `doc` (did you mean `docs`?); collections of the trace: code, docs");
    }

    #[test]
    fn many_names_are_not_all_told() {
        let known = known((0..2000).map(|i| format!("c{i:04}")));
        assert!(known.refuse("--collection", "collections", "zzzzzzzz").to_string().ends_with("c0011 and 988 more"));
    }
}
