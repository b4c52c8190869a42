//! Masks secrets before anything is written.
//!
//! Looked at are headers, the target (user information, query), and bodies that are JSON or a form; of databases, SQL texts, the values
//! bound to their parameters, columns of answers, members of documents and fields of hashes. What counts as secret is decided by name. A masked value becomes a pseudonym made with a key, so equal values stay equal and the values cannot be had back without the
//! key. Schemes, cookie names and everything around a value stay, and a body that changes its length gets the right `Content-Length`.
//! Not looked into are bodies with a content coding and multipart forms.

mod json;
mod mongodb;
mod names;
mod redis;
mod rows;
mod sql;

use std::collections::{BTreeMap, HashMap};
use std::hash::Hasher;

use bytes::Bytes;
use foldhash::fast::RandomState;
use siphasher::sip128::{Hasher128, SipHasher24};
use trace::{Exchange, Flag, Header, Redaction};

use names::{is_secret_header, is_secret_member, is_secret_parameter};

/// What is masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// Everything that is known to be secret by its name.
    #[default]
    Default,
    /// Nothing: only by explicit wish.
    Off,
}

impl Policy {
    /// The name written to the trace.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Off => "off",
        }
    }

    /// The policy with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Default, Self::Off].into_iter().find(|policy| policy.as_str() == name)
    }
}

/// Masks exchanges and counts what it masked.
#[derive(Debug)]
pub struct Redactor {
    policy: Policy,
    mask: Mask,
}

/// Masks a row of one protocol, but for its headers; whether there was anything to mask.
type MaskRow = fn(&mut Mask, &mut Exchange) -> bool;

/// The protocols whose messages hold names and values in a way of their own.
const DATABASES: &[(&str, MaskRow)] =
    &[("mysql", sql::of_mysql), ("postgres", sql::of_postgres), ("redis", redis::mask), ("mongodb", mongodb::mask)];

/// Names of headers whose treatment is remembered; that of others is found each time.
const HEADER_NAMES_MAX: usize = 4096;

/// What is done with the value of a header.
#[derive(Debug, Clone, Copy)]
enum Treatment {
    Nothing,
    Secret,
    Cookies,
    /// One cookie and its attributes.
    SetCookie,
    Credentials,
    Url,
}

impl Treatment {
    fn of(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "cookie" => Self::Cookies,
            "set-cookie" => Self::SetCookie,
            "authorization" | "proxy-authorization" => Self::Credentials,
            "referer" | "location" | "content-location" => Self::Url,
            name if is_secret_header(name) => Self::Secret,
            _ => Self::Nothing,
        }
    }
}

/// Makes pseudonyms and counts them by kind of place.
#[derive(Debug)]
struct Mask {
    key: u128,
    masked: BTreeMap<&'static str, u64>,
    treatments: HashMap<Box<str>, Treatment, RandomState>,
}

impl Mask {
    fn new(key: u128) -> Self {
        Self { key, masked: BTreeMap::new(), treatments: HashMap::default() }
    }

    /// The pseudonym of a value: SipHash-2-4 with 128 bits of key and result (Aumasson and Bernstein 2012), a pseudorandom function.
    fn pseudonym(&mut self, kind: &'static str, value: &[u8]) -> String {
        *self.masked.entry(kind).or_default() += 1;
        let mut hasher = SipHasher24::new_with_key(&self.key.to_le_bytes());
        hasher.write(value);
        format!("redacted-{:032x}", hasher.finish128().as_u128())
    }
}

impl Redactor {
    /// A redactor; the same key gives the same pseudonyms.
    #[must_use]
    pub fn new(policy: Policy, key: u128) -> Self {
        Self { policy, mask: Mask::new(key) }
    }

    /// What was masked, for the footer of the trace.
    #[must_use]
    pub fn account(&self) -> Redaction {
        let masked = self.mask.masked.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect();
        Redaction { policy: self.policy.as_str().to_owned(), masked }
    }

    /// Masks the secrets of one exchange and flags it if there were any.
    pub fn redact(&mut self, exchange: &mut Exchange) {
        if self.policy == Policy::Off {
            return;
        }
        if let Some((_, mask)) = DATABASES.iter().find(|(name, _)| *name == &*exchange.protocol) {
            let changed = mask(&mut self.mask, exchange);
            let yielded = self.mask.yields(exchange);
            if self.headers(exchange.headers.as_deref_mut().unwrap_or_default()) || changed || yielded {
                exchange.flags.set(Flag::Redacted);
            }
            return;
        }
        let form = is_form(exchange.headers.as_deref().unwrap_or_default());
        let mut changed = self.headers(exchange.headers.as_deref_mut().unwrap_or_default());
        changed |= self.mask.yields(exchange);
        if let Some(target) = self.mask.url(exchange.target.as_bytes()) {
            exchange.target = String::from_utf8_lossy(&target).into();
            changed = true;
        }
        if let Some(body) = exchange.request.as_ref().and_then(|body| self.mask.body(body, form)) {
            set_content_length(exchange.headers.as_deref_mut().unwrap_or_default(), body.len());
            exchange.request = Some(Bytes::from(body));
            changed = true;
        }
        if let Some(body) = exchange.response.as_ref().and_then(|body| self.mask.body(body, false)) {
            exchange.response = Some(Bytes::from(body));
            changed = true;
        }
        if changed {
            exchange.flags.set(Flag::Redacted);
        }
    }

    fn headers(&mut self, headers: &mut [Header]) -> bool {
        let mut changed = false;
        for header in headers {
            if let Some(value) = self.mask.header(&header.name, &header.value) {
                header.value = Bytes::from(value);
                changed = true;
            }
        }
        changed
    }
}

impl Mask {
    /// Masks what later requests may carry, of a JSON text, and has a secret name.
    fn yields(&mut self, exchange: &mut Exchange) -> bool {
        let secret =
            exchange.yields.iter_mut().filter(|found| found.name.starts_with('/') && is_secret_member(found.name.as_bytes()));
        secret.map(|found| found.value = self.pseudonym("yields", found.value.as_bytes()).into()).count() > 0
    }

    fn header(&mut self, name: &str, value: &[u8]) -> Option<Vec<u8>> {
        if value.is_empty() {
            return None;
        }
        match self.treatment(name) {
            Treatment::Nothing => None,
            Treatment::Secret => Some(self.pseudonym("header", value).into_bytes()),
            Treatment::Cookies => Some(self.cookies(value, usize::MAX)),
            Treatment::SetCookie => Some(self.cookies(value, 1)),
            Treatment::Credentials => Some(self.credentials(value)),
            Treatment::Url => self.url(value),
        }
    }

    fn treatment(&mut self, name: &str) -> Treatment {
        if let Some(known) = self.treatments.get(name) {
            return *known;
        }
        let treatment = Treatment::of(name);
        if self.treatments.len() < HEADER_NAMES_MAX {
            self.treatments.insert(name.into(), treatment);
        }
        treatment
    }

    /// The scheme stays, what follows it does not (RFC 9110 §11.4).
    fn credentials(&mut self, value: &[u8]) -> Vec<u8> {
        let scheme = value.iter().position(|byte| *byte == b' ').map_or(0, |space| space + 1);
        let (scheme, secret) = value.split_at(scheme);
        [scheme, self.pseudonym("header", secret.trim_ascii()).as_bytes()].concat()
    }

    /// `name=value; name=value`: the values of the first `count` pairs are masked (RFC 6265 §4).
    fn cookies(&mut self, value: &[u8], count: usize) -> Vec<u8> {
        self.pairs(value, b';', "cookie", |index, _| index < count)
    }

    /// Masks the values of the `name=value` pairs that are chosen by place and name; a pair without a name is all value.
    fn pairs(&mut self, text: &[u8], separator: u8, kind: &'static str, chosen: impl Fn(usize, &[u8]) -> bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() + 64);
        for (index, pair) in text.split(|byte| *byte == separator).enumerate() {
            if index > 0 {
                out.push(separator);
            }
            let start = pair.iter().position(|byte| *byte == b'=').map_or(0, |equals| equals + 1);
            let (name, value) = pair.split_at(start);
            if chosen(index, name.strip_suffix(b"=").unwrap_or_default().trim_ascii()) && !value.trim_ascii().is_empty() {
                let indent = if start == 0 { value.len() - value.trim_ascii_start().len() } else { 0 };
                out.extend_from_slice(name);
                out.extend_from_slice(&value[..indent]);
                out.extend_from_slice(self.pseudonym(kind, value.trim_ascii()).as_bytes());
            } else {
                out.extend_from_slice(pair);
            }
        }
        out
    }

    /// Masks user information and secret parameters of a URL or of a path with query; `None` where there is nothing to mask.
    fn url(&mut self, url: &[u8]) -> Option<Vec<u8>> {
        let query = url.iter().position(|byte| *byte == b'?').map_or(url.len(), |mark| mark + 1);
        let (front, query) = url.split_at(query);
        let front_masked = self.userinfo(front);
        let secret = |pair: &[u8]| pair.split(|byte| *byte == b'=').next().is_some_and(is_secret_parameter);
        let any_secret = query.split(|byte| *byte == b'&').any(secret);
        let query_masked = any_secret.then(|| self.parameters(query, "query")).filter(|masked| masked != query);
        if front_masked.is_none() && query_masked.is_none() {
            return None;
        }
        Some([front_masked.as_deref().unwrap_or(front), query_masked.as_deref().unwrap_or(query)].concat())
    }

    fn parameters(&mut self, text: &[u8], kind: &'static str) -> Vec<u8> {
        self.pairs(text, b'&', kind, |_, name| is_secret_parameter(name))
    }

    /// `scheme://user:password@host` (RFC 3986 §3.2.1).
    fn userinfo(&mut self, front: &[u8]) -> Option<Vec<u8>> {
        memchr::memchr(b'@', front)?;
        let start = memchr::memmem::find(front, b"://")? + 3;
        let authority = front[start..].split(|byte| matches!(byte, b'/' | b'?')).next()?;
        let end = start + authority.iter().rposition(|byte| *byte == b'@')?;
        let pseudonym = self.pseudonym("userinfo", &front[start..end]);
        Some([&front[..start], pseudonym.as_bytes(), &front[end..]].concat())
    }

    /// Masks a body that is JSON or a form; `None` where there is nothing to mask.
    fn body(&mut self, body: &[u8], form: bool) -> Option<Vec<u8>> {
        if form {
            let masked = self.parameters(body, "form");
            return (masked != body).then_some(masked);
        }
        self.json("json", body)
    }

    /// Masks a text that is JSON; `None` where there is nothing to mask.
    fn json(&mut self, kind: &'static str, text: &[u8]) -> Option<Vec<u8>> {
        let looks_like_json = matches!(text.trim_ascii_start().first(), Some(b'{' | b'['));
        looks_like_json.then(|| json::mask(text, is_secret_member, |value| self.pseudonym(kind, value))).flatten()
    }
}

fn is_form(headers: &[Header]) -> bool {
    headers.iter().any(|header| {
        let start = header.value.get(..FORM.len()).unwrap_or_default();
        header.name.eq_ignore_ascii_case("content-type") && start.eq_ignore_ascii_case(FORM.as_bytes())
    })
}

const FORM: &str = "application/x-www-form-urlencoded";

fn set_content_length(headers: &mut [Header], bytes: usize) {
    for header in headers.iter_mut().filter(|header| header.name.eq_ignore_ascii_case("content-length")) {
        header.value = Bytes::from(bytes.to_string());
    }
}

#[cfg(test)]
mod tests;
