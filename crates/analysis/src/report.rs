//! Writes a run's report: page, Markdown, findings and charts, each whole or not at all.

use std::path::{Path, PathBuf};

use crate::breaking::Asked;
use crate::capacity::{self, Capacity, Question};
use crate::finding::{Finding, findings};
use crate::issues::Notes;
use crate::overview::Overview;
use crate::page::{self, Page, Part};
use crate::render;
use crate::search;
use crate::section;
use crate::spread::{self, Shape};
use crate::threshold::{self, Judged, Thresholds};
use crate::{Analysis, Result, Run};
use crate::{chart, junit};

/// How a report is to be made.
#[derive(Debug, Clone, Default)]
pub struct ReportOptions {
    /// Where it goes; the run's own folder where `None`.
    pub out: Option<PathBuf>,
    /// Whether `stats.csv`, `stats_history.csv` and `failures.csv` are written as well.
    pub csv: bool,
    /// What the run has to hold, besides what it was asked when it was made; of two about the same, these count.
    pub thresholds: Thresholds,
    /// What a load that grows may not pass, besides thresholds: where it does is a breaking point.
    pub limits: Vec<Asked>,
    /// Where JUnit XML goes, if anywhere.
    pub junit: Option<PathBuf>,
    /// What is asked about capacity.
    pub capacity: Question,
    /// What somebody says about the run's issues, or about the run, besides what an earlier report at the same place has kept: see
    /// [`Notes::with`].
    pub notes: Vec<String>,
}

/// A report that has been written.
#[derive(Debug, Clone)]
pub struct Report {
    /// Verdict, sentence and the five figures.
    pub overview: Overview,
    /// Everything that was found.
    pub findings: Vec<Finding>,
    /// How it stands to its thresholds.
    pub thresholds: Vec<Judged>,
    /// What the target can bear, a line each; empty where nothing is known or asked.
    pub capacity: String,
    /// How the response times are spread, a line for each collection and operation; empty where nothing was answered.
    pub spread: Vec<Shape>,
    /// The page.
    pub html: PathBuf,
}

/// The page of a run.
fn page(analysis: &Analysis) -> Page {
    let findings = findings(analysis);
    let material = section::Material { analysis, findings: &findings };
    let thresholds = Part::new("thresholds", "Thresholds", threshold::section(&analysis.thresholds)).leading();
    Page {
        kicker: "Replay report",
        title: analysis.info.label.clone(),
        overview: Overview::new(analysis, &findings),
        card: render::card(&analysis.info),
        sections: std::iter::once(thresholds).chain(section::parts(material)).collect(),
        charts: chart::charts(analysis),
        tool: analysis.info.tool.clone(),
        findings,
    }
}

/// Analyses the run or the search in `dir` and writes `report.html`, `report.md`, `findings.json` and `charts/`.
///
/// # Errors
/// [`crate::Error::Trace`] when `dir` is no run or one of another version, [`crate::Error::Empty`] when it has no outcomes,
/// [`crate::Error::Outcomes`] when they are damaged, [`crate::Error::Io`] when the report cannot be written.
pub fn report(dir: &Path, options: &ReportOptions) -> Result<Report> {
    if search::is_search(dir) {
        return search::report(dir, options);
    }
    let run = Run::open(dir)?;
    let thresholds = options.thresholds.clone().over(Thresholds::of_run(&run.info)?);
    let mut analysis = Analysis::new(&run)?.held(&run, &thresholds, &options.limits)?;
    analysis.capacity = Capacity::of_run(&analysis, &options.capacity)?;
    let out = options.out.as_deref().unwrap_or(dir);
    let kept = Notes::kept(&out.join("findings.json")).of_those_in(&analysis.issues);
    let notes = options.notes.iter().fold(kept, |notes, note| notes.with(note));
    analysis.issues = analysis.issues.noted(&notes)?;
    let page = page(&analysis);
    let html = page.write(out, "report")?;
    page::write(&out.join("findings.json"), &render::json(&analysis, &page.findings, &page.overview))?;
    if options.csv {
        render::csv(&analysis).iter().try_for_each(|(name, text)| page::write(&out.join(name), text))?;
    }
    if let Some(path) = &options.junit {
        let generator = page.findings.iter().find(|finding| finding.id == "generator");
        junit::write(path, &[junit::of_run(&analysis.info.label, generator, &analysis.thresholds)])?;
    }
    let capacity = analysis.capacity.as_ref().map(capacity::terminal).unwrap_or_default();
    let spread = spread::of_analysis(&analysis);
    Ok(Report { overview: page.overview, findings: page.findings, thresholds: analysis.thresholds, capacity, spread, html })
}
