//! Bars beside names, one below the other.

use plotters::backend::DrawingBackend;
use plotters::element::Rectangle;
use plotters::style::Color;
use plotters::style::text_anchor::HPos;

use super::super::{Bar, Bars, Ink};
use super::{Drawn, Frame, Layout, MARGIN_BOTTOM, MARGIN_RIGHT, Pen, ROW, TEXT, text_width};

/// From one bar to the next.
const PITCH: f64 = 26.0;
/// Thickness of a bar.
const THICK: f64 = 14.0;
/// The names take at most this share of the width; longer ones are shortened.
const NAMES_SHARE_MAX: f64 = 0.38;

/// How high the picture of so many bars is.
pub(super) fn height(bars: &Bars) -> f64 {
    head(bars) + bars.bars.len() as f64 * PITCH + MARGIN_BOTTOM
}

/// Room above the first bar: for the word on limits, where bars have some.
fn head(bars: &Bars) -> f64 {
    if bars.limits.is_empty() { ROW / 2.0 } else { ROW * 1.5 }
}

impl<B: DrawingBackend> Pen<'_, B> {
    pub(super) fn bars(&self, bars: &Bars, layout: Layout, top: f64) -> Drawn<B> {
        let widest = bars.bars.iter().map(|bar| text_width(&bar.name)).fold(0.0, f64::max);
        let names = (widest + 10.0).min(layout.width * NAMES_SHARE_MAX);
        if !bars.limits.is_empty() {
            let (x, y) = (names + 2.0, top + ROW / 2.0);
            self.path(&[(x, y - 7.0), (x, y + 7.0)], self.solid(Ink::Vermillion, 3.0))?;
            self.text(bars.limits, (x + 8.0, y), HPos::Left, TEXT, Ink::Text)?;
        }
        let top = top + head(bars);
        let frame = Frame { left: names, right: layout.width - MARGIN_RIGHT, top, bottom: top + bars.bars.len() as f64 * PITCH };
        self.x_axis(&bars.x, &frame)?;
        bars.bars.iter().enumerate().try_for_each(|(row, bar)| self.bar(bars, bar, row, &frame))
    }

    fn bar(&self, bars: &Bars, bar: &Bar, row: usize, frame: &Frame) -> Drawn<B> {
        let y = frame.top + (row as f64 + 0.5) * PITCH;
        let x = |value: f64| frame.x(&bars.x, value);
        let corners = [self.place((frame.left, y - THICK / 2.0)), self.place((x(bar.value), y + THICK / 2.0))];
        self.text(&shortened(&bar.name, frame.left - 10.0), (frame.left - 8.0, y), HPos::Right, TEXT, Ink::Text)?;
        self.area.draw(&Rectangle::new(corners, bar.ink.light().filled()))?;
        if let Some((low, high)) = bar.ends {
            let whisker = self.solid(Ink::Text, 1.5);
            self.path(&[(x(low), y), (x(high), y)], whisker)?;
            [low, high].iter().try_for_each(|end| self.path(&[(x(*end), y - 4.0), (x(*end), y + 4.0)], whisker))?;
        }
        if let Some(limit) = bar.limit {
            self.path(&[(x(limit), y - PITCH / 2.0 + 2.0), (x(limit), y + PITCH / 2.0 - 2.0)], self.solid(Ink::Vermillion, 3.0))?;
        }
        Ok(())
    }
}

/// As much of a name as fits.
fn shortened(name: &str, room: f64) -> String {
    if text_width(name) <= room {
        return name.to_owned();
    }
    let letters = (room / text_width("m")) as usize;
    name.chars().take(letters.saturating_sub(1)).chain(['…']).collect()
}
