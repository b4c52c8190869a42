//! The series that grew most surely, with its trend.

use super::{Axis, Ink, Line, Overlay, Picture, Plot, Stroke};
use crate::endurance::{Endurance, Judged, Whose};
use crate::{Analysis, units};

/// Values that a line is drawn through; more are averaged.
const POINTS_MAX: usize = 240;

pub(super) fn build(analysis: &Analysis) -> Result<Picture, String> {
    let endurance = analysis.endurance.as_ref().ok_or("The run is too short to tell whether anything grew.")?;
    let one = shown(endurance).ok_or("No series that has enough readings for a trend changed at all.")?;
    let start_s = analysis.whole.first_due_ns as f64 / 1e9;
    let each = one.points.len().div_ceil(POINTS_MAX);
    let mean = |values: &[(f64, f64)], of: fn(&(f64, f64)) -> f64| values.iter().map(of).sum::<f64>() / values.len() as f64;
    let points: Vec<(f64, f64)> = one.points.chunks(each).map(|few| (mean(few, |p| p.0), mean(few, |p| p.1))).collect();
    let trend: Vec<Option<f64>> = points.iter().map(|(at_s, _)| Some(one.trend_at(*at_s))).collect();
    let most = points.iter().map(|(_, value)| *value).chain(trend.iter().flatten().copied()).fold(0.0, f64::max);
    let last_s = points.last().map_or(0.0, |(at_s, _)| at_s - start_s);
    let values = points.iter().map(|(_, value)| Some(*value)).collect();
    let label: fn(f64) -> String = match one.unit.as_str() {
        "bytes" => units::bytes,
        "s" => |seconds| units::round_duration(seconds * 1e9),
        "share" => units::share_label,
        _ => units::short,
    };
    Ok(Plot {
        title: format!("{} over time", one.name()),
        summary: summary(one),
        x: Axis::time("Time since start", last_s, units::time),
        y: Axis::from_zero("Value", most, label, label),
        xs: points.iter().map(|(at_s, _)| (at_s - start_s).max(0.0)).collect(),
        lines: vec![
            Line::new(one.title(), Ink::Blue, Stroke::Thin, values),
            Line::new("Trend", Ink::Vermillion, Stroke::Dashed, trend),
        ],
        over: Overlay::default(),
    }
    .into())
}

/// What goes the bad way, what the target uses first; else the first that did not stand still.
fn shown(endurance: &Endurance) -> Option<&Judged> {
    let bad = [Whose::Target, Whose::Answers, Whose::Generator].map(|whose| endurance.bad(whose));
    let moved = |one: &&Judged| one.points.windows(2).any(|pair| pair[0].1 != pair[1].1);
    bad.concat().into_iter().next().or_else(|| endurance.figures.iter().find(moved))
}

fn summary(one: &Judged) -> String {
    let ends = one.points.first().zip(one.points.last()).map(|(first, last)| (first.0, last.0)).unwrap_or_default();
    let write = |at_s: f64| units::reading(one.trend_at(at_s), &one.unit);
    format!("{}: its trend goes from {} to {}.", one.name(), write(ends.0), write(ends.1))
}
