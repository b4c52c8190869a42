//! HTTP/2 framing: cases by RFC 9113, then properties (any split gives the same events, written frames read back, nothing panics).

use proptest::prelude::*;
use wire::Side::{Client, Server};
use wire::hpack::{Encoder, Field};
use wire::http2::{
    Conversation, Event, FRAME_BYTES_DEFAULT, HEADER_BLOCK_BYTES_MAX, Hole, PREFACE, Start, find_start, push_data, push_goaway,
    push_headers, push_ping, push_reset, push_settings, push_settings_ack, push_window_update, setting,
};

/// An event with its bytes owned, neighbouring parts of a body joined.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Preface,
    Headers { stream: u32, promised: Option<u32>, lines: Vec<String>, end: bool, fault: Option<&'static str> },
    Data { stream: u32, body: Vec<u8>, end: bool },
    Reset(u32, u32),
    Settings(Vec<(u16, u32)>),
    Ack,
    GoAway(u32, u32),
    Ping(bool, [u8; 8]),
    Window(u32, u32),
    Other(u32, u8),
    Malformed(&'static str),
}

fn seen(event: Event<'_>) -> Option<Seen> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(match event {
        Event::Preface => Seen::Preface,
        Event::Headers(headers) => Seen::Headers {
            stream: headers.stream,
            promised: headers.promised,
            lines: headers.fields.iter().map(|(name, value)| format!("{}: {}", text(name), text(value))).collect(),
            end: headers.end,
            fault: headers.fault,
        },
        Event::Fragment { .. } => return None,
        Event::Data { stream, part, end, .. } => Seen::Data { stream, body: part.to_vec(), end },
        Event::Reset { stream, code } => Seen::Reset(stream, code),
        Event::Settings(settings) => Seen::Settings(settings.iter().collect()),
        Event::SettingsAck => Seen::Ack,
        Event::GoAway { last_stream, code } => Seen::GoAway(last_stream, code),
        Event::Ping { ack, data } => Seen::Ping(ack, data),
        Event::Window { stream, increment } => Seen::Window(stream, increment),
        Event::Other { stream, kind } => Seen::Other(stream, kind),
        Event::Malformed(fault) => Seen::Malformed(fault.what),
    })
}

/// Shows `pieces` one after the other, as a connection would bring them. The events, neighbouring parts joined, and what is left unused.
fn feed(conversation: &mut Conversation, side: wire::Side, pieces: &[&[u8]]) -> (Vec<Seen>, Vec<u8>) {
    let (mut all, mut held) = (Vec::new(), Vec::new());
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            let step = conversation.read(side, &held);
            let Some(event) = step.event else {
                assert_eq!(step.used, 0, "bytes are used up with an event only");
                break;
            };
            let next = seen(event);
            held.drain(..step.used);
            let stop = matches!(next, Some(Seen::Malformed(_)));
            match (all.last_mut(), next) {
                (Some(Seen::Data { stream, body, end }), Some(Seen::Data { stream: same, body: more, end: now }))
                    if *stream == same && !*end =>
                {
                    body.extend(more);
                    *end = now;
                }
                (Some(Seen::Other(stream, kind)), Some(Seen::Other(same, alike))) if (*stream, *kind) == (same, alike) => {}
                (_, next) => all.extend(next),
            }
            if stop {
                return (all, held);
            }
        }
    }
    (all, held)
}

fn read(bytes: &[u8]) -> Vec<Seen> {
    let (seen, left) = feed(&mut Conversation::new(), Client, &[bytes]);
    assert!(left.is_empty() || matches!(seen.last(), Some(Seen::Malformed(_))), "{left:?} is left");
    seen
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn block(lines: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    Encoder::default().encode(lines.iter().map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes())), &mut block);
    block
}

fn headers(stream: u32, lines: &[&str], end: bool) -> Seen {
    let lines = lines.iter().map(|line| (*line).to_owned()).collect();
    Seen::Headers { stream, promised: None, lines, end, fault: None }
}

fn data(stream: u32, body: &[u8], end: bool) -> Seen {
    Seen::Data { stream, body: body.to_vec(), end }
}

#[test]
fn a_request_with_everything_around_it() {
    let mut sent = PREFACE.to_vec();
    push_settings(&[(setting::ENABLE_PUSH, 0), (setting::MAX_FRAME_SIZE, 20_000)], &mut sent);
    push_window_update(0, 70_000, &mut sent);
    push_headers(1, &block(&[(":method", "POST"), (":path", "/a")]), false, FRAME_BYTES_DEFAULT, &mut sent);
    push_data(1, b"body", true, FRAME_BYTES_DEFAULT, &mut sent);
    push_settings_ack(&mut sent);
    push_ping(*b"ping1234", false, &mut sent);
    push_reset(3, 8, &mut sent);
    push_goaway(1, 11, &mut sent);
    sent.extend(frame(10, 0, 0, b"an extension"));
    assert_eq!(
        read(&sent),
        [
            Seen::Preface,
            Seen::Settings(vec![(2, 0), (5, 20_000)]),
            Seen::Window(0, 70_000),
            headers(1, &[":method: POST", ":path: /a"], false),
            data(1, b"body", true),
            Seen::Ack,
            Seen::Ping(false, *b"ping1234"),
            Seen::Reset(3, 8),
            Seen::GoAway(1, 11),
            Seen::Other(0, 10),
        ]
    );
}

#[test]
fn padding_and_priority_are_taken_off() {
    let block = block(&[(":method", "GET")]);
    let padded = [&[3, 0, 0, 0, 0, 200][..], &block, &[0; 3]].concat();
    assert_eq!(read(&frame(1, 0x2d, 5, &padded)), [headers(5, &[":method: GET"], true)]);
    assert_eq!(read(&frame(0, 0x9, 5, b"\x04body\0\0\0\0")), [data(5, b"body", true)]);
    assert_eq!(read(&frame(0, 0x9, 5, b"\x02\0\0")), [data(5, b"", true)]);
    assert_eq!(read(&frame(0, 0x1, 5, b"")), [data(5, b"", true)]);
    assert_eq!(read(&frame(2, 0, 5, b"\0\0\0\x03\x10")), [Seen::Other(5, 2)]);
    let promise = [&[2, 0, 0, 0, 8][..], &block, &[0; 2]].concat();
    let promised =
        Seen::Headers { stream: 5, promised: Some(8), lines: vec![":method: GET".to_owned()], end: false, fault: None };
    assert_eq!(read(&frame(5, 0xc, 5, &promise)), [promised]);
}

#[test]
fn a_block_may_come_in_many_frames() {
    let block = block(&[(":method", "GET"), ("x-long", &"v".repeat(100))]);
    let mut sent = Vec::new();
    push_headers(7, &block, true, 10, &mut sent);
    assert!(sent.len() > block.len() + 9 * 8);
    assert_eq!(read(&sent), [headers(7, &[":method: GET", &format!("x-long: {}", "v".repeat(100))], true)]);
    let broken_into = [frame(1, 0, 7, &block), frame(6, 0, 0, &[0; 8])].concat();
    assert_eq!(read(&broken_into), [Seen::Malformed("a header block that is broken into")]);
}

#[test]
fn what_is_no_frame_says_why() {
    for (wrong, what) in [
        (frame(0, 0, 0, b"x"), "without a stream"),
        (frame(4, 0, 1, &[0; 6]), "on a stream"),
        (frame(4, 0, 0, &[0; 5]), "a length that is none"),
        (frame(6, 0, 0, &[0; 7]), "not 8 bytes"),
        (frame(3, 0, 1, &[0; 5]), "not 4 bytes"),
        (frame(8, 0, 1, &[0; 3]), "not 4 bytes"),
        (frame(2, 0, 1, &[0; 4]), "not 5 bytes"),
        (frame(7, 0, 0, &[0; 4]), "fewer than 8"),
        (frame(0, 8, 1, &[200, 0]), "shorter than its padding"),
        (frame(1, 8, 1, &[200, 0]), "shorter than its padding"),
        (frame(0, 0, 1, &[0; 16_385]), "longer than was agreed"),
        (b"PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n".to_vec(), "not the preface"),
        (b"\xff\xff\xff\x00\x00\x00\x00\x00\x01".to_vec(), "longer than was agreed"),
    ] {
        let seen = read(&wrong);
        assert!(matches!(seen.last(), Some(Seen::Malformed(says)) if says.contains(what)), "{what}: {seen:?}");
    }
}

#[test]
fn the_other_side_says_how_long_frames_may_be() {
    let long = frame(0, 0, 1, &[7; 20_000]);
    let mut conversation = Conversation::new();
    let mut asked = Vec::new();
    push_settings(&[(setting::MAX_FRAME_SIZE, 20_000)], &mut asked);
    feed(&mut conversation, Client, &[&asked]);
    assert_eq!((conversation.frame_bytes_max(Server), conversation.frame_bytes_max(Client)), (20_000, 16_384));
    assert_eq!(feed(&mut conversation, Server, &[&long]).0, [data(1, &[7; 20_000], false)]);
    assert!(matches!(feed(&mut conversation, Client, &[&long]).0[..], [Seen::Malformed(_)]));
    assert_eq!(feed(&mut Conversation::joined_late(), Client, &[&long]).0.len(), 1, "who comes late takes any length");
}

/// A block in frame after frame, most of them empty or with one byte: memory is bounded, and what was known is told.
#[test]
fn continuations_without_end_are_bounded() {
    let (mut conversation, mut events) = (Conversation::new(), 0);
    let mut show = |bytes: &[u8]| {
        let (seen, left) = feed(&mut conversation, Client, &[bytes]);
        assert!(left.is_empty());
        events += seen.len();
        seen
    };
    show(&frame(1, 0, 1, &block(&[(":method", "GET")])));
    show(&frame(9, 0, 1, b"").repeat(50_000));
    for _ in 0..HEADER_BLOCK_BYTES_MAX / 16_000 + 2 {
        show(&frame(9, 0, 1, &[0x82; 16_000]));
    }
    let seen = show(&frame(9, 4, 1, b""));
    let [Seen::Headers { lines, fault, .. }] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!((lines[0].as_str(), fault.is_some()), (":method: GET", true));
    assert_eq!(events, 1);
}

#[test]
fn holes_in_data_are_bridged_and_others_are_not() {
    let sent = [frame(0, 0, 3, &[1; 100]), frame(0, 1, 3, &[2; 50])].concat();
    let mut conversation = Conversation::new();
    feed(&mut conversation, Client, &[&sent[..20]]);
    assert_eq!(conversation.skip(Client, 60), Hole::Inside { stream: 3, end: false });
    assert_eq!(feed(&mut conversation, Client, &[&sent[80..120]]).0, [data(3, &[vec![1; 29], vec![2; 2]].concat(), false)]);
    assert_eq!(conversation.skip(Client, 48), Hole::Inside { stream: 3, end: true });
    assert_eq!(feed(&mut conversation, Client, &[&frame(0, 1, 5, b"x")]).0, [data(5, b"x", true)]);
    assert_eq!(conversation.skip(Client, 1), Hole::Lost);
    assert_eq!(feed(&mut conversation, Client, &[&sent]).0, []);
    conversation.restart(Client);
    assert_eq!(find_start(&sent), Start::At(0));
    assert_eq!(feed(&mut conversation, Client, &[&sent[..109]]).0, [data(3, &[1; 100], false)]);
    feed(&mut conversation, Client, &[&sent[109..120]]);
    assert_eq!(conversation.skip(Client, 49), Hole::Lost, "the frame ends inside the hole");
}

#[test]
fn who_comes_late_is_told_what_is_known() {
    let (mut encoder, mut blocks) = (Encoder::default(), Vec::new());
    for _ in 0..2 {
        let mut block = Vec::new();
        encoder.encode([Field::new(b":method", b"GET"), Field::new(b"x-id", b"7")], &mut block);
        blocks.push(block);
    }
    let mut sent = Vec::new();
    push_headers(3, &blocks[1], true, FRAME_BYTES_DEFAULT, &mut sent);
    assert_eq!(feed(&mut Conversation::joined_late(), Client, &[&sent]).0, [headers(3, &[":method: GET", ": "], true)]);
    let front_missed = [frame(9, 4, 1, &[0x82]), sent.clone()].concat();
    assert_eq!(feed(&mut Conversation::joined_late(), Client, &[&front_missed]).0.len(), 2);
    let seen = feed(&mut Conversation::new(), Client, &[&sent]).0;
    assert!(matches!(&seen[..], [Seen::Headers { fault: Some(_), lines, .. }] if lines.len() == 1), "{seen:?}");
}

/// Frames at random, as they are written.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let stream = 1_u32..9;
    let payload = prop::collection::vec(any::<u8>(), 0..40);
    let line = ("[a-z-]{1,9}", "[ -~]{0,40}");
    let one = prop_oneof![
        (stream.clone(), payload.clone(), any::<bool>()).prop_map(|(stream, body, end)| frame(0, u8::from(end), stream, &body)),
        (stream.clone(), payload.clone(), 0_u8..20)
            .prop_map(|(stream, body, pad)| { frame(0, 8, stream, &[&[pad][..], &body, &vec![0; usize::from(pad)]].concat()) }),
        (stream.clone(), prop::collection::vec(line, 0..4), any::<bool>(), 5_usize..60).prop_map(
            |(stream, lines, end, bytes)| {
                let lines: Vec<(&str, &str)> = lines.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                let mut out = Vec::new();
                push_headers(stream, &block(&lines), end, bytes, &mut out);
                out
            }
        ),
        (0_u32..9, any::<u32>()).prop_map(|(stream, code)| frame(8, 0, stream, &code.to_be_bytes())),
        prop::collection::vec(any::<u8>(), 8..30).prop_map(|says| frame(7, 0, 0, &says)),
        (11_u8..60, any::<u8>(), stream, payload).prop_map(|(kind, flags, stream, body)| frame(kind, flags, stream, &body)),
    ];
    prop::collection::vec(one, 0..8).prop_map(|frames| frames.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_two_pieces_give_the_same_events(sent in frames(), cut in any::<prop::sample::Index>()) {
        let whole = feed(&mut Conversation::new(), Client, &[&sent]);
        prop_assert!(whole.1.is_empty() && !whole.0.iter().any(|seen| matches!(seen, Seen::Malformed(_))));
        let cut = cut.index(sent.len() + 1);
        let (front, back) = sent.split_at(cut);
        prop_assert_eq!(&feed(&mut Conversation::new(), Client, &[front, back]), &whole);
        let bytes: Vec<&[u8]> = sent.chunks(1).collect();
        prop_assert_eq!(&feed(&mut Conversation::new(), Client, &bytes), &whole);
    }

    /// Bytes, holes and restarts at random: framing always gets on, and nothing panics.
    #[test]
    fn nothing_does_harm(
        events in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..60), frames(), 0_u64..300, 0_u8..4, any::<bool>()), 0..8),
        late in any::<bool>(),
    ) {
        let mut conversation = if late { Conversation::joined_late() } else { Conversation::new() };
        for (noise, frames, missing, kind, client) in events {
            let side = if client { Client } else { Server };
            match kind {
                0 => _ = feed(&mut conversation, side, &[&noise]),
                1 => _ = conversation.skip(side, missing),
                2 => conversation.restart(side),
                _ => _ = feed(&mut conversation, side, &[&frames, &noise]),
            }
            let all = [noise, frames].concat();
            match find_start(&all) {
                Start::At(at) => prop_assert!(at < all.len()),
                Start::NotBefore(at) => prop_assert!(at <= all.len()),
            }
        }
    }
}
