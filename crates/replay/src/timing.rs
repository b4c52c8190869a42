//! When and how fast a run will be, as far as that can be said without running through its schedule.

use serde::Serialize;
use trace::{RunNs, TraceNs};

use crate::arrivals::Arrivals;
use crate::options::ReplayOptions;
use crate::profile::{Curve, Profile, Unit};
use crate::schedule::Pace;
use crate::users::Users;

/// Points of the rate asked for, besides those at which its phases begin.
const POINTS: i64 = 512;
/// How far a rate without an end is sampled after its last change, ns.
const TAIL_NS: i64 = 60_000_000_000;

/// What is known of the content.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Requests of one pass.
    pub requests: u64,
    /// Requests of one second, at most.
    pub peak_per_s: u64,
    /// Instant of a pass's last request, ns.
    pub span_ns: i64,
    /// Λ_rec of what is mapped, with its passes.
    pub curve: &'a Curve,
}

/// When and how fast, about.
#[derive(Debug, Clone, Default)]
pub struct Timing {
    /// Requests that will be due; `None` where only the user ends the run.
    pub scheduled: Option<u64>,
    /// When the last one is due, or the profile ends, ns; `None` where that depends on the target or the user.
    pub duration_ns: Option<i64>,
    /// Requests per second on average; `None` where that depends on the target.
    pub rate_per_s: Option<f64>,
    /// Most requests of one second.
    pub peak_per_s: Option<f64>,
    /// What a user may not expect, a sentence each.
    pub notes: Vec<String>,
    /// The rate asked for over time, where it is not the same all the time.
    pub asked: Option<Asked>,
}

/// Λ(t), asked for: requests that are to be due until each instant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Asked {
    /// Since run start, ns, rising from 0.
    pub at_ns: Vec<i64>,
    /// Requests until then.
    pub requests: Vec<f64>,
}

impl Known<'_> {
    /// Passes over the content, and from the start of one to the start of the next, ns.
    fn passes(&self) -> (Option<u64>, i64) {
        self.curve.repeats.map_or((Some(1), self.span_ns), |repeats| (repeats.passes, repeats.period_ns))
    }

    fn all(&self) -> Option<u64> {
        self.passes().0.map(|passes| passes.saturating_mul(self.requests))
    }

    fn per_s(&self) -> f64 {
        self.requests as f64 / (self.passes().1.max(1) as f64 / 1e9)
    }

    /// Requests recorded until so many ns, over all passes.
    fn until(&self, recorded_ns: f64) -> f64 {
        let per_start = self.requests as f64 / self.curve.total().max(1) as f64;
        self.curve.cumulative(TraceNs(recorded_ns as i64)) * per_start
    }

    /// Instant of the last request on the recording's time line, ns.
    fn recorded_ns(&self, arrivals: &Arrivals) -> f64 {
        let (passes, period_ns) = self.passes();
        match arrivals {
            Arrivals::Fitted(model) => self.all().map_or(f64::INFINITY, |all| all as f64 / model.rate_per_s() * 1e9),
            _ => passes.map_or(f64::INFINITY, |passes| (passes - 1) as f64 * period_ns as f64 + self.span_ns as f64),
        }
    }
}

impl Timing {
    /// What `options` come to with this content.
    #[must_use]
    pub fn of(options: &ReplayOptions, known: &Known<'_>) -> Self {
        match &options.pace {
            Pace::Profile(profile) if profile.unit() != Unit::Users => Self::of_profile(options, profile, known),
            _ => {
                let duration_ns = options.pacing.users().and_then(Users::end).map(RunNs::ns);
                Self { scheduled: known.all(), duration_ns, ..Self::default() }
            }
        }
    }

    fn of_profile(options: &ReplayOptions, profile: &Profile, known: &Known<'_>) -> Self {
        let all = known.all();
        let amount = match profile.unit() {
            Unit::Times => known.recorded_ns(&options.arrivals),
            Unit::Rate | Unit::Users => all.map_or(f64::INFINITY, |all| all as f64 * 1e9),
        };
        let content_ns = profile.inverse(amount).map_or(f64::INFINITY, |at| at.ns() as f64);
        let limits = [options.duration.map(|duration| duration.as_nanos() as f64), profile.ends_at().map(|end| end.ns() as f64)];
        let limit_ns = limits.into_iter().flatten().fold(f64::INFINITY, f64::min);
        let duration_ns = Some(content_ns.min(limit_ns)).filter(|ns| ns.is_finite()).map(|ns| ns as i64);
        let due = |at: RunNs| due(profile, known, at);
        let until_limit = (limit_ns < content_ns).then(|| due(RunNs(limit_ns as i64)).round() as u64);
        let notes = (limit_ns.is_finite() && content_ns < limit_ns).then(|| ends_early(content_ns, limit_ns));
        let (mean, peak) = values(profile, duration_ns);
        // A trace that lies within one second has no peak above its own rate that a count by seconds could show.
        let recorded_peak = (known.peak_per_s as f64).max(if known.span_ns > 0 { known.per_s() } else { 0.0 });
        let (rate_per_s, peak_per_s) = match (profile.unit(), &options.arrivals) {
            (Unit::Times, _) => (mean * known.per_s(), peak * recorded_peak),
            (_, Arrivals::Recorded) => (mean, peak * recorded_peak / known.per_s()),
            _ => (mean, peak),
        };
        Self {
            scheduled: until_limit.map(|due| all.map_or(due, |all| due.min(all))).or(all),
            duration_ns,
            rate_per_s: Some(rate_per_s),
            peak_per_s: Some(peak_per_s),
            notes: notes.into_iter().collect(),
            asked: (!profile.is_steady()).then(|| Asked::of(profile, duration_ns, due)),
        }
    }
}

/// Requests that a profile asks for until `at`.
fn due(profile: &Profile, known: &Known<'_>, at: RunNs) -> f64 {
    let amount = profile.cumulative(at);
    if profile.unit() == Unit::Times { known.until(amount) } else { amount / 1e9 }
}

fn ends_early(content_ns: f64, limit_ns: f64) -> String {
    let (content_s, limit_s) = (content_ns / 1e9, limit_ns / 1e9);
    format!("the trace ends after {content_s:.3} s, before the {limit_s} s asked for; --loop forever goes on until then")
}

/// Mean and largest value of a profile until a run ends; of one without end, those it comes to.
fn values(profile: &Profile, duration_ns: Option<i64>) -> (f64, f64) {
    let end = RunNs(duration_ns.unwrap_or(i64::MAX - 1));
    let mean = match duration_ns {
        Some(ns) if ns > 0 => profile.cumulative(end) / ns as f64,
        Some(_) => profile.value_at(RunNs(0)),
        None => profile.value_at(end),
    };
    (mean, profile.peak(end + 1))
}

impl Asked {
    fn of(profile: &Profile, duration_ns: Option<i64>, due: impl Fn(RunNs) -> f64) -> Self {
        let starts = profile.phase_starts();
        let last_ns = starts.last().map_or(0, |start| start.ns());
        let end_ns = duration_ns.or(profile.ends_at().map(RunNs::ns)).unwrap_or(last_ns + TAIL_NS);
        let evenly = (0..=POINTS).map(|point| (i128::from(end_ns) * i128::from(point) / i128::from(POINTS)) as i64);
        let mut at_ns: Vec<i64> = evenly.chain(starts.iter().map(|start| start.ns()).filter(|ns| *ns < end_ns)).collect();
        at_ns.sort_unstable();
        at_ns.dedup();
        Self { requests: at_ns.iter().map(|ns| due(RunNs(*ns))).collect(), at_ns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::CurveCounts;
    use std::time::Duration;

    const S: i64 = 1_000_000_000;

    /// What comes of options over 1000 requests, 10 a second, the first at 0.
    fn timing(profile: &str, duration_s: Option<u64>) -> Timing {
        let mut counts = CurveCounts::default();
        (0..1000).for_each(|i| counts.add(TraceNs(i * S / 10)));
        let (curve, duration) = (counts.curve(), duration_s.map(Duration::from_secs));
        let options = ReplayOptions { pace: Pace::Profile(profile.parse().unwrap()), duration, ..ReplayOptions::default() };
        Timing::of(&options, &Known { requests: 1000, peak_per_s: 10, span_ns: 99_900_000_000, curve: &curve })
    }

    #[test]
    fn a_profile_that_ends_first_leaves_requests_over() {
        let ramp = timing("ramp:rate,to=20,over=50s", None);
        assert_eq!((ramp.scheduled, ramp.duration_ns), (Some(500), Some(50 * S)));
        assert!((ramp.rate_per_s.unwrap() - 10.0).abs() < 1e-9 && (ramp.peak_per_s.unwrap() - 20.0).abs() < 0.1);
        assert!(ramp.notes.is_empty());
        let asked = ramp.asked.unwrap();
        assert_eq!((asked.at_ns[0], *asked.at_ns.last().unwrap(), *asked.requests.last().unwrap()), (0, 50 * S, 500.0));
        assert_eq!(asked.requests[256], 125.0);
    }

    #[test]
    fn content_that_ends_first_is_said() {
        let long = timing("constant:rate,at=20,for=100s", None);
        assert_eq!((long.scheduled, long.duration_ns), (Some(1000), Some(50 * S)));
        assert_eq!(long.notes, ["the trace ends after 50.000 s, before the 100 s asked for; --loop forever goes on until then"]);
        let twice = timing("recorded:x,at=2,for=10s+recorded:x,at=1", Some(30));
        assert_eq!((twice.duration_ns, twice.scheduled.unwrap()), (Some(30 * S), 400));
        assert!(twice.asked.is_some() && timing("recorded:x,at=2", None).asked.is_none());
    }

    #[test]
    fn what_depends_on_the_target_is_not_said() {
        let users = timing("constant:users,at=5,for=10s", None);
        assert_eq!((users.scheduled, users.duration_ns, users.peak_per_s), (Some(1000), None, None));
    }
}
