//! One pass over the outcomes: counts, instants and times of every step, overall and by collection.

use std::collections::{BTreeMap, HashMap};

use polars::prelude::{DataFrame, Expr, PolarsResult, col, lit};
use stats::Counts;
use stats::batch_means::around;
use stats::overload::{Overload, overload};
use trace::ErrorClass;

use super::{COLLECTIONS_MAX, OPERATIONS_MAX, Operation, Span, Step, Steps};
use crate::bins::Bins;
use crate::cores::on_all_cores;
use crate::distribution::{CONFIDENCE, Distribution};
use crate::latency::{Group, GroupFinder, P99_VALUES_MIN, Parts, quantile_of};
use crate::load::integers;
use crate::totals::answered;
use crate::{Analysis, Error, Result, Run};

/// Samples of the requests in flight that a step has at least.
const SAMPLES: i64 = 30;
/// Samples are not further apart than this where a step is longer than [`SAMPLES`] of them, ns.
const SAMPLE_NS: i64 = 1_000_000_000;
/// Instants at which the requests in flight are known.
const GRID_MAX: i64 = 16_384;
/// Parts of a step whose goodputs are compared for its interval.
const PARTS: usize = 20;
/// Share of a step's requests that the generator may leave out.
const LEFT_OUT_MAX: f64 = 0.001;
/// Connections that are told apart, each once for all requests and once for every collection that used it.
const CONNECTIONS_MAX: usize = 1 << 20;

/// What one step holds, of all collections or of one.
#[derive(Debug, Clone, Default)]
struct Cell {
    due: u64,
    sent: u64,
    answered: u64,
    good: u64,
    failed: u64,
    first_failed_ns: Option<i64>,
    unserved: u64,
    in_flight_ns: i128,
}

/// Changes over time of one series: all requests, or those of a collection.
#[derive(Debug, Clone)]
struct Course {
    /// Requests that fell due less those that were done, in each bin.
    under_way: Vec<i32>,
    /// Whole answers in each bin.
    answered: Vec<u32>,
    /// Good ones.
    good: Vec<u32>,
}

/// From first to last use, of each connection of one series by its number, ns.
type Uses = HashMap<u64, (i64, i64)>;

/// Everything gathered. Series 0 is all requests, the others are collections.
pub(super) struct Gather {
    spans: Vec<Span>,
    names: Vec<String>,
    /// The series of each group of requests, those without one of their own as 0; one more for all other groups.
    series_of: Vec<u16>,
    bins: Bins,
    /// By step, then series.
    cells: Vec<Cell>,
    /// By series.
    courses: Vec<Course>,
    /// By series; empty once there are too many.
    uses: Vec<Uses>,
    /// In all of them.
    connections: usize,
    /// The generator's own lateness, by step.
    late_ns: Vec<Counts>,
    /// Requests that the generator left out, by step.
    left_out: Vec<u64>,
    times: Times,
}

/// Times of the answered requests, in the order of the outcomes.
#[derive(Default)]
struct Times {
    response_ns: Vec<i64>,
    service_ns: Vec<i64>,
    /// Step and series.
    cell: Vec<u16>,
    /// Step and kind of request.
    operation: Vec<u16>,
}

/// A row of the outcomes, as far as steps need it.
struct Row {
    due_ns: i64,
    sent_ns: Option<i64>,
    done_ns: Option<i64>,
    own_ns: Option<i64>,
    connection: u64,
    good: bool,
    answered: bool,
    unserved: bool,
    left_out: bool,
    group: u16,
}

impl Gather {
    /// Reads `run` and measures every span.
    pub fn load(run: &Run, analysis: &Analysis, spans: Vec<Span>) -> Result<Steps> {
        let mut gather = Self::new(analysis, spans);
        let error = |classes: &[ErrorClass]| {
            let named = classes.iter().map(|class| col("error").eq(lit(class.as_str())));
            named.reduce(Expr::or).expect("some are named").fill_null(lit(false))
        };
        let unserved = error(&[ErrorClass::Timeout, ErrorClass::ShedInFlight, ErrorClass::ShedConnections]);
        let left_out = error(&[ErrorClass::ShedQueuedBytes, ErrorClass::ShedDescriptors]);
        let own = col("sent_ns") - col("blocked_ns") - col("queued_ns") - col("due_ns");
        let columns = ["collection", "operation", "due_ns", "sent_ns", "done_ns", "conn", "ok"].map(col).into_iter().chain([
            own.alias("own_ns"),
            answered().alias("answered"),
            unserved.alias("unserved"),
            left_out.alias("left_out"),
        ]);
        let finder = GroupFinder::new(&analysis.latency.groups);
        for batch in run.scan(|outcomes| outcomes.select(columns.collect::<Vec<_>>()))? {
            gather.take(&batch?, &finder).map_err(|e| Error::outcomes(&run.dir, e))?;
        }
        Ok(gather.steps(analysis))
    }

    fn new(analysis: &Analysis, spans: Vec<Span>) -> Self {
        let names = collections(analysis);
        let series = names.len() + 1;
        let shortest_ns = spans.iter().map(|span| span.to_ns - span.from_ns).min().unwrap_or(1);
        let (start_ns, end_ns) = (spans[0].from_ns, spans[spans.len() - 1].to_ns);
        let width_ns = (shortest_ns / (2 * SAMPLES)).max((end_ns - start_ns) / GRID_MAX).max(1);
        let count = ((end_ns - start_ns) / width_ns + 1) as usize;
        let course = Course { under_way: vec![0; count], answered: vec![0; count], good: vec![0; count] };
        let place = |group: &Group| names.iter().position(|name| *name == group.collection).map_or(0, |place| place as u16 + 1);
        let series_of = analysis.latency.groups.iter().map(place).chain([0]).collect();
        Self {
            series_of,
            bins: Bins { start_ns, end_ns, width_ns, count },
            cells: vec![Cell::default(); spans.len() * series],
            courses: vec![course; series],
            uses: vec![Uses::new(); series],
            connections: 0,
            late_ns: vec![Counts::coarse(); spans.len()],
            left_out: vec![0; spans.len()],
            times: Times::default(),
            names,
            spans,
        }
    }

    fn series(&self) -> usize {
        self.names.len() + 1
    }

    /// The step that an instant lies in; `None` between steps.
    fn step(&self, at_ns: i64) -> Option<usize> {
        let step = self.spans.partition_point(|span| span.to_ns <= at_ns);
        (step < self.spans.len() && self.spans[step].from_ns <= at_ns).then_some(step)
    }

    fn take(&mut self, batch: &DataFrame, finder: &GroupFinder<'_>) -> PolarsResult<()> {
        let mut groups = Vec::with_capacity(batch.height());
        finder.find_all(batch.column("collection")?.str()?, batch.column("operation")?.str()?, &mut groups);
        let instants = |name| PolarsResult::Ok(batch.column(name)?.i64()?.iter());
        let flags = |name| PolarsResult::Ok(batch.column(name)?.bool()?.iter().map(|flag| flag.unwrap_or(false)));
        let connections = batch.column("conn")?.u64()?.iter().map(Option::unwrap_or_default);
        let instants = integers(batch, "due_ns")?.zip(instants("sent_ns")?).zip(instants("done_ns")?).zip(instants("own_ns")?);
        let flags = flags("ok")?.zip(flags("answered")?).zip(flags("unserved")?).zip(flags("left_out")?);
        for (((instants, flags), connection), group) in instants.zip(flags).zip(connections).zip(groups) {
            let (((due_ns, sent_ns), done_ns), own_ns) = instants;
            let (((good, answered), unserved), left_out) = flags;
            let place = self.series_of[usize::from(group).min(self.series_of.len() - 1)];
            let row = Row { due_ns, sent_ns, done_ns, own_ns, connection, good, answered, unserved, left_out, group };
            self.add(&row, usize::from(place));
        }
        Ok(())
    }

    /// One request, of the series `place` (0: of none but all).
    fn add(&mut self, row: &Row, place: usize) {
        let series = [0, place];
        let series = if place == 0 { &series[..1] } else { &series[..] };
        let wide = self.series();
        let done_ns = row.done_ns.unwrap_or(i64::MAX);
        if let Some(step) = self.step(row.due_ns) {
            self.late_ns[step].add(row.own_ns.map_or(0, i64::unsigned_abs));
            self.left_out[step] += u64::from(row.left_out);
            for one in series {
                self.cells[step * wide + one].add_due(row);
            }
            if row.answered {
                self.times.push(row, step, step * wide + place);
            }
        }
        if let Some(step) = row.done_ns.and_then(|done_ns| self.step(done_ns)) {
            for one in series {
                let cell = &mut self.cells[step * wide + one];
                cell.answered += u64::from(row.answered);
                cell.good += u64::from(row.good);
            }
        }
        if let Some(sent_ns) = row.sent_ns {
            self.add_in_flight(sent_ns, done_ns, series);
            self.add_use(row.connection, sent_ns, done_ns, series);
        }
        let (due, done) = (self.bins.place(row.due_ns), self.bins.place(done_ns.min(self.bins.end_ns)));
        for one in series {
            let course = &mut self.courses[*one];
            course.under_way[due] += 1;
            if done_ns < self.bins.end_ns {
                course.under_way[done] -= 1;
                course.answered[done] += u32::from(row.answered);
                course.good[done] += u32::from(row.good);
            }
        }
    }

    /// Time in flight counts in every step that it reaches into.
    fn add_in_flight(&mut self, sent_ns: i64, done_ns: i64, series: &[usize]) {
        let wide = self.series();
        let first = self.spans.partition_point(|span| span.to_ns <= sent_ns);
        for (step, span) in self.spans.iter().enumerate().skip(first).take_while(|(_, span)| span.from_ns < done_ns) {
            let inside_ns = done_ns.min(span.to_ns) - sent_ns.max(span.from_ns);
            for one in series {
                self.cells[step * wide + one].in_flight_ns += i128::from(inside_ns);
            }
        }
    }

    fn add_use(&mut self, connection: u64, sent_ns: i64, done_ns: i64, series: &[usize]) {
        for one in series {
            let Some(uses) = self.uses.get_mut(*one) else { return };
            let used = uses.entry(connection).or_insert_with(|| {
                self.connections += 1;
                (sent_ns, done_ns)
            });
            *used = (used.0.min(sent_ns), used.1.max(done_ns));
        }
        if self.connections > CONNECTIONS_MAX {
            self.uses.clear();
        }
    }

    fn steps(mut self, analysis: &Analysis) -> Steps {
        let times = std::mem::take(&mut self.times);
        let (wide, cells) = (self.series(), self.cells.len());
        let step: Vec<u16> = times.cell.iter().map(|cell| cell / wide as u16).collect();
        let measure =
            |values: &[i64]| (distributions(values, &step, self.spans.len()), distributions(values, &times.cell, cells));
        let (response, service) = (measure(&times.response_ns), measure(&times.service_ns));
        let operations = self.operations(&times, &analysis.latency.groups);
        let spoilt: Vec<bool> = (0..self.spans.len()).map(|step| self.is_spoilt(step, analysis)).collect();
        let open: Vec<Vec<u64>> = self.uses.iter().map(|uses| most_open(uses, &self.spans)).collect();
        let mut found = Steps { operations, ..Steps::default() };
        let mut collections = BTreeMap::new();
        for step in 0..self.spans.len() {
            for series in 0..self.series() {
                let cell = step * self.series() + series;
                if self.cells[cell].due == 0 {
                    continue;
                }
                let times = |(all, by_cell): &(Vec<Distribution>, Vec<Distribution>)| {
                    if series == 0 { all[step].clone() } else { by_cell[cell].clone() }
                };
                let connections = open.get(series).map(|most| most[step]);
                let made = Step {
                    response: times(&response),
                    service: times(&service),
                    spoilt: spoilt[step],
                    connections,
                    ..self.made(step, series)
                };
                match series.checked_sub(1) {
                    None => found.all.push(made),
                    Some(name) => collections.entry(self.names[name].clone()).or_insert_with(Vec::new).push(made),
                }
            }
        }
        Steps { collections, ..found }
    }

    /// The 99th percentile of every kind of request in the steps that have requests.
    fn operations(&self, times: &Times, groups: &[Group]) -> Vec<Operation> {
        let wide = OPERATIONS_MAX + 1;
        let mut parts = Parts::new(&times.response_ns, &times.operation, self.spans.len() * wide);
        let p99s: Vec<Option<i64>> = parts.iter_mut().map(|values| quantile_of(values, 0.99, P99_VALUES_MIN)).collect();
        let full: Vec<usize> = (0..self.spans.len()).filter(|step| self.cells[step * self.series()].due > 0).collect();
        let operation = |(place, group): (usize, &Group)| Operation {
            collection: group.collection.clone(),
            operation: group.operation.clone(),
            p99_ns: full.iter().map(|step| p99s[step * wide + place]).collect(),
        };
        groups.iter().take(OPERATIONS_MAX).enumerate().map(operation).collect()
    }

    /// What is counted of a step, without its times and connections.
    fn made(&self, step: usize, series: usize) -> Step {
        let (span, cell) = (&self.spans[step], &self.cells[step * self.series() + series]);
        let seconds = (span.to_ns - span.from_ns).max(1) as f64 / 1e9;
        let offered_per_s = cell.due as f64 / seconds;
        let (course, inside) = (&self.courses[series], self.inside(span));
        let ends = |counts: &[u32], count: u64| rate_ends(&counts[inside.clone()], self.bins.width_s(), count as f64 / seconds);
        Step {
            name: span.name.clone(),
            from_ns: span.from_ns,
            to_ns: span.to_ns,
            asked_per_s: span.asked_per_s,
            users: span.users,
            slope: self.slope(step, series),
            requests: cell.due,
            offered_per_s,
            answered_per_s: cell.answered as f64 / seconds,
            answered_ends: ends(&course.answered, cell.answered),
            goodput_per_s: cell.good as f64 / seconds,
            goodput_ends: ends(&course.good, cell.good),
            in_flight_mean: cell.in_flight_ns as f64 / 1e9 / seconds,
            connections: None,
            response: Distribution::default(),
            service: Distribution::default(),
            failed: cell.failed,
            first_failed_ns: cell.first_failed_ns,
            unserved: cell.unserved,
            overload: self.overload(span, series, offered_per_s),
            spoilt: false,
        }
    }

    /// A collection has its share of the whole's slope; users are not divided.
    fn slope(&self, step: usize, series: usize) -> Option<(f64, f64)> {
        let (first, due) = (step * self.series(), |cell: usize| self.cells[cell].due as f64);
        let share = if self.spans[step].users.is_some() { 1.0 } else { due(first + series) / due(first) };
        self.spans[step].slope.map(|(low, high)| (low * share, high * share))
    }

    /// Bins that lie wholly in a span.
    fn inside(&self, span: &Span) -> std::ops::Range<usize> {
        let edge = |at_ns: i64| (at_ns - self.bins.start_ns + self.bins.width_ns - 1) / self.bins.width_ns;
        let (first, last) = (edge(span.from_ns), (span.to_ns - self.bins.start_ns) / self.bins.width_ns);
        first as usize..(last.max(first) as usize).min(self.bins.count)
    }

    /// How requests due and not yet done grow.
    fn overload(&self, span: &Span, series: usize, offered_per_s: f64) -> Option<Overload> {
        let inside = self.inside(span);
        let every_ns = ((span.to_ns - span.from_ns) / SAMPLES).min(SAMPLE_NS);
        let every = (every_ns / self.bins.width_ns).max(1) as usize;
        let mut under_way: i64 = self.courses[series].under_way[..inside.start].iter().map(|change| i64::from(*change)).sum();
        let after = |change: &i32| {
            under_way += i64::from(*change);
            under_way as f64
        };
        let at_ends: Vec<f64> = self.courses[series].under_way[inside].iter().map(after).collect();
        let samples: Vec<f64> = at_ends.chunks_exact(every).map(|bins| bins[every - 1]).collect();
        overload(&samples, every as f64 * self.bins.width_s(), offered_per_s)
    }

    fn is_spoilt(&self, step: usize, analysis: &Analysis) -> bool {
        let (cell, span) = (&self.cells[step * self.series()], &self.spans[step]);
        let gap_ns = (span.to_ns - span.from_ns) as f64 / cell.due.max(1) as f64;
        let late = self.late_ns[step].quantile(0.99) as f64 > analysis.timing.limit.p99_ns(gap_ns);
        let left_out = self.left_out[step] as f64 > LEFT_OUT_MAX * cell.due as f64;
        analysis.timing.fidelity.generator_limited && self.spans.len() == 1 || late || left_out
    }
}

impl Cell {
    fn add_due(&mut self, row: &Row) {
        self.due += 1;
        self.sent += u64::from(row.sent_ns.is_some());
        self.unserved += u64::from(row.unserved);
        if !row.good {
            self.failed += 1;
            self.first_failed_ns = Some(self.first_failed_ns.map_or(row.due_ns, |first_ns| first_ns.min(row.due_ns)));
        }
    }
}

impl Times {
    fn push(&mut self, row: &Row, step: usize, cell: usize) {
        let (Some(sent_ns), Some(done_ns)) = (row.sent_ns, row.done_ns) else { return };
        self.response_ns.push(done_ns - row.due_ns);
        self.service_ns.push(done_ns - sent_ns);
        self.cell.push(cell as u16);
        self.operation.push((step * (OPERATIONS_MAX + 1) + usize::from(row.group).min(OPERATIONS_MAX)) as u16);
    }
}

/// The interval of a rate, from the counts of bins, over parts of equal time (batch means: Law 2014, *Simulation Modeling and Analysis*,
/// §9.5.3).
fn rate_ends(counts: &[u32], bin_s: f64, per_s: f64) -> Option<(f64, f64)> {
    let size = counts.len() / PARTS;
    if size == 0 {
        return None;
    }
    let rate = |bins: &[u32]| bins.iter().map(|count| f64::from(*count)).sum::<f64>() / (size as f64 * bin_s);
    let rates: Vec<f64> = counts.chunks_exact(size).take(PARTS).map(rate).collect();
    let ends = around(per_s, &rates, CONFIDENCE);
    Some((ends.low.max(0.0), ends.high))
}

/// The largest number of connections that are open at once in each span.
fn most_open(uses: &Uses, spans: &[Span]) -> Vec<u64> {
    let mut changes: Vec<(i64, i64)> = uses.values().flat_map(|(first_ns, last_ns)| [(*first_ns, 1), (*last_ns, -1)]).collect();
    // One that closes at an instant makes room for one that opens then.
    changes.sort_unstable();
    let mut changes = changes.into_iter().peekable();
    let mut open = 0;
    let mut in_span = |span: &Span| {
        while let Some((_, change)) = changes.next_if(|(at_ns, _)| *at_ns <= span.from_ns) {
            open += change;
        }
        let mut most = open;
        while let Some((_, change)) = changes.next_if(|(at_ns, _)| *at_ns < span.to_ns) {
            open += change;
            most = most.max(open);
        }
        most.unsigned_abs()
    };
    spans.iter().map(&mut in_span).collect()
}

/// The most frequent collections, in alphabetical order; none where there is but one.
fn collections(analysis: &Analysis) -> Vec<String> {
    let mut requests: BTreeMap<&str, u64> = BTreeMap::new();
    for group in &analysis.latency.groups {
        *requests.entry(&group.collection).or_default() += group.requests;
    }
    let mut most: Vec<(&str, u64)> = requests.into_iter().collect();
    most.sort_by_key(|(_, requests)| std::cmp::Reverse(*requests));
    let mut names: Vec<String> = most.into_iter().take(COLLECTIONS_MAX).map(|(name, _)| name.to_owned()).collect();
    names.sort_unstable();
    if names.len() > 1 { names } else { Vec::new() }
}

/// The distribution of each part.
fn distributions(values_ns: &[i64], keys: &[u16], parts: usize) -> Vec<Distribution> {
    let mut sorted = Parts::new(values_ns, keys, parts);
    let parts: Vec<&[i64]> = sorted.iter_mut().map(|part| &*part).collect();
    on_all_cores(parts.len(), |part| Distribution::of(&parts[part..=part]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span(from_ns: i64, to_ns: i64) -> Span {
        Span { name: String::new(), from_ns, to_ns, asked_per_s: None, users: None, slope: None }
    }

    /// One at a time, idle in the second span, and two at once in the third.
    #[test]
    fn connections_count_while_they_are_open_used_or_not() {
        let uses = Uses::from([(1, (0, 10)), (2, (10, 45)), (3, (41, 50))]);
        assert_eq!(most_open(&uses, &[span(0, 20), span(20, 40), span(40, 60), span(60, 80)]), [1, 1, 2, 0]);
    }

    proptest! {
        /// As many as are open at the begin of a span or at an instant within at which one opens, counted one by one.
        #[test]
        fn the_most_open_are_those_of_some_instant(ends in prop::collection::vec((0_i64..100, 1_i64..40), 0..12), edges in prop::collection::btree_set(0_i64..120, 2..6)) {
            let uses: Uses = (0..).zip(ends.iter().map(|(first, length)| (*first, first + length))).collect();
            let edges: Vec<i64> = edges.into_iter().collect();
            let spans: Vec<Span> = edges.windows(2).map(|pair| span(pair[0], pair[1])).collect();
            let open_at = |at: i64| uses.values().filter(|(first, last)| *first <= at && at < *last).count() as u64;
            let most: Vec<u64> = spans.iter().map(|span| (span.from_ns..span.to_ns).map(open_at).max().unwrap()).collect();
            prop_assert_eq!(most_open(&uses, &spans), most);
        }
    }
}
