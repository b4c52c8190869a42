//! One sentence that says what went wrong, where, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

/// The result of everything that reads a run or writes a report.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a run could not be read or a report not be written.
#[derive(Debug)]
pub enum Error {
    /// A file of the data model could not be read or is of another kind or version.
    Trace(trace::Error),
    /// The operating system said no.
    Io {
        /// What was being done, as a verb: `write`, `create`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A run with no outcomes to report on.
    Empty {
        /// The run's folder.
        path: PathBuf,
        /// Why there is nothing, and what to do.
        reason: String,
    },
    /// The outcomes are damaged.
    Outcomes {
        /// The run's folder.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// Something was asked for that there is not.
    Asked {
        /// The option.
        option: &'static str,
        /// What is wrong with it, and what there is.
        reason: String,
    },
    /// What was asked cannot be done: a sentence.
    Refused(String),
    /// A chart could not be drawn.
    Chart {
        /// The chart's name.
        name: String,
        /// What the drawing backend said.
        reason: String,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn outcomes(path: &Path, reason: impl fmt::Display) -> Self {
        Self::Outcomes { path: path.to_owned(), reason: reason.to_string() }
    }
}

impl From<trace::Error> for Error {
    fn from(error: trace::Error) -> Self {
        Self::Trace(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trace(error) => error.fmt(f),
            Self::Io { action, path, source } => write!(f, "cannot {action} {}: {source}", path.display()),
            Self::Empty { path, reason } => write!(f, "{}: {reason}", path.display()),
            Self::Outcomes { path, reason } => write!(f, "the outcomes in {} cannot be read: {reason}", path.display()),
            Self::Asked { option, reason } => write!(f, "{option}: {reason}"),
            Self::Refused(sentence) => f.write_str(sentence),
            Self::Chart { name, reason } => write!(f, "the chart {name} cannot be drawn: {reason}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Trace(error) => Some(error),
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
