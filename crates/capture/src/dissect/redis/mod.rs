//! Redis, versions 2 and 3 of its protocol: makes an exchange of each command, and of what the server sends unasked.
//!
//! Answers come in the order of their commands; those to which none comes (`CLIENT REPLY OFF` and `SKIP`) are `message` rows. A
//! subscription is a long-lived stream: the first SUBSCRIBE (or the EXEC of the transaction it is in) is its `open`, later commands to it
//! are `message` rows, what is published `push` rows, and what ends the last subscription is the `close`; so is MONITOR's. Commands from
//! MULTI to EXEC or DISCARD are one transaction, and an EXEC that did not execute, or in which a command failed, is not good.
//!
//! Where bytes were not captured it may not be known how many commands or answers they were. Until both sides are of one mind again, when
//! the client goes on after it was answered, answers are no command's; commands of that time are flagged, and how many were lost is told
//! by the answers that are too many.

mod command;

use std::collections::VecDeque;

use bytes::Bytes;
use trace::{Exchange, Flag, Header, Kind, Name, TraceNs, Txn, Yield, escape_text};
use wire::redis::{Node, Nodes, RespFraming, arguments, push_command};
use wire::{Framing, Side, Start};
use xxhash_rust::xxh3::xxh3_64;

use super::messages::{Message, Messages, Talk};
use super::{Connection, Emit, Options, Probe, Protocol};
use command::{ARGUMENTS_MAX, Command, is_known, masked, prefix};

/// Redis and what speaks its protocol.
pub const PROTOCOL: Protocol = Protocol {
    name: "redis",
    ports: &[6379, 6380, 26_379],
    upgrades: &[],
    probe,
    open: |about, options| Box::new(Messages::new(Redis::new(about, options), options)),
};

/// Commands of one connection that wait for their answers; past it the oldest is given back without one.
pub const PENDING_MAX: usize = 1 << 16;
/// Bytes of commands of one connection that wait for their answers; past it the oldest is given back without one.
const PENDING_BYTES_MAX: usize = 64 << 20;
/// Bytes of an inline command that are looked at to tell whether it is one.
const INLINE_BYTES_MAX: usize = 8 << 10;
/// Channels, patterns, channels of a shard: how the three kinds of subscription begin in small letters.
const SUBSCRIPTIONS: [&str; 3] = ["", "p", "s"];

/// A command is sure by its first strings; an inline one, which may be any text, by its first word and the answer; of the server alone
/// only strings and arrays are, since others begin with `+OK` too.
fn probe(client: &[u8], server: &[u8]) -> Probe {
    let starts = |side, bytes| RespFraming::new(side).find_start(bytes);
    let answered = starts(Side::Server, server);
    match (client.first(), starts(Side::Client, client), answered) {
        (Some(b'*'), Start::At(0), _) => Probe::Yes,
        (Some(b'*'), Start::NotBefore(0), _) => Probe::More,
        (Some(b'*'), ..) => Probe::No,
        (Some(_), _, answered) => probe_inline(client, answered),
        (None, _, Start::At(0)) if matches!(server[0], b'$' | b'*' | b'%' | b'~' | b'>') => Probe::Yes,
        (None, _, Start::At(0) | Start::NotBefore(0)) => Probe::More,
        (None, ..) => Probe::No,
    }
}

fn probe_inline(client: &[u8], answered: Start) -> Probe {
    let line = &client[..client.len().min(INLINE_BYTES_MAX)];
    let Some(end) = memchr::memchr(b'\n', line) else {
        let is_text = line.len() < INLINE_BYTES_MAX && line.iter().all(|byte| (0x20..0x7f).contains(byte) || *byte == b'\r');
        return if is_text { Probe::More } else { Probe::No };
    };
    let known = line[..end].split(u8::is_ascii_whitespace).find(|word| !word.is_empty()).is_some_and(is_known);
    match answered {
        Start::At(0) if known => Probe::Yes,
        Start::NotBefore(0) if known => Probe::More,
        _ => Probe::No,
    }
}

/// What an answer to a command changes or says beside the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Plain,
    /// Changes the protocol's version.
    Hello(bool),
    Monitor,
    Reset,
    Exec,
    /// Tells where to go on.
    Cursor,
    /// Tells the name of what it made, which is called so here.
    Created(&'static str),
    /// Subscribes, of one kind.
    Subscribe(usize),
    /// Ends subscriptions of one kind.
    Unsubscribe(usize),
}

impl Role {
    fn of(name: &str, version: Option<&[u8]>) -> Self {
        let subscription = |name: &str| SUBSCRIPTIONS.iter().position(|kind| kind.eq_ignore_ascii_case(name));
        match name {
            "HELLO" => version.map_or(Self::Plain, |version| Self::Hello(version == b"3")),
            "MONITOR" => Self::Monitor,
            "RESET" => Self::Reset,
            "EXEC" => Self::Exec,
            "SCAN" | "HSCAN" | "SSCAN" | "ZSCAN" => Self::Cursor,
            "XADD" => Self::Created("id"),
            "SCRIPT LOAD" => Self::Created("script"),
            _ => match (name.strip_suffix("UNSUBSCRIBE"), name.strip_suffix("SUBSCRIBE")) {
                (Some(kind), _) => subscription(kind).map_or(Self::Plain, Self::Unsubscribe),
                (None, Some(kind)) => subscription(kind).map_or(Self::Plain, Self::Subscribe),
                (None, None) => Self::Plain,
            },
        }
    }
}

/// A command whose answer is not complete yet.
struct Pending {
    row: Exchange,
    role: Role,
    /// Confirmations that are to come; 0 stands for one of each subscription that there is. An EXEC is answered by so many messages.
    confirmations: u64,
    /// Nothing but confirmations answers it.
    is_silent: bool,
    /// What the stream is of that an EXEC begins.
    opens: Option<Name>,
}

/// What subscribes in a transaction. Each confirmation is sent as the one answer that EXEC has announced for the command; those of further
/// channels come behind it, as messages of their own.
#[derive(Default)]
struct Queued {
    further: u64,
    opens: Option<Name>,
}

/// Whether commands are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reply {
    On,
    /// The next one is not.
    Skip,
    Off,
}

/// Bytes were not captured, so that it is not known which command an answer belongs to.
struct Doubt {
    /// When the hole was met, and how many rows there were.
    at: TraceNs,
    rows: u32,
    /// So many commands began in holes, or more.
    lost_min: u64,
    /// There are holes on the server's side too.
    of_server: bool,
    /// The answers to so many commands come before the doubt begins.
    before: usize,
    /// Answers since.
    answers: u64,
    /// When the server was heard last.
    heard_at: TraceNs,
}

/// What is subscribed to.
#[derive(Default)]
struct Subscriptions {
    /// By kind, as far as counts in confirmations tell.
    kinds: [u64; 3],
    /// The last counts: of channels and patterns together, and of channels of shards.
    totals: [u64; 2],
    /// What the stream is of, while there is one.
    open: Option<Name>,
}

struct Redis {
    about: Connection,
    options: Options,
    pending: VecDeque<Pending>,
    pending_bytes: usize,
    /// Commands that were given back early, and whose answers are still to come.
    abandoned: u64,
    is_version_3: bool,
    reply: Reply,
    subscriptions: Subscriptions,
    monitors: bool,
    transaction: Option<Txn>,
    transactions: u32,
    queued: Queued,
    /// Commands were sent before the one before them was answered.
    pipelined: bool,
    doubt: Option<Doubt>,
    /// What follows is a replica's copy of the data.
    is_replica: bool,
    ended_at: Option<TraceNs>,
}

impl Talk for Redis {
    type Framing = RespFraming;
    const NAME: &'static str = "redis";

    fn framing(side: Side) -> RespFraming {
        RespFraming::new(side)
    }

    fn message(&mut self, side: Side, message: &Message<'_>, out: &mut Emit) {
        match side {
            Side::Client => self.command(message, out),
            Side::Server => self.answer(message, out),
        }
    }

    fn lost(&mut self, side: Side, at: TraceNs, at_least: u64, _out: &mut Emit) {
        let (before, rows) = (self.pending.len(), self.about.rows);
        let new = Doubt { at, rows, lost_min: 0, of_server: false, before, answers: 0, heard_at: at };
        let doubt = self.doubt.get_or_insert(new);
        match side {
            Side::Client => doubt.lost_min += at_least,
            Side::Server => (doubt.of_server, doubt.before, doubt.heard_at) = (true, 0, at),
        }
    }

    fn is_over(&self) -> bool {
        self.is_replica
    }

    fn end(&mut self, _side: Side, at: TraceNs, _out: &mut Emit) {
        self.ended_at.get_or_insert(at);
    }

    fn finish(&mut self, _at: TraceNs, out: &mut Emit) {
        if let Some(doubt) = self.doubt.take() {
            self.settle(&doubt, out);
        }
        while let Some(pending) = self.pending.pop_front() {
            out.push(&self.about, pending.row);
        }
        if let (Some(at), Some(collection)) = (self.ended_at, self.subscriptions.open.take()) {
            let mut row = self.row(Kind::Close, at, "close", out);
            row.collection = collection;
            row.effect = trace::Effect::Control;
            out.push(&self.about, row);
        }
    }

    fn about(&self) -> &Connection {
        &self.about
    }
}

impl Redis {
    fn new(about: &Connection, options: &Options) -> Self {
        Self {
            about: about.clone(),
            options: options.clone(),
            pending: VecDeque::new(),
            pending_bytes: 0,
            abandoned: 0,
            is_version_3: false,
            reply: Reply::On,
            subscriptions: Subscriptions::default(),
            monitors: false,
            transaction: None,
            transactions: 0,
            queued: Queued::default(),
            pipelined: false,
            doubt: None,
            is_replica: false,
            ended_at: None,
        }
    }

    fn issue(&self, kind: &str, out: &mut Emit) {
        self.about.issue(kind, out);
    }

    fn row(&mut self, kind: Kind, at: TraceNs, operation: &str, out: &mut Emit) -> Exchange {
        let mut row = self.about.row(kind, at);
        row.protocol = out.names.get("redis");
        row.version = self.version(out);
        row.operation = out.names.get(operation);
        row.method = row.operation.clone();
        row
    }

    fn version(&self, out: &mut Emit) -> Name {
        out.names.get(if self.is_version_3 { "3" } else { "2" })
    }

    fn command(&mut self, message: &Message<'_>, out: &mut Emit) {
        self.settle_where_quiet(out);
        let (arguments, count) = arguments(message.bytes, ARGUMENTS_MAX);
        let Some(command) = Command::of(&arguments, count) else {
            // Empty lines and arrays are not answered.
            if let Some(flag) = message.flag {
                out.undecoded_bytes += message.wire_bytes;
                self.lost(Side::Client, message.at, u64::from(flag == Flag::Gap), out);
            }
            return;
        };
        let role = Role::of(&command.name, arguments.get(1).map(AsRef::as_ref));
        let is_queued = self.transaction.is_some();
        let kind = if is_queued { Kind::Request } else { self.kind_of(role) };
        let mut row = self.row(kind, message.at, &command.name, out);
        (row.effect, row.items) = (command.effect, command.items);
        row.collection = out.names.get(&command.collection(&arguments));
        let (target, odd) = escape_text(&command.target(&arguments));
        row.target = target;
        let flags = [(odd, Flag::Escaped), (command.is_setup, Flag::Setup)];
        flags.into_iter().filter(|(set, _)| *set).for_each(|(_, flag)| row.flags.set(flag));
        row.headers = command.is_setup.then(|| parameters(&command.name, &arguments)).flatten();
        let stored = masked(&command.name, &arguments, message.is_whole());
        if stored.is_some() {
            row.flags.set(Flag::Redacted);
        }
        let kept = stored.map_or_else(|| Bytes::copy_from_slice(message.bytes), |arguments| encoded(&arguments));
        message.note_request(kept, &self.options, &mut row);
        row.txn = self.transaction_of(&command.name);
        if kind == Kind::Open {
            self.subscriptions.open = Some(row.collection.clone());
        }
        let mut wanted = Pending { row, role, confirmations: 1, is_silent: false, opens: None };
        match role {
            Role::Subscribe(_) | Role::Unsubscribe(_) if is_queued => {
                self.queued.further += count.saturating_sub(2);
                let opens = matches!(role, Role::Subscribe(_)).then(|| wanted.row.collection.clone());
                self.queued.opens = self.queued.opens.take().or(opens);
                wanted.role = Role::Plain;
            }
            Role::Subscribe(_) | Role::Unsubscribe(_) => wanted.confirmations = count.saturating_sub(1),
            Role::Exec => {
                let queued = std::mem::take(&mut self.queued);
                (wanted.confirmations, wanted.opens) = (1 + queued.further, queued.opens);
            }
            _ => {}
        }
        self.is_replica = matches!(&*command.name, "SYNC" | "PSYNC");
        if self.is_replica {
            self.issue("redis-replication-not-decoded", out);
        }
        let answered = self.is_answered(&command.name, arguments.get(2).map(AsRef::as_ref));
        // Whoever wants no answers is told of subscriptions all the same.
        wanted.is_silent = !answered && matches!(wanted.role, Role::Subscribe(_) | Role::Unsubscribe(_));
        match answered || wanted.is_silent {
            _ if self.is_replica => out.push(&self.about, wanted.row),
            true => self.wait(wanted, out),
            false => {
                self.monitors |= wanted.role == Role::Monitor;
                wanted.row.kind = Kind::Message;
                out.push(&self.about, wanted.row);
            }
        }
    }

    fn wait(&mut self, pending: Pending, out: &mut Emit) {
        self.pipelined |= !self.pending.is_empty() && self.doubt.is_none();
        self.pending_bytes += held_bytes(&pending);
        self.pending.push_back(pending);
        while self.pending.len() > PENDING_MAX || self.pending_bytes > PENDING_BYTES_MAX && self.pending.len() > 1 {
            self.issue("redis-outstanding-limit", out);
            self.abandoned += 1;
            let oldest = self.take_oldest();
            oldest.into_iter().for_each(|oldest| out.push(&self.about, oldest.row));
        }
    }

    fn take_oldest(&mut self) -> Option<Pending> {
        let oldest = self.pending.pop_front()?;
        self.pending_bytes -= held_bytes(&oldest);
        Some(oldest)
    }

    /// What a command's row is, as far as it is known before its answer.
    fn kind_of(&self, role: Role) -> Kind {
        match (role, self.subscriptions.open.is_some() || self.monitors) {
            (Role::Subscribe(_) | Role::Monitor, false) => Kind::Open,
            (_, false) => Kind::Request,
            (Role::Subscribe(_) | Role::Unsubscribe(_) | Role::Monitor, true) => Kind::Message,
            // With version 2 nothing else can be done on the connection meanwhile.
            (_, true) if self.is_version_3 => Kind::Request,
            (_, true) => Kind::Message,
        }
    }

    fn transaction_of(&mut self, name: &str) -> Option<Txn> {
        if name == "MULTI" {
            let id = Name::from(format!("{}-{}", self.about.session, self.transactions));
            self.transactions += 1;
            self.queued = Queued::default();
            self.transaction = Some(Txn { name: Name::from("multi"), id });
        }
        let ends = matches!(name, "EXEC" | "DISCARD" | "RESET");
        if ends { self.transaction.take() } else { self.transaction.clone() }
    }

    /// Whether a command is answered; notes what it says about that.
    fn is_answered(&mut self, name: &str, word: Option<&[u8]>) -> bool {
        let is = |text: &[u8]| name == "CLIENT REPLY" && word.is_some_and(|word| word.eq_ignore_ascii_case(text));
        let before = self.reply;
        self.reply = match before {
            // It is put off until EXEC like others.
            _ if self.transaction.is_some() => before,
            _ if is(b"on") || name == "RESET" && before == Reply::Off => Reply::On,
            _ if is(b"off") => Reply::Off,
            Reply::Off => Reply::Off,
            _ if is(b"skip") => Reply::Skip,
            Reply::On | Reply::Skip => Reply::On,
        };
        self.reply == Reply::On && (before != Reply::Skip || is(b"on"))
    }

    fn answer(&mut self, message: &Message<'_>, out: &mut Emit) {
        let mut nodes = Nodes::new(message.bytes);
        let (first, word) = (nodes.next().or_else(|| cut_string(message.bytes)), nodes.next());
        let word = word.map(|node| node.text()).unwrap_or_default();
        self.is_version_3 |= first.is_some_and(is_of_version_3);
        if let Some(kind) = self.confirmed(first, word) {
            return self.confirm(kind, message, out);
        }
        match first {
            Some(Node::Many(b'>' | b'*', 3)) if self.exec_goes_on() && is_confirmation(word) => self.go_on(message, out),
            Some(Node::Many(b'>', _)) => self.push(word, nodes, message, out),
            Some(Node::Many(b'*', 3..=4)) if self.is_published(word) => self.push(word, nodes, message, out),
            Some(Node::Line(b'+', [b'0'..=b'9', ..])) if self.monitors => self.push(b"monitor", nodes, message, out),
            _ if self.exec_goes_on() => self.go_on(message, out),
            _ => self.answer_oldest(first, message, out),
        }
    }

    /// Whether the oldest command is an EXEC that has been answered, and not to the end.
    fn exec_goes_on(&self) -> bool {
        self.pending.front().is_some_and(|oldest| oldest.role == Role::Exec && oldest.row.status.is_some())
    }

    fn go_on(&mut self, message: &Message<'_>, out: &mut Emit) {
        self.subscriptions.count_all(message.bytes);
        let Some(oldest) = self.pending.front_mut() else { return };
        message.note_answer(&self.options, &mut oldest.row);
        oldest.confirmations -= 1;
        if oldest.confirmations == 0 {
            let done = self.take_oldest();
            done.into_iter().for_each(|done| out.push(&self.about, done.row));
        }
    }

    /// Whether an array is something published, as version 2 sends it.
    fn is_published(&self, word: &[u8]) -> bool {
        let subscribed = self.subscriptions.open.is_some() || self.pending.is_empty() && !self.about.from_start;
        subscribed && !self.is_version_3 && matches!(word, b"message" | b"pmessage" | b"smessage")
    }

    /// Which kind of subscription the answer confirms that the oldest command asked for.
    fn confirmed(&self, first: Option<Node<'_>>, word: &[u8]) -> Option<usize> {
        let is_array = matches!(first, Some(Node::Many(b'>' | b'*', 3)));
        let oldest = self.pending.front().filter(|_| is_array && self.doubt.is_none())?;
        let (kind, ending) = match oldest.role {
            Role::Subscribe(kind) => (kind, &b"subscribe"[..]),
            Role::Unsubscribe(kind) => (kind, &b"unsubscribe"[..]),
            _ => return None,
        };
        (word.strip_prefix(SUBSCRIPTIONS[kind].as_bytes()) == Some(ending)).then_some(kind)
    }

    fn confirm(&mut self, kind: usize, message: &Message<'_>, out: &mut Emit) {
        let subscribed = self.subscriptions.kinds[kind];
        self.subscriptions.count_all(message.bytes);
        let Some(oldest) = self.pending.front_mut() else { return };
        if oldest.confirmations == 0 {
            oldest.confirmations = subscribed.max(1);
        }
        oldest.confirmations -= 1;
        message.note_answer(&self.options, &mut oldest.row);
        (oldest.row.status, oldest.row.ok) = (Some(out.names.get("OK")), Some(true));
        if oldest.confirmations > 0 {
            return;
        }
        let Some(mut done) = self.take_oldest() else { return };
        if matches!(done.role, Role::Unsubscribe(_)) && self.subscriptions.totals == [0, 0] && !self.monitors {
            self.subscriptions.open.take().into_iter().for_each(|_| done.row.kind = Kind::Close);
        }
        out.push(&self.about, done.row);
    }

    /// What the server sends unasked.
    fn push(&mut self, word: &[u8], mut nodes: Nodes<'_>, message: &Message<'_>, out: &mut Emit) {
        let word = String::from_utf8_lossy(&word[..word.len().min(32)]).into_owned();
        // A pattern stands before the channel; keys that are no longer valid are an array.
        let about = nodes.find(|node| !matches!(node, Node::Many(..)));
        let channel = if word == "pmessage" { nodes.next() } else { about };
        let channel = channel.filter(|_| word != "monitor").map_or(&b""[..], |node| node.text());
        let mut row = self.row(Kind::Push, message.at, &word, out);
        row.collection = out.names.get(&prefix(channel));
        if self.is_published(word.as_bytes()) {
            // Who comes late has not seen how it began.
            self.subscriptions.open.get_or_insert_with(|| row.collection.clone());
        }
        let (target, odd) = escape_text([word.as_bytes(), b" ", &channel[..channel.len().min(1024)]].concat().trim_ascii_end());
        row.target = target;
        if odd {
            row.flags.set(Flag::Escaped);
        }
        row.effect = trace::Effect::Control;
        message.note_answer(&self.options, &mut row);
        row.ok = Some(true);
        out.push(&self.about, row);
    }

    /// An answer in order.
    fn answer_oldest(&mut self, first: Option<Node<'_>>, message: &Message<'_>, out: &mut Emit) {
        if let Some(doubt) = &mut self.doubt {
            doubt.heard_at = message.done_at;
            if doubt.before == 0 {
                doubt.answers += 1;
                return self.nobodys("redis-response-in-doubt", message, out);
            }
            doubt.before -= 1;
        }
        if self.abandoned > 0 {
            self.abandoned -= 1;
            return self.nobodys("redis-response-too-late", message, out);
        }
        while self.pending.front().is_some_and(|oldest| oldest.is_silent) {
            // It was refused without a word.
            let mut refused = self.take_oldest();
            refused.iter_mut().for_each(|refused| refused.row.kind = Kind::Message);
            refused.into_iter().for_each(|refused| out.push(&self.about, refused.row));
        }
        let Some(mut oldest) = self.take_oldest() else {
            self.nobodys("redis-response-without-request", message, out);
            if self.pipelined && message.flag.is_none() {
                // Something was matched wrongly before.
                self.lost(Side::Server, message.done_at, 0, out);
            }
            return;
        };
        let row = &mut oldest.row;
        message.note_answer(&self.options, row);
        let executes = oldest.role != Role::Exec || executed(message.bytes);
        if let Some(first) = first {
            row.status = Some(out.names.get(&status(first)));
            row.ok = Some(first.error().is_none() && executes);
        }
        row.answer_hash = message.is_whole().then(|| xxh3_64(message.bytes));
        self.apply(&mut oldest, first, message, out);
        if !matches!(oldest.role, Role::Hello(_)) {
            // It may have been sent before the answer to HELLO.
            oldest.row.version = self.version(out);
        }
        if oldest.role == Role::Exec && oldest.confirmations > 1 && matches!(first, Some(Node::Many(..))) {
            oldest.confirmations -= 1;
            self.pending_bytes += held_bytes(&oldest);
            return self.pending.push_front(oldest);
        }
        out.push(&self.about, oldest.row);
    }

    fn nobodys(&self, kind: &str, message: &Message<'_>, out: &mut Emit) {
        self.issue(kind, out);
        out.undecoded_bytes += message.wire_bytes;
    }

    /// What the answer to a command changes, and says beside that it was good.
    fn apply(&mut self, answered: &mut Pending, first: Option<Node<'_>>, message: &Message<'_>, out: &mut Emit) {
        let Pending { row, role, opens, .. } = answered;
        let failed = first.is_none_or(|first| first.error().is_some());
        let queued = matches!(first, Some(Node::Line(b'+', b"QUEUED")));
        match *role {
            _ if failed || queued => {
                if row.kind == Kind::Open {
                    (row.kind, self.subscriptions.open) = (Kind::Request, None);
                }
            }
            Role::Hello(is_version_3) => self.is_version_3 = is_version_3,
            Role::Monitor => self.monitors = true,
            Role::Reset => {
                if self.subscriptions.open.take().is_some() {
                    row.kind = Kind::Close;
                }
                (self.subscriptions, self.monitors, self.is_version_3) = (Subscriptions::default(), false, false);
                self.reply = Reply::On;
            }
            Role::Cursor => {
                let cursor = Nodes::new(message.bytes).nth(1).map(|node| node.text()).unwrap_or_default();
                if cursor != b"0" {
                    add_yield("cursor", cursor, row, out);
                }
            }
            Role::Created(what) => add_yield(what, first.map_or(&b""[..], |first| first.text()), row, out),
            Role::Exec if matches!(first, Some(Node::Many(..))) => {
                self.subscriptions.count_all(message.bytes);
                let opens = opens.take().filter(|_| self.subscriptions.open.is_none());
                opens.into_iter().for_each(|of| (row.kind, self.subscriptions.open) = (Kind::Open, Some(of)));
            }
            Role::Plain | Role::Exec | Role::Subscribe(_) | Role::Unsubscribe(_) => {}
        }
    }

    /// The client goes on: if it did so after it was answered, the next answer is to what comes now.
    fn settle_where_quiet(&mut self, out: &mut Emit) {
        let Some(doubt) = &self.doubt else { return };
        let behind = self.pending.len().saturating_sub(doubt.before) as u64;
        let all_answered = doubt.of_server || doubt.before == 0 && doubt.answers >= (behind + doubt.lost_min).max(1);
        let newest_at = self.pending.back().map(|pending| pending.row.at);
        let heard = newest_at.is_none_or(|at| at < doubt.heard_at);
        if self.pipelined && !(all_answered && heard) {
            return;
        }
        if let Some(doubt) = self.doubt.take() {
            self.settle(&doubt, out);
        }
    }

    /// Gives back what waits, whose answers cannot be told from others, and counts what was lost.
    fn settle(&mut self, doubt: &Doubt, out: &mut Emit) {
        let told = if doubt.of_server { 0 } else { doubt.answers.saturating_sub(self.pending.len() as u64) };
        for _ in 0..doubt.lost_min.max(told) {
            out.lose(&self.about, doubt.rows, doubt.at);
        }
        while let Some(mut pending) = self.take_oldest() {
            pending.row.flags.set(Flag::Gap);
            out.push(&self.about, pending.row);
        }
        self.abandoned = 0;
    }
}

impl Subscriptions {
    /// Takes in what the confirmations in a message say: what was done, the channel, and how many subscriptions there are now.
    fn count_all(&mut self, message: &[u8]) {
        let mut nodes = Nodes::new(message);
        while let Some(node) = nodes.next() {
            let mut inner = nodes.clone();
            let (word, total) = (inner.next(), inner.nth(1));
            let (Node::Many(b'>' | b'*', 3), Some(word), Some(Node::Line(b':', total))) = (node, word, total) else { continue };
            let ended = word.text().strip_suffix(b"unsubscribe");
            let began = word.text().strip_suffix(b"subscribe");
            let kind = ended.or(began).and_then(|of| SUBSCRIPTIONS.iter().position(|kind| kind.as_bytes() == of));
            let total = std::str::from_utf8(total).ok().and_then(|total| total.parse().ok());
            kind.zip(total).into_iter().for_each(|(kind, total)| self.count(kind, ended.is_some(), total));
        }
    }

    /// A confirmation said how many there are now.
    fn count(&mut self, kind: usize, ended: bool, total: u64) {
        let before = std::mem::replace(&mut self.totals[usize::from(kind == 2)], total);
        if ended {
            self.kinds[kind] = self.kinds[kind].saturating_sub(u64::from(total < before));
        } else {
            self.kinds[kind] += u64::from(total > before);
        }
    }
}

fn is_confirmation(word: &[u8]) -> bool {
    word.ends_with(b"subscribe")
}

fn held_bytes(pending: &Pending) -> usize {
    pending.row.request.as_ref().map_or(0, Bytes::len)
}

fn is_of_version_3(node: Node<'_>) -> bool {
    matches!(node, Node::Many(b'%' | b'~' | b'>', _) | Node::Line(b',' | b'(' | b'#', _) | Node::Bulk(b'!' | b'=', _))
}

/// The type of a string that is not whole.
fn cut_string(bytes: &[u8]) -> Option<Node<'_>> {
    let kind = bytes.first().filter(|kind| matches!(kind, b'$' | b'='))?;
    memchr::memchr(b'\n', bytes).map(|_| Node::Bulk(*kind, b""))
}

fn encoded(arguments: &[Vec<u8>]) -> Bytes {
    let mut out = Vec::new();
    push_command(arguments, &mut out);
    Bytes::from(out)
}

/// `OK`, `QUEUED`, `nil`, or the first word of an error, by which clients tell errors apart.
fn status(first: Node<'_>) -> String {
    const CODE_BYTES_MAX: usize = 32;
    let Some(error) = first.error() else {
        return match first {
            Node::Null => "nil".to_owned(),
            Node::Line(b'+', b"QUEUED") => "QUEUED".to_owned(),
            _ => "OK".to_owned(),
        };
    };
    let code = error.split(|byte| *byte == b' ').next().unwrap_or_default();
    let is_code =
        !code.is_empty() && code.len() <= CODE_BYTES_MAX && code.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'_');
    if is_code { String::from_utf8_lossy(code).into_owned() } else { "ERR".to_owned() }
}

/// Whether an answer to EXEC says that all its commands were executed, and none failed.
fn executed(answer: &[u8]) -> bool {
    let mut nodes = Nodes::new(answer);
    !matches!(nodes.next(), Some(Node::Null)) && nodes.all(|node| node.error().is_none())
}

fn add_yield(name: &'static str, value: &[u8], row: &mut Exchange, out: &mut Emit) {
    const VALUE_BYTES_MAX: usize = 64;
    if !value.is_empty() && value.len() <= VALUE_BYTES_MAX {
        row.yields.push(Yield { name: out.names.get(name), value: String::from_utf8_lossy(value).into() });
    }
}

/// What a command that establishes a session asks for.
fn parameters(name: &str, arguments: &[std::borrow::Cow<'_, [u8]>]) -> Option<Vec<Header>> {
    let header = |name: &[u8], at: usize| {
        let value = Bytes::copy_from_slice(arguments.get(at)?);
        Some(Header { name: String::from_utf8_lossy(name).to_ascii_lowercase().into(), value })
    };
    let found = match name {
        "HELLO" => header(b"proto", 1),
        "SELECT" => header(b"db", 1),
        "CLIENT SETNAME" => header(b"name", 2),
        "CLIENT SETINFO" => header(arguments.get(2)?, 3),
        "CLIENT REPLY" => header(b"reply", 2),
        _ => None,
    };
    found.map(|header| vec![header])
}
