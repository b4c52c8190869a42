//! How gRPC calls are grouped that no rule names: by service and method, and by collection where a known vector database is called.
//!
//! Messages are protocol buffers, whose fields have numbers and no names: without the service's description only the collection's name,
//! at a number that its description fixes, is looked for; of Milvus also how many rows or vectors there are, and whether the answer tells
//! of a failure, which it does under a good status.

use std::borrow::Cow;
use std::io::Read;

use super::{Classified, HttpRequest, NAME_CHARS_MAX, cut};
use crate::Effect;

/// A service whose messages are known as far as this goes.
struct Service {
    name: &'static str,
    /// The number of the field that names the collection, and methods in which it is another.
    collection: u64,
    collections: &'static [(&'static str, u64)],
    /// Methods whose message says how many rows or vectors it holds, and the number of that field.
    items: &'static [(&'static str, u64)],
    /// Methods that keep the connection going.
    control: &'static [&'static str],
    /// Answers hold a status of their own (`common.Status`).
    own_status: bool,
    /// First words of the methods that change structure or settings.
    admin: &'static [&'static str],
}

const PLAIN: Service =
    Service { name: "", collection: 1, collections: &[], items: &[], control: &[], own_status: false, admin: &[] };

const SERVICES: &[Service] = &[
    Service { name: "qdrant.Points", admin: &["CreateFieldIndex", "DeleteFieldIndex"], ..PLAIN },
    Service { name: "qdrant.Collections", admin: &["Create", "Update", "Delete"], ..PLAIN },
    Service {
        name: "milvus.proto.milvus.MilvusService",
        collection: 3,
        collections: &[("GetLoadingProgress", 2), ("GetLoadState", 2), ("GetFlushState", 4), ("GetReplicas", 4)],
        items: &[("Insert", 7), ("Upsert", 7), ("Search", 12)],
        control: &["Connect", "AllocTimestamp", "GetVersion", "CheckHealth", "GetComponentStates"],
        own_status: true,
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
/// Words that change something, where they follow `Or` or `And` (`GetOrCreate`), or, the second ones, stand anywhere behind a word of
/// [`READS`] (`CheckOut`, `ReadModifyWriteRow`).
const JOINED_WRITES: &[&str] = &[
    "Create",
    "Update",
    "Delete",
    "Set",
    "Insert",
    "Upsert",
    "Put",
    "Add",
    "Remove",
    "Increment",
    "Lock",
    "Write",
    "Save",
    "Reset",
];
const WRITES: &[&str] = &["Out", "In", "Modify", "Mutate"];
/// Bytes of a compressed message that are looked at.
const INFLATED_BYTES_MAX: u64 = 1 << 20;
/// Bytes of the prefix of a message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// What a call is; `None` where the request is none. No call is a GET.
pub(super) fn classify<'a>(request: &HttpRequest<'a>, segments: &[&'a str]) -> Option<Classified<'a>> {
    if request.method == "GET" {
        return None;
    }
    let content_type = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-type"))?;
    let (method, service) = segments.split_last().filter(|_| content_type.value.starts_with(b"application/grpc"))?;
    let service = match service {
        [] => return None,
        [one] => Cow::Borrowed(*one),
        many => Cow::Owned(many.join("/")),
    };
    let known = SERVICES.iter().find(|known| known.name == service);
    let first = first_message(request.body).unwrap_or_default();
    let message = &*first;
    let of_method = |fields: &[(&str, u64)]| fields.iter().find(|(name, _)| name == method).map(|(_, number)| *number);
    let collection = known.and_then(|known| name_at(message, of_method(known.collections).unwrap_or(known.collection)));
    let items = known
        .and_then(|known| number_at(message, of_method(known.items)?))
        .map_or(1, |count| count.try_into().unwrap_or(u32::MAX));
    let effect = effect(known, &service, method);
    let operation = cut(format!("{service}/{method}").into());
    let collection = cut(collection.map_or(service, |name| Cow::Owned(name.to_owned())));
    Some(Classified { collection, operation, effect, items: if request.body.is_empty() { 0 } else { items }, rule: None })
}

/// Whether a method of this name changes nothing.
pub(super) fn is_read(method: &str) -> bool {
    let read = READS.iter().find(|word| begins_with_word(method, word));
    read.is_some_and(|read| !writes_too(&method[read.len()..]))
}

/// Whether what follows the first word of a method names something that changes.
fn writes_too(rest: &str) -> bool {
    let begins = |at: usize, words: &[&str]| words.iter().any(|word| begins_with_word(&rest[at..], word));
    let behind = |at: usize, word: &str| at + word.len() + usize::from(rest[at + word.len()..].starts_with('_'));
    let joined = |at: usize| {
        ["Or", "And"]
            .iter()
            .filter(|word| begins_with_word(&rest[at..], word))
            .any(|word| begins(behind(at, word), JOINED_WRITES))
    };
    let starts =
        rest.char_indices().filter(|(at, letter)| letter.is_ascii_uppercase() || *at > 0 && rest.as_bytes()[at - 1] == b'_');
    starts.into_iter().any(|(at, _)| begins(at, WRITES) || joined(at))
}

fn effect(known: Option<&Service>, service: &str, method: &str) -> Effect {
    let begins = |words: &[&str]| words.iter().any(|word| begins_with_word(method, word));
    let keeps_going = known.is_some_and(|known| known.control.contains(&method));
    if keeps_going || CONTROL.iter().any(|control| service.starts_with(control)) {
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

/// The first message of a body, as far as it is there, without the compression that its own first bytes tell: gzip, zlib (which gRPC calls
/// deflate) or zstd. `None` where it is compressed in another way.
fn first_message(body: &[u8]) -> Option<Cow<'_, [u8]>> {
    let (prefix, message) = body.split_at_checked(PREFIX_BYTES)?;
    let length = u32::from_be_bytes(*prefix.last_chunk()?);
    let message = &message[..message.len().min(length as usize)];
    let mut plain = Vec::new();
    let mut inflate = |packed: &mut dyn Read| {
        // What is cut short is read as far as it goes.
        let _ = packed.take(INFLATED_BYTES_MAX).read_to_end(&mut plain);
    };
    match message {
        _ if prefix[0] == 0 => return Some(Cow::Borrowed(message)),
        [0x1f, 0x8b, ..] => inflate(&mut flate2::read::GzDecoder::new(message)),
        [0x78, ..] => inflate(&mut flate2::read::ZlibDecoder::new(message)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => inflate(&mut zstd::stream::read::Decoder::new(message).ok()?),
        _ => return None,
    }
    Some(Cow::Owned(plain))
}

/// Whether the answer to a call tells of a failure though the status is good: Milvus answers with a status, or with what begins with one,
/// whose code or older code is not 0 then (milvus-proto, `common.proto`).
#[must_use]
pub fn call_failed(target: &str, answer: &[u8]) -> bool {
    let service = target.trim_start_matches('/').split('/').next().unwrap_or_default();
    if !SERVICES.iter().any(|known| known.own_status && known.name == service) {
        return false;
    }
    let Some(message) = first_message(answer) else { return false };
    let status = match field(&message, 1) {
        Some(Field::Bytes(status)) => status,
        _ => &message,
    };
    [1, 3].into_iter().any(|code| number_at(status, code).is_some_and(|code| code != 0))
}

/// What stands at a number (protobuf.dev, "Encoding").
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The first field of this number.
fn field(mut message: &[u8], number: u64) -> Option<Field<'_>> {
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let (value, length) = match tag & 7 {
            0 => (varint(&mut message)?, 0),
            1 => (0, 8),
            2 => (0, usize::try_from(varint(&mut message)?).ok()?),
            5 => (0, 4),
            _ => return None,
        };
        let (bytes, rest) = message.split_at_checked(length)?;
        match (tag >> 3 == number, tag & 7) {
            (true, 0) => return Some(Field::Number(value)),
            (true, 2) => return Some(Field::Bytes(bytes)),
            _ => message = rest,
        }
    }
    None
}

/// The name that is the first field of this number.
fn name_at(message: &[u8], number: u64) -> Option<&str> {
    let Some(Field::Bytes(bytes)) = field(message, number) else { return None };
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.is_empty() && text.len() <= NAME_CHARS_MAX && !text.contains(char::is_control)).then_some(text)
}

fn number_at(message: &[u8], number: u64) -> Option<u64> {
    let Some(Field::Number(value)) = field(message, number) else { return None };
    Some(value)
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
        // These change something behind a word that reads.
        for method in ["GetOrCreateOrder", "find_and_delete", "CheckOut", "CheckIn", "ReadModifyWriteRow", "CheckAndMutateRow"] {
            check(&format!("/shop.v1.Orders/{method}"), b"", orders, &format!("shop.v1.Orders/{method}"), Effect::Write);
        }
        for method in ["ListCatsAndDogs", "GetOrder", "CheckInventory", "get_address", "ListOutages"] {
            check(&format!("/shop.v1.Orders/{method}"), b"", orders, &format!("shop.v1.Orders/{method}"), Effect::Read);
        }
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
        check(&format!("/{milvus}/Connect"), b"", milvus, &format!("{milvus}/Connect"), Effect::Control);
        check(&format!("/{milvus}/GetLoadState"), b"\x12\x05books", "books", &format!("{milvus}/GetLoadState"), Effect::Read);
        for odd in [&b"\x0a\xff"[..], b"\x0a\x02\x01\x02", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"\x0f"] {
            check("/qdrant.Points/Search", odd, "qdrant.Points", "qdrant.Points/Search", Effect::Read);
        }
    }

    /// The message stands behind a flag that says that it is compressed (gRPC over HTTP2, "Compressed-Flag").
    #[test]
    fn compressed_messages_are_looked_into() {
        use std::io::Write;
        let plain = [&b"\x0a\x04docs\x12\x80\x01"[..], &[7; 128]].concat();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).expect("it is memory");
        zlib.write_all(&plain).expect("it is memory");
        let packed = [
            gzip.finish().expect("it is memory"),
            zlib.finish().expect("it is memory"),
            zstd::encode_all(&plain[..], 1).expect("it is memory"),
            b"\xff\x06\0\0sNaPpY".to_vec(),
        ];
        let headers = [Header { name: "content-type".into(), value: b"application/grpc"[..].into() }];
        let collection = |packed: &Vec<u8>| {
            let body = [&[1][..], &(packed.len() as u32).to_be_bytes(), packed].concat();
            let request = HttpRequest { method: "POST", target: "/qdrant.Points/Search", headers: &headers, body: &body };
            Rules::builtin().classify(&request).collection.into_owned()
        };
        assert_eq!(packed.iter().map(collection).collect::<Vec<_>>(), ["docs", "docs", "docs", "qdrant.Points"]);
    }

    /// `InsertRequest.num_rows` is field 7, `SearchRequest.nq` field 12.
    #[test]
    fn milvus_says_how_many_and_whether_it_failed() {
        let headers = [Header { name: "content-type".into(), value: b"application/grpc"[..].into() }];
        let items = |method: &str, message: &[u8]| {
            let body = [&[0][..], &(message.len() as u32).to_be_bytes(), message].concat();
            let target = format!("/milvus.proto.milvus.MilvusService/{method}");
            let request = HttpRequest { method: "POST", target: &target, headers: &headers, body: &body };
            Rules::builtin().classify(&request).items
        };
        assert_eq!(
            (items("Insert", b"\x1a\x01b\x38\x96\x01"), items("Search", b"\x1a\x01b\x60\x03"), items("Query", b"\x1a\x01b")),
            (150, 3, 1)
        );
        let failed = |target: &str, message: &[u8]| {
            call_failed(target, &[&[0][..], &(message.len() as u32).to_be_bytes(), message].concat())
        };
        let search = "/milvus.proto.milvus.MilvusService/Search";
        assert!(
            failed(search, b"\x0a\x04\x18\x64\x20\x01") && failed(search, b"\x08\x01\x12\x02no") && failed(search, b"\x18\x64")
        );
        assert!(!failed(search, b"\x0a\x00\x12\x02\x18\x01") && !failed(search, b"") && !failed("/shop.Orders/Get", b"\x08\x01"));
        assert!(!call_failed(search, b"\x00\x00"));
    }
}
