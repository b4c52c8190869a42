//! A trace → a model of its arrivals, with how near the model comes, as a JSON file.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};
use stats::arrivals::Mmpp2;
use stats::fit::{Acceptance, Candidate, Longer, Model, Recording, Superposed};
use stats::traffic::TrafficFigures;
use trace::{AtomicFile, Flag, Kind, Row, TraceReader};

use crate::{Error, Result};

/// The most arrivals a model is fitted on: half a gigabyte of them at work.
pub const ARRIVALS_MAX: u64 = 1 << 24;
/// A kind of request with so many arrivals has a model of its own; the others share one.
pub const KIND_ARRIVALS_MIN: usize = 500;
/// The most kinds that have one.
pub const KINDS_MAX: usize = 64;
/// Different names that are told apart when kinds are counted.
const NAMES_MAX: usize = 1 << 16;
/// Version of the file.
const VERSION: u32 = 2;

/// What makes requests different kinds of arrivals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Nothing: all are of one kind.
    None,
    /// What they address.
    Collection,
    /// What they do.
    Operation,
}

/// Every value with its name.
pub const BY: &[(By, &str)] = &[(By::None, "none"), (By::Collection, "collection"), (By::Operation, "operation")];

impl By {
    /// The value with this name, if there is one.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        BY.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// The name of a row's kind.
    #[must_use]
    pub fn kind_of<'a>(self, row: &Row<'a>) -> &'a str {
        match self {
            Self::None => "",
            Self::Collection => row.collection(),
            Self::Operation => row.operation(),
        }
    }
}

/// One kind of requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KindModel {
    /// The collection or operation; `None` for all that have no model of their own.
    pub name: Option<String>,
    /// Its arrivals, over the period of the whole.
    pub model: Model,
}

/// What a model file holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// Version of this layout.
    pub rehearsal_model: u32,
    /// The trace as it was named.
    pub trace: String,
    /// The model of all arrivals together.
    pub model: Model,
    /// The step that instants were recorded in, ns, where many fell on one; they were spread over it.
    pub quantum_ns: Option<i64>,
    /// How kinds are told apart.
    pub by: By,
    /// Models of kinds, which take the place of `model`; empty where all are of one kind.
    pub kinds: Vec<KindModel>,
    /// One trace drawn from it, beside the recorded one.
    pub acceptance: Acceptance,
    /// Renewal models of the gaps in operational time, the likeliest first.
    pub candidates: Vec<Candidate>,
    /// The two-state model of the same rate, dispersion at 1 and 10 s and CV, as `synth --arrivals` reads it, where there is one.
    pub two_states: Option<String>,
}

/// How a trace is to be fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FitOptions {
    /// Places within a stretch come from the best renewal model, not from the recorded gaps.
    pub parametric: bool,
    /// What tells kinds apart; `None`: the collection, unless that breaks up units of work or comes less near.
    pub by: Option<By>,
    /// Draws the trace that the model is judged by.
    pub seed: u64,
}

/// Fits the arrivals of a trace.
///
/// # Errors
/// [`Error::Trace`] when it cannot be read; [`Error::Option`] when it has too few arrivals for a model, or too many.
pub fn fit(path: &Path, options: &FitOptions) -> Result<Fitted> {
    let arrivals = Arrivals::read(path, options.by.unwrap_or(By::Collection))?;
    let refuse = |reason: String| Error::Option(format!("{}: {reason}", path.display()));
    let recording = Recording::new(&arrivals.at_ns).map_err(refuse)?;
    let all = recording.arrivals(|_| true);
    let model = recording.model(&all, options.parametric);
    let acceptance = Acceptance::of(&[&model], &recording, options.seed).map_err(refuse)?;
    let candidates = model.candidates(&all);
    let two_states = two_states(&acceptance.recorded);
    let mut fitted = Fitted {
        rehearsal_model: VERSION,
        trace: path.display().to_string(),
        model,
        quantum_ns: recording.quantum_ns(),
        by: By::None,
        kinds: Vec::new(),
        acceptance,
        candidates,
        two_states,
    };
    if options.by.is_some() || !arrivals.has_units {
        fitted.tell_apart(&arrivals, &recording, options).map_err(refuse)?;
    }
    Ok(fitted)
}

impl Fitted {
    /// Puts models of kinds in place of the one of all, if there are kinds; unasked, only if they come as near.
    fn tell_apart(
        &mut self,
        arrivals: &Arrivals,
        recording: &Recording,
        options: &FitOptions,
    ) -> std::result::Result<(), String> {
        let kinds = arrivals.kinds(recording, options.parametric);
        if kinds.is_empty() {
            return Ok(());
        }
        let models: Vec<&Model> = kinds.iter().map(|kind| &kind.model).collect();
        let acceptance = Acceptance::of(&models, recording, options.seed)?;
        if options.by.is_some() || acceptance.is_accepted() {
            (self.by, self.kinds, self.acceptance) = (arrivals.by, kinds, acceptance);
        }
        Ok(())
    }

    /// Arrivals without end, ns since the start, each with the number of its kind (0 where all are of one), at `factor` times the
    /// recorded rate.
    ///
    /// # Errors
    /// One sentence where the factor is out of range, or where `longer` needs what the models do not have.
    pub fn instants(&self, factor: f64, longer: Longer, seed: u64) -> std::result::Result<Superposed, String> {
        let one = [&self.model];
        let kinds: Vec<&Model> = self.kinds.iter().map(|kind| &kind.model).collect();
        Superposed::new(if kinds.is_empty() { &one } else { &kinds }, factor, longer, seed)
    }

    /// The number of the kind that a row belongs to; `None` for one that the model does not know.
    #[must_use]
    pub fn kind_of(&self, row: &Row<'_>) -> Option<usize> {
        if self.kinds.is_empty() {
            return Some(0);
        }
        let name = self.by.kind_of(row);
        let position = |wanted: Option<&str>| self.kinds.iter().position(|kind| kind.name.as_deref() == wanted);
        position(Some(name)).or_else(|| position(None))
    }
}

/// When requests come, and of which kind each is.
struct Arrivals {
    at_ns: Vec<i64>,
    by: By,
    /// For each, the number of its name.
    names_of: Vec<u32>,
    names: Vec<String>,
    /// Whether sessions set something up or hold units of work, so that their order matters.
    has_units: bool,
}

impl Arrivals {
    fn read(path: &Path, by: By) -> Result<Self> {
        let mut reader = TraceReader::open_columns(path, Some(&["kind", "collection", "operation", "txn", "flags"]))?;
        if reader.exchanges() > ARRIVALS_MAX {
            let (path, found) = (path.display(), reader.exchanges());
            return Err(Error::Option(format!(
                "{path} has {found} exchanges, a model takes up to {ARRIVALS_MAX}: `rehearsal cut` a part out of it"
            )));
        }
        let mut arrivals = Self { at_ns: Vec::new(), by, names_of: Vec::new(), names: Vec::new(), has_units: false };
        let mut numbers: HashMap<String, u32> = HashMap::new();
        while let Some(batch) = reader.next_batch()? {
            for row in batch.rows().filter(|row| row.kind() != Kind::Push) {
                arrivals.has_units |= row.txn().is_some() || row.flags().has(Flag::Setup);
                arrivals.at_ns.push(row.at().ns());
                let number = arrivals.number(by.kind_of(&row), &mut numbers);
                arrivals.names_of.push(number);
            }
        }
        Ok(arrivals)
    }

    /// The number of a name; past the limit, of none that is known.
    fn number(&mut self, name: &str, numbers: &mut HashMap<String, u32>) -> u32 {
        if let Some(number) = numbers.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        if self.names.len() < NAMES_MAX {
            numbers.insert(name.to_owned(), number);
            self.names.push(name.to_owned());
        }
        number
    }

    /// A model for each kind with enough arrivals, the largest kinds first, and one for the rest; empty where no two would come of it.
    fn kinds(&self, recording: &Recording, parametric: bool) -> Vec<KindModel> {
        let mut counts = vec![0_usize; self.names.len() + 1];
        self.names_of.iter().for_each(|number| counts[*number as usize] += 1);
        let mut large: Vec<usize> = (0..self.names.len()).filter(|number| counts[*number] >= KIND_ARRIVALS_MIN).collect();
        large.sort_by_key(|number| std::cmp::Reverse(counts[*number]));
        large.truncate(KINDS_MAX);
        let mut place = vec![usize::MAX; counts.len()];
        large.iter().enumerate().for_each(|(i, number)| place[*number] = i);
        let kind = |name: Option<String>, wanted: usize| {
            let arrivals = recording.arrivals(|i| place[self.names_of[i] as usize] == wanted);
            (!arrivals.is_empty()).then(|| KindModel { name, model: recording.model(&arrivals, parametric) })
        };
        let named = large.iter().enumerate().map(|(i, number)| (Some(self.names[*number].clone()), i));
        let kinds: Vec<KindModel> = named.chain([(None, usize::MAX)]).filter_map(|(name, wanted)| kind(name, wanted)).collect();
        if kinds.len() > 1 { kinds } else { Vec::new() }
    }
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
        let models = fitted.kinds.iter().map(|kind| &kind.model).chain([&fitted.model]);
        for model in models {
            model.check().map_err(refuse)?;
            if model.span_ns != fitted.model.span_ns {
                return Err(refuse("the models of its kinds do not last equally long".to_owned()));
            }
        }
        Ok(fitted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::{Length, Options, synthesize};

    const ONE: FitOptions = FitOptions { parametric: false, by: Some(By::None), seed: 1 };

    fn fitted(folder: &Path, options: &Options) -> Fitted {
        let path = folder.join("t.parquet");
        synthesize(&path, options, |_| ()).expect("written");
        fit(&path, &ONE).expect("enough")
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
            ((|v| v["rehearsal_model"] = 3.into()) as fn(&mut serde_json::Value), "its version is 3, not 2"),
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
        assert!(fit(&path, &ONE).expect_err("few").to_string().contains("20 arrivals are too few for a model: 100"));
    }

    /// Nine collections, of which some have 500 arrivals: each of those keeps its count, and the others share a model.
    #[test]
    fn collections_have_models_of_their_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.parquet");
        let length = Length::Requests(4500);
        synthesize(&path, &Options { dim: 1, rate_per_s: 10.0, length, ..Options::default() }, |_| ()).expect("written");
        let fitted = fit(&path, &FitOptions { by: Some(By::Collection), ..ONE }).expect("enough");
        assert_eq!(fitted.by, By::Collection);
        let names: Vec<_> = fitted.kinds.iter().map(|kind| kind.name.as_deref()).collect();
        assert_eq!((names[0], names.last()), (Some("mixtral"), Some(&None)), "{names:?}");
        assert!(fitted.kinds.iter().all(|kind| kind.model.arrivals >= 500 || kind.name.is_none()));
        assert_eq!(fitted.kinds.iter().map(|kind| kind.model.arrivals).sum::<u64>(), fitted.model.arrivals);
        let span_ns = fitted.model.span_ns;
        let mut counts = vec![0; fitted.kinds.len()];
        let drawn = fitted.instants(1.0, Longer::Repeat, 5).expect("sound").take_while(|(at_ns, _)| *at_ns < span_ns);
        drawn.for_each(|(_, kind)| counts[kind] += 1);
        assert!(counts.iter().zip(&fitted.kinds).all(|(count, kind)| *count == kind.model.arrivals), "{counts:?}");
    }

    /// Sessions that are units of work are not broken up by collection, unless that is asked for.
    #[test]
    fn units_of_work_stay_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.parquet");
        let plan = r#"{"sessions":[{"name":"a","steps":[{"method":"GET","path":"/collections/a"},{"method":"GET","path":"/collections/b"}]}]}"#;
        let template = Some(crate::synth::Template::parse(plan).expect("sound"));
        let length = Length::Requests(2000);
        synthesize(&path, &Options { dim: 1, template, length, ..Options::default() }, |_| ()).expect("written");
        let by = |by| {
            let fitted = fit(&path, &FitOptions { by, ..ONE }).expect("enough");
            (fitted.by, fitted.kinds.len())
        };
        assert_eq!((by(None), by(Some(By::Collection))), ((By::None, 0), (By::Collection, 2)));
    }
}
