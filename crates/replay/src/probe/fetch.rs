//! Fetching a page again and again, over a connection that stays.

use std::time::Duration;

use reqwest::{Client, Url};
use tokio::runtime::Runtime;

use super::Setup;
use crate::driver::https::{client, reason, runtime};
use crate::limits::PROBE_BODY_BYTES_MAX;

/// A page, and how to get it.
pub(super) struct Page {
    runtime: Runtime,
    client: Client,
    url: Url,
    timeout: Duration,
    /// Name and value, sent to the run's own targets only.
    headers: Vec<(String, String)>,
}

impl Page {
    /// Looks at the URL; fetches nothing yet.
    pub fn new(url: &str, setup: &Setup<'_>) -> Result<Self, String> {
        let parsed = Url::parse(url).map_err(|e| format!("not a URL ({e})"))?;
        if !["http", "https"].contains(&parsed.scheme()) || parsed.host_str().is_none() {
            return Err("a URL of http:// or https:// was wanted".to_owned());
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err("credentials do not belong into a URL; --header goes to the run's targets only".to_owned());
        }
        let origin = parsed.origin().ascii_serialization();
        let own = setup.targets.list().iter().any(|target| target.origin == origin);
        let pair = |header: &crate::preflight::Header| (header.0.name().to_owned(), header.0.value().to_owned());
        Ok(Self {
            runtime: runtime().map_err(|e| format!("no runtime can be started ({e})"))?,
            client: client(setup.timeout).map_err(|e| e.to_string())?,
            url: parsed,
            timeout: setup.timeout,
            headers: setup.added.iter().filter(|_| own).map(pair).collect(),
        })
    }

    /// The page as it is now, at most [`PROBE_BODY_BYTES_MAX`] bytes of it.
    pub fn get(&self) -> Result<Vec<u8>, String> {
        self.runtime.block_on(self.fetch())
    }

    async fn fetch(&self) -> Result<Vec<u8>, String> {
        let failed = |e: reqwest::Error| {
            if e.is_timeout() { format!("no answer within {} ms", self.timeout.as_millis()) } else { reason(&e) }
        };
        let request = self.client.get(self.url.clone()).timeout(self.timeout);
        let request = self.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let mut answer = request.send().await.map_err(failed)?;
        if !answer.status().is_success() {
            return Err(format!("it answers {}", answer.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > PROBE_BODY_BYTES_MAX {
                return Err(format!("its page is larger than {} MiB", PROBE_BODY_BYTES_MAX >> 20));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}
