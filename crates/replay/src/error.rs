//! One sentence that says what stopped a replay and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

/// The result of everything that prepares or makes a replay.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a replay could not be made.
#[derive(Debug)]
pub enum Error {
    /// A trace could not be read, or a run not written.
    Data(trace::Error),
    /// The operating system said no.
    Io {
        /// What was being done, as a verb phrase.
        action: &'static str,
        /// The file, folder or device.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A target's address makes no sense, has no address, or does not answer.
    Target {
        /// As given.
        url: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// An option's value makes no sense.
    Option {
        /// With its dashes.
        option: &'static str,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The run would not fit, or must not be made without another flag.
    Refused(String),
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn target(url: &str, reason: impl Into<String>) -> Self {
        Self::Target { url: url.to_owned(), reason: reason.into() }
    }

    pub(crate) fn option(option: &'static str, reason: impl Into<String>) -> Self {
        Self::Option { option, reason: reason.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(error) => error.fmt(f),
            Self::Io { action, path, source } => write!(f, "cannot {action} {}: {source}", path.display()),
            Self::Target { url, reason } => write!(f, "target {url}: {reason}"),
            Self::Option { option, reason } => write!(f, "{option}: {reason}"),
            Self::Refused(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Data(error) => Some(error),
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<trace::Error> for Error {
    fn from(error: trace::Error) -> Self {
        Self::Data(error)
    }
}
