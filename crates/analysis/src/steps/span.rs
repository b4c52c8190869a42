//! Where the steps of a run lie.

use crate::phases::{Asked, Begin, Users, WARMUP};
use crate::{Analysis, Run};

use super::STEPS_MAX;

/// Windows that a slope is cut into, at most; fewer where they would hold less than [`WINDOW_REQUESTS`] on average.
const WINDOWS_MAX: usize = 20;
const WINDOWS_MIN: usize = 5;
/// Requests that a 99th percentile with an interval needs.
const WINDOW_REQUESTS: f64 = 400.0;
/// Requests below which windows are not worth the name.
const REQUESTS_MIN: f64 = 100.0;
/// Slices of a phase that are compared to tell a level from a slope.
const SLICES: i64 = 16;
/// Loads that are closer than this are one level.
const LEVEL_SHARE: f64 = 0.1;
/// Recorded rates have to vary by this, from window to window, before they are loads of their own.
const RECORDED_SHARE: f64 = 0.25;
/// And by so many standard deviations of a Poisson count.
const RECORDED_DEVIATIONS: f64 = 5.0;

/// Where a step lies, and what was asked for in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Span {
    pub name: String,
    pub from_ns: i64,
    pub to_ns: i64,
    pub asked_per_s: Option<f64>,
    pub users: Option<f64>,
    /// The load asked for at its two ends, where it is a slope.
    pub slope: Option<(f64, f64)>,
}

impl Span {
    /// The whole run, under the name of its folder.
    pub fn whole(run: &Run, analysis: &Analysis) -> Self {
        let name = run.dir.file_name().map(|name| name.to_string_lossy().into_owned());
        Self::all(analysis, name.unwrap_or_else(|| analysis.info.label.clone()))
    }

    fn all(analysis: &Analysis, name: String) -> Self {
        let (from_ns, to_ns) = ends(analysis);
        Curve::of(analysis).span(name, from_ns, to_ns)
    }
}

/// The first due instant that counts, and the instant after the last one.
fn ends(analysis: &Analysis) -> (i64, i64) {
    (analysis.totals.first_due_ns, analysis.totals.last_due_ns + 1)
}

/// The load asked for over time.
struct Curve<'a> {
    asked: Option<&'a Asked>,
    users: Option<&'a Users>,
}

impl<'a> Curve<'a> {
    fn of(analysis: &'a Analysis) -> Self {
        Self { asked: analysis.phases.asked.as_ref(), users: analysis.phases.users.as_ref() }
    }

    /// The mean load between two instants; `None` where none was asked for.
    fn load(&self, from_ns: i64, to_ns: i64) -> Option<f64> {
        self.users.map(|users| users.mean(from_ns, to_ns)).or_else(|| self.asked?.per_s(from_ns, to_ns))
    }

    fn span(&self, name: String, from_ns: i64, to_ns: i64) -> Span {
        let asked_per_s = self.asked.and_then(|asked| asked.per_s(from_ns, to_ns));
        Span { name, from_ns, to_ns, asked_per_s, users: self.users.map(|users| users.mean(from_ns, to_ns)), slope: None }
    }

    /// A window of a slope, with the loads at its ends: as far from its mean as those of its first and last quarter are from each other,
    /// times 2/3, which is exact for a straight line.
    fn window(&self, name: String, from_ns: i64, to_ns: i64) -> Span {
        let quarter_ns = (to_ns - from_ns) / 4;
        let ends = self.load(from_ns, from_ns + quarter_ns).zip(self.load(to_ns - quarter_ns, to_ns));
        let slope = ends.zip(self.load(from_ns, to_ns)).map(|((first, last), mean)| {
            let half = (last - first) * 2.0 / 3.0;
            ((mean - half).max(0.0), (mean + half).max(0.0))
        });
        Span { slope, ..self.span(name, from_ns, to_ns) }
    }

    /// From when on a phase keeps the load that it ends with; `None` where it does so for less than half of its time: a slope.
    fn level_from(&self, from_ns: i64, to_ns: i64) -> Option<i64> {
        let slice_ns = ((to_ns - from_ns) / SLICES).max(1);
        let begin = |slice: i64| from_ns + slice * slice_ns;
        let last = self.load(begin(SLICES * 3 / 4), to_ns)?;
        let holds = |slice: &i64| {
            let load = self.load(begin(*slice), begin(slice + 1));
            load.is_some_and(|load| (load - last).abs() <= LEVEL_SHARE * last)
        };
        let held = (0..SLICES).rev().take_while(holds).count() as i64;
        (held >= SLICES / 2).then(|| begin(SLICES - held))
    }
}

/// The steps of a run: levels and windows, in the order of time. A single one where its load does not vary.
pub(super) fn spans(analysis: &Analysis) -> Vec<Span> {
    let (first_ns, last_ns) = ends(analysis);
    let curve = Curve::of(analysis);
    let per_s = analysis.totals.requests as f64 / ((last_ns - first_ns) as f64 / 1e9);
    let phases: Vec<&Begin> = analysis.phases.begins.iter().filter(|begin| begin.name != WARMUP).collect();
    if curve.asked.is_none() && curve.users.is_none() {
        let windows = windows("", first_ns, last_ns, per_s, &curve);
        return if recorded_rate_varies(analysis) { windows } else { vec![Span::all(analysis, analysis.info.label.clone())] };
    }
    let ends = phases.iter().skip(1).map(|begin| begin.from_ns).chain([last_ns]);
    let inside = |from_ns: i64, to_ns: i64| (from_ns.max(first_ns), to_ns.min(last_ns));
    let spans: Vec<Span> = phases
        .iter()
        .zip(ends)
        .map(|(begin, end_ns)| (begin, inside(begin.from_ns, end_ns)))
        .filter(|(_, (from_ns, to_ns))| from_ns < to_ns)
        .flat_map(|(begin, (from_ns, to_ns))| match curve.level_from(from_ns, to_ns) {
            Some(level_ns) => vec![curve.span(begin.name.clone(), level_ns, to_ns)],
            None => {
                windows(&begin.name, from_ns, to_ns, curve.asked.and_then(|a| a.per_s(from_ns, to_ns)).unwrap_or(per_s), &curve)
            }
        })
        .collect();
    if spans.len() > STEPS_MAX { windows("", first_ns, last_ns, per_s, &curve) } else { spans }
}

/// Windows of equal time.
fn windows(name: &str, from_ns: i64, to_ns: i64, per_s: f64, curve: &Curve<'_>) -> Vec<Span> {
    let requests = per_s * (to_ns - from_ns) as f64 / 1e9;
    if requests < REQUESTS_MIN {
        return vec![curve.span(name.to_owned(), from_ns, to_ns)];
    }
    let count = ((requests / WINDOW_REQUESTS) as usize).clamp(WINDOWS_MIN, WINDOWS_MAX);
    let edge = |window: usize| from_ns + (i128::from(to_ns - from_ns) * window as i128 / count as i128) as i64;
    let title = |window: usize| {
        let name = if name.is_empty() { "window" } else { name };
        format!("{name} {}/{count}", window + 1)
    };
    (0..count).map(|window| curve.window(title(window), edge(window), edge(window + 1))).collect()
}

/// Whether the rate of a run without a profile varies by more than chance explains. In a closed loop it is the target's doing.
fn recorded_rate_varies(analysis: &Analysis) -> bool {
    let (bins, due) = (&analysis.rates.bins, &analysis.rates.due);
    let (first, last) = (bins.place(analysis.totals.first_due_ns), bins.place(analysis.totals.last_due_ns));
    // The last bin is cut off somewhere.
    let counts: Vec<f64> = due[first..last.max(first)].chunks(due.len().div_ceil(WINDOWS_MAX)).map(mean).collect();
    let (low, high) = counts.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), count| (low.min(*count), high.max(*count)));
    let bins_each = due.len().div_ceil(WINDOWS_MAX) as f64;
    let middle = f64::midpoint(low, high);
    let by_chance = RECORDED_DEVIATIONS * (middle / bins_each).sqrt();
    !analysis.timing.closed_loop && counts.len() > 1 && high - low > (RECORDED_SHARE * middle).max(by_chance)
}

fn mean(counts: &[u64]) -> f64 {
    counts.iter().sum::<u64>() as f64 / counts.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    fn asked(points: &[(i64, f64)]) -> Asked {
        Asked { at_ns: points.iter().map(|(at, _)| at * S).collect(), requests: points.iter().map(|(_, sum)| *sum).collect() }
    }

    #[test]
    fn a_level_begins_where_its_rise_is_over() {
        // 100/s for 10 s, a rise to 200/s within 2 s, then that.
        let asked = asked(&[(0, 0.0), (10, 1000.0), (11, 1125.0), (12, 1300.0), (26, 4100.0)]);
        let curve = Curve { asked: Some(&asked), users: None };
        assert_eq!(curve.level_from(0, 10 * S), Some(0));
        assert_eq!(curve.level_from(10 * S, 26 * S), Some(12 * S), "a sixteenth of 16 s is 1 s");
    }

    #[test]
    fn a_slope_has_no_level() {
        let points: Vec<(i64, f64)> = (0..=40).map(|s| (s, (s * s) as f64)).collect();
        let asked = asked(&points);
        let curve = Curve { asked: Some(&asked), users: None };
        assert_eq!(curve.level_from(0, 40 * S), None);
        let windows = windows("ramp", 0, 40 * S, 40.0, &curve);
        assert_eq!((windows.len(), windows[0].name.as_str(), windows[4].to_ns), (5, "ramp 1/5", 40 * S));
        assert_eq!(windows[1].asked_per_s, Some((16.0 * 16.0 - 64.0) / 8.0));
        assert_eq!(windows[1].slope, Some((16.0, 32.0)), "2t at 8 s and at 16 s");
        assert_eq!(super::windows("ramp", 0, S, 50.0, &curve).len(), 1, "fifty requests are one step");
    }

    #[test]
    fn users_are_a_load_as_well() {
        let users = Users { at_ns: vec![0, 10 * S, 20 * S], users: vec![2, 4, 0] };
        let curve = Curve { asked: None, users: Some(&users) };
        assert_eq!(
            (curve.load(0, 10 * S), curve.load(5 * S, 15 * S), curve.load(20 * S, 21 * S)),
            (Some(2.0), Some(3.0), Some(0.0))
        );
        assert_eq!(curve.level_from(10 * S, 20 * S), Some(10 * S));
    }
}
