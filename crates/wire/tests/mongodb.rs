//! MongoDB's protocol and BSON: cases by their specifications, then properties (any split gives the same messages, nothing panics).

mod support;

use std::io::Write;

use proptest::prelude::*;
use support::{check_framing, lengths, split};
use wire::mongodb::{
    Body, Document, HEAD_BYTES, Head, MESSAGE_BYTES_MAX, MORE_TO_COME, Sequence, Value, framing, push_msg, unpack,
};
use wire::{Framing, Start};

/// A document of elements: type, name, value.
fn document(elements: &[(u8, &str, &[u8])]) -> Vec<u8> {
    let elements: Vec<u8> =
        elements.iter().flat_map(|(kind, name, value)| [&[*kind], name.as_bytes(), b"\0", value].concat()).collect();
    [&(elements.len() as i32 + 5).to_le_bytes()[..], &elements, b"\0"].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as i32 + 1).to_le_bytes()[..], text.as_bytes(), b"\0"].concat()
}

fn message(code: i32, body: &[u8]) -> Vec<u8> {
    let numbers = [(HEAD_BYTES + body.len()) as i32, 7, 3, code];
    [numbers.iter().flat_map(|number| number.to_le_bytes()).collect(), body.to_vec()].concat()
}

fn find() -> Vec<u8> {
    document(&[(2, "find", &text("orders")), (2, "$db", &text("shop"))])
}

/// One value of every type of the specification, and one behind them all.
#[test]
fn values_of_every_type_are_passed_over() {
    let inner = document(&[(16, "a", &1_i32.to_le_bytes())]);
    let scoped = [&(4 + 4 + 2 + inner.len() as i32).to_le_bytes()[..], &text("x"), &inner].concat();
    let all = document(&[
        (1, "double", &1.5_f64.to_le_bytes()),
        (2, "text", &text("é")),
        (3, "document", &inner),
        (4, "array", &inner),
        (5, "binary", b"\x02\0\0\0\x04ab"),
        (6, "undefined", b""),
        (7, "id", &[7; 12]),
        (8, "truth", &[1]),
        (9, "date", &[0; 8]),
        (10, "null", b""),
        (11, "pattern", b"^a\0i\0"),
        (12, "pointer", &[&text("a.b")[..], &[0; 12]].concat()),
        (13, "code", &text("f()")),
        (14, "symbol", &text("s")),
        (15, "scoped", &scoped),
        (16, "int", &(-2_i32).to_le_bytes()),
        (17, "time", &[0; 8]),
        (18, "long", &(1_i64 << 60).to_le_bytes()),
        (19, "decimal", &[0; 16]),
        (0x7f, "max", b""),
        (0xff, "min", b""),
        (16, "last", &9_i32.to_le_bytes()),
    ]);
    let (read, rest) = Document::split(&all).expect("it is a document");
    assert_eq!((read.elements().count(), rest.len()), (22, 0));
    assert_eq!(read.get("last"), Some(Value::Number(9.0)));
    assert_eq!((read.get("text").and_then(|it| it.text()), read.get("long")), (Some("é"), Some(Value::Long(1 << 60))));
    assert_eq!(read.get("document").and_then(|it| it.document()?.first()), Some(("a", Value::Number(1.0))));
    assert_eq!((read.get("binary"), read.get("truth")), (Some(Value::Binary(4, b"ab")), Some(Value::Number(1.0))));
    for cut in 0..all.len() {
        let count = Document::split(&all[..cut]).map_or(0, |(read, _)| read.elements().count());
        assert!(count <= 22);
    }
}

#[test]
fn messages_of_every_kind_are_read() {
    let (first, namespace) = (find(), &b"\0\0\0\0shop.orders\0"[..]);
    let (document, _) = Document::split(&first).expect("it is a document");
    let inserts = [&b"documents\0"[..], &first, &first].concat();
    let sequence = [&b"\x01"[..], &(inserts.len() as i32 + 4).to_le_bytes(), &inserts].concat();
    let msg = |flags: u32, sections: &[&[u8]]| message(2013, &[&flags.to_le_bytes()[..], &sections.concat()].concat());
    let documents = Sequence { name: "documents", first: document, count: 2 };
    let expected = |flags, sequences| Some(Body::Msg { flags, document, sequences });
    assert_eq!(Body::parse(&msg(0, &[b"\0", &first])), expected(0, vec![]));
    assert_eq!(Body::parse(&msg(0, &[&sequence, b"\0", &first])), expected(0, vec![documents]));
    assert_eq!(Body::parse(&msg(3, &[b"\0", &first, &sequence, b"\0\x01\x02\x03"])), expected(3, vec![documents]));
    let query = [namespace, &[0; 8], &first].concat();
    assert_eq!(Body::parse(&message(2004, &query)), Some(Body::Query { namespace: "shop.orders", document }));
    let reply = [&b"\x02\0\0\0"[..], &5_i64.to_le_bytes(), &[0, 0, 0, 0, 1, 0, 0, 0], &first].concat();
    assert_eq!(Body::parse(&message(1, &reply)), Some(Body::Reply { flags: 2, cursor: 5, document, items: 1 }));
    let write = |command, items| Some(Body::Write { command, namespace: "shop.orders", items });
    assert_eq!(Body::parse(&message(2002, &[namespace, &first, &first].concat())), write("insert", 2));
    assert_eq!(Body::parse(&message(2001, &[namespace, &[0; 4], &first].concat())), write("update", 1));
    assert_eq!(Body::parse(&message(2006, &[namespace, &[0; 4], &first].concat())), write("delete", 1));
    assert_eq!(Body::parse(&message(2005, namespace)), Some(Body::GetMore { namespace: "shop.orders" }));
    assert_eq!(Body::parse(&message(2007, &[0; 16])), Some(Body::KillCursors));
    assert_eq!((Body::parse(&message(2011, b"")), Body::parse(b"")), (None, None));
    let mut written = Vec::new();
    push_msg(7, 3, MORE_TO_COME, &first, &mut written);
    assert_eq!(written, msg(MORE_TO_COME, &[b"\0", &first]));
    assert_eq!(Head::parse(&written), Some(Head { id: 7, answers: 3, code: 2013 }));
}

fn packed(packing: u8, plain_bytes: u32, bytes: &[u8]) -> Vec<u8> {
    message(2012, &[&2013_i32.to_le_bytes()[..], &plain_bytes.to_le_bytes(), &[packing], bytes].concat())
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(plain).and_then(|()| packer.finish()).expect("memory")
}

/// The same as its packers make it.
#[test]
fn every_packing_is_taken_off_within_its_limit() {
    let mut message = Vec::new();
    push_msg(7, 3, 0, &find(), &mut message);
    let plain = &message[HEAD_BYTES..];
    let length = plain.len() as u32;
    let snappy = snap::raw::Encoder::new().compress_vec(plain).expect("memory");
    let zstd = zstd::encode_all(plain, 1).expect("memory");
    for (packing, bytes) in [(0, plain.to_vec()), (1, snappy), (2, zlib(plain)), (3, zstd)] {
        let whole = packed(packing, length, &bytes);
        let unpacked = unpack(&whole).expect("it is packed well");
        assert_eq!((Body::parse(&unpacked), Head::parse(&unpacked)), (Body::parse(&message), Head::parse(&message)));
        assert_eq!(unpack(&packed(packing, length - 1, &bytes)).filter(|plain| plain.len() > message.len()), None);
        assert_eq!(unpack(&packed(packing, length + 1, &bytes)), None, "{packing}");
    }
    assert_eq!((unpack(&packed(9, length, plain)), unpack(&message).as_deref()), (None, Some(&message[..])));
    // What claims little and hides much, and what claims 4 GiB.
    let bomb = zlib(&vec![0; 10 << 20]);
    assert_eq!(unpack(&packed(2, 100, &bomb)).map_or(0, |plain| plain.len()), HEAD_BYTES + 100);
    assert!(unpack(&packed(2, u32::MAX, &bomb)).is_none() && unpack(&packed(1, 100, b"\xff\xff\xff\xff\x0f")).is_none());
}

#[test]
fn lengths_have_bounds_and_heads_are_found() {
    let message = message(2013, &[0; 30]);
    assert_eq!(lengths(&mut framing(), [&message[..], &message]), (vec![message.len(); 2], None));
    for length in [15, MESSAGE_BYTES_MAX + 5, u32::MAX] {
        assert_eq!(lengths(&mut framing(), [&length.to_le_bytes()[..]]).1, Some("a length beyond the limits"));
    }
    let bytes = [&b"rest of one"[..], &message].concat();
    assert_eq!((framing().find_start(&bytes), framing().find_start(&bytes[..20])), (Start::At(11), Start::NotBefore(9)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_split_gives_the_same_messages(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..8), cuts in prop::collection::vec(any::<usize>(), 0..20)) {
        let messages: Vec<Vec<u8>> = bodies.iter().map(|body| message(2013, body)).collect();
        let expected: Vec<usize> = messages.iter().map(Vec::len).collect();
        prop_assert_eq!(lengths(&mut framing(), split(&messages.concat(), &cuts)), (expected, None));
    }

    /// Whatever the bytes: no panic, and no more is found than there are bytes.
    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0_u8..20], 0..120), code in prop::sample::select(vec![1, 2001, 2002, 2004, 2005, 2006, 2012, 2013]), cuts in prop::collection::vec(any::<usize>(), 0..6), missing in any::<u64>()) {
        let message = message(code, &bytes);
        [&message, &bytes].into_iter().for_each(|bytes| check_framing(framing, bytes, &cuts, missing));
        if let Some(Body::Msg { document, .. } | Body::Query { document, .. } | Body::Reply { document, .. }) = Body::parse(&message) {
            prop_assert!(document.elements().count() <= bytes.len());
        }
        let _ = (unpack(&message), Document::split(&bytes).map(|(document, _)| document.elements().count()));
    }
}
