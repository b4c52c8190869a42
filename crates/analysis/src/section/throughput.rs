//! Rates: requests, answers, items and bytes.

use super::{Block, INSUFFICIENT, Material};
use crate::units;

pub(super) fn build(material: Material<'_>) -> Vec<Block> {
    let totals = &material.analysis.totals;
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
    vec![Block::Facts(facts), Block::chart("throughput-over-time"), Block::chart("in-flight-over-time")]
}
