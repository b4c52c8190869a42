//! The connections of captures, played to their dissectors in every way in which they may be cut.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::LazyLock;

use capture::dissect::{Connection, Emit, Options, PROTOCOLS, Protocol};
use stats::Rng;
use trace::{Exchange, Flag, Issues, Names, TraceNs};
use wire::Side;

use super::talk::Player;
use super::tape;

/// Bytes that are played of one connection in each way of cutting it: it bounds the tests. `REHEARSAL_CUT_BYTES` sets another bound, for a
/// test that takes its time.
const BUDGET_BYTES: usize = 1 << 20;
const SEED: u64 = 6;

/// A connection: the protocol that takes it, and what its dissector is given, as `tape` writes it down.
pub struct Stream {
    pub protocol: &'static Protocol,
    pub session: u64,
    events: Vec<Exchange>,
}

/// How the segments of a connection are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// As they came.
    Whole,
    /// In pieces of so many bytes.
    Pieces(usize),
    /// Each in two, behind so many of its bytes.
    Behind(usize),
    /// Only so many bytes of the connection, and nothing after.
    Prefix(usize),
}

/// What came of it.
#[derive(Debug, Default, PartialEq)]
pub struct Played {
    pub rows: Vec<Exchange>,
    pub issues: Issues,
    pub undecoded_bytes: u64,
}

/// Each protocol, and one alone that takes what it takes and writes it down.
static ALIKE: LazyLock<Vec<(&Protocol, &'static [Protocol])>> = LazyLock::new(|| {
    let alike = |protocol: &'static Protocol| {
        let tape = Protocol { upgrades: &[], open: tape::open, ..*protocol };
        (protocol, &*Box::leak(vec![tape].into_boxed_slice()))
    };
    PROTOCOLS.iter().map(alike).collect()
});

/// The connections of a capture that some protocol takes.
pub fn streams(path: &Path) -> Vec<Stream> {
    let file = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut all = Vec::new();
    for (protocol, alike) in ALIKE.iter() {
        let mut events: BTreeMap<u64, Vec<Exchange>> = BTreeMap::new();
        for event in tape::dissect(file.clone(), alike) {
            events.entry(event.session).or_default().push(event);
        }
        all.extend(events.into_iter().map(|(session, events)| Stream { protocol, session, events }));
    }
    all
}

impl Stream {
    /// Payload bytes of both sides.
    pub fn bytes(&self) -> usize {
        self.events.iter().filter_map(|event| event.request.as_ref()).map(|bytes| bytes.len()).sum()
    }

    /// Bytes of the longest segment.
    fn segment_bytes_max(&self) -> usize {
        self.events.iter().filter_map(|event| event.request.as_ref()).map(|bytes| bytes.len()).max().unwrap_or(0)
    }

    pub fn play(&self, cut: Cut) -> Played {
        let mut player = self.player();
        let mut left = if let Cut::Prefix(bytes) = cut { bytes } else { usize::MAX };
        for event in &self.events {
            let side = if event.method == "client" { Side::Client } else { Side::Server };
            let bytes = event.request.as_deref().unwrap_or_default();
            let shown = &bytes[..bytes.len().min(left)];
            left -= shown.len();
            match (&*event.operation, cut) {
                ("bytes", Cut::Pieces(piece)) => shown.chunks(piece).for_each(|piece| player.bytes(side, event.at, piece)),
                ("bytes", Cut::Behind(cut)) if cut < shown.len() => {
                    player.bytes(side, event.at, &shown[..cut]);
                    player.bytes(side, event.at, &shown[cut..]);
                }
                ("bytes", _) => player.bytes(side, event.at, shown),
                ("gap", _) => player.gap(side, event.at, event.request_bytes),
                ("end", _) => player.end(side, event.at),
                _ => {}
            }
            if left == 0 {
                break;
            }
        }
        let Emit { exchanges, issues, undecoded_bytes, .. } =
            player.finish(self.events.last().map_or(TraceNs(0), |event| event.at));
        Played { rows: exchanges, issues, undecoded_bytes }
    }

    fn player(&self) -> Player {
        let first = &self.events[0];
        let address = first.endpoint.parse().expect("an endpoint");
        let from_start = !first.flags.has(Flag::MidConnection);
        let about = Connection::new(first.session, address, address, from_start, &mut Names::default());
        Player::new(self.protocol, &about, Options::default())
    }

    /// What fuzz targets begin with, each of `bytes_max` at most: the events of the connection, and the bytes of each side.
    pub fn seeds(&self, bytes_max: usize) -> Vec<(&'static str, Vec<u8>)> {
        let place = PROTOCOLS.iter().position(|protocol| protocol.name == self.protocol.name).expect("it is one of them") as u8;
        let late = u8::from(self.events[0].flags.has(Flag::MidConnection));
        let (mut events, mut sides) = (vec![late | place << 1], [Vec::new(), Vec::new()]);
        for event in &self.events {
            let side = u8::from(event.method == "server");
            let bytes = event.request.as_deref().unwrap_or_default();
            sides[usize::from(side)].extend_from_slice(bytes);
            match &*event.operation {
                "bytes" => bytes.chunks(255).for_each(|part| events.extend([&[4 | side, part.len() as u8], part].concat())),
                "gap" => events.extend([side, 0]),
                "end" => events.extend([2 | side, 0]),
                _ => {}
            }
        }
        let targets: &[(&str, usize, &[usize])] = match self.protocol.name {
            "http" => &[("http1_client", 1, &[0]), ("http1_server", 1, &[1])],
            "http2" => &[("http2", 1, &[0, 1])],
            "websocket" => &[("websocket", 1, &[0, 1])],
            "redis" => &[("redis", 1, &[0, 1])],
            "kafka" | "mongodb" => &[("lengths", 3, &[0, 1])],
            _ => &[],
        };
        let of_side =
            |(target, before, side): (&'static str, usize, usize)| (target, [&vec![7; before], &sides[side][..]].concat());
        let codecs = targets.iter().flat_map(|(target, before, of)| of.iter().map(|side| of_side((target, *before, *side))));
        let sql = matches!(self.protocol.name, "mysql" | "postgres").then(|| (self.protocol.name, events.clone()));
        let mut seeds: Vec<_> = codecs.chain(sql).chain([("dissect", events.clone())]).collect();
        seeds.iter_mut().for_each(|(_, seed)| seed.truncate(bytes_max));
        seeds
    }

    /// Behind how many bytes of the connection rows and issues come: where messages end, in other words.
    fn boundaries(&self) -> Vec<usize> {
        let (mut player, mut place, mut seen, mut found) = (self.player(), 0, 0, Vec::new());
        for event in self.events.iter().filter(|event| event.operation == "bytes") {
            let side = if event.method == "client" { Side::Client } else { Side::Server };
            for byte in event.request.as_deref().unwrap_or_default() {
                player.bytes(side, event.at, &[*byte]);
                place += 1;
                if player.emit.exchanges.len() != seen {
                    seen = player.emit.exchanges.len();
                    found.push(place);
                }
            }
            // The edges of segments are as good.
            found.push(place);
        }
        found
    }

    /// Every length of a prefix, where that is no more than the budget; else one byte before, at and behind the ends of messages and
    /// segments, and some chosen by chance, as many as fit.
    pub fn prefixes(&self) -> Vec<usize> {
        let bytes = self.bytes();
        self.choose(bytes, bytes / 2, || self.boundaries())
    }

    /// Every place at which a segment can be cut in two, all segments at once; chosen as prefixes are where these are too many.
    pub fn cuts(&self) -> Vec<usize> {
        let behind_message = || {
            let mut start = 0;
            let mut edges: Vec<usize> = Vec::new();
            let found = self.boundaries();
            for event in self.events.iter().filter(|event| event.operation == "bytes") {
                let length = event.request.as_ref().map_or(0, |bytes| bytes.len());
                edges.extend(found.iter().filter(|place| (start..start + length).contains(*place)).map(|place| place - start));
                start += length;
            }
            edges
        };
        self.choose(self.segment_bytes_max(), self.bytes(), behind_message)
    }

    /// All numbers below `count`, each of which costs so many bytes to play; or those around `edges`, and others by chance.
    fn choose(&self, count: usize, cost_bytes: usize, edges: impl Fn() -> Vec<usize>) -> Vec<usize> {
        let budget = std::env::var("REHEARSAL_CUT_BYTES").map_or(BUDGET_BYTES, |bytes| bytes.parse().expect("a number of bytes"));
        let plays = (budget / cost_bytes.max(1)).max(4);
        if count <= plays {
            return (0..count).collect();
        }
        let mut rng = Rng::stream(SEED, "cuts");
        let mut around: Vec<usize> = edges().into_iter().flat_map(|edge| [edge.saturating_sub(1), edge, edge + 1]).collect();
        around.sort_unstable();
        around.dedup();
        around.retain(|place| *place < count);
        let step = around.len().div_ceil(plays / 2).max(1);
        let mut chosen: Vec<usize> = around.into_iter().step_by(step).collect();
        chosen.extend((0..plays / 2).map(|_| rng.below(count as u64) as usize));
        chosen
    }

    /// Every two-way cut of every segment gives what the whole gives.
    pub fn check_cuts(&self, name: &str) {
        let whole = self.play(Cut::Whole);
        for cut in [Cut::Pieces(1), Cut::Pieces(7)].into_iter().chain(self.cuts().into_iter().map(Cut::Behind)) {
            assert_eq!(self.play(cut), whole, "{name}, connection {}, {}, {cut:?}", self.session, self.protocol.name);
        }
    }

    /// A prefix has no more rows than the whole, each once, and what is complete in it is as in the whole.
    pub fn check_prefixes(&self, name: &str) {
        let whole = self.play(Cut::Whole).rows;
        let known: HashSet<(&str, &str)> = whole.iter().map(|row| (&*row.target, &*row.operation)).collect();
        for bytes in self.prefixes() {
            let about = || format!("{name}, connection {}, {}, {bytes} bytes", self.session, self.protocol.name);
            let rows = self.play(Cut::Prefix(bytes)).rows;
            assert!(rows.len() <= whole.len(), "{}", about());
            let mut places: Vec<u32> = rows.iter().map(|row| row.seq).collect();
            places.sort_unstable();
            assert!(places.windows(2).all(|pair| pair[0] < pair[1]), "{}", about());
            for row in rows.iter().filter(|row| row.latency_ns.is_some() && !row.flags.has(Flag::Open)) {
                assert!(known.contains(&(&*row.target, &*row.operation)), "{}: {row:?}", about());
            }
        }
    }
}
