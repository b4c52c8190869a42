//! How long answers took, and how much of that was waiting before the send.

use serde_json::json;

use super::{Interval, Judged, Verdict};
use crate::distribution::CONFIDENCE;
use crate::{Analysis, units};

/// Response p99 may exceed service p99 by this share before it is called waiting.
const WAITING_SHARE_MAX: f64 = 0.1;

pub(super) fn latency(analysis: &Analysis) -> Judged {
    let response = &analysis.latency.overall.response;
    let evidence = "outcomes: done_ns − due_ns where error is null or `answer`";
    let Some(p99) = response.at(0.99) else {
        let title = format!("{}: too few for a 99th percentile.", units::counted(response.count, "answer"));
        return Judged {
            title,
            verdict: Verdict::Insufficient,
            figures: json!({ "answers": response.count }),
            interval: None,
            evidence,
        };
    };
    let value = p99.value_ns.unwrap_or_default() as f64;
    let ends = p99.low_ns.zip(p99.high_ns).map(|(low, high)| (low as f64, high as f64));
    let interval = ends.map(|(low, high)| Interval { of: "p99_ns", low, high, confidence: CONFIDENCE });
    let range = ends.map_or_else(String::new, |(low, high)| format!(" (95 % confidence: {})", units::interval(low, high)));
    let title = format!("99 % of the answers came within {}{range}.", units::duration(value));
    let figures =
        json!({ "answers": response.count, "p50_ns": response.value_ns(0.5), "p99_ns": p99.value_ns, "max_ns": response.max_ns });
    Judged { title, verdict: Verdict::Info, figures, interval, evidence }
}

pub(super) fn waiting(analysis: &Analysis) -> Judged {
    let times = &analysis.latency.overall;
    let evidence = "outcomes: done_ns − due_ns against done_ns − sent_ns where error is null or `answer`";
    let figures = |response, service| json!({ "response_p99_ns": response, "service_p99_ns": service });
    let Some((response, service)) = times.response.value_ns(0.99).zip(times.service.value_ns(0.99)) else {
        let title = "Too few answers to compare response with service time.".to_owned();
        return Judged { title, verdict: Verdict::Insufficient, figures: json!({}), interval: None, evidence };
    };
    let excess = (response - service) as f64 / (service.max(1)) as f64;
    let (verdict, title) = if excess > WAITING_SHARE_MAX {
        let (response, service) = (units::duration(response as f64), units::duration(service as f64));
        let title = format!(
            "Requests waited before they were sent: p99 is {response} from due to done, but {service} from sent to done."
        );
        (Verdict::Warn, title)
    } else {
        (Verdict::Pass, "Response and service time agree at the 99th percentile: requests did not wait to be sent.".to_owned())
    };
    Judged { title, verdict, figures: figures(response, service), interval: None, evidence }
}
