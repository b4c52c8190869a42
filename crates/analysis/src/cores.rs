//! Work that falls into many independent pieces, on all cores.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// More threads than this read no faster from one disk.
const THREADS_MAX: usize = 8;

/// What `piece` makes of each number below `pieces`, in their order. A thread takes the next piece when it is done with one.
///
/// # Panics
/// When a piece does.
pub(crate) fn on_all_cores<T: Send>(pieces: usize, piece: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX).min(pieces.max(1));
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= pieces {
                return done;
            }
            done.push((number, piece(number)));
        }
    };
    let mut all = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut all = work();
        others.into_iter().for_each(|other| all.extend(other.join().expect("no piece panics")));
        all
    });
    all.sort_unstable_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, made)| made).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_back_in_their_order() {
        assert_eq!(on_all_cores(1000, |number| number * 2), (0..1000).map(|number| number * 2).collect::<Vec<_>>());
        assert!(on_all_cores(0, |number| number).is_empty());
    }
}
