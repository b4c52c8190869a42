//! How far the recorded peak is from the largest rate that is borne.

use std::collections::BTreeMap;

use serde::Serialize;
use stats::search::Ending;

use super::Told;
use super::peak::{Peak, Peaks};
use crate::breaking::{Breaking, Limit, Place};
use crate::search::{Figures, Outcome, SearchInfo};
use crate::steps::{Step, Steps};

/// The largest rate that is known to be borne, and the smallest above it that is known not to be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Safe {
    /// Requests per second that were borne.
    pub per_s: f64,
    /// The smallest rate above it that was not; `None` where none was tried.
    pub not_per_s: Option<f64>,
    /// What "borne" means.
    pub within: String,
    /// What both are read from.
    pub source: String,
    /// The same two of each collection, under the mix that was measured.
    pub collections: BTreeMap<String, (f64, Option<f64>)>,
}

impl Safe {
    /// From the limits that the steps of a run were held against: the largest load at which all of them held, and the smallest above it at which
    /// one did not. `None` where one held nowhere, or the other lies below.
    #[must_use]
    pub fn of_breaking(breaking: &Breaking, steps: &Steps) -> Option<Self> {
        // A stray failure is no limit of the target.
        let limits = || breaking.all.limits.iter().filter(|one| one.limit != Limit::errors(0.0));
        // Of some limits the smaller loads say nothing.
        let told = limits().filter(|one| one.held.is_some() || !one.limit.is_partial());
        let tightest = told.min_by(|a, b| a.low.total_cmp(&b.low))?;
        let held = tightest.held.as_ref()?;
        let missed = limits().filter(|one| one.missed.is_some()).min_by(|a, b| a.reached_at().total_cmp(&b.reached_at()));
        let rate = |place: &Place, load: Option<f64>| load.filter(|_| !breaking.closed_loop).unwrap_or(place.per_s);
        let per_s = rate(held, Some(tightest.low));
        if missed.is_some_and(|one| one.reached_at() <= held.load()) {
            return None;
        }
        let missed = missed.and_then(|one| Some((one.missed.as_ref()?, one.high)));
        let not_per_s = missed.map(|(place, high)| rate(place, high)).filter(|not| *not > per_s);
        // A collection's part of what all of them come to.
        let part = |steps: &[Step], place: &Place, all_per_s: f64| {
            let step = steps.iter().find(|step| (step.from_ns, &step.name) == (place.from_ns, &place.step))?;
            Some(step.offered_per_s / place.per_s * all_per_s)
        };
        let ends = |(name, steps): (&String, &Vec<Step>)| {
            let not = missed.zip(not_per_s).and_then(|((place, _), not)| part(steps, place, not));
            Some((name.clone(), (part(steps, held, per_s)?, not)))
        };
        Some(Self {
            per_s,
            not_per_s,
            within: limits().map(|one| one.limit.name.clone()).collect::<Vec<_>>().join(", "),
            source: held.step.clone(),
            collections: steps.collections.iter().filter_map(ends).collect(),
        })
    }
}

impl Safe {
    /// What a search came to.
    ///
    /// # Errors
    /// A sentence for a search that came to no bound.
    pub fn of_search(info: &SearchInfo) -> Result<Self, String> {
        let lower = match info.found.ending {
            Some(Ending::Found | Ending::AboveMax) => info.found.lower,
            Some(Ending::GeneratorLimited) => return Err(super::GENERATOR_LIMITED.to_owned()),
            _ => None,
        };
        let per_s = lower.ok_or("No rate is known to be borne: the search came to no bound.")?.per_s;
        let not_per_s = info.found.upper.map(|upper| upper.per_s);
        let borne = info.trial_at(per_s, Outcome::Good).map(|trial| &trial.collections);
        let not = not_per_s.and_then(|per_s| info.trial_at(per_s, Outcome::Bad)).map(|trial| &trial.collections);
        let ends = |(name, figures): (&String, &Figures)| {
            (name.clone(), (figures.offered_per_s, not.and_then(|not| not.get(name)).map(|figures| figures.offered_per_s)))
        };
        let collections = borne.map(|all| all.iter().map(ends).collect()).unwrap_or_default();
        Ok(Self { per_s, not_per_s, within: info.thresholds.join(", "), source: "search".to_owned(), collections })
    }
}

/// A recorded peak and what is borne.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Headroom {
    /// The collection; `None` for all of them.
    pub collection: Option<String>,
    /// The busiest windows of the trace.
    pub peaks: Vec<Peak>,
    /// Requests per second that are borne; `None` where they are not known.
    pub safe_per_s: Option<f64>,
    /// The smallest rate known not to be borne.
    pub not_per_s: Option<f64>,
    /// What is borne over the peak of the window that it is held against: 2 means twice the recorded peak.
    pub times: Option<f64>,
    /// The same with what is not borne.
    pub times_below: Option<f64>,
}

/// Of all collections, then of each; empty without a trace.
pub(super) fn headroom(safe: &Told<Safe>, peaks: Option<&Peaks>) -> Vec<Headroom> {
    let Some(peaks) = peaks else { return Vec::new() };
    let safe = safe.known();
    let one = |collection: Option<&String>, windows: &Vec<Peak>, ends: Option<(f64, Option<f64>)>| {
        let against = Peak::held_against(windows);
        let times = |per_s: f64| against.map(|peak| per_s / peak.per_s);
        Headroom {
            collection: collection.cloned(),
            peaks: windows.clone(),
            safe_per_s: ends.map(|(borne, _)| borne),
            not_per_s: ends.and_then(|(_, not)| not),
            times: ends.and_then(|(borne, _)| times(borne)),
            times_below: ends.and_then(|(_, not)| times(not?)),
        }
    };
    let all = one(None, &peaks.all, safe.map(|safe| (safe.per_s, safe.not_per_s)));
    let each = peaks.collections.iter().filter(|(_, windows)| !windows.is_empty()).map(|(name, windows)| {
        let ends = safe.and_then(|safe| safe.collections.get(name).copied());
        one(Some(name), windows, ends)
    });
    let each: Vec<Headroom> = each.collect();
    std::iter::once(all).chain(if each.len() > 1 { each } else { Vec::new() }).collect()
}
