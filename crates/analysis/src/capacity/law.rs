//! The laws that levels of load follow: throughput over concurrency, and response time over load.

use serde::Serialize;
use stats::usl::{LatencyLoad, LatencyPoint, Point, Usl};

use super::Told;
use crate::steps::Step;

/// A standard error is the width of a 95 % interval over this (2 × the 97.5 % point of the normal distribution).
const ERRORS_WIDE: f64 = 3.92;
/// No latency is known better than this, whatever chance says: clocks, caches and neighbours differ from step to step.
const ERROR_MIN: f64 = 0.01;

/// A level of load as the laws see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoadPoint {
    /// The step.
    pub name: String,
    /// Users where they are the load, else requests in flight on average over time: throughput × time (Little 1961, Oper. Res. 9(3)).
    pub concurrency: f64,
    /// Requests due per second.
    pub offered_per_s: f64,
    /// Good answers per second.
    pub goodput_per_s: f64,
    /// Median response time.
    pub p50_ns: Option<i64>,
    /// Its 95 % interval.
    pub p50_ends_ns: Option<(i64, i64)>,
    /// Whether the target fell behind.
    #[serde(skip)]
    overloaded: bool,
}

/// Steps that a law leaves out, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct LeftOut {
    /// The generator was at its limit: no law sees them.
    pub spoilt: usize,
    /// No good answer came: no law sees them.
    pub unanswered: usize,
    /// The target fell behind, so that response times and requests in flight only say how long they were: no law sees them.
    pub overloaded: usize,
    /// Their median is not known well enough for an interval: latency over load leaves them out.
    pub uncertain: usize,
}

/// What the levels of load follow.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Laws {
    /// The levels that count.
    pub points: Vec<LoadPoint>,
    /// The others.
    pub left_out: LeftOut,
    /// Throughput over concurrency.
    pub usl: Told<Usl>,
    /// Median response time, ns, over the rate offered.
    pub latency: Told<LatencyLoad>,
}

impl Laws {
    /// Fits both laws to the steps.
    pub(super) fn of(steps: &[Step]) -> Self {
        let mut left_out = LeftOut { spoilt: steps.iter().filter(|step| step.spoilt).count(), ..LeftOut::default() };
        let sound: Vec<LoadPoint> = steps.iter().filter(|step| !step.spoilt).map(LoadPoint::of).collect();
        let answered = |point: &LoadPoint| point.goodput_per_s > 0.0 && point.concurrency > 0.0;
        let points: Vec<LoadPoint> = sound.iter().filter(|point| answered(point)).cloned().collect();
        left_out.unanswered = sound.len() - points.len();
        let (overloaded, points): (Vec<LoadPoint>, Vec<LoadPoint>) = points.into_iter().partition(|point| point.overloaded);
        left_out.overloaded = overloaded.len();
        let latencies: Vec<LatencyPoint> = points.iter().filter_map(LoadPoint::latency).collect();
        left_out.uncertain = points.len() - latencies.len();
        let throughput: Vec<Point> =
            points.iter().map(|point| Point { concurrency: point.concurrency, per_s: point.goodput_per_s }).collect();
        let usl = Usl::fit(&throughput).map_err(|refusal| format!("No scalability law: {refusal}."));
        let latency = LatencyLoad::fit(&latencies).map_err(|refusal| format!("No curve of latency over load: {refusal}."));
        Self { points, left_out, usl: usl.into(), latency: latency.into() }
    }
}

impl LoadPoint {
    fn of(step: &Step) -> Self {
        let p50 = step.response.at(0.5);
        Self {
            name: step.name.clone(),
            concurrency: step.users.unwrap_or(step.in_flight_mean),
            offered_per_s: step.offered_per_s,
            goodput_per_s: step.goodput_per_s,
            p50_ns: p50.and_then(|p50| p50.value_ns),
            p50_ends_ns: p50.and_then(|p50| p50.low_ns.zip(p50.high_ns)),
            overloaded: step.overload.is_some_and(|overload| overload.overloaded),
        }
    }

    /// As the curve of latency over load takes it; `None` where it leaves the step out.
    fn latency(&self) -> Option<LatencyPoint> {
        let (low, high) = self.p50_ends_ns.filter(|(low, _)| *low > 0)?;
        let error = libm::log(high as f64 / low as f64) / ERRORS_WIDE;
        Some(LatencyPoint { per_s: self.offered_per_s, latency: self.p50_ns? as f64, error: error.max(ERROR_MIN) })
    }
}
