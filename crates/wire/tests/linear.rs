//! What is long and comes byte by byte is not looked through again with each of them: ten times the bytes are ten times the work, counted in
//! bytes that are shown.

use wire::Framing;
use wire::Side::{self, Client};
use wire::redis::RespFraming;
use wire::{Step, http1, http2, kafka, mongodb, mysql, postgres, websocket};

/// Bytes that are shown until all of `bytes` were, one more at a time, each time behind what was not used.
fn shown(bytes: &[u8], mut read: impl FnMut(&[u8]) -> (usize, bool)) -> usize {
    let (mut held, mut shown) = (Vec::new(), 0);
    for byte in bytes {
        held.push(*byte);
        loop {
            shown += held.len();
            let (used, goes_on) = read(&held);
            held.drain(..used);
            if !goes_on {
                break;
            }
        }
    }
    shown
}

/// `front`, then so many bytes of a message that is longer.
#[track_caller]
fn check<R: FnMut(&[u8]) -> (usize, bool)>(what: &str, front: &[u8], filler: u8, new: impl Fn() -> R) {
    const BYTES: usize = 2000;
    let [few, many] = [BYTES, 10 * BYTES].map(|bytes| shown(&[front, &vec![filler; bytes]].concat(), new()));
    // Those of the front are shown the same in both.
    assert!(many <= 10 * few && many < 10 * BYTES * 4, "{what}: {few} bytes shown, of ten times as many {many}");
}

fn found<E>(step: Step<E>) -> (usize, bool) {
    (step.used, step.event.is_some())
}

#[test]
fn messages_that_come_byte_by_byte_are_looked_at_once() {
    let http1 = |what, front: &[u8]| {
        check(what, front, b'a', || {
            let mut talk = http1::Conversation::new();
            move |bytes| found(talk.client(bytes))
        });
    };
    http1("a body", b"POST / HTTP/1.1\r\nContent-Length: 4294967295\r\n\r\n");
    http1("a chunk", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n");
    http1("a trailer", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx: ");
    let http2 = |what, front: &[u8]| {
        check(what, front, b'a', || {
            let mut talk = http2::Conversation::joined_late();
            move |bytes| found(talk.read(Client, bytes))
        });
    };
    http2("a frame of data", b"\x00\xff\xff\x00\0\0\0\0\x01");
    http2("a frame of nothing known", b"\x00\xff\xff\xee\0\0\0\0\x01");
    check("a WebSocket message", b"\x82\xff\0\0\0\0\xff\xff\xff\xff\0\0\0\0", b'a', || {
        let mut talk = websocket::Conversation::new();
        move |bytes| found(talk.read(Client, bytes))
    });
    check("a PostgreSQL query", b"Q\x3f\xff\xff\xff", b'a', || {
        let mut talk = postgres::Conversation::joined_late();
        move |bytes| found(talk.read(Client, bytes))
    });
    check("a MySQL query", b"\xff\xff\xff\0\x03", b'a', || {
        let mut talk = mysql::Conversation::joined_late();
        move |bytes| found(talk.read(Client, bytes))
    });
    framed("a Redis text", b"*2\r\n$3\r\nGET\r\n$500000000\r\n", b'a', || RespFraming::new(Client));
    framed("a Redis line", b"+", b'a', || RespFraming::new(Side::Server));
    framed("a Kafka request", b"\x05\0\0\0\0\x03\0\x01\0\0\0\x07\xff\xff", 0, || kafka::framing(Client));
    framed("a MongoDB message", b"\0\0\0\x02\0\0\0\0\0\0\0\0\xdd\x07\0\0", 0, mongodb::framing);
}

fn framed<F: Framing>(what: &str, front: &[u8], filler: u8, new: impl Fn() -> F) {
    check(what, front, filler, || {
        let mut framing = new();
        move |bytes| {
            let step = framing.read(bytes);
            (step.used, step.event.is_some() && step.used < bytes.len())
        }
    });
}
