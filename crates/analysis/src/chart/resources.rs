//! Processor and memory as the run went on, on the time axis of the throughput.

use super::{Axis, Ink, Line, Overlay, Picture, Plot, Stroke, phase_marks};
use crate::resources::OverTime;
use crate::{Analysis, units};

/// Bins with a reading below which a line over time is none.
const READINGS_MIN: usize = 3;

pub(super) fn cpu(analysis: &Analysis) -> Result<Picture, String> {
    let over_time = over_time(analysis)?;
    let line = |name, ink, stroke, ys: &Vec<Option<f64>>| Line::new(name, ink, stroke, ys.clone());
    let lines = [
        line("Host, all of it", Ink::Grey, Stroke::Broad, &over_time.host_cores),
        line("Target", Ink::Blue, Stroke::Thin, &over_time.target_cores),
        line("Generator", Ink::Vermillion, Stroke::Thin, &over_time.generator_cores),
    ];
    let summary = format!(
        "Cores in use on average: target {}, generator {}, host {}.",
        average(&over_time.target_cores),
        average(&over_time.generator_cores),
        average(&over_time.host_cores)
    );
    let axis = |most| Axis::from_zero("Cores in use", most, units::short, |cores| format!("{} cores", units::number(cores)));
    plot(analysis, over_time, "Processor use over time", summary, axis, lines.to_vec())
}

pub(super) fn memory(analysis: &Analysis) -> Result<Picture, String> {
    let over_time = over_time(analysis)?;
    let rss = &over_time.target_rss_bytes;
    let ends = rss.iter().flatten().next().zip(rss.iter().flatten().next_back());
    let summary = ends.map_or_else(
        || "No probe saw the target's memory.".to_owned(),
        |(first, last)| format!("The target's memory went from {} to {}.", units::bytes(*first), units::bytes(*last)),
    );
    let line = Line::new("Resident memory of the target", Ink::Blue, Stroke::Filled, rss.clone());
    let axis = |most| Axis::from_zero("Memory", most, units::bytes, units::bytes);
    plot(analysis, over_time, "Memory of the target over time", summary, axis, vec![line])
}

fn over_time(analysis: &Analysis) -> Result<&OverTime, String> {
    let resources = analysis.resources.as_ref().ok_or("Nothing was watched during this run.")?;
    Ok(&resources.over_time)
}

fn average(values: &[Option<f64>]) -> String {
    let (sum, count) = values.iter().flatten().fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    if count == 0 { "not seen".to_owned() } else { units::number(sum / f64::from(count)) }
}

fn plot(
    analysis: &Analysis,
    over_time: &OverTime,
    title: &'static str,
    summary: String,
    axis: impl FnOnce(f64) -> Axis,
    mut lines: Vec<Line>,
) -> Result<Picture, String> {
    lines.retain(|line| line.ys.iter().any(Option::is_some));
    let filled = lines.iter().map(|line| line.ys.iter().flatten().count()).max().unwrap_or(0);
    if filled < READINGS_MIN {
        return Err(format!(
            "{title} needs readings in at least {READINGS_MIN} stretches of time; the run has them in {filled}."
        ));
    }
    let rates = &analysis.rates.bins;
    let bins = &over_time.bins;
    let most = lines.iter().flat_map(|line| &line.ys).flatten().copied().fold(0.0, f64::max);
    Ok(Plot {
        title: title.to_owned(),
        summary,
        x: Axis::time("Time since start", rates.count as f64 * rates.width_s(), units::time),
        y: axis(most),
        xs: (0..bins.count).map(|bin| bins.middle_s(bin)).collect(),
        lines,
        over: Overlay { marks: phase_marks(analysis), ..Overlay::default() },
    }
    .into())
}
