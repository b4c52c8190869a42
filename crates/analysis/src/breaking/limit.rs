//! What a step is held against.

use serde::{Serialize, Serializer};
use stats::overload::GROWTH_MIN;
use trace::Unit;

use crate::steps::Step;
use crate::threshold::shown;
use crate::units;

/// What a step is held against.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// As it is shown: `p99 ≤ 20 ms`.
    pub name: String,
    /// What is looked at.
    pub of: Measure,
    /// The most that is allowed, or the least of a rate.
    pub limit: f64,
    /// In what both are.
    pub unit: Unit,
    /// The one collection it is about; `None`: the whole, and each.
    pub collection: Option<String>,
    /// The steps as only the requests show them that it is about; `None` for all of a step.
    pub steps: Option<Vec<Step>>,
}

/// What is looked at.
#[derive(Debug, Clone, PartialEq)]
pub enum Measure {
    /// Growth of the requests in flight, as a share of those offered; the limit is that of [`stats::overload`].
    KeepsUp,
    /// A quantile of the response time, ns: its level, one of [`crate::distribution::LEVELS`].
    Response(f64),
    /// A quantile of the service time, ns.
    Service(f64),
    /// Mean response time, ns.
    Mean,
    /// Longest response time, ns.
    Longest,
    /// Share of requests without a good answer.
    Errors,
    /// Whole answers per second; the limit is the least.
    Answered,
    /// Good answers per second, likewise.
    Good,
    /// Connections open at once.
    Connections,
    /// A resource, of which a step has the mean.
    Resource(Sources),
}

/// Readings of a resource: instants and values of each source, rising in time.
pub type Sources = Vec<Vec<(i64, f64)>>;

/// The sum over the sources of their mean values between two instants; `None` where none was read.
#[must_use]
pub fn mean_between(sources: &Sources, from_ns: i64, to_ns: i64) -> Option<f64> {
    let mean = |points: &Vec<(i64, f64)>| {
        let (first, last) = (points.partition_point(|(at, _)| *at < from_ns), points.partition_point(|(at, _)| *at < to_ns));
        let inside = &points[first..last];
        (!inside.is_empty()).then(|| inside.iter().map(|(_, value)| value).sum::<f64>() / inside.len() as f64)
    };
    sources.iter().filter_map(mean).reduce(|sum, value| sum + value)
}

/// What was found in a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// In the measure's unit.
    pub value: f64,
    /// Whether the limit held; `None` where the step cannot tell.
    pub held: Option<bool>,
}

impl Limit {
    /// A limit of all requests.
    pub fn new(name: impl Into<String>, of: Measure, limit: f64, unit: Unit) -> Self {
        Self { name: name.into(), of, limit, unit, collection: None, steps: None }
    }

    /// Whether it says something of one collection: resources are of the whole.
    #[must_use]
    pub fn is_about(&self, collection: &str) -> bool {
        let its = self.collection.as_ref().map_or(self.steps.is_none(), |one| one == collection);
        its && !matches!(self.of, Measure::Resource(_))
    }

    /// Whether there are loads that it says nothing of: those of other phases, or those that ask for less than a floor.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.steps.is_some() || matches!(self.of, Measure::Answered | Measure::Good)
    }

    /// That requests in flight do not grow without end, and hardly any time out or are shed.
    #[must_use]
    pub fn keeps_up() -> Self {
        Self::new("keeps up with the load", Measure::KeepsUp, GROWTH_MIN, Unit::Share)
    }

    /// That no more than a share of the requests fail.
    #[must_use]
    pub fn errors(share: f64) -> Self {
        let name = if share > 0.0 { format!("errors ≤ {}", units::share_label(share)) } else { "no errors".to_owned() };
        Self::new(name, Measure::Errors, share, Unit::Share)
    }

    /// What `step` shows; `None` where it does not have the figure, or where that takes all steps ([`Measure::KeepsUp`]).
    #[must_use]
    pub fn find(&self, step: &Step) -> Option<Found> {
        let step = self.steps.as_ref().map_or(Some(step), |steps| steps.iter().find(|one| one.is_same(step)))?;
        let found = |value: f64| Found { value, held: Some(value <= self.limit) };
        match &self.of {
            Measure::KeepsUp => None,
            Measure::Response(p) => self.quantile(&step.response, *p),
            Measure::Service(p) => self.quantile(&step.service, *p),
            Measure::Mean => step.response.mean_ns.map(found),
            Measure::Longest => step.response.max_ns.map(|ns| found(ns as f64)),
            Measure::Errors => Some(found(step.share(step.failed))),
            Measure::Answered => Some(self.floor(step, step.answered_per_s, step.answered_ends)),
            Measure::Good => Some(self.floor(step, step.goodput_per_s, step.goodput_ends)),
            Measure::Connections => step.connections.map(|connections| found(connections as f64)),
            Measure::Resource(sources) => mean_between(sources, step.from_ns, step.to_ns).map(found),
        }
    }

    /// A quantile whose interval encloses the limit cannot tell.
    fn quantile(&self, times: &crate::distribution::Distribution, p: f64) -> Option<Found> {
        let quantile = times.at(p)?;
        let value = quantile.value_ns? as f64;
        let (low, high) = quantile.low_ns.zip(quantile.high_ns).map_or((value, value), |(low, high)| (low as f64, high as f64));
        let held = if high <= self.limit { Some(true) } else { (low > self.limit).then_some(false) };
        Some(Found { value, held })
    }

    /// A rate whose interval encloses the limit cannot tell, and no more can a load that asks for less than the limit.
    fn floor(&self, step: &Step, value: f64, ends: Option<(f64, f64)>) -> Found {
        let (low, high) = ends.unwrap_or((value, value));
        let held = if low >= self.limit { Some(true) } else { (high < self.limit).then_some(false) };
        Found { value, held: held.filter(|_| step.offered_per_s >= self.limit) }
    }

    /// A figure of it, as it is shown.
    #[must_use]
    pub fn text(&self, value: f64) -> String {
        match &self.of {
            Measure::KeepsUp if value.is_nan() => "many timed out or were shed".to_owned(),
            Measure::KeepsUp => format!("{} of them stayed in flight", units::share(value)),
            _ => shown(self.unit, value),
        }
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name)
    }
}
