//! Whose requests they are: a recorded user is a connection, or what an address, a header or a cookie says.

use std::collections::HashMap;
use std::net::IpAddr;

use trace::{Exchange, Header, Issues};
use xxhash_rust::xxh3::xxh3_128;

use super::Connection;
use crate::{Error, Result};

/// Users remembered; the requests of all later ones are one session.
const SESSIONS_MAX: usize = 1 << 20;
/// The connection's own streams stay below its number in [`Exchange::stream`].
const STREAM_BITS: u32 = 32;

/// What makes requests those of one user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SessionBy {
    /// That they came on one connection.
    #[default]
    Connection,
    /// That they came from one address.
    Address,
    /// That a header of this name has the same value.
    Header(String),
    /// That a cookie of this name has the same value.
    Cookie(String),
}

impl SessionBy {
    /// Reads `connection`, `address`, `header:NAME` or `cookie:NAME`.
    ///
    /// # Errors
    /// [`Error::Option`] that names what is known.
    pub fn parse(text: &str) -> Result<Self> {
        match text.split_once(':').map_or((text, ""), |(kind, name)| (kind, name.trim())) {
            ("connection", "") => Ok(Self::Connection),
            ("address", "") => Ok(Self::Address),
            ("header", name) if !name.is_empty() => Ok(Self::Header(name.to_owned())),
            ("cookie", name) if !name.is_empty() => Ok(Self::Cookie(name.to_owned())),
            _ => {
                let known = "connection, address, header:NAME or cookie:NAME, for example cookie:sid";
                Err(Error::Option(format!("cannot tell sessions by `{text}`: wanted {known}")))
            }
        }
    }
}

/// Who a request is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum User {
    Connection(u64),
    Address(IpAddr),
    /// Digest of a value, so that memory is bounded whatever its length.
    Value(u128),
}

/// Gives exchanges their sessions, numbered as they are first met.
#[derive(Default)]
pub(super) struct Sessions {
    by: SessionBy,
    /// Session and next place in it.
    known: HashMap<User, (u64, u32)>,
}

impl Sessions {
    pub fn new(by: SessionBy) -> Self {
        Self { by, known: HashMap::new() }
    }

    /// Sets session, place and stream; `headers` are those of the request, or of what began the stream that it belongs to. Inside a session, each connection is a stream of its own: order holds on a connection, while a
    /// user's parallel connections stay parallel.
    pub fn assign(&mut self, about: &Connection, exchange: &mut Exchange, headers: Option<&[Header]>, issues: &mut Issues) {
        let headers = exchange.headers.as_deref().or(headers).unwrap_or_default();
        let Some(user) = self.user(about, headers, issues) else { return };
        let count = self.known.len();
        let full = count >= SESSIONS_MAX && !self.known.contains_key(&user);
        if full {
            issues.add("sessions-limit", || format!("more than {SESSIONS_MAX} sessions; the rest is one session"));
        }
        let user = if full { User::Connection(u64::MAX) } else { user };
        let (session, next) = self.known.entry(user).or_insert((count as u64, 0));
        (exchange.session, exchange.seq) = (*session, *next);
        exchange.stream |= about.session << STREAM_BITS;
        *next += 1;
    }

    /// Who an exchange with these headers is of; `None` where sessions are connections.
    fn user(&self, about: &Connection, headers: &[Header], issues: &mut Issues) -> Option<User> {
        let header = |name: &str| {
            let of_name = headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
            of_name.map(|header| &header.value[..]).collect::<Vec<_>>()
        };
        let value = match &self.by {
            SessionBy::Connection => return None,
            SessionBy::Address => return Some(User::Address(about.client.ip())),
            SessionBy::Header(name) => header(name).into_iter().next(),
            SessionBy::Cookie(name) => header("cookie").into_iter().find_map(|cookies| cookie(cookies, name.as_bytes())),
        };
        if value.is_none() {
            issues.add("session-key-missing", || format!("connection {}, which is a session of its own", about.session));
        }
        Some(value.map_or(User::Connection(about.session), |value| User::Value(xxh3_128(value))))
    }
}

/// The value of one cookie in a Cookie header (RFC 6265, section 4.2.1).
fn cookie<'a>(cookies: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let pairs = cookies.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    pairs.filter_map(|pair| pair.strip_prefix(name)?.strip_prefix(b"=")).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_users_than_are_told_apart_are_one() {
        let (mut issues, address) = (Issues::default(), "127.0.0.1:80".parse().expect("an address"));
        let known = (0..SESSIONS_MAX as u64 - 1).map(|user| (User::Connection(user), (user, 1))).collect();
        let mut sessions = Sessions { by: SessionBy::Header("user".to_owned()), known };
        let about = Connection::new(0, address, address, true, &mut trace::Names::default());
        let mut session_of = |user: &'static str| {
            let headers = [Header { name: "user".into(), value: user.into() }];
            let mut row = Exchange::default();
            sessions.assign(&about, &mut row, Some(&headers), &mut issues);
            (row.session, row.seq)
        };
        let last = SESSIONS_MAX as u64 - 1;
        assert_eq!(["a", "b", "c", "a"].map(&mut session_of), [(last, 0), (last + 1, 0), (last + 1, 1), (last, 1)]);
        assert_eq!(issues.count("sessions-limit"), 2);
    }
}
