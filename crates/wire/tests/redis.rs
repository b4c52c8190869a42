//! Redis' protocol: cases by its specification, then properties (any split gives the same messages, written nodes read back, nothing
//! panics).

mod support;

use proptest::prelude::*;
use support::{check_framing, lengths, split};
use wire::Side::{self, Client, Server};
use wire::redis::{BULK_BYTES_MAX, DEPTH_MAX, LINE_BYTES_MAX, Node, Nodes, RespFraming, arguments, push_command, push_node};
use wire::{Framing, Hole, Start};

/// Every message is one.
#[track_caller]
fn check(side: Side, messages: &[&[u8]]) {
    let whole = messages.concat();
    let expected: Vec<usize> = messages.iter().map(|message| message.len()).collect();
    assert_eq!(lengths(&mut RespFraming::new(side), [&whole[..]]), (expected.clone(), None));
    assert_eq!(lengths(&mut RespFraming::new(side), whole.chunks(1)), (expected, None));
}

/// The examples of the specification.
#[test]
fn answers_of_every_type_are_told_apart() {
    check(
        Server,
        &[
            b"+OK\r\n",
            b"-ERR unknown command 'asdf'\r\n",
            b":1000\r\n",
            b":-1\r\n",
            b"$5\r\nhello\r\n",
            b"$0\r\n\r\n",
            b"$-1\r\n",
        ],
    );
    check(
        Server,
        &[b"*0\r\n", b"*-1\r\n", b"*2\r\n$5\r\nhello\r\n$5\r\nworld\r\n", b"*5\r\n:1\r\n:2\r\n:3\r\n:4\r\n$5\r\nhello\r\n"],
    );
    check(Server, &[b"*2\r\n*3\r\n:1\r\n:2\r\n:3\r\n*2\r\n+Hello\r\n-World\r\n", b"*3\r\n$5\r\nhello\r\n$-1\r\n$5\r\nworld\r\n"]);
    check(Server, &[b"_\r\n", b"#t\r\n", b",1.23\r\n", b",inf\r\n", b"(3492890328409238509324850943850943825024385\r\n"]);
    check(
        Server,
        &[b"!21\r\nSYNTAX invalid syntax\r\n", b"=15\r\ntxt:Some string\r\n", b"%2\r\n+first\r\n:1\r\n+second\r\n:2\r\n"],
    );
    check(Server, &[b"~2\r\n+a\r\n+b\r\n", b">3\r\n+message\r\n+somechannel\r\n+this is the message\r\n", b"+next\r\n"]);
    check(
        Server,
        &[
            b"|1\r\n+key-popularity\r\n%2\r\n$1\r\na\r\n,0.1923\r\n$1\r\nb\r\n,0.0012\r\n*2\r\n:2039123\r\n:9543892\r\n",
            b"*3\r\n:1\r\n:2\r\n|1\r\n+ttl\r\n:3600\r\n:3\r\n",
            b"|0\r\n:1\r\n",
            b":1\r\n",
        ],
    );
    check(
        Client,
        &[
            b"*2\r\n$4\r\nLLEN\r\n$6\r\nmylist\r\n",
            b"PING\r\n",
            b"\r\n",
            b"EXISTS somekey\n",
            b"*0\r\n",
            b"*-1\r\n",
            b"*1\r\n$4\r\nPING\r\n",
        ],
    );
}

#[test]
fn what_is_none_is_malformed() {
    let fault = |side, bytes: &[u8]| lengths(&mut RespFraming::new(side), [bytes]).1.expect("it is none");
    assert_eq!(fault(Server, b"HTTP/1.1 200 OK\r\n"), "an unknown type");
    assert_eq!(fault(Server, b"$-2x\r\n"), "a length that is no number");
    assert_eq!(fault(Server, b"$\r\n"), "a length that is no number");
    assert_eq!(fault(Server, b"$4294967296\r\n"), "a length beyond the limit");
    assert_eq!(fault(Server, b"*4294967296\r\n"), "more values than the limit, or nested too deeply");
    assert_eq!(fault(Server, &b"*1\r\n".repeat(DEPTH_MAX + 1)), "more values than the limit, or nested too deeply");
    assert_eq!(fault(Server, &[b"+", &[b'a'; LINE_BYTES_MAX][..]].concat()), "a line beyond the limit of 64 KiB");
    assert_eq!(fault(Client, b"*1\r\n:1\r\n"), "an unknown type");
    assert_eq!(lengths(&mut RespFraming::new(Server), [format!("${BULK_BYTES_MAX}\r\n").as_bytes()]), (vec![], None));
}

#[test]
fn holes_inside_strings_are_bridged() {
    let after = |bytes: &[u8], missing| {
        let mut framing = RespFraming::new(Server);
        assert_eq!(lengths(&mut framing, [bytes]), (vec![], None));
        let hole = framing.skip(missing);
        (hole, lengths(&mut framing, [&b":1\r\n"[..]]).0)
    };
    assert_eq!(after(b"$10\r\nhel", 5), (Hole::Inside, vec![4]));
    assert_eq!(after(b"$10\r\nhel", 9), (Hole::ToEnd, vec![4]));
    assert_eq!(after(b"*2\r\n$10\r\nhel", 9), (Hole::Inside, vec![4]));
    assert_eq!(after(b"$10\r\nhel", 10), (Hole::Past, vec![]));
    assert_eq!(after(b"*2\r\n$10\r\nhel", 10), (Hole::Lost, vec![]));
    assert_eq!(after(b"+O", 1), (Hole::Lost, vec![]));
    assert_eq!(after(b"", 1), (Hole::Lost, vec![]));
    let mut framing = RespFraming::new(Server);
    framing.skip(5);
    framing.restart();
    assert_eq!(lengths(&mut framing, [&b":1\r\n"[..]]), (vec![4], None));
}

#[test]
fn starts_are_found_behind_what_is_left_of_a_message() {
    let find = |side, bytes: &[u8]| RespFraming::new(side).find_start(bytes);
    assert_eq!(find(Client, b"lue\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n"), Start::At(5));
    assert_eq!(find(Client, b"lue\r\n*2\r\n$3"), Start::NotBefore(5));
    assert_eq!(find(Client, b"$3\r\nfoo\r\n*x\r\n"), Start::NotBefore(13));
    assert_eq!(find(Server, b"lo\r\n+OK\r\n"), Start::At(4));
    assert_eq!(find(Server, b"*2\r\n:1\r\n"), Start::At(0));
    assert_eq!(find(Server, b"*2\r\n"), Start::NotBefore(0));
    assert_eq!(find(Server, b"*0\r\n"), Start::At(0));
    assert_eq!(find(Server, b"+\x01\r\n"), Start::NotBefore(4));
    assert_eq!(find(Server, &[b'+', b'a'].repeat(200)), Start::NotBefore(400));
}

#[test]
fn commands_are_read_however_they_are_written() {
    let words = |bytes: &[u8], max| {
        let (words, count) = arguments(bytes, max);
        (words.iter().map(|word| word.to_vec()).collect::<Vec<_>>(), count)
    };
    let owned = |words: &[&[u8]]| words.iter().map(|word| word.to_vec()).collect::<Vec<_>>();
    assert_eq!(words(b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n", 9), (owned(&[b"GET", b"a"]), 2));
    assert_eq!(words(b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n", 1), (owned(&[b"GET"]), 2));
    assert_eq!(words(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\nsec", 9), (owned(&[b"SET", b"a"]), 3));
    assert_eq!(words(b" SET  a \"b \\\"c\\x41\\n\" 'd \\' \\n'\r\n", 9), (owned(&[b"SET", b"a", b"b \"cA\n", b"d ' \\n"]), 4));
    assert_eq!(words(b"\r\n", 9), (vec![], 0));
    assert_eq!(words(b"*-1\r\n", 9), (vec![], 0));
    assert_eq!(words(b"a \"open\r\n", 9), (owned(&[b"a", b"open"]), 2));
}

#[test]
fn attributes_are_left_out() {
    let answer = b"|1\r\n+ttl\r\n*1\r\n|1\r\n+a\r\n+b\r\n:1\r\n*2\r\n:1\r\n|1\r\n+x\r\n:2\r\n:3\r\n+next\r\n";
    let nodes: Vec<_> = Nodes::new(answer).collect();
    let line = |kind, text| Node::Line(kind, text);
    assert_eq!(nodes, [Node::Many(b'*', 2), line(b':', b"1"), line(b':', b"3"), line(b'+', b"next")]);
}

/// A tree of values as nodes.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let line = (prop::sample::select(b"+-:,(".to_vec()), "[ -~]{0,12}")
        .prop_map(|(kind, text)| written(&[Node::Line(kind, text.as_bytes())]));
    let bulk = (prop::sample::select(b"$!=".to_vec()), prop::collection::vec(any::<u8>(), 0..20))
        .prop_map(|(kind, text)| written(&[Node::Bulk(kind, &text)]));
    let leaf = prop_oneof![line, bulk, Just(written(&[Node::Null])), Just(b"$-1\r\n".to_vec())];
    leaf.prop_recursive(4, 24, 4, |inner| {
        (prop::sample::select(b"*~>%|".to_vec()), prop::collection::vec(inner.clone(), 0..4), inner).prop_map(
            |(kind, mut values, last)| {
                if matches!(kind, b'%' | b'|') && values.len() % 2 == 1 {
                    values.pop();
                }
                let mut out = written(&[Node::Many(kind, values.len() as u64)]);
                out.extend(values.concat());
                // What the attributes are of.
                out.extend(if kind == b'|' { last } else { Vec::new() });
                out
            },
        )
    })
}

fn written(nodes: &[Node<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    nodes.iter().for_each(|node| push_node(node, &mut out));
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_split_gives_the_same_messages(values in prop::collection::vec(value(), 0..8), cuts in prop::collection::vec(any::<usize>(), 0..20)) {
        let whole = values.concat();
        let expected: Vec<usize> = values.iter().map(Vec::len).collect();
        prop_assert_eq!(lengths(&mut RespFraming::new(Server), split(&whole, &cuts)), (expected, None));
    }

    #[test]
    fn written_commands_read_back(words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..8), cut in any::<usize>()) {
        let mut command = Vec::new();
        push_command(&words, &mut command);
        let (found, count) = arguments(&command, 100);
        prop_assert_eq!(count, words.len() as u64);
        prop_assert_eq!(found.iter().map(|word| word.to_vec()).collect::<Vec<_>>(), words.clone());
        prop_assert_eq!(lengths(&mut RespFraming::new(Client), split(&command, &[cut])), (vec![command.len()], None));
        // Of a command that is cut short, the words that are whole.
        let part = &command[..cut % command.len()];
        prop_assert!(arguments(part, 100).0.iter().zip(&words).all(|(found, word)| **found == **word) || part.first() != Some(&b'*'));
    }

    #[test]
    fn written_nodes_read_back(value in value()) {
        let nodes: Vec<Node<'_>> = Nodes::new(&value).collect();
        let again = written(&nodes);
        prop_assert_eq!(Nodes::new(&again).collect::<Vec<_>>(), nodes);
    }

    /// Whatever the bytes: no panic, all is used up or said to be malformed, and the same however they are cut.
    #[test]
    fn no_bytes_do_harm(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"*$+-:%|>\r\n0123".to_vec())], 0..80),
        cuts in prop::collection::vec(any::<usize>(), 0..6),
        missing in any::<u64>(),
    ) {
        [Client, Server].into_iter().for_each(|side| check_framing(|| RespFraming::new(side), &bytes, &cuts, missing));
        let _ = (Nodes::new(&bytes).count(), arguments(&bytes, 10));
    }
}
