//! Between which loads a limit was reached.

use serde::Serialize;

use super::keeps_up::keeps_up;
use super::limit::{Found, Limit, Measure};
use crate::steps::Step;

/// A step, as the evidence for a bound.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Place {
    /// Its name.
    pub step: String,
    /// Where it begins, ns since run start.
    pub from_ns: i64,
    /// Where it ends.
    pub to_ns: i64,
    /// Requests offered per second.
    pub per_s: f64,
    /// Users, in a closed loop.
    pub users: Option<f64>,
    /// Connections open at once; `None` for too many to be told apart.
    pub connections: Option<u64>,
    /// The figure that the limit is held against.
    pub value: f64,
}

impl Place {
    /// Users where they are the load, and otherwise the rate offered.
    #[must_use]
    pub fn load(&self) -> f64 {
        self.users.unwrap_or(self.per_s)
    }
}

/// What is known of a limit. Loads are users in a closed loop, and otherwise requests offered per second.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bracket {
    /// The limit.
    pub limit: Limit,
    /// The largest load below every miss at which it held; `None` where it held nowhere.
    pub held: Option<Place>,
    /// The smallest load above every load at which it held; `None` where it was not reached.
    pub missed: Option<Place>,
    /// Where the target's bound lies at least; 0 where it held nowhere.
    pub low: f64,
    /// Where it lies at most; `None` where it was not reached.
    pub high: Option<f64>,
    /// Steps that told something.
    pub judged: usize,
    /// Steps left out since they began with the backlog of a larger load before them.
    pub after_overload: usize,
}

/// A step with what it says.
#[derive(Clone, Copy)]
struct Judged<'a> {
    step: &'a Step,
    found: Found,
    held: bool,
}

/// Holds every sound step against `limit`; `None` where no step tells anything.
pub(super) fn bracket(steps: &[Step], limit: &Limit) -> Option<Bracket> {
    let told = told(steps, limit);
    let judged = without_backlog(&told);
    let loads = |held: bool| judged.iter().filter(move |one| one.held == held).map(|one| one.step.load());
    let first_miss = loads(false).fold(f64::INFINITY, f64::min);
    let last_hold = loads(true).fold(f64::NEG_INFINITY, f64::max);
    let by_load = |one: &&Judged<'_>, other: &&Judged<'_>| one.step.load().total_cmp(&other.step.load());
    let held = judged.iter().filter(|one| one.held && one.step.load() < first_miss).max_by(by_load);
    let missed = judged.iter().filter(|one| !one.held && one.step.load() > last_hold).min_by(by_load);
    (!judged.is_empty()).then(|| Bracket {
        limit: limit.clone(),
        low: held.map_or(0.0, |one| one.step.slope.map_or(one.step.load(), |(from, to)| from.min(to))),
        high: missed.map(|one| one.step.slope.map_or(one.step.load(), |(from, to)| from.max(to))),
        held: held.map(Judged::place),
        missed: missed.map(Judged::place),
        judged: judged.len(),
        after_overload: told.len() - judged.len(),
    })
}

/// The sound steps that say whether the limit held, in the order of time.
fn told<'a>(steps: &'a [Step], limit: &Limit) -> Vec<Judged<'a>> {
    let sound: Vec<&Step> = steps.iter().filter(|step| !step.spoilt).collect();
    let of_step = |step: &&'a Step| {
        let found = if limit.of == Measure::KeepsUp { keeps_up(&sound, step) } else { limit.find(step) }?;
        Some(Judged { step, found, held: found.held? })
    };
    sound.iter().filter_map(of_step).collect()
}

/// Leaves out a miss that follows upon a miss at a larger load in the same run: the backlog from before may be to blame, not the load.
fn without_backlog<'a>(told: &[Judged<'a>]) -> Vec<Judged<'a>> {
    let (mut overloaded_at, mut until_ns): (Option<f64>, i64) = (None, i64::MIN);
    let mut kept = Vec::with_capacity(told.len());
    for one in told {
        let load = one.step.load();
        let same_run = one.step.from_ns >= until_ns;
        until_ns = one.step.to_ns;
        match overloaded_at.filter(|_| same_run) {
            _ if one.held => overloaded_at = None,
            Some(larger) if load < larger => continue,
            before => overloaded_at = Some(before.map_or(load, |before| before.max(load))),
        }
        kept.push(*one);
    }
    kept
}

impl Judged<'_> {
    fn place(&self) -> Place {
        let step = self.step;
        Place {
            step: step.name.clone(),
            from_ns: step.from_ns,
            to_ns: step.to_ns,
            per_s: step.offered_per_s,
            users: step.users,
            connections: step.connections,
            value: self.found.value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::step;
    use super::*;

    fn in_time(step: Step, at: i64) -> Step {
        Step { from_ns: at, to_ns: at + 1, ..step }
    }

    /// Loads and failed requests of 1000, of which 10 are allowed.
    fn found(steps: &[(f64, u64)]) -> (f64, Option<f64>, usize) {
        let steps: Vec<Step> = steps.iter().zip(0..).map(|((per_s, failed), at)| in_time(step(*per_s, *failed), at)).collect();
        let found = bracket(&steps, &Limit::errors(0.01)).expect("every step tells");
        (found.low, found.high, found.after_overload)
    }

    #[test]
    fn the_bound_lies_between_the_last_held_and_the_first_missed() {
        assert_eq!(found(&[(100.0, 0), (200.0, 3), (300.0, 90), (400.0, 300)]), (200.0, Some(300.0), 0));
        assert_eq!(found(&[(100.0, 0), (200.0, 10)]), (200.0, None, 0));
        assert_eq!(found(&[(100.0, 11), (200.0, 20)]), (0.0, Some(100.0), 0));
    }

    #[test]
    fn steps_that_contradict_each_other_widen_the_bracket() {
        assert_eq!(found(&[(100.0, 0), (200.0, 50), (300.0, 0), (400.0, 50)]), (100.0, Some(400.0), 0));
        assert_eq!(found(&[(100.0, 0), (200.0, 50), (300.0, 0)]), (100.0, None, 0));
    }

    #[test]
    fn what_a_larger_load_left_behind_is_not_held_against_a_smaller_one() {
        assert_eq!(found(&[(100.0, 0), (500.0, 400), (100.0, 200), (100.0, 0), (300.0, 90)]), (100.0, Some(300.0), 1));
        assert_eq!(found(&[(500.0, 400), (400.0, 200), (100.0, 0)]), (100.0, Some(500.0), 1));
    }

    #[test]
    fn trials_leave_nothing_behind() {
        let trials = [step(500.0, 400), step(400.0, 200), step(100.0, 0)].map(|step| in_time(step, 0));
        let found = bracket(&trials, &Limit::errors(0.01)).unwrap();
        assert_eq!((found.low, found.high, found.after_overload), (100.0, Some(400.0), 0), "each is a run of its own");
    }

    #[test]
    fn windows_of_a_slope_hold_for_the_end_that_is_sure() {
        let mut steps = [step(100.0, 0), step(200.0, 50)];
        (steps[0].slope, steps[1].slope) = (Some((50.0, 150.0)), Some((150.0, 250.0)));
        let found = bracket(&steps, &Limit::errors(0.01)).unwrap();
        assert_eq!((found.low, found.high), (50.0, Some(250.0)));
    }

    #[test]
    fn spoilt_steps_say_nothing() {
        let mut steps = [step(100.0, 0), step(200.0, 50)];
        steps[1].spoilt = true;
        assert_eq!(bracket(&steps, &Limit::errors(0.01)).unwrap().high, None);
        steps[0].spoilt = true;
        assert_eq!(bracket(&steps, &Limit::errors(0.01)), None);
    }

    #[test]
    fn users_are_too_many_when_more_of_them_bring_nothing() {
        let closed = |users: f64, per_s: f64| Step { users: Some(users), ..step(per_s, 0) };
        let steps = [closed(1.0, 100.0), closed(2.0, 190.0), closed(4.0, 200.0), closed(8.0, 201.0)];
        let found = bracket(&steps, &Limit::keeps_up()).unwrap();
        assert_eq!((found.low, found.high), (4.0, Some(8.0)), "from 2 to 4 users there are 5 % more answers");
    }
}
