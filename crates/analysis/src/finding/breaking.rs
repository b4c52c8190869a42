//! Where the target breaks, what it does beyond, and how it comes back.

use serde_json::json;

use super::{Interval, Judged, Verdict};
use crate::breaking::{Bearing, Bracket, Breaking, ERRORS_MAX, Limit, Place};
use crate::distribution::CONFIDENCE;
use crate::recovery::Recovery;
use crate::{Analysis, units};

const STEPS: &str = "outcomes by step (due_ns): due_ns, sent_ns, done_ns, ok, error";

/// Loads and steps of a bracket in words: `between 400 /s (step-4) and 500 /s (step-5, 40 s – 50 s)`.
pub(crate) fn between(breaking: &Breaking, bracket: &Bracket) -> String {
    let window = |place: &Place| format!("{}, {} – {}", place.step, time(place.from_ns), time(place.to_ns));
    let load = |load: f64| breaking.load_text(load);
    match (&bracket.held, &bracket.missed, bracket.high) {
        (Some(held), Some(missed), Some(high)) => {
            format!("between {} ({}) and {} ({})", load(bracket.low), held.step, load(high), window(missed))
        }
        (None, Some(missed), Some(high)) => format!("below {}, the smallest load that tells ({})", load(high), window(missed)),
        (Some(held), ..) => format!("not up to {} ({})", load(bracket.low), held.step),
        _ => "at no load that tells".to_owned(),
    }
}

fn time(ns: i64) -> String {
    units::time(ns as f64 / 1e9)
}

pub(super) fn breaking_point(analysis: &Analysis) -> Option<Judged> {
    if analysis.steps.all.is_empty() {
        return None;
    }
    let Some(breaking) = &analysis.breaking else {
        let title = "No breaking point can be told: the generator, not the target, was at its limit.".to_owned();
        return Some(Judged { title, verdict: Verdict::Insufficient, figures: json!({}), interval: None, evidence: STEPS });
    };
    let all = &breaking.all;
    let figures = json!({ "limits": all.limits, "first": all.first, "before": all.before, "steps": analysis.steps.all });
    let left_out = match breaking.spoilt.len() {
        0 => String::new(),
        count => format!(" {} left out, in which the generator was late.", units::counted(count as u64, "step")),
    };
    let Some(first) = all.first_bracket() else {
        let most = analysis.steps.all.iter().filter(|step| !step.spoilt).map(crate::steps::Step::load).fold(0.0, f64::max);
        let title = format!("No limit was reached up to {}.{left_out}", breaking.load_text(most));
        return Some(Judged { title, verdict: Verdict::Pass, figures, interval: None, evidence: STEPS });
    };
    let before: Vec<String> = all.before.iter().take(2).map(|sign| format!("{} ({})", sign.what, sign.how)).collect();
    let before = if before.is_empty() { String::new() } else { format!(" At its end by then: {}.", before.join("; ")) };
    let title = format!("Reached first: {}, {}.{before}{left_out}", all.first.join(" and "), between(breaking, first));
    let interval = first.high.map(|high| Interval { of: "load", low: first.low, high, confidence: CONFIDENCE });
    Some(Judged { title, verdict: Verdict::Info, figures, interval, evidence: STEPS })
}

pub(super) fn saturation(analysis: &Analysis) -> Option<Judged> {
    let most = analysis.breaking.as_ref()?.all.saturation.as_ref()?;
    let ends = most
        .ends
        .map_or_else(String::new, |(low, high)| format!(" (95 % confidence: {} – {})", units::per_s(low), units::per_s(high)));
    let rate = units::per_s(most.per_s);
    let title = match most.reached {
        true => format!("At most {rate} good answers were sustained{ends}, in {}.", most.step),
        false => format!("At least {rate} good answers are sustained{ends}: no load brought the target to its most."),
    };
    let interval = most.ends.map(|(low, high)| Interval { of: "per_s", low, high, confidence: CONFIDENCE });
    Some(Judged { title, verdict: Verdict::Info, figures: json!(most), interval, evidence: STEPS })
}

pub(super) fn first_errors(analysis: &Analysis) -> Option<Judged> {
    let breaking = analysis.breaking.as_ref()?;
    let any = breaking.all.bracket(&Limit::errors(0.0))?;
    let more = breaking.all.bracket(&Limit::errors(ERRORS_MAX))?;
    let (Some(place), bound) = (&any.missed, units::share_label(ERRORS_MAX)) else { return None };
    let step = analysis.steps.all.iter().find(|step| step.from_ns == place.from_ns && step.name == place.step)?;
    let share = units::share(place.value);
    let beyond = match more.missed {
        Some(_) => format!("more than {bound} failed {}", between(breaking, more)),
        None => format!("more than {bound} failed at no load"),
    };
    let title = format!("The first failures came {} ({share} of the requests); {beyond}.", between(breaking, any));
    let figures = json!({ "first_failed_due_ns": step.first_failed_ns, "any": any, "more": more });
    Some(Judged { title, verdict: Verdict::Info, figures, interval: None, evidence: "outcomes by step (due_ns): ok" })
}

pub(super) fn beyond(analysis: &Analysis) -> Option<Judged> {
    let breaking = analysis.breaking.as_ref()?;
    let (beyond, most) = (breaking.all.beyond.as_ref()?, breaking.all.saturation.as_ref()?);
    let (load, share) = (breaking.load_text(beyond.load), units::share(beyond.share));
    let rates = format!("{} of at most {}", units::per_s(beyond.goodput_per_s), units::per_s(most.per_s));
    let (verdict, title) = if beyond.graceful {
        (Verdict::Info, format!("Graceful beyond its limit: at {load} still {share} of the good answers ({rates})."))
    } else {
        (Verdict::Warn, format!("It collapses beyond its limit: at {load} only {share} of the good answers are left ({rates})."))
    };
    Some(Judged { title, verdict, figures: json!(beyond), interval: None, evidence: STEPS })
}

pub(super) fn recovery(analysis: &Analysis) -> Option<Judged> {
    let told: Vec<(Verdict, String)> = analysis.recoveries.iter().map(recovered).collect();
    let verdict = told.iter().map(|(verdict, _)| *verdict).max()?;
    let title = told.into_iter().map(|(_, sentence)| sentence).collect::<Vec<_>>().join(" ");
    let figures = json!({ "recoveries": analysis.recoveries });
    let evidence = "outcomes by seconds of due_ns: done_ns − due_ns, requests due and not done; run.json: phases; events.jsonl";
    Some(Judged { title, verdict, figures, interval: None, evidence })
}

fn recovered(one: &Recovery) -> (Verdict, String) {
    let (after, waiting) = (&one.after, units::count(one.backlog as u64));
    match (one.baseline, one.recovered_s) {
        (None, _) => (Verdict::Insufficient, format!("Too little is known of the time before {after} to say when it was over.")),
        (Some(_), Some(seconds)) if seconds > 0.0 => {
            let time = units::duration(seconds * 1e9);
            (Verdict::Info, format!("{time} after {after} all was as before ({waiting} requests were under way at its end)."))
        }
        (Some(_), Some(_)) => (Verdict::Info, format!("All was as before at once after {after}.")),
        (Some(_), None) => {
            let watched = units::duration(one.watched_s * 1e9);
            (Verdict::Warn, format!("It did not recover from {after} within the {watched} that the run went on."))
        }
    }
}

pub(super) fn outage(analysis: &Analysis) -> Option<Judged> {
    let silence = analysis.silence.as_ref()?;
    let (length, toll) = silence.told();
    let since = units::time((silence.from_ns - analysis.whole.first_due_ns) as f64 / 1e9);
    let title = format!("No good answer came for {length}, from {since} on: {toll}.");
    Some(Judged {
        title,
        verdict: Verdict::Warn,
        figures: json!(silence),
        interval: None,
        evidence: "outcomes: done_ns where ok; due_ns",
    })
}

/// What of a bearing is told of a collection in one line.
pub(crate) fn in_a_word(breaking: &Breaking, bearing: &Bearing) -> String {
    bearing
        .first_bracket()
        .map_or_else(|| "none".to_owned(), |first| format!("{}, {}", bearing.first.join(" and "), between(breaking, first)))
}
