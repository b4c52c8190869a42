//! Whether what was asked of the run holds.

use serde_json::json;

use super::{Judged, Verdict};
use crate::{Analysis, units};

/// Thresholds named in one sentence.
const NAMED_MAX: usize = 3;

/// `None` where none were given.
pub(super) fn thresholds(analysis: &Analysis) -> Option<Judged> {
    let all = &analysis.thresholds;
    let count = |verdict: Verdict| all.iter().filter(|one| one.verdict == verdict).count();
    let (passed, failed) = (count(Verdict::Pass), count(Verdict::Fail));
    let missed: Vec<String> = all.iter().filter(|one| one.verdict == Verdict::Fail).map(|one| one.sentence()).collect();
    let more = missed.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!(" And {more} more.") } else { String::new() };
    let of = units::counted(all.len() as u64, "threshold");
    let (verdict, title) = match all.first().map(|first| first.verdict)? {
        Verdict::Invalid => (Verdict::Info, format!("The {of} could not be judged: {}.", all[0].note)),
        _ if failed > 0 => {
            let is = if failed == 1 { "is" } else { "are" };
            (Verdict::Fail, format!("{failed} of {of} {is} missed. {}{more}", missed[..missed.len().min(NAMED_MAX)].join(" ")))
        }
        _ if passed == all.len() => {
            (Verdict::Pass, format!("{}.", if passed == 1 { "The threshold holds".to_owned() } else { format!("All {of} hold") }))
        }
        _ => {
            let left = all.len() - passed;
            (Verdict::Insufficient, format!("{passed} of {of} hold; of {left} too little is known."))
        }
    };
    let figures = json!({ "thresholds": all.len(), "passed": passed, "failed": failed, "unknown": all.len() - passed - failed });
    Some(Judged { title, verdict, figures, interval: None, evidence: "thresholds" })
}
