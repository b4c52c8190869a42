//! The users of a closed loop, as far as one worker has them: each takes a session, sends its requests one after the other, and takes
//! the next session when it is over.

use std::collections::VecDeque;

use trace::RunNs;

use super::turns::Turn;
use crate::users::Users;

/// Users of one worker.
#[derive(Debug)]
pub struct Crowd {
    steps: VecDeque<(RunNs, u32)>,
    /// How many there should be.
    wanted: u32,
    /// How many there are: with a request under way, thinking, or without a session.
    present: u32,
    /// Since when those without a session are without one.
    free: VecDeque<RunNs>,
    /// The rest of sessions whose user left.
    left: Vec<Turn>,
}

impl Crowd {
    /// Nobody yet.
    #[must_use]
    pub fn new(users: &Users) -> Self {
        let steps = users.steps().iter().copied().collect();
        Self { steps, wanted: 0, present: 0, free: VecDeque::new(), left: Vec::new() }
    }

    /// Lets users come and go until `now`. Whoever has a session goes when the request under way is over ([`Crowd::leaves`]).
    pub fn advance(&mut self, now: RunNs) {
        while let Some((at, wanted)) = self.steps.pop_front_if(|(at, _)| *at <= now) {
            self.wanted = wanted;
            while self.present < wanted {
                self.present += 1;
                self.free.push_back(at);
            }
            while self.present > wanted && self.free.pop_back().is_some() {
                self.present -= 1;
            }
        }
    }

    /// When the number of users changes next.
    #[must_use]
    pub fn next_step(&self) -> Option<RunNs> {
        self.steps.front().map(|(at, _)| *at)
    }

    /// Whether all have to be gone and none will come.
    #[must_use]
    pub fn is_dismissed(&self) -> bool {
        self.wanted == 0 && self.steps.is_empty()
    }

    /// Asked of a user between two requests: whether it goes now, since there are too many. `rest` is what it leaves undone.
    pub fn leaves(&mut self, rest: Option<Turn>) -> bool {
        let leaves = self.present > self.wanted;
        if leaves {
            self.present -= 1;
            self.left.extend(rest);
        }
        leaves
    }

    /// A user's session is over.
    pub fn free(&mut self, since: RunNs) {
        self.free.push_back(since);
    }

    /// Since when the next user who is free has been so.
    #[must_use]
    pub fn free_since(&self) -> Option<RunNs> {
        self.free.front().copied()
    }

    /// Whether a session that somebody left waits to be gone on with.
    #[must_use]
    pub fn has_left(&self) -> bool {
        !self.left.is_empty()
    }

    /// The next free user goes on with a session that somebody left.
    pub fn take_left(&mut self) -> Option<Turn> {
        let since = self.free_since()?;
        let turn = self.left.pop()?;
        self.free.pop_front();
        Some(Turn { due: since, blocked_ns: 0, ..turn })
    }

    /// The next free user takes a session.
    pub fn engage(&mut self) {
        self.free.pop_front();
    }
}
