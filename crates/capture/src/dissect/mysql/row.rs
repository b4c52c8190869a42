//! What commands of MySQL become.

use bytes::Bytes;
use trace::{Effect, Flag, Header, Name, Names, TraceNs, Yield, escape_text};
use wire::mysql::{Cursor, LOGIN, Login, Piece, SSL_REQUEST, Said, command_name};

use crate::dissect::Options;
use crate::dissect::sql;

/// A command on its way to becoming a row.
pub(super) type Pending = sql::Pending<Asked>;

/// What is known of a command beside its row.
pub(super) struct Asked {
    pub command: u8,
    /// The transaction that it left open or not, if the answer said.
    pub in_transaction: Option<bool>,
    /// The database that it makes the one in use.
    pub uses: Option<Name>,
}

/// The command that changes who the client is.
const CHANGE_USER: u8 = 0x11;

impl Asked {
    pub fn new(command: u8) -> Self {
        Self { command, in_transaction: None, uses: None }
    }

    /// Its messages hold what proves who the client is.
    pub fn is_login(&self) -> bool {
        matches!(self.command, LOGIN | SSL_REQUEST | CHANGE_USER)
    }
}

impl Pending {
    /// A part of one of the client's messages. What proves who the client is is not kept.
    pub fn asked(&mut self, piece: &Piece<'_>, wire_bytes: u64, bytes_max: usize) {
        self.row.request_bytes += wire_bytes;
        if !self.own.is_login() {
            self.keep(piece.head.as_ref().map_or(&[][..], |head| head), bytes_max);
            self.keep(piece.part, bytes_max);
        }
    }

    /// A part of one of the server's messages, with when the message's first byte and this part were captured.
    pub fn said(&mut self, piece: &Piece<'_>, wire_bytes: u64, (started, at): (TraceNs, TraceNs), options: &Options) {
        self.answered(wire_bytes, started, at);
        if !self.own.is_login() {
            self.keep_answer(options, |out| piece.head.into_iter().for_each(|head| out.extend_from_slice(&head)), piece.part);
        }
    }

    /// A message of the server is over.
    pub fn heard(&mut self, said: &Said<'_>, names: &mut Names) {
        match said {
            Said::Done(done) => {
                self.ends(done.status, names);
                self.answer.count(done.rows);
                self.answer.digest(&done.rows.to_le_bytes());
                if done.insert_id > 0 {
                    self.yields("insert_id", done.insert_id.to_string(), names);
                }
            }
            Said::End(status) => self.ends(*status, names),
            Said::Failed(failure) => {
                let sqlstate = failure.sqlstate.map_or("HY000".into(), String::from_utf8_lossy);
                self.answer.note_status(names.get(&sqlstate), false);
                self.answer.digest(&failure.code.to_le_bytes());
                self.yields("error", failure.code.to_string(), names);
            }
            Said::Row => self.answer.count(1),
            Said::Prepared(statement) => {
                self.answer.note_status(names.get("ok"), true);
                self.yields("prepared", statement.to_string(), names);
            }
            Said::Switch(plugin) => self.yields("auth", escape_text(plugin).0.into(), names),
            Said::Greeting(_) | Said::Other => {}
        }
    }

    fn ends(&mut self, status: u16, names: &mut Names) {
        self.own.in_transaction = Some(status & wire::mysql::IN_TRANSACTION != 0);
        self.answer.note_status(names.get("ok"), true);
    }

    pub fn yields(&mut self, name: &str, value: String, names: &mut Names) {
        self.row.yields.push(Yield { name: names.get(name), value: value.into() });
    }

    /// Who the client says it is.
    pub fn logs_in(&mut self, login: &Login<'_>, names: &mut Names) {
        let text = |bytes: &[u8]| escape_text(bytes).0;
        let mut header = |name: &[u8], value: &[u8]| Header { name: names.escaped(name).0, value: Bytes::copy_from_slice(value) };
        let known = [(&b"user"[..], login.user), (b"database", login.database), (b"plugin", login.plugin)];
        let own = known.into_iter().filter(|(_, value)| !value.is_empty());
        self.row.headers = Some(own.chain(login.attributes.iter().copied()).map(|(name, value)| header(name, value)).collect());
        self.row.target = text(login.database);
        if !login.database.is_empty() {
            self.own.uses = Some(names.get(&self.row.target));
        }
    }

    /// Method, target, collection, operation and effect of what is no text; `content` is the front of the command.
    pub fn name(&mut self, content: &[u8], names: &mut Names) {
        let command = self.own.command;
        let word = command_name(command).map_or_else(|| format!("COM_{command}"), str::to_owned);
        let word = word.strip_prefix("STMT_").unwrap_or(&word);
        (self.row.method, self.row.operation) = (names.get(word), names.get(&word.to_ascii_lowercase().replace('_', " ")));
        let argument = content.get(1..).unwrap_or_default();
        self.row.effect = match command {
            0x04 | 0x09 | 0x0a | 0x0d | 0x1c => Effect::Read,
            0x05..=0x08 | 0x0c => Effect::Admin,
            0x17 | 0x18 | 0xfa => Effect::Write,
            _ => Effect::Control,
        };
        match command {
            0x02 | 0x05 | 0x06 => {
                self.row.target = escape_text(argument).0;
                self.row.collection = names.get(&self.row.target);
                self.own.uses = (command == 0x02).then(|| self.row.collection.clone());
            }
            0x04 => {
                let table = Cursor(argument).cut().unwrap_or(argument);
                self.row.target = escape_text(table).0;
                self.row.collection = names.get(&self.row.target);
            }
            0x0c => self.row.target = Cursor(argument).number(4).unwrap_or(0).to_string().into(),
            _ => {}
        }
        if matches!(command, LOGIN | SSL_REQUEST | CHANGE_USER | 0x02 | 0x1b) {
            self.row.flags.set(Flag::Setup);
        }
    }
}
