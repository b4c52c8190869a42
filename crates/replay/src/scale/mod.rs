//! More or less traffic of the same character: a trace with whole sessions copied, left out, or dealt out.
//!
//! A first pass takes the [`Census`]: sessions and figures. A second one asks the [`Scaler`] where each row goes and writes it. A third
//! one reads what was written and takes the same figures again, so that they stand beside the ones before and those the method's
//! closed form promises. Think times inside a session are never changed.

mod census;
mod compress;
mod figures;
mod overlap;
mod replicate;
mod split;
mod thin;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use stats::traffic::{TrafficFigures, WINDOWS_NS};
use trace::limits::SORT_BYTES_MAX;
use trace::rules::nearest;
use trace::{Exchange, Names, Source, TraceMeta, TraceNs, TraceReader, TraceSorter, Txn};

pub use census::{Arrival, Census, Factors, Session};
pub use figures::Figures;

use crate::provenance::{files_of, refuse_overwriting, seed_for};
use crate::{Error, Result};
use figures::Repeats;

/// Sessions of a trace, before and after: each costs about 100 bytes of memory.
pub const SESSIONS_MAX: usize = 1 << 24;
/// The largest factor.
pub const FACTOR_MAX: f64 = 10_000.0;
/// A rate that is off by more is warned of.
const RATE_TOLERANCE: f64 = 0.1;
/// Rows between two reports of progress.
const PROGRESS_EVERY: u64 = 4096;

/// Where rows go: the seam of scaling. It is asked for every row of the trace in order.
pub trait Scaler {
    /// Adds the row's places to `places`; none leaves it out.
    ///
    /// # Errors
    /// [`Error::Data`] when it needs to read something and cannot.
    fn place(&mut self, arrival: &Arrival, places: &mut Vec<Place>) -> Result<()>;

    /// What is put between the name of the output and its extension, one for each output.
    fn outputs(&self) -> Vec<String> {
        vec![String::new()]
    }
}

/// One place of a row in an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Which output.
    pub output: usize,
    /// Which copy of its session (0 = itself).
    pub copy: u32,
    /// When, ns since the start of the trace that is read.
    pub at_ns: i64,
}

/// One way of scaling: a row of [`METHODS`].
pub struct Method {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    /// Which statistics it keeps, and which not.
    pub keeps: &'static str,
    /// The smallest and the largest factor that makes sense.
    pub factors: (f64, f64),
    /// Whether collections may have factors of their own.
    pub by_collection: bool,
    /// What it does to the figures, in closed form.
    pub law: fn(&Law<'_>) -> Expected,
    open: for<'a> fn(&'a Plan<'a>) -> Result<Box<dyn Scaler + 'a>>,
}

/// Every method.
pub const METHODS: &[Method] =
    &[overlap::METHOD, replicate::METHOD, compress::METHOD, thin::METHOD, split::RR, split::RRR, split::LWL];

/// What a law starts from.
pub struct Law<'a> {
    /// The arrivals as they are.
    pub before: &'a TrafficFigures,
    /// The arrivals at 1/factor of their instants.
    pub compressed: &'a TrafficFigures,
    /// The factor over all requests.
    pub factor: f64,
    /// Whether the method works as it was published.
    pub paper_exact: bool,
}

/// What a method's closed form promises; `None` where it has none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Expected {
    /// Requests per second.
    pub rate_per_s: Option<f64>,
    /// From the first to the last arrival, ns.
    pub span_ns: i64,
    /// Coefficient of variation of the inter-arrival times.
    pub iat_cv: Option<f64>,
    /// Index of dispersion at each of [`WINDOWS_NS`].
    pub idc: [Option<f64>; WINDOWS_NS.len()],
}

impl Law<'_> {
    /// The rate times the factor over the same span, and an index of dispersion I → `idc(I)` in all windows.
    fn same_span(&self, iat_cv: Option<f64>, idc: impl Fn(f64) -> f64) -> Expected {
        Expected {
            rate_per_s: self.before.rate_per_s.map(|rate| rate * self.factor),
            span_ns: self.before.span_ns,
            iat_cv,
            idc: self.before.windows.map(|window| window.idc.map(&idc)),
        }
    }
}

/// What is asked of a scaling.
#[derive(Debug, Clone)]
pub struct ScaleOptions {
    /// The trace, a file or a folder.
    pub input: PathBuf,
    /// The scaled trace; methods with several outputs put a number before its extension.
    pub output: PathBuf,
    /// How many times as much traffic.
    pub factor: f64,
    /// Factors of single collections.
    pub collections: Vec<(String, f64)>,
    /// One of [`METHODS`]; `None` for `overlap` upwards and `thin` downwards.
    pub method: Option<String>,
    /// Copies are shifted by up to this; `None` for 30 s, or the median session if that is longer.
    pub shift: Option<Duration>,
    /// As the method was published: `replicate` places single requests and stops after as many as the trace had, `compress` scales
    /// think times too.
    pub paper_exact: bool,
    /// The seed of every random choice.
    pub seed: u64,
}

impl Default for ScaleOptions {
    fn default() -> Self {
        Self {
            input: PathBuf::new(),
            output: PathBuf::new(),
            factor: 1.0,
            collections: Vec::new(),
            method: None,
            shift: None,
            paper_exact: false,
            seed: 1,
        }
    }
}

impl ScaleOptions {
    fn factors(&self) -> Factors {
        Factors::new(self.factor, self.collections.clone())
    }

    /// The method asked for, or the default for these factors.
    fn method(&self) -> Result<&'static Method> {
        let name = self.method.as_deref().unwrap_or(if self.factors().max() > 1.0 { "overlap" } else { "thin" });
        let names: Vec<&str> = METHODS.iter().map(|method| method.name).collect();
        METHODS.iter().find(|method| method.name == name).ok_or_else(|| {
            let meant = nearest(name, &names).map_or(String::new(), |name| format!(", did you mean `{name}`?"));
            Error::option("--method", format!("unknown method `{name}`{meant} (known are {})", names.join(", ")))
        })
    }

    /// Refuses what the method cannot do.
    fn check(&self, method: &Method) -> Result<()> {
        let (name, (low, high)) = (method.name, method.factors);
        let within = |factor: f64, low: f64| (low..=high).contains(&factor);
        if !(self.factor > 0.0 && within(self.factor, low)) {
            let wanted = if low > 0.0 { format!("from {low} to {high}") } else { format!("above 0, up to {high}") };
            return Err(Error::option("--factor", format!("{name} takes factors {wanted}, not {}", self.factor)));
        }
        if !method.by_collection && !self.collections.is_empty() {
            return Err(Error::option("--collection", format!("{name} has one factor for all; use overlap or thin")));
        }
        if let Some((collection, factor)) = self.collections.iter().find(|(_, factor)| !within(*factor, low)) {
            return Err(Error::option(
                "--collection",
                format!("{name} takes factors from {low} to {high}, not {collection}={factor}"),
            ));
        }
        if self.shift.is_some() && name != overlap::METHOD.name {
            return Err(Error::option("--shift", format!("{name} shifts nothing; only overlap does")));
        }
        if self.paper_exact && ![replicate::METHOD.name, compress::METHOD.name].contains(&name) {
            return Err(Error::option("--paper-exact", format!("{name} has no such mode; only replicate and compress have")));
        }
        Ok(())
    }
}

/// Everything a scaler may look at.
pub struct Plan<'a> {
    /// What was asked.
    pub options: &'a ScaleOptions,
    /// What the first pass found.
    pub census: &'a Census,
    /// Copies are shifted by up to this, ns.
    pub shift_ns: i64,
    /// The seed of every random choice, made from the one asked for and the trace's content.
    pub seed: u64,
}

/// What came of a scaling.
#[derive(Debug, Clone, Serialize)]
pub struct Scaled {
    /// Name of the method.
    pub method: &'static str,
    /// Which statistics it keeps.
    pub keeps: &'static str,
    /// How many times as much was asked for over all requests.
    pub factor: f64,
    /// Copies were shifted by up to this, ns; `None` where the method shifts nothing.
    pub shift_ns: Option<i64>,
    /// As asked.
    pub seed: u64,
    /// What should be known before the figures are trusted, a sentence each.
    pub warnings: Vec<String>,
    /// The trace as it was.
    pub before: Figures,
    /// What the method's closed form promises for each output.
    pub expected: Expected,
    /// What came out.
    pub outputs: Vec<Output>,
}

/// One trace that was written.
#[derive(Debug, Clone, Serialize)]
pub struct Output {
    /// Its file.
    pub path: PathBuf,
    /// Read from it.
    pub figures: Figures,
}

/// Scales a trace. `progress` is told the number of rows read, now and then.
///
/// # Errors
/// [`Error::Option`] for what the method cannot do, [`Error::Refused`] for a trace without requests or with too many sessions,
/// [`Error::Data`] when a trace cannot be read or written.
pub fn scale(options: &ScaleOptions, mut progress: impl FnMut(u64)) -> Result<Scaled> {
    let method = options.method()?;
    options.check(method)?;
    let files = files_of(&options.input)?;
    let seed = seed_for(options.seed, &files);
    let census = Census::take(&options.input, options.factors(), seed)?;
    let plan = Plan { options, census: &census, shift_ns: shift_ns(options, &census)?, seed };
    let mut scaler = (method.open)(&plan)?;
    let paths: Vec<PathBuf> = scaler.outputs().iter().map(|suffix| with_suffix(&options.output, suffix)).collect();
    paths.iter().try_for_each(|path| refuse_overwriting(path, std::slice::from_ref(&options.input)))?;
    let traffic = census.traffic.figures();
    let factor = census.overall_factor();
    let law = Law { before: &traffic, compressed: &census.compressed.figures(), factor, paper_exact: options.paper_exact };
    let expected = (method.law)(&law);
    let shifted = (method.name == overlap::METHOD.name).then_some(plan.shift_ns);
    let step = step(method, options, shifted, &files, (&traffic, &expected));
    let mut repeats = write(&plan, scaler.as_mut(), &paths, &step, &mut progress)?;
    let before = Figures::new(traffic, census.sessions.len() as u64, 0, repeats.remove(0).share());
    let outputs = paths.into_iter().zip(repeats).map(|(path, repeats)| {
        let figures = Figures::read(&path, &census, repeats.share())?;
        Ok(Output { path, figures })
    });
    let outputs = outputs.collect::<Result<Vec<_>>>()?;
    Ok(Scaled {
        method: method.name,
        keeps: method.keeps,
        factor,
        shift_ns: shifted,
        seed: options.seed,
        warnings: warnings(&plan, method, &expected, &outputs),
        before,
        expected,
        outputs,
    })
}

/// `trace.parquet` → `trace-1.parquet`.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(suffix);
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

fn shift_ns(options: &ScaleOptions, census: &Census) -> Result<i64> {
    match options.shift {
        None => Ok(overlap::SHIFT_NS.max(census.median_session_ns())),
        Some(shift) => i64::try_from(shift.as_nanos()).map_err(|_| Error::option("--shift", "it is longer than 292 years")),
    }
}

/// What the footer says about it.
fn step(
    method: &Method,
    options: &ScaleOptions,
    shift_ns: Option<i64>,
    files: &[Source],
    (before, expected): (&TrafficFigures, &Expected),
) -> serde_json::Value {
    json!({ "scale": {
        "method": method.name,
        "factor": options.factor,
        "collections": options.collections.iter().cloned().collect::<BTreeMap<String, f64>>(),
        "shift_ns": shift_ns,
        "paper_exact": options.paper_exact,
        "seed": options.seed,
        "inputs": files,
        "before": before,
        "expected": expected,
    }})
}

/// The second pass. Returns how often requests repeat: in the trace as it was, then in each output.
fn write(
    plan: &Plan<'_>,
    scaler: &mut dyn Scaler,
    paths: &[PathBuf],
    step: &serde_json::Value,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<Repeats>> {
    let mut reader = TraceReader::open(&plan.options.input)?;
    let sorter = |path: &PathBuf| TraceSorter::keeping_origin(path, SORT_BYTES_MAX / paths.len());
    let mut sorters: Vec<TraceSorter> = paths.iter().map(sorter).collect();
    let mut repeats: Vec<Repeats> = std::iter::repeat_with(Repeats::default).take(1 + paths.len()).collect();
    let (mut names, mut places) = (Names::default(), Vec::new());
    while let Some(batch) = reader.next_batch()? {
        for row in batch.rows() {
            let arrival = plan.census.arrival(&row)?;
            places.clear();
            scaler.place(&arrival, &mut places)?;
            let digest = figures::digest(&row);
            repeats[0].add(digest);
            places.iter().for_each(|place| repeats[1 + place.output].add(digest));
            if !places.is_empty() {
                let exchange = row.to_exchange(&mut names);
                for place in &places {
                    sorters[place.output].push(&placed(&exchange, plan.census, &arrival, *place))?;
                }
            }
            if row.id() % PROGRESS_EVERY == 0 {
                progress(row.id());
            }
        }
    }
    let meta = TraceMeta::made_from(reader.metas(), step);
    sorters.into_iter().try_for_each(|sorter| sorter.finish(meta.clone()).map(drop))?;
    Ok(repeats)
}

/// The row as it stands in an output. A copy's unit of work is another one: its id is marked with the copy.
fn placed(exchange: &Exchange, census: &Census, arrival: &Arrival, place: Place) -> Exchange {
    let mut placed = exchange.clone();
    placed.origin = exchange.id;
    placed.copy = place.copy;
    placed.at = TraceNs(place.at_ns);
    placed.session = census.number(exchange.session, arrival.rank, place.copy);
    if place.copy > 0
        && let Some(Txn { id, .. }) = &mut placed.txn
    {
        *id = format!("{id}#{}", place.copy).into();
    }
    placed
}

fn warnings(plan: &Plan<'_>, method: &Method, expected: &Expected, outputs: &[Output]) -> Vec<String> {
    let (census, mut warnings) = (plan.census, Vec::new());
    let mixed = census.mixed_sessions();
    if mixed > 0 {
        warnings.push(format!("{mixed} sessions address collections of different factors, which their copies hold only in part"));
    }
    if method.name == overlap::METHOD.name && census.factors.max() > 1.0 {
        warnings.extend(shift_warning(plan));
    }
    for Output { path, figures } in outputs {
        let (Some(wanted), Some(found)) = (expected.rate_per_s, figures.traffic.rate_per_s) else { continue };
        if (found / wanted - 1.0).abs() > RATE_TOLERANCE {
            warnings.push(format!(
                "{}: {found:.1} requests/s where {wanted:.1} were expected, since only whole sessions move: there are {} of them, half \
                 last longer than {:.1} s",
                path.display(),
                census.sessions.len(),
                census.median_session_ns() as f64 / 1e9
            ));
        }
    }
    warnings
}

/// What shifting does to this trace, where that is not what shifting is for.
fn shift_warning(plan: &Plan<'_>) -> Option<String> {
    let (span_ns, session_ns) = (plan.census.span_ns, plan.census.median_session_ns());
    let seconds = |ns: i64| ns as f64 / 1e9;
    if 2 * session_ns > span_ns {
        let (session_s, span_s) = (seconds(session_ns), seconds(span_ns));
        return Some(format!(
            "half of the sessions last longer than {session_s:.1} of {span_s:.1} s, so copies stay nearly in step"
        ));
    }
    let even = plan.shift_ns >= span_ns - plan.shift_ns;
    even.then(|| {
        let (shift_s, span_s) = (seconds(plan.shift_ns), seconds(span_ns));
        format!("shifts of up to {shift_s:.1} s in a trace of {span_s:.1} s even out how its rate changes: see --shift")
    })
}
