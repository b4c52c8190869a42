//! What is borne of another mix of collections.

use std::collections::BTreeMap;

use serde::Serialize;
use stats::probability::student_two_sided_quantile;
use stats::regression::{Refusal, Regression};

use super::{Measured, Mix, Safe};
use crate::distribution::CONFIDENCE;
use crate::steps::Step;
use crate::units;

/// What a request's cost is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CostBasis {
    /// Processor time, by regression over the steps.
    ProcessorTime,
    /// Mean service time at the smallest load.
    ServiceTime,
}

/// What is borne of another mix. Rates are requests per second of all collections.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mixed {
    /// Borne of the measured mix.
    pub measured_per_s: f64,
    /// Borne of the other.
    pub per_s: f64,
    /// 95 % interval that the costs leave open; `None` where they have none.
    pub ends_per_s: Option<(f64, f64)>,
    /// The share of each collection that was measured, and the one asked for.
    pub shares: BTreeMap<String, (f64, f64)>,
    /// Seconds of processor or service time that a request of each costs.
    pub costs_s: BTreeMap<String, f64>,
    /// What these are taken from.
    pub basis: CostBasis,
    /// What the figure rests on.
    pub assumes: Vec<String>,
}

/// Seconds that a request of each collection costs.
struct Costs {
    each_s: Vec<f64>,
    /// Of the processor's time, what the interval is made from; its first column is what no request causes.
    law: Option<Regression>,
    assumes: Vec<String>,
}

pub(super) fn mixed(mix: &Mix, measured: &Measured<'_>) -> Result<Mixed, String> {
    let safe = measured.safe.get()?;
    let names: Vec<&str> = measured.steps.collections.keys().map(String::as_str).collect();
    let before = shares(safe, &names)?;
    let after: Vec<f64> = names.iter().map(|name| mix.shares.get(*name).copied().unwrap_or(0.0)).collect();
    let (costs, why_not) = match by_processor(measured, &names) {
        Ok(costs) => (costs, None),
        Err(why_not) => (by_service(measured, &names)?, Some(why_not)),
    };
    let of = |shares: &[f64]| shares.iter().zip(&costs.each_s).map(|(share, cost)| share * cost).sum::<f64>();
    let (cost_before, cost_after) = (of(&before), of(&after));
    let ratio = cost_before / cost_after;
    // The delta method on ln(ratio), whose derivative by a cost is its share of the one mix less that of the other.
    let half = costs.law.as_ref().map(|law| {
        let each = before.iter().zip(&after).map(|(before, after)| before / cost_before - after / cost_after);
        let gradient: Vec<f64> = std::iter::once(0.0).chain(each).collect();
        student_two_sided_quantile(CONFIDENCE, law.degrees) * law.variance(&gradient).sqrt()
    });
    let basis = if costs.law.is_some() { CostBasis::ProcessorTime } else { CostBasis::ServiceTime };
    let mut assumes = costs.assumes;
    assumes.extend(why_not);
    assumes.push("what the requests cost does not depend on the mix, and the same resource stays the limit".to_owned());
    let name = |name: &&str| (*name).to_owned();
    Ok(Mixed {
        measured_per_s: safe.per_s,
        per_s: safe.per_s * ratio,
        ends_per_s: half.map(|half| (safe.per_s * ratio * libm::exp(-half), safe.per_s * ratio * libm::exp(half))),
        shares: names.iter().map(name).zip(before.iter().copied().zip(after.iter().copied())).collect(),
        costs_s: names.iter().map(name).zip(costs.each_s.iter().copied()).collect(),
        basis,
        assumes,
    })
}

/// The mix that was borne.
fn shares(safe: &Safe, names: &[&str]) -> Result<Vec<f64>, String> {
    let rates: Vec<f64> = names.iter().map(|name| safe.collections.get(*name).map_or(0.0, |(borne, _)| *borne)).collect();
    let all: f64 = rates.iter().sum();
    if all <= 0.0 {
        return Err("No mix can be weighed: the step that was borne has no requests by collection.".to_owned());
    }
    Ok(rates.iter().map(|rate| rate / all).collect())
}

/// Processor time by regression: cores in use = b₀ + Σ cost × answers per second (utilization law: Denning & Buzen 1978, ACM Comput. Surv.
/// 10(3)).
fn by_processor(measured: &Measured<'_>, names: &[&str]) -> Result<Costs, String> {
    let steps = &measured.steps;
    let seen = steps.all.iter().zip(measured.cores).filter(|(step, _)| !step.spoilt);
    let seen: Vec<(&Step, f64)> = seen.filter_map(|(step, cores)| Some((step, (*cores)?))).collect();
    if seen.is_empty() {
        return Err("the target's processor time was not watched (--probe), so costs are taken from service times".to_owned());
    }
    let rows: Vec<Vec<f64>> = seen
        .iter()
        .map(|(step, _)| std::iter::once(1.0).chain(names.iter().map(|name| answered_per_s(measured, name, step))).collect())
        .collect();
    let cores: Vec<f64> = seen.iter().map(|(_, cores)| *cores).collect();
    let law = Regression::fit(&rows, &cores).map_err(|refusal| match refusal {
        Refusal::TooFew => format!(
            "{} with known processor time are too few to tell {} collections apart, so costs are taken from service times",
            units::counted(seen.len() as u64, "step"),
            names.len()
        ),
        Refusal::Alike(_) => {
            "the collections' shares hardly vary between the steps, so that processor time cannot be told apart and costs are taken from service times".to_owned()
        }
    })?;
    let each_s = law.coefficients[1..].to_vec();
    if each_s.iter().any(|cost| *cost <= 0.0) {
        return Err("processor time does not rise with every collection's rate, so costs are taken from service times".to_owned());
    }
    let explained = units::share(law.explained.max(0.0));
    let assumes = vec![format!(
        "processor time is the limit; a request's share of it is a linear law over {} steps that explains {explained} of it",
        seen.len()
    )];
    Ok(Costs { each_s, law: Some(law), assumes })
}

fn answered_per_s(measured: &Measured<'_>, name: &str, step: &Step) -> f64 {
    of_collection(measured, name, step).map_or(0.0, |one| one.answered_per_s)
}

/// The same step of one collection.
fn of_collection<'a>(measured: &Measured<'a>, name: &str, step: &Step) -> Option<&'a Step> {
    measured.steps.collections.get(name)?.iter().find(|one| one.is_same(step))
}

/// Mean service times of the smallest load in which all collections were answered.
fn by_service(measured: &Measured<'_>, names: &[&str]) -> Result<Costs, String> {
    let mut order: Vec<&Step> = measured.steps.all.iter().filter(|step| !step.spoilt).collect();
    order.sort_by(|a, b| a.load().total_cmp(&b.load()));
    let costs = |step: &&Step| -> Option<(String, Vec<f64>)> {
        let each = names.iter().map(|name| Some(of_collection(measured, name, step)?.service.mean_ns? / 1e9));
        Some((step.name.clone(), each.collect::<Option<_>>()?))
    };
    let (step, each_s) =
        order.iter().find_map(costs).ok_or("No step has answers of every collection, so their requests' costs are not known.")?;
    let assumes = vec![format!(
        "a request occupies the target's limiting resource in proportion to its mean service time in step {step}, the smallest load; this has no interval"
    )];
    Ok(Costs { each_s, law: None, assumes })
}
