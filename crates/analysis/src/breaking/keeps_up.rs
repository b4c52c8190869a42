//! Whether the target keeps up with the load: in an open loop by the requests in flight, in a closed one by the answers that more users
//! bring.

use super::limit::Found;
use crate::steps::Step;

/// Share of a step's requests that may time out, or be shed because too many are in flight, while the target still keeps up.
const UNSERVED_MAX: f64 = 0.01;
/// Growth of the requests in flight is held against that of a random walk, whose standard deviation is √(2n) for n requests that come and
/// n that go. What chance brings stays below 2 of them: a queue at 90 % of its capacity passes that in less than one of 200 steps of 5 s.
const GROWTH_DEVIATIONS: f64 = 2.0;
/// What is known to be stable stays below this: above, a step cannot tell (both simulated, see `tests/breaking.rs`).
const STABLE_DEVIATIONS: f64 = 0.5;

/// More users bring no more than this share of good answers: then the target does not keep up with them.
const MORE_MIN: f64 = 1.02;
/// So many times the users are more users.
const MORE_USERS: f64 = 1.1;

/// What `step` shows, beside the other sound steps; `None` where it is too short.
pub(super) fn keeps_up(sound: &[&Step], step: &Step) -> Option<Found> {
    if step.users.is_some() {
        return more_users(sound, step);
    }
    let unserved = step.share(step.unserved) > UNSERVED_MAX;
    let Some(overload) = step.overload else { return unserved.then_some(Found { value: f64::NAN, held: Some(false) }) };
    let deviation = (2.0 * step.requests as f64).sqrt();
    let grown_by = |growth: f64| growth * step.requests as f64 / deviation;
    // A queue that is already long may shrink for a while in a load that it cannot bear.
    let calm = sound.iter().map(|step| step.in_flight_mean / step.offered_per_s).fold(f64::INFINITY, f64::min);
    let queued = (step.in_flight_mean - calm * step.offered_per_s) / deviation;
    let (grown, at_most) = (grown_by(overload.growth.value), grown_by(overload.growth.high));
    let held = match (unserved, overload.overloaded) {
        (true, _) => Some(false),
        (false, true) => (grown > GROWTH_DEVIATIONS).then_some(false),
        (false, false) => (grown <= STABLE_DEVIATIONS && queued.min(at_most) <= STABLE_DEVIATIONS).then_some(true),
    };
    Some(Found { value: overload.growth.value, held })
}

/// In a closed loop a target keeps up with its users as long as more of them bring more good answers.
fn more_users(sound: &[&Step], step: &Step) -> Option<Found> {
    let fewer = sound.iter().filter(|other| other.load() * MORE_USERS <= step.load());
    let best = fewer.map(|other| other.goodput_per_s).reduce(f64::max)?;
    let value = step.goodput_per_s / best;
    Some(Found { value, held: Some(value >= MORE_MIN) })
}
