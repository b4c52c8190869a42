//! Requests as they travel from the reader to a worker: prepared bytes, and what their outcome will have to say.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};

use trace::rules::RuleId;
use trace::{Effect, Flag, Keep, Kind, Row, RunNs};
use wire::http1::{Request, encode_request};

use foldhash::fast::RandomState;

use crate::answer::{Expected, Judge};
use crate::content::Place;
use crate::limits::{LABELS_MAX, LOOKAHEAD_BYTES_MAX, OTHER};
use crate::spool::Next;
use crate::target::{Target, Targets};
use crate::text::Text;
use crate::{Error, Result};

/// What many requests have in common. A request carries its number in [`Labels`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// As recorded.
    pub kind: Kind,
    /// As recorded.
    pub effect: Effect,
    /// As recorded.
    pub protocol: String,
    /// As recorded.
    pub collection: String,
    /// As recorded.
    pub operation: String,
    /// The name of the unit of work, where there is one.
    pub txn: Option<String>,
    /// The rule that names it, if any.
    pub rule: Option<RuleId>,
    /// Number of its target in [`Targets::list`].
    pub target: usize,
}

/// The labels of a run. The reader adds, the recorder reads; neither does so for every request.
#[derive(Debug, Default)]
pub struct Labels(RwLock<Vec<Arc<Label>>>);

impl Labels {
    /// The labels from number `from` on.
    #[must_use]
    pub fn since(&self, from: usize) -> Vec<Arc<Label>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)[from..].to_vec()
    }

    fn add(&self, label: Arc<Label>) -> u32 {
        let mut labels = self.0.write().unwrap_or_else(PoisonError::into_inner);
        labels.push(label);
        (labels.len() - 1) as u32
    }
}

/// One request, apart from its bytes.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Place in the trace.
    pub id: u64,
    /// Which copy.
    pub copy: u32,
    /// Number in [`Labels`].
    pub label: u32,
    /// Number in [`Targets::list`].
    pub target: u32,
    /// The recorded user.
    pub session: u64,
    /// The order inside it.
    pub stream: u64,
    /// When it is to be sent.
    pub due: RunNs,
    /// Records, vectors or rows.
    pub items: u32,
    /// Whether it can be sent at all.
    pub sendable: bool,
    /// The id of its unit of work, whose name is the label's.
    pub txn: Option<Text>,
    /// What is to be sent when it is over; nothing in open pacing.
    pub next: Option<Next>,
    /// How much of its answer is looked at.
    pub keep: Keep,
    /// The recorded answer, where answers are compared.
    pub expected: Option<Arc<Expected>>,
}

impl Planned {
    /// What the recorded answer weighs in memory, in bytes.
    #[must_use]
    pub fn expected_bytes(&self) -> usize {
        self.expected.as_ref().map_or(0, |expected| expected.weight_bytes())
    }
}

/// Some requests for one worker, in due order.
#[derive(Debug, Default)]
pub struct Block {
    rows: Vec<(Planned, Range<usize>)>,
    bytes: Vec<u8>,
    /// Of recorded answers.
    expected_bytes: usize,
    share: Option<Share>,
}

impl Block {
    /// An empty block with room for what `like` holds.
    #[must_use]
    pub fn with_room_of(like: &Self) -> Self {
        let (rows, bytes) = (Vec::with_capacity(like.rows.len()), Vec::with_capacity(like.bytes.len()));
        Self { rows, bytes, expected_bytes: 0, share: None }
    }

    /// Appends a request; `write` puts its bytes.
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Planned) {
        let start = self.bytes.len();
        let planned = write(&mut self.bytes);
        self.expected_bytes += planned.expected_bytes();
        self.rows.push((planned, start..self.bytes.len()));
    }

    /// Number of requests.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Bytes of all requests and recorded answers.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len() + self.expected_bytes
    }

    /// True where there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The request at `index` with its bytes; `None` behind the last.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<(&Planned, &[u8])> {
        self.rows.get(index).map(|(planned, range)| (planned, &self.bytes[range.clone()]))
    }

    /// What it weighs in memory.
    fn weight_bytes(&self) -> usize {
        self.bytes.capacity() + self.expected_bytes + self.rows.capacity() * size_of::<(Planned, Range<usize>)>()
    }
}

/// The memory that blocks on their way may take, [`LOOKAHEAD_BYTES_MAX`].
#[derive(Debug, Default)]
pub struct Budget {
    taken_bytes: Mutex<usize>,
    freed: Condvar,
}

/// The reader goes on when no more than this is taken.
const HALF_BYTES: usize = LOOKAHEAD_BYTES_MAX / 2;

/// A block's part of the budget, given back when the block is dropped.
#[derive(Debug)]
struct Share {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    /// Whether the budget is used up.
    #[must_use]
    pub fn exhausted(&self) -> bool {
        *self.taken_bytes.lock().unwrap_or_else(PoisonError::into_inner) >= LOOKAHEAD_BYTES_MAX
    }

    /// Books `block`, which may overdraw the budget once.
    pub fn book(self: &Arc<Self>, block: &mut Block) {
        let bytes = block.weight_bytes();
        *self.taken_bytes.lock().unwrap_or_else(PoisonError::into_inner) += bytes;
        block.share = Some(Share { budget: self.clone(), bytes });
    }

    /// Waits until half of the budget is free, or `patience` is over. True when it is free: waking for each block would cost more than
    /// the blocks.
    #[must_use]
    pub fn wait(&self, patience: std::time::Duration) -> bool {
        let taken_bytes = self.taken_bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.freed.wait_timeout_while(taken_bytes, patience, |taken_bytes| *taken_bytes > HALF_BYTES);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken_bytes = self.budget.taken_bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *taken_bytes;
        *taken_bytes -= self.bytes;
        if before > HALF_BYTES && *taken_bytes <= HALF_BYTES {
            self.budget.freed.notify_one();
        }
    }
}

/// A header that is added to every request, its variables filled in. It is never shown or written.
#[derive(Clone)]
pub struct Added {
    name: String,
    value: String,
}

impl Added {
    /// Reads `Name: value`, in which `$NAME` and `${NAME}` stand for what `variable` knows, and `$$` for a dollar sign.
    ///
    /// # Errors
    /// [`Error::Option`] when there is no colon or a variable is not set. The value is not in the message.
    pub fn parse(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let (name, value) =
            text.split_once(':').ok_or_else(|| Error::option("--header", "wanted 'Name: value', found no colon"))?;
        let name = name.trim();
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::option("--header", format!("`{name}` is not the name of a header")));
        }
        Ok(Self { name: name.to_owned(), value: filled(value.trim(), variable)? })
    }

    /// Its name, which may be shown.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value, for sending only.
    pub(crate) fn value(&self) -> &str {
        &self.value
    }
}

fn filled(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let (name, after) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some(parts) => parts,
            None => after.split_at(after.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(after.len())),
        };
        let value = variable(name).ok_or_else(|| {
            Error::option("--header", format!("the environment has no ${name}; set it, or write $$ for a dollar sign"))
        })?;
        out.push_str(&value);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// Of a row in a protocol that no driver speaks.
pub const NO_DRIVER: &str = "its protocol has no driver";

/// Why a row cannot be sent; `None` where it can. `target` is where its collection goes, if anywhere.
#[must_use]
pub fn unreplayable(row: &Row<'_>, target: Option<usize>) -> Option<&'static str> {
    if row.flags().has(Flag::Unreplayable) {
        return Some("marked unreplayable when recorded");
    }
    if row.kind() != Kind::Request {
        return Some("part of a long-lived stream, which no driver speaks");
    }
    if crate::driver::of_protocol(row.protocol()).is_none() {
        return Some(NO_DRIVER);
    }
    if row.method().eq_ignore_ascii_case("CONNECT") {
        return Some("opens a tunnel");
    }
    target.is_none().then_some("its collection has no target")
}

/// Turns rows into requests.
pub struct Preparer {
    targets: Arc<Targets>,
    added: Vec<Added>,
    labels: Arc<Labels>,
    judge: Judge,
    known: HashMap<u64, (u32, Arc<Label>), RandomState>,
    path: String,
    merged: u64,
}

impl Preparer {
    /// Requests for `targets` with these headers added. What is needed of answers `judge` says.
    #[must_use]
    pub fn new(targets: Arc<Targets>, added: Vec<Added>, labels: Arc<Labels>, judge: Judge) -> Self {
        Self { targets, added, labels, judge, known: HashMap::default(), path: String::new(), merged: 0 }
    }

    /// Whether rows have to hold recorded answers.
    #[must_use]
    pub fn compares(&self) -> bool {
        self.judge.compares()
    }

    /// Requests whose label is [`OTHER`], since there were too many different ones.
    #[must_use]
    pub fn merged(&self) -> u64 {
        self.merged
    }

    /// Appends the bytes of `row`, which stands at `place` and goes to `target`, to `out` and says what is known of it. What cannot be
    /// sent has no bytes.
    pub fn prepare(&mut self, row: &Row<'_>, place: Place, target: Option<usize>, due: RunNs, out: &mut Vec<u8>) -> Planned {
        let sendable = unreplayable(row, target).is_none();
        let target = target.unwrap_or(0);
        if sendable {
            self.encode(row, target, out);
        }
        let (label, rule) = self.label(row, target);
        let expected = if self.judge.compares() { Expected::of(row) } else { None };
        Planned {
            id: row.id(),
            copy: place.copy,
            label,
            target: target as u32,
            session: place.session,
            stream: row.stream(),
            due,
            items: row.items(),
            sendable,
            txn: row.txn().map(|(_, id)| id.into()),
            next: None,
            keep: self.judge.keep(rule, expected.as_ref()),
            expected: expected.map(Arc::new),
        }
    }

    fn encode(&mut self, row: &Row<'_>, target: usize, out: &mut Vec<u8>) {
        let to = &self.targets.list()[target];
        let path = path_of(row, to, &mut self.path);
        let added: Vec<(&[u8], &[u8])> =
            self.added.iter().map(|header| (header.name.as_bytes(), header.value.as_bytes())).collect();
        let request = Request {
            method: row.method().as_bytes(),
            target: &path,
            authority: to.authority.as_bytes(),
            added: &added,
            body: row.request().unwrap_or_default(),
        };
        encode_request(&request, row.headers().map(|(name, value)| (name.as_bytes(), value)), out);
    }

    fn label(&mut self, row: &Row<'_>, target: usize) -> (u32, Option<RuleId>) {
        let mut key = self.key_of(row, target);
        while let Some((number, label)) = self.known.get(&key) {
            if fits(label, row, target) {
                return (*number, label.rule);
            }
            key = key.wrapping_add(1);
        }
        let full = self.known.len() >= LABELS_MAX;
        self.merged += u64::from(full);
        let name = |text: &str| if full { OTHER.to_owned() } else { text.to_owned() };
        let label = Arc::new(Label {
            kind: row.kind(),
            effect: row.effect(),
            protocol: row.protocol().to_owned(),
            collection: name(row.collection()),
            operation: name(row.operation()),
            txn: row.txn().map(|(txn, _)| name(txn)),
            rule: self.judge.rule_of(row.method(), row.target()),
            target,
        });
        if full {
            return (self.other(&label), label.rule);
        }
        let (number, rule) = (self.labels.add(label.clone()), label.rule);
        self.known.insert(key, (number, label));
        (number, rule)
    }

    fn key_of(&self, row: &Row<'_>, target: usize) -> u64 {
        let mut hash = self.known.hasher().build_hasher();
        (row.operation(), row.collection(), row.protocol(), row.txn().map(|(name, _)| name)).hash(&mut hash);
        (row.kind() as u8, row.effect() as u8, target).hash(&mut hash);
        hash.finish()
    }

    /// The number of a label without names of its own; there are as many as kinds, effects, protocols, rules and targets give.
    fn other(&mut self, label: &Arc<Label>) -> u32 {
        let known = self.labels.since(LABELS_MAX.min(self.known.len()));
        match known.iter().position(|other| other == label) {
            Some(index) => (self.known.len() + index) as u32,
            None => self.labels.add(label.clone()),
        }
    }
}

fn fits(label: &Label, row: &Row<'_>, target: usize) -> bool {
    label.operation == row.operation()
        && label.collection == row.collection()
        && label.protocol == row.protocol()
        && label.txn.as_deref() == row.txn().map(|(name, _)| name)
        && (label.kind, label.effect, label.target) == (row.kind(), row.effect(), target)
}

/// Path and query as they are sent: unescaped, behind the target's own path.
fn path_of<'a>(row: &Row<'a>, target: &Target, scratch: &'a mut String) -> std::borrow::Cow<'a, [u8]> {
    let recorded = row.target();
    let escaped = row.flags().has(Flag::Escaped);
    if target.base_path.is_empty() || !recorded.starts_with('/') {
        return if escaped { unescape(recorded).into() } else { recorded.as_bytes().into() };
    }
    scratch.clear();
    scratch.push_str(&target.base_path);
    scratch.push_str(recorded);
    if escaped { unescape(scratch).into() } else { scratch.as_bytes().into() }
}

/// Takes back what [`trace::escape_text`] did.
fn unescape(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = || u8::from_str_radix(text.get(at + 2..at + 4)?, 16).ok();
        let (byte, length) = match bytes[at..] {
            [b'\\', b'\\', ..] => (b'\\', 2),
            [b'\\', b'x', ..] => hex().map_or((b'\\', 1), |byte| (byte, 4)),
            [byte, ..] => (byte, 1),
            [] => break,
        };
        out.push(byte);
        at += length;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in_and_missing_ones_named() {
        let known = |name: &str| (name == "TOKEN").then(|| "s3cret".to_owned());
        let value = |text: &str| Added::parse(text, known).map(|header| header.value);
        assert_eq!(value("A: Bearer $TOKEN").unwrap(), "Bearer s3cret");
        assert_eq!(value("A: ${TOKEN}x$$y").unwrap(), "s3cretx$y");
        assert!(value("A: $MISSING").unwrap_err().to_string().contains("$MISSING"));
        assert!(value("no colon").unwrap_err().to_string().contains("colon"));
        assert!(value(": x").is_err());
    }

    #[test]
    fn escaped_text_becomes_the_bytes_it_was() {
        for bytes in [&b"/a\\b\xff\xc3\\x41"[..], b"/\\\\x", b"\xe2\x28\xa1\\"] {
            let (text, escaped) = trace::escape_text(bytes);
            assert!(!escaped || unescape(&text) == bytes, "{text}");
        }
    }

    #[test]
    fn a_budget_is_given_back_with_the_block() {
        let budget = Arc::new(Budget::default());
        let mut block = Block { bytes: vec![0; LOOKAHEAD_BYTES_MAX], ..Block::default() };
        budget.book(&mut block);
        assert!(budget.exhausted() && !budget.wait(std::time::Duration::ZERO));
        drop(block);
        assert!(!budget.exhausted() && budget.wait(std::time::Duration::ZERO));
    }
}
