//! Words about what a run has to hold.

use std::path::{Path, PathBuf};

use analysis::finding::{self, Verdict};
use analysis::junit::{self, Suite};
use analysis::threshold::{Judged, Threshold, Thresholds, metric};
use analysis::{Analysis, Run};
use clap::Args;

use crate::failure::Failure;

/// What a run has to hold.
#[derive(Args)]
pub struct ThresholdWords {
    /// What the run has to hold, or exit code 1: METRIC{SCOPE}<VALUE such as 'p95{operation=GET /items,phase=stress}<20ms', with <, <=, >
    /// or >=, two limits where values between them are acceptable ('p99<20ms|50ms'), and a scope of collection, operation, target, phase,
    /// effect, transaction (may be repeated)
    #[arg(long, value_name = "THRESHOLD")]
    threshold: Vec<Threshold>,
    /// A file of them in YAML: max_response_time, max_error_rate, min_throughput … under overall, collections, operations and phases
    #[arg(long, value_name = "FILE")]
    thresholds: Option<PathBuf>,
}

impl ThresholdWords {
    /// Those of the file and of the command line.
    ///
    /// # Errors
    /// One sentence when the file cannot be read, or two are about the same.
    pub fn taken(self) -> Result<Thresholds, Failure> {
        let file = self.thresholds.as_deref().map_or_else(|| Ok(Thresholds::default()), Thresholds::read)?;
        let all = file.iter().cloned().chain(self.threshold);
        Thresholds::new(all).map_err(|reason| Failure::new(format!("--threshold: {reason}")))
    }
}

/// How a run stands to what it was asked.
#[derive(Default)]
pub struct Held {
    /// Each threshold.
    pub judged: Vec<Judged>,
    /// The same as tests.
    pub suite: Option<Suite>,
}

impl Held {
    /// Judges the run in `dir` by the thresholds it keeps.
    ///
    /// # Errors
    /// One sentence when it cannot be read.
    pub fn load(dir: &Path) -> Result<Self, Failure> {
        let run = Run::open(dir)?;
        let analysis = Analysis::new(&run)?.held(&run, &Thresholds::of_run(&run.info)?, &[])?;
        let found = finding::findings(&analysis);
        let generator = found.iter().find(|finding| finding.id == "generator");
        let suite = Some(junit::of_run(&analysis.info.label, generator, &analysis.thresholds));
        Ok(Self { judged: analysis.thresholds, suite })
    }

    /// Whether one is missed.
    pub fn is_finding(&self) -> bool {
        self.judged.iter().any(|one| one.verdict == Verdict::Fail)
    }
}

/// Every metric and what it is, for the help of verbs that take thresholds.
pub fn metrics() -> String {
    let figures = metric::FIGURES.iter().map(|figure| (figure.name.to_owned(), figure.about));
    let times = metric::TIMES.iter().map(|time| (format!("{0}p50 … {0}p99.99, {0}mean, {0}max", time.prefix), time.about));
    let lines = times.chain(figures).map(|(name, about)| format!("\n  {name}\n      {about}"));
    format!("Metrics of thresholds:{}", lines.collect::<String>())
}
