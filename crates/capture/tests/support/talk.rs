//! What two sides say to each other, played to dissectors.
#![allow(dead_code, missing_docs, reason = "each test and fuzz target uses its part of it")]

use capture::dissect::{Connection, Dissector, Emit, Handover, Options, PROTOCOLS, Protocol};
use capture::redact::{Policy, Redactor};
use trace::{Exchange, Flag, Name, Names, TraceNs};
use wire::Side;

/// What happens on a connection, one event a microsecond.
#[derive(Debug, Clone)]
pub enum Say {
    Bytes(Side, Vec<u8>),
    Gap(Side, u64),
    End(Side),
}

impl Say {
    /// The bytes that are said.
    pub fn bytes(&self) -> &[u8] {
        let Self::Bytes(_, bytes) = self else { panic!("{self:?} has no bytes") };
        bytes
    }

    /// The same, not captured.
    pub fn lost(&self) -> Self {
        let Self::Bytes(side, bytes) = self else { panic!("{self:?} has no bytes") };
        Self::Gap(*side, bytes.len() as u64)
    }
}

/// One dissector after the other on a connection.
pub struct Player {
    dissector: Option<Box<dyn Dissector>>,
    options: Options,
    ended: [bool; 2],
    pub emit: Emit,
}

impl Player {
    pub fn new(protocol: &Protocol, about: &Connection, options: Options) -> Self {
        Self { dissector: Some((protocol.open)(about, &options)), options, ended: [false; 2], emit: Emit::default() }
    }

    pub fn bytes(&mut self, side: Side, at: TraceNs, bytes: &[u8]) {
        self.tell(at, |dissector, out| dissector.bytes(side, at, bytes, out));
    }

    pub fn gap(&mut self, side: Side, at: TraceNs, missing_bytes: u64) {
        self.tell(at, |dissector, out| dissector.gap(side, at, missing_bytes, out));
    }

    pub fn end(&mut self, side: Side, at: TraceNs) {
        self.ended[side as usize] = true;
        self.tell(at, |dissector, out| dissector.end(side, at, out));
    }

    /// Tells the dissector, and goes on as what it has said, if one bears that name.
    fn tell(&mut self, at: TraceNs, what: impl FnOnce(&mut dyn Dissector, &mut Emit)) {
        let Some(dissector) = &mut self.dissector else { return };
        what(&mut **dissector, &mut self.emit);
        let Some(Handover { mut about, to, rest }) = self.emit.take_handover() else { return };
        self.dissector.take().into_iter().for_each(|mut dissector| dissector.finish(at, &mut self.emit));
        let Some(next) = PROTOCOLS.iter().find(|next| next.name == to || next.upgrades.contains(&&*to)) else {
            let upgrade = about.upgrade.take().expect("a request asked for it");
            return self.emit.push(&about, upgrade.exchange);
        };
        self.dissector = Some((next.open)(&Connection { from_start: true, ..about }, &self.options));
        for (side, bytes) in [Side::Client, Side::Server].into_iter().zip(rest) {
            if !bytes.is_empty() {
                self.bytes(side, at, &bytes);
            }
            if self.ended[side as usize] {
                self.end(side, at);
            }
        }
    }

    pub fn finish(mut self, at: TraceNs) -> Emit {
        self.dissector.take().into_iter().for_each(|mut dissector| dissector.finish(at, &mut self.emit));
        self.emit
    }
}

pub fn about(from_start: bool) -> Connection {
    let address = "127.0.0.1:80".parse().expect("an address");
    Connection { endpoint: Name::from("a:80"), ..Connection::new(5, address, address, from_start, &mut Names::default()) }
}

/// The rows in their order, answers kept; bytes are shown in parts of at most `part_bytes`.
pub fn play_on(protocol: &Protocol, about: &Connection, script: &[Say], part_bytes: usize) -> Emit {
    let mut player = Player::new(protocol, about, Options { keep_responses: true, ..Options::default() });
    let mut at = TraceNs(0);
    for event in script {
        match event {
            Say::Bytes(side, bytes) => bytes.chunks(part_bytes).for_each(|part| player.bytes(*side, at, part)),
            Say::Gap(side, missing) => player.gap(*side, at, *missing),
            Say::End(side) => player.end(*side, at),
        }
        at = at + 1000;
    }
    let mut out = player.finish(at);
    out.exchanges.sort_by_key(Exchange::order);
    out
}

pub fn play(protocol: &Protocol, from_start: bool, script: &[Say]) -> Emit {
    play_on(protocol, &about(from_start), script, usize::MAX)
}

/// `status ok latency/µs`.
pub fn outcome(row: &Exchange) -> String {
    let ok = row.ok.map_or("-", |ok| if ok { "ok" } else { "bad" });
    let latency = row.latency_ns.map_or("-".to_owned(), |ns| (ns / 1000).to_string());
    format!("{} {ok} {latency}", row.status.as_deref().unwrap_or("-"))
}

/// What is flagged.
pub fn flags(row: &Exchange, between: &str) -> String {
    row.flags.iter().map(Flag::as_str).collect::<Vec<_>>().join(between)
}

/// `kind target status ok latency/µs` of each exchange, with what is flagged.
pub fn brief(out: &Emit) -> Vec<String> {
    let one = |row: &Exchange| {
        format!("{} {} {} {}", row.kind.as_str(), row.target, outcome(row), flags(row, "+")).trim_end().to_owned()
    };
    out.exchanges.iter().map(one).collect()
}

/// `method [target] status ok latency/µs` of each row of SQL, its items if they are wanted, its transaction and what is flagged.
pub fn brief_sql(out: &Emit, with_items: bool) -> Vec<String> {
    let one = |row: &Exchange| {
        let items = if with_items { row.items.to_string() } else { String::new() };
        let txn = row.txn.as_ref().map_or(String::new(), |txn| txn.id.to_string());
        let parts = [format!("{} [{}] {}", row.method, row.target, outcome(row)), items, txn, flags(row, " ")];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    };
    out.exchanges.iter().map(one).collect()
}

/// What holds whatever was said: each row of a connection comes once, no answer before its request; and secrets can be looked for in it.
#[track_caller]
pub fn check_rows(out: &Emit) {
    let mut places: Vec<u32> = out.exchanges.iter().map(|row| row.seq).collect();
    places.sort_unstable();
    assert!(places.iter().copied().eq(0..places.len() as u32), "{places:?}");
    assert!(out.exchanges.iter().all(|row| row.latency_ns.is_none_or(|ns| ns >= 0)));
    let mut redactor = Redactor::new(Policy::Default, 7);
    out.exchanges.iter().cloned().for_each(|mut row| redactor.redact(&mut row));
}

/// However the same bytes are cut, the same comes of them.
#[track_caller]
pub fn check_parts(protocol: &Protocol, about: &Connection, script: &[Say], part_bytes: usize) {
    let [whole, parts] = [usize::MAX, part_bytes].map(|part_bytes| play_on(protocol, about, script, part_bytes));
    assert_eq!(parts.exchanges, whole.exchanges);
    assert_eq!((parts.issues, parts.undecoded_bytes, parts.loss), (whole.issues, whole.undecoded_bytes, whole.loss));
}
