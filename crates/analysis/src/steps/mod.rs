//! Levels of load, and what the target made of each: what breaking points and capacity are read from.
//!
//! A level that a profile holds is a step; a slope, and the recorded rate, are cut into windows of equal time.

mod gather;
mod span;

use std::collections::BTreeMap;

use serde::Serialize;
use stats::overload::Overload;

use crate::distribution::Distribution;
use crate::scope::Scope;
use crate::{Analysis, Result, Run};

use self::gather::Gather;
use self::span::{Span, spans};

/// Steps of a run; a profile of more levels is cut into windows instead.
pub const STEPS_MAX: usize = 240;
/// Collections that are told apart; the least frequent ones past it are part of the whole only.
pub const COLLECTIONS_MAX: usize = 100;
/// Kinds of request that are told apart, likewise.
pub const OPERATIONS_MAX: usize = 100;
/// The largest load has to be this multiple of the smallest, or there is nothing to be read from their differences.
const VARIES_MIN: f64 = 1.2;

/// A level of load and what the target made of it. Instants are ns since run start; rates are per second of the step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// The phase, or the window of one; of a series, the run.
    pub name: String,
    /// Where it begins.
    pub from_ns: i64,
    /// Where it ends.
    pub to_ns: i64,
    /// Requests that the profile asked for, of all collections; `None` where it did not say.
    pub asked_per_s: Option<f64>,
    /// Users in a closed loop, on average; `None` in an open one.
    pub users: Option<f64>,
    /// The loads at its two ends, where it is a window of a slope: users, or requests per second.
    pub slope: Option<(f64, f64)>,
    /// Requests due in it.
    pub requests: u64,
    /// Requests due.
    pub offered_per_s: f64,
    /// Whole answers, good or bad, that came in it.
    pub answered_per_s: f64,
    /// 95 % interval of that, from the differences between its parts; `None` where it is too short.
    pub answered_ends: Option<(f64, f64)>,
    /// Good answers that came in it.
    pub goodput_per_s: f64,
    /// 95 % interval of the goodput, likewise.
    pub goodput_ends: Option<(f64, f64)>,
    /// Requests sent and not yet done, on average over time.
    pub in_flight_mean: f64,
    /// Connections open at once, at most: each from its first request to its last answer, idle or not. `None` for a run of too many to be told
    /// apart.
    pub connections: Option<u64>,
    /// From due to done, of the requests due in it that were answered.
    pub response: Distribution,
    /// From sent to done, of the same.
    pub service: Distribution,
    /// Requests due in it that got no good answer.
    pub failed: u64,
    /// When the first of them was due.
    pub first_failed_ns: Option<i64>,
    /// Requests due in it that the target left waiting until they timed out, or that were shed because too many were in flight.
    pub unserved: u64,
    /// Whether requests due and not yet done became ever more; `None` where it is too short to say.
    pub overload: Option<Overload>,
    /// Whether the generator was late by its own doing, or left requests out: such a step says nothing of the target.
    pub spoilt: bool,
}

impl Step {
    /// Share of the requests due in it.
    #[must_use]
    pub fn share(&self, requests: u64) -> f64 {
        requests as f64 / self.requests.max(1) as f64
    }

    /// Users where they are the load, and otherwise the rate offered.
    #[must_use]
    pub fn load(&self) -> f64 {
        self.users.unwrap_or(self.offered_per_s)
    }

    /// Whether both are of the same time of the same run: that of all collections, say, and that of one.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        (self.from_ns, self.to_ns, &self.name) == (other.from_ns, other.to_ns, &other.name)
    }

    /// How long it is.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        (self.to_ns - self.from_ns) as f64 / 1e9
    }
}

/// The 99th percentiles of one kind of request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Operation {
    /// What was addressed.
    pub collection: String,
    /// The normalized verb.
    pub operation: String,
    /// Of the response time in each of [`Steps::all`], ns; `None` for too few answers.
    pub p99_ns: Vec<Option<i64>>,
}

/// The steps of a run, or of several, in the order of time.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Steps {
    /// Over all collections.
    pub all: Vec<Step>,
    /// The same steps of each collection, where there are several; where nothing was due for it in one, that is left out.
    pub collections: BTreeMap<String, Vec<Step>>,
    /// The most frequent kinds of request of a run, that first; none for several runs.
    pub operations: Vec<Operation>,
}

impl Steps {
    /// The steps of a run whose load varied; none of another. One pass over its outcomes.
    ///
    /// # Errors
    /// [`crate::Error::Outcomes`] when a part is damaged.
    pub fn of_run(run: &Run, analysis: &Analysis) -> Result<Self> {
        let spans = spans(analysis);
        if spans.len() < 2 {
            return Ok(Self::default());
        }
        let steps = Gather::load(run, analysis, spans)?;
        Ok(if steps.vary() { steps } else { Self::default() })
    }

    /// The requests of a scope in each step of a run; a step without any is left out.
    ///
    /// # Errors
    /// As [`Steps::of_run`].
    pub fn of_scope(run: &Run, analysis: &Analysis, scope: &Scope) -> Result<Vec<Step>> {
        Ok(Gather::load(&run.within(scope), analysis, spans(analysis))?.all)
    }

    /// A step for each run of a folder, or trial of a search, named after the run's folder: of its requests of a scope.
    ///
    /// # Errors
    /// As [`Steps::of_run`].
    pub fn of_runs<'a>(runs: impl IntoIterator<Item = &'a (Run, Analysis)>, scope: &Scope) -> Result<Self> {
        let mut all = Self::default();
        for (run, analysis) in runs {
            let steps = Gather::load(&run.within(scope), analysis, vec![Span::whole(run, analysis)])?;
            all.all.extend(steps.all);
            for (collection, steps) in steps.collections {
                all.collections.entry(collection).or_default().extend(steps);
            }
        }
        Ok(all)
    }

    /// Whether loads differ enough to read something from the difference.
    #[must_use]
    pub fn vary(&self) -> bool {
        let loads = || self.all.iter().map(Step::load).filter(|load| *load > 0.0);
        self.all.len() > 1 && loads().fold(0.0, f64::max) >= VARIES_MIN * loads().fold(f64::INFINITY, f64::min)
    }
}
