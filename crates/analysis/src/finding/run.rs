//! Whether the run is whole.

use serde_json::json;
use trace::RunStatus;

use super::{Judged, Verdict};
use crate::{Analysis, units};

pub(super) fn complete(analysis: &Analysis) -> Judged {
    let (have, due) = (analysis.whole.requests, analysis.info.requests);
    let requests = units::counted(due, "request");
    let (verdict, title) = match analysis.info.status {
        RunStatus::Complete if have == due => {
            (Verdict::Pass, "The run is complete, with an outcome for every request.".to_owned())
        }
        RunStatus::Complete => {
            (Verdict::Fail, format!("The run calls itself complete, but {} of {requests} have an outcome.", units::count(have)))
        }
        RunStatus::Stopped => (
            Verdict::Info,
            format!("The run was stopped early: {} of {requests} were not sent.", units::count(analysis.totals.aborted)),
        ),
        RunStatus::Aborted => (Verdict::Fail, aborted(analysis)),
        RunStatus::Running => (
            Verdict::Warn,
            format!("The run is still going or was killed: {} of {requests} have an outcome.", units::count(have)),
        ),
        RunStatus::Failed => (
            Verdict::Fail,
            format!("The run could not go on: {} of {requests} have an outcome; run.log says why.", units::count(have)),
        ),
    };
    let figures = json!({ "requests": due, "outcomes": have, "aborted": analysis.totals.aborted });
    Judged { title, verdict, figures, interval: None, evidence: "run.json: status, requests; number of outcomes" }
}

/// Which condition ended the run, and what it left unsent.
fn aborted(analysis: &Analysis) -> String {
    let told = &analysis.info.figures["aborted"];
    let condition = told["condition"].as_str().unwrap_or("a condition");
    let measured = told["measured"].as_f64().unwrap_or(f64::NAN);
    let measured = match told["unit"].as_str() {
        Some("share") => units::share(measured),
        Some("ns") => units::duration(measured),
        Some("per_s") => units::per_s(measured),
        _ => format!("{measured:.1}"),
    };
    let at = units::duration(told["at_ns"].as_f64().unwrap_or(f64::NAN));
    let sent = units::counted(analysis.totals.requests - analysis.totals.aborted, "request");
    format!("The run was aborted after {at} and {sent} by {condition}: it was {measured}.")
}
