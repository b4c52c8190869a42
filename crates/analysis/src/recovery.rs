//! How long the target needed after a spike, a stress phase or a restart until it was as before.

use polars::prelude::{DataFrame, PolarsResult, col, lit};
use serde::Serialize;
use stats::order;
use stats::recovery::{Baseline, Window, baseline, recovery};
use trace::Event;

use crate::latency::Parts;
use crate::load::integers;
use crate::outage::{Outage, outages};
use crate::phases::{Phases, WARMUP};
use crate::totals::Totals;
use crate::{Error, Result, Run};

/// Width of a window, ns.
const WINDOW_NS: i64 = 1_000_000_000;
/// Windows of one disturbance, before and after.
const WINDOWS_MAX: i64 = 3600;
/// Windows before a restart that are its baseline.
const BEFORE_RESTART: i64 = 60;
/// A restart is seen at the probe's next reading: so many windows before it are not sound any more.
const NOTICED_LATE: i64 = 2;
/// Disturbances of a run that are looked at.
const DISTURBANCES_MAX: usize = 16;
/// The load is back where it was at this share of it.
const BACK_SHARE: f64 = 1.1;
/// More load than this share is a disturbance.
const MORE_SHARE: f64 = 1.25;

/// What became of one disturbance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recovery {
    /// The phase, or what happened.
    pub after: String,
    /// When it was over, ns since run start.
    pub over_ns: i64,
    /// Time until everything was as before and stayed so for five windows, s; `None` where that did not happen in `watched_s`.
    pub recovered_s: Option<f64>,
    /// For how long the same load went on, s.
    pub watched_s: f64,
    /// Requests due and not done when it was over.
    pub backlog: f64,
    /// What counts as before; `None` where the time before was too short to say.
    pub baseline: Option<Baseline>,
}

/// Something that disturbs, the time before that it is held against, and the time after that is watched.
#[derive(Debug, Clone, PartialEq)]
struct Disturbance {
    after: String,
    before_ns: (i64, i64),
    over_ns: i64,
    until_ns: i64,
}

impl Recovery {
    /// One pass over the run where something disturbed it.
    ///
    /// # Errors
    /// [`Error::Outcomes`] when a part is damaged.
    pub fn load(run: &Run, phases: &Phases, totals: &Totals) -> Result<Vec<Self>> {
        let disturbances = disturbances(phases, &run.events, totals);
        let (Some(from_ns), Some(to_ns)) =
            (disturbances.iter().map(|one| one.before_ns.0).min(), disturbances.iter().map(|one| one.until_ns).max())
        else {
            return Ok(Vec::new());
        };
        let mut courses: Vec<Course> = disturbances.iter().map(Course::new).collect();
        let touched = col("due_ns").lt(lit(to_ns)).and(col("done_ns").gt_eq(lit(from_ns)));
        let columns = [col("due_ns"), col("done_ns"), crate::totals::answered().alias("answered")];
        for batch in run.scan(|outcomes| outcomes.filter(touched).select(columns))? {
            let batch = batch?;
            courses.iter_mut().try_for_each(|course| course.take(&batch)).map_err(|e| Error::outcomes(&run.dir, e))?;
        }
        Ok(courses.into_iter().zip(disturbances).map(|(course, disturbance)| course.judge(disturbance)).collect())
    }
}

/// Windows of a disturbance: those before it, and those after.
struct Course {
    before: Windows,
    after: Windows,
}

/// Windows of equal width, the last one whole.
struct Windows {
    from_ns: i64,
    count: usize,
    /// Requests that fell due before the first window and were not done by then.
    waiting: i64,
    changes: Vec<i64>,
    response_ns: Vec<i64>,
    window: Vec<u16>,
}

impl Course {
    fn new(disturbance: &Disturbance) -> Self {
        let (from_ns, to_ns) = disturbance.before_ns;
        Self { before: Windows::ending(from_ns, to_ns), after: Windows::new(disturbance.over_ns, disturbance.until_ns) }
    }

    fn take(&mut self, batch: &DataFrame) -> PolarsResult<()> {
        let answered = batch.column("answered")?.bool()?.iter().map(|answered| answered.unwrap_or(false));
        for ((due_ns, done_ns), answered) in integers(batch, "due_ns")?.zip(integers(batch, "done_ns")?).zip(answered) {
            self.before.add(due_ns, done_ns, answered);
            self.after.add(due_ns, done_ns, answered);
        }
        Ok(())
    }

    fn judge(self, disturbance: Disturbance) -> Recovery {
        let backlog = self.after.waiting as f64;
        let watched_s = self.after.count as f64 * WINDOW_NS as f64 / 1e9;
        let baseline = baseline(&self.before.windows());
        let windows = baseline.and_then(|baseline| recovery(&baseline, &self.after.windows()));
        Recovery {
            after: disturbance.after,
            over_ns: disturbance.over_ns,
            recovered_s: windows.map(|windows| windows as f64 * WINDOW_NS as f64 / 1e9),
            watched_s,
            backlog,
            baseline,
        }
    }
}

impl Windows {
    fn new(from_ns: i64, to_ns: i64) -> Self {
        let count = ((to_ns - from_ns) / WINDOW_NS).clamp(0, WINDOWS_MAX) as usize;
        Self { from_ns, count, waiting: 0, changes: vec![0; count], response_ns: Vec::new(), window: Vec::new() }
    }

    /// The last windows before `to_ns`.
    fn ending(from_ns: i64, to_ns: i64) -> Self {
        let count = ((to_ns - from_ns) / WINDOW_NS).clamp(0, WINDOWS_MAX);
        Self::new(to_ns - count * WINDOW_NS, to_ns)
    }

    fn place(&self, at_ns: i64) -> Option<usize> {
        let place = (at_ns - self.from_ns).div_euclid(WINDOW_NS);
        usize::try_from(place).ok().filter(|place| *place < self.count)
    }

    fn add(&mut self, due_ns: i64, done_ns: i64, answered: bool) {
        if due_ns < self.from_ns && done_ns >= self.from_ns {
            self.waiting += 1;
        }
        if let Some(place) = self.place(due_ns) {
            self.changes[place] += 1;
            if answered {
                self.response_ns.push(done_ns - due_ns);
                self.window.push(place as u16);
            }
        }
        if let Some(place) = self.place(done_ns) {
            self.changes[place] -= 1;
        }
    }

    fn windows(&self) -> Vec<Window> {
        let mut under_way = self.waiting;
        let mut parts = Parts::new(&self.response_ns, &self.window, self.count);
        let window = |(values, change): (&mut [i64], &i64)| {
            under_way += change;
            let place = order::rank(values.len(), 0.99).checked_sub(1);
            Window { p99: place.map(|place| *values.select_nth_unstable(place).1 as f64), in_flight: under_way as f64 }
        };
        parts.iter_mut().zip(&self.changes).map(window).collect()
    }
}

/// What disturbed the run: more load that went back to where it was, and restarts of what is watched.
fn disturbances(phases: &Phases, events: &[Event], totals: &Totals) -> Vec<Disturbance> {
    let begins: Vec<_> = phases.begins.iter().filter(|begin| begin.name != WARMUP).collect();
    let end_ns = totals.last_due_ns + 1;
    let bounds: Vec<(i64, i64)> = begins
        .iter()
        .zip(begins.iter().skip(1).map(|begin| begin.from_ns).chain([end_ns]))
        .map(|(begin, to_ns)| (begin.from_ns, to_ns.min(end_ns)))
        .collect();
    let load = |(from_ns, to_ns): &(i64, i64)| {
        let asked = || phases.asked.as_ref().and_then(|asked| asked.per_s(*from_ns, *to_ns));
        phases.users.as_ref().map(|users| users.mean(*from_ns, *to_ns)).or_else(asked)
    };
    let loads: Vec<f64> = bounds.iter().map(|bounds| load(bounds).unwrap_or(0.0)).collect();
    let mut found = Vec::new();
    let mut place = 0;
    while let Some(back) = more_load(&loads, place) {
        let (from, to) = back;
        let most = (from + 1..to).max_by(|one, other| loads[*one].total_cmp(&loads[*other])).unwrap_or(from);
        let after_to = (to..loads.len()).take_while(|phase| loads[*phase] <= BACK_SHARE * loads[from]).last().unwrap_or(to);
        found.push(Disturbance {
            after: format!("phase {}", begins[most].name),
            before_ns: bounds[from],
            over_ns: bounds[to].0,
            until_ns: bounds[after_to].1,
        });
        place = to;
    }
    let whole = [(totals.first_due_ns, end_ns)];
    let bounds = if bounds.is_empty() { &whole[..] } else { &bounds[..] };
    found.extend(outages(events).iter().filter_map(|outage| restart(outage, bounds)));
    found.truncate(DISTURBANCES_MAX);
    found
}

/// The first phase from `place` on that is followed by more load, and the one in which the load is back.
fn more_load(loads: &[f64], place: usize) -> Option<(usize, usize)> {
    let back = |from: usize| {
        let is_back = |phase: &usize| loads[*phase] <= BACK_SHARE * loads[from];
        let to = (from + 1..loads.len()).find(is_back)?;
        let most = loads[from + 1..to].iter().copied().fold(0.0, f64::max);
        (loads[from] > 0.0 && most >= MORE_SHARE * loads[from]).then_some((from, to))
    };
    (place..loads.len()).find_map(back)
}

fn restart(outage: &Outage, bounds: &[(i64, i64)]) -> Option<Disturbance> {
    let over_ns = outage.to_ns?;
    let (from_ns, to_ns) = bounds.iter().find(|(from_ns, to_ns)| (*from_ns..*to_ns).contains(&over_ns))?;
    let noticed_ns = outage.from_ns - NOTICED_LATE * WINDOW_NS;
    Some(Disturbance {
        after: format!("restart of {}", outage.source),
        before_ns: ((*from_ns).max(noticed_ns - BEFORE_RESTART * WINDOW_NS), noticed_ns.max(*from_ns)),
        over_ns,
        until_ns: *to_ns,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_load_is_a_disturbance_once_it_is_over() {
        assert_eq!(more_load(&[100.0, 500.0, 100.0], 0), Some((0, 2)));
        assert_eq!(more_load(&[100.0, 300.0, 500.0, 300.0], 0), Some((1, 3)));
        assert_eq!(more_load(&[100.0, 300.0, 500.0, 300.0, 100.0], 0), Some((0, 4)));
        assert_eq!(more_load(&[100.0, 200.0, 300.0], 0), None, "only more and more");
        assert_eq!(more_load(&[300.0, 200.0, 100.0], 0), None, "only less and less");
        assert_eq!(more_load(&[100.0, 110.0, 100.0], 0), None, "hardly more");
        assert_eq!(more_load(&[0.0, 100.0, 0.0], 0), None, "more than nothing");
    }

    #[test]
    fn windows_count_what_is_under_way_at_their_ends() {
        let mut windows = Windows::new(WINDOW_NS, 3 * WINDOW_NS + 1);
        windows.add(WINDOW_NS / 2, 3 * WINDOW_NS / 2, true);
        windows.add(WINDOW_NS, 5 * WINDOW_NS / 2, true);
        windows.add(2 * WINDOW_NS, 9 * WINDOW_NS, true);
        assert_eq!(windows.waiting, 1);
        let found = windows.windows();
        assert_eq!(found.iter().map(|window| window.in_flight).collect::<Vec<_>>(), [1.0, 1.0]);
        assert_eq!(found.iter().map(|window| window.p99).collect::<Vec<_>>(), [Some(1.5e9), Some(7e9)]);
    }
}
