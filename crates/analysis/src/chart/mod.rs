//! Charts: each is data first (a [`Picture`]), from which the drawing, the table behind it and the text alternative are made.
//!
//! A new chart is one file, one `mod` line and one row in [`CHARTS`].

mod arrivals;
mod axis;
mod capacity;
mod courses;
pub(crate) mod dispersion;
mod draw;
mod endurance;
mod errors;
mod heat;
mod in_flight;
mod latency;
pub(crate) mod load;
mod percentiles;
mod picture;
mod rates;
mod recall;
mod resources;
mod slowest;
mod style;
mod watched;

pub use axis::{Axis, Scale, Text};
pub(crate) use draw::escape;
pub use draw::{Layout, png, svg, svg_file};
pub use picture::{Band, Bar, Bars, Cells, Drawn, Grid, Level, Line, Mark, Overlay, Panel, Picture, Place, Plot, Stroke};
pub use style::{Ink, css_classes, css_variables};

use crate::Analysis;
use crate::breaking::Breaking;
use crate::capacity::Capacity;
use crate::phases::{Begin, WARMUP};
use crate::steps::Step;

/// A chart of a run.
#[derive(Debug)]
pub struct Chart {
    /// Its name: of the files `charts/NAME.svg` and `charts/NAME.png`, and in the page.
    pub name: &'static str,
    /// What it shows, or one sentence that says why it is left out.
    pub build: fn(&Analysis) -> Result<Picture, String>,
}

/// Every chart, in no particular order: sections say where they stand.
pub const CHARTS: &[Chart] = &[
    Chart { name: "percentiles", build: percentiles::build },
    Chart { name: "latency-over-time", build: latency::build },
    Chart { name: "heat", build: heat::build },
    Chart { name: "throughput-over-time", build: rates::build },
    Chart { name: "in-flight-over-time", build: in_flight::build },
    Chart { name: "latency-by-load", build: load::build },
    Chart { name: "rate-by-collection", build: courses::rates },
    Chart { name: "latency-by-collection", build: courses::latency },
    Chart { name: "slowest-operations", build: slowest::build },
    Chart { name: "errors-over-time", build: errors::build },
    Chart { name: "inter-arrivals", build: arrivals::build },
    Chart { name: "dispersion", build: dispersion::build },
    Chart { name: "recall-against-rate", build: recall::build },
    Chart { name: "cpu-over-time", build: resources::cpu },
    Chart { name: "memory-over-time", build: resources::memory },
    Chart { name: "watched-over-time", build: watched::build },
    Chart { name: "endurance", build: endurance::build },
    Chart { name: "scalability", build: |analysis| capacity::of_run(analysis, capacity::scalability) },
    Chart { name: "headroom", build: |analysis| capacity::of_run(analysis, capacity::headroom) },
    Chart { name: "nodes", build: |analysis| capacity::of_run(analysis, capacity::nodes) },
];

/// The chart of latency by load, of the trials of a search or the runs of a folder.
pub(crate) fn of_loads(steps: &[Step], breaking: &Breaking, capacity: Option<&Capacity>) -> Drawn {
    Drawn { name: "latency-by-load".to_owned(), picture: load::picture(steps, breaking, capacity) }
}

/// All of [`CHARTS`], drawn from a run.
#[must_use]
pub fn charts(analysis: &Analysis) -> Vec<Drawn> {
    CHARTS.iter().map(|chart| Drawn { name: chart.name.to_owned(), picture: (chart.build)(analysis) }).collect()
}

/// Those of what the target of a search, or of the runs of a folder, can bear.
pub(crate) fn of_capacity(of: &Capacity) -> Vec<Drawn> {
    let drawn = |(name, build): (&str, capacity::Build)| Drawn { name: name.to_owned(), picture: build(of) };
    [("scalability", capacity::scalability as capacity::Build), ("headroom", capacity::headroom), ("nodes", capacity::nodes)]
        .map(drawn)
        .into()
}

/// Marks of the phases on an axis of seconds from the first due instant on; none where there is but one phase.
fn phase_marks(analysis: &Analysis) -> Vec<Mark> {
    let begins = &analysis.phases.begins;
    let mark = |begin: &Begin| Mark {
        at: ((begin.from_ns - analysis.whole.first_due_ns) as f64 / 1e9).max(0.0),
        name: begin.name.clone(),
        shaded: begin.name == WARMUP,
    };
    if begins.len() > 1 { begins.iter().map(mark).collect() } else { Vec::new() }
}
