//! A server whose capacity and waiting times are known in closed form: c workers, one queue, a chosen law of service times.
//!
//! Every request outside the common routes takes a worker, whatever it asks. With Poisson arrivals and `exp` service it is M/M/c,
//! whose waiting times Erlang's C gives (`stats::queueing`); its capacity is c / mean service time in any case.

mod law;
mod station;

use std::sync::{Mutex, MutexGuard, PoisonError};

use hyper::StatusCode;
use serde_json::{Value, json};
use stats::Rng;

pub use law::Law;
pub use station::{Station, Visit};

use crate::answer::{Answer, Call, Failure, Said, open_envelope, write_json};
use crate::common::App;
use crate::error::Error;
use crate::limits::{WAITING_MAX, WORKERS_MAX};
use crate::metrics::Page;

/// The label of the queue's one route.
const ENDPOINT: &str = "/{path}";

/// What the queue is like.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueOptions {
    /// How many requests are served at once.
    pub workers: usize,
    /// How long one takes.
    pub service: Law,
    /// How many may wait; past it the answer is 503 at once.
    pub waiting_max: usize,
}

impl QueueOptions {
    /// Requests per second that all workers together can serve: c / mean service time.
    #[must_use]
    pub fn capacity_per_s(&self) -> f64 {
        self.workers as f64 / self.service.mean_ns() * 1e9
    }
}

/// The queue as a server.
pub(crate) struct Queue {
    options: QueueOptions,
    state: Mutex<State>,
}

struct State {
    station: Station,
    rng: Rng,
    served: u64,
    refused: u64,
}

impl Queue {
    /// # Errors
    /// Where workers or bound are out of their range.
    pub fn new(options: &QueueOptions, seed: u64) -> Result<Self, Error> {
        let QueueOptions { workers, waiting_max, .. } = *options;
        if !(1..=WORKERS_MAX).contains(&workers) {
            return Err(Error::option(format!("a queue of {workers} workers cannot be; choose from 1 to {WORKERS_MAX}")));
        }
        if waiting_max > WAITING_MAX {
            return Err(Error::option(format!("at most {WAITING_MAX} requests can wait, not {waiting_max}")));
        }
        let station = Station::new(workers, waiting_max);
        let state = State { station, rng: Rng::stream(seed, "service"), served: 0, refused: 0 };
        Ok(Self { options: options.clone(), state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self, now_ns: i64) -> Option<Visit> {
        let State { station, rng, served, refused } = &mut *self.state();
        let visit = station.admit(now_ns, self.options.service.draw_ns(rng));
        *if visit.is_some() { served } else { refused } += 1;
        visit
    }
}

impl App for Queue {
    fn answer(&self, _call: &Call<'_>, now_ns: i64) -> Answer {
        let Some(Visit { start_ns, done_ns }) = self.admit(now_ns) else {
            let waiting_max = self.options.waiting_max;
            let message = format!("Service unavailable: all workers are busy and {waiting_max} requests wait");
            return Answer {
                endpoint: ENDPOINT,
                said: Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, message)),
                at_ns: now_ns,
            };
        };
        let mut out = open_envelope();
        let said = write_json(&mut out, &json!({ "waited_ns": start_ns - now_ns, "service_ns": done_ns - start_ns }));
        Answer { endpoint: ENDPOINT, said: said.map(|()| Said::Result(out)), at_ns: done_ns }
    }

    fn title(&self) -> &'static str {
        "rehearsal testbed - queue"
    }

    fn metrics(&self, now_ns: i64, page: &mut Page) {
        let mut state = self.state();
        let capacity_per_s = self.options.capacity_per_s();
        page.single("queue_capacity_per_second", "gauge", "Requests per second all workers can serve", capacity_per_s);
        page.single("queue_workers", "gauge", "Workers", self.options.workers);
        page.single("queue_workers_busy", "gauge", "Workers that serve a request", state.station.busy(now_ns));
        page.single("queue_waiting", "gauge", "Requests that wait for a worker", state.station.waiting(now_ns));
        page.single("queue_admitted_total", "counter", "Requests given to a worker", state.served);
        page.single("queue_refused_total", "counter", "Requests refused, the queue being full", state.refused);
    }

    fn telemetry(&self, now_ns: i64) -> (&'static str, Value) {
        let mut state = self.state();
        let QueueOptions { workers, service, waiting_max } = &self.options;
        let value = json!({
            "workers": workers,
            "service": service.to_string(),
            "waiting_max": waiting_max,
            "capacity_per_s": self.options.capacity_per_s(),
            "waiting": state.station.waiting(now_ns),
            "busy": state.station.busy(now_ns),
            "admitted": state.served,
            "refused": state.refused,
        });
        ("queue", value)
    }
}
