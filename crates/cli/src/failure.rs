//! Why a verb could not do its work: one sentence that says what, where and what to do.

use std::fmt;

/// A verb's failure; printed as it is, exit code 2.
#[derive(Debug)]
pub enum Failure {
    /// A sentence.
    Said(String),
    /// Whoever read our output has gone: nothing to say, and no one to say it to.
    PipeClosed,
}

impl Failure {
    /// A failure with this sentence.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self::Said(sentence.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(sentence) => f.write_str(sentence),
            Self::PipeClosed => f.write_str("the output's reader has gone"),
        }
    }
}

/// Every library error is already the sentence.
impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Said(error.to_string())
    }
}
