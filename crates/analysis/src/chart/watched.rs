//! Small charts of what probes read, side by side, each on a scale of its own, on the time axis of the throughput.

use super::{Axis, Grid, Ink, Line, Panel, Picture, Stroke, phase_marks};
use crate::watched::{FAMILIES_MAX, Family, LINES_MAX};
use crate::{Analysis, units};

/// Colours of the lines of a panel.
const INKS: [Ink; LINES_MAX] = [Ink::Blue, Ink::Vermillion, Ink::Green];
/// Families that the text alternative tells of.
const TOLD_MAX: usize = 4;

pub(super) fn build(analysis: &Analysis) -> Result<Picture, String> {
    let watched =
        analysis.resources.as_ref().map(|resources| &resources.watched).ok_or("Nothing was watched during this run.")?;
    if watched.shown.is_empty() {
        return Err("Nothing that was watched varied, but for processor time and memory.".to_owned());
    }
    let (bins, rates) = (&watched.bins, &analysis.rates.bins);
    let more = match watched.others {
        0 => String::new(),
        others => format!(" Of {} that varied, the {FAMILIES_MAX} that did so most.", watched.shown.len() + others),
    };
    let told: Vec<String> = watched.shown.iter().take(TOLD_MAX).map(told).collect();
    Ok(Grid {
        title: "What probes saw over time".to_owned(),
        summary: format!("Each on a scale of its own, labels of one name as lines.{more} {}.", told.join("; ")),
        x: Axis::time("Time since start", rates.count as f64 * rates.width_s(), units::time),
        xs: (0..bins.count).map(|bin| bins.middle_s(bin)).collect(),
        marks: phase_marks(analysis),
        names: "Series",
        panels: watched.shown.iter().map(panel).collect(),
    }
    .into())
}

fn values(family: &Family) -> impl Iterator<Item = f64> {
    family.lines.iter().flat_map(|(_, values)| values).flatten().copied()
}

fn panel(family: &Family) -> Panel {
    let (least, most) = (values(family).fold(0.0, f64::min), values(family).fold(0.0, f64::max));
    let line = |((labels, values), ink): (&(String, Vec<Option<f64>>), &Ink)| {
        Line::new(short(labels), *ink, Stroke::Thin, values.clone())
    };
    let of = if family.count > LINES_MAX { format!(", {LINES_MAX} of {}", family.count) } else { String::new() };
    Panel {
        name: family.name.clone(),
        note: format!("{}{of}", family.source),
        y: Axis::reading(&family.unit, least, most),
        lines: family.lines.iter().zip(&INKS).map(line).collect(),
    }
}

/// Labels by their values: `eth0` for `interface="eth0"`.
fn short(labels: &str) -> String {
    let values: Vec<&str> = labels.split('"').skip(1).step_by(2).collect();
    if values.is_empty() { labels.to_owned() } else { values.join(", ") }
}

/// `network_sent_bytes_per_s of host from 1.20 kB/s to 2.45 MB/s`.
fn told(family: &Family) -> String {
    let (least, most) = (values(family).fold(f64::INFINITY, f64::min), values(family).fold(f64::NEG_INFINITY, f64::max));
    let (from, to) = (units::reading(least, &family.unit), units::reading(most, &family.unit));
    format!("{} of {} from {from} to {to}", family.name, family.source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_told_by_their_values() {
        assert_eq!(short("interface=\"eth0\""), "eth0");
        assert_eq!(short("method=\"GET\",code=\"200\""), "GET, 200");
        assert_eq!(short(""), "");
    }
}
