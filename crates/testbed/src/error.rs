//! One sentence that says what went wrong, where, and what to do about it.

use std::fmt;
use std::io;

/// Why a testbed server could not start.
#[derive(Debug)]
pub enum Error {
    /// The text is not an address.
    Address {
        /// What was given.
        text: String,
    },
    /// The address cannot be listened on.
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// An option has a value that cannot be.
    Option {
        /// What is wrong and what is allowed.
        reason: String,
    },
    /// The operating system refused something every server needs.
    System {
        /// What was being done, as a verb phrase.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn option(reason: impl Into<String>) -> Self {
        Self::Option { reason: reason.into() }
    }

    pub(crate) fn system(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { action, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { text } => {
                write!(f, "`{text}` is not an address to listen on; write HOST:PORT, such as 127.0.0.1:6333")
            }
            Self::Listen { address, source } => write!(f, "cannot listen on {address}: {}", listen_advice(source)),
            Self::Option { reason } => f.write_str(reason),
            Self::System { action, source } => write!(f, "cannot {action}: {source}"),
        }
    }
}

fn listen_advice(source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            "something listens there already; stop it, or choose another port (0 picks a free one)".into()
        }
        io::ErrorKind::PermissionDenied => "a port below 1024 needs root; choose a higher one".into(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address; use 127.0.0.1, or 0.0.0.0 for all".into(),
        _ => source.to_string(),
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen { source, .. } | Self::System { source, .. } => Some(source),
            Self::Address { .. } | Self::Option { .. } => None,
        }
    }
}
