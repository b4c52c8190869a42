//! Latency by load: what more load costs, where limits are missed, and where the curve bends.

use super::{Axis, Band, Ink, Level, Line, Mark, Overlay, Picture, Plot, Stroke};
use crate::breaking::{Breaking, Measure};
use crate::steps::Step;
use crate::{Analysis, units};

pub(super) fn build(analysis: &Analysis) -> Result<Picture, String> {
    match &analysis.breaking {
        Some(breaking) => picture(&analysis.steps.all, breaking),
        None if analysis.steps.all.is_empty() => Err("Latency by load needs a load that varies.".to_owned()),
        None => Err("Latency by load is left out: the generator, not the target, was at its limit.".to_owned()),
    }
}

/// Response times of `steps` over their loads; those that the generator spoilt are left out.
pub(crate) fn picture(steps: &[Step], breaking: &Breaking) -> Result<Picture, String> {
    let mut steps: Vec<&Step> = steps.iter().filter(|step| !step.spoilt && step.response.value_ns(0.5).is_some()).collect();
    steps.sort_by(|one, other| one.load().total_cmp(&other.load()));
    steps.dedup_by(|one, other| one.load() <= other.load());
    let p50s: Vec<Option<f64>> = steps.iter().map(|step| value(step, 0.5)).collect();
    let p99s: Vec<Option<f64>> = steps.iter().map(|step| value(step, 0.99)).collect();
    let (Some(last), true) = (steps.last(), steps.len() > 1) else {
        return Err("Latency by load needs two loads with enough answers.".to_owned());
    };
    let levels = levels(breaking);
    let ends: Vec<Option<(f64, f64)>> = steps.iter().map(|step| interval(step)).collect();
    let all = || p50s.iter().chain(&p99s).flatten().copied().chain(levels.iter().map(|level| level.at));
    let (least, most) = (all().fold(f64::MAX, f64::min), all().fold(1.0, f64::max));
    let clamp = |ends: (f64, f64)| (ends.0.max(least), ends.1.min(most));
    let title = if breaking.closed_loop { "Users" } else { "Requests offered per second" };
    let written = if breaking.closed_loop { units::number } else { units::per_s };
    Ok(Plot {
        title: "Latency by load".to_owned(),
        summary: summary(breaking, &steps),
        x: Axis::from_zero(title, last.load(), units::short, written),
        y: Axis::log("Response time", least, most, units::round_duration, units::duration),
        xs: steps.iter().map(|step| step.load()).collect(),
        lines: vec![
            Line::new("Median", Ink::Blue, Stroke::Thin, p50s.clone()),
            Line::new("99th percentile", Ink::Vermillion, Stroke::Thin, p99s.clone()),
            Line::new("Medians of steps", Ink::Blue, Stroke::Points, p50s),
            Line::new("99th percentiles of steps", Ink::Vermillion, Stroke::Points, p99s),
        ],
        over: Overlay {
            bands: vec![Band {
                name: "99th percentile, 95 % confidence".to_owned(),
                ink: Ink::Vermillion,
                ends: ends.into_iter().map(|ends| ends.map(clamp)).collect(),
            }],
            levels,
            marks: marks(breaking, last.load()),
        },
    }
    .into())
}

fn value(step: &Step, p: f64) -> Option<f64> {
    step.response.value_ns(p).map(|ns| ns.max(1) as f64)
}

fn interval(step: &Step) -> Option<(f64, f64)> {
    let quantile = step.response.at(0.99)?;
    quantile.low_ns.zip(quantile.high_ns).map(|(low, high)| (low.max(1) as f64, high.max(1) as f64))
}

/// Objectives on the response time.
fn levels(breaking: &Breaking) -> Vec<Level> {
    let times = breaking.all.limits.iter().map(|bracket| &bracket.limit).filter(|limit| matches!(limit.of, Measure::Response(_)));
    times.map(|limit| Level { at: limit.limit, name: limit.name.clone() }).collect()
}

/// The loads between which the first limit was reached, and the knee.
fn marks(breaking: &Breaking, most: f64) -> Vec<Mark> {
    let mut marks = Vec::new();
    if let Some(first) = breaking.all.first_bracket() {
        marks.push(Mark { at: first.low, name: "limit".to_owned(), shaded: true });
        marks.extend(first.high.filter(|high| *high < most).map(|at| Mark { at, name: String::new(), shaded: false }));
    }
    if let Some(knee) = &breaking.all.knee {
        let inside = marks.first().is_some_and(|limit| limit.shaded && limit.at <= knee.load);
        let shaded = inside && marks.get(1).is_none_or(|end| knee.load < end.at);
        marks.push(Mark { at: knee.load, name: "knee".to_owned(), shaded });
    }
    marks.sort_by(|one, other| one.at.total_cmp(&other.at));
    marks
}

fn summary(breaking: &Breaking, steps: &[&Step]) -> String {
    let text = |step: Option<&&Step>| {
        let p99 = step.and_then(|step| value(step, 0.99)).map_or_else(|| "unknown".to_owned(), units::duration);
        (p99, step.map_or_else(String::new, |step| breaking.load_text(step.load())))
    };
    let known = |step: &&&Step| value(step, 0.99).is_some();
    let ((low, from), (high, to)) = (text(steps.iter().find(known)), text(steps.iter().rfind(known)));
    let first = crate::finding::in_a_word(breaking, &breaking.all);
    format!("The 99th percentile is {low} at {from} and {high} at {to}. Limit reached first: {first}.")
}
