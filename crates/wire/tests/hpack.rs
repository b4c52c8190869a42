//! Compressed headers: every example of RFC 7541 Appendix C in both directions, an independent implementation, and limits.

use std::borrow::Cow;

use httlib_hpack::Encoder as Theirs;
use proptest::prelude::*;
use wire::hpack::{Decoder, Encoder, Field, Fields, Indexing, LIST_BYTES_MAX, TABLE_BYTES_MAX};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("two digits");
    digits.chunks(2).map(byte).collect()
}

fn pairs(fields: &Fields) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    fields.iter().map(|(name, value)| (text(name), text(value))).collect()
}

/// One block: its bytes, the fields in it as `name: value`, and the size of the table behind it.
type Block = (&'static str, &'static [&'static str], usize);

/// Blocks that follow each other are decoded to their fields, and their fields encoded to them.
#[track_caller]
fn check(table_bytes: usize, huffman: bool, blocks: &[Block]) {
    let (mut decoder, encoder) = (Decoder::new(table_bytes), Encoder::new(table_bytes));
    let mut encoder = if huffman { encoder } else { encoder.without_huffman() };
    for (block, lines, table_bytes) in blocks {
        let split = |line: &'static str| line[1..].split_once(": ").map(|(name, value)| (&line[..=name.len()], value));
        let wanted: Vec<(&str, &str)> = lines.iter().map(|line| split(line).expect("name: value")).collect();
        let mut fields = Fields::default();
        decoder.decode(&hex(block), &mut fields).expect("it is a block");
        let wanted_pairs: Vec<_> = wanted.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(pairs(&fields), wanted_pairs);
        assert_eq!(decoder.table_bytes(), *table_bytes, "{block}");
        let mut encoded = Vec::new();
        encoder.encode(wanted.iter().map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes())), &mut encoded);
        assert_eq!(encoded, hex(block), "{block}");
    }
}

/// C.2: one field of each kind.
#[test]
fn fields_of_each_kind() {
    check(
        4096,
        false,
        &[("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", &["custom-key: custom-header"], 55)],
    );
    check(4096, false, &[("82", &[":method: GET"], 0)]);
    let other = [
        ("040c 2f73 616d 706c 652f 7061 7468", Indexing::Without, ":path", "/sample/path"),
        ("1008 7061 7373 776f 7264 0673 6563 7265 74", Indexing::Never, "password", "secret"),
    ];
    for (block, indexing, name, value) in other {
        let (mut fields, mut decoder, mut encoded) = (Fields::default(), Decoder::default(), Vec::new());
        decoder.decode(&hex(block), &mut fields).expect("it is a block");
        assert_eq!(pairs(&fields), [(name.to_owned(), value.to_owned())]);
        assert_eq!((decoder.table_bytes(), fields.places[0].never_indexed), (0, indexing == Indexing::Never));
        let field = Field { name: name.as_bytes(), value: value.as_bytes(), indexing };
        Encoder::default().without_huffman().encode([field], &mut encoded);
        assert_eq!(encoded, hex(block));
    }
}

const REQUESTS: [&[&str]; 3] = [
    &[":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"],
    &[":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com", "cache-control: no-cache"],
    &[":method: GET", ":scheme: https", ":path: /index.html", ":authority: www.example.com", "custom-key: custom-value"],
];

/// C.3 and C.4.
#[test]
fn requests_on_one_connection() {
    let plain = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    let coded = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    for (blocks, huffman) in [(plain, false), (coded, true)] {
        let blocks: Vec<Block> = (0..3).map(|i| (blocks[i], REQUESTS[i], [57, 110, 164][i])).collect();
        check(4096, huffman, &blocks);
    }
}

const RESPONSES: [&[&str]; 3] = [
    &[":status: 302", "cache-control: private", "date: Mon, 21 Oct 2013 20:13:21 GMT", "location: https://www.example.com"],
    &[":status: 307", "cache-control: private", "date: Mon, 21 Oct 2013 20:13:21 GMT", "location: https://www.example.com"],
    &[
        ":status: 200",
        "cache-control: private",
        "date: Mon, 21 Oct 2013 20:13:22 GMT",
        "location: https://www.example.com",
        "content-encoding: gzip",
        "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
    ],
];

/// C.5 and C.6: with a table of 256 bytes, so that entries are evicted.
#[test]
fn responses_on_one_connection() {
    let plain = [
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 \
         7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 \
         444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e \
         3d31",
    ];
    let coded = [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 \
         e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b \
         3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ];
    for (blocks, huffman) in [(plain, false), (coded, true)] {
        let blocks: Vec<Block> = (0..3).map(|i| (blocks[i], RESPONSES[i], [222, 222, 215][i])).collect();
        check(256, huffman, &blocks);
    }
}

/// C.1: 10, 1337 in five bits, here as sizes of the table; and what does not fit into 32 bits.
#[test]
fn integers_of_any_length() {
    for (block, bytes) in [("2a", 10), ("3f9a0a", 1337), ("3fe11f", 4096)] {
        let (mut encoder, mut out) = (Encoder::new(64), Vec::new());
        encoder.resize(bytes);
        encoder.encode([], &mut out);
        assert_eq!(out, hex(block));
        assert_eq!(Decoder::default().decode(&out, &mut Fields::default()), Ok(()));
    }
    for block in ["3fffffffffff0f", "ffffffffffffffffffff01", "3fffffffff7f"] {
        assert!(Decoder::default().decode(&hex(block), &mut Fields::default()).is_err(), "{block}");
    }
}

/// Between two blocks, the least size is announced too, since entries may have been evicted then (RFC 7541 §4.2).
#[test]
fn a_table_that_was_smaller_for_a_while_has_lost_its_entries() {
    let (mut encoder, mut decoder, mut block) = (Encoder::default(), Decoder::default(), Vec::new());
    let field = Field::new(b"x-a", b"b");
    encoder.encode([field], &mut block);
    decoder.decode(&block, &mut Fields::default()).expect("it is a block");
    assert_eq!(decoder.table_bytes(), 36);
    encoder.resize(0);
    encoder.resize(4096);
    block.clear();
    encoder.encode([], &mut block);
    assert_eq!(block, hex("20 3fe11f"));
    decoder.decode(&block, &mut Fields::default()).expect("it is a block");
    assert_eq!(decoder.table_bytes(), 0);
    assert!(decoder.decode(&hex("82 20"), &mut Fields::default()).is_err(), "sizes change before the fields");
}

/// Entries weigh their bytes and 32 more, and leave when the next one has no room (RFC 7541 §4.1, §4.4).
#[test]
fn a_table_holds_what_fits_to_the_byte() {
    for (table_bytes, first_stays) in [(72, true), (71, false)] {
        let (mut encoder, mut decoder, mut block) = (Encoder::new(table_bytes), Decoder::new(table_bytes), Vec::new());
        encoder.encode([Field::new(b"x-a", b"1"), Field::new(b"x-b", b"2")], &mut block);
        decoder.decode(&block, &mut Fields::default()).expect("it is a block");
        assert_eq!(decoder.table_bytes(), if first_stays { 72 } else { 36 });
        assert_eq!(decoder.decode(&[0xbf], &mut Fields::default()).is_ok(), first_stays);
    }
}

#[test]
fn who_comes_late_knows_what_came_since() {
    let (mut encoder, mut block) = (Encoder::default(), Vec::new());
    encoder.encode([Field::new(b"x-old", b"1")], &mut block);
    let mut decoder = Decoder::default();
    decoder.forget();
    let mut send = |decoder: &mut Decoder, fields: &[Field<'_>]| {
        let (mut block, mut seen) = (Vec::new(), Fields::default());
        encoder.encode(fields.iter().copied(), &mut block);
        decoder.decode(&block, &mut seen).expect("it is a block");
        (pairs(&seen), seen.unknown)
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let (new, old) = (Field::new(b"x-new", b"2"), Field::new(b"x-old", b"1"));
    assert_eq!(send(&mut decoder, &[new]), (vec![pair("x-new", "2")], 0));
    assert_eq!(send(&mut decoder, &[old, new]), (vec![pair("", ""), pair("x-new", "2")], 1));
    let changed = Field::new(b"x-old", b"3");
    assert_eq!(send(&mut decoder, &[changed]), (vec![pair("", "3")], 1));
    assert_eq!(send(&mut decoder, &[changed, new]), (vec![pair("", "3"), pair("x-new", "2")], 1));
    assert!(Decoder::default().decode(&[0xbe], &mut Fields::default()).is_err(), "who was there from the start knows all");
}

/// A bomb: an entry of nearly the whole table, then a byte for each repetition.
#[test]
fn a_short_block_gives_no_endless_list() {
    let value = vec![b'v'; 4000];
    let (mut encoder, mut block) = (Encoder::default(), Vec::new());
    encoder.encode([Field::new(b"x", &value)], &mut block);
    block.extend([0xbe; 100_000]);
    let (mut decoder, mut fields) = (Decoder::default(), Fields::default());
    decoder.decode(&block, &mut fields).expect("it is a block");
    assert!(fields.cut && fields.text.len() <= LIST_BYTES_MAX && fields.places.len() > 60);
    let mut behind = Fields::default();
    decoder.decode(&[0xbe], &mut behind).expect("the table is as it should be");
    assert_eq!(behind.get(b"x"), Some(&value[..]));
}

#[test]
fn a_table_of_any_size_is_kept_to_the_limit() {
    let mut decoder = Decoder::default();
    // 1 GiB, then entries of 1 KiB each.
    let mut block = hex("3fe1ffffff03");
    for _ in 0..1000 {
        block.extend(hex("4001 78 7f e107"));
        block.extend([b'v'; 1120]);
    }
    decoder.decode(&block, &mut Fields::default()).expect("it is a block");
    assert!((TABLE_BYTES_MAX - 2000..=TABLE_BYTES_MAX).contains(&decoder.table_bytes()), "{}", decoder.table_bytes());
    let mut fields = Fields::default();
    decoder.decode(&[0xff, 0x80 + 55, 0x05], &mut fields).expect("the sender has that entry still");
    assert_eq!(fields.unknown, 1);
}

fn field() -> impl Strategy<Value = (Cow<'static, [u8]>, Vec<u8>)> {
    let known: &[&str] = &[":method", ":path", ":status", "accept", "cookie", "x-trace-id", "grpc-status", "te"];
    let name = prop_oneof![
        prop::sample::select(known).prop_map(|name| Cow::Borrowed(name.as_bytes())),
        "[a-z][a-z0-9-]{0,30}".prop_map(|name| Cow::Owned(name.into_bytes())),
    ];
    let value = prop_oneof![
        prop::sample::select(&["", "GET", "/", "200", "0"][..]).prop_map(|value| value.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..60),
        prop::collection::vec(any::<u8>(), 0..60).prop_map(|value| value.repeat(9)),
    ];
    (name, value)
}

fn indexing() -> impl Strategy<Value = Indexing> {
    prop::sample::select(vec![Indexing::Add, Indexing::Add, Indexing::Without, Indexing::Never])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// What we encode, an independent decoder reads, and what an independent encoder writes, we decode: block after block.
    #[test]
    fn others_understand_us_and_we_them(
        blocks in prop::collection::vec(prop::collection::vec((field(), indexing()), 0..8), 1..12),
        huffman in any::<bool>(),
    ) {
        let encoder = Encoder::default();
        let mut encoder = if huffman { encoder } else { encoder.without_huffman() };
        let (mut theirs, mut their_encoder, mut decoder) =
            (httlib_hpack::Decoder::default(), Theirs::default(), Decoder::default());
        for block in blocks {
            let wanted: Vec<(Vec<u8>, Vec<u8>)> =
                block.iter().map(|((name, value), _)| (name.to_vec(), value.clone())).collect();
            let fields = block.iter().map(|((name, value), indexing)| Field { name, value, indexing: *indexing });
            let (mut ours, mut read) = (Vec::new(), Vec::new());
            encoder.encode(fields, &mut ours);
            theirs.decode(&mut ours, &mut read).expect("they read it");
            let read: Vec<(Vec<u8>, Vec<u8>)> = read.into_iter().map(|(name, value, _)| (name, value)).collect();
            prop_assert_eq!(&read, &wanted);

            let mut written = Vec::new();
            for ((name, value), indexing) in &block {
                let flags = match indexing {
                    Indexing::Add => Theirs::WITH_INDEXING | Theirs::BEST_FORMAT,
                    Indexing::Without => Theirs::BEST_FORMAT,
                    Indexing::Never => Theirs::NEVER_INDEXED,
                };
                let coding = if huffman { Theirs::HUFFMAN_NAME | Theirs::HUFFMAN_VALUE } else { 0 };
                their_encoder.encode((name.to_vec(), value.clone(), flags | coding), &mut written).expect("they write it");
            }
            let mut seen = Fields::default();
            decoder.decode(&written, &mut seen).expect("we read it");
            let seen: Vec<(Vec<u8>, Vec<u8>)> = seen.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
            prop_assert_eq!(seen, wanted);
        }
    }

    /// No block does harm, and none grows without bound.
    #[test]
    fn any_bytes_are_a_block_or_not(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..6), late in any::<bool>()) {
        let mut decoder = Decoder::default();
        if late {
            decoder.forget();
        }
        for block in blocks {
            let mut fields = Fields::default();
            let result = decoder.decode(&block, &mut fields);
            prop_assert!(fields.iter().count() == fields.places.len());
            prop_assert!(result.is_ok() || decoder.table_bytes() == 0);
            prop_assert!(decoder.table_bytes() <= TABLE_BYTES_MAX);
        }
    }
}
