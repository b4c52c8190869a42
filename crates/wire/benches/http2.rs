//! Nanoseconds per message of HTTP/2, and of its compressed headers beside an independent decoder.

use divan::{Bencher, black_box};
use wire::Side;
use wire::hpack::{Decoder, Encoder, Field, Fields};
use wire::http2::{Conversation, Event, FRAME_BYTES_DEFAULT, push_data, push_headers};

fn main() {
    divan::main();
}

/// The same answer as in the benchmark of HTTP/1: six headers and a JSON body.
const ANSWER: &[Field<'_>] = &[
    Field::new(b":status", b"200"),
    Field::new(b"server", b"nginx/1.22.1"),
    Field::new(b"date", b"Mon, 01 Jan 2024 00:00:00 GMT"),
    Field::new(b"content-type", b"application/json"),
    Field::new(b"content-length", b"44"),
    Field::new(b"vary", b"Accept-Encoding"),
];
const BODY: &[u8] = b"{\"result\":[],\"status\":\"ok\",\"time\":0.0000123}";

/// An answer whose header block is the first, or a later one, of its connection.
fn answer(encoder: &mut Encoder) -> Vec<u8> {
    let (mut block, mut out) = (Vec::new(), Vec::new());
    encoder.encode(ANSWER.iter().copied(), &mut block);
    push_headers(1, &block, false, FRAME_BYTES_DEFAULT, &mut out);
    push_data(1, BODY, true, FRAME_BYTES_DEFAULT, &mut out);
    out
}

fn read(conversation: &mut Conversation, mut bytes: &[u8]) -> (usize, usize) {
    let (mut fields, mut body_bytes) = (0, 0);
    loop {
        let step = conversation.read(Side::Server, bytes);
        bytes = &bytes[step.used..];
        match step.event {
            Some(Event::Headers(headers)) => fields = headers.fields.places.len(),
            Some(Event::Data { part, end: true, .. }) => return (fields, body_bytes + part.len()),
            Some(Event::Data { part, .. }) => body_bytes += part.len(),
            other => panic!("{other:?}"),
        }
    }
}

/// With everything in the table: what most answers of a connection are.
#[divan::bench]
fn response_like_those_before(bencher: Bencher<'_, '_>) {
    let (mut encoder, mut conversation) = (Encoder::default(), Conversation::new());
    read(&mut conversation, &answer(&mut encoder));
    let bytes = answer(&mut encoder);
    bencher.bench_local(|| assert_eq!(read(&mut conversation, black_box(&bytes)), (6, 44)));
}

/// With every value spelt out in the Huffman code.
#[divan::bench]
fn response_spelt_out(bencher: Bencher<'_, '_>) {
    let bytes = answer(&mut Encoder::default());
    let mut conversation = Conversation::new();
    bencher.bench_local(|| assert_eq!(read(&mut conversation, black_box(&bytes)), (6, 44)));
}

fn spelt_out() -> Vec<u8> {
    let mut block = Vec::new();
    Encoder::default().encode(ANSWER.iter().copied(), &mut block);
    block
}

#[divan::bench]
fn block_spelt_out(bencher: Bencher<'_, '_>) {
    let (block, mut decoder) = (spelt_out(), Decoder::default());
    bencher.bench_local(|| {
        let mut fields = Fields::default();
        decoder.decode(black_box(&block), &mut fields).expect("it is a block");
        assert_eq!(fields.places.len(), 6);
    });
}

#[divan::bench]
fn block_spelt_out_by_httlib(bencher: Bencher<'_, '_>) {
    let (block, mut decoder) = (spelt_out(), httlib_hpack::Decoder::default());
    bencher.bench_local(|| {
        let mut fields = Vec::new();
        decoder.decode(&mut black_box(block.clone()), &mut fields).expect("it is a block");
        assert_eq!(fields.len(), 6);
    });
}

#[divan::bench]
fn block_encoded(bencher: Bencher<'_, '_>) {
    let mut encoder = Encoder::default();
    let mut out = Vec::new();
    bencher.bench_local(|| {
        out.clear();
        encoder.encode(black_box(ANSWER).iter().copied(), &mut out);
    });
}
