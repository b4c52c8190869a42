//! One sentence that says what went wrong, where, and what to do about it.

use std::fmt;
use std::io;

/// The result of everything here that can fail for reasons outside the data.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a source could not be imported. What is odd *inside* a capture is an issue in the trace's footer, never an error.
#[derive(Debug)]
pub enum Error {
    /// The operating system said no.
    Io {
        /// What was being done, as a verb: `open`, `read`.
        action: &'static str,
        /// The source as the user named it.
        source_name: String,
        /// What the system said.
        source: io::Error,
    },
    /// The source is not a capture file.
    NotCapture {
        /// The source as the user named it.
        source_name: String,
        /// What it is instead.
        found: String,
    },
    /// An option that cannot be.
    Option(String),
    /// The trace could not be written.
    Trace(trace::Error),
}

impl Error {
    pub(crate) fn io(action: &'static str, source_name: &str, source: io::Error) -> Self {
        Self::Io { action, source_name: source_name.to_owned(), source }
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
            Self::Io { action, source_name, source } => write!(f, "cannot {action} {source_name}: {source}"),
            Self::NotCapture { source_name, found } => {
                write!(
                    f,
                    "{source_name} is not a capture file: found {found}, wanted pcap or pcapng, plain or compressed with gzip or zstd"
                )
            }
            Self::Option(reason) => f.write_str(reason),
            Self::Trace(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Trace(error) => Some(error),
            _ => None,
        }
    }
}
