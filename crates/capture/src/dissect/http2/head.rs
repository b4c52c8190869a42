//! Header fields of HTTP/2 as a row holds them: as HTTP/1 would send them (RFC 9113 §8.3, §8.2.3).

use bytes::Bytes;
use trace::{Exchange, Header, Names, TraceNs, escape_text};
use wire::grpc;
use wire::hpack::Fields;

use crate::dissect::header;

/// The head of a request.
pub(super) struct RequestHead {
    /// Empty where it is not known.
    pub method: Box<str>,
    /// Empty where it is not known, and the authority for a CONNECT.
    pub target: Box<str>,
    /// `host` from `:authority` first; crumbs of cookies joined; fields without a known name left out.
    pub headers: Vec<Header>,
    /// A method, target or name had to be escaped.
    pub escaped: bool,
    /// Another protocol in a stream (RFC 8441), which has no equal in HTTP/1; empty where there is none.
    pub protocol: Box<str>,
    /// A gRPC call.
    pub is_call: bool,
}

/// Reads the head of a request.
pub(super) fn request(fields: Fields, names: &mut Names) -> RequestHead {
    let is_call = fields.get(b"content-type").is_some_and(grpc::is_call);
    let mut head = RequestHead {
        method: Box::default(),
        target: Box::default(),
        headers: Vec::with_capacity(fields.places.len()),
        escaped: false,
        protocol: Box::default(),
        is_call,
    };
    let mut start = 0;
    let text = Bytes::from(fields.text);
    for place in fields.places {
        let (name, value) = (&text[start..place.name_end], text.slice(place.name_end..place.value_end));
        start = place.value_end;
        head.take(name, value, names);
    }
    if head.target.is_empty() && &*head.method == "CONNECT" {
        let host = head.headers.iter().find(|header| &*header.name == "host");
        head.target = host.map(|host| escape_text(&host.value).0).unwrap_or_default();
    }
    head
}

impl RequestHead {
    fn take(&mut self, name: &[u8], value: Bytes, names: &mut Names) {
        match name {
            b":method" => self.method = self.text(&value),
            b":path" => self.target = self.text(&value),
            b":authority" => self.headers.insert(0, Header { name: "host".into(), value }),
            b":protocol" => self.protocol = self.text(&value),
            b"" | [b':', ..] => {}
            b"cookie" => self.cookie(value),
            _ => {
                let (name, escaped) = names.escaped(name);
                self.escaped |= escaped;
                self.headers.push(Header { name, value });
            }
        }
    }

    fn text(&mut self, bytes: &[u8]) -> Box<str> {
        let (text, escaped) = escape_text(bytes);
        self.escaped |= escaped;
        text
    }

    fn cookie(&mut self, value: Bytes) {
        match self.headers.iter_mut().find(|header| &*header.name == "cookie") {
            Some(cookies) => cookies.value = [&cookies.value[..], b"; ", &value].concat().into(),
            None => self.headers.push(Header { name: "cookie".into(), value }),
        }
    }
}

/// Whether the time that a call was given (`grpc-timeout`: up to eight digits and a unit; gRPC over HTTP2, "Requests") was over, or nearly:
/// it began before the first byte was sent.
pub(super) fn deadline_passed(row: &Exchange, at: TraceNs) -> bool {
    const UNITS: &[(u8, i64)] =
        &[(b'H', 3_600_000_000_000), (b'M', 60_000_000_000), (b'S', 1_000_000_000), (b'm', 1_000_000), (b'u', 1000), (b'n', 1)];
    let given = |value: &[u8]| {
        let (unit, digits) = value.split_last().filter(|(_, digits)| digits.len() <= 8)?;
        let (_, unit_ns) = UNITS.iter().find(|(known, _)| known == unit)?;
        Some(std::str::from_utf8(digits).ok()?.parse::<i64>().ok()? * unit_ns)
    };
    let timeout_ns = header(row.headers.as_deref().unwrap_or_default(), "grpc-timeout").and_then(given);
    timeout_ns.is_some_and(|timeout_ns| at - row.at >= timeout_ns / 10 * 9)
}

/// The number in a field of digits, such as `:status` and `grpc-status`; `None` where it is not there or not known.
pub(super) fn number(fields: &Fields, name: &[u8]) -> Option<u16> {
    std::str::from_utf8(fields.get(name)?).ok()?.parse().ok()
}
