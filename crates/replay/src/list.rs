//! Doubly linked lists of numbers, so that anything can leave a queue from its middle without a search.

/// No number.
const NONE: u32 = u32::MAX;

/// The links of all numbers; each may stand in one list at a time.
#[derive(Debug, Default)]
pub struct Links(Vec<(u32, u32)>);

/// First and last number of one list.
#[derive(Debug, Clone, Copy)]
pub struct List {
    first: u32,
    last: u32,
}

impl Default for List {
    fn default() -> Self {
        Self { first: NONE, last: NONE }
    }
}

impl List {
    /// The first number.
    #[must_use]
    pub fn first(self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }
}

impl Links {
    /// Puts `number`, which is in no list, behind the others.
    pub fn push(&mut self, list: &mut List, number: u32) {
        self.make_room(number);
        self.0[number as usize] = (list.last, NONE);
        match list.last {
            NONE => list.first = number,
            last => self.0[last as usize].1 = number,
        }
        list.last = number;
    }

    /// Puts `number`, which is in no list, before the others.
    pub fn push_front(&mut self, list: &mut List, number: u32) {
        let Some(first) = list.first() else { return self.push(list, number) };
        self.make_room(number);
        self.0[number as usize] = (NONE, first);
        self.0[first as usize].0 = number;
        list.first = number;
    }

    fn make_room(&mut self, number: u32) {
        if number as usize >= self.0.len() {
            self.0.resize(number as usize + 1, (NONE, NONE));
        }
    }

    /// Takes `number`, which is in `list`, out of it.
    pub fn remove(&mut self, list: &mut List, number: u32) {
        let (before, after) = std::mem::replace(&mut self.0[number as usize], (NONE, NONE));
        match before {
            NONE => list.first = after,
            before => self.0[before as usize].1 = after,
        }
        match after {
            NONE => list.last = before,
            after => self.0[after as usize].0 = before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    proptest! {
        #[test]
        fn a_list_is_a_queue_one_can_leave(steps in prop::collection::vec((0_u32..20, any::<bool>()), 0..200)) {
            let (mut links, mut list, mut model) = (Links::default(), List::default(), VecDeque::new());
            for (number, pop) in steps {
                if pop && let Some(first) = model.pop_front() {
                    prop_assert_eq!(list.first(), Some(first));
                    links.remove(&mut list, first);
                } else if let Some(place) = model.iter().position(|other| *other == number) {
                    links.remove(&mut list, number);
                    model.remove(place);
                } else if number % 3 == 0 {
                    links.push_front(&mut list, number);
                    model.push_front(number);
                } else {
                    links.push(&mut list, number);
                    model.push_back(number);
                }
                prop_assert_eq!(list.first(), model.front().copied());
            }
        }
    }
}
