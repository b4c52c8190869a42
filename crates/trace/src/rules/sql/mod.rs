//! What an SQL text is: the table it is about, its fingerprint, what it does, and where secrets stand in it.
//!
//! A fingerprint is the text without what changes from call to call: values are `?`, comments are gone, white space and case of words are
//! made alike, a list of values behind IN is one `?`, and of many rows behind VALUES there is the first. It reads the text as a person who
//! skims it does: nothing here knows the grammar, and what is odd gives an odd name and no error.

mod functions;
mod lex;
mod prepared;
mod secret;

use xxhash_rust::xxh3::xxh3_64;

use super::NAME_CHARS_MAX;
use crate::Effect;
pub use lex::Dialect;
use lex::{Kind, Token, Tokens};
pub use prepared::{Prepared, prepared};
pub use secret::{Secret, asks_for, secrets};

/// Tokens of a text that are looked at, the rows behind the first one of VALUES not counted.
const TOKENS_MAX: usize = 4096;

/// What an SQL text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sql {
    /// The table, or whatever else the main statement names; `None` where it names nothing.
    pub collection: Option<String>,
    /// The fingerprint; a long one is cut, and has its digest at the end.
    pub operation: String,
    /// First word of the main statement, in capitals.
    pub command: String,
    /// What the statements do.
    pub effect: Effect,
    /// It sets up the session: SET, PREPARE, LISTEN, USE.
    pub setup: bool,
}

/// Where a statement names what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    Nothing,
    /// Behind FROM.
    From,
    /// Behind INTO, or at once.
    Into,
    /// At once, words of no meaning left out.
    Next,
    /// Behind ON, or at once.
    On,
    /// In a statement inside it.
    Inside,
}

/// First words of statements. Any other may write.
const COMMANDS: &[(&str, Effect, Names)] = &[
    ("select", Effect::Read, Names::From),
    ("table", Effect::Read, Names::Next),
    ("values", Effect::Read, Names::Nothing),
    ("show", Effect::Read, Names::From),
    ("describe", Effect::Read, Names::Next),
    ("desc", Effect::Read, Names::Next),
    ("help", Effect::Read, Names::Nothing),
    ("explain", Effect::Read, Names::Inside),
    ("fetch", Effect::Read, Names::Nothing),
    ("move", Effect::Read, Names::Nothing),
    ("insert", Effect::Write, Names::Into),
    ("replace", Effect::Write, Names::Into),
    ("merge", Effect::Write, Names::Into),
    ("handler", Effect::Read, Names::Next),
    ("update", Effect::Write, Names::Next),
    ("delete", Effect::Write, Names::From),
    ("truncate", Effect::Write, Names::Next),
    ("copy", Effect::Write, Names::Next),
    ("load", Effect::Write, Names::Into),
    ("call", Effect::Write, Names::Next),
    ("with", Effect::Read, Names::From),
    ("create", Effect::Admin, Names::On),
    ("alter", Effect::Admin, Names::On),
    ("drop", Effect::Admin, Names::On),
    ("rename", Effect::Admin, Names::Next),
    ("comment", Effect::Admin, Names::On),
    ("grant", Effect::Admin, Names::On),
    ("revoke", Effect::Admin, Names::On),
    ("vacuum", Effect::Admin, Names::Next),
    ("analyze", Effect::Admin, Names::Next),
    ("reindex", Effect::Admin, Names::Next),
    ("cluster", Effect::Admin, Names::Next),
    ("refresh", Effect::Admin, Names::Next),
    ("optimize", Effect::Admin, Names::Next),
    ("check", Effect::Admin, Names::Next),
    ("repair", Effect::Admin, Names::Next),
    ("flush", Effect::Admin, Names::Nothing),
    ("kill", Effect::Admin, Names::Nothing),
    ("reassign", Effect::Admin, Names::Nothing),
    ("security", Effect::Admin, Names::Nothing),
    ("checkpoint", Effect::Admin, Names::Nothing),
    ("begin", Effect::Control, Names::Nothing),
    ("start", Effect::Control, Names::Nothing),
    ("commit", Effect::Control, Names::Nothing),
    ("end", Effect::Control, Names::Nothing),
    ("rollback", Effect::Control, Names::Nothing),
    ("abort", Effect::Control, Names::Nothing),
    ("savepoint", Effect::Control, Names::Nothing),
    ("release", Effect::Control, Names::Nothing),
    ("xa", Effect::Control, Names::Nothing),
    ("set", Effect::Control, Names::Nothing),
    ("reset", Effect::Control, Names::Nothing),
    ("discard", Effect::Control, Names::Nothing),
    ("use", Effect::Control, Names::Next),
    ("listen", Effect::Control, Names::Next),
    ("unlisten", Effect::Control, Names::Next),
    ("notify", Effect::Control, Names::Next),
    ("lock", Effect::Control, Names::Next),
    ("unlock", Effect::Control, Names::Nothing),
    ("prepare", Effect::Control, Names::Inside),
    ("deallocate", Effect::Control, Names::Nothing),
    ("declare", Effect::Read, Names::Inside),
    ("close", Effect::Control, Names::Nothing),
];
/// Statements that change data, wherever they stand.
const WRITES: &[&str] = &["insert", "update", "delete", "merge", "replace"];
/// Words by which a statement begins that stands inside another.
#[rustfmt::skip]
const INSIDES: &[&str] = &[
    "select", "with", "insert", "update", "delete", "merge", "replace", "values", "table", "create", "refresh", "call", "execute", "do",
];
/// Statements that say how another one would be executed.
const EXPLAINS: &[&str] = &["explain", "describe", "desc"];
/// First and second words of what a replica of MySQL is told.
const REPLICATES: &[&str] = &["start", "stop", "reset", "change"];
const REPLICATION: &[&str] = &["slave", "replica", "master", "all", "group_replication", "replication", "binary"];
/// Words of a SET that is not only for the session.
const SERVER_WIDE: &[&str] = &["global", "persist", "persist_only", "password"];
/// Words between a command and what it names.
#[rustfmt::skip]
const NO_NAMES: &[&str] = &[
    "only", "if", "not", "exists", "table", "tables", "low_priority", "high_priority", "delayed", "ignore", "quick", "or", "replace", "temp",
    "temporary", "unlogged", "global", "local", "unique", "fulltext", "spatial", "materialized", "recursive", "view", "index", "sequence",
    "database", "schema", "function", "procedure", "trigger", "user", "role", "type", "extension", "domain", "aggregate", "concurrently",
    "full", "verbose", "freeze", "analyze", "foreign", "into", "from", "event", "binary", "system", "column", "no_write_to_binlog",
];
/// Words with a blank before a parenthesis; others name functions and tables.
#[rustfmt::skip]
const KEYWORDS: &[&str] = &[
    "in", "values", "value", "and", "or", "not", "where", "from", "join", "on", "as", "select", "using", "exists", "any", "all", "some",
    "union", "except", "intersect", "over", "set", "by", "when", "then", "else", "case", "limit", "offset", "having", "between", "like", "is",
    "with", "returning", "distinct", "key", "primary", "references", "check", "unique", "default", "materialized", "filter", "within", "interval",
    "insert", "update", "delete", "into", "explain", "analyze", "vacuum", "copy", "to", "return", "if", "do", "conflict", "ilike", "similar",
];

/// Says what an SQL text is.
#[must_use]
pub fn sql(text: &str, dialect: Dialect) -> Sql {
    let (tokens, is_all) = normalize(Tokens::new(text, dialect));
    let statements: Vec<Statement<'_, '_>> = split(&tokens).map(Statement::read).collect();
    let main = statements.iter().find(|statement| statement.effect != Effect::Control).or(statements.first());
    let severity = |effect: Effect| match effect {
        Effect::Control => 0,
        Effect::Read => 1,
        Effect::Write => 2,
        Effect::Admin => 3,
    };
    let unseen = (!is_all).then_some(Effect::Write);
    let effects = statements.iter().map(|statement| statement.effect).chain(unseen);
    Sql {
        collection: main.and_then(|main| main.collection(dialect)),
        operation: name(render(&tokens)),
        command: main.map_or_else(String::new, |main| main.command.to_ascii_uppercase()),
        effect: effects.max_by_key(|effect| severity(*effect)).unwrap_or(Effect::Control),
        setup: !statements.is_empty() && statements.iter().all(|statement| statement.sets_up()),
    }
}

/// Keeps a fingerprint short: what is cut off is told by a digest of the whole.
fn name(fingerprint: String) -> String {
    const DIGEST_CHARS: usize = 10;
    match fingerprint.char_indices().nth(NAME_CHARS_MAX) {
        Some(_) => {
            let end = fingerprint.char_indices().nth(NAME_CHARS_MAX - DIGEST_CHARS).map_or(0, |(end, _)| end);
            format!("{}… {:08x}", fingerprint[..end].trim_end(), xxh3_64(fingerprint.as_bytes()) >> 32)
        }
        None => fingerprint,
    }
}

/// What stands in parentheses that are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    /// A list behind IN, or an array.
    List,
    /// The first row behind VALUES, or of a list of rows.
    Row,
    Other,
}

/// How far rows behind VALUES have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    No,
    /// The next parenthesis begins the first.
    Next,
    /// A row is over: further ones are left out.
    After,
    /// And a comma was seen.
    Comma,
    /// So many parentheses are open in one that is left out.
    Inside(usize),
}

/// Values become `?`, and repeated ones in lists are left out. Whether nothing was left out that may be a call.
fn normalize(tokens: Tokens<'_>) -> (Vec<Token<'_>>, bool) {
    let mut is_all = true;
    let (mut out, mut groups, mut rows) = (Vec::<Token<'_>>::new(), Vec::new(), Rows::No);
    for token in tokens {
        rows = match (rows, token.text) {
            (Rows::Inside(1), ")") if token.kind == Kind::Mark => Rows::After,
            (Rows::Inside(depth), ")") if token.kind == Kind::Mark => Rows::Inside(depth - 1),
            (Rows::Inside(depth), "(") if token.kind == Kind::Mark => Rows::Inside(depth + 1),
            (Rows::Inside(depth), _) => Rows::Inside(depth),
            (Rows::After, ",") => Rows::Comma,
            (Rows::Comma, "(") => Rows::Inside(1),
            (Rows::Comma, _) => {
                out.push(Token { kind: Kind::Mark, text: ",", at: token.at });
                Rows::No
            }
            (Rows::After, _) => Rows::No,
            (before, _) => before,
        };
        if matches!(rows, Rows::Inside(_) | Rows::Comma | Rows::After) {
            is_all &= !matches!(rows, Rows::Inside(2..));
            continue;
        }
        if out.len() >= TOKENS_MAX {
            is_all = false;
            break;
        }
        match token.text {
            "(" | "[" if token.kind == Kind::Mark => {
                let in_list = groups.last() == Some(&Group::List) && out.last().is_some_and(|last| last.is_mark("("));
                let is_row = token.text == "(" && (in_list || rows == Rows::Next);
                let is_list = token.text == "[" || out.last().is_some_and(|last| last.is("in"));
                groups.push(if is_row {
                    Group::Row
                } else if is_list {
                    Group::List
                } else {
                    Group::Other
                });
                rows = Rows::No;
                out.push(token);
            }
            ")" | "]" if token.kind == Kind::Mark => {
                rows = if groups.pop() == Some(Group::Row) { Rows::After } else { Rows::No };
                out.push(token);
            }
            _ if token.is_value() || stands_for_value(&out, &token) => {
                push_value(&mut out, token, groups.last() == Some(&Group::List))
            }
            _ => {
                rows = if token.is("values") || token.is("value") { Rows::Next } else { Rows::No };
                out.push(token);
            }
        }
    }
    (out, is_all)
}

/// NULL, TRUE and FALSE where a value may stand.
fn stands_for_value(before: &[Token<'_>], token: &Token<'_>) -> bool {
    let is_constant = ["null", "true", "false"].iter().any(|word| token.is(word));
    is_constant && before.last().is_some_and(|last| last.kind == Kind::Mark && matches!(last.text, "(" | "," | "=" | "["))
}

fn push_value<'a>(out: &mut Vec<Token<'a>>, token: Token<'a>, in_list: bool) {
    if let [before @ .., sign] = out.as_slice()
        && (sign.is_mark("-") || sign.is_mark("+"))
        && token.kind == Kind::Number
        && before.last().is_none_or(|last| !ends_operand(last))
    {
        out.pop();
    }
    let repeats = in_list && matches!(out.as_slice(), [.., value, comma] if is_placeholder(value) && comma.is_mark(","));
    if repeats {
        out.pop();
    } else {
        out.push(Token { kind: Kind::Parameter, text: "?", at: token.at });
    }
}

fn is_placeholder(token: &Token<'_>) -> bool {
    token.kind == Kind::Parameter && token.text == "?"
}

/// Whether a sign behind it is a subtraction or an addition.
fn ends_operand(token: &Token<'_>) -> bool {
    match token.kind {
        Kind::Word => !KEYWORDS.iter().any(|word| token.is(word)),
        Kind::Mark => matches!(token.text, ")" | "]"),
        _ => true,
    }
}

/// The statements between semicolons, empty ones left out.
fn split<'t, 'a>(tokens: &'t [Token<'a>]) -> impl Iterator<Item = &'t [Token<'a>]> {
    tokens.split(|token| token.is_mark(";")).filter(|statement| !statement.is_empty())
}

fn render(tokens: &[Token<'_>]) -> String {
    let mut out = String::new();
    let end = tokens.iter().rposition(|token| !token.is_mark(";")).map_or(0, |last| last + 1);
    for (index, token) in tokens[..end].iter().enumerate() {
        if index > 0 && blank_between(&tokens[index - 1], token) {
            out.push(' ');
        }
        match token.kind {
            Kind::Word => out.push_str(&token.text.to_ascii_lowercase()),
            _ => out.push_str(token.text),
        }
    }
    out
}

fn blank_between(before: &Token<'_>, token: &Token<'_>) -> bool {
    let mark = |token: &Token<'_>, marks: &[&str]| token.kind == Kind::Mark && marks.contains(&token.text);
    if mark(token, &[",", ";", ")", "]", "[", ".", "::"]) || mark(before, &["(", "[", ".", "::", "@", "@@"]) {
        return false;
    }
    if token.is_mark("(") {
        return match before.kind {
            Kind::Word => KEYWORDS.iter().any(|word| before.is(word)),
            Kind::Quoted => false,
            _ => true,
        };
    }
    true
}

/// One statement of a text.
struct Statement<'t, 'a> {
    tokens: &'t [Token<'a>],
    command: &'a str,
    effect: Effect,
    names: Names,
}

impl<'t, 'a> Statement<'t, 'a> {
    fn read(tokens: &'t [Token<'a>]) -> Self {
        let first = tokens.iter().position(|token| !token.is_mark("(")).unwrap_or(0);
        let tokens = &tokens[first..];
        let command = tokens.first().filter(|token| token.kind == Kind::Word).map_or("", |token| token.text);
        let known = COMMANDS.iter().find(|(name, ..)| command.eq_ignore_ascii_case(name));
        let (effect, names) = known.map_or((Effect::Write, Names::Nothing), |(_, effect, names)| (*effect, *names));
        let mut statement = Self { tokens, command, effect, names };
        statement.look_closer();
        statement
    }

    fn begins(&self, word: &str) -> bool {
        self.command.eq_ignore_ascii_case(word)
    }

    fn has(&self, word: &str) -> bool {
        self.tokens.iter().any(|token| token.is(word))
    }

    /// What the first word does not tell.
    fn look_closer(&mut self) {
        if self.begins("with") {
            self.look_behind_with();
        } else if self.begins("copy") && self.outermost().any(|token| token.is("to")) {
            let to_client = self.tokens.windows(2).any(|pair| pair[0].is("to") && pair[1].is("stdout"));
            let query = self.tokens.get(1).filter(|token| token.is_mark("(")).and_then(|_| self.inside());
            let copied = query.map_or(Effect::Read, |query| query.effect);
            self.effect = if to_client { copied } else { Effect::Write };
        } else if EXPLAINS.iter().any(|word| self.begins(word)) {
            // Without ANALYZE nothing is executed.
            if self.has("analyze") || self.has("analyse") {
                self.effect = self.inside().map_or(Effect::Write, |inside| inside.effect);
            }
            return;
        } else if self.begins("declare") {
            self.effect = self.inside().map_or(Effect::Write, |inside| inside.effect);
        } else if self.begins("drop") && self.tokens.get(1).is_some_and(|token| token.is("prepare")) {
            (self.effect, self.names) = (Effect::Control, Names::Nothing);
        } else if self.is_of_server() {
            self.effect = Effect::Admin;
        }
        if self.effect == Effect::Read {
            self.effect = self.effect_of_reading();
        }
    }

    /// Whether it tells the server what it shall do from now on: a SET that is not only for the session, or what a replica is told.
    fn is_of_server(&self) -> bool {
        let has_any = |words: &[&str]| words.iter().any(|word| self.has(word));
        let begins_any = |words: &[&str]| words.iter().any(|word| self.begins(word));
        let second = self.tokens.get(1);
        let replicates = second.is_some_and(|token| REPLICATION.iter().any(|word| token.is(word)));
        begins_any(REPLICATES) && replicates || self.begins("set") && has_any(SERVER_WIDE)
    }

    /// The main statement behind WITH; it writes, too, if one inside WITH does.
    fn look_behind_with(&mut self) {
        let is_write = |token: &Token<'_>| WRITES.iter().any(|verb| token.is(verb));
        let begins = |three: &[Token<'_>]| three[0].is_mark("(") && is_write(&three[1]) && !three[2].is_mark("(");
        let main = self.outermost().find(|token| token.is("select") || is_write(token));
        if main.is_some_and(is_write) || self.tokens.windows(3).any(begins) {
            self.effect = Effect::Write;
        }
        self.command = main.map_or("with", |token| token.text);
        self.names = match () {
            () if self.begins("update") => Names::Inside,
            () if self.begins("insert") => Names::Into,
            () => Names::From,
        };
    }

    /// What a statement does that begins as one that reads: INTO and locks write, and so may functions.
    fn effect_of_reading(&self) -> Effect {
        let behind = |word: &str, next: &[&str]| {
            self.tokens.windows(2).any(|pair| pair[0].is(word) && next.iter().any(|next| pair[1].is(next)))
        };
        let to_variable = |pair: &[Token<'_>]| pair[1].text.starts_with('@');
        let into = self.tokens.windows(2).any(|pair| pair[0].is("into") && !to_variable(pair));
        let locks = behind("for", &["update", "share", "no", "key"]) || behind("lock", &["in"]);
        if into || locks {
            return Effect::Write;
        }
        let mut calls = (0..self.tokens.len()).filter_map(|at| self.call_at(at)).map(functions::effect).collect::<Vec<_>>();
        calls.retain(|effect| *effect != Effect::Read);
        if calls.contains(&Effect::Write) { Effect::Write } else { calls.first().copied().unwrap_or(Effect::Read) }
    }

    /// The name of the function that is called at a place; empty where its schema is none of the server's.
    fn call_at(&self, at: usize) -> Option<&'a str> {
        let [name, open] = self.tokens.get(at..at + 2)? else { return None };
        let is_name = name.kind == Kind::Quoted || name.kind == Kind::Word && !KEYWORDS.iter().any(|word| name.is(word));
        if !is_name || !open.is_mark("(") {
            return None;
        }
        match &self.tokens[..at] {
            // Another name for what stands before it, and its columns.
            [.., before] if before.is("as") || before.is_mark(")") => None,
            [.., schema, point] if point.is_mark(".") => {
                let known = ["pg_catalog", "information_schema", "sys", "public"].iter().any(|known| schema.is(known));
                Some(if known { name.text } else { "" })
            }
            _ if self.tokens[0].is("with") && self.opens_columns(at + 1) => None,
            _ => Some(name.text.trim_matches(['"', '`'])),
        }
    }

    /// Whether the parenthesis at a place opens the columns of what a WITH selects.
    fn opens_columns(&self, open: usize) -> bool {
        let mut depth = 0_usize;
        let close = self.tokens[open..].iter().position(|token| {
            depth = (depth + usize::from(token.is_mark("("))).saturating_sub(usize::from(token.is_mark(")")));
            depth == 0
        });
        let behind = close.map_or(&[][..], |close| &self.tokens[open + close + 1..]);
        let mut behind = behind.iter().filter(|token| !token.is("not") && !token.is("materialized"));
        let is_as = behind.next().is_some_and(|token| token.is("as")) && behind.next().is_some_and(|token| token.is_mark("("));
        let begins = |token: &Token<'_>| token.is_mark("(") || INSIDES.iter().any(|verb| token.is(verb));
        is_as && behind.next().is_some_and(begins)
    }

    /// The tokens that are in no parentheses.
    fn outermost(&self) -> impl Iterator<Item = &'t Token<'a>> {
        let mut depth = 0_usize;
        self.tokens.iter().filter(move |token| {
            match token.text {
                "(" if token.kind == Kind::Mark => depth += 1,
                ")" if token.kind == Kind::Mark => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0
        })
    }

    /// The statement that this one explains, prepares or reads through.
    fn inside(&self) -> Option<Self> {
        let start = 1 + self.tokens.get(1..)?.iter().position(|token| INSIDES.iter().any(|verb| token.is(verb)))?;
        Some(Self::read(&self.tokens[start..]))
    }

    fn sets_up(&self) -> bool {
        let not_for_long = ["local", "transaction"].iter().any(|word| self.tokens.get(1).is_some_and(|token| token.is(word)));
        let sets_up = ["set", "prepare", "listen", "use"].iter().any(|word| self.begins(word));
        sets_up && !not_for_long && self.effect == Effect::Control
    }

    fn collection(&self, dialect: Dialect) -> Option<String> {
        let behind =
            |word: &str| self.tokens.iter().position(|token| token.is(word)).and_then(|at| self.name_at(at + 1, dialect));
        let found = match self.names {
            Names::Nothing => None,
            Names::Next => self.name_at(1, dialect).or_else(|| self.from(dialect)),
            Names::From => self.from(dialect),
            Names::Into => behind("into").or_else(|| self.name_at(1, dialect)),
            Names::On => behind("on").or_else(|| self.name_at(1, dialect)),
            Names::Inside => self.inside().and_then(|inside| inside.collection(dialect)),
        };
        found.map(name)
    }

    /// The name behind the outermost FROM that has one which is none of a WITH.
    fn from(&self, dialect: Dialect) -> Option<String> {
        let (mut depth, mut found) = (0_usize, Vec::new());
        let mut selects = vec![true];
        for (index, token) in self.tokens.iter().enumerate() {
            if token.is_mark("(") {
                depth += 1;
                selects.truncate(depth);
                selects.push(
                    self.tokens.get(index + 1).is_some_and(|next| next.is("select") || next.is("with") || next.is("delete")),
                );
            } else if token.is_mark(")") {
                depth = depth.saturating_sub(1);
            } else if token.is("from") && selects.get(depth).copied().unwrap_or(false) {
                found.extend(self.name_at(index + 1, dialect).map(|name| (depth, name)));
            }
        }
        found.sort_by_key(|(depth, _)| *depth);
        let of_with: Vec<String> = self.of_with(dialect);
        let place = found.iter().position(|(_, name)| !of_with.contains(name)).unwrap_or(0);
        (place < found.len()).then(|| found.swap_remove(place).1)
    }

    /// Names that stand for what a WITH selects.
    fn of_with(&self, dialect: Dialect) -> Vec<String> {
        let is_with = self.tokens.first().is_some_and(|token| token.is("with"));
        let ends = self.tokens.windows(3).enumerate().filter(|(_, three)| {
            let opens = three[2].is_mark("(") || three[2].is("materialized") || three[2].is("not");
            is_with && matches!(three[0].kind, Kind::Word | Kind::Quoted) && three[1].is("as") && opens
        });
        ends.filter_map(|(index, _)| self.name_at(index, dialect)).collect()
    }

    /// The name, with what it is in, at or soon behind a place.
    fn name_at(&self, at: usize, dialect: Dialect) -> Option<String> {
        let skipped = self.tokens.get(at..)?.iter().take_while(|token| NO_NAMES.iter().any(|word| token.is(word))).count();
        let mut name = String::new();
        for pair in self.tokens[at + skipped..].chunks(2) {
            let plain = match pair[0].kind {
                Kind::Word if dialect == Dialect::Postgres => pair[0].text.to_ascii_lowercase(),
                Kind::Word => pair[0].text.to_owned(),
                Kind::Quoted => pair[0].text.trim_matches(['"', '`']).to_owned(),
                _ => return None,
            };
            name.push_str(&plain);
            if !pair.get(1).is_some_and(|point| point.is_mark(".")) {
                return Some(name);
            }
            name.push('.');
        }
        None
    }
}

#[cfg(test)]
mod tests;
