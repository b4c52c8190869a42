//! Rates: requests, answers, items and bytes.

use super::{Block, INSUFFICIENT, Material};
use crate::units;
use crate::variability::Variability;

pub(super) fn build(material: Material<'_>) -> Vec<Block> {
    let analysis = material.analysis;
    let totals = &analysis.totals;
    let rate = |rate: Option<f64>| rate.map_or_else(|| INSUFFICIENT.to_owned(), units::per_s);
    let bytes =
        |amount| totals.amount_per_s(amount).map_or_else(|| INSUFFICIENT.to_owned(), |b| format!("{}/s", units::bytes(b)));
    let facts = vec![
        ("Offered (due)", rate(totals.offered_per_s())),
        ("Achieved (sent)", rate(totals.achieved_per_s())),
        ("Goodput (good answers)", rate(totals.amount_per_s(totals.ok))),
        ("Items in good requests", rate(totals.amount_per_s(totals.items_ok))),
        ("Sent to the target", bytes(totals.request_bytes)),
        ("Received from it", bytes(totals.response_bytes)),
    ];
    let facts = facts.into_iter().chain(analysis.variability.as_ref().map(evenness)).collect();
    vec![Block::Facts(facts), Block::chart("throughput-over-time"), Block::chart("in-flight-over-time")]
}

/// Good answers from second to second.
fn evenness(found: &Variability) -> (&'static str, String) {
    let (least, most) = (units::count(found.min_per_s), units::count(found.max_per_s));
    let (cv, dispersion) = (units::number(found.cv), units::number(found.dispersion));
    let seconds = units::counted(found.seconds, "second");
    ("Good answers each second", format!("{least} to {most} in {seconds}; CV {cv}, index of dispersion {dispersion}"))
}
