//! How long answers took, and how much of that was waiting before the send.

use serde::Serialize;
use serde_json::json;

use super::{Interval, Judged, Verdict};
use crate::distribution::{CONFIDENCE, Distribution};
use crate::latency::Group;
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

/// By which share response p99 exceeds service p99; both and the excess, `None` where there are too few answers.
fn excess(response: &Distribution, service: &Distribution) -> Option<(i64, i64, f64)> {
    let (response, service) = response.value_ns(0.99).zip(service.value_ns(0.99))?;
    Some((response, service, (response - service) as f64 / service.max(1) as f64))
}

pub(super) fn waiting(analysis: &Analysis) -> Judged {
    let times = &analysis.latency.overall;
    let evidence = "outcomes: done_ns − due_ns against done_ns − sent_ns where error is null or `answer`";
    let Some((response, service, share)) = excess(&times.response, &times.service) else {
        let title = "Too few answers to compare response with service time.".to_owned();
        return Judged { title, verdict: Verdict::Insufficient, figures: json!({}), interval: None, evidence };
    };
    let groups: Vec<Waiting<'_>> = analysis.latency.groups.iter().filter_map(Waiting::of).collect();
    let worst = groups.iter().max_by(|a, b| a.excess.total_cmp(&b.excess));
    let both = |response: i64, service: i64| (units::duration(response as f64), units::duration(service as f64));
    let (verdict, title) = match worst {
        _ if share > WAITING_SHARE_MAX => {
            let (response, service) = both(response, service);
            let title = format!(
                "Requests waited before they were sent: p99 is {response} from due to done, but {service} from sent to done."
            );
            (Verdict::Warn, title)
        }
        Some(worst) => {
            let (response, service) = both(worst.response_p99_ns, worst.service_p99_ns);
            let title = format!(
                "Some requests waited before they were sent, most of all {} {}: p99 is {response} from due to done, but {service} from sent \
                 to done.",
                worst.collection, worst.operation
            );
            (Verdict::Warn, title)
        }
        None => (
            Verdict::Pass,
            "Response and service time agree at the 99th percentile: requests did not wait to be sent.".to_owned(),
        ),
    };
    let figures = json!({ "response_p99_ns": response, "service_p99_ns": service, "groups": groups });
    Judged { title, verdict, figures, interval: None, evidence }
}

/// A group whose requests waited.
#[derive(Serialize)]
struct Waiting<'a> {
    collection: &'a str,
    operation: &'a str,
    response_p99_ns: i64,
    service_p99_ns: i64,
    #[serde(skip)]
    excess: f64,
}

impl<'a> Waiting<'a> {
    fn of(group: &'a Group) -> Option<Self> {
        let (response_p99_ns, service_p99_ns, excess) = excess(&group.times.response, &group.times.service)?;
        let (collection, operation) = (&group.collection, &group.operation);
        (excess > WAITING_SHARE_MAX).then_some(Self { collection, operation, response_p99_ns, service_p99_ns, excess })
    }
}

/// How long connecting took, and whether it grew; of interest where connections were made.
pub(super) fn connecting(analysis: &Analysis) -> Option<Judged> {
    let connects = &analysis.connects;
    let count = connects.overall.count;
    let value = |p: f64| connects.overall.value_ns(p);
    let told = |p: f64| value(p).map_or_else(|| "unknown (too few)".to_owned(), |ns| units::duration(ns as f64));
    let (verdict, title) = match connects.rise() {
        _ if count == 0 => return None,
        Some((first, second)) => {
            let (first, second) = (units::duration(first as f64), units::duration(second as f64));
            let title = format!(
                "Connecting took longer as the run went on: {first} in its first half, {second} in its second (medians)."
            );
            (Verdict::Warn, title)
        }
        None => {
            let connections = units::counted(count, "connection");
            (
                Verdict::Info,
                format!(
                    "{connections} were made for a request; connecting took {} at the median, {} at p99.",
                    told(0.5),
                    told(0.99)
                ),
            )
        }
    };
    let figures = json!({
        "connections": count,
        "p50_ns": value(0.5),
        "p99_ns": value(0.99),
        "first_half_p50_ns": connects.first_half.value_ns(0.5),
        "second_half_p50_ns": connects.second_half.value_ns(0.5),
    });
    Some(Judged { title, verdict, figures, interval: None, evidence: "outcomes: connect_ns, due_ns" })
}
