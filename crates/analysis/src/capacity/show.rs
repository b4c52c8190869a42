//! Capacity as a report and a terminal show it.

use super::{Capacity, Cost, Headroom, Laws, Mixed, Plan, Reached, Safe};
use crate::section::{Block, Cell, Column, Table};
use crate::units;

/// Collections that a table shows; the others are in `findings.json`.
const COLLECTIONS_SHOWN_MAX: usize = 40;

/// What a section shows.
#[must_use]
pub fn blocks(capacity: &Capacity) -> Vec<Block> {
    let mut blocks = vec![Block::Text(sentences(capacity).join(" "))];
    blocks.push(Block::Facts(facts(capacity)));
    blocks.extend(laws(&capacity.laws));
    blocks.extend(left_out(&capacity.laws).map(Block::Text));
    blocks.push(Block::chart("scalability"));
    if !capacity.headroom.is_empty() {
        blocks.push(Block::chart("headroom"));
        blocks.push(Block::Table(headroom(&capacity.headroom)));
    }
    if capacity.nodes.is_some() {
        blocks.push(Block::chart("nodes"));
    }
    let answers = answers(capacity);
    if !answers.rows.is_empty() {
        blocks.push(Block::Table(answers));
    }
    blocks
}

/// The answers in sentences, what was refused among them.
#[must_use]
pub fn sentences(capacity: &Capacity) -> Vec<String> {
    let refusals = [
        capacity.nodes.as_ref().and_then(|told| told.refusal()),
        capacity.reached.as_ref().and_then(|told| told.refusal()),
        capacity.mix.as_ref().and_then(|told| told.refusal()),
    ];
    let refusals = refusals.into_iter().flatten().filter(|refusal| capacity.safe.refusal() != Some(refusal));
    let borne = capacity.safe.get().map_or_else(|refused| refused, safe_text);
    std::iter::once(borne)
        .chain(capacity.headroom.first().and_then(headroom_text))
        .chain(capacity.nodes.as_ref().and_then(|told| told.known()).map(plan_text))
        .chain(capacity.reached.as_ref().and_then(|told| told.known()).map(reached_text))
        .chain(capacity.mix.as_ref().and_then(|told| told.known()).map(mix_text))
        .chain(capacity.cost_per_million.as_ref().and_then(|told| told.known()).map(cost_text))
        .chain(refusals.map(str::to_owned))
        .collect()
}

/// The answers with what they assume, for a terminal: a line each.
#[must_use]
pub fn terminal(capacity: &Capacity) -> String {
    let assumed = answers(capacity).rows.into_iter().map(|row| format!("  {} assumes: {}\n", row[0].text, row[2].text));
    sentences(capacity).into_iter().map(|sentence| format!("{sentence}\n")).chain(assumed).collect()
}

fn safe_text(safe: &Safe) -> String {
    let not =
        safe.not_per_s.map_or_else(|| "no larger rate was tried".to_owned(), |not| format!("{} was not", units::per_s(not)));
    format!("{} was borne ({}); {not}.", units::per_s(safe.per_s), safe.within)
}

fn headroom_text(headroom: &Headroom) -> Option<String> {
    let against = super::Peak::held_against(&headroom.peaks)?;
    let times = headroom.times?;
    let (peak, length) = (units::per_s(against.per_s), units::round_duration(against.length_ns as f64));
    Some(if times >= 1.0 {
        format!("That is {} times the recorded peak of {peak} (busiest {length}).", units::number(times))
    } else {
        format!("That is only {} of the recorded peak of {peak} (busiest {length}).", units::share(times))
    })
}

fn plan_text(plan: &Plan) -> String {
    let (low, high) = plan.nodes_ends;
    let ends = if low == high { String::new() } else { format!(" (between {low} and {high})") };
    let reserve = if plan.reserve > 0 { format!(", {} of them in reserve", plan.reserve) } else { String::new() };
    let cost = plan.cost.as_ref().map(|cost| format!(", at {} a million requests", money(cost))).unwrap_or_default();
    let nodes = units::counted(u64::from(plan.nodes), "node");
    format!("{} takes {nodes}{ends}{reserve}{cost}.", units::per_s(plan.demand_per_s))
}

fn reached_text(reached: &Reached) -> String {
    let latest = reached.date_latest.as_ref().filter(|latest| **latest != reached.date);
    let until = latest.map(|latest| format!(" and {latest}")).unwrap_or_default();
    let (on, months) = (if latest.is_some() { "between" } else { "on" }, units::number(reached.months));
    format!("Growing demand reaches that {on} {}{until}, {months} months from {}.", reached.date, reached.from)
}

fn mix_text(mix: &Mixed) -> String {
    let ends = mix.ends_per_s.map(|(low, high)| format!(" ({} – {})", units::per_s(low), units::per_s(high))).unwrap_or_default();
    format!("Of the other mix it would be {}{ends}.", units::per_s(mix.per_s))
}

fn cost_text(cost: &Cost) -> String {
    format!("A million requests cost {} where nodes are fully used.", money(cost))
}

fn money(cost: &Cost) -> String {
    format!("{} {}", units::number(cost.per_million), cost.currency).trim_end().to_owned()
}

fn facts(capacity: &Capacity) -> Vec<(&'static str, String)> {
    let rate = |per_s: Option<f64>| per_s.map_or_else(|| "–".to_owned(), units::per_s);
    let safe = capacity.safe.known();
    let not = |safe: &Safe| safe.not_per_s.map_or_else(|| "nothing tried".to_owned(), units::per_s);
    let mut facts = vec![("Borne", rate(safe.map(|safe| safe.per_s))), ("Not borne", safe.map_or_else(|| "–".to_owned(), not))];
    facts.extend(capacity.answered_per_cpu_s.map(|answered| ("Answered per second of processor time", units::number(answered))));
    facts
}

/// Loads that are too small to tell where latency has no end do not tell this either.
fn servers(count: u32) -> String {
    format!("as of {}", units::counted(u64::from(count), "server"))
}

/// The figures of the laws that were fitted, and a sentence for each that was not.
fn laws(laws: &Laws) -> Vec<Block> {
    let mut rows = Vec::new();
    if let Some(fit) = laws.latency.known() {
        let law = Cell {
            text: "Latency over load".to_owned(),
            detail: fit.capacity_high_per_s.map_or_else(String::new, |_| servers(fit.servers)),
        };
        rows.push(vec![law.clone(), "Median without load".into(), units::duration(fit.unloaded).into()]);
        let ends = |high| format!("{} – {}", units::per_s(fit.capacity_low_per_s), units::per_s(high));
        let pole = match fit.capacity_high_per_s {
            Some(high) => Cell { text: units::per_s(fit.capacity_per_s), detail: ends(high) },
            None => "the loads were too small to tell".into(),
        };
        rows.push(vec![law, "Rate at which it has no end".into(), pole]);
    }
    if let Some(law) = laws.usl.known() {
        let interval = |one: &stats::Interval| Cell {
            text: units::number(one.value),
            detail: format!("{} – {}", units::number(one.low), units::number(one.high)),
        };
        let peak = match &law.peak {
            Some(peak) if peak.within_measured => {
                let at = format!("at {} in flight", units::number(peak.concurrency.value));
                Cell { text: units::per_s(peak.per_s.value), detail: at }
            }
            Some(_) => "beyond what was measured, and so not told".into(),
            None => "not reached".into(),
        };
        let row = |what: &str, value: Cell| vec!["Throughput over concurrency".into(), what.into(), value];
        rows.push(row("Contention α", interval(&law.contention)));
        rows.push(row("Coherence β", interval(&law.coherence)));
        rows.push(row("Throughput of one γ, per second", interval(&law.single_per_s)));
        rows.push(row("Most throughput", peak));
    }
    let table = Table {
        title: "Laws that the levels of load follow, with intervals of 95 %.".to_owned(),
        columns: vec![Column::Text("Law"), Column::Text("What"), Column::Figure("Value")],
        rows,
        ..Table::default()
    };
    let refusals: Vec<&str> = [laws.latency.refusal(), laws.usl.refusal()].into_iter().flatten().collect();
    let refusals = (!refusals.is_empty()).then(|| Block::Text(refusals.join(" ")));
    (!table.rows.is_empty()).then_some(Block::Table(table)).into_iter().chain(refusals).collect()
}

fn left_out(laws: &Laws) -> Option<String> {
    let out = laws.left_out;
    let count = |steps: usize, why: &str| (steps > 0).then(|| format!("{} {why}", units::counted(steps as u64, "step")));
    let all = [
        count(out.spoilt, "in which the generator was at its limit (left out of both laws)"),
        count(out.unanswered, "without a good answer (left out of both laws)"),
        count(out.overloaded, "in which the target fell behind (left out of both laws)"),
        count(out.uncertain, "whose median is not known well enough (left out of latency over load)"),
    ];
    let told: Vec<String> = all.into_iter().flatten().collect();
    (!told.is_empty()).then(|| format!("Not all steps count: {}.", told.join(", ")))
}

fn headroom(all: &[Headroom]) -> Table {
    let rate = |per_s: Option<f64>| per_s.map_or_else(|| "–".to_owned(), units::per_s);
    let row = |one: &Headroom| -> Vec<Cell> {
        let peak = |at: usize| rate(one.peaks.get(at).map(|peak| peak.per_s)).into();
        let times = |times: Option<f64>| times.map_or_else(|| "–".to_owned(), |times| format!("{} ×", units::number(times)));
        let below = one.times_below.map(|below| format!("below {}", times(Some(below)))).unwrap_or_default();
        vec![
            one.collection.clone().unwrap_or_else(|| "all".to_owned()).into(),
            peak(0),
            peak(1),
            peak(2),
            rate(one.safe_per_s).into(),
            Cell { text: times(one.times), detail: below },
        ]
    };
    let more = all.len().saturating_sub(COLLECTIONS_SHOWN_MAX);
    let more = if more > 0 { format!(" {more} more are in findings.json.") } else { String::new() };
    let columns = ["Peak of 1 s", "of 10 s", "of 60 s", "Borne", "Headroom"].map(Column::Figure);
    Table {
        title: format!("Recorded peaks and what is borne, of the mix that was measured.{more}"),
        columns: std::iter::once(Column::Text("Collection")).chain(columns).collect(),
        rows: all.iter().take(COLLECTIONS_SHOWN_MAX).map(row).collect(),
        ..Table::default()
    }
}

/// Every answer that goes beyond what was measured.
fn answers(capacity: &Capacity) -> Table {
    let mut rows = Vec::new();
    let mut add = |what: &str, answer: Cell, assumes: &[String]| rows.push(vec![what.into(), answer, assumes.join("; ").into()]);
    if let Some(plan) = capacity.nodes.as_ref().and_then(|told| told.known()) {
        let detail = format!("{} – {}", plan.nodes_ends.0, plan.nodes_ends.1);
        add("Nodes", Cell { text: plan.nodes.to_string(), detail }, &plan.assumes);
        if let Some(cost) = &plan.cost {
            add("A million requests of the demand", money(cost).into(), &cost.assumes);
        }
    }
    if let Some(reached) = capacity.reached.as_ref().and_then(|told| told.known()) {
        let detail = reached.date_latest.as_ref().map(|latest| format!("at the latest {latest}")).unwrap_or_default();
        add("Demand is too much from", Cell { text: reached.date.clone(), detail }, &reached.assumes);
    }
    if let Some(mix) = capacity.mix.as_ref().and_then(|told| told.known()) {
        let detail =
            mix.ends_per_s.map(|(low, high)| format!("{} – {}", units::per_s(low), units::per_s(high))).unwrap_or_default();
        add("Borne of the other mix", Cell { text: units::per_s(mix.per_s), detail }, &mix.assumes);
    }
    if let Some(cost) = capacity.cost_per_million.as_ref().and_then(|told| told.known()) {
        add("A million requests at least", money(cost).into(), &cost.assumes);
    }
    Table {
        title: "What follows, and what it assumes.".to_owned(),
        columns: vec![Column::Text("What"), Column::Figure("Answer"), Column::Text("Assumes")],
        rows,
        ..Table::default()
    }
}
