//! How all requests, and each of the largest collections, fared as the run went on: rate, median and 99th percentile. Exact, from the rows.

use std::cmp::Reverse;
use std::collections::HashMap;

use trace::{NameColumn, OutcomeColumns};

use crate::bins::Bins;
use crate::breakdown::{Measure, leave_out};
use crate::cores::on_all_cores;
use crate::latency::{P99_VALUES_MIN, Parts, quantile_of};
use crate::load::Condition;
use crate::totals::Totals;
use crate::{Result, Run};

/// Collections that have a small chart of their own, those with the most requests; the others are named in a table.
pub const SHOWN_MAX: usize = 24;
/// Collections that the table names; the others are counted.
pub const NAMED_MAX: usize = 500;
/// Stretches of time in a small chart.
pub(crate) const BINS_MAX: i64 = 48;
/// Values a bin of all requests should have on average, so that its p99 is more than its maximum.
const BIN_VALUES: u64 = 200;

/// Requests as the run went on. Each counts in the bin of its due instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// The bins.
    pub bins: Bins,
    /// Requests due in each bin.
    pub due: Vec<u64>,
    /// Median response time in each, ns; `None` where nothing was answered.
    pub p50_ns: Vec<Option<i64>>,
    /// 99th percentile, likewise; `None` below 100 answers.
    pub p99_ns: Vec<Option<i64>>,
}

/// One collection as the run went on.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Its name.
    pub collection: String,
    /// What became of its requests.
    pub course: Course,
}

/// A collection that is only named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Other {
    /// Its name.
    pub collection: String,
    /// Requests due.
    pub requests: u64,
    /// Good answers.
    pub ok: u64,
}

/// The collections of a run over time, all in the same bins.
#[derive(Debug, Clone, PartialEq)]
pub struct Courses {
    /// The [`SHOWN_MAX`] with the most requests, those with more first, ties in alphabetical order.
    pub shown: Vec<Shown>,
    /// All others, in the same order.
    pub others: Vec<Other>,
}

impl Course {
    /// All requests of a run: one pass over it on all cores.
    ///
    /// # Errors
    /// [`crate::Error::Trace`] when a part is damaged.
    pub fn load(run: &Run, totals: &Totals) -> Result<Self> {
        let bins = Bins::of_values(totals.first_due_ns, totals.last_due_ns, totals.answered, BIN_VALUES);
        Ok(courses(run, &bins, 1, |_| Some(0))?.swap_remove(0))
    }
}

impl Courses {
    /// Two passes over the run on all cores: one over names, one over times.
    ///
    /// # Errors
    /// [`crate::Error::Trace`] when a part is damaged.
    pub fn load(run: &Run, whole: &Totals) -> Result<Self> {
        let span_ns = whole.last_due_ns - whole.first_due_ns;
        let bins = Bins::new(whole.first_due_ns, whole.last_due_ns, span_ns / BINS_MAX + 1);
        let mut all = count(run)?;
        let others = all.split_off(all.len().min(SHOWN_MAX));
        let place: HashMap<&str, usize> = all.iter().enumerate().map(|(place, one)| (one.collection.as_str(), place)).collect();
        let found = if all.is_empty() { Vec::new() } else { courses(run, &bins, all.len(), |name| place.get(name).copied())? };
        let shown = |(one, course): (&Other, Course)| Shown { collection: one.collection.clone(), course };
        Ok(Self { shown: all.iter().zip(found).map(shown).collect(), others })
    }
}

/// Requests and good answers of every collection, the most frequent first.
fn count(run: &Run) -> Result<Vec<Other>> {
    let conditions = run.conditions();
    let wanted = ["collection", "ok"].into_iter().chain(conditions.iter().map(|condition| condition.column));
    let reader = run.columns(&distinct(wanted))?;
    let counted = on_all_cores(reader.groups(), |number| -> Result<HashMap<String, (u64, u64)>> {
        let columns = reader.read(number)?;
        let names = columns.names("collection");
        let mut counts = vec![(0, 0); names.texts.len() + 2];
        for (place, ok) in places(&columns, &names, &conditions).into_iter().zip(columns.truths("ok")) {
            let (requests, good): &mut (u64, u64) = &mut counts[place];
            (*requests, *good) = (*requests + 1, *good + u64::from(ok));
        }
        let texts = names.texts.iter().copied().chain([""]).map(str::to_owned);
        Ok(texts.zip(counts).filter(|(_, (requests, _))| *requests > 0).collect())
    });
    let mut sums: HashMap<String, (u64, u64)> = HashMap::new();
    for of_group in counted {
        for (name, (requests, ok)) in of_group? {
            let sum = sums.entry(name).or_default();
            *sum = (sum.0 + requests, sum.1 + ok);
        }
    }
    let mut all: Vec<Other> = sums.into_iter().map(|(collection, (requests, ok))| Other { collection, requests, ok }).collect();
    all.sort_unstable_by(|a, b| (Reverse(a.requests), &a.collection).cmp(&(Reverse(b.requests), &b.collection)));
    Ok(all)
}

/// Names of columns without those that stand twice.
fn distinct<'a>(columns: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut columns: Vec<&str> = columns.collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// The place of each row's name in its texts; the place after them where it has none, and the one after that where it is not looked at.
fn places(columns: &OutcomeColumns, names: &NameColumn<'_>, conditions: &[Condition<'_>]) -> Vec<usize> {
    let mut places: Vec<usize> = names.numbers().collect();
    conditions.iter().for_each(|condition| leave_out(columns, condition, &mut places, names.texts.len() + 1));
    places
}

/// What a row group holds, by course and bin: requests due, and response times.
struct Piece {
    due: Vec<u64>,
    response_ns: Parts,
}

/// So many courses; `of` says in which of them a collection's requests count, if in any.
fn courses(run: &Run, bins: &Bins, count: usize, of: impl Fn(&str) -> Option<usize> + Sync) -> Result<Vec<Course>> {
    let conditions = run.conditions();
    let wanted = ["collection"].into_iter().chain(Measure::Response.columns().iter().copied());
    let reader = run.columns(&distinct(wanted.chain(conditions.iter().map(|condition| condition.column))))?;
    let cells = count * bins.count;
    let piece = |number| -> Result<Piece> {
        let columns = reader.read(number)?;
        let names = columns.names("collection");
        let place = names.texts.iter().chain([&""]).map(|text| of(text));
        let place: Vec<Option<usize>> = place.chain([None]).collect();
        let (answered, response_ns) = Measure::Response.read(&columns);
        let (mut due, mut values_ns, mut keys) = (vec![0; cells], Vec::new(), Vec::new());
        let rows = places(&columns, &names, &conditions).into_iter().zip(columns.numbers("due_ns")).enumerate();
        for (row, (name, due_ns)) in rows {
            let Some(place) = place[name] else { continue };
            let cell = place * bins.count + bins.place(*due_ns);
            due[cell] += 1;
            if answered[row] {
                values_ns.push(response_ns[row]);
                keys.push(cell as u16);
            }
        }
        Ok(Piece { due, response_ns: Parts::new(&values_ns, &keys, cells) })
    };
    let pieces = on_all_cores(reader.groups(), piece).into_iter().collect::<Result<Vec<Piece>>>()?;
    let stretches = on_all_cores(cells, |cell| stretch(&pieces, cell));
    let course = |stretches: &[Stretch]| Course {
        bins: bins.clone(),
        due: stretches.iter().map(|stretch| stretch.due).collect(),
        p50_ns: stretches.iter().map(|stretch| stretch.p50_ns).collect(),
        p99_ns: stretches.iter().map(|stretch| stretch.p99_ns).collect(),
    };
    Ok(stretches.chunks(bins.count).map(course).collect())
}

/// One course in one bin.
struct Stretch {
    due: u64,
    p50_ns: Option<i64>,
    p99_ns: Option<i64>,
}

fn stretch(pieces: &[Piece], cell: usize) -> Stretch {
    let mut values_ns: Vec<i64> = pieces.iter().flat_map(|piece| piece.response_ns.part(cell)).copied().collect();
    let (p50_ns, p99_ns) = (quantile_of(&mut values_ns, 0.5, 1), quantile_of(&mut values_ns, 0.99, P99_VALUES_MIN));
    Stretch { due: pieces.iter().map(|piece| piece.due[cell]).sum(), p50_ns, p99_ns }
}
