//! How gRPC calls are grouped that no rule names: by service and method, and by collection where a known vector database is called.
//!
//! Messages are protocol buffers, whose fields have numbers and no names: without the service's description only the collection's name,
//! at a number that its description fixes, is looked for. How many vectors or rows a message holds is not known.

use std::borrow::Cow;

use super::{Classified, HttpRequest, NAME_CHARS_MAX, cut};
use crate::Effect;

/// A service whose messages are known as far as this goes.
struct Service {
    name: &'static str,
    /// The number of the field that names the collection.
    collection: u64,
    /// First words of the methods that change structure or settings.
    admin: &'static [&'static str],
}

const SERVICES: &[Service] = &[
    Service { name: "qdrant.Points", collection: 1, admin: &["CreateFieldIndex", "DeleteFieldIndex"] },
    Service { name: "qdrant.Collections", collection: 1, admin: &["Create", "Update", "Delete"] },
    Service {
        name: "milvus.proto.milvus.MilvusService",
        collection: 3,
        admin: &["Create", "Drop", "Alter", "Load", "Release", "Rename", "Flush", "Manual"],
    },
];
/// Services that keep a connection going or describe others.
const CONTROL: &[&str] = &["grpc.health.", "grpc.reflection."];
/// First words of methods that change nothing. Any other method may write.
const READS: &[&str] = &[
    "Get",
    "List",
    "Search",
    "Query",
    "Describe",
    "Has",
    "Show",
    "Count",
    "Scroll",
    "Read",
    "Watch",
    "Check",
    "Find",
    "Fetch",
    "Recommend",
    "Discover",
    "Is",
    "Exists",
    "Lookup",
    "Facet",
    "Hybrid",
    "Collection",
];
/// Bytes of the prefix of a message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// What a call is; `None` where the request is none.
pub(super) fn classify<'a>(request: &HttpRequest<'a>, segments: &[&'a str]) -> Option<Classified<'a>> {
    let content_type = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-type"))?;
    let (method, service) = segments.split_last().filter(|_| content_type.value.starts_with(b"application/grpc"))?;
    let service = match service {
        [] => return None,
        [one] => Cow::Borrowed(*one),
        many => Cow::Owned(many.join("/")),
    };
    let known = SERVICES.iter().find(|known| known.name == service);
    let collection = known.and_then(|known| text_field(first_message(request.body)?, known.collection));
    let effect = effect(known, &service, method);
    let operation = cut(format!("{service}/{method}").into());
    let collection = cut(collection.map_or(service, Cow::Borrowed));
    Some(Classified { collection, operation, effect, items: u32::from(!request.body.is_empty()), rule: None })
}

/// Whether a method of this name changes nothing.
pub(super) fn is_read(method: &str) -> bool {
    READS.iter().any(|word| begins_with_word(method, word))
}

fn effect(known: Option<&Service>, service: &str, method: &str) -> Effect {
    let begins = |words: &[&str]| words.iter().any(|word| begins_with_word(method, word));
    if CONTROL.iter().any(|control| service.starts_with(control)) {
        Effect::Control
    } else if known.is_some_and(|known| begins(known.admin)) {
        Effect::Admin
    } else if is_read(method) {
        Effect::Read
    } else {
        Effect::Write
    }
}

/// Whether `GetThing`, `getThing` or `get_thing` begins with `Get`; `Getaway` does not.
fn begins_with_word(method: &str, word: &str) -> bool {
    let Some((front, rest)) = method.split_at_checked(word.len()) else { return false };
    front.eq_ignore_ascii_case(word) && !rest.starts_with(|next: char| next.is_ascii_lowercase())
}

/// The first message of a body, as far as it is there; `None` where it is compressed.
fn first_message(body: &[u8]) -> Option<&[u8]> {
    let (prefix, message) = body.split_at_checked(PREFIX_BYTES)?;
    let length = u32::from_be_bytes(*prefix.last_chunk()?);
    (prefix[0] == 0).then(|| &message[..message.len().min(length as usize)])
}

/// The text of the first field of this number (protobuf.dev, "Encoding").
fn text_field(mut message: &[u8], number: u64) -> Option<&str> {
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let length = match tag & 7 {
            0 => varint(&mut message).map(|_| 0)?,
            1 => 8,
            2 => usize::try_from(varint(&mut message)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let (field, rest) = message.split_at_checked(length)?;
        if tag >> 3 == number && tag & 7 == 2 {
            let text = std::str::from_utf8(field).ok()?;
            let is_name = !text.is_empty() && text.len() <= NAME_CHARS_MAX && !text.contains(char::is_control);
            return is_name.then_some(text);
        }
        message = rest;
    }
    None
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for place in 0..10 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::Rules;
    use super::*;
    use crate::Header;

    #[track_caller]
    fn check(target: &str, message: &[u8], collection: &str, operation: &str, effect: Effect) {
        let headers = [Header { name: "content-type".into(), value: b"application/grpc+proto"[..].into() }];
        let body = [&[0][..], &(message.len() as u32).to_be_bytes(), message].concat();
        let request = HttpRequest { method: "POST", target, headers: &headers, body: &body };
        let rules = Rules::builtin();
        let class = rules.classify(&request);
        assert_eq!((&*class.collection, &*class.operation, class.effect, class.items), (collection, operation, effect, 1));
    }

    #[test]
    fn calls_are_grouped_by_service_and_method() {
        let orders = "shop.v1.Orders";
        check("/shop.v1.Orders/GetOrder", b"\x0a\x01x", orders, "shop.v1.Orders/GetOrder", Effect::Read);
        check("/shop.v1.Orders/list_orders", b"", orders, "shop.v1.Orders/list_orders", Effect::Read);
        check("/shop.v1.Orders/Getaway", b"", orders, "shop.v1.Orders/Getaway", Effect::Write);
        check("/shop.v1.Orders/CreateOrder", b"", orders, "shop.v1.Orders/CreateOrder", Effect::Write);
        check("/grpc.health.v1.Health/Check", b"", "grpc.health.v1.Health", "grpc.health.v1.Health/Check", Effect::Control);
    }

    /// `SearchPoints.collection_name` is field 1 of Qdrant's description, `SearchRequest.collection_name` field 3 of Milvus'.
    #[test]
    fn collections_of_vector_databases_are_found() {
        check("/qdrant.Points/Search", b"\x0a\x04docs\x12\x04\0\0\x80\x3f", "docs", "qdrant.Points/Search", Effect::Read);
        check("/qdrant.Points/Upsert", b"\x0a\x04docs\x10\x01", "docs", "qdrant.Points/Upsert", Effect::Write);
        check("/qdrant.Collections/Create", b"\x0a\x04docs", "docs", "qdrant.Collections/Create", Effect::Admin);
        check("/qdrant.Collections/List", b"", "qdrant.Collections", "qdrant.Collections/List", Effect::Read);
        let milvus = "milvus.proto.milvus.MilvusService";
        let message = b"\x0a\x02\x08\x01\x12\x02db\x1a\x05books";
        check(&format!("/{milvus}/Search"), message, "books", &format!("{milvus}/Search"), Effect::Read);
        check(&format!("/{milvus}/CreateIndex"), message, "books", &format!("{milvus}/CreateIndex"), Effect::Admin);
        for odd in [&b"\x0a\xff"[..], b"\x0a\x02\x01\x02", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"\x0f"] {
            check("/qdrant.Points/Search", odd, "qdrant.Points", "qdrant.Points/Search", Effect::Read);
        }
    }
}
