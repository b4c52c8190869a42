//! What requests of PostgreSQL become.

use std::sync::Arc;

use bytes::Bytes;
use trace::{Effect, Exchange, Flag, Header, Name, Names, TraceNs, Yield, escape_text};
use wire::postgres::{
    CANCEL, CommandTag, GSS_REQUEST, Piece, SSL_REQUEST, STARTUP, authentication, cut_text, error_field, push_head,
    startup_parameters,
};

use crate::dissect::sql::{self, Text};
use crate::dissect::{Emit, Options};

/// A request on its way to becoming a row.
pub(super) type Pending = sql::Pending<Asked>;

/// What a request is made of.
#[derive(Default)]
pub(super) struct Asked {
    /// The type of its message, where that begins the session.
    pub session: Option<u8>,
    /// The types of its messages, each once: there are not many.
    pub tags: Vec<u8>,
    /// A transaction was committed by it.
    pub commits: bool,
    /// Rows that the server has given since it said what it has done.
    pub given: u64,
}

impl Pending {
    /// A part of one of the client's messages. What says who the client is is not kept.
    pub fn asked(&mut self, piece: &Piece<'_>, bytes_max: usize) {
        self.row.request_bytes += piece.wire_bytes();
        if piece.starts() && !self.sent(piece.tag) {
            self.own.tags.push(piece.tag);
        }
        if matches!(piece.tag, b'p' | CANCEL) {
            return;
        }
        if piece.starts() {
            push_head(piece.tag, piece.length, &mut self.body);
        }
        self.keep(piece.part, bytes_max);
    }

    /// It runs a text, or prepares one: the first counts more.
    pub fn about(&mut self, text: &Arc<Text>, runs: bool) {
        if runs || self.text.is_none() || !self.executes() {
            self.text = Some(Arc::clone(text));
        }
    }

    fn sent(&self, tag: u8) -> bool {
        self.own.tags.contains(&tag)
    }

    /// It has a message that runs something.
    pub fn executes(&self) -> bool {
        [b'Q', b'E', b'F'].into_iter().any(|tag| self.sent(tag))
    }

    /// A part of one of the server's messages, whose first byte was captured `started`.
    pub fn said(&mut self, piece: &Piece<'_>, started: TraceNs, at: TraceNs, options: &Options) {
        self.answered(piece.wire_bytes(), started, at);
        if matches!(piece.tag, b'D' | b'd') {
            self.answer.digest(piece.part);
        }
        self.own.given += u64::from(piece.tag == b'D' && piece.starts());
        // What a server says while a session begins is of the exchange of secrets.
        if self.own.session.is_none() {
            let head = |out: &mut Vec<u8>| {
                if piece.starts() {
                    push_head(piece.tag, piece.length, out)
                }
            };
            self.keep_answer(options, head, piece.part);
        }
    }

    /// A message of the server is over; `content` is the front of it.
    pub fn heard(&mut self, tag: u8, content: &[u8], names: &mut Names) {
        let session = self.own.session;
        let status = match tag {
            b'C' => return self.completed(content, names),
            b'E' => {
                let code = error_field(content, b'C').map(String::from_utf8_lossy).unwrap_or_default();
                self.answer.digest(code.as_bytes());
                return self.answer.note_status(names.get(&code), false);
            }
            b'I' => "empty",
            b's' => "suspended",
            b'V' => "FunctionCall",
            b'N' if matches!(session, Some(SSL_REQUEST | GSS_REQUEST)) => "refused",
            b'S' | b'G' if matches!(session, Some(SSL_REQUEST | GSS_REQUEST)) => "accepted",
            b'R' | b'K' | b'S' if session == Some(STARTUP) => return self.negotiated(tag, content, names),
            b'Z' if session == Some(STARTUP) => "ready",
            b'1' | b'2' | b'3' | b'n' | b'T' | b'Z' if !self.executes() => "ok",
            _ => return,
        };
        self.answer.note_status(names.get(status), true);
    }

    fn completed(&mut self, content: &[u8], names: &mut Names) {
        let tag = CommandTag::read(content);
        self.answer.digest(content);
        // A COMMIT behind an error rolls back.
        let asked = self.text.as_ref().map_or("", |text| text.subject().1);
        self.answer.note_status(names.get(tag.command), tag.command != "ROLLBACK" || !matches!(asked, "COMMIT" | "END"));
        self.own.commits |= tag.command == "COMMIT";
        // SHOW and EXPLAIN do not say how many rows they have given.
        let given = std::mem::take(&mut self.own.given);
        tag.rows.or((given > 0).then_some(given)).into_iter().for_each(|rows| self.answer.count(rows));
    }

    /// What the server says of the session: how one has to say who one is, what it is, and the number by which a request of it can be
    /// cancelled, without the secret that stands beside it.
    fn negotiated(&mut self, tag: u8, content: &[u8], names: &mut Names) {
        let (name, value) = match tag {
            b'R' => match authentication(content) {
                Some(method) => ("auth".into(), method.into()),
                None => return,
            },
            b'K' => {
                let number = content.first_chunk().map_or(0, |number| u32::from_be_bytes(*number));
                ("pid".into(), number.to_string())
            }
            _ => {
                let Some((name, rest)) = cut_text(content) else { return };
                let value = cut_text(rest).map_or(rest, |(value, _)| value);
                (String::from_utf8_lossy(name), escape_text(value).0.into_string())
            }
        };
        self.row.yields.push(Yield { name: names.get(&name), value: value.into() });
    }

    /// What a first message of a session says. The database it names, if it does.
    pub fn opens_session(&mut self, tag: u8, content: &[u8], out: &mut Emit) -> Option<Name> {
        let (method, target) = match tag {
            SSL_REQUEST => ("SSLRequest", None),
            GSS_REQUEST => ("GSSENCRequest", None),
            CANCEL => {
                ("CancelRequest", content.get(4..8).and_then(<[u8]>::first_chunk).map(|pid| u32::from_be_bytes(*pid).to_string()))
            }
            _ => ("StartupMessage", None),
        };
        (self.row.method, self.row.operation) = (out.names.get(method), out.names.get(method));
        (self.row.effect, self.row.target) = (Effect::Control, target.unwrap_or_default().into());
        if tag == CANCEL {
            // The secret that allows it is not kept.
            self.row.flags.set(Flag::Unreplayable);
            return None;
        }
        self.row.flags.set(Flag::Setup);
        let text = |bytes: &[u8]| escape_text(bytes).0;
        let header =
            |(name, value): (&[u8], &[u8])| Header { name: out.names.escaped(name).0, value: Bytes::copy_from_slice(value) };
        let headers: Vec<Header> = startup_parameters(content).map(header).collect();
        let named = |wanted: &str| headers.iter().find(|header| &*header.name == wanted).map(|header| text(&header.value));
        // Without a name, the database is called as the user is (StartupMessage).
        let database = named("database").or_else(|| named("user")).map(|name| out.names.get(&name));
        self.row.target = database.as_deref().unwrap_or_default().into();
        self.row.headers = (tag == STARTUP).then_some(headers);
        database
    }

    /// The finished row. `database` is what it addresses where it names no table.
    pub fn into_row(mut self, database: &Name, names: &mut Names) -> Exchange {
        if self.own.session.is_none() {
            self.name(names);
        }
        // Behind an error, the server skips what was sent up to the next Sync.
        if self.executes() && !self.answer.has_status() && !self.given_up && !self.row.flags.has(Flag::Gap) {
            self.answer.note_status(names.get("skipped"), false);
        }
        self.finish(database)
    }

    /// Method, target, collection, operation and effect.
    fn name(&mut self, names: &mut Names) {
        match (self.text.take(), self.executes()) {
            (Some(text), true) => text.run(&mut self.row),
            (Some(text), false) if self.sent(b'P') => text.prepare(&mut self.row, names),
            (text, executes) => {
                const WORDS: &[(u8, &str)] =
                    &[(b'F', "CALL"), (b'E', "EXECUTE"), (b'Q', ""), (b'D', "DESCRIBE"), (b'B', "BIND"), (b'C', "CLOSE")];
                let word = WORDS.iter().find(|(tag, _)| self.sent(*tag)).map_or("SYNC", |(_, word)| word);
                text.into_iter().for_each(|text| text.place(&mut self.row));
                self.row.method = names.get(word);
                self.row.operation = names.get(&word.to_ascii_lowercase());
                self.row.effect = if executes { Effect::Write } else { Effect::Control };
            }
        }
    }
}
