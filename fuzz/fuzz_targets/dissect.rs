//! Whole connections of every protocol: any order of bytes, holes and ends on both sides never panics and gives each row once.

#![no_main]

use std::net::{Ipv4Addr, SocketAddr};

use capture::dissect::{Connection, Emit, Options, PROTOCOLS};
use libfuzzer_sys::fuzz_target;
use trace::{Names, TraceNs};
use wire::Side;

fuzz_target!(|data: &[u8]| {
    let Some((first, mut rest)) = data.split_first() else { return };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
    let about = Connection::new(0, address, address, first & 1 == 0, &mut Names::default());
    let protocol = &PROTOCOLS[usize::from(first >> 1) % PROTOCOLS.len()];
    let (mut dissector, mut out) = ((protocol.open)(&about, &Options::default()), Emit::default());
    let mut at = TraceNs(0);
    // Each event: what it is and on which side, its length, its bytes.
    while let [kind, length, tail @ ..] = rest {
        let side = if kind & 1 == 0 { Side::Client } else { Side::Server };
        let (bytes, tail) = tail.split_at(usize::from(*length).min(tail.len()));
        match kind >> 1 & 7 {
            0 => dissector.gap(side, at, u64::from(*length) + 1, &mut out),
            1 => dissector.end(side, at, &mut out),
            _ => dissector.bytes(side, at, bytes, &mut out),
        }
        at = at + 1;
        rest = tail;
        if let Some(mut handover) = out.take_handover() {
            let upgrade = handover.about.upgrade.take().expect("a request asked for it");
            out.push(&handover.about, upgrade.exchange);
            break;
        }
    }
    dissector.finish(at, &mut out);
    let mut places: Vec<u32> = out.exchanges.iter().map(|exchange| exchange.seq).collect();
    places.sort_unstable();
    assert!(places.iter().copied().eq(0..places.len() as u32));
});
