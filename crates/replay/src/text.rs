//! Short texts that travel with a request without memory of their own.

use std::sync::Arc;

/// Bytes that fit into the value itself.
const SHORT_BYTES_MAX: usize = 22;

/// A text. Ids of units of work are short and different for each request: an allocation made by one thread and freed by another
/// would cost more than all else that is done with them.
#[derive(Debug, Clone)]
pub enum Text {
    /// Its length and its bytes, the rest of them 0.
    Short(u8, [u8; SHORT_BYTES_MAX]),
    /// Anything longer.
    Long(Arc<str>),
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        let mut bytes = [0; SHORT_BYTES_MAX];
        match bytes.get_mut(..text.len()) {
            Some(front) => {
                front.copy_from_slice(text.as_bytes());
                Self::Short(text.len() as u8, bytes)
            }
            None => Self::Long(text.into()),
        }
    }
}

impl Text {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Short(length, bytes) => {
                std::str::from_utf8(&bytes[..usize::from(*length)]).expect("made from a whole text above")
            }
            Self::Long(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_text_stays_what_it_is(text in ".{0,40}") {
            let kept = Text::from(text.as_str());
            prop_assert_eq!(kept.as_str(), text);
        }
    }

    #[test]
    fn what_is_short_has_no_memory_of_its_own() {
        assert!(matches!(Text::from("x".repeat(SHORT_BYTES_MAX).as_str()), Text::Short(22, _)));
        assert!(matches!(Text::from("x".repeat(SHORT_BYTES_MAX + 1).as_str()), Text::Long(_)));
        assert_eq!(size_of::<Option<Text>>(), 24);
    }
}
