//! What a report shows, whatever it is of: a run, a search, a comparison or a history fill it, and every format renders it.

use std::io::Write;
use std::path::{Path, PathBuf};

use trace::AtomicFile;

use crate::chart::{self, Drawn};
use crate::finding::Finding;
use crate::overview::Overview;
use crate::section::Block;
use crate::{Error, Result, render};

/// A report, ready to be rendered.
#[derive(Debug, Clone)]
pub struct Page {
    /// What kind of report this is, in two words.
    pub kicker: &'static str,
    /// What it is of.
    pub title: String,
    /// Verdict, sentence and figures.
    pub overview: Overview,
    /// What ran, and how to run it again.
    pub card: Card,
    /// Its parts, in order; empty ones are left out.
    pub sections: Vec<Part>,
    /// What [`Block::Findings`] lists.
    pub findings: Vec<Finding>,
    /// What [`Block::Chart`] names.
    pub charts: Vec<Drawn>,
    /// The version that made it.
    pub tool: String,
}

/// What ran, and how to run it again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Card {
    /// Name and content of each line.
    pub lines: Vec<(&'static str, String)>,
    /// The words of the command; empty where there is none.
    pub command: Vec<String>,
}

/// A part of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its name in links.
    pub id: String,
    /// Its heading.
    pub title: String,
    /// What stands in it.
    pub blocks: Vec<Block>,
    /// Whether it stands right under the verdict, before everything else.
    pub leads: bool,
}

impl Part {
    /// A part with all it has.
    pub fn new(id: impl Into<String>, title: impl Into<String>, blocks: Vec<Block>) -> Self {
        Self { id: id.into(), title: title.into(), blocks, leads: false }
    }

    /// The same, right under the verdict.
    #[must_use]
    pub fn leading(self) -> Self {
        Self { leads: true, ..self }
    }
}

impl Page {
    /// The chart of that name, drawn or left out.
    #[must_use]
    pub fn chart(&self, name: &str) -> Option<&Drawn> {
        self.charts.iter().find(|chart| chart.name == name)
    }

    /// The parts that have something in them, but for those that lead.
    pub fn filled(&self) -> impl Iterator<Item = &Part> {
        self.sections.iter().filter(|part| !part.blocks.is_empty() && !part.leads)
    }

    /// What stands right under the verdict.
    pub fn leading(&self) -> impl Iterator<Item = &Part> {
        self.sections.iter().filter(|part| !part.blocks.is_empty() && part.leads)
    }

    /// Writes `STEM.html`, `STEM.md` and `charts/` into `out`, each file whole or not at all; returns the path of the page.
    ///
    /// # Errors
    /// [`Error::Io`] when `out` cannot be written, [`Error::Chart`] when a chart cannot be drawn.
    pub fn write(&self, out: &Path, stem: &str) -> Result<PathBuf> {
        std::fs::create_dir_all(out).map_err(|e| Error::io("create", out, e))?;
        write_charts(&self.charts, &out.join("charts"))?;
        write(&out.join(format!("{stem}.md")), &render::markdown(self))?;
        let html = out.join(format!("{stem}.html"));
        write(&html, &render::html(self)?)?;
        Ok(html)
    }
}

/// Writes a file of text, whole or not at all.
///
/// # Errors
/// [`Error::Io`] when it cannot be written.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(text.as_bytes()).map_err(|e| Error::io("write", path, e))?;
    Ok(file.commit()?)
}

/// Writes the charts there are, and removes what an earlier report left of those there are not.
fn write_charts(charts: &[Drawn], dir: &Path) -> Result<()> {
    if charts.is_empty() {
        return Ok(());
    }
    std::fs::create_dir_all(dir).map_err(|e| Error::io("create", dir, e))?;
    for Drawn { name, picture } in charts {
        let (svg, png) = (dir.join(format!("{name}.svg")), dir.join(format!("{name}.png")));
        if let Ok(picture) = picture {
            write(&svg, &chart::svg_file(name, picture)?)?;
            let partial = dir.join(format!("{name}.partial.png"));
            chart::png(name, picture, &partial)?;
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
