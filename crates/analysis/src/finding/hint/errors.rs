//! Hints from what failed.

use serde_json::json;
use stats::share::enriched;

use super::Seen;
use crate::Analysis;
use crate::units::{self, duration, share};

/// Failures below which nothing is said of where they lie.
const FAILED_MIN: u64 = 10;
/// Nearly all failures are of one kind of request: at least this share of them,
const OF_ALL_MIN: f64 = 0.8;
/// which fails at this multiple of the others' share,
const RATIO_MIN: f64 = 5.0;
/// with this probability that chance did it, over all kinds that were looked at.
const P_MAX: f64 = 1e-3;
/// Failures begin at an instant when there were none in at least this share of the run before it,
const BEFORE_SHARE_MIN: f64 = 0.2;
/// and some in at least this share of the stretches after it.
const AFTER_SHARE_MIN: f64 = 0.8;
/// Stretches before and after.
const STRETCHES_MIN: usize = 3;

/// Requests of one name, and how many of them failed.
struct Part {
    name: String,
    requests: u64,
    failed: u64,
}

/// Requests by target, collection, operation, and both.
fn parts(analysis: &Analysis) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut add = |name: String, requests: u64, ok: u64| match parts.iter_mut().find(|part| part.name == name) {
        Some(part) => (part.requests, part.failed) = (part.requests + requests, part.failed + requests - ok),
        None => parts.push(Part { name, requests, failed: requests - ok }),
    };
    for group in &analysis.connects.by_target.groups {
        add(format!("target {}", group.names[0]), group.requests, group.ok);
    }
    for group in &analysis.latency.groups {
        add(format!("collection {}", group.collection), group.requests, group.ok);
        add(format!("operation {}", group.operation), group.requests, group.ok);
        add(format!("{} of collection {}", group.operation, group.collection), group.requests, group.ok);
    }
    parts
}

/// Failures of one collection, operation or target alone.
pub(super) fn concentrated(analysis: &Analysis) -> Option<Seen> {
    let (requests, failed) = (analysis.totals.requests, analysis.totals.failed());
    if failed < FAILED_MIN || failed == requests {
        return None;
    }
    let parts = parts(analysis);
    let rate = |failed: u64, requests: u64| failed as f64 / requests.max(1) as f64;
    let p = |part: &Part| enriched(part.failed, part.requests, failed, requests) * parts.len() as f64;
    let outside = |part: &Part| rate(failed - part.failed, requests - part.requests);
    let holds = |part: &&Part| {
        part.requests < requests
            && rate(part.failed, failed) >= OF_ALL_MIN
            && rate(part.failed, part.requests) >= RATIO_MIN * outside(part)
            && p(part) <= P_MAX
    };
    // The narrowest: where the largest share failed; of equals, the first, which is the shortest name.
    let found = parts.iter().filter(holds);
    let part = found
        .reduce(|best, part| if rate(part.failed, part.requests) > rate(best.failed, best.requests) { part } else { best })?;
    let (inside, outside) = (rate(part.failed, part.requests), outside(part));
    let what = format!(
        "{} of the {} failed requests are of {}: {} of these failed, and {} of all others.",
        units::count(part.failed),
        units::count(failed),
        part.name,
        share(inside),
        share(outside)
    );
    Some(Seen {
        what,
        suggests: "The target as a whole is sound: look at what these requests alone need (its data, its index, its permissions, its node), and \
                   replay them alone with --collection or --operation."
            .to_owned(),
        figures: json!({ "failed": failed, "failed_inside": part.failed, "share_inside": inside, "share_outside": outside, "p": p(part).min(1.0) }),
        evidence: "outcomes: ok by collection, operation and target; Fisher's exact test, times the kinds looked at",
    })
}

/// Nothing failed up to an instant, and much from then on.
pub(super) fn since(analysis: &Analysis) -> Option<Seen> {
    let rates = &analysis.rates;
    let failed: u64 = rates.failed.iter().sum();
    let first = rates.failed.iter().position(|failed| *failed > 0)?;
    let before: u64 = rates.due[..first].iter().sum();
    let after: Vec<bool> =
        rates.due.iter().zip(&rates.failed).skip(first).filter(|(due, _)| **due > 0).map(|(_, failed)| *failed > 0).collect();
    let with = after.iter().filter(|some| **some).count();
    let due_after: u64 = rates.due[first..].iter().sum();
    let share_after = failed as f64 / due_after.max(1) as f64;
    let by_chance = (1.0 - share_after.min(1.0 - 1e-12)).powf(before as f64);
    let holds = failed >= FAILED_MIN
        && first >= STRETCHES_MIN
        && first as f64 >= BEFORE_SHARE_MIN * rates.bins.count as f64
        && after.len() >= STRETCHES_MIN
        && with as f64 >= AFTER_SHARE_MIN * after.len() as f64
        && by_chance <= P_MAX;
    if !holds {
        return None;
    }
    let at_ns = analysis.failures.iter().map(|failure| failure.first_ns).min()?;
    let near_ns = 2 * rates.bins.width_ns.max(1_000_000_000);
    let event = analysis.resources.iter().flat_map(|seen| &seen.events).find(|event| (event.run_ns - at_ns).abs() <= near_ns);
    let event = event.map(|event| {
        format!(" At {} the probe {} saw: {} ({}).", duration(event.run_ns as f64), event.source, event.kind, event.detail)
    });
    let elapsed_ns = (at_ns - rates.bins.start_ns) as f64;
    Some(Seen {
        what: format!("No request failed in the first {}; {} of those due later did.", duration(elapsed_ns), share(share_after)),
        suggests: format!(
            "Something changed at that instant and lasted: a restart, a full disk or pool, an expired credential, a limit that was reached.{}",
            event.unwrap_or_else(|| " Look at the target's log there.".to_owned())
        ),
        figures: json!({ "since_ns": at_ns, "failed": failed, "due_before": before, "share_after": share_after }),
        evidence: "outcomes: ok by due_ns; events.jsonl",
    })
}
