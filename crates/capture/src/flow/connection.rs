//! One connection on its way to a dissector: which protocol it speaks, who is the client, and the account of it.

use std::collections::BTreeMap;

use trace::{Flag, Loss, TraceNs};
use wire::Side;

use super::guess::{UNKNOWN, guess, guess_by_port};
use super::{Config, Way};
use crate::dissect::prelude::{self, Prelude};
use crate::dissect::{self, Dissector, Emit, Handover, Probe, Protocol};
use crate::net::Endpoint;

/// Bytes of a connection that are looked at to find its protocol.
const PROBE_BYTES_MAX: usize = 32 << 10;
/// Segments, holes and ends that are looked at to find its protocol.
const PROBE_EVENTS_MAX: usize = 256;
/// Bytes after which a connection that no dissector takes stays without a name.
const GUESS_BYTES_MAX: usize = 1024;
/// Kinds of undecoded connections that are listed; the rest is one kind more.
const UNDECODED_MAX: usize = 1000;
/// Where the rest is listed.
const UNDECODED_REST: &str = "other";
/// Changes of protocol on one connection; real ones have one or two, crafted ones could go on for ever.
const HANDOVERS_MAX: u32 = 8;

/// What all connections of an import share.
pub(super) struct Shared {
    pub config: Config,
    pub emit: Emit,
    pub loss: Loss,
}

/// A connection as its dissector sees it.
pub(super) struct Connection {
    /// Who sends forth, and who sends back.
    ends: [Endpoint; 2],
    /// Place among all connections, by first packet.
    session: u64,
    /// Which way the client sends, once a SYN or the content has told.
    client: Option<Way>,
    /// Whether its opening was captured.
    from_start: bool,
    pub packets: u64,
    /// Payload of each way since its protocol changed last.
    bytes: [u64; 2],
    /// Which ways a dissector was told to be over.
    ended: [bool; 2],
    stage: Stage,
    before: Option<Box<Before>>,
}

/// What a connection was until its protocol changed.
struct Before {
    protocol: &'static str,
    about: dissect::Connection,
    handovers: u32,
}

enum Stage {
    Probing(Probing),
    Open { dissector: Box<dyn Dissector>, protocol: &'static str, client: Way },
    Undecoded(&'static str),
    Closed(Spoken),
}

/// What a connection that is over turned out to be, for the account.
#[derive(Clone, Copy)]
enum Spoken {
    Protocol(&'static str),
    /// No dissector took it, or what came after the protocol given second; its name by guess.
    Undecoded(&'static str, Option<&'static str>),
    /// Nobody said anything.
    Nothing,
}

/// What came before the protocol was known, to be handed on then.
#[derive(Default)]
struct Probing {
    first: [Vec<u8>; 2],
    events: Vec<(Way, TraceNs, Event)>,
    has_gap: bool,
}

/// What happened on one way.
#[derive(Clone, Copy)]
pub(super) enum Event {
    Bytes(usize),
    Gap(u64),
    End,
}

enum Verdict {
    Wait,
    Open { protocol: &'static Protocol, client: Way, skip: [usize; 2] },
    Undecoded,
}

const fn index(way: Way) -> usize {
    way as usize
}

fn side(way: Way, client: Way) -> Side {
    if way == client { Side::Client } else { Side::Server }
}

impl Connection {
    pub fn new(ends: [Endpoint; 2], session: u64) -> Self {
        let stage = Stage::Probing(Probing::default());
        let (bytes, ended) = ([0; 2], [false; 2]);
        Self { ends, session, client: None, from_start: false, packets: 0, bytes, ended, stage, before: None }
    }

    /// Its opening was captured. In a simultaneous open the first SYN tells who the client is.
    pub fn opens(&mut self, client: Way) {
        self.from_start = true;
        self.client.get_or_insert(client);
    }

    /// Bytes that wait for the protocol to be known.
    pub fn held_bytes(&self) -> usize {
        if let Stage::Probing(probing) = &self.stage { probing.bytes() } else { 0 }
    }

    /// Takes what happened; the bytes, where it is bytes.
    pub fn event(&mut self, way: Way, at: TraceNs, bytes: &[u8], event: Event, shared: &mut Shared) {
        self.bytes[index(way)] += bytes.len() as u64;
        match &mut self.stage {
            Stage::Probing(probing) => {
                probing.push(way, at, bytes, event);
                self.decide(false, shared);
            }
            Stage::Open { dissector, client, .. } => {
                self.ended[index(way)] |= matches!(event, Event::End);
                hand_on(dissector.as_mut(), side(way, *client), at, bytes, &event, &mut shared.emit);
                self.follow_handover(at, shared);
            }
            Stage::Undecoded(_) | Stage::Closed(_) => {}
        }
    }

    /// Goes on as what the dissector has just said, if it has.
    fn follow_handover(&mut self, at: TraceNs, shared: &mut Shared) {
        let Some(handover) = shared.emit.take_handover() else { return };
        let stage = std::mem::replace(&mut self.stage, Stage::Closed(Spoken::Nothing));
        let Stage::Open { mut dissector, protocol, client } = stage else { return };
        dissector.finish(at, &mut shared.emit);
        let Handover { mut about, to, rest } = handover;
        let handovers = self.before.as_ref().map_or(0, |before| before.handovers) + 1;
        let bears = |protocol: &&Protocol| protocol.name == to || protocol.upgrades.contains(&&*to);
        let next = shared.config.protocols.iter().find(bears).filter(|_| handovers <= HANDOVERS_MAX);
        if next.is_none()
            && let Some(mut upgrade) = about.upgrade.take()
        {
            upgrade.exchange.flags.set(Flag::Unreplayable);
            shared.emit.push(&about, upgrade.exchange);
        }
        (self.packets, self.bytes) = (0, [0; 2]);
        self.before = Some(Box::new(Before { protocol, about, handovers }));
        self.stage = match next {
            Some(protocol) => self.opened(protocol, client, shared),
            None if handovers <= HANDOVERS_MAX => Stage::Probing(Probing::default()),
            None => Stage::Undecoded(UNKNOWN),
        };
        self.hand_rest(client, at, rest, shared);
    }

    /// What the dissector before was shown and did not read, and the ends that it has seen.
    fn hand_rest(&mut self, client: Way, at: TraceNs, [from_client, from_server]: [Vec<u8>; 2], shared: &mut Shared) {
        for (way, bytes) in [(client, from_client), (client.other(), from_server)] {
            if !bytes.is_empty() {
                self.packets = 1;
                self.event(way, at, &bytes, Event::Bytes(bytes.len()), shared);
            }
        }
        for way in Way::BOTH.into_iter().filter(|way| self.ended[index(*way)]).collect::<Vec<_>>() {
            self.event(way, at, &[], Event::End, shared);
        }
    }

    /// Chooses the protocol if the first bytes suffice; `last` says that more will not come.
    pub fn decide(&mut self, last: bool, shared: &mut Shared) {
        let Stage::Probing(probing) = &self.stage else { return };
        let last = last || probing.is_full();
        match self.judge(probing, last, &shared.config) {
            Verdict::Wait => {}
            Verdict::Undecoded => {
                let client = self.likely_client(&shared.config);
                let name = guess(&probing.first[index(client)], &probing.first[index(client.other())]);
                if name != UNKNOWN || last || probing.bytes() > GUESS_BYTES_MAX {
                    self.stage = Stage::Undecoded(name);
                }
            }
            Verdict::Open { protocol, client, skip } => self.open(protocol, client, skip, shared),
        }
    }

    fn open(&mut self, protocol: &'static Protocol, client: Way, skip: [usize; 2], shared: &mut Shared) {
        let opened = self.opened(protocol, client, shared);
        let stage = std::mem::replace(&mut self.stage, opened);
        (self.client, self.bytes) = (Some(client), [0; 2]);
        if let Stage::Probing(probing) = stage {
            probing.replay(self, skip, shared);
        }
    }

    fn opened(&mut self, protocol: &'static Protocol, client: Way, shared: &mut Shared) -> Stage {
        let about = match &mut self.before {
            Some(before) => {
                let upgrade = before.about.upgrade.take();
                dissect::Connection { from_start: true, upgrade, ..before.about.clone() }
            }
            None => {
                let (from, to) = (self.ends[index(client)].into(), self.ends[index(client.other())].into());
                dissect::Connection::new(self.session, from, to, self.from_start, &mut shared.emit.names)
            }
        };
        let dissector = (protocol.open)(&about, &shared.config.dissect);
        Stage::Open { dissector, protocol: protocol.name, client }
    }

    /// Content first, port second: a port decides only what content cannot.
    fn judge(&self, probing: &Probing, last: bool, config: &Config) -> Verdict {
        if let Some((protocol, client)) = self.forced(config) {
            return Verdict::Open { protocol, client, skip: [0, 0] };
        }
        let whole = (self.from_start || self.before.is_some()) && !probing.has_gap;
        let mut undecided = !whole;
        for client in self.possible_clients(config) {
            match probing.probe(client, whole, config.protocols) {
                (Some((protocol, skip)), _) => return Verdict::Open { protocol, client, skip },
                (None, may_be) => undecided |= may_be,
            }
        }
        match (undecided, last) {
            (true, false) => Verdict::Wait,
            (true, true) => self.by_port(config),
            (false, _) => Verdict::Undecoded,
        }
    }

    /// What the user said about one of the ports: of what is spoken there first.
    fn forced(&self, config: &Config) -> Option<(&'static Protocol, Way)> {
        if self.before.is_some() {
            return None;
        }
        let by_user = |way: Way| {
            let port = self.ends[index(way.other())].port();
            config.decode.iter().find(|(forced, _)| *forced == port).map(|(_, protocol)| (*protocol, way))
        };
        self.possible_clients(config).into_iter().find_map(by_user)
    }

    fn by_port(&self, config: &Config) -> Verdict {
        let client = self.likely_client(config);
        let port = self.ends[index(client.other())].port();
        let of_port = config.protocols.iter().find(|protocol| protocol.ports.contains(&port));
        match of_port.filter(|_| self.before.is_none()) {
            Some(protocol) => Verdict::Open { protocol, client, skip: [0, 0] },
            None => Verdict::Undecoded,
        }
    }

    fn possible_clients(&self, config: &Config) -> Vec<Way> {
        match self.client {
            Some(client) => vec![client],
            None => {
                let likely = self.likely_client(config);
                vec![likely, likely.other()]
            }
        }
    }

    /// Without a SYN, the server is who has a port that some protocol knows, or else the lower one.
    fn likely_client(&self, config: &Config) -> Way {
        let ports = self.ends.map(Endpoint::port);
        let known = ports.map(|port| config.knows(port));
        self.client.unwrap_or(match known {
            [false, true] => Way::Forth,
            [true, false] => Way::Back,
            _ if ports[1] <= ports[0] => Way::Forth,
            _ => Way::Back,
        })
    }

    /// Ends the connection. Its packets are counted on, until [`Connection::account`].
    pub fn finish(&mut self, at: TraceNs, shared: &mut Shared) {
        if self.bytes != [0; 2] || matches!(&self.stage, Stage::Probing(probing) if probing.has_gap) {
            self.decide(true, shared);
        }
        let spoken = match &mut self.stage {
            Stage::Open { dissector, protocol, .. } => {
                dissector.finish(at, &mut shared.emit);
                Spoken::Protocol(protocol)
            }
            Stage::Undecoded(name) => Spoken::Undecoded(name, self.before.as_ref().map(|before| before.protocol)),
            Stage::Probing(_) => self.before.as_ref().map_or(Spoken::Nothing, |before| Spoken::Protocol(before.protocol)),
            Stage::Closed(spoken) => *spoken,
        };
        self.stage = Stage::Closed(spoken);
    }

    /// Enters a finished connection into the account.
    pub fn account(&self, shared: &mut Shared) {
        let Stage::Closed(spoken) = self.stage else { return };
        let connections = &mut shared.loss.connections;
        match spoken {
            Spoken::Protocol(name) => count(connections, name),
            Spoken::Nothing => count(connections, "empty"),
            Spoken::Undecoded(name, before) => {
                count(connections, before.unwrap_or("undecoded"));
                self.list_undecoded(name, shared);
            }
        }
    }

    fn list_undecoded(&self, name: &str, shared: &mut Shared) {
        let client = self.likely_client(&shared.config);
        let port = self.ends[index(client.other())].port();
        let name = if name == UNKNOWN && self.before.is_none() { guess_by_port(port) } else { name };
        let key = format!("{port} {name}");
        let listed = &mut shared.loss.undecoded;
        let key = if listed.contains_key(&key) || listed.len() < UNDECODED_MAX { key } else { UNDECODED_REST.to_owned() };
        let entry = listed.entry(key).or_default();
        entry.connections += 1;
        entry.packets += self.packets;
        entry.client_bytes += self.bytes[index(client)];
        entry.server_bytes += self.bytes[index(client.other())];
    }
}

fn count(counts: &mut BTreeMap<String, u64>, key: &str) {
    if let Some(seen) = counts.get_mut(key) {
        *seen += 1;
    } else {
        counts.insert(key.to_owned(), 1);
    }
}

fn hand_on(dissector: &mut dyn Dissector, side: Side, at: TraceNs, bytes: &[u8], event: &Event, emit: &mut Emit) {
    match event {
        Event::Bytes(_) => dissector.bytes(side, at, bytes, emit),
        Event::Gap(missing_bytes) => dissector.gap(side, at, *missing_bytes, emit),
        Event::End => dissector.end(side, at, emit),
    }
}

impl Probing {
    fn push(&mut self, way: Way, at: TraceNs, bytes: &[u8], event: Event) {
        self.has_gap |= matches!(event, Event::Gap(_));
        self.first[index(way)].extend_from_slice(bytes);
        self.events.push((way, at, event));
    }

    fn bytes(&self) -> usize {
        self.first.iter().map(Vec::len).sum()
    }

    fn is_full(&self) -> bool {
        self.bytes() > PROBE_BYTES_MAX || self.events.len() > PROBE_EVENTS_MAX
    }

    /// The protocol that says yes, with the bytes of prelude before it; and whether one may yet say yes.
    fn probe(&self, client: Way, whole: bool, protocols: &'static [Protocol]) -> (Option<(&'static Protocol, [usize; 2])>, bool) {
        let (from_client, from_server) = (&self.first[index(client)][..], &self.first[index(client.other())][..]);
        if !whole {
            return (self.probe_latest(client, protocols).map(|protocol| (protocol, [0, 0])), true);
        }
        let (client_bytes, server_bytes) = match prelude::find(from_client, from_server) {
            Prelude::No => (0, 0),
            Prelude::More => return (None, true),
            Prelude::Skip { client_bytes, server_bytes } => (client_bytes, server_bytes),
        };
        let (from_client, from_server) = (&from_client[client_bytes..], &from_server[server_bytes..]);
        let mut skip = [0, 0];
        (skip[index(client)], skip[index(client.other())]) = (client_bytes, server_bytes);
        let mut may_be = from_client.is_empty() && from_server.is_empty();
        for protocol in protocols {
            match (protocol.probe)(from_client, from_server) {
                Probe::Yes => return (Some((protocol, skip)), false),
                Probe::More => may_be = true,
                Probe::No => {}
            }
        }
        (None, may_be)
    }

    /// Where the beginning is not known, a message may begin with any segment.
    fn probe_latest(&self, client: Way, protocols: &'static [Protocol]) -> Option<&'static Protocol> {
        let (way, length) = match self.events.last()? {
            (way, _, Event::Bytes(length)) => (*way, *length),
            _ => return None,
        };
        let first = &self.first[index(way)];
        let latest = &first[first.len() - length..];
        let (from_client, from_server) = if way == client { (latest, &[][..]) } else { (&[][..], latest) };
        protocols.iter().find(|protocol| (protocol.probe)(from_client, from_server) == Probe::Yes)
    }

    fn replay(self, connection: &mut Connection, mut skip: [usize; 2], shared: &mut Shared) {
        let mut rest = [&self.first[0][..], &self.first[1][..]];
        for (way, at, event) in &self.events {
            let length = if let Event::Bytes(length) = event { *length } else { 0 };
            let (mut bytes, after) = rest[index(*way)].split_at(length);
            rest[index(*way)] = after;
            let skipped = skip[index(*way)].min(bytes.len());
            skip[index(*way)] -= skipped;
            bytes = &bytes[skipped..];
            if !(bytes.is_empty() && skipped > 0) {
                let event = if length > 0 { Event::Bytes(bytes.len()) } else { *event };
                connection.event(*way, *at, bytes, event, shared);
            }
        }
    }
}
