//! A history: the figures of many runs in the order in which they were made, and where their level changed.
//!
//! Runs are of one history when they replayed the same trace in the same way against the same target; others are told apart. Within a
//! history each figure is searched for change points by itself ([`stats::changepoint`]).

mod csv;
mod figure;
mod folder;
mod show;

use std::path::Path;

use serde::Serialize;
use stats::changepoint::{self, Settings};
use stats::compare::Worse;

use crate::{Error, Result};

pub use figure::{FIGURES, Figure, Unit};
pub use folder::KEYS;

/// Points a history needs before a change can be told: the shortest segment on either side.
pub const POINTS_MIN: usize = 2 * Settings::DEFAULT.segment_min;
/// A change for the worse counts as news while it is among so many of the newest points.
pub const RECENT: usize = 10;

/// What is asked of a history.
#[derive(Debug, Clone)]
pub struct HistoryOptions {
    /// Names of figures, of [`FIGURES`] or columns of a table; empty for those that are usually looked at.
    pub figures: Vec<String>,
    /// What tells histories apart: names of [`KEYS`], or columns of a table; empty for trace, load and target.
    pub by: Vec<String>,
    /// The column of a table that says when; empty for the first.
    pub time: String,
    /// Whether a table's figures are better when they are higher.
    pub higher_is_better: bool,
    /// How changes are searched for.
    pub settings: Settings,
    /// A change for the worse counts as news while it is among so many of the newest points.
    pub recent: usize,
}

impl Default for HistoryOptions {
    fn default() -> Self {
        let (figures, by, time) = (Vec::new(), Vec::new(), String::new());
        Self { figures, by, time, higher_is_better: false, settings: Settings::DEFAULT, recent: RECENT }
    }
}

/// Everything that was made, by history.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct History {
    /// The folder or table.
    pub source: String,
    /// Those with the most points first.
    pub lines: Vec<Line>,
    /// What belongs to no history, and why.
    pub left_out: Vec<LeftOut>,
    /// How many of the newest points are news.
    pub recent: usize,
}

/// What belongs to no history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Its folder, or a line of the table.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// Points that can be compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// What they share: name and value.
    pub shared: Shared,
    /// In the order in which they were made.
    pub points: Vec<Point>,
    /// Their figures.
    pub trends: Vec<Trend>,
}

/// One run, or one line of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Point {
    /// When it was made.
    pub when: String,
    /// Its folder, or what the line says of itself.
    pub name: String,
    /// What was noted about it, when it was made and in its report.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One figure of a history.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trend {
    /// Which.
    pub figure: Figure,
    /// Places of the points that have it, and their values.
    pub values: Vec<(usize, f64)>,
    /// Where its level changed, in order.
    pub changes: Vec<Change>,
    /// Why nothing can be said, where that is so.
    pub insufficient: Option<String>,
}

/// A change of a figure's level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Place of the first point at the new level.
    pub point: usize,
    /// Mean before it (geometric where all values are above 0 and logarithms are taken).
    pub before: f64,
    /// Mean after it, up to the next change.
    pub after: f64,
    /// Two-sided p of the difference.
    pub p: f64,
    /// Whether it is for the worse.
    pub worse: bool,
    /// Whether it is among the newest points.
    pub recent: bool,
}

impl Change {
    /// after / before − 1; `None` where that was 0.
    #[must_use]
    pub fn relative(&self) -> Option<f64> {
        (self.before != 0.0).then(|| self.after / self.before - 1.0)
    }
}

/// Name and value of everything that the points of a history share.
pub type Shared = Vec<(String, String)>;

/// What histories are made from: one run or line, before it is sorted into one.
struct Entry {
    /// What orders it; lines of a table stay in their order.
    order: (i64, usize),
    shared: Shared,
    point: Point,
    values: Vec<Option<f64>>,
}

impl History {
    /// The history of the runs below a folder, or of a table's lines.
    ///
    /// # Errors
    /// [`Error::Trace`] when `path` cannot be read, [`Error::Empty`] when it holds nothing to look at, [`Error::Asked`] for a figure or key
    /// that there is not.
    pub fn of(path: &Path, options: &HistoryOptions) -> Result<Self> {
        let (figures, entries, left_out) = if path.is_dir() { folder::read(path, options)? } else { csv::read(path, options)? };
        let mut lines = sorted(entries, &figures, options);
        lines.sort_by_key(|line| std::cmp::Reverse(line.points.len()));
        Ok(Self { source: path.display().to_string(), lines, left_out, recent: options.recent })
    }

    /// Changes for the worse that are the last of their figure and among the newest points.
    pub fn news(&self) -> impl Iterator<Item = (&Line, &Trend, &Change)> {
        self.lines.iter().flat_map(|line| line.trends.iter().map(move |trend| (line, trend))).filter_map(|(line, trend)| {
            let last = trend.changes.last().filter(|change| change.worse && change.recent)?;
            Some((line, trend, last))
        })
    }

    /// Whether any figure of any history has points enough.
    #[must_use]
    pub fn says_something(&self) -> bool {
        self.lines.iter().flat_map(|line| &line.trends).any(|trend| trend.insufficient.is_none())
    }
}

/// Entries by what they share, each history in order and searched.
fn sorted(mut entries: Vec<Entry>, figures: &[Figure], options: &HistoryOptions) -> Vec<Line> {
    entries.sort_by_key(|entry| entry.order);
    let mut groups: Vec<(Shared, Vec<Entry>)> = Vec::new();
    for entry in entries {
        match groups.iter_mut().find(|(shared, _)| *shared == entry.shared) {
            Some((_, group)) => group.push(entry),
            None => groups.push((entry.shared.clone(), vec![entry])),
        }
    }
    let line = |(shared, entries): (Shared, Vec<Entry>)| {
        let trend = |(place, figure): (usize, &Figure)| {
            let values = entries.iter().enumerate().filter_map(|(point, entry)| Some((point, entry.values[place]?))).collect();
            Trend::new(figure.clone(), values, entries.len(), options)
        };
        let trends: Vec<Trend> = figures.iter().enumerate().map(trend).filter(|trend| !trend.values.is_empty()).collect();
        Line { shared, trends, points: entries.into_iter().map(|entry| entry.point).collect() }
    };
    groups.into_iter().map(line).collect()
}

impl Trend {
    fn new(figure: Figure, values: Vec<(usize, f64)>, points: usize, options: &HistoryOptions) -> Self {
        let mut settings = options.settings;
        // A share of failures may be 0: its changes are differences, not factors.
        settings.logarithms &= values.iter().all(|(_, value)| *value > 0.0);
        let history: Vec<f64> = values.iter().map(|(_, value)| *value).collect();
        let least = 2 * settings.segment_min.max(1);
        let insufficient =
            (history.len() < least).then(|| format!("{} of {least} points that a change can be told from", history.len()));
        let found = changepoint::change_points(&history, &settings);
        let (found, refused) = found.map_or_else(|refusal| (Vec::new(), Some(refusal.to_string())), |found| (found, None));
        let change = |one: &changepoint::ChangePoint| Change {
            point: values[one.index].0,
            before: one.before,
            after: one.after,
            p: one.p,
            worse: (one.after > one.before) == (figure.worse == Worse::Higher),
            recent: values[one.index].0 + options.recent >= points,
        };
        let changes = found.iter().map(change).collect();
        Self { insufficient: insufficient.or(refused), changes, figure, values }
    }
}

/// That a name is none of those there are, with the nearest of them.
fn unknown(option: &'static str, name: &str, known: &[&str]) -> Error {
    let meant = trace::rules::nearest(name, known).map_or(String::new(), |name| format!("; did you mean `{name}`?"));
    Error::Asked { option, reason: format!("there is no `{name}`, there are {}{meant}", known.join(", ")) }
}

#[cfg(test)]
mod tests;
