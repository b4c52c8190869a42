//! Which phase of a run an instant lies in: the warm-up first, then those of the profile.

use serde::Serialize;
use trace::RunNs;

use crate::profile::Profile;
use crate::schedule::Pace;

/// The phase of everything due before the warm-up is over.
pub const WARMUP: &str = "warmup";
/// The only phase of a run as fast as possible.
const MAX: &str = "max";

/// The phases of a run.
#[derive(Debug, Clone)]
pub struct Phases {
    names: Vec<String>,
    warmup: Option<RunNs>,
    profile: Option<Profile>,
}

/// A phase and when it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Begin {
    /// Its name, as in the outcomes.
    pub name: String,
    /// Since run start, ns.
    pub from_ns: i64,
}

impl Phases {
    /// Those of a pace, after a warm-up that ends at an instant.
    #[must_use]
    pub fn new(pace: &Pace, warmup: Option<RunNs>) -> Self {
        let profile = if let Pace::Profile(profile) = pace { Some(profile.clone()) } else { None };
        let of_profile = profile.as_ref().map_or_else(|| vec![MAX.to_owned()], |profile| profile.phases().to_vec());
        let names = warmup.iter().map(|_| WARMUP.to_owned()).chain(of_profile).collect();
        Self { names, warmup, profile }
    }

    /// The phase of what is due at `due`, as a place among the names.
    #[must_use]
    pub fn of(&self, due: RunNs) -> usize {
        if self.is_warmup(due) {
            return 0;
        }
        usize::from(self.warmup.is_some()) + self.profile.as_ref().map_or(0, |profile| profile.phase_at(due))
    }

    /// Whether what is due at `due` is no part of any figure.
    #[must_use]
    pub fn is_warmup(&self, due: RunNs) -> bool {
        self.warmup.is_some_and(|end| due < end)
    }

    /// The name of a phase.
    #[must_use]
    pub fn name(&self, phase: usize) -> &str {
        &self.names[phase]
    }

    /// Each phase that a run until `end` comes to, and when it begins.
    #[must_use]
    pub fn begins(&self, end: Option<RunNs>) -> Vec<Begin> {
        let starts = self.profile.as_ref().map_or_else(|| vec![RunNs(0)], Profile::phase_starts);
        let warm = self.warmup.unwrap_or(RunNs(0));
        let ends = starts.iter().skip(1).copied().chain([RunNs(i64::MAX)]);
        let reached =
            starts.iter().zip(ends).zip(&self.names[self.names.len() - starts.len()..]).filter(|((_, end), _)| *end > warm);
        let of_profile = reached.map(|((start, _), name)| Begin { name: name.clone(), from_ns: start.ns().max(warm.ns()) });
        let warmup = self.warmup.iter().map(|_| Begin { name: WARMUP.to_owned(), from_ns: 0 });
        warmup.chain(of_profile).filter(|begin| begin.from_ns == 0 || end.is_none_or(|end| begin.from_ns <= end.ns())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    fn phases(text: &str, warmup_s: Option<i64>) -> Phases {
        Phases::new(&Pace::Profile(text.parse().unwrap()), warmup_s.map(|s| RunNs(s * S)))
    }

    #[test]
    fn a_warmup_comes_before_what_is_left_of_the_profile() {
        let steps = phases("steps:rate,from=1,to=3,by=1,hold=10s", Some(12));
        let names: Vec<&str> = [0, 11, 12, 19, 20, 29].map(|s| steps.name(steps.of(RunNs(s * S)))).to_vec();
        assert_eq!(names, ["warmup", "warmup", "step-2", "step-2", "step-3", "step-3"]);
        assert_eq!([0, 12].map(|s| steps.is_warmup(RunNs(s * S))), [true, false]);
        let begins: Vec<(String, i64)> = steps.begins(Some(RunNs(30 * S))).into_iter().map(|b| (b.name, b.from_ns / S)).collect();
        assert_eq!(begins, [("warmup".to_owned(), 0), ("step-2".to_owned(), 12), ("step-3".to_owned(), 20)]);
        assert_eq!(steps.begins(Some(RunNs(15 * S))).len(), 2);
    }

    #[test]
    fn a_plain_run_has_one_phase() {
        let plain = phases("recorded:x,at=2", None);
        assert_eq!(plain.begins(None), [Begin { name: "recorded".to_owned(), from_ns: 0 }]);
        assert_eq!(Phases::new(&Pace::Max, None).name(0), "max");
    }
}
