//! What a target can bear: its scalability, headroom, and nodes against a demand.

use super::{Axis, Band, Bar, Bars, Ink, Level, Line, Overlay, Picture, Plot, Scale, Stroke, Text};
use crate::capacity::{Capacity, Peak, Scaling};
use crate::{Analysis, units};

/// Places of a fitted curve, besides the measured ones.
const CURVE: usize = 60;
/// Bars of a chart; the other collections are in the table.
const BARS_MAX: usize = 24;
/// Numbers of nodes that a chart shows.
const NODES_SHOWN_MAX: u32 = 60;

/// Draws one of the charts.
pub(super) type Build = fn(&Capacity) -> Result<Picture, String>;

/// A chart of a run's capacity.
pub(super) fn of_run(analysis: &Analysis, build: Build) -> Result<Picture, String> {
    let capacity = analysis.capacity.as_ref().ok_or("The run has one level of load, which says nothing of capacity.")?;
    build(capacity)
}

/// Throughput over concurrency: what was measured, the law, and its interval.
pub(super) fn scalability(capacity: &Capacity) -> Result<Picture, String> {
    let laws = &capacity.laws;
    let law = match (laws.usl.known(), laws.usl.refusal()) {
        (Some(law), _) => law,
        (None, refusal) => return Err(refusal.unwrap_or_default().to_owned()),
    };
    let (least, most) = law.measured;
    let curve = (0..=CURVE).map(|i| least * (most / least).powf(i as f64 / CURVE as f64));
    let mut xs: Vec<f64> = curve.chain(laws.points.iter().map(|point| point.concurrency)).collect();
    xs.sort_unstable_by(f64::total_cmp);
    xs.dedup();
    let fitted: Vec<_> = xs.iter().map(|x| law.per_s(*x)).collect();
    let measured = |x: &f64| laws.points.iter().find(|point| point.concurrency == *x).map(|point| point.goodput_per_s);
    let high = fitted.iter().flatten().map(|rate| rate.high).chain(laws.points.iter().map(|point| point.goodput_per_s));
    let y_most = high.fold(0.0, f64::max);
    let title = "Concurrency (users, or requests in flight on average)";
    Ok(Plot {
        title: "Scalability".to_owned(),
        summary: scalability_summary(capacity),
        x: if most > 20.0 * least {
            Axis::log(title, least, most, units::short, units::number)
        } else {
            Axis::from_zero(title, most, units::short, units::number)
        },
        y: Axis::from_zero("Good answers per second", y_most, units::short, units::per_s),
        lines: vec![
            Line::new(
                "Universal Scalability Law",
                Ink::Vermillion,
                Stroke::Dashed,
                fitted.iter().map(|rate| Some(rate.as_ref()?.value)).collect(),
            ),
            Line::new("Measured", Ink::Blue, Stroke::Points, xs.iter().map(measured).collect()),
        ],
        over: Overlay {
            bands: vec![Band {
                name: "95 % interval of the law".to_owned(),
                ink: Ink::Vermillion,
                ends: fitted.iter().map(|rate| Some((rate.as_ref()?.low, rate.as_ref()?.high))).collect(),
            }],
            ..Overlay::default()
        },
        xs,
    }
    .into())
}

fn scalability_summary(capacity: &Capacity) -> String {
    let laws = &capacity.laws;
    let most = laws.points.iter().map(|point| point.goodput_per_s).fold(0.0, f64::max);
    let measured = format!("The most that was measured is {}", units::per_s(most));
    match laws.usl.known().and_then(|law| law.peak.as_ref()) {
        Some(peak) if peak.within_measured => format!(
            "{measured}; by the law throughput falls beyond {} in flight, where it is {}.",
            units::number(peak.concurrency.value),
            units::per_s(peak.per_s.value)
        ),
        _ => format!("{measured}; no peak was reached."),
    }
}

/// What is borne, by collection, against the recorded peak.
pub(super) fn headroom(capacity: &Capacity) -> Result<Picture, String> {
    if capacity.headroom.is_empty() {
        return Err("Headroom needs the recorded traffic (--trace FILE).".to_owned());
    }
    let bar = |one: &crate::capacity::Headroom| {
        Some(Bar {
            name: one.collection.clone().unwrap_or_else(|| "all".to_owned()),
            ink: if one.times? >= 1.0 { Ink::Blue } else { Ink::Vermillion },
            value: one.safe_per_s?,
            ends: one.not_per_s.map(|not| (one.safe_per_s.unwrap_or(not), not)),
            limit: Peak::held_against(&one.peaks).map(|peak| peak.per_s),
        })
    };
    let bars: Vec<Bar> = capacity.headroom.iter().filter_map(bar).take(BARS_MAX).collect();
    let all = bars.first().ok_or("No rate is known to be borne, or the trace is too short for a peak.")?;
    let (borne, peak) = (all.value, all.limit.unwrap_or_default());
    let most = bars.iter().map(|bar| bar.ends.map_or(bar.value, |ends| ends.1).max(bar.limit.unwrap_or(0.0))).fold(0.0, f64::max);
    Ok(Bars {
        title: "Headroom by collection".to_owned(),
        summary: format!(
            "{} is borne of all collections, {} times the recorded peak of {}.",
            units::per_s(borne),
            units::number(borne / peak),
            units::per_s(peak)
        ),
        x: Axis::from_zero("Requests per second borne", most, units::short, units::per_s),
        names: "Collection",
        limits: "Recorded peak",
        bars,
    }
    .into())
}

/// The rate that each number of nodes bears, against the demand.
pub(super) fn nodes(capacity: &Capacity) -> Result<Picture, String> {
    let plan = match &capacity.nodes {
        Some(told) => told.known().ok_or_else(|| told.refusal().unwrap_or_default().to_owned())?,
        None => return Err("Nodes need a demand (--demand RATE, or --trace FILE).".to_owned()),
    };
    let last = (plan.nodes + plan.nodes.div_ceil(3)).max(plan.nodes_ends.1 + 1);
    if last > NODES_SHOWN_MAX {
        return Err(format!("{} nodes are too many to be drawn one by one.", units::count(u64::from(plan.nodes))));
    }
    let counts: Vec<u32> = (1..=last).collect();
    let left = |nodes: u32| nodes.checked_sub(plan.reserve).filter(|left| *left > 0).and_then(|left| plan.scaling.per_s(left));
    let borne: Vec<_> = counts.iter().map(|nodes| left(*nodes)).collect();
    let name = match plan.reserve {
        0 => "Borne".to_owned(),
        lost => format!("Borne with {} lost", units::counted(u64::from(lost), "node")),
    };
    let most = borne.iter().flatten().map(|rates| rates.2).fold(plan.demand_per_s, f64::max);
    let stroke = |ys| Line::new(name.clone(), Ink::Blue, Stroke::Points, ys);
    let law = match plan.scaling {
        Scaling::Linear { .. } => "in proportion to nodes",
        Scaling::Usl(_) => "by the Universal Scalability Law",
    };
    let mut ticks: Vec<f64> = counts.iter().map(|nodes| f64::from(*nodes)).collect();
    ticks.retain(|tick| last <= 12 || (*tick as u32).is_multiple_of(last.div_ceil(10)));
    Ok(Plot {
        title: "Nodes against demand".to_owned(),
        summary: format!("{} takes {} ({law}).", units::per_s(plan.demand_per_s), units::counted(u64::from(plan.nodes), "node")),
        x: Axis {
            title: "Nodes",
            scale: Scale::Linear,
            from: 0.0,
            to: f64::from(last) + 0.5,
            ticks,
            label: Text::By(units::short),
            value: Text::By(units::short),
        },
        y: Axis::from_zero("Requests per second", most, units::short, units::per_s),
        xs: counts.iter().map(|nodes| f64::from(*nodes)).collect(),
        lines: vec![stroke(borne.iter().map(|rates| Some(rates.as_ref()?.0)).collect())],
        over: Overlay {
            bands: vec![Band {
                name: "What the measured rates leave open".to_owned(),
                ink: Ink::Blue,
                ends: borne.iter().map(|rates| Some((rates.as_ref()?.1, rates.as_ref()?.2))).collect(),
            }],
            levels: vec![Level { at: plan.demand_per_s, name: "Demand".to_owned() }],
            ..Overlay::default()
        },
    }
    .into())
}
