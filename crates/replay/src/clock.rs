//! The one place that reads the system's clocks or waits for them.
//!
//! Every deadline is absolute: an [`Alarm`] is a timer descriptor set to an instant of CLOCK_MONOTONIC, so a late wake-up
//! never moves a later one. The kernel wakes a thread some tens of microseconds late; whoever needs better asks to be woken
//! [`SPIN_NS`] early and looks at the clock for the rest.

use std::num::NonZeroU64;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};
use trace::{ClockPair, RunNs, whole_ns};

/// How long before a deadline a worker wants to be awake, in nanoseconds: about what the kernel needs to wake a thread.
pub const SPIN_NS: i64 = 30_000;

/// Time since a run's start.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    /// Nanoseconds of CLOCK_MONOTONIC at run start.
    Monotonic(i64),
    /// Virtual time, moved by a test.
    #[cfg(test)]
    Virtual(std::sync::Arc<std::sync::atomic::AtomicI64>),
}

impl Clock {
    /// A clock whose run starts `lead_ns` from now.
    #[must_use]
    pub fn starting_in(lead_ns: i64) -> Self {
        Self(Source::Monotonic(monotonic_ns() + lead_ns))
    }

    /// A clock that stands still until the returned counter is moved.
    #[cfg(test)]
    pub(crate) fn at_rest() -> (Self, std::sync::Arc<std::sync::atomic::AtomicI64>) {
        let now = std::sync::Arc::new(std::sync::atomic::AtomicI64::new(0));
        (Self(Source::Virtual(now.clone())), now)
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> RunNs {
        match &self.0 {
            Source::Monotonic(start_ns) => RunNs(monotonic_ns() - start_ns),
            #[cfg(test)]
            Source::Virtual(now) => RunNs(now.load(std::sync::atomic::Ordering::Relaxed)),
        }
    }

    /// Run time and wall clock, read together.
    #[must_use]
    pub fn pair(&self) -> ClockPair {
        ClockPair { run_ns: self.now().ns(), unix_ns: unix_ns() }
    }

    /// An alarm on this clock's time line; `None` on virtual time.
    fn alarm_origin_ns(&self) -> i64 {
        match &self.0 {
            Source::Monotonic(start_ns) => *start_ns,
            #[cfg(test)]
            Source::Virtual(_) => 0,
        }
    }
}

/// Nanoseconds since the Unix epoch.
#[must_use]
pub fn unix_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    whole_ns(since)
}

/// What comes of `work`; `None` where it takes longer than `limit`.
pub(crate) async fn within<F: Future>(limit: Duration, work: F) -> Option<F::Output> {
    tokio::time::timeout(limit, work).await.ok()
}

/// Waits without precision, for whoever polls something slow.
pub fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

fn monotonic_ns() -> i64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// A timer descriptor that becomes readable at an absolute instant.
#[derive(Debug)]
pub struct Alarm {
    fd: OwnedFd,
    origin_ns: i64,
    set_for: Option<RunNs>,
}

impl Alarm {
    /// An alarm on `clock`'s time line, not set. The calling thread gets the least timer slack the kernel allows.
    ///
    /// # Errors
    /// What the system says when no descriptor is left.
    pub fn new(clock: &Clock) -> std::io::Result<Self> {
        rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?;
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Self { fd, origin_ns: clock.alarm_origin_ns(), set_for: None })
    }

    /// Rings at `at`; setting it to where it already stands costs nothing.
    ///
    /// # Errors
    /// What the system says; it has no reason to.
    pub fn set(&mut self, at: RunNs) -> std::io::Result<()> {
        if self.set_for == Some(at) {
            return Ok(());
        }
        // An instant of 0 would disarm it.
        let at_ns = (self.origin_ns + at.ns()).max(1);
        let it_value = Timespec { tv_sec: at_ns / 1_000_000_000, tv_nsec: at_ns % 1_000_000_000 };
        let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        timerfd_settime(&self.fd, TimerfdTimerFlags::ABSTIME, &Itimerspec { it_interval, it_value })?;
        self.set_for = Some(at);
        Ok(())
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl std::os::fd::AsRawFd for Alarm {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.fd.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, poll};

    #[test]
    fn an_alarm_never_rings_early() {
        let clock = Clock::starting_in(0);
        let mut alarm = Alarm::new(&clock).unwrap();
        for step in 1..=5 {
            let at = clock.now() + step * 200_000;
            alarm.set(at).unwrap();
            poll(&mut [PollFd::new(&alarm, PollFlags::IN)], None).unwrap();
            assert!(clock.now() >= at);
        }
    }

    #[test]
    fn a_clock_may_start_in_the_future() {
        assert!(Clock::starting_in(3_600_000_000_000).now().ns() < 0);
    }
}
