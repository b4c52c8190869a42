//! Computed statements about a run: each with a verdict, the figures behind it, and where these come from.
//!
//! A new finding is one function and one row in [`FINDINGS`].

use serde::Serialize;
use serde_json::{Map, Value, json};
use stats::fidelity::{Criterion, Verdict as Timing};
use trace::RunStatus;

use crate::distribution::CONFIDENCE;
use crate::{Analysis, units};

/// How a finding turned out, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// A fact with nothing to hold it against.
    Info,
    /// Too few samples to say.
    Insufficient,
    /// Worth knowing before the figures are used.
    Warn,
    /// Not as it should be: exit code 1.
    Fail,
    /// The generator spoilt the run, so that it says nothing of the target: exit code 1.
    Invalid,
}

impl Verdict {
    /// The name as written to files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Info => "info",
            Self::Insufficient => "insufficient",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Invalid => "invalid",
        }
    }
}

/// A confidence interval of one of a finding's figures, in its unit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Interval {
    /// Which figure.
    pub of: &'static str,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// With which confidence.
    pub confidence: f64,
}

/// A computed statement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// A stable name.
    pub id: &'static str,
    /// The statement.
    pub title: String,
    /// How it turned out.
    pub verdict: Verdict,
    /// The figures behind it, with the unit last in each name.
    pub figures: Map<String, Value>,
    /// The interval of the main figure, where it has one.
    pub interval: Option<Interval>,
    /// The columns of the outcomes, or the members of `run.json`, that the figures are computed from.
    pub evidence: &'static str,
}

/// What a rule says: the finding without its name.
struct Judged {
    title: String,
    verdict: Verdict,
    figures: Value,
    interval: Option<Interval>,
    evidence: &'static str,
}

/// A rule that looks at a run.
struct Rule {
    id: &'static str,
    judge: fn(&Analysis) -> Judged,
}

/// Every rule, in the order in which findings are told.
const FINDINGS: &[Rule] = &[
    Rule { id: "complete", judge: complete },
    Rule { id: "generator", judge: generator },
    Rule { id: "timing", judge: timing },
    Rule { id: "answers", judge: answers },
    Rule { id: "agreement", judge: agreement },
    Rule { id: "latency", judge: latency },
    Rule { id: "waiting", judge: waiting },
    Rule { id: "limits", judge: limits },
    Rule { id: "throughput", judge: throughput },
];

/// Response p99 may exceed service p99 by this share before it is called waiting.
const WAITING_SHARE_MAX: f64 = 0.1;

/// Above this share of queued requests a run is limit-bound.
const QUEUED_SHARE_MAX: f64 = 0.01;

/// Achieved may fall behind offered by this share.
const BEHIND_SHARE_MAX: f64 = 0.01;

/// Every finding of a run.
#[must_use]
pub fn findings(analysis: &Analysis) -> Vec<Finding> {
    let find = |rule: &Rule| {
        let Judged { title, verdict, figures, interval, evidence } = (rule.judge)(analysis);
        let figures = if let Value::Object(figures) = figures { figures } else { Map::new() };
        Finding { id: rule.id, title, verdict, figures, interval, evidence }
    };
    FINDINGS.iter().map(find).collect()
}

fn complete(analysis: &Analysis) -> Judged {
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

fn generator(analysis: &Analysis) -> Judged {
    let fidelity = &analysis.timing.fidelity;
    let counted = fidelity.lateness.map_or(0, |lateness| lateness.p99_ns.cast_signed());
    let lateness = analysis.timing.lateness.value_ns(0.99).unwrap_or(counted);
    let late = units::duration(lateness as f64);
    let (verdict, title) = match (fidelity.generator_limited, fidelity.missed_by_generator) {
        (false, _) if fidelity.sent == 0 => {
            (Verdict::Insufficient, "Nothing was sent, so nothing is known of the generator.".to_owned())
        }
        (false, _) => {
            (Verdict::Pass, format!("The generator kept up: 99 % of the requests left at most {late} late by its own doing."))
        }
        (true, 0) => (
            Verdict::Invalid,
            format!(
                "INVALID: generator-limited. Its own lateness was {late} at the 99th percentile; use a faster or idler machine, or a lower rate."
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

fn timing(analysis: &Analysis) -> Judged {
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

fn answers(analysis: &Analysis) -> Judged {
    let totals = &analysis.totals;
    let failed = totals.failed();
    let most = analysis.failures.first().map(|failure| format!(", most often: {}", failure.kind)).unwrap_or_default();
    let share = units::share(totals.share(failed));
    let (verdict, title) = match (totals.ok, failed) {
        (_, 0) => (Verdict::Pass, "Every request got a good answer.".to_owned()),
        (0, _) => (Verdict::Fail, format!("No request got a good answer{most}.")),
        _ => (Verdict::Warn, format!("{share} of the requests ({}) got no good answer{most}.", units::count(failed))),
    };
    let figures = json!({ "requests": totals.requests, "ok": totals.ok, "failed": failed, "failed_share": totals.share(failed) });
    Judged { title, verdict, figures, interval: None, evidence: "outcomes: ok, error, status" }
}

fn agreement(analysis: &Analysis) -> Judged {
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

fn latency(analysis: &Analysis) -> Judged {
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

fn waiting(analysis: &Analysis) -> Judged {
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

fn limits(analysis: &Analysis) -> Judged {
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

fn throughput(analysis: &Analysis) -> Judged {
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
