//! The top of every report: one verdict, one sentence, five figures.

use serde::Serialize;

use crate::distribution::{Distribution, Quantile};
use crate::finding::{Finding, Verdict};
use crate::section::{INSUFFICIENT, duration};
use crate::{Analysis, units};

/// A figure as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// The figure, with its unit.
    pub value: String,
    /// What it is to be read with: an interval, a whole, a verdict.
    pub note: String,
}

/// What a hurried reader needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overview {
    /// `pass`, `fail` or `invalid`.
    pub verdict: Verdict,
    /// The verdict as it is shown: `PASS`, `FAIL`, `INVALID`, or what another kind of report says.
    #[serde(skip)]
    pub word: String,
    /// Why, in one or two sentences.
    pub sentence: String,
    /// The few figures that matter.
    pub figures: Vec<Figure>,
}

impl Overview {
    /// The worst of the findings decides.
    #[must_use]
    pub fn new(analysis: &Analysis, findings: &[Finding]) -> Self {
        let worst = findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Info);
        let verdict = if worst >= Verdict::Fail { worst } else { Verdict::Pass };
        let word = verdict.as_str().to_uppercase();
        Self { verdict, word, sentence: sentence(verdict, findings), figures: figures(analysis) }
    }

    /// 0 where all is well, 1 for a finding.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        u8::from(self.verdict >= Verdict::Fail)
    }

    /// Verdict, sentence and figures as lines of plain text.
    #[must_use]
    pub fn terminal(&self) -> String {
        let mut text = format!("{}: {}\n", self.word, self.sentence.trim_start_matches("INVALID: "));
        for Figure { name, value, note } in &self.figures {
            text += format!("  {name:<20} {value:>14}   {note}").trim_end();
            text.push('\n');
        }
        text
    }
}

/// What decided, and that the run did not come to its end; without anything bad, how timing and answers were, and what else is worth knowing.
fn sentence(verdict: Verdict, findings: &[Finding]) -> String {
    let told = |finding: &&Finding| match verdict {
        Verdict::Pass => ["thresholds", "timing", "answers"].contains(&finding.id) || finding.verdict == Verdict::Warn,
        _ => finding.verdict == verdict || (finding.id == "complete" && finding.verdict == Verdict::Fail),
    };
    findings.iter().filter(told).map(|finding| finding.title.as_str()).collect::<Vec<_>>().join(" ")
}

fn figures(analysis: &Analysis) -> Vec<Figure> {
    let (totals, timing) = (&analysis.totals, &analysis.timing);
    let response = &analysis.latency.overall.response;
    let offered =
        totals.offered_per_s().map_or_else(|| "too few requests".to_owned(), |rate| format!("of {} offered", units::per_s(rate)));
    let timing_verdict = timing.fidelity.verdict.map_or("nothing was sent", |verdict| match verdict {
        stats::fidelity::Verdict::Kept => "timing kept",
        stats::fidelity::Verdict::Degraded => "timing degraded",
        stats::fidelity::Verdict::Lost => "timing lost",
    });
    vec![
        latency("Response p50", response, 0.5),
        latency("Response p99", response, 0.99),
        Figure {
            name: "Achieved rate".to_owned(),
            value: totals.achieved_per_s().map_or_else(|| INSUFFICIENT.to_owned(), units::per_s),
            note: offered,
        },
        Figure {
            name: "Failed requests".to_owned(),
            value: units::share(totals.share(totals.failed())),
            note: format!("{} of {}", units::count(totals.failed()), units::count(totals.requests)),
        },
        Figure {
            name: "Lateness p99".to_owned(),
            value: duration(timing.lateness.value_ns(0.99).map(|ns| ns as f64)),
            note: timing_verdict.to_owned(),
        },
    ]
}

fn latency(name: &str, response: &Distribution, p: f64) -> Figure {
    let quantile = response.at(p);
    let interval = |q: &Quantile| Some(units::interval(q.low_ns? as f64, q.high_ns? as f64));
    Figure {
        name: name.to_owned(),
        value: duration(response.value_ns(p).map(|ns| ns as f64)),
        note: quantile.and_then(interval).unwrap_or_else(|| format!("of {}", units::counted(response.count, "answer"))),
    }
}
