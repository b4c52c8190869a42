//! What is common to SQL servers: what a text says of its row, prepared statements by their names, transactions, and requests that wait for
//! their answers.

mod pending;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use trace::rules::sql::{Dialect, Prepared, prepared, sql};
use trace::{Effect, Exchange, Flag, Name, Names, Txn, escape_text};

pub(super) use pending::{Pending, Queue, give_back};

/// Bytes of texts of prepared statements that one connection keeps in mind; past it, all are forgotten.
const STATEMENTS_BYTES_MAX: usize = 64 << 20;
/// What an entry weighs beside its text.
const ENTRY_BYTES: usize = 256;

/// An SQL text as rows tell it.
#[derive(Debug, Clone)]
pub(super) struct Text {
    target: Box<str>,
    escaped: bool,
    collection: Option<Name>,
    operation: Name,
    command: Name,
    effect: Effect,
    setup: bool,
}

impl Text {
    pub fn read(text: &[u8], dialect: Dialect, names: &mut Names) -> Self {
        let (target, escaped) = escape_text(text);
        let read = sql(&target, dialect);
        let collection = read.collection.map(|name| names.get(&name));
        let (operation, command) = (names.get(&read.operation), names.get(&read.command));
        Self { target, escaped, collection, operation, command, effect: read.effect, setup: read.setup }
    }

    /// What a text runs: itself, or the statement that it prepares, runs or forgets by a name of SQL's own, as `known` has it. False where
    /// all others had to be forgotten for it.
    pub fn named(text: &[u8], dialect: Dialect, names: &mut Names, known: &mut Statements<Box<[u8]>>) -> (Arc<Self>, bool) {
        let (target, _) = escape_text(text);
        let mut kept = true;
        match prepared(&target, dialect) {
            Some(Prepared::Prepare { name, text, .. }) => {
                let inner = Arc::new(Self::read(text.as_bytes(), dialect, names));
                let prepares = Arc::new(inner.preparation(names));
                kept = known.insert(name.into_bytes().into(), inner);
                return (prepares, kept);
            }
            Some(Prepared::Execute { name, .. }) => {
                if let Some(text) = known.get(name.as_bytes()) {
                    return (Arc::clone(text), kept);
                }
            }
            Some(Prepared::Forget { name: Some(name) }) => known.remove(name.as_bytes()),
            Some(Prepared::Forget { name: None }) => *known = Statements::default(),
            None => {}
        }
        (Arc::new(Self::read(text, dialect, names)), kept)
    }

    /// What prepares it.
    fn preparation(&self, names: &mut Names) -> Self {
        let (operation, command) = (names.get(&format!("prepare {}", self.operation)), names.get("PREPARE"));
        Self { operation, command, effect: Effect::Control, setup: true, ..self.clone() }
    }

    /// The row is about it.
    pub fn place(&self, row: &mut Exchange) {
        row.target = self.target.clone();
        row.collection = self.collection.clone().unwrap_or_default();
        if self.escaped {
            row.flags.set(Flag::Escaped);
        }
    }

    /// What it is about, if it names that, and its first word in capitals.
    pub fn subject(&self) -> (Option<&Name>, &str) {
        (self.collection.as_ref(), &self.command)
    }

    /// The row runs it.
    pub fn run(&self, row: &mut Exchange) {
        self.place(row);
        (row.method, row.operation, row.effect) = (self.command.clone(), self.operation.clone(), self.effect);
        if self.setup {
            row.flags.set(Flag::Setup);
        }
    }

    /// The row prepares it.
    pub fn prepare(&self, row: &mut Exchange, names: &mut Names) {
        self.preparation(names).run(row);
    }
}

/// Texts of prepared statements.
#[derive(Debug)]
pub(super) struct Statements<K> {
    known: HashMap<K, Arc<Text>>,
    bytes: usize,
}

impl<K> Default for Statements<K> {
    fn default() -> Self {
        Self { known: HashMap::new(), bytes: 0 }
    }
}

impl<K: Hash + Eq> Statements<K> {
    /// Keeps a statement in mind; false where all others had to be forgotten for it.
    pub fn insert(&mut self, key: K, text: Arc<Text>) -> bool {
        self.remove(&key);
        let weight = text.target.len() + ENTRY_BYTES;
        self.bytes += weight;
        let full = self.bytes > STATEMENTS_BYTES_MAX;
        if full {
            (self.known, self.bytes) = (HashMap::new(), weight);
        }
        self.known.insert(key, text);
        !full
    }

    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&Arc<Text>>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.known.get(key)
    }

    pub fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: std::borrow::Borrow<Q>,
    {
        if let Some(gone) = self.known.remove(key) {
            self.bytes = self.bytes.saturating_sub(gone.target.len() + ENTRY_BYTES);
        }
    }
}

/// The transactions of one connection, numbered from 1.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    number: u64,
    open: bool,
}

impl Transactions {
    /// The transaction of the rows that the server has just settled, `rows` in number; `open` says whether one is under way behind them,
    /// `commits` whether one was committed by them. Rows that are settled together are one unit of work even without BEGIN.
    pub fn settle(&mut self, session: u64, rows: usize, open: bool, commits: bool) -> Option<Txn> {
        let was_open = std::mem::replace(&mut self.open, open);
        if !(was_open || open || rows > 1) {
            return None;
        }
        self.number += u64::from(!was_open);
        let txn = self.txn(session);
        self.number += u64::from(was_open && open && commits);
        Some(txn)
    }

    /// The transaction that is under way.
    pub fn current(&self, session: u64) -> Option<Txn> {
        self.open.then(|| self.txn(session))
    }

    fn txn(&self, session: u64) -> Txn {
        Txn { name: Name::from("sql"), id: Name::from(format!("{session}-{}", self.number)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_bounded_and_those_that_are_closed_make_room() {
        let text = |bytes: usize| {
            let (operation, command) = (Name::default(), Name::default());
            let target = "x".repeat(bytes).into_boxed_str();
            Arc::new(Text { target, escaped: false, collection: None, operation, command, effect: Effect::Read, setup: false })
        };
        let (mut statements, large) = (Statements::default(), text(STATEMENTS_BYTES_MAX / 4));
        assert!((0..3).all(|key| statements.insert(key, large.clone())));
        // The same again, and one for another, weigh nothing more.
        assert!(statements.insert(2, large.clone()));
        statements.remove(&2);
        assert!(statements.insert(3, large.clone()));
        assert!(!statements.insert(4, large));
        assert_eq!([0, 3, 4].map(|key| statements.get(&key).is_some()), [false, false, true]);
    }
}
