//! Whether the run is whole.

use std::ops::RangeInclusive;

use serde_json::json;
use trace::{ClockPair, RunInfo, RunStatus};

use super::{Judged, Verdict};
use crate::{Analysis, units};

pub(super) fn complete(analysis: &Analysis) -> Judged {
    let (have, totals) = (analysis.whole.requests, &analysis.totals);
    let (verdict, title) = completeness(&analysis.info, have, Some(totals.requests - totals.aborted), &analysis.missing_parts);
    let figures = json!({
        "requests": analysis.info.requests,
        "outcomes": have,
        "aborted": totals.aborted,
        "missing_parts": analysis.missing_parts.iter().map(|hole| json!([hole.start(), hole.end()])).collect::<Vec<_>>(),
    });
    Judged {
        title,
        verdict,
        figures,
        interval: None,
        evidence: "run.json: status, requests; number of outcomes; names of their files",
    }
}

/// Whether there is all that there should be: `have` outcomes, of which `sent` were not cut off by the end of the run.
pub(crate) fn completeness(info: &RunInfo, have: u64, sent: Option<u64>, missing: &[RangeInclusive<u32>]) -> (Verdict, String) {
    let requests = units::counted(info.requests, "request");
    if !missing.is_empty() {
        let title = format!(
            "{} of {requests} have an outcome: {} missing from the run's folder, and no figure holds what was in it.",
            units::count(have),
            missing_parts(missing)
        );
        return (Verdict::Fail, title);
    }
    match info.status {
        RunStatus::Complete if have == info.requests => {
            (Verdict::Pass, "The run is complete, with an outcome for every request.".to_owned())
        }
        RunStatus::Complete => {
            (Verdict::Fail, format!("The run calls itself complete, but {} of {requests} have an outcome.", units::count(have)))
        }
        RunStatus::Stopped => {
            let cut = sent.map_or_else(String::new, |sent| {
                format!(": {} of {requests} were not sent", units::count(have.saturating_sub(sent)))
            });
            (Verdict::Info, format!("The run was stopped early{cut}."))
        }
        RunStatus::Aborted => (Verdict::Fail, aborted(info, sent)),
        RunStatus::Running => (
            Verdict::Warn,
            format!("The run is still going or was killed: {} of {requests} have an outcome.", units::count(have)),
        ),
        RunStatus::Failed => (
            Verdict::Fail,
            format!("The run could not go on: {} of {requests} have an outcome; run.log says why.", units::count(have)),
        ),
    }
}

/// The holes in the numbers of the files, in words.
fn missing_parts(missing: &[RangeInclusive<u32>]) -> String {
    let hole = |hole: &RangeInclusive<u32>| match (hole.start(), hole.end()) {
        (first, last) if first == last => format!("{first:06}"),
        (first, last) => format!("{first:06} to {last:06}"),
    };
    let holes: Vec<String> = missing.iter().map(hole).collect();
    let one = missing.len() == 1 && missing[0].start() == missing[0].end();
    format!("part{} {} of the outcomes {}", if one { "" } else { "s" }, holes.join(", "), if one { "is" } else { "are" })
}

/// Which condition ended the run, and what it left unsent.
fn aborted(info: &RunInfo, sent: Option<u64>) -> String {
    let told = &info.figures["aborted"];
    let condition = told["condition"].as_str().unwrap_or("a condition");
    let measured = told["measured"].as_f64().unwrap_or(f64::NAN);
    let measured = match told["unit"].as_str() {
        Some("share") => units::share(measured),
        Some("ns") => units::duration(measured),
        Some("per_s") => units::per_s(measured),
        _ => format!("{measured:.1}"),
    };
    let at = units::duration(told["at_ns"].as_f64().unwrap_or(f64::NAN));
    let sent = sent.map_or_else(String::new, |sent| format!(" and {}", units::counted(sent, "request")));
    format!("The run was aborted after {at}{sent} by {condition}: it was {measured}.")
}

/// Two clocks may part by so much between two readings, and by [`CLOCK_SLEW_MAX`] of the time between them.
const CLOCK_STEP_MAX_NS: f64 = 10e6;

/// A clock that is being set right runs at most so much faster or slower: the bound of NTP's clock discipline (RFC 5905, §11.3, 500 ppm).
const CLOCK_SLEW_MAX: f64 = 500e-6;

/// Whether the wall clock was set during the run, by the pairs of readings in `run.json`; of interest only where it was.
pub(super) fn clocks(analysis: &Analysis) -> Option<Judged> {
    let jump = |pair: &[ClockPair]| {
        let run_ns = (pair[1].run_ns - pair[0].run_ns) as f64;
        let jump_ns = (pair[1].unix_ns - pair[0].unix_ns) as f64 - run_ns;
        (jump_ns.abs() > CLOCK_STEP_MAX_NS + CLOCK_SLEW_MAX * run_ns.abs()).then_some((pair[0].run_ns, pair[1].run_ns, jump_ns))
    };
    let jumps: Vec<(i64, i64, f64)> = analysis.info.clocks.windows(2).filter_map(jump).collect();
    let (from_ns, to_ns, jump_ns) = *jumps.iter().max_by(|a, b| a.2.abs().total_cmp(&b.2.abs()))?;
    let place = units::interval(from_ns as f64, to_ns as f64);
    let ahead = if jump_ns > 0.0 { "ahead" } else { "back" };
    let title = format!(
        "The wall clock was set {ahead} by {} during the run ({place}): no duration is touched by it, but times of day after it do not fit \
         those before, in logs of the target too.",
        units::duration(jump_ns.abs())
    );
    let figures = json!({ "jumps": jumps.len(), "largest_ns": jump_ns, "from_ns": from_ns, "to_ns": to_ns });
    Some(Judged { title, verdict: Verdict::Warn, figures, interval: None, evidence: "run.json: clocks" })
}
