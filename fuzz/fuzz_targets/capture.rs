//! Any bytes as a capture file: nothing panics, and the account covers every packet.

#![no_main]

use std::io::Cursor;

use capture::flow::{Config, Flows};
use capture::net::Decoder;
use capture::pcap::CaptureReader;
use libfuzzer_sys::fuzz_target;
use trace::TraceNs;

fuzz_target!(|data: &[u8]| {
    let Ok(mut reader) = CaptureReader::new("fuzz", Box::new(Cursor::new(data.to_vec()))) else { return };
    let (mut decoder, mut flows, mut packets) = (Decoder::default(), Flows::new(Config::default()), 0);
    while reader.advance().expect("memory can be read") {
        let packet = reader.packet();
        decoder.packet(&packet, |segment| flows.segment(TraceNs(packet.at_unix_ns), segment));
        packets += 1;
    }
    flows.finish();
    let decoded = decoder.finish();
    assert_eq!(packets, decoded.packets + decoded.dropped().values().sum::<u64>());
});
