//! Charts: each is data first (a [`Plot`]), from which the picture, the table behind it and the text alternative are made.
//!
//! A new chart is one file, one `mod` line and one row in [`CHARTS`].

mod arrivals;
mod axis;
mod draw;
mod latency;
mod percentiles;
mod rates;
mod resources;
mod style;

pub use axis::{Axis, Scale};
pub(crate) use draw::escape;
pub use draw::{Layout, png, svg, svg_file};
pub use style::{Ink, css_classes, css_variables};

use crate::Analysis;
use crate::phases::{Begin, WARMUP};

/// A chart of a run.
#[derive(Debug)]
pub struct Chart {
    /// Its name: of the files `charts/NAME.svg` and `charts/NAME.png`, and in the page.
    pub name: &'static str,
    /// What it shows, or one sentence that says why it is left out.
    pub build: fn(&Analysis) -> Result<Plot, String>,
}

/// Every chart, in no particular order: sections say where they stand.
pub const CHARTS: &[Chart] = &[
    Chart { name: "percentiles", build: percentiles::build },
    Chart { name: "latency-over-time", build: latency::build },
    Chart { name: "throughput-over-time", build: rates::build },
    Chart { name: "inter-arrivals", build: arrivals::build },
    Chart { name: "cpu-over-time", build: resources::cpu },
    Chart { name: "memory-over-time", build: resources::memory },
];

/// Lines over one axis: what a chart shows.
#[derive(Debug, Clone)]
pub struct Plot {
    /// A few words.
    pub title: &'static str,
    /// What can be seen, in one sentence with figures: the text alternative.
    pub summary: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// Places on the horizontal axis, rising; every line has a value, or a gap, at each.
    pub xs: Vec<f64>,
    /// The lines, those drawn first below the others.
    pub lines: Vec<Line>,
    /// Places on the horizontal axis at which something begins, rising.
    pub marks: Vec<Mark>,
}

/// Where something begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Its place.
    pub at: f64,
    /// What it is called.
    pub name: String,
    /// Whether it is shaded, up to the next mark.
    pub shaded: bool,
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

/// One line of a [`Plot`].
#[derive(Debug, Clone)]
pub struct Line {
    /// What it is, for legend and table.
    pub name: &'static str,
    /// Its colour.
    pub ink: Ink,
    /// How it is drawn.
    pub stroke: Stroke,
    /// Values on the vertical axis, as many as the plot has places; `None` where there is nothing to show.
    pub ys: Vec<Option<f64>>,
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stroke {
    /// A plain line.
    Thin,
    /// A broad, pale line that stays visible under a thin one.
    Broad,
    /// A line with the area below it filled.
    Filled,
}
