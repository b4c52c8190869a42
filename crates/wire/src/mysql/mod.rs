//! The protocol of MySQL and MariaDB, version 10 of its handshake (MySQL source documentation, "Client/Server Protocol").
//!
//! [`Conversation`] cuts both sides into messages without holding any bytes, and follows what is said: the server's greeting, a client that
//! says who it is, then commands with their answers. How an answer goes on depends on what stands in it, so that the caller gathers the
//! front of each message and tells it ([`Conversation::sent`], [`Conversation::heard`]).
//!
//! ```
//! use wire::Side;
//! use wire::mysql::{Conversation, Event, Said, push_message};
//! let mut talk = Conversation::joined_late();
//! let mut bytes = Vec::new();
//! push_message(0, b"\x03SELECT 1", &mut bytes);
//! let step = talk.read(Side::Client, &bytes);
//! let Some(Event::Piece(piece)) = step.event else { panic!("a whole message") };
//! assert_eq!((step.used, piece.begins, piece.request), (bytes.len(), Some(3), Some(0)));
//! let said = talk.heard(b"\xff\x16\x04#3D000No database selected", 29);
//! assert!(matches!(said, Said::Failed(failure) if failure.code == 1046));
//! assert_eq!(talk.oldest_open(), 1);
//! ```

mod compressed;
mod content;
mod packet;

use std::collections::VecDeque;

use crate::postgres::cut_text;
use crate::{Hole, Malformed, Side, Step, more, step};
pub use compressed::{COMPRESSED_BYTES_MAX, Compression, find_packed, unpack};
pub use content::{
    CURSOR_EXISTS, Cursor, Done, Failure, Greeting, IN_TRANSACTION, Login, MORE_RESULTS, capability, done, failure, greeting,
    login, query_text,
};
use packet::Packets;
pub use packet::{HEAD_BYTES, find_start, messages, push_message};

/// Requests that may be unanswered; past it, the oldest has to be forgotten.
pub const OUTSTANDING_MAX: usize = 1 << 12;

/// What a request begins with that is no command: a client that says who it is.
pub const LOGIN: u8 = 0xf0;
/// And one that asks for encryption first.
pub const SSL_REQUEST: u8 = 0xf1;

/// COM_QUIT.
const QUIT: u8 = 1;

/// Commands by their number, and what answers them.
const COMMANDS: &[(u8, &str, State)] = &[
    (QUIT, "QUIT", State::Nothing),
    (0x02, "INIT_DB", State::One),
    (0x03, "QUERY", State::First),
    (0x04, "FIELD_LIST", State::Rows),
    (0x05, "CREATE_DB", State::One),
    (0x06, "DROP_DB", State::One),
    (0x07, "REFRESH", State::One),
    (0x08, "SHUTDOWN", State::One),
    (0x09, "STATISTICS", State::One),
    (0x0a, "PROCESS_INFO", State::First),
    (0x0c, "PROCESS_KILL", State::One),
    (0x0d, "DEBUG", State::One),
    (0x0e, "PING", State::One),
    (0x11, "CHANGE_USER", State::Login),
    (0x12, "BINLOG_DUMP", State::Rows),
    (0x14, "CONNECT_OUT", State::One),
    (0x15, "REGISTER_SLAVE", State::One),
    (0x16, "STMT_PREPARE", State::Prepare),
    (0x17, "STMT_EXECUTE", State::First),
    (0x18, "STMT_SEND_LONG_DATA", State::Nothing),
    (0x19, "STMT_CLOSE", State::Nothing),
    (0x1a, "STMT_RESET", State::One),
    (0x1b, "SET_OPTION", State::One),
    (0x1c, "STMT_FETCH", State::Rows),
    (0x1e, "BINLOG_DUMP_GTID", State::Rows),
    (0x1f, "RESET_CONNECTION", State::One),
    (0xfa, "STMT_BULK_EXECUTE", State::First),
    (LOGIN, "LOGIN", State::Login),
    (SSL_REQUEST, "SSL_REQUEST", State::Nothing),
];

/// The name of a command, without the `COM_` before it; `None` where it has none.
#[must_use]
pub fn command_name(command: u8) -> Option<&'static str> {
    COMMANDS.iter().find(|(number, ..)| *number == command).map(|(_, name, _)| *name)
}

/// Whether there is an answer to such a command.
#[must_use]
pub fn is_answered(command: u8) -> bool {
    !COMMANDS.iter().any(|(number, _, state)| *number == command && *state == State::Nothing)
}

/// How far the answer to a request has come: what comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// There is no answer.
    Nothing,
    /// Anything, and it ends with that.
    One,
    /// Steps of a login, up to OK or ERR.
    Login,
    /// OK, ERR, a request for a file, or the number of columns.
    First,
    /// The client sends a file.
    File,
    /// OK with what was prepared, or ERR.
    Prepare,
    /// So many definitions, then something.
    Definitions(u64, Then),
    /// EOF behind definitions, if there are such.
    Defined(Then),
    /// Rows, up to EOF or ERR.
    Rows,
}

/// What comes behind definitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Rows,
    /// As many definitions of columns.
    Columns(u64),
    Nothing,
}

/// A part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// What stands before the content of its packet, unless that was said before.
    pub head: Option<[u8; HEAD_BYTES]>,
    /// Bytes of the content, perhaps none.
    pub part: &'a [u8],
    /// It is the first of its message.
    pub starts: bool,
    /// It is the last of its message.
    pub end: bool,
    /// The request that it is of, or answers; `None` where there is none.
    pub request: Option<u64>,
    /// The command of the request that begins with it.
    pub begins: Option<u8>,
}

impl Piece<'_> {
    /// Bytes on the wire, without compression.
    #[must_use]
    pub fn wire_bytes(&self) -> u64 {
        (self.head.map_or(0, |head| head.len()) + self.part.len()) as u64
    }
}

/// What some bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A part of a message.
    Piece(Piece<'a>),
    /// No message.
    Malformed(Malformed),
}

/// What a message of the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said<'a> {
    /// It comes before all else.
    Greeting(Greeting<'a>),
    /// All is well.
    Done(Done),
    /// Nothing further of a list; its status.
    End(u16),
    /// What was asked failed.
    Failed(Failure<'a>),
    /// A row.
    Row,
    /// A statement is prepared, with this number.
    Prepared(u32),
    /// The client has to say in another way who it is.
    Switch(&'a [u8]),
    /// Anything else.
    Other,
}

#[derive(Debug, Clone, Copy)]
struct Expected {
    state: State,
    request: u64,
}

/// Both sides of one connection.
#[derive(Debug, Default)]
pub struct Conversation {
    packets: [Packets; 2],
    /// The request that the message under way on each side is of.
    under_way: [Option<u64>; 2],
    expected: VecDeque<Expected>,
    next_request: u64,
    greeted: bool,
    logged_in: bool,
    /// Of the client and the server; `None` where the login was not seen.
    capabilities: Option<u64>,
    server_capabilities: u64,
    deprecates_eof: Option<bool>,
}

impl Conversation {
    /// A connection that begins.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A connection that was going already.
    #[must_use]
    pub fn joined_late() -> Self {
        Self { greeted: true, logged_in: true, ..Self::default() }
    }

    /// What client and server can do together; `None` where it was not seen.
    #[must_use]
    pub fn capabilities(&self) -> Option<u64> {
        self.capabilities
    }

    /// How everything is compressed from now on, if it is.
    #[must_use]
    pub fn compression(&self) -> Option<Compression> {
        let agreed = self.capabilities.filter(|_| self.logged_in)?;
        match (agreed & capability::COMPRESS, agreed & capability::ZSTD) {
            (0, 0) => None,
            (0, _) => Some(Compression::Zstd),
            _ => Some(Compression::Zlib),
        }
    }

    /// Reads the front of what one side sent.
    pub fn read<'a>(&mut self, side: Side, bytes: &'a [u8]) -> Step<Event<'a>> {
        let packets = &mut self.packets[side as usize];
        let Some((used, part)) = packets.read(bytes) else { return more(0) };
        let (mut begins, number) = (None, part.head.map_or(0, |head| head[3]));
        if part.starts {
            let request = match side {
                Side::Client => {
                    let length = part.head.map_or(0, |[a, b, c, _]| u32::from_le_bytes([a, b, c, 0]));
                    match self.ask(number, length, part.part.first().copied()) {
                        Ok((request, begun)) => {
                            begins = begun;
                            request
                        }
                        Err(what) => {
                            self.packets[0] = Packets::default();
                            return step(0, Event::Malformed(Malformed { what, offset: 0 }));
                        }
                    }
                }
                Side::Server => self.expected.front().map(|expected| expected.request),
            };
            self.under_way[side as usize] = request;
        }
        let request = self.under_way[side as usize];
        let piece = Piece { head: part.head, part: part.part, starts: part.starts, end: part.ends, request, begins };
        step(used, Event::Piece(piece))
    }

    /// Says that `missing_bytes` of one side, behind what was read, were not seen.
    pub fn skip(&mut self, side: Side, missing_bytes: u64) -> Hole {
        match self.packets[side as usize].skip(missing_bytes) {
            Some(true) => Hole::ToEnd,
            Some(false) => Hole::Inside,
            None => Hole::Lost,
        }
    }

    /// Says that the next bytes of one side begin a message.
    pub fn restart(&mut self, side: Side) {
        self.packets[side as usize] = Packets::default();
    }

    /// Whether the next message of the server is a row, or the end of them.
    #[must_use]
    pub fn expects_row(&self) -> bool {
        self.expected.front().is_some_and(|front| front.state == State::Rows)
    }

    /// Says that the next message of the server comes behind a hole in an answer: most likely it is a row.
    pub fn expect_row(&mut self) {
        if let Some(front) = self.expected.front_mut()
            && matches!(front.state, State::First | State::Definitions(_, Then::Rows) | State::Defined(Then::Rows))
        {
            front.state = State::Rows;
        }
    }

    /// The number of the oldest request that is not over.
    #[must_use]
    pub fn oldest_open(&self) -> u64 {
        self.expected.front().map_or(self.next_request, |expected| expected.request)
    }

    /// The number of requests that are not over.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.expected.len()
    }

    /// No answer to this request and those before it is awaited any more.
    pub fn forget(&mut self, request: u64) {
        while self.expected.front().is_some_and(|expected| expected.request <= request) {
            self.expected.pop_front();
        }
    }

    /// Messages of the client were not seen: there is a request whose answer will come. Its number.
    pub fn expect_unseen(&mut self) -> u64 {
        let request = self.begin();
        self.expected.push_back(Expected { state: State::First, request });
        request
    }

    fn begin(&mut self) -> u64 {
        self.next_request += 1;
        self.next_request - 1
    }

    /// The request that a message of the client is of, and its command if it begins one.
    fn ask(&mut self, number: u8, length: u32, first: Option<u8>) -> Result<(Option<u64>, Option<u8>), &'static str> {
        let front = self.expected.front().copied();
        if let Some(Expected { request, state: State::File | State::Login }) = front {
            return Ok((Some(request), None));
        }
        let command = match first {
            _ if !self.logged_in => {
                // A client that asks for encryption says nothing else.
                if length == 32 { SSL_REQUEST } else { LOGIN }
            }
            Some(command) if number == 0 && !matches!(command, LOGIN | SSL_REQUEST) => command,
            _ => return Err("a message that begins no command"),
        };
        // What was to be known of the answer before, whether EOF ends its definitions, shows now: it was over without one.
        if let Some(Expected { state: State::Defined(Then::Nothing), .. }) = front
            && self.deprecates_eof.is_none()
        {
            self.deprecates_eof = Some(true);
            self.expected.pop_front();
        }
        // A good-bye is of no request.
        if command == QUIT {
            return Ok((None, None));
        }
        let request = self.begin();
        let state = COMMANDS.iter().find(|(known, ..)| *known == command).map_or(State::One, |(.., state)| *state);
        if state != State::Nothing {
            self.expected.push_back(Expected { state, request });
        }
        Ok((Some(request), Some(command)))
    }

    /// Takes in a whole message of the client; `content` is the front of it, `bytes` its length.
    pub fn sent(&mut self, content: &[u8], bytes: u64) {
        let Some(front) = self.expected.front_mut() else { return };
        match front.state {
            // An empty message ends the file.
            State::File if bytes == 0 => front.state = State::One,
            State::Login if self.capabilities.is_none() && !self.logged_in => {
                let client = login(content).map_or(0, |login| login.capabilities);
                let agreed = client & self.server_capabilities;
                self.capabilities = Some(agreed);
                self.deprecates_eof = Some(agreed & capability::DEPRECATE_EOF != 0);
            }
            _ => {}
        }
    }

    /// Takes in a whole message of the server; `content` is the front of it, `bytes` its length. What it is.
    pub fn heard<'a>(&mut self, content: &'a [u8], bytes: u64) -> Said<'a> {
        if !self.greeted {
            self.greeted = true;
            let Some(greeting) = greeting(content) else { return failure(content).map_or(Said::Other, Said::Failed) };
            self.server_capabilities = greeting.capabilities;
            return Said::Greeting(greeting);
        }
        let Some(front) = self.expected.front().copied() else { return Said::Other };
        if let Some(failure) = failure(content).filter(|_| !matches!(front.state, State::Definitions(..))) {
            // MariaDB tells how far it has come in an ERR packet with a number of its own.
            if failure.code == 0xffff {
                return Said::Other;
            }
            self.next(None);
            return Said::Failed(failure);
        }
        self.answer(front.state, content, bytes)
    }

    /// The answer to the oldest request goes on, or is over.
    fn next(&mut self, state: Option<State>) {
        match (state, self.expected.front_mut()) {
            (Some(state), Some(front)) => front.state = state,
            _ => drop(self.expected.pop_front()),
        }
    }

    fn answer<'a>(&mut self, state: State, content: &'a [u8], bytes: u64) -> Said<'a> {
        let first = content.first().copied().unwrap_or_default();
        match state {
            State::Nothing | State::One => {
                self.next(None);
                match first {
                    0 => done(content).map_or(Said::Other, Said::Done),
                    0xfe => Said::End(end_status(content, bytes)),
                    _ => Said::Other,
                }
            }
            State::Login => self.login_goes_on(first, content),
            State::File => Said::Other,
            State::First => self.first(first, content),
            State::Prepare => self.prepared(content),
            State::Definitions(left, then) => {
                if left > 1 {
                    self.next(Some(State::Definitions(left - 1, then)));
                } else {
                    self.defined(then);
                }
                Said::Other
            }
            State::Defined(then) => self.behind_definitions(then, content, bytes),
            State::Rows => self.row(first, content, bytes),
        }
    }

    fn login_goes_on<'a>(&mut self, first: u8, content: &'a [u8]) -> Said<'a> {
        match first {
            0 => {
                self.next(None);
                self.logged_in = true;
                done(content).map_or(Said::Other, Said::Done)
            }
            0xfe => Said::Switch(content.get(1..).and_then(cut_text).map_or(b"mysql_old_password", |(plugin, _)| plugin)),
            _ => Said::Other,
        }
    }

    /// OK, a request for a file, or the number of columns.
    fn first<'a>(&mut self, first: u8, content: &'a [u8]) -> Said<'a> {
        match first {
            0 => {
                let done = done(content).unwrap_or_default();
                self.next((done.status & MORE_RESULTS != 0).then_some(State::First));
                Said::Done(done)
            }
            0xfb => {
                self.next(Some(State::File));
                Said::Other
            }
            _ => {
                let columns = self.columns(content).unwrap_or(0);
                if columns > 0 {
                    self.next(Some(State::Definitions(columns, Then::Rows)))
                } else {
                    self.defined(Then::Rows)
                }
                Said::Other
            }
        }
    }

    /// The number of definitions that follow: none, where the client has them.
    fn columns(&self, content: &[u8]) -> Option<u64> {
        let has = |capability: u64| self.capabilities.is_some_and(|agreed| agreed & capability != 0);
        let mut at = Cursor(content);
        if has(capability::OPTIONAL_METADATA) {
            let follows = at.number(1)? != 0;
            return at.length().filter(|_| follows);
        }
        let columns = at.length()?;
        let follows = !has(capability::CACHE_METADATA) || at.number(1) != Some(0);
        follows.then_some(columns)
    }

    fn prepared<'a>(&mut self, content: &'a [u8]) -> Said<'a> {
        let mut at = Cursor(content.get(1..).unwrap_or_default());
        let (Some(statement), Some(columns), Some(parameters)) = (at.number(4), at.number(2), at.number(2)) else {
            self.next(None);
            return Said::Other;
        };
        match (parameters, columns) {
            (0, 0) => self.next(None),
            (0, columns) => self.next(Some(State::Definitions(columns, Then::Nothing))),
            (parameters, columns) => self.next(Some(State::Definitions(parameters, Then::Columns(columns)))),
        }
        Said::Prepared(statement as u32)
    }

    /// The last definition was said.
    fn defined(&mut self, then: Then) {
        if self.deprecates_eof == Some(true) { self.after_definitions(then) } else { self.next(Some(State::Defined(then))) }
    }

    fn after_definitions(&mut self, then: Then) {
        self.next(match then {
            Then::Rows => Some(State::Rows),
            Then::Columns(columns) if columns > 0 => Some(State::Definitions(columns, Then::Nothing)),
            Then::Columns(_) | Then::Nothing => None,
        });
    }

    fn behind_definitions<'a>(&mut self, then: Then, content: &'a [u8], bytes: u64) -> Said<'a> {
        let is_eof = bytes == 5 && content.first() == Some(&0xfe);
        if !is_eof {
            self.deprecates_eof = Some(true);
            self.after_definitions(then);
            return self.heard(content, bytes);
        }
        self.deprecates_eof = Some(false);
        let status = end_status(content, bytes);
        // The rows of a cursor come when they are fetched.
        let waits = then == Then::Rows && status & CURSOR_EXISTS != 0;
        if waits {
            self.next(None)
        } else {
            self.after_definitions(then)
        }
        Said::End(status)
    }

    fn row<'a>(&mut self, first: u8, content: &'a [u8], bytes: u64) -> Said<'a> {
        let ends = first == 0xfe && if self.deprecates_eof == Some(true) { bytes < 0xff_ffff } else { bytes < 9 };
        if !ends {
            return Said::Row;
        }
        let status = end_status(content, bytes);
        self.next((status & MORE_RESULTS != 0).then_some(State::First));
        Said::End(status)
    }
}

/// The status in an EOF packet, or in the OK packet that stands for one.
fn end_status(content: &[u8], bytes: u64) -> u16 {
    match content {
        [0xfe, _, _, low, high] if bytes == 5 => u16::from_le_bytes([*low, *high]),
        _ => done(content).map_or(0, |done| done.status),
    }
}

/// Whether the first bytes of a server are its greeting, or a refusal; `None` where more are needed.
#[must_use]
pub fn is_greeting(bytes: &[u8]) -> Option<bool> {
    let [low, high, top, number, first, rest @ ..] = bytes else {
        let may_be = matches!(bytes, [] | [_] | [_, _] | [_, _, 0] | [_, _, 0, 0]);
        return if may_be { None } else { Some(false) };
    };
    let length = usize::from(*low) + (usize::from(*high) << 8);
    let fits = *top == 0 && *number == 0 && (9..1024).contains(&length);
    match first {
        10 if fits => Some(rest.first()?.is_ascii_digit()),
        0xff if fits => Some((1000..2100).contains(&u16::from_le_bytes([*rest.first()?, *rest.get(1)?]))),
        _ => Some(false),
    }
}

/// Whether bytes of a client begin with a whole command that can be told by itself.
#[must_use]
pub fn is_command(bytes: &[u8]) -> bool {
    packet::begins_command(bytes) == Some(true) && bytes.len() > HEAD_BYTES + 1
}
