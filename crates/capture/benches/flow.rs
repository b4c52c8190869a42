//! From the bytes of a capture file to exchanges, without writing them: the part of an import that one core does.

#[path = "../tests/support/frames.rs"]
mod frames;

use std::io::Cursor;

use capture::flow::{Config, Flows};
use capture::net::Decoder;
use capture::pcap::CaptureReader;
use frames::{CLIENT, Host, PLAIN, SERVER, connection, pcap};
use trace::TraceNs;

fn main() {
    divan::main();
}

const CONNECTIONS: usize = 64;
const EXCHANGES_EACH: usize = 100;

/// A capture of 64 connections that take turns, 100 exchanges in each.
fn capture() -> Vec<u8> {
    let request = b"GET /index.html HTTP/1.1\r\nHost: example.test\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n";
    let response = b"HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n\r\nHello, world!\n";
    let messages: Vec<(bool, &[u8])> = (0..EXCHANGES_EACH).flat_map(|_| [(true, &request[..]), (false, &response[..])]).collect();
    let one = |number: usize| connection(Host { port: CLIENT.port + number as u16, ..CLIENT }, SERVER, &messages);
    let connections: Vec<Vec<Vec<u8>>> = (0..CONNECTIONS).map(one).collect();
    let steps = connections[0].len();
    let packets: Vec<(u64, &Vec<u8>)> = (0..steps)
        .flat_map(|step| connections.iter().map(move |frames| &frames[step]))
        .enumerate()
        .map(|(index, frame)| (index as u64 * 1000, frame))
        .collect();
    pcap(PLAIN, &packets)
}

/// Reading packets only.
#[divan::bench]
fn packets(bencher: divan::Bencher<'_, '_>) {
    let file = capture();
    let count = CONNECTIONS * (6 + 2 * EXCHANGES_EACH);
    bencher.counter(divan::counter::ItemsCount::new(count)).bench(|| {
        let mut reader = CaptureReader::new("bench", Box::new(Cursor::new(file.clone()))).expect("it is a capture");
        let mut bytes = 0;
        while reader.advance().expect("it is in memory") {
            bytes += reader.packet().bytes.len();
        }
        bytes
    });
}

/// Reading, reassembly and dissection.
#[divan::bench]
fn exchanges(bencher: divan::Bencher<'_, '_>) {
    let file = capture();
    bencher.counter(divan::counter::ItemsCount::new(CONNECTIONS * EXCHANGES_EACH)).bench(|| {
        let mut reader = CaptureReader::new("bench", Box::new(Cursor::new(file.clone()))).expect("it is a capture");
        let (mut decoder, mut flows) = (Decoder::default(), Flows::new(Config::default()));
        while reader.advance().expect("it is in memory") {
            let packet = reader.packet();
            decoder.packet(&packet, |segment| flows.segment(TraceNs(packet.at_unix_ns), segment));
        }
        flows.finish().0.exchanges.len()
    });
}
