//! Apache Kafka: makes an exchange of each request. Answers carry their request's number.
//!
//! The collection is the topic of a request, several of them in the order of the alphabet (`a,b,c,+2`), or its consumer group where it is
//! about one. Where topics go by id, their names are taken from what Metadata said on any connection. A Fetch of a session is about the
//! topics that the ones before it named, too (KIP-227). How clients say who they are is never stored, nor are requests that may set
//! passwords.

use std::collections::{BTreeSet, HashMap, VecDeque};

use bytes::Bytes;
use trace::{Effect, Exchange, Flag, Header, Issues, Kind, Name, TraceNs, Yield};
use wire::kafka::{Api, Found, RequestHead, api, correlation, error_name, framing, read_answer};
use wire::length::LengthFraming;
use wire::{Framing, Side, Start};
use xxhash_rust::xxh3::xxh3_64;

use super::messages::{Message, Messages, Talk};
use super::{Connection, Emit, Options, Probe, Protocol};

/// Kafka's own protocol.
pub const PROTOCOL: Protocol = Protocol {
    name: "kafka",
    ports: &[9092, 9093, 9094, 19_092, 29_092],
    upgrades: &[],
    probe,
    open: |about, options| Box::new(Messages::new(Kafka::new(about, options), options)),
};

/// Requests of one connection that wait for their answers; past it the oldest is given back without one.
pub const PENDING_MAX: usize = 1 << 12;
/// Bytes of requests of one connection that wait for their answers; past it the oldest is given back without one.
const PENDING_BYTES_MAX: usize = 64 << 20;
/// Topics whose names are remembered by id; those met later go by id.
const TOPICS_MAX: usize = 1 << 16;

/// Topics of a request, or of those of a session, that are told apart; further ones are left out.
const REQUEST_TOPICS_MAX: usize = 1 << 10;
/// Topics that a collection is named by; of further ones it says how many.
const TOPICS_NAMED: usize = 3;

/// Kinds of request that change nothing; of those that keep a client going; of those that change records; all others are the
/// administration's.
const READS: &[&str] = &["Fetch", "ListOffsets", "Metadata", "OffsetFetch", "OffsetForLeaderEpoch", "FindCoordinator"];
const CONTROLS: &[&str] = &[
    "JoinGroup",
    "Heartbeat",
    "LeaveGroup",
    "SyncGroup",
    "SaslHandshake",
    "ApiVersions",
    "SaslAuthenticate",
    "InitProducerId",
    "AddPartitionsToTxn",
    "AddOffsetsToTxn",
    "EndTxn",
    "ConsumerGroupHeartbeat",
    "GetTelemetrySubscriptions",
    "PushTelemetry",
];
const WRITES: &[&str] = &["Produce", "OffsetCommit", "TxnOffsetCommit", "DeleteRecords"];
/// Kinds of request that establish a session.
const SETUP: &[&str] = &["ApiVersions", "SaslHandshake", "SaslAuthenticate", "InitProducerId"];
/// Kinds of request of which neither request nor answer is stored, since passwords and tokens are in them.
const SECRET: &[&str] = &[
    "SaslAuthenticate",
    "CreateDelegationToken",
    "RenewDelegationToken",
    "ExpireDelegationToken",
    "DescribeDelegationToken",
    "AlterUserScramCredentials",
    "AlterConfigs",
    "IncrementalAlterConfigs",
    "DescribeConfigs",
];
/// How many tokens a client sends to say who it is, by mechanism, where they come without a head (KIP-43): others are not followed.
const TOKENS: &[(&str, u32)] = &[("PLAIN", 1), ("OAUTHBEARER", 1), ("SCRAM-SHA-256", 2), ("SCRAM-SHA-512", 2)];

/// A request is sure by its head, whose fields have narrow bounds, and a client's name that can be read; of the server nothing is.
fn probe(client: &[u8], _server: &[u8]) -> Probe {
    match framing(Side::Client).find_start(client) {
        _ if client.is_empty() => Probe::More,
        Start::At(0) => probe_name(client),
        Start::NotBefore(0) => Probe::More,
        _ => Probe::No,
    }
}

/// The client's name stands behind length, kind, version and number.
fn probe_name(client: &[u8]) -> Probe {
    let length = usize::try_from(i16::from_be_bytes([client[12], client[13]])).unwrap_or(0);
    let name = &client[14..client.len().min(14 + length)];
    match name.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') {
        true if name.len() == length => Probe::Yes,
        true => Probe::More,
        false => Probe::No,
    }
}

/// The names of topics by id, from all connections.
#[derive(Default)]
pub(super) struct Topics(HashMap<u128, Name>);

impl Topics {
    /// Keeps a name in mind, if there is room.
    fn learn(&mut self, id: u128, name: &Name, issues: &mut Issues) {
        if self.0.len() >= TOPICS_MAX && !self.0.contains_key(&id) {
            return issues.add("kafka-topics-limit", || format!("more than {TOPICS_MAX} topics with an id"));
        }
        if id != 0 {
            self.0.insert(id, name.clone());
        }
    }

    fn name(&self, id: u128) -> Name {
        self.0.get(&id).cloned().unwrap_or_else(|| Name::from(format!("{id:032x}")))
    }
}

/// A request whose answer has not come yet.
struct Pending {
    row: Exchange,
    correlation: i32,
    /// Kind and version, for the answer's layout; `None` for a token.
    kind: Option<(i16, i16)>,
    is_secret: bool,
}

struct Kafka {
    about: Connection,
    options: Options,
    pending: VecDeque<Pending>,
    pending_bytes: usize,
    /// The topics that the Fetches of the session named.
    fetched: BTreeSet<Name>,
    /// So many messages of the client, and of the server, that come next are tokens without a head.
    tokens: [u32; 2],
    is_over: bool,
}

impl Talk for Kafka {
    type Framing = LengthFraming;
    const NAME: &'static str = "kafka";

    fn framing(side: Side) -> LengthFraming {
        framing(side)
    }

    fn message(&mut self, side: Side, message: &Message<'_>, out: &mut Emit) {
        match side {
            Side::Client => self.request(message, out),
            Side::Server => self.answer(message, out),
        }
    }

    fn lost(&mut self, side: Side, at: TraceNs, at_least: u64, out: &mut Emit) {
        if side == Side::Client {
            (0..at_least).for_each(|_| out.lose(&self.about, self.about.rows, at));
        } else {
            // Theirs may be the answers in the hole.
            self.pending.iter_mut().for_each(|pending| pending.row.flags.set(Flag::Gap));
        }
    }

    fn is_over(&self) -> bool {
        self.is_over
    }

    fn finish(&mut self, _at: TraceNs, out: &mut Emit) {
        while let Some(pending) = self.take(0) {
            out.push(&self.about, pending.row);
        }
    }

    fn about(&self) -> &Connection {
        &self.about
    }
}

impl Kafka {
    fn new(about: &Connection, options: &Options) -> Self {
        Self {
            about: about.clone(),
            options: options.clone(),
            pending: VecDeque::new(),
            pending_bytes: 0,
            fetched: BTreeSet::new(),
            tokens: [0; 2],
            is_over: false,
        }
    }

    fn issue(&self, kind: &str, out: &mut Emit) {
        self.about.issue(kind, out);
    }

    fn take(&mut self, index: usize) -> Option<Pending> {
        let pending = self.pending.remove(index)?;
        self.pending_bytes -= pending.row.request.as_ref().map_or(0, Bytes::len);
        Some(pending)
    }

    fn row(&mut self, at: TraceNs, name: &str, out: &mut Emit) -> Exchange {
        let mut row = self.about.row(Kind::Request, at);
        row.protocol = out.names.get("kafka");
        row.operation = out.names.get(name);
        row.method = row.operation.clone();
        row.effect = effect(name);
        if SETUP.contains(&name) {
            row.flags.set(Flag::Setup);
        }
        row
    }

    fn request(&mut self, message: &Message<'_>, out: &mut Emit) {
        if self.tokens[0] > 0 {
            return self.token(message, out);
        }
        let Some(head) = RequestHead::parse(message.bytes) else {
            out.undecoded_bytes += message.wire_bytes;
            let lost = u64::from(message.flag == Some(Flag::Gap));
            return self.lost(Side::Client, message.at, lost, out);
        };
        let name = api(head.api).map_or_else(|| format!("api {}", head.api), |api: &Api| api.name.to_owned());
        let mut row = self.row(message.at, &name, out);
        row.version = out.names.get(&head.version.to_string());
        row.headers = head.client.map(|client| vec![header("client-id", client)]);
        let acks = self.describe(&head, &mut row, out);
        row.target = format!("{name} {}", row.collection).trim_end().into();
        let is_secret = SECRET.contains(&&*name);
        self.keep(message, is_secret, &mut row);
        if acks == Some(0) {
            // Nobody answers where no acknowledgement is wanted.
            row.kind = Kind::Message;
            return out.push(&self.about, row);
        }
        self.wait(Pending { row, correlation: head.correlation, kind: Some((head.api, head.version)), is_secret }, out);
    }

    /// Says what a request is about; how many acknowledgements it wants, if it says so.
    fn describe(&mut self, head: &RequestHead<'_>, row: &mut Exchange, out: &mut Emit) -> Option<i16> {
        let (mut topics, mut group, mut acks, mut records, mut mechanism) = (BTreeSet::new(), None, None, 0, None);
        let mut goes_on = row.operation == "Fetch";
        head.read(|found| match found {
            Found::Topic(name) if topics.len() < REQUEST_TOPICS_MAX => {
                topics.insert(out.names.get(name));
            }
            Found::TopicId(id) if id != 0 && topics.len() < REQUEST_TOPICS_MAX => {
                topics.insert(out.topics.name(id));
            }
            Found::Epoch(epoch) => goes_on &= epoch > 0,
            Found::Group(name) => {
                group.get_or_insert_with(|| out.names.get(name));
            }
            Found::Acks(wanted) => acks = Some(wanted),
            Found::Records(count) => records += count,
            Found::Mechanism(name) => mechanism = Some(name.to_owned()),
            _ => {}
        });
        if row.operation == "Fetch" {
            if (goes_on || topics.is_empty()) && self.fetched.len() < REQUEST_TOPICS_MAX {
                topics.append(&mut self.fetched);
            }
            self.fetched = topics.clone();
        }
        row.collection = joined(&topics, out).or(group).unwrap_or_default();
        row.items = u32::try_from(records).unwrap_or(u32::MAX);
        if let Some(mechanism) = mechanism {
            self.follow(&mechanism, head.version, out);
            row.headers.get_or_insert_default().push(header("mechanism", &mechanism));
        }
        acks
    }

    /// After a handshake of version 0 tokens come without a head.
    fn follow(&mut self, mechanism: &str, version: i16, out: &mut Emit) {
        if version > 0 {
            return;
        }
        match TOKENS.iter().find(|(known, _)| *known == mechanism) {
            Some((_, count)) => self.tokens = [*count; 2],
            None => {
                self.is_over = true;
                self.issue("kafka-mechanism-not-followed", out);
            }
        }
    }

    fn token(&mut self, message: &Message<'_>, out: &mut Emit) {
        self.tokens[0] -= 1;
        let mut row = self.row(message.at, "SaslAuthenticate", out);
        row.target = "SaslAuthenticate".into();
        self.keep(message, true, &mut row);
        self.wait(Pending { row, correlation: 0, kind: None, is_secret: true }, out);
    }

    fn keep(&self, message: &Message<'_>, is_secret: bool, row: &mut Exchange) {
        let kept = if is_secret { Bytes::new() } else { Bytes::copy_from_slice(message.bytes) };
        message.note_request(kept, &self.options, row);
        if is_secret {
            row.flags.set(Flag::Redacted);
            row.flags.set(Flag::Unreplayable);
        }
    }

    fn wait(&mut self, pending: Pending, out: &mut Emit) {
        self.pending_bytes += pending.row.request.as_ref().map_or(0, Bytes::len);
        self.pending.push_back(pending);
        while self.pending.len() > PENDING_MAX || self.pending_bytes > PENDING_BYTES_MAX && self.pending.len() > 1 {
            self.issue("kafka-outstanding-limit", out);
            self.take(0).into_iter().for_each(|oldest| out.push(&self.about, oldest.row));
        }
    }

    fn answer(&mut self, message: &Message<'_>, out: &mut Emit) {
        // The handshake's own answer comes before those to tokens.
        let is_token = self.tokens[1] > 0 && self.pending.front().is_some_and(|oldest| oldest.kind.is_none());
        let found = match correlation(message.bytes).filter(|_| !is_token) {
            Some(number) => self.pending.iter().position(|pending| pending.kind.is_some() && pending.correlation == number),
            None => is_token.then_some(0),
        };
        let Some(Pending { mut row, kind, is_secret, .. }) = found.and_then(|index| self.take(index)) else {
            self.issue("kafka-response-without-request", out);
            out.undecoded_bytes += message.wire_bytes;
            return;
        };
        self.tokens[1] -= u32::from(is_token);
        message.note_answer(&self.options, &mut row);
        row.response = row.response.filter(|_| !is_secret);
        // Without length and number, which no two answers share.
        row.answer_hash = message.bytes.get(8..).filter(|_| message.is_whole() && !is_secret).map(xxh3_64);
        match kind {
            Some((kind, version)) => conclude(kind, version, message.bytes, &mut row, out),
            None => row.ok = Some(true),
        }
        out.push(&self.about, row);
    }
}

/// The name of several topics.
fn joined(topics: &BTreeSet<Name>, out: &mut Emit) -> Option<Name> {
    let (first, rest) = (topics.first()?, topics.len().saturating_sub(TOPICS_NAMED));
    if topics.len() == 1 {
        return Some(first.clone());
    }
    let mut parts: Vec<&str> = topics.iter().take(TOPICS_NAMED).map(Name::as_str).collect();
    let more = format!("+{rest}");
    parts.extend((rest > 0).then_some(&*more));
    Some(out.names.get(&parts.join(",")))
}

/// What an answer says of how it went, and which names topics have.
fn conclude(kind: i16, version: i16, answer: &[u8], row: &mut Exchange, out: &mut Emit) {
    let (mut error, mut topic, mut records, mut producer) = (None, None, 0, None);
    read_answer(kind, version, answer, |found| match found {
        Found::Error(number) => {
            if matches!(error, None | Some(0)) {
                error = Some(number);
            }
        }
        Found::Topic(name) => topic = Some(out.names.get(name)),
        Found::TopicId(id) => topic.iter().for_each(|name| out.topics.learn(id, name, &mut out.issues)),
        Found::Records(count) => records += count,
        Found::Producer(id) => producer = Some(id),
        _ => {}
    });
    // Of kinds whose answers are not known it is not known either whether they are good.
    let error = error.or_else(|| api(kind).filter(|api| api.tells_errors()).map(|_| 0));
    let named = |error| error_name(error).map_or_else(|| format!("ERROR_{error}"), str::to_owned);
    row.status = Some(out.names.get(&error.map_or_else(|| "answered".to_owned(), named)));
    row.ok = error.map(|error| error == 0);
    if row.items == 0 {
        row.items = u32::try_from(records).unwrap_or(u32::MAX);
    }
    producer.into_iter().for_each(|id| row.yields.push(Yield { name: out.names.get("producer"), value: id.to_string().into() }));
}

fn effect(name: &str) -> Effect {
    match name {
        _ if READS.contains(&name) => Effect::Read,
        _ if WRITES.contains(&name) => Effect::Write,
        _ if CONTROLS.contains(&name) => Effect::Control,
        _ => Effect::Admin,
    }
}

fn header(name: &str, value: &str) -> Header {
    Header { name: name.into(), value: Bytes::copy_from_slice(value.as_bytes()) }
}
