//! MySQL's codec: packets in any pieces, and how answers go on.

mod support;

use proptest::prelude::*;
use support::check_cuts;
use wire::Side::{self, Client, Server};
use wire::mysql::{
    Compression, Conversation, Done, Failure, LOGIN, Said, capability, done, failure, find_start, greeting, is_command,
    is_greeting, login, messages, push_message, query_text, unpack,
};
use wire::{Hole, Start};

/// A message as it was seen: content, request, and the command if it began one.
type Seen = (Vec<u8>, Option<u64>, Option<u8>);

fn read(talk: &mut Conversation, side: Side, pieces: &[&[u8]]) -> Vec<Seen> {
    let (seen, fault) = support::mysql::read(talk, pieces.iter().map(|piece| (side, *piece)));
    assert_eq!(fault, None);
    seen.into_iter().map(|seen| (seen.content, seen.request, seen.begins)).collect()
}

/// Messages numbered from `number`, each a packet.
fn stream(number: u8, list: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    list.iter().zip(number..).for_each(|(content, number)| push_message(number, content, &mut out));
    out
}

/// Asks one thing and says the server's messages; whether the answer is over after each.
fn over_after(talk: &mut Conversation, command: &[u8], said: &[&[u8]]) -> Vec<bool> {
    read(talk, Client, &[&stream(0, &[command])]);
    let number = talk.oldest_open();
    said.iter()
        .map(|message| {
            read(talk, Server, &[&stream(1, &[message])]);
            talk.oldest_open() > number
        })
        .collect()
}

const OK: &[u8] = b"\0\0\0\x02\0\0\0";
const EOF: &[u8] = b"\xfe\0\0\x02\0";
const DEFINITION: &[u8] = b"\x03def\x01a";

/// The example of a HandshakeV10 and a HandshakeResponse41 of the documentation's layout, field by field.
#[test]
fn a_login_has_the_documented_fields() {
    let mut hello = b"\x0a8.0.36\0\x07\0\0\0saltsalt\0".to_vec();
    hello.extend_from_slice(b"\xff\xff\x21\x02\0\xff\xdf\x15\0\0\0\0\0\0\0\0\0\0");
    hello.extend_from_slice(b"saltsaltsalt\0caching_sha2_password\0");
    let found = greeting(&hello).expect("it is one");
    assert_eq!((found.version, found.connection, found.plugin), (&b"8.0.36"[..], 7, &b"caching_sha2_password"[..]));
    assert_eq!(found.capabilities, 0xdfff_ffff);
    assert_eq!(is_greeting(&stream(0, &[&hello])), Some(true));

    let capabilities =
        capability::CONNECT_WITH_DB | capability::SECURE_CONNECTION | capability::PLUGIN_AUTH | capability::CONNECT_ATTRS | 1;
    let mut answer = (capabilities as u32).to_le_bytes().to_vec();
    answer.extend_from_slice(&[0; 28]);
    answer.extend_from_slice(b"me\0\x04hashshop\0mysql_native_password\0\x06\x02os\x02ux");
    let found = login(&answer).expect("it is one");
    assert_eq!((found.user, found.database, found.plugin), (&b"me"[..], &b"shop"[..], &b"mysql_native_password"[..]));
    assert_eq!(found.attributes, [(&b"os"[..], &b"ux"[..])]);

    let mut talk = Conversation::new();
    assert_eq!(read(&mut talk, Server, &[&stream(0, &[&hello])])[0].1, None);
    assert_eq!(read(&mut talk, Client, &[&stream(1, &[&answer])])[0].2, Some(LOGIN));
    read(&mut talk, Server, &[&stream(2, &[b"\xfecaching_sha2_password\0salt\0"])]);
    assert_eq!(read(&mut talk, Client, &[&stream(3, &[b"proof"])])[0], (b"proof".to_vec(), Some(0), None));
    assert_eq!(talk.oldest_open(), 0);
    read(&mut talk, Server, &[&stream(4, &[b"\x01\x03", OK])]);
    assert_eq!((talk.oldest_open(), talk.capabilities(), talk.compression()), (1, Some(capabilities), None));
}

#[test]
fn answers_end_where_they_end() {
    let mut talk = Conversation::joined_late();
    assert_eq!(over_after(&mut talk, b"\x03SET a=1", &[OK]), [true]);
    assert_eq!(over_after(&mut talk, b"\x0e", &[OK]), [true]);
    assert_eq!(
        over_after(&mut talk, b"\x03SELECT 1", &[b"\x01", DEFINITION, EOF, b"\x011", EOF]),
        [false, false, false, false, true]
    );
    assert_eq!(
        over_after(&mut talk, b"\x03SELECT 1", &[b"\x01", DEFINITION, EOF, b"\xff\x25\x05#70100"]),
        [false, false, false, true]
    );
    // More results follow a result with the status 8.
    let more = b"\xfe\0\0\x0a\0";
    assert_eq!(over_after(&mut talk, b"\x03CALL p()", &[b"\x01", DEFINITION, EOF, more, OK]), [false, false, false, false, true]);
    // Two parameters, one column; then none of either.
    let prepared = b"\0\x07\0\0\0\x01\0\x02\0\0\0\0";
    let said = [&prepared[..], DEFINITION, DEFINITION, EOF, DEFINITION, EOF];
    assert_eq!(over_after(&mut talk, b"\x16SELECT ?+?", &said), [false, false, false, false, false, true]);
    assert_eq!(over_after(&mut talk, b"\x16SET a=1", &[b"\0\x08\0\0\0\0\0\0\0\0\0\0"]), [true]);
    // The rows of a cursor come when they are fetched.
    assert_eq!(
        over_after(&mut talk, b"\x17\x07\0\0\0\x01\x01\0\0\0", &[b"\x01", DEFINITION, b"\xfe\0\0\x42\0"]),
        [false, false, true]
    );
    assert_eq!(over_after(&mut talk, b"\x1c\x07\0\0\0\x0a\0\0\0", &[b"\0\0\x01", b"\xfe\0\0\x82\0"]), [false, true]);
    // Nothing answers these.
    assert_eq!(talk.outstanding(), 0);
    read(&mut talk, Client, &[&stream(0, &[b"\x19\x07\0\0\0"]), &stream(0, &[b"\x01"])]);
    assert_eq!(talk.outstanding(), 0);
}

#[test]
fn without_eof_packets_rows_follow_definitions_at_once() {
    let mut talk = Conversation::joined_late();
    // It shows with the first row, and is known from then on.
    let end = b"\xfe\0\0\x02\0\0\0";
    assert_eq!(over_after(&mut talk, b"\x03SELECT 1", &[b"\x01", DEFINITION, b"\x011", end]), [false, false, false, true]);
    let prepared = b"\0\x07\0\0\0\x01\0\x01\0\0\0\0";
    assert_eq!(over_after(&mut talk, b"\x16SELECT ?", &[prepared, DEFINITION, DEFINITION]), [false, false, true]);
    // Or with the next command.
    let mut talk = Conversation::joined_late();
    assert_eq!(over_after(&mut talk, b"\x16SELECT 1", &[b"\0\x07\0\0\0\x01\0\0\0\0\0\0", DEFINITION]), [false, false]);
    assert_eq!(over_after(&mut talk, b"\x03SELECT 1", &[b"\x01", DEFINITION, end]), [false, false, true]);
    assert_eq!(talk.outstanding(), 0);
}

#[test]
fn a_file_is_of_the_request_that_asked_for_it() {
    let mut talk = Conversation::joined_late();
    assert_eq!(over_after(&mut talk, b"\x03LOAD DATA LOCAL INFILE 'f' INTO TABLE t", &[b"\xfbf"]), [false]);
    let seen = read(&mut talk, Client, &[&stream(2, &[b"1\n2\n", b""])]);
    assert_eq!(seen, [(b"1\n2\n".to_vec(), Some(0), None), (vec![], Some(0), None)]);
    read(&mut talk, Server, &[&stream(4, &[OK])]);
    assert_eq!(talk.oldest_open(), 1);
}

#[test]
fn a_message_of_more_than_a_packet_is_one() {
    let long = [&b"\x03"[..], &vec![b' '; 0xff_ffff]].concat();
    let mut bytes = Vec::new();
    push_message(0, &long, &mut bytes);
    assert_eq!((&bytes[..4], bytes.len()), (&b"\xff\xff\xff\0"[..], long.len() + 8));
    assert_eq!(&bytes[4 + 0xff_ffff..][..5], b"\x01\0\0\x01 ");
    let seen = read(&mut Conversation::joined_late(), Client, &[&bytes[..100], &bytes[100..0xff_fffe], &bytes[0xff_fffe..]]);
    assert_eq!((seen.len(), seen[0].0 == long), (1, true));
    assert_eq!(messages(&bytes).map(|found| (found.len(), found[0].1.len())), Some((1, long.len())));
    assert_eq!(messages(&bytes[..bytes.len() - 1]), None);
}

#[test]
fn contents_say_what_they_say() {
    assert_eq!(done(b"\0\x02\xfc\x10\x27\x03\0\0\0"), Some(Done { rows: 2, insert_id: 10_000, status: 3 }));
    assert_eq!(failure(b"\xff\x7a\x04#42S02Table"), Some(Failure { code: 1146, sqlstate: Some(b"42S02") }));
    assert_eq!(failure(b"\xff\x10\x04Too many connections"), Some(Failure { code: 1040, sqlstate: None }));
    assert_eq!(query_text(b"\x03SELECT 1", Some(false)), b"SELECT 1");
    assert_eq!(
        (query_text(b"\x03\0\x01SELECT 1", Some(true)), query_text(b"\x03\0\x01SELECT 1", None)),
        (&b"SELECT 1"[..], &b"SELECT 1"[..])
    );
    // One attribute, a text.
    assert_eq!(query_text(b"\x03\x01\x01\0\x01\xfe\0\x01n\x02ab SELECT 1", Some(true)), b" SELECT 1");
    assert!(matches!(Conversation::joined_late().heard(b"\xff\xff\xff\x01", 4), Said::Other));
}

#[test]
fn a_message_is_found_behind_a_hole() {
    let query = stream(0, &[b"\x03select 1"]);
    let rest = [&b"\x01\0\0\x01rest\x05\0\0\0\x03xyz"[..], &query].concat();
    assert_eq!(find_start(Client, &rest), Start::At(rest.len() - query.len()));
    assert!(is_command(&query) && !is_command(&stream(0, &[b"\x03 hello"])) && !is_command(&stream(1, &[b"\x03select 1"])));
    let rows = stream(9, &[b"\x01a", b"\x01b", EOF]);
    let rest = [&b"half a row"[..], &rows].concat();
    assert_eq!(find_start(Server, &rest), Start::At(10));
    for cut in 0..rest.len() {
        match find_start(Server, &rest[..cut]) {
            Start::At(at) | Start::NotBefore(at) => assert!(at <= 10, "cut at {cut}"),
        }
    }
    let mut talk = Conversation::joined_late();
    talk.read(Client, &query[..6]);
    assert_eq!((talk.skip(Client, 7), talk.skip(Client, 1)), (Hole::ToEnd, Hole::Lost));
}

#[test]
fn compressed_packets_give_what_they_say_and_no_more() {
    let plain = stream(0, &[b"\x03SELECT 1"]);
    let raw = [&[plain.len() as u8, 0, 0, 0, 0, 0, 0][..], &plain].concat();
    assert_eq!(unpack(Compression::Zlib, &raw), Some((raw.len(), Ok(plain.clone()))));
    assert_eq!(unpack(Compression::Zlib, &raw[..raw.len() - 1]), None);
    // zlib's own "stored" form of 13 bytes (RFC 1950, 1951): header, one block, Adler-32 of the text.
    let (a, b) =
        plain.iter().fold((1_u32, 0_u32), |(a, b), byte| ((a + u32::from(*byte)) % 65521, (b + a + u32::from(*byte)) % 65521));
    let packed =
        [&[0x78, 0x01, 0x01, plain.len() as u8, 0, !(plain.len() as u8), 0xff][..], &plain, &(b << 16 | a).to_be_bytes()]
            .concat();
    let frame = |plain_bytes: u8| [&[packed.len() as u8, 0, 0, 0, plain_bytes, 0, 0][..], &packed].concat();
    assert_eq!(unpack(Compression::Zlib, &frame(plain.len() as u8)), Some((packed.len() + 7, Ok(plain.clone()))));
    assert!(
        matches!(unpack(Compression::Zlib, &frame(plain.len() as u8 - 1)), Some((_, Err(_)))),
        "a bomb stops at what it says"
    );
    assert!(matches!(unpack(Compression::Zstd, &frame(plain.len() as u8)), Some((_, Err(_)))));
}

/// A packet with a head that fits, or anything.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let bytes =
        prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b"\x00\x01\x03\x16\x17\xfb\xfe\xff"[..])], 0..60);
    let packet = |(number, content): (u8, Vec<u8>)| {
        let mut out = Vec::new();
        push_message(number, &content, &mut out);
        out
    };
    prop_oneof![3 => (0_u8..4, bytes.clone()).prop_map(packet), 1 => bytes]
}

proptest! {
    /// Whatever messages are sent, cut anywhere, they are read as they were written.
    #[test]
    fn any_cut_gives_the_same_messages(
        asked in prop::collection::vec((prop::sample::select(&b"\x03\x16\x17\x19\x0e\x02"[..]), prop::collection::vec(any::<u8>(), 0..40)), 0..30),
        said in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..30),
        part_bytes in 1_usize..20,
    ) {
        let asked: Vec<Vec<u8>> = asked.into_iter().map(|(command, rest)| [vec![command], rest].concat()).collect();
        let mut client = Vec::new();
        asked.iter().for_each(|content| push_message(0, content, &mut client));
        let mut server = Vec::new();
        said.iter().zip(1_u8..).for_each(|(content, number)| push_message(number, content, &mut server));
        let mut all = Vec::new();
        for part_bytes in [usize::MAX, part_bytes] {
            let mut talk = Conversation::joined_late();
            let from_client = read(&mut talk, Client, &client.chunks(part_bytes).collect::<Vec<_>>());
            prop_assert!(from_client.iter().map(|seen| &seen.0).eq(asked.iter()));
            let from_server = read(&mut talk, Server, &server.chunks(part_bytes).collect::<Vec<_>>());
            prop_assert!(from_server.iter().map(|seen| &seen.0).eq(said.iter()));
            all.push((from_client, from_server, talk.oldest_open()));
        }
        prop_assert_eq!(&all[0], &all[1]);
    }

    /// Any bytes at all of both sides: no panic, framing gets on, and the same comes of them however they are cut.
    #[test]
    fn any_bytes_do_no_harm(
        said in prop::collection::vec((any::<bool>(), noise()), 0..8),
        late in any::<bool>(),
        cuts in prop::collection::vec(any::<usize>(), 1..6),
    ) {
        let pieces: Vec<(Side, &[u8])> = said.iter().map(|(server, bytes)| (if *server { Server } else { Client }, &bytes[..])).collect();
        let talk = || if late { Conversation::joined_late() } else { Conversation::new() };
        check_cuts(&pieces, &cuts, |pieces| support::mysql::read(&mut talk(), pieces));
        for (side, bytes) in pieces {
            let _ = (find_start(side, bytes), is_command(bytes), is_greeting(bytes), messages(bytes), query_text(bytes, Some(true)));
            let _ = (greeting(bytes), login(bytes), done(bytes), failure(bytes));
            let _ = (unpack(Compression::Zlib, bytes), unpack(Compression::Zstd, bytes));
        }
    }
}
