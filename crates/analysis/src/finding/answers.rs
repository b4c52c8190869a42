//! What was answered: good answers, failures, agreement with the recorded ones.

use serde_json::json;

use super::{Judged, Verdict};
use crate::{Analysis, units};

/// Where a larger share of the requests failed, and nobody said by a threshold how many may, the run did not succeed.
const FAILED_SHARE_MAX: f64 = 0.5;

pub(super) fn answers(analysis: &Analysis) -> Judged {
    let totals = &analysis.totals;
    let failed = totals.failed();
    let most = analysis.failures.first().map(|failure| format!(", most often: {}", failure.kind)).unwrap_or_default();
    let share = units::share(totals.share(failed));
    let (verdict, title) = match (totals.ok, failed) {
        (_, 0) => (Verdict::Pass, "Every request got a good answer.".to_owned()),
        (0, _) => (Verdict::Fail, format!("No request got a good answer{most}.")),
        _ => {
            let mostly = totals.share(failed) > FAILED_SHARE_MAX && analysis.thresholds.is_empty();
            let title = format!("{share} of the requests ({}) got no good answer{most}.", units::count(failed));
            (if mostly { Verdict::Fail } else { Verdict::Warn }, title)
        }
    };
    let figures = json!({ "requests": totals.requests, "ok": totals.ok, "failed": failed, "failed_share": totals.share(failed) });
    Judged { title, verdict, figures, interval: None, evidence: "outcomes: ok, error, status" }
}

pub(super) fn agreement(analysis: &Analysis) -> Judged {
    let all = &analysis.agreement.overall;
    let evidence = "outcomes: match, recall, rank_correlation";
    if all.compared == 0 {
        let title = "Answers were not compared with the recorded ones.".to_owned();
        return Judged { title, verdict: Verdict::Info, figures: json!({ "compared": 0 }), interval: None, evidence };
    }
    let (agreeing, differing) = (all.agreeing(), all.differing());
    let answers = units::counted(agreeing + differing, "answer");
    let recall = all.recall_mean.map(|mean| format!("; recall of their ids is {mean:.3} on average")).unwrap_or_default();
    let unknown = match all.unknown {
        0 => String::new(),
        count => format!("; of {} nothing can be said", units::count(count)),
    };
    let (verdict, title) = match (agreeing, differing) {
        (0, 0) => (Verdict::Insufficient, format!("Nothing can be said of the {}.", units::counted(all.unknown, "answer"))),
        (_, 0) => (Verdict::Pass, format!("All of {answers} agree with the recorded ones{recall}{unknown}.")),
        _ => {
            let share = units::share(differing as f64 / (agreeing + differing) as f64);
            let title =
                format!("{share} of {answers} ({}) differ from the recorded ones{recall}{unknown}.", units::count(differing));
            (Verdict::Warn, title)
        }
    };
    Judged { title, verdict, figures: json!(all.figures()), interval: None, evidence }
}
