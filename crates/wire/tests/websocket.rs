//! WebSocket framing: cases by RFC 6455 and RFC 7692, then properties (any split gives the same messages, written frames read back, nothing
//! panics or is held).

use proptest::prelude::*;
use wire::Side::{self, Client, Server};
use wire::websocket::{
    ControlKind, Conversation, Deflater, Event, Hole, Inflater, MessageKind, Opening, close_reason, find_start, push_control,
    push_fragment, push_message,
};

/// What was said, messages joined.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Message(Opening, Vec<u8>),
    Control(ControlKind, Vec<u8>),
    /// A part of a message whose beginning was not seen.
    Orphan(Vec<u8>),
    Malformed(&'static str),
}

/// Shows `pieces` one after the other, as a connection would bring them; what was said, and bytes left unused.
fn feed(conversation: &mut Conversation, side: Side, pieces: &[&[u8]]) -> (Vec<Seen>, usize) {
    let (mut all, mut held, mut message) = (Vec::new(), Vec::new(), None);
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            let step = conversation.read(side, &held);
            let Some(event) = step.event else {
                assert_eq!(step.used, 0, "bytes are used up with an event only");
                assert!(held.len() < 14 + 125 || matches!(all.last(), Some(Seen::Malformed(_))), "a head or a control frame");
                break;
            };
            match event {
                Event::Data { opening, part, end } => {
                    let mut plain = Vec::new();
                    part.push_to(&mut plain);
                    let under_way: &mut (Option<Opening>, Vec<u8>) = message.get_or_insert((opening, Vec::new()));
                    under_way.1.extend(plain);
                    if end {
                        let (opening, bytes) = message.take().expect("it was just put there");
                        all.push(opening.map_or(Seen::Orphan(bytes.clone()), |opening| Seen::Message(opening, bytes)));
                    }
                }
                Event::Control { kind, payload } => {
                    let mut plain = Vec::new();
                    payload.push_to(&mut plain);
                    all.push(Seen::Control(kind, plain));
                }
                Event::Malformed(fault) => all.push(Seen::Malformed(fault.what)),
            }
            held.drain(..step.used);
        }
    }
    (all, held.len())
}

fn seen(side: Side, bytes: &[u8]) -> Vec<Seen> {
    feed(&mut Conversation::new(), side, &[bytes]).0
}

fn text(message: &str) -> Seen {
    Seen::Message(Opening { kind: MessageKind::Text, compressed: false }, message.as_bytes().to_vec())
}

/// RFC 6455 §5.7, in its order.
#[test]
fn published_examples() {
    assert_eq!(seen(Server, b"\x81\x05\x48\x65\x6c\x6c\x6f"), [text("Hello")]);
    assert_eq!(seen(Client, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), [text("Hello")]);
    assert_eq!(seen(Server, b"\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f"), [text("Hello")]);
    assert_eq!(seen(Server, b"\x89\x05\x48\x65\x6c\x6c\x6f"), [Seen::Control(ControlKind::Ping, b"Hello".to_vec())]);
    let pong = seen(Client, b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    assert_eq!(pong, [Seen::Control(ControlKind::Pong, b"Hello".to_vec())]);
    let binary = |length: usize| Seen::Message(Opening { kind: MessageKind::Binary, compressed: false }, vec![7; length]);
    assert_eq!(seen(Server, &[&b"\x82\x7e\x01\x00"[..], &[7; 256]].concat()), [binary(256)]);
    assert_eq!(seen(Server, &[&b"\x82\x7f\0\0\0\0\0\x01\0\0"[..], &[7; 65536]].concat()), [binary(65536)]);
}

#[test]
fn control_frames_come_between_fragments() {
    let mut sent = Vec::new();
    let opening = Opening { kind: MessageKind::Text, compressed: false };
    push_fragment(Some(opening), false, Some([1, 2, 3, 4]), b"Hel", &mut sent);
    push_control(ControlKind::Ping, Some([9, 9, 9, 9]), b"there?", &mut sent);
    push_fragment(None, false, None, b"", &mut sent);
    push_fragment(None, true, Some([5, 6, 7, 8]), b"lo", &mut sent);
    push_control(ControlKind::Close, None, b"\x03\xe8bye", &mut sent);
    let close = Seen::Control(ControlKind::Close, b"\x03\xe8bye".to_vec());
    let ping = Seen::Control(ControlKind::Ping, b"there?".to_vec());
    assert_eq!(seen(Client, &sent), [ping, text("Hello"), close]);
    let mut conversation = Conversation::new();
    let step = conversation.read(Server, b"\x88\x05\x03\xe8bye");
    let Some(Event::Control { payload, .. }) = step.event else { panic!("a close frame") };
    assert_eq!(close_reason(payload), Some((1000, b"bye".to_vec())));
}

#[test]
fn what_is_no_websocket_says_what_is_wrong() {
    let cases: [(&[u8], &str); 10] = [
        (b"\x83\x00", "an opcode that means nothing"),
        (b"\xa1\x00", "a reserved bit"),
        (b"\x09\x00", "a control frame in fragments"),
        (b"\x89\x7e\x00\x7e", "a control frame of more than 125 bytes"),
        (b"\x88\x01", "a close code of one byte"),
        (b"\xc9\x00", "a compressed control frame"),
        (b"\x80\x01a", "a message without a beginning"),
        (b"\x01\x01a\x81\x01b", "a message inside another"),
        (b"\x82\x7e\x00\x7d", "a length in more bytes than it needs"),
        (b"\x82\x7f\x80\0\0\0\0\0\0\0", "a length beyond 63 bits"),
    ];
    for (bytes, what) in cases {
        assert_eq!(seen(Server, bytes).last(), Some(&Seen::Malformed(what)), "{}", bytes.escape_ascii());
    }
}

/// Nothing is held of a message that claims to be longer than memory: every part is used up as it comes.
#[test]
fn a_length_of_eight_exabytes_holds_nothing() {
    let mut conversation = Conversation::new();
    let head = b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff";
    assert_eq!(feed(&mut conversation, Server, &[head]).1, head.len());
    let (all, left) = feed(&mut conversation, Server, &[&[head, &[0; 4096][..]].concat()]);
    assert_eq!((all.len(), left), (0, 0));
    assert_eq!(conversation.skip(Server, u64::MAX), Hole::Past);
}

#[test]
fn holes_inside_frames_are_bridged_with_their_masks() {
    let mut sent = Vec::new();
    push_message(MessageKind::Text, false, Some([1, 2, 3, 4]), b"0123456789", &mut sent);
    let mut conversation = Conversation::new();
    for missing in 1..=6 {
        let mut plain = Vec::new();
        let step = conversation.read(Client, &sent[..9]);
        let Some(Event::Data { end: false, .. }) = step.event else { panic!("the front of a message") };
        assert_eq!(conversation.skip(Client, missing), Hole::Inside { end: false });
        let step = conversation.read(Client, &sent[9 + missing as usize..]);
        let Some(Event::Data { part, end: true, .. }) = step.event else { panic!("its end") };
        part.push_to(&mut plain);
        assert_eq!(plain, b"3456789"[missing as usize..]);
    }
    conversation.read(Client, &sent[..9]);
    assert_eq!(conversation.skip(Client, 7), Hole::Inside { end: true });
    assert_eq!(conversation.skip(Client, 1), Hole::Lost);
    assert_eq!(feed(&mut conversation, Client, &[&sent]).0, [], "it stands still");
    conversation.restart(Client);
    let tail = [&b"\x80\x81\0\0\0\0x"[..], &sent].concat();
    assert_eq!(feed(&mut conversation, Client, &[&tail]).0, [Seen::Orphan(b"x".to_vec()), text("0123456789")]);
}

/// A message with its fragments, or a control frame.
#[derive(Debug, Clone)]
enum Said {
    Message { text: bool, bytes: Vec<u8>, fragment_bytes: usize, compressed: bool },
    Control(ControlKind, Vec<u8>),
}

fn said() -> impl Strategy<Value = Said> {
    let bytes =
        |max| prop_oneof![3 => prop::collection::vec(any::<u8>(), 0..max), 1 => prop::collection::vec(0..3_u8, 0..70_000)];
    let kinds = prop::sample::select(vec![ControlKind::Close, ControlKind::Ping, ControlKind::Pong]);
    prop_oneof![
        4 => (any::<bool>(), bytes(300), 1_usize..40_000, any::<bool>())
            .prop_map(|(text, bytes, fragment_bytes, compressed)| Said::Message { text, bytes, fragment_bytes, compressed }),
        1 => (kinds, prop::collection::vec(any::<u8>(), 2..125)).prop_map(|(kind, bytes)| Said::Control(kind, bytes)),
    ]
}

/// Writes what is said, with a control frame between the first two fragments of each message.
fn write(said: &[Said], key: Option<[u8; 4]>, takeover: bool) -> (Vec<u8>, Vec<Seen>) {
    let (mut out, mut seen, mut deflater) = (Vec::new(), Vec::new(), Deflater::new(takeover));
    for one in said {
        match one {
            Said::Control(kind, bytes) => {
                push_control(*kind, key, bytes, &mut out);
                seen.push(Seen::Control(*kind, bytes.clone()));
            }
            Said::Message { text, bytes, fragment_bytes, compressed } => {
                let kind = if *text { MessageKind::Text } else { MessageKind::Binary };
                let opening = Opening { kind, compressed: *compressed };
                let mut packed = bytes.clone();
                if *compressed {
                    packed.clear();
                    deflater.message(bytes, &mut packed);
                }
                let fragments: Vec<&[u8]> = if packed.is_empty() { vec![&[]] } else { packed.chunks(*fragment_bytes).collect() };
                for (index, fragment) in fragments.iter().enumerate() {
                    if index == 1 {
                        push_control(ControlKind::Ping, key, b"", &mut out);
                        seen.push(Seen::Control(ControlKind::Ping, Vec::new()));
                    }
                    push_fragment((index == 0).then_some(opening), index + 1 == fragments.len(), key, fragment, &mut out);
                }
                seen.push(Seen::Message(opening, bytes.clone()));
            }
        }
    }
    (out, seen)
}

fn inflated(seen: Vec<Seen>, takeover: bool) -> Vec<Seen> {
    let mut inflater = Inflater::new(takeover);
    let mut plain = |one| match one {
        Seen::Message(opening, bytes) if opening.compressed => {
            let mut out = Vec::new();
            inflater.read(&bytes, |part| out.extend_from_slice(part)).expect("it was compressed");
            inflater.end(|part| out.extend_from_slice(part)).expect("it was compressed");
            Seen::Message(opening, out)
        }
        other => other,
    };
    seen.into_iter().map(&mut plain).collect()
}

/// Cuts bytes at random places.
fn pieces(bytes: &[u8], mut cuts: Vec<prop::sample::Index>) -> Vec<&[u8]> {
    cuts.sort_by_key(|cut| cut.index(bytes.len() + 1));
    let mut from = 0;
    let mut pieces: Vec<&[u8]> = Vec::new();
    for cut in cuts {
        let cut = cut.index(bytes.len() + 1);
        pieces.push(&bytes[from..cut]);
        from = cut;
    }
    pieces.push(&bytes[from..]);
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_written_is_read_however_it_is_cut(
        said in prop::collection::vec(said(), 0..8),
        key in any::<Option<[u8; 4]>>(),
        takeover in any::<bool>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let (bytes, wanted) = write(&said, key, takeover);
        let (all, left) = feed(&mut Conversation::new(), Client, &pieces(&bytes, cuts));
        prop_assert_eq!(left, 0);
        prop_assert_eq!(inflated(all, takeover), wanted);
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..400), cut in any::<prop::sample::Index>(), missing in 0_u64..300) {
        let (front, back) = bytes.split_at(cut.index(bytes.len() + 1));
        let whole = feed(&mut Conversation::new(), Server, &[&bytes]);
        prop_assert_eq!(feed(&mut Conversation::new(), Server, &[front, back]), whole);
        let mut conversation = Conversation::new();
        feed(&mut conversation, Client, &[front]);
        conversation.skip(Client, missing);
        conversation.restart(Client);
        feed(&mut conversation, Client, &[back]);
        let _ = find_start(Client, &bytes);
        let _ = Inflater::new(true).read(&bytes, |_| ());
    }
}
