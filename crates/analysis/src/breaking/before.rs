//! What was at its end before a limit was reached: resources that have no more to give, operations that have become slow.

use serde::Serialize;

use trace::Unit;

use super::limit::{Sources, mean_between};
use crate::resources::{HOST, Resources};
use crate::steps::{Operation, Step, Steps};
use crate::threshold::shown;
use crate::units;

/// A resource in use to this share of what there is has no more to give.
const FULL_SHARE: f64 = 0.9;
/// A 99th percentile this many times that at the smallest load has risen.
const SLOW_FACTOR: f64 = 2.0;
/// A series that follows the load has grown by this factor before it stops.
const GROWN_FACTOR: f64 = 1.5;
/// It stops when it grows no further than this, while the load grows by [`LOAD_FACTOR`] at least.
const STOPPED_FACTOR: f64 = 1.05;
const LOAD_FACTOR: f64 = 1.2;
/// What is told, at most.
const SIGNS_MAX: usize = 5;

/// A resource or operation that showed its end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sign {
    /// Which.
    pub what: String,
    /// What it did, with the figures.
    pub how: String,
    /// At which load.
    pub load: f64,
    /// The step that shows it.
    pub step: String,
}

/// A resource that may come to its end.
pub(super) struct Candidate {
    pub what: String,
    pub sources: Sources,
    pub unit: Unit,
    /// All there is, in its unit.
    pub most: Option<f64>,
}

/// The sound steps up to the load `until`, by load.
fn up_to(steps: &[Step], until: f64) -> Vec<(usize, &Step)> {
    let mut steps: Vec<(usize, &Step)> =
        steps.iter().enumerate().filter(|(_, step)| !step.spoilt && step.load() <= until).collect();
    steps.sort_by(|(_, one), (_, other)| one.load().total_cmp(&other.load()));
    steps
}

/// Resources of the target and its machine, the earliest first. `cores`: of the machine the run was made on.
pub(super) fn resources(steps: &[Step], resources: &Resources, cores: Option<f64>, until: f64) -> Vec<Sign> {
    let steps: Vec<&Step> = up_to(steps, f64::INFINITY).into_iter().map(|(_, step)| step).collect();
    let mut signs: Vec<Sign> = candidates(resources, cores)
        .iter()
        .filter_map(|candidate| full(candidate, &steps).or_else(|| stopped(candidate, &steps)))
        .filter(|sign| sign.load <= until)
        .collect();
    signs.sort_by(|one, other| one.load.total_cmp(&other.load));
    signs.truncate(SIGNS_MAX);
    signs
}

fn candidates(resources: &Resources, cores: Option<f64>) -> Vec<Candidate> {
    let on_this_machine = resources.target_is_local();
    let mut found = Vec::new();
    let mut add = |what: &str, sources: Sources, unit: Unit, most: Option<f64>| {
        if !sources.is_empty() {
            found.push(Candidate { what: what.to_owned(), sources, unit, most });
        }
    };
    let memory = resources.points(HOST, "memory_bytes").and_then(|points| Some(points.last()?.1));
    let of = |series: &str| resources.points(HOST, series).map(<[_]>::to_vec).into_iter().collect::<Vec<_>>();
    add("the target's processors", resources.target("cpu_cores"), Unit::Cores, cores.filter(|_| on_this_machine));
    add("the processors of the machine that sent the load", of("cpu_cores"), Unit::Cores, cores);
    let limit = |series: &str| {
        resources.target(series).iter().filter_map(|points| Some(points.last()?.1)).reduce(|sum, value| sum + value)
    };
    let of_machine = memory.filter(|_| on_this_machine);
    add("the target's memory", resources.target("rss_bytes"), Unit::Bytes, limit("memory_limit_bytes").or(of_machine));
    add("the memory of the machine that sent the load", of("memory_used_bytes"), Unit::Bytes, memory);
    add("the target's threads", resources.target("threads"), Unit::Requests, limit("threads_limit"));
    add("the target's descriptors", resources.target("descriptors"), Unit::Requests, limit("descriptors_limit"));
    add("the target's connections", resources.target("sockets{state=\"established\"}"), Unit::Requests, None);
    found
}

/// The first step in which nearly all there is was in use.
pub(super) fn full(candidate: &Candidate, steps: &[&Step]) -> Option<Sign> {
    let most = candidate.most?;
    let value = |step: &Step| mean_between(&candidate.sources, step.from_ns, step.to_ns);
    let (step, value) = steps.iter().find_map(|step| Some((step, value(step).filter(|value| *value >= FULL_SHARE * most)?)))?;
    let how = format!("{} in use of {}", shown(candidate.unit, value), shown(candidate.unit, most));
    Some(Sign { what: candidate.what.clone(), how, load: step.load(), step: step.name.clone() })
}

/// The step from which on a series that had grown with the load grew no further.
pub(super) fn stopped(candidate: &Candidate, steps: &[&Step]) -> Option<Sign> {
    let value = |step: &Step| mean_between(&candidate.sources, step.from_ns, step.to_ns);
    let values: Vec<(&Step, f64)> = steps.iter().filter_map(|step| Some((*step, value(step)?))).collect();
    let ((_, first), (last, _)) = (values.first()?, values.last()?);
    let stops = |place: &usize| {
        let (step, here) = values[*place];
        let grew = here >= GROWN_FACTOR * first;
        let later = values[place + 1..].iter().map(|(_, value)| *value).fold(0.0, f64::max);
        grew && later <= STOPPED_FACTOR * here && last.load() >= LOAD_FACTOR * step.load()
    };
    let (step, here) = values[(0..values.len()).find(stops)?];
    let how = format!("{} in use, and no more at larger loads", shown(candidate.unit, here));
    Some(Sign { what: candidate.what.clone(), how, load: step.load(), step: step.name.clone() })
}

/// The operations whose 99th percentile rose first, those of `collection` where one is named.
pub(super) fn operations(steps: &Steps, collection: Option<&str>, until: f64) -> Vec<Sign> {
    let by_load = up_to(&steps.all, f64::INFINITY);
    let rise = |operation: &Operation| {
        let mut p99s = by_load.iter().filter_map(|(place, step)| Some((step, operation.p99_ns.get(*place).copied().flatten()?)));
        let (_, low_ns) = p99s.next()?;
        let (step, p99_ns) = p99s.find(|(_, p99_ns)| *p99_ns as f64 > SLOW_FACTOR * low_ns as f64)?;
        let (low, high) = (units::duration(low_ns as f64), units::duration(p99_ns as f64));
        let how = format!("p99 rose from {low} to {high}");
        let what = format!("{} {}", operation.collection, operation.operation).trim().to_owned();
        Some(Sign { what, how, load: step.load(), step: step.name.clone() })
    };
    let wanted = |operation: &&Operation| collection.is_none_or(|name| operation.collection == name);
    let mut signs: Vec<Sign> = steps.operations.iter().filter(wanted).filter_map(rise).collect();
    let least = signs.iter().map(|sign| sign.load).fold(f64::INFINITY, f64::min);
    signs.retain(|sign| sign.load <= least && (collection.is_some() || sign.load <= until));
    signs.truncate(SIGNS_MAX);
    signs
}
