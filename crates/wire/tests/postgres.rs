//! PostgreSQL's codec: messages in any pieces, and which request each is of.

mod support;

use proptest::prelude::*;
use support::check_cuts;
use wire::Side::{self, Client, Server};
use wire::postgres::{
    Bind, CANCEL, CommandTag, Conversation, Event, MESSAGE_BYTES_MAX, Parse, SSL_REQUEST, STARTUP, authentication, bind,
    error_field, find_start, is_chain, messages, parse, push_execute, push_head, push_message, push_query, push_startup,
    startup_parameters, with_parameters,
};
use wire::{Hole, Start};

/// A message as it was seen: type, content, request, and whether the request began with it.
type Seen = (Side, u8, Vec<u8>, Option<u64>, bool);

fn read(talk: &mut Conversation, side: Side, pieces: &[&[u8]]) -> Vec<Seen> {
    let (seen, fault) = support::postgres::read(talk, pieces.iter().map(|piece| (side, *piece)));
    assert_eq!(fault, None);
    seen.into_iter().map(|seen| (seen.side, seen.tag, seen.content, seen.request, seen.begins)).collect()
}

fn stream(list: &[(u8, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    list.iter().for_each(|(tag, content)| push_message(*tag, content, &mut out));
    out
}

/// The bytes of the documentation's own description, "Message Formats": a type, a length that counts itself, a text that ends with 0.
#[test]
fn messages_have_the_documented_bytes() {
    let mut out = Vec::new();
    push_query("SELECT 1", &mut out);
    assert_eq!(out, b"Q\0\0\0\x0dSELECT 1\0");
    out.clear();
    push_startup([("user", "me")], &mut out);
    assert_eq!(out, b"\0\0\0\x11\0\x03\0\0user\0me\0\0");
    assert_eq!(startup_parameters(&out[4..]).collect::<Vec<_>>(), [(&b"user"[..], &b"me"[..])]);
    out.clear();
    push_execute("s", &[Some(b"42"), None], &mut out);
    let bound: &[u8] = b"\0s\0\0\0\0\x02\0\0\0\x0242\xff\xff\xff\xff\0\0";
    assert_eq!(out, [&b"B\0\0\0\x17"[..], bound, b"E\0\0\0\x09\0\0\0\0\0", b"S\0\0\0\x04"].concat());
    assert_eq!(bind(bound), Some(Bind { portal: b"", statement: b"s" }));
    assert_eq!(messages(&out).map(|found| found.len()), Some(3));
    assert_eq!(messages(&out[..out.len() - 1]), None);
    let changed = with_parameters(bound, |number, value| (number == 0 && value == b"42").then(|| b"7".to_vec()));
    assert_eq!(changed.as_deref(), Some(&b"\0s\0\0\0\0\x02\0\0\0\x017\xff\xff\xff\xff\0\0"[..]));
    assert_eq!(parse(b"s\0SELECT 1\0\0\0"), Some(Parse { statement: b"s", sql: b"SELECT 1" }));
}

#[test]
fn contents_say_what_they_say() {
    assert_eq!(CommandTag::read(b"INSERT 0 5\0"), CommandTag { command: "INSERT", rows: Some(5) });
    assert_eq!(CommandTag::read(b"CREATE TABLE\0"), CommandTag { command: "CREATE TABLE", rows: None });
    assert_eq!(CommandTag::read(b"SELECT 17\0"), CommandTag { command: "SELECT", rows: Some(17) });
    assert_eq!(CommandTag::read(b""), CommandTag { command: "", rows: None });
    let error = b"SERROR\0VERROR\0C42P01\0Mno such table\0\0";
    assert_eq!((error_field(error, b'C'), error_field(error, b'D')), (Some(&b"42P01"[..]), None));
    assert_eq!(authentication(b"\0\0\0\x0aSCRAM-SHA-256\0\0"), Some("scram-sha-256"));
    assert_eq!((authentication(b"\0\0\0\x03"), authentication(b"\0\0\0\0")), (Some("password"), None));
}

#[test]
fn each_message_is_of_its_request() {
    let mut talk = Conversation::new();
    let mut first = stream(&[(SSL_REQUEST, &80_877_103_u32.to_be_bytes())]);
    assert_eq!(read(&mut talk, Client, &[&first])[0], (Client, SSL_REQUEST, first[4..].to_vec(), Some(0), true));
    assert_eq!(read(&mut talk, Server, &[b"N"]), [(Server, b'N', vec![], Some(0), false)]);
    first.clear();
    push_startup([("user", "me")], &mut first);
    assert_eq!(read(&mut talk, Client, &[&first])[0].3, Some(1));
    let start = stream(&[(b'R', &[0; 4]), (b'S', b"a\0b\0"), (b'K', &[0; 8])]);
    assert!(read(&mut talk, Server, &[&start]).iter().all(|seen| seen.3 == Some(1)));
    assert_eq!(talk.oldest_open(), 1);
    read(&mut talk, Server, &[&stream(&[(b'Z', b"I")])]);
    assert_eq!((talk.oldest_open(), talk.outstanding(), talk.waits()), (2, 0, false));
    let mut asked = Vec::new();
    push_query("SELECT 1", &mut asked);
    push_execute("", &[], &mut asked);
    let requests: Vec<Option<u64>> = read(&mut talk, Client, &[&asked]).iter().map(|seen| seen.3).collect();
    assert_eq!(requests, [Some(2), Some(3), Some(3), Some(3)]);
    assert!(talk.waits());
    let said = stream(&[(b'C', b"SELECT 1\0"), (b'Z', b"I"), (b'2', b""), (b'C', b"SELECT 1\0")]);
    let answered: Vec<Option<u64>> = read(&mut talk, Server, &[&said]).iter().map(|seen| seen.3).collect();
    assert_eq!((answered, talk.oldest_open()), (vec![Some(2), Some(2), Some(3), Some(3)], 3));
    read(&mut talk, Server, &[&stream(&[(b'Z', b"I")])]);
    assert_eq!(talk.oldest_open(), 4);
    assert_eq!(read(&mut talk, Server, &[&stream(&[(b'Z', b"I")])])[0].3, None, "nobody asked");
}

#[test]
fn only_what_is_known_is_a_message() {
    let mut talk = Conversation::joined_late();
    for (side, bytes) in [
        (Client, &b"!\0\0\0\x04"[..]),
        (Server, b"Z\0\0\0\x09I"),
        (Client, b"S\0\0\0\x05"),
        (Server, b"T\0\0\0\x03"),
        (Client, b"Q\xff\xff\xff\xff"),
    ] {
        assert!(matches!(talk.read(side, bytes).event, Some(Event::Malformed(_))), "{bytes:?}");
    }
    let mut longest = Vec::new();
    push_head(b'Q', MESSAGE_BYTES_MAX, &mut longest);
    assert!(
        matches!(talk.read(Client, &longest).event, Some(Event::Piece(piece)) if piece.length == MESSAGE_BYTES_MAX && !piece.end)
    );
    assert!(matches!(Conversation::new().read(Client, b"\0\0\0\x08\0\x02\0\0").event, Some(Event::Malformed(_))));
    let cancel = stream(&[(CANCEL, b"\x04\xd2\x16\x2e12345678")]);
    assert_eq!(read(&mut Conversation::new(), Client, &[&cancel])[0].1, CANCEL);
    assert_eq!(messages(&stream(&[(STARTUP, b"\0\x03\0\0a\0b\0\0")])).map(|found| found[0].0), Some(STARTUP));
}

#[test]
fn holes_inside_a_message_are_bridged_and_others_not() {
    let mut talk = Conversation::joined_late();
    let query = stream(&[(b'Q', b"SELECT 1\0")]);
    talk.read(Client, &query[..7]);
    assert_eq!(talk.skip(Client, 5), Hole::Inside);
    assert_eq!(talk.skip(Client, 2), Hole::ToEnd);
    assert_eq!(talk.skip(Client, 1), Hole::Lost);
    talk.read(Client, &query[..7]);
    assert_eq!(talk.skip(Client, 8), Hole::Lost);
}

#[test]
fn a_message_is_found_behind_a_hole() {
    let query = stream(&[(b'Q', b"SELECT 1\0")]);
    let rest = [&b"rest of a row D\0\0\0\x05 and more"[..], &query].concat();
    assert_eq!(find_start(Client, &rest), Start::At(rest.len() - query.len()));
    let answer = stream(&[(b'D', b"\0\x01"), (b'C', b"SELECT 1\0"), (b'Z', b"T")]);
    // A letter and a small number are no message unless one follows it.
    let rest = [&b"C\0\0\0\x06xy!"[..], &answer].concat();
    assert_eq!(find_start(Server, &rest), Start::At(8));
    assert!(is_chain(Server, &answer) && !is_chain(Server, &answer[..answer.len() - 1]) && is_chain(Client, &query));
    for cut in 0..rest.len() {
        match find_start(Server, &rest[..cut]) {
            Start::At(at) | Start::NotBefore(at) => assert!(at <= 8, "cut at {cut}"),
        }
    }
}

fn message(side: Side) -> impl Strategy<Value = (u8, Vec<u8>)> {
    let (tags, fixed) = match side {
        Client => (&b"QPBEDCSHFdcfpX"[..], &b"SHcX"[..]),
        Server => (&b"RKSZ123tTDnCIsENAGHWdcV"[..], &b"123nIsc"[..]),
    };
    (prop::sample::select(tags), prop::collection::vec(any::<u8>(), 10..60)).prop_map(move |(tag, mut content)| {
        if fixed.contains(&tag) {
            content.clear();
        } else if side == Server && tag == b'Z' {
            content.truncate(1);
        }
        (tag, content)
    })
}

/// A message of either side, or anything.
fn noise() -> impl Strategy<Value = (Side, Vec<u8>)> {
    let side = || prop::sample::select(&[Client, Server][..]);
    let written = |side, (tag, content): (u8, Vec<u8>)| (side, stream(&[(tag, &content)]));
    prop_oneof![
        2 => message(Client).prop_map(move |message| written(Client, message)),
        2 => message(Server).prop_map(move |message| written(Server, message)),
        1 => (side(), prop::collection::vec(any::<u8>(), 0..300)),
    ]
}

proptest! {
    /// Whatever messages are sent, cut anywhere, they are read as they were written, and requests come in order.
    #[test]
    fn any_cut_gives_the_same_messages(
        asked in prop::collection::vec(message(Client), 0..30),
        said in prop::collection::vec(message(Server), 0..30),
        part_bytes in 1_usize..20,
    ) {
        let mut seen = Vec::new();
        for part_bytes in [usize::MAX, part_bytes] {
            let mut talk = Conversation::joined_late();
            let mut all = Vec::new();
            for (side, list) in [(Client, &asked), (Server, &said)] {
                let list: Vec<(u8, &[u8])> = list.iter().map(|(tag, content)| (*tag, &content[..])).collect();
                let bytes = stream(&list);
                let found = read(&mut talk, side, &bytes.chunks(part_bytes).collect::<Vec<_>>());
                prop_assert!(found.iter().map(|seen| (seen.1, &seen.2[..])).eq(list.iter().copied()));
                all.extend(found);
            }
            let begun: Vec<u64> = all.iter().filter(|seen| seen.4).filter_map(|seen| seen.3).collect();
            prop_assert!(begun.iter().copied().eq(0..begun.len() as u64));
            prop_assert!(talk.oldest_open() <= begun.len() as u64);
            seen.push(all);
        }
        prop_assert_eq!(&seen[0], &seen[1]);
    }

    /// Any bytes at all of both sides: no panic, framing gets on, and the same comes of them however they are cut.
    #[test]
    fn any_bytes_do_no_harm(
        said in prop::collection::vec(noise(), 0..8),
        late in any::<bool>(),
        cuts in prop::collection::vec(any::<usize>(), 1..6),
    ) {
        let pieces: Vec<(Side, &[u8])> = said.iter().map(|(side, bytes)| (*side, &bytes[..])).collect();
        let talk = || if late { Conversation::joined_late() } else { Conversation::new() };
        check_cuts(&pieces, &cuts, |pieces| support::postgres::read(&mut talk(), pieces));
        for (side, bytes) in pieces {
            let _ = (find_start(side, bytes), is_chain(side, bytes), messages(bytes), with_parameters(bytes, |_, value| Some(value.to_vec())));
            let _ = (parse(bytes), bind(bytes), error_field(bytes, b'C'), CommandTag::read(bytes), authentication(bytes));
        }
    }
}
