//! One sentence that says what went wrong, where, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

/// The result of everything that touches a file of the data model.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a trace or run could not be read or written.
#[derive(Debug)]
pub enum Error {
    /// The operating system said no.
    Io {
        /// What was being done, as a verb phrase: `write`, `create`, `read`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not Parquet, or damaged.
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// Parquet, but of another kind or version than wanted.
    Kind {
        /// The file.
        path: PathBuf,
        /// What it is, for example `outcomes version 1` or `a Parquet file not made by rehearsal`.
        found: String,
        /// What was wanted, for example `trace version 1`.
        wanted: String,
    },
    /// The content breaks a promise of the data model.
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn parquet(path: &Path, error: impl fmt::Display) -> Self {
        Self::Parquet { path: path.to_owned(), reason: error.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, path, source } => write!(f, "cannot {action} {}: {source}", path.display()),
            Self::Parquet { path, reason } => {
                write!(f, "{} is not a readable Parquet file: {reason}", path.display())
            }
            Self::Kind { path, found, wanted } => write!(f, "{}: found {found}, wanted {wanted}", path.display()),
            Self::Content { path, reason } => write!(f, "{}: {reason}", path.display()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
