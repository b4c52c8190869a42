//! Whether what was offered was sent.

use serde_json::json;

use super::{Judged, Verdict};
use crate::{Analysis, units};

/// Achieved may fall behind offered by this share.
const BEHIND_SHARE_MAX: f64 = 0.01;

pub(super) fn throughput(analysis: &Analysis) -> Judged {
    let totals = &analysis.totals;
    let evidence = "outcomes: due_ns, sent_ns, done_ns, ok";
    let goodput = totals.amount_per_s(totals.ok);
    let Some((offered, achieved)) = totals.offered_per_s().zip(totals.achieved_per_s()) else {
        let title = "Too few requests were sent to speak of a rate.".to_owned();
        return Judged {
            title,
            verdict: Verdict::Insufficient,
            figures: json!({ "sent": totals.sent }),
            interval: None,
            evidence,
        };
    };
    let behind = 1.0 - achieved / offered;
    let rates = format!("{} of {} offered", units::per_s(achieved), units::per_s(offered));
    let (verdict, title) = if behind > BEHIND_SHARE_MAX {
        (Verdict::Warn, format!("The achieved rate fell behind: {rates}."))
    } else {
        (Verdict::Pass, format!("The offered rate was achieved: {rates}."))
    };
    let figures = json!({ "offered_per_s": offered, "achieved_per_s": achieved, "goodput_per_s": goodput });
    Judged { title, verdict, figures, interval: None, evidence }
}
