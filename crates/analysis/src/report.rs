//! Writes a run's report: page, Markdown, findings and charts, each whole or not at all.

use std::io::Write;
use std::path::{Path, PathBuf};

use trace::AtomicFile;

use crate::chart::{self, CHARTS, Plot};
use crate::finding::{Finding, findings};
use crate::overview::Overview;
use crate::render;
use crate::{Analysis, Error, Result, Run};

/// How a report is to be made.
#[derive(Debug, Clone, Default)]
pub struct ReportOptions {
    /// Where it goes; the run's own folder where `None`.
    pub out: Option<PathBuf>,
}

/// A report that has been written.
#[derive(Debug, Clone)]
pub struct Report {
    /// Verdict, sentence and the five figures.
    pub overview: Overview,
    /// Everything that was found.
    pub findings: Vec<Finding>,
    /// The page.
    pub html: PathBuf,
}

/// Everything a report is rendered from.
pub(crate) struct Material {
    pub analysis: Analysis,
    pub findings: Vec<Finding>,
    pub overview: Overview,
    pub charts: Vec<Drawn>,
}

/// A chart of [`CHARTS`] that was built, or why it was left out.
pub(crate) struct Drawn {
    pub name: &'static str,
    pub plot: std::result::Result<Plot, String>,
}

impl Material {
    pub fn new(analysis: Analysis) -> Self {
        let findings = findings(&analysis);
        let overview = Overview::new(&analysis, &findings);
        let charts = CHARTS.iter().map(|chart| Drawn { name: chart.name, plot: (chart.build)(&analysis) }).collect();
        Self { analysis, findings, overview, charts }
    }

    pub fn chart(&self, name: &str) -> Option<&Drawn> {
        self.charts.iter().find(|chart| chart.name == name)
    }
}

/// Analyses the run in `dir` and writes `report.html`, `report.md`, `findings.json` and `charts/`.
///
/// # Errors
/// [`Error::Trace`] when `dir` is no run or one of another version, [`Error::Empty`] when it has no outcomes, [`Error::Outcomes`] when
/// they are damaged, [`Error::Io`] when the report cannot be written.
pub fn report(dir: &Path, options: &ReportOptions) -> Result<Report> {
    let material = Material::new(Analysis::new(&Run::open(dir)?)?);
    let out = options.out.as_deref().unwrap_or(dir);
    std::fs::create_dir_all(out).map_err(|e| Error::io("create", out, e))?;
    write_charts(&material.charts, &out.join("charts"))?;
    write(&out.join("findings.json"), &render::json(&material))?;
    write(&out.join("report.md"), &render::markdown(&material))?;
    let html = out.join("report.html");
    write(&html, &render::html(&material)?)?;
    Ok(Report { overview: material.overview, findings: material.findings, html })
}

fn write(path: &Path, text: &str) -> Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(text.as_bytes()).map_err(|e| Error::io("write", path, e))?;
    Ok(file.commit()?)
}

/// Writes the charts there are, and removes what an earlier report left of those there are not.
fn write_charts(charts: &[Drawn], dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(|e| Error::io("create", dir, e))?;
    for Drawn { name, plot } in charts {
        let (svg, png) = (dir.join(format!("{name}.svg")), dir.join(format!("{name}.png")));
        if let Ok(plot) = plot {
            write(&svg, &chart::svg_file(name, plot)?)?;
            let partial = dir.join(format!("{name}.partial.png"));
            chart::png(name, plot, &partial)?;
            std::fs::rename(&partial, &png).map_err(|e| Error::io("write", &png, e))?;
        } else {
            remove(&svg)?;
            remove(&png)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path, e)),
        _ => Ok(()),
    }
}
