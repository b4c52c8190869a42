//! MySQL and MariaDB: makes a row of each command that [`wire::mysql`] tells apart.
//!
//! A row is a command with its answer, all of its result sets among it (of kind `message`, where nothing answers such commands); a login with everything that it took (flagged `setup`, with what
//! the server said in `yields`); or, of kind `push`, a server that refuses a connection before anything was asked. `request` holds the
//! client's packets without compression, but for logins. Sizes are those on the wire, with compression.

mod row;

use std::sync::Arc;

use trace::rules::sql::Dialect;
use trace::{Exchange, Flag, Kind, Name, TraceNs};
use wire::Side;
use wire::mysql::{
    COMPRESSED_BYTES_MAX, Conversation, Event, LOGIN, OUTSTANDING_MAX, Piece, SSL_REQUEST, Said, capability, find_packed,
    find_start, is_answered, is_command, is_greeting, login, query_text, unpack,
};
use wire::{Hole, Step};

use super::lanes::{Lane, Lanes};
use super::sql::{Queue, Statements, Text, Transactions, give_back};
use super::{Connection, Dissector, Emit, Handover, Options, Probe, Protocol, Upgrade, note_answer, read_on};
use row::{Asked, Pending};

/// MySQL's protocol, version 10 of its handshake.
pub const PROTOCOL: Protocol = Protocol {
    name: "mysql",
    ports: &[3306, 3307, 4000, 6033, 33060],
    upgrades: &[],
    probe,
    open: |about, options| Box::new(Mysql::new(about, options)),
};

/// Bytes of one side that wait for what follows them.
const HELD_BYTES_MAX: usize = COMPRESSED_BYTES_MAX;
/// Bytes of a short message that are looked into.
const CONTENT_BYTES_MAX: usize = 64 << 10;

/// The server speaks first; of a connection that was going already, a whole command is sure.
fn probe(client: &[u8], server: &[u8]) -> Probe {
    match (client, server) {
        ([], []) => Probe::More,
        (client, []) if is_command(client) => Probe::Yes,
        (_, []) => Probe::No,
        (_, server) => match is_greeting(server) {
            Some(true) => Probe::Yes,
            Some(false) => Probe::No,
            None => Probe::More,
        },
    }
}

/// What is known of one side.
#[derive(Default)]
struct Half {
    lane: Lane,
    /// The start of a compressed packet is looked for.
    searching_packed: bool,
    /// What was taken out of compressed packets and not used.
    plain: Vec<u8>,
    /// Whether a message is under way, the request it is of, its command if it begins one, the front of its content, and its length.
    in_message: bool,
    request: Option<u64>,
    begins: Option<u8>,
    is_row: bool,
    content: Vec<u8>,
    content_bytes: u64,
}

struct Mysql {
    about: Connection,
    options: Options,
    talk: Conversation,
    halves: [Half; 2],
    queue: Queue<Asked>,
    statements: Statements<u32>,
    /// What SQL itself prepares.
    named: Statements<Box<[u8]>>,
    /// The statement that was prepared last.
    prepared: Option<Arc<Text>>,
    transactions: Transactions,
    /// What rows address that name no table.
    database: Name,
    /// What the server said before it was asked anything: for the row of the login.
    greeting: Vec<(&'static str, String)>,
    greeting_bytes: u64,
    /// Bytes of the connection were not captured.
    lossy: bool,
    /// Nothing was read of a connection that was going already: its first bytes may be the server's greeting all the same.
    fresh: bool,
    /// What the connection goes on as, and what was shown of it already.
    next: Option<Box<Handover>>,
}

impl Dissector for Mysql {
    fn bytes(&mut self, side: Side, at: TraceNs, bytes: &[u8], out: &mut Emit) {
        self.show(side, at, bytes, out);
        self.release(out);
        if let Some(next) = self.next.take() {
            out.hand_over(*next);
        }
    }

    fn gap(&mut self, side: Side, at: TraceNs, missing_bytes: u64, out: &mut Emit) {
        self.drop_held(side, out);
        self.lossy = true;
        if self.talk.compression().is_some() {
            self.issue("mysql-messages-lost", out);
            self.on_message(side, |request| request.missed(side, Hole::Lost, missing_bytes));
            self.lose_packed(side, at);
            return self.release(out);
        }
        let hole = self.talk.skip(side, missing_bytes);
        self.on_message(side, |request| request.missed(side, hole, missing_bytes));
        self.halves[side as usize].content_bytes += missing_bytes;
        match hole {
            Hole::ToEnd => self.message_over(side, at, out),
            Hole::Inside => {}
            Hole::Past | Hole::Lost => {
                self.issue("mysql-messages-lost", out);
                self.lose(side, at);
            }
        }
        self.release(out);
    }

    fn end(&mut self, side: Side, _at: TraceNs, out: &mut Emit) {
        if self.close(side, out) && side == Side::Client {
            self.on_message(Side::Client, |request| request.cut(Flag::Truncated));
        }
    }

    fn finish(&mut self, _at: TraceNs, out: &mut Emit) {
        for side in [Side::Client, Side::Server] {
            self.drop_held(side, out);
        }
        self.on_message(Side::Client, |request| request.cut(Flag::Open));
        out.undecoded_bytes += std::mem::take(&mut self.greeting_bytes);
        for request in self.queue.close(self.talk.oldest_open(), self.lossy) {
            self.give_back(request, out);
        }
    }
}

impl Lanes for Mysql {
    const HELD_BYTES_MAX: usize = HELD_BYTES_MAX;
    const ISSUES: [&'static str; 2] = ["mysql-held-bytes-limit", "mysql-message-cut"];

    fn lane(&mut self, side: Side) -> &mut Lane {
        &mut self.halves[side as usize].lane
    }

    fn gather(&mut self, side: Side) {
        let half = &mut self.halves[side as usize];
        half.lane.held.append(&mut half.plain);
    }

    fn issue(&self, kind: &str, out: &mut Emit) {
        self.about.issue(kind, out);
    }

    /// Reads the front of what was sent, through its compression if there is one.
    fn read(&mut self, side: Side, at: TraceNs, bytes: &[u8], out: &mut Emit) -> usize {
        let mut used = 0;
        loop {
            let (rest, is_dead) = (&bytes[used..], self.lane(side).dead);
            let (here, goes_on) = match self.talk.compression().filter(|_| !is_dead) {
                None => self.advance(side, at, rest, out),
                Some(compression) if self.halves[side as usize].searching_packed => {
                    let (skipped, found) = out.pass_over(find_packed(compression, rest));
                    self.halves[side as usize].searching_packed = !found;
                    (skipped, found)
                }
                Some(compression) => {
                    let Some((here, content)) = unpack(compression, rest) else { return used };
                    self.unpacked(side, at, here as u64, content, out);
                    (here, true)
                }
            };
            used += here;
            if !goes_on {
                return used;
            }
        }
    }

    fn search(&mut self, side: Side, bytes: &[u8], out: &mut Emit) -> (usize, bool) {
        if let Some(unasked) = self.unasked(side, bytes, out) {
            return unasked;
        }
        let (skipped, found) = out.pass_over(find_start(side, bytes));
        if found {
            self.talk.restart(side);
            if side == Side::Server {
                self.talk.expect_row();
            }
        }
        (skipped, found)
    }

    fn step(&mut self, side: Side, at: TraceNs, bytes: &[u8], out: &mut Emit) -> (usize, bool) {
        if let Some(next) = &mut self.next {
            next.rest[side as usize].extend_from_slice(bytes);
            return (bytes.len(), false);
        }
        if let Some(unasked) = self.unasked(side, bytes, out) {
            return unasked;
        }
        let waited = self.talk.outstanding() > 0;
        let Step { used, event } = self.talk.read(side, bytes);
        match event {
            None => (used, false),
            Some(Event::Piece(piece)) => {
                self.piece(side, at, &piece, waited, out);
                (used, true)
            }
            Some(Event::Malformed(fault)) => {
                self.malformed(side, fault.what, out);
                // One byte is passed over, so that the search for the next message gets on.
                out.undecoded_bytes += 1;
                (used + 1, true)
            }
        }
    }
}

impl Mysql {
    fn new(about: &Connection, options: &Options) -> Self {
        let half = || Half { lane: Lane::new(about.from_start), ..Half::default() };
        Self {
            about: about.clone(),
            options: options.clone(),
            talk: if about.from_start { Conversation::new() } else { Conversation::joined_late() },
            halves: [half(), half()],
            queue: Queue::default(),
            statements: Statements::default(),
            named: Statements::default(),
            transactions: Transactions::default(),
            database: Name::from(PROTOCOL.name),
            greeting: Vec::new(),
            greeting_bytes: 0,
            prepared: None,
            lossy: !about.from_start,
            fresh: !about.from_start,
            next: None,
        }
    }

    /// Does something with the request whose message is under way on one side.
    fn on_message(&mut self, side: Side, act: impl FnOnce(&mut Pending)) {
        let half = &self.halves[side as usize];
        self.queue.with(half.request.filter(|_| half.in_message), act);
    }

    /// The content of a compressed packet, which was so long on the wire. What a side sends in one packet is counted as of one request.
    fn unpacked(&mut self, side: Side, at: TraceNs, wire_bytes: u64, content: Result<Vec<u8>, &'static str>, out: &mut Emit) {
        let Ok(content) = content.map_err(|what| self.malformed(side, what, out)) else {
            return self.lose_packed(side, at);
        };
        if side == Side::Server {
            self.queue.with(Some(self.talk.oldest_open()), |request| request.row.response_bytes += wire_bytes);
        }
        let mut plain = std::mem::take(&mut self.halves[side as usize].plain);
        read_on(&mut plain, &content, |bytes| self.read_plain(side, at, bytes, out));
        self.halves[side as usize].plain = plain;
        if side == Side::Client {
            let latest = self.queue.next_number().checked_sub(1);
            self.queue.with(latest, |request| request.row.request_bytes += wire_bytes);
        }
    }

    /// What the server still says to requests that were not captured is nobody's; unless it is a greeting, and nothing was missed after all.
    fn unasked(&mut self, side: Side, bytes: &[u8], out: &mut Emit) -> Option<(usize, bool)> {
        if side == Side::Client || !self.lossy || self.queue.next_number() > 0 {
            return None;
        }
        self.lane(side).started = None;
        if self.fresh {
            match is_greeting(bytes) {
                None => return Some((0, false)),
                Some(true) => {
                    self.start_over();
                    return Some((0, true));
                }
                Some(false) => self.fresh = false,
            }
        }
        out.undecoded_bytes += bytes.len() as u64;
        Some((bytes.len(), false))
    }

    /// The first packets of a connection were not captured, but all that is said on it was.
    fn start_over(&mut self) {
        self.talk = Conversation::new();
        (self.about.from_start, self.lossy, self.fresh) = (true, false, false);
        self.halves.iter_mut().for_each(|half| half.lane.searching = false);
    }

    fn malformed(&mut self, side: Side, what: &str, out: &mut Emit) {
        let session = self.about.session;
        out.issues.add("mysql-malformed-message", || format!("connection {session}: {what}"));
        (self.lane(side).searching, self.lossy) = (true, true);
    }

    fn piece(&mut self, side: Side, at: TraceNs, piece: &Piece<'_>, waited: bool, out: &mut Emit) {
        if let Some(command) = piece.begins {
            self.begin(command, waited, out);
        }
        let half = &mut self.halves[side as usize];
        let started = half.lane.started.unwrap_or(at);
        if piece.starts {
            (half.in_message, half.request, half.begins) = (true, piece.request, piece.begins);
            (half.content_bytes, half.content) = (0, Vec::new());
            half.is_row = side == Side::Server && self.talk.expects_row() && !matches!(piece.part, [0xfe | 0xff, ..]);
        }
        let is_row = half.is_row;
        let room = content_bytes_max(half.begins, self.options.body_bytes_max).saturating_sub(half.content.len());
        half.content.extend_from_slice(&piece.part[..piece.part.len().min(room)]);
        half.content_bytes += piece.part.len() as u64;
        let wire_bytes = if self.talk.compression().is_some() { 0 } else { piece.wire_bytes() };
        let options = &self.options;
        let known = match side {
            Side::Client => self.queue.with(piece.request, |request| request.asked(piece, wire_bytes, options.body_bytes_max)),
            Side::Server => self.queue.with(piece.request, |request| {
                if is_row {
                    request.answer.digest(piece.part);
                }
                request.said(piece, wire_bytes, (started, at), options);
            }),
        };
        match (known, side) {
            // A good-bye is of no request.
            (Some(()), _) | (None, Side::Client) => {}
            (None, Side::Server) if self.queue.next_number() == 0 => self.greeting_bytes += wire_bytes,
            (None, Side::Server) => out.undecoded_bytes += piece.wire_bytes(),
        }
        if piece.end {
            self.message_over(side, started, out);
        }
    }

    fn begin(&mut self, command: u8, waited: bool, out: &mut Emit) {
        self.fresh = false;
        if waited && self.lossy {
            // A client waits for each answer: those before it will not come any more.
            self.give_up(self.queue.next_number() - 1, out);
        }
        if self.lossy && self.halves[1].lane.searching {
            // And what comes next is the answer to this one.
            self.drop_held(Side::Server, out);
            self.talk.restart(Side::Server);
            let half = &mut self.halves[1];
            (half.lane.searching, half.searching_packed, half.lane.started) = (false, false, None);
        }
        let at = self.halves[0].lane.started.unwrap_or_default();
        let kind = if is_answered(command) { Kind::Request } else { Kind::Message };
        let row = self.row(kind, at, out);
        let mut request = Pending::new(row, Asked::new(command));
        if command == LOGIN {
            request.row.response_bytes = std::mem::take(&mut self.greeting_bytes);
            for (name, value) in std::mem::take(&mut self.greeting) {
                request.yields(name, value, &mut out.names);
            }
        }
        self.queue.push(request);
        while self.queue.is_full() || self.talk.outstanding() > OUTSTANDING_MAX {
            self.issue("mysql-outstanding-limit", out);
            self.give_up(self.queue.first(), out);
        }
    }

    fn row(&mut self, kind: Kind, at: TraceNs, out: &mut Emit) -> Exchange {
        let mut row = self.about.row(kind, at);
        row.protocol = out.names.get(PROTOCOL.name);
        row.version = out.names.get("10");
        row
    }

    /// One side's message is over, whose first byte was captured `started`.
    fn message_over(&mut self, side: Side, started: TraceNs, out: &mut Emit) {
        let half = &mut self.halves[side as usize];
        (half.lane.started, half.in_message) = (None, false);
        let (content, bytes) = (std::mem::take(&mut half.content), half.content_bytes);
        let (request, begins) = (half.request, half.begins);
        match side {
            Side::Client => {
                self.talk.sent(&content, bytes);
                if let Some(command) = begins {
                    self.client_message(command, &content, request, out);
                }
            }
            Side::Server => {
                let said = self.talk.heard(&content, bytes);
                self.server_message(&said, request, started, out);
                self.release(out);
            }
        }
    }

    /// What a command means for its row.
    fn client_message(&mut self, command: u8, content: &[u8], number: Option<u64>, out: &mut Emit) {
        let names = &mut out.names;
        if !matches!(command, 0x03 | 0x16) {
            self.queue.with(number, |request| request.name(content, names));
        }
        match command {
            LOGIN | SSL_REQUEST => self.logs_in(command, content, number, out),
            0x03 => {
                let attributes = self.talk.capabilities().map(|agreed| agreed & capability::QUERY_ATTRIBUTES != 0);
                let (text, kept) = Text::named(query_text(content, attributes), Dialect::Mysql, names, &mut self.named);
                if !kept {
                    self.issue("mysql-statements-limit", out);
                }
                let uses = (text.subject().1 == "USE").then(|| text.subject().0.cloned()).flatten();
                self.queue.with(number, |request| {
                    text.run(&mut request.row);
                    (request.text, request.own.uses) = (Some(text), uses);
                });
            }
            0x16 => {
                let text = Arc::new(Text::read(content.get(1..).unwrap_or_default(), Dialect::Mysql, names));
                self.queue.with(number, |request| {
                    text.prepare(&mut request.row, names);
                    request.text = Some(text);
                });
            }
            0x17..=0x1a | 0x1c | 0xfa => self.about_statement(command, content, number, out),
            _ => {}
        }
    }

    fn logs_in(&mut self, command: u8, content: &[u8], number: Option<u64>, out: &mut Emit) {
        if command == SSL_REQUEST {
            if let Some(request) = self.queue.pop() {
                let exchange = request.finish(&self.database);
                let upgrade = Some(Box::new(Upgrade { exchange, answer_headers: Vec::new() }));
                let about = Connection { upgrade, ..self.about.clone() };
                self.next = Some(Box::new(Handover { about, to: "tls".to_owned(), rest: Default::default() }));
            }
        } else if let Some(login) = login(content) {
            self.queue.with(number, |request| request.logs_in(&login, &mut out.names));
        }
    }

    /// A command that names a prepared statement by its number.
    fn about_statement(&mut self, command: u8, content: &[u8], number: Option<u64>, out: &mut Emit) {
        let statement = content.get(1..5).and_then(<[u8]>::first_chunk).map_or(0, |number| u32::from_le_bytes(*number));
        let runs = matches!(command, 0x17 | 0xfa);
        // MariaDB: the statement that was prepared last, whose number the client need not know yet.
        let text = if statement == u32::MAX { self.prepared.clone() } else { self.statements.get(&statement).cloned() };
        match text {
            Some(text) => {
                self.queue.with(number, |request| if runs { text.run(&mut request.row) } else { text.place(&mut request.row) });
            }
            None => {
                self.queue.with(number, |request| request.row.target = statement.to_string().into());
                if runs {
                    self.issue("mysql-unknown-statement", out);
                }
            }
        }
        if command == 0x19 {
            self.statements.remove(&statement);
        }
    }

    /// What a message of the server means for its row, and for others.
    fn server_message(&mut self, said: &Said<'_>, number: Option<u64>, at: TraceNs, out: &mut Emit) {
        match said {
            Said::Greeting(greeting) => {
                let text = |bytes: &[u8]| trace::escape_text(bytes).0.into_string();
                self.greeting = vec![
                    ("server_version", text(greeting.version)),
                    ("connection", greeting.connection.to_string()),
                    ("auth", text(greeting.plugin)),
                ];
            }
            Said::Failed(failure) if number.is_none() && self.queue.next_number() == 0 => self.refused(failure, at, out),
            _ => {}
        }
        let names = &mut out.names;
        let found = self.queue.with(number, |request| {
            request.heard(said, names);
            (request.text.clone(), request.own.uses.clone())
        });
        let Some((text, uses)) = found else { return };
        if let (Said::Prepared(statement), Some(text)) = (said, text) {
            self.prepared = Some(Arc::clone(&text));
            if !self.statements.insert(*statement, text) {
                self.issue("mysql-statements-limit", out);
            }
        }
        if let (Said::Done(_), Some(database)) = (said, uses) {
            self.database = database;
        }
    }

    /// A server that wants no connection says so at once.
    fn refused(&mut self, failure: &wire::mysql::Failure<'_>, at: TraceNs, out: &mut Emit) {
        let mut row = self.row(Kind::Push, at, out);
        (row.method, row.operation) = (out.names.get("ERR"), out.names.get("err"));
        row.effect = trace::Effect::Control;
        row.status = Some(out.names.get(&failure.sqlstate.map_or("HY000".into(), String::from_utf8_lossy)));
        (row.ok, row.response_bytes) = (Some(false), std::mem::take(&mut self.greeting_bytes));
        row.collection = self.database.clone();
        note_answer(&mut row, at, Some(at));
        out.push(&self.about, row);
    }

    /// Gives back what is over, in order.
    fn release(&mut self, out: &mut Emit) {
        let half = &self.halves[0];
        let sending = half.request.filter(|_| half.in_message);
        let open_from = self.talk.oldest_open().min(sending.unwrap_or(u64::MAX));
        while let Some(request) = self.queue.pop_over(open_from, |_| true) {
            self.give_back(request, out);
        }
    }

    fn give_back(&mut self, mut request: Pending, out: &mut Emit) {
        let session = self.about.session;
        request.row.txn = match request.own.in_transaction {
            Some(open) => self.transactions.settle(session, 1, open, &*request.row.method == "COMMIT"),
            None => self.transactions.current(session),
        };
        give_back(request, &self.about, out, |request, _| request.finish(&self.database));
    }

    /// Awaits no further answer to the requests up to a number.
    fn give_up(&mut self, number: u64, out: &mut Emit) {
        let given_up = self.queue.give_up(self.talk.oldest_open(), number, self.lossy);
        self.talk.forget(number);
        for request in given_up {
            self.give_back(request, out);
        }
    }

    /// Where the next compressed packet of one side begins is not known. A client that was amid a message has most likely not begun another.
    fn lose_packed(&mut self, side: Side, at: TraceNs) {
        let half = &mut self.halves[side as usize];
        half.searching_packed = true;
        if side == Side::Client && half.in_message {
            (half.lane.searching, half.lane.started, half.in_message) = (true, None, false);
        } else {
            self.lose(side, at);
        }
    }

    /// Where the next message of one side begins is not known.
    fn lose(&mut self, side: Side, at: TraceNs) {
        let half = &mut self.halves[side as usize];
        (half.lane.searching, half.lane.started, half.in_message) = (true, None, false);
        if self.queue.lose(side, &self.about, at, || Asked::new(0)) {
            self.talk.expect_unseen();
        }
    }
}

/// Bytes of a message that are looked into.
fn content_bytes_max(begins: Option<u8>, body_bytes_max: usize) -> usize {
    if matches!(begins, Some(0x03 | 0x16)) { body_bytes_max } else { CONTENT_BYTES_MAX }
}
