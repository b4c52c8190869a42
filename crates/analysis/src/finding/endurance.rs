//! Whether the target held over time: leaks, degradation, restarts.

use serde_json::{Value, json};
use stats::trend::GrowthKind;

use super::{Interval, Judged, Verdict};
use crate::distribution::CONFIDENCE;
use crate::endurance::{Endurance, TRUSTED_S_MIN, Whose};
use crate::outage::{Outage, outages};
use crate::{Analysis, endurance, units};

/// Whether what the target uses grows without end. Nothing where no probe saw it for long enough.
pub(super) fn leak(analysis: &Analysis) -> Option<Judged> {
    let endurance = analysis.endurance.as_ref()?;
    let evidence = "resources: rss_bytes, descriptors and threads of the target, in 24 stretches of equal time";
    judged(endurance, Whose::Target, "What the target uses did not grow", evidence)
}

/// Whether answers become slower, rarer or worse while the load stays the same.
pub(super) fn degradation(analysis: &Analysis) -> Option<Judged> {
    let endurance = analysis.endurance.as_ref()?;
    let evidence = "outcomes: done_ns − due_ns and ok by due_ns and done_ns, in 24 stretches of equal time";
    if let Some(reason) = endurance.insufficient.clone().filter(|_| endurance.is_trusted()) {
        let figures = json!({ "seconds": endurance.seconds() });
        return Some(Judged { title: reason, verdict: Verdict::Insufficient, figures, interval: None, evidence });
    }
    judged(endurance, Whose::Answers, "The answers did not become slower, rarer or worse", evidence)
}

fn judged(endurance: &Endurance, whose: Whose, steady: &str, evidence: &'static str) -> Option<Judged> {
    let of: Vec<&endurance::Judged> = endurance.figures.iter().filter(|one| one.whose == whose).collect();
    let bad = endurance.bad(whose);
    let lasted = units::duration(endurance.seconds() * 1e9);
    let figures = of.iter().map(|one| (format!("{} {}", one.source, one.series).trim().to_owned(), figures(one))).collect();
    let (figures, interval) = (Value::Object(figures), bad.first().map(|one| interval(one)));
    let Some(worst) = bad.first() else {
        let title = format!("{steady} over {lasted}{}.", saws(&of));
        return (!of.is_empty()).then_some(Judged { title, verdict: Verdict::Pass, figures, interval, evidence });
    };
    let verdict = match (endurance.is_trusted(), worst.is_clear()) {
        (true, true) => Verdict::Fail,
        (true, false) => Verdict::Warn,
        (false, _) => Verdict::Info,
    };
    let said: Vec<String> = bad.iter().map(|one| sentence(one, endurance)).collect();
    let least = units::duration(TRUSTED_S_MIN * 1e9);
    let short = if endurance.is_trusted() {
        String::new()
    } else {
        format!(" In {lasted} that may be no more than a beginning; {least} and more can tell.")
    };
    Some(Judged { title: said.join(" ") + &short, verdict, figures, interval, evidence })
}

fn figures(one: &endurance::Judged) -> Value {
    let growth = &one.growth;
    json!({
        "kind": growth.kind,
        "growth_per_hour": growth.per_hour.value,
        "drift_share": growth.drift_share.is_finite().then_some(growth.drift_share),
        "p": growth.p,
        "limit_in_s": growth.ceiling_in_s,
    })
}

fn interval(one: &endurance::Judged) -> Interval {
    let per_hour = one.growth.per_hour;
    Interval { of: "growth_per_hour", low: per_hour.low, high: per_hour.high, confidence: CONFIDENCE }
}

/// What a series that goes the bad way does, in words.
fn sentence(one: &endurance::Judged, endurance: &Endurance) -> String {
    let (name, growth) = (one.name(), &one.growth);
    if let Some(step) = growth.step {
        let (before, after) = (units::reading(step.before, &one.unit), units::reading(step.after, &one.unit));
        return format!("{name} went from {before} to {after} in one step, at {}.", units::time(one.at_s(step.at_s)));
    }
    let rises = growth.per_hour.value > 0.0;
    let (low, high) = (growth.per_hour.low.abs(), growth.per_hour.high.abs());
    let size = |value: f64| units::reading(value.abs(), &one.unit);
    let range = format!("{} – {}", size(low.min(high)), size(low.max(high)));
    let share = if growth.drift_share.is_finite() { units::share(growth.drift_share.abs()) } else { "from nothing".to_owned() };
    let moves = match (one.is_clear(), rises) {
        (true, true) => "grows",
        (true, false) => "falls",
        (false, true) => "seems to grow",
        (false, false) => "seems to fall",
    };
    let limit = one.limit.as_ref().zip(growth.ceiling_in_s).map_or_else(String::new, |(limit, in_s)| {
        let at = units::reading(limit.at, &one.unit);
        match units::duration(in_s * 1e9) {
            _ if in_s == 0.0 => format!("; it is past {at}, {}", limit.of),
            left => format!("; it would reach {at}, {}, in {left}", limit.of),
        }
    });
    let doubt = match growth.kind {
        GrowthKind::SuspectGrowing | GrowthKind::SuspectFalling => {
            let twice = units::duration(2.0 * endurance.seconds() * 1e9);
            format!(" Its readings depend on one another so much that only a run of {twice} or more can tell.")
        }
        _ => String::new(),
    };
    format!(
        "{name} {moves} by {} per hour (95 % confidence: {range}), {share} over this run{limit}.{doubt}",
        size(growth.per_hour.value)
    )
}

/// What rises and is set back again and again, as a collector's heap does.
fn saws(of: &[&endurance::Judged]) -> String {
    let saw = |one: &&endurance::Judged| {
        let saw = one.growth.sawtooth.filter(|_| one.growth.kind == GrowthKind::Sawtooth)?;
        let depth = units::reading(saw.depth, &one.unit);
        Some(format!("; {} is a sawtooth: {} falls of {depth} on average", one.name(), saw.teeth))
    };
    of.iter().filter_map(saw).collect()
}

/// What a probe watched and was gone for a while, or for good.
pub(super) fn restart(analysis: &Analysis) -> Option<Judged> {
    let outages = outages(&analysis.resources.as_ref()?.events);
    if outages.is_empty() {
        return None;
    }
    let at = |run_ns: i64| units::time((run_ns - analysis.whole.first_due_ns).max(0) as f64 / 1e9);
    let say = |outage: &Outage| match outage.away_ns() {
        Some(0) => format!("{} started anew at {}.", outage.source, at(outage.from_ns)),
        Some(away_ns) => {
            format!("{} was gone for {} at {}.", outage.source, units::duration(away_ns as f64), at(outage.from_ns))
        }
        None => format!("{} ended at {} and did not come back.", outage.source, at(outage.from_ns)),
    };
    let gone = outages.iter().any(|outage| outage.to_ns.is_none());
    let figures = json!({ "outages": outages });
    let title = outages.iter().map(say).collect::<Vec<_>>().join(" ");
    let verdict = if gone { Verdict::Fail } else { Verdict::Warn };
    Some(Judged { title, verdict, figures, interval: None, evidence: "events.jsonl: ended, started, restarted" })
}
