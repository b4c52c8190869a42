//! The two pictures of a comparison: both distributions, and by how much each quantile moved.

use super::{Comparison, Shift};
use crate::chart::{Axis, Band, Drawn, Ink, Level, Line, Overlay, Picture, Plot, Scale, Stroke, Text};
use crate::units;

/// Places on the axis of durations.
const POINTS: usize = 160;
/// Answers a side below which a distribution is not drawn.
const ANSWERS_MIN: u64 = 20;

/// All charts of a comparison.
pub fn charts(comparison: &Comparison) -> Vec<Drawn> {
    vec![
        Drawn { name: "quantile-differences".to_owned(), picture: differences(comparison) },
        Drawn { name: "distributions".to_owned(), picture: distributions(comparison) },
    ]
}

/// The share of answers up to each duration, of both sides.
fn distributions(comparison: &Comparison) -> Result<Picture, String> {
    let [old, new] = &comparison.curves;
    if old.count().min(new.count()) < ANSWERS_MIN {
        return Err(format!("Distributions need {ANSWERS_MIN} answers on both sides."));
    }
    let (Some(of_old), Some(of_new)) = (old.range_ns(), new.range_ns()) else { return Err("There are no answers.".to_owned()) };
    let (least, most) = (of_old.0.min(of_new.0).max(1) as f64, of_old.1.max(of_new.1).max(2) as f64);
    let xs: Vec<f64> = (0..=POINTS).map(|point| least * (most / least).powf(point as f64 / POINTS as f64)).collect();
    let shares = |of: &super::Histogram| -> Vec<Option<f64>> {
        let all = of.count() as f64;
        xs.iter().map(|ns| Some(of.at_most(ns.round() as i64) as f64 / all)).collect()
    };
    let half = |of: &super::Histogram| of.quantile_ns(0.5).map_or_else(|| "unknown".to_owned(), |ns| units::duration(ns as f64));
    let (before, after) = (&comparison.before.label, &comparison.after.label);
    Ok(Plot {
        title: "Response times of both sides".to_owned(),
        summary: format!("Half of the answers came within {} before and within {} after.", half(old), half(new)),
        x: Axis::log("Response time", least, most, units::round_duration, units::duration),
        y: Axis { to: 1.0, ..Axis::from_zero("Share of answers", 1.0, units::share_label, units::share) },
        xs: xs.clone(),
        lines: vec![
            Line::new(format!("{before} (before)"), Ink::Blue, Stroke::Broad, shares(old)),
            Line::new(format!("{after} (after)"), Ink::Vermillion, Stroke::Thin, shares(new)),
        ],
        over: Overlay::default(),
    }
    .into())
}

/// By how much each quantile moved, with its interval.
fn differences(comparison: &Comparison) -> Result<Picture, String> {
    let known: Vec<(&Shift, super::Change)> = comparison.shifts.iter().filter_map(|shift| Some((shift, shift.change?))).collect();
    if known.len() < 2 {
        return Err(
            "There are too few runs, or too few answers in stretches of them, for differences of quantiles with intervals."
                .to_owned(),
        );
    }
    let ends = known.iter().flat_map(|(_, change)| [change.low, change.high]);
    let (least, most) = ends.fold((0.0_f64, 0.0_f64), |(least, most), end| (least.min(end), most.max(end)));
    let names: Vec<String> = known.iter().map(|(shift, _)| level(shift.level)).collect();
    let places: Vec<f64> = (0..known.len()).map(|place| place as f64).collect();
    let (first, last) = (known[0], known[known.len() - 1]);
    Ok(Plot {
        title: "Difference of each quantile".to_owned(),
        summary: format!(
            "Against before, {} moved by {} and {} by {}.",
            level(first.0.level),
            percent(first.1.value),
            level(last.0.level),
            percent(last.1.value)
        ),
        x: Axis {
            title: "Quantile of response time",
            scale: Scale::Linear,
            from: 0.0,
            to: places[places.len() - 1],
            ticks: places.clone(),
            label: Text::Names(names.clone()),
            value: Text::Names(names),
        },
        y: around_zero(least, most),
        xs: places,
        lines: vec![Line::new(
            "Difference",
            Ink::Blue,
            Stroke::Thin,
            known.iter().map(|(_, change)| Some(change.value)).collect(),
        )],
        over: Overlay {
            bands: vec![Band {
                name: "Interval of 95 %".to_owned(),
                ink: Ink::Blue,
                ends: known.iter().map(|(_, change)| Some((change.low, change.high))).collect(),
            }],
            levels: vec![Level { at: 0.0, name: "no difference".to_owned() }],
            ..Overlay::default()
        },
    }
    .into())
}

fn level(p: f64) -> String {
    format!("p{}", units::short(p * 100.0))
}

fn percent(value: f64) -> String {
    let sign = if value > 0.0 { "+" } else { "" };
    format!("{sign}{} %", units::short(value * 100.0))
}

/// An axis of shares with 0 in it and round ticks.
fn around_zero(least: f64, most: f64) -> Axis {
    let span = (most - least).max(0.001);
    let decade = 10f64.powf((span / 4.0).log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].map(|times| times * decade).into_iter().find(|step| span / step <= 5.0).unwrap_or(10.0 * decade);
    let (first, last) = ((least / step).floor() as i64, ((most / step).ceil() as i64).max(1));
    let ticks: Vec<f64> = (first..=last).map(|tick| tick as f64 * step).collect();
    Axis {
        title: "Difference",
        scale: Scale::Linear,
        from: ticks[0],
        to: ticks[ticks.len() - 1],
        ticks,
        label: Text::By(percent),
        value: Text::By(percent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_of_differences_is_round_and_has_zero() {
        let axis = around_zero(-0.034, 0.118);
        assert_eq!(axis.ticks.iter().map(|tick| (tick * 1000.0).round() as i64).collect::<Vec<_>>(), [-50, 0, 50, 100, 150]);
        let flat = around_zero(0.0, 0.0);
        assert!(flat.from == 0.0 && flat.to > 0.0);
        assert_eq!((percent(0.15), percent(-0.05), level(0.999)), ("+15 %".to_owned(), "−5 %".to_owned(), "p99.9".to_owned()));
    }
}
