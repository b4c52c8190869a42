//! What a chart shows, as data: lines over an axis, or bars beside names.

use super::{Axis, Ink};

/// A chart that was built, or why it was left out.
#[derive(Debug, Clone)]
pub struct Drawn {
    /// Its name: of the files `charts/NAME.svg` and `charts/NAME.png`, and in the page.
    pub name: String,
    /// What it shows, or one sentence that says why there is nothing to show.
    pub picture: Result<Picture, String>,
}

/// What a chart shows.
#[derive(Debug, Clone)]
pub enum Picture {
    /// Lines, points and bands over one axis.
    Plot(Plot),
    /// Bars beside names.
    Bars(Bars),
    /// A field of cells.
    Cells(Cells),
    /// Small plots side by side.
    Grid(Grid),
}

impl From<Plot> for Picture {
    fn from(plot: Plot) -> Self {
        Self::Plot(plot)
    }
}

impl From<Bars> for Picture {
    fn from(bars: Bars) -> Self {
        Self::Bars(bars)
    }
}

impl From<Cells> for Picture {
    fn from(cells: Cells) -> Self {
        Self::Cells(cells)
    }
}

impl From<Grid> for Picture {
    fn from(grid: Grid) -> Self {
        Self::Grid(grid)
    }
}

impl Picture {
    /// A few words.
    #[must_use]
    pub fn title(&self) -> &str {
        match self {
            Self::Plot(plot) => &plot.title,
            Self::Bars(bars) => &bars.title,
            Self::Cells(cells) => &cells.title,
            Self::Grid(grid) => &grid.title,
        }
    }

    /// What can be seen, in one sentence with figures: the text alternative.
    #[must_use]
    pub fn summary(&self) -> &str {
        match self {
            Self::Plot(plot) => &plot.summary,
            Self::Bars(bars) => &bars.summary,
            Self::Cells(cells) => &cells.summary,
            Self::Grid(grid) => &grid.summary,
        }
    }

    /// The figures behind it: headings first, then the rows.
    #[must_use]
    pub fn figures(&self) -> Figures {
        match self {
            Self::Plot(plot) => plot.figures(),
            Self::Bars(bars) => bars.figures(),
            Self::Cells(cells) => cells.figures(),
            Self::Grid(grid) => grid.figures(),
        }
    }
}

/// The table behind a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Headings.
    pub heads: Vec<String>,
    /// Rows under them, each with where it stands in the drawing.
    pub rows: Vec<(Place, Vec<String>)>,
}

/// Where a row of figures stands in the drawing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Place {
    /// In that panel (a picture of one piece is panel 0), at a share of the way from its left to its right end.
    Across(usize, f64),
    /// At a share of the way from the top to the bottom.
    Down(f64),
}

/// Lines over one axis.
#[derive(Debug, Clone)]
pub struct Plot {
    /// A few words.
    pub title: String,
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
    /// What else there is to see.
    pub over: Overlay,
}

/// What a plot has besides its lines.
#[derive(Debug, Clone, Default)]
pub struct Overlay {
    /// Intervals, drawn below all lines.
    pub bands: Vec<Band>,
    /// Values on the vertical axis that something is held against.
    pub levels: Vec<Level>,
    /// Places on the horizontal axis at which something begins, rising.
    pub marks: Vec<Mark>,
    /// Whether lines and bands go on across places that only others have a value at.
    pub across: bool,
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

/// A value on the vertical axis that something is held against, such as an objective.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// The value.
    pub at: f64,
    /// What it is called.
    pub name: String,
}

/// An interval at each place of a plot.
#[derive(Debug, Clone)]
pub struct Band {
    /// What it is, for legend and table.
    pub name: String,
    /// Its colour.
    pub ink: Ink,
    /// Both ends at each of the plot's places; `None` where there is none.
    pub ends: Vec<Option<(f64, f64)>>,
}

/// One line of a [`Plot`].
#[derive(Debug, Clone)]
pub struct Line {
    /// What it is, for legend and table.
    pub name: String,
    /// Its colour.
    pub ink: Ink,
    /// How it is drawn.
    pub stroke: Stroke,
    /// Values on the vertical axis, as many as the plot has places; `None` where there is nothing to show.
    pub ys: Vec<Option<f64>>,
}

impl Line {
    /// A line with all its parts.
    pub fn new(name: impl Into<String>, ink: Ink, stroke: Stroke, ys: Vec<Option<f64>>) -> Self {
        Self { name: name.into(), ink, stroke, ys }
    }
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
    /// A broken line: what is computed rather than measured.
    Dashed,
    /// A point at each place, and no line.
    Points,
}

impl Plot {
    fn figures(&self) -> Figures {
        let names = self.lines.iter().map(|line| &line.name).chain(self.over.bands.iter().map(|band| &band.name));
        let write = |y: Option<f64>| y.map_or_else(|| "–".to_owned(), |y| self.y.value.of(y));
        let row = |(place, x): (usize, &f64)| {
            let lines = self.lines.iter().map(|line| write(line.ys[place]));
            let ends = |ends: (f64, f64)| format!("{} – {}", self.y.value.of(ends.0), self.y.value.of(ends.1));
            let bands = self.over.bands.iter().map(|band| band.ends[place].map_or_else(|| "–".to_owned(), ends));
            (Place::Across(0, self.x.place(*x)), std::iter::once(self.x.value.of(*x)).chain(lines).chain(bands).collect())
        };
        Figures {
            heads: std::iter::once(self.x.title.to_owned()).chain(names.cloned()).collect(),
            rows: self.xs.iter().enumerate().map(row).collect(),
        }
    }
}

/// Bars beside names, one below the other.
#[derive(Debug, Clone)]
pub struct Bars {
    /// A few words.
    pub title: String,
    /// What can be seen, in one sentence with figures: the text alternative.
    pub summary: String,
    /// The horizontal axis; bars begin where it does.
    pub x: Axis,
    /// What the names are.
    pub names: &'static str,
    /// What a bar's own limit is; empty where bars have none.
    pub limits: &'static str,
    /// The bars from top to bottom.
    pub bars: Vec<Bar>,
}

/// One bar of [`Bars`].
#[derive(Debug, Clone)]
pub struct Bar {
    /// What it is of.
    pub name: String,
    /// Its colour.
    pub ink: Ink,
    /// Its length.
    pub value: f64,
    /// An interval around it.
    pub ends: Option<(f64, f64)>,
    /// What it is held against.
    pub limit: Option<f64>,
}

impl Bars {
    fn figures(&self) -> Figures {
        let write = |value: f64| self.x.value.of(value);
        let (has_ends, has_limits) = (self.bars.iter().any(|bar| bar.ends.is_some()), !self.limits.is_empty());
        let row = |(place, bar): (usize, &Bar)| {
            let ends = bar.ends.map_or_else(|| "–".to_owned(), |(low, high)| format!("{} – {}", write(low), write(high)));
            let limit = bar.limit.map_or_else(|| "–".to_owned(), write);
            let cells = [Some(bar.name.clone()), Some(write(bar.value)), has_ends.then_some(ends), has_limits.then_some(limit)];
            let down = (place as f64 + 0.5) / self.bars.len() as f64;
            (Place::Down(down), cells.into_iter().flatten().collect())
        };
        let heads = [Some(self.names), Some(self.x.title), has_ends.then_some("Interval"), has_limits.then_some(self.limits)];
        Figures {
            heads: heads.into_iter().flatten().map(str::to_owned).collect(),
            rows: self.bars.iter().enumerate().map(row).collect(),
        }
    }
}

/// Counts over two axes, shown as cells that are the darker the more is in them.
#[derive(Debug, Clone)]
pub struct Cells {
    /// A few words.
    pub title: String,
    /// What can be seen, in one sentence with figures: the text alternative.
    pub summary: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// Where columns begin, and where the last one ends.
    pub x_edges: Vec<f64>,
    /// Where rows begin, from below, and where the last one ends.
    pub y_edges: Vec<f64>,
    /// By row, then by column.
    pub counts: Vec<Vec<u64>>,
}

impl Cells {
    /// A row for each column of the picture, so that it reads down the page in time.
    fn figures(&self) -> Figures {
        let heads = self
            .y_edges
            .iter()
            .zip(&self.y_edges[1..])
            .map(|(low, high)| format!("{} – {}", self.y.value.of(*low), self.y.value.of(*high)));
        let row = |column: usize| {
            let middle = f64::midpoint(self.x_edges[column], self.x_edges[column + 1]);
            let cells = self.counts.iter().map(|row| crate::units::count(row[column]));
            (
                Place::Across(0, self.x.place(middle)),
                std::iter::once(self.x.value.of(self.x_edges[column])).chain(cells).collect(),
            )
        };
        Figures {
            heads: std::iter::once(self.x.title.to_owned()).chain(heads).collect(),
            rows: (0..self.x_edges.len().saturating_sub(1)).map(row).collect(),
        }
    }
}

/// Small plots side by side, all on the same horizontal axis.
#[derive(Debug, Clone)]
pub struct Grid {
    /// A few words.
    pub title: String,
    /// What can be seen, in one sentence with figures: the text alternative.
    pub summary: String,
    /// The horizontal axis of each.
    pub x: Axis,
    /// Places on the horizontal axis, rising; every line has a value, or a gap, at each.
    pub xs: Vec<f64>,
    /// Places on the horizontal axis at which something begins, rising; their names are not shown.
    pub marks: Vec<Mark>,
    /// What the panels are of.
    pub names: &'static str,
    /// The plots, from left to right and from top to bottom.
    pub panels: Vec<Panel>,
}

/// One plot of a [`Grid`].
#[derive(Debug, Clone)]
pub struct Panel {
    /// What it is of.
    pub name: String,
    /// Whose that is, in smaller print; empty where all panels are of the same.
    pub note: String,
    /// Its vertical axis.
    pub y: Axis,
    /// Its lines, those drawn first below the others.
    pub lines: Vec<Line>,
}

impl Grid {
    /// The lines of every panel, as far as their names and strokes go; none where panels have lines of their own.
    #[must_use]
    pub fn legend(&self) -> &[Line] {
        let first = self.panels.first().map_or(&[][..], |panel| &panel.lines);
        let is_same = |panel: &Panel| panel.lines.iter().map(|line| &line.name).eq(first.iter().map(|line| &line.name));
        if self.panels.iter().all(is_same) { first } else { &[] }
    }

    /// A row for each place at which a panel has something to show.
    fn figures(&self) -> Figures {
        let row = |number: usize, panel: &Panel, place: usize| {
            let x = self.xs[place];
            let name = if panel.note.is_empty() { panel.name.clone() } else { format!("{}, {}", panel.name, panel.note) };
            let cells = [name, self.x.value.of(x)].into_iter().chain(self.cells(panel, place)).collect();
            let is_there = panel.lines.iter().any(|line| line.ys[place].is_some());
            is_there.then_some((Place::Across(number, self.x.place(x)), cells))
        };
        let rows = self.panels.iter().enumerate();
        let rows = rows.flat_map(|(number, panel)| (0..self.xs.len()).filter_map(move |place| row(number, panel, place)));
        let lines: Vec<String> = self.legend().iter().map(|line| line.name.clone()).collect();
        let lines = if lines.is_empty() { vec!["Values".to_owned()] } else { lines };
        Figures { heads: [self.names, self.x.title].into_iter().map(str::to_owned).chain(lines).collect(), rows: rows.collect() }
    }

    /// The values of a panel at a place: a cell for each line where all panels have the same, and otherwise one.
    fn cells(&self, panel: &Panel, place: usize) -> Vec<String> {
        let write = |line: &Line| line.ys[place].map_or_else(|| "–".to_owned(), |y| panel.y.value.of(y));
        let named = |line: &Line| format!("{}: {}", line.name, write(line));
        match &panel.lines[..] {
            lines if !self.legend().is_empty() => lines.iter().map(write).collect(),
            [line] => vec![write(line)],
            lines => vec![lines.iter().map(named).collect::<Vec<_>>().join("; ")],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Text;
    use super::*;

    fn plain(value: f64) -> String {
        format!("{value}")
    }

    #[test]
    fn the_table_behind_a_plot_has_lines_and_bands_with_gaps() {
        let plot = Plot {
            title: String::new(),
            summary: String::new(),
            x: Axis {
                value: Text::Names(vec!["zero".to_owned(), "one".to_owned()]),
                ..Axis::from_zero("Where", 2.0, plain, plain)
            },
            y: Axis::from_zero("What", 10.0, plain, plain),
            xs: vec![0.0, 1.0],
            lines: vec![Line::new("A", Ink::Blue, Stroke::Points, vec![Some(5.0), None])],
            over: Overlay {
                bands: vec![Band { name: "B".to_owned(), ink: Ink::Blue, ends: vec![None, Some((1.0, 2.0))] }],
                ..Overlay::default()
            },
        };
        let figures = Picture::from(plot).figures();
        assert_eq!(figures.heads, ["Where", "A", "B"]);
        assert_eq!(
            figures.rows,
            [
                (Place::Across(0, 0.0), ["zero", "5", "–"].map(str::to_owned).to_vec()),
                (Place::Across(0, 0.5), ["one", "–", "1 – 2"].map(str::to_owned).to_vec())
            ]
        );
    }

    #[test]
    fn the_table_behind_bars_leaves_out_what_none_of_them_has() {
        let bar = |ends, limit| Bar { name: "a".to_owned(), ink: Ink::Blue, value: 3.0, ends, limit };
        let bars = |limits, bar| Bars {
            title: String::new(),
            summary: String::new(),
            x: Axis::from_zero("Rate", 5.0, plain, plain),
            names: "Collection",
            limits,
            bars: vec![bar],
        };
        let figures = Picture::from(bars("", bar(None, None))).figures();
        assert_eq!(
            (figures.heads, figures.rows),
            (vec!["Collection".to_owned(), "Rate".to_owned()], vec![(Place::Down(0.5), vec!["a".to_owned(), "3".to_owned()])])
        );
        let figures = Picture::from(bars("Peak", bar(Some((2.0, 4.0)), Some(1.0)))).figures();
        assert_eq!(figures.heads, ["Collection", "Rate", "Interval", "Peak"]);
        assert_eq!(figures.rows[0].1, ["a", "3", "2 – 4", "1"]);
    }

    #[test]
    fn the_table_behind_a_grid_has_a_row_for_each_place_with_a_value() {
        let line = |name: &str, ys: [Option<f64>; 2]| Line::new(name, Ink::Blue, Stroke::Thin, ys.to_vec());
        let panel = |name: &str, note: &str, lines: Vec<Line>| Panel {
            name: name.to_owned(),
            note: note.to_owned(),
            y: Axis::from_zero("What", 10.0, plain, plain),
            lines,
        };
        let figures = |panels: Vec<Panel>| {
            let (x, title, summary) = (Axis::from_zero("When", 2.0, plain, plain), String::new(), String::new());
            let grid = Grid { title, summary, x, xs: vec![0.0, 1.0], marks: Vec::new(), names: "Collection", panels };
            Picture::from(grid).figures()
        };
        let rate = |name: &str, ys| panel(name, "", vec![line("Rate", ys)]);
        let own =
            vec![panel("c", "d", vec![line("x", [Some(3.0), None]), line("y", [None, None])]), rate("a", [None, Some(4.0)])];
        let of_their_own = figures(own);
        assert_eq!(of_their_own.heads, ["Collection", "When", "Values"]);
        assert_eq!(of_their_own.rows[0].1, ["c, d", "0", "x: 3; y: –"]);
        assert_eq!((of_their_own.rows.len(), &of_their_own.rows[1].1[2]), (2, &"4".to_owned()));
        let figures = figures(vec![rate("a", [Some(5.0), None]), rate("b", [Some(1.0), Some(2.0)])]);
        assert_eq!(figures.heads, ["Collection", "When", "Rate"]);
        let row = |panel, x, cells: [&str; 3]| (Place::Across(panel, x), cells.map(str::to_owned).to_vec());
        let wanted = [row(0, 0.0, ["a", "0", "5"]), row(1, 0.0, ["b", "0", "1"]), row(1, 0.5, ["b", "1", "2"])];
        assert_eq!(figures.rows, wanted);
    }
}
