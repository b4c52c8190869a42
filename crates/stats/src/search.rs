//! The largest rate a target bears: which load is a lower and which an upper bound (MLRsearch: draft-ietf-bmwg-mlrsearch-15, RFC 9971), and
//! the search for them as a machine that is told verdicts and says what to try next.

mod machine;

use serde::{Deserialize, Serialize};

pub use machine::{Bound, Ending, Found, Plan, Search, Trial, Verdict};

/// What a load has to stand (RFC 9971, §4.6, "Search Goal").
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Goal {
    /// A trial of at least this length is a full one.
    pub full_s: f64,
    /// Time of full trials that a verdict rests on.
    pub sum_s: f64,
    /// The share of it that may be bad, below 1.
    pub exceed: f64,
}

impl Goal {
    /// 90 s of trials of 30 s, of which half may be bad: two that agree decide, and no single noisy one does.
    pub const DEFAULT: Self = Self { full_s: 30.0, sum_s: 90.0, exceed: 0.5 };
}

/// Seconds of trials at one load, by length and outcome.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Tally {
    /// Full trials that were good.
    pub full_good_s: f64,
    /// Full trials that were bad.
    pub full_bad_s: f64,
    /// Shorter ones that were good.
    pub short_good_s: f64,
    /// Shorter ones that were bad.
    pub short_bad_s: f64,
}

/// What the trials at a load say about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The target bears it.
    Lower,
    /// It does not.
    Upper,
    /// More trials are needed.
    Undecided,
}

impl Tally {
    /// Counts one trial.
    pub fn add(&mut self, goal: &Goal, trial_s: f64, good: bool) {
        let sum = match (trial_s >= goal.full_s, good) {
            (true, true) => &mut self.full_good_s,
            (true, false) => &mut self.full_bad_s,
            (false, true) => &mut self.short_good_s,
            (false, false) => &mut self.short_bad_s,
        };
        *sum += trial_s;
    }

    /// The class of the load (RFC 9971, appendix A): the share of bad trials if all that are still to come were good, and if all were bad, is
    /// held against the goal. Short bad trials count as far as short good ones do not make up for them.
    #[must_use]
    pub fn class(&self, goal: &Goal) -> Class {
        let made_up_s = self.short_good_s * goal.exceed / (1.0 - goal.exceed);
        let bad_s = self.full_bad_s + (self.short_bad_s - made_up_s).max(0.0);
        let whole_s = (self.full_good_s + bad_s).max(goal.sum_s);
        let allowed_s = whole_s * goal.exceed;
        match (bad_s <= allowed_s, whole_s - self.full_good_s <= allowed_s) {
            (true, true) => Class::Lower,
            (false, false) => Class::Upper,
            _ => Class::Undecided,
        }
    }
}

/// The throughput a lower bound is good for, load × (1 − the loss ratio that the share 1 − exceed of the full trials' time does not
/// exceed) (RFC 9971, appendix B). `trials` are (seconds, loss ratio) in any order; shorter ones than the goal's are left out. `None` where
/// there is no full trial.
#[must_use]
pub fn conditional_throughput(load: f64, trials: &[(f64, f64)], goal: &Goal) -> Option<f64> {
    let mut full: Vec<(f64, f64)> = trials.iter().copied().filter(|(trial_s, _)| *trial_s >= goal.full_s).collect();
    full.sort_by(|a, b| a.1.total_cmp(&b.1));
    let whole_s: f64 = full.iter().map(|(trial_s, _)| trial_s).sum();
    let mut left_s = whole_s * (1.0 - goal.exceed);
    let mut loss = None;
    for (trial_s, ratio) in full {
        if left_s <= 0.0 {
            break;
        }
        loss = Some(ratio);
        left_s -= trial_s;
    }
    loss.map(|loss| load * (1.0 - loss))
}

#[cfg(test)]
mod tests;
