//! Bars beside names, one below the other.

use plotters::backend::DrawingBackend;
use plotters::element::Rectangle;
use plotters::style::Color;
use plotters::style::text_anchor::HPos;

use super::super::{Bar, Bars, Ink};
use super::{Drawn, Frame, Layout, MARGIN_BOTTOM, MARGIN_RIGHT, Pen, ROW, TEXT, shortened, text_width};

/// From one bar to the next.
const PITCH: f64 = 26.0;
/// The same where names stand above their bars.
const PITCH_BELOW_NAME: f64 = 42.0;
/// Thickness of a bar.
const THICK: f64 = 14.0;
/// Names that would take more than this share of the width stand above their bars.
const NAMES_SHARE_MAX: f64 = 0.38;

/// How high the picture of so many bars is.
pub(super) fn height(bars: &Bars, width: f64) -> f64 {
    frame(bars, width, 0.0).bottom + MARGIN_BOTTOM
}

/// Where the bars are.
pub(super) fn frame(bars: &Bars, width: f64, top: f64) -> Frame {
    let top = top + head(bars);
    let (left, pitch) = names_beside(bars, width).map_or((4.0, PITCH_BELOW_NAME), |names| (names, PITCH));
    Frame { left, right: width - MARGIN_RIGHT, top, bottom: top + bars.bars.len() as f64 * pitch }
}

/// The room that names take beside their bars; `None` where they stand above.
fn names_beside(bars: &Bars, width: f64) -> Option<f64> {
    let widest = bars.bars.iter().map(|bar| text_width(&bar.name)).fold(0.0, f64::max) + 10.0;
    (widest <= width * NAMES_SHARE_MAX).then_some(widest)
}

/// Room above the first bar: for the word on limits, where bars have some.
fn head(bars: &Bars) -> f64 {
    if bars.limits.is_empty() { ROW / 2.0 } else { ROW * 1.5 }
}

impl<B: DrawingBackend> Pen<'_, B> {
    pub(super) fn bars(&self, bars: &Bars, layout: Layout, top: f64) -> Drawn<B> {
        let frame = frame(bars, layout.width, top);
        if !bars.limits.is_empty() {
            let (x, y) = (frame.left + 2.0, top + ROW / 2.0);
            self.path(&[(x, y - 7.0), (x, y + 7.0)], self.solid(Ink::Vermillion, 3.0))?;
            self.text(bars.limits, (x + 8.0, y), HPos::Left, TEXT, Ink::Text)?;
        }
        self.x_axis(&bars.x, &frame)?;
        self.x_title(&bars.x, &frame)?;
        let beside = names_beside(bars, layout.width).is_some();
        bars.bars.iter().enumerate().try_for_each(|(row, bar)| self.bar(bars, bar, row, beside, &frame))
    }

    fn bar(&self, bars: &Bars, bar: &Bar, row: usize, beside: bool, frame: &Frame) -> Drawn<B> {
        let pitch = (frame.bottom - frame.top) / bars.bars.len() as f64;
        let middle = frame.top + (row as f64 + 0.5) * pitch;
        let y = if beside { middle } else { middle + 8.0 };
        let x = |value: f64| frame.x(&bars.x, value);
        if beside {
            self.text(&bar.name, (frame.left - 8.0, y), HPos::Right, TEXT, Ink::Text)?;
        } else {
            let name = shortened(&bar.name, frame.right - frame.left);
            self.text(&name, (frame.left, middle - 10.0), HPos::Left, TEXT, Ink::Text)?;
        }
        let corners = [self.place((frame.left, y - THICK / 2.0)), self.place((x(bar.value), y + THICK / 2.0))];
        self.area.draw(&Rectangle::new(corners, bar.ink.light().filled()))?;
        if let Some((low, high)) = bar.ends {
            let whisker = self.solid(Ink::Text, 1.5);
            self.path(&[(x(low), y), (x(high), y)], whisker)?;
            [low, high].iter().try_for_each(|end| self.path(&[(x(*end), y - 4.0), (x(*end), y + 4.0)], whisker))?;
        }
        if let Some(limit) = bar.limit {
            self.path(&[(x(limit), y - THICK / 2.0 - 4.0), (x(limit), y + THICK / 2.0 + 4.0)], self.solid(Ink::Vermillion, 3.0))?;
        }
        Ok(())
    }
}
