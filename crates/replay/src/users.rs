//! How many users a closed loop has at each instant. Knows no clock.

use serde_json::json;
use trace::RunNs;

/// Instants that `run.json` tells, about.
const DESCRIBED_MAX: usize = 512;

/// The number of users over run time: constant from each instant to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Users(Vec<(RunNs, u32)>);

impl Users {
    /// `users` of them: all at once, or one after the other at `spawn_per_s`, the first at run start.
    #[must_use]
    pub fn arriving(users: u32, spawn_per_s: Option<f64>) -> Self {
        let Some(per_s) = spawn_per_s else { return Self(vec![(RunNs(0), users)]) };
        let spawned = |user: u32| (RunNs((f64::from(user) / per_s * 1e9).round() as i64), user + 1);
        Self((0..users).map(spawned).collect())
    }

    /// The numbers from each instant on, in the order of time.
    #[must_use]
    pub fn from_steps(steps: Vec<(RunNs, u32)>) -> Self {
        Self(steps)
    }

    /// The same until `end` at the latest, when all of them leave.
    #[must_use]
    pub fn until(mut self, end: RunNs) -> Self {
        if self.end().is_none_or(|earlier| end < earlier) {
            self.0.retain(|(at, _)| *at < end);
            self.0.push((end, 0));
        }
        self
    }

    /// Most users at once.
    #[must_use]
    pub fn most(&self) -> u32 {
        self.0.iter().map(|(_, users)| *users).max().unwrap_or(0)
    }

    /// When the last of them has to leave; `None` where they stay for as long as there is something to send.
    #[must_use]
    pub fn end(&self) -> Option<RunNs> {
        self.0.last().filter(|(_, users)| *users == 0).map(|(at, _)| *at)
    }

    /// The users of one of `workers` workers, dealt in turn, so that the sum over the workers is the whole at any time.
    #[must_use]
    pub fn of_worker(&self, worker: u32, workers: u32) -> Self {
        let share = |users: u32| (users + workers - 1 - worker) / workers;
        let mut steps: Vec<(RunNs, u32)> = self.0.iter().map(|(at, users)| (*at, share(*users))).collect();
        steps.dedup_by_key(|(_, users)| *users);
        Self(steps)
    }

    /// For `run.json`: some [`DESCRIBED_MAX`] of those instants, always with the first and the last.
    #[must_use]
    pub fn describe(&self) -> serde_json::Value {
        let every = self.0.len().div_ceil(DESCRIBED_MAX).max(1);
        let last = self.0.len().saturating_sub(1);
        let told = || self.0.iter().enumerate().filter(|(place, _)| place % every == 0 || *place == last);
        let (at_ns, users): (Vec<i64>, Vec<u32>) = told().map(|(_, (at, users))| (at.ns(), *users)).unzip();
        json!({ "at_ns": at_ns, "users": users })
    }

    /// The instants at which the number changes, and to what.
    #[must_use]
    pub fn steps(&self) -> &[(RunNs, u32)] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(users: &Users, at: RunNs) -> u32 {
        users.steps().iter().rfind(|(since, _)| *since <= at).map_or(0, |(_, users)| *users)
    }

    #[test]
    fn users_arrive_at_their_rate_and_leave_at_the_end() {
        let users = Users::arriving(5, Some(2.0));
        let found: Vec<u32> = (0..6).map(|half_s| at(&users, RunNs(half_s * 500_000_000))).collect();
        assert_eq!(found, [1, 2, 3, 4, 5, 5]);
        assert_eq!((users.most(), users.end()), (5, None));
        let users = users.until(RunNs(1_200_000_000));
        assert_eq!((users.most(), users.end()), (3, Some(RunNs(1_200_000_000))));
        assert_eq!(at(&users, RunNs(1_200_000_000)), 0);
    }

    proptest! {
        #[test]
        fn the_users_of_all_workers_are_all_users(
            steps in prop::collection::vec((1_i64..50, 0_u32..40), 1..30), workers in 1_u32..9, probes in prop::collection::vec(0_i64..2000, 20),
        ) {
            let mut now = -1;
            let users = Users(steps.into_iter().map(|(gap, users)| { now += gap; (RunNs(now), users) }).collect());
            let parts: Vec<Users> = (0..workers).map(|worker| users.of_worker(worker, workers)).collect();
            for probe in probes {
                let counts: Vec<u32> = parts.iter().map(|part| at(part, RunNs(probe))).collect();
                prop_assert_eq!(counts.iter().sum::<u32>(), at(&users, RunNs(probe)));
                prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1);
            }
        }
    }
}
