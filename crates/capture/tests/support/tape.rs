//! What dissectors are given, as rows.

use capture::dissect::{Connection, Dissector, Emit, Options, Probe, Protocol};
use capture::flow::{Config, Flows};
use capture::net::Decoder;
use capture::pcap::CaptureReader;
use trace::{Exchange, Flag, Flags, TraceNs};
use wire::Side;

/// Writes down what a dissector is given, an exchange an event: side as method, bytes as request, missing bytes as size.
struct Tape {
    about: Connection,
}

impl Tape {
    fn note(&self, what: &str, side: Side, at: TraceNs, bytes: &[u8], missing_bytes: u64, out: &mut Emit) {
        let mut flags = Flags::default();
        if !self.about.from_start {
            flags.set(Flag::MidConnection);
        }
        out.exchanges.push(Exchange {
            at,
            session: self.about.session,
            endpoint: self.about.endpoint.clone(),
            operation: what.into(),
            method: if side == Side::Client { "client" } else { "server" }.into(),
            request: Some(bytes.to_vec().into()),
            request_bytes: missing_bytes,
            flags,
            ..Exchange::default()
        });
    }
}

impl Dissector for Tape {
    fn bytes(&mut self, side: Side, at: TraceNs, bytes: &[u8], out: &mut Emit) {
        self.note("bytes", side, at, bytes, 0, out);
    }
    fn gap(&mut self, side: Side, at: TraceNs, missing_bytes: u64, out: &mut Emit) {
        self.note("gap", side, at, &[], missing_bytes, out);
    }
    fn end(&mut self, side: Side, at: TraceNs, out: &mut Emit) {
        self.note("end", side, at, &[], 0, out);
    }
    fn finish(&mut self, at: TraceNs, out: &mut Emit) {
        self.note("finish", Side::Client, at, &[], 0, out);
    }
}

pub fn open(about: &Connection, _: &Options) -> Box<dyn Dissector> {
    Box::new(Tape { about: about.clone() })
}

/// Takes every connection.
pub static ANYTHING: &[Protocol] = &[Protocol { name: "anything", ports: &[], upgrades: &[], probe: |_, _| Probe::Yes, open }];

/// Feeds a capture to dissectors, without writing a trace.
pub fn dissect(file: Vec<u8>, protocols: &'static [Protocol]) -> Vec<Exchange> {
    let Ok(mut reader) = CaptureReader::new("test", Box::new(std::io::Cursor::new(file))) else { return Vec::new() };
    let (mut decoder, mut flows) = (Decoder::default(), Flows::new(Config { protocols, ..Config::default() }));
    while reader.advance().expect("it is in memory") {
        let packet = reader.packet();
        decoder.packet(&packet, |segment| flows.segment(TraceNs(packet.at_unix_ns), segment));
    }
    flows.finish().0.exchanges
}
