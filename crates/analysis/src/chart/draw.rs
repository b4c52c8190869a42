//! Draws a plot with plotters: as SVG whose colours are classes and whose text is text, and as PNG.
//!
//! plotters draws in whole pixels, so pictures are drawn enlarged: SVG by [`SVG_ENLARGED`], which its view box takes back, for smooth
//! lines; PNG by [`PNG_ENLARGED`], for sharp screens.

mod bars;
mod cells;
mod grid;

use std::sync::Once;

use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Polygon, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, IntoFont, ShapeStyle, TextStyle, WHITE, register_font};

use super::style::{FONT, FONT_STACK, Ink, add_classes, css_classes, css_variables};
use super::{Axis, Band, Level, Line, Mark, Picture, Plot, Stroke};
use crate::{Error, Result};

const SVG_ENLARGED: f64 = 10.0;
const PNG_ENLARGED: f64 = 2.0;

/// Sizes in CSS pixels.
const TEXT: f64 = 12.5;
const TITLE: f64 = 15.0;
const MARGIN_LEFT: f64 = 64.0;
const MARGIN_RIGHT: f64 = 18.0;
const MARGIN_BOTTOM: f64 = 46.0;
const ROW: f64 = 20.0;
const SWATCH: f64 = 18.0;

/// Width of a letter as a share of the text's size, generously.
const LETTER: f64 = 0.62;

/// plotters gives the height of a line where CSS gives that of an em.
const EM_TO_LINE: f64 = 1.24;

/// How large a picture is, in CSS pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Layout {
    /// Class of the SVG element: the page shows the one that fits.
    pub class: &'static str,
    /// Width of the picture.
    pub width: f64,
    /// Height of the picture.
    pub height: f64,
}

impl Layout {
    /// For pages and screens.
    pub const WIDE: Self = Self { class: "wide", width: 920.0, height: 330.0 };
    /// For phones.
    pub const NARROW: Self = Self { class: "narrow", width: 420.0, height: 310.0 };

    /// As high as the picture needs.
    #[must_use]
    pub fn fit(self, picture: &Picture) -> Self {
        match picture {
            Picture::Plot(_) | Picture::Cells(_) => self,
            Picture::Bars(bars) => Self { height: bars::height(bars, self.width), ..self },
            Picture::Grid(grid) => Self { height: grid::height(grid, self.width), ..self },
        }
    }

    /// With room for a title.
    fn with_title(self) -> Self {
        Self { height: self.height + ROW, ..self }
    }

    /// The rectangles that something is plotted in, as shares of width and height: what a page needs to find the place under a pointer.
    fn frames(self, picture: &Picture) -> Vec<Frame> {
        let frames = match picture {
            Picture::Plot(_) | Picture::Cells(_) => {
                vec![Frame { left: MARGIN_LEFT, right: self.width - MARGIN_RIGHT, top: 0.0, bottom: self.height - MARGIN_BOTTOM }]
            }
            Picture::Bars(bars) => vec![bars::frame(bars, self.width, 0.0)],
            Picture::Grid(grid) => grid::frames(grid, self.width, 0.0),
        };
        let share = |Frame { left, right, top, bottom }: Frame| Frame {
            left: left / self.width,
            right: right / self.width,
            top: top / self.height,
            bottom: bottom / self.height,
        };
        frames.into_iter().map(share).collect()
    }
}

/// The picture as an SVG element for a page: no namespace, no colours of its own, no title in it.
///
/// # Errors
/// [`Error::Chart`] when drawing fails.
pub fn svg(name: &str, picture: &Picture, layout: Layout) -> Result<String> {
    let layout = layout.fit(picture);
    let body = svg_body(name, picture, layout, None)?;
    let (width, height) = (layout.width * SVG_ENLARGED, layout.height * SVG_ENLARGED);
    let frame = |Frame { left, right, top, bottom }| format!("{left:.4} {right:.4} {top:.4} {bottom:.4}");
    let frames: Vec<String> = layout.frames(picture).into_iter().map(frame).collect();
    let (label, frames) = (escape(picture.summary()), frames.join(","));
    let Layout { class, .. } = layout;
    Ok(format!(
        "<svg class=\"{class}\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\" data-frames=\"{frames}\">{body}</svg>"
    ))
}

/// The picture as an SVG file of its own, with title, which follows light and dark.
///
/// # Errors
/// [`Error::Chart`] when drawing fails.
pub fn svg_file(name: &str, picture: &Picture) -> Result<String> {
    let layout = Layout::WIDE.fit(picture).with_title();
    let body = svg_body(name, picture, layout, Some(picture.title()))?;
    let (width, height) = (layout.width * SVG_ENLARGED, layout.height * SVG_ENLARGED);
    let (light, dark, classes) = (css_variables(false), css_variables(true), css_classes());
    let (title, summary) = (escape(picture.title()), escape(picture.summary()));
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-labelledby=\"t d\" font-family=\"{FONT_STACK}\">\n<title id=\"t\">{title}</title>\n<desc id=\"d\">{summary}</desc>\n\
         <style>svg{{{light}}}@media(prefers-color-scheme:dark){{svg{{{dark}}}}}{classes}</style>\n{body}</svg>\n",
        layout.width, layout.height
    ))
}

/// The elements of the picture.
fn svg_body(name: &str, picture: &Picture, layout: Layout, title: Option<&str>) -> Result<String> {
    let mut drawn = String::new();
    let size = ((layout.width * SVG_ENLARGED) as u32, (layout.height * SVG_ENLARGED) as u32);
    let area = SVGBackend::with_string(&mut drawn, size).into_drawing_area();
    let pen = Pen { area: &area, enlarged: SVG_ENLARGED };
    pen.picture(picture, layout, title).and_then(|()| area.present()).map_err(|e| chart_error(name, e))?;
    drop(area);
    let body = drawn.split_once('>').map_or("", |(_, body)| body).trim_end().trim_end_matches("</svg>");
    let plain = body.replace(&format!(" font-family=\"{FONT}\""), "").replace(" opacity=\"1\"", "").replace(" \"", "\"");
    Ok(add_classes(&plain))
}

/// The picture as PNG on white, with title, written to `path`.
///
/// # Errors
/// [`Error::Chart`] when drawing or writing fails.
pub fn png(name: &str, picture: &Picture, path: &std::path::Path) -> Result<()> {
    let layout = Layout::WIDE.fit(picture).with_title();
    let size = ((layout.width * PNG_ENLARGED) as u32, (layout.height * PNG_ENLARGED) as u32);
    let area = BitMapBackend::new(path, size).into_drawing_area();
    let pen = Pen { area: &area, enlarged: PNG_ENLARGED };
    let drawn =
        area.fill(&WHITE).and_then(|()| pen.picture(picture, layout, Some(picture.title()))).and_then(|()| area.present());
    drawn.map_err(|e| chart_error(name, e))
}

fn chart_error(name: &str, error: impl std::fmt::Display) -> Error {
    Error::Chart { name: name.to_owned(), reason: error.to_string() }
}

/// Text between tags and in attributes.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn register_fonts() {
    static ONCE: Once = Once::new();
    // A font that is part of the program can only fail to register if it is broken, and then text fails to draw with a clear error.
    ONCE.call_once(|| drop(register_font(FONT, FontStyle::Normal, ttf_noto_sans::REGULAR)));
}

/// What plotters answers.
type Drawn<B, T = ()> = std::result::Result<T, DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// The rectangle that lines are drawn in, in CSS pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Frame {
    fn x(&self, axis: &Axis, value: f64) -> f64 {
        self.left + axis.place(value) * (self.right - self.left)
    }

    fn y(&self, axis: &Axis, value: f64) -> f64 {
        self.bottom - axis.place(value) * (self.bottom - self.top)
    }
}

/// What lines are drawn over.
struct Axes<'a> {
    x: &'a Axis,
    y: &'a Axis,
    xs: &'a [f64],
    /// Whether lines go on across gaps.
    across: bool,
}

/// Draws in CSS pixels on an enlarged area.
struct Pen<'a, B: DrawingBackend> {
    area: &'a DrawingArea<B, Shift>,
    enlarged: f64,
}

impl<B: DrawingBackend> Pen<'_, B> {
    fn picture(&self, picture: &Picture, layout: Layout, title: Option<&str>) -> Drawn<B> {
        register_fonts();
        let mut top = 0.0;
        if let Some(title) = title {
            self.text(title, (MARGIN_LEFT, 16.0), HPos::Left, TITLE, Ink::Text)?;
            top += ROW + 8.0;
        }
        match picture {
            Picture::Plot(plot) => self.plot(plot, layout, top),
            Picture::Bars(bars) => self.bars(bars, layout, top),
            Picture::Cells(cells) => self.cells(cells, layout, top),
            Picture::Grid(grid) => self.grid(grid, layout, top),
        }
    }

    fn plot(&self, plot: &Plot, layout: Layout, top: f64) -> Drawn<B> {
        let right = layout.width - MARGIN_RIGHT;
        let top = self.legend(&plot.lines, &plot.over.bands, right, top + ROW / 2.0)? + ROW / 2.0;
        let frame = Frame {
            left: MARGIN_LEFT,
            right: layout.width - MARGIN_RIGHT,
            top: top + ROW + 4.0,
            bottom: layout.height - MARGIN_BOTTOM,
        };
        self.text(plot.y.title, (MARGIN_LEFT, top + ROW / 2.0), HPos::Left, TEXT, Ink::Muted)?;
        self.y_axis(&plot.y, &frame)?;
        self.x_axis(&plot.x, &frame)?;
        self.x_title(&plot.x, &frame)?;
        self.marks(&plot.x, &plot.over.marks, &frame)?;
        plot.over.bands.iter().try_for_each(|band| self.band(plot, band, &frame))?;
        self.levels(&plot.y, &plot.over.levels, &frame)?;
        let axes = Axes { x: &plot.x, y: &plot.y, xs: &plot.xs, across: plot.over.across };
        plot.lines.iter().try_for_each(|line| self.line(&axes, line, &frame))
    }

    /// The names of lines and bands beside a sample of each, in as many rows as they need. Returns the middle of the last row.
    fn legend(&self, lines: &[Line], bands: &[Band], right: f64, first_row: f64) -> Drawn<B, f64> {
        let (mut x, mut y) = (MARGIN_LEFT, first_row);
        let mut place = |name: &str| {
            let width = SWATCH + 7.0 + text_width(name);
            if x > MARGIN_LEFT && x + width > right {
                (x, y) = (MARGIN_LEFT, y + ROW);
            }
            let at = (x, y);
            x += width + 22.0;
            at
        };
        for line in lines {
            let (x, y) = place(&line.name);
            match line.stroke {
                Stroke::Points => self.dot((x + SWATCH / 2.0, y), line.ink)?,
                stroke => self.stroke(&[(x, y), (x + SWATCH, y)], line.ink, stroke)?,
            }
            self.text(&line.name, (x + SWATCH + 7.0, y), HPos::Left, TEXT, Ink::Text)?;
        }
        for band in bands {
            let (x, y) = place(&band.name);
            self.area(&[(x, y - 5.0), (x + SWATCH, y - 5.0), (x + SWATCH, y + 5.0), (x, y + 5.0)], band.ink)?;
            self.text(&band.name, (x + SWATCH + 7.0, y), HPos::Left, TEXT, Ink::Text)?;
        }
        Ok(y)
    }

    /// Ticks left of the frame; a label that would touch the one below it is left out.
    fn y_axis(&self, axis: &Axis, frame: &Frame) -> Drawn<B> {
        let mut free_to = f64::MAX;
        for tick in &axis.ticks {
            let y = frame.y(axis, *tick);
            self.path(&[(frame.left, y), (frame.right, y)], self.solid(Ink::Grid, 1.0))?;
            if y <= free_to {
                self.text(&axis.label.of(*tick), (frame.left - 8.0, y), HPos::Right, TEXT, Ink::Muted)?;
                free_to = y - TEXT - 3.0;
            }
        }
        Ok(())
    }

    /// Ticks below the frame; a label that would touch the one before it is left out.
    fn x_axis(&self, axis: &Axis, frame: &Frame) -> Drawn<B> {
        let mut free_from = f64::MIN;
        for tick in &axis.ticks {
            let (x, label) = (frame.x(axis, *tick), axis.label.of(*tick));
            let half = text_width(&label) / 2.0;
            self.path(&[(x, frame.top), (x, frame.bottom)], self.solid(Ink::Grid, 1.0))?;
            let middle = x.min(frame.right + MARGIN_RIGHT - half).max(half);
            if middle - half >= free_from {
                self.text(&label, (middle, frame.bottom + 14.0), HPos::Center, TEXT, Ink::Muted)?;
                free_from = middle + half + 8.0;
            }
        }
        Ok(())
    }

    /// What a horizontal axis measures.
    fn x_title(&self, axis: &Axis, frame: &Frame) -> Drawn<B> {
        self.text(axis.title, (frame.right, frame.bottom + 34.0), HPos::Right, TEXT, Ink::Muted)
    }

    /// A line down from the name of what begins there. A name is left out where it would touch the one before it, or where it is longer than
    /// its part and would cover the next.
    fn marks(&self, axis: &Axis, marks: &[Mark], frame: &Frame) -> Drawn<B> {
        let mut free_from = f64::MIN;
        let ends = marks.iter().skip(1).map(|mark| mark.at).chain([axis.to, axis.to]);
        let ends: Vec<f64> = ends.map(|at| frame.x(axis, at)).collect();
        let fits = |place: usize, from: f64| {
            let part = marks.get(place).map(|mark| from + 4.0 + text_width(&mark.name) <= ends[place]);
            part.is_some_and(|fits| fits && !marks[place].name.is_empty())
        };
        for (place, mark) in marks.iter().enumerate() {
            let (left, right) = (frame.x(axis, mark.at), ends[place]);
            if mark.shaded {
                let corners = [(left, frame.top), (right, frame.top), (right, frame.bottom), (left, frame.bottom)];
                self.area(&corners, Ink::Grey)?;
            }
            self.path(&[(left, frame.top - 4.0), (left, frame.bottom)], self.solid(Ink::Muted, 1.0))?;
            let width = text_width(&mark.name);
            let gives_way = !mark.shaded && !fits(place, left) && fits(place + 1, right);
            if !gives_way && left + 4.0 >= free_from && left + 4.0 + width <= frame.right {
                self.text(&mark.name, (left + 4.0, frame.top + 6.0), HPos::Left, TEXT, Ink::Muted)?;
                free_from = left + width + 12.0;
            }
        }
        Ok(())
    }

    /// A line across at each level, with its name above it at the left end, where rising curves leave room, or below at the top.
    fn levels(&self, axis: &Axis, levels: &[Level], frame: &Frame) -> Drawn<B> {
        for level in levels.iter().filter(|level| (axis.from..=axis.to).contains(&level.at)) {
            let y = frame.y(axis, level.at);
            self.stroke(&[(frame.left, y), (frame.right, y)], Ink::Vermillion, Stroke::Dashed)?;
            let beside = if y - frame.top > 2.0 * TEXT { y - TEXT } else { y + TEXT };
            self.text(&level.name, (frame.left + 4.0, beside), HPos::Left, TEXT, Ink::Vermillion)?;
        }
        Ok(())
    }

    fn band(&self, plot: &Plot, band: &Band, frame: &Frame) -> Drawn<B> {
        let ends = |(x, ends): (&f64, &Option<(f64, f64)>)| {
            ends.map(|(low, high)| (frame.x(&plot.x, *x), frame.y(&plot.y, low), frame.y(&plot.y, high)))
        };
        let mut places: Vec<Option<(f64, f64, f64)>> = plot.xs.iter().zip(&band.ends).map(ends).collect();
        places.retain(|place| place.is_some() || !plot.over.across);
        for piece in places.split(Option::is_none).filter(|piece| piece.len() > 1) {
            let piece = || piece.iter().flatten();
            let there = piece().map(|(x, low, _)| (*x, *low));
            let back = piece().rev().map(|(x, _, high)| (*x, *high));
            self.area(&there.chain(back).collect::<Vec<_>>(), band.ink)?;
        }
        Ok(())
    }

    fn line(&self, axes: &Axes<'_>, line: &Line, frame: &Frame) -> Drawn<B> {
        let point = |(x, y): (&f64, &Option<f64>)| y.map(|y| (frame.x(axes.x, *x), frame.y(axes.y, y)));
        let mut points: Vec<Option<(f64, f64)>> = axes.xs.iter().zip(&line.ys).map(point).collect();
        points.retain(|point| point.is_some() || !axes.across);
        for piece in points.split(Option::is_none) {
            let piece: Vec<(f64, f64)> = piece.iter().flatten().copied().collect();
            match piece[..] {
                [] => {}
                [alone] => self.dot(alone, line.ink)?,
                [first, .., last] => {
                    if line.stroke == Stroke::Filled {
                        self.area(&[&[(first.0, frame.bottom)], &piece[..], &[(last.0, frame.bottom)]].concat(), line.ink)?;
                    }
                    self.stroke(&piece, line.ink, line.stroke)?;
                }
            }
        }
        Ok(())
    }

    /// A line through the points, or the points alone.
    fn stroke(&self, points: &[(f64, f64)], ink: Ink, stroke: Stroke) -> Drawn<B> {
        match stroke {
            Stroke::Thin => self.path(points, self.solid(ink, 2.0)),
            Stroke::Filled => self.path(points, self.solid(ink, 1.5)),
            Stroke::Broad => self.path(points, ShapeStyle { color: ink.light().mix(0.45), ..self.solid(ink, 6.0) }),
            Stroke::Dashed => dashes(points).iter().try_for_each(|dash| self.path(dash, self.solid(ink, 1.5))),
            Stroke::Points => points.iter().try_for_each(|at| self.dot(*at, ink)),
        }
    }

    /// A pale area inside the corners.
    fn area(&self, corners: &[(f64, f64)], ink: Ink) -> Drawn<B> {
        self.area.draw(&Polygon::new(self.places(corners), ink.light().mix(0.18)))
    }

    fn path(&self, points: &[(f64, f64)], style: ShapeStyle) -> Drawn<B> {
        self.area.draw(&PathElement::new(self.places(points), style))
    }

    fn dot(&self, at: (f64, f64), ink: Ink) -> Drawn<B> {
        self.area.draw(&Circle::new(self.place(at), (3.0 * self.enlarged) as i32, ink.light().filled()))
    }

    fn text(&self, text: &str, at: (f64, f64), anchor: HPos, size: f64, ink: Ink) -> Drawn<B> {
        let font = (FONT, size * EM_TO_LINE * self.enlarged).into_font();
        let colour = ink.light();
        let style = TextStyle::from(font).color(&colour).pos(Pos::new(anchor, VPos::Center));
        self.area.draw(&Text::new(text.to_owned(), self.place(at), style))
    }

    fn solid(&self, ink: Ink, width: f64) -> ShapeStyle {
        ShapeStyle { color: ink.light().to_rgba(), filled: false, stroke_width: (width * self.enlarged).round() as u32 }
    }

    fn place(&self, (x, y): (f64, f64)) -> (i32, i32) {
        ((x * self.enlarged).round() as i32, (y * self.enlarged).round() as i32)
    }

    fn places(&self, points: &[(f64, f64)]) -> Vec<(i32, i32)> {
        points.iter().map(|point| self.place(*point)).collect()
    }
}

/// The pieces of a broken line: 7 pixels of line, 5 of gap.
fn dashes(points: &[(f64, f64)]) -> Vec<Vec<(f64, f64)>> {
    const PERIOD: f64 = DASH + 5.0;
    const DASH: f64 = 7.0;
    let (mut pieces, mut along) = (Vec::new(), 0.0_f64);
    for (from, to) in points.iter().zip(points.iter().skip(1)) {
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let at = |share: f64| (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share);
        let mut here = 0.0;
        while here < length {
            let phase = (along + here) % PERIOD;
            let until = (here + if phase < DASH { DASH - phase } else { PERIOD - phase }).max(here + 1e-6).min(length);
            if phase < DASH {
                pieces.push(vec![at(here / length), at(until / length)]);
            }
            here = until;
        }
        along += length;
    }
    pieces
}

/// As much of a name as fits.
fn shortened(name: &str, room: f64) -> String {
    if text_width(name) <= room {
        return name.to_owned();
    }
    let letters = (room / text_width("m")) as usize;
    name.chars().take(letters.saturating_sub(1)).chain(['…']).collect()
}

fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * TEXT * LETTER
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a line of 120 pixels with a corner, 7 of every 12 are drawn, from the first on, and no dash goes around the corner.
    #[test]
    fn broken_lines_are_seven_twelfths_drawn() {
        let pieces = dashes(&[(0.0, 0.0), (60.0, 0.0), (60.0, 60.0)]);
        let length = |piece: &Vec<(f64, f64)>| (piece[1].0 - piece[0].0).hypot(piece[1].1 - piece[0].1);
        assert!((pieces.iter().map(length).sum::<f64>() - 70.0).abs() < 1e-3);
        assert_eq!((pieces.len(), pieces[0][0], pieces[0][1]), (10, (0.0, 0.0), (7.0, 0.0)));
        assert!(pieces.iter().all(|piece| piece[0].0 == piece[1].0 || piece[0].1 == piece[1].1));
        assert!(dashes(&[(1.0, 1.0), (1.0, 1.0)]).is_empty());
    }
}
