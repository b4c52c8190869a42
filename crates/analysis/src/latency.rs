//! Response and service time: overall, by collection × operation, and over time. Exact, from the rows.

use std::collections::HashMap;

use polars::prelude::StringChunked;
use serde::Serialize;
use stats::{Ranked, order};

use crate::Result;
use crate::breakdown::{self, Breakdown, Measure};
use crate::courses::Course;
use crate::distribution::{Distribution, curve_nines, nines_to_p};
use crate::load::Run;
use crate::totals::Totals;

/// Groups (collection × operation) that are told apart; the least frequent ones past it become one group `other`.
pub const GROUPS_MAX: usize = 1000;

/// The name of what [`GROUPS_MAX`] leaves over.
pub(crate) const OTHER: &str = "other";

/// A 99th percentile of fewer values would be their maximum.
pub(crate) const P99_VALUES_MIN: usize = 100;

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
    pub over_time: Course,
}

impl Latency {
    /// Reads what was answered and measures it.
    ///
    /// # Errors
    /// [`Error::Outcomes`] when a part is damaged.
    pub fn load(run: &Run, totals: &Totals) -> Result<Self> {
        let over_time = Course::load(run, totals)?;
        let groups = Breakdown::load(run, &["collection", "operation"], &Times::MEASURES)?.groups;
        let groups = groups.into_iter().map(Group::from).collect();
        let (overall, mut curves): (Vec<_>, Vec<_>) = breakdown::of_all(run, &Times::MEASURES, measured)?.into_iter().unzip();
        let (service_ns, response_ns) = (curves.pop().unwrap_or_default(), curves.pop().unwrap_or_default());
        let overall = Times::of(overall);
        let curve = Curve { nines: curve_nines(overall.response.count as usize), response_ns, service_ns };
        Ok(Self { overall, groups, curve, over_time })
    }
}

/// The distribution of values given in the order they were observed, and their percentile curve.
fn measured(observed: &[&[i64]]) -> (Distribution, Vec<i64>) {
    let ranked = Ranked::new(observed);
    let ranks = curve_nines(ranked.len()).into_iter().map(|nines| order::rank(ranked.len(), nines_to_p(nines)));
    let ranks: Vec<usize> = ranks.filter(|rank| *rank > 0).collect();
    (Distribution::of_ranked(observed, &ranked), ranked.at(&ranks))
}

impl Times {
    /// What they are, in their order.
    pub(crate) const MEASURES: [Measure; 2] = [Measure::Response, Measure::Service];

    /// From one distribution for each of [`Times::MEASURES`].
    pub(crate) fn of(distributions: Vec<Distribution>) -> Self {
        let mut distributions = distributions.into_iter();
        let mut next = || distributions.next().unwrap_or_else(|| Distribution::of(&[]));
        Self { response: next(), service: next() }
    }
}

/// From a breakdown whose last two words are collection and operation.
impl From<breakdown::Group> for Group {
    fn from(group: breakdown::Group) -> Self {
        let mut names = group.names.into_iter().rev();
        let (operation, collection) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
        Self { collection, operation, requests: group.requests, ok: group.ok, times: Times::of(group.times) }
    }
}

impl Group {
    /// Its collection and operation in one line.
    #[must_use]
    pub fn names(&self) -> String {
        [self.collection.as_str(), &self.operation].join(crate::spread::BETWEEN)
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

/// The quantile by nearest rank ⌈pn⌉ of values in any order, which it puts into another; `None` for fewer values than that.
pub(crate) fn quantile_of(values: &mut [i64], p: f64, values_min: usize) -> Option<i64> {
    let place = order::rank(values.len(), p).checked_sub(1)?;
    (values.len() >= values_min).then(|| *values.select_nth_unstable(place).1)
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

    /// One part.
    pub(crate) fn part(&self, part: usize) -> &[i64] {
        let start = part.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.values[start..self.ends[part]]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_what_has_their_key_in_order() {
        let mut parts = Parts::new(&[10, 20, 30, 40, 50], &[2, 0, 2, 0, 2], 4);
        let found: Vec<Vec<i64>> = parts.iter_mut().map(|part| part.to_vec()).collect();
        assert_eq!((0..4).map(|part| parts.part(part).to_vec()).collect::<Vec<_>>(), found);
        assert_eq!(found, [vec![20, 40], vec![], vec![10, 30, 50], vec![]]);
    }
}
