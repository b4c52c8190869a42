//! A trace of the content of another one, as long and as much of it as is wanted: whole recorded exchanges, in the order of whole
//! recorded sessions, at instants of a model.
//!
//! Fields are never drawn apart from each other, so that what goes together stays together: a long query with its large answer, a
//! search with its collection. Every recorded session is drawn once before any comes twice, so that as many different requests come, and
//! as often again, as in the recording. As many sessions go on at once as recorded, times the factor of the rate; the requests of one
//! are as far apart as recorded on average, and come at instants of the model.
//!
//! Where the model has kinds, a session is drawn for each kind apart, and holds the requests of that kind.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde_json::json;
use stats::Rng;
use stats::daily::Daily;
use stats::fit::Longer;
use trace::{Exchange, Kind, Names, Row, TraceMeta, TraceNs, TraceReader, TraceWriter};

use super::options::check_rate;
use super::times::Times;
use super::{Length, PROGRESS_EVERY, SESSIONS_MAX};
use crate::fit::Fitted;
use crate::{Error, Result};

/// Content held in memory, in bytes. Of more, a part of the sessions is taken.
pub const CONTENT_BYTES_MAX: usize = 512 << 20;

/// What is to be drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Resample {
    /// Where the content comes from.
    pub content: PathBuf,
    /// Where the instants come from.
    pub when: When,
    /// Mean requests per second.
    pub rate_per_s: f64,
    /// How long the trace is.
    pub length: Length,
    /// Where all random choices come from.
    pub seed: u64,
}

/// Where instants come from.
#[derive(Debug, Clone, PartialEq)]
pub enum When {
    /// Out of a fitted model.
    Model {
        /// The model.
        fitted: Box<Fitted>,
        /// How its curve goes on.
        longer: Longer,
    },
    /// Out of a named process.
    Process {
        /// As [`stats::arrivals::open`] reads it.
        arrivals: String,
        /// How the rate changes over the day.
        diurnal: Option<Daily>,
    },
}

/// Writes the trace to `path`. `progress` is told the number of requests written, now and then.
///
/// # Errors
/// [`Error::Option`] when an option cannot be, or when the content lacks what the model asks for; [`Error::Trace`] when the content cannot
/// be read or the file cannot be written.
pub fn resample(path: &Path, options: &Resample, progress: impl FnMut(u64)) -> Result<TraceMeta> {
    resample_within(path, options, CONTENT_BYTES_MAX, progress)
}

fn resample_within(path: &Path, options: &Resample, bytes_max: usize, mut progress: impl FnMut(u64)) -> Result<TraceMeta> {
    let mut times = options.times().map_err(Error::Option)?;
    let content = Content::read(&options.content, bytes_max, |row| options.kind_of(row))?;
    let step = options.step(&content);
    let meta = TraceMeta::made_from(&content.metas, &step);
    let mut pools = options.pools(content)?;
    let mut writer = TraceWriter::create(path)?.keep_origin();
    let (mut requests, mut sessions) = (0, 0);
    while let Some((at, kind)) = times.next().filter(|(at, _)| options.length.goes_on(*at, requests)) {
        for exchange in pools[kind].next(at, &mut sessions) {
            writer.push(&exchange)?;
        }
        requests += 1;
        if requests % PROGRESS_EVERY == 0 {
            progress(requests);
        }
    }
    Ok(writer.finish(meta)?)
}

impl Resample {
    fn times(&self) -> std::result::Result<Times, String> {
        check_rate(self.rate_per_s)?;
        self.length.check()?;
        match &self.when {
            When::Model { fitted, longer } => Times::fitted(fitted, *longer, self.rate_per_s, self.seed),
            When::Process { arrivals, diurnal } => {
                diurnal.as_ref().map_or(Ok(()), Daily::check)?;
                Times::process(arrivals, diurnal.as_ref(), self.rate_per_s, self.seed)
            }
        }
    }

    fn kind_of(&self, row: &Row<'_>) -> Option<usize> {
        match &self.when {
            When::Model { fitted, .. } => fitted.kind_of(row),
            When::Process { .. } => Some(0),
        }
    }

    /// One for each kind of the model.
    fn pools(&self, content: Content) -> Result<Vec<Pool>> {
        let names: Vec<Option<String>> = match &self.when {
            When::Model { fitted, .. } if !fitted.kinds.is_empty() => fitted.kinds.iter().map(|kind| kind.name.clone()).collect(),
            _ => vec![None],
        };
        let times = self.rate_per_s / content.rate_per_s();
        let mut kinds = content.kinds;
        let pool = |(kind, name): (usize, Option<String>)| {
            let sessions = kinds.remove(&kind).unwrap_or_default();
            if sessions.is_empty() {
                let what = name.map_or("requests".to_owned(), |name| format!("requests of `{name}`"));
                let path = self.content.display();
                return Err(Error::Option(format!(
                    "{path} has no {what}, which the model asks for: give the trace it was fitted on, or fit with --by none"
                )));
            }
            let users = (times * content.sampled * users(&sessions, content.span_ns)).round() as usize;
            let users = users.clamp(1, SESSIONS_MAX as usize);
            Ok(Pool::new(sessions, users, Rng::substream(self.seed, "content", kind as u64)))
        };
        names.into_iter().enumerate().map(pool).collect()
    }

    /// What the footer says about it.
    fn step(&self, content: &Content) -> serde_json::Value {
        let when = match &self.when {
            When::Model { fitted, longer } => json!({ "model_of": fitted.trace, "longer": longer, "by": fitted.by }),
            When::Process { arrivals, diurnal } => json!({ "arrivals": arrivals, "diurnal": diurnal }),
        };
        json!({ "resample": {
            "when": when,
            "rate_per_s": self.rate_per_s,
            "length": self.length,
            "seed": self.seed,
            "content_share": 1.0 / content.sampled,
            "left_out": content.left_out,
        }})
    }
}

/// Users who keep the recorded gaps inside sessions: each comes every mean gap, and all together at the recorded rate; 0 where no
/// session has a second request.
fn users(sessions: &[Vec<Exchange>], span_ns: i64) -> f64 {
    let requests = |rows: &[Exchange]| rows.iter().filter(|row| row.kind != Kind::Push).count() as f64;
    let (mut lasting_ns, mut gaps, mut all) = (0.0, 0.0, 0.0);
    for rows in sessions {
        lasting_ns += rows.last().map_or(0, |last| last.at - rows[0].at) as f64;
        (gaps, all) = (gaps + requests(rows) - 1.0, all + requests(rows));
    }
    if gaps > 0.0 { lasting_ns / gaps * all / span_ns as f64 } else { 0.0 }
}

/// The recorded exchanges.
struct Content {
    /// For each kind of request, its part of each session.
    kinds: HashMap<usize, Vec<Vec<Exchange>>>,
    /// One of so many sessions was taken.
    sampled: f64,
    /// Rows of kinds that the model does not know.
    left_out: u64,
    requests: u64,
    span_ns: i64,
    metas: Vec<TraceMeta>,
}

impl Content {
    /// Reads a trace. Where the sessions would not fit, every second one is given up by a hash of its number, as often as needed
    /// (Flajolet 1990, Computing 43): what is left is a fair sample of whole sessions.
    fn read(path: &Path, bytes_max: usize, kind_of: impl Fn(&Row<'_>) -> Option<usize>) -> Result<Self> {
        let mut reader = TraceReader::open(path)?;
        let metas = reader.metas().to_vec();
        let (mut names, mut sessions, mut bytes) = (Names::default(), BTreeMap::<u64, Vec<(usize, Exchange)>>::new(), 0);
        let (mut halvings, mut left_out, mut requests, mut span_ns) = (0_u32, 0, 0, 1);
        let is_kept = |session: u64, halvings: u32| Rng::substream(0, "kept", session).bits().trailing_zeros() >= halvings;
        while let Some(batch) = reader.next_batch()? {
            for row in batch.rows() {
                (requests, span_ns) = (requests + u64::from(row.kind() != Kind::Push), row.at().ns().max(1));
                let Some(kind) = kind_of(&row) else {
                    left_out += 1;
                    continue;
                };
                if is_kept(row.session(), halvings) {
                    let exchange = row.to_exchange(&mut names);
                    bytes += exchange.weight_bytes();
                    sessions.entry(exchange.session).or_default().push((kind, exchange));
                }
                while bytes > bytes_max {
                    halvings += 1;
                    sessions.retain(|session, _| is_kept(*session, halvings));
                    bytes = sessions.values().flatten().map(|(_, exchange)| exchange.weight_bytes()).sum();
                }
            }
        }
        if sessions.is_empty() && halvings > 0 {
            let (path, limit) = (path.display(), bytes_max >> 20);
            return Err(Error::Option(format!(
                "{path} has sessions of more than {limit} MiB, too large to draw from: `rehearsal cut` a part out of it"
            )));
        }
        let sampled = 2.0_f64.powi(halvings.cast_signed());
        Ok(Self { kinds: by_kind(sessions), sampled, left_out, requests, span_ns, metas })
    }

    fn rate_per_s(&self) -> f64 {
        self.requests.max(1) as f64 * 1e9 / self.span_ns as f64
    }
}

/// Each kind's part of each session, in order. What the server sent before the first request of a part is left out.
fn by_kind(sessions: BTreeMap<u64, Vec<(usize, Exchange)>>) -> HashMap<usize, Vec<Vec<Exchange>>> {
    let mut kinds: HashMap<usize, Vec<Vec<Exchange>>> = HashMap::new();
    for rows in sessions.into_values() {
        let mut parts: BTreeMap<usize, Vec<Exchange>> = BTreeMap::new();
        for (kind, exchange) in rows {
            let is_first = !parts.contains_key(&kind);
            if exchange.kind != Kind::Push || !is_first {
                parts.entry(kind).or_default().push(exchange);
            }
        }
        parts.into_iter().for_each(|(kind, part)| kinds.entry(kind).or_default().push(part));
    }
    kinds
}

/// Sessions of one kind of request, drawn and gone through by so many users at once.
struct Pool {
    sessions: Vec<Vec<Exchange>>,
    /// Sessions that are left of this pass through them, in the order of a draw; the next one last.
    left: Vec<usize>,
    passes: u32,
    users: Vec<User>,
    rng: Rng,
}

/// Where a user is in a session.
#[derive(Debug, Clone, Copy, Default)]
struct User {
    session: usize,
    /// The next row; 0 where a session is still to be drawn.
    next: usize,
    number: u64,
    copy: u32,
}

impl Pool {
    fn new(sessions: Vec<Vec<Exchange>>, users: usize, rng: Rng) -> Self {
        Self { sessions, left: Vec::new(), passes: 0, users: vec![User::default(); users], rng }
    }

    /// A request at `at`, with what the server sent after it: the next one of a random user, who takes another session when one has
    /// ended. `numbers` is how many sessions there are so far.
    fn next(&mut self, at: TraceNs, numbers: &mut u64) -> Vec<Exchange> {
        let place = self.rng.below(self.users.len() as u64) as usize;
        if self.users[place].next == 0 {
            let session = self.draw();
            self.users[place] = User { session, next: 0, number: *numbers, copy: self.passes - 1 };
            *numbers += 1;
        }
        let user = &mut self.users[place];
        let rows = &self.sessions[user.session][user.next..];
        let pushes = rows.iter().skip(1).take_while(|row| row.kind == Kind::Push).count();
        let drawn = (user.next..).zip(&rows[..=pushes]).map(|(seq, row)| user.placed(row, at, seq as u32)).collect();
        user.next = if pushes + 1 < rows.len() { user.next + pushes + 1 } else { 0 };
        drawn
    }

    /// The next session of a pass through all, in random order.
    fn draw(&mut self) -> usize {
        if self.left.is_empty() {
            self.left = (0..self.sessions.len()).collect();
            self.passes += 1;
            // Fisher and Yates' shuffle.
            for i in (1..self.left.len()).rev() {
                self.left.swap(i, self.rng.below(i as u64 + 1) as usize);
            }
        }
        self.left.pop().unwrap_or(0)
    }
}

impl User {
    /// The row as it stands in the output. Another copy's unit of work is another one: its id is marked with the copy.
    fn placed(&self, row: &Exchange, at: TraceNs, seq: u32) -> Exchange {
        let mut placed = Exchange { at, session: self.number, seq, origin: row.id, copy: self.copy, ..row.clone() };
        if self.copy > 0
            && let Some(txn) = &mut placed.txn
        {
            txn.id = format!("{}#{}", txn.id, self.copy).into();
        }
        placed
    }
}

#[cfg(test)]
mod tests;
