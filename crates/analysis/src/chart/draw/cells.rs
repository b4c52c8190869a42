//! A field of cells, the darker the more is in them.

use plotters::backend::DrawingBackend;
use plotters::element::Rectangle;
use plotters::style::Color;
use plotters::style::text_anchor::HPos;

use super::super::{Cells, Ink};
use super::{Drawn, Frame, Layout, MARGIN_BOTTOM, MARGIN_LEFT, MARGIN_RIGHT, Pen, ROW, TEXT};

/// Shades that are told apart.
const SHADES: usize = 7;

/// The shade of a count: 0 for none, else by its logarithm, as counts span factors of thousands.
pub(super) fn shade(count: u64, most: u64) -> usize {
    if count == 0 {
        return 0;
    }
    let share = (count as f64).ln_1p() / (most.max(1) as f64).ln_1p();
    ((share * SHADES as f64).ceil() as usize).clamp(1, SHADES)
}

/// How dark a shade is.
fn darkness(shade: usize) -> f64 {
    0.08 + 0.92 * (shade as f64 / SHADES as f64)
}

impl<B: DrawingBackend> Pen<'_, B> {
    pub(super) fn cells(&self, cells: &Cells, layout: Layout, top: f64) -> Drawn<B> {
        let most = cells.counts.iter().flatten().copied().max().unwrap_or(0);
        self.scale(most, top + ROW / 2.0)?;
        let frame = Frame {
            left: MARGIN_LEFT,
            right: layout.width - MARGIN_RIGHT,
            top: top + 2.0 * ROW + 4.0,
            bottom: layout.height - MARGIN_BOTTOM,
        };
        self.text(cells.y.title, (MARGIN_LEFT, top + ROW * 1.5), HPos::Left, TEXT, Ink::Muted)?;
        self.y_axis(&cells.y, &frame)?;
        self.x_axis(&cells.x, &frame)?;
        self.x_title(&cells.x, &frame)?;
        cells.counts.iter().enumerate().try_for_each(|(class, row)| self.row(cells, class, row, most, &frame))
    }

    /// What the shades mean: the least and the most in a cell.
    fn scale(&self, most: u64, y: f64) -> Drawn<B> {
        let mut x = MARGIN_LEFT;
        self.text("1", (x, y), HPos::Left, TEXT, Ink::Muted)?;
        x += 14.0;
        for shade in 1..=SHADES {
            self.cell((x, y - 6.0), (x + 18.0, y + 6.0), shade)?;
            x += 18.0;
        }
        self.text(&format!("{} answers", crate::units::count(most)), (x + 6.0, y), HPos::Left, TEXT, Ink::Muted)
    }

    /// Neighbours of one shade are one rectangle.
    fn row(&self, cells: &Cells, class: usize, row: &[u64], most: u64, frame: &Frame) -> Drawn<B> {
        let (bottom, top) = (frame.y(&cells.y, cells.y_edges[class]), frame.y(&cells.y, cells.y_edges[class + 1]));
        let mut from = 0;
        for same in row.chunk_by(|a, b| shade(*a, most) == shade(*b, most)) {
            let to = from + same.len();
            let (left, right) = (frame.x(&cells.x, cells.x_edges[from]), frame.x(&cells.x, cells.x_edges[to]));
            if same[0] > 0 {
                self.cell((left, top), (right, bottom), shade(same[0], most))?;
            }
            from = to;
        }
        Ok(())
    }

    fn cell(&self, from: (f64, f64), to: (f64, f64), shade: usize) -> Drawn<B> {
        let style = Ink::Blue.light().mix(darkness(shade)).filled();
        self.area.draw(&Rectangle::new([self.place(from), self.place(to)], style))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shades_rise_with_the_count() {
        assert_eq!((shade(0, 100), shade(1, 100), shade(100, 100)), (0, 2, SHADES));
        assert_eq!(shade(1, 1), SHADES);
        assert!((1..1000).all(|count| shade(count, 1000) <= shade(count + 1, 1000)));
    }
}
