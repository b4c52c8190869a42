//! Where the target breaks: between which loads each limit is reached, which of them first, what was at its end before, and what happens
//! beyond.
//!
//! Every bound is an interval between loads that were tried: the last at which the limit held and the first at which it did not.

mod asked;
mod before;
mod bracket;
mod keeps_up;
mod limit;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;
use stats::knee::{Bend, SENSITIVITY, knee};

pub use self::asked::{Asked, KINDS, Kind, limits_of};
pub use self::before::Sign;
use self::bracket::bracket;
pub use self::bracket::{Bracket, Place};
pub use self::limit::{Found, Limit, Measure, Sources, mean_between};
use crate::Analysis;
use crate::resources::Resources;
use crate::steps::{Step, Steps};

/// Share of failed requests from which errors count as a limit that was reached.
pub const ERRORS_MAX: f64 = 0.001;
/// Goodput beyond the breaking point whose interval reaches this share of the largest is graceful.
const GRACEFUL_MIN: f64 = 0.9;

/// What the target bears, overall and by collection.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Breaking {
    /// Of all requests.
    pub all: Bearing,
    /// Of each collection, where there are several.
    pub collections: BTreeMap<String, Bearing>,
    /// Steps that the generator spoilt, which are left out.
    pub spoilt: Vec<String>,
    /// What loads are counted in: `users` or `requests per second`.
    pub closed_loop: bool,
}

/// What the target bears of one kind of load.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bearing {
    /// Every limit there is something to say about, those that were reached first in front.
    pub limits: Vec<Bracket>,
    /// The limits that were reached at the smallest load; none where none was.
    pub first: Vec<String>,
    /// What was at its end at or below that load.
    pub before: Vec<Sign>,
    /// The most good answers per second.
    pub saturation: Option<Saturation>,
    /// Where latency bends.
    pub knee: Option<Knee>,
    /// What became of the good answers beyond the load at which the target no longer kept up.
    pub beyond: Option<Beyond>,
}

/// The largest rate of good answers over a whole step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Saturation {
    /// Good answers per second.
    pub per_s: f64,
    /// 95 % interval; `None` where the step is too short.
    pub ends: Option<(f64, f64)>,
    /// The step that shows it.
    pub step: String,
    /// Where that begins, ns since run start.
    pub from_ns: i64,
    /// Where it ends.
    pub to_ns: i64,
    /// Whether the target was brought to it: otherwise it bears at least that.
    pub reached: bool,
}

/// Where the 99th percentile bends most over the loads that were tried: a mark on the picture, which moves with their range.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Knee {
    /// The load at the bend.
    pub load: f64,
    /// The smallest load that was looked at.
    pub from: f64,
    /// The largest.
    pub to: f64,
}

/// Good answers beyond the breaking point.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Beyond {
    /// The fewest, per second.
    pub goodput_per_s: f64,
    /// As a share of the most.
    pub share: f64,
    /// The step that shows it.
    pub step: String,
    /// At which load.
    pub load: f64,
    /// Whether they stayed close to the most.
    pub graceful: bool,
}

impl Breaking {
    /// What a run shows. Where the generator was the limit, nothing is known of the target's.
    #[must_use]
    pub fn of_run(analysis: &Analysis, limits: &[Limit]) -> Option<Self> {
        let cores = asked::cores(&analysis.info);
        let known = !analysis.timing.fidelity.generator_limited;
        known.then(|| Self::new(&analysis.steps, limits, analysis.resources.as_ref(), cores)).flatten()
    }

    /// What `steps` show against `limits`; `None` where there are too few loads to compare. Resources are looked at for the whole only.
    #[must_use]
    pub fn new(steps: &Steps, limits: &[Limit], resources: Option<&Resources>, cores: Option<f64>) -> Option<Self> {
        if !steps.vary() {
            return None;
        }
        let of_collection = |(name, steps_of): (&String, &Vec<Step>)| {
            let about = |limit: &&Limit| limit.is_about(name);
            let bearing = Bearing::new(steps_of, &limits.iter().filter(about).cloned().collect::<Vec<_>>());
            let before = bearing.first_load().map(|load| before::operations(steps, Some(name), load));
            (name.clone(), Bearing { before: before.unwrap_or_default(), ..bearing })
        };
        let of_all: Vec<Limit> = limits.iter().filter(|limit| limit.collection.is_none()).cloned().collect();
        let mut all = Bearing::new(&steps.all, &of_all);
        if let Some(load) = all.first_load() {
            all.before = resources.map(|resources| before::resources(&steps.all, resources, cores, load)).unwrap_or_default();
            all.before.extend(before::operations(steps, None, load));
        }
        Some(Self {
            all,
            collections: steps.collections.iter().map(of_collection).collect(),
            spoilt: steps.all.iter().filter(|step| step.spoilt).map(|step| step.name.clone()).collect(),
            closed_loop: steps.all.iter().any(|step| step.users.is_some()),
        })
    }

    /// A load as it is shown.
    #[must_use]
    pub fn load_text(&self, load: f64) -> String {
        if self.closed_loop { format!("{} users", crate::units::number(load)) } else { crate::units::per_s(load) }
    }
}

impl Bearing {
    fn new(steps: &[Step], limits: &[Limit]) -> Self {
        let built_in = [Limit::keeps_up(), Limit::errors(0.0), Limit::errors(ERRORS_MAX)];
        let mut limits: Vec<Bracket> = limits.iter().chain(&built_in).filter_map(|limit| bracket(steps, limit)).collect();
        limits.sort_by(|one, other| one.reached_at().total_cmp(&other.reached_at()));
        // A stray failure is no limit of the target.
        let counted = |bracket: &&Bracket| bracket.limit != Limit::errors(0.0);
        let least = limits.iter().filter(counted).map(Bracket::reached_at).fold(f64::INFINITY, f64::min);
        let is_first = |bracket: &&Bracket| least.is_finite() && bracket.reached_at() <= least;
        let first = limits.iter().filter(counted).filter(is_first).map(|bracket| bracket.limit.name.clone()).collect();
        let kept_up = limits.iter().find(|bracket| bracket.limit.of == Measure::KeepsUp).cloned();
        let broken_at = kept_up.and_then(|bracket| bracket.missed).map(|place| place.load());
        let saturation = saturation(steps, broken_at.is_some());
        let beyond = broken_at.zip(saturation.as_ref()).and_then(|(load, most)| beyond(steps, load, most.per_s));
        Self { limits, first, before: Vec::new(), saturation, knee: knee_of(steps), beyond }
    }

    /// The bracket of a limit.
    #[must_use]
    pub fn bracket(&self, of: &Limit) -> Option<&Bracket> {
        self.limits.iter().find(|bracket| bracket.limit == *of)
    }

    /// The bracket of the limit that was reached first.
    #[must_use]
    pub fn first_bracket(&self) -> Option<&Bracket> {
        self.limits.iter().find(|bracket| self.first.first() == Some(&bracket.limit.name))
    }

    fn first_load(&self) -> Option<f64> {
        self.first_bracket().map(Bracket::reached_at)
    }
}

impl Bracket {
    /// The load at which it was first missed; infinite where it was not.
    #[must_use]
    pub fn reached_at(&self) -> f64 {
        self.missed.as_ref().map_or(f64::INFINITY, Place::load)
    }
}

fn sound(steps: &[Step]) -> impl Iterator<Item = &Step> {
    steps.iter().filter(|step| !step.spoilt)
}

fn saturation(steps: &[Step], reached: bool) -> Option<Saturation> {
    let most = sound(steps).max_by(|one, other| one.goodput_per_s.total_cmp(&other.goodput_per_s))?;
    Some(Saturation {
        per_s: most.goodput_per_s,
        ends: most.goodput_ends,
        step: most.name.clone(),
        from_ns: most.from_ns,
        to_ns: most.to_ns,
        reached,
    })
}

fn beyond(steps: &[Step], broken_at: f64, most_per_s: f64) -> Option<Beyond> {
    let over = sound(steps).filter(|step| step.load() >= broken_at);
    let least = over.min_by(|one, other| one.goodput_per_s.total_cmp(&other.goodput_per_s))?;
    let share = least.goodput_per_s / most_per_s;
    let at_most = least.goodput_ends.map_or(least.goodput_per_s, |(_, high)| high);
    Some(Beyond {
        goodput_per_s: least.goodput_per_s,
        share,
        step: least.name.clone(),
        load: least.load(),
        graceful: at_most >= GRACEFUL_MIN * most_per_s,
    })
}

fn knee_of(steps: &[Step]) -> Option<Knee> {
    let mut points: Vec<(f64, f64)> =
        sound(steps).filter_map(|step| Some((step.load(), step.response.value_ns(0.99)? as f64))).collect();
    points.sort_by(|one, other| one.0.total_cmp(&other.0));
    points.dedup_by(|one, other| one.0 == other.0);
    let (loads, p99s): (Vec<f64>, Vec<f64>) = points.into_iter().unzip();
    let place = knee(&loads, &p99s, Bend::RisingConvex, SENSITIVITY)?;
    Some(Knee { load: loads[place], from: loads[0], to: loads[loads.len() - 1] })
}
