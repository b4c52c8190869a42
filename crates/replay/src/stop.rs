//! How a run is ended early.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::clock::pause;

/// How long somebody who waits does not notice that it is to stop.
const NOTICE: Duration = Duration::from_millis(50);

/// Shared by whoever may end a run (a signal) and everybody who then has to: nothing new is sent, answers are waited for a moment,
/// files are finished.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    own: Arc<AtomicBool>,
    /// Of what this run is a part of.
    parent: Option<Arc<AtomicBool>>,
}

impl From<Arc<AtomicBool>> for Stop {
    /// Stops when the flag is set.
    fn from(flag: Arc<AtomicBool>) -> Self {
        Self { own: flag, parent: None }
    }
}

impl Stop {
    /// For a part that can be stopped by itself, and stops with the whole.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { own: Arc::default(), parent: Some(self.own.clone()) }
    }

    /// Asks to stop.
    pub fn ask(&self) {
        self.own.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn asked(&self) -> bool {
        let set = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        set(&self.own) || self.parent.as_deref().is_some_and(set)
    }

    /// Waits for `duration`, or until somebody asks; says whether somebody did.
    #[must_use]
    pub fn asked_within(&self, duration: Duration) -> bool {
        let mut left = duration;
        while !self.asked() && !left.is_zero() {
            let step = left.min(NOTICE);
            pause(step);
            left -= step;
        }
        self.asked()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_notices_that_it_is_to_stop() {
        let stop = Stop::default();
        assert!(!stop.asked_within(Duration::from_millis(1)));
        stop.ask();
        assert!(stop.asked_within(Duration::from_secs(3600)));
    }

    #[test]
    fn a_part_stops_with_the_whole_and_not_the_other_way() {
        let whole = Stop::default();
        let (one, other) = (whole.child(), whole.child());
        one.ask();
        assert_eq!((one.asked(), other.asked(), whole.asked()), (true, false, false));
        whole.ask();
        assert!(other.asked());
    }
}
