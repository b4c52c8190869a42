//! Latency by load: what more load costs, the curve that it follows, where limits are missed, and where the curve bends.

use stats::usl::LatencyLoad;

use super::{Axis, Band, Ink, Level, Line, Mark, Overlay, Picture, Plot, Stroke};
use crate::breaking::{Breaking, Measure};
use crate::capacity::Capacity;
use crate::steps::Step;
use crate::{Analysis, units};

/// Places of the fitted curve, besides the measured ones.
const CURVE: usize = 40;

pub(super) fn build(analysis: &Analysis) -> Result<Picture, String> {
    match &analysis.breaking {
        Some(breaking) => picture(&analysis.steps.all, breaking, analysis.capacity.as_ref()),
        None if analysis.steps.all.is_empty() => Err("Latency by load needs a load that varies.".to_owned()),
        None => Err("Latency by load is left out: the generator, not the target, was at its limit.".to_owned()),
    }
}

/// Response times of `steps` over their loads, those that the generator spoilt left out, and the fitted curve of `capacity`.
pub(crate) fn picture(steps: &[Step], breaking: &Breaking, capacity: Option<&Capacity>) -> Result<Picture, String> {
    // Users in a closed loop are no rate.
    let law = capacity.filter(|_| !breaking.closed_loop).and_then(|capacity| capacity.laws.latency.known());
    let seen = Seen::of(steps, law);
    let (Some(last), true) = (seen.steps.last(), seen.steps.len() > 1) else {
        return Err("Latency by load needs two loads with enough answers.".to_owned());
    };
    let (p50s, p99s) = (seen.measured(|step| value(step, 0.5)), seen.measured(|step| value(step, 0.99)));
    let curve: Option<Vec<Option<f64>>> = law.map(|law| seen.xs.iter().map(|x| law.latency(*x)).collect());
    let levels = levels(breaking);
    let lines = || p50s.iter().chain(&p99s).chain(curve.iter().flatten()).flatten().copied();
    let all = || lines().chain(levels.iter().map(|level| level.at));
    let within = (all().fold(f64::MAX, f64::min), all().fold(1.0, f64::max));
    let mut bands = vec![band("99th percentile, 95 % confidence", Ink::Vermillion, seen.measured(interval), within)];
    bands.extend(law.map(|law| {
        let ends = seen.xs.iter().map(|x| law.latency_ends(*x)).collect();
        band("Median, 95 % confidence", Ink::Blue, ends, within)
    }));
    let median = match law {
        Some(law) => Line::new(format!("Median, as of {}", queue(law)), Ink::Blue, Stroke::Dashed, curve.unwrap_or_default()),
        None => Line::new("Median", Ink::Blue, Stroke::Thin, p50s.clone()),
    };
    let title = if breaking.closed_loop { "Users" } else { "Requests offered per second" };
    let written = if breaking.closed_loop { units::number } else { units::per_s };
    Ok(Plot {
        title: "Latency by load".to_owned(),
        summary: summary(breaking, &seen.steps, law),
        x: Axis::from_zero(title, last.load(), units::short, written),
        y: Axis::log("Response time", within.0, within.1, units::round_duration, units::duration),
        lines: vec![
            median,
            Line::new("99th percentile", Ink::Vermillion, Stroke::Thin, p99s.clone()),
            Line::new("Medians of steps", Ink::Blue, Stroke::Points, p50s),
            Line::new("99th percentiles of steps", Ink::Vermillion, Stroke::Points, p99s),
        ],
        over: Overlay { bands, levels, marks: marks(breaking, last.load()), across: true },
        xs: seen.xs,
    }
    .into())
}

/// The steps to be seen, by load, and the places of the plot.
struct Seen<'a> {
    steps: Vec<&'a Step>,
    /// The loads of the steps, and where there is a curve, more between zero and the last of them, rising.
    xs: Vec<f64>,
}

impl<'a> Seen<'a> {
    fn of(steps: &'a [Step], law: Option<&LatencyLoad>) -> Self {
        let mut steps: Vec<&Step> = steps.iter().filter(|step| !step.spoilt && step.response.value_ns(0.5).is_some()).collect();
        steps.sort_by(|one, other| one.load().total_cmp(&other.load()));
        steps.dedup_by(|one, other| one.load() <= other.load());
        let mut xs: Vec<f64> = steps.iter().map(|step| step.load()).collect();
        let most = xs.last().copied().unwrap_or_default();
        xs.extend(law.iter().flat_map(|_| (0..=CURVE).map(|place| most * place as f64 / CURVE as f64)));
        xs.sort_unstable_by(f64::total_cmp);
        xs.dedup();
        Self { steps, xs }
    }

    /// A figure of the step at each place; `None` where none was measured.
    fn measured<T>(&self, figure: impl Fn(&Step) -> Option<T>) -> Vec<Option<T>> {
        let at = |x: &f64| self.steps.iter().find(|step| step.load() == *x).and_then(|step| figure(step));
        self.xs.iter().map(at).collect()
    }
}

/// A band cut off where the chart ends.
fn band(name: &str, ink: Ink, ends: Vec<Option<(f64, f64)>>, (least, most): (f64, f64)) -> Band {
    let inside = |ends: &(f64, f64)| ends.0 <= most && ends.1 >= least;
    let cut = |ends: Option<(f64, f64)>| ends.filter(inside).map(|(low, high)| (low.max(least), high.min(most)));
    Band { name: name.to_owned(), ink, ends: ends.into_iter().map(cut).collect() }
}

/// What the curve is that of; loads that are too small to tell where it has its end do not tell the number of its servers either.
fn queue(law: &LatencyLoad) -> String {
    let servers = || format!("a queue with {}", units::counted(u64::from(law.servers), "server"));
    law.capacity_high_per_s.map_or_else(|| "a queue".to_owned(), |_| servers())
}

fn value(step: &Step, p: f64) -> Option<f64> {
    step.response.value_ns(p).map(|ns| ns.max(1) as f64)
}

fn interval(step: &Step) -> Option<(f64, f64)> {
    let quantile = step.response.at(0.99)?;
    quantile.low_ns.zip(quantile.high_ns).map(|(low, high)| (low.max(1) as f64, high.max(1) as f64))
}

/// Objectives on the response time of all requests.
fn levels(breaking: &Breaking) -> Vec<Level> {
    let limits = breaking.all.limits.iter().map(|bracket| &bracket.limit);
    let times = limits.filter(|limit| matches!(limit.of, Measure::Response(_)) && limit.steps.is_none());
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

fn summary(breaking: &Breaking, steps: &[&Step], law: Option<&LatencyLoad>) -> String {
    let text = |step: Option<&&Step>| {
        let p99 = step.and_then(|step| value(step, 0.99)).map_or_else(|| "unknown".to_owned(), units::duration);
        (p99, step.map_or_else(String::new, |step| breaking.load_text(step.load())))
    };
    let known = |step: &&&Step| value(step, 0.99).is_some();
    let ((low, from), (high, to)) = (text(steps.iter().find(known)), text(steps.iter().rfind(known)));
    let first = crate::finding::in_a_word(breaking, &breaking.all);
    let curve = law.filter(|law| law.capacity_high_per_s.is_some());
    let curve =
        curve.map(|law| format!(" The medians rise as of {} that bears {}.", queue(law), units::per_s(law.capacity_per_s)));
    let curve = curve.unwrap_or_default();
    format!("The 99th percentile is {low} at {from} and {high} at {to}. Limit reached first: {first}.{curve}")
}
