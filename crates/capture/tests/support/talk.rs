//! What two sides say to each other, played to a dissector.

use capture::dissect::{Connection, Emit, Options, Protocol};
use trace::{Exchange, Flag, Name, Names, TraceNs};
use wire::Side;

/// What happens on a connection, one event a microsecond.
#[derive(Debug, Clone)]
pub enum Say {
    Bytes(Side, Vec<u8>),
    Gap(Side, u64),
    End(Side),
}

pub fn about(from_start: bool) -> Connection {
    let address = "127.0.0.1:80".parse().expect("an address");
    Connection { endpoint: Name::from("a:80"), ..Connection::new(5, address, address, from_start, &mut Names::default()) }
}

/// The rows in their order, answers kept; bytes are shown in parts of at most `part_bytes`.
pub fn play_in_parts(protocol: &Protocol, from_start: bool, script: &[Say], part_bytes: usize) -> Emit {
    let mut out = Emit::default();
    let options = Options { keep_responses: true, ..Options::default() };
    let mut dissector = (protocol.open)(&about(from_start), &options);
    let mut at = TraceNs(0);
    for event in script {
        match event {
            Say::Bytes(side, bytes) => bytes.chunks(part_bytes).for_each(|part| dissector.bytes(*side, at, part, &mut out)),
            Say::Gap(side, missing) => dissector.gap(*side, at, *missing, &mut out),
            Say::End(side) => dissector.end(*side, at, &mut out),
        }
        at = at + 1000;
    }
    dissector.finish(at, &mut out);
    out.exchanges.sort_by_key(Exchange::order);
    out
}

pub fn play(protocol: &Protocol, from_start: bool, script: &[Say]) -> Emit {
    play_in_parts(protocol, from_start, script, usize::MAX)
}

/// `kind target status ok latency/µs` of each exchange, with what is flagged.
pub fn brief(out: &Emit) -> Vec<String> {
    let one = |exchange: &Exchange| {
        let status = exchange.status.as_deref().unwrap_or("-");
        let ok = exchange.ok.map_or("-", |ok| if ok { "ok" } else { "bad" });
        let latency = exchange.latency_ns.map_or("-".to_owned(), |ns| (ns / 1000).to_string());
        let flags: Vec<_> = exchange.flags.iter().map(Flag::as_str).collect();
        let kind = exchange.kind.as_str();
        format!("{kind} {} {status} {ok} {latency} {}", exchange.target, flags.join("+")).trim_end().to_owned()
    };
    out.exchanges.iter().map(one).collect()
}

/// Each row of a connection comes once.
pub fn rows_come_once(out: &Emit) -> bool {
    let mut places: Vec<u32> = out.exchanges.iter().map(|exchange| exchange.seq).collect();
    places.sort_unstable();
    places.iter().copied().eq(0..places.len() as u32)
}
