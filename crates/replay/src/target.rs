//! Where requests go: one target for all, or one a collection, never the recorded address by itself.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use trace::whole_ns;

use crate::clock::{Clock, pause};
use crate::stop::Stop;
use crate::{Error, Result};

/// How a target is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Cleartext HTTP/1.1.
    Http,
    /// HTTP/1.1 over TLS.
    Https,
}

/// A server that requests are sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// Name or address, without brackets.
    pub host: String,
    /// `host:port`, without the port where it is the scheme's own: the `Host` header.
    pub authority: String,
    /// `scheme://authority`, as it stands in outcomes.
    pub origin: String,
    /// Put before every recorded path; empty or `/…` without a slash at its end.
    pub base_path: String,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Target {
    /// Reads `http://host[:port][/path]` and looks the host up.
    ///
    /// # Errors
    /// [`Error::Target`] when it is no such URL or the host has no address.
    pub fn parse(url: &str) -> Result<Self> {
        let whole = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let parsed = reqwest::Url::parse(&whole).map_err(|e| Error::target(url, format!("not a URL ({e})")))?;
        let scheme = match parsed.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            other => return Err(Error::target(url, format!("`{other}` is not spoken here, use http:// or https://"))),
        };
        if !parsed.username().is_empty() || parsed.password().is_some() {
            let reason = "credentials do not belong into a URL, use --header 'Authorization: $NAME'";
            return Err(Error::Target { url: parsed.host_str().unwrap_or_default().to_owned(), reason: reason.to_owned() });
        }
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(Error::target(url, "a target ends with its path; queries come from the trace"));
        }
        let host = parsed.host_str().ok_or_else(|| Error::target(url, "it names no host"))?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let authority = parsed.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Ok(Self {
            scheme,
            origin: format!("{}://{authority}", parsed.scheme()),
            base_path: parsed.path().trim_end_matches('/').to_owned(),
            address: look_up(url, bare, parsed.port_or_known_default().unwrap_or(80))?,
            authority,
            host: bare.to_owned(),
        })
    }
}

/// IPv4 first, since a server on `localhost` that listens on one family only nearly always means that one.
fn look_up(url: &str, host: &str, port: u16) -> Result<SocketAddr> {
    let found = (host, port).to_socket_addrs().map_err(|e| Error::target(url, format!("its name cannot be resolved ({e})")))?;
    found.min_by_key(SocketAddr::is_ipv6).ok_or_else(|| Error::target(url, "its name has no address"))
}

/// The targets of a replay. Their number in [`Targets::list`] stands for them everywhere else.
#[derive(Debug, Clone)]
pub struct Targets {
    list: Vec<Target>,
    by_collection: BTreeMap<String, usize>,
    default: Option<usize>,
}

impl Targets {
    /// One target for every collection that `map` does not name.
    ///
    /// # Errors
    /// [`Error::Target`] as [`Target::parse`]; [`Error::Option`] when there is no target at all.
    pub fn new(default: Option<&str>, map: &[(String, String)]) -> Result<Self> {
        let mut targets = Self { list: Vec::new(), by_collection: BTreeMap::new(), default: None };
        targets.default = default.map(|url| targets.add(url)).transpose()?;
        for (collection, url) in map {
            let index = targets.add(url)?;
            targets.by_collection.insert(collection.clone(), index);
        }
        if targets.list.is_empty() {
            return Err(Error::option("--target", "name the server to send to, for example --target http://127.0.0.1:6333"));
        }
        Ok(targets)
    }

    fn add(&mut self, url: &str) -> Result<usize> {
        let target = Target::parse(url)?;
        if let Some(index) = self.list.iter().position(|known| *known == target) {
            return Ok(index);
        }
        self.list.push(target);
        Ok(self.list.len() - 1)
    }

    /// All of them.
    #[must_use]
    pub fn list(&self) -> &[Target] {
        &self.list
    }

    /// Where requests for `collection` go; `None` where only other collections have a target.
    #[must_use]
    pub fn of(&self, collection: &str) -> Option<usize> {
        self.by_collection.get(collection).copied().or(self.default)
    }

    /// Collection → URL for `run.json`; `*` is every other.
    #[must_use]
    pub fn describe(&self) -> BTreeMap<String, String> {
        let url = |index: usize| format!("{}{}", self.list[index].origin, self.list[index].base_path);
        let named = self.by_collection.iter().map(|(collection, index)| (collection.clone(), url(*index)));
        named.chain(self.default.map(|index| ("*".to_owned(), url(index)))).collect()
    }

    /// Connects to every target once.
    ///
    /// # Errors
    /// [`Error::Target`] for the first that takes no connection.
    pub fn reachable(&self) -> Result<()> {
        for target in &self.list {
            std::net::TcpStream::connect_timeout(&target.address, READY_TIMEOUT).map_err(|e| {
                Error::target(
                    &target.origin,
                    format!("it takes no connections ({e}); is it running? --wait-ready 60s waits for it"),
                )
            })?;
        }
        Ok(())
    }

    /// Waits until every target answers HTTP with anything below 500, or it is to `stop`.
    ///
    /// # Errors
    /// [`Error::Target`] for the first that does not within `patience`, with its last word.
    pub fn wait_ready(&self, patience: Duration, stop: &Stop) -> Result<()> {
        let runtime = crate::driver::https::runtime().map_err(|e| Error::io("start", "a runtime".as_ref(), e))?;
        let client = crate::driver::https::client(READY_TIMEOUT)?;
        let clock = Clock::starting_in(0);
        let give_up_ns = whole_ns(patience);
        for target in &self.list {
            let url = format!("{}{}/", target.origin, target.base_path);
            while let Err(reason) = runtime.block_on(answers(&client, &url)) {
                if stop.asked() {
                    return Err(Error::target(&url, format!("not ready yet, and no longer waited for: {reason}")));
                }
                if clock.now().ns() >= give_up_ns {
                    return Err(Error::target(&url, format!("not ready after {} s: {reason}", patience.as_secs_f64())));
                }
                pause(READY_PAUSE);
            }
        }
        Ok(())
    }
}

/// Between two looks whether a target is ready.
const READY_PAUSE: Duration = Duration::from_millis(100);
/// How long one such look may take.
const READY_TIMEOUT: Duration = Duration::from_secs(5);

async fn answers(client: &reqwest::Client, url: &str) -> std::result::Result<(), String> {
    match client.get(url).send().await {
        Ok(answer) if answer.status().is_server_error() => Err(format!("it answers {}", answer.status())),
        Ok(_) => Ok(()),
        Err(error) => Err(crate::driver::https::reason(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let target = Target::parse("http://127.0.0.1:6333/base/").unwrap();
        assert_eq!(target.authority, "127.0.0.1:6333");
        assert_eq!(target.origin, "http://127.0.0.1:6333");
        assert_eq!(target.base_path, "/base");
        assert_eq!(target.address, "127.0.0.1:6333".parse().unwrap());
        assert_eq!(Target::parse("127.0.0.1:80").unwrap().authority, "127.0.0.1");
        assert_eq!(Target::parse("https://[::1]").unwrap().address, "[::1]:443".parse().unwrap());
    }

    #[test]
    fn what_is_no_target_is_refused_with_a_reason() {
        for (url, word) in [
            ("ftp://127.0.0.1", "ftp"),
            ("http://", "not a URL"),
            ("http://127.0.0.1/?a=b", "queries"),
            ("http://user:secret@127.0.0.1/", "--header"),
            ("http://no-such-host.invalid/", "resolved"),
        ] {
            let error = Target::parse(url).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn collections_have_their_own_target_and_equal_ones_are_one() {
        let map = [("a".to_owned(), "127.0.0.1:1".to_owned()), ("b".to_owned(), "http://127.0.0.1:2".to_owned())];
        let targets = Targets::new(Some("http://127.0.0.1:1"), &map).unwrap();
        assert_eq!(targets.list().len(), 2);
        assert_eq!((targets.of("a"), targets.of("b"), targets.of("c")), (Some(0), Some(1), Some(0)));
        assert_eq!(Targets::new(None, &map).unwrap().of("c"), None);
        assert!(Targets::new(None, &[]).unwrap_err().to_string().contains("--target"));
    }
}
