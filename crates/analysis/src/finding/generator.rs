//! Whether the generator did its part: lateness, timing, limits of its own.

use serde_json::{Value, json};
use stats::fidelity::{Criterion, Verdict as Timing};
use trace::Unit;

use super::{Judged, Verdict};
use crate::{Analysis, units};

/// Above this share of queued requests a run is limit-bound.
const QUEUED_SHARE_MAX: f64 = 0.01;

pub(super) fn generator(analysis: &Analysis) -> Judged {
    let fidelity = &analysis.timing.fidelity;
    let counted = fidelity.lateness.map_or(0, |lateness| lateness.p99_ns.cast_signed());
    let lateness = analysis.timing.lateness.value_ns(0.99).unwrap_or(counted);
    let late = units::duration(lateness as f64);
    let checks = fidelity.checks.iter().filter(|check| !check.holds());
    let level =
        checks.map(|check| check.criterion).find(|one| [Criterion::LatenessP99Ns, Criterion::LatenessP999Ns].contains(one));
    let (spoilt, at) = match (level, fidelity.lateness) {
        (Some(Criterion::LatenessP999Ns), Some(counted)) => (units::duration(counted.p999_ns as f64), "99.9th"),
        _ => (late.clone(), "99th"),
    };
    let named = analysis.timing.limit.named_ns();
    let allowed = named.map_or(String::new(), |ns| format!(" (--max-lateness {})", Unit::Ns.write(ns)));
    let (verdict, title) = match (fidelity.generator_limited, fidelity.missed_by_generator) {
        (false, _) if fidelity.sent == 0 => {
            (Verdict::Insufficient, "Nothing was sent, so nothing is known of the generator.".to_owned())
        }
        (false, _) => (
            Verdict::Pass,
            format!("The generator kept up: 99 % of the requests left at most {late} late by its own doing{allowed}."),
        ),
        (true, 0) => (
            Verdict::Invalid,
            format!(
                "INVALID: generator-limited. Its own lateness was {spoilt} at the {at} percentile{allowed}; use a faster or idler machine, or a lower rate."
            ),
        ),
        (true, shed) => {
            let shed = units::counted(shed, "request");
            (
                Verdict::Invalid,
                format!(
                    "INVALID: generator-limited. It shed {shed} at its own limits of bytes or descriptors; raise them, or lower the rate."
                ),
            )
        }
    };
    let figures = json!({
        "lateness_p99_ns": lateness,
        "missed_by_generator": fidelity.missed_by_generator,
        "unaccounted": fidelity.unaccounted,
    });
    Judged {
        title, verdict, figures, interval: None, evidence: "outcomes: |sent_ns − due_ns − blocked_ns − queued_ns|, error"
    }
}

/// What must not be read into the latencies of a closed loop.
const CLOSED_LOOP: &str = "A closed loop: users waited for their answers, so a slow target lowered the load, and response time is little \
    more than service time. Users were served on time.";

pub(super) fn timing(analysis: &Analysis) -> Judged {
    let fidelity = &analysis.timing.fidelity;
    let missed = fidelity.first_failing.map_or("", criterion_text);
    let (verdict, title) = match fidelity.verdict {
        None => (Verdict::Insufficient, "Nothing was sent, so the timing cannot be judged.".to_owned()),
        Some(Timing::Kept) if analysis.timing.closed_loop => (Verdict::Pass, CLOSED_LOOP.to_owned()),
        Some(Timing::Kept) => (Verdict::Pass, "The timing was kept.".to_owned()),
        Some(Timing::Degraded) => (Verdict::Warn, format!("The timing was degraded: {missed} is out of bounds.")),
        Some(Timing::Lost) => (Verdict::Fail, format!("The timing was lost: {missed} is far out of bounds.")),
    };
    let figures = fidelity.checks.iter().map(|check| (check.criterion.as_str().to_owned(), json!(check.value))).collect();
    let evidence = "outcomes: due_ns against sent_ns − blocked_ns − queued_ns";
    Judged { title, verdict, figures: Value::Object(figures), interval: None, evidence }
}

/// A criterion in words.
pub(crate) fn criterion_text(criterion: Criterion) -> &'static str {
    match criterion {
        Criterion::MissingShare => "share of requests missing",
        Criterion::LatenessP99Ns => "lateness at the 99th percentile",
        Criterion::LatenessP999Ns => "lateness at the 99.9th percentile",
        Criterion::InterArrivalW1Ns => "distance of the inter-arrival times",
        Criterion::DispersionError => "error of the index of dispersion",
        Criterion::RateDrift => "drift of the rate",
    }
}

pub(super) fn limits(analysis: &Analysis) -> Judged {
    let totals = &analysis.totals;
    let queued_share = if totals.sent > 0 { totals.queued as f64 / totals.sent as f64 } else { 0.0 };
    let flags: Vec<&str> = analysis.failures.iter().filter_map(|failure| failure.kind.strip_prefix("shed:")).collect();
    let (verdict, title) = if totals.shed > 0 {
        let shed = units::counted(totals.shed, "request");
        (Verdict::Warn, format!("{shed} were shed at these limits: {}.", flags.join(", ")))
    } else if queued_share > QUEUED_SHARE_MAX {
        let share = units::share(queued_share);
        (
            Verdict::Warn,
            format!(
                "The run was limit-bound: {share} of the requests waited for a connection to be free; raise --max-connections."
            ),
        )
    } else {
        (Verdict::Pass, "No limit of the generator was in the way.".to_owned())
    };
    let figures = json!({ "shed": totals.shed, "queued": totals.queued, "queued_share": queued_share });
    Judged { title, verdict, figures, interval: None, evidence: "outcomes: error, queued_ns, connect_ns" }
}
