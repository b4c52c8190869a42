//! Nanoseconds per response on the replay's hot path, beside httparse reading the same head.

use divan::{Bencher, black_box};
use wire::http1::{Conversation, Event};

fn main() {
    divan::main();
}

/// A small answer as nginx or Qdrant gives it: six headers and a JSON body.
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Type: application/json\r\n\
Content-Length: 44\r\nConnection: keep-alive\r\nVary: Accept-Encoding\r\n\r\n{\"result\":[],\"status\":\"ok\",\"time\":0.0000123}";

const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Type: application/json\r\n\
Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n2c\r\n{\"result\":[],\"status\":\"ok\",\"time\":0.0000123}\r\n0\r\n\r\n";

fn read_response(conversation: &mut Conversation, mut bytes: &[u8]) -> (u16, usize) {
    let (mut status, mut body_bytes) = (0, 0);
    assert!(conversation.note_request(b"POST"));
    loop {
        let step = conversation.server(bytes);
        bytes = &bytes[step.used..];
        match step.event {
            Some(Event::Head(head)) => status = head.status,
            Some(Event::Body(part)) => body_bytes += part.len(),
            Some(Event::End) => return (status, body_bytes),
            other => panic!("{other:?}"),
        }
    }
}

fn bench_response(bencher: Bencher<'_, '_>, bytes: &[u8]) {
    let mut conversation = Conversation::new();
    bencher.bench_local(|| assert_eq!(read_response(&mut conversation, black_box(bytes)), (200, 44)));
}

#[divan::bench]
fn response_with_length(bencher: Bencher<'_, '_>) {
    bench_response(bencher, RESPONSE);
}

#[divan::bench]
fn response_in_chunks(bencher: Bencher<'_, '_>) {
    bench_response(bencher, CHUNKED);
}

/// Only the head, only split into fields, no framing: the floor to compare with.
#[divan::bench]
fn head_by_httparse(bencher: Bencher<'_, '_>) {
    bencher.bench_local(|| {
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response.parse(black_box(RESPONSE)).is_ok_and(|status| status.is_complete());
        assert!(parsed && response.code == Some(200));
    });
}
