//! What a request waits for besides its instant: nothing, the earlier answers of its session, or a user who is free.

use crate::users::Users;

/// How requests of a session follow each other.
///
/// *Due* is when the user is ready for a request, whatever the generator does. Latency runs from there, and the generator's own
/// lateness is sent − due − blocked − queued in every pacing.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Pacing {
    /// Open loop: every request is due when the schedule says, whatever became of earlier ones.
    #[default]
    Open,
    /// Partly open (Schroeder, Wierman, Harchol-Balter 2006, NSDI, section 2.3): sessions start when the schedule says. What comes
    /// after it in the same (session, stream) is due the recorded think time after the real end of the answer before it. A request that was
    /// recorded before that answer was over did not wait for it: it is due the recorded gap after its predecessor was ready, and
    /// *blocked* from then until the predecessor is over.
    Session,
    /// Closed loop: each user takes a session, sends its requests one after the other with the recorded think times, and takes the next
    /// when it is over. A request is due when its user is ready for it, so that a stall of the target slows the load and response time
    /// is hardly more than service time.
    Closed(Users),
}

impl Pacing {
    /// `open`, `session` or `closed`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Session => "session",
            Self::Closed(_) => "closed",
        }
    }

    /// The users of a closed loop.
    #[must_use]
    pub const fn users(&self) -> Option<&Users> {
        if let Self::Closed(users) = self { Some(users) } else { None }
    }
}
