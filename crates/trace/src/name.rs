//! Short strings that repeat: cheap to clone, compared by content.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::escape_text;
use crate::limits::NAMES_MAX;

/// A short, often repeated string (protocol, collection, operation, status …). Cloning costs one reference count, an empty one nothing.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(Option<Arc<str>>);

impl Name {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

/// As the text, by which sets of names are asked.
impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self((!text.is_empty()).then(|| Arc::from(text)))
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl Deref for Name {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

/// Gives equal texts the same allocation. Remembers at most [`NAMES_MAX`] of them; later ones are made anew each time.
#[derive(Default)]
pub struct Names {
    known: HashSet<Name, RandomState>,
    /// What was asked for last, by length and last byte: the few names of each exchange are asked for over and over.
    recent: [Name; RECENT],
}

/// Places of recent names, a power of two.
const RECENT: usize = 32;

impl Names {
    /// The shared name for `text`.
    pub fn get(&mut self, text: &str) -> Name {
        let last = text.bytes().next_back().unwrap_or_default();
        let place = (text.len() * 5 + usize::from(last)) % RECENT;
        if self.recent[place] != *text {
            self.recent[place] = self.find(text);
        }
        self.recent[place].clone()
    }

    fn find(&mut self, text: &str) -> Name {
        if let Some(name) = self.known.get(text) {
            return name.clone();
        }
        let name = Name::from(text);
        if self.known.len() < NAMES_MAX {
            self.known.insert(name.clone());
        }
        name
    }

    /// The shared name for bytes as text, and whether anything had to be escaped (see [`escape_text`]).
    pub fn escaped(&mut self, bytes: &[u8]) -> (Name, bool) {
        match std::str::from_utf8(bytes) {
            Ok(text) => (self.get(text), false),
            Err(_) => (self.get(&escape_text(bytes).0), true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_share_their_allocation_and_others_do_not() {
        let mut names = Names::default();
        let texts: Vec<String> = (0..200).map(|number| format!("{number}")).chain([String::new(), "é".to_owned()]).collect();
        for text in texts.iter().chain(&texts) {
            let (name, again) = (names.get(text), names.get(text));
            assert_eq!((&*name, name.as_ptr()), (text.as_str(), again.as_ptr()));
            assert_eq!(names.find(text).as_ptr(), name.as_ptr(), "also when others were asked for since");
        }
    }

    #[test]
    fn what_is_no_text_is_escaped() {
        let mut names = Names::default();
        assert_eq!(names.escaped(b"a\\"), ("a\\".into(), false));
        assert_eq!(names.escaped(b"a\xff"), ("a\\xff".into(), true));
    }
}
