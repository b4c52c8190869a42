//! Kafka's protocol: messages by its definitions, then properties (any split gives the same messages, nothing panics).

mod support;

use proptest::prelude::*;
use support::{check_framing, lengths, split};
use wire::Side::{Client, Server};
use wire::kafka::{API, Found, MESSAGE_BYTES_MAX, RequestHead, correlation, framing, push_answer, push_request, read_answer};
use wire::{Framing, Hole, Start};

fn request(kind: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    push_request(kind, version, 7, Some("me"), body, &mut out);
    out
}

#[track_caller]
fn check_request(kind: i16, version: i16, body: &[u8], expected: &[Found<'_>]) {
    let message = request(kind, version, body);
    let head = RequestHead::parse(&message).expect("it is whole");
    assert_eq!((head.api, head.version, head.correlation, head.client), (kind, version, 7, Some("me")));
    let mut found = Vec::new();
    head.read(|value| found.push(value));
    assert_eq!(found, expected);
}

#[track_caller]
fn check_answer(kind: i16, version: i16, body: &[u8], expected: &[Found<'_>]) {
    let mut message = Vec::new();
    push_answer(kind, version, 9, body, &mut message);
    assert_eq!(correlation(&message), Some(9));
    let mut found = Vec::new();
    read_answer(kind, version, &message, |value| found.push(value));
    assert_eq!(found, expected);
}

/// A batch of so many records, of version 2 (KIP-98): its length is at byte 8, its magic at 16, its count at 57.
fn batch(records: u32) -> Vec<u8> {
    let mut batch = vec![0; 61];
    batch[8..12].copy_from_slice(&49_u32.to_be_bytes());
    batch[16] = 2;
    batch[57..].copy_from_slice(&records.to_be_bytes());
    batch
}

#[test]
fn old_and_flexible_requests_are_read() {
    let records = [batch(3), batch(4)].concat();
    let old = [
        &b"\xff\xff\xff\xff\0\0\x27\x10\0\0\0\x01\0\x04news\0\0\0\x01\0\0\0\0"[..],
        &(records.len() as u32).to_be_bytes(),
        &records,
    ]
    .concat();
    check_request(0, 3, &old, &[Found::Acks(-1), Found::Topic("news"), Found::Records(7)]);
    let flexible = [&b"\0\0\x01\0\0\x27\x10\x02\x05news\x02\0\0\0\0\x7b"[..], &records, b"\0\0\0"].concat();
    check_request(0, 9, &flexible, &[Found::Acks(1), Found::Topic("news"), Found::Records(7)]);
    let by_id = [
        &b"\xff\xff\xff\xff\0\0\x01\xf4\0\0\0\x01\0\x10\0\0\0\0\0\0\0\0\0\0\0\x02"[..],
        &7_u128.to_be_bytes(),
        b"\x01\0\x01\x01\0",
    ]
    .concat();
    check_request(1, 13, &by_id, &[Found::Epoch(0), Found::TopicId(7)]);
    check_request(3, 1, b"\xff\xff\xff\xff", &[]);
    check_request(3, 12, &[&b"\x02"[..], &[0; 16], b"\x05news\0\x01\0\0"].concat(), &[Found::TopicId(0), Found::Topic("news")]);
    check_request(17, 1, b"\0\x05PLAIN", &[Found::Mechanism("PLAIN")]);
    check_request(12, 4, b"\x06group\0\0\0\x01\x02m\0", &[Found::Group("group")]);
}

#[test]
fn answers_tell_errors_topics_and_records() {
    check_answer(18, 0, b"\0\x23\0\0\0\0", &[Found::Error(35)]);
    // The head of this one is of the old form in all versions.
    check_answer(18, 3, b"\0\0\x01\0\0\0\0\0", &[Found::Error(0)]);
    let produced = b"\0\0\0\x01\0\x04news\0\0\0\x01\0\0\0\0\0\x03\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0";
    check_answer(0, 0, produced, &[Found::Topic("news"), Found::Error(3)]);
    let partition = [&b"\0\0\0\0\0\0"[..], &[0; 24], b"\x01\xff\xff\xff\xff\x3e", &batch(5), b"\0"].concat();
    let fetched = [&b"\0\0\0\0\0\0\0\0\0\0\x02\x05news\x02"[..], &partition, b"\0\0"].concat();
    check_answer(1, 12, &fetched, &[Found::Error(0), Found::Topic("news"), Found::Error(0), Found::Records(5)]);
    let metadata = [
        &b"\0\0\0\0\x02\0\0\0\x01\x02h\0\0\x23\x84\0\0\x03id\0\0\0\x01\x02\0\0\x05news"[..],
        &7_u128.to_be_bytes(),
        b"\0\x02\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\x02\0\0\0\x01\x02\0\0\0\x01\x01\0\x80\0\0\0\0\0",
    ]
    .concat();
    check_answer(3, 12, &metadata, &[Found::Error(0), Found::Topic("news"), Found::TopicId(7), Found::Error(0)]);
    check_answer(22, 4, b"\0\0\0\0\0\0\0\0\0\0\0\0\0\x2a\0\0\0", &[Found::Error(0), Found::Producer(42)]);
}

#[test]
fn lengths_have_bounds_and_holes_in_messages_are_bridged() {
    let message = request(3, 1, b"\0\0\0\0");
    assert_eq!(lengths(&mut framing(Client), [&message[..], &message]), (vec![message.len(); 2], None));
    assert_eq!(lengths(&mut framing(Client), [&b"\xff\xff\xff\xff"[..]]).1, Some("a length beyond the limits"));
    assert_eq!(lengths(&mut framing(Client), [&(MESSAGE_BYTES_MAX + 1).to_be_bytes()[..]]).1, Some("a length beyond the limits"));
    assert_eq!(lengths(&mut framing(Client), [&MESSAGE_BYTES_MAX.to_be_bytes()[..]]), (vec![], None));
    for (missing, hole, then) in [(8, Hole::Inside, vec![2]), (10, Hole::ToEnd, vec![]), (11, Hole::Past, vec![])] {
        let mut framing = framing(Client);
        framing.read(&message[..message.len() - 10]);
        assert_eq!(framing.skip(missing), hole);
        assert_eq!(lengths(&mut framing, [&[0_u8, 0][..]]).0, then);
    }
    let bytes = [&b"rest of one"[..], &message].concat();
    assert_eq!(framing(Client).find_start(&bytes), Start::At(11));
    assert_eq!(framing(Client).find_start(&bytes[..15]), Start::NotBefore(11));
    // Of the server a chain of messages that ends with the bytes.
    assert_eq!(framing(Server).find_start(b"\xff\xff\xff\0\0\0\x05aaaab\0\0\0\x04cccc"), Start::At(3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_split_gives_the_same_messages(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..8), cuts in prop::collection::vec(any::<usize>(), 0..20)) {
        let messages: Vec<Vec<u8>> = bodies.iter().map(|body| request(1, 4, body)).collect();
        let expected: Vec<usize> = messages.iter().map(Vec::len).collect();
        prop_assert_eq!(lengths(&mut framing(Client), split(&messages.concat(), &cuts)), (expected, None));
    }

    /// Every layout, whatever the bytes and the version: no panic, and no more is found than there are bytes.
    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0_u8..4], 0..120), version in -1_i16..20, cuts in prop::collection::vec(any::<usize>(), 0..6), missing in any::<u64>()) {
        for api in API {
            let message = request(api.key, version, &bytes);
            let mut found = 0;
            if let Some(head) = RequestHead::parse(&message) {
                head.read(|_| found += 1);
            }
            read_answer(api.key, version, &bytes, |_| found += 1);
            prop_assert!(found <= 2 * bytes.len(), "{}", api.name);
        }
        [Client, Server].into_iter().for_each(|side| check_framing(|| framing(side), &bytes, &cuts, missing));
        let _ = (RequestHead::parse(&bytes), correlation(&bytes));
    }
}
