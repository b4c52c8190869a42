//! Response and service time: overall, by collection × operation, and over time. Exact, from the rows.

use std::collections::HashMap;

use polars::prelude::{DataFrame, DataType, Expr, LazyFrame, PolarsResult, SortMultipleOptions, StringChunked, col, len};
use serde::Serialize;
use stats::order;

use crate::bins::Bins;
use crate::distribution::{Distribution, curve_nines, nines_to_p};
use crate::load::{Run, integers};
use crate::totals::{Totals, answered};
use crate::{Error, Result};

/// Groups (collection × operation) that are told apart; the least frequent ones past it become one group `other`.
pub const GROUPS_MAX: usize = 1000;

/// The name of what [`GROUPS_MAX`] leaves over.
pub(crate) const OTHER: &str = "other";

/// Values a bin of latency over time should have on average, so that its p99 is more than its maximum.
const BIN_VALUES: u64 = 200;

/// The two times of one request, or of many.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Times {
    /// From the due instant to the last byte of the answer: what a user waits.
    pub response: Distribution,
    /// From the instant before the first write to the last byte: what the target took.
    pub service: Distribution,
}

/// All requests of one collection and operation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// What was addressed.
    pub collection: String,
    /// The normalized verb.
    pub operation: String,
    /// Requests due.
    pub requests: u64,
    /// Good answers.
    pub ok: u64,
    /// Times of the answered requests.
    #[serde(flatten)]
    pub times: Times,
}

/// A percentile curve: durations at ever rarer levels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curve {
    /// Levels as −log₁₀(1 − p).
    pub nines: Vec<f64>,
    /// Response time at each, ns.
    pub response_ns: Vec<i64>,
    /// Service time at each, ns.
    pub service_ns: Vec<i64>,
}

/// Latency by time of due instant.
#[derive(Debug, Clone, PartialEq)]
pub struct OverTime {
    /// The bins.
    pub bins: Bins,
    /// Answered requests in each.
    pub count: Vec<usize>,
    /// Median response time, ns; `None` for an empty bin.
    pub p50_ns: Vec<Option<i64>>,
    /// 99th percentile, ns; `None` below 100 values, where it would be the maximum.
    pub p99_ns: Vec<Option<i64>>,
}

/// Everything about latency in a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Latency {
    /// All answered requests.
    pub overall: Times,
    /// By collection and operation, the most frequent first.
    pub groups: Vec<Group>,
    /// The whole distribution.
    pub curve: Curve,
    /// How it went.
    pub over_time: OverTime,
}

impl Latency {
    /// Reads what was answered and measures it.
    ///
    /// # Errors
    /// [`Error::Outcomes`] when a part is damaged.
    pub fn load(run: &Run, totals: &Totals) -> Result<Self> {
        let mut groups = load_groups(run)?;
        let bins = Bins::of_values(totals.first_due_ns, totals.last_due_ns, totals.answered, BIN_VALUES);
        let mut rows = Rows::with_capacity(totals.answered as usize);
        let finder = GroupFinder::new(&groups);
        for batch in run.scan(answered_times)? {
            rows.take(&batch?, &finder, &bins).map_err(|e| Error::outcomes(&run.dir, e))?;
        }
        let over_time = rows.over_time(bins);
        let (response, service) = std::thread::scope(|scope| {
            let service = scope.spawn(|| measure(&rows.service_ns, &rows.group, groups.len()));
            let response = measure(&rows.response_ns, &rows.group, groups.len());
            (response, service.join().expect("measuring does not panic"))
        });
        let curve = Curve { nines: curve_nines(rows.group.len()), response_ns: response.curve, service_ns: service.curve };
        for (group, (response, service)) in groups.iter_mut().zip(response.groups.into_iter().zip(service.groups)) {
            group.times = Times { response, service };
        }
        Ok(Self { overall: Times { response: response.overall, service: service.overall }, groups, curve, over_time })
    }
}

/// The columns of answered requests that latency needs.
fn answered_times(outcomes: LazyFrame) -> LazyFrame {
    let since = |from: &str, name: &str| (col("done_ns") - col(from)).alias(name);
    outcomes.filter(answered()).select([
        col("collection"),
        col("operation"),
        col("due_ns"),
        since("due_ns", "response_ns"),
        since("sent_ns", "service_ns"),
    ])
}

/// Requests and good answers by collection and operation, the most frequent first, ties in alphabetical order.
fn load_groups(run: &Run) -> Result<Vec<Group>> {
    let keys = [col("collection"), col("operation")];
    let count = |values: Expr, name: &str| values.cast(DataType::UInt64).alias(name);
    let order = SortMultipleOptions::default().with_order_descending_multi([true, false, false]);
    let batches = run.scan(|outcomes| {
        let counted =
            outcomes.group_by(&keys).agg([count(len(), "requests"), count(col("ok").cast(DataType::UInt64).sum(), "good")]);
        counted.sort(["requests", "collection", "operation"], order)
    })?;
    let mut groups: Vec<Group> = Vec::new();
    for batch in batches {
        read_groups(&batch?, &mut groups).map_err(|e| Error::outcomes(&run.dir, e))?;
    }
    Ok(groups)
}

fn read_groups(batch: &DataFrame, groups: &mut Vec<Group>) -> PolarsResult<()> {
    let (requests, ok) = (batch.column("requests")?.u64()?, batch.column("good")?.u64()?);
    let names = batch.column("collection")?.str()?.iter().zip(batch.column("operation")?.str()?.iter());
    for (row, (collection, operation)) in names.enumerate() {
        match groups.len() {
            0..GROUPS_MAX => groups.push(Group::new(collection.unwrap_or_default(), operation.unwrap_or_default())),
            GROUPS_MAX => groups.push(Group::new(OTHER, OTHER)),
            _ => {}
        }
        let group = groups.last_mut().expect("pushed above");
        group.requests += requests.get(row).unwrap_or_default();
        group.ok += ok.get(row).unwrap_or_default();
    }
    Ok(())
}

impl Group {
    fn new(collection: &str, operation: &str) -> Self {
        let (collection, operation) = (collection.to_owned(), operation.to_owned());
        Self { collection, operation, requests: 0, ok: 0, times: Times::default() }
    }
}

/// Finds the place of a group by its names.
pub(crate) struct GroupFinder<'a> {
    by_collection: HashMap<&'a str, HashMap<&'a str, u16>>,
    /// The place of everything that has no group of its own.
    other: u16,
}

impl<'a> GroupFinder<'a> {
    pub(crate) fn new(groups: &'a [Group]) -> Self {
        let mut by_collection: HashMap<&str, HashMap<&str, u16>> = HashMap::new();
        for (place, group) in groups.iter().take(GROUPS_MAX).enumerate() {
            by_collection.entry(&group.collection).or_default().insert(&group.operation, place as u16);
        }
        Self { by_collection, other: GROUPS_MAX as u16 }
    }

    fn find(&self, collection: &str, operation: &str) -> u16 {
        self.by_collection.get(collection).and_then(|operations| operations.get(operation)).copied().unwrap_or(self.other)
    }

    /// Appends the place of each row. Rows of one batch share their texts' memory (dictionary pages), so that equal views are equal
    /// texts, and each pair of views is looked up only once.
    pub(crate) fn find_all(&self, collections: &StringChunked, operations: &StringChunked, out: &mut Vec<u16>) {
        for (collections, operations) in collections.downcast_iter().zip(operations.downcast_iter()) {
            let mut seen: HashMap<(u128, u128), u16> = HashMap::new();
            let views = collections.views().iter().zip(operations.views().iter()).enumerate();
            out.extend(views.map(|(row, (collection, operation))| {
                let find = || self.find(collections.value(row), operations.value(row));
                *seen.entry((collection.as_u128(), operation.as_u128())).or_insert_with(find)
            }));
        }
    }
}

/// What latency needs of each answered request, in the order of the outcomes.
struct Rows {
    response_ns: Vec<i64>,
    service_ns: Vec<i64>,
    group: Vec<u16>,
    bin: Vec<u16>,
}

impl Rows {
    fn with_capacity(rows: usize) -> Self {
        Self {
            response_ns: Vec::with_capacity(rows),
            service_ns: Vec::with_capacity(rows),
            group: Vec::with_capacity(rows),
            bin: Vec::with_capacity(rows),
        }
    }

    fn take(&mut self, batch: &DataFrame, finder: &GroupFinder<'_>, bins: &Bins) -> PolarsResult<()> {
        self.response_ns.extend(integers(batch, "response_ns")?);
        self.service_ns.extend(integers(batch, "service_ns")?);
        self.bin.extend(integers(batch, "due_ns")?.map(|due_ns| bins.place(due_ns) as u16));
        finder.find_all(batch.column("collection")?.str()?, batch.column("operation")?.str()?, &mut self.group);
        Ok(())
    }

    fn over_time(&self, bins: Bins) -> OverTime {
        let mut parts = Parts::new(&self.response_ns, &self.bin, bins.count);
        let at_least = |values: &mut [i64], p: f64, values_min: usize| {
            let place = order::rank(values.len(), p).checked_sub(1)?;
            (values.len() >= values_min).then(|| *values.select_nth_unstable(place).1)
        };
        let mut over_time = OverTime { bins, count: Vec::new(), p50_ns: Vec::new(), p99_ns: Vec::new() };
        for values in parts.iter_mut() {
            over_time.count.push(values.len());
            over_time.p50_ns.push(at_least(values, 0.5, 1));
            over_time.p99_ns.push(at_least(values, 0.99, 100));
        }
        over_time
    }
}

/// Values sorted into parts by a small key; inside a part they keep their order.
pub(crate) struct Parts {
    values: Vec<i64>,
    ends: Vec<usize>,
}

impl Parts {
    /// A counting sort: `keys[i]`, below `parts`, is the part of `values[i]`.
    pub(crate) fn new(values: &[i64], keys: &[u16], parts: usize) -> Self {
        let mut ends = vec![0; parts];
        for key in keys {
            ends[usize::from(*key)] += 1;
        }
        let mut next = 0;
        for end in &mut ends {
            next += std::mem::replace(end, next);
        }
        let mut sorted = vec![0; values.len()];
        for (value, key) in values.iter().zip(keys) {
            let place = &mut ends[usize::from(*key)];
            sorted[*place] = *value;
            *place += 1;
        }
        Self { values: sorted, ends }
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut [i64]> {
        let mut rest = self.values.as_mut_slice();
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let (part, after) = std::mem::take(&mut rest).split_at_mut(end - start);
            (rest, start) = (after, *end);
            part
        })
    }
}

/// One of the two times, overall and by group.
struct Measured {
    overall: Distribution,
    curve: Vec<i64>,
    groups: Vec<Distribution>,
}

/// One sort for each group, and one overall.
fn measure(values_ns: &[i64], group: &[u16], groups: usize) -> Measured {
    let mut sorted = values_ns.to_vec();
    sorted.sort_unstable();
    let overall = Distribution::new(values_ns, &sorted);
    let level = |nines: f64| order::quantile(&sorted, nines_to_p(nines));
    let curve = curve_nines(sorted.len()).into_iter().filter_map(level).collect();
    let mut parts = Parts::new(values_ns, group, groups);
    let by_group = parts.iter_mut().map(|values| {
        let observed = values.to_vec();
        values.sort_unstable();
        Distribution::new(&observed, values)
    });
    let groups = by_group.collect();
    Measured { overall, curve, groups }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_what_has_their_key_in_order() {
        let mut parts = Parts::new(&[10, 20, 30, 40, 50], &[2, 0, 2, 0, 2], 4);
        let found: Vec<Vec<i64>> = parts.iter_mut().map(|part| part.to_vec()).collect();
        assert_eq!(found, [vec![20, 40], vec![], vec![10, 30, 50], vec![]]);
    }
}
