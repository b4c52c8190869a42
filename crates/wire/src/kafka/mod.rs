//! Apache Kafka's protocol (kafka.apache.org, "A guide to the Kafka protocol"): requests and answers that begin with their length, matched
//! by correlation id. What is in a message is told by the layouts of [`API`]s, field by field, as far as it is asked for.
//!
//! ```
//! use wire::kafka::{Found, RequestHead, push_request};
//! let mut message = Vec::new();
//! // Metadata of version 1: an array of one topic.
//! push_request(3, 1, 7, Some("me"), b"\0\0\0\x01\0\x04news", &mut message);
//! let head = RequestHead::parse(&message).expect("it is whole");
//! assert_eq!((head.api, head.version, head.correlation), (3, 1, 7));
//! let mut topics = Vec::new();
//! head.read(|found| if let Found::Topic(topic) = found { topics.push(topic) });
//! assert_eq!(topics, ["news"]);
//! ```

mod api;
mod layout;

pub use api::{API, Api, api, error_name};
use layout::Cursor;
pub use layout::Found;

use crate::Side;
use crate::length::{Layout, LengthFraming};

/// Bytes of one message, as brokers limit requests by default (`socket.request.max.bytes`) and answers to less (`fetch.max.bytes`).
pub const MESSAGE_BYTES_MAX: u32 = 100 << 20;
/// Versions that there may be.
const VERSION_MAX: i16 = 20;
/// Bytes of a client's name that are plausible where the start of a request is looked for.
const CLIENT_BYTES_MAX: i16 = 256;

/// Finds where the messages of one side end.
#[must_use]
pub fn framing(side: Side) -> LengthFraming {
    LengthFraming::new(match side {
        Side::Client => Layout {
            big_endian: true,
            counts_itself: 0,
            min_bytes: 0,
            max_bytes: MESSAGE_BYTES_MAX,
            head_bytes: 10,
            may_begin: may_be_request,
            chained: false,
        },
        Side::Server => Layout {
            big_endian: true,
            counts_itself: 0,
            min_bytes: 0,
            max_bytes: MESSAGE_BYTES_MAX,
            head_bytes: 4,
            may_begin: |_, _| true,
            chained: true,
        },
    })
}

/// Whether a request may have such a head: a known number and version, and a client's name that is not too long.
fn may_be_request(head: &[u8], body_bytes: u32) -> bool {
    let mut cursor = Cursor::new(head, false);
    let (kind, version, _, client) = (cursor.i16(), cursor.i16(), cursor.i32(), cursor.i16());
    kind.is_some_and(|kind| api(kind).is_some())
        && version.is_some_and(|version| (0..=VERSION_MAX).contains(&version))
        && client.is_some_and(|bytes| (-1..=CLIENT_BYTES_MAX).contains(&bytes) && 10 + i64::from(bytes) <= body_bytes.into())
}

/// What a request begins with.
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'a> {
    /// Number of the request's kind.
    pub api: i16,
    /// Version of that kind.
    pub version: i16,
    /// What the answer carries too.
    pub correlation: i32,
    /// The client's name.
    pub client: Option<&'a str>,
    /// What follows, as far as it was kept.
    body: &'a [u8],
}

impl<'a> RequestHead<'a> {
    /// Reads the head of a message, with its length; `None` where it is not whole.
    #[must_use]
    pub fn parse(message: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(message.get(4..)?, false);
        let (api, version, correlation) = (cursor.i16()?, cursor.i16()?, cursor.i32()?);
        // The name is written the old way in all versions; not all old versions have one.
        let client = cursor.text().flatten();
        if api::is_flexible(api, version) {
            cursor.flexible = true;
            cursor.tags();
        }
        Some(Self { api, version, correlation, client, body: cursor.rest() })
    }

    /// Tells what is in the body, in order.
    pub fn read(&self, found: impl FnMut(Found<'a>)) {
        let layout = api(self.api).map_or(&[][..], |api| api.request);
        layout::read(layout, self.version, Cursor::new(self.body, api::is_flexible(self.api, self.version)), found);
    }
}

/// The correlation id of an answer, with its length.
#[must_use]
pub fn correlation(answer: &[u8]) -> Option<i32> {
    Cursor::new(answer.get(4..)?, false).i32()
}

/// Tells what is in an answer to a request of this kind and version, in order.
pub fn read_answer<'a>(kind: i16, version: i16, answer: &'a [u8], found: impl FnMut(Found<'a>)) {
    let flexible = api::is_flexible(kind, version);
    let mut cursor = Cursor::new(answer.get(8..).unwrap_or_default(), flexible);
    // A client that asks for the versions cannot know how the answer's head is written.
    if flexible && kind != api::API_VERSIONS {
        cursor.tags();
    }
    layout::read(api(kind).map_or(&[][..], |api| api.answer), version, cursor, found);
}

/// Writes a request: its body is written as its version wants it.
pub fn push_request(kind: i16, version: i16, correlation: i32, client: Option<&str>, body: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&correlation.to_be_bytes());
    let name = client.unwrap_or_default();
    out.extend_from_slice(&client.map_or(-1, |name| name.len() as i16).to_be_bytes());
    out.extend_from_slice(name.as_bytes());
    if api::is_flexible(kind, version) {
        out.push(0);
    }
    out.extend_from_slice(body);
    set_length(start, out);
}

/// Writes the answer to a request of this kind and version.
pub fn push_answer(kind: i16, version: i16, correlation: i32, body: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&correlation.to_be_bytes());
    if api::is_flexible(kind, version) && kind != api::API_VERSIONS {
        out.push(0);
    }
    out.extend_from_slice(body);
    set_length(start, out);
}

fn set_length(start: usize, out: &mut [u8]) {
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}
