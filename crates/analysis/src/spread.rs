//! How durations are spread, in one line of text each: a histogram on a log scale, drawn with blocks of eighths or, where these cannot be
//! shown, with plain letters.

use std::path::Path;

use crate::breakdown::{Breakdown, Group, Measure};
use crate::distribution::Distribution;
use crate::histograms::{self, Merged};
use crate::section::duration;
use crate::{Analysis, Result, inspect, units};

/// Lines of groups; the others are counted.
const GROUPS_SHOWN: usize = 12;
/// The most and the fewest classes that a line has room for.
const CLASSES_SHOWN: (usize, usize) = (24, 8);
/// The shortest room for a name.
const NAME_COLUMNS_MIN: usize = 6;
/// Between two parts of a name.
pub(crate) const BETWEEN: &str = " · ";
/// What stands over the names.
const HEADING: &str = "response time";
/// Between two columns, and before the first.
const GAP: usize = 2;
/// Columns of an output that is no terminal.
pub const COLUMNS: usize = 80;

/// From the fewest to the most; an empty class is a space.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const LETTERS: [char; 7] = ['.', ':', '-', '=', '+', '*', '#'];

/// Counts of durations in classes of which two are a factor of two: [2ᵏ, 1.5·2ᵏ) and [1.5·2ᵏ, 2ᵏ⁺¹) ns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spread {
    /// The class of the first count.
    first: usize,
    counts: Vec<u64>,
}

/// The class of a duration.
fn class(ns: i64) -> usize {
    let ns = ns.max(1).cast_unsigned();
    let octave = ns.ilog2() as usize;
    2 * octave + octave.checked_sub(1).map_or(0, |below| (ns >> below & 1) as usize)
}

/// Where a class begins, ns.
fn begin_ns(class: usize) -> f64 {
    (class as f64 / 2.0).floor().exp2() * if class.is_multiple_of(2) { 1.0 } else { 1.5 }
}

impl Spread {
    /// Durations in ns, in parts.
    #[must_use]
    pub fn of(parts: &[&[i64]]) -> Self {
        let mut counts = vec![0; 2 * 64];
        parts.iter().copied().flatten().for_each(|ns| counts[class(*ns)] += 1);
        Self::trimmed(&counts)
    }

    /// Durations in ns, each with how often it was there.
    pub fn counted(values: impl Iterator<Item = (i64, u64)>) -> Self {
        let mut counts = vec![0; 2 * 64];
        values.for_each(|(ns, count)| counts[class(ns)] += count);
        Self::trimmed(&counts)
    }

    fn trimmed(counts: &[u64]) -> Self {
        let first = counts.iter().position(|count| *count > 0).unwrap_or(0);
        let end = counts.iter().rposition(|count| *count > 0).map_or(first, |last| last + 1);
        Self { first, counts: counts[first..end].to_vec() }
    }

    /// Both together.
    fn and(&self, other: &Self) -> Self {
        Self::trimmed(&(0..2 * 64).map(|class| self.count(class) + other.count(class)).collect::<Vec<_>>())
    }

    fn end(&self) -> usize {
        self.first + self.counts.len()
    }

    /// One letter for each `each` classes from `first` on, up to `letters` of them.
    fn text(&self, first: usize, each: usize, letters: usize, plain: bool) -> String {
        let bins: Vec<u64> = (0..letters)
            .map(|letter| (first + letter * each..first + (letter + 1) * each).map(|class| self.count(class)).sum())
            .collect();
        let most = bins.iter().copied().max().unwrap_or(0).max(1);
        let ramp: &[char] = if plain { &LETTERS } else { &BLOCKS };
        let letter = |count: &u64| match count {
            0 => ' ',
            _ => ramp[((*count as f64 / most as f64 * ramp.len() as f64).ceil() as usize).clamp(1, ramp.len()) - 1],
        };
        bins.iter().map(letter).collect()
    }

    fn count(&self, class: usize) -> u64 {
        class.checked_sub(self.first).and_then(|place| self.counts.get(place)).copied().unwrap_or(0)
    }
}

/// A line: what it is of, and how its durations are spread.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// What it is of.
    pub name: String,
    /// Durations.
    pub count: u64,
    /// Median, ns; `None` where there are too few.
    pub p50_ns: Option<i64>,
    /// 99th percentile, likewise.
    pub p99_ns: Option<i64>,
    /// Their classes.
    pub spread: Spread,
}

impl Shape {
    fn of(name: String, times: &Distribution) -> Self {
        let (p50_ns, p99_ns) = (times.value_ns(0.5), times.value_ns(0.99));
        Self { name, count: times.count, p50_ns, p99_ns, spread: times.spread.clone() }
    }

    fn merged(merged: &Merged) -> Self {
        let at = |p: f64| merged.value_ns(p);
        let name = named(&merged.names);
        Self { name, count: merged.count, p50_ns: at(0.5), p99_ns: at(0.99), spread: merged.spread.clone() }
    }
}

/// What all requests are called, and groups by their names.
fn named(names: &[String]) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
    if names.is_empty() { "all".to_owned() } else { names.join(BETWEEN) }
}

/// Those of a report: all requests, then by collection and operation.
pub(crate) fn of_analysis(analysis: &Analysis) -> Vec<Shape> {
    let latency = &analysis.latency;
    let groups = latency.groups.iter().map(|group| Shape::of(group.names(), &group.times.response));
    with_groups(Shape::of("all".to_owned(), &latency.overall.response), groups.collect())
}

/// Those of groups of requests, and of all of them together, without the percentiles, which their table has.
pub(crate) fn of_groups(groups: &Breakdown) -> Vec<Shape> {
    let shape =
        |name: String, spread: Spread| Shape { name, count: spread.counts.iter().sum(), p50_ns: None, p99_ns: None, spread };
    let of = |group: &Group| shape(named(&group.names), group.times[0].spread.clone());
    let all = groups.groups.iter().fold(Spread::default(), |sum, group| sum.and(&group.times[0].spread));
    with_groups(shape("all".to_owned(), all), groups.groups.iter().map(of).collect())
}

/// Those of the merged histograms of the run in `dir`.
///
/// # Errors
/// [`crate::Error::Trace`] when a file is missing or damaged.
pub fn of_run(dir: &Path) -> Result<Vec<Shape>> {
    let all = histograms::merge(dir, &[], Measure::Response)?;
    let groups = histograms::merge(dir, &inspect::run::BY, Measure::Response)?;
    let Some(first) = all.first() else { return Ok(Vec::new()) };
    Ok(with_groups(Shape::merged(first), groups.iter().map(Shape::merged).collect()))
}

/// All, then the groups that have durations, where there are several.
fn with_groups(all: Shape, mut groups: Vec<Shape>) -> Vec<Shape> {
    groups.retain(|group| group.count > 0);
    let groups = if groups.len() > 1 { groups } else { Vec::new() };
    if all.count == 0 { Vec::new() } else { std::iter::once(all).chain(groups).collect() }
}

/// The lines under a heading, on one scale, none longer than `columns`; without letters beyond ASCII where `plain`.
#[must_use]
pub fn text(shapes: &[Shape], columns: usize, plain: bool) -> String {
    let Some(first) = shapes.iter().map(|shape| shape.spread.first).min() else { return String::new() };
    let end = shapes.iter().map(|shape| shape.spread.end()).max().unwrap_or(first);
    let shown = &shapes[..shapes.len().min(1 + GROUPS_SHOWN)];
    let figures = Figures::new(shown, columns);
    let widest = shown.iter().map(|shape| shape.name.chars().count()).fold(HEADING.len(), usize::max);
    let room = columns.saturating_sub(figures.columns + 2 * GAP);
    let name = widest.clamp(NAME_COLUMNS_MIN, (room / 2).max(room.saturating_sub(GAP + CLASSES_SHOWN.0)).max(NAME_COLUMNS_MIN));
    let room = room.saturating_sub(name + GAP).clamp(1, CLASSES_SHOWN.0);
    let each = (end - first).div_ceil(room).max(1);
    let letters = (end - first).div_ceil(each);
    let scale =
        format!("{} to {}", units::round_duration(begin_ns(first)), units::round_duration(begin_ns(first + letters * each)));
    let free = columns.saturating_sub(GAP + name + figures.columns + GAP);
    let scale = if scale.chars().count() <= free { scale } else { String::new() };
    let line = |title: &str, cells: &str, drawn: &str| {
        let text = format!("{:GAP$}{title:<name$}{cells}{:GAP$}{drawn}", "", "");
        let text = if plain { ascii(&text) } else { text };
        text.chars().take(columns).collect::<String>().trim_end().to_owned() + "\n"
    };
    let mut out = line(&HEADING[..HEADING.len().min(name)], &figures.head, &scale);
    for (shape, cells) in shown.iter().zip(&figures.rows) {
        out += &line(&shortened(&shape.name, name), cells, &shape.spread.text(first, each, letters, plain));
    }
    let more = shapes.len() - shown.len();
    if more > 0 { out + &line(&format!("{} and {more} more", if plain { "..." } else { "…" }), "", "") } else { out }
}

/// Count, median and 99th percentile of each line, as many of them as there is room for.
struct Figures {
    head: String,
    rows: Vec<String>,
    columns: usize,
}

impl Figures {
    fn new(shapes: &[Shape], columns: usize) -> Self {
        let value = |ns: Option<i64>| ns.map_or_else(|| "–".to_owned(), |ns| duration(Some(ns as f64)));
        let quantile = |name, of: fn(&Shape) -> Option<i64>| {
            let is_there = shapes.iter().any(|shape| of(shape).is_some());
            is_there.then(|| (name, shapes.iter().map(|shape| value(of(shape))).collect()))
        };
        let counts = ("answers", shapes.iter().map(|shape| units::count(shape.count)).collect());
        let quantiles = [quantile("p50", |shape| shape.p50_ns), quantile("p99", |shape| shape.p99_ns)];
        let all: Vec<(&str, Vec<String>)> = std::iter::once(counts).chain(quantiles.into_iter().flatten()).collect();
        let width = |(head, cells): &(&str, Vec<String>)| {
            GAP + cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0).max(head.len())
        };
        let widths: Vec<usize> = all.iter().map(width).collect();
        // The 99th percentile is the last to go.
        let needed = 2 * GAP + NAME_COLUMNS_MIN + GAP + CLASSES_SHOWN.1;
        let from = (0..all.len()).find(|from| needed + widths[*from..].iter().sum::<usize>() <= columns).unwrap_or(all.len());
        let row =
            |of: &dyn Fn(usize) -> String| (from..all.len()).map(|at| format!("{:>1$}", of(at), widths[at])).collect::<String>();
        Self {
            head: row(&|at| all[at].0.to_owned()),
            rows: (0..shapes.len()).map(|line| row(&|at| all[at].1[line].clone())).collect(),
            columns: widths[from..].iter().sum(),
        }
    }
}

/// As much of a name as fits. Names of one kind differ at their ends: of both parts, the end is kept, and up to two thirds are the first's.
fn shortened(name: &str, columns: usize) -> String {
    let Some((first, second)) = name.split_once(BETWEEN).filter(|_| name.chars().count() > columns) else {
        return end_of(name, columns);
    };
    let first = end_of(first, columns * 2 / 3);
    let second = end_of(second, columns.saturating_sub(first.chars().count() + 1));
    format!("{first} {second}")
}

/// The last letters of a text that is too long.
fn end_of(text: &str, columns: usize) -> String {
    let length = text.chars().count();
    let left_out = if length <= columns { 0 } else { length + 1 - columns };
    let cut = if left_out > 0 { "…" } else { "" };
    cut.chars().chain(text.chars().skip(left_out)).collect()
}

/// The text in ASCII alone, of the same length.
fn ascii(text: &str) -> String {
    let letter = |c: char| match c {
        'µ' => 'u',
        '–' | '−' | '·' => '-',
        '…' => '~',
        _ if c.is_ascii() => c,
        _ => '?',
    };
    text.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(name: &str, values_ns: &[i64]) -> Shape {
        Shape {
            name: name.to_owned(),
            count: values_ns.len() as u64,
            p50_ns: Some(1_234_567),
            p99_ns: None,
            spread: Spread::of(&[values_ns]),
        }
    }

    #[test]
    fn two_classes_are_a_factor_of_two() {
        assert_eq!([1, 2, 3, 4, 5, 6, 7, 8, 1024, 1535, 1536].map(class), [0, 2, 3, 4, 4, 5, 5, 6, 20, 20, 21]);
        assert_eq!([0, 2, 3, 20, 21].map(begin_ns), [1.0, 2.0, 3.0, 1024.0, 1536.0]);
        assert_eq!(class(i64::MAX), 125);
    }

    /// 8 of 1024 ns, 4 of 1536, none in the two classes after, 1 of 4096 ns.
    #[test]
    fn letters_are_as_high_as_their_share_of_the_most() {
        let values = [[1024; 8].as_slice(), &[1536; 4], &[4096]].concat();
        let spread = Spread::of(&[&values]);
        assert_eq!(spread, Spread::counted([(1024, 8), (1536, 4), (4096, 1)].into_iter()));
        assert_eq!(spread.text(20, 1, 5, false), "█▄  ▁");
        assert_eq!(spread.text(20, 1, 5, true), "#=  .");
        assert_eq!(spread.text(20, 2, 3, false), "█ ▁", "two classes a letter");
        assert_eq!(spread.text(18, 1, 3, false), "  █", "on a scale that begins earlier");
        assert_eq!(Spread::of(&[&values[..8]]).and(&Spread::of(&[&values[8..]])), spread);
    }

    #[test]
    fn lines_stand_on_one_scale() {
        let shown = text(&[shape("all", &[1 << 20, 1 << 22]), shape("a · GET", &[1 << 22])], 80, false);
        let wanted = [
            "  response time  answers      p50  1.05 ms to 6.29 ms",
            "  all                  2  1.23 ms  █   █",
            "  a · GET              1  1.23 ms      █",
        ];
        assert_eq!(shown, wanted.map(|line| format!("{line}\n")).concat());
    }

    #[test]
    fn names_that_are_too_long_still_differ() {
        let short = |number, columns| shortened(&format!("collection-{number} · POST /points/search"), columns);
        assert_eq!(short(1, 40), "collection-1 · POST /points/search");
        assert_eq!(short(1, 21), "collection-1 …/search");
        assert_eq!(short(12, 10), "…on-12 …ch");
        assert_eq!(shortened("a-long-name", 6), "…-name");
    }

    #[test]
    fn nothing_answered_has_no_lines() {
        assert_eq!(text(&[], 80, false), "");
        assert_eq!(with_groups(shape("all", &[]), vec![]), []);
        assert_eq!(with_groups(shape("all", &[1]), vec![shape("a", &[1])]).len(), 1, "one group is all");
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn no_line_is_longer_than_the_terminal(
            columns in 20_usize..120, groups in 0_usize..20, length in 0_usize..60, least in 1_i64..1 << 40, plain in proptest::bool::ANY,
        ) {
            let name = "µ".repeat(length);
            let shapes: Vec<Shape> = (0..=groups).map(|group| shape(&name, &[least, least << (group % 20)])).collect();
            let shown = text(&shapes, columns, plain);
            proptest::prop_assert!(shown.lines().all(|line| line.chars().count() <= columns), "{columns}\n{shown}");
            proptest::prop_assert!(!plain || shown.is_ascii(), "{shown}");
            proptest::prop_assert_eq!(shown.lines().count(), 1 + shapes.len().min(1 + GROUPS_SHOWN) + usize::from(shapes.len() > 1 + GROUPS_SHOWN));
        }
    }
}
