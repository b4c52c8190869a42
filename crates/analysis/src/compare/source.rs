//! What is compared with what: runs, series of runs and baselines, as they are named on the command line.

use std::path::{Path, PathBuf};

use stats::compare::Design;
use trace::{RunInfo, RunStatus, SERIES_FILE, Series, read_run_info};

use super::baseline::Baseline;
use super::comparable;
use super::digest::{Digest, Wanted};
use crate::{Error, Result, Run};

/// Both sides, the known one first.
#[derive(Debug, Clone)]
pub struct Sides {
    /// The version that is known.
    pub before: Side,
    /// The version in question.
    pub after: Side,
    /// Whether the i-th runs of both stood next to each other in time.
    pub design: Design,
    /// What is to be known about the choice.
    pub notes: Vec<String>,
}

/// The runs of one version.
#[derive(Debug, Clone)]
pub struct Side {
    /// What it is called.
    pub label: String,
    /// Its runs.
    pub runs: Vec<Source>,
}

/// A run, on disk or kept in a baseline.
#[derive(Debug, Clone)]
pub enum Source {
    /// Its folder.
    Folder(PathBuf),
    /// Its figures, and the baseline they are from.
    Kept(PathBuf, Box<Digest>),
}

impl Source {
    /// Where it is, for sentences.
    pub fn path(&self) -> &Path {
        match self {
            Self::Folder(path) | Self::Kept(path, _) => path,
        }
    }

    /// Measures it, or hands over what is kept of it.
    ///
    /// # Errors
    /// As [`Run::open`] and [`Digest::of`].
    pub fn digest(self, wanted: &Wanted) -> Result<Digest> {
        match self {
            Self::Folder(path) => Digest::of(&Run::open(&path)?, wanted),
            Self::Kept(_, digest) => Ok(*digest),
        }
    }
}

impl Sides {
    /// The runs that stand behind the paths: folders of runs, folders of series of one target, files of baselines.
    ///
    /// # Errors
    /// [`Error::Trace`] when one is none of these.
    pub fn of_paths(before: &[PathBuf], after: &[PathBuf]) -> Result<Self> {
        let side = |paths: &[PathBuf]| -> Result<Side> {
            let runs = paths.iter().map(|path| open(path)).collect::<Result<Vec<_>>>()?;
            let label = paths.iter().map(|path| path.display().to_string()).next().unwrap_or_default();
            let more = paths.len().saturating_sub(1);
            let label = if more > 0 { format!("{label} and {more} more") } else { label };
            Ok(Side { label, runs: runs.into_iter().flatten().collect() })
        };
        Ok(Self { before: side(before)?, after: side(after)?, design: Design::Independent, notes: Vec::new() })
    }

    /// The runs of a series of two targets, or of the two of its sides that are named. Where the sides took turns they pair up.
    ///
    /// # Errors
    /// [`Error::Refused`] when it has not these sides.
    pub fn of_series(folder: &Path, labels: Option<(&str, &str)>) -> Result<Self> {
        if !folder.join(SERIES_FILE).exists() {
            let sentence = "is no series of two targets; name two runs, or a folder that `replay --against` made";
            return Err(Error::Refused(format!("{} {sentence}", folder.display())));
        }
        let series = Series::read(folder)?;
        let known: Vec<&str> = series.targets.keys().map(String::as_str).collect();
        let first: Vec<&str> =
            series.pairs.first().map(|pair| pair.iter().filter_map(|run| label_of(&series, run)).collect()).unwrap_or_default();
        let (before, after) = match (labels, &first[..]) {
            (Some(labels), _) => labels,
            (None, [before, after]) => (*before, *after),
            (None, _) => {
                let sentence = format!(
                    "has {} ({}); choose two with --sides OLD,NEW",
                    crate::units::counted(known.len() as u64, "side"),
                    known.join(", ")
                );
                return Err(Error::Refused(format!("{} {sentence}", folder.display())));
            }
        };
        for label in [before, after] {
            if !known.contains(&label) {
                return Err(Error::Refused(format!("{} has no side `{label}`, only {}", folder.display(), known.join(", "))));
            }
        }
        Ok(of_labels(folder, &series, before, after))
    }
}

fn label_of<'a>(series: &'a Series, folder: &str) -> Option<&'a str> {
    series.runs.iter().find(|run| run.folder == folder).map(|run| run.label.as_str())
}

fn of_labels(folder: &Path, series: &Series, before: &str, after: &str) -> Sides {
    let made = |name: &&String| series.runs.iter().any(|run| run.folder == **name && run.status.is_some());
    let of = |pair: &Vec<String>, label: &str| pair.iter().filter(made).find(|run| label_of(series, run) == Some(label)).cloned();
    let pairs: Vec<(String, String)> =
        series.pairs.iter().filter_map(|pair| Some((of(pair, before)?, of(pair, after)?))).collect();
    let mut notes = Vec::new();
    let left_out = series.pairs.len() - pairs.len();
    if left_out > 0 {
        notes.push(format!("{} of the series were not made, and are left out.", crate::units::counted(left_out as u64, "pair")));
    }
    if !series.interleaved {
        notes.push("The sides did not take turns, so that a drift of the machine looks like a difference; `replay --interleave` lets them.".to_owned());
    }
    let (first, second): (Vec<String>, Vec<String>) = pairs.into_iter().unzip();
    let side = |label: &str, runs: Vec<String>| Side {
        label: label.to_owned(),
        runs: runs.into_iter().map(|run| Source::Folder(folder.join(run))).collect(),
    };
    let design = if series.interleaved { Design::Paired } else { Design::Independent };
    Sides { before: side(before, first), after: side(after, second), design, notes }
}

/// The runs behind a path.
fn open(path: &Path) -> Result<Vec<Source>> {
    if path.is_file() {
        let baseline = Baseline::read(path)?;
        return Ok(baseline.runs.into_iter().map(|digest| Source::Kept(path.to_owned(), Box::new(digest))).collect());
    }
    if !path.join(SERIES_FILE).exists() {
        return Ok(vec![Source::Folder(path.to_owned())]);
    }
    let series = Series::read(path)?;
    if series.targets.len() > 1 {
        let sentence = "is a series of several targets: compare it alone, or name its runs";
        return Err(Error::Refused(format!("{} {sentence}", path.display())));
    }
    let made = series.runs.iter().filter(|run| run.status.is_some());
    Ok(made.map(|run| Source::Folder(path.join(&run.folder))).collect())
}

/// Leaves out runs that the generator itself spoilt, with their pair, and refuses those that did not come to their end.
///
/// # Errors
/// [`Error::Refused`] when a run is still going or was broken off, or none of a side is left; [`Error::Trace`] when one cannot be read.
pub fn sound(sides: &mut Sides) -> Result<()> {
    let spoilt = |side: &Side| side.runs.iter().map(is_spoilt).collect::<Result<Vec<bool>>>();
    let (mut before, mut after) = (spoilt(&sides.before)?, spoilt(&sides.after)?);
    if sides.design == Design::Paired {
        let either: Vec<bool> = before.iter().zip(&after).map(|(before, after)| *before || *after).collect();
        (before, after) = (either.clone(), either);
    }
    let mut left_out = Vec::new();
    for (side, spoilt) in [(&mut sides.before, before), (&mut sides.after, after)] {
        let runs = std::mem::take(&mut side.runs).into_iter().zip(spoilt);
        let (out, kept): (Vec<_>, Vec<_>) = runs.partition(|(_, spoilt)| *spoilt);
        side.runs = kept.into_iter().map(|(run, _)| run).collect();
        let out: Vec<String> = out.into_iter().map(|(run, _)| run.path().display().to_string()).collect();
        if side.runs.is_empty() && !out.is_empty() {
            let sentence = "the generator itself was the limit (INVALID), so that nothing can be said of the target; repeat it on an idler machine, or at a lower rate";
            return Err(Error::Refused(format!("{}: {sentence}", out.join(", "))));
        }
        left_out.extend(out);
    }
    if !left_out.is_empty() {
        let why = "since the generator itself was the limit (INVALID) of a run or of its pair";
        sides.notes.push(format!("Left out, {why}: {}.", left_out.join(", ")));
    }
    if sides.before.runs.is_empty() || sides.after.runs.is_empty() {
        return Err(Error::Refused("there is no run on one of the sides".to_owned()));
    }
    Ok(())
}

/// Whether the generator spoilt a run that came to its end.
fn is_spoilt(source: &Source) -> Result<bool> {
    let Source::Folder(path) = source else { return Ok(false) };
    let info = read_run_info(path)?;
    let what = match info.status {
        RunStatus::Complete => return Ok(is_invalid(&info)),
        RunStatus::Running => "is still being written, or was killed",
        RunStatus::Stopped => "was stopped before its end",
        RunStatus::Aborted => "was aborted by a condition before its end",
        RunStatus::Failed => "failed before its end",
    };
    Err(Error::Refused(format!("{} {what}: only whole runs can be compared", path.display())))
}

/// Measures the runs behind the paths, all of which have to be sound and asked the same.
///
/// # Errors
/// [`Error::Refused`] when one is not, [`Error::Trace`], [`Error::Empty`] and [`Error::Outcomes`] when one cannot be read.
pub fn measured(paths: &[PathBuf], wanted: &Wanted) -> Result<Vec<Digest>> {
    let sources = paths.iter().map(|path| open(path)).collect::<Result<Vec<_>>>()?;
    let measure = |source: Source| {
        if is_spoilt(&source)? {
            let sentence = "the generator itself was the limit (INVALID), so that it says nothing of the target";
            return Err(Error::Refused(format!("{}: {sentence}", source.path().display())));
        }
        source.digest(wanted)
    };
    let runs = sources.into_iter().flatten().map(measure).collect::<Result<Vec<Digest>>>()?;
    comparable::check(&runs.iter().collect::<Vec<_>>(), false)?;
    Ok(runs)
}

fn is_invalid(info: &RunInfo) -> bool {
    info.fidelity.get("generator_limited").and_then(serde_json::Value::as_bool) == Some(true)
        || info.figures.get("invalid").and_then(serde_json::Value::as_bool) == Some(true)
}
