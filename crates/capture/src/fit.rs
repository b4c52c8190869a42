//! A trace → a model of its arrivals, with how near the model comes, as a JSON file.

use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};
use stats::arrivals::Mmpp2;
use stats::fit::{Acceptance, Model};
use stats::traffic::TrafficFigures;
use trace::{AtomicFile, Kind, TraceReader};

use crate::{Error, Result};

/// The most arrivals a model is fitted on: half a gigabyte of them at work.
pub const ARRIVALS_MAX: u64 = 1 << 24;
/// Version of the file.
const VERSION: u32 = 1;

/// What a model file holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// Version of this layout.
    pub rehearsal_model: u32,
    /// The trace as it was named.
    pub trace: String,
    /// The model.
    pub model: Model,
    /// One trace drawn from it, beside the recorded one.
    pub acceptance: Acceptance,
    /// The two-state model of the same rate, dispersion at 1 and 10 s and CV, as `synth --arrivals` reads it, where there is one.
    pub two_states: Option<String>,
}

/// Fits the arrivals of a trace. `parametric`: places within a stretch come from the best renewal model, not from the recorded gaps.
/// `seed` draws the trace that the model is judged by.
///
/// # Errors
/// [`Error::Trace`] when it cannot be read; [`Error::Option`] when it has too few arrivals for a model, or too many.
pub fn fit(path: &Path, parametric: bool, seed: u64) -> Result<Fitted> {
    let at_ns = arrivals_ns(path)?;
    let refuse = |reason: String| Error::Option(format!("{}: {reason}", path.display()));
    let model = Model::fit(&at_ns, parametric).map_err(refuse)?;
    let acceptance = Acceptance::of(&model, &at_ns, seed).map_err(refuse)?;
    let two_states = two_states(&acceptance.recorded);
    Ok(Fitted { rehearsal_model: VERSION, trace: path.display().to_string(), model, acceptance, two_states })
}

/// When each request of a trace comes, ns since its start.
fn arrivals_ns(path: &Path) -> Result<Vec<i64>> {
    let mut reader = TraceReader::open_columns(path, Some(&["kind"]))?;
    if reader.exchanges() > ARRIVALS_MAX {
        let (path, found) = (path.display(), reader.exchanges());
        return Err(Error::Option(format!(
            "{path} has {found} exchanges, a model takes up to {ARRIVALS_MAX}: `rehearsal cut` a part out of it"
        )));
    }
    let mut at_ns = Vec::new();
    while let Some(batch) = reader.next_batch()? {
        at_ns.extend(batch.rows().filter(|row| row.kind() != Kind::Push).map(|row| row.at().ns()));
    }
    Ok(at_ns)
}

fn two_states(recorded: &TrafficFigures) -> Option<String> {
    let rate_per_s = recorded.rate_per_s?;
    let [_, narrow, wide, _] = recorded.windows.map(|window| Some((window.window_ns as f64 / 1e9, window.idc?)));
    let law = Mmpp2::fit(rate_per_s, narrow?, wide?, recorded.iat_scv?)?;
    let per_gap = (law.leave_busy + law.leave_quiet) / rate_per_s;
    let text = format!("mmpp2:idc={:.4},r={per_gap:.3e},q={:.4}", law.idc_limit(), law.busy_share());
    stats::arrivals::open(&text, stats::Rng::stream(0, "")).is_ok().then_some(text)
}

impl Fitted {
    /// Writes it as JSON; the file appears whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let io = |error| Error::io("write", &path.display().to_string(), error);
        let mut file = AtomicFile::create(path)?;
        file.write_all(&serde_json::to_vec_pretty(self).map_err(|error| io(error.into()))?).map_err(io)?;
        Ok(file.commit()?)
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read; [`Error::Option`] when it is no model of this version.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).map_err(|error| Error::io("read", &path.display().to_string(), error))?;
        let refuse = |reason: String| {
            Error::Option(format!("{} is no model file: {reason}; make one with `rehearsal fit`", path.display()))
        };
        let fitted: Self = serde_json::from_slice(&text).map_err(|error| refuse(error.to_string()))?;
        if fitted.rehearsal_model != VERSION {
            return Err(refuse(format!("its version is {}, not {VERSION}", fitted.rehearsal_model)));
        }
        fitted.model.check().map_err(refuse)?;
        Ok(fitted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::{Length, Options, synthesize};

    fn fitted(folder: &Path, options: &Options) -> Fitted {
        let path = folder.join("t.parquet");
        synthesize(&path, options, |_| ()).expect("written");
        fit(&path, false, 1).expect("enough")
    }

    fn bursty() -> Options {
        let arrivals = "mmpp2:idc=40,r=0.002,q=0.2".to_owned();
        Options { dim: 1, arrivals, rate_per_s: 40.0, length: Length::Requests(16_000), ..Options::default() }
    }

    /// Trace → model → trace: the second has the figures of the first, and twice the rate twice the dispersion.
    #[test]
    fn a_trace_comes_back_from_its_model() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = fitted(folder.path(), &bursty());
        assert!(first.acceptance.is_accepted(), "{:?} {:?}", first.acceptance.nw1, first.acceptance.log_idc);
        let length = Length::DurationS(first.model.span_ns as f64 / 1e9);
        let again = |factor: f64| {
            let rate_per_s = factor * first.model.rate_per_s();
            fitted(folder.path(), &Options { model: Some(first.model.clone()), rate_per_s, length, ..bursty() })
                .acceptance
                .recorded
        };
        let (once, twice, recorded) = (again(1.0), again(2.0), &first.acceptance.recorded);
        assert!(once.count.abs_diff(recorded.count) <= 1 && twice.count.abs_diff(2 * recorded.count) <= 1, "{}", once.count);
        let idc = |figures: &TrafficFigures| figures.windows[2].idc.expect("40 windows");
        assert!((idc(&once) / idc(recorded) - 1.0).abs() < 0.1, "{} {}", idc(&once), idc(recorded));
        assert!((idc(&twice) / idc(recorded) / 2.0 - 1.0).abs() < 0.1, "{} {}", idc(&twice), idc(recorded));
    }

    #[test]
    fn a_file_comes_back_or_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, written) = (folder.path().join("m.json"), fitted(folder.path(), &bursty()));
        written.save(&path).expect("written");
        let read = Fitted::load(&path).expect("sound");
        assert_eq!((&read.model, &read.two_states), (&written.model, &written.two_states));
        for (change, says) in [
            ((|v| v["rehearsal_model"] = 2.into()) as fn(&mut serde_json::Value), "its version is 2, not 1"),
            (|v| v["model"]["counts"][0] = 1_000_000.into(), "do not add up"),
            (|v| v["model"] = 3.into(), "is no model file"),
        ] {
            let mut value = serde_json::to_value(&written).expect("plain data");
            change(&mut value);
            std::fs::write(&path, value.to_string()).expect("written");
            let error = Fitted::load(&path).expect_err(says).to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    /// The two-state model found in a trace of one has its long-run dispersion, within what 16 000 arrivals show of it.
    #[test]
    fn two_states_are_found_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = fitted(folder.path(), &bursty()).two_states.expect("there are two");
        let idc: f64 = text.split(['=', ',']).nth(1).and_then(|idc| idc.parse().ok()).expect("a number");
        assert!((idc / 40.0).ln().abs() < 0.7, "{text}");
    }

    #[test]
    fn too_few_requests_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.parquet");
        synthesize(&path, &Options { length: Length::Requests(20), ..bursty() }, |_| ()).expect("written");
        assert!(fit(&path, false, 1).expect_err("few").to_string().contains("20 arrivals are too few for a model: 100"));
    }
}
