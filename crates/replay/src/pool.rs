//! Which connection a request goes over. Knows no socket and no clock.
//!
//! A session keeps its connection while that is free and takes another when it is not; a new session opens one of its own as long as
//! the limit allows, as the recorded users did. At the limit the connection that was idle longest is taken over.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::list::{Links, List};

/// Number of a connection's place, below the limit.
pub type Slot = u32;

/// The answer to [`Pool::find`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// This connection is free and now taken.
    Free(Slot),
    /// A connection is to be opened here.
    Open(Slot),
    /// The idle connection here, to another target, is to be closed and one opened in its place.
    Replace(Slot),
    /// The session's own connection is being opened: wait behind the request that it is opened for.
    Behind(Slot),
    /// Every connection is taken.
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unused,
    Opening,
    Idle,
    Busy,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    state: State,
    target: u32,
    session: Option<u64>,
    /// Opened beforehand and not used yet.
    fresh: bool,
}

/// The connections of one worker.
#[derive(Debug)]
pub struct Pool {
    places: Vec<Place>,
    unused: Vec<Slot>,
    links: Links,
    idle: Vec<List>,
    of_session: HashMap<(u64, u32), Slot, RandomState>,
}

impl Pool {
    /// Room for `connections_max` connections to `targets` targets.
    #[must_use]
    pub fn new(connections_max: usize, targets: usize) -> Self {
        let unused = Place { state: State::Unused, target: 0, session: None, fresh: false };
        Self {
            places: vec![unused; connections_max],
            unused: (0..connections_max as Slot).rev().collect(),
            links: Links::default(),
            idle: vec![List::default(); targets],
            of_session: HashMap::default(),
        }
    }

    /// A connection for a request of `session`; without one, the first that is free.
    pub fn find(&mut self, session: Option<u64>, target: u32) -> Found {
        match session.and_then(|session| self.of_session.get(&(session, target)).copied()) {
            Some(own) => match self.places[own as usize].state {
                State::Idle => return self.take(own, session),
                State::Opening => return Found::Behind(own),
                State::Busy | State::Unused => {}
            },
            None if session.is_some() && !self.unused.is_empty() => return self.unowned_or_open(session, target),
            None => {}
        }
        match self.idle[target as usize].first() {
            Some(slot) => self.take(slot, session),
            None => self.open(session, target),
        }
    }

    /// A connection that was opened beforehand and is nobody's yet; otherwise a new one.
    fn unowned_or_open(&mut self, session: Option<u64>, target: u32) -> Found {
        match self.idle[target as usize].first().filter(|slot| self.places[*slot as usize].fresh) {
            Some(slot) => self.take(slot, session),
            None => self.open(session, target),
        }
    }

    /// Where to open a connection that nobody needs yet; `None` at the limit.
    pub fn open_beforehand(&mut self, target: u32) -> Option<Slot> {
        let slot = self.unused.pop()?;
        let place = &mut self.places[slot as usize];
        (place.state, place.target, place.fresh) = (State::Opening, target, true);
        Some(slot)
    }

    fn take(&mut self, slot: Slot, session: Option<u64>) -> Found {
        let place = &mut self.places[slot as usize];
        self.links.remove(&mut self.idle[place.target as usize], slot);
        (place.state, place.fresh) = (State::Busy, false);
        self.own(slot, session);
        Found::Free(slot)
    }

    fn open(&mut self, session: Option<u64>, target: u32) -> Found {
        let (slot, found) = match self.unused.pop() {
            Some(slot) => (slot, Found::Open(slot)),
            None => match self.idle.iter().find_map(|list| list.first()) {
                Some(slot) => {
                    let old = self.places[slot as usize].target;
                    self.links.remove(&mut self.idle[old as usize], slot);
                    self.places[slot as usize].fresh = false;
                    (slot, Found::Replace(slot))
                }
                None => return Found::None,
            },
        };
        self.own(slot, None);
        let place = &mut self.places[slot as usize];
        (place.state, place.target) = (State::Opening, target);
        self.own(slot, session);
        found
    }

    /// Makes `slot` the connection of `session`, and of no other.
    fn own(&mut self, slot: Slot, session: Option<u64>) {
        let place = &mut self.places[slot as usize];
        if place.session == session {
            return;
        }
        let target = place.target;
        if let Some(before) = std::mem::replace(&mut place.session, session) {
            self.of_session.remove(&(before, target));
        }
        let other = session.and_then(|session| self.of_session.insert((session, target), slot));
        if let Some(other) = other {
            self.places[other as usize].session = None;
        }
    }

    /// The connection that was to be opened is there, and taken by the request it was opened for.
    pub fn opened(&mut self, slot: Slot) {
        self.places[slot as usize].state = State::Busy;
    }

    /// The answer on `slot` is complete: free for the next.
    pub fn release(&mut self, slot: Slot) {
        let place = &mut self.places[slot as usize];
        place.state = State::Idle;
        self.links.push(&mut self.idle[place.target as usize], slot);
    }

    /// The connection is gone, whatever it was doing.
    pub fn close(&mut self, slot: Slot) {
        self.own(slot, None);
        let place = &mut self.places[slot as usize];
        if place.state == State::Idle {
            self.links.remove(&mut self.idle[place.target as usize], slot);
        }
        let place = &mut self.places[slot as usize];
        (place.state, place.fresh) = (State::Unused, false);
        self.unused.push(slot);
    }

    /// Connections that carry a request or are being opened.
    #[cfg(test)]
    pub fn busy(&self) -> usize {
        self.places.iter().filter(|place| matches!(place.state, State::Busy | State::Opening)).count()
    }

    /// Where the connection leads.
    #[cfg(test)]
    fn target(&self, slot: Slot) -> u32 {
        self.places[slot as usize].target
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_session_keeps_its_connection_and_takes_another_when_that_is_busy() {
        let mut pool = Pool::new(3, 1);
        assert_eq!(pool.find(Some(1), 0), Found::Open(0));
        assert_eq!(pool.find(Some(1), 0), Found::Behind(0));
        pool.opened(0);
        assert_eq!(pool.find(Some(2), 0), Found::Open(1));
        pool.opened(1);
        pool.release(1);
        assert_eq!(pool.find(Some(1), 0), Found::Free(1));
        pool.release(0);
        pool.release(1);
        assert_eq!(pool.find(Some(1), 0), Found::Free(1));
        assert_eq!(pool.find(Some(3), 0), Found::Open(2));
        assert_eq!(pool.find(Some(4), 0), Found::Free(0));
        assert_eq!(pool.find(Some(5), 0), Found::None);
    }

    #[test]
    fn at_the_limit_an_idle_connection_elsewhere_makes_room() {
        let mut pool = Pool::new(1, 2);
        assert_eq!(pool.find(Some(1), 0), Found::Open(0));
        pool.opened(0);
        assert_eq!(pool.find(Some(1), 1), Found::None);
        pool.release(0);
        assert_eq!(pool.find(Some(1), 1), Found::Replace(0));
        assert_eq!(pool.target(0), 1);
        pool.close(0);
        assert_eq!(pool.find(Some(1), 0), Found::Open(0));
    }

    proptest! {
        #[test]
        fn a_connection_serves_one_request_at_a_time(steps in prop::collection::vec((0_u64..6, 0_u32..2, 0_u8..4), 1..300)) {
            let mut pool = Pool::new(4, 2);
            let (mut opening, mut busy, mut idle) = (Vec::new(), Vec::new(), Vec::new());
            for (session, target, choice) in steps {
                match choice {
                    0 | 1 => match pool.find((choice == 0).then_some(session), target) {
                        Found::Free(slot) => {
                            prop_assert_eq!(pool.target(slot), target);
                            prop_assert!(idle.contains(&slot));
                            idle.retain(|other| *other != slot);
                            busy.push(slot);
                        }
                        Found::Open(slot) => {
                            prop_assert!(![&opening, &busy, &idle].iter().any(|list| list.contains(&slot)));
                            opening.push(slot);
                        }
                        Found::Replace(slot) => {
                            prop_assert!(idle.contains(&slot));
                            idle.retain(|other| *other != slot);
                            opening.push(slot);
                        }
                        Found::Behind(slot) => prop_assert!(opening.contains(&slot)),
                        Found::None => prop_assert!(idle.is_empty() && opening.len() + busy.len() == 4),
                    },
                    2 => if let Some(slot) = opening.pop() {
                        pool.opened(slot);
                        busy.push(slot);
                    },
                    _ => if let Some(slot) = busy.pop() {
                        if session % 2 == 0 {
                            pool.release(slot);
                            idle.push(slot);
                        } else {
                            pool.close(slot);
                        }
                    },
                }
            }
        }
    }
}
