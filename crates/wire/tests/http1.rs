//! HTTP/1 framing: cases by RFC, then properties (any split gives the same events, written requests read back, nothing panics).

use proptest::prelude::*;
use wire::Side;
use wire::http1::{
    Body, Conversation, Ending, Event, HEAD_BYTES_MAX, Hole, OUTSTANDING_MAX, Oddity, Request, Start, encode_request, find_start,
};

/// An event with its bytes owned, neighbouring parts of a body or tunnel joined.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Head(String, Vec<(String, String)>),
    Body(Vec<u8>),
    End,
    Tunnel(Vec<u8>),
    Malformed(&'static str),
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn push(seen: &mut Vec<Seen>, next: Seen) {
    match (seen.last_mut(), next) {
        (Some(Seen::Body(all)), Seen::Body(part)) | (Some(Seen::Tunnel(all)), Seen::Tunnel(part)) => all.extend(part),
        (_, next) => seen.push(next),
    }
}

/// Shows `pieces` one after the other, as a connection would bring them, and gives all events and what is left unused.
fn feed(conversation: &mut Conversation, side: Side, pieces: &[&[u8]]) -> (Vec<Seen>, Vec<u8>) {
    let (mut seen, mut held) = (Vec::new(), Vec::new());
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            let (used, next) = look(conversation, side, &held);
            held.drain(..used);
            let Some(next) = next else { break };
            let stop = matches!(next, Seen::Malformed(_));
            push(&mut seen, next);
            if stop {
                return (seen, held);
            }
        }
    }
    (seen, held)
}

fn headers(headers: wire::http1::Headers<'_>) -> Vec<(String, String)> {
    headers.into_iter().map(|(name, value)| (text(name), text(value))).collect()
}

fn look(conversation: &mut Conversation, side: Side, bytes: &[u8]) -> (usize, Option<Seen>) {
    let seen = |event: Event<'_, (String, Vec<(String, String)>)>| match event {
        Event::Head((line, headers)) => Seen::Head(line, headers),
        Event::Body(part) => Seen::Body(part.to_vec()),
        Event::End => Seen::End,
        Event::Tunnel(part) => Seen::Tunnel(part.to_vec()),
        Event::Malformed(fault) => Seen::Malformed(fault.what),
    };
    match side {
        Side::Client => {
            let step = conversation.client(bytes);
            let line = |head: wire::http1::RequestHead<'_>| format!("{} {}", text(head.method), text(head.target));
            (step.used, step.event.map(|event| seen(map_head(event, |head| (line(head), headers(head.headers))))))
        }
        Side::Server => {
            let step = conversation.server(bytes);
            (step.used, step.event.map(|event| seen(map_head(event, |head| (head.status.to_string(), headers(head.headers))))))
        }
    }
}

fn map_head<'a, A, B>(event: Event<'a, A>, map: impl FnOnce(A) -> B) -> Event<'a, B> {
    match event {
        Event::Head(head) => Event::Head(map(head)),
        Event::Body(part) => Event::Body(part),
        Event::End => Event::End,
        Event::Tunnel(part) => Event::Tunnel(part),
        Event::Malformed(fault) => Event::Malformed(fault),
    }
}

/// The events of the server's `bytes`, shown in one piece, as answers to requests with these methods; start lines only of heads.
fn answers(methods: &[&str], bytes: &str) -> Vec<Seen> {
    let mut conversation = Conversation::new();
    for method in methods {
        assert!(conversation.note_request(method.as_bytes()));
    }
    let (seen, left) = feed(&mut conversation, Side::Server, &[bytes.as_bytes()]);
    assert!(left.is_empty() || matches!(seen.last(), Some(Seen::Malformed(_))), "left over: {left:?}");
    without_headers(seen)
}

fn requests(bytes: &str) -> Vec<Seen> {
    without_headers(feed(&mut Conversation::new(), Side::Client, &[bytes.as_bytes()]).0)
}

fn without_headers(seen: Vec<Seen>) -> Vec<Seen> {
    seen.into_iter().map(|event| if let Seen::Head(line, _) = event { head(&line) } else { event }).collect()
}

fn head(line: &str) -> Seen {
    Seen::Head(line.into(), Vec::new())
}

fn body(text: &str) -> Seen {
    Seen::Body(text.into())
}

use Seen::End;

#[test]
fn a_body_ends_as_rfc_9112_section_6_3_says() {
    // Rule 1: HEAD, 1xx, 204, 304 have none, whatever they announce.
    let announced = "Content-Length: 3\r\n\r\n";
    assert_eq!(answers(&["HEAD"], &format!("HTTP/1.1 200 OK\r\n{announced}")), [head("200"), End]);
    assert_eq!(answers(&["GET"], &format!("HTTP/1.1 204 No Content\r\n{announced}")), [head("204"), End]);
    assert_eq!(answers(&["GET"], &format!("HTTP/1.1 304 Not Modified\r\n{announced}")), [head("304"), End]);
    // Rule 2: a successful CONNECT is a tunnel, a refused one is not.
    let connected = answers(&["CONNECT"], "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\x16\x03");
    assert_eq!(connected, [head("200"), End, Seen::Tunnel(b"\x16\x03".to_vec())]);
    assert_eq!(answers(&["CONNECT"], "HTTP/1.1 407 No\r\nContent-Length: 3\r\n\r\nabc"), [head("407"), body("abc"), End]);
    // Rule 3: the transfer coding outranks the length.
    let both = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n";
    assert_eq!(answers(&["GET"], both), [head("200"), body("abcd"), End]);
    // Rule 4: chunked is not last in a request: its end cannot be known.
    let unknowable = requests("POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\nx");
    assert_eq!(unknowable, [Seen::Malformed("a request whose last transfer coding is not chunked")]);
    // Rule 6 and 7.
    assert_eq!(answers(&["GET"], "HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc"), [head("200"), body("abc"), End]);
    assert_eq!(requests("POST / HTTP/1.1\r\n\r\n"), [head("POST /"), End]);
}

#[test]
fn a_body_without_a_length_ends_with_the_connection() {
    let mut conversation = Conversation::new();
    assert!(conversation.note_request(b"GET"));
    let (seen, _) = feed(&mut conversation, Side::Server, &[b"HTTP/1.0 200 OK\r\n\r\nabc", b"def"]);
    assert_eq!(without_headers(seen), [head("200"), body("abcdef")]);
    assert_eq!(conversation.closed(Side::Server), Ending::Finished);
    assert_eq!(conversation.outstanding(), 0);
}

#[test]
fn an_unfinished_body_is_cut_short() {
    let mut conversation = Conversation::new();
    feed(&mut conversation, Side::Server, &[b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"]);
    assert_eq!(conversation.closed(Side::Server), Ending::CutShort);
    assert_eq!(conversation.closed(Side::Client), Ending::Between);
}

#[test]
fn chunks_have_extensions_and_trailers() {
    let chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n003 ;a=\"b\"\r\nabc\r\n A \r\n0123456789\n0\r\nX: y\r\n\r\n";
    assert_eq!(answers(&["GET"], chunked), [head("200"), body("abc0123456789"), End]);
}

/// A trailer line that never ends is used up as it comes, and malformed at the limit however it comes.
#[test]
fn trailers_are_bounded_and_not_held() {
    let front = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    for line in [&b"a"[..], b"a: b\r\n"] {
        let bytes = [&front[..], &line.repeat((HEAD_BYTES_MAX + 100) / line.len())].concat();
        for part_bytes in [usize::MAX, 7, 10_000] {
            let pieces: Vec<&[u8]> = bytes.chunks(part_bytes.min(bytes.len())).collect();
            let (seen, _) = feed(&mut Conversation::new(), Side::Client, &pieces);
            assert_eq!(seen[1..], [Seen::Malformed("trailers beyond the limit of 256 KiB")]);
        }
        let (seen, held) = feed(&mut Conversation::new(), Side::Client, &[&bytes[..HEAD_BYTES_MAX]]);
        assert_eq!((seen.len(), held.len()), (1, 0));
    }
}

#[test]
fn chunk_sizes_beyond_64_bits_are_malformed() {
    let post = |size: &str| {
        requests(&format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\n\r\nGET / HTTP/1.1\r\n\r\n"))
    };
    assert_eq!(post("10000000000000000"), [head("POST /"), Seen::Malformed("a chunk size of 2^64 or more")]);
    assert_eq!(post("-1"), [head("POST /"), Seen::Malformed("a chunk size that is not hexadecimal")]);
    // The largest size is a size: it waits for more.
    let largest = post("ffffffffffffffff");
    assert_eq!(largest[0], head("POST /"));
    assert!(matches!(largest[1], Seen::Body(_)));
}

#[test]
fn interim_answers_come_before_the_final_one() {
    let seen = answers(
        &["POST"],
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
    );
    assert_eq!(seen, [head("100"), End, head("103"), End, head("200"), body("a"), End]);
}

#[test]
fn pipelined_answers_are_framed_by_their_own_requests() {
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
    let seen = answers(&["GET", "HEAD", "GET"], &format!("{length}ab{length}{length}cd"));
    assert_eq!(seen, [head("200"), body("ab"), End, head("200"), End, head("200"), body("cd"), End]);
}

#[test]
fn an_upgrade_makes_a_tunnel_of_both_sides() {
    let mut conversation = Conversation::new();
    feed(&mut conversation, Side::Client, &[b"GET /chat HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"]);
    let (seen, _) =
        feed(&mut conversation, Side::Server, &[b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x01a"]);
    assert_eq!(without_headers(seen), [head("101"), End, Seen::Tunnel(b"\x81\x01a".to_vec())]);
    assert_eq!(feed(&mut conversation, Side::Client, &[b"\x81\x01b"]).0, [Seen::Tunnel(b"\x81\x01b".to_vec())]);
    assert!(conversation.is_tunnel());
}

#[test]
fn what_follows_a_connect_waits_for_its_answer() {
    let mut conversation = Conversation::new();
    let early = b"CONNECT a:443 HTTP/1.1\r\n\r\n\x16\x03\x01";
    let (seen, left) = feed(&mut conversation, Side::Client, &[early]);
    assert_eq!((without_headers(seen), left.as_slice()), (vec![head("CONNECT a:443"), End], &early[26..]));
    feed(&mut conversation, Side::Server, &[b"HTTP/1.0 200 Connection Established\r\n\r\n"]);
    assert_eq!(feed(&mut conversation, Side::Client, &[&left]).0, [Seen::Tunnel(left)]);
}

#[test]
fn every_form_of_target_and_every_method_is_taken() {
    for line in ["OPTIONS *", "GET http://a.example/b?c", "CCM_POST /x", "PROPFIND /d", "get /lower", "M-SEARCH *"] {
        assert_eq!(requests(&format!("{line} HTTP/1.1\r\n\r\n")), [head(line), End]);
    }
}

#[test]
fn request_lines_that_are_not_quite_right_are_read_and_said_to_be_odd() {
    let odd = |line: &str| {
        let bytes = format!("{line}\nHost: a\n\n");
        let mut conversation = Conversation::new();
        let step = conversation.client(bytes.as_bytes());
        let Some(Event::Head(head)) = step.event else { panic!("{line}: {step:?}") };
        assert!(head.odd.has(Oddity::OddStartLine) && head.odd.has(Oddity::BareLf), "{line}");
        (text(head.method), text(head.target), head.minor_version)
    };
    assert_eq!(odd("OPTIONS HTTP/1.1"), ("OPTIONS".into(), String::new(), Some(1)));
    assert_eq!(odd("GET /HTTP/1.1"), ("GET".into(), "/HTTP/1.1".into(), None));
    assert_eq!(odd("GET/ HTTP/1.1"), ("GET/".into(), String::new(), Some(1)));
    assert_eq!(odd("GET / HTTP/1."), ("GET".into(), "/".into(), None));
    assert_eq!(odd("OPTIONS"), ("OPTIONS".into(), String::new(), None));
}

#[test]
fn other_protocols_are_malformed_at_once() {
    assert_eq!(requests("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), [Seen::Malformed("an HTTP version that is not 1.x")]);
    assert_eq!(requests("\x16\x03\x01"), [Seen::Malformed("not a request line")]);
    assert_eq!(answers(&["GET"], "SSH-2.0"), [Seen::Malformed("not a status line")]);
    assert_eq!(answers(&["GET"], "HTTP/1.1 20 OK\r\n\r\n"), [Seen::Malformed("not a status line")]);
}

#[test]
fn oddities_are_said() {
    let odd = |headers: &str| {
        let bytes = format!("POST / HTTP/1.1\r\n{headers}\r\n");
        let step = Conversation::new().client(bytes.as_bytes()).event.map(|event| match event {
            Event::Head(head) => (head.odd.iter().map(Oddity::name).collect::<Vec<_>>(), head.body),
            other => panic!("{other:?}"),
        });
        step.expect("a whole head")
    };
    assert_eq!(odd("Content-Length: 3\r\n"), (vec![], Body::Length(3)));
    assert_eq!(odd("Content-Length: 3\r\nContent-Length: 4\r\n"), (vec!["http-conflicting-lengths"], Body::Length(3)));
    assert_eq!(odd("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"), (vec!["http-length-and-coding"], Body::Chunked));
    assert_eq!(odd("X: a\r\n b\r\n"), (vec!["http-obs-fold"], Body::None));
    assert_eq!(odd("Content-Length : 3\r\nnonsense\r\n"), (vec!["http-bad-header-line"], Body::Length(3)));
    assert_eq!(odd("X: a\n"), (vec!["http-bare-lf"], Body::None));
}

#[test]
fn connections_are_kept_as_rfc_9112_section_9_3_says() {
    let kept = |line: &str, headers: &str| {
        let bytes = format!("{line}\r\nContent-Length: 0\r\n{headers}\r\n");
        match Conversation::new().server(bytes.as_bytes()).event {
            Some(Event::Head(head)) => head.keep_alive,
            other => panic!("{other:?}"),
        }
    };
    assert!(kept("HTTP/1.1 200 OK", ""));
    assert!(!kept("HTTP/1.1 200 OK", "Connection: foo, Close\r\n"));
    assert!(!kept("HTTP/1.0 200 OK", ""));
    assert!(kept("HTTP/1.0 200 OK", "Connection: Keep-Alive\r\n"));
}

#[test]
fn growth_has_limits() {
    let long = format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(wire::http1::HEAD_BYTES_MAX));
    assert_eq!(requests(&long), [Seen::Malformed("a head beyond the limit of 256 KiB")]);
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: a\r\n".repeat(wire::http1::HEADERS_MAX + 1));
    assert_eq!(requests(&many), [Seen::Malformed("more header lines than the limit of 512")]);
    let mut conversation = Conversation::new();
    let pipelined = b"GET / HTTP/1.1\r\n\r\n".repeat(OUTSTANDING_MAX + 1);
    let (_, left) = feed(&mut conversation, Side::Client, &[&pipelined]);
    assert_eq!((conversation.outstanding(), left.len()), (OUTSTANDING_MAX, 18));
    assert!(!conversation.note_request(b"GET"));
}

#[test]
fn holes_inside_a_body_of_known_length_do_not_end_framing() {
    let begin = |start: &str| {
        let mut conversation = Conversation::new();
        feed(&mut conversation, Side::Server, &[start.as_bytes()]);
        conversation
    };
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc";
    assert_eq!(begin(length).skip(Side::Server, 8), Hole::Past);
    let mut conversation = begin(length);
    assert_eq!(conversation.skip(Side::Server, 5), Hole::Inside);
    assert_eq!(feed(&mut conversation, Side::Server, &[b"ij"]).0, [body("ij"), End]);
    let mut conversation = begin(length);
    assert!(conversation.note_request(b"GET"));
    assert_eq!((conversation.skip(Side::Server, 7), conversation.outstanding()), (Hole::ToEnd, 0));
    let chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nabc";
    assert_eq!(begin(chunk).skip(Side::Server, 7), Hole::Inside);
    assert_eq!(begin(chunk).skip(Side::Server, 8), Hole::Lost);
    let mut conversation = begin("HTTP/1.1 200 OK\r\nConte");
    assert_eq!(conversation.skip(Side::Server, 1), Hole::Lost);
    conversation.restart(Side::Server);
    assert_eq!(without_headers(feed(&mut conversation, Side::Server, &[b"HTTP/1.1 201 Created\r\n\r\n"]).0), [head("201")]);
}

fn token() -> impl Strategy<Value = String> {
    "[A-Za-z][A-Za-z0-9-]{0,11}"
}

/// One message with its body framed in one of the ways that need no close: the bytes, and the body they carry.
fn message(start_line: &'static str) -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let chunks = prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 0..4);
    let fields = prop::collection::vec((token(), "[ -~]{0,12}"), 0..4);
    (fields, chunks, any::<bool>(), any::<bool>()).prop_map(move |(fields, chunks, chunked, lf)| {
        let eol = if lf { "\n" } else { "\r\n" };
        let mut bytes = format!("{start_line}{eol}").into_bytes();
        for (name, value) in fields {
            bytes.extend(format!("x-{name}: {value}{eol}").bytes());
        }
        let whole = chunks.concat();
        if chunked {
            bytes.extend(format!("Transfer-Encoding: chunked{eol}{eol}").bytes());
            for chunk in chunks {
                bytes.extend(format!("{:x};q{eol}", chunk.len()).bytes().chain(chunk).chain(eol.bytes()));
            }
            bytes.extend(format!("0{eol}{eol}").bytes());
        } else {
            bytes.extend(format!("Content-Length: {}{eol}{eol}", whole.len()).bytes());
            bytes.extend(&whole);
        }
        (bytes, whole)
    })
}

fn cut<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([0, bytes.len()]).collect();
    at.sort_unstable();
    at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

fn bodies(seen: &[Seen]) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    for event in seen {
        match event {
            Seen::Head(..) => bodies.push(Vec::new()),
            Seen::Body(part) => bodies.last_mut().expect("a head comes first").extend(part),
            _ => {}
        }
    }
    bodies
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_split_of_requests_gives_the_same_events(
        messages in prop::collection::vec(message("POST /a HTTP/1.1"), 1..4),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let whole = feed(&mut Conversation::new(), Side::Client, &[&bytes]);
        prop_assert_eq!(bodies(&whole.0), messages.iter().map(|(_, body)| body.clone()).collect::<Vec<_>>());
        prop_assert_eq!(&feed(&mut Conversation::new(), Side::Client, &cut(&bytes, &cuts)), &whole);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(&feed(&mut Conversation::new(), Side::Client, &single), &whole);
    }

    #[test]
    fn any_split_of_responses_gives_the_same_events(
        messages in prop::collection::vec(message("HTTP/1.1 200 OK"), 1..4),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let whole = feed(&mut Conversation::new(), Side::Server, &[&bytes]);
        prop_assert_eq!(bodies(&whole.0), messages.iter().map(|(_, body)| body.clone()).collect::<Vec<_>>());
        prop_assert_eq!(&feed(&mut Conversation::new(), Side::Server, &cut(&bytes, &cuts)), &whole);
    }

    /// The twin of the fuzz targets: messages with bytes changed, removed and doubled, in pieces, with holes, on both sides.
    #[test]
    fn mutated_bytes_never_panic_and_are_used_once(
        messages in prop::collection::vec(message("GET /a HTTP/1.1"), 1..3),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        missing in 0_u64..40,
        server in any::<bool>(),
    ) {
        let mut bytes: Vec<u8> = messages.into_iter().flat_map(|(bytes, _)| bytes).collect();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let side = if server { Side::Server } else { Side::Client };
        let mut conversation = Conversation::new();
        for piece in cut(&bytes, &cuts) {
            let (_, left) = feed(&mut conversation, side, &[piece]);
            prop_assert!(left.len() <= piece.len());
            if matches!(conversation.skip(side, missing), Hole::Past | Hole::Lost) {
                conversation.restart(side);
            }
            let (Start::At(at) | Start::NotBefore(at)) = find_start(side, piece);
            prop_assert!(at <= piece.len());
        }
        conversation.closed(side);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), server in any::<bool>()) {
        let side = if server { Side::Server } else { Side::Client };
        feed(&mut Conversation::new(), side, &[&bytes]);
        let (Start::At(at) | Start::NotBefore(at)) = find_start(side, &bytes);
        prop_assert!(at <= bytes.len());
    }

    #[test]
    fn heads_are_split_as_httparse_splits_them(fields in prop::collection::vec((token(), "[!-~]([ -~]{0,12}[!-~])?"), 0..8)) {
        let mut bytes = b"HTTP/1.1 204 No Content\r\n".to_vec();
        for (name, value) in &fields {
            bytes.extend(format!("{name}:  {value} \r\n").bytes());
        }
        bytes.extend(b"\r\n");
        let mut slots = [httparse::EMPTY_HEADER; 8];
        let mut theirs = httparse::Response::new(&mut slots);
        prop_assert!(theirs.parse(&bytes).is_ok_and(|status| status.is_complete()));
        let theirs: Vec<_> = theirs.headers.iter().map(|header| (header.name.to_owned(), text(header.value))).collect();
        // Our framing reads Content-Length and refuses what is not a number; the names here are random.
        let Some(Event::Head(head)) = Conversation::new().server(&bytes).event else { return Err(TestCaseError::reject("not a number")) };
        prop_assert_eq!(headers(head.headers), theirs);
    }

    #[test]
    fn written_requests_read_back(
        method in "[A-Z]{1,8}",
        path in "/[!-~]{0,20}",
        fields in prop::collection::vec((token(), "([!-~]([ -~]{0,12}[!-~])?)?"), 0..5),
        content in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        prop_assume!(method != "CONNECT");
        let fields: Vec<_> = fields.into_iter().map(|(name, value)| (format!("x-{name}"), value)).collect();
        let request = Request { method: method.as_bytes(), target: path.as_bytes(), authority: b"target:80", added: &[], body: &content };
        let mut bytes = Vec::new();
        encode_request(&request, fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())), &mut bytes);
        let (seen, left) = feed(&mut Conversation::new(), Side::Client, &[&bytes]);
        prop_assert!(left.is_empty());
        let Seen::Head(line, read) = &seen[0] else { return Err(TestCaseError::fail("no head")) };
        prop_assert_eq!(line, &format!("{method} {path}"));
        prop_assert_eq!(&read[0], &("Host".to_owned(), "target:80".to_owned()));
        prop_assert_eq!(&read[1..=fields.len()], fields.as_slice());
        prop_assert_eq!(bodies(&seen), vec![content]);
    }
}

#[test]
fn what_belongs_to_the_recorded_connection_is_not_sent_again() {
    let recorded: [(&[u8], &[u8]); 7] = [
        (b"Host", b"production:6333"),
        (b"User-Agent", b"x"),
        (b"connection", b"close"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Expect", b"100-continue"),
        (b"AUTHORIZATION", b"redacted-1"),
        (b"X-Folded", b"a\r\n b"),
    ];
    let added: [(&[u8], &[u8]); 1] = [(b"Authorization", b"real")];
    let request =
        Request { method: b"POST", target: b"http://production:6333/a?b=1", authority: b"test", added: &added, body: b"{}" };
    let mut bytes = Vec::new();
    encode_request(&request, recorded, &mut bytes);
    let wanted = "POST /a?b=1 HTTP/1.1\r\nHost: test\r\nUser-Agent: x\r\nX-Folded: a   b\r\nAuthorization: real\r\nContent-Length: 2\r\n\r\n{}";
    assert_eq!(text(&bytes), wanted);
}
