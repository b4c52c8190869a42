//! How profiles are written: `NAME:UNIT,KEY=VALUE,…`, several segments joined by `+` or on lines of their own, comments after `#`.

use trace::parse_duration;
use trace::rules::nearest;

use super::piece::Stretch;
use super::{PROFILES, ProfileKind, Unit};
use crate::limits::USERS_MAX;

/// What a key's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// A number in the profile's unit.
    Value,
    /// A length of time.
    Time,
}

/// A key that a profile takes.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    name: &'static str,
    measure: Measure,
    needed: bool,
}

/// A value that has to be given.
pub(super) const fn value(name: &'static str) -> Key {
    Key { name, measure: Measure::Value, needed: true }
}

/// A length of time that has to be given, longer than 0.
pub(super) const fn time(name: &'static str) -> Key {
    Key { name, measure: Measure::Time, needed: true }
}

impl Key {
    /// The same, which may be left out.
    pub(super) const fn or_not(self) -> Self {
        Self { needed: false, ..self }
    }

    fn usage(&self) -> String {
        let value = if self.measure == Measure::Time { "T" } else { "V" };
        if self.needed { format!(",{}={value}", self.name) } else { format!("[,{}={value}]", self.name) }
    }
}

/// How a profile is written: `ramp:UNIT,to=V,over=T[,from=V]`.
#[must_use]
pub fn usage(kind: &ProfileKind) -> String {
    let keys: String = if kind.points { ",T=V,T=V,…".to_owned() } else { kind.keys.iter().map(Key::usage).collect() };
    let unit = if kind.name == super::recorded::PROFILE.name { "x" } else { "UNIT" };
    format!("{}:{unit}{keys}", kind.name)
}

/// What stands in one segment.
#[derive(Debug, Default)]
pub(super) struct Given {
    values: Vec<(&'static str, f64)>,
    times: Vec<(&'static str, i64)>,
    /// Points of time, ns, and their values.
    pub points: Vec<(i64, f64)>,
}

impl Given {
    /// A value, or what it is where it was left out.
    pub fn value_or(&self, name: &str, other: f64) -> f64 {
        self.values.iter().find(|(known, _)| *known == name).map_or(other, |(_, value)| *value)
    }

    /// A value that was needed.
    pub fn value(&self, name: &str) -> f64 {
        self.value_or(name, 0.0)
    }

    /// A length of time, ns, where it was given.
    pub fn time(&self, name: &str) -> Option<i64> {
        self.times.iter().find(|(known, _)| *known == name).map(|(_, ns)| *ns)
    }

    /// A length of time that was needed, or is none where it was left out, ns.
    pub fn time_or_none(&self, name: &str) -> i64 {
        self.time(name).unwrap_or(0)
    }

    fn has(&self, name: &str) -> bool {
        self.time(name).is_some() || self.values.iter().any(|(known, _)| *known == name)
    }

    fn add(&mut self, kind: &ProfileKind, unit: Unit, pair: &str) -> Result<(), String> {
        let (name, text) = pair.split_once('=').ok_or_else(|| format!("`{pair}` is not KEY=VALUE: {}", usage(kind)))?;
        let (name, text) = (name.trim(), text.trim());
        if kind.points {
            self.points.push((time_ns(name)?, number(text, unit)?));
            return Ok(());
        }
        let known = || kind.keys.iter().map(|key| key.name).collect::<Vec<_>>();
        let key = kind.keys.iter().find(|key| key.name == name).ok_or_else(|| unknown("key", name, &known()))?;
        if self.has(key.name) {
            return Err(format!("`{name}` is given twice"));
        }
        let of_key = |reason: String| format!("{name}: {reason}");
        match key.measure {
            Measure::Value => self.values.push((key.name, number(text, unit).map_err(of_key)?)),
            Measure::Time => self.times.push((key.name, time_ns(text).map_err(of_key)?)),
        }
        if key.needed && self.time(name) == Some(0) {
            return Err(of_key("wanted a time longer than 0".to_owned()));
        }
        Ok(())
    }
}

/// Says that a word is not known, and what there is: the nearest one, or all.
fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    match nearest(word, known) {
        Some(near) => format!("unknown {what} `{word}`, did you mean `{near}`?"),
        None => format!("unknown {what} `{word}`; known are {}", known.join(", ")),
    }
}

fn number(text: &str, unit: Unit) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| format!("wanted a number, found `{text}`"))?;
    if !(value.is_finite() && value >= 0.0) {
        return Err(format!("wanted a number from 0 on, found `{text}`"));
    }
    match unit {
        Unit::Users if value.fract() != 0.0 => Err(format!("wanted whole users, found `{text}`")),
        Unit::Users if value > USERS_MAX => Err(format!("{text} users are more than the {USERS_MAX} there may be")),
        _ => Ok(value),
    }
}

fn time_ns(text: &str) -> Result<i64, String> {
    // A quarter of what can be counted, so that sums of a few stay numbers.
    let most = i64::MAX / 4;
    i64::try_from(parse_duration(text)?.as_nanos()).ok().filter(|ns| *ns <= most).ok_or_else(|| format!("`{text}` is too long"))
}

/// The segments as they are written, without comments.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let without_comment = |line: &'_ str| line.len().min(line.find('#').unwrap_or(line.len()));
    text.lines()
        .flat_map(move |line| line[..without_comment(line)].split('+'))
        .map(str::trim)
        .filter(|segment| !segment.is_empty())
}

/// The unit, and the stretches of each segment.
pub(super) fn segments(text: &str) -> Result<(Unit, Vec<Vec<Stretch>>), String> {
    let mut units = Vec::new();
    let mut segments = Vec::new();
    for line in lines(text) {
        let (unit, stretches) = segment(line).map_err(|reason| format!("{line}: {reason}"))?;
        units.push(unit);
        segments.push(stretches);
    }
    let Some(first) = units.first() else { return Err(format!("no profile; known are {}", names().join(", "))) };
    match units.iter().find(|unit| *unit != first) {
        Some(other) => {
            Err(format!("one segment is in {}, another in {}; all need the same unit", first.as_str(), other.as_str()))
        }
        None => Ok((*first, segments)),
    }
}

fn names() -> Vec<&'static str> {
    PROFILES.iter().map(|kind| kind.name).collect()
}

fn segment(text: &str) -> Result<(Unit, Vec<Stretch>), String> {
    let mut words = text.split(',');
    let head = words.next().unwrap_or_default();
    let (name, unit) = head.split_once(':').map_or((head, None), |(name, unit)| (name, Some(unit.trim())));
    let kind = kind(name.trim())?;
    let unit = unit_of(kind, unit)?;
    let mut given = Given::default();
    words.filter(|pair| !pair.trim().is_empty()).try_for_each(|pair| given.add(kind, unit, pair))?;
    let missing: Vec<&str> = kind.keys.iter().filter(|key| key.needed && !given.has(key.name)).map(|key| key.name).collect();
    if !missing.is_empty() {
        return Err(format!("{} is missing; written as {}", missing.join(" and "), usage(kind)));
    }
    Ok((unit, (kind.build)(&given)?))
}

fn kind(name: &str) -> Result<&'static ProfileKind, String> {
    PROFILES.iter().find(|kind| kind.name == name).ok_or_else(|| unknown("profile", name, &names()))
}

fn unit_of(kind: &ProfileKind, text: Option<&str>) -> Result<Unit, String> {
    let recorded = kind.name == super::recorded::PROFILE.name;
    let found = text.map(|text| Unit::ALL.into_iter().find(|unit| unit.as_str() == text));
    match (found, text) {
        (Some(Some(Unit::Times)) | None, _) if recorded => Ok(Unit::Times),
        (_, Some(text)) if recorded => Err(format!("recorded is run through in x, not in `{text}`")),
        (Some(Some(unit)), _) => Ok(unit),
        (_, Some(text)) => Err(unknown("unit", text, &Unit::ALL.map(Unit::as_str))),
        (_, None) => Err(format!("the unit is missing: {}:rate (requests per second), :x (of recorded) or :users", kind.name)),
    }
}
