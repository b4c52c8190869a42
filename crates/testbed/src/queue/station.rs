//! The departure logic of a queue with c workers, in whatever time it is told.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// A first-come-first-served station: c workers, one queue, a bound on how many may wait. Instants are nanoseconds on any clock.
///
/// A request that comes at `now` starts at max(`now`, the instant a worker is free) and leaves S later. Both are decided when it
/// comes, so that a caller who wakes late answers late but never lowers the station's capacity.
#[derive(Debug)]
pub struct Station {
    /// For each worker, the instant at which it will have done all that was given to it.
    free_ns: BinaryHeap<Reverse<i64>>,
    /// Starts that lie ahead, in order: one for each request that waits.
    starts_ns: VecDeque<i64>,
    waiting_max: usize,
}

/// When a request is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    /// A worker takes it up.
    pub start_ns: i64,
    /// It is done.
    pub done_ns: i64,
}

impl Station {
    /// A station of `workers` idle workers (at least one) where at most `waiting_max` requests wait.
    #[must_use]
    pub fn new(workers: usize, waiting_max: usize) -> Self {
        let free_ns = std::iter::repeat_n(Reverse(i64::MIN), workers.max(1)).collect();
        Self { free_ns, starts_ns: VecDeque::new(), waiting_max }
    }

    /// Takes in a request that comes at `now_ns` and needs `service_ns` of a worker; `None` where no worker is free and the queue
    /// is full.
    pub fn admit(&mut self, now_ns: i64, service_ns: i64) -> Option<Visit> {
        let Reverse(free_ns) = *self.free_ns.peek()?;
        if free_ns > now_ns && self.waiting(now_ns) >= self.waiting_max {
            return None;
        }
        let start_ns = now_ns.max(free_ns);
        let done_ns = start_ns.saturating_add(service_ns);
        self.free_ns.pop();
        self.free_ns.push(Reverse(done_ns));
        if start_ns > now_ns {
            self.starts_ns.push_back(start_ns);
        }
        Some(Visit { start_ns, done_ns })
    }

    /// How many requests wait for a worker at `now_ns`.
    pub fn waiting(&mut self, now_ns: i64) -> usize {
        while self.starts_ns.front().is_some_and(|start_ns| *start_ns <= now_ns) {
            self.starts_ns.pop_front();
        }
        self.starts_ns.len()
    }

    /// How many workers are busy at `now_ns`.
    #[must_use]
    pub fn busy(&self, now_ns: i64) -> usize {
        self.free_ns.iter().filter(|Reverse(free_ns)| *free_ns > now_ns).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn two_workers_take_turns_and_a_full_queue_refuses() {
        let mut station = Station::new(2, 1);
        let visit = |start_ns, done_ns| Some(Visit { start_ns, done_ns });
        assert_eq!(station.admit(0, 10), visit(0, 10));
        assert_eq!(station.admit(1, 4), visit(1, 5));
        assert_eq!(station.admit(2, 3), visit(5, 8), "waits for the worker that is free first");
        assert_eq!((station.waiting(2), station.busy(2)), (1, 2));
        assert_eq!(station.admit(3, 1), None, "one waits already");
        assert_eq!(station.admit(5, 1), visit(8, 9), "the one that waited has started");
        assert_eq!(station.admit(50, 1), visit(50, 51));
        assert_eq!((station.waiting(50), station.busy(50), station.busy(51)), (0, 1, 0));
    }

    #[test]
    fn without_a_queue_a_busy_station_refuses() {
        let mut station = Station::new(1, 0);
        assert!(station.admit(0, 10).is_some());
        assert!(station.admit(9, 10).is_none());
        assert!(station.admit(10, 10).is_some());
    }

    /// The same station, step by step: workers hold what they serve, the queue holds what waits, time goes event by event.
    fn naive(workers: usize, waiting_max: usize, jobs: &[(i64, i64)]) -> Vec<Option<Visit>> {
        let mut done_ns = vec![i64::MIN; workers];
        let mut queue: VecDeque<usize> = VecDeque::new();
        let mut visits = vec![None; jobs.len()];
        let mut start = |done_ns: &mut Vec<i64>, job: usize, at_ns: i64| {
            let worker = (0..workers).min_by_key(|w| done_ns[*w]).unwrap();
            done_ns[worker] = at_ns + jobs[job].1;
            visits[job] = Some(Visit { start_ns: at_ns, done_ns: done_ns[worker] });
        };
        for (job, (at_ns, _)) in jobs.iter().enumerate() {
            while let (Some(first), Some(free_ns)) = (queue.front().copied(), done_ns.iter().copied().min())
                && free_ns <= *at_ns
            {
                queue.pop_front();
                start(&mut done_ns, first, free_ns);
            }
            if done_ns.iter().any(|free_ns| free_ns <= at_ns) {
                start(&mut done_ns, job, *at_ns);
            } else if queue.len() < waiting_max {
                queue.push_back(job);
            }
        }
        while let Some(first) = queue.pop_front() {
            let free_ns = done_ns.iter().copied().min().unwrap();
            start(&mut done_ns, first, free_ns);
        }
        visits
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn departures_are_those_of_a_station_run_event_by_event(
            workers in 1_usize..5,
            waiting_max in 0_usize..6,
            gaps in prop::collection::vec((0_i64..20, 0_i64..60), 1..80),
        ) {
            let mut now_ns = 0;
            let jobs: Vec<_> = gaps.iter().map(|(gap_ns, service_ns)| { now_ns += gap_ns; (now_ns, *service_ns) }).collect();
            let mut station = Station::new(workers, waiting_max);
            let visits: Vec<_> = jobs.iter().map(|(at_ns, service_ns)| station.admit(*at_ns, *service_ns)).collect();
            prop_assert_eq!(visits, naive(workers, waiting_max, &jobs));
        }
    }
}
