//! Which rows of a trace are replayed, as whose and at which recorded instants. The survey before a run and the reader during it both
//! see the trace through here, so they always agree.
//!
//! What is asked is done in this order: window and filters; the first so many sessions; the first so many requests; long idle gaps
//! shortened; all of it over again. An unfiltered trace keeps its instants, so that ×1 stays the identity; the first request of a
//! selection falls on 0.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use trace::{Batch, Row, TraceNs, TraceReader, whole_ns};

use crate::cut::{COLUMNS, Selection, Tally};
use crate::limits::SESSIONS_MAX;
use crate::{Error, Result};

/// The period of a looped trace whose requests all lie at one instant, so that it has no gap of its own.
const LONELY_PERIOD_NS: i64 = 1_000_000_000;
/// Looped traces end here, about 73 years after their start: instants beyond could not be slowed down and stay numbers.
const LOOPED_SPAN_NS_MAX: i64 = i64::MAX / 4;

/// How often the content is replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passes {
    /// So often, at least once.
    Times(u64),
    /// Until something else ends the run.
    Forever,
}

impl Default for Passes {
    fn default() -> Self {
        Self::Times(1)
    }
}

impl FromStr for Passes {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match (text, text.parse()) {
            ("forever", _) => Ok(Self::Forever),
            (_, Ok(times)) if times > 0 => Ok(Self::Times(times)),
            _ => Err("write how often, such as 3, or `forever`".to_owned()),
        }
    }
}

impl Serialize for Passes {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Times(times) => serializer.serialize_u64(*times),
            Self::Forever => serializer.serialize_str("forever"),
        }
    }
}

/// Which part of a trace is asked for. The default is all of it, once.
#[derive(Debug, Clone, Default)]
pub struct ContentOptions {
    /// Window of trace time and filters. `setup` rows of a session with wanted rows come along, those from before at the window's start.
    pub selection: Selection,
    /// Only the first so many sessions that have wanted rows.
    pub sessions: Option<u64>,
    /// Only the first so many requests of each pass.
    pub requests: Option<u64>,
    /// Idle gaps of the whole content longer than this are shortened to it, and all that follows moves up.
    pub gap_max: Option<Duration>,
    /// How often.
    pub passes: Passes,
}

impl ContentOptions {
    /// Refuses values that make no sense.
    ///
    /// # Errors
    /// [`Error::Option`] for the first of them.
    pub fn check(&self) -> Result<()> {
        self.selection.check()?;
        if self.requests == Some(0) {
            return Err(Error::option("--requests", "wanted a number above 0"));
        }
        if self.sessions.is_some_and(|sessions| sessions == 0 || sessions > SESSIONS_MAX as u64) {
            return Err(Error::option("--sessions", format!("wanted a number from 1 to {SESSIONS_MAX}")));
        }
        Ok(())
    }

    /// What `run.json` says of it.
    #[must_use]
    pub fn describe(&self) -> Value {
        let mut described = self.selection.describe();
        described["sessions"] = json!(self.sessions);
        described["requests"] = json!(self.requests);
        described["max_gap_ns"] = json!(self.gap_max.map(whole_ns));
        described["passes"] = json!(self.passes);
        described
    }

    fn selects(&self) -> bool {
        self.selection.selects() || self.sessions.is_some()
    }
}

/// Where a row stands in the content, instead of what the row itself says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its instant, never before that of the row before it. ns since the content's start.
    pub at: TraceNs,
    /// Its session; every pass has its own.
    pub session: u64,
    /// Which copy; (id, copy) is unique over all passes.
    pub copy: u32,
}

/// What one look at the content found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    /// Rows.
    pub requests: u64,
    /// Instant of the last one, ns.
    pub span_ns: i64,
    /// Rows of the whole trace, wanted or not.
    pub trace_requests: u64,
    /// `setup` rows left out since there were too many sessions to remember which are wanted.
    pub setup_forgotten: u64,
    session_max: u64,
    copy_max: u32,
}

/// How passes follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cycle {
    /// At most.
    passes: u64,
    /// From the start of one to the start of the next.
    period_ns: i64,
    /// Added to session and copy numbers for each pass before.
    sessions: u64,
    copies: u32,
}

impl Cycle {
    /// The number of passes is such that none of this passes what a number can hold.
    fn moved(&self, place: Place, pass: u64) -> Place {
        Place {
            at: place.at + pass as i64 * self.period_ns,
            session: place.session + pass * self.sessions,
            copy: place.copy + pass as u32 * self.copies,
        }
    }
}

const ONCE: Cycle = Cycle { passes: 1, period_ns: 0, sessions: 0, copies: 0 };

/// The sessions that have wanted rows.
#[derive(Debug, Default)]
struct Sessions {
    numbers: HashSet<u64>,
    /// Whether other sessions are left out; otherwise they were too many to remember.
    only: bool,
}

/// The chosen part of a trace. Cheap to clone, read as often as needed.
#[derive(Debug, Clone)]
pub struct Content {
    path: PathBuf,
    asked: ContentOptions,
    /// `None` where no row was chosen by itself.
    sessions: Option<Arc<Sessions>>,
    cycle: Cycle,
}

impl Content {
    /// One pass over what is asked of the trace at `path`. Where rows are chosen, this looks through the trace for their sessions.
    ///
    /// # Errors
    /// [`Error::Option`] for values that make no sense or match nothing, with what there is; [`Error::Refused`] when nothing is left;
    /// [`Error::Data`] when the trace cannot be read.
    pub fn choose(path: &Path, asked: &ContentOptions) -> Result<Self> {
        asked.check()?;
        let sessions = asked.selects().then(|| Sessions::of(path, asked)).transpose()?;
        Ok(Self { path: path.to_owned(), asked: asked.clone(), sessions: sessions.map(Arc::new), cycle: ONCE })
    }

    /// As many passes as asked for, of a content of this extent. The next one starts a mean gap after the last request of the one before.
    ///
    /// # Errors
    /// [`Error::Option`] when that is more than copies, sessions or instants can be numbered.
    pub fn repeated(mut self, extent: &Extent) -> Result<Self> {
        if self.asked.passes == Passes::Times(1) || extent.requests == 0 {
            return Ok(self);
        }
        let gaps = i64::try_from(extent.requests - 1).unwrap_or(i64::MAX);
        let alone = gaps == 0 || extent.span_ns == 0;
        let period_ns = if alone { LONELY_PERIOD_NS } else { extent.span_ns + (extent.span_ns / gaps).max(1) };
        let by_session = extent.session_max.checked_add(1).map_or(1, |sessions| u64::MAX / sessions);
        let by_copy = extent.copy_max.checked_add(1).map_or(1, |copies| u64::from(u32::MAX / copies));
        let most = by_session.min(by_copy).min(LOOPED_SPAN_NS_MAX.unsigned_abs() / period_ns.unsigned_abs()).max(1);
        let passes = match self.asked.passes {
            Passes::Forever => most,
            Passes::Times(times) if times <= most => times,
            Passes::Times(_) => return Err(Error::option("--loop", format!("this trace can be looped {most} times at most"))),
        };
        let (sessions, copies) = (extent.session_max.saturating_add(1), extent.copy_max.saturating_add(1));
        self.cycle = Cycle { passes, period_ns, sessions, copies };
        Ok(self)
    }

    /// For tests of what needs nothing of it.
    #[cfg(test)]
    pub(crate) fn of_nothing() -> Self {
        Self { path: PathBuf::new(), asked: ContentOptions::default(), sessions: None, cycle: ONCE }
    }

    /// The same, once.
    #[must_use]
    pub fn once(&self) -> Self {
        Self { cycle: ONCE, ..self.clone() }
    }

    /// Moves a row of the first pass to another one.
    #[must_use]
    pub fn moved(&self, place: Place, pass: u64) -> Place {
        self.cycle.moved(place, pass)
    }

    /// How often it can be replayed.
    #[must_use]
    pub fn passes_max(&self) -> u64 {
        self.cycle.passes
    }

    /// How often it is replayed; `None` where only something else ends the run.
    #[must_use]
    pub fn passes(&self) -> Option<u64> {
        (self.asked.passes != Passes::Forever).then_some(self.cycle.passes)
    }

    /// From the start of one pass to the start of the next, ns; `None` where there is one only.
    #[must_use]
    pub fn period_ns(&self) -> Option<i64> {
        (self.cycle.passes > 1).then_some(self.cycle.period_ns)
    }

    /// Gives every row to `take`, with its place, until that says false. Only the named columns are read, besides those it looks at
    /// itself; a trace of one batch is read once for all passes.
    ///
    /// # Errors
    /// [`Error::Data`] when the trace cannot be read.
    pub fn each(&self, columns: &[&'static str], mut take: impl FnMut(&Row<'_>, Place) -> bool) -> Result<Extent> {
        let mut columns = [columns, &["copy"]].concat();
        if self.asked.selects() {
            columns.extend(COLUMNS);
        }
        let mut extent = Extent::default();
        let mut whole: Option<Batch> = None;
        for number in 0..self.cycle.passes {
            let mut pass = Pass::new(self, number);
            match &whole {
                Some(batch) => pass.go_over(batch, &mut extent, &mut take),
                None => {
                    let mut reader = TraceReader::open_columns(&self.path, Some(&columns))?;
                    extent.trace_requests = reader.exchanges();
                    while pass.goes_on
                        && let Some(batch) = reader.next_batch()?
                    {
                        pass.go_over(&batch, &mut extent, &mut take);
                        whole = (batch.len() as u64 == extent.trace_requests).then_some(batch);
                    }
                }
            }
            if pass.refused {
                break;
            }
        }
        Ok(extent)
    }

    /// When a row stands in the content, before gaps are shortened; `None` where it is left out.
    fn instant(&self, row: &Row<'_>, extent: &mut Extent) -> Option<TraceNs> {
        let Some(sessions) = &self.sessions else { return Some(row.at()) };
        let (at, carried) = self.asked.selection.place(row, row.at())?;
        let known = sessions.numbers.contains(&row.session());
        extent.setup_forgotten += u64::from(carried && !known && !sessions.only);
        (known || !carried && !sessions.only).then_some(at)
    }
}

impl Sessions {
    fn of(path: &Path, asked: &ContentOptions) -> Result<Self> {
        let mut reader = TraceReader::open_columns(path, Some(COLUMNS))?;
        let mut tally = Tally::new(&asked.selection);
        let (mut numbers, mut full, mut end) = (HashSet::new(), false, TraceNs(0));
        let most = asked.sessions.map_or(SESSIONS_MAX, |sessions| sessions as usize);
        while let Some(batch) = reader.next_batch()? {
            for row in batch.rows() {
                end = row.at();
                let wanted = tally.takes(&row) && asked.selection.in_window(end);
                if wanted && !numbers.contains(&row.session()) {
                    full = numbers.len() == most || !numbers.insert(row.session());
                }
            }
        }
        tally.check()?;
        if numbers.is_empty() && reader.exchanges() > 0 {
            return Err(asked.selection.nothing(end));
        }
        Ok(Self { numbers, only: asked.sessions.is_some() || !full })
    }
}

/// One pass under way.
struct Pass<'a> {
    content: &'a Content,
    number: u64,
    /// What is taken off the instants: what lies before the first one, and what long gaps were shortened by.
    taken_off_ns: i64,
    last: Option<TraceNs>,
    requests: u64,
    goes_on: bool,
    /// Whether nobody wants more.
    refused: bool,
}

impl<'a> Pass<'a> {
    fn new(content: &'a Content, number: u64) -> Self {
        Self { content, number, taken_off_ns: 0, last: None, requests: 0, goes_on: true, refused: false }
    }

    fn go_over(&mut self, batch: &Batch, extent: &mut Extent, take: &mut impl FnMut(&Row<'_>, Place) -> bool) {
        let asked = &self.content.asked;
        for row in batch.rows() {
            let full = asked.requests.is_some_and(|most| self.requests >= most);
            if full || !asked.selection.before_end(row.at()) {
                self.goes_on = false;
                return;
            }
            let Some(at) = self.content.instant(&row, extent) else { continue };
            let place = self.place(&row, at);
            extent.requests += 1;
            extent.span_ns = place.at.ns();
            extent.session_max = extent.session_max.max(row.session());
            extent.copy_max = extent.copy_max.max(row.copy());
            if !take(&row, place) {
                (self.goes_on, self.refused) = (false, true);
                return;
            }
        }
    }

    fn place(&mut self, row: &Row<'_>, at: TraceNs) -> Place {
        let Content { asked, cycle, .. } = self.content;
        match (self.last, asked.gap_max) {
            (None, _) if asked.selects() => self.taken_off_ns = at.ns(),
            (Some(last), Some(gap_max)) => self.taken_off_ns += (at - last - whole_ns(gap_max)).max(0),
            _ => {}
        }
        self.last = Some(at);
        self.requests += 1;
        cycle.moved(Place { at: at + -self.taken_off_ns, session: row.session(), copy: row.copy() }, self.number)
    }
}
