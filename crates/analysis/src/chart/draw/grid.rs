//! Small plots side by side.

use plotters::backend::DrawingBackend;
use plotters::style::text_anchor::HPos;

use super::super::{Grid, Ink, Mark, Panel};
use super::{Axes, Drawn, Frame, Layout, MARGIN_RIGHT, Pen, ROW, SWATCH, TEXT, shortened, text_width};

/// The least width of a panel, where there is room for two or more.
const WIDTH_MIN: f64 = 290.0;
/// Panels in a row at least, however narrow.
const COLUMNS_MIN: usize = 2;
/// Room for the labels of a panel: beside, above and below what is drawn.
const LEFT: f64 = 56.0;
const HEAD: f64 = 20.0;
const FOOT: f64 = 26.0;
/// A line of smaller print under the name of a panel.
const SMALL: f64 = 16.0;
/// Between the names of two lines of a panel.
const BETWEEN: f64 = 10.0;
/// Height of what is drawn.
const PLOT: f64 = 84.0;

/// Room above the panels: for the names of lines, where there are several.
fn head(grid: &Grid) -> f64 {
    if grid.legend().len() > 1 { ROW * 1.5 } else { 4.0 }
}

/// Room above each panel: for whose it is and for the names of its own lines, where there are such.
fn head_of_panel(grid: &Grid) -> f64 {
    let has_notes = grid.panels.iter().any(|panel| !panel.note.is_empty());
    HEAD + if has_notes { SMALL } else { 0.0 } + if has_own_lines(grid) { SMALL } else { 0.0 }
}

fn has_own_lines(grid: &Grid) -> bool {
    grid.legend().is_empty() && grid.panels.iter().any(|panel| panel.lines.len() > 1)
}

/// How high the picture is.
pub(super) fn height(grid: &Grid, width: f64) -> f64 {
    frames(grid, width, 0.0).last().map_or(0.0, |frame| frame.bottom) + FOOT + 2.0
}

/// Where each panel is drawn.
pub(super) fn frames(grid: &Grid, width: f64, top: f64) -> Vec<Frame> {
    let columns = ((width / WIDTH_MIN) as usize).max(COLUMNS_MIN);
    let (each, top, head) = (width / columns as f64, top + head(grid), head_of_panel(grid));
    let frame = |number: usize| {
        let (left, top) = ((number % columns) as f64 * each, top + (number / columns) as f64 * (head + PLOT + FOOT));
        Frame { left: left + LEFT, right: left + each - MARGIN_RIGHT, top: top + head, bottom: top + head + PLOT }
    };
    (0..grid.panels.len()).map(frame).collect()
}

impl<B: DrawingBackend> Pen<'_, B> {
    pub(super) fn grid(&self, grid: &Grid, layout: Layout, top: f64) -> Drawn<B> {
        if grid.legend().len() > 1 {
            self.legend(grid.legend(), &[], layout.width - MARGIN_RIGHT, top + ROW / 2.0)?;
        }
        let marks: Vec<Mark> = grid.marks.iter().map(|mark| Mark { name: String::new(), ..*mark }).collect();
        for (panel, frame) in grid.panels.iter().zip(frames(grid, layout.width, top)) {
            let (room, row) = (frame.right - frame.left, frame.top - head_of_panel(grid) + HEAD / 2.0);
            self.text(&shortened(&panel.name, room), (frame.left, row), HPos::Left, TEXT, Ink::Text)?;
            if !panel.note.is_empty() {
                self.text(&shortened(&panel.note, room), (frame.left, row + SMALL), HPos::Left, TEXT - 1.0, Ink::Muted)?;
            }
            if has_own_lines(grid) && panel.lines.len() > 1 {
                self.own_lines(panel, &frame)?;
            }
            self.y_axis(&panel.y, &frame)?;
            self.x_axis(&grid.x, &frame)?;
            self.marks(&grid.x, &marks, &frame)?;
            let axes = Axes { x: &grid.x, y: &panel.y, xs: &grid.xs, across: false };
            panel.lines.iter().try_for_each(|line| self.line(&axes, line, &frame))?;
        }
        Ok(())
    }

    /// The names of a panel's lines beside a sample of each, in the row above it: whole where they fit, and otherwise in equal parts.
    fn own_lines(&self, panel: &Panel, frame: &Frame) -> Drawn<B> {
        let (count, sample) = (panel.lines.len() as f64, SWATCH / 2.0 + 4.0);
        let room = frame.right - frame.left - count * sample - (count - 1.0) * BETWEEN;
        let needed: f64 = panel.lines.iter().map(|line| text_width(&line.name)).sum();
        let (mut x, y) = (frame.left, frame.top - SMALL / 2.0 - 2.0);
        for line in &panel.lines {
            let name = if needed <= room { line.name.clone() } else { shortened(&line.name, room / count) };
            self.stroke(&[(x, y), (x + SWATCH / 2.0, y)], line.ink, line.stroke)?;
            self.text(&name, (x + sample, y), HPos::Left, TEXT - 1.0, Ink::Muted)?;
            x += sample + text_width(&name) + BETWEEN;
        }
        Ok(())
    }
}
