//! Requests told apart by what they are and where they went: counts and exact percentiles of each group, in one pass over the outcomes.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;

use serde::ser::{Serialize, SerializeMap, Serializer};
use trace::{OutcomeColumns, OutcomeReader};

use crate::cores::on_all_cores;
use crate::distribution::Distribution;
use crate::latency::{GROUPS_MAX, OTHER};
use crate::load::Condition;
use crate::scope;
use crate::{Result, Run};

/// Up to so many combinations of names of one row group are numbered by a table.
const TABLE_CELLS_MAX: usize = 1 << 16;

/// A duration that a request can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// From the due instant to the last byte of the answer.
    Response,
    /// From the send to the last byte of the answer.
    Service,
    /// How long connecting took, of the requests that had to.
    Connect,
}

impl Measure {
    /// Its name in files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Response => "response",
            Self::Service => "service",
            Self::Connect => "connect",
        }
    }

    /// The columns of the outcomes that it needs.
    pub(crate) const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Response => &["due_ns", "done_ns", "sent_ns", "error"],
            Self::Service => &["sent_ns", "done_ns", "error"],
            Self::Connect => &["connect_ns"],
        }
    }

    /// Which rows have it, and how long it is in these, ns.
    pub(crate) fn read(self, columns: &OutcomeColumns) -> (Vec<bool>, Vec<i64>) {
        let since = |from: &str| {
            let (from, done) = (columns.numbers(from).iter(), columns.numbers("done_ns").iter());
            from.zip(done).map(|(from, done)| done.wrapping_sub(*from)).collect()
        };
        match self {
            Self::Response => (columns.answered(), since("due_ns")),
            Self::Service => (columns.answered(), since("sent_ns")),
            Self::Connect => (columns.has("connect_ns"), columns.numbers("connect_ns").to_vec()),
        }
    }
}

/// All requests that have the same names.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// A name for each word that requests are told apart by; empty where a request has none.
    pub names: Vec<String>,
    /// Requests due.
    pub requests: u64,
    /// Good answers.
    pub ok: u64,
    /// One for each measure asked for.
    pub times: Vec<Distribution>,
}

/// A run's requests by group, the most frequent group first, ties in alphabetical order.
#[derive(Debug, Clone, PartialEq)]
pub struct Breakdown {
    /// The words they are told apart by.
    pub by: Vec<&'static str>,
    /// Outcomes in the run's files, whether or not they are looked at.
    pub outcomes: u64,
    /// What is measured.
    pub measures: Vec<Measure>,
    /// At most [`GROUPS_MAX`], and one called `other` for all beyond.
    pub groups: Vec<Group>,
}

impl Breakdown {
    /// Reads the run once, on all cores.
    ///
    /// # Errors
    /// [`crate::Error::Trace`] when a part is damaged.
    ///
    /// # Panics
    /// When `by` holds a word that no [`crate::scope::Scope`] knows.
    pub fn load(run: &Run, by: &[&'static str], measures: &[Measure]) -> Result<Self> {
        Self::of_up_to(GROUPS_MAX, run, by, measures)
    }

    /// The same with another limit than [`GROUPS_MAX`].
    pub(crate) fn of_up_to(groups_max: usize, run: &Run, by: &[&'static str], measures: &[Measure]) -> Result<Self> {
        let (outcomes, pieces) = read(run, by, measures)?;
        let groups = measure_all(gather(&pieces, by.len(), measures.len(), groups_max));
        Ok(Self { by: by.to_vec(), outcomes, measures: measures.to_vec(), groups })
    }
}

/// What `of` makes of each measure, given its values in the order they were observed, in consecutive parts: all requests of a run as one group.
///
/// # Errors
/// [`crate::Error::Trace`] when a part is damaged.
pub(crate) fn of_all<T: Send>(run: &Run, measures: &[Measure], of: impl Fn(&[&[i64]]) -> T + Sync) -> Result<Vec<T>> {
    let (_, pieces) = read(run, &[], measures)?;
    let groups = gather(&pieces, 0, measures.len(), 1);
    let values = |measure: usize| groups.iter().flat_map(move |group| group.values_ns[measure].iter().map(|(_, values)| *values));
    Ok(on_all_cores(measures.len(), |measure| of(&values(measure).collect::<Vec<_>>())))
}

/// How many outcomes there are in a run's files, and what each of their row groups holds, read on all cores.
fn read(run: &Run, by: &[&'static str], measures: &[Measure]) -> Result<(u64, Vec<Piece>)> {
    let column = |word: &&str| scope::WORDS.iter().find(|(name, _)| name == word).expect("a word of a scope").1;
    let by_columns: Vec<&str> = by.iter().map(column).collect();
    let conditions = run.conditions();
    let wanted = [&["ok"][..], &by_columns].concat();
    let wanted = wanted.into_iter().chain(conditions.iter().map(|condition| condition.column));
    let mut wanted: Vec<&str> = wanted.chain(measures.iter().flat_map(|measure| measure.columns().iter().copied())).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let reader = run.columns(&wanted)?;
    let piece = |number| Piece::read(&reader, number, &by_columns, &conditions, measures);
    let pieces = on_all_cores(reader.groups(), piece).into_iter().collect::<Result<Vec<Piece>>>()?;
    Ok((reader.rows(), pieces))
}

/// An array of objects: the names by their words, counts, and a distribution for each measure.
impl Serialize for Breakdown {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_seq(self.groups.iter().map(|group| Row { of: self, group }))
    }
}

struct Row<'a> {
    of: &'a Breakdown,
    group: &'a Group,
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let Self { of, group } = self;
        let mut map = serializer.serialize_map(None)?;
        of.by.iter().zip(&group.names).try_for_each(|(word, name)| map.serialize_entry(word, name))?;
        map.serialize_entry("requests", &group.requests)?;
        map.serialize_entry("ok", &group.ok)?;
        of.measures.iter().zip(&group.times).try_for_each(|(measure, times)| map.serialize_entry(measure.as_str(), times))?;
        map.end()
    }
}

/// One row group of the outcomes, its values sorted by group; inside a group they keep their order.
struct Piece {
    groups: Vec<Part>,
    /// By measure.
    values_ns: Vec<Vec<i64>>,
}

/// What a row group holds of one group.
struct Part {
    names: Vec<String>,
    requests: u64,
    ok: u64,
    /// Where its values are, by measure.
    ranges: Vec<Range<usize>>,
}

impl Piece {
    fn read(
        reader: &OutcomeReader,
        number: usize,
        by: &[&str],
        conditions: &[Condition<'_>],
        measures: &[Measure],
    ) -> Result<Self> {
        let columns = reader.read(number)?;
        let (mut numbers, names) = number_rows(&columns, by);
        conditions.iter().for_each(|condition| leave_out(&columns, condition, &mut numbers, names.len()));
        let part = |names| Part { names, requests: 0, ok: 0, ranges: Vec::new() };
        // The last part holds the rows that are left out.
        let mut groups: Vec<Part> = names.into_iter().chain([Vec::new()]).map(part).collect();
        for (number, ok) in numbers.iter().zip(columns.truths("ok")) {
            groups[*number].requests += 1;
            groups[*number].ok += u64::from(ok);
        }
        let values_ns = measures.iter().map(|measure| sort_by_group(&mut groups, &numbers, &measure.read(&columns))).collect();
        groups.pop();
        Ok(Self { groups, values_ns })
    }
}

/// A number for each row, the same for the same names, and the names of each number.
fn number_rows(columns: &OutcomeColumns, by: &[&str]) -> (Vec<usize>, Vec<Vec<String>>) {
    let mut numbers = vec![0; columns.rows()];
    let mut names = vec![Vec::new()];
    for column in by {
        let column = columns.names(column);
        let width = column.texts.len() + 1;
        let mut seen = Seen::new(names.len() * width);
        let mut pairs = Vec::new();
        for (number, name) in numbers.iter_mut().zip(column.numbers()) {
            let next = pairs.len();
            let found = seen.entry(*number * width + name);
            if *found == Seen::NOT_YET {
                *found = next;
                pairs.push((*number, name));
            }
            *number = *found;
        }
        let name = |number: usize| column.texts.get(number).copied().unwrap_or_default().to_owned();
        let longer = |(before, last): (usize, usize)| [names[before].as_slice(), &[name(last)]].concat();
        names = pairs.into_iter().map(longer).collect();
    }
    (numbers, names)
}

/// Numbers given to cells of a table so far.
enum Seen {
    Table(Vec<usize>),
    Map(HashMap<usize, usize>),
}

impl Seen {
    const NOT_YET: usize = usize::MAX;

    fn new(cells: usize) -> Self {
        if cells <= TABLE_CELLS_MAX { Self::Table(vec![Self::NOT_YET; cells]) } else { Self::Map(HashMap::new()) }
    }

    fn entry(&mut self, cell: usize) -> &mut usize {
        match self {
            Self::Table(table) => &mut table[cell],
            Self::Map(map) => map.entry(cell).or_insert(Self::NOT_YET),
        }
    }
}

/// Gives rows for which the condition does not hold the number `out`.
pub(crate) fn leave_out(columns: &OutcomeColumns, condition: &Condition<'_>, numbers: &mut [usize], out: usize) {
    let column = columns.names(condition.column);
    let texts = column.texts.iter().map(|text| Some(*text)).chain([None]);
    let holds: Vec<bool> = texts.map(|text| condition.holds(text)).collect();
    if holds.contains(&false) {
        let outside = numbers.iter_mut().zip(column.numbers()).filter(|(_, name)| !holds[*name]);
        outside.for_each(|(number, _)| *number = out);
    }
}

/// A counting sort of the values that are there; tells each group where its own are.
fn sort_by_group(groups: &mut [Part], numbers: &[usize], (there, values_ns): &(Vec<bool>, Vec<i64>)) -> Vec<i64> {
    let mut ends = vec![0; groups.len()];
    for (number, there) in numbers.iter().zip(there) {
        ends[*number] += usize::from(*there);
    }
    let mut next = 0;
    for (group, end) in groups.iter_mut().zip(&mut ends) {
        let start = next;
        next += std::mem::replace(end, start);
        group.ranges.push(start..next);
    }
    let mut sorted = vec![0; next];
    for ((number, there), value_ns) in numbers.iter().zip(there).zip(values_ns) {
        if *there {
            sorted[ends[*number]] = *value_ns;
            ends[*number] += 1;
        }
    }
    sorted
}

/// A group that has been found, and its values by measure, as they stand in the pieces.
struct Gathered<'a> {
    names: Vec<String>,
    requests: u64,
    ok: u64,
    values_ns: Vec<Vec<(usize, &'a [i64])>>,
}

/// The groups of all pieces, the most frequent first; what is past `groups_max` becomes one.
fn gather(pieces: &[Piece], words: usize, measures: usize, groups_max: usize) -> Vec<Gathered<'_>> {
    let new = |names: &[String]| {
        let values_ns = vec![Vec::new(); measures];
        Gathered { names: names.to_vec(), requests: 0, ok: 0, values_ns }
    };
    let mut known: HashMap<&[String], usize> = HashMap::new();
    let mut groups: Vec<Gathered<'_>> = Vec::new();
    for (number, piece) in pieces.iter().enumerate() {
        for part in &piece.groups {
            let place = *known.entry(&part.names).or_insert(groups.len());
            if place == groups.len() {
                groups.push(new(&part.names));
            }
            let group = &mut groups[place];
            group.requests += part.requests;
            group.ok += part.ok;
            for ((values_ns, range), all) in group.values_ns.iter_mut().zip(&part.ranges).zip(&piece.values_ns) {
                values_ns.push((number, &all[range.clone()]));
            }
        }
    }
    groups.retain(|group| group.requests > 0);
    groups.sort_unstable_by(|a, b| Reverse(a.requests).cmp(&Reverse(b.requests)).then_with(|| a.names.cmp(&b.names)));
    if groups.len() > groups_max {
        let mut other = new(&vec![OTHER.to_owned(); words]);
        groups.drain(groups_max..).for_each(|group| other.take(group));
        groups.push(other);
    }
    groups
}

impl Gathered<'_> {
    fn take(&mut self, group: Self) {
        self.requests += group.requests;
        self.ok += group.ok;
        for (mine, values_ns) in self.values_ns.iter_mut().zip(group.values_ns) {
            mine.extend(values_ns);
            mine.sort_by_key(|(piece, _)| *piece);
        }
    }
}

/// Each group's distributions; the most frequent group comes first, so no thread is left with much to do at the end.
fn measure_all(groups: Vec<Gathered<'_>>) -> Vec<Group> {
    let times = on_all_cores(groups.len(), |number| {
        let measure = |values_ns: &Vec<(usize, &[i64])>| {
            Distribution::of(&values_ns.iter().map(|(_, values_ns)| *values_ns).collect::<Vec<_>>())
        };
        groups[number].values_ns.iter().map(measure).collect::<Vec<_>>()
    });
    let group = |(group, times): (Gathered<'_>, _)| Group { names: group.names, requests: group.requests, ok: group.ok, times };
    groups.into_iter().zip(times).map(group).collect()
}
