//! The phases of a run, as `run.json` lists them, and the figures of each.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use trace::RunInfo;

use crate::breakdown::{self, Breakdown};
use crate::latency::{GROUPS_MAX, Group, Times};
use crate::totals::Totals;
use crate::{Result, Run};

/// The phase that is part of no figure.
pub const WARMUP: &str = "warmup";

/// What `run.json` says about phases. A run without a word about them has none.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Phases {
    /// When the warm-up is over, ns since run start.
    pub warmup_ns: Option<i64>,
    /// Every phase, in order.
    #[serde(rename = "phases")]
    pub begins: Vec<Begin>,
    /// The rate asked for over time, where it was not the same all the time.
    #[serde(rename = "asked_rate")]
    pub asked: Option<Asked>,
    /// The users asked for over time, in a closed loop.
    #[serde(rename = "asked_users")]
    pub users: Option<Users>,
}

/// A phase and when it begins.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Begin {
    /// Its name, as in the outcomes.
    pub name: String,
    /// Since run start, ns.
    pub from_ns: i64,
}

/// Requests that were to be due until each instant: Λ(t).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Asked {
    /// Since run start, ns, rising.
    pub at_ns: Vec<i64>,
    /// Requests until then, as many as instants.
    pub requests: Vec<f64>,
}

/// Users under way from each instant on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Users {
    /// Since run start, ns, rising.
    pub at_ns: Vec<i64>,
    /// How many from then on.
    pub users: Vec<u32>,
}

/// The figures of one phase.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Phase {
    /// Its name.
    pub phase: String,
    /// When it begins, ns since run start.
    pub from_ns: i64,
    /// When it ends, or the last request was due.
    pub to_ns: i64,
    /// Requests due.
    pub requests: u64,
    /// Good answers.
    pub ok: u64,
    /// Requests per second that were asked for; `null` where the rate was the same all the time.
    pub asked_per_s: Option<f64>,
    /// Requests that were due per second.
    pub offered_per_s: Option<f64>,
    /// Times of the answered requests.
    #[serde(flatten)]
    pub times: Times,
    /// The same by collection and operation.
    pub groups: Vec<Group>,
}

impl Phases {
    /// What the run says of itself.
    #[must_use]
    pub fn of(info: &RunInfo) -> Self {
        serde_json::from_value(info.asked.clone()).unwrap_or_default()
    }

    /// Whether there is a warm-up.
    #[must_use]
    pub fn has_warmup(&self) -> bool {
        self.warmup_ns.is_some()
    }

    /// Figures of each phase but the warm-up, where there are several; two looks at the run.
    ///
    /// # Errors
    /// [`crate::Error::Outcomes`] when a part is damaged.
    pub fn load(&self, run: &Run, totals: &Totals) -> Result<Vec<Phase>> {
        let measured: Vec<&Begin> = self.begins.iter().filter(|begin| begin.name != WARMUP).collect();
        if measured.len() < 2 {
            return Ok(Vec::new());
        }
        let groups_max = GROUPS_MAX * measured.len();
        let wholes = by_phase(Breakdown::of_up_to(groups_max, run, &["phase"], &Times::MEASURES)?);
        let by = ["phase", "collection", "operation"];
        let groups = by_phase(Breakdown::of_up_to(groups_max, run, &by, &Times::MEASURES)?);
        let ends = measured.iter().skip(1).map(|begin| begin.from_ns).chain([totals.last_due_ns]);
        let phase = |(begin, end_ns): (&&Begin, i64)| {
            let whole = wholes.get(&begin.name).and_then(|whole| whole.first().cloned());
            let groups = groups.get(&begin.name).cloned().unwrap_or_default().into_iter().map(Group::from).collect();
            self.phase(begin, end_ns.min(totals.last_due_ns).max(begin.from_ns), whole, groups)
        };
        Ok(measured.iter().zip(ends).map(phase).collect())
    }

    fn phase(&self, begin: &Begin, to_ns: i64, whole: Option<breakdown::Group>, groups: Vec<Group>) -> Phase {
        let (requests, ok, times) = whole.map_or((0, 0, Vec::new()), |whole| (whole.requests, whole.ok, whole.times));
        let seconds = Some((to_ns - begin.from_ns) as f64 / 1e9).filter(|seconds| *seconds > 0.0);
        Phase {
            phase: begin.name.clone(),
            from_ns: begin.from_ns,
            to_ns,
            requests,
            ok,
            asked_per_s: self.asked.as_ref().and_then(|asked| asked.per_s(begin.from_ns, to_ns)),
            offered_per_s: seconds.map(|seconds| requests as f64 / seconds),
            times: Times::of(times),
            groups,
        }
    }
}

/// The groups of each phase, whose name is their first word.
fn by_phase(breakdown: Breakdown) -> HashMap<String, Vec<breakdown::Group>> {
    let mut phases: HashMap<String, Vec<breakdown::Group>> = HashMap::new();
    for group in breakdown.groups {
        phases.entry(group.names[0].clone()).or_default().push(group);
    }
    phases
}

impl Asked {
    /// Mean rate between two instants; beyond the last one known, as between the last two.
    #[must_use]
    pub fn per_s(&self, from_ns: i64, to_ns: i64) -> Option<f64> {
        let requests = self.until(to_ns)? - self.until(from_ns)?;
        (to_ns > from_ns).then(|| requests / ((to_ns - from_ns) as f64 / 1e9))
    }

    fn until(&self, at_ns: i64) -> Option<f64> {
        let after = self.at_ns.partition_point(|known| *known <= at_ns).clamp(1, self.at_ns.len().checked_sub(1)?.max(1));
        let (from_ns, to_ns) = (self.at_ns.get(after - 1)?, self.at_ns.get(after)?);
        let (from, to) = (self.requests.get(after - 1)?, self.requests.get(after)?);
        Some(from + (to - from) * (at_ns - from_ns) as f64 / (to_ns - from_ns).max(1) as f64)
    }
}

impl Users {
    /// Their mean number between two instants, weighted by time.
    #[must_use]
    pub fn mean(&self, from_ns: i64, to_ns: i64) -> f64 {
        let ends = self.at_ns.iter().skip(1).copied().chain([i64::MAX]);
        let levels = self.at_ns.iter().zip(ends).zip(&self.users);
        let inside = levels.map(|((since_ns, until_ns), users)| {
            let ns = (until_ns.min(to_ns) - (*since_ns).max(from_ns)).max(0);
            f64::from(*users) * ns as f64
        });
        inside.sum::<f64>() / (to_ns - from_ns).max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    #[test]
    fn the_rate_asked_for_is_the_slope_of_its_integral() {
        let asked = Asked { at_ns: vec![0, 10 * S, 20 * S], requests: vec![0.0, 100.0, 100.0] };
        assert_eq!(asked.per_s(0, 10 * S), Some(10.0));
        assert_eq!(asked.per_s(5 * S, 15 * S), Some(5.0));
        assert_eq!(asked.per_s(18 * S, 30 * S), Some(0.0));
        assert_eq!(asked.per_s(5 * S, 5 * S), None);
        assert_eq!(Asked { at_ns: vec![], requests: vec![] }.per_s(0, S), None);
    }
}
