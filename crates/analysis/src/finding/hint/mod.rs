//! What the figures suggest: each hint says what was seen, with its figures, and where to look.
//!
//! A new hint is one function in the file of its family and one row in [`HINTS`]. It belongs to the finding of its name, where that has
//! something to say, and is a finding of its own elsewhere.

mod errors;
mod latency;
mod resources;

use serde_json::Value;

use super::{Finding, Map, Verdict};
use crate::Analysis;

/// What was seen and what it suggests.
struct Seen {
    /// A sentence with the figures.
    what: String,
    /// Where to look.
    suggests: String,
    figures: Value,
    evidence: &'static str,
}

struct Hint {
    id: &'static str,
    look: fn(&Analysis) -> Option<Seen>,
}

/// Every hint, in the order in which they are told.
const HINTS: &[Hint] = &[
    Hint { id: "waiting", look: latency::waiting },
    Hint { id: "tail", look: latency::tail },
    Hint { id: "peaks", look: latency::peaks },
    Hint { id: "connecting", look: latency::connecting },
    Hint { id: "failures-of", look: errors::concentrated },
    Hint { id: "failures-since", look: errors::since },
    Hint { id: "cpu-idle", look: resources::cpu_idle },
    Hint { id: "cpu-saturated", look: resources::cpu_saturated },
    Hint { id: "retransmits", look: resources::retransmits },
    Hint { id: "descriptors", look: resources::descriptors },
];

/// Adds every hint to the findings. A run that the generator spoilt gives none of the target.
pub(super) fn add(analysis: &Analysis, findings: &mut Vec<Finding>) {
    if analysis.timing.fidelity.generator_limited {
        return;
    }
    for hint in HINTS {
        let Some(Seen { what, suggests, figures, evidence }) = (hint.look)(analysis) else { continue };
        let hint_of = Some(suggests);
        if let Some(finding) = findings.iter_mut().find(|finding| finding.id == hint.id) {
            finding.hint = hint_of;
            continue;
        }
        let figures = if let Value::Object(figures) = figures { figures } else { Map::new() };
        findings.push(Finding {
            id: hint.id,
            title: what,
            verdict: Verdict::Info,
            figures,
            interval: None,
            evidence,
            hint: hint_of,
        });
    }
}
