//! When growing demand reaches what is borne.

use serde::Serialize;

use super::nodes::Demand;
use super::{Growth, Measured, calendar};
use crate::units;

/// Nobody's growth goes on for longer than this.
const MONTHS_MAX: f64 = 120.0;
const DAY_NS: i64 = 86_400_000_000_000;

/// When demand reaches what is borne.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reached {
    /// The day on which it reaches the rate that was borne, as `2026-11-20`.
    pub date: String,
    /// The day on which it reaches the rate that was not; `None` where none was tried.
    pub date_latest: Option<String>,
    /// Months until the first of these.
    pub months: f64,
    /// The demand that grows, per second.
    pub demand_per_s: f64,
    /// From which day on.
    pub from: String,
    /// What the dates rest on.
    pub assumes: Vec<String>,
}

pub(super) fn reached(growth: Growth, demand: Option<&Demand>, measured: &Measured<'_>) -> Result<Reached, String> {
    let demand = demand.ok_or("Growth needs a demand that grows: add --demand, or --trace for the recorded peak.")?;
    let safe = measured.safe.get()?;
    let from =
        measured.at_unix_ns.ok_or("The run does not say when it was made, so growth has no day to begin at.")?.div_euclid(DAY_NS);
    let months = |per_s: f64| libm::log(per_s / demand.per_s) / libm::log(growth.monthly);
    let first = months(safe.per_s);
    if first <= 0.0 {
        let (wanted, borne) = (units::per_s(demand.per_s), units::per_s(safe.per_s));
        return Err(format!("A demand of {wanted} is above the {borne} that are borne already."));
    }
    if first > MONTHS_MAX {
        return Err("Demand does not reach what is borne within ten years, beyond which no growth is extrapolated.".to_owned());
    }
    let date = |months: f64| calendar::date(calendar::months_after(from, months));
    let a_month = units::share(growth.monthly - 1.0);
    Ok(Reached {
        date: date(first),
        date_latest: safe.not_per_s.map(months).filter(|months| *months <= MONTHS_MAX).map(date),
        months: first,
        demand_per_s: demand.per_s,
        from: calendar::date(from),
        assumes: vec![
            format!(
                "demand is {} ({}) on {} and grows by {a_month} a month, compounded",
                units::per_s(demand.per_s),
                demand.of,
                calendar::date(from)
            ),
            "the target and the mix of requests stay as they were measured".to_owned(),
        ],
    })
}
