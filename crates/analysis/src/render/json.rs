//! `findings.json`: every figure of the report for programs. Its schema is described in `FINDINGS.md` beside this crate's manifest.

use serde_json::{Value, json};

use crate::Analysis;
use crate::finding::Finding;
use crate::overview::Overview;

/// Version of the schema; it rises when a reader of the old one would be misled.
const VERSION: u32 = 1;

/// What the file says it is.
const KIND: &str = "rehearsal findings";

/// The same run gives the same text.
pub(crate) fn json(analysis: &Analysis, findings: &[Finding], overview: &Overview) -> String {
    let document = document(analysis, findings, overview);
    let mut text = serde_json::to_string_pretty(&document).expect("findings are plain data");
    text.push('\n');
    text
}

/// Whether a document is one that this version would have written.
pub(crate) fn is_current(document: &Value) -> bool {
    document["kind"] == KIND && document["version"] == VERSION
}

/// The content of `findings.json`.
pub(crate) fn document(analysis: &Analysis, findings: &[Finding], overview: &Overview) -> Value {
    let (info, totals) = (&analysis.info, &analysis.totals);
    let mut document = json!({
        "kind": KIND,
        "version": VERSION,
        "verdict": overview.verdict,
        "sentence": overview.sentence,
        "figures": overview.figures,
        "run": {
            "label": info.label,
            "note": info.note,
            "status": info.status,
            "tool": info.tool,
            "trace": info.trace,
            "trace_hash": info.trace_hash,
            "seed": info.seed,
            "targets": info.targets,
            "command": info.command,
        },
        "findings": findings,
        "totals": totals,
        "throughput": {
            "offered_per_s": totals.offered_per_s(),
            "achieved_per_s": totals.achieved_per_s(),
            "goodput_per_s": totals.amount_per_s(totals.ok),
            "items_per_s": totals.amount_per_s(totals.items_ok),
            "request_bytes_per_s": totals.amount_per_s(totals.request_bytes),
            "response_bytes_per_s": totals.amount_per_s(totals.response_bytes),
            "variability": analysis.variability,
        },
        "latency": { "overall": analysis.latency.overall, "groups": analysis.latency.groups, "breakdown": analysis.breakdown },
        "connects": analysis.connects,
        "transactions": analysis.transactions,
        "errors": analysis.failures,
        "issues": analysis.issues.list,
        "notes": analysis.issues.as_notes(),
        "requests": analysis.requests,
        "agreement": { "groups": analysis.agreement.groups, "examples": analysis.agreement.examples, "by_rate": analysis.agreement.by_rate },
        "timing": { "fidelity": analysis.timing.fidelity, "lateness": analysis.timing.lateness },
        "resources": analysis.resources,
    });
    if !analysis.thresholds.is_empty() {
        document["thresholds"] = json!(analysis.thresholds);
    }
    if analysis.phases.has_warmup() {
        document["warmup"] =
            json!({ "until_ns": analysis.phases.warmup_ns, "requests": analysis.whole.requests - totals.requests });
    }
    if let Some(endurance) = &analysis.endurance {
        document["endurance"] = json!(endurance);
    }
    if let Some(capacity) = &analysis.capacity {
        document["capacity"] = json!(capacity);
    }
    if !analysis.by_phase.is_empty() {
        document["phases"] = json!(analysis.by_phase);
    }
    document
}
