//! The first pass over a trace: its sessions, the factor of each, and the figures before anything is done.

use std::collections::HashMap;
use std::path::Path;

use stats::Rng;
use stats::traffic::Traffic;
use trace::{Flag, Kind, Row, TraceReader};

use super::SESSIONS_MAX;
use crate::known::Known;
use crate::{Error, Result};

/// What the first pass reads, besides `at_ns` and `session`.
const COLUMNS: &[&str] = &["kind", "collection", "request_bytes", "response_bytes", "flags"];

/// How many times as much is wanted. Rows fall into classes: 0 for collections without a factor of their own, then one for each that
/// has one, and last the `setup` rows, which go wherever their session goes.
#[derive(Debug, Clone)]
pub struct Factors {
    rest: f64,
    named: Vec<(String, f64)>,
}

impl Factors {
    /// `rest` for every collection that is not in `named`.
    #[must_use]
    pub fn new(rest: f64, named: Vec<(String, f64)>) -> Self {
        Self { rest, named }
    }

    /// Whether collections differ at all.
    #[must_use]
    pub fn by_collection(&self) -> bool {
        !self.named.is_empty()
    }

    /// The largest.
    #[must_use]
    pub fn max(&self) -> f64 {
        self.named.iter().fold(self.rest, |max, (_, factor)| max.max(*factor))
    }

    fn classes(&self) -> usize {
        self.named.len() + 2
    }

    fn setup(&self) -> usize {
        self.named.len() + 1
    }

    fn class(&self, row: &Row<'_>) -> usize {
        if row.flags().has(Flag::Setup) {
            return self.setup();
        }
        self.named.iter().position(|(name, _)| name == row.collection()).map_or(0, |place| place + 1)
    }

    /// Of a class other than the `setup` rows.
    fn of(&self, class: usize) -> f64 {
        if class == 0 { self.rest } else { self.named[class - 1].1 }
    }
}

/// A recorded user, as far as scaling is concerned.
#[derive(Debug, Clone, Copy)]
pub struct Session {
    /// Its first row, ns since trace start.
    pub start_ns: i64,
    /// Its last row.
    pub end_ns: i64,
    /// Of its requests and answers on the wire.
    pub bytes: u64,
    /// Uniform on [0, 1), drawn once: copy k of it exists where k + draw is below the factor.
    pub draw: f64,
}

/// A row on its way to a scaler.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// ns since trace start.
    pub at_ns: i64,
    /// Its session's place in [`Census::sessions`].
    pub rank: usize,
    /// See [`Factors`].
    pub class: usize,
}

/// What the first pass found.
pub struct Census {
    /// In the order of their starts.
    pub sessions: Vec<Session>,
    /// The arrivals as they are.
    pub traffic: Traffic,
    /// The arrivals at 1/factor of their instants.
    pub compressed: Traffic,
    /// How many times as much is wanted.
    pub factors: Factors,
    /// Rows.
    pub exchanges: u64,
    /// The last row, ns since trace start.
    pub span_ns: i64,
    ranks: HashMap<u64, u32>,
    /// Rows by session and class.
    rows: Vec<u32>,
    session_max: u64,
    seed: u64,
}

impl Census {
    /// Reads the trace at `path`.
    ///
    /// # Errors
    /// [`Error::Data`] when it cannot be read; [`Error::Refused`] when it holds no requests or too many sessions, [`Error::Option`]
    /// when it has no such collection.
    pub fn take(path: &Path, factors: Factors, seed: u64) -> Result<Self> {
        let mut census = Self {
            sessions: Vec::new(),
            traffic: Traffic::new(),
            compressed: Traffic::new(),
            factors,
            exchanges: 0,
            span_ns: 0,
            ranks: HashMap::new(),
            rows: Vec::new(),
            session_max: 0,
            seed,
        };
        let mut reader = TraceReader::open_columns(path, Some(COLUMNS))?;
        let mut collections = Known::default();
        while let Some(batch) = reader.next_batch()? {
            for row in batch.rows() {
                census.add(&row)?;
                collections.add(row.collection());
            }
        }
        if census.exchanges == 0 {
            return Err(Error::Refused(format!("{} holds no requests, so there is nothing to scale", path.display())));
        }
        let nowhere = |class: usize| (0..census.sessions.len()).all(|rank| census.rows_of(rank, class) == 0);
        if let Some(class) = (1..census.factors.setup()).find(|class| nowhere(*class)) {
            return Err(collections.refuse("--collection", "collections", &census.factors.named[class - 1].0));
        }
        Ok(census)
    }

    fn add(&mut self, row: &Row<'_>) -> Result<()> {
        self.exchanges += 1;
        let at_ns = row.at().ns();
        self.span_ns = self.span_ns.max(at_ns);
        // What the server sent of its own accord is no arrival.
        if row.kind() != Kind::Push {
            self.traffic.push(at_ns);
            self.compressed.push((at_ns as f64 / self.factors.rest) as i64);
        }
        let rank = self.enter(row.session(), at_ns)?;
        let session = &mut self.sessions[rank];
        session.end_ns = at_ns;
        session.bytes = session.bytes.saturating_add(row.request_bytes()).saturating_add(row.response_bytes());
        self.rows[rank * self.factors.classes() + self.factors.class(row)] += 1;
        Ok(())
    }

    /// The rank of a session, which is new if it has not been seen.
    fn enter(&mut self, number: u64, at_ns: i64) -> Result<usize> {
        if let Some(rank) = self.ranks.get(&number) {
            return Ok(*rank as usize);
        }
        let rank = self.sessions.len();
        if rank >= SESSIONS_MAX {
            let reason = format!(
                "the trace has more than {SESSIONS_MAX} sessions: `rehearsal cut --sample` or --from/--to makes it smaller"
            );
            return Err(Error::Refused(reason));
        }
        self.ranks.insert(number, rank as u32);
        self.session_max = self.session_max.max(number);
        // 32 bits, so that k + draw is exact for every copy k.
        let draw = Rng::substream(self.seed, "session", number).below(1 << 32) as f64 / (1_u64 << 32) as f64;
        self.sessions.push(Session { start_ns: at_ns, end_ns: at_ns, bytes: 0, draw });
        self.rows.resize(self.rows.len() + self.factors.classes(), 0);
        Ok(rank)
    }

    /// The row, with what is known of its session.
    ///
    /// # Errors
    /// [`Error::Refused`] when the trace is no longer the one of the first pass.
    pub fn arrival(&self, row: &Row<'_>) -> Result<Arrival> {
        let changed = || Error::Refused("the trace changed while it was read; run again when nothing writes it".to_owned());
        let rank = *self.ranks.get(&row.session()).ok_or_else(changed)? as usize;
        Ok(Arrival { at_ns: row.at().ns(), rank, class: self.factors.class(row) })
    }

    /// How many times as much is wanted of a session's rows in one class. `setup` rows go with the collection of the largest factor.
    #[must_use]
    pub fn factor(&self, rank: usize, class: usize) -> f64 {
        if class != self.factors.setup() {
            return self.factors.of(class);
        }
        let addressed = (0..class).filter(|class| self.rows_of(rank, *class) > 0).map(|class| self.factors.of(class));
        addressed.reduce(f64::max).unwrap_or(self.factors.rest)
    }

    fn rows_of(&self, rank: usize, class: usize) -> u32 {
        self.rows[rank * self.factors.classes() + class]
    }

    /// How many times as many rows are to be expected in all.
    #[must_use]
    pub fn overall_factor(&self) -> f64 {
        let of_class = |rank, class| f64::from(self.rows_of(rank, class)) * self.factor(rank, class);
        let of_session = |rank| (0..self.factors.classes()).map(|class| of_class(rank, class)).sum::<f64>();
        (0..self.sessions.len()).map(of_session).sum::<f64>() / self.exchanges as f64
    }

    /// Sessions that address collections of different factors: their copies hold only a part of them.
    #[must_use]
    pub fn mixed_sessions(&self) -> u64 {
        let mixed = |rank: &usize| {
            let mut addressed = (0..self.factors.setup()).filter(|class| self.rows_of(*rank, *class) > 0);
            let first = addressed.next().map(|class| self.factors.of(class));
            addressed.any(|class| Some(self.factors.of(class)) != first)
        };
        (0..self.sessions.len()).filter(mixed).count() as u64
    }

    /// Half of the sessions are at most this long, ns.
    #[must_use]
    pub fn median_session_ns(&self) -> i64 {
        let mut lengths: Vec<i64> = self.sessions.iter().map(|session| session.end_ns - session.start_ns).collect();
        let middle = lengths.len() / 2;
        *lengths.select_nth_unstable(middle).1
    }

    /// The number of a session's copy; copy 0 keeps the recorded one, the others follow the largest recorded one.
    #[must_use]
    pub fn number(&self, recorded: u64, rank: usize, copy: u32) -> u64 {
        if copy == 0 { recorded } else { self.session_max + 1 + u64::from(copy - 1) * self.sessions.len() as u64 + rank as u64 }
    }

    /// Refuses what would have more than [`SESSIONS_MAX`] sessions, or numbers past the last one.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub fn check_copies(&self, copies: f64) -> Result<()> {
        let (recorded, copies) = (self.sessions.len() as u64, copies.ceil() as u64);
        let (most, fresh) = (SESSIONS_MAX as u64 / recorded, copies.saturating_sub(1).saturating_mul(recorded));
        if copies > most.max(1) {
            let reason =
                format!("{copies} copies of {recorded} sessions are more than {SESSIONS_MAX}: the largest factor is {most}");
            return Err(Error::Refused(reason));
        }
        if self.session_max.checked_add(fresh).is_none() {
            let reason = format!("copies need session numbers after {}, which a number cannot hold", self.session_max);
            return Err(Error::Refused(reason));
        }
        Ok(())
    }

    fn rank_of_number(&self, number: u64) -> Option<usize> {
        if number <= self.session_max {
            return self.ranks.get(&number).map(|rank| *rank as usize);
        }
        Some(((number - self.session_max - 1) % self.sessions.len() as u64) as usize)
    }

    /// Begins to count the rows of a scaled trace, to see whether its sessions are whole.
    #[must_use]
    pub fn wholeness(&self) -> Wholeness<'_> {
        Wholeness { census: self, places: HashMap::new(), rows: Vec::new() }
    }
}

/// Rows of a scaled trace by session and class.
pub struct Wholeness<'a> {
    census: &'a Census,
    /// Where a session stands in `rows`.
    places: HashMap<u64, u32>,
    rows: Vec<u32>,
}

impl Wholeness<'_> {
    /// One row of the scaled trace.
    pub fn add(&mut self, row: &Row<'_>) {
        let (factors, next) = (&self.census.factors, self.places.len() as u32);
        let place = *self.places.entry(row.session()).or_insert(next);
        if place == next {
            self.rows.resize(self.rows.len() + factors.classes(), 0);
        }
        self.rows[place as usize * factors.classes() + factors.class(row)] += 1;
    }

    /// Sessions of the scaled trace.
    #[must_use]
    pub fn sessions(&self) -> u64 {
        self.places.len() as u64
    }

    /// Sessions that lack some of their rows: of their `setup`, or of a collection they address. With factors for single
    /// collections a copy may leave a whole collection out.
    #[must_use]
    pub fn broken(&self) -> u64 {
        self.places.iter().filter(|(number, place)| !self.whole(**number, **place as usize)).count() as u64
    }

    fn whole(&self, number: u64, place: usize) -> bool {
        let Some(rank) = self.census.rank_of_number(number) else { return false };
        let factors = &self.census.factors;
        let rows = &self.rows[place * factors.classes()..][..factors.classes()];
        rows.iter().enumerate().all(|(class, count)| {
            let may_be_absent = factors.by_collection() && class != factors.setup();
            *count == self.census.rows_of(rank, class) || (may_be_absent && *count == 0)
        })
    }
}
