//! Hints from how long things took.

use serde_json::json;

use super::Seen;
use crate::Analysis;
use crate::latency::Group;
use crate::units::{self, duration};

/// Response p99 is this share above service p99 before it is called waiting, as in the finding of that name.
const WAITING_SHARE_MIN: f64 = 0.1;
/// A tail is long from this multiple of the median on.
const TAIL_RATIO_MIN: f64 = 10.0;
/// A kind of request is slow by itself from this multiple of the overall median on.
const SLOW_KIND_RATIO_MIN: f64 = 5.0;
/// Kinds of request that are named.
const NAMED_MAX: usize = 3;
/// Peaks are told from this multiple of what lies between them on.
const PEAK_RATIO_MIN: f64 = 2.0;

/// Response time far above service time: who waited for what.
pub(super) fn waiting(analysis: &Analysis) -> Option<Seen> {
    let times = &analysis.latency.overall;
    let (response, service) = times.response.value_ns(0.99).zip(times.service.value_ns(0.99))?;
    if (response - service) as f64 <= WAITING_SHARE_MIN * service.max(1) as f64 {
        return None;
    }
    let totals = &analysis.totals;
    let share = |count: u64| count as f64 / totals.sent.max(1) as f64;
    let (blocked, queued) = (share(totals.blocked), share(totals.queued));
    let suggests = if blocked >= queued {
        format!(
            "{} of the requests waited for an earlier answer of their own session, {} for a connection: the target stalls or answers more \
             slowly than its users ask. Look at what it did at the peaks of the chart over time.",
            units::share(blocked),
            units::share(queued)
        )
    } else {
        format!(
            "{} of the requests waited for a connection: answers keep connections busy longer than the load allows. Look for stalls of the \
             target first; raise --max-connections only if real clients would open more.",
            units::share(queued)
        )
    };
    let figures = json!({ "blocked_share": blocked, "queued_share": queued });
    Some(Seen { what: String::new(), suggests, figures, evidence: "outcomes: blocked_ns, queued_ns" })
}

/// p99 high with p50 flat, and which requests carry the tail.
pub(super) fn tail(analysis: &Analysis) -> Option<Seen> {
    let service = &analysis.latency.overall.service;
    let (p50, p99) = service.value_ns(0.5).zip(service.value_ns(0.99))?;
    let ratio = p99 as f64 / p50.max(1) as f64;
    if ratio < TAIL_RATIO_MIN {
        return None;
    }
    let beyond = |group: &&Group| group.times.service.value_ns(0.99).is_some_and(|own| own >= p99);
    let slow = |group: &&Group| {
        group.times.service.value_ns(0.5).is_some_and(|own| own as f64 >= SLOW_KIND_RATIO_MIN * p50.max(1) as f64)
    };
    let name = |group: &Group| format!("{} {}", group.collection, group.operation).trim().to_owned();
    let named = |groups: &[&Group]| groups.iter().take(NAMED_MAX).map(|group| name(group)).collect::<Vec<_>>().join(", ");
    let carriers: Vec<&Group> = analysis.latency.groups.iter().filter(beyond).collect();
    let kinds: Vec<&Group> = analysis.latency.groups.iter().filter(slow).collect();
    let of = if carriers.is_empty() || analysis.latency.groups.len() < 2 {
        String::new()
    } else {
        format!(", most of all in {}", named(&carriers))
    };
    let what = format!(
        "The slowest hundredth takes {} times the median: p99 of the service time is {}, p50 {}{of}.",
        units::number(ratio),
        duration(p99 as f64),
        duration(p50 as f64)
    );
    let suggests = match kinds.first().and_then(|group| Some((group, group.times.service.value_ns(0.5)?))) {
        Some((group, median)) if analysis.latency.groups.len() > 1 => format!(
            "These are other requests rather than bad moments: half of {} take {} or more. Give them a threshold of their own, and look at them \
             apart.",
            name(group),
            duration(median as f64)
        ),
        _ => "Most requests are fine and few stall: look for what happens now and then, such as garbage collection, compaction, locks or cold \
              caches, at the instants of the slowest requests."
            .to_owned(),
    };
    let figures = json!({
        "service_p50_ns": p50,
        "service_p99_ns": p99,
        "ratio": ratio,
        "carried_by": carriers.iter().take(NAMED_MAX).map(|group| name(group)).collect::<Vec<_>>(),
    });
    Some(Seen { what, suggests, figures, evidence: "outcomes: done_ns − sent_ns by collection and operation" })
}

/// Slow moments at equal distances.
pub(super) fn peaks(analysis: &Analysis) -> Option<Seen> {
    let over_time = &analysis.latency.over_time;
    let p99: Vec<f64> = over_time.p99_ns.iter().map(|ns| ns.map(|ns| ns as f64)).collect::<Option<_>>()?;
    let period = stats::periodic::period(&p99)?;
    let mut sorted = p99.clone();
    sorted.sort_by(f64::total_cmp);
    let between = sorted[sorted.len() / 2];
    // One value in each period is a peak: their median is the middle of the highest n / period.
    let peak = sorted[sorted.len() - (sorted.len() / period.lag).div_ceil(2).max(1)];
    if peak < PEAK_RATIO_MIN * between {
        return None;
    }
    let every_s = period.lag as f64 * over_time.bins.width_s();
    let what = format!(
        "p99 peaks about every {}, at {} instead of {} (autocorrelation {:.2}).",
        duration(every_s * 1e9),
        duration(peak),
        duration(between),
        period.correlation
    );
    let suggests = "Something comes round at that distance: checkpoints, compaction, garbage collection, expiring caches, a scheduled job. Look \
                    for it in the target's log, with its period in mind."
        .to_owned();
    let figures =
        json!({ "every_s": every_s, "peak_p99_ns": peak, "between_p99_ns": between, "autocorrelation": period.correlation });
    Some(Seen { what, suggests, figures, evidence: "outcomes: done_ns − due_ns by equal stretches of due_ns" })
}

/// Connecting takes longer in the second half than in the first.
pub(super) fn connecting(analysis: &Analysis) -> Option<Seen> {
    let (first, second) = analysis.connects.rise()?;
    Some(Seen {
        what: format!("Connecting became slow: {} at the median, {} before.", duration(second as f64), duration(first as f64)),
        suggests: "The target accepts ever more slowly: look at its listen backlog (the host's tcp_listen_overflows), its descriptors and the \
                   processor time of TLS handshakes; connections that are kept open would save them."
            .to_owned(),
        figures: json!({ "first_half_p50_ns": first, "second_half_p50_ns": second }),
        evidence: "outcomes: connect_ns by due_ns",
    })
}
