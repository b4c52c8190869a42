//! Small charts of the largest collections, side by side on the same scales: rate, and response time.

use super::{Axis, Grid, Ink, Line, Panel, Picture, Stroke, phase_marks};
use crate::courses::{Courses, Shown};
use crate::{Analysis, units};

/// Collections below which there is nothing to hold side by side.
const COLLECTIONS_MIN: usize = 2;
/// Requests below which a course over time is nonsense.
const REQUESTS_MIN: u64 = 100;
/// Rates further apart than this factor have a log scale, as one of them would be a flat line.
const LINEAR_FACTOR_MAX: f64 = 20.0;

pub(super) fn rates(analysis: &Analysis) -> Result<Picture, String> {
    let courses = courses(analysis)?;
    let all: Vec<Vec<Option<f64>>> = courses.shown.iter().map(|one| one.course.bins.per_s(&one.course.due)).collect();
    let most = |rates: &Vec<Option<f64>>| rates.iter().flatten().copied().fold(0.0, f64::max);
    let highest = all.iter().map(most).fold(0.0, f64::max);
    let least = all.iter().flatten().flatten().copied().filter(|rate| *rate > 0.0).fold(highest, f64::min);
    let (title, is_log) = ("Requests per second", all.iter().map(most).fold(highest, f64::min) * LINEAR_FACTOR_MAX < highest);
    let y = match is_log {
        true => Axis::log(title, least, highest, units::short, units::per_s),
        false => Axis::from_zero(title, highest, units::short, units::per_s),
    };
    let ys = |rates: Vec<Option<f64>>| rates.into_iter().map(|rate| rate.filter(|rate| !is_log || *rate > 0.0)).collect();
    let panel = |(one, rates): (&Shown, Vec<Option<f64>>)| {
        panel(one, &y, vec![Line::new("Offered (due)", Ink::Blue, Stroke::Thin, ys(rates))])
    };
    let (first, largest) = (&courses.shown[0], courses.shown[0].course.due.iter().sum::<u64>());
    let share = units::share(largest as f64 / analysis.whole.requests.max(1) as f64);
    let scale = if is_log { "log" } else { "linear" };
    Ok(grid(
        analysis,
        "Rate by collection",
        format!(
            "{} All on the same {scale} scale, {} /s at the top; {} has {share} of the requests.",
            shown(courses),
            units::short(y.to),
            first.collection
        ),
        courses.shown.iter().zip(all).map(panel).collect(),
    ))
}

pub(super) fn latency(analysis: &Analysis) -> Result<Picture, String> {
    let courses = courses(analysis)?;
    let values = || courses.shown.iter().flat_map(|one| one.course.p50_ns.iter().chain(&one.course.p99_ns)).flatten();
    let ns = |ns: &i64| (*ns).max(1) as f64;
    if values().next().is_none() {
        return Err("No collection was answered, so there is no response time to hold side by side.".to_owned());
    }
    let (least, most) = (values().map(ns).fold(f64::MAX, f64::min), values().map(ns).fold(1.0, f64::max));
    let y = Axis::log("Response time", least, most, units::round_duration, units::duration);
    let line = |name, ink, values: &[Option<i64>]| {
        Line::new(name, ink, Stroke::Thin, values.iter().map(|value| value.as_ref().map(ns)).collect())
    };
    let has_p99 = courses.shown.iter().any(|one| one.course.p99_ns.iter().any(Option::is_some));
    let panel = |one: &Shown| {
        let p99 = has_p99.then(|| line("99th percentile", Ink::Vermillion, &one.course.p99_ns));
        panel(one, &y, p99.into_iter().chain([line("Median", Ink::Blue, &one.course.p50_ns)]).collect())
    };
    let slowest = courses.shown.iter().max_by_key(|one| one.course.p99_ns.iter().flatten().max());
    let slowest = slowest.and_then(|one| Some((one.course.p99_ns.iter().flatten().max()?, &one.collection)));
    let told = slowest.map_or_else(
        || " The median; no stretch of time has the 100 answers that a 99th percentile needs.".to_owned(),
        |(most_ns, collection)| {
            format!(" The highest 99th percentile, {}, is of {collection}.", units::duration(*most_ns as f64))
        },
    );
    let summary = format!("{} All on the same log scale.{told}", shown(courses));
    Ok(grid(analysis, "Response time by collection", summary, courses.shown.iter().map(panel).collect()))
}

fn courses(analysis: &Analysis) -> Result<&Courses, String> {
    let courses = &analysis.courses;
    let (collections, requests) = (courses.shown.len(), analysis.totals.requests);
    let stretches = courses.shown.first().map_or(0, |one| one.course.bins.count);
    if collections < COLLECTIONS_MIN || requests < REQUESTS_MIN || stretches < 3 {
        return Err(format!(
            "Small charts by collection need {COLLECTIONS_MIN} collections and {REQUESTS_MIN} requests in 3 stretches of time; the run has {}, {} and {}.",
            units::count(collections as u64),
            units::count(requests),
            stretches
        ));
    }
    Ok(courses)
}

/// Which collections these are.
fn shown(courses: &Courses) -> String {
    let (shown, others) = (courses.shown.len() as u64, courses.others.len() as u64);
    match others {
        0 => format!("All {}.", units::counted(shown, "collection")),
        _ => format!("The {} collections with the most requests, of {}.", units::count(shown), units::count(shown + others)),
    }
}

fn panel(of: &Shown, y: &Axis, lines: Vec<Line>) -> Panel {
    Panel { name: of.collection.clone(), note: String::new(), y: y.clone(), lines }
}

fn grid(analysis: &Analysis, title: &str, summary: String, panels: Vec<Panel>) -> Picture {
    let bins = &analysis.courses.shown[0].course.bins;
    Grid {
        title: title.to_owned(),
        summary,
        x: Axis::time("Time of due instant", bins.count as f64 * bins.width_s(), units::time),
        marks: phase_marks(analysis),
        xs: (0..bins.count).map(|bin| bins.middle_s(bin)).collect(),
        names: "Collection",
        panels,
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bins::Bins;
    use crate::courses::Course;

    #[test]
    fn few_and_many_collections_are_told_apart() {
        let course = Course { bins: Bins::new(0, 1, 1), due: vec![], p50_ns: vec![], p99_ns: vec![] };
        let one = |name: &str| Shown { collection: name.to_owned(), course: course.clone() };
        let other = |name: &str| crate::courses::Other { collection: name.to_owned(), requests: 1, ok: 1 };
        let mut courses = Courses { shown: vec![one("a"), one("b")], others: Vec::new() };
        assert_eq!(shown(&courses), "All 2 collections.");
        courses.others = vec![other("c")];
        assert_eq!(shown(&courses), "The 2 collections with the most requests, of 3.");
    }
}
