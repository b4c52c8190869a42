//! What probes read as the run went on, for small charts: series of one name and probe side by side, those that varied most.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::bins::Bins;
use crate::courses::BINS_MAX;
use crate::resources::{GENERATOR, HOST, Read, Series};

/// Families that have a chart; the others are in the table of figures.
pub const FAMILIES_MAX: usize = 24;
/// Lines of a chart, those with the largest mean.
pub const LINES_MAX: usize = 3;
/// Stretches of time with a reading below which a line over time is none.
const READINGS_MIN: usize = 3;
/// Ends of the names of counters on pages of metrics (Prometheus, *Metric and label naming*): their growth per second is shown.
const COUNTERS: [&str; 3] = ["_total", "_sum", "_count"];
/// What has a chart of its own.
const ELSEWHERE: [&str; 2] = ["cpu_cores", "rss_bytes"];

/// The series of one name of a probe, which differ by their labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// The probe.
    pub source: String,
    /// Their name.
    pub name: String,
    /// Empty where the probe does not say.
    pub unit: String,
    /// Those with the largest mean, [`LINES_MAX`] at most: labels without braces, and the mean of the readings in each bin.
    pub lines: Vec<(String, Vec<Option<f64>>)>,
    /// How many there are.
    pub count: usize,
}

/// What varied during a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Watched {
    /// The bins.
    pub bins: Bins,
    /// At most [`FAMILIES_MAX`]: by probe, in the order in which they were first read, that of the machine last.
    pub shown: Vec<Family>,
    /// Families that varied less and are not among them.
    pub others: usize,
}

impl Watched {
    /// Of what was read, `series` being its figures: counters whose growth is there as well, buckets of histograms, the generator's own
    /// and what stood still are left out.
    pub(crate) fn of(all: &[Read], series: &[Series], (first_ns, end_ns): (i64, i64), interval_ns: i64) -> Self {
        let bins = Bins::new(first_ns, end_ns, interval_ns.max((end_ns - first_ns) / BINS_MAX + 1));
        let counters = series.iter().filter(|one| one.has_rate).map(|one| (one.source.as_str(), one.series.as_str()));
        let counters: HashSet<(&str, &str)> = counters.collect();
        let is_counter = |read: &Read| counters.contains(&(read.source.as_str(), read.series.as_str()));
        let wanted: Vec<Cow<'_, Read>> =
            all.iter().filter(|read| read.source != GENERATOR && !is_counter(read)).map(as_rate).collect();
        let families = families(wanted.iter().map(AsRef::as_ref));
        let mut found: Vec<(f64, Family)> = families.iter().filter_map(|reads| family(reads, &bins)).collect();
        let others = found.len().saturating_sub(FAMILIES_MAX);
        let chosen = chosen(&found);
        let mut place = 0..;
        found.retain(|_| place.next().is_some_and(|place| chosen.contains(&place)));
        Self { bins, shown: found.into_iter().map(|(_, family)| family).collect(), others }
    }
}

/// A scraped counter as its growth per second; everything else as it was read.
fn as_rate(read: &Read) -> Cow<'_, Read> {
    let (name, labels) = split(&read.series);
    if !read.source.starts_with("prometheus:") || !COUNTERS.iter().any(|end| name.ends_with(end)) {
        return Cow::Borrowed(read);
    }
    let growth = |pair: &[(i64, f64)]| {
        let ((since_ns, before), (at_ns, now)) = (pair[0], pair[1]);
        // Below what it was it has started anew.
        let grown = if now < before { now } else { now - before };
        (at_ns, grown * 1e9 / (at_ns - since_ns).max(1) as f64)
    };
    let points = read.points.windows(2).map(growth).collect();
    Cow::Owned(Read { source: read.source.clone(), series: format!("{name} per second{labels}"), unit: "/s".to_owned(), points })
}

/// The name of a series without its labels, and the labels without braces.
fn parted(series: &str) -> (&str, &str) {
    let (name, labels) = split(series);
    (name, labels.trim_start_matches('{').trim_end_matches('}'))
}

/// The name and the labels of a series.
fn split(series: &str) -> (&str, &str) {
    series.split_at(series.find('{').unwrap_or(series.len()))
}

/// By probe and name, both in the order in which they were first read, but for the machine, which comes last.
fn families<'a>(reads: impl Iterator<Item = &'a Read>) -> Vec<Vec<&'a Read>> {
    let mut sources: HashMap<&str, usize> = HashMap::new();
    let mut names: HashMap<(&str, &str), usize> = HashMap::new();
    let mut families: Vec<(usize, Vec<&Read>)> = Vec::new();
    for read in reads {
        let name = parted(&read.series).0;
        if ELSEWHERE.contains(&name) || name.ends_with("_bucket") {
            continue;
        }
        let (source, place) = (sources.len(), families.len());
        let source = *sources.entry(&read.source).or_insert(source);
        let place = *names.entry((&read.source, name)).or_insert(place);
        if place == families.len() {
            families.push((source, Vec::new()));
        }
        families[place].1.push(read);
    }
    families.sort_by_key(|(source, reads)| (reads[0].source == HOST, *source));
    families.into_iter().map(|(_, reads)| reads).collect()
}

/// A series in bins.
struct Binned<'a> {
    labels: &'a str,
    means: Vec<Option<f64>>,
    mean: f64,
    is_still: bool,
}

impl<'a> Binned<'a> {
    /// `None` where it was hardly read.
    fn of(read: &'a Read, bins: &Bins) -> Option<Self> {
        let means = bins.means(&read.points);
        let seen: Vec<f64> = means.iter().flatten().copied().collect();
        let (mean, is_still) = (mean(&seen), seen.iter().all(|value| *value == seen[0]));
        (seen.len() >= READINGS_MIN).then_some(Self { labels: parted(&read.series).1, means, mean, is_still })
    }
}

/// The largest series of a family, and how much their sum varied: its standard deviation over its mean. `None` where all stood still.
fn family(reads: &[&Read], bins: &Bins) -> Option<(f64, Family)> {
    let mut all: Vec<Binned<'_>> = reads.iter().filter_map(|read| Binned::of(read, bins)).collect();
    if all.iter().all(|one| one.is_still) {
        return None;
    }
    let sum = |bin: usize| all.iter().filter_map(|one| one.means[bin]).reduce(|sum, value| sum + value);
    let sums: Vec<f64> = (0..bins.count).filter_map(sum).collect();
    let middle = mean(&sums);
    let squares: Vec<f64> = sums.iter().map(|sum| (sum - middle).powi(2)).collect();
    let variation = mean(&squares).sqrt() / middle.abs();
    all.sort_by(|one, other| other.mean.total_cmp(&one.mean).then(one.labels.cmp(other.labels)));
    let count = all.len();
    let lines = all.into_iter().take(LINES_MAX).map(|one| (one.labels.to_owned(), one.means)).collect();
    let (source, name, unit) = (reads[0].source.clone(), parted(&reads[0].series).0.to_owned(), reads[0].unit.clone());
    Some((variation, Family { source, name, unit, lines, count }))
}

/// The arithmetic mean; 0 of nothing.
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Places of those that are shown: of each probe in turn the one that varied most.
fn chosen(found: &[(f64, Family)]) -> HashSet<usize> {
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_by(|a, b| found[*b].0.total_cmp(&found[*a].0));
    let mut taken: HashMap<&str, usize> = HashMap::new();
    let mut turn = |place: usize| {
        let taken = taken.entry(&found[place].1.source).or_default();
        *taken += 1;
        (*taken, place)
    };
    let mut turns: Vec<(usize, usize)> = order.into_iter().map(&mut turn).collect();
    turns.sort_unstable();
    turns.into_iter().take(FAMILIES_MAX).map(|(_, place)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    fn read(source: &str, series: &str, values: &[f64]) -> Read {
        let points = values.iter().enumerate().map(|(second, value)| (second as i64 * S, *value)).collect();
        Read { source: source.to_owned(), series: series.to_owned(), unit: String::new(), points }
    }

    fn names(watched: &Watched) -> Vec<(&str, &str)> {
        watched.shown.iter().map(|family| (family.source.as_str(), family.name.as_str())).collect()
    }

    #[test]
    fn what_varied_is_shown_by_probe_and_name() {
        let all = [
            read("pid:1", "threads", &[4.0, 4.0, 5.0, 5.0]),
            read("host", "sent{interface=\"lo\"}", &[1.0, 1.0, 1.0, 3.0]),
            read("host", "memory", &[8.0; 4]),
            read("generator", "threads", &[1.0, 2.0, 3.0, 4.0]),
            read("host", "sent{interface=\"eth0\"}", &[5.0, 5.0, 5.0, 5.0]),
            read("host", "cpu_cores", &[1.0, 2.0, 1.0, 2.0]),
            read("pid:1", "took_bucket{le=\"1\"}", &[1.0, 2.0, 3.0, 4.0]),
            read("pid:1", "rarely", &[1.0, 2.0]),
        ];
        let watched = Watched::of(&all, &[], (0, 4 * S), S);
        assert_eq!(names(&watched), [("pid:1", "threads"), ("host", "sent")]);
        let lines = &watched.shown[1].lines;
        assert_eq!(lines[0], ("interface=\"eth0\"".to_owned(), vec![Some(5.0), Some(5.0), Some(5.0), Some(5.0), None]));
        assert_eq!((lines[1].0.as_str(), watched.shown[1].count, watched.others), ("interface=\"lo\"", 2, 0));
    }

    #[test]
    fn scraped_counters_are_shown_by_their_growth() {
        let all = [
            read("prometheus:a", "answers_total{code=\"200\"}", &[5.0, 7.0, 10.0, 4.0]),
            read("redis:b", "keys_count", &[1.0, 2.0, 3.0]),
        ];
        let watched = Watched::of(&all, &[], (0, 3 * S), S);
        assert_eq!(names(&watched), [("prometheus:a", "answers_total per second"), ("redis:b", "keys_count")]);
        assert_eq!(watched.shown[0].lines, [("code=\"200\"".to_owned(), vec![None, Some(2.0), Some(3.0), Some(4.0)])]);
    }

    #[test]
    fn probes_take_turns_and_the_rest_is_counted() {
        let many = (0..2 * FAMILIES_MAX).map(|one| read("prometheus:a", &format!("m{one}"), &[1.0, 1.0, 2.0 + one as f64]));
        let all: Vec<Read> = many.chain([read("redis:b", "hits", &[100.0, 100.0, 101.0])]).collect();
        let watched = Watched::of(&all, &[], (0, 2 * S), S);
        assert_eq!((watched.shown.len(), watched.others), (FAMILIES_MAX, FAMILIES_MAX + 1));
        assert_eq!(names(&watched)[FAMILIES_MAX - 1], ("redis:b", "hits"), "though all others varied more");
        assert_eq!(names(&watched)[0].1, format!("m{}", FAMILIES_MAX + 1), "those that varied least are left out");
    }
}
