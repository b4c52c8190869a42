//! The testbed's clock: the one place that reads time and waits for it.
//!
//! Instants are nanoseconds of the system's monotonic clock. Waiting goes through one timer descriptor per runtime, armed for the
//! earliest absolute deadline: tokio's own timer has steps of 1 ms, and the relative sleep of a late wake-up would add up.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;

const NS_PER_S: i64 = 1_000_000_000;

/// Nanoseconds on the monotonic clock.
pub fn now_ns() -> i64 {
    to_ns(clock_gettime(ClockId::Monotonic))
}

/// Nanoseconds of processor time this process has used, all threads.
pub fn cpu_ns() -> i64 {
    to_ns(clock_gettime(ClockId::ProcessCPUTime))
}

fn to_ns(time: Timespec) -> i64 {
    time.tv_sec * NS_PER_S + time.tv_nsec
}

/// Wakes tasks of one runtime at absolute instants. [`Timer::drive`] must run on the same runtime.
pub struct Timer {
    fd: AsyncFd<OwnedFd>,
    waiting: Mutex<Waiting>,
}

/// Sleepers by deadline and ticket. A sleeper that is dropped leaves it, so it holds at most one entry per open request.
#[derive(Default)]
struct Waiting {
    tickets: u64,
    sleepers: BTreeMap<(i64, u64), Waker>,
}

impl Timer {
    /// A timer on the runtime that is entered.
    #[expect(
        deprecated,
        reason = "its successor is unsafe for the sake of types whose descriptor may change; an OwnedFd's never does"
    )]
    pub fn new() -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Self { fd: AsyncFd::new(fd)?, waiting: Mutex::default() })
    }

    /// Completes at `due_ns`, or at once where that has passed.
    pub fn until(&self, due_ns: i64) -> Until<'_> {
        let mut waiting = self.waiting();
        waiting.tickets += 1;
        Until { timer: self, key: (due_ns, waiting.tickets) }
    }

    /// Wakes the sleepers as their instants come, until the runtime ends.
    pub async fn drive(&self) {
        while let Ok(mut ready) = self.fd.readable().await {
            // Expirations are not read off: readiness is told by its edge, and arming anew resets them.
            ready.clear_ready();
            self.wake_due(now_ns());
        }
    }

    fn wake_due(&self, now_ns: i64) {
        let mut waiting = self.waiting();
        while let Some(first) = waiting.sleepers.first_entry() {
            let due_ns = first.key().0;
            if due_ns > now_ns {
                return self.arm(due_ns);
            }
            first.remove().wake();
        }
    }

    fn sleep(&self, key: (i64, u64), waker: Waker) {
        let mut waiting = self.waiting();
        if waiting.sleepers.first_key_value().is_none_or(|(first, _)| key <= *first) {
            self.arm(key.0);
        }
        waiting.sleepers.insert(key, waker);
    }

    fn arm(&self, due_ns: i64) {
        let at = Timespec { tv_sec: due_ns / NS_PER_S, tv_nsec: due_ns % NS_PER_S };
        let once = Itimerspec { it_interval: Timespec::default(), it_value: at };
        // timerfd_create(2): it fails for what is no timer and for times below zero, and this is neither.
        timerfd_settime(self.fd.get_ref(), TimerfdTimerFlags::ABSTIME, &once).expect("a timer takes an instant after now");
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Timer::until`].
pub struct Until<'a> {
    timer: &'a Timer,
    key: (i64, u64),
}

impl Future for Until<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if now_ns() >= self.key.0 {
            return Poll::Ready(());
        }
        self.timer.sleep(self.key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Until<'_> {
    fn drop(&mut self) {
        self.timer.waiting().sleepers.remove(&self.key);
    }
}
