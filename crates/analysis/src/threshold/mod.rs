//! Thresholds: what a run has to hold, such as `p95{operation=GET /items,phase=stress}<20ms`.
//!
//! A threshold is a metric ([`metric`]), the requests it is about ([`Scope`]), and a limit, or two where a value between them is still
//! acceptable: `p95<20ms|50ms`. [`Thresholds::judge`] holds a run against them.

mod file;
mod judge;
pub mod metric;
mod show;

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use trace::{RunInfo, Unit};

pub use self::judge::{Band, Judged};
pub use self::metric::Metric;
pub(crate) use self::show::table_of_runs;
pub use self::show::{section, table, terminal};
use crate::scope::Scope;
use crate::{Error, Result};

/// How a threshold is written, for the sentence that says one was not.
const SHAPE: &str = "write METRIC{collection=NAME,…}<VALUE, for example 'p95<20ms' or 'error_rate{phase=stress}<0.1%'";

/// How a value stands to its limit when all is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Comparator {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
}

impl Comparator {
    /// Longer ones first: `<=` begins with `<`.
    const ALL: [(&'static str, Self); 4] = [("<=", Self::AtMost), (">=", Self::AtLeast), ("<", Self::Below), (">", Self::Above)];

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, one)| *one == self).map_or("", |(text, _)| text)
    }

    /// Whether the value is on the right side of the limit.
    #[must_use]
    pub fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Below => value < limit,
            Self::AtMost => value <= limit,
            Self::Above => value > limit,
            Self::AtLeast => value >= limit,
        }
    }

    /// Whether smaller values are better.
    #[must_use]
    pub fn is_ceiling(self) -> bool {
        matches!(self, Self::Below | Self::AtMost)
    }
}

/// What a run has to hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// What is measured.
    pub metric: Metric,
    /// Of which requests.
    pub scope: Scope,
    /// On which side of the limit it has to be.
    pub comparator: Comparator,
    /// What separates pass from fail, in the metric's unit.
    pub limit: f64,
    /// Where values up to the limit come in two bands: what separates good from acceptable.
    pub good: Option<f64>,
}

impl Threshold {
    /// One with its limit, or with the limits of good and acceptable.
    ///
    /// # Errors
    /// A sentence where good is not the stricter of the two.
    pub fn new(
        metric: Metric,
        scope: Scope,
        comparator: Comparator,
        limit: f64,
        good: Option<f64>,
    ) -> std::result::Result<Self, String> {
        let made = Self { metric, scope, comparator, limit, good };
        let stricter = |good: f64| if comparator.is_ceiling() { good < limit } else { good > limit };
        if good.is_some_and(|good| !stricter(good)) {
            return Err(format!("`{made}`: good has to be stricter than acceptable"));
        }
        Ok(made)
    }

    /// Whether both are about the same figure of the same requests, from the same side.
    #[must_use]
    pub fn is_about_the_same(&self, other: &Self) -> bool {
        self.metric == other.metric && self.scope == other.scope && self.comparator.is_ceiling() == other.comparator.is_ceiling()
    }
}

impl FromStr for Threshold {
    type Err = String;

    /// `METRIC<VALUE`, `METRIC{key=value,…}<=VALUE`, `METRIC>GOOD|ACCEPTABLE`.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let shape = || format!("`{text}` is no threshold; {SHAPE}");
        let name_end = text.find(['{', '<', '>', '=']).ok_or_else(shape)?;
        let (name, rest) = (text[..name_end].trim(), text[name_end..].trim());
        let (scope, rest) = if rest.starts_with('{') {
            Scope::read(rest).map_err(|reason| format!("in `{text}`: {reason}"))?
        } else {
            (Scope::ALL, rest)
        };
        let found = Comparator::ALL.iter().find_map(|(sign, comparator)| Some((*comparator, rest.strip_prefix(sign)?)));
        let (comparator, limits) = found.ok_or_else(shape)?;
        if name.is_empty() || limits.trim().is_empty() {
            return Err(shape());
        }
        let (good, limit) = limits.split_once('|').map_or((None, limits), |(good, limit)| (Some(good), limit));
        let (metric, limit) = Metric::with_limit(name, limit.trim()).map_err(|reason| format!("in `{text}`: {reason}"))?;
        let good = good.map(|good| metric.unit().parse(good.trim())).transpose();
        Self::new(metric, scope, comparator, limit, good.map_err(|reason| format!("in `{text}`: {reason}"))?)
    }
}

/// What [`FromStr`] reads again.
impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.metric, self.scope, self.comparator.as_str())?;
        if let Some(good) = self.good {
            write!(f, "{}|", self.metric.unit().write(good))?;
        }
        f.write_str(&self.metric.unit().write(self.limit))
    }
}

impl Serialize for Threshold {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Several thresholds, no two about the same.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Thresholds(Vec<Threshold>);

impl Thresholds {
    /// All of these.
    ///
    /// # Errors
    /// A sentence that names two about the same.
    pub fn new(all: impl IntoIterator<Item = Threshold>) -> std::result::Result<Self, String> {
        let mut kept = Self::default();
        for threshold in all {
            match kept.0.iter().find(|one| one.is_about_the_same(&threshold)) {
                Some(one) if *one == threshold => return Err(format!("the threshold `{one}` is given twice")),
                Some(one) => return Err(format!("the thresholds `{one}` and `{threshold}` are about the same; leave one out")),
                None => kept.0.push(threshold),
            }
        }
        Ok(kept)
    }

    /// Those that were asked of a run when it was made (`asked.thresholds` of `run.json`).
    ///
    /// # Errors
    /// [`Error::Asked`] where one of them cannot be read.
    pub fn of_run(info: &RunInfo) -> Result<Self> {
        let words = info.asked["thresholds"].as_array().map(Vec::as_slice).unwrap_or_default();
        let words: Vec<&str> = words.iter().map(|word| word.as_str().unwrap_or_default()).collect();
        Self::of_words(&words).map_err(|reason| Error::Asked { option: "run.json, asked.thresholds", reason })
    }

    /// As [`Thresholds::words`] writes them.
    ///
    /// # Errors
    /// A sentence where one of them cannot be read.
    pub fn of_words(words: &[impl AsRef<str>]) -> std::result::Result<Self, String> {
        let read = words.iter().map(|word| word.as_ref().parse());
        Self::new(read.collect::<std::result::Result<Vec<_>, _>>()?)
    }

    /// These, and of the others those that are not about the same as one of these.
    #[must_use]
    pub fn over(mut self, others: Self) -> Self {
        let kept: Vec<Threshold> =
            others.0.into_iter().filter(|other| !self.0.iter().any(|one| one.is_about_the_same(other))).collect();
        self.0.extend(kept);
        self
    }

    /// Refuses what a replay without these options could not measure.
    ///
    /// # Errors
    /// A sentence that names the threshold and the option.
    pub fn check(&self, watches: bool, compares: bool) -> std::result::Result<(), String> {
        let missing = |option: &str| (option == "--probe" && !watches) || (option == "--compare" && !compares);
        let needs = |threshold: &Threshold| if let Metric::Figure(figure) = threshold.metric { figure.needs } else { None };
        match self.iter().find_map(|threshold| Some((threshold, needs(threshold).filter(|option| missing(option))?))) {
            None => Ok(()),
            Some((threshold, option)) => Err(format!("`{threshold}` cannot be measured without {option}")),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Threshold> {
        self.0.iter()
    }

    /// As they are written after `--threshold`.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

/// A value in its unit, as people read it.
pub(crate) fn shown(unit: Unit, value: f64) -> String {
    use crate::units;
    match unit {
        Unit::Share => units::share(value),
        Unit::Ns => units::duration(value),
        Unit::PerS => units::per_s(value),
        Unit::Requests => units::count(value as u64),
        Unit::Bytes => units::bytes(value),
        Unit::Cores => format!("{} cores", units::number(value)),
    }
}

/// An interval in its unit.
pub(crate) fn shown_interval(unit: Unit, low: f64, high: f64) -> String {
    match unit {
        Unit::Ns => crate::units::interval(low, high),
        _ => format!("{} – {}", shown(unit, low), shown(unit, high)),
    }
}

#[cfg(test)]
mod tests;
