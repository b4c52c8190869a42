//! Dials with which a test makes the target slow, failing or stalled, while it runs.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use stats::Rng;

use crate::answer::Failure;
use crate::limits::{DIALS_MAX, HOLD_MS_MAX};

/// What is to be turned. Fields left out stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// The collection meant; without it, every request that no collection's own dials cover.
    pub collection: Option<String>,
    /// Added to every answer, in milliseconds.
    pub delay_ms: Option<f64>,
    /// Added to every answer, in microseconds.
    pub delay_us: Option<f64>,
    /// Share of requests answered with an error instead, 0 to 1.
    pub error_rate: Option<f64>,
    /// The status of those errors, 400 to 599; 500 unless set.
    pub error_status: Option<u16>,
    /// Freezes all answers for so many milliseconds from now; 0 ends a stall.
    pub stall_ms: Option<f64>,
}

/// Where a set of dials stands.
#[derive(Debug, Clone, Copy)]
struct Dials {
    delay_ns: i64,
    error_rate: f64,
    error_status: u16,
    stalled_until_ns: i64,
}

impl Default for Dials {
    fn default() -> Self {
        Self { delay_ns: 0, error_rate: 0.0, error_status: 500, stalled_until_ns: 0 }
    }
}

/// A set of dials as `GET /testbed/dials` shows it.
#[derive(Debug, PartialEq, Serialize)]
struct Shown {
    delay_us: f64,
    error_rate: f64,
    error_status: u16,
    stall_ms: f64,
}

impl Dials {
    fn turn(&mut self, turn: &Turn, now_ns: i64) -> Result<(), Failure> {
        let mut next = *self;
        if let Some(delay_ms) = turn.delay_ms.or(turn.delay_us.map(|us| us / 1e3)) {
            next.delay_ns = held_ns("delay_ms", delay_ms)?;
        }
        if let Some(rate) = turn.error_rate {
            if !(0.0..=1.0).contains(&rate) {
                return Err(Failure::invalid("error_rate", rate, "from 0 to 1"));
            }
            next.error_rate = rate;
        }
        if let Some(status) = turn.error_status {
            if !(400..=599).contains(&status) {
                return Err(Failure::invalid("error_status", status, "from 400 to 599"));
            }
            next.error_status = status;
        }
        if let Some(stall_ms) = turn.stall_ms {
            next.stalled_until_ns = now_ns + held_ns("stall_ms", stall_ms)?;
        }
        *self = next;
        Ok(())
    }

    fn shown(&self, now_ns: i64) -> Shown {
        Shown {
            delay_us: self.delay_ns as f64 / 1e3,
            error_rate: self.error_rate,
            error_status: self.error_status,
            stall_ms: (self.stalled_until_ns - now_ns).max(0) as f64 / 1e6,
        }
    }
}

fn held_ns(field: &str, ms: f64) -> Result<i64, Failure> {
    if (0.0..=HOLD_MS_MAX).contains(&ms) {
        Ok((ms * 1e6).round() as i64)
    } else {
        Err(Failure::invalid(field, ms, &format!("from 0 to {HOLD_MS_MAX}")))
    }
}

/// All dials of a server. A collection with dials of its own obeys those alone.
pub struct Board(Mutex<State>);

struct State {
    all: Dials,
    own: BTreeMap<String, Dials>,
    rng: Rng,
}

impl State {
    fn of(&self, collection: Option<&str>) -> Dials {
        collection.and_then(|name| self.own.get(name)).copied().unwrap_or(self.all)
    }
}

impl Board {
    /// Dials at rest; `seed` decides which requests fail.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(State { all: Dials::default(), own: BTreeMap::new(), rng: Rng::stream(seed, "dials") }))
    }

    /// Turns dials.
    ///
    /// # Errors
    /// Where a value is out of its range, or too many collections have dials.
    pub fn turn(&self, turn: &Turn, now_ns: i64) -> Result<(), Failure> {
        let mut state = self.state();
        let Some(name) = &turn.collection else { return state.all.turn(turn, now_ns) };
        if !state.own.contains_key(name) && state.own.len() >= DIALS_MAX {
            return Err(Failure::wrong_input(format_args!("at most {DIALS_MAX} collections have dials of their own")));
        }
        let mut dials = state.of(Some(name));
        dials.turn(turn, now_ns)?;
        state.own.insert(name.clone(), dials);
        Ok(())
    }

    /// How the dials stand, as JSON: `{"all": …, "collections": {name: …}}`.
    pub fn shown(&self, now_ns: i64) -> serde_json::Value {
        let state = self.state();
        let own: BTreeMap<_, _> = state.own.iter().map(|(name, dials)| (name, dials.shown(now_ns))).collect();
        serde_json::json!({ "all": state.all.shown(now_ns), "collections": own })
    }

    /// The delay of a request in nanoseconds, or the failure that it meets instead.
    pub fn meet(&self, collection: Option<&str>) -> (i64, Option<Failure>) {
        let mut state = self.state();
        let dials = state.of(collection);
        let fails = dials.error_rate > 0.0 && state.rng.chance(dials.error_rate);
        let failure = fails.then(|| {
            let status = StatusCode::from_u16(dials.error_status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Failure::new(status, "Service internal error: the error dial of the testbed is on")
        });
        (dials.delay_ns, failure)
    }

    /// The instant until which answers are frozen.
    pub fn stalled_until_ns(&self, collection: Option<&str>) -> i64 {
        self.state().of(collection).stalled_until_ns
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(json: &str) -> Turn {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_collection_starts_from_the_general_dials_and_then_goes_its_own_way() {
        let board = Board::new(1);
        board.turn(&turn(r#"{"delay_ms": 2}"#), 0).unwrap();
        board.turn(&turn(r#"{"collection": "a", "error_rate": 1, "error_status": 503}"#), 0).unwrap();
        board.turn(&turn(r#"{"delay_us": 500}"#), 0).unwrap();
        assert_eq!(board.meet(None), (500_000, None));
        let (delay_ns, failure) = board.meet(Some("a"));
        assert_eq!((delay_ns, failure.unwrap().status), (2_000_000, StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(board.shown(0)["collections"]["a"]["delay_us"], 2000.0);
    }

    #[test]
    fn a_stall_runs_from_now_and_can_be_ended() {
        let board = Board::new(1);
        board.turn(&turn(r#"{"stall_ms": 5}"#), 1_000_000).unwrap();
        assert_eq!(board.stalled_until_ns(None), 6_000_000);
        assert_eq!(board.shown(2_000_000)["all"]["stall_ms"], 4.0);
        board.turn(&turn(r#"{"stall_ms": 0}"#), 2_000_000).unwrap();
        assert_eq!(board.stalled_until_ns(None), 2_000_000);
    }

    #[test]
    fn a_bad_value_is_refused_and_changes_nothing() {
        let board = Board::new(1);
        for bad in
            [r#"{"delay_ms": -1}"#, r#"{"delay_ms": 1, "error_rate": 1.5}"#, r#"{"error_status": 200}"#, r#"{"stall_ms": 1e9}"#]
        {
            assert_eq!(board.turn(&turn(bad), 0).unwrap_err().status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
        }
        assert_eq!(board.meet(None), (0, None));
        assert!(serde_json::from_str::<Turn>(r#"{"dely_ms": 1}"#).unwrap_err().to_string().contains("delay_ms"));
    }

    #[test]
    fn the_error_rate_is_kept_and_seeded() {
        let failures = |seed| {
            let board = Board::new(seed);
            board.turn(&turn(r#"{"error_rate": 0.25}"#), 0).unwrap();
            (0..10_000).map(|_| board.meet(None).1.is_some()).collect::<Vec<_>>()
        };
        let count = failures(7).iter().filter(|failed| **failed).count() as f64;
        // Binomial(10000, 1/4): a standard deviation is 43.3; five of them either side.
        assert!((count - 2500.0).abs() < 217.0, "{count}");
        assert_eq!(failures(7), failures(7));
        assert_ne!(failures(7), failures(8));
    }
}
