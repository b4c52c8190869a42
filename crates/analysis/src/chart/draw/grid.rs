//! Small plots side by side, on the same axes.

use plotters::backend::DrawingBackend;
use plotters::style::text_anchor::HPos;

use super::super::{Grid, Ink};
use super::{Axes, Drawn, Frame, Layout, MARGIN_RIGHT, Pen, ROW, TEXT, shortened};

/// The least width of a panel, where there is room for two or more.
const WIDTH_MIN: f64 = 290.0;
/// Panels in a row at least, however narrow.
const COLUMNS_MIN: usize = 2;
/// Room for the labels of a panel: beside, above and below what is drawn.
const LEFT: f64 = 56.0;
const HEAD: f64 = 20.0;
const FOOT: f64 = 26.0;
/// Height of what is drawn.
const PLOT: f64 = 84.0;

/// Room above the panels: for the names of lines, where there are several.
fn head(grid: &Grid) -> f64 {
    if grid.legend().len() > 1 { ROW * 1.5 } else { 4.0 }
}

/// How high the picture is.
pub(super) fn height(grid: &Grid, width: f64) -> f64 {
    frames(grid, width, 0.0).last().map_or(0.0, |frame| frame.bottom) + FOOT + 2.0
}

/// Where each panel is drawn.
pub(super) fn frames(grid: &Grid, width: f64, top: f64) -> Vec<Frame> {
    let columns = ((width / WIDTH_MIN) as usize).max(COLUMNS_MIN);
    let (each, top) = (width / columns as f64, top + head(grid));
    let frame = |number: usize| {
        let (left, top) = ((number % columns) as f64 * each, top + (number / columns) as f64 * (HEAD + PLOT + FOOT));
        Frame { left: left + LEFT, right: left + each - MARGIN_RIGHT, top: top + HEAD, bottom: top + HEAD + PLOT }
    };
    (0..grid.panels.len()).map(frame).collect()
}

impl<B: DrawingBackend> Pen<'_, B> {
    pub(super) fn grid(&self, grid: &Grid, layout: Layout, top: f64) -> Drawn<B> {
        if grid.legend().len() > 1 {
            self.legend(grid.legend(), &[], layout.width - MARGIN_RIGHT, top + ROW / 2.0)?;
        }
        let axes = Axes { x: &grid.x, y: &grid.y, xs: &grid.xs, across: false };
        for (panel, frame) in grid.panels.iter().zip(frames(grid, layout.width, top)) {
            let name = shortened(&panel.name, frame.right - frame.left);
            self.text(&name, (frame.left, frame.top - HEAD / 2.0), HPos::Left, TEXT, Ink::Text)?;
            self.y_axis(&grid.y, &frame)?;
            self.x_axis(&grid.x, &frame)?;
            panel.lines.iter().try_for_each(|line| self.line(&axes, line, &frame))?;
        }
        Ok(())
    }
}
