//! MongoDB: makes an exchange of each command or question, in the new way (OP_MSG), the old one, and packed. Answers carry their
//! request's number.
//!
//! An answer behind which more come is followed by `push` rows. What is said to log in is never stored.

use std::collections::VecDeque;

use bytes::Bytes;
use trace::{Effect, Exchange, Flag, Header, Kind, Name, TraceNs, Txn, Yield};
use wire::length::LengthFraming;
use wire::mongodb::{Body, Document, Head, MORE_TO_COME, Sequence, Value, framing, unpack};
use wire::{Framing, Side, Start};
use xxhash_rust::xxh3::xxh3_64;

use super::messages::{Message, Messages, Talk};
use super::{Connection, Emit, Options, Probe, Protocol};

/// MongoDB's own protocol.
pub const PROTOCOL: Protocol = Protocol {
    name: "mongodb",
    ports: &[27_017, 27_018, 27_019],
    upgrades: &[],
    probe,
    open: |about, options| Box::new(Messages::new(Mongo::new(about, options), options)),
};

/// Requests of one connection that wait for their answers; past it the oldest is given back without one.
pub const PENDING_MAX: usize = 1 << 12;
/// Bytes of requests of one connection that wait for their answers; past it the oldest is given back without one.
const PENDING_BYTES_MAX: usize = 64 << 20;
/// Names are cut there.
const NAME_BYTES_MAX: usize = 128;

/// Commands that change nothing; that change documents; that keep a client going. All others are the administration's.
const READS: &[&str] = &[
    "find",
    "aggregate",
    "count",
    "distinct",
    "getMore",
    "mapReduce",
    "geoNear",
    "listCollections",
    "listIndexes",
    "listDatabases",
    "collStats",
    "dbStats",
    "explain",
];
const WRITES: &[&str] = &["insert", "update", "delete", "findAndModify", "findandmodify", "bulkWrite"];
const CONTROLS: &[&str] = &[
    "hello",
    "isMaster",
    "ismaster",
    "ping",
    "saslStart",
    "saslContinue",
    "authenticate",
    "getnonce",
    "logout",
    "startSession",
    "refreshSessions",
    "endSessions",
    "killSessions",
    "killCursors",
    "commitTransaction",
    "abortTransaction",
    "buildInfo",
    "buildinfo",
    "whatsmyuri",
    "connectionStatus",
];
/// Commands that establish a session.
const SETUP: &[&str] = &["hello", "isMaster", "ismaster", "saslStart", "saslContinue", "authenticate", "getnonce"];
/// Commands of which neither request nor answer is stored.
const SECRET: &[&str] = &["saslStart", "saslContinue", "authenticate", "getnonce", "createUser", "updateUser", "copydbsaslstart"];
/// Commands whose result may go to a collection.
const PIPELINES: &[&str] = &["aggregate", "mapReduce"];
/// Errors of single writes, which the server does not name, by their numbers in its `error_codes.yml`.
const ERRORS: &[(u16, &str)] = &[
    (13, "Unauthorized"),
    (50, "MaxTimeMSExpired"),
    (64, "WriteConcernFailed"),
    (66, "ImmutableField"),
    (112, "WriteConflict"),
    (121, "DocumentValidationFailure"),
    (11_000, "DuplicateKey"),
];
/// Members that hold what an answer gives.
const BATCHES: &[&str] = &["firstBatch", "nextBatch"];
/// Members that hold what a write is about.
const ITEMS: &[&str] = &["documents", "updates", "deletes", "ops"];

/// A message's head is sure on either side.
fn probe(client: &[u8], server: &[u8]) -> Probe {
    let starts = [client, server].map(|bytes| if bytes.is_empty() { None } else { Some(framing().find_start(bytes)) });
    match starts {
        [None, None] => Probe::More,
        [None | Some(Start::At(0)), None | Some(Start::At(0))] => Probe::Yes,
        [None | Some(Start::At(0) | Start::NotBefore(0)), None | Some(Start::At(0) | Start::NotBefore(0))] => Probe::More,
        _ => Probe::No,
    }
}

/// A request whose answer, or next answer, has not come yet.
struct Pending {
    row: Exchange,
    /// The number that the answer carries.
    id: i32,
    is_secret: bool,
    /// It was answered, and the row is like those of what follows.
    answered: bool,
}

struct Mongo {
    about: Connection,
    options: Options,
    pending: VecDeque<Pending>,
    pending_bytes: usize,
}

/// What a request says.
struct Asked {
    command: String,
    collection: String,
    effect: Effect,
    items: u64,
    txn: Option<Txn>,
    headers: Vec<Header>,
    is_secret: bool,
    unanswered: bool,
}

impl Talk for Mongo {
    type Framing = LengthFraming;
    const NAME: &'static str = "mongodb";

    fn framing(_side: Side) -> LengthFraming {
        framing()
    }

    fn message(&mut self, side: Side, message: &Message<'_>, out: &mut Emit) {
        match (side, Head::parse(message.bytes)) {
            (Side::Client, Some(head)) => self.request(head, message, out),
            (Side::Server, Some(head)) => self.answer(head, message, out),
            (side, None) => {
                out.undecoded_bytes += message.wire_bytes;
                self.lost(side, message.at, u64::from(message.flag == Some(Flag::Gap)), out);
            }
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

    fn finish(&mut self, _at: TraceNs, out: &mut Emit) {
        while let Some(pending) = self.take(0) {
            if !pending.answered {
                out.push(&self.about, pending.row);
            }
        }
    }

    fn about(&self) -> &Connection {
        &self.about
    }
}

impl Mongo {
    fn new(about: &Connection, options: &Options) -> Self {
        Self { about: about.clone(), options: options.clone(), pending: VecDeque::new(), pending_bytes: 0 }
    }

    fn issue(&self, kind: &str, out: &mut Emit) {
        self.about.issue(kind, out);
    }

    fn take(&mut self, index: usize) -> Option<Pending> {
        let pending = self.pending.remove(index)?;
        self.pending_bytes -= pending.row.request.as_ref().map_or(0, Bytes::len);
        Some(pending)
    }

    fn request(&mut self, head: Head, message: &Message<'_>, out: &mut Emit) {
        let plain = unpack(message.bytes);
        let body = plain.as_deref().and_then(Body::parse);
        if body.is_none() {
            self.issue("mongodb-request-not-read", out);
        }
        let unread = body.is_none();
        let asked = body.map(asked).unwrap_or_else(|| Asked::new("", ""));
        let mut row = self.about.row(Kind::Request, message.at);
        row.protocol = out.names.get("mongodb");
        row.version = out.names.get(&head.code.to_string());
        row.operation = out.names.get(&asked.command);
        row.method = row.operation.clone();
        row.collection = out.names.get(&asked.collection);
        row.target = format!("{} {}", asked.command, asked.collection).trim_end().into();
        // What is not whole may end in a stage that writes.
        row.effect = if PIPELINES.contains(&&*asked.command) && !message.is_whole() { Effect::Write } else { asked.effect };
        row.items = u32::try_from(asked.items).unwrap_or(u32::MAX);
        row.txn = asked.txn;
        row.headers = (!asked.headers.is_empty()).then_some(asked.headers);
        if SETUP.contains(&&*asked.command) {
            row.flags.set(Flag::Setup);
        }
        // What cannot be read may be anything.
        let begins = asked.command.is_empty() || SETUP.contains(&&*asked.command);
        let is_secret = asked.is_secret || unread || begins && !message.is_whole();
        let kept = if is_secret { Bytes::new() } else { Bytes::copy_from_slice(message.bytes) };
        message.note_request(kept, &self.options, &mut row);
        if is_secret {
            row.flags.set(Flag::Redacted);
            row.flags.set(Flag::Unreplayable);
        }
        if asked.unanswered {
            row.kind = Kind::Message;
            return out.push(&self.about, row);
        }
        self.wait(Pending { row, id: head.id, is_secret, answered: false }, out);
    }

    fn wait(&mut self, pending: Pending, out: &mut Emit) {
        self.pending_bytes += pending.row.request.as_ref().map_or(0, Bytes::len);
        self.pending.push_back(pending);
        while self.pending.len() > PENDING_MAX || self.pending_bytes > PENDING_BYTES_MAX && self.pending.len() > 1 {
            self.issue("mongodb-outstanding-limit", out);
            self.take(0).filter(|oldest| !oldest.answered).into_iter().for_each(|oldest| out.push(&self.about, oldest.row));
        }
    }

    fn answer(&mut self, head: Head, message: &Message<'_>, out: &mut Emit) {
        let found = self.pending.iter().position(|pending| pending.id == head.answers);
        let Some(Pending { row, is_secret, answered, .. }) = found.and_then(|index| self.take(index)) else {
            self.issue("mongodb-response-without-request", out);
            out.undecoded_bytes += message.wire_bytes;
            return;
        };
        let mut row = if answered { self.pushed(&row, message.at) } else { row };
        let plain = unpack(message.bytes);
        message.note_answer(&self.options, &mut row);
        row.response = row.response.filter(|_| !is_secret);
        // Behind the head, whose numbers no two answers share.
        let said = plain.as_deref().and_then(|plain| plain.get(wire::mongodb::HEAD_BYTES..));
        row.answer_hash = said.filter(|_| message.is_whole() && !is_secret).map(xxh3_64);
        let body = plain.as_deref().and_then(Body::parse);
        let goes_on = matches!(body, Some(Body::Msg { flags, .. }) if flags & MORE_TO_COME > 0);
        body.into_iter().for_each(|body| conclude(&body, &mut row, out));
        if goes_on && row.kind == Kind::Request {
            row.kind = Kind::Open;
        }
        if goes_on {
            let like = Exchange { request: None, ..row.clone() };
            self.pending.push_back(Pending { row: like, id: head.id, is_secret, answered: true });
        }
        out.push(&self.about, row);
    }

    /// A row like that of the request, for a further answer.
    fn pushed(&mut self, like: &Exchange, at: TraceNs) -> Exchange {
        let new = self.about.row(Kind::Push, at);
        Exchange {
            protocol: like.protocol.clone(),
            version: like.version.clone(),
            operation: like.operation.clone(),
            method: like.method.clone(),
            collection: like.collection.clone(),
            target: like.target.clone(),
            effect: like.effect,
            ..new
        }
    }
}

impl Asked {
    fn new(command: &str, namespace: &str) -> Self {
        Self {
            command: cut(command),
            collection: cut(namespace),
            effect: effect(command),
            items: 0,
            txn: None,
            headers: Vec::new(),
            is_secret: false,
            unanswered: false,
        }
    }
}

/// Whether the result of a pipeline or of mapReduce goes to the client alone (MongoDB Manual, `$out`, `$merge`, `mapReduce`).
fn only_reads(document: Document<'_>) -> bool {
    let mut stages = document.get("pipeline").and_then(|stages| stages.document()).into_iter().flat_map(Document::elements);
    let writes =
        |stage: Value<'_>| stage.document().and_then(Document::first).is_none_or(|(name, _)| matches!(name, "$out" | "$merge"));
    match document.get("out") {
        Some(out) => out.document().and_then(Document::first).is_some_and(|(name, _)| name == "inline"),
        None => document.get("pipeline").is_some() && !stages.any(|(_, stage)| writes(stage)),
    }
}

/// The collection of a bulkWrite, where all it writes goes to one.
fn namespace(names: &Sequence<'_>) -> Option<String> {
    names.first.get("ns").and_then(|name| name.text()).filter(|_| names.count == 1).map(cut)
}

/// What a message of the client asks for.
fn asked(body: Body<'_>) -> Asked {
    match body {
        Body::Msg { flags, document, sequences } => {
            let unanswered = flags & MORE_TO_COME > 0;
            let mut asked = command(document, document.get("$db").and_then(|db| db.text()).unwrap_or_default());
            asked.items += sequences.iter().filter(|of| ITEMS.contains(&of.name)).map(|of| of.count).sum::<u64>();
            if let Some(names) = sequences.iter().find(|of| of.name == "nsInfo") {
                asked.collection = namespace(names).unwrap_or(asked.collection);
            }
            Asked { unanswered, ..asked }
        }
        Body::Query { namespace, document } => match namespace.strip_suffix(".$cmd") {
            Some(db) => {
                let wrapped = document.first().filter(|(name, _)| matches!(*name, "$query" | "query"));
                command(wrapped.and_then(|(_, inner)| inner.document()).unwrap_or(document), db)
            }
            None => Asked::new("find", namespace),
        },
        Body::Write { command, namespace, items } => Asked { items, unanswered: true, ..Asked::new(command, namespace) },
        Body::GetMore { namespace } => Asked::new("getMore", namespace),
        Body::KillCursors => Asked { unanswered: true, ..Asked::new("killCursors", "") },
        Body::Reply { .. } => Asked::new("", ""),
    }
}

/// The first member's name is the command; its text, or that of `collection`, what it is about.
fn command(document: Document<'_>, db: &str) -> Asked {
    let Some((name, about)) = document.first() else { return Asked::new("", "") };
    let about = if name == "getMore" { document.get("collection") } else { Some(about) };
    let is_of_collection = READS.contains(&name) || WRITES.contains(&name) || name == "killCursors";
    let about =
        about.and_then(|about| about.text()).filter(|_| is_of_collection || effect(name) == Effect::Admin && name != "getLog");
    let items = ITEMS.iter().filter_map(|items| document.get(items)?.document());
    let items = items.map(|items| items.elements().count() as u64).sum::<u64>();
    Asked {
        command: cut(name),
        effect: if PIPELINES.contains(&name) && !only_reads(document) { Effect::Write } else { effect(name) },
        collection: about.map_or_else(|| cut(db), |about| cut(&format!("{db}.{about}"))),
        items: if items == 0 && name.eq_ignore_ascii_case("findAndModify") { 1 } else { items },
        txn: transaction(document),
        headers: parameters(name, document),
        is_secret: SECRET.contains(&name) || document.get("speculativeAuthenticate").is_some(),
        unanswered: false,
    }
}

/// Commands with a session's number for it, and without a commit of their own, are a transaction; others with a number are only written
/// again where no answer came.
fn transaction(document: Document<'_>) -> Option<Txn> {
    if document.get("autocommit")?.number()? != 0.0 {
        return None;
    }
    let Value::Long(number) = document.get("txnNumber")? else { return None };
    let Value::Binary(_, session) = document.get("lsid")?.document()?.get("id")? else { return None };
    let session: String = session.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    Some(Txn { name: Name::from("transaction"), id: Name::from(format!("{session}-{number}")) })
}

/// What a client says of itself when it begins.
fn parameters(name: &str, document: Document<'_>) -> Vec<Header> {
    let mut headers = Vec::new();
    let mut add = |name: &str, value: &str| {
        headers.push(Header { name: name.into(), value: Bytes::copy_from_slice(value.as_bytes()) });
    };
    if name == "saslStart" {
        document.get("mechanism").and_then(|value| value.text()).into_iter().for_each(|value| add("mechanism", value));
    }
    if SETUP.contains(&name) {
        let driver = document.get("client").and_then(|client| client.document()?.get("driver")?.document()?.get("name")?.text());
        driver.into_iter().for_each(|driver| add("driver", driver));
        let packings = document.get("compression").and_then(|packings| packings.document());
        let packings = packings.into_iter().flat_map(Document::elements).filter_map(|(_, packing)| packing.text());
        packings.for_each(|packing| add("compression", packing));
    }
    headers
}

/// What an answer says of how it went, and where it goes on.
fn conclude(body: &Body<'_>, row: &mut Exchange, out: &mut Emit) {
    let (document, failed, cursor, replied) = match body {
        Body::Msg { document, .. } => (document, false, None, 0),
        Body::Reply { flags, cursor, document, items } => (document, flags & 3 > 0, Some(*cursor), *items),
        _ => return,
    };
    if row.items == 0 && row.effect == Effect::Read {
        row.items = u32::try_from(given(*document).unwrap_or(replied)).unwrap_or(u32::MAX);
    }
    let errors = |name: &str| document.get(name).and_then(|errors| errors.document()).and_then(Document::first);
    let in_write =
        errors("writeErrors").or_else(|| errors("writeConcernError").and(document.get("writeConcernError").map(|it| ("", it))));
    let in_write = in_write.and_then(|(_, error)| error.document());
    let not_ok = document.get("ok").and_then(|ok| ok.number()).is_some_and(|ok| ok == 0.0);
    let failed = failed || not_ok || in_write.is_some() || document.get("$err").is_some();
    let told = if not_ok { *document } else { in_write.unwrap_or(*document) };
    let named = told.get("codeName").and_then(|name| name.text().map(cut));
    let code = told.get("code").and_then(|code| code.number());
    let known = |code: f64| ERRORS.iter().find(|(number, _)| f64::from(*number) == code).map(|(_, name)| (*name).to_owned());
    let numbered = || code.map(|code| known(code).unwrap_or_else(|| format!("code {code}")));
    let status = if failed { named.or_else(numbered).unwrap_or_else(|| "failed".to_owned()) } else { "OK".to_owned() };
    (row.status, row.ok) = (Some(out.names.get(&status)), Some(!failed));
    let cursor = cursor.or_else(|| match document.get("cursor")?.document()?.get("id")? {
        Value::Long(id) => Some(id),
        _ => None,
    });
    cursor.filter(|id| *id != 0).into_iter().for_each(|id| {
        row.yields.push(Yield { name: out.names.get("cursor"), value: id.to_string().into() });
    });
}

/// How many documents an answer gives.
fn given(answer: Document<'_>) -> Option<u64> {
    if let Some(values) = answer.get("values") {
        return Some(values.document()?.elements().count() as u64);
    }
    let cursor = answer.get("cursor")?.document()?;
    let batch = BATCHES.iter().find_map(|batch| cursor.get(batch)?.document())?;
    Some(batch.elements().count() as u64)
}

fn effect(command: &str) -> Effect {
    match command {
        _ if READS.contains(&command) => Effect::Read,
        _ if WRITES.contains(&command) => Effect::Write,
        _ if CONTROLS.contains(&command) => Effect::Control,
        _ => Effect::Admin,
    }
}

fn cut(name: &str) -> String {
    let end = (0..=NAME_BYTES_MAX.min(name.len())).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
    name[..end].to_owned()
}
